//! Listening in memory: after each commit, what there is now against what was told.

use std::collections::{BTreeMap, HashSet, VecDeque};

use futures::stream::{self, BoxStream, StreamExt};
use tokio::sync::watch;

use super::{Content, MemoryStore, query};
use crate::bytes::DocumentPath;
use crate::store::{Document, ListenEvent, ResumeToken, StoreError, Target, Time};

/// What was told: each document with its update time.
type Told = BTreeMap<String, Time>;

struct Listener {
    store: MemoryStore,
    commits: watch::Receiver<u64>,
    target: Target,
    told: Told,
    /// Whether the state at first has been told.
    current: bool,
    events: VecDeque<ListenEvent>,
}

impl MemoryStore {
    /// A resume token holds all that was told, so it is good for as long as the store is.
    pub(super) fn open_listener(
        &self,
        target: &Target,
        resume: Option<&ResumeToken>,
    ) -> Result<BoxStream<'static, Result<ListenEvent, StoreError>>, StoreError> {
        target.check()?;
        let told = match resume {
            None => Told::new(),
            Some(token) => decode(token.as_bytes()).ok_or_else(|| {
                let reason = "the resume token is not one of this store".to_owned();
                StoreError::Refused { reason }
            })?,
        };
        let mut listener = Listener {
            store: self.clone(),
            commits: self.read_content(|content| content.commits.subscribe()),
            target: target.clone(),
            told,
            current: false,
            events: VecDeque::new(),
        };
        listener.look()?;
        let events = stream::unfold(Some(listener), |listener| async move {
            let mut listener = listener?;
            match listener.next().await {
                Ok(event) => Some((Ok(event), Some(listener))),
                Err(error) => Some((Err(error), None)),
            }
        });
        Ok(events.boxed())
    }
}

impl Listener {
    async fn next(&mut self) -> Result<ListenEvent, StoreError> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            // The store is held here, so the sender is never gone.
            let _ = self.commits.changed().await;
            self.look()?;
        }
    }

    /// Finds what is to be told.
    fn look(&mut self) -> Result<(), StoreError> {
        self.commits.mark_unchanged();
        let store = self.store.clone();
        store.read_content(|content| {
            let found = self.found(content)?;
            let now: HashSet<&str> = found.iter().map(|document| document.path.as_str()).collect();
            let gone: Vec<String> =
                self.told.keys().filter(|path| !now.contains(path.as_str())).cloned().collect();
            for path in gone {
                self.told.remove(&path);
                let deleted = !content.documents.contains_key(&path);
                self.removed(&path, deleted);
            }
            if let (Target::Documents(paths), false) = (&self.target, self.current) {
                // Firestore tells at first of those that are not there too.
                let absent = |path: &&DocumentPath| !content.documents.contains_key(path.as_str());
                let absent: Vec<String> = paths.iter().filter(absent).map(ToString::to_string).collect();
                absent.iter().for_each(|path| self.removed(path, true));
            }
            for document in found {
                let updated = document.update_time.unwrap_or_default();
                if self.told.insert(document.path.to_string(), updated) != Some(updated) {
                    self.events.push_back(ListenEvent::Changed(document));
                }
            }
            if !self.events.is_empty() || !self.current {
                let resume = Some(ResumeToken::new(encode(&self.told)));
                self.events.push_back(ListenEvent::Current { resume, at: Some(content.now()) });
            }
            self.current = true;
            Ok(())
        })
    }

    fn found(&self, content: &Content) -> Result<Vec<Document>, StoreError> {
        match &self.target {
            Target::Documents(paths) => {
                Ok(paths.iter().filter_map(|path| content.documents.get(path.as_str()).cloned()).collect())
            }
            Target::Query(query) => query::select(&content.documents, query),
        }
    }

    fn removed(&mut self, path: &str, deleted: bool) {
        if let Ok(path) = DocumentPath::parse(path) {
            self.events.push_back(ListenEvent::Removed { path, deleted });
        }
    }
}

/// Each path after its length, then its time.
fn encode(told: &Told) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (path, time) in told {
        let length = u32::try_from(path.len()).unwrap_or(u32::MAX); // a path has at most 6 KiB
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(path.as_bytes());
        bytes.extend_from_slice(&time.seconds.to_be_bytes());
        bytes.extend_from_slice(&time.nanos.to_be_bytes());
    }
    bytes
}

fn decode(mut bytes: &[u8]) -> Option<Told> {
    let mut told = Told::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk()?;
        let (path, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        let (seconds, rest) = rest.split_first_chunk()?;
        let (nanos, rest) = rest.split_first_chunk()?;
        let path = DocumentPath::parse(std::str::from_utf8(path).ok()?).ok()?;
        let time = Time { seconds: i64::from_be_bytes(*seconds), nanos: i32::from_be_bytes(*nanos) };
        told.insert(path.to_string(), time);
        bytes = rest;
    }
    Some(told)
}
