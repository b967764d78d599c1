//! Each word once.

use fireseal::Sealable;

#[derive(Sealable)]
#[sealable(collection = "customers", authenticated, authenticated)]
struct Customer {
    #[sealable(id)]
    id: String,
    #[sealable(unbound, unbound)]
    visits: i64,
    #[sealable(authenticated)]
    logins: i64,
    #[sensitive(unbound)]
    ssn: String,
}

#[derive(Sealable)]
#[sealable(unbound)]
struct Card {
    #[sensitive]
    number: String,
}

fn main() {}
