//! Queries, aggregations and explanations in Cloud Firestore.

use std::collections::BTreeMap;
use std::time::Duration;

use ::firestore::gcloud_sdk::RequestTimeouts;
use ::firestore::gcloud_sdk::google::firestore::v1::{
    ExplainMetrics, ExplainOptions, RunAggregationQueryRequest, RunQueryRequest, RunQueryResponse,
    run_aggregation_query_request, run_query_request,
};
use ::firestore::gcloud_sdk::prost_types::{self, value::Kind};
use ::firestore::gcloud_sdk::tonic::{Request, Status, Streaming};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{Instrument, debug, debug_span};

use super::status::{deadline_error, read_error, read_may_succeed, read_within_error};
use super::structured::alias;
use super::{ATTEMPTS, FirestoreStore, copies, pause};
use crate::store::query::rules;
use crate::store::{
    Aggregation, Cursor, Document, Explanation, FieldMask, Query, StoreError, Transaction, Value,
};

impl FirestoreStore {
    pub(super) fn run_query(
        &self,
        query: &Query,
        within: Option<&Transaction>,
    ) -> Result<BoxStream<'static, Result<Document, StoreError>>, StoreError> {
        let query = query.clone().with_implicit_order();
        rules::check(&query)?;
        // The answer is cut to the mask here: for going on, the fields of the order travel too.
        let mask = query.mask.clone();
        if query.limit == Some(0) {
            return Ok(stream::empty().boxed());
        }
        let run = Run { store: self.clone(), left: query, mask, within: within.cloned(), answer: None };
        let next = |mut run: Run| async move {
            let span = debug_span!("firestore", operation = "query");
            let next = run.next().instrument(span).await?;
            Ok(next.map(|document| (document, run)))
        };
        Ok(stream::try_unfold(run, next).boxed())
    }

    pub(super) async fn run_aggregation(
        &self,
        query: &Query,
        over: &[Aggregation],
        within: Option<&Transaction>,
    ) -> Result<Vec<Value>, StoreError> {
        use run_aggregation_query_request::{ConsistencySelector, QueryType};
        let query = query.for_aggregations(over)?;
        let request = RunAggregationQueryRequest {
            parent: self.names.parent(&query.from),
            query_type: Some(QueryType::StructuredAggregationQuery(self.names.aggregations(&query, over))),
            consistency_selector: within.map(|within| ConsistencySelector::Transaction(within.0.clone())),
            ..Default::default()
        };
        // A transaction in which a read failed is over.
        let again = if within.is_some() { |_: &Status| false } else { read_may_succeed };
        let result = self
            .attempts(copies(request), again, |mut client, request| async move {
                let mut answers = client.run_aggregation_query(request).await?.into_inner();
                let mut result = None;
                while let Some(message) = answers.try_next().await? {
                    result = message.result.or(result);
                }
                Ok(result)
            })
            .await
            .map_err(|status| read_within_error(status, within, self.deadline))?;
        let mut values = result.map(|result| result.aggregate_fields).unwrap_or_default();
        let value = |at| {
            let value = values.remove(&alias(at));
            value.ok_or_else(|| unexpected("an aggregation is not answered".to_owned()))
        };
        (0..over.len()).map(value).collect()
    }

    pub(super) async fn run_explain(&self, query: &Query) -> Result<Explanation, StoreError> {
        let query = query.clone().with_implicit_order();
        rules::check(&query)?;
        let mut request = self.run_request(&query, None);
        request.explain_options = Some(ExplainOptions { analyze: true });
        let metrics = self
            .attempts(copies(request), read_may_succeed, |mut client, request| async move {
                let mut answers = client.run_query(request).await?.into_inner();
                let mut metrics = None;
                while let Some(message) = answers.try_next().await? {
                    metrics = message.explain_metrics.or(metrics);
                }
                Ok(metrics)
            })
            .await
            .map_err(|status| read_error(status, self.deadline))?;
        // The emulator runs the query and explains nothing.
        metrics.map(explanation).ok_or(StoreError::Unsupported { what: "explanations of queries" })
    }

    fn run_request(&self, query: &Query, within: Option<&Transaction>) -> RunQueryRequest {
        use run_query_request::{ConsistencySelector, QueryType};
        RunQueryRequest {
            parent: self.names.parent(&query.from),
            query_type: Some(QueryType::StructuredQuery(self.names.query(query))),
            consistency_selector: within.map(|within| ConsistencySelector::Transaction(within.0.clone())),
            ..Default::default()
        }
    }
}

/// A query on its way.
struct Run {
    store: FirestoreStore,
    /// What would have to be asked for to get the rest.
    left: Query,
    mask: Option<FieldMask>,
    within: Option<Transaction>,
    answer: Option<Streaming<RunQueryResponse>>,
}

impl Run {
    /// The next document. Each message has the whole deadline, attempts and pauses included; a
    /// stream that breaks off for a passing reason is asked for again, after the last document.
    async fn next(&mut self) -> Result<Option<Document>, StoreError> {
        let mut until = Instant::now() + self.store.deadline;
        let mut attempt = 1;
        loop {
            let status = match timeout_at(until, self.message()).await {
                Err(_) => return Err(deadline_error(self.store.deadline)),
                Ok(Ok(None)) => return Ok(None),
                Ok(Ok(Some(message))) => {
                    if let Some(document) = message.document {
                        return self.take(self.store.names.document(document)?).map(Some);
                    }
                    until = Instant::now() + self.store.deadline; // Progress.
                    continue;
                }
                Ok(Err(status)) => status,
            };
            // A transaction in which a read failed is over.
            if self.within.is_some() || attempt >= ATTEMPTS || !read_may_succeed(&status) {
                return Err(read_within_error(status, self.within.as_ref(), self.store.deadline));
            }
            if self.left.limit == Some(0) {
                return Ok(None);
            }
            debug!(attempt, code = ?status.code(), "asking the database for the rest of a query");
            self.answer = None;
            if timeout_at(until, sleep(pause(attempt))).await.is_err() {
                return Err(deadline_error(self.store.deadline));
            }
            attempt += 1;
        }
    }

    async fn message(&mut self) -> Result<Option<RunQueryResponse>, Status> {
        let answer = match &mut self.answer {
            Some(answer) => answer,
            None => {
                let mut request = Request::new(self.store.run_request(&self.left, self.within.as_ref()));
                // No limit for the whole stream: it is as long as its documents are many.
                request.extensions_mut().insert(RequestTimeouts::new());
                let answer = self.store.client().run_query(request).await?.into_inner();
                self.answer.insert(answer)
            }
        };
        answer.try_next().await
    }

    /// Checks a document that has come, and takes it off what is left.
    fn take(&mut self, document: Document) -> Result<Document, StoreError> {
        let path = &document.path;
        if !self.left.from.holds(path) {
            return Err(unexpected(format!("{path} is not where the query looks")));
        }
        if let Some(limit) = &mut self.left.limit {
            *limit = limit
                .checked_sub(1)
                .ok_or_else(|| unexpected("more documents than the limit of the query".to_owned()))?;
        }
        let Some(after) = Cursor::after(&document, &self.left.order) else {
            return Err(unexpected(format!("{path} lacks a field of the order")));
        };
        self.left.start = Some(after);
        self.left.offset = 0;
        match &self.mask {
            Some(mask) => Ok(Document { fields: mask.project(&document.fields), ..document }),
            None => Ok(document),
        }
    }
}

fn unexpected(reason: String) -> StoreError {
    StoreError::UnexpectedAnswer { reason }
}

fn explanation(metrics: ExplainMetrics) -> Explanation {
    let stats = metrics.execution_stats.unwrap_or_default();
    let indexes = metrics.plan_summary.map(|plan| plan.indexes_used).unwrap_or_default();
    let duration = stats.execution_duration.and_then(|duration| Duration::try_from(duration).ok());
    Explanation {
        indexes: indexes.into_iter().map(flat).collect(),
        returned: u64::try_from(stats.results_returned).unwrap_or_default(),
        read_operations: u64::try_from(stats.read_operations).unwrap_or_default(),
        duration,
        details: stats.debug_stats.map(flat).unwrap_or_default(),
    }
}

/// The entries of a group as text, those of nested groups by their names joined with dots.
fn flat(group: prost_types::Struct) -> BTreeMap<String, String> {
    let mut entries = BTreeMap::new();
    flatten("", group, &mut entries);
    entries
}

fn flatten(prefix: &str, group: prost_types::Struct, entries: &mut BTreeMap<String, String>) {
    for (name, value) in group.fields {
        let name = format!("{prefix}{name}");
        let text = match value.kind {
            Some(Kind::StructValue(group)) => {
                flatten(&format!("{name}."), group, entries);
                continue;
            }
            Some(Kind::StringValue(text)) => text,
            Some(Kind::NumberValue(number)) => number.to_string(),
            Some(Kind::BoolValue(is)) => is.to_string(),
            Some(Kind::ListValue(list)) => format!("{} values", list.values.len()),
            Some(Kind::NullValue(_)) | None => continue,
        };
        entries.insert(name, text);
    }
}
