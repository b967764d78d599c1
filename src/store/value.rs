//! Between serde and Firestore's values: the `firestore` crate's own serializer and deserializer.

use firestore::{FirestoreValue, firestore_document_from_serializable};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::borrowed;
use super::check::{ClearValueError, check};
use super::document::{Fields, Value, ValueType};
use crate::bytes::FieldPath;

/// Encodes a value with named fields as the `firestore` crate would, after making sure that it
/// comes back as it is.
///
/// # Errors
/// The first field that would not come back as it is.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Fields, ClearValueError> {
    check(value)?;
    encode_unchecked(value)
}

/// Encodes without the check: what is encoded was read from Firestore, for comparison.
pub(crate) fn encode_unchecked<T: Serialize + ?Sized>(value: &T) -> Result<Fields, ClearValueError> {
    // The crate's message may quote the value.
    let refused = |_| ClearValueError {
        field: FieldPath::default(),
        reason: "the `firestore` crate cannot store it; is it a struct with named fields?",
    };
    Ok(firestore_document_from_serializable("", &value).map_err(refused)?.fields)
}

/// Encodes one value as it would be stored in a field; `None` where the field would be left out.
///
/// # Errors
/// It would not come back as it is.
pub(crate) fn encode_one<T: Serialize + ?Sized>(value: &T) -> Result<Option<Value>, ClearValueError> {
    #[derive(Serialize)]
    struct One<'a, T: ?Sized> {
        value: &'a T,
    }
    let one = |error: ClearValueError| {
        // The name of the field is not known here.
        let steps = error.field.steps().iter().skip(1).cloned().collect();
        ClearValueError { field: FieldPath::new(steps), ..error }
    };
    let mut fields = encode(&One { value }).map_err(one)?;
    Ok(fields.remove("value").filter(|value| value.value_type.is_some()))
}

/// Decodes one value.
pub(crate) fn decode_one<T: DeserializeOwned>(value: &Value) -> Option<T> {
    T::deserialize(FirestoreValue::from(value.clone())).ok()
}

/// The fields are not those of the type. Serde's own message may quote a value, so only the path of
/// the first that does not fit is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OtherShape {
    pub(crate) path: String,
}

/// Decodes a value with named fields.
pub(crate) fn decode<'a, T: DeserializeOwned>(
    fields: impl Iterator<Item = (&'a str, &'a Value)> + Clone,
) -> Result<T, OtherShape> {
    // Keeping track of the path costs time, so it is only done once something does not fit.
    borrowed::decode(fields.clone()).or_else(|_| {
        let fields = fields.map(|(name, value)| (name.to_owned(), value.clone())).collect();
        serde_path_to_error::deserialize(FirestoreValue::from(map_of(fields)))
            .map_err(|error| OtherShape { path: error.path().to_string() })
    })
}

/// A map value.
pub(crate) fn map_of(fields: Fields) -> Value {
    let fields = firestore::gcloud_sdk::google::firestore::v1::MapValue { fields };
    Value { value_type: Some(ValueType::MapValue(fields)) }
}

/// An array value.
pub(crate) fn array_of(values: Vec<Value>) -> Value {
    let array = firestore::gcloud_sdk::google::firestore::v1::ArrayValue { values };
    Value { value_type: Some(ValueType::ArrayValue(array)) }
}

/// A place on earth.
pub(crate) fn point_of(latitude: f64, longitude: f64) -> ValueType {
    let point = firestore::gcloud_sdk::google::r#type::LatLng { latitude, longitude };
    ValueType::GeoPointValue(point)
}

/// Whether decoding stops because one field stands under two of its names.
pub(crate) fn reads_twice<T: DeserializeOwned>(fields: Fields) -> bool {
    let decoded = T::deserialize(FirestoreValue::from(map_of(fields)));
    // serde's own words, from code that its derive generates; they are not passed on.
    decoded.is_err_and(|error| error.to_string().contains("duplicate field"))
}

/// A string value.
pub(crate) fn string_value(text: impl Into<String>) -> Value {
    Value { value_type: Some(ValueType::StringValue(text.into())) }
}
