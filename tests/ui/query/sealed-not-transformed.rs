use fireseal::store::MemoryStore;
use fireseal::{KeyRing, Repository, Sealable};

#[derive(Sealable)]
#[sealable(collection = "people")]
struct Person {
    #[sealable(id)]
    id: String,
    name: String,
    visits: u32,
    #[sensitive(range(min = 0, max = 100, step = 1))]
    points: u32,
    #[sensitive]
    notes: Vec<String>,
}

fn change(keys: KeyRing) {
    let people = Repository::<Person>::new(MemoryStore::new(), keys);
    let _ = people.change("ada").increment(|c| c.points, 1);
    let _ = people.change("ada").union(|c| c.notes, ["note"]);
    let _ = people.change("ada").set(|c| c.points, 7u32);
    let _ = people.change("ada").server_time(|c| c.points);
    let _ = people.change("ada").increment(|c| c.name, 1);
    let _ = people.change("ada").increment(|c| c.visits, 0.5);
}

fn main() {}
