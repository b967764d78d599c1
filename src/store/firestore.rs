//! Cloud Firestore, through the client that the `firestore` crate generates.

mod asked;
mod listen;
mod partition;
mod query;
mod status;
mod structured;
mod transaction;
mod wire;

use std::fmt;
use std::future::Future;
use std::slice;
use std::time::Duration;

use ::firestore::gcloud_sdk::google::firestore::v1::{
    BatchGetDocumentsRequest, CommitRequest, CommitResponse, GetDocumentRequest, ListDocumentsRequest,
    batch_get_documents_request::ConsistencySelector, firestore_client::FirestoreClient,
};
use ::firestore::gcloud_sdk::prost::Message;
use ::firestore::gcloud_sdk::tonic::{Code, Request, Status};
use ::firestore::gcloud_sdk::{GoogleAuthMiddleware, RequestTimeouts};
use ::firestore::{FirestoreDb, FirestoreDbOptions};
use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use tokio::time::Instant;
use tracing::{Instrument, debug, debug_span};

use super::document::{Prepared, prepare};
use super::limits::MAX_REQUEST_BYTES;
use super::{
    Aggregation, Commit, Document, Explanation, FieldMask, From, ListPage, ListRequest, ListenEvent, Query,
    ResumeToken, Store, StoreError, Target, Transaction, TransactionMode, Value, Write, WriteKind,
};
use crate::bytes::DocumentPath;
use asked::{Answers, Asked};
use status::{
    commit_error, commit_may_succeed, deadline_error, read_error, read_may_succeed, read_within_error,
    transaction_error,
};
use wire::{Names, read_mask};

/// How long a call may take unless [`FirestoreStore::with_deadline`] says otherwise: 30 seconds.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(30);

/// How often a call is tried at most, the first time included.
const ATTEMPTS: u32 = 5;

/// The pause before the second attempt, doubled for each one after.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// How long a listener may be told nothing unless [`FirestoreStore::with_idle_limit`] says otherwise.
const DEFAULT_IDLE_LIMIT: Duration = Duration::from_secs(300);

/// How many documents one request reads, and how many such requests run at once.
const DOCUMENTS_PER_REQUEST: usize = 300;
const REQUESTS_AT_ONCE: usize = 4;

/// The largest message that is taken from the server: a page of large documents.
const MAX_ANSWER_BYTES: usize = 128 * 1_048_576;

/// Documents in Cloud Firestore or its emulator.
///
/// Every call has a deadline, 30 seconds unless [`with_deadline`](Self::with_deadline) says
/// otherwise. A read that fails for a passing reason is sent again, at most four times with
/// growing pauses. A commit is sent again only when the server has aborted it because of
/// contention, which means that nothing was applied: after a lost answer it might be applied twice.
///
/// A large [`read`](Store::read) travels as several requests of 300 documents, each a consistent
/// snapshot of its own; in a transaction they are one.
///
/// A listener notices a dead connection in two ways: the client pings the server once a minute and
/// gives up a minute later, and a listener that has been told nothing at all for five minutes ends
/// with an error too, so that a path which answers pings but has lost the call is left as well.
/// Listening again with the resume token costs little.
#[derive(Clone)]
pub struct FirestoreStore {
    db: FirestoreDb,
    names: Names,
    deadline: Duration,
    idle_limit: Duration,
}

impl FirestoreStore {
    /// The documents of this database, which fireseal shares with the rest of the program.
    #[must_use]
    pub fn new(db: FirestoreDb) -> Self {
        let names = Names { root: db.get_documents_path().clone() };
        Self { db, names, deadline: DEFAULT_DEADLINE, idle_limit: DEFAULT_IDLE_LIMIT }
    }

    /// Connects to the default database of a project, as [`FirestoreDb::new`] does: to the
    /// emulator that `FIRESTORE_EMULATOR_HOST` names, or to Google with the application default
    /// credentials. Takes at most 30 seconds.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] without credentials or a connection, [`StoreError::Deadline`].
    pub async fn connect(project_id: &str) -> Result<Self, StoreError> {
        Self::connect_to(project_id, "(default)").await
    }

    /// Connects to a database of a project by its id, as [`connect`](Self::connect) does.
    ///
    /// # Errors
    /// As for [`connect`](Self::connect).
    pub async fn connect_to(project_id: &str, database_id: &str) -> Result<Self, StoreError> {
        let options = FirestoreDbOptions::new(project_id.to_owned()).with_database_id(database_id.to_owned());
        match tokio::time::timeout(DEFAULT_DEADLINE, FirestoreDb::with_options(options)).await {
            Ok(Ok(db)) => Ok(Self::new(db)),
            Ok(Err(error)) => {
                Err(StoreError::Unavailable { reason: error.to_string(), source: Some(Box::new(error)) })
            }
            Err(_) => Err(deadline_error(DEFAULT_DEADLINE)),
        }
    }

    /// The same store with another deadline for each whole call: all attempts, the pauses between
    /// them, and the answer's body.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// The same store with another limit, five minutes at first, after which a listener that has
    /// been told nothing ends with an error. Firestore itself says something much more often.
    #[must_use]
    pub fn with_idle_limit(self, idle_limit: Duration) -> Self {
        Self { idle_limit, ..self }
    }

    /// The database underneath.
    #[must_use]
    pub fn database(&self) -> &FirestoreDb {
        &self.db
    }

    fn client(&self) -> FirestoreClient<GoogleAuthMiddleware> {
        self.db.client().get().max_decoding_message_size(MAX_ANSWER_BYTES)
    }

    /// Runs a whole call within the deadline.
    async fn within<T>(&self, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        match tokio::time::timeout(self.deadline, call).await {
            Ok(answer) => answer,
            Err(_) => Err(deadline_error(self.deadline)),
        }
    }

    /// Sends a request until it succeeds, fails for good, or has been tried often enough. The
    /// server is told how much time is left. The message is made for each attempt.
    async fn attempts<M, T, F: Future<Output = Result<T, Status>>>(
        &self,
        mut message: impl FnMut() -> M,
        again: fn(&Status) -> bool,
        send: impl Fn(FirestoreClient<GoogleAuthMiddleware>, Request<M>) -> F,
    ) -> Result<T, Status> {
        let started = Instant::now();
        let mut attempt = 1;
        loop {
            let mut request = Request::new(message());
            let left = self.deadline.saturating_sub(started.elapsed());
            request.extensions_mut().insert(RequestTimeouts::new().with_total(left));
            match send(self.client(), request).await {
                Err(status) if attempt < ATTEMPTS && again(&status) => {
                    debug!(attempt, code = ?status.code(), "asking the database again");
                    tokio::time::sleep(pause(attempt)).await;
                    attempt += 1;
                }
                answer => return answer,
            }
        }
    }

    /// Reads those documents of one request that stand from `first` on. Every name is answered exactly
    /// once, and no other.
    async fn read_chunk(
        &self,
        asked: &Asked<'_>,
        first: usize,
        mask: Option<&FieldMask>,
        within: Option<&Transaction>,
    ) -> Result<Vec<Option<Document>>, StoreError> {
        let paths = asked.chunk(first);
        let request = BatchGetDocumentsRequest {
            database: self.db.get_database_path().clone(),
            documents: paths.iter().map(|path| self.names.full(path)).collect(),
            mask: mask.map(read_mask),
            consistency_selector: within.map(|within| ConsistencySelector::Transaction(within.0.clone())),
            ..Default::default()
        };
        // A transaction in which a read failed is over.
        let again = if within.is_some() { |_: &_| false } else { read_may_succeed };
        let read = self
            .attempts(copies(request), again, |mut client, request| async move {
                let mut stream = client.batch_get_documents(request).await?.into_inner();
                let mut answers = Answers::new(asked, first);
                while let Some(message) = stream.try_next().await? {
                    if let Some(answer) = message.result
                        && let Err(unexpected) = answers.take(answer, &self.names)
                    {
                        return Ok(Err(unexpected));
                    }
                }
                Ok(answers.complete())
            })
            .await;
        read.map_err(|status| read_within_error(status, within, self.deadline))?
    }

    /// Reads one document with the plain call, which costs less than the streaming one.
    async fn read_one(
        &self,
        path: &DocumentPath,
        mask: Option<&FieldMask>,
    ) -> Result<Option<Document>, StoreError> {
        let name = self.names.full(path);
        let request =
            GetDocumentRequest { name: name.clone(), mask: mask.map(read_mask), ..Default::default() };
        let answer = self
            .attempts(copies(request), read_may_succeed, |mut client, request| async move {
                Ok(client.get_document(request).await?.into_inner())
            })
            .await;
        match answer {
            Ok(document) => {
                let document = self.names.document(document)?;
                if document.path != *path {
                    let reason = format!("{} was not asked for", document.path);
                    return Err(StoreError::UnexpectedAnswer { reason });
                }
                Ok(Some(document))
            }
            // Missing is the document that the message names, or else perhaps the database: in the answer
            // of the streaming call the two are told apart.
            Err(status) if status.code() == Code::NotFound => {
                if status.message().contains(&name) {
                    return Ok(None);
                }
                let read = self.read_chunk(&Asked::new(slice::from_ref(path)), 0, mask, None).await?;
                Ok(read.into_iter().next().flatten())
            }
            Err(status) => Err(read_error(status, self.deadline)),
        }
    }

    /// Reads documents in as many requests as it takes.
    async fn read_all(
        &self,
        paths: &[DocumentPath],
        mask: Option<&FieldMask>,
        within: Option<&Transaction>,
    ) -> Result<Vec<Option<Document>>, StoreError> {
        if let Some(mask) = mask {
            mask.check()?;
        }
        let span = debug_span!("firestore", operation = "read", documents = paths.len());
        if let ([path], None) = (paths, within) {
            return Ok(vec![self.within(self.read_one(path, mask)).instrument(span).await?]);
        }
        let asked = Asked::new(paths);
        let chunks: Vec<_> = (0..asked.paths.len())
            .step_by(DOCUMENTS_PER_REQUEST)
            .map(|first| self.read_chunk(&asked, first, mask, within))
            .collect();
        let call = stream::iter(chunks).buffered(REQUESTS_AT_ONCE).try_concat();
        let found = self.within(call).instrument(span).await?;
        if asked.paths.len() == paths.len() {
            return Ok(found);
        }
        let place = |path| asked.place(path).and_then(|place| found.get(place).cloned().flatten());
        Ok(paths.iter().map(place).collect())
    }

    async fn send_commit(
        &self,
        writes: &[Write],
        within: Option<&Transaction>,
    ) -> Result<Commit, StoreError> {
        let prepared = prepare(writes)?;
        if writes.is_empty() && within.is_none() {
            return Ok(Commit { commit_time: None, update_times: Vec::new() });
        }
        let message = |prepared: Vec<Prepared<'_>>| CommitRequest {
            database: self.db.get_database_path().clone(),
            writes: prepared.into_iter().map(|prepared| self.names.write(prepared)).collect(),
            transaction: within.map(|within| within.0.clone()).unwrap_or_default(),
            ..Default::default()
        };
        let first = message(prepared);
        let size = first.encoded_len();
        if size > MAX_REQUEST_BYTES {
            let reason = format!(
                "the commit takes {size} bytes; Firestore takes at most {MAX_REQUEST_BYTES} at once: split it"
            );
            return Err(StoreError::Refused { reason });
        }
        let mut first = Some(first);
        let again = || message(prepare(writes).expect("the same writes as before"));
        // A transaction that was aborted is over: its reads have to be done again too.
        let may_succeed = if within.is_some() { |_: &_| false } else { commit_may_succeed };
        let CommitResponse { write_results, commit_time } = self
            .attempts(
                || first.take().unwrap_or_else(again),
                may_succeed,
                |mut client, request| async move { Ok(client.commit(request).await?.into_inner()) },
            )
            .await
            .map_err(|status| match within.and_then(|_| transaction_error(&status)) {
                Some(error) => error,
                None => commit_error(status, writes, self.deadline),
            })?;
        if write_results.len() != writes.len() {
            let reason = format!("{} results for {} writes", write_results.len(), writes.len());
            return Err(StoreError::UnexpectedAnswer { reason });
        }
        let update_times = writes
            .iter()
            .zip(write_results)
            .map(|(write, result)| match write.kind {
                WriteKind::Delete => None,
                WriteKind::Set { .. } => result.update_time,
            })
            .collect();
        Ok(Commit { commit_time, update_times })
    }

    async fn list_page(&self, request: &ListRequest) -> Result<ListPage, StoreError> {
        let token = request.check()?;
        let message = ListDocumentsRequest {
            parent: match request.collection.parent() {
                Some(document) => self.names.full(&document),
                None => self.names.root.clone(),
            },
            collection_id: request.collection.id().to_owned(),
            page_size: i32::try_from(request.page_size).unwrap_or(i32::MAX),
            page_token: token.unwrap_or_default().to_owned(),
            mask: request.mask.as_ref().map(read_mask),
            ..Default::default()
        };
        let page = self
            .attempts(copies(message), read_may_succeed, |mut client, message| async move {
                Ok(client.list_documents(message).await?.into_inner())
            })
            .await
            .map_err(|status| read_error(status, self.deadline))?;
        let mut documents = Vec::with_capacity(page.documents.len());
        for document in page.documents {
            let document = self.names.document(document)?;
            if document.path.parent() != request.collection {
                let reason = format!("{} is no document of {}", document.path, request.collection);
                return Err(StoreError::UnexpectedAnswer { reason });
            }
            documents.push(document);
        }
        let next = page.next_page_token;
        let next_page_token = (!next.is_empty()).then(|| request.token(&next));
        Ok(ListPage { documents, next_page_token })
    }
}

impl fmt::Debug for FirestoreStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FirestoreStore")
            .field("documents", &self.names.root)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// A small message for each attempt.
fn copies<M: Clone>(message: M) -> impl FnMut() -> M {
    move || message.clone()
}

/// The pause after this attempt: doubled each time, and shortened at random by up to half so that
/// many clients do not come back at once.
fn pause(attempt: u32) -> Duration {
    let longest = FIRST_PAUSE * 2_u32.pow(attempt.saturating_sub(1).min(5));
    let random = getrandom::u32().unwrap_or(u32::MAX);
    longest / 2 + (longest / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
}

#[async_trait]
impl Store for FirestoreStore {
    async fn read(
        &self,
        paths: &[DocumentPath],
        mask: Option<&FieldMask>,
    ) -> Result<Vec<Option<Document>>, StoreError> {
        self.read_all(paths, mask, None).await
    }

    async fn commit(&self, writes: &[Write]) -> Result<Commit, StoreError> {
        let span = debug_span!("firestore", operation = "commit", writes = writes.len());
        self.within(self.send_commit(writes, None)).instrument(span).await
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage, StoreError> {
        let span = debug_span!("firestore", operation = "list", documents = request.page_size);
        self.within(self.list_page(request)).instrument(span).await
    }

    async fn query(
        &self,
        query: &Query,
        within: Option<&Transaction>,
    ) -> Result<BoxStream<'static, Result<Document, StoreError>>, StoreError> {
        self.run_query(query, within)
    }

    async fn aggregate(
        &self,
        query: &Query,
        over: &[Aggregation],
        within: Option<&Transaction>,
    ) -> Result<Vec<Value>, StoreError> {
        let span = debug_span!("firestore", operation = "aggregate", aggregations = over.len());
        self.within(self.run_aggregation(query, over, within)).instrument(span).await
    }

    async fn partitions(&self, from: &From, count: u32) -> Result<Vec<DocumentPath>, StoreError> {
        let span = debug_span!("firestore", operation = "partitions", count);
        self.within(self.run_partition(from, count)).instrument(span).await
    }

    async fn explain(&self, query: &Query) -> Result<Explanation, StoreError> {
        let span = debug_span!("firestore", operation = "explain");
        self.within(self.run_explain(query)).instrument(span).await
    }

    async fn begin(&self, mode: &TransactionMode) -> Result<Transaction, StoreError> {
        let span = debug_span!("firestore", operation = "begin");
        self.within(self.send_begin(mode)).instrument(span).await
    }

    async fn read_within(
        &self,
        transaction: &Transaction,
        paths: &[DocumentPath],
        mask: Option<&FieldMask>,
    ) -> Result<Vec<Option<Document>>, StoreError> {
        self.read_all(paths, mask, Some(transaction)).await
    }

    async fn commit_within(&self, transaction: &Transaction, writes: &[Write]) -> Result<Commit, StoreError> {
        let span = debug_span!("firestore", operation = "commit_within", writes = writes.len());
        self.within(self.send_commit(writes, Some(transaction))).instrument(span).await
    }

    async fn rollback(&self, transaction: &Transaction) -> Result<(), StoreError> {
        let span = debug_span!("firestore", operation = "rollback");
        self.within(self.send_rollback(transaction)).instrument(span).await
    }

    async fn listen(
        &self,
        target: &Target,
        resume: Option<ResumeToken>,
    ) -> Result<BoxStream<'static, Result<ListenEvent, StoreError>>, StoreError> {
        let span = debug_span!("firestore", operation = "listen");
        self.within(self.open_listener(target, resume)).instrument(span).await
    }
}
