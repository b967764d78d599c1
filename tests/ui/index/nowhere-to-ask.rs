use std::collections::HashMap;

use fireseal::Sealable;

#[derive(Sealable)]
struct Address {
    #[sensitive(index)]
    street: String,
}

#[derive(Sealable)]
struct Customer {
    #[sealable(nested)]
    addresses: Vec<Address>,
    #[sealable(nested)]
    by_name: Option<HashMap<String, Address>>,
}

#[derive(Sealable)]
enum Contact {
    Post(#[sealable(nested)] Address),
}

#[derive(Sealable)]
struct Pair(#[sealable(nested)] Address, u8);

fn main() {}
