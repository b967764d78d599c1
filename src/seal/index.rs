//! Blind indexes: what is indexed and how, the tokens that stand in a document, and what a query asks.
#![allow(dead_code, unused_imports)] // Tokens and queries, which use the rest, follow.

mod info;
mod scalar;
mod walk;

pub use info::{CompoundInfo, IndexInfo, IndexKind, Normalizer, Range};
pub use scalar::{NotIndexable, Part, Scalar, scalar};
pub use walk::Index;
pub(crate) use walk::{Terms, Values};
