//! Counts, sums and means over documents, as Firestore computes them.

use std::collections::BTreeSet;

use super::super::StoreError;
use super::super::document::{Document, Value, ValueType, value_at};
use super::{Aggregation, FieldRef, Order, Query, rules};

/// The value of one aggregation over these documents.
pub(in crate::store) fn aggregate(over: &Aggregation, documents: &[&Document]) -> Value {
    let value = match over {
        Aggregation::Count => ValueType::IntegerValue(i64::try_from(documents.len()).unwrap_or(i64::MAX)),
        Aggregation::Sum(path) => Total::of(path, documents).sum(),
        Aggregation::Average(path) => Total::of(path, documents).average(),
    };
    Value { value_type: Some(value) }
}

impl Query {
    /// The query whose documents Firestore aggregates over: the order is completed with the fields of
    /// the aggregations too, before the document's name, so that documents without one of them are
    /// left out. No mask: nothing travels.
    pub(in crate::store) fn for_aggregations(&self, over: &[Aggregation]) -> Result<Self, StoreError> {
        let mut query = Self { mask: None, ..self.clone() }.with_implicit_order();
        rules::check(&query)?;
        rules::check_aggregations(&query, over)?;
        let fields: BTreeSet<FieldRef> = over.iter().filter_map(Aggregation::field).collect();
        let direction = query.order.last().map(|order| order.direction).unwrap_or_default();
        for field in fields {
            if query.order.iter().all(|order| order.field != field) {
                query.order.insert(query.order.len().saturating_sub(1), Order { field, direction });
            }
        }
        Ok(query)
    }
}

impl Aggregation {
    /// The field that it is over.
    pub(super) fn field(&self) -> Option<FieldRef> {
        match self {
            Self::Count => None,
            Self::Sum(path) | Self::Average(path) => Some(FieldRef::Path(path.clone())),
        }
    }
}

/// The numbers of a field, added up: integers exactly, which 64 bits of documents cannot overflow.
#[derive(Default)]
struct Total {
    integers: i128,
    doubles: Option<f64>,
    count: u64,
}

impl Total {
    fn of(path: &[String], documents: &[&Document]) -> Self {
        let mut total = Self::default();
        for value in documents.iter().filter_map(|document| value_at(&document.fields, path)) {
            match value.value_type {
                Some(ValueType::IntegerValue(number)) => total.integers += i128::from(number),
                Some(ValueType::DoubleValue(number)) => {
                    total.doubles = Some(total.doubles.unwrap_or(0.0) + number);
                }
                _ => continue,
            }
            total.count += 1;
        }
        total
    }

    fn sum(&self) -> ValueType {
        match (self.doubles, i64::try_from(self.integers)) {
            (None, Ok(sum)) => ValueType::IntegerValue(sum),
            _ => ValueType::DoubleValue(self.rounded()),
        }
    }

    fn average(&self) -> ValueType {
        if self.count == 0 {
            return ValueType::NullValue(0);
        }
        ValueType::DoubleValue(self.rounded() / self.count as f64)
    }

    fn rounded(&self) -> f64 {
        self.integers as f64 + self.doubles.unwrap_or(0.0)
    }
}
