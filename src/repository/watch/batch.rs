//! Changes that are told together, with one question for their keys.

use crate::bytes::DocumentPath;
use crate::store::{Document, ResumeToken};

/// The most changes of one batch.
const MAX_CHANGES: usize = 100;

/// What the database said since the last batch: of each document the last word.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) changes: Vec<(DocumentPath, Option<Document>)>,
    /// It ends with a consistent state, from which to resume where the store can.
    pub(super) current: Option<Option<ResumeToken>>,
}

impl Batch {
    pub(super) fn put(&mut self, path: DocumentPath, document: Option<Document>) {
        self.changes.retain(|(before, _)| *before != path);
        self.changes.push((path, document));
    }

    pub(super) fn is_complete(&self) -> bool {
        self.current.is_some() || self.changes.len() >= MAX_CHANGES
    }
}
