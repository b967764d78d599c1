use fireseal::Sealable;

#[derive(Sealable)]
#[sealable(collection = "people")]
#[sealable(compound(name = "one", fields(first)))]
#[sealable(compound(name = "unknown", fields(first, middle)))]
#[sealable(compound(name = "last", fields(first, last)))]
#[sealable(compound(name = "stored", fields(first, last)))]
#[sealable(compound(name = "twice", fields(first, last)))]
#[sealable(compound(name = "twice", fields(last, first)))]
#[sealable(compound(name = "a.b", fields(first, last)))]
#[sealable(compound(name = "same", fields(first, first)))]
#[sealable(compound(name = "clear", fields(country, city)))]
#[sealable(compound(name = "odd", fields(first, address, id)))]
#[sealable(compound(name = "bits", fields(first, last), bits = 4))]
#[sealable(compound(fields(first, last)))]
#[sealable(compound)]
struct Person {
    #[sealable(id)]
    id: String,
    country: String,
    city: String,
    #[sensitive]
    first: String,
    #[sensitive]
    last: String,
    #[serde(rename = "stored")]
    other: String,
    #[sealable(nested)]
    address: Address,
}

#[derive(Sealable)]
struct Address {
    #[sensitive]
    street: String,
}

#[derive(Sealable)]
#[sealable(compound(name = "both", fields(a, b)))]
enum Either {
    Both {
        #[sensitive]
        a: String,
        #[sensitive]
        b: String,
    },
}

fn main() {}
