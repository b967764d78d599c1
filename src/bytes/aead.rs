//! XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03 over RFC 8439), the one cipher suite.

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};

use super::envelope::{NONCE_BYTES, TAG_BYTES};

/// The ciphertext is not what was sealed under this key, nonce and associated data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DoesNotOpen;

/// The plaintext is longer than the cipher takes (256 GiB).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLong;

/// The cipher under one key, wiped on drop.
pub(crate) struct Cipher(Box<XChaCha20Poly1305>);

impl Cipher {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(Box::new(XChaCha20Poly1305::new(key.into())))
    }

    /// Encrypts `buffer` in place and returns the tag.
    pub(crate) fn seal(
        &self,
        nonce: &[u8; NONCE_BYTES],
        associated_data: &[u8],
        buffer: &mut [u8],
    ) -> Result<[u8; TAG_BYTES], TooLong> {
        let tag = self
            .0
            .encrypt_inout_detached(<&XNonce>::from(nonce), associated_data, buffer.into())
            .map_err(|_| TooLong)?;
        Ok(tag.into())
    }

    /// Decrypts `buffer` in place; where the tag does not match, `buffer` is left as it was.
    pub(crate) fn open(
        &self,
        nonce: &[u8; NONCE_BYTES],
        associated_data: &[u8],
        buffer: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> Result<(), DoesNotOpen> {
        self.0
            .decrypt_inout_detached(<&XNonce>::from(nonce), associated_data, buffer.into(), <&Tag>::from(tag))
            .map_err(|_| DoesNotOpen)
    }
}

// A lost `zeroize` feature must fail the build.
const _: () = {
    const fn wiped<T: zeroize::ZeroizeOnDrop>() {}
    wiped::<XChaCha20Poly1305>();
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_open_leaves_the_buffer() {
        let cipher = Cipher::new(&[1; 32]);
        let mut buffer = *b"attack at dawn";
        let tag = cipher.seal(&[2; 24], b"here", &mut buffer).expect("short");
        let sealed = buffer;
        assert_eq!(cipher.open(&[2; 24], b"there", &mut buffer, &tag), Err(DoesNotOpen));
        assert_eq!(buffer, sealed);
        assert_eq!(cipher.open(&[2; 24], b"here", &mut buffer, &tag), Ok(()));
        assert_eq!(&buffer, b"attack at dawn");
    }
}
