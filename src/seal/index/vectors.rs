//! The vectors of tokens, compared byte for byte with `tests/vectors/tokens.json`.
//! `FIRESEAL_BLESS=1 cargo test --lib vectors` writes them.

use std::path::Path;

use serde_json::{Value, json};

use super::canonical::Canonical;
use super::place::{What, push_what, reservations, unique};
use super::range::Buckets;
use super::*;
use crate::bytes::{DocumentPath, Location, Scope};
use crate::keys::IndexKey;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn key() -> IndexKey {
    IndexKey::from_bytes(&std::array::from_fn(|position| u8::try_from(position).expect("below 32")))
}

/// Where a value is indexed.
struct At {
    location: Location,
    path: Vec<String>,
}

impl At {
    fn usual() -> Self {
        Self::of("customers/ada", &["field"])
    }

    fn of(document: &str, path: &[&str]) -> Self {
        let document = DocumentPath::parse(document).expect("valid");
        let path = path.iter().map(|name| (*name).to_owned()).collect();
        Self { location: Location::new(document), path }
    }

    fn scope(mut self, scope: &str) -> Self {
        self.location = self.location.with_scope(Scope::new(scope).expect("valid"));
        self
    }

    fn realm(mut self, realm: &str) -> Self {
        self.location = self.location.with_realm(realm).expect("valid");
        self
    }

    fn vector(&self, name: &str, kind: Value, normalize: &[Normalizer], bits: u8, value: Value) -> Value {
        let steps: Vec<_> = normalize.iter().map(|step| format!("{step:?}").to_lowercase()).collect();
        json!({
            "name": name, "index_key": hex(key().expose_secret()), "realm": self.location.realm(),
            "scope": self.location.scope().as_str(), "document": self.location.document().as_str(),
            "field": self.path, "kind": kind, "normalize": steps, "bits": bits, "value": value,
        })
    }

    /// A vector of a field. The kind is written as the attribute has it.
    fn field(&self, name: &str, info: IndexInfo, value: Scalar) -> Value {
        let kind = match &info.kind {
            IndexKind::Equality => json!("equality"),
            IndexKind::Unique => json!("unique"),
            IndexKind::Prefix { min, max } => json!({ "prefix": { "min": min, "max": max } }),
            IndexKind::Words => json!("words"),
            IndexKind::Range(range) => match range {
                Range::Integer { min, max, step } => {
                    json!({ "integers": { "min": min.to_string(), "max": max.to_string(), "step": step.to_string() } })
                }
                Range::Decimal { min, max, step } => {
                    json!({ "decimals": { "min": min, "max": max, "step": step } })
                }
                Range::Time { min, max, step } => {
                    json!({ "times": { "min": min, "max": max, "step": step } })
                }
            },
        };
        let mut vector = self.vector(name, kind, info.normalize, info.bits, json_of(&value));
        let infos = Box::leak(Box::new([info]));
        let terms =
            [Terms { path: self.path.clone(), values: Values::Field { infos, value: value.clone() } }];
        let mut entries = tokens(&terms, &key(), &self.location).expect("indexable");
        let entry = entries.remove(&entry_name(&self.path)).expect("one entry");
        let all: Vec<_> =
            entry.eq.iter().chain(&entry.prefix).chain(&entry.words).chain(&entry.range).collect();
        vector["tokens"] = all.into_iter().map(|token| hex(token)).collect();
        if let Some(token) = entry.unique {
            vector["unique"] = hex(&token).into();
            vector["code"] = hex(&vouch(&key(), &token, &self.location)).into();
        }
        if matches!(info.kind, IndexKind::Equality) {
            let what = What::Equality;
            self.steps(&mut vector, what, info.normalize, info.bits, Canonical::of(&value, info.normalize));
        }
        vector
    }

    fn compound(&self, name: &str, info: CompoundInfo, parts: Vec<Scalar>) -> Value {
        let value = parts.iter().map(json_of).collect();
        let mut vector = self.vector(name, json!("compound"), info.normalize, info.bits, value);
        let canonical = Canonical::of_all(&parts, info.normalize);
        let (info, path) = (Box::leak(Box::new(info)), self.path.clone());
        let terms = [Terms { path, values: Values::Compound { info, parts } }];
        let mut entries = tokens(&terms, &key(), &self.location).expect("indexable");
        let entry = entries.remove(&entry_name(&self.path)).expect("one entry");
        vector["tokens"] = entry.eq.iter().map(|token| hex(token)).collect();
        self.steps(&mut vector, What::Compound, info.normalize, info.bits, canonical);
        vector
    }

    /// The steps on the way, for whoever writes another implementation.
    fn steps(
        &self,
        vector: &mut Value,
        what: What<'_>,
        normalize: &[Normalizer],
        bits: u8,
        canonical: Result<Canonical, NotIndexable>,
    ) {
        let collection = self.location.document().parent();
        let (realm, scope) = (self.location.realm(), self.location.scope());
        let mut info = IndexPlace { realm, scope, collection: collection.id() }.encode();
        push_what(&mut info, &self.path, what, normalize, bits);
        vector["info"] = hex(&info).into();
        vector["canonical"] = hex(canonical.expect("indexable").as_bytes()).into();
    }
}

fn json_of(value: &Scalar) -> Value {
    match value {
        Scalar::Text(text) => json!({ "text": text }),
        Scalar::Integer(integer) => json!({ "integer": integer.to_string() }),
        Scalar::Bool(truth) => json!({ "truth": truth }),
        Scalar::Bytes(bytes) => json!({ "bytes": hex(bytes) }),
        Scalar::Real(real) => json!({ "real": real }),
    }
}

fn text(text: &str) -> Scalar {
    Scalar::Text(text.to_owned())
}

fn all() -> Vec<Value> {
    use Normalizer::{CaseFold, Digits, Email, Nfc, Nfkc, Trim};
    let usual = At::usual();
    let equality = IndexInfo { kind: IndexKind::Equality, normalize: &[], bits: 128 };
    let with = |normalize| IndexInfo { normalize, ..equality };
    let bits = |bits| IndexInfo { bits, ..equality };
    let kind = |kind| IndexInfo { kind, ..equality };
    let range = |range| kind(IndexKind::Range(range));
    let integers = range(Range::Integer { min: 0, max: 200_000, step: 1_000 });
    let decimals = range(Range::Decimal { min: "-10.00", max: "1000.00", step: "0.50" });
    let times = range(Range::Time { min: -2_208_988_800, max: 4_102_444_800, step: 86_400 });
    let names = |normalize| CompoundInfo { name: "full_name", normalize, bits: 64 };
    let compound = At::of("customers/ada", &["full_name"]);
    vec![
        usual.field("text", equality, text("ada@example.com")),
        usual.field("empty text", equality, text("")),
        usual.field("integer", equality, Scalar::Integer(1_815)),
        usual.field("negative integer", equality, Scalar::Integer(-1)),
        usual.field("truth", equality, Scalar::Bool(true)),
        usual.field("bytes", equality, Scalar::Bytes(vec![0, 255])),
        usual.field("text of digits", equality, text("1815")),
        At::of("customers/ada", &["address", "city.name"]).field("nested", equality, text("Ockham")),
        At::of("tenants/acme/customers/ada", &["field"]).field("subcollection", equality, text("ada")),
        At::usual().scope("żółw").realm("staging").field("scope and realm", equality, text("ada")),
        usual.field("13 bits", bits(13), text("ada")),
        usual.field("8 bits", bits(8), text("ada")),
        usual.field("trim", with(&[Trim]), text("\u{3000} Ada \u{a0}")),
        usual.field("casefold", with(&[CaseFold]), text("Straße")),
        usual.field("nfc", with(&[Nfc]), text("Cafe\u{301}")),
        usual.field("nfkc", with(&[Nfkc]), text("ﬁＡ①")),
        usual.field("email", with(&[Email]), text(" Ada.L+x@STRAßE.Example")),
        usual.field("digits", with(&[Digits]), text("+44 (0)20 ٧٩٤٦-0958")),
        usual.field("three normalisers", with(&[Nfkc, Trim, CaseFold]), text(" ＡＤＡ ")),
        usual.field("unique", IndexInfo { normalize: &[CaseFold], ..kind(IndexKind::Unique) }, text("Ada")),
        At::of("tenants/acme/customers/ada", &["field"]).field(
            "unique below a document",
            kind(IndexKind::Unique),
            text("Ada"),
        ),
        usual.field("prefixes", kind(IndexKind::Prefix { min: 2, max: 4 }), text("Zoë 🐢")),
        usual.field("shorter than every prefix", kind(IndexKind::Prefix { min: 2, max: 4 }), text("Z")),
        usual.field(
            "words",
            IndexInfo { normalize: &[CaseFold], ..kind(IndexKind::Words) },
            text("The can't-do, the 3.5 Café!"),
        ),
        usual.field("range of integers", integers, Scalar::Integer(41_999)),
        usual.field("below the domain", integers, Scalar::Integer(-5)),
        usual.field("above the domain", integers, Scalar::Integer(i128::MAX)),
        usual.field("range of decimals", decimals, text("12.345")),
        usual.field("negative decimal", decimals, text("-0.01")),
        usual.field("floating-point number", decimals, Scalar::Real(0.1)),
        usual.field("time", times, text("2026-01-31T23:30:00.5-02:00")),
        usual.field("date", times, text("2026-01-31")),
        compound.compound("compound", names(&[CaseFold]), vec![text("Ada"), text("Lovelace")]),
        compound.compound(
            "compound of kinds",
            names(&[]),
            vec![text("Ada"), Scalar::Integer(7), Scalar::Bool(false)],
        ),
    ]
}

#[test]
fn the_committed_tokens_are_what_is_made() {
    let lines: Vec<_> = all().iter().map(Value::to_string).collect();
    let made = format!("[\n{}\n]\n", lines.join(",\n"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/tokens.json");
    if std::env::var_os("FIRESEAL_BLESS").is_some() {
        std::fs::write(&path, &made).expect("tests/vectors can be written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(made == committed, "tokens.json differs from what this code makes: stored indexes would be lost");
}

/// The places that are not in the vectors as such.
#[test]
fn the_other_places_are_the_documented_ones() {
    let location = At::of("a/b/c/d", &[]).location;
    let head =
        |label: &str| [&[u8::try_from(label.len()).expect("short"), 0, 0, 0][..], label.as_bytes()].concat();
    let rest = b"\0\0\0\0\x07\0\0\0default";
    assert_eq!(reservations(&location), [&head("fireseal v1 reservation key")[..], rest].concat());
    let place = unique(None, location.scope(), &location.document().parent());
    let path = b"\x02\x03\0\0\0\x01\x01\0\0\0a\x02\x01\0\0\0b\x01\x01\0\0\0c";
    assert_eq!(place, [&head("fireseal v1 token key")[..], rest, path].concat());
    let buckets = Buckets::of(&Range::Decimal { min: "0.00", max: "10", step: "0.50" }).expect("valid");
    let mut what = Vec::new();
    push_what(&mut what, &["f".to_owned()], What::Range(&buckets), &[], 128);
    let mut expected = b"\x01\0\0\0\x03\x01\0\0\0f\x04\0\0\0\0\x03\x01\0\0\0".to_vec();
    [0_u128, 100, 5].iter().for_each(|units| expected.extend_from_slice(&units.to_le_bytes()));
    expected.push(128);
    assert_eq!(what, expected);
}
