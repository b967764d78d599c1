use fireseal::Sealable;
use std::borrow::Cow;

#[derive(Sealable)]
union Union {
    #[sensitive]
    number: u32,
    other: u32,
}

#[derive(Sealable)]
struct Borrowed<'a> {
    #[sensitive]
    text: &'a str,
    other: Cow<'a, str>,
}

#[derive(Sealable)]
struct Static {
    #[sensitive]
    text: Option<&'static str>,
}

#[derive(Sealable)]
#[sealable(collection = "contacts")]
enum Contact {
    Email(#[sensitive] String),
}

#[derive(Sealable)]
#[sealable(collection = "contacts")]
struct Tuple(#[sealable(id)] String, #[sensitive] String);

#[derive(Sealable)]
#[sealable(collection = "contacts")]
struct SkippedId {
    #[sealable(id)]
    #[serde(skip)]
    id: String,
    #[sensitive]
    ssn: String,
}

fn main() {}
