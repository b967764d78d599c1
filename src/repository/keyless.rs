//! The repository without keys: reads, moves and deletes documents, and sees no sensitive value.

use std::sync::Arc;

use futures::FutureExt;

use super::carry::{carry, same_slots, sealed_anew};
use super::collection::{Collection, decode_companion};
use super::document_seal::{self, contains};
use super::guarded::{Guarded, deleted, unchanged, write_guarded};
use super::list::List;
use super::opener::Opener;
use super::outcome;
use super::seal_map::{self, SEAL, Tokens};
use super::stored::Stored;
use super::unique::{Claims, held};
use super::write::is_known;
use crate::bytes::{LocationError, Scope};
use crate::error::Error;
use crate::keys::KeyRing;
use crate::query::Queryable;
use crate::seal::Document;
use crate::store::{
    Document as RawDocument, Fields, Precondition, Store, StoreError, Write, WriteKind, same, same_fields,
    value_at,
};

/// The documents of one type in one collection, without any key.
///
/// It reads companions, whose clear fields are readable and whose sensitive fields are
/// [`Sealed`](crate::Sealed); it lists, deletes, and writes back what it read. It cannot make a sensitive value:
/// nothing but sealing with a key does.
pub struct SealedRepository<T> {
    pub(super) collection: Collection<T>,
}

impl<T> Clone for SealedRepository<T> {
    fn clone(&self) -> Self {
        Self { collection: self.collection.clone() }
    }
}

impl<T: Document + 'static> SealedRepository<T> {
    /// The documents of the type's collection, in the default scope.
    ///
    /// # Panics
    /// If a hand-written `T::COLLECTION` is not the path of a collection.
    #[must_use]
    pub fn new(store: impl Store + 'static) -> Self
    where
        T: Queryable,
    {
        Self { collection: Collection::new(Arc::new(store)) }
    }

    /// The collection below a document, such as `tenants/acme`.
    ///
    /// # Errors
    /// Not the path of a document.
    pub fn under(self, parent: &str) -> Result<Self, LocationError> {
        Ok(Self { collection: self.collection.under(parent)? })
    }

    /// Whose keys sealed the documents; it becomes part of each location.
    #[must_use]
    pub fn with_scope(self, scope: Scope) -> Self {
        Self { collection: self.collection.with_scope(scope) }
    }

    /// The realm of the documents, such as `staging`; it becomes part of each location.
    ///
    /// # Errors
    /// An empty or too long realm.
    pub fn with_realm(self, realm: impl Into<String>) -> Result<Self, LocationError> {
        Ok(Self { collection: self.collection.with_realm(realm.into())? })
    }

    /// Reads one document; `None` where there is none.
    ///
    /// # Errors
    /// The database cannot be reached, or what is stored is not of the type.
    pub async fn get(&self, id: &str) -> Result<Option<Stored<T::Sealed>>, Error> {
        Ok(self.collection.read(&[id]).await?.pop().flatten())
    }

    /// Reads documents, in the order asked for; `None` for each that is not there.
    ///
    /// # Errors
    /// The database cannot be reached, or what is stored is not of the type.
    pub async fn get_many<I: AsRef<str>>(&self, ids: &[I]) -> Result<Vec<Option<Stored<T::Sealed>>>, Error> {
        let ids: Vec<&str> = ids.iter().map(AsRef::as_ref).collect();
        self.collection.read(&ids).await
    }

    /// Whether the document exists.
    ///
    /// # Errors
    /// The database cannot be reached.
    pub async fn exists(&self, id: &str) -> Result<bool, Error> {
        self.collection.exists(id).await
    }

    /// All documents, page by page or as a stream.
    pub fn list(&self) -> List<T, T::Sealed> {
        List::new(self.collection.clone(), Box::new(|page| async { Ok(page) }.boxed()))
    }

    /// Writes back what was read, with changed clear fields if need be: sealed fields byte for byte,
    /// unknown fields and plaintext in sealed places as they were. Only if the document is unchanged
    /// since; afterwards `stored` stands for the document as it is now.
    ///
    /// # Errors
    /// A conflict if the document has changed or gone, or was saved in a batch or a transaction since it was
    /// read; a clear value that Firestore does not keep; [`Error::SealedChanged`] if a sealed field is not as it
    /// was read; [`Error::Covered`] if a field is not that the document seal covers.
    pub async fn save(&self, stored: &mut Stored<T::Sealed>) -> Result<(), Error> {
        let mut read = decode_companion::<T>(stored.document())?;
        let mut sealed = T::Sealed::clone(stored);
        if !same_slots::<T>(&mut read, &mut sealed) {
            return Err(Error::SealedChanged { document: stored.location().document().clone() });
        }
        save::<T, _>(&self.collection, stored, sealed, None).await
    }

    /// Deletes a document, and releases its unique values; deleting an absent one is no error.
    ///
    /// # Errors
    /// The database cannot be reached.
    pub async fn delete(&self, id: &str) -> Result<(), Error> {
        self.delete_as(id, None).await
    }

    /// Deletes a document if it is in the given state.
    ///
    /// # Errors
    /// A conflict if it is not.
    pub async fn delete_if(&self, id: &str, precondition: Precondition) -> Result<(), Error> {
        self.delete_as(id, Some(precondition)).await
    }

    async fn delete_as(&self, id: &str, asked: Option<Precondition>) -> Result<(), Error> {
        let location = self.collection.location(id, None)?;
        let path = location.document();
        if !self.collection.indexes().unique {
            let write = Write { precondition: asked, ..Write::delete(path.clone()) };
            return self.collection.commit(vec![write]).await.map(drop);
        }
        let asked_nothing = asked.is_none();
        let how = Guarded {
            location: &location,
            ring: None,
            opener: None,
            asked,
            after: &Claims::new(),
            changes: &|_| true,
            read: None,
        };
        let result = write_guarded(&self.collection, how, |_| Ok(Write::delete(path.clone()))).await;
        deleted(&self.collection, path, asked_nothing, result).await
    }
}

/// What a save with keys has, and one without has not.
pub(super) struct Keyed<'a> {
    pub(super) tokens: Tokens,
    pub(super) ring: &'a KeyRing,
    pub(super) opener: &'a Opener,
}

/// Puts what changed into the document that `stored` was read from, its index tokens too. Without a key
/// they stay as they are.
pub(super) async fn save<T: Document, V>(
    collection: &Collection<T>,
    stored: &mut Stored<V>,
    mut sealed: T::Sealed,
    keyed: Option<Keyed<'_>>,
) -> Result<(), Error> {
    let location = stored.location().clone();
    let path = location.document();
    if location != collection.location(path.id(), T::sealed_scope(&sealed))?
        || T::sealed_id(&sealed) != path.id()
    {
        return Err(Error::OtherId { document: path.clone(), field: T::ID_FIELD });
    }
    let read = stored.document();
    is_known_state(collection, read).await?;
    let anew = !sealed_anew::<T>(Some(read), &mut sealed)?.is_empty();
    let mut fields = carry::<T>(collection, read, sealed)?;
    let seals = T::SEAL.is_some() && keyed.is_some();
    if !anew && (seals || !same_fields(&fields, &read.fields)) {
        outcome::mark(&mut fields)?;
    }
    let unchanged = unchanged(Some(read));
    let indexes = collection.indexes();
    let update_time = match keyed {
        None => {
            let same = |path: &[String]| same_at(&read.fields, &fields, path);
            if let Some(field) = T::SEAL.and_then(|_| covered_change(&read.fields, &fields)) {
                return Err(Error::Covered { document: path.clone(), field });
            }
            if let Some(index) = indexes.compound(&|path| !same(path)) {
                return Err(Error::PartOfIndex { index: index.to_owned(), missing: Vec::new() });
            }
            let write = Write::set(path.clone(), fields.clone()).with_precondition(unchanged);
            collection.commit(vec![write]).await?
        }
        Some(Keyed { tokens: Tokens { entries, unique, closed }, ring, opener }) => {
            let changes = |name: &str| {
                !closed.contains(name) && (is_known::<T>(indexes, name) || entries.contains_key(name))
            };
            seal_map::replace(&mut fields, changes, entries.clone());
            let write = opener.resealed(collection, Some(read), Write::set(path.clone(), fields)).await?;
            fields = match &write.kind {
                WriteKind::Set { fields, .. } => fields.clone(),
                WriteKind::Delete => Fields::new(),
            };
            // A field may have been unique before.
            if indexes.unique || !held(read, indexes, changes).is_empty() {
                let how = Guarded {
                    location: &location,
                    ring: Some(ring),
                    opener: None,
                    asked: Some(unchanged),
                    after: &unique,
                    changes: &changes,
                    read: Some(Some(read.clone())),
                };
                write_guarded(collection, how, |_| Ok(write.clone())).await?
            } else {
                collection.commit(vec![write.with_precondition(unchanged)]).await?
            }
        }
    };
    let document = stored.document_mut();
    document.fields = fields;
    document.update_time = update_time;
    Ok(())
}

/// What was saved in a batch or a transaction has no update time any more, so that nothing tells what others
/// wrote since. Only the same transaction may write it again.
async fn is_known_state<T: Document>(collection: &Collection<T>, read: &RawDocument) -> Result<(), Error> {
    if read.update_time.is_some() {
        return Ok(());
    }
    if collection.in_transaction() {
        let now = collection.read_raw(std::slice::from_ref(&read.path), None).await?.pop().flatten();
        if now.is_some_and(|now| now.update_time.is_none() && same_fields(&now.fields, &read.fields)) {
            return Ok(());
        }
    }
    let reason = "it was saved in a batch or a transaction since it was read".to_owned();
    Err(StoreError::Conflict { document: read.path.to_string(), reason }.into())
}

/// A field that is not as the document seal, which cannot be made anew here, has it.
fn covered_change(read: &Fields, fields: &Fields) -> Option<String> {
    let unbound = document_seal::unbound(read)?;
    let names = read.keys().chain(fields.keys());
    let mut covered = names.filter(|name| *name != SEAL && !contains(&unbound, name));
    covered.find(|name| !same_at(read, fields, std::slice::from_ref(*name))).cloned()
}

fn same_at(one: &Fields, another: &Fields, path: &[String]) -> bool {
    match (value_at(one, path), value_at(another, path)) {
        (Some(one), Some(another)) => same(one, another),
        (one, another) => one.is_none() && another.is_none(),
    }
}
