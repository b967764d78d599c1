//! Every write puts the index tokens of what it writes, removes those of what goes, and leaves all others.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use fireseal::store::{
    Commit, Document, FieldMask, Fields, ListPage, ListRequest, MemoryStore, Store, StoreError, Value,
    ValueType, Write,
};
use fireseal::{DataKey, DocumentPath, Error, IndexKey, KeyRing, Repository, SealedRepository};
use firestore::gcloud_sdk::google::firestore::v1::{ArrayValue, MapValue};

#[path = "support/customer.rs"]
mod customer;
#[macro_use]
#[path = "support/stores.rs"]
mod stores;

use customer::{Customer, customer, customers, entries, names, path, ring, stored};

type DynStore = Arc<dyn Store>;

const ALL: [&str; 5] = ["card.number", "email", "first", "full_name", "last"];

on_both_stores!(
    create_and_set_put_tokens,
    a_value_that_goes_takes_its_tokens,
    update_changes_the_named_ones_only,
    a_compound_index_takes_all_of_its_fields,
    save_and_modify_renew_and_keep_what_others_put,
    save_partial_keeps_the_tokens_of_closed_fields,
    deleting_a_field_deletes_its_tokens,
    a_write_without_a_key_leaves_the_tokens,
    an_index_needs_an_index_key,
    the_new_index_key_makes_the_tokens,
    a_scope_is_forgotten,
);

fn bytes(value: &Value) -> &[u8] {
    match &value.value_type {
        Some(ValueType::BytesValue(bytes)) => bytes,
        other => panic!("{other:?} is no bytes"),
    }
}

async fn token(store: &DynStore, id: &str, name: &str) -> Vec<u8> {
    bytes(&customer::map(&entries(store, id).await[name])["eq"]).to_vec()
}

async fn create_and_set_put_tokens(store: DynStore) {
    let customers = customers(&store);
    customers.create(&customer("ada", "ada@example.com")).await.unwrap();
    assert_eq!(names(&store, "ada").await, ALL);
    let all = entries(&store, "ada").await;
    let (first, email) = (customer::map(&all["first"]), customer::map(&all["email"]));
    let mut kinds: Vec<_> = email.keys().map(String::as_str).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["eq", "key", "unique"]);
    assert_eq!(bytes(&first["key"]), &IndexKey::from_bytes(&[8; 32]).id().as_bytes()[..16]);
    assert_eq!((bytes(&first["eq"]).len(), bytes(&email["unique"]).len()), (16, 32));

    // The same value has the same token in another document, whichever call writes it.
    customers.set(&customer("bea", "bea@example.com")).await.unwrap();
    assert_eq!(names(&store, "bea").await, ALL);
    assert_eq!(token(&store, "bea", "first").await, token(&store, "ada", "first").await);
    assert_ne!(token(&store, "bea", "email").await, token(&store, "ada", "email").await);
    assert_eq!(customers.get("bea").await.unwrap().unwrap(), customer("bea", "bea@example.com"));
}

async fn a_value_that_goes_takes_its_tokens(store: DynStore) {
    let customers = customers(&store);
    let mut ada = customer("ada", "ada@example.com");
    customers.create(&ada).await.unwrap();
    (ada.email, ada.card) = (None, None);
    customers.set(&ada).await.unwrap();
    assert_eq!(names(&store, "ada").await, ["first", "full_name", "last"]);
    assert_eq!(customers.get("ada").await.unwrap().unwrap(), ada);
}

async fn update_changes_the_named_ones_only(store: DynStore) {
    let customers = customers(&store);
    let mut ada = customer("ada", "ada@example.com");
    customers.create(&ada).await.unwrap();
    let before = entries(&store, "ada").await;
    ada.card.as_mut().unwrap().number = "5500".to_owned();
    ada.first = "Augusta".to_owned();
    customers.update(&ada, &["card", "name"]).await.unwrap();
    let after = entries(&store, "ada").await;
    let changed: Vec<_> = ALL.into_iter().filter(|name| before[*name] != after[*name]).collect();
    assert_eq!(changed, ["card.number"]);

    ada.card = None;
    customers.update(&ada, &["card"]).await.unwrap();
    assert_eq!(names(&store, "ada").await, ["email", "first", "full_name", "last"]);
    ada.first = "Ada".to_owned();
    assert_eq!(customers.get("ada").await.unwrap().unwrap(), ada);
}

async fn a_compound_index_takes_all_of_its_fields(store: DynStore) {
    let customers = customers(&store);
    let mut ada = customer("ada", "ada@example.com");
    customers.create(&ada).await.unwrap();
    let before = token(&store, "ada", "full_name").await;
    ada.last = "King".to_owned();
    let error = customers.update(&ada, &["last"]).await.unwrap_err();
    assert!(
        matches!(&error, Error::PartOfIndex { index, missing } if index == "full_name" && missing.len() == 1)
    );
    assert!(error.to_string().contains("first"), "{error}");
    assert_eq!(token(&store, "ada", "full_name").await, before);
    customers.update(&ada, &["first", "last"]).await.unwrap();
    assert_ne!(token(&store, "ada", "full_name").await, before);
}

/// Adds an entry as a program with another index on a field that `Customer` does not have.
async fn add_foreign_entry(store: &DynStore) {
    let at = ["_seal", "idx", "phone"].map(str::to_owned).to_vec();
    let entry = Value { value_type: Some(ValueType::StringValue("phone".to_owned())) };
    let mut fields = stored(store, "customers/ada").await.unwrap().fields;
    let Some(Value { value_type: Some(ValueType::MapValue(seal)) }) = fields.get_mut("_seal") else {
        panic!()
    };
    let Some(Value { value_type: Some(ValueType::MapValue(idx)) }) = seal.fields.get_mut("idx") else {
        panic!()
    };
    idx.fields.insert("phone".to_owned(), entry);
    let write = Write::merge(path("customers/ada"), fields, FieldMask::new(vec![at]));
    store.commit(&[write]).await.unwrap();
}

async fn save_and_modify_renew_and_keep_what_others_put(store: DynStore) {
    let customers = customers(&store);
    customers.create(&customer("ada", "ada@example.com")).await.unwrap();
    add_foreign_entry(&store).await;
    let before = entries(&store, "ada").await;
    customers.modify("ada", |ada| ada.last = "King".to_owned()).await.unwrap().unwrap();
    let after = entries(&store, "ada").await;
    let mut changed: Vec<_> = before.keys().filter(|name| before[*name] != after[*name]).collect();
    changed.sort();
    assert_eq!(changed, ["full_name", "last"]);

    customers.modify("ada", |ada| ada.card = None).await.unwrap().unwrap();
    assert_eq!(names(&store, "ada").await, ["email", "first", "full_name", "last", "phone"]);
    customers.set(&customer("ada", "ada@example.com")).await.unwrap();
    assert_eq!(names(&store, "ada").await, ["card.number", "email", "first", "full_name", "last", "phone"]);
}

async fn save_partial_keeps_the_tokens_of_closed_fields(store: DynStore) {
    let customers = customers(&store);
    customers.create(&customer("ada", "ada@example.com")).await.unwrap();
    // The first name is spoilt, so that it does not open.
    let spoilt = Value { value_type: Some(ValueType::BytesValue(vec![1; 90])) };
    let mask = FieldMask::new(vec![vec!["first".to_owned()]]);
    let write =
        Write::merge(path("customers/ada"), Fields::from([("first".to_owned(), spoilt.clone())]), mask);
    store.commit(&[write]).await.unwrap();
    let before = entries(&store, "ada").await;

    let mut partial = customers.get_partial("ada").await.unwrap().unwrap();
    assert!(partial.first.is_err());
    partial.last = Ok("King".to_owned());
    partial.email = Ok(None);
    customers.save_partial(&mut partial).await.unwrap();
    let after = entries(&store, "ada").await;
    let gone: Vec<_> = before.keys().filter(|name| !after.contains_key(*name)).collect();
    assert_eq!(gone, ["email"]);
    assert_eq!((&before["first"], &before["full_name"]), (&after["first"], &after["full_name"]));
    assert_ne!(before["last"], after["last"]);
    assert_eq!(stored(&store, "customers/ada").await.unwrap().fields["first"], spoilt);
    assert!(customer::reservations(&store).await.is_empty());
}

async fn deleting_a_field_deletes_its_tokens(store: DynStore) {
    let customers = customers(&store);
    customers.create(&customer("ada", "ada@example.com")).await.unwrap();
    customers.delete_fields("ada", &["card", "note"]).await.unwrap();
    assert_eq!(names(&store, "ada").await, ["email", "first", "full_name", "last"]);
    customers.delete_fields("ada", &["email"]).await.unwrap();
    assert_eq!(names(&store, "ada").await, ["first", "full_name", "last"]);
    assert!(customer::reservations(&store).await.is_empty());
    let ada = customers.get("ada").await.unwrap().unwrap();
    assert!(ada.email.is_none() && ada.card.is_none() && ada.note.is_none());
    let error = customers.delete_fields("ada", &["phone"]).await.unwrap_err();
    assert!(matches!(error, Error::NoSuchField { .. }));
    assert!(customers.delete_fields("bea", &["note"]).await.unwrap_err().is_not_found());
}

async fn a_write_without_a_key_leaves_the_tokens(store: DynStore) {
    customers(&store).create(&customer("ada", "ada@example.com")).await.unwrap();
    let before = entries(&store, "ada").await;
    let sealed = SealedRepository::<Customer>::new(Arc::clone(&store));
    let mut ada = sealed.get("ada").await.unwrap().unwrap();
    ada.name = "Augusta".to_owned();
    sealed.save(&mut ada).await.unwrap();
    assert_eq!(entries(&store, "ada").await, before);
    sealed.delete("ada").await.unwrap();
    assert!(customer::reservations(&store).await.is_empty());
}

async fn an_index_needs_an_index_key(store: DynStore) {
    let keys = KeyRing::new(DataKey::from_bytes(&[7; 32]));
    let customers = Repository::<Customer>::new(Arc::clone(&store), keys);
    let ada = customer("ada", "ada@example.com");
    let error = customers.create(&ada).await.unwrap_err();
    assert!(
        matches!(&error, Error::NoIndexKey { .. }) && error.to_string().contains("with_index"),
        "{error}"
    );
    assert!(matches!(customers.set(&ada).await, Err(Error::NoIndexKey { .. })));
    assert!(stored(&store, "customers/ada").await.is_none());
}

async fn the_new_index_key_makes_the_tokens(store: DynStore) {
    customers(&store).create(&customer("ada", "ada@example.com")).await.unwrap();
    let before = token(&store, "ada", "first").await;
    let rotating = Repository::<Customer>::new(Arc::clone(&store), customer::rotating());
    rotating.modify("ada", |_| {}).await.unwrap().unwrap();
    let all = entries(&store, "ada").await;
    let id = IndexKey::from_bytes(&[9; 32]).id();
    let epoch = &id.as_bytes()[..16];
    assert!(all.values().all(|entry| bytes(&customer::map(entry)["key"]) == epoch));
    assert_ne!(token(&store, "ada", "first").await, before);
}

async fn a_scope_is_forgotten(store: DynStore) {
    let customers = |scope| {
        let keys = ring().with_scope(scope);
        Repository::<Customer>::new(Arc::clone(&store), keys.clone()).with_scope(keys.scope().clone())
    };
    customers(customer::acme()).create(&customer("ada", "ada@example.com")).await.unwrap();
    let beta = fireseal::Scope::new("beta").unwrap();
    customers(beta.clone()).under("tenants/beta").unwrap().create(&customer("bea", "a@b")).await.unwrap();
    let before = stored(&store, "customers/ada").await.unwrap();
    assert_eq!(customer::reservations(&store).await.len(), 2);

    let sealed = SealedRepository::<Customer>::new(Arc::clone(&store)).with_scope(customer::acme());
    let nothing = sealed.forget_scope(&fireseal::Scope::new("other").unwrap()).await.unwrap();
    assert_eq!((nothing.documents, nothing.reservations), (0, 0));
    let forgotten = sealed.forget_scope(&customer::acme()).await.unwrap();
    assert_eq!((forgotten.documents, forgotten.reservations), (1, 1));
    assert!(entries(&store, "ada").await.is_empty());
    let left = customer::reservations(&store).await;
    assert!(left.len() == 1 && left[0].1 == "tenants/beta/customers/bea", "{left:?}");
    let after = stored(&store, "customers/ada").await.unwrap();
    assert!(
        before
            .fields
            .iter()
            .filter(|(name, _)| *name != "_seal")
            .all(|(name, value)| after.fields[name] == *value)
    );
}

#[derive(fireseal::Sealable, Clone, PartialEq)]
#[sealable(collection = "customers", debug, compound(name = "place", fields(country, code)))]
struct Parcel {
    #[sealable(id)]
    id: String,
    country: Option<String>,
    weight: i64,
    #[sensitive]
    code: String,
}

#[tokio::test]
async fn a_clear_part_of_a_compound_index_is_not_changed_alone() {
    let store: DynStore = Arc::new(MemoryStore::new());
    let parcels = Repository::<Parcel>::new(Arc::clone(&store), ring());
    let mut parcel = Parcel { id: "p".into(), country: Some("GB".into()), weight: 1, code: "SW1A".into() };
    parcels.create(&parcel).await.unwrap();
    let before = stored(&store, "customers/p").await.unwrap();
    let part = |result: Result<_, Error>| matches!(result, Err(Error::PartOfIndex { index, .. }) if index == "place");

    let keyless = SealedRepository::<Parcel>::new(Arc::clone(&store));
    let mut sealed = keyless.get("p").await.unwrap().unwrap();
    sealed.country = Some("FR".to_owned());
    assert!(part(keyless.save(&mut sealed).await.map(|()| None)));
    assert!(part(parcels.change("p").set(|p| p.country, "FR").run().await));
    assert!(part(parcels.change("p").set(|p| p.country, None::<String>).run().await));
    assert!(part(parcels.update(&parcel, &["country"]).await));
    assert!(part(parcels.update(&parcel, &["code"]).await));
    assert_eq!(stored(&store, "customers/p").await.unwrap(), before);

    // What is in no index is changed alone, and all of the parts together.
    let mut sealed = keyless.get("p").await.unwrap().unwrap();
    sealed.weight = 2;
    keyless.save(&mut sealed).await.unwrap();
    parcels.change("p").increment(|p| p.weight, 1).run().await.unwrap();
    assert_eq!(names(&store, "p").await, ["place"]);
    parcel.country = Some("FR".into());
    let token = async || token(&store, "p", "place").await;
    let first = token().await;
    parcels.update(&parcel, &["country", "code"]).await.unwrap();
    assert_ne!(token().await, first);

    // Without one of them there is no token.
    parcels.change("p").write(&parcel, &["code"]).delete(|p| p.country).run().await.unwrap();
    assert!(names(&store, "p").await.is_empty());
}

#[derive(Clone)]
struct CountingReads(MemoryStore, Arc<AtomicUsize>);

#[async_trait]
impl Store for CountingReads {
    async fn read(
        &self,
        paths: &[DocumentPath],
        mask: Option<&FieldMask>,
    ) -> Result<Vec<Option<Document>>, StoreError> {
        self.1.fetch_max(paths.len(), Ordering::Relaxed);
        self.0.read(paths, mask).await
    }

    async fn commit(&self, writes: &[Write]) -> Result<Commit, StoreError> {
        self.0.commit(writes).await
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage, StoreError> {
        self.0.list(request).await
    }
}

#[tokio::test]
async fn a_forged_entry_does_not_have_thousands_of_reservations_read() {
    let counting = CountingReads(MemoryStore::new(), Arc::default());
    let store: DynStore = Arc::new(counting.clone());
    let customers = customers(&store);
    customers.create(&customer("ada", "ada@example.com")).await.unwrap();
    let tokens = (0..10_000_u32).map(|number| {
        let token = number.to_le_bytes().repeat(8);
        Value { value_type: Some(ValueType::BytesValue(token)) }
    });
    let also = ValueType::ArrayValue(ArrayValue { values: tokens.collect() });
    let map = |name: &str, value| {
        let fields = std::collections::HashMap::from([(name.to_owned(), value)]);
        Value { value_type: Some(ValueType::MapValue(MapValue { fields })) }
    };
    let also = map("also", Value { value_type: Some(also) });
    let fields = Fields::from([("_seal".to_owned(), map("idx", map("email", also)))]);
    let mask = FieldMask::new(vec![["_seal", "idx", "email", "also"].map(str::to_owned).to_vec()]);
    counting.0.commit(&[Write::merge(path("customers/ada"), fields, mask)]).await.unwrap();
    customers.update(&customer("ada", "new@example.com"), &["email"]).await.unwrap();
    let most = counting.1.load(Ordering::Relaxed);
    assert!(most < 20, "{most} documents were read for one update");
    assert_eq!(customer::reservations(&store).await.len(), 1);
}
