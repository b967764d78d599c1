//! T24: data keys are rotated, by two at once, beside eight writers of the same document and of their own.

use std::sync::Arc;
use std::time::Duration;

use fireseal::custody::{Authority, KeyVault};
use fireseal::store::FirestoreStore;
use fireseal::{KeyProvider, Purpose, Repository, Scope, Sealable};
use fireseal_emulator::Emulator;
use futures::future::join_all;

use crate::custody::root;
use crate::promise::Tally;

const WRITERS: u64 = 8;
const ROUNDS: u64 = 6;
const ROTATIONS: usize = 4;

#[derive(Sealable)]
#[sealable(collection = "counters", debug)]
struct Counter {
    #[sealable(id)]
    id: String,
    #[sensitive]
    count: u64,
}

/// T24: every acknowledged change is there at the end, every document opens, and there is one primary key.
pub async fn eight_writers_and_two_rotators(tally: &Tally) {
    let project = Emulator::shared().await.unwrap().project().unwrap();
    let store = FirestoreStore::new(project.firestore().await.unwrap());
    let (authority, scope) = (Arc::new(Authority::generate().unwrap()), Scope::default());
    // Each has a cache of its own, which soon forgets.
    let vault = || {
        KeyVault::in_store(store.clone(), "production", authority.key()).with_root(root(1)).with_lifetimes(
            |times| {
                (times.soft, times.pause) = (Duration::from_millis(50), Duration::ZERO);
                (times.hard, times.deadline) = (Duration::from_secs(60), Duration::from_secs(60));
            },
        )
    };
    vault().create_scope(&authority, &scope).await.unwrap();
    let all = Repository::<Counter>::new(store.clone(), vault());
    for id in (0..WRITERS).map(|writer| format!("own{writer}")).chain(["shared".to_owned()]) {
        all.create(&Counter { id, count: 0 }).await.unwrap();
    }
    let writers = (0..WRITERS).map(|writer| {
        let counters = Repository::<Counter>::new(store.clone(), vault());
        tokio::spawn(async move {
            let mut retried = 0;
            for _ in 0..ROUNDS {
                for id in [format!("own{writer}"), "shared".to_owned()] {
                    while let Err(error) = counters.modify(&id, |counter| counter.count += 1).await {
                        assert!(error.is_conflict(), "{error}");
                        retried += 1;
                    }
                }
            }
            retried
        })
    });
    let rotators = (0..2).map(|_| {
        let (vault, authority, scope) = (vault(), Arc::clone(&authority), scope.clone());
        tokio::spawn(async move {
            let mut made = 0;
            while made < ROTATIONS {
                match vault.rotate(&authority, &scope).await {
                    Ok(_) => made += 1,
                    Err(error) => assert!(error.is_conflict() || error.is_unavailable(), "{error}"),
                }
            }
            made
        })
    });
    let (retried, made) = tokio::join!(join_all(writers), join_all(rotators));
    let retried: u64 = retried.into_iter().map(Result::unwrap).sum();
    let made: usize = made.into_iter().map(Result::unwrap).sum();

    let fresh = Repository::<Counter>::new(store.clone(), vault());
    for writer in 0..WRITERS {
        let read = fresh.get(&format!("own{writer}")).await;
        let whole = read.as_ref().is_ok_and(|read| read.as_ref().is_some_and(|own| own.count == ROUNDS));
        tally.holds(whole, || format!("writer {writer}: {read:?}"));
    }
    let shared = fresh.get("shared").await.unwrap().unwrap().count;
    tally.held(shared);
    tally.holds(shared == WRITERS * ROUNDS, || format!("{shared} of {} changes", WRITERS * ROUNDS));
    let manifest = vault().manifest(&scope).await.unwrap();
    let data = manifest.keys.iter().filter(|key| key.purpose == Purpose::Data).count();
    tally.holds(data == 1 + made, || format!("{data} data keys after {made} rotations"));
    assert!(vault().ring(&scope).await.is_ok());
    tally.note(format!(
        "{made} rotations by 2 beside {} changes by {WRITERS}: {retried} repeated",
        2 * shared
    ));
}
