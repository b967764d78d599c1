//! Documents of many tenants in one collection: each is sealed under the ring of the scope that one of
//! its clear fields names, and one reading opens them all.

#![allow(missing_docs, clippy::unwrap_used)]

#[macro_use]
#[path = "support/stores.rs"]
mod stores;

use std::sync::Arc;

use fireseal::custody::{Authority, KeyVault};
use fireseal::store::{FieldMask, Fields, Store, Value, ValueType, Write, WriteKind};
use fireseal::{
    Cause, DataKey, DocumentPath, Error, KeyError, KeyRing, KeyRings, LocalRoot, OpenError, Repository,
    Scope, Sealable, SealedRepository, WatchEvent,
};
use futures::{StreamExt, TryStreamExt};

type Db = Arc<dyn Store>;

#[derive(Sealable, Clone, PartialEq)]
#[sealable(collection = "orders", scope = tenant_id, debug)]
struct Order {
    #[sealable(id)]
    id: String,
    #[serde(rename = "tenant")]
    tenant_id: String,
    #[sensitive]
    total: i64,
}

fn order(id: &str, tenant: &str) -> Order {
    Order { id: id.to_owned(), tenant_id: tenant.to_owned(), total: 7 }
}

fn rings() -> KeyRings {
    let ring = |id: &str| KeyRing::new(DataKey::generate().unwrap()).with_scope(Scope::new(id).unwrap());
    ["acme", "other"].map(ring).into_iter().collect()
}

on_both_stores!(
    one_reading_opens_the_documents_of_many_tenants,
    a_document_that_changes_its_tenant_does_not_open,
    a_tenant_without_a_ring_is_refused,
    without_a_key_the_location_names_the_tenant,
    the_tenant_is_not_changed_alone,
    a_tenant_whose_keys_are_refused_holds_up_no_other,
);

async fn one_reading_opens_the_documents_of_many_tenants(store: Db) {
    let orders = Repository::<Order>::new(store, rings());
    let all = [order("a", "acme"), order("b", "other"), order("c", "acme")];
    for order in &all {
        orders.create(order).await.unwrap();
    }
    let read = orders.get_many(&["a", "b", "c"]).await.unwrap();
    let read: Vec<Order> = read.into_iter().map(|stored| stored.unwrap().into_inner()).collect();
    assert_eq!(read, all);
    let listed: Vec<_> = orders.list().page_size(2).stream().try_collect().await.unwrap();
    let scopes: Vec<_> = listed.iter().map(|stored| stored.location().scope().as_str()).collect();
    assert_eq!(scopes, ["acme", "other", "acme"]);
    assert_ne!(key(&orders, "a").await, key(&orders, "b").await);
    assert_eq!(key(&orders, "a").await, key(&orders, "c").await);
    orders.modify("b", |order| order.total = 8).await.unwrap();
    assert_eq!(orders.get("b").await.unwrap().unwrap().total, 8);
}

async fn key(orders: &Repository<Order>, id: &str) -> Vec<u8> {
    let stored = orders.get_stored(id).await.unwrap().unwrap();
    match &stored.document().fields["total"].value_type {
        Some(ValueType::BytesValue(bytes)) => bytes[1..33].to_vec(),
        other => panic!("not sealed: {other:?}"),
    }
}

async fn a_document_that_changes_its_tenant_does_not_open(store: Db) {
    let orders = Repository::<Order>::new(Arc::clone(&store), rings());
    orders.create(&order("a", "acme")).await.unwrap();
    let tenant = Value { value_type: Some(ValueType::StringValue("other".to_owned())) };
    let kind = WriteKind::Set {
        fields: Fields::from([("tenant".to_owned(), tenant)]),
        mask: Some(FieldMask::new(vec![vec!["tenant".to_owned()]])),
    };
    let path = DocumentPath::parse("orders/a").unwrap();
    store.commit(&[Write::new(path, kind)]).await.unwrap();
    assert!(matches!(orders.get("a").await, Err(Error::Open(_))));
    assert!(matches!(orders.list().page().await, Err(Error::Open(_))));
}

async fn the_tenant_is_not_changed_alone(store: Db) {
    let orders = Repository::<Order>::new(store, rings());
    orders.create(&order("a", "acme")).await.unwrap();
    let set = orders.change("a").set(|o| o.tenant_id, "other").run().await;
    assert!(matches!(set, Err(Error::ScopeField { field: "tenant", .. })));
    let deleted = orders.delete_fields("a", &["tenant"]).await;
    assert!(matches!(deleted, Err(Error::ScopeField { .. })));
    // Sealed fields under another tenant's keys neither, nor the field from a value.
    for fields in [&["total"][..], &["tenant"], &["total", "tenant"]] {
        let update = orders.update(&order("a", "other"), fields).await;
        assert!(matches!(update, Err(Error::ScopeField { field: "tenant", .. })), "{fields:?}");
    }
    assert_eq!(orders.get("a").await.unwrap().unwrap(), order("a", "acme"));
    orders.update(&order("a", "acme"), &["total", "tenant"]).await.unwrap();
    orders.set(&order("a", "other")).await.unwrap();
    assert_eq!(orders.get("a").await.unwrap().unwrap(), order("a", "other"));
}

async fn a_tenant_without_a_ring_is_refused(store: Db) {
    let orders = Repository::<Order>::new(Arc::clone(&store), rings());
    assert!(matches!(orders.create(&order("a", "nobody")).await, Err(Error::Keys(_))));
    assert!(matches!(orders.create(&order("a", "")).await, Err(Error::Location(_))));
    assert!(!orders.exists("a").await.unwrap());
    // The field decides, not the repository.
    let fixed = orders.clone().with_scope(Scope::new("acme").unwrap());
    fixed.create(&order("b", "other")).await.unwrap();
    assert_eq!(orders.get("b").await.unwrap(), Some(order("b", "other")));
    // A document does not move to another tenant by a save.
    let mut stored = orders.get_stored("b").await.unwrap().unwrap();
    stored.tenant_id = "acme".to_owned();
    assert!(orders.save(&mut stored).await.is_err());
    assert_eq!(orders.get("b").await.unwrap(), Some(order("b", "other")));
}

async fn without_a_key_the_location_names_the_tenant(store: Db) {
    let rings = rings();
    Repository::<Order>::new(Arc::clone(&store), rings.clone()).create(&order("a", "acme")).await.unwrap();
    let sealed = SealedRepository::<Order>::new(store).get("a").await.unwrap().unwrap();
    assert_eq!(sealed.location().scope().as_str(), "acme");
    assert_eq!(sealed.open(&rings).await.unwrap(), order("a", "acme"));
}

async fn a_tenant_whose_keys_are_refused_holds_up_no_other(store: Db) {
    let authority = Authority::generate().unwrap();
    let vault = |seed: u8| {
        KeyVault::in_store(Arc::clone(&store), "test", authority.key())
            .with_root(LocalRoot::from_bytes(&[seed; 32]))
    };
    let orders = |seed: u8| Repository::<Order>::new(Arc::clone(&store), vault(seed));
    for (id, tenant, seed) in [("a", "acme", 1), ("b", "other", 2), ("c", "acme", 1)] {
        if id != "c" {
            vault(seed).create_scope(&authority, &Scope::new(tenant).unwrap()).await.unwrap();
        }
        orders(seed).create(&order(id, tenant)).await.unwrap();
    }
    // The second tenant's root is not at hand.
    let orders = orders(1);
    let is_refused = |result: &Result<(), Error>| match result {
        Err(Error::Open(OpenError::Fields { location, failures })) => {
            assert_eq!(location.document().id(), "b");
            matches!(failures[..], [ref failure] if matches!(failure.cause, Cause::KeyRefused(_)))
        }
        _ => false,
    };
    let streamed: Vec<_> = orders.query().stream().await.unwrap().map(|item| item.map(drop)).collect().await;
    assert_eq!(streamed.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    assert!(is_refused(&streamed[1]), "{streamed:?}");
    let mut watch = orders.watch_all();
    let mut told = Vec::new();
    loop {
        match watch.next().await.unwrap() {
            Ok(WatchEvent::Current) => break,
            item => told.push(item.map(drop)),
        }
    }
    assert_eq!(told.iter().filter(|item| item.is_ok()).count(), 2);
    assert_eq!(told.iter().filter(|item| is_refused(item)).count(), 1);
    let state = orders.index_state().await.unwrap();
    assert_eq!((state.documents, state.failed), (3, 1));
    // What would have to be sealed is another matter.
    let sealed = orders.set(&order("b", "other")).await;
    assert!(matches!(sealed, Err(Error::Keys(KeyError::Refused { .. }))), "{sealed:?}");
}
