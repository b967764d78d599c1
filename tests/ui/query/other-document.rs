use fireseal::Sealable;
use fireseal::query::fields;

#[derive(Sealable)]
#[sealable(collection = "people", compound(name = "full_name", fields(first, last)))]
struct Person {
    #[sealable(id)]
    id: String,
    country: String,
    age: u32,
    tags: Vec<String>,
    #[sensitive]
    ssn: String,
    #[sensitive(index)]
    email: String,
    #[sensitive(words)]
    first: String,
    #[sensitive(prefix(min = 2, max = 8))]
    last: String,
    #[sensitive(range(min = 0, max = 100, step = 1))]
    points: u32,
    #[sealable(nested)]
    addresses: Vec<Address>,
}

#[derive(Sealable)]
#[sealable(collection = "addresses")]
struct Address {
    #[sealable(id)]
    id: String,
    city: String,
    #[sensitive]
    street: String,
}

fn main() {
    let c = fields::<Person>();
    let a = fields::<Address>();
    let _ = c.country.eq("GB").and(a.city.eq("London"));
}
