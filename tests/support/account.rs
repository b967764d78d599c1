//! An authenticated document with every kind of field, its keys, and somebody who writes the database without them.

#![allow(dead_code, clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::sync::Arc;

use fireseal::store::{Document, Fields, Store, Value, ValueType, Write};
use fireseal::{
    DataKey, DocumentPath, Error, IndexKey, KeyRing, OpenError, Repository, Sealable, Unauthentic,
};
use firestore::FirestoreTimestamp;
use firestore::gcloud_sdk::google::firestore::v1::{ArrayValue, MapValue};
use firestore::jiff::Timestamp;

pub type Db = Arc<dyn Store>;

#[derive(Sealable, Clone, PartialEq)]
#[sealable(collection = "accounts", authenticated, debug)]
pub struct Account {
    #[sealable(id)]
    pub id: String,
    #[serde(alias = "part")]
    pub role: String,
    pub limit: f64,
    pub since: FirestoreTimestamp,
    pub tags: Vec<String>,
    pub shares: BTreeMap<String, f64>,
    pub note: Option<String>,
    #[sensitive(index)]
    pub email: String,
    #[sensitive(words)]
    pub name: String,
    #[sensitive]
    pub phone: Option<String>,
    #[sealable(nested)]
    pub card: Option<Card>,
    #[sealable(unbound)]
    pub visits: i64,
    #[sealable(unbound)]
    pub seen: Option<FirestoreTimestamp>,
}

#[derive(Sealable, Clone, PartialEq)]
#[sealable(debug)]
pub struct Card {
    pub bank: String,
    #[sensitive]
    pub number: String,
}

pub fn email(id: &str) -> String {
    format!("{id}@example.com")
}

pub fn account(id: &str) -> Account {
    Account {
        id: id.to_owned(),
        role: "user".to_owned(),
        limit: 10.0,
        // Less than a microsecond is not kept.
        since: FirestoreTimestamp(Timestamp::new(1_700_000_000, 123_456_789).unwrap()),
        tags: vec!["a".to_owned(), "b".to_owned()],
        shares: [("one", -0.0), ("two", f64::NAN), ("three", 1.0)].map(|(k, v)| (k.to_owned(), v)).into(),
        note: Some("note".to_owned()),
        email: email(id),
        name: format!("{id} Lovelace"),
        phone: Some("555".to_owned()),
        card: Some(Card { bank: "bank".to_owned(), number: format!("4111 {id}") }),
        visits: 0,
        seen: None,
    }
}

pub fn keys() -> KeyRing {
    KeyRing::new(DataKey::from_bytes(&[1; 32])).with_index(IndexKey::from_bytes(&[2; 32]))
}

pub fn accounts(db: &Db) -> Repository<Account> {
    Repository::new(Arc::clone(db), keys())
}

pub fn path(id: &str) -> DocumentPath {
    DocumentPath::parse(&format!("accounts/{id}")).unwrap()
}

pub async fn stored(db: &Db, id: &str) -> Document {
    db.read(&[path(id)], None).await.unwrap().pop().flatten().unwrap()
}

/// Writes a whole document as somebody without keys.
pub async fn put(db: &Db, document: Document) {
    db.commit(&[Write::set(document.path, document.fields)]).await.unwrap();
}

/// Changes a stored document as somebody without keys.
pub async fn tamper(db: &Db, id: &str, change: impl FnOnce(&mut Fields)) {
    let mut document = stored(db, id).await;
    change(&mut document.fields);
    put(db, document).await;
}

pub fn value(value: ValueType) -> Value {
    Value { value_type: Some(value) }
}

pub fn text(text: &str) -> Value {
    value(ValueType::StringValue(text.to_owned()))
}

pub fn int(number: i64) -> Value {
    value(ValueType::IntegerValue(number))
}

pub fn double(number: f64) -> Value {
    value(ValueType::DoubleValue(number))
}

pub fn bytes(bytes: &[u8]) -> Value {
    value(ValueType::BytesValue(bytes.to_vec()))
}

pub fn map_of(fields: Fields) -> Value {
    value(ValueType::MapValue(MapValue { fields }))
}

pub fn array_of(values: Vec<Value>) -> Value {
    value(ValueType::ArrayValue(ArrayValue { values }))
}

pub fn map<'a>(fields: &'a mut Fields, name: &str) -> &'a mut Fields {
    match &mut fields.get_mut(name).unwrap().value_type {
        Some(ValueType::MapValue(map)) => &mut map.fields,
        other => panic!("{name} is {other:?}, no map"),
    }
}

pub fn array<'a>(fields: &'a mut Fields, name: &str) -> &'a mut Vec<Value> {
    match &mut fields.get_mut(name).unwrap().value_type {
        Some(ValueType::ArrayValue(array)) => &mut array.values,
        other => panic!("{name} is {other:?}, no array"),
    }
}

pub fn bytes_in<'a>(fields: &'a mut Fields, name: &str) -> &'a mut Vec<u8> {
    match &mut fields.get_mut(name).unwrap().value_type {
        Some(ValueType::BytesValue(bytes)) => bytes,
        other => panic!("{name} is {other:?}, no bytes"),
    }
}

/// `_seal.doc`.
pub fn seal(fields: &mut Fields) -> &mut Fields {
    map(map(fields, "_seal"), "doc")
}

/// `_seal.idx`.
pub fn tokens(fields: &mut Fields) -> &mut Fields {
    map(map(fields, "_seal"), "idx")
}

/// The revision that a stored document names.
pub async fn revision(db: &Db, id: &str) -> i64 {
    match seal(&mut stored(db, id).await.fields)["rev"].value_type {
        Some(ValueType::IntegerValue(revision)) => revision,
        ref other => panic!("{other:?} is no revision"),
    }
}

/// Why a document was refused as a whole.
pub fn cause<T>(result: Result<T, Error>) -> Unauthentic {
    match result.map(drop) {
        Err(Error::Open(OpenError::Document { cause, .. })) => cause,
        other => panic!("not refused as a whole: {other:?}"),
    }
}
