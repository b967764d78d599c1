//! A commit whose answer is lost on the way is applied once, or the error says that it is not known.
//!
//! T27 of docs/threat-model.md.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "support/promise.rs"]
mod promise;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fireseal::store::{FirestoreStore, Precondition, Store};
use fireseal::{Batch, Error, Repository, transaction};
use fireseal_emulator::Emulator;

#[path = "support/customer.rs"]
mod customer;
#[path = "support/proxy.rs"]
mod proxy;

use customer::{Customer, customer, reservations, ring};
use proxy::{Fault, Proxy};

/// A proxy, the store behind it, and the store beside it, which loses nothing.
struct Scene {
    proxy: Proxy,
    store: FirestoreStore,
    beside: Arc<dyn Store>,
}

impl Scene {
    async fn new() -> Self {
        let project = Emulator::shared().await.unwrap().project().unwrap();
        let proxy = Proxy::new(&project).await;
        let store = proxy.store().await;
        let beside = Arc::new(FirestoreStore::new(project.firestore().await.unwrap()));
        Self { proxy, store, beside }
    }

    fn customers(&self) -> Repository<Customer> {
        Repository::new(self.store.clone(), ring())
    }

    async fn seed(&self) -> Customer {
        let ada = customer("ada", "ada@example.com");
        customer::customers(&self.beside).create(&ada).await.unwrap();
        ada
    }

    async fn read(&self, id: &str) -> Option<Customer> {
        customer::customers(&self.beside).get(id).await.unwrap()
    }

    fn commits(&self) -> usize {
        self.proxy.calls("Commit")
    }
}

const LOSSES: [Fault; 2] = [Fault::Lost, Fault::Hangup];

#[tokio::test]
async fn a_creation_is_applied_once() {
    for fault in LOSSES {
        let scene = Scene::new().await;
        scene.proxy.next("Commit", fault);
        let time = scene.customers().create(&customer("ada", "ada@example.com")).await.unwrap();
        let stored = customer::stored(&scene.beside, "customers/ada").await.unwrap();
        assert_eq!((time, stored.create_time), (stored.update_time, stored.update_time));
        assert_eq!(reservations(&scene.beside).await.len(), 1);
        println!("creation with a unique value, {fault:?}: {} commits, applied once", scene.commits());
        // Read, and found by its nonces.
        assert_eq!(scene.commits(), 1);
    }
    promise::Promise::kept("lost_answers", LOSSES.len());
}

#[tokio::test]
async fn a_creation_that_did_not_arrive_is_not_sent_again() {
    // It may have been applied, and the document deleted since.
    let scene = Scene::new().await;
    scene.proxy.next("Commit", Fault::Dropped);
    let error = scene.customers().create(&customer("ada", "ada@example.com")).await.unwrap_err();
    assert!(matches!(error, Error::OutcomeUnknown { .. }), "{error}");
    assert!(scene.read("ada").await.is_none());
    assert_eq!(scene.commits(), 1);
    promise::Promise::kept("lost_answers", 1);
}

#[tokio::test]
async fn a_save_that_did_not_arrive_is_sent_again() {
    let scene = Scene::new().await;
    scene.seed().await;
    scene.proxy.next("Commit", Fault::Dropped);
    scene.customers().modify("ada", |ada| ada.visits += 1).await.unwrap().unwrap();
    assert_eq!((scene.commits(), scene.read("ada").await.unwrap().visits), (2, 2));
}

#[tokio::test]
async fn an_update_is_applied_once() {
    for fault in LOSSES {
        let scene = Scene::new().await;
        let mut ada = scene.seed().await;
        ada.ssn = "219-09-9999".to_owned();
        scene.proxy.next("Commit", fault);
        scene.customers().update(&ada, &["ssn"]).await.unwrap();
        assert_eq!(scene.read("ada").await.unwrap().ssn, ada.ssn);
        println!("update, {fault:?}: {} commit, applied once", scene.commits());
        assert_eq!(scene.commits(), 1, "it has no precondition that holds once only");

        scene.proxy.next("Commit", fault);
        scene.customers().modify("ada", |ada| ada.visits += 1).await.unwrap().unwrap();
        assert_eq!(scene.read("ada").await.unwrap().visits, 2);
        scene.proxy.next("Commit", fault);
        scene.customers().delete("ada").await.unwrap();
        assert!(scene.read("ada").await.is_none() && reservations(&scene.beside).await.is_empty());
    }
    promise::Promise::kept("lost_answers", LOSSES.len());
}

#[tokio::test]
async fn an_increment_is_applied_once() {
    for fault in LOSSES {
        let scene = Scene::new().await;
        scene.seed().await;
        scene.proxy.next("Commit", fault);
        scene.customers().change("ada").increment(|c| c.visits, 1).run().await.unwrap();
        assert_eq!(scene.read("ada").await.unwrap().visits, 2);
        println!("increment, {fault:?}: {} commit, applied once", scene.commits());
        assert_eq!(scene.commits(), 1);

        let stored = customer::stored(&scene.beside, "customers/ada").await.unwrap();
        let now = Precondition::UpdatedAt(stored.update_time.unwrap());
        scene.proxy.next("Commit", fault);
        scene.customers().change("ada").increment(|c| c.visits, 1).only_if(now).run().await.unwrap();
        assert_eq!(scene.read("ada").await.unwrap().visits, 3);
    }
    promise::Promise::kept("lost_answers", LOSSES.len());
}

#[tokio::test]
async fn what_is_not_known_is_said() {
    let scene = Scene::new().await;
    scene.seed().await;
    scene.proxy.next("Commit", Fault::Dropped);
    let error = scene.customers().change("ada").increment(|c| c.visits, 1).run().await.unwrap_err();
    assert!(matches!(&error, Error::OutcomeUnknown { documents, .. } if documents.len() == 1), "{error}");
    assert_eq!((scene.commits(), scene.read("ada").await.unwrap().visits), (1, 1));
    promise::Promise::kept("lost_answers", 1);
}

#[tokio::test]
async fn a_batch_is_applied_once() {
    for fault in LOSSES {
        let scene = Scene::new().await;
        scene.seed().await;
        scene.proxy.next("Commit", fault);
        let batch = Batch::new(&scene.store);
        let customers = batch.on(&scene.customers());
        customers.change("ada").increment(|c| c.visits, 1).run().await.unwrap();
        for number in 0..9 {
            customers
                .create(&customer(&format!("c{number}"), &format!("{number}@example.com")))
                .await
                .unwrap();
        }
        let report = batch.finish().await.unwrap();
        assert_eq!((report.applied, report.failures.len()), (10, 0), "{:?}", report.failures);
        assert_eq!(scene.read("ada").await.unwrap().visits, 2);
        assert_eq!(reservations(&scene.beside).await.len(), 10);
        println!("batch of 10, {fault:?}: {} commits, applied once", scene.commits());
    }
    promise::Promise::kept("lost_answers", LOSSES.len());
}

#[tokio::test]
async fn a_transaction_is_applied_once() {
    for fault in LOSSES {
        let scene = Scene::new().await;
        scene.seed().await;
        scene.proxy.next("Commit", fault);
        let (customers, runs) = (&scene.customers(), &AtomicUsize::new(0));
        transaction(&scene.store, |tx| async move {
            runs.fetch_add(1, Ordering::SeqCst);
            let customers = tx.on(customers);
            let mut ada = customers.get_stored("ada").await?.unwrap();
            ada.visits += 1;
            customers.save(&mut ada).await?;
            customers.create(&customer("bea", "bea@example.com")).await
        })
        .await
        .unwrap();
        assert_eq!(scene.read("ada").await.unwrap().visits, 2);
        assert!(scene.read("bea").await.is_some());
        println!(
            "transaction, {fault:?}: {} run, {} commit, applied once",
            runs.load(Ordering::SeqCst),
            scene.commits()
        );
        assert_eq!((runs.load(Ordering::SeqCst), scene.commits()), (1, 1));

        // One that did not arrive is not run again, for it might still.
        scene.proxy.next("Commit", Fault::Dropped);
        let result = transaction(&scene.store, |tx| async move {
            tx.on(customers).change("ada").increment(|c| c.visits, 1).run().await
        });
        assert!(matches!(result.await, Err(Error::OutcomeUnknown { .. })));
        assert_eq!(scene.read("ada").await.unwrap().visits, 2);
    }
    promise::Promise::kept("lost_answers", LOSSES.len());
}

/// The database locks what a transaction reads, and would keep the locks of one that it hears no more of.
#[tokio::test]
async fn a_transaction_that_is_given_up_holds_nothing() {
    let scene = Scene::new().await;
    scene.seed().await;
    let customers = &scene.customers();
    let written = async || {
        let begun = Instant::now();
        customer::customers(&scene.beside).modify("ada", |ada| ada.visits += 1).await.unwrap();
        begun.elapsed()
    };

    scene.proxy.next("Commit", Fault::Dropped);
    let lost = transaction(&scene.store, |tx| async move {
        let customers = tx.on(customers);
        let mut ada = customers.get_stored("ada").await?.unwrap();
        ada.visits += 1;
        customers.save(&mut ada).await
    });
    assert!(matches!(lost.await, Err(Error::OutcomeUnknown { .. })));
    let after_loss = written().await;

    let endless = transaction(&scene.store, |tx| async move {
        tx.on(customers).get("ada").await?;
        std::future::pending::<Result<(), Error>>().await
    });
    tokio::time::timeout(Duration::from_millis(500), endless).await.unwrap_err();
    let after_timeout = written().await;
    println!("another write: {after_loss:?} after a lost commit, {after_timeout:?} after a timeout");
    assert!(after_loss.max(after_timeout) < Duration::from_secs(5));
    assert_eq!(scene.read("ada").await.unwrap().visits, 3);
}

#[tokio::test]
async fn reads_of_a_transaction_that_fail_run_it_again() {
    let scene = Scene::new().await;
    scene.seed().await;
    scene.proxy.cut();
    let customers = &scene.customers();
    transaction(&scene.store, |tx| async move {
        let customers = tx.on(customers);
        let mut ada = customers.get_stored("ada").await?.unwrap();
        ada.visits += 1;
        customers.save(&mut ada).await
    })
    .await
    .unwrap();
    assert_eq!(scene.read("ada").await.unwrap().visits, 2);
}
