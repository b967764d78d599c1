//! Documents sealed anew through their type, and their index entries: the writes that a migration makes, unsent.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::carry::carry;
use super::document_seal;
use super::guarded::unchanged;
use super::keyed::Repository;
use super::opener::{Found, keys_of};
use super::reindex::IndexState;
use super::seal_map::{self, SEAL, WAS};
use super::stored::Stored;
use super::unique::{Claims, held, reconcile};
use super::write::{is_known, tokens};
use crate::bytes::envelope::Header;
use crate::bytes::plaintext::Plaintext;
use crate::bytes::{CollectionPath, FieldPath, FieldStep, KeyId, Location, Scope};
use crate::error::Error;
use crate::keys::{KeyLookup, KeyProvider, KeyRing};
use crate::seal::{Document, OpenError, PlaintextWindow, Slot, Walk, for_each_slot, seal_values};
use crate::store::{Document as RawDocument, FieldMask, Fields, Value, Write, check_document, same};

/// What stands in a sealed place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Sealed(KeyId),
    /// Plaintext, or bytes that are no envelope.
    Plain,
}

/// What a document is, and what is to be written to make it another.
pub(crate) struct Renewal {
    /// What stood in its sealed places.
    pub(crate) before: Vec<Standing>,
    /// How many of them stood under compromised keys.
    pub(crate) compromised: u64,
    /// The document's write, without a precondition, and those that go along; none where nothing changes.
    pub(crate) writes: Vec<Write>,
    pub(crate) location: Location,
    pub(crate) ring: KeyRing,
    /// The envelopes in its sealed places, afterwards.
    pub(crate) after: Vec<(FieldPath, Vec<u8>)>,
    /// The keys that opened what stood there.
    pub(crate) found: Arc<Found>,
}

impl<T: Document + Send + Sync + 'static> Repository<T> {
    /// The same repository, which accepts plaintext through a window.
    pub(crate) fn through(&self, window: PlaintextWindow) -> Self {
        self.clone().dangerously_accept_plaintext(Arc::new(window))
    }

    /// What is known of a repository for a fingerprint.
    pub(crate) fn described(&self) -> String {
        let collection = &self.collection;
        let (path, scope, realm) = (collection.path(), collection.scope(), collection.realm());
        let (name, schema) = (std::any::type_name::<T>(), &collection.indexes().schema);
        let (fields, compounds) = (schema.fields(), schema.compounds());
        format!("{name} {path} {scope} {realm:?} {:?} {fields:?} {compounds:?}", T::FIELDS)
    }

    /// The collection.
    pub(crate) fn collection_path(&self) -> &CollectionPath {
        self.collection.path()
    }

    /// The keys that it opens and seals with.
    pub(crate) fn keys(&self) -> &Arc<dyn KeyProvider> {
        &self.keys
    }

    /// The writes that delete what a document has reserved.
    ///
    /// # Errors
    /// The reservations cannot be read.
    pub(crate) async fn releases(
        &self,
        document: &RawDocument,
        owner: &Location,
    ) -> Result<Vec<Write>, Error> {
        let before = held(document, self.collection.indexes(), |_| true);
        reconcile(self.collection.store(), owner, None, &before, &Claims::new()).await
    }

    /// Opens documents, and plans to seal anew those of which a place needs it. The keys of all are asked for
    /// once.
    ///
    /// # Errors
    /// The keys or the database cannot be had; what is wrong with one document is that one's.
    pub(crate) async fn renew(
        &self,
        documents: Vec<RawDocument>,
        needs: impl Fn(Standing, &KeyRing) -> bool + Send + Sync,
    ) -> Result<Vec<Result<Renewal, Error>>, Error> {
        let companions = documents.into_iter().map(|document| self.companion_of(document));
        let mut companions: Vec<Result<Stored<T::Sealed>, Error>> = companions.collect();
        let wanted: Vec<_> = companions.iter_mut().flatten().flat_map(keys_with_was::<T>).collect();
        let found = match self.opener().find(wanted).await {
            Ok(found) => Some(Arc::new(found)),
            Err(error) if error.is_unavailable() => return Err(error),
            // One of the scopes is refused: each document asks for itself.
            Err(_) => None,
        };
        let mut rings = HashMap::new();
        let mut renewals = Vec::with_capacity(companions.len());
        for companion in companions {
            let renewal = match companion {
                Ok(companion) => self.renew_one(companion, found.clone(), &mut rings, &needs).await,
                Err(error) => Err(error),
            };
            match renewal {
                Err(error) if error.is_unavailable() => return Err(error),
                renewal => renewals.push(renewal),
            }
        }
        Ok(renewals)
    }

    fn companion_of(&self, document: RawDocument) -> Result<Stored<T::Sealed>, Error> {
        if document.path.parent() != *self.collection.path() {
            let asked = self.collection.path().document(document.path.id())?;
            return Err(Error::OtherDocument { asked, answered: document.path });
        }
        self.collection.companion(document)
    }

    async fn renew_one(
        &self,
        mut companion: Stored<T::Sealed>,
        found: Option<Arc<Found>>,
        rings: &mut HashMap<Scope, KeyRing>,
        needs: &(impl Fn(Standing, &KeyRing) -> bool + Send + Sync),
    ) -> Result<Renewal, Error> {
        let location = companion.location().clone();
        let ring = match rings.get(location.scope()) {
            Some(ring) => ring.clone(),
            None => {
                let ring = self.keys.ring(location.scope()).await?;
                rings.insert(location.scope().clone(), ring.clone());
                ring
            }
        };
        let found = match found {
            Some(found) => found,
            None => Arc::new(self.opener().find(keys_with_was::<T>(&mut companion)).await?),
        };
        let (before, mut after) = standing::<T>(&mut companion);
        let is_compromised = |standing: &&Standing| matches!(standing, Standing::Sealed(id) if matches!(ring.key(id), KeyLookup::Compromised));
        let compromised = before.iter().filter(is_compromised).count() as u64;
        let absent = absent::<T>(&mut companion);
        let opener = self.opener();
        opener.verify::<T, _>(&companion, &opener.find_seals::<T>([&companion]).await?)?;
        // A document that has no seal yet was let through by a window for that.
        let sealed_by = document_seal::key_id(&companion.document().fields).map(Standing::Sealed);
        let reseal = T::SEAL.is_some() && sealed_by.is_none_or(|standing| needs(standing, &ring));
        let opened = opener.open_verified::<T>(companion, &found)?;
        let old_was = was(opened.document()).filter(|(_, key)| needs(Standing::Sealed(*key), &ring));
        let writes = if reseal || old_was.is_some() || before.iter().any(|standing| needs(*standing, &ring)) {
            let (writes, envelopes) = self.sealed_anew(&opened, &ring, old_was, (&found, &absent)).await?;
            after = envelopes;
            writes
        } else {
            Vec::new()
        };
        Ok(Renewal { before, compromised, writes, location, ring, after, found })
    }

    /// The writes of a document whose values are all sealed anew.
    async fn sealed_anew(
        &self,
        opened: &Stored<T>,
        ring: &KeyRing,
        old_was: Option<(Vec<u8>, KeyId)>,
        (found, absent): (&Found, &HashSet<FieldPath>),
    ) -> Result<(Vec<Write>, Vec<(FieldPath, Vec<u8>)>), Error> {
        let (location, read) = (opened.location(), opened.document());
        let path = &read.path;
        let unsealed = |source| Error::Seal { document: path.clone(), source };
        let mut sealed = opened.seal(location, ring).map_err(unsealed)?;
        for_each_slot::<T>(&mut sealed, |path, slot| {
            if absent.contains(&path.decode()) {
                *slot = Slot::Absent;
            }
        });
        let tokens = tokens::<T>(location, ring, |walk| opened.index(walk))?;
        let mut fields = carry::<T>(&self.collection, read, sealed)?;
        let indexes = self.collection.indexes();
        let changes = |name: &str| is_known::<T>(indexes, name) || tokens.entries.contains_key(name);
        seal_map::replace(&mut fields, changes, tokens.entries.clone());
        if let Some((stored, _)) = old_was {
            let at = was_path();
            let look_up = |id: &KeyId| {
                found.get(&(location.scope().clone(), *id)).cloned().unwrap_or(KeyLookup::Unknown)
            };
            let plaintext =
                Walk::reveal(location, &look_up, None).open_at(&at, &stored).map_err(|cause| {
                    let failures = vec![crate::seal::FieldFailure { field: at.clone(), cause }];
                    OpenError::Fields { location: location.clone(), failures }
                })?;
            let draft = vec![(at, Plaintext::again(&plaintext))];
            for (_, envelope) in seal_values(draft, location, ring).map_err(unsealed)? {
                seal_map::add(&mut fields, WAS, seal_map::bytes(envelope));
            }
        }
        let before = held(read, indexes, changes);
        let also = if indexes.unique || !before.is_empty() {
            reconcile(self.collection.store(), location, Some(ring), &before, &tokens.unique).await?
        } else {
            Vec::new()
        };
        check_document(path, &fields).map_err(|error| Error::Store(error.into()))?;
        let document = RawDocument { fields, ..read.clone() };
        let (_, after) = standing::<T>(&mut self.collection.companion(document.clone())?);
        let write = changed_roots(&read.fields, document);
        let write = self.opener().resealed(&self.collection, Some(read), write).await?;
        Ok((std::iter::once(write).chain(also).collect(), after))
    }

    /// What is to be written to make the index entries of a document what they should be, and what was found.
    ///
    /// # Errors
    /// It does not open, has a unique value of another, or the keys or the database cannot be had.
    pub(crate) async fn reindex_one(
        &self,
        document: &RawDocument,
    ) -> Result<(IndexState, Vec<Write>), Error> {
        let (found, mut writes) = self.reindex().planned_writes(document).await?;
        // Whoever sends them says what must hold of the document itself.
        if let Some(write) = writes.first_mut() {
            debug_assert_eq!(write.precondition, Some(unchanged(Some(document))));
            write.precondition = None;
        }
        Ok((found, writes))
    }
}

/// What stands in the sealed places of a companion, and the envelopes among it.
fn standing<T: Document>(companion: &mut Stored<T::Sealed>) -> (Vec<Standing>, Vec<(FieldPath, Vec<u8>)>) {
    let (mut standing, mut envelopes) = (Vec::new(), Vec::new());
    for_each_slot::<T>(companion, |path, slot| match slot {
        Slot::Absent | Slot::Draft(_) => {}
        Slot::Foreign(_) => standing.push(Standing::Plain),
        Slot::Stored(stored) => match Header::decode(stored) {
            None => standing.push(Standing::Plain),
            Some(header) => {
                standing.push(Standing::Sealed(header.key_id));
                envelopes.push((path.decode(), stored.clone()));
            }
        },
    });
    (standing, envelopes)
}

/// The sealed places where nothing stands. Nothing is to stand there afterwards, as the type would have it.
fn absent<T: Document>(companion: &mut Stored<T::Sealed>) -> HashSet<FieldPath> {
    let mut absent = HashSet::new();
    for_each_slot::<T>(companion, |path, slot| {
        if let Slot::Absent = slot {
            absent.insert(path.decode());
        }
    });
    absent
}

/// The keys that a companion names, and that of what its values were.
fn keys_with_was<T: Document>(companion: &mut Stored<T::Sealed>) -> Vec<(Scope, KeyId)> {
    let mut keys = keys_of::<T>(companion);
    let scope = companion.location().scope().clone();
    keys.extend(was(companion.document()).map(|(_, key)| (scope, key)));
    keys
}

/// The envelope of what values were in Firestore before they were sealed without their type.
fn was(document: &RawDocument) -> Option<(Vec<u8>, KeyId)> {
    let stored = seal_map::bytes_of(&document.fields, WAS)?;
    Some((stored.to_vec(), Header::decode(stored)?.key_id))
}

fn was_path() -> FieldPath {
    FieldPath::new([SEAL, WAS].map(|name| FieldStep::Key(name.to_owned())).into())
}

/// A write of the fields at the root that differ.
fn changed_roots(before: &Fields, document: RawDocument) -> Write {
    let RawDocument { path, fields, .. } = document;
    let names: BTreeSet<&String> = before.keys().chain(fields.keys()).collect();
    let is_same = |one: Option<&Value>, another: Option<&Value>| match (one, another) {
        (Some(one), Some(another)) => same(one, another),
        (one, another) => one.is_none() && another.is_none(),
    };
    let changed = names.into_iter().filter(|name| !is_same(before.get(*name), fields.get(*name)));
    let mask = FieldMask::new(changed.map(|name| vec![name.clone()]).collect());
    let fields = mask.project(&fields);
    Write::merge(path, fields, mask)
}
