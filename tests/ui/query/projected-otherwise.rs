use fireseal::store::MemoryStore;
use fireseal::{DataKey, KeyRing, Projected, Repository, Sealable};

#[derive(Sealable)]
#[sealable(collection = "people")]
struct Person {
    #[sealable(id)]
    id: String,
    country: String,
    #[sensitive(index)]
    email: String,
}

fn sealed_is_no_value(part: &Projected<Person>) {
    let _ = part.value(|c| c.email);
}

fn main() {
    let keys = KeyRing::new(DataKey::from_bytes(&[0; 32]));
    let people = Repository::<Person>::new(MemoryStore::new(), keys);
    let _ = people.query().select(|c| (c.country, "email"));
    let _ = people.query().sum(|c| c.email);
}
