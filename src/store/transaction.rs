//! A transaction as a store knows it.

use std::fmt;

/// A transaction that a store has begun: the store's own token, with no meaning to anyone else.
#[derive(Clone, PartialEq, Eq)]
pub struct Transaction(pub(super) Vec<u8>);

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").finish_non_exhaustive()
    }
}
