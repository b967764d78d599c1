//! Fields that were sealed by hand become envelopes.

mod legacy;

use async_trait::async_trait;

use super::Base;
use super::plain::apply;
use super::seal::{malformed, refuse_unique};
use super::site::{Site, Stands, stands};
use crate::error::Error;
use crate::keys::KeyProvider;
use crate::operations::{CollectionConfig, FailureKind, FieldsError, Outcome, Step, StepFailure};
use crate::store::{Document, ValueType};
pub use legacy::{LegacyAssociatedData, LegacyContent, LegacyEncoding, LegacyKey, LegacyLayout};

/// Opens values that were sealed by hand, as `nonce(12) ‖ ChaCha20-Poly1305 ciphertext ‖ tag(16)` under one 32-byte
/// key, and seals them as the Rust type would. The old key only opens, and only here: it never becomes a data key.
///
/// A value that is an envelope already, and opens, stays. One that is neither is a failure: in the clear, under
/// another key, or changed. A null is sealed as a null. Every value is tried as an envelope first where it
/// looks like one, since the first byte of a random nonce may be an envelope's.
///
/// An old key was one for all documents: where it bound nothing (no associated data), whoever wrote the database could move
/// a value to another document or field, and importing vouches for where it was found.
pub struct Import {
    base: Base,
    key: LegacyKey,
    layout: LegacyLayout,
}

impl Import {
    /// For one collection of a configuration; every field of it is imported, so name no others there.
    ///
    /// # Errors
    /// The configuration contradicts itself, or has a unique index, which needs the Rust type.
    pub fn new(
        config: CollectionConfig,
        keys: impl KeyProvider + 'static,
        key: LegacyKey,
        layout: LegacyLayout,
    ) -> Result<Self, FieldsError> {
        refuse_unique(&config)?;
        Ok(Self { base: Base::new(config, keys)?, key, layout })
    }
}

#[async_trait]
impl Step for Import {
    fn name(&self) -> &'static str {
        "import"
    }

    /// Not of the old key, of which nothing may be told: another key opens nothing.
    fn fingerprint(&self) -> [u8; 32] {
        self.base.fingerprint(self.name(), &format!("{:?}", self.layout))
    }

    async fn plan(&self, documents: Vec<Document>) -> Result<Vec<Outcome>, Error> {
        self.base.plan(documents, |site| self.import(site)).await
    }
}

impl Import {
    fn import(&self, mut site: Site<'_>) -> Result<Outcome, StepFailure> {
        let mut indexed = Vec::new();
        for (at, stored, field) in site.places() {
            let not_opened = match stands(&stored) {
                Stands::Malformed => return Err(malformed(&site, &at)),
                Stands::Plain => None,
                Stands::Sealed(envelope, _) => match site.open(&at, &envelope) {
                    Ok(opened) => {
                        site.keep(&at, field, &opened);
                        continue;
                    }
                    Err(failure) => Some(failure),
                },
            };
            let mut value = match &stored.value_type {
                None | Some(ValueType::NullValue(_)) => {
                    site.counts.sealed += 1;
                    stored
                }
                _ => match self.layout.open(&self.key, &stored, site.path()) {
                    Ok(value) => {
                        site.counts.imported += 1;
                        value
                    }
                    Err(error) => {
                        let not_opened = not_opened.map(|failure| (failure.kind, failure.reason));
                        let (kind, reason) = not_opened.unwrap_or((error.kind(), String::new()));
                        let reason = match reason.as_str() {
                            "" => error.to_string(),
                            envelope => format!("{error}; and as an envelope, {envelope}"),
                        };
                        return Err(site.failure(&at, kind, reason));
                    }
                },
            };
            field.kind.into_iter().for_each(|kind| apply(kind, &mut value));
            site.seal(&at, field, &value)?;
            if field.index.is_some() {
                indexed.push((field, value));
            }
        }
        site.index(&indexed)?;
        site.finish()
    }
}

impl legacy::NotOpened {
    fn kind(self) -> FailureKind {
        match self {
            Self::OtherForm => FailureKind::Plaintext,
            Self::DoesNotOpen => FailureKind::DoesNotOpen,
            Self::OtherContent => FailureKind::OtherShape,
        }
    }
}
