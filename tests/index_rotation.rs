//! An index key is rotated while readers and writers go on, and indexes are made anew: every look-up finds
//! its document in every phase, unique values stay unique, and no update is lost.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use fireseal::custody::{Authority, KeyVault, Retirement, VaultError};
use fireseal::store::{
    Commit, Document, FieldMask, Fields, ListPage, ListRequest, MemoryStore, Query, Store, StoreError,
    Transaction, Value, ValueType, Write,
};
use fireseal::{
    DataKey, DocumentPath, Error, IndexKey, KeyId, KeyProvider, KeyRing, Reindexed, Repository, Sealable,
};
use firestore::gcloud_sdk::google::firestore::v1::MapValue;
use futures::future::join_all;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};

#[path = "support/custody.rs"]
mod custody;
#[path = "support/customer.rs"]
mod customer;
#[macro_use]
#[path = "support/stores.rs"]
mod stores;

use customer::{Customer, customer, entries, names, path, reservations, stored};

type DynStore = Arc<dyn Store>;
type Customers = Repository<Customer>;

on_both_stores!(
    every_look_up_finds_its_document_in_every_phase,
    a_value_stays_unique_at_every_boundary,
    a_pass_is_interrupted_and_resumed,
    no_update_is_lost_to_a_pass,
    an_attribute_is_added_changed_and_removed,
    what_does_not_open_is_told_and_the_rest_is_done,
    what_is_not_known_survives,
    a_lost_reservation_is_made_again,
);

/// A store that lets others go first at every call, so that tasks meet in memory too.
struct Interleaved(DynStore);

fn interleaved(store: DynStore) -> DynStore {
    Arc::new(Interleaved(store))
}

async fn others_first() {
    let mut times = [0];
    getrandom::fill(&mut times).unwrap();
    for _ in 0..times[0] % 4 {
        tokio::task::yield_now().await;
    }
}

#[async_trait]
impl Store for Interleaved {
    async fn read(
        &self,
        paths: &[DocumentPath],
        mask: Option<&FieldMask>,
    ) -> Result<Vec<Option<Document>>, StoreError> {
        others_first().await;
        self.0.read(paths, mask).await
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Commit, StoreError> {
        others_first().await;
        self.0.commit(writes).await
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage, StoreError> {
        others_first().await;
        self.0.list(request).await
    }

    async fn query(
        &self,
        query: &Query,
        within: Option<&Transaction>,
    ) -> Result<BoxStream<'static, Result<Document, StoreError>>, StoreError> {
        others_first().await;
        self.0.query(query, within).await
    }
}

fn index_key(seed: u8) -> IndexKey {
    IndexKey::from_bytes(&[seed; 32])
}

const OLD: u8 = 8;
const NEW: u8 = 9;

fn old() -> KeyId {
    index_key(OLD).id()
}

/// The ring in the phases of a rotation: before it, once the new key is queried, once it makes tokens, and
/// once the old one is dropped.
fn ring(phase: usize) -> KeyRing {
    let seeds: &[u8] = [&[OLD][..], &[OLD, NEW], &[NEW, OLD], &[NEW]][phase];
    let ring = KeyRing::new(DataKey::from_bytes(&[7; 32]));
    seeds.iter().fold(ring, |ring, &seed| ring.with_index(index_key(seed)))
}

fn customers(store: &DynStore, phase: usize) -> Customers {
    Repository::new(Arc::clone(store), ring(phase))
}

/// A customer whose number tells all of its indexed values.
fn numbered(number: u64) -> Customer {
    let mut one = customer(&format!("c{number:03}"), &format!("{number}@example.com"));
    one.first = format!("First{number}");
    one.card.as_mut().unwrap().number = format!("{number:04}");
    one
}

/// Looks a customer up by each of its indexes.
async fn look_up(customers: &Customers, wanted: &Customer) -> Result<u64, String> {
    let email = wanted.email.clone().unwrap();
    let (first, last) = (wanted.first.clone(), wanted.last.clone());
    let card = wanted.card.clone().unwrap().number;
    let answers = [
        ("unique", customers.query().filter(|c| c.email.eq(email)).all().await),
        ("equality", customers.query().filter(|c| c.first.eq(first.clone())).all().await),
        ("compound", customers.query().filter(|c| c.full_name.eq((first, last))).all().await),
        ("prefix", customers.query().filter(|c| c.card.number.starts_with(card)).all().await),
    ];
    for (index, answer) in answers {
        let found: Vec<String> =
            answer.map_err(|error| error.to_string())?.iter().map(|one| one.id().to_owned()).collect();
        if found != [wanted.id.clone()] {
            return Err(format!("{} by its {index}: found {found:?}", wanted.id));
        }
    }
    Ok(4)
}

/// Writes of every kind which leave the indexed values as they are, or bring them back.
async fn write_around(customers: &Customers, number: u64, round: u64) -> Result<(), Error> {
    let one = numbered(number);
    match round % 5 {
        0 => drop(customers.set(&one).await?),
        1 => drop(customers.update(&one, &["email", "card"]).await?),
        2 => drop(customers.update(&one, &["first", "last", "name"]).await?),
        3 => drop(customers.modify(&one.id, |one| one.visits += 1).await?),
        _ => drop(customers.change(&one.id).increment(|c| c.visits, 1).run().await?),
    }
    Ok(())
}

const DOCUMENTS: u64 = 10;

async fn every_look_up_finds_its_document_in_every_phase(store: DynStore) {
    let store = interleaved(store);
    let mut created = 0;
    for number in 0..DOCUMENTS {
        customers(&store, 0).create(&numbered(number)).await.unwrap();
        created += 1;
    }
    let look_ups = AtomicU64::new(0);
    let writes = AtomicU64::new(0);
    for (before, after) in [(0, 0), (0, 1), (1, 1), (1, 2), (2, 2), (2, 3), (3, 3)] {
        // At a boundary some have the ring of the phase before still, and some that of the one after.
        let rings = [customers(&store, before), customers(&store, after)];
        let running = AtomicBool::new(true);
        let write = async |customers: &Customers, own: u64| {
            for round in 0..10 {
                // Both write the same documents, but every writer creates its own.
                match write_around(customers, (round * 3 + own) % created, round).await {
                    Err(error) if error.is_conflict() => {}
                    result => result.unwrap(),
                }
                writes.fetch_add(1, Ordering::Relaxed);
            }
            customers.create(&numbered(created + own)).await.unwrap();
            for ring in &rings {
                look_up(ring, &numbered(created + own)).await.unwrap();
            }
        };
        let read = async |customers: &Customers| {
            let mut round = 0;
            while running.load(Ordering::Relaxed) || round < created {
                let count = look_up(customers, &numbered(round % created)).await;
                look_ups.fetch_add(
                    count.unwrap_or_else(|why| panic!("phase {before} to {after}: {why}")),
                    Ordering::Relaxed,
                );
                round += 1;
            }
        };
        let reindex = async |customers: &Customers| {
            if (before, after) == (2, 2) {
                let done = customers.reindex().page_size(4).run().await.unwrap();
                assert!(done.failures.is_empty() && done.found.other_key > 0, "{done:?}");
            }
        };
        let writers = async {
            tokio::join!(write(&rings[0], 0), write(&rings[1], 1), reindex(&rings[1]));
            running.store(false, Ordering::Relaxed);
        };
        tokio::join!(writers, read(&rings[0]), read(&rings[1]));
        created += 2;
        let state = rings[1].index_state().await.unwrap();
        let left = state.left_under(&old());
        println!("phase {before} to {after}: {created} documents, {left} left under the old key; {state:?}");
        match (before, after) {
            // The proof without which the old key is not dropped.
            (2, 2) => assert_eq!(left, 0),
            (_, 0..=2) => assert!(left > 0),
            _ => assert_eq!(state.under(&old()), 0),
        }
    }
    println!("{look_ups:?} look-ups found their documents beside {writes:?} writes");

    // What was reserved under the old key is released, and nothing else is left of it.
    let last = customers(&store, 3);
    let done = last.reindex().run().await.unwrap();
    assert!(done.failures.is_empty() && last.index_state().await.unwrap().is_complete());
    assert_eq!(reservations(&store).await.len() as u64, created);
    assert_eq!(last.reindex().run().await.unwrap().rewritten, 0);
    for number in 0..created {
        look_up(&last, &numbered(number)).await.unwrap();
    }
}

async fn a_value_stays_unique_at_every_boundary(store: DynStore) {
    let store = interleaved(store);
    let mut held: Vec<String> = Vec::new();
    let mut races = 0;
    for (before, after) in [(0, 0), (0, 1), (1, 2), (2, 3), (3, 3)] {
        if after == 3 {
            // The old key is dropped only after a pass; racers go on meanwhile.
            let done = customers(&store, 2).reindex().run().await.unwrap();
            assert!(done.failures.is_empty(), "{done:?}");
            assert_eq!(customers(&store, 2).index_state().await.unwrap().left_under(&old()), 0);
        }
        for round in 0..4 {
            let email = format!("{before}{after}{round}@example.com");
            let racers = (0..8).map(|number| {
                let customers = customers(&store, if number % 2 == 0 { before } else { after });
                let id = format!("r{before}{after}{round}{number}");
                let email = email.clone();
                tokio::spawn(async move { customers.create(&customer(&id, &email)).await })
            });
            let pass = tokio::spawn({
                let customers = customers(&store, after);
                async move { customers.reindex().run().await }
            });
            let results: Vec<_> = join_all(racers).await.into_iter().map(Result::unwrap).collect();
            let done = pass.await.unwrap().unwrap();
            assert!(done.failures.is_empty(), "{done:?}");
            let winners = results.iter().filter(|result| result.is_ok()).count();
            let taken = results.iter().filter(|result| result.as_ref().is_err_and(Error::is_taken)).count();
            assert_eq!((winners, taken), (1, 7), "phase {before} to {after}: {results:?}");
            held.push(email);
            races += 1;
        }
        // Whatever was written in an earlier phase is taken, with the ring of before and that of after.
        for (number, email) in held.iter().enumerate() {
            for phase in [before, after] {
                let late = customer(&format!("late{number}"), email);
                let error = customers(&store, phase).create(&late).await.unwrap_err();
                assert!(error.is_taken(), "phase {before} to {after}: {error}");
            }
        }
    }
    let last = customers(&store, 3);
    last.reindex().run().await.unwrap();
    assert_eq!(reservations(&store).await.len(), held.len());
    println!("{races} races of 8 beside a pass, one winner each; {} values held", held.len());
}

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
                let customers = customers(&store, 1 + usize::from(rounds % 2 == 0));
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
    store.commit(vec![Write::merge(path(&format!("customers/{id}")), fields, mask)]).await.unwrap();
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
    let phone: BTreeMap<String, Value> = entries(&store, "c001").await.into_iter().collect();
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
    store.commit(vec![Write::delete(lost), Write::set(forged.clone(), fields)]).await.unwrap();
    assert_eq!(customers.index_state().await.unwrap().unreserved, 2);
    let done = customers.reindex().run().await.unwrap();
    assert_eq!((done.rewritten, done.found.unreserved, done.found.right), (1, 2, 15));
    assert!(matches!(&done.failures[..], [one]
        if matches!(&one.error, Error::ReservationRefused { reservation, .. } if *reservation == forged)));
    store.commit(vec![Write::delete(forged)]).await.unwrap();
    assert!(customers.reindex().run().await.unwrap().failures.is_empty());
    assert!(customers.index_state().await.unwrap().is_complete());
    assert_eq!(reservations(&store).await, held);
}

/// The phases as the vault enforces them, with services that keep what they loaded.
#[tokio::test]
async fn the_vault_waits_between_the_phases() {
    let store: DynStore = Arc::new(MemoryStore::new());
    let (authority, acme) = (Authority::generate().unwrap(), customer::acme());
    let (records, clock) = (custody::Held::default(), custody::MovedClock::default());
    let vault = || {
        KeyVault::over(records.clone(), "test", authority.key())
            .with_root(custody::root(1))
            .with_clock(clock.clone())
    };
    // The second one asks for the ring only after the phase has changed.
    let (admin, services) = (vault(), [vault(), vault()]);
    let customers: Vec<Customers> = services
        .iter()
        .map(|vault| Repository::new(Arc::clone(&store), vault.clone()).with_scope(acme.clone()))
        .collect();
    admin.create_scope(&authority, &acme).await.unwrap();
    let old = admin.ring(&acme).await.unwrap().index().unwrap().id();
    let hour = Duration::from_secs(3_610);
    let created = AtomicU64::new(0);
    let write_and_look = async || {
        for service in &customers {
            service.create(&numbered(created.fetch_add(1, Ordering::Relaxed))).await.unwrap();
        }
        let created = created.load(Ordering::Relaxed);
        for service in &customers {
            for number in 0..created {
                look_up(service, &numbered(number)).await.unwrap();
            }
        }
        let late = customer("late", &format!("{}@example.com", created - 1));
        assert!(customers[0].create(&late).await.unwrap_err().is_taken());
    };
    let left = |key: KeyId| {
        let customers = &customers[1];
        async move { Ok::<_, Error>(customers.index_state().await?.left_under(&key)) }
    };
    write_and_look().await;

    let new = admin.rotate_index(&authority, &acme).await.unwrap();
    write_and_look().await;
    clock.move_by(Duration::from_secs(3_500));
    write_and_look().await;
    let early = admin.promote_index(&authority, &acme, &new).await;
    assert!(matches!(early, Err(VaultError::TooEarly { seconds: 110, .. })), "{early:?}");
    clock.move_by(Duration::from_secs(110));
    write_and_look().await;

    admin.promote_index(&authority, &acme, &new).await.unwrap();
    write_and_look().await;
    let early = admin.retire(&authority, &acme, &old, left).await.unwrap();
    assert_eq!(early, Retirement::TooEarly { wait: hour });
    clock.move_by(hour);
    write_and_look().await;
    let in_use = admin.retire(&authority, &acme, &old, left).await.unwrap();
    assert!(matches!(in_use, Retirement::InUse { documents: 1.. }), "{in_use:?}");
    let done = customers[0].reindex().run().await.unwrap();
    assert!(done.failures.is_empty(), "{done:?}");
    write_and_look().await;
    let retired = admin.retire(&authority, &acme, &old, left).await.unwrap();
    assert!(matches!(retired, Retirement::Retired { .. }), "{retired:?}");
    write_and_look().await;
    clock.move_by(hour);
    write_and_look().await;

    customers[1].reindex().run().await.unwrap();
    assert!(customers[0].index_state().await.unwrap().is_complete());
    assert_eq!(reservations(&store).await.len() as u64, created.load(Ordering::Relaxed));
    admin.destroy_key(&authority, &acme, &old).await.unwrap();
    write_and_look().await;
}
