//! Watching: what is there, opened, and from then on what changes, across broken connections.

mod again;
mod batch;
mod checkpoint;
mod connection;
mod run;
mod told;

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use async_trait::async_trait;
use futures::stream::{BoxStream, Stream, StreamExt, unfold};

pub use checkpoint::{Checkpoint, NotACheckpoint};
use run::Run;
use told::Told;

use super::keyed::Repository;
use super::keyless::SealedRepository;
use super::stored::Stored;
use crate::bytes::DocumentPath;
use crate::error::Error;
use crate::query::{Node, Queryable};
use crate::seal::Document;
use crate::store::{Document as RawDocument, Store, Target};

/// One thing that a [`Watch`] tells.
#[derive(Debug, Clone)]
pub enum WatchEvent<V> {
    /// A document that was not there before, as far as was told: at first every one that there is.
    Added(Stored<V>),
    /// A document that was told before has changed.
    Modified(Stored<V>),
    /// A document that was told before, or an error of it, is gone or fulfils the condition no longer.
    Removed {
        /// Where it stood.
        path: DocumentPath,
    },
    /// Everything up to here has been told: what was told so far, taken together, is the result as it was
    /// at one moment. It comes once all has been told at first, then after each group of changes.
    Current,
}

/// What a watch tells, as a stream that reads as it is polled and has no end of its own.
///
/// A document that does not open is an error at its place, and the stream goes on; one whose key was unknown is
/// tried again for half a minute, since the key may be newer than the ring at hand. Where keys cannot be had, that is an error, the changes are kept, and the next poll tries again after a pause. A broken
/// connection is made again, with growing pauses of up to half a minute; no change is missed for it, and
/// none is told twice. Where the database refuses for good, its error is the last item.
///
/// Several changes of one document in short order may be told as one. Documents come in no order.
/// For each document of the result, its path and its update time stay in memory, about 150 bytes; of the
/// documents themselves, 100 at most. Who polls slowly is told later, and holds back the database's sending;
/// nothing piles up here.
#[must_use = "a watch does nothing until it is polled"]
pub struct Watch<V> {
    items: BoxStream<'static, Result<WatchEvent<V>, Error>>,
    told: Shared,
}

/// What was told, in the hands of the stream; taken for moments only, never while waiting.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Told>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V: Send + 'static> Watch<V> {
    pub(in crate::repository) fn new(source: impl Source<Value = V>) -> Self {
        let told = Shared::default();
        let run = Run::new(source, told.clone());
        let items = unfold(run, |mut run| async move { run.next().await.map(|item| (item, run)) }).boxed();
        Self { items, told }
    }

    /// Goes on where a watch of the same documents was, in this process or one before: only what changed
    /// since is told. To be called before the first item.
    pub fn resume_from(self, checkpoint: Checkpoint) -> Self {
        *self.told.lock() = checkpoint.into();
        self
    }

    /// Where the watch is, for another one to go on from; `None` unless the last item was
    /// [`Current`](WatchEvent::Current). It grows with the result: about 40 bytes and the path for each
    /// document.
    #[must_use]
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        Checkpoint::of(&self.told.lock())
    }
}

impl<V> Stream for Watch<V> {
    type Item = Result<WatchEvent<V>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.items.poll_next_unpin(context)
    }
}

impl<V> fmt::Debug for Watch<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

/// What is watched.
#[async_trait]
pub(in crate::repository) trait Source: Send + Sync + 'static {
    type Value: Send + 'static;

    fn store(&self) -> &Arc<dyn Store>;

    /// What the database is to tell of.
    async fn plan(&self) -> Result<Plan, Error>;

    /// Whether the plan is made of keys, which change.
    fn depends_on_keys(&self) -> bool;

    /// Documents, opened: `None` for one that does not fulfil the condition.
    ///
    /// # Errors
    /// The keys cannot be had; what is wrong with one document stands at its place.
    async fn read(
        &self,
        documents: Vec<RawDocument>,
        check: Option<&Node>,
    ) -> Result<Vec<Result<Option<Stored<Self::Value>>, Error>>, Error>;
}

/// What the database is to tell of, and what is checked here.
pub(in crate::repository) struct Plan {
    /// `None` where nothing can ever be in the result.
    pub(in crate::repository) target: Option<Target>,
    pub(in crate::repository) check: Option<Node>,
}

impl<T: Document + Queryable + Send + Sync + 'static> Repository<T> {
    /// Tells of one document: added if it is there, and from then on what becomes of it.
    ///
    /// # Errors
    /// An id that Firestore does not take; all else stands in the stream.
    pub fn watch(&self, id: &str) -> Result<Watch<T>, Error> {
        Ok(self.query().watch_document(self.collection.path().document(id)?))
    }

    /// Tells of all documents of the collection, and from then on what changes.
    pub fn watch_all(&self) -> Watch<T> {
        self.query().watch_result()
    }
}

impl<T: Document + Queryable + Send + Sync + 'static> SealedRepository<T> {
    /// Tells of one document: added if it is there, and from then on what becomes of it.
    ///
    /// # Errors
    /// An id that Firestore does not take; all else stands in the stream.
    pub fn watch(&self, id: &str) -> Result<Watch<T::Sealed>, Error> {
        Ok(self.query().watch_document(self.collection.path().document(id)?))
    }

    /// Tells of all documents of the collection, and from then on what changes.
    pub fn watch_all(&self) -> Watch<T::Sealed> {
        self.query().watch_result()
    }
}
