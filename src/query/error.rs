//! What cannot be asked.

use crate::bytes::{FieldPath, LocationError, Scope};
use crate::seal::{NotAskable, NotIndexable};
use crate::store::ClearValueError;

/// Why a query was not made. No message holds the value that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The value has no stored form.
    #[error("{field} cannot be compared with this value: {reason}")]
    Value {
        /// The field's stored path.
        field: FieldPath,
        /// Why not, and what to do.
        reason: &'static str,
    },
    /// The field cannot be changed by itself in this way.
    #[error("{field} cannot be changed like this: {reason}")]
    NotChanged {
        /// The field's stored path.
        field: FieldPath,
        /// Why not, and what to do.
        reason: &'static str,
    },
    /// The value has no place in the field's index.
    #[error("the index of {field} cannot be asked for this value: {source}")]
    NotIndexable {
        /// The field's stored path; for a compound index, its struct's path and its name.
        field: FieldPath,
        /// Why not.
        source: NotIndexable,
    },
    /// `None` is not stored, so no query finds it.
    #[error(
        "`None` leaves {field} out of the document and its index, and no query finds what is not there; store a \
         null (`#[serde(with = \"firestore::serialize_as_null\")]` on a clear field), or another clear field that \
         tells"
    )]
    Absent {
        /// The field's stored path.
        field: FieldPath,
    },
    /// Null and NaN are neither more nor less than anything.
    #[error("{field} is compared with null or NaN, which only `eq`, `ne`, `is_in` and `not_in` take")]
    NoOrder {
        /// The field's stored path.
        field: FieldPath,
    },
    /// The index cannot be asked this.
    #[error("the index of {field} cannot be asked: {source}")]
    NotAskable {
        /// The field's stored path; for a compound index, its struct's path and its name.
        field: FieldPath,
        /// Why not.
        source: NotAskable,
    },
    /// The scope has no index key, so it has no tokens to ask for.
    #[error("scope {scope} has no index key, so no sealed field can be asked for; add one to its ring")]
    NoIndexKey {
        /// The scope.
        scope: Scope,
    },
    /// Each document names its own scope, and the query does not say in which it looks.
    #[error(
        "each document is sealed in the scope that its field {field} names, and a query of sealed fields must say in which it looks: add `.eq(..)` or `.is_in(..)` of {field}"
    )]
    ScopeOpen {
        /// The field that names the scope, as it is stored.
        field: &'static str,
    },
    /// An id that no document has, or one without the path that a collection group needs.
    #[error("{id:?} is no document's id here: {source}; a query of a collection group takes whole paths")]
    Id {
        /// The id as it was given.
        id: String,
        /// What is wrong with it.
        source: LocationError,
    },
    /// Nothing of the condition can be left to the database, which would send every document.
    #[error(
        "no part of this condition can be left to the database, so every document would be read; add a condition that can, or `.allow_scan()`"
    )]
    Scan,
    /// The conditions come to more queries than one is split into.
    #[error(
        "the conditions come to {queries} queries of 30 values each; 100 are the most: ask for fewer values"
    )]
    TooMany {
        /// How many there would be.
        queries: usize,
    },
    /// Firestore takes no such query.
    #[error("Firestore takes no such query: {reason}")]
    Refused {
        /// Why not.
        reason: String,
    },
    /// A position does not fit the query's order.
    #[error("a position in the order needs values of the order's fields, in its order: here {order}")]
    Position {
        /// The order's fields.
        order: String,
    },
    /// `limit_to_last` counts from the end, where no offset is counted and no page begins.
    #[error("`limit_to_last` stands with neither `offset` nor pages; reverse the order and use `limit`")]
    FromTheEnd,
    /// The text is no token of a page, or that of another query.
    #[error("this is no page token of this query; begin at the first page")]
    PageToken,
    /// The result is not one that a listener can follow.
    #[error("this query cannot be watched: {reason}")]
    NotWatchable {
        /// Why not, and what to do.
        reason: &'static str,
    },
    /// A field was not selected, so it did not travel.
    #[error("{field} was not selected, so it is not here")]
    NotSelected {
        /// The field's stored path.
        field: FieldPath,
    },
    /// The field of a document that was read is missing or of another type.
    #[error("{field} is missing or not of its type")]
    OtherType {
        /// The field's stored path.
        field: FieldPath,
    },
}

impl QueryError {
    pub(super) fn value(field: FieldPath, error: &ClearValueError) -> Self {
        Self::Value { field, reason: error.reason }
    }
}
