//! `KeyVault`: the rings of many scopes, opened with the roots at hand.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _};

use super::authority::AuthorityKey;
use super::cache::{Cache, CacheStats, Counters, Times};
use super::clock::{Clock, SystemClock};
use super::error::{VaultError, key_error};
use super::manifest::{KeyEntry, KeyState, Manifest, ManifestError, Slot};
use super::open::{Ring, Secret};
use super::records::{FileRecords, Records, StoreRecords};
use crate::bytes::{CollectionPath, KeyId, LocationError, Scope};
use crate::keys::{KeyError, KeyLookup, KeyProvider, KeyRing, KeyWrapper, Purpose};
use crate::store::Store;

/// The collection that [`KeyVault::in_store`] uses.
const COLLECTION: &str = "fireseal-keys";

/// How many keys are opened at the same time.
const OPENED_AT_ONCE: usize = 16;

/// How long what was loaded is kept, and how long an answer is waited for.
///
/// **The worst-case delay of a revocation** - a root that denies a key, a key that became compromised,
/// retired or destroyed, a slot that was removed - is [`hard`](Self::hard) for everything that seals,
/// and [`hard`](Self::hard) plus [`stale`](Self::stale) for opening; a program that runs without an
/// outage sees it with the second use after [`soft`](Self::soft). Times are counted from when a load began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lifetimes {
    /// Past it, the next use has a value renewed in the background. 5 minutes.
    pub soft: Duration,
    /// Past it, a value neither seals nor opens. 1 hour.
    pub hard: Duration,
    /// How long past `hard` a value may still open during an outage. Zero: not at all.
    pub stale: Duration,
    /// The least time between two loads that unknown key ids or failed renewals cause. 10 seconds.
    pub pause: Duration,
    /// How long one load may take, retries and all roots included. 10 seconds.
    pub deadline: Duration,
    /// How many opened keys are kept, and how many manifests. 1,024.
    pub capacity: usize,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            soft: Duration::from_secs(5 * 60),
            hard: Duration::from_secs(60 * 60),
            stale: Duration::ZERO,
            pause: Duration::from_secs(10),
            deadline: Duration::from_secs(10),
            capacity: 1_024,
        }
    }
}

/// Makes a wrapper from a slot's root name, where none was supplied.
type Recipients = Arc<dyn Fn(&Slot) -> Option<Arc<dyn KeyWrapper>> + Send + Sync>;

/// The key rings of many scopes, wherever they are kept: verified with the pinned key of the authority,
/// opened with the roots that were supplied, and cached.
///
/// A vault is a [`KeyProvider`]. Its [`ring`](KeyProvider::ring) holds the primary key and the live index
/// keys; older keys are opened when documents ask for them. To open without a repository what older keys
/// sealed, take [`open_ring`](Self::open_ring).
///
/// A clone shares everything. The `with_` methods make a vault with caches of its own; call them first.
/// Needs a Tokio runtime.
#[derive(Clone)]
pub struct KeyVault {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) records: Arc<dyn Records>,
    pub(super) name: String,
    pub(super) authority: AuthorityKey,
    pub(super) roots: Vec<Arc<dyn KeyWrapper>>,
    pub(super) recipients: Option<Recipients>,
    pub(super) floors: HashMap<Scope, u64>,
    pub(super) lifetimes: Lifetimes,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) counters: Arc<Counters>,
    open_compromised: bool,
    pub(super) rings: Arc<Cache<Scope, Option<Arc<Ring>>>>,
    pub(super) keys: Arc<Cache<(Scope, KeyId), Secret>>,
    /// The highest epoch seen of each scope, and its record's hash.
    seen: Mutex<HashMap<Scope, (u64, [u8; 32])>>,
}

impl Shared {
    pub(super) fn seen(&self, scope: &Scope) -> Option<(u64, [u8; 32])> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(scope).copied()
    }

    /// Remembers a verified manifest, unless it goes back or aside.
    pub(super) fn see(&self, manifest: &Manifest, hash: [u8; 32]) -> Result<(), ManifestError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let epoch = manifest.epoch;
        if let Some((least, known)) = seen.get(&manifest.scope).copied() {
            if epoch < least {
                return Err(ManifestError::RolledBack { found: epoch, least });
            }
            let follows =
                if epoch == least { hash == known } else { epoch > least + 1 || manifest.previous == known };
            if !follows {
                return Err(ManifestError::Forked { epoch });
            }
        }
        seen.insert(manifest.scope.clone(), (epoch, hash));
        Ok(())
    }

    fn make_caches(&mut self) {
        let Lifetimes { soft, hard, stale, pause, capacity, .. } = self.lifetimes;
        let times = Times { soft: soft.min(hard), hard, stale, pause };
        self.counters = Arc::default();
        let counters = || Arc::clone(&self.counters);
        self.rings = Cache::new("manifests", times, capacity, Arc::clone(&self.clock), counters());
        self.keys = Cache::new("keys", times, capacity, Arc::clone(&self.clock), counters());
    }
}

impl KeyVault {
    /// The vault of this name in the collection `fireseal-keys` of a database.
    #[must_use]
    pub fn in_store(store: impl Store + 'static, name: impl Into<String>, authority: AuthorityKey) -> Self {
        let collection = CollectionPath::parse(COLLECTION).expect("a plain name is a collection");
        Self::over(StoreRecords::new(store, collection), name, authority)
    }

    /// The vault of this name in another collection.
    ///
    /// # Errors
    /// The path is not one of a collection.
    pub fn in_collection(
        store: impl Store + 'static,
        collection: &str,
        name: impl Into<String>,
        authority: AuthorityKey,
    ) -> Result<Self, LocationError> {
        Ok(Self::over(StoreRecords::new(store, CollectionPath::parse(collection)?), name, authority))
    }

    /// The vault of this name in a local file of mode 0600, which need not be there yet.
    #[must_use]
    pub fn in_file(path: impl Into<PathBuf>, name: impl Into<String>, authority: AuthorityKey) -> Self {
        Self::over(FileRecords::new(path), name, authority)
    }

    /// The vault of this name over these records.
    #[must_use]
    pub fn over(records: impl Records + 'static, name: impl Into<String>, authority: AuthorityKey) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let times = Times {
            soft: Duration::ZERO,
            hard: Duration::ZERO,
            stale: Duration::ZERO,
            pause: Duration::ZERO,
        };
        let counters = Arc::<Counters>::default();
        let mut shared = Shared {
            records: Arc::new(records),
            name: name.into(),
            authority,
            roots: Vec::new(),
            recipients: None,
            floors: HashMap::new(),
            lifetimes: Lifetimes::default(),
            open_compromised: false,
            rings: Cache::new("manifests", times, 0, Arc::clone(&clock), Arc::clone(&counters)),
            keys: Cache::new("keys", times, 0, Arc::clone(&clock), Arc::clone(&counters)),
            clock,
            counters,
            seen: Mutex::default(),
        };
        shared.make_caches();
        Self { shared: Arc::new(shared) }
    }

    /// Supplies a root. Of several, the first one that opens a key is used; each further one is asked
    /// only where those before it fail.
    #[must_use]
    pub fn with_root(self, root: impl KeyWrapper + 'static) -> Self {
        self.with_shared_root(Arc::new(root))
    }

    /// Supplies a root that is used elsewhere too.
    #[must_use]
    pub fn with_shared_root(self, root: Arc<dyn KeyWrapper>) -> Self {
        self.edit(|shared| shared.roots.push(root))
    }

    /// Says how to wrap for a slot whose root was not supplied: from the recipient that the signed
    /// manifest has in full, say. A wrapper of another name is not used.
    #[must_use]
    pub fn with_recipients(
        self,
        recipients: impl Fn(&Slot) -> Option<Arc<dyn KeyWrapper>> + Send + Sync + 'static,
    ) -> Self {
        self.edit(|shared| shared.recipients = Some(Arc::new(recipients)))
    }

    /// Refuses manifests of a scope below this epoch, however new the process is.
    #[must_use]
    pub fn with_floor(self, scope: Scope, epoch: u64) -> Self {
        self.edit(|shared| {
            shared.floors.insert(scope, epoch);
        })
    }

    /// Sets how long what was loaded is kept.
    #[must_use]
    pub fn with_lifetimes(self, change: impl FnOnce(&mut Lifetimes)) -> Self {
        self.edit(|shared| change(&mut shared.lifetimes))
    }

    /// Takes the time from another clock.
    #[must_use]
    pub fn with_clock(self, clock: impl Clock + 'static) -> Self {
        self.edit(|shared| shared.clock = Arc::new(clock))
    }

    /// Opens what compromised keys sealed, too. Others may have those keys: what they open is secret no
    /// longer, and anyone may have written it. For recovery, not for service.
    #[must_use]
    pub fn opening_compromised(self) -> Self {
        self.edit(|shared| shared.open_compromised = true)
    }

    /// What the caches did since the vault was made.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        self.shared.counters.snapshot()
    }

    /// How many opened keys are in memory.
    #[must_use]
    pub fn opened_keys(&self) -> usize {
        self.shared.keys.len()
    }

    /// Forgets and wipes every opened key and every manifest; not which epochs were seen.
    pub fn wipe(&self) {
        self.shared.rings.clear();
        self.shared.keys.clear();
    }

    /// The verified manifest of a scope, as it is stored now.
    ///
    /// # Errors
    /// [`VaultError::ScopeUnknown`], or why it is refused or cannot be read.
    pub async fn manifest(&self, scope: &Scope) -> Result<Manifest, VaultError> {
        Ok(self.current(scope).await?.manifest.clone())
    }

    /// The ring with every key that opens: one call to a root for each that is not in memory.
    ///
    /// # Errors
    /// As [`ring`](KeyProvider::ring).
    pub async fn open_ring(&self, scope: &Scope) -> Result<KeyRing, KeyError> {
        let (ring, mut opened) = self.sealing_ring(scope).await?;
        let others =
            ring.manifest.keys.iter().filter(|key| self.opens(key, true) && key.purpose == Purpose::Data);
        let keys: Vec<KeyEntry> = others.cloned().collect();
        let secrets: Vec<Secret> = futures::stream::iter(keys)
            .map(|key| {
                let ring = &ring;
                async move { self.key(ring, &key, false).await }
            })
            .buffered(OPENED_AT_ONCE)
            .try_collect()
            .await
            .map_err(|error| key_error(&error))?;
        for secret in secrets {
            if let Secret::Data(key) = secret {
                opened = opened.with_shared_active(key);
            }
        }
        Ok(opened)
    }

    /// The manifest as it is stored now, past the cache.
    pub(super) async fn current(&self, scope: &Scope) -> Result<Arc<Ring>, VaultError> {
        let ring = Arc::clone(&self.shared).load_ring(scope.clone()).await?;
        ring.ok_or_else(|| VaultError::ScopeUnknown { scope: scope.clone() })
    }

    /// A key, cached. Where no wrap opens, the slots may have changed: then the ring is read again.
    pub(super) async fn key(
        &self,
        ring: &Arc<Ring>,
        key: &KeyEntry,
        stale_too: bool,
    ) -> Result<Secret, Arc<VaultError>> {
        let scope = &ring.manifest.scope;
        let failed = match self.cached_key(ring, key, stale_too).await {
            Err(error) if matches!(*error, VaultError::NotOpened { .. }) && !error.is_unavailable() => error,
            outcome => return outcome,
        };
        let renewed = self.shared.rings.renewed(scope, || Arc::clone(&self.shared).load_ring(scope.clone()));
        match renewed.await {
            Ok(Some(newer)) if newer.manifest.epoch > ring.manifest.epoch => {
                match newer.manifest.key(&key.id) {
                    Some(key) if key.state != KeyState::Destroyed => {
                        self.cached_key(&newer, key, stale_too).await
                    }
                    _ => Err(failed),
                }
            }
            _ => Err(failed),
        }
    }

    async fn cached_key(
        &self,
        ring: &Arc<Ring>,
        key: &KeyEntry,
        stale_too: bool,
    ) -> Result<Secret, Arc<VaultError>> {
        let name = (ring.manifest.scope.clone(), key.id);
        let load = || Arc::clone(&self.shared).load_key(Arc::clone(ring), key.clone());
        self.shared.keys.get(&name, stale_too, load).await
    }

    async fn cached_ring(
        &self,
        scope: &Scope,
        stale_too: bool,
    ) -> Result<Option<Arc<Ring>>, Arc<VaultError>> {
        let load = || Arc::clone(&self.shared).load_ring(scope.clone());
        match self.shared.rings.get(scope, stale_too, load).await? {
            Some(ring) => Ok(Some(ring)),
            // It may have been created since: asked again, at most once per pause.
            None => {
                self.shared.rings.renewed(scope, || Arc::clone(&self.shared).load_ring(scope.clone())).await
            }
        }
    }

    async fn sealing_ring(&self, scope: &Scope) -> Result<(Arc<Ring>, KeyRing), KeyError> {
        let ring = self.cached_ring(scope, false).await.map_err(|error| key_error(&error))?;
        let ring = ring.ok_or_else(|| KeyError::ScopeUnknown { scope: scope.clone() })?;
        let Some(primary) = ring.manifest.primary(Purpose::Data) else {
            return Err(KeyError::ScopeDestroyed { scope: scope.clone() });
        };
        let open = async |key| self.key(&ring, key, false).await.map_err(|error| key_error(&error));
        let mut opened = match open(primary).await? {
            Secret::Data(key) => KeyRing::of_shared(key).with_scope(scope.clone()),
            Secret::Index(_) => return Err(KeyError::ScopeUnknown { scope: scope.clone() }),
        };
        let index = |state| {
            let of_state = move |key: &&KeyEntry| key.purpose == Purpose::Index && key.state == state;
            ring.manifest.keys.iter().filter(of_state)
        };
        for key in index(KeyState::Primary).chain(index(KeyState::Active)) {
            if let Secret::Index(key) = open(key).await? {
                opened = opened.with_shared_index(key);
            }
        }
        for key in ring.manifest.keys.iter().filter(|key| key.purpose == Purpose::Data) {
            opened = match key.state {
                KeyState::Retired => opened.with_retired(key.id),
                KeyState::Compromised => opened.with_compromised(key.id),
                KeyState::Destroyed => opened.with_destroyed(key.id),
                KeyState::Primary | KeyState::Active => opened,
            };
        }
        Ok((ring, opened))
    }

    /// Compromised keys are opened where that was asked for, and `compromised` too.
    async fn look_up(
        &self,
        scope: &Scope,
        id: &KeyId,
        compromised: bool,
    ) -> Result<KeyLookup, Arc<VaultError>> {
        let Some(mut ring) = self.cached_ring(scope, true).await? else { return Ok(KeyLookup::Unknown) };
        if ring.manifest.key(id).is_none() {
            // It may be newer than our manifest: asked again, at most once per pause. What an outage
            // leaves unknown is no answer.
            let load = || Arc::clone(&self.shared).load_ring(scope.clone());
            match self.shared.rings.renewed(scope, load).await? {
                Some(newer) => ring = newer,
                None => return Ok(KeyLookup::Unknown),
            }
        }
        match ring.manifest.key(id) {
            Some(key) if key.purpose != Purpose::Data => Ok(KeyLookup::Unknown),
            Some(key) if self.opens(key, compromised) => match self.key(&ring, key, true).await? {
                Secret::Data(key) => Ok(KeyLookup::Found(key)),
                Secret::Index(_) => Ok(KeyLookup::Unknown),
            },
            Some(key) => Ok(match key.state {
                KeyState::Retired => KeyLookup::Retired,
                KeyState::Compromised => KeyLookup::Compromised,
                KeyState::Destroyed => KeyLookup::Destroyed,
                KeyState::Primary | KeyState::Active => KeyLookup::Unknown,
            }),
            None => Ok(KeyLookup::Unknown),
        }
    }

    fn opens(&self, key: &KeyEntry, compromised: bool) -> bool {
        match key.state {
            KeyState::Primary | KeyState::Active => true,
            KeyState::Compromised => compromised && self.shared.open_compromised,
            KeyState::Retired | KeyState::Destroyed => false,
        }
    }

    async fn found(&self, wanted: &[(Scope, KeyId)], compromised: bool) -> Result<Vec<KeyLookup>, KeyError> {
        let found = futures::stream::iter(wanted.to_vec())
            .map(|(scope, id)| async move {
                match self.look_up(&scope, &id, compromised).await {
                    Err(error) if error.is_of_one_scope() => {
                        tracing::warn!(%scope, key = %id, %error, "a key is refused");
                        Ok(KeyLookup::Refused)
                    }
                    answer => answer,
                }
            })
            .buffered(OPENED_AT_ONCE)
            .try_collect();
        found.await.map_err(|error| key_error(&error))
    }

    pub(super) fn edit(self, change: impl FnOnce(&mut Shared)) -> Self {
        let old = &self.shared;
        let mut shared = Shared {
            records: Arc::clone(&old.records),
            name: old.name.clone(),
            authority: old.authority,
            roots: old.roots.clone(),
            recipients: old.recipients.clone(),
            floors: old.floors.clone(),
            lifetimes: old.lifetimes,
            open_compromised: old.open_compromised,
            rings: Arc::clone(&old.rings),
            keys: Arc::clone(&old.keys),
            clock: Arc::clone(&old.clock),
            counters: Arc::clone(&old.counters),
            seen: Mutex::new(old.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()),
        };
        change(&mut shared);
        shared.make_caches();
        Self { shared: Arc::new(shared) }
    }
}

#[async_trait]
impl KeyProvider for KeyVault {
    async fn ring(&self, scope: &Scope) -> Result<KeyRing, KeyError> {
        Ok(self.sealing_ring(scope).await?.1)
    }

    async fn keys(&self, wanted: &[(Scope, KeyId)]) -> Result<Vec<KeyLookup>, KeyError> {
        self.found(wanted, true).await
    }

    async fn vouching(&self, wanted: &[(Scope, KeyId)]) -> Result<Vec<KeyLookup>, KeyError> {
        self.found(wanted, false).await
    }
}

impl fmt::Debug for KeyVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let roots: Vec<&str> = self.shared.roots.iter().map(|root| root.root()).collect();
        let Shared { name, authority, .. } = &*self.shared;
        f.debug_struct("KeyVault")
            .field("name", name)
            .field("authority", authority)
            .field("roots", &roots)
            .finish_non_exhaustive()
    }
}
