//! What became of a commit whose answer was lost: never sent twice where it might be applied twice.

use std::time::Duration;

use super::seal_map;
use crate::bytes::DocumentPath;
use crate::error::Error;
use crate::store::{
    Commit, Document, Fields, Precondition, Store, StoreError, Value, Write, WriteKind, as_kept, same,
    same_fields, value_at,
};

/// How often it is tried to find out, and the pause before the first time, which doubles each time.
const ATTEMPTS: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// Applies all writes, or none; where the answer is lost, finds out.
pub(super) async fn commit(store: &dyn Store, writes: Vec<Write>) -> Result<Commit, Error> {
    match store.commit(writes.clone()).await {
        Err(lost) if is_lost(&lost) => resolve(store, writes, lost).await,
        answer => Ok(answer?),
    }
}

/// Whether the writes may have been applied although there was an error.
pub(super) fn is_lost(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable { .. } | StoreError::Deadline { .. })
}

/// A commit that can be applied once only is sent again byte for byte. Of any other it is only read
/// whether the documents are as it makes them.
async fn resolve(store: &dyn Store, writes: Vec<Write>, mut lost: StoreError) -> Result<Commit, Error> {
    let once = writes.iter().any(|write| is_once(write, &writes));
    let mut pause = FIRST_PAUSE;
    for _ in 0..ATTEMPTS {
        tokio::time::sleep(pause).await;
        pause *= 2;
        if once {
            match store.commit(writes.clone()).await {
                Ok(commit) => return Ok(commit),
                Err(error) if is_lost(&error) => {
                    lost = error;
                    continue;
                }
                // Applied before, or in the way of others: the documents tell.
                Err(_) => {}
            }
        }
        match applied(store, &writes).await {
            Ok(Some(commit)) => return Ok(commit),
            Ok(None) if once => break,
            Ok(None) => {}
            Err(error) => lost = error,
        }
    }
    Err(unknown(&writes, lost))
}

/// Finds out whether writes that are not to be sent again were applied.
pub(super) async fn find_out(
    store: &dyn Store,
    writes: &[Write],
    mut lost: StoreError,
) -> Result<Commit, Error> {
    let mut pause = FIRST_PAUSE;
    for _ in 0..ATTEMPTS {
        tokio::time::sleep(pause).await;
        pause *= 2;
        match applied(store, writes).await {
            Ok(Some(commit)) => return Ok(commit),
            Ok(None) => {}
            Err(error) => lost = error,
        }
    }
    Err(unknown(writes, lost))
}

pub(super) fn unknown(writes: &[Write], source: StoreError) -> Error {
    let documents: Vec<DocumentPath> = writes.iter().map(|write| write.path.clone()).collect();
    Error::OutcomeUnknown { documents, source }
}

/// Whether the write's precondition cannot hold a second time, so that the whole commit is applied once at
/// most.
fn is_once(write: &Write, all: &[Write]) -> bool {
    match (&write.precondition, &write.kind) {
        (Some(Precondition::Exists(false)), WriteKind::Set { .. }) => true,
        (Some(Precondition::UpdatedAt(_)), WriteKind::Delete) => true,
        // A write that changes nothing leaves the time as it was, so it may be applied again: which does
        // nothing again, as long as nothing unguarded comes with it. A transform comes with a mark.
        (Some(Precondition::UpdatedAt(_)), WriteKind::Set { .. }) => {
            let guarded = |write: &Write| {
                matches!(write.precondition, Some(Precondition::Exists(false) | Precondition::UpdatedAt(_)))
            };
            !write.transforms.is_empty() || all.iter().all(guarded)
        }
        _ => false,
    }
}

/// What the commit answered, if all documents are as it makes them; `None` if one is not.
pub(super) async fn applied(store: &dyn Store, writes: &[Write]) -> Result<Option<Commit>, StoreError> {
    let paths: Vec<DocumentPath> = writes.iter().map(|write| write.path.clone()).collect();
    let documents = store.read(&paths, None).await?;
    if documents.len() != writes.len() {
        let reason = format!("{} answers for {} documents", documents.len(), writes.len());
        return Err(StoreError::UnexpectedAnswer { reason });
    }
    if !writes.iter().zip(&documents).all(|(write, document)| is_applied(write, document.as_ref())) {
        return Ok(None);
    }
    let times = writes.iter().zip(&documents).map(|(_, document)| document.as_ref()?.update_time);
    let update_times: Vec<_> = times.collect();
    Ok(Some(Commit { commit_time: update_times.iter().flatten().next().copied(), update_times }))
}

/// Whether the document is as the write makes it. A sealed value has its nonce, and a write with
/// transforms its mark, so nothing else makes it so.
fn is_applied(write: &Write, document: Option<&Document>) -> bool {
    match (&write.kind, document) {
        (WriteKind::Delete, document) => document.is_none(),
        (WriteKind::Set { .. }, None) => false,
        (WriteKind::Set { fields, mask }, Some(document)) => {
            if !write.transforms.is_empty() {
                let mark = seal_map::mark(fields);
                return mark.is_some() && mark == seal_map::mark(&document.fields);
            }
            match mask {
                None => same_fields(&kept(fields), &document.fields),
                Some(mask) => mask.paths().iter().all(|path| {
                    match (value_at(fields, path), value_at(&document.fields, path)) {
                        (Some(sent), Some(stored)) => same(&kept_value(sent), stored),
                        (sent, stored) => sent.is_none() && stored.is_none(),
                    }
                }),
            }
        }
    }
}

fn kept(fields: &Fields) -> Fields {
    fields.iter().map(|(name, value)| (name.clone(), kept_value(value))).collect()
}

fn kept_value(value: &Value) -> Value {
    let mut value = value.clone();
    as_kept(&mut value);
    value
}
