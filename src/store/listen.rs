//! Listening: what changes in a document or a query's result, as it happens.

use std::fmt;

use super::{Document, Query, StoreError, Time};
use crate::bytes::DocumentPath;

/// What is listened to.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[expect(clippy::large_enum_variant, reason = "there is one for each listener")]
pub enum Target {
    /// These documents, whether they exist or not.
    Documents(Vec<DocumentPath>),
    /// The result of a query; one with an offset is refused. The order of the result is the caller's work.
    Query(Query),
}

/// Where a listener was, from which another one may go on.
///
/// What the store reads in it is its own matter; `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct ResumeToken(Vec<u8>);

impl ResumeToken {
    /// A token by its bytes: one that was kept, or for those who implement a store.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Its bytes, to be kept.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for ResumeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResumeToken").finish_non_exhaustive()
    }
}

/// One thing that a listener is told.
///
/// First comes every document that there is, then [`Current`](Self::Current), then each change.
/// A document may come again unchanged.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ListenEvent {
    /// A document is new, or was changed.
    Changed(Document),
    /// A document is gone, or no longer one that is listened to.
    Removed {
        /// Its path.
        path: DocumentPath,
        /// Whether it is known to be deleted; else it may only have stopped matching.
        deleted: bool,
    },
    /// What was told so far no longer holds: everything that there is follows anew.
    Reset,
    /// Everything up to here has been told: a consistent state.
    Current {
        /// From where to go on listening, where the store can.
        resume: Option<ResumeToken>,
        /// The moment that this is the state of.
        at: Option<Time>,
    },
}

impl Target {
    /// Refuses what cannot be listened to.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let refused = |reason: &str| Err(StoreError::Refused { reason: reason.to_owned() });
        match self {
            Self::Documents(paths) if paths.is_empty() => refused("a listener needs a document"),
            Self::Query(query) if query.offset > 0 => refused("a query with an offset cannot be listened to"),
            Self::Query(query) if query.mask.is_some() => {
                refused("a query with a field mask cannot be listened to: whole documents are told")
            }
            _ => Ok(()),
        }
    }

    /// Whether a document stands where this looks.
    pub(super) fn may_hold(&self, path: &DocumentPath) -> bool {
        match self {
            Self::Documents(paths) => paths.contains(path),
            Self::Query(query) => query.from.holds(path),
        }
    }
}
