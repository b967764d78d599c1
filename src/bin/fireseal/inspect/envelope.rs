//! A sealed value by itself: bytes, base64 or hexadecimal digits.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use fireseal::Sealed;

use super::{Found, What};
use crate::failure::Failure;

/// Bytes of an envelope besides its ciphertext: version, key id, nonce and tag.
const AROUND: usize = 73;

/// What the bytes of a sealed value are; `None` where they do not begin as one.
pub fn of(bytes: &[u8]) -> Option<What> {
    match Sealed::<()>::from_bytes(bytes.to_owned()).key_id() {
        Some(key) => Some(What::Sealed { key, bytes: bytes.len().saturating_sub(AROUND) }),
        None if bytes.first() == Some(&1) => Some(What::Malformed { bytes: bytes.len() }),
        None => None,
    }
}

/// The value on standard input, in whichever form it is.
pub fn read(input: &[u8]) -> Result<(Vec<u8>, Found), Failure> {
    let text = std::str::from_utf8(input).unwrap_or_default();
    let text: String = text.split_whitespace().collect();
    let forms = [Some(input.to_owned()), hexadecimal(&text), base64(&text)];
    let read = forms.into_iter().flatten().filter_map(|bytes| Some((of(&bytes)?, bytes)));
    let read: Vec<(What, Vec<u8>)> = read.collect();
    let best = read.iter().position(|(what, _)| matches!(what, What::Sealed { .. })).unwrap_or(0);
    let (what, bytes) = read.into_iter().nth(best).ok_or_else(|| {
        Failure::usage("standard input is neither a document in JSON nor a sealed value")
            .advise("a sealed value begins with the byte 1 and has at least 74 bytes; base64 and hexadecimal are taken too")
    })?;
    Ok((bytes, Found { field: String::new(), what }))
}

/// Bytes from base64, of either alphabet.
pub fn base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).or_else(|_| URL_SAFE_NO_PAD.decode(text.trim_end_matches('='))).ok()
}

/// Bytes from hexadecimal digits.
pub fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() || !text.len().is_multiple_of(2) {
        return None;
    }
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    Some(digits?.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}
