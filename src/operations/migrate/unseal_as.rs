//! Leaving fireseal through the Rust type: for documents with a document seal or reserved values.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::fingerprint;
use super::keys::Keys;
use super::reseal::vouched;
use super::site::{Site, envelopes, was_path};
use super::typed::failure;
use crate::bytes::FieldPath;
use crate::bytes::envelope::Header;
use crate::error::Error;
use crate::operations::{CollectionConfig, FailureKind, Outcome, ScopeRule, Step, StepFailure};
use crate::repository::seal_map::SEAL;
use crate::repository::{Renewal, Repository};
use crate::seal::Document as Typed;
use crate::store::{Document, Write};

/// What a document holds and the writes that release its reservations, or why it does not open.
type Opened = Result<(Renewal, Vec<Write>), Error>;

/// Puts the sealed values of the documents of a Rust type back in the clear, as [`Unseal`](super::Unseal) does, and
/// takes what that refuses: documents with a document seal, which is verified first, and with unique values, whose
/// reservations are deleted in the same commit. `_seal` goes with the values.
///
/// A document without anything sealed is left as it is, whoever wrote it; one with a sealed value that the type
/// does not know, or with plaintext beside sealed values, is a failure.
///
/// A value becomes what its plaintext tells: what serde writes as text, such as a time, is text then.
pub struct UnsealAs<T: Typed> {
    repository: Repository<T>,
    config: CollectionConfig,
    compromised: bool,
}

impl<T: Typed + Send + Sync + 'static> UnsealAs<T> {
    /// For the collection of a repository.
    #[must_use]
    pub fn new(repository: &Repository<T>) -> Self {
        // The type says where sealed values stand, and the repository whose they are.
        let config = CollectionConfig {
            path: repository.collection_path().to_string(),
            group: false,
            scope: ScopeRule::Fixed(crate::bytes::Scope::default()),
            realm: None,
            fields: Vec::new(),
        };
        Self { repository: repository.clone(), config, compromised: false }
    }

    /// Also opens values under compromised keys, which vouches for them: see
    /// [`Reseal::from_compromised`](super::Reseal::from_compromised).
    #[must_use]
    pub fn from_compromised(self) -> Self {
        Self { compromised: true, ..self }
    }

    /// What is to become of documents.
    async fn unsealed(&self, opened: Vec<(Document, Opened)>) -> Result<Vec<Outcome>, Error> {
        let (mut wanted, mut scopes) = (BTreeSet::new(), BTreeSet::new());
        for (document, renewal) in &opened {
            let Ok((renewal, _)) = renewal else { continue };
            let scope = renewal.location.scope();
            scopes.insert(scope.clone());
            wanted.extend(envelopes(&document.fields).into_iter().map(|(_, _, key)| (scope.clone(), key)));
        }
        let keys = Keys::ask(&**self.repository.keys(), wanted, scopes).await?;
        let digests = keys.digests();
        let outcomes = opened.into_iter().map(|(document, renewal)| {
            let path = document.path.clone();
            let (renewal, released) = renewal.map_err(|error| failure(path, error))?;
            let site = Site::new(&self.config, &keys, &digests, renewal.location, document)?;
            unseal(site, &renewal.after, released, self.compromised)
        });
        Ok(outcomes.map(|outcome| outcome.unwrap_or_else(Outcome::Failed)).collect())
    }
}

#[async_trait]
impl<T: Typed + Send + Sync + 'static> Step for UnsealAs<T> {
    fn name(&self) -> &'static str {
        "unseal"
    }

    fn fingerprint(&self) -> [u8; 32] {
        let options = if self.compromised { "from compromised keys too" } else { "" };
        fingerprint(&["unseal as", &self.repository.described(), options])
    }

    async fn plan(&self, documents: Vec<Document>) -> Result<Vec<Outcome>, Error> {
        let is_plain = |document: &Document| {
            !document.fields.contains_key(SEAL) && envelopes(&document.fields).is_empty()
        };
        let plain: Vec<bool> = documents.iter().map(is_plain).collect();
        let sealed: Vec<Document> = documents.into_iter().filter(|document| !is_plain(document)).collect();
        let renewed = self.repository.renew(sealed.clone(), |_, _| false).await?;
        let mut opened = Vec::with_capacity(sealed.len());
        for (document, renewal) in sealed.into_iter().zip(renewed) {
            let renewal = match renewal {
                Err(error) => Err(error),
                Ok(renewal) => match self.repository.releases(&document, &renewal.location).await {
                    Err(error) if error.is_unavailable() => return Err(error),
                    released => released.map(|released| (renewal, released)),
                },
            };
            opened.push((document, renewal));
        }
        let mut unsealed = self.unsealed(opened).await?.into_iter();
        let outcome = |plain: bool| if plain { None } else { unsealed.next() };
        Ok(plain.into_iter().map(outcome).map(|outcome| outcome.unwrap_or_else(unchanged)).collect())
    }
}

fn unchanged() -> Outcome {
    Outcome::Unchanged(crate::operations::Counts::default())
}

fn unseal(
    mut site: Site<'_>,
    places: &[(FieldPath, Vec<u8>)],
    released: Vec<Write>,
    compromised: bool,
) -> Result<Outcome, StepFailure> {
    for (at, stored) in places {
        let opened = site.open(at, stored)?;
        if Header::decode(stored).is_some_and(|header| site.is_compromised(&header.key_id)) {
            vouched(&site, at, compromised)?;
            site.counts.compromised += 1;
        }
        let Some(value) = site.restored(at, None, &opened) else {
            let reason = "it opens, but Firestore has no such value: change its type before leaving";
            return Err(site.failure(at, FailureKind::OtherShape, reason));
        };
        site.replace(at, value);
        site.counts.unsealed += 1;
    }
    if let Some((at, ..)) = envelopes(site.fields()).into_iter().find(|(at, ..)| *at != was_path()) {
        let reason =
            "it is sealed, and the type does not know it: unseal through the newest version of the type";
        return Err(site.failure(&at, FailureKind::NeedsType, reason));
    }
    site.clear();
    let mut outcome = site.finish()?;
    if let Outcome::Write(planned) = &mut outcome {
        planned.also = released;
    }
    Ok(outcome)
}
