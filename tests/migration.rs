//! A collection is sealed while it is written to and the process that seals it is killed, again and again: no
//! update is lost, nothing is written more often than need be, and memory does not grow.
//!
//! `FIRESEAL_MIGRATION_DOCUMENTS` and `FIRESEAL_MIGRATION_KILLS` set the size: 5,000 and 5 unless they are set,
//! 100,000 and 20 are the full one. The job that four processes share has half as many documents, 20,000 at most.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use fireseal::operations::{Budget, Checkpoints, CollectionConfig, Field, Job, ScopeRule, Seal, Verify};
use fireseal::store::{
    Aggregation, Commit, Document, FieldMask, Fields, FirestoreStore, From, ListPage, ListRequest, Query,
    Store, StoreError, Transaction, Value, ValueType, Write,
};
use fireseal::{CollectionPath, DataKey, DocumentPath, KeyRing, Repository, Scope, Sealable};
use fireseal_emulator::{Emulator, Project};
use firestore::FirestoreDb;
use futures::TryStreamExt;
use futures::stream::BoxStream;

const WRITERS: usize = 8;
const LEASE: Duration = Duration::from_secs(3);

#[derive(Sealable, Clone, PartialEq)]
#[sealable(collection = "customers", debug)]
struct Customer {
    #[sealable(id)]
    id: String,
    name: String,
    #[sensitive]
    ssn: String,
    #[sensitive]
    w0: i64,
    #[sensitive]
    w1: i64,
    #[sensitive]
    w2: i64,
    #[sensitive]
    w3: i64,
    #[sensitive]
    w4: i64,
    #[sensitive]
    w5: i64,
    #[sensitive]
    w6: i64,
    #[sensitive]
    w7: i64,
}

const FIELDS: [&str; WRITERS] = ["w0", "w1", "w2", "w3", "w4", "w5", "w6", "w7"];

impl Customer {
    fn numbered(number: usize) -> Self {
        let (id, ssn) = (id(number), format!("{number:09}"));
        Self { id, name: "Ada".to_owned(), ssn, w0: 0, w1: 0, w2: 0, w3: 0, w4: 0, w5: 0, w6: 0, w7: 0 }
    }

    fn written(&self) -> [i64; WRITERS] {
        [self.w0, self.w1, self.w2, self.w3, self.w4, self.w5, self.w6, self.w7]
    }

    fn by(writer: usize, number: usize, value: i64) -> Self {
        let mut customer = Self::numbered(number);
        let fields = [
            &mut customer.w0,
            &mut customer.w1,
            &mut customer.w2,
            &mut customer.w3,
            &mut customer.w4,
            &mut customer.w5,
            &mut customer.w6,
            &mut customer.w7,
        ];
        *fields[writer] = value;
        customer
    }
}

fn id(number: usize) -> String {
    format!("c{number:06}")
}

fn path(number: usize) -> DocumentPath {
    DocumentPath::parse(&format!("customers/{}", id(number))).unwrap()
}

fn ring() -> KeyRing {
    KeyRing::new(DataKey::from_bytes(&[7; 32]))
}

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

fn value(value: ValueType) -> Value {
    Value { value_type: Some(value) }
}

fn integer(number: i64) -> Value {
    value(ValueType::IntegerValue(number))
}

/// As a program without fireseal wrote them.
async fn fill(store: &dyn Store, count: usize) {
    for first in (0..count).step_by(400) {
        let writes = (first..count.min(first + 400)).map(|number| {
            let text = |text: &str| value(ValueType::StringValue(text.to_owned()));
            let customer = Customer::numbered(number);
            let mut fields = Fields::from([
                ("id".to_owned(), text(&customer.id)),
                ("name".to_owned(), text(&customer.name)),
                ("ssn".to_owned(), text(&customer.ssn)),
            ]);
            fields.extend(FIELDS.map(|name| (name.to_owned(), integer(0))));
            Write::set(path(number), fields)
        });
        store.commit(&writes.collect::<Vec<_>>()).await.unwrap();
    }
}

fn config() -> CollectionConfig {
    let names = FIELDS.iter().chain(&["ssn"]);
    CollectionConfig {
        path: "customers".to_owned(),
        group: false,
        scope: ScopeRule::Fixed(Scope::default()),
        realm: None,
        fields: names.map(|name| Field::new(name.parse().unwrap())).collect(),
    }
}

fn customers() -> From {
    From::Collection(CollectionPath::parse("customers").unwrap())
}

fn seal(store: impl Store + Clone + 'static) -> Job {
    let checkpoints = Checkpoints::in_store(store.clone(), CollectionPath::parse("jobs").unwrap());
    Job::new(store, customers(), Seal::new(config(), ring()).unwrap())
        .named("seal")
        .checkpoint(checkpoints)
        .checkpoint_every(Duration::from_millis(300))
        .lease(LEASE)
        .parts(NonZeroU32::new(16).unwrap())
}

/// Notes each document that is written, in a file that outlives the process.
#[derive(Clone)]
struct Logged {
    inner: FirestoreStore,
    log: Arc<Mutex<File>>,
}

impl Logged {
    fn new(inner: FirestoreStore, path: &Path) -> Self {
        let log = OpenOptions::new().create(true).append(true).open(path).unwrap();
        Self { inner, log: Arc::new(Mutex::new(log)) }
    }
}

#[async_trait]
impl Store for Logged {
    async fn read(
        &self,
        paths: &[DocumentPath],
        mask: Option<&FieldMask>,
    ) -> Result<Vec<Option<Document>>, StoreError> {
        self.inner.read(paths, mask).await
    }

    async fn commit(&self, writes: &[Write]) -> Result<Commit, StoreError> {
        let written = writes.iter().filter(|write| write.path.as_str().starts_with("customers/"));
        let lines: String = written.map(|write| format!("{}\n", write.path)).collect();
        let commit = self.inner.commit(writes).await?;
        self.log.lock().unwrap().write_all(lines.as_bytes()).unwrap();
        Ok(commit)
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage, StoreError> {
        self.inner.list(request).await
    }

    async fn query(
        &self,
        query: &Query,
        within: Option<&Transaction>,
    ) -> Result<BoxStream<'static, Result<Document, StoreError>>, StoreError> {
        self.inner.query(query, within).await
    }

    async fn aggregate(
        &self,
        query: &Query,
        over: &[Aggregation],
        within: Option<&Transaction>,
    ) -> Result<Vec<Value>, StoreError> {
        self.inner.aggregate(query, over, within).await
    }
}

/// How often each document was written, by the log.
fn writes_per_document(log: &Path) -> BTreeMap<String, usize> {
    let mut written = BTreeMap::new();
    for line in std::fs::read_to_string(log).unwrap_or_default().lines() {
        *written.entry(line.to_owned()).or_default() += 1;
    }
    written
}

fn histogram(written: &BTreeMap<String, usize>) -> BTreeMap<usize, usize> {
    let mut histogram = BTreeMap::new();
    written.values().for_each(|count| *histogram.entry(*count).or_default() += 1);
    histogram
}

/// The process that seals: this program, run again. It is killed with the one that started it.
struct Worker {
    child: Child,
    started: Instant,
}

impl Worker {
    fn start(project: &Project, host: &str, log: &Path, rate: u32, task: (u32, u32)) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "worker", "--nocapture"])
            .env("FIRESTORE_EMULATOR_HOST", host)
            .env("FIRESEAL_MIGRATION_PROJECT", project.id())
            .env("FIRESEAL_MIGRATION_LOG", log)
            .env("FIRESEAL_MIGRATION_RATE", rate.to_string())
            .env("CLOUD_RUN_TASK_INDEX", task.0.to_string())
            .env("CLOUD_RUN_TASK_COUNT", task.1.to_string())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, started: Instant::now() }
    }

    /// SIGKILL.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Whether it has ended, well.
    fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some_and(|status| {
            assert!(status.success(), "the worker failed: {status}");
            true
        })
    }

    /// Its memory, in MiB.
    fn memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1_024)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the process that the tests below start and kill"]
async fn worker() {
    let env = |name: &str| std::env::var(format!("FIRESEAL_MIGRATION_{name}")).unwrap();
    let store = FirestoreStore::new(FirestoreDb::new(env("PROJECT")).await.unwrap());
    let rate = NonZeroU32::new(env("RATE").parse().unwrap()).unwrap();
    let store = Logged::new(store, &PathBuf::from(env("LOG")));
    let job = seal(store).task_from_env().budget(Budget::unlimited().writes_per_second(rate));
    let report = job.run(|_| ()).await.unwrap();
    assert!(report.finished && report.total.failed == 0, "{report:?}");
}

/// How many documents the checkpoints say are done.
async fn done(job: &Job) -> u64 {
    job.status().await.unwrap().map_or(0, |status| status.total.documents)
}

fn random(below: usize) -> usize {
    usize::try_from(getrandom_u64() % below as u64).unwrap()
}

fn getrandom_u64() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}

/// What each writer last wrote, and which documents got plaintext.
#[derive(Default)]
struct Written {
    last: HashMap<(usize, usize), i64>,
    plaintext: HashMap<usize, usize>,
    conflicts: usize,
}

/// A writer of its own field in any document: of the new program, which seals, or of the old one, which does not.
async fn write_on(
    writer: usize,
    seals: bool,
    store: FirestoreStore,
    count: usize,
    over: Arc<AtomicBool>,
) -> Written {
    let repository = Repository::<Customer>::new(store.clone(), ring());
    let (mut written, mut value) = (Written::default(), 0);
    while !over.load(Ordering::SeqCst) {
        let number = random(count);
        value += 1;
        let result = if seals {
            let customer = Customer::by(writer, number, value);
            repository.update(&customer, &[FIELDS[writer]]).await.map(drop).map_err(|error| {
                assert!(error.is_conflict() || error.to_string().contains("aborted"), "{error}");
            })
        } else {
            let fields = Fields::from([(FIELDS[writer].to_owned(), integer(value))]);
            let mask = FieldMask::new(vec![vec![FIELDS[writer].to_owned()]]);
            store.commit(&[Write::merge(path(number), fields, mask)]).await.map(drop).map_err(|error| {
                assert!(matches!(error, StoreError::Aborted { .. }), "{error}");
            })
        };
        match result {
            Ok(()) => {
                written.last.insert((number, writer), value);
                if !seals {
                    *written.plaintext.entry(number).or_default() += 1;
                }
            }
            // Nothing was written.
            Err(()) => written.conflicts += 1,
        }
        // The old program writes less and less.
        let longest = if seals { 30 } else { 300 };
        tokio::time::sleep(Duration::from_millis(random(longest) as u64)).await;
    }
    written
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_again_and_again_while_others_write() {
    let count = setting("FIRESEAL_MIGRATION_DOCUMENTS", 5_000);
    let kills = setting("FIRESEAL_MIGRATION_KILLS", 5);
    let rate = u32::try_from((count / 12).clamp(200, 2_000)).unwrap();
    let emulator = Emulator::shared().await.unwrap();
    let project = emulator.project().unwrap();
    let store = FirestoreStore::new(project.firestore().await.unwrap());
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let begun = Instant::now();
    fill(&store, count).await;
    let filled = begun.elapsed();

    let over = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..WRITERS)
        // One of the eight is the old program still.
        .map(|writer| tokio::spawn(write_on(writer, writer > 0, store.clone(), count, Arc::clone(&over))))
        .collect();
    let watched = seal(store.clone());
    // Killed at random, each time further on.
    let mut at: Vec<u64> = (0..kills).map(|_| random(count * 9 / 10) as u64).collect();
    at.sort_unstable();
    let (mut killed, mut lives, mut memory) = (0, Vec::new(), Vec::new());
    let mut worker = Worker::start(&project, emulator.host(), &log, rate, (0, 1));
    while !worker.has_ended() {
        tokio::time::sleep(Duration::from_millis(50)).await;
        memory.push((begun.elapsed(), worker.memory().unwrap_or_default()));
        if killed < kills && worker.started.elapsed().as_millis() > 500 && done(&watched).await >= at[killed]
        {
            tokio::time::sleep(Duration::from_millis(random(300) as u64)).await;
            lives.push(worker.started.elapsed());
            worker.kill();
            killed += 1;
            worker = Worker::start(&project, emulator.host(), &log, rate, (0, 1));
        }
        assert!(begun.elapsed().as_secs() < 3_600, "no end");
    }
    let sealed = begun.elapsed();
    over.store(true, Ordering::SeqCst);
    let mut all = Written::default();
    for writer in writers {
        let Written { last, plaintext, conflicts } = writer.await.unwrap();
        all.conflicts += conflicts;
        all.last.extend(last);
        plaintext.into_iter().for_each(|(number, times)| *all.plaintext.entry(number).or_default() += times);
    }
    let status = watched.status().await.unwrap().unwrap();
    assert!(status.is_finished() && killed == kills);

    // What the old program wrote behind the job's back, once it is gone.
    let again = seal(Logged::new(store.clone(), &log)).named("seal-again").run(|_| ()).await.unwrap();
    assert_eq!((again.run.documents, again.run.failed), (count as u64, 0));
    let third = seal(Logged::new(store.clone(), &log)).named("seal-nothing").run(|_| ()).await.unwrap();
    assert_eq!((third.run.written, third.run.unchanged), (0, count as u64));

    // Every document opens, strictly, with what each writer wrote last.
    let mut opened = 0;
    let repository = Repository::<Customer>::new(store.clone(), ring());
    let mut found = repository.query().stream().await.unwrap();
    while let Some(customer) = found.try_next().await.unwrap() {
        let number: usize = customer.ssn.parse().unwrap();
        assert_eq!(customer.id, id(number));
        for (writer, value) in customer.written().into_iter().enumerate() {
            let last = all.last.get(&(number, writer)).copied().unwrap_or_default();
            assert_eq!(value, last, "an update of writer {writer} to {} is lost", customer.id);
        }
        opened += 1;
    }
    assert_eq!(opened, count);
    let verify = Job::new(store, customers(), Verify::new(config(), ring()).unwrap());
    let verified = verify.run(|_| ()).await.unwrap();
    assert_eq!((verified.run.failed, verified.run.written), (0, 0));
    assert_eq!(verified.run.counts.digest, third.run.counts.digest);

    // Each was written once, and once more where the old program had put plaintext back.
    let written = writes_per_document(&log);
    let spared = count - written.len();
    for (document, times) in &written {
        let number: usize = document.trim_start_matches("customers/c").parse().unwrap();
        let needed = 1 + all.plaintext.get(&number).copied().unwrap_or_default();
        assert!(*times <= needed, "{document} was written {times} times, {needed} were needed");
    }
    // A commit that was killed before it was noted; those in hand at a time are few.
    assert!(spared <= kills * 4 * 200, "{spared} documents are not in the log");

    let updates: i64 = all.last.len().try_into().unwrap();
    println!("{count} documents, filled in {filled:.1?}, sealed in {:.1?}", sealed - filled);
    println!("killed {killed} times, after {lives:.1?}");
    println!(
        "{updates} last values of {WRITERS} writers all there; {} of their writes gave way",
        all.conflicts
    );
    println!(
        "writes per document (times: documents): {:?}, not noted before a kill: {spared}",
        histogram(&written)
    );
    println!("read again after conflicts: {}", status.total.conflicts);
    let quarters: Vec<u64> = memory
        .chunks(memory.len().div_ceil(4))
        .map(|quarter| quarter.iter().map(|(_, memory)| *memory).max().unwrap_or_default())
        .collect();
    println!("memory of the worker, most in each quarter of the time: {quarters:?} MiB");
    assert!(quarters.iter().max().unwrap() - quarters.iter().min().unwrap() < 60, "{quarters:?}");
    println!("all of it: {:.1?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_four_processes_one_dies() {
    let count = (setting("FIRESEAL_MIGRATION_DOCUMENTS", 5_000) / 2).min(20_000);
    let emulator = Emulator::shared().await.unwrap();
    let project = emulator.project().unwrap();
    let store = FirestoreStore::new(project.firestore().await.unwrap());
    let folder = tempfile::tempdir().unwrap();
    let log = |task: u32| folder.path().join(task.to_string());
    fill(&store, count).await;
    let watched = seal(store.clone());
    let rate = u32::try_from(count / 40).unwrap();
    let mut workers: Vec<Worker> =
        (0..4).map(|task| Worker::start(&project, emulator.host(), &log(task), rate, (task, 4))).collect();
    let begun = Instant::now();
    while done(&watched).await < count as u64 / 4 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(begun.elapsed().as_secs() < 600, "no end");
    }
    workers.remove(2).kill();
    while !workers.iter_mut().all(Worker::has_ended) {
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(begun.elapsed().as_secs() < 600, "no end");
    }
    let took = begun.elapsed();

    let status = watched.status().await.unwrap().unwrap();
    assert!(status.is_finished());
    assert_eq!(status.total.documents, count as u64);
    let shares: Vec<usize> = (0..4).map(|task| writes_per_document(&log(task)).values().sum()).collect();
    let mut all = BTreeMap::new();
    for task in 0..4 {
        for (document, times) in writes_per_document(&log(task)) {
            *all.entry(document).or_default() += times;
        }
    }
    let histogram = histogram(&all);
    let taken: u64 = status.parts.iter().map(|part| part.taken).sum();
    println!("{count} documents by four processes, one killed, in {took:.1?}: {shares:?} written by each");
    println!("writes per document (times: documents): {histogram:?}; 16 parts taken {taken} times");
    assert!(histogram.keys().all(|times| *times == 1), "{histogram:?}");
    assert!(taken > 16, "no part was taken over");
    // Each time a part is taken over, one commit at most was applied and not noted.
    let spared = count - all.len();
    assert!(spared as u64 <= (taken - 16) * 200 && shares.iter().all(|share| *share > 0), "{spared}");
    let verify =
        Job::new(store, customers(), Verify::new(config(), ring()).unwrap()).run(|_| ()).await.unwrap();
    assert_eq!((verify.run.documents, verify.run.failed), (count as u64, 0));
    assert_eq!(verify.run.counts.digest, status.total.counts.digest);
}
