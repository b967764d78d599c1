//! Plans of conditions, without a database.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use fireseal_derive::Sealable;

use super::{IndexKeys, Plan, Wanted, named, plan, whole_order};
use crate::bytes::{CollectionPath, Scope};
use crate::keys::{DataKey, IndexKey, KeyRing};
use crate::query::{Condition, Keyed, Order, QueryError, all, any, fields};
use crate::store::query::rules::{MAX_DISJUNCTIONS, check, disjunctions};
use crate::store::value::string_value;
use crate::store::{Cursor, Direction, FieldRef, Filter, From, Op, Query, Value, ValueType};

#[derive(Sealable)]
#[sealable(crate = crate, collection = "people")]
struct Person {
    #[sealable(id)]
    id: String,
    country: String,
    level: i64,
    tags: Vec<String>,
    #[sensitive(index(bits = 16))]
    email: String,
    #[sensitive(words)]
    note: String,
    #[sensitive(prefix(min = 1, max = 3))]
    name: String,
    #[sensitive(range(min = 0, max = 100_000, step = 1))]
    salary: i64,
}

fn ring(index_keys: u8) -> KeyRing {
    let ring = KeyRing::new(DataKey::from_bytes(&[1; 32]));
    (0..index_keys).fold(ring, |ring, key| ring.with_index(IndexKey::from_bytes(&[10 + key; 32])))
}

fn wanted(condition: impl Into<Condition<Person, Keyed>>) -> Wanted {
    let from = From::Collection(CollectionPath::parse("people").unwrap());
    let node = Some(named(condition.into().into_node(), &from).unwrap());
    let order = whole_order(node.as_ref(), Vec::new());
    Wanted {
        from,
        node,
        order,
        start: None,
        end: None,
        offset: 0,
        limit: None,
        last: false,
        scan: false,
        fields: None,
    }
}

fn planned_with(wanted: &Wanted, index_keys: u8) -> Result<Plan, QueryError> {
    let rings = [(Scope::default(), ring(index_keys))];
    let planned = plan(wanted, &IndexKeys { realm: None, collection: "people", rings: &rings });
    for query in planned.iter().flat_map(|plan| &plan.queries) {
        check(query).expect("every query of a plan is one that Firestore takes");
        assert!(query.filter.as_ref().map_or(0, disjunctions) <= MAX_DISJUNCTIONS);
    }
    planned
}

fn planned(condition: impl Into<Condition<Person, Keyed>>) -> Plan {
    planned_with(&wanted(condition), 1).unwrap()
}

/// The operators of a filter, with the last name of each path.
fn parts(filter: Option<&Filter>) -> Vec<(String, Op, usize)> {
    match filter {
        None | Some(Filter::Is { .. }) => Vec::new(),
        Some(Filter::All(filters) | Filter::Any(filters)) => {
            filters.iter().flat_map(|filter| parts(Some(filter))).collect()
        }
        Some(Filter::Field { field, op, value }) => {
            let name = match field {
                FieldRef::Path(path) if path[0] == "_seal" => path[2].clone(),
                FieldRef::Path(path) => path[0].clone(),
                FieldRef::Name => "__name__".to_owned(),
            };
            let count = match &value.value_type {
                Some(ValueType::ArrayValue(array)) => array.values.len(),
                _ => 1,
            };
            vec![(name, *op, count)]
        }
    }
}

fn sent(plan: &Plan) -> Vec<(String, Op, usize)> {
    assert_eq!(plan.queries.len(), 1);
    parts(plan.queries[0].filter.as_ref())
}

fn part(name: &str, op: Op, count: usize) -> (String, Op, usize) {
    (name.to_owned(), op, count)
}

#[test]
fn clear_conditions_go_as_they_are_and_the_limit_with_them() {
    let c = fields::<Person>();
    let wanted = Wanted { limit: Some(5), offset: 2, ..wanted(c.country.eq("GB").and(c.level.gt(3))) };
    let plan = planned_with(&wanted, 0).unwrap();
    assert_eq!(sent(&plan), [part("country", Op::Equal, 1), part("level", Op::Greater, 1)]);
    assert!(plan.check.is_none());
    assert_eq!((plan.queries[0].limit, plan.queries[0].offset, plan.offset), (Some(5), 2, 0));
}

#[test]
fn an_index_is_checked_again_and_its_limit_counted_here() {
    let c = fields::<Person>();
    let plan = planned_with(&Wanted { limit: Some(5), offset: 2, ..wanted(c.email.eq("a")) }, 1).unwrap();
    assert_eq!(sent(&plan), [part("email", Op::Equal, 1)]);
    assert!(plan.check.is_some() && !plan.weaker);
    assert_eq!((plan.queries[0].limit, plan.queries[0].offset), (None, 0));
    assert_eq!((plan.limit, plan.offset, plan.first_page()), (Some(5), 2, Some(7)));
    assert!((plan.collision - 1.0 / 65_536.0).abs() < 1e-12);
}

#[test]
fn every_live_index_key_is_asked_within_the_limit() {
    let c = fields::<Person>();
    let plan = planned_with(&wanted(c.email.eq("a")), 2).unwrap();
    assert_eq!(sent(&plan), [part("email", Op::In, 2)]);
    for keys in [1, 2] {
        let plan = planned_with(&wanted(c.salary.between(1..99_999)), keys).unwrap();
        let sent = sent(&plan);
        assert!(sent[0].2 <= 30 && sent[0].1 == Op::ContainsAny);
        assert_eq!(plan.widened.is_empty(), keys == 1, "{sent:?}");
    }
}

#[test]
fn one_array_condition_goes_the_one_of_the_fewest_tokens() {
    let c = fields::<Person>();
    let plan = planned(c.salary.lt(7).and(c.note.has_word("red")).and(c.tags.contains_any(["a", "b"])));
    assert_eq!(sent(&plan), [part("note", Op::Contains, 1)]);
    assert_eq!(plan.moved, [FieldRef::Path(vec!["tags".to_owned()])]);
    assert!(plan.weaker);
    // Each branch of a disjunction has its own.
    let plan = planned(c.note.has_word("red").or(c.name.starts_with("a")));
    assert_eq!(sent(&plan), [part("note", Op::Contains, 1), part("name", Op::Contains, 1)]);
}

#[test]
fn a_product_beyond_the_limit_loses_its_widest_part() {
    let c = fields::<Person>();
    let emails: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    let plan = planned(c.email.is_in(&emails).and(c.country.is_in(["a", "b"])));
    assert_eq!(sent(&plan), [part("country", Op::In, 2)]);
    // Within it nothing is lost.
    let plan = planned(c.email.is_in(&emails[..15]).and(c.country.is_in(["a", "b"])));
    assert_eq!(sent(&plan), [part("email", Op::In, 15), part("country", Op::In, 2)]);
}

#[test]
fn a_large_set_becomes_several_queries() {
    let c = fields::<Person>();
    let countries: Vec<String> = (0..70).map(|number| number.to_string()).collect();
    let plan = planned(c.country.is_in(&countries).and(c.level.eq(1)));
    let sizes: Vec<_> = plan.queries.iter().map(|query| parts(query.filter.as_ref())[1].2).collect();
    assert_eq!(sizes, [30, 30, 10]);
    assert!(plan.check.is_none() && !plan.weaker);
    // Of the whole result, so not of each query.
    let plan = planned_with(&Wanted { limit: Some(3), ..wanted(c.country.is_in(&countries)) }, 0).unwrap();
    assert_eq!((plan.queries[0].limit, plan.limit), (None, Some(3)));
    let many: Vec<String> = (0..3_001).map(|number| number.to_string()).collect();
    let refused = planned_with(&wanted(c.country.is_in(&many)), 0).unwrap_err();
    assert_eq!(refused, QueryError::TooMany { queries: 101 });
}

#[test]
fn the_tokens_of_one_value_stay_in_one_query() {
    let c = fields::<Person>();
    let tokens = |plan: &Plan| -> Vec<Vec<Value>> {
        let set = |query: &Query| match query.filter.clone() {
            Some(Filter::Field {
                value: Value { value_type: Some(ValueType::ArrayValue(array)) }, ..
            }) => array.values,
            filter => panic!("{filter:?} is no set"),
        };
        plan.queries.iter().map(set).collect()
    };
    let emails: Vec<String> = (0..70).map(|number| number.to_string()).collect();
    let sent = tokens(&planned_with(&wanted(c.email.is_in(&emails)), 2).unwrap());
    assert_eq!(sent.iter().map(Vec::len).collect::<Vec<_>>(), [30, 30, 30, 30, 20]);
    // In each of many scopes, of which no query takes all.
    let rings = (0..20).map(|n| (Scope::new(format!("tenant-{n}")).unwrap(), ring(2))).collect::<Vec<_>>();
    let keys = IndexKeys { realm: None, collection: "people", rings: &rings };
    let all = tokens(&plan(&wanted(c.email.eq("x")), &keys).unwrap());
    assert_eq!(all.iter().map(Vec::len).collect::<Vec<_>>(), [30, 10]);
    for one in rings.chunks(1) {
        let keys = IndexKeys { realm: None, collection: "people", rings: one };
        let [both] = tokens(&plan(&wanted(c.email.eq("x")), &keys).unwrap()).try_into().unwrap();
        assert!(all.iter().any(|set| both.iter().all(|token| set.contains(token))));
    }
    for email in &emails {
        let [both] = tokens(&planned_with(&wanted(c.email.eq(email)), 2).unwrap()).try_into().unwrap();
        assert_eq!(both.len(), 2);
        assert!(sent.iter().any(|set| both.iter().all(|token| set.contains(token))));
    }
}

#[test]
fn what_firestore_does_not_take_together_is_checked_here_in_the_same_order() {
    let c = fields::<Person>();
    let plan = planned(c.country.not_in(["a"]).and(c.email.is_in(["x", "y"])));
    assert_eq!(sent(&plan), [part("email", Op::In, 2)]);
    let country = FieldRef::Path(vec!["country".to_owned()]);
    assert_eq!(plan.moved, std::slice::from_ref(&country));
    assert_eq!(plan.order[0].field, country);

    let plan = planned(c.country.ne("a").and(c.level.ne(1)));
    assert_eq!(sent(&plan), [part("country", Op::NotEqual, 1)]);
    assert_eq!(plan.order.len(), 3);
}

#[test]
fn nothing_for_the_database_is_a_scan_that_must_be_asked_for() {
    let c = fields::<Person>();
    let condition = c.email.eq("a").or(c.country.not_in(["a"]));
    let refused = planned_with(&wanted(condition.clone()), 1).unwrap_err();
    assert_eq!(refused, QueryError::Scan);
    let plan = planned_with(&Wanted { scan: true, ..wanted(condition) }, 1).unwrap();
    assert!(plan.queries[0].filter.is_none() && plan.check.is_some());
    // What holds for all is no condition.
    let plan = planned(all::<Person, Keyed>([]));
    assert!(plan.queries[0].filter.is_none() && plan.check.is_none());
    assert!(planned(any::<Person, Keyed>([])).queries.is_empty());
    assert!(planned(c.email.is_in(Vec::<String>::new()).and(c.country.eq("a"))).queries.is_empty());
}

#[test]
fn without_an_index_key_no_index_is_asked() {
    let c = fields::<Person>();
    let refused = planned_with(&wanted(c.email.eq("a")), 0).unwrap_err();
    assert_eq!(refused, QueryError::NoIndexKey { scope: Scope::default() });
    let refused = planned_with(&wanted(c.name.starts_with("")), 1).unwrap_err();
    assert!(matches!(refused, QueryError::NotAskable { .. }), "{refused}");
}

#[test]
fn from_the_end_is_the_reverse_from_the_start() {
    let c = fields::<Person>();
    let order = whole_order(None, vec![Order::into_inner(c.country.ascending())]);
    let at = |text: &str, before| Some(Cursor { values: vec![string_value(text)], before });
    let wanted = Wanted {
        node: None,
        order,
        start: at("a", true),
        end: at("b", true),
        limit: Some(3),
        last: true,
        ..wanted(all::<Person, Keyed>([]))
    };
    let query = &planned_with(&wanted, 0).unwrap().queries[0];
    assert!(query.order.iter().all(|order| order.direction == Direction::Descending));
    // At or after `a` and before `b` becomes: after `b`, down to and with `a`.
    assert_eq!((query.start.clone(), query.end.clone()), (at("b", false), at("a", false)));
}

#[test]
fn only_what_is_wanted_or_checked_travels() {
    let c = fields::<Person>();
    let condition = c.email.eq("a").and(c.level.gt(1));
    let wanted = Wanted { fields: Some(vec![vec!["country".to_owned()]]), ..wanted(condition) };
    let plan = planned_with(&wanted, 1).unwrap();
    let mask = plan.queries[0].mask.clone().unwrap();
    assert_eq!(mask.paths().concat(), ["country", "email", "level"]);
}

#[test]
fn ids_become_references() {
    let c = fields::<Person>();
    let plan = planned(c.id.is_in(["a", "b"]));
    assert_eq!(sent(&plan), [part("__name__", Op::In, 2)]);
    let group = From::Group { id: "people".to_owned(), under: None };
    for id in ["a", "animals/a"] {
        let refused = named(c.id.eq(id).into_node(), &group).unwrap_err();
        assert!(matches!(refused, QueryError::Id { .. }), "{refused}");
    }
    assert!(named(c.id.eq("people/a").into_node(), &group).is_ok());
}
