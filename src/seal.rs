//! Floor 2: sealed fields, and the types that have them.

mod closed;
mod containers;
mod document_seal;
mod error;
pub(crate) mod index;
pub(crate) mod json;
mod raw_bytes;
mod reveal;
mod sealable;
mod sealed;
mod session;
#[cfg(test)]
mod tests;
mod untyped;
#[cfg(test)]
mod vectors;
mod walk;
mod window;

pub use closed::Closed;
pub use document_seal::SealInfo;
pub(crate) use document_seal::{DocumentSeal, Message};
pub use error::{Cause, FieldFailure, OpenError, SealError, Unauthentic};
pub use index::{
    CompoundInfo, Index, IndexInfo, IndexKind, Leakage, LeakageError, Normalizer, NotAskable, NotIndexable,
    Part, Range, Scalar, scalar,
};
pub(crate) use index::{
    IndexPlace, Probe, ProbeTokens, compound_holds, compound_tokens, entry_name, holds, probe_tokens,
};
#[cfg(test)]
pub(crate) use index::{Terms, Values};
pub use raw_bytes::RawBytes;
pub use reveal::{Reveal, missing};
pub use sealable::{Companion, Document, FieldInfo, Partial, Sealable};
pub(crate) use sealable::{
    for_each_slot, key_ids, open_with, partial_with, resolve, resolve_all, reveal, seal_draft,
};
pub(crate) use sealed::Slot;
pub use sealed::{NotSealed, Sealed};
pub(crate) use untyped::seal_values;
pub use walk::{Draft, Visit, Walk};
pub use window::{AdoptionWindow, PlaintextWindow};
