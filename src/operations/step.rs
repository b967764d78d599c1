//! What a job does with documents: one kind of work, as a plan of writes.

mod counts;

use async_trait::async_trait;

pub use counts::{Counts, Digest};

use crate::bytes::{DocumentPath, FieldPath};
use crate::error::Error;
use crate::seal::Cause;
use crate::store::{Document, Write};

/// One kind of work on the documents of a collection. It sees them as they are stored and says what is to be
/// written; whoever runs it reads, writes, counts and goes on where it was.
///
/// A step is idempotent: planning a document that was done gives [`Outcome::Unchanged`].
#[async_trait]
pub trait Step: Send + Sync {
    /// What is done: `seal`, `reseal`, ...
    fn name(&self) -> &'static str;

    /// Of everything that changes what it does, without secrets: SHA-256. The progress of a step with
    /// another fingerprint is not gone on with.
    fn fingerprint(&self) -> [u8; 32];

    /// One outcome for each document, in order. Keys are asked for once in a call.
    ///
    /// # Errors
    /// Nothing can be done at all now, since the keys cannot be had: a later try may succeed. What is wrong with one
    /// document is an outcome.
    async fn plan(&self, documents: Vec<Document>) -> Result<Vec<Outcome>, Error>;
}

#[async_trait]
impl<S: Step + ?Sized> Step for Box<S> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn fingerprint(&self) -> [u8; 32] {
        (**self).fingerprint()
    }

    async fn plan(&self, documents: Vec<Document>) -> Result<Vec<Outcome>, Error> {
        (**self).plan(documents).await
    }
}

#[async_trait]
impl<S: Step + ?Sized> Step for std::sync::Arc<S> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn fingerprint(&self) -> [u8; 32] {
        (**self).fingerprint()
    }

    async fn plan(&self, documents: Vec<Document>) -> Result<Vec<Outcome>, Error> {
        (**self).plan(documents).await
    }
}

/// What is to be done with one document.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// Nothing is to be written; what was found.
    Unchanged(Counts),
    /// One write, or more that go together.
    Write(Planned),
    /// Nothing is written, since something is wrong with the document.
    Failed(StepFailure),
}

/// A write of a document that holds only if it is unchanged since it was read: whoever runs the step adds that
/// precondition. It names the fields that change and no others. A step itself never writes, so a dry run is a
/// run without the commits.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// The write, without a precondition.
    pub write: Write,
    /// Writes of other documents that are committed with it or not at all, with their own preconditions: the
    /// reservations of unique values. None, most often. Where one of them does not hold, the document is read and
    /// planned again.
    pub also: Vec<Write>,
    /// What it does.
    pub counts: Counts,
}

/// A document that a step does nothing to, and why. It holds nothing of a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{document}{}: {reason}", at(.field.as_ref()))]
pub struct StepFailure {
    /// The document.
    pub document: DocumentPath,
    /// Where in it; `None` for the document as a whole.
    pub field: Option<FieldPath>,
    /// What is wrong, and what to do.
    pub reason: String,
    /// What is wrong, for a program.
    pub kind: FailureKind,
}

fn at(field: Option<&FieldPath>) -> String {
    field.map(|field| format!(", field {field}")).unwrap_or_default()
}

/// What is wrong with a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FailureKind {
    /// A sealed value was sealed elsewhere, or changed since.
    DoesNotOpen,
    /// Bytes that are no envelope stand where one belongs.
    Malformed,
    /// A sealed value names a key that its scope does not have: plaintext bytes that happen to begin as an
    /// envelope does look so too.
    KeyUnknown,
    /// The key of a sealed value was destroyed.
    KeyDestroyed,
    /// The key of a sealed value was retired.
    KeyRetired,
    /// Others may have the key of a sealed value.
    KeyCompromised,
    /// Plaintext stands where a sealed value belongs.
    Plaintext,
    /// The document, or a value in it, is not what the configuration or the Rust type says.
    OtherShape,
    /// The value has no such form; it needs the Rust type.
    NeedsType,
    /// The value has no place in its index.
    NotIndexable,
    /// Another document has a unique value.
    Taken,
    /// The document would be one that Firestore does not take: too large, most often.
    Limit,
    /// The document does not say whose keys seal it, or there are none.
    Scope,
    /// Anything else; the reason says it.
    Other,
}

impl StepFailure {
    /// A failure of one field.
    #[must_use]
    pub fn at(
        document: DocumentPath,
        field: FieldPath,
        kind: FailureKind,
        reason: impl Into<String>,
    ) -> Self {
        Self { document, field: Some(field), reason: reason.into(), kind }
    }

    /// A failure of a document as a whole.
    #[must_use]
    pub fn of(document: DocumentPath, kind: FailureKind, reason: impl Into<String>) -> Self {
        Self { document, field: None, reason: reason.into(), kind }
    }
}

impl From<Cause> for FailureKind {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Malformed => Self::Malformed,
            Cause::KeyUnknown(_) => Self::KeyUnknown,
            Cause::KeyDestroyed(_) => Self::KeyDestroyed,
            Cause::KeyRetired(_) => Self::KeyRetired,
            Cause::KeyCompromised(_) => Self::KeyCompromised,
            Cause::DoesNotOpen => Self::DoesNotOpen,
            Cause::OtherType | Cause::Missing => Self::OtherShape,
            Cause::Plaintext => Self::Plaintext,
        }
    }
}
