//! What a caller knows of documents from elsewhere: the revisions that they have had.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::bytes::DocumentPath;

/// The revisions that documents have at least, by a caller's own knowledge: an older one is refused
/// ([`Repository::with_floor`](super::Repository::with_floor)).
///
/// It is raised by the caller alone, and lives in memory: keep what you know where whoever writes the database
/// cannot change it.
#[derive(Debug, Default)]
pub struct RevisionFloor(Mutex<HashMap<DocumentPath, u64>>);

impl RevisionFloor {
    /// No document is known yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The document has had this revision. One that is known to have had a later one stays as it is.
    pub fn raise(&self, document: &DocumentPath, revision: u64) {
        let mut floors = self.floors();
        let floor = floors.entry(document.clone()).or_default();
        *floor = (*floor).max(revision);
    }

    /// The document's revision is known no more: it was deleted, and may be created again.
    pub fn forget(&self, document: &DocumentPath) {
        self.floors().remove(document);
    }

    /// What the document has at least; `None` where nothing is known of it.
    #[must_use]
    pub fn of(&self, document: &DocumentPath) -> Option<u64> {
        self.floors().get(document).copied()
    }

    fn floors(&self) -> MutexGuard<'_, HashMap<DocumentPath, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
