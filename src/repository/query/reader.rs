//! What becomes of the documents that a query gives: opened, as companions, or a part of them.

use std::sync::Arc;

use async_trait::async_trait;

use crate::bytes::Location;
use crate::error::Error;
use crate::query::Node;
use crate::repository::collection::Collection;
use crate::repository::opener::{Found, Opener, keys_in, keys_of};
use crate::repository::stored::Stored;
use crate::seal::Document;
use crate::store::{Document as RawDocument, From, StoreError, matches};

/// Documents at their places: `None` for one that does not fulfil the condition.
pub(super) type Read<I> = Vec<Result<Option<I>, Error>>;

/// Reads what the database gave.
#[async_trait]
pub(super) trait Reader: Send + Sync + 'static {
    type Item: Send + 'static;

    /// # Errors
    /// The keys cannot be had; what is wrong with one document stands at its place.
    async fn read(
        &self,
        documents: Vec<RawDocument>,
        from: &From,
        check: Option<&Node>,
    ) -> Result<Read<Self::Item>, Error>;
}

/// Documents, opened.
pub(super) struct Opened<T> {
    pub(super) collection: Collection<T>,
    pub(super) opener: Opener,
}

/// Companions.
pub(super) struct Companions<T> {
    pub(super) collection: Collection<T>,
}

/// Parts of documents.
pub(super) struct Parts<T> {
    pub(super) collection: Collection<T>,
    /// `None` where no sealed field is asked for.
    pub(super) opener: Option<Opener>,
}

/// A part of a document, and the keys that it names.
pub(super) struct Part {
    pub(super) document: RawDocument,
    pub(super) location: Location,
    pub(super) found: Arc<Found>,
}

#[async_trait]
impl<R: Reader + ?Sized> Reader for Arc<R> {
    type Item = R::Item;

    async fn read(
        &self,
        documents: Vec<RawDocument>,
        from: &From,
        check: Option<&Node>,
    ) -> Result<Read<R::Item>, Error> {
        (**self).read(documents, from, check).await
    }
}

#[async_trait]
impl<T: Document + Send + Sync + 'static> Reader for Opened<T> {
    type Item = Stored<T>;

    async fn read(
        &self,
        documents: Vec<RawDocument>,
        from: &From,
        check: Option<&Node>,
    ) -> Result<Read<Stored<T>>, Error> {
        let mut companions: Vec<_> =
            documents.into_iter().map(|document| companion(&self.collection, from, document)).collect();
        let keys = companions.iter_mut().flatten().flat_map(keys_of::<T>).collect();
        let found = self.opener.find(keys).await?;
        let seals = self.opener.find_seals::<T>(companions.iter().flatten()).await?;
        let open = |stored: Result<Stored<T::Sealed>, Error>| {
            let stored = stored?;
            self.opener.verify::<T, _>(&stored, &seals)?;
            let fulfils =
                check.map(|node| self.opener.check(node, stored.document(), stored.location(), &found));
            if fulfils.transpose()? == Some(false) {
                return Ok(None);
            }
            self.opener.open_verified::<T>(stored, &found).map(Some)
        };
        Ok(companions.into_iter().map(open).collect())
    }
}

#[async_trait]
impl<T: Document + 'static> Reader for Companions<T> {
    type Item = Stored<T::Sealed>;

    async fn read(
        &self,
        documents: Vec<RawDocument>,
        from: &From,
        check: Option<&Node>,
    ) -> Result<Read<Stored<T::Sealed>>, Error> {
        let read = |document: RawDocument| match check.is_none_or(|node| in_clear(node, &document)) {
            true => companion(&self.collection, from, document).map(Some),
            false => Ok(None),
        };
        Ok(documents.into_iter().map(read).collect())
    }
}

#[async_trait]
impl<T: Document + 'static> Reader for Parts<T> {
    type Item = Part;

    async fn read(
        &self,
        documents: Vec<RawDocument>,
        from: &From,
        check: Option<&Node>,
    ) -> Result<Read<Part>, Error> {
        let placed: Vec<_> = documents
            .into_iter()
            .map(|document| {
                held(from, &document)?;
                let location = match self.opener {
                    Some(_) => self.collection.location_of_part(&document)?,
                    None => self.collection.location_at(document.path.clone(), None)?,
                };
                Ok::<_, Error>((document, location))
            })
            .collect();
        let found = match &self.opener {
            Some(opener) => {
                let keys = placed.iter().flatten();
                let keys = keys.flat_map(|(document, location)| keys_in(&document.fields, location.scope()));
                opener.find(keys.collect()).await?
            }
            None => Found::new(),
        };
        let found = Arc::new(found);
        let read = |placed: Result<(RawDocument, Location), Error>| {
            let (document, location) = placed?;
            let fulfils = match (check, &self.opener) {
                (None, _) => true,
                (Some(node), Some(opener)) => opener.check(node, &document, &location, &found)?,
                (Some(node), None) => in_clear(node, &document),
            };
            Ok(fulfils.then(|| Part { document, location, found: Arc::clone(&found) }))
        };
        Ok(placed.into_iter().map(read).collect())
    }
}

fn companion<T: Document>(
    collection: &Collection<T>,
    from: &From,
    document: RawDocument,
) -> Result<Stored<T::Sealed>, Error> {
    held(from, &document)?;
    collection.companion(document)
}

/// The database may only answer with documents of where it was asked to look.
fn held(from: &From, document: &RawDocument) -> Result<(), Error> {
    if from.holds(&document.path) {
        return Ok(());
    }
    let reason = format!("{} does not stand where the query looks", document.path);
    Err(StoreError::UnexpectedAnswer { reason }.into())
}

/// Whether a document fulfils conditions on clear fields alone.
fn in_clear(node: &Node, document: &RawDocument) -> bool {
    match node {
        Node::All(nodes) => nodes.iter().all(|node| in_clear(node, document)),
        Node::Any(nodes) => nodes.iter().any(|node| in_clear(node, document)),
        Node::Clear(filter) => matches(filter, document),
        Node::Indexed(_) | Node::Never | Node::Wrong(_) => false,
    }
}
