//! The indexes that documents need in Cloud Firestore, from their types alone: the file
//! `firestore.indexes.json` of the Firebase tools, and the calls of the `firestore` crate's index management.
//!
//! By itself Firestore indexes every field of every document. Sealed values gain nothing from that: their
//! bytes order nothing, and each entry costs storage and time to write. So each sealed field is exempted, and
//! so is `_seal` as a whole; each token that a query asks for is brought back in. Queries over several fields
//! need composite indexes besides: [`IndexFile::with_query`] adds those of a query.
//!
//! ```
//! use fireseal::Sealable;
//! use fireseal::indexes::IndexFile;
//!
//! #[derive(Sealable)]
//! #[sealable(collection = "customers")]
//! struct Customer {
//!     #[sealable(id)]
//!     id: String,
//!     name: String,
//!     #[sensitive]
//!     ssn: String,
//!     #[sensitive(index)]
//!     email: String,
//! }
//!
//! let file = IndexFile::of::<Customer>().to_json();
//! assert!(file.contains(r#""fieldPath": "ssn""#));
//! assert!(file.contains(r#""fieldPath": "_seal.idx.email.eq""#));
//! ```

#[cfg(feature = "indexes")]
mod admin;
mod error;
mod file;
mod json;
mod model;
mod required;

pub use error::IndexFileError;
pub use file::IndexFile;
