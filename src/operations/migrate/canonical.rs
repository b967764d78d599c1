//! What a digest is of: one value at its place, in an encoding that is the same for the same value.
//!
//! ```text
//! message    the associated data of the value's envelope, then the value
//! value      u8 tag, then its content; counts, lengths and integers are little-endian
//!            0 null                    1 truth: u8               2 integer: i64
//!            3 double: its 64 bits     4 time: i64 s, i32 ns     5 text, 6 bytes, 7 reference: u32 length, bytes
//!            8 point: 2 doubles        9 array: u32 count, values
//!            10 map: u32 count, then names and values in the order of the names
//!            255 a plaintext that no Firestore value is made of
//! ```

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use crate::bytes::context::{AssociatedData, Place, StepPath, push_bytes, push_length};
use crate::bytes::{FieldPath, KeyId, Location};
use crate::keys::TokenKey;
use crate::store::{Value, ValueType};

/// The code of one value for a digest.
pub(super) fn code(
    key: &TokenKey,
    location: &Location,
    sealed_with: KeyId,
    at: &FieldPath,
    value: Result<&Value, &Zeroizing<Vec<u8>>>,
) -> [u8; 32] {
    let mut place = AssociatedData::new(Place::Document(location), &sealed_with);
    let mut message = Zeroizing::new(place.of_field(&StepPath::from(at)).to_vec());
    match value {
        Ok(value) => push(&mut message, value),
        Err(plaintext) => {
            message.push(255);
            push_bytes(&mut message, plaintext);
        }
    }
    key.token(&message)
}

fn push(out: &mut Vec<u8>, value: &Value) {
    match &value.value_type {
        Some(ValueType::BooleanValue(truth)) => out.extend([1, u8::from(*truth)]),
        Some(ValueType::IntegerValue(number)) => tagged(out, 2, &number.to_le_bytes()),
        Some(ValueType::DoubleValue(number)) => tagged(out, 3, &number.to_bits().to_le_bytes()),
        Some(ValueType::TimestampValue(time)) => {
            tagged(out, 4, &time.seconds.to_le_bytes());
            out.extend(time.nanos.to_le_bytes());
        }
        Some(ValueType::StringValue(text)) => sized(out, 5, text.as_bytes()),
        Some(ValueType::BytesValue(bytes)) => sized(out, 6, bytes),
        Some(ValueType::ReferenceValue(name)) => sized(out, 7, name.as_bytes()),
        Some(ValueType::GeoPointValue(point)) => {
            tagged(out, 8, &point.latitude.to_bits().to_le_bytes());
            out.extend(point.longitude.to_bits().to_le_bytes());
        }
        Some(ValueType::ArrayValue(array)) => {
            out.push(9);
            push_length(out, array.values.len());
            array.values.iter().for_each(|value| push(out, value));
        }
        Some(ValueType::MapValue(map)) => {
            out.push(10);
            push_length(out, map.fields.len());
            for (name, value) in map.fields.iter().collect::<BTreeMap<_, _>>() {
                push_bytes(out, name.as_bytes());
                push(out, value);
            }
        }
        // What only stands in queries is never stored.
        _ => out.push(0),
    }
}

fn tagged(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    out.push(tag);
    out.extend_from_slice(content);
}

fn sized(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    out.push(tag);
    push_bytes(out, content);
}
