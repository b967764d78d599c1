//! `Sealed<T>`: a sensitive field as it is stored.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Error as _, Serialize, Serializer};
use serde_transcode::Transcoder;

use super::json;
use crate::bytes::KeyId;
use crate::bytes::envelope::{HEADER_BYTES, Header, TAG_BYTES};
use crate::bytes::plaintext::{Foreign, Plaintext};

/// A value of type `T` that only a key opens: plain data, to be stored, copied and sent.
///
/// It holds what was stored: an envelope; plaintext that stood where an envelope belongs (kept, so
/// that opening decides what to do about it, and never written back as it is); or nothing.
/// `Debug` shows the key id and the length, never the value. Serialized it is bytes; in JSON, where
/// bytes have no form of their own, use [`to_json`](crate::to_json).
pub struct Sealed<T> {
    slot: Slot,
    plain: PhantomData<fn() -> T>,
}

/// What stands in the place of a sealed value.
#[derive(Clone)]
pub(crate) enum Slot {
    /// Nothing is stored.
    Absent,
    /// Bytes as they were stored: an envelope, if they parse as one.
    Stored(Vec<u8>),
    /// A value that was stored in the clear.
    Foreign(Foreign),
    /// A plaintext that is about to be sealed. Never leaves [`Sealable::seal`](super::Sealable::seal).
    Draft(Plaintext),
}

impl<T> Sealed<T> {
    pub(crate) fn new(slot: Slot) -> Self {
        Self { slot, plain: PhantomData }
    }

    pub(crate) fn slot(&self) -> &Slot {
        &self.slot
    }

    pub(crate) fn slot_mut(&mut self) -> &mut Slot {
        &mut self.slot
    }

    /// A sealed value from stored bytes, such as a protobuf `bytes` field. Whether they are an
    /// envelope, and open, shows when they are opened.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self::new(Slot::Stored(bytes))
    }

    /// The stored bytes; `None` where nothing, or plaintext, is stored.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match &self.slot {
            Slot::Stored(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Which key the value was sealed with, by its own account; `None` where it is no envelope.
    #[must_use]
    pub fn key_id(&self) -> Option<KeyId> {
        Some(Header::decode(self.as_bytes()?)?.key_id)
    }

    /// Whether nothing is stored.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self.slot, Slot::Absent)
    }

    /// Whether plaintext stands where a sealed value belongs.
    #[must_use]
    pub fn is_plaintext(&self) -> bool {
        matches!(self.slot, Slot::Foreign(_))
    }
}

impl<T> From<Vec<u8>> for Sealed<T> {
    /// From a protobuf `bytes` field, where empty means that nothing is there.
    fn from(bytes: Vec<u8>) -> Self {
        Self::new(if bytes.is_empty() { Slot::Absent } else { Slot::Stored(bytes) })
    }
}

impl<T> TryFrom<Sealed<T>> for Vec<u8> {
    type Error = NotSealed;

    /// For a protobuf `bytes` field: empty where nothing is stored.
    fn try_from(sealed: Sealed<T>) -> Result<Self, NotSealed> {
        match sealed.slot {
            Slot::Absent => Ok(Self::new()),
            Slot::Stored(bytes) => Ok(bytes),
            Slot::Foreign(_) | Slot::Draft(_) => Err(NotSealed),
        }
    }
}

/// Plaintext stands where a sealed value belongs, so it is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sensitive field holds plaintext; open it within a plaintext window and seal it before sending")]
pub struct NotSealed;

impl<T> Default for Sealed<T> {
    /// Nothing stored.
    fn default() -> Self {
        Self::new(Slot::Absent)
    }
}

impl<T> Clone for Sealed<T> {
    fn clone(&self) -> Self {
        Self::new(self.slot.clone())
    }
}

impl<T> PartialEq for Sealed<T> {
    /// Equal as stored: two sealings of one value differ.
    fn eq(&self, other: &Self) -> bool {
        match (&self.slot, &other.slot) {
            (Slot::Absent, Slot::Absent) => true,
            (Slot::Stored(one), Slot::Stored(another)) => one == another,
            (Slot::Foreign(one), Slot::Foreign(another)) => one == another,
            _ => false,
        }
    }
}

impl<T> Eq for Sealed<T> {}

impl<T> Hash for Sealed<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match &self.slot {
            Slot::Absent | Slot::Draft(_) => {}
            Slot::Stored(bytes) => bytes.hash(state),
            Slot::Foreign(plain) => plain.as_bytes().hash(state),
        }
    }
}

impl<T> fmt::Debug for Sealed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.slot {
            Slot::Absent => f.write_str("Sealed(absent)"),
            Slot::Foreign(_) => f.write_str("Sealed(plaintext)"),
            Slot::Draft(_) => f.write_str("Sealed(draft)"),
            Slot::Stored(bytes) => match Header::decode(bytes) {
                Some(header) => {
                    let length = bytes.len() - HEADER_BYTES - TAG_BYTES;
                    write!(f, "Sealed(key {}, {length} bytes)", header.key_id)
                }
                None => write!(f, "Sealed(malformed, {} bytes)", bytes.len()),
            },
        }
    }
}

impl<T> Serialize for Sealed<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.slot {
            Slot::Stored(bytes) => serializer.serialize_bytes(bytes),
            Slot::Absent if serializer.is_human_readable() => serializer.serialize_none(),
            // Formats that do not describe themselves read bytes here: no envelope is empty.
            Slot::Absent => serializer.serialize_bytes(&[]),
            Slot::Foreign(_) => Err(S::Error::custom(
                "a sensitive field holds plaintext; open it within a plaintext window and seal it before writing",
            )),
            Slot::Draft(_) => Err(S::Error::custom("a sensitive field is not sealed yet")),
        }
    }
}

impl<'de, T> Deserialize<'de> for Sealed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Formats that describe themselves tell what stands there; the others are told: bytes.
        let slot = if deserializer.is_human_readable() {
            deserializer.deserialize_any(SlotVisitor)?
        } else {
            match deserializer.deserialize_byte_buf(SlotVisitor)? {
                Slot::Stored(bytes) if bytes.is_empty() => Slot::Absent,
                slot => slot,
            }
        };
        Ok(Self::new(slot))
    }
}

/// Accepts anything: an error of serde's would quote the value that it did not expect.
struct SlotVisitor;

macro_rules! foreign {
    ($($visit:ident: $type:ty,)*) => {
        $(fn $visit<E: serde::de::Error>(self, value: $type) -> Result<Slot, E> {
            foreign(&value)
        })*
    };
}

impl<'de> Visitor<'de> for SlotVisitor {
    type Value = Slot;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sealed value")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Slot, E> {
        Ok(Slot::Stored(bytes.to_vec()))
    }

    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Slot, E> {
        Ok(Slot::Stored(bytes))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Slot, E> {
        match json::decode(text) {
            Some(bytes) => Ok(Slot::Stored(bytes)),
            None => foreign(text),
        }
    }

    foreign! {
        visit_bool: bool,
        visit_i64: i64,
        visit_i128: i128,
        visit_u64: u64,
        visit_u128: u128,
        visit_f64: f64,
        visit_char: char,
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Slot, E> {
        foreign(&())
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Slot, E> {
        foreign(&())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Slot, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Slot, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Slot, A::Error> {
        foreign(&Transcoder::new(SeqAccessDeserializer::new(seq)))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Slot, A::Error> {
        foreign(&Transcoder::new(MapAccessDeserializer::new(map)))
    }
}

fn foreign<T: Serialize + ?Sized, E: serde::de::Error>(value: &T) -> Result<Slot, E> {
    let plain = Foreign::encode(value)
        .map_err(|_| E::custom("plaintext of an unknown form stands where a sealed value belongs"))?;
    Ok(Slot::Foreign(plain))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

    use serde::de::value::{EnumAccessDeserializer, Error as PlainError, StrDeserializer};
    use serde_json::json;

    use super::*;
    use crate::bytes::Format;
    use crate::bytes::plaintext::decode;

    #[test]
    fn an_absent_value_stays_absent_in_binary_formats() {
        // Not human-readable, so what stands there is read as bytes, as in bincode or postcard.
        let absent = Sealed::<String>::default();
        let bytes = rmp_serde::to_vec(&(&absent, "next")).expect("has a form");
        let (back, next): (Sealed<String>, String) = rmp_serde::from_slice(&bytes).expect("a pair");
        assert!(back.is_absent());
        assert_eq!(next, "next");
        assert_eq!(bytes[1..3], [0xc4, 0], "bytes, for a reader that expects them");
    }

    type AnyValue = Sealed<String>;

    fn from_json(value: serde_json::Value) -> AnyValue {
        serde_json::from_value(value).expect("anything is taken")
    }

    fn envelope() -> Vec<u8> {
        let mut stored = vec![7; HEADER_BYTES + 4 + TAG_BYTES];
        stored[0] = 1;
        stored
    }

    #[test]
    fn what_stands_there_is_told_without_a_byte_of_it() {
        let id = KeyId::from_bytes([7; 32]);
        let sealed = AnyValue::from_bytes(envelope());
        assert_eq!((sealed.key_id(), sealed.as_bytes()), (Some(id), Some(&envelope()[..])));
        assert!(!sealed.is_absent() && !sealed.is_plaintext());
        assert_eq!(format!("{sealed:?}"), format!("Sealed(key {id}, 4 bytes)"));
        let malformed = AnyValue::from_bytes(vec![2, 3]);
        assert_eq!((malformed.key_id(), malformed.as_bytes()), (None, Some(&[2, 3][..])));
        assert_eq!(format!("{malformed:?}"), "Sealed(malformed, 2 bytes)");
        let absent = AnyValue::default();
        assert_eq!((absent.key_id(), absent.as_bytes()), (None, None));
        assert!(absent.is_absent() && !absent.is_plaintext());
        assert_eq!(format!("{absent:?}"), "Sealed(absent)");
        let plain = from_json("secret".into());
        assert_eq!((plain.key_id(), plain.as_bytes()), (None, None));
        assert!(plain.is_plaintext() && !plain.is_absent());
        assert_eq!(format!("{plain:?}"), "Sealed(plaintext)");
    }

    #[test]
    fn values_are_equal_and_hash_as_they_are_stored() {
        let hash = |value: &AnyValue| BuildHasherDefault::<DefaultHasher>::default().hash_one(value);
        let of = [
            AnyValue::default(),
            AnyValue::from_bytes(vec![1]),
            AnyValue::from_bytes(vec![2]),
            from_json("a".into()),
            from_json("b".into()),
        ];
        for (position, one) in of.iter().enumerate() {
            for (other_position, other) in of.iter().enumerate() {
                assert_eq!(one == other, position == other_position, "{one:?} {other:?}");
            }
            assert_eq!((one, hash(one)), (&one.clone(), hash(&one.clone())));
        }
        assert_eq!(of.iter().map(hash).collect::<HashSet<_>>().len(), 5);
    }

    #[test]
    fn a_protobuf_field_is_the_stored_bytes_and_empty_where_nothing_is() {
        assert!(AnyValue::from(Vec::new()).is_absent());
        assert_eq!(AnyValue::from(vec![1, 2]).as_bytes(), Some(&[1, 2][..]));
        assert_eq!(Vec::try_from(AnyValue::default()), Ok(Vec::new()));
        assert_eq!(Vec::try_from(AnyValue::from_bytes(vec![1, 2])), Ok(vec![1, 2]));
        assert_eq!(Vec::try_from(from_json("a".into())), Err(NotSealed));
    }

    #[test]
    fn what_is_written_is_read_back() {
        let sealed = AnyValue::from_bytes(envelope());
        let binary = rmp_serde::to_vec(&sealed).expect("bytes");
        assert_eq!(rmp_serde::from_slice::<AnyValue>(&binary).expect("bytes"), sealed);
        let text = crate::seal::json::to_json(&sealed).expect("bytes");
        assert_eq!(from_json(text), sealed);
        assert_eq!(serde_json::to_string(&AnyValue::default()).expect("null"), "null");
        let drafted = Plaintext::encode("secret", Format::new()).expect("a text");
        let drafted = AnyValue::new(Slot::Draft(drafted));
        assert_eq!(format!("{drafted:?}"), "Sealed(draft)");
        for unwritten in [from_json("secret".into()), drafted] {
            assert!(serde_json::to_string(&unwritten).is_err() && rmp_serde::to_vec(&unwritten).is_err());
        }
    }

    #[test]
    fn plaintext_of_every_form_is_kept_as_it_is() {
        for value in [
            json!(null),
            json!(true),
            json!(-7),
            json!(7),
            json!(0.5),
            json!("text"),
            json!("fireseal:%"),
            json!([1, [2], "3"]),
            json!({ "a": { "b": [null] } }),
        ] {
            let sealed = from_json(value.clone());
            let Slot::Foreign(plain) = sealed.slot() else { panic!("{value} gave {sealed:?}") };
            assert_eq!(decode(&plain.to_plaintext()), Ok(value));
        }
        let variant = EnumAccessDeserializer::new(StrDeserializer::<PlainError>::new("secret"));
        let refused = AnyValue::deserialize(variant).expect_err("no value of a document").to_string();
        assert_eq!(refused, "invalid type: enum, expected a sealed value");
    }
}
