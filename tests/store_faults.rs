//! `FirestoreStore` against servers that fail, break off, stay silent or lie.

#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/promise.rs"]
mod promise;

use std::time::{Duration, Instant};

use fireseal::store::{Fields, ListRequest, Precondition, Store, StoreError, Time, Write};
use fireseal::{CollectionPath, DocumentPath};
use firestore::gcloud_sdk::google::firestore::v1::{
    BatchGetDocumentsRequest, BatchGetDocumentsResponse, CommitRequest, CommitResponse, Document,
    GetDocumentRequest, ListDocumentsResponse, WriteResult, batch_get_documents_response::Result as Answer,
};
use firestore::gcloud_sdk::prost::Message;
use firestore::gcloud_sdk::tonic::Code;
use tokio::net::TcpListener;

#[path = "support/fake.rs"]
mod fake;
use fake::{Fake, Step, answers, fail, missing, name, store};

fn found(name: &str) -> Vec<u8> {
    let document = Document { name: name.to_owned(), ..Default::default() };
    BatchGetDocumentsResponse { result: Some(Answer::Found(document)), ..Default::default() }.encode_to_vec()
}

fn committed(results: usize) -> Step {
    let response = CommitResponse { write_results: vec![WriteResult::default(); results], commit_time: None };
    answers(vec![response.encode_to_vec()])
}

fn listed(names: &[&str]) -> Step {
    let documents = names.iter().map(|name| Document { name: (*name).to_owned(), ..Default::default() });
    let response = ListDocumentsResponse { documents: documents.collect(), ..Default::default() };
    answers(vec![response.encode_to_vec()])
}

fn doc(path: &str) -> DocumentPath {
    DocumentPath::parse(path).unwrap()
}

fn list() -> ListRequest {
    ListRequest {
        collection: CollectionPath::parse("c").unwrap(),
        page_size: 10,
        page_token: None,
        mask: None,
    }
}

fn set(path: &str, precondition: Option<Precondition>) -> Write {
    Write { precondition, ..Write::set(doc(path), Fields::new()) }
}

// Passing failures.

#[tokio::test]
async fn reads_are_sent_again_after_passing_failures() {
    use Code::{Aborted, Cancelled, DeadlineExceeded, Internal, ResourceExhausted, Unavailable};
    for code in [Unavailable, DeadlineExceeded, Internal, Aborted, Cancelled, ResourceExhausted] {
        let fake = Fake::new([fail(code), fail(code), answers(vec![found(&name("c/a"))])]).await;
        let read = fake.store.read(&[doc("c/a")], None).await.unwrap();
        assert_eq!(read[0].as_ref().unwrap().path, doc("c/a"));
        assert_eq!(fake.requests(), 3, "{code:?}");
        let fake = Fake::new([fail(code), listed(&[&name("c/a")])]).await;
        assert_eq!(fake.store.list(&list()).await.unwrap().documents.len(), 1);
    }
}

#[tokio::test]
async fn reads_are_sent_again_after_broken_streams() {
    let whole = || answers(vec![found(&name("c/a")), missing(&name("c/b"))]);
    for broken in [Step::Reset(vec![]), Step::Reset(vec![found(&name("c/a"))]), Step::Hangup] {
        let fake = Fake::new([broken, whole()]).await;
        let read = fake.store.read(&[doc("c/b"), doc("c/a")], None).await.unwrap();
        assert!(read[0].is_none() && read[1].is_some());
        assert_eq!(fake.requests(), 2);
    }
}

#[tokio::test]
async fn reads_give_up_after_five_attempts() {
    let fake = Fake::new(vec![fail(Code::Unavailable); 6]).await;
    let started = Instant::now();
    let error = fake.store.read(&[doc("c/a")], None).await.unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable { source: Some(_), .. }), "{error:?}");
    assert_eq!(fake.requests(), 5);
    // Pauses of 100, 200, 400 and 800 ms, each shortened by up to half.
    assert!((750..3_000).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
}

#[tokio::test]
async fn retries_end_with_the_deadline() {
    let fake = Fake::new(vec![fail(Code::Unavailable); 6]).await;
    let store = fake.store.clone().with_deadline(Duration::from_millis(200));
    let error = store.read(&[doc("c/a")], None).await.unwrap_err();
    assert!(matches!(error, StoreError::Deadline { seconds: 1 }), "{error:?}");
    assert!((2..5).contains(&fake.requests()), "{}", fake.requests());
}

/// Some fields of a map, with a precondition and a transform.
fn part(path: &str) -> Write {
    use fireseal::store::{FieldMask, Transform, TransformKind, Value, ValueType};
    use firestore::gcloud_sdk::google::firestore::v1::MapValue;
    let value = |value| Value { value_type: Some(value) };
    let number = |number| value(ValueType::IntegerValue(number));
    let map = [("kept", number(1)), ("left", number(2))].map(|(name, value)| (name.to_owned(), value));
    let map = value(ValueType::MapValue(MapValue { fields: map.into() }));
    let fields = Fields::from([("map".to_owned(), map), ("whole".to_owned(), number(3))]);
    let mask =
        [&["map", "kept"][..], &["whole"]].map(|path| path.iter().map(|name| (*name).to_owned()).collect());
    let time = Transform { path: vec!["at".to_owned()], kind: TransformKind::ServerTime };
    Write::merge(doc(path), fields, FieldMask::new(mask.into()))
        .with_precondition(Precondition::Exists(true))
        .with_transforms(vec![time])
}

#[tokio::test]
async fn commits_are_sent_again_only_after_an_abort() {
    let fake = Fake::new([fail(Code::Aborted), fail(Code::Aborted), committed(1)]).await;
    fake.store.commit(&[part("c/a")]).await.unwrap();
    let asked: Vec<CommitRequest> = {
        let asked = fake.asked.lock().unwrap();
        asked.iter().map(|asked| CommitRequest::decode(asked.message.clone()).unwrap()).collect()
    };
    assert_eq!(asked.len(), 3);
    assert!(asked[0].writes[0].update_mask.is_some() && asked[0].writes[0].update_transforms.len() == 1);
    assert!(asked[1..].iter().all(|again| *again == asked[0]), "the same each time");
    let fake = Fake::new(vec![fail(Code::Aborted); 6]).await;
    let error = fake.store.commit(&[set("c/a", None)]).await.unwrap_err();
    // Not one after which the writes may have been applied.
    assert!(matches!(&error, StoreError::Aborted { .. }), "{error:?}");
    assert!(error.to_string().contains("nothing was written"), "{error}");
    assert_eq!(fake.requests(), 5);

    // Whatever else happens, the writes may have been applied before the answer was lost.
    use Code::{Cancelled, Internal, ResourceExhausted, Unavailable, Unknown};
    let mut steps: Vec<Step> =
        [Unavailable, Internal, Cancelled, Unknown, ResourceExhausted].map(fail).into();
    steps.extend([Step::Reset(vec![]), Step::Hangup]);
    for step in steps {
        let fake = Fake::new([step, committed(1)]).await;
        let error = fake.store.commit(&[set("c/a", None)]).await.unwrap_err();
        let told = matches!(&error, StoreError::Unavailable { reason, .. } if reason.contains("may still have been"));
        assert!(told, "{error:?}");
        assert_eq!(fake.requests(), 1);
    }
    let fake = Fake::new([fail(Code::DeadlineExceeded), committed(1)]).await;
    let error = fake.store.commit(&[set("c/a", None)]).await.unwrap_err();
    assert!(matches!(error, StoreError::Deadline { seconds: 30 }), "{error:?}");
    assert_eq!(fake.requests(), 1);
}

// Lasting failures.

#[tokio::test]
async fn lasting_failures_are_told_at_once() {
    type Expected = fn(&StoreError) -> bool;
    let refused: Expected = |error| matches!(error, StoreError::Refused { .. });
    let denied: Expected = |error| matches!(error, StoreError::Denied { .. });
    let too_large =
        Step::Answer(vec![], Code::ResourceExhausted, "gRPC message exceeds maximum size 4194304: 5");
    let cases = [
        (fail(Code::InvalidArgument), refused),
        (fail(Code::OutOfRange), refused),
        (fail(Code::Unimplemented), refused),
        (fail(Code::NotFound), refused), // the database itself
        (fail(Code::FailedPrecondition), refused),
        (too_large.clone(), refused),
        (fail(Code::PermissionDenied), denied),
        (fail(Code::Unauthenticated), denied),
    ];
    for (number, (step, expected)) in cases.into_iter().enumerate() {
        let fake = Fake::new([step.clone(), step.clone(), step.clone(), step]).await;
        let error = fake.store.read(&[doc("c/a")], None).await.unwrap_err();
        assert!(expected(&error), "{number}: {error:?}");
        // "Not found" that names no document is asked once more, with the streaming call.
        let reads = 1 + usize::from(number == 3);
        assert_eq!(fake.requests(), reads);
        let error = fake.store.list(&list()).await.unwrap_err();
        assert!(expected(&error), "{number}: {error:?}");
        assert_eq!(fake.requests(), reads + 1);
        if number != 4 {
            // A failed precondition of a commit is a conflict.
            let error = fake.store.commit(&[set("c/a", None)]).await.unwrap_err();
            assert!(expected(&error), "{number}: {error:?}");
        }
    }
}

#[tokio::test]
async fn failed_preconditions_name_the_document() {
    let production = [
        (
            Code::AlreadyExists,
            "Document already exists: projects/p/databases/(default)/documents/c/ab",
            "c/ab",
        ),
        (Code::NotFound, "No document to update: projects/p/databases/(default)/documents/c/d", "c/d"),
        (Code::FailedPrecondition, "the stored version does not match the required base version", "c/e"),
    ];
    for (code, text, document) in production {
        let fake = Fake::new([Step::Answer(vec![], code, text)]).await;
        let writes = vec![
            set("c/a", Some(Precondition::Exists(false))),
            set("c/ab", Some(Precondition::Exists(false))),
            set("c/d", Some(Precondition::Exists(true))),
            set("c/e", Some(Precondition::UpdatedAt(Time { seconds: 1, nanos: 0 }))),
        ];
        let error = fake.store.commit(&writes).await.unwrap_err();
        match (&error, code) {
            (StoreError::NotFound { document: named }, Code::NotFound) => assert_eq!(named, document),
            (StoreError::Conflict { document: named, .. }, _) => assert_eq!(named, document),
            _ => panic!("{code:?} became {error:?}"),
        }
    }
    let fake = Fake::new([fail(Code::NotFound)]).await;
    let stale = set("c/a", Some(Precondition::UpdatedAt(Time { seconds: 1, nanos: 0 })));
    let error = fake.store.commit(&[stale, set("c/b", None)]).await.unwrap_err();
    assert!(matches!(&error, StoreError::Conflict { document, .. } if document == "c/a"), "{error:?}");
    let fake = Fake::new([fail(Code::AlreadyExists)]).await;
    let many: Vec<_> = (0..9).map(|n| set(&format!("c/{n}"), Some(Precondition::Exists(false)))).collect();
    let error = fake.store.commit(&many).await.unwrap_err().to_string();
    assert!(error.starts_with("one of 9 documents (c/0, c/1, c/2, ..)"), "{error}");
}

#[tokio::test]
async fn long_messages_are_cut() {
    let text: &'static str = "a b\t".repeat(1_000).leak();
    let fake = Fake::new([Step::Answer(vec![], Code::InvalidArgument, text)]).await;
    let error = fake.store.read(&[doc("c/a")], None).await.unwrap_err();
    assert!(error.to_string().len() < 400, "{error}");
}

// Silence.

#[tokio::test]
async fn a_server_that_accepts_and_never_answers_runs_into_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((socket, _)) = listener.accept().await {
            open.push(socket);
        }
    });
    let store = store(url).await.with_deadline(Duration::from_millis(300));
    let deadline = |error: StoreError, started: Instant| {
        assert!(matches!(error, StoreError::Deadline { seconds: 1 }), "{error:?}");
        assert!((290..900).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
    };
    let started = Instant::now();
    deadline(store.read(&[doc("c/a")], None).await.unwrap_err(), started);
    let started = Instant::now();
    deadline(store.commit(&[set("c/a", None)]).await.unwrap_err(), started);
    let started = Instant::now();
    deadline(store.list(&list()).await.unwrap_err(), started);
}

#[tokio::test]
async fn an_answer_that_stops_halfway_runs_into_the_deadline() {
    let fake = Fake::new([Step::Silence(vec![found(&name("c/a"))]), Step::Silence(vec![])]).await;
    let store = fake.store.clone().with_deadline(Duration::from_millis(300));
    let started = Instant::now();
    let error = store.read(&[doc("c/a"), doc("c/b")], None).await.unwrap_err();
    assert!(matches!(error, StoreError::Deadline { .. }), "{error:?}");
    let error = store.commit(&[set("c/a", None)]).await.unwrap_err();
    assert!(matches!(error, StoreError::Deadline { .. }), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert_eq!(fake.requests(), 2);
}

#[tokio::test]
async fn a_server_that_is_gone_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(socket).await.unwrap();
        let _ = tokio::time::timeout(Duration::from_millis(100), connection.accept()).await;
    });
    let store = store(url).await;
    server.await.unwrap();
    let error = store.commit(&[set("c/a", None)]).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    let error = store.read(&[doc("c/a")], None).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
}

// Lies.

#[tokio::test]
async fn answers_for_other_documents_are_refused() {
    let (a, b) = (name("c/a"), name("c/b"));
    let foreign = [
        "projects/other/databases/(default)/documents/c/a",
        "projects/p/databases/other/documents/c/a",
        "projects/p/databases/(default)/documentsx/c/a",
        "projects/p/databases/(default)/documents",
        "projects/p/databases/(default)/documents/",
        "projects/p/databases/(default)/documents//c/a",
        "projects/p/databases/(default)/documents/c",
        "projects/p/databases/(default)/documents/c/a/",
        "projects/p/databases/(default)/documents/c/a/d",
        "projects/p/databases/(default)/documents/c/../c/a",
        "projects/p/databases/(default)/documents/c/__id7__",
        "c/a",
        "",
    ];
    let mut lies: Vec<Vec<Vec<u8>>> = vec![
        vec![found(&name("c/x")), found(&b)],
        vec![missing(&name("c/x")), missing(&b)],
        vec![found(&a)],
        vec![],
        vec![found(&a), found(&a)],
        vec![found(&a), missing(&a)],
        vec![found(&a), found(&b), found(&a)],
        vec![found(&a), found(&b), found(&name("c/x"))],
        vec![found(&a), found(&name("c/B"))],
    ];
    lies.extend(
        foreign.iter().flat_map(|name| [vec![found(name), found(&b)], vec![missing(name), found(&b)]]),
    );
    for (number, lie) in lies.into_iter().enumerate() {
        let fake = Fake::new([answers(lie)]).await;
        let error = fake.store.read(&[doc("c/a"), doc("c/b")], None).await.unwrap_err();
        assert!(matches!(error, StoreError::UnexpectedAnswer { .. }), "{number}: {error:?}");
        assert_eq!(fake.requests(), 1, "a lie is not asked for again");
    }
    for name in foreign.iter().copied().chain([&*name("c/x")]) {
        let fake = Fake::new([answers(vec![found(name)])]).await;
        let error = fake.store.read(&[doc("c/a")], None).await.unwrap_err();
        assert!(matches!(error, StoreError::UnexpectedAnswer { .. }), "{name}: {error:?}");
        assert_eq!(fake.requests(), 1);
    }
    // In any order, with messages that hold nothing in between, is no lie.
    let nothing = BatchGetDocumentsResponse::default().encode_to_vec();
    let fake = Fake::new([answers(vec![nothing.clone(), missing(&b), nothing, found(&a)])]).await;
    let read = fake.store.read(&[doc("c/a"), doc("c/b"), doc("c/a")], None).await.unwrap();
    assert!(read[0].is_some() && read[1].is_none() && read[2].is_some());
    promise::Promise::kept("lying_servers", 1);
}

#[tokio::test]
async fn pages_of_other_collections_are_refused() {
    for lie in ["d/a", "c/a/c/b", "x/a/c/b"] {
        let fake = Fake::new([listed(&[&name("c/a"), &name(lie)])]).await;
        let error = fake.store.list(&list()).await.unwrap_err();
        assert!(matches!(error, StoreError::UnexpectedAnswer { .. }), "{lie}: {error:?}");
    }
    let fake = Fake::new([listed(&["projects/other/databases/(default)/documents/c/a"])]).await;
    let error = fake.store.list(&list()).await.unwrap_err();
    assert!(matches!(error, StoreError::UnexpectedAnswer { .. }), "{error:?}");
    promise::Promise::kept("lying_servers", 1);
}

#[tokio::test]
async fn a_commit_has_a_result_for_each_write() {
    for results in [0, 1, 3] {
        let fake = Fake::new([committed(results)]).await;
        let error = fake.store.commit(&[set("c/a", None), set("c/b", None)]).await.unwrap_err();
        assert!(matches!(error, StoreError::UnexpectedAnswer { .. }), "{results}: {error:?}");
    }
    promise::Promise::kept("lying_servers", 1);
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let fake = Fake::new([Step::Silence(["c/a", "c/a", "c/a"].map(|path| found(&name(path))).into())]).await;
    let started = Instant::now();
    let error = fake.store.read(&[doc("c/a"), doc("c/b")], None).await.unwrap_err();
    assert!(matches!(error, StoreError::UnexpectedAnswer { .. }), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_deletion_has_no_update_time() {
    let time = Some(Time { seconds: 1, nanos: 0 });
    let result = WriteResult { update_time: time, ..Default::default() };
    let response = CommitResponse { write_results: vec![result.clone(), result], commit_time: time };
    let fake = Fake::new([answers(vec![response.encode_to_vec()])]).await;
    let delete = Write::delete(doc("c/b"));
    let commit = fake.store.commit(&[set("c/a", None), delete]).await.unwrap();
    assert_eq!((commit.commit_time, commit.update_times), (time, vec![time, None]));
}

// What travels.

#[tokio::test]
async fn an_empty_mask_asks_for_the_name_alone() {
    let fake = Fake::new([Step::AllMissing]).await;
    fake.store.read(&[doc("c/a")], Some(&fireseal::store::FieldMask::default())).await.unwrap();
    let asked = GetDocumentRequest::decode(fake.asked.lock().unwrap()[0].message.clone()).unwrap();
    assert_eq!(asked.mask.unwrap().field_paths, ["__name__"]);
    let fake = Fake::new([Step::AllMissing]).await;
    let mask = fireseal::store::FieldMask::default();
    fake.store.read(&[doc("c/a"), doc("c/b")], Some(&mask)).await.unwrap();
    let asked = BatchGetDocumentsRequest::decode(fake.asked.lock().unwrap()[0].message.clone()).unwrap();
    assert_eq!(asked.mask.unwrap().field_paths, ["__name__"]);
}

#[tokio::test]
async fn a_deadline_may_be_without_end() {
    let fake = Fake::new([committed(1)]).await;
    fake.store.clone().with_deadline(Duration::MAX).commit(&[set("c/a", None)]).await.unwrap();
}

#[tokio::test]
async fn the_server_is_told_the_deadline() {
    let fake = Fake::new([committed(1)]).await;
    fake.store.clone().with_deadline(Duration::from_secs(7)).commit(&[set("c/a", None)]).await.unwrap();
    let timeout = fake.asked.lock().unwrap()[0].timeout.clone().unwrap();
    let (number, unit) = timeout.split_at(timeout.len() - 1);
    let number: f64 = number.parse().unwrap();
    let seconds = match unit {
        "n" => number / 1e9,
        "u" => number / 1e6,
        "m" => number / 1e3,
        _ => number,
    };
    assert!((5.0..=7.0).contains(&seconds), "{timeout}");
}

#[tokio::test]
async fn debug_shows_no_values() {
    let fake = Fake::new([]).await;
    let shown = format!("{:?}", fake.store);
    assert_eq!(
        shown,
        r#"FirestoreStore { documents: "projects/p/databases/(default)/documents", deadline: 30s, .. }"#
    );
}

#[tokio::test]
async fn nothing_to_do_sends_nothing() {
    let fake = Fake::new([]).await;
    fake.store.read(&[], None).await.unwrap();
    fake.store.commit(&[]).await.unwrap();
    assert_eq!(fake.requests(), 0);
}

#[tokio::test]
async fn large_reads_are_split_and_repeated_documents_travel_once() {
    let paths: Vec<DocumentPath> = (0..1_300).map(|n| doc(&format!("c/{:04}", n % 650))).collect();
    let fake = Fake::new(vec![Step::AllMissing; 3]).await;
    assert_eq!(fake.store.read(&paths, None).await.unwrap(), vec![None; 1_300]);
    let mut asked: Vec<usize> = fake
        .asked
        .lock()
        .unwrap()
        .iter()
        .map(|asked| BatchGetDocumentsRequest::decode(asked.message.clone()).unwrap().documents.len())
        .collect();
    asked.sort_unstable();
    assert_eq!(asked, [50, 300, 300]);
}

#[tokio::test]
async fn fields_outside_the_mask_do_not_travel() {
    use fireseal::store::{FieldMask, Value, ValueType};
    let text = |text: &str| Value { value_type: Some(ValueType::StringValue(text.to_owned())) };
    let fields = Fields::from([("a".to_owned(), text("meant")), ("b".to_owned(), text("canary"))]);
    let mask = FieldMask::new(vec![vec!["a".to_owned()]]);
    let fake = Fake::new([committed(1)]).await;
    let write = Write::merge(doc("c/a"), fields, mask);
    fake.store.commit(&[write]).await.unwrap();
    let asked = fake.asked.lock().unwrap();
    assert_eq!(asked[0].method, "/google.firestore.v1.Firestore/Commit");
    assert!(asked[0].message.windows(5).any(|window| window == b"meant"));
    assert!(!asked[0].message.windows(6).any(|window| window == b"canary"));
    assert!(CommitRequest::decode(asked[0].message.clone()).is_ok());
}
