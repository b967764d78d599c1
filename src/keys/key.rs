//! Data keys, which everything of a scope is sealed with, and index keys, which make its tokens.

use std::fmt;
use std::sync::{Arc, OnceLock};

use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::derive::{derive, derive_for, derive_id};
use super::labels::{self, Labels};
use super::provider::KeyError;
use super::token::{PlaceKeys, TokenKey, TokenKeys};
use crate::bytes::KeyId;
use crate::bytes::aead::Cipher;
use crate::bytes::wiped::wiped;

/// A data key: 32 secret bytes, the key id that certifies them, and the sealing key derived from
/// them (HKDF-SHA256, RFC 5869). Wiped on drop; `Debug` shows the key id only.
pub struct DataKey {
    // Boxed, so that moving a data key leaves no copy of the secret behind.
    secret: Box<Zeroizing<[u8; 32]>>,
    id: KeyId,
    cipher: Cipher,
    /// Made when a document seal is first asked for.
    document_seal: OnceLock<TokenKey>,
}

impl ZeroizeOnDrop for DataKey {}

// `document_seal` is a `TokenKey`, which says the same of itself.
const _: fn(&DataKey) = |DataKey { secret, id: _, cipher, document_seal: _ }| {
    wiped(&**secret);
    wiped(cipher);
};

impl DataKey {
    /// A new key from the operating system's random numbers.
    ///
    /// # Errors
    /// [`KeyError::Random`]: the operating system gives none.
    pub fn generate() -> Result<Self, KeyError> {
        let mut secret = Box::new(Zeroizing::new([0; 32]));
        getrandom::fill(secret.as_mut_slice()).map_err(KeyError::Random)?;
        Ok(Self::derive(secret, &labels::DATA_KEY))
    }

    /// The key with these 32 bytes, which must be uniformly random: no password, no text.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self::labelled(bytes, &labels::DATA_KEY)
    }

    /// The key with these 32 bytes under other labels.
    pub(super) fn labelled(bytes: &[u8; 32], labels: &Labels) -> Self {
        // Copied in place: moving a copy into the box would leave one behind.
        let mut secret = Box::new(Zeroizing::new([0; 32]));
        secret.copy_from_slice(bytes);
        Self::derive(secret, labels)
    }

    fn derive(secret: Box<Zeroizing<[u8; 32]>>, labels: &Labels) -> Self {
        let (id, sealing_key) = derive(&secret, labels);
        Self { secret, id, cipher: Cipher::new(&sealing_key), document_seal: OnceLock::new() }
    }

    /// The id that certifies the key.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The 32 secret bytes, to be wrapped under a root or written down. Whoever has them opens
    /// everything that the key sealed.
    #[must_use]
    pub fn expose_secret(&self) -> &[u8; 32] {
        &self.secret
    }

    pub(crate) fn cipher(&self) -> &Cipher {
        &self.cipher
    }

    /// The key that codes what this one sealed, for digests over a collection.
    pub(crate) fn digest_key(&self) -> TokenKey {
        TokenKey::new(&derive_for(&self.secret, labels::DATA_KEY.salt, &[labels::DIGEST_KEY]))
    }

    /// What makes and verifies the codes of document seals.
    pub(crate) fn document_seal(&self) -> &TokenKey {
        self.document_seal.get_or_init(|| {
            TokenKey::new(&derive_for(&self.secret, labels::DATA_KEY.salt, &[labels::DOCUMENT_SEAL_KEY]))
        })
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// An index key: 32 secret bytes that blind index tokens are made with, and the key id that certifies
/// them. A secret of its own, so that rotating data keys never touches search. Wiped on drop; `Debug`
/// shows the key id only.
pub struct IndexKey {
    // Boxed, so that moving an index key leaves no copy of the secret behind.
    secret: Box<Zeroizing<[u8; 32]>>,
    id: KeyId,
    derived: TokenKeys,
}

impl ZeroizeOnDrop for IndexKey {}

// `derived` holds a `TokenKey` for each index.
const _: fn(&IndexKey) = |IndexKey { secret, id: _, derived: _ }| wiped(&**secret);

impl IndexKey {
    /// A new key from the operating system's random numbers.
    ///
    /// # Errors
    /// [`KeyError::Random`]: the operating system gives none.
    pub fn generate() -> Result<Self, KeyError> {
        let mut secret = Box::new(Zeroizing::new([0; 32]));
        getrandom::fill(secret.as_mut_slice()).map_err(KeyError::Random)?;
        Ok(Self::derive(secret))
    }

    /// The key with these 32 bytes, which must be uniformly random.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        let mut secret = Box::new(Zeroizing::new([0; 32]));
        secret.copy_from_slice(bytes);
        Self::derive(secret)
    }

    fn derive(secret: Box<Zeroizing<[u8; 32]>>) -> Self {
        let id = derive_id(&secret, labels::INDEX_KEY_SALT, labels::INDEX_KEY_ID);
        Self { secret, id, derived: TokenKeys::default() }
    }

    /// The id that certifies the key.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The token keys of one place, of which those that were used are kept.
    pub(crate) fn place(&self, place: &[u8]) -> Arc<PlaceKeys> {
        self.derived.of(place)
    }

    /// The token key that is expanded from a place and what it is of there.
    pub(crate) fn token_key(&self, what: &[&[u8]]) -> TokenKey {
        TokenKey::new(&derive_for(&self.secret, labels::INDEX_KEY_SALT, what))
    }

    /// The 32 secret bytes. Whoever has them can guess at every indexed value.
    #[must_use]
    pub fn expose_secret(&self) -> &[u8; 32] {
        &self.secret
    }
}

impl fmt::Debug for IndexKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IndexKey").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use hmac::{Hmac, KeyInit, Mac};
    use sha2::Sha256;

    use super::*;

    fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
        mac.update(message);
        mac.finalize().into_bytes().into()
    }

    #[test]
    fn a_key_id_is_the_documented_hkdf() {
        let key = DataKey::from_bytes(&[9; 32]);
        assert_eq!(key.expose_secret(), &[9; 32]);
        let extracted = hmac(b"fireseal v1 data key", &[9; 32]);
        assert_eq!(key.id().as_bytes(), &hmac(&extracted, b"fireseal v1 key id\x01"));
        let digest_key = hmac(&extracted, b"fireseal v1 digest key\x01");
        assert_eq!(key.digest_key().token(b"message"), hmac(&digest_key, b"message"));
        let sealing_key = hmac(&extracted, b"fireseal v1 sealing key\x01");
        let mut sealed = *b"text";
        let tag = key.cipher().seal(&[1; 24], b"", &mut sealed).expect("short");
        let mut opened = [0; 4];
        assert!(Cipher::new(&sealing_key).open(&[1; 24], b"", (&sealed, &tag), &mut opened).is_ok());
        assert_eq!(&opened, b"text");
    }

    #[test]
    fn the_key_of_document_seals_is_the_documented_hkdf() {
        let extracted = hmac(b"fireseal v1 data key", &[9; 32]);
        let key = hmac(&extracted, b"fireseal v1 document seal key\x01");
        let made = DataKey::from_bytes(&[9; 32]);
        assert_eq!(made.document_seal().token(b"message"), hmac(&key, b"message"));
        assert!(made.document_seal().verifies(b"message", &hmac(&key, b"message")));
    }

    #[test]
    fn an_index_key_has_an_id_of_its_own_kind() {
        let extracted = hmac(b"fireseal v1 index key", &[9; 32]);
        let id = IndexKey::from_bytes(&[9; 32]).id();
        assert_eq!(id.as_bytes(), &hmac(&extracted, b"fireseal v1 index key id\x01"));
        assert_ne!(id, DataKey::from_bytes(&[9; 32]).id());
    }

    #[test]
    fn debug_shows_the_id_only() {
        let index = IndexKey::from_bytes(&[0xab; 32]);
        assert_eq!(format!("{index:?}"), format!("IndexKey {{ id: {}, .. }}", index.id()));
        let key = DataKey::from_bytes(&[0xab; 32]);
        assert_eq!(format!("{key:?}"), format!("DataKey {{ id: {}, .. }}", key.id()));
    }

    #[test]
    fn generated_keys_differ_and_are_their_32_bytes() {
        let (one, other) = (DataKey::generate(), DataKey::generate());
        let (one, other) = (one.expect("random numbers"), other.expect("random numbers"));
        assert_ne!(one.id(), other.id());
        assert_eq!(DataKey::from_bytes(one.expose_secret()).id(), one.id());
        let (one, other) = (IndexKey::generate(), IndexKey::generate());
        let (one, other) = (one.expect("random numbers"), other.expect("random numbers"));
        assert_ne!(one.id(), other.id());
        assert_eq!(IndexKey::from_bytes(one.expose_secret()).id(), one.id());
    }
}
