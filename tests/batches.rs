//! Batches: chunked within Firestore's limits, told what became of each operation, never half of one.
//!
//! T28 of docs/threat-model.md.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use fireseal::store::{
    Commit, Document, FieldMask, ListPage, ListRequest, MemoryStore, Precondition, Store, StoreError, Write,
};
use fireseal::{Batch, DataKey, DocumentPath, Error, KeyRing, Repository, Sealable, SealedRepository};

#[path = "support/customer.rs"]
mod customer;
#[macro_use]
#[path = "support/stores.rs"]
mod stores;

use customer::{Customer, customer, customers, reservations, stored};

type DynStore = Arc<dyn Store>;

#[derive(Sealable, Clone, PartialEq)]
#[sealable(collection = "notes", debug)]
struct Note {
    #[sealable(id)]
    id: String,
    #[sensitive]
    text: String,
}

fn notes(store: &DynStore) -> Repository<Note> {
    Repository::new(Arc::clone(store), KeyRing::new(DataKey::from_bytes(&[7; 32])))
}

fn note(number: usize, bytes: usize) -> Note {
    Note { id: format!("n{number:05}"), text: "x".repeat(bytes) }
}

on_both_stores!(
    many_are_chunked_by_count,
    large_ones_are_chunked_by_bytes,
    the_failing_ones_are_named,
    several_repositories_and_kinds,
    unique_values_in_a_batch,
    all_or_nothing,
);

async fn many_are_chunked_by_count(store: DynStore) {
    let batch = Batch::new(&store);
    for number in 0..1_201 {
        assert_eq!(batch.on(&notes(&store)).create(&note(number, 10)).await.unwrap(), None);
    }
    let report = batch.finish().await.unwrap();
    println!("1,201 documents: {} commits", report.commits);
    assert_eq!((report.applied, report.failures.len(), report.commits), (1_201, 0, 3));
    assert!(report.last_commit.is_some());
    assert_eq!(notes(&store).get("n01200").await.unwrap().unwrap(), note(1_200, 10));
}

async fn large_ones_are_chunked_by_bytes(store: DynStore) {
    let batch = Batch::new(&store);
    for number in 0..10 {
        batch.on(&notes(&store)).set(&note(number, 900_000)).await.unwrap();
    }
    let report = batch.finish().await.unwrap();
    assert_eq!((report.applied, report.failures.len(), report.commits), (10, 0, 4));
    // What no commit takes is refused at once, and nothing else with it.
    let batch = Batch::new(&store);
    batch.on(&notes(&store)).set(&note(1, 10)).await.unwrap();
    assert!(batch.on(&notes(&store)).set(&note(2, 2_000_000)).await.is_err());
    assert_eq!(batch.finish().await.unwrap().applied, 1);
    assert_eq!(notes(&store).get("n00001").await.unwrap().unwrap(), note(1, 10));
}

async fn the_failing_ones_are_named(store: DynStore) {
    for number in [3, 7] {
        notes(&store).create(&note(number, 1)).await.unwrap();
    }
    let batch = Batch::new(&store);
    let notes_in = batch.on(&notes(&store));
    for number in 0..10 {
        notes_in.create(&note(number, 10)).await.unwrap();
    }
    notes_in.update(&note(99, 10), &["text"]).await.unwrap();
    let report = batch.finish().await.unwrap();
    assert_eq!(report.applied, 8);
    let failed: Vec<_> = report.failures.iter().map(|one| (one.operation, one.document.as_str())).collect();
    assert_eq!(failed, [(3, "notes/n00003"), (7, "notes/n00007"), (10, "notes/n00099")]);
    assert!(report.failures[0].error.is_conflict() && report.failures[2].error.is_not_found());
    assert_eq!(notes(&store).get("n00003").await.unwrap().unwrap(), note(3, 1));
    assert_eq!(notes(&store).get("n00009").await.unwrap().unwrap(), note(9, 10));
    assert!(notes_in.create(&note(50, 1)).await.is_err(), "the batch is finished");
}

async fn several_repositories_and_kinds(store: DynStore) {
    let customers = customers(&store);
    notes(&store).create(&note(1, 1)).await.unwrap();
    notes(&store).create(&note(2, 1)).await.unwrap();
    customers.create(&customer("ada", "ada@example.com")).await.unwrap();
    let batch = Batch::new(&store);
    batch.on(&notes(&store)).delete("n00001").await.unwrap();
    batch.on(&SealedRepository::<Note>::new(Arc::clone(&store))).delete("n00002").await.unwrap();
    batch.on(&customers).create(&customer("bea", "bea@example.com")).await.unwrap();
    batch.on(&customers).change("ada").increment(|c| c.visits, 4).run().await.unwrap();
    // The same document again: in a commit of its own, in order.
    batch.on(&customers).change("ada").increment(|c| c.visits, 5).run().await.unwrap();
    let report = batch.finish().await.unwrap();
    assert_eq!((report.applied, report.commits), (5, 2), "{:?}", report.failures);
    assert_eq!(customers.get("ada").await.unwrap().unwrap().visits, 10);
    assert!(notes(&store).get_many(&["n00001", "n00002"]).await.unwrap().iter().all(Option::is_none));
}

async fn unique_values_in_a_batch(store: DynStore) {
    let customers = customers(&store);
    let batch = Batch::new(&store);
    batch.on(&customers).create(&customer("ada", "one@example.com")).await.unwrap();
    batch.on(&customers).create(&customer("bea", "two@example.com")).await.unwrap();
    // What is taken by the batch itself is told at once.
    let taken = batch.on(&customers).create(&customer("cleo", "ONE@example.com")).await.unwrap_err();
    assert!(taken.is_taken(), "{taken}");
    batch.on(&customers).create(&customer("dora", "three@example.com")).await.unwrap();
    batch.on(&customers).create(&customer("eve", "four@example.com")).await.unwrap();
    // What others take meanwhile is in the report.
    customers.create(&customer("fay", "three@example.com")).await.unwrap();
    let report = batch.finish().await.unwrap();
    assert_eq!(report.applied, 3);
    let [failed] = &report.failures[..] else { panic!("{:?}", report.failures) };
    assert!(matches!(&failed.error, Error::Taken { field } if field == "email"), "{:?}", failed.error);
    assert_eq!((failed.operation, failed.document.as_str()), (2, "customers/dora"));
    assert!(stored(&store, "customers/dora").await.is_none());
    assert_eq!(reservations(&store).await.len(), 4);
    // Twice the same document: the second reads what the first wrote.
    let batch = Batch::new(&store);
    batch.on(&customers).set(&customer("ada", "five@example.com")).await.unwrap();
    batch.on(&customers).set(&customer("ada", "six@example.com")).await.unwrap();
    let report = batch.finish().await.unwrap();
    assert_eq!((report.applied, report.failures.len()), (2, 0), "{:?}", report.failures);
    assert_eq!(reservations(&store).await.len(), 4);
}

async fn all_or_nothing(store: DynStore) {
    notes(&store).create(&note(3, 1)).await.unwrap();
    let batch = Batch::atomic(&store);
    for number in 0..10 {
        batch.on(&notes(&store)).create(&note(number, 10)).await.unwrap();
    }
    assert!(batch.finish().await.unwrap_err().is_conflict());
    assert_eq!(notes(&store).list().page().await.unwrap().documents.len(), 1);

    let batch = Batch::atomic(&store);
    for number in 10..510 {
        batch.on(&notes(&store)).create(&note(number, 10)).await.unwrap();
    }
    let refused = batch.on(&notes(&store)).create(&note(510, 10)).await.unwrap_err();
    assert!(matches!(refused, Error::Store(StoreError::Refused { .. })), "{refused}");
    let report = batch.finish().await.unwrap();
    assert_eq!((report.applied, report.commits), (500, 1));
    assert_eq!(Batch::atomic(&store).finish().await.unwrap().commits, 0);
}

/// Counts the commits, and loses the answers that it is told to lose.
#[derive(Clone, Default)]
struct Losing {
    inner: MemoryStore,
    commits: Arc<AtomicUsize>,
    /// For each commit to come: whether it is applied before the answer is lost.
    lose: Arc<Mutex<Vec<bool>>>,
}

#[async_trait]
impl Store for Losing {
    async fn read(
        &self,
        paths: &[DocumentPath],
        mask: Option<&FieldMask>,
    ) -> Result<Vec<Option<Document>>, StoreError> {
        self.inner.read(paths, mask).await
    }

    async fn commit(&self, writes: &[Write]) -> Result<Commit, StoreError> {
        self.commits.fetch_add(1, Ordering::SeqCst);
        let lose = self.lose.lock().unwrap().pop();
        let lost = || StoreError::Unavailable { reason: "lost".to_owned(), source: None };
        match lose {
            None => self.inner.commit(writes).await,
            Some(false) => Err(lost()),
            Some(true) => {
                self.inner.commit(writes).await?;
                Err(lost())
            }
        }
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage, StoreError> {
        self.inner.list(request).await
    }
}

impl Losing {
    fn loses(&self, next: &[bool]) {
        *self.lose.lock().unwrap() = next.iter().rev().copied().collect();
    }

    fn commits(&self) -> usize {
        self.commits.swap(0, Ordering::SeqCst)
    }
}

#[tokio::test]
async fn a_lost_answer_is_resolved_without_writing_twice() {
    let store = Losing::default();
    let keys = KeyRing::new(DataKey::from_bytes(&[7; 32]));
    let notes = Repository::<Note>::new(store.clone(), keys);
    // Writes under an update time are sent again; what was applied is told by what is stored.
    notes.create(&note(1, 5)).await.unwrap();
    store.commits();
    for (lose, commits) in [(&[true][..], 1), (&[false], 2), (&[false, true], 2), (&[false, false], 3)] {
        store.loses(lose);
        notes.modify("n00001", |note| note.text.push('y')).await.unwrap().unwrap();
        assert_eq!(store.commits(), commits);
    }
    assert_eq!(notes.get("n00001").await.unwrap().unwrap().text, "xxxxxyyyy");
    notes.delete("n00001").await.unwrap();
    // A creation is not: the document may be absent because others have deleted it.
    for lose in [true, false] {
        store.commits();
        store.loses(&[lose]);
        let result = notes.create(&note(1, 10)).await;
        assert_eq!(matches!(result, Err(Error::OutcomeUnknown { .. })), !lose, "{result:?}");
        assert_eq!(store.commits(), 1);
        notes.delete("n00001").await.unwrap();
    }
    // Somebody else was first.
    notes.create(&note(1, 3)).await.unwrap();
    store.loses(&[false]);
    let error = notes.create(&note(1, 10)).await.unwrap_err();
    assert!(matches!(error, Error::OutcomeUnknown { .. }), "{error}");
    assert_eq!(notes.get("n00001").await.unwrap().unwrap(), note(1, 3));
    store.commits();

    // Unguarded writes are read and compared, and sent once.
    store.loses(&[true]);
    notes.set(&note(1, 20)).await.unwrap();
    assert_eq!(store.commits(), 1);
    store.loses(&[false]);
    let error = notes.set(&note(1, 30)).await.unwrap_err();
    assert!(matches!(&error, Error::OutcomeUnknown { documents, .. } if documents.len() == 1), "{error}");
    assert!(error.to_string().contains("notes/n00001") && !error.is_conflict() && !error.is_unavailable());
    assert_eq!(store.commits(), 1);

    // A batch: what landed is told from what is not known.
    store.loses(&[true]);
    let batch = Batch::new(&store);
    for number in 10..20 {
        batch.on(&notes).set(&note(number, 10)).await.unwrap();
    }
    assert_eq!(batch.finish().await.unwrap().applied, 10);
    store.loses(&[false]);
    let batch = Batch::new(&store);
    batch.on(&notes).set(&note(10, 20)).await.unwrap();
    batch.on(&notes).delete("n00099").await.unwrap();
    let report = batch.finish().await.unwrap();
    assert_eq!((report.applied, report.failures.len()), (1, 1));
    assert!(matches!(report.failures[0].error, Error::OutcomeUnknown { .. }));
    store.commits();

    // A change with a precondition, and one without.
    let customers = Repository::<Customer>::new(store.clone(), customer::ring());
    customers.create(&customer("ada", "ada@example.com")).await.unwrap();
    for lose in [&[true][..], &[true, true]] {
        let before = customers.get_stored("ada").await.unwrap().unwrap();
        let now = Precondition::UpdatedAt(before.update_time().unwrap());
        store.loses(lose);
        customers
            .change("ada")
            .set(|c| c.name, "B")
            .increment(|c| c.visits, 1)
            .only_if(now)
            .run()
            .await
            .unwrap();
        assert_eq!(customers.get("ada").await.unwrap().unwrap().visits, before.visits + 1);
    }
    store.loses(&[true]);
    store.commits();
    customers.change("ada").increment(|c| c.visits, 1).run().await.unwrap();
    assert_eq!((store.commits(), customers.get("ada").await.unwrap().unwrap().visits), (1, 4));
    store.loses(&[false]);
    let lost = customers.change("ada").increment(|c| c.visits, 1).run().await.unwrap_err();
    assert!(matches!(lost, Error::OutcomeUnknown { .. }));
    assert_eq!((store.commits(), customers.get("ada").await.unwrap().unwrap().visits), (1, 4));
    // A unique value: reserved once.
    store.loses(&[true]);
    customers.create(&customer("bea", "bea@example.com")).await.unwrap();
    store.loses(&[true, true]);
    customers.modify("bea", |bea| bea.visits += 1).await.unwrap().unwrap();
    assert_eq!(customers.get("bea").await.unwrap().unwrap().visits, 2);
    assert_eq!(reservations(&(Arc::new(store) as DynStore)).await.len(), 2);
}
