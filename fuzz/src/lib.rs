//! The fuzz targets: each takes bytes that others wrote, and panics where a promise is broken. It says whether
//! the bytes were taken. `fuzz/run` gives each its time; `tests/rubbish.rs` runs all over their seeds and
//! mutations of these.
//!
//! The keys are fixed, and the seeds are all that was ever sealed with them: whatever else opens is a forgery.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{LazyLock, OnceLock};

use fireseal::__private::decoders;
use fireseal::custody::{RecoveryCode, Share};
use fireseal::operations::{CollectionConfig, Collections, Outcome, ScopeRule, Seal, Step, Unseal};
use fireseal::store::{Fields, MemoryStore, Store, Value, ValueType, Write};
use fireseal::{
    AgeIdentity, Binding, Channel, Companion, DataKey, DocumentPath, Format, Frame, IndexKey, KeyId, KeyRing,
    Location, Message, MessageContext, MessageKey, MessageRing, Purpose, Repository, Scope, Sealable, Sealed,
    SealedMessage, SealedRepository, unwrap_key,
};
use prost::Message as _;

/// A target's name, and what it does with bytes.
pub type Target = (&'static str, fn(&[u8]) -> bool);

/// All targets. Their seeds stand in `fuzz/corpus`, under their names.
pub const TARGETS: &[Target] = &[
    ("envelope", envelope),
    ("plaintext", plaintext),
    ("companion", companion),
    ("manifest", manifest),
    ("age_wrap", age_wrap),
    ("recovery_code", recovery_code),
    ("share", share),
    ("frame", frame),
    ("config", config),
];

fn run<T>(work: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    }
    RUNTIME.with(|runtime| runtime.block_on(work))
}

fn path() -> DocumentPath {
    DocumentPath::parse("customers/ada").unwrap()
}

// An envelope in its place.

#[derive(Sealable)]
#[sealable(collection = "customers")]
struct Holder {
    #[sealable(id)]
    id: String,
    #[sensitive]
    ssn: String,
}

/// Every envelope of the test vectors. Some of those that are refused are genuine, and were moved from here.
fn genuine() -> &'static BTreeSet<Vec<u8>> {
    static GENUINE: OnceLock<BTreeSet<Vec<u8>>> = OnceLock::new();
    const VECTORS: [&str; 2] =
        [include_str!("../../tests/vectors/open.json"), include_str!("../../tests/vectors/refuse.json")];
    GENUINE.get_or_init(|| {
        let files = VECTORS.map(|file| serde_json::from_str::<Vec<serde_json::Value>>(file).unwrap());
        let vectors = files.iter().flatten();
        vectors.filter_map(|vector| vector["envelope"].as_str()).map(unhex).collect()
    })
}

pub fn unhex(text: &str) -> Vec<u8> {
    let (pairs, _) = text.as_bytes().as_chunks::<2>();
    let pairs = pairs.iter().map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

/// The header reads back as it was; what opens is a vector, and nothing else.
pub fn envelope(bytes: &[u8]) -> bool {
    let header = decoders::envelope(bytes);
    let sealed = Sealed::<String>::from_bytes(bytes.to_vec());
    assert_eq!(sealed.key_id().is_some(), header.is_some());
    assert!(!format!("{sealed:?}").is_empty());
    let Some(header) = header else { return false };
    assert!(bytes.starts_with(&header) && bytes.len() > header.len() + 16, "a header of other bytes");
    static RING: LazyLock<KeyRing> = LazyLock::new(|| {
        let key: [u8; 32] = std::array::from_fn(|at| u8::try_from(at).unwrap());
        KeyRing::new(DataKey::from_bytes(&key))
    });
    let sealed = SealedHolder { id: "ada".to_owned(), ssn: sealed };
    let opened = run(sealed.open_at(&Location::new(path()), &*RING));
    assert!(opened.is_err() || genuine().contains(bytes), "a forged envelope opened");
    opened.is_ok()
}

// The plaintext inside an envelope.

/// What is read has an encoding, padded or not, that reads as the same value.
pub fn plaintext(bytes: &[u8]) -> bool {
    let taken = again::<serde_json::Value>(bytes);
    again::<String>(bytes);
    again::<Vec<u8>>(bytes);
    again::<Option<BTreeMap<String, Vec<i64>>>>(bytes);
    again::<(u8, bool, Result<char, i128>)>(bytes);
    taken
}

fn again<T>(bytes: &[u8]) -> bool
where
    T: serde::Serialize + serde::de::DeserializeOwned + PartialEq,
{
    let Some(value) = decoders::plaintext::<T>(bytes) else { return false };
    for format in [Format::new(), Format::new().padded(64)] {
        let written = decoders::to_plaintext(&value, format).expect("what was read has an encoding");
        assert!(decoders::plaintext::<T>(&written).expect("what was written is read") == value);
        let sixty_four = format == Format::new() || written.len().is_multiple_of(64);
        assert!(sixty_four, "padded to another length");
    }
    true
}

// A whole document.

#[derive(Sealable, Clone, PartialEq)]
#[sealable(collection = "customers")]
pub struct Customer {
    #[sealable(id)]
    pub id: String,
    pub name: String,
    pub visits: i64,
    pub note: Option<String>,
    pub scores: BTreeMap<String, f64>,
    #[sensitive(prefix(min = 2, max = 4))]
    pub ssn: String,
    #[sensitive(unique)]
    pub email: Option<String>,
    #[sensitive(pad = 64)]
    pub born: Option<u32>,
    #[sealable(nested)]
    pub cards: Vec<Card>,
}

#[derive(Sealable, Clone, PartialEq)]
pub struct Card {
    pub bank: String,
    #[sensitive]
    pub number: String,
}

/// The one customer whose fields were ever sealed with [`ring`].
pub fn customer() -> Customer {
    let card = |number: &str| Card { bank: "bank".to_owned(), number: number.to_owned() };
    Customer {
        id: "ada".to_owned(),
        name: "Ada".to_owned(),
        visits: 1,
        note: None,
        scores: BTreeMap::from([("a".to_owned(), -0.0), ("b".to_owned(), 0.5)]),
        ssn: "078-05-1120".to_owned(),
        email: Some("ada@example.com".to_owned()),
        born: Some(1815),
        cards: vec![card("4111"), card("5500")],
    }
}

pub fn ring() -> KeyRing {
    KeyRing::new(DataKey::from_bytes(&[7; 32])).with_index(IndexKey::from_bytes(&[8; 32]))
}

/// A document's fields as protobuf: read with a key, only what was sealed opens; saved without one, unchanged,
/// nothing else is stored; and it can be deleted.
pub fn companion(bytes: &[u8]) -> bool {
    static RING: LazyLock<KeyRing> = LazyLock::new(ring);
    let Some(map) = decode_fields(bytes) else { return false };
    let store = MemoryStore::new();
    // What no database holds is not asked for.
    if run(store.commit(&[Write::set(path(), map)])).is_err() {
        return false;
    }
    let before = store.documents().remove(0).fields;
    let keyless = SealedRepository::<Customer>::new(store.clone());
    let keyed = Repository::<Customer>::new(store.clone(), RING.clone());
    let opened = run(keyed.get("ada"));
    if let Ok(Some(opened)) = &opened {
        let sealed = customer();
        assert!(opened.ssn == sealed.ssn, "a forged field opened");
        assert!(opened.email.is_none() || opened.email == sealed.email, "a forged field opened");
        assert!(opened.born.is_none() || opened.born == sealed.born, "a forged field opened");
        let numbers = opened.cards.iter().zip(&sealed.cards);
        assert!(opened.cards.len() <= 2 && numbers.clone().all(|(one, other)| one.number == other.number));
    }
    let partial = run(keyed.get_partial("ada"));
    assert!(opened.is_err() || partial.is_ok(), "what opens as a whole opens in part");
    if let Ok(Some(mut stored)) = run(keyless.get("ada")) {
        // Refused where plaintext stands in a sealed place.
        if run(keyless.save(&mut stored)).is_ok() {
            let after = store.documents().remove(0).fields;
            assert!(same(&before, &after), "a save of nothing changed\n{before:?}\nto\n{after:?}");
        }
    }
    run(keyed.delete("ada")).unwrap();
    assert!(store.documents().is_empty());
    matches!(opened, Ok(Some(_)))
}

/// Fields as the protobuf value that holds them.
pub fn encode_fields(fields: &Fields) -> Vec<u8> {
    let mut value = Value { value_type: Some(ValueType::MapValue(Default::default())) };
    if let Some(ValueType::MapValue(map)) = &mut value.value_type {
        map.fields.clone_from(fields);
    }
    value.encode_to_vec()
}

fn decode_fields(bytes: &[u8]) -> Option<Fields> {
    match Value::decode(bytes).ok()?.value_type? {
        ValueType::MapValue(map) => Some(map.fields),
        _ => None,
    }
}

/// Whether two maps are the same, bit by bit.
fn same(one: &Fields, other: &Fields) -> bool {
    let same_value = |one: &Value, other: &Value| match (&one.value_type, &other.value_type) {
        (Some(ValueType::DoubleValue(one)), Some(ValueType::DoubleValue(other))) => {
            one.to_bits() == other.to_bits()
        }
        (Some(ValueType::MapValue(one)), Some(ValueType::MapValue(other))) => {
            same(&one.fields, &other.fields)
        }
        (Some(ValueType::ArrayValue(one)), Some(ValueType::ArrayValue(other))) => {
            let numbered = |values: &[Value]| {
                let values = values.iter().enumerate();
                values.map(|(at, value)| (at.to_string(), value.clone())).collect::<Fields>()
            };
            same(&numbered(&one.values), &numbered(&other.values))
        }
        (one, other) => one == other,
    };
    one.len() == other.len()
        && one.iter().all(|(name, value)| other.get(name).is_some_and(|other| same_value(value, other)))
}

// What the vault keeps.

/// A manifest without its signature: what is taken is written again byte for byte.
pub fn manifest(bytes: &[u8]) -> bool {
    let Some(written) = decoders::manifest(bytes) else { return false };
    assert!(written == bytes, "two encodings of one manifest");
    true
}

/// The identity to which the seeds are encrypted. It protects nothing.
pub const IDENTITY: &str = "AGE-SECRET-KEY-1USZ9FND4NYCSLDKM4NMLE35JEDNT2KAUL5MGXLELNYQU46STPDEQRFN63R";
/// The secret inside the seeds.
pub const SECRET: [u8; 32] = [9; 32];

pub fn binding() -> Binding {
    Binding { scope: Scope::default(), purpose: Purpose::Data, key_id: KeyId::from_bytes([1; 32]) }
}

/// A wrapped key: whatever unwraps is the secret of the seeds.
pub fn age_wrap(bytes: &[u8]) -> bool {
    static ROOT: LazyLock<AgeIdentity> =
        LazyLock::new(|| AgeIdentity::parse(&IDENTITY.to_owned().into()).unwrap());
    static BINDING: LazyLock<Binding> = LazyLock::new(binding);
    let unwrapped = run(unwrap_key(&*ROOT, bytes, &BINDING));
    assert!(unwrapped.as_ref().is_ok_and(|secret| **secret == SECRET) || unwrapped.is_err());
    unwrapped.is_ok()
}

// What people type.

/// What is taken is printed, and what is printed is taken as the same code.
pub fn recovery_code(bytes: &[u8]) -> bool {
    let Ok(code) = std::str::from_utf8(bytes).map(RecoveryCode::parse) else { return false };
    let Ok(code) = code else { return false };
    let text = code.expose_text();
    assert!(text.len() == 39 && text.is_ascii());
    assert!(RecoveryCode::parse(text).unwrap().expose_text() == text);
    assert!(text.starts_with(code.name()) && code.name().starts_with(code.set()));
    true
}

/// The same of a share.
pub fn share(bytes: &[u8]) -> bool {
    let Ok(Ok(share)) = std::str::from_utf8(bytes).map(Share::parse) else { return false };
    let text = share.expose_text();
    let read = Share::parse(&text).unwrap();
    assert!(read == share && *read.expose_text() == *text);
    true
}

// A message.

#[derive(Sealable)]
pub struct Order {
    pub number: u64,
    pub tags: Vec<String>,
    #[sensitive]
    pub card: String,
}

impl Message for Order {
    const TYPE: &'static str = "shop.v1.Order";
}

/// The one order that was ever sealed with [`message_ring`].
pub fn order() -> Order {
    Order { number: 7, tags: vec!["new".to_owned()], card: "4111 1111".to_owned() }
}

pub fn message_ring() -> MessageRing {
    MessageRing::new(MessageKey::from_bytes(&[6; 32]))
}

pub fn channel() -> MessageContext {
    Channel::subject("orders.created").unwrap().event()
}

/// A frame, as it comes from a broker: what is taken is written and read as the same; only the seeds' card opens.
pub fn frame(bytes: &[u8]) -> bool {
    static RING: LazyLock<MessageRing> = LazyLock::new(message_ring);
    static CHANNEL: LazyLock<MessageContext> = LazyLock::new(channel);
    let Ok(head) = Frame::decode(bytes) else { return false };
    let Ok(message) = SealedMessage::<Order>::from_frame(bytes) else { return false };
    assert!((head.key_id(), head.id(), head.claims()) == (message.key_id(), message.id(), message.claims()));
    let written = message.to_frame().expect("what was read can be written");
    let header = bytes.len().min(written.len()).min(51);
    assert!(written[..header] == bytes[..header], "another header");
    let read = SealedMessage::<Order>::from_frame(&written).expect("what was written can be read");
    assert!(read.to_frame().is_ok_and(|again| again == written), "two forms of one message");
    let opened = message.open(&CHANNEL, &RING);
    assert!(opened.as_ref().is_ok_and(|order| order.card == "4111 1111") || opened.is_err());
    opened.is_ok()
}

// A configuration file.

/// The collections of a configuration: what is taken seals a document once, and gives it back as it was.
pub fn config(bytes: &[u8]) -> bool {
    let Ok(Ok(collections)) = std::str::from_utf8(bytes).map(toml::from_str::<Collections>) else {
        return false;
    };
    for collection in collections.iter() {
        for field in &collection.fields {
            assert!(
                field.pattern.to_string().parse().as_ref() == Ok(&field.pattern),
                "two forms of one pattern"
            );
        }
        // Of the one scope that has a ring.
        let scope = ScopeRule::Fixed(Scope::default());
        let config =
            CollectionConfig { path: "customers".to_owned(), group: false, scope, ..collection.clone() };
        seals_and_unseals(config);
    }
    true
}

/// Seals, finds nothing more to seal, and unseals a plain document.
fn seals_and_unseals(config: CollectionConfig) {
    static RING: LazyLock<KeyRing> = LazyLock::new(ring);
    let (Ok(seal), Ok(unseal)) = (Seal::new(config.clone(), RING.clone()), Unseal::new(config, RING.clone()))
    else {
        return;
    };
    let (store, before) = (MemoryStore::new(), plain_fields());
    run(store.commit(&[Write::set(path(), before.clone())])).unwrap();
    if step(&store, &seal) {
        assert!(!step(&store, &seal), "sealed twice");
        assert!(step(&store, &unseal), "what was sealed is not unsealed");
    }
    let after = store.documents().remove(0).fields;
    assert!(same(&before, &after), "unsealed to something else\n{before:?}\nto\n{after:?}");
}

/// Does a step with the one document, and says whether it was written. What is refused is left.
fn step(store: &MemoryStore, step: &dyn Step) -> bool {
    let outcome = run(step.plan(store.documents())).unwrap().remove(0);
    let Outcome::Write(planned) = outcome else { return false };
    run(store.commit(&[planned.write])).unwrap();
    true
}

/// A value of each kind, in maps and arrays.
fn plain_fields() -> Fields {
    fn value(value: ValueType) -> Value {
        Value { value_type: Some(value) }
    }
    let text = |text: &str| value(ValueType::StringValue(text.to_owned()));
    let mut card = Value { value_type: Some(ValueType::MapValue(Default::default())) };
    if let Some(ValueType::MapValue(map)) = &mut card.value_type {
        map.fields = [("number".to_owned(), text("4111")), ("bank".to_owned(), text("bank"))].into();
    }
    let mut cards = Value { value_type: Some(ValueType::ArrayValue(Default::default())) };
    if let Some(ValueType::ArrayValue(array)) = &mut cards.value_type {
        array.values = vec![card.clone(), card.clone()];
    }
    Fields::from([
        ("id".to_owned(), text("ada")),
        ("tenant".to_owned(), text("acme")),
        ("ssn".to_owned(), text("078-05-1120")),
        ("born".to_owned(), value(ValueType::IntegerValue(1815))),
        ("height".to_owned(), value(ValueType::DoubleValue(-0.0))),
        ("alive".to_owned(), value(ValueType::BooleanValue(false))),
        ("photo".to_owned(), value(ValueType::BytesValue(vec![1, 2, 3]))),
        ("note".to_owned(), value(ValueType::NullValue(0))),
        (
            "friend".to_owned(),
            value(ValueType::ReferenceValue("projects/p/databases/d/documents/a/b".to_owned())),
        ),
        ("card".to_owned(), card),
        ("cards".to_owned(), cards),
    ])
}
