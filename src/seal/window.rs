//! Dated windows in which plaintext, or documents without a seal, are accepted while a collection is being sealed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use crate::bytes::Location;
use crate::bytes::context::StepPath;

/// Accepts plaintext in named fields of one collection until a date, and counts each acceptance.
///
/// While it is open, whoever writes the database can have any value accepted in these fields: it is
/// the price of moving a production collection without a pause. Write the date into the code, and
/// keep it near.
#[derive(Debug)]
pub struct PlaintextWindow {
    until: SystemTime,
    fields: Vec<String>,
    accepted: AtomicU64,
}

impl PlaintextWindow {
    /// A window for these fields, by their stored names at the document's root, that closes at a
    /// date.
    #[must_use]
    pub fn new<S: Into<String>>(fields: impl IntoIterator<Item = S>, until: SystemTime) -> Self {
        Self { until, fields: fields.into_iter().map(Into::into).collect(), accepted: AtomicU64::new(0) }
    }

    /// How many plaintext values were accepted so far. When it stays 0 over a full read, close it.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    pub(super) fn covers(&self, path: &StepPath) -> bool {
        SystemTime::now() < self.until && path.root().is_some_and(|root| self.fields.contains(&root))
    }

    pub(super) fn count(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }
}

/// Accepts documents without a document seal in one collection until a date, and counts each acceptance; also
/// those whose seal leaves out a field that the program covers by now.
///
/// While it is open, whoever writes the database can remove a seal, and change what it covered. Write the date
/// into the code, and keep it near.
#[derive(Debug)]
pub struct AdoptionWindow {
    until: SystemTime,
    collection: String,
    accepted: AtomicU64,
}

impl AdoptionWindow {
    /// A window for the documents of all collections with this id that closes at a date.
    #[must_use]
    pub fn new(collection: impl Into<String>, until: SystemTime) -> Self {
        Self { until, collection: collection.into(), accepted: AtomicU64::new(0) }
    }

    /// How many documents were accepted so far. When it stays 0 over a full read, close it.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Accepts a document here, and counts it, if the window is open.
    pub(crate) fn accepts(&self, location: &Location) -> bool {
        let accepts = SystemTime::now() < self.until && location.document().parent().id() == self.collection;
        self.accepted.fetch_add(u64::from(accepts), Ordering::Relaxed);
        accepts
    }
}
