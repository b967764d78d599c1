use fireseal::Sealable;

#[derive(Sealable)]
#[sealable(collection = "customers")]
struct Customer {
    #[sealable(id)]
    id: String,
    #[sealable(id)]
    name: String,
    #[sensitive]
    ssn: String,
}

fn main() {}
