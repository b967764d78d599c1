//! Makes a condition weaker, or several queries of it, until Firestore takes it.
//!
//! One array filter in a conjunction, one negation in a query, `not-in` beside no set, and at most 30
//! conjunctions when all is multiplied out.

use super::weak::Weak;
use crate::query::error::QueryError;
use crate::store::query::rules::{MAX_DISJUNCTIONS, disjunctions};
use crate::store::value::array_of;
use crate::store::{FieldRef, Filter, Is, Op, Value, ValueType};

/// The most queries that one is split into.
const MAX_QUERIES: usize = 100;

/// Leaves to the check what Firestore does not take; what [`split`] can do stays.
pub(super) fn fit(weak: &mut Weak) {
    let mut fitted = arrays(std::mem::replace(weak, Weak::Everything), true);
    if has(&fitted, &is_set) || is_any(&fitted) {
        fitted = without(fitted, &mut |filter| is_op(filter, Op::NotIn));
    }
    let mut negations = 0;
    fitted = without(fitted, &mut |filter| {
        negations += usize::from(is_negation(filter));
        negations > 1 && is_negation(filter)
    });
    *weak = products(fitted);
}

/// The same condition as several, each of which is one query; no document may be in only one of them.
///
/// # Errors
/// There are too many.
pub(super) fn split(weak: &Weak) -> Result<Vec<Option<Filter>>, QueryError> {
    let parts = pieces(weak.clone());
    if parts.len() > MAX_QUERIES {
        return Err(QueryError::TooMany { queries: parts.len() });
    }
    Ok(parts.iter().map(Weak::filter).collect())
}

/// Keeps one array filter in each conjunction: the one with the fewest values.
fn arrays(weak: Weak, allowed: bool) -> Weak {
    match weak {
        Weak::One(filter) if !allowed && is_array(&filter) => Weak::Everything,
        Weak::Any(parts) => Weak::any(parts.into_iter().map(|part| arrays(part, allowed)).collect()),
        Weak::All(parts) => {
            let best = parts
                .iter()
                .enumerate()
                .filter(|(_, part)| allowed && has(part, &is_array))
                .min_by_key(|(_, part)| size(part))
                .map(|(at, _)| at);
            let fitted =
                parts.into_iter().enumerate().map(|(at, part)| arrays(part, best == Some(at))).collect();
            Weak::all(fitted)
        }
        weak => weak,
    }
}

/// Leaves single filters to the check.
fn without(weak: Weak, drop: &mut dyn FnMut(&Filter) -> bool) -> Weak {
    match weak {
        Weak::One(filter) if drop(&filter) => Weak::Everything,
        Weak::Any(parts) => Weak::any(parts.into_iter().map(|part| without(part, drop)).collect()),
        Weak::All(parts) => Weak::all(parts.into_iter().map(|part| without(part, drop)).collect()),
        weak => weak,
    }
}

/// Keeps each conjunction within the limit, unless a single part of it is beyond it: the parts with the
/// most values go first, of equal ones those on clear fields.
fn products(weak: Weak) -> Weak {
    match weak {
        Weak::Any(parts) => Weak::any(parts.into_iter().map(products).collect()),
        Weak::All(parts) => {
            let mut parts: Vec<_> = parts.into_iter().map(products).collect();
            while parts.iter().map(size).fold(1, usize::saturating_mul) > MAX_DISJUNCTIONS {
                let sets = parts.iter().enumerate().filter(|(_, part)| size(part) > 1);
                let widest = sets.clone().max_by_key(|(_, part)| (size(part), !has(part, &is_token)));
                match widest {
                    Some((at, _)) if sets.count() > 1 => drop(parts.remove(at)),
                    _ => break,
                }
            }
            Weak::all(parts)
        }
        weak => weak,
    }
}

/// Parts within the limit that are the whole together.
fn pieces(weak: Weak) -> Vec<Weak> {
    if size(&weak) <= MAX_DISJUNCTIONS {
        return vec![weak];
    }
    match weak {
        Weak::Any(parts) => {
            let mut packed: Vec<Vec<Weak>> = Vec::new();
            for part in parts.into_iter().flat_map(pieces) {
                let room = |pack: &&mut Vec<Weak>| {
                    pack.iter().map(size).sum::<usize>() + size(&part) <= MAX_DISJUNCTIONS
                };
                match packed.last_mut().filter(room) {
                    Some(pack) => pack.push(part),
                    None => packed.push(vec![part]),
                }
            }
            packed.into_iter().map(Weak::any).collect()
        }
        Weak::All(parts) => {
            // `products` has left one part that is beyond the limit.
            let (large, rest): (Vec<_>, Vec<_>) = parts.into_iter().partition(|part| size(part) > 1);
            let with = |piece| Weak::all(rest.iter().cloned().chain([piece]).collect());
            large.into_iter().flat_map(pieces).map(with).collect()
        }
        Weak::One(Filter::Field {
            field,
            op,
            value: Value { value_type: Some(ValueType::ArrayValue(array)) },
        }) => {
            let part = |values: &[Value]| {
                Weak::One(Filter::Field { field: field.clone(), op, value: array_of(values.to_vec()) })
            };
            array.values.chunks(MAX_DISJUNCTIONS).map(part).collect()
        }
        weak => vec![weak],
    }
}

/// How many conjunctions it comes to.
fn size(weak: &Weak) -> usize {
    weak.filter().map_or(1, |filter| disjunctions(&filter))
}

fn has(weak: &Weak, is: &dyn Fn(&Filter) -> bool) -> bool {
    match weak {
        Weak::All(parts) | Weak::Any(parts) => parts.iter().any(|part| has(part, is)),
        Weak::One(filter) => is(filter),
        Weak::Everything | Weak::Nothing => false,
    }
}

fn is_any(weak: &Weak) -> bool {
    match weak {
        Weak::Any(_) => true,
        Weak::All(parts) => parts.iter().any(is_any),
        _ => false,
    }
}

fn is_op(filter: &Filter, wanted: Op) -> bool {
    matches!(filter, Filter::Field { op, .. } if *op == wanted)
}

fn is_set(filter: &Filter) -> bool {
    is_op(filter, Op::In) || is_op(filter, Op::ContainsAny)
}

fn is_array(filter: &Filter) -> bool {
    is_op(filter, Op::Contains) || is_op(filter, Op::ContainsAny)
}

fn is_negation(filter: &Filter) -> bool {
    is_op(filter, Op::NotEqual)
        || is_op(filter, Op::NotIn)
        || matches!(filter, Filter::Is { is: Is::NotNull | Is::NotNan, .. })
}

fn is_token(filter: &Filter) -> bool {
    let field = match filter {
        Filter::Field { field, .. } | Filter::Is { field, .. } => field,
        Filter::All(_) | Filter::Any(_) => return false,
    };
    matches!(field, FieldRef::Path(path) if path.first().is_some_and(|name| name == "_seal"))
}
