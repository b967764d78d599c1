//! Documents, wraps and answers that are as large, deep and many as whoever writes the database can make them: each is
//! read, or refused, in bounded time and memory. Prints a table. Rows 16 to 18 of the plan.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use base64::Engine as _;
use fireseal::__private::decoders;
use fireseal::store::{
    Commit, Document, FieldMask, Fields, ListPage, ListRequest, MemoryStore, Store, StoreError, Time, Value,
    ValueType, Write, WriteKind,
};
use fireseal::{
    AgePassphrase, DataKey, DocumentPath, Error, Frame, IndexKey, KeyRing, KeyWrapper, Repository, Sealable,
    SealedRepository, WrapError,
};
use firestore::gcloud_sdk::google::firestore::v1::{ArrayValue, MapValue};

#[path = "support/fake.rs"]
mod fake;
#[path = "support/promise.rs"]
mod promise;

use promise::Promise;

/// The longest that anything here may take, unoptimised and on a busy machine.
const LONGEST: Duration = Duration::from_secs(10);

const NOW: Time = Time { seconds: 1, nanos: 0 };

#[derive(Sealable, PartialEq)]
#[sealable(collection = "customers", debug)]
struct Customer {
    #[sealable(id)]
    id: String,
    name: String,
    #[sensitive(words)]
    note: String,
    #[sensitive(unique)]
    email: String,
    #[sensitive]
    ssn: Vec<String>,
}

fn ada() -> Customer {
    let text = |text: &str| text.to_owned();
    Customer { id: text("ada"), name: text("Ada"), note: text("a note"), email: text("a@b.c"), ssn: vec![] }
}

fn ring() -> KeyRing {
    KeyRing::new(DataKey::from_bytes(&[7; 32])).with_index(IndexKey::from_bytes(&[8; 32]))
}

fn path(path: &str) -> DocumentPath {
    DocumentPath::parse(path).unwrap()
}

fn value(value_type: ValueType) -> Value {
    Value { value_type: Some(value_type) }
}

fn bytes(bytes: Vec<u8>) -> Value {
    value(ValueType::BytesValue(bytes))
}

fn text(length: usize) -> Value {
    value(ValueType::StringValue("x".repeat(length)))
}

fn map(fields: impl IntoIterator<Item = (String, Value)>) -> Value {
    value(ValueType::MapValue(MapValue { fields: fields.into_iter().collect() }))
}

fn array(values: Vec<Value>) -> Value {
    value(ValueType::ArrayValue(ArrayValue { values }))
}

fn deep(levels: usize) -> Value {
    (0..levels).fold(text(1), |inner, _| map([("a".to_owned(), inner)]))
}

/// A token that nobody made.
fn token(number: usize, length: usize) -> Value {
    let mut token = number.to_be_bytes().to_vec();
    token.resize(length, 0xaa);
    bytes(token)
}

/// The document with another entry, or other entries, under `_seal.idx`.
fn with_entries(fields: &Fields, entries: impl IntoIterator<Item = (String, Value)>) -> Fields {
    let mut fields = fields.clone();
    let Some(ValueType::MapValue(seal)) = &mut fields.get_mut("_seal").unwrap().value_type else { panic!() };
    let Some(ValueType::MapValue(all)) = &mut seal.fields.get_mut("idx").unwrap().value_type else {
        panic!()
    };
    all.fields.extend(entries);
    fields
}

/// Answers for `customers/ada` with what the attacker says, and counts what is asked for and written.
#[derive(Clone, Default)]
struct Hostile {
    fields: Arc<Mutex<Fields>>,
    asked: Arc<AtomicUsize>,
    most_writes: Arc<AtomicUsize>,
    deleted: Arc<AtomicUsize>,
}

#[async_trait]
impl Store for Hostile {
    async fn read(
        &self,
        paths: &[DocumentPath],
        _mask: Option<&FieldMask>,
    ) -> Result<Vec<Option<Document>>, StoreError> {
        self.asked.fetch_max(paths.len(), Ordering::SeqCst);
        let answer = |path: &DocumentPath| {
            (path.as_str() == "customers/ada").then(|| Document {
                path: path.clone(),
                fields: self.fields.lock().unwrap().clone(),
                create_time: None,
                update_time: Some(NOW),
            })
        };
        Ok(paths.iter().map(answer).collect())
    }

    async fn commit(&self, writes: &[Write]) -> Result<Commit, StoreError> {
        self.most_writes.fetch_max(writes.len(), Ordering::SeqCst);
        let deletes = writes.iter().filter(|write| matches!(write.kind, WriteKind::Delete)).count();
        self.deleted.fetch_add(deletes, Ordering::SeqCst);
        Ok(Commit { commit_time: None, update_times: vec![Some(NOW); writes.len()] })
    }

    async fn list(&self, _request: &ListRequest) -> Result<ListPage, StoreError> {
        let documents = self.read(&[path("customers/ada")], None).await?;
        Ok(ListPage { documents: documents.into_iter().flatten().collect(), next_page_token: None })
    }
}

/// Runs to its end on this thread, whose memory is counted.
fn measured<T>(work: impl Future<Output = T>) -> (T, Duration, u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (mut result, start) = (None, Instant::now());
    let memory = allocation_counter::measure(|| result = Some(runtime.block_on(work)));
    (result.unwrap(), start.elapsed(), memory.bytes_max)
}

/// A row of the table, which is a try.
fn line(promise: &Promise, case: &str, size: usize, how: &str, time: Duration, peak: u64) {
    println!("{case:<52} {size:>9} {how:<9} {:>6} ms {:>7} KiB", time.as_millis(), peak / 1024);
    promise.holds(time < LONGEST, || format!("{case}: {time:?}"));
}

fn stored() -> Fields {
    let store = MemoryStore::new();
    measured(Repository::<Customer>::new(store.clone(), ring()).create(&ada())).0.unwrap();
    let all = store.documents();
    all.into_iter().find(|document| document.path == path("customers/ada")).unwrap().fields
}

#[test]
fn large_deep_and_crowded_documents_are_read_or_refused() {
    let promise = Promise::new("hostile_documents");
    println!("{:<52} {:>9} {:<9} {:>9} {:>11}", "what stands in the database", "bytes", "", "time", "peak");
    let good = stored();
    let put = |name: &str, value: Value| {
        let mut fields = good.clone();
        fields.insert(name.to_owned(), value);
        fields
    };
    let many = |count: usize| (0..count).map(|number| (format!("f{number:06}"), text(1)));
    // What stands there, and whether it is a customer still.
    let cases = [
        ("1 MiB of text in a clear field", put("name", text(1 << 20)), true),
        ("1 MiB in a field that nobody knows", put("other", bytes(vec![0; 1 << 20])), true),
        ("60,000 fields that nobody knows", put("other", map(many(60_000))), true),
        ("1 MiB of rubbish in a sealed place", put("ssn", bytes(vec![1; 1 << 20])), false),
        ("10 MB of rubbish in a sealed place", put("ssn", bytes(vec![1; 10_000_000])), false),
        ("1 MiB of text in a sealed place", put("ssn", text(1 << 20)), false),
        ("60,000 values in a sealed place", put("ssn", array(vec![text(1); 60_000])), false),
        ("20 levels in a sealed place", put("ssn", deep(20)), false),
        // Deeper ones do not arrive: protobuf's decoder stops at 100 messages in one another, a third as many levels.
        ("90 levels in a sealed place", put("ssn", deep(90)), false),
        ("90 levels that nobody knows", put("other", deep(90)), true),
        (
            "100,000 tokens of one field",
            with_entries(
                &good,
                [("note".to_owned(), {
                    let words = (0..100_000).map(|number| token(number, 8)).collect();
                    map([("key".to_owned(), bytes(vec![0; 16])), ("words".to_owned(), array(words))])
                })],
            ),
            true,
        ),
        ("`_seal` is 1 MiB of text", put("_seal", text(1 << 20)), true),
    ];
    for (case, fields, opens) in cases {
        let size = size(&fields);
        let hostile = Hostile::default();
        *hostile.fields.lock().unwrap() = fields;
        let customers = Repository::<Customer>::new(hostile.clone(), ring());
        let sealed = SealedRepository::<Customer>::new(hostile.clone());
        // Small values take a hundred times their bytes in maps, and are copied.
        let most = 256 * u64::try_from(size).unwrap() + (4 << 20);
        let (got, time, peak) = measured(customers.get("ada"));
        assert_eq!(got.is_ok(), opens, "{case}: {:?}", got.err().map(|error| error.to_string()));
        line(&promise, case, size, if opens { "opens" } else { "refused" }, time, peak);
        assert!(peak < most, "{case}: {peak} bytes of memory for {size}");
        for (way, (told, time, peak)) in [
            ("without a key", measured(async { sealed.get("ada").await.is_ok() })),
            ("in part", measured(async { customers.get_partial("ada").await.is_ok() })),
            ("listed", measured(async { customers.list().page().await.is_ok() })),
            ("modified", measured(async { customers.modify("ada", |one| one.name.clear()).await.is_ok() })),
            ("set", measured(async { customers.set(&ada()).await.is_ok() })),
            ("deleted", measured(async { customers.delete("ada").await.is_ok() })),
        ] {
            line(&promise, &format!("  {way}"), size, if told { "done" } else { "refused" }, time, peak);
            assert!(peak < most, "{case}, {way}: {peak} bytes of memory for {size}");
            assert!(told || way != "deleted", "{case}: it cannot be deleted");
        }
    }
    promise.finish();
}

/// Roughly the bytes of the fields.
fn size(fields: &Fields) -> usize {
    fn of(value: &Value) -> usize {
        match &value.value_type {
            Some(ValueType::StringValue(text)) => text.len(),
            Some(ValueType::BytesValue(bytes)) => bytes.len(),
            Some(ValueType::MapValue(map)) => size(&map.fields),
            Some(ValueType::ArrayValue(array)) => array.values.iter().map(|value| of(value) + 8).sum(),
            _ => 8,
        }
    }
    fields.iter().map(|(name, value)| name.len() + of(value)).sum()
}

/// A write releases what the stored entries say is reserved. Entries that somebody else put there must not have it
/// read and delete without end.
#[test]
fn forged_entries_have_few_reservations_read() {
    let promise = Promise::new("hostile_documents");
    let good = stored();
    let unique =
        |number| map([("key".to_owned(), bytes(vec![0; 16])), ("unique".to_owned(), token(number, 32))]);
    let also = array((0..10_000).map(|number| token(number, 32)).collect());
    let forged = [
        ("10,000 entries", (0..10_000).map(|number| (format!("a{number:05}"), unique(number))).collect()),
        ("10,000 further tokens in one entry", vec![("a".to_owned(), map([("also".to_owned(), also)]))]),
    ];
    for (case, entries) in forged {
        let fields = with_entries(&good, entries);
        let size = size(&fields);
        for way in ["deleted", "set", "modified"] {
            let hostile = Hostile::default();
            *hostile.fields.lock().unwrap() = fields.clone();
            let customers = Repository::<Customer>::new(hostile.clone(), ring());
            let (done, time, peak) = measured(async {
                match way {
                    "deleted" => customers.delete("ada").await,
                    "set" => customers.set(&ada()).await.map(drop),
                    _ => customers.modify("ada", |one| one.email = "c@d.e".to_owned()).await.map(drop),
                }
            });
            let asked = hostile.asked.load(Ordering::SeqCst);
            line(&promise, &format!("{case}, {way}: {asked} read"), size, "", time, peak);
            assert!(done.is_ok(), "{case}, {way}: {done:?}");
            assert!((1..=310).contains(&asked), "{case}, {way}: {asked} reservations are read");
            assert!(hostile.most_writes.load(Ordering::SeqCst) <= 500);
        }
    }
    promise.finish();
}

/// The document's own reservation is released, however many forged entries stand before it.
#[tokio::test]
async fn forged_entries_do_not_hide_the_true_one() {
    let store = MemoryStore::new();
    let customers = Repository::<Customer>::new(store.clone(), ring());
    customers.create(&ada()).await.unwrap();
    let documents = store.documents();
    let ada = documents.iter().find(|document| document.path == path("customers/ada")).unwrap();
    let unique = |number| map([("unique".to_owned(), token(number, 32))]);
    let forged = (0..2_000).map(|number| (format!("a{number:04}"), unique(number)));
    let fields = with_entries(&ada.fields, forged);
    store.commit(&[Write::set(path("customers/ada"), fields)]).await.unwrap();
    customers.delete("ada").await.unwrap();
    assert!(store.documents().is_empty(), "a reservation is left");
}

#[test]
fn plaintexts_that_claim_to_be_deep_or_long_are_refused() {
    let promise = Promise::new("hostile_documents");
    let levels = |count: usize| [&[0x01][..], &vec![0x91; count], &[0xc0]].concat();
    let maps = |count: usize| [&[0x01][..], &[0x81, 0xa0].repeat(count), &[0xc0]].concat();
    let claims = |marker: u8| [&[0x01, marker][..], &[0xff; 4], &[0xc0; 8]].concat();
    let cases = [
        ("arrays, 10,000 deep", levels(10_000)),
        ("arrays, 1,000,000 deep", levels(1_000_000)),
        ("maps, 10,000 deep", maps(10_000)),
        ("an array of 2^32 - 1", claims(0xdd)),
        ("a map of 2^32 - 1", claims(0xdf)),
        ("a text of 2^32 - 1 bytes", claims(0xdb)),
        ("2^32 - 1 bytes", claims(0xc6)),
        ("an extension of 2^32 - 1 bytes", claims(0xc9)),
        ("10 MB of zeros, padded", [&[0x11][..], &vec![0; 10_000_000]].concat()),
    ];
    for (case, plaintext) in cases {
        let (refused, time, peak) = measured(async {
            decoders::plaintext::<serde_json::Value>(&plaintext).is_none()
                && decoders::plaintext::<Vec<Vec<String>>>(&plaintext).is_none()
                && decoders::plaintext::<serde::de::IgnoredAny>(&plaintext).is_none()
        });
        assert!(refused, "{case}");
        line(&promise, &format!("plaintext: {case}"), plaintext.len(), "refused", time, peak);
        assert!(peak < 4 << 20, "{case}: {peak} bytes");
    }
    let sender = [&[1, 1, 1][..], &[0; 48], &[0xff; 2], b"abc"].concat();
    for (case, frame) in [("a sender of 65,535 bytes", sender), ("17 MiB", vec![1; 17 << 20])] {
        let (refused, time, peak) = measured(async { Frame::decode(&frame).is_err() });
        assert!(refused, "{case}");
        line(&promise, &format!("message frame: {case}"), frame.len(), "refused", time, peak);
    }
    promise.finish();
}

/// Lengths of 2^63 and the like in what the server answers.
#[tokio::test]
async fn answers_with_impossible_lengths_are_refused() {
    let promise = Promise::new("hostile_documents");
    // Field 1 (found), 2 (fields), with a length that no message has.
    let varint = |first: u8| [&[first][..], &[0xff; 8], &[0x7f]].concat();
    let answers = [
        ("found, 2^63 - 1 bytes", varint(0x0a)),
        ("a name of 2^63 - 1 bytes", [&[0x0a, 0x0b][..], &varint(0x0a)].concat()),
        ("an endless number", [&[0x0a][..], &[0xff; 64]].concat()),
        ("a group that is nested 10,000 deep", vec![0x0b; 10_000]),
    ];
    for (case, answer) in answers {
        let fake = fake::Fake::new(vec![fake::answers(vec![answer]); 5]).await;
        let start = Instant::now();
        let read = fake.store.read(&[path("c/a"), path("c/b")], None).await;
        assert!(read.is_err(), "{case}");
        line(&promise, &format!("answer: {case}"), 0, "refused", start.elapsed(), 0);
    }
    promise.finish();
}

/// scrypt with a work factor of more than 2^18 is refused before any work: 2^19 is a second, 2^63 for ever.
#[tokio::test]
async fn a_work_factor_that_takes_for_ever_is_refused_before_any_work() {
    let promise = Promise::new("hostile_documents");
    let root = AgePassphrase::new("paper", "correct horse".to_owned().into()).unwrap();
    let weak = AgePassphrase::new("paper", "correct horse".to_owned().into()).unwrap();
    let armoured = weak.with_weak_work_factor_for_tests(2).wrap(b"a record", &[]).await.unwrap();
    let armoured = String::from_utf8(armoured).unwrap();
    let lines: String = armoured.lines().filter(|line| !line.starts_with('-')).collect();
    let file = base64::engine::general_purpose::STANDARD.decode(lines).unwrap();
    assert_eq!(**root.unwrap(&file, &[]).await.unwrap(), *b"a record");
    let header = file.windows(10).position(|at| at == b"-> scrypt ").unwrap();
    let end = header + file[header..].iter().position(|byte| *byte == b'\n').unwrap();
    assert_eq!(file[end - 2..end], *b" 2");
    let (start, mut tried) = (Instant::now(), 0);
    let odd = ["255", "256", "0", "-1", "02"].map(str::to_owned);
    for claimed in (19..=64).map(|log_n: u32| log_n.to_string()).chain(odd) {
        let edited = [&file[..end - 1], claimed.as_bytes(), &file[end..]].concat();
        let refused = root.unwrap(&edited, &[]).await;
        assert!(matches!(refused, Err(WrapError::DoesNotUnwrap { .. })), "{claimed}: {refused:?}");
        tried += 1;
    }
    line(
        &promise,
        &format!("age: {tried} work factors from 2^19"),
        file.len(),
        "refused",
        start.elapsed(),
        0,
    );
    assert!(start.elapsed() < Duration::from_secs(5), "some of the work was done");
    promise.finish();
}

#[test]
fn errors_of_hostile_documents_stay_short() {
    let good = stored();
    let hostile = Hostile::default();
    let mut fields = good.clone();
    fields.insert("ssn".to_owned(), text(1 << 20));
    *hostile.fields.lock().unwrap() = fields;
    let customers = Repository::<Customer>::new(hostile, ring());
    let error: Error = measured(customers.get("ada")).0.unwrap_err();
    assert!(error.to_string().len() < 500 && format!("{error:?}").len() < 2_000);
}
