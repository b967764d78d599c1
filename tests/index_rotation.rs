//! An index key is rotated while readers and writers go on: every look-up finds its document in every phase,
//! and unique values stay unique.
//!
//! T24 of docs/threat-model.md.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "support/promise.rs"]
mod promise;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use fireseal::custody::{Authority, KeyVault, Retirement, VaultError};
use fireseal::store::MemoryStore;
use fireseal::{Error, KeyId, KeyProvider, Repository};
use futures::future::join_all;

#[path = "support/custody.rs"]
mod custody;
#[path = "support/customer.rs"]
mod customer;
#[path = "support/rotation.rs"]
mod rotation;
#[macro_use]
#[path = "support/stores.rs"]
mod stores;

use customer::{customer, reservations};
use rotation::{Customers, DynStore, customers, interleaved, numbered, old};

on_both_stores!(
    every_look_up_finds_its_document_in_every_phase,
    a_value_stays_unique_at_every_boundary,
    without_the_phases_documents_are_missed,
);

/// Looks a customer up by each of its indexes.
async fn look_up(customers: &Customers, wanted: &customer::Customer) -> Result<u64, String> {
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
    promise::Promise::kept("index_rotation", usize::try_from(look_ups.into_inner()).unwrap());
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
    promise::Promise::kept("index_rotation", races);
}

/// Why each phase waits for the one before: these are the look-ups and values that would be lost.
async fn without_the_phases_documents_are_missed(store: DynStore) {
    customers(&store, 0).create(&numbered(1)).await.unwrap();
    customers(&store, 2).create(&numbered(2)).await.unwrap();
    // A reader that does not know the new key yet while it makes tokens.
    assert!(look_up(&customers(&store, 0), &numbered(2)).await.is_err());
    look_up(&customers(&store, 1), &numbered(2)).await.unwrap();

    // The old key dropped although documents are left under it, as the count says.
    assert_eq!(customers(&store, 2).index_state().await.unwrap().left_under(&old()), 6);
    let dropped = customers(&store, 3);
    assert!(look_up(&dropped, &numbered(1)).await.is_err());
    dropped.create(&customer("second", "1@example.com")).await.unwrap();
    // A pass does not hide that.
    let done = dropped.reindex().run().await.unwrap();
    assert_eq!((done.found.failed, done.failures[0].error.is_taken()), (1, true));
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
