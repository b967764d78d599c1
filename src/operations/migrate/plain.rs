//! Between Firestore's values and the plaintext that the Rust type would have made of the same field.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{Error as _, Serialize, SerializeMap, Serializer};
use serde_bytes::Bytes;

use super::was::{Kind, Was};
use crate::bytes::EncodeError;
use crate::bytes::plaintext::{Content, NotDecodable, Plaintext, read_message_pack};
use crate::operations::{Field, ValueKind};
use crate::store::value::{array_of, map_of, point_of, string_value};
use crate::store::{Fields, Time, Value, ValueType, same};

/// The names of a geographical point's parts, as the `firestore` crate has them too.
const LATITUDE: &str = "latitude";
const LONGITUDE: &str = "longitude";

/// A plaintext, and what has to be known besides to make the same Firestore value of it again.
pub(super) struct Drafted {
    pub(super) plaintext: Plaintext,
    pub(super) was: Option<Was>,
}

/// Why a Firestore value is not sealed without its Rust type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotDrafted {
    /// It has no plaintext encoding.
    Encode(EncodeError),
    /// The field is of raw bytes, and the value is none.
    NotBytes,
    /// It would come back as another value.
    Changes,
}

impl NotDrafted {
    pub(super) fn reason(self) -> String {
        match self {
            Self::Encode(error) => format!("it cannot be sealed: {error}"),
            Self::NotBytes => {
                "the configuration says `bytes`, and it is neither bytes, nor an array of them, nor null"
                    .into()
            }
            Self::Changes => "it would come back as another value: seal it through its Rust type".into(),
        }
    }
}

/// Encodes a value as the Rust type of its field would, and makes sure that it comes back.
pub(super) fn draft(value: &Value, field: &Field) -> Result<Drafted, NotDrafted> {
    let mut plaintext = match (&value.value_type, field.bytes) {
        (_, false) | (None | Some(ValueType::NullValue(_)), true) => {
            Plaintext::encode(&Plain(value), field.format()).map_err(NotDrafted::Encode)?
        }
        (Some(ValueType::BytesValue(bytes)), true) => Plaintext::encode_bytes(bytes, field.format()),
        (Some(ValueType::ArrayValue(array)), true) => {
            let bytes: Option<Vec<u8>> = array.values.iter().map(byte).collect();
            let bytes = zeroize::Zeroizing::new(bytes.ok_or(NotDrafted::NotBytes)?);
            Plaintext::encode_bytes(&bytes, field.format())
        }
        (Some(_), true) => return Err(NotDrafted::NotBytes),
    };
    let comes_back = |plaintext: &[u8], was: Option<&Was>| {
        restore(plaintext, was, field.kind).is_ok_and(|back| same(&back, value))
    };
    let (_, encoded, _) = plaintext.parts_mut();
    let was = if comes_back(encoded, None) {
        None
    } else {
        let was = Was::of(value, field.bytes).unwrap_or(Was::Kind(Kind::AsItIs));
        if !comes_back(encoded, Some(&was)) {
            return Err(NotDrafted::Changes);
        }
        Some(was)
    };
    Ok(Drafted { plaintext, was })
}

fn byte(value: &Value) -> Option<u8> {
    match value.value_type {
        Some(ValueType::IntegerValue(number)) => u8::try_from(number).ok(),
        _ => None,
    }
}

/// The Firestore value of an opened plaintext: what it was, where that is known, or else what its kind says.
pub(super) fn restore(
    plaintext: &[u8],
    was: Option<&Was>,
    kind: Option<ValueKind>,
) -> Result<Value, NotDecodable> {
    let mut value = match Content::decode(plaintext)? {
        Content::Bytes(bytes) => Value { value_type: Some(ValueType::BytesValue(bytes.to_vec())) },
        Content::MessagePack(encoded) => read_message_pack::<Decoded>(encoded)?.0,
    };
    match (was, kind) {
        (Some(was), _) => was.apply(&mut value),
        (None, Some(kind)) => apply(kind, &mut value),
        (None, None) => {}
    }
    Ok(value)
}

/// Makes a value what its kind says, if it has that form.
pub(super) fn apply(kind: ValueKind, value: &mut Value) {
    let new = match (kind, &value.value_type) {
        (ValueKind::Timestamp, Some(ValueType::StringValue(text))) => {
            time(text).map(ValueType::TimestampValue)
        }
        (ValueKind::Reference, Some(ValueType::StringValue(name))) => {
            Some(ValueType::ReferenceValue(name.clone()))
        }
        (ValueKind::GeoPoint, Some(ValueType::MapValue(map))) => point(&map.fields),
        _ => None,
    };
    if new.is_some() {
        value.value_type = new;
    }
}

const EPOCH: jiff::civil::DateTime = jiff::civil::DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

fn time(text: &str) -> Option<Time> {
    const SECOND: i128 = 1_000_000_000;
    let nanoseconds = match text.parse::<jiff::Timestamp>() {
        Ok(time) => time.as_nanosecond(),
        // A timestamp of `jiff` ends a day before Firestore's do.
        Err(_) => {
            let civil: jiff::civil::DateTime = text.strip_suffix('Z')?.parse().ok()?;
            civil.duration_since(EPOCH).as_nanos()
        }
    };
    let seconds = i64::try_from(nanoseconds.div_euclid(SECOND)).ok()?;
    Some(Time { seconds, nanos: i32::try_from(nanoseconds.rem_euclid(SECOND)).ok()? })
}

/// As the `firestore` crate writes a time as text.
fn time_text(time: &Time) -> Option<String> {
    let since = jiff::SignedDuration::new(time.seconds, time.nanos);
    Some(format!("{}Z", EPOCH.checked_add(since).ok()?))
}

fn point(fields: &Fields) -> Option<ValueType> {
    let number = |name| match fields.get(name)?.value_type {
        Some(ValueType::DoubleValue(number)) => Some(number),
        _ => None,
    };
    let (latitude, longitude) = (number(LATITUDE)?, number(LONGITUDE)?);
    (fields.len() == 2).then(|| point_of(latitude, longitude))
}

/// A Firestore value as serde sees it: in the form that the value's Rust type has in human-readable formats.
pub(super) struct Plain<'a>(pub(super) &'a Value);

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0.value_type {
            None | Some(ValueType::NullValue(_)) => serializer.serialize_unit(),
            Some(ValueType::BooleanValue(truth)) => serializer.serialize_bool(*truth),
            Some(ValueType::IntegerValue(number)) => serializer.serialize_i64(*number),
            Some(ValueType::DoubleValue(number)) => serializer.serialize_f64(*number),
            Some(ValueType::StringValue(text) | ValueType::ReferenceValue(text)) => {
                serializer.serialize_str(text)
            }
            Some(ValueType::BytesValue(bytes)) => Bytes::new(bytes).serialize(serializer),
            Some(ValueType::TimestampValue(time)) => {
                let text = time_text(time).ok_or_else(|| S::Error::custom("a time out of range"))?;
                serializer.serialize_str(&text)
            }
            Some(ValueType::GeoPointValue(point)) => {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry(LATITUDE, &point.latitude)?;
                map.serialize_entry(LONGITUDE, &point.longitude)?;
                map.end()
            }
            Some(ValueType::ArrayValue(array)) => serializer.collect_seq(array.values.iter().map(Plain)),
            Some(ValueType::MapValue(map)) => {
                // In an order of its own, so that equal values have equal plaintexts.
                let sorted: BTreeMap<_, _> = map.fields.iter().collect();
                let mut map = serializer.serialize_map(Some(sorted.len()))?;
                for (name, value) in sorted {
                    map.serialize_entry(name, &Plain(value))?;
                }
                map.end()
            }
            Some(_) => Err(S::Error::custom("a value that only stands in queries")),
        }
    }
}

/// A Firestore value read from a plaintext.
struct Decoded(Value);

impl<'de> Deserialize<'de> for Decoded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Decoding)
    }
}

struct Decoding;

fn decoded<E>(value: ValueType) -> Result<Decoded, E> {
    Ok(Decoded(Value { value_type: Some(value) }))
}

impl<'de> Visitor<'de> for Decoding {
    type Value = Decoded;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that Firestore has")
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Decoded, E> {
        decoded(ValueType::BooleanValue(truth))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Decoded, E> {
        decoded(ValueType::IntegerValue(number))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Decoded, E> {
        let number = i64::try_from(number).map_err(|_| E::custom("too large for Firestore"))?;
        decoded(ValueType::IntegerValue(number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Decoded, E> {
        decoded(ValueType::DoubleValue(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Decoded, E> {
        Ok(Decoded(string_value(text)))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Decoded, E> {
        decoded(ValueType::BytesValue(bytes.to_vec()))
    }

    fn visit_unit<E>(self) -> Result<Decoded, E> {
        decoded(ValueType::NullValue(0))
    }

    fn visit_none<E>(self) -> Result<Decoded, E> {
        decoded(ValueType::NullValue(0))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Decoded, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Decoded, A::Error> {
        let mut values = Vec::new();
        while let Some(Decoded(value)) = seq.next_element()? {
            values.push(value);
        }
        Ok(Decoded(array_of(values)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Decoded, A::Error> {
        let mut fields = Fields::new();
        while let Some((name, Decoded(value))) = map.next_entry::<String, Decoded>()? {
            if fields.insert(name, value).is_some() {
                return Err(A::Error::custom("a name stands twice"));
            }
        }
        Ok(Decoded(map_of(fields)))
    }
}
