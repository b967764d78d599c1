//! What every store promises: the same tests over memory and over the emulator.

#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fireseal::store::{
    Document, FieldMask, Fields, FirestoreStore, LimitError, ListPage, ListRequest, MAX_VALUE_BYTES,
    MemoryStore, Precondition, Store, StoreError, Time, Value, ValueType, Write,
};
use fireseal::{CollectionPath, DocumentPath};
use fireseal_emulator::Emulator;
use firestore::gcloud_sdk::google::firestore::v1::{ArrayValue, MapValue};
use firestore::gcloud_sdk::google::r#type::LatLng;
use futures::future::join_all;

/// Instantiates each test for both stores.
macro_rules! contract {
    ($($name:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&fireseal::store::MemoryStore::new()).await;
            })*
        }

        mod emulator {
            $(#[tokio::test]
            async fn $name() {
                let project = super::Emulator::shared().await.unwrap().project().unwrap();
                super::$name(&fireseal::store::FirestoreStore::new(project.firestore().await.unwrap())).await;
            })*
        }
    };
}

contract!(
    a_new_document_is_read_back,
    create_refuses_an_existing_document,
    update_refuses_an_absent_document,
    delete_removes_a_document,
    delete_with_preconditions,
    a_stale_update_time_is_a_conflict,
    a_later_update_time_is_a_conflict,
    an_update_time_of_an_absent_document_is_a_conflict,
    an_update_time_with_nanoseconds_is_refused,
    set_replaces_and_keeps_the_create_time,
    recreating_gives_a_new_create_time,
    update_times_grow_strictly,
    an_unchanged_write_keeps_the_update_time,
    a_commit_is_atomic,
    a_commit_tells_each_update_time,
    an_empty_commit_does_nothing,
    a_document_stands_once_in_a_commit,
    a_conflict_names_the_document,
    a_mask_sets_only_the_named_fields,
    a_mask_deletes_named_fields_without_a_value,
    a_mask_ignores_fields_it_does_not_name,
    an_empty_mask_creates_and_changes_nothing,
    a_masked_write_creates_the_document,
    a_nested_mask_leaves_the_siblings,
    a_nested_mask_replaces_what_is_no_map,
    a_nested_deletion_keeps_what_is_no_map,
    overlapping_and_repeated_mask_paths,
    masks_with_odd_names,
    masks_with_impossible_names_are_refused,
    reads_keep_the_order_with_absent_and_repeated_documents,
    reading_nothing_asks_nothing,
    many_documents_are_read,
    reads_with_masks,
    lists_pages_in_id_order,
    lists_with_exact_multiples,
    lists_of_absent_collections_are_empty,
    lists_hold_no_other_collections,
    lists_with_masks,
    lists_see_what_changes_between_pages,
    page_tokens_belong_to_their_collection,
    pages_have_room_for_a_document,
    large_pages_and_reads_arrive,
    every_value_is_kept,
    values_that_firestore_changes,
    values_that_cannot_be_stored,
    names_that_cannot_be_stored,
    limits_are_refused_before_sending,
    a_document_grown_too_large_is_refused,
    racing_creates_have_one_winner,
    racing_updates_have_one_winner,
);

// Short forms.

fn doc(path: &str) -> DocumentPath {
    DocumentPath::parse(path).unwrap()
}

fn coll(path: &str) -> CollectionPath {
    CollectionPath::parse(path).unwrap()
}

fn val(value: ValueType) -> Value {
    Value { value_type: Some(value) }
}

fn int(number: i64) -> Value {
    val(ValueType::IntegerValue(number))
}

fn double(number: f64) -> Value {
    val(ValueType::DoubleValue(number))
}

fn text(text: &str) -> Value {
    val(ValueType::StringValue(text.to_owned()))
}

fn bytes(bytes: Vec<u8>) -> Value {
    val(ValueType::BytesValue(bytes))
}

fn time(seconds: i64, nanos: i32) -> Value {
    val(ValueType::TimestampValue(Time { seconds, nanos }))
}

fn geo(latitude: f64, longitude: f64) -> Value {
    val(ValueType::GeoPointValue(LatLng { latitude, longitude }))
}

fn array(values: Vec<Value>) -> Value {
    val(ValueType::ArrayValue(ArrayValue { values }))
}

fn map<const N: usize>(fields: [(&str, Value); N]) -> Value {
    val(ValueType::MapValue(MapValue { fields: some(fields) }))
}

fn some<const N: usize>(fields: [(&str, Value); N]) -> Fields {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn mask(paths: &[&[&str]]) -> FieldMask {
    FieldMask::new(paths.iter().map(|path| path.iter().map(|name| (*name).to_owned()).collect()).collect())
}

fn set(path: &str, fields: Fields) -> Write {
    Write::set(doc(path), fields)
}

fn update(path: &str, fields: Fields, mask: FieldMask) -> Write {
    Write::merge(doc(path), fields, mask)
}

fn delete(path: &str) -> Write {
    Write::delete(doc(path))
}

fn provided(write: Write, precondition: Precondition) -> Write {
    write.with_precondition(precondition)
}

fn create(path: &str, fields: Fields) -> Write {
    provided(set(path, fields), Precondition::Exists(false))
}

/// Commits one write; its update time.
async fn put(store: &dyn Store, write: Write) -> Option<Time> {
    let commit = store.commit(&[write]).await.unwrap();
    assert_eq!(commit.update_times.len(), 1);
    commit.update_times[0]
}

async fn refuse(store: &dyn Store, write: Write) -> StoreError {
    store.commit(&[write]).await.unwrap_err()
}

async fn one(store: &dyn Store, path: &str) -> Option<Document> {
    let mut read = store.read(&[doc(path)], None).await.unwrap();
    assert_eq!(read.len(), 1);
    read.remove(0)
}

async fn fields(store: &dyn Store, path: &str) -> Fields {
    one(store, path).await.unwrap().fields
}

async fn page(store: &dyn Store, collection: &str, size: u32, token: Option<String>) -> ListPage {
    let request =
        ListRequest { collection: coll(collection), page_size: size, page_token: token, mask: None };
    store.list(&request).await.unwrap()
}

/// All ids of a collection, page by page.
async fn ids(store: &dyn Store, collection: &str, size: u32) -> Vec<String> {
    let (mut ids, mut token) = (Vec::new(), None);
    loop {
        let page = page(store, collection, size, token).await;
        assert!(page.documents.len() <= usize::try_from(size).unwrap());
        ids.extend(page.documents.iter().map(|document| document.path.id().to_owned()));
        token = page.next_page_token;
        if token.is_none() {
            return ids;
        }
    }
}

fn micros(time: Time) -> i128 {
    i128::from(time.seconds) * 1_000_000 + i128::from(time.nanos) / 1_000
}

/// Equality that tells -0.0 from 0.0 and takes NaN for itself.
fn identical(left: &Value, right: &Value) -> bool {
    match (&left.value_type, &right.value_type) {
        (Some(ValueType::DoubleValue(l)), Some(ValueType::DoubleValue(r))) => l.to_bits() == r.to_bits(),
        (Some(ValueType::ArrayValue(l)), Some(ValueType::ArrayValue(r))) => {
            l.values.len() == r.values.len() && l.values.iter().zip(&r.values).all(|(l, r)| identical(l, r))
        }
        (Some(ValueType::MapValue(l)), Some(ValueType::MapValue(r))) => {
            l.fields.len() == r.fields.len()
                && l.fields.iter().all(|(name, l)| r.fields.get(name).is_some_and(|r| identical(l, r)))
        }
        (left, right) => left == right,
    }
}

// Documents and preconditions.

async fn a_new_document_is_read_back(store: &dyn Store) {
    assert_eq!(one(store, "c/a").await, None);
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let updated = put(store, create("c/a", some([("x", int(1))]))).await;
    let read = one(store, "c/a").await.unwrap();
    assert_eq!((read.path, read.fields), (doc("c/a"), some([("x", int(1))])));
    assert_eq!((read.create_time, read.update_time), (updated, updated));
    let updated = updated.unwrap();
    assert_eq!(updated.nanos % 1_000, 0, "times have microseconds");
    let age = micros(updated) - i128::try_from(before.as_micros()).unwrap();
    assert!(age.abs() < 5_000_000, "the time is now, not {age} microseconds away");
    put(store, create("c/empty", Fields::new())).await;
    assert_eq!(fields(store, "c/empty").await, Fields::new());
}

async fn create_refuses_an_existing_document(store: &dyn Store) {
    put(store, create("c/a", some([("x", int(1))]))).await;
    let error = refuse(store, create("c/a", some([("x", int(2))]))).await;
    assert!(matches!(&error, StoreError::Conflict { document, .. } if document == "c/a"), "{error:?}");
    assert_eq!(fields(store, "c/a").await, some([("x", int(1))]));
}

async fn update_refuses_an_absent_document(store: &dyn Store) {
    let write = provided(set("c/a", some([("x", int(1))])), Precondition::Exists(true));
    let error = refuse(store, write).await;
    assert!(matches!(&error, StoreError::NotFound { document } if document == "c/a"), "{error:?}");
    let write = update("c/a", some([("x", int(1))]), mask(&[&["x"]]));
    let error = refuse(store, provided(write.clone(), Precondition::Exists(true))).await;
    assert!(matches!(error, StoreError::NotFound { .. }), "{error:?}");
    assert_eq!(one(store, "c/a").await, None);
    put(store, create("c/a", Fields::new())).await;
    put(store, provided(write, Precondition::Exists(true))).await;
    assert_eq!(fields(store, "c/a").await, some([("x", int(1))]));
}

async fn delete_removes_a_document(store: &dyn Store) {
    put(store, create("c/a", Fields::new())).await;
    put(store, create("c/a/d/b", Fields::new())).await;
    assert_eq!(put(store, delete("c/a")).await, None);
    assert_eq!(one(store, "c/a").await, None);
    assert!(one(store, "c/a/d/b").await.is_some(), "documents below stay");
    assert_eq!(put(store, delete("c/a")).await, None, "deleting an absent one is no error");
}

async fn delete_with_preconditions(store: &dyn Store) {
    let error = refuse(store, provided(delete("c/a"), Precondition::Exists(true))).await;
    assert!(matches!(&error, StoreError::NotFound { document } if document == "c/a"), "{error:?}");
    put(store, provided(delete("c/a"), Precondition::Exists(false))).await;
    let first = put(store, set("c/a", some([("x", int(1))]))).await.unwrap();
    let second = put(store, set("c/a", some([("x", int(2))]))).await.unwrap();
    let error = refuse(store, provided(delete("c/a"), Precondition::Exists(false))).await;
    assert!(matches!(error, StoreError::Conflict { .. }), "{error:?}");
    let error = refuse(store, provided(delete("c/a"), Precondition::UpdatedAt(first))).await;
    assert!(matches!(error, StoreError::Conflict { .. }), "{error:?}");
    assert!(one(store, "c/a").await.is_some());
    put(store, provided(delete("c/a"), Precondition::UpdatedAt(second))).await;
    assert_eq!(one(store, "c/a").await, None);
}

async fn a_stale_update_time_is_a_conflict(store: &dyn Store) {
    let first = put(store, set("c/a", some([("x", int(1))]))).await.unwrap();
    let second = put(store, set("c/a", some([("x", int(2))]))).await.unwrap();
    let write = set("c/a", some([("x", int(3))]));
    let error = refuse(store, provided(write.clone(), Precondition::UpdatedAt(first))).await;
    assert!(matches!(&error, StoreError::Conflict { document, .. } if document == "c/a"), "{error:?}");
    assert_eq!(fields(store, "c/a").await, some([("x", int(2))]));
    put(store, provided(write, Precondition::UpdatedAt(second))).await;
    assert_eq!(fields(store, "c/a").await, some([("x", int(3))]));
}

async fn a_later_update_time_is_a_conflict(store: &dyn Store) {
    let first = put(store, set("c/a", Fields::new())).await.unwrap();
    let later = Time { seconds: first.seconds + 1_000, nanos: 0 };
    let error =
        refuse(store, provided(set("c/a", some([("x", int(3))])), Precondition::UpdatedAt(later))).await;
    assert!(matches!(&error, StoreError::Conflict { document, .. } if document == "c/a"), "{error:?}");
}

async fn an_update_time_of_an_absent_document_is_a_conflict(store: &dyn Store) {
    let time = put(store, set("c/a", Fields::new())).await.unwrap();
    put(store, delete("c/a")).await;
    for write in [set("c/a", Fields::new()), delete("c/a")] {
        let error = refuse(store, provided(write, Precondition::UpdatedAt(time))).await;
        assert!(matches!(&error, StoreError::Conflict { document, .. } if document == "c/a"), "{error:?}");
    }
    assert_eq!(one(store, "c/a").await, None);
}

async fn an_update_time_with_nanoseconds_is_refused(store: &dyn Store) {
    let time = put(store, set("c/a", Fields::new())).await.unwrap();
    let time = Time { nanos: time.nanos + 1, ..time };
    let error = refuse(store, provided(set("c/a", Fields::new()), Precondition::UpdatedAt(time))).await;
    assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
}

async fn set_replaces_and_keeps_the_create_time(store: &dyn Store) {
    let created = put(store, set("c/a", some([("x", int(1)), ("y", int(1))]))).await;
    let updated = put(store, set("c/a", some([("z", int(2))]))).await;
    let read = one(store, "c/a").await.unwrap();
    assert_eq!(read.fields, some([("z", int(2))]));
    assert_eq!((read.create_time, read.update_time), (created, updated));
    assert_ne!(created, updated);
}

async fn recreating_gives_a_new_create_time(store: &dyn Store) {
    let first = put(store, set("c/a", some([("x", int(1))]))).await;
    put(store, delete("c/a")).await;
    let second = put(store, set("c/a", some([("x", int(1))]))).await;
    assert_ne!(first, second);
    assert_eq!(one(store, "c/a").await.unwrap().create_time, second);
}

async fn update_times_grow_strictly(store: &dyn Store) {
    let mut last = 0;
    for number in 0..50 {
        let updated = micros(put(store, set("c/a", some([("x", int(number))]))).await.unwrap());
        assert!(updated > last);
        last = updated;
    }
}

async fn an_unchanged_write_keeps_the_update_time(store: &dyn Store) {
    let values = some([("x", int(1)), ("n", double(f64::NAN)), ("m", map([("k", array(vec![text("a")]))]))]);
    let first = store.commit(&[set("c/a", values.clone())]).await.unwrap();
    let again = store.commit(&[set("c/a", values)]).await.unwrap();
    assert_eq!(again.update_times, first.update_times);
    assert!(micros(again.commit_time.unwrap()) > micros(first.commit_time.unwrap()));
    for write in [
        update("c/a", some([("x", int(1))]), mask(&[&["x"]])),
        update("c/a", Fields::new(), mask(&[&["absent"], &["x", "deeper"]])),
        update("c/a", Fields::new(), mask(&[])),
    ] {
        assert_eq!(put(store, write).await, first.update_times[0]);
    }
    assert_eq!(one(store, "c/a").await.unwrap().update_time, first.update_times[0]);
    let zero = put(store, set("c/z", some([("x", double(0.0))]))).await;
    assert_ne!(put(store, set("c/z", some([("x", double(-0.0))]))).await, zero, "-0.0 is another value");
}

async fn a_commit_is_atomic(store: &dyn Store) {
    put(store, set("c/there", some([("x", int(1))]))).await;
    let writes = vec![
        set("c/new", some([("x", int(2))])),
        set("c/there", some([("x", int(2))])),
        delete("c/other"),
        provided(set("c/absent", Fields::new()), Precondition::Exists(true)),
    ];
    let error = store.commit(&writes).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound { .. }), "{error:?}");
    let paths = ["c/new", "c/there", "c/absent"].map(doc);
    let read = store.read(&paths, None).await.unwrap();
    assert!(read[0].is_none() && read[2].is_none());
    assert_eq!(read[1].as_ref().unwrap().fields, some([("x", int(1))]));
}

async fn a_commit_tells_each_update_time(store: &dyn Store) {
    let old = put(store, set("c/same", some([("x", int(1))]))).await;
    put(store, set("c/gone", Fields::new())).await;
    let commit = store
        .commit(&[
            set("c/a", Fields::new()),
            delete("c/gone"),
            set("c/same", some([("x", int(1))])),
            set("d/b", Fields::new()),
        ])
        .await
        .unwrap();
    assert!(commit.commit_time.is_some());
    assert_eq!(commit.update_times, [commit.commit_time, None, old, commit.commit_time]);
}

async fn an_empty_commit_does_nothing(store: &dyn Store) {
    let commit = store.commit(&[]).await.unwrap();
    assert_eq!((commit.commit_time, commit.update_times.len()), (None, 0));
}

async fn a_document_stands_once_in_a_commit(store: &dyn Store) {
    let error = store.commit(&[set("c/a", Fields::new()), delete("c/a")]).await.unwrap_err();
    assert!(matches!(&error, StoreError::Refused { reason } if reason.contains("c/a")), "{error:?}");
    assert_eq!(one(store, "c/a").await, None);
}

async fn a_conflict_names_the_document(store: &dyn Store) {
    let time = put(store, set("c/b", Fields::new())).await.unwrap();
    put(store, set("c/b", some([("x", int(1))]))).await;
    let document = |error| match error {
        StoreError::Conflict { document, .. } | StoreError::NotFound { document } => document,
        error => panic!("{error:?}"),
    };
    let writes = vec![create("c/a", Fields::new()), create("c/b", Fields::new()), set("c/c", Fields::new())];
    assert_eq!(document(store.commit(&writes).await.unwrap_err()), "c/b");
    let stale = provided(set("c/b", Fields::new()), Precondition::UpdatedAt(time));
    let writes = vec![create("c/a", Fields::new()), stale, set("c/c", Fields::new())];
    assert_eq!(document(store.commit(&writes).await.unwrap_err()), "c/b");
    let absent = provided(set("c/absent", Fields::new()), Precondition::Exists(true));
    let writes = vec![create("c/a", Fields::new()), absent, set("c/c", Fields::new())];
    assert_eq!(document(store.commit(&writes).await.unwrap_err()), "c/absent");
}

// Masks on writing.

async fn a_mask_sets_only_the_named_fields(store: &dyn Store) {
    put(store, set("c/a", some([("x", int(1)), ("y", int(1))]))).await;
    put(store, update("c/a", some([("x", int(2)), ("z", int(2))]), mask(&[&["x"], &["z"]]))).await;
    assert_eq!(fields(store, "c/a").await, some([("x", int(2)), ("y", int(1)), ("z", int(2))]));
}

async fn a_mask_deletes_named_fields_without_a_value(store: &dyn Store) {
    put(store, set("c/a", some([("x", int(1)), ("y", int(1))]))).await;
    put(store, update("c/a", Fields::new(), mask(&[&["x"], &["absent"], &["deep", "absent"]]))).await;
    assert_eq!(fields(store, "c/a").await, some([("y", int(1))]));
}

async fn a_mask_ignores_fields_it_does_not_name(store: &dyn Store) {
    put(store, set("c/a", some([("x", int(1)), ("y", int(1))]))).await;
    let sent = some([("x", int(2)), ("y", int(2)), ("m", map([("in", int(1)), ("out", int(1))]))]);
    put(store, update("c/a", sent, mask(&[&["x"], &["m", "in"]]))).await;
    let expected = some([("x", int(2)), ("y", int(1)), ("m", map([("in", int(1))]))]);
    assert_eq!(fields(store, "c/a").await, expected);
}

async fn an_empty_mask_creates_and_changes_nothing(store: &dyn Store) {
    put(store, update("c/a", some([("x", int(1))]), mask(&[]))).await;
    assert_eq!(fields(store, "c/a").await, Fields::new());
    put(store, set("c/a", some([("x", int(1))]))).await;
    put(store, update("c/a", some([("x", int(2))]), mask(&[]))).await;
    assert_eq!(fields(store, "c/a").await, some([("x", int(1))]));
}

async fn a_masked_write_creates_the_document(store: &dyn Store) {
    put(store, update("c/a", some([("m", map([("x", int(1))]))]), mask(&[&["m", "x"], &["n", "y"]]))).await;
    assert_eq!(fields(store, "c/a").await, some([("m", map([("x", int(1))]))]));
    let create = provided(update("c/b", some([("x", int(1))]), mask(&[&["x"]])), Precondition::Exists(false));
    put(store, create.clone()).await;
    assert!(matches!(refuse(store, create).await, StoreError::Conflict { .. }));
}

async fn a_nested_mask_leaves_the_siblings(store: &dyn Store) {
    let inner = map([("x", int(1)), ("y", int(1)), ("deep", map([("z", int(1))]))]);
    put(store, set("c/a", some([("m", inner), ("n", int(1))]))).await;
    let sent = some([("m", map([("x", int(2)), ("deep", map([("w", int(2))]))]))]);
    put(store, update("c/a", sent, mask(&[&["m", "x"], &["m", "y"], &["m", "deep", "w"]]))).await;
    let inner = map([("x", int(2)), ("deep", map([("w", int(2)), ("z", int(1))]))]);
    assert_eq!(fields(store, "c/a").await, some([("m", inner), ("n", int(1))]));
    put(store, update("c/a", Fields::new(), mask(&[&["m", "x"], &["m", "deep"]]))).await;
    assert_eq!(fields(store, "c/a").await, some([("m", map([])), ("n", int(1))]), "an emptied map stays");
}

async fn a_nested_mask_replaces_what_is_no_map(store: &dyn Store) {
    put(store, set("c/a", some([("x", int(1)), ("l", array(vec![int(1)]))]))).await;
    let sent = some([("x", map([("k", map([("j", int(2))]))])), ("l", map([("k", int(2))]))]);
    put(store, update("c/a", sent.clone(), mask(&[&["x", "k", "j"], &["l", "k"]]))).await;
    assert_eq!(fields(store, "c/a").await, sent);
}

async fn a_nested_deletion_keeps_what_is_no_map(store: &dyn Store) {
    let stored = some([("x", int(1)), ("l", array(vec![int(1)]))]);
    put(store, set("c/a", stored.clone())).await;
    put(store, update("c/a", some([("x", int(2))]), mask(&[&["x", "k"], &["l", "k"], &["no", "k"]]))).await;
    assert_eq!(fields(store, "c/a").await, stored);
}

async fn overlapping_and_repeated_mask_paths(store: &dyn Store) {
    let stored = some([("m", map([("x", int(1)), ("y", int(1))]))]);
    let sent = some([("m", map([("x", int(2))]))]);
    let masks: [&[&[&str]]; 3] =
        [&[&["m"], &["m", "x"]], &[&["m", "x"], &["m"]], &[&["m"], &["m"], &["m", "y"]]];
    for paths in masks {
        put(store, set("c/a", stored.clone())).await;
        put(store, update("c/a", sent.clone(), mask(paths))).await;
        assert_eq!(fields(store, "c/a").await, sent, "{paths:?}");
    }
}

const ODD_NAMES: [&str; 20] = [
    "e.f", ".", "a`b", "`", "a\\b", "\\", "\\`", "a b", " ", "é", "日本", "🦀", "1st", "a-b", "a/b", "a\nb",
    "[0]", "\"", "__", "_x_",
];

async fn masks_with_odd_names(store: &dyn Store) {
    for name in ODD_NAMES {
        let stored = some([("m", map([(name, int(1)), ("rest", int(1))])), (name, int(1)), ("rest", int(1))]);
        put(store, set("c/a", stored.clone())).await;
        assert_eq!(fields(store, "c/a").await, stored, "{name:?}");
        let both = mask(&[&[name], &["m", name]]);
        let read = store.read(&[doc("c/a")], Some(&both)).await.unwrap().remove(0).unwrap();
        assert_eq!(read.fields, some([("m", map([(name, int(1))])), (name, int(1))]), "{name:?}");
        put(store, update("c/a", some([("m", map([(name, int(2))])), (name, int(2))]), both.clone())).await;
        let changed =
            some([("m", map([(name, int(2)), ("rest", int(1))])), (name, int(2)), ("rest", int(1))]);
        assert_eq!(fields(store, "c/a").await, changed, "{name:?}");
        put(store, update("c/a", Fields::new(), both)).await;
        assert_eq!(fields(store, "c/a").await, some([("m", map([("rest", int(1))])), ("rest", int(1))]));
    }
}

async fn masks_with_impossible_names_are_refused(store: &dyn Store) {
    put(store, set("c/a", some([("x", int(1))]))).await;
    let long = "n".repeat(1_500);
    let longest = mask(&[&[&long[1..]], &["x", &long[3..]]]);
    put(store, update("c/a", Fields::new(), longest.clone())).await;
    assert!(store.read(&[doc("c/a")], Some(&longest)).await.unwrap()[0].is_some());
    let paths: [&[&str]; 7] =
        [&[], &[""], &["x", ""], &["__x__"], &["x", "__name__"], &[&long], &["x", &long[2..]]];
    for path in paths {
        let mask = mask(&[path]);
        let error = refuse(store, update("c/a", Fields::new(), mask.clone())).await;
        assert!(matches!(error, StoreError::Refused { .. }), "{path:?}: {error:?}");
        let error = store.read(&[doc("c/a")], Some(&mask)).await.unwrap_err();
        assert!(matches!(error, StoreError::Refused { .. }), "{path:?}: {error:?}");
        let request = ListRequest { collection: coll("c"), page_size: 1, page_token: None, mask: Some(mask) };
        let error = store.list(&request).await.unwrap_err();
        assert!(matches!(error, StoreError::Refused { .. }), "{path:?}: {error:?}");
    }
}

// Reading.

async fn reads_keep_the_order_with_absent_and_repeated_documents(store: &dyn Store) {
    for id in ["a", "b", "c"] {
        put(store, set(&format!("c/{id}"), some([("id", text(id))]))).await;
    }
    let asked = ["c/c", "c/no", "c/a", "c/c", "d/a", "c/b", "c/no"].map(doc);
    let read = store.read(&asked, None).await.unwrap();
    let found: Vec<_> = read.iter().map(|found| found.as_ref().map(|found| found.path.as_str())).collect();
    assert_eq!(found, [Some("c/c"), None, Some("c/a"), Some("c/c"), None, Some("c/b"), None]);
    assert_eq!(read[3].as_ref().unwrap().fields, some([("id", text("c"))]));
}

async fn reading_nothing_asks_nothing(store: &dyn Store) {
    assert_eq!(store.read(&[], None).await.unwrap(), []);
    assert_eq!(store.read(&[], Some(&mask(&[]))).await.unwrap(), []);
}

async fn many_documents_are_read(store: &dyn Store) {
    let even: Vec<Write> =
        (0..700).step_by(2).map(|n| set(&format!("c/{n}"), some([("n", int(n))]))).collect();
    store.commit(&even).await.unwrap();
    let asked: Vec<DocumentPath> = (0..700).rev().map(|n| doc(&format!("c/{n}"))).collect();
    let read = store.read(&asked, None).await.unwrap();
    assert_eq!(read.len(), 700);
    for (n, found) in (0..700).rev().zip(read) {
        assert_eq!(found.map(|found| found.fields), (n % 2 == 0).then(|| some([("n", int(n))])), "{n}");
    }
}

async fn reads_with_masks(store: &dyn Store) {
    let stored = some([("m", map([("x", int(1)), ("y", int(2))])), ("n", int(3)), ("l", array(vec![]))]);
    let time = put(store, set("c/a", stored)).await;
    let masked = |paths: &[&[&str]]| {
        let mask = mask(paths);
        async move { store.read(&[doc("c/a"), doc("c/no")], Some(&mask)).await.unwrap() }
    };
    let nothing = masked(&[]).await;
    assert_eq!(nothing[1], None);
    let nothing = nothing[0].as_ref().unwrap();
    assert_eq!((nothing.fields.len(), nothing.create_time, nothing.update_time), (0, time, time));
    let cases: [(&[&[&str]], Fields); 8] = [
        (&[&["n"]], some([("n", int(3))])),
        (&[&["m", "x"]], some([("m", map([("x", int(1))]))])),
        (&[&["m", "no"], &["no"]], some([])),
        (&[&["n", "deeper"], &["l", "deeper"]], some([])),
        (&[&["m"], &["m", "x"]], some([("m", map([("x", int(1)), ("y", int(2))]))])),
        (&[&["m", "x"], &["m"]], some([("m", map([("x", int(1)), ("y", int(2))]))])),
        (
            &[&["m", "x"], &["m", "y"], &["n"], &["n"]],
            some([("m", map([("x", int(1)), ("y", int(2))])), ("n", int(3))]),
        ),
        (&[&["l"]], some([("l", array(vec![]))])),
    ];
    for (paths, expected) in cases {
        assert_eq!(masked(paths).await[0].as_ref().unwrap().fields, expected, "{paths:?}");
    }
}

// Lists.

async fn lists_pages_in_id_order(store: &dyn Store) {
    let in_order =
        ["-", "1", "10", "9", "A", "Z", "_", "a", "a b", "a-b", "a.b", "aa", "b", "é", "\u{ffff}", "🦀"];
    let backwards = in_order.iter().rev().map(|id| set(&format!("c/{id}"), some([("id", text(id))])));
    store.commit(&backwards.collect::<Vec<_>>()).await.unwrap();
    for size in [1, 3, 16, 100] {
        assert_eq!(ids(store, "c", size).await, in_order, "pages of {size}");
    }
    let all = page(store, "c", 100, None).await;
    assert_eq!(all.next_page_token, None);
    assert!(all.documents.iter().all(|found| found.fields == some([("id", text(found.path.id()))])));
    assert!(all.documents.iter().all(|found| found.create_time.is_some() && found.update_time.is_some()));
}

async fn lists_with_exact_multiples(store: &dyn Store) {
    store.commit(&(0..6).map(|n| set(&format!("c/{n}"), Fields::new())).collect::<Vec<_>>()).await.unwrap();
    for size in [1, 2, 3, 6] {
        assert_eq!(ids(store, "c", size).await, ["0", "1", "2", "3", "4", "5"], "pages of {size}");
    }
    assert_eq!(page(store, "c", u32::MAX, None).await.documents.len(), 6);
}

async fn lists_of_absent_collections_are_empty(store: &dyn Store) {
    put(store, set("c/a", Fields::new())).await;
    for absent in ["d", "c/a/d", "c/no/d", "c/a/c"] {
        let page = page(store, absent, 10, None).await;
        assert_eq!((page.documents.len(), page.next_page_token), (0, None));
    }
}

async fn lists_hold_no_other_collections(store: &dyn Store) {
    let paths = ["c/a", "c/a/c/x", "c/a/d/y", "c/b", "c/ghost/c/z", "c-/a", "c./a", "c0/a", "d/a", "cc/a"];
    store.commit(&paths.iter().map(|path| set(path, Fields::new())).collect::<Vec<_>>()).await.unwrap();
    for size in [1, 2, 10] {
        assert_eq!(ids(store, "c", size).await, ["a", "b"], "pages of {size}");
    }
    assert_eq!(ids(store, "c/a/c", 1).await, ["x"]);
    assert_eq!(ids(store, "c/ghost/c", 1).await, ["z"]);
}

async fn lists_with_masks(store: &dyn Store) {
    let stored = some([("x", int(1)), ("m", map([("y", int(2)), ("z", int(3))]))]);
    put(store, set("c/a", stored)).await;
    let list = |mask| {
        let request = ListRequest { collection: coll("c"), page_size: 5, page_token: None, mask: Some(mask) };
        async move { store.list(&request).await.unwrap().documents.remove(0) }
    };
    assert_eq!(list(mask(&[&["m", "y"]])).await.fields, some([("m", map([("y", int(2))]))]));
    let nothing = list(mask(&[])).await;
    assert_eq!(nothing.fields, Fields::new());
    assert!(nothing.create_time.is_some() && nothing.update_time.is_some());
}

async fn lists_see_what_changes_between_pages(store: &dyn Store) {
    let writes = ["a", "b", "c", "d", "e"].map(|id| set(&format!("c/{id}"), Fields::new()));
    store.commit(&writes).await.unwrap();
    let first = page(store, "c", 2, None).await;
    store
        .commit(&[delete("c/b"), delete("c/c"), set("c/aa", Fields::new()), set("c/cc", Fields::new())])
        .await
        .unwrap();
    let second = page(store, "c", 10, first.next_page_token).await;
    let ids: Vec<_> = second.documents.iter().map(|found| found.path.id()).collect();
    assert_eq!(ids, ["cc", "d", "e"]);
}

async fn page_tokens_belong_to_their_collection(store: &dyn Store) {
    let writes = ["c/a", "c/b", "d/a", "d/b", "c/a/c/a"].map(|path| set(path, Fields::new()));
    store.commit(&writes).await.unwrap();
    let token = page(store, "c", 1, None).await.next_page_token;
    let rubbish = [token.clone().unwrap(), String::new(), "c//".to_owned() + "a/b", "rubbish".to_owned()];
    for (collection, token) in ["d", "d", "c", "c"].into_iter().zip(rubbish) {
        let request = ListRequest {
            collection: coll(collection),
            page_size: 1,
            page_token: Some(token.clone()),
            mask: None,
        };
        let error = store.list(&request).await.unwrap_err();
        assert!(matches!(error, StoreError::Refused { .. }), "{collection}, {token:?}: {error:?}");
    }
    assert_eq!(page(store, "c", 1, token).await.documents[0].path, doc("c/b"));
}

async fn pages_have_room_for_a_document(store: &dyn Store) {
    let request = ListRequest { collection: coll("c"), page_size: 0, page_token: None, mask: None };
    let error = store.list(&request).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
}

async fn large_pages_and_reads_arrive(store: &dyn Store) {
    let large = |n: u8| some([("v", bytes(vec![n; 1_000_000]))]);
    for n in 0..6 {
        put(store, set(&format!("c/{n}"), large(n))).await;
    }
    let page = page(store, "c", 100, None).await;
    assert_eq!(page.documents.len(), 6);
    let paths: Vec<_> = (0..6).map(|n| doc(&format!("c/{n}"))).collect();
    for (n, found) in (0..6).zip(store.read(&paths, None).await.unwrap()) {
        assert!(found.unwrap().fields == large(n));
    }
}

// Values.

async fn every_value_is_kept(store: &dyn Store) {
    let reference = |name: &str| val(ValueType::ReferenceValue(name.to_owned()));
    let mut values = vec![
        val(ValueType::NullValue(0)),
        val(ValueType::BooleanValue(true)),
        val(ValueType::BooleanValue(false)),
        text(""),
        text("Grüße, 世界 🦀 e\u{301}\0\u{ffff}\u{10ffff}"),
        bytes(vec![]),
        bytes((0..=255).collect()),
        reference("projects/p/databases/(default)/documents/c/a"),
        reference("projects/other/databases/(default)/documents/c/a/d/ü b"),
        geo(90.0, -180.0),
        geo(-90.0, 180.0),
        geo(0.1, 0.2),
        array(vec![]),
        map([]),
        array(vec![int(1), text("a"), val(ValueType::NullValue(0)), map([]), double(f64::NAN)]),
        array(vec![map([("a", array(vec![map([("b", array(vec![int(1)]))])]))])]),
        map([("a", map([("b", map([("c", array(vec![double(-0.0), time(1, 1_000)]))]))]))]),
        map([("__type__", text("__vector__")), ("value", array(vec![double(0.5), double(-0.0)]))]),
        time(0, 0),
        time(1_700_000_000, 123_456_000),
        time(-1, 999_999_000),
        time(-62_135_596_800, 0),
        time(253_402_300_799, 999_999_000),
    ];
    values.extend([0, 1, -1, i64::MAX, i64::MIN, (1 << 53) + 1].map(int));
    values.extend(
        [
            0.0,
            -0.0,
            1.5,
            f64::MAX,
            f64::MIN,
            f64::MIN_POSITIVE,
            5e-324,
            f64::EPSILON,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
        ]
        .map(double),
    );
    let stored: Fields = values.into_iter().enumerate().map(|(n, value)| (format!("f{n}"), value)).collect();
    put(store, set("c/a", stored.clone())).await;
    let nested =
        Fields::from([("m".to_owned(), val(ValueType::MapValue(MapValue { fields: stored.clone() })))]);
    put(store, set("c/b", nested)).await;
    let read = fields(store, "c/a").await;
    assert_eq!(read.len(), stored.len());
    for (name, value) in &stored {
        assert!(identical(&read[name], value), "{name}: {:?} became {:?}", value, read[name]);
    }
    let within = val(ValueType::MapValue(MapValue { fields: stored }));
    assert!(identical(&fields(store, "c/b").await["m"], &within));
}

async fn values_that_firestore_changes(store: &dyn Store) {
    let nan = double(f64::from_bits(0xfff8_0000_0000_0123));
    let cases = [
        (time(5, 123_456_789), time(5, 123_456_000)),
        (time(-5, 999_999_999), time(-5, 999_999_000)),
        (nan, double(f64::from_bits(0x7ff8_0000_0000_0000))),
        (geo(-0.0, -0.0), geo(0.0, 0.0)),
        (val(ValueType::NullValue(5)), val(ValueType::NullValue(0))),
    ];
    for (sent, kept) in cases {
        let sent = some([("top", sent.clone()), ("in", array(vec![map([("x", sent)])]))]);
        put(store, set("c/a", sent)).await;
        let read = fields(store, "c/a").await;
        assert!(identical(&read["top"], &kept), "{:?}", read["top"]);
        assert!(identical(&read["in"], &array(vec![map([("x", kept)])])), "{:?}", read["in"]);
    }
    // The sign of zero in a coordinate is invisible to `==`.
    put(store, set("c/a", some([("g", geo(-0.0, -0.0))]))).await;
    let Some(ValueType::GeoPointValue(at)) = &fields(store, "c/a").await["g"].value_type else { panic!() };
    assert!(at.latitude.is_sign_positive() && at.longitude.is_sign_positive());
}

async fn values_that_cannot_be_stored(store: &dyn Store) {
    let vector = |values| map([("__type__", text("__vector__")), ("value", array(values))]);
    let bad = [
        Value { value_type: None },
        array(vec![array(vec![])]),
        array(vec![vector(vec![double(1.0)])]),
        geo(90.5, 0.0),
        geo(0.0, -180.5),
        geo(f64::NAN, 0.0),
        time(-62_135_596_801, 0),
        time(253_402_300_800, 0),
        time(0, -1),
        time(0, 1_000_000_000),
        val(ValueType::ReferenceValue("rubbish".to_owned())),
        val(ValueType::FieldReferenceValue("a".to_owned())),
        vector(vec![]),
        vector(vec![double(f64::NAN)]),
        vector(vec![int(1)]),
        vector(vec![double(1.0); 2_049]),
    ];
    for value in bad {
        let deep = map([("x", array(vec![map([("y", value.clone())])]))]);
        for (value, place) in [(value, "v"), (deep, "v.x[0].y")] {
            let error = refuse(store, set("c/a", some([("v", value.clone())]))).await;
            let StoreError::Limit(limit) = error else { panic!("{value:?}: {error:?}") };
            assert!(limit.to_string().contains(place), "{limit}");
        }
    }
    assert_eq!(one(store, "c/a").await, None);
}

async fn names_that_cannot_be_stored(store: &dyn Store) {
    for name in ["", "__x__", "__name__", "_____", &"n".repeat(1_501)] {
        for fields in [
            some([(name, int(1))]),
            some([("m", map([(name, int(1))]))]),
            some([("l", array(vec![map([(name, int(1))])]))]),
        ] {
            let error = refuse(store, set("c/a", fields)).await;
            let expected = matches!(
                error,
                StoreError::Limit(LimitError::ReservedName { .. } | LimitError::FieldName { .. })
            );
            assert!(expected, "{name:?}: {error:?}");
        }
    }
    for name in ["_", "__", "___", "____", "__x", "x__", "_firestore_id", &"n".repeat(1_497)] {
        put(store, set("c/a", some([(name, int(1)), ("m", map([(name, int(1))]))]))).await;
    }
}

async fn limits_are_refused_before_sending(store: &dyn Store) {
    let half = || bytes(vec![7; MAX_VALUE_BYTES / 2]);
    let error =
        refuse(store, set("c/a", some([("small", int(1)), ("v", bytes(vec![7; MAX_VALUE_BYTES + 1]))])))
            .await;
    assert!(matches!(&error, StoreError::Limit(LimitError::Value { size: 1_048_488, .. })), "{error:?}");
    let text = error.to_string();
    assert!(text.starts_with("v of c/a has 1048488 bytes; Firestore takes at most 1048487"), "{text}");
    let error =
        refuse(store, set("c/a", some([("a", half()), ("b", half()), ("c", bytes(vec![7; 9_999]))]))).await;
    assert!(matches!(&error, StoreError::Limit(LimitError::Document { .. })), "{error:?}");
    let mut deep = int(1);
    for _ in 0..21 {
        deep = map([("k", deep)]);
    }
    let error = refuse(store, set("c/a", some([("v", deep.clone())]))).await;
    assert!(matches!(&error, StoreError::Limit(LimitError::Depth { .. })), "{error:?}");
    let error = refuse(store, update("c/a", some([("v", deep.clone())]), mask(&[&["v"]]))).await;
    assert!(matches!(&error, StoreError::Limit(LimitError::Depth { .. })), "{error:?}");
    put(store, update("c/a", some([("v", deep)]), mask(&[]))).await;
}

async fn a_document_grown_too_large_is_refused(store: &dyn Store) {
    let half = || bytes(vec![7; 600_000]);
    put(store, set("c/a", some([("a", half())]))).await;
    let error = refuse(store, update("c/a", some([("b", half())]), mask(&[&["b"]]))).await;
    assert!(matches!(&error, StoreError::Refused { .. }), "{error:?}");
    put(store, update("c/a", some([("b", half())]), mask(&[&["b"], &["a"]]))).await;
}

// Races.

async fn racing_creates_have_one_winner(store: &dyn Store) {
    let racers = (0..16).map(|n| async move {
        let owner = create("unique/email", some([("owner", int(n))]));
        store.commit(&[owner, create(&format!("c/{n}"), Fields::new())]).await
    });
    let outcomes = join_all(racers).await;
    let winners: Vec<usize> = (0..16).filter(|n| outcomes[*n].is_ok()).collect();
    assert_eq!(winners.len(), 1, "{outcomes:?}");
    for error in outcomes.into_iter().filter_map(Result::err) {
        assert!(matches!(error, StoreError::Conflict { .. }), "{error:?}");
    }
    assert_eq!(ids(store, "c", 100).await, [winners[0].to_string()]);
    let owner = i64::try_from(winners[0]).unwrap();
    assert_eq!(fields(store, "unique/email").await, some([("owner", int(owner))]));
}

async fn racing_updates_have_one_winner(store: &dyn Store) {
    let seen = put(store, set("c/a", some([("x", int(-1))]))).await.unwrap();
    let racers = (0..16).map(|n| async move {
        let write = provided(set("c/a", some([("x", int(n))])), Precondition::UpdatedAt(seen));
        store.commit(&[write]).await
    });
    let outcomes = join_all(racers).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
    for error in outcomes.into_iter().filter_map(Result::err) {
        assert!(matches!(error, StoreError::Conflict { .. }), "{error:?}");
    }
}

// What is particular to memory.

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clones_of_memory_share_the_content_across_threads() {
    let store = MemoryStore::new();
    let tasks = (0..16).map(|n| {
        let store = store.clone();
        tokio::spawn(async move { store.commit(&[create("c/a", some([("n", int(n))]))]).await.is_ok() })
    });
    let won = join_all(tasks).await.into_iter().filter(|won| *won.as_ref().unwrap()).count();
    assert_eq!((won, store.documents().len()), (1, 1));
    assert_eq!(MemoryStore::new().documents(), []);
}

#[tokio::test]
async fn memory_shows_what_it_holds() {
    let store = MemoryStore::new();
    for path in ["c/b", "c/a/d/x", "c/a"] {
        put(&store, set(path, some([("x", int(1))]))).await;
    }
    assert_eq!(format!("{store:?}"), "MemoryStore { documents: 3, .. }");
    let paths: BTreeSet<String> = store.documents().iter().map(|found| found.path.to_string()).collect();
    assert_eq!(paths.into_iter().collect::<Vec<_>>(), ["c/a", "c/a/d/x", "c/b"]);
}

// What is particular to Firestore.

#[tokio::test]
async fn a_request_over_the_servers_size_is_refused() {
    let project = Emulator::shared().await.unwrap().project().unwrap();
    let store = FirestoreStore::new(project.firestore().await.unwrap());
    let writes = |count: usize| -> Vec<_> {
        (0..count).map(|n| set(&format!("c/{n}"), some([("v", bytes(vec![7; 1_000_000]))]))).collect()
    };
    let started = std::time::Instant::now();
    let error = store.commit(&writes(5)).await.unwrap_err();
    assert!(matches!(&error, StoreError::Refused { reason } if reason.contains("4194304")), "{error:?}");
    let error = store.commit(&writes(11)).await.unwrap_err();
    assert!(matches!(&error, StoreError::Refused { reason } if reason.contains("10485760")), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(5), "a permanent error is not tried again");
    assert_eq!(ids(&store, "c", 10).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_commit_waits_for_a_lock_to_be_released() {
    use firestore::gcloud_sdk::google::firestore::v1::{
        BatchGetDocumentsRequest, BeginTransactionRequest, RollbackRequest,
        batch_get_documents_request::ConsistencySelector,
    };
    let project = Emulator::shared().await.unwrap().project().unwrap();
    let db = project.firestore().await.unwrap();
    let store = FirestoreStore::new(db.clone());
    put(&store, set("c/a", some([("x", int(1))]))).await;
    let database = db.get_database_path().clone();
    let mut client = db.client().get();
    let begin = BeginTransactionRequest { database: database.clone(), ..Default::default() };
    let transaction = client.begin_transaction(begin).await.unwrap().into_inner().transaction;
    let read = BatchGetDocumentsRequest {
        database: database.clone(),
        documents: vec![format!("{}/c/a", db.get_documents_path())],
        consistency_selector: Some(ConsistencySelector::Transaction(transaction.clone())),
        ..Default::default()
    };
    let mut answer = client.batch_get_documents(read).await.unwrap().into_inner();
    while answer.message().await.unwrap().is_some() {}

    // The server aborts a commit after two seconds of waiting for the lock.
    let impatient = store.clone().with_deadline(Duration::from_secs(1));
    let error = refuse(&impatient, set("c/a", some([("x", int(2))]))).await;
    assert!(matches!(error, StoreError::Deadline { seconds: 1 }), "{error:?}");
    let release = async {
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        client.rollback(RollbackRequest { database, transaction, ..Default::default() }).await.unwrap();
    };
    let (updated, ()) = tokio::join!(put(&store, set("c/a", some([("x", int(3))]))), release);
    assert!(updated.is_some());
    assert_eq!(fields(&store, "c/a").await, HashMap::from([("x".to_owned(), int(3))]));
}

/// A variable cannot be set for this process alone, so the test runs once more as a child of itself.
#[tokio::test]
async fn connect_joins_the_emulator_that_the_environment_names() {
    const PROJECT: &str = "FIRESEAL_TEST_PROJECT";
    if let Ok(project) = std::env::var(PROJECT) {
        let store = FirestoreStore::connect(&project).await.unwrap();
        put(&store, create("c/a", some([("x", int(1))]))).await;
        return;
    }
    let emulator = Emulator::shared().await.unwrap();
    let project = emulator.project().unwrap();
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "connect_joins_the_emulator_that_the_environment_names"])
        .envs([(PROJECT, project.id()), ("FIRESTORE_EMULATOR_HOST", emulator.host())])
        .output()
        .unwrap();
    assert!(child.status.success(), "{child:?}");
    let store = FirestoreStore::new(project.firestore().await.unwrap());
    assert_eq!(fields(&store, "c/a").await, some([("x", int(1))]));
    assert_eq!(store.database().get_options().google_project_id, project.id());
}
