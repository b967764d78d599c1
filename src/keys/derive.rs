//! From 32 secret bytes to what is used: HKDF-SHA256 (RFC 5869), and nothing else.

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use super::labels::Labels;
use crate::bytes::KeyId;

/// The id that certifies a secret, and the one key that is derived from it.
pub(super) fn derive(secret: &[u8; 32], labels: &Labels) -> (KeyId, Zeroizing<[u8; 32]>) {
    let hkdf = extract(secret, labels.salt);
    let mut id = [0; 32];
    let mut key = Zeroizing::new([0; 32]);
    for (label, output) in [(labels.id, &mut id), (labels.key, &mut key)] {
        hkdf.expand(label, output).expect("32 bytes are within HKDF-SHA256's 8,160");
    }
    (KeyId::from_bytes(id), key)
}

/// The id that certifies a secret from which nothing else is derived here.
pub(super) fn derive_id(secret: &[u8; 32], salt: &[u8], label: &[u8]) -> KeyId {
    let mut id = [0; 32];
    extract(secret, salt).expand(label, &mut id).expect("32 bytes are within HKDF-SHA256's 8,160");
    KeyId::from_bytes(id)
}

/// The key that is expanded from what it is for.
pub(super) fn derive_for(secret: &[u8; 32], salt: &[u8], what: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    extract(secret, salt)
        .expand_multi_info(what, key.as_mut_slice())
        .expect("32 bytes are within HKDF-SHA256's 8,160");
    key
}

pub(super) fn extract(secret: &[u8], salt: &[u8]) -> Hkdf<Sha256> {
    let (mut extracted, hkdf) = Hkdf::<Sha256>::extract(Some(salt), secret);
    // As good as the secret itself, and no longer needed.
    extracted.as_mut_slice().zeroize();
    hkdf
}
