//! Rings as documents of any database: `{collection}/{scope}` and `{collection}/{scope}/wraps/{key id}`.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use firestore::gcloud_sdk::google::firestore::v1::MapValue;
use sha2::{Digest, Sha256};

use super::super::manifest::{MAX_MANIFEST_BYTES, MAX_SLOTS};
use super::{Change, MAX_WRAP_BYTES, Records, RecordsError, StoredManifest, Wraps, slot_number};
use crate::bytes::{CollectionPath, DocumentPath, KeyId, LocationError, Scope};
use crate::store::{Document, Fields, Precondition, Store, StoreError, Time, Value, ValueType, Write};

const MANIFEST: &str = "manifest";
const WRAPS: &str = "wraps";

/// Rings in a collection. Each change of a ring is one commit.
#[derive(Clone)]
pub struct StoreRecords {
    store: Arc<dyn Store>,
    collection: CollectionPath,
}

impl StoreRecords {
    /// Rings in this collection of a database, which may be one of its own.
    #[must_use]
    pub fn new(store: impl Store + 'static, collection: CollectionPath) -> Self {
        Self { store: Arc::new(store), collection }
    }

    fn manifest_path(&self, scope: &Scope) -> Result<DocumentPath, RecordsError> {
        self.collection.document(&document_id(scope)).map_err(path_error)
    }

    fn wraps_path(&self, scope: &Scope, key: &KeyId) -> Result<DocumentPath, RecordsError> {
        let wraps = self.manifest_path(scope)?.collection(WRAPS).map_err(path_error)?;
        wraps.document(&key.to_string()).map_err(path_error)
    }

    async fn read(&self, path: DocumentPath) -> Result<Option<Document>, RecordsError> {
        let mut documents = self.store.read(&[path], None).await.map_err(RecordsError::Store)?;
        Ok(documents.pop().flatten())
    }
}

#[async_trait]
impl Records for StoreRecords {
    async fn manifest(&self, scope: &Scope) -> Result<Option<StoredManifest>, RecordsError> {
        let Some(mut document) = self.read(self.manifest_path(scope)?).await? else { return Ok(None) };
        let malformed = |reason| RecordsError::Malformed { reason };
        let Some(Value { value_type: Some(ValueType::BytesValue(record)) }) =
            document.fields.remove(MANIFEST)
        else {
            return Err(malformed("the ring's document holds no bytes `manifest`"));
        };
        if record.len() > MAX_MANIFEST_BYTES {
            return Err(malformed("the manifest is too long"));
        }
        let time = document.update_time.ok_or(malformed("the ring's document has no update time"))?;
        let version = [&time.seconds.to_be_bytes()[..], &time.nanos.to_be_bytes()].concat();
        Ok(Some(StoredManifest { record, version }))
    }

    async fn wraps(&self, scope: &Scope, key: &KeyId) -> Result<Option<Wraps>, RecordsError> {
        let Some(mut document) = self.read(self.wraps_path(scope, key)?).await? else { return Ok(None) };
        let malformed = |reason| RecordsError::Malformed { reason };
        let Some(Value { value_type: Some(ValueType::MapValue(map)) }) = document.fields.remove(WRAPS) else {
            return Err(malformed("the key's document holds no map `wraps`"));
        };
        if map.fields.len() > MAX_SLOTS {
            return Err(malformed("a key has more wraps than there can be slots"));
        }
        let wrap = |(slot, value): (String, Value)| match value.value_type {
            Some(ValueType::BytesValue(bytes)) if bytes.len() <= MAX_WRAP_BYTES => {
                Some((slot_number(&slot)?, bytes))
            }
            _ => None,
        };
        let wraps: Option<Wraps> = map.fields.into_iter().map(wrap).collect();
        wraps.map(Some).ok_or(malformed("a wrap is too long, no bytes, or under no slot number"))
    }

    async fn replace(
        &self,
        scope: &Scope,
        expected: Option<&[u8]>,
        change: Change,
    ) -> Result<(), RecordsError> {
        let precondition = match expected {
            None => Precondition::Exists(false),
            Some(version) => Precondition::UpdatedAt(time(version).ok_or(RecordsError::Conflict)?),
        };
        let manifest = bytes(change.manifest);
        let fields = HashMap::from([(MANIFEST.to_owned(), manifest)]);
        let manifest = Write::set(self.manifest_path(scope)?, fields).with_precondition(precondition);
        let mut writes = vec![manifest];
        for (key, wraps) in change.wraps {
            let path = self.wraps_path(scope, &key)?;
            writes.push(match wraps {
                None => Write::delete(path),
                Some(wraps) => {
                    let fields: Fields =
                        wraps.into_iter().map(|(slot, wrap)| (slot.to_string(), bytes(wrap))).collect();
                    let map = Value { value_type: Some(ValueType::MapValue(MapValue { fields })) };
                    Write::set(path, HashMap::from([(WRAPS.to_owned(), map)]))
                }
            });
        }
        match self.store.commit(&writes).await {
            Ok(_) => Ok(()),
            Err(StoreError::Conflict { .. } | StoreError::NotFound { .. }) => Err(RecordsError::Conflict),
            Err(error) => Err(RecordsError::Store(error)),
        }
    }
}

fn bytes(bytes: Vec<u8>) -> Value {
    Value { value_type: Some(ValueType::BytesValue(bytes)) }
}

fn time(version: &[u8]) -> Option<Time> {
    let (seconds, nanos) = version.split_first_chunk::<8>()?;
    Some(Time { seconds: i64::from_be_bytes(*seconds), nanos: i32::from_be_bytes(nanos.try_into().ok()?) })
}

fn path_error(error: LocationError) -> RecordsError {
    RecordsError::Store(StoreError::Refused { reason: error.to_string() })
}

/// The longest encoded scope that is still a document id by itself; longer ones are hashed.
const MAX_PLAIN_ID_BYTES: usize = 400;

/// The scope as a document id: letters, digits, `-`, `_` and `.` as they are, any other byte as `%` and
/// two digits. An id that Firestore would refuse has its first byte written so as well; a long one is
/// `%sha256-` and the SHA-256 of the scope.
fn document_id(scope: &Scope) -> String {
    use std::fmt::Write as _;
    let scope = scope.as_str();
    let reserved = scope == "." || scope == ".." || (scope.starts_with("__") && scope.ends_with("__"));
    let mut id = String::new();
    for (at, byte) in scope.bytes().enumerate() {
        if (byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) && !(reserved && at == 0) {
            id.push(char::from(byte));
        } else {
            write!(id, "%{byte:02X}").expect("writing to a string does not fail");
        }
    }
    if id.len() > MAX_PLAIN_ID_BYTES {
        id = "%sha256-".to_owned();
        for byte in Sha256::digest(scope.as_bytes()) {
            write!(id, "{byte:02x}").expect("writing to a string does not fail");
        }
    }
    id
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::bytes::check_id;

    #[test]
    fn every_scope_has_a_document_id_of_its_own() {
        let long = ["x".repeat(1_500), "ü/".repeat(500), "x".repeat(401)];
        let scopes = [
            "acme", "a/b", "a%2Fb", "ü", ".", "..", "%2E", "%2E.", "__x__", "____", "%5F_x__", "\0", "A", "a",
        ];
        let all: Vec<&str> = scopes.into_iter().chain(long.iter().map(String::as_str)).collect();
        let ids: HashSet<String> =
            all.iter().map(|scope| document_id(&Scope::new(*scope).expect("valid"))).collect();
        assert_eq!(ids.len(), all.len());
        assert!(ids.iter().all(|id| check_id(id).is_ok()), "{ids:?}");
        assert!(ids.contains("acme") && ids.contains("a%2Fb") && ids.contains("%5F_x__"));
    }
}
