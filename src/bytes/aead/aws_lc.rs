//! ChaCha20-Poly1305 by AWS-LC, which the default tree of the `firestore` crate holds anyway.

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};

use super::{DoesNotOpen, TAG_BYTES, TooLong};

/// ChaCha20-Poly1305 under one key; AWS-LC wipes its context when it frees it.
pub(super) struct ChaCha20Poly1305(LessSafeKey);

impl ChaCha20Poly1305 {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        let key = UnboundKey::new(&CHACHA20_POLY1305, key).expect("a key of 32 bytes");
        Self(LessSafeKey::new(key))
    }

    #[inline]
    pub(super) fn seal(
        &self,
        nonce: &[u8; 12],
        associated_data: &[u8],
        buffer: &mut [u8],
        tag: &mut [u8; TAG_BYTES],
    ) -> Result<(), TooLong> {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        self.0.seal_in_place_scatter(nonce, Aad::from(associated_data), buffer, &[], tag).map_err(|_| TooLong)
    }

    #[inline]
    pub(super) fn open(
        &self,
        nonce: &[u8; 12],
        associated_data: &[u8],
        (ciphertext, tag): (&[u8], &[u8; TAG_BYTES]),
        plaintext: &mut [u8],
    ) -> Result<(), DoesNotOpen> {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        self.0
            .open_separate_gather(nonce, Aad::from(associated_data), ciphertext, tag, plaintext)
            .map_err(|_| DoesNotOpen)
    }
}
