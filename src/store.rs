//! Floor 3: documents in a database. Knows paths and values, never keys.

mod borrowed;
pub(crate) mod canonical;
mod check;
mod document;
mod firestore;
mod limits;
mod listen;
mod memory;
pub(crate) mod query;
mod transaction;
mod transform;
pub(crate) mod value;

pub use check::ClearValueError;
pub use document::{
    Commit, Document, FieldMask, Fields, ListPage, ListRequest, Precondition, Time, Value, ValueType, Write,
    WriteKind,
};
pub(crate) use document::{document_bytes, merged, same, same_fields, set_at, value_at, write_bytes};
pub use firestore::FirestoreStore;
pub use limits::{
    LimitError, MAX_COLLECTIONS, MAX_DEPTH, MAX_DOCUMENT_BYTES, MAX_FIELD_NAME_BYTES, MAX_NAME_BYTES,
    MAX_VALUE_BYTES, check_document,
};
pub use listen::{ListenEvent, ResumeToken, Target};
pub use memory::MemoryStore;
pub(crate) use memory::as_kept;
pub use query::{
    Aggregation, Cursor, Direction, Explanation, FieldRef, Filter, From, Is, Op, Order, Query, compare,
    compare_values, matches,
};
pub use transaction::{Transaction, TransactionMode};
pub use transform::{Transform, TransformKind};

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
    /// that Firestore does not take, [`StoreError::Aborted`] where others kept holding one. After
    /// [`StoreError::Unavailable`], [`StoreError::Deadline`] and [`StoreError::UnexpectedAnswer`] the writes may
    /// have been applied all the same.
    async fn commit(&self, writes: &[Write]) -> Result<Commit, StoreError>;

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

    /// Names that split the documents of a collection or a group into parts of about the same size, in
    /// their order: at most this many names, and fewer where there are few documents. Those of a
    /// collection come from its group, and may be few where the group has many collections.
    ///
    /// # Errors
    /// [`StoreError::Unsupported`] from a store that has no partitions; else as for
    /// [`query`](Self::query).
    async fn partitions(&self, from: &From, count: u32) -> Result<Vec<DocumentPath>, StoreError> {
        let _ = (from, count);
        Err(StoreError::Unsupported { what: "partitions" })
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

    /// Begins a transaction. One that is not committed must be rolled back, or it keeps others
    /// waiting until its time is over.
    ///
    /// # Errors
    /// [`StoreError::Unsupported`] unless the store has transactions; [`StoreError`]: the database
    /// cannot be reached, or refuses.
    async fn begin(&self, mode: &TransactionMode) -> Result<Transaction, StoreError> {
        let _ = mode;
        Err(StoreError::Unsupported { what: "transactions" })
    }

    /// Reads documents as [`read`](Self::read) does, all in one transaction. All reads of a
    /// transaction come before its writes.
    ///
    /// # Errors
    /// As [`read`](Self::read); [`StoreError::Aborted`] where the whole transaction must be run again.
    async fn read_within(
        &self,
        transaction: &Transaction,
        paths: &[DocumentPath],
        mask: Option<&FieldMask>,
    ) -> Result<Vec<Option<Document>>, StoreError> {
        let _ = (transaction, paths, mask);
        Err(StoreError::Unsupported { what: "transactions" })
    }

    /// Applies all writes as [`commit`](Self::commit) does and ends the transaction, provided
    /// that nothing it has read was changed since. It is sent once, and the transaction is over
    /// whatever the database answers.
    ///
    /// # Errors
    /// As [`commit`](Self::commit); [`StoreError::Aborted`] where others changed what it has read,
    /// or held on to it: nothing was applied, and the whole transaction must be run again.
    async fn commit_within(&self, transaction: &Transaction, writes: &[Write]) -> Result<Commit, StoreError> {
        let _ = (transaction, writes);
        Err(StoreError::Unsupported { what: "transactions" })
    }

    /// Ends a transaction without writing; that it is over already is no error.
    ///
    /// # Errors
    /// [`StoreError`]: the database cannot be reached, or refuses.
    async fn rollback(&self, transaction: &Transaction) -> Result<(), StoreError> {
        let _ = transaction;
        Err(StoreError::Unsupported { what: "transactions" })
    }

    /// Tells what is there, and from then on what changes, over one connection: where it breaks
    /// the stream ends with an error, and listening again is the caller's work.
    ///
    /// # Errors
    /// [`StoreError::Unsupported`] unless the store can be listened to, or can resume;
    /// [`StoreError`]: the database cannot be reached, or refuses.
    async fn listen(
        &self,
        target: &Target,
        resume: Option<ResumeToken>,
    ) -> Result<BoxStream<'static, Result<ListenEvent, StoreError>>, StoreError> {
        let _ = (target, resume);
        Err(StoreError::Unsupported { what: "listening" })
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

    async fn commit(&self, writes: &[Write]) -> Result<Commit, StoreError> {
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

    async fn partitions(&self, from: &From, count: u32) -> Result<Vec<DocumentPath>, StoreError> {
        (**self).partitions(from, count).await
    }

    async fn explain(&self, query: &Query) -> Result<Explanation, StoreError> {
        (**self).explain(query).await
    }

    async fn begin(&self, mode: &TransactionMode) -> Result<Transaction, StoreError> {
        (**self).begin(mode).await
    }

    async fn read_within(
        &self,
        transaction: &Transaction,
        paths: &[DocumentPath],
        mask: Option<&FieldMask>,
    ) -> Result<Vec<Option<Document>>, StoreError> {
        (**self).read_within(transaction, paths, mask).await
    }

    async fn commit_within(&self, transaction: &Transaction, writes: &[Write]) -> Result<Commit, StoreError> {
        (**self).commit_within(transaction, writes).await
    }

    async fn rollback(&self, transaction: &Transaction) -> Result<(), StoreError> {
        (**self).rollback(transaction).await
    }

    async fn listen(
        &self,
        target: &Target,
        resume: Option<ResumeToken>,
    ) -> Result<BoxStream<'static, Result<ListenEvent, StoreError>>, StoreError> {
        (**self).listen(target, resume).await
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
    /// Others changed or held what a transaction has read, or went on holding what a commit writes; nothing
    /// was applied.
    #[error("aborted, nothing was written: {reason}; do it again, of a transaction all of it")]
    Aborted {
        /// What the database said.
        reason: String,
    },
    /// The store cannot do this at all.
    #[error("this store does not do {what}")]
    Unsupported {
        /// What was asked of it.
        what: &'static str,
    },
}
