//! What is kept, for how long, and how often roots are asked. The clock is moved by hand.
//!
//! T21 of docs/threat-model.md.

#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/promise.rs"]
mod promise;

#[path = "support/custody.rs"]
mod support;

use std::collections::HashSet;
use std::time::Duration;

use fireseal::custody::{Authority, KeyVault, Lifetimes, Moment};
use fireseal::store::MemoryStore;
use fireseal::{
    Cause, Error, KeyError, KeyId, KeyLookup, KeyProvider, OpenError, Repository, Scope, Sealable,
};
use futures::TryStreamExt as _;
use support::{Fault, Held, MovedClock, Service, scope};

#[derive(Sealable, PartialEq, Clone)]
#[sealable(collection = "customers", debug)]
struct Customer {
    #[sealable(id)]
    id: String,
    #[sensitive]
    ssn: String,
}

struct Scene {
    held: Held,
    authority: Authority,
    clock: MovedClock,
    service: Service,
    acme: Scope,
}

impl Scene {
    async fn new() -> Self {
        let acme = Scope::default();
        let (held, clock) = (Held::default(), MovedClock::default());
        let scene =
            Self { held, authority: Authority::generate().unwrap(), clock, service: Service::new(1), acme };
        scene.vault().create_scope(&scene.authority, &scene.acme).await.unwrap();
        scene
    }

    /// A process of its own.
    fn vault(&self) -> KeyVault {
        KeyVault::over(self.held.clone(), "test", self.authority.key())
            .with_root(self.service.clone())
            .with_clock(self.clock.clone())
            .with_lifetimes(|times| times.deadline = Duration::from_secs(1))
    }

    /// Whether the vault seals, and whether it opens the key.
    async fn works(&self, vault: &KeyVault, key: KeyId) -> (bool, bool) {
        let opened = vault.keys(&[(self.acme.clone(), key)]).await;
        let opens = opened.is_ok_and(|found| matches!(found[..], [KeyLookup::Found(_)]));
        (vault.ring(&self.acme).await.is_ok(), opens)
    }

    async fn primary(&self, vault: &KeyVault) -> KeyId {
        vault.ring(&self.acme).await.unwrap().primary().id()
    }
}

const TIMES: fn() -> Lifetimes = Lifetimes::default;
const TICK: Duration = Duration::from_millis(1);

/// Lets loads in the background end.
async fn settle() {
    for _ in 0..50 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn a_batch_costs_one_call_per_distinct_key_cold_and_none_warm() {
    let scene = Scene::new().await;
    let (documents, admin) = (MemoryStore::new(), scene.vault());
    let mut keys = HashSet::new();
    for round in 0..5 {
        let repository = Repository::<Customer>::new(documents.clone(), admin.clone());
        for number in 0..40 {
            let customer = Customer { id: format!("{round}-{number}"), ssn: "x".to_owned() };
            repository.create(&customer).await.unwrap();
        }
        keys.insert(scene.primary(&admin).await);
        admin.rotate(&scene.authority, &scene.acme).await.unwrap();
    }
    let reader = scene.vault();
    let repository = Repository::<Customer>::new(documents, reader.clone());
    let list = async || {
        let before = (scene.service.unwraps(), scene.held.reads());
        let read: Vec<_> = repository.list().page_size(30).stream().try_collect().await.unwrap();
        assert_eq!(read.len(), 200);
        (scene.service.unwraps() - before.0, scene.held.reads() - before.1)
    };
    let (cold, warm) = (list().await, list().await);
    println!("200 documents under {} keys: {} unwrap calls cold, {} warm", keys.len(), cold.0, warm.0);
    // One record for the manifest, one for each key's wraps.
    assert_eq!((cold, warm), ((5, 6), (0, 0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_wait_for_one_call() {
    let mut scene = Scene::new().await;
    scene.service.slow = Duration::from_millis(100);
    let vault = scene.vault();
    let before = (scene.service.unwraps(), scene.held.reads());
    let tasks = (0..500).map(|_| {
        let (vault, acme) = (vault.clone(), scene.acme.clone());
        tokio::spawn(async move { vault.ring(&acme).await.unwrap().primary().id() })
    });
    let ids: HashSet<_> = futures::future::join_all(tasks).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(ids.len(), 1);
    // The data key and the index key, and one read for each and for the manifest.
    assert_eq!((scene.service.unwraps() - before.0, scene.held.reads() - before.1), (2, 3));
    // Those who stop waiting do not stop the call, and a failure is told to all who wait.
    vault.wipe();
    scene.service.always(Some(Fault::Denied));
    let failures = futures::future::join_all((0..100).map(|_| vault.ring(&scene.acme))).await;
    assert!(failures.iter().all(Result::is_err));
    assert_eq!(scene.service.unwraps() - before.0, 3);
    scene.service.always(None);
    let gone = tokio::time::timeout(Duration::from_millis(20), vault.ring(&scene.acme)).await;
    assert!(gone.is_err());
    settle().await;
    assert_eq!(scene.service.unwraps() - before.0, 4);
    vault.ring(&scene.acme).await.unwrap();
    assert_eq!(scene.service.unwraps() - before.0, 5, "the first key was asked for twice");
}

#[tokio::test]
async fn past_the_soft_time_it_is_renewed_behind_the_scenes() {
    let scene = Scene::new().await;
    let vault = scene.vault();
    let key = scene.primary(&vault).await;
    let before = scene.service.unwraps();
    scene.clock.move_by(TIMES().soft - TICK);
    assert_eq!(scene.works(&vault, key).await, (true, true));
    settle().await;
    assert_eq!((scene.service.unwraps(), vault.stats().refreshes), (before, 0));
    scene.clock.move_by(TICK);
    assert_eq!(scene.works(&vault, key).await, (true, true));
    settle().await;
    // The manifest, the data key and the index key.
    assert_eq!((scene.service.unwraps(), vault.stats().refreshes), (before + 2, 3));
    // Renewed, so the hard time begins anew.
    scene.clock.move_by(TIMES().hard - TICK);
    scene.service.always(Some(Fault::Unavailable));
    assert_eq!(scene.works(&vault, key).await, (true, true));
    let stats = vault.stats();
    assert!(stats.hits > 0 && stats.misses == 3 && stats.calls > stats.misses, "{stats:?}");
    settle().await;
}

/// The promise: `hard` after a load began, at the latest, what it loaded is used no longer.
#[tokio::test]
async fn a_revocation_takes_the_hard_time_to_live_at_most() {
    // The root does not answer any more: up to the hard time to live, and not a tick longer.
    let scene = Scene::new().await;
    let vault = scene.vault();
    let key = scene.primary(&vault).await;
    scene.service.always(Some(Fault::Unavailable));
    scene.clock.move_by(TIMES().hard - TICK);
    assert_eq!(scene.works(&vault, key).await, (true, true));
    scene.clock.move_by(TICK);
    assert_eq!(scene.works(&vault, key).await, (false, false));
    println!("a root that is gone: in use for {:?}", TIMES().hard);

    // The root denies: as soon as it is asked again.
    let scene = Scene::new().await;
    let vault = scene.vault();
    let key = scene.primary(&vault).await;
    scene.service.always(Some(Fault::Denied));
    scene.clock.move_by(TIMES().soft);
    scene.works(&vault, key).await;
    settle().await;
    assert_eq!(scene.works(&vault, key).await, (false, false));
    println!("a root that denies: in use for {:?}, for the second use after", TIMES().soft);

    // The authority says so: a process that is idle meanwhile sees it with its first use after the hard
    // time, one that is busy with its second after the soft time.
    for (wait, uses) in [(TIMES().hard, 1), (TIMES().soft, 2)] {
        let scene = Scene::new().await;
        let (vault, admin) = (scene.vault(), scene.vault());
        let key = scene.primary(&vault).await;
        admin.mark_compromised(&scene.authority, &scene.acme, &key).await.unwrap();
        scene.clock.move_by(wait - TICK);
        assert_eq!(vault.keys(&[(scene.acme.clone(), key)]).await.unwrap().len(), 1);
        if uses == 1 {
            continue;
        }
        scene.clock.move_by(TICK);
        vault.ring(&scene.acme).await.unwrap();
        settle().await;
        let found = vault.keys(&[(scene.acme.clone(), key)]).await.unwrap();
        assert!(matches!(found[..], [KeyLookup::Compromised]), "{found:?}");
        assert_ne!(scene.primary(&vault).await, key);
    }
    let scene = Scene::new().await;
    let (vault, admin) = (scene.vault(), scene.vault());
    let key = scene.primary(&vault).await;
    admin.mark_compromised(&scene.authority, &scene.acme, &key).await.unwrap();
    scene.clock.move_by(TIMES().hard);
    let found = vault.keys(&[(scene.acme.clone(), key)]).await.unwrap();
    assert!(matches!(found[..], [KeyLookup::Compromised]), "{found:?}");
    promise::Promise::kept("revocation", 1);
}

#[tokio::test]
async fn during_an_outage_old_keys_open_only_where_that_was_asked_for() {
    let scene = Scene::new().await;
    let hour = Duration::from_secs(3_600);
    let plain = scene.vault();
    let stale = scene.vault().with_lifetimes(|times| times.stale = hour);
    let key = scene.primary(&plain).await;
    scene.primary(&stale).await;
    scene.service.always(Some(Fault::Unavailable));
    scene.clock.move_by(TIMES().hard);
    assert_eq!(scene.works(&plain, key).await, (false, false));
    assert_eq!(scene.works(&stale, key).await, (false, true));
    // Only one call in each pause waits for the root.
    let calls = scene.service.unwraps();
    for _ in 0..20 {
        stale.keys(&[(scene.acme.clone(), key)]).await.unwrap();
    }
    assert_eq!(scene.service.unwraps(), calls);
    scene.clock.move_by(hour - TICK);
    assert_eq!(scene.works(&stale, key).await, (false, true));
    scene.clock.move_by(TICK);
    assert_eq!(scene.works(&stale, key).await, (false, false));
    // A denial is no outage.
    scene.service.always(None);
    assert_eq!(scene.works(&stale, key).await, (true, true));
    scene.service.always(Some(Fault::Denied));
    scene.clock.move_by(TIMES().hard);
    assert_eq!(scene.works(&stale, key).await, (false, false));
}

#[tokio::test]
async fn a_new_key_is_found_and_an_unknown_one_asks_once_per_pause() {
    let scene = Scene::new().await;
    let (vault, admin) = (scene.vault(), scene.vault());
    scene.primary(&vault).await;
    scene.clock.move_by(TIMES().pause);
    // Another process rotated, and wrote a document already.
    let new = admin.rotate(&scene.authority, &scene.acme).await.unwrap();
    let found = vault.keys(&[(scene.acme.clone(), new)]).await.unwrap();
    assert!(matches!(found[..], [KeyLookup::Found(_)]));
    let reads = scene.held.reads();
    let unknown = (scene.acme.clone(), KeyId::from_bytes([3; 32]));
    for _ in 0..100 {
        vault.keys(std::slice::from_ref(&unknown)).await.unwrap();
    }
    assert_eq!(scene.held.reads(), reads);
    scene.clock.move_by(TIMES().pause);
    for _ in 0..100 {
        vault.keys(std::slice::from_ref(&unknown)).await.unwrap();
    }
    assert_eq!(scene.held.reads(), reads + 1);
    // A scope that is not there, just the same; once it is created, it is found.
    let late = scope("late");
    for _ in 0..100 {
        assert!(matches!(vault.ring(&late).await, Err(KeyError::ScopeUnknown { .. })));
    }
    assert_eq!(scene.held.reads(), reads + 2);
    admin.create_scope(&scene.authority, &late).await.unwrap();
    scene.clock.move_by(TIMES().pause);
    vault.ring(&late).await.unwrap();
    promise::Promise::kept("revocation", 1);
}

#[tokio::test]
async fn destroyed_keys_leave_the_memory_of_those_who_see_it() {
    let scene = Scene::new().await;
    let (documents, reader, admin) = (MemoryStore::new(), scene.vault(), scene.vault());
    let repository = Repository::<Customer>::new(documents, reader.clone());
    repository.create(&Customer { id: "ada".to_owned(), ssn: "x".to_owned() }).await.unwrap();
    let old = scene.primary(&reader).await;
    admin.rotate(&scene.authority, &scene.acme).await.unwrap();
    admin.destroy_key(&scene.authority, &scene.acme, &old).await.unwrap();
    assert_eq!(reader.opened_keys(), 2);
    assert!(repository.get("ada").await.is_ok(), "it is cached still, as documented");
    scene.clock.move_by(TIMES().hard);
    let Err(Error::Open(OpenError::Fields { failures, .. })) = repository.get("ada").await else { panic!() };
    assert_eq!(failures[0].cause, Cause::KeyDestroyed(old));
    assert_eq!(reader.opened_keys(), 1, "the index key, which waits to be swept");
}

#[tokio::test]
async fn what_is_kept_is_bounded_and_wiped() {
    let scene = Scene::new().await;
    let vault = scene.vault().with_lifetimes(|times| times.capacity = 8);
    for number in 0..50 {
        let tenant = scope(&format!("tenant-{number}"));
        vault.create_scope(&scene.authority, &tenant).await.unwrap();
        vault.ring(&tenant).await.unwrap();
        assert!(vault.opened_keys() <= 8);
    }
    // The least recently used goes first.
    let calls = scene.service.unwraps();
    vault.ring(&scope("tenant-49")).await.unwrap();
    assert_eq!(scene.service.unwraps(), calls);
    vault.wipe();
    assert_eq!(vault.opened_keys(), 0);
    // Without any further call, by the real clock.
    let vault = KeyVault::over(scene.held.clone(), "test", scene.authority.key())
        .with_root(scene.service.clone())
        .with_lifetimes(|times| times.hard = Duration::from_millis(100));
    vault.ring(&scene.acme).await.unwrap();
    assert_eq!(vault.opened_keys(), 2);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(vault.opened_keys(), 0);
}

/// A load that its runtime took along does not stand in the way of the next one.
#[test]
fn a_runtime_that_ends_leaves_no_load_behind() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (first, second) = (runtime(), runtime());
    let mut scene = first.block_on(Scene::new());
    scene.service.slow = Duration::from_millis(300);
    let vault = scene.vault();
    let waits = async { tokio::time::timeout(Duration::from_millis(50), vault.ring(&scene.acme)).await };
    assert!(first.block_on(waits).is_err());
    drop(first);
    second.block_on(async { vault.ring(&scene.acme).await.unwrap() });
}

#[test]
fn a_machine_that_slept_and_a_clock_set_back_prolong_nothing() {
    let at = |monotonic, unix| Moment {
        monotonic: Duration::from_secs(monotonic),
        unix: Duration::from_secs(unix),
    };
    let then = at(100, 1_000);
    assert_eq!(then.age(at(160, 1_060)), Duration::from_secs(60));
    assert_eq!(then.age(at(101, 9_000)), Duration::from_secs(8_000), "slept");
    assert_eq!(then.age(at(160, 500)), Duration::from_secs(60), "set back");
    promise::Promise::kept("revocation", 1);
}
