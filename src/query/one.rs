//! Single values for generated code: through a field's own adapters, whatever its type.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_bytes::Bytes;

use crate::seal::RawBytes;
use crate::store::{ClearValueError, Value, value};

/// The value as it is stored in a field; `None` where the field is left out.
///
/// # Errors
/// It would be stored as something else, or not at all.
pub fn encode<E: Serialize + ?Sized>(value: &E) -> Result<Option<Value>, ClearValueError> {
    value::encode_one(value)
}

/// The value that a field was stored as.
#[must_use]
pub fn decode<T: DeserializeOwned>(value: &Value) -> Option<T> {
    value::decode_one(value)
}

/// Bytes that are indexed as they are.
pub fn raw<T: RawBytes>(value: &T) -> impl Serialize {
    value.as_raw_bytes().map(Bytes::new)
}
