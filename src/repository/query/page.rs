//! Results page by page, with a token for where the next one begins.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::run::{QueryPage, Run};
use super::{Access, Query};
use crate::error::Error;
use crate::query::{QueryError, Queryable, Wanted};
use crate::seal::Document;
use crate::store::Cursor;

/// The first bytes of a token: what the query is over, in which order.
const FINGERPRINT_BYTES: usize = 8;
/// The next ones: how many documents came before.
const GIVEN_BYTES: usize = 4;

impl<T: Document + Queryable + Send + Sync + 'static, A: Access<T>> Query<T, A> {
    /// One page of at most this many documents: the first one, or that of a token. The last page may be
    /// empty. Offset and limit are those of the whole result.
    ///
    /// A token is good for the same query. It is no secret to keep from whoever may see the result, and none
    /// is needed to read from: who can change it can begin anywhere in the result.
    ///
    /// # Errors
    /// [`QueryError::PageToken`]; what cannot be asked; the database and the keys. A document that does not
    /// open is an error at its place in the page.
    pub async fn page(&self, size: u32, token: Option<&str>) -> Result<QueryPage<A::Value>, Error> {
        let mut wanted = self.wanted(None)?;
        if wanted.last {
            return Err(QueryError::FromTheEnd.into());
        }
        let fingerprint = fingerprint(&wanted);
        let mut given = 0;
        if let Some(token) = token {
            let (before, start) = decode(token, &fingerprint).ok_or(QueryError::PageToken)?;
            if start.values.len() != wanted.order.len() {
                return Err(QueryError::PageToken.into());
            }
            given = before;
            wanted.start = Some(start);
            wanted.offset = 0;
        }
        let left = wanted.limit.map(|limit| limit.saturating_sub(given));
        let size = size.max(1);
        wanted.limit = Some(left.map_or(size, |left| left.min(size)));
        let full = wanted.limit;
        let plan = self.planned_of(wanted).await?;
        let reader = Arc::clone(&self.reader);
        let mut run = Run::new(self.collection.shared_store(), &self.from, plan, reader);
        let (mut documents, mut last) = (Vec::new(), None);
        while let Some(answers) = run.next().await {
            for answer in answers {
                match (answer.item, answer.after) {
                    // What keeps all other documents away.
                    (Err(error), None) => return Err(error),
                    (item, after) => {
                        last = after;
                        documents.push(item);
                    }
                }
            }
        }
        let count = u32::try_from(documents.len()).unwrap_or(u32::MAX);
        given = given.saturating_add(count);
        let more = Some(count) == full && Some(given) != self.limit;
        let next_page_token = last.filter(|_| more).map(|last| encode(&fingerprint, given, &last));
        Ok(QueryPage { documents, next_page_token, documents_read: run.tally.documents_read() })
    }
}

fn fingerprint(wanted: &Wanted) -> [u8; FINGERPRINT_BYTES] {
    let digest = Sha256::digest(format!("{:?}", (&wanted.from, &wanted.order)));
    let mut fingerprint = [0; FINGERPRINT_BYTES];
    fingerprint.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    fingerprint
}

fn encode(fingerprint: &[u8], given: u32, last: &Cursor) -> String {
    BASE64_URL_SAFE_NO_PAD.encode([fingerprint, &given.to_le_bytes(), &last.encode()].concat())
}

fn decode(token: &str, fingerprint: &[u8]) -> Option<(u32, Cursor)> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok()?;
    let rest = bytes.strip_prefix(fingerprint)?;
    let (given, cursor) = rest.split_first_chunk::<GIVEN_BYTES>()?;
    Some((u32::from_le_bytes(*given), Cursor::decode(cursor)?))
}
