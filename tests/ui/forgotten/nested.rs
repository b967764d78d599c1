use fireseal::Sealable;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

// Production types that have serde's impls already: only the derive can notice what was forgotten.
#[derive(Sealable, Serialize, Deserialize, Clone, Debug)]
struct Address {
    #[sensitive]
    street: String,
}

#[derive(Sealable)]
struct Customer {
    #[sensitive]
    ssn: String,
    address: Address,
    many: Vec<Address>,
    pairs: HashMap<String, (u8, [Address; 2])>,
    #[serde(skip)]
    skipped: Option<Address>,
}

#[derive(Sealable)]
enum Contact {
    Mail(Address),
    Email(#[sensitive] String),
}

fn main() {}
