//! The ring manifest: one signed record per scope that says which keys and which slots there are.

use std::collections::HashSet;
use std::fmt;

use sha2::{Digest, Sha256};

use super::authority::{Authority, AuthorityKey};
use super::codec::{Reader, Writer};
use crate::bytes::{KeyId, Scope};
use crate::keys::Purpose;

const LABEL: &[u8] = b"fireseal-ring-v1";
const SIGNATURE_BYTES: usize = 64;

/// The longest manifest, in bytes; a longer record is refused unread.
pub const MAX_MANIFEST_BYTES: usize = 640 * 1024;
/// The most keys in a manifest, destroyed ones included.
pub const MAX_KEYS: usize = 4_096;
/// The most keys that are not destroyed, so that any change of a ring is one commit.
pub const MAX_LIVE_KEYS: usize = 400;
/// The most slots in a manifest.
pub const MAX_SLOTS: usize = 64;
/// The longest name of a root, slot or vault, in bytes.
const MAX_NAME_BYTES: usize = 2_048;
/// The longest attachment of a slot, in bytes.
const MAX_ATTACHMENT_BYTES: usize = 4_096;

/// What a key may still do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyState {
    /// Seals and opens; of an index key: makes tokens, and is queried.
    Primary,
    /// Opens; of an index key: is queried.
    Active,
    /// Neither: nothing sealed with it was left. Its wraps are kept for backups that come back.
    Retired,
    /// Others may have it: it seals nothing, and opens only where that is asked for.
    Compromised,
    /// Its wraps are gone, and what it sealed with them.
    Destroyed,
}

impl KeyState {
    const CODES: [(u8, Self); 5] = [
        (1, Self::Primary),
        (2, Self::Active),
        (3, Self::Retired),
        (4, Self::Compromised),
        (5, Self::Destroyed),
    ];

    fn code(self) -> u8 {
        Self::CODES.iter().find(|(_, state)| *state == self).map_or(0, |(code, _)| *code)
    }

    fn from_code(code: u8) -> Option<Self> {
        Self::CODES.iter().find(|(known, _)| *known == code).map(|(_, state)| *state)
    }
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Primary => "primary",
            Self::Active => "active",
            Self::Retired => "retired",
            Self::Compromised => "compromised",
            Self::Destroyed => "destroyed",
        })
    }
}

/// A key of the ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyEntry {
    /// The id that certifies it.
    pub id: KeyId,
    /// What it is used for.
    pub purpose: Purpose,
    /// What it may still do.
    pub state: KeyState,
    /// Since when it is in this state: milliseconds since 1970, by the administrator's clock.
    pub since_ms: u64,
}

/// Who holds the root of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SlotKind {
    /// A root that services use every day: a key service, an HSM, a local key.
    Root,
    /// An identity kept offline.
    Backup,
    /// A recovery code on paper.
    RecoveryCode,
    /// A person's device.
    Device,
    /// An identity that is split among several people.
    Quorum,
}

impl SlotKind {
    const NAMES: [(&'static str, Self); 5] = [
        ("root", Self::Root),
        ("backup", Self::Backup),
        ("recovery-code", Self::RecoveryCode),
        ("device", Self::Device),
        ("quorum", Self::Quorum),
    ];

    /// The kind's name in manifests.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::NAMES.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }

    /// The kind with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
    }
}

impl fmt::Display for SlotKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A root that every live key of the ring is wrapped under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Its number, which no other slot of the ring ever had or gets.
    pub id: u32,
    /// Who holds the root.
    pub kind: SlotKind,
    /// What people call it: a device's name, say. May be empty.
    pub name: String,
    /// The root key's full name or the full recipient, as
    /// [`KeyWrapper::root`](crate::KeyWrapper::root) has it.
    pub root: String,
    /// When it was last proved that this slot alone opens the ring: milliseconds since 1970.
    pub verified_ms: Option<u64>,
    /// Bytes that belong to the slot and are signed with it, at most 4 KiB: an identity that a
    /// recovery code opens, say. No secret by themselves.
    pub attachment: Vec<u8>,
}

/// What the authority says about the ring of a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Manifest {
    /// The vault's name.
    pub vault: String,
    /// Whose ring it is.
    pub scope: Scope,
    /// How many changes there were, this one included.
    pub epoch: u64,
    /// The SHA-256 of the signed manifest before; zeros for the first.
    pub previous: [u8; 32],
    /// When it was signed: milliseconds since 1970, by the administrator's clock.
    pub signed_ms: u64,
    /// The keys.
    pub keys: Vec<KeyEntry>,
    /// The slots.
    pub slots: Vec<Slot>,
    /// The number of the next slot.
    pub next_slot: u32,
}

/// Why a stored manifest is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// Longer than [`MAX_MANIFEST_BYTES`].
    #[error("the manifest has {len} bytes; {MAX_MANIFEST_BYTES} are the most")]
    TooLong {
        /// Its length.
        len: usize,
    },
    /// Not signed by the pinned authority.
    #[error("the manifest is not signed by this vault's authority")]
    Signature,
    /// Signed, but not a manifest that this version reads.
    #[error("the manifest is malformed, or of a later version than this program reads")]
    Malformed,
    /// The manifest of another vault.
    #[error("the manifest is that of the vault {found:?}")]
    OtherVault {
        /// The other vault's name.
        found: String,
    },
    /// The manifest of another scope.
    #[error("the manifest is that of scope {found}")]
    OtherScope {
        /// The other scope.
        found: Scope,
    },
    /// Older than what was seen before, or than the configured floor.
    #[error("the manifest has epoch {found}, but {least} was seen or is configured: it was rolled back")]
    RolledBack {
        /// The stored epoch; 0 where nothing is stored.
        found: u64,
        /// The least that is taken.
        least: u64,
    },
    /// Another manifest than the one seen under the same epoch, or one that does not follow it.
    #[error("the manifest of epoch {epoch} does not follow the one seen before: there are two histories")]
    Forked {
        /// The stored epoch.
        epoch: u64,
    },
    /// The manifest contradicts itself.
    #[error("the manifest contradicts itself: {reason}")]
    Inconsistent {
        /// What does not fit.
        reason: &'static str,
    },
}

impl Manifest {
    /// The keys that are not destroyed.
    pub fn live(&self) -> impl Iterator<Item = &KeyEntry> {
        self.keys.iter().filter(|key| key.state != KeyState::Destroyed)
    }

    /// The key that seals, or makes tokens; `None` in a ring without a live one.
    #[must_use]
    pub fn primary(&self, purpose: Purpose) -> Option<&KeyEntry> {
        self.keys.iter().find(|key| key.purpose == purpose && key.state == KeyState::Primary)
    }

    /// The key with this id.
    #[must_use]
    pub fn key(&self, id: &KeyId) -> Option<&KeyEntry> {
        self.keys.iter().find(|key| key.id == *id)
    }

    /// The slot of this root.
    #[must_use]
    pub fn slot_of(&self, root: &str) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.root == root)
    }

    /// Whether the scope was destroyed: no key is left.
    #[must_use]
    pub fn is_destroyed(&self) -> bool {
        self.live().next().is_none()
    }

    /// The signed record: the manifest's bytes, then 64 bytes of Ed25519.
    pub(super) fn sign(&self, authority: &Authority) -> Result<Vec<u8>, ManifestError> {
        self.check()?;
        let mut record = self.encode();
        let signature = authority.sign(&record);
        record.extend_from_slice(&signature);
        if record.len() > MAX_MANIFEST_BYTES {
            return Err(ManifestError::TooLong { len: record.len() });
        }
        Ok(record)
    }

    /// The manifest in a signed record, if it is that of this vault and scope.
    pub(super) fn open(
        record: &[u8],
        authority: &AuthorityKey,
        vault: &str,
        scope: &Scope,
    ) -> Result<Self, ManifestError> {
        if record.len() > MAX_MANIFEST_BYTES {
            return Err(ManifestError::TooLong { len: record.len() });
        }
        let (body, signature) =
            record.split_last_chunk::<SIGNATURE_BYTES>().ok_or(ManifestError::Malformed)?;
        if !authority.verifies(body, signature) {
            return Err(ManifestError::Signature);
        }
        let manifest = Self::decode(body).ok_or(ManifestError::Malformed)?;
        if manifest.vault != vault {
            return Err(ManifestError::OtherVault { found: manifest.vault });
        }
        if manifest.scope != *scope {
            return Err(ManifestError::OtherScope { found: manifest.scope });
        }
        manifest.check()?;
        Ok(manifest)
    }

    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.bytes(LABEL);
        writer.bytes(self.vault.as_bytes());
        writer.bytes(self.scope.as_str().as_bytes());
        writer.u64(self.epoch);
        writer.fixed(&self.previous);
        writer.u64(self.signed_ms);
        writer.count(self.keys.len());
        for key in &self.keys {
            writer.fixed(key.id.as_bytes());
            writer.u8(match key.purpose {
                Purpose::Data => 1,
                Purpose::Index => 2,
            });
            writer.u8(key.state.code());
            writer.u64(key.since_ms);
        }
        writer.u32(self.next_slot);
        writer.count(self.slots.len());
        for slot in &self.slots {
            writer.u32(slot.id);
            writer.bytes(slot.kind.as_str().as_bytes());
            writer.bytes(slot.name.as_bytes());
            writer.bytes(slot.root.as_bytes());
            writer.u64(slot.verified_ms.unwrap_or(0));
            writer.bytes(&slot.attachment);
        }
        writer.finish()
    }

    fn decode(body: &[u8]) -> Option<Self> {
        let mut reader = Reader(body);
        if reader.bytes()? != LABEL {
            return None;
        }
        let vault = reader.text()?.to_owned();
        let scope = Scope::new(reader.text()?).ok()?;
        let (epoch, previous, signed_ms) = (reader.u64()?, reader.fixed()?, reader.u64()?);
        let mut keys = Vec::new();
        for _ in 0..reader.count(MAX_KEYS)? {
            let id = KeyId::from_bytes(reader.fixed()?);
            let purpose = match reader.u8()? {
                1 => Purpose::Data,
                2 => Purpose::Index,
                _ => return None,
            };
            let state = KeyState::from_code(reader.u8()?)?;
            keys.push(KeyEntry { id, purpose, state, since_ms: reader.u64()? });
        }
        let next_slot = reader.u32()?;
        let mut slots = Vec::new();
        for _ in 0..reader.count(MAX_SLOTS)? {
            slots.push(Slot {
                id: reader.u32()?,
                kind: SlotKind::from_name(reader.text()?)?,
                name: reader.text()?.to_owned(),
                root: reader.text()?.to_owned(),
                verified_ms: Some(reader.u64()?).filter(|ms| *ms != 0),
                attachment: reader.bytes()?.to_vec(),
            });
        }
        let manifest = Self { vault, scope, epoch, previous, signed_ms, keys, slots, next_slot };
        reader.is_empty().then_some(manifest)
    }

    /// What must hold of every manifest, checked before signing and after opening.
    fn check(&self) -> Result<(), ManifestError> {
        let (mut ids, mut slots, mut roots) = (HashSet::new(), HashSet::new(), HashSet::new());
        let primaries = |purpose| {
            self.keys.iter().filter(|key| key.purpose == purpose && key.state == KeyState::Primary).count()
        };
        let names = self.slots.iter().flat_map(|slot| [&slot.name, &slot.root]).chain([&self.vault]);
        let rules = [
            (self.epoch > 0, "epochs begin at 1"),
            (self.keys.len() <= MAX_KEYS, "more than 4,096 keys"),
            (self.live().count() <= MAX_LIVE_KEYS, "more than 400 keys that are not destroyed"),
            (self.slots.len() <= MAX_SLOTS, "more than 64 slots"),
            (self.keys.iter().all(|key| ids.insert(key.id)), "one key id stands in it twice"),
            (self.slots.iter().all(|slot| slots.insert(slot.id)), "one slot number stands in it twice"),
            (self.slots.iter().all(|slot| roots.insert(&slot.root)), "one root stands in it twice"),
            (self.slots.iter().all(|slot| slot.id < self.next_slot), "a slot's number is yet to be given"),
            (names.clone().all(|name| name.len() <= MAX_NAME_BYTES), "a name is longer than 2,048 bytes"),
            (
                self.slots.iter().all(|slot| slot.attachment.len() <= MAX_ATTACHMENT_BYTES),
                "an attachment is longer than 4,096 bytes",
            ),
            (self.is_destroyed() || primaries(Purpose::Data) == 1, "there is not one primary data key"),
            (primaries(Purpose::Index) <= 1, "there are two primary index keys"),
            (self.is_destroyed() || !self.slots.is_empty(), "keys without a slot"),
        ];
        match rules.into_iter().find(|(holds, _)| !holds) {
            None => Ok(()),
            Some((_, reason)) => Err(ManifestError::Inconsistent { reason }),
        }
    }
}

/// The manifest in a body without its signature, checked and written again.
pub fn rewritten(body: &[u8]) -> Option<Vec<u8>> {
    let manifest = Manifest::decode(body)?;
    manifest.check().ok()?;
    Some(manifest.encode())
}

/// The SHA-256 of a signed record, which the next manifest names.
pub(super) fn record_hash(record: &[u8]) -> [u8; 32] {
    Sha256::digest(record).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let key =
            |id, purpose, state| KeyEntry { id: KeyId::from_bytes([id; 32]), purpose, state, since_ms: 5 };
        let slot = |id, root: &str| Slot {
            id,
            kind: SlotKind::Device,
            name: "téléphone".to_owned(),
            root: root.to_owned(),
            verified_ms: (id == 0).then_some(7),
            attachment: vec![1, 2, 3],
        };
        Manifest {
            vault: "production".to_owned(),
            scope: Scope::default(),
            epoch: 3,
            previous: [9; 32],
            signed_ms: 6,
            keys: vec![
                key(1, Purpose::Data, KeyState::Primary),
                key(2, Purpose::Data, KeyState::Destroyed),
                key(3, Purpose::Index, KeyState::Primary),
            ],
            slots: vec![slot(0, "local:a"), slot(4, "age:b")],
            next_slot: 5,
        }
    }

    fn authority() -> Authority {
        let text =
            "fireseal-authority-secret-v1:0101010101010101010101010101010101010101010101010101010101010101:";
        let checksum = &Sha256::digest(text.trim_end_matches(':'))[..4];
        let hex: String = checksum.iter().map(|byte| format!("{byte:02x}")).collect();
        Authority::parse(&format!("{text}{hex}")).expect("an authority")
    }

    #[test]
    fn a_signed_manifest_comes_back_and_its_bytes_do_not_change() {
        let authority = authority();
        let record = manifest().sign(&authority).expect("consistent");
        let opened = Manifest::open(&record, &authority.key(), "production", &Scope::default());
        assert_eq!(opened.expect("ours"), manifest());
        let hash: String = record_hash(&record).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            (record.len(), hash.as_str()),
            (403, "56e2b733561cc7d754d3ba79b1488b0773a297451848903e6dac9067ad822ac2")
        );
    }

    /// Not even the authority signs these; had another program signed them, they would not open.
    #[test]
    fn manifests_that_contradict_themselves_are_neither_signed_nor_opened() {
        let authority = authority();
        let wrong: [fn(&mut Manifest); 16] = [
            |manifest| manifest.epoch = 0,
            |manifest| manifest.keys[1].id = manifest.keys[0].id,
            |manifest| manifest.keys[2].id = manifest.keys[0].id,
            |manifest| manifest.keys[1].state = KeyState::Primary,
            |manifest| manifest.keys[0].state = KeyState::Active,
            |manifest| {
                let id = KeyId::from_bytes([7; 32]);
                manifest.keys.push(KeyEntry { id, ..manifest.keys[2].clone() });
            },
            |manifest| manifest.slots[1].id = 0,
            |manifest| manifest.slots[1].id = 5,
            |manifest| manifest.slots[1].root = manifest.slots[0].root.clone(),
            |manifest| manifest.slots.clear(),
            |manifest| manifest.slots[0].name = "x".repeat(MAX_NAME_BYTES + 1),
            |manifest| manifest.slots[0].root = "x".repeat(MAX_NAME_BYTES + 1),
            |manifest| manifest.vault = "x".repeat(MAX_NAME_BYTES + 1),
            |manifest| manifest.slots[0].attachment = vec![0; MAX_ATTACHMENT_BYTES + 1],
            |manifest| fill(manifest, MAX_LIVE_KEYS, KeyState::Active),
            |manifest| fill(manifest, MAX_KEYS, KeyState::Destroyed),
        ];
        for (at, wrong) in wrong.into_iter().enumerate() {
            let mut manifest = manifest();
            wrong(&mut manifest);
            assert!(manifest.sign(&authority).is_err(), "{at}");
            let mut record = manifest.encode();
            let signature = authority.sign(&record);
            record.extend_from_slice(&signature);
            let opened = Manifest::open(&record, &authority.key(), &manifest.vault, &manifest.scope);
            assert!(opened.is_err(), "{at}");
        }
    }

    fn fill(manifest: &mut Manifest, count: usize, state: KeyState) {
        for number in 0..count {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&(number as u64 + 1_000).to_be_bytes());
            let key = KeyEntry { id: KeyId::from_bytes(id), purpose: Purpose::Data, state, since_ms: 0 };
            manifest.keys.push(key);
        }
    }
}
