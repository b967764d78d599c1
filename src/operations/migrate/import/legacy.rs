//! The usual home-made sealing: one key, a random 12-byte nonce in front, ChaCha20-Poly1305 (RFC 8439).

use std::fmt;

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use serde_json::Value as Json;
use zeroize::Zeroizing;

use crate::bytes::DocumentPath;
use crate::store::value::{array_of, map_of, string_value};
use crate::store::{Fields, Value, ValueType};

/// Bytes of the nonce in front, and of the tag behind.
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

/// The key of values that were sealed by hand. It opens them and does nothing else: there is no way from it to a
/// data key. Wiped on drop; `Debug` shows nothing of it.
pub struct LegacyKey(Box<Zeroizing<[u8; 32]>>);

impl LegacyKey {
    /// The key with these 32 bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        // Copied in place: moving a copy into the box would leave one behind.
        let mut own = Box::new(Zeroizing::new([0; 32]));
        own.copy_from_slice(bytes);
        Self(own)
    }
}

impl fmt::Debug for LegacyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LegacyKey([sensitive])")
    }
}

/// How values were sealed by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegacyLayout {
    /// How the sealed bytes are stored.
    pub encoding: LegacyEncoding,
    /// What they were bound to.
    pub associated_data: LegacyAssociatedData,
    /// What is inside.
    pub content: LegacyContent,
}

impl Default for LegacyLayout {
    /// Bytes, bound to nothing, with text inside.
    fn default() -> Self {
        Self {
            encoding: LegacyEncoding::Bytes,
            associated_data: LegacyAssociatedData::None,
            content: LegacyContent::Text,
        }
    }
}

/// How the bytes of a value that was sealed by hand are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LegacyEncoding {
    /// As bytes.
    Bytes,
    /// As text in base64 (RFC 4648), with or without padding, in the standard or the URL-safe alphabet.
    Base64,
    /// As hexadecimal digits.
    Hex,
}

/// What values that were sealed by hand were bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LegacyAssociatedData {
    /// Nothing.
    None,
    /// The document's id.
    DocumentId,
    /// The document's path relative to its database, such as `customers/ada`.
    DocumentPath,
    /// The same bytes everywhere.
    Fixed(Vec<u8>),
}

/// What is inside values that were sealed by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LegacyContent {
    /// Bytes.
    Bytes,
    /// Text in UTF-8.
    Text,
    /// A JSON value: numbers without fraction and exponent become integers, all others doubles.
    Json,
}

/// Why a value was not opened. It tells nothing of the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotOpened {
    #[error(
        "it is not what the old key sealed: it has not the form of nonce, ciphertext and tag in this encoding"
    )]
    OtherForm,
    #[error("it does not open under the old key with this associated data")]
    DoesNotOpen,
    #[error("it opens under the old key, but what is inside is not of the kind that was said")]
    OtherContent,
}

impl LegacyLayout {
    /// Opens one stored value.
    pub(super) fn open(
        &self,
        key: &LegacyKey,
        stored: &Value,
        path: &DocumentPath,
    ) -> Result<Value, NotOpened> {
        let sealed = self.encoding.decode(stored).ok_or(NotOpened::OtherForm)?;
        if sealed.len() < NONCE_BYTES + TAG_BYTES {
            return Err(NotOpened::OtherForm);
        }
        let (nonce, msg) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(NotOpened::OtherForm)?;
        let aad = match &self.associated_data {
            LegacyAssociatedData::None => &[],
            LegacyAssociatedData::DocumentId => path.id().as_bytes(),
            LegacyAssociatedData::DocumentPath => path.as_str().as_bytes(),
            LegacyAssociatedData::Fixed(bytes) => bytes.as_slice(),
        };
        let cipher = ChaCha20Poly1305::new(<&Key>::from(&**key.0));
        let plaintext = cipher.decrypt(<&Nonce>::from(nonce), Payload { msg, aad });
        let plaintext = Zeroizing::new(plaintext.map_err(|_| NotOpened::DoesNotOpen)?);
        self.content.decode(&plaintext).ok_or(NotOpened::OtherContent)
    }
}

impl LegacyEncoding {
    fn decode(self, stored: &Value) -> Option<Vec<u8>> {
        match (self, &stored.value_type) {
            (Self::Bytes, Some(ValueType::BytesValue(bytes))) => Some(bytes.clone()),
            (Self::Base64, Some(ValueType::StringValue(text))) => {
                let lenient =
                    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
                let decode = |alphabet| GeneralPurpose::new(alphabet, lenient).decode(text).ok();
                decode(&STANDARD).or_else(|| decode(&URL_SAFE))
            }
            (Self::Hex, Some(ValueType::StringValue(text))) => unhex(text),
            _ => None,
        }
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |digit: &u8| char::from(*digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    });
    pairs.collect()
}

impl LegacyContent {
    fn decode(self, plaintext: &[u8]) -> Option<Value> {
        match self {
            Self::Bytes => Some(Value { value_type: Some(ValueType::BytesValue(plaintext.to_vec())) }),
            Self::Text => Some(string_value(str::from_utf8(plaintext).ok()?)),
            Self::Json => from_json(serde_json::from_slice(plaintext).ok()?),
        }
    }
}

fn from_json(json: Json) -> Option<Value> {
    let value = match json {
        Json::Null => ValueType::NullValue(0),
        Json::Bool(truth) => ValueType::BooleanValue(truth),
        Json::Number(number) if number.is_f64() => ValueType::DoubleValue(number.as_f64()?),
        Json::Number(number) => ValueType::IntegerValue(number.as_i64()?),
        Json::String(text) => ValueType::StringValue(text),
        Json::Array(values) => {
            return Some(array_of(values.into_iter().map(from_json).collect::<Option<_>>()?));
        }
        Json::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| Some((name, from_json(value)?)));
            return Some(map_of(fields.collect::<Option<Fields>>()?));
        }
    };
    Some(Value { value_type: Some(value) })
}
