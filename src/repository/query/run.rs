//! A query that runs: documents are read, checked and counted, in chunks, in their order.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use futures::stream::{BoxStream, Stream, StreamExt, unfold};

use super::documents::documents;
use super::reader::Reader;
use crate::error::Error;
use crate::query::{Node, Plan};
use crate::repository::stored::Stored;
use crate::store::{Cursor, Document, From, Order, Store, StoreError};

/// How many documents are opened together, with one question for their keys.
const CHUNK: u32 = 100;

/// How many documents were read, and how many of them were not wanted.
#[derive(Default)]
pub(super) struct Tally {
    read: AtomicU64,
    rejected: AtomicU64,
}

/// A document of the result, or why it is not here, and where it stands in the order.
pub(super) struct Answer<I> {
    pub(super) item: Result<I, Error>,
    pub(super) after: Option<Cursor>,
}

/// A plan on its way.
pub(super) struct Run<R> {
    documents: BoxStream<'static, Result<Document, StoreError>>,
    reader: R,
    from: From,
    check: Option<Node>,
    order: Vec<Order>,
    skip: u32,
    left: Option<u32>,
    over: bool,
    pub(super) tally: Arc<Tally>,
}

impl<R: Reader> Run<R> {
    pub(super) fn new(store: &Arc<dyn Store>, from: &From, plan: Plan, reader: R) -> Self {
        Self {
            documents: documents(store, &plan),
            reader,
            from: from.clone(),
            over: plan.queries.is_empty(),
            check: plan.check,
            order: plan.order,
            skip: plan.offset,
            left: plan.limit,
            tally: Arc::default(),
        }
    }

    /// The next answers; `None` at the end. What keeps all others away is the last.
    pub(super) async fn next(&mut self) -> Option<Vec<Answer<R::Item>>> {
        while !self.over && self.left != Some(0) {
            let wanted = self.left.map_or(CHUNK, |left| left.saturating_add(self.skip).min(CHUNK));
            let mut documents = Vec::new();
            let mut failed = None;
            for _ in 0..wanted {
                match self.documents.next().await {
                    Some(Ok(document)) => documents.push(document),
                    end => {
                        failed = end.and_then(Result::err).map(Error::from);
                        self.over = true;
                        break;
                    }
                }
            }
            let mut answers = match self.read(documents).await {
                Ok(answers) => answers,
                Err(error) => {
                    self.over = true;
                    return Some(vec![Answer { item: Err(error), after: None }]);
                }
            };
            answers.extend(failed.map(|error| Answer { item: Err(error), after: None }));
            if !answers.is_empty() {
                return Some(answers);
            }
        }
        None
    }

    async fn read(&mut self, documents: Vec<Document>) -> Result<Vec<Answer<R::Item>>, Error> {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        self.tally.read.fetch_add(count(documents.len()), Ordering::Relaxed);
        let places: Vec<_> = documents.iter().map(|document| Cursor::after(document, &self.order)).collect();
        let read = self.reader.read(documents, &self.from, self.check.as_ref()).await?;
        let all = read.len();
        let mut answers: Vec<_> = read
            .into_iter()
            .zip(places)
            .filter_map(|(item, after)| Some(Answer { item: item.transpose()?, after }))
            .collect();
        self.tally.rejected.fetch_add(count(all - answers.len()), Ordering::Relaxed);
        // What does not open is told, never skipped: whether it belongs to the result may be unknown.
        answers.retain(|answer| {
            let skipped = self.skip > 0 && answer.item.is_ok();
            self.skip -= u32::from(skipped);
            !skipped
        });
        if let Some(left) = &mut self.left {
            answers.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= u32::try_from(answers.len()).unwrap_or(*left);
        }
        Ok(answers)
    }

    /// All answers, one after another.
    pub(super) fn answers(self) -> BoxStream<'static, Answer<R::Item>> {
        unfold(self, |mut run| async move { run.next().await.map(|answers| (answers, run)) })
            .flat_map(futures::stream::iter)
            .boxed()
    }
}

/// The documents of a query, one after another.
///
/// A document that does not open is an error at its place, and the stream goes on; where the database or
/// the keys cannot be had, it ends with that error.
#[must_use = "a stream does nothing until it is polled"]
pub struct QueryStream<V> {
    items: BoxStream<'static, Result<V, Error>>,
    tally: Arc<Tally>,
}

impl<V: Send + 'static> QueryStream<V> {
    pub(super) fn new<R: Reader>(
        run: Run<R>,
        reversed: bool,
        map: impl Fn(R::Item) -> V + Send + 'static,
    ) -> Self {
        let tally = Arc::clone(&run.tally);
        let items = run.answers().map(move |answer| answer.item.map(&map));
        if !reversed {
            return Self { items: items.boxed(), tally };
        }
        let all = async move { futures::stream::iter(items.collect::<Vec<_>>().await.into_iter().rev()) };
        Self { items: futures::stream::once(all).flatten().boxed(), tally }
    }

    /// How many documents the database has sent so far; each is charged as a read.
    #[must_use]
    pub fn documents_read(&self) -> u64 {
        self.tally.read.load(Ordering::Relaxed)
    }

    /// How many of them were read for nothing: they did not fulfil the condition when it was checked on
    /// their opened values.
    #[must_use]
    pub fn documents_rejected(&self) -> u64 {
        self.tally.rejected.load(Ordering::Relaxed)
    }
}

impl<V> Stream for QueryStream<V> {
    type Item = Result<V, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.items.poll_next_unpin(context)
    }
}

/// One page of a query.
#[derive(Debug)]
pub struct QueryPage<V> {
    /// The documents, in the query's order. One that does not open is an error at its place.
    pub documents: Vec<Result<Stored<V>, Error>>,
    /// Where the next page begins; `None` at the end. It holds the last document's values of the order's
    /// fields, which are clear ones, and its path.
    pub next_page_token: Option<String>,
    /// How many documents the database has sent for the page.
    pub documents_read: u64,
}

impl Tally {
    pub(super) fn documents_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }
}
