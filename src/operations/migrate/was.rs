//! What sealed values were in Firestore, where their plaintext does not tell: types, never values.
//!
//! It stands in `_seal.was`, sealed like the values themselves, so that it tells no name and no position of what
//! is inside a sealed value. Its plaintext is one MessagePack value, from the document's root down:
//!
//! ```text
//! map, text keys      a map's entries by name       map, integer keys   an array's elements by position
//! "timestamp" "reference" "geopoint"                what the value was
//! "numbers"           an array of numbers, sealed as raw bytes
//! "as it is"          what its plaintext tells, whatever a configuration says
//! ```

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde::{Serialize, Serializer};

use super::plain::apply;
use crate::bytes::FieldStep;
use crate::operations::ValueKind;
use crate::store::value::array_of;
use crate::store::{Value, ValueType};

/// What a value was, or what the values in it were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Was {
    Kind(Kind),
    /// The entries of a map of which something is known.
    Entries(BTreeMap<String, Was>),
    /// The elements of an array of which something is known.
    Elements(BTreeMap<u64, Was>),
}

/// What one value was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Value(ValueKind),
    /// An array of numbers that was sealed as raw bytes.
    Numbers,
    /// What its plaintext tells.
    AsItIs,
}

const NUMBERS: &str = "numbers";
const AS_IT_IS: &str = "as it is";

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Value(kind) => kind.word(),
            Self::Numbers => NUMBERS,
            Self::AsItIs => AS_IT_IS,
        }
    }

    fn of_word(word: &str) -> Option<Self> {
        match word {
            NUMBERS => Some(Self::Numbers),
            AS_IT_IS => Some(Self::AsItIs),
            word => ValueKind::ALL.into_iter().find(|kind| kind.word() == word).map(Self::Value),
        }
    }
}

impl Was {
    /// What has to be known of a value; `None` where its plaintext tells all.
    pub(super) fn of(value: &Value, raw_bytes: bool) -> Option<Self> {
        let kind = match value.value_type.as_ref()? {
            ValueType::TimestampValue(_) => Kind::Value(ValueKind::Timestamp),
            ValueType::ReferenceValue(_) => Kind::Value(ValueKind::Reference),
            ValueType::GeoPointValue(_) => Kind::Value(ValueKind::GeoPoint),
            ValueType::ArrayValue(_) if raw_bytes => Kind::Numbers,
            ValueType::ArrayValue(array) => {
                let known =
                    (0..).zip(&array.values).filter_map(|(at, value)| Some((at, Self::of(value, false)?)));
                return Self::elements(known.collect());
            }
            ValueType::MapValue(map) => {
                let known = map
                    .fields
                    .iter()
                    .filter_map(|(name, value)| Some((name.clone(), Self::of(value, false)?)));
                return Self::entries(known.collect());
            }
            _ => return None,
        };
        Some(Self::Kind(kind))
    }

    fn entries(known: BTreeMap<String, Self>) -> Option<Self> {
        (!known.is_empty()).then_some(Self::Entries(known))
    }

    fn elements(known: BTreeMap<u64, Self>) -> Option<Self> {
        (!known.is_empty()).then_some(Self::Elements(known))
    }

    /// Makes a value what it was. Where it has another form by now it stays as it is.
    pub(super) fn apply(&self, value: &mut Value) {
        match (self, &mut value.value_type) {
            (Self::Kind(Kind::Value(kind)), _) => apply(*kind, value),
            (Self::Kind(Kind::Numbers), Some(ValueType::BytesValue(bytes))) => {
                let number = |byte: &u8| Value { value_type: Some(ValueType::IntegerValue((*byte).into())) };
                *value = array_of(bytes.iter().map(number).collect());
            }
            (Self::Entries(known), Some(ValueType::MapValue(map))) => {
                for (name, was) in known {
                    map.fields.get_mut(name).into_iter().for_each(|value| was.apply(value));
                }
            }
            (Self::Elements(known), Some(ValueType::ArrayValue(array))) => {
                for (at, was) in known {
                    let value = usize::try_from(*at).ok().and_then(|at| array.values.get_mut(at));
                    value.into_iter().for_each(|value| was.apply(value));
                }
            }
            _ => {}
        }
    }

    /// What is known of the value at a path.
    pub(super) fn at(&self, path: &[FieldStep]) -> Option<&Self> {
        match (path.split_first(), self) {
            (None, was) => Some(was),
            (Some((FieldStep::Key(name), rest)), Self::Entries(known)) => known.get(name)?.at(rest),
            (Some((FieldStep::Index(at), rest)), Self::Elements(known)) => known.get(at)?.at(rest),
            _ => None,
        }
    }

    /// The same with something else known of the value at a path, or nothing.
    pub(super) fn with(this: Option<Self>, path: &[FieldStep], new: Option<Self>) -> Option<Self> {
        let Some((step, rest)) = path.split_first() else { return new };
        match step {
            FieldStep::Key(name) => {
                let mut known = if let Some(Self::Entries(known)) = this { known } else { BTreeMap::new() };
                let inner = Self::with(known.remove(name), rest, new);
                known.extend(inner.map(|inner| (name.clone(), inner)));
                Self::entries(known)
            }
            FieldStep::Index(at) => {
                let mut known = if let Some(Self::Elements(known)) = this { known } else { BTreeMap::new() };
                let inner = Self::with(known.remove(at), rest, new);
                known.extend(inner.map(|inner| (*at, inner)));
                Self::elements(known)
            }
        }
    }
}

impl Serialize for Was {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Kind(kind) => serializer.serialize_str(kind.word()),
            Self::Entries(known) => serializer.collect_map(known),
            Self::Elements(known) => serializer.collect_map(known),
        }
    }
}

impl<'de> Deserialize<'de> for Was {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WasVisitor)
    }
}

struct WasVisitor;

impl<'de> Visitor<'de> for WasVisitor {
    type Value = Was;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what a value was")
    }

    fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Was, E> {
        Kind::of_word(word).map(Was::Kind).ok_or_else(|| E::custom("no kind"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Was, A::Error> {
        let (mut entries, mut elements) = (BTreeMap::new(), BTreeMap::new());
        while let Some((key, was)) = map.next_entry::<Key, Was>()? {
            match key {
                Key::Name(name) => drop(entries.insert(name, was)),
                Key::Position(at) => drop(elements.insert(at, was)),
            }
        }
        match (entries.is_empty(), elements.is_empty()) {
            (false, true) => Ok(Was::Entries(entries)),
            (true, false) => Ok(Was::Elements(elements)),
            _ => Err(A::Error::custom("a map and an array at once, or neither")),
        }
    }
}

enum Key {
    Name(String),
    Position(u64),
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;

        impl Visitor<'_> for KeyVisitor {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name or a position")
            }

            fn visit_str<E>(self, name: &str) -> Result<Key, E> {
                Ok(Key::Name(name.to_owned()))
            }

            fn visit_u64<E>(self, at: u64) -> Result<Key, E> {
                Ok(Key::Position(at))
            }
        }

        deserializer.deserialize_any(KeyVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::plaintext::{Plaintext, read_message_pack};
    use crate::bytes::{FieldPath, Format};

    fn path(steps: &[FieldStep]) -> FieldPath {
        FieldPath::new(steps.to_vec())
    }

    #[test]
    fn the_encoding_is_the_documented_one() {
        let name = |name: &str| FieldStep::Key(name.to_owned());
        let time = Was::Kind(Kind::Value(ValueKind::Timestamp));
        let at = path(&[name("a"), FieldStep::Index(2), name("b")]);
        let was = Was::with(None, at.steps(), Some(time.clone()));
        let was = Was::with(was, path(&[name("p")]).steps(), Some(Was::Kind(Kind::Numbers))).expect("two");
        let mut plaintext = Plaintext::encode(&was, Format::new()).expect("has a form");
        let (_, encoded, _) = plaintext.parts_mut();
        assert_eq!(encoded, b"\x01\x82\xa1a\x81\x02\x81\xa1b\xa9timestamp\xa1p\xa7numbers");
        assert_eq!(read_message_pack::<Was>(&encoded[1..]).ok(), Some(was.clone()));
        assert_eq!(was.at(at.steps()), Some(&time));
        assert_eq!(was.at(path(&[name("a"), FieldStep::Index(1)]).steps()), None);
        // What is known no more leaves nothing behind.
        let was = Was::with(Some(was), path(&[name("a")]).steps(), None);
        assert_eq!(Was::with(was, path(&[name("p")]).steps(), None), None);
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [&b"\x80"[..], b"\x82\x01\xa9reference\xa1a\xa9reference", b"\xa4date", b"\x01", b"\xc0"] {
            assert!(read_message_pack::<Was>(bad).is_err(), "{bad:?}");
        }
    }
}
