//! Tasks that do all kinds of reads and writes over a network that fails, and know at each moment what the database
//! may hold: whatever else is read is wrong data, a lost write, or one that was applied twice.
//!
//! Each task owns entries, which nobody else writes; counters and accounts belong to all.

#![allow(dead_code, clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fireseal::store::{FirestoreStore, Store, StoreError};
use fireseal::{Batch, DataKey, Error, IndexKey, KeyRing, OpenError, Repository, Sealable, transaction};
use futures::TryStreamExt as _;

use super::random::Random;

/// `words` says the same as `id` and `turn`, so that a mixture of two writes shows.
#[derive(Sealable, Clone, PartialEq)]
#[sealable(collection = "entries", debug)]
pub struct Entry {
    #[sealable(id)]
    pub id: String,
    pub turn: i64,
    #[sensitive]
    pub words: String,
    #[sensitive(index)]
    pub group: String,
    #[sensitive(unique)]
    pub tag: String,
}

#[derive(Sealable, Clone, PartialEq)]
#[sealable(collection = "counters", debug)]
pub struct Counter {
    #[sealable(id)]
    pub id: String,
    pub count: i64,
    #[sensitive]
    pub name: String,
}

#[derive(Sealable, Clone, PartialEq)]
#[sealable(collection = "accounts", debug)]
pub struct Account {
    #[sealable(id)]
    pub id: String,
    #[sensitive]
    pub balance: i64,
}

pub const COUNTERS: usize = 3;
pub const ACCOUNTS: usize = 4;
pub const BALANCE: i64 = 1_000;

pub fn entry(group: &str, id: &str, turn: i64) -> Entry {
    let (words, tag) = (format!("{id}:{turn}"), format!("tag of {id}"));
    Entry { id: id.to_owned(), turn, words, group: group.to_owned(), tag }
}

pub fn ring() -> KeyRing {
    KeyRing::new(DataKey::from_bytes(&[7; 32])).with_index(IndexKey::from_bytes(&[8; 32]))
}

/// The group of a task's entry.
pub fn group_of(task: usize, entry: usize) -> String {
    format!("group {task}.{}", entry / GROUP)
}

/// What the sealed fields of an entry say, apart from its clear ones: which turn of it they were sealed in.
pub fn sealed_turn(entry: &Entry, id: &str) -> Option<i64> {
    let (named, turn) = entry.words.rsplit_once(':')?;
    (named == id && entry.tag == format!("tag of {id}")).then_some(turn.parse().ok()?)
}

/// What all tasks saw.
#[derive(Default)]
pub struct Tally {
    pub reads: u64,
    pub writes: u64,
    /// Writes that the library says may have been applied.
    pub unknown: u64,
    pub errors: u64,
    /// Reads in which a clear field was not what was written. Only where bits are changed on the way.
    pub clear_changed: u64,
    /// Documents that were refused as tampered with.
    pub refused: u64,
    pub wrong: Vec<String>,
    /// From the first failure of a task to its next success.
    pub recoveries: Vec<Duration>,
    /// Of every call, whatever came of it.
    pub latencies: Vec<Duration>,
    pub acknowledged: [i64; COUNTERS],
    pub possible: [i64; COUNTERS],
}

impl Tally {
    pub fn report(&mut self) -> String {
        format!(
            "{} reads, {} writes acknowledged, {} of unknown outcome, {} errors; calls: {}; failure to next success: {}",
            self.reads,
            self.writes,
            self.unknown,
            self.errors,
            quantiles(&mut self.latencies),
            quantiles(&mut self.recoveries),
        )
    }
}

/// `n` values and their p50, p99 and maximum.
pub fn quantiles(values: &mut [Duration]) -> String {
    values.sort();
    let at = |share: usize| values.get((values.len() * share / 100).min(values.len().saturating_sub(1)));
    let ms = |share: usize| at(share).map_or(0, Duration::as_millis);
    format!("{} (p50 {} ms, p99 {} ms, max {} ms)", values.len(), ms(50), ms(99), ms(100))
}

/// The repositories over one store.
#[derive(Clone)]
pub struct Repositories {
    pub store: FirestoreStore,
    pub entries: Repository<Entry>,
    pub counters: Repository<Counter>,
    pub accounts: Repository<Account>,
}

impl Repositories {
    pub fn new(store: FirestoreStore) -> Self {
        Self {
            entries: Repository::new(store.clone(), ring()),
            counters: Repository::new(store.clone(), ring()),
            accounts: Repository::new(store.clone(), ring()),
            store,
        }
    }

    /// All entries by their ids: read by one query, for a list is read anew for each of its pages.
    pub async fn all(&self) -> BTreeMap<String, Entry> {
        let found = self.entries.query().all().await.unwrap();
        found.into_iter().map(|entry| (entry.id().to_owned(), entry.into_inner())).collect()
    }

    /// The counters and accounts that all tasks share.
    pub async fn set_up(&self) {
        for number in 0..COUNTERS {
            let (id, name) = (format!("c{number}"), format!("counter {number}"));
            self.counters.set(&Counter { id, count: 0, name }).await.unwrap();
        }
        for number in 0..ACCOUNTS {
            self.accounts.set(&Account { id: format!("a{number}"), balance: BALANCE }).await.unwrap();
        }
    }
}

/// What an entry may be: its turn, or `None` where it is not there.
type States = BTreeSet<Option<i64>>;

/// How many entries one group has, and so one query finds.
const GROUP: usize = 20;

/// An entry of a task's own. Where `states` is `None`, nothing is known of it.
pub struct Own {
    pub id: String,
    pub group: String,
    issued: i64,
    pub states: Option<States>,
}

pub struct Task {
    pub number: usize,
    pub through: Repositories,
    pub tally: Arc<Mutex<Tally>>,
    pub own: Vec<Own>,
    /// Whether nothing changes on the way, so that clear fields are what was written too.
    pub intact: bool,
    /// Of so many queries that it draws it makes one, and reads single entries else: the emulator looks at every
    /// document of a database for each.
    pub queries: usize,
    random: Random,
    failing: Option<Instant>,
}

impl Task {
    pub fn new(
        number: usize,
        entries: usize,
        seed: u64,
        through: Repositories,
        tally: Arc<Mutex<Tally>>,
    ) -> Self {
        let own = (0..entries).map(|entry| Own {
            id: format!("e{number}-{entry}"),
            group: group_of(number, entry),
            issued: 0,
            states: Some(BTreeSet::from([None])),
        });
        let random = Random(seed.wrapping_mul(1_000).wrapping_add(u64::try_from(number).unwrap()));
        Self { number, through, tally, own: own.collect(), queries: 1, intact: true, random, failing: None }
    }

    fn wrong(&self, what: String) {
        self.tally.lock().unwrap().wrong.push(what);
    }

    /// Counts a call; its answer, if there is one.
    fn took<T>(&mut self, start: Instant, write: bool, answer: Result<T, Error>) -> Result<T, Error> {
        let mut tally = self.tally.lock().unwrap();
        tally.latencies.push(start.elapsed());
        match &answer {
            Ok(_) => {
                *(if write { &mut tally.writes } else { &mut tally.reads }) += 1;
                tally.recoveries.extend(self.failing.take().map(|since| since.elapsed()));
            }
            Err(error) => {
                tally.errors += 1;
                tally.unknown += u64::from(is_unknown(error));
                // A conflict is an answer: the network works.
                if !error.is_conflict() {
                    self.failing.get_or_insert(start);
                }
                if is_tampering(error) {
                    tally.refused += 1;
                    if self.intact {
                        tally.wrong.push(format!("task {}: {error}", self.number));
                    }
                }
            }
        }
        answer
    }

    /// Checks an entry that was read.
    fn check(&self, own: &Own, read: Option<&Entry>) {
        let sealed = read.map(|entry| sealed_turn(entry, &own.id));
        if let Some(turn) = sealed
            && turn.is_none_or(|turn| turn > own.issued)
        {
            return self.wrong(format!("{} was read with what was never sealed there: {read:?}", own.id));
        }
        let whole = read.is_none_or(|entry| *entry == self::entry(&own.group, &own.id, entry.turn));
        if !self.intact {
            self.tally.lock().unwrap().clear_changed += u64::from(!whole);
            return;
        }
        if !whole {
            return self.wrong(format!("{} was read as a mixture: {read:?}", own.id));
        }
        let turn = read.map(|entry| entry.turn);
        if let Some(states) = &own.states
            && !states.contains(&turn)
        {
            self.wrong(format!("{} is at turn {turn:?}, but can only be at {states:?}", own.id));
        }
    }

    /// Notes what became of a write after which an entry is in this state.
    fn wrote<T>(&mut self, at: usize, state: Option<i64>, answer: &Result<T, Error>) {
        let own = &mut self.own[at];
        match answer {
            Ok(_) => own.states = Some(BTreeSet::from([state])),
            Err(error) if is_unknown(error) => {
                own.states.as_mut().map(|states| states.insert(state));
            }
            // Whatever else it says, it says that nothing was written.
            Err(_) => {}
        }
    }

    fn next_turn(&mut self, at: usize) -> Entry {
        self.own[at].issued += 1;
        entry(&self.own[at].group, &self.own[at].id, self.own[at].issued)
    }

    fn counted<T>(&self, counter: usize, answer: &Result<T, Error>) {
        let mut tally = self.tally.lock().unwrap();
        match answer {
            Ok(_) => tally.acknowledged[counter] += 1,
            Err(error) if is_unknown(error) => tally.possible[counter] += 1,
            Err(_) => {}
        }
    }

    /// One call of some kind.
    pub async fn step(&mut self) {
        let (at, start) = (self.random.below(self.own.len()), Instant::now());
        let (entries, counters) = (self.through.entries.clone(), self.through.counters.clone());
        let id = self.own[at].id.clone();
        match self.random.below(16) {
            0..=3 => {
                let next = self.next_turn(at);
                let absent = self.own[at].states == Some(BTreeSet::from([None]));
                let answer = if absent { entries.create(&next).await } else { entries.set(&next).await };
                let answer = self.took(start, true, answer);
                self.wrote(at, Some(next.turn), &answer);
            }
            4..=5 => {
                let next = self.next_turn(at);
                let answer = entries.modify(&id, |entry| entry.clone_from(&next)).await;
                let answer = self.took(start, true, answer);
                match &answer {
                    // There was nothing to modify.
                    Ok(None) => self.check(&self.own[at], None),
                    answer => self.wrote(at, Some(next.turn), answer),
                }
            }
            6 => {
                let answer = entries.delete(&id).await;
                let answer = self.took(start, true, answer);
                self.wrote(at, None, &answer);
            }
            10..=11 if self.random.below(self.queries) == 0 => self.query(&entries, at, start).await,
            7..=11 => {
                let answer = entries.get(&id).await;
                if let Ok(read) = self.took(start, false, answer) {
                    self.check(&self.own[at], read.as_ref());
                }
            }
            12..=13 => {
                let counter = self.random.below(COUNTERS);
                let answer = counters.change(&format!("c{counter}")).increment(|c| c.count, 1).run().await;
                let answer = self.took(start, true, answer);
                self.counted(counter, &answer);
            }
            14 => self.batch(start).await,
            _ => self.transfer(start).await,
        }
    }

    async fn query(&mut self, entries: &Repository<Entry>, at: usize, start: Instant) {
        let group = self.own[at].group.clone();
        let answer = entries.query().filter(|entry| entry.group.eq(group.as_str())).all().await;
        let Ok(found) = self.took(start, false, answer) else { return };
        let mut found: BTreeMap<String, Entry> =
            found.into_iter().map(|entry| (entry.id().to_owned(), entry.into_inner())).collect();
        for own in self.own.iter().filter(|own| own.group == group) {
            let read = found.remove(&own.id);
            // Changed tokens hide a document: that is not promised against whoever changes bits.
            if self.intact || read.is_some() {
                self.check(own, read.as_ref());
            }
        }
        for (id, _) in found {
            self.wrong(format!("{id} was found in {group}, which nobody put there"));
        }
    }

    /// Sets three entries and counts once, in one batch.
    async fn batch(&mut self, start: Instant) {
        let batch = Batch::new(&self.through.store);
        let (entries, counters) = (batch.on(&self.through.entries), batch.on(&self.through.counters));
        let first = self.random.below(self.own.len());
        let chosen: BTreeSet<usize> = (0..3).map(|offset| (first + offset) % self.own.len()).collect();
        let mut queued = Vec::new();
        for at in chosen {
            let next = self.next_turn(at);
            match entries.set(&next).await {
                Ok(_) => queued.push((at, next)),
                answer => self.wrote(at, Some(next.turn), &answer),
            }
        }
        let counter = self.random.below(COUNTERS);
        let counts = counters.change(&format!("c{counter}")).increment(|c| c.count, 1).run().await;
        let report = batch.finish().await;
        let report = self.took(start, true, report);
        let mut failures: BTreeMap<String, Error> = match report {
            Ok(report) => {
                let failures = report.failures.into_iter();
                failures.map(|failure| (failure.document.as_str().to_owned(), failure.error)).collect()
            }
            Err(error) => return self.wrong(format!("a batch tells of no operation: {error}")),
        };
        self.tally.lock().unwrap().unknown +=
            failures.values().map(|error| u64::from(is_unknown(error))).sum::<u64>();
        let mut of = |path: String| failures.remove(&path).map_or(Ok(()), Err);
        for (at, next) in queued {
            let answer = of(format!("entries/{}", next.id));
            self.wrote(at, Some(next.turn), &answer);
        }
        let answer = counts.map(drop).and_then(|()| of(format!("counters/c{counter}")));
        self.counted(counter, &answer);
    }

    /// Moves 1 from one account to another.
    async fn transfer(&mut self, start: Instant) {
        let from = self.random.below(ACCOUNTS);
        let to = (from + 1 + self.random.below(ACCOUNTS - 1)) % ACCOUNTS;
        let accounts = &self.through.accounts;
        let answer = transaction(&self.through.store, |tx| async move {
            let accounts = tx.on(accounts);
            let missing = || StoreError::UnexpectedAnswer { reason: "an account is missing".to_owned() };
            let mut one = accounts.get_stored(&format!("a{from}")).await?.ok_or_else(missing)?;
            let mut other = accounts.get_stored(&format!("a{to}")).await?.ok_or_else(missing)?;
            one.balance -= 1;
            other.balance += 1;
            accounts.save(&mut one).await?;
            accounts.save(&mut other).await
        })
        .await;
        let _ = self.took(start, true, answer);
    }

    /// Creates all entries, many in one commit.
    pub async fn fill(&mut self, direct: &Repositories) {
        let batch = Batch::new(&direct.store);
        let entries = batch.on(&direct.entries);
        for at in 0..self.own.len() {
            let next = self.next_turn(at);
            entries.create(&next).await.unwrap();
            self.own[at].states = Some(BTreeSet::from([Some(next.turn)]));
        }
        let report = batch.finish().await.unwrap();
        assert!(report.failures.is_empty(), "{:?}", report.failures.first());
    }

    /// Compares what the database holds, all entries by their ids, with what the task knows.
    pub fn compare(&self, all: &BTreeMap<String, Entry>) {
        self.own.iter().for_each(|own| self.check(own, all.get(&own.id)));
    }

    /// Compares what the database holds with what the task knows.
    pub async fn verify(&mut self, direct: &Repositories) {
        let ids: Vec<String> = self.own.iter().map(|own| own.id.clone()).collect();
        for (own, id) in self.own.iter().zip(ids) {
            match direct.entries.get(&id).await {
                Ok(read) => self.check(own, read.as_ref()),
                Err(error) if is_tampering(&error) && !self.intact => {
                    self.tally.lock().unwrap().refused += 1;
                }
                Err(error) => self.wrong(format!("{id} cannot be read at the end: {error}")),
            }
        }
    }
}

/// What the tasks share, at the end: no increment lost or doubled, no transfer half done, a reservation for each
/// of these entries and no other.
pub async fn verify_shared(direct: &Repositories, entries: &BTreeMap<String, Entry>, tally: &Mutex<Tally>) {
    let mut wrong = Vec::new();
    let (acknowledged, possible) = {
        let tally = tally.lock().unwrap();
        (tally.acknowledged, tally.possible)
    };
    for counter in 0..COUNTERS {
        let count = direct.counters.get(&format!("c{counter}")).await.unwrap().unwrap().count;
        let (least, most) = (acknowledged[counter], acknowledged[counter] + possible[counter]);
        if !(least..=most).contains(&count) {
            wrong.push(format!("counter {counter} is at {count}, not within {least} and {most}"));
        }
    }
    let mut sum = 0;
    for account in 0..ACCOUNTS {
        sum += direct.accounts.get(&format!("a{account}")).await.unwrap().unwrap().balance;
    }
    if sum != BALANCE * i64::try_from(ACCOUNTS).unwrap() {
        wrong.push(format!("the accounts hold {sum}"));
    }
    let owners = owners(&direct.store).await;
    let reserved: BTreeSet<String> = owners.iter().cloned().collect();
    let paths: BTreeSet<String> = entries.keys().map(|id| format!("entries/{id}")).collect();
    if owners.len() != reserved.len() || reserved != paths {
        let some = |one: &BTreeSet<String>, other| one.difference(other).take(5).cloned().collect::<Vec<_>>();
        wrong.push(format!(
            "{} entries have {} reservations: without one {:?}, reserved for {:?} that are not there",
            paths.len(),
            owners.len(),
            some(&paths, &reserved),
            some(&reserved, &paths),
        ));
    }
    tally.lock().unwrap().wrong.extend(wrong);
}

/// Whose the reservations are.
async fn owners(store: &FirestoreStore) -> Vec<String> {
    let reservations = fireseal::CollectionPath::parse("fireseal_unique").unwrap();
    let query = fireseal::store::Query::new(fireseal::store::From::Collection(reservations));
    let found = store.query(&query, None).await.unwrap();
    let owner = |document: fireseal::store::Document| match &document.fields["owner"].value_type {
        Some(fireseal::store::ValueType::StringValue(owner)) => owner.clone(),
        other => panic!("{other:?} is no owner"),
    };
    found.map_ok(owner).try_collect().await.unwrap()
}

fn is_unknown(error: &Error) -> bool {
    matches!(error, Error::OutcomeUnknown { .. })
}

/// An error that says that somebody changed what is stored, or what comes from the database.
fn is_tampering(error: &Error) -> bool {
    matches!(
        error,
        Error::Open(OpenError::Fields { .. })
            | Error::OtherType { .. }
            | Error::OtherDocument { .. }
            | Error::OtherId { .. }
            | Error::ReservationRefused { .. }
            | Error::Taken { .. }
    )
}
