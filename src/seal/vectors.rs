//! The test vectors of format 1: made here, where nonces can be fixed, and compared byte for byte with
//! `tests/vectors/`. `FIRESEAL_BLESS=1 cargo test --lib vectors` writes them.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::sealed::Slot;
use super::session::SealSession;
use crate::bytes::aead::Cipher;
use crate::bytes::context::{AssociatedData, StepPath};
use crate::bytes::envelope::{HEADER_BYTES, Header, NONCE_BYTES, TAG_BYTES};
use crate::bytes::plaintext::Plaintext;
use crate::bytes::{DocumentPath, FieldPath, FieldStep, Format, Location, MAX_DEPTH, Scope};
use crate::keys::{DataKey, KeyRing};

/// One vector. Every one can be opened on its own: it names the keys and the place.
#[derive(Serialize, Clone)]
struct Vector {
    name: String,
    outcome: &'static str,
    /// The data keys of the ring, in hex.
    keys: Vec<String>,
    realm: Option<String>,
    scope: String,
    document: String,
    /// The stored path: a string is a key, a number an index.
    field: Vec<Value>,
    /// What is stored, in hex or in the text form.
    #[serde(skip_serializing_if = "Option::is_none")]
    envelope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// The steps on the way, for whoever writes a reader.
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    associated_data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plaintext: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// 0x00, 0x01, 0x02, ...
fn key_bytes() -> [u8; 32] {
    std::array::from_fn(|position| u8::try_from(position).expect("below 32"))
}

/// 0xff, 0xfe, 0xfd, ...
fn other_key_bytes() -> [u8; 32] {
    std::array::from_fn(|position| u8::try_from(255 - position).expect("at most 255"))
}

/// A nonce that differs from vector to vector.
fn nonce(name: &str) -> [u8; NONCE_BYTES] {
    let hash: [u8; 32] = Sha256::digest(name.as_bytes()).into();
    *hash.first_chunk().expect("32 bytes")
}

/// Where a value stands, and under which key it is sealed.
#[derive(Clone)]
struct Place {
    key: [u8; 32],
    location: Location,
    field: FieldPath,
}

impl Place {
    fn of(document: &str, field: Vec<FieldStep>) -> Self {
        let document = DocumentPath::parse(document).expect("a valid path");
        Self { key: key_bytes(), location: Location::new(document), field: FieldPath::new(field) }
    }

    fn usual() -> Self {
        Self::of("customers/ada", vec![key("ssn")])
    }

    fn scope(mut self, scope: &str) -> Self {
        self.location = self.location.with_scope(Scope::new(scope).expect("valid"));
        self
    }

    fn realm(mut self, realm: &str) -> Self {
        self.location = self.location.with_realm(realm).expect("valid");
        self
    }

    fn steps(&self) -> StepPath {
        let mut path = StepPath::default();
        for step in self.field.steps() {
            match step {
                FieldStep::Key(key) => path.push_key(key),
                FieldStep::Index(index) => path.push_index(usize::try_from(*index).expect("small")),
            };
        }
        path
    }

    fn associated_data(&self) -> Vec<u8> {
        let id = DataKey::from_bytes(&self.key).id();
        AssociatedData::new(&self.location, &id).of_field(&self.steps()).to_vec()
    }

    /// A vector here, of any stored bytes.
    fn vector(&self, name: &str, outcome: &'static str, envelope: &[u8]) -> Vector {
        let field = self.field.steps().iter().map(|step| match step {
            FieldStep::Key(key) => json!(key),
            FieldStep::Index(index) => json!(index),
        });
        Vector {
            name: name.to_owned(),
            outcome,
            keys: vec![hex(&self.key)],
            realm: self.location.realm().map(str::to_owned),
            scope: self.location.scope().to_string(),
            document: self.location.document().to_string(),
            field: field.collect(),
            envelope: Some(hex(envelope)),
            text: None,
            nonce: None,
            associated_data: None,
            plaintext: None,
            value: None,
        }
    }

    /// An envelope of exactly this plaintext, which no writer needs to have written.
    fn seal_bytes(&self, name: &str, plaintext: &[u8]) -> Vec<u8> {
        self.seal_under(DataKey::from_bytes(&self.key).cipher(), &self.associated_data(), name, plaintext)
    }

    fn seal_under(&self, cipher: &Cipher, associated_data: &[u8], name: &str, plaintext: &[u8]) -> Vec<u8> {
        let header = Header { key_id: DataKey::from_bytes(&self.key).id(), nonce: nonce(name) };
        let mut place = [0; HEADER_BYTES];
        header.encode(&mut place);
        let mut sealed = plaintext.to_vec();
        let tag = cipher.seal(&header.nonce, associated_data, &mut sealed).expect("short");
        [place.as_slice(), &sealed, &tag].concat()
    }

    /// A vector of a value that opens, sealed as the library seals.
    fn opens(&self, name: &str, draft: Plaintext, value: Value) -> Vector {
        let ring = KeyRing::new(DataKey::from_bytes(&self.key)).with_scope(self.location.scope().clone());
        let mut session = SealSession::drawn(&self.location, &ring, nonce(name));
        self.opens_in(&mut session, name, draft, value)
    }

    fn opens_in(
        &self,
        session: &mut SealSession<'_>,
        name: &str,
        mut draft: Plaintext,
        value: Value,
    ) -> Vector {
        let plaintext = draft.parts_mut().1.to_vec();
        let mut slot = Slot::Draft(draft);
        session.seal(&self.steps(), &mut slot).expect("seals");
        let Slot::Stored(envelope) = slot else { unreachable!("sealed") };
        Vector {
            nonce: Some(hex(&Header::decode(&envelope).expect("an envelope").nonce)),
            associated_data: Some(hex(&self.associated_data())),
            // Of a long one the value tells enough.
            plaintext: (plaintext.len() < 1_000).then(|| hex(&plaintext)),
            value: Some(value),
            ..self.vector(name, "opens", &envelope)
        }
    }
}

fn key(name: &str) -> FieldStep {
    FieldStep::Key(name.to_owned())
}

fn packed<T: Serialize + ?Sized>(value: &T) -> Plaintext {
    Plaintext::encode(value, Format::new()).expect("has a form")
}

fn padded<T: Serialize + ?Sized>(value: &T, multiple: u32) -> Plaintext {
    Plaintext::encode(value, Format::new().padded(multiple)).expect("has a form")
}

/// The value of a vector: its one key names the kind, integers are decimal text, floats are the bits
/// of an `f64` in hex.
fn text(value: &str) -> Value {
    json!({ "str": value })
}

fn int(value: impl ToString) -> Value {
    json!({ "int": value.to_string() })
}

fn float(value: f64) -> Value {
    json!({ "float": format!("{:016x}", value.to_bits()) })
}

fn array(values: impl IntoIterator<Item = Value>) -> Value {
    json!({ "array": values.into_iter().collect::<Vec<_>>() })
}

fn map(entries: impl IntoIterator<Item = (Value, Value)>) -> Value {
    json!({ "map": entries.into_iter().map(|(key, value)| json!([key, value])).collect::<Vec<_>>() })
}

#[derive(Serialize)]
struct Address {
    street: &'static str,
    number: u16,
    tags: Vec<&'static str>,
    geo: Option<(f64, f64)>,
}

#[derive(Serialize)]
enum Contact {
    Nobody,
    Mail(&'static str),
    Phone { country: u8, number: &'static str },
}

fn nested_arrays(depth: usize) -> Vec<u8> {
    let mut value = vec![0x91; depth - 1];
    value.push(0x90);
    value
}

fn values() -> Vec<Vector> {
    let usual = Place::usual();
    let mut all = vec![usual.opens("example", packed("536-22-1234"), text("536-22-1234"))];
    let mut add = |name: &str, draft, value| all.push(usual.opens(name, draft, value));

    for value in ["", "a", "Ada Lovelace", "żółw 🐢 שלום", "e\u{301} is not \u{e9}", "nul \0 and \u{10ffff}"]
    {
        add(&format!("string {value:?}"), packed(value), text(value));
    }
    for length in [31, 32, 255, 256, 65_536] {
        let value = "x".repeat(length);
        add(&format!("string of {length} bytes"), packed(&value), text(&value));
    }
    for value in [0, 1, 127, 128, 255, 256, 65_535, 65_536, u64::from(u32::MAX), 1 << 32, 1 << 53, u64::MAX] {
        add(&format!("unsigned {value}"), packed(&value), int(value));
    }
    for value in [-1, -32, -33, -128, -129, -32_768, -32_769, i64::from(i32::MIN), i64::MIN, i64::MAX] {
        add(&format!("signed {value}"), packed(&value), int(value));
    }
    for value in [0.0, -0.0, 1.5, f64::MIN_POSITIVE, f64::MAX, f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
        add(&format!("float {value:?}"), packed(&value), float(value));
    }
    add("float of 32 bits", packed(&1.5f32), float(1.5));
    add("true", packed(&true), json!({ "bool": true }));
    add("false", packed(&false), json!({ "bool": false }));
    add("nil", packed(&None::<String>), json!({ "nil": null }));
    add("char", packed(&'ß'), text("ß"));
    add("i128 as 16 bytes", packed(&-2i128), json!({ "bin": hex(&(-2i128).to_be_bytes()) }));
    for length in [0, 1, 255, 256] {
        let value = vec![0xa5; length];
        let draft = packed(serde_bytes::Bytes::new(&value));
        add(&format!("bin of {length} bytes"), draft, json!({ "bin": hex(&value) }));
        let draft = Plaintext::encode_bytes(&value, Format::new());
        add(&format!("raw bytes, {length}"), draft, json!({ "raw": hex(&value) }));
    }
    add("a Vec<u8> is an array", packed(&vec![1u8, 127, 128, 255]), array([1, 127, 128, 255].map(int)));
    add("array, empty", packed(&[(); 0]), array([]));
    add("array of 16", packed(&vec![7; 16]), array((0..16).map(|_| int(7))));
    let mixed = (1, "two", 3.0, None::<u8>, [4, 5]);
    let value = array([int(1), text("two"), float(3.0), json!({ "nil": null }), array([int(4), int(5)])]);
    add("array, mixed", packed(&mixed), value);
    let address =
        Address { street: "St James's Square", number: 12, tags: vec!["home"], geo: Some((51.5, -0.1)) };
    let address_value = map([
        (text("street"), text("St James's Square")),
        (text("number"), int(12)),
        (text("tags"), array([text("home")])),
        (text("geo"), array([float(51.5), float(-0.1)])),
    ]);
    add("map, a struct", packed(&address), address_value.clone());
    let addresses = BTreeMap::from([("home", vec![address])]);
    add("map, nested", packed(&addresses), map([(text("home"), array([address_value]))]));
    add("map with integer keys", packed(&BTreeMap::from([(-1, "a"), (1, "b")])), {
        map([(int(-1), text("a")), (int(1), text("b"))])
    });
    add("enum, unit", packed(&Contact::Nobody), text("Nobody"));
    add("enum, newtype", packed(&Contact::Mail("a@b.c")), map([(text("Mail"), text("a@b.c"))]));
    let phone = map([(text("country"), int(44)), (text("number"), text("20"))]);
    add("enum, struct", packed(&Contact::Phone { country: 44, number: "20" }), map([(text("Phone"), phone)]));
    add("unit struct is an empty array", packed(&Unit), array([]));
    for length in [0, 13, 14, 15, 29, 30, 100] {
        let value = "p".repeat(length);
        add(&format!("padded to 16, {length} bytes"), padded(&value, 16), text(&value));
    }
    add("padded, nil", padded(&None::<u8>, 32), json!({ "nil": null }));
    add("padded to 1", padded("x", 1), text("x"));
    let raw = [0x80, 0, 0];
    add(
        "padded raw bytes that look padded",
        Plaintext::encode_bytes(&raw, Format::new().padded(8)),
        json!({ "raw": hex(&raw) }),
    );
    add(
        "raw bytes that look padded",
        Plaintext::encode_bytes(&raw, Format::new()),
        json!({ "raw": hex(&raw) }),
    );
    // Too deep for many JSON readers, so the value is left out.
    let deep = usual.opens("arrays, 128 deep", packed(&Deep(MAX_DEPTH)), Value::Null);
    all.push(Vector { value: None, ..deep });
    all
}

#[derive(Serialize)]
struct Unit;

struct Deep(usize);

impl Serialize for Deep {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 == 1 {
            return serializer.collect_seq([(); 0]);
        }
        serializer.collect_seq([Deep(self.0 - 1)])
    }
}

fn places() -> Vec<Vector> {
    let usual = Place::usual();
    let at = |document: &str, field: Vec<FieldStep>| Place::of(document, field);
    let nested = vec![key("addresses"), FieldStep::Index(2), key("street")];
    let mut all: Vec<_> = [
        ("realm", usual.clone().realm("staging")),
        ("scope", usual.clone().scope("acme")),
        ("scope and realm", usual.clone().scope("żółw/🐢").realm("staging eu")),
        ("nested path with an index", at("customers/ada", nested)),
        ("index above 2^32", at("customers/ada", vec![key("a"), FieldStep::Index((1 << 32) + 1)])),
        ("arrays in a map", at("customers/ada", vec![key("a"), FieldStep::Index(0), FieldStep::Index(1)])),
        ("key with dots and backquotes", at("customers/ada", vec![key("a.b`c\\d"), key("e f")])),
        ("key of digits", at("customers/ada", vec![key("addresses"), key("2")])),
        ("empty key", at("customers/ada", vec![key("map"), key("")])),
        ("unicode keys", at("customers/ada", vec![key("straße"), key("🐢"), key("e\u{301}")])),
        ("subcollection", at("tenants/acme/customers/ada", vec![key("ssn")])),
        ("unicode ids", at("kunden/zoë 🐢", vec![key("ssn")])),
        ("long id", at(&format!("customers/{}", "a".repeat(1_500)), vec![key("ssn")])),
    ]
    .into_iter()
    .map(|(name, place)| place.opens(name, packed("536-22-1234"), text("536-22-1234")))
    .collect();

    let mut other = usual.clone();
    other.key = other_key_bytes();
    let mut second = other.opens("second key of a ring", packed("old"), text("old"));
    second.keys = vec![hex(&key_bytes()), hex(&other_key_bytes())];
    all.push(second);

    let ring = KeyRing::new(DataKey::from_bytes(&key_bytes()));
    let mut session = SealSession::drawn(&usual.location, &ring, nonce("one document"));
    for count in 0..3u32 {
        let place = at("customers/ada", vec![key("notes"), FieldStep::Index(u64::from(count))]);
        let name = format!("one document, value {count}");
        all.push(place.opens_in(&mut session, &name, packed(&count), int(count)));
    }

    let sealed = usual.seal_bytes("text form", packed("536-22-1234").parts_mut().1);
    all.push(Vector {
        envelope: None,
        text: Some(format!("fireseal:{}", STANDARD.encode(&sealed))),
        value: Some(text("536-22-1234")),
        ..usual.vector("text form", "opens", &sealed)
    });
    all
}

fn malformed() -> Vec<Vector> {
    let usual = Place::usual();
    let good = usual.seal_bytes("malformed", packed("536-22-1234").parts_mut().1);
    let mut all: Vec<_> = [0, 1, 33, HEADER_BYTES, HEADER_BYTES + TAG_BYTES]
        .into_iter()
        .map(|length| usual.vector(&format!("cut to {length} bytes"), "malformed", &good[..length]))
        .collect();
    for version in [0, 2, 0x81, 0xff] {
        let mut bytes = good.clone();
        bytes[0] = version;
        all.push(usual.vector(&format!("version {version}"), "malformed", &bytes));
    }
    let empty = usual.seal_bytes("empty plaintext", b"");
    all.push(usual.vector("an authentic empty plaintext", "malformed", &empty));

    let encoded = STANDARD.encode(&good);
    let texts = [
        ("another prefix", format!("Fireseal:{encoded}")),
        ("no prefix", encoded.clone()),
        ("a line break in base64", format!("fireseal:{}\n{}", &encoded[..8], &encoded[8..])),
        ("no base64 padding", format!("fireseal:{}", STANDARD.encode(&good[..76]).trim_end_matches('='))),
        ("the URL alphabet", format!("fireseal:{}", STANDARD.encode([0xff; 75]).replace('/', "_"))),
    ];
    for (name, text) in texts {
        let vector = usual.vector(&format!("text form: {name}"), "plaintext", &[]);
        all.push(Vector { envelope: None, text: Some(text), ..vector });
    }
    let text = Some(format!("fireseal:{}", STANDARD.encode([7; 30])));
    all.push(Vector { envelope: None, text, ..usual.vector("text form: no envelope", "malformed", &[]) });
    all
}

fn moved() -> Vec<Vector> {
    let usual = Place::usual();
    let nested = |steps| Place::of("customers/ada", steps);
    let list = |index| nested(vec![key("list"), FieldStep::Index(index)]);
    [
        ("to another field", usual.clone(), nested(vec![key("name")])),
        ("to a field of another case", usual.clone(), nested(vec![key("SSN")])),
        ("to another document", usual.clone(), Place::of("customers/bob", vec![key("ssn")])),
        ("to another collection", usual.clone(), Place::of("clients/ada", vec![key("ssn")])),
        ("to a subcollection", usual.clone(), Place::of("t/a/customers/ada", vec![key("ssn")])),
        ("to another scope", usual.clone(), usual.clone().scope("acme")),
        ("to a realm", usual.clone(), usual.clone().realm("staging")),
        ("out of a realm", usual.clone().realm("staging"), usual.clone()),
        ("from realm to scope", usual.clone().realm("a"), usual.clone().scope("a")),
        ("to another array position", list(0), list(1)),
        ("from an index to a key of digits", list(2), nested(vec![key("list"), key("2")])),
        ("from a key with a dot to two keys", nested(vec![key("a.b")]), nested(vec![key("a"), key("b")])),
        ("between keys", nested(vec![key("ab"), key("c")]), nested(vec![key("a"), key("bc")])),
        ("up a level", nested(vec![key("a"), key("b")]), nested(vec![key("b")])),
        ("down a level", nested(vec![key("a")]), nested(vec![key("a"), key("a")])),
        ("to the composed form", nested(vec![key("e\u{301}")]), nested(vec![key("\u{e9}")])),
        ("between id and field", Place::of("c/ab", vec![key("c")]), Place::of("c/a", vec![key("bc")])),
    ]
    .into_iter()
    .map(|(name, from, to)| {
        let name = format!("moved {name}");
        to.vector(&name, "does_not_open", &from.seal_bytes(&name, packed("536-22-1234").parts_mut().1))
    })
    .collect()
}

fn tampered() -> Vec<Vector> {
    let usual = Place::usual();
    let good = usual.seal_bytes("tampered", packed("536-22-1234").parts_mut().1);
    let last = good.len() - 1;
    let mut all = Vec::new();
    for (name, outcome, position) in [
        ("first byte of the key id", "key_unknown", 1),
        ("last byte of the key id", "key_unknown", 32),
        ("first byte of the nonce", "does_not_open", 33),
        ("last byte of the nonce", "does_not_open", 56),
        ("content byte", "does_not_open", 57),
        ("last byte of the ciphertext", "does_not_open", last - TAG_BYTES),
        ("first byte of the tag", "does_not_open", last - TAG_BYTES + 1),
        ("last byte of the tag", "does_not_open", last),
    ] {
        let mut bytes = good.clone();
        bytes[position] ^= 1;
        all.push(usual.vector(&format!("flipped: {name}"), outcome, &bytes));
    }
    all.push(usual.vector("one byte cut off", "does_not_open", &good[..last]));
    all.push(usual.vector("one byte added", "does_not_open", &[&good[..], &[0]].concat()));
    let (header, _) = good.split_at(HEADER_BYTES);
    all.push(usual.vector("zeros as ciphertext", "does_not_open", &[header, &[0; 17]].concat()));

    let mut stranger = usual.vector("a ring without the key", "key_unknown", &good);
    stranger.keys = vec![hex(&other_key_bytes())];
    all.push(stranger);
    let mut relabelled = good.clone();
    relabelled[1..33].copy_from_slice(DataKey::from_bytes(&other_key_bytes()).id().as_bytes());
    let mut swapped = usual.vector("the id of another key of the ring", "does_not_open", &relabelled);
    swapped.keys.push(hex(&other_key_bytes()));
    all.push(swapped);

    let plaintext = packed("536-22-1234").parts_mut().1.to_vec();
    let whole = usual.associated_data();
    let mut other_kind = whole.clone();
    other_kind[15] = 2;
    let mut other_label = whole.clone();
    other_label[14] = b'2';
    let key = DataKey::from_bytes(&usual.key);
    let raw_key = Cipher::new(&usual.key);
    for (name, cipher, data) in [
        ("another context kind", key.cipher(), other_kind.as_slice()),
        ("another label", key.cipher(), &other_label),
        ("no associated data", key.cipher(), &[]),
        ("the data key itself as sealing key", &raw_key, &whole),
    ] {
        let name = format!("sealed with {name}");
        all.push(usual.vector(&name, "does_not_open", &usual.seal_under(cipher, data, &name, &plaintext)));
    }
    all
}

fn not_decodable() -> Vec<Vector> {
    let usual = Place::usual();
    let behind = |content: u8, value: &[u8]| [&[content], value].concat();
    let mut deep_maps = [0x81, 0xa1, b'a'].repeat(MAX_DEPTH);
    deep_maps.push(0x80);
    [
        ("content byte 0", vec![0x00, 0xc0]),
        ("content byte 3", vec![0x03, 0xc0]),
        ("content byte with an unknown bit", vec![0x21, 0xc0]),
        ("content byte with the high bit", vec![0x81, 0xc0]),
        ("padded, unknown content", vec![0x13, 0xc0, 0x80]),
        ("empty value", vec![0x01]),
        ("empty value, padded", vec![0x11, 0x80]),
        ("padding: none", vec![0x11]),
        ("padding: no start", vec![0x11, 0xc0]),
        ("padding: zeros only", vec![0x11, 0, 0, 0]),
        ("padding: value, then zeros", vec![0x11, 0xc0, 0, 0]),
        ("padding: a byte after the start", vec![0x11, 0xc0, 0x80, 0, 1]),
        ("padding: another start", vec![0x11, 0xc0, 0x81, 0]),
        ("padding: twice", vec![0x11, 0xc0, 0x80, 0, 0x80, 0]),
        ("padding that the content byte does not announce", vec![0x01, 0xc0, 0x80, 0]),
        ("raw bytes, padding: none", vec![0x12]),
        ("raw bytes, padding: zeros only", vec![0x12, 0, 0]),
        ("a second value", vec![0x01, 0xc0, 0xc0]),
        ("an open array behind the value", vec![0x01, 0xc0, 0x91]),
        ("an open string behind the value", vec![0x01, 0xc0, 0xd9]),
        ("the reserved marker", vec![0x01, 0xc1]),
        ("a cut string", behind(0x01, b"\xa5abc")),
        ("a cut array", vec![0x01, 0x92, 0xc0]),
        ("a cut map", vec![0x01, 0x81, 0xa1, b'a']),
        ("a cut integer", vec![0x01, 0xcf, 0, 0, 0]),
        ("a cut length", vec![0x01, 0xdd, 0xff]),
        ("text that is not UTF-8", vec![0x01, 0xa2, 0xc3, 0x28]),
        ("an extension type", vec![0x01, 0xd4, 0x01, 0x00]),
        ("the timestamp extension", vec![0x01, 0xd6, 0xff, 0, 0, 0, 1]),
        ("array of 2^32-1 elements, none there", vec![0x01, 0xdd, 0xff, 0xff, 0xff, 0xff]),
        ("map of 2^32-1 entries, none there", vec![0x01, 0xdf, 0xff, 0xff, 0xff, 0xff]),
        ("bin of 2^32-1 bytes, none there", vec![0x01, 0xc6, 0xff, 0xff, 0xff, 0xff]),
        ("text of 2^32-1 bytes, none there", vec![0x01, 0xdb, 0xff, 0xff, 0xff, 0xff]),
        ("extension of 2^32-1 bytes, none there", vec![0x01, 0xc9, 0xff, 0xff, 0xff, 0xff, 1]),
        ("arrays, 129 deep", behind(0x01, &nested_arrays(MAX_DEPTH + 1))),
        ("maps, 129 deep", behind(0x01, &deep_maps)),
        ("arrays, 20000 deep", behind(0x01, &nested_arrays(20_000))),
    ]
    .into_iter()
    .map(|(name, plaintext)| usual.vector(name, "not_decodable", &usual.seal_bytes(name, &plaintext)))
    .collect()
}

/// What is derived from a data key.
#[derive(Serialize)]
struct KeyVector {
    data_key: String,
    key_id: String,
    sealing_key: String,
}

fn derived(data_key: [u8; 32]) -> KeyVector {
    let mut sealing_key = [0; 32];
    hkdf::Hkdf::<Sha256>::new(Some(b"fireseal v1 data key"), &data_key)
        .expand(b"fireseal v1 sealing key", &mut sealing_key)
        .expect("32 bytes");
    let key_id = DataKey::from_bytes(&data_key).id().to_string();
    KeyVector { data_key: hex(&data_key), key_id, sealing_key: hex(&sealing_key) }
}

fn compare<T: Serialize>(file: &str, vectors: &[T]) {
    let lines: Vec<_> = vectors.iter().map(|vector| serde_json::to_string(vector).expect("JSON")).collect();
    let made = format!("[\n{}\n]\n", lines.join(",\n"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(file);
    if std::env::var_os("FIRESEAL_BLESS").is_some() {
        std::fs::write(&path, &made).expect("tests/vectors can be written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(made == committed, "{file} differs from what this code writes; a new format needs a new version");
}

#[test]
fn the_committed_vectors_are_what_is_written() {
    compare("keys.json", &[derived(key_bytes()), derived(other_key_bytes()), derived([0; 32])]);
    compare("open.json", &[values(), places()].concat());
    compare("refuse.json", &[malformed(), moved(), tampered(), not_decodable()].concat());
}

#[test]
fn the_worked_example_is_the_first_vector() {
    let page = include_str!("../../docs/format.md");
    let (_, example) = page.split_once("## Worked example").expect("docs/format.md has a worked example");
    let shown: String = example.split_whitespace().collect();
    let vector = values().swap_remove(0);
    let key = derived(key_bytes());
    let hex = [vector.nonce, vector.associated_data, vector.plaintext, vector.envelope];
    for part in hex.into_iter().flatten().chain([key.data_key, key.key_id, key.sealing_key]) {
        assert!(shown.contains(&part), "docs/format.md does not show {part}");
    }
}
