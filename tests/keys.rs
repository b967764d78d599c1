//! Rings, providers, and what becomes of values when keys change or cannot be had.

#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/promise.rs"]
mod promise;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use fireseal::store::MemoryStore;
use fireseal::{
    Cause, DataKey, DocumentPath, Error, KeyError, KeyId, KeyLookup, KeyProvider, KeyRing, Location,
    OpenError, Repository, Scope, SealError, Sealable,
};

#[derive(Sealable, PartialEq, Clone)]
#[sealable(collection = "customers", debug)]
struct Customer {
    #[sealable(id)]
    id: String,
    #[sensitive]
    ssn: String,
    #[sensitive]
    email: String,
}

fn customer(id: &str) -> Customer {
    Customer { id: id.to_owned(), ssn: "ssn".to_owned(), email: "email".to_owned() }
}

fn copy(key: &DataKey) -> DataKey {
    DataKey::from_bytes(key.expose_secret())
}

fn location() -> Location {
    Location::new(DocumentPath::parse("customers/ada").unwrap())
}

#[test]
fn values_are_sealed_and_opened_without_a_store() {
    let ring = KeyRing::new(DataKey::generate().unwrap());
    let sealed = customer("ada").seal(&location(), &ring).unwrap();
    assert_eq!(sealed.ssn.key_id(), Some(ring.primary().id()));
    assert_eq!(Customer::open(sealed, &location(), &ring).unwrap(), customer("ada"));
}

#[test]
fn older_keys_open_and_the_primary_seals() {
    let (old, new) = (DataKey::generate().unwrap(), DataKey::generate().unwrap());
    let before = KeyRing::new(copy(&old));
    let after = KeyRing::new(copy(&new)).with_active(old);
    let sealed = customer("ada").seal(&location(), &before).unwrap();
    assert_eq!(Customer::open(sealed, &location(), &after).unwrap(), customer("ada"));
    let sealed = customer("ada").seal(&location(), &after).unwrap();
    assert_eq!(sealed.ssn.key_id(), Some(new.id()));
    // A document whose fields were sealed under two keys, as a partial update leaves it.
    let mut mixed = customer("ada").seal(&location(), &before).unwrap();
    mixed.email = sealed.email;
    assert_eq!(Customer::open(mixed, &location(), &after).unwrap(), customer("ada"));
}

#[test]
fn a_destroyed_key_is_told_from_an_unknown_one() {
    let old = DataKey::generate().unwrap();
    let id = old.id();
    let sealed = customer("ada").seal(&location(), &KeyRing::new(old)).unwrap();
    let ring = KeyRing::new(DataKey::generate().unwrap());
    for (ring, cause) in
        [(ring.clone().with_destroyed(id), Cause::KeyDestroyed(id)), (ring, Cause::KeyUnknown(id))]
    {
        let Err(OpenError::Fields { failures, .. }) = Customer::open(sealed.clone(), &location(), &ring)
        else {
            panic!("opened");
        };
        assert!(failures.iter().all(|failure| failure.cause == cause));
        assert_eq!(failures.len(), 2);
    }
}

#[test]
fn a_ring_of_another_scope_neither_seals_nor_opens() {
    let ring = KeyRing::new(DataKey::generate().unwrap());
    let sealed = customer("ada").seal(&location(), &ring).unwrap();
    let other = ring.with_scope(Scope::new("other").unwrap());
    assert!(matches!(customer("ada").seal(&location(), &other), Err(SealError::OtherScope { .. })));
    assert!(matches!(Customer::open(sealed, &location(), &other), Err(OpenError::Fields { .. })));
    promise::Promise::kept("provider_answers", 2);
}

#[test]
fn a_snapshot_does_not_change() {
    let ring = KeyRing::new(DataKey::generate().unwrap());
    let snapshot = ring.clone();
    let added = DataKey::generate().unwrap();
    let id = added.id();
    let ring = ring.with_active(added);
    assert!(matches!(ring.key(&id), KeyLookup::Found(_)));
    assert!(matches!(snapshot.key(&id), KeyLookup::Unknown));
}

#[test]
fn keys_do_not_show_themselves() {
    let key = DataKey::from_bytes(&[0xab; 32]);
    let shown =
        format!("{key:?} {:?} {:#?}", KeyRing::new(copy(&key)), KeyLookup::Found(Arc::new(copy(&key))));
    for secret in ["abab", "171, 171", "ABAB"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

/// A provider that counts, and can be down, or answer with a key that was not asked for.
#[derive(Default)]
struct Scripted {
    ring: Option<KeyRing>,
    answer: Option<Arc<DataKey>>,
    calls: AtomicU32,
}

#[async_trait]
impl KeyProvider for Scripted {
    async fn ring(&self, _scope: &Scope) -> Result<KeyRing, KeyError> {
        self.ring.clone().ok_or(KeyError::Unavailable { reason: "scripted".to_owned(), source: None })
    }

    async fn keys(&self, wanted: &[(Scope, KeyId)]) -> Result<Vec<KeyLookup>, KeyError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if let Some(key) = &self.answer {
            return Ok(wanted.iter().map(|_| KeyLookup::Found(Arc::clone(key))).collect());
        }
        self.ring(&Scope::default()).await?.keys(wanted).await
    }
}

#[tokio::test]
async fn a_key_service_that_is_down_is_no_tampering_and_no_plaintext_write() {
    let store = MemoryStore::new();
    let down = Repository::<Customer>::new(store.clone(), Scripted::default());
    let error = down.create(&customer("ada")).await.unwrap_err();
    assert!(matches!(error, Error::Keys(KeyError::Unavailable { .. })) && error.is_unavailable());
    assert!(store.documents().is_empty());
    let up = Repository::<Customer>::new(store.clone(), KeyRing::new(DataKey::generate().unwrap()));
    up.create(&customer("ada")).await.unwrap();
    let error = down.get("ada").await.unwrap_err();
    assert!(matches!(error, Error::Keys(KeyError::Unavailable { .. })));
    promise::Promise::kept("provider_answers", 1);
}

#[tokio::test]
async fn a_wrong_key_from_the_provider_is_not_believed() {
    let store = MemoryStore::new();
    let customers = Repository::<Customer>::new(store.clone(), KeyRing::new(DataKey::generate().unwrap()));
    customers.create(&customer("ada")).await.unwrap();
    let wrong = Scripted { answer: Some(Arc::new(DataKey::generate().unwrap())), ..Scripted::default() };
    let Err(Error::Open(OpenError::Fields { failures, .. })) =
        Repository::<Customer>::new(store, wrong).get("ada").await
    else {
        panic!("opened");
    };
    assert!(matches!(failures[0].cause, Cause::KeyUnknown(_)));
    promise::Promise::kept("provider_answers", 1);
}

#[tokio::test]
async fn a_page_asks_for_its_keys_once() {
    let store = MemoryStore::new();
    let scripted =
        Arc::new(Scripted { ring: Some(KeyRing::new(DataKey::generate().unwrap())), ..Scripted::default() });
    let customers = Repository::<Customer>::new(store, Arc::clone(&scripted));
    let ids: Vec<String> = (0..20).map(|number| format!("c{number}")).collect();
    for id in &ids {
        customers.create(&customer(id)).await.unwrap();
    }
    customers.get_many(&ids).await.unwrap();
    assert_eq!(scripted.calls.load(Ordering::Relaxed), 1);
    customers.list().page().await.unwrap();
    assert_eq!(scripted.calls.load(Ordering::Relaxed), 2);
}
