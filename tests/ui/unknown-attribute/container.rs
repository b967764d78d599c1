use fireseal::Sealable;

#[derive(Sealable)]
#[sealable(colection = "customers", rename_all(camel), debug)]
struct Customer {
    #[sensitive]
    ssn: String,
}

#[derive(Sealable)]
#[sealable]
struct Bare {
    #[sensitive]
    ssn: String,
}

#[derive(Sealable)]
#[sealable()]
struct Empty {
    #[sensitive]
    ssn: String,
}

#[derive(Sealable)]
#[sealable(collection = customers, sealed = "Name", crate = "other")]
struct Values {
    #[sensitive]
    ssn: String,
}

fn main() {}
