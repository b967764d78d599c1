//! The companion is plain data: it works with the `firestore` crate's own calls and in JSON.

#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use fireseal::store::FirestoreStore;
use fireseal::{Companion as _, DataKey, DocumentPath, KeyRing, Location, Repository, Sealable, to_json};
use fireseal_emulator::{Emulator, Project};
use firestore::{
    FirestoreDb, FirestoreListenEvent, FirestoreListenerTarget, FirestoreMemListenStateStorage, paths,
};
use futures::TryStreamExt;
use tokio::sync::mpsc;

#[derive(Sealable, Clone, PartialEq)]
#[sealable(collection = "customers", debug)]
struct Customer {
    #[sealable(id)]
    id: String,
    name: String,
    level: i64,
    #[sensitive]
    ssn: String,
    #[sensitive]
    notes: Option<BTreeMap<String, f64>>,
    #[sealable(nested)]
    cards: Vec<Card>,
}

#[derive(Sealable, Clone, PartialEq)]
#[sealable(debug)]
struct Card {
    bank: String,
    #[sensitive(bytes)]
    scan: Vec<u8>,
}

fn customer(id: &str) -> Customer {
    Customer {
        id: id.to_owned(),
        name: format!("name of {id}"),
        level: 3,
        ssn: format!("ssn of {id}"),
        notes: Some(BTreeMap::from([("a".to_owned(), f64::INFINITY)])),
        cards: vec![Card { bank: "bank".to_owned(), scan: vec![0, 255] }],
    }
}

fn location(id: &str) -> Location {
    Location::new(DocumentPath::parse(&format!("customers/{id}")).unwrap())
}

async fn project() -> (Project, FirestoreDb, KeyRing) {
    let project = Emulator::shared().await.unwrap().project().unwrap();
    let db = project.firestore().await.unwrap();
    (project, db, KeyRing::new(DataKey::generate().unwrap()))
}

#[tokio::test]
async fn fluent_calls_store_and_read_companions() {
    let (project, db, keys) = project().await;
    let sealed = customer("ada").seal(&location("ada"), &keys).unwrap();
    let written: SealedCustomer =
        db.fluent().insert().into("customers").document_id("ada").object(&sealed).execute().await.unwrap();
    assert_eq!(written.ssn, sealed.ssn);
    assert!(project.search("ssn of").await.unwrap().is_empty());

    let read: Option<SealedCustomer> =
        db.fluent().select().by_id_in("customers").obj().one("ada").await.unwrap();
    let ada = read.unwrap().open_at(&location("ada"), &keys).await.unwrap();
    assert_eq!(ada, customer("ada"));

    // What one side writes, the other reads.
    let customers = Repository::<Customer>::new(FirestoreStore::new(db.clone()), keys.clone());
    assert_eq!(customers.get("ada").await.unwrap(), Some(customer("ada")));
    customers.create(&customer("bob")).await.unwrap();
    let queried: Vec<SealedCustomer> = db
        .fluent()
        .select()
        .from("customers")
        .filter(|query| query.for_all([query.field("name").eq("name of bob")]))
        .obj()
        .stream_query_with_errors()
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(queried.len(), 1);
    let bob = queried.into_iter().next().unwrap().open_at(&location("bob"), &keys).await.unwrap();
    assert_eq!(bob, customer("bob"));

    let mut changed = customer("ada").seal(&location("ada"), &keys).unwrap();
    changed.level = 4;
    let _: SealedCustomer = db
        .fluent()
        .update()
        .fields(paths!(SealedCustomer::{level, ssn}))
        .in_col("customers")
        .document_id("ada")
        .object(&changed)
        .execute()
        .await
        .unwrap();
    assert_eq!(customers.get("ada").await.unwrap(), Some(Customer { level: 4, ..customer("ada") }));
}

#[tokio::test]
async fn fluent_transactions_take_companions() {
    let (_project, db, keys) = project().await;
    let mut transaction = db.begin_transaction().await.unwrap();
    for id in ["ada", "bob"] {
        let sealed = customer(id).seal(&location(id), &keys).unwrap();
        db.fluent()
            .update()
            .in_col("customers")
            .document_id(id)
            .object(&sealed)
            .add_to_transaction(&mut transaction)
            .unwrap();
    }
    transaction.commit().await.unwrap();
    let customers = Repository::<Customer>::new(FirestoreStore::new(db), keys);
    assert_eq!(customers.get("bob").await.unwrap(), Some(customer("bob")));
}

#[tokio::test]
async fn listeners_give_companions() {
    let (_project, db, keys) = project().await;
    let mut listener = db.create_listener(FirestoreMemListenStateStorage::new()).await.unwrap();
    db.fluent()
        .select()
        .from("customers")
        .listen()
        .add_target(FirestoreListenerTarget::new(1), &mut listener)
        .unwrap();
    let (sender, mut changes) = mpsc::unbounded_channel();
    listener
        .start(move |event| {
            let sender = sender.clone();
            async move {
                if let FirestoreListenEvent::DocumentChange(change) = event
                    && let Some(document) = &change.document
                {
                    sender.send(FirestoreDb::deserialize_doc_to::<SealedCustomer>(document)).unwrap();
                }
                Ok(())
            }
        })
        .await
        .unwrap();
    let customers = Repository::<Customer>::new(FirestoreStore::new(db), keys.clone());
    customers.create(&customer("ada")).await.unwrap();
    let heard =
        tokio::time::timeout(Duration::from_secs(30), changes.recv()).await.unwrap().unwrap().unwrap();
    assert_eq!(heard.name, "name of ada");
    assert_eq!(heard.open_at(&location("ada"), &keys).await.unwrap(), customer("ada"));
    listener.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_companion_travels_as_json() {
    let keys = KeyRing::new(DataKey::generate().unwrap());
    let sealed = customer("ada").seal(&location("ada"), &keys).unwrap();
    let json = to_json(&sealed).unwrap();
    assert_eq!(json["name"], "name of ada");
    assert_eq!(json["level"], 3);
    assert!(json["ssn"].as_str().unwrap().starts_with("fireseal:"), "{json}");
    assert!(json["cards"][0]["scan"].as_str().unwrap().starts_with("fireseal:"), "{json}");
    assert!(!json.to_string().contains("ssn of"));
    for back in [serde_json::from_str(&json.to_string()), serde_json::from_value(json.clone())] {
        let back: SealedCustomer = back.unwrap();
        assert_eq!(back.ssn, sealed.ssn);
        assert_eq!(back.open_at(&location("ada"), &keys).await.unwrap(), customer("ada"));
    }
}

#[test]
fn a_companion_with_plaintext_is_not_written_on() {
    let json = serde_json::json!({ "id": "ada", "name": "Ada", "level": 1, "ssn": "canary", "cards": [] });
    let sealed: SealedCustomer = serde_json::from_value(json).unwrap();
    assert!(sealed.ssn.is_plaintext());
    for error in
        [to_json(&sealed).unwrap_err().to_string(), serde_json::to_string(&sealed).unwrap_err().to_string()]
    {
        assert!(error.contains("plaintext") && !error.contains("canary"), "{error}");
    }
    assert!(!format!("{sealed:?}").contains("canary"));
}

#[test]
fn binary_formats_take_companions() {
    let keys = KeyRing::new(DataKey::generate().unwrap());
    let sealed = customer("ada").seal(&location("ada"), &keys).unwrap();
    let packed = rmp_serde::to_vec_named(&sealed).unwrap();
    let back: SealedCustomer = rmp_serde::from_slice(&packed).unwrap();
    assert_eq!(Customer::open(back, &location("ada"), &keys).unwrap(), customer("ada"));
}

#[test]
fn debug_shows_key_id_and_length_only() {
    let keys = KeyRing::new(DataKey::generate().unwrap());
    let sealed = customer("ada").seal(&location("ada"), &keys).unwrap();
    let shown = format!("{sealed:?}");
    assert!(shown.contains(&format!("ssn: Sealed(key {}, 12 bytes)", keys.primary().id())), "{shown}");
    assert!(shown.contains("name: \"name of ada\""), "{shown}");
}
