//! A job is paused, stopped, slowed down, estimated, fenced off, and ends where keys or disks fail.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "support/stamp.rs"]
mod stamp;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fireseal::operations::{
    Budget, CheckpointError, Checkpoints, End, Job, JobError, Limits, Prices, Progress,
};
use fireseal::store::{FieldMask, Fields, FirestoreStore, MemoryStore, Store, StoreError, Write};
use fireseal::{DocumentPath, Error, KeyError};
use fireseal_emulator::Emulator;
use futures::StreamExt;

use stamp::{Around, DynStore, Stamp, collection, customers, fill, stamped};

fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

async fn filled(count: usize) -> DynStore {
    let store: DynStore = Arc::new(MemoryStore::new());
    fill(&store, count).await;
    store
}

fn small() -> Limits {
    let mut limits = Limits::default();
    (limits.page_documents, limits.batch_documents, limits.parts_at_once) = (10, 5, 2);
    limits
}

fn job(store: &Around, step: &Arc<Stamp>) -> Job {
    Job::new(store.clone(), customers(), Arc::clone(step))
        .limits(small())
        .named("stamp")
        .checkpoint_every(Duration::from_millis(20))
}

fn checkpoints(store: impl Store + 'static) -> Checkpoints {
    Checkpoints::in_store(store, collection("jobs"))
}

#[tokio::test]
async fn a_worker_that_stalls_is_taken_over_and_its_checkpoints_are_refused() {
    let store = filled(200).await;
    let (step, lease) = (Stamp::new(1), Duration::from_millis(400));
    let (stalls, sound) = (Around::new(&store), Around::new(&store));
    let mine = Around::new(&store);
    let slow = Budget::unlimited().writes_per_second(number(200));
    let stalling = job(&stalls, &step).parts(number(2)).lease(lease).budget(slow);
    let stalling = stalling.checkpoint(checkpoints(mine.clone()));
    let task = tokio::spawn(async move { stalling.run(|_| ()).await });
    while stamped(&store, 1).await < 40 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Both parts are held by a process that does not move any more.
    stalls.freeze(true);
    mine.freeze(true);
    let other = job(&sound, &step).lease(lease).checkpoint(checkpoints(Arc::clone(&store)));
    let begun = Instant::now();
    let report = other.run(|_| ()).await.unwrap();
    assert!(report.finished && report.run.documents > 0 && begun.elapsed() >= lease * 9 / 10);
    let status = other.status().await.unwrap().unwrap();
    assert!(status.parts.iter().all(|part| part.done && part.taken == 2 && !part.held), "{status:?}");
    // It moves again, a checkpoint in its hand: that one is refused, and what it writes is there already.
    stalls.freeze(false);
    mine.freeze(false);
    let late = task.await.unwrap().unwrap();
    assert!(late.finished);
    assert_eq!(other.status().await.unwrap().unwrap(), status);
    let mut writes = stalls.histogram();
    sound.histogram().into_iter().for_each(|(times, count)| *writes.entry(times).or_default() += count);
    assert_eq!(writes, [(1, 200)].into(), "each document is written by one of the two");
    assert_eq!(stamped(&store, 1).await, 200);
    println!("taken over after {:?}, {} documents left", begun.elapsed(), report.run.documents);
}

#[tokio::test]
async fn a_worker_that_lives_keeps_its_part_however_long_a_page_takes() {
    let store = filled(60).await;
    let (step, lease) = (Stamp::new(1), Duration::from_millis(300));
    let (slow, other) = (Around::new(&store), Around::new(&store));
    // A page takes several leases.
    let budget = Budget::unlimited().writes_per_second(number(20));
    let long = job(&slow, &step).parts(number(1)).lease(lease).budget(budget);
    let long = long.checkpoint(checkpoints(Arc::clone(&store)));
    let task = tokio::spawn(async move { long.run(|_| ()).await });
    while stamped(&store, 1).await < 5 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let waits = job(&other, &step).lease(lease).checkpoint(checkpoints(Arc::clone(&store)));
    let waited = waits.run(|_| ()).await.unwrap();
    assert!(waited.finished && waited.run.documents == 0, "{waited:?}");
    assert_eq!(task.await.unwrap().unwrap().run.written, 60);
    assert_eq!(waits.status().await.unwrap().unwrap().parts[0].taken, 1);
}

#[tokio::test]
async fn stopped_paused_and_resumed() {
    let store = filled(300).await;
    let (around, step) = (Around::new(&store), Stamp::new(1));
    let budget = Budget::unlimited().writes_per_second(number(400));
    let job = || job(&around, &step).checkpoint(checkpoints(Arc::clone(&store))).parts(number(4));
    let first = job().budget(budget);
    let handle = first.handle();
    let task = tokio::spawn(async move { first.run(|_| ()).await });
    while stamped(&store, 1).await < 30 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    handle.pause();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let paused = stamped(&store, 1).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(stamped(&store, 1).await, paused, "it rests");
    handle.resume();
    while stamped(&store, 1).await < paused + 30 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    handle.stop();
    let stopped = task.await.unwrap().unwrap();
    assert_eq!((stopped.end, stopped.finished), (End::Stopped, false));
    assert_eq!(stopped.run.documents, stamped(&store, 1).await as u64, "up to a checkpoint, no further");
    assert_eq!(stopped.run, stopped.total);
    // The parts were given back: nobody waits for a lease of a minute.
    let begun = Instant::now();
    let rest = job().run(|_| ()).await.unwrap();
    assert!(rest.finished && begun.elapsed().as_secs() < 20);
    assert_eq!(rest.run.documents + stopped.run.documents, 300);
    assert_eq!(around.histogram(), [(1, 300)].into());
}

#[tokio::test]
async fn a_budget_of_writes_per_second_is_kept() {
    let store = filled(100).await;
    let budget = Budget::unlimited().writes_per_second(number(50));
    let begun = Instant::now();
    let report = job(&Around::new(&store), &Stamp::new(1)).budget(budget).run(|_| ()).await.unwrap();
    let took = begun.elapsed();
    assert_eq!(report.run.written, 100);
    assert!(took >= Duration::from_millis(1_800), "{took:?}");
}

#[tokio::test]
async fn a_slow_job_need_not_finish_a_large_page_to_stop() {
    let store = filled(300).await;
    let budget = Budget::unlimited().writes_per_second(number(30));
    let slow = job(&Around::new(&store), &Stamp::new(1)).limits(Limits::default()).budget(budget);
    let slow = slow.parts(number(1));
    let handle = slow.handle();
    let task = tokio::spawn(async move { slow.run(|_| ()).await });
    // Past the first page, which is small as the size of documents is not known yet.
    while stamped(&store, 1).await < 60 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    handle.stop();
    let stopped = task.await.unwrap().unwrap();
    assert_eq!(stopped.end, End::Stopped);
    assert!(stopped.run.written <= 150, "{stopped:?}");
}

#[tokio::test]
async fn keys_that_are_away_are_waited_for_and_then_the_job_ends_at_a_checkpoint() {
    let store = filled(100).await;
    let (around, step) = (Around::new(&store), Stamp::new(1));
    let job = || job(&around, &step).checkpoint(checkpoints(Arc::clone(&store))).parts(number(2));
    step.away.store(true, Ordering::SeqCst);
    let impatient = job().patience(Duration::from_millis(700));
    let mut waiting = None;
    let error = impatient
        .run(|progress: &Progress| waiting = waiting.take().or_else(|| progress.waiting.clone()))
        .await
        .unwrap_err();
    let JobError::Interrupted { report, source: Error::Keys(KeyError::Unavailable { .. }) } = &error else {
        panic!("{error}")
    };
    assert_eq!((report.end, report.finished, report.run.documents), (End::Interrupted, false, 0));
    assert!(error.to_string().contains("run it again"), "{error}");
    assert!(waiting.unwrap().contains("key service is unavailable"));
    assert!((4..40).contains(&step.calls.load(Ordering::SeqCst)), "pauses grow");
    // They come back while it waits.
    let back = Arc::clone(&step);
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(600)).await;
        back.away.store(false, Ordering::SeqCst);
    });
    let report = job().run(|_| ()).await.unwrap();
    assert!(report.finished);
    assert_eq!((report.total.written, around.histogram()), (100, [(1, 100)].into()));
}

fn away() -> StoreError {
    StoreError::Unavailable { reason: "away".to_owned(), source: None }
}

#[tokio::test]
async fn commits_that_cannot_be_made_end_the_job_at_a_checkpoint_and_no_document_is_passed_over() {
    let store = filled(60).await;
    let (around, step) = (Around::new(&store), Stamp::new(1));
    let job = || job(&around, &step).checkpoint(checkpoints(Arc::clone(&store))).parts(number(2));
    *around.state.fails.lock().unwrap() = Some(("customers/", away));
    let error = job().patience(Duration::from_millis(400)).run(|_| ()).await.unwrap_err();
    let JobError::Interrupted { report, source: Error::Store(StoreError::Unavailable { .. }) } = &error
    else {
        panic!("{error}")
    };
    assert_eq!((report.total.documents, report.total.failed), (0, 0));
    // They come back while it waits.
    let back = around.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(400)).await;
        *back.state.fails.lock().unwrap() = None;
    });
    let report = job().run(|_| ()).await.unwrap();
    assert!(report.finished);
    assert_eq!((report.total.written, report.total.failed), (60, 0));
    assert_eq!(around.histogram(), [(1, 60)].into());
}

#[tokio::test]
async fn a_job_that_cannot_be_counted_yet_starts_later() {
    let store = filled(20).await;
    let (around, step) = (Around::new(&store), Stamp::new(1));
    *around.state.fails.lock().unwrap() = Some(("count", away));
    let error = job(&around, &step).patience(Duration::from_millis(300)).run(|_| ()).await.unwrap_err();
    assert!(matches!(&error, JobError::Start(StoreError::Unavailable { .. })), "{error}");
    // It comes back while the next waits.
    let back = around.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(400)).await;
        *back.state.fails.lock().unwrap() = None;
    });
    assert_eq!(job(&around, &step).run(|_| ()).await.unwrap().total.written, 20);
    // What fails for good is not waited for.
    *around.state.fails.lock().unwrap() = Some(("count", || StoreError::Unsupported { what: "counts" }));
    let error = tokio::time::timeout(Duration::from_secs(5), job(&around, &step).run(|_| ())).await;
    assert!(matches!(error, Ok(Err(JobError::Start(StoreError::Unsupported { .. })))));
}

#[tokio::test]
async fn parts_that_cannot_be_taken_are_not_waited_for_without_end() {
    let store = filled(20).await;
    let (around, step, records) = (Around::new(&store), Stamp::new(1), Around::new(&store));
    let job = || {
        let job = job(&around, &step).checkpoint(checkpoints(records.clone())).parts(number(2));
        job.patience(Duration::from_millis(300))
    };
    let begun = job().budget(Budget::unlimited().documents(3)).run(|_| ()).await.unwrap();
    assert_eq!(begun.end, End::Budget);
    *records.state.fails.lock().unwrap() = Some(("jobs/stamp/parts/", away));
    let tried = job();
    let error = tokio::time::timeout(Duration::from_secs(20), tried.run(|_| ())).await;
    let error = error.expect("it ends").unwrap_err();
    assert!(
        matches!(
            &error,
            JobError::Checkpoint(CheckpointError::Store { source: StoreError::Unavailable { .. }, .. })
        ),
        "{error}"
    );
    *records.state.fails.lock().unwrap() = None;
    assert_eq!(job().run(|_| ()).await.unwrap().total.written, 20);
}

#[tokio::test]
async fn a_file_keeps_checkpoints_for_one_process() {
    let store = filled(100).await;
    let (around, step) = (Around::new(&store), Stamp::new(1));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("job.json");
    let job = |documents| {
        let budget = Budget::unlimited().documents(documents);
        job(&around, &step).parts(number(3)).checkpoint(Checkpoints::in_file(&path)).budget(budget)
    };
    let first = job(31).run(|_| ()).await.unwrap();
    assert_eq!((first.end, first.run.documents), (End::Budget, 31));
    // While one has it no other does.
    let slow = job(1_000).budget(Budget::unlimited().writes_per_second(number(60)));
    let handle = slow.handle();
    let task = tokio::spawn(async move { slow.run(|_| ()).await });
    while stamped(&store, 1).await < 40 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let refused = job(1_000).run(|_| ()).await.unwrap_err();
    assert!(matches!(refused, JobError::Checkpoint(CheckpointError::InUse { .. })), "{refused}");
    handle.stop();
    let second = task.await.unwrap().unwrap();
    let third = job(1_000).run(|_| ()).await.unwrap();
    assert!(third.finished);
    assert_eq!(first.run.documents + second.run.documents + third.run.documents, 100);
    assert_eq!((third.total.written, around.histogram()), (100, [(1, 100)].into()));
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.len() < 5_000, "{text}");
    // Damaged, it is refused; of several tasks, too.
    std::fs::write(&path, &text[..text.len() / 2]).unwrap();
    let damaged = job(1_000).run(|_| ()).await.unwrap_err();
    assert!(matches!(damaged, JobError::Checkpoint(CheckpointError::Malformed { .. })), "{damaged}");
    let several = job(1_000).task(0, 2).run(|_| ()).await.unwrap_err();
    assert!(matches!(several, JobError::Settings { .. }), "{several}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_file_is_held_as_long_as_it_is_being_written_whoever_was_dropped() {
    let store = filled(10).await;
    let (around, step) = (Around::new(&store), Stamp::new(1));
    let folder = tempfile::tempdir().unwrap();
    let (path, new) = (folder.path().join("job.json"), folder.path().join("job.json.new"));
    // Opening it to write waits for a reader.
    assert!(std::process::Command::new("mkfifo").arg(&new).status().unwrap().success());
    let job = || job(&around, &step).checkpoint(Checkpoints::in_file(&path));
    let dropped = job();
    let dropped = tokio::time::timeout(Duration::from_millis(300), dropped.run(|_| ())).await;
    assert!(dropped.is_err(), "it waits for its file");
    let refused = job().status().await.unwrap_err();
    assert!(matches!(refused, JobError::Checkpoint(CheckpointError::InUse { .. })), "{refused}");
    drop(std::fs::File::open(&new).unwrap());
    while job().status().await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(job().run(|_| ()).await.unwrap().total.written, 10);
}

#[tokio::test]
async fn a_job_keeps_off_its_own_checkpoints() {
    let store = filled(3).await;
    let (around, step) = (Around::new(&store), Stamp::new(1));
    let group = |id: &str, under: Option<&str>| fireseal::store::From::Group {
        id: id.to_owned(),
        under: under.map(|path| DocumentPath::parse(path).unwrap()),
    };
    let job = |target| {
        let job = Job::new(around.clone(), target, Arc::clone(&step)).named("stamp");
        job.checkpoint(checkpoints(Arc::clone(&store)))
    };
    let own = [
        fireseal::store::From::Collection(collection("jobs")),
        fireseal::store::From::Collection(collection("jobs/stamp/parts")),
        group("jobs", None),
        group("parts", None),
        group("parts", Some("jobs/stamp")),
    ];
    for target in own {
        let error = job(target).run(|_| ()).await.unwrap_err();
        assert!(matches!(&error, JobError::Settings { .. }), "{error}");
    }
    assert!(job(group("parts", Some("cars/a"))).status().await.unwrap().is_none());
}

#[tokio::test]
async fn what_the_database_refuses_of_every_document_ends_the_job() {
    let store = filled(30).await;
    let (around, step) = (Around::new(&store), Stamp::new(1));
    let job = || job(&around, &step).checkpoint(checkpoints(Arc::clone(&store))).parts(number(1));
    let refused = || StoreError::Refused { reason: "not now".to_owned() };
    *around.state.fails.lock().unwrap() = Some(("customers/", refused));
    let error = job().run(|_| ()).await.unwrap_err();
    let JobError::Interrupted { report, source: Error::Store(StoreError::Refused { .. }) } = &error else {
        panic!("{error}")
    };
    assert_eq!((report.total.documents, report.total.failed), (0, 0));
    // One that is refused alone is told, and is no limit.
    *around.state.fails.lock().unwrap() = Some(("customers/c00007", refused));
    let report = job().run(|_| ()).await.unwrap();
    assert_eq!((report.total.written, report.total.failed), (29, 1));
    assert_eq!(report.failures[0].kind, "Other");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_is_told_and_the_checkpoint_before_is_whole() {
    let store = filled(100).await;
    let (around, step) = (Around::new(&store), Stamp::new(1));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("job.json");
    let job = |documents| {
        let budget = Budget::unlimited().documents(documents);
        job(&around, &step).parts(number(3)).checkpoint(Checkpoints::in_file(&path)).budget(budget)
    };
    job(31).run(|_| ()).await.unwrap();
    let done = |path: &std::path::Path| {
        let kept: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let parts = kept["parts"].as_array().unwrap().iter();
        parts.map(|part| part["tally"]["documents"].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!(done(&path), 31);
    // The next one is written to a device that is always full.
    std::os::unix::fs::symlink("/dev/full", folder.path().join("job.json.new")).unwrap();
    let error = job(1_000).run(|_| ()).await.unwrap_err();
    assert!(error.to_string().contains("No space left on device"), "{error}");
    assert!((31..100).contains(&done(&path)), "whole, and it says no more than was done");
    // The device is gone, and the job goes on.
    let rest = job(1_000).run(|_| ()).await.unwrap();
    assert!(rest.finished && stamped(&store, 1).await == 100);
    assert_eq!(around.histogram(), [(1, 100)].into());
}

#[tokio::test]
async fn an_estimate_is_what_a_run_takes_at_most() {
    let store = filled(250).await;
    let (around, step) = (Around::new(&store), Stamp::new(1));
    let budget = Budget::unlimited().writes_per_second(number(100));
    let job = job(&around, &step).parts(number(5)).checkpoint(checkpoints(around.clone())).budget(budget);
    let prices = Prices { per_100k_reads: 3.0, per_100k_writes: 9.0 };
    let estimate = job.estimate(prices).await.unwrap();
    assert_eq!((estimate.documents, estimate.seconds), (250, 2.5));
    let cost = (estimate.reads as f64 * 3.0 + estimate.writes as f64 * 9.0) / 100_000.0;
    assert!((estimate.cost - cost).abs() < 1e-9 && estimate.writes >= 250 && estimate.reads >= 500);
    job.run(|_| ()).await.unwrap();
    let queried = around.state.queried.load(Ordering::SeqCst);
    assert!(queried <= estimate.reads, "{queried} read, {estimate:?}");
    let dry = job.dry_run().estimate(prices).await.unwrap();
    assert_eq!((dry.writes, dry.seconds), (0, 0.0));
}

#[tokio::test]
async fn partitions_of_the_store_are_the_parts() {
    let store = filled(90).await;
    let (around, step) = (Around::new(&store), Stamp::new(1));
    let point = |number: u32| DocumentPath::parse(&format!("customers/c{number:05}")).unwrap();
    *around.state.points.lock().unwrap() = Some(vec![point(10), point(50)]);
    let job = job(&around, &step).parts(number(7)).checkpoint(checkpoints(Arc::clone(&store)));
    assert!(job.estimate(Prices::default()).await.unwrap().reads < 150);
    assert_eq!(job.run(|_| ()).await.unwrap().run.written, 90);
    let parts = job.status().await.unwrap().unwrap().parts;
    assert_eq!(parts.iter().map(|part| part.tally.documents).collect::<Vec<_>>(), [10, 40, 40]);
    // Nothing but the pages was read.
    assert_eq!(around.state.queried.load(Ordering::SeqCst), 90);
}

#[tokio::test]
async fn the_emulator_has_no_partitions() {
    let project = Emulator::shared().await.unwrap().project().unwrap();
    let store = FirestoreStore::new(project.firestore().await.unwrap());
    let error = store.partitions(&customers(), 3).await.unwrap_err();
    assert!(matches!(error, StoreError::Unsupported { what: "partitions" }), "{error}");
}

#[tokio::test]
async fn pages_are_bounded_by_their_bytes() {
    let store: DynStore = Arc::new(MemoryStore::new());
    let large = "x".repeat(900_000);
    for number in 0..40 {
        let path = DocumentPath::parse(&format!("customers/c{number:05}")).unwrap();
        let fields = Fields::from([("large".to_owned(), stamp::string(&large))]);
        store.commit(&[Write::set(path, fields)]).await.unwrap();
    }
    let (around, step) = (Around::new(&store), Stamp::new(1));
    let report = Job::new(around.clone(), customers(), Arc::clone(&step)).run(|_| ()).await.unwrap();
    assert_eq!(report.run.written, 40);
    let most = step.most.load(Ordering::SeqCst);
    assert!((4..=5).contains(&most), "{most} documents of 900 kB at once");
    // What is written is bounded by its own size.
    let heavy = Arc::new(Stamp { number: 2, ballast: 100_000, ..Stamp::default() });
    let small = filled(100).await;
    let around = Around::new(&small);
    let one = Job::new(around.clone(), customers(), Arc::clone(&heavy)).parts(number(1));
    one.run(|_| ()).await.unwrap();
    let most = around.state.most.load(Ordering::SeqCst);
    assert!((20..=36).contains(&most), "{most} writes of 100 kB at once");
}

#[tokio::test]
async fn a_stream_tells_of_it_and_ends_with_the_report() {
    let store = filled(100).await;
    let budget = Budget::unlimited().writes_per_second(number(100));
    let job = job(&Around::new(&store), &Stamp::new(1)).parts(number(2)).budget(budget);
    let told: Vec<Progress> = job.stream().map(Result::unwrap).collect().await;
    assert!(told.len() > 3 && told.iter().all(|progress| progress.total == Some(100)));
    let documents: Vec<u64> = told.iter().map(|progress| progress.done.documents).collect();
    assert!(documents.is_sorted() && documents.iter().any(|done| (1..100).contains(done)), "{documents:?}");
    let report = told.last().unwrap().report.as_ref().unwrap();
    assert!(report.finished && report.run.written == 100);
    // Dropped, it does nothing more.
    let other = self::job(&Around::new(&store), &Stamp::new(2)).budget(budget);
    drop(other.stream().next().await);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let then = stamped(&store, 2).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!((stamped(&store, 2).await, then < 100), (then, true));
}

#[tokio::test]
async fn a_document_that_fails_holds_up_no_other() {
    let store = filled(3).await;
    let fields = Fields::from([("refused".to_owned(), stamp::integer(1))]);
    let mask = FieldMask::new(vec![vec!["refused".to_owned()]]);
    let path = DocumentPath::parse("customers/c00001").unwrap();
    store.commit(&[Write::merge(path, fields, mask)]).await.unwrap();
    let report = job(&Around::new(&store), &Stamp::new(1)).run(|_| ()).await.unwrap();
    assert_eq!((report.run.failed, report.run.written), (1, 2));
    assert!(job(&Around::new(&store), &Stamp::new(1)).named("a/b").run(|_| ()).await.is_err());
}
