//! Floor 5: work on whole collections. It goes on after a crash, and many machines may share it.

mod job;
mod step;

pub use job::{
    Budget, CheckpointError, Checkpoints, End, Estimate, Failure, Job, JobError, JobHandle, JobStatus,
    Limits, PartStatus, Prices, Progress, Report, Tally,
};
pub use step::{Counts, Outcome, Planned, Step, StepFailure};
