//! What was loaded, for a bounded time: each value is loaded once however many tasks wait for it.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use tokio::task::JoinHandle;

use super::clock::{Clock, Moment};
use super::error::VaultError;

/// What a vault's caches did since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CacheStats {
    /// Calls to roots and records that began: unwrapped keys and manifests read.
    pub calls: u64,
    /// Answers from memory.
    pub hits: u64,
    /// Answers that had to wait for a call.
    pub misses: u64,
    /// Calls that failed.
    pub failures: u64,
    /// Calls in the background that renew what is past its soft time to live.
    pub refreshes: u64,
}

#[derive(Default)]
pub(super) struct Counters {
    pub(super) calls: AtomicU64,
    hits: AtomicU64,
    misses: AtomicU64,
    failures: AtomicU64,
    refreshes: AtomicU64,
}

impl Counters {
    pub(super) fn snapshot(&self) -> CacheStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CacheStats {
            calls: read(&self.calls),
            hits: read(&self.hits),
            misses: read(&self.misses),
            failures: read(&self.failures),
            refreshes: read(&self.refreshes),
        }
    }
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// How long values are good.
#[derive(Clone, Copy)]
pub(super) struct Times {
    /// Past it, the next use has it renewed in the background.
    pub(super) soft: Duration,
    /// Past it, it is not used.
    pub(super) hard: Duration,
    /// How long past `hard` it may be served where the load fails, if the caller allows.
    pub(super) stale: Duration,
    /// The least time between two loads in the background.
    pub(super) pause: Duration,
}

type Outcome<V> = Result<V, Arc<VaultError>>;
type Flight<V> = Shared<BoxFuture<'static, Outcome<V>>>;

pub(super) struct Cache<K, V> {
    name: &'static str,
    times: Times,
    capacity: usize,
    clock: Arc<dyn Clock>,
    counters: Arc<Counters>,
    inner: Mutex<Inner<K, V>>,
}

struct Inner<K, V> {
    entries: HashMap<K, Entry<V>>,
    /// Loads under way, each with its number.
    flights: HashMap<K, (u64, Flight<V>)>,
    /// Counts uses and flights.
    count: u64,
    /// The task that sweeps from time to time.
    sweeper: Option<JoinHandle<()>>,
}

struct Entry<V> {
    value: V,
    /// When its load began.
    loaded: Moment,
    /// When a load last began, successful or not.
    tried: Moment,
    used: u64,
}

/// Takes a flight off the list, even where its task is stopped.
struct Landing<K: Hash + Eq, V: Clone> {
    cache: Arc<Cache<K, V>>,
    key: K,
    number: u64,
}

impl<K: Hash + Eq, V: Clone> Drop for Landing<K, V> {
    fn drop(&mut self) {
        let mut inner = self.cache.lock();
        if inner.flights.get(&self.key).is_some_and(|(number, _)| *number == self.number) {
            inner.flights.remove(&self.key);
        }
    }
}

impl<K, V> Cache<K, V>
where
    K: Clone + Hash + Eq + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    pub(super) fn new(
        name: &'static str,
        times: Times,
        capacity: usize,
        clock: Arc<dyn Clock>,
        counters: Arc<Counters>,
    ) -> Arc<Self> {
        let inner = Inner { entries: HashMap::new(), flights: HashMap::new(), count: 0, sweeper: None };
        Arc::new(Self { name, times, capacity, clock, counters, inner: Mutex::new(inner) })
    }

    /// The value, from memory while it is good, else loaded. With `stale_too`, a value past its hard
    /// time is served where the load fails, for as long as `times.stale` says.
    pub(super) async fn get<F>(
        self: &Arc<Self>,
        key: &K,
        stale_too: bool,
        load: impl FnOnce() -> F,
    ) -> Outcome<V>
    where
        F: Future<Output = Result<V, VaultError>> + Send + 'static,
    {
        let now = self.clock.now();
        let flight = {
            let mut inner = self.lock();
            inner.count += 1;
            let used = inner.count;
            let good = inner.entries.get_mut(key).filter(|entry| entry.loaded.age(now) < self.times.hard);
            if let Some(entry) = good {
                entry.used = used;
                let value = entry.value.clone();
                let renew =
                    entry.loaded.age(now) >= self.times.soft && entry.tried.age(now) >= self.times.pause;
                if renew && !inner.flights.contains_key(key) {
                    count(&self.counters.refreshes);
                    drop(self.launch(&mut inner, key, now, load()));
                }
                count(&self.counters.hits);
                return Ok(value);
            }
            // During an outage not everyone waits for a deadline of their own.
            let failed_just_now = |entry: &&Entry<V>| {
                entry.tried.age(now) < self.times.pause
                    && entry.loaded.age(now) < self.times.hard + self.times.stale
            };
            if stale_too
                && !inner.flights.contains_key(key)
                && let Some(entry) = inner.entries.get(key).filter(failed_just_now)
            {
                count(&self.counters.hits);
                return Ok(entry.value.clone());
            }
            count(&self.counters.misses);
            self.join(&mut inner, key, now, load)
        };
        match flight.await {
            Err(error) if stale_too && error.is_unavailable() => {
                let outcome = self.stale(key).ok_or(error);
                self.unless_stopped(key, outcome)
            }
            outcome => self.unless_stopped(key, outcome),
        }
    }

    /// The value, loaded now whatever is in memory, unless a load began less than the pause ago; then
    /// what is in memory.
    pub(super) async fn renewed<F>(self: &Arc<Self>, key: &K, load: impl FnOnce() -> F) -> Outcome<V>
    where
        F: Future<Output = Result<V, VaultError>> + Send + 'static,
    {
        let now = self.clock.now();
        let flight = {
            let mut inner = self.lock();
            let recent = inner.entries.get(key).filter(|entry| {
                entry.tried.age(now) < self.times.pause && entry.loaded.age(now) < self.times.hard
            });
            if let (Some(entry), false) = (recent, inner.flights.contains_key(key)) {
                count(&self.counters.hits);
                return Ok(entry.value.clone());
            }
            count(&self.counters.misses);
            self.join(&mut inner, key, now, load)
        };
        let outcome = flight.await;
        self.unless_stopped(key, outcome)
    }

    /// A load whose task never ran is under way no longer.
    fn unless_stopped(&self, key: &K, outcome: Outcome<V>) -> Outcome<V> {
        if let Err(error) = &outcome
            && matches!(**error, VaultError::Stopped)
        {
            self.lock().flights.remove(key);
        }
        outcome
    }

    /// Puts in what is known for certain; loads under way no longer count.
    pub(super) fn put(self: &Arc<Self>, key: K, value: V) {
        let now = self.clock.now();
        let mut inner = self.lock();
        inner.flights.remove(&key);
        self.insert(&mut inner, key, value, now);
    }

    /// Forgets a value; loads under way no longer count.
    pub(super) fn remove(&self, key: &K) {
        let mut inner = self.lock();
        inner.flights.remove(key);
        inner.entries.remove(key);
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        let mut inner = self.lock();
        inner.flights.clear();
        inner.entries.clear();
    }

    /// How many values are held.
    pub(super) fn len(&self) -> usize {
        self.lock().entries.len()
    }

    fn stale(&self, key: &K) -> Option<V> {
        let now = self.clock.now();
        let inner = self.lock();
        let entry = inner.entries.get(key)?;
        (entry.loaded.age(now) < self.times.hard + self.times.stale).then(|| {
            tracing::warn!(cache = self.name, "served past its hard time to live during an outage");
            entry.value.clone()
        })
    }

    fn join<F>(
        self: &Arc<Self>,
        inner: &mut Inner<K, V>,
        key: &K,
        now: Moment,
        load: impl FnOnce() -> F,
    ) -> Flight<V>
    where
        F: Future<Output = Result<V, VaultError>> + Send + 'static,
    {
        match inner.flights.get(key) {
            Some((_, flight)) => flight.clone(),
            None => self.launch(inner, key, now, load()),
        }
    }

    /// Starts a load in a task of its own, so that it ends whoever stops waiting.
    fn launch<F>(self: &Arc<Self>, inner: &mut Inner<K, V>, key: &K, now: Moment, load: F) -> Flight<V>
    where
        F: Future<Output = Result<V, VaultError>> + Send + 'static,
    {
        inner.count += 1;
        let number = inner.count;
        if let Some(entry) = inner.entries.get_mut(key) {
            entry.tried = now;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return std::future::ready(Err(Arc::new(VaultError::Stopped))).boxed().shared();
        };
        let (cache, name) = (Arc::clone(self), key.clone());
        let task = runtime.spawn(async move {
            // Made here: a runtime that shuts down drops this at once, while the lock is held.
            let landing = Landing { cache, key: name, number };
            let outcome = load.await.map_err(Arc::new);
            landing.cache.land(&landing.key, number, now, &outcome);
            drop(landing);
            outcome
        });
        let flight =
            task.map(|done| done.unwrap_or_else(|_| Err(Arc::new(VaultError::Stopped)))).boxed().shared();
        inner.flights.insert(key.clone(), (number, flight.clone()));
        flight
    }

    fn land(self: &Arc<Self>, key: &K, number: u64, began: Moment, outcome: &Outcome<V>) {
        let mut inner = self.lock();
        let ours = inner.flights.get(key).is_some_and(|(current, _)| *current == number);
        match outcome {
            Ok(value) if ours => {
                tracing::debug!(cache = self.name, "loaded");
                self.insert(&mut inner, key.clone(), value.clone(), began);
            }
            Ok(_) => {}
            Err(error) => {
                count(&self.counters.failures);
                tracing::warn!(cache = self.name, %error, "not loaded");
                if ours && error.is_denial() {
                    inner.entries.remove(key);
                }
            }
        }
    }

    fn insert(self: &Arc<Self>, inner: &mut Inner<K, V>, key: K, value: V, loaded: Moment) {
        inner.count += 1;
        let used = inner.count;
        inner.entries.insert(key, Entry { value, loaded, tried: loaded, used });
        self.sweep(inner);
        while inner.entries.len() > self.capacity {
            let oldest = inner.entries.iter().min_by_key(|(_, entry)| entry.used).map(|(key, _)| key.clone());
            let Some(oldest) = oldest else { break };
            inner.entries.remove(&oldest);
        }
        if inner.sweeper.as_ref().is_none_or(JoinHandle::is_finished) {
            inner.sweeper = self.keep_sweeping();
        }
    }

    /// Wipes what is past its time even where nobody asks for anything any more: at the latest when a
    /// quarter of that time and a second more have passed.
    fn keep_sweeping(self: &Arc<Self>) -> Option<JoinHandle<()>> {
        let cache = Arc::downgrade(self);
        let pause = (self.times.hard + self.times.stale) / 4 + Duration::from_secs(1);
        let runtime = tokio::runtime::Handle::try_current().ok()?;
        Some(runtime.spawn(async move {
            loop {
                tokio::time::sleep(pause).await;
                let Some(cache) = cache.upgrade() else { return };
                cache.sweep(&mut cache.lock());
            }
        }))
    }

    fn sweep(&self, inner: &mut Inner<K, V>) {
        let (now, keep) = (self.clock.now(), self.times.hard + self.times.stale);
        inner.entries.retain(|_, entry| entry.loaded.age(now) < keep);
    }
}

impl<K, V> Cache<K, V> {
    fn lock(&self) -> MutexGuard<'_, Inner<K, V>> {
        // No code between lock and unlock leaves a change half made.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
