//! A network that fails at random, by a seed, under tasks that read and write: wrong data returned 0, acknowledged
//! writes lost 0, writes applied twice 0. Prints how long recovery takes.
//!
//! Rows 26 and 27 of the plan: the answers that are lost one by one are in `lost_commits.rs`.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fireseal::store::FirestoreStore;
use fireseal::{Error, Repository, Sealable};
use fireseal_emulator::Emulator;
use futures::StreamExt as _;

#[path = "support/chaos.rs"]
mod chaos;
#[path = "support/promise.rs"]
mod promise;
#[path = "support/random.rs"]
mod random;
#[path = "support/watched.rs"]
mod watched;
#[path = "support/workload.rs"]
mod workload;

use chaos::{Chaos, Rates};
use promise::Promise;
use random::Random;
use workload::{Entry, Repositories, Tally, Task, entry, verify_shared};

const TASKS: usize = 6;
const ENTRIES: usize = 6;
const STEPS: usize = 40;

/// Runs the tasks side by side, each for so many steps.
async fn run(tasks: Vec<Task>, steps: usize) -> Vec<Task> {
    let tasks = tasks.into_iter().map(|mut task| {
        tokio::spawn(async move {
            for _ in 0..steps {
                task.step().await;
            }
            task
        })
    });
    futures::future::join_all(tasks).await.into_iter().map(Result::unwrap).collect()
}

fn tasks(seed: u64, through: &Repositories, tally: &Arc<Mutex<Tally>>) -> Vec<Task> {
    (0..TASKS).map(|number| Task::new(number, ENTRIES, seed, through.clone(), Arc::clone(tally))).collect()
}

/// Each call is a try.
fn count(promise: &Promise, tally: &mut Tally) {
    promise.held(u64::try_from(tally.latencies.len()).unwrap());
    tally.wrong.drain(..).for_each(|wrong| promise.violated(wrong));
}

/// The last entry of a run, by which its watch knows that it is over.
const LAST: &str = "last";

/// Keeps a view until the last entry is in it and it is consistent.
async fn view(mut watch: fireseal::Watch<Entry>) -> watched::View<Entry> {
    let mut view = watched::View::default();
    loop {
        // Longer than its longest pause before it connects anew.
        let item = tokio::time::timeout(Duration::from_secs(100), watch.next())
            .await
            .expect("told in time")
            .expect("a watch has no end");
        let current = matches!(item, Ok(fireseal::WatchEvent::Current));
        view.take(item);
        if current && view.documents.contains_key(LAST) {
            return view;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_fails_loses_nothing_and_doubles_nothing() {
    let promise = Promise::new("failing_network");
    for seed in [1, 2, 3] {
        let emulator = Emulator::shared().await.unwrap();
        let project = emulator.project().unwrap();
        let direct = Repositories::new(FirestoreStore::new(project.firestore().await.unwrap()));
        direct.set_up().await;
        let chaos = Chaos::new(emulator.host(), seed, Rates::ROUGH).await;
        let store = chaos.store(project.id()).await.with_deadline(Duration::from_secs(10));
        let through = Repositories::new(store);
        let tally = Arc::<Mutex<Tally>>::default();

        let watcher = tokio::spawn(view(through.entries.watch_all()));
        let mut tasks = run(tasks(seed, &through, &tally), STEPS).await;
        chaos.calm();
        direct.entries.create(&entry("none", LAST, 1)).await.unwrap();
        for task in &mut tasks {
            task.verify(&direct).await;
        }
        verify_shared(&direct, &direct.all().await, &tally).await;

        let view = watcher.await.unwrap();
        let mut tally = tally.lock().unwrap();
        for task in &tasks {
            for own in &task.own {
                let seen = view.documents.get(&own.id).map(|stored| stored.turn);
                if !own.states.as_ref().unwrap().contains(&seen) {
                    tally.wrong.push(format!("the watch has {} at {seen:?}, not {:?}", own.id, own.states));
                }
            }
        }
        println!("seed {seed}: {}", chaos.told());
        println!("  {}", tally.report());
        println!(
            "  the watch told {:?}; wrong data, lost or doubled writes: {}",
            view.told,
            tally.wrong.len()
        );
        count(&promise, &mut tally);
        assert!(chaos.faults() > 20 && tally.writes > 80 && tally.reads > 30, "nothing was tried");
    }
    promise.finish();
}

/// Cleartext, and somebody changes bits in both directions. What is sealed is what was sealed, or is refused; clear
/// fields, tokens and names are whatever came, as nothing vouches for them: that is what TLS is for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_bits_are_never_returned_as_a_sealed_value() {
    // Its own: a changed name may be that of another project.
    let emulator = Emulator::builder().start().await.unwrap();
    let promise = Promise::new("changed_on_the_way");
    for seed in [11, 12] {
        let project = emulator.project().unwrap();
        let direct = Repositories::new(FirestoreStore::new(project.firestore().await.unwrap()));
        direct.set_up().await;
        let chaos = Chaos::new(emulator.host(), seed, Rates::CORRUPT).await;
        let store = chaos.store(project.id()).await.with_deadline(Duration::from_secs(5));
        let through = Repositories::new(store);
        let tally = Arc::<Mutex<Tally>>::default();
        let mut tasks = tasks(seed, &through, &tally);
        tasks.iter_mut().for_each(|task| task.intact = false);
        let mut tasks = run(tasks, STEPS).await;
        chaos.calm();
        for task in &mut tasks {
            task.verify(&direct).await;
        }
        let mut tally = tally.lock().unwrap();
        println!("seed {seed}: {}", chaos.told());
        println!("  {}", tally.report());
        println!(
            "  {} refused as changed, {} read with a changed clear field; forged sealed values returned: {}",
            tally.refused,
            tally.clear_changed,
            tally.wrong.len()
        );
        count(&promise, &mut tally);
        assert!(chaos.corrupted() > 30 && tally.writes > 40 && tally.reads > 20, "nothing was tried");
    }
    promise.finish();
}

/// A document with a seal over all of it: its clear fields, too, are those that were written, or it is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_bits_are_never_returned_in_a_sealed_document() {
    let emulator = Emulator::builder().start().await.unwrap();
    let project = emulator.project().unwrap();
    let direct =
        Repository::<Badge>::new(FirestoreStore::new(project.firestore().await.unwrap()), workload::ring());
    for number in 0..BADGES {
        direct.create(&Badge::numbered(number)).await.unwrap();
    }
    let promise = Promise::new("changed_on_the_way");
    let rates = Rates { corrupt_data: 2_500, ..Rates::NONE };
    let chaos = Chaos::new(emulator.host(), 13, rates).await;
    let store = chaos.store(project.id()).await.with_deadline(Duration::from_secs(5));
    let through = Repository::<Badge>::new(store, workload::ring());
    let (mut whole, mut refused, mut failed) = (0, 0, 0);
    for round in 0..12 {
        for number in 0..BADGES {
            match through.get(&Badge::numbered(number).id).await {
                Ok(Some(badge)) => {
                    whole += 1;
                    promise.holds(badge == Badge::numbered(number), || format!("{round}: {badge:?}"));
                }
                // A changed name of a document, or what says that there is none, is whatever came.
                Ok(None) => failed += 1,
                Err(Error::Open(_)) => refused += 1,
                Err(_) => failed += 1,
            }
        }
    }
    println!("{whole} read whole, {refused} refused as changed, {failed} failed; {}", chaos.told());
    assert!(whole > 60 && refused > 5 && chaos.corrupted() > 30, "nothing was tried");
    promise.finish();
}

const BADGES: usize = 20;

#[derive(Sealable, PartialEq)]
#[sealable(collection = "badges", authenticated, debug)]
struct Badge {
    #[sealable(id)]
    id: String,
    role: String,
    level: i64,
    rights: Vec<String>,
    #[sensitive]
    holder: String,
}

impl Badge {
    fn numbered(number: usize) -> Self {
        Self {
            id: format!("badge-{number}"),
            // Long, so that most of what travels is theirs.
            role: format!("visitor {number} ").repeat(20),
            level: i64::try_from(number).unwrap(),
            rights: (0..20).map(|right| format!("right {right} of {number}")).collect(),
            holder: format!("holder {number}"),
        }
    }
}

/// The emulator keeps everything in memory, so that what was acknowledged before it is killed is gone with it. What is
/// tested is that nobody is told wrong data, and that all go on when a new one stands at the same port.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_leads_to_errors_and_not_to_wrong_data() {
    let emulator = Emulator::builder().start().await.unwrap();
    let port: u16 = emulator.host().rsplit(':').next().unwrap().parse().unwrap();
    let project = emulator.project().unwrap();
    let connect = || async { FirestoreStore::new(project.firestore().await.unwrap()) };
    let through = Repositories::new(connect().await.with_deadline(Duration::from_secs(3)));
    Repositories::new(connect().await).set_up().await;
    let tally = Arc::<Mutex<Tally>>::default();
    let tasks = run(tasks(21, &through, &tally), 15).await;
    let before = tally.lock().unwrap().writes;

    let over = Arc::<AtomicBool>::default();
    let running = tasks.into_iter().map(|mut task| {
        let over = Arc::clone(&over);
        tokio::spawn(async move {
            while !over.load(Ordering::SeqCst) {
                // Whatever was there may be gone from now on.
                task.own.iter_mut().for_each(|own| own.states = None);
                task.step().await;
            }
            task
        })
    });
    let running = futures::future::join_all(running);
    let killed = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        kill_listener(port);
        let start = Instant::now();
        drop(emulator);
        let emulator = Emulator::builder().port(port).start().await.unwrap();
        let up = start.elapsed();
        Repositories::new(connect().await).set_up().await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        over.store(true, Ordering::SeqCst);
        (emulator, up)
    };
    let (tasks, (_emulator, up)) = tokio::join!(running, killed);
    let errors = {
        let tally = &mut *tally.lock().unwrap();
        // Counters and accounts began anew.
        (tally.acknowledged, tally.possible) = Default::default();
        tally.errors
    };
    let direct = Repositories::new(connect().await);
    direct.set_up().await;
    let mut tasks = run(tasks.into_iter().map(Result::unwrap).collect(), 15).await;
    for task in &mut tasks {
        task.verify(&direct).await;
    }
    verify_shared(&direct, &direct.all().await, &tally).await;
    let mut tally = tally.lock().unwrap();
    println!(
        "killed after {before} writes; a new server after {} ms, {errors} errors by then",
        up.as_millis()
    );
    println!("  {}", tally.report());
    let promise = Promise::new("killed_processes");
    count(&promise, &mut tally);
    promise.finish();
    assert!(errors > 0 && tally.writes > before + 50, "nobody noticed, or nobody went on");
}

/// Kills the process that listens at this port, which is our own emulator.
fn kill_listener(port: u16) {
    let is_ours = |line: &str| line.contains("CloudFirestore") && line.contains(&format!("--port={port}"));
    let mut killed = 0;
    for process in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(line) = std::fs::read(process.path().join("cmdline")) else { continue };
        let line = String::from_utf8_lossy(&line).into_owned();
        if is_ours(&line) && !line.starts_with("/bin/sh") {
            let id = process.file_name().into_string().unwrap();
            assert!(Command::new("kill").args(["-9", &id]).status().unwrap().success());
            killed += 1;
        }
    }
    assert_eq!(killed, 1, "the emulator's process was not found");
}

/// Set for the process that is to be killed: where the emulator is, and the project.
const CHILD: &str = "FIRESEAL_CHAOS_CHILD";

/// Writes until it is killed, and says what was acknowledged.
async fn write_until_killed(job: &str) {
    let (seed, project) = job.split_once(' ').unwrap();
    let emulator = std::env::var("FIRESTORE_EMULATOR_HOST").unwrap();
    let options = firestore::FirestoreDbOptions::new(project.to_owned())
        .with_firebase_api_url(format!("http://{emulator}"));
    let anyone = firestore::gcloud_sdk::google_cloud_auth::credentials::anonymous::Builder::new().build();
    let db = firestore::FirestoreDb::with_options_auth(options, anyone).await.unwrap();
    let through = Repositories::new(FirestoreStore::new(db));
    let tally = Arc::<Mutex<Tally>>::default();
    let tasks = tasks(seed.parse().unwrap(), &through, &tally).into_iter().map(|mut task| {
        tokio::spawn(async move {
            // What was there before is not known.
            task.own.iter_mut().for_each(|own| own.states = None);
            loop {
                task.step().await;
                for own in task.own.iter_mut().filter(|own| own.states.is_some()) {
                    let states: Vec<_> = own.states.iter().flatten().map(|turn| turn.unwrap_or(0)).collect();
                    // One write: lines of several threads do not mix.
                    println!("{CHILD} {} {states:?}", own.id);
                }
            }
        })
    });
    futures::future::join_all(tasks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_client_leaves_nothing_half_done() {
    if let Ok(job) = std::env::var(CHILD) {
        return write_until_killed(&job).await;
    }
    let emulator = Emulator::shared().await.unwrap();
    let project = emulator.project().unwrap();
    let direct = Repositories::new(FirestoreStore::new(project.firestore().await.unwrap()));
    direct.set_up().await;
    let promise = Promise::new("killed_processes");
    let (mut random, mut entries_read, mut acknowledged) = (Random(31), 0, 0);
    for kill in 0..6 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_killed_client_leaves_nothing_half_done", "--nocapture"])
            .env(CHILD, format!("{} {}", 100 + kill, project.id()))
            .env("FIRESTORE_EMULATOR_HOST", emulator.host())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = child.stdout.take().unwrap();
        let lines = std::thread::spawn(move || {
            BufReader::new(output).lines().map_while(Result::ok).collect::<Vec<String>>()
        });
        tokio::time::sleep(Duration::from_millis(1_500 + u64::from(random.byte()) * 4)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        // The last word on each entry, where it was followed by no other write: the next may have begun.
        let lines = lines.join().unwrap();
        acknowledged += lines.iter().filter(|line| line.contains(CHILD)).count();
        // A commit that is on its way arrives.
        tokio::time::sleep(Duration::from_millis(500)).await;

        let tally = Arc::<Mutex<Tally>>::default();
        for task in 0..TASKS {
            for number in 0..ENTRIES {
                let id = format!("e{task}-{number}");
                let told = lines.iter().rev().find_map(|line| line.strip_prefix(&format!("{CHILD} {id} ")));
                let least = told.map_or(0, |turns| {
                    let turns = turns.trim_matches(['[', ']']).split(", ");
                    turns.map(|turn| turn.parse::<i64>().unwrap()).min().unwrap()
                });
                let Some(read) = direct.entries.get(&id).await.unwrap() else { continue };
                assert_eq!(read, entry(&workload::group_of(task, number), &id, read.turn), "a mixture");
                assert!(
                    told.is_none() || read.turn >= least,
                    "{id}: {least} was acknowledged, {} is there",
                    read.turn
                );
                entries_read += 1;
            }
        }
        // Nothing is known of the counters but that they can be read.
        tally.lock().unwrap().possible = [i64::MAX; workload::COUNTERS];
        verify_shared(&direct, &direct.all().await, &tally).await;
        count(&promise, &mut tally.lock().unwrap());
    }
    promise.held(entries_read);
    promise.finish();
    println!(
        "6 clients killed, {acknowledged} states told before, {entries_read} entries read after: each whole"
    );
    assert!(acknowledged > 50 && entries_read > 20, "nothing was written");
}
