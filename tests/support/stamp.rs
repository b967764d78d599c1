//! A step that stamps documents, and a store around another that counts, freezes, changes in between and loses
//! answers.

#![allow(dead_code, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use fireseal::operations::{Counts, FailureKind, Outcome, Planned, Step, StepFailure};
use fireseal::store::{
    Aggregation, Commit, Document, FieldMask, Fields, From, ListPage, ListRequest, Query, Store, StoreError,
    Transaction, Value, ValueType, Write, WriteKind,
};
use fireseal::{CollectionPath, DocumentPath, Error, KeyError};
use futures::stream::BoxStream;

pub type DynStore = Arc<dyn Store>;

/// Sets `stamp` to its number where it is another. A document with a field `refused` fails.
#[derive(Default)]
pub struct Stamp {
    pub number: i64,
    /// How many calls there were, and the most documents of one.
    pub calls: AtomicUsize,
    pub most: AtomicUsize,
    /// The keys are away.
    pub away: AtomicBool,
    /// Bytes that the stamp carries along.
    pub ballast: usize,
}

impl Stamp {
    pub fn new(number: i64) -> Arc<Self> {
        Arc::new(Self { number, ..Self::default() })
    }
}

#[async_trait]
impl Step for Stamp {
    fn name(&self) -> &'static str {
        "stamp"
    }

    fn fingerprint(&self) -> [u8; 32] {
        [u8::try_from(self.number).unwrap(); 32]
    }

    async fn plan(&self, documents: Vec<Document>) -> Result<Vec<Outcome>, Error> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.most.fetch_max(documents.len(), Ordering::SeqCst);
        if self.away.load(Ordering::SeqCst) {
            return Err(KeyError::Unavailable { reason: "away".to_owned(), source: None }.into());
        }
        Ok(documents.into_iter().map(|document| self.outcome(document)).collect())
    }
}

impl Stamp {
    fn outcome(&self, document: Document) -> Outcome {
        let Document { path, fields, .. } = document;
        if fields.contains_key("refused") {
            return Outcome::Failed(StepFailure::of(path, FailureKind::Other, "it is refused"));
        }
        let mut counts = Counts::default();
        if fields.get("stamp") == Some(&integer(self.number)) {
            counts.opened = 1;
            return Outcome::Unchanged(counts);
        }
        counts.sealed = 1;
        let mut set = Fields::from([("stamp".to_owned(), integer(self.number))]);
        let mut mask = vec![vec!["stamp".to_owned()]];
        if self.ballast > 0 {
            set.insert("ballast".to_owned(), string(&"b".repeat(self.ballast)));
            mask.push(vec!["ballast".to_owned()]);
        }
        let write = Write::merge(path, set, FieldMask::new(mask));
        Outcome::Write(Planned { write, also: Vec::new(), counts })
    }
}

pub fn integer(number: i64) -> Value {
    Value { value_type: Some(ValueType::IntegerValue(number)) }
}

pub fn string(text: &str) -> Value {
    Value { value_type: Some(ValueType::StringValue(text.to_owned())) }
}

pub fn collection(path: &str) -> CollectionPath {
    CollectionPath::parse(path).unwrap()
}

pub fn customers() -> From {
    From::Collection(collection("customers"))
}

/// So many documents with names that sort as their numbers do.
pub async fn fill(store: &DynStore, count: usize) {
    for chunk in (0..count).collect::<Vec<_>>().chunks(400) {
        let writes = chunk.iter().map(|number| {
            let fields = Fields::from([("number".to_owned(), integer(i64::try_from(*number).unwrap()))]);
            Write::set(DocumentPath::parse(&format!("customers/c{number:05}")).unwrap(), fields)
        });
        store.commit(&writes.collect::<Vec<_>>()).await.unwrap();
    }
}

pub async fn all(store: &DynStore, from: From) -> Vec<Document> {
    use futures::TryStreamExt;
    store.query(&Query::new(from), None).await.unwrap().try_collect().await.unwrap()
}

/// How many documents have this stamp.
pub async fn stamped(store: &DynStore, number: i64) -> usize {
    let all = all(store, customers()).await;
    all.iter().filter(|document| document.fields.get("stamp") == Some(&integer(number))).count()
}

/// The beginning of a path, and an error.
pub type Fails = (&'static str, fn() -> StoreError);

/// A store around another.
#[derive(Clone)]
pub struct Around {
    inner: DynStore,
    pub state: Arc<State>,
}

#[derive(Default)]
pub struct State {
    /// How often each document was written through it.
    pub written: Mutex<BTreeMap<String, usize>>,
    /// Documents read through it, by reads and by queries.
    pub read: AtomicU64,
    pub queried: AtomicU64,
    /// The most documents of one commit.
    pub most: AtomicUsize,
    /// While it is set nothing is answered.
    pub frozen: AtomicBool,
    /// Every so many commits are applied and their answer lost; 0 for none.
    pub lose: AtomicUsize,
    pub commits: AtomicUsize,
    /// Every so many commits, one of the documents is changed just before; 0 for none.
    pub interleave: AtomicUsize,
    pub interleaved: AtomicUsize,
    /// The most documents of a page that is listed; 0 for as many as were asked for.
    pub page: AtomicUsize,
    /// A commit of a document whose path begins so is not applied, and fails so.
    pub fails: Mutex<Option<Fails>>,
    /// Names that split, if it has partitions.
    pub points: Mutex<Option<Vec<DocumentPath>>>,
}

impl Around {
    pub fn new(inner: &DynStore) -> Self {
        Self { inner: Arc::clone(inner), state: Arc::default() }
    }

    async fn thaw(&self) {
        // As any answer over a network: memory's come at once.
        tokio::task::yield_now().await;
        while self.state.frozen.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub fn freeze(&self, frozen: bool) {
        self.state.frozen.store(frozen, Ordering::SeqCst);
    }

    /// Of each number of writes, how many documents had it.
    pub fn histogram(&self) -> BTreeMap<usize, usize> {
        let mut histogram = BTreeMap::new();
        for count in self.state.written.lock().unwrap().values() {
            *histogram.entry(*count).or_default() += 1;
        }
        histogram
    }

    async fn change_before(&self, write: &Write) {
        let number = self.state.interleaved.fetch_add(1, Ordering::SeqCst);
        let fields = Fields::from([("theirs".to_owned(), integer(i64::try_from(number).unwrap()))]);
        let mask = FieldMask::new(vec![vec!["theirs".to_owned()]]);
        self.inner.commit(&[Write::merge(write.path.clone(), fields, mask)]).await.unwrap();
    }
}

#[async_trait]
impl Store for Around {
    async fn read(
        &self,
        paths: &[DocumentPath],
        mask: Option<&FieldMask>,
    ) -> Result<Vec<Option<Document>>, StoreError> {
        self.thaw().await;
        self.state.read.fetch_add(paths.len() as u64, Ordering::SeqCst);
        self.inner.read(paths, mask).await
    }

    async fn commit(&self, writes: &[Write]) -> Result<Commit, StoreError> {
        self.thaw().await;
        if let Some((path, error)) = *self.state.fails.lock().unwrap()
            && writes.iter().any(|write| write.path.as_str().starts_with(path))
        {
            return Err(error());
        }
        let every = |count: &AtomicUsize, number: usize| {
            let every = count.load(Ordering::SeqCst);
            every > 0 && number % every == every - 1
        };
        let number = self.state.commits.fetch_add(1, Ordering::SeqCst);
        if every(&self.state.interleave, number)
            && let Some(write) = writes.get(number % writes.len())
        {
            self.change_before(write).await;
        }
        let commit = self.inner.commit(writes).await?;
        self.state.most.fetch_max(writes.len(), Ordering::SeqCst);
        for write in writes {
            assert!(matches!(write.kind, WriteKind::Set { .. } | WriteKind::Delete));
            *self.state.written.lock().unwrap().entry(write.path.to_string()).or_default() += 1;
        }
        if every(&self.state.lose, number) {
            return Err(StoreError::Unavailable { reason: "lost".to_owned(), source: None });
        }
        Ok(commit)
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage, StoreError> {
        self.thaw().await;
        let mut request = request.clone();
        match u32::try_from(self.state.page.load(Ordering::SeqCst)).unwrap() {
            0 => {}
            most => request.page_size = request.page_size.min(most),
        }
        self.inner.list(&request).await
    }

    async fn query(
        &self,
        query: &Query,
        within: Option<&Transaction>,
    ) -> Result<BoxStream<'static, Result<Document, StoreError>>, StoreError> {
        use futures::StreamExt;
        self.thaw().await;
        let state = Arc::clone(&self.state);
        let found = self.inner.query(query, within).await?;
        Ok(found
            .inspect(move |_| {
                state.queried.fetch_add(1, Ordering::SeqCst);
            })
            .boxed())
    }

    async fn aggregate(
        &self,
        query: &Query,
        over: &[Aggregation],
        within: Option<&Transaction>,
    ) -> Result<Vec<Value>, StoreError> {
        if let Some(("count", error)) = *self.state.fails.lock().unwrap() {
            return Err(error());
        }
        self.inner.aggregate(query, over, within).await
    }

    async fn partitions(&self, from: &From, count: u32) -> Result<Vec<DocumentPath>, StoreError> {
        let points = self.state.points.lock().unwrap().clone();
        let mut points = points.ok_or(StoreError::Unsupported { what: "partitions" })?;
        points.truncate(count as usize);
        assert_eq!(*from, customers());
        Ok(points)
    }
}
