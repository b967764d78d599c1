//! A consumer of a watch: what it was told, in words and as the view that it keeps.

#![allow(dead_code)]

use std::collections::BTreeMap;
use std::time::Duration;

use fireseal::{Error, OpenError, Stored, Watch, WatchEvent};
use futures::StreamExt;

/// The longest wait for one item.
const PATIENCE: Duration = Duration::from_secs(30);

pub async fn next<V: Send + 'static>(watch: &mut Watch<V>) -> Option<Result<WatchEvent<V>, Error>> {
    tokio::time::timeout(PATIENCE, watch.next()).await.expect("the watch tells something in time")
}

/// `+id` for added, `~id` for modified, `-id` for removed, `!id` for one that does not open.
pub fn word<V>(item: &Result<WatchEvent<V>, Error>) -> String {
    match item {
        Ok(WatchEvent::Added(stored)) => format!("+{}", stored.id()),
        Ok(WatchEvent::Modified(stored)) => format!("~{}", stored.id()),
        Ok(WatchEvent::Removed { path }) => format!("-{}", path.id()),
        Ok(WatchEvent::Current) => "current".to_owned(),
        Err(Error::Open(OpenError::Fields { location, .. })) => format!("!{}", location.document().id()),
        Err(Error::OtherType { document, .. } | Error::OtherDocument { answered: document, .. }) => {
            format!("!{}", document.id())
        }
        Err(error) => panic!("{error}"),
    }
}

/// What is told up to the next consistent state, sorted.
pub async fn told<V: Send + 'static>(watch: &mut Watch<V>) -> Vec<String> {
    let mut told = Vec::new();
    loop {
        match word(&next(watch).await.expect("a watch has no end")) {
            word if word == "current" => break,
            word => told.push(word),
        }
    }
    told.sort();
    told
}

/// A view as a program keeps it, and how much it was told.
pub struct View<V> {
    pub documents: BTreeMap<String, Stored<V>>,
    pub told: BTreeMap<&'static str, usize>,
}

impl<V> Default for View<V> {
    fn default() -> Self {
        Self { documents: BTreeMap::new(), told: BTreeMap::new() }
    }
}

impl<V> View<V> {
    /// Takes an item. Nothing is added twice, and nothing changed or removed that is not there; no version
    /// comes twice or after a later one.
    pub fn take(&mut self, item: Result<WatchEvent<V>, Error>) {
        let version =
            |stored: &Stored<V>| stored.update_time().map(|time| (time.seconds, time.nanos)).unwrap();
        let kind = match item.unwrap() {
            WatchEvent::Added(stored) => {
                let before = self.documents.insert(stored.id().to_owned(), stored);
                assert!(before.is_none(), "added twice");
                "added"
            }
            WatchEvent::Modified(stored) => {
                let new = version(&stored);
                let before =
                    self.documents.insert(stored.id().to_owned(), stored).expect("modified, not added");
                assert!(version(&before) < new, "an old version after a newer one, or one twice");
                "modified"
            }
            WatchEvent::Removed { path } => {
                self.documents.remove(path.id()).expect("removed, not added");
                "removed"
            }
            WatchEvent::Current => "current",
        };
        *self.told.entry(kind).or_default() += 1;
    }
}
