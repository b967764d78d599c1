use fireseal::Sealable;

#[derive(Sealable)]
#[sealable(collection = "customers", derive(Clone, serde::Serialize, PartialEq))]
struct Customer {
    #[sealable(id)]
    #[sensitive]
    id: String,
    #[sealable(nested)]
    #[sensitive]
    address: String,
    #[sealable(nested, id)]
    other: String,
}

#[derive(Sealable)]
#[sealable(collection = "customers")]
struct WithoutId {
    #[sensitive]
    ssn: String,
}

#[derive(Sealable)]
struct WithoutCollection {
    #[sealable(id)]
    id: String,
    #[sensitive]
    ssn: String,
}

#[derive(Sealable)]
#[sealable(zeroize)]
struct NothingToWipe {
    #[sealable(nested)]
    other: Other,
}

#[derive(Sealable)]
struct Other {
    #[sensitive]
    ssn: String,
}

fn main() {}
