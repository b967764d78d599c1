//! Which indexes Firestore requires for a query.
//!
//! The rules are those of Firestore's documentation, "Index types" and "Query with range and inequality
//! filters on multiple fields":
//!
//! * Equalities, and one array condition, are served by merging the indexes of their single fields.
//! * One field's comparisons and order are served by its own index.
//! * Everything else takes a composite index: the fields of equalities, then that of the array, then the
//!   fields of the order, each in its direction.
//! * Every index ends with the document's name, in the direction of the last field; an array has none, and
//!   the name is ascending after it. Another direction of the name takes an index that says so.
//! * A disjunction takes the indexes of each of its conjunctions.
//! * Sums and means are computed from the index, so it holds their fields too ("Summarize data with
//!   aggregation queries").

use std::collections::BTreeSet;

use super::model::{Composite, Mode, Path, Scope, Single, name_field};
use crate::store::{Aggregation, Direction, FieldRef, Filter, From, Is, Op, Query};

/// What one conjunction of a query takes.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Required {
    Single(Path, Single),
    Composite(Composite),
}

/// What a query takes, and the id of its collections; with sums and means over its documents, if any.
pub(super) fn required(query: &Query, over: &[Aggregation]) -> (String, BTreeSet<Required>) {
    let query = query.clone().with_implicit_order();
    let (group, scope) = match &query.from {
        From::Collection(collection) => (collection.id().to_owned(), Scope::Collection),
        From::Group { id, .. } => (id.clone(), Scope::Group),
    };
    let branches = match &query.filter {
        None => BTreeSet::from([Branch::default()]),
        Some(filter) => branches(filter),
    };
    let order = Sorting::of(&query).with(over);
    let required = branches.iter().flat_map(|branch| of_branch(branch, &order, &group, scope)).collect();
    (group, required)
}

/// The order of a query: fields, and the direction of the document's name behind them.
struct Sorting {
    fields: Vec<(Path, Direction)>,
    name: Direction,
}

impl Sorting {
    /// Of a query with its whole order written out. What stands behind the document's name orders nothing.
    fn of(query: &Query) -> Self {
        let mut sorting = Self { fields: Vec::new(), name: Direction::Ascending };
        for order in &query.order {
            match &order.field {
                FieldRef::Name => {
                    sorting.name = order.direction;
                    break;
                }
                FieldRef::Path(path) => sorting.fields.push((path.clone(), order.direction)),
            }
        }
        sorting
    }

    /// Sums and means are computed from an index that holds their fields; behind those of the order, they
    /// change nothing in it.
    fn with(mut self, over: &[Aggregation]) -> Self {
        let fields: BTreeSet<&Path> = over.iter().filter_map(field_of).collect();
        let new = fields.into_iter().filter(|field| !self.fields.iter().any(|(path, _)| path == *field));
        let new: Vec<_> = new.map(|field| (field.clone(), self.name)).collect();
        self.fields.extend(new);
        self
    }
}

fn field_of(aggregation: &Aggregation) -> Option<&Path> {
    match aggregation {
        Aggregation::Count => None,
        Aggregation::Sum(field) | Aggregation::Average(field) => Some(field),
    }
}

fn of_branch(branch: &Branch, sorting: &Sorting, group: &str, scope: Scope) -> Vec<Required> {
    let single = |path: &Path, mode| Required::Single(path.clone(), Single { mode, scope });
    let composite = |fields| vec![Required::Composite(Composite { group: group.to_owned(), scope, fields })];
    // Among documents with one value in a field, the field orders nothing.
    let (settled, order): (Vec<_>, Vec<_>) =
        sorting.fields.iter().partition(|(path, _)| branch.equal.contains(path));
    match order.as_slice() {
        [] if branch.is_empty() && sorting.name == Direction::Descending => {
            return composite(vec![(name_field(), Mode::Descending)]);
        }
        [] if branch.contains.is_empty() || sorting.name == Direction::Ascending => {
            let equal = branch.equal.iter().map(|path| single(path, sorting.name.into()));
            return equal.chain(branch.contains.iter().map(|path| single(path, Mode::Contains))).collect();
        }
        [(path, direction)] if branch.is_empty() && *direction == sorting.name => {
            return vec![single(path, (*direction).into())];
        }
        _ => {}
    }
    let unsettled = branch.equal.iter().filter(|path| !settled.iter().any(|(other, _)| other == *path));
    let mut fields: Vec<(Path, Mode)> = unsettled.map(|path| (path.clone(), Mode::Ascending)).collect();
    fields.extend(settled.into_iter().cloned().map(|(path, direction)| (path, direction.into())));
    fields.extend(branch.contains.iter().map(|path| (path.clone(), Mode::Contains)));
    fields.extend(order.iter().map(|(path, direction)| (path.clone(), (*direction).into())));
    let last = order.last().map(|(_, direction)| *direction).unwrap_or_default();
    if last != sorting.name {
        fields.push((name_field(), sorting.name.into()));
    }
    composite(fields)
}

/// One conjunction: the fields that it compares for equality, and those whose elements it asks for.
/// Comparisons of the order stand in the order.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Branch {
    equal: BTreeSet<Path>,
    contains: BTreeSet<Path>,
}

impl Branch {
    fn is_empty(&self) -> bool {
        self.equal.is_empty() && self.contains.is_empty()
    }

    fn and(&self, other: &Self) -> Self {
        Self { equal: &self.equal | &other.equal, contains: &self.contains | &other.contains }
    }
}

/// The conjunctions whose disjunction a filter is, as far as their indexes differ.
fn branches(filter: &Filter) -> BTreeSet<Branch> {
    let of_all = |so_far: BTreeSet<Branch>, filter: &Filter| {
        let next = branches(filter);
        so_far.iter().flat_map(|left| next.iter().map(|right| left.and(right))).collect()
    };
    match filter {
        Filter::All(filters) => filters.iter().fold(BTreeSet::from([Branch::default()]), of_all),
        Filter::Any(filters) => filters.iter().flat_map(branches).collect(),
        Filter::Field { field, op, .. } => BTreeSet::from([match op {
            Op::Equal | Op::In => Branch { equal: path_of(field), ..Branch::default() },
            Op::Contains | Op::ContainsAny => Branch { contains: path_of(field), ..Branch::default() },
            Op::NotEqual | Op::NotIn | Op::Less | Op::LessOrEqual | Op::Greater | Op::GreaterOrEqual => {
                Branch::default()
            }
        }]),
        Filter::Is { field, is } => BTreeSet::from([match is {
            Is::Null | Is::Nan => Branch { equal: path_of(field), ..Branch::default() },
            Is::NotNull | Is::NotNan => Branch::default(),
        }]),
    }
}

/// The path of a field; the document's name is in every index.
fn path_of(field: &FieldRef) -> BTreeSet<Path> {
    match field {
        FieldRef::Path(path) => BTreeSet::from([path.clone()]),
        FieldRef::Name => BTreeSet::new(),
    }
}
