//! A database that lies, holds forgeries, or holds something else is not believed, and no error
//! repeats what it says of a sensitive field.

#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/promise.rs"]
mod promise;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use fireseal::store::{
    Commit, Document, FieldMask, Fields, ListPage, ListRequest, MemoryStore, Store, StoreError, Time, Value,
    ValueType, Write,
};
use fireseal::{DataKey, DocumentPath, Error, KeyRing, Repository, Sealable, SealedRepository};
use firestore::FirestoreTimestamp;
use firestore::gcloud_sdk::google::firestore::v1::MapValue;

#[derive(Sealable, PartialEq)]
#[sealable(collection = "customers", debug)]
struct Customer {
    #[sealable(id)]
    id: String,
    name: String,
    #[sensitive]
    ssn: String,
    #[sealable(nested)]
    card: Option<Card>,
}

#[derive(Sealable, PartialEq)]
#[sealable(debug)]
struct Card {
    bank: String,
    #[sensitive]
    number: String,
}

fn customer(id: &str) -> Customer {
    let card = Card { bank: "bank".to_owned(), number: "number".to_owned() };
    Customer { id: id.to_owned(), name: "Ada".to_owned(), ssn: "ssn".to_owned(), card: Some(card) }
}

fn keys() -> KeyRing {
    KeyRing::new(DataKey::generate().unwrap())
}

fn path(path: &str) -> DocumentPath {
    DocumentPath::parse(path).unwrap()
}

fn text(text: &str) -> Value {
    Value { value_type: Some(ValueType::StringValue(text.to_owned())) }
}

/// Answers every read and listing with what the test says.
#[derive(Clone, Default)]
struct Liar(Arc<Mutex<Vec<Option<Document>>>>);

impl Liar {
    fn says(&self, documents: Vec<Option<Document>>) {
        *self.0.lock().unwrap() = documents;
    }
}

#[async_trait]
impl Store for Liar {
    async fn read(
        &self,
        _paths: &[DocumentPath],
        _mask: Option<&FieldMask>,
    ) -> Result<Vec<Option<Document>>, StoreError> {
        Ok(self.0.lock().unwrap().clone())
    }

    async fn commit(&self, _writes: &[Write]) -> Result<Commit, StoreError> {
        Ok(Commit { commit_time: None, update_times: Vec::new() })
    }

    async fn list(&self, _request: &ListRequest) -> Result<ListPage, StoreError> {
        let documents = self.0.lock().unwrap().iter().flatten().cloned().collect();
        Ok(ListPage { documents, next_page_token: None })
    }
}

async fn stored(id: &str, keys: &KeyRing) -> Document {
    let store = MemoryStore::new();
    Repository::<Customer>::new(store.clone(), keys.clone()).create(&customer(id)).await.unwrap();
    store.documents().remove(0)
}

#[tokio::test]
async fn another_document_than_the_one_asked_for_is_refused() {
    let keys = keys();
    let liar = Liar::default();
    let customers = Repository::<Customer>::new(liar.clone(), keys.clone());
    let sealed = SealedRepository::<Customer>::new(liar.clone());
    let eve = stored("eve", &keys).await;

    liar.says(vec![Some(eve.clone())]);
    assert!(matches!(customers.get("ada").await, Err(Error::OtherDocument { .. })));
    assert!(matches!(sealed.get("ada").await, Err(Error::OtherDocument { .. })));
    assert!(matches!(customers.get_partial("ada").await, Err(Error::OtherDocument { .. })));
    assert!(matches!(customers.get_many(&["ada"]).await, Err(Error::OtherDocument { .. })));

    let elsewhere = Document { path: path("others/eve"), ..eve.clone() };
    liar.says(vec![Some(elsewhere)]);
    assert!(matches!(customers.list().page().await, Err(Error::OtherDocument { .. })));
    assert!(matches!(sealed.list().page().await, Err(Error::OtherDocument { .. })));

    // Under the name asked for: its fields do not open there, even if it says that it is Ada.
    let mut forged = Document { path: path("customers/ada"), ..eve };
    liar.says(vec![Some(forged.clone())]);
    assert!(matches!(customers.get("ada").await, Err(Error::OtherId { .. })));
    forged.fields.insert("id".to_owned(), text("ada"));
    liar.says(vec![Some(forged)]);
    assert!(matches!(customers.get("ada").await, Err(Error::Open(_))));
    promise::Promise::kept("lying_servers", 1);
}

#[tokio::test]
async fn too_few_and_too_many_answers_are_refused() {
    let keys = keys();
    let liar = Liar::default();
    let customers = Repository::<Customer>::new(liar.clone(), keys.clone());
    let ada = stored("ada", &keys).await;
    liar.says(vec![]);
    assert!(customers.get_many(&["ada", "bob"]).await.is_err());
    assert!(customers.get("ada").await.is_err());
    liar.says(vec![Some(ada.clone()), None, Some(ada)]);
    assert!(customers.get_many(&["ada", "bob"]).await.is_err());
    promise::Promise::kept("lying_servers", 1);
}

/// A repository over memory, and how to put raw fields under customers/ada.
async fn with_ada() -> (MemoryStore, Repository<Customer>, Fields) {
    let store = MemoryStore::new();
    let customers = Repository::<Customer>::new(store.clone(), keys());
    customers.create(&customer("ada")).await.unwrap();
    let fields = store.documents().remove(0).fields;
    (store, customers, fields)
}

async fn put(store: &MemoryStore, fields: Fields) {
    store.commit(&[Write::set(path("customers/ada"), fields)]).await.unwrap();
}

#[tokio::test]
async fn reserved_names_in_a_document_change_nothing() {
    let (store, customers, mut fields) = with_ada().await;
    for name in ["_seal", "_firestore_id", "_firestore_full_id", "_firestore_created", "_firestore_updated"] {
        fields.insert(name.to_owned(), text("forged"));
    }
    put(&store, fields.clone()).await;
    assert_eq!(customers.get("ada").await.unwrap(), Some(customer("ada")));
    customers.modify("ada", |ada| ada.name = "Countess".to_owned()).await.unwrap();
    assert_eq!(customers.get("ada").await.unwrap().unwrap().name, "Countess");
}

#[tokio::test]
async fn what_the_document_says_of_itself_is_not_forged() {
    #[derive(Sealable)]
    #[sealable(collection = "customers", debug)]
    struct Told {
        #[sealable(id)]
        #[serde(alias = "_firestore_id")]
        id: String,
        #[sensitive]
        ssn: String,
        #[serde(rename = "_firestore_full_id", skip_serializing)]
        at: Option<String>,
        #[serde(alias = "_firestore_updated", alias = "_firestore_created", skip_serializing)]
        changed: Option<FirestoreTimestamp>,
    }
    let store = MemoryStore::new();
    let customers = Repository::<Told>::new(store.clone(), keys());
    let ada = Told { id: "ada".to_owned(), ssn: "ssn".to_owned(), at: None, changed: None };
    customers.create(&ada).await.unwrap();
    let mut fields = store.documents().remove(0).fields;
    let long_ago = Value { value_type: Some(ValueType::TimestampValue(Time { seconds: 1, nanos: 0 })) };
    for (name, forged) in [
        ("_firestore_id", text("forged")),
        ("_firestore_full_id", text("forged")),
        ("_firestore_created", long_ago.clone()),
        ("_firestore_updated", long_ago),
    ] {
        fields.insert(name.to_owned(), forged);
    }
    put(&store, fields.clone()).await;
    let read = customers.get_stored("ada").await.unwrap().unwrap();
    assert_eq!((read.id.as_str(), read.at.as_deref()), ("ada", Some("customers/ada")));
    let changed = read.changed.as_ref().unwrap().0.as_second();
    assert_eq!(Some(changed), read.update_time().map(|time| time.seconds));

    // Without a stored id, the document's own stands for it; a stored time of the type's own name counts.
    fields.remove("id");
    fields.insert("changed".to_owned(), Value { value_type: Some(ValueType::NullValue(0)) });
    put(&store, fields).await;
    let read = customers.get("ada").await.unwrap().unwrap();
    assert_eq!((read.id.as_str(), read.ssn.as_str(), read.changed), ("ada", "ssn", None));
}

#[tokio::test]
async fn two_names_of_one_field_are_refused() {
    #[derive(Sealable)]
    #[sealable(collection = "customers", debug)]
    struct Aliased {
        #[sealable(id)]
        id: String,
        #[sensitive]
        #[serde(alias = "old")]
        ssn: String,
    }
    let store = MemoryStore::new();
    let customers = Repository::<Aliased>::new(store.clone(), keys());
    let ada = Aliased { id: "ada".to_owned(), ssn: "ssn".to_owned() };
    customers.create(&ada).await.unwrap();
    let mut fields = store.documents().remove(0).fields;
    let value = fields["ssn"].clone();
    fields.insert("old".to_owned(), value.clone());
    put(&store, fields.clone()).await;
    assert!(matches!(customers.get("ada").await, Err(Error::OtherType { .. })));
    // The message says which field, not only that something is wrong.
    let error = customers.get("ada").await.unwrap_err();
    assert!(error.to_string().contains("ssn (stored under two of its names)"), "{error}");
}

#[tokio::test]
async fn errors_name_the_place_and_never_the_value() {
    const CANARY: &str = "canary-91c2";
    let (store, customers, fields) = with_ada().await;
    let map = |key: &str| {
        let fields = Fields::from([(key.to_owned(), text(CANARY))]);
        Value { value_type: Some(ValueType::MapValue(MapValue { fields })) }
    };
    let mut cases = 0;
    // Plaintext where a sealed value, or a struct with sealed values, belongs.
    let forged = [
        ("ssn", text(CANARY)),
        ("ssn", map(CANARY)),
        ("card", text(CANARY)),
        ("card", map("number")),
        ("card", map(CANARY)),
        ("name", map("x")),
        ("id", text(CANARY)),
    ];
    for (name, value) in forged {
        let mut fields = fields.clone();
        fields.insert(name.to_owned(), value);
        put(&store, fields).await;
        for error in [
            customers.get("ada").await.map(drop),
            customers.get_stored("ada").await.map(drop),
            customers.get_many(&["ada"]).await.map(drop),
            customers.list().page().await.map(drop),
            customers.modify("ada", |_| {}).await.map(drop),
        ] {
            let error = error.unwrap_err();
            let mut told = format!("{error} {error:?} {error:#?}");
            let mut source: Option<&dyn std::error::Error> = Some(&error);
            while let Some(error) = source {
                told += &format!(" {error} {error:?}");
                source = error.source();
            }
            assert!(!told.contains(CANARY), "{told}");
            assert!(told.contains("customers/ada"), "{told}");
            assert!(told.contains(name), "{name}: {told}");
            cases += 1;
        }
        if let Ok(Some(stored)) = SealedRepository::<Customer>::new(store.clone()).get("ada").await {
            assert!(!format!("{stored:?}").contains(CANARY) || name == "name");
        }
    }
    println!("{cases} errors searched, 0 canaries");
}

#[tokio::test]
async fn clear_values_that_would_change_are_refused_before_writing() {
    #[derive(Sealable)]
    #[sealable(collection = "numbers")]
    struct Numbers {
        #[sealable(id)]
        id: String,
        big: u64,
        list: Vec<Option<u8>>,
        map: BTreeMap<String, Option<u8>>,
        #[sensitive]
        sealed: u64,
    }
    let store = MemoryStore::new();
    let numbers = Repository::<Numbers>::new(store.clone(), keys());
    let good = || Numbers {
        id: "n".to_owned(),
        big: 1,
        list: vec![Some(1)],
        map: BTreeMap::new(),
        sealed: u64::MAX,
    };
    let cases = [
        (Numbers { big: u64::MAX, ..good() }, "big"),
        (Numbers { list: vec![Some(1), None], ..good() }, "list[1]"),
        (Numbers { map: BTreeMap::from([("a".to_owned(), None)]), ..good() }, "map.a"),
    ];
    for (value, field) in cases {
        let error = numbers.create(&value).await.unwrap_err();
        assert!(matches!(&error, Error::ClearValue { .. }), "{error}");
        assert!(error.to_string().contains(field), "{error}");
        assert!(store.documents().is_empty());
    }
    numbers.create(&good()).await.unwrap();
    assert_eq!(numbers.get("n").await.unwrap().unwrap().sealed, u64::MAX);
}
