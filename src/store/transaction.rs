//! Transactions: reads and writes that take effect as one, or not at all.

use std::fmt;

use super::Time;

/// A transaction that a store has begun. It is over once it is committed or rolled back, and after
/// some time without use (Firestore: 60 seconds, and 270 seconds in all).
///
/// What the store knows it by is its own matter; `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Transaction(pub(super) Vec<u8>);

impl Transaction {
    /// A transaction by what its store calls it; for those who implement a store.
    #[must_use]
    pub fn new(token: Vec<u8>) -> Self {
        Self(token)
    }

    /// What its store calls it.
    #[must_use]
    pub fn token(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").finish_non_exhaustive()
    }
}

/// What a transaction is for.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum TransactionMode {
    /// Reads of one moment; nothing can be written, and nothing is locked.
    ReadOnly {
        /// Which moment: to the microsecond, at most an hour ago; `None` for now.
        at: Option<Time>,
    },
    /// Reads and writes. What was read is as it was when the writes are applied, or nothing is.
    ReadWrite {
        /// The aborted transaction that this one does again, which gives it precedence.
        retry: Option<Transaction>,
    },
}
