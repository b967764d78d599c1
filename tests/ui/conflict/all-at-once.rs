//! All errors of a type are told at once, and none follows from them.

use fireseal::{Document, Repository, Sealable, SealedRepository};

#[derive(Sealable)]
#[sealable(collection = "customers/ada", shiny)]
#[serde(transparent)]
pub struct Customer<T> {
    #[sealable(id)]
    #[sensitive]
    id: String,
    name: T,
    #[sensitive(pad = 0)]
    #[serde(skip, flatten)]
    ssn: Option<Option<String>>,
}

pub async fn use_it(customers: Repository<Customer<String>>, sealed: SealedRepository<Customer<String>>) {
    let ada: Option<Customer<String>> = customers.get("ada").await.unwrap();
    let _ = ada.map(|ada| ada.id().to_owned());
    let _ = sealed.get("ada").await;
}

pub fn name(sealed: &SealedCustomer<String>) -> (String, fireseal::Sealed<String>) {
    (sealed.name.clone(), sealed.id.clone())
}

fn main() {}
