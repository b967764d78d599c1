//! Encrypting persistence for Cloud Firestore.
