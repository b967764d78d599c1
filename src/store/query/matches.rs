//! Whether a document is one that a filter takes, as Firestore decides it.

use std::borrow::Cow;

use super::super::document::{Document, Value, ValueType, value_at};
use super::values::{compare_values, is_nan, is_null, same_type};
use super::{FieldRef, Filter, Is, Op};

/// Whether a filter takes a document: Firestore's answer, computed here.
#[must_use]
pub fn matches(filter: &Filter, document: &Document) -> bool {
    match filter {
        Filter::All(filters) => filters.iter().all(|filter| matches(filter, document)),
        Filter::Any(filters) => filters.iter().any(|filter| matches(filter, document)),
        Filter::Field { field, op, value } => {
            field_value(field, document).is_some_and(|found| holds(&found, *op, value))
        }
        Filter::Is { field, is } => field_value(field, document).is_some_and(|found| match is {
            Is::Null => is_null(&found),
            Is::NotNull => !is_null(&found),
            Is::Nan => is_nan(&found),
            Is::NotNan => !is_nan(&found) && !is_null(&found),
        }),
    }
}

/// The value that a filter or an order is about; `None` where the document does not have it.
pub(super) fn field_value<'a>(field: &FieldRef, document: &'a Document) -> Option<Cow<'a, Value>> {
    match field {
        FieldRef::Path(path) => value_at(&document.fields, path).map(Cow::Borrowed),
        FieldRef::Name => {
            let name = ValueType::ReferenceValue(document.path.as_str().to_owned());
            Some(Cow::Owned(Value { value_type: Some(name) }))
        }
    }
}

fn holds(found: &Value, op: Op, value: &Value) -> bool {
    let equal = |other: &Value| comparable(found) && compare_values(found, other).is_eq();
    let of_type = comparable(found) && same_type(found, value);
    let compared = || of_type.then(|| compare_values(found, value));
    match op {
        Op::Equal => equal(value),
        Op::NotEqual => !is_null(found) && !equal(value),
        Op::Less => compared().is_some_and(|order| order.is_lt()),
        Op::LessOrEqual => compared().is_some_and(|order| order.is_le()),
        Op::Greater => compared().is_some_and(|order| order.is_gt()),
        Op::GreaterOrEqual => compared().is_some_and(|order| order.is_ge()),
        Op::In => elements(value).iter().any(equal),
        Op::NotIn => !is_null(found) && !elements(value).iter().any(|other| is_null(other) || equal(other)),
        Op::Contains => holds_any(found, std::slice::from_ref(value)),
        Op::ContainsAny => holds_any(found, elements(value)),
    }
}

/// Whether an array holds one of these values.
fn holds_any(array: &Value, values: &[Value]) -> bool {
    let wanted = |element: &Value| values.iter().any(|value| compare_values(element, value).is_eq());
    elements(array).iter().any(|element| comparable(element) && wanted(element))
}

/// Null and NaN equal nothing, themselves included, and are less than nothing: only [`Is`] finds them.
fn comparable(value: &Value) -> bool {
    !is_null(value) && !is_nan(value)
}

/// The elements of an array; none of what is no array.
pub(super) fn elements(value: &Value) -> &[Value] {
    match &value.value_type {
        Some(ValueType::ArrayValue(array)) => &array.values,
        _ => &[],
    }
}
