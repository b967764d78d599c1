//! A field that did not open, kept as it was stored.

use std::fmt;

use super::error::Cause;
use super::sealed::Sealed;

/// A sensitive field that did not open: what is stored, byte for byte, and why it did not.
pub struct Closed<T> {
    sealed: Sealed<T>,
    cause: Cause,
}

impl<T> Closed<T> {
    pub(super) fn new(sealed: Sealed<T>, cause: Cause) -> Self {
        Self { sealed, cause }
    }

    /// What is stored.
    #[must_use]
    pub fn sealed(&self) -> &Sealed<T> {
        &self.sealed
    }

    /// Why it did not open.
    #[must_use]
    pub fn cause(&self) -> Cause {
        self.cause
    }
}

impl<T> Clone for Closed<T> {
    fn clone(&self) -> Self {
        Self::new(self.sealed.clone(), self.cause)
    }
}

impl<T> fmt::Debug for Closed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Closed({:?}: {})", self.sealed, self.cause)
    }
}
