//! Encrypting persistence for Cloud Firestore: fields marked as sensitive are sealed before they leave
//! the process, and opened only where a key is supplied.
//!
//! ```
//! use fireseal::store::MemoryStore;
//! use fireseal::{DataKey, KeyRing, Repository, Sealable, SealedRepository};
//!
//! #[derive(Sealable)]
//! #[sealable(collection = "customers")]
//! struct Customer {
//!     #[sealable(id)]
//!     id: String,
//!     name: String, // stored in the clear
//!     #[sensitive] // sealed
//!     ssn: String,
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = MemoryStore::new(); // or `FirestoreStore`
//! let keys = KeyRing::new(DataKey::generate()?);
//!
//! let customers = Repository::<Customer>::new(store.clone(), keys.clone());
//! customers.create(&Customer { id: "ada".into(), name: "Ada".into(), ssn: "078-05-1120".into() }).await?;
//!
//! let sealed = SealedRepository::<Customer>::new(store).get("ada").await?.ok_or("no such customer")?;
//! assert_eq!(sealed.name, "Ada"); // no key needed
//! assert_eq!(sealed.open(&keys).await?.ssn, "078-05-1120"); // the one way across
//! # Ok(())
//! # }
//! ```
//!
//! * [`Sealable`], derived, generates the companion: `SealedCustomer`, in which each sensitive field is a
//!   [`Sealed<T>`](Sealed). The companion alone is stored; the plain struct needs no `Serialize`.
//! * [`Repository`] has keys: its writes seal, its reads open. [`SealedRepository`] has none and returns
//!   companions, each as [`Stored`] with where it was read; [`Stored::open`] is the way across. A companion
//!   from elsewhere opens with [`Companion::open_at`].
//! * [`DataKey`]s stand in a [`KeyRing`], one for each [`Scope`] (tenant); a [`KeyProvider`] is wherever
//!   rings come from.
//! * [`custody`] keeps rings in a vault, wrapped under roots that the customer manages, and changes them.
//! * [`store`] has Cloud Firestore, memory for tests, and the trait that both implement.
//!
//! A sealed value is bound to its [`Location`] and its field, and opens nowhere else. Clear fields are
//! neither hidden nor verified. The README says what is guaranteed and what is not; the guide in
//! `docs/guide` and the format in `docs/format.md` come with the source.

mod bytes;
pub mod custody;
#[cfg(doctest)]
mod doctests;
mod error;
#[cfg(feature = "grpc")]
pub mod grpc;
pub mod indexes;
mod keys;
mod message;
#[cfg(feature = "nats")]
pub mod nats;
#[cfg(test)]
#[path = "../tests/support/promise.rs"]
mod promise;
pub mod query;
mod repository;
mod seal;
pub mod store;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

pub use bytes::{
    Channel, ChannelError, CollectionPath, Direction, DocumentPath, EncodeError, FieldPath, FieldStep,
    Format, KeyId, Location, LocationError, MAX_DEPTH, MAX_ID_BYTES, MessageContext, MessageId,
    NotAMessageId, Scope, check_id,
};
pub use error::Error;
pub use fireseal_derive::Sealable;
#[cfg(feature = "age")]
pub use keys::{AgeIdentity, AgePassphrase, AgeRecipient};
pub use keys::{
    Binding, DataKey, IndexKey, KeyError, KeyLookup, KeyProvider, KeyRing, KeyRings, KeyWrapper, LocalRoot,
    MessageKey, MessageKeyProvider, MessageRing, MessageRings, Purpose, WrapError, unwrap_key, wrap_key,
};
#[cfg(feature = "testing")]
pub use keys::{Calls, Fault, ScriptedRoot, ScriptedService};
#[cfg(feature = "gcp-kms")]
pub use keys::{GcpKms, GcpKmsRoot, KmsClient};
#[cfg(feature = "pkcs11")]
pub use keys::{Pkcs11Key, Pkcs11Root};
#[cfg(feature = "vault")]
pub use keys::{TransitKey, VaultTransit};
pub use message::{
    Claims, Frame, FrameError, MAX_FRAME_BYTES, Message, MessageError, ReplayError, ReplayWindow,
    SealedMessage, rebind_to_message,
};
pub use repository::{
    Access, AskedWith, Batch, BatchFailure, BatchReport, Change, Checkpoint, ClearField, FieldAt, Forgotten,
    IndexFailure, IndexState, List, NotACheckpoint, Number, Numeric, OverStore, Overfetch, Page,
    PlaceInOrder, Projected, Query, QueryPage, QueryPlan, QueryStream, Reindex, Reindexed, Repository,
    RevisionFloor, SealedRepository, Select, Stored, Transaction, Watch, WatchEvent, snapshot, transaction,
};
pub use seal::json::to_json;
pub use seal::{
    AdoptionWindow, Cause, Closed, Companion, CompoundInfo, Document, Draft, FieldFailure, FieldInfo, Index,
    IndexInfo, IndexKind, Leakage, LeakageError, Normalizer, NotAskable, NotIndexable, NotSealed, OpenError,
    Part, Partial, PlaintextWindow, Range, RawBytes, Reveal, Scalar, SealError, SealInfo, Sealable, Sealed,
    Unauthentic, Visit, Walk, missing, scalar,
};
/// What holds passphrases, PINs and tokens: wiped on drop, never shown.
#[cfg(any(feature = "age", feature = "pkcs11", feature = "vault"))]
pub use secrecy::SecretString;
