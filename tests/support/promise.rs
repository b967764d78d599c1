//! Counting how often a promise was tried. What was counted is kept as a record, from which the table is printed.

#![allow(dead_code, clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is shown of the violations of one test; all are counted.
const SHOWN: usize = 8;

/// The tries of one test of a promise. Shared by reference, also between threads.
#[derive(Default)]
pub struct Tally {
    tries: AtomicU64,
    violations: Mutex<Vec<String>>,
    notes: Mutex<Vec<String>>,
}

impl Tally {
    /// So many tries, and the promise was kept in all of them.
    pub fn held(&self, tries: u64) {
        self.tries.fetch_add(tries, Ordering::Relaxed);
    }

    /// One try in which the promise was broken.
    pub fn violated(&self, what: impl Into<String>) {
        self.held(1);
        self.violations.lock().unwrap().push(what.into());
    }

    /// One try; `what` is asked for only where the promise was broken.
    pub fn holds(&self, held: bool, what: impl FnOnce() -> String) {
        if held { self.held(1) } else { self.violated(what()) }
    }

    /// A line that stands below the table: what was measured, or what is not promised.
    pub fn note(&self, line: impl Into<String>) {
        self.notes.lock().unwrap().push(line.into());
    }

    /// Keeps the count under the promise's name and the test's. A violation, or no try at all, is an error.
    pub fn record(&self, promise: &str, test: &str) -> Result<(), String> {
        let tries = self.tries.load(Ordering::Relaxed);
        let violations = self.violations.lock().unwrap();
        let mut record = format!("{tries} {}\n", violations.len());
        for note in &*self.notes.lock().unwrap() {
            record.push_str(note);
            record.push('\n');
        }
        let folder = records().join(promise);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(test.replace("::", ".")), record).unwrap();
        match (tries, violations.len()) {
            (0, _) => Err(format!("{promise}: {test} tried nothing")),
            (_, 0) => Ok(()),
            (_, broken) => {
                let shown = &violations[..broken.min(SHOWN)];
                Err(format!("{promise}: broken {broken} of {tries} times:\n{}", shown.join("\n")))
            }
        }
    }
}

/// For a promise whose test is a program of its own, or stands among others: counts, and keeps the record.
///
/// ```ignore
/// let promise = Promise::new("unique_values"); // a name that `tests/promises.rs` lists
/// promise.holds(owners == 1, || format!("{owners} owners"));
/// promise.finish();
/// ```
pub struct Promise {
    name: &'static str,
    tally: Tally,
}

impl Promise {
    pub fn new(name: &'static str) -> Self {
        Self { name, tally: Tally::default() }
    }

    /// So many tries, and the promise was kept in all of them: at the end of a test that asserts as it goes.
    pub fn kept(name: &'static str, tries: usize) {
        let promise = Self::new(name);
        promise.held(tries as u64);
        promise.finish();
    }

    /// Fails on a violation, and where nothing was tried.
    pub fn finish(self) {
        let thread = std::thread::current();
        let program = std::env::current_exe().unwrap();
        let program = program.file_stem().unwrap().to_string_lossy().into_owned();
        // Without the hash that Cargo adds.
        let program = program.rsplit_once('-').map_or(program.as_str(), |(name, _)| name);
        // What ran with the portable cipher has a record of its own.
        let cipher = if cfg!(feature = "aws-lc") { "" } else { "portable." };
        let test = format!("{cipher}{program}.{}", thread.name().expect("a test's thread has its name"));
        self.tally.record(self.name, &test).unwrap_or_else(|broken| panic!("{broken}"));
    }
}

impl std::ops::Deref for Promise {
    type Target = Tally;

    fn deref(&self) -> &Tally {
        &self.tally
    }
}

/// What was counted for a promise.
#[derive(Default)]
pub struct Counted {
    pub tries: u64,
    pub violations: u64,
    pub notes: Vec<String>,
    /// The tests without a record.
    pub missing: Vec<String>,
}

/// The records that these test functions left for a promise.
pub fn counted(promise: &str, functions: &[&str]) -> Counted {
    let mut counted = Counted::default();
    let mut missing: BTreeSet<&str> = functions.iter().copied().collect();
    let mut files: Vec<PathBuf> = fs::read_dir(records().join(promise))
        .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
        .unwrap_or_default();
    files.sort();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy();
        let function = name.rsplit('.').next().unwrap();
        if !functions.contains(&function) {
            continue;
        }
        missing.remove(function);
        let record = fs::read_to_string(&file).unwrap();
        let mut lines = record.lines();
        let (tries, violations) = lines.next().unwrap().split_once(' ').unwrap();
        counted.tries += tries.parse::<u64>().unwrap();
        counted.violations += violations.parse::<u64>().unwrap();
        counted.notes.extend(lines.map(str::to_owned));
    }
    counted.missing = missing.into_iter().map(str::to_owned).collect();
    counted
}

/// Where the records are: `tmp/promises` in the target directory, beside the profile's folder with this program in
/// `deps`. `tests/run` deletes it before the tests.
fn records() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    program.ancestors().nth(3).expect("Cargo builds tests into <target>/<profile>/deps").join("tmp/promises")
}
