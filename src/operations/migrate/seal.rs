//! From plaintext to sealed, without a Rust type.

use async_trait::async_trait;

use super::Base;
use super::site::{Site, Stands, envelope_within, stands};
use crate::error::Error;
use crate::keys::KeyProvider;
use crate::operations::{CollectionConfig, FailureKind, FieldsError, Outcome, Step, StepFailure};
use crate::store::Document;

/// Seals what stands in the clear in the fields of a configuration, as the Rust type with these fields would:
/// `Repository::<T>` opens it, and every value comes back equal. Index entries are made in the same write.
///
/// A value that is sealed already is opened, and left as it is. What looks sealed and does not open is a failure,
/// neither skipped nor sealed again, and so is a map or an array with sealed values inside. Fields that are absent stay so; a null is sealed.
///
/// **Sealing what is found vouches for it**: whoever wrote the database before may have written any of it, and it
/// is sealed like everything else. So is what somebody puts there in the clear before a later pass.
pub struct Seal(Base);

impl Seal {
    /// For one collection of a configuration.
    ///
    /// # Errors
    /// The configuration contradicts itself, or has a unique index, which needs the Rust type.
    pub fn new(config: CollectionConfig, keys: impl KeyProvider + 'static) -> Result<Self, FieldsError> {
        refuse_unique(&config)?;
        Base::new(config, keys).map(Self)
    }
}

#[async_trait]
impl Step for Seal {
    fn name(&self) -> &'static str {
        "seal"
    }

    fn fingerprint(&self) -> [u8; 32] {
        self.0.fingerprint(self.name(), "")
    }

    async fn plan(&self, documents: Vec<Document>) -> Result<Vec<Outcome>, Error> {
        self.0.plan(documents, seal).await
    }
}

fn seal(mut site: Site<'_>) -> Result<Outcome, StepFailure> {
    let mut indexed = Vec::new();
    for (at, value, field) in site.places() {
        match stands(&value) {
            Stands::Sealed(stored, _) => {
                let opened = site.open(&at, &stored)?;
                site.keep(&at, field, &opened);
            }
            Stands::Malformed => return Err(malformed(&site, &at)),
            Stands::Plain => {
                if let Some(inside) = envelope_within(&value, &at) {
                    let reason =
                        format!("{inside} inside it is sealed: a field is sealed as a whole or in parts");
                    return Err(site.failure(&at, FailureKind::OtherShape, reason));
                }
                site.seal(&at, field, &value)?;
                site.counts.sealed += 1;
                if field.index.is_some() {
                    indexed.push((field, value));
                }
            }
        }
    }
    site.index(&indexed)?;
    site.finish()
}

pub(super) fn malformed(site: &Site<'_>, at: &crate::bytes::FieldPath) -> StepFailure {
    let reason = "it has the text form of a sealed value, and is none: it was cut off, or made by hand";
    site.failure(at, FailureKind::Malformed, reason)
}

/// Unique values are reserved by documents of their own, which the repository of the Rust type looks after.
pub(super) fn refuse_unique(config: &CollectionConfig) -> Result<(), FieldsError> {
    let unique = |field: &&crate::operations::Field| field.index.is_some_and(|index| index.is_unique());
    match config.fields.iter().find(unique) {
        None => Ok(()),
        Some(field) => Err(FieldsError::Attribute {
            field: format!("{} of {}", field.pattern, config.path),
            reason:
                "a unique index needs the Rust type, whose repository reserves the values: use the typed step"
                    .into(),
        }),
    }
}
