//! Token keys: derived from an index key once for each index, and kept with it.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use hmac::block_api::HmacCore;
use hmac::digest::block_api::Buffer;
use hmac::{EagerHash, Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::key::IndexKey;
use crate::bytes::wiped::wiped;

/// How many places an index key keeps token keys of; beyond that it begins anew.
const MAX_PLACES: usize = 1_024;

/// HMAC-SHA256 under one derived key, its first two blocks computed. Wiped on drop.
// Boxed, so that moving it leaves no copy behind.
pub(crate) struct TokenKey(Box<Hmac<Sha256>>);

// The two parts of an HMAC, and of HKDF, which stands on it.
const _: fn(&<Sha256 as EagerHash>::Core) = wiped;
const _: fn(&Buffer<HmacCore<Sha256>>) = wiped;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_key_is_the_one_that_is_derived_in_whatever_order_it_is_asked_for() {
        let of = IndexKey::from_bytes(&[7; 32]);
        let keys = PlaceKeys::new(b"place");
        let mut next = 0;
        for (what, then) in [
            ("a", 1),
            ("b", 2),
            ("c", 3),
            ("d", 4),
            ("b", 2),
            ("d", 4),
            ("a", 1),
            ("c", 3),
            ("a", 1),
            ("b", 2),
            ("b", 2),
        ] {
            let derived = of.token_key(&[b"place", what.as_bytes()]).token(b"message");
            assert_eq!(keys.key(&of, what.as_bytes(), &mut next).token(b"message"), derived, "{what}");
            assert_eq!(next, then, "behind {what}");
        }
        assert_eq!(keys.keys.read().expect("no panic").len(), 4, "each is derived once");
    }

    #[test]
    fn places_are_kept_until_there_are_too_many() {
        let keys = TokenKeys::default();
        let name = |number: usize| number.to_le_bytes();
        let first = keys.of(&name(0));
        (1..MAX_PLACES).for_each(|number| drop(keys.of(&name(number))));
        assert!(Arc::ptr_eq(&first, &keys.of(&name(0))));
        assert_eq!(keys.0.read().expect("no panic").len(), MAX_PLACES);
        let another = keys.of(&name(MAX_PLACES));
        assert_eq!(keys.0.read().expect("no panic").len(), 1, "it begins anew");
        assert!(Arc::ptr_eq(&another, &keys.of(&name(MAX_PLACES))));
        assert!(!Arc::ptr_eq(&first, &keys.of(&name(0))));
    }

    #[test]
    fn only_the_token_itself_verifies() {
        let key = TokenKey::new(&[7; 32]);
        let token = key.token(b"message");
        assert!(key.verifies(b"message", &token));
        assert!(!key.verifies(b"other", &token) && !key.verifies(b"message", &token[..31]));
        assert!(!TokenKey::new(&[8; 32]).verifies(b"message", &token));
    }
}
