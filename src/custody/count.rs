//! How many documents need a key still.

use futures::TryStreamExt as _;

use crate::bytes::KeyId;
use crate::bytes::envelope::{HEADER_BYTES, TAG_BYTES, VERSION};
use crate::store::{
    Cursor, Direction, Document, FieldRef, Fields, From, Order, Query, Store, StoreError, Value, ValueType,
};

/// Documents in one query.
const PAGE: u32 = 300;
/// How many bytes of an index key's id its entries name.
const NAME_BYTES: usize = 16;

/// Counts the documents that need this key: those that hold a value sealed with it, at any depth, an index
/// entry made with it, or a document seal under it. Reads all of a collection, or of a collection group;
/// collections below their documents are others. Envelopes that a program of its own stores in another form,
/// as base64 in text say, are not seen, nor are reservations of unique values.
///
/// # Errors
/// The database cannot be read.
pub async fn count_sealed(store: &dyn Store, documents: From, key: &KeyId) -> Result<u64, StoreError> {
    let order = vec![Order { field: FieldRef::Name, direction: Direction::Ascending }];
    let mut query = Query { order, limit: Some(PAGE), ..Query::new(documents) };
    let mut count = 0;
    loop {
        let (mut answer, mut read) = (store.query(&query, None).await?, 0);
        while let Some(document) = answer.try_next().await? {
            read += 1;
            count += u64::from(needs(&document, key));
            let name = ValueType::ReferenceValue(document.path.as_str().to_owned());
            query.start = Some(Cursor { values: vec![Value { value_type: Some(name) }], before: false });
        }
        // A short answer is the last one.
        if read < PAGE {
            return Ok(count);
        }
    }
}

fn needs(document: &Document, key: &KeyId) -> bool {
    let seal =
        |name| document.fields.get("_seal").and_then(map).and_then(|seal| seal.get(name)).and_then(map);
    let (name, _) = key.as_bytes().split_at(NAME_BYTES);
    let names = |entry: &Value, id: &[u8]| map(entry).and_then(|entry| bytes(entry.get("key")?)) == Some(id);
    document.fields.values().any(|value| sealed_with(value, key))
        || seal("idx").is_some_and(|entries| entries.values().any(|entry| names(entry, name)))
        || seal("doc").and_then(|seal| bytes(seal.get("key")?)) == Some(key.as_bytes())
}

fn sealed_with(value: &Value, key: &KeyId) -> bool {
    match &value.value_type {
        Some(ValueType::BytesValue(bytes)) => {
            let id = bytes.get(1..1 + key.as_bytes().len());
            bytes.len() > HEADER_BYTES + TAG_BYTES && bytes[0] == VERSION && id == Some(key.as_bytes())
        }
        Some(ValueType::MapValue(map)) => map.fields.values().any(|value| sealed_with(value, key)),
        Some(ValueType::ArrayValue(array)) => array.values.iter().any(|value| sealed_with(value, key)),
        _ => false,
    }
}

fn map(value: &Value) -> Option<&Fields> {
    match &value.value_type {
        Some(ValueType::MapValue(map)) => Some(&map.fields),
        _ => None,
    }
}

fn bytes(value: &Value) -> Option<&[u8]> {
    match &value.value_type {
        Some(ValueType::BytesValue(bytes)) => Some(bytes),
        _ => None,
    }
}
