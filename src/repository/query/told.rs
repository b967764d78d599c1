//! What a plan tells.

use std::fmt;

use crate::query::{Plan, clear_filters, index_fields};
use crate::store::{self, FieldRef, Filter};

/// What is done to answer a query.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct QueryPlan {
    /// What the database is asked, within its rules: the documents of all these together, each once. Tokens
    /// of sealed values stand in them, no value.
    pub queries: Vec<store::Query>,
    /// The fields with conditions that are checked here, on each document that the database sends: all
    /// sealed ones, and what Firestore cannot be asked together.
    pub checked: Vec<String>,
    /// Those of them that are clear, and checked here because Firestore takes no such query; unless some of
    /// them are, all clear conditions went to the database.
    pub moved: Vec<String>,
    /// The sealed fields of which more is asked for than their index could tell apart: a range of more
    /// intervals than Firestore takes values, a beginning longer than the index has, one of several words.
    pub widened: Vec<String>,
    /// How many documents are read that do not fulfil the condition.
    pub overfetch: Overfetch,
}

/// How many documents a query reads that do not fulfil it.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Overfetch {
    /// None.
    None,
    /// Those of which a token is the same by chance: this share of all others that the query looks at.
    Collisions(f64),
    /// Those, and all that the part of the condition which is checked here leaves out.
    Wider,
}

impl QueryPlan {
    pub(super) fn new(plan: Plan) -> Self {
        let mut checked: Vec<String> = Vec::new();
        if let Some(node) = &plan.check {
            checked.extend(index_fields(node).iter().map(|path| path.join(".")));
            let mut filters = Vec::new();
            clear_filters(node, &mut filters);
            checked.extend(filters.into_iter().filter_map(|filter| match filter {
                Filter::Field { field, .. } | Filter::Is { field, .. } => Some(field_name(field)),
                Filter::All(_) | Filter::Any(_) => None,
            }));
            checked.sort_unstable();
            checked.dedup();
        }
        let overfetch = match &plan.check {
            None => Overfetch::None,
            Some(_) if plan.weaker || !plan.widened.is_empty() => Overfetch::Wider,
            Some(_) => Overfetch::Collisions(plan.collision),
        };
        Self {
            queries: plan.queries,
            checked,
            moved: plan.moved.iter().map(field_name).collect(),
            widened: plan.widened.iter().map(|path| path.join(".")).collect(),
            overfetch,
        }
    }

    /// Whether every document is read and checked here.
    #[must_use]
    pub fn is_scan(&self) -> bool {
        !self.checked.is_empty() && self.queries.iter().any(|query| query.filter.is_none())
    }
}

fn field_name(field: &FieldRef) -> String {
    match field {
        FieldRef::Path(path) => path.join("."),
        FieldRef::Name => "__name__".to_owned(),
    }
}

impl fmt::Display for QueryPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} server queries", self.queries.len())?;
        let lists =
            [("checked here", &self.checked), ("moved here", &self.moved), ("widened", &self.widened)];
        for (what, fields) in lists.iter().filter(|(_, fields)| !fields.is_empty()) {
            write!(f, "; {what}: {}", fields.join(", "))?;
        }
        match self.overfetch {
            Overfetch::None => f.write_str("; reads nothing in vain"),
            Overfetch::Collisions(share) => write!(f, "; reads {share:.1e} of the other documents in vain"),
            Overfetch::Wider => f.write_str("; reads documents in vain"),
        }?;
        if self.is_scan() { f.write_str("; a scan") } else { Ok(()) }
    }
}
