//! Plaintext is accepted only in the named fields, only until the date, and each time it is counted.
//!
//! T4 of docs/threat-model.md.

#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/promise.rs"]
mod promise;

#[macro_use]
#[path = "support/stores.rs"]
mod stores;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fireseal::store::{FieldMask, Fields, Store, Value, ValueType, Write, WriteKind};
use fireseal::{DataKey, DocumentPath, Error, KeyRing, PlaintextWindow, Repository, Sealable};
use firestore::gcloud_sdk::google::firestore::v1::{ArrayValue, MapValue};

type Db = Arc<dyn Store>;

#[derive(Sealable, PartialEq)]
#[sealable(collection = "customers", debug)]
struct Customer {
    #[sealable(id)]
    id: String,
    #[sensitive]
    ssn: String,
    #[sensitive]
    tags: Vec<Option<i64>>,
    #[sensitive(bytes)]
    photo: Vec<u8>,
    #[sealable(nested)]
    cards: Vec<Card>,
}

#[derive(Sealable, PartialEq)]
#[sealable(debug)]
struct Card {
    #[sensitive]
    number: chrono::DateTime<chrono::Utc>,
}

fn value(value: ValueType) -> Value {
    Value { value_type: Some(value) }
}

fn array(values: Vec<Value>) -> Value {
    value(ValueType::ArrayValue(ArrayValue { values }))
}

/// A document as a program without fireseal wrote it.
async fn put_plaintext(store: &Db) {
    let integer = |number| value(ValueType::IntegerValue(number));
    let time = value(ValueType::TimestampValue(fireseal::store::Time { seconds: 0, nanos: 0 }));
    let card = MapValue { fields: Fields::from([("number".to_owned(), time)]) };
    let fields = Fields::from([
        ("id".to_owned(), value(ValueType::StringValue("ada".to_owned()))),
        ("ssn".to_owned(), value(ValueType::StringValue("123".to_owned()))),
        ("tags".to_owned(), array(vec![integer(1), value(ValueType::NullValue(0))])),
        ("photo".to_owned(), array(vec![integer(1), integer(255)])),
        ("cards".to_owned(), array(vec![value(ValueType::MapValue(card))])),
    ]);
    let path = DocumentPath::parse("customers/ada").unwrap();
    let kind = WriteKind::Set { fields, mask: None };
    store.commit(&[Write::new(path, kind)]).await.unwrap();
}

fn ada() -> Customer {
    Customer {
        id: "ada".to_owned(),
        ssn: "123".to_owned(),
        tags: vec![Some(1), None],
        photo: vec![1, 255],
        cards: vec![Card { number: chrono::DateTime::UNIX_EPOCH }],
    }
}

const ALL: [&str; 4] = ["ssn", "tags", "photo", "cards"];

fn strict(store: &Db) -> Repository<Customer> {
    Repository::new(Arc::clone(store), KeyRing::new(DataKey::generate().unwrap()))
}

fn tomorrow() -> SystemTime {
    SystemTime::now() + Duration::from_secs(86_400)
}

on_both_stores!(
    without_a_window_plaintext_is_refused,
    an_open_window_accepts_and_counts,
    a_window_covers_the_named_fields_only,
    a_window_closes_at_its_date,
    a_window_does_not_open_damaged_values,
    saving_seals_what_was_accepted,
);

async fn without_a_window_plaintext_is_refused(store: Db) {
    put_plaintext(&store).await;
    let error = strict(&store).get("ada").await.unwrap_err();
    assert_eq!(error.to_string().matches("plaintext").count(), 4, "{error}");
    assert!(!error.to_string().contains("123"), "{error}");
    promise::Promise::kept("plaintext_window", ALL.len());
}

async fn an_open_window_accepts_and_counts(store: Db) {
    put_plaintext(&store).await;
    let window = Arc::new(PlaintextWindow::new(ALL, tomorrow()));
    let customers = strict(&store).dangerously_accept_plaintext(Arc::clone(&window));
    assert_eq!(window.accepted(), 0);
    assert_eq!(customers.get("ada").await.unwrap(), Some(ada()));
    assert_eq!(window.accepted(), 4);
    customers.get("ada").await.unwrap();
    assert_eq!(window.accepted(), 8);
    promise::Promise::kept("plaintext_window", ALL.len());
}

async fn a_window_covers_the_named_fields_only(store: Db) {
    put_plaintext(&store).await;
    let window = Arc::new(PlaintextWindow::new(["tags", "photo", "cards"], tomorrow()));
    let error = strict(&store).dangerously_accept_plaintext(window).get("ada").await.unwrap_err();
    assert!(matches!(error, Error::Open(_)));
    assert!(error.to_string().contains("ssn: holds plaintext"), "{error}");
    assert_eq!(error.to_string().matches("plaintext").count(), 1, "{error}");
    promise::Promise::kept("plaintext_window", 1);
}

async fn a_window_closes_at_its_date(store: Db) {
    put_plaintext(&store).await;
    let past = SystemTime::now() - Duration::from_secs(1);
    let window = Arc::new(PlaintextWindow::new(ALL, past));
    let customers = strict(&store).dangerously_accept_plaintext(Arc::clone(&window));
    assert!(matches!(customers.get("ada").await, Err(Error::Open(_))));
    assert_eq!(window.accepted(), 0);
    promise::Promise::kept("plaintext_window", 1);
}

async fn a_window_does_not_open_damaged_values(store: Db) {
    let window = Arc::new(PlaintextWindow::new(ALL, tomorrow()));
    let customers = strict(&store).dangerously_accept_plaintext(Arc::clone(&window));
    customers.create(&ada()).await.unwrap();
    let path = DocumentPath::parse("customers/ada").unwrap();
    let mut fields = store.read(std::slice::from_ref(&path), None).await.unwrap().remove(0).unwrap().fields;
    let Some(ValueType::BytesValue(sealed)) = &mut fields.get_mut("photo").unwrap().value_type else {
        panic!("not sealed");
    };
    sealed.truncate(40);
    let mask = Some(FieldMask::new(vec![vec!["photo".to_owned()]]));
    let kind = WriteKind::Set { fields, mask };
    store.commit(&[Write::new(path, kind)]).await.unwrap();
    let error = customers.get("ada").await.unwrap_err();
    assert!(error.to_string().contains("photo: malformed"), "{error}");
    assert_eq!(window.accepted(), 0);
    promise::Promise::kept("plaintext_window", 1);
}

async fn saving_seals_what_was_accepted(store: Db) {
    put_plaintext(&store).await;
    let window = Arc::new(PlaintextWindow::new(ALL, tomorrow()));
    let customers = strict(&store);
    let moving = customers.clone().dangerously_accept_plaintext(window);
    moving.modify("ada", |_| {}).await.unwrap();
    assert_eq!(customers.get("ada").await.unwrap(), Some(ada()), "sealed: opens without a window");
}
