//! The repository with keys: which documents, under which keys; its reads open, its writes seal.

use std::sync::Arc;

use futures::FutureExt;

use super::collection::Collection;
use super::document_seal::Demands;
use super::floor::RevisionFloor;
use super::list::List;
use super::opener::Opener;
use super::stored::Stored;
use crate::bytes::{LocationError, Scope};
use crate::error::Error;
use crate::keys::KeyProvider;
use crate::query::Queryable;
use crate::seal::{AdoptionWindow, Document, OpenError, Partial, PlaintextWindow, Unauthentic};
use crate::store::Store;

/// The documents of one type in one collection: writes seal every sensitive field, reads open them.
///
/// Cloning is cheap. The id of a document is chosen by the program: it is bound into each
/// ciphertext, so it has to be known before sealing.
pub struct Repository<T> {
    pub(super) collection: Collection<T>,
    pub(super) keys: Arc<dyn KeyProvider>,
    pub(super) window: Option<Arc<PlaintextWindow>>,
    pub(super) demands: Demands,
}

impl<T> Clone for Repository<T> {
    fn clone(&self) -> Self {
        Self {
            collection: self.collection.clone(),
            keys: Arc::clone(&self.keys),
            window: self.window.clone(),
            demands: self.demands.clone(),
        }
    }
}

impl<T: Document + Send + Sync + 'static> Repository<T> {
    /// The documents of the type's collection, in the default scope.
    ///
    /// # Panics
    /// If a hand-written `T::COLLECTION` is not the path of a collection.
    #[must_use]
    pub fn new(store: impl Store + 'static, keys: impl KeyProvider + 'static) -> Self
    where
        T: Queryable,
    {
        let (collection, demands) = (Collection::new(Arc::new(store)), Demands::default());
        Self { collection, keys: Arc::new(keys), window: None, demands }
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

    /// Accepts documents without a document seal while the window is open, for a collection of an
    /// authenticated type that was written without. See what that costs: [`AdoptionWindow`].
    #[must_use]
    pub fn dangerously_accept_unsealed(mut self, window: Arc<AdoptionWindow>) -> Self {
        self.demands.adoption = Some(window);
        self
    }

    /// Refuses documents of an authenticated type whose revision is below what the caller knows.
    #[must_use]
    pub fn with_floor(mut self, floor: Arc<RevisionFloor>) -> Self {
        self.demands.floor = Some(floor);
        self
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
        Ok(self.opener().open(sealed).await?.pop().flatten())
    }

    /// Reads and opens one document of an authenticated type that has had this revision before; `None` where
    /// there is none, for nothing tells a deletion from an attack.
    ///
    /// # Errors
    /// [`Error::Open`] of a document with an earlier revision; as [`get`](Self::get) otherwise.
    pub async fn get_at_least(&self, id: &str, revision: u64) -> Result<Option<Stored<T>>, Error> {
        let floor = revision;
        let stored = self.get_stored(id).await?;
        if let Some(stored) = &stored {
            let revision = stored.revision().unwrap_or_default();
            if revision < floor {
                let (location, cause) = (stored.location().clone(), Unauthentic::Older { revision, floor });
                return Err(Error::Open(OpenError::Document { location, cause }));
            }
        }
        Ok(stored)
    }

    /// Reads and opens documents, in the order asked for; `None` for each that is not there.
    ///
    /// # Errors
    /// [`Error::Open`] for the first document that does not open.
    pub async fn get_many<I: AsRef<str>>(&self, ids: &[I]) -> Result<Vec<Option<Stored<T>>>, Error> {
        let ids: Vec<&str> = ids.iter().map(AsRef::as_ref).collect();
        let sealed = self.collection.read(&ids).await?;
        self.opener().open(sealed).await
    }

    /// Reads one document and opens what opens; a field that does not is kept byte for byte. One of an
    /// authenticated type is verified as a whole all the same.
    ///
    /// # Errors
    /// The database or the keys cannot be had; [`Error::Open`] of an authenticated document that does not
    /// verify.
    pub async fn get_partial(&self, id: &str) -> Result<Option<Stored<Partial<T>>>, Error> {
        match self.collection.read(&[id]).await?.pop().flatten() {
            None => Ok(None),
            Some(sealed) => Ok(Some(self.opener().open_partial::<T>(sealed).await?)),
        }
    }

    /// As [`get_partial`](Self::get_partial), without verifying a document of an authenticated type: whoever
    /// writes the database may have changed anything in it that is not sealed by itself. It cannot be saved.
    ///
    /// # Errors
    /// The database or the keys cannot be had.
    pub async fn get_partial_unverified(&self, id: &str) -> Result<Option<Stored<Partial<T>>>, Error> {
        match self.collection.read(&[id]).await?.pop().flatten() {
            None => Ok(None),
            Some(sealed) => Ok(Some(sealed.open_partial_unverified(&*self.keys).await?)),
        }
    }

    /// Whether the document exists; nothing of it is verified.
    ///
    /// # Errors
    /// The database cannot be reached.
    pub async fn exists(&self, id: &str) -> Result<bool, Error> {
        self.collection.exists(id).await
    }

    /// All documents, page by page or as a stream.
    pub fn list(&self) -> List<T, T> {
        let opener = self.opener();
        let open = move |page: Vec<Stored<T::Sealed>>| {
            let opener = opener.clone();
            async move {
                let opened = opener.open(page.into_iter().map(Some).collect()).await?;
                Ok(opened.into_iter().flatten().collect())
            }
            .boxed()
        };
        List::new(self.collection.clone(), Box::new(open))
    }

    pub(super) fn opener(&self) -> Opener {
        let (keys, demands) = (Arc::clone(&self.keys), self.demands.clone());
        Opener { keys, window: self.window.clone(), demands }
    }
}
