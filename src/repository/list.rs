//! A collection's documents, page by page or as a stream.

use futures::future::BoxFuture;
use futures::stream::{BoxStream, StreamExt, TryStreamExt, try_unfold};

use super::collection::Collection;
use super::stored::Stored;
use crate::error::Error;
use crate::seal::Document;
use crate::store::ListRequest;

const DEFAULT_PAGE_SIZE: u32 = 300;

/// One page of a collection.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The documents, in the order of their ids.
    pub documents: Vec<Stored<T>>,
    /// Where the next page begins; `None` at the end.
    pub next_page_token: Option<String>,
}

/// Opens one page of companions, or hands them on as they are.
type Open<T, V> = Box<
    dyn Fn(
            Vec<Stored<<T as crate::seal::Sealable>::Sealed>>,
        ) -> BoxFuture<'static, Result<Vec<Stored<V>>, Error>>
        + Send
        + Sync,
>;

/// A listing that is about to be asked for: choose the page, or take the whole as a stream.
#[must_use = "a listing does nothing until `page` or `stream` is called"]
pub struct List<T: Document, V> {
    collection: Collection<T>,
    page_size: u32,
    page_token: Option<String>,
    open: Open<T, V>,
}

impl<T: Document + 'static, V: Send + 'static> List<T, V> {
    pub(super) fn new(collection: Collection<T>, open: Open<T, V>) -> Self {
        Self { collection, page_size: DEFAULT_PAGE_SIZE, page_token: None, open }
    }

    /// At most this many documents in a page: 300 unless said otherwise.
    pub fn page_size(self, documents: u32) -> Self {
        Self { page_size: documents.max(1), ..self }
    }

    /// Begins where a page before ended.
    pub fn page_token(self, token: impl Into<String>) -> Self {
        Self { page_token: Some(token.into()), ..self }
    }

    /// Reads one page.
    ///
    /// # Errors
    /// The database or the keys cannot be had, or a document of the page does not open.
    pub async fn page(&self) -> Result<Page<V>, Error> {
        let request = ListRequest {
            collection: self.collection.path().clone(),
            page_size: self.page_size,
            page_token: self.page_token.clone(),
            mask: None,
        };
        let page = self.collection.store().list(&request).await?;
        let companions = page
            .documents
            .into_iter()
            .map(|document| {
                if document.path.parent() != *self.collection.path() {
                    let asked = self.collection.path().document(document.path.id())?;
                    return Err(Error::OtherDocument { asked, answered: document.path });
                }
                self.collection.companion(document)
            })
            .collect::<Result<Vec<_>, Error>>()?;
        let documents = (self.open)(companions).await?;
        Ok(Page { documents, next_page_token: page.next_page_token.filter(|token| !token.is_empty()) })
    }

    /// Reads all documents from here on, a page at a time. The stream ends after its first error.
    pub fn stream(self) -> BoxStream<'static, Result<Stored<V>, Error>> {
        try_unfold(Some(self), |list| async move {
            let Some(mut list) = list else { return Ok::<_, Error>(None) };
            let page = list.page().await?;
            let documents = futures::stream::iter(page.documents.into_iter().map(Ok));
            let next = page.next_page_token.map(|token| {
                list.page_token = Some(token);
                list
            });
            Ok(Some((documents, next)))
        })
        .try_flatten()
        .boxed()
    }
}
