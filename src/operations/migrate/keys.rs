//! The keys that a page of documents needs, asked for once.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use super::canonical::code;
use super::plain::restore;
use crate::bytes::envelope::Header;
use crate::bytes::{FieldPath, KeyId, Location, Scope};
use crate::keys::{KeyError, KeyLookup, KeyProvider, KeyRing, TokenKey};
use crate::seal::{Walk, resolve_all};

/// Keys and rings as they were found.
#[derive(Default)]
pub(super) struct Keys {
    found: HashMap<(Scope, KeyId), KeyLookup>,
    /// The ring of each scope, or why there is none.
    rings: HashMap<Scope, Result<KeyRing, String>>,
}

impl Keys {
    /// Asks for keys, and for the rings of scopes. What is wrong with one scope is no error: its documents fail.
    ///
    /// # Errors
    /// The key service is down.
    pub(super) async fn ask(
        provider: &dyn KeyProvider,
        wanted: BTreeSet<(Scope, KeyId)>,
        scopes: BTreeSet<Scope>,
    ) -> Result<Self, KeyError> {
        let mut keys = Self::default();
        for scope in scopes {
            let ring = match provider.ring(&scope).await {
                Ok(ring) => Ok(ring),
                Err(error) if is_passing(&error) => return Err(error),
                Err(error) => Err(error.to_string()),
            };
            keys.rings.insert(scope, ring);
        }
        // A scope without a ring opens nothing, and may keep the others from being answered.
        let usable = |(scope, _): &(Scope, KeyId)| matches!(keys.rings.get(scope), Some(Ok(_)));
        keys.found = resolve_all(provider, wanted.into_iter().filter(usable).collect()).await?;
        Ok(keys)
    }

    /// The ring of a scope, or why there is none.
    pub(super) fn ring(&self, scope: &Scope) -> Result<&KeyRing, &str> {
        match self.rings.get(scope) {
            Some(ring) => ring.as_ref().map_err(String::as_str),
            None => Err("its key ring was not asked for"),
        }
    }

    pub(super) fn look_up(&self, scope: &Scope, id: &KeyId) -> KeyLookup {
        self.found.get(&(scope.clone(), *id)).cloned().unwrap_or(KeyLookup::Unknown)
    }

    /// Makes the keys of digests, each once.
    pub(super) fn digests(&self) -> Digests<'_> {
        Digests { keys: self, made: RefCell::default() }
    }
}

/// Whether a later try may succeed, for every document.
fn is_passing(error: &KeyError) -> bool {
    matches!(error, KeyError::Unavailable { .. } | KeyError::Random(_))
}

/// The keys of digests that were needed so far.
pub(super) struct Digests<'a> {
    keys: &'a Keys,
    made: RefCell<HashMap<(Scope, KeyId), Rc<TokenKey>>>,
}

impl Digests<'_> {
    /// The key for values that a key sealed; `None` without that key.
    pub(super) fn key(&self, scope: &Scope, id: &KeyId) -> Option<Rc<TokenKey>> {
        let name = (scope.clone(), *id);
        if let Some(made) = self.made.borrow().get(&name) {
            return Some(Rc::clone(made));
        }
        let key = match self.keys.look_up(scope, id) {
            KeyLookup::Found(key) => key.digest_key(),
            // The primary is used before anything is under it.
            _ => Some(self.keys.ring(scope).ok()?.primary()).filter(|key| key.id() == *id)?.digest_key(),
        };
        let key = Rc::new(key);
        self.made.borrow_mut().insert(name, Rc::clone(&key));
        Some(key)
    }
}

/// The key of an envelope and its code for a digest, where the key is here: of a value that the Rust type sealed.
pub(super) fn digest_code(
    location: &Location,
    found: &HashMap<(Scope, KeyId), KeyLookup>,
    ring: &KeyRing,
    at: &FieldPath,
    stored: &[u8],
) -> Option<(KeyId, [u8; 32])> {
    let id = Header::decode(stored)?.key_id;
    let key = match found.get(&(location.scope().clone(), id)) {
        Some(KeyLookup::Found(key)) => KeyLookup::Found(Arc::clone(key)),
        _ => ring.key(&id),
    };
    let KeyLookup::Found(data_key) = &key else { return None };
    let look_up = |_: &KeyId| key.clone();
    let plaintext = Walk::reveal(location, &look_up, None).open_at(at, stored).ok()?;
    let value = restore(&plaintext, None, None);
    Some((id, code(&data_key.digest_key(), location, id, at, value.as_ref().map_err(|_| &plaintext))))
}
