//! The scope is a clear, stored text field of a document.

use fireseal::Sealable;

#[derive(Sealable)]
#[sealable(collection = "orders", scope = nothing)]
struct Unknown {
    #[sealable(id)]
    id: String,
    #[sensitive]
    total: i64,
}

#[derive(Sealable)]
#[sealable(collection = "orders", scope = tenant)]
struct Sensitive {
    #[sealable(id)]
    id: String,
    #[sensitive]
    tenant: String,
}

#[derive(Sealable)]
#[sealable(collection = "orders", scope = tenant)]
struct Skipped {
    #[sealable(id)]
    id: String,
    #[serde(skip_serializing)]
    tenant: String,
    #[sensitive]
    total: i64,
}

#[derive(Sealable)]
#[sealable(scope = tenant)]
struct NoDocument {
    tenant: String,
    #[sensitive]
    total: i64,
}

fn main() {}
