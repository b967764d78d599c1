//! Index entries made anew from a configuration.

use async_trait::async_trait;

use super::Base;
use super::seal::{malformed, refuse_unique};
use super::site::{Site, Stands, stands};
use crate::error::Error;
use crate::keys::KeyProvider;
use crate::operations::{CollectionConfig, FieldsError, Outcome, Step, StepFailure};
use crate::seal::index::entry_name;
use crate::store::Document;

/// Makes the index entries of the fields of a configuration what they should be: each sealed value is opened, and
/// has the tokens of the field's indexes under the index key of the day; a field without an index has no entry.
///
/// Entries of fields that the configuration does not have stay, and so do compound indexes, which only the Rust
/// type has: [`Repository::reindex`](crate::Repository::reindex) makes those anew.
pub struct ReindexFields(Base);

impl ReindexFields {
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
impl Step for ReindexFields {
    fn name(&self) -> &'static str {
        "reindex"
    }

    fn fingerprint(&self) -> [u8; 32] {
        self.0.fingerprint(self.name(), "")
    }

    async fn plan(&self, documents: Vec<Document>) -> Result<Vec<Outcome>, Error> {
        self.0.plan(documents, reindex).await
    }
}

fn reindex(mut site: Site<'_>) -> Result<Outcome, StepFailure> {
    let mut indexed = Vec::new();
    for (at, value, field) in site.places() {
        match stands(&value) {
            Stands::Malformed => return Err(malformed(&site, &at)),
            // Sealing it is another step, which makes its entry.
            Stands::Plain => {}
            Stands::Sealed(stored, _) => {
                let opened = site.open(&at, &stored)?;
                site.keep(&at, field, &opened);
                if field.index.is_some() {
                    indexed.push((field, site.sealed_value(&at, &opened)?));
                }
            }
        }
    }
    for field in &site.config.fields {
        let Some(path) = field.pattern.names() else { continue };
        let is_indexed = indexed.iter().any(|(other, _)| *other == field);
        if !is_indexed {
            let name = entry_name(&path);
            site.refuse_reserved(&name)?;
            site.set_entry(&name, None);
        }
    }
    site.index(&indexed)?;
    site.finish()
}
