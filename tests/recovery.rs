//! Every way back to a ring: all other slots gone, the ring recovered through one alone, documents opened.
//!
//! T22 of docs/threat-model.md.

#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/promise.rs"]
mod promise;

#[path = "support/custody.rs"]
mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use fireseal::custody::{
    Authority, BackupKey, Change, CodeError, DeviceRequest, KeyVault, NewSlot, RecordsError, RecoveryCode,
    RecoveryError, RecoveryPolicy, Revocation, Share, ShareError, SlotKind, StoredManifest, VaultError,
    Wraps, combine_shares, split_identity,
};
use fireseal::store::MemoryStore;
use fireseal::{
    AgeIdentity, Error, KeyError, KeyId, KeyLookup, KeyProvider, KeyWrapper, Purpose, Repository, Scope,
    Sealable,
};
use proptest::prelude::*;
use support::{Held, root, scope};

#[derive(Sealable, PartialEq, Clone)]
#[sealable(collection = "customers", debug)]
struct Customer {
    #[sealable(id)]
    id: String,
    #[sensitive]
    ssn: String,
}

fn customer(id: &str) -> Customer {
    Customer { id: id.to_owned(), ssn: format!("078-05-1120 of {id}") }
}

/// A vault with its authority, and documents.
struct World {
    held: Held,
    authority: Authority,
    documents: MemoryStore,
    acme: Scope,
}

impl World {
    fn new() -> Self {
        let authority = Authority::generate().unwrap();
        Self { held: Held::default(), authority, documents: MemoryStore::new(), acme: scope("tenants/acme") }
    }

    /// As a process of its own would have it, without any root.
    fn vault(&self) -> KeyVault {
        vault_over(&self.held, &self.authority)
    }

    /// The administrator's, with the local root.
    fn admin(&self) -> KeyVault {
        self.vault().with_root(root(1))
    }

    fn customers(&self, keys: impl KeyProvider + 'static) -> Repository<Customer> {
        Repository::new(self.documents.clone(), keys).with_scope(self.acme.clone())
    }

    async fn created() -> Self {
        let world = Self::new();
        world.admin().create_scope(&world.authority, &world.acme).await.unwrap();
        world
    }

    async fn seal(&self, vault: KeyVault, id: &str) {
        self.customers(vault).create(&customer(id)).await.unwrap();
    }

    async fn opens(&self, vault: &KeyVault, ids: &[&str]) {
        for id in ids {
            let opened = self.customers(vault.clone()).get(id).await.unwrap().unwrap();
            assert_eq!(opened, customer(id));
        }
    }

    async fn codes(&self, count: usize) -> Vec<RecoveryCode> {
        self.admin()
            .create_weak_recovery_codes_for_tests(&self.authority, &self.acme, count, 4)
            .await
            .unwrap()
    }

    async fn device(&self, name: &str) -> (AgeIdentity, u32) {
        let identity = AgeIdentity::generate();
        let request =
            DeviceRequest::new(identity.recipient(), name, &self.acme, self.authority.key()).unwrap();
        let typed = request.fingerprint();
        let slot = self.admin().approve_device(&self.authority, &request, &typed).await.unwrap();
        (identity, slot)
    }
}

fn vault_over(held: &Held, authority: &Authority) -> KeyVault {
    KeyVault::over(held.clone(), "production", authority.key())
}

/// The records with the wraps of one slot alone, as after the loss of all others.
fn only(held: &Held, slot: u32) -> Held {
    let mut rings = held.0.lock().unwrap().clone();
    for (_, keys) in rings.values_mut() {
        for wraps in keys.values_mut() {
            wraps.retain(|id, _| *id == slot);
        }
    }
    Held(Arc::new(Mutex::new(rings)), Arc::default())
}

/// What a person has after the disaster.
enum Holder {
    Root(Arc<dyn KeyWrapper>),
    Code(RecoveryCode),
}

#[tokio::test]
async fn every_kind_of_slot_recovers_the_ring_alone() {
    let world = World::created().await;
    let (admin, acme, authority) = (world.admin(), &world.acme, &world.authority);
    world.seal(admin.clone(), "ada").await;

    let backup = BackupKey::generate();
    admin.add_backup(authority, acme, backup.recipient(), "safe").await.unwrap();
    let codes = world.codes(2).await;
    let (device, _) = world.device("laptop").await;
    let shares = admin.create_quorum(authority, acme, 2, 3).await.unwrap();
    let person = AgeIdentity::generate();
    let slot = NewSlot::new(SlotKind::Root).named("on call");
    admin.add_slot(authority, acme, Arc::new(person.recipient().clone()), slot).await.unwrap();

    // A rotation needs none of the people; documents before and after it are opened by each.
    admin.rotate(authority, acme).await.unwrap();
    admin.wipe();
    world.seal(admin.clone(), "bob").await;

    let paper = backup.to_text();
    let printed = shares[2].expose_text();
    let typed = codes[1].expose_text().to_lowercase();
    let root_of = |identity: AgeIdentity| Holder::Root(Arc::new(identity));
    let whole = combine_shares(&[Share::parse(&printed).unwrap(), shares[0].clone()]).unwrap();
    let rows = [
        ("local root", Holder::Root(Arc::new(root(1)))),
        ("age recipient", root_of(person)),
        ("backup key", root_of(BackupKey::parse(&paper).unwrap().into_identity())),
        ("recovery code", Holder::Code(RecoveryCode::parse(&typed).unwrap())),
        ("device", root_of(device)),
        ("quorum 2 of 3", root_of(whole)),
    ];
    println!(
        "\n{:<14} {:<14} {:>4} {:>5} {:>5} {:>9}  others",
        "way back", "slot", "no.", "keys", "docs", "ms"
    );
    let manifest = admin.manifest(acme).await.unwrap();
    assert_eq!(manifest.slots.len(), 7);
    for (way, holder) in rows {
        let started = Instant::now();
        let slot = match &holder {
            Holder::Root(root) => manifest.slot_of(root.root()).unwrap(),
            Holder::Code(code) => manifest.slots.iter().find(|slot| slot.name == code.name()).unwrap(),
        };
        let held = only(&world.held, slot.id);
        let bare = vault_over(&held, authority);
        assert!(bare.open_ring(acme).await.is_err(), "{way}: opened without any root");
        let alone = match holder {
            Holder::Root(root) => bare.with_shared_root(root),
            Holder::Code(code) => bare.open_with_code(acme, &code).await.unwrap(),
        };
        world.opens(&alone, &["ada", "bob"]).await;
        let ring = alone.open_ring(acme).await.unwrap();
        let data = manifest.keys.iter().filter(|key| key.purpose == Purpose::Data);
        let keys = data.filter(|key| matches!(ring.key(&key.id), KeyLookup::Found(_))).count();
        assert_eq!((keys, ring.index_keys().count()), (2, 1), "{way}");
        // Every other slot destroyed by the authority, too: what is left opens still, and goes on.
        let others: Vec<u32> =
            manifest.slots.iter().map(|other| other.id).filter(|id| *id != slot.id).collect();
        alone.rewrap(authority, acme, Vec::new(), &others).await.unwrap();
        world.opens(&alone, &["ada", "bob"]).await;
        alone.rotate(authority, acme).await.unwrap();
        assert_eq!(alone.manifest(acme).await.unwrap().slots.len(), 1);
        let took = started.elapsed().as_millis();
        println!(
            "{way:<14} {:<14} {:>4} {:>5} {:>5} {took:>9}  destroyed",
            slot.kind.as_str(),
            slot.id,
            keys + 1,
            2
        );
    }
}

#[tokio::test]
async fn a_code_is_used_up_by_a_recovery() {
    let world = World::created().await;
    let (acme, authority) = (&world.acme, &world.authority);
    world.seal(world.admin(), "ada").await;
    let codes = world.codes(3).await;
    let before = world.admin().manifest(acme).await.unwrap();

    // Without the authority it opens, and changes nothing.
    let opened = world.vault().open_with_code(acme, &codes[0]).await.unwrap();
    world.opens(&opened, &["ada"]).await;
    let stranger = Authority::generate().unwrap();
    let refused = world.vault().recover_with_code(&stranger, acme, &codes[0], Vec::new(), &[]).await;
    assert!(matches!(refused, Err(RecoveryError::Vault(VaultError::OtherAuthority))));
    // Nothing proved would be left.
    let refused = world.vault().recover_with_code(authority, acme, &codes[0], Vec::new(), &[0]).await;
    assert!(matches!(refused, Err(RecoveryError::Vault(VaultError::LastUsableWrap { .. }))), "{refused:?}");
    assert_eq!(world.admin().manifest(acme).await.unwrap(), before);

    // The old root is lost; a new one takes its place.
    let new = vec![(Arc::new(root(2)) as Arc<dyn KeyWrapper>, NewSlot::new(SlotKind::Root))];
    let recovered = world.vault().recover_with_code(authority, acme, &codes[0], new, &[0]).await.unwrap();
    let after = recovered.manifest(acme).await.unwrap();
    assert_eq!(after.epoch, before.epoch + 1, "one commit");
    assert_eq!(after.keys.len(), before.keys.len() + 1);
    assert_ne!(after.primary(Purpose::Data).unwrap().id, before.primary(Purpose::Data).unwrap().id);
    let names: Vec<_> = after.slots.iter().map(|slot| slot.name.as_str()).collect();
    assert_eq!(names, [codes[1].name(), codes[2].name(), ""]);
    world.opens(&recovered, &["ada"]).await;
    world.seal(recovered.clone(), "bob").await;
    world.opens(&vault_over(&world.held, authority).with_root(root(2)), &["ada", "bob"]).await;
    assert!(world.admin().open_ring(acme).await.is_err(), "the lost root still opens");

    // Used up.
    let again = recovered.recover_with_code(authority, acme, &codes[0], Vec::new(), &[]).await;
    assert!(matches!(again, Err(RecoveryError::CodeUnknown { .. })), "{again:?}");
    assert!(again.unwrap_err().to_string().contains(codes[0].name()));
    // The next one is good, for what was sealed since, too.
    let by_code = world.vault().open_with_code(acme, &codes[1]).await.unwrap();
    world.opens(&by_code, &["ada", "bob"]).await;
    // A single one is revoked.
    let slots = recovered.slots(acme, SlotKind::RecoveryCode).await.unwrap();
    let slot = slots.iter().find(|slot| slot.name == codes[1].name()).unwrap().id;
    recovered.revoke_slot(authority, acme, slot).await.unwrap();
    let revoked = world.vault().open_with_code(acme, &codes[1]).await;
    assert!(matches!(revoked, Err(RecoveryError::CodeUnknown { .. })));
    assert!(world.vault().open_with_code(acme, &codes[2]).await.is_ok());
}

/// The text with the first group of another code, and a checksum that fits.
fn renamed(code: &RecoveryCode, name: &str) -> RecoveryCode {
    let body = format!("{name}{}", &code.expose_text()[4..37]);
    let digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let pairs = digits.chars().flat_map(|a| digits.chars().map(move |b| format!("{a}{b}")));
    pairs.filter_map(|check| RecoveryCode::parse(&format!("{body}{check}")).ok()).next().unwrap()
}

#[tokio::test]
async fn a_typo_and_another_users_code_are_told_apart_at_once() {
    let world = World::created().await;
    let admin = world.admin();
    let acme = &world.acme;
    // At the real work factor: what is told at once takes none of it.
    let code = admin.create_recovery_codes(&world.authority, acme, 1).await.unwrap().remove(0);
    let started = Instant::now();
    let text = code.expose_text();
    let mut typed: Vec<char> = text.chars().collect();
    typed[20] = if typed[20] == '7' { '8' } else { '7' };
    let typo: String = typed.iter().collect();
    assert_eq!(RecoveryCode::parse(&typo), Err(CodeError::Typo));
    assert_eq!(RecoveryCode::parse(&text[..30]), Err(CodeError::Length { found: 24 }));
    assert_eq!(RecoveryCode::parse(&text.replacen('-', "U", 1)), Err(CodeError::Character { place: 5 }));
    assert!(!RecoveryCode::parse(&typo).unwrap_err().to_string().contains(&text[5..9]));

    let bob = scope("tenants/bob");
    admin.create_scope(&world.authority, &bob).await.unwrap();
    let bobs =
        admin.create_weak_recovery_codes_for_tests(&world.authority, &bob, 1, 4).await.unwrap().remove(0);
    let other = world.vault().open_with_code(acme, &bobs).await;
    assert!(matches!(other, Err(RecoveryError::CodeUnknown { .. })), "{other:?}");
    let fast = started.elapsed();
    assert!(fast < Duration::from_millis(500), "telling took {fast:?}");
    // The name of a slot is no secret: a code that takes it must open the slot all the same.
    let forged = renamed(&bobs, code.name());
    assert_eq!(forged.name(), code.name());
    let started = Instant::now();
    let other = world.vault().open_with_code(acme, &forged).await;
    assert!(matches!(other, Err(RecoveryError::CodeDoesNotOpen { .. })), "{other:?}");
    println!("typo and other user's code told in {fast:?}; a forged name took {:?}", started.elapsed());
    promise::Promise::kept("recovery", 1);
}

#[tokio::test]
async fn a_code_made_on_any_machine_has_the_one_work_factor() {
    let world = World::created().await;
    let admin = world.admin();
    let codes = admin.create_recovery_codes(&world.authority, &world.acme, 1).await.unwrap();
    let slot = admin.slots(&world.acme, SlotKind::RecoveryCode).await.unwrap().remove(0);
    let armoured = String::from_utf8(slot.attachment).unwrap();
    let body: String = armoured.lines().filter(|line| !line.starts_with("-----")).collect();
    let file = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, body).unwrap();
    let header = String::from_utf8_lossy(&file);
    let stanza = header.lines().nth(1).unwrap();
    assert!(stanza.starts_with("-> scrypt ") && stanza.ends_with(" 18"), "{stanza}");
    let started = Instant::now();
    let slot = admin.drill_code(&world.authority, &world.acme, &codes[0]).await.unwrap();
    println!("a code at the pinned factor 2^18 opened in {:?}", started.elapsed());
    let slots = admin.slots(&world.acme, SlotKind::RecoveryCode).await.unwrap();
    assert!(slots[0].id == slot && slots[0].verified_ms.is_some());
}

#[tokio::test]
async fn sets_stand_beside_each_other_and_have_limits() {
    let world = World::created().await;
    let (first, second) = (world.codes(2).await, world.codes(2).await);
    assert_eq!(first[0].set(), first[1].set());
    assert_ne!(first[0].set(), second[0].set());
    for code in first.iter().chain(&second) {
        assert!(world.vault().open_with_code(&world.acme, code).await.is_ok());
    }
    for count in [0, 32, 1000] {
        let made = world.admin().create_recovery_codes(&world.authority, &world.acme, count).await;
        assert!(matches!(made, Err(RecoveryError::CodeCount { .. })), "{made:?}");
    }
    let other = Authority::generate().unwrap();
    assert!(world.admin().create_recovery_codes(&other, &world.acme, 1).await.is_err());
    assert_eq!(world.admin().slots(&world.acme, SlotKind::RecoveryCode).await.unwrap().len(), 4);
}

#[tokio::test]
async fn a_device_is_approved_by_its_fingerprint_only() {
    let world = World::created().await;
    let (admin, authority, acme) = (world.admin(), &world.authority, &world.acme);
    let make = |identity: &AgeIdentity, name: &str, key| {
        DeviceRequest::new(identity.recipient(), name, acme, key).unwrap()
    };
    let (honest, thief) = (AgeIdentity::generate(), AgeIdentity::generate());
    let shown = make(&honest, "Ada's laptop", authority.key()).fingerprint();
    assert_eq!(shown.len(), 24);
    // Exchanged on the way: everything is as it was but the recipient.
    let exchanged: DeviceRequest = make(&thief, "Ada's laptop", authority.key()).to_string().parse().unwrap();
    let sent: DeviceRequest = make(&honest, "Ada's laptop", authority.key()).to_string().parse().unwrap();
    let refused = admin.approve_device(authority, &exchanged, &shown).await;
    assert!(matches!(refused, Err(RecoveryError::Fingerprint)), "{refused:?}");
    let mut near = shown.clone().into_bytes();
    near[23] = if near[23] == b'7' { b'8' } else { b'7' };
    for typed in ["", "0000-0000-0000-0000-0000", &shown[..23], std::str::from_utf8(&near).unwrap(), "U"] {
        let refused = admin.approve_device(authority, &sent, typed).await;
        assert!(matches!(refused, Err(RecoveryError::Fingerprint)), "{typed}: {refused:?}");
    }
    let foreign = make(&honest, "Ada's laptop", Authority::generate().unwrap().key());
    let refused = admin.approve_device(authority, &foreign, &foreign.fingerprint()).await;
    assert!(matches!(refused, Err(RecoveryError::RequestForOtherAuthority)));
    assert!(admin.slots(acme, SlotKind::Device).await.unwrap().is_empty());

    let typed = shown.to_lowercase().replace('-', " ").replace('0', "o");
    let slot = admin.approve_device(authority, &sent, &typed).await.unwrap();
    assert_eq!(admin.approve_device(authority, &sent, &typed).await.unwrap(), slot, "twice is once");
    let taken = admin.approve_device(authority, &exchanged, &exchanged.fingerprint()).await;
    assert!(matches!(taken, Err(RecoveryError::DeviceNameTaken { .. })));
    // The recipient of a recovery code, which anyone can read in the vault, takes no slot over.
    world.codes(1).await;
    let code = admin.slots(acme, SlotKind::RecoveryCode).await.unwrap().remove(0);
    let recipient = code.root.strip_prefix("age:").unwrap().parse().unwrap();
    let taking = DeviceRequest::new(&recipient, "phone", acme, authority.key()).unwrap();
    let refused = admin.approve_device(authority, &taking, &taking.fingerprint()).await;
    assert!(matches!(refused, Err(RecoveryError::RecipientTaken { kind: SlotKind::RecoveryCode })));
    let devices = admin.slots(acme, SlotKind::Device).await.unwrap();
    assert_eq!(devices.len(), 1);
    assert_eq!(
        (devices[0].name.as_str(), devices[0].root.as_str(), devices[0].verified_ms),
        ("Ada's laptop", honest.root(), None)
    );
    // The device proves it by itself; the administrator records it.
    let proved = world.vault().verify(acme, &honest).await.unwrap();
    admin.mark_verified(authority, acme, proved).await.unwrap();
    admin.rename_device(authority, acme, slot, "Ada's old laptop").await.unwrap();
    assert!(admin.rename_device(authority, acme, 0, "root").await.is_err(), "a root is no device");
    let devices = admin.slots(acme, SlotKind::Device).await.unwrap();
    assert!(devices[0].name == "Ada's old laptop" && devices[0].verified_ms.is_some());
    promise::Promise::kept("recovery", 1);
}

#[tokio::test]
async fn a_revoked_device_sees_nothing_new() {
    let world = World::created().await;
    let (admin, authority, acme) = (world.admin(), &world.authority, &world.acme);
    let (lost, slot) = world.device("phone").await;
    let (kept, _) = world.device("laptop").await;
    world.seal(admin.clone(), "ada").await;
    let before = admin.manifest(acme).await.unwrap();

    let made = admin.revoke_slot(authority, acme, slot).await.unwrap();
    let after = admin.manifest(acme).await.unwrap();
    assert_eq!(after.epoch, before.epoch + 1, "one commit");
    assert_eq!(after.primary(Purpose::Data).unwrap().id, made.data_key.unwrap());
    let index = after.key(&made.index_key.unwrap()).unwrap();
    assert_eq!((index.purpose, index.state), (Purpose::Index, fireseal::custody::KeyState::Active));
    // No wrap of any key is left to it, whatever is stored.
    world.held.edit(acme, |_, keys| assert!(keys.values().all(|wraps| !wraps.contains_key(&slot))));
    assert!(world.vault().with_root(lost).open_ring(acme).await.is_err());
    let admin = world.admin();
    world.seal(admin.clone(), "bob").await;
    world.opens(&world.vault().with_root(kept), &["ada", "bob"]).await;

    // Again: it is done already.
    assert_eq!(admin.revoke_slot(authority, acme, slot).await.unwrap(), Revocation::default());
    assert_eq!(admin.manifest(acme).await.unwrap(), after);
    let unknown = admin.revoke_slot(authority, acme, 99).await;
    assert!(matches!(unknown, Err(VaultError::SlotUnknown { .. })));
    // A rotation of the index key that is under way is not doubled.
    let (_, third) = world.device("tablet").await;
    let made = admin.revoke_slot(authority, acme, third).await.unwrap();
    assert!(made.data_key.is_some() && made.index_key.is_none());
}

#[tokio::test]
async fn the_last_device_stays() {
    let world = World::created().await;
    let (authority, acme) = (&world.authority, &world.acme);
    let (laptop, slot) = world.device("laptop").await;
    let (_, phone) = world.device("phone").await;
    let by_laptop = world.vault().with_root(laptop);
    by_laptop.remove_slot(authority, acme, 0).await.unwrap();
    // The other device was never proved.
    for refused in [
        by_laptop.revoke_slot(authority, acme, slot).await.map(drop),
        by_laptop.remove_slot(authority, acme, slot).await,
    ] {
        assert!(matches!(refused, Err(VaultError::LastUsableWrap { .. })), "{refused:?}");
    }
    by_laptop.revoke_slot(authority, acme, phone).await.unwrap();
    assert!(by_laptop.remove_slot(authority, acme, slot).await.is_err());
    assert!(by_laptop.open_ring(acme).await.is_ok());
    promise::Promise::kept("recovery", 1);
}

/// Records that lose the power at the next change: before it, or after it and before the answer.
#[derive(Clone)]
struct Cut(Held, Arc<AtomicBool>, Arc<AtomicBool>);

#[async_trait]
impl fireseal::custody::Records for Cut {
    async fn manifest(&self, scope: &Scope) -> Result<Option<StoredManifest>, RecordsError> {
        if self.1.load(Ordering::SeqCst) && self.2.load(Ordering::SeqCst) {
            return Err(RecordsError::Malformed { reason: "no power" });
        }
        self.0.manifest(scope).await
    }

    async fn wraps(&self, scope: &Scope, key: &KeyId) -> Result<Option<Wraps>, RecordsError> {
        self.0.wraps(scope, key).await
    }

    async fn replace(
        &self,
        scope: &Scope,
        expected: Option<&[u8]>,
        change: Change,
    ) -> Result<(), RecordsError> {
        if !self.1.load(Ordering::SeqCst) {
            return self.0.replace(scope, expected, change).await;
        }
        if self.2.swap(true, Ordering::SeqCst) {
            return Err(RecordsError::Malformed { reason: "no power" });
        }
        self.0.replace(scope, expected, change).await?;
        Err(RecordsError::Malformed { reason: "no power" })
    }
}

#[tokio::test]
async fn a_revocation_that_is_cut_short_is_made_again() {
    for landed in [false, true] {
        let world = World::created().await;
        let (authority, acme) = (&world.authority, &world.acme);
        let (lost, slot) = world.device("phone").await;
        world.seal(world.admin(), "ada").await;
        let cut =
            Cut(world.held.clone(), Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(!landed)));
        if !landed {
            cut.1.store(false, Ordering::SeqCst);
        }
        let vault = KeyVault::over(cut.clone(), "production", authority.key()).with_root(root(1));
        if !landed {
            vault.manifest(acme).await.unwrap();
            cut.1.store(true, Ordering::SeqCst);
        }
        assert!(vault.revoke_slot(authority, acme, slot).await.is_err());
        world.opens(&world.admin(), &["ada"]).await;
        let made = world.admin().revoke_slot(authority, acme, slot).await.unwrap();
        assert_eq!(made == Revocation::default(), landed);
        let manifest = world.admin().manifest(acme).await.unwrap();
        assert_eq!(manifest.keys.len(), 4, "two keys more, once");
        assert!(manifest.slot_of(lost.root()).is_none());
        world.opens(&world.admin(), &["ada"]).await;
    }
}

#[tokio::test]
async fn nothing_is_sealed_before_it_can_be_recovered() {
    let world = World::created().await;
    let (admin, authority, acme) = (world.admin(), &world.authority, &world.acme);
    world.seal(admin.clone(), "early").await;
    let policy = || RecoveryPolicy::new().require(SlotKind::RecoveryCode, 2).require(SlotKind::Backup, 1);
    let guarded = Arc::new(world.admin().guarded_by(policy()));
    let repository = world.customers(Arc::clone(&guarded));
    let refused = async |repository: &Repository<Customer>| match repository.create(&customer("ada")).await {
        Err(Error::Keys(KeyError::NotRecoverable { missing, .. })) => missing,
        other => panic!("{other:?}"),
    };
    let missing = refused(&repository).await;
    assert!(missing.contains("2 verified recovery-code required, 0 there"), "{missing}");
    assert!(missing.contains("1 verified backup required") && missing.contains("drill"), "{missing}");
    // What is sealed already opens.
    assert_eq!(repository.get("early").await.unwrap().unwrap(), customer("early"));

    let codes = world.codes(3).await;
    let backup = BackupKey::generate();
    admin.add_backup(authority, acme, backup.recipient(), "safe").await.unwrap();
    let missing = refused(&repository).await;
    assert!(missing.contains("3 there, 0 verified: prove 2 more"), "{missing}");
    admin.drill_code(authority, acme, &codes[0]).await.unwrap();
    admin.drill_code(authority, acme, &codes[0]).await.unwrap();
    assert!(refused(&repository).await.contains("1 verified"));
    admin.drill_code(authority, acme, &codes[1]).await.unwrap();
    let missing = refused(&repository).await;
    assert!(!missing.contains("recovery-code") && missing.contains("backup"), "{missing}");
    // Another key's drill proves nothing here.
    assert!(admin.drill(authority, acme, &AgeIdentity::generate()).await.is_err());
    refused(&repository).await;
    admin.drill(authority, acme, &backup.into_identity()).await.unwrap();
    repository.create(&customer("ada")).await.unwrap();
    assert_eq!(policy().missing(&admin.manifest(acme).await.unwrap()), []);

    // A code that is used up later does not stop this service; a new one is told.
    let sealed_with = admin.ring(acme).await.unwrap().primary().id();
    admin.recover_with_code(authority, acme, &codes[0], Vec::new(), &[]).await.unwrap();
    assert_ne!(admin.ring(acme).await.unwrap().primary().id(), sealed_with);
    repository.create(&customer("bob")).await.unwrap();
    let fresh = world.customers(Arc::new(world.admin().guarded_by(policy())));
    assert!(refused(&fresh).await.contains("1 verified"));
    assert_eq!(fresh.get("bob").await.unwrap().unwrap(), customer("bob"));
    promise::Promise::kept("recovery", 1);
}

#[tokio::test]
async fn a_drill_takes_the_slot_alone() {
    let world = World::created().await;
    let (admin, authority, acme) = (world.admin(), &world.authority, &world.acme);
    let backup = BackupKey::generate();
    let slot = admin.add_backup(authority, acme, backup.recipient(), "safe").await.unwrap();
    assert_eq!(admin.slots(acme, SlotKind::Backup).await.unwrap()[0].verified_ms, None);
    // Its wraps are damaged: the administrator's root does not cover that up.
    let kept = only(&world.held, slot);
    world.held.edit(acme, |_, keys| {
        for wraps in keys.values_mut() {
            wraps.get_mut(&slot).unwrap().truncate(200);
        }
    });
    let identity = backup.into_identity();
    let refused = admin.drill(authority, acme, &identity).await;
    assert!(matches!(refused, Err(VaultError::NotOpened { .. })), "{refused:?}");
    assert_eq!(admin.slots(acme, SlotKind::Backup).await.unwrap()[0].verified_ms, None);
    assert_eq!(vault_over(&kept, authority).drill(authority, acme, &identity).await.unwrap(), slot);
    // Nor does it for a vault that was told to use the backup key only.
    let alone = world.admin().with_only_root(identity);
    assert!(alone.open_ring(acme).await.is_err(), "another root was used");
}

#[test]
fn a_backup_key_is_a_standard_identity_file() {
    let key = BackupKey::generate();
    let text = key.to_text();
    assert!(text.lines().any(|line| line.starts_with("AGE-SECRET-KEY-1")));
    let read = BackupKey::parse(&text).unwrap();
    assert_eq!(read.recipient().to_string(), key.recipient().to_string());
    assert!(!format!("{key:?}").contains("SECRET"));
    let last = text.trim_end().len() - 1;
    let typo = format!("{}{}", &text[..last], if text[last..].starts_with('Q') { 'P' } else { 'Q' });
    assert!(BackupKey::parse(&typo).is_err() && BackupKey::parse("").is_err());
    assert!(BackupKey::parse(&format!("{}{}", *text, *BackupKey::generate().to_text())).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_k_shares_make_the_identity_and_fewer_are_refused(
        (k, n) in (2_usize..8).prop_flat_map(|k| (Just(k), k..12)),
        order in any::<prop::sample::Index>(),
        more in 0_usize..4,
    ) {
        let identity = AgeIdentity::generate();
        let mut shares = split_identity(&identity, k, n).unwrap();
        prop_assert_eq!(shares.len(), n);
        shares.rotate_left(order.index(n));
        shares[..k].reverse();
        let enough = (k + more).min(n);
        let read: Vec<Share> =
            shares[..enough].iter().map(|share| Share::parse(&share.expose_text()).unwrap()).collect();
        let whole = combine_shares(&read).unwrap();
        prop_assert_eq!(whole.recipient().to_string(), identity.recipient().to_string());
        let few = combine_shares(&shares[..k - 1]);
        let refused = matches!(few, Err(ShareError::TooFew { given, .. }) if given == k - 1);
        prop_assert!(refused);
    }
}

#[test]
fn shares_that_do_not_go_together_are_told() {
    let (one, two) = (AgeIdentity::generate(), AgeIdentity::generate());
    let (ones, twos) = (split_identity(&one, 2, 3).unwrap(), split_identity(&two, 2, 3).unwrap());
    let told = |shares: &[Share]| combine_shares(shares).unwrap_err();
    assert_eq!(told(&[]), ShareError::None);
    assert!(matches!(told(&ones[..1]), ShareError::TooFew { needed: 2, given: 1, .. }));
    assert!(matches!(told(&[ones[0].clone(), twos[1].clone()]), ShareError::MixedSets { .. }));
    let twice = [ones[1].clone(), ones[1].clone()];
    assert!(matches!(told(&twice), ShareError::Duplicate { index: 2, .. }));
    // The same identity split anew: well-formed, of the same set, and yet not made together.
    let anew = split_identity(&one, 2, 3).unwrap();
    assert!(matches!(told(&[ones[0].clone(), anew[1].clone()]), ShareError::NotWhole { .. }));
    let text = ones[0].expose_text();
    assert_eq!(Share::parse("hello"), Err(ShareError::NotOne));
    assert_eq!(Share::parse(&text.replace("share", "shard")), Err(ShareError::NotOne));
    assert_eq!(Share::parse(&text.replace(":1:2:", ":3:2:")), Err(ShareError::Typo));
    assert_eq!(Share::parse(&text.replace(":1:2:", ":1:1:")), Err(ShareError::Typo));
    for (threshold, count) in [(0, 3), (1, 3), (4, 3), (2, 65), (300, 400)] {
        assert!(matches!(split_identity(&one, threshold, count), Err(ShareError::Quorum { .. })));
    }
    promise::Promise::kept("recovery", 1);
}

/// Where no coefficient is ever zero, a share differs from the secret in every byte, and so says something
/// about it (RUSTSEC-2024-0398).
#[test]
fn a_share_says_nothing_about_the_secret() {
    let identity = AgeIdentity::generate();
    // With two of two, the secret is 2·(first share) + 1·(second) over GF(256) up to the scheme's points;
    // all that is looked at here is that one share takes every value at every place.
    let mut seen = [[false; 256]; 32];
    for _ in 0..6_000 {
        let shares = split_identity(&identity, 2, 2).unwrap();
        let text = shares[0].expose_text();
        let digits: Vec<u32> =
            text.split(':').nth(4).unwrap().chars().filter(|c| *c != '-').map(digit).collect();
        for (place, seen) in seen.iter_mut().enumerate() {
            let byte = (0..8).fold(0, |byte, bit| {
                let at = place * 8 + bit;
                byte << 1 | digits[at / 5] >> (4 - at % 5) & 1
            });
            seen[byte as usize] = true;
        }
    }
    assert!(seen.iter().flatten().all(|seen| *seen), "a share never takes some value");
}

fn digit(c: char) -> u32 {
    u32::try_from("0123456789ABCDEFGHJKMNPQRSTVWXYZ".find(c).unwrap()).unwrap()
}
