//! The handles that the derive writes: where they point, how they compare, and what they compile for.

#![allow(clippy::unwrap_used, missing_docs)]

use fireseal::Sealable;
use fireseal::query::{Condition, Keyed, all, any, fields, schema};
use firestore::jiff::Timestamp;

#[derive(Sealable)]
#[sealable(
    collection = "people",
    compound(name = "full_name", fields(first, last), normalize(casefold), bits = 64),
    compound(name = "at", fields(country, email))
)]
#[serde(rename_all = "camelCase")]
pub struct Person {
    #[sealable(id)]
    id: String,
    country: String,
    #[serde(alias = "alias")]
    nick_name: Option<String>,
    #[serde(rename = "born")]
    born_in: u16,
    ratio: f64,
    tags: Vec<String>,
    #[serde(with = "firestore::serialize_as_timestamp")]
    since: Timestamp,
    #[serde(with = "firestore::serialize_as_null")]
    maybe: Option<u32>,
    r#type: String,
    #[serde(skip)]
    skipped: Option<String>,
    #[sensitive]
    ssn: String,
    #[sensitive(unique(normalize(email), bits = 96), prefix(min = 2, max = 8, normalize(casefold)))]
    email: String,
    #[sensitive(index, words(normalize(nfkc, casefold)))]
    first: String,
    #[sensitive(index)]
    last: Option<String>,
    #[sensitive(range(min = 0, max = 200, step = 1))]
    age: u32,
    #[sensitive(range(min = "1900-01-01", max = "2100-01-01", step = "1d"), index)]
    birthday: String,
    #[sensitive(range(min = "0.00", max = "1000.00", step = "0.01"))]
    price: f64,
    #[sensitive(bytes, index)]
    digest: [u8; 4],
    #[sealable(nested)]
    address: Address,
    #[sealable(nested)]
    work: Option<Box<Address>>,
    #[sealable(nested)]
    others: Vec<Plain>,
    #[serde(flatten)]
    #[sealable(nested)]
    flat: Flat,
}

#[derive(Sealable)]
struct Address {
    city: String,
    #[sensitive(index)]
    street: String,
    #[sealable(nested)]
    next: Option<Box<Address>>,
}

#[derive(Sealable)]
struct Plain {
    #[sensitive]
    secret: String,
}

#[derive(Sealable)]
struct Flat {
    note: String,
    #[sensitive(index)]
    pin: u32,
}

#[test]
fn it_compiles() {
    let c = fields::<Person>();
    println!("{:?}", c.country.eq("GB").and(c.email.eq("ada@example.com")));
    println!("{:?}", c.since.gt(Timestamp::UNIX_EPOCH));
    println!("{:?}", c.work.street.eq("x").or(c.address.next.next.city.eq("y")));
    println!("{:?}", c.full_name.eq(("Ada", "Lovelace")));
    println!("{:?}", schema::<Person>());
    let _ = (c.age.between(1..5), c.digest.eq([1, 2, 3, 4]), c.tags.contains("x"), c.born_in.lt(5));
    let _: Condition<Person, Keyed> = any([c.flat.pin.eq(5), c.first.has_word("a")]);
    let _ = all([c.maybe.eq(5), c.maybe.eq(None)]);
}
