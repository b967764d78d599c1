//! The order of documents, and positions in it.

use std::cmp::Ordering;

use super::super::document::Document;
use super::matches::{field_value, matches};
use super::values::compare_values;
use super::{Cursor, Direction, FieldRef, Order, Query};

/// Compares two documents in an order, and by their names, in the last order's direction, where
/// that tells nothing. A missing field comes before every value.
#[must_use]
pub fn compare(order: &[Order], a: &Document, b: &Document) -> Ordering {
    let by_field = |order: &Order| {
        let found = match (field_value(&order.field, a), field_value(&order.field, b)) {
            (Some(a), Some(b)) => compare_values(&a, &b),
            (a, b) => a.is_some().cmp(&b.is_some()),
        };
        order.direction.turn(found)
    };
    let differing = order.iter().map(by_field).find(|order| order.is_ne());
    differing.unwrap_or_else(|| {
        let direction = order.last().map(|order| order.direction).unwrap_or_default();
        direction.turn(a.path.segments().cmp(b.path.segments()))
    })
}

/// Whether a document is one of a query's before its offset and limit are counted: the filter takes
/// it, it has every field of the order, and it stands between the cursors. The order is all of it.
pub(in crate::store) fn takes(query: &Query, document: &Document) -> bool {
    let has = |order: &Order| field_value(&order.field, document).is_some();
    let after_start = |start: &Cursor| {
        let at = position(start, &query.order, document);
        if start.before { at.is_ge() } else { at.is_gt() }
    };
    let before_end = |end: &Cursor| {
        let at = position(end, &query.order, document);
        if end.before { at.is_lt() } else { at.is_le() }
    };
    query.filter.as_ref().is_none_or(|filter| matches(filter, document))
        && query.order.iter().all(has)
        && query.start.as_ref().is_none_or(after_start)
        && query.end.as_ref().is_none_or(before_end)
}

/// Where a document stands against the values of a cursor: equal to them as far as they go.
fn position(cursor: &Cursor, order: &[Order], document: &Document) -> Ordering {
    let by_field = |(value, order): (_, &Order)| {
        let found = field_value(&order.field, document)?;
        Some(order.direction.turn(compare_values(&found, value)))
    };
    let mut orders = cursor.values.iter().zip(order).filter_map(by_field);
    orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

impl Cursor {
    /// The position just after a document; `None` where it lacks a field of the order.
    pub(in crate::store) fn after(document: &Document, order: &[Order]) -> Option<Self> {
        let value = |order: &Order| field_value(&order.field, document).map(|value| value.into_owned());
        let values = order.iter().map(value).collect::<Option<Vec<_>>>()?;
        Some(Self { values, before: false })
    }
}

impl Direction {
    fn turn(self, order: Ordering) -> Ordering {
        match self {
            Self::Ascending => order,
            Self::Descending => order.reverse(),
        }
    }
}

impl Query {
    /// The paths of the fields that the order is by.
    pub(in crate::store) fn order_paths(&self) -> impl Iterator<Item = &Vec<String>> {
        self.order.iter().filter_map(|order| match &order.field {
            FieldRef::Path(path) => Some(path),
            FieldRef::Name => None,
        })
    }
}
