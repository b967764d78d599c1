//! The vault over memory, the emulator and a file: rings are created, rotated, rewrapped and destroyed,
//! and documents open all the while.
//!
//! T19, T24, T25 of docs/threat-model.md.

#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/promise.rs"]
mod promise;

#[path = "support/custody.rs"]
mod support;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use fireseal::custody::{
    Authority, Change, FileRecords, KeyState, KeyVault, NewSlot, Records, RecordsError, SlotKind,
    StoreRecords, StoredManifest, VaultError, Wraps,
};
use fireseal::store::{FirestoreStore, MemoryStore, StoreError};
use fireseal::{
    Cause, CollectionPath, Error, KeyError, KeyId, KeyLookup, KeyProvider, KeyWrapper, OpenError, Purpose,
    Repository, Scope, Sealable, Unauthentic,
};
use support::{Fault, Held, MovedClock, Service, root, scope};

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

/// Makes vaults over the same records, each as a process of its own would.
type MakeVault = Arc<dyn Fn() -> KeyVault + Send + Sync>;

macro_rules! on_all_records {
    ($($name:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $name() {
                let (store, authority) = (super::MemoryStore::new(), super::Authority::generate().unwrap());
                let key = authority.key();
                super::$name(authority, super::Arc::new(move || super::KeyVault::in_store(store.clone(), "test", key))).await;
            })*
        }

        mod emulator {
            $(#[tokio::test]
            async fn $name() {
                let emulator = fireseal_emulator::Emulator::shared().await.unwrap();
                let project = emulator.project().unwrap();
                let store = super::Arc::new(super::FirestoreStore::new(project.firestore().await.unwrap()));
                let authority = super::Authority::generate().unwrap();
                let key = authority.key();
                super::$name(authority, super::Arc::new(move || super::KeyVault::in_store(store.clone(), "test", key))).await;
            })*
        }

        mod file {
            $(#[tokio::test]
            async fn $name() {
                let directory = tempfile::tempdir().unwrap();
                let path = directory.path().join("vault.json");
                let authority = super::Authority::generate().unwrap();
                let key = authority.key();
                super::$name(authority, super::Arc::new(move || super::KeyVault::in_file(path.clone(), "test", key))).await;
            })*
        }
    };
}

on_all_records!(
    documents_open_through_every_change,
    fifty_at_once_make_one_ring,
    a_reader_never_creates,
    slots_come_and_go,
    changes_at_the_same_time_conflict,
    destroyed_keys_are_told_as_such,
);

async fn documents_open_through_every_change(authority: Authority, vault: MakeVault) {
    let documents = MemoryStore::new();
    let acme = scope("tenants/acme ü");
    let admin = vault().with_root(root(1));
    admin.create_scope(&authority, &acme).await.unwrap();
    let customers =
        |vault: KeyVault| Repository::<Customer>::new(documents.clone(), vault).with_scope(acme.clone());
    let service = vault().with_root(root(1));
    let repository = customers(service.clone());
    let mut keys = HashSet::new();
    for round in 0..4 {
        let id = format!("customer-{round}");
        repository.create(&customer(&id)).await.unwrap();
        keys.insert(admin.ring(&acme).await.unwrap().primary().id());
        admin.rotate(&authority, &acme).await.unwrap();
        service.wipe();
    }
    assert_eq!(keys.len(), 4);
    let manifest = admin.manifest(&acme).await.unwrap();
    assert_eq!((manifest.epoch, manifest.keys.len(), manifest.slots.len()), (5, 6, 1));
    // Another root takes the place of the first; data is not touched.
    let before = documents.documents();
    admin
        .rewrap(&authority, &acme, vec![(Arc::new(root(2)), NewSlot::new(SlotKind::Root))], &[0])
        .await
        .unwrap();
    assert_eq!(documents.documents(), before);
    for round in 0..4 {
        let id = format!("customer-{round}");
        let opened = customers(vault().with_root(root(2))).get(&id).await.unwrap().unwrap();
        assert_eq!(opened, customer(&id));
        let refused = customers(vault().with_root(root(1))).get(&id).await;
        assert!(matches!(refused, Err(Error::Keys(KeyError::Unavailable { .. }))), "{refused:?}");
    }
    // A ring with all keys opens without any call.
    let ring = vault().with_root(root(2)).open_ring(&acme).await.unwrap();
    assert!(keys.iter().all(|id| matches!(ring.key(id), KeyLookup::Found(_))));
    assert_eq!(ring.index_keys().count(), 1);
    promise::Promise::kept("key_rotation", 1);
}

async fn fifty_at_once_make_one_ring(authority: Authority, vault: MakeVault) {
    let acme = scope("acme");
    let authority = Arc::new(authority);
    let tasks = (0..50).map(|_| {
        let (authority, acme, vault) = (Arc::clone(&authority), acme.clone(), vault().with_root(root(1)));
        tokio::spawn(async move {
            let manifest = vault.create_scope(&authority, &acme).await.unwrap();
            (manifest, vault.ring(&acme).await.unwrap().primary().id())
        })
    });
    let rings = futures::future::join_all(tasks).await;
    let rings: Vec<_> = rings.into_iter().map(Result::unwrap).collect();
    assert!(rings.windows(2).all(|two| two[0] == two[1]), "there are two rings");
    println!("50 clients, {} ring", rings.iter().map(|(_, id)| *id).collect::<HashSet<_>>().len());
    assert_eq!(rings[0].0.epoch, 1);
    promise::Promise::kept("key_rotation", 50);
}

async fn a_reader_never_creates(authority: Authority, vault: MakeVault) {
    let (acme, reader) = (scope("acme"), vault().with_root(root(1)));
    assert!(matches!(reader.ring(&acme).await, Err(KeyError::ScopeUnknown { .. })));
    assert!(matches!(reader.manifest(&acme).await, Err(VaultError::ScopeUnknown { .. })));
    let id = fireseal::KeyId::from_bytes([1; 32]);
    let found = reader.keys(&[(acme.clone(), id)]).await.unwrap();
    assert!(matches!(found[..], [KeyLookup::Unknown]));
    let other = Authority::generate().unwrap();
    assert!(matches!(reader.create_scope(&other, &acme).await, Err(VaultError::OtherAuthority)));
    assert!(matches!(reader.rotate(&authority, &acme).await, Err(VaultError::ScopeUnknown { .. })));
    assert!(matches!(reader.manifest(&acme).await, Err(VaultError::ScopeUnknown { .. })));
}

async fn slots_come_and_go(authority: Authority, vault: MakeVault) {
    let acme = scope("acme");
    let admin = vault().with_root(root(1));
    admin.create_scope(&authority, &acme).await.unwrap();
    admin.rotate(&authority, &acme).await.unwrap();
    // A root that can only wrap: its slot is there, and not verified.
    let mut offline = Service::new(2);
    offline.only_wraps = true;
    let slot = NewSlot::new(SlotKind::Backup).named("safe").with_attachment(*b"note");
    let added = admin.add_slot(&authority, &acme, Arc::new(offline.clone()), slot).await.unwrap();
    let manifest = admin.manifest(&acme).await.unwrap();
    let found = manifest.slots.iter().find(|slot| slot.id == added).unwrap();
    assert_eq!((found.kind, found.name.as_str(), found.verified_ms), (SlotKind::Backup, "safe", None));
    assert_eq!((found.root.as_str(), found.attachment.as_slice()), (root(2).root(), &b"note"[..]));
    assert!(manifest.slots[0].verified_ms.is_some());
    // It is not proved, so the other one must stay.
    let refused = admin.remove_slot(&authority, &acme, 0).await;
    assert!(matches!(refused, Err(VaultError::LastUsableWrap { .. })), "{refused:?}");
    // The drill: the root alone opens every key.
    assert_eq!(vault().verify(&acme, &root(2)).await.unwrap(), added);
    assert!(matches!(vault().verify(&acme, &root(3)).await, Err(VaultError::MissingRoot { .. })));
    admin.mark_verified(&authority, &acme, added).await.unwrap();
    // The same root again keeps its slot; one that was removed already is no error, one to come is.
    let renamed = NewSlot::new(SlotKind::Backup).named("bank");
    assert_eq!(admin.add_slot(&authority, &acme, Arc::new(root(2)), renamed).await.unwrap(), added);
    assert_eq!(admin.manifest(&acme).await.unwrap().slots[1].name, "bank");
    assert!(matches!(admin.remove_slot(&authority, &acme, 2).await, Err(VaultError::SlotUnknown { .. })));
    // Without the recipient at hand there is no rotation; with it, there is.
    let refused = admin.rotate(&authority, &acme).await;
    assert!(matches!(refused, Err(VaultError::MissingRoot { .. })), "{refused:?}");
    let recipients =
        move |_: &fireseal::custody::Slot| Some(Arc::new(offline.clone()) as Arc<dyn KeyWrapper>);
    let admin = admin.with_recipients(recipients);
    let newest = admin.rotate(&authority, &acme).await.unwrap();
    admin.remove_slot(&authority, &acme, 0).await.unwrap();
    admin.remove_slot(&authority, &acme, 0).await.unwrap();
    assert_eq!(vault().with_root(root(2)).ring(&acme).await.unwrap().primary().id(), newest);
    assert!(matches!(vault().with_root(root(1)).ring(&acme).await, Err(KeyError::Unavailable { .. })));
    // The last one goes by destruction only.
    let refused = vault().with_root(root(2)).remove_slot(&authority, &acme, added).await;
    assert!(refused.is_err(), "the last slot was removed");
    assert_eq!(admin.manifest(&acme).await.unwrap().slots.len(), 1);
}

async fn changes_at_the_same_time_conflict(authority: Authority, vault: MakeVault) {
    let acme = scope("acme");
    vault().with_root(root(1)).create_scope(&authority, &acme).await.unwrap();
    let authority = Arc::new(authority);
    let tasks = (0..8).map(|_| {
        let (authority, acme, vault) = (Arc::clone(&authority), acme.clone(), vault().with_root(root(1)));
        tokio::spawn(async move { vault.rotate(&authority, &acme).await })
    });
    let outcomes = futures::future::join_all(tasks).await;
    let mut made = HashSet::new();
    for outcome in outcomes.into_iter().map(Result::unwrap) {
        match outcome {
            Ok(key) => assert!(made.insert(key)),
            Err(error) => assert!(error.is_conflict() || error.is_unavailable(), "{error}"),
        }
    }
    let manifest = vault().manifest(&acme).await.unwrap();
    assert_eq!(manifest.epoch, 1 + made.len() as u64);
    // Every key of the ring opens, the losers' keys are not in it.
    let data = manifest.keys.iter().filter(|key| key.purpose == Purpose::Data);
    assert_eq!(data.clone().count(), 1 + made.len());
    let ring = vault().with_root(root(1)).open_ring(&acme).await.unwrap();
    assert!(data.clone().all(|key| matches!(ring.key(&key.id), KeyLookup::Found(_))));
    promise::Promise::kept("key_rotation", 1);
}

async fn destroyed_keys_are_told_as_such(authority: Authority, vault: MakeVault) {
    let acme = scope("acme");
    let admin = vault().with_root(root(1));
    admin.create_scope(&authority, &acme).await.unwrap();
    let documents = MemoryStore::new();
    let repository = Repository::<Customer>::new(documents.clone(), admin.clone()).with_scope(acme.clone());
    repository.create(&customer("ada")).await.unwrap();
    let old = admin.ring(&acme).await.unwrap().primary().id();
    assert!(matches!(admin.destroy_key(&authority, &acme, &old).await, Err(VaultError::State { .. })));
    admin.rotate(&authority, &acme).await.unwrap();
    repository.create(&customer("bob")).await.unwrap();

    let receipt = admin.destroy_key(&authority, &acme, &old).await.unwrap();
    assert!(receipt.is_signed_by(&authority.key()) && receipt.not_verified.is_empty());
    assert_eq!(receipt.keys, [(old, Purpose::Data)]);
    let mut forged = receipt.clone();
    forged.not_ours.clear();
    assert!(!forged.is_signed_by(&authority.key()));
    let cause = |refused| match refused {
        Err(Error::Open(OpenError::Fields { failures, .. })) => failures[0].cause,
        other => panic!("{other:?}"),
    };
    for vault in [admin.clone(), vault().with_root(root(1))] {
        let repository = Repository::<Customer>::new(documents.clone(), vault).with_scope(acme.clone());
        assert_eq!(cause(repository.get("ada").await), Cause::KeyDestroyed(old));
        assert_eq!(repository.get("bob").await.unwrap().unwrap(), customer("bob"));
    }
    // Again: nothing else happens.
    assert!(admin.destroy_key(&authority, &acme, &old).await.unwrap().not_verified.is_empty());

    let receipt = admin.destroy_scope(&authority, &acme).await.unwrap();
    assert_eq!((receipt.keys.len(), receipt.not_verified.len()), (3, 0));
    for vault in [admin.clone(), vault().with_root(root(1))] {
        let repository =
            Repository::<Customer>::new(documents.clone(), vault.clone()).with_scope(acme.clone());
        assert!(matches!(cause(repository.get("bob").await), Cause::KeyDestroyed(_)));
        assert!(matches!(vault.ring(&acme).await, Err(KeyError::ScopeDestroyed { .. })));
        assert!(repository.create(&customer("eve")).await.is_err());
        let again = vault.create_scope(&authority, &acme).await;
        assert!(matches!(again, Err(VaultError::ScopeDestroyed { .. })));
    }
    let manifest = admin.manifest(&acme).await.unwrap();
    assert!(manifest.keys.iter().all(|key| key.state == KeyState::Destroyed) && manifest.slots.is_empty());
}

#[tokio::test]
async fn a_compromised_key_opens_only_where_that_was_asked_for() {
    let (authority, acme, documents) = (Authority::generate().unwrap(), Scope::default(), MemoryStore::new());
    let vault = KeyVault::over(Held::default(), "test", authority.key()).with_root(root(1));
    vault.create_scope(&authority, &acme).await.unwrap();
    let repository = Repository::<Customer>::new(documents.clone(), vault.clone());
    repository.create(&customer("ada")).await.unwrap();
    let leaked = vault.ring(&acme).await.unwrap().primary().id();
    let new = vault.mark_compromised(&authority, &acme, &leaked).await.unwrap().unwrap();
    assert_eq!(vault.ring(&acme).await.unwrap().primary().id(), new);
    let Err(Error::Open(OpenError::Fields { failures, .. })) = repository.get("ada").await else { panic!() };
    assert_eq!(failures[0].cause, Cause::KeyCompromised(leaked));
    let recovery = Repository::<Customer>::new(documents, vault.opening_compromised());
    assert_eq!(recovery.get("ada").await.unwrap().unwrap(), customer("ada"));
    // What recovery writes is sealed with the new key all the same.
    recovery.set(&customer("ada")).await.unwrap();
    assert_eq!(repository.get("ada").await.unwrap().unwrap(), customer("ada"));
}

#[derive(Sealable, PartialEq, Clone)]
#[sealable(collection = "accounts", authenticated, debug)]
struct Account {
    #[sealable(id)]
    id: String,
    #[sensitive]
    iban: String,
}

/// Whoever has a leaked key makes any seal with it, so recovery opens the fields and believes nothing else.
#[tokio::test]
async fn a_compromised_key_vouches_for_no_document() {
    let (authority, acme, documents) = (Authority::generate().unwrap(), Scope::default(), MemoryStore::new());
    let vault = KeyVault::over(Held::default(), "test", authority.key()).with_root(root(1));
    vault.create_scope(&authority, &acme).await.unwrap();
    let accounts = Repository::<Account>::new(documents.clone(), vault.clone());
    let (ada, bea) = ("ada".to_owned(), "bea".to_owned());
    let ada = Account { id: ada, iban: "DE02".to_owned() };
    let bea = Account { id: bea, iban: "DE03".to_owned() };
    accounts.create(&ada).await.unwrap();
    accounts.create(&bea).await.unwrap();
    // Rotated, an older key vouches until it is taken away.
    let leaked = vault.ring(&acme).await.unwrap().primary().id();
    vault.rotate(&authority, &acme).await.unwrap();
    assert_eq!(accounts.get("ada").await.unwrap().unwrap(), ada);
    accounts.modify("bea", |_| {}).await.unwrap().unwrap();
    vault.mark_compromised(&authority, &acme, &leaked).await.unwrap();
    let recovery = Repository::<Account>::new(documents.clone(), vault.clone().opening_compromised());
    let opened = vault.clone().opening_compromised().open_ring(&acme).await.unwrap();
    let with_ring = Repository::<Account>::new(documents, opened);
    for accounts in [&accounts, &recovery, &with_ring] {
        let Err(Error::Open(OpenError::Document { cause, .. })) = accounts.get("ada").await else { panic!() };
        assert_eq!(cause, Unauthentic::Key(Cause::KeyCompromised(leaked)));
        assert_eq!(accounts.get("bea").await.unwrap().unwrap(), bea);
    }
    let partial = recovery.get_partial_unverified("ada").await.unwrap().unwrap();
    assert_eq!(partial.into_inner().iban.unwrap(), "DE02");
    recovery.delete("ada").await.unwrap();
    recovery.create(&ada).await.unwrap();
    assert_eq!(accounts.get("ada").await.unwrap().unwrap(), ada);
}

#[tokio::test]
async fn a_key_service_that_fails_for_the_moment_is_asked_again() {
    let (authority, acme) = (Authority::generate().unwrap(), Scope::default());
    let service = Service::new(1);
    let vault = KeyVault::over(Held::default(), "test", authority.key()).with_root(service.clone());
    service.fails([Fault::Unavailable]);
    vault.create_scope(&authority, &acme).await.unwrap();
    service.fails([Fault::Unavailable, Fault::Unavailable]);
    vault.ring(&acme).await.unwrap();
    // For good: the error says which root, within the deadline, and nothing is written.
    let vault = vault.with_lifetimes(|times| times.deadline = Duration::from_millis(500));
    let documents = MemoryStore::new();
    let repository = Repository::<Customer>::new(documents.clone(), vault.clone());
    for fault in [Fault::Unavailable, Fault::Denied, Fault::Hangs, Fault::Lies] {
        service.always(Some(fault));
        let start = Instant::now();
        let Err(error) = repository.create(&customer("ada")).await else { panic!("sealed") };
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
        assert!(matches!(error, Error::Keys(KeyError::Unavailable { .. })), "{error}");
        assert!(error.to_string().contains(service.root()), "{error}");
        assert!(documents.documents().is_empty());
        let refused = vault.rotate(&authority, &acme).await;
        assert!(matches!(refused, Err(VaultError::Wrap(_))), "{refused:?}");
    }
    service.always(None);
    repository.create(&customer("ada")).await.unwrap();
    assert_eq!(vault.manifest(&acme).await.unwrap().epoch, 1);
}

/// Records that apply a change, or not, and then lose the answer.
struct Lossy {
    held: Held,
    applies: bool,
}

#[async_trait]
impl Records for Lossy {
    async fn manifest(&self, scope: &Scope) -> Result<Option<StoredManifest>, RecordsError> {
        self.held.manifest(scope).await
    }

    async fn wraps(&self, scope: &Scope, key: &KeyId) -> Result<Option<Wraps>, RecordsError> {
        self.held.wraps(scope, key).await
    }

    async fn replace(&self, scope: &Scope, old: Option<&[u8]>, change: Change) -> Result<(), RecordsError> {
        if self.applies {
            self.held.replace(scope, old, change).await?;
        }
        Err(RecordsError::Store(StoreError::Deadline { seconds: 1 }))
    }
}

#[tokio::test]
async fn a_change_whose_answer_is_lost_is_looked_for() {
    let (authority, acme) = (Authority::generate().unwrap(), Scope::default());
    for applies in [true, false] {
        let held = Held::default();
        let vault = |records| KeyVault::over(records, "test", authority.key()).with_root(root(1));
        let lossy = vault(Lossy { held: held.clone(), applies });
        assert_eq!(lossy.create_scope(&authority, &acme).await.is_ok(), applies);
        KeyVault::over(held.clone(), "test", authority.key())
            .with_root(root(1))
            .create_scope(&authority, &acme)
            .await
            .unwrap();
        match lossy.rotate(&authority, &acme).await {
            Ok(key) => assert!(applies && lossy.ring(&acme).await.unwrap().primary().id() == key),
            Err(error) => assert!(!applies && error.is_unavailable(), "{error}"),
        }
        assert_eq!(lossy.manifest(&acme).await.unwrap().epoch, 1 + u64::from(applies));
    }
}

#[tokio::test]
async fn a_second_root_opens_while_the_first_one_hangs() {
    let (authority, acme, held) = (Authority::generate().unwrap(), Scope::default(), Held::default());
    let (first, second) = (Service::new(1), Service::new(2));
    let vault = KeyVault::over(held, "test", authority.key())
        .with_root(first.clone())
        .with_root(second.clone())
        .with_lifetimes(|times| times.deadline = Duration::from_millis(400));
    vault.create_scope(&authority, &acme).await.unwrap();
    first.always(Some(Fault::Hangs));
    vault.ring(&acme).await.unwrap();
    first.always(Some(Fault::Denied));
    vault.wipe();
    vault.ring(&acme).await.unwrap();
}

#[tokio::test]
async fn the_index_key_rotates_in_phases() {
    let (authority, acme, clock) = (Authority::generate().unwrap(), Scope::default(), MovedClock::default());
    let vault =
        KeyVault::over(Held::default(), "test", authority.key()).with_root(root(1)).with_clock(clock.clone());
    vault.create_scope(&authority, &acme).await.unwrap();
    let ids = async || {
        let ring = vault.ring(&acme).await.unwrap();
        ring.index_keys().map(fireseal::IndexKey::id).collect::<Vec<_>>()
    };
    let old = ids().await[0];
    let new = vault.rotate_index(&authority, &acme).await.unwrap();
    assert_eq!(ids().await, [old, new]);
    assert!(matches!(vault.rotate_index(&authority, &acme).await, Err(VaultError::State { .. })));
    let early = vault.promote_index(&authority, &acme, &new).await;
    assert!(matches!(early, Err(VaultError::TooEarly { seconds: 3_610, .. })), "{early:?}");
    clock.move_by(Duration::from_secs(3_610));
    vault.promote_index(&authority, &acme, &new).await.unwrap();
    assert_eq!(ids().await, [new, old]);
    assert_eq!(vault.ring(&acme).await.unwrap().index().unwrap().id(), new);
    // Index keys are never given out as data keys.
    let found = vault.keys(&[(acme.clone(), new)]).await.unwrap();
    assert!(matches!(found[..], [KeyLookup::Unknown]));
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_others_could_touch_is_refused() {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    let directory = tempfile::tempdir().unwrap();
    let (path, link) = (directory.path().join("vault"), directory.path().join("link"));
    let (authority, acme) = (Authority::generate().unwrap(), Scope::default());
    let vault = |path: &std::path::Path| KeyVault::in_file(path, "test", authority.key()).with_root(root(1));
    vault(&path).create_scope(&authority, &acme).await.unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    let set = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    for loose in [0o640, 0o604, 0o620, 0o602, 0o644, 0o666] {
        set(loose);
        let refused = vault(&path).manifest(&acme).await;
        assert!(
            matches!(refused, Err(VaultError::Records(RecordsError::File { .. }))),
            "{loose:o} {refused:?}"
        );
        assert!(vault(&path).rotate(&authority, &acme).await.is_err());
    }
    set(0o600);
    symlink(&path, &link).unwrap();
    assert!(vault(&link).manifest(&acme).await.is_err());
    assert!(vault(&link).rotate(&authority, &acme).await.is_err());
    assert!(vault(directory.path()).manifest(&acme).await.is_err());
    // What stands in the way of the new file is not written through.
    let elsewhere = directory.path().join("elsewhere");
    fs::write(&elsewhere, "untouched").unwrap();
    symlink(&elsewhere, directory.path().join("vault.new")).unwrap();
    vault(&path).rotate(&authority, &acme).await.unwrap();
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "untouched");
    assert_eq!((mode(&path), vault(&path).manifest(&acme).await.unwrap().epoch), (0o600, 2));
    for broken in ["", "{", "\u{feff}{}", "[]", "null", r#"{"format":"fireseal-vault-v2","rings":{}}"#] {
        fs::write(&path, broken).unwrap();
        assert!(vault(&path).manifest(&acme).await.is_err(), "{broken:?}");
        assert!(vault(&path).create_scope(&authority, &acme).await.is_err(), "{broken:?} was overwritten");
    }
}

#[tokio::test]
async fn two_vaults_share_a_database_in_collections_of_their_own() {
    let (store, authority, acme) = (MemoryStore::new(), Authority::generate().unwrap(), Scope::default());
    let vault = |collection: &str, name: &str| {
        KeyVault::in_collection(store.clone(), collection, name, authority.key()).unwrap().with_root(root(1))
    };
    vault("keys", "staging").create_scope(&authority, &acme).await.unwrap();
    vault("other/doc/keys", "production").create_scope(&authority, &acme).await.unwrap();
    assert!(vault("keys", "production").manifest(&acme).await.is_err());
    assert!(KeyVault::in_collection(store.clone(), "a/b", "x", authority.key()).is_err());
    let records = StoreRecords::new(store.clone(), CollectionPath::parse("keys").unwrap());
    KeyVault::over(records, "staging", authority.key()).manifest(&acme).await.unwrap();
    let file = FileRecords::new("/nonexistent/vault");
    assert!(
        KeyVault::over(file, "x", authority.key())
            .with_root(root(1))
            .create_scope(&authority, &acme)
            .await
            .is_err()
    );
}
