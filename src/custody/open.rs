//! From stored records to keys: manifests are verified, and wraps opened by the roots at hand.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use zeroize::Zeroizing;

use super::cache::count;
use super::error::VaultError;
use super::manifest::{KeyEntry, KeyState, Manifest, ManifestError, record_hash};
use super::records::{RecordsError, StoredManifest};
use super::recovery::recipient_of;
use super::vault::Shared;
use crate::bytes::{KeyId, Scope};
use crate::keys::{Binding, DataKey, IndexKey, KeyWrapper, Purpose, WrapError, unwrap_key, wrap_key};
use crate::store::StoreError;

/// A manifest that was verified, and which stored state it came from.
#[derive(Debug)]
pub(super) struct Ring {
    pub(super) manifest: Manifest,
    pub(super) hash: [u8; 32],
    pub(super) version: Vec<u8>,
}

/// An opened key.
#[derive(Clone, Debug)]
pub(super) enum Secret {
    Data(Arc<DataKey>),
    Index(Arc<IndexKey>),
}

impl Secret {
    pub(super) fn generate(purpose: Purpose) -> Result<Self, VaultError> {
        let random = |_| VaultError::Random;
        Ok(match purpose {
            Purpose::Data => Self::Data(Arc::new(DataKey::generate().map_err(random)?)),
            Purpose::Index => Self::Index(Arc::new(IndexKey::generate().map_err(random)?)),
        })
    }

    fn of(purpose: Purpose, bytes: &[u8; 32]) -> Self {
        match purpose {
            Purpose::Data => Self::Data(Arc::new(DataKey::from_bytes(bytes))),
            Purpose::Index => Self::Index(Arc::new(IndexKey::from_bytes(bytes))),
        }
    }

    pub(super) fn id(&self) -> KeyId {
        match self {
            Self::Data(key) => key.id(),
            Self::Index(key) => key.id(),
        }
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        match self {
            Self::Data(key) => key.expose_secret(),
            Self::Index(key) => key.expose_secret(),
        }
    }
}

/// How often a call that failed for the moment is made in all.
const TRIES: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(50);

impl Shared {
    /// The ring as it is stored now; `None` where there is none.
    pub(super) async fn load_ring(self: Arc<Self>, scope: Scope) -> Result<Option<Arc<Ring>>, VaultError> {
        count(&self.counters.calls);
        let stored = self.read(|| self.records.manifest(&scope)).await?;
        let refused = |source| VaultError::Manifest { scope: scope.clone(), source };
        let ring = self.verify(&scope, stored).map_err(refused)?;
        if let Some(ring) = &ring {
            self.forget_closed(&ring.manifest);
        }
        Ok(ring)
    }

    /// Wipes the opened keys that a manifest no longer lets open.
    pub(super) fn forget_closed(&self, manifest: &Manifest) {
        for key in &manifest.keys {
            if !matches!(key.state, KeyState::Primary | KeyState::Active) {
                self.keys.remove(&(manifest.scope.clone(), key.id));
            }
        }
    }

    fn verify(
        &self,
        scope: &Scope,
        stored: Option<StoredManifest>,
    ) -> Result<Option<Arc<Ring>>, ManifestError> {
        let least = self.floors.get(scope).copied().unwrap_or(0);
        let Some(stored) = stored else {
            let least = self.seen(scope).map_or(least, |(epoch, _)| epoch.max(least));
            return if least == 0 { Ok(None) } else { Err(ManifestError::RolledBack { found: 0, least }) };
        };
        let manifest = Manifest::open(&stored.record, &self.authority, &self.name, scope)?;
        if manifest.epoch < least {
            return Err(ManifestError::RolledBack { found: manifest.epoch, least });
        }
        let hash = record_hash(&stored.record);
        self.see(&manifest, hash)?;
        Ok(Some(Arc::new(Ring { manifest, hash, version: stored.version })))
    }

    /// Opens a key with the first root at hand that can.
    pub(super) async fn load_key(
        self: Arc<Self>,
        ring: Arc<Ring>,
        key: KeyEntry,
    ) -> Result<Secret, VaultError> {
        let scope = &ring.manifest.scope;
        let wraps = self.read(|| self.records.wraps(scope, &key.id)).await?.unwrap_or_default();
        let mut candidates = Vec::new();
        for root in self.roots.iter().filter(|root| root.can_unwrap()) {
            // Wraps of slots that are not listed are never looked at.
            let slot = ring.manifest.slot_of(root.root());
            if let Some(wrap) = slot.and_then(|slot| wraps.get(&slot.id)) {
                candidates.push((root, wrap));
            }
        }
        let mut failures = Vec::new();
        // Each root has its share of the one deadline, so that one that hangs does not use it up.
        let share = self.lifetimes.deadline / u32::try_from(candidates.len().max(1)).unwrap_or(u32::MAX);
        for (root, wrap) in candidates {
            count(&self.counters.calls);
            match open_wrap(&**root, wrap, scope, &key, share).await {
                Ok(secret) => return Ok(secret),
                Err(failure) => failures.push(failure),
            }
        }
        Err(VaultError::NotOpened { scope: scope.clone(), key: key.id, failures })
    }

    /// Reads records, again after an outage, within the deadline.
    pub(super) async fn read<T, F>(&self, call: impl Fn() -> F) -> Result<T, VaultError>
    where
        F: Future<Output = Result<T, RecordsError>>,
    {
        let deadline = self.lifetimes.deadline;
        let tries = again(call, RecordsError::is_unavailable);
        match timeout(deadline, tries).await {
            Ok(outcome) => Ok(outcome?),
            Err(_) => {
                let error = StoreError::Deadline { seconds: deadline.as_secs() };
                Err(RecordsError::Store(error).into())
            }
        }
    }

    /// The wrapper of a listed root: one that was supplied, or one that is made from its name.
    pub(super) fn wrapper(&self, slot: &super::Slot) -> Result<Arc<dyn KeyWrapper>, VaultError> {
        let supplied = self.roots.iter().find(|root| root.root() == slot.root).cloned();
        let made =
            || self.recipients.as_ref().and_then(|make| make(slot)).filter(|made| made.root() == slot.root);
        let made = || made().or_else(|| recipient_of(slot));
        supplied.or_else(made).ok_or_else(|| VaultError::MissingRoot { root: slot.root.clone() })
    }

    /// Wraps a key, and makes sure that what was wrapped opens again. Says whether that was possible:
    /// not where the root only wraps.
    pub(super) async fn wrap_proved(
        &self,
        root: &dyn KeyWrapper,
        scope: &Scope,
        key: &KeyEntry,
        secret: &Secret,
    ) -> Result<(Vec<u8>, bool), VaultError> {
        let binding = binding(scope, key);
        let deadline = self.lifetimes.deadline;
        count(&self.counters.calls);
        let tries = again(|| wrap_key(root, secret.bytes(), &binding), is_unavailable);
        let wrap = timeout(deadline, tries).await.unwrap_or_else(|_| Err(no_answer(root, deadline)))?;
        if wrap.len() > super::MAX_WRAP_BYTES {
            return Err(unusable(root, "it wrapped a key into more than 8 KiB").into());
        }
        if !root.can_unwrap() {
            return Ok((wrap, false));
        }
        count(&self.counters.calls);
        open_wrap(root, &wrap, scope, key, deadline).await?;
        Ok((wrap, true))
    }
}

/// Opens one wrap and makes sure that it holds the key.
pub(super) async fn open_wrap(
    root: &dyn KeyWrapper,
    wrap: &[u8],
    scope: &Scope,
    key: &KeyEntry,
    deadline: Duration,
) -> Result<Secret, WrapError> {
    let binding = binding(scope, key);
    let tries = again(|| unwrap_key(root, wrap, &binding), is_unavailable);
    let bytes: Zeroizing<[u8; 32]> =
        timeout(deadline, tries).await.unwrap_or_else(|_| Err(no_answer(root, deadline)))?;
    let secret = Secret::of(key.purpose, &bytes);
    // The id certifies the key: what a root says is not believed.
    if secret.id() == key.id {
        Ok(secret)
    } else {
        Err(WrapError::DoesNotUnwrap { root: root.root().to_owned() })
    }
}

fn binding(scope: &Scope, key: &KeyEntry) -> Binding {
    Binding { scope: scope.clone(), purpose: key.purpose, key_id: key.id }
}

fn is_unavailable(error: &WrapError) -> bool {
    matches!(error, WrapError::Unavailable { .. })
}

fn no_answer(root: &dyn KeyWrapper, deadline: Duration) -> WrapError {
    let reason = format!("no answer within {} ms", deadline.as_millis());
    WrapError::Unavailable { root: root.root().to_owned(), reason, source: None }
}

fn unusable(root: &dyn KeyWrapper, reason: &str) -> WrapError {
    WrapError::Unusable { root: root.root().to_owned(), reason: reason.to_owned() }
}

/// Makes a call again while it fails for the moment only.
async fn again<T, E: fmt::Debug, F>(call: impl Fn() -> F, for_the_moment: impl Fn(&E) -> bool) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    let mut pause = FIRST_PAUSE;
    for _ in 1..TRIES {
        match call().await {
            Err(error) if for_the_moment(&error) => tokio::time::sleep(pause).await,
            outcome => return outcome,
        }
        pause *= 2;
    }
    call().await
}
