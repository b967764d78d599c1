//! Queries over documents in memory.

use std::collections::BTreeMap;

use super::super::query::{aggregate, rules, takes};
use super::super::{Aggregation, Document, Query, StoreError, Value, compare};
use super::masked;

/// The documents of a query, in its order.
pub(super) fn select(
    documents: &BTreeMap<String, Document>,
    query: &Query,
) -> Result<Vec<Document>, StoreError> {
    let query = query.clone().with_implicit_order();
    rules::check(&query)?;
    let found = page(documents, &query).into_iter();
    Ok(found.map(|document| masked(document, query.mask.as_ref())).collect())
}

/// What the aggregations come to over the documents of a query.
pub(super) fn total(
    documents: &BTreeMap<String, Document>,
    query: &Query,
    over: &[Aggregation],
) -> Result<Vec<Value>, StoreError> {
    let found = page(documents, &query.for_aggregations(over)?);
    Ok(over.iter().map(|aggregation| aggregate(aggregation, &found)).collect())
}

/// The documents of a query with its whole order, when offset and limit have been counted.
fn page<'a>(documents: &'a BTreeMap<String, Document>, query: &Query) -> Vec<&'a Document> {
    let mut found: Vec<&Document> = documents
        .values()
        .filter(|document| query.from.holds(&document.path) && takes(query, document))
        .collect();
    found.sort_by(|a, b| compare(&query.order, a, b));
    let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let limit = query.limit.map_or(usize::MAX, count);
    found.into_iter().skip(count(query.offset)).take(limit).collect()
}
