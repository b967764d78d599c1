//! The test vectors of sealed values in messages, compared byte for byte with
//! `tests/vectors/messages.json`. `FIRESEAL_BLESS=1 cargo test --lib vectors` writes them.

use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::bytes::context::{AssociatedData, Place, StepPath};
use crate::bytes::envelope::{HEADER_BYTES, Header};
use crate::bytes::plaintext::Plaintext;
use crate::bytes::{Channel, Direction, DocumentPath, Format, Location, MessageContext, MessageId, Scope};
use crate::keys::{DataKey, MessageKey, MessageRing};

const TYPE: &str = "shop.v1.Order";
const CARD: &str = "4111-1111";

/// 0x00, 0x01, 0x02, ...
fn key_bytes() -> [u8; 32] {
    std::array::from_fn(|position| u8::try_from(position).expect("below 32"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn events() -> MessageContext {
    Channel::subject("orders.created").expect("valid").event()
}

fn method() -> Channel {
    Channel::method("/shop.v1.Orders/Create").expect("valid")
}

fn path(field: &str) -> StepPath {
    let mut path = StepPath::default();
    path.push_key(field);
    path
}

/// An envelope of the card number here, under this key, with a nonce of the vector's own.
fn seal<'a>(name: &str, key: &DataKey, place: impl Into<Place<'a>>, field: &str) -> Vec<u8> {
    let hash: [u8; 32] = Sha256::digest(name.as_bytes()).into();
    let header = Header { key_id: key.id(), nonce: *hash.first_chunk().expect("32 bytes") };
    let mut envelope = [0; HEADER_BYTES];
    header.encode(&mut envelope);
    let mut draft = Plaintext::encode(CARD, Format::new()).expect("text");
    let mut sealed = draft.parts_mut().1.to_vec();
    let mut data = AssociatedData::new(place, &key.id());
    let tag = key.cipher().seal(&header.nonce, data.of_field(&path(field)), &mut sealed).expect("short");
    [envelope.as_slice(), &sealed, &tag].concat()
}

/// A vector of these bytes, received as this message.
fn vector(name: &str, outcome: &str, context: &MessageContext, envelope: &[u8]) -> Value {
    let direction = match context.direction() {
        Direction::Event => "event",
        Direction::Request => "request",
        Direction::Response => "response",
    };
    let channel = if context.channel().as_str().starts_with('/') { "method" } else { "subject" };
    json!({
        "name": name, "outcome": outcome, "keys": [hex(&key_bytes())], "field": ["card"],
        "realm": context.realm(), "scope": context.scope().as_str(), "envelope": hex(envelope),
        "message": {
            "channel": channel, "name": context.channel().as_str(), "direction": direction, "type": TYPE,
            "sender": context.sender(), "expiry": context.expiry(),
            "answers": context.answers().map(|id| id.to_string()),
        },
    })
}

fn ring() -> MessageRing {
    MessageRing::new(MessageKey::from_bytes(&key_bytes()))
}

fn opens() -> Vec<Value> {
    let all_set = method()
        .response(MessageId::from_bytes([0xab; 16]))
        .with_scope(Scope::new("żółw").expect("valid"))
        .with_realm("staging")
        .and_then(|context| context.with_sender("shop"))
        .expect("valid")
        .with_expiry(4_102_444_800);
    let contexts = [
        ("event", events()),
        ("request", method().request()),
        ("response", method().response(MessageId::from_bytes([1; 16]))),
        ("with a sender", events().with_sender("shop").expect("valid")),
        ("with an expiry", events().with_expiry(1 << 40)),
        ("with everything", all_set),
    ];
    contexts
        .iter()
        .map(|(name, context)| {
            let ring = ring();
            let key = ring.keys().primary();
            let place = Place::Message(context, TYPE);
            let mut vector = vector(name, "opens", context, &seal(name, key, place, "card"));
            let data = AssociatedData::new(place, &key.id()).of_field(&path("card")).to_vec();
            vector["associated_data"] = json!(hex(&data));
            vector["value"] = json!({ "str": CARD });
            vector
        })
        .collect()
}

fn refused() -> Vec<Value> {
    let ring = ring();
    let key = ring.keys().primary();
    let subject = |name: &str| Channel::subject(name).expect("valid");
    let answer = |byte| method().response(MessageId::from_bytes([byte; 16]));
    let moves = [
        ("subject to subject", events(), subject("orders.cancelled").event()),
        ("event to request", events(), subject("orders.created").request()),
        ("request to response", method().request(), answer(1)),
        ("response to another request", answer(1), answer(2)),
        ("scope to scope", events(), events().with_scope(Scope::new("acme").expect("valid"))),
        (
            "sender to sender",
            events().with_sender("a").expect("valid"),
            events().with_sender("b").expect("valid"),
        ),
        ("expiry put off", events().with_expiry(1), events().with_expiry(2)),
        ("expiry taken off", events().with_expiry(1), events()),
    ];
    let mut all: Vec<_> = moves
        .iter()
        .map(|(name, from, to)| {
            let envelope = seal(name, key, Place::Message(from, TYPE), "card");
            vector(name, "does_not_open", to, &envelope)
        })
        .collect();
    let here = events();
    let document = Location::new(DocumentPath::parse("orders/1").expect("valid"));
    let others = [
        ("another type", seal("another type", key, Place::Message(&here, "shop.v1.Refund"), "card")),
        ("another field", seal("another field", key, Place::Message(&here, TYPE), "note")),
        ("a document's field under the message key", seal("document", key, &document, "card")),
    ];
    all.extend(others.iter().map(|(name, envelope)| vector(name, "does_not_open", &here, envelope)));
    let data_key = DataKey::from_bytes(&key_bytes());
    let name = "under the data key of the same 32 bytes";
    all.push(vector(name, "key_unknown", &here, &seal(name, &data_key, Place::Message(&here, TYPE), "card")));
    all
}

#[test]
fn the_committed_vectors_are_what_is_written() {
    let lines: Vec<_> = [opens(), refused()].concat().iter().map(ToString::to_string).collect();
    let made = format!("[\n{}\n]\n", lines.join(",\n"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/messages.json");
    if std::env::var_os("FIRESEAL_BLESS").is_some() {
        std::fs::write(&path, &made).expect("tests/vectors can be written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(made == committed, "messages.json differs from what this code writes");
}
