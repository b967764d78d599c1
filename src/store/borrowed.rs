//! Fields that serde reads where they stand: a document is kept as it was read, and only those of its fields are
//! copied that somebody wants.

use ::firestore::FirestoreValue;
use ::firestore::errors::FirestoreError;
use serde::Deserializer;
use serde::de::value::MapDeserializer;
use serde::de::{DeserializeOwned, IntoDeserializer, Visitor};

use super::document::{Value, ValueType};

/// Decodes a value with named fields, as the `firestore` crate would.
pub(super) fn decode<'a, T: DeserializeOwned>(
    fields: impl Iterator<Item = (&'a str, &'a Value)>,
) -> Result<T, FirestoreError> {
    T::deserialize(MapDeserializer::new(fields.map(|(name, value)| (name, Borrowed(value)))))
}

/// A value, which is copied once it is known that somebody wants it.
struct Borrowed<'a>(&'a Value);

impl Borrowed<'_> {
    fn copied(self) -> FirestoreValue {
        FirestoreValue::from(self.0.clone())
    }
}

impl<'de> IntoDeserializer<'de, FirestoreError> for Borrowed<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! as_the_crate_does {
    ($($method:ident($($name:ident: $type:ty),*))*) => {
        $(fn $method<V: Visitor<'de>>(self, $($name: $type,)* visitor: V) -> Result<V::Value, FirestoreError> {
            self.copied().$method($($name,)* visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for Borrowed<'_> {
    type Error = FirestoreError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FirestoreError> {
        match &self.0.value_type {
            // An envelope.
            Some(ValueType::BytesValue(bytes)) => visitor.visit_bytes(bytes),
            _ => self.copied().deserialize_any(visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FirestoreError> {
        visitor.visit_unit()
    }

    as_the_crate_does! {
        deserialize_bool() deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64()
        deserialize_i128() deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64()
        deserialize_u128() deserialize_f32() deserialize_f64() deserialize_char() deserialize_str()
        deserialize_string() deserialize_bytes() deserialize_byte_buf() deserialize_option() deserialize_unit()
        deserialize_unit_struct(name: &'static str) deserialize_newtype_struct(name: &'static str)
        deserialize_seq() deserialize_tuple(len: usize)
        deserialize_tuple_struct(name: &'static str, len: usize) deserialize_map()
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
        deserialize_enum(name: &'static str, variants: &'static [&'static str]) deserialize_identifier()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};
    use std::fmt::Debug;
    use std::time::{Duration, SystemTime};

    use ::firestore::{
        FirestoreGeoPoint, FirestoreLatLng, FirestoreReference, FirestoreTimestamp, FirestoreVector,
        firestore_document_from_serializable,
    };
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::store::document::Fields;
    use crate::store::value::map_of;

    /// Decodes what the `firestore` crate makes of a value, as it does itself.
    fn comes_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
        let fields: Fields = firestore_document_from_serializable("", value).expect("it is stored").fields;
        let here: T = decode(fields.iter().map(|(name, value)| (name.as_str(), value))).expect("as it is");
        let there = T::deserialize(FirestoreValue::from(map_of(fields))).expect("as the crate does");
        assert_eq!((&here, &there), (value, value));
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Newtype(i64);

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Pair(String, u8);

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum External {
        Unit,
        Newtype(i64),
        Tuple(i64, bool),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "kind", rename_all = "camelCase")]
    enum Internal {
        Card { number: String },
        Cash,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Number(i64),
        Text(String),
        Bytes(#[serde(with = "serde_bytes")] Vec<u8>),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Plain {
        #[serde(rename = "called", alias = "named")]
        text: String,
        character: char,
        truth: bool,
        number: i64,
        large: u64,
        small: i8,
        real: f64,
        whole: f32,
        newtype: Newtype,
        pair: Pair,
        some: Option<String>,
        none: Option<String>,
        #[serde(default)]
        list: Vec<Option<Newtype>>,
        map: BTreeMap<String, Vec<i64>>,
        unit: External,
        external: External,
        tuple: External,
        internal: Internal,
        cash: Internal,
        untagged: Vec<Untagged>,
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Special {
        time: FirestoreTimestamp,
        reference: FirestoreReference,
        place: FirestoreLatLng,
        vector: FirestoreVector,
        system: SystemTime,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct FlatEnum {
        id: String,
        #[serde(flatten)]
        internal: Internal,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct FlatMap {
        id: String,
        #[serde(flatten)]
        rest: HashMap<String, Untagged>,
    }

    #[test]
    fn every_shape_is_decoded_as_the_crate_does() {
        let text = || "text".to_owned();
        comes_back(&Plain {
            text: text(),
            character: 'ß',
            truth: true,
            number: i64::MIN,
            large: 7,
            small: -7,
            real: 0.1,
            whole: 2.0,
            newtype: Newtype(1),
            pair: Pair(text(), 255),
            some: Some(text()),
            none: None,
            list: vec![Some(Newtype(2))],
            map: BTreeMap::from([(text(), vec![1, 2])]),
            unit: External::Unit,
            external: External::Newtype(3),
            tuple: External::Tuple(4, false),
            internal: Internal::Card { number: text() },
            cash: Internal::Cash,
            untagged: vec![Untagged::Number(5), Untagged::Text(text()), Untagged::Bytes(vec![255])],
            bytes: vec![0, 255],
        });
        comes_back(&Special {
            time: FirestoreTimestamp("2026-01-02T03:04:05.000006Z".parse().expect("a time")),
            reference: FirestoreReference("projects/p/databases/d/documents/c/a".to_owned()),
            place: FirestoreLatLng(FirestoreGeoPoint { latitude: 1.5, longitude: -2.5 }),
            vector: FirestoreVector::from(vec![0.5, 1.5]),
            system: SystemTime::UNIX_EPOCH + Duration::from_micros(1_234_567),
        });
        let rest = HashMap::from([(text(), Untagged::Text(text())), ("n".to_owned(), Untagged::Number(8))]);
        comes_back(&FlatMap { id: text(), rest });
        comes_back(&FlatEnum { id: text(), internal: Internal::Card { number: text() } });
    }

    #[test]
    fn what_does_not_fit_is_refused_and_what_nobody_wants_is_left_alone() {
        #[derive(Debug, Deserialize)]
        struct Two {
            _one: i64,
            _two: Option<i64>,
        }
        let text = Value { value_type: Some(ValueType::StringValue("text".to_owned())) };
        let number = Value { value_type: Some(ValueType::IntegerValue(1)) };
        assert!(decode::<Two>([("_one", &number), ("more", &text)].into_iter()).is_ok());
        assert!(decode::<Two>([("_one", &text)].into_iter()).is_err());
        assert!(decode::<Two>([("_two", &number)].into_iter()).is_err());
        assert!(decode::<Two>([("_one", &number), ("_one", &number)].into_iter()).is_err());
    }
}
