//! What cannot be asked.

use crate::bytes::FieldPath;
use crate::seal::NotIndexable;
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
