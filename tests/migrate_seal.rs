//! What was plaintext is sealed without its Rust type, and opens with it.

#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/steps.rs"]
mod steps;
#[macro_use]
#[path = "support/stores.rs"]
mod stores;

use std::collections::BTreeMap;
use std::sync::Arc;

use fireseal::operations::{CollectionConfig, FailureKind, Outcome, ReindexFields, Seal, Step, Verify};
use fireseal::store::{MemoryStore, ValueType};
use fireseal::{DataKey, KeyRing, KeyRings, Repository, Scope, Sealable};
use firestore::{FirestoreDb, FirestoreGeoPoint, FirestoreLatLng, FirestoreReference, FirestoreTimestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use steps::*;

#[derive(Sealable, Serialize)]
#[sealable(collection = "things")]
struct Thing<T: Serialize + DeserializeOwned + Clone> {
    #[sealable(id)]
    id: String,
    #[sensitive]
    value: T,
}

/// What the `firestore` crate stores for it without fireseal.
#[derive(Serialize)]
struct Stored<'a, T> {
    id: &'a str,
    value: &'a T,
}

/// Stores a value in the clear, seals it without its type, and reads it with its type.
async fn round<
    T: Serialize + DeserializeOwned + Clone + PartialEq + std::fmt::Debug + Send + Sync + 'static,
>(
    value: T,
) {
    let store: Db = Arc::new(MemoryStore::new());
    let stored = Stored { id: "one", value: &value };
    let document =
        FirestoreDb::serialize_to_doc("projects/p/databases/d/documents/things/one", &stored).unwrap();
    put(&store, "things/one", document.fields).await;

    let seal = Seal::new(sealing("things", &["value"]), ring()).unwrap();
    let pass = run(&store, "things", &seal).await.clean();
    assert!(pass.written <= 1);
    let things = Repository::<Thing<T>>::new(Arc::clone(&store), ring());
    let read = things.get("one").await.unwrap().unwrap();
    assert_eq!(read.value, value);
    run(&store, "things", &seal).await.idle();

    // And it is the plaintext that the type itself gives, but for the order of names: sealed by the type, it is the
    // same to the pass.
    let before =
        run(&store, "things", &Verify::new(sealing("things", &["value"]), ring()).unwrap()).await.clean();
    assert_eq!(before.counts.opened, pass.counts.sealed);
    assert_eq!(before.counts.digest, pass.counts.digest);
}

#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
struct Address {
    street: String,
    number: Option<u32>,
    lines: Vec<String>,
    #[serde(rename = "post-code")]
    code: (String, i8),
}

#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
enum External {
    Unit,
    New(u8),
    Tuple(i64, String),
    Struct { a: bool, b: f64 },
}

#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(tag = "type")]
enum Internal {
    Unit,
    Struct { a: bool, b: f64 },
}

#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(tag = "t", content = "c")]
enum Adjacent {
    Unit,
    New(u8),
    Tuple(i64, String),
    Struct { a: bool, b: f64 },
}

#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(untagged)]
enum Untagged {
    Number(i64),
    Text(String),
    Struct { a: bool },
    List(Vec<u8>),
}

#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
struct Newtype(String);

fn address() -> Address {
    Address {
        street: "Rue de l'Été".to_owned(),
        number: None,
        lines: vec![String::new(), "2".to_owned()],
        code: ("75011".to_owned(), -3),
    }
}

#[tokio::test]
async fn numbers_and_texts() {
    round(0_i64).await;
    round(i64::MIN).await;
    round(i64::MAX).await;
    round(200_u8).await;
    round(u32::MAX).await;
    round(-1_i8).await;
    round(1.5_f64).await;
    round(f64::INFINITY).await;
    round(f64::MIN_POSITIVE).await;
    round(0.1_f32).await;
    round(true).await;
    round('ß').await;
    round(String::new()).await;
    round("078-05-1120".to_owned()).await;
    round("67e55044-10b1-426f-9247-bb680e5fe0c8".to_owned()).await;
    round("2020-01-01T00:00:00Z".to_owned()).await;
    round("x".repeat(100_000)).await;
    round(Newtype("new".to_owned())).await;
    round(std::net::Ipv4Addr::new(127, 0, 0, 1)).await;
    round(std::time::Duration::from_millis(1_500)).await;
}

#[tokio::test]
async fn times() {
    let time = |text: &str| text.parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    for text in [
        "1970-01-01T00:00:00Z",
        "2022-12-02T16:53:20.123456Z",
        "1812-12-10T00:00:00.5Z",
        "9999-12-29T23:59:59Z",
    ] {
        // As text, and as a time of Firestore's.
        round(time(text)).await;
        round(FirestoreTimestamp(text.parse().unwrap())).await;
    }
    round(chrono::NaiveDate::from_ymd_opt(1815, 12, 10).unwrap()).await;
}

#[tokio::test]
async fn structures() {
    round(address()).await;
    round(vec![address(), address()]).await;
    round(Vec::<i64>::new()).await;
    round(BTreeMap::from([("a.b".to_owned(), address()), ("`".to_owned(), address())])).await;
    round(BTreeMap::<String, i64>::new()).await;
    round(Some(address())).await;
    round(Some(7_i64)).await;
    round((1_i64, "two".to_owned(), 3.5_f64)).await;
    round([1_i64, 2, 3]).await;
    round(serde_json::json!({"a": [1, "x", {"b": 1.5, "c": true}]})).await;
}

#[tokio::test]
async fn enums_of_every_form() {
    let text = || "text".to_owned();
    round(External::Unit).await;
    round(External::New(5)).await;
    round(External::Tuple(-1, text())).await;
    round(External::Struct { a: true, b: 2.5 }).await;
    round(Internal::Unit).await;
    round(Internal::Struct { a: true, b: 2.5 }).await;
    round(Adjacent::Unit).await;
    round(Adjacent::New(5)).await;
    round(Adjacent::Tuple(-1, text())).await;
    round(Adjacent::Struct { a: true, b: 2.5 }).await;
    round(Untagged::Number(7)).await;
    round(Untagged::Text(text())).await;
    round(Untagged::Struct { a: true }).await;
    round(Untagged::List(vec![1, 2])).await;
    round(vec![External::Unit, External::New(1)]).await;
}

#[tokio::test]
async fn bytes_and_firestore_s_own_types() {
    round(vec![1_u8, 2, 255]).await;
    round(serde_bytes::ByteBuf::from(vec![1_u8, 2, 255])).await;
    round(FirestoreReference("projects/p/databases/(default)/documents/c/a".to_owned())).await;
    round(FirestoreLatLng(FirestoreGeoPoint { latitude: -0.5, longitude: 179.0 })).await;
}

#[derive(Sealable, PartialEq)]
#[sealable(collection = "customers", debug)]
struct Customer {
    #[sealable(id)]
    id: String,
    name: String,
    #[sensitive(pad = 64)]
    ssn: Option<String>,
    #[sensitive(index(normalize(email)))]
    email: Option<String>,
    #[sensitive(range(min = "1900-01-01", max = "2100-01-01", step = "1d"))]
    born: Option<FirestoreTimestamp>,
    #[sensitive(bytes)]
    photo: Vec<u8>,
    #[sealable(nested)]
    address: Option<Place>,
    #[sealable(nested)]
    contacts: Vec<Contact>,
    #[sealable(nested)]
    notes: BTreeMap<String, Note>,
}

#[derive(Sealable, PartialEq)]
#[sealable(debug)]
struct Place {
    city: String,
    #[sensitive(prefix(min = 2, max = 4, normalize(casefold)))]
    street: String,
}

#[derive(Sealable, PartialEq)]
#[sealable(debug)]
struct Contact {
    kind: String,
    #[sensitive]
    phone: String,
}

#[derive(Sealable, PartialEq)]
#[sealable(debug)]
struct Note {
    #[sensitive]
    text: String,
}

fn customers() -> CollectionConfig {
    config(
        r#"{"customers": {"fields": {
            "ssn": {"pad": 64},
            "email": {"index": true, "normalize": ["email"]},
            "born": {"kind": "timestamp", "range": {"min": "1900-01-01", "max": "2100-01-01", "step": "1d"}},
            "photo": {"bytes": true},
            "address.street": {"prefix": {"min": 2, "max": 4, "normalize": ["casefold"]}},
            "contacts[].phone": {},
            "notes.*.text": {}
        }}}"#,
    )
}

fn ada() -> Customer {
    Customer {
        id: "ada".to_owned(),
        name: "Ada".to_owned(),
        ssn: Some("078-05-1120".to_owned()),
        email: Some(" Ada@Example.org".to_owned()),
        born: Some(FirestoreTimestamp("1815-12-10T12:00:00Z".parse().unwrap())),
        photo: vec![0, 1, 255],
        address: Some(Place { city: "London".to_owned(), street: "St. James's Square".to_owned() }),
        contacts: ["home", "work"]
            .map(|kind| Contact { kind: kind.to_owned(), phone: kind.to_owned() })
            .into(),
        notes: ["a.b", "c"].map(|key| (key.to_owned(), Note { text: key.to_owned() })).into(),
    }
}

/// The customer as a program without fireseal stored it.
fn ada_in_clear() -> fireseal::store::Fields {
    let born = fireseal::store::Time { seconds: -4861684800, nanos: 0 };
    fields([
        ("name", text("Ada")),
        ("ssn", text("078-05-1120")),
        ("email", text(" Ada@Example.org")),
        ("born", val(ValueType::TimestampValue(born))),
        ("photo", array([0, 1, 255].map(integer))),
        ("address", map([("city", text("London")), ("street", text("St. James's Square"))])),
        ("contacts", array(["home", "work"].map(|kind| map([("kind", text(kind)), ("phone", text(kind))])))),
        ("notes", map(["a.b", "c"].map(|key| (key, map([("text", text(key))]))))),
        ("unknown", integer(7)),
    ])
}

async fn every_place_is_sealed_and_found(store: Db) {
    put(&store, "customers/ada", ada_in_clear()).await;
    let customers_in_clear = ada_in_clear();
    let seal = Seal::new(customers(), ring()).unwrap();
    let pass = run(&store, "customers", &seal).await.clean();
    assert_eq!((pass.documents, pass.written, pass.counts.sealed), (1, 1, 9));
    assert_eq!(pass.counts.indexed, 3);
    assert_eq!(pass.counts.keys, [(ring().primary().id(), 9)].into());

    let typed = Repository::<Customer>::new(Arc::clone(&store), ring());
    assert_eq!(typed.get("ada").await.unwrap().unwrap(), ada());
    let email = typed.query().filter(|c| c.email.eq("ADA@example.org")).all().await.unwrap();
    assert_eq!(email.len(), 1);
    let street = typed.query().filter(|c| c.address.street.starts_with("ST.")).all().await.unwrap();
    assert_eq!(street.len(), 1);

    // What the type would have stored is the same but for nonces: its index entries are.
    let stored = read(&store, "customers/ada").await.unwrap();
    let ours = stored.fields["_seal"].clone();
    typed.set(&ada()).await.unwrap();
    let typed_stored = read(&store, "customers/ada").await.unwrap();
    let entries = |seal: &fireseal::store::Value| match &seal.value_type {
        Some(ValueType::MapValue(seal)) => seal.fields["idx"].clone(),
        _ => panic!("no map"),
    };
    assert!(same(&entries(&ours), &entries(&typed_stored.fields["_seal"])));
    let length = |document: &fireseal::store::Document| match &document.fields["ssn"].value_type {
        Some(ValueType::BytesValue(bytes)) => bytes.len(),
        _ => panic!("not sealed"),
    };
    assert_eq!((length(&stored), length(&typed_stored)), (73 + 64, 73 + 64));
    assert!(same(&stored.fields["unknown"], &customers_in_clear["unknown"]));
    run(&store, "customers", &seal).await.idle();
    run(&store, "customers", &ReindexFields::new(customers(), ring()).unwrap()).await.idle();
}

async fn null_is_sealed_and_absent_stays(store: Db) {
    let null = || val(ValueType::NullValue(0));
    let mut ada = ada_in_clear();
    ada.insert("ssn".to_owned(), null());
    ada.insert("address".to_owned(), null());
    ada.remove("email");
    put(&store, "customers/ada", ada).await;
    let seal = Seal::new(customers(), ring()).unwrap();
    run(&store, "customers", &seal).await.clean();
    let typed = Repository::<Customer>::new(Arc::clone(&store), ring());
    let read_back = typed.get("ada").await.unwrap().unwrap();
    assert_eq!((&read_back.ssn, &read_back.email, &read_back.address), (&None, &None, &None));
    let stored = read(&store, "customers/ada").await.unwrap();
    assert!(matches!(stored.fields["ssn"].value_type, Some(ValueType::BytesValue(_))));
    assert!(!stored.fields.contains_key("email"));
    run(&store, "customers", &seal).await.idle();
}

async fn what_looks_sealed_and_does_not_open_fails(store: Db) {
    let seal = Seal::new(sealing("things", &["value"]), ring()).unwrap();
    put(&store, "things/one", fields([("value", text("plain"))])).await;
    run(&store, "things", &seal).await.clean();
    let sealed = read(&store, "things/one").await.unwrap().fields["value"].clone();
    let Some(ValueType::BytesValue(envelope)) = &sealed.value_type else { panic!("not sealed") };

    // Copied to another document, with another bit, under an unknown key, cut off in its text form.
    let mut changed = envelope.clone();
    *changed.last_mut().unwrap() ^= 1;
    let mut unknown = envelope.clone();
    unknown[1] ^= 1;
    let cut = "fireseal:AQEB".to_owned();
    let text_form = |bytes: &[u8]| {
        let json = fireseal::to_json(&fireseal::Sealed::<String>::from_bytes(bytes.to_vec())).unwrap();
        text(json.as_str().unwrap())
    };
    for (id, value) in [
        ("copied", sealed.clone()),
        ("changed", bytes(&changed)),
        ("copied_as_text", text_form(envelope)),
        ("cut", text(&cut)),
        ("unknown", bytes(&unknown)),
    ] {
        put(&store, &format!("things/{id}"), fields([("value", value)])).await;
    }
    // A text form that is cut off or has a line end is no plaintext.
    let whole = text_form(envelope);
    let Some(ValueType::StringValue(whole)) = &whole.value_type else { panic!("no text") };
    let damaged = [1, 2, 3].map(|cut| whole[..whole.len() - cut].to_owned());
    for (at, value) in (0..).zip(damaged.into_iter().chain([format!("{whole}\n")])) {
        put(&store, &format!("damaged/{at}"), fields([("value", text(&value))])).await;
    }
    let before = by_path(&store, "damaged").await;
    let pass = run(&store, "damaged", &Seal::new(sealing("damaged", &["value"]), ring()).unwrap()).await;
    assert_eq!((pass.written, pass.failed.len()), (0, 4));
    assert!(pass.failed.iter().all(|failure| failure.kind == FailureKind::Malformed), "{:?}", pass.failed);
    assert_eq!(by_path(&store, "damaged").await, before);
    // Nor is a map or an array with sealed values inside.
    put(&store, "within/map", fields([("value", map([("inner", sealed.clone())]))])).await;
    put(&store, "within/array", fields([("value", array([text("one"), sealed.clone()]))])).await;
    let pass = run(&store, "within", &Seal::new(sealing("within", &["value"]), ring()).unwrap()).await;
    assert_eq!((pass.written, pass.failed.len()), (0, 2));
    assert!(pass.failed.iter().all(|failure| failure.kind == FailureKind::OtherShape), "{:?}", pass.failed);
    // The text form of its own envelope opens.
    change(&store, "things/one", "value", text_form(envelope)).await;
    let before = by_path(&store, "things").await;
    let pass = run(&store, "things", &seal).await;
    let kinds: BTreeMap<String, FailureKind> =
        pass.failed.iter().map(|failure| (failure.document.id().to_owned(), failure.kind)).collect();
    let expected = [
        ("changed", FailureKind::DoesNotOpen),
        ("copied", FailureKind::DoesNotOpen),
        ("copied_as_text", FailureKind::DoesNotOpen),
        ("cut", FailureKind::Malformed),
        ("unknown", FailureKind::KeyUnknown),
    ];
    assert_eq!(kinds, expected.map(|(id, kind)| (id.to_owned(), kind)).into());
    assert!(pass.failed.iter().all(|failure| failure.field.as_ref().unwrap().to_string() == "value"));
    assert_eq!((pass.written, pass.counts.opened), (0, 1));
    assert_eq!(by_path(&store, "things").await, before, "nothing of them was written");
    // A destroyed key is told as such.
    let other = KeyRing::new(DataKey::generate().unwrap()).with_destroyed(ring().primary().id());
    let pass = run(&store, "things", &Seal::new(sealing("things", &["value"]), other).unwrap()).await;
    assert!(pass.failed.iter().any(|failure| failure.kind == FailureKind::KeyDestroyed));
}

async fn scopes_and_shapes_are_told_document_by_document(store: Db) {
    let config = config(
        r#"{"customers": {"scope_field": "tenant", "realm": "staging", "fields": {"a.b[].c": {}, "d": {}}}}"#,
    );
    let scope = |name: &str| Scope::new(name).unwrap();
    let rings: KeyRings = ["acme", "bit"].map(|name| ring().with_scope(scope(name))).into_iter().collect();
    let inner = |value| map([("b", array([map([("c", value)]), map([])]))]);
    for (id, tenant, a) in [
        ("fine", text("acme"), inner(integer(1))),
        ("other", text("bit"), inner(integer(1))),
        ("nobody", text("nobody"), inner(integer(1))),
        ("number", integer(1), inner(integer(1))),
        ("misfit", text("acme"), map([("b", text("no array"))])),
        ("null", text("acme"), map([("b", val(ValueType::NullValue(0)))])),
    ] {
        put(&store, &format!("customers/{id}"), fields([("tenant", tenant), ("a", a), ("d", integer(2))]))
            .await;
    }
    let seal = Seal::new(config.clone(), rings).unwrap();
    let pass = run(&store, "customers", &seal).await;
    let kinds: BTreeMap<String, FailureKind> =
        pass.failed.iter().map(|failure| (failure.document.id().to_owned(), failure.kind)).collect();
    let expected =
        [("misfit", FailureKind::OtherShape), ("nobody", FailureKind::Scope), ("number", FailureKind::Scope)];
    assert_eq!(kinds, expected.map(|(id, kind)| (id.to_owned(), kind)).into());
    assert_eq!((pass.written, pass.counts.sealed), (3, 5));
    // One tenant's keys do not open another's, and neither does another realm.
    let acme = ring().with_scope(scope("acme"));
    assert_eq!(run(&store, "customers", &Verify::new(config.clone(), acme).unwrap()).await.failed.len(), 4);
    let elsewhere = CollectionConfig { realm: None, ..config };
    let rings: KeyRings = ["acme", "bit"].map(|name| ring().with_scope(scope(name))).into_iter().collect();
    assert_eq!(run(&store, "customers", &Verify::new(elsewhere, rings).unwrap()).await.failed.len(), 6);
}

async fn verification_tells_whether_the_values_are_those_that_were_sealed(store: Db) {
    for (id, ssn) in [("ada", "1"), ("bob", "2"), ("eve", "3")] {
        put(&store, &format!("customers/{id}"), fields([("ssn", text(ssn)), ("name", text(id))])).await;
    }
    let config = || sealing("customers", &["ssn"]);
    let verify = Verify::new(config(), ring()).unwrap();
    let pass = run(&store, "customers", &verify).await;
    assert_eq!(pass.failed.len(), 3);
    assert!(pass.failed.iter().all(|failure| failure.kind == FailureKind::Plaintext));

    let sealed = run(&store, "customers", &Seal::new(config(), ring()).unwrap()).await.clean().counts;
    let verified = run(&store, "customers", &verify).await.clean().counts;
    assert_eq!((verified.opened, &verified.keys, &verified.digest), (3, &sealed.keys, &sealed.digest));
    // An older value in its own place opens, and still is not what was sealed.
    let old = read(&store, "customers/ada").await.unwrap().fields["ssn"].clone();
    change(&store, "customers/ada", "ssn", text("other")).await;
    let resealed = run(&store, "customers", &Seal::new(config(), ring()).unwrap()).await.clean().counts;
    assert_ne!(resealed.digest, sealed.digest);
    change(&store, "customers/ada", "ssn", old).await;
    assert_eq!(run(&store, "customers", &verify).await.clean().counts.digest, sealed.digest);
    // A value that is gone is missed, clear ones are not looked at.
    change(&store, "customers/bob", "name", text("Robert")).await;
    assert_eq!(run(&store, "customers", &verify).await.clean().counts.digest, sealed.digest);
    put(&store, "customers/bob", fields([("name", text("Robert"))])).await;
    assert_ne!(run(&store, "customers", &verify).await.clean().counts.digest, sealed.digest);
}

on_both_stores!(
    every_place_is_sealed_and_found,
    null_is_sealed_and_absent_stays,
    what_looks_sealed_and_does_not_open_fails,
    scopes_and_shapes_are_told_document_by_document,
    verification_tells_whether_the_values_are_those_that_were_sealed,
);

#[tokio::test]
async fn a_write_names_what_changes_and_nothing_else() {
    let store: Db = Arc::new(MemoryStore::new());
    put(&store, "customers/ada", ada_in_clear()).await;
    let outcomes =
        Seal::new(customers(), ring()).unwrap().plan(documents(&store, "customers").await).await.unwrap();
    let [Outcome::Write(planned)] = &outcomes[..] else { panic!("{outcomes:?}") };
    let fireseal::store::WriteKind::Set { mask: Some(mask), .. } = &planned.write.kind else {
        panic!("no mask")
    };
    let mut paths = mask.encode();
    paths.sort();
    let expected = [
        "_seal.idx.`address.street`",
        "_seal.idx.born",
        "_seal.idx.email",
        "_seal.was",
        "address",
        "born",
        "contacts",
        "email",
        "notes",
        "photo",
        "ssn",
    ];
    assert_eq!(paths, expected);
}

#[tokio::test]
async fn a_document_that_firestore_or_an_index_would_not_take_fails_alone() {
    let store: Db = Arc::new(MemoryStore::new());
    let indexed = config(r#"{"things": {"fields": {"value": {"index": true}, "other": {}}}}"#);
    let double = val(ValueType::DoubleValue(1.5));
    let full = text(&"x".repeat(1_048_480));
    put(&store, "things/double", fields([("value", double)])).await;
    put(&store, "things/fine", fields([("value", integer(1))])).await;
    put(&store, "things/full", fields([("other", full)])).await;
    let pass = run(&store, "things", &Seal::new(indexed, ring()).unwrap()).await;
    let kinds: Vec<_> = pass.failed.iter().map(|failure| (failure.document.id(), failure.kind)).collect();
    assert_eq!(kinds, [("double", FailureKind::NotIndexable), ("full", FailureKind::Limit)]);
    assert_eq!(pass.written, 1);
    // What is told of a failure is where and why, never a value.
    assert!(pass.failed.iter().all(|failure| failure.to_string().len() < 400), "{:?}", pass.failed);
}

#[tokio::test]
async fn a_digest_is_of_values_at_their_places() {
    let digest = async |ada: i64, bob: i64, field: &str| {
        let store: Db = Arc::new(MemoryStore::new());
        put(&store, "things/ada", fields([(field, integer(ada))])).await;
        put(&store, "things/bob", fields([(field, integer(bob))])).await;
        run(&store, "things", &Seal::new(sealing("things", &[field]), ring()).unwrap()).await.counts.digest
    };
    let one = digest(1, 2, "value").await;
    assert_eq!(one, digest(1, 2, "value").await);
    assert_ne!(one, digest(2, 1, "value").await, "the same values, at other places");
    assert_ne!(one, digest(1, 2, "other").await);
}

/// A key service that is down.
struct Down;

#[async_trait::async_trait]
impl fireseal::KeyProvider for Down {
    async fn ring(&self, _: &Scope) -> Result<KeyRing, fireseal::KeyError> {
        Err(fireseal::KeyError::Unavailable { reason: "down".to_owned(), source: None })
    }

    async fn keys(
        &self,
        _: &[(Scope, fireseal::KeyId)],
    ) -> Result<Vec<fireseal::KeyLookup>, fireseal::KeyError> {
        Err(fireseal::KeyError::Unavailable { reason: "down".to_owned(), source: None })
    }
}

#[tokio::test]
async fn keys_that_cannot_be_had_are_an_error_of_the_pass_and_of_no_document() {
    let store: Db = Arc::new(MemoryStore::new());
    put(&store, "things/one", fields([("value", integer(1))])).await;
    let seal = Seal::new(sealing("things", &["value"]), Down).unwrap();
    let error = seal.plan(documents(&store, "things").await).await.unwrap_err();
    assert!(error.is_unavailable(), "{error}");
}

#[test]
fn a_fingerprint_is_of_what_is_done() {
    let prints = |config: CollectionConfig| {
        let seal = Seal::new(config.clone(), ring()).unwrap().fingerprint();
        [seal, Verify::new(config, ring()).unwrap().fingerprint()]
    };
    let one = prints(customers());
    assert_eq!(one, prints(customers()));
    assert_ne!(one[0], one[1]);
    let mut others = [customers(), customers(), customers()];
    others[0].fields.pop();
    others[1].realm = Some("staging".to_owned());
    others[2].fields[0].pad = Some(1);
    others.into_iter().for_each(|other| assert_ne!(prints(other), one));
}

#[test]
fn a_configuration_that_contradicts_itself_is_refused() {
    let refused =
        |json: &str| serde_json::from_str::<fireseal::operations::Collections>(json).unwrap_err().to_string();
    let field = |attributes: &str| refused(&format!(r#"{{"c": {{"fields": {{"a": {attributes}}}}}}}"#));
    for (error, says) in [
        (field(r#"{"indx": true}"#), "unknown field `indx`, expected one of `bytes`, `pad`"),
        (field(r#"{"index": {"min": 1}}"#), "no `min`"),
        (field(r#"{"index": true, "unique": true}"#), "keep one"),
        (field(r#"{"unique": {"bits": 8}}"#), "remove `bits`"),
        (field(r#"{"index": true, "normalize": ["lowercase"]}"#), "unknown variant `lowercase`"),
        (field(r#"{"normalize": ["trim"]}"#), "`normalize` is of an index"),
        (field(r#"{"index": true, "bits": 4}"#), "8 to 128"),
        (field(r#"{"prefix": {"min": 4, "max": 2}}"#), "1 <= min <= max"),
        (field(r#"{"range": {"min": 1, "max": 2, "step": 0}}"#), "the bounds of a range go together"),
        (field(r#"{"range": {"min": "1900-01-01", "max": "2100-01-01", "step": "1y"}}"#), "step = \"1d\""),
        (field(r#"{"kind": "date"}"#), "unknown kind `date`; there are `timestamp`, `reference`, `geopoint`"),
        (field(r#"{"bytes": true, "index": true}"#), "raw bytes have no index"),
        (field(r#"{"pad": 0}"#), "above zero"),
        (refused(r#"{"c": {"fields": {"a[]": {"index": true}}}}"#), "inside an array"),
        (refused(r#"{"c": {"fields": {}}}"#), "no sensitive field"),
        (refused(r#"{"c": {"fields": {"a": {}, "a.b": {}}}}"#), "one inside the other"),
        (refused(r#"{"c": {"fields": {"_seal": {}}}}"#), "kept for other uses"),
        (refused(r#"{"c": {"scope_field": "a", "fields": {"a": {}}}}"#), "stays in the clear"),
        (refused(r#"{"c": {"scope": "a", "scope_field": "b", "fields": {"a": {}}}}"#), "keep one"),
        (refused(r#"{"c/d": {"fields": {"a": {}}}}"#), "not a collection path"),
        (refused(r#"{"c": {"colour": 1, "fields": {"a": {}}}}"#), "unknown field `colour`"),
        (refused(r#"{"c": {"fields": {"a..b": {}}}}"#), "names no field"),
    ] {
        assert!(error.contains(says), "{error}\n  should say: {says}");
    }
    let unique = config(r#"{"c": {"fields": {"a": {"unique": true}}}}"#);
    assert!(Seal::new(unique, ring()).err().unwrap().to_string().contains("needs the Rust type"));
}
