//! What a handle opens is what was indexed, and nothing else opens.

use fireseal_derive::Sealable;

use super::node::{Asked, Indexed, Node, PartAt};
use super::{fields, schema};
use crate::bytes::{DocumentPath, KeyId, Location};
use crate::keys::{DataKey, KeyLookup, KeyRing};
use crate::seal::{Cause, Scalar, Sealable as _, Terms, Values, Walk};
use crate::store::{Fields, value};

#[derive(Sealable)]
#[sealable(crate = crate, collection = "people", compound(name = "full_name", fields(first, last, country)))]
struct Person {
    #[sealable(id)]
    id: String,
    country: String,
    #[sensitive(index, words)]
    #[serde(alias = "given")]
    first: String,
    #[sensitive(index)]
    last: Option<String>,
    #[sensitive(index, bytes)]
    digest: Vec<u8>,
    #[sensitive(index)]
    #[serde(with = "text")]
    number: u32,
    #[sensitive(range(min = 0, max = 200, step = 1))]
    #[serde(default)]
    age: u32,
    #[sensitive(index)]
    #[serde(skip_serializing_if = "String::is_empty", default)]
    nick: String,
    #[sealable(nested)]
    address: Option<Address>,
    #[serde(flatten)]
    #[sealable(nested)]
    flat: Flat,
}

#[derive(Sealable)]
#[sealable(crate = crate)]
struct Address {
    #[sensitive(unique)]
    street: String,
}

#[derive(Sealable)]
#[sealable(crate = crate)]
struct Flat {
    #[sensitive(index)]
    pin: u32,
}

mod text {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &u32, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

fn ada() -> Person {
    Person {
        id: "ada".to_owned(),
        country: "GB".to_owned(),
        first: "Ada".to_owned(),
        last: Some("Lovelace".to_owned()),
        digest: vec![1, 2],
        number: 7,
        age: 36,
        nick: String::new(),
        address: Some(Address { street: "St James's Square".to_owned() }),
        flat: Flat { pin: 1234 },
    }
}

fn ring() -> KeyRing {
    KeyRing::new(DataKey::from_bytes(&[1; 32]))
}

fn location(id: &str) -> Location {
    Location::new(DocumentPath::parse(&format!("people/{id}")).expect("valid"))
}

fn stored(person: &Person) -> Fields {
    value::encode(&person.seal(&location("ada"), &ring()).expect("seals")).expect("is stored")
}

fn open(part: &PartAt, fields: &Fields, id: &str) -> Result<Option<Scalar>, Cause> {
    let (ring, location) = (ring(), location(id));
    let look_up = move |key: &KeyId| -> KeyLookup { ring.key(key) };
    part.open(fields, &mut Walk::reveal(&location, &look_up, None))
}

fn terms(person: &Person) -> Vec<Terms> {
    let mut walk = Walk::indexing();
    person.index(&mut walk).expect("has a place in the indexes");
    walk.into_terms()
}

/// Every question that the handles ask about what is stored for Ada.
fn questions() -> Vec<Indexed> {
    let c = fields::<Person>();
    let conditions = [
        c.first.eq("Ada"),
        c.last.eq("Lovelace"),
        c.digest.eq([1, 2].to_vec()),
        c.number.eq(7),
        c.age.ge(36),
        c.address.street.eq("St James's Square"),
        c.flat.pin.eq(1234),
        c.full_name.eq(("Ada", "Lovelace", "GB")),
    ];
    let indexed = conditions.into_iter().map(|condition| match condition.into_node() {
        Node::Indexed(indexed) => (*indexed).clone(),
        node => panic!("{node:?}"),
    });
    indexed.collect()
}

#[test]
fn what_is_indexed_is_what_is_asked_and_what_is_opened_for_the_check() {
    let (terms, stored) = (terms(&ada()), stored(&ada()));
    let questions = questions();
    assert_eq!(terms.len(), questions.len(), "an empty nick is not stored, and not indexed");
    for question in &questions {
        let term = terms.iter().find(|term| term.path == question.path);
        let opened: Vec<_> = question.parts.iter().map(|part| open(part, &stored, "ada")).collect();
        match (&term.expect("is indexed").values, &question.asked) {
            (Values::Field { infos, value }, Asked::Field { info, .. }) => {
                assert!(infos.contains(info), "{:?}", question.path);
                assert_eq!(opened, [Ok(Some(value.clone()))], "{:?}", question.path);
            }
            (Values::Compound { info, parts }, Asked::Compound { info: asked, probes }) => {
                assert_eq!(info, asked);
                assert_eq!(probes, std::slice::from_ref(parts));
                let parts: Vec<_> = parts.iter().cloned().map(|part| Ok(Some(part))).collect();
                assert_eq!(opened, parts);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_value_of_another_place_does_not_open() {
    let mut fields = stored(&ada());
    for question in questions() {
        for part in question.parts.iter().filter(|part| part.at().path() != ["country"]) {
            assert_eq!(open(part, &fields, "eve"), Err(Cause::DoesNotOpen), "{part:?}");
        }
    }
    let (first, last) = (fields.remove("first").expect("stored"), fields.remove("last").expect("stored"));
    fields.extend([("first".to_owned(), last), ("last".to_owned(), first)]);
    for question in &questions()[..2] {
        assert_eq!(open(&question.parts[0], &fields, "ada"), Err(Cause::DoesNotOpen));
    }
    fields.insert("first".to_owned(), value::string_value("Ada"));
    assert_eq!(open(&questions()[0].parts[0], &fields, "ada"), Err(Cause::Plaintext));
}

#[test]
fn an_absent_value_is_its_default() {
    let mut fields = stored(&ada());
    for name in ["last", "age", "first", "address"] {
        fields.remove(name);
    }
    let questions = questions();
    let opened = |position: usize| open(&questions[position].parts[0], &fields, "ada");
    assert_eq!(opened(0), Err(Cause::Missing));
    assert_eq!(opened(1), Ok(None));
    assert_eq!(opened(4), Ok(Some(Scalar::Integer(0))));
    assert_eq!(opened(5), Err(Cause::Missing));
    assert!(terms(&Person { last: None, ..ada() }).iter().all(|term| term.path != ["full_name"]));
}

/// As `first` was stored once.
#[derive(Sealable)]
#[sealable(crate = crate)]
struct Former {
    #[sensitive]
    given: String,
}

#[test]
fn an_aliased_value_opens_under_its_older_name() {
    let former = Former { given: "Ada".to_owned() }.seal(&location("ada"), &ring()).expect("seals");
    let fields = value::encode(&former).expect("is stored");
    assert_eq!(open(&questions()[0].parts[0], &fields, "ada"), Ok(Some(Scalar::Text("Ada".to_owned()))));
}

#[test]
fn handles_open_a_projected_field() {
    let (ring, location, stored) = (ring(), location("ada"), stored(&ada()));
    let look_up = move |key: &KeyId| -> KeyLookup { ring.key(key) };
    let mut walk = Walk::reveal(&location, &look_up, None);
    let c = fields::<Person>();
    assert_eq!(c.number.open(&stored, &mut walk), Ok(7));
    assert_eq!(c.digest.open(&stored, &mut walk), Ok(vec![1, 2]));
    assert_eq!(c.address.street.open(&stored, &mut walk), Ok("St James's Square".to_owned()));
    assert_eq!(c.country.decode(&stored), Ok("GB".to_owned()));
    assert_eq!(schema::<Person>().compounds().len(), 1);
}
