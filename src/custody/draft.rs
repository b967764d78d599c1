//! A change of a ring in the making: manifest and wraps, signed and stored in one commit.

use std::sync::Arc;

use super::authority::Authority;
use super::error::VaultError;
use super::manifest::{KeyEntry, KeyState, Manifest, record_hash};
use super::open::{Ring, Secret};
use super::records::{Change, RecordsError, Wraps};
use super::vault::KeyVault;
use crate::bytes::{KeyId, Scope};
use crate::keys::Purpose;

pub(super) struct Draft {
    /// The stored ring that is changed; `None` for a new one.
    base: Option<Arc<Ring>>,
    pub(super) manifest: Manifest,
    pub(super) wraps: Vec<(KeyId, Option<Wraps>)>,
}

impl KeyVault {
    /// Begins a change of a ring, by this vault's authority only.
    pub(super) async fn change(&self, authority: &Authority, scope: &Scope) -> Result<Draft, VaultError> {
        self.check_authority(authority)?;
        let ring = self.current(scope).await?;
        if ring.manifest.is_destroyed() {
            return Err(VaultError::ScopeDestroyed { scope: scope.clone() });
        }
        Ok(self.draft_of(ring))
    }

    pub(super) fn draft_of(&self, ring: Arc<Ring>) -> Draft {
        let mut manifest = ring.manifest.clone();
        manifest.epoch += 1;
        manifest.previous = ring.hash;
        manifest.signed_ms = self.now_ms();
        Draft { base: Some(ring), manifest, wraps: Vec::new() }
    }

    pub(super) fn new_draft(&self, scope: &Scope) -> Draft {
        let manifest = Manifest {
            vault: self.shared.name.clone(),
            scope: scope.clone(),
            epoch: 1,
            previous: [0; 32],
            signed_ms: self.now_ms(),
            keys: Vec::new(),
            slots: Vec::new(),
            next_slot: 0,
        };
        Draft { base: None, manifest, wraps: Vec::new() }
    }

    pub(super) fn check_authority(&self, authority: &Authority) -> Result<(), VaultError> {
        if authority.key() == self.shared.authority { Ok(()) } else { Err(VaultError::OtherAuthority) }
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.shared.clock.now().unix_ms()
    }

    /// Adds a new key to a draft, wrapped under the root of every slot, and proved under each that can
    /// unwrap.
    pub(super) async fn add_key(
        &self,
        draft: &mut Draft,
        purpose: Purpose,
        state: KeyState,
    ) -> Result<KeyId, VaultError> {
        let secret = Secret::generate(purpose)?;
        let key = KeyEntry { id: secret.id(), purpose, state, since_ms: self.now_ms() };
        let mut wraps = Wraps::new();
        for slot in &draft.manifest.slots {
            let root = self.shared.wrapper(slot)?;
            let (wrap, _) = self.shared.wrap_proved(&*root, &draft.manifest.scope, &key, &secret).await?;
            wraps.insert(slot.id, wrap);
        }
        draft.wraps.push((key.id, Some(wraps)));
        let id = key.id;
        draft.manifest.keys.push(key);
        Ok(id)
    }

    /// Signs and stores a change: all of it, or nothing.
    pub(super) async fn commit(&self, authority: &Authority, draft: Draft) -> Result<Manifest, VaultError> {
        let Draft { base, manifest, wraps } = draft;
        let scope = manifest.scope.clone();
        let refused = |source| VaultError::Manifest { scope: scope.clone(), source };
        let record = manifest.sign(authority).map_err(refused)?;
        let expected = base.as_ref().map(|ring| ring.version.as_slice());
        let change = Change { manifest: record.clone(), wraps };
        let records = &self.shared.records;
        let deadline = self.shared.lifetimes.deadline;
        let outcome = tokio::time::timeout(deadline, records.replace(&scope, expected, change)).await;
        let failed = match outcome {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error),
            Err(_) => {
                Some(RecordsError::Store(crate::store::StoreError::Deadline { seconds: deadline.as_secs() }))
            }
        };
        // Signatures are deterministic: whether a change landed whose answer was lost, or was sent
        // twice, is told by what is stored now.
        let stored = self.shared.read(|| records.manifest(&scope)).await;
        let landed = stored.as_ref().ok().and_then(Option::as_ref).filter(|stored| stored.record == record);
        match (failed, landed) {
            (Some(error), None) => return Err(error.into()),
            (_, Some(stored)) => {
                let ring = Ring {
                    hash: record_hash(&record),
                    version: stored.version.clone(),
                    manifest: manifest.clone(),
                };
                self.shared.see(&manifest, ring.hash).map_err(refused)?;
                self.shared.rings.put(scope.clone(), Some(Arc::new(ring)));
            }
            // Stored, and changed again by someone else since, or not readable just now.
            (None, None) => self.shared.rings.remove(&scope),
        }
        self.shared.forget_closed(&manifest);
        tracing::info!(scope = %scope, epoch = manifest.epoch, "the key ring was changed");
        Ok(manifest)
    }

    /// The stored wraps of a key.
    pub(super) async fn stored_wraps(&self, scope: &Scope, key: &KeyId) -> Result<Wraps, VaultError> {
        let records = &self.shared.records;
        Ok(self.shared.read(|| records.wraps(scope, key)).await?.unwrap_or_default())
    }
}

impl Draft {
    pub(super) fn base(&self) -> Option<&Arc<Ring>> {
        self.base.as_ref()
    }

    pub(super) fn set_state(&mut self, id: &KeyId, state: KeyState, since_ms: u64) {
        if let Some(key) = self.manifest.keys.iter_mut().find(|key| key.id == *id) {
            (key.state, key.since_ms) = (state, since_ms);
        }
    }

    /// The key with this id, in a state other than destroyed.
    pub(super) fn live_key(&self, id: &KeyId) -> Result<&KeyEntry, VaultError> {
        let scope = self.manifest.scope.clone();
        let key = self.manifest.key(id).ok_or(VaultError::KeyUnknown { scope, key: *id })?;
        match key.state {
            KeyState::Destroyed => Err(state_error(key, "it does not come back")),
            _ => Ok(key),
        }
    }
}

pub(super) fn state_error(key: &KeyEntry, advice: &'static str) -> VaultError {
    VaultError::State { key: key.id, state: key.state, advice }
}
