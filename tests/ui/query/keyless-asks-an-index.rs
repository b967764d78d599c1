use fireseal::store::MemoryStore;
use fireseal::{Sealable, SealedRepository};

#[derive(Sealable)]
#[sealable(collection = "people")]
struct Person {
    #[sealable(id)]
    id: String,
    country: String,
    #[sensitive(index)]
    email: String,
}

fn main() {
    let people = SealedRepository::<Person>::new(MemoryStore::new());
    let _ = people.query().filter(|c| c.country.eq("GB").and(c.email.eq("ada@example.com")));
}
