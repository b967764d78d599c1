//! Floor 4, beside the repository: where wrapped keys are kept, and who may change them.
//!
//! A [`KeyVault`] keeps one ring of wrapped keys per scope, in a Firestore collection or in a local file.
//! What is stored is not believed: every ring is a [`Manifest`] signed by the vault's [`Authority`], whose
//! public half each reader has in its own configuration. A vault opens and seals with the roots it was
//! given; only whoever holds the authority changes rings.
//!
//! ```
//! use fireseal::custody::{Authority, KeyVault};
//! use fireseal::store::MemoryStore;
//! use fireseal::{KeyProvider, LocalRoot, Scope};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (store, root_bytes) = (MemoryStore::new(), [7; 32]);
//! let authority = Authority::generate()?; // kept offline, by whoever administers keys
//! let vault = KeyVault::in_store(store, "production", authority.key())
//!     .with_root(LocalRoot::from_bytes(&root_bytes));
//!
//! let scope = Scope::new("acme")?;
//! vault.create_scope(&authority, &scope).await?;
//! let first = vault.ring(&scope).await?.primary().id();
//! vault.rotate(&authority, &scope).await?;
//! assert_ne!(vault.ring(&scope).await?.primary().id(), first);
//! # Ok(())
//! # }
//! ```

mod authority;
mod cache;
mod clock;
mod codec;
mod count;
mod destroy;
mod draft;
mod error;
#[cfg(test)]
mod known_answers;
mod lifecycle;
mod manifest;
mod open;
mod records;
mod recovery;
mod retire;
mod slots;
mod vault;

pub use authority::{Authority, AuthorityError, AuthorityKey};
pub use cache::CacheStats;
pub use clock::{Clock, Moment, SystemClock};
pub use count::count_sealed;
pub use destroy::Receipt;
pub use error::VaultError;
pub use manifest::{
    KeyEntry, KeyState, MAX_KEYS, MAX_LIVE_KEYS, MAX_MANIFEST_BYTES, MAX_SLOTS, Manifest, ManifestError,
    Slot, SlotKind,
};
pub use records::{
    Change, FileRecords, MAX_FILE_BYTES, MAX_WRAP_BYTES, Records, RecordsError, StoreRecords, StoredManifest,
    Wraps,
};
#[cfg(feature = "age")]
pub use recovery::{
    BackupKey, CodeError, DeviceRequest, MAX_CODES, RecoveryCode, RecoveryError, Share, ShareError,
    combine_shares, split_identity,
};
pub use recovery::{GuardedVault, Missing, RecoveryPolicy, Revocation};
pub use retire::{RETIRE_SETTLE, Retirement};
pub use slots::NewSlot;
pub use vault::{KeyVault, Lifetimes};
