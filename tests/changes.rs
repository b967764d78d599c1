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
