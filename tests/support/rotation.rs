//! The phases of an index key's rotation, customers told apart by their indexed values, and a store in which
//! tasks meet.

#![allow(dead_code)]

use std::sync::Arc;

use async_trait::async_trait;
use fireseal::store::{
    Commit, Document, FieldMask, ListPage, ListRequest, Query, Store, StoreError, Transaction, Write,
};
use fireseal::{DataKey, DocumentPath, IndexKey, KeyId, KeyRing, Repository};
use futures::stream::BoxStream;

use super::customer::{Customer, customer};

pub type DynStore = Arc<dyn Store>;
pub type Customers = Repository<Customer>;

/// A store that lets others go first at every call, so that tasks meet in memory too.
pub struct Interleaved(DynStore);

pub fn interleaved(store: DynStore) -> DynStore {
    Arc::new(Interleaved(store))
}

async fn others_first() {
    let mut times = [0];
    getrandom::fill(&mut times).unwrap();
    for _ in 0..times[0] % 4 {
        tokio::task::yield_now().await;
    }
}

#[async_trait]
impl Store for Interleaved {
    async fn read(
        &self,
        paths: &[DocumentPath],
        mask: Option<&FieldMask>,
    ) -> Result<Vec<Option<Document>>, StoreError> {
        others_first().await;
        self.0.read(paths, mask).await
    }

    async fn commit(&self, writes: &[Write]) -> Result<Commit, StoreError> {
        others_first().await;
        self.0.commit(writes).await
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage, StoreError> {
        others_first().await;
        self.0.list(request).await
    }

    async fn query(
        &self,
        query: &Query,
        within: Option<&Transaction>,
    ) -> Result<BoxStream<'static, Result<Document, StoreError>>, StoreError> {
        others_first().await;
        self.0.query(query, within).await
    }
}

pub fn index_key(seed: u8) -> IndexKey {
    IndexKey::from_bytes(&[seed; 32])
}

const OLD: u8 = 8;
const NEW: u8 = 9;

pub fn old() -> KeyId {
    index_key(OLD).id()
}

/// The ring in the phases of a rotation: before it, once the new key is queried, once it makes tokens, and
/// once the old one is dropped.
pub fn ring(phase: usize) -> KeyRing {
    let seeds: &[u8] = [&[OLD][..], &[OLD, NEW], &[NEW, OLD], &[NEW]][phase];
    let ring = KeyRing::new(DataKey::from_bytes(&[7; 32]));
    seeds.iter().fold(ring, |ring, &seed| ring.with_index(index_key(seed)))
}

pub fn customers(store: &DynStore, phase: usize) -> Customers {
    Repository::new(Arc::clone(store), ring(phase))
}

/// A customer whose number tells all of its indexed values.
pub fn numbered(number: u64) -> Customer {
    let mut one = customer(&format!("c{number:03}"), &format!("{number}@example.com"));
    one.first = format!("First{number}");
    one.card.as_mut().unwrap().number = format!("{number:04}");
    one
}
