//! A part of the work: a range of names, and how far it is.

use serde::{Deserialize, Serialize};

use super::report::{Failure, KEPT_FAILURES, Tally};
use crate::bytes::{CollectionPath, DocumentPath};
use crate::store::{Cursor, Direction, FieldRef, From, Order, Query, Value, ValueType};

/// What is kept of a part. Paths are those of documents, there or not.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Part {
    /// Its documents have this name or a later one; all from the first where there is none.
    pub(super) start: Option<String>,
    /// Its documents have earlier names than this; all to the last where there is none.
    pub(super) end: Option<String>,
    /// All documents up to this name, itself included, are done.
    #[serde(default)]
    pub(super) after: Option<String>,
    #[serde(default)]
    pub(super) done: bool,
    #[serde(default)]
    pub(super) tally: Tally,
    #[serde(default)]
    pub(super) failures: Vec<Failure>,
}

impl Part {
    /// Parts that lie between these names, and before and after them.
    pub(super) fn between(points: &[DocumentPath]) -> Vec<Self> {
        let names = points.iter().map(|point| Some(point.to_string()));
        let starts = std::iter::once(None).chain(names.clone());
        let ends = names.chain(std::iter::once(None));
        starts.zip(ends).map(|(start, end)| Self { start, end, ..Self::default() }).collect()
    }

    /// The query for what is left of it, in the order of the names.
    pub(super) fn query(&self, target: &From, after: Option<&DocumentPath>, limit: u32) -> Query {
        let start = match (after, &self.after, &self.start) {
            (Some(after), _, _) => Some(cursor(after.as_str(), false)),
            (None, Some(after), _) => Some(cursor(after, false)),
            (None, None, start) => start.as_deref().map(|start| cursor(start, true)),
        };
        Query {
            start,
            end: self.end.as_deref().map(|end| cursor(end, true)),
            limit: Some(limit),
            ..by_name(target)
        }
    }

    /// Notes a page that is done.
    pub(super) fn advance(&mut self, after: &DocumentPath, tally: &Tally, failures: Vec<Failure>) {
        self.after = Some(after.to_string());
        self.tally.add(tally);
        let room = KEPT_FAILURES.saturating_sub(self.failures.len());
        self.failures.extend(failures.into_iter().take(room));
    }
}

/// All documents of the target in the order of their names.
pub(super) fn by_name(target: &From) -> Query {
    let order = vec![Order { field: FieldRef::Name, direction: Direction::Ascending }];
    Query { order, ..Query::new(target.clone()) }
}

/// A position just before or just after this document's name.
pub(super) fn cursor(path: &str, before: bool) -> Cursor {
    let name = Value { value_type: Some(ValueType::ReferenceValue(path.to_owned())) };
    Cursor { values: vec![name], before }
}

/// Whether the documents of this collection are among those of the target.
pub(super) fn holds(target: &From, collection: &CollectionPath) -> bool {
    match target {
        From::Collection(target) => target == collection,
        From::Group { id, under } => {
            let path = collection.to_string();
            let within = |under: &DocumentPath| path.starts_with(&format!("{under}/"));
            path.rsplit('/').next() == Some(id.as_str()) && under.as_ref().is_none_or(within)
        }
    }
}
