//! The plan of a query: what the database is asked, within Firestore's rules, and what is checked here.

mod check;
mod fit;
mod names;
#[cfg(test)]
mod tests;
mod weak;

use std::collections::BTreeSet;

pub(crate) use check::check;
pub(crate) use names::{name, named};
pub(crate) use weak::IndexKeys;

use super::error::QueryError;
use super::node::{Indexed, Node, PartAt};
use crate::store::query::rules;
use crate::store::{Cursor, Direction, FieldMask, FieldRef, Filter, From, Op, Order, Query, StoreError};
use weak::Weak;

/// A query as it was asked.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) from: From,
    /// Ids stand as references in it.
    pub(crate) node: Option<Node>,
    /// All of the order, see [`whole_order`].
    pub(crate) order: Vec<Order>,
    pub(crate) start: Option<Cursor>,
    pub(crate) end: Option<Cursor>,
    pub(crate) offset: u32,
    pub(crate) limit: Option<u32>,
    /// The limit is counted from the end.
    pub(crate) last: bool,
    /// Nothing needs to be left for the database.
    pub(crate) scan: bool,
    /// Which fields are wanted; `None` for all.
    pub(crate) fields: Option<Vec<Vec<String>>>,
}

/// What is done to answer it.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// What the database is asked: the result is all that they give together, each document once.
    pub(crate) queries: Vec<Query>,
    /// What each document is checked for here; `None` where the database's answer is the result.
    pub(crate) check: Option<Node>,
    /// The order of the result, or its reverse.
    pub(crate) order: Vec<Order>,
    pub(crate) reversed: bool,
    /// Counted here, after the check; the queries count them where nothing is checked.
    pub(crate) offset: u32,
    pub(crate) limit: Option<u32>,
    /// Fields of which the tokens ask for more than their indexes could tell apart.
    pub(crate) widened: Vec<Vec<String>>,
    /// Conditions on clear fields that are checked here because Firestore takes no such query.
    pub(crate) moved: Vec<FieldRef>,
    /// The database is asked for more than the condition.
    pub(crate) weaker: bool,
    /// How likely a token of another value is the same.
    pub(crate) collision: f64,
}

/// The whole order of a query, as Firestore completes it from the conditions as they were asked: moving one
/// to the client changes no order.
pub(crate) fn whole_order(node: Option<&Node>, order: Vec<Order>) -> Vec<Order> {
    let mut filters = Vec::new();
    node.into_iter().for_each(|node| clear_filters(node, &mut filters));
    let filter = Some(Filter::All(filters.into_iter().cloned().collect()));
    let query = Query { filter, order, ..Query::new(From::Group { id: String::new(), under: None }) };
    query.with_implicit_order().order
}

/// Plans a query. `keys` are the index keys that are asked; none are needed where no index is.
///
/// # Errors
/// A condition that cannot be asked; nothing is left for the database.
pub(crate) fn plan(wanted: &Wanted, keys: &IndexKeys<'_>) -> Result<Plan, QueryError> {
    let (mut order, mut start, mut end) = (wanted.order.clone(), wanted.start.clone(), wanted.end.clone());
    if wanted.last {
        order.iter_mut().for_each(|order| order.direction = reverse(order.direction));
        (start, end) = (end.map(turn), start.map(turn));
    }
    let mut plan = Plan {
        queries: Vec::new(),
        check: None,
        order,
        reversed: wanted.last,
        offset: wanted.offset,
        limit: wanted.limit,
        widened: Vec::new(),
        moved: Vec::new(),
        weaker: false,
        collision: 0.0,
    };
    let mut weak = match &wanted.node {
        Some(node) => Weak::of(node, keys, &mut plan)?,
        None => Weak::Everything,
    };
    if let Weak::Nothing = weak {
        return Ok(plan);
    }
    let strongest = weak.clone();
    fit::fit(&mut weak);
    let query = Query { order: plan.order.clone(), start, end, ..Query::new(wanted.from.clone()) };
    let filters = loop {
        let filters = fit::split(&weak)?;
        let wrong = filters
            .iter()
            .find_map(|filter| rules::check(&Query { filter: filter.clone(), ..query.clone() }).err());
        match wrong {
            None => break filters,
            Some(error) if !weak.relax() => return Err(refused(error)),
            Some(_) => {}
        }
    };
    if let Some(node) = &wanted.node {
        if matches!(weak, Weak::Everything) && !wanted.scan && !is_always(node) {
            return Err(QueryError::Scan);
        }
        plan.moved = moved(node, &filters);
        plan.weaker = weak != strongest;
        if has_index(node) || plan.weaker {
            plan.check = Some(node.clone());
        }
    }
    let mask = wanted.fields.as_ref().map(|fields| mask(fields, &plan));
    let exact = plan.check.is_none() && filters.len() == 1;
    let (offset, limit) = if exact { (plan.offset, plan.limit) } else { (0, None) };
    if exact {
        (plan.offset, plan.limit) = (0, None);
    }
    plan.queries = filters
        .into_iter()
        .map(|filter| Query { filter, offset, limit, mask: mask.clone(), ..query.clone() })
        .collect();
    Ok(plan)
}

impl Plan {
    /// How many documents each of the queries is asked for at first; `None` for all.
    pub(crate) fn first_page(&self) -> Option<u32> {
        // Firestore takes no larger page.
        self.limit.map(|limit| limit.saturating_add(self.offset).min(i32::MAX.unsigned_abs()))
    }
}

fn refused(error: StoreError) -> QueryError {
    let reason = match error {
        StoreError::Refused { reason } => reason,
        error => error.to_string(),
    };
    QueryError::Refused { reason }
}

fn reverse(direction: Direction) -> Direction {
    match direction {
        Direction::Ascending => Direction::Descending,
        Direction::Descending => Direction::Ascending,
    }
}

/// The same position, looked at from the other end.
fn turn(cursor: Cursor) -> Cursor {
    Cursor { before: !cursor.before, ..cursor }
}

/// The filters on clear fields in a tree.
pub(crate) fn clear_filters<'a>(node: &'a Node, filters: &mut Vec<&'a Filter>) {
    match node {
        Node::All(nodes) | Node::Any(nodes) => nodes.iter().for_each(|node| clear_filters(node, filters)),
        Node::Clear(filter) => filters.push(filter),
        Node::Indexed(_) | Node::Never | Node::Wrong(_) => {}
    }
}

/// Whether an index is asked.
pub(crate) fn has_index(node: &Node) -> bool {
    match node {
        Node::All(nodes) | Node::Any(nodes) => nodes.iter().any(has_index),
        Node::Indexed(_) => true,
        Node::Clear(_) | Node::Never | Node::Wrong(_) => false,
    }
}

/// Whether it holds for every document.
fn is_always(node: &Node) -> bool {
    matches!(node, Node::All(nodes) if nodes.iter().all(is_always))
}

/// The fields with conditions that no query makes.
fn moved(node: &Node, filters: &[Option<Filter>]) -> Vec<FieldRef> {
    let mut asked = Vec::new();
    clear_filters(node, &mut asked);
    let mut made = Vec::new();
    filters.iter().flatten().for_each(|filter| singles(filter, &mut made));
    let key = |filter: &Filter| match filter {
        Filter::Field { field, op, .. } => Some((field.clone(), Some(single(*op)))),
        Filter::Is { field, .. } => Some((field.clone(), None)),
        Filter::All(_) | Filter::Any(_) => None,
    };
    let count =
        |filters: &[&Filter], wanted: &Filter| filters.iter().filter(|one| key(one) == key(wanted)).count();
    let missing = |filter: &&&Filter| count(&made, filter) < count(&asked, filter);
    let fields = asked.iter().filter(missing).filter_map(|filter| Some(key(filter)?.0));
    fields.collect::<BTreeSet<_>>().into_iter().collect()
}

/// The operator of a single value: a split makes it of several.
fn single(op: Op) -> Op {
    match op {
        Op::In => Op::Equal,
        Op::ContainsAny => Op::Contains,
        op => op,
    }
}

fn singles<'a>(filter: &'a Filter, found: &mut Vec<&'a Filter>) {
    match filter {
        Filter::All(filters) | Filter::Any(filters) => {
            filters.iter().for_each(|filter| singles(filter, found))
        }
        Filter::Field { .. } | Filter::Is { .. } => found.push(filter),
    }
}

/// What has to travel besides the wanted fields: the order's, and those of the check.
fn mask(wanted: &[Vec<String>], plan: &Plan) -> FieldMask {
    let mut paths: BTreeSet<Vec<String>> = wanted.iter().cloned().collect();
    let mut add = |field: &FieldRef| {
        if let FieldRef::Path(path) = field {
            paths.insert(path.clone());
        }
    };
    plan.order.iter().for_each(|order| add(&order.field));
    if let Some(node) = &plan.check {
        let mut filters = Vec::new();
        clear_filters(node, &mut filters);
        for filter in filters {
            if let Filter::Field { field, .. } | Filter::Is { field, .. } = filter {
                add(field);
            }
        }
        paths.extend(index_parts(node).iter().flat_map(|part| part.at().paths()));
    }
    // A path within another one is there already.
    let outermost = |path: &&Vec<String>| {
        (1..path.len()).all(|length| !path.get(..length).is_some_and(|outer| paths.contains(outer)))
    };
    FieldMask::new(paths.iter().filter(outermost).cloned().collect())
}

/// The fields, and the compound indexes, that are asked.
pub(crate) fn index_fields(node: &Node) -> Vec<Vec<String>> {
    indexes(node).iter().map(|indexed| indexed.path.clone()).collect()
}

fn index_parts(node: &Node) -> Vec<&PartAt> {
    indexes(node).into_iter().flat_map(|indexed| &indexed.parts).collect()
}

fn indexes(node: &Node) -> Vec<&Indexed> {
    match node {
        Node::All(nodes) | Node::Any(nodes) => nodes.iter().flat_map(indexes).collect(),
        Node::Indexed(indexed) => vec![indexed],
        Node::Clear(_) | Node::Never | Node::Wrong(_) => Vec::new(),
    }
}
