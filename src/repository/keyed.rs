//! The repository with keys: writes seal, reads open.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;

use super::carry::carry;
use super::collection::{Collection, known_names};
use super::keyless::save;
use super::list::List;
use super::parallel;
use super::stored::Stored;
use crate::bytes::{DocumentPath, KeyId, LocationError, Scope};
use crate::error::Error;
use crate::keys::{KeyLookup, KeyProvider};
use crate::seal::{Document, Partial, PlaintextWindow, key_ids, open_with, resolve_all};
use crate::store::{FieldMask, Fields, Precondition, Store, Time, WriteKind};

/// How often [`Repository::modify`] reads and tries again when others write in between.
const MODIFY_ATTEMPTS: u32 = 10;

/// The documents of one type in one collection: writes seal every sensitive field, reads open them.
///
/// Cloning is cheap. The id of a document is chosen by the program: it is bound into each
/// ciphertext, so it has to be known before sealing.
pub struct Repository<T> {
    collection: Collection<T>,
    keys: Arc<dyn KeyProvider>,
    window: Option<Arc<PlaintextWindow>>,
}

impl<T> Clone for Repository<T> {
    fn clone(&self) -> Self {
        Self {
            collection: self.collection.clone(),
            keys: Arc::clone(&self.keys),
            window: self.window.clone(),
        }
    }
}

impl<T: Document + Send + Sync + 'static> Repository<T> {
    /// The documents of the type's collection, in the default scope.
    ///
    /// # Panics
    /// If a hand-written `T::COLLECTION` is not the path of a collection.
    #[must_use]
    pub fn new(store: impl Store + 'static, keys: impl KeyProvider + 'static) -> Self {
        Self { collection: Collection::new(Arc::new(store)), keys: Arc::new(keys), window: None }
    }

    /// The collection below a document, such as `tenants/acme`.
    ///
    /// # Errors
    /// Not the path of a document.
    pub fn under(self, parent: &str) -> Result<Self, LocationError> {
        Ok(Self { collection: self.collection.under(parent)?, ..self })
    }

    /// Whose keys seal the documents.
    #[must_use]
    pub fn with_scope(self, scope: Scope) -> Self {
        Self { collection: self.collection.with_scope(scope), ..self }
    }

    /// A realm that keeps this deployment's ciphertexts apart from another's, such as `staging`.
    ///
    /// # Errors
    /// An empty or too long realm.
    pub fn with_realm(self, realm: impl Into<String>) -> Result<Self, LocationError> {
        Ok(Self { collection: self.collection.with_realm(realm.into())?, ..self })
    }

    /// Accepts plaintext in the window's fields while it is open, for a collection that is being
    /// sealed: in everything that reads and opens but [`get_partial`](Self::get_partial), which keeps
    /// plaintext closed. See what that costs: [`PlaintextWindow`].
    #[must_use]
    pub fn dangerously_accept_plaintext(self, window: Arc<PlaintextWindow>) -> Self {
        Self { window: Some(window), ..self }
    }

    /// Creates a document.
    ///
    /// # Errors
    /// A conflict if it exists already.
    pub async fn create(&self, value: &T) -> Result<Option<Time>, Error> {
        let (path, fields) = self.seal(value).await?;
        let kind = WriteKind::Set { fields, mask: None };
        self.collection.write(path, kind, Some(Precondition::Exists(false))).await
    }

    /// Writes every field of the type, creating the document if need be. A field is replaced whole;
    /// stored fields that the type does not have stay. To keep unknown fields inside maps and arrays
    /// too, use [`modify`](Self::modify) or [`save`](Self::save).
    ///
    /// # Errors
    /// The document cannot be sealed, or the database cannot be reached.
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
    /// stay as they are.
    ///
    /// # Errors
    /// [`Error::NoSuchField`]; not found if the document does not exist.
    pub async fn update(&self, value: &T, fields: &[&str]) -> Result<Option<Time>, Error> {
        self.update_if(value, fields, Precondition::Exists(true)).await
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
        let (path, mut fields) = self.seal(value).await?;
        let mut mask = Vec::new();
        for name in names {
            match T::FIELDS.iter().find(|field| field.name == *name && field.written) {
                Some(field) => mask.extend(std::iter::once(field.name).chain(field.aliases.iter().copied())),
                None if fields.contains_key(*name) => mask.push(name),
                None => {
                    let known = T::FIELDS.iter().map(|field| field.name).collect();
                    return Err(Error::NoSuchField { field: (*name).to_owned(), known });
                }
            }
        }
        fields.retain(|name, _| names.contains(&name.as_str()));
        let kind = WriteKind::Set { fields, mask: Some(names_mask(mask)) };
        self.collection.write(path, kind, Some(precondition)).await
    }

    /// Reads and opens one document; `None` where there is none.
    ///
    /// # Errors
    /// [`Error::Open`] if a field does not open: it is all or nothing.
    pub async fn get(&self, id: &str) -> Result<Option<T>, Error> {
        Ok(self.get_stored(id).await?.map(Stored::into_inner))
    }

    /// Reads and opens one document, with its times and the fields that the type does not know.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn get_stored(&self, id: &str) -> Result<Option<Stored<T>>, Error> {
        let sealed = self.collection.read(&[id]).await?;
        let opened = self.opener().open(sealed.into_iter().flatten().collect()).await?;
        Ok(opened.into_iter().next())
    }

    /// Reads and opens documents, in the order asked for; `None` for each that is not there.
    ///
    /// # Errors
    /// [`Error::Open`] for the first document that does not open.
    pub async fn get_many<I: AsRef<str>>(&self, ids: &[I]) -> Result<Vec<Option<Stored<T>>>, Error> {
        let ids: Vec<&str> = ids.iter().map(AsRef::as_ref).collect();
        let sealed = self.collection.read(&ids).await?;
        let present: Vec<bool> = sealed.iter().map(Option::is_some).collect();
        let opened = self.opener().open(sealed.into_iter().flatten().collect()).await?;
        let mut opened = opened.into_iter();
        Ok(present.into_iter().map(|present| if present { opened.next() } else { None }).collect())
    }

    /// Reads one document and opens what opens; a field that does not is kept byte for byte.
    ///
    /// # Errors
    /// The database or the keys cannot be had.
    pub async fn get_partial(&self, id: &str) -> Result<Option<Stored<Partial<T>>>, Error> {
        match self.collection.read(&[id]).await?.pop().flatten() {
            None => Ok(None),
            Some(sealed) => Ok(Some(sealed.open_partial(&*self.keys).await?)),
        }
    }

    /// Whether the document exists.
    ///
    /// # Errors
    /// The database cannot be reached.
    pub async fn exists(&self, id: &str) -> Result<bool, Error> {
        self.collection.exists(id).await
    }

    /// All documents, page by page or as a stream.
    pub fn list(&self) -> List<T, T> {
        let opener = self.opener();
        let open = move |page| {
            let opener = opener.clone();
            async move { opener.open(page).await }.boxed()
        };
        List::new(self.collection.clone(), Box::new(open))
    }

    /// Writes back what was read, as it is now: unknown fields survive at every depth. Only if the
    /// document is unchanged since; afterwards `stored` stands for the document as it is now.
    ///
    /// # Errors
    /// A conflict if the document has changed or gone since it was read.
    pub async fn save(&self, stored: &mut Stored<T>) -> Result<(), Error> {
        let ring = self.keys.ring(stored.location().scope()).await?;
        let sealed = stored.seal(stored.location(), &ring).map_err(|source| unsealed(stored, source))?;
        save::<T, _>(&self.collection, stored, sealed).await
    }

    /// Writes back what was opened in part: open fields are sealed anew, closed ones go back byte for
    /// byte, unknown fields survive. Only if the document is unchanged since.
    ///
    /// # Errors
    /// A conflict if the document has changed or gone since it was read.
    pub async fn save_partial(&self, stored: &mut Stored<Partial<T>>) -> Result<(), Error> {
        let ring = self.keys.ring(stored.location().scope()).await?;
        let sealed =
            T::seal_partial(stored, stored.location(), &ring).map_err(|source| unsealed(stored, source))?;
        save::<T, _>(&self.collection, stored, sealed).await
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
                Err(error) if error.is_conflict() && attempt < MODIFY_ATTEMPTS => {
                    pause(attempt).await;
                    attempt += 1;
                }
                result => return result.map(|()| Some(stored)),
            }
        }
    }

    /// Deletes a document; deleting an absent one is no error.
    ///
    /// # Errors
    /// The database cannot be reached.
    pub async fn delete(&self, id: &str) -> Result<(), Error> {
        self.collection.write(self.collection.path().document(id)?, WriteKind::Delete, None).await.map(drop)
    }

    /// Deletes a document if it is in the given state.
    ///
    /// # Errors
    /// A conflict if it is not.
    pub async fn delete_if(&self, id: &str, precondition: Precondition) -> Result<(), Error> {
        let path = self.collection.path().document(id)?;
        self.collection.write(path, WriteKind::Delete, Some(precondition)).await.map(drop)
    }

    async fn write_known(
        &self,
        value: &T,
        precondition: Option<Precondition>,
    ) -> Result<Option<Time>, Error> {
        if T::FLATTENED {
            return self.write_flattened(value, precondition).await;
        }
        let (path, fields) = self.seal(value).await?;
        // A field without a value is deleted, and so is one under an old alias.
        let mask = Some(names_mask(known_names::<T>()));
        self.collection.write(path, WriteKind::Set { fields, mask }, precondition).await
    }

    /// Only the stored document tells which flattened fields the value no longer has.
    async fn write_flattened(
        &self,
        value: &T,
        precondition: Option<Precondition>,
    ) -> Result<Option<Time>, Error> {
        let location = self.collection.location(value.id(), value.scope())?;
        let path = location.document().clone();
        let mut attempt = 1;
        loop {
            let ring = self.keys.ring(location.scope()).await?;
            let sealed = value
                .seal(&location, &ring)
                .map_err(|source| Error::Seal { document: path.clone(), source })?;
            let read = self.collection.read_raw(std::slice::from_ref(&path), None).await?.pop().flatten();
            let (fields, unchanged) = match &read {
                None => (self.collection.encode(&path, &sealed)?, Precondition::Exists(false)),
                Some(read) => (
                    carry::<T>(&self.collection, read, sealed)?,
                    read.update_time.map_or(Precondition::Exists(true), Precondition::UpdatedAt),
                ),
            };
            let sent = match &precondition {
                Some(asked @ Precondition::UpdatedAt(_)) => asked.clone(),
                Some(Precondition::Exists(asked)) if *asked != read.is_some() => Precondition::Exists(*asked),
                _ => unchanged.clone(),
            };
            let again = sent == unchanged && attempt < MODIFY_ATTEMPTS;
            let kind = WriteKind::Set { fields, mask: None };
            match self.collection.write(path.clone(), kind, Some(sent)).await {
                Err(error) if again && error.is_conflict() => {
                    pause(attempt).await;
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    async fn seal(&self, value: &T) -> Result<(DocumentPath, Fields), Error> {
        let location = self.collection.location(value.id(), value.scope())?;
        let ring = self.keys.ring(location.scope()).await?;
        let path = location.document().clone();
        let sealed =
            value.seal(&location, &ring).map_err(|source| Error::Seal { document: path.clone(), source })?;
        let fields = self.collection.encode(&path, &sealed)?;
        Ok((path, fields))
    }

    fn opener(&self) -> Opener {
        Opener { keys: Arc::clone(&self.keys), window: self.window.clone() }
    }
}

/// Opens companions: one question for all their keys.
#[derive(Clone)]
struct Opener {
    keys: Arc<dyn KeyProvider>,
    window: Option<Arc<PlaintextWindow>>,
}

impl Opener {
    async fn open<T: Document + Send + 'static>(
        &self,
        mut sealed: Vec<Stored<T::Sealed>>,
    ) -> Result<Vec<Stored<T>>, Error> {
        let mut wanted: Vec<(Scope, KeyId)> = Vec::new();
        for stored in &mut sealed {
            let scope = stored.location().scope().clone();
            wanted.extend(key_ids::<T>(stored).into_iter().map(|id| (scope.clone(), id)));
        }
        wanted.sort_unstable();
        wanted.dedup();
        let found = resolve_all(&*self.keys, wanted).await?;
        let window = self.window.clone();
        parallel::try_map(sealed, move |stored: Stored<T::Sealed>| {
            let opened = stored.try_map(|sealed, location| {
                let look_up = |id: &KeyId| {
                    let key = found.get(&(location.scope().clone(), *id));
                    key.cloned().unwrap_or(KeyLookup::Unknown)
                };
                open_with::<T>(sealed, location, &look_up, window.as_deref())
            });
            opened.map_err(Error::from)
        })
        .await
    }
}

/// Lets others go first: up to 20 milliseconds for each attempt so far.
async fn pause(attempt: u32) {
    let random = getrandom::u32().unwrap_or_default() % 20;
    tokio::time::sleep(Duration::from_millis(u64::from(attempt * random))).await;
}

fn names_mask<N: Into<String>>(names: impl IntoIterator<Item = N>) -> FieldMask {
    FieldMask::new(names.into_iter().map(|name| vec![name.into()]).collect())
}

fn unsealed<V>(stored: &Stored<V>, source: crate::seal::SealError) -> Error {
    Error::Seal { document: stored.location().document().clone(), source }
}
