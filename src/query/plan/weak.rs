//! The strongest condition that the database can be asked and that every wanted document fulfils.

use std::collections::BTreeSet;

use super::Plan;
use crate::bytes::{FieldPath, FieldStep, Scope};
use crate::keys::{IndexKey, KeyRing};
use crate::query::error::QueryError;
use crate::query::node::{Asked, Indexed, Node};
use crate::seal::{IndexKind, IndexPlace, ProbeTokens, compound_tokens, entry_name, probe_tokens};
use crate::store::query::rules::MAX_DISJUNCTIONS;
use crate::store::value::array_of;
use crate::store::{FieldRef, Filter, Op, Value, ValueType};

/// The index keys that are asked: those of each scope in which documents are looked for.
pub(crate) struct IndexKeys<'a> {
    pub(crate) realm: Option<&'a str>,
    /// The collection's id.
    pub(crate) collection: &'a str,
    pub(crate) rings: &'a [(Scope, KeyRing)],
}

impl<'a> IndexKeys<'a> {
    /// The index keys of each scope, with where they make tokens.
    fn each(&self) -> impl Iterator<Item = impl Iterator<Item = (IndexPlace<'a>, &'a IndexKey)>> {
        let (realm, collection) = (self.realm, self.collection);
        self.rings.iter().map(move |(scope, ring)| {
            ring.index_keys().map(move |key| (IndexPlace { realm, scope, collection }, key))
        })
    }
}

/// A condition on what the database sees.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Weak {
    Everything,
    Nothing,
    All(Vec<Weak>),
    Any(Vec<Weak>),
    /// A single filter.
    One(Filter),
}

impl Weak {
    /// Tells the plan what it asks for besides.
    pub(super) fn of(node: &Node, keys: &IndexKeys<'_>, plan: &mut Plan) -> Result<Self, QueryError> {
        let mut each = |nodes: &[Node]| {
            nodes.iter().map(|node| Self::of(node, keys, plan)).collect::<Result<Vec<_>, _>>()
        };
        Ok(match node {
            Node::All(nodes) => Self::all(each(nodes)?),
            Node::Any(nodes) => Self::any(each(nodes)?),
            Node::Clear(filter) => Self::One(simple(filter.clone())),
            Node::Indexed(indexed) => of_index(indexed, keys, plan)?,
            Node::Never => Self::Nothing,
            Node::Wrong(error) => return Err(error.clone()),
        })
    }

    pub(super) fn all(parts: Vec<Self>) -> Self {
        let mut all = Vec::new();
        for part in parts {
            match part {
                Self::Everything => {}
                Self::Nothing => return Self::Nothing,
                Self::All(parts) => all.extend(parts),
                part => all.push(part),
            }
        }
        match all.len() {
            0 => Self::Everything,
            1 => all.remove(0),
            _ => Self::All(all),
        }
    }

    pub(super) fn any(parts: Vec<Self>) -> Self {
        let mut any = Vec::new();
        for part in parts {
            match part {
                Self::Everything => return Self::Everything,
                Self::Nothing => {}
                Self::Any(parts) => any.extend(parts),
                part => any.push(part),
            }
        }
        match any.len() {
            0 => Self::Nothing,
            1 => any.remove(0),
            _ => Self::Any(any),
        }
    }

    /// As it is sent; `None` for everything.
    pub(super) fn filter(&self) -> Option<Filter> {
        match self {
            Self::Everything => None,
            Self::Nothing => Some(Filter::Any(Vec::new())),
            Self::All(parts) => Some(Filter::All(parts.iter().filter_map(Self::filter).collect())),
            Self::Any(parts) => Some(Filter::Any(parts.iter().filter_map(Self::filter).collect())),
            Self::One(filter) => Some(filter.clone()),
        }
    }

    /// Leaves one condition to the check, the last; `false` if there is none.
    pub(super) fn relax(&mut self) -> bool {
        match std::mem::replace(self, Self::Everything) {
            Self::Everything => return false,
            Self::All(mut parts) => {
                parts.pop();
                *self = Self::all(parts);
            }
            _ => {}
        }
        true
    }
}

/// A set of one value is that value.
fn simple(filter: Filter) -> Filter {
    match filter {
        Filter::Field { field, op: op @ (Op::In | Op::ContainsAny), value } => match value.value_type {
            Some(ValueType::ArrayValue(mut array)) if array.values.len() == 1 => {
                Filter::Field { field, op: super::single(op), value: array.values.remove(0) }
            }
            value_type => Filter::Field { field, op, value: Value { value_type } },
        },
        filter => filter,
    }
}

fn of_index(indexed: &Indexed, keys: &IndexKeys<'_>, plan: &mut Plan) -> Result<Weak, QueryError> {
    if let Some((scope, _)) = keys.rings.iter().find(|(_, ring)| ring.index().is_none()) {
        return Err(QueryError::NoIndexKey { scope: scope.clone() });
    }
    let budget = MAX_DISJUNCTIONS / keys.each().flatten().count().max(1);
    let mut widened = false;
    let failed = |source| {
        let steps = indexed.path.iter().cloned().map(FieldStep::Key).collect();
        QueryError::NotAskable { field: FieldPath::new(steps), source }
    };
    // What one value has under all keys of a scope.
    let mut groups: Vec<BTreeSet<Vec<u8>>> = Vec::new();
    let mut add = |tokens: &mut BTreeSet<Vec<u8>>, made: ProbeTokens| {
        tokens.extend(made.tokens);
        widened |= made.widened;
    };
    match &indexed.asked {
        Asked::Field { info, probes } => {
            for (probe, keys) in probes.iter().flat_map(|probe| keys.each().map(move |keys| (probe, keys))) {
                let mut tokens = BTreeSet::new();
                for (place, key) in keys {
                    let made = probe_tokens(probe, &indexed.path, info, place, key, budget.max(1));
                    add(&mut tokens, made.map_err(failed)?);
                }
                groups.push(tokens);
            }
        }
        Asked::Compound { info, probes } => {
            for (parts, keys) in probes.iter().flat_map(|parts| keys.each().map(move |keys| (parts, keys))) {
                let mut tokens = BTreeSet::new();
                for (place, key) in keys {
                    let made = compound_tokens(parts, &indexed.path, info, place, key);
                    add(&mut tokens, made.map_err(failed)?);
                }
                groups.push(tokens);
            }
        }
    }
    let (name, bits) = match &indexed.asked {
        Asked::Field { info, .. } => (kind_name(&info.kind), info.bits),
        Asked::Compound { info, .. } => (EQUALITY, info.bits),
    };
    if widened {
        plan.widened.push(indexed.path.clone());
    }
    let count = u32::try_from(groups.iter().map(BTreeSet::len).sum::<usize>()).unwrap_or(u32::MAX);
    plan.collision = plan.collision.max((f64::from(count) * 0.5_f64.powi(bits.into())).min(1.0));
    Ok(Weak::any(packed(groups).into_iter().map(|tokens| one_of(&indexed.path, name, tokens)).collect()))
}

/// Sets that one query takes. The tokens of one value stay together: while a document passes from one
/// index key to the next, two queries one after another could both miss it.
fn packed(groups: Vec<BTreeSet<Vec<u8>>>) -> Vec<BTreeSet<Vec<u8>>> {
    let mut packed: Vec<BTreeSet<Vec<u8>>> = Vec::new();
    for group in groups {
        match packed.last_mut().filter(|last| last.union(&group).count() <= MAX_DISJUNCTIONS) {
            Some(last) => last.extend(group),
            None => packed.push(group),
        }
    }
    packed
}

/// The names under an entry of `_seal.idx`.
const EQUALITY: &str = "eq";

fn kind_name(kind: &IndexKind) -> &'static str {
    match kind {
        IndexKind::Equality | IndexKind::Unique => EQUALITY,
        IndexKind::Prefix { .. } => "prefix",
        IndexKind::Words => "words",
        IndexKind::Range(_) => "range",
    }
}

fn one_of(path: &[String], name: &str, tokens: BTreeSet<Vec<u8>>) -> Weak {
    if tokens.is_empty() {
        return Weak::Nothing;
    }
    let op = if name == EQUALITY { Op::In } else { Op::ContainsAny };
    let field = ["_seal", "idx", &entry_name(path), name].map(str::to_owned);
    let bytes = |token| Value { value_type: Some(ValueType::BytesValue(token)) };
    let value = array_of(tokens.into_iter().map(bytes).collect());
    Weak::One(simple(Filter::Field { field: FieldRef::Path(field.to_vec()), op, value }))
}
