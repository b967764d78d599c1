//! Queries of `FirestoreStore` against servers that fail, break off, stay silent or lie.

#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/fake.rs"]
mod fake;

use std::time::Duration;

use fake::{Fake, Step, answers, fail, name};
use fireseal::CollectionPath;
use fireseal::store::{
    Aggregation, Direction, Document, FieldMask, FieldRef, From, Order, Query, Store, StoreError,
    Transaction, Value, ValueType,
};
use firestore::gcloud_sdk::google::firestore::v1::{
    AggregationResult, Document as WireDocument, ExecutionStats, ExplainMetrics, PlanSummary,
    RunAggregationQueryResponse, RunQueryRequest, RunQueryResponse, StructuredQuery,
    run_query_request::{ConsistencySelector, QueryType},
};
use firestore::gcloud_sdk::prost::Message;
use firestore::gcloud_sdk::prost_types::{self, value::Kind};
use firestore::gcloud_sdk::tonic::Code;
use futures::{StreamExt, TryStreamExt};

fn int(number: i64) -> Value {
    Value { value_type: Some(ValueType::IntegerValue(number)) }
}

fn path(name: &str) -> Vec<String> {
    vec![name.to_owned()]
}

fn found(id: &str, a: i64) -> Vec<u8> {
    let fields = [("a".to_owned(), int(a)), ("b".to_owned(), int(0))].into();
    let document = WireDocument { name: name(id), fields, ..Default::default() };
    RunQueryResponse { document: Some(document), ..Default::default() }.encode_to_vec()
}

fn progress() -> Vec<u8> {
    RunQueryResponse { skipped_results: 1, ..Default::default() }.encode_to_vec()
}

/// Of the collection `c`, in the order of `a`.
fn query() -> Query {
    let mut query = Query::new(From::Collection(CollectionPath::parse("c").unwrap()));
    query.order = vec![Order { field: FieldRef::Path(path("a")), direction: Direction::Descending }];
    query
}

async fn ids(fake: &Fake, query: &Query) -> Result<Vec<String>, StoreError> {
    let stream = fake.store.query(query, None).await?;
    stream.map_ok(|document: Document| document.path.id().to_owned()).try_collect().await
}

/// The query of each request.
fn asked(fake: &Fake) -> Vec<StructuredQuery> {
    let asked = fake.asked.lock().unwrap();
    let query = |message: &[u8]| match RunQueryRequest::decode(message).unwrap().query_type.unwrap() {
        QueryType::StructuredQuery(query) => query,
    };
    asked.iter().map(|asked| query(&asked.message)).collect()
}

#[tokio::test]
async fn a_broken_stream_goes_on_after_the_last_document() {
    for broken in [
        Step::Reset(vec![progress(), found("c/x", 3), found("c/y", 2)]),
        Step::Answer(vec![progress(), found("c/x", 3), found("c/y", 2)], Code::Unavailable, "so it is"),
    ] {
        let fake = Fake::new([broken, answers(vec![found("c/z", 1)])]).await;
        let asks =
            Query { offset: 4, limit: Some(5), mask: Some(FieldMask::new(vec![path("b")])), ..query() };
        let documents: Vec<Document> =
            fake.store.query(&asks, None).await.unwrap().try_collect().await.unwrap();
        let ids: Vec<&str> = documents.iter().map(|document| document.path.id()).collect();
        assert_eq!(ids, ["x", "y", "z"]);
        assert!(documents.iter().all(|document| document.fields.keys().eq(["b"])), "{documents:?}");

        let [first, second] = asked(&fake).try_into().unwrap();
        assert_eq!((first.offset, first.limit, &first.start_at), (4, Some(5), &None));
        assert_eq!((second.offset, second.limit), (0, Some(3)));
        let start = second.start_at.unwrap();
        let reference = Value { value_type: Some(ValueType::ReferenceValue(name("c/y"))) };
        assert_eq!((start.values, start.before), (vec![int(2), reference], false));
        assert_eq!((second.order_by, second.select), (first.order_by, first.select));
    }
}

#[tokio::test]
async fn a_stream_that_breaks_before_its_first_document_is_asked_for_whole() {
    let fake = Fake::new([Step::Reset(vec![progress()]), answers(vec![found("c/x", 3)])]).await;
    let asks = Query { offset: 4, limit: Some(5), ..query() };
    assert_eq!(ids(&fake, &asks).await.unwrap(), ["x"]);
    let [first, second] = asked(&fake).try_into().unwrap();
    assert_eq!(first, second);
}

#[tokio::test]
async fn a_stream_that_breaks_after_its_last_document_is_at_its_end() {
    let fake = Fake::new([Step::Reset(vec![found("c/x", 3), found("c/y", 2)])]).await;
    assert_eq!(ids(&fake, &Query { limit: Some(2), ..query() }).await.unwrap(), ["x", "y"]);
    assert_eq!(fake.requests(), 1);
}

#[tokio::test]
async fn each_document_has_five_attempts() {
    let mut script = vec![fail(Code::Unavailable); 4];
    script.push(Step::Reset(vec![found("c/x", 3)]));
    script.extend(vec![fail(Code::Unavailable); 4]);
    let fake = Fake::new(script).await;
    let documents: Vec<_> = fake.store.query(&query(), None).await.unwrap().collect().await;
    assert_eq!(documents.len(), 2);
    assert!(documents[0].is_ok());
    assert!(matches!(&documents[1], Err(StoreError::Unavailable { .. })), "{documents:?}");
    assert_eq!(fake.requests(), 9);
}

#[tokio::test]
async fn lasting_failures_end_the_stream_at_once() {
    let fake =
        Fake::new([Step::Answer(vec![found("c/x", 3)], Code::FailedPrecondition, "needs an index")]).await;
    let documents: Vec<_> = fake.store.query(&query(), None).await.unwrap().collect().await;
    assert!(
        matches!(&documents[..], [Ok(_), Err(StoreError::Refused { reason })] if reason.contains("needs an index")),
        "{documents:?}"
    );
}

#[tokio::test]
async fn nothing_is_asked_again_in_a_transaction() {
    let fake = Fake::new([Step::Reset(vec![found("c/x", 3)]), fail(Code::Unavailable)]).await;
    let transaction = Transaction::new(b"token".to_vec());
    let documents: Vec<_> = fake.store.query(&query(), Some(&transaction)).await.unwrap().collect().await;
    assert!(matches!(&documents[..], [Ok(_), Err(_)]), "{documents:?}");
    let over = [Aggregation::Count];
    fake.store.aggregate(&query(), &over, Some(&transaction)).await.unwrap_err();
    assert_eq!(fake.requests(), 2);
    let message = fake.asked.lock().unwrap()[0].message.clone();
    let request = RunQueryRequest::decode(message).unwrap();
    assert_eq!(request.consistency_selector, Some(ConsistencySelector::Transaction(b"token".to_vec())));
}

#[tokio::test]
async fn each_message_has_its_own_deadline() {
    let fake = Fake::new([Step::Silence(vec![found("c/x", 3)])]).await;
    let store = fake.store.clone().with_deadline(Duration::from_millis(300));
    let mut stream = store.query(&query(), None).await.unwrap();
    stream.next().await.unwrap().unwrap();
    // What the reader takes does not count.
    tokio::time::sleep(Duration::from_millis(400)).await;
    let error = stream.next().await.unwrap().unwrap_err();
    assert!(matches!(error, StoreError::Deadline { .. }), "{error:?}");
    assert!(stream.next().await.is_none());
    assert!(fake.asked.lock().unwrap()[0].timeout.is_none());
}

#[tokio::test]
async fn answers_that_do_not_fit_are_refused() {
    let in_collection = query();
    let group = Query { from: From::Group { id: "c".into(), under: None }, ..query() };
    let bare = WireDocument { name: name("c/x"), ..Default::default() };
    let bare = RunQueryResponse { document: Some(bare), ..Default::default() }.encode_to_vec();
    let cases = [
        (&in_collection, vec![found("d/x", 3)]),
        (&in_collection, vec![found("c/x/c/x", 3)]),
        (&group, vec![found("c/x/d/x", 3)]),
        (&in_collection, vec![bare]),
        (&in_collection, vec![found("c/x", 3), found("c/y", 2), found("c/z", 1)]),
    ];
    for (query, messages) in cases {
        let fake = Fake::new([answers(messages)]).await;
        let error = ids(&fake, &Query { limit: Some(2), ..query.clone() }).await.unwrap_err();
        assert!(matches!(error, StoreError::UnexpectedAnswer { .. }), "{error:?}");
    }
    let result = AggregationResult { aggregate_fields: [("other".to_owned(), int(1))].into() };
    let answer = RunAggregationQueryResponse { result: Some(result), ..Default::default() };
    let fake = Fake::new([answers(vec![answer.encode_to_vec()])]).await;
    let error = fake.store.aggregate(&in_collection, &[Aggregation::Count], None).await.unwrap_err();
    assert!(matches!(error, StoreError::UnexpectedAnswer { .. }), "{error:?}");
}

#[tokio::test]
async fn an_explanation_is_given_as_the_server_tells_it() {
    let text = |text: &str| prost_types::Value { kind: Some(Kind::StringValue(text.to_owned())) };
    let group = |entries: Vec<(&str, prost_types::Value)>| prost_types::Struct {
        fields: entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
    };
    let billing = group(vec![("documents_billable", text("20"))]);
    let billing = prost_types::Value { kind: Some(Kind::StructValue(billing)) };
    let metrics = ExplainMetrics {
        plan_summary: Some(PlanSummary {
            indexes_used: vec![group(vec![
                ("query_scope", text("Collection")),
                ("properties", text("(a ASC)")),
            ])],
        }),
        execution_stats: Some(ExecutionStats {
            results_returned: 20,
            execution_duration: Some(prost_types::Duration { seconds: 1, nanos: 500_000_000 }),
            read_operations: 21,
            debug_stats: Some(group(vec![("documents_scanned", text("22")), ("billing_details", billing)])),
        }),
    };
    let last = RunQueryResponse { explain_metrics: Some(metrics), ..Default::default() }.encode_to_vec();
    let fake = Fake::new([answers(vec![found("c/x", 3), last]), answers(vec![found("c/x", 3)])]).await;
    let explanation = fake.store.explain(&query()).await.unwrap();
    assert_eq!(explanation.indexes[0]["properties"], "(a ASC)");
    assert_eq!((explanation.returned, explanation.read_operations), (20, 21));
    assert_eq!(explanation.duration, Some(Duration::from_millis(1_500)));
    assert_eq!(explanation.details["documents_scanned"], "22");
    assert_eq!(explanation.details["billing_details.documents_billable"], "20");
    let message = fake.asked.lock().unwrap()[0].message.clone();
    assert!(RunQueryRequest::decode(message).unwrap().explain_options.unwrap().analyze);

    let error = fake.store.explain(&query()).await.unwrap_err();
    assert!(matches!(error, StoreError::Unsupported { .. }), "{error:?}");
}
