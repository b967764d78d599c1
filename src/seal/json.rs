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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::de::IntoDeserializer as _;
    use serde::de::value::{Error, U64Deserializer};
    use serde_bytes::{ByteBuf, Bytes};
    use serde_json::json;

    use super::*;

    #[test]
    fn every_value_has_its_json_form() {
        let numbers = BTreeMap::from([(-1, u64::MAX), (2, 0)]);
        let packed = (true, -7, "text", 0.5, None::<u8>, Some(3), [1, 2], numbers, ());
        let expected = json!([true, -7, "text", 0.5, null, 3, [1, 2], { "-1": u64::MAX, "2": 0 }, null]);
        assert_eq!(to_json(&packed).expect("it has a form"), expected);
        let names = json!({ "a": { "b": [] } });
        assert_eq!(to_json(&names).expect("it has a form"), names);
        let some: U64Deserializer<Error> = 7_u64.into_deserializer();
        assert_eq!(JsonVisitor.visit_some(some), Ok(json!(7)));
    }

    #[test]
    fn bytes_are_prefixed_base64_and_read_back() {
        let text = to_json(Bytes::new(&[0xff, 0])).expect("it has a form");
        assert_eq!(text, json!("fireseal:/wA="));
        assert_eq!(decode("fireseal:/wA="), Some(vec![0xff, 0]));
        for other in ["", "/wA=", "fireseal:/w", "fireseal:%", "Fireseal:/wA="] {
            assert_eq!(decode(other), None, "{other}");
        }
    }

    #[derive(Serialize)]
    #[serde(rename = "_ExtStruct")]
    struct Extension((i8, ByteBuf));

    #[test]
    fn what_has_no_json_form_is_refused() {
        for real in [f64::NAN, f64::INFINITY] {
            assert!(to_json(&real).expect_err("no number").to_string().contains("NaN"));
        }
        let extension =
            to_json(&Extension((5, ByteBuf::from([1])))).expect_err("MessagePack's own").to_string();
        assert!(extension.contains("a value with a JSON form"), "{extension}");
    }
}
