//! Fields that serde reads where they stand: a document is kept as it was read, so only what is needed of it
//! is copied.

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
