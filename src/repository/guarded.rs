//! Writes that depend on what is stored: read, made of what was read, and applied only to that.

use std::time::Duration;

use super::collection::Collection;
use super::opener::Opener;
use super::unique::{Claims, held, reconcile};
use crate::bytes::{DocumentPath, Location};
use crate::error::Error;
use crate::keys::KeyRing;
use crate::seal::Document;
use crate::store::{Document as RawDocument, FieldMask, Precondition, StoreError, Time, Write};

/// How often a document is read and written again when others write in between.
pub(super) const ATTEMPTS: u32 = 10;

/// What a write is to keep of the document that is stored.
pub(super) struct Guarded<'a> {
    pub(super) location: &'a Location,
    /// For the reservations; without one none is made.
    pub(super) ring: Option<&'a KeyRing>,
    /// Makes the document seal of a type that has one; `None` where that was done, or nothing is written.
    pub(super) opener: Option<&'a Opener>,
    /// What must hold by the caller's own word.
    pub(super) asked: Option<Precondition>,
    /// The unique values that the document holds afterwards, of those that change.
    pub(super) after: &'a Claims,
    /// Which entries of the document change.
    pub(super) changes: &'a (dyn Fn(&str) -> bool + Send + Sync),
    /// The document, where it was read already.
    pub(super) read: Option<Option<RawDocument>>,
}

/// Writes a document together with the reservations of its unique values. Where others write in between,
/// all is read and made again, unless that was the caller's own precondition.
pub(super) async fn write_guarded<T: Document>(
    collection: &Collection<T>,
    mut how: Guarded<'_>,
    make: impl Fn(Option<&RawDocument>) -> Result<Write, Error> + Send,
) -> Result<Option<Time>, Error> {
    let path = how.location.document();
    let mut conflict: Option<Error> = None;
    let mut attempt = 1;
    loop {
        let read = match how.read.take() {
            Some(read) => read,
            None => collection.read_raw(std::slice::from_ref(path), None).await?.pop().flatten(),
        };
        if !holds(how.asked.as_ref(), read.as_ref()) {
            return Err(conflict.unwrap_or_else(|| refused(path, how.asked.as_ref())));
        }
        // What is released is what was read, so it is written to nothing else, whatever was asked for.
        let guard = unchanged(read.as_ref());
        let before =
            read.as_ref().map(|read| held(read, collection.indexes(), how.changes)).unwrap_or_default();
        let reservations = reconcile(collection.store(), how.location, how.ring, &before, how.after).await?;
        let mut write = make(read.as_ref())?;
        if let Some(opener) = how.opener {
            write = opener.resealed(collection, read.as_ref(), write).await?;
        }
        let mut writes = vec![write.with_precondition(guard)];
        writes.extend(reservations);
        match collection.commit(writes).await {
            Err(error) if error.is_conflict() && attempt < ATTEMPTS => {
                pause(attempt).await;
                attempt += 1;
                conflict = Some(error);
            }
            result => return result,
        }
    }
}

/// The precondition that a document is as it was read.
pub(super) fn unchanged(read: Option<&RawDocument>) -> Precondition {
    match read {
        None => Precondition::Exists(false),
        Some(read) => read.update_time.map_or(Precondition::Exists(true), Precondition::UpdatedAt),
    }
}

fn holds(asked: Option<&Precondition>, read: Option<&RawDocument>) -> bool {
    match asked {
        None => true,
        Some(Precondition::Exists(asked)) => *asked == read.is_some(),
        Some(Precondition::UpdatedAt(asked)) => read.and_then(|read| read.update_time) == Some(*asked),
    }
}

fn refused(path: &DocumentPath, asked: Option<&Precondition>) -> Error {
    let document = path.to_string();
    let reason = match asked {
        Some(Precondition::Exists(true)) => return StoreError::NotFound { document }.into(),
        Some(Precondition::Exists(false)) => "it exists already",
        _ => "it was changed at another time",
    };
    StoreError::Conflict { document, reason: reason.to_owned() }.into()
}

/// What became of a deletion. One that asks for nothing but the result is done where the document is gone,
/// though the answer was lost.
pub(super) async fn deleted<T: Document>(
    collection: &Collection<T>,
    path: &DocumentPath,
    asked_nothing: bool,
    result: Result<Option<Time>, Error>,
) -> Result<(), Error> {
    match result {
        Err(unknown @ Error::OutcomeUnknown { .. }) if asked_nothing => {
            let nothing = FieldMask::default();
            match collection.read_raw(std::slice::from_ref(path), Some(&nothing)).await.as_deref() {
                Ok([None]) => Ok(()),
                _ => Err(unknown),
            }
        }
        result => result.map(drop),
    }
}

/// Lets others go first: up to 20 milliseconds for each attempt so far.
pub(super) async fn pause(attempt: u32) {
    let random = getrandom::u32().unwrap_or_default() % 20;
    tokio::time::sleep(Duration::from_millis(u64::from(attempt * random))).await;
}
