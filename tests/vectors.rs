//! Every test vector through the public API: the positive ones open to the value that they name, the
//! hostile ones are refused with the outcome that they name.
//!
//! T32 of docs/threat-model.md.

#![allow(clippy::unwrap_used)]

#[path = "support/promise.rs"]
mod promise;

use std::fmt;

use fireseal::__private::Format;
use fireseal::{
    Cause, Closed, DataKey, DocumentPath, Draft, KeyRing, Location, OpenError, Reveal, Scope, SealError,
    Sealable, Sealed, Visit, Walk,
};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Vector {
    name: String,
    outcome: String,
    keys: Vec<String>,
    realm: Option<String>,
    scope: String,
    document: String,
    field: Vec<Step>,
    envelope: Option<String>,
    text: Option<String>,
    value: Option<Value>,
}

#[derive(Serialize, Deserialize, Clone, Debug)]
#[serde(untagged)]
enum Step {
    Index(usize),
    Key(String),
}

/// A sealed value at any path, to be opened as raw bytes or as whatever MessagePack holds.
#[derive(Serialize, Deserialize, Clone, Debug)]
struct PlacedSealed {
    field: Vec<Step>,
    raw: bool,
    sealed: Sealed<()>,
}

struct Placed(Value);

fn at<A, R>(walk: &mut Walk<A>, steps: &[Step], inner: impl FnOnce(&mut Walk<A>) -> R) -> R {
    // Boxed, or the closures of a recursion have no finite type.
    type Inner<'a, A, R> = Box<dyn FnOnce(&mut Walk<A>) -> R + 'a>;
    fn enter<'a, A, R: 'a>(walk: &mut Walk<A>, steps: &[Step], inner: Inner<'a, A, R>) -> R {
        match steps.split_first() {
            None => inner(walk),
            Some((Step::Key(key), rest)) => walk.key(key, |walk| enter(walk, rest, inner)),
            Some((Step::Index(index), rest)) => walk.index(*index, |walk| enter(walk, rest, inner)),
        }
    }
    enter(walk, steps, Box::new(inner))
}

impl Sealable for Placed {
    type Sealed = PlacedSealed;
    type Partial = Result<Value, Closed<()>>;

    fn draft(&self, _: &mut Walk<Draft>) -> Result<PlacedSealed, SealError> {
        unreachable!("vectors are only opened")
    }

    fn visit(sealed: &mut PlacedSealed, walk: &mut Walk<Visit<'_>>) -> Result<(), SealError> {
        at(walk, &sealed.field, |walk| walk.field(&mut sealed.sealed))
    }

    fn reveal(sealed: PlacedSealed, walk: &mut Walk<Reveal<'_>>) -> Option<Self> {
        at(walk, &sealed.field, |walk| {
            if sealed.raw {
                let stored = Sealed::<Vec<u8>>::from_bytes(sealed.sealed.as_bytes()?.to_vec());
                let bytes = walk.bytes(stored, Format::new(), || None).ok()?;
                return Some(Self(json!({ "raw": hex(&bytes) })));
            }
            let mut value = None;
            let opened =
                walk.field(sealed.sealed, Format::new(), || None, |Neutral(opened)| value = Some(opened));
            opened.ok()?;
            value.map(Self)
        })
    }

    fn reveal_partial(_: PlacedSealed, _: &mut Walk<Reveal<'_>>) -> Self::Partial {
        unreachable!("vectors open whole")
    }

    fn draft_partial(_: &Self::Partial, _: &mut Walk<Draft>) -> Result<PlacedSealed, SealError> {
        unreachable!("vectors are only opened")
    }
}

/// Any MessagePack value, as the vectors write it.
struct Neutral(Value);

impl<'de> Deserialize<'de> for Neutral {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = deserializer.deserialize_any(NeutralVisitor)?;
        Ok(Self(value))
    }
}

struct NeutralVisitor;

impl<'de> Visitor<'de> for NeutralVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of the profile")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(json!({ "nil": null }))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(json!({ "bool": value }))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(json!({ "int": value.to_string() }))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(json!({ "int": value.to_string() }))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(json!({ "float": format!("{:016x}", value.to_bits()) }))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(json!({ "str": value }))
    }

    fn visit_bytes<E: serde::de::Error>(self, value: &[u8]) -> Result<Value, E> {
        // The decoder hands over text that is not UTF-8 as bytes, to a type that takes them.
        match value {
            [0xc3, 0x28] => Err(E::custom("text that is not UTF-8")),
            value => Ok(json!({ "bin": hex(value) })),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Neutral(value)) = seq.next_element()? {
            values.push(value);
        }
        Ok(json!({ "array": values }))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some((Neutral(key), Neutral(value))) = map.next_entry()? {
            entries.push(json!([key, value]));
        }
        Ok(json!({ "map": entries }))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

impl Vector {
    fn location(&self) -> Location {
        let location = Location::new(DocumentPath::parse(&self.document).unwrap())
            .with_scope(Scope::new(self.scope.clone()).unwrap());
        match &self.realm {
            Some(realm) => location.with_realm(realm.clone()).unwrap(),
            None => location,
        }
    }

    fn ring(&self) -> KeyRing {
        let mut keys = self.keys.iter().map(|key| DataKey::from_bytes(unhex(key)[..].try_into().unwrap()));
        let ring = KeyRing::new(keys.next().unwrap()).with_scope(Scope::new(self.scope.clone()).unwrap());
        keys.fold(ring, KeyRing::with_active)
    }

    fn open(&self) -> Result<Value, Cause> {
        let sealed = match (&self.envelope, &self.text) {
            (Some(envelope), _) => Sealed::from_bytes(unhex(envelope)),
            (None, Some(text)) => serde_json::from_value(json!(text)).unwrap(),
            (None, None) => panic!("{}: nothing is stored", self.name),
        };
        let raw = self.value.as_ref().is_some_and(|value| value.get("raw").is_some());
        let placed = PlacedSealed { field: self.field.clone(), raw, sealed };
        let opened = Placed::open(placed, &self.location(), &self.ring());
        opened.map(|Placed(value)| value).map_err(|error| match error {
            OpenError::Fields { failures, .. } if failures.len() == 1 => failures[0].cause,
            other => panic!("{}: {other}", self.name),
        })
    }
}

fn outcome(cause: Cause) -> &'static str {
    match cause {
        Cause::Malformed => "malformed",
        Cause::KeyUnknown(_) => "key_unknown",
        Cause::DoesNotOpen => "does_not_open",
        Cause::OtherType => "not_decodable",
        Cause::Plaintext => "plaintext",
        other => panic!("{other} is not the outcome of a vector"),
    }
}

#[test]
fn positive_vectors_open() {
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("vectors/open.json")).unwrap();
    for vector in &vectors {
        assert_eq!(vector.outcome, "opens", "{}", vector.name);
        let opened = vector.open().unwrap_or_else(|cause| panic!("{}: {cause}", vector.name));
        if let Some(value) = &vector.value {
            assert_eq!(&opened, value, "{}", vector.name);
        }
    }
    println!("{} vectors opened", vectors.len());
    assert!(vectors.len() >= 80);
    promise::Promise::kept("documented_format", vectors.len());
}

#[test]
fn hostile_vectors_are_refused() {
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("vectors/refuse.json")).unwrap();
    for vector in &vectors {
        let cause = vector.open().expect_err(&vector.name);
        assert_eq!(outcome(cause), vector.outcome, "{}", vector.name);
    }
    println!("{} vectors refused", vectors.len());
    assert!(vectors.len() >= 80);
    promise::Promise::kept("documented_format", vectors.len());
}

#[test]
fn key_ids_are_as_listed() {
    let keys: Vec<Value> = serde_json::from_str(include_str!("vectors/keys.json")).unwrap();
    assert_eq!(keys.len(), 3);
    for key in keys {
        let bytes = unhex(key["data_key"].as_str().unwrap());
        let data_key = DataKey::from_bytes(bytes[..].try_into().unwrap());
        assert_eq!(data_key.id().to_string(), key["key_id"]);
    }
}
