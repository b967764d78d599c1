//! A customer with every kind of write to test, keys with an index key, and what is stored.

#![allow(dead_code)]

use std::sync::Arc;

use fireseal::store::{Document, Fields, Store, Value, ValueType};
use fireseal::{DataKey, DocumentPath, IndexKey, KeyRing, Repository, Scope, Sealable};

#[derive(Sealable, Clone, PartialEq)]
#[sealable(collection = "customers", debug, compound(name = "full_name", fields(first, last)))]
pub struct Customer {
    #[sealable(id)]
    pub id: String,
    pub name: String,
    pub visits: i64,
    pub tags: Vec<String>,
    pub note: Option<String>,
    #[sensitive(index)]
    pub first: String,
    #[sensitive(index)]
    pub last: String,
    #[sensitive(unique(normalize(email)))]
    pub email: Option<String>,
    #[sensitive]
    pub ssn: String,
    #[sealable(nested)]
    pub card: Option<Card>,
}

#[derive(Sealable, Clone, PartialEq)]
#[sealable(debug)]
pub struct Card {
    pub bank: String,
    #[sensitive(prefix(min = 2, max = 4))]
    pub number: String,
}

pub fn customer(id: &str, email: &str) -> Customer {
    Customer {
        id: id.to_owned(),
        name: "Ada".to_owned(),
        visits: 1,
        tags: vec!["new".to_owned()],
        note: Some("note".to_owned()),
        first: "Ada".to_owned(),
        last: "Lovelace".to_owned(),
        email: Some(email.to_owned()),
        ssn: "078-05-1120".to_owned(),
        card: Some(Card { bank: "bank".to_owned(), number: "4111".to_owned() }),
    }
}

pub fn ring() -> KeyRing {
    KeyRing::new(DataKey::from_bytes(&[7; 32])).with_index(IndexKey::from_bytes(&[8; 32]))
}

/// While the index key is rotated: the new one makes tokens.
pub fn rotating() -> KeyRing {
    KeyRing::new(DataKey::from_bytes(&[7; 32]))
        .with_index(IndexKey::from_bytes(&[9; 32]))
        .with_index(IndexKey::from_bytes(&[8; 32]))
}

pub fn customers(store: &Arc<dyn Store>) -> Repository<Customer> {
    Repository::new(Arc::clone(store), ring())
}

pub fn acme() -> Scope {
    Scope::new("acme").unwrap()
}

pub fn path(path: &str) -> DocumentPath {
    DocumentPath::parse(path).unwrap()
}

pub async fn stored(store: &Arc<dyn Store>, at: &str) -> Option<Document> {
    store.read(&[path(at)], None).await.unwrap().pop().flatten()
}

pub fn map(value: &Value) -> &Fields {
    match &value.value_type {
        Some(ValueType::MapValue(map)) => &map.fields,
        other => panic!("{other:?} is no map"),
    }
}

/// The entries under `_seal.idx` of a stored customer.
pub async fn entries(store: &Arc<dyn Store>, id: &str) -> Fields {
    let document = stored(store, &format!("customers/{id}")).await.unwrap();
    match document.fields.get("_seal").map(|seal| map(seal).get("idx")) {
        Some(Some(entries)) => map(entries).clone(),
        _ => Fields::new(),
    }
}

pub async fn names(store: &Arc<dyn Store>, id: &str) -> Vec<String> {
    let mut names: Vec<_> = entries(store, id).await.into_keys().collect();
    names.sort();
    names
}

/// All reservations, with their owners.
pub async fn reservations(store: &Arc<dyn Store>) -> Vec<(DocumentPath, String)> {
    let request = fireseal::store::ListRequest {
        collection: fireseal::CollectionPath::parse("fireseal_unique").unwrap(),
        page_size: 300,
        page_token: None,
        mask: None,
    };
    let page = store.list(&request).await.unwrap();
    let owner = |document: &Document| match &document.fields["owner"].value_type {
        Some(ValueType::StringValue(owner)) => owner.clone(),
        other => panic!("{other:?} is no owner"),
    };
    let mut all: Vec<_> = page.documents.iter().map(|one| (one.path.clone(), owner(one))).collect();
    all.sort_by(|one, another| one.1.cmp(&another.1));
    all
}
