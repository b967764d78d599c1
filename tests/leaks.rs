//! Nothing sensitive is in the database: its whole content is searched for every secret.

#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/promise.rs"]
mod promise;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fireseal::store::FirestoreStore;
use fireseal::{DataKey, KeyRing, PlaintextWindow, Repository, Sealable, SealedRepository};
use fireseal_emulator::Emulator;
use promise::Promise;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Every secret of the suite holds this, or is one of [`NUMBERS`].
const CANARY: &str = "canary-7f3a";
const NUMBERS: [&str; 2] = ["7305829164", "2718281.828"];
const KEY: [u8; 32] = *b"\xc4\xfe\x91key-canary\x07\xd2\x99in-the-mine\xe1\xb8\x06\x42\x91";

#[derive(Sealable)]
#[sealable(collection = "leaks")]
struct Everything {
    #[sealable(id)]
    id: String,
    clear: String,
    #[sensitive]
    text: String,
    #[sensitive]
    integer: i64,
    #[sensitive]
    double: f64,
    #[sensitive]
    optional: Option<String>,
    #[sensitive]
    list: Vec<String>,
    #[sensitive]
    map: HashMap<String, String>,
    #[sensitive]
    plain_struct: Plain,
    #[sensitive]
    choice: Choice,
    #[sensitive(bytes)]
    file: Vec<u8>,
    #[sensitive(pad = 256)]
    padded: String,
    #[sealable(nested)]
    nested: Option<Box<Nested>>,
    #[sealable(nested)]
    many: Vec<Nested>,
    #[sealable(nested)]
    named: BTreeMap<String, Nested>,
    #[sealable(nested)]
    variants: Vec<Variant>,
}

#[derive(Serialize, Deserialize)]
struct Plain {
    inner: String,
}

#[derive(Serialize, Deserialize)]
enum Choice {
    Struct { inner: String },
}

#[derive(Sealable)]
struct Nested {
    clear: String,
    #[sensitive]
    text: String,
}

#[derive(Sealable)]
enum Variant {
    Newtype(#[sensitive] String),
    Tuple(u8, #[sensitive] String),
    Struct {
        #[sensitive]
        text: String,
    },
}

fn secret(number: u32) -> String {
    format!("{CANARY}-{number}")
}

fn nested(number: u32) -> Nested {
    Nested { clear: "in the clear".to_owned(), text: secret(number) }
}

fn everything() -> Everything {
    Everything {
        id: "everything".to_owned(),
        clear: "in the clear".to_owned(),
        text: secret(1),
        integer: NUMBERS[0].parse().unwrap(),
        double: NUMBERS[1].parse().unwrap(),
        optional: Some(secret(2)),
        list: vec![secret(3)],
        map: HashMap::from([(secret(4), secret(5))]),
        plain_struct: Plain { inner: secret(6) },
        choice: Choice::Struct { inner: secret(7) },
        file: secret(8).into_bytes(),
        padded: secret(9),
        nested: Some(Box::new(nested(10))),
        many: vec![nested(11), nested(12)],
        named: BTreeMap::from([("key".to_owned(), nested(13))]),
        variants: vec![
            Variant::Newtype(secret(14)),
            Variant::Tuple(1, secret(15)),
            Variant::Struct { text: secret(16) },
        ],
    }
}

#[tokio::test]
async fn the_database_holds_no_secret() {
    let project = Emulator::shared().await.unwrap().project().unwrap();
    let store = FirestoreStore::new(project.firestore().await.unwrap());
    let documents = Repository::<Everything>::new(store, KeyRing::new(DataKey::from_bytes(&KEY)));
    documents.create(&everything()).await.unwrap();
    documents.set(&everything()).await.unwrap();
    documents.update(&everything(), &["text", "many"]).await.unwrap();
    documents.modify("everything", |document| document.integer += 0).await.unwrap();
    documents.set(&Everything { id: "other".to_owned(), ..everything() }).await.unwrap();

    let read = documents.get("everything").await.unwrap().unwrap();
    assert_eq!(read.text, secret(1));
    assert_eq!(read.file, secret(8).into_bytes());

    // The search finds what is there to be found: in values, field names and document names.
    for clear in ["in the clear", "Newtype", "everything"] {
        assert!(!project.search(clear).await.unwrap().is_empty(), "{clear}");
    }
    let secrets = [CANARY.as_bytes(), NUMBERS[0].as_bytes(), NUMBERS[1].as_bytes(), &KEY];
    let (searched, hits) = project.find_secrets(&secrets).await.unwrap();
    println!("{} secrets and a key searched for in {searched}, {} hits", 16 + NUMBERS.len(), hits.len());
    let promise = Promise::new("nothing_shows");
    promise.held(searched.places as u64);
    hits.iter().for_each(|hit| promise.violated(hit.to_string()));
    promise.finish();
}

#[derive(Sealable)]
#[sealable(collection = "legacy")]
struct Legacy {
    #[sealable(id)]
    id: String,
    #[sensitive]
    #[serde(alias = "old")]
    ssn: String,
    #[sensitive]
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[sealable(nested)]
    cards: Vec<Nested>,
    #[sealable(nested)]
    #[serde(flatten)]
    home: Home,
}

#[derive(Sealable)]
struct Home {
    #[sensitive]
    street: String,
}

#[tokio::test]
async fn a_collection_that_held_plaintext_holds_none_once_it_is_sealed() {
    let project = Emulator::shared().await.unwrap().project().unwrap();
    let text = |number| json!({ "stringValue": secret(number) });
    let card = |number| json!({ "mapValue": { "fields": { "clear": { "stringValue": "x" }, "text": text(number) } } });
    let fields = json!({
        "id": { "stringValue": "a" },
        "old": text(1),
        "note": text(2),
        "street": text(3),
        "cards": { "arrayValue": { "values": [card(4), card(5)] } },
    });
    project.put("legacy/a", &fields).await.unwrap();
    assert_eq!(project.search(CANARY).await.unwrap().len(), 5, "the search finds what is there");

    let store = FirestoreStore::new(project.firestore().await.unwrap());
    let until = SystemTime::now() + Duration::from_secs(3_600);
    let window = Arc::new(PlaintextWindow::new(["ssn", "old", "note", "street", "cards"], until));
    let strict = Repository::<Legacy>::new(store.clone(), KeyRing::new(DataKey::generate().unwrap()));
    let moving = strict.clone().dangerously_accept_plaintext(Arc::clone(&window));
    moving.modify("a", |legacy| legacy.note = None).await.unwrap();
    assert_eq!(window.accepted(), 5);
    assert_eq!(project.search(CANARY).await.unwrap(), []);

    let sealed = SealedRepository::<Legacy>::new(store);
    sealed.save(&mut sealed.get("a").await.unwrap().unwrap()).await.unwrap();
    let mut partial = strict.get_partial("a").await.unwrap().unwrap();
    partial.ssn = Ok(secret(6));
    strict.save_partial(&mut partial).await.unwrap();
    let legacy = strict.get("a").await.unwrap().unwrap();
    assert_eq!((legacy.ssn, legacy.note, legacy.home.street), (secret(6), None, secret(3)));
    strict.set(&Legacy { note: Some(secret(7)), ..strict.get("a").await.unwrap().unwrap() }).await.unwrap();
    assert_eq!(project.search(CANARY).await.unwrap(), []);
}
