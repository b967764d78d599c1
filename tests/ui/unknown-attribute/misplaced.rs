use fireseal::Sealable;

#[derive(Sealable)]
#[sensitive]
#[sealable(id, nested)]
struct Customer {
    #[sealable(collection = "customers")]
    id: String,
    #[sealable(pad = 64, bytes)]
    ssn: String,
    #[sensitive]
    name: String,
}

#[derive(Sealable)]
enum Contact {
    #[sensitive]
    Email(String),
    #[sealable(nested)]
    Phone(#[sensitive] String),
}

fn main() {}
