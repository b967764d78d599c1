//! Floor 5: work on collections that exist already, document by document.

mod audit;
mod fields;
mod job;
mod migrate;
mod step;

pub use audit::{
    AUDIT_SCHEMA, Audit, AuditProgress, AuditReport, Class, CollectionAudit, FieldAudit, Finding,
    FindingKind, Hint, IndexAudit, KeyAudit, KeyUse, LookAlike, Place, Places, ReportError, RingAudit,
    Severity, Standing, TextOptions, UnlistedField, Values,
};
pub use fields::{
    CollectionConfig, Collections, Field, FieldPattern, FieldsError, IndexConfig, PatternStep, ScopeRule,
    SealedPlace, ValueKind,
};
pub use job::{
    Budget, CheckpointError, Checkpoints, End, Estimate, Failure, Job, JobError, JobHandle, JobStatus,
    Limits, PartStatus, Prices, Progress, Report, Tally,
};
pub use migrate::{
    Import, LegacyAssociatedData, LegacyContent, LegacyEncoding, LegacyKey, LegacyLayout, ReindexAs,
    ReindexFields, Reseal, ResealAs, Seal, SealAs, Unseal, UnsealAs, Verify, VerifyAs,
};
pub use step::{Counts, Digest, FailureKind, Outcome, Planned, Step, StepFailure};
