//! Why a job did not run to its end.

use std::path::PathBuf;

use super::Report;
use crate::error::Error;
use crate::store::StoreError;

/// Why a job did not run, or not to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// The keys or the database could not be had for longer than the job's patience, or not at all. The
    /// job is paused at a checkpoint.
    #[error("the job {} is paused after {} documents: {source}; run it again to go on", .report.name, .report.run.documents)]
    Interrupted {
        /// What was done until then.
        report: Box<Report>,
        /// Why.
        #[source]
        source: Error,
    },
    /// The checkpoints could not be read or written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The documents could not be counted or split.
    #[error("the job could not start: {0}")]
    Start(#[source] StoreError),
    /// The settings do not go together.
    #[error("the job cannot run so: {reason}")]
    Settings {
        /// Which, and what to do.
        reason: String,
    },
}

/// Why checkpoints could not be kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The store that keeps them fails.
    #[error(
        "the checkpoints of the job {job} cannot be kept: {source}; what was written stays, run it again"
    )]
    Store {
        /// The job's name.
        job: String,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// The file that keeps them fails. The checkpoint before is whole.
    #[error(
        "the checkpoint file {path} cannot be {action}: {source}; what was written to the database stays, put this right and run the job again"
    )]
    File {
        /// The file.
        path: PathBuf,
        /// `read`, `written` or `locked`.
        action: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Another process has the file.
    #[error(
        "the checkpoint file {path} is in use by another process: wait for it, or keep checkpoints in the store"
    )]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// They are those of another job, or of this one with other settings.
    #[error(
        "the checkpoints of the job {job} are of another job: {reason}; give this one another name, or forget the other"
    )]
    OtherJob {
        /// The job's name.
        job: String,
        /// What differs.
        reason: String,
    },
    /// They are damaged, or of a later version of this library.
    #[error("the checkpoints of the job {job} cannot be read: {reason}")]
    Malformed {
        /// The job's name.
        job: String,
        /// What is wrong.
        reason: String,
    },
}
