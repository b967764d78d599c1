//! The vault's authority: an Ed25519 key that signs ring manifests, and its public half.

use std::fmt;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::bytes::wiped::wiped;

const SECRET_LABEL: &str = "fireseal-authority-secret-v1";
const PUBLIC_LABEL: &str = "fireseal-authority-v1";

/// The private key of a vault's authority. Whoever has it changes rings: keep it where keys are
/// administered, never beside a service. Wiped on drop; `Debug` shows the public half only.
pub struct Authority {
    // Boxed, so that moving an authority leaves no copy of the secret behind.
    key: Box<SigningKey>,
}

impl ZeroizeOnDrop for Authority {}

const _: fn(&Authority) = |Authority { key }| wiped(&**key);

/// The public key of a vault's authority. Every reader has it in its own configuration; it is never
/// read from the vault.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AuthorityKey(VerifyingKey);

/// Why a text is no authority, or none could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// The text is of another kind, or incomplete.
    #[error("this is not a line `{expected}:…:…`; the secret and the public line are told apart by it")]
    NotOne {
        /// How the text should begin.
        expected: &'static str,
    },
    /// The checksum does not fit: the text was mistyped or cut.
    #[error("the authority's text has a typo: its checksum does not fit")]
    Typo,
    /// The 32 bytes are no Ed25519 public key.
    #[error("the authority's text holds no Ed25519 public key")]
    NotAKey,
    /// The operating system gives no random numbers.
    #[error("the operating system gives no random numbers")]
    Random(#[source] getrandom::Error),
}

impl Authority {
    /// A new authority from the operating system's random numbers.
    ///
    /// # Errors
    /// [`AuthorityError::Random`]: the operating system gives none.
    pub fn generate() -> Result<Self, AuthorityError> {
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(secret.as_mut_slice()).map_err(AuthorityError::Random)?;
        Ok(Self { key: Box::new(SigningKey::from_bytes(&secret)) })
    }

    /// The authority in this text, which [`to_text`](Self::to_text) gave. White space around it and
    /// lines that begin with `#` do not matter.
    ///
    /// # Errors
    /// [`AuthorityError`]: the text is something else, or has a typo.
    pub fn parse(text: &str) -> Result<Self, AuthorityError> {
        Ok(Self { key: Box::new(SigningKey::from_bytes(&*decode(SECRET_LABEL, text)?)) })
    }

    /// The authority as one line of text, to be kept in a file of mode 0600 or printed.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        encode(SECRET_LABEL, self.key.as_bytes())
    }

    /// The public half, to be pinned by readers.
    #[must_use]
    pub fn key(&self) -> AuthorityKey {
        AuthorityKey(self.key.verifying_key())
    }

    pub(super) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("key", &self.key()).finish_non_exhaustive()
    }
}

impl AuthorityKey {
    /// The key in this text, which `Display` gave.
    ///
    /// # Errors
    /// [`AuthorityError`]: the text is something else, or has a typo.
    pub fn parse(text: &str) -> Result<Self, AuthorityError> {
        Self::from_bytes(&*decode(PUBLIC_LABEL, text)?).ok_or(AuthorityError::NotAKey)
    }

    /// The key with these 32 bytes, if they are one.
    pub(super) fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        // A key of small order verifies signatures that nobody made.
        VerifyingKey::from_bytes(bytes).ok().filter(|key| !key.is_weak()).map(Self)
    }

    /// The 32 bytes of the Ed25519 public key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    pub(super) fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.0.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }
}

impl fmt::Display for AuthorityKey {
    /// One line: `fireseal-authority-v1:`, the key in hexadecimal, `:`, a checksum.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode(PUBLIC_LABEL, self.as_bytes()))
    }
}

impl fmt::Debug for AuthorityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn encode(label: &str, bytes: &[u8; 32]) -> Zeroizing<String> {
    // With room for all of it from the start: growing would leave a copy behind.
    let mut text = Zeroizing::new(String::with_capacity(label.len() + 2 + 64 + 8));
    text.push_str(label);
    text.push(':');
    push_hex(&mut text, bytes);
    let checksum = Sha256::digest(text.as_bytes());
    text.push(':');
    push_hex(&mut text, &checksum[..4]);
    text
}

fn decode(label: &'static str, text: &str) -> Result<Zeroizing<[u8; 32]>, AuthorityError> {
    let not_one = || AuthorityError::NotOne { expected: label };
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let line = lines.next().ok_or_else(not_one)?;
    let rest = line.strip_prefix(label).and_then(|rest| rest.strip_prefix(':')).ok_or_else(not_one)?;
    let digits = rest.get(..64).filter(|_| lines.next().is_none()).ok_or_else(not_one)?;
    let mut bytes = Zeroizing::new([0; 32]);
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_| AuthorityError::Typo)?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| AuthorityError::Typo)?;
    }
    // One spelling only: what was read is written again and compared.
    let same = encode(label, &bytes).as_bytes().ct_eq(line.as_bytes());
    if same.into() { Ok(bytes) } else { Err(AuthorityError::Typo) }
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(digit.into(), 16).expect("four bits are one digit"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_texts_come_back_and_typos_are_told() {
        let authority = Authority::generate().expect("random");
        let (secret, public) = (authority.to_text(), authority.key().to_string());
        assert_eq!(
            Authority::parse(&format!("# kept offline\n{}\n", *secret)).expect("ours").key(),
            authority.key()
        );
        assert_eq!(AuthorityKey::parse(&public).expect("ours"), authority.key());
        assert!(matches!(AuthorityKey::parse(&secret), Err(AuthorityError::NotOne { .. })));
        assert!(matches!(Authority::parse(&public), Err(AuthorityError::NotOne { .. })));
        for at in PUBLIC_LABEL.len() + 1..public.len() {
            let mut typo = public.clone().into_bytes();
            typo[at] = if typo[at] == b'7' { b'8' } else { b'7' };
            assert!(AuthorityKey::parse(&String::from_utf8(typo).expect("ASCII")).is_err(), "at {at}");
        }
        assert!(Authority::parse(&secret[..secret.len() - 1]).is_err());
        assert!(!format!("{authority:?}").contains(&secret[secret.len() - 20..]));
    }
}
