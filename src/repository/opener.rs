//! Opens what was read: one question for the keys of many documents.

use std::collections::HashMap;
use std::sync::Arc;

use super::parallel;
use super::stored::Stored;
use crate::bytes::envelope::Header;
use crate::bytes::{KeyId, Location, Scope};
use crate::error::Error;
use crate::keys::{KeyLookup, KeyProvider};
use crate::query::{Node, check};
use crate::seal::{Document, OpenError, PlaintextWindow, Reveal, Walk, key_ids, open_with, resolve_all};
use crate::store::{Document as RawDocument, Fields, Value, ValueType};

/// The keys that documents name, as they were found.
pub(super) type Found = HashMap<(Scope, KeyId), KeyLookup>;

/// Opens documents with the keys of a provider.
#[derive(Clone)]
pub(super) struct Opener {
    pub(super) keys: Arc<dyn KeyProvider>,
    pub(super) window: Option<Arc<PlaintextWindow>>,
}

impl Opener {
    /// Opens companions; the first that does not open is the error of all.
    pub(super) async fn open<T: Document + Send + 'static>(
        &self,
        mut sealed: Vec<Stored<T::Sealed>>,
    ) -> Result<Vec<Stored<T>>, Error> {
        let found = self.find(sealed.iter_mut().flat_map(keys_of::<T>).collect()).await?;
        let opener = self.clone();
        parallel::try_map(sealed, move |stored| opener.open_one::<T>(stored, &found)).await
    }

    /// Asks for keys, each once.
    pub(super) async fn find(&self, mut wanted: Vec<(Scope, KeyId)>) -> Result<Found, Error> {
        wanted.sort_unstable();
        wanted.dedup();
        Ok(resolve_all(&*self.keys, wanted).await?)
    }

    /// Opens one companion with keys that were found.
    pub(super) fn open_one<T: Document>(
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

fn look_up<'a>(found: &'a Found, location: &'a Location) -> impl Fn(&KeyId) -> KeyLookup + 'a {
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

fn envelopes(value: &Value, ids: &mut Vec<KeyId>) {
    match &value.value_type {
        Some(ValueType::BytesValue(bytes)) => ids.extend(Header::decode(bytes).map(|header| header.key_id)),
        Some(ValueType::MapValue(map)) => map.fields.values().for_each(|value| envelopes(value, ids)),
        Some(ValueType::ArrayValue(array)) => array.values.iter().for_each(|value| envelopes(value, ids)),
        _ => {}
    }
}
