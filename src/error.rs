//! One error over those of the floors.

use crate::bytes::{DocumentPath, FieldPath, LocationError, Scope};
use crate::keys::KeyError;
use crate::query::QueryError;
use crate::seal::{OpenError, SealError};
use crate::store::{ClearValueError, StoreError};

/// Why a repository did not do what it was asked. No message holds a byte of a sensitive value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An id or a path is not one that Firestore takes.
    #[error(transparent)]
    Location(#[from] LocationError),
    /// The database did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The keys could not be had.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// What was asked cannot be asked.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The document was not sealed, and so not written.
    #[error("{document} was not written: {source}")]
    Seal {
        /// The document.
        document: DocumentPath,
        /// Why it was not sealed.
        source: SealError,
    },
    /// The document was read, but does not open.
    #[error(transparent)]
    Open(OpenError),
    /// A value in the clear would not come back as it is, so the document was not written.
    #[error("{document} was not written: {source}")]
    ClearValue {
        /// The document.
        document: DocumentPath,
        /// Which field, and why.
        source: ClearValueError,
    },
    /// The document's fields are not those of the type.
    #[error("{document} is not a {type_name}: {at} is missing or of another type{}", absent(.missing))]
    OtherType {
        /// The document.
        document: DocumentPath,
        /// The Rust type.
        type_name: &'static str,
        /// The path of what does not fit; `.` for the document itself.
        at: String,
        /// Fields of the type that the document does not have.
        missing: Vec<&'static str>,
    },
    /// The database answered with another document than the one asked for.
    #[error("asked for {asked}, but the database answered with {answered}")]
    OtherDocument {
        /// The document asked for.
        asked: DocumentPath,
        /// The document answered.
        answered: DocumentPath,
    },
    /// The id stored in the document is not the document's id: it was copied, or made by hand.
    #[error("{document} says in its field {field} that it is another document")]
    OtherId {
        /// The document.
        document: DocumentPath,
        /// The id field's stored name.
        field: &'static str,
    },
    /// A field was named that the type does not have.
    #[error("there is no field {field:?} to update; the type has {known:?}")]
    NoSuchField {
        /// The name as it was given.
        field: String,
        /// The type's fields.
        known: Vec<&'static str>,
    },
    /// A sealed field of a companion is not as it was read, and a repository without keys writes none.
    #[error("{document} was not written: a sealed field is not as it was read; write it with a key")]
    SealedChanged {
        /// The document.
        document: DocumentPath,
    },
    /// A field changed that the document seal covers, and a repository without keys cannot make the seal anew.
    #[error("{document} was not written: its document seal covers {field}; write it with a key")]
    Covered {
        /// The document.
        document: DocumentPath,
        /// The field's stored name.
        field: String,
    },
    /// Plaintext that was not opened stands in another sealed place than it was read from.
    #[error("{document} was not written: plaintext moved from one sealed place to another; open it first")]
    PlaintextMoved {
        /// The document.
        document: DocumentPath,
    },
    /// The elements of an array hold fields that the type does not know, or plaintext in sealed places,
    /// and more than their sealed values changed, so what they hold cannot be put back.
    #[error(
        "{document} was not written: the elements of {field} hold what this program does not know or could not open, and they changed; use `set`, which replaces the field"
    )]
    UnknownInArray {
        /// The document.
        document: DocumentPath,
        /// The array's stored path.
        field: String,
    },
    /// The type has indexes, and the key ring has no index key.
    #[error(
        "nothing was written: the key ring of scope {scope} has no index key to make index tokens with; add one \
         (`KeyRing::with_index`, or the vault's)"
    )]
    NoIndexKey {
        /// The ring's scope.
        scope: Scope,
    },
    /// A compound index is made of several fields, and only some of them were written.
    #[error("nothing was written: the index {index} is made of several fields; write all of them{}", also(.missing))]
    PartOfIndex {
        /// The index's name under `_seal.idx`.
        index: String,
        /// The fields that were not written.
        missing: Vec<FieldPath>,
    },
    /// Another document has this unique value.
    #[error("nothing was written: another document has the same {field}")]
    Taken {
        /// The field's name under `_seal.idx`: its stored path, joined by dots.
        field: String,
    },
    /// The document that reserves a unique value is not one that fireseal made: it was changed, or forged.
    #[error(
        "nothing was written: the reservation of the value of {field} is not one that this index key made; look at \
         {reservation}, and delete it if no document has the value"
    )]
    ReservationRefused {
        /// The document that reserves the value.
        reservation: DocumentPath,
        /// The field's name under `_seal.idx`.
        field: String,
    },
    /// The answer to a commit was lost, and the documents do not tell whether it was applied.
    #[error(
        "it is not known whether {} was written: {source}; read it, then decide", shown(.documents)
    )]
    OutcomeUnknown {
        /// The documents of the commit.
        documents: Vec<DocumentPath>,
        /// How the answer was lost.
        source: StoreError,
    },
    /// The field says whose keys seal the document: changed alone, it would leave the rest unreadable.
    #[error(
        "{document} was not written: {field} says whose keys seal it; write the whole document under the other scope"
    )]
    ScopeField {
        /// The document.
        document: DocumentPath,
        /// The field's stored name.
        field: &'static str,
    },
    /// A change has no stored form, or cannot be made.
    #[error("{document} was not written: {source}")]
    Change {
        /// The document.
        document: DocumentPath,
        /// Which field, and why.
        source: QueryError,
    },
}

impl Error {
    /// Whether the document is not in the state that the write was made for: read again, then decide
    /// anew.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(StoreError::Conflict { .. }))
    }

    /// Whether the document is not there, and the write needs it.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Store(StoreError::NotFound { .. }))
    }

    /// Whether another document has one of the unique values.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        matches!(self, Self::Taken { .. })
    }

    /// Whether the database or the key service is down, so that a later try may succeed.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(
            self,
            Self::Store(StoreError::Unavailable { .. } | StoreError::Deadline { .. })
                | Self::Keys(KeyError::Unavailable { .. })
        )
    }
}

impl Error {
    /// What a remote caller may be told: one of four fixed texts. Whatever does not open, be it changed,
    /// moved, of another key or of another tenant, is the same `internal error`, because the difference
    /// helps only whoever tries. The error itself is for the log.
    ///
    /// ```
    /// let error = fireseal::Error::NoSuchField { field: "x".into(), known: vec![] };
    /// assert_eq!(error.public_message(), "internal error");
    /// ```
    #[must_use]
    pub fn public_message(&self) -> &'static str {
        if self.is_conflict() {
            "changed meanwhile"
        } else if self.is_not_found() {
            "not found"
        } else if self.is_unavailable() {
            "try again later"
        } else {
            "internal error"
        }
    }
}

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Keys(error) => Self::Keys(error),
            error => Self::Open(error),
        }
    }
}

fn absent(missing: &[&'static str]) -> String {
    if missing.is_empty() { String::new() } else { format!(" (absent: {})", missing.join(", ")) }
}

fn also(missing: &[FieldPath]) -> String {
    let missing: Vec<String> = missing.iter().map(FieldPath::to_string).collect();
    if missing.is_empty() { String::new() } else { format!(" (also {})", missing.join(", ")) }
}

fn shown(documents: &[DocumentPath]) -> String {
    match documents {
        [one] => one.to_string(),
        [one, rest @ ..] => format!("{one} (with {} more)", rest.len()),
        [] => "anything".to_owned(),
    }
}
