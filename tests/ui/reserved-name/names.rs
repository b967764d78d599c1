use fireseal::Sealable;

#[derive(Sealable)]
#[serde(tag = "_seal")]
struct Customer {
    _seal: String,
    #[sensitive]
    #[serde(alias = "_seal")]
    alias: String,
    #[sensitive]
    _firestore_id: String,
    #[sealable(nested)]
    #[serde(rename = "_firestore_created")]
    created: Other,
    #[serde(rename = "_firestore_full_id")]
    fine: String,
}

#[derive(Sealable)]
enum Contact {
    #[serde(rename = "_seal")]
    Email(#[sensitive] String),
}

#[derive(Sealable)]
struct Other {
    #[sensitive]
    ssn: String,
}

fn main() {}
