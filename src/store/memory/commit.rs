//! Commits in memory: all writes of one, or none.

use std::time::{SystemTime, UNIX_EPOCH};

use super::Content;
use super::transform::transformed;
use crate::bytes::DocumentPath;
use crate::store::document::{Prepared, merged, same_fields, set_at, value_at};
use crate::store::limits::check_document;
use crate::store::{
    Commit, Document, Precondition, StoreError, Time, TransformKind, Value, ValueType, WriteKind,
};

impl Content {
    /// Applies prepared writes.
    pub(super) fn commit(&mut self, writes: Vec<Prepared<'_>>) -> Result<Commit, StoreError> {
        if writes.is_empty() {
            return Ok(Commit { commit_time: None, update_times: Vec::new() });
        }
        let commit = self.next_commit();
        let now = time(commit);
        let mut changes = Vec::with_capacity(writes.len());
        for prepared in writes {
            changes.push((prepared.write.path.to_string(), self.apply(prepared, now)?));
        }
        self.last_commit = commit;
        let mut update_times = Vec::with_capacity(changes.len());
        for (path, document) in changes {
            update_times.push(document.as_ref().and_then(|document| document.update_time));
            match document {
                Some(document) => self.documents.insert(path, document),
                None => self.documents.remove(&path),
            };
        }
        self.commits.send_replace(commit);
        Ok(Commit { commit_time: Some(now), update_times })
    }

    /// What a write makes of its document; `None` where it is gone.
    fn apply(&self, prepared: Prepared<'_>, now: Time) -> Result<Option<Document>, StoreError> {
        let write = prepared.write;
        let old = self.documents.get(write.path.as_str());
        match (&write.precondition, old) {
            (Some(Precondition::Exists(false)), Some(_)) => {
                return Err(conflict(&write.path, "it exists already"));
            }
            (Some(Precondition::Exists(true)), None) => {
                return Err(StoreError::NotFound { document: write.path.to_string() });
            }
            (Some(Precondition::UpdatedAt(time)), old)
                if old.and_then(|old| old.update_time) != Some(*time) =>
            {
                return Err(conflict(&write.path, "it was changed at another time"));
            }
            _ => {}
        }
        let WriteKind::Set { mask, .. } = &write.kind else { return Ok(None) };
        let mut fields = prepared.fields.into_owned();
        fields.values_mut().for_each(as_kept);
        let changed_here = mask.is_some() || !write.transforms.is_empty();
        if let Some(mask) = mask {
            fields = merged(old.map(|old| old.fields.clone()).unwrap_or_default(), &fields, mask);
        }
        for transform in &write.transforms {
            let mut kind = transform.kind.clone();
            operands(&mut kind).iter_mut().for_each(as_kept);
            let value = transformed(kind, value_at(&fields, &transform.path), now);
            set_at(&mut fields, &transform.path, value);
        }
        if changed_here {
            // The server is who sees the whole document: it refuses, as it would any request.
            check_document(&write.path, &fields)
                .map_err(|limit| StoreError::Refused { reason: limit.to_string() })?;
        }
        let (create_time, update_time) = match old {
            Some(old) if same_fields(&old.fields, &fields) => (old.create_time, old.update_time),
            Some(old) => (old.create_time, Some(now)),
            None => (Some(now), Some(now)),
        };
        Ok(Some(Document { path: write.path.clone(), fields, create_time, update_time }))
    }

    /// The time of the next commit: now, and later than every commit before.
    fn next_commit(&self) -> u64 {
        clock().max(self.last_commit + 1)
    }

    /// A time up to which the content is what it is.
    pub(super) fn now(&self) -> Time {
        time(clock().max(self.last_commit))
    }
}

fn clock() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    u64::try_from(now).unwrap_or(u64::MAX)
}

fn conflict(path: &DocumentPath, reason: &str) -> StoreError {
    StoreError::Conflict { document: path.to_string(), reason: reason.to_owned() }
}

pub(super) fn time(micros: u64) -> Time {
    let seconds = i64::try_from(micros / 1_000_000).unwrap_or(i64::MAX);
    let nanos = i32::try_from(micros % 1_000_000 * 1_000).unwrap_or(0);
    Time { seconds, nanos }
}

/// The values that a transform brings.
fn operands(kind: &mut TransformKind) -> &mut [Value] {
    match kind {
        TransformKind::ServerTime => &mut [],
        TransformKind::Increment(value) | TransformKind::Maximum(value) | TransformKind::Minimum(value) => {
            std::slice::from_mut(value)
        }
        TransformKind::Union(values) | TransformKind::Remove(values) => values,
    }
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
