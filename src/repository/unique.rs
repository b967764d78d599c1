//! Unique values: each is reserved by a document of its own, which says who holds it.
//!
//! The reservations of a database stand in one collection at its root, `fireseal_unique`. The id is the
//! token of the value in hexadecimal digits, so that two documents cannot both create it. The fields are
//! `owner` (the path of the document that holds the value), `scope`, `key` (the first 16 bytes of the index
//! key's id) and `mac`, which vouches for the owner.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::seal_map::{self, Indexes, as_bytes, bytes, reserved};
use crate::bytes::{CollectionPath, DocumentPath, Location};
use crate::error::Error;
use crate::keys::{IndexKey, KeyRing};
use crate::seal::index::{epoch, is_vouched, vouch};
use crate::store::value::string_value;
use crate::store::{Document, Fields, Precondition, Store, StoreError, ValueType, Write, WriteKind};

pub(super) const COLLECTION: &str = "fireseal_unique";

/// How many reservations are read at once.
const READ_AT_ONCE: usize = 300;

const OWNER: &str = "owner";
pub(super) const SCOPE: &str = "scope";
const KEY: &str = "key";
const MAC: &str = "mac";

/// The tokens of unique fields, by the names of their entries.
pub(super) type Claims = BTreeMap<String, Vec<[u8; 32]>>;

/// What the entries of a document that was read say it holds: of those that its type has all, of others as many
/// as are read at once. More were put there by somebody who writes the database, to have them all read.
pub(super) fn held(document: &Document, indexes: &Indexes, changes: impl Fn(&str) -> bool) -> Claims {
    let entries = seal_map::entries(&document.fields).into_iter().flatten();
    let entries = entries.filter(|(name, _)| changes(name)).map(|(name, entry)| (name, reserved(entry)));
    let mut entries: Vec<_> = entries.filter(|(_, tokens)| !tokens.is_empty()).collect();
    entries.sort_by_key(|(name, _)| (!indexes.is_unique(name), *name));
    let mut room = READ_AT_ONCE;
    let fits = entries.into_iter().take_while(|(name, tokens)| {
        let fits = indexes.is_unique(name) || tokens.len() <= room;
        room = room.saturating_sub(tokens.len());
        fits
    });
    fits.map(|(name, tokens)| (name.clone(), tokens)).collect()
}

/// The writes that reserve what a document is to hold, and release what it no longer does. Without a ring
/// nothing is reserved.
///
/// # Errors
/// [`Error::Taken`], [`Error::ReservationRefused`].
pub(super) async fn reconcile(
    store: &dyn Store,
    owner: &Location,
    ring: Option<&KeyRing>,
    before: &Claims,
    after: &Claims,
) -> Result<Vec<Write>, Error> {
    let wanted: BTreeSet<&[u8; 32]> = after.values().flatten().collect();
    let all: BTreeSet<&[u8; 32]> = before.values().flatten().chain(wanted.iter().copied()).collect();
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let paths: Vec<DocumentPath> = all.iter().map(|token| path(token)).collect::<Result<_, _>>()?;
    let found = store.read(&paths, None).await?;
    if found.len() != paths.len() {
        let reason = format!("{} answers for {} documents", found.len(), paths.len());
        return Err(StoreError::UnexpectedAnswer { reason }.into());
    }
    let found: BTreeMap<&[u8; 32], (DocumentPath, Option<Document>)> =
        all.into_iter().zip(paths.into_iter().zip(found)).collect();

    let mut writes = Vec::new();
    for (name, tokens) in after {
        // One token for each live index key, in the ring's order.
        let keys = ring.into_iter().flat_map(KeyRing::index_keys);
        for (token, key) in tokens.iter().zip(keys) {
            let Some((path, reservation)) = found.get(token) else { continue };
            match reservation {
                None => writes.push(
                    Write::set(path.clone(), fields(token, key, owner))
                        .with_precondition(Precondition::Exists(false)),
                ),
                Some(reservation) => match holder(reservation, token, key, owner) {
                    Some(holder) if holder == *owner.document() => {}
                    Some(_) => return Err(Error::Taken { field: name.clone() }),
                    None => {
                        let (reservation, field) = (path.clone(), name.clone());
                        return Err(Error::ReservationRefused { reservation, field });
                    }
                },
            }
        }
    }
    // Each once: whoever writes the database may have copied a token to another entry.
    let released: BTreeSet<&[u8; 32]> =
        before.values().flatten().filter(|token| !wanted.contains(token)).collect();
    for token in released {
        let Some((path, Some(reservation))) = found.get(token) else { continue };
        if is_ours(reservation, token, ring, owner) {
            let unchanged =
                reservation.update_time.map_or(Precondition::Exists(true), Precondition::UpdatedAt);
            writes.push(Write::delete(path.clone()).with_precondition(unchanged));
        }
    }
    Ok(writes)
}

/// How many tokens of each document no reservation holds for it.
///
/// # Errors
/// The database cannot be reached.
pub(super) async fn unreserved(
    store: &dyn Store,
    documents: &[(&Location, &KeyRing, &Claims)],
) -> Result<Vec<u64>, Error> {
    let mut wanted = Vec::new();
    for (number, (owner, ring, claims)) in documents.iter().enumerate() {
        for tokens in claims.values() {
            for (token, key) in tokens.iter().zip(ring.index_keys()) {
                wanted.push((number, path(token)?, token, key, *owner));
            }
        }
    }
    let mut counts = vec![0; documents.len()];
    for wanted in wanted.chunks(READ_AT_ONCE) {
        let paths: Vec<DocumentPath> = wanted.iter().map(|(_, path, ..)| path.clone()).collect();
        let found = store.read(&paths, None).await?;
        if found.len() != paths.len() {
            let reason = format!("{} answers for {} documents", found.len(), paths.len());
            return Err(StoreError::UnexpectedAnswer { reason }.into());
        }
        for ((number, _, token, key, owner), found) in wanted.iter().zip(found) {
            let holder = found.and_then(|found| holder(&found, token, key, owner));
            if let (true, Some(count)) = (holder.as_ref() != Some(owner.document()), counts.get_mut(*number))
            {
                *count += 1;
            }
        }
    }
    Ok(counts)
}

fn fields(token: &[u8; 32], key: &IndexKey, owner: &Location) -> Fields {
    Fields::from([
        (OWNER.to_owned(), string_value(owner.document().as_str())),
        (SCOPE.to_owned(), string_value(owner.scope().as_str())),
        (KEY.to_owned(), bytes(epoch(key).to_vec())),
        (MAC.to_owned(), bytes(vouch(key, token, owner).to_vec())),
    ])
}

/// Who holds a reservation, if that is vouched for.
fn holder(
    reservation: &Document,
    token: &[u8; 32],
    key: &IndexKey,
    asked: &Location,
) -> Option<DocumentPath> {
    let holder = owner(reservation)?;
    let mut location = Location::new(holder.clone()).with_scope(asked.scope().clone());
    if let Some(realm) = asked.realm() {
        location = location.with_realm(realm).ok()?;
    }
    let mac = as_bytes(reservation.fields.get(MAC)?)?;
    is_vouched(key, token, &location, mac).then_some(holder)
}

/// Whether a document may release a reservation: it is the holder, and where the index key is still there
/// the code says so. Whoever writes the database can remove a reservation without us.
fn is_ours(reservation: &Document, token: &[u8; 32], ring: Option<&KeyRing>, ours: &Location) -> bool {
    let key = reservation.fields.get(KEY).and_then(as_bytes);
    let key = ring.and_then(|ring| ring.index_keys().find(|one| Some(epoch(one).as_slice()) == key));
    match key {
        Some(key) => holder(reservation, token, key, ours).as_ref() == Some(ours.document()),
        None => owner(reservation).as_ref() == Some(ours.document()),
    }
}

fn owner(reservation: &Document) -> Option<DocumentPath> {
    DocumentPath::parse(text(reservation, OWNER)?).ok()
}

fn text<'a>(reservation: &'a Document, name: &str) -> Option<&'a str> {
    match &reservation.fields.get(name)?.value_type {
        Some(ValueType::StringValue(text)) => Some(text),
        _ => None,
    }
}

pub(super) fn collection() -> CollectionPath {
    CollectionPath::parse(COLLECTION).expect("it is the id of a collection")
}

fn path(token: &[u8; 32]) -> Result<DocumentPath, Error> {
    let mut id = String::with_capacity(64);
    for byte in token {
        write!(id, "{byte:02x}").expect("a string takes any text");
    }
    Ok(collection().document(&id)?)
}

/// The same error, or which value is taken where that is the cause of a conflict.
pub(super) async fn explained(store: &dyn Store, writes: &[Write], error: Error) -> Error {
    if !error.is_conflict() {
        return error;
    }
    let created = |write: &&Write| {
        write.precondition == Some(Precondition::Exists(false)) && write.path.parent() == collection()
    };
    let reservations: Vec<DocumentPath> =
        writes.iter().filter(created).map(|write| write.path.clone()).collect();
    if reservations.is_empty() {
        return error;
    }
    let Ok(found) = store.read(&reservations, None).await else { return error };
    let Some(taken) = reservations.iter().zip(found).find_map(|(path, found)| found.map(|_| path)) else {
        return error;
    };
    // The document's own entries say of which field the value is.
    let entries = writes.iter().filter_map(|write| match &write.kind {
        WriteKind::Set { fields, .. } => seal_map::entries(fields),
        WriteKind::Delete => None,
    });
    let mut fields = entries.flatten().filter(|(_, entry)| {
        reserved(entry).iter().any(|token| path(token).is_ok_and(|path| path == *taken))
    });
    match fields.next() {
        Some((name, _)) => Error::Taken { field: name.clone() },
        None => error,
    }
}
