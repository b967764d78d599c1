//! Transactions and transforms, over memory and over the emulator.

#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::Arc;

use fireseal::store::{
    Commit, Document, FieldMask, Fields, FirestoreStore, From, MemoryStore, Precondition, Query, Store,
    StoreError, Time, Transaction, TransactionMode, Transform, TransformKind, Value, ValueType, Write,
};
use fireseal::{CollectionPath, DocumentPath};
use firestore::gcloud_sdk::google::firestore::v1::ArrayValue;
use futures::TryStreamExt;

#[macro_use]
#[path = "support/stores.rs"]
mod stores;

on_both_stores! {
    no_update_is_lost,
    what_was_read_is_as_it_was_when_the_writes_are_applied,
    what_was_queried_is_as_it_was_when_the_writes_are_applied,
    a_read_only_transaction_sees_one_moment,
    a_rolled_back_transaction_leaves_nothing,
    a_failed_commit_leaves_nothing_and_ends_the_transaction,
    numbers_are_transformed_as_firestore_does,
    arrays_are_transformed_as_firestore_does,
    the_time_of_a_commit_is_one,
    transforms_come_in_order_after_the_fields,
    impossible_transforms_are_refused,
}

type Db = Arc<dyn Store>;

const READ_WRITE: TransactionMode = TransactionMode::ReadWrite { retry: None };

fn doc(path: &str) -> DocumentPath {
    DocumentPath::parse(path).unwrap()
}

fn value(value: ValueType) -> Value {
    Value { value_type: Some(value) }
}

fn int(number: i64) -> Value {
    value(ValueType::IntegerValue(number))
}

fn double(number: f64) -> Value {
    value(ValueType::DoubleValue(number))
}

fn array(values: impl Into<Vec<Value>>) -> Value {
    value(ValueType::ArrayValue(ArrayValue { values: values.into() }))
}

fn fields(number: Value) -> Fields {
    Fields::from([("n".to_owned(), number)])
}

fn set(path: &str, number: i64) -> Write {
    Write::set(doc(path), fields(int(number)))
}

fn number(document: Option<&Document>) -> Option<i64> {
    match document?.fields.get("n")?.value_type {
        Some(ValueType::IntegerValue(number)) => Some(number),
        _ => None,
    }
}

async fn held(store: &Db, path: &str) -> Option<Document> {
    store.read(&[doc(path)], None).await.unwrap().remove(0)
}

async fn held_within(store: &Db, transaction: &Transaction, path: &str) -> Option<i64> {
    number(store.read_within(transaction, &[doc(path)], None).await.unwrap()[0].as_ref())
}

fn all() -> Query {
    Query::new(From::Collection(CollectionPath::parse("c").unwrap()))
}

// Transactions.

/// Adds one in a transaction, as often as it takes; how often it was aborted.
async fn add_one(store: &Db) -> usize {
    let (mut aborts, mut retry) = (0, None);
    loop {
        let transaction = store.begin(&TransactionMode::ReadWrite { retry: retry.take() }).await.unwrap();
        let once = async {
            let read = store.read_within(&transaction, &[doc("c/a")], None).await?;
            let next = number(read[0].as_ref()).unwrap_or(0) + 1;
            store.commit_within(&transaction, &[set("c/a", next)]).await
        };
        match once.await {
            Ok(_) => return aborts,
            Err(StoreError::Aborted { .. }) => aborts += 1,
            Err(error) => panic!("{error}"),
        }
        store.rollback(&transaction).await.unwrap(); // it is over, which is no error
        retry = Some(transaction);
    }
}

async fn no_update_is_lost(store: Db) {
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { add_one(&store).await })
        })
        .collect();
    let mut aborts = 0;
    for task in tasks {
        aborts += task.await.unwrap();
    }
    println!("{aborts} aborts");
    assert_eq!(number(held(&store, "c/a").await.as_ref()), Some(4));
}

/// Whether the outcomes of two transactions on the same documents are those of one after the other.
fn one_wins(first: &Result<Commit, StoreError>, second: &Result<Commit, StoreError>) {
    match (first, second) {
        (Ok(_), Err(StoreError::Aborted { .. })) | (Err(StoreError::Aborted { .. }), Ok(_)) => {}
        other => panic!("{other:?}"),
    }
}

async fn what_was_read_is_as_it_was_when_the_writes_are_applied(store: Db) {
    store.commit(&[set("c/a", 1)]).await.unwrap();
    // What the one reads the other writes; one of the documents is absent.
    let (left, right) = (store.begin(&READ_WRITE).await.unwrap(), store.begin(&READ_WRITE).await.unwrap());
    assert_eq!(held_within(&store, &left, "c/a").await, Some(1));
    assert_eq!(held_within(&store, &right, "c/absent").await, None);
    let first = store.commit_within(&left, &[set("c/absent", 2)]).await;
    let second = store.commit_within(&right, &[set("c/a", 2)]).await;
    one_wins(&first, &second);
    let now = store.read(&[doc("c/a"), doc("c/absent")], None).await.unwrap();
    let now = (number(now[0].as_ref()), number(now[1].as_ref()));
    assert_eq!(now, if first.is_ok() { (Some(1), Some(2)) } else { (Some(2), None) });
}

async fn what_was_queried_is_as_it_was_when_the_writes_are_applied(store: Db) {
    store.commit(&[set("c/a", 1)]).await.unwrap();
    let (left, right) = (store.begin(&READ_WRITE).await.unwrap(), store.begin(&READ_WRITE).await.unwrap());
    for transaction in [&left, &right] {
        let found: Vec<Document> =
            store.query(&all(), Some(transaction)).await.unwrap().try_collect().await.unwrap();
        assert_eq!(found.len(), 1);
    }
    let first = store.commit_within(&left, &[set("c/a", 2)]).await;
    let second = store.commit_within(&right, &[set("c/a", 3)]).await;
    one_wins(&first, &second);
}

async fn a_read_only_transaction_sees_one_moment(store: Db) {
    store.commit(&[set("c/a", 1)]).await.unwrap();
    let transaction = store.begin(&TransactionMode::ReadOnly { at: None }).await.unwrap();
    assert_eq!(held_within(&store, &transaction, "c/a").await, Some(1));
    store.commit(&[set("c/a", 2), set("c/b", 2)]).await.unwrap();
    assert_eq!(held_within(&store, &transaction, "c/a").await, Some(1));
    assert_eq!(held_within(&store, &transaction, "c/b").await, None);
    let found = store.query(&all(), Some(&transaction)).await.unwrap();
    assert_eq!(found.try_collect::<Vec<_>>().await.unwrap().len(), 1);
    let error = store.commit_within(&transaction, &[set("c/a", 3)]).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
    assert_eq!(number(held(&store, "c/a").await.as_ref()), Some(2));
}

async fn a_rolled_back_transaction_leaves_nothing(store: Db) {
    let transaction = store.begin(&READ_WRITE).await.unwrap();
    assert_eq!(held_within(&store, &transaction, "c/a").await, None);
    store.rollback(&transaction).await.unwrap();
    store.commit(&[set("c/a", 1)]).await.unwrap(); // not kept waiting
    let error = store.commit_within(&transaction, &[set("c/a", 2)]).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
    let error = store.read_within(&transaction, &[doc("c/a")], None).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
    assert_eq!(number(held(&store, "c/a").await.as_ref()), Some(1));
}

async fn a_failed_commit_leaves_nothing_and_ends_the_transaction(store: Db) {
    store.commit(&[set("c/a", 1)]).await.unwrap();
    let transaction = store.begin(&READ_WRITE).await.unwrap();
    assert_eq!(held_within(&store, &transaction, "c/b").await, None);
    let create = set("c/a", 2).with_precondition(Precondition::Exists(false));
    let error = store.commit_within(&transaction, &[set("c/b", 2), create]).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict { .. }), "{error:?}");
    assert!(held(&store, "c/b").await.is_none());
    let error = store.commit_within(&transaction, &[set("c/b", 2)]).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
    store.commit(&[set("c/b", 3)]).await.unwrap(); // not kept waiting
}

#[tokio::test]
async fn memory_keeps_no_past_and_firestore_does() {
    let past = |at| TransactionMode::ReadOnly { at };
    let error = MemoryStore::new().begin(&past(Some(Time::default()))).await.unwrap_err();
    assert!(matches!(error, StoreError::Unsupported { .. }), "{error:?}");

    let project = fireseal_emulator::Emulator::shared().await.unwrap().project().unwrap();
    let store: Db = Arc::new(FirestoreStore::new(project.firestore().await.unwrap()));
    let at = store.commit(&[set("c/a", 1)]).await.unwrap().commit_time;
    store.commit(&[set("c/a", 2)]).await.unwrap();
    let transaction = store.begin(&past(at)).await.unwrap();
    assert_eq!(held_within(&store, &transaction, "c/a").await, Some(1));
}

// Transforms.

fn transform(path: &[&str], kind: TransformKind) -> Transform {
    Transform { path: path.iter().map(|name| (*name).to_owned()).collect(), kind }
}

fn only(kinds: impl IntoIterator<Item = TransformKind>) -> Write {
    let transforms = kinds.into_iter().map(|kind| transform(&["n"], kind)).collect();
    Write::merge(doc("c/a"), Fields::new(), FieldMask::default()).with_transforms(transforms)
}

/// What a transform makes of a field, and whether that changes the document's update time.
async fn transformed(store: &Db, old: Option<Value>, kind: TransformKind) -> (Value, bool) {
    let made = store.commit(&[Write::set(doc("c/a"), old.map(fields).unwrap_or_default())]).await.unwrap();
    let commit = store.commit(&[only([kind])]).await.unwrap();
    let mut now = held(store, "c/a").await.unwrap();
    (now.fields.remove("n").unwrap(), commit.update_times != made.update_times)
}

fn shown(value: &Value) -> String {
    format!("{value:?}")
}

async fn numbers_are_transformed_as_firestore_does(store: Db) {
    use TransformKind::{Increment, Maximum, Minimum};
    let (nan, text) = (|| double(f64::NAN), || value(ValueType::StringValue("3".to_owned())));
    let cases = [
        (Some(int(2)), Increment(int(3)), int(5), true),
        (Some(int(2)), Increment(int(0)), int(2), false),
        (Some(int(i64::MAX - 1)), Increment(int(5)), int(i64::MAX), true),
        (Some(int(i64::MIN + 1)), Increment(int(-5)), int(i64::MIN), true),
        (Some(int(1)), Increment(double(0.5)), double(1.5), true),
        (Some(double(1.5)), Increment(int(1)), double(2.5), true),
        (Some(int(i64::MAX)), Increment(double(1.0)), double(9_223_372_036_854_775_808.0), true),
        (Some(double(1.0)), Increment(nan()), nan(), true),
        (Some(text()), Increment(int(1)), int(1), true),
        (None, Increment(double(-0.5)), double(-0.5), true),
        (Some(int(3)), Maximum(int(4)), int(4), true),
        (Some(int(3)), Maximum(int(2)), int(3), false),
        (Some(int(3)), Maximum(double(3.0)), int(3), false),
        (Some(double(3.0)), Maximum(int(3)), double(3.0), false),
        (Some(int(3)), Maximum(double(3.5)), double(3.5), true),
        (Some(double(-0.0)), Maximum(int(0)), double(-0.0), false),
        (Some(double(0.0)), Maximum(double(-0.0)), double(0.0), false),
        (
            Some(int(i64::MAX)),
            Maximum(double(9_223_372_036_854_775_808.0)),
            double(9_223_372_036_854_775_808.0),
            true,
        ),
        (Some(nan()), Maximum(int(1)), nan(), false),
        (Some(int(1)), Maximum(nan()), nan(), true),
        (Some(text()), Maximum(int(1)), int(1), true),
        (None, Maximum(int(1)), int(1), true),
        (Some(int(3)), Minimum(int(2)), int(2), true),
        (Some(int(3)), Minimum(int(4)), int(3), false),
        (Some(int(3)), Minimum(double(3.0)), int(3), false),
        (Some(int(3)), Minimum(double(2.5)), double(2.5), true),
        (Some(double(-0.0)), Minimum(int(0)), double(-0.0), false),
        (Some(nan()), Minimum(int(1)), nan(), false),
        (Some(int(1)), Minimum(nan()), nan(), true),
        (Some(text()), Minimum(int(1)), int(1), true),
        (None, Minimum(double(1.0)), double(1.0), true),
    ];
    for (number, (old, kind, expected, changes)) in cases.into_iter().enumerate() {
        let (now, changed) = transformed(&store, old, kind).await;
        assert_eq!((shown(&now), changed), (shown(&expected), changes), "case {number}");
    }
}

async fn arrays_are_transformed_as_firestore_does(store: Db) {
    use TransformKind::{Remove, Union};
    let (nan, null) = (|| double(f64::NAN), || value(ValueType::NullValue(0)));
    let all = || array([int(3), nan(), double(0.0), null()]);
    let cases = [
        (Some(all()), Union(vec![double(3.0), nan(), double(-0.0), null()]), all(), false),
        (Some(array([int(3)])), Union(vec![int(4), double(4.0), int(3)]), array([int(3), int(4)]), true),
        (None, Union(vec![int(1), int(1)]), array([int(1)]), true),
        (None, Union(vec![]), array([]), true),
        (Some(int(1)), Union(vec![int(1)]), array([int(1)]), true),
        (Some(array([int(1), int(1)])), Union(vec![int(1)]), array([int(1), int(1)]), false),
        (
            Some(array([int(3), double(3.0), nan(), int(5)])),
            Remove(vec![int(3), nan()]),
            array([int(5)]),
            true,
        ),
        (Some(array([int(3)])), Remove(vec![int(4)]), array([int(3)]), false),
        (None, Remove(vec![int(3)]), array([]), true),
        (Some(int(3)), Remove(vec![int(3)]), array([]), true),
    ];
    for (number, (old, kind, expected, changes)) in cases.into_iter().enumerate() {
        let (now, changed) = transformed(&store, old, kind).await;
        assert_eq!((shown(&now), changed), (shown(&expected), changes), "case {number}");
    }
}

async fn the_time_of_a_commit_is_one(store: Db) {
    let time = || {
        vec![
            transform(&["n"], TransformKind::ServerTime),
            transform(&["m", "a b"], TransformKind::ServerTime),
        ]
    };
    let writes = ["c/a", "c/b"].map(|path| Write::set(doc(path), Fields::new()).with_transforms(time()));
    let commit = store.commit(&writes).await.unwrap().commit_time.unwrap();
    let read = store.read(&[doc("c/a"), doc("c/b")], None).await.unwrap();
    let mut times = Vec::new();
    for document in read.into_iter().flatten() {
        let Some(ValueType::TimestampValue(time)) = document.fields["n"].value_type else { panic!() };
        let Some(ValueType::MapValue(inner)) = &document.fields["m"].value_type else { panic!() };
        assert_eq!(inner.fields["a b"], value(ValueType::TimestampValue(time)));
        times.push(time);
    }
    assert_eq!(times[0], times[1]);
    assert_eq!(times[0].nanos % 1_000_000, 0);
    let apart =
        (commit.seconds - times[0].seconds) * 1_000_000_000 + i64::from(commit.nanos - times[0].nanos);
    assert!((0..1_000_000_000).contains(&apart), "{apart} ns");
}

async fn transforms_come_in_order_after_the_fields(store: Db) {
    use TransformKind::{Increment, Maximum};
    let transforms = vec![transform(&["n"], Increment(int(2))), transform(&["n"], Maximum(int(10)))];
    let write = Write::set(doc("c/a"), fields(int(1))).with_transforms(transforms);
    store.commit(&[write]).await.unwrap();
    assert_eq!(number(held(&store, "c/a").await.as_ref()), Some(10));
    store.commit(&[only([Maximum(int(11)), Increment(int(2))])]).await.unwrap();
    assert_eq!(number(held(&store, "c/a").await.as_ref()), Some(13));

    // It creates the document, unless that must exist; and the other fields stay.
    let absent = |precondition| {
        let write = Write::merge(doc("c/b"), Fields::new(), FieldMask::default());
        Write { precondition, ..write }.with_transforms(vec![transform(&["m"], Increment(int(1)))])
    };
    let error = store.commit(&[absent(Some(Precondition::Exists(true)))]).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound { .. }), "{error:?}");
    store.commit(&[absent(None)]).await.unwrap();
    store
        .commit(&[Write::merge(doc("c/b"), fields(int(7)), FieldMask::new(vec![vec!["n".to_owned()]]))])
        .await
        .unwrap();
    store.commit(&[absent(None)]).await.unwrap();
    let now = held(&store, "c/b").await.unwrap().fields;
    assert_eq!((&now["m"], &now["n"]), (&int(2), &int(7)));
}

async fn impossible_transforms_are_refused(store: Db) {
    use TransformKind::{Increment, Maximum, ServerTime, Union};
    let text = || value(ValueType::StringValue("3".to_owned()));
    let write = |transforms| Write::set(doc("c/a"), Fields::new()).with_transforms(transforms);
    let refused = [
        Write::delete(doc("c/a")).with_transforms(vec![transform(&["n"], ServerTime)]),
        write(vec![transform(&["n"], Increment(text()))]),
        write(vec![transform(&["n"], Maximum(text()))]),
        write(vec![transform(&[], ServerTime)]),
        write(vec![transform(&["__n__"], ServerTime)]),
        write(vec![transform(&["n"], Increment(int(1))), transform(&["n", "m"], ServerTime)]),
        write(vec![transform(&["n"], Union(vec![array([])]))]),
    ];
    for (number, write) in refused.into_iter().enumerate() {
        let error = store.commit(&[set("c/b", 1), write]).await.unwrap_err();
        assert!(matches!(error, StoreError::Refused { .. } | StoreError::Limit(_)), "{number}: {error:?}");
        assert!(held(&store, "c/b").await.is_none());
    }
}
