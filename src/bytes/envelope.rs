//! The envelope: one sealed value as it is stored, format version 1.
//!
//! ```text
//! offset  size  content
//! 0       1     version = 1; it fixes the cipher suite
//! 1       32    key id
//! 33      24    nonce
//! 57      n     XChaCha20 ciphertext, n >= 1
//! 57+n    16    Poly1305 tag
//! ```

use std::fmt;
use std::hash::{Hash, Hasher};

use subtle::ConstantTimeEq as _;

/// The only version there is; it fixes the cipher suite, so nothing is negotiated in band.
pub(crate) const VERSION: u8 = 1;
/// Bytes before the ciphertext: version, key id and nonce.
pub(crate) const HEADER_BYTES: usize = 57;
/// Bytes of the Poly1305 tag.
pub(crate) const TAG_BYTES: usize = 16;
/// Bytes of an XChaCha20 nonce.
pub(crate) const NONCE_BYTES: usize = 24;

/// Bytes at the start of a nonce that all values of one write share.
pub(crate) const DRAW_BYTES: usize = 16;

const NONCE_OFFSET: usize = 33;

/// Which data key sealed a value: 32 bytes that certify the key.
///
/// A key id is derived from the key by HKDF-SHA256 (RFC 5869), so a ciphertext commits to its key:
/// nobody can make one that opens under two. It is no secret.
#[derive(Clone, Copy, Eq, PartialOrd, Ord)]
pub struct KeyId([u8; 32]);

/// Compares in constant time: an id is no secret, but it certifies one.
impl PartialEq for KeyId {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Hash for KeyId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl KeyId {
    /// The id with these 32 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    /// 64 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What the header of an envelope says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    pub(crate) key_id: KeyId,
    pub(crate) nonce: [u8; NONCE_BYTES],
}

impl Header {
    /// What the nonces of one write have in common: in a message, its id.
    pub(crate) fn draw(&self) -> [u8; DRAW_BYTES] {
        let (draw, _) = self.nonce.split_first_chunk().expect("a nonce is longer than what its draw shares");
        *draw
    }

    /// Writes version, key id and nonce over the first [`HEADER_BYTES`] of a buffer.
    #[inline]
    pub(crate) fn encode(&self, out: &mut [u8; HEADER_BYTES]) {
        let [version, rest @ ..] = out;
        *version = VERSION;
        let (key_id, nonce) = rest.split_at_mut(NONCE_OFFSET - 1);
        key_id.copy_from_slice(self.key_id.as_bytes());
        nonce.copy_from_slice(&self.nonce);
    }

    /// Reads the header of stored bytes; `None` where they are no envelope of this version.
    pub(crate) fn decode(stored: &[u8]) -> Option<Self> {
        let (header, sealed) = stored.split_first_chunk::<HEADER_BYTES>()?;
        // The plaintext has a content byte at least.
        if header[0] != VERSION || sealed.len() <= TAG_BYTES {
            return None;
        }
        Some(Self {
            key_id: KeyId(header[1..NONCE_OFFSET].try_into().ok()?),
            nonce: header[NONCE_OFFSET..].try_into().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

    use super::*;

    #[test]
    fn ids_that_differ_hash_differently() {
        let hash =
            |byte| BuildHasherDefault::<DefaultHasher>::default().hash_one(KeyId::from_bytes([byte; 32]));
        assert_eq!(hash(1), hash(1));
        assert_ne!(hash(1), hash(2));
    }

    #[test]
    fn a_header_reads_back_and_its_draw_is_the_start_of_the_nonce() {
        let nonce = std::array::from_fn(|position| u8::try_from(position).expect("24 bytes"));
        let header = Header { key_id: KeyId::from_bytes([7; 32]), nonce };
        assert_eq!(header.draw(), nonce[..16]);
        let mut stored = [0; HEADER_BYTES + TAG_BYTES + 1];
        header.encode(stored.first_chunk_mut().expect("longer than a header"));
        let read = Header::decode(&stored).expect("a header and one byte of plaintext");
        assert_eq!((read.key_id, read.nonce), (header.key_id, nonce));
        assert!(
            Header::decode(&stored[1..]).is_none() && Header::decode(&stored[..stored.len() - 1]).is_none()
        );
        stored[0] = 2;
        assert!(Header::decode(&stored).is_none(), "another version");
    }
}
