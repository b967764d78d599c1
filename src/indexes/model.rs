//! What an index is made of.

use crate::store::{Direction, FieldMask};

/// Names from the document's root, unescaped.
pub(super) type Path = Vec<String>;

/// A path in Firestore's notation: joined by `.`, names that are no identifiers in backquotes.
pub(super) fn notation(path: &[String]) -> String {
    FieldMask::new(vec![path.to_vec()]).encode().concat()
}

/// The document's name, as the field that ends every index.
pub(super) fn name_field() -> Path {
    vec!["__name__".to_owned()]
}

/// What an index is for: the collections with an id one by one, or all of them together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scope {
    Collection,
    Group,
}

impl Scope {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Collection => "COLLECTION",
            Self::Group => "COLLECTION_GROUP",
        }
    }
}

/// How a field is indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mode {
    Ascending,
    Descending,
    Contains,
}

impl Mode {
    /// The property of the file that says so, and its value.
    pub(super) fn property(self) -> (&'static str, &'static str) {
        match self {
            Self::Ascending => ("order", "ASCENDING"),
            Self::Descending => ("order", "DESCENDING"),
            Self::Contains => ("arrayConfig", "CONTAINS"),
        }
    }
}

impl From<Direction> for Mode {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::Ascending => Self::Ascending,
            Direction::Descending => Self::Descending,
        }
    }
}

/// An index of one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Single {
    pub(super) mode: Mode,
    pub(super) scope: Scope,
}

impl Single {
    /// What Firestore makes of a field by itself: nothing for groups.
    pub(super) const AUTOMATIC: [Self; 3] = [
        Self { mode: Mode::Ascending, scope: Scope::Collection },
        Self { mode: Mode::Descending, scope: Scope::Collection },
        Self { mode: Mode::Contains, scope: Scope::Collection },
    ];
}

/// An index of several fields. The document's name stands at its end only where its direction is not that
/// of the field before it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Composite {
    pub(super) group: String,
    pub(super) scope: Scope,
    pub(super) fields: Vec<(Path, Mode)>,
}
