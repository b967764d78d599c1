use fireseal::Sealable;

#[derive(Sealable)]
struct Customer {
    #[sensitive]
    #[serde(skip)]
    skipped: String,
    #[sensitive]
    #[serde(skip_serializing)]
    unwritten: String,
    #[sensitive]
    #[serde(skip_deserializing)]
    unread: String,
    #[sensitive]
    #[serde(flatten)]
    flat: String,
    #[sensitive]
    #[serde(rename(serialize = "a", deserialize = "b"))]
    two_names: String,
    #[sensitive]
    #[serde(rename(serialize = "c"))]
    other_name: String,
    #[sensitive(bytes)]
    #[serde(with = "module")]
    bytes: Vec<u8>,
    #[sensitive]
    #[serde(getter = "function")]
    got: String,
    #[sensitive]
    #[serde(borrow, bound = "")]
    borrowed: String,
}

#[derive(Sealable)]
struct Newtype(
    #[sensitive]
    #[serde(skip_serializing_if = "String::is_empty")]
    String,
);

#[derive(Sealable)]
struct Tuple(
    #[sensitive]
    #[serde(skip_serializing_if = "String::is_empty")]
    String,
    #[serde(skip)] u8,
);

fn main() {}
