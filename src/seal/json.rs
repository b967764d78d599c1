//! Sealed values as text, for JSON: a prefix that tells them apart, then base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// What the text form of an envelope begins with.
pub(crate) const PREFIX: &str = "fireseal:";

/// Reads the text form of an envelope; `None` for any other text.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text.strip_prefix(PREFIX)?).ok()
}

/// A companion as JSON: sealed values, and any other bytes, become `fireseal:` and base64 (RFC 4648).
/// Any JSON reader of serde's takes it back:
///
/// ```
/// use fireseal::Sealed;
///
/// let ssn: Sealed<String> = Sealed::from_bytes(vec![1; 80]);
/// let text = fireseal::to_json(&ssn)?.to_string();
/// assert!(text.starts_with("\"fireseal:AQEB"));
/// assert_eq!(serde_json::from_str::<Sealed<String>>(&text)?, ssn);
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// # Errors
/// A value that cannot be serialized, such as a companion with plaintext in a sealed place.
pub fn to_json<T: Serialize + ?Sized>(companion: &T) -> Result<Value, serde_json::Error> {
    // serde_json turns bytes into arrays of numbers; MessagePack keeps them apart.
    let mut packed = Vec::new();
    let mut serializer = rmp_serde::Serializer::new(&mut packed).with_struct_map().with_human_readable();
    companion.serialize(&mut serializer).map_err(serde::ser::Error::custom)?;
    rmp_serde::Deserializer::from_read_ref(&packed)
        .deserialize_any(JsonVisitor)
        .map_err(serde::ser::Error::custom)
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value with a JSON form")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        serde_json::Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("JSON has no form for NaN and the infinities"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Value, E> {
        Ok(Value::from(format!("{PREFIX}{}", STANDARD.encode(bytes))))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element_seed(JsonSeed)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = map.next_key_seed(JsonSeed)? {
            let key = match key {
                Value::String(key) => key,
                other => other.to_string(),
            };
            fields.insert(key, map.next_value_seed(JsonSeed)?);
        }
        Ok(Value::Object(fields))
    }
}

struct JsonSeed;

impl<'de> serde::de::DeserializeSeed<'de> for JsonSeed {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}
