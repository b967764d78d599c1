//! What every store promises of queries: the same tests over memory and over the emulator.

#![allow(missing_docs, clippy::unwrap_used)]

#[macro_use]
#[path = "support/stores.rs"]
mod stores;

use std::sync::Arc;

use fireseal::store::{
    Aggregation, Cursor, Direction, Document, FieldMask, FieldRef, Fields, Filter, From, Is, Op, Order,
    Query, Store, StoreError, Value, ValueType, Write, compare, compare_values, matches,
};
use fireseal::{CollectionPath, DocumentPath};
use firestore::gcloud_sdk::google::firestore::v1::ArrayValue;
use futures::TryStreamExt;

on_both_stores!(
    filters_take_what_firestore_takes,
    null_and_nan_are_found_by_what_they_are,
    documents_without_an_ordered_field_are_left_out,
    ties_are_broken_by_name_in_the_last_direction,
    cursors_offsets_and_limits,
    a_mask_names_the_fields_that_travel,
    names_are_compared_as_paths,
    groups_span_collections_with_one_id,
    groups_under_a_document_hold_nothing_from_beside_it,
    field_names_that_need_quoting,
    aggregations_count_add_and_average,
    sums_do_not_overflow,
    aggregations_over_parts_need_their_field_in_the_order,
    illegal_queries_are_refused,
    the_most_that_is_legal_is_answered,
    many_documents_arrive_in_order,
    explanations_are_not_given,
);

// Short forms.

fn val(value: ValueType) -> Value {
    Value { value_type: Some(value) }
}

fn int(number: i64) -> Value {
    val(ValueType::IntegerValue(number))
}

fn double(number: f64) -> Value {
    val(ValueType::DoubleValue(number))
}

fn text(text: &str) -> Value {
    val(ValueType::StringValue(text.to_owned()))
}

fn null() -> Value {
    val(ValueType::NullValue(0))
}

fn reference(path: &str) -> Value {
    val(ValueType::ReferenceValue(path.to_owned()))
}

fn array(values: impl IntoIterator<Item = Value>) -> Value {
    val(ValueType::ArrayValue(ArrayValue { values: values.into_iter().collect() }))
}

fn field(name: &str) -> FieldRef {
    FieldRef::Path(name.split('.').map(str::to_owned).collect())
}

fn is(name: &str, is: Is) -> Filter {
    Filter::Is { field: field(name), is }
}

fn on(name: &str, op: Op, value: Value) -> Filter {
    Filter::Field { field: field(name), op, value }
}

fn name_is(op: Op, value: Value) -> Filter {
    Filter::Field { field: FieldRef::Name, op, value }
}

fn by(name: &str, direction: Direction) -> Order {
    Order { field: field(name), direction }
}

fn at(values: impl IntoIterator<Item = Value>, before: bool) -> Option<Cursor> {
    Some(Cursor { values: values.into_iter().collect(), before })
}

fn in_c() -> Query {
    Query::new(From::Collection(CollectionPath::parse("c").unwrap()))
}

fn filtered(filter: Filter) -> Query {
    Query { filter: Some(filter), ..in_c() }
}

fn ordered(order: impl IntoIterator<Item = Order>) -> Query {
    Query { order: order.into_iter().collect(), ..in_c() }
}

async fn put<const N: usize>(store: &dyn Store, documents: [(&str, Vec<(&str, Value)>); N]) {
    let write = |(path, fields): (&str, Vec<(&str, Value)>)| {
        let fields: Fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Write::set(DocumentPath::parse(path).unwrap(), fields)
    };
    store.commit(&documents.into_iter().map(write).collect::<Vec<_>>()).await.unwrap();
}

async fn run(store: &dyn Store, query: &Query) -> Vec<Document> {
    store.query(query, None).await.unwrap().try_collect().await.unwrap()
}

/// The ids of the answer, joined by blanks.
async fn ids(store: &dyn Store, query: &Query) -> String {
    let found = run(store, query).await;
    found.iter().map(|document| document.path.id()).collect::<Vec<_>>().join(" ")
}

// What is taken.

async fn filters_take_what_firestore_takes(store: Arc<dyn Store>) {
    let store = &*store;
    put(
        store,
        [
            ("c/a", vec![("n", int(1)), ("t", array([text("x"), int(1)]))]),
            ("c/b", vec![("n", double(1.5)), ("t", array([text("y")]))]),
            ("c/c", vec![("n", double(2.0)), ("t", array([null()]))]),
            ("c/d", vec![("n", text("1")), ("t", text("x"))]),
            ("c/e", vec![("n", null())]),
            ("c/f", vec![("n", double(f64::NAN))]),
            ("c/g", vec![]),
            ("c/a/c/z", vec![("n", int(1))]), // not of this collection
        ],
    )
    .await;
    let cases = [
        (on("n", Op::Equal, double(1.0)), "a"),
        (on("n", Op::Equal, int(2)), "c"),
        (on("n", Op::NotEqual, int(1)), "f b c d"),
        (on("n", Op::Less, int(2)), "a b"),
        (on("n", Op::LessOrEqual, int(2)), "a b c"),
        (on("n", Op::Greater, int(1)), "b c"),
        (on("n", Op::GreaterOrEqual, int(1)), "a b c"),
        (on("n", Op::Greater, text("")), "d"),
        (on("n", Op::In, array([int(2), text("1"), null(), double(f64::NAN)])), "c d"),
        (on("n", Op::NotIn, array([int(2), text("1")])), "f a b"),
        (on("n", Op::NotIn, array([int(2), null()])), ""),
        (on("t", Op::Contains, text("x")), "a"),
        (on("t", Op::Contains, double(1.0)), "a"),
        (on("t", Op::Contains, null()), ""),
        (on("t", Op::ContainsAny, array([text("y"), int(1)])), "a b"),
        (on("t", Op::Equal, array([text("x"), double(1.0)])), "a"),
        (Filter::All(vec![on("n", Op::Greater, int(1)), on("t", Op::Contains, text("y"))]), "b"),
        (Filter::Any(vec![on("n", Op::Equal, int(1)), on("t", Op::Contains, text("y"))]), "a b"),
    ];
    for (filter, expected) in cases {
        assert_eq!(ids(store, &filtered(filter.clone())).await, expected, "{filter:?}");
    }
}

async fn null_and_nan_are_found_by_what_they_are(store: Arc<dyn Store>) {
    let store = &*store;
    put(
        store,
        [
            ("c/null", vec![("n", null())]),
            ("c/nan", vec![("n", double(f64::NAN))]),
            ("c/one", vec![("n", int(1))]),
            ("c/none", vec![]),
        ],
    )
    .await;
    for (what, expected) in
        [(Is::Null, "null"), (Is::NotNull, "nan one"), (Is::Nan, "nan"), (Is::NotNan, "one")]
    {
        assert_eq!(ids(store, &filtered(is("n", what))).await, expected, "{what:?}");
    }
}

// Order and position.

async fn documents_without_an_ordered_field_are_left_out(store: Arc<dyn Store>) {
    let store = &*store;
    put(
        store,
        [
            ("c/a", vec![("n", int(2)), ("m", int(1))]),
            ("c/b", vec![("n", null()), ("m", int(1))]),
            ("c/c", vec![("m", int(1))]),
            ("c/d", vec![("n", text("x")), ("m", int(1))]),
            ("c/e", vec![("n", double(f64::NAN))]),
        ],
    )
    .await;
    assert_eq!(ids(store, &in_c()).await, "a b c d e");
    assert_eq!(ids(store, &ordered([by("n", Direction::Ascending)])).await, "b e a d");
    assert_eq!(ids(store, &ordered([by("n", Direction::Descending)])).await, "d a e b");
    assert_eq!(
        ids(store, &ordered([by("m", Direction::Ascending), by("n", Direction::Descending)])).await,
        "d a b"
    );
}

async fn ties_are_broken_by_name_in_the_last_direction(store: Arc<dyn Store>) {
    let store = &*store;
    put(
        store,
        [("c/b", vec![("n", int(1))]), ("c/a!", vec![("n", double(1.0))]), ("c/a", vec![("n", int(0))])],
    )
    .await;
    assert_eq!(ids(store, &ordered([by("n", Direction::Ascending)])).await, "a a! b");
    assert_eq!(ids(store, &ordered([by("n", Direction::Descending)])).await, "b a! a");
    let query = ordered([
        by("n", Direction::Descending),
        Order { field: FieldRef::Name, direction: Direction::Ascending },
    ]);
    assert_eq!(ids(store, &query).await, "a! b a");
}

async fn cursors_offsets_and_limits(store: Arc<dyn Store>) {
    let store = &*store;
    let numbered = |id: &'static str, n| (id, vec![("n", int(n))]);
    put(
        store,
        [numbered("c/a", 1), numbered("c/b", 2), numbered("c/c", 2), numbered("c/d", 3), numbered("c/e", 4)],
    )
    .await;
    let up = || ordered([by("n", Direction::Ascending)]).with_implicit_order();
    let down = || ordered([by("n", Direction::Descending)]).with_implicit_order();
    let c = || [int(2), reference("c/c")];
    let cases = [
        (Query { start: at([int(2)], true), ..up() }, "b c d e"),
        (Query { start: at([int(2)], false), ..up() }, "d e"),
        (Query { end: at([int(2)], true), ..up() }, "a"),
        (Query { end: at([int(2)], false), ..up() }, "a b c"),
        (Query { start: at(c(), true), ..up() }, "c d e"),
        (Query { start: at(c(), false), ..up() }, "d e"),
        (Query { start: at([int(3)], true), end: at(c(), false), ..down() }, "d c"),
        (Query { start: at([text("beyond numbers")], true), ..up() }, ""),
        (Query { start: at([null()], true), ..up() }, "a b c d e"),
        (Query { offset: 2, ..up() }, "c d e"),
        (Query { limit: Some(2), ..up() }, "a b"),
        (Query { limit: Some(0), ..up() }, ""),
        (Query { offset: 1, limit: Some(2), start: at([int(2)], true), ..up() }, "c d"),
        (Query { offset: 9, ..up() }, ""),
    ];
    for (query, expected) in cases {
        assert_eq!(ids(store, &query).await, expected, "{query:?}");
    }
}

async fn a_mask_names_the_fields_that_travel(store: Arc<dyn Store>) {
    let store = &*store;
    put(store, [("c/a", vec![("n", int(1)), ("b", int(2)), ("c d", int(3))])]).await;
    let names = |paths: &[&str]| {
        let mask = FieldMask::new(paths.iter().map(|path| vec![(*path).to_owned()]).collect());
        Query { mask: Some(mask), ..ordered([by("n", Direction::Ascending)]) }
    };
    for paths in [&[][..], &["b"], &["c d"], &["b", "missing"], &["n"]] {
        let found = run(store, &names(paths)).await.remove(0);
        let mut travelled: Vec<&str> = found.fields.keys().map(String::as_str).collect();
        travelled.sort_unstable();
        let expected: Vec<&str> = paths.iter().copied().filter(|path| *path != "missing").collect();
        assert_eq!(travelled, expected);
        assert!(found.update_time.is_some());
    }
}

// Names and groups.

async fn names_are_compared_as_paths(store: Arc<dyn Store>) {
    let store = &*store;
    put(store, [("c/a", vec![]), ("c/a!", vec![]), ("c/b", vec![]), ("c/a/c/x", vec![])]).await;
    let cases = [
        (name_is(Op::Equal, reference("c/b")), "b"),
        (name_is(Op::NotEqual, reference("c/b")), "a a!"),
        (name_is(Op::In, array([reference("c/b"), reference("c/a"), reference("c/none")])), "a b"),
        (name_is(Op::NotIn, array([reference("c/a")])), "a! b"),
        (name_is(Op::Greater, reference("c/a")), "a! b"),
        (name_is(Op::Less, reference("c/b")), "a a!"),
    ];
    for (filter, expected) in cases {
        assert_eq!(ids(store, &filtered(filter.clone())).await, expected, "{filter:?}");
    }
    let group = Query::new(From::Group { id: "c".into(), under: None });
    let group = Query { filter: Some(name_is(Op::GreaterOrEqual, reference("c/a/c/x"))), ..group };
    assert_eq!(ids(store, &group).await, "x a! b");
}

async fn groups_span_collections_with_one_id(store: Arc<dyn Store>) {
    let store = &*store;
    let one = || vec![("n", int(1))];
    put(store, [("c/z", one()), ("a/x/c/y", one()), ("c/z/c/w", one()), ("cc/v", one()), ("c/z/d/u", one())])
        .await;
    let group = Query::new(From::Group { id: "c".into(), under: None });
    assert_eq!(ids(store, &group).await, "y z w");
    let filter = Some(on("n", Op::Greater, int(0)));
    assert_eq!(ids(store, &Query { filter, limit: Some(2), ..group }).await, "y z");
}

async fn groups_under_a_document_hold_nothing_from_beside_it(store: Arc<dyn Store>) {
    let store = &*store;
    let one = || vec![("n", int(1))];
    put(
        store,
        [
            ("t/a", one()),
            ("t/a/c/x", one()),
            ("t/a/c/x/c/y", one()),
            ("t/a/d/e/c/z", one()),
            ("t/a!/c/beside", one()),
            ("t/a\u{1}/c/beside", one()),
            ("t/ab/c/beside", one()),
            ("c/beside", one()),
        ],
    )
    .await;
    let under = DocumentPath::parse("t/a").unwrap();
    let group = Query::new(From::Group { id: "c".into(), under: Some(under) });
    assert_eq!(ids(store, &group).await, "x y z");
    let filter = Some(on("n", Op::Greater, int(0)));
    assert_eq!(ids(store, &Query { filter: filter.clone(), ..group.clone() }).await, "x y z");
    let over = [Aggregation::Count];
    assert_eq!(store.aggregate(&Query { filter, ..group }, &over, None).await.unwrap(), [int(3)]);
}

async fn field_names_that_need_quoting(store: Arc<dyn Store>) {
    let store = &*store;
    for name in ["a b", "a.b", "`", "\\", "é", "1"] {
        put(store, [("c/a", vec![(name, int(1))]), ("c/b", vec![(name, int(2))])]).await;
        let field = || FieldRef::Path(vec![name.to_owned()]);
        let filter = Filter::Field { field: field(), op: Op::Greater, value: int(1) };
        assert_eq!(ids(store, &filtered(filter)).await, "b", "{name}");
        let over = [Aggregation::Sum(vec![name.to_owned()])];
        assert_eq!(store.aggregate(&in_c(), &over, None).await.unwrap(), [int(3)], "{name}");
    }
}

// Aggregations.

async fn aggregations_count_add_and_average(store: Arc<dyn Store>) {
    let store = &*store;
    let sum = || Aggregation::Sum(vec!["n".to_owned()]);
    let average = || Aggregation::Average(vec!["n".to_owned()]);
    assert_eq!(
        store.aggregate(&in_c(), &[Aggregation::Count, sum(), average()], None).await.unwrap(),
        [int(0), int(0), null()]
    );
    put(
        store,
        [
            ("c/a", vec![("n", int(1))]),
            ("c/b", vec![("n", int(4))]),
            ("c/c", vec![("n", text("7"))]),
            ("c/d", vec![]),
        ],
    )
    .await;
    let answer = |over: Vec<Aggregation>, query: Query| async move {
        store.aggregate(&query, &over, None).await.unwrap()
    };
    assert_eq!(answer(vec![Aggregation::Count], in_c()).await, [int(4)]);
    assert_eq!(
        answer(vec![Aggregation::Count], Query { offset: 1, limit: Some(2), ..in_c() }).await,
        [int(2)]
    );
    assert_eq!(answer(vec![sum(), average()], in_c()).await, [int(5), double(2.5)]);
    // Beside a sum, only documents that have its field are counted.
    assert_eq!(answer(vec![sum(), Aggregation::Count], in_c()).await, [int(5), int(3)]);
    let query = Query { limit: Some(1), ..ordered([by("n", Direction::Ascending)]) };
    assert_eq!(answer(vec![sum()], query).await, [int(1)]);
    put(store, [("c/e", vec![("n", double(0.5))])]).await;
    assert_eq!(answer(vec![sum()], in_c()).await, [double(5.5)]);
    put(store, [("c/f", vec![("n", double(f64::NAN))])]).await;
    for value in answer(vec![sum(), average()], in_c()).await {
        assert!(matches!(value.value_type, Some(ValueType::DoubleValue(number)) if number.is_nan()));
    }
}

async fn sums_do_not_overflow(store: Arc<dyn Store>) {
    let store = &*store;
    put(store, [("c/a", vec![("n", int(i64::MAX))]), ("c/b", vec![("n", int(1))])]).await;
    let sum = [Aggregation::Sum(vec!["n".to_owned()])];
    let answer = store.aggregate(&in_c(), &sum, None).await.unwrap();
    assert_eq!(answer, [double(9_223_372_036_854_775_808.0)]);
    put(store, [("c/c", vec![("n", int(-1))])]).await;
    assert_eq!(store.aggregate(&in_c(), &sum, None).await.unwrap(), [int(i64::MAX)]);
}

async fn aggregations_over_parts_need_their_field_in_the_order(store: Arc<dyn Store>) {
    let sum = [Aggregation::Sum(vec!["n".to_owned()])];
    for query in [
        Query { limit: Some(1), ..in_c() },
        Query { offset: 1, ..in_c() },
        Query { start: at([reference("c/a")], true), ..in_c().with_implicit_order() },
    ] {
        refuses(store.aggregate(&query, &sum, None).await.map(|_| ()), &query);
    }
    let many = vec![Aggregation::Count; 6];
    refuses(store.aggregate(&in_c(), &many, None).await.map(|_| ()), &in_c());
    refuses(store.aggregate(&in_c(), &[], None).await.map(|_| ()), &in_c());
}

// What is legal.

fn refuses(answer: Result<(), StoreError>, query: &Query) {
    assert!(matches!(answer, Err(StoreError::Refused { .. })), "{answer:?}: {query:?}");
}

fn numbers(count: i64) -> Value {
    array((0..count).map(int))
}

async fn illegal_queries_are_refused(store: Arc<dyn Store>) {
    use Op::{Contains, ContainsAny, Equal, Greater, In, NotEqual, NotIn};
    let any = |count: i64| Filter::Any((0..count).map(|n| on("b", Equal, int(n))).collect());
    let filters = vec![
        Filter::All(vec![]),
        Filter::Any(vec![]),
        Filter::All(vec![Filter::Any(vec![])]),
        on("a", In, array([])),
        on("a", In, int(1)),
        on("a", In, numbers(31)),
        on("a", ContainsAny, numbers(31)),
        on("a", NotIn, numbers(11)),
        on("a", NotIn, array([])),
        any(31),
        Filter::All(vec![on("a", In, numbers(2)), any(16)]),
        Filter::All(vec![on("a", In, numbers(6)), on("b", ContainsAny, numbers(6))]),
        Filter::All(vec![on("a", Contains, int(1)), on("b", Contains, int(1))]),
        Filter::All(vec![on("a", Contains, int(1)), on("b", ContainsAny, numbers(2))]),
        Filter::All(vec![on("a", Contains, int(1)), Filter::Any(vec![any(2), on("b", Contains, int(1))])]),
        Filter::All(vec![on("a", NotIn, numbers(2)), any(2)]),
        Filter::All(vec![on("a", NotIn, numbers(2)), on("b", In, numbers(2))]),
        Filter::All(vec![on("a", NotIn, numbers(2)), on("b", ContainsAny, numbers(2))]),
        Filter::Any(vec![on("a", NotIn, numbers(2))]),
        Filter::All(vec![on("a", NotIn, numbers(2)), on("b", NotEqual, int(1))]),
        Filter::All(vec![on("a", NotEqual, int(1)), on("b", NotEqual, int(1))]),
        Filter::All(vec![is("a", Is::NotNull), is("b", Is::NotNan)]),
        on("a", Equal, null()),
        on("a", NotEqual, double(f64::NAN)),
        on("a", Greater, double(f64::NAN)),
        on("__a__", Equal, int(1)),
        on("", Equal, int(1)),
        Filter::Is { field: FieldRef::Name, is: Is::Null },
        name_is(Equal, text("c/a")),
        name_is(Equal, reference("c")),
        name_is(In, array([reference("c/a"), int(1)])),
        name_is(Contains, reference("c/a")),
        Filter::All(vec![name_is(Equal, reference("c/a")), on("a", Greater, int(1))]),
        Filter::All((0..11).map(|n| on(&format!("f{n}"), Greater, int(1))).collect()),
        Filter::All((0..101).map(|n| on(&format!("f{n}"), Equal, int(1))).collect()),
    ];
    let name = || Order { field: FieldRef::Name, direction: Direction::Ascending };
    let up = |name| by(name, Direction::Ascending);
    let mut queries: Vec<Query> = filters.into_iter().map(filtered).collect();
    queries.extend([
        ordered([up("a"), up("a")]),
        ordered([name(), up("a")]),
        Query { filter: Some(on("a", Greater, int(1))), ..ordered([name()]) },
        Query { start: at([], true), ..ordered([up("a")]) },
        Query { start: at([int(1), reference("c/a"), int(1)], true), ..ordered([up("a")]) },
        Query { end: at([int(1), int(1)], true), ..ordered([up("a")]) },
        Query { limit: Some(u32::MAX), ..in_c() },
        Query { offset: u32::MAX, ..in_c() },
        Query { mask: Some(FieldMask::new(vec![vec![String::new()]])), ..in_c() },
        Query::new(From::Group { id: "a/b".into(), under: None }),
        // The document above counts too.
        Query {
            filter: Some(Filter::All((0..10).map(|n| on(&format!("f{n}"), Greater, int(1))).collect())),
            ..Query::new(From::Group { id: "c".into(), under: Some(DocumentPath::parse("c/a").unwrap()) })
        },
        Query {
            filter: Some(Filter::All((0..99).map(|n| on(&format!("f{n}"), Equal, int(1))).collect())),
            ..Query::new(From::Collection(CollectionPath::parse("c/a/c").unwrap()))
        },
    ]);
    for query in queries {
        refuses(store.query(&query, None).await.map(|_| ()), &query);
        let aggregate = Query { mask: None, ..query.clone() };
        if query.mask.is_none() {
            refuses(store.aggregate(&aggregate, &[Aggregation::Count], None).await.map(|_| ()), &query);
        }
    }
}

async fn the_most_that_is_legal_is_answered(store: Arc<dyn Store>) {
    use Op::{Contains, ContainsAny, Equal, Greater, In, NotIn};
    let any = |count: i64| Filter::Any((0..count).map(|n| on("b", Equal, int(n))).collect());
    let filters = vec![
        on("a", In, numbers(30)),
        on("a", ContainsAny, numbers(30)),
        on("a", NotIn, numbers(10)),
        any(30),
        Filter::All(vec![on("a", In, numbers(2)), any(15)]),
        Filter::All(vec![on("a", In, numbers(5)), on("b", ContainsAny, numbers(6))]),
        Filter::Any(vec![
            on("a", Contains, int(1)),
            on("b", Contains, int(1)),
            on("a", ContainsAny, numbers(2)),
        ]),
        Filter::All(vec![on("a", NotIn, numbers(2)), on("b", Contains, int(1)), on("d", Greater, int(1))]),
        Filter::All((0..10).map(|n| on(&format!("f{n}"), Greater, int(1))).collect()),
        Filter::All((0..99).map(|n| on(&format!("f{n}"), Equal, int(1))).collect()),
        Filter::All(vec![Filter::Any(vec![Filter::All(vec![on("a", Equal, int(1))])])]),
    ];
    for filter in filters {
        assert_eq!(ids(&*store, &filtered(filter)).await, "");
    }
}

async fn many_documents_arrive_in_order(store: Arc<dyn Store>) {
    let documents = 1_200;
    for chunk in (0..documents).collect::<Vec<i64>>().chunks(400) {
        let write = |n: &i64| {
            let fields = [("n".to_owned(), int(-n)), ("t".to_owned(), text(&"x".repeat(2_000)))].into();
            Write::set(DocumentPath::parse(&format!("c/d{n:04}")).unwrap(), fields)
        };
        store.commit(&chunk.iter().map(write).collect::<Vec<_>>()).await.unwrap();
    }
    let query = ordered([by("n", Direction::Descending)]).with_implicit_order();
    let found = run(&*store, &query).await;
    assert_eq!(found.len(), 1_200);
    assert!(found.windows(2).all(|pair| compare(&query.order, &pair[0], &pair[1]).is_lt()));
    assert!(found.windows(2).all(|pair| compare_values(&pair[0].fields["n"], &pair[1].fields["n"]).is_gt()));
    let half = on("n", Op::Greater, int(-600));
    assert_eq!(found.iter().filter(|document| matches(&half, document)).count(), 600);
    assert_eq!(run(&*store, &filtered(half)).await.len(), 600);
}

async fn explanations_are_not_given(store: Arc<dyn Store>) {
    let error = store.explain(&in_c()).await.unwrap_err();
    assert!(matches!(error, StoreError::Unsupported { .. }), "{error:?}");
}
