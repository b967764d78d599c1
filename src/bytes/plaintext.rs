//! The plaintext inside an envelope: a content byte, the value, and optional padding.
//!
//! ```text
//! content  0x01 MessagePack, 0x02 raw bytes; with 0x10 added the plaintext is padded
//! value    one MessagePack value, or the bytes
//! padding  where the content byte says so: 0x80, then 0x00 up to a multiple of the field's N
//! ```
//!
//! MessagePack is written with named fields and in serde's human-readable mode, so that a date has the
//! same text here and in a plain Firestore document. A value keeps the shape that it gives itself:
//! a `Vec<u8>` is an array unless it goes through `serde_bytes`. `rmp-serde` could write it as `bin`
//! (`BytesMode`), but an untagged, internally tagged or flattened value would then come back as
//! another variant, or not at all.

use rmp::Marker;
use serde::Serialize;
use serde::de::{Deserialize, DeserializeOwned};
use serde_bytes::ByteBuf;
use zeroize::{Zeroize, Zeroizing};

use super::envelope::{HEADER_BYTES, TAG_BYTES};

const MESSAGE_PACK: u8 = 0x01;
const RAW_BYTES: u8 = 0x02;
const PADDED: u8 = 0x10;
const PADDING_START: u8 = 0x80;

/// How deep maps and arrays may be nested inside one sealed value.
pub const MAX_DEPTH: usize = 128;

/// How one sensitive field is encoded: whether its length is hidden.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Format {
    pad: Option<u32>,
}

impl Format {
    /// The plain encoding: the stored length tells the value's length.
    #[must_use]
    pub const fn new() -> Self {
        Self { pad: None }
    }

    /// Pads the plaintext to the next multiple of this many bytes.
    #[must_use]
    pub const fn padded(self, multiple: u32) -> Self {
        Self { pad: Some(multiple) }
    }
}

/// Why a value has no plaintext encoding. The reason that a `Serialize` implementation gives may
/// quote the value, so it is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The value's `Serialize` implementation failed, asked for something that MessagePack has not, or
    /// wrote another number of elements than it announced.
    #[error("its Serialize implementation failed, or it has no MessagePack form")]
    Unserializable,
    /// Maps and arrays are nested more than [`MAX_DEPTH`] deep.
    #[error("it is nested more than {MAX_DEPTH} levels deep")]
    TooDeep,
}

/// A plaintext that is not what this format writes, or not of the expected type. The decoder's own
/// message may quote the value, so it is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotDecodable;

/// A plaintext on its way to become an envelope: room for the header in front and the tag behind,
/// so that sealing happens in place. Wiped on drop, and whenever it has to grow.
#[derive(Clone)]
pub(crate) struct Plaintext(Zeroizing<Vec<u8>>);

impl Plaintext {
    pub(crate) fn encode<T: Serialize + ?Sized>(value: &T, format: Format) -> Result<Self, EncodeError> {
        let mut plaintext = Self::start(MESSAGE_PACK, format, 64);
        write_message_pack(value, &mut Growing(&mut plaintext.0))?;
        plaintext.finish(format);
        Ok(plaintext)
    }

    pub(crate) fn encode_bytes(bytes: &[u8], format: Format) -> Self {
        let mut plaintext = Self::start(RAW_BYTES, format, bytes.len());
        plaintext.0.extend_from_slice(bytes);
        plaintext.finish(format);
        plaintext
    }

    /// The plaintext of an envelope that was opened, to be sealed anew as it is.
    pub(crate) fn again(opened: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + opened.len() + TAG_BYTES);
        bytes.extend_from_slice(&[0; HEADER_BYTES]);
        bytes.extend_from_slice(opened);
        bytes.extend_from_slice(&[0; TAG_BYTES]);
        Self(Zeroizing::new(bytes))
    }

    #[inline]
    fn start(content: u8, format: Format, room: usize) -> Self {
        let padding = format.pad.map_or(0, |multiple| multiple as usize);
        let mut bytes = Vec::with_capacity(HEADER_BYTES + 1 + room + padding + TAG_BYTES);
        let mut start = [0; HEADER_BYTES + 1];
        start[HEADER_BYTES] = if format.pad.is_some() { content | PADDED } else { content };
        bytes.extend_from_slice(&start);
        Self(Zeroizing::new(bytes))
    }

    #[inline]
    fn finish(&mut self, format: Format) {
        let mut out = Growing(&mut self.0);
        if let Some(multiple) = format.pad {
            out.extend(&[PADDING_START]);
            let length = out.0.len() - HEADER_BYTES;
            let padded = length.next_multiple_of(multiple.max(1) as usize);
            out.reserve(padded - length);
            out.0.resize(HEADER_BYTES + padded, 0);
        }
        out.extend(&[0; TAG_BYTES]);
    }

    /// The header's place, the plaintext, and the tag's place.
    pub(crate) fn parts_mut(&mut self) -> (&mut [u8; HEADER_BYTES], &mut [u8], &mut [u8; TAG_BYTES]) {
        let (header, rest) = self.0.split_first_chunk_mut().expect("it begins with room for the header");
        let (plaintext, tag) = rest.split_last_chunk_mut().expect("it ends with room for the tag");
        (header, plaintext, tag)
    }

    /// The whole envelope, once header, ciphertext and tag are in place.
    pub(crate) fn into_envelope(mut self) -> Vec<u8> {
        std::mem::take(&mut *self.0)
    }
}

/// One MessagePack value as bytes: a companion, which holds no plaintext in its sealed places.
pub(crate) fn to_message_pack<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = Vec::with_capacity(256);
    write_message_pack(value, &mut Growing(&mut bytes))?;
    Ok(bytes)
}

/// Appends one MessagePack value, and makes sure that it can be read back.
fn write_message_pack<T: Serialize + ?Sized>(value: &T, out: &mut Growing<'_>) -> Result<(), EncodeError> {
    let start = out.0.len();
    let mut serializer = rmp_serde::Serializer::new(&mut *out).with_struct_map().with_human_readable();
    value.serialize(&mut serializer).map_err(|_| EncodeError::Unserializable)?;
    // The encoder counts neither depth nor elements: an implementation may announce another length
    // than it writes.
    let mut written = out.0.get(start..).unwrap_or_default();
    skip_one(&mut written, MAX_DEPTH)?;
    if written.is_empty() { Ok(()) } else { Err(EncodeError::Unserializable) }
}

/// Goes past one value. Its markers and lengths tell whether it is whole, in a fraction of the time
/// that decoding takes.
fn skip_one(rest: &mut &[u8], depth: usize) -> Result<(), EncodeError> {
    let (&marker, after) = rest.split_first().ok_or(EncodeError::Unserializable)?;
    *rest = after;
    // Most values are short texts: they need no table.
    if let Marker::FixStr(len) = Marker::from_u8(marker) {
        *rest = rest.get(usize::from(len)..).ok_or(EncodeError::Unserializable)?;
        return Ok(());
    }
    let (bytes, values) = match Marker::from_u8(marker) {
        Marker::FixPos(_) | Marker::FixNeg(_) | Marker::Null | Marker::False | Marker::True => (0, None),
        Marker::U8 | Marker::I8 => (1, None),
        Marker::U16 | Marker::I16 => (2, None),
        Marker::U32 | Marker::I32 | Marker::F32 => (4, None),
        Marker::U64 | Marker::I64 | Marker::F64 => (8, None),
        Marker::FixStr(len) => (usize::from(len), None),
        Marker::Str8 | Marker::Bin8 => (read_length::<1>(rest)?, None),
        Marker::Str16 | Marker::Bin16 => (read_length::<2>(rest)?, None),
        Marker::Str32 | Marker::Bin32 => (read_length::<4>(rest)?, None),
        // An extension has a type in front, and counts as a level.
        Marker::FixExt1 => (2, Some(0)),
        Marker::FixExt2 => (3, Some(0)),
        Marker::FixExt4 => (5, Some(0)),
        Marker::FixExt8 => (9, Some(0)),
        Marker::FixExt16 => (17, Some(0)),
        Marker::Ext8 => (1 + read_length::<1>(rest)?, Some(0)),
        Marker::Ext16 => (1 + read_length::<2>(rest)?, Some(0)),
        Marker::Ext32 => (read_length::<4>(rest)?.saturating_add(1), Some(0)),
        Marker::FixArray(len) => (0, Some(len.into())),
        Marker::Array16 => (0, Some(read_length::<2>(rest)?)),
        Marker::Array32 => (0, Some(read_length::<4>(rest)?)),
        Marker::FixMap(len) => (0, Some(2 * usize::from(len))),
        Marker::Map16 => (0, Some(2 * read_length::<2>(rest)?)),
        Marker::Map32 => (0, Some(read_length::<4>(rest)?.saturating_mul(2))),
        Marker::Reserved => return Err(EncodeError::Unserializable),
    };
    *rest = rest.get(bytes..).ok_or(EncodeError::Unserializable)?;
    let Some(values) = values else { return Ok(()) };
    let depth = depth.checked_sub(1).ok_or(EncodeError::TooDeep)?;
    (0..values).try_for_each(|_| skip_one(rest, depth))
}

/// A length of `N` bytes, big-endian.
fn read_length<const N: usize>(rest: &mut &[u8]) -> Result<usize, EncodeError> {
    let (length, after) = rest.split_first_chunk::<N>().ok_or(EncodeError::Unserializable)?;
    *rest = after;
    Ok(length.iter().fold(0, |length, &byte| length << 8 | usize::from(byte)))
}

/// Reads one value, and nothing behind it.
pub(crate) fn read_message_pack<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, NotDecodable> {
    read_one(bytes).map_err(|_| NotDecodable)
}

fn read_one<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, rmp_serde::decode::Error> {
    // Over a slice the decoder borrows; over a reader it copies each string into a buffer of its own,
    // which nobody wipes.
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(bytes).with_human_readable();
    // The decoder refuses the level at which its count reaches 0.
    deserializer.set_max_depth(MAX_DEPTH + 1);
    let value = T::deserialize(&mut deserializer)?;
    // It does not tell where it stopped, but only at the end is there no next marker to read.
    match bool::deserialize(&mut deserializer) {
        Err(rmp_serde::decode::Error::InvalidMarkerRead(_)) => Ok(value),
        _ => Err(serde::de::Error::custom("bytes after the value")),
    }
}

/// Reads the value of a plaintext.
pub(crate) fn decode<T: DeserializeOwned>(plaintext: &[u8]) -> Result<T, NotDecodable> {
    Content::decode(plaintext)?.value()
}

/// Takes the raw bytes of a plaintext out of its buffer, which may be large; `None` for MessagePack's
/// nil.
pub(crate) fn take_bytes(plaintext: &mut Vec<u8>) -> Result<Option<Vec<u8>>, NotDecodable> {
    let length = match Content::decode(plaintext)? {
        Content::Bytes(bytes) => bytes.len(),
        content => return Ok(content.value::<Option<ByteBuf>>()?.map(ByteBuf::into_vec)),
    };
    let mut bytes = std::mem::take(plaintext);
    bytes.truncate(1 + length);
    bytes.remove(0);
    Ok(Some(bytes))
}

/// What a plaintext holds.
pub(crate) enum Content<'a> {
    MessagePack(&'a [u8]),
    Bytes(&'a [u8]),
}

impl<'a> Content<'a> {
    pub(crate) fn decode(plaintext: &'a [u8]) -> Result<Self, NotDecodable> {
        let (&content, mut value) = plaintext.split_first().ok_or(NotDecodable)?;
        if content & PADDED != 0 {
            let last = value.iter().rposition(|&byte| byte != 0).ok_or(NotDecodable)?;
            if value[last] != PADDING_START {
                return Err(NotDecodable);
            }
            value = &value[..last];
        }
        match content & !PADDED {
            MESSAGE_PACK => Ok(Self::MessagePack(value)),
            RAW_BYTES => Ok(Self::Bytes(value)),
            _ => Err(NotDecodable),
        }
    }

    fn value<T: DeserializeOwned>(&self) -> Result<T, NotDecodable> {
        match self {
            Self::MessagePack(bytes) => read_message_pack(bytes),
            Self::Bytes(_) => Err(NotDecodable),
        }
    }
}

/// A value that was stored in the clear, in the plaintext encoding, so that it is read like an
/// opened one.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Foreign(Zeroizing<Vec<u8>>);

impl Foreign {
    pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Self, EncodeError> {
        let mut bytes = Zeroizing::new(Vec::new());
        write_message_pack(value, &mut Growing(&mut bytes))?;
        Ok(Self(bytes))
    }

    /// The plaintext that an envelope of this value would hold.
    pub(crate) fn to_plaintext(&self) -> Zeroizing<Vec<u8>> {
        let mut plaintext = Zeroizing::new(Vec::with_capacity(1 + self.0.len()));
        plaintext.push(MESSAGE_PACK);
        plaintext.extend_from_slice(&self.0);
        plaintext
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A vector that wipes the old memory when it moves to a larger one.
struct Growing<'a>(&'a mut Vec<u8>);

impl Growing<'_> {
    #[inline]
    fn reserve(&mut self, more: usize) {
        if self.0.capacity() - self.0.len() < more {
            self.grow(more);
        }
    }

    #[cold]
    fn grow(&mut self, more: usize) {
        let mut larger = Vec::with_capacity((self.0.len() + more).max(self.0.capacity() * 2));
        larger.extend_from_slice(self.0);
        std::mem::swap(self.0, &mut larger);
        larger.zeroize();
    }

    #[inline]
    fn extend(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        self.0.extend_from_slice(bytes);
    }
}

impl std::io::Write for Growing<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.extend(bytes);
        Ok(bytes.len())
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.extend(bytes);
        Ok(())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
