//! Whether everything opens.

use async_trait::async_trait;

use super::Base;
use super::seal::malformed;
use super::site::{Site, Stands, stands};
use crate::error::Error;
use crate::keys::KeyProvider;
use crate::operations::{CollectionConfig, FailureKind, FieldsError, Outcome, Step, StepFailure};
use crate::store::Document;

/// Opens every value in the fields of a configuration, counts them by key, and makes a digest of them. It writes
/// nothing. A document with plaintext in such a field, or with a value that does not open, fails;
/// so does one with a document seal, which only [`VerifyAs`](super::VerifyAs) verifies.
///
/// The [`Digest`](crate::operations::Digest) is that of the pass that sealed the values, if nobody wrote in between:
/// it is of the Firestore values as that pass found them.
pub struct Verify(Base);

impl Verify {
    /// For one collection of a configuration.
    ///
    /// # Errors
    /// The configuration contradicts itself.
    pub fn new(config: CollectionConfig, keys: impl KeyProvider + 'static) -> Result<Self, FieldsError> {
        Base::new(config, keys).map(Self)
    }
}

#[async_trait]
impl Step for Verify {
    fn name(&self) -> &'static str {
        "verify"
    }

    fn fingerprint(&self) -> [u8; 32] {
        self.0.fingerprint(self.name(), "")
    }

    async fn plan(&self, documents: Vec<Document>) -> Result<Vec<Outcome>, Error> {
        self.0.plan(documents, verify).await
    }
}

fn verify(mut site: Site<'_>) -> Result<Outcome, StepFailure> {
    if site.has_document_seal() {
        let reason = "its document seal is verified through the type only";
        return Err(StepFailure::of(site.path().clone(), FailureKind::NeedsType, reason));
    }
    for (at, value, field) in site.places() {
        match stands(&value) {
            Stands::Sealed(stored, _) => {
                let opened = site.open(&at, &stored)?;
                site.keep(&at, field, &opened);
            }
            Stands::Malformed => return Err(malformed(&site, &at)),
            Stands::Plain => {
                let reason = "it holds plaintext where a sealed value belongs";
                return Err(site.failure(&at, FailureKind::Plaintext, reason));
            }
        }
    }
    site.finish()
}
