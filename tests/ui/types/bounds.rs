use fireseal::Sealable;

struct Opaque;

#[derive(Sealable)]
struct Sensitive {
    #[sensitive]
    opaque: Opaque,
}

#[derive(Sealable)]
struct Nested {
    #[sealable(nested)]
    opaque: Opaque,
}

#[derive(Sealable)]
#[sealable(collection = "customers")]
struct Document {
    #[sealable(id)]
    id: u64,
    #[sensitive]
    ssn: String,
}

#[derive(Sealable)]
struct Bytes {
    #[sensitive(bytes)]
    text: String,
}

fn main() {}
