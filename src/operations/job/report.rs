//! What a job has done: while it runs, and at its end.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::operations::step::{Counts, StepFailure};

/// How many failures a report keeps, and how many the record of one part.
pub(super) const KEPT_FAILURES: usize = 100;

/// What was done, in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Tally {
    /// Documents looked at.
    pub documents: u64,
    /// Documents written; in a dry run, that would be.
    pub written: u64,
    /// Documents that needed nothing.
    pub unchanged: u64,
    /// Documents that could not be done.
    pub failed: u64,
    /// Documents that others deleted between reading and writing.
    pub vanished: u64,
    /// How often a document was read again because others had changed it meanwhile.
    pub conflicts: u64,
    /// Bytes of the documents read, as they travel.
    pub bytes: u64,
    /// What was done to values.
    pub counts: Counts,
}

impl Tally {
    pub(super) fn add(&mut self, other: &Self) {
        let Self { documents, written, unchanged, failed, vanished, conflicts, bytes, counts } = other;
        self.documents += documents;
        self.written += written;
        self.unchanged += unchanged;
        self.failed += failed;
        self.vanished += vanished;
        self.conflicts += conflicts;
        self.bytes += bytes;
        self.counts.add(counts);
    }
}

/// A document that was not done, and stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Failure {
    /// The document's path.
    pub document: String,
    /// The field, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What is wrong, for a program: the name of a [`FailureKind`](crate::operations::FailureKind).
    pub kind: String,
    /// What is wrong, and what to do. Holds no value.
    pub reason: String,
}

impl From<StepFailure> for Failure {
    fn from(failure: StepFailure) -> Self {
        Self {
            document: failure.document.to_string(),
            field: failure.field.map(|field| field.to_string()),
            kind: format!("{:?}", failure.kind),
            reason: failure.reason,
        }
    }
}

/// How a run ended. Unless it finished, run the job again to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum End {
    /// All documents have been looked at.
    Finished,
    /// A budget is used up.
    Budget,
    /// [`JobHandle::stop`](super::JobHandle::stop) was called.
    Stopped,
    /// The keys or the database could not be had; the error is beside the report.
    Interrupted,
}

/// How far a job is.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Progress {
    /// What this run has done so far.
    pub done: Tally,
    /// How many documents there were when the job was split; `None` where the store cannot count.
    pub total: Option<u64>,
    /// How many of them earlier runs had done, and other tasks, as far as this one has heard.
    pub before: u64,
    /// Parts that are done, by anyone.
    pub parts_done: u32,
    /// Parts in all.
    pub parts: u32,
    /// Since the run began.
    pub elapsed: Duration,
    /// Whether it is paused.
    pub paused: bool,
    /// What it waits for, if it does: keys, the database, or parts that other tasks hold.
    pub waiting: Option<String>,
    /// The report, in the last progress of [`Job::stream`](super::Job::stream).
    pub report: Option<Box<Report>>,
}

/// What a run of a job did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// The job's name.
    pub name: String,
    /// The step's name.
    pub step: String,
    /// The collection's path, or its id for a group.
    pub target: String,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// Whether all documents have been looked at, by whichever task.
    pub finished: bool,
    /// How this run ended.
    pub end: End,
    /// What this run did.
    pub run: Tally,
    /// What the checkpoints say that all runs and tasks did together. A process that is killed has done
    /// somewhat more than it could say.
    pub total: Tally,
    /// The first 100 documents that could not be done, of all runs and tasks; `total.failed` tells how
    /// many there are.
    pub failures: Vec<Failure>,
    /// Parts that are done.
    pub parts_done: u32,
    /// Parts in all.
    pub parts: u32,
    /// How long this run took, in seconds.
    pub seconds: f64,
}
