//! Encrypting persistence for Cloud Firestore.

mod bytes;
mod store;

pub use bytes::{
    CollectionPath, DocumentPath, FieldPath, FieldStep, Location, LocationError, MAX_ID_BYTES, Scope,
    check_id,
};
pub use store::{
    Commit, Document, FieldMask, Fields, FirestoreStore, LimitError, ListPage, ListRequest, MAX_COLLECTIONS,
    MAX_DEPTH, MAX_DOCUMENT_BYTES, MAX_FIELD_NAME_BYTES, MAX_NAME_BYTES, MAX_VALUE_BYTES, MemoryStore,
    Precondition, Store, StoreError, Time, Value, ValueType, Write, WriteKind, check_document,
};
