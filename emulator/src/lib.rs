//! The official Firestore emulator, for tests.
