//! From 32 secret bytes to what is used: HKDF-SHA256 (RFC 5869), and nothing else.

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use super::labels::Labels;
use crate::bytes::KeyId;

/// The id that certifies a secret, and the one key that is derived from it.
pub(super) fn derive(secret: &[u8; 32], labels: &Labels) -> (KeyId, Zeroizing<[u8; 32]>) {
    let (mut extracted, hkdf) = Hkdf::<Sha256>::extract(Some(labels.salt), secret);
    // As good as the secret itself, and no longer needed.
    extracted.as_mut_slice().zeroize();
    let mut id = [0; 32];
    let mut key = Zeroizing::new([0; 32]);
    for (label, output) in [(labels.id, &mut id), (labels.key, &mut key)] {
        hkdf.expand(label, output).expect("32 bytes are within HKDF-SHA256's 8,160");
    }
    (KeyId::from_bytes(id), key)
}
