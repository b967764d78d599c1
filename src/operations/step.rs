//! What a job does with documents.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

use crate::bytes::{DocumentPath, FieldPath};
use crate::error::Error;
use crate::store::{Document, Write};

/// One kind of work on documents. It sees them as they are stored and says what is to be written.
#[async_trait]
pub trait Step: Send + Sync {
    /// One word: `seal`.
    fn name(&self) -> &'static str;

    /// A digest of everything that changes what it does, without secrets.
    fn fingerprint(&self) -> [u8; 32];

    /// One outcome for each document, in order.
    ///
    /// # Errors
    /// Nothing can be done at all now: keys cannot be had.
    async fn plan(&self, documents: Vec<Document>) -> Result<Vec<Outcome>, Error>;
}

#[async_trait]
impl<S: Step + ?Sized> Step for Arc<S> {
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

/// What is to be done with a document.
#[derive(Debug)]
pub enum Outcome {
    /// Nothing.
    Unchanged,
    /// This write.
    Write(Planned),
    /// The step has written it itself.
    Done(Counts),
    /// It cannot be done.
    Failed(StepFailure),
}

/// A write of the document that holds only if it is as it was read.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The write.
    pub write: Write,
    /// What it does.
    pub counts: Counts,
}

/// What was done, in values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Sealed.
    pub sealed: u64,
}

impl Counts {
    /// Adds those of another document.
    pub fn add(&mut self, other: &Self) {
        self.sealed += other.sealed;
    }
}

/// A document that cannot be done.
#[derive(Debug, Clone)]
pub struct StepFailure {
    /// The document.
    pub document: DocumentPath,
    /// The field.
    pub field: Option<FieldPath>,
    /// Why.
    pub reason: String,
}
