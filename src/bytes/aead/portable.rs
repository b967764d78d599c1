//! ChaCha20-Poly1305 in Rust alone, by RustCrypto.

use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305 as RustCrypto, Nonce, Tag};

use super::{DoesNotOpen, TAG_BYTES, TooLong};
use crate::bytes::wiped::wiped;

/// ChaCha20-Poly1305 under one key, wiped on drop.
pub(super) struct ChaCha20Poly1305(RustCrypto);

impl ChaCha20Poly1305 {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        Self(RustCrypto::new(key.into()))
    }

    pub(super) fn seal(
        &self,
        nonce: &[u8; 12],
        associated_data: &[u8],
        buffer: &mut [u8],
        tag: &mut [u8; TAG_BYTES],
    ) -> Result<(), TooLong> {
        let computed = self.0.encrypt_inout_detached(<&Nonce>::from(nonce), associated_data, buffer.into());
        *tag = computed.map_err(|_| TooLong)?.into();
        Ok(())
    }

    pub(super) fn open(
        &self,
        nonce: &[u8; 12],
        associated_data: &[u8],
        (ciphertext, tag): (&[u8], &[u8; TAG_BYTES]),
        plaintext: &mut [u8],
    ) -> Result<(), DoesNotOpen> {
        let inout = InOutBuf::new(ciphertext, plaintext).map_err(|_| DoesNotOpen)?;
        // The tag is verified first: where it does not match, nothing is written.
        self.0
            .decrypt_inout_detached(<&Nonce>::from(nonce), associated_data, inout, <&Tag>::from(tag))
            .map_err(|_| DoesNotOpen)
    }
}

// A lost `zeroize` feature must fail the build.
const _: fn(&RustCrypto) = wiped;
