//! A watch that runs: what the database says becomes what was added, modified or removed.

use std::collections::VecDeque;

use tokio::time::{sleep, timeout_at};

use super::again::Again;
use super::batch::Batch;
use super::connection::{Connection, Heard, pause};
use super::{Shared, Source, WatchEvent};
use crate::error::Error;
use crate::store::{Document, ListenEvent};

type Item<V> = Result<WatchEvent<V>, Error>;

pub(super) struct Run<V> {
    source: Box<dyn Source<Value = V>>,
    connection: Connection,
    batch: Batch,
    /// How often the keys for the batch could not be had.
    failures: u32,
    again: Again,
    told: Shared,
    /// What is to be told. It is filled and first told of without waiting in between, so that between polls
    /// either it has items or `told` is what was told.
    items: VecDeque<Item<V>>,
    over: bool,
}

impl<V: Send + 'static> Run<V> {
    pub(super) fn new(source: impl Source<Value = V>, told: Shared) -> Self {
        Self {
            source: Box::new(source),
            connection: Connection::default(),
            batch: Batch::default(),
            failures: 0,
            again: Again::default(),
            told,
            items: VecDeque::new(),
            over: false,
        }
    }

    pub(super) async fn next(&mut self) -> Option<Item<V>> {
        loop {
            if let Some(item) = self.items.pop_front() {
                self.told.lock().settled = matches!(item, Ok(WatchEvent::Current));
                return Some(item);
            }
            if self.over {
                return None;
            }
            let gathered = match self.again.at() {
                None => Some(self.gather().await),
                Some(at) => timeout_at(at, self.gather()).await.ok(),
            };
            let told = match gathered {
                None => self.tell_again().await,
                Some(Ok(())) => self.tell().await,
                Some(Err(error)) => {
                    self.over = true;
                    return Some(Err(error));
                }
            };
            if let Err(error) = told {
                self.failures += 1;
                return Some(Err(error));
            }
        }
    }

    /// Fills the batch.
    ///
    /// # Errors
    /// The database refuses for good.
    async fn gather(&mut self) -> Result<(), Error> {
        while !self.batch.is_complete() {
            match self.connection.next(&*self.source, &self.told).await? {
                Heard::Event(ListenEvent::Changed(document)) => {
                    self.batch.put(document.path.clone(), Some(document));
                }
                Heard::Event(ListenEvent::Removed { path, .. }) => self.batch.put(path, None),
                Heard::Event(ListenEvent::Current { resume, .. }) => self.batch.current = Some(resume),
                Heard::Event(ListenEvent::Reset) => {
                    self.batch = Batch::default();
                    self.told.lock().reset();
                }
                Heard::Broken => self.batch = Batch::default(),
            }
        }
        Ok(())
    }

    /// Opens the batch and tells it.
    ///
    /// # Errors
    /// The keys cannot be had. The batch stays.
    async fn tell(&mut self) -> Result<(), Error> {
        let news: Vec<Document> = {
            let told = self.told.lock();
            let documents = self.batch.changes.iter().filter_map(|(_, document)| document.as_ref());
            documents.filter(|document| told.is_news(document)).cloned().collect()
        };
        if self.failures > 0 {
            sleep(pause(self.failures)).await;
        }
        let read = if news.is_empty() {
            Vec::new()
        } else {
            self.source.read(news, self.connection.check()).await?
        };
        self.failures = 0;
        let batch = std::mem::take(&mut self.batch);
        let mut told = self.told.lock();
        let mut read = read.into_iter();
        for (path, document) in batch.changes {
            let item = match document {
                None => told.remove(&path).then_some(Ok(WatchEvent::Removed { path })),
                Some(document) if !told.is_news(&document) => {
                    told.confirm(&path);
                    None
                }
                Some(document) => match read.next() {
                    Some(Ok(Some(stored))) => Some(Ok(if told.put(&document, true) {
                        WatchEvent::Modified(stored)
                    } else {
                        WatchEvent::Added(stored)
                    })),
                    Some(Err(error)) => {
                        told.put(&document, false);
                        self.again.put(document, &error);
                        Some(Err(error))
                    }
                    Some(Ok(None)) | None => told.remove(&path).then_some(Ok(WatchEvent::Removed { path })),
                },
            };
            self.items.extend(item);
        }
        if let Some(resume) = &batch.current {
            self.items.extend(told.sweep().into_iter().map(|path| Ok(WatchEvent::Removed { path })));
            told.resume = resume.clone().map(|token| (token, self.connection.digest()));
        }
        told.unsettled |= !self.items.is_empty();
        if batch.current.is_some() && std::mem::take(&mut told.unsettled) {
            self.items.push_back(Ok(WatchEvent::Current));
        }
        Ok(())
    }

    /// Opens what named keys that were unknown, and tells what has become of it.
    ///
    /// # Errors
    /// The keys cannot be had.
    async fn tell_again(&mut self) -> Result<(), Error> {
        let waiting = {
            let told = self.told.lock();
            self.again.take(|document| told.is_unopened(document))
        };
        if waiting.is_empty() {
            return Ok(());
        }
        let documents = waiting.iter().map(|(document, _)| document.clone()).collect();
        let read = match self.source.read(documents, self.connection.check()).await {
            Ok(read) => read,
            Err(error) => {
                waiting.into_iter().for_each(|(document, tries)| self.again.put_back(document, tries));
                return Err(error);
            }
        };
        let mut told = self.told.lock();
        for ((document, tries), read) in waiting.into_iter().zip(read) {
            self.items.extend(
                match read {
                    Ok(Some(stored)) if told.put(&document, true) => Some(WatchEvent::Modified(stored)),
                    Ok(Some(stored)) => Some(WatchEvent::Added(stored)),
                    Ok(None) => {
                        told.remove(&document.path).then_some(WatchEvent::Removed { path: document.path })
                    }
                    Err(_) => {
                        self.again.put_back(document, tries);
                        None
                    }
                }
                .map(Ok),
            );
        }
        // What is being gathered ends with a consistent state of its own.
        told.unsettled |= !self.items.is_empty();
        if self.batch.changes.is_empty() && !told.is_stale() && std::mem::take(&mut told.unsettled) {
            self.items.push_back(Ok(WatchEvent::Current));
        }
        Ok(())
    }
}
