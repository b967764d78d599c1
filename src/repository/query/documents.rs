//! The documents of a plan as the database gives them: page after page as they are needed, those of several
//! queries merged in their order.

use std::sync::Arc;

use futures::future::try_join_all;
use futures::stream::{BoxStream, StreamExt, try_unfold};

use crate::query::Plan;
use crate::store::{Cursor, Document, Order, Query, Store, StoreError, compare};

/// The most documents that one page is asked for, beyond the first.
const MAX_PAGE: u32 = 1_000;

type Documents = BoxStream<'static, Result<Document, StoreError>>;

/// All documents of a plan, in its order, each once. Nothing is asked for before it is polled for.
pub(super) fn documents(store: &Arc<dyn Store>, plan: &Plan) -> Documents {
    let first_page = plan.first_page();
    let mut parts: Vec<Documents> =
        plan.queries.iter().map(|query| paged(Arc::clone(store), query.clone(), first_page)).collect();
    match parts.len() {
        1 => parts.remove(0),
        _ => merged(parts, plan.order.clone()),
    }
}

/// One query, in pages of which the first has this many documents; in a single one if that is not said.
struct Paged {
    store: Arc<dyn Store>,
    query: Query,
    page: Option<u32>,
    given: u32,
    open: Option<Documents>,
}

fn paged(store: Arc<dyn Store>, query: Query, page: Option<u32>) -> Documents {
    let paged = Paged { store, query, page: page.map(|page| page.max(1)), given: 0, open: None };
    try_unfold(Some(paged), |paged| async move {
        let Some(mut paged) = paged else { return Ok(None) };
        let Some(document) = paged.next().await? else { return Ok(None) };
        paged.given += 1;
        if Some(paged.given) == paged.page {
            paged.turn(&document)?;
        }
        Ok(Some((document, Some(paged))))
    })
    .boxed()
}

impl Paged {
    async fn next(&mut self) -> Result<Option<Document>, StoreError> {
        if self.open.is_none() {
            let query = match self.page {
                Some(page) => Query { limit: Some(page), ..self.query.clone() },
                None => self.query.clone(),
            };
            self.open = Some(self.store.query(&query, None).await?);
        }
        match &mut self.open {
            Some(open) => open.next().await.transpose(),
            None => Ok(None),
        }
    }

    /// Begins the next page after this document.
    fn turn(&mut self, last: &Document) -> Result<(), StoreError> {
        let start = Cursor::after(last, &self.query.order).ok_or_else(|| {
            let reason = format!("{} lacks a field of the order that it was given in", last.path);
            StoreError::UnexpectedAnswer { reason }
        })?;
        self.query.start = Some(start);
        self.page = self.page.map(|page| page.saturating_mul(2).clamp(1, MAX_PAGE.max(page)));
        (self.given, self.open) = (0, None);
        Ok(())
    }
}

/// Several queries in one order; a document that more than one gives comes once.
struct Merged {
    parts: Vec<Documents>,
    /// The next document of each.
    heads: Option<Vec<Option<Document>>>,
    order: Vec<Order>,
}

fn merged(parts: Vec<Documents>, order: Vec<Order>) -> Documents {
    try_unfold(Merged { parts, heads: None, order }, |mut merged| async move {
        Ok(merged.next().await?.map(|document| (document, merged)))
    })
    .boxed()
}

impl Merged {
    async fn next(&mut self) -> Result<Option<Document>, StoreError> {
        if self.heads.is_none() {
            let first = self.parts.iter_mut().map(|part| async { part.next().await.transpose() });
            self.heads = Some(try_join_all(first).await?);
        }
        let heads = self.heads.get_or_insert_default();
        let least = heads.iter().flatten().min_by(|a, b| compare(&self.order, a, b));
        let Some(path) = least.map(|document| document.path.clone()) else { return Ok(None) };
        let mut next = None;
        for (head, part) in heads.iter_mut().zip(&mut self.parts) {
            if head.as_ref().is_some_and(|document| document.path == path) {
                next = head.take();
                *head = part.next().await.transpose()?;
            }
        }
        Ok(next)
    }
}
