//! The main job, from top to bottom: sealed customers in the official Firestore emulator, or in
//! memory where there is none. Exits with 0 only if everything is as it should be.

use std::error::Error;
use std::process::ExitCode;

use fireseal::store::{FieldMask, Fields, FirestoreStore, MemoryStore, Store, Write};
use fireseal::{DataKey, DocumentPath, IndexKey, KeyRing, Repository, Sealable, SealedRepository};
use fireseal_emulator::{Emulator, Project};

#[derive(Sealable)]
#[sealable(collection = "customers", debug)]
struct Customer {
    #[sealable(id)]
    id: String,
    name: String, // stored in the clear
    country: String,
    #[sensitive] // sealed
    ssn: String,
    #[sensitive(pad = 64, unique(normalize(email)))] // sealed, its length hidden, found by equality
    email: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quickstart: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    match Emulator::start().await {
        Ok(emulator) => {
            println!("Firestore emulator at {}", emulator.host());
            let project = emulator.project()?;
            let store = FirestoreStore::new(project.firestore().await?);
            show(store, &Server::Emulator(&project)).await
        }
        Err(error) => {
            println!("No Firestore emulator, so this runs in memory instead: {error}\n");
            let store = MemoryStore::new();
            show(store.clone(), &Server::Memory(&store)).await
        }
    }
}

async fn show(store: impl Store + Clone + 'static, server: &Server<'_>) -> Result<(), Box<dyn Error>> {
    let keys = KeyRing::new(DataKey::generate()?).with_index(IndexKey::generate()?);
    let customers = Repository::<Customer>::new(store.clone(), keys.clone());
    customers.create(&customer("ada", "Ada", "078-05-1120", "ada@example.com")).await?;
    customers.create(&customer("eve", "Eve", "219-09-9999", "eve@example.com")).await?;

    println!("\nWhat the server holds of customers/ada:\n");
    let raw = server.raw("customers/ada").await?;
    println!("{raw}");
    expect(raw.contains("\"Ada\""), "the server shows the clear name")?;
    expect(!raw.contains("078-05-1120"), "the server shows no ssn")?;
    expect(!raw.contains("ada@example.com"), "the server shows no e-mail address")?;

    println!("\nRead without a key:\n");
    let sealed = SealedRepository::<Customer>::new(store.clone());
    let ada = sealed.get("ada").await?.ok_or("ada is not there")?;
    println!("{:#?}", *ada);
    expect(ada.name == "Ada", "the clear name is readable without a key")?;
    expect(ada.ssn.key_id() == Some(keys.primary().id()), "the ssn is sealed under the key")?;

    println!("\nRead with the key:\n");
    let ada: Customer = ada.open(&keys).await?;
    println!("{ada:#?}\n  with ssn {} and e-mail address {}", ada.ssn, ada.email);
    expect(ada.ssn == "078-05-1120", "the ssn opens")?;
    expect(
        customers.get("ada").await?.is_some_and(|ada| ada.email == "ada@example.com"),
        "the repository opens",
    )?;

    println!("\nFound by what the server cannot read:\n");
    let found = customers.query().filter(|c| c.email.eq("ADA@example.com")).all().await?;
    for customer in &found {
        println!("{} has the e-mail address {}", customer.name, customer.email);
    }
    expect(found.len() == 1 && found.iter().all(|ada| ada.id == "ada"), "the blind index finds Ada alone")?;
    let taken = customers.create(&customer("mallory", "Mallory", "000-00-0000", "ada@example.com")).await;
    println!("{}", taken.err().ok_or("a second customer has Ada's e-mail address")?);

    println!("\nSomebody with write access copies Eve's sealed ssn into Ada's document:\n");
    copy_field(&store, "customers/eve", "customers/ada", "ssn").await?;
    match customers.get("ada").await {
        Ok(_) => return Err("a copied ssn was taken for Ada's".into()),
        Err(error) => println!("{error}"),
    }
    let eve = customers.get("eve").await?;
    expect(eve.is_some_and(|eve| eve.ssn == "219-09-9999"), "Eve's own document still opens")?;

    println!("\nAll as it should be.");
    Ok(())
}

fn customer(id: &str, name: &str, ssn: &str, email: &str) -> Customer {
    Customer {
        id: id.to_owned(),
        name: name.to_owned(),
        country: "GB".to_owned(),
        ssn: ssn.to_owned(),
        email: email.to_owned(),
    }
}

fn expect(holds: bool, promise: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("not as it should be: {promise}")) }
}

/// What somebody with write access to the database does, key or no key.
async fn copy_field(store: &dyn Store, from: &str, to: &str, field: &str) -> Result<(), Box<dyn Error>> {
    let paths = [DocumentPath::parse(from)?, DocumentPath::parse(to)?];
    let mut read = store.read(&paths, None).await?.into_iter().flatten();
    let (from, to) = read.next().zip(read.next()).ok_or("a document is missing")?;
    let copied = from.fields.get(field).ok_or("the field is missing")?;
    let fields = Fields::from([(field.to_owned(), copied.clone())]);
    let mask = FieldMask::new(vec![vec![field.to_owned()]]);
    store.commit(&[Write::merge(to.path, fields, mask)]).await?;
    Ok(())
}

/// The database as its operator sees it.
enum Server<'a> {
    Emulator(&'a Project),
    Memory(&'a MemoryStore),
}

impl Server<'_> {
    async fn raw(&self, path: &str) -> Result<String, Box<dyn Error>> {
        match self {
            Self::Emulator(project) => Ok(format!("{:#}", project.document(path).await?.unwrap_or_default())),
            Self::Memory(store) => {
                let held = store.documents().into_iter().find(|document| document.path.as_str() == path);
                Ok(format!("{:#?}", held.ok_or("the document is missing")?.fields))
            }
        }
    }
}
