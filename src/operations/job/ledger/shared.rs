//! Checkpoints in a store, for any number of tasks: each part is leased to one of them.
//!
//! A lease needs no clock but the holder's and the watcher's own: a record that has not changed for as
//! long as its lease, watched all the while, is free for the taking. Who takes it writes another owner over
//! it on the condition that it is as it was read, and from then on the former holder's checkpoints are
//! refused. What a former holder still writes to documents does no harm: it holds only where the document
//! is as it was read, and planning what is done gives nothing to do.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{Claim, Header, Held, Record, SaveError, Then};
use crate::bytes::{CollectionPath, DocumentPath};
use crate::operations::job::error::CheckpointError;
use crate::operations::job::part::Part;
use crate::operations::job::split::MAX_PARTS;
use crate::store::{
    Document, Fields, ListRequest, Precondition, Store, StoreError, Time, Value, ValueType, Write,
};

/// A record this many leases old, and 10 minutes, by the machine's clock is taken without watching it.
const LONG_DEAD: u32 = 10;
const CLOCKS_DIFFER: Duration = Duration::from_secs(600);
/// How often a checkpoint is tried again over one's own whose answer was lost.
const OWN_CONFLICTS: u32 = 5;

pub(in crate::operations::job) struct Shared {
    store: Arc<dyn Store>,
    record: DocumentPath,
    parts: CollectionPath,
    name: String,
    /// The header that there must be.
    header: Header,
    lease: Duration,
    /// Where this task begins to look for a part, in thousandths of all.
    first: u32,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// How many parts the job has.
    parts: u32,
    records: Vec<Record>,
    read: Option<Instant>,
    /// Since when each record has been as it is.
    seen: HashMap<u32, (Option<Time>, Instant)>,
}

impl Shared {
    pub(super) async fn open(
        store: Arc<dyn Store>,
        collection: &CollectionPath,
        header: &Header,
        lease: Duration,
        first: u32,
    ) -> Result<Self, CheckpointError> {
        let name = header.name.clone();
        let malformed = |error: crate::bytes::LocationError| CheckpointError::Malformed {
            job: header.name.clone(),
            reason: format!("the name is no document id: {error}"),
        };
        let record = collection.document(&name).map_err(malformed)?;
        let parts = record.collection("parts").map_err(malformed)?;
        let known = Mutex::default();
        let shared = Self { store, record, parts, name, header: header.clone(), lease, first, known };
        if let Some(found) = shared.read_header().await? {
            header.check(&found)?;
        }
        Ok(shared)
    }

    fn failed(&self, source: StoreError) -> CheckpointError {
        CheckpointError::Store { job: self.name.clone(), source }
    }

    fn malformed(&self, reason: String) -> CheckpointError {
        CheckpointError::Malformed { job: self.name.clone(), reason }
    }

    async fn read_header(&self) -> Result<Option<Header>, CheckpointError> {
        let read = self.store.read(std::slice::from_ref(&self.record), None).await;
        let Some(document) = read.map_err(|error| self.failed(error))?.pop().flatten() else {
            return Ok(None);
        };
        let text = text(&document.fields, "job").unwrap_or_default();
        let header = serde_json::from_str(text)
            .map_err(|error| self.malformed(format!("{} is no job's record ({error})", self.record)))?;
        Ok(Some(header))
    }

    pub(super) async fn header(&self) -> Result<Option<Header>, CheckpointError> {
        let found = self.read_header().await?;
        if let Some(found) = &found {
            self.header.check(found)?;
            self.known.lock().await.parts = found.parts;
        }
        Ok(found)
    }

    pub(super) async fn begin(&self, header: Header, parts: Vec<Part>) -> Result<(), CheckpointError> {
        let encoded = serde_json::to_string(&header).map_err(|error| self.malformed(error.to_string()))?;
        let fields = Fields::from([("job".to_owned(), string(encoded))]);
        let absent = |write: Write| write.with_precondition(Precondition::Exists(false));
        let mut writes = vec![absent(Write::set(self.record.clone(), fields))];
        for (index, part) in (0..).zip(parts) {
            let fields = self.fields(&part, "", 0, 0)?;
            writes.push(absent(Write::set(self.path(index)?, fields)));
        }
        let committed = self.store.commit(&writes).await;
        match committed {
            Ok(_) => Ok(()),
            // Another task was faster, or this one whose answer was lost.
            Err(error) => match self.header().await? {
                Some(_) => Ok(()),
                None => Err(self.failed(error)),
            },
        }
    }

    fn path(&self, index: u32) -> Result<DocumentPath, CheckpointError> {
        self.parts.document(&format!("{index:04}")).map_err(|error| self.malformed(error.to_string()))
    }

    fn fields(&self, part: &Part, owner: &str, epoch: u64, beat: u64) -> Result<Fields, CheckpointError> {
        let state = serde_json::to_string(part).map_err(|error| self.malformed(error.to_string()))?;
        let lease = u64::try_from(self.lease.as_millis()).unwrap_or(u64::MAX);
        Ok(Fields::from([
            ("state".to_owned(), string(state)),
            ("owner".to_owned(), string(owner.to_owned())),
            ("epoch".to_owned(), integer(epoch)),
            // So that each renewal changes the record's time.
            ("beat".to_owned(), integer(beat)),
            ("lease_milliseconds".to_owned(), integer(lease)),
        ]))
    }

    fn record(&self, document: &Document) -> Result<Record, CheckpointError> {
        let bad = || self.malformed(format!("{} is no part's record", document.path));
        let index = document.path.id().parse().map_err(|_| bad())?;
        let fields = &document.fields;
        let part = serde_json::from_str(text(fields, "state").ok_or_else(bad)?).map_err(|_| bad())?;
        let owner = text(fields, "owner").filter(|owner| !owner.is_empty()).map(str::to_owned);
        let lease = Duration::from_millis(number(fields, "lease_milliseconds"));
        Ok(Record {
            index,
            part,
            owner,
            epoch: number(fields, "epoch"),
            beat: number(fields, "beat"),
            lease,
            recorded: document.update_time,
        })
    }

    pub(super) async fn records(&self) -> Result<Vec<Record>, CheckpointError> {
        self.documents().await?.iter().map(|document| self.record(document)).collect()
    }

    /// The parts' records as they are stored. A page may have fewer than were asked for.
    async fn documents(&self) -> Result<Vec<Document>, CheckpointError> {
        let mut request = ListRequest {
            collection: self.parts.clone(),
            page_size: MAX_PARTS,
            page_token: None,
            mask: None,
        };
        let mut documents = Vec::new();
        loop {
            let page = self.store.list(&request).await.map_err(|error| self.failed(error))?;
            documents.extend(page.documents);
            request.page_token = page.next_page_token.filter(|token| !token.is_empty());
            if request.page_token.is_none() {
                return Ok(documents);
            }
        }
    }

    async fn read(&self, index: u32) -> Result<Record, CheckpointError> {
        let path = self.path(index)?;
        let read = self.store.read(std::slice::from_ref(&path), None).await;
        match read.map_err(|error| self.failed(error))?.pop().flatten() {
            Some(document) => self.record(&document),
            None => Err(self.malformed(format!("{path} is gone"))),
        }
    }

    /// A part that nobody holds, now leased to this process.
    pub(super) async fn claim(&self) -> Result<Claim, CheckpointError> {
        let mut known = self.known.lock().await;
        let poll = (self.lease / 4).clamp(Duration::from_millis(50), Duration::from_secs(5));
        loop {
            let count = known.records.len();
            let first = usize::try_from(self.first).unwrap_or_default() * count / 1_000;
            for at in (0..count).map(|at| (at + first) % count) {
                if let Some(held) = self.take(&mut known, at).await? {
                    return Ok(Claim::Part(Box::new(held)));
                }
            }
            if known.read.is_some() && known.records.iter().all(|record| record.part.done) {
                return Ok(Claim::AllDone);
            }
            if known.read.is_some_and(|read| read.elapsed() < poll) {
                return Ok(Claim::Wait(poll));
            }
            let records = self.records().await?;
            if records.len() != usize::try_from(known.parts).unwrap_or(usize::MAX) {
                let reason = format!(
                    "{} of its {} parts are recorded; forget the job and run it anew",
                    records.len(),
                    known.parts
                );
                return Err(self.malformed(reason));
            }
            known.records = records;
            known.read = Some(Instant::now());
            known.watch();
        }
    }

    /// Takes a part if it is free and still as it was read.
    async fn take(&self, known: &mut Known, at: usize) -> Result<Option<Held>, CheckpointError> {
        let Some(record) = known.records.get(at) else { return Ok(None) };
        if record.part.done || !known.is_free(record) {
            return Ok(None);
        }
        let (index, part, epoch) = (record.index, record.part.clone(), record.epoch + 1);
        let before = record.recorded;
        let owner = token();
        let fields = self.fields(&part, &owner, epoch, 0)?;
        let mut write = Write::set(self.path(index)?, fields);
        if let Some(recorded) = record.recorded {
            write = write.with_precondition(Precondition::UpdatedAt(recorded));
        }
        let (recorded, failed) = match self.store.commit(&[write]).await {
            Ok(commit) => (commit.update_times.first().copied().flatten(), None),
            // Somebody else has it: the record tells who.
            Err(StoreError::Conflict { .. } | StoreError::NotFound { .. }) => (None, None),
            // The answer may be lost: the record tells whether it was taken.
            Err(error) => (None, Some(error)),
        };
        let now = match recorded {
            Some(recorded) => {
                let owner = Some(owner.clone());
                Record { index, part, owner, epoch, beat: 0, lease: self.lease, recorded: Some(recorded) }
            }
            None => self.read(index).await?,
        };
        let mine = now.owner.as_ref() == Some(&owner);
        if let Some(error) = failed.filter(|_| !mine && now.recorded == before) {
            return Err(self.failed(error));
        }
        let held =
            Held { index, part: now.part.clone(), owner, epoch, beat: now.beat, recorded: now.recorded };
        if let Some(record) = known.records.get_mut(at) {
            *record = now;
        }
        known.watch();
        Ok(mine.then_some(held))
    }

    /// Writes a checkpoint, which renews the lease as well.
    pub(super) async fn save(&self, held: &mut Held, then: Then) -> Result<(), SaveError> {
        let owner = if then == Then::Release { "" } else { held.owner.as_str() };
        for _ in 0..OWN_CONFLICTS {
            held.beat += 1;
            let fields =
                self.fields(&held.part, owner, held.epoch, held.beat).map_err(SaveError::Checkpoint)?;
            let mut write = Write::set(self.path(held.index).map_err(SaveError::Checkpoint)?, fields);
            if let Some(recorded) = held.recorded {
                write = write.with_precondition(Precondition::UpdatedAt(recorded));
            }
            match self.store.commit(&[write]).await {
                Ok(commit) => {
                    held.recorded = commit.update_times.first().copied().flatten();
                    self.note(held, owner).await;
                    return Ok(());
                }
                Err(StoreError::Conflict { .. } | StoreError::NotFound { .. }) => {}
                Err(error) => return Err(SaveError::Checkpoint(self.failed(error))),
            }
            // Somebody else's, or one's own whose answer was lost.
            let now = self.read(held.index).await.map_err(SaveError::Checkpoint)?;
            let released = then == Then::Release && now.owner.is_none() && now.part == held.part;
            if now.epoch == held.epoch && released {
                return Ok(());
            }
            if now.epoch != held.epoch || now.owner.as_ref() != Some(&held.owner) {
                return Err(SaveError::Lost);
            }
            held.recorded = now.recorded;
        }
        Err(SaveError::Lost)
    }

    /// Keeps what this process knows of its own part up to date.
    async fn note(&self, held: &Held, owner: &str) {
        let mut known = self.known.lock().await;
        if let Some(record) = known.records.iter_mut().find(|record| record.index == held.index) {
            record.part = held.part.clone();
            record.owner = (!owner.is_empty()).then(|| owner.to_owned());
            record.recorded = held.recorded;
        }
        known.watch();
    }

    pub(super) async fn forget(&self) -> Result<(), CheckpointError> {
        let parts = self.documents().await?.into_iter().map(|document| document.path);
        let writes = std::iter::once(self.record.clone()).chain(parts).map(Write::delete);
        let writes: Vec<_> = writes.collect();
        self.store.commit(&writes).await.map(drop).map_err(|error| self.failed(error))?;
        *self.known.lock().await = Known::default();
        Ok(())
    }
}

impl Known {
    /// Notes since when each record has been as it is.
    fn watch(&mut self) {
        let now = Instant::now();
        for record in &self.records {
            let seen = self.seen.entry(record.index).or_insert((record.recorded, now));
            if seen.0 != record.recorded {
                *seen = (record.recorded, now);
            }
        }
    }

    fn is_free(&self, record: &Record) -> bool {
        if record.owner.is_none() {
            return true;
        }
        let watched = self.seen.get(&record.index).filter(|(recorded, _)| *recorded == record.recorded);
        if watched.is_some_and(|(_, since)| since.elapsed() >= record.lease) {
            return true;
        }
        let recorded = record.recorded.and_then(|time| SystemTime::try_from(time).ok());
        let age = recorded.and_then(|recorded| recorded.elapsed().ok()).unwrap_or_default();
        age > (record.lease * LONG_DEAD).max(CLOCKS_DIFFER)
    }
}

fn token() -> String {
    let mut random = [0; 16];
    // Without randomness two claims may share a name; the epoch still tells them apart.
    let _ = getrandom::fill(&mut random);
    random.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn string(text: String) -> Value {
    Value { value_type: Some(ValueType::StringValue(text)) }
}

fn integer(number: u64) -> Value {
    Value { value_type: Some(ValueType::IntegerValue(i64::try_from(number).unwrap_or(i64::MAX))) }
}

fn text<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    match fields.get(name)?.value_type.as_ref()? {
        ValueType::StringValue(text) => Some(text),
        _ => None,
    }
}

fn number(fields: &Fields, name: &str) -> u64 {
    match fields.get(name).and_then(|value| value.value_type.as_ref()) {
        Some(ValueType::IntegerValue(number)) => u64::try_from(*number).unwrap_or_default(),
        _ => 0,
    }
}
