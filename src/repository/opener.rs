//! Opens what was read: one question for the keys of many documents.

use std::collections::HashMap;
use std::sync::Arc;

use super::collection::Collection;
use super::document_seal::{self, Demands, contains};
use super::parallel;
use super::seal_map::document_seal_path;
use super::stored::Stored;
use crate::bytes::envelope::Header;
use crate::bytes::{FieldPath, FieldStep, KeyId, Location, Scope};
use crate::error::Error;
use crate::keys::{KeyError, KeyLookup, KeyProvider};
use crate::query::{Node, QueryError, check};
use crate::seal::{
    Document, OpenError, Partial, PlaintextWindow, Reveal, SealError, Unauthentic, Walk, key_ids, open_with,
    resolve_all,
};
use crate::store::{
    Document as RawDocument, FieldMask, Fields, Value, ValueType, Write, WriteKind, merged, set_at,
};

/// The keys that documents name, as they were found.
pub(super) type Found = HashMap<(Scope, KeyId), KeyLookup>;

/// Opens documents with the keys of a provider.
#[derive(Clone)]
pub(super) struct Opener {
    pub(super) keys: Arc<dyn KeyProvider>,
    pub(super) window: Option<Arc<PlaintextWindow>>,
    pub(super) demands: Demands,
}

impl Opener {
    /// Opens companions, each at its place; the first that does not open is the error of all.
    pub(super) async fn open<T: Document + Send + 'static>(
        &self,
        mut sealed: Vec<Option<Stored<T::Sealed>>>,
    ) -> Result<Vec<Option<Stored<T>>>, Error> {
        let found = self.find(sealed.iter_mut().flatten().flat_map(keys_of::<T>).collect()).await?;
        let seals = self.find_seals::<T>(sealed.iter().flatten()).await?;
        let opener = self.clone();
        let weigh = |stored: &Option<Stored<T::Sealed>>| {
            stored.as_ref().map_or(0, |stored| stored.document().fields.values().map(sealed_bytes).sum())
        };
        parallel::try_map(sealed, weigh, move |stored| {
            let Some(stored) = stored else { return Ok(None) };
            opener.verify::<T, _>(&stored, &seals)?;
            opener.open_verified::<T>(stored, &found).map(Some)
        })
        .await
    }

    /// Opens what opens of a document that is as it was sealed.
    pub(super) async fn open_partial<T: Document>(
        &self,
        sealed: Stored<T::Sealed>,
    ) -> Result<Stored<Partial<T>>, Error> {
        let seals = self.find_seals::<T>([&sealed]).await?;
        self.verify::<T, _>(&sealed, &seals)?;
        Ok(sealed.open_partial_unverified(&*self.keys).await?)
    }

    /// Asks for the keys of document seals, each once; for none of types that have no seal.
    pub(super) async fn find_seals<'a, T: Document>(
        &self,
        sealed: impl IntoIterator<Item = &'a Stored<T::Sealed>>,
    ) -> Result<Found, Error>
    where
        T::Sealed: 'a,
    {
        if T::SEAL.is_none() {
            return Ok(Found::new());
        }
        let named = |stored: &Stored<T::Sealed>| {
            let id = document_seal::key_id(&stored.document().fields)?;
            Some((stored.location().scope().clone(), id))
        };
        let mut wanted: Vec<_> = sealed.into_iter().filter_map(named).collect();
        wanted.sort_unstable();
        wanted.dedup();
        Ok(vouching(&*self.keys, wanted).await?)
    }

    /// Whether the document is as it was sealed, for a type that has a document seal.
    pub(super) fn verify<T: Document, V>(&self, stored: &Stored<V>, seals: &Found) -> Result<(), Error> {
        let Some(info) = T::SEAL else { return Ok(()) };
        let (fields, location) = (&stored.document().fields, stored.location());
        let verified =
            document_seal::verify(&info, fields, location, look_up(seals, location), &self.demands);
        verified.map(drop).map_err(|cause| unauthentic(location, cause))
    }

    /// The write with the seal of the document as it will be stored, for a type that has one. What was read is
    /// verified first; `None` of a document that is not there.
    pub(super) async fn resealed<T: Document>(
        &self,
        collection: &Collection<T>,
        read: Option<&RawDocument>,
        mut write: Write,
    ) -> Result<Write, Error> {
        let (Some(info), WriteKind::Set { fields, mask }) = (T::SEAL, &mut write.kind) else {
            return Ok(write);
        };
        let before = match read {
            None => None,
            Some(read) => {
                let location = collection.location_of(read)?;
                let wanted = document_seal::key_id(&read.fields).map(|id| (location.scope().clone(), id));
                let seals = vouching(&*self.keys, wanted.into_iter().collect()).await?;
                let look_up = look_up(&seals, &location);
                document_seal::verify(&info, &read.fields, &location, look_up, &self.demands)
                    .map_err(|cause| unauthentic(&location, cause))?
            }
        };
        let unbound = document_seal::left_out(&info, before.as_ref());
        let covered = |path: &[String]| !path.first().is_some_and(|name| contains(&unbound, name));
        if let Some(transform) = write.transforms.iter().find(|transform| covered(&transform.path)) {
            let steps = transform.path.iter().cloned().map(FieldStep::Key).collect();
            let source = QueryError::NotChanged { field: FieldPath::new(steps), reason: COVERED };
            return Err(Error::Change { document: write.path, source });
        }
        let stored = read.map(|read| read.fields.clone()).unwrap_or_default();
        let after = match mask.as_ref() {
            Some(mask) => merged(stored, fields, mask),
            None => fields.clone(),
        };
        let after =
            RawDocument { path: write.path.clone(), fields: after, create_time: None, update_time: None };
        let location = collection.location_of(&after)?;
        let ring = self.keys.ring(location.scope()).await?;
        if ring.scope() != location.scope() {
            let (ring, document) = (ring.scope().clone(), location.scope().clone());
            return Err(Error::Seal {
                document: write.path,
                source: SealError::OtherScope { ring, document },
            });
        }
        let made = document_seal::make(&after.fields, before.as_ref(), unbound, &location, ring.primary());
        let seal = made.ok_or_else(|| unauthentic(&location, Unauthentic::Malformed))?;
        set_at(fields, &document_seal_path(), seal);
        let at = document_seal_path();
        if let Some(mask) = mask
            && !mask.paths().iter().any(|path| at.starts_with(path))
        {
            *mask = FieldMask::new(mask.paths().iter().cloned().chain([at]).collect());
        }
        Ok(write)
    }

    /// Asks for keys, each once.
    pub(super) async fn find(&self, mut wanted: Vec<(Scope, KeyId)>) -> Result<Found, Error> {
        wanted.sort_unstable();
        wanted.dedup();
        Ok(resolve_all(&*self.keys, wanted).await?)
    }

    /// Opens one companion of a document that was verified, with keys that were found.
    pub(super) fn open_verified<T: Document>(
        &self,
        stored: Stored<T::Sealed>,
        found: &Found,
    ) -> Result<Stored<T>, Error> {
        let opened = stored.try_map(|sealed, location| {
            open_with::<T>(sealed, location, &look_up(found, location), self.window.as_deref())
        });
        opened.map_err(Error::from)
    }

    /// Whether a document fulfils a condition.
    pub(super) fn check(
        &self,
        node: &Node,
        document: &RawDocument,
        location: &Location,
        found: &Found,
    ) -> Result<bool, Error> {
        self.walk(location, found, |walk| check(node, document, walk))
            .map_err(|failures| Error::Open(OpenError::Fields { location: location.clone(), failures }))
    }

    /// Walks a document to open single fields of it.
    pub(super) fn walk<R>(
        &self,
        location: &Location,
        found: &Found,
        act: impl FnOnce(&mut Walk<Reveal<'_>>) -> R,
    ) -> R {
        let look_up = look_up(found, location);
        act(&mut Walk::reveal(location, &look_up, self.window.as_deref()))
    }
}

/// Why a transform of a field that the document seal covers is refused.
pub(super) const COVERED: &str = "the document seal covers it, and the database has no key to seal it anew; mark it `#[sealable(unbound)]`, or \
     read and save it with `modify`";

fn unauthentic(location: &Location, cause: Unauthentic) -> Error {
    Error::Open(OpenError::Document { location: location.clone(), cause })
}

/// Asks for the keys of document seals in one call.
pub(super) async fn vouching<K: KeyProvider + ?Sized>(
    keys: &K,
    wanted: Vec<(Scope, KeyId)>,
) -> Result<Found, KeyError> {
    if wanted.is_empty() {
        return Ok(Found::new());
    }
    let found = keys.vouching(&wanted).await?;
    Ok(wanted.into_iter().zip(found).collect())
}

pub(super) fn look_up<'a>(found: &'a Found, location: &'a Location) -> impl Fn(&KeyId) -> KeyLookup + 'a {
    |id| {
        let key = found.get(&(location.scope().clone(), *id));
        key.cloned().unwrap_or(KeyLookup::Unknown)
    }
}

/// The keys that a companion names.
pub(super) fn keys_of<T: Document>(stored: &mut Stored<T::Sealed>) -> Vec<(Scope, KeyId)> {
    let scope = stored.location().scope().clone();
    key_ids::<T>(stored).into_iter().map(|id| (scope.clone(), id)).collect()
}

/// The keys that a part of a document names.
pub(super) fn keys_in(fields: &Fields, scope: &Scope) -> Vec<(Scope, KeyId)> {
    let mut ids = Vec::new();
    fields.values().for_each(|value| envelopes(value, &mut ids));
    ids.into_iter().map(|id| (scope.clone(), id)).collect()
}

/// How many bytes of sealed values there may be.
fn sealed_bytes(value: &Value) -> usize {
    match &value.value_type {
        Some(ValueType::BytesValue(bytes)) => bytes.len(),
        Some(ValueType::MapValue(map)) => map.fields.values().map(sealed_bytes).sum(),
        Some(ValueType::ArrayValue(array)) => array.values.iter().map(sealed_bytes).sum(),
        _ => 0,
    }
}

fn envelopes(value: &Value, ids: &mut Vec<KeyId>) {
    match &value.value_type {
        Some(ValueType::BytesValue(bytes)) => ids.extend(Header::decode(bytes).map(|header| header.key_id)),
        Some(ValueType::MapValue(map)) => map.fields.values().for_each(|value| envelopes(value, ids)),
        Some(ValueType::ArrayValue(array)) => array.values.iter().for_each(|value| envelopes(value, ids)),
        _ => {}
    }
}
