//! Nothing sensitive around a process: one run of everything in a process of its own, and then a search of the
//! database, the wire, the log, its words, its panics, its files and the command lines of the machine, for
//! plaintext and keys in every form. A second run leaks everything on purpose, and the same search finds it.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "support/everything.rs"]
mod everything;
#[path = "support/promise.rs"]
mod promise;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use everything::{Customer, Given, SealedCustomer};
use fireseal::SealedRepository;
use fireseal::store::FirestoreStore;
use fireseal_emulator::{Emulator, Searched, find_secrets};
use firestore::gcloud_sdk::google_cloud_auth::credentials::anonymous;
use firestore::{FirestoreDb, FirestoreDbOptions};
use promise::Promise;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

const ORDERS: &str = "FIRESEAL_LEAKS_ORDERS";

/// What the child is to do. It reads them from a file: nothing secret is in its environment.
#[derive(Serialize, Deserialize)]
struct Orders {
    project: String,
    url: String,
    random: Vec<u8>,
    leaky: bool,
}

/// What the child gives back beside its output.
#[derive(Serialize, Deserialize)]
struct Report {
    texts: Vec<String>,
    log: String,
    targets: BTreeMap<String, usize>,
    made: Vec<(String, Vec<u8>)>,
}

/// A row of the table.
struct Row {
    place: &'static str,
    searched: Searched,
    hits: usize,
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_shows_around_a_process() {
    let rows = around(false).await;
    let leaks = around(true).await;
    println!(
        "{:<34} {:>8} {:>10} {:>6} {:>22}",
        "searched", "places", "bytes", "hits", "hits of a leaky run"
    );
    for (row, leak) in rows.iter().zip(&leaks) {
        let Searched { places, bytes, .. } = row.searched;
        println!("{:<34} {places:>8} {bytes:>10} {:>6} {:>22}", row.place, row.hits, leak.hits);
    }
    let promise = Promise::new("nothing_shows");
    for (row, leak) in rows.iter().zip(&leaks) {
        assert!(row.searched.bytes > 0, "{}: nothing was searched", row.place);
        promise.held(row.searched.places as u64);
        (0..row.hits).for_each(|_| promise.violated(row.place));
        assert!(leak.hits > 0, "{}: a deliberate leak was not found", row.place);
    }
    promise.finish();
}

async fn around(leaky: bool) -> Vec<Row> {
    let project = Emulator::shared().await.unwrap().project().unwrap();
    let wire = project.wire().await.unwrap();
    let mut random = vec![0; Given::BYTES];
    getrandom::fill(&mut random).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let temporary = folder.path().join("tmp");
    fs::create_dir(&temporary).unwrap();
    let orders = Orders { project: project.id().to_owned(), url: wire.url().to_owned(), random, leaky };
    fs::write(folder.path().join("orders.json"), serde_json::to_vec(&orders).unwrap()).unwrap();

    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_run", "--ignored", "--nocapture"])
        .env(ORDERS, folder.path())
        .env("TMPDIR", &temporary)
        .env("RUST_BACKTRACE", "full")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::from(fs::File::create(folder.path().join("stderr")).unwrap()))
        .spawn()
        .unwrap();
    // Once it has done everything and panicked, it says so and waits.
    let mut output = String::new();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    while !output.ends_with("done\n") {
        let read = tokio::task::block_in_place(|| lines.read_line(&mut output)).unwrap();
        let stderr = || fs::read_to_string(folder.path().join("stderr")).unwrap();
        assert!(read > 0, "the run ended before its time:\n{output}\n{}", stderr());
    }
    let processes = every_process();
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    lines.read_to_string(&mut output).unwrap();
    assert!(child.wait().unwrap().success(), "{output}");
    let stderr = fs::read_to_string(folder.path().join("stderr")).unwrap();
    assert!(stderr.contains("stack backtrace:") && stderr.contains("a run of everything"), "{stderr}");

    let report: Report =
        serde_json::from_slice(&fs::read(folder.path().join("report.json")).unwrap()).unwrap();
    let secrets = secrets(&Given::from_bytes(&orders.random), &report);
    let within = |place, contents: &[Vec<u8>]| {
        let mut searched = Searched::default();
        searched.places = contents.len();
        searched.bytes = contents.iter().map(Vec::len).sum();
        let hits = contents.iter().map(|content| {
            let shown = find_secrets(&secrets, content);
            for shown in &shown {
                let before = content[shown.at.saturating_sub(150)..shown.at].escape_ascii();
                if !leaky {
                    println!("{place}: {:?} of secret {} after: {before}", shown.form, shown.secret);
                }
            }
            shown.len()
        });
        let hits = hits.sum();
        Row { place, searched, hits }
    };
    if !leaky {
        println!("events and spans: {:?}", report.targets);
        for target in ["fireseal", "firestore"] {
            assert!(
                report.targets.get(target).is_some_and(|count| *count > 10),
                "hardly an event of {target}"
            );
        }
    }
    let texts: Vec<_> = report.texts.into_iter().map(String::into_bytes).collect();
    let (searched, stored) = project.find_secrets(&secrets).await.unwrap();
    let (heard, passed) = wire.find_secrets(&secrets);
    vec![
        Row { place: "the emulator's whole content", searched, hits: stored.len() },
        Row { place: "the wire, raw and decoded", searched: heard, hits: passed.len() },
        within("Debug, Display, errors, sources", &texts),
        within("tracing at TRACE, all crates", &[report.log.into_bytes()]),
        within("output, panics, backtraces", &[output.into_bytes(), stderr.into_bytes()]),
        within("temporary files", &files(&temporary)),
        within("/proc/*/cmdline and environ", &processes),
    ]
}

fn secrets(given: &Given, report: &Report) -> Vec<Vec<u8>> {
    let given = given.bytes().into_iter().map(|(_, secret)| secret.to_vec());
    given.chain(report.made.iter().map(|(_, secret)| secret.clone())).collect()
}

/// The command line and the environment of every process that can be read.
fn every_process() -> Vec<Vec<u8>> {
    let folders = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let files = folders.flat_map(|folder| ["cmdline", "environ"].map(|name| folder.join(name)));
    files.filter_map(|file| fs::read(file).ok()).collect()
}

/// Every file of a folder, with its name.
fn files(folder: &Path) -> Vec<Vec<u8>> {
    let mut found = vec![folder.as_os_str().as_encoded_bytes().to_vec()];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path.as_os_str().as_encoded_bytes().to_vec());
            found.push(fs::read(path).unwrap());
        }
    }
    found
}

/// Keeps every event and span of every crate, as text and counted by target.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Counts events and spans by the crate that they are of.
#[derive(Clone, Default)]
struct Targets(Arc<Mutex<BTreeMap<String, usize>>>);

impl Targets {
    fn count(&self, metadata: &Metadata<'_>) {
        let target = metadata.target();
        let of = target.split("::").next().unwrap_or(target).to_owned();
        *self.0.lock().unwrap().entry(of).or_default() += 1;
    }
}

impl<S: Subscriber> Layer<S> for Targets {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.count(event.metadata());
    }

    fn on_new_span(&self, span: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        self.count(span.metadata());
    }
}

/// The same documents through the `firestore` crate itself, which logs what it writes and reads.
async fn beside(db: &FirestoreDb) {
    let sealed = SealedRepository::<Customer>::new(FirestoreStore::new(db.clone()));
    let ada = sealed.get("ada").await.unwrap().unwrap();
    let insert = db.fluent().insert().into("beside").document_id("ada").object(&*ada);
    insert.execute::<SealedCustomer>().await.unwrap();
    let update = db.fluent().update().in_col("beside").document_id("ada").object(&*ada);
    update.execute::<SealedCustomer>().await.unwrap();
    let one = db.fluent().select().by_id_in("beside").obj::<SealedCustomer>().one("ada").await.unwrap();
    assert!(one.is_some());
    let all: Vec<SealedCustomer> = db.fluent().select().from("beside").obj().query().await.unwrap();
    assert_eq!(all.len(), 1);
    let mut transaction = db.begin_transaction().await.unwrap();
    let update = db.fluent().update().in_col("beside").document_id("bea").object(&*ada);
    update.add_to_transaction(&mut transaction).unwrap();
    transaction.commit().await.unwrap();
    db.fluent().delete().from("beside").document_id("bea").execute().await.unwrap();
}

/// The child: run by the test above, in a process of its own.
#[test]
#[ignore = "run by nothing_shows_around_a_process"]
fn the_run() {
    let folder = std::path::PathBuf::from(std::env::var_os(ORDERS).expect("run by the other test only"));
    let orders: Orders = serde_json::from_slice(&fs::read(folder.join("orders.json")).unwrap()).unwrap();
    let given = Given::from_bytes(&orders.random);
    let log = Log::default();
    let writer = log.clone();
    let targets = Targets::default();
    let text = tracing_subscriber::fmt::layer()
        .with_span_events(FmtSpan::FULL)
        .with_ansi(false)
        .with_writer(move || writer.clone());
    tracing_subscriber::registry().with(LevelFilter::TRACE).with(targets.clone()).with(text).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut told = runtime.block_on(async {
        let options =
            FirestoreDbOptions::new(orders.project.clone()).with_firebase_api_url(orders.url.clone());
        let db = FirestoreDb::with_options_auth(options, anonymous::Builder::new().build()).await.unwrap();
        if orders.leaky {
            let secret = given.ssn.to_string();
            let leak = json!({ "ssn": secret });
            let insert = db.fluent().insert().into("leaks").document_id("leak").object(&leak);
            insert.execute::<serde_json::Value>().await.unwrap();
        }
        let told = everything::run(FirestoreStore::new(db.clone()), &given).await;
        beside(&db).await;
        told
    });
    let mut sleeper = None;
    if orders.leaky {
        let secret = given.ssn.as_str();
        told.texts.push(format!("{:?}", **given.data));
        tracing::trace!(secret, "a deliberate leak");
        eprintln!("a deliberate leak: {secret}");
        fs::write(std::env::temp_dir().join("leak"), &*given.index).unwrap();
        sleeper =
            Some(Command::new("sh").args(["-c", "read line", secret]).stdin(Stdio::piped()).spawn().unwrap());
    }
    // A panic while everything is alive.
    let panic = std::panic::catch_unwind(|| {
        assert_eq!(given.visible(), "", "a run of everything ends in a panic");
    });
    assert!(panic.is_err());
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let targets = targets.0.lock().unwrap().clone();
    let made = told.made.iter().map(|(what, secret)| ((*what).to_owned(), secret.to_vec())).collect();
    let report = Report { texts: told.texts, log: text, targets, made };
    fs::write(folder.join("report.json"), serde_json::to_vec(&report).unwrap()).unwrap();
    println!("done");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    if let Some(mut sleeper) = sleeper {
        drop(sleeper.stdin.take());
        sleeper.wait().unwrap();
    }
}

impl Given {
    /// What a panic may show of it.
    fn visible(&self) -> String {
        format!("{:?}", fireseal::DataKey::from_bytes(&self.data))
    }
}
