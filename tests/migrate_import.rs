//! Fields that were sealed by hand become envelopes, and the old key nothing more.

#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/steps.rs"]
mod steps;
#[macro_use]
#[path = "support/stores.rs"]
mod stores;

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use fireseal::operations::{
    CollectionConfig, FailureKind, Import, LegacyAssociatedData, LegacyContent, LegacyEncoding, LegacyKey,
    LegacyLayout, Verify,
};
use fireseal::store::{Value, ValueType};
use fireseal::{Repository, Sealable};
use steps::*;

const KEY: [u8; 32] = [42; 32];

/// What a program without fireseal stored.
fn by_hand(nonce: [u8; 12], aad: &[u8], msg: &[u8]) -> Vec<u8> {
    let cipher = ChaCha20Poly1305::new(<&Key>::from(&KEY));
    let sealed = cipher.encrypt(<&Nonce>::from(&nonce), Payload { msg, aad }).unwrap();
    [&nonce[..], &sealed].concat()
}

#[derive(Sealable, PartialEq)]
#[sealable(collection = "customers", debug)]
struct Customer {
    #[sealable(id)]
    id: String,
    #[sensitive(index)]
    ssn: Option<String>,
}

fn import(config: CollectionConfig, layout: LegacyLayout) -> Import {
    Import::new(config, ring(), LegacyKey::from_bytes(&KEY), layout).unwrap()
}

fn indexed() -> CollectionConfig {
    config(r#"{"customers": {"fields": {"ssn": {"index": true}}}}"#)
}

async fn what_was_sealed_by_hand_opens_with_its_type(store: Db) {
    // A nonce may begin as an envelope does; long enough, the value then looks like one.
    let long = "x".repeat(100);
    for (id, nonce, ssn) in [("ada", [2; 12], "078-05-1120"), ("bob", [1; 12], long.as_str())] {
        let sealed = bytes(&by_hand(nonce, b"", ssn.as_bytes()));
        put(&store, &format!("customers/{id}"), fields([("ssn", sealed)])).await;
    }
    put(&store, "customers/eve", fields([("ssn", val(ValueType::NullValue(0)))])).await;
    put(&store, "customers/none", fields([("name", text("none"))])).await;
    let import = import(indexed(), LegacyLayout::default());
    let pass = run(&store, "customers", &import).await.clean();
    assert_eq!((pass.documents, pass.written), (4, 3));
    assert_eq!((pass.counts.imported, pass.counts.sealed, pass.counts.indexed), (2, 1, 2));
    let verified = run(&store, "customers", &Verify::new(indexed(), ring()).unwrap()).await.clean();
    assert_eq!(verified.counts.digest, pass.counts.digest);

    let typed = Repository::<Customer>::new(Arc::clone(&store), ring());
    let ssn = async |id: &str| typed.get(id).await.unwrap().unwrap().ssn;
    assert_eq!(ssn("ada").await.as_deref(), Some("078-05-1120"));
    assert_eq!(ssn("bob").await.as_deref(), Some(long.as_str()));
    assert_eq!((ssn("eve").await, ssn("none").await), (None, None));
    assert_eq!(typed.query().filter(|c| c.ssn.eq("078-05-1120")).all().await.unwrap().len(), 1);
    let again = run(&store, "customers", &import).await.idle();
    assert_eq!((again.counts.opened, again.counts.imported), (3, 0));
}

async fn what_the_old_key_did_not_seal_is_a_failure(store: Db) {
    let sealed = by_hand([2; 12], b"", b"secret");
    let mut changed = sealed.clone();
    *changed.last_mut().unwrap() ^= 1;
    let bound = by_hand([2; 12], b"customers/bound", b"secret");
    for (id, value) in [
        ("changed", bytes(&changed)),
        ("bound", bytes(&bound)),
        ("plain", text("078-05-1120")),
        ("short", bytes(&sealed[..20])),
        ("binary", bytes(&by_hand([2; 12], b"", &[0xff]))),
        ("envelope", bytes(&[1; 100])),
    ] {
        put(&store, &format!("customers/{id}"), fields([("ssn", value)])).await;
    }
    let before = by_path(&store, "customers").await;
    let pass = run(&store, "customers", &import(indexed(), LegacyLayout::default())).await;
    let kinds: BTreeMap<String, FailureKind> =
        pass.failed.iter().map(|failure| (failure.document.id().to_owned(), failure.kind)).collect();
    let expected = [
        ("binary", FailureKind::OtherShape),
        ("bound", FailureKind::DoesNotOpen),
        ("changed", FailureKind::DoesNotOpen),
        ("envelope", FailureKind::KeyUnknown),
        ("plain", FailureKind::Plaintext),
        ("short", FailureKind::Plaintext),
    ];
    assert_eq!(kinds, expected.map(|(id, kind)| (id.to_owned(), kind)).into());
    assert_eq!(by_path(&store, "customers").await, before);
    assert!(pass.failed.iter().all(|failure| !failure.to_string().contains("078")));
}

async fn every_layout_is_read(store: Db) {
    let json = r#"{"a":[1,-2,2.0,1.5,true,null,"x"]}"#;
    let from_json = map([(
        "a",
        array([
            integer(1),
            integer(-2),
            val(ValueType::DoubleValue(2.0)),
            val(ValueType::DoubleValue(1.5)),
            val(ValueType::BooleanValue(true)),
            val(ValueType::NullValue(0)),
            text("x"),
        ]),
    )]);
    let hex = |bytes: Vec<u8>| text(&bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>());
    let base64 = |bytes: Vec<u8>| text(&STANDARD.encode(bytes));
    let url_safe = |bytes: Vec<u8>| text(&URL_SAFE_NO_PAD.encode(bytes));
    let layout = |encoding, associated_data, content| LegacyLayout { encoding, associated_data, content };
    type Encode = fn(Vec<u8>) -> Value;
    type Case = (LegacyLayout, &'static [u8], Vec<u8>, Encode, Value);
    let cases: Vec<Case> = vec![
        (
            layout(LegacyEncoding::Bytes, LegacyAssociatedData::DocumentPath, LegacyContent::Bytes),
            b"things/0",
            vec![0, 1, 255],
            |sealed| bytes(&sealed),
            bytes(&[0, 1, 255]),
        ),
        (
            layout(LegacyEncoding::Base64, LegacyAssociatedData::DocumentId, LegacyContent::Json),
            b"1",
            json.as_bytes().to_vec(),
            base64,
            from_json,
        ),
        (
            layout(LegacyEncoding::Base64, LegacyAssociatedData::None, LegacyContent::Text),
            b"",
            "é".as_bytes().to_vec(),
            url_safe,
            text("é"),
        ),
        (
            layout(LegacyEncoding::Hex, LegacyAssociatedData::Fixed(b"v1".to_vec()), LegacyContent::Text),
            b"v1",
            Vec::new(),
            hex,
            text(""),
        ),
    ];
    for (at, (layout, aad, plaintext, encode, expected)) in cases.into_iter().enumerate() {
        let sealed = encode(by_hand([7; 12], aad, &plaintext));
        put(&store, &format!("things/{at}"), fields([("value", sealed)])).await;
        let config = || sealing("things", &["value"]);
        let page = documents(&store, "things").await;
        // One document at a time: the others have other layouts.
        let own: Vec<_> = page.into_iter().filter(|document| document.path.id() == at.to_string()).collect();
        let outcomes = fireseal::operations::Step::plan(&import(config(), layout), own).await.unwrap();
        let [fireseal::operations::Outcome::Write(planned)] = &outcomes[..] else { panic!("{outcomes:?}") };
        store.commit(std::slice::from_ref(&planned.write)).await.unwrap();
        let unseal = fireseal::operations::Unseal::new(config(), ring()).unwrap();
        run(&store, "things", &unseal).await.clean();
        let back = read(&store, &format!("things/{at}")).await.unwrap().fields;
        assert!(same(&back["value"], &expected), "{at}: {back:?}");
    }
}

on_both_stores!(
    what_was_sealed_by_hand_opens_with_its_type,
    what_the_old_key_did_not_seal_is_a_failure,
    every_layout_is_read,
);

#[test]
fn nothing_shows_the_old_key() {
    let key = LegacyKey::from_bytes(&[0xab; 32]);
    assert_eq!(format!("{key:?}"), "LegacyKey([sensitive])");
}
