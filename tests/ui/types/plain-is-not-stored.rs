use fireseal::Sealable;

#[derive(Sealable)]
struct Customer {
    #[sensitive]
    ssn: String,
}

async fn write(db: &firestore::FirestoreDb, customer: &Customer) {
    let _ = db.fluent().insert().into("customers").document_id("ada").object(customer);
}

fn main() {}
