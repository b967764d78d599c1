//! A job as its checkpoints tell of it.

use serde::Serialize;

use super::ledger::{Header, Record};
use super::report::Tally;

/// A job as it is recorded.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct JobStatus {
    /// The job's name.
    pub name: String,
    /// The step's name.
    pub step: String,
    /// The collection's path, or its id for a group.
    pub target: String,
    /// How many documents there were when it began.
    pub documents: u64,
    /// What was done, by all tasks.
    pub total: Tally,
    /// Its parts, in the order of the names.
    pub parts: Vec<PartStatus>,
}

/// A part as it is recorded.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PartStatus {
    /// The name that it begins with; `None` for the first of all.
    pub start: Option<String>,
    /// The name before which it ends; `None` for the last of all.
    pub end: Option<String>,
    /// The last name that is done.
    pub after: Option<String>,
    /// Whether all of it is.
    pub done: bool,
    /// Whether a task holds it, or held it when it died.
    pub held: bool,
    /// How often a task took it.
    pub taken: u64,
    /// What was done.
    pub tally: Tally,
}

impl JobStatus {
    pub(super) fn new(header: Header, records: Vec<Record>) -> Self {
        let mut total = Tally::default();
        let part = |record: Record| {
            total.add(&record.part.tally);
            PartStatus {
                start: record.part.start,
                end: record.part.end,
                after: record.part.after,
                done: record.part.done,
                held: record.owner.is_some(),
                taken: record.epoch,
                tally: record.part.tally,
            }
        };
        let parts = records.into_iter().map(part).collect();
        let Header { name, step, target, documents, .. } = header;
        Self { name, step, target, documents, total, parts }
    }

    /// Whether all documents have been looked at.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.parts.iter().all(|part| part.done)
    }
}
