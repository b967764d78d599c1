//! What the tests of the vault share: a clock to move, a root that counts, records that lie.

#![allow(dead_code)]

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use fireseal::custody::{Change, Clock, Moment, Records, RecordsError, StoredManifest, Wraps};
use fireseal::{KeyId, KeyWrapper, LocalRoot, Scope, WrapError};
use zeroize::Zeroizing;

pub fn scope(name: &str) -> Scope {
    Scope::new(name).unwrap()
}

pub fn root(seed: u8) -> LocalRoot {
    LocalRoot::from_bytes(&[seed; 32])
}

/// A clock that stands still until it is moved. Sleeping moves it.
#[derive(Clone, Default)]
pub struct MovedClock(Arc<AtomicU64>);

impl MovedClock {
    pub fn move_by(&self, duration: Duration) {
        self.0.fetch_add(u64::try_from(duration.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for MovedClock {
    fn now(&self) -> Moment {
        let since = Duration::from_millis(self.0.load(Ordering::SeqCst));
        Moment { monotonic: since, unix: Duration::from_secs(1_700_000_000) + since }
    }

    async fn sleep(&self, duration: Duration) {
        self.move_by(duration);
        tokio::task::yield_now().await;
    }
}

/// What a scripted root does with a call.
#[derive(Clone, Copy, PartialEq)]
pub enum Fault {
    Unavailable,
    Denied,
    Hangs,
    /// Gives back bytes of another key.
    Lies,
}

/// A local root that counts its calls and follows a script; at the end of it, `always`.
#[derive(Clone)]
pub struct Service {
    inner: Arc<LocalRoot>,
    name: String,
    pub wraps: Arc<AtomicU64>,
    pub unwraps: Arc<AtomicU64>,
    script: Arc<Mutex<VecDeque<Fault>>>,
    always: Arc<Mutex<Option<Fault>>>,
    pub slow: Duration,
    pub only_wraps: bool,
}

impl Service {
    pub fn new(seed: u8) -> Self {
        let inner = Arc::new(root(seed));
        Self {
            name: inner.root().to_owned(),
            inner,
            wraps: Arc::default(),
            unwraps: Arc::default(),
            script: Arc::default(),
            always: Arc::default(),
            slow: Duration::ZERO,
            only_wraps: false,
        }
    }

    pub fn fails(&self, faults: impl IntoIterator<Item = Fault>) {
        self.script.lock().unwrap().extend(faults);
    }

    pub fn always(&self, fault: Option<Fault>) {
        *self.always.lock().unwrap() = fault;
    }

    pub fn unwraps(&self) -> u64 {
        self.unwraps.load(Ordering::SeqCst)
    }

    pub fn calls(&self) -> u64 {
        self.unwraps() + self.wraps.load(Ordering::SeqCst)
    }

    async fn fault(&self) -> Result<bool, WrapError> {
        tokio::time::sleep(self.slow).await;
        let next = self.script.lock().unwrap().pop_front();
        let fault = next.or(*self.always.lock().unwrap());
        let root = self.name.clone();
        match fault {
            None => Ok(false),
            Some(Fault::Lies) => Ok(true),
            Some(Fault::Unavailable) => {
                Err(WrapError::Unavailable { root, reason: "scripted".to_owned(), source: None })
            }
            Some(Fault::Denied) => Err(WrapError::Denied { root, reason: "scripted".to_owned() }),
            Some(Fault::Hangs) => std::future::pending().await,
        }
    }
}

#[async_trait]
impl KeyWrapper for Service {
    fn root(&self) -> &str {
        &self.name
    }

    fn can_unwrap(&self) -> bool {
        !self.only_wraps
    }

    async fn wrap(&self, record: &[u8], context: &[u8]) -> Result<Vec<u8>, WrapError> {
        self.wraps.fetch_add(1, Ordering::SeqCst);
        self.fault().await?;
        self.inner.wrap(record, context).await
    }

    async fn unwrap(&self, wrapped: &[u8], context: &[u8]) -> Result<Zeroizing<Vec<u8>>, WrapError> {
        self.unwraps.fetch_add(1, Ordering::SeqCst);
        assert!(!self.only_wraps, "a root that only wraps was asked to unwrap");
        let lies = self.fault().await?;
        let mut record = self.inner.unwrap(wrapped, context).await?;
        if lies {
            // Another key's bytes in a record that is right in all else.
            let secret = record.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(2).unwrap().0 + 1;
            record[secret..secret + 8].copy_from_slice(b"AAAAAAAA");
        }
        Ok(record)
    }
}

/// Records in memory that a test reads and writes as whoever operates the vault would.
#[derive(Clone, Default)]
pub struct Held(pub Arc<Mutex<HashMap<Scope, Ring>>>, pub Arc<AtomicU64>);

/// A manifest, and the wraps of each key.
pub type Ring = (StoredManifest, HashMap<KeyId, Wraps>);

impl Held {
    pub fn reads(&self) -> u64 {
        self.1.load(Ordering::SeqCst)
    }

    pub fn edit<T>(
        &self,
        scope: &Scope,
        edit: impl FnOnce(&mut StoredManifest, &mut HashMap<KeyId, Wraps>) -> T,
    ) -> T {
        let mut rings = self.0.lock().unwrap();
        let (manifest, wraps) = rings.get_mut(scope).unwrap();
        edit(manifest, wraps)
    }
}

#[async_trait]
impl Records for Held {
    async fn manifest(&self, scope: &Scope) -> Result<Option<StoredManifest>, RecordsError> {
        self.1.fetch_add(1, Ordering::SeqCst);
        Ok(self.0.lock().unwrap().get(scope).map(|(manifest, _)| manifest.clone()))
    }

    async fn wraps(&self, scope: &Scope, key: &KeyId) -> Result<Option<Wraps>, RecordsError> {
        self.1.fetch_add(1, Ordering::SeqCst);
        Ok(self.0.lock().unwrap().get(scope).and_then(|(_, wraps)| wraps.get(key).cloned()))
    }

    async fn replace(
        &self,
        scope: &Scope,
        expected: Option<&[u8]>,
        change: Change,
    ) -> Result<(), RecordsError> {
        let mut rings = self.0.lock().unwrap();
        if rings.get(scope).map(|(manifest, _)| manifest.version.as_slice()) != expected {
            return Err(RecordsError::Conflict);
        }
        let version = self.1.fetch_add(1, Ordering::SeqCst).to_be_bytes().to_vec();
        let manifest = StoredManifest { record: change.manifest, version };
        let mut all = rings.remove(scope).map(|(_, wraps)| wraps).unwrap_or_default();
        for (key, wraps) in change.wraps {
            match wraps {
                None => all.remove(&key),
                Some(wraps) => all.insert(key, wraps),
            };
        }
        rings.insert(scope.clone(), (manifest, all));
        Ok(())
    }
}
