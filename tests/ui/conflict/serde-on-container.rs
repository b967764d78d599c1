use fireseal::Sealable;

#[derive(Sealable)]
#[serde(from = "Other", into = "Other", try_from = "Other", remote = "Other", transparent, bound = "")]
struct Customer {
    #[sensitive]
    ssn: String,
}

#[derive(Sealable)]
#[serde(rename_all(serialize = "camelCase", deserialize = "lowercase"))]
struct TwoRules {
    #[sensitive]
    ssn: String,
}

#[derive(Sealable)]
#[serde(rename_all = "camel", field_identifier)]
struct UnknownRule {
    #[sensitive]
    ssn: String,
}

#[derive(Sealable)]
#[serde(default)]
enum Contact {
    Email(#[sensitive] String),
}

#[derive(Sealable)]
enum Variant {
    #[serde(skip)]
    Skipped(#[sensitive] String),
    #[serde(with = "module")]
    With(#[sensitive] String),
    #[serde(bound = "")]
    Bound(#[sensitive] String),
}

fn main() {}
