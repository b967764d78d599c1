//! XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03), the one cipher suite.
//!
//! By its definition it is HChaCha20 over the key and the nonce's first 16 bytes, which gives a
//! subkey, followed by ChaCha20-Poly1305 (RFC 8439) under that subkey with four zero bytes and the
//! nonce's last 8. The values of one write share those 16 bytes, so one HChaCha20 serves them all.
//! ChaCha20-Poly1305 comes from `aws-lc-rs` (feature `aws-lc`), or else from RustCrypto: the same
//! bytes, and the first is several times faster on short values.

#[cfg(feature = "aws-lc")]
mod aws_lc;
#[cfg(test)]
mod known_answers;
#[cfg(any(test, not(feature = "aws-lc")))]
mod portable;

#[cfg(feature = "aws-lc")]
use aws_lc::ChaCha20Poly1305;
#[cfg(not(feature = "aws-lc"))]
use portable::ChaCha20Poly1305;

use chacha20::{Key, R20, hchacha};
use zeroize::Zeroizing;

use super::envelope::{NONCE_BYTES, TAG_BYTES};

/// The bytes of a nonce that choose the subkey.
const PREFIX_BYTES: usize = 16;

/// The ciphertext is not what was sealed under this key, nonce and associated data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DoesNotOpen;

/// The plaintext is longer than the cipher takes (256 GiB).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLong;

/// The cipher under one key, wiped on drop.
pub(crate) struct Cipher(Box<Zeroizing<[u8; 32]>>);

impl Cipher {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        let mut own = Box::new(Zeroizing::new([0; 32]));
        own.copy_from_slice(key);
        Self(own)
    }

    /// The cipher for all nonces with the same first 16 bytes as this one.
    pub(crate) fn for_nonce(&self, nonce: &[u8; NONCE_BYTES]) -> Subcipher {
        let (prefix, _) = split(nonce);
        let mut subkey = hchacha::<R20>(<&Key>::from(&**self.0), prefix.into());
        let cipher = ChaCha20Poly1305::new(subkey.as_ref());
        zeroize::Zeroize::zeroize(subkey.as_mut_slice());
        Subcipher { prefix: *prefix, cipher }
    }

    /// Encrypts `buffer` in place and returns the tag.
    pub(crate) fn seal(
        &self,
        nonce: &[u8; NONCE_BYTES],
        associated_data: &[u8],
        buffer: &mut [u8],
    ) -> Result<[u8; TAG_BYTES], TooLong> {
        let mut tag = [0; TAG_BYTES];
        self.for_nonce(nonce).seal(nonce, associated_data, buffer, &mut tag)?;
        Ok(tag)
    }

    /// Decrypts into `plaintext`, which is as long as the ciphertext.
    pub(crate) fn open(
        &self,
        nonce: &[u8; NONCE_BYTES],
        associated_data: &[u8],
        sealed: (&[u8], &[u8; TAG_BYTES]),
        plaintext: &mut [u8],
    ) -> Result<(), DoesNotOpen> {
        self.for_nonce(nonce).open(nonce, associated_data, sealed, plaintext)
    }
}

/// The cipher under one key, for nonces that share their first 16 bytes; wiped on drop.
pub(crate) struct Subcipher {
    prefix: [u8; PREFIX_BYTES],
    cipher: ChaCha20Poly1305,
}

impl Subcipher {
    /// Whether this is the cipher for a nonce.
    pub(crate) fn takes(&self, nonce: &[u8; NONCE_BYTES]) -> bool {
        *split(nonce).0 == self.prefix
    }

    /// Encrypts `buffer` in place and writes the tag. The nonce is one that it [`takes`](Self::takes).
    pub(crate) fn seal(
        &self,
        nonce: &[u8; NONCE_BYTES],
        associated_data: &[u8],
        buffer: &mut [u8],
        tag: &mut [u8; TAG_BYTES],
    ) -> Result<(), TooLong> {
        assert!(self.takes(nonce), "a nonce of this subcipher");
        self.cipher.seal(&short(nonce), associated_data, buffer, tag)
    }

    /// Decrypts into `plaintext`, which is as long as the ciphertext. Where the tag does not match,
    /// nothing of the plaintext is left there.
    pub(crate) fn open(
        &self,
        nonce: &[u8; NONCE_BYTES],
        associated_data: &[u8],
        (ciphertext, tag): (&[u8], &[u8; TAG_BYTES]),
        plaintext: &mut [u8],
    ) -> Result<(), DoesNotOpen> {
        assert!(self.takes(nonce), "a nonce of this subcipher");
        self.cipher.open(&short(nonce), associated_data, (ciphertext, tag), plaintext)
    }
}

fn split(nonce: &[u8; NONCE_BYTES]) -> (&[u8; PREFIX_BYTES], &[u8]) {
    nonce.split_first_chunk().expect("a nonce has 24 bytes")
}

/// The nonce of RFC 8439: four zero bytes, then the last 8 of the long one.
fn short(nonce: &[u8; NONCE_BYTES]) -> [u8; 12] {
    let mut short = [0; 12];
    short[4..].copy_from_slice(split(nonce).1);
    short
}

#[cfg(test)]
mod tests {
    use chacha20poly1305::aead::{AeadInOut, KeyInit};
    use chacha20poly1305::{XChaCha20Poly1305, XNonce};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_failed_open_leaves_no_plaintext() {
        let cipher = Cipher::new(&[1; 32]);
        let mut sealed = *b"attack at dawn";
        let tag = cipher.seal(&[2; 24], b"here", &mut sealed).expect("short");
        let mut plaintext = [0; 14];
        assert_eq!(cipher.open(&[2; 24], b"there", (&sealed, &tag), &mut plaintext), Err(DoesNotOpen));
        assert_ne!(&plaintext, b"attack at dawn");
        assert_eq!(cipher.open(&[2; 24], b"here", (&sealed, &tag), &mut plaintext), Ok(()));
        assert_eq!(&plaintext, b"attack at dawn");
    }

    #[test]
    #[should_panic(expected = "a nonce of this subcipher")]
    fn a_subcipher_refuses_other_nonces() {
        let _ = Cipher::new(&[1; 32]).for_nonce(&[2; 24]).seal(&[3; 24], b"", &mut [], &mut [0; 16]);
    }

    proptest! {
        /// Every implementation gives the bytes of the `chacha20poly1305` crate's own XChaCha20-Poly1305.
        #[test]
        fn all_implementations_give_the_same_bytes(
            key: [u8; 32],
            nonce: [u8; 24],
            associated_data in proptest::collection::vec(any::<u8>(), 0..300),
            plaintext in proptest::collection::vec(any::<u8>(), 0..2_000),
        ) {
            let mut expected = plaintext.clone();
            let tag: [u8; 16] = XChaCha20Poly1305::new((&key).into())
                .encrypt_inout_detached(<&XNonce>::from(&nonce), &associated_data, expected.as_mut_slice().into())
                .expect("short")
                .into();

            let mut sealed = plaintext.clone();
            let own = Cipher::new(&key).seal(&nonce, &associated_data, &mut sealed).expect("short");
            prop_assert_eq!((&sealed, own), (&expected, tag));

            let subkey = hchacha::<R20>(<&Key>::from(&key), split(&nonce).0.into());
            let portable = portable::ChaCha20Poly1305::new(subkey.as_ref());
            let mut sealed = plaintext.clone();
            let mut own = [0; 16];
            portable.seal(&short(&nonce), &associated_data, &mut sealed, &mut own).expect("short");
            prop_assert_eq!((&sealed, own), (&expected, tag));

            let mut opened = vec![0; plaintext.len()];
            Cipher::new(&key).open(&nonce, &associated_data, (&expected, &tag), &mut opened).expect("opens");
            prop_assert_eq!(&opened, &plaintext);
            opened.fill(0);
            portable.open(&short(&nonce), &associated_data, (&expected, &tag), &mut opened).expect("opens");
            prop_assert_eq!(&opened, &plaintext);
        }
    }
}
