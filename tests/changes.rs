//! Changes to single fields: set, deleted, transformed and sealed in one write, under any precondition.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;

use fireseal::store::{MemoryStore, Precondition, Store};
use fireseal::{DataKey, Error, KeyRing, Repository, Sealable};
use futures::future::join_all;

#[path = "support/customer.rs"]
mod customer;
#[macro_use]
#[path = "support/stores.rs"]
mod stores;

use customer::{customer, customers, names, stored};

type DynStore = Arc<dyn Store>;

on_both_stores!(
    everything_in_one_write,
    transforms_do_not_lose_each_other,
    only_in_the_state_asked_for,
    numbers_and_times,
    sealed_fields_come_with_their_tokens,
);

async fn everything_in_one_write(store: DynStore) {
    let customers = customers(&store);
    let mut ada = customer("ada", "ada@example.com");
    customers.create(&ada).await.unwrap();
    ada.ssn = "219-09-9999".to_owned();
    let time = customers
        .change("ada")
        .set(|c| c.name, "Augusta")
        .increment(|c| c.visits, -3)
        .union(|c| c.tags, ["vip", "new"])
        .delete(|c| c.note)
        .write(&ada, &["ssn"])
        .run()
        .await
        .unwrap();
    assert_eq!(stored(&store, "customers/ada").await.unwrap().update_time, time);
    (ada.name, ada.visits, ada.note) = ("Augusta".to_owned(), -2, None);
    ada.tags = vec!["new".to_owned(), "vip".to_owned()];
    assert_eq!(customers.get("ada").await.unwrap().unwrap(), ada);

    customers.change("ada").remove(|c| c.tags, ["new"]).delete(|c| c.email).run().await.unwrap();
    (ada.tags, ada.email) = (vec!["vip".to_owned()], None);
    assert_eq!(customers.get("ada").await.unwrap().unwrap(), ada);
    assert_eq!(names(&store, "ada").await, ["card.number", "first", "full_name", "last"]);
    assert!(customer::reservations(&store).await.is_empty());
}

async fn transforms_do_not_lose_each_other(store: DynStore) {
    let customers = customers(&store);
    customers.create(&customer("ada", "ada@example.com")).await.unwrap();
    let changes = (0..12).map(|_| {
        let customers = customers.clone();
        tokio::spawn(async move { customers.change("ada").increment(|c| c.visits, 1).run().await })
    });
    for change in join_all(changes).await {
        change.unwrap().unwrap();
    }
    assert_eq!(customers.get("ada").await.unwrap().unwrap().visits, 13);
}

async fn only_in_the_state_asked_for(store: DynStore) {
    let customers = customers(&store);
    let ada = customer("ada", "ada@example.com");
    assert!(customers.change("ada").increment(|c| c.visits, 1).run().await.unwrap_err().is_not_found());
    customers.create(&ada).await.unwrap();
    let first = stored(&store, "customers/ada").await.unwrap().update_time.unwrap();
    let now = Precondition::UpdatedAt(first);
    customers.change("ada").increment(|c| c.visits, 1).only_if(now.clone()).run().await.unwrap();
    let again = customers.change("ada").increment(|c| c.visits, 1).only_if(now.clone()).run().await;
    assert!(again.unwrap_err().is_conflict());
    assert!(customers.update_if(&ada, &["email"], now.clone()).await.unwrap_err().is_conflict());
    assert!(customers.set_if(&ada, now.clone()).await.unwrap_err().is_conflict());
    assert!(customers.delete_if("ada", now.clone()).await.unwrap_err().is_conflict());
    assert!(customers.delete_fields_if("ada", &["note"], now).await.unwrap_err().is_conflict());
    assert!(
        customers
            .set_if(&customer("bea", "b@c"), Precondition::Exists(true))
            .await
            .unwrap_err()
            .is_not_found()
    );
    assert!(customers.set_if(&ada, Precondition::Exists(false)).await.unwrap_err().is_conflict());
    let other = customer("bea", "bea@example.com");
    let error = customers.change("ada").write(&other, &["ssn"]).run().await.unwrap_err();
    assert!(matches!(error, Error::OtherId { .. }));
    assert_eq!(customers.get("ada").await.unwrap().unwrap().visits, 2);
}

#[derive(Sealable, Clone, PartialEq)]
#[sealable(collection = "meters", debug)]
struct Meter {
    #[sealable(id)]
    id: String,
    low: Option<f64>,
    high: u32,
    #[serde(default, with = "firestore::serialize_as_optional_timestamp")]
    seen: Option<firestore::jiff::Timestamp>,
    #[sensitive]
    place: String,
}

async fn numbers_and_times(store: DynStore) {
    let keys = KeyRing::new(DataKey::from_bytes(&[7; 32]));
    let meters = Repository::<Meter>::new(Arc::clone(&store), keys);
    let meter = Meter { id: "m".to_owned(), low: None, high: 7, seen: None, place: "attic".to_owned() };
    meters.create(&meter).await.unwrap();
    let change = meters.change("m").minimum(|m| m.low, 2.5).maximum(|m| m.high, 9).server_time(|m| m.seen);
    change.run().await.unwrap();
    meters.change("m").increment(|m| m.low, 1.5).maximum(|m| m.high, 3).run().await.unwrap();
    let read = meters.get_stored("m").await.unwrap().unwrap();
    assert_eq!((read.low, read.high, read.place.as_str()), (Some(4.0), 9, "attic"));
    let seen = read.seen.unwrap().as_second();
    assert!((read.create_time().unwrap().seconds - seen).abs() < 60);
    meters.change("m").set(|m| m.low, None::<f64>).run().await.unwrap();
    assert_eq!(meters.get("m").await.unwrap().unwrap().low, None);
}

async fn sealed_fields_come_with_their_tokens(store: DynStore) {
    let customers = customers(&store);
    let mut ada = customer("ada", "ada@example.com");
    customers.create(&ada).await.unwrap();
    let before = customer::entries(&store, "ada").await;
    (ada.first, ada.last, ada.email) = ("A".to_owned(), "B".to_owned(), Some("new@example.com".to_owned()));
    let change = customers.change("ada").increment(|c| c.visits, 1).write(&ada, &["first", "last", "email"]);
    change.run().await.unwrap();
    let after = customer::entries(&store, "ada").await;
    let mut changed: Vec<_> = before.keys().filter(|name| before[*name] != after[*name]).collect();
    changed.sort();
    assert_eq!(changed, ["email", "first", "full_name", "last"]);
    assert_eq!(customer::reservations(&store).await.len(), 1);
    let part = customers.change("ada").increment(|c| c.visits, 1).write(&ada, &["last"]).run().await;
    assert!(matches!(part, Err(Error::PartOfIndex { .. })));
    assert_eq!(customers.get("ada").await.unwrap().unwrap().visits, 2);
}

#[tokio::test]
async fn the_mark_is_one_for_each_write_with_transforms() {
    let store: DynStore = Arc::new(MemoryStore::new());
    let customers = customers(&store);
    customers.create(&customer("ada", "ada@example.com")).await.unwrap();
    let mark = async || {
        let document = stored(&store, "customers/ada").await.unwrap();
        customer::map(&document.fields["_seal"]).get("write").cloned()
    };
    assert_eq!(mark().await, None);
    customers.change("ada").increment(|c| c.visits, 1).run().await.unwrap();
    let first = mark().await.unwrap();
    customers.change("ada").increment(|c| c.visits, 1).run().await.unwrap();
    assert_ne!(mark().await.unwrap(), first);
}

mod as_text {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(number: &i64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&number.to_string())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

mod in_cents {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(number: &i64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(number * 100)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
        i64::deserialize(deserializer).map(|cents| cents / 100)
    }
}

fn is_zero(number: &u8) -> bool {
    *number == 0
}

#[derive(Sealable, Clone, PartialEq)]
#[sealable(collection = "jobs", debug)]
struct Job {
    #[sealable(id)]
    id: String,
    state: String,
    note: Option<String>,
    #[serde(alias = "tries")]
    attempts: i64,
    #[serde(with = "as_text")]
    text: i64,
    #[serde(with = "in_cents")]
    cents: i64,
    #[serde(default, skip_serializing_if = "is_zero")]
    small: u8,
    #[serde(alias = "labels")]
    tags: Vec<String>,
    #[sealable(nested)]
    #[serde(alias = "home")]
    address: Address,
    #[sensitive]
    ssn: Option<String>,
}

#[derive(Sealable, Clone, PartialEq)]
#[sealable(debug)]
struct Address {
    city: String,
    #[sensitive]
    street: String,
}

async fn job(store: &DynStore) -> Repository<Job> {
    let jobs = Repository::<Job>::new(Arc::clone(store), KeyRing::new(DataKey::from_bytes(&[7; 32])));
    let address = Address { city: "Ockham".to_owned(), street: "1 Main Street".to_owned() };
    let job = Job {
        id: "j".to_owned(),
        state: "free".to_owned(),
        note: None,
        attempts: 10,
        text: 10,
        cents: 10,
        small: 0,
        tags: Vec::new(),
        address,
        ssn: Some("1".to_owned()),
    };
    jobs.create(&job).await.unwrap();
    jobs
}

fn memory() -> DynStore {
    Arc::new(MemoryStore::new())
}

/// The change is refused, and nothing is written.
async fn refused(
    store: &DynStore,
    change: impl Future<Output = Result<Option<fireseal::store::Time>, Error>>,
    says: &str,
) {
    let before = stored(store, "jobs/j").await.unwrap();
    let error = change.await.unwrap_err();
    assert!(matches!(error, Error::Change { .. }) && error.to_string().contains(says), "{error}");
    assert_eq!(stored(store, "jobs/j").await.unwrap(), before);
}

#[tokio::test]
async fn what_is_read_under_an_old_name_too_is_not_transformed() {
    let store = memory();
    let jobs = job(&store).await;
    refused(&store, jobs.change("j").increment(|c| c.attempts, 1).run(), "attempts").await;
    refused(&store, jobs.change("j").maximum(|c| c.attempts, 1).run(), "old name").await;
    refused(&store, jobs.change("j").union(|c| c.tags, ["a"]).run(), "tags").await;
    let city = jobs.change("j").set(|c| c.address.city.clone(), "London").run();
    refused(&store, city, "address.city").await;
    // To set the field itself under its new name removes the old one.
    jobs.change("j").set(|c| c.attempts, 11).run().await.unwrap();
    assert_eq!(jobs.get("j").await.unwrap().unwrap().attempts, 11);
}

#[tokio::test]
async fn a_number_stored_as_anything_else_is_not_calculated_with() {
    let store = memory();
    let jobs = job(&store).await;
    refused(&store, jobs.change("j").increment(|c| c.text, 1).run(), "text").await;
    refused(&store, jobs.change("j").minimum(|c| c.text, 1).run(), "modify").await;
    refused(&store, jobs.change("j").increment(|c| c.cents, 1).run(), "cents").await;
    jobs.change("j").increment(|c| c.small, 1).run().await.unwrap();
    assert_eq!(jobs.get("j").await.unwrap().unwrap().small, 1);
}

#[tokio::test]
async fn only_what_is_stored_as_a_timestamp_is_set_to_the_servers_time() {
    let store = memory();
    let jobs = job(&store).await;
    refused(&store, jobs.change("j").server_time(|c| c.state).run(), "state").await;
    refused(&store, jobs.change("j").server_time(|c| c.note).run(), "timestamp").await;
}

#[tokio::test]
async fn the_later_change_of_a_field_counts() {
    let store = memory();
    let jobs = job(&store).await;
    let read = async || jobs.get("j").await.unwrap().unwrap();
    let set = jobs.change("j").set(|c| c.note, Some("x".to_owned()));
    set.set(|c| c.note, None::<String>).run().await.unwrap();
    assert_eq!(read().await.note, None);
    jobs.change("j").set(|c| c.note, None::<String>).set(|c| c.note, "y").run().await.unwrap();
    assert_eq!(read().await.note.as_deref(), Some("y"));
    jobs.change("j").set(|c| c.note, "z").delete(|c| c.note).run().await.unwrap();
    assert_eq!(read().await.note, None);
    jobs.change("j").delete(|c| c.note).set(|c| c.note, "z").run().await.unwrap();
    assert_eq!(read().await.note.as_deref(), Some("z"));
    jobs.change("j").increment(|c| c.small, 5).set(|c| c.small, 2).run().await.unwrap();
    jobs.change("j").increment(|c| c.small, 5).increment(|c| c.small, 1).run().await.unwrap();
    assert_eq!(read().await.small, 8);

    // What is changed by its handle is not written from the value.
    let value = read().await;
    jobs.change("j")
        .write(&value, &["note", "ssn"])
        .delete(|c| c.note)
        .delete(|c| c.ssn)
        .run()
        .await
        .unwrap();
    let now = read().await;
    assert_eq!((now.note, now.ssn), (None, None));
    jobs.change("j").write(&value, &["note"]).set(|c| c.note, None::<String>).run().await.unwrap();
    assert_eq!(read().await.note, None);
}

#[tokio::test]
async fn a_field_that_is_written_and_deleted_has_no_tokens() {
    let store = memory();
    let customers = customers(&store);
    let ada = customer("ada", "ada@example.com");
    customers.create(&ada).await.unwrap();
    customers.change("ada").write(&ada, &["email"]).delete(|c| c.email).run().await.unwrap();
    assert_eq!(names(&store, "ada").await, ["card.number", "first", "full_name", "last"]);
    assert!(customer::reservations(&store).await.is_empty());
    assert_eq!(customers.get("ada").await.unwrap().unwrap().email, None);
}

#[derive(Sealable, Clone, PartialEq)]
#[sealable(collection = "flat", debug)]
struct Flat {
    #[sealable(id)]
    id: String,
    #[sensitive(unique)]
    #[serde(alias = "mail")]
    email: Option<String>,
    #[serde(flatten)]
    rest: std::collections::HashMap<String, String>,
}

#[tokio::test]
async fn reserved_names_are_not_deleted_and_old_ones_are_those_of_the_field() {
    let store = memory();
    let flats = Repository::<Flat>::new(Arc::clone(&store), customer::ring());
    let rest = std::collections::HashMap::from([("more".to_owned(), "x".to_owned())]);
    flats.create(&Flat { id: "f".to_owned(), email: Some("m".to_owned()), rest }).await.unwrap();
    let error = flats.delete_fields("f", &["_seal"]).await.unwrap_err();
    assert!(matches!(error, Error::NoSuchField { .. }));
    assert_eq!(customer::reservations(&store).await.len(), 1);
    flats.delete_fields("f", &["mail", "more"]).await.unwrap();
    let read = flats.get("f").await.unwrap().unwrap();
    assert!(read.email.is_none() && read.rest.is_empty());
    assert!(customer::reservations(&store).await.is_empty());
}
