//! Documents, writes and pages as a store sees them.

use std::collections::HashMap;

use crate::bytes::{CollectionPath, DocumentPath};

/// A Firestore value, the generated protobuf type that the `firestore` crate uses too.
pub use ::firestore::gcloud_sdk::google::firestore::v1::{Value, value::ValueType};

/// A point in time as Firestore keeps it, to the microsecond.
pub use ::firestore::gcloud_sdk::prost_types::Timestamp as Time;

/// The named values of a document or map.
pub type Fields = HashMap<String, Value>;

/// A document as the database holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Its path, as the database answered.
    pub path: DocumentPath,
    /// Its values.
    pub fields: Fields,
    /// When it was created.
    pub create_time: Option<Time>,
    /// When it was last changed.
    pub update_time: Option<Time>,
}

/// What must hold for a write to be applied.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Precondition {
    /// The document exists, or does not.
    Exists(bool),
    /// The document was last changed at exactly this time.
    UpdatedAt(Time),
}

/// Fields by path: each path is a list of names from the document's root, unescaped.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldMask {
    paths: Vec<Vec<String>>,
}

impl FieldMask {
    /// A mask of these paths; an empty one names no field at all.
    #[must_use]
    pub fn new(paths: Vec<Vec<String>>) -> Self {
        Self { paths }
    }

    /// The paths, each a list of names.
    #[must_use]
    pub fn paths(&self) -> &[Vec<String>] {
        &self.paths
    }

    /// The paths in Firestore's notation: joined by `.`, names that are no identifiers in
    /// backquotes.
    #[must_use]
    pub fn encode(&self) -> Vec<String> {
        self.paths
            .iter()
            .map(|path| path.iter().map(|name| quoted(name)).collect::<Vec<_>>().join("."))
            .collect()
    }
}

fn quoted(name: &str) -> String {
    let mut chars = name.chars();
    let identifier = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_');
    if identifier {
        return name.to_owned();
    }
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

/// What a write does to its document.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum WriteKind {
    /// Sets fields. With a mask only the named ones: a named field without a value is deleted, and
    /// all others stay. Without a mask the document is replaced. Creates it if need be.
    Set {
        /// The values.
        fields: Fields,
        /// Which fields are meant; `None` for the whole document.
        mask: Option<FieldMask>,
    },
    /// Deletes the document; deleting an absent one is no error.
    Delete,
}

/// One write of a commit.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    /// The document.
    pub path: DocumentPath,
    /// What is done to it.
    pub kind: WriteKind,
    /// What must hold first.
    pub precondition: Option<Precondition>,
}

/// What a commit did.
#[derive(Debug, Clone, PartialEq)]
pub struct Commit {
    /// When it was applied.
    pub commit_time: Option<Time>,
    /// For each write in order, the document's new update time; `None` for a deletion.
    pub update_times: Vec<Option<Time>>,
}

/// Which page of a collection is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct ListRequest {
    /// The collection.
    pub collection: CollectionPath,
    /// At most this many documents, 1 or more.
    pub page_size: u32,
    /// Where the page before ended; `None` for the first.
    pub page_token: Option<String>,
    /// Which fields travel; `None` for all.
    pub mask: Option<FieldMask>,
}

/// One page of a collection.
#[derive(Debug, Clone, PartialEq)]
pub struct ListPage {
    /// The documents, in the order of their ids.
    pub documents: Vec<Document>,
    /// Where the next page begins; `None` at the end.
    pub next_page_token: Option<String>,
}
