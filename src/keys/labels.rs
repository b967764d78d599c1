//! Every derivation label. A label is used for one purpose and never changes its meaning.

/// Salt of every HKDF-SHA256 extraction from a data key.
pub(super) const DATA_KEY_SALT: &[u8] = b"fireseal v1 data key";
/// The id that certifies a data key, 32 bytes.
pub(super) const KEY_ID: &[u8] = b"fireseal v1 key id";
/// The XChaCha20-Poly1305 key that seals fields, 32 bytes.
pub(super) const SEALING_KEY: &[u8] = b"fireseal v1 sealing key";
