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
#[cfg(feature = "age")]
pub use keys::{AgeIdentity, AgePassphrase, AgeRecipient};
pub use keys::{
    Binding, DataKey, KeyError, KeyLookup, KeyProvider, KeyRing, KeyRings, KeyWrapper, LocalRoot, Purpose,
    WrapError, unwrap_key, wrap_key,
};
#[cfg(feature = "testing")]
pub use keys::{Calls, Fault, ScriptedRoot, ScriptedService};
#[cfg(feature = "gcp-kms")]
pub use keys::{GcpKms, GcpKmsRoot, KmsClient};
#[cfg(feature = "pkcs11")]
pub use keys::{Pkcs11Key, Pkcs11Root};
#[cfg(feature = "vault")]
pub use keys::{TransitKey, VaultTransit};
pub use repository::{List, Page, Repository, SealedRepository, Stored};
pub use seal::json::to_json;
pub use seal::{
    Cause, Closed, Companion, Document, Draft, FieldFailure, FieldInfo, OpenError, Partial, PlaintextWindow,
    RawBytes, Reveal, SealError, Sealable, Sealed, Visit, Walk, missing,
};
/// What holds passphrases, PINs and tokens: wiped on drop, never shown.
#[cfg(any(feature = "age", feature = "pkcs11", feature = "vault"))]
pub use secrecy::SecretString;
