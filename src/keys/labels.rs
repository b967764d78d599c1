//! Every derivation label. A label is used for one purpose and never changes its meaning.

/// The labels of one kind of secret: the salt of its HKDF-SHA256 extraction, and what is expanded.
pub(super) struct Labels {
    pub(super) salt: &'static [u8],
    /// The id that certifies the secret, 32 bytes.
    pub(super) id: &'static [u8],
    /// The one key that is used, 32 bytes.
    pub(super) key: &'static [u8],
}

/// A data key, whose sealing key is XChaCha20-Poly1305's.
pub(super) const DATA_KEY: Labels =
    Labels { salt: b"fireseal v1 data key", id: b"fireseal v1 key id", key: b"fireseal v1 sealing key" };

/// The key that codes what a data key sealed, for digests over a collection.
pub(super) const DIGEST_KEY: &[u8] = b"fireseal v1 digest key";

/// A message key, whose sealing key is XChaCha20-Poly1305's. Other labels than a data key's, so that
/// even the same 32 bytes open nothing of the other kind.
pub(super) const MESSAGE_KEY: Labels = Labels {
    salt: b"fireseal v1 message key",
    id: b"fireseal v1 message key id",
    key: b"fireseal v1 message sealing key",
};

/// A local root, whose wrapping key is XChaCha20-Poly1305's.
pub(super) const LOCAL_ROOT: Labels = Labels {
    salt: b"fireseal v1 local root",
    id: b"fireseal v1 local root id",
    key: b"fireseal v1 wrapping key",
};

/// An index key, whose token keys are expanded under labels of their own.
pub(super) const INDEX_KEY_SALT: &[u8] = b"fireseal v1 index key";
/// The id that certifies an index key, 32 bytes.
pub(super) const INDEX_KEY_ID: &[u8] = b"fireseal v1 index key id";
/// The first part of what a token key is expanded from: see `seal/index/place.rs`.
pub(crate) const TOKEN_KEY: &[u8] = b"fireseal v1 token key";
/// The first part of what the key of reservations is expanded from.
pub(crate) const RESERVATION_KEY: &[u8] = b"fireseal v1 reservation key";
