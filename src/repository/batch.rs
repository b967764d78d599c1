//! Batches: many writes in few commits, and what became of each.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::collection::{Later, kept};
use super::outcome::{self, Failure, Unknown};
use super::transaction::OverStore;
use super::unique;
use crate::bytes::DocumentPath;
use crate::error::Error;
use crate::store::{
    Commit, Document, FieldMask, ListPage, ListRequest, Query, Store, StoreError, Time, Transaction, Write,
    WriteKind, check_document, write_bytes,
};

/// How many writes one commit takes.
const MAX_WRITES: usize = 500;

/// How many bytes one commit of a batch has at most: 3 MiB, well within Firestore's 10 MiB and its
/// emulator's 4 MiB.
const MAX_BYTES: usize = 3 * 1_048_576;

/// Many writes, over any repositories of one store.
///
/// Each call of a repository [on](Self::on) the batch is one operation: all its writes are applied, or
/// none (a document and the reservations of its unique values). Operations are sent in their order, as many
/// in one commit as it takes: up to 500 writes, up to 3 MiB, no document twice. A commit that fails is
/// sent again operation by operation, so that those alone fail that have to; where access is denied, all do. At most one commit's worth of
/// writes is held in memory.
///
/// ```
/// # use fireseal::{Batch, DataKey, KeyRing, Repository, Sealable, store::MemoryStore};
/// # #[derive(Sealable)]
/// # #[sealable(collection = "customers")]
/// # struct Customer { #[sealable(id)] id: String, #[sensitive] ssn: String }
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let store = MemoryStore::new();
/// # let customers = Repository::<Customer>::new(store.clone(), KeyRing::new(DataKey::generate()?));
/// let batch = Batch::new(&store);
/// for number in 0..1_200 {
///     let customer = Customer { id: format!("c{number}"), ssn: "078-05-1120".into() };
///     batch.on(&customers).create(&customer).await?;
/// }
/// let report = batch.finish().await?;
/// assert_eq!((report.applied, report.failures.len(), report.commits), (1_200, 0, 3));
/// # Ok(())
/// # }
/// ```
#[must_use = "what is left of a batch is sent by `finish`"]
pub struct Batch(Arc<Queue>);

impl Batch {
    /// A batch in as many commits as it takes.
    pub fn new<S: Store + Clone + 'static>(store: &S) -> Self {
        Self::of(store, false)
    }

    /// A batch in one commit, all of it or nothing: what does not fit is refused. Nothing is sent before
    /// [`finish`](Self::finish).
    pub fn atomic<S: Store + Clone + 'static>(store: &S) -> Self {
        Self::of(store, true)
    }

    fn of<S: Store + Clone + 'static>(store: &S, atomic: bool) -> Self {
        Self(Arc::new(Queue { store: Arc::new(store.clone()), atomic, state: Arc::default() }))
    }

    /// The repository on this batch: what it writes is put into the batch, so it answers without a time;
    /// what it reads is read at once, after what the batch wrote to it. Its keys, collection and scope stay; its store is the batch's.
    ///
    /// An error of a call means that it was not put into the batch.
    #[must_use]
    pub fn on<R: OverStore>(&self, repository: &R) -> R {
        repository.over(Arc::clone(&self.0) as Arc<dyn Later>)
    }

    /// Sends what is left, and tells what became of all.
    ///
    /// # Errors
    /// Of an [atomic](Self::atomic) batch: why nothing was applied, or [`Error::OutcomeUnknown`]. Of any
    /// other none: its failures are in the report.
    pub async fn finish(self) -> Result<BatchReport, Error> {
        let mut state = self.0.state.lock().await;
        let mut state = std::mem::replace(&mut *state, State { over: true, ..State::default() });
        if !self.0.atomic {
            state.send(&*self.0.store).await;
            return Ok(state.report);
        }
        let count = state.operations.len();
        let writes = std::mem::take(&mut state.writes);
        if !writes.is_empty() {
            let commit = commit(&*self.0.store, &writes).await?;
            state.report.commits = 1;
            state.report.last_commit = commit.commit_time;
        }
        state.report.applied = u64::try_from(count).unwrap_or(u64::MAX);
        Ok(state.report)
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("atomic", &self.0.atomic).finish_non_exhaustive()
    }
}

/// What became of a batch's operations.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct BatchReport {
    /// How many operations were applied.
    pub applied: u64,
    /// Those that were not, in their order.
    pub failures: Vec<BatchFailure>,
    /// How many commits it took, failed ones included.
    pub commits: u64,
    /// When the last commit was applied.
    pub last_commit: Option<Time>,
}

/// An operation of a batch that was not applied, or of which that is not known.
#[derive(Debug)]
#[non_exhaustive]
pub struct BatchFailure {
    /// Which operation, counted from 0 in the order of the calls.
    pub operation: u64,
    /// The document that it writes.
    pub document: DocumentPath,
    /// Why; [`Error::OutcomeUnknown`] where it may have been applied.
    pub error: Error,
}

/// The store as a batch sees it: a commit is put into the queue.
struct Queue {
    store: Arc<dyn Store>,
    atomic: bool,
    state: Arc<Mutex<State>>,
}

impl Queue {
    /// Sends what is there. The caller may stop waiting for it: what was sent is still in the report.
    async fn send(&self, mut state: OwnedMutexGuard<State>) -> Result<OwnedMutexGuard<State>, StoreError> {
        let store = Arc::clone(&self.store);
        let sent = tokio::spawn(async move {
            state.send(&*store).await;
            state
        });
        sent.await.map_err(|error| match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(stopped) => StoreError::Unavailable { reason: stopped.to_string(), source: None },
        })
    }
}

#[derive(Default)]
struct State {
    operations: Vec<Operation>,
    /// The operations' writes, in their order.
    writes: Vec<Write>,
    paths: HashSet<DocumentPath>,
    bytes: usize,
    next: u64,
    over: bool,
    report: BatchReport,
}

/// As many writes that are applied together.
#[derive(Clone, Copy)]
struct Operation {
    number: u64,
    writes: usize,
}

impl State {
    fn fits(&self, writes: &[Write], bytes: usize) -> bool {
        self.paths.len() + writes.len() <= MAX_WRITES
            && self.bytes + bytes <= MAX_BYTES
            && writes.iter().all(|write| !self.paths.contains(&write.path))
    }

    fn push(&mut self, mut writes: Vec<Write>, bytes: usize) {
        self.paths.extend(writes.iter().map(|write| write.path.clone()));
        self.bytes += bytes;
        self.operations.push(Operation { number: self.next, writes: writes.len() });
        self.writes.append(&mut writes);
        self.next += 1;
    }

    /// Sends all operations: in one commit, or else one by one.
    async fn send(&mut self, store: &dyn Store) {
        let operations = std::mem::take(&mut self.operations);
        let writes = std::mem::take(&mut self.writes);
        self.paths.clear();
        self.bytes = 0;
        if operations.is_empty() {
            return;
        }
        self.report.commits += 1;
        match outcome::settle(store, &writes).await {
            Ok(commit) => {
                self.report.applied += u64::try_from(operations.len()).unwrap_or(u64::MAX);
                self.report.last_commit = commit.commit_time.or(self.report.last_commit);
            }
            Err(Failure::Unknown(unknown)) => self.tell(&operations, &writes, &unknown),
            // It has nothing to do with one of them.
            Err(Failure::Refused(StoreError::Denied { reason })) => {
                for (one, writes) in with_writes(&operations, &writes) {
                    self.fail(one, writes, StoreError::Denied { reason: reason.clone() }.into());
                }
            }
            Err(Failure::Refused(error)) => match operations.as_slice() {
                [one] => {
                    let error = unique::explained(store, &writes, error.into()).await;
                    self.fail(*one, &writes, error);
                }
                operations => self.send_one_by_one(store, operations, &writes).await,
            },
        }
    }

    async fn send_one_by_one(&mut self, store: &dyn Store, operations: &[Operation], writes: &[Write]) {
        let mut operations = with_writes(operations, writes);
        while let Some((one, writes)) = operations.next() {
            self.report.commits += 1;
            match outcome::settle(store, writes).await {
                Ok(commit) => {
                    self.report.applied += 1;
                    self.report.last_commit = commit.commit_time.or(self.report.last_commit);
                }
                Err(Failure::Unknown(unknown)) => {
                    let down = unknown.seen.is_none();
                    self.tell(&[one], writes, &unknown);
                    // What is not sent is certainly not applied.
                    let rest = if down { usize::MAX } else { 0 };
                    for (one, writes) in operations.by_ref().take(rest) {
                        let reason = format!("it was not sent, since {}", unknown.lost);
                        self.fail(one, writes, StoreError::Unavailable { reason, source: None }.into());
                    }
                }
                Err(Failure::Refused(error)) => {
                    let error = unique::explained(store, writes, error.into()).await;
                    self.fail(one, writes, error);
                }
            }
        }
    }

    /// Tells for each operation of a commit whose outcome is not known what its documents tell.
    fn tell(&mut self, operations: &[Operation], writes: &[Write], unknown: &Unknown) {
        let mut seen = unknown.seen.as_deref().unwrap_or_default();
        for (one, writes) in with_writes(operations, writes) {
            let (documents, rest) = seen.split_at_checked(writes.len()).unwrap_or_default();
            seen = rest;
            if documents.len() == writes.len() && outcome::is_as_wanted(writes, documents) {
                self.report.applied += 1;
                continue;
            }
            let lost = StoreError::Unavailable { reason: unknown.lost.to_string(), source: None };
            let error = outcome::unknown(writes, lost);
            self.fail(one, writes, error);
        }
    }

    fn fail(&mut self, one: Operation, writes: &[Write], error: Error) {
        if let Some(write) = writes.first() {
            let document = write.path.clone();
            self.report.failures.push(BatchFailure { operation: one.number, document, error });
        }
    }
}

/// Each operation with its writes.
fn with_writes<'a>(
    operations: &'a [Operation],
    mut writes: &'a [Write],
) -> impl Iterator<Item = (Operation, &'a [Write])> {
    operations.iter().map(move |one| {
        let (own, rest) = writes.split_at_checked(one.writes).unwrap_or_default();
        writes = rest;
        (*one, own)
    })
}

async fn commit(store: &dyn Store, writes: &[Write]) -> Result<Commit, Error> {
    match outcome::commit(store, writes).await {
        Err(error) => Err(unique::explained(store, writes, error).await),
        answer => answer,
    }
}

#[async_trait]
impl Store for Queue {
    async fn read(
        &self,
        paths: &[DocumentPath],
        mask: Option<&FieldMask>,
    ) -> Result<Vec<Option<Document>>, StoreError> {
        let mut state = Arc::clone(&self.state).lock_owned().await;
        if let Some(path) = paths.iter().find(|path| state.paths.contains(path)) {
            if self.atomic {
                let reason = format!("the batch writes {path} already; one commit writes a document once");
                return Err(StoreError::Refused { reason });
            }
            // What is read is as the operations before leave it.
            state = self.send(state).await?;
        }
        drop(state);
        self.store.read(paths, mask).await
    }

    async fn commit(&self, writes: &[Write]) -> Result<Commit, StoreError> {
        self.keep(writes.to_vec()).await?;
        Ok(kept(writes.len()))
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage, StoreError> {
        self.store.list(request).await
    }

    async fn query(
        &self,
        query: &Query,
        within: Option<&Transaction>,
    ) -> Result<BoxStream<'static, Result<Document, StoreError>>, StoreError> {
        self.store.query(query, within).await
    }
}

#[async_trait]
impl Later for Queue {
    async fn keep(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        let refused = |reason: &str| Err(StoreError::Refused { reason: reason.to_owned() });
        let bytes = writes.iter().map(write_bytes).sum();
        let mut state = Arc::clone(&self.state).lock_owned().await;
        if state.over {
            return refused("the batch is finished: begin another one");
        }
        for write in &writes {
            if let WriteKind::Set { fields, .. } = &write.kind {
                // Refused here, so that it does not take the others of its commit with it.
                check_document(&write.path, fields)?;
            }
        }
        if !state.fits(&writes, bytes) {
            if self.atomic {
                return refused(
                    "the batch does not fit into one commit of 500 writes, 3 MiB, and no document twice; use \
                     `Batch::new`",
                );
            }
            state = self.send(state).await?;
            if !state.fits(&writes, bytes) {
                return refused("an operation does not fit into one commit of 500 writes and 3 MiB");
            }
        }
        state.push(writes, bytes);
        Ok(())
    }

    fn shows_kept(&self) -> bool {
        false
    }
}
