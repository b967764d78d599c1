//! The memory of an audit does not grow with the collection, whatever its documents hold.

#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Instant;

use allocation_counter::measure;
use async_trait::async_trait;
use fireseal::operations::{Audit, AuditReport, CollectionConfig, Field};
use fireseal::store::{
    Commit, Document, FieldMask, Fields, ListPage, ListRequest, Query, Store, StoreError, Transaction, Value,
    ValueType, Write,
};
use fireseal::{DataKey, DocumentPath, KeyRing};
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};

/// A collection of so many documents, each made when it is asked for.
struct Endless(usize);

fn text(text: impl Into<String>) -> Value {
    Value { value_type: Some(ValueType::StringValue(text.into())) }
}

/// No two documents have a key, a clear field or a sealed field outside of the configuration in common.
fn document(number: usize) -> Document {
    let mut envelope = vec![1; 120];
    envelope[1..9].copy_from_slice(&number.to_be_bytes());
    let envelope = Value { value_type: Some(ValueType::BytesValue(envelope)) };
    let fields = Fields::from([
        ("ssn".to_owned(), envelope.clone()),
        (format!("sealed-{number}"), envelope),
        (format!("clear-{number}"), text("write to ada@example.com")),
        ("note".to_owned(), text("a note of some length, as people write them ".repeat(20))),
        ("_seal".to_owned(), text("malformed")),
    ]);
    let path = DocumentPath::parse(&format!("people/{number:08}")).unwrap();
    Document { path, fields, create_time: None, update_time: None }
}

#[async_trait]
impl Store for Endless {
    async fn read(
        &self,
        _paths: &[DocumentPath],
        _mask: Option<&FieldMask>,
    ) -> Result<Vec<Option<Document>>, StoreError> {
        unimplemented!("an audit reads by queries")
    }

    async fn commit(&self, _writes: &[Write]) -> Result<Commit, StoreError> {
        unimplemented!("an audit writes nothing")
    }

    async fn list(&self, _request: &ListRequest) -> Result<ListPage, StoreError> {
        unimplemented!("an audit reads by queries")
    }

    async fn query(
        &self,
        query: &Query,
        _within: Option<&Transaction>,
    ) -> Result<BoxStream<'static, Result<Document, StoreError>>, StoreError> {
        let start = query.start.as_ref().map_or(0, |start| match &start.values[0].value_type {
            Some(ValueType::ReferenceValue(path)) => {
                path.rsplit('/').next().unwrap().parse::<usize>().unwrap() + 1
            }
            other => panic!("{other:?} is no name"),
        });
        let end = self.0.min(start + query.limit.unwrap() as usize);
        Ok(stream::iter(start..end).map(|number| Ok(document(number))).boxed())
    }
}

/// The most memory at any time, in bytes, and the report.
fn audited(documents: usize, keys: Option<KeyRing>) -> (u64, AuditReport) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut report = None;
    let started = Instant::now();
    let used = measure(|| {
        let people = CollectionConfig::new("people", vec![Field::new("ssn".parse().unwrap())]);
        let audit = Audit::new(Endless(documents), [people]);
        let audit = match keys {
            Some(keys) => audit.with_keys(keys),
            None => audit,
        };
        report = Some(runtime.block_on(audit.run()).unwrap());
    });
    let rate = documents as f64 / started.elapsed().as_secs_f64();
    println!("{documents} documents: {} bytes at most, {rate:.0} documents a second", used.bytes_max);
    (used.bytes_max, report.unwrap())
}

#[test]
fn ten_times_the_documents_take_no_more_memory() {
    for keys in [None, Some(KeyRing::new(DataKey::generate().unwrap()))] {
        let (few, _) = audited(2_000, keys.clone());
        let (many, report) = audited(20_000, keys.clone());
        assert!(many < few + few / 10, "{few} bytes for 2,000 documents, {many} for 20,000");
        // What found no room is counted all the same.
        assert_eq!(report.documents(), 20_000);
        let people = &report.collections[0];
        assert_eq!(people.malformed_seal.count, 20_000);
        let hints: u64 = people.hints.iter().map(|hint| hint.values).sum();
        assert_eq!(hints + people.more_hints, 20_000);
        let in_rows: u64 = report.keys.iter().map(|key| key.values).sum();
        assert_eq!(in_rows + report.values_under_other_keys, 20_000);
        if keys.is_none() {
            let unlisted: u64 = people.unlisted.iter().map(|field| field.values).sum();
            assert_eq!(unlisted + people.more_unlisted, 20_000);
        }
    }
}
