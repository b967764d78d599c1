//! `FirestoreStore` and the emulator with a proxy in between that loses answers: what was applied, and
//! what is sent again.
//!
//! T27 of docs/threat-model.md.

#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Duration;

use fireseal::DocumentPath;
use fireseal::store::{
    FieldMask, Fields, FirestoreStore, Store, StoreError, TransactionMode, Transform, TransformKind, Value,
    ValueType, Write,
};
use fireseal_emulator::{Emulator, Project};
use proxy::{Fault, Proxy};

#[path = "support/proxy.rs"]
mod proxy;

fn doc(path: &str) -> DocumentPath {
    DocumentPath::parse(path).unwrap()
}

/// A write that is not the same when it is applied twice.
fn add_one() -> Vec<Write> {
    let one = Value { value_type: Some(ValueType::IntegerValue(1)) };
    let add = Transform { path: vec!["n".to_owned()], kind: TransformKind::Increment(one) };
    vec![Write::merge(doc("c/a"), Fields::new(), FieldMask::default()).with_transforms(vec![add])]
}

async fn number(project: &Project) -> Option<i64> {
    let store = FirestoreStore::new(project.firestore().await.unwrap());
    match store.read(&[doc("c/a")], None).await.unwrap().remove(0)?.fields["n"].value_type {
        Some(ValueType::IntegerValue(number)) => Some(number),
        _ => None,
    }
}

async fn set_up() -> (Project, Proxy, FirestoreStore) {
    let project = Emulator::shared().await.unwrap().project().unwrap();
    let proxy = Proxy::new(&project).await;
    let store = proxy.store().await.with_deadline(Duration::from_secs(3));
    (project, proxy, store)
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_not_sent_again() {
    for fault in [Fault::Lost, Fault::Hangup, Fault::Silent] {
        let (project, proxy, store) = set_up().await;
        proxy.nth("Commit", 2, fault);
        store.commit(&add_one()).await.unwrap();
        let error = store.commit(&add_one()).await.unwrap_err();
        let told = match fault {
            Fault::Silent => matches!(error, StoreError::Deadline { .. }),
            _ => matches!(error, StoreError::Unavailable { .. }),
        };
        assert!(told, "{fault:?}: {error:?}");
        assert_eq!((proxy.calls("Commit"), number(&project).await), (2, Some(2)), "{fault:?}");
        store.commit(&add_one()).await.unwrap();
        assert_eq!(number(&project).await, Some(3));
    }
}

#[tokio::test]
async fn a_commit_in_a_transaction_whose_answer_is_lost_is_not_sent_again() {
    let (project, proxy, store) = set_up().await;
    proxy.next("Commit", Fault::Lost);
    let transaction = store.begin(&TransactionMode::ReadWrite { retry: None }).await.unwrap();
    store.read_within(&transaction, &[doc("c/a")], None).await.unwrap();
    let error = store.commit_within(&transaction, &add_one()).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    assert_eq!((proxy.calls("Commit"), number(&project).await), (1, Some(1)));
}

#[tokio::test]
async fn a_commit_that_never_arrives_is_told_alike_and_not_applied() {
    let (project, proxy, store) = set_up().await;
    proxy.next("Commit", Fault::Dropped);
    let error = store.commit(&add_one()).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    assert_eq!((proxy.calls("Commit"), number(&project).await), (1, None));
}

#[tokio::test]
async fn delays_within_the_deadline_are_nothing() {
    let (project, proxy, store) = set_up().await;
    proxy.next("Commit", Fault::Slow(Duration::from_millis(200)));
    proxy.nth("Commit", 2, Fault::Late(Duration::from_millis(200)));
    store.commit(&add_one()).await.unwrap();
    store.commit(&add_one()).await.unwrap();
    assert_eq!(number(&project).await, Some(2));
}

#[tokio::test]
async fn reads_whose_answers_are_lost_are_sent_again() {
    let (_project, proxy, store) = set_up().await;
    store.commit(&add_one()).await.unwrap();
    proxy.next("GetDocument", Fault::Lost);
    proxy.nth("GetDocument", 2, Fault::Hangup);
    assert!(store.read(&[doc("c/a")], None).await.unwrap()[0].is_some());
    assert_eq!(proxy.calls("GetDocument"), 3);
}
