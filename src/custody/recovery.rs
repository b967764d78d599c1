//! Who can open a ring besides the services: slots are listed, proved and revoked.

mod policy;

#[cfg(feature = "age")]
mod backup;
#[cfg(feature = "age")]
mod code;
#[cfg(feature = "age")]
mod codes;
#[cfg(feature = "age")]
mod crockford;
#[cfg(feature = "age")]
mod device;
#[cfg(feature = "age")]
mod error;
#[cfg(feature = "age")]
mod quorum;
#[cfg(feature = "age")]
mod share;

pub use policy::{GuardedVault, Missing, RecoveryPolicy};

#[cfg(feature = "age")]
pub use backup::BackupKey;
#[cfg(feature = "age")]
pub use code::{CodeError, RecoveryCode};
#[cfg(feature = "age")]
pub use codes::MAX_CODES;
#[cfg(feature = "age")]
pub use device::DeviceRequest;
#[cfg(feature = "age")]
pub use error::RecoveryError;
#[cfg(feature = "age")]
pub use quorum::{combine_shares, split_identity};
#[cfg(feature = "age")]
pub use share::{Share, ShareError};

use std::sync::Arc;

use super::authority::Authority;
use super::draft::Draft;
use super::error::VaultError;
use super::manifest::{KeyState, Slot, SlotKind};
use super::vault::KeyVault;
use crate::bytes::{KeyId, Scope};
use crate::keys::{KeyWrapper, Purpose};

/// What a revocation made anew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Revocation {
    /// The new primary data key; `None` where the slot had been revoked before.
    pub data_key: Option<KeyId>,
    /// The new index key, whose rotation has begun: [`KeyVault::promote_index`] is next. `None` where the
    /// slot had been revoked before, where the ring has no index key, or where another rotation of it is
    /// under way: finish that, then call [`KeyVault::rotate_index`] once more.
    pub index_key: Option<KeyId>,
}

impl KeyVault {
    /// The same vault, which opens through this root and no other: as after the loss of all others.
    #[must_use]
    pub fn with_only_root(&self, root: impl KeyWrapper + 'static) -> Self {
        let root: Arc<dyn KeyWrapper> = Arc::new(root);
        self.clone().edit(|shared| shared.roots = vec![root])
    }

    /// The slots of one kind: all devices, say, with their names and when they were proved.
    ///
    /// # Errors
    /// As [`manifest`](Self::manifest).
    pub async fn slots(&self, scope: &Scope, kind: SlotKind) -> Result<Vec<Slot>, VaultError> {
        let slots = self.manifest(scope).await?.slots;
        Ok(slots.into_iter().filter(|slot| slot.kind == kind).collect())
    }

    /// Removes a slot, and makes new keys that its holder has never seen: a new primary data key at once,
    /// and an index key whose rotation begins ([`rotate_index`](Self::rotate_index) says how it goes on).
    /// All of it is one commit, so that a call that was cut short is made again; a slot that was revoked
    /// before is no error.
    ///
    /// **What the holder saw stays readable to them**: keys that they opened before, and every document
    /// that is sealed with those. Seal such documents anew where that matters.
    ///
    /// # Errors
    /// [`VaultError::LastUsableWrap`] if no other slot is proved to open every key;
    /// [`VaultError::MissingRoot`] for a slot that stays and whose root was not supplied.
    pub async fn revoke_slot(
        &self,
        authority: &Authority,
        scope: &Scope,
        slot: u32,
    ) -> Result<Revocation, VaultError> {
        let manifest = self.manifest(scope).await?;
        if slot < manifest.next_slot && manifest.slots.iter().all(|known| known.id != slot) {
            return Ok(Revocation::default());
        }
        let (mut draft, _) = self.reslotted(authority, scope, Vec::new(), &[slot], false).await?;
        let revocation = Revocation {
            data_key: Some(self.renew_data_key(&mut draft).await?),
            index_key: self.begin_index_key(&mut draft).await?,
        };
        self.commit(authority, draft).await?;
        Ok(revocation)
    }

    /// The drill: proves that this root alone opens every live key, and records when. Returns its slot's
    /// number.
    ///
    /// # Errors
    /// As [`verify`](Self::verify) and [`mark_verified`](Self::mark_verified).
    pub async fn drill(
        &self,
        authority: &Authority,
        scope: &Scope,
        root: &dyn KeyWrapper,
    ) -> Result<u32, VaultError> {
        let slot = self.verify(scope, root).await?;
        self.mark_verified(authority, scope, slot).await?;
        Ok(slot)
    }

    /// Puts a new primary data key into a draft; the old one goes on opening.
    pub(super) async fn renew_data_key(&self, draft: &mut Draft) -> Result<KeyId, VaultError> {
        let old = draft.manifest.primary(Purpose::Data).map(|key| key.id);
        let new = self.add_key(draft, Purpose::Data, KeyState::Primary).await?;
        if let Some(old) = old {
            draft.set_state(&old, KeyState::Active, self.now_ms());
        }
        Ok(new)
    }

    /// Puts a new index key into a draft, unless there is none yet or another rotation is under way.
    async fn begin_index_key(&self, draft: &mut Draft) -> Result<Option<KeyId>, VaultError> {
        let index =
            |state| draft.manifest.keys.iter().any(|key| key.purpose == Purpose::Index && key.state == state);
        if !index(KeyState::Primary) || index(KeyState::Active) {
            return Ok(None);
        }
        self.add_key(draft, Purpose::Index, KeyState::Active).await.map(Some)
    }
}

/// The wrapper of a slot whose root is an age recipient, which the signed manifest has in full.
#[cfg(feature = "age")]
pub(super) fn recipient_of(slot: &Slot) -> Option<Arc<dyn KeyWrapper>> {
    let recipient: crate::keys::AgeRecipient = slot.root.strip_prefix("age:")?.parse().ok()?;
    Some(Arc::new(recipient))
}

/// Without age no root is in the manifest in full.
#[cfg(not(feature = "age"))]
pub(super) fn recipient_of(_slot: &Slot) -> Option<Arc<dyn KeyWrapper>> {
    None
}
