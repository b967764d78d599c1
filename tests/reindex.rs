//! Indexes are made anew: interrupted and resumed, beside writers, after an attribute has changed, and where
//! documents do not open.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use fireseal::store::{FieldMask, Fields, Store, Value, ValueType, Write};
use fireseal::{DataKey, Error, KeyRing, Reindexed, Repository, Sealable};
use firestore::gcloud_sdk::google::firestore::v1::MapValue;
use futures::future::join_all;
use futures::{StreamExt, TryStreamExt};

#[path = "support/customer.rs"]
mod customer;
#[path = "support/rotation.rs"]
mod rotation;
#[macro_use]
#[path = "support/stores.rs"]
mod stores;

use customer::{Customer, entries, names, path, reservations, stored};
use rotation::{DynStore, customers, interleaved, numbered, old, ring};

on_both_stores!(
    a_pass_is_interrupted_and_resumed,
    no_update_is_lost_to_a_pass,
    an_attribute_is_added_changed_and_removed,
    what_does_not_open_is_told_and_the_rest_is_done,
    what_is_not_known_survives,
    a_lost_reservation_is_made_again,
);

async fn update_times(store: &DynStore, count: u64) -> Vec<impl PartialEq + std::fmt::Debug> {
    let mut times = Vec::new();
    for number in 0..count {
        let document = stored(store, &format!("customers/c{number:03}")).await.unwrap();
        times.push(document.update_time.unwrap());
    }
    times
}

async fn a_pass_is_interrupted_and_resumed(store: DynStore) {
    let store = interleaved(store);
    for number in 0..25 {
        customers(&store, 0).create(&numbered(number)).await.unwrap();
    }
    let first = customers(&store, 2).reindex().page_size(10).page().await.unwrap();
    assert_eq!((first.found.documents, first.found.other_key, first.rewritten), (10, 50, 10));
    let left = customers(&store, 2).index_state().await.unwrap();
    assert_eq!((left.right, left.other_key, left.under(&old()), left.unreserved), (50, 75, 75, 15));
    assert!(!left.is_complete());

    // Another process goes on from there, and is stopped too.
    let token = first.next_page_token.unwrap();
    let rest = || customers(&store, 2).reindex().page_size(5).page_token(token.clone());
    let second = rest().stream().take(1).try_collect::<Vec<_>>().await.unwrap().remove(0);
    assert_eq!((second.found.documents, second.rewritten), (5, 5));
    // In the middle of a page, whenever that is.
    let stopped = tokio::time::timeout(Duration::from_millis(3), rest().run()).await.is_err();
    let third = rest().run().await.unwrap();
    assert_eq!(third.found.documents, 15);
    assert!(third.rewritten <= 10 && (stopped || third.rewritten == 0));

    let state = customers(&store, 2).index_state().await.unwrap();
    assert!(state.is_complete() && state.left_under(&old()) == 0);
    assert_eq!((state.documents, state.right), (25, 125));
    // A second pass, and the check, write nothing.
    let (before, held) = (update_times(&store, 25).await, reservations(&store).await);
    let again = customers(&store, 2).reindex().run().await.unwrap();
    assert_eq!((again.found, again.rewritten), (state, 0));
    assert_eq!((update_times(&store, 25).await, reservations(&store).await), (before, held));
    println!("25 documents: 10, then 5, then stopped ({stopped}), then {}, then 0 written", third.rewritten);
}

async fn no_update_is_lost_to_a_pass(store: DynStore) {
    const WRITERS: u64 = 4;
    const LEAST: u64 = 10;
    let store = interleaved(store);
    for number in 0..WRITERS {
        customers(&store, 1).create(&numbered(number)).await.unwrap();
    }
    let running = AtomicBool::new(true);
    let rewritten = AtomicU64::new(0);
    // Passes that disagree on which key makes tokens have something to write every time.
    let passes = async {
        let mut passes = 0;
        while running.load(Ordering::Relaxed) {
            let done = customers(&store, 1 + passes % 2).reindex().run().await.unwrap();
            assert!(done.failures.iter().all(|failure| failure.error.is_conflict()), "{done:?}");
            passes += 1;
            rewritten.fetch_add(done.rewritten, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
        passes
    };
    let writers = async {
        let write = async |number: u64| {
            let id = numbered(number).id;
            let mut rounds = 0_u32;
            while rounds < 12 || rewritten.load(Ordering::Relaxed) < LEAST && rounds < 500 {
                let customers = customers(&store, 1 + usize::from(rounds.is_multiple_of(2)));
                let email = format!("{number}.{rounds}@example.com");
                loop {
                    let change = |one: &mut Customer| {
                        one.visits += 1;
                        one.email = Some(email.clone());
                    };
                    match customers.modify(&id, change).await {
                        Err(error) if error.is_conflict() => {}
                        result => break drop(result.unwrap().unwrap()),
                    }
                }
                customers.change(&id).increment(|c| c.visits, 1).run().await.unwrap();
                rounds += 1;
                tokio::time::sleep(Duration::from_millis(u64::from(rounds % 4))).await;
            }
            rounds
        };
        let rounds = join_all((0..WRITERS).map(write)).await;
        running.store(false, Ordering::Relaxed);
        rounds
    };
    let (rounds, passes) = tokio::join!(writers, passes);
    let rewritten = rewritten.into_inner();
    assert!(rewritten >= LEAST, "{passes} passes wrote {rewritten} times only");
    let last = customers(&store, 2);
    for (number, rounds) in (0..).zip(&rounds) {
        let email = format!("{number}.{}@example.com", rounds - 1);
        // No pass has put back the tokens of a value that was changed meanwhile.
        let found = last.query().filter(|c| c.email.eq(email.clone())).all().await.unwrap();
        assert_eq!(found.iter().map(|one| one.id()).collect::<Vec<_>>(), [numbered(number).id]);
        assert_eq!((found[0].visits, &found[0].email), (1 + 2 * i64::from(*rounds), &Some(email)));
    }
    last.reindex().run().await.unwrap();
    assert!(last.index_state().await.unwrap().is_complete());
    // Of every value that was given up, the reservations are gone.
    assert_eq!(reservations(&store).await.len() as u64, 2 * WRITERS);
    println!(
        "{} updates of {WRITERS} documents beside {passes} passes that wrote {rewritten} times: none lost",
        2 * rounds.iter().sum::<u32>()
    );
}

macro_rules! person {
    ($name:ident, [$($email:tt)*], [$($city:tt)*]) => {
        #[derive(Sealable, Clone, PartialEq)]
        #[sealable(collection = "people", debug)]
        struct $name {
            #[sealable(id)]
            id: String,
            $($email)*
            email: Option<String>,
            $($city)*
            city: String,
        }

    };
}

person!(Plain, [#[sensitive]], [#[sensitive]]);
person!(Indexed, [#[sensitive(unique(normalize(email)))]], [#[sensitive(index)]]);
person!(
    Changed,
    [#[sensitive(unique(normalize(email)), prefix(min = 1, max = 3))]],
    [#[sensitive(index(normalize(casefold)))]]
);

fn people<T: fireseal::Document + fireseal::query::Queryable + Send + Sync + 'static>(
    store: &DynStore,
) -> Repository<T> {
    Repository::new(Arc::clone(store), ring(0))
}

async fn an_attribute_is_added_changed_and_removed(store: DynStore) {
    for (id, email, city) in [
        ("a", "ada@example.com", "Bath"),
        ("b", "bea@example.com", "BATH"),
        ("c", "ADA@example.com", "Leeds"),
    ] {
        let one = Plain { id: id.to_owned(), email: Some(email.to_owned()), city: city.to_owned() };
        people::<Plain>(&store).create(&one).await.unwrap();
    }
    let found =
        |done: &Reindexed| (done.found.right, done.found.wrong, done.found.missing, done.found.surplus);

    // Added. Two have the same address, which nothing forbade before: one gets it, the other is told.
    let indexed = people::<Indexed>(&store);
    let none = indexed.query().filter(|p| p.city.eq("Bath")).all().await.unwrap();
    assert!(none.is_empty());
    let done = indexed.reindex().run().await.unwrap();
    assert_eq!((found(&done), done.found.unreserved, done.rewritten), ((0, 0, 6, 0), 3, 2), "{done:?}");
    assert_eq!((done.found.failed, done.failures.len()), (1, 1));
    let failure = &done.failures[0];
    assert!(failure.error.is_taken() && ["people/a", "people/c"].contains(&failure.document.as_str()));
    assert!(!indexed.index_state().await.unwrap().is_complete());
    indexed.change(failure.document.id()).delete(|p| p.email).run().await.unwrap();
    let done = indexed.reindex().run().await.unwrap();
    assert!(done.failures.is_empty() && done.rewritten == 1, "{done:?}");
    let bath = indexed.query().filter(|p| p.city.eq("Bath")).all().await.unwrap();
    assert_eq!(bath.iter().map(|one| one.id()).collect::<Vec<_>>(), ["a"]);
    assert_eq!(reservations(&store).await.len(), 2);

    // Changed: another normaliser, and an index of another kind beside the first.
    let changed = people::<Changed>(&store);
    let done = changed.reindex().run().await.unwrap();
    assert_eq!((found(&done), done.rewritten), ((0, 5, 0, 0), 3), "{done:?}");
    assert_eq!(changed.query().filter(|p| p.city.eq("bath")).all().await.unwrap().len(), 2);
    assert_eq!(changed.query().filter(|p| p.email.starts_with("be")).all().await.unwrap().len(), 1);
    assert!(changed.index_state().await.unwrap().is_complete());
    assert_eq!(reservations(&store).await.len(), 2);

    // Removed.
    let plain = people::<Plain>(&store);
    let done = plain.reindex().run().await.unwrap();
    assert_eq!((found(&done), done.rewritten), ((0, 0, 0, 5), 3), "{done:?}");
    assert_eq!(plain.reindex().run().await.unwrap().found.surplus, 0);
    assert!(reservations(&store).await.is_empty());
    for id in ["a", "b", "c"] {
        assert!(plain.get(id).await.unwrap().is_some());
    }
}

/// Puts a value into a stored customer, past fireseal.
async fn put(store: &DynStore, id: &str, at: &[&str], value: Value) {
    let mut value = value;
    for name in at[1..].iter().rev() {
        let map = MapValue { fields: Fields::from([((*name).to_owned(), value)]) };
        value = Value { value_type: Some(ValueType::MapValue(map)) };
    }
    let mask = FieldMask::new(vec![at.iter().map(|&name| name.to_owned()).collect()]);
    let fields = Fields::from([(at[0].to_owned(), value)]);
    store.commit(&[Write::merge(path(&format!("customers/{id}")), fields, mask)]).await.unwrap();
}

fn bytes(bytes: &[u8]) -> Value {
    Value { value_type: Some(ValueType::BytesValue(bytes.to_vec())) }
}

async fn what_does_not_open_is_told_and_the_rest_is_done(store: DynStore) {
    for number in 0..6 {
        customers(&store, 0).create(&numbered(number)).await.unwrap();
    }
    put(&store, "c002", &["ssn"], bytes(&[1; 90])).await;
    let before = stored(&store, "customers/c002").await;
    let done = customers(&store, 2).reindex().page_size(2).run().await.unwrap();
    assert_eq!((done.rewritten, done.found.failed, done.found.documents), (5, 1, 6));
    assert!(matches!(&done.failures[..], [one] if one.document.as_str() == "customers/c002"
        && matches!(one.error, Error::Open(_))));
    assert_eq!(stored(&store, "customers/c002").await, before);
    let state = customers(&store, 2).index_state().await.unwrap();
    assert_eq!((state.under(&old()), state.left_under(&old()), state.failed), (5, 6, 1));

    // No index key, no entries: each document says so.
    let keys = KeyRing::new(DataKey::from_bytes(&[7; 32]));
    let without = Repository::<Customer>::new(Arc::clone(&store), keys).reindex().run().await.unwrap();
    assert_eq!((without.rewritten, without.found.failed), (0, 6));
    assert!(without.failures.iter().any(|failure| matches!(failure.error, Error::NoIndexKey { .. })));
}

async fn what_is_not_known_survives(store: DynStore) {
    customers(&store, 0).create(&numbered(1)).await.unwrap();
    let phone = entries(&store, "c001").await;
    put(&store, "c001", &["_seal", "idx", "phone"], phone["first"].clone()).await;
    put(&store, "c001", &["_seal", "later"], bytes(b"of another version")).await;
    put(&store, "c001", &["phone"], bytes(b"unknown")).await;
    // Entries of a known field without a value.
    put(&store, "c001", &["_seal", "idx", "ssn"], phone["first"].clone()).await;
    let before = stored(&store, "customers/c001").await.unwrap().fields;

    let done = customers(&store, 2).reindex().run().await.unwrap();
    assert_eq!((done.found.unknown, done.found.surplus, done.found.other_key), (1, 1, 5));
    let after = stored(&store, "customers/c001").await.unwrap().fields;
    let known = ["card.number", "email", "first", "full_name", "last"];
    assert_eq!(names(&store, "c001").await, [&known[..], &["phone"]].concat());
    assert_eq!(customer::map(&after["_seal"])["later"], customer::map(&before["_seal"])["later"]);
    let rest = |fields: &Fields| fields.iter().filter(|(name, _)| *name != "_seal").count();
    assert_eq!(rest(&before), rest(&after));
    assert!(before.iter().all(|(name, value)| name == "_seal" || after[name] == *value));

    // It keeps the old key, until somebody says that no program has the field any more.
    let state = customers(&store, 2).index_state().await.unwrap();
    assert_eq!((state.is_complete(), state.left_under(&old()), state.unknown), (true, 1, 1));
    let done = customers(&store, 2).reindex().remove_unknown().run().await.unwrap();
    assert_eq!(done.rewritten, 1);
    assert_eq!(names(&store, "c001").await, known);
    assert_eq!(customers(&store, 2).index_state().await.unwrap().left_under(&old()), 0);
}

async fn a_lost_reservation_is_made_again(store: DynStore) {
    let customers = customers(&store, 0);
    for number in 0..3 {
        customers.create(&numbered(number)).await.unwrap();
    }
    let held = reservations(&store).await;
    let (lost, forged) = (held[0].0.clone(), held[1].0.clone());
    let mut fields =
        store.read(std::slice::from_ref(&forged), None).await.unwrap().pop().flatten().unwrap().fields;
    fields.insert("mac".to_owned(), bytes(&[0; 32]));
    store.commit(&[Write::delete(lost), Write::set(forged.clone(), fields)]).await.unwrap();
    assert_eq!(customers.index_state().await.unwrap().unreserved, 2);
    let done = customers.reindex().run().await.unwrap();
    assert_eq!((done.rewritten, done.found.unreserved, done.found.right), (1, 2, 15));
    assert!(matches!(&done.failures[..], [one]
        if matches!(&one.error, Error::ReservationRefused { reservation, .. } if *reservation == forged)));
    store.commit(&[Write::delete(forged)]).await.unwrap();
    assert!(customers.reindex().run().await.unwrap().failures.is_empty());
    assert!(customers.index_state().await.unwrap().is_complete());
    assert_eq!(reservations(&store).await, held);
}
