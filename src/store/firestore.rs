//! Cloud Firestore, through the client that the `firestore` crate generates.

/// Documents in Cloud Firestore or its emulator.
pub struct FirestoreStore;
