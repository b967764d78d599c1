//! A job does each document once: in parts, under budgets, interrupted and resumed, beside writers and beside
//! other workers, whatever answers are lost.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use fireseal::DocumentPath;
use fireseal::operations::{Budget, Checkpoints, End, Job, Limits};
use fireseal::store::{FieldMask, Fields, From, Write};

#[path = "support/stamp.rs"]
mod stamp;
#[macro_use]
#[path = "support/stores.rs"]
mod stores;

use stamp::{Around, DynStore, Stamp, all, collection, customers, fill, integer, stamped};

on_both_stores!(
    each_document_is_done_once,
    a_budget_ends_the_run_and_the_next_goes_on,
    two_workers_share_the_parts,
    no_update_is_lost_to_writers_in_between,
    a_lost_answer_is_read_and_written_once,
    a_group_is_done_over_all_its_collections,
    a_dry_run_writes_nothing,
    what_fails_is_told_and_the_rest_is_done,
    records_are_read_over_all_pages,
);

fn parts(parts: u32) -> NonZeroU32 {
    NonZeroU32::new(parts).unwrap()
}

fn small() -> Limits {
    let mut limits = Limits::default();
    (limits.page_documents, limits.batch_documents, limits.parts_at_once) = (20, 7, 3);
    limits
}

fn job(around: &Around, step: &Arc<Stamp>) -> Job {
    Job::new(around.clone(), customers(), Arc::clone(step)).limits(small()).named("stamp")
}

fn in_store(store: &DynStore) -> Checkpoints {
    Checkpoints::in_store(Arc::clone(store), collection("jobs"))
}

async fn each_document_is_done_once(store: DynStore) {
    const COUNT: usize = 203;
    fill(&store, COUNT).await;
    let (around, step) = (Around::new(&store), Stamp::new(1));
    let job = |step: &Arc<Stamp>| job(&around, step).parts(parts(7)).checkpoint(in_store(&store));
    let mut told = 0;
    let first = job(&step);
    let report = first.run(|_| told += 1).await.unwrap();
    assert!(report.finished && report.end == End::Finished && told > 0);
    assert_eq!((report.parts, report.parts_done), (7, 7));
    assert_eq!((report.run.documents, report.run.written, report.run.unchanged), (203, 203, 0));
    assert_eq!((report.run.counts.sealed, &report.run), (203, &report.total));
    assert!(report.run.bytes > 203 * 20);
    assert_eq!(around.histogram(), [(1, COUNT)].into());
    assert_eq!(stamped(&store, 1).await, COUNT);
    assert!(around.state.most.load(Ordering::SeqCst) <= 7 && step.most.load(Ordering::SeqCst) <= 25);

    // A finished job is finished.
    let again = job(&step).run(|_| ()).await.unwrap();
    assert!(again.finished && again.run.documents == 0 && again.total.documents == 203);
    // Done anew it writes nothing.
    first.forget().await.unwrap();
    assert_eq!(all(&store, From::Collection(collection("jobs"))).await.len(), 0);
    let anew = job(&step).run(|_| ()).await.unwrap();
    assert_eq!((anew.run.documents, anew.run.written, anew.run.unchanged), (203, 0, 203));
    assert_eq!(around.histogram(), [(1, COUNT)].into());

    // The checkpoints are no other job's.
    let other = job(&Stamp::new(2)).run(|_| ()).await.unwrap_err();
    assert!(other.to_string().contains("other settings"), "{other}");
    let status = first.status().await.unwrap().unwrap();
    assert!(status.is_finished() && status.parts.len() == 7 && status.total.documents == 203);
    // The parts hold about as many documents each.
    assert!(status.parts.iter().all(|part| part.tally.documents == 29 && part.taken == 1 && !part.held));
}

async fn a_budget_ends_the_run_and_the_next_goes_on(store: DynStore) {
    fill(&store, 100).await;
    let (around, step) = (Around::new(&store), Stamp::new(1));
    let job = |budget| job(&around, &step).parts(parts(10)).checkpoint(in_store(&store)).budget(budget);
    let first = job(Budget::unlimited().documents(41)).run(|_| ()).await.unwrap();
    assert_eq!((first.end, first.finished, first.run.documents), (End::Budget, false, 41));
    let second = job(Budget::unlimited().bytes(1)).run(|_| ()).await.unwrap();
    assert_eq!((second.end, second.finished), (End::Budget, false));
    assert!((1..60).contains(&second.run.documents), "{second:?}");
    let third = job(Budget::unlimited().writes(1)).run(|_| ()).await.unwrap();
    let last = job(Budget::unlimited()).run(|_| ()).await.unwrap();
    assert_eq!((last.end, last.finished, last.total.documents), (End::Finished, true, 100));
    let sum = [&first, &second, &third, &last].iter().map(|report| report.run.documents).sum::<u64>();
    assert_eq!((sum, around.histogram()), (100, [(1, 100)].into()));
}

async fn two_workers_share_the_parts(store: DynStore) {
    fill(&store, 300).await;
    let step = Stamp::new(1);
    let (one, other) = (Around::new(&store), Around::new(&store));
    let job = |around: &Around, index| {
        job(around, &step).parts(parts(12)).checkpoint(in_store(&store)).task(index, 2)
    };
    let (first, second) = (job(&one, 0), job(&other, 1));
    let (first, second) = futures::future::join(first.run(|_| ()), second.run(|_| ())).await;
    let (first, second) = (first.unwrap(), second.unwrap());
    assert!(first.finished && second.finished && first.total.documents == 300);
    assert_eq!(first.run.documents + second.run.documents, 300);
    assert!(first.run.documents > 0 && second.run.documents > 0);
    assert_eq!(first.run.conflicts + second.run.conflicts, 0);
    println!("shared: {} and {} documents", first.run.documents, second.run.documents);
}

async fn no_update_is_lost_to_writers_in_between(store: DynStore) {
    fill(&store, 120).await;
    let (around, step) = (Around::new(&store), Stamp::new(1));
    around.state.interleave.store(2, Ordering::SeqCst);
    let report = job(&around, &step).run(|_| ()).await.unwrap();
    let changed = around.state.interleaved.load(Ordering::SeqCst);
    assert!(changed > 10 && report.run.conflicts == changed as u64, "{changed}: {report:?}");
    assert_eq!((report.run.written, report.run.documents, report.run.failed), (120, 120, 0));
    assert_eq!((stamped(&store, 1).await, around.histogram()), (120, [(1, 120)].into()));
    let theirs = all(&store, customers()).await;
    let theirs = theirs.iter().filter(|document| document.fields.contains_key("theirs")).count();
    assert!(theirs > 5, "their updates are there: {theirs}");
    println!("{changed} changes in between, {} written once each", report.run.written);
}

async fn a_lost_answer_is_read_and_written_once(store: DynStore) {
    fill(&store, 120).await;
    let (around, step) = (Around::new(&store), Stamp::new(1));
    around.state.lose.store(3, Ordering::SeqCst);
    let report = job(&around, &step).run(|_| ()).await.unwrap();
    assert_eq!((report.run.written, report.run.unchanged, report.run.conflicts), (120, 0, 0));
    assert_eq!((report.run.counts.sealed, report.run.counts.opened), (120, 0));
    assert_eq!(around.histogram(), [(1, 120)].into());
}

async fn a_group_is_done_over_all_its_collections(store: DynStore) {
    for tenant in ["a", "b", "c/x/d"] {
        let writes = (0..30).map(|number| {
            let path = DocumentPath::parse(&format!("tenants/{tenant}/customers/{number}")).unwrap();
            Write::set(path, Fields::from([("number".to_owned(), integer(number))]))
        });
        store.commit(&writes.collect::<Vec<_>>()).await.unwrap();
    }
    fill(&store, 10).await;
    let (around, step) = (Around::new(&store), Stamp::new(1));
    let group = From::Group { id: "customers".to_owned(), under: None };
    let run = |group| Job::new(around.clone(), group, Arc::clone(&step)).limits(small()).parts(parts(5));
    let report = run(group).run(|_| ()).await.unwrap();
    assert_eq!((report.run.written, report.parts, around.histogram()), (100, 5, [(1, 100)].into()));
    let under = Some(DocumentPath::parse("tenants/b").unwrap());
    let below = run(From::Group { id: "customers".to_owned(), under }).run(|_| ()).await.unwrap();
    assert_eq!((below.run.documents, below.run.unchanged), (30, 30));
}

async fn a_dry_run_writes_nothing(store: DynStore) {
    fill(&store, 50).await;
    let (around, step) = (Around::new(&store), Stamp::new(1));
    let job = job(&around, &step).checkpoint(in_store(&store)).dry_run();
    let report = job.run(|_| ()).await.unwrap();
    assert!(report.dry_run && report.finished);
    assert_eq!((report.run.written, report.run.counts.sealed), (50, 50));
    assert_eq!((stamped(&store, 1).await, around.histogram()), (0, [].into()));
    assert_eq!(all(&store, From::Collection(collection("jobs"))).await.len(), 0);
}

async fn what_fails_is_told_and_the_rest_is_done(store: DynStore) {
    fill(&store, 60).await;
    let refuse = |number: usize, field: &str, value: &str| {
        let fields = Fields::from([(field.to_owned(), stamp::string(value))]);
        let path = DocumentPath::parse(&format!("customers/c{number:05}")).unwrap();
        Write::merge(path, fields, FieldMask::new(vec![vec![field.to_owned()]]))
    };
    // The one is refused by the step, the other has no room for what the step adds.
    let full = "x".repeat(1_000_000);
    store.commit(&[refuse(7, "refused", ""), refuse(31, "full", &full)]).await.unwrap();
    let around = Around::new(&store);
    let step = Arc::new(Stamp { number: 1, ballast: 60_000, ..Stamp::default() });
    let report = job(&around, &step).checkpoint(in_store(&store)).run(|_| ()).await.unwrap();
    assert!(report.finished && report.end == End::Finished);
    assert_eq!((report.run.failed, report.run.written, report.failures.len()), (2, 58, 2), "{report:?}");
    let failed: Vec<&str> = report.failures.iter().map(|failure| failure.document.as_str()).collect();
    assert_eq!(failed, ["customers/c00007", "customers/c00031"]);
    assert_eq!(report.failures[0].reason, "it is refused");
    assert!(!report.failures[1].reason.contains("xxx"), "{}", report.failures[1].reason);
    let json = serde_json::to_string(&report).unwrap();
    assert!(json.contains("\"end\":\"finished\"") && json.len() < 2_000, "{json}");
}

async fn records_are_read_over_all_pages(store: DynStore) {
    fill(&store, 60).await;
    let (around, step, records) = (Around::new(&store), Stamp::new(1), Around::new(&store));
    records.state.page.store(3, Ordering::SeqCst);
    let checkpoints = Checkpoints::in_store(records.clone(), collection("jobs"));
    let job = job(&around, &step).parts(parts(8)).checkpoint(checkpoints);
    let report = job.run(|_| ()).await.unwrap();
    assert!(report.finished && report.end == End::Finished, "{report:?}");
    assert_eq!((report.parts, report.parts_done, report.total.written), (8, 8, 60));
    assert_eq!(job.status().await.unwrap().unwrap().parts.len(), 8);
    // A part's record that is gone is no part that is done.
    let gone = DocumentPath::parse("jobs/stamp/parts/0005").unwrap();
    store.commit(&[Write::delete(gone)]).await.unwrap();
    let error = job.run(|_| ()).await.unwrap_err();
    assert!(error.to_string().contains("7 of its 8 parts"), "{error}");
    job.forget().await.unwrap();
    assert_eq!(all(&store, From::Collection(collection("jobs"))).await.len(), 0);
    assert_eq!(all(&store, From::Collection(collection("jobs/stamp/parts"))).await.len(), 0);
}
