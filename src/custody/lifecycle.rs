//! Creating rings and rotating their keys. Each operation is one commit; run again after a crash, it
//! does what it would have done before.

use super::authority::Authority;
use super::draft::state_error;
use super::error::VaultError;
use super::manifest::{KeyState, Manifest, SlotKind};
use super::slots::NewSlot;
use super::vault::KeyVault;
use crate::bytes::{KeyId, Scope};
use crate::keys::Purpose;

impl KeyVault {
    /// Creates the ring of a scope: a primary data key and an index key, each wrapped under every root
    /// that was supplied. Where there is a ring already, from another process that was faster say,
    /// that one is kept and returned; nothing else ever creates one.
    ///
    /// # Errors
    /// [`VaultError::ScopeDestroyed`]; a root that does not wrap, or does not unwrap what it wrapped.
    pub async fn create_scope(&self, authority: &Authority, scope: &Scope) -> Result<Manifest, VaultError> {
        self.check_authority(authority)?;
        if let Some(manifest) = self.existing(scope).await? {
            return Ok(manifest);
        }
        if self.shared.roots.is_empty() {
            return Err(VaultError::MissingRoot { root: "of any kind".to_owned() });
        }
        let mut draft = self.new_draft(scope);
        for root in &self.shared.roots {
            let slot = NewSlot::new(SlotKind::Root);
            let verified = root.can_unwrap().then(|| self.now_ms());
            slot.put_in(&mut draft.manifest, root.root(), verified);
        }
        self.add_key(&mut draft, Purpose::Data, KeyState::Primary).await?;
        self.add_key(&mut draft, Purpose::Index, KeyState::Primary).await?;
        match self.commit(authority, draft).await {
            Err(error) if error.is_conflict() => {
                self.existing(scope).await?.ok_or_else(|| VaultError::ScopeUnknown { scope: scope.clone() })
            }
            outcome => outcome,
        }
    }

    async fn existing(&self, scope: &Scope) -> Result<Option<Manifest>, VaultError> {
        match self.current(scope).await {
            Ok(ring) if ring.manifest.is_destroyed() => {
                Err(VaultError::ScopeDestroyed { scope: scope.clone() })
            }
            Ok(ring) => {
                let manifest = ring.manifest.clone();
                self.shared.rings.put(scope.clone(), Some(ring));
                Ok(Some(manifest))
            }
            Err(VaultError::ScopeUnknown { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a new primary data key, wrapped under the root of every slot. The old one goes on opening.
    /// Returns the new key's id.
    ///
    /// # Errors
    /// [`VaultError::MissingRoot`] for a slot whose root was not supplied; a conflict where someone else
    /// changed the ring meanwhile.
    pub async fn rotate(&self, authority: &Authority, scope: &Scope) -> Result<KeyId, VaultError> {
        let mut draft = self.change(authority, scope).await?;
        let new = self.renew_data_key(&mut draft).await?;
        self.commit(authority, draft).await?;
        Ok(new)
    }

    /// Adds an index key that everyone queries beside the old one, and nobody makes tokens with yet:
    /// the first phase of its rotation. [`promote_index`](Self::promote_index) is the second.
    ///
    /// # Errors
    /// As [`rotate`](Self::rotate); [`VaultError::State`] while another rotation is under way.
    pub async fn rotate_index(&self, authority: &Authority, scope: &Scope) -> Result<KeyId, VaultError> {
        let mut draft = self.change(authority, scope).await?;
        let active = |key: &&super::KeyEntry| key.purpose == Purpose::Index && key.state == KeyState::Active;
        if let Some(key) = draft.manifest.keys.iter().find(active) {
            return Err(state_error(key, "finish that rotation first: promote it, or retire it"));
        }
        let new = self.add_key(&mut draft, Purpose::Index, KeyState::Active).await?;
        self.commit(authority, draft).await?;
        Ok(new)
    }

    /// Makes tokens with an index key that every reader queries by now, and no longer with the one
    /// before, which goes on being queried: the second phase of its rotation. What is left is to make
    /// the tokens of all documents anew, and to [`retire`](Self::retire) the old key.
    ///
    /// # Errors
    /// [`VaultError::TooEarly`] before the caches' hard time to live has passed since the key was added.
    pub async fn promote_index(
        &self,
        authority: &Authority,
        scope: &Scope,
        key: &KeyId,
    ) -> Result<(), VaultError> {
        let mut draft = self.change(authority, scope).await?;
        let entry = draft.live_key(key)?;
        match (entry.purpose, entry.state) {
            (Purpose::Index, KeyState::Primary) => return Ok(()),
            (Purpose::Index, KeyState::Active) => {}
            _ => return Err(state_error(entry, "only an active index key is promoted")),
        }
        let ready = entry.since_ms.saturating_add(self.longest_cached_ms());
        let now = self.now_ms();
        if now < ready {
            return Err(VaultError::TooEarly { key: *key, seconds: (ready - now).div_ceil(1_000) });
        }
        if let Some(old) = draft.manifest.primary(Purpose::Index).map(|old| old.id) {
            draft.set_state(&old, KeyState::Active, now);
        }
        draft.set_state(key, KeyState::Primary, now);
        self.commit(authority, draft).await?;
        Ok(())
    }

    /// Marks a key that others may have: it seals nothing from now on, and opens only where
    /// [`opening_compromised`](Self::opening_compromised) was asked for. A new primary takes its place
    /// in the same commit where it was one; its id is returned.
    ///
    /// # Errors
    /// As [`rotate`](Self::rotate).
    pub async fn mark_compromised(
        &self,
        authority: &Authority,
        scope: &Scope,
        key: &KeyId,
    ) -> Result<Option<KeyId>, VaultError> {
        let mut draft = self.change(authority, scope).await?;
        let (purpose, state) = {
            let entry = draft.live_key(key)?;
            (entry.purpose, entry.state)
        };
        if state == KeyState::Compromised {
            return Ok(None);
        }
        draft.set_state(key, KeyState::Compromised, self.now_ms());
        let new = match state {
            KeyState::Primary => Some(self.add_key(&mut draft, purpose, KeyState::Primary).await?),
            _ => None,
        };
        self.commit(authority, draft).await?;
        Ok(new)
    }

    /// How long a process may go on with what it loaded before a change: the hard time to live, and the
    /// deadline within which the change was stored. In milliseconds. The services' vaults must be
    /// configured with no longer ones than the administrator's.
    pub(super) fn longest_cached_ms(&self) -> u64 {
        let longest = self.shared.lifetimes.hard + self.shared.lifetimes.deadline;
        u64::try_from(longest.as_millis()).unwrap_or(u64::MAX)
    }
}
