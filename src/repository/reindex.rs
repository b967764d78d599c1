//! Makes index entries anew where they are not those of the value under the index key of the day: while
//! an index key is rotated, and after an attribute has changed.

use std::collections::BTreeMap;
use std::fmt;

use futures::stream::{self, BoxStream, StreamExt, try_unfold};

use super::guarded::{ATTEMPTS, pause, unchanged};
use super::keyed::Repository;
use super::outcome;
use super::seal_map::{self, Tokens, entry_epoch, entry_path, mark_path};
use super::unique::{held, reconcile, unreserved};
use super::write::{is_known, tokens};
use crate::bytes::{DocumentPath, KeyId, Location};
use crate::error::Error;
use crate::keys::KeyRing;
use crate::seal::Document;
use crate::store::{Document as RawDocument, FieldMask, Fields, ListRequest, Value, Write, same};

/// Documents read at once; each may have a megabyte.
const PAGE: u32 = 100;
/// Documents written at the same time.
const AT_ONCE: usize = 8;
/// How many failures a report of a whole collection keeps.
const KEPT_FAILURES: usize = 100;
/// How many index keys a report tells apart.
const KEPT_KEYS: usize = 256;

impl<T: Document + Send + Sync + 'static> Repository<T> {
    /// Makes the index entries of all documents of the collection what they should be: see [`Reindex`].
    pub fn reindex(&self) -> Reindex<T> {
        Reindex { repository: self.clone(), page_size: PAGE, page_token: None, unknown: false }
    }

    /// Looks at the index entries of all documents of the collection, opening each, and changes nothing.
    ///
    /// # Errors
    /// The database or the keys cannot be had.
    pub async fn index_state(&self) -> Result<IndexState, Error> {
        Ok(self.reindex().check().await?.found)
    }
}

/// A pass over a collection that makes the index entries of each document what they should be: every value
/// has the tokens of its indexes under the index key that makes tokens, and its unique values are reserved
/// under every live one; a value that is gone, or that is no longer indexed, has none.
///
/// For the third phase of an index key's rotation, and after an index attribute was added, changed or
/// removed. Each document is opened and its tokens are made again, so wrong ones are found too. A document
/// whose entries are right is not written: a second pass writes nothing. Only `_seal.idx` is written, and
/// only if the document is as it was read; one that changes meanwhile is read again, so nobody's update is
/// lost. It may be stopped at any point and begun again, from the start or from a page, and run beside
/// readers, writers and itself.
///
/// Collections below the documents are collections of their own: make a pass over each.
#[must_use = "nothing is indexed until `run`, `stream` or `page` is called"]
pub struct Reindex<T> {
    repository: Repository<T>,
    page_size: u32,
    page_token: Option<String>,
    unknown: bool,
}

/// What was found in the index entries of documents. An entry holds the tokens of one field or of one
/// compound index.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct IndexState {
    /// Documents looked at.
    pub documents: u64,
    /// Entries that are as they should be.
    pub right: u64,
    /// Entries under another index key than the one that makes tokens.
    pub other_key: u64,
    /// Entries under the right key that are not those of the value: the attribute or the database was
    /// changed, or the live index keys are others.
    pub wrong: u64,
    /// Entries that values should have, and have not.
    pub missing: u64,
    /// Entries of values that are gone, and of fields that are no longer indexed.
    pub surplus: u64,
    /// Entries of fields that the type does not have: another version of the program may.
    pub unknown: u64,
    /// Tokens of unique values that are not reserved for their document.
    pub unreserved: u64,
    /// Documents that could not be looked at, since they do not open say, or not be written.
    pub failed: u64,
    keys: BTreeMap<Epoch, u64>,
    /// Entries under index keys beyond [`KEPT_KEYS`]: whoever writes the database can name any.
    others: u64,
}

/// The first bytes of an index key's id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Epoch([u8; 16]);

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl IndexState {
    /// How many entries are under an index key, whatever else they are. Where entries name more keys than
    /// are told apart, 256, this may be too many, never too few.
    #[must_use]
    pub fn under(&self, key: &KeyId) -> u64 {
        let same = |epoch: &Epoch| key.as_bytes().starts_with(&epoch.0);
        let counted: u64 = self.keys.iter().filter(|(epoch, _)| same(epoch)).map(|(_, count)| count).sum();
        counted + self.others
    }

    fn count(&mut self, epoch: Epoch, entries: u64) {
        if self.keys.len() < KEPT_KEYS || self.keys.contains_key(&epoch) {
            *self.keys.entry(epoch).or_default() += entries;
        } else {
            self.others += entries;
        }
    }

    /// What still stands in the way of dropping an index key: entries under it, unique values that are
    /// not reserved under the live keys, and documents that could not be looked at. Zero is what
    /// [`KeyVault::retire`](crate::custody::KeyVault::retire) is to be told.
    #[must_use]
    pub fn left_under(&self, key: &KeyId) -> u64 {
        self.under(key) + self.unreserved + self.failed
    }

    /// Whether there is nothing for a pass to do.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        [self.other_key, self.wrong, self.missing, self.surplus, self.unreserved, self.failed] == [0; 6]
    }

    fn add(&mut self, other: &Self) {
        let counts = [
            (&mut self.documents, other.documents),
            (&mut self.right, other.right),
            (&mut self.other_key, other.other_key),
            (&mut self.wrong, other.wrong),
            (&mut self.missing, other.missing),
            (&mut self.surplus, other.surplus),
            (&mut self.unknown, other.unknown),
            (&mut self.unreserved, other.unreserved),
            (&mut self.failed, other.failed),
        ];
        counts.into_iter().for_each(|(sum, count)| *sum += count);
        self.others += other.others;
        for (epoch, count) in &other.keys {
            self.count(*epoch, *count);
        }
    }
}

/// What a pass did: of one page, or of all.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Reindexed {
    /// What it found, before it wrote.
    pub found: IndexState,
    /// Documents that it wrote.
    pub rewritten: u64,
    /// The documents that it did not do, and why; of a whole collection the first 100 of them, and
    /// `found.failed` tells how many there are.
    pub failures: Vec<IndexFailure>,
    /// Where the next page begins; `None` at the end.
    pub next_page_token: Option<String>,
}

/// A document that was not looked at, or not written. Both do nothing to it.
#[derive(Debug)]
#[non_exhaustive]
pub struct IndexFailure {
    /// Which.
    pub document: DocumentPath,
    /// It does not open; or [`Error::Taken`]: another document has its unique value, as may be where
    /// the attribute is new.
    pub error: Error,
}

impl<T: Document + Send + Sync + 'static> Reindex<T> {
    /// At most this many documents in memory: 100 unless said otherwise.
    pub fn page_size(self, documents: u32) -> Self {
        Self { page_size: documents.max(1), ..self }
    }

    /// Begins where a page before ended.
    pub fn page_token(self, token: impl Into<String>) -> Self {
        Self { page_token: Some(token.into()), ..self }
    }

    /// Also removes entries of fields and of compound indexes that the type does not have, and releases
    /// what they reserve. Only once no running program has them any more.
    pub fn remove_unknown(self) -> Self {
        Self { unknown: true, ..self }
    }

    /// Does all documents from here on.
    ///
    /// # Errors
    /// The database or the keys cannot be had. A document that does not open is a failure in the report,
    /// and no error.
    pub async fn run(self) -> Result<Reindexed, Error> {
        self.all(true).await
    }

    /// Looks at all documents from here on as [`run`](Self::run) does, and writes nothing.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn check(self) -> Result<Reindexed, Error> {
        self.all(false).await
    }

    /// Does all documents from here on, and tells after each page how it went. To resume, keep the last
    /// `next_page_token`. The stream ends after its first error.
    pub fn stream(self) -> BoxStream<'static, Result<Reindexed, Error>> {
        self.pages(true)
    }

    /// Does one page.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn page(&self) -> Result<Reindexed, Error> {
        self.one_page(true).await
    }

    async fn all(self, writes: bool) -> Result<Reindexed, Error> {
        let mut all = Reindexed::default();
        let mut pages = self.pages(writes);
        while let Some(page) = pages.next().await {
            let page = page?;
            all.found.add(&page.found);
            all.rewritten += page.rewritten;
            let room = KEPT_FAILURES - all.failures.len();
            all.failures.extend(page.failures.into_iter().take(room));
        }
        Ok(all)
    }

    fn pages(self, writes: bool) -> BoxStream<'static, Result<Reindexed, Error>> {
        try_unfold(Some(self), move |pass| async move {
            let Some(mut pass) = pass else { return Ok(None) };
            let page = pass.one_page(writes).await?;
            let next = page.next_page_token.clone().map(|token| {
                pass.page_token = Some(token);
                pass
            });
            Ok(Some((page, next)))
        })
        .boxed()
    }

    async fn one_page(&self, writes: bool) -> Result<Reindexed, Error> {
        let collection = &self.repository.collection;
        let request = ListRequest {
            collection: collection.path().clone(),
            page_size: self.page_size,
            page_token: self.page_token.clone(),
            mask: None,
        };
        let page = collection.store().list(&request).await?;
        let next_page_token = page.next_page_token.filter(|token| !token.is_empty());
        let mut done = Reindexed { next_page_token, ..Reindexed::default() };
        let mut planned = Vec::new();
        for document in page.documents {
            done.found.documents += 1;
            let entries = seal_map::entries(&document.fields).into_iter().flat_map(Fields::values);
            for epoch in entries.filter_map(entry_epoch).map(Epoch) {
                done.found.count(epoch, 1);
            }
            match self.plan(&document).await {
                Ok(plan) => planned.push((document, plan)),
                Err(error) => done.fail(document.path, error)?,
            }
        }

        let claims: Vec<_> =
            planned.iter().map(|(_, plan)| (&plan.location, &plan.ring, &plan.tokens.unique)).collect();
        let unreserved = unreserved(collection.store(), &claims).await?;
        let mut to_do = Vec::new();
        for ((document, plan), unreserved) in planned.into_iter().zip(unreserved) {
            done.found.add(&plan.found);
            done.found.unreserved += unreserved;
            if writes && (unreserved > 0 || plan.changes_any()) {
                to_do.push((document, plan));
            }
        }
        let rewriting = stream::iter(to_do).map(|(document, plan)| async move {
            let path = document.path.clone();
            (path, self.rewrite(document, plan).await)
        });
        let mut rewriting = rewriting.buffer_unordered(AT_ONCE);
        while let Some((path, result)) = rewriting.next().await {
            match result {
                Ok(rewritten) => done.rewritten += u64::from(rewritten),
                Err(error) => done.fail(path, error)?,
            }
        }
        Ok(done)
    }

    /// What is to be done with a document: it is opened, and its tokens made.
    async fn plan(&self, document: &RawDocument) -> Result<Plan, Error> {
        let Repository { collection, keys, .. } = &self.repository;
        if document.path.parent() != *collection.path() {
            let asked = collection.path().document(document.path.id())?;
            return Err(Error::OtherDocument { asked, answered: document.path.clone() });
        }
        let sealed = collection.companion(document.clone())?;
        let location = sealed.location().clone();
        let opened = self.repository.opener().open::<T>(vec![Some(sealed)]).await?;
        let ring = keys.ring(location.scope()).await?;
        let mut made = Tokens::default();
        for value in opened.iter().flatten() {
            made = tokens::<T>(&location, &ring, |walk| value.index(walk))?;
        }

        let epoch = ring.index().map(crate::seal::index::epoch);
        let mut found = IndexState::default();
        let mut new = BTreeMap::new();
        let mut goes = Vec::new();
        let stored = seal_map::entries(&document.fields);
        for (name, entry) in stored.into_iter().flatten() {
            let count = match made.entries.get(name) {
                Some(right) if same(right, entry) => &mut found.right,
                Some(right) => {
                    new.insert(name.clone(), right.clone());
                    if entry_epoch(entry) == epoch { &mut found.wrong } else { &mut found.other_key }
                }
                None => {
                    let is_known = is_known::<T>(collection.indexes(), name);
                    if is_known || self.unknown {
                        goes.push(name.clone());
                    }
                    if is_known { &mut found.surplus } else { &mut found.unknown }
                }
            };
            *count += 1;
        }
        for (name, right) in &made.entries {
            if stored.is_none_or(|stored| !stored.contains_key(name)) {
                new.insert(name.clone(), right.clone());
                found.missing += 1;
            }
        }
        Ok(Plan { location, ring, tokens: made, found, new, goes })
    }

    /// What was found in one document's entries, and the writes that make them right; none where they are.
    pub(super) async fn planned_writes(
        &self,
        document: &RawDocument,
    ) -> Result<(IndexState, Vec<Write>), Error> {
        let plan = self.plan(document).await?;
        let writes = self.writes(document, &plan).await?;
        Ok((plan.found, writes))
    }

    /// The document's write and its reservations; none where there is nothing to write after all.
    async fn writes(&self, document: &RawDocument, plan: &Plan) -> Result<Vec<Write>, Error> {
        let Plan { location, ring, tokens, new, .. } = plan;
        let before = held(document, self.repository.collection.indexes(), |name| plan.changes(name));
        let store = self.repository.collection.store();
        let reservations = reconcile(store, location, Some(ring), &before, &tokens.unique).await?;
        if reservations.is_empty() && !plan.changes_any() {
            return Ok(Vec::new());
        }
        // With a reservation alone the entry is written as it is, to be sure that the value stays.
        let unique = tokens.unique.keys().filter(|name| !new.contains_key(*name));
        let same = unique.filter_map(|name| Some((name, tokens.entries.get(name)?)));
        let entries: BTreeMap<String, Value> =
            new.iter().chain(same).map(|(name, entry)| (name.clone(), entry.clone())).collect();
        let mut mask: Vec<_> = entries.keys().chain(&plan.goes).map(|name| entry_path(name)).collect();
        let mut fields = Fields::new();
        seal_map::add_entries(&mut fields, entries);
        if T::SEAL.is_some() {
            // Another pass would make the same seal.
            outcome::mark(&mut fields)?;
            mask.push(mark_path());
        }
        let write = Write::merge(document.path.clone(), fields, FieldMask::new(mask));
        let write =
            self.repository.opener().resealed(&self.repository.collection, Some(document), write).await?;
        let write = write.with_precondition(unchanged(Some(document)));
        Ok(std::iter::once(write).chain(reservations).collect())
    }

    /// Writes what was planned; reads and plans again where the document changes meanwhile. `false` if there
    /// was nothing to write after all.
    async fn rewrite(&self, mut document: RawDocument, mut plan: Plan) -> Result<bool, Error> {
        let collection = &self.repository.collection;
        let mut attempt = 1;
        loop {
            let writes = self.writes(&document, &plan).await?;
            if writes.is_empty() {
                return Ok(false);
            }
            match collection.commit(writes).await {
                Err(error) if attempt < ATTEMPTS && (error.is_conflict() || error.is_not_found()) => {}
                result => return result.map(|_| true),
            }
            pause(attempt).await;
            attempt += 1;
            let path = std::slice::from_ref(&document.path);
            match collection.read_raw(path, None).await?.pop().flatten() {
                Some(now) => document = now,
                None => return Ok(false),
            }
            plan = self.plan(&document).await?;
        }
    }
}

/// What a document's entries are to become.
struct Plan {
    location: Location,
    ring: KeyRing,
    tokens: Tokens,
    found: IndexState,
    /// Entries that are not right yet, as they should be.
    new: BTreeMap<String, Value>,
    goes: Vec<String>,
}

impl Plan {
    fn changes_any(&self) -> bool {
        !self.new.is_empty() || !self.goes.is_empty()
    }

    fn changes(&self, name: &str) -> bool {
        self.new.contains_key(name)
            || self.goes.iter().any(|goes| goes == name)
            || self.tokens.unique.contains_key(name)
    }
}

impl Reindexed {
    /// Notes a document that was not done; where the database or the keys are gone, nothing else would be.
    fn fail(&mut self, document: DocumentPath, error: Error) -> Result<(), Error> {
        if error.is_unavailable() {
            return Err(error);
        }
        self.found.failed += 1;
        self.failures.push(IndexFailure { document, error });
        Ok(())
    }
}
