//! Bringing collections in and out of sealing, and from key to key: the steps.

mod canonical;
mod import;
mod keys;
mod plain;
mod reindex;
mod reseal;
mod seal;
mod site;
mod typed;
mod unseal;
mod unseal_as;
mod verify;
mod was;

use std::collections::BTreeSet;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

pub use import::{Import, LegacyAssociatedData, LegacyContent, LegacyEncoding, LegacyKey, LegacyLayout};
pub use reindex::ReindexFields;
pub use reseal::Reseal;
pub use seal::Seal;
pub use typed::{ReindexAs, ResealAs, SealAs, VerifyAs};
pub use unseal::Unseal;
pub use unseal_as::UnsealAs;
pub use verify::Verify;

use super::{CollectionConfig, FailureKind, FieldsError, Outcome, StepFailure};
use crate::error::Error;
use crate::keys::KeyProvider;
use crate::store::Document;
use keys::Keys;
use site::{Site, envelopes};

/// What every step without a Rust type has: the configuration of its collection, and keys.
struct Base {
    config: CollectionConfig,
    keys: Arc<dyn KeyProvider>,
}

impl Base {
    fn new(config: CollectionConfig, keys: impl KeyProvider + 'static) -> Result<Self, FieldsError> {
        config.check()?;
        Ok(Self { config, keys: Arc::new(keys) })
    }

    /// Works on each document with the keys of all.
    async fn plan(
        &self,
        documents: Vec<Document>,
        work: impl Fn(Site<'_>) -> Result<Outcome, StepFailure> + Send,
    ) -> Result<Vec<Outcome>, Error> {
        let locations: Vec<_> = documents.iter().map(|document| self.config.location(document)).collect();
        let (mut wanted, mut scopes) = (BTreeSet::new(), BTreeSet::new());
        for (document, location) in documents.iter().zip(&locations) {
            let Ok(location) = location else { continue };
            scopes.insert(location.scope().clone());
            let ids = envelopes(&document.fields).into_iter().map(|(_, _, key)| key);
            wanted.extend(ids.map(|id| (location.scope().clone(), id)));
        }
        let keys = Keys::ask(&*self.keys, wanted, scopes).await?;
        let digests = keys.digests();
        let outcomes = documents.into_iter().zip(locations).map(|(document, location)| {
            let path = document.path.clone();
            let location = location.map_err(|error| {
                let kind = match error {
                    FieldsError::OtherCollection { .. } => FailureKind::OtherShape,
                    _ => FailureKind::Scope,
                };
                StepFailure::of(path, kind, error.to_string())
            })?;
            work(Site::new(&self.config, &keys, &digests, location, document)?)
        });
        Ok(outcomes.map(|outcome| outcome.unwrap_or_else(Outcome::Failed)).collect())
    }

    /// Of what a step does: its name, the configuration, and its own options.
    fn fingerprint(&self, name: &str, options: &str) -> [u8; 32] {
        fingerprint(&[name, &self.config.described(), options])
    }
}

fn fingerprint(parts: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}
