//! Secrets are found in every form, in a database and on the wire, and only where they are.
#![allow(clippy::unwrap_used)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use fireseal_emulator::{Emulator, Form, Project, assert_nowhere, find_secrets};
use serde_json::json;

const SECRET: &str = "canary->?\u{7f}-7f3a";

async fn project() -> Project {
    Emulator::shared().await.unwrap().project().unwrap()
}

/// Every way of writing the secret down, with something in front and behind.
fn written() -> Vec<(Form, Vec<u8>)> {
    let bytes = SECRET.as_bytes();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let utf16 = |bytes: fn(u16) -> [u8; 2]| SECRET.encode_utf16().flat_map(bytes).collect();
    let mut written = vec![
        (Form::Raw, bytes.to_vec()),
        (Form::Hexadecimal, hex.clone().into_bytes()),
        (Form::Hexadecimal, hex.to_uppercase().into_bytes()),
        (Form::Utf16, utf16(u16::to_le_bytes)),
        (Form::Utf16, utf16(u16::to_be_bytes)),
        (Form::Numbers, format!("{bytes:?}").into_bytes()),
        (Form::Numbers, serde_json::to_vec(bytes).unwrap()),
    ];
    for front in ["", "x", "xy", "xyz"] {
        for behind in ["", "x", "xy"] {
            let whole = [front.as_bytes(), bytes, behind.as_bytes()].concat();
            written.push((Form::Base64, STANDARD.encode(&whole).into_bytes()));
            written.push((Form::Base64, URL_SAFE_NO_PAD.encode(&whole).into_bytes()));
        }
    }
    written
}

#[test]
fn every_form_is_found_where_it_stands() {
    for (form, text) in written() {
        let content = [b"\xff before ", text.as_slice(), b" behind \x00"].concat();
        let shown = find_secrets(&["another", SECRET], &content);
        assert_eq!(shown.len(), 1, "{form:?} {}: {shown:?}", text.escape_ascii());
        assert_eq!((shown[0].secret, shown[0].form), (1, form));
        assert!((9..12).contains(&shown[0].at) || form == Form::Base64 || form == Form::Numbers);
    }
    assert_eq!(find_secrets(&[SECRET], "nothing of the kind"), []);
}

#[test]
fn a_number_is_found_in_binary() {
    let number = 7_305_829_164_i64;
    for bytes in [number.to_le_bytes(), number.to_be_bytes()] {
        assert_eq!(find_secrets(&["7305829164"], bytes)[0].form, Form::Binary);
    }
    let float = 2_718_281.828_f64;
    assert_eq!(find_secrets(&["2718281.828"], float.to_be_bytes())[0].form, Form::Binary);
    // The varint, as protobuf has it.
    assert_eq!(find_secrets(&["7305829164"], [0xac, 0xb6, 0xd8, 0x9b, 0x1b])[0].form, Form::Binary);
    // A short one would be found by chance.
    assert_eq!(find_secrets(&["1234"], 1_234_i64.to_le_bytes()), []);
}

fn fails<T>(assertion: impl FnOnce() -> T) -> String {
    let panic = catch_unwind(AssertUnwindSafe(assertion)).err().expect("it should fail");
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| Some((*panic.downcast_ref::<&str>()?).to_owned()))
        .unwrap()
}

#[test]
fn an_assertion_fails_without_showing_the_secret() {
    let searched = assert_nowhere(&[SECRET], "harmless");
    assert_eq!((searched.places, searched.bytes), (1, 8));
    let message = fails(|| assert_nowhere(&[SECRET], format!("log: {SECRET}")));
    assert!(message.contains("Raw") && !message.contains(SECRET), "{message}");
    fails(|| assert_nowhere(&[SECRET], ""));
    fails(|| assert_nowhere(&["abc"], "harmless"));
}

#[tokio::test]
async fn a_database_is_searched_in_every_form() {
    let project = Arc::new(project().await);
    let holds = async || {
        let project = Arc::clone(&project);
        tokio::spawn(async move { project.assert_sealed(&[SECRET]).await.unwrap() }).await.is_ok()
    };
    assert!(!holds().await, "an empty database proves nothing");
    project.put("customers/ada", &json!({ "name": { "stringValue": "Ada" } })).await.unwrap();
    assert!(holds().await);
    for (form, text) in written() {
        let bytes = json!({ "bytesValue": STANDARD.encode(text) });
        project
            .put("customers/eve", &json!({ "deep": { "mapValue": { "fields": { "x": bytes } } } }))
            .await
            .unwrap();
        let (searched, hits) = project.find_secrets(&[SECRET]).await.unwrap();
        assert_eq!(searched.places, 2);
        assert!(hits.iter().all(|hit| hit.document == "customers/eve" && hit.field == "deep.x"), "{form:?}");
        assert_eq!(hits.len(), 1, "{form:?}");
        assert!(!holds().await, "{form:?}");
    }
}

#[tokio::test]
async fn what_passes_on_the_wire_is_heard() {
    let project = project().await;
    let wire = project.wire().await.unwrap();
    assert!(fails(|| wire.assert_sealed(&[SECRET])).contains("nothing passed"));
    let db = wire.firestore().await.unwrap();
    let write = async |id: &str, text: &str| {
        let object = json!({ "text": text });
        let insert = db.fluent().insert().into("wire").document_id(id).object(&object);
        insert.execute::<serde_json::Value>().await.unwrap();
    };
    write("sealed", "nothing of the kind").await;
    let searched = wire.assert_sealed(&[SECRET]);
    assert!(searched.places >= 4 && searched.bytes > 500, "{searched}");
    // Raw and decoded, there and back.
    write("open", SECRET).await;
    let (_, shown) = wire.find_secrets(&[SECRET]);
    assert!(shown.len() >= 4, "{shown:?}");
    assert!(fails(|| wire.assert_sealed(&[SECRET])).contains("passed on the wire"));
    // In a header, where the raw bytes are compressed, and cut into frames.
    db.fluent().select().by_id_in("wire").one("canary-in-an-id").await.unwrap();
    let long = format!("{}{SECRET}", "x".repeat(40_000 - 7));
    write("long", &long).await;
    assert!(wire.find_secrets(&["canary-in-an-id"]).1.len() >= 2);
    let read: Option<serde_json::Value> =
        db.fluent().select().by_id_in("wire").obj().one("long").await.unwrap();
    assert_eq!(read.unwrap()["text"], long);
}
