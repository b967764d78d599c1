//! Leaving fireseal: from sealed to plaintext.

use async_trait::async_trait;

use super::Base;
use super::reseal::vouched;
use super::seal::malformed;
use super::site::{Site, Stands, envelopes, stands, was_path};
use crate::error::Error;
use crate::keys::KeyProvider;
use crate::operations::{CollectionConfig, FailureKind, FieldsError, Outcome, Step, StepFailure};
use crate::repository::seal_map;
use crate::seal::index::entry_name;
use crate::store::Document;

/// Puts the values in the fields of a configuration back in the clear, equal to what [`Seal`](super::Seal) found,
/// and removes their index entries. Once nothing sealed is left in a document, `_seal` goes too.
///
/// A value that the Rust type sealed becomes what its plaintext tells: times, references, points on earth and
/// arrays of bytes are not told apart from text, maps and bytes there, so name the field's `kind` in the
/// configuration. What has no Firestore form, such as an integer above `i64::MAX`, is a failure.
///
/// Unique values are reserved by documents of their own, and a document seal is verified by the Rust type only: such
/// documents are failures. [`UnsealAs`](super::UnsealAs) takes them.
pub struct Unseal {
    base: Base,
    compromised: bool,
}

impl Unseal {
    /// For one collection of a configuration.
    ///
    /// # Errors
    /// The configuration contradicts itself.
    pub fn new(config: CollectionConfig, keys: impl KeyProvider + 'static) -> Result<Self, FieldsError> {
        Ok(Self { base: Base::new(config, keys)?, compromised: false })
    }

    /// Also opens values under compromised keys, which vouches for them: see
    /// [`Reseal::from_compromised`](super::Reseal::from_compromised).
    #[must_use]
    pub fn from_compromised(self) -> Self {
        Self { compromised: true, ..self }
    }
}

#[async_trait]
impl Step for Unseal {
    fn name(&self) -> &'static str {
        "unseal"
    }

    fn fingerprint(&self) -> [u8; 32] {
        self.base.fingerprint(self.name(), if self.compromised { "from compromised keys too" } else { "" })
    }

    async fn plan(&self, documents: Vec<Document>) -> Result<Vec<Outcome>, Error> {
        self.base.plan(documents, |site| unseal(site, self.compromised)).await
    }
}

fn unseal(mut site: Site<'_>, compromised: bool) -> Result<Outcome, StepFailure> {
    if site.has_document_seal() {
        let reason =
            "it has a document seal, which would go unverified: unseal it through the type, with `UnsealAs`";
        return Err(StepFailure::of(site.path().clone(), FailureKind::NeedsType, reason));
    }
    for (at, value, field) in site.places() {
        let (stored, key) = match stands(&value) {
            Stands::Sealed(stored, key) => (stored, key),
            Stands::Malformed => return Err(malformed(&site, &at)),
            Stands::Plain => continue,
        };
        let opened = site.open(&at, &stored)?;
        if site.is_compromised(&key) {
            vouched(&site, &at, compromised)?;
            site.counts.compromised += 1;
        }
        let Some(value) = site.restored(&at, Some(field), &opened) else {
            let reason = "it opens, but Firestore has no such value: unseal it through its Rust type";
            return Err(site.failure(&at, FailureKind::NeedsType, reason));
        };
        site.replace(&at, value);
        site.counts.unsealed += 1;
        if let Some(path) = field.pattern.names() {
            let name = entry_name(&path);
            site.refuse_reserved(&name)?;
            site.set_entry(&name, None);
        }
    }
    let left = envelopes(site.fields()).into_iter().any(|(at, ..)| at != was_path());
    if site.counts.unsealed > 0 && !left {
        let entries = seal_map::entries(site.fields()).into_iter().flatten();
        let reserved = entries.map(|(_, entry)| seal_map::reserved(entry)).any(|tokens| !tokens.is_empty());
        if !reserved {
            site.clear();
        }
    }
    site.finish()
}
