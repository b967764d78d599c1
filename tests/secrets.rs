//! No text that this crate makes holds a secret: canaries in plaintexts and keys are looked for in
//! every `Debug`, `Display` and error chain, in every encoding that a dump could have.

#![allow(clippy::unwrap_used)]

#[path = "support/one.rs"]
mod one;

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::fmt::Debug;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use fireseal::{
    Cause, DataKey, DocumentPath, KeyError, KeyRing, KeyRings, Location, OpenError, PlaintextWindow, Scope,
    SealError, Sealable, Sealed, to_json,
};
use firestore::FirestoreValue;
use one::{One, OneSealed, Plain, Raw, cause, location};
use serde::de::{Deserializer, Error as _};
use serde::ser::{Error as _, Serializer};
use serde::{Deserialize, Serialize};

const CANARY: &str = "canary-in-the-coal-mine-5362212";
const KEY: [u8; 32] = *b"\xc4\xfe\x91key-canary\x07\xd2\x99in-the-mine\xe1\xb8\x06\x42\x91";

/// Every form of some bytes that a text could show, cut so that a part is found as well.
fn forms(secret: &[u8]) -> Vec<String> {
    let mut forms = vec![String::from_utf8_lossy(&secret[3..13]).into_owned()];
    for part in [&secret[..8], &secret[8..16], &secret[secret.len() - 8..]] {
        let hex: String = part.iter().map(|byte| format!("{byte:02x}")).collect();
        let decimal: Vec<_> = part.iter().map(u8::to_string).collect();
        let signed: Vec<_> = part.iter().map(|byte| byte.cast_signed().to_string()).collect();
        forms.extend([hex.to_uppercase(), hex, decimal.join(", "), decimal.join(","), signed.join(", ")]);
        forms.push(part.escape_ascii().to_string());
    }
    // Base64 of the whole at each of its three alignments, without the ends that others share.
    for shift in 0..3 {
        let encoded = STANDARD.encode(&secret[shift..]);
        forms.push(encoded[..16].to_owned());
    }
    forms
}

#[derive(Default)]
struct Searched {
    texts: usize,
}

impl Searched {
    fn text(&mut self, text: &str) {
        self.texts += 1;
        for form in forms(CANARY.as_bytes()).into_iter().chain(forms(&KEY)) {
            assert!(!text.contains(&form), "{form:?} is shown by: {text}");
        }
    }

    fn debug(&mut self, value: &dyn Debug) {
        self.text(&format!("{value:?}"));
        self.text(&format!("{value:#?}"));
    }

    fn error(&mut self, error: &(dyn Error + 'static)) {
        let mut next = Some(error);
        while let Some(error) = next {
            self.text(&error.to_string());
            self.debug(&error);
            next = error.source();
        }
    }

    /// What an operation fails with; it must not panic either.
    fn failure<T: Debug, E: Error + 'static>(&mut self, operation: impl FnOnce() -> Result<T, E>) -> E {
        let result = catch_unwind(AssertUnwindSafe(operation)).expect("a failing operation does not panic");
        let error = result.expect_err("the operation fails");
        self.error(&error);
        error
    }
}

fn key_ring() -> KeyRing {
    KeyRing::new(DataKey::from_bytes(&KEY))
}

fn sealed() -> OneSealed<String> {
    One::<_>(CANARY.to_owned()).seal(&location(), &key_ring()).unwrap()
}

#[test]
fn the_search_finds_what_it_looks_for() {
    let shown = [
        format!("value: {CANARY:?}"),
        format!("{:?}", CANARY.as_bytes()),
        format!("{KEY:?}"),
        format!("{KEY:02x?}").replace(", ", ""),
        STANDARD.encode(KEY),
        STANDARD.encode([b"xx", CANARY.as_bytes()].concat()),
        STANDARD.encode([b"x", CANARY.as_bytes()].concat()),
        serde_json::to_string(CANARY.as_bytes()).unwrap(),
    ];
    for text in shown {
        let found = catch_unwind(|| Searched::default().text(&text));
        assert!(found.is_err(), "not found in {text}");
    }
}

#[test]
fn keys_and_sealed_values_do_not_show_themselves() {
    let mut searched = Searched::default();
    let ring = key_ring().with_active(DataKey::from_bytes(&[1; 32])).with_destroyed(ring_id());
    searched.debug(&DataKey::from_bytes(&KEY));
    searched.debug(&ring);
    searched.debug(&ring.key(&ring.primary().id()));
    searched.debug(&KeyRings::from_iter([ring.clone()]));
    searched.debug(&ring.primary().id());
    searched.text(&ring.primary().id().to_string());
    searched.debug(&sealed());
    searched.text(&to_json(&sealed()).unwrap().to_string());
    searched.text(&String::from_utf8_lossy(sealed().bytes()));
    searched.debug(&Sealed::<String>::from_bytes(CANARY.as_bytes().to_vec()));
    searched.debug(&Raw::<_>(CANARY.as_bytes().to_vec()).seal(&location(), &key_ring()).unwrap());
    searched.debug(&PlaintextWindow::new(["value"], SystemTime::now()));
    assert!(searched.texts > 15);
}

fn ring_id() -> fireseal::KeyId {
    DataKey::from_bytes(&[3; 32]).id()
}

#[test]
fn a_value_of_another_type_is_not_quoted() {
    #[derive(Deserialize, Serialize, Debug)]
    #[serde(deny_unknown_fields)]
    struct Narrow {
        other: u8,
    }
    #[derive(Deserialize, Serialize, Debug)]
    enum Choice {
        One,
        Two,
    }
    /// A type whose own error quotes what it read.
    #[derive(Serialize, Debug)]
    struct Talkative;
    impl<'de> Deserialize<'de> for Talkative {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let read = String::deserialize(deserializer)?;
            Err(D::Error::custom(format!("what is {read}?")))
        }
    }
    fn refused<T: Plain + Debug>(searched: &mut Searched, sealed: &OneSealed<String>) {
        let error = searched.failure(|| One::<T>::open(sealed.of_type(), &location(), &key_ring()));
        assert_eq!(cause(&error), Cause::OtherType);
        let partial = One::<T>::open_partial(sealed.of_type(), &location(), &key_ring());
        searched.debug(&partial.unwrap_err());
    }
    let mut searched = Searched::default();
    let text = sealed();
    refused::<u64>(&mut searched, &text);
    refused::<f32>(&mut searched, &text);
    refused::<bool>(&mut searched, &text);
    refused::<()>(&mut searched, &text);
    refused::<char>(&mut searched, &text);
    refused::<[u8; 4]>(&mut searched, &text);
    refused::<Vec<String>>(&mut searched, &text);
    refused::<HashMap<String, String>>(&mut searched, &text);
    refused::<Narrow>(&mut searched, &text);
    refused::<Choice>(&mut searched, &text);
    refused::<Talkative>(&mut searched, &text);
    refused::<DateTime<Utc>>(&mut searched, &text);
    refused::<IpAddr>(&mut searched, &text);

    let map = BTreeMap::from([(CANARY.to_owned(), CANARY.to_owned())]);
    let map = One::<_>(map).seal(&location(), &key_ring()).unwrap().of_type();
    refused::<Narrow>(&mut searched, &map);
    refused::<Choice>(&mut searched, &map);
    refused::<BTreeMap<String, u8>>(&mut searched, &map);
    refused::<BTreeMap<u8, String>>(&mut searched, &map);
    let bytes =
        One::<_>(serde_bytes::ByteBuf::from(CANARY)).seal(&location(), &key_ring()).unwrap().of_type();
    refused::<String>(&mut searched, &One::<_>(vec![1u8]).seal(&location(), &key_ring()).unwrap().of_type());
    refused::<u64>(&mut searched, &bytes);
    assert!(searched.texts > 80);
}

#[test]
fn a_failing_open_tells_no_secret() {
    let mut searched = Searched::default();
    let good = sealed();
    for position in 0..good.bytes().len() {
        let mut bytes = good.bytes().to_vec();
        bytes[position] ^= 1;
        let changed = OneSealed::<String>::from_bytes(&bytes);
        searched.failure(|| One::<String>::open(changed.clone(), &location(), &key_ring()));
        searched.debug(&changed);
        searched.failure(|| {
            One::<String>::open(OneSealed::from_bytes(&bytes[..position]), &location(), &key_ring())
        });
    }
    let elsewhere = Location::new(DocumentPath::parse("customers/bob").unwrap());
    searched.failure(|| One::<String>::open(good.clone(), &elsewhere, &key_ring()));
    let other = KeyRing::new(DataKey::from_bytes(&[1; 32]));
    searched.failure(|| One::<String>::open(good.clone(), &location(), &other));
    let destroyed = other.with_destroyed(good.value.key_id().unwrap());
    let error = searched.failure(|| One::<String>::open(good.clone(), &location(), &destroyed));
    assert!(matches!(cause(&error), Cause::KeyDestroyed(_)));
    searched
        .failure(|| One::<String>::open(OneSealed { value: Sealed::default() }, &location(), &key_ring()));
    let unavailable = KeyError::Unavailable { reason: "down".to_owned(), source: None };
    searched.error(&OpenError::from(unavailable));
}

/// A value whose `Serialize` fails and says with what.
struct Unwilling;

impl Serialize for Unwilling {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom(format!("cannot serialize {CANARY}")))
    }
}

impl<'de> Deserialize<'de> for Unwilling {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Ok(Self)
    }
}

#[test]
fn a_failing_seal_tells_no_secret() {
    let mut searched = Searched::default();
    let error = searched.failure(|| One::<_>(Unwilling).seal(&location(), &key_ring()));
    assert!(matches!(error, SealError::Encode { .. }));
    let other_scope = key_ring().with_scope(Scope::new("acme").unwrap());
    searched.failure(|| One::<_>(CANARY.to_owned()).seal(&location(), &other_scope));
    let mut deep = serde_json::json!(CANARY);
    for _ in 0..200 {
        deep = serde_json::json!([deep]);
    }
    searched.failure(|| One::<_>(deep).seal(&location(), &key_ring()));
}

/// What is found where a sealed value belongs.
fn plaintexts() -> Vec<serde_json::Value> {
    let nested = serde_json::json!({ "a": [CANARY, { "b": CANARY }], CANARY: 1 });
    vec![
        serde_json::json!(CANARY),
        serde_json::json!(format!("fireseal:{CANARY}")),
        serde_json::json!(format!("fireseal:{}", STANDARD.encode(CANARY))),
        serde_json::json!([CANARY, CANARY]),
        serde_json::json!(CANARY.as_bytes()),
        nested,
    ]
}

fn refuses_plaintext(searched: &mut Searched, found: OneSealed<String>) {
    searched.debug(&found);
    let error = searched.failure(|| One::<String>::open(found.clone(), &location(), &key_ring()));
    assert!(matches!(cause(&error), Cause::Plaintext | Cause::Malformed), "{error}");
    let partial = One::<String>::open_partial(found.clone(), &location(), &key_ring());
    searched.debug(&partial);
    if found.value.is_plaintext() {
        searched.failure(|| to_json(&found));
        searched.failure(|| serde_json::to_string(&found));
        let kept = One::<String>::seal_partial(&partial, &location(), &key_ring()).unwrap();
        searched.failure(|| to_json(&kept));
    }
}

#[test]
fn plaintext_found_in_json_is_not_shown() {
    let mut searched = Searched::default();
    for value in plaintexts() {
        let text = serde_json::json!({ "value": value }).to_string();
        refuses_plaintext(&mut searched, serde_json::from_str(&text).unwrap());
        // Cut anywhere, the document does not parse, and the message does not say what it held.
        for end in (10..text.len()).filter(|end| text.is_char_boundary(*end)) {
            searched.failure(|| serde_json::from_str::<OneSealed<String>>(&text[..end]));
        }
    }
}

#[test]
fn plaintext_found_in_firestore_is_not_shown() {
    let mut searched = Searched::default();
    for value in plaintexts() {
        let stored = <FirestoreValue as From<_>>::from(serde_json::json!({ "value": value }));
        let found = OneSealed::<String>::deserialize(stored).unwrap();
        refuses_plaintext(&mut searched, found);
    }
    let stored = <FirestoreValue as From<_>>::from(sealed());
    let found = OneSealed::<String>::deserialize(stored).unwrap();
    assert_eq!(One::<String>::open(found, &location(), &key_ring()).unwrap().0, CANARY);
}

#[test]
fn a_window_does_not_show_what_it_accepts() {
    let mut searched = Searched::default();
    let window = PlaintextWindow::new(["value"], SystemTime::now() + Duration::from_secs(60));
    searched.debug(&window);
    assert_eq!(window.accepted(), 0);
}
