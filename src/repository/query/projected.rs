//! Queries of which only named fields travel.

use std::fmt;
use std::sync::Arc;

use futures::StreamExt;

use super::Query;
use super::reader::{Part, Parts};
use super::run::{QueryStream, Run};
use crate::bytes::Location;
use crate::error::Error;
use crate::query::{At, Clear, Keyed, QueryError, Queryable, SealedField, Selected, field_path, fields};
use crate::repository::opener::Opener;
use crate::seal::{Document, FieldFailure, OpenError};
use crate::store::Time;

/// Some fields of a document, unverified: each sealed one is bound to its place and opens or does not, but
/// that they belong together nothing says, nor are the clear ones what was written. A document seal covers
/// the whole document, so it is not verified here, nor told of.
pub struct Projected<T> {
    part: Part,
    selection: Arc<Selection>,
    document: std::marker::PhantomData<fn() -> T>,
}

/// What was selected, and what opens it.
struct Selection {
    paths: Vec<Vec<String>>,
    opener: Opener,
}

impl<T: Queryable> Projected<T> {
    /// The value of a clear field.
    ///
    /// # Errors
    /// [`QueryError::NotSelected`]; [`QueryError::OtherType`] of a missing value or one of another type.
    pub fn value<F>(&self, field: impl FnOnce(T::Handles<T>) -> Clear<T, F>) -> Result<F, Error> {
        let field = field(fields::<T>());
        self.selected(field.at())?;
        Ok(field.decode(&self.part.document.fields)?)
    }

    /// The value of a sealed field, opened.
    ///
    /// # Errors
    /// [`QueryError::NotSelected`]; [`Error::Open`] if it does not open.
    pub fn open<F, I>(&self, field: impl FnOnce(T::Handles<T>) -> SealedField<T, F, I>) -> Result<F, Error> {
        let field = field(fields::<T>());
        self.selected(field.at())?;
        let Part { document, location, found } = &self.part;
        let opened = self.selection.opener.walk(location, found, |walk| field.open(&document.fields, walk));
        opened.map_err(|cause| {
            let failures = vec![FieldFailure { field: field_path(field.at()), cause }];
            Error::Open(OpenError::Fields { location: location.clone(), failures })
        })
    }

    fn selected(&self, at: &At) -> Result<(), QueryError> {
        if self.selection.paths.contains(&at.path()) {
            return Ok(());
        }
        Err(QueryError::NotSelected { field: field_path(at) })
    }
}

impl<T> Projected<T> {
    /// Where the document was read.
    #[must_use]
    pub fn location(&self) -> &Location {
        &self.part.location
    }

    /// The document's id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.part.location.document().id()
    }

    /// When the document was last changed, by the database's clock.
    #[must_use]
    pub fn update_time(&self) -> Option<Time> {
        self.part.document.update_time
    }
}

impl<T> fmt::Debug for Projected<T> {
    // The values may be plaintext that stands where a sealed value belongs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Projected")
            .field("location", &self.part.location)
            .field("fields", &self.selection.paths)
            .finish_non_exhaustive()
    }
}

/// A query of which only named fields travel, and those that its checks and its order need.
#[must_use = "a query does nothing until its result is asked for"]
pub struct Select<T: Document + Send + Sync + 'static> {
    query: Query<T, Keyed>,
    paths: Vec<Vec<String>>,
}

impl<T: Document + Queryable + Send + Sync + 'static> Query<T, Keyed> {
    /// Lets only these fields travel: `|c| (c.name, c.email)`.
    pub fn select<S: Selected<T>>(self, fields: impl FnOnce(T::Handles<T>) -> S) -> Select<T> {
        let paths = fields(crate::query::fields::<T>()).paths();
        Select { query: self, paths }
    }
}

impl<T: Document + Queryable + Send + Sync + 'static> Select<T> {
    /// All of the result.
    ///
    /// # Errors
    /// What cannot be asked, the database's and the keys' errors.
    pub async fn all(&self) -> Result<Vec<Projected<T>>, Error> {
        let mut stream = self.stream().await?;
        let mut all = Vec::new();
        while let Some(projected) = stream.next().await {
            all.push(projected?);
        }
        Ok(all)
    }

    /// The result as a stream, which reads as it is polled.
    ///
    /// # Errors
    /// What cannot be asked, and the keys' errors; all else stands in the stream.
    pub async fn stream(&self) -> Result<QueryStream<Projected<T>>, Error> {
        let mut paths = self.paths.clone();
        paths.extend(T::SCOPE_FIELD.map(|field| vec![field.to_owned()]));
        let plan = self.query.planned(Some(paths)).await?;
        let opener = self.query.opener.clone().expect("a query with keys has an opener");
        let parts = Parts { collection: self.query.collection.clone(), opener: Some(opener.clone()) };
        let selection = Arc::new(Selection { paths: self.paths.clone(), opener });
        let reversed = plan.reversed;
        let run = Run::new(self.query.collection.shared_store(), &self.query.from, plan, parts);
        Ok(QueryStream::new(run, reversed, move |part| Projected {
            part,
            selection: Arc::clone(&selection),
            document: std::marker::PhantomData,
        }))
    }
}
