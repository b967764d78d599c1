//! Floor 0: the bytes of a sealed field. No keys are kept here, and nothing is sent anywhere.

pub(crate) mod location;

pub use location::{
    CollectionPath, DocumentPath, FieldPath, FieldStep, Location, LocationError, MAX_ID_BYTES, Scope,
    check_id,
};
