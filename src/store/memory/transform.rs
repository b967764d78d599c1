//! What a transform makes of a field, as Firestore does it.

use crate::store::document::ValueType;
use crate::store::query::compare_values;
use crate::store::value::array_of;
use crate::store::{Time, TransformKind, Value};

/// The field's new value.
pub(super) fn transformed(kind: TransformKind, old: Option<&Value>, now: Time) -> Value {
    let old_number = old.filter(|old| is_number(old));
    match kind {
        TransformKind::ServerTime => {
            let time = Time { nanos: now.nanos - now.nanos % 1_000_000, ..now };
            Value { value_type: Some(ValueType::TimestampValue(time)) }
        }
        TransformKind::Increment(by) => match old_number {
            Some(old) => sum(old, &by),
            None => by,
        },
        TransformKind::Maximum(number) => match old_number {
            // NaN counts as the largest here, though it is the least in an order.
            Some(old) if is_nan(old) => old.clone(),
            Some(old) if compare_values(&number, old).is_le() && !is_nan(&number) => old.clone(),
            _ => number,
        },
        TransformKind::Minimum(number) => match old_number {
            Some(old) if compare_values(&number, old).is_ge() => old.clone(),
            _ => number,
        },
        TransformKind::Union(values) => {
            let mut elements = elements(old);
            for value in values {
                if !holds(&elements, &value) {
                    elements.push(value);
                }
            }
            array_of(elements)
        }
        TransformKind::Remove(values) => {
            let mut elements = elements(old);
            elements.retain(|element| !holds(&values, element));
            array_of(elements)
        }
    }
}

fn elements(old: Option<&Value>) -> Vec<Value> {
    match old.and_then(|old| old.value_type.as_ref()) {
        Some(ValueType::ArrayValue(array)) => array.values.clone(),
        _ => Vec::new(),
    }
}

fn holds(elements: &[Value], value: &Value) -> bool {
    elements.iter().any(|element| compare_values(element, value).is_eq())
}

fn is_number(value: &Value) -> bool {
    matches!(value.value_type, Some(ValueType::IntegerValue(_) | ValueType::DoubleValue(_)))
}

fn is_nan(value: &Value) -> bool {
    matches!(value.value_type, Some(ValueType::DoubleValue(number)) if number.is_nan())
}

/// Of two integers an integer, which stops at the ends of its range; else a double.
fn sum(left: &Value, right: &Value) -> Value {
    let sum = match (&left.value_type, &right.value_type) {
        (Some(ValueType::IntegerValue(left)), Some(ValueType::IntegerValue(right))) => {
            ValueType::IntegerValue(left.saturating_add(*right))
        }
        _ => ValueType::DoubleValue(double(left) + double(right)),
    };
    Value { value_type: Some(sum) }
}

fn double(value: &Value) -> f64 {
    match value.value_type {
        #[expect(clippy::cast_precision_loss, reason = "as Firestore does")]
        Some(ValueType::IntegerValue(number)) => number as f64,
        Some(ValueType::DoubleValue(number)) => number,
        _ => f64::NAN,
    }
}
