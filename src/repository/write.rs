//! The writes of the repository with keys: whole documents, and what was read.

use std::collections::BTreeSet;

use super::carry::{carry, is_sealed};
use super::change::Change;
use super::collection::{decode_companion, known_names};
use super::guarded::{ATTEMPTS, Guarded, deleted, pause, write_guarded};
use super::keyed::Repository;
use super::keyless::{Keyed, save};
use super::outcome;
use super::seal_map::{self, Tokens, entry_path, mark_path};
use super::stored::Stored;
use super::unique::Claims;
use crate::bytes::{DocumentPath, Location};
use crate::error::Error;
use crate::keys::KeyRing;
use crate::seal::{Document, Index, Partial, SealError, Walk};
use crate::store::{Document as RawDocument, Fields, Precondition, Time, Write};

/// A document that is sealed and about to be written.
pub(super) struct Sealing<T: Document> {
    pub(super) location: Location,
    pub(super) ring: KeyRing,
    pub(super) sealed: T::Sealed,
    pub(super) tokens: Tokens,
}

impl<T: Document + Send + Sync + 'static> Repository<T> {
    /// Creates a document, and reserves its unique values.
    ///
    /// # Errors
    /// A conflict if it exists already; [`Error::Taken`] if another document has one of its unique values.
    pub async fn create(&self, value: &T) -> Result<Option<Time>, Error> {
        let Sealing { location, ring, mut sealed, mut tokens } = self.seal(value).await?;
        let path = location.document().clone();
        let mut fields = self.collection.encode(&path, &sealed)?;
        if !is_sealed::<T>(&mut sealed) {
            outcome::mark(&mut fields)?;
        }
        seal_map::add_entries(&mut fields, std::mem::take(&mut tokens.entries));
        let write = self.opener().resealed(&self.collection, None, Write::set(path, fields)).await?;
        if tokens.unique.is_empty() {
            let write = write.with_precondition(Precondition::Exists(false));
            return self.collection.commit(vec![write]).await;
        }
        let how = Guarded {
            location: &location,
            ring: Some(&ring),
            opener: None,
            asked: Some(Precondition::Exists(false)),
            after: &tokens.unique,
            changes: &|_| true,
            read: Some(None),
        };
        write_guarded(&self.collection, how, |_| Ok(write.clone())).await
    }

    /// Writes every field of the type, creating the document if need be. A field is replaced whole;
    /// stored fields that the type does not have stay, and so do their index tokens. To keep unknown fields
    /// inside maps and arrays too, use [`modify`](Self::modify) or [`save`](Self::save).
    ///
    /// # Errors
    /// [`Error::Taken`] if another document has one of its unique values; the document cannot be sealed, or
    /// the database cannot be reached.
    pub async fn set(&self, value: &T) -> Result<Option<Time>, Error> {
        self.write_known(value, None).await
    }

    /// As [`set`](Self::set), if the document is in the given state.
    ///
    /// # Errors
    /// A conflict if it is not.
    pub async fn set_if(&self, value: &T, precondition: Precondition) -> Result<Option<Time>, Error> {
        self.write_known(value, Some(precondition)).await
    }

    /// Writes only the named fields, by their stored names, of a document that exists. All others
    /// stay as they are. Of a compound index all fields are named, or none.
    ///
    /// # Errors
    /// [`Error::NoSuchField`], [`Error::PartOfIndex`], [`Error::Taken`]; not found if the document does not
    /// exist.
    pub async fn update(&self, value: &T, fields: &[&str]) -> Result<Option<Time>, Error> {
        self.change(value.id()).write(value, fields).run().await
    }

    /// As [`update`](Self::update), if the document is in the given state.
    ///
    /// # Errors
    /// A conflict if it is not.
    pub async fn update_if(
        &self,
        value: &T,
        names: &[&str],
        precondition: Precondition,
    ) -> Result<Option<Time>, Error> {
        self.change(value.id()).write(value, names).only_if(precondition).run().await
    }

    /// Deletes single fields of a document that exists, by their stored names, with their index tokens and
    /// reservations. The document must still be one of the type without them: delete what is an `Option` or
    /// has a default.
    ///
    /// # Errors
    /// [`Error::NoSuchField`]; not found if the document does not exist.
    pub async fn delete_fields(&self, id: &str, names: &[&str]) -> Result<Option<Time>, Error> {
        self.change(id).delete_named(names).run().await
    }

    /// As [`delete_fields`](Self::delete_fields), if the document is in the given state.
    ///
    /// # Errors
    /// A conflict if it is not.
    pub async fn delete_fields_if(
        &self,
        id: &str,
        names: &[&str],
        precondition: Precondition,
    ) -> Result<Option<Time>, Error> {
        self.change(id).delete_named(names).only_if(precondition).run().await
    }

    /// Changes fields of a document that exists: sets and deletes clear ones, lets the database transform
    /// them, and writes sealed ones, all in one write. See [`Change`].
    pub fn change<'a>(&'a self, id: &str) -> Change<'a, T> {
        Change::new(self, id)
    }

    /// Writes back what was read, as it is now: unknown fields survive at every depth. Only if the
    /// document is unchanged since; afterwards `stored` stands for the document as it is now.
    ///
    /// # Errors
    /// A conflict if the document has changed or gone since it was read, or was saved in a batch or a
    /// transaction since; [`Error::Taken`].
    pub async fn save(&self, stored: &mut Stored<T>) -> Result<(), Error> {
        let location = stored.location().clone();
        let ring = self.keys.ring(location.scope()).await?;
        let sealed = stored.seal(&location, &ring).map_err(|source| unsealed(&location, source))?;
        let tokens = tokens::<T>(&location, &ring, |walk| stored.index(walk))?;
        let keyed = Keyed { tokens, ring: &ring, opener: &self.opener() };
        save::<T, _>(&self.collection, stored, sealed, Some(keyed)).await
    }

    /// Writes back what was opened in part: open fields are sealed anew, closed ones go back byte for
    /// byte with their index tokens, unknown fields survive. Only if the document is unchanged since.
    ///
    /// # Errors
    /// A conflict if the document has changed or gone since it was read; [`Error::Taken`].
    pub async fn save_partial(&self, stored: &mut Stored<Partial<T>>) -> Result<(), Error> {
        let location = stored.location().clone();
        let ring = self.keys.ring(location.scope()).await?;
        let sealed =
            T::seal_partial(stored, &location, &ring).map_err(|source| unsealed(&location, source))?;
        let tokens = tokens::<T>(&location, &ring, |walk| T::index_partial(stored, walk))?;
        let keyed = Keyed { tokens, ring: &ring, opener: &self.opener() };
        save::<T, _>(&self.collection, stored, sealed, Some(keyed)).await
    }

    /// Reads a document, changes it, and writes it back, losing neither unknown fields nor what
    /// others write meanwhile: if they do, it is read and changed again. `None` where there is none.
    ///
    /// # Errors
    /// A conflict if others keep writing for 10 rounds; as [`get`](Self::get) and
    /// [`save`](Self::save) otherwise.
    pub async fn modify(
        &self,
        id: &str,
        mut change: impl FnMut(&mut T) + Send,
    ) -> Result<Option<Stored<T>>, Error> {
        let mut attempt = 1;
        loop {
            let Some(mut stored) = self.get_stored(id).await? else { return Ok(None) };
            change(&mut stored);
            match self.save(&mut stored).await {
                Err(error) if error.is_conflict() && attempt < ATTEMPTS => {
                    pause(attempt).await;
                    attempt += 1;
                }
                result => return result.map(|()| Some(stored)),
            }
        }
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
        let path = self.collection.path().document(id)?;
        if !self.collection.indexes().unique {
            let write = Write { precondition: asked, ..Write::delete(path) };
            return self.collection.commit(vec![write]).await.map(drop);
        }
        let read = self.collection.read_raw(std::slice::from_ref(&path), None).await?.pop().flatten();
        let companion = read.as_ref().and_then(|read| decode_companion::<T>(read).ok());
        let location = self.collection.location(id, companion.as_ref().and_then(T::sealed_scope))?;
        // Keys may be gone for good, and their documents have to go all the same.
        let ring = self.keys.ring(location.scope()).await.ok();
        let asked_nothing = asked.is_none();
        let how = Guarded {
            location: &location,
            ring: ring.as_ref(),
            opener: None,
            asked,
            after: &Claims::new(),
            changes: &|_| true,
            read: Some(read),
        };
        let result = write_guarded(&self.collection, how, |_| Ok(Write::delete(path.clone()))).await;
        deleted(&self.collection, &path, asked_nothing, result).await
    }

    async fn write_known(&self, value: &T, asked: Option<Precondition>) -> Result<Option<Time>, Error> {
        let Sealing { location, ring, mut sealed, tokens } = self.seal(value).await?;
        let path = location.document();
        let anew = is_sealed::<T>(&mut sealed);
        let indexes = self.collection.indexes();
        if !T::FLATTENED && !indexes.unique && !indexes.open && T::SEAL.is_none() {
            let write = self.known(path, None, &sealed, &tokens, anew)?;
            return self.collection.commit(vec![Write { precondition: asked, ..write }]).await;
        }
        // Only the stored document tells which flattened fields the value no longer has, and what it held.
        let make = |read: Option<&RawDocument>| match read {
            Some(read) if T::FLATTENED => {
                let mut fields = carry::<T>(&self.collection, read, sealed.clone())?;
                seal_map::replace(&mut fields, |name| self.is_known(name), tokens.entries.clone());
                if !anew {
                    outcome::mark(&mut fields)?;
                }
                Ok(Write::set(path.clone(), fields))
            }
            None if T::FLATTENED => {
                let mut fields = self.collection.encode(path, &sealed)?;
                seal_map::add_entries(&mut fields, tokens.entries.clone());
                if !anew {
                    outcome::mark(&mut fields)?;
                }
                Ok(Write::set(path.clone(), fields))
            }
            read => self.known(path, read, &sealed, &tokens, anew),
        };
        let opener = self.opener();
        let how = Guarded {
            location: &location,
            ring: Some(&ring),
            opener: Some(&opener),
            asked,
            after: &tokens.unique,
            changes: &|name| self.is_known(name),
            read: None,
        };
        write_guarded(&self.collection, how, make).await
    }

    /// A write of all fields of a type without flattened ones.
    fn known(
        &self,
        path: &DocumentPath,
        read: Option<&RawDocument>,
        sealed: &T::Sealed,
        tokens: &Tokens,
        anew: bool,
    ) -> Result<Write, Error> {
        let mut fields = self.collection.encode(path, sealed)?;
        seal_map::add_entries(&mut fields, tokens.entries.clone());
        if !anew {
            outcome::mark(&mut fields)?;
        }
        // A field without a value is deleted, and so is one under an old alias.
        let stored = read.and_then(|read| seal_map::entries(&read.fields)).into_iter().flat_map(Fields::keys);
        let entries = stored.filter(|name| self.is_known(name)).chain(tokens.entries.keys());
        let more: BTreeSet<&String> = entries.filter(|name| !self.collection.indexes().has(name)).collect();
        let mark = (!anew).then(mark_path);
        let mask = self.collection.known(more.into_iter().map(|name| entry_path(name)).chain(mark).collect());
        Ok(Write::merge(path.clone(), fields, mask))
    }

    /// Whether an entry is of a field that the type has.
    fn is_known(&self, name: &str) -> bool {
        is_known::<T>(self.collection.indexes(), name)
    }

    pub(super) async fn seal(&self, value: &T) -> Result<Sealing<T>, Error> {
        let location = self.collection.location(value.id(), value.scope())?;
        let ring = self.keys.ring(location.scope()).await?;
        let sealed = value.seal(&location, &ring).map_err(|source| unsealed(&location, source))?;
        let tokens = tokens::<T>(&location, &ring, |walk| value.index(walk))?;
        Ok(Sealing { location, ring, sealed, tokens })
    }
}

/// Whether an entry is of a field that the type has.
pub(super) fn is_known<T: Document>(indexes: &seal_map::Indexes, name: &str) -> bool {
    indexes.has(name) || {
        let root = seal_map::root(name);
        known_names::<T>().any(|known| known == root)
    }
}

/// The tokens of a value that is to stand at a location.
pub(super) fn tokens<T: Document>(
    location: &Location,
    ring: &KeyRing,
    index: impl FnOnce(&mut Walk<Index>) -> Result<(), SealError>,
) -> Result<Tokens, Error> {
    if !T::INDEXED {
        return Ok(Tokens::default());
    }
    let mut walk = Walk::indexing();
    index(&mut walk).map_err(|source| unsealed(location, source))?;
    Tokens::of(&walk.into_terms(), ring, location)
}

fn unsealed(location: &Location, source: SealError) -> Error {
    Error::Seal { document: location.document().clone(), source }
}
