//! Encrypting persistence for Cloud Firestore.

mod bytes;
mod keys;
mod seal;
pub mod store;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

pub use bytes::{
    CollectionPath, DocumentPath, EncodeError, FieldPath, FieldStep, Format, KeyId, Location, LocationError,
    MAX_DEPTH, MAX_ID_BYTES, Scope, check_id,
};
pub use keys::{DataKey, KeyError, KeyLookup, KeyProvider, KeyRing, KeyRings};
pub use seal::json::to_json;
pub use seal::{
    Cause, Closed, Companion, Document, Draft, FieldFailure, FieldInfo, OpenError, Partial, PlaintextWindow,
    RawBytes, Reveal, SealError, Sealable, Sealed, Visit, Walk, missing,
};
