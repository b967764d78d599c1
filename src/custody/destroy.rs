//! Crypto-shredding: keys are destroyed, and with them what they sealed; a receipt says what is gone.

use std::fmt;

use sha2::{Digest, Sha256};

use super::authority::Authority;
use super::codec::Writer;
use super::draft::{Draft, state_error};
use super::error::VaultError;
use super::manifest::{KeyState, Manifest, SlotKind};
use super::vault::KeyVault;
use crate::bytes::{KeyId, Scope};
use crate::keys::Purpose;

const LABEL: &[u8] = b"fireseal-receipt-v1";
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// Firestore's point-in-time recovery, where it is on.
const POINT_IN_TIME_MS: u64 = 7 * DAY_MS;
/// The longest that Firestore keeps a scheduled backup.
const BACKUP_MS: u64 = 98 * DAY_MS;

/// What a destruction did, and what it could not do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// The vault's name.
    pub vault: String,
    /// The scope.
    pub scope: Scope,
    /// The keys that were destroyed.
    pub keys: Vec<(KeyId, Purpose)>,
    /// The epoch of the manifest that calls them destroyed.
    pub epoch: u64,
    /// The SHA-256 of the signed manifest before that one: the receipt stands in the chain of manifests.
    pub previous: [u8; 32],
    /// When: milliseconds since 1970, by the administrator's clock.
    pub at_ms: u64,
    /// Verified gone: looked for after the commit, and not found.
    pub gone: Vec<String>,
    /// Still there after the commit, or not to be looked at: destroy again.
    pub not_verified: Vec<String>,
    /// Gone by a date without anyone's doing, in milliseconds since 1970.
    pub gone_by: Vec<(String, u64)>,
    /// Not ours to destroy: ask who holds it.
    pub not_ours: Vec<String>,
    /// The SHA-256 of all of the above, as `docs/custody-format.md` encodes it.
    pub hash: [u8; 32],
    /// The authority's signature of the hash.
    pub signature: Vec<u8>,
}

impl KeyVault {
    /// Destroys a key: all its wraps, and what is cached of it here. What it sealed does not open again,
    /// and is told as `KeyDestroyed`. A primary key is rotated away first. Run again, it removes what is
    /// left and gives a new receipt.
    ///
    /// # Errors
    /// [`VaultError::State`] for a primary key; a conflict where someone else changed the ring meanwhile.
    pub async fn destroy_key(
        &self,
        authority: &Authority,
        scope: &Scope,
        key: &KeyId,
    ) -> Result<Receipt, VaultError> {
        self.check_authority(authority)?;
        let ring = self.current(scope).await?;
        let unknown = || VaultError::KeyUnknown { scope: scope.clone(), key: *key };
        let entry = ring.manifest.key(key).ok_or_else(unknown)?;
        if entry.state == KeyState::Primary {
            return Err(state_error(entry, "rotate first, so that another key takes its place"));
        }
        let keys = vec![(entry.id, entry.purpose)];
        self.destroy(authority, self.draft_of(ring), keys).await
    }

    /// Destroys a scope: every data and index key, every wrap, every slot. What it sealed does not open
    /// again, and the scope is not created again. Run again, it removes what is left and gives a new
    /// receipt.
    ///
    /// # Errors
    /// A conflict where someone else changed the ring meanwhile.
    pub async fn destroy_scope(&self, authority: &Authority, scope: &Scope) -> Result<Receipt, VaultError> {
        self.check_authority(authority)?;
        let ring = self.current(scope).await?;
        let keys = ring.manifest.keys.iter().map(|key| (key.id, key.purpose)).collect();
        self.destroy(authority, self.draft_of(ring), keys).await
    }

    async fn destroy(
        &self,
        authority: &Authority,
        mut draft: Draft,
        keys: Vec<(KeyId, Purpose)>,
    ) -> Result<Receipt, VaultError> {
        let now = self.now_ms();
        let slots = draft.manifest.slots.clone();
        for (key, _) in &keys {
            if draft.manifest.key(key).is_some_and(|key| key.state != KeyState::Destroyed) {
                draft.set_state(key, KeyState::Destroyed, now);
            }
            draft.wraps.push((*key, None));
        }
        // One commit holds 500 writes at most; wraps of keys destroyed earlier are cleared a part at a time.
        let first = draft.wraps.len().saturating_sub(super::MAX_LIVE_KEYS);
        draft.wraps.drain(..first);
        if draft.manifest.is_destroyed() {
            draft.manifest.slots.clear();
        }
        let manifest = self.commit(authority, draft).await?;
        let mut receipt = Receipt {
            vault: manifest.vault.clone(),
            scope: manifest.scope.clone(),
            keys,
            epoch: manifest.epoch,
            previous: manifest.previous,
            at_ms: now,
            gone: Vec::new(),
            not_verified: Vec::new(),
            gone_by: self.gone_by(now),
            not_ours: slots
                .iter()
                .filter(|slot| slot.kind != SlotKind::Root)
                .map(|slot| {
                    format!(
                        "copies of wraps kept by the holder of {} ({} {:?})",
                        slot.root, slot.kind, slot.name
                    )
                })
                .collect(),
            hash: [0; 32],
            signature: Vec::new(),
        };
        receipt.not_ours.push("copies that someone who could read the vault made of its records".to_owned());
        self.look_again(&manifest, &mut receipt).await;
        receipt.hash = receipt.digest();
        receipt.signature = authority.sign(&[LABEL, &receipt.hash].concat()).to_vec();
        Ok(receipt)
    }

    /// Looks whether the wraps are gone, with the database's own eyes.
    async fn look_again(&self, manifest: &Manifest, receipt: &mut Receipt) {
        for (key, purpose) in receipt.keys.clone() {
            let wraps = format!("the vault's wraps of {purpose} key {key}");
            match self.stored_wraps(&manifest.scope, &key).await {
                Ok(found) if found.is_empty() => receipt.gone.push(wraps),
                _ => receipt.not_verified.push(wraps),
            }
        }
        receipt.gone.push("keys in the memory of this vault".to_owned());
    }

    fn gone_by(&self, now: u64) -> Vec<(String, u64)> {
        let caches = self.shared.lifetimes.hard + self.shared.lifetimes.stale;
        let caches = u64::try_from(caches.as_millis()).unwrap_or(u64::MAX);
        [
            ("keys in the memory of other processes, configured as this one", caches),
            ("the database's point-in-time recovery, where it is on", POINT_IN_TIME_MS),
            ("the database's scheduled backups, kept for at most 14 weeks", BACKUP_MS),
        ]
        .map(|(what, after)| (what.to_owned(), now.saturating_add(after)))
        .to_vec()
    }
}

impl Receipt {
    /// Whether the receipt is as the authority signed it.
    #[must_use]
    pub fn is_signed_by(&self, authority: &super::AuthorityKey) -> bool {
        let signature = <&[u8; 64]>::try_from(self.signature.as_slice());
        self.digest() == self.hash
            && signature.is_ok_and(|signature| authority.verifies(&[LABEL, &self.hash].concat(), signature))
    }

    fn digest(&self) -> [u8; 32] {
        let mut writer = Writer::default();
        writer.bytes(LABEL);
        writer.bytes(self.vault.as_bytes());
        writer.bytes(self.scope.as_str().as_bytes());
        writer.u64(self.epoch);
        writer.fixed(&self.previous);
        writer.u64(self.at_ms);
        writer.count(self.keys.len());
        for (key, purpose) in &self.keys {
            writer.fixed(key.as_bytes());
            writer.bytes(purpose.as_str().as_bytes());
        }
        for list in [&self.gone, &self.not_verified, &self.not_ours] {
            writer.count(list.len());
            list.iter().for_each(|line| writer.bytes(line.as_bytes()));
        }
        writer.count(self.gone_by.len());
        for (what, when) in &self.gone_by {
            writer.bytes(what.as_bytes());
            writer.u64(*when);
        }
        Sha256::digest(writer.finish()).into()
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "vault {:?}, scope {}, epoch {}, at {} ms",
            self.vault, self.scope, self.epoch, self.at_ms
        )?;
        for (title, list) in [
            ("verified gone", &self.gone),
            ("NOT verified", &self.not_verified),
            ("not ours", &self.not_ours),
        ] {
            list.iter().try_for_each(|line| writeln!(f, "{title}: {line}"))?;
        }
        self.gone_by.iter().try_for_each(|(what, when)| writeln!(f, "gone by {when} ms: {what}"))?;
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        writeln!(f, "sha256: {}", hex(&self.hash))?;
        writeln!(f, "signed: {}", hex(&self.signature))
    }
}
