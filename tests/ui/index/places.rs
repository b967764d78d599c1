use fireseal::Sealable;

#[derive(Sealable)]
#[sealable(collection = "customers", index)]
struct Customer {
    #[sealable(id)]
    id: String,
    #[sealable(index)]
    name: String,
    #[sensitive(index, unique)]
    email: String,
    #[sensitive(words, words)]
    notes: String,
    #[sensitive(index(normalize(trim)), bytes)]
    digest: Vec<u8>,
    #[sensitive(bytes, prefix(min = 2, max = 8))]
    photo: Vec<u8>,
    #[sensitive(index)]
    height: f64,
    #[sensitive(index)]
    tags: Vec<String>,
    #[sealable(nested)]
    #[sensitive(index)]
    address: Address,
}

#[derive(Sealable)]
struct Address {
    #[sensitive]
    street: String,
}

#[derive(Sealable)]
enum Contact {
    Email {
        #[sensitive(index)]
        address: String,
    },
}

#[derive(Sealable)]
struct Pair(#[sensitive(index)] String, u8);

#[derive(Sealable)]
struct Secret(#[sensitive(unique)] String);

fn main() {}
