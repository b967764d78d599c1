//! What can be asked of documents: typed handles for their fields, and the conditions and orders made of
//! them. The plan and the query itself stand above.
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
mod schema;
mod sealed;
#[cfg(test)]
mod tests;

pub use at::At;
pub use clear::{ArrayField, Clear, Id};
pub use condition::{Condition, InClear, Join, Keyed, all, any};
pub use error::QueryError;
pub use handles::{Nested, Opaque, Queryable, fields, schema};
#[allow(unused_imports)] // The planner, which follows, takes them apart.
pub(crate) use node::{Asked, Indexed, Node, PartAt};
pub use operand::{Operand, Operands, Span};
pub use order::Order;
pub use schema::{Schema, SchemaCompound, SchemaField, Stored};
pub use sealed::{Compound, HasEquality, HasOrder, HasPrefix, HasRange, HasWords, Indexes, SealedField};
