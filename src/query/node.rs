//! A condition as a plain tree, for the planner.

use std::fmt;
use std::sync::Arc;

use super::error::QueryError;
use crate::seal::{Cause, CompoundInfo, IndexInfo, Probe, Reveal, Scalar, Walk};
use crate::store::{Fields, Filter};

/// What a condition asks.
///
/// In a [`Filter`] about [`FieldRef::Name`](crate::store::FieldRef::Name) the ids stand as strings: whoever
/// knows the collection makes references of them.
#[derive(Debug, Clone)]
#[allow(dead_code)] // The planner, which follows, takes it apart.
pub(crate) enum Node {
    /// All of these hold.
    All(Vec<Node>),
    /// At least one of these holds.
    Any(Vec<Node>),
    /// A clear field compares with a value.
    Clear(Filter),
    /// An index is asked.
    Indexed(Arc<Indexed>),
    /// Nothing fulfils it.
    Never,
    /// It cannot be asked: the error is that of the query.
    Wrong(QueryError),
}

/// A question to an index of a sealed field, or to a compound index.
#[derive(Debug, Clone)]
#[allow(dead_code)] // The planner, which follows, takes it apart.
pub(crate) struct Indexed {
    /// The stored path of the field; of a compound index, that of its struct and then its name.
    pub(crate) path: Vec<String>,
    pub(crate) asked: Asked,
    /// The field, or the fields of the compound index in its order: for the check after opening.
    pub(crate) parts: Vec<PartAt>,
}

/// Which index is asked, and what. Any one of the questions has to hold.
#[derive(Debug, Clone)]
#[allow(dead_code)] // The planner, which follows, takes it apart.
pub(crate) enum Asked {
    Field {
        info: &'static IndexInfo,
        probes: Vec<Probe>,
    },
    /// Each question has a value for each part.
    Compound {
        info: &'static CompoundInfo,
        probes: Vec<Vec<Scalar>>,
    },
}

/// Opens one value of a document that was read, and gives it as it is indexed.
type OpenPart = dyn Fn(&Fields, &mut Walk<Reveal<'_>>) -> Result<Option<Scalar>, Cause> + Send + Sync;

/// A field of which an index is made.
#[derive(Clone)]
pub(crate) struct PartAt {
    path: Vec<String>,
    open: Arc<OpenPart>,
}

impl PartAt {
    pub(super) fn new(
        path: Vec<String>,
        open: impl Fn(&Fields, &mut Walk<Reveal<'_>>) -> Result<Option<Scalar>, Cause> + Send + Sync + 'static,
    ) -> Self {
        Self { path, open: Arc::new(open) }
    }

    /// The field's stored path.
    #[allow(dead_code)] // For the planner, which follows.
    pub(crate) fn path(&self) -> &[String] {
        &self.path
    }

    /// The field's value; `None` for an absent one. The walk is that of the document.
    ///
    /// # Errors
    /// It does not open, or is not of the field's type.
    #[allow(dead_code)] // For the planner, which follows.
    pub(crate) fn open(&self, fields: &Fields, walk: &mut Walk<Reveal<'_>>) -> Result<Option<Scalar>, Cause> {
        (self.open)(fields, walk)
    }
}

impl fmt::Debug for PartAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PartAt({})", self.path.join("."))
    }
}
