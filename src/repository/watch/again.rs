//! Documents that named keys that were unknown: a key ring may be seconds older than they are.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::Error;
use crate::seal::{Cause, OpenError};
use crate::store::Document;

/// How long after it failed a document is opened again, and how often: longer than a vault waits between two
/// readings of a ring.
const PAUSE: Duration = Duration::from_secs(5);
const TRIES: u32 = 6;

/// The most documents that wait.
const MAX_WAITING: usize = 100;

/// The documents that wait, and how often they were tried.
#[derive(Default)]
pub(super) struct Again {
    waiting: Vec<(Document, u32)>,
    at: Option<Instant>,
}

impl Again {
    /// When to try again.
    pub(super) fn at(&self) -> Option<Instant> {
        self.at
    }

    /// A document that failed waits, if its key was unknown.
    pub(super) fn put(&mut self, document: Document, error: &Error) {
        let Error::Open(OpenError::Fields { failures, .. }) = error else { return };
        if failures.iter().any(|failure| matches!(failure.cause, Cause::KeyUnknown(_))) {
            self.waiting.retain(|(before, _)| before.path != document.path);
            self.put_back(document, 0);
        }
    }

    /// It failed again.
    pub(super) fn put_back(&mut self, document: Document, tries: u32) {
        if tries < TRIES && self.waiting.len() < MAX_WAITING {
            self.waiting.push((document, tries + 1));
            self.at.get_or_insert_with(|| Instant::now() + PAUSE);
        }
    }

    /// Takes all, but those that need no more.
    pub(super) fn take(&mut self, is_unopened: impl Fn(&Document) -> bool) -> Vec<(Document, u32)> {
        self.at = None;
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.retain(|(document, _)| is_unopened(document));
        waiting
    }
}
