//! Listening to documents and queries, over memory and over the emulator, and a connection that breaks.

#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fireseal::store::{
    FieldMask, FieldRef, Fields, Filter, From, ListenEvent, MemoryStore, Op, Query, ResumeToken, Store,
    StoreError, Target, Value, ValueType, Write,
};
use fireseal::{CollectionPath, DocumentPath};
use fireseal_emulator::Emulator;
use futures::stream::{BoxStream, StreamExt};

use proxy::Proxy;

#[path = "support/proxy.rs"]
mod proxy;
#[macro_use]
#[path = "support/stores.rs"]
mod stores;

on_both_stores! {
    documents_are_told_as_they_come_and_go,
    a_document_that_stops_matching_is_removed,
    a_limit_holds,
    what_changes_while_away_is_told,
    what_cannot_be_listened_to_is_refused,
}

type Db = Arc<dyn Store>;
type Events = BoxStream<'static, Result<ListenEvent, StoreError>>;

fn doc(path: &str) -> DocumentPath {
    DocumentPath::parse(path).unwrap()
}

fn int(number: i64) -> Value {
    Value { value_type: Some(ValueType::IntegerValue(number)) }
}

fn set(path: &str, number: i64) -> Write {
    Write::set(doc(path), Fields::from([("n".to_owned(), int(number))]))
}

fn all() -> Query {
    Query::new(From::Collection(CollectionPath::parse("c").unwrap()))
}

/// Those whose number is at least 10.
fn large() -> Query {
    let field = FieldRef::Path(vec!["n".to_owned()]);
    Query { filter: Some(Filter::Field { field, op: Op::GreaterOrEqual, value: int(10) }), ..all() }
}

/// What a listener knows: the documents, and those that it was told are deleted, or only gone.
struct View {
    events: Events,
    documents: BTreeMap<String, i64>,
    removed: Vec<(String, bool)>,
    resume: Option<ResumeToken>,
}

impl View {
    async fn new(store: &dyn Store, target: &Target, resume: Option<ResumeToken>) -> Self {
        let events = store.listen(target, resume).await.unwrap();
        Self { events, documents: BTreeMap::new(), removed: Vec::new(), resume: None }
    }

    /// Takes one event, which is not long in coming.
    async fn take(&mut self) -> Option<Result<bool, StoreError>> {
        let next = tokio::time::timeout(Duration::from_secs(20), self.events.next());
        Some(match next.await.unwrap()? {
            Ok(ListenEvent::Changed(document)) => {
                let Some(ValueType::IntegerValue(number)) = document.fields["n"].value_type else { panic!() };
                self.documents.insert(document.path.to_string(), number);
                Ok(false)
            }
            Ok(ListenEvent::Removed { path, deleted }) => {
                self.documents.remove(path.as_str());
                self.removed.push((path.to_string(), deleted));
                Ok(false)
            }
            Ok(ListenEvent::Reset) => {
                self.documents.clear();
                Ok(false)
            }
            Ok(ListenEvent::Current { resume, at }) => {
                assert!(at.is_some());
                self.resume = resume;
                Ok(true)
            }
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error),
        })
    }

    /// Waits for a consistent state that is this one.
    async fn becomes(&mut self, expected: &[(&str, i64)]) {
        loop {
            let consistent = self.take().await.unwrap().unwrap();
            let now = self.documents.iter().map(|(path, number)| (path.as_str(), *number));
            if consistent && now.eq(expected.iter().copied()) {
                return;
            }
        }
    }
}

async fn documents_are_told_as_they_come_and_go(store: Db) {
    store.commit(&[set("c/a", 1), set("c/other", 1)]).await.unwrap();
    let target = Target::Documents(vec![doc("c/a"), doc("c/b")]);
    let mut view = View::new(&store, &target, None).await;
    view.becomes(&[("c/a", 1)]).await;
    store.commit(&[set("c/b", 2), set("c/other", 2)]).await.unwrap();
    view.becomes(&[("c/a", 1), ("c/b", 2)]).await;
    store.commit(&[set("c/a", 3)]).await.unwrap();
    view.becomes(&[("c/a", 3), ("c/b", 2)]).await;
    view.removed.clear();
    store.commit(&[Write::delete(doc("c/a"))]).await.unwrap();
    view.becomes(&[("c/b", 2)]).await;
    assert_eq!(view.removed, [("c/a".to_owned(), true)]);
}

async fn a_document_that_stops_matching_is_removed(store: Db) {
    store.commit(&[set("c/a", 10), set("c/b", 11), set("c/small", 1), set("d/a", 10)]).await.unwrap();
    let mut view = View::new(&store, &Target::Query(large()), None).await;
    view.becomes(&[("c/a", 10), ("c/b", 11)]).await;
    store.commit(&[set("c/a", 9)]).await.unwrap();
    view.becomes(&[("c/b", 11)]).await;
    store.commit(&[set("c/small", 12), set("c/a", 8)]).await.unwrap();
    view.becomes(&[("c/b", 11), ("c/small", 12)]).await;
    store.commit(&[Write::delete(doc("c/b")), set("c/small", 13)]).await.unwrap();
    view.becomes(&[("c/small", 13)]).await;
}

async fn a_limit_holds(store: Db) {
    store.commit(&(0..4).map(|n| set(&format!("c/{n}"), n)).collect::<Vec<_>>()).await.unwrap();
    let mut view = View::new(&store, &Target::Query(Query { limit: Some(2), ..all() }), None).await;
    view.becomes(&[("c/0", 0), ("c/1", 1)]).await;
    store.commit(&[Write::delete(doc("c/0"))]).await.unwrap();
    view.becomes(&[("c/1", 1), ("c/2", 2)]).await;
}

async fn what_changes_while_away_is_told(store: Db) {
    store.commit(&[set("c/a", 10), set("c/b", 11), set("c/c", 12)]).await.unwrap();
    let target = Target::Query(large());
    let mut view = View::new(&store, &target, None).await;
    view.becomes(&[("c/a", 10), ("c/b", 11), ("c/c", 12)]).await;
    let View { documents, resume, .. } = view;
    store.commit(&[set("c/a", 1), Write::delete(doc("c/b")), set("c/d", 13)]).await.unwrap();
    let mut view = View::new(&store, &target, Some(resume.unwrap())).await;
    view.documents = documents;
    view.becomes(&[("c/c", 12), ("c/d", 13)]).await;
}

async fn what_cannot_be_listened_to_is_refused(store: Db) {
    let impossible = [
        Target::Documents(vec![]),
        Target::Query(Query { offset: 1, ..all() }),
        Target::Query(Query { mask: Some(FieldMask::default()), ..all() }),
    ];
    for target in impossible {
        let error = store.listen(&target, None).await.err().unwrap();
        assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn memory_resumes_from_its_own_tokens_only() {
    let store = MemoryStore::new();
    let target = Target::Query(all());
    let error = store.listen(&target, Some(ResumeToken::new(vec![1, 2, 3]))).await.err().unwrap();
    assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
    // Nothing is told twice.
    store.commit(&[set("c/a", 1)]).await.unwrap();
    let mut view = View::new(&store, &target, None).await;
    view.becomes(&[("c/a", 1)]).await;
    let mut events = store.listen(&target, view.resume).await.unwrap();
    assert!(matches!(events.next().await, Some(Ok(ListenEvent::Current { .. }))));
}

#[tokio::test]
async fn a_broken_connection_is_an_error_and_nothing_is_missed_after_it() {
    let project = Emulator::shared().await.unwrap().project().unwrap();
    let proxy = Proxy::new(&project).await;
    let store = proxy.store().await;
    let target = Target::Query(all());
    let mut view = View::new(&store, &target, None).await;
    store.commit(&[set("c/a", 1), set("c/b", 1)]).await.unwrap();
    view.becomes(&[("c/a", 1), ("c/b", 1)]).await;

    proxy.cut();
    let started = Instant::now();
    let error = loop {
        match view.take().await.unwrap() {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert!(view.take().await.is_none()); // the end
    let View { documents, resume, .. } = view;

    // While nobody listens.
    let direct = fireseal::store::FirestoreStore::new(project.firestore().await.unwrap());
    direct.commit(&[set("c/a", 2), Write::delete(doc("c/b")), set("c/c", 2)]).await.unwrap();
    let mut view = View::new(&store, &target, resume).await;
    view.documents = documents;
    view.becomes(&[("c/a", 2), ("c/c", 2)]).await;
    assert_eq!(proxy.calls("Listen"), 2);
}

#[tokio::test]
async fn a_listener_that_is_dropped_ends_its_call() {
    let project = Emulator::shared().await.unwrap().project().unwrap();
    let proxy = Proxy::new(&project).await;
    let store = proxy.store().await;
    let mut view = View::new(&store, &Target::Query(all()), None).await;
    view.becomes(&[]).await;
    assert_eq!(proxy.open("Listen"), 1);
    drop(view);
    let started = Instant::now();
    while proxy.open("Listen") > 0 {
        assert!(started.elapsed() < Duration::from_secs(5), "it is still open");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn silence_ends_a_listener() {
    let project = Emulator::shared().await.unwrap().project().unwrap();
    let store = fireseal::store::FirestoreStore::new(project.firestore().await.unwrap())
        .with_idle_limit(Duration::from_millis(300));
    let mut view = View::new(&store, &Target::Query(all()), None).await;
    let error = loop {
        match view.take().await.unwrap() {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    assert!(view.take().await.is_none());
}
