//! Blind indexes: what is indexed and how, the tokens that stand in a document, and what a query asks.

mod canonical;
mod info;
mod leakage;
mod normal;
mod number;
mod place;
mod probe;
mod range;
mod reservation;
mod scalar;
#[cfg(test)]
mod tests;
mod tokens;
#[cfg(test)]
mod vectors;
mod walk;

pub use info::{CompoundInfo, IndexInfo, IndexKind, Normalizer, Range};
pub use leakage::{Leakage, LeakageError};
pub(crate) use place::IndexPlace;
pub use probe::NotAskable;
pub(crate) use probe::{Probe, ProbeTokens, compound_holds, compound_tokens, holds, probe_tokens};
pub(crate) use reservation::{is_vouched, vouch};
pub use scalar::{NotIndexable, Part, Scalar, scalar};
pub(crate) use tokens::{Entry, Maker, entry_name, epoch, fill_field, tokens};
pub use walk::Index;
pub(crate) use walk::{Terms, Values};
