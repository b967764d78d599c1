//! What became of a commit whose answer was lost: never sent twice where it might be applied twice, never
//! called applied unless that is proven.
//!
//! Proof is a document that has what no other write makes: freshly sealed values, by their nonces, or a mark
//! of random bytes in `_seal.write`. Every document that a repository writes gets one or the other. A commit is
//! applied whole, so that one of its documents proves all of it.

use std::time::Duration;

use super::{seal_map, unique};
use crate::bytes::DocumentPath;
use crate::error::Error;
use crate::keys::KeyError;
use crate::store::{
    Commit, Document, Fields, Precondition, Store, StoreError, Value, Write, WriteKind, as_kept, same,
    same_fields, value_at,
};

/// How often it is tried to find out, and the pause before the first time, which doubles each time.
const ATTEMPTS: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// How long it is tried at most, whatever the database takes for each answer.
const LONGEST: Duration = Duration::from_secs(30);

/// Why there is no answer that a commit was applied.
pub(super) enum Failure {
    /// It was not.
    Refused(StoreError),
    Unknown(Unknown),
}

/// It is not known whether a commit was applied.
pub(super) struct Unknown {
    pub(super) lost: StoreError,
    /// Its documents as they were read last; `None` if they could not be.
    pub(super) seen: Option<Vec<Option<Document>>>,
}

/// Applies all writes, or none; where the answer is lost, finds out.
pub(super) async fn commit(store: &dyn Store, writes: &[Write]) -> Result<Commit, Error> {
    settle(store, writes).await.map_err(|failure| match failure {
        Failure::Refused(error) => error.into(),
        Failure::Unknown(Unknown { lost, .. }) => unknown(writes, lost),
    })
}

/// The same, with what is known where that is not all.
pub(super) async fn settle(store: &dyn Store, writes: &[Write]) -> Result<Commit, Failure> {
    match store.commit(writes).await {
        Err(lost) if may_be_applied(&lost) => {
            resolve(store, writes, lost, true).await.map_err(Failure::Unknown)
        }
        answer => answer.map_err(Failure::Refused),
    }
}

/// Whether there was no answer at all.
pub(super) fn is_lost(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable { .. } | StoreError::Deadline { .. })
}

/// Whether the writes of a commit may have been applied although there was an error: no answer, or one
/// that is not understood.
pub(super) fn may_be_applied(error: &StoreError) -> bool {
    is_lost(error) || matches!(error, StoreError::UnexpectedAnswer { .. })
}

/// Finds out whether a transaction's writes, which are not sent again, were applied.
pub(super) async fn find_out(store: &dyn Store, writes: &[Write], lost: StoreError) -> Result<Commit, Error> {
    resolve(store, writes, lost, false).await.map_err(|Unknown { lost, .. }| unknown(writes, lost))
}

pub(super) fn unknown(writes: &[Write], source: StoreError) -> Error {
    let documents: Vec<DocumentPath> = writes.iter().map(|write| write.path.clone()).collect();
    Error::OutcomeUnknown { documents, source }
}

async fn resolve(
    store: &dyn Store,
    writes: &[Write],
    lost: StoreError,
    alone: bool,
) -> Result<Commit, Unknown> {
    let mut unknown = Unknown { lost, seen: None };
    // Given up in the middle of sending again, it is as unknown as before.
    match tokio::time::timeout(LONGEST, look(store, writes, alone, &mut unknown)).await {
        Ok(Some(commit)) => Ok(commit),
        Ok(None) | Err(_) => Err(unknown),
    }
}

/// Reads the documents until they prove that the commit was applied. Where they show that it was not, and can
/// be only once, it is sent again byte for byte. `alone` unless other conditions than its preconditions
/// belong to it.
async fn look(store: &dyn Store, writes: &[Write], alone: bool, unknown: &mut Unknown) -> Option<Commit> {
    let mut pause = FIRST_PAUSE;
    for _ in 0..ATTEMPTS {
        tokio::time::sleep(pause).await;
        pause *= 2;
        let documents = match read(store, writes).await {
            Ok(documents) => unknown.seen.insert(documents),
            Err(lost) => {
                // Whatever takes this long is not over in a moment.
                *unknown = Unknown { lost, seen: None };
                return None;
            }
        };
        if is_proven(writes, documents) || alone && is_as_wanted(writes, documents) {
            return Some(answer(writes, documents));
        }
        if is_over(writes, documents) {
            // It may have been applied, and others wrote since: reading again tells no more.
            return None;
        }
        if alone && is_once(writes, documents) {
            match store.commit(writes).await {
                Ok(commit) => return Some(commit),
                Err(lost) if is_lost(&lost) => unknown.lost = lost,
                // The first one was applied late, or others were first: the documents tell.
                Err(_) => {}
            }
        }
    }
    None
}

async fn read(store: &dyn Store, writes: &[Write]) -> Result<Vec<Option<Document>>, StoreError> {
    let paths: Vec<DocumentPath> = writes.iter().map(|write| write.path.clone()).collect();
    let documents = store.read(&paths, None).await?;
    if documents.len() == writes.len() {
        return Ok(documents);
    }
    let reason = format!("{} answers for {} documents", documents.len(), writes.len());
    Err(StoreError::UnexpectedAnswer { reason })
}

fn pairs<'a>(
    writes: &'a [Write],
    documents: &'a [Option<Document>],
) -> impl Iterator<Item = (&'a Write, Option<&'a Document>)> {
    writes.iter().zip(documents.iter().map(Option::as_ref))
}

/// Whether the documents show that these writes, and no others, were applied. A write that changes nothing
/// leaves the document at the time that it asks for, and shows nothing.
fn is_proven(writes: &[Write], documents: &[Option<Document>]) -> bool {
    pairs(writes, documents).any(|(write, document)| {
        is_distinct(write) && is_as_made(write, document) && !is_at_time(write, document)
    })
}

/// Whether the document is as it was read for the write.
fn is_at_time(write: &Write, document: Option<&Document>) -> bool {
    match write.precondition {
        Some(Precondition::UpdatedAt(time)) => {
            document.and_then(|document| document.update_time) == Some(time)
        }
        _ => false,
    }
}

/// Whether all is as it is wanted, by whomever: enough for writes that ask for nothing but the result.
pub(super) fn is_as_wanted(writes: &[Write], documents: &[Option<Document>]) -> bool {
    let upkeep = writes.first().is_some_and(only_tokens);
    pairs(writes, documents).all(|(write, document)| {
        let only_result = match write.kind {
            WriteKind::Delete => write.precondition.is_none(),
            WriteKind::Set { .. } => only_tokens(write),
        };
        (only_result || upkeep && is_reservation(write)) && is_as_made(write, document)
    })
}

/// Whether a write makes what no other makes. Reservations and tokens alone are the same whoever writes them.
fn is_distinct(write: &Write) -> bool {
    matches!(write.kind, WriteKind::Set { .. }) && !is_reservation(write) && !only_tokens(write)
}

fn is_reservation(write: &Write) -> bool {
    write.path.parent() == unique::collection()
}

fn only_tokens(write: &Write) -> bool {
    match &write.kind {
        WriteKind::Set { mask: Some(mask), .. } => {
            write.transforms.is_empty()
                && mask.paths().iter().all(|path| path.starts_with(&seal_map::entries_path()))
        }
        _ => false,
    }
}

/// Whether a precondition can never hold again: the document has another update time by now.
fn is_over(writes: &[Write], documents: &[Option<Document>]) -> bool {
    pairs(writes, documents).any(|(write, document)| asks_time(write) && !is_at_time(write, document))
}

fn asks_time(write: &Write) -> bool {
    matches!(write.precondition, Some(Precondition::UpdatedAt(_)))
}

/// Whether a commit that is not over can be applied once only. A document that was deleted may be absent
/// again, but no update time comes back; only a write that changes nothing leaves the time as it was.
fn is_once(writes: &[Write], documents: &[Option<Document>]) -> bool {
    let changes = |(write, document)| asks_time(write) && !is_as_made(write, document);
    writes.iter().all(asks_time) || pairs(writes, documents).any(changes)
}

/// When the documents were written, as far as those tell that are still whole as the write makes them. Of any
/// other the time may be a later one.
fn answer(writes: &[Write], documents: &[Option<Document>]) -> Commit {
    let time = |(write, document): (&Write, Option<&Document>)| {
        let whole = matches!(write.kind, WriteKind::Set { mask: None, .. });
        (whole && is_as_made(write, document)).then(|| document?.update_time).flatten()
    };
    let changed = pairs(writes, documents).filter(|(write, document)| !is_at_time(write, *document));
    let commit_time = changed.filter_map(time).next();
    Commit { commit_time, update_times: pairs(writes, documents).map(time).collect() }
}

/// Whether the document is as the write makes it.
fn is_as_made(write: &Write, document: Option<&Document>) -> bool {
    match (&write.kind, document) {
        (WriteKind::Delete, document) => document.is_none(),
        (WriteKind::Set { .. }, None) => false,
        (WriteKind::Set { fields, mask: None }, Some(document)) => {
            write.transforms.is_empty() && same_fields(&kept(fields), &document.fields)
        }
        (WriteKind::Set { fields, mask: Some(mask) }, Some(document)) => {
            if mask.paths().contains(&seal_map::mark_path()) {
                return seal_map::mark(fields) == seal_map::mark(&document.fields);
            }
            write.transforms.is_empty()
                && mask.paths().iter().all(|path| {
                    match (value_at(fields, path), value_at(&document.fields, path)) {
                        (Some(sent), Some(stored)) => same(&kept_value(sent), stored),
                        (sent, stored) => sent.is_none() && stored.is_none(),
                    }
                })
        }
    }
}

/// Adds the mark by which a write is known again that seals nothing anew.
pub(super) fn mark(fields: &mut Fields) -> Result<(), Error> {
    let mut mark = [0; 16];
    getrandom::fill(&mut mark).map_err(KeyError::Random)?;
    seal_map::add_mark(fields, mark);
    Ok(())
}

fn kept(fields: &Fields) -> Fields {
    fields.iter().map(|(name, value)| (name.clone(), kept_value(value))).collect()
}

fn kept_value(value: &Value) -> Value {
    let mut value = value.clone();
    as_kept(&mut value);
    value
}
