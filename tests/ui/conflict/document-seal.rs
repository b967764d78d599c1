//! A document seal is of documents, and leaves out clear fields only.

use std::collections::BTreeMap;

use fireseal::Sealable;

#[derive(Sealable)]
#[sealable(collection = "customers")]
struct NotAuthenticated {
    #[sealable(id)]
    id: String,
    #[sealable(unbound)]
    visits: i64,
    #[sensitive]
    ssn: String,
}

#[derive(Sealable)]
#[sealable(authenticated)]
struct NoDocument {
    #[sealable(unbound)]
    visits: i64,
    #[sensitive]
    ssn: String,
}

#[derive(Sealable)]
struct Nested {
    #[sealable(unbound)]
    visits: i64,
    #[sensitive]
    ssn: String,
}

#[derive(Sealable)]
#[sealable(collection = "customers", authenticated, scope = tenant)]
struct AlwaysCovered {
    #[sealable(id, unbound)]
    id: String,
    #[sealable(unbound)]
    tenant: String,
    #[sealable(unbound)]
    #[sensitive]
    ssn: String,
    #[sealable(nested, unbound)]
    nested: Option<Nested>,
    #[sealable(unbound)]
    #[serde(flatten)]
    more: BTreeMap<String, String>,
    #[sealable(unbound)]
    #[serde(skip)]
    cached: i64,
}

#[derive(Sealable)]
#[sealable(authenticated)]
enum Contact {
    Mail(#[sensitive] String),
}

fn main() {}
