//! The audit: what the documents of collections hold, field by field, and under which keys.

mod figures;
mod findings;
mod hints;
mod html;
mod look;
mod report;
mod rings;
mod scan;
mod seal_form;
mod text;

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use futures::TryStreamExt as _;

pub use findings::{Finding, FindingKind, Severity};
pub use hints::LookAlike;
pub use report::{
    AUDIT_SCHEMA, AuditReport, Class, CollectionAudit, FieldAudit, Hint, IndexAudit, KeyAudit, KeyUse, Place,
    Places, ReportError, RingAudit, Standing, UnlistedField, Values,
};
pub use text::TextOptions;

use look::weight;
use rings::Rings;
use scan::Scan;

use super::fields::CollectionConfig;
use crate::bytes::{CollectionPath, DocumentPath};
use crate::custody::KeyVault;
use crate::error::Error;
use crate::keys::KeyProvider;
use crate::store::{
    Cursor, Direction, Document, FieldRef, From, Order, Query, Store, StoreError, Value, ValueType,
};

/// Documents in one query.
const PAGE: u32 = 1_000;
/// Documents that are looked at together, so that their keys are asked for in one call, and about how many
/// bytes of them.
const TOGETHER: usize = 200;
const TOGETHER_BYTES: usize = 4 * 1024 * 1024;

/// Reads whole collections and says of each field of a configuration what it holds: how much is sealed,
/// under which keys, what stands in the clear, what does not open, what has no index.
///
/// Nothing is written, and no value leaves the audit: an [`AuditReport`] has counts and places. Each document
/// is read once and shown as it was at some moment of the audit; what others write meanwhile may be counted
/// before or after. Memory does not grow with the collections.
///
/// ```
/// use fireseal::operations::{Audit, CollectionConfig, Field, FindingKind};
/// use fireseal::store::MemoryStore;
/// # use fireseal::{DataKey, KeyRing};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (store, keys) = (MemoryStore::new(), KeyRing::new(DataKey::generate()?));
/// let customers = CollectionConfig::new("customers", vec![Field::new("ssn".parse()?)]);
/// let report = Audit::new(store, [customers]).with_keys(keys).run().await?;
/// // A path that is misspelt does not pass for one with nothing in the clear.
/// assert_eq!(report.findings()[0].kind, FindingKind::NoDocuments);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Audit {
    store: Arc<dyn Store>,
    collections: Vec<CollectionConfig>,
    keys: Option<Arc<dyn KeyProvider>>,
    vault: Option<KeyVault>,
    database: String,
}

/// How far an audit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditProgress<'a> {
    /// The collection that is read.
    pub collection: &'a str,
    /// The position of the collection, from 0.
    pub position: usize,
    /// How many collections there are.
    pub collections: usize,
    /// How many documents of it were read.
    pub documents: u64,
}

impl Audit {
    /// An audit of these collections. Without keys it opens nothing and counts sealed values as unverified.
    #[must_use]
    pub fn new(store: impl Store + 'static, collections: impl IntoIterator<Item = CollectionConfig>) -> Self {
        let collections = collections.into_iter().collect();
        Self { store: Arc::new(store), collections, keys: None, vault: None, database: String::new() }
    }

    /// Opens every sealed value with these keys. Where there is no vault, they tell the keys' states too.
    #[must_use]
    pub fn with_keys(self, keys: impl KeyProvider + 'static) -> Self {
        Self { keys: Some(Arc::new(keys)), ..self }
    }

    /// Takes the keys' states and ages from the signed manifests of a vault. No root is asked for that: to open
    /// values as well, give the vault to [`with_keys`](Self::with_keys), too.
    #[must_use]
    pub fn with_vault(self, vault: KeyVault) -> Self {
        Self { vault: Some(vault), ..self }
    }

    /// Names what is audited in the report: a project and a database, say.
    #[must_use]
    pub fn of_database(self, name: impl Into<String>) -> Self {
        Self { database: name.into(), ..self }
    }

    /// Reads everything.
    ///
    /// # Errors
    /// [`Error::Location`] for a configuration whose path is none, [`Error::Store`] where the database cannot
    /// be read. Keys that cannot be had are no error but a finding, and their values unverified.
    pub async fn run(&self) -> Result<AuditReport, Error> {
        self.run_with_progress(|_| ()).await
    }

    /// Reads everything, and tells how far it is at least once for every 200 documents.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn run_with_progress(
        &self,
        mut told: impl FnMut(&AuditProgress<'_>) + Send,
    ) -> Result<AuditReport, Error> {
        let started = Instant::now();
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut rings = Rings::new(self.vault.as_ref(), self.keys.as_deref());
        let mut collections = Vec::new();
        for (position, config) in self.collections.iter().enumerate() {
            let mut scan = Scan::new(config);
            let mut pages = Pages::of(&*self.store, config)?;
            let mut progress = AuditProgress {
                collection: &config.path,
                position,
                collections: self.collections.len(),
                documents: 0,
            };
            told(&progress);
            while let Some(documents) = pages.next().await? {
                scan.take(&documents, &mut rings).await;
                progress.documents = scan.documents();
                told(&progress);
            }
            collections.push(scan.finish());
        }
        let (keys, values_under_other_keys, problems) = rings.finish();
        let mut report = AuditReport {
            schema: AUDIT_SCHEMA,
            database: self.database.clone(),
            started_ms: u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX),
            seconds: started.elapsed().as_secs_f64(),
            with_keys: self.keys.is_some(),
            collections,
            keys,
            values_under_other_keys,
            rings: problems,
            findings: Vec::new(),
        };
        report.findings = findings::of(&report);
        Ok(report)
    }
}

/// The documents of a collection in the order of their names, a bounded number at a time.
struct Pages<'a> {
    store: &'a dyn Store,
    query: Query,
    /// The query that is being answered, and how many documents it may still have.
    answer: Option<(futures::stream::BoxStream<'static, Result<Document, StoreError>>, u32)>,
    is_over: bool,
}

impl<'a> Pages<'a> {
    fn of(store: &'a dyn Store, config: &CollectionConfig) -> Result<Self, Error> {
        let from = if config.group {
            From::Group { id: config.path.clone(), under: None }
        } else {
            From::Collection(CollectionPath::parse(&config.path)?)
        };
        let order = vec![Order { field: FieldRef::Name, direction: Direction::Ascending }];
        let query = Query { order, limit: Some(PAGE), ..Query::new(from) };
        Ok(Self { store, query, answer: None, is_over: false })
    }

    /// Some more documents, fewer the larger they are; `None` at the end.
    async fn next(&mut self) -> Result<Option<Vec<Document>>, StoreError> {
        let (mut documents, mut bytes) = (Vec::new(), 0);
        while !self.is_over && documents.len() < TOGETHER && bytes < TOGETHER_BYTES {
            let (answer, left) = match &mut self.answer {
                Some(answer) => answer,
                None => self.answer.insert((self.store.query(&self.query, None).await?, PAGE)),
            };
            match answer.try_next().await? {
                Some(document) => {
                    *left = left.saturating_sub(1);
                    bytes += weight(&document.fields);
                    self.query.start = Some(after(&document.path));
                    documents.push(document);
                }
                // A short answer is the last one.
                None if *left > 0 => self.is_over = true,
                None => self.answer = None,
            }
        }
        Ok(Some(documents).filter(|documents| !documents.is_empty()))
    }
}

fn after(document: &DocumentPath) -> Cursor {
    let name = Value { value_type: Some(ValueType::ReferenceValue(document.as_str().to_owned())) };
    Cursor { values: vec![name], before: false }
}
