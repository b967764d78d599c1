//! The bare XChaCha20-Poly1305: RustCrypto's HChaCha20, then AWS-LC's ChaCha20-Poly1305.

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use chacha20::{R20, hchacha};

pub const NAME: &str = "HChaCha20 + ChaCha20-Poly1305 by AWS-LC";

fn cipher(key: &[u8; 32], nonce: &[u8; 24]) -> (LessSafeKey, Nonce) {
    let (prefix, rest) = nonce.split_first_chunk::<16>().unwrap();
    let subkey = hchacha::<R20>(key.into(), prefix.into());
    let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &subkey).unwrap());
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(rest);
    (key, Nonce::assume_unique_for_key(nonce))
}

pub fn seal(key: &[u8; 32], nonce: &[u8; 24], associated_data: &[u8], buffer: &mut [u8]) -> [u8; 16] {
    let (key, nonce) = cipher(key, nonce);
    let mut tag = [0; 16];
    key.seal_in_place_scatter(nonce, Aad::from(associated_data), buffer, &[], &mut tag).unwrap();
    tag
}

pub fn open(
    key: &[u8; 32],
    nonce: &[u8; 24],
    associated_data: &[u8],
    ciphertext: &[u8],
    tag: &[u8; 16],
    plaintext: &mut [u8],
) {
    let (key, nonce) = cipher(key, nonce);
    key.open_separate_gather(nonce, Aad::from(associated_data), ciphertext, tag, plaintext).unwrap();
}
