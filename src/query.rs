//! What can be asked of documents: typed handles for their fields, and the conditions and orders made of
//! them, and the plan of a query. The query itself stands above.
//!
//! The derive writes the handles. A clear field has a [`Clear`], which offers every comparison of
//! Firestore's; a sealed one a [`SealedField`], which offers what its indexes support and nothing else.

mod at;
mod clear;
mod condition;
mod error;
mod handles;
mod node;
#[doc(hidden)]
pub mod one;
mod operand;
mod order;
mod plan;
mod position;
mod schema;
mod sealed;
mod select;
#[cfg(test)]
mod tests;

pub use at::At;
pub(crate) use clear::named as field_path;
pub use clear::{ArrayField, Clear, Id};
pub use condition::{Condition, InClear, Join, Keyed, all, any};
pub use error::QueryError;
pub use handles::{Nested, Opaque, Queryable, fields, schema};
pub(crate) use node::{Node, PartAt};
pub use operand::{Operand, Operands, Span};
pub use order::Order;
pub(crate) use plan::{
    IndexKeys, Plan, Wanted, check, clear_filters, has_index, index_fields, name, named, plan, whole_order,
};
pub use position::Position;
pub use schema::{Schema, SchemaCompound, SchemaField, Stored};
pub use sealed::{Compound, HasEquality, HasOrder, HasPrefix, HasRange, HasWords, Indexes, SealedField};
pub use select::Selected;
