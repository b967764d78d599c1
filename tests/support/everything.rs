//! One run of everything: every operation of the library once, every kind of failure once, with secrets that
//! are given from outside. What the library says of itself on the way is collected.

#![allow(dead_code, clippy::unwrap_used, clippy::indexing_slicing)]

use std::error::Error;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fireseal::custody::{
    Authority, BackupKey, DeviceRequest, KeyVault, NewSlot, RecoveryCode, Share, SlotKind, combine_shares,
};
use fireseal::store::{FieldMask, Fields, Store, Write};
use fireseal::{
    AgeIdentity, Batch, Channel, DataKey, DocumentPath, IndexKey, KeyProvider, KeyRing, LocalRoot, Location,
    Message, MessageKey, MessageRing, ReplayWindow, Repository, Scope, Sealable, SealedRepository,
    WatchEvent, transaction,
};
use futures::StreamExt as _;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// What must not show: plaintext and key bytes. The keys are boxed, so that moving them leaves no copy.
pub struct Given {
    pub ssn: Zeroizing<String>,
    pub email: Zeroizing<String>,
    pub last: Zeroizing<String>,
    pub card: Zeroizing<String>,
    pub unwiped: Zeroizing<String>,
    pub data: Box<Zeroizing<[u8; 32]>>,
    pub index: Box<Zeroizing<[u8; 32]>>,
    pub message: Box<Zeroizing<[u8; 32]>>,
    pub root: Box<Zeroizing<[u8; 32]>>,
}

impl Given {
    /// Nine secrets, from that many random bytes: five texts of 24 hexadecimal digits, four keys.
    pub const BYTES: usize = 5 * 12 + 4 * 32;

    pub fn from_bytes(bytes: &[u8]) -> Self {
        let text = |n: usize, head: &str, tail: &str| {
            let mut text = Zeroizing::new(String::with_capacity(64));
            text.push_str(head);
            for byte in &bytes[n * 12..][..12] {
                for digit in [byte >> 4, byte & 15] {
                    text.push(char::from_digit(digit.into(), 16).unwrap());
                }
            }
            text.push_str(tail);
            text
        };
        let key = |n: usize| {
            let mut key = Box::new(Zeroizing::new([0; 32]));
            key.copy_from_slice(&bytes[60 + n * 32..][..32]);
            key
        };
        Self {
            ssn: text(0, "", ""),
            email: text(1, "", "@example.com"),
            last: text(2, "", ""),
            card: text(3, "", ""),
            unwiped: text(4, "", ""),
            data: key(0),
            index: key(1),
            message: key(2),
            root: key(3),
        }
    }

    /// As they are looked for.
    pub fn bytes(&self) -> Vec<(&'static str, Zeroizing<Vec<u8>>)> {
        let text = |text: &Zeroizing<String>| Zeroizing::new(text.as_bytes().to_vec());
        let key = |key: &Zeroizing<[u8; 32]>| Zeroizing::new(key.to_vec());
        vec![
            ("a plaintext", text(&self.ssn)),
            // Without the domain, which is no secret.
            ("a unique plaintext", Zeroizing::new(self.email.as_bytes()[..24].to_vec())),
            ("an indexed plaintext", text(&self.last)),
            ("a nested plaintext", text(&self.card)),
            ("a plaintext of a struct that is not wiped", text(&self.unwiped)),
            ("the data key", key(&self.data)),
            ("the index key", key(&self.index)),
            ("the message key", key(&self.message)),
            ("the root", key(&self.root)),
        ]
    }
}

#[derive(Sealable, Clone)]
#[sealable(collection = "customers", debug, zeroize)]
pub struct Customer {
    #[sealable(id)]
    id: String,
    name: String,
    visits: i64,
    #[sensitive(index)]
    last: String,
    #[sensitive(unique(normalize(email)))]
    email: String,
    #[sensitive(pad = 64)]
    ssn: String,
    #[sealable(nested)]
    card: Card,
}

#[derive(Sealable, Clone)]
#[sealable(debug, zeroize)]
pub struct Card {
    bank: String,
    #[sensitive(prefix(min = 2, max = 8))]
    number: String,
}

/// A struct that is not wiped, with a value that serde copies while it looks for the variant.
#[derive(Sealable)]
#[sealable(collection = "unwiped", debug)]
struct Unwiped {
    #[sealable(id)]
    id: String,
    #[sensitive]
    note: String,
    #[sensitive]
    contact: Contact,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Contact {
    Phone { number: String },
}

impl Message for Card {
    const TYPE: &'static str = "everything.Card";
}

/// What the run said, and the secrets that it made itself.
#[derive(Default)]
pub struct Told {
    /// Every `Debug`, `Display` and error with its sources.
    pub texts: Vec<String>,
    /// Codes, shares, identities, keys.
    pub made: Vec<(&'static str, Zeroizing<Vec<u8>>)>,
}

impl Told {
    fn debug(&mut self, value: &dyn Debug) {
        self.texts.push(format!("{value:?}"));
        self.texts.push(format!("{value:#?}"));
    }

    fn failure<T, E: Error + 'static>(&mut self, result: Result<T, E>) {
        let error = result.err().expect("the operation fails");
        let mut next: Option<&(dyn Error + 'static)> = Some(&error);
        while let Some(error) = next {
            self.texts.push(error.to_string());
            self.debug(&error);
            next = error.source();
        }
    }

    fn made(&mut self, what: &'static str, secret: impl AsRef<[u8]>) {
        self.made.push((what, Zeroizing::new(secret.as_ref().to_vec())));
    }
}

fn customer(given: &Given, id: &str) -> Customer {
    let own = |text: &str| if id == "ada" { text.to_owned() } else { format!("{id}{text}") };
    Customer {
        id: id.to_owned(),
        name: "Ada".to_owned(),
        visits: 1,
        last: given.last.to_string(),
        email: own(&given.email),
        ssn: given.ssn.to_string(),
        card: Card { bank: "bank".to_owned(), number: given.card.to_string() },
    }
}

pub async fn run(store: impl Store + Clone + 'static, given: &Given) -> Told {
    let mut told = Told::default();
    let keys = KeyRing::new(DataKey::from_bytes(&given.data)).with_index(IndexKey::from_bytes(&given.index));
    told.debug(&keys);
    documents(&store, given, &keys, &mut told).await;
    rotation(&store, given, keys.clone(), &mut told).await;
    messages(given, &mut told);
    custody(&store, given, &mut told).await;
    failures(&store, given, &keys, &mut told).await;
    told
}

async fn documents(store: &(impl Store + Clone + 'static), given: &Given, keys: &KeyRing, told: &mut Told) {
    let customers = Repository::<Customer>::new(store.clone(), keys.clone());
    let mut watch = customers.watch_all();
    customers.create(&customer(given, "ada")).await.unwrap();
    let mut ada = customers.get_stored("ada").await.unwrap().unwrap();
    assert_eq!(ada.ssn, *given.ssn);
    told.debug(&*ada);
    told.debug(&ada);
    ada.visits += 1;
    customers.save(&mut ada).await.unwrap();
    customers.set(&customer(given, "ada")).await.unwrap();
    customers.update(&ada, &["ssn", "email"]).await.unwrap();
    customers.modify("ada", |ada| ada.visits += 1).await.unwrap();
    customers.change("ada").increment(|c| c.visits, 1).write(&ada, &["ssn"]).run().await.unwrap();
    let batch = Batch::new(store);
    for id in ["bea", "cleo"] {
        batch.on(&customers).create(&customer(given, id)).await.unwrap();
    }
    told.debug(&batch.finish().await.unwrap());
    transaction(store, |tx| {
        let customers = tx.on(&customers);
        async move {
            let mut bea = customers.get_stored("bea").await?.unwrap();
            bea.visits += 1;
            customers.save(&mut bea).await
        }
    })
    .await
    .unwrap();
    let query = customers.query().filter(|c| c.last.eq(&**given.last));
    told.debug(&query.plan().await.unwrap());
    assert_eq!(query.all().await.unwrap().len(), 3);
    let unique = customers.query().filter(|c| c.email.eq(&**given.email));
    assert_eq!(unique.all().await.unwrap().len(), 1);
    let prefix = customers.query().filter(|c| c.card.number.starts_with(&given.card[..6]));
    told.debug(&prefix.plan().await.unwrap());
    assert_eq!(prefix.all().await.unwrap().len(), 3);
    let sealed = SealedRepository::<Customer>::new(store.clone()).get("bea").await.unwrap().unwrap();
    told.debug(&sealed);
    assert_eq!(sealed.open(keys).await.unwrap().ssn, *given.ssn);
    let partial = customers.get_partial("ada").await.unwrap().unwrap();
    drop(partial);
    for _ in 0..3 {
        match watch.next().await.unwrap().unwrap() {
            WatchEvent::Current => break,
            event => told.debug(&event),
        }
    }
    customers.delete("cleo").await.unwrap();

    let notes = Repository::<Unwiped>::new(store.clone(), keys.clone());
    let contact = Contact::Phone { number: given.unwiped.to_string() };
    notes.create(&Unwiped { id: "note".to_owned(), note: given.unwiped.to_string(), contact }).await.unwrap();
    let note = notes.get("note").await.unwrap().unwrap();
    let Contact::Phone { number } = &note.contact;
    assert_eq!((number, &note.note), (&*given.unwiped, &*given.unwiped));
    told.debug(&note);
}

async fn rotation(store: &(impl Store + Clone + 'static), given: &Given, old: KeyRing, told: &mut Told) {
    let next = KeyRing::new(DataKey::generate().unwrap())
        .with_active(DataKey::from_bytes(&given.data))
        .with_index(IndexKey::from_bytes(&given.index));
    told.made("a rotated data key", next.primary().expose_secret());
    let customers = Repository::<Customer>::new(store.clone(), next);
    customers.modify("ada", |ada| ada.visits += 1).await.unwrap();
    told.debug(&customers.reindex().run().await.unwrap());
    let before = Repository::<Customer>::new(store.clone(), old);
    told.failure(before.get("ada").await);
    let ada = customers.get("ada").await.unwrap().unwrap();
    before.set(&ada).await.unwrap();
}

fn messages(given: &Given, told: &mut Told) {
    let ring = MessageRing::new(MessageKey::from_bytes(&given.message));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let context = Channel::subject("cards.created").unwrap().event().with_expiry(now + 30);
    let card = Card { bank: "bank".to_owned(), number: given.card.to_string() };
    let message = card.seal_message(&context, &ring).unwrap();
    told.debug(&ring);
    told.debug(&message);
    let window = ReplayWindow::new(Duration::from_secs(60), 10);
    assert_eq!(message.open_once(&context, &ring, &window).unwrap().number, *given.card);
    told.failure(message.open_once(&context, &ring, &window));
    told.failure(message.open(&Channel::subject("other").unwrap().event(), &ring));
}

async fn custody(store: &(impl Store + Clone + 'static), given: &Given, told: &mut Told) {
    let authority = Authority::generate().unwrap();
    let text = authority.to_text();
    told.made("the authority's line", &text.as_bytes()[29..][..64]);
    let parsed = Authority::parse(&text).unwrap();
    told.debug(&parsed);
    let scope = Scope::new("tenants/acme").unwrap();
    let empty = KeyVault::in_store(store.clone(), "production", authority.key());
    let vault = empty.clone().with_root(LocalRoot::from_bytes(&given.root));
    vault.create_scope(&authority, &scope).await.unwrap();
    vault.rotate(&authority, &scope).await.unwrap();
    vault.rotate_index(&authority, &scope).await.unwrap();
    let customers = Repository::<Customer>::new(store.clone(), vault.clone()).with_scope(scope.clone());
    customers.create(&customer(given, "dora")).await.unwrap();
    assert_eq!(customers.get("dora").await.unwrap().unwrap().ssn, *given.ssn);
    let ring = vault.ring(&scope).await.unwrap();
    told.made("a key of the vault", ring.primary().expose_secret());
    told.debug(&vault);
    told.debug(&ring);

    let codes = vault.create_weak_recovery_codes_for_tests(&authority, &scope, 2, 4).await.unwrap();
    told.made("a recovery code", &codes[0].expose_text().as_bytes()[5..]);
    told.debug(&codes);
    let typed = RecoveryCode::parse(&codes[0].expose_text().to_lowercase()).unwrap();
    let opened = empty.open_with_code(&scope, &typed).await.unwrap();
    told.debug(&opened);
    let identity = AgeIdentity::generate();
    told.made("a device's identity", &identity.expose_text().expose_secret()[16..]);
    let device = DeviceRequest::new(identity.recipient(), "laptop", &scope, authority.key()).unwrap();
    vault.approve_device(&authority, &device, &device.fingerprint()).await.unwrap();
    told.failure(vault.approve_device(&authority, &device, "0000-0000-0000-0000-0000").await);
    let backup = BackupKey::generate();
    vault.add_backup(&authority, &scope, backup.recipient(), "safe").await.unwrap();
    let paper = BackupKey::parse(&backup.to_text()).unwrap();
    told.debug(&paper);
    told.made("a backup key", &paper.into_identity().expose_text().expose_secret()[16..]);
    let shares = vault.create_quorum(&authority, &scope, 2, 3).await.unwrap();
    told.made("a share", &shares[0].expose_text().as_bytes()[31..75]);
    told.debug(&shares);
    let whole =
        combine_shares(&[Share::parse(&shares[0].expose_text()).unwrap(), shares[2].clone()]).unwrap();
    told.made("a quorum's identity", &whole.expose_text().expose_secret()[16..]);
    vault.drill(&authority, &scope, &whole).await.unwrap();
    told.failure(combine_shares(&shares[..1]));
    told.failure(RecoveryCode::parse(&typed.expose_text()[1..]));
    told.failure(Authority::parse(&text[1..]));

    let other = empty.clone().with_root(LocalRoot::from_bytes(&[9; 32]));
    told.failure(other.ring(&scope).await);
    told.failure(empty.ring(&scope).await);
    let person = NewSlot::new(SlotKind::Root).named("on call");
    vault.add_slot(&authority, &scope, Arc::new(identity.recipient().clone()), person).await.ok();
    vault.wipe();
}

async fn failures(store: &(impl Store + Clone + 'static), given: &Given, keys: &KeyRing, told: &mut Told) {
    let customers = Repository::<Customer>::new(store.clone(), keys.clone());
    told.failure(customers.create(&customer(given, "ada")).await);
    // A unique value that another document has.
    let mut eve = customer(given, "ada");
    eve.id = "eve".to_owned();
    told.failure(customers.create(&eve).await);
    let strangers = KeyRing::new(DataKey::generate().unwrap());
    told.failure(Repository::<Customer>::new(store.clone(), strangers).get("ada").await);
    told.failure(customers.clone().with_scope(Scope::new("other").unwrap()).get("ada").await);
    told.failure(customers.update(&customer(given, "nobody"), &["ssn"]).await);
    told.failure(customers.update(&customer(given, "ada"), &["social"]).await);
    told.failure(customers.get("a/b").await);
    let sealed = SealedRepository::<Customer>::new(store.clone()).get("ada").await.unwrap().unwrap();
    let elsewhere = Repository::<Customer>::new(store.clone(), keys.clone()).with_realm("other").unwrap();
    told.failure(elsewhere.get("ada").await);
    told.debug(&sealed);
    // One field of another document: the others open.
    let [ada, bea] = ["customers/ada", "customers/bea"].map(|path| DocumentPath::parse(path).unwrap());
    let found = store.read(std::slice::from_ref(&bea), None).await.unwrap().remove(0).unwrap();
    let moved = Fields::from([("ssn".to_owned(), found.fields["ssn"].clone())]);
    let mask = FieldMask::new(vec![vec!["ssn".to_owned()]]);
    store.commit(&[Write::merge(ada, moved, mask)]).await.unwrap();
    told.failure(customers.get("ada").await);
    assert!(customers.get_partial("ada").await.unwrap().unwrap().ssn.is_err());
}

/// Keys of every kind, and what was sealed and opened with them, held until they are dropped.
pub fn hold(given: &Given) -> impl Sized + use<> {
    let ring = KeyRing::new(DataKey::from_bytes(&given.data)).with_index(IndexKey::from_bytes(&given.index));
    let messages = MessageRing::new(MessageKey::from_bytes(&given.message));
    let place = |path| Location::new(DocumentPath::parse(path).unwrap());
    let contact = Contact::Phone { number: given.unwiped.to_string() };
    let note = Unwiped { id: "note".to_owned(), note: given.unwiped.to_string(), contact };
    let note =
        Unwiped::open(note.seal(&place("unwiped/note"), &ring).unwrap(), &place("unwiped/note"), &ring);
    let sealed = customer(given, "ada").seal(&place("customers/ada"), &ring).unwrap();
    let ada = Customer::open(sealed, &place("customers/ada"), &ring);
    (ring, messages, LocalRoot::from_bytes(&given.root), note.unwrap(), ada.unwrap())
}
