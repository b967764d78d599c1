//! A reader that shares no code with fireseal opens every positive vector and refuses every hostile one.

#![allow(clippy::unwrap_used)]

#[path = "support/promise.rs"]
mod promise;

#[path = "support/decoder.rs"]
mod support;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use fireseal::{Channel, Message, MessageKey, MessageRing, Sealable};
use prost::Message as _;

use support::python;

#[test]
fn another_implementation_agrees_on_every_vector() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let output = Command::new(python())
        .arg(tests.join("decoder/decode.py"))
        .arg(tests.join("vectors"))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("{told}");
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    let passed: usize = told.split_whitespace().next().unwrap().parse().unwrap();
    assert!(passed >= 150, "only {passed} vectors were tried");
    assert!(told.contains(", 0 failed"), "{told}");
    promise::Promise::kept("documented_format", passed);
}

#[test]
fn another_implementation_makes_every_token() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let output = Command::new(python())
        .arg(tests.join("decoder/tokens.py"))
        .arg(tests.join("vectors/tokens.json"))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("{told}");
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    let made: usize = told.split_whitespace().next().unwrap().parse().unwrap();
    assert!(made >= 30, "only {made} vectors were tried");
    promise::Promise::kept("documented_format", made);
}

#[test]
fn another_implementation_verifies_every_document_seal() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let output = Command::new(python())
        .arg(tests.join("decoder/documents.py"))
        .arg(tests.join("vectors/documents.json"))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("{told}");
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    let tried: usize = told.split_whitespace().next().unwrap().parse().unwrap();
    assert!(tried >= 40, "only {tried} vectors were tried");
}

/// An order as a service has it in protobuf: the sealed value is `bytes`.
#[derive(Clone, PartialEq, prost::Message)]
struct CreateOrder {
    #[prost(uint64, tag = "1")]
    number: u64,
    #[prost(string, tag = "2")]
    country: String,
    #[prost(bytes = "vec", tag = "3")]
    card: Vec<u8>,
}

#[derive(Sealable)]
struct Order {
    number: u64,
    country: String,
    #[sensitive]
    card: String,
}

impl fireseal::Message for Order {
    const TYPE: &'static str = "shop.v1.Order";
}

#[test]
fn another_implementation_opens_a_field_of_a_protobuf_message() {
    let ring = MessageRing::new(MessageKey::from_bytes(&[7; 32]));
    let context = Channel::method("/shop.v1.Orders/Create").unwrap().request().with_expiry(4_000_000_000);
    let order = Order { number: 1 << 40, country: "GB".to_owned(), card: "4111-1111".to_owned() };
    let SealedOrder { number, country, card } = order.seal_message(&context, &ring).unwrap().into_companion();
    let proto = CreateOrder { number, country, card: card.try_into().unwrap() };
    let hex: String = proto.encode_to_vec().iter().map(|byte| format!("{byte:02x}")).collect();
    let open = |name: &str| {
        let message = serde_json::json!({
            "channel": "method", "name": name, "direction": "request", "type": "shop.v1.Order",
            "expiry": 4_000_000_000u64,
        });
        let place = serde_json::json!({
            "protobuf": hex, "number": 3, "keys": ["07".repeat(32)], "message": message, "field": ["card"],
        });
        let decoder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/decoder/decode.py");
        let mut child =
            Command::new(python()).arg(decoder).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(place.to_string().as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let opened = serde_json::json!({ "outcome": "opens", "value": { "str": "4111-1111" } });
    assert_eq!(open("/shop.v1.Orders/Create"), opened);
    assert_eq!(open("/shop.v1.Orders/Cancel"), serde_json::json!({ "outcome": "does_not_open" }));
}

#[test]
fn the_decoder_stays_short() {
    let program = include_str!("decoder/decode.py");
    assert!(program.lines().count() <= 150, "decode.py has {} lines", program.lines().count());
}
