//! T2, T8: whoever writes the collection of the key vault plants no key, and has no key service called in vain.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fireseal::custody::{Authority, KeyVault, MAX_WRAP_BYTES};
use fireseal::store::FirestoreStore;
use fireseal::{Binding, DataKey, KeyId, KeyProvider, Purpose, Scope, wrap_key};
use fireseal_emulator::{Emulator, Project};
use serde_json::{Map, Value, json};

use crate::attack::bytes;
use crate::custody::{Service, root, scope};
use crate::promise::Tally;

/// No refusal may take longer, whatever is stored.
const LONGEST: Duration = Duration::from_secs(10);

/// Two tenants in one vault, and the first tenant's name in another vault of the same collection's database.
struct Scene {
    project: Project,
    store: FirestoreStore,
    authority: Authority,
    service: Service,
    /// A root that the reader could use, and that no manifest lists.
    foreign: Service,
    acme: Scope,
    primary: KeyId,
    index: KeyId,
    older: KeyId,
    other: KeyId,
}

impl Scene {
    async fn new() -> Self {
        let project = Emulator::shared().await.unwrap().project().unwrap();
        let store = FirestoreStore::new(project.firestore().await.unwrap());
        let (authority, service) = (Authority::generate().unwrap(), Service::new(1));
        let (acme, other) = (scope("acme"), scope("other"));
        let vault =
            KeyVault::in_store(store.clone(), "production", authority.key()).with_root(service.clone());
        for scope in [&acme, &other] {
            vault.create_scope(&authority, scope).await.unwrap();
        }
        let older = vault.ring(&acme).await.unwrap().primary().id();
        vault.rotate(&authority, &acme).await.unwrap();
        let other = vault.ring(&other).await.unwrap().primary().id();
        let ring = vault.ring(&acme).await.unwrap();
        let (primary, index) = (ring.primary().id(), ring.index().unwrap().id());
        Self {
            project,
            store,
            authority,
            service,
            foreign: Service::new(9),
            acme,
            primary,
            index,
            older,
            other,
        }
    }

    fn reader(&self) -> KeyVault {
        KeyVault::in_store(self.store.clone(), "production", self.authority.key())
            .with_root(self.service.clone())
            .with_root(self.foreign.clone())
    }

    fn wraps_path(scope: &str, key: KeyId) -> String {
        format!("fireseal-keys/{scope}/wraps/{key}")
    }

    async fn raw(&self, path: &str) -> Value {
        self.project.document(path).await.unwrap().unwrap()["fields"].clone()
    }

    /// The wrap in slot 0.
    async fn wrap(&self, scope: &str, key: KeyId) -> Vec<u8> {
        let fields = self.raw(&Self::wraps_path(scope, key)).await;
        let text = fields.pointer("/wraps/mapValue/fields/0/bytesValue").unwrap().as_str().unwrap();
        STANDARD.decode(text).unwrap()
    }

    async fn put_wraps(&self, slots: impl IntoIterator<Item = (String, Value)>) {
        let slots: Map<String, Value> = slots.into_iter().collect();
        let fields = json!({ "wraps": { "mapValue": { "fields": slots } } });
        self.project.put(&Self::wraps_path("acme", self.primary), &fields).await.unwrap();
    }

    async fn made(&self, scope: &str, purpose: Purpose, key_id: KeyId, secret: &[u8; 32]) -> Vec<u8> {
        let binding = Binding { scope: Scope::new(scope).unwrap(), purpose, key_id };
        wrap_key(&root(1), secret, &binding).await.unwrap()
    }

    /// One try: there is no ring, and neither many calls to a root nor one to a root that is not listed.
    async fn refused(&self, tally: &Tally, what: &str) -> Duration {
        let (start, calls) = (Instant::now(), self.service.calls());
        let ring = self.reader().ring(&self.acme).await;
        let (time, calls) = (start.elapsed(), self.service.calls() - calls);
        // The ring's other keys may have been unwrapped beside the one that is refused.
        let bounded = time < LONGEST && calls <= 3 && self.foreign.calls() == 0;
        tally.holds(ring.is_err() && bounded, || {
            format!("{what}: {ring:?} in {time:?}, {calls} calls, {} foreign ones", self.foreign.calls())
        });
        time
    }
}

fn one(wrap: &[u8]) -> Vec<(String, Value)> {
    vec![("0".to_owned(), bytes(wrap))]
}

/// T2: every bit and every length of a wrapped key.
pub async fn every_bit_and_length_of_a_wrap(tally: &Tally) {
    let scene = Scene::new().await;
    let wrap = scene.wrap("acme", scene.primary).await;
    for bit in 0..wrap.len() * 8 {
        let mut changed = wrap.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        scene.put_wraps(one(&changed)).await;
        scene.refused(tally, &format!("bit {bit}")).await;
    }
    for length in 0..wrap.len() {
        scene.put_wraps(one(&wrap[..length])).await;
        scene.refused(tally, &format!("{length} bytes")).await;
    }
    for longer in [[&wrap[..], &[0]].concat(), [&[0], &wrap[..]].concat(), [&wrap[..], &wrap].concat()] {
        scene.put_wraps(one(&longer)).await;
        scene.refused(tally, &format!("{} bytes", longer.len())).await;
    }
    scene.put_wraps(one(&wrap)).await;
    assert!(scene.reader().ring(&scene.acme).await.is_ok(), "the scene itself does not open");
}

/// T8: wraps of another tenant, purpose and key, in other slots, for roots that are not listed, in great numbers.
pub async fn wraps_are_substituted(tally: &Tally) {
    let scene = Scene::new().await;
    let own = scene.wrap("acme", scene.primary).await;
    let planted = DataKey::generate().unwrap();
    let (id, secret) = (scene.primary, planted.expose_secret());
    let foreign = {
        let binding = Binding { scope: scene.acme.clone(), purpose: Purpose::Data, key_id: id };
        wrap_key(&root(9), secret, &binding).await.unwrap()
    };
    let slot = |name: &str, wrap: &[u8]| vec![(name.to_owned(), bytes(wrap))];
    let cases = [
        ("no wraps", Vec::new()),
        ("the tenant's older key", one(&scene.wrap("acme", scene.older).await)),
        ("the tenant's index key", one(&scene.wrap("acme", scene.index).await)),
        ("another tenant's key", one(&scene.wrap("other", scene.other).await)),
        ("another key under this id", one(&scene.made("acme", Purpose::Data, id, secret).await)),
        ("for another tenant", one(&scene.made("other", Purpose::Data, id, secret).await)),
        ("for another purpose", one(&scene.made("acme", Purpose::Index, id, secret).await)),
        ("for the planted key's id", one(&scene.made("acme", Purpose::Data, planted.id(), secret).await)),
        ("a root that is not listed, in the listed slot", one(&foreign)),
        ("a root that is not listed, in a slot that is not", slot("1", &foreign)),
        ("the right wrap in a slot that is not listed", slot("7", &own)),
        ("the right wrap under another spelling of its slot", slot("00", &own)),
        ("the right wrap twice, in two spellings", [slot("0", &own), slot("+0", &own)].concat()),
        ("the right wrap as text", vec![("0".to_owned(), json!({ "stringValue": STANDARD.encode(&own) }))]),
        (
            "the right wrap one map deeper",
            vec![("0".to_owned(), json!({ "mapValue": { "fields": { "0": bytes(&own) } } }))],
        ),
        ("longer than a wrap may be", one(&vec![7; MAX_WRAP_BYTES + 1])),
    ];
    for (what, wraps) in cases {
        scene.put_wraps(wraps).await;
        scene.refused(tally, what).await;
    }
    // As many as a document holds: empty ones, in slots that are not listed.
    scene.put_wraps((1..=100_000).map(|slot| (slot.to_string(), bytes(&[])))).await;
    let time = scene.refused(tally, "100,000 wraps").await;
    tally.note(format!("100,000 wraps in one document are refused in {} ms", time.as_millis()));
    scene.put_wraps(one(&own)).await;
    assert!(scene.reader().ring(&scene.acme).await.is_ok(), "the scene itself does not open");
}

/// T8: whole rings of another tenant and another vault, and keys that no manifest lists.
pub async fn rings_are_substituted(tally: &Tally) {
    let scene = Scene::new().await;
    let own = scene.raw("fireseal-keys/acme").await;
    let staging =
        KeyVault::in_collection(scene.store.clone(), "staging-keys", "staging", scene.authority.key())
            .unwrap()
            .with_root(scene.service.clone());
    staging.create_scope(&scene.authority, &scene.acme).await.unwrap();
    let stranger = Authority::generate().unwrap();
    let theirs = KeyVault::in_collection(scene.store.clone(), "their-keys", "production", stranger.key())
        .unwrap()
        .with_root(scene.foreign.clone());
    theirs.create_scope(&stranger, &scene.acme).await.unwrap();
    let calls = scene.foreign.calls();
    for (what, from) in [
        ("another tenant's ring", "fireseal-keys/other"),
        ("another vault's ring", "staging-keys/acme"),
        ("a stranger's ring", "their-keys/acme"),
    ] {
        for document in scene.project.documents().await.unwrap() {
            let name = document["name"].as_str().unwrap().split_once("/documents/").unwrap().1.to_owned();
            if let Some(rest) = name.strip_prefix(from) {
                scene.project.put(&format!("fireseal-keys/acme{rest}"), &document["fields"]).await.unwrap();
            }
        }
        let ring = scene.reader().ring(&scene.acme).await;
        let held = ring.is_err() && scene.foreign.calls() == calls;
        tally.holds(held, || format!("{what}: {ring:?}, {} foreign calls", scene.foreign.calls() - calls));
        scene.project.put("fireseal-keys/acme", &own).await.unwrap();
        let ring = scene.reader().ring(&scene.acme).await;
        let primary = ring.as_ref().map(|ring| ring.primary().id());
        tally.holds(primary.is_ok_and(|id| id == scene.primary), || format!("{what}, undone: {ring:?}"));
    }
    // Keys that were planted beside the ring's, with right wraps under its own root.
    for planted in 0..8 {
        let key = DataKey::generate().unwrap();
        let wrap = scene.made("acme", Purpose::Data, key.id(), key.expose_secret()).await;
        let fields = json!({ "wraps": { "mapValue": { "fields": { "0": bytes(&wrap) } } } });
        scene.project.put(&Scene::wraps_path("acme", key.id()), &fields).await.unwrap();
        let found = scene.reader().keys(&[(scene.acme.clone(), key.id())]).await.unwrap();
        tally.holds(matches!(found[..], [fireseal::KeyLookup::Unknown]), || format!("planted key {planted}"));
    }
}
