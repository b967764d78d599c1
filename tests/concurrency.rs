//! Many at once: writers during reads, two transactions on one document, changes by eight tasks, and a
//! listener whose connection drops while writers go on. No update is lost, no change is missed. Prints counts.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "support/promise.rs"]
mod promise;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use fireseal::store::{FirestoreStore, Store};
use fireseal::{Error, Repository, Transaction, transaction};
use fireseal_emulator::Emulator;
use futures::TryStreamExt;
use tokio::sync::Barrier;

#[path = "support/customer.rs"]
mod customer;
#[path = "support/proxy.rs"]
mod proxy;
#[macro_use]
#[path = "support/stores.rs"]
mod stores;
#[path = "support/watched.rs"]
mod watched;

use customer::{Customer, customer, customers};
use proxy::Proxy;
use watched::{View, next};

type DynStore = Arc<dyn Store>;

on_both_stores!(
    writers_during_reads,
    two_transactions_on_one_document,
    changes_by_eight_tasks,
    a_watch_while_writers_write,
);

fn numbered(n: usize) -> Customer {
    customer(&format!("c{n:02}"), &format!("c{n:02}@example.com"))
}

/// A customer whose clear and sealed fields say the same, so that a mixture of two writes shows.
fn with_visits(mut customer: Customer, visits: i64) -> Customer {
    customer.visits = visits;
    customer.ssn = visits.to_string();
    customer.last = if visits % 2 == 0 { "Even" } else { "Odd" }.to_owned();
    customer
}

fn is_whole(customer: &Customer) -> bool {
    *customer == with_visits(customer.clone(), customer.visits)
}

async fn writers_during_reads(store: DynStore) {
    const WRITERS: usize = 4;
    const EACH: usize = 5;
    let repository = customers(&store);
    for n in 0..WRITERS * EACH {
        repository.create(&with_visits(numbered(n), 0)).await.unwrap();
    }
    let (written, over) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
    let writers = (0..WRITERS).map(|writer| {
        let (repository, written) = (repository.clone(), Arc::clone(&written));
        tokio::spawn(async move {
            for round in 1..=8 {
                for n in writer * EACH..(writer + 1) * EACH {
                    repository.set(&with_visits(numbered(n), round)).await.unwrap();
                    tokio::task::yield_now().await;
                    written.fetch_add(1, Ordering::SeqCst);
                }
            }
        })
    });
    let writers = futures::future::join_all(writers);
    let reader = {
        let (repository, over) = (repository.clone(), Arc::clone(&over));
        tokio::spawn(async move {
            let (mut lists, mut queries, mut read) = (0, 0, 0);
            let mut seen: BTreeMap<String, i64> = BTreeMap::new();
            while !over.load(Ordering::SeqCst) || queries == 0 {
                let listed: Vec<_> = repository.list().page_size(7).stream().try_collect().await.unwrap();
                assert_eq!(listed.len(), WRITERS * EACH);
                lists += 1;
                let odd = repository.query().filter(|c| c.last.eq("Odd")).all().await.unwrap();
                let found = repository.query().filter(|c| c.visits.ge(0)).stream().await.unwrap();
                let found: Vec<_> = found.try_collect().await.unwrap();
                queries += 2;
                for stored in listed.iter().chain(&odd).chain(&found) {
                    assert!(is_whole(stored), "a mixture of two writes: {stored:?}");
                    read += 1;
                }
                assert!(odd.iter().all(|stored| stored.visits % 2 == 1));
                for stored in &found {
                    let before = seen.insert(stored.id().to_owned(), stored.visits);
                    assert!(before.is_none_or(|before| before <= stored.visits), "an older version later");
                }
                // Memory answers at once, and would leave the writers no turn.
                tokio::task::yield_now().await;
            }
            (lists, queries, read)
        })
    };
    writers.await.into_iter().for_each(Result::unwrap);
    over.store(true, Ordering::SeqCst);
    let (lists, queries, read) = reader.await.unwrap();
    let last = repository.query().filter(|c| c.last.eq("Even")).all().await.unwrap();
    assert_eq!(last.iter().filter(|stored| stored.visits == 8).count(), WRITERS * EACH);
    println!(
        "{} writes, meanwhile {lists} lists and {queries} queries of {read} documents, each whole",
        written.load(Ordering::SeqCst)
    );
    promise::Promise::kept("no_lost_updates", written.load(Ordering::SeqCst));
}

async fn two_transactions_on_one_document(store: DynStore) {
    const ROUNDS: i64 = 6;
    let repository = customers(&store);
    repository.create(&with_visits(numbered(0), 0)).await.unwrap();
    let (runs, together) = (Arc::<AtomicUsize>::default(), Arc::new(Barrier::new(2)));
    let tasks = (0..2).map(|_| {
        let (store, repository) = (Arc::clone(&store), repository.clone());
        let (runs, together) = (Arc::clone(&runs), Arc::clone(&together));
        tokio::spawn(async move {
            for _ in 0..ROUNDS {
                together.wait().await;
                let (repository, runs) = (&repository, &runs);
                transaction(&store, |tx: Transaction| async move {
                    runs.fetch_add(1, Ordering::SeqCst);
                    let repository = tx.on(repository);
                    let mut stored = repository.get_stored("c00").await?.unwrap();
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    let visits = stored.visits + 1;
                    *stored = with_visits(stored.clone().into_inner(), visits);
                    repository.save(&mut stored).await
                })
                .await
                .unwrap();
            }
        })
    });
    futures::future::join_all(tasks).await.into_iter().for_each(Result::unwrap);
    let stored = repository.get("c00").await.unwrap().unwrap();
    assert!(is_whole(&stored));
    assert_eq!(stored.visits, 2 * ROUNDS, "an update is lost");
    println!("{} transactions in pairs: {} runs, 0 lost", 2 * ROUNDS, runs.load(Ordering::SeqCst));
    promise::Promise::kept("no_lost_updates", usize::try_from(2 * ROUNDS).unwrap());
}

async fn changes_by_eight_tasks(store: DynStore) {
    const TASKS: i64 = 8;
    const EACH: i64 = 5;
    let repository = customers(&store);
    repository.create(&with_visits(numbered(0), 0)).await.unwrap();
    let conflicts = Arc::<AtomicUsize>::default();
    let tasks = (0..TASKS).map(|_| {
        let (repository, conflicts) = (repository.clone(), Arc::clone(&conflicts));
        tokio::spawn(async move {
            for _ in 0..EACH {
                while let Err(error) = one_more(&repository).await {
                    assert!(error.is_conflict(), "{error}");
                    conflicts.fetch_add(1, Ordering::SeqCst);
                }
            }
        })
    });
    futures::future::join_all(tasks).await.into_iter().for_each(Result::unwrap);
    let stored = repository.get("c00").await.unwrap().unwrap();
    assert!(is_whole(&stored));
    assert_eq!(stored.visits, TASKS * EACH, "an update is lost");
    println!(
        "{} changes by {TASKS} tasks: {} conflicts, 0 lost",
        TASKS * EACH,
        conflicts.load(Ordering::SeqCst)
    );
    promise::Promise::kept("no_lost_updates", usize::try_from(TASKS * EACH).unwrap());
}

async fn one_more(repository: &Repository<Customer>) -> Result<(), Error> {
    let mut stored = repository.get_stored("c00").await?.unwrap();
    let visits = stored.visits + 1;
    *stored = with_visits(stored.clone().into_inner(), visits);
    // Memory answers at once, and others would never come in between.
    tokio::task::yield_now().await;
    repository.save(&mut stored).await
}

/// The last write of a run, by which its watches know that it is over.
const LAST: &str = "last";

/// Creates, changes and deletes at random; how many writes were made.
async fn write(repository: &Repository<Customer>, writer: usize, writes: usize) -> usize {
    let mut there = [false; 6];
    let mut random = 0x9e37_79b9_u32.wrapping_mul(u32::try_from(writer).unwrap() + 1);
    for n in 0..writes {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let which = usize::try_from(random >> 16).unwrap() % there.len();
        let one = with_visits(numbered(writer * there.len() + which), i64::try_from(n).unwrap());
        if there[which] && random.is_multiple_of(3) {
            repository.delete(&one.id).await.unwrap();
            there[which] = false;
        } else {
            repository.set(&one).await.unwrap();
            there[which] = true;
        }
        tokio::time::sleep(Duration::from_millis(u64::from(random % 5))).await;
    }
    writes
}

/// Watches until the last write is told and the state is consistent.
async fn view(mut watch: fireseal::Watch<Customer>) -> View<Customer> {
    let mut view = View::default();
    loop {
        let item = next(&mut watch).await.expect("a watch has no end");
        let current = matches!(item, Ok(fireseal::WatchEvent::Current));
        view.take(item);
        assert!(view.documents.values().all(|stored| is_whole(stored)), "a mixture of two writes");
        if current && view.documents.contains_key(LAST) {
            return view;
        }
    }
}

/// Whether a view is what the database holds.
async fn compare(view: &View<Customer>, repository: &Repository<Customer>, odd: bool) {
    let stored: Vec<_> = repository.list().stream().try_collect().await.unwrap();
    let stored: BTreeMap<_, _> = stored
        .into_iter()
        .filter(|stored| !odd || stored.last == "Odd")
        .map(|stored| (stored.id().to_owned(), stored))
        .collect();
    let seen: Vec<_> = view.documents.keys().collect();
    assert_eq!(seen, stored.keys().collect::<Vec<_>>(), "the view is not what the database holds");
    for (id, stored) in &stored {
        assert_eq!(view.documents[id].update_time(), stored.update_time());
        assert!(**stored == *view.documents[id]);
    }
}

/// Watches all and one query while writers write and `disturb` runs.
async fn watch_writers(
    readers: &Repository<Customer>,
    writers: &Repository<Customer>,
    disturb: impl Future<Output = usize>,
) {
    let all = tokio::spawn(view(readers.watch_all()));
    let odd = readers.query().filter(|c| c.last.eq("Odd")).watch().await.unwrap();
    let odd = tokio::spawn(view(odd));
    let work = futures::future::join_all((0..4).map(|writer| write(writers, writer, 40)));
    let (written, disturbed) = tokio::join!(work, disturb);
    writers.create(&with_visits(customer(LAST, "last@example.com"), 1)).await.unwrap();
    for (view, odd) in [(all.await.unwrap(), false), (odd.await.unwrap(), true)] {
        compare(&view, writers, odd).await;
        println!(
            "{} writes, {disturbed} cuts; the watch of {} told {:?}; {} documents, as the database has them",
            written.iter().sum::<usize>() + 1,
            if odd { "a sealed field" } else { "all" },
            view.told,
            view.documents.len(),
        );
    }
}

async fn a_watch_while_writers_write(store: DynStore) {
    watch_writers(&customers(&store), &customers(&store), async { 0 }).await;
}

#[tokio::test]
async fn a_watch_whose_connection_drops_while_writers_write() {
    let project = Emulator::shared().await.unwrap().project().unwrap();
    let proxy = Proxy::new(&project).await;
    let direct: DynStore = Arc::new(FirestoreStore::new(project.firestore().await.unwrap()));
    let through: DynStore = Arc::new(proxy.store().await);
    let cuts = async {
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_millis(250)).await;
            proxy.cut();
        }
        5
    };
    watch_writers(&customers(&through), &customers(&direct), cuts).await;
    println!("{} listeners were opened", proxy.calls("Listen"));
    assert!(proxy.calls("Listen") > 2, "no connection was made again");
}
