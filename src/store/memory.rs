//! Documents in memory, for tests without a database.

mod query;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt};

use super::document::{prepare, remove_at, same_fields, set_at, value_at};
use super::limits::check_document;
use super::{
    Aggregation, Commit, Document, FieldMask, Fields, ListPage, ListRequest, Precondition, Query, Store,
    StoreError, Time, Transaction, Value, ValueType, Write, WriteKind,
};
use crate::bytes::DocumentPath;

/// Documents in memory, with the same promises as Firestore: one contract suite runs over both.
///
/// A clone shares the content. Nothing is kept when the last one is dropped.
#[derive(Clone, Default)]
pub struct MemoryStore {
    content: Arc<RwLock<Content>>,
}

#[derive(Default)]
struct Content {
    /// By path: within a collection in the order of the ids, documents below it in between.
    documents: BTreeMap<String, Document>,
    /// The last commit's time, in microseconds since 1970.
    last_commit: u64,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Everything it holds, in the order of the paths: what whoever breaches the database sees.
    /// To change it as they would, use [`commit`](Store::commit).
    #[must_use]
    pub fn documents(&self) -> Vec<Document> {
        self.read_content(|content| content.documents.values().cloned().collect())
    }

    fn read_content<T>(&self, look: impl FnOnce(&Content) -> T) -> T {
        // Nothing can panic halfway through a change: it is made on the side and put in at once.
        look(&self.content.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for MemoryStore {
    /// Shows how many documents there are, and nothing of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let documents = self.read_content(|content| content.documents.len());
        f.debug_struct("MemoryStore").field("documents", &documents).finish_non_exhaustive()
    }
}

impl Content {
    /// What a write makes of its document; `None` where it is gone.
    fn apply(&self, write: Write, now: Time) -> Result<Option<Document>, StoreError> {
        let old = self.documents.get(write.path.as_str());
        match (write.precondition, old) {
            (Some(Precondition::Exists(false)), Some(_)) => {
                return Err(conflict(&write.path, "it exists already"));
            }
            (Some(Precondition::Exists(true)), None) => {
                return Err(StoreError::NotFound { document: write.path.to_string() });
            }
            (Some(Precondition::UpdatedAt(time)), old)
                if old.and_then(|old| old.update_time) != Some(time) =>
            {
                return Err(conflict(&write.path, "it was changed at another time"));
            }
            _ => {}
        }
        let WriteKind::Set { fields, mask } = write.kind else { return Ok(None) };
        let mut fields = fields;
        fields.values_mut().for_each(as_kept);
        let fields = match mask {
            None => fields,
            Some(mask) => {
                let merged = merge(old.map(|old| old.fields.clone()).unwrap_or_default(), &fields, &mask);
                // The server is who sees the whole document: it refuses, as it would any request.
                check_document(&write.path, &merged)
                    .map_err(|limit| StoreError::Refused { reason: limit.to_string() })?;
                merged
            }
        };
        let (create_time, update_time) = match old {
            Some(old) if same_fields(&old.fields, &fields) => (old.create_time, old.update_time),
            Some(old) => (old.create_time, Some(now)),
            None => (Some(now), Some(now)),
        };
        Ok(Some(Document { path: write.path, fields, create_time, update_time }))
    }

    /// The time of the next commit: now, and later than every commit before.
    fn next_commit(&self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        u64::try_from(now).unwrap_or(u64::MAX).max(self.last_commit + 1)
    }
}

fn conflict(path: &DocumentPath, reason: &str) -> StoreError {
    StoreError::Conflict { document: path.to_string(), reason: reason.to_owned() }
}

fn merge(mut old: Fields, new: &Fields, mask: &FieldMask) -> Fields {
    for path in mask.paths() {
        match value_at(new, path) {
            Some(value) => set_at(&mut old, path, value.clone()),
            None => remove_at(&mut old, path),
        }
    }
    old
}

fn time(micros: u64) -> Time {
    let seconds = i64::try_from(micros / 1_000_000).unwrap_or(i64::MAX);
    let nanos = i32::try_from(micros % 1_000_000 * 1_000).unwrap_or(0);
    Time { seconds, nanos }
}

/// The few values that Firestore does not keep as they are.
pub(crate) fn as_kept(value: &mut Value) {
    match &mut value.value_type {
        Some(ValueType::NullValue(null)) => *null = 0,
        Some(ValueType::TimestampValue(time)) => time.nanos -= time.nanos % 1_000,
        Some(ValueType::DoubleValue(number)) if number.is_nan() => *number = f64::NAN,
        Some(ValueType::GeoPointValue(at)) => {
            at.latitude += 0.0; // -0.0 becomes 0.0
            at.longitude += 0.0;
        }
        Some(ValueType::ArrayValue(array)) => array.values.iter_mut().for_each(as_kept),
        Some(ValueType::MapValue(map)) => map.fields.values_mut().for_each(as_kept),
        _ => {}
    }
}

fn masked(document: &Document, mask: Option<&FieldMask>) -> Document {
    match mask {
        None => document.clone(),
        Some(mask) => Document {
            path: document.path.clone(),
            fields: mask.project(&document.fields),
            create_time: document.create_time,
            update_time: document.update_time,
        },
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn read(
        &self,
        paths: &[DocumentPath],
        mask: Option<&FieldMask>,
    ) -> Result<Vec<Option<Document>>, StoreError> {
        if let Some(mask) = mask {
            mask.check()?;
        }
        Ok(self.read_content(|content| {
            let read = |path: &DocumentPath| {
                content.documents.get(path.as_str()).map(|document| masked(document, mask))
            };
            paths.iter().map(read).collect()
        }))
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Commit, StoreError> {
        let writes = prepare(writes)?;
        if writes.iter().any(|write| !write.transforms.is_empty()) {
            return Err(StoreError::Unsupported { what: "transforms" });
        }
        if writes.is_empty() {
            return Ok(Commit { commit_time: None, update_times: Vec::new() });
        }
        let mut content = self.content.write().unwrap_or_else(PoisonError::into_inner);
        let commit = content.next_commit();
        let now = time(commit);
        let mut changes = Vec::with_capacity(writes.len());
        for write in writes {
            changes.push((write.path.to_string(), content.apply(write, now)?));
        }
        content.last_commit = commit;
        let mut update_times = Vec::with_capacity(changes.len());
        for (path, document) in changes {
            update_times.push(document.as_ref().and_then(|document| document.update_time));
            match document {
                Some(document) => content.documents.insert(path, document),
                None => content.documents.remove(&path),
            };
        }
        Ok(Commit { commit_time: Some(now), update_times })
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage, StoreError> {
        let from = match request.check()? {
            None => None,
            Some(id) => Some(request.collection.document(id).map_err(|_| StoreError::Refused {
                reason: "the page token is not one of this collection".to_owned(),
            })?),
        };
        let size = usize::try_from(request.page_size).unwrap_or(usize::MAX);
        let prefix = format!("{}/", request.collection);
        Ok(self.read_content(|content| {
            let start = match &from {
                Some(last) => Bound::Excluded(last.as_str()),
                None => Bound::Included(prefix.as_str()),
            };
            let mut documents: Vec<&Document> = content
                .documents
                .range::<str, _>((start, Bound::Unbounded))
                .map(|(_, document)| document)
                .take_while(|document| document.path.as_str().starts_with(&prefix))
                .filter(|document| document.path.parent() == request.collection)
                .take(size.saturating_add(1))
                .collect();
            let more = documents.len() > size;
            documents.truncate(size);
            let next = documents.last().filter(|_| more).map(|last| request.token(last.path.id()));
            let documents = documents.into_iter().map(|found| masked(found, request.mask.as_ref())).collect();
            ListPage { documents, next_page_token: next }
        }))
    }

    async fn query(
        &self,
        query: &Query,
        _within: Option<&Transaction>,
    ) -> Result<BoxStream<'static, Result<Document, StoreError>>, StoreError> {
        let found = self.read_content(|content| query::select(&content.documents, query))?;
        Ok(stream::iter(found.into_iter().map(Ok)).boxed())
    }

    async fn aggregate(
        &self,
        query: &Query,
        over: &[Aggregation],
        _within: Option<&Transaction>,
    ) -> Result<Vec<Value>, StoreError> {
        self.read_content(|content| query::total(&content.documents, query, over))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn times_grow_when_the_clock_does_not() {
        let store = MemoryStore::new();
        let last = 9_000_000_000_000_000; // in the year 2255
        store.content.write().unwrap().last_commit = last;
        for later in 1..4 {
            let path = DocumentPath::parse("c/a").unwrap();
            let write = Write::delete(path);
            assert_eq!(store.commit(vec![write]).await.unwrap().commit_time, Some(time(last + later)));
        }
    }
}
