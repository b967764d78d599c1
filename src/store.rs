//! Floor 3: documents in a database. Knows paths and values, never keys.

mod check;
mod document;
mod firestore;
mod limits;
mod memory;
pub(crate) mod query;
mod transaction;
pub(crate) mod value;

pub use check::ClearValueError;
pub(crate) use document::same;
pub use document::{
    Commit, Document, FieldMask, Fields, ListPage, ListRequest, Precondition, Time, Value, ValueType, Write,
    WriteKind,
};
pub use firestore::FirestoreStore;
pub use limits::{
    LimitError, MAX_COLLECTIONS, MAX_DEPTH, MAX_DOCUMENT_BYTES, MAX_FIELD_NAME_BYTES, MAX_NAME_BYTES,
    MAX_VALUE_BYTES, check_document,
};
pub use memory::MemoryStore;
pub use query::{
    Aggregation, Cursor, Direction, Explanation, FieldRef, Filter, From, Is, Op, Order, Query, compare,
    compare_values, matches,
};
pub use transaction::Transaction;

use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;

use crate::bytes::DocumentPath;

/// A database of documents: Cloud Firestore, or memory for tests.
///
/// One contract suite (`tests/store_contract.rs`) runs over every implementation in this crate; an
/// implementation of your own must keep the same promises.
#[async_trait]
pub trait Store: Send + Sync {
    /// Reads documents, in the order asked for; an absent one is `None`. With a mask only the
    /// named fields travel; an empty mask asks for existence and times alone.
    ///
    /// # Errors
    /// [`StoreError`]: the database cannot be reached, or refuses.
    async fn read(
        &self,
        paths: &[DocumentPath],
        mask: Option<&FieldMask>,
    ) -> Result<Vec<Option<Document>>, StoreError>;

    /// Applies all writes at once, or none. Each document stands in at most one of them.
    ///
    /// A write that changes nothing leaves the update time as it was. Times are kept to the
    /// microsecond, every NaN as the same one; all other values come back identical.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where a precondition does not hold, [`StoreError::NotFound`] where
    /// one asks for a document that is not there, [`StoreError::Limit`] where a document is one
    /// that Firestore does not take. After [`StoreError::Unavailable`] and
    /// [`StoreError::Deadline`] the writes may have been applied all the same.
    async fn commit(&self, writes: Vec<Write>) -> Result<Commit, StoreError>;

    /// One page of a collection's documents, in the order of their ids. The last page may be
    /// empty. A token is good for the collection that it came from.
    ///
    /// # Errors
    /// [`StoreError`]: the database cannot be reached, or refuses.
    async fn list(&self, request: &ListRequest) -> Result<ListPage, StoreError>;

    /// The documents of a query, in its order. Without a transaction the stream may live through
    /// changes, and then shows each document as it was at some moment of it. It ends after an error.
    ///
    /// # Errors
    /// [`StoreError::Refused`] where the query breaks Firestore's rules; else as for
    /// [`read`](Self::read), here or in the stream.
    async fn query(
        &self,
        query: &Query,
        within: Option<&Transaction>,
    ) -> Result<BoxStream<'static, Result<Document, StoreError>>, StoreError> {
        let _ = (query, within);
        Err(StoreError::Unsupported { what: "queries" })
    }

    /// Computes over the documents of a query, offset and limit included: one value for each of 1
    /// to 5 aggregations, in their order.
    ///
    /// # Errors
    /// As for [`query`](Self::query).
    async fn aggregate(
        &self,
        query: &Query,
        over: &[Aggregation],
        within: Option<&Transaction>,
    ) -> Result<Vec<Value>, StoreError> {
        let _ = (query, over, within);
        Err(StoreError::Unsupported { what: "aggregations" })
    }

    /// Runs a query, which is charged, and says how the database ran it.
    ///
    /// # Errors
    /// [`StoreError::Unsupported`] from a store that cannot tell; else as for
    /// [`query`](Self::query).
    async fn explain(&self, query: &Query) -> Result<Explanation, StoreError> {
        let _ = query;
        Err(StoreError::Unsupported { what: "explanations of queries" })
    }
}

#[async_trait]
impl<S: Store + ?Sized> Store for Arc<S> {
    async fn read(
        &self,
        paths: &[DocumentPath],
        mask: Option<&FieldMask>,
    ) -> Result<Vec<Option<Document>>, StoreError> {
        (**self).read(paths, mask).await
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Commit, StoreError> {
        (**self).commit(writes).await
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage, StoreError> {
        (**self).list(request).await
    }

    async fn query(
        &self,
        query: &Query,
        within: Option<&Transaction>,
    ) -> Result<BoxStream<'static, Result<Document, StoreError>>, StoreError> {
        (**self).query(query, within).await
    }

    async fn aggregate(
        &self,
        query: &Query,
        over: &[Aggregation],
        within: Option<&Transaction>,
    ) -> Result<Vec<Value>, StoreError> {
        (**self).aggregate(query, over, within).await
    }

    async fn explain(&self, query: &Query) -> Result<Explanation, StoreError> {
        (**self).explain(query).await
    }
}

/// Why the database did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A precondition does not hold: the document exists already, or changed since it was read.
    #[error(
        "{document} is not in the state that the write was made for: {reason}; read it again and decide anew"
    )]
    Conflict {
        /// The document's path; with several writes in one commit, as the database names it.
        document: String,
        /// What the database said.
        reason: String,
    },
    /// The document is not there, and the write needs it.
    #[error("{document} does not exist")]
    NotFound {
        /// The document's path; with several writes in one commit, as the database names it.
        document: String,
    },
    /// The database refuses the request itself; sending it again does not help.
    #[error("the database refuses the request: {reason}")]
    Refused {
        /// What the database said.
        reason: String,
    },
    /// A document is one that Firestore does not take; nothing was sent.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The answer does not fit the request: a document that was not asked for, one of another
    /// database, too few or too many. Nothing of it is used.
    #[error("the database's answer does not fit the request: {reason}")]
    UnexpectedAnswer {
        /// What does not fit.
        reason: String,
    },
    /// The caller may not do this.
    #[error("the database denies access: {reason}; check the service account's roles")]
    Denied {
        /// What the database said.
        reason: String,
    },
    /// The database cannot be reached, is overloaded, or failed; a later try may succeed.
    #[error("the database cannot be reached: {reason}")]
    Unavailable {
        /// What went wrong.
        reason: String,
        /// The underlying error.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// No answer within the deadline. A write may still have been applied.
    #[error("no answer from the database within {seconds} seconds; a write may still have been applied")]
    Deadline {
        /// The deadline, in seconds.
        seconds: u64,
    },
    /// The store cannot do this at all.
    #[error("this store does not do {what}")]
    Unsupported {
        /// What was asked of it.
        what: &'static str,
    },
}
