//! Documents in memory, for tests without a database.

mod commit;
mod listen;
mod query;
mod transaction;
mod transform;

pub(crate) use commit::as_kept;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt};
use tokio::sync::watch;

use super::document::prepare;
use super::{
    Aggregation, Commit, Document, FieldMask, ListPage, ListRequest, ListenEvent, Query, ResumeToken, Store,
    StoreError, Target, Transaction, TransactionMode, Value, Write,
};
use crate::bytes::DocumentPath;
use transaction::Transactions;

/// Documents in memory, with the same promises as Firestore: one contract suite runs over both.
///
/// A clone shares the content. Nothing is kept when the last one is dropped, listeners included.
///
/// Its transactions lock nothing: one whose reads were changed by others is
/// [aborted](StoreError::Aborted). It keeps no past, so no read-only transaction begins at an
/// earlier moment.
#[derive(Clone, Default)]
pub struct MemoryStore {
    content: Arc<RwLock<Content>>,
}

#[derive(Default)]
struct Content {
    /// By path: within a collection in the order of the ids, documents below it in between.
    documents: BTreeMap<String, Document>,
    /// The last commit's time, in microseconds since 1970.
    last_commit: u64,
    transactions: Transactions,
    /// Wakes listeners.
    commits: watch::Sender<u64>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Everything it holds, in the order of the paths: what whoever breaches the database sees.
    /// To change it as they would, use [`commit`](Store::commit).
    #[must_use]
    pub fn documents(&self) -> Vec<Document> {
        self.read_content(|content| content.documents.values().cloned().collect())
    }

    fn read_content<T>(&self, look: impl FnOnce(&Content) -> T) -> T {
        // Nothing can panic halfway through a change: it is made on the side and put in at once.
        look(&self.content.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change_content<T>(&self, change: impl FnOnce(&mut Content) -> T) -> T {
        change(&mut self.content.write().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for MemoryStore {
    /// Shows how many documents there are, and nothing of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let documents = self.read_content(|content| content.documents.len());
        f.debug_struct("MemoryStore").field("documents", &documents).finish_non_exhaustive()
    }
}

fn masked(document: &Document, mask: Option<&FieldMask>) -> Document {
    match mask {
        None => document.clone(),
        Some(mask) => Document {
            path: document.path.clone(),
            fields: mask.project(&document.fields),
            create_time: document.create_time,
            update_time: document.update_time,
        },
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn read(
        &self,
        paths: &[DocumentPath],
        mask: Option<&FieldMask>,
    ) -> Result<Vec<Option<Document>>, StoreError> {
        if let Some(mask) = mask {
            mask.check()?;
        }
        Ok(self.read_content(|content| {
            let read = |path: &DocumentPath| {
                content.documents.get(path.as_str()).map(|document| masked(document, mask))
            };
            paths.iter().map(read).collect()
        }))
    }

    async fn commit(&self, writes: &[Write]) -> Result<Commit, StoreError> {
        let writes = prepare(writes)?;
        self.change_content(|content| content.commit(writes))
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage, StoreError> {
        let from = match request.check()? {
            None => None,
            Some(id) => Some(request.collection.document(id).map_err(|_| StoreError::Refused {
                reason: "the page token is not one of this collection".to_owned(),
            })?),
        };
        let size = usize::try_from(request.page_size).unwrap_or(usize::MAX);
        let prefix = format!("{}/", request.collection);
        Ok(self.read_content(|content| {
            let start = match &from {
                Some(last) => Bound::Excluded(last.as_str()),
                None => Bound::Included(prefix.as_str()),
            };
            let mut documents: Vec<&Document> = content
                .documents
                .range::<str, _>((start, Bound::Unbounded))
                .map(|(_, document)| document)
                .take_while(|document| document.path.as_str().starts_with(&prefix))
                .filter(|document| document.path.parent() == request.collection)
                .take(size.saturating_add(1))
                .collect();
            let more = documents.len() > size;
            documents.truncate(size);
            let next = documents.last().filter(|_| more).map(|last| request.token(last.path.id()));
            let documents = documents.into_iter().map(|found| masked(found, request.mask.as_ref())).collect();
            ListPage { documents, next_page_token: next }
        }))
    }

    async fn query(
        &self,
        query: &Query,
        within: Option<&Transaction>,
    ) -> Result<BoxStream<'static, Result<Document, StoreError>>, StoreError> {
        let found = match within {
            None => self.read_content(|content| query::select(&content.documents, query))?,
            Some(within) => self.change_content(|content| content.query_within(within, query))?,
        };
        Ok(stream::iter(found.into_iter().map(Ok)).boxed())
    }

    async fn aggregate(
        &self,
        query: &Query,
        over: &[Aggregation],
        within: Option<&Transaction>,
    ) -> Result<Vec<Value>, StoreError> {
        match within {
            None => self.read_content(|content| query::total(&content.documents, query, over)),
            Some(within) => self.change_content(|content| content.aggregate_within(within, query, over)),
        }
    }

    async fn begin(&self, mode: &TransactionMode) -> Result<Transaction, StoreError> {
        self.change_content(|content| content.begin(mode))
    }

    async fn read_within(
        &self,
        transaction: &Transaction,
        paths: &[DocumentPath],
        mask: Option<&FieldMask>,
    ) -> Result<Vec<Option<Document>>, StoreError> {
        if let Some(mask) = mask {
            mask.check()?;
        }
        self.change_content(|content| content.read_within(transaction, paths, mask))
    }

    async fn commit_within(&self, transaction: &Transaction, writes: &[Write]) -> Result<Commit, StoreError> {
        self.change_content(|content| content.commit_within(transaction, writes))
    }

    async fn rollback(&self, transaction: &Transaction) -> Result<(), StoreError> {
        self.change_content(|content| content.rollback(transaction));
        Ok(())
    }

    async fn listen(
        &self,
        target: &Target,
        resume: Option<ResumeToken>,
    ) -> Result<BoxStream<'static, Result<ListenEvent, StoreError>>, StoreError> {
        self.open_listener(target, resume.as_ref())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::commit::time;
    use super::*;

    #[tokio::test]
    async fn times_grow_when_the_clock_does_not() {
        let store = MemoryStore::new();
        let last = 9_000_000_000_000_000; // in the year 2255
        store.content.write().unwrap().last_commit = last;
        for later in 1..4 {
            let path = DocumentPath::parse("c/a").unwrap();
            let write = Write::delete(path);
            assert_eq!(store.commit(&[write]).await.unwrap().commit_time, Some(time(last + later)));
        }
    }
}
