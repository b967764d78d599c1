//! The same steps through the Rust type: for what a configuration cannot say.

use std::time::SystemTime;

use async_trait::async_trait;

use super::fingerprint;
use super::keys::digest_code;
use crate::bytes::DocumentPath;
use crate::error::Error;
use crate::keys::KeyError;
use crate::operations::{Counts, FailureKind, Outcome, Planned, Step, StepFailure};
use crate::repository::{Renewal, Repository, Standing};
use crate::seal::{Document as Typed, OpenError, PlaintextWindow, SealError};
use crate::store::{Document, StoreError, Write};

/// Seals what stands in the clear in the fields of a Rust type. It takes what a configuration cannot say: unique
/// and compound indexes, flattened fields, values whose plain form Firestore changes.
///
/// Plaintext is accepted in the named fields only, and only until a date, which stands in the code that makes the
/// step. All values of a document that has any are sealed anew in one write. **Sealing what is found vouches for
/// it**, as with [`Seal`](super::Seal).
///
/// A document that would be sealed anew and has a value under a compromised key is a failure unless
/// [`from_compromised`](Self::from_compromised) was asked for.
pub struct SealAs<T: Typed> {
    repository: Repository<T>,
    fields: Vec<String>,
    compromised: bool,
}

impl<T: Typed + Send + Sync + 'static> SealAs<T> {
    /// For the collection of a repository; the fields by their stored names at the document's root.
    pub fn new<S: Into<String>>(
        repository: &Repository<T>,
        fields: impl IntoIterator<Item = S>,
        until: SystemTime,
    ) -> Self {
        let fields: Vec<String> = fields.into_iter().map(Into::into).collect();
        let repository = repository.through(PlaintextWindow::new(fields.clone(), until));
        Self { repository, fields, compromised: false }
    }

    /// Seals documents with values under compromised keys, too, which vouches for them: see
    /// [`Reseal::from_compromised`](super::Reseal::from_compromised).
    #[must_use]
    pub fn from_compromised(self) -> Self {
        Self { compromised: true, ..self }
    }
}

#[async_trait]
impl<T: Typed + Send + Sync + 'static> Step for SealAs<T> {
    fn name(&self) -> &'static str {
        "seal"
    }

    fn fingerprint(&self) -> [u8; 32] {
        let options = if self.compromised { "from compromised keys too" } else { "" };
        fingerprint(&["seal as", &self.repository.described(), &format!("{:?}", self.fields), options])
    }

    async fn plan(&self, documents: Vec<Document>) -> Result<Vec<Outcome>, Error> {
        let paths: Vec<_> = documents.iter().map(|document| document.path.clone()).collect();
        let renewed = self.repository.renew(documents, |standing, _| standing == Standing::Plain).await?;
        let outcomes = paths.into_iter().zip(renewed).map(|(path, renewal)| {
            let document = path.clone();
            outcome(path, renewal, |renewal, counts| {
                if !renewal.writes.is_empty() {
                    vouched(document, renewal, self.compromised)?;
                }
                counts.sealed =
                    renewal.before.iter().filter(|standing| **standing == Standing::Plain).count() as u64;
                counts.opened = renewal.before.len() as u64 - counts.sealed;
                counts.compromised = renewal.compromised;
                Ok(())
            })
        });
        Ok(outcomes.collect())
    }
}

/// Seals the documents of a Rust type that have a value under another key than the primary one anew.
///
/// A document with a value under a compromised key is a failure unless
/// [`from_compromised`](Self::from_compromised) was asked for; one with plaintext is.
///
/// A [`Job`](crate::operations::Job) that has finished stays finished under its name: after another rotation or another
/// change of the type give it another name, or forget it first.
pub struct ResealAs<T: Typed> {
    repository: Repository<T>,
    compromised: bool,
}

impl<T: Typed + Send + Sync + 'static> ResealAs<T> {
    /// For the collection of a repository.
    #[must_use]
    pub fn new(repository: &Repository<T>) -> Self {
        Self { repository: repository.clone(), compromised: false }
    }

    /// Seals values under compromised keys anew, too, which vouches for them: see
    /// [`Reseal::from_compromised`](super::Reseal::from_compromised).
    #[must_use]
    pub fn from_compromised(self) -> Self {
        Self { compromised: true, ..self }
    }
}

#[async_trait]
impl<T: Typed + Send + Sync + 'static> Step for ResealAs<T> {
    fn name(&self) -> &'static str {
        "reseal"
    }

    fn fingerprint(&self) -> [u8; 32] {
        let options = if self.compromised { "from compromised keys too" } else { "" };
        fingerprint(&["reseal as", &self.repository.described(), options])
    }

    async fn plan(&self, documents: Vec<Document>) -> Result<Vec<Outcome>, Error> {
        let paths: Vec<_> = documents.iter().map(|document| document.path.clone()).collect();
        let older = |standing, ring: &crate::keys::KeyRing| match standing {
            Standing::Sealed(key) => key != ring.primary().id(),
            Standing::Plain => false,
        };
        let renewed = self.repository.renew(documents, older).await?;
        let outcomes = paths.into_iter().zip(renewed).map(|(path, renewal)| {
            let document = path.clone();
            outcome(path, renewal, |renewal, counts| {
                vouched(document, renewal, self.compromised)?;
                let is_older = |standing: &&Standing| older(**standing, &renewal.ring);
                counts.resealed = renewal.before.iter().filter(is_older).count() as u64;
                counts.opened = renewal.before.len() as u64 - counts.resealed;
                counts.compromised = renewal.compromised;
                Ok(())
            })
        });
        Ok(outcomes.collect())
    }
}

/// Opens the documents of a Rust type, counts their sealed values by key, and makes a digest of them: that of a
/// [`SealAs`] or [`ResealAs`] pass before it, if nobody wrote in between. It writes nothing.
pub struct VerifyAs<T: Typed>(Repository<T>);

impl<T: Typed + Send + Sync + 'static> VerifyAs<T> {
    /// For the collection of a repository.
    #[must_use]
    pub fn new(repository: &Repository<T>) -> Self {
        Self(repository.clone())
    }
}

#[async_trait]
impl<T: Typed + Send + Sync + 'static> Step for VerifyAs<T> {
    fn name(&self) -> &'static str {
        "verify"
    }

    fn fingerprint(&self) -> [u8; 32] {
        fingerprint(&["verify as", &self.0.described()])
    }

    async fn plan(&self, documents: Vec<Document>) -> Result<Vec<Outcome>, Error> {
        let paths: Vec<_> = documents.iter().map(|document| document.path.clone()).collect();
        let renewed = self.0.renew(documents, |_, _| false).await?;
        let outcomes = paths.into_iter().zip(renewed).map(|(path, renewal)| {
            outcome(path, renewal, |renewal, counts| {
                counts.opened = renewal.before.len() as u64;
                counts.compromised = renewal.compromised;
                Ok(())
            })
        });
        Ok(outcomes.collect())
    }
}

/// Makes the index entries of the documents of a Rust type what they should be, and reserves their unique values: what
/// [`Repository::reindex`] does, as a step.
///
/// A [`Job`](crate::operations::Job) that has finished stays finished under its name: after another rotation or another
/// change of the type give it another name, or forget it first.
pub struct ReindexAs<T: Typed>(Repository<T>);

impl<T: Typed + Send + Sync + 'static> ReindexAs<T> {
    /// For the collection of a repository.
    #[must_use]
    pub fn new(repository: &Repository<T>) -> Self {
        Self(repository.clone())
    }
}

#[async_trait]
impl<T: Typed + Send + Sync + 'static> Step for ReindexAs<T> {
    fn name(&self) -> &'static str {
        "reindex"
    }

    fn fingerprint(&self) -> [u8; 32] {
        fingerprint(&["reindex as", &self.0.described()])
    }

    async fn plan(&self, documents: Vec<Document>) -> Result<Vec<Outcome>, Error> {
        let mut outcomes = Vec::with_capacity(documents.len());
        for document in documents {
            let planned = match self.0.reindex_one(&document).await {
                Err(error) if error.is_unavailable() => return Err(error),
                planned => planned,
            };
            outcomes.push(match planned {
                Err(error) => Outcome::Failed(failure(document.path, error)),
                Ok((found, writes)) => {
                    let indexed = found.other_key + found.wrong + found.missing;
                    let counts = Counts { indexed, unindexed: found.surplus, ..Counts::default() };
                    written(writes, counts)
                }
            });
        }
        Ok(outcomes)
    }
}

/// Refuses a document with a value under a compromised key, unless it was asked for.
fn vouched(document: DocumentPath, renewal: &Renewal, asked_for: bool) -> Result<(), StepFailure> {
    if renewal.compromised > 0 && !asked_for {
        let reason = "others may have the key of a value, and writing it anew would vouch for it: that has to be \
                      asked for";
        return Err(StepFailure::of(document, FailureKind::KeyCompromised, reason));
    }
    Ok(())
}

/// What came of planning one document.
fn outcome(
    path: DocumentPath,
    renewal: Result<Renewal, Error>,
    count: impl FnOnce(&Renewal, &mut Counts) -> Result<(), StepFailure>,
) -> Outcome {
    let renewal = match renewal {
        Ok(renewal) => renewal,
        Err(error) => return Outcome::Failed(failure(path, error)),
    };
    let mut counts = Counts::default();
    if let Err(failure) = count(&renewal, &mut counts) {
        return Outcome::Failed(failure);
    }
    for (at, stored) in &renewal.after {
        if let Some((key, code)) = digest_code(&renewal.location, &renewal.found, &renewal.ring, at, stored) {
            *counts.keys.entry(key).or_default() += 1;
            counts.digest.add_value(key, &code);
        }
    }
    written(renewal.writes, counts)
}

fn written(writes: Vec<Write>, counts: Counts) -> Outcome {
    let mut writes = writes.into_iter();
    match writes.next() {
        None => Outcome::Unchanged(counts),
        Some(write) => Outcome::Write(Planned { write, also: writes.collect(), counts }),
    }
}

/// What is wrong with a document, by the repository's word.
pub(super) fn failure(path: DocumentPath, error: Error) -> StepFailure {
    let kind = match &error {
        Error::Open(OpenError::Fields { failures, .. }) => {
            if let Some(first) = failures.first() {
                let (field, kind) = (first.field.clone(), FailureKind::from(first.cause));
                return StepFailure::at(path, field, kind, first.cause.to_string());
            }
            FailureKind::DoesNotOpen
        }
        Error::Taken { .. } | Error::ReservationRefused { .. } => FailureKind::Taken,
        Error::OtherType { .. }
        | Error::OtherId { .. }
        | Error::OtherDocument { .. }
        | Error::Location(_) => FailureKind::OtherShape,
        Error::Seal { source: SealError::NotIndexable { .. } | SealError::TooManyTokens { .. }, .. } => {
            FailureKind::NotIndexable
        }
        Error::Keys(KeyError::ScopeUnknown { .. } | KeyError::ScopeDestroyed { .. })
        | Error::NoIndexKey { .. } => FailureKind::Scope,
        Error::Store(StoreError::Limit(_)) => FailureKind::Limit,
        _ => FailureKind::Other,
    };
    StepFailure::of(path, kind, error.to_string())
}
