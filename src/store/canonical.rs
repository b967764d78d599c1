//! The canonical form of stored values: what Firestore changes by itself is the same in it, nothing else is.
//!
//! `docs/format.md` has the table. All integers are little-endian.

use sha2::{Digest, Sha256};

use super::{Fields, Value, ValueType};

const NULL: u8 = 0;
const BOOLEAN: u8 = 1;
const INTEGER: u8 = 2;
const DOUBLE: u8 = 3;
const TIMESTAMP: u8 = 4;
const STRING: u8 = 5;
const BYTES: u8 = 6;
const REFERENCE: u8 = 7;
const POINT: u8 = 8;
const ARRAY: u8 = 9;
const MAP: u8 = 10;

/// The value is of a kind that no document holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotStored;

/// Appends a value in its canonical form.
pub(crate) fn push_canonical(out: &mut Vec<u8>, value: &Value) -> Result<(), NotStored> {
    match value.value_type.as_ref().ok_or(NotStored)? {
        ValueType::NullValue(_) => out.push(NULL),
        ValueType::BooleanValue(truth) => out.extend([BOOLEAN, u8::from(*truth)]),
        ValueType::IntegerValue(number) => {
            out.push(INTEGER);
            out.extend(number.to_le_bytes());
        }
        ValueType::DoubleValue(number) => {
            out.push(DOUBLE);
            push_double(out, *number);
        }
        ValueType::TimestampValue(time) => {
            out.push(TIMESTAMP);
            out.extend(time.seconds.to_le_bytes());
            out.extend((time.nanos / 1_000).to_le_bytes());
        }
        ValueType::StringValue(text) => {
            out.push(STRING);
            push_bytes(out, text.as_bytes())?;
        }
        ValueType::BytesValue(bytes) => {
            out.push(BYTES);
            push_length(out, bytes.len())?;
            out.extend_from_slice(&Sha256::digest(bytes));
        }
        ValueType::ReferenceValue(name) => {
            out.push(REFERENCE);
            push_bytes(out, name.as_bytes())?;
        }
        ValueType::GeoPointValue(at) => {
            out.push(POINT);
            push_double(out, at.latitude);
            push_double(out, at.longitude);
        }
        ValueType::ArrayValue(array) => {
            out.push(ARRAY);
            push_length(out, array.values.len())?;
            for value in &array.values {
                push_canonical(out, value)?;
            }
        }
        ValueType::MapValue(map) => push_canonical_map(out, &map.fields, |_| true)?,
        // Parts of queries, which Firestore takes in no document.
        _ => return Err(NotStored),
    }
    Ok(())
}

/// Appends the entries of a map that are to be in it.
pub(crate) fn push_canonical_map(
    out: &mut Vec<u8>,
    fields: &Fields,
    holds: impl Fn(&str) -> bool,
) -> Result<(), NotStored> {
    let mut entries: Vec<_> = fields.iter().filter(|(name, _)| holds(name)).collect();
    entries.sort_unstable_by_key(|(name, _)| name.as_bytes());
    out.push(MAP);
    push_length(out, entries.len())?;
    for (name, value) in entries {
        push_bytes(out, name.as_bytes())?;
        push_canonical(out, value)?;
    }
    Ok(())
}

fn push_double(out: &mut Vec<u8>, number: f64) {
    // Every NaN becomes one, and -0.0 becomes 0.0.
    let number = if number.is_nan() { f64::from_bits(0x7ff8_0000_0000_0000) } else { number + 0.0 };
    out.extend(number.to_bits().to_le_bytes());
}

fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), NotStored> {
    push_length(out, bytes.len())?;
    out.extend_from_slice(bytes);
    Ok(())
}

fn push_length(out: &mut Vec<u8>, length: usize) -> Result<(), NotStored> {
    // A document has a megabyte; a store that lies may answer with more.
    out.extend(u32::try_from(length).map_err(|_| NotStored)?.to_le_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Time;
    use crate::store::value::{array_of, map_of};

    fn canonical(value: ValueType) -> Vec<u8> {
        let mut out = Vec::new();
        push_canonical(&mut out, &Value { value_type: Some(value) }).expect("stored");
        out
    }

    fn text(text: &str) -> Value {
        Value { value_type: Some(ValueType::StringValue(text.to_owned())) }
    }

    #[test]
    fn every_kind_has_the_documented_form() {
        assert_eq!(canonical(ValueType::NullValue(0)), [0]);
        assert_eq!(canonical(ValueType::BooleanValue(true)), [1, 1]);
        assert_eq!(canonical(ValueType::IntegerValue(-2)), [2, 254, 255, 255, 255, 255, 255, 255, 255]);
        assert_eq!(canonical(ValueType::DoubleValue(1.0)), [3, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f]);
        let time = Time { seconds: -1, nanos: 1_234_567 };
        assert_eq!(
            canonical(ValueType::TimestampValue(time)),
            *b"\x04\xff\xff\xff\xff\xff\xff\xff\xff\xd2\x04\0\0"
        );
        assert_eq!(canonical(ValueType::StringValue("é".to_owned())), *b"\x05\x02\0\0\0\xc3\xa9");
        let bytes = [&b"\x06\x03\0\0\0"[..], &Sha256::digest(b"abc")].concat();
        assert_eq!(canonical(ValueType::BytesValue(b"abc".to_vec())), bytes);
        assert_eq!(canonical(ValueType::ReferenceValue("a/b".to_owned())), *b"\x07\x03\0\0\0a/b");
        let array = array_of(vec![text("a"), text("")]).value_type.expect("an array");
        assert_eq!(canonical(array), *b"\x09\x02\0\0\0\x05\x01\0\0\0a\x05\0\0\0\0");
        let map = Fields::from([
            ("b".to_owned(), text("1")),
            ("a".to_owned(), text("2")),
            ("é".to_owned(), text("")),
        ]);
        let map = map_of(map).value_type.expect("a map");
        let expected = b"\x0a\x03\0\0\0\x01\0\0\0a\x05\x01\0\0\x002\x01\0\0\0b\x05\x01\0\0\x001\x02\0\0\0\xc3\xa9\x05\0\0\0\0";
        assert_eq!(canonical(map), expected);
    }

    #[test]
    fn what_firestore_changes_is_the_same() {
        let double = |number| canonical(ValueType::DoubleValue(number));
        assert_eq!(double(-0.0), double(0.0));
        assert_eq!(double(f64::from_bits(0xfff8_0000_dead_beef)), double(f64::NAN));
        assert_eq!(double(f64::from_bits(0x7ff0_0000_0000_0001)), double(f64::NAN));
        assert_ne!(double(f64::INFINITY), double(f64::NAN));
        let time = |nanos| canonical(ValueType::TimestampValue(Time { seconds: 7, nanos }));
        assert_eq!(time(1_999), time(1_000));
        assert_ne!(time(2_000), time(1_000));
    }

    #[test]
    fn no_two_values_share_a_form() {
        let texts =
            |texts: &[&str]| array_of(texts.iter().map(|one| text(one)).collect()).value_type.expect("one");
        let different = [
            texts(&["a", "b"]),
            texts(&["ab"]),
            texts(&["b", "a"]),
            texts(&["a", "b", ""]),
            ValueType::StringValue("a".to_owned()),
            ValueType::BytesValue(b"a".to_vec()),
            ValueType::ReferenceValue("a".to_owned()),
            ValueType::IntegerValue(1),
            ValueType::DoubleValue(1.0),
            ValueType::BooleanValue(true),
            ValueType::NullValue(0),
            ValueType::StringValue("null".to_owned()),
            map_of(Fields::new()).value_type.expect("a map"),
            texts(&[]),
        ];
        for (position, one) in different.iter().enumerate() {
            for other in &different[..position] {
                assert_ne!(canonical(one.clone()), canonical(other.clone()), "{one:?}, {other:?}");
            }
        }
    }

    #[test]
    fn what_no_document_holds_has_none() {
        let mut out = Vec::new();
        assert_eq!(push_canonical(&mut out, &Value { value_type: None }), Err(NotStored));
        let query = ValueType::FieldReferenceValue("a".to_owned());
        assert_eq!(push_canonical(&mut out, &Value { value_type: Some(query) }), Err(NotStored));
    }
}
