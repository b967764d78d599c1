//! From key to key: values under older keys are sealed anew under the primary one.

use async_trait::async_trait;

use super::Base;
use super::seal::malformed;
use super::site::{Site, Stands, envelopes, stands, was_path};
use crate::error::Error;
use crate::keys::KeyProvider;
use crate::operations::{CollectionConfig, FailureKind, FieldsError, Outcome, Step, StepFailure};
use crate::store::Document;

/// Seals every value of a document that is under another key than its scope's primary one anew: the fields of the
/// configuration, and whatever else in the document is sealed under a key of the scope. What is in the clear stays
/// so. The plaintexts stay byte for byte what they were, padding included.
///
/// A value under a compromised key is a failure unless [`from_compromised`](Self::from_compromised) was asked for.
///
/// A [`Job`](crate::operations::Job) that has finished stays finished under its name: after another rotation or another
/// change of the type give it another name, or forget it first.
pub struct Reseal {
    base: Base,
    compromised: bool,
}

impl Reseal {
    /// For one collection of a configuration.
    ///
    /// # Errors
    /// The configuration contradicts itself.
    pub fn new(config: CollectionConfig, keys: impl KeyProvider + 'static) -> Result<Self, FieldsError> {
        Ok(Self { base: Base::new(config, keys)?, compromised: false })
    }

    /// Seals values under compromised keys anew, too. **That vouches for them**: whoever has such a key may have
    /// made them. They are counted as [`compromised`](crate::operations::Counts::compromised). The keys must open: see
    /// [`KeyVault::opening_compromised`](crate::custody::KeyVault::opening_compromised).
    #[must_use]
    pub fn from_compromised(self) -> Self {
        Self { compromised: true, ..self }
    }
}

#[async_trait]
impl Step for Reseal {
    fn name(&self) -> &'static str {
        "reseal"
    }

    fn fingerprint(&self) -> [u8; 32] {
        self.base.fingerprint(self.name(), if self.compromised { "from compromised keys too" } else { "" })
    }

    async fn plan(&self, documents: Vec<Document>) -> Result<Vec<Outcome>, Error> {
        self.base.plan(documents, |site| reseal(site, self.compromised)).await
    }
}

fn reseal(mut site: Site<'_>, compromised: bool) -> Result<Outcome, StepFailure> {
    for (at, value, _) in site.places() {
        if let Stands::Malformed = stands(&value) {
            return Err(malformed(&site, &at));
        }
    }
    let primary = site.ring()?.primary().id();
    for (at, stored, key) in envelopes(site.fields()) {
        let (config, is_was) = (site.config, at == was_path());
        let field = config.fields.iter().find(|field| field.pattern.matches(&at));
        if field.is_none() && !is_was && !site.has_key(&key) {
            // Bytes that begin as an envelope does, in a field that nobody said is sealed.
            continue;
        }
        let opened = site.open(&at, &stored)?;
        if key == primary {
            field.into_iter().for_each(|field| site.keep(&at, field, &opened));
            continue;
        }
        if site.is_compromised(&key) {
            vouched(&site, &at, compromised)?;
            site.counts.compromised += u64::from(!is_was);
        }
        site.seal_again(&at, &opened);
        if let Some(field) = field {
            let value = site.restored(&at, Some(field), &opened);
            site.digest(primary, &at, value.as_ref().ok_or(&opened.plaintext));
        }
        site.counts.resealed += u64::from(!is_was);
    }
    site.finish()
}

/// Refuses a value under a compromised key, unless it was asked for.
pub(super) fn vouched(
    site: &Site<'_>,
    at: &crate::bytes::FieldPath,
    asked_for: bool,
) -> Result<(), StepFailure> {
    if !asked_for {
        let reason =
            "others may have its key, and writing it anew would vouch for it: that has to be asked for";
        return Err(site.failure(at, FailureKind::KeyCompromised, reason));
    }
    Ok(())
}
