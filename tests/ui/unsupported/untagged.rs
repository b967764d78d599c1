use fireseal::Sealable;

#[derive(Sealable)]
#[serde(untagged)]
enum Newtypes {
    One(#[sensitive] String),
    Two(#[sensitive] u8),
}

#[derive(Sealable)]
#[serde(untagged)]
enum Nested {
    One(#[sealable(nested)] Other),
    Two { name: String },
}

#[derive(Sealable)]
#[serde(untagged)]
enum Fields {
    One {
        name: String,
        #[sensitive]
        value: u8,
    },
    Two {
        name: String,
        #[sensitive]
        value: String,
        more: String,
    },
}

#[derive(Sealable)]
#[serde(untagged)]
enum Tuples {
    One(u8, #[sensitive] u8),
    Two(u8, #[sensitive] String),
}

#[derive(Sealable)]
#[serde(tag = "type")]
enum Internal {
    One(#[sensitive] String),
}

#[derive(Sealable)]
struct Other {
    #[sensitive]
    ssn: String,
}

fn main() {}
