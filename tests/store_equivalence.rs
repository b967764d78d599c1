//! Random sequences of commits do the same to memory and to the emulator.

#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::mem::discriminant;

use fireseal::store::{
    Document, FieldMask, Fields, FirestoreStore, ListRequest, MemoryStore, Precondition, Store, Time, Value,
    ValueType, Write, WriteKind,
};
use fireseal::{CollectionPath, DocumentPath};
use fireseal_emulator::Emulator;
use firestore::gcloud_sdk::google::firestore::v1::{ArrayValue, MapValue};
use firestore::gcloud_sdk::google::r#type::LatLng;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Few names, so that masks, maps and documents meet; some need quoting.
const NAMES: [&str; 6] = ["a", "b", "a.b", "`", "\\", "é f"];
const DOCUMENTS: [&str; 5] = ["x", "y", "z", "x/sub/x", "x/sub/y"];

/// A write as drawn: an update time is one of the document's own, found out when it is sent.
#[derive(Debug, Clone)]
struct Draft {
    document: usize,
    kind: WriteKind,
    precondition: Option<Wanted>,
}

#[derive(Debug, Clone)]
enum Wanted {
    Exists(bool),
    UpdatedNow,
    UpdatedBefore,
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(ValueType::NullValue(0)),
        any::<bool>().prop_map(ValueType::BooleanValue),
        (0..3_i64).prop_map(ValueType::IntegerValue),
        any::<i64>().prop_map(ValueType::IntegerValue),
        prop_oneof![Just(0.0), Just(-0.0), Just(f64::NAN), any::<f64>()].prop_map(ValueType::DoubleValue),
        (-62_135_596_800..=253_402_300_799_i64, 0..1_000_000_000)
            .prop_map(|(seconds, nanos)| ValueType::TimestampValue(Time { seconds, nanos })),
        any::<String>().prop_map(ValueType::StringValue),
        any::<Vec<u8>>().prop_map(ValueType::BytesValue),
        (-90.0..=90.0, -180.0..=180.0)
            .prop_map(|(latitude, longitude)| ValueType::GeoPointValue(LatLng { latitude, longitude })),
        Just(ValueType::ReferenceValue("projects/p/databases/(default)/documents/c/a".to_owned())),
    ]
    .prop_map(|value| Value { value_type: Some(value) });
    leaf.prop_recursive(4, 24, 4, |inner| {
        let is_array = |value: &Value| matches!(value.value_type, Some(ValueType::ArrayValue(_)));
        let array = prop::collection::vec(
            inner.clone().prop_filter("no array in an array", move |v| !is_array(v)),
            0..4,
        )
        .prop_map(|values| ValueType::ArrayValue(ArrayValue { values }));
        let map = fields_of(inner).prop_map(|fields| ValueType::MapValue(MapValue { fields }));
        prop_oneof![1 => array, 3 => map].prop_map(|value| Value { value_type: Some(value) })
    })
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(&NAMES[..]).prop_map(str::to_owned)
}

fn fields_of(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Fields> {
    prop::collection::hash_map(name(), value, 0..4)
}

fn mask() -> impl Strategy<Value = FieldMask> {
    prop::collection::vec(prop::collection::vec(name(), 1..4), 0..5).prop_map(FieldMask::new)
}

fn draft() -> impl Strategy<Value = Draft> {
    let kind = prop_oneof![
        4 => (fields_of(value()), prop::option::weighted(0.7, mask()))
            .prop_map(|(fields, mask)| WriteKind::Set { fields, mask }),
        1 => Just(WriteKind::Delete),
    ];
    let precondition = prop_oneof![
        any::<bool>().prop_map(Wanted::Exists),
        Just(Wanted::UpdatedNow),
        Just(Wanted::UpdatedBefore),
    ];
    (0..DOCUMENTS.len(), kind, prop::option::weighted(0.3, precondition))
        .prop_map(|(document, kind, precondition)| Draft { document, kind, precondition })
}

/// One store with the update times that it gave.
struct Side<'a> {
    store: &'a dyn Store,
    collection: CollectionPath,
    times: BTreeMap<usize, Vec<Time>>,
}

impl Side<'_> {
    fn path(&self, document: usize) -> DocumentPath {
        DocumentPath::parse(&format!("{}/{}", self.collection, DOCUMENTS[document])).unwrap()
    }

    /// Sends the drafts as one commit; what came of it, in a form that both sides share.
    async fn commit(&mut self, drafts: &[Draft]) -> Result<Vec<bool>, &'static str> {
        let precondition = |draft: &Draft| {
            let times = self.times.get(&draft.document);
            let never = Time { seconds: 1, nanos: 0 };
            Some(match draft.precondition.as_ref()? {
                Wanted::Exists(exists) => Precondition::Exists(*exists),
                Wanted::UpdatedNow => {
                    Precondition::UpdatedAt(times.and_then(|t| t.last()).copied().unwrap_or(never))
                }
                Wanted::UpdatedBefore => {
                    Precondition::UpdatedAt(times.and_then(|t| t.first()).copied().unwrap_or(never))
                }
            })
        };
        let writes = drafts
            .iter()
            .map(|draft| {
                let write = Write::new(self.path(draft.document), draft.kind.clone());
                Write { precondition: precondition(draft), ..write }
            })
            .collect::<Vec<_>>();
        match self.store.commit(&writes).await {
            Ok(commit) => {
                let mut changed = Vec::new();
                for (draft, time) in drafts.iter().zip(commit.update_times) {
                    changed.push(time == commit.commit_time);
                    let times = self.times.entry(draft.document).or_default();
                    times.extend(time.filter(|time| times.last() != Some(time)));
                }
                Ok(changed)
            }
            // With several preconditions the server may name another than we do.
            Err(
                fireseal::store::StoreError::Conflict { .. } | fireseal::store::StoreError::NotFound { .. },
            ) if drafts.len() > 1 => Err("precondition"),
            Err(fireseal::store::StoreError::Conflict { .. }) => Err("conflict"),
            Err(fireseal::store::StoreError::NotFound { .. }) => Err("not found"),
            Err(fireseal::store::StoreError::Refused { .. }) => Err("refused"),
            Err(error) => panic!("{error}"),
        }
    }

    /// Everything it holds, through reads, masked reads and lists.
    async fn content(&self, mask: &FieldMask) -> Vec<Option<(String, Fields)>> {
        let plain = |found: Document| {
            let path = found.path.as_str().split_once('/').unwrap().1.to_owned();
            assert!(found.create_time.is_some() && found.update_time.is_some());
            (path, found.fields)
        };
        let paths: Vec<DocumentPath> = (0..DOCUMENTS.len()).map(|document| self.path(document)).collect();
        let mut content = self.store.read(&paths, None).await.unwrap();
        content.extend(self.store.read(&paths, Some(mask)).await.unwrap());
        let request = |page_token| ListRequest {
            collection: self.collection.clone(),
            page_size: 2,
            page_token,
            mask: Some(mask.clone()),
        };
        let first = self.store.list(&request(None)).await.unwrap();
        content.extend(first.documents.into_iter().map(Some));
        if first.next_page_token.is_some() {
            let second = self.store.list(&request(first.next_page_token)).await.unwrap();
            content.extend(second.documents.into_iter().map(Some));
        }
        content.into_iter().map(|found| found.map(plain)).collect()
    }
}

/// Equality that tells -0.0 from 0.0 and takes NaN for itself.
fn identical(left: &Value, right: &Value) -> bool {
    match (&left.value_type, &right.value_type) {
        (Some(ValueType::DoubleValue(l)), Some(ValueType::DoubleValue(r))) => l.to_bits() == r.to_bits(),
        (Some(ValueType::ArrayValue(l)), Some(ValueType::ArrayValue(r))) => {
            l.values.len() == r.values.len() && l.values.iter().zip(&r.values).all(|(l, r)| identical(l, r))
        }
        (Some(ValueType::MapValue(l)), Some(ValueType::MapValue(r))) => {
            identical_fields(&l.fields, &r.fields)
        }
        (left, right) => left == right,
    }
}

fn identical_fields(left: &Fields, right: &Fields) -> bool {
    left.len() == right.len()
        && left.iter().all(|(name, left)| right.get(name).is_some_and(|right| identical(left, right)))
}

fn identical_content(left: &[Option<(String, Fields)>], right: &[Option<(String, Fields)>]) -> bool {
    left.len() == right.len()
        && left.iter().zip(right).all(|(left, right)| match (left, right) {
            (Some((left_path, left)), Some((right_path, right))) => {
                left_path == right_path && identical_fields(left, right)
            }
            (left, right) => discriminant(left) == discriminant(right),
        })
}

#[test]
fn memory_does_what_the_emulator_does() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let project = runtime.block_on(async { Emulator::shared().await.unwrap().project().unwrap() });
    let firestore = runtime.block_on(async { FirestoreStore::new(project.firestore().await.unwrap()) });
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(100);
    let commits = prop::collection::vec((prop::collection::vec(draft(), 1..4), mask()), 1..8);
    let run = std::sync::atomic::AtomicUsize::new(0);
    TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() })
        .run(&commits, |commits| {
            let run = run.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            runtime.block_on(async {
                let memory = MemoryStore::new();
                let side = |store| Side {
                    store,
                    collection: CollectionPath::parse(&format!("run{run}")).unwrap(),
                    times: BTreeMap::new(),
                };
                let (mut memory, mut server) = (side(&memory), side(&firestore));
                for (drafts, mask) in &commits {
                    let (ours, theirs) = (memory.commit(drafts).await, server.commit(drafts).await);
                    prop_assert_eq!(ours, theirs, "{:?}", drafts);
                    let (ours, theirs) = (memory.content(mask).await, server.content(mask).await);
                    prop_assert!(identical_content(&ours, &theirs), "{ours:?}\n{theirs:?}");
                }
                Ok(())
            })
        })
        .unwrap();
}
