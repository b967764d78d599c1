//! Why values are not sealed or do not open, field by field and without a byte of them.

use std::fmt;

use super::index::NotIndexable;
use crate::bytes::{EncodeError, FieldPath, KeyId, Location, Scope};
use crate::keys::KeyError;

/// Why a document was not sealed. Nothing of it was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// A field's value has no plaintext encoding.
    #[error("field {field} cannot be sealed: {source}")]
    Encode {
        /// The field's stored path.
        field: FieldPath,
        /// Why not.
        source: EncodeError,
    },
    /// A field's plaintext is longer than the cipher takes.
    #[error("field {field} cannot be sealed: it is longer than 256 GiB")]
    TooLong {
        /// The field's stored path.
        field: FieldPath,
    },
    /// A field's value has no place in its index.
    #[error("field {field} cannot be indexed: {source}")]
    NotIndexable {
        /// The field's stored path; for a compound index, its struct's path and its name.
        field: FieldPath,
        /// Why not.
        source: NotIndexable,
    },
    /// The document's indexes would have more tokens than one document takes.
    #[error(
        "the document has {count} index tokens; 1,000 are the most: index shorter texts or shorter prefixes"
    )]
    TooManyTokens {
        /// How many there are.
        count: usize,
    },
    /// More values in one document than there are nonces in one draw (2^32).
    #[error("a document has more than 2^32 sealed values")]
    TooManyValues,
    /// The ring belongs to another scope than the document or message.
    #[error("the key ring is that of scope {ring}, the document or message belongs to scope {document}")]
    OtherScope {
        /// The ring's scope.
        ring: Scope,
        /// The scope of the document or message.
        document: Scope,
    },
    /// The operating system gives no random numbers.
    #[error("the operating system gives no random numbers")]
    Random(#[source] getrandom::Error),
}

/// Why a document was not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The keys could not be had. This says nothing about the document.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// Some fields do not open.
    #[error("{location} does not open: {}", Listed(failures))]
    Fields {
        /// Where the document was read.
        location: Location,
        /// Every field that does not open, in the order of the struct.
        failures: Vec<FieldFailure>,
    },
    /// The document as a whole is not one that was sealed here (`#[sealable(authenticated)]`).
    #[error("{location} does not open: {cause}")]
    Document {
        /// Where the document was read.
        location: Location,
        /// What is wrong with it.
        cause: Unauthentic,
    },
}

/// Why a document is refused as a whole, although its fields may open. This is for the operator's log: tell a
/// remote caller only that the document does not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unauthentic {
    /// It has no document seal.
    #[error("it has no document seal")]
    Unsealed,
    /// Its document seal is not of a known form.
    #[error("its document seal is malformed")]
    Malformed,
    /// The key of its document seal is none that vouches for anything.
    #[error("its document seal: {0}")]
    Key(Cause),
    /// A field or an index token was changed, added or removed since it was sealed, or it was sealed elsewhere.
    #[error("it is not as it was sealed")]
    Changed,
    /// A field that the type covers was left out of the document seal.
    #[error("its document seal leaves out {field}, which is not `unbound` in this program")]
    Uncovered {
        /// The field's stored name.
        field: String,
    },
    /// It is older than the caller knows it to be.
    #[error("its revision is {revision}, and it has had {floor} before")]
    Older {
        /// The revision that was read; 0 without a document seal.
        revision: u64,
        /// The revision that it has at least.
        floor: u64,
    },
}

/// A field that does not open, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldFailure {
    /// The field's stored path.
    pub field: FieldPath,
    /// Why it does not open.
    pub cause: Cause,
}

impl fmt::Display for FieldFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.cause)
    }
}

/// Why a field does not open. This is for the operator's log: tell a remote caller only that the
/// document does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// The stored bytes are no envelope of a known version.
    #[error("malformed")]
    Malformed,
    /// No key with this id in the document's scope.
    #[error("key unknown ({0})")]
    KeyUnknown(KeyId),
    /// The key was destroyed, and the value with it.
    #[error("key destroyed ({0})")]
    KeyDestroyed(KeyId),
    /// The key was retired: no document should have been left under it.
    #[error("key retired ({0})")]
    KeyRetired(KeyId),
    /// Others may have the key, so what it sealed proves nothing.
    #[error("key compromised ({0})")]
    KeyCompromised(KeyId),
    /// There is such a key, but what is at hand does not open it: the roots deny it, or hold no wrap of it.
    #[error("key refused ({0})")]
    KeyRefused(KeyId),
    /// Sealed elsewhere, or changed since.
    #[error("does not open")]
    DoesNotOpen,
    /// It opens, but what was sealed is not of the field's type.
    #[error("opens, but is not of the field's type")]
    OtherType,
    /// Nothing is stored, and the field has no default.
    #[error("missing")]
    Missing,
    /// Plaintext stands where a sealed value belongs.
    #[error("holds plaintext where a sealed value belongs")]
    Plaintext,
}

struct Listed<'a>(&'a [FieldFailure]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, failure) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str("; ")?;
            }
            fmt::Display::fmt(failure, f)?;
        }
        Ok(())
    }
}
