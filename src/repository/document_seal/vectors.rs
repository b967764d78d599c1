//! The test vectors of document seals, compared with `tests/vectors/documents.json`.
//! `FIRESEAL_BLESS=1 cargo test --lib vectors` writes them.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value as Json, json};

use super::*;
use crate::bytes::{DocumentPath, Scope};
use crate::seal::Cause;
use crate::store::{Time, set_at};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn value(value: ValueType) -> Value {
    Value { value_type: Some(value) }
}

fn fields<const N: usize>(fields: [(&str, Value); N]) -> Fields {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn double(number: f64) -> Value {
    value(ValueType::DoubleValue(number))
}

fn point(latitude: f64, longitude: f64) -> Value {
    let mut value = value(ValueType::GeoPointValue(Default::default()));
    if let Some(ValueType::GeoPointValue(point)) = &mut value.value_type {
        (point.latitude, point.longitude) = (latitude, longitude);
    }
    value
}

fn time(seconds: i64, nanos: i32) -> Value {
    value(ValueType::TimestampValue(Time { seconds, nanos }))
}

/// A value as the vectors have it: its one key names the kind, a double is its bits in hex.
fn shown(value: &Value) -> Json {
    let bits = |number: f64| json!(format!("{:016x}", number.to_bits()));
    match value.value_type.as_ref().expect("a value") {
        ValueType::NullValue(_) => json!({ "null": null }),
        ValueType::BooleanValue(truth) => json!({ "boolean": truth }),
        ValueType::IntegerValue(number) => json!({ "integer": number.to_string() }),
        ValueType::DoubleValue(number) => json!({ "double": bits(*number) }),
        ValueType::TimestampValue(time) => json!({ "timestamp": [time.seconds, time.nanos] }),
        ValueType::StringValue(text) => json!({ "string": text }),
        ValueType::BytesValue(bytes) => json!({ "bytes": hex(bytes) }),
        ValueType::ReferenceValue(name) => json!({ "reference": name }),
        ValueType::GeoPointValue(at) => json!({ "point": [bits(at.latitude), bits(at.longitude)] }),
        ValueType::ArrayValue(array) => {
            json!({ "array": array.values.iter().map(shown).collect::<Vec<_>>() })
        }
        ValueType::MapValue(map) => json!({ "map": shown_fields(&map.fields) }),
        other => panic!("{other:?} is not stored"),
    }
}

fn shown_fields(fields: &Fields) -> BTreeMap<String, Json> {
    fields.iter().map(|(name, value)| (name.clone(), shown(value))).collect()
}

/// A document that is sealed.
#[derive(Clone)]
struct Sealed {
    key: [u8; 32],
    location: Location,
    fields: Fields,
}

const INFO: SealInfo = SealInfo { covered: &[], unbound: &[] };

impl Sealed {
    fn of(document: &str, fields: Fields, unbound: &[&str]) -> Self {
        let location = Location::new(DocumentPath::parse(document).expect("valid"));
        Self { key: [7; 32], location, fields }.sealed(unbound, None)
    }

    fn at(document: &str, scope: &str, realm: &str, fields: Fields) -> Self {
        let location = Location::new(DocumentPath::parse(document).expect("valid"))
            .with_scope(Scope::new(scope).expect("valid"))
            .with_realm(realm)
            .expect("valid");
        Self { key: [7; 32], location, fields }.sealed(&[], None)
    }

    fn sealed(mut self, unbound: &[&str], before: Option<&DocumentSeal>) -> Self {
        let unbound = unbound.iter().map(|&name| name.to_owned()).collect();
        let key = DataKey::from_bytes(&self.key);
        let seal = make(&self.fields, before, unbound, &self.location, &key).expect("has a form");
        set_at(&mut self.fields, &seal_map::document_seal_path(), seal);
        self
    }

    fn changed(&self, change: impl FnOnce(&mut Fields)) -> Self {
        let mut changed = self.clone();
        change(&mut changed.fields);
        changed
    }

    fn outcome(&self) -> &'static str {
        let look_up = |id: &KeyId| {
            let key = DataKey::from_bytes(&self.key);
            if key.id() == *id { KeyLookup::Found(Arc::new(key)) } else { KeyLookup::Unknown }
        };
        match verify(&INFO, &self.fields, &self.location, look_up, &Demands::default()) {
            Ok(_) => "verifies",
            Err(Unauthentic::Unsealed) => "unsealed",
            Err(Unauthentic::Malformed) => "malformed",
            Err(Unauthentic::Key(Cause::KeyUnknown(_))) => "key_unknown",
            Err(Unauthentic::Changed) => "changed",
            Err(other) => panic!("{other}"),
        }
    }

    fn vector(&self, name: &str, outcome: &str) -> Json {
        assert_eq!(self.outcome(), outcome, "{name}");
        let mut vector = json!({
            "name": name,
            "outcome": outcome,
            "key": hex(&self.key),
            "realm": self.location.realm(),
            "scope": self.location.scope().as_str(),
            "document": self.location.document().as_str(),
            "fields": shown_fields(&self.fields),
        });
        if let (Ok(Some(seal)), "verifies") = (stored(&self.fields), outcome) {
            let message = message(&seal, &self.fields, &self.location).expect("it verifies");
            vector["message"] = json!(hex(message.as_bytes()));
        }
        vector
    }
}

fn part<'a>(fields: &'a mut Fields, path: &[&str]) -> &'a mut Fields {
    path.iter().fold(fields, |fields, name| match &mut fields.get_mut(*name).expect("there").value_type {
        Some(ValueType::MapValue(map)) => &mut map.fields,
        other => panic!("{name} is {other:?}"),
    })
}

fn all() -> Vec<Json> {
    let envelope = bytes([&[1][..], &[5; 72]].concat());
    let tokens = map_of(fields([("key", bytes(vec![8; 16])), ("eq", bytes(vec![9; 16]))]));
    let upkeep = map_of(fields([("idx", map_of(fields([("ssn", tokens)]))), ("write", bytes(vec![3; 16]))]));
    let usual = Sealed::of(
        "customers/ada",
        fields([
            ("id", string_value("ada")),
            ("name", string_value("Żółw")),
            ("ssn", envelope.clone()),
            ("visits", value(ValueType::IntegerValue(3))),
            ("_seal", upkeep),
        ]),
        &["seen", "visits"],
    );
    let inner = map_of(fields([
        ("", value(ValueType::NullValue(0))),
        ("b", value(ValueType::BooleanValue(true))),
        (
            "a",
            array_of(vec![value(ValueType::IntegerValue(i64::MIN)), string_value(""), map_of(Fields::new())]),
        ),
        ("ab", array_of(Vec::new())),
        ("é", double(1.5)),
    ]));
    let reference = "projects/p/databases/d/documents/a/b".to_owned();
    let kinds = Sealed::of(
        "tenants/acme/customers/ada",
        fields([
            ("map", inner),
            ("nan", double(f64::from_bits(0xfff8_0000_0000_0001))),
            ("zero", double(-0.0)),
            ("infinity", double(f64::NEG_INFINITY)),
            ("time", time(-1, 123_456_789)),
            ("reference", value(ValueType::ReferenceValue(reference))),
            ("point", point(-0.0, 180.0)),
            ("empty", bytes(Vec::new())),
        ]),
        &[],
    );
    let bare = |text: &str| fields([("id", string_value("ada")), ("text", string_value(text))]);
    let elsewhere = Sealed::at("a/b", "żółw", "staging", bare("text"));
    let before = stored(&usual.fields).expect("a seal");
    let later = usual.clone().sealed(&["visits"], before.as_ref());
    let as_kept = kinds.changed(|fields| {
        fields.insert("nan".into(), double(f64::NAN));
        fields.insert("zero".into(), double(0.0));
        fields.insert("time".into(), time(-1, 123_456_000));
        fields.insert("point".into(), point(0.0, 180.0));
    });
    let doc = ["_seal", "doc"];
    let with =
        |name: &str, value: Value| usual.changed(|all| drop(part(all, &doc).insert(name.into(), value)));
    let without = |name: &str| usual.changed(|all| drop(part(all, &doc).remove(name)));
    let integer = |number| value(ValueType::IntegerValue(number));
    let list = |names: &[&str]| array_of(names.iter().map(|&name| string_value(name)).collect());
    let moved = |document: &str| {
        let location = Location::new(DocumentPath::parse(document).expect("valid"));
        Sealed { location, ..usual.clone() }
    };
    vec![
        usual.vector("every part", "verifies"),
        later.vector("the next revision", "verifies"),
        kinds.vector("values of every kind", "verifies"),
        as_kept.vector("the same as the database keeps them", "verifies"),
        elsewhere.vector("another scope, a realm", "verifies"),
        Sealed::of("a/b", Fields::new(), &[]).vector("no field", "verifies"),
        usual.changed(|all| drop(all.remove("visits"))).vector("no unbound field", "verifies"),
        usual.changed(|all| drop(all.insert("seen".into(), integer(1)))).vector("another one", "verifies"),
        usual.changed(|all| drop(part(all, &["_seal"]).remove("write"))).vector("no mark", "verifies"),
        kinds
            .changed(|all| drop(part(all, &["_seal"]).insert("idx".into(), map_of(Fields::new()))))
            .vector("an empty index that was left", "verifies"),
        usual.changed(|all| drop(part(all, &["_seal"]).remove("doc"))).vector("no seal", "unsealed"),
        usual.changed(|all| drop(all.remove("_seal"))).vector("no `_seal`", "unsealed"),
        with("v", integer(2)).vector("version 2", "malformed"),
        with("rev", integer(0)).vector("revision 0", "malformed"),
        with("rev", integer(-1)).vector("a negative revision", "malformed"),
        with("rev", double(1.0)).vector("a double for a revision", "malformed"),
        with("more", integer(1)).vector("something else in it", "malformed"),
        with("mac", bytes(vec![0; 31])).vector("a short code", "malformed"),
        with("key", bytes(vec![0; 33])).vector("a long key id", "malformed"),
        without("unbound").vector("no list of unbound names", "malformed"),
        with("covered", list(&["ssn", "name", "id"])).vector("names in another order", "malformed"),
        with("covered", list(&["id", "id", "name", "ssn"])).vector("a name twice", "malformed"),
        with("unbound", list(&["name", "seen", "visits"])).vector("a name in both lists", "malformed"),
        with("unbound", list(&["_seal", "seen", "visits"])).vector("`_seal` as a name", "malformed"),
        with("unbound", array_of(vec![integer(1)])).vector("a name that is a number", "malformed"),
        Sealed { key: [6; 32], ..usual.clone() }.vector("another key", "key_unknown"),
        with("rev", integer(2)).vector("another revision", "changed"),
        with("mac", bytes(vec![0; 32])).vector("another code", "changed"),
        with("unbound", list(&["visits"])).vector("an unbound name less", "changed"),
        with("unbound", list(&["more", "seen", "visits"])).vector("an unbound name more", "changed"),
        with("covered", list(&["id", "name", "ssn", "tel"])).vector("a covered name more", "changed"),
        usual
            .changed(|all| drop(all.insert("name".into(), string_value("Eve"))))
            .vector("a clear value", "changed"),
        usual
            .changed(|all| drop(all.insert("ssn".into(), bytes(vec![1; 73]))))
            .vector("an envelope", "changed"),
        usual.changed(|all| drop(all.remove("ssn"))).vector("no envelope", "changed"),
        usual.changed(|all| drop(all.insert("new".into(), envelope))).vector("a field more", "changed"),
        usual.changed(|all| part(all, &["_seal", "idx"]).clear()).vector("no token", "changed"),
        usual
            .changed(|all| drop(part(all, &["_seal", "idx", "ssn"]).insert("key".into(), bytes(vec![0; 16]))))
            .vector("another index epoch", "changed"),
        usual
            .changed(|all| drop(part(all, &["_seal"]).insert("new".into(), integer(1))))
            .vector("something else in `_seal`", "changed"),
        kinds
            .changed(|all| drop(all.insert("zero".into(), integer(0))))
            .vector("an integer for a double", "changed"),
        kinds
            .changed(|all| drop(all.insert("time".into(), time(-1, 123_457_000))))
            .vector("a microsecond", "changed"),
        moved("customers/eve").vector("another document", "changed"),
        moved("customers/ada/customers/ada").vector("a document below", "changed"),
        Sealed { location: moved("customers/ada").location.with_realm("x").expect("valid"), ..usual.clone() }
            .vector("another realm", "changed"),
    ]
}

#[test]
fn the_committed_documents_are_what_is_sealed() {
    let lines: Vec<_> = all().iter().map(Json::to_string).collect();
    let made = format!("[\n{}\n]\n", lines.join(",\n"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/documents.json");
    if std::env::var_os("FIRESEAL_BLESS").is_some() {
        std::fs::write(&path, &made).expect("tests/vectors can be written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        made == committed,
        "documents.json differs from what this code makes: sealed documents would be lost"
    );
}
