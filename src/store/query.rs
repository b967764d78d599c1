//! Queries as a store sees them: Firestore's structured query, without the wire.

mod aggregate;
mod cursor;
mod matches;
mod order;
pub(crate) mod rules;
mod values;

pub(crate) use aggregate::Total;
pub(super) use aggregate::aggregate;
pub use matches::matches;
pub use order::compare;
pub(super) use order::takes;
pub use values::compare_values;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::document::{FieldMask, Value};
use crate::bytes::{CollectionPath, DocumentPath};

/// What a filter or an order is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FieldRef {
    /// A field by its path: names from the document's root, unescaped.
    Path(Vec<String>),
    /// The document's name, `__name__`. It is compared with reference values that hold the path
    /// relative to the database; [`FirestoreStore`](super::FirestoreStore) makes them full names.
    Name,
}

/// How a filter compares a field with its value. Null and NaN equal nothing, themselves included, and
/// are less and greater than nothing: [`Is`] finds them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    /// The field equals the value.
    Equal,
    /// The field is there, is not null, and does not equal the value.
    NotEqual,
    /// The field is less than the value and of its type.
    Less,
    /// The field is at most the value and of its type.
    LessOrEqual,
    /// The field is greater than the value and of its type.
    Greater,
    /// The field is at least the value and of its type.
    GreaterOrEqual,
    /// The field equals an element of the value, an array of 1 to 30.
    In,
    /// The field is there, is not null, and equals no element of the value, an array of 1 to 10.
    NotIn,
    /// The field is an array that holds the value.
    Contains,
    /// The field is an array that holds an element of the value, an array of 1 to 30.
    ContainsAny,
}

/// What a field is, where no value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Is {
    /// The field is null.
    Null,
    /// The field is there and is not null.
    NotNull,
    /// The field is NaN.
    Nan,
    /// The field is there and is neither null nor NaN.
    NotNan,
}

/// Which documents a query takes.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// All of these hold. An empty one always does, and no database takes it.
    All(Vec<Filter>),
    /// At least one of these holds. An empty one never does, and no database takes it.
    Any(Vec<Filter>),
    /// A field compares with a value.
    Field {
        /// The field.
        field: FieldRef,
        /// How it is compared.
        op: Op,
        /// What it is compared with.
        value: Value,
    },
    /// A field is null or NaN, or is not.
    Is {
        /// The field.
        field: FieldRef,
        /// What it is.
        is: Is,
    },
}

/// Which end of an order comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Direction {
    /// The least first.
    #[default]
    Ascending,
    /// The greatest first.
    Descending,
}

/// One field of an order. A document without the field is not in the result.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Order {
    /// The field.
    pub field: FieldRef,
    /// Which end comes first.
    pub direction: Direction,
}

/// A position in the order of a query: values for its first fields, at most one for each.
#[derive(Debug, Clone, PartialEq)]
pub struct Cursor {
    /// The values.
    pub values: Vec<Value>,
    /// Whether the position is just before everything that has these values, or just after it: a
    /// start is inclusive where this is true, an end where it is false.
    pub before: bool,
}

/// Where a query looks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum From {
    /// The documents of one collection.
    Collection(CollectionPath),
    /// The documents of all collections with an id.
    Group {
        /// The collections' id.
        id: String,
        /// The document below which they stand, at any depth; `None` for the whole database.
        under: Option<DocumentPath>,
    },
}

impl From {
    /// Whether a document stands where the query looks.
    pub(crate) fn holds(&self, document: &DocumentPath) -> bool {
        match self {
            Self::Collection(collection) => document.parent() == *collection,
            Self::Group { id, under } => {
                let below = |under: &DocumentPath| {
                    document.as_str().strip_prefix(under.as_str()).is_some_and(|rest| rest.starts_with('/'))
                };
                document.parent().id() == id && under.as_ref().is_none_or(below)
            }
        }
    }
}

/// Which documents are wanted, and in what order.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// Where it looks.
    pub from: From,
    /// Which documents it takes; `None` for all.
    pub filter: Option<Filter>,
    /// The order, see [`with_implicit_order`](Self::with_implicit_order).
    pub order: Vec<Order>,
    /// Where the result starts.
    pub start: Option<Cursor>,
    /// Where the result ends.
    pub end: Option<Cursor>,
    /// How many documents are left out at the start; the database reads them all the same.
    pub offset: u32,
    /// How many documents are wanted at most.
    pub limit: Option<u32>,
    /// Which fields travel; `None` for all.
    pub mask: Option<FieldMask>,
}

impl Query {
    /// A query for everything there.
    #[must_use]
    pub fn new(from: From) -> Self {
        Self {
            from,
            filter: None,
            order: Vec::new(),
            start: None,
            end: None,
            offset: 0,
            limit: None,
            mask: None,
        }
    }

    /// The same query with the whole order written out, as Firestore completes it: the fields of
    /// inequalities (`<`, `<=`, `>`, `>=`, `!=`, `not-in`) by name, then the document's name, all in
    /// the direction of the last order given. A cursor has a meaning only against an order.
    #[must_use]
    pub fn with_implicit_order(mut self) -> Self {
        let direction = self.order.last().map(|order| order.direction).unwrap_or_default();
        let mut fields = BTreeSet::new();
        if let Some(filter) = &self.filter {
            filter.inequalities(&mut fields);
        }
        let fields: Vec<FieldRef> = fields.into_iter().cloned().collect();
        for field in fields.into_iter().chain([FieldRef::Name]) {
            if self.order.iter().any(|order| order.field == FieldRef::Name || order.field == field) {
                continue;
            }
            self.order.push(Order { field, direction });
        }
        self
    }
}

impl Filter {
    /// Collects the fields that the filter compares other than for equality.
    pub(super) fn inequalities<'a>(&'a self, fields: &mut BTreeSet<&'a FieldRef>) {
        match self {
            Self::All(filters) | Self::Any(filters) => {
                filters.iter().for_each(|filter| filter.inequalities(fields));
            }
            Self::Field { field, op, .. } if op.is_inequality() => {
                fields.insert(field);
            }
            Self::Is { field, is: Is::NotNull | Is::NotNan } => {
                fields.insert(field);
            }
            Self::Field { .. } | Self::Is { .. } => {}
        }
    }
}

impl Op {
    /// Whether Firestore needs the field in the order of its result.
    pub(super) fn is_inequality(self) -> bool {
        match self {
            Self::NotEqual
            | Self::Less
            | Self::LessOrEqual
            | Self::Greater
            | Self::GreaterOrEqual
            | Self::NotIn => true,
            Self::Equal | Self::In | Self::Contains | Self::ContainsAny => false,
        }
    }
}

/// What is computed over the documents of a query.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Aggregation {
    /// How many there are, an integer.
    Count,
    /// The sum of the numbers in a field, given by its path: an integer where all of them are and it
    /// fits, else a double. Documents whose field holds no number are left out. 0 for nothing.
    Sum(Vec<String>),
    /// The mean of the numbers in a field, a double; null for nothing.
    Average(Vec<String>),
}

/// How the database ran a query, as it says itself.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Explanation {
    /// The indexes that it used, each by its properties, such as `query_scope` and `properties`.
    pub indexes: Vec<BTreeMap<String, String>>,
    /// How many documents or other results it returned.
    pub returned: u64,
    /// How many reads it charges.
    pub read_operations: u64,
    /// How long it took in the database.
    pub duration: Option<Duration>,
    /// What else it tells, such as `documents_scanned` and `index_entries_scanned`; entries of
    /// nested groups by their names joined with dots. Firestore may change these.
    pub details: BTreeMap<String, String>,
}
