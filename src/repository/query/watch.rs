//! A query, a collection or a document that is watched.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Access, Query};
use crate::bytes::DocumentPath;
use crate::error::Error;
use crate::query::{Node, QueryError, Queryable, has_index};
use crate::repository::stored::Stored;
use crate::repository::watch::{Plan, Source, Watch};
use crate::seal::Document;
use crate::store::{Document as RawDocument, Store, Target};

impl<T: Document + Queryable + Send + Sync + 'static, A: Access<T> + 'static> Query<T, A> {
    /// Tells of every document of the result, and from then on what changes in it: one that fulfils the
    /// condition no longer is removed. Every condition on a sealed field is checked on the opened value.
    ///
    /// While an index key is rotated, the watch asks for the tokens that are to be asked for: it asks for the
    /// key ring every 10 seconds.
    ///
    /// # Errors
    /// What cannot be asked, and the keys' errors; [`QueryError::NotWatchable`] of a query that is more than
    /// one to the database, has an offset, or has a limit that counts documents checked here. All else stands
    /// in the stream.
    pub async fn watch(&self) -> Result<Watch<A::Value>, Error> {
        let source = Watched { query: self.clone(), document: None };
        source.plan().await?;
        Ok(Watch::new(source))
    }

    /// The same, with what cannot be asked in the stream.
    pub(in crate::repository) fn watch_result(&self) -> Watch<A::Value> {
        Watch::new(Watched { query: self.clone(), document: None })
    }

    /// One document of the collection, whatever else the query says.
    pub(in crate::repository) fn watch_document(&self, path: DocumentPath) -> Watch<A::Value> {
        Watch::new(Watched { query: self.clone(), document: Some(path) })
    }
}

struct Watched<T: Document, A: Access<T>> {
    query: Query<T, A>,
    document: Option<DocumentPath>,
}

#[async_trait]
impl<T: Document + Queryable + Send + Sync + 'static, A: Access<T> + 'static> Source for Watched<T, A> {
    type Value = A::Value;

    fn store(&self) -> &Arc<dyn Store> {
        self.query.collection.shared_store()
    }

    async fn plan(&self) -> Result<Plan, Error> {
        if let Some(path) = &self.document {
            return Ok(Plan { target: Some(Target::Documents(vec![path.clone()])), check: None });
        }
        let refused = |reason| Err(QueryError::NotWatchable { reason }.into());
        if self.query.offset > 0 {
            return refused("a listener takes no offset; start at a place of the order");
        }
        let mut plan = self.query.planned(None).await?;
        let query = plan.queries.pop();
        if !plan.queries.is_empty() {
            return refused("it comes to several queries to the database (see `plan`); watch fewer values");
        }
        if query.is_some() && plan.limit.is_some() {
            return refused("its limit counts documents that are checked here; watch without a limit");
        }
        Ok(Plan { target: query.map(Target::Query), check: plan.check })
    }

    fn depends_on_keys(&self) -> bool {
        self.document.is_none() && self.query.nodes.iter().any(has_index)
    }

    async fn read(
        &self,
        documents: Vec<RawDocument>,
        check: Option<&Node>,
    ) -> Result<Vec<Result<Option<Stored<A::Value>>, Error>>, Error> {
        let (reader, from) = (&self.query.reader, &self.query.from);
        let Some(asked) = &self.document else { return reader.read(documents, from, check).await };
        let mut read = Vec::new();
        for document in documents {
            if document.path == *asked {
                read.extend(reader.read(vec![document], from, check).await?);
            } else {
                read.push(Err(Error::OtherDocument { asked: asked.clone(), answered: document.path }));
            }
        }
        Ok(read)
    }
}
