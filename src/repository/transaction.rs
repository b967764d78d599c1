//! Transactions: what is read is as it is when the writes are applied, or all is run again.

mod kept;

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use tokio::runtime::Handle;

use super::collection::{self, Later};
use super::keyed::Repository;
use super::keyless::SealedRepository;
use super::outcome::{find_out, is_lost, may_be_applied};
use crate::bytes::DocumentPath;
use crate::error::Error;
use crate::seal::Document as Sealable;
use crate::store::{
    self, Aggregation, Commit, Document, FieldMask, ListPage, ListRequest, Query, Store, StoreError, Time,
    TransactionMode, Value, Write,
};
use kept::{Kept, as_written};

/// How often a transaction is run at most, the first time included.
const ATTEMPTS: u32 = 8;

/// The pause before the second run, doubled for each one after, up to six times.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// Runs `work` in a transaction and applies what it wrote, all of it or nothing.
///
/// `work` gets a handle, which is cheap to clone, and takes repositories into the transaction with
/// [`Transaction::on`]. What they read there is as it is when the writes are applied: where others
/// changed it, or where the database fails for a passing reason, `work` runs again, up to eight times with
/// growing pauses. So it should do nothing but read and write documents. Any other error ends it at once.
/// A transaction whose future is dropped is rolled back in the background, so that others need not wait for it.
///
/// # Errors
/// Whatever `work` says; [`StoreError::Aborted`] if others are in the way eight times;
/// [`Error::OutcomeUnknown`] if the commit's answer is lost and the documents do not tell.
pub async fn transaction<S, T, E, W, F>(store: &S, work: W) -> Result<T, E>
where
    S: Store + Clone + 'static,
    W: FnMut(Transaction) -> F + Send,
    F: Future<Output = Result<T, E>> + Send,
    T: Send,
    E: From<Error> + Send,
{
    run(Arc::new(store.clone()), None, work).await
}

/// Runs `work` over the documents as they are at one moment: now, or `at` a time within the last hour.
/// Nothing is locked, and nothing can be written.
///
/// # Errors
/// Whatever `work` says.
pub async fn snapshot<S, T, E, W, F>(store: &S, at: Option<Time>, work: W) -> Result<T, E>
where
    S: Store + Clone + 'static,
    W: FnMut(Transaction) -> F + Send,
    F: Future<Output = Result<T, E>> + Send,
    T: Send,
    E: From<Error> + Send,
{
    run(Arc::new(store.clone()), Some(at), work).await
}

/// `reads` tells the moment of a transaction that only reads.
async fn run<T, E, W, F>(store: Arc<dyn Store>, reads: Option<Option<Time>>, mut work: W) -> Result<T, E>
where
    W: FnMut(Transaction) -> F + Send,
    F: Future<Output = Result<T, E>> + Send,
    T: Send,
    E: From<Error> + Send,
{
    let mut before = None;
    let mut attempt = 1;
    loop {
        let mode = match reads {
            Some(at) => TransactionMode::ReadOnly { at },
            None => TransactionMode::ReadWrite { retry: before.take() },
        };
        let outcome = match store.begin(&mode).await {
            Err(error) => Outcome::of(error),
            Ok(token) => {
                let within = Arc::new(Within::new(Arc::clone(&store), token.clone(), reads.is_some()));
                before = Some(token);
                let result = work(Transaction(Arc::clone(&within))).await;
                within.end(result).await
            }
        };
        match outcome {
            Outcome::Done(result) => return result,
            Outcome::Again(_) if attempt < ATTEMPTS => {
                let longest = FIRST_PAUSE * 2_u32.pow(attempt.saturating_sub(1).min(5));
                let random = getrandom::u32().unwrap_or(u32::MAX);
                let half = longest / 2;
                tokio::time::sleep(half + half.mul_f64(f64::from(random) / f64::from(u32::MAX))).await;
                attempt += 1;
            }
            Outcome::Again(error) => return Err(error),
        }
    }
}

/// What became of one run.
enum Outcome<T, E> {
    Done(Result<T, E>),
    /// Nothing was applied, and another run may succeed.
    Again(E),
}

impl<T, E: From<Error>> Outcome<T, E> {
    fn of(error: StoreError) -> Self {
        let again = may_succeed(&error);
        let error = E::from(Error::Store(error));
        if again { Self::Again(error) } else { Self::Done(Err(error)) }
    }
}

fn may_succeed(error: &StoreError) -> bool {
    matches!(error, StoreError::Aborted { .. }) || is_lost(error)
}

/// One run of a transaction. It is over when the work that got it is.
#[derive(Clone)]
pub struct Transaction(Arc<Within>);

impl Transaction {
    /// The repository within this transaction: it reads there, and what it writes is kept until the
    /// transaction ends, so it answers without a time. Its keys, collection and scope stay; its store is
    /// the transaction's.
    ///
    /// A document is written once. One that was created, replaced or deleted is read as such; one that
    /// was changed in part is not read any more: read first.
    #[must_use]
    pub fn on<R: OverStore>(&self, repository: &R) -> R {
        repository.over(Arc::clone(&self.0) as Arc<dyn Later>)
    }
}

impl std::fmt::Debug for Transaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transaction").finish_non_exhaustive()
    }
}

/// A repository: what a [`Transaction`] or a [`Batch`](super::Batch) takes in.
pub trait OverStore: private::OverStore {}

impl<R: private::OverStore> OverStore for R {}

mod private {
    use super::{Arc, Later};

    pub trait OverStore {
        /// The same documents in a store that keeps writes.
        #[must_use]
        fn over(&self, later: Arc<dyn Later>) -> Self;
    }
}

impl<T: Sealable> private::OverStore for Repository<T> {
    fn over(&self, later: Arc<dyn Later>) -> Self {
        Self { collection: self.collection.over(later), ..self.clone() }
    }
}

impl<T: Sealable> private::OverStore for SealedRepository<T> {
    fn over(&self, later: Arc<dyn Later>) -> Self {
        Self { collection: self.collection.over(later) }
    }
}

/// The store as a transaction sees it: reads are made within, writes are kept for its end.
struct Within {
    store: Arc<dyn Store>,
    token: store::Transaction,
    read_only: bool,
    /// What is kept; `None` once the transaction is over.
    kept: Mutex<Option<Kept>>,
    /// A call failed in a way that asks for another run.
    again: Arc<AtomicBool>,
    /// Whether the database may still hold locks for it.
    open: AtomicBool,
}

impl Within {
    fn new(store: Arc<dyn Store>, token: store::Transaction, read_only: bool) -> Self {
        let kept = Mutex::new(Some(Kept::default()));
        Self { store, token, read_only, kept, again: Arc::default(), open: AtomicBool::new(true) }
    }

    fn kept(&self) -> MutexGuard<'_, Option<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Commits or rolls back.
    async fn end<T, E: From<Error>>(&self, result: Result<T, E>) -> Outcome<T, E> {
        let writes = self.kept().take().unwrap_or_default().into_writes();
        let value = match result {
            Ok(value) if !self.read_only && !self.again.load(Ordering::SeqCst) => value,
            result => {
                self.roll_back().await;
                return match (result, self.again.load(Ordering::SeqCst)) {
                    (Err(error), true) => Outcome::Again(error),
                    (Ok(_), true) if !self.read_only => {
                        let reason = "one of its reads failed".to_owned();
                        Outcome::of(StoreError::Aborted { reason })
                    }
                    (result, _) => Outcome::Done(result),
                };
            }
        };
        let committed = self.store.commit_within(&self.token, &writes).await;
        match &committed {
            // Once that is done, nobody waits for its locks, and a commit that is still under way comes too late.
            Err(error) if may_be_applied(error) => self.roll_back().await,
            _ => self.open.store(false, Ordering::SeqCst),
        }
        match committed {
            Ok(_) => Outcome::Done(Ok(value)),
            // Without writes there is nothing that could be applied twice.
            Err(error) if may_be_applied(&error) && !writes.is_empty() => {
                let found = find_out(&*self.store, &writes, error).await;
                Outcome::Done(found.map(|_| value).map_err(E::from))
            }
            Err(error) => Outcome::of(error),
        }
    }

    async fn roll_back(&self) {
        // It ends by itself where this fails.
        let _ = self.store.rollback(&self.token).await;
        self.open.store(false, Ordering::SeqCst);
    }

    /// Remembers a failure that asks for another run.
    fn noted<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error) = &result
            && may_succeed(error)
        {
            self.again.store(true, Ordering::SeqCst);
        }
        result
    }
}

impl Drop for Within {
    /// Whoever stops waiting in the middle, after a timeout say, leaves no locks for others to wait for.
    fn drop(&mut self) {
        if self.open.load(Ordering::SeqCst)
            && let Ok(runtime) = Handle::try_current()
        {
            let (store, token) = (Arc::clone(&self.store), self.token.clone());
            runtime.spawn(async move { store.rollback(&token).await });
        }
    }
}

fn over() -> StoreError {
    let reason = "the transaction is over: use its handle within the work only".to_owned();
    StoreError::Refused { reason }
}

#[async_trait]
impl Store for Within {
    async fn read(
        &self,
        paths: &[DocumentPath],
        mask: Option<&FieldMask>,
    ) -> Result<Vec<Option<Document>>, StoreError> {
        let mut documents = vec![None; paths.len()];
        let mut asked = Vec::new();
        {
            let kept = self.kept();
            let kept = kept.as_ref().ok_or_else(over)?;
            for (path, document) in paths.iter().zip(&mut documents) {
                match kept.of(path) {
                    Some(write) => *document = as_written(write, mask)?,
                    None => asked.push((path.clone(), document)),
                }
            }
        }
        if asked.is_empty() {
            return Ok(documents);
        }
        let (open, places): (Vec<_>, Vec<_>) = asked.into_iter().unzip();
        let found = self.noted(self.store.read_within(&self.token, &open, mask).await)?;
        if found.len() != open.len() {
            let reason = format!("{} answers for {} documents", found.len(), open.len());
            return Err(StoreError::UnexpectedAnswer { reason });
        }
        for (place, document) in places.into_iter().zip(found) {
            *place = document;
        }
        Ok(documents)
    }

    async fn commit(&self, writes: &[Write]) -> Result<Commit, StoreError> {
        self.keep(writes.to_vec()).await?;
        Ok(collection::kept(writes.len()))
    }

    async fn list(&self, _: &ListRequest) -> Result<ListPage, StoreError> {
        Err(StoreError::Unsupported { what: "listing within a transaction; query the collection" })
    }

    async fn query(
        &self,
        query: &Query,
        _: Option<&store::Transaction>,
    ) -> Result<BoxStream<'static, Result<Document, StoreError>>, StoreError> {
        self.unwritten()?;
        let documents = self.noted(self.store.query(query, Some(&self.token)).await)?;
        let again = Arc::clone(&self.again);
        let noted = move |error: &StoreError| {
            if may_succeed(error) {
                again.store(true, Ordering::SeqCst);
            }
        };
        Ok(documents.inspect_err(noted).boxed())
    }

    async fn aggregate(
        &self,
        query: &Query,
        over: &[Aggregation],
        _: Option<&store::Transaction>,
    ) -> Result<Vec<Value>, StoreError> {
        self.unwritten()?;
        self.noted(self.store.aggregate(query, over, Some(&self.token)).await)
    }
}

#[async_trait]
impl Later for Within {
    async fn keep(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        if self.read_only {
            let reason = "a snapshot only reads: write in a transaction".to_owned();
            return Err(StoreError::Refused { reason });
        }
        self.kept().as_mut().ok_or_else(over)?.add(writes)
    }

    fn shows_kept(&self) -> bool {
        true
    }
}

impl Within {
    /// Queries do not see what is kept, so they come first.
    fn unwritten(&self) -> Result<(), StoreError> {
        if self.kept().as_ref().ok_or_else(over)?.is_empty() {
            return Ok(());
        }
        let reason = "a transaction's queries come before its writes".to_owned();
        Err(StoreError::Refused { reason })
    }
}
