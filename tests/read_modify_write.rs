//! What a read-modify-write must not do: lose a field, keep plaintext, mix two records, or write a
//! document that cannot be read again.

#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use fireseal::store::{Fields, MemoryStore, Store, Value, ValueType, Write, WriteKind};
use fireseal::{
    Cause, DataKey, DocumentPath, Error, KeyRing, OpenError, PlaintextWindow, Repository, Sealable,
    SealedRepository,
};
use firestore::gcloud_sdk::google::firestore::v1::{ArrayValue, MapValue};
use serde::{Deserialize, Serialize};

const CANARY: &str = "canary-5d1e";

fn keys() -> KeyRing {
    KeyRing::new(DataKey::generate().unwrap())
}

fn value(value: ValueType) -> Value {
    Value { value_type: Some(value) }
}

fn text(text: &str) -> Value {
    value(ValueType::StringValue(text.to_owned()))
}

fn map(fields: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    value(ValueType::MapValue(MapValue { fields }))
}

fn array(values: Vec<Value>) -> Value {
    value(ValueType::ArrayValue(ArrayValue { values }))
}

async fn put(store: &MemoryStore, fields: impl IntoIterator<Item = (&'static str, Value)>) {
    let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let path = DocumentPath::parse("things/a").unwrap();
    let kind = WriteKind::Set { fields, mask: None };
    store.commit(&[Write::new(path, kind)]).await.unwrap();
}

fn held(store: &MemoryStore) -> Fields {
    store.documents().remove(0).fields
}

fn window(field: &str) -> Arc<PlaintextWindow> {
    Arc::new(PlaintextWindow::new([field], SystemTime::now() + Duration::from_secs(3_600)))
}

#[tokio::test]
async fn unknown_fields_stay_whatever_the_known_ones_are() {
    #[derive(Sealable)]
    #[sealable(collection = "things")]
    struct Thing {
        #[sealable(id)]
        id: String,
        nan: f64,
        set: HashSet<i64>,
        #[serde(default = "tick")]
        tick: i64,
        #[sensitive]
        #[serde(default)]
        secret: String,
    }
    fn tick() -> i64 {
        static TICKS: AtomicI64 = AtomicI64::new(0);
        TICKS.fetch_add(1, Ordering::Relaxed)
    }
    let store = MemoryStore::new();
    let set = array((0..8).map(|number| value(ValueType::IntegerValue(number))).collect());
    let fields = [
        ("nan", value(ValueType::DoubleValue(f64::NAN))),
        ("set", set),
        ("unknown", text("kept")),
        ("another", map([("inner", text("kept"))])),
    ];
    put(&store, fields).await;
    let things = Repository::<Thing>::new(store.clone(), keys());
    things.modify("a", |thing| thing.secret = "new".to_owned()).await.unwrap();
    SealedRepository::<Thing>::new(store.clone())
        .save(&mut SealedRepository::<Thing>::new(store.clone()).get("a").await.unwrap().unwrap())
        .await
        .unwrap();
    let held = held(&store);
    assert_eq!(held["unknown"], text("kept"));
    assert_eq!(held["another"], map([("inner", text("kept"))]));
    assert_eq!(things.get("a").await.unwrap().unwrap().secret, "new");
}

#[tokio::test]
async fn an_alias_goes_when_its_field_is_written() {
    #[derive(Sealable)]
    #[sealable(collection = "things")]
    struct Thing {
        #[sealable(id)]
        id: String,
        #[serde(default, alias = "active")]
        enabled: bool,
        #[serde(alias = "nickname")]
        nick: Option<String>,
        inner: Inner,
        #[sensitive]
        #[serde(default)]
        secret: String,
    }
    #[derive(Serialize, Deserialize, Clone, Debug)]
    struct Inner {
        #[serde(default, alias = "town")]
        city: String,
        #[serde(default, alias = "nation")]
        country: String,
    }
    let store = MemoryStore::new();
    let fields = [
        ("active", value(ValueType::BooleanValue(false))),
        ("nickname", value(ValueType::NullValue(0))),
        ("inner", map([("town", text("")), ("nation", text("GB")), ("zip", text("kept"))])),
        ("unknown", text("kept")),
    ];
    put(&store, fields).await;
    let things = Repository::<Thing>::new(store.clone(), keys());
    let changed = |thing: &mut Thing| {
        thing.enabled = true;
        thing.nick = Some("x".to_owned());
        thing.inner.city = "London".to_owned();
    };
    things.modify("a", changed).await.unwrap();
    let after = held(&store);
    assert!(!after.contains_key("active") && !after.contains_key("nickname"));
    assert_eq!(
        after["inner"],
        map([("city", text("London")), ("nation", text("GB")), ("zip", text("kept"))])
    );
    assert_eq!(after["unknown"], text("kept"));
    let thing = things.get("a").await.unwrap().unwrap();
    assert!(thing.enabled && thing.nick.as_deref() == Some("x") && thing.inner.country == "GB");
    // Gone again, together with the name.
    things.modify("a", |thing| thing.nick = None).await.unwrap();
    assert_eq!(things.get("a").await.unwrap().unwrap().nick, None);
}

#[tokio::test]
async fn no_plaintext_stays_once_its_field_is_sealed_or_emptied() {
    #[derive(Sealable)]
    #[sealable(collection = "things")]
    struct Thing {
        #[sealable(id)]
        id: String,
        #[sensitive]
        #[serde(alias = "old")]
        ssn: Option<String>,
        #[sensitive]
        #[serde(skip_serializing_if = "Option::is_none")]
        note: Option<String>,
        #[sealable(nested)]
        contact: Contact,
    }
    #[derive(Sealable)]
    #[serde(tag = "kind")]
    enum Contact {
        Nobody,
        Phone {
            #[sensitive]
            number: String,
        },
    }
    let store = MemoryStore::new();
    let plain = || {
        [
            ("old", text(CANARY)),
            ("note", text(CANARY)),
            ("contact", map([("kind", text("Phone")), ("number", text(CANARY)), ("unknown", text("kept"))])),
        ]
    };
    put(&store, plain()).await;
    let window = Arc::new(PlaintextWindow::new(
        ["ssn", "note", "contact"],
        SystemTime::now() + Duration::from_secs(60),
    ));
    let things = Repository::<Thing>::new(store.clone(), keys());
    let moving = things.clone().dangerously_accept_plaintext(window);
    let emptied = |thing: &mut Thing| {
        thing.note = None;
        thing.contact = Contact::Nobody;
    };
    moving.modify("a", emptied).await.unwrap();
    assert!(!format!("{:?}", held(&store)).contains(CANARY), "{:?}", held(&store));
    let thing = things.get("a").await.unwrap().unwrap();
    assert_eq!((thing.ssn.as_deref(), thing.note), (Some(CANARY), None));
    assert!(matches!(thing.contact, Contact::Nobody));

    // Without a key, plaintext stays where it is, and nothing else changes.
    put(&store, plain()).await;
    let before = held(&store);
    let sealed = SealedRepository::<Thing>::new(store.clone());
    sealed.save(&mut sealed.get("a").await.unwrap().unwrap()).await.unwrap();
    assert_eq!(held(&store), before);
}

#[tokio::test]
async fn plaintext_in_every_shape_stays_with_a_keyless_save() {
    #[derive(Sealable)]
    #[sealable(collection = "things")]
    struct Thing {
        #[sealable(id)]
        id: String,
        clear: i64,
        #[sealable(nested)]
        contacts: Vec<Contact>,
    }
    #[derive(Sealable)]
    enum Contact {
        Email(#[sensitive] String),
        Pair(i64, #[sensitive] String),
    }
    let store = MemoryStore::new();
    let contacts = vec![
        map([("Email", text(CANARY))]),
        map([("Pair", array(vec![value(ValueType::IntegerValue(1)), text(CANARY)]))]),
    ];
    put(&store, [("clear", value(ValueType::IntegerValue(1))), ("contacts", array(contacts))]).await;
    let mut before = held(&store);
    let sealed = SealedRepository::<Thing>::new(store.clone());
    let mut thing = sealed.get("a").await.unwrap().unwrap();
    thing.clear = 2;
    sealed.save(&mut thing).await.unwrap();
    before.insert("clear".to_owned(), value(ValueType::IntegerValue(2)));
    before.insert("id".to_owned(), text("a"));
    let mut after = held(&store);
    after.entry("id".to_owned()).or_insert_with(|| text("a"));
    assert!(after.remove("_seal").is_some(), "the mark of a write that seals nothing anew");
    assert_eq!(after, before);
}

#[derive(Sealable)]
#[sealable(collection = "things", debug)]
struct Wallet {
    #[sealable(id)]
    id: String,
    #[sealable(nested)]
    cards: Vec<Card>,
}

#[derive(Sealable)]
#[sealable(debug)]
struct Card {
    bank: String,
    #[sensitive]
    number: String,
}

#[tokio::test]
async fn records_of_an_array_are_never_mixed() {
    let store = MemoryStore::new();
    let wallets = Repository::<Wallet>::new(store.clone(), keys());
    let card = |bank: &str| Card { bank: bank.to_owned(), number: format!("number at {bank}") };
    wallets.create(&Wallet { id: "a".to_owned(), cards: vec![card("one"), card("two")] }).await.unwrap();
    let mut fields = held(&store);
    let Some(ValueType::ArrayValue(cards)) = &mut fields.get_mut("cards").unwrap().value_type else {
        panic!()
    };
    for (card, limit) in cards.values.iter_mut().zip(["limit of one", "limit of two"]) {
        let Some(ValueType::MapValue(card)) = &mut card.value_type else { panic!() };
        card.fields.insert("limit".to_owned(), text(limit));
    }
    let kind = WriteKind::Set { fields: fields.clone(), mask: None };
    let path = DocumentPath::parse("things/a").unwrap();
    store.commit(&[Write::new(path, kind)]).await.unwrap();

    let changes: [fn(&mut Wallet); 4] = [
        |wallet| wallet.cards.swap(0, 1),
        |wallet| drop(wallet.cards.pop()),
        |wallet| wallet.cards[0].bank = "another".to_owned(),
        |wallet| {
            let first = wallet.cards.remove(0);
            wallet.cards.push(Card { bank: "new".to_owned(), ..first });
        },
    ];
    for change in changes {
        let error = wallets.modify("a", change).await.unwrap_err();
        assert!(matches!(error, Error::UnknownInArray { .. }), "{error}");
        assert_eq!(held(&store), fields);
    }
    wallets.modify("a", |wallet| wallet.cards[1].number = "changed".to_owned()).await.unwrap();
    assert_eq!(wallets.get("a").await.unwrap().unwrap().cards[1].number, "changed");

    // Plaintext that did not open is not attributed to another record either.
    let plain =
        |bank: &'static str, number: &'static str| map([("bank", text(bank)), ("number", text(number))]);
    put(&store, [("cards", array(vec![plain("one", "1"), plain("two", "2")]))]).await;
    let before = held(&store);
    let mut partial = wallets.get_partial("a").await.unwrap().unwrap();
    partial.cards.swap(0, 1);
    assert!(wallets.save_partial(&mut partial).await.is_err());
    assert_eq!(held(&store), before);
    // With all of it sealed, records may come and go.
    let moving = wallets.clone().dangerously_accept_plaintext(window("cards"));
    moving.modify("a", |wallet| drop(wallet.cards.remove(0))).await.unwrap();
    let cards = wallets.get("a").await.unwrap().unwrap().cards;
    assert_eq!((cards.len(), cards[0].bank.as_str(), cards[0].number.as_str()), (1, "two", "2"));
}

#[tokio::test]
async fn a_value_sealed_under_an_older_name_opens_and_stays_there() {
    mod before {
        #[derive(fireseal::Sealable)]
        #[sealable(collection = "things")]
        pub struct Thing {
            #[sealable(id)]
            pub id: String,
            #[sensitive]
            pub ssn: String,
            #[sealable(nested)]
            pub home: Home,
        }

        #[derive(fireseal::Sealable)]
        pub struct Home {
            #[sensitive]
            pub street: String,
        }
    }
    mod after {
        #[derive(fireseal::Sealable)]
        #[sealable(collection = "things")]
        pub struct Thing {
            #[sealable(id)]
            pub id: String,
            #[sensitive]
            #[serde(alias = "ssn")]
            pub tax: String,
            #[sealable(nested)]
            #[serde(alias = "home")]
            pub address: Address,
        }

        #[derive(fireseal::Sealable)]
        pub struct Address {
            #[sensitive]
            #[serde(alias = "street")]
            pub line: String,
        }
    }
    let (store, keys) = (MemoryStore::new(), keys());
    let old = Repository::<before::Thing>::new(store.clone(), keys.clone());
    let home = before::Home { street: "1 Main Street".to_owned() };
    old.create(&before::Thing { id: "a".to_owned(), ssn: "123".to_owned(), home }).await.unwrap();
    let new = Repository::<after::Thing>::new(store.clone(), keys);
    let read = new.get("a").await.unwrap().unwrap();
    assert_eq!((read.tax.as_str(), read.address.line.as_str()), ("123", "1 Main Street"));

    // A keyless save leaves it under the name that it was sealed for: the old program reads it still.
    let sealed = SealedRepository::<after::Thing>::new(store.clone());
    sealed.save(&mut sealed.get("a").await.unwrap().unwrap()).await.unwrap();
    assert_eq!(old.get("a").await.unwrap().unwrap().ssn, "123");
    // A save with the key seals it under its new name.
    new.modify("a", |_| {}).await.unwrap();
    assert!(held(&store).contains_key("tax") && !held(&store).contains_key("ssn"));
    assert_eq!(new.get("a").await.unwrap().unwrap().address.line, "1 Main Street");
}

#[tokio::test]
async fn set_leaves_what_is_only_read_and_follows_what_is_flattened() {
    #[derive(Sealable)]
    #[sealable(collection = "things")]
    struct Thing {
        #[sealable(id)]
        id: String,
        #[serde(default, skip_serializing)]
        legacy: Option<String>,
        #[sensitive]
        secret: String,
    }
    #[derive(Sealable)]
    #[sealable(collection = "things")]
    struct Flat {
        #[sealable(id)]
        id: String,
        #[sensitive]
        secret: String,
        #[serde(flatten)]
        named: Named,
        #[serde(flatten)]
        rest: BTreeMap<String, String>,
    }
    #[derive(Serialize, Deserialize, Clone, Debug)]
    struct Named {
        #[serde(alias = "older")]
        newer: Option<String>,
    }
    let store = MemoryStore::new();
    put(&store, [("legacy", text("kept"))]).await;
    let things = Repository::<Thing>::new(store.clone(), keys());
    let thing = Thing { id: "a".to_owned(), legacy: None, secret: "s".to_owned() };
    things.set(&thing).await.unwrap();
    assert_eq!(held(&store)["legacy"], text("kept"));
    assert!(matches!(things.update(&thing, &["legacy"]).await, Err(Error::NoSuchField { .. })));

    put(&store, [("older", text("x")), ("gone", text("x")), ("stays", text("x"))]).await;
    let flats = Repository::<Flat>::new(store.clone(), keys());
    let rest = BTreeMap::from([("stays".to_owned(), "y".to_owned())]);
    let mut flat = Flat {
        id: "a".to_owned(),
        secret: "s".to_owned(),
        named: Named { newer: Some("n".to_owned()) },
        rest,
    };
    put(&store, [("older", text("x")), ("gone", text("x")), ("stays", text("x")), ("secret", text("p"))])
        .await;
    flats.set(&flat).await.unwrap();
    let names = |store: &MemoryStore| {
        let mut names: Vec<String> = held(store).into_keys().collect();
        names.sort();
        names
    };
    assert_eq!(names(&store), ["newer", "secret", "stays"]);
    flat.named.newer = None;
    flats.set(&flat).await.unwrap();
    assert_eq!(names(&store), ["secret", "stays"]);
    assert_eq!(flats.get("a").await.unwrap().unwrap().rest["stays"], "y");
    for name in ["secret", "_seal", "newer"] {
        let rest = BTreeMap::from([(name.to_owned(), CANARY.to_owned())]);
        let named = Named { newer: Some("n".to_owned()) };
        let forged = Flat { id: "a".to_owned(), secret: "s".to_owned(), named, rest };
        let error = flats.set(&forged).await.unwrap_err();
        assert!(error.to_string().contains(name) && !error.to_string().contains(CANARY), "{error}");
    }
    assert_eq!(names(&store), ["secret", "stays"]);
}

#[tokio::test]
async fn a_repository_without_keys_changes_no_sealed_place() {
    #[derive(Sealable)]
    #[sealable(collection = "things")]
    struct Thing {
        #[sealable(id)]
        id: String,
        clear: i64,
        #[sensitive]
        one: String,
        #[sensitive]
        two: Option<String>,
    }
    let store = MemoryStore::new();
    let things = Repository::<Thing>::new(store.clone(), keys());
    let thing = Thing { id: "a".to_owned(), clear: 1, one: "1".to_owned(), two: Some("2".to_owned()) };
    things.create(&thing).await.unwrap();
    let before = held(&store);
    let sealed = SealedRepository::<Thing>::new(store.clone());
    let changes: [fn(&mut SealedThing); 4] = [
        |thing| thing.one = fireseal::Sealed::from_bytes(CANARY.into()),
        |thing| thing.two = fireseal::Sealed::default(),
        |thing| thing.one = fireseal::Sealed::from_bytes(thing.two.as_bytes().unwrap().to_vec()),
        |thing| thing.one = serde_json::from_str("\"plaintext\"").unwrap(),
    ];
    for change in changes {
        let mut thing = sealed.get("a").await.unwrap().unwrap();
        change(&mut thing);
        assert!(matches!(sealed.save(&mut thing).await, Err(Error::SealedChanged { .. })));
        assert_eq!(held(&store), before);
    }
}

#[tokio::test]
async fn bytes_stored_in_the_clear_are_read_within_a_window() {
    #[derive(Sealable)]
    #[sealable(collection = "things")]
    struct Thing {
        #[sealable(id)]
        id: String,
        #[sensitive(bytes)]
        photo: Vec<u8>,
    }
    let store = MemoryStore::new();
    let photo = |bytes: &[u8]| [("photo", value(ValueType::BytesValue(bytes.to_vec())))];
    put(&store, photo(&[9, 8, 7])).await;
    let things = Repository::<Thing>::new(store.clone(), keys());
    let malformed = |result: Result<Option<Thing>, Error>| match result {
        Err(Error::Open(OpenError::Fields { failures, .. })) => failures[0].cause == Cause::Malformed,
        _ => false,
    };
    assert!(malformed(things.get("a").await));
    let moving = things.clone().dangerously_accept_plaintext(window("photo"));
    assert_eq!(moving.get("a").await.unwrap().unwrap().photo, [9, 8, 7]);
    moving.modify("a", |_| {}).await.unwrap();
    assert_eq!(things.get("a").await.unwrap().unwrap().photo, [9, 8, 7]);
    // What begins as an envelope does is taken for a damaged one.
    put(&store, photo(&[1, 8, 7])).await;
    assert!(malformed(moving.get("a").await));
}
