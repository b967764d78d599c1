//! What Firestore takes as a query, checked before anything is sent.

use std::collections::BTreeSet;

use super::super::StoreError;
use super::super::document::{FieldMask, Value, ValueType};
use super::matches::elements;
use super::values::{is_nan, is_null};
use super::{Aggregation, Cursor, FieldRef, Filter, From, Is, Op, Query};
use crate::bytes::{DocumentPath, check_id};

/// How many conjunctions a filter comes to at most when all its `or`s, `in`s and
/// `array-contains-any`s are multiplied out.
pub(crate) const MAX_DISJUNCTIONS: usize = 30;

/// How many values a `not-in` takes.
pub(crate) const MAX_NOT_IN: usize = 10;

/// How many fields may be compared other than for equality.
const MAX_INEQUALITY_FIELDS: usize = 10;

/// How many filters and orders a query has at most, both together with the document above it.
const MAX_PARTS: usize = 100;

/// How many aggregations run over one query.
const MAX_AGGREGATIONS: usize = 5;

/// Refuses a query that Firestore would refuse whatever it holds.
///
/// # Errors
/// [`StoreError::Refused`], with what is wrong and what to do.
pub(crate) fn check(query: &Query) -> Result<(), StoreError> {
    if let From::Group { id, .. } = &query.from {
        check_id(id).map_err(|error| StoreError::Refused { reason: error.to_string() })?;
    }
    if let Some(mask) = &query.mask {
        mask.check()?;
    }
    if i32::try_from(query.offset).is_err() || query.limit.is_some_and(|limit| i32::try_from(limit).is_err())
    {
        return refused(format!("an offset or a limit is at most {}", i32::MAX));
    }
    let above = match &query.from {
        From::Collection(collection) => usize::from(collection.parent().is_some()),
        From::Group { under, .. } => 2 * usize::from(under.is_some()), // a range of names
    };
    let mut parts = query.order.len() + above;
    if let Some(filter) = &query.filter {
        check_filter(filter)?;
        check_together(filter, &query.from)?;
        parts += filter.parts();
    }
    if parts > MAX_PARTS {
        return refused(format!("{parts} filters and orders in one query; {MAX_PARTS} are the most"));
    }
    check_order(query)?;
    let cursors = [&query.start, &query.end];
    cursors.into_iter().flatten().try_for_each(|cursor| check_cursor(cursor, query))
}

/// Refuses aggregations that Firestore would refuse over a query with its whole order, and those
/// that would not be over the documents that the query gives: Firestore orders by the fields of
/// aggregations, and only then counts offset and limit.
///
/// # Errors
/// As [`check`].
pub(crate) fn check_aggregations(query: &Query, over: &[Aggregation]) -> Result<(), StoreError> {
    if over.is_empty() || over.len() > MAX_AGGREGATIONS {
        let count = over.len();
        return refused(format!("{count} aggregations over one query; it takes 1 to {MAX_AGGREGATIONS}"));
    }
    let part = query.limit.is_some() || query.offset > 0 || query.start.is_some() || query.end.is_some();
    for field in over.iter().filter_map(Aggregation::field) {
        check_field(&field)?;
        if part && query.order.iter().all(|order| order.field != field) {
            return refused(
                "a sum or an average over a part of a query needs its field in the query's order",
            );
        }
    }
    Ok(())
}

/// How many conjunctions the filter comes to when it is multiplied out: what counts against
/// [`MAX_DISJUNCTIONS`].
pub(crate) fn disjunctions(filter: &Filter) -> usize {
    match filter {
        Filter::All(filters) => filters.iter().map(disjunctions).fold(1, usize::saturating_mul),
        Filter::Any(filters) => filters.iter().map(disjunctions).fold(0, usize::saturating_add),
        Filter::Field { op: Op::In | Op::ContainsAny, value, .. } => elements(value).len(),
        Filter::Field { .. } | Filter::Is { .. } => 1,
    }
}

fn refused<T>(reason: impl Into<String>) -> Result<T, StoreError> {
    Err(StoreError::Refused { reason: reason.into() })
}

fn check_path(path: &[String]) -> Result<(), StoreError> {
    FieldMask::new(vec![path.to_vec()]).check()
}

fn check_field(field: &FieldRef) -> Result<(), StoreError> {
    match field {
        FieldRef::Path(path) => check_path(path),
        FieldRef::Name => Ok(()),
    }
}

/// Each filter for itself.
fn check_filter(filter: &Filter) -> Result<(), StoreError> {
    match filter {
        Filter::All(filters) | Filter::Any(filters) if filters.is_empty() => {
            refused("an `and` or `or` of no filters; leave it out")
        }
        Filter::All(filters) | Filter::Any(filters) => filters.iter().try_for_each(check_filter),
        Filter::Is { field: FieldRef::Name, .. } => refused("a document's name is neither null nor NaN"),
        Filter::Is { field, .. } => check_field(field),
        Filter::Field { field, op, value } => {
            check_field(field)?;
            check_operand(field, *op, value)
        }
    }
}

fn check_operand(field: &FieldRef, op: Op, value: &Value) -> Result<(), StoreError> {
    let values = match op {
        Op::In | Op::NotIn | Op::ContainsAny => {
            let values = elements(value);
            if values.is_empty() {
                return refused(
                    "`in`, `not-in` and `array-contains-any` need an array of at least one value",
                );
            }
            if op == Op::NotIn && values.len() > MAX_NOT_IN {
                let count = values.len();
                return refused(format!("`not-in` with {count} values; {MAX_NOT_IN} are the most"));
            }
            values
        }
        _ => std::slice::from_ref(value),
    };
    if *field == FieldRef::Name {
        if matches!(op, Op::Contains | Op::ContainsAny) {
            return refused("a document's name is no array");
        }
        return values.iter().try_for_each(check_name);
    }
    let compares = op == Op::Equal || (op.is_inequality() && op != Op::NotIn);
    if compares && (is_null(value) || is_nan(value)) {
        return refused("no field is compared with null or NaN; ask whether it is null or NaN");
    }
    Ok(())
}

/// A value that a document's name is compared with.
fn check_name(value: &Value) -> Result<(), StoreError> {
    match &value.value_type {
        Some(ValueType::ReferenceValue(path)) if DocumentPath::parse(path).is_ok() => Ok(()),
        _ => refused("a document's name is compared with references that hold paths of this database"),
    }
}

/// What the filters of a query may be together.
fn check_together(filter: &Filter, from: &From) -> Result<(), StoreError> {
    let count = disjunctions(filter);
    if count > MAX_DISJUNCTIONS {
        return refused(format!(
            "the filter comes to {count} disjunctions when its `or`s, `in`s and `array-contains-any`s are multiplied; {MAX_DISJUNCTIONS} are the most"
        ));
    }
    if filter.arrays_in_one_conjunction() > 1 {
        return refused("one `array-contains` or `array-contains-any` in each conjunction is the most");
    }
    let kinds = Kinds::of(filter);
    if kinds.negations > 1 {
        return refused("one `!=`, `not-in`, `is not null` or `is not NaN` in a query is the most");
    }
    if kinds.not_in && kinds.disjunctive {
        return refused("`not-in` stands with neither `or`, `in` nor `array-contains-any`");
    }
    let mut fields = BTreeSet::new();
    filter.inequalities(&mut fields);
    if matches!(from, From::Group { under: Some(_), .. }) {
        fields.insert(&FieldRef::Name);
    }
    if fields.len() > MAX_INEQUALITY_FIELDS {
        let count = fields.len();
        return refused(format!("inequalities on {count} fields; {MAX_INEQUALITY_FIELDS} are the most"));
    }
    Ok(())
}

fn check_order(query: &Query) -> Result<(), StoreError> {
    let mut seen = BTreeSet::new();
    for (at, order) in query.order.iter().enumerate() {
        check_field(&order.field)?;
        if !seen.insert(&order.field) {
            return refused("a field stands twice in the order");
        }
        if order.field == FieldRef::Name && at + 1 < query.order.len() {
            return refused("nothing is ordered after the document's name: no two are the same");
        }
    }
    let mut compared = BTreeSet::new();
    if let Some(filter) = &query.filter {
        filter.inequalities(&mut compared);
        if !compared.is_empty() && !compared.contains(&FieldRef::Name) && filter.equals_name() {
            return refused("the document's name cannot equal a value where other fields have inequalities");
        }
    }
    if compared.difference(&seen).next().is_some() {
        return refused("a field with an inequality stands in the order, before the document's name");
    }
    Ok(())
}

fn check_cursor(cursor: &Cursor, query: &Query) -> Result<(), StoreError> {
    if cursor.values.is_empty() {
        return refused("a cursor without values is no position");
    }
    if cursor.values.len() > query.order.len() {
        let (values, orders) = (cursor.values.len(), query.order.len());
        return refused(format!("a cursor of {values} values against an order of {orders} fields"));
    }
    let names = query.order.iter().zip(&cursor.values).filter(|(order, _)| order.field == FieldRef::Name);
    names.map(|(_, value)| value).try_for_each(check_name)
}

/// Which kinds of filters a filter has.
#[derive(Default)]
struct Kinds {
    negations: usize,
    not_in: bool,
    disjunctive: bool,
}

impl Kinds {
    fn of(filter: &Filter) -> Self {
        let mut kinds = Self::default();
        kinds.add(filter);
        kinds
    }

    fn add(&mut self, filter: &Filter) {
        match filter {
            Filter::All(filters) => filters.iter().for_each(|filter| self.add(filter)),
            Filter::Any(filters) => {
                self.disjunctive = true;
                filters.iter().for_each(|filter| self.add(filter));
            }
            Filter::Field { op, .. } => {
                self.negations += usize::from(matches!(op, Op::NotEqual | Op::NotIn));
                self.not_in |= *op == Op::NotIn;
                self.disjunctive |= matches!(op, Op::In | Op::ContainsAny);
            }
            Filter::Is { is, .. } => {
                self.negations += usize::from(matches!(is, Is::NotNull | Is::NotNan));
            }
        }
    }
}

impl Filter {
    /// How many single filters it has.
    fn parts(&self) -> usize {
        match self {
            Self::All(filters) | Self::Any(filters) => filters.iter().map(Self::parts).sum(),
            Self::Field { .. } | Self::Is { .. } => 1,
        }
    }

    /// Whether a part of it asks for given names.
    fn equals_name(&self) -> bool {
        match self {
            Self::All(filters) | Self::Any(filters) => filters.iter().any(Self::equals_name),
            Self::Field { field, op, .. } => *field == FieldRef::Name && !op.is_inequality(),
            Self::Is { .. } => false,
        }
    }

    /// The most array filters that any one of its conjunctions has.
    fn arrays_in_one_conjunction(&self) -> usize {
        match self {
            Self::All(filters) => filters.iter().map(Self::arrays_in_one_conjunction).sum(),
            Self::Any(filters) => {
                filters.iter().map(Self::arrays_in_one_conjunction).max().unwrap_or_default()
            }
            Self::Field { op: Op::Contains | Op::ContainsAny, .. } => 1,
            Self::Field { .. } | Self::Is { .. } => 0,
        }
    }
}
