//! Transactions over repositories: what is read is as it is when the writes are applied.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "support/promise.rs"]
mod promise;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fireseal::store::{Precondition, Store, StoreError};
use fireseal::{Error, SealedRepository, Transaction, snapshot, transaction};
use futures::future::join_all;

#[path = "support/customer.rs"]
mod customer;
#[macro_use]
#[path = "support/stores.rs"]
mod stores;

use customer::{Customer, customer, customers, reservations, stored};

type DynStore = Arc<dyn Store>;

on_both_stores!(
    reads_and_writes_of_several_documents,
    no_update_is_lost,
    an_error_writes_nothing_and_is_not_run_again,
    unique_values_are_swapped,
    what_was_written_is_read_as_such,
    a_snapshot_only_reads,
    a_handle_ends_with_its_run,
    nothing_that_was_kept_is_written_over_unseen,
);

async fn seed(store: &DynStore) {
    for id in ["ada", "bea"] {
        customers(store).create(&customer(id, &format!("{id}@example.com"))).await.unwrap();
    }
}

async fn reads_and_writes_of_several_documents(store: DynStore) {
    seed(&store).await;
    let customers = customers(&store);
    let moved = transaction(&store, |tx: Transaction| {
        let customers = tx.on(&customers);
        async move {
            let mut ada = customers.get_stored("ada").await?.unwrap();
            let mut bea = customers.get("bea").await?.unwrap();
            assert!(customers.get("cleo").await?.is_none());
            assert_eq!(ada.ssn, "078-05-1120");
            ada.visits -= 1;
            bea.visits += 1;
            customers.save(&mut ada).await?;
            customers.set(&bea).await?;
            customers.create(&customer("cleo", "cleo@example.com")).await?;
            Ok::<_, Error>(bea.visits)
        }
    });
    // The future can be spawned.
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    assert_eq!(is_send(moved).await.unwrap(), 2);
    let visits = async |id| customers.get(id).await.unwrap().unwrap().visits;
    assert_eq!((visits("ada").await, visits("bea").await, visits("cleo").await), (0, 2, 1));
    assert_eq!(reservations(&store).await.len(), 3);
}

async fn no_update_is_lost(store: DynStore) {
    seed(&store).await;
    let runs = Arc::new(AtomicUsize::new(0));
    let tasks = (0..4).map(|_| {
        let (store, runs, customers) = (Arc::clone(&store), Arc::clone(&runs), customers(&store));
        tokio::spawn(async move {
            for _ in 0..3 {
                let (runs, customers) = (&runs, &customers);
                transaction(&store, |tx| async move {
                    runs.fetch_add(1, Ordering::SeqCst);
                    let customers = tx.on(customers);
                    let mut ada = customers.get_stored("ada").await?.unwrap();
                    tokio::task::yield_now().await;
                    ada.visits += 1;
                    customers.save(&mut ada).await
                })
                .await
                .unwrap();
            }
        })
    });
    for task in join_all(tasks).await {
        task.unwrap();
    }
    println!("12 transactions on one document: {} runs", runs.load(Ordering::SeqCst));
    assert_eq!(customers(&store).get("ada").await.unwrap().unwrap().visits, 13);
    promise::Promise::kept("no_lost_updates", 12);
}

async fn an_error_writes_nothing_and_is_not_run_again(store: DynStore) {
    #[derive(Debug, PartialEq)]
    enum Mine {
        Stop,
        Other,
    }
    impl From<Error> for Mine {
        fn from(_: Error) -> Self {
            Self::Other
        }
    }
    seed(&store).await;
    let runs = AtomicUsize::new(0);
    let (counted, customers) = (&runs, &customers(&store));
    let stopped = transaction(&store, |tx| async move {
        counted.fetch_add(1, Ordering::SeqCst);
        let customers = tx.on(customers);
        let mut ada = customers.get_stored("ada").await?.unwrap();
        ada.visits = 99;
        customers.save(&mut ada).await?;
        Err::<(), _>(Mine::Stop)
    });
    assert_eq!((stopped.await, runs.swap(0, Ordering::SeqCst)), (Err(Mine::Stop), 1));
    // A precondition of a write does not hold: no other run would help.
    let conflict = transaction(&store, |tx| async move {
        counted.fetch_add(1, Ordering::SeqCst);
        tx.on(customers).delete_if("ada", Precondition::Exists(false)).await
    });
    assert!(conflict.await.unwrap_err().is_conflict());
    let taken = transaction(&store, |tx| async move {
        counted.fetch_add(1, Ordering::SeqCst);
        tx.on(customers).create(&customer("cleo", "ada@example.com")).await
    });
    assert!(taken.await.unwrap_err().is_taken());
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    assert_eq!(customers.get("ada").await.unwrap().unwrap().visits, 1);
    assert!(customers.get("cleo").await.unwrap().is_none());
}

async fn unique_values_are_swapped(store: DynStore) {
    seed(&store).await;
    let customers = &customers(&store);
    transaction(&store, |tx| async move {
        let customers = tx.on(customers);
        let mut ada = customers.get_stored("ada").await?.unwrap();
        let mut bea = customers.get_stored("bea").await?.unwrap();
        // The value is free once the other has given it up.
        let (of_ada, of_bea) = (ada.email.take(), bea.email.take());
        bea.email = of_ada;
        let refused = customers.save(&mut bea.clone()).await.unwrap_err();
        assert!(refused.is_taken(), "{refused}");
        ada.email = None;
        customers.save(&mut ada).await?;
        customers.save(&mut bea).await?;
        ada.email = of_bea;
        customers.save(&mut ada).await
    })
    .await
    .unwrap();
    let email = async |id| customers.get(id).await.unwrap().unwrap().email.unwrap();
    assert_eq!(
        (email("ada").await, email("bea").await),
        ("bea@example.com".into(), "ada@example.com".into())
    );
    let owners: Vec<_> = reservations(&store).await.into_iter().map(|(_, owner)| owner).collect();
    assert_eq!(owners, ["customers/ada", "customers/bea"]);
    for (id, taken) in [("ada", "bea@example.com"), ("bea", "ada@example.com")] {
        let error = customers.create(&customer("cleo", taken)).await.unwrap_err();
        assert!(error.is_taken(), "{id} holds it: {error}");
    }
}

async fn what_was_written_is_read_as_such(store: DynStore) {
    seed(&store).await;
    let customers = &customers(&store);
    transaction(&store, |tx| async move {
        let customers = tx.on(customers);
        let cleo = customer("cleo", "cleo@example.com");
        customers.create(&cleo).await?;
        assert_eq!(customers.get("cleo").await?.unwrap(), cleo);
        customers.delete("ada").await?;
        assert!(customers.get("ada").await?.is_none());
        customers.change("bea").increment(|c| c.visits, 1).run().await?;
        let refused = customers.get("bea").await.unwrap_err();
        assert!(matches!(refused, Error::Store(StoreError::Refused { .. })), "{refused}");
        Ok::<_, Error>(())
    })
    .await
    .unwrap();
    assert_eq!(customers.get("bea").await.unwrap().unwrap().visits, 2);
    assert!(customers.get("cleo").await.unwrap().is_some() && customers.get("ada").await.unwrap().is_none());
    assert_eq!(reservations(&store).await.len(), 2);
}

async fn a_snapshot_only_reads(store: DynStore) {
    seed(&store).await;
    let customers = &customers(&store);
    let sealed = &SealedRepository::<Customer>::new(Arc::clone(&store));
    let sum = snapshot(&store, None, |tx| async move {
        let ada = tx.on(customers).get("ada").await?.unwrap();
        // Others write meanwhile, and wait for nobody.
        customers.change("bea").increment(|c| c.visits, 10).run().await?;
        let bea = tx.on(sealed).get("bea").await?.unwrap();
        Ok::<_, Error>(ada.visits + bea.visits)
    });
    assert_eq!(sum.await.unwrap(), 2);
    let refused = snapshot(&store, None, |tx| async move { tx.on(customers).delete("ada").await });
    assert!(matches!(refused.await, Err(Error::Store(StoreError::Refused { .. }))));
    assert!(stored(&store, "customers/ada").await.is_some());
}

async fn a_handle_ends_with_its_run(store: DynStore) {
    seed(&store).await;
    let customers = &customers(&store);
    let kept = transaction(&store, |tx| async move { Ok::<_, Error>(tx.on(customers)) }).await.unwrap();
    assert!(matches!(kept.get("ada").await, Err(Error::Store(StoreError::Refused { .. }))));
    assert!(matches!(kept.delete("ada").await, Err(Error::Store(StoreError::Refused { .. }))));
    assert!(stored(&store, "customers/ada").await.is_some());
}

async fn nothing_that_was_kept_is_written_over_unseen(store: DynStore) {
    seed(&store).await;
    let customers = &customers(&store);
    transaction(&store, |tx| async move {
        let customers = tx.on(customers);
        let cleo = customer("cleo", "cleo@example.com");
        customers.create(&cleo).await?;
        // It is there now, as for everybody else.
        assert!(customers.create(&cleo).await.unwrap_err().is_conflict());
        customers.delete("cleo").await?;
        customers.create(&cleo).await?;
        customers.delete("bea").await?;
        let gone = customers.delete_if("bea", Precondition::Exists(true)).await.unwrap_err();
        assert!(gone.is_not_found(), "{gone}");
        // Changes of parts are not put together, so the first one would be lost.
        customers.change("ada").set(|c| c.name, "first").run().await?;
        let twice = customers.change("ada").increment(|c| c.visits, 1).run().await.unwrap_err();
        assert!(matches!(twice, Error::Store(StoreError::Refused { .. })), "{twice}");
        Ok::<_, Error>(())
    })
    .await
    .unwrap();
    let ada = customers.get("ada").await.unwrap().unwrap();
    assert_eq!((ada.name.as_str(), ada.visits), ("first", 1));
    assert!(customers.get("cleo").await.unwrap().is_some() && customers.get("bea").await.unwrap().is_none());
}
