//! Runs a step over a collection as a job does, without one: pages, preconditions, counts.

#![allow(dead_code)]

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use fireseal::operations::{CollectionConfig, Collections, Counts, Field, Outcome, Step, StepFailure};
use fireseal::store::{
    Document, FieldMask, Fields, ListRequest, Precondition, Store, Value, ValueType, Write, WriteKind,
};
use fireseal::{
    CollectionPath, DataKey, DocumentPath, IndexKey, KeyError, KeyId, KeyLookup, KeyProvider, KeyRing, Scope,
};
use firestore::gcloud_sdk::google::firestore::v1::{ArrayValue, MapValue};

pub type Db = Arc<dyn Store>;

/// What a pass did.
#[derive(Debug, Default)]
pub struct Pass {
    pub documents: u64,
    pub written: u64,
    pub failed: Vec<StepFailure>,
    pub counts: Counts,
}

impl Pass {
    /// Nothing failed.
    #[track_caller]
    pub fn clean(self) -> Self {
        assert!(self.failed.is_empty(), "{:?}", self.failed);
        self
    }

    /// Nothing failed, and nothing was written.
    #[track_caller]
    pub fn idle(self) -> Self {
        let pass = self.clean();
        assert_eq!(pass.written, 0, "a second pass writes nothing");
        pass
    }
}

pub async fn documents(store: &Db, collection: &str) -> Vec<Document> {
    let mut all = Vec::new();
    let mut page_token = None;
    loop {
        let collection = CollectionPath::parse(collection).unwrap();
        let request = ListRequest { collection, page_size: 100, page_token, mask: None };
        let page = store.list(&request).await.unwrap();
        all.extend(page.documents);
        match page.next_page_token.filter(|token| !token.is_empty()) {
            None => return all,
            token => page_token = token,
        }
    }
}

/// One pass over a collection.
pub async fn run(store: &Db, collection: &str, step: &dyn Step) -> Pass {
    let mut pass = Pass::default();
    for page in documents(store, collection).await.chunks(100) {
        let outcomes = step.plan(page.to_vec()).await.unwrap();
        assert_eq!(outcomes.len(), page.len());
        for (document, outcome) in page.iter().zip(outcomes) {
            pass.documents += 1;
            match outcome {
                Outcome::Unchanged(counts) => pass.counts.add(&counts),
                Outcome::Failed(failure) => {
                    assert_eq!(failure.document, document.path);
                    pass.failed.push(failure);
                }
                Outcome::Write(planned) => {
                    assert_eq!(planned.write.path, document.path);
                    assert!(matches!(planned.write.kind, WriteKind::Set { mask: Some(_), .. }));
                    let unchanged = Precondition::UpdatedAt(document.update_time.unwrap());
                    let mut writes = vec![planned.write.with_precondition(unchanged)];
                    writes.extend(planned.also);
                    store.commit(&writes).await.unwrap();
                    pass.written += 1;
                    pass.counts.add(&planned.counts);
                }
                _ => unreachable!(),
            }
        }
    }
    pass
}

pub fn ring() -> KeyRing {
    KeyRing::new(DataKey::from_bytes(&[7; 32])).with_index(IndexKey::from_bytes(&[8; 32]))
}

pub fn path(path: &str) -> DocumentPath {
    DocumentPath::parse(path).unwrap()
}

pub fn val(value: ValueType) -> Value {
    Value { value_type: Some(value) }
}

pub fn text(text: &str) -> Value {
    val(ValueType::StringValue(text.to_owned()))
}

pub fn integer(number: i64) -> Value {
    val(ValueType::IntegerValue(number))
}

pub fn bytes(bytes: &[u8]) -> Value {
    val(ValueType::BytesValue(bytes.to_vec()))
}

pub fn array(values: impl IntoIterator<Item = Value>) -> Value {
    val(ValueType::ArrayValue(ArrayValue { values: values.into_iter().collect() }))
}

pub fn map<const N: usize>(fields: [(&str, Value); N]) -> Value {
    val(ValueType::MapValue(MapValue { fields: self::fields(fields) }))
}

pub fn fields<const N: usize>(fields: [(&str, Value); N]) -> Fields {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

pub async fn put(store: &Db, at: &str, fields: Fields) {
    store.commit(&[Write::set(path(at), fields)]).await.unwrap();
}

pub async fn read(store: &Db, at: &str) -> Option<Document> {
    store.read(&[path(at)], None).await.unwrap().pop().flatten()
}

/// Replaces one field at the root.
pub async fn change(store: &Db, at: &str, name: &str, value: Value) {
    let mask = FieldMask::new(vec![vec![name.to_owned()]]);
    store.commit(&[Write::merge(path(at), fields([(name, value)]), mask)]).await.unwrap();
}

/// A configuration as it stands in a file, in JSON.
pub fn config(json: &str) -> CollectionConfig {
    serde_json::from_str::<Collections>(json).unwrap().iter().next().unwrap().clone()
}

/// Fields without more than their patterns.
pub fn sealing(collection: &str, patterns: &[&str]) -> CollectionConfig {
    let fields = patterns.iter().map(|pattern| Field::new(pattern.parse().unwrap()));
    CollectionConfig::new(collection, fields.collect())
}

/// The same value, doubles compared by their bits.
pub fn same(one: &Value, another: &Value) -> bool {
    match (&one.value_type, &another.value_type) {
        (Some(ValueType::DoubleValue(one)), Some(ValueType::DoubleValue(another))) => {
            one.to_bits() == another.to_bits()
        }
        (Some(ValueType::ArrayValue(one)), Some(ValueType::ArrayValue(another))) => {
            one.values.len() == another.values.len()
                && one.values.iter().zip(&another.values).all(|(one, another)| same(one, another))
        }
        (Some(ValueType::MapValue(one)), Some(ValueType::MapValue(another))) => {
            same_fields(&one.fields, &another.fields)
        }
        (one, another) => one == another,
    }
}

pub fn same_fields(one: &Fields, another: &Fields) -> bool {
    one.len() == another.len()
        && one.iter().all(|(name, value)| another.get(name).is_some_and(|other| same(value, other)))
}

/// By path, for comparing collections.
pub async fn by_path(store: &Db, collection: &str) -> BTreeMap<String, Fields> {
    let documents = documents(store, collection).await.into_iter();
    documents.map(|document| (document.path.to_string(), document.fields)).collect()
}

/// As a vault does: the ring knows that others may have the key, and opening with it was asked for, or not.
pub struct Leaked {
    pub ring: KeyRing,
    pub key: Arc<DataKey>,
    pub opening: bool,
}

#[async_trait]
impl KeyProvider for Leaked {
    async fn ring(&self, _: &Scope) -> Result<KeyRing, KeyError> {
        Ok(self.ring.clone().with_compromised(self.key.id()))
    }

    async fn keys(&self, wanted: &[(Scope, KeyId)]) -> Result<Vec<KeyLookup>, KeyError> {
        let ring = self.ring(&Scope::default()).await?;
        let look_up = |(_, id): &(Scope, KeyId)| match ring.key(id) {
            KeyLookup::Compromised if self.opening => KeyLookup::Found(Arc::clone(&self.key)),
            key => key,
        };
        Ok(wanted.iter().map(look_up).collect())
    }
}
