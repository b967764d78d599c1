//! Takes a destroyed scope's search data away: its reservations and its index tokens.

use futures::TryStreamExt;

use super::collection::decode_companion;
use super::keyless::SealedRepository;
use super::outcome;
use super::seal_map::{entries, entries_path};
use super::unique;
use crate::bytes::Scope;
use crate::error::Error;
use crate::seal::Document;
use crate::store::value::string_value;
use crate::store::{
    FieldMask, FieldRef, Fields, Filter, From, ListRequest, Op, Precondition, Query, StoreError, Write,
};

/// How many writes go into one commit.
const CHUNK: usize = 200;

/// What [`SealedRepository::forget_scope`] took away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Forgotten {
    /// Documents whose index tokens are gone.
    pub documents: u64,
    /// Reservations of unique values that are gone.
    pub reservations: u64,
}

impl<T: Document + 'static> SealedRepository<T> {
    /// Takes away what is left of a scope's indexes once its keys were destroyed: the index tokens of its
    /// documents in this collection, and all its reservations in the database. No key is needed, and
    /// nothing else of the documents changes. Tokens that stay behind still tell which values are equal
    /// to each other. To be called for each collection; again after an error.
    ///
    /// # Errors
    /// The database cannot be reached; a document is not of the type, so that it is not known
    /// whose keys sealed it.
    pub async fn forget_scope(&self, scope: &Scope) -> Result<Forgotten, Error> {
        Ok(Forgotten {
            documents: self.forget_tokens(scope).await?,
            reservations: self.forget_reservations(scope).await?,
        })
    }

    async fn forget_tokens(&self, scope: &Scope) -> Result<u64, Error> {
        let mut request = ListRequest {
            collection: self.collection.path().clone(),
            page_size: 300,
            page_token: None,
            mask: None,
        };
        let mut count = 0;
        loop {
            let page = self.collection.store().list(&request).await?;
            let mut writes = Vec::new();
            for document in page.documents.iter().filter(|document| entries(&document.fields).is_some()) {
                let companion = decode_companion::<T>(document)?;
                let named = T::sealed_scope(&companion);
                if self.collection.location(document.path.id(), named)?.scope() == scope {
                    let mask = FieldMask::new(vec![entries_path()]);
                    let write = Write::merge(document.path.clone(), Fields::new(), mask);
                    writes.push(write.with_precondition(Precondition::Exists(true)));
                }
            }
            count += self.apply(writes).await?;
            match page.next_page_token.filter(|token| !token.is_empty()) {
                Some(token) => request.page_token = Some(token),
                None => return Ok(count),
            }
        }
    }

    async fn forget_reservations(&self, scope: &Scope) -> Result<u64, Error> {
        let query = Query {
            filter: Some(Filter::Field {
                field: FieldRef::Path(vec![unique::SCOPE.to_owned()]),
                op: Op::Equal,
                value: string_value(scope.as_str()),
            }),
            mask: Some(FieldMask::default()),
            limit: Some(300),
            ..Query::new(From::Collection(unique::collection()))
        };
        let mut count = 0;
        loop {
            let found: Vec<_> = self.collection.store().query(&query, None).await?.try_collect().await?;
            if found.is_empty() {
                return Ok(count);
            }
            count += self.apply(found.into_iter().map(|found| Write::delete(found.path)).collect()).await?;
        }
    }

    /// All of these, whichever were applied before.
    async fn apply(&self, writes: Vec<Write>) -> Result<u64, Error> {
        let store = self.collection.store();
        let mut count = 0;
        for chunk in writes.chunks(CHUNK) {
            match outcome::commit(store, chunk).await {
                Ok(_) => count += u64::try_from(chunk.len()).unwrap_or(u64::MAX),
                // One of the documents went meanwhile.
                Err(Error::Store(StoreError::NotFound { .. })) => {
                    for write in chunk {
                        match outcome::commit(store, std::slice::from_ref(write)).await {
                            Err(Error::Store(StoreError::NotFound { .. })) => {}
                            result => count += result.map(|_| 1)?,
                        }
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(count)
    }
}
