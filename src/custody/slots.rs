//! Slots: the roots that every live key of a ring is wrapped under.

use std::sync::Arc;

use super::authority::Authority;
use super::draft::Draft;
use super::error::VaultError;
use super::manifest::{KeyEntry, Manifest, Slot, SlotKind};
use super::open::{Ring, Secret, open_wrap};
use super::records::Wraps;
use super::vault::KeyVault;
use crate::bytes::Scope;
use crate::keys::KeyWrapper;

/// A slot to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSlot {
    kind: SlotKind,
    name: String,
    attachment: Vec<u8>,
}

impl NewSlot {
    /// A slot of this kind, without a name.
    #[must_use]
    pub fn new(kind: SlotKind) -> Self {
        Self { kind, name: String::new(), attachment: Vec::new() }
    }

    /// What people call it, such as a device's name.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Bytes that belong to the slot and are signed with it, at most 4 KiB. Whoever reads the vault reads
    /// them.
    #[must_use]
    pub fn with_attachment(mut self, attachment: impl Into<Vec<u8>>) -> Self {
        self.attachment = attachment.into();
        self
    }

    /// Adds the slot of a root, or changes the one that is there: returns its number.
    pub(super) fn put_in(self, manifest: &mut Manifest, root: &str, verified_ms: Option<u64>) -> u32 {
        let Self { kind, name, attachment } = self;
        if let Some(slot) = manifest.slots.iter_mut().find(|slot| slot.root == root) {
            let verified_ms = verified_ms.or(slot.verified_ms);
            *slot = Slot { id: slot.id, kind, name, root: slot.root.clone(), verified_ms, attachment };
            return slot.id;
        }
        let id = manifest.next_slot;
        manifest.next_slot = id.saturating_add(1);
        manifest.slots.push(Slot { id, kind, name, root: root.to_owned(), verified_ms, attachment });
        id
    }
}

impl KeyVault {
    /// Adds a slot: wraps every live key under its root as well. Data is not touched. A root that can
    /// unwrap is proved at once, and the slot is marked as verified. A root that has a slot already keeps
    /// it: it is wrapped to anew, and takes the new name, kind and attachment. Returns the slot's number.
    ///
    /// # Errors
    /// The root does not wrap, or the roots at hand do not open every key; a conflict where someone else
    /// changed the ring meanwhile.
    pub async fn add_slot(
        &self,
        authority: &Authority,
        scope: &Scope,
        root: Arc<dyn KeyWrapper>,
        slot: NewSlot,
    ) -> Result<u32, VaultError> {
        let added = self.reslot(authority, scope, vec![(root, slot)], &[], false).await?;
        added.first().copied().ok_or_else(|| VaultError::ScopeUnknown { scope: scope.clone() })
    }

    /// Removes a slot and its wraps. Whoever held its root may have kept what it opened: rotate afterwards.
    ///
    /// # Errors
    /// [`VaultError::LastUsableWrap`] if no other slot is proved to open every live key.
    pub async fn remove_slot(
        &self,
        authority: &Authority,
        scope: &Scope,
        slot: u32,
    ) -> Result<(), VaultError> {
        self.reslot(authority, scope, Vec::new(), &[slot], false).await?;
        Ok(())
    }

    /// Wraps every live key anew, under the roots of the slots that stay and of those that are added,
    /// and drops the slots that are removed: all of it in one commit, or nothing. Data is not touched.
    /// Returns the numbers of the added slots.
    ///
    /// # Errors
    /// [`VaultError::MissingRoot`] for a slot that stays and whose root was not supplied;
    /// [`VaultError::LastUsableWrap`] if no slot of the result is proved to open every live key.
    pub async fn rewrap(
        &self,
        authority: &Authority,
        scope: &Scope,
        add: Vec<(Arc<dyn KeyWrapper>, NewSlot)>,
        remove: &[u32],
    ) -> Result<Vec<u32>, VaultError> {
        self.reslot(authority, scope, add, remove, true).await
    }

    /// Records that a slot was proved to open the ring, now.
    ///
    /// # Errors
    /// [`VaultError::SlotUnknown`]; a conflict where someone else changed the ring meanwhile.
    pub async fn mark_verified(
        &self,
        authority: &Authority,
        scope: &Scope,
        slot: u32,
    ) -> Result<(), VaultError> {
        let mut draft = self.change(authority, scope).await?;
        let now = self.now_ms();
        let found = draft.manifest.slots.iter_mut().find(|found| found.id == slot);
        let found = found.ok_or_else(|| VaultError::SlotUnknown { scope: scope.clone(), slot })?;
        found.verified_ms = Some(now);
        self.commit(authority, draft).await?;
        Ok(())
    }

    /// Proves that this root alone opens every live key of the ring, whatever else was supplied and is in
    /// memory. Returns its slot's number, for [`mark_verified`](Self::mark_verified).
    ///
    /// # Errors
    /// [`VaultError::MissingRoot`] where the ring has no slot of it; [`VaultError::NotOpened`] where
    /// it does not open.
    pub async fn verify(&self, scope: &Scope, root: &dyn KeyWrapper) -> Result<u32, VaultError> {
        let ring = self.current(scope).await?;
        let missing = || VaultError::MissingRoot { root: root.root().to_owned() };
        let slot = ring.manifest.slot_of(root.root()).ok_or_else(missing)?.id;
        for key in ring.manifest.live() {
            let wraps = self.stored_wraps(scope, &key.id).await?;
            let opened = match wraps.get(&slot) {
                None => Err(Vec::new()),
                Some(wrap) => open_wrap(root, wrap, scope, key, self.shared.lifetimes.deadline)
                    .await
                    .map_err(|failure| vec![failure]),
            };
            opened.map_err(|failures| VaultError::NotOpened {
                scope: scope.clone(),
                key: key.id,
                failures,
            })?;
        }
        Ok(slot)
    }

    async fn reslot(
        &self,
        authority: &Authority,
        scope: &Scope,
        add: Vec<(Arc<dyn KeyWrapper>, NewSlot)>,
        remove: &[u32],
        renew: bool,
    ) -> Result<Vec<u32>, VaultError> {
        let (draft, added) = self.reslotted(authority, scope, add, remove, renew).await?;
        self.commit(authority, draft).await?;
        Ok(added)
    }

    /// The ring with other slots, not yet stored, and the numbers of those that were added.
    pub(super) async fn reslotted(
        &self,
        authority: &Authority,
        scope: &Scope,
        add: Vec<(Arc<dyn KeyWrapper>, NewSlot)>,
        remove: &[u32],
        renew: bool,
    ) -> Result<(Draft, Vec<u32>), VaultError> {
        let mut draft = self.change(authority, scope).await?;
        let Some(ring) = draft.base().cloned() else { return Ok((draft, Vec::new())) };
        // Numbers are never given twice: a lower one that is not listed was removed before.
        if let Some(slot) = remove.iter().find(|slot| **slot >= ring.manifest.next_slot) {
            return Err(VaultError::SlotUnknown { scope: scope.clone(), slot: *slot });
        }
        draft.manifest.slots.retain(|slot| !remove.contains(&slot.id));
        let staying = draft.manifest.slots.clone();
        let mut writers = Vec::new();
        if renew {
            let known = |slot: &&Slot| add.iter().all(|(root, _)| root.root() != slot.root);
            for slot in staying.iter().filter(known) {
                writers.push((slot.id, self.shared.wrapper(slot)?));
            }
        }
        let mut added = Vec::new();
        for (root, slot) in add {
            // Wrapped and opened again below; where that fails, nothing is stored.
            let verified = root.can_unwrap().then(|| self.now_ms());
            let id = slot.put_in(&mut draft.manifest, root.root(), verified);
            added.push(id);
            writers.push((id, root));
        }
        let keys: Vec<KeyEntry> = ring.manifest.live().cloned().collect();
        for key in keys {
            let mut wraps = self.stored_wraps(scope, &key.id).await?;
            wraps.retain(|slot, _| staying.iter().any(|staying| staying.id == *slot));
            if !writers.is_empty() {
                let secret = Arc::clone(&self.shared).load_key(Arc::clone(&ring), key.clone()).await?;
                self.wrap_under(&writers, scope, &key, &secret, &mut wraps).await?;
            }
            draft.wraps.push((key.id, Some(wraps)));
        }
        if !self.has_usable_slot(&ring, &draft).await {
            return Err(VaultError::LastUsableWrap { scope: scope.clone() });
        }
        Ok((draft, added))
    }

    async fn wrap_under(
        &self,
        writers: &[(u32, Arc<dyn KeyWrapper>)],
        scope: &Scope,
        key: &KeyEntry,
        secret: &Secret,
        wraps: &mut Wraps,
    ) -> Result<(), VaultError> {
        for (slot, root) in writers {
            let (wrap, _) = self.shared.wrap_proved(&**root, scope, key, secret).await?;
            wraps.insert(*slot, wrap);
        }
        Ok(())
    }

    /// Whether some slot of the draft has a wrap of every live key, and is known to open: now, with a
    /// root at hand, or by a drill.
    async fn has_usable_slot(&self, ring: &Ring, draft: &Draft) -> bool {
        for slot in &draft.manifest.slots {
            let wrap_of = |key: &KeyEntry| {
                let (_, wraps) = draft.wraps.iter().find(|(id, _)| *id == key.id)?;
                wraps.as_ref()?.get(&slot.id)
            };
            if ring.manifest.live().any(|key| wrap_of(key).is_none()) {
                continue;
            }
            let root = self.shared.roots.iter().find(|root| root.root() == slot.root && root.can_unwrap());
            let Some(root) = root else {
                if slot.verified_ms.is_some() {
                    return true;
                }
                continue;
            };
            let mut opens = true;
            for key in ring.manifest.live() {
                let Some(wrap) = wrap_of(key) else { continue };
                let deadline = self.shared.lifetimes.deadline;
                opens &= open_wrap(&**root, wrap, &ring.manifest.scope, key, deadline).await.is_ok();
            }
            if opens {
                return true;
            }
        }
        false
    }
}
