//! Encrypting persistence for Cloud Firestore.

mod bytes;
mod error;
mod keys;
mod repository;
mod seal;
pub mod store;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

pub use bytes::{
    CollectionPath, DocumentPath, EncodeError, FieldPath, FieldStep, Format, KeyId, Location, LocationError,
    MAX_DEPTH, MAX_ID_BYTES, Scope, check_id,
};
pub use error::Error;
pub use fireseal_derive::Sealable;
pub use keys::{
    Binding, DataKey, KeyError, KeyLookup, KeyProvider, KeyRing, KeyRings, KeyWrapper, LocalRoot, Purpose,
    WrapError, unwrap_key, wrap_key,
};
pub use repository::{List, Page, Repository, SealedRepository, Stored};
pub use seal::json::to_json;
pub use seal::{
    Cause, Closed, Companion, Document, Draft, FieldFailure, FieldInfo, OpenError, Partial, PlaintextWindow,
    RawBytes, Reveal, SealError, Sealable, Sealed, Visit, Walk, missing,
};

#[cfg(doctest)]
#[doc = include_str!("../docs/guide/attributes.md")]
struct AttributesChapter;
