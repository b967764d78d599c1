//! What others do between a writer's read, its commit and the lost answer: nothing is lost, nothing applied
//! twice, and nothing called done that is not proven.
//!
//! T27 of docs/threat-model.md.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use fireseal::store::{
    Commit, Document, FieldMask, Fields, ListPage, ListRequest, MemoryStore, Precondition, Query, Store,
    StoreError, Transaction, TransactionMode, Value, ValueType, Write,
};
use fireseal::{Batch, DocumentPath, Error, Repository, Sealable, SealedRepository, transaction};
use futures::stream::BoxStream;

#[path = "support/customer.rs"]
mod customer;

use customer::{Customer, customer, path, reservations, ring};

#[derive(Sealable, Clone, PartialEq)]
#[sealable(collection = "jobs", debug)]
struct Job {
    #[sealable(id)]
    id: String,
    state: String,
    #[sealable(nested)]
    secret: Option<Secret>,
}

#[derive(Sealable, Clone, PartialEq)]
#[sealable(debug)]
struct Secret {
    #[sensitive]
    text: String,
}

/// A document in which nothing is sealed.
fn job(id: &str) -> Job {
    Job { id: id.to_owned(), state: "free".to_owned(), secret: None }
}

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    /// The commit is applied, and its answer lost.
    Lost,
    /// The commit does not arrive.
    Dropped,
    Denied,
    /// Others keep holding the documents, and nothing is applied.
    Aborted,
    /// It is applied, and the answer is not understood.
    Odd,
    /// It does not arrive, and nothing is answered any more.
    Down,
}

/// What others do, by their writes.
type Others = Vec<Write>;

/// A store whose next commit fails, and in which others write before the n-th read or commit from now on is
/// answered.
#[derive(Clone, Default)]
struct Scene {
    memory: MemoryStore,
    fault: Arc<Mutex<Option<Fault>>>,
    down: Arc<Mutex<bool>>,
    /// Written by others once a commit has failed.
    at_fault: Arc<Mutex<Others>>,
    /// Written by others after the next reads, one for each.
    after_reads: Arc<Mutex<Vec<Others>>>,
    commits: Arc<Mutex<usize>>,
    reads: Arc<Mutex<usize>>,
}

impl Scene {
    fn beside(&self) -> Arc<dyn Store> {
        Arc::new(self.memory.clone())
    }

    fn jobs(&self) -> Repository<Job> {
        Repository::new(self.clone(), ring())
    }

    fn customers(&self) -> Repository<Customer> {
        Repository::new(self.clone(), ring())
    }

    fn others(&self) -> Repository<Customer> {
        Repository::new(self.memory.clone(), ring())
    }

    async fn with_jobs(ids: &[&str]) -> Self {
        let scene = Self::default();
        for id in ids {
            scene.jobs().create(&job(id)).await.unwrap();
        }
        scene
    }

    fn fails(&self, fault: Fault, meanwhile: Vec<Write>) {
        *self.fault.lock().unwrap() = Some(fault);
        *self.at_fault.lock().unwrap() = meanwhile;
        self.counts();
    }

    fn after_reads(&self, others: Vec<Others>) {
        *self.after_reads.lock().unwrap() = others;
    }

    /// The commits and reads since.
    fn counts(&self) -> (usize, usize) {
        (std::mem::take(&mut *self.commits.lock().unwrap()), std::mem::take(&mut *self.reads.lock().unwrap()))
    }

    async fn state(&self, id: &str) -> Option<String> {
        self.jobs().get(id).await.unwrap().map(|job| job.state)
    }

    async fn failed(&self, writes: &[Write]) -> Result<Option<StoreError>, StoreError> {
        *self.commits.lock().unwrap() += 1;
        if *self.down.lock().unwrap() {
            return Ok(Some(lost()));
        }
        let Some(fault) = self.fault.lock().unwrap().take() else { return Ok(None) };
        if matches!(fault, Fault::Lost | Fault::Odd) {
            self.memory.commit(writes).await?;
        }
        *self.down.lock().unwrap() = fault == Fault::Down;
        let others = std::mem::take(&mut *self.at_fault.lock().unwrap());
        for write in others {
            self.memory.commit(&[write]).await.unwrap();
        }
        Ok(Some(match fault {
            Fault::Denied => StoreError::Denied { reason: "no".to_owned() },
            Fault::Aborted => StoreError::Aborted { reason: "held".to_owned() },
            Fault::Odd => StoreError::UnexpectedAnswer { reason: "odd".to_owned() },
            _ => lost(),
        }))
    }
}

fn lost() -> StoreError {
    StoreError::Unavailable { reason: "lost".to_owned(), source: None }
}

#[async_trait]
impl Store for Scene {
    async fn read(
        &self,
        paths: &[DocumentPath],
        mask: Option<&FieldMask>,
    ) -> Result<Vec<Option<Document>>, StoreError> {
        *self.reads.lock().unwrap() += 1;
        if *self.down.lock().unwrap() {
            return Err(lost());
        }
        let found = self.memory.read(paths, mask).await?;
        let others = {
            let mut others = self.after_reads.lock().unwrap();
            if others.is_empty() { Vec::new() } else { others.remove(0) }
        };
        if !others.is_empty() {
            self.memory.commit(&others).await.unwrap();
        }
        Ok(found)
    }

    async fn commit(&self, writes: &[Write]) -> Result<Commit, StoreError> {
        match self.failed(writes).await? {
            Some(error) => Err(error),
            None => self.memory.commit(writes).await,
        }
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage, StoreError> {
        self.memory.list(request).await
    }

    async fn query(
        &self,
        query: &Query,
        within: Option<&Transaction>,
    ) -> Result<BoxStream<'static, Result<Document, StoreError>>, StoreError> {
        self.memory.query(query, within).await
    }

    async fn begin(&self, mode: &TransactionMode) -> Result<Transaction, StoreError> {
        self.memory.begin(mode).await
    }

    async fn read_within(
        &self,
        transaction: &Transaction,
        paths: &[DocumentPath],
        mask: Option<&FieldMask>,
    ) -> Result<Vec<Option<Document>>, StoreError> {
        self.memory.read_within(transaction, paths, mask).await
    }

    async fn commit_within(&self, transaction: &Transaction, writes: &[Write]) -> Result<Commit, StoreError> {
        if self.fault.lock().unwrap().is_some() {
            self.memory.rollback(transaction).await.unwrap();
        }
        match self.failed(writes).await? {
            Some(error) => Err(error),
            None => self.memory.commit_within(transaction, writes).await,
        }
    }

    async fn rollback(&self, transaction: &Transaction) -> Result<(), StoreError> {
        self.memory.rollback(transaction).await
    }
}

fn is_unknown<T>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::OutcomeUnknown { .. }))
}

/// Somebody else takes the job `j`, in the same words.
fn claimed_by_another() -> Write {
    let claimed = Value { value_type: Some(ValueType::StringValue("claimed".to_owned())) };
    let mask = FieldMask::new(vec![vec!["state".to_owned()]]);
    Write::merge(path("jobs/j"), Fields::from([("state".to_owned(), claimed)]), mask)
}

/// The writes by which somebody makes a document and its reservations as they were.
async fn as_it_was(scene: &Scene, id: &str, email: &str) -> Others {
    scene.others().create(&customer(id, email)).await.unwrap();
    let documents = scene.memory.documents();
    scene.others().delete(id).await.unwrap();
    documents.into_iter().map(|document| Write::set(document.path, document.fields)).collect()
}

#[tokio::test]
async fn the_same_change_by_another_is_not_taken_for_ones_own() {
    let scene = Scene::with_jobs(&["j"]).await;
    let read = scene.jobs().get_stored("j").await.unwrap().unwrap();
    scene.fails(Fault::Dropped, vec![claimed_by_another()]);
    let as_read = Precondition::UpdatedAt(read.update_time().unwrap());
    let claim = scene.jobs().change("j").set(|job| job.state, "claimed").only_if(as_read).run().await;
    assert!(is_unknown(&claim), "both have the job: {claim:?}");

    let scene = Scene::with_jobs(&["j"]).await;
    let sealed = SealedRepository::<Job>::new(scene.clone());
    let mut read = sealed.get("j").await.unwrap().unwrap();
    read.state = "claimed".to_owned();
    scene.fails(Fault::Dropped, vec![claimed_by_another()]);
    let claim = sealed.save(&mut read).await;
    assert!(is_unknown(&claim), "both have the job: {claim:?}");

    let scene = Scene::with_jobs(&["j"]).await;
    let mut read = scene.jobs().get_stored("j").await.unwrap().unwrap();
    read.state = "claimed".to_owned();
    scene.fails(Fault::Dropped, vec![claimed_by_another()]);
    let claim = scene.jobs().save(&mut read).await;
    assert!(is_unknown(&claim), "both have the job: {claim:?}");

    let scene = Scene::default();
    scene.jobs().create(&job("j")).await.unwrap();
    let same = scene.memory.documents().remove(0);
    scene.memory.commit(&[Write::delete(same.path.clone())]).await.unwrap();
    let mut fields = same.fields;
    fields.remove("_seal");
    scene.fails(Fault::Dropped, vec![Write::set(same.path, fields)]);
    let created = scene.jobs().create(&job("j")).await;
    assert!(is_unknown(&created), "both have created it: {created:?}");
}

#[tokio::test]
async fn the_same_change_by_another_is_not_taken_for_a_transactions() {
    let scene = Scene::with_jobs(&["j"]).await;
    let jobs = &scene.jobs();
    scene.fails(Fault::Dropped, vec![claimed_by_another()]);
    let claim = transaction(&scene, |tx| async move {
        let jobs = tx.on(jobs);
        let free = jobs.get("j").await?.is_some_and(|job| job.state == "free");
        jobs.change("j").set(|job| job.state, "claimed").run().await?;
        Ok::<_, Error>(free)
    })
    .await;
    assert!(is_unknown(&claim), "both have the job: {claim:?}");
    scene.fails(Fault::Dropped, vec![Write::delete(path("jobs/j"))]);
    let taken = transaction(&scene, |tx| async move {
        let jobs = tx.on(jobs);
        let there = jobs.get("j").await?.is_some();
        jobs.delete("j").await?;
        Ok::<_, Error>(there)
    })
    .await;
    assert!(is_unknown(&taken), "both have taken it away: {taken:?}");
}

#[tokio::test]
async fn a_deletion_by_another_is_not_taken_for_ones_own() {
    let scene = Scene::with_jobs(&["j"]).await;
    scene.fails(Fault::Dropped, vec![Write::delete(path("jobs/j"))]);
    let taken = scene.jobs().delete_if("j", Precondition::Exists(true)).await;
    assert!(is_unknown(&taken), "both have taken it away: {taken:?}");
    // One that asks for the result alone is done.
    scene.jobs().create(&job("j")).await.unwrap();
    scene.fails(Fault::Dropped, vec![Write::delete(path("jobs/j"))]);
    scene.jobs().delete("j").await.unwrap();
}

#[tokio::test]
async fn a_creation_is_not_applied_again_after_a_deletion() {
    let scene = Scene::default();
    scene.fails(Fault::Lost, vec![Write::delete(path("jobs/j"))]);
    let created = scene.jobs().create(&job("j")).await;
    assert!(is_unknown(&created), "{created:?}");
    assert_eq!((scene.counts().0, scene.state("j").await), (1, None));
    // Read at once, it is known without being sent again.
    scene.fails(Fault::Lost, vec![]);
    let time = scene.jobs().create(&job("j")).await.unwrap();
    assert_eq!(scene.counts(), (1, 1));
    assert_eq!(time, scene.jobs().get_stored("j").await.unwrap().unwrap().update_time());
}

#[tokio::test]
async fn an_answer_that_is_not_understood_is_a_lost_one() {
    let scene = Scene::with_jobs(&["j"]).await;
    scene.fails(Fault::Odd, vec![]);
    scene.jobs().change("j").set(|job| job.state, "claimed").run().await.unwrap();
    assert_eq!(scene.counts().0, 1);
}

#[tokio::test]
async fn contention_is_not_a_lost_answer() {
    let scene = Scene::with_jobs(&["j"]).await;
    scene.fails(Fault::Aborted, vec![]);
    let result = scene.jobs().set(&job("j")).await;
    assert!(matches!(result, Err(Error::Store(StoreError::Aborted { .. }))), "{result:?}");
    assert_eq!(scene.counts(), (1, 0));
}

#[tokio::test]
async fn what_changes_nothing_lets_nothing_else_be_sent_twice() {
    for fault in [Fault::Lost, Fault::Dropped] {
        let scene = Scene::with_jobs(&["a", "j"]).await;
        let sealed = SealedRepository::<Job>::new(scene.clone());
        let batch = Batch::atomic(&scene);
        let mut a = sealed.get("a").await.unwrap().unwrap();
        batch.on(&sealed).save(&mut a).await.unwrap();
        let mine = Job { state: "mine".to_owned(), ..job("j") };
        batch.on(&scene.jobs()).set(&mine).await.unwrap();
        scene.fails(fault, vec![claimed_by_another()]);
        let result = batch.finish().await.map(drop);
        assert_eq!(scene.state("j").await.unwrap(), "claimed", "written over another's");
        // Its mark stands there if it came first.
        assert_eq!(is_unknown(&result), fault == Fault::Dropped, "{result:?}");
        assert_eq!(scene.counts().0, 1);
    }
}

#[tokio::test]
async fn the_time_of_another_is_not_told_as_ones_own() {
    let scene = Scene::with_jobs(&["j"]).await;
    let sealed = Job { secret: Some(Secret { text: "secret".to_owned() }), ..job("j") };
    scene.fails(Fault::Lost, vec![claimed_by_another()]);
    let time = scene.jobs().update(&sealed, &["secret"]).await.unwrap();
    assert_eq!(time, None, "others have written since, and the writer would not see it");
}

#[tokio::test]
async fn an_outage_is_not_multiplied() {
    let scene = Scene::with_jobs(&["j"]).await;
    scene.fails(Fault::Down, vec![]);
    assert!(is_unknown(&scene.jobs().set(&job("j")).await));
    assert_eq!(scene.counts(), (1, 1), "the first lost read is the last");

    let scene = Scene::with_jobs(&["c0"]).await;
    let batch = Batch::new(&scene);
    for number in 0..5 {
        batch.on(&scene.jobs()).create(&job(&format!("c{number}"))).await.unwrap();
    }
    scene.fails(Fault::Denied, vec![]);
    let report = batch.finish().await.unwrap();
    assert_eq!((report.failures.len(), scene.counts()), (5, (1, 0)), "what is denied is denied to all");
    assert!(matches!(report.failures[4].error, Error::Store(StoreError::Denied { .. })));

    let batch = Batch::new(&scene);
    for number in 1..5 {
        batch.on(&scene.jobs()).create(&job(&format!("c{number}"))).await.unwrap();
    }
    scene.fails(Fault::Down, vec![]);
    let report = batch.finish().await.unwrap();
    assert_eq!((report.applied, report.failures.len(), scene.counts()), (0, 4, (1, 1)));
    assert!(report.failures.iter().all(|one| matches!(one.error, Error::OutcomeUnknown { .. })));
}

#[tokio::test]
async fn a_batch_whose_caller_gives_up_reports_what_it_sent() {
    for fault in [Fault::Lost, Fault::Dropped] {
        let scene = Scene::default();
        let batch = Batch::new(&scene);
        let jobs = batch.on(&scene.jobs());
        jobs.create(&job("j")).await.unwrap();
        scene.fails(fault, vec![]);
        // The same document again sends the first, and is given up while the answer is awaited.
        let given_up = tokio::time::timeout(Duration::from_millis(5), jobs.delete("j")).await;
        assert!(given_up.is_err());
        let report = batch.finish().await.unwrap();
        let applied = u64::from(fault == Fault::Lost);
        assert_eq!((report.applied, report.failures.len() as u64), (applied, 1 - applied), "{report:?}");
    }
}

#[tokio::test]
async fn what_was_saved_in_a_transaction_or_a_batch_is_read_again_before_it_is_saved() {
    let scene = Scene::default();
    let customers = &scene.customers();
    customers.create(&customer("ada", "ada@example.com")).await.unwrap();
    let mut read = transaction(&scene, |tx| async move {
        let customers = tx.on(customers);
        let mut read = customers.get_stored("ada").await?.unwrap();
        read.visits = 2;
        customers.save(&mut read).await?;
        // The same transaction knows what it has written.
        read.visits = 3;
        customers.save(&mut read).await?;
        Ok::<_, Error>(read)
    })
    .await
    .unwrap();
    customers.modify("ada", |ada| ada.name = "another's".to_owned()).await.unwrap();
    assert!(customers.save(&mut read).await.unwrap_err().is_conflict());
    let again = transaction(&scene, |tx| {
        let mut read = read.clone();
        async move { tx.on(customers).save(&mut read).await }
    });
    assert!(again.await.unwrap_err().is_conflict());

    let mut read = customers.get_stored("ada").await.unwrap().unwrap();
    let batch = Batch::new(&scene);
    read.visits = 4;
    batch.on(customers).save(&mut read).await.unwrap();
    customers.modify("ada", |ada| ada.name = "a third's".to_owned()).await.unwrap();
    assert_eq!(batch.finish().await.unwrap().failures.len(), 1);
    assert!(customers.save(&mut read).await.unwrap_err().is_conflict());
    let ada = customers.get("ada").await.unwrap().unwrap();
    assert_eq!((ada.name.as_str(), ada.visits), ("a third's", 3));
}

#[tokio::test]
async fn a_document_that_appears_meanwhile_keeps_no_stale_reservation() {
    let new = customer("ada", "new@example.com");
    for number in 0..4 {
        let scene = Scene::default();
        let appears = as_it_was(&scene, "ada", "old@example.com").await;
        scene.after_reads(vec![appears]);
        let customers = scene.customers();
        match number {
            0 => drop(customers.update(&new, &["email"]).await),
            1 => drop(customers.delete_if("ada", Precondition::Exists(true)).await),
            2 => drop(customers.set(&new).await),
            _ => drop(customers.delete("ada").await),
        }
        scene.others().delete("ada").await.unwrap();
        let left = reservations(&scene.beside()).await;
        assert!(left.is_empty(), "case {number}: {left:?}");
    }
    // What is not there is told without a write.
    let scene = Scene::default();
    assert!(scene.customers().update(&new, &["email"]).await.unwrap_err().is_not_found());
    let missing = scene.customers().delete_if("ada", Precondition::Exists(true)).await;
    assert!(missing.unwrap_err().is_not_found());
    assert_eq!(scene.counts().0, 0);
}

#[tokio::test]
async fn a_value_that_another_changes_meanwhile_leaves_no_reservation() {
    // Before: none, and another gives the document one; or one, and another changes it.
    for before in [None, Some("old@example.com".to_owned())] {
        for number in 0..3 {
            let scene = Scene::default();
            let ada = customer("ada", "mine@example.com");
            let start = Customer { email: before.clone(), ..ada.clone() };
            scene.others().create(&start).await.unwrap();
            // What another makes of it, to be played back between the read and the commit.
            let was = scene.memory.documents();
            scene.others().update(&customer("ada", "theirs@example.com"), &["email"]).await.unwrap();
            let is = scene.memory.documents();
            for document in &is {
                scene.memory.commit(&[Write::delete(document.path.clone())]).await.unwrap();
            }
            let set = |document: &Document| Write::set(document.path.clone(), document.fields.clone());
            scene.memory.commit(&was.iter().map(set).collect::<Vec<_>>()).await.unwrap();
            let gone = was.iter().filter(|one| is.iter().all(|other| other.path != one.path));
            let gone = gone.map(|one| Write::delete(one.path.clone()));
            scene.after_reads(vec![is.iter().map(set).chain(gone).collect()]);

            let customers = scene.customers();
            match number {
                0 => drop(customers.update(&ada, &["email"]).await.unwrap()),
                1 => drop(customers.set(&ada).await.unwrap()),
                _ => {
                    let mine = |one: &mut Customer| one.email.clone_from(&ada.email);
                    customers.modify("ada", mine).await.unwrap().unwrap();
                }
            }
            let held = reservations(&scene.beside()).await;
            assert_eq!(held.len(), 1, "case {number} from {before:?}: {held:?}");
            assert!(
                scene.others().create(&customer("bea", "mine@example.com")).await.unwrap_err().is_taken()
            );
            scene.others().create(&customer("bea", "theirs@example.com")).await.unwrap();
            scene.others().create(&customer("cleo", "old@example.com")).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_reservation_that_changes_hands_meanwhile_is_not_released() {
    let scene = Scene::default();
    scene.others().create(&customer("ada", "old@example.com")).await.unwrap();
    // Somebody removes ada's reservation by hand, and bea takes the value.
    let (of_ada, _) = reservations(&scene.beside()).await.remove(0);
    let held = customer::stored(&scene.beside(), of_ada.as_str()).await.unwrap();
    scene.memory.commit(&[Write::delete(of_ada.clone())]).await.unwrap();
    scene.others().create(&customer("bea", "old@example.com")).await.unwrap();
    let of_bea = customer::stored(&scene.beside(), of_ada.as_str()).await.unwrap();
    scene.memory.commit(&[Write::set(of_ada.clone(), held.fields)]).await.unwrap();
    // After the document and its reservation were read.
    scene.after_reads(vec![vec![], vec![Write::set(of_ada, of_bea.fields)]]);
    scene.customers().update(&customer("ada", "new@example.com"), &["email"]).await.unwrap();
    let owners: Vec<_> = reservations(&scene.beside()).await.into_iter().map(|(_, owner)| owner).collect();
    assert_eq!(owners, ["customers/ada", "customers/bea"]);
}

#[tokio::test]
async fn a_stale_time_is_refused_where_unique_values_are_read_anew() {
    let scene = Scene::default();
    let customers = scene.customers();
    customers.create(&customer("ada", "old@example.com")).await.unwrap();
    let stale = customers.get_stored("ada").await.unwrap().unwrap().update_time().unwrap();
    customers.modify("ada", |ada| ada.visits += 1).await.unwrap().unwrap();
    let stale = Precondition::UpdatedAt(stale);
    let new = customer("ada", "new@example.com");
    assert!(customers.set_if(&new, stale.clone()).await.unwrap_err().is_conflict());
    assert!(customers.update_if(&new, &["email"], stale.clone()).await.unwrap_err().is_conflict());
    assert!(customers.delete_if("ada", stale).await.unwrap_err().is_conflict());
    // The time is right when it is read, and stale when it is written.
    let read = customers.get_stored("ada").await.unwrap().unwrap();
    let touched = Write::merge(
        path("customers/ada"),
        Fields::from([("name".to_owned(), Value { value_type: Some(ValueType::StringValue("B".into())) })]),
        FieldMask::new(vec![vec!["name".to_owned()]]),
    );
    scene.after_reads(vec![vec![touched]]);
    let as_read = Precondition::UpdatedAt(read.update_time().unwrap());
    assert!(customers.update_if(&new, &["email"], as_read).await.unwrap_err().is_conflict());
    assert_eq!(customers.get("ada").await.unwrap().unwrap().visits, 2);
}

#[tokio::test]
async fn one_document_many_times_in_a_batch() {
    let scene = Scene::default();
    let batch = Batch::new(&scene);
    let customers = batch.on(&scene.customers());
    customers.create(&customer("ada", "a@example.com")).await.unwrap();
    customers.update(&customer("ada", "b@example.com"), &["email"]).await.unwrap();
    customers.set(&customer("ada", "c@example.com")).await.unwrap();
    customers.set(&customer("ada", "d@example.com")).await.unwrap();
    customers.delete("ada").await.unwrap();
    let report = batch.finish().await.unwrap();
    assert_eq!((report.applied, report.failures.len()), (5, 0), "{:?}", report.failures);
    assert!(reservations(&scene.beside()).await.is_empty());
}
