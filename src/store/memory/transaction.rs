//! Transactions in memory. They lock nothing: what one has read is looked at again before each of
//! its reads and when it commits, and it is aborted where others changed that.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use super::{Content, masked, query};
use crate::bytes::DocumentPath;
use crate::store::document::prepare;
use crate::store::{
    Aggregation, Commit, Document, FieldMask, Query, StoreError, Time, Transaction, TransactionMode, Value,
    Write,
};

/// How long a transaction may take, as in Firestore.
const LONGEST: Duration = Duration::from_secs(270);

type Documents = BTreeMap<String, Document>;

/// The documents of a query, in its order.
type Versions = Vec<(DocumentPath, Option<Time>)>;

/// The transactions that are not over.
#[derive(Default)]
pub(super) struct Transactions {
    last: u64,
    running: HashMap<u64, Running>,
}

struct Running {
    begun: Instant,
    kind: Kind,
}

enum Kind {
    /// What there was when it began.
    ReadOnly(Documents),
    ReadWrite(Seen),
}

/// What a transaction has read. A document is told from its later states by its update time.
#[derive(Default)]
struct Seen {
    documents: BTreeMap<String, Option<Time>>,
    queries: Vec<(Query, Versions)>,
}

impl Seen {
    /// Whether everything is as it was read.
    fn holds(&self, documents: &Documents) -> bool {
        self.documents.iter().all(|(path, seen)| version(documents, path) == *seen)
            && self
                .queries
                .iter()
                .all(|(query, seen)| query::select(documents, query).is_ok_and(|now| versions(&now) == *seen))
    }

    fn check(&self, documents: &Documents) -> Result<(), StoreError> {
        if self.holds(documents) {
            return Ok(());
        }
        Err(StoreError::Aborted { reason: "what it has read was changed since".to_owned() })
    }
}

fn version(documents: &Documents, path: &str) -> Option<Time> {
    documents.get(path).and_then(|document| document.update_time)
}

fn versions(documents: &[Document]) -> Versions {
    documents.iter().map(|document| (document.path.clone(), document.update_time)).collect()
}

impl Transactions {
    fn take(&mut self, transaction: &Transaction) -> Result<(u64, Running), StoreError> {
        let id = transaction.0.as_slice().try_into().map(u64::from_be_bytes);
        let running = id.ok().and_then(|id| Some((id, self.running.remove(&id)?)));
        running.filter(|(_, running)| running.begun.elapsed() < LONGEST).ok_or_else(|| {
            let reason = "the transaction is over, or was never begun".to_owned();
            StoreError::Refused { reason }
        })
    }
}

impl Content {
    pub(super) fn begin(&mut self, mode: &TransactionMode) -> Result<Transaction, StoreError> {
        let kind = match mode {
            TransactionMode::ReadOnly { at: None } => Kind::ReadOnly(self.documents.clone()),
            TransactionMode::ReadOnly { at: Some(_) } => {
                return Err(StoreError::Unsupported { what: "reads of a past moment" });
            }
            TransactionMode::ReadWrite { .. } => Kind::ReadWrite(Seen::default()),
        };
        let transactions = &mut self.transactions;
        transactions.running.retain(|_, running| running.begun.elapsed() < LONGEST);
        transactions.last += 1;
        transactions.running.insert(transactions.last, Running { begun: Instant::now(), kind });
        Ok(Transaction(transactions.last.to_be_bytes().to_vec()))
    }

    /// Reads in a transaction, and keeps it for the next read unless this fails.
    fn look<T>(
        &mut self,
        transaction: &Transaction,
        read: impl FnOnce(&Documents) -> Result<T, StoreError>,
        keep: impl FnOnce(&mut Seen, &Documents, &T),
    ) -> Result<T, StoreError> {
        let (id, mut running) = self.transactions.take(transaction)?;
        let found = match &mut running.kind {
            Kind::ReadOnly(documents) => read(documents)?,
            Kind::ReadWrite(seen) => {
                seen.check(&self.documents)?;
                let found = read(&self.documents)?;
                keep(seen, &self.documents, &found);
                found
            }
        };
        self.transactions.running.insert(id, running);
        Ok(found)
    }

    pub(super) fn read_within(
        &mut self,
        transaction: &Transaction,
        paths: &[DocumentPath],
        mask: Option<&FieldMask>,
    ) -> Result<Vec<Option<Document>>, StoreError> {
        let read = |documents: &Documents| {
            let one = |path: &DocumentPath| documents.get(path.as_str()).map(|found| masked(found, mask));
            Ok(paths.iter().map(one).collect())
        };
        self.look(transaction, read, |seen, documents, _| {
            for path in paths {
                seen.documents.insert(path.to_string(), version(documents, path.as_str()));
            }
        })
    }

    pub(super) fn query_within(
        &mut self,
        transaction: &Transaction,
        query: &Query,
    ) -> Result<Vec<Document>, StoreError> {
        let read = |documents: &Documents| query::select(documents, query);
        self.look(transaction, read, |seen, _, found| seen.queries.push((query.clone(), versions(found))))
    }

    pub(super) fn aggregate_within(
        &mut self,
        transaction: &Transaction,
        query: &Query,
        over: &[Aggregation],
    ) -> Result<Vec<Value>, StoreError> {
        let read = |documents: &Documents| query::total(documents, query, over);
        self.look(transaction, read, |seen, documents, _| {
            let found = query::select(documents, query).unwrap_or_default();
            seen.queries.push((query.clone(), versions(&found)));
        })
    }

    pub(super) fn commit_within(
        &mut self,
        transaction: &Transaction,
        writes: &[Write],
    ) -> Result<Commit, StoreError> {
        let writes = prepare(writes)?;
        let (_, running) = self.transactions.take(transaction)?;
        match running.kind {
            Kind::ReadOnly(_) if !writes.is_empty() => {
                let reason = "a read-only transaction writes nothing".to_owned();
                return Err(StoreError::Refused { reason });
            }
            Kind::ReadOnly(_) => {}
            Kind::ReadWrite(seen) => seen.check(&self.documents)?,
        }
        self.commit(writes)
    }

    pub(super) fn rollback(&mut self, transaction: &Transaction) {
        // That it is over already is no failure, as in Firestore.
        let _ = self.transactions.take(transaction);
    }
}
