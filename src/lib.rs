//! Encrypting persistence for Cloud Firestore.

mod bytes;
mod store;

pub use bytes::{
    CollectionPath, DocumentPath, FieldPath, FieldStep, Location, LocationError, MAX_ID_BYTES, Scope,
    check_id,
};
pub use store::{
    Commit, Document, FieldMask, Fields, FirestoreStore, ListPage, ListRequest, MemoryStore, Precondition,
    Store, StoreError, Time, Value, ValueType, Write, WriteKind,
};
