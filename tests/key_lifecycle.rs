//! Killed at every step of create, rotate, rewrap and destroy: every document still opens, or the
//! destruction completes. The victim is this test binary, run again in a directory with its orders.
//!
//! T23 of docs/threat-model.md.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "support/promise.rs"]
mod promise;

#[path = "support/custody.rs"]
mod support;

use std::convert::Infallible;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use fireseal::custody::{
    Authority, Change, Clock, FileRecords, KeyState, KeyVault, Moment, NewSlot, RETIRE_SETTLE, Records,
    RecordsError, Retirement, SlotKind, StoreRecords, StoredManifest, SystemClock, VaultError, Wraps,
    count_sealed,
};
use fireseal::store::{FirestoreStore, From, MemoryStore, Store as _, Value, ValueType, Write};
use fireseal::{
    Cause, CollectionPath, DocumentPath, Error, IndexKey, KeyError, KeyId, KeyProvider, KeyWrapper,
    OpenError, Purpose, Repository, Scope, Sealable,
};
use firestore::gcloud_sdk::google::firestore::v1::MapValue;
use support::{Held, MovedClock, root};

#[derive(Sealable, PartialEq, Clone)]
#[sealable(collection = "customers", debug)]
struct Customer {
    #[sealable(id)]
    id: String,
    #[sensitive]
    ssn: String,
}

fn customer(id: &str) -> Customer {
    Customer { id: id.to_owned(), ssn: "078-05-1120".to_owned() }
}

const OPERATIONS: [&str; 7] =
    ["create", "rotate", "rotate-index", "promote-index", "rewrap", "destroy-key", "destroy-scope"];

/// What the victim is to do.
#[derive(serde::Serialize, serde::Deserialize)]
struct Orders {
    operation: String,
    /// After how many steps it dies; a step lies before and after each call to the records.
    steps: u32,
    authority: String,
    key: Option<String>,
    /// The file, or the project on the emulator.
    file: Option<String>,
    project: Option<String>,
}

const ORDERS: &str = "orders.json";

/// A day from now, when no process has an old ring any more.
#[derive(Default)]
struct Tomorrow(SystemClock);

impl Clock for Tomorrow {
    fn now(&self) -> Moment {
        let Moment { monotonic, unix } = self.0.now();
        Moment { monotonic, unix: unix + Duration::from_secs(86_400) }
    }
}

/// The end of this process, as by `kill -9`.
fn die() -> ! {
    let _ = Command::new("kill").args(["-9", &std::process::id().to_string()]).status();
    loop {
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Records that kill the process at a step.
struct Deadly<R> {
    records: R,
    left: AtomicU32,
}

impl<R> Deadly<R> {
    fn step(&self) {
        if self.left.fetch_sub(1, Ordering::SeqCst) == 0 {
            die();
        }
    }
}

#[async_trait]
impl<R: Records> Records for Deadly<R> {
    async fn manifest(&self, scope: &Scope) -> Result<Option<StoredManifest>, RecordsError> {
        self.step();
        let answer = self.records.manifest(scope).await;
        self.step();
        answer
    }

    async fn wraps(&self, scope: &Scope, key: &KeyId) -> Result<Option<Wraps>, RecordsError> {
        self.step();
        let answer = self.records.wraps(scope, key).await;
        self.step();
        answer
    }

    async fn replace(
        &self,
        scope: &Scope,
        expected: Option<&[u8]>,
        change: Change,
    ) -> Result<(), RecordsError> {
        self.step();
        let answer = self.records.replace(scope, expected, change).await;
        self.step();
        answer
    }
}

/// The victim. Without orders in its directory it does nothing.
#[tokio::test]
#[ignore = "run by the other tests, with orders"]
async fn victim() {
    let Ok(orders) = std::fs::read(ORDERS) else { return };
    let orders: Orders = serde_json::from_slice(&orders).unwrap();
    let authority = Authority::parse(&orders.authority).unwrap();
    let left = AtomicU32::new(orders.steps);
    let vault = match (&orders.file, &orders.project) {
        (Some(file), _) => {
            KeyVault::over(Deadly { records: FileRecords::new(file), left }, "test", authority.key())
        }
        (_, Some(project)) => {
            let store = FirestoreStore::new(firestore::FirestoreDb::new(project).await.unwrap());
            let records = StoreRecords::new(store, CollectionPath::parse("fireseal-keys").unwrap());
            KeyVault::over(Deadly { records, left }, "test", authority.key())
        }
        _ => unreachable!(),
    };
    let vault = vault.with_root(root(1));
    run(&vault, &authority, &orders.operation, orders.key.as_deref()).await.unwrap();
}

async fn run(
    vault: &KeyVault,
    authority: &Authority,
    operation: &str,
    key: Option<&str>,
) -> Result<(), VaultError> {
    let acme = Scope::default();
    let manifest = vault.manifest(&acme).await;
    let key = async || {
        manifest.unwrap().keys.into_iter().find(|entry| Some(&*entry.id.to_string()) == key).unwrap().id
    };
    match operation {
        "create" => drop(vault.create_scope(authority, &acme).await?),
        "rotate" => drop(vault.rotate(authority, &acme).await?),
        "rotate-index" => drop(vault.rotate_index(authority, &acme).await?),
        "promote-index" => {
            let vault = vault.clone().with_clock(Tomorrow::default());
            let manifest = vault.manifest(&acme).await?;
            // The one that was added last, whether it makes tokens yet or not.
            let index = manifest.keys.iter().rfind(|key| key.purpose == Purpose::Index);
            vault.promote_index(authority, &acme, &index.unwrap().id).await?;
        }
        "rewrap" => {
            let vault = vault.clone().with_root(root(2));
            let new: Arc<dyn KeyWrapper> = Arc::new(root(2));
            vault.rewrap(authority, &acme, vec![(new, NewSlot::new(SlotKind::Backup))], &[]).await?;
        }
        "destroy-key" => drop(vault.destroy_key(authority, &acme, &key().await).await?),
        "destroy-scope" => drop(vault.destroy_scope(authority, &acme).await?),
        "rotate-for-ever" => loop {
            vault.rotate(authority, &acme).await?;
        },
        _ => unreachable!(),
    }
    Ok(())
}

fn victim_of(directory: &Path, orders: &Orders, emulator: Option<&str>) -> Command {
    std::fs::write(directory.join(ORDERS), serde_json::to_vec(orders).unwrap()).unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "victim", "--ignored", "--quiet"]).current_dir(directory);
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    if let Some(host) = emulator {
        command.env("FIRESTORE_EMULATOR_HOST", host);
    }
    command
}

#[cfg(unix)]
fn was_killed(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt as _;
    status.signal() == Some(9)
}

/// One ring, documents under two of its keys, and the ways to look at them.
struct Scene {
    authority: Authority,
    documents: MemoryStore,
    make: Box<dyn Fn() -> KeyVault>,
    old: Option<KeyId>,
}

impl Scene {
    async fn new(operation: &str, authority: Authority, make: Box<dyn Fn() -> KeyVault>) -> Self {
        let mut scene = Self { authority, documents: MemoryStore::new(), make, old: None };
        if operation != "create" {
            let vault = (scene.make)().with_root(root(1));
            vault.create_scope(&scene.authority, &Scope::default()).await.unwrap();
            scene.repository(1).create(&customer("ada")).await.unwrap();
            scene.old = Some(vault.ring(&Scope::default()).await.unwrap().primary().id());
            vault.rotate(&scene.authority, &Scope::default()).await.unwrap();
            scene.repository(1).create(&customer("bob")).await.unwrap();
            if operation == "promote-index" {
                vault.rotate_index(&scene.authority, &Scope::default()).await.unwrap();
            }
        }
        scene
    }

    /// A process of its own.
    fn repository(&self, seed: u8) -> Repository<Customer> {
        Repository::new(self.documents.clone(), (self.make)().with_root(root(seed)))
    }

    /// What became of a document: it opens, or its key is destroyed. Anything else is a loss.
    async fn opens(&self, id: &str) -> bool {
        match self.repository(1).get(id).await {
            Ok(Some(read)) => read.ssn == customer(id).ssn,
            Err(Error::Open(OpenError::Fields { failures, .. })) => {
                assert!(
                    failures.iter().all(|failure| matches!(failure.cause, Cause::KeyDestroyed(_))),
                    "{failures:?}"
                );
                false
            }
            other => panic!("{id} was lost: {other:?}"),
        }
    }

    /// What must hold after a kill, at whatever step; then the same operation again, and what must hold
    /// after that.
    async fn check(&self, operation: &str) -> bool {
        let (vault, acme) = ((self.make)().with_root(root(1)), Scope::default());
        let key = self.old.map(|id| id.to_string());
        let state = async |id: &KeyId| vault.manifest(&acme).await.unwrap().key(id).unwrap().state;
        let done = match operation {
            "create" => match vault.ring(&acme).await {
                Ok(_) => true,
                Err(KeyError::ScopeUnknown { .. }) => false,
                Err(error) => panic!("{error}"),
            },
            "destroy-key" => {
                assert!(self.opens("bob").await);
                let destroyed = state(&self.old.unwrap()).await == KeyState::Destroyed;
                assert_eq!(self.opens("ada").await, !destroyed, "half destroyed");
                destroyed
            }
            "destroy-scope" => {
                let destroyed = vault.manifest(&acme).await.unwrap().is_destroyed();
                assert_eq!(
                    [self.opens("ada").await, self.opens("bob").await],
                    [!destroyed; 2],
                    "half destroyed"
                );
                destroyed
            }
            "promote-index" => {
                // Both are queried, and either the old or the new one makes tokens.
                let manifest = vault.manifest(&acme).await.unwrap();
                let keys: Vec<_> = manifest
                    .keys
                    .iter()
                    .filter(|key| key.purpose == Purpose::Index)
                    .map(|key| key.id)
                    .collect();
                let ring = vault.ring(&acme).await.unwrap();
                let live: Vec<_> = ring.index_keys().map(IndexKey::id).collect();
                let done = live[0] == keys[1];
                assert_eq!(live, if done { [keys[1], keys[0]] } else { [keys[0], keys[1]] });
                done
            }
            _ => {
                assert!(self.opens("ada").await && self.opens("bob").await);
                vault.manifest(&acme).await.unwrap().epoch > 2
            }
        };
        let listed_everywhere = async || {
            // Every live key opens through every slot that the manifest lists, each one alone.
            let slots = vault.manifest(&acme).await.unwrap().slots;
            for slot in slots {
                let seed = [1, 2].into_iter().find(|seed| root(*seed).root() == slot.root).unwrap();
                assert_eq!(vault.verify(&acme, &root(seed)).await.unwrap(), slot.id);
            }
        };
        if operation != "create" || done {
            listed_everywhere().await;
        }
        // Again: it completes, unless it was complete and says so.
        match run(&vault, &self.authority, operation, key.as_deref()).await {
            Ok(()) => {}
            Err(VaultError::State { .. }) if done && operation == "rotate-index" => {}
            Err(error) => panic!("{operation} does not complete: {error}"),
        }
        match operation {
            "destroy-key" => assert!(!self.opens("ada").await && self.opens("bob").await),
            "destroy-scope" => assert!(!self.opens("ada").await && !self.opens("bob").await),
            _ => {
                self.repository(1).set(&customer("eve")).await.unwrap();
                assert!(self.opens("eve").await);
                assert!(self.old.is_none() || self.opens("ada").await && self.opens("bob").await);
            }
        }
        listed_everywhere().await;
        done
    }
}

/// Kills at step after step until the operation lives through all of them.
async fn kill_at_every_step(
    where_: &str,
    operation: &str,
    host: Option<&str>,
    place: impl Fn(u32) -> (Box<dyn Fn(&Authority) -> Box<dyn Fn() -> KeyVault>>, Option<String>, Option<String>),
) {
    let (mut before, mut after) = (0, 0);
    for steps in 0.. {
        let (make, file, project) = place(steps);
        let authority = Authority::generate().unwrap();
        let text = authority.to_text().to_string();
        let vaults = make(&authority);
        let scene = Scene::new(operation, authority, vaults).await;
        let key = scene.old.map(|id| id.to_string());
        let orders = Orders { operation: operation.to_owned(), steps, authority: text, key, file, project };
        let directory = tempfile::tempdir().unwrap();
        let mut command = victim_of(directory.path(), &orders, host);
        let status = tokio::task::spawn_blocking(move || command.status()).await.unwrap().unwrap();
        if status.success() {
            println!(
                "{where_:<9} {operation:<14} killed at {steps:>3} steps: {before:>3} not begun, {after:>3} complete, 0 lost"
            );
            assert!(steps >= 6 && before > 0 && after > 0, "the steps are not seen");
            return;
        }
        assert!(was_killed(status), "{operation} at step {steps}: {status}");
        if scene.check(operation).await { after += 1 } else { before += 1 }
    }
}

#[tokio::test]
async fn killed_at_every_step_over_a_file() {
    let directory = tempfile::tempdir().unwrap();
    for operation in OPERATIONS {
        kill_at_every_step("file", operation, None, |steps| {
            let path = directory.path().join(format!("{operation}-{steps}"));
            let file = path.to_str().unwrap().to_owned();
            let make = move |authority: &Authority| {
                let (path, key) = (path.clone(), authority.key());
                Box::new(move || KeyVault::in_file(&path, "test", key)) as Box<dyn Fn() -> KeyVault>
            };
            (Box::new(make), Some(file), None)
        })
        .await;
    }
    promise::Promise::kept("key_rotation", 1);
}

#[tokio::test]
async fn killed_at_every_step_over_the_emulator() {
    let emulator = fireseal_emulator::Emulator::shared().await.unwrap();
    for operation in OPERATIONS {
        let mut projects = Vec::new();
        for _ in 0..60 {
            let project = emulator.project().unwrap();
            let store = Arc::new(FirestoreStore::new(project.firestore().await.unwrap()));
            projects.push((project.id().to_owned(), store));
        }
        kill_at_every_step("emulator", operation, Some(emulator.host()), |steps| {
            let (id, store) = projects[steps as usize].clone();
            let make = move |authority: &Authority| {
                let (store, key) = (Arc::clone(&store), authority.key());
                Box::new(move || KeyVault::in_store(Arc::clone(&store), "test", key))
                    as Box<dyn Fn() -> KeyVault>
            };
            (Box::new(make), None, Some(id))
        })
        .await;
    }
    promise::Promise::kept("key_rotation", 1);
}

/// Between the steps, too: while the file is written, synced and moved.
#[tokio::test]
async fn killed_at_any_moment_over_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("vault");
    let authority = Authority::generate().unwrap();
    let (file, text) = (path.to_str().unwrap().to_owned(), authority.to_text().to_string());
    let key = authority.key();
    let scene =
        Scene::new("rotate", authority, Box::new(move || KeyVault::in_file(&path, "test", key))).await;
    let operation = "rotate-for-ever".to_owned();
    let orders =
        Orders { operation, steps: u32::MAX, authority: text, key: None, file: Some(file), project: None };
    let work = tempfile::tempdir().unwrap();
    let (mut kills, mut rotations) = (0, 2);
    while kills < 40 {
        let mut victim = victim_of(work.path(), &orders, None).spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(40 + 7 * (kills % 16))).await;
        victim.kill().unwrap();
        victim.wait().unwrap();
        kills += 1;
        assert!(scene.opens("ada").await && scene.opens("bob").await);
        let epoch = (scene.make)().manifest(&Scope::default()).await.unwrap().epoch;
        assert!(epoch >= rotations);
        rotations = epoch;
        if rotations > 300 {
            break;
        }
    }
    println!(
        "file      rotate         killed {kills} times at any moment within {rotations} rotations, 0 lost"
    );
    assert!(rotations > 2, "no rotation was under way");
    let vault = (scene.make)().with_root(root(1));
    vault.rotate(&scene.authority, &Scope::default()).await.unwrap();
    vault.verify(&Scope::default(), &root(1)).await.unwrap();
    promise::Promise::kept("key_rotation", 1);
}

#[tokio::test]
async fn a_key_is_retired_only_when_nobody_needs_it() {
    let (authority, acme, clock) = (Authority::generate().unwrap(), Scope::default(), MovedClock::default());
    let (documents, held) = (MemoryStore::new(), Held::default());
    let vault =
        || KeyVault::over(held.clone(), "test", authority.key()).with_root(root(1)).with_clock(clock.clone());
    let (admin, service) = (vault(), vault());
    admin.create_scope(&authority, &acme).await.unwrap();
    let repository = Repository::<Customer>::new(documents.clone(), service.clone());
    repository.create(&customer("ada")).await.unwrap();
    let old = service.ring(&acme).await.unwrap().primary().id();
    let collection = CollectionPath::parse("customers").unwrap();
    let count = |key: KeyId| {
        let (documents, collection) = (documents.clone(), collection.clone());
        async move { count_sealed(&documents, From::Collection(collection), &key).await }
    };
    let none = async |_: KeyId| Ok::<u64, Infallible>(0);
    assert!(matches!(admin.retire(&authority, &acme, &old, none).await, Err(VaultError::State { .. })));
    admin.rotate(&authority, &acme).await.unwrap();
    // A service with an old snapshot goes on sealing with it.
    repository.create(&customer("bob")).await.unwrap();
    assert_eq!(count(old).await.unwrap(), 2);
    let hour = Duration::from_secs(3_610); // and the deadline of the rotation's commit
    assert_eq!(
        admin.retire(&authority, &acme, &old, none).await.unwrap(),
        Retirement::TooEarly { wait: hour }
    );
    clock.move_by(hour);
    assert_eq!(
        admin.retire(&authority, &acme, &old, count).await.unwrap(),
        Retirement::InUse { documents: 2 }
    );
    // By now every service seals with the new one. Sealed anew:
    for id in ["ada", "bob"] {
        let read = repository.get(id).await.unwrap().unwrap();
        repository.set(&read).await.unwrap();
    }
    // Something turns up between the two counts: not retired.
    let counts = AtomicU32::new(0);
    let late = |_: KeyId| {
        let second = counts.fetch_add(1, Ordering::SeqCst) == 1;
        async move { Ok::<u64, Infallible>(u64::from(second)) }
    };
    assert_eq!(
        admin.retire(&authority, &acme, &old, late).await.unwrap(),
        Retirement::InUse { documents: 1 }
    );
    let before = clock.now();
    let retired = admin.retire(&authority, &acme, &old, count).await.unwrap();
    assert!(matches!(retired, Retirement::Retired { not_counted } if not_counted.len() == 4));
    assert_eq!(before.age(clock.now()), RETIRE_SETTLE);
    let retired = admin.retire(&authority, &acme, &old, count).await.unwrap();
    assert!(matches!(retired, Retirement::Retired { not_counted } if not_counted.len() == 4));
    let manifest = admin.manifest(&acme).await.unwrap();
    assert_eq!(manifest.key(&old).unwrap().state, KeyState::Retired);
    assert_ne!(manifest.primary(Purpose::Data).unwrap().id, old);
    let found = vault().keys(&[(acme.clone(), old)]).await.unwrap();
    assert!(matches!(found[..], [fireseal::KeyLookup::Retired]));
    for id in ["ada", "bob"] {
        assert_eq!(repository.get(id).await.unwrap().unwrap(), customer(id));
    }
    // Its wraps are there until it is destroyed.
    assert!(held.edit(&acme, |_, wraps| wraps.contains_key(&old)));
    let receipt = admin.destroy_key(&authority, &acme, &old).await.unwrap();
    println!("{receipt}");
    assert!(!held.edit(&acme, |_, wraps| wraps.contains_key(&old)));
    assert!(receipt.gone_by.iter().all(|(_, when)| *when >= receipt.at_ms + 3_600_000));
}

#[tokio::test]
async fn a_count_sees_groups_index_entries_and_document_seals() {
    let bytes = |bytes: &[u8]| Value { value_type: Some(ValueType::BytesValue(bytes.to_vec())) };
    let map = |name: &str, value: Value| {
        let fields = [(name.to_owned(), value)].into();
        Value { value_type: Some(ValueType::MapValue(MapValue { fields })) }
    };
    let (store, key) = (MemoryStore::new(), KeyId::from_bytes([7; 32]));
    let envelope = [&[1][..], key.as_bytes(), &[9; 41]].concat();
    let entry = |name: &[u8]| map("idx", map("email", map("key", bytes(name))));
    let documents = [
        ("customers/a/orders/sealed", "card", bytes(&envelope)),
        ("customers/a/orders/deep", "cards", map("first", bytes(&envelope))),
        ("customers/a/orders/indexed", "_seal", entry(&[7; 16])),
        ("orders/vouched", "_seal", map("doc", map("key", bytes(&[7; 32])))),
        ("orders/other-index", "_seal", entry(&[8; 16])),
        ("orders/other-seal", "_seal", map("doc", map("key", bytes(&[8; 32])))),
        ("notes/sealed", "text", bytes(&envelope)),
    ];
    let put = async |path: &str, field: &str, value: Value| {
        let fields = [(field.to_owned(), value)].into();
        store.commit(&[Write::set(DocumentPath::parse(path).unwrap(), fields)]).await.unwrap();
    };
    for (path, field, value) in documents {
        put(path, field, value).await;
    }
    let group = From::Group { id: "orders".to_owned(), under: None };
    assert_eq!(count_sealed(&store, group.clone(), &key).await.unwrap(), 4);
    let orders = From::Collection(CollectionPath::parse("orders").unwrap());
    assert_eq!(count_sealed(&store, orders, &key).await.unwrap(), 1);
    // More than one query reads.
    for number in 0..700 {
        put(&format!("orders/n{number:03}"), "card", bytes(&envelope)).await;
    }
    assert_eq!(count_sealed(&store, group, &key).await.unwrap(), 704);
}
