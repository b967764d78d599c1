//! A value together with the document that it was read from.

use std::fmt;
use std::ops::{Deref, DerefMut};

use super::document_seal::{self, Demands};
use super::opener::{look_up, vouching};
use crate::bytes::Location;
use crate::keys::KeyProvider;
use crate::seal::{Companion, OpenError, Partial, Sealable, key_ids, partial_with, resolve};
use crate::store::{Document as RawDocument, Time};

/// A value that was read, with its location, its times, and every stored field, also those that the
/// type does not know: so that saving it loses nothing.
///
/// It dereferences to the value. The location is the one that was asked for.
#[derive(Clone)]
pub struct Stored<T> {
    value: T,
    location: Location,
    document: RawDocument,
}

impl<T> Stored<T> {
    pub(super) fn new(value: T, location: Location, document: RawDocument) -> Self {
        Self { value, location, document }
    }

    /// Where the document was read.
    #[must_use]
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// The document's id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.location.document().id()
    }

    /// When the document was created, by the database's clock.
    #[must_use]
    pub fn create_time(&self) -> Option<Time> {
        self.document.create_time
    }

    /// When the document was last changed, by the database's clock. A write with
    /// [`Precondition::UpdatedAt`](crate::store::Precondition::UpdatedAt) of it is refused if the
    /// document has changed since.
    #[must_use]
    pub fn update_time(&self) -> Option<Time> {
        self.document.update_time
    }

    /// The revision in the document seal: one more with each write. Verified if the document was opened as an
    /// authenticated type; `None` of a document without a seal.
    #[must_use]
    pub fn revision(&self) -> Option<u64> {
        document_seal::revision(&self.document.fields)
    }

    /// The document as it was read, value for value.
    #[must_use]
    pub fn document(&self) -> &RawDocument {
        &self.document
    }

    /// The value alone.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.value
    }

    pub(super) fn document_mut(&mut self) -> &mut RawDocument {
        &mut self.document
    }

    pub(super) fn try_map<U, E>(
        self,
        map: impl FnOnce(T, &Location) -> Result<U, E>,
    ) -> Result<Stored<U>, E> {
        let value = map(self.value, &self.location)?;
        Ok(Stored { value, location: self.location, document: self.document })
    }
}

impl<S: Companion> Stored<S> {
    /// Opens every sensitive field, or none: the one way from ciphertext to values. A document of an
    /// authenticated type is verified as it was read.
    ///
    /// # Errors
    /// [`OpenError::Fields`] names each field that does not open, and why; [`OpenError::Document`] of an
    /// authenticated document that does not verify; [`OpenError::Keys`] if the keys cannot be had.
    pub async fn open<K: KeyProvider + ?Sized>(self, keys: &K) -> Result<S::Open, OpenError> {
        self.verify(keys).await?;
        self.value.open_at(&self.location, keys).await
    }

    /// Verifies a document of an authenticated type as it was read, and opens nothing: before its companion is
    /// taken elsewhere, into a message say. Of any other type there is nothing to verify.
    ///
    /// # Errors
    /// [`OpenError::Document`] if it does not verify; [`OpenError::Keys`] if the keys cannot be had.
    pub async fn verify<K: KeyProvider + ?Sized>(&self, keys: &K) -> Result<(), OpenError> {
        let Some(info) = S::Open::SEAL else { return Ok(()) };
        let (fields, location) = (&self.document.fields, &self.location);
        let wanted = document_seal::key_id(fields).map(|id| (location.scope().clone(), id));
        let seals = vouching(keys, wanted.into_iter().collect()).await?;
        document_seal::verify(&info, fields, location, look_up(&seals, location), &Demands::default())
            .map(drop)
            .map_err(|cause| OpenError::Document { location: location.clone(), cause })
    }

    /// Opens what opens. A field that does not is kept byte for byte: see
    /// [`Repository::save_partial`](super::Repository::save_partial). A document of an authenticated type is
    /// verified as a whole all the same.
    ///
    /// # Errors
    /// [`OpenError::Keys`] if the keys cannot be had; [`OpenError::Document`] of an authenticated document that
    /// does not verify; a field that does not open is no error here.
    pub async fn open_partial<K: KeyProvider + ?Sized>(
        self,
        keys: &K,
    ) -> Result<Stored<Partial<S::Open>>, OpenError> {
        self.verify(keys).await?;
        self.open_partial_unverified(keys).await
    }

    /// As [`open_partial`](Self::open_partial), without verifying a document of an authenticated type: whoever
    /// writes the database may have changed anything in it that is not sealed by itself. It cannot be saved.
    ///
    /// # Errors
    /// [`OpenError::Keys`] if the keys cannot be had.
    pub async fn open_partial_unverified<K: KeyProvider + ?Sized>(
        mut self,
        keys: &K,
    ) -> Result<Stored<Partial<S::Open>>, OpenError> {
        let ids = key_ids::<S::Open>(&mut self.value);
        let found = resolve(keys, self.location.scope(), ids).await?;
        self.try_map(|sealed, location| Ok(partial_with::<S::Open>(sealed, location, &found)))
    }
}

impl<T> Deref for Stored<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Stored<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Stored<T> {
    // The document's values may be plaintext that stands where a sealed value belongs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored")
            .field("location", &self.location)
            .field("value", &self.value)
            .finish_non_exhaustive()
    }
}
