//! The bare XChaCha20-Poly1305 of the `chacha20poly1305` crate.

use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};

pub const NAME: &str = "XChaCha20-Poly1305 by RustCrypto";

pub fn seal(key: &[u8; 32], nonce: &[u8; 24], associated_data: &[u8], buffer: &mut [u8]) -> [u8; 16] {
    let cipher = XChaCha20Poly1305::new(key.into());
    cipher.encrypt_inout_detached(<&XNonce>::from(nonce), associated_data, buffer.into()).unwrap().into()
}

pub fn open(
    key: &[u8; 32],
    nonce: &[u8; 24],
    associated_data: &[u8],
    ciphertext: &[u8],
    tag: &[u8; 16],
    plaintext: &mut [u8],
) {
    let cipher = XChaCha20Poly1305::new(key.into());
    let inout = InOutBuf::new(ciphertext, plaintext).unwrap();
    cipher.decrypt_inout_detached(<&XNonce>::from(nonce), associated_data, inout, <&Tag>::from(tag)).unwrap();
}
