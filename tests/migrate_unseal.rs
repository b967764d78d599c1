//! `seal` and then `unseal` gives back documents equal value for value, of every Firestore type at every depth.

#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/steps.rs"]
mod steps;
#[macro_use]
#[path = "support/stores.rs"]
mod stores;

use std::collections::BTreeMap;
use std::sync::Arc;

use fireseal::operations::{CollectionConfig, FailureKind, Seal, Unseal, Verify};
use fireseal::store::{Fields, MemoryStore, Time, Value, ValueType};
use fireseal::{Repository, Sealable, SealedRepository};
use firestore::gcloud_sdk::google::firestore::v1::{ArrayValue, MapValue};
use firestore::gcloud_sdk::google::r#type::LatLng;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use steps::*;

/// Names that meet patterns, and names that need quoting.
const NAMES: [&str; 7] = ["a", "b", "list", "a.b", "`", "\\", "é f"];

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(ValueType::NullValue(0)),
        any::<bool>().prop_map(ValueType::BooleanValue),
        any::<i64>().prop_map(ValueType::IntegerValue),
        (0..300_i64).prop_map(ValueType::IntegerValue),
        prop_oneof![Just(0.0), Just(-0.0), Just(f64::NAN), Just(f64::NEG_INFINITY), any::<f64>()]
            .prop_map(ValueType::DoubleValue),
        (-62_135_596_800..=253_402_300_799_i64, 0..1_000_000)
            .prop_map(|(seconds, micros)| ValueType::TimestampValue(Time { seconds, nanos: micros * 1_000 })),
        any::<String>().prop_map(ValueType::StringValue),
        // Text that reads like what other types are sealed as.
        prop::sample::select(&["2020-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "c/a", ""][..])
            .prop_map(|text| ValueType::StringValue(text.to_owned())),
        any::<Vec<u8>>()
            .prop_filter("begins as an envelope does", |bytes| bytes.len() < 74 || bytes[0] != 1)
            .prop_map(ValueType::BytesValue),
        (-90.0..=90.0, -180.0..=180.0)
            .prop_map(|(latitude, longitude)| ValueType::GeoPointValue(LatLng { latitude, longitude })),
        (-90.0..=90.0, -180.0..=180.0).prop_map(|(latitude, longitude): (f64, f64)| {
            let double = |number| val(ValueType::DoubleValue(number));
            let fields = fields([("latitude", double(latitude)), ("longitude", double(longitude))]);
            ValueType::MapValue(MapValue { fields })
        }),
        Just(ValueType::ReferenceValue("projects/p/databases/(default)/documents/c/a".to_owned())),
        prop::collection::vec(any::<f32>().prop_map(f64::from), 1..5).prop_map(|numbers| {
            let numbers = array(numbers.into_iter().map(|number| val(ValueType::DoubleValue(number))));
            let fields = fields([("__type__", text("__vector__")), ("value", numbers)]);
            ValueType::MapValue(MapValue { fields })
        }),
    ]
    .prop_map(val)
}

fn is_vector(value: &Value) -> bool {
    matches!(&value.value_type, Some(ValueType::MapValue(map)) if map.fields.contains_key("__type__"))
}

fn value() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 24, 4, |inner| {
        let in_array =
            |value: &Value| !matches!(value.value_type, Some(ValueType::ArrayValue(_))) && !is_vector(value);
        let array = prop::collection::vec(inner.clone().prop_filter("no array in an array", in_array), 0..4)
            .prop_map(|values| ValueType::ArrayValue(ArrayValue { values }));
        let map = fields_of(inner).prop_map(|fields| ValueType::MapValue(MapValue { fields }));
        prop_oneof![1 => array, 2 => map].prop_map(val)
    })
}

fn fields_of(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Fields> {
    prop::collection::hash_map(prop::sample::select(&NAMES[..]).prop_map(str::to_owned), value, 0..4)
}

/// Sealed as a whole, inside maps, inside arrays, padded, as raw bytes, with a kind; and one that stays in the clear.
fn document() -> impl Strategy<Value = Fields> {
    let inner = || prop::option::of(value());
    let elements = prop::collection::vec(fields_of(value()), 0..4);
    let raw = prop_oneof![
        any::<Vec<u8>>()
            .prop_filter("begins as an envelope does", |bytes| bytes.first() != Some(&1))
            .prop_map(|raw| bytes(&raw)),
        any::<Vec<u8>>().prop_map(|raw| array(raw.into_iter().map(|byte| integer(byte.into())))),
        Just(val(ValueType::NullValue(0))),
    ];
    let parts = (value(), inner(), fields_of(value()), elements, inner(), inner(), inner(), raw, inner());
    parts.prop_map(|(whole, deep, entries, elements, padded, time, place, raw, clear)| {
        let mut all = fields([("whole", whole), ("raw", raw)]);
        let deep: Fields = deep.into_iter().map(|deep| ("deep".to_owned(), deep)).collect();
        all.insert("in".to_owned(), val(ValueType::MapValue(MapValue { fields: deep })));
        all.insert("each".to_owned(), val(ValueType::MapValue(MapValue { fields: entries })));
        let elements = elements.into_iter().map(|fields| val(ValueType::MapValue(MapValue { fields })));
        all.insert("list".to_owned(), array(elements));
        for (name, value) in [("padded", padded), ("time", time), ("place", place), ("clear", clear)] {
            all.extend(value.map(|value| (name.to_owned(), value)));
        }
        all
    })
}

fn everything() -> CollectionConfig {
    config(
        r#"{"things": {"fields": {
            "whole": {}, "in.deep": {}, "each.*": {}, "list[].a": {}, "list[].`a.b`": {},
            "padded": {"pad": 32}, "raw": {"bytes": true}, "time": {"kind": "timestamp"}, "place": {"kind": "geopoint"}
        }}}"#,
    )
}

/// Counts values by type, at every depth.
fn count(value: &Value, counts: &mut BTreeMap<&'static str, u64>) {
    let name = match &value.value_type {
        None | Some(ValueType::NullValue(_)) => "null",
        Some(ValueType::BooleanValue(_)) => "bool",
        Some(ValueType::IntegerValue(_)) => "integer",
        Some(ValueType::DoubleValue(number)) if number.is_nan() => "NaN",
        Some(ValueType::DoubleValue(number)) if number.to_bits() == (-0.0_f64).to_bits() => "-0.0",
        Some(ValueType::DoubleValue(_)) => "double",
        Some(ValueType::TimestampValue(_)) => "timestamp",
        Some(ValueType::StringValue(_)) => "string",
        Some(ValueType::BytesValue(_)) => "bytes",
        Some(ValueType::ReferenceValue(_)) => "reference",
        Some(ValueType::GeoPointValue(_)) => "geopoint",
        Some(ValueType::ArrayValue(array)) => {
            array.values.iter().for_each(|value| count(value, counts));
            "array"
        }
        Some(ValueType::MapValue(map)) => {
            map.fields.values().for_each(|value| count(value, counts));
            if is_vector(value) { "vector" } else { "map" }
        }
        Some(other) => panic!("{other:?}"),
    };
    *counts.entry(name).or_default() += 1;
}

/// Seals and unseals generated documents; how many values of each type went there and back.
async fn there_and_back(store: &Db, documents: usize, seed: u64) -> (BTreeMap<&'static str, u64>, u64) {
    let mut runner = TestRunner::new(Config { rng_seed: RngSeed::Fixed(seed), ..Config::default() });
    let drawn: Vec<Fields> =
        (0..documents).map(|_| document().new_tree(&mut runner).unwrap().current()).collect();
    for (id, fields) in drawn.into_iter().enumerate() {
        put(store, &format!("things/{id:05}"), fields).await;
    }
    // As the store keeps them.
    let before = by_path(store, "things").await;
    let mut counts = BTreeMap::new();
    before.values().flat_map(Fields::values).for_each(|value| count(value, &mut counts));

    let (seal, unseal) =
        (Seal::new(everything(), ring()).unwrap(), Unseal::new(everything(), ring()).unwrap());
    let sealed = run(store, "things", &seal).await.clean();
    run(store, "things", &seal).await.idle();
    let verified = run(store, "things", &Verify::new(everything(), ring()).unwrap()).await.idle();
    assert_eq!(
        (verified.counts.opened, verified.counts.digest),
        (sealed.counts.sealed, sealed.counts.digest)
    );

    let unsealed = run(store, "things", &unseal).await.clean();
    assert_eq!(unsealed.counts.unsealed, sealed.counts.sealed);
    let after = by_path(store, "things").await;
    assert_eq!(before.len(), after.len());
    for (path, before) in &before {
        assert!(same_fields(before, &after[path]), "{path}: {before:?}\nbecame {:?}", after[path]);
    }
    run(store, "things", &unseal).await.idle();
    (counts, sealed.counts.sealed)
}

fn all_types(counts: &BTreeMap<&'static str, u64>) {
    let types = [
        "-0.0",
        "NaN",
        "array",
        "bool",
        "bytes",
        "double",
        "geopoint",
        "integer",
        "map",
        "null",
        "reference",
        "string",
        "timestamp",
        "vector",
    ];
    assert_eq!(counts.keys().copied().collect::<Vec<_>>(), types);
    assert!(counts.values().all(|count| *count > 5), "{counts:?}");
}

#[tokio::test]
async fn every_type_at_every_depth_survives_in_memory() {
    let store: Db = Arc::new(MemoryStore::new());
    let (counts, sealed) = there_and_back(&store, 600, 5).await;
    println!("600 documents in memory, {sealed} sealed values and back: {counts:?}");
    all_types(&counts);
}

#[tokio::test]
async fn every_type_at_every_depth_survives_in_the_emulator() {
    let emulator = fireseal_emulator::Emulator::shared().await.unwrap();
    let project = emulator.project().unwrap();
    let store: Db = Arc::new(fireseal::store::FirestoreStore::new(project.firestore().await.unwrap()));
    let (counts, sealed) = there_and_back(&store, 300, 7).await;
    println!("300 documents in the emulator, {sealed} sealed values and back: {counts:?}");
    all_types(&counts);
}

#[derive(Sealable)]
#[sealable(collection = "customers")]
struct Customer {
    #[sealable(id)]
    id: String,
    #[sensitive(index)]
    email: String,
    #[sensitive]
    big: u64,
    #[sensitive]
    born: firestore::FirestoreTimestamp,
    #[sensitive(unique)]
    nick: Option<String>,
}

fn customer(big: u64, nick: Option<&str>) -> Customer {
    let born = firestore::FirestoreTimestamp("1815-12-10T00:00:00Z".parse().unwrap());
    let nick = nick.map(str::to_owned);
    Customer { id: "ada".to_owned(), email: "ada@example.org".to_owned(), big, born, nick }
}

async fn what_the_type_sealed_is_unsealed_as_its_kind(store: Db) {
    let typed = Repository::<Customer>::new(Arc::clone(&store), ring());
    typed.create(&customer(7, None)).await.unwrap();
    let some = sealing("customers", &["email"]);
    run(&store, "customers", &Unseal::new(some, ring()).unwrap()).await.clean();
    let stored = read(&store, "customers/ada").await.unwrap().fields;
    assert_eq!(stored["email"], text("ada@example.org"));
    assert!(!stored.contains_key("_seal"), "the last entry takes `_seal` with it");
    let sealed = SealedRepository::<Customer>::new(Arc::clone(&store)).get("ada").await.unwrap().unwrap();
    assert!(sealed.big.key_id().is_some(), "what was not named stays sealed");

    let all = config(
        r#"{"customers": {"fields": {"email": {}, "big": {}, "born": {"kind": "timestamp"}, "nick": {}}}}"#,
    );
    run(&store, "customers", &Unseal::new(all, ring()).unwrap()).await.clean();
    let stored = read(&store, "customers/ada").await.unwrap().fields;
    let born = val(ValueType::TimestampValue(Time { seconds: -4_861_728_000, nanos: 0 }));
    let null = val(ValueType::NullValue(0));
    let expected = [
        ("id", text("ada")),
        ("email", text("ada@example.org")),
        ("big", integer(7)),
        ("born", born),
        ("nick", null),
    ];
    assert_eq!(stored, fields(expected));
}

async fn what_firestore_has_no_value_for_or_reserves_is_a_failure(store: Db) {
    let typed = Repository::<Customer>::new(Arc::clone(&store), ring());
    typed.create(&customer(u64::MAX, None)).await.unwrap();
    let unseal = |patterns: &[&str]| Unseal::new(sealing("customers", patterns), ring()).unwrap();
    let pass = run(&store, "customers", &unseal(&["email", "big"])).await;
    assert_eq!((pass.written, pass.failed[0].kind), (0, FailureKind::NeedsType));
    assert_eq!(pass.failed[0].field.as_ref().unwrap().to_string(), "big");

    typed.set(&customer(7, Some("ada"))).await.unwrap();
    let before = by_path(&store, "customers").await;
    let pass = run(&store, "customers", &unseal(&["nick"])).await;
    assert_eq!((pass.written, pass.failed[0].kind), (0, FailureKind::NeedsType));
    assert!(pass.failed[0].reason.contains("unique"), "{}", pass.failed[0]);
    assert_eq!(by_path(&store, "customers").await, before);
    // What does not open stays as it is.
    let other = fireseal::KeyRing::new(fireseal::DataKey::generate().unwrap());
    let pass = run(&store, "customers", &Unseal::new(sealing("customers", &["email"]), other).unwrap()).await;
    assert_eq!((pass.written, pass.failed[0].kind), (0, FailureKind::KeyUnknown));
}

on_both_stores!(
    what_the_type_sealed_is_unsealed_as_its_kind,
    what_firestore_has_no_value_for_or_reserves_is_a_failure,
);

#[tokio::test]
async fn what_values_were_is_sealed_itself() {
    let store: Db = Arc::new(MemoryStore::new());
    let time = || val(ValueType::TimestampValue(Time { seconds: 0, nanos: 0 }));
    let secret = map([("diagnosed", time()), ("plain", text("x"))]);
    put(&store, "things/one", fields([("whole", secret)])).await;
    put(&store, "things/two", fields([("whole", map([("diagnosed", text("x"))]))])).await;
    run(&store, "things", &Seal::new(sealing("things", &["whole"]), ring()).unwrap()).await.clean();
    let stored = by_path(&store, "things").await;
    assert!(!format!("{stored:?}").contains("diagnosed"));
    assert!(!stored["things/two"].contains_key("_seal"), "nothing is kept where the plaintext tells all");
    let kept = match &stored["things/one"]["_seal"].value_type {
        Some(ValueType::MapValue(seal)) => seal.fields["was"].clone(),
        other => panic!("{other:?}"),
    };
    // Moved to another document it does not open, so that document is not guessed at.
    change(&store, "things/two", "_seal", map([("was", kept)])).await;
    let pass = run(&store, "things", &Unseal::new(sealing("things", &["whole"]), ring()).unwrap()).await;
    assert_eq!((pass.written, pass.failed.len()), (1, 1));
    assert_eq!(pass.failed[0].field.as_ref().unwrap().to_string(), "_seal.was");
}
