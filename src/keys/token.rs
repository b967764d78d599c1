//! Token keys: derived from an index key once for each index, and kept with it.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::key::IndexKey;

/// How many places an index key keeps token keys of; beyond that it begins anew.
const MAX_PLACES: usize = 1_024;

/// HMAC-SHA256 under one derived key, its first two blocks computed. Wiped on drop.
// Boxed, so that moving it leaves no copy behind.
pub(crate) struct TokenKey(Box<Hmac<Sha256>>);

impl TokenKey {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        Self::keyed(key)
    }

    pub(super) fn keyed(key: &[u8]) -> Self {
        Self(Box::new(Hmac::new_from_slice(key).expect("HMAC takes keys of any length")))
    }

    pub(crate) fn token(&self, message: &[u8]) -> [u8; 32] {
        let mut mac = Hmac::clone(&self.0);
        mac.update(message);
        mac.finalize().into_bytes().into()
    }

    /// Compares in constant time.
    pub(crate) fn verifies(&self, message: &[u8], token: &[u8]) -> bool {
        let mut mac = Hmac::clone(&self.0);
        mac.update(message);
        mac.verify_slice(token).is_ok()
    }
}

/// The token keys of one index key, by place.
#[derive(Default)]
pub(super) struct TokenKeys(RwLock<HashMap<Box<[u8]>, Arc<PlaceKeys>>>);

impl TokenKeys {
    pub(super) fn of(&self, place: &[u8]) -> Arc<PlaceKeys> {
        if let Some(keys) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(place) {
            return Arc::clone(keys);
        }
        let mut places = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= MAX_PLACES {
            places.clear();
        }
        Arc::clone(places.entry(place.into()).or_insert_with(|| Arc::new(PlaceKeys::new(place))))
    }
}

/// The token keys of one place: as many as its documents have indexes.
pub(crate) struct PlaceKeys {
    place: Box<[u8]>,
    keys: RwLock<Vec<Kept>>,
}

/// A token key, behind what it is of.
type Kept = (Box<[u8]>, Arc<TokenKey>);

impl PlaceKeys {
    fn new(place: &[u8]) -> Self {
        Self { place: place.into(), keys: RwLock::default() }
    }

    /// The key of `what`. Documents ask in the same order again and again, so `next` remembers where the
    /// next one is likely to be.
    pub(crate) fn key(&self, of: &IndexKey, what: &[u8], next: &mut usize) -> Arc<TokenKey> {
        let find = |keys: &[Kept], next: &mut usize| {
            let (before, after) = keys.split_at(keys.len().min(*next));
            let at = match after.iter().position(|(other, _)| **other == *what) {
                Some(at) => before.len() + at,
                None => before.iter().position(|(other, _)| **other == *what)?,
            };
            *next = at + 1;
            keys.get(at).map(|(_, key)| Arc::clone(key))
        };
        if let Some(key) = find(&self.keys.read().unwrap_or_else(PoisonError::into_inner), next) {
            return key;
        }
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have been first.
        find(&keys, next).unwrap_or_else(|| {
            let key = Arc::new(of.token_key(&[&self.place, what]));
            keys.push((what.into(), Arc::clone(&key)));
            *next = keys.len();
            key
        })
    }
}
