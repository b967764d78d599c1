//! How many documents a key still seals.

use crate::bytes::envelope::{HEADER_BYTES, TAG_BYTES, VERSION};
use crate::bytes::{CollectionPath, KeyId};
use crate::store::{ListRequest, Store, StoreError, Value, ValueType};

/// Documents read at once.
const PAGE: u32 = 300;

/// Counts the documents of a collection that hold a value sealed with this key, at any depth. Reads all
/// of it, collections below its documents excepted. Envelopes that a program of its own stores in
/// another form, as base64 in text say, are not seen.
///
/// # Errors
/// The database cannot be read.
pub async fn count_sealed(
    store: &dyn Store,
    collection: &CollectionPath,
    key: &KeyId,
) -> Result<u64, StoreError> {
    let mut request =
        ListRequest { collection: collection.clone(), page_size: PAGE, page_token: None, mask: None };
    let mut count = 0;
    loop {
        let page = store.list(&request).await?;
        let holds = |document: &&crate::store::Document| {
            document.fields.values().any(|value| sealed_with(value, key))
        };
        count += page.documents.iter().filter(holds).count() as u64;
        request.page_token = page.next_page_token;
        if request.page_token.is_none() {
            return Ok(count);
        }
    }
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
