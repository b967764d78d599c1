//! How manifests and wraps are kept: one ring per scope, changed all at once or not at all.

mod file;
mod store;

pub use file::{FileRecords, MAX_FILE_BYTES};
pub use store::StoreRecords;

use std::collections::BTreeMap;
use std::path::PathBuf;

use async_trait::async_trait;

use crate::bytes::{KeyId, Scope};
use crate::store::StoreError;

/// The longest wrapped key, in bytes; a longer one is refused unread.
pub const MAX_WRAP_BYTES: usize = 8 * 1024;

/// One key as it is wrapped, by slot number.
pub type Wraps = BTreeMap<u32, Vec<u8>>;

/// A signed manifest as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredManifest {
    /// The signed record.
    pub record: Vec<u8>,
    /// Names this state of the ring, for [`Records::replace`].
    pub version: Vec<u8>,
}

/// A change of a ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The new signed manifest.
    pub manifest: Vec<u8>,
    /// The keys whose wraps are replaced; `None` deletes them.
    pub wraps: Vec<(KeyId, Option<Wraps>)>,
}

/// Where rings are kept. What it answers is verified: it may lie, but not deceive.
#[async_trait]
pub trait Records: Send + Sync {
    /// The manifest of a scope; `None` where there is none.
    ///
    /// # Errors
    /// [`RecordsError`]: it cannot be read.
    async fn manifest(&self, scope: &Scope) -> Result<Option<StoredManifest>, RecordsError>;

    /// The wraps of a key; `None` where there are none. At most
    /// [`MAX_SLOTS`](super::MAX_SLOTS), each at most [`MAX_WRAP_BYTES`].
    ///
    /// # Errors
    /// [`RecordsError`]: they cannot be read.
    async fn wraps(&self, scope: &Scope, key: &KeyId) -> Result<Option<Wraps>, RecordsError>;

    /// Applies a change, all of it or nothing, if the manifest is still of the version `expected`;
    /// `None` where there must be no manifest yet.
    ///
    /// # Errors
    /// [`RecordsError::Conflict`] where the manifest is another by now.
    async fn replace(
        &self,
        scope: &Scope,
        expected: Option<&[u8]>,
        change: Change,
    ) -> Result<(), RecordsError>;
}

/// Why records were not read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordsError {
    /// Someone else changed the ring meanwhile.
    #[error("the ring was changed by someone else meanwhile; look at it and decide anew")]
    Conflict,
    /// The database did not do it.
    #[error("the vault's database: {0}")]
    Store(#[source] StoreError),
    /// The file cannot be used.
    #[error("the vault's file {path}: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
        /// The underlying error.
        #[source]
        source: Option<std::io::Error>,
    },
    /// What is stored is no record of a vault.
    #[error("a record of the vault is malformed: {reason}")]
    Malformed {
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl RecordsError {
    /// Whether a later try may succeed; a change may have been applied all the same.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Store(StoreError::Unavailable { .. } | StoreError::Deadline { .. }))
    }
}

/// A slot's number in the one spelling that is written.
fn slot_number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|number: &u32| number.to_string() == text)
}

/// The key id with these 64 lower-case hexadecimal digits.
fn key_id(text: &str) -> Option<KeyId> {
    let mut bytes = [0; 32];
    let pairs = text.as_bytes().chunks_exact(2);
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    let id = KeyId::from_bytes(bytes);
    (id.to_string() == text).then_some(id)
}
