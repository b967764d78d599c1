//! The handles that the derive writes: where they point, how they compare, what they open, and the indexed
//! values that the derive collects.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::collections::{BTreeSet, HashMap};

use fireseal::query::{
    At, Condition, InClear, Keyed, Opaque, QueryError, Queryable, Schema, Stored, all, any, fields, schema,
};
use fireseal::store::{Fields, Value, ValueType};
use fireseal::{IndexKind, Normalizer, Range, Sealable};
use firestore::jiff::Timestamp;
use serde::{Deserialize, Serialize};

#[derive(Sealable)]
#[sealable(
    collection = "people",
    compound(name = "full_name", fields(first, last), normalize(trim, casefold), bits = 64),
    compound(name = "at_home", fields(country, email))
)]
#[serde(rename_all = "camelCase")]
pub struct Person {
    #[sealable(id)]
    pub id: String,
    pub country: String,
    #[serde(alias = "alias")]
    nick_name: Option<String>,
    #[serde(rename = "born")]
    born_in: u16,
    ratio: f64,
    tags: Vec<String>,
    codes: Option<BTreeSet<u8>>,
    #[serde(with = "firestore::serialize_as_timestamp")]
    since: Timestamp,
    #[serde(with = "upper")]
    upper: Vec<String>,
    #[serde(with = "firestore::serialize_as_null")]
    maybe: Option<u32>,
    level: Level,
    r#type: String,
    #[serde(default = "seven")]
    defaulted: u32,
    #[serde(skip)]
    skipped: Option<String>,
    #[sensitive]
    ssn: String,
    #[sensitive(unique(normalize(email)), prefix(min = 2, max = 8, normalize(nfc, casefold)))]
    pub(crate) email: String,
    #[sensitive(index, words(normalize(nfkc, digits)))]
    first: String,
    #[sensitive(index)]
    last: Option<String>,
    #[sensitive(range(min = -5, max = 200, step = 1))]
    age: u32,
    #[sensitive(range(min = "1900-01-01", max = "2100-01-01T00:00:00Z", step = "12h"), index)]
    birthday: String,
    #[sensitive(range(min = "0.00", max = "1000.00", step = "0.01", bits = 40))]
    price: f64,
    #[sensitive(bytes, index)]
    digest: Option<[u8; 4]>,
    #[sensitive(index, pad = 32)]
    #[serde(with = "text")]
    number: u32,
    #[sealable(nested)]
    address: Address,
    #[sealable(nested)]
    #[serde(rename = "office")]
    work: Option<Box<Address>>,
    #[sealable(nested)]
    others: Vec<Plain>,
    #[sealable(nested)]
    either: Either,
    #[serde(flatten)]
    #[sealable(nested)]
    flat: Flat,
    #[serde(flatten)]
    rest: HashMap<String, String>,
}

fn seven() -> u32 {
    7
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Low,
    High,
}

#[derive(Sealable)]
struct Address {
    city: String,
    #[sensitive(index)]
    #[serde(alias = "road")]
    street: String,
    #[sealable(nested)]
    #[serde(default)]
    next: Option<Box<Address>>,
}

#[derive(Sealable)]
struct Plain {
    #[sensitive]
    secret: String,
}

#[derive(Sealable)]
enum Either {
    This(#[sensitive] String),
    That(#[sensitive] u32),
}

#[derive(Sealable)]
struct Flat {
    note: String,
    #[sensitive(index)]
    pin: u32,
}

/// Texts that are stored in capitals.
mod upper {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(texts: &[String], serializer: S) -> Result<S::Ok, S::Error> {
        texts.iter().map(|text| text.to_uppercase()).collect::<Vec<_>>().serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        Ok(texts.iter().map(|text| text.to_lowercase()).collect())
    }
}

/// Numbers as text.
mod text {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(value: &u32, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// What a condition asks, without the names of its types.
fn asked<S>(condition: &Condition<Person, S>) -> String {
    let text = format!("{condition:?}");
    text.replace("Value { value_type: Some", "").replace(") })", "))").replace(" }", "").replace(" { ", " ")
}

#[test]
fn clear_fields_compare_as_they_are_stored() {
    let c = fields::<Person>();
    let field = |path: &str, op: &str, value: &str| {
        format!("Clear(Field field: Path([{path}]), op: {op}, value: {value})")
    };
    for (condition, expected) in [
        (c.country.eq("GB"), field("\"country\"", "Equal", "(StringValue(\"GB\"))")),
        (c.country.ne(String::from("GB")), field("\"country\"", "NotEqual", "(StringValue(\"GB\"))")),
        (c.nick_name.gt("A"), field("\"nickName\"", "Greater", "(StringValue(\"A\"))")),
        (
            c.nick_name.ge(Some("A".to_owned())),
            field("\"nickName\"", "GreaterOrEqual", "(StringValue(\"A\"))"),
        ),
        (c.born_in.lt(1815), field("\"born\"", "Less", "(IntegerValue(1815))")),
        (c.r#type.le("x"), field("\"type\"", "LessOrEqual", "(StringValue(\"x\"))")),
        (c.level.eq(Level::High), field("\"level\"", "Equal", "(StringValue(\"high\"))")),
        (c.maybe.eq(3), field("\"maybe\"", "Equal", "(IntegerValue(3))")),
        (
            c.since.gt(Timestamp::from_second(5).unwrap()),
            field("\"since\"", "Greater", "(TimestampValue(Timestamp seconds: 5, nanos: 0))"),
        ),
        (c.tags.contains("x"), field("\"tags\"", "Contains", "(StringValue(\"x\"))")),
        (c.codes.contains(3), field("\"codes\"", "Contains", "(IntegerValue(3))")),
        (c.upper.contains("abc"), field("\"upper\"", "Contains", "(StringValue(\"ABC\"))")),
        (c.address.city.eq("Rome"), field("\"address\", \"city\"", "Equal", "(StringValue(\"Rome\"))")),
        (c.work.city.eq("Rome"), field("\"office\", \"city\"", "Equal", "(StringValue(\"Rome\"))")),
        (
            c.work.next.next.city.eq("Rome"),
            field("\"office\", \"next\", \"next\", \"city\"", "Equal", "(StringValue(\"Rome\"))"),
        ),
        (c.flat.note.eq("n"), field("\"note\"", "Equal", "(StringValue(\"n\"))")),
        (c.id.gt("m"), "Clear(Field field: Name, op: Greater, value: (StringValue(\"m\")))".to_owned()),
    ] {
        assert_eq!(asked(&condition), expected);
    }
}

#[test]
fn nothing_equals_null_or_nan_but_they_can_be_asked_for() {
    let c = fields::<Person>();
    let is = |path: &str, is: &str| format!("Clear(Is field: Path([{path:?}]), is: {is})");
    assert_eq!(asked(&c.maybe.eq(None)), is("maybe", "Null"));
    assert_eq!(asked(&c.maybe.ne(None)), is("maybe", "NotNull"));
    assert_eq!(asked(&c.ratio.eq(f64::NAN)), is("ratio", "Nan"));
    assert_eq!(asked(&c.ratio.ne(f64::NAN)), is("ratio", "NotNan"));
    assert_eq!(asked(&c.country.is_not_null()), is("country", "NotNull"));
    assert_eq!(asked(&c.maybe.is_in([None::<u32>])), is("maybe", "Null"));
    let both = asked(&c.maybe.is_in([None, Some(3)]));
    assert!(
        both.starts_with("Any([Clear(Is") && both.contains("op: In") && !both.contains("NullValue"),
        "{both}"
    );
    let neither = asked(&c.maybe.not_in([None, Some(3)]));
    assert!(neither.starts_with("All([Clear(Is") && neither.contains("op: NotIn"), "{neither}");
    assert_eq!(asked(&c.maybe.not_in([None::<u32>; 0])), is("maybe", "NotNull"));
    assert_eq!(asked(&c.id.not_in([""; 0])), "All([])");
    for empty in [c.country.is_in([""; 0]), c.tags.contains_any([""; 0]), c.id.is_in([""; 0])] {
        assert_eq!(asked(&empty), "Never");
    }
    assert_eq!(asked(&c.email.is_in([""; 0])), "Never");
}

#[test]
fn what_cannot_be_asked_is_an_error_of_the_query() {
    let c = fields::<Person>();
    let wrong = |condition: &str| {
        assert!(condition.starts_with("Wrong("), "{condition}");
    };
    wrong(&asked(&c.nick_name.eq(None)));
    wrong(&asked(&c.ratio.lt(f64::NAN)));
    wrong(&asked(&c.maybe.gt(None)));
    wrong(&asked(&c.last.eq(None)));
    wrong(&asked(&c.full_name.eq(("Ada", None))));
    wrong(&asked(&c.digest.eq(None)));
    let text = QueryError::Absent { field: "nickName".into() }.to_string();
    assert!(text.contains("nickName") && text.contains("serialize_as_null"), "{text}");
}

#[test]
fn sealed_fields_ask_their_indexes() {
    let c = fields::<Person>();
    for (condition, path, kind) in [
        (c.email.eq("ada@example.com"), "[\"email\"]", "kind: Unique, normalize: [Email], bits: 128"),
        (
            c.email.starts_with("ad"),
            "[\"email\"]",
            "kind: Prefix min: 2, max: 8, normalize: [Nfc, CaseFold], bits: 128",
        ),
        (c.first.eq("Ada"), "[\"first\"]", "kind: Equality, normalize: [], bits: 128"),
        (c.first.has_words(["a", "b"]), "[\"first\"]", "kind: Words, normalize: [Nfkc, Digits], bits: 128"),
        (c.last.is_in(["x", "y"]), "[\"last\"]", "kind: Equality"),
        (c.age.between(18..65), "[\"age\"]", "kind: Range(Integer min: -5, max: 200, step: 1)"),
        (c.age.lt(5), "[\"age\"]", "kind: Range"),
        (
            c.birthday.between("1990-01-01"..="1999-12-31"),
            "[\"birthday\"]",
            "kind: Range(Time min: -2208988800, max: 4102444800, step: 43200)",
        ),
        (
            c.price.ge(9.99),
            "[\"price\"]",
            "kind: Range(Decimal min: \"0.00\", max: \"1000.00\", step: \"0.01\"), normalize: [], bits: 40",
        ),
        (c.digest.eq([1, 2, 3, 4]), "[\"digest\"]", "kind: Equality"),
        (c.number.eq(5), "[\"number\"]", "kind: Equality"),
        (c.address.street.eq("x"), "[\"address\", \"street\"]", "kind: Equality"),
        (c.work.next.street.eq("x"), "[\"office\", \"next\", \"street\"]", "kind: Equality"),
        (c.flat.pin.eq(1234), "[\"pin\"]", "kind: Equality"),
        (
            c.full_name.eq(("Ada", "Lovelace")),
            "[\"full_name\"]",
            "Compound info: CompoundInfo name: \"full_name\", normalize: [Trim, CaseFold], bits: 64",
        ),
        (c.at_home.is_in([("GB", "a@b")]), "[\"at_home\"]", "parts: [PartAt(country), PartAt(email)]"),
    ] {
        let text = asked(&condition);
        assert!(
            text.starts_with(&format!("Indexed(Indexed path: {path}, ")) && text.contains(kind),
            "{text}"
        );
        for secret in ["ada@example.com", "Ada", "Lovelace", "1990"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[test]
fn conditions_join() {
    let c = fields::<Person>();
    let clear: Condition<Person, InClear> = c.country.eq("GB").and(c.born_in.lt(1900)).and(c.ratio.gt(0.5));
    assert_eq!(asked(&clear).matches("All(").count(), 1, "one conjunction, not a nest of them");
    let keyed: Condition<Person, Keyed> = clear.clone().or(c.email.eq("x")).or(c.first.eq("y"));
    let text = asked(&keyed);
    assert!(text.starts_with("Any([All([") && text.matches("Any(").count() == 1, "{text}");
    let _: Condition<Person, Keyed> = any([clear.into(), c.email.eq("x")]);
    let _: Condition<Person, Keyed> = c.email.eq("x").and(c.country.eq("GB"));
    assert_eq!(asked(&any::<Person, InClear>([])), "Never");
    assert_eq!(asked(&all::<Person, InClear>([])), "All([])");
    assert!(format!("{:?}", c.born_in.descending()).contains("\"born\""));
    assert!(format!("{:?}", c.id.ascending()).contains("Name"));
}

fn string(text: &str) -> Value {
    Value { value_type: Some(ValueType::StringValue(text.to_owned())) }
}

#[test]
fn clear_values_are_read_through_their_adapters_and_defaults() {
    let c = fields::<Person>();
    let stored: Fields = [("alias", string("Countess")), ("country", string("GB"))]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    assert_eq!(c.country.decode(&stored), Ok("GB".to_owned()));
    assert_eq!(c.nick_name.decode(&stored), Ok(Some("Countess".to_owned())), "under its alias");
    assert_eq!(c.nick_name.at().paths(), [["nickName"], ["alias"]]);
    assert_eq!(c.defaulted.decode(&stored), Ok(7));
    assert!(matches!(c.born_in.decode(&stored), Err(QueryError::OtherType { .. })));
    assert!(matches!(c.r#type.decode(&stored), Err(QueryError::OtherType { .. })));
    let mut stored = stored;
    let capitals = fireseal::store::Value {
        value_type: Some(ValueType::ArrayValue(firestore::gcloud_sdk::google::firestore::v1::ArrayValue {
            values: vec![string("ABC")],
        })),
    };
    stored.insert("upper".to_owned(), capitals);
    assert_eq!(c.upper.decode(&stored), Ok(vec!["abc".to_owned()]));
}

#[test]
fn the_schema_lists_every_stored_field() {
    let schema: Schema = schema::<Person>();
    let find = |path: &[&str]| schema.fields().iter().find(|field| field.path == path);
    for (path, stored) in [
        (&["id"][..], Stored::Id),
        (&["country"], Stored::Clear),
        (&["nickName"], Stored::Clear),
        (&["since"], Stored::Clear),
        (&["type"], Stored::Clear),
        (&["ssn"], Stored::Sealed),
        (&["email"], Stored::Sealed),
        (&["address", "city"], Stored::Clear),
        (&["address", "street"], Stored::Sealed),
        (&["office", "street"], Stored::Sealed),
        (&["others"], Stored::Holding),
        (&["either"], Stored::Holding),
        (&["note"], Stored::Clear),
        (&["pin"], Stored::Sealed),
    ] {
        assert_eq!(find(path).map(|field| field.stored), Some(stored), "{path:?}");
    }
    assert_eq!(schema.fields().len(), 30);
    assert!(find(&["skipped"]).is_none());
    assert_eq!(find(&["address", "street"]).unwrap().aliases, [["address", "road"]]);
    let email = find(&["email"]).unwrap().indexes;
    assert_eq!(email[0].kind, IndexKind::Unique);
    assert_eq!((email[0].normalize, email[0].bits), (&[Normalizer::Email][..], 128));
    let age = find(&["age"]).unwrap().indexes;
    assert_eq!(age[0].kind, IndexKind::Range(Range::Integer { min: -5, max: 200, step: 1 }));
    let compounds: Vec<_> =
        schema.compounds().iter().map(|compound| (&compound.path, &compound.fields)).collect();
    assert_eq!(compounds[0].0, &["full_name"]);
    assert_eq!(compounds[0].1, &[["first"], ["last"]]);
    assert!(schema.is_open(), "a flattened map has names that only values tell");
    assert!(!fireseal::query::schema::<Flat>().is_open());
}

/// A type parameter that is stored, and nothing else is known of it.
#[derive(Sealable)]
#[sealable(collection = "envelopes", compound(name = "both", fields(kind, secret)))]
struct Envelope<T, const N: usize>
where
    T: Copy,
{
    #[sealable(id)]
    id: String,
    clear: T,
    #[serde(serialize_with = "number", deserialize_with = "no_number")]
    adapted: Wrapper<T>,
    kind: String,
    #[sensitive(index)]
    secret: [T; 1],
    numbers: [u8; 2],
    #[sensitive]
    more: Option<T>,
    #[sealable(nested)]
    next: Option<Box<Envelope<T, N>>>,
}

#[derive(Clone, Debug)]
struct Wrapper<T>(std::marker::PhantomData<T>);

fn number<T, S: serde::Serializer>(_: &Wrapper<T>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u8(7)
}

fn no_number<'de, T, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Wrapper<T>, D::Error> {
    u8::deserialize(deserializer).map(|_| Wrapper(std::marker::PhantomData))
}

/// A generic nested type.
#[derive(Sealable)]
struct Around<T> {
    #[sealable(nested)]
    inner: Option<T>,
    #[sensitive]
    secret: String,
}

#[test]
fn generic_types_have_handles() {
    let c = fields::<Envelope<u32, 3>>();
    let text = format!("{:?}", c.next.next.clear.eq(5));
    assert!(text.contains("[\"next\", \"next\", \"clear\"]") && text.contains("IntegerValue(5)"), "{text}");
    let text = format!("{:?}", c.adapted.eq(Wrapper(std::marker::PhantomData)));
    assert!(text.contains("IntegerValue(7)"), "{text}");
    let _ = c.secret.clone();
    let c = fields::<Around<Address>>();
    assert!(format!("{:?}", c.inner.city.eq("x")).contains("[\"inner\", \"city\"]"));
    assert!(fireseal::query::schema::<Envelope<u32, 3>>().is_open(), "it holds itself");
    const { assert!(Envelope::<u32, 3>::INDEXED && Around::<Address>::INDEXED && !Around::<Plain>::INDEXED) };
}

#[test]
fn what_cannot_be_asked_for_is_opaque() {
    let c = fields::<Person>();
    let _: &Opaque = &c.others;
    let _: &Opaque = &c.either;
    let _: &Opaque = &c.rest;
    let _: Opaque = Either::handles::<Person>(&At::root());
    const { assert!(Person::INDEXED && Address::INDEXED && !Plain::INDEXED && !Either::INDEXED) };
}

/// Two types that hold each other: one of them in an array.
#[derive(Sealable)]
#[sealable(collection = "folders")]
struct Folder {
    #[sealable(id)]
    id: String,
    #[sealable(nested)]
    owner: Option<Box<Owner>>,
}

#[derive(Sealable)]
struct Owner {
    #[sensitive]
    name: String,
    #[sealable(nested)]
    folders: Vec<Folder>,
}

#[test]
fn types_may_hold_each_other_through_an_array() {
    const { assert!(!Folder::INDEXED && !Owner::INDEXED) };
    let schema = fireseal::query::schema::<Folder>();
    assert!(schema.fields().iter().any(|field| field.path == ["owner", "name"]));
    let owner = Owner { name: "Ada".to_owned(), folders: Vec::new() };
    let folder = Folder { id: "f".to_owned(), owner: Some(Box::new(owner)) };
    assert!(folder.owner.is_some_and(|owner| owner.folders.is_empty() && owner.name == "Ada"));
    assert_eq!(folder.id, "f");
}
