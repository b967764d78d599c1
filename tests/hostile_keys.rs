//! Whoever operates the vault's records writes what they like: each of it is refused, before much work is
//! done and without a call to a root that is not the caller's. Prints a table.
//!
//! T2, T8 of docs/threat-model.md.

#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/promise.rs"]
mod promise;

#[path = "support/custody.rs"]
mod support;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fireseal::custody::{
    Authority, KeyVault, MAX_MANIFEST_BYTES, MAX_WRAP_BYTES, ManifestError, NewSlot, SlotKind, VaultError,
};
use fireseal::store::{Fields, MemoryStore, Store, Value, ValueType, Write};
use fireseal::{
    Binding, DataKey, DocumentPath, IndexKey, KeyError, KeyId, KeyLookup, KeyProvider, KeyWrapper, Purpose,
    Scope, wrap_key,
};
use support::{Fault, Held, Ring, Service, root, scope};

/// A vault with two scopes of three epochs each, and what was stored at each of them.
struct Scene {
    held: Held,
    authority: Authority,
    acme: Scope,
    other: Scope,
    primary: KeyId,
    index: KeyId,
    older: KeyId,
    history: Vec<Ring>,
    service: Service,
}

impl Scene {
    async fn new() -> Self {
        let (held, authority) = (Held::default(), Authority::generate().unwrap());
        let (acme, other, service) = (scope("acme"), scope("other"), Service::new(1));
        let admin = KeyVault::over(held.clone(), "production", authority.key()).with_root(service.clone());
        let mut history = Vec::new();
        admin.create_scope(&authority, &other).await.unwrap();
        admin.create_scope(&authority, &acme).await.unwrap();
        history.push(held.edit(&acme, |manifest, wraps| (manifest.clone(), wraps.clone())));
        let older = admin.ring(&acme).await.unwrap().primary().id();
        admin.rotate(&authority, &acme).await.unwrap();
        history.push(held.edit(&acme, |manifest, wraps| (manifest.clone(), wraps.clone())));
        admin.add_slot(&authority, &acme, Arc::new(root(2)), NewSlot::new(SlotKind::Backup)).await.unwrap();
        history.push(held.edit(&acme, |manifest, wraps| (manifest.clone(), wraps.clone())));
        let ring = admin.ring(&acme).await.unwrap();
        let (primary, index) = (ring.primary().id(), ring.index().unwrap().id());
        Self { held, authority, acme, other, primary, index, older, history, service }
    }

    fn reader(&self) -> KeyVault {
        KeyVault::over(self.held.clone(), "production", self.authority.key())
            .with_root(self.service.clone())
            .with_lifetimes(|times| times.deadline = Duration::from_secs(2))
    }

    fn set_record(&self, record: Vec<u8>) {
        self.held.edit(&self.acme, |manifest, _| manifest.record = record);
    }

    fn record(&self) -> Vec<u8> {
        self.held.edit(&self.acme, |manifest, _| manifest.record.clone())
    }

    fn set_ring(&self, ring: &Ring) {
        self.held.edit(&self.acme, |manifest, wraps| (*manifest, *wraps) = ring.clone());
    }

    async fn wrap(&self, scope: &Scope, purpose: Purpose, id: KeyId, secret: &[u8; 32]) -> Vec<u8> {
        let binding = Binding { scope: scope.clone(), purpose, key_id: id };
        wrap_key(&root(1), secret, &binding).await.unwrap()
    }

    fn set_wraps(&self, key: KeyId, wraps: impl IntoIterator<Item = (u32, Vec<u8>)>) {
        self.held.edit(&self.acme, |_, all| all.insert(key, wraps.into_iter().collect()));
    }
}

/// The table, one line a case.
#[derive(Default)]
struct Table {
    cases: usize,
    accepted: Vec<String>,
}

impl Table {
    fn line(&mut self, case: &str, tries: usize, accepted: usize, how: &str, start: Instant) {
        println!("{case:<58} {tries:>6} {accepted:>8}  {:>6} ms  {how}", start.elapsed().as_millis());
        self.cases += tries;
        if accepted > 0 {
            self.accepted.push(case.to_owned());
        }
    }

    /// A reader that never saw the scope must not get a ring.
    async fn refused(&mut self, case: &str, reader: KeyVault, scope: &Scope) {
        let start = Instant::now();
        let (accepted, how) = match reader.ring(scope).await {
            Ok(_) => (1, "a ring".to_owned()),
            Err(error) => (0, error.to_string()),
        };
        self.line(case, 1, accepted, &how.chars().take(96).collect::<String>(), start);
    }
}

#[tokio::test]
async fn hostile_records_are_refused() {
    println!(
        "{:<58} {:>6} {:>8}  {:>9}",
        "what the operator of the vault wrote", "tries", "accepted", "time"
    );
    let mut table = Table::default();
    manifests(&mut table).await;
    every_bit(&mut table).await;
    epochs(&mut table).await;
    wraps(&mut table).await;
    planted(&mut table).await;
    println!("{} hostile records, {} accepted", table.cases, table.accepted.len());
    assert!(table.accepted.is_empty(), "{:?}", table.accepted);
    assert!(table.cases > 1_000);
    promise::Promise::kept("wrapped_keys", table.cases);
}

async fn manifests(table: &mut Table) {
    let scene = Scene::new().await;
    let acme = &scene.acme;
    let record = scene.record();
    let find = |needle: &[u8]| record.windows(needle.len()).position(|at| at == needle).unwrap();
    let changed = |at: usize, bytes: &[u8]| {
        let mut record = record.clone();
        record[at..at + bytes.len()].copy_from_slice(bytes);
        record
    };
    let (primary, older) = (find(scene.primary.as_bytes()), find(scene.older.as_bytes()));
    let backup = find(root(2).root().as_bytes());
    let planted = DataKey::generate().unwrap().id();
    let mut relabelled = changed(primary + 33, &[2]);
    relabelled[older + 33] = 1;
    let other = scene.held.edit(&scene.other, |manifest, _| manifest.record.clone());
    let stranger = {
        // The same ring, all right in itself, by an authority of the operator's own.
        let (held, authority) = (Held::default(), Authority::generate().unwrap());
        let vault = KeyVault::over(held.clone(), "production", authority.key()).with_root(root(1));
        vault.create_scope(&authority, acme).await.unwrap();
        held.edit(acme, |manifest, _| manifest.record.clone())
    };
    let elsewhere = {
        let held = Held::default();
        let vault = KeyVault::over(held.clone(), "staging", scene.authority.key()).with_root(root(1));
        vault.create_scope(&scene.authority, acme).await.unwrap();
        held.edit(acme, |manifest, _| manifest.record.clone())
    };
    let mut longer = record.clone();
    longer.insert(0, 0);
    let cases = [
        ("a planted data key in the manifest", changed(older, planted.as_bytes())),
        ("an older key relabelled as primary", relabelled),
        ("a key relabelled as an index key", changed(older + 32, &[2])),
        ("a destroyed state taken back, or given", changed(older + 33, &[5])),
        ("a planted recipient", changed(backup, root(9).root().as_bytes())),
        ("a slot marked as verified", changed(backup + root(2).root().len(), &[0xff; 8])),
        ("another epoch written in", changed(find(b"acme") + 4, &9_u64.to_be_bytes())),
        ("the manifest of another scope", other),
        ("the manifest of another vault", elsewhere),
        ("a whole ring of a stranger's authority", stranger),
        ("the signature of zeros", changed(record.len() - 64, &[0; 64])),
        ("a byte before", longer),
        ("a byte after", [&record[..], &[0]].concat()),
        ("the manifest twice", [&record[..], &record].concat()),
        ("nothing", Vec::new()),
        ("64 bytes", vec![0; 64]),
        ("640 KiB and one byte", vec![0; MAX_MANIFEST_BYTES + 1]),
        ("64 MiB", vec![0xff; 64 << 20]),
    ];
    let calls = scene.service.calls();
    for (case, record) in cases {
        scene.set_record(record);
        table.refused(case, scene.reader(), acme).await;
        let refused = scene.reader().manifest(acme).await;
        assert!(matches!(refused, Err(VaultError::Manifest { .. })), "{case}: {refused:?}");
    }
    assert_eq!(scene.service.calls(), calls, "a root was asked for a ring that is refused");
    scene.set_record(record);
    assert!(scene.reader().ring(acme).await.is_ok(), "the scene itself does not open");
}

async fn every_bit(table: &mut Table) {
    let scene = Scene::new().await;
    let (start, record) = (Instant::now(), scene.record());
    let mut accepted = 0;
    for length in 0..record.len() {
        scene.set_record(record[..length].to_vec());
        accepted += usize::from(scene.reader().manifest(&scene.acme).await.is_ok());
    }
    table.line("the manifest cut at every length", record.len(), accepted, "", start);
    let start = Instant::now();
    for at in 0..record.len() {
        let mut flipped = record.clone();
        flipped[at] ^= 1 << (at % 8);
        scene.set_record(flipped);
        accepted += usize::from(scene.reader().manifest(&scene.acme).await.is_ok());
    }
    table.line("one bit of every byte of the manifest", record.len(), accepted, "", start);
    scene.set_record(record);
    let wraps = scene.held.edit(&scene.acme, |_, wraps| wraps[&scene.primary].clone());
    let (start, wrap) = (Instant::now(), wraps[&0].clone());
    for at in 0..wrap.len() {
        let mut flipped = wrap.clone();
        flipped[at] ^= 1 << (at % 8);
        scene.set_wraps(scene.primary, [(0, flipped)]);
        accepted += usize::from(scene.reader().ring(&scene.acme).await.is_ok());
        scene.set_wraps(scene.primary, [(0, wrap[..at].to_vec())]);
        accepted += usize::from(scene.reader().ring(&scene.acme).await.is_ok());
    }
    table.line("a wrap with one bit of every byte, cut at every length", 2 * wrap.len(), accepted, "", start);
}

async fn epochs(table: &mut Table) {
    let scene = Scene::new().await;
    let acme = &scene.acme;
    for (epoch, old) in scene.history[..2].iter().enumerate() {
        let reader = scene.reader();
        reader.manifest(acme).await.unwrap();
        scene.set_ring(old);
        let (start, refused) = (Instant::now(), reader.manifest(acme).await);
        let error = refused.as_ref().unwrap_err();
        let VaultError::Manifest { source, .. } = error else { panic!("{error}") };
        assert_eq!(*source, ManifestError::RolledBack { found: epoch as u64 + 1, least: 3 });
        let case = format!("epoch {} after epoch 3 was seen", epoch + 1);
        table.line(&case, 1, usize::from(refused.is_ok()), &refused.unwrap_err().to_string(), start);
        let floored = scene.reader().with_floor(acme.clone(), 3);
        table.refused(&format!("epoch {} below a configured floor of 3", epoch + 1), floored, acme).await;
        scene.set_ring(&scene.history[2]);
    }
    // Another history of the same length, signed by the authority itself.
    let reader = scene.reader();
    reader.manifest(acme).await.unwrap();
    scene.set_ring(&scene.history[1]);
    let fork = KeyVault::over(scene.held.clone(), "production", scene.authority.key()).with_root(root(1));
    fork.rotate(&scene.authority, acme).await.unwrap();
    let (start, refused) = (Instant::now(), reader.manifest(acme).await);
    table.line(
        "another third epoch",
        1,
        usize::from(refused.is_ok()),
        &refused.unwrap_err().to_string(),
        start,
    );
    fork.rotate(&scene.authority, acme).await.unwrap();
    let (start, refused) = (Instant::now(), reader.manifest(acme).await);
    table.line(
        "a fourth epoch upon another third",
        1,
        usize::from(refused.is_ok()),
        &refused.unwrap_err().to_string(),
        start,
    );
    // The ring is hidden.
    scene.set_ring(&scene.history[2]);
    let reader = scene.reader();
    reader.manifest(acme).await.unwrap();
    scene.held.0.lock().unwrap().remove(acme);
    let (start, refused) = (Instant::now(), reader.manifest(acme).await);
    assert!(matches!(refused, Err(VaultError::Manifest { .. })), "{refused:?}");
    table.line("a hidden ring", 1, 0, &refused.unwrap_err().to_string(), start);
    let created = reader.create_scope(&scene.authority, acme).await;
    table.line("a hidden ring, to have a new one made", 1, usize::from(created.is_ok()), "", start);
    table.refused("a hidden ring, for a new reader", scene.reader(), acme).await;
}

async fn wraps(table: &mut Table) {
    let scene = Scene::new().await;
    let (acme, primary) = (&scene.acme, scene.primary);
    let good = scene.held.edit(acme, |_, wraps| wraps.clone());
    let other = DataKey::generate().unwrap();
    let index = IndexKey::generate().unwrap();
    let secret = other.expose_secret();
    let cases = [
        ("no wraps at all", Vec::new()),
        ("the wrap of another key", vec![(0, good[&scene.older][&0].clone())]),
        ("the wrap of an index key", vec![(0, good[&scene.index][&0].clone())]),
        (
            "another key under this key's id",
            vec![(0, scene.wrap(acme, Purpose::Data, primary, secret).await)],
        ),
        ("another tenant's wrap", vec![(0, scene.wrap(&scene.other, Purpose::Data, primary, secret).await)]),
        (
            "a wrap for another purpose",
            vec![(0, scene.wrap(acme, Purpose::Index, primary, index.expose_secret()).await)],
        ),
        ("the right wrap in a slot that is not listed", vec![(7, good[&primary][&0].clone())]),
        ("the right wrap in another root's slot", vec![(1, good[&primary][&0].clone())]),
        ("an empty wrap", vec![(0, Vec::new())]),
        ("a wrap of 8 KiB", vec![(0, vec![7; MAX_WRAP_BYTES])]),
        (
            "100,000 wraps in slots that are not listed",
            (10..100_010).map(|slot| (slot, vec![0; 96])).collect(),
        ),
    ];
    for (case, wraps) in cases {
        let calls = scene.service.unwraps();
        scene.set_wraps(primary, wraps);
        table.refused(case, scene.reader(), acme).await;
        assert!(scene.service.unwraps() <= calls + 1, "{case}: {} calls", scene.service.unwraps() - calls);
    }
    scene.set_wraps(primary, good[&primary].clone());
    scene.service.always(Some(Fault::Lies));
    table.refused("the key service answers with another key's bytes", scene.reader(), acme).await;
    scene.service.always(None);
    assert!(scene.reader().ring(acme).await.is_ok());
}

/// Keys and recipients that the manifest does not list are never used, though they are stored.
async fn planted(table: &mut Table) {
    let scene = Scene::new().await;
    let acme = &scene.acme;
    let (data, index) = (DataKey::generate().unwrap(), IndexKey::generate().unwrap());
    let wrap = scene.wrap(acme, Purpose::Data, data.id(), data.expose_secret()).await;
    scene.set_wraps(data.id(), [(0, wrap)]);
    let wrap = scene.wrap(acme, Purpose::Index, index.id(), index.expose_secret()).await;
    scene.set_wraps(index.id(), [(0, wrap)]);
    let (start, reader) = (Instant::now(), scene.reader());
    let found = reader.keys(&[(acme.clone(), data.id()), (acme.clone(), index.id())]).await.unwrap();
    let accepted = found.iter().filter(|found| !matches!(found, KeyLookup::Unknown)).count();
    table.line("a planted data key and index key, asked for by id", 2, accepted, "unknown", start);
    let ring = reader.ring(acme).await.unwrap();
    let accepted = ring.index_keys().filter(|key| key.id() != scene.index).count();
    table.line("a planted index key, in the ring", 1, accepted, "", start);
    let found = reader.keys(&[(acme.clone(), scene.index)]).await.unwrap();
    table.line(
        "an index key as a data key",
        1,
        usize::from(!matches!(found[..], [KeyLookup::Unknown])),
        "unknown",
        start,
    );
    let found = reader.keys(&[(scene.other.clone(), scene.primary)]).await.unwrap();
    table.line(
        "a key of another scope",
        1,
        usize::from(!matches!(found[..], [KeyLookup::Unknown])),
        "unknown",
        start,
    );
    // A stored wrap for the operator's own recipient is not carried on, and never wrapped to.
    let foreign = Service::new(9);
    scene.held.edit(acme, |_, wraps| wraps.get_mut(&scene.primary).unwrap().insert(9, vec![1; 96]));
    let admin = scene.reader().with_shared_root(Arc::new(root(2))).with_root(foreign.clone());
    admin.rewrap(&scene.authority, acme, Vec::new(), &[]).await.unwrap();
    admin.rotate(&scene.authority, acme).await.unwrap();
    let slots = scene.held.edit(acme, |_, wraps| wraps[&scene.primary].keys().copied().collect::<Vec<_>>());
    assert_eq!(slots, [0, 1]);
    table.line("a root that is not listed is called", 1, usize::from(foreign.calls() > 0), "no call", start);
    // Asked for a thousand keys that are not there: no storm.
    let (reads, calls) = (scene.held.reads(), scene.service.calls());
    let reader = scene.reader();
    for batch in 0..10_u8 {
        let wanted: Vec<_> =
            (0..100_u8).map(|id| (acme.clone(), KeyId::from_bytes([batch ^ id; 32]))).collect();
        reader.keys(&wanted).await.unwrap();
    }
    let reads = scene.held.reads() - reads;
    assert!(reads <= 2 && scene.service.calls() == calls, "{reads} reads");
    table.line("1,000 unknown key ids", 1_000, 0, &format!("{reads} read(s), no call to a root"), start);
}

/// The same over documents, whose shapes may be anything.
#[tokio::test]
async fn hostile_documents_are_refused() {
    let (store, authority, acme) = (MemoryStore::new(), Authority::generate().unwrap(), Scope::default());
    let vault = || KeyVault::in_store(store.clone(), "test", authority.key()).with_root(root(1));
    vault().create_scope(&authority, &acme).await.unwrap();
    let id = vault().ring(&acme).await.unwrap().primary().id();
    let manifest = DocumentPath::parse("fireseal-keys/default").unwrap();
    let wraps = DocumentPath::parse(&format!("fireseal-keys/default/wraps/{id}")).unwrap();
    let value = |value_type| Value { value_type: Some(value_type) };
    let map = |fields: Fields| {
        let mut outer = value(ValueType::MapValue(Default::default()));
        if let Some(ValueType::MapValue(map)) = &mut outer.value_type {
            map.fields = fields;
        }
        outer
    };
    let bytes = |length: usize| value(ValueType::BytesValue(vec![0; length]));
    let many = (0..10_000).map(|slot| (slot.to_string(), bytes(40))).collect();
    let cases = [
        (&manifest, "manifest", value(ValueType::StringValue("x".to_owned()))),
        (&manifest, "manifest", bytes(900_000)),
        (&manifest, "other", bytes(1)),
        (&wraps, "wraps", bytes(1)),
        (&wraps, "wraps", map(many)),
        (&wraps, "wraps", map(HashMap::from([("00".to_owned(), bytes(100))]))),
        (&wraps, "wraps", map(HashMap::from([("-1".to_owned(), bytes(100))]))),
        (&wraps, "wraps", map(HashMap::from([("0".to_owned(), bytes(MAX_WRAP_BYTES + 1))]))),
        (&wraps, "wraps", map(HashMap::from([("0".to_owned(), value(ValueType::NullValue(0)))]))),
        (&wraps, "other", bytes(1)),
    ];
    let mut refused = 0;
    for (path, name, value) in cases {
        let before = store.read(std::slice::from_ref(path), None).await.unwrap()[0].clone().unwrap();
        let write = |fields| Write::set(path.clone(), fields);
        store.commit(&[write(HashMap::from([(name.to_owned(), value)]))]).await.unwrap();
        let start = Instant::now();
        assert!(matches!(vault().ring(&acme).await, Err(KeyError::Unavailable { .. })), "{name}");
        assert!(start.elapsed() < Duration::from_secs(5));
        refused += 1;
        store.commit(&[write(before.fields)]).await.unwrap();
    }
    println!("{refused} hostile documents, {refused} refused");
    assert!(vault().ring(&acme).await.is_ok());
    assert!(root(1).root().starts_with("local:"));
    promise::Promise::kept("wrapped_keys", refused);
}
