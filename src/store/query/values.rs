//! Firestore's total order of values, across types too.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::super::document::{Fields, Value, ValueType};

/// Compares two values in Firestore's total order: null, booleans, numbers (NaN first, integers and
/// doubles by what they are worth), times, text (by its UTF-8 bytes), bytes, references, geo points,
/// arrays, vectors, maps.
#[must_use]
pub fn compare_values(a: &Value, b: &Value) -> Ordering {
    use ValueType::{
        ArrayValue, BooleanValue, BytesValue, DoubleValue, GeoPointValue, IntegerValue, MapValue,
        ReferenceValue, StringValue, TimestampValue,
    };
    let by_type = rank(a).cmp(&rank(b));
    let (Some(a), Some(b)) = (&a.value_type, &b.value_type) else { return by_type };
    by_type.then_with(|| match (a, b) {
        (BooleanValue(a), BooleanValue(b)) => a.cmp(b),
        (IntegerValue(a), IntegerValue(b)) => a.cmp(b),
        (DoubleValue(a), DoubleValue(b)) => doubles(*a, *b),
        (IntegerValue(a), DoubleValue(b)) => integer_and_double(*a, *b),
        (DoubleValue(a), IntegerValue(b)) => integer_and_double(*b, *a).reverse(),
        (TimestampValue(a), TimestampValue(b)) => (a.seconds, a.nanos).cmp(&(b.seconds, b.nanos)),
        (StringValue(a), StringValue(b)) => a.cmp(b),
        (BytesValue(a), BytesValue(b)) => a.cmp(b),
        (ReferenceValue(a), ReferenceValue(b)) => a.split('/').cmp(b.split('/')),
        (GeoPointValue(a), GeoPointValue(b)) => {
            doubles(a.latitude, b.latitude).then(doubles(a.longitude, b.longitude))
        }
        (ArrayValue(a), ArrayValue(b)) => arrays(&a.values, &b.values),
        (MapValue(a), MapValue(b)) => match (vector(&a.fields), vector(&b.fields)) {
            (Some(a), Some(b)) => a.len().cmp(&b.len()).then_with(|| arrays(a, b)),
            _ => maps(&a.fields, &b.fields),
        },
        _ => Ordering::Equal,
    })
}

/// Whether two values are of one type, so that one can be less than the other in a filter.
pub(super) fn same_type(a: &Value, b: &Value) -> bool {
    rank(a) == rank(b)
}

pub(super) fn is_null(value: &Value) -> bool {
    matches!(value.value_type, None | Some(ValueType::NullValue(_)))
}

pub(super) fn is_nan(value: &Value) -> bool {
    matches!(value.value_type, Some(ValueType::DoubleValue(number)) if number.is_nan())
}

/// The place of a value's type in the order of types.
fn rank(value: &Value) -> u8 {
    let Some(value) = &value.value_type else { return 0 };
    match value {
        ValueType::NullValue(_) => 0,
        ValueType::BooleanValue(_) => 1,
        ValueType::IntegerValue(_) | ValueType::DoubleValue(_) => 2,
        ValueType::TimestampValue(_) => 3,
        ValueType::StringValue(_) => 4,
        ValueType::BytesValue(_) => 5,
        ValueType::ReferenceValue(_) => 6,
        ValueType::GeoPointValue(_) => 7,
        ValueType::ArrayValue(_) => 8,
        ValueType::MapValue(map) if vector(&map.fields).is_some() => 9,
        ValueType::MapValue(_) => 10,
        // Expressions of pipelines: never stored.
        _ => 11,
    }
}

fn doubles(a: f64, b: f64) -> Ordering {
    // What does not compare is NaN, on one side or on both.
    a.partial_cmp(&b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
}

/// Compares without rounding: not every integer is a double.
fn integer_and_double(integer: i64, double: f64) -> Ordering {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0; // i64::MAX + 1
    if double.is_nan() || double < -BEYOND {
        return Ordering::Greater;
    }
    if double >= BEYOND {
        return Ordering::Less;
    }
    #[expect(clippy::cast_possible_truncation, reason = "it is whole, and within i64 as compared above")]
    let whole = double.trunc() as i64;
    integer.cmp(&whole).then_with(|| doubles(0.0, double.fract()))
}

fn arrays(a: &[Value], b: &[Value]) -> Ordering {
    let differing = a.iter().zip(b).map(|(a, b)| compare_values(a, b)).find(|order| order.is_ne());
    differing.unwrap_or_else(|| a.len().cmp(&b.len()))
}

/// By their entries in the order of the keys: key, then value, then the number of entries.
fn maps(a: &Fields, b: &Fields) -> Ordering {
    let (a, b) = (sorted(a), sorted(b));
    let differing = a
        .iter()
        .zip(&b)
        .map(|((a_key, a), (b_key, b))| a_key.cmp(b_key).then_with(|| compare_values(a, b)))
        .find(|order| order.is_ne());
    differing.unwrap_or_else(|| a.len().cmp(&b.len()))
}

fn sorted(fields: &HashMap<String, Value>) -> Vec<(&String, &Value)> {
    let mut entries: Vec<_> = fields.iter().collect();
    entries.sort_unstable_by_key(|(name, _)| *name);
    entries
}

/// The numbers of a map that stands for a vector.
fn vector(fields: &Fields) -> Option<&[Value]> {
    let is_vector = |value: &Value| match &value.value_type {
        Some(ValueType::StringValue(text)) => text == "__vector__",
        _ => false,
    };
    match (fields.get("__type__").filter(|value| is_vector(value)), &fields.get("value")?.value_type) {
        (Some(_), Some(ValueType::ArrayValue(array))) => Some(&array.values),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use firestore::gcloud_sdk::google::firestore::v1::{ArrayValue, MapValue};

    use super::*;

    fn val(value: ValueType) -> Value {
        Value { value_type: Some(value) }
    }

    fn int(number: i64) -> Value {
        val(ValueType::IntegerValue(number))
    }

    fn double(number: f64) -> Value {
        val(ValueType::DoubleValue(number))
    }

    fn text(text: &str) -> Value {
        val(ValueType::StringValue(text.to_owned()))
    }

    fn array(values: Vec<Value>) -> Value {
        val(ValueType::ArrayValue(ArrayValue { values }))
    }

    fn map(fields: &[(&str, Value)]) -> Value {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        val(ValueType::MapValue(MapValue { fields }))
    }

    #[test]
    fn values_are_in_firestores_order() {
        let rising = [
            val(ValueType::NullValue(0)),
            val(ValueType::BooleanValue(false)),
            val(ValueType::BooleanValue(true)),
            double(f64::NAN),
            double(f64::NEG_INFINITY),
            double(-9_223_372_036_854_777_856.0),
            int(i64::MIN),
            double(-1.5),
            int(-1),
            double(-0.5),
            int(0),
            double(0.5),
            double(9_007_199_254_740_992.0),
            int(9_007_199_254_740_993),
            int(i64::MAX),
            double(9_223_372_036_854_775_808.0),
            double(f64::INFINITY),
            val(ValueType::TimestampValue(super::super::super::Time { seconds: 1, nanos: 5 })),
            text(""),
            text("a"),
            text("b"),
            text("\u{ffee}"),
            text("\u{1f600}"),
            val(ValueType::BytesValue(vec![0, 1])),
            val(ValueType::BytesValue(vec![1])),
            val(ValueType::ReferenceValue("c/a/d/e".to_owned())),
            val(ValueType::ReferenceValue("c/a!".to_owned())),
            array(vec![]),
            array(vec![int(1)]),
            array(vec![int(1), int(0)]),
            array(vec![int(2)]),
            map(&[("__type__", text("__vector__")), ("value", array(vec![double(9.0)]))]),
            map(&[("__type__", text("__vector__")), ("value", array(vec![double(1.0), double(1.0)]))]),
            map(&[]),
            map(&[("a", int(1))]),
            map(&[("a", int(1)), ("b", int(0))]),
            map(&[("a", int(2))]),
            map(&[("b", int(0))]),
        ];
        for (at, a) in rising.iter().enumerate() {
            for (other, b) in rising.iter().enumerate() {
                assert_eq!(compare_values(a, b), at.cmp(&other), "{a:?} {b:?}");
            }
        }
        assert!(compare_values(&double(-0.0), &int(0)).is_eq());
    }
}
