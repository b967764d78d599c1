//! An attacker who writes the database through its REST interface, past every client: two customers whose sensitive
//! values are all the same, so that only their places tell them apart.

#![allow(dead_code)]

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fireseal::store::FirestoreStore;
use fireseal::{Cause, DataKey, Error, KeyRing, OpenError, Repository, Sealable};
use fireseal_emulator::{Emulator, Project};
use serde_json::{Value, json};

use crate::promise::Tally;

/// What every sensitive field of every customer holds.
pub const SECRET: &str = "the same secret";

#[derive(Sealable, Clone, PartialEq)]
#[sealable(collection = "customers", debug)]
pub struct Customer {
    #[sealable(id)]
    pub id: String,
    pub name: String,
    #[sensitive]
    pub ssn: String,
    #[sensitive]
    pub email: String,
    #[sensitive]
    pub nickname: Option<String>,
    #[sealable(nested)]
    pub cards: Vec<Card>,
    #[sealable(nested)]
    pub contacts: BTreeMap<String, Card>,
}

#[derive(Sealable, Clone, PartialEq)]
#[sealable(debug)]
pub struct Card {
    pub bank: String,
    #[sensitive]
    pub number: String,
}

pub fn customer(id: &str) -> Customer {
    let card = || Card { bank: "bank".to_owned(), number: SECRET.to_owned() };
    Customer {
        id: id.to_owned(),
        name: "name".to_owned(),
        ssn: SECRET.to_owned(),
        email: SECRET.to_owned(),
        nickname: Some(SECRET.to_owned()),
        cards: vec![card(), card()],
        contacts: BTreeMap::from([("home".to_owned(), card()), ("a.b".to_owned(), card())]),
    }
}

/// The sealed places of a customer: their names, and where they stand in the raw fields.
pub const PLACES: [(&str, &str); 7] = [
    ("ssn", "/ssn"),
    ("email", "/email"),
    ("nickname", "/nickname"),
    ("cards[0].number", "/cards/arrayValue/values/0/mapValue/fields/number"),
    ("cards[1].number", "/cards/arrayValue/values/1/mapValue/fields/number"),
    ("contacts.home.number", "/contacts/mapValue/fields/home/mapValue/fields/number"),
    ("contacts.`a.b`.number", "/contacts/mapValue/fields/a.b/mapValue/fields/number"),
];

/// The attacker, and the repository that must not believe what it finds.
pub struct Attack {
    pub project: Project,
    pub customers: Repository<Customer>,
    pub store: FirestoreStore,
    pub keys: KeyRing,
}

impl Attack {
    /// A database of its own with the customers `ada` and `eve`.
    pub async fn begin() -> Self {
        let project = Emulator::shared().await.unwrap().project().unwrap();
        let store = FirestoreStore::new(project.firestore().await.unwrap());
        let keys = KeyRing::new(DataKey::generate().unwrap());
        let customers = Repository::new(store.clone(), keys.clone());
        customers.create(&customer("ada")).await.unwrap();
        customers.create(&customer("eve")).await.unwrap();
        Self { project, customers, store, keys }
    }

    /// The raw fields of a document.
    pub async fn fields(&self, path: &str) -> Value {
        self.project.document(path).await.unwrap().unwrap()["fields"].clone()
    }

    /// Puts the fields under customers/ada and returns why they do not open; nothing, where they do.
    pub async fn causes(&self, fields: &Value) -> Vec<(String, Cause)> {
        self.project.put("customers/ada", fields).await.unwrap();
        match self.customers.get("ada").await {
            Err(Error::Open(OpenError::Fields { failures, .. })) => {
                failures.into_iter().map(|failure| (failure.field.to_string(), failure.cause)).collect()
            }
            Ok(_) => Vec::new(),
            Err(other) => panic!("failed otherwise: {other}"),
        }
    }

    /// One try: the fields are refused, for these causes and no others.
    pub async fn refused(&self, tally: &Tally, fields: &Value, expected: &[(&str, Cause)], what: &str) {
        let causes = self.causes(fields).await;
        let same = causes.iter().map(|(field, cause)| (field.as_str(), *cause)).eq(expected.iter().copied());
        tally.holds(same, || format!("{what}: {causes:?}"));
    }
}

/// The envelope that stands in the raw fields.
pub fn envelope(fields: &Value, at: &str) -> Vec<u8> {
    STANDARD.decode(fields.pointer(at).unwrap()["bytesValue"].as_str().unwrap()).unwrap()
}

/// Raw bytes for a field.
pub fn bytes(bytes: &[u8]) -> Value {
    json!({ "bytesValue": STANDARD.encode(bytes) })
}

/// The raw fields with another value at one place.
pub fn with(fields: &Value, at: &str, value: Value) -> Value {
    let mut changed = fields.clone();
    *changed.pointer_mut(at).unwrap() = value;
    changed
}
