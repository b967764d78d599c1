use fireseal::Sealable;

#[derive(Sealable)]
#[sealable(debug, debug, sealed = One)]
#[sealable(sealed = Two, derive(PartialEq), derive(Eq))]
#[serde(rename_all = "camelCase", rename_all = "lowercase")]
struct Customer {
    #[sensitive]
    #[sensitive]
    ssn: String,
    #[sensitive(bytes, pad = 64, pad = 32, bytes)]
    photo: Vec<u8>,
    #[sealable(nested, nested)]
    other: Option<Other>,
    #[serde(default, default, rename = "a", rename = "b")]
    clear: String,
}

#[derive(Sealable)]
struct Other {
    #[sensitive]
    ssn: String,
}

fn main() {}
