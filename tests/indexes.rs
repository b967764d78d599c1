//! The index files of types and queries, by the rules of Firestore's documentation.

#![allow(clippy::unwrap_used, missing_docs, dead_code)]

use std::collections::{BTreeMap, BTreeSet};

use fireseal::indexes::{IndexFile, IndexFileError};
use fireseal::store::{
    Aggregation, Cursor, Direction, FieldRef, Filter, From, Is, ListRequest, MemoryStore, Op, Order, Query,
    Store as _, Value as Stored, ValueType,
};
use fireseal::{CollectionPath, DataKey, IndexKey, KeyRing, Repository, Sealable};
use serde_json::{Value, json};

#[derive(Sealable, Default)]
#[sealable(collection = "tenants/acme/customers", compound(name = "full_name", fields(first, last)))]
#[serde(rename_all = "camelCase")]
struct Customer {
    #[sealable(id)]
    id: String,
    country: String,
    tags: Vec<String>,
    #[sensitive]
    #[serde(rename = "tax-no", alias = "taxNumber")]
    tax_number: String,
    #[sensitive(unique(normalize(email)), prefix(min = 2, max = 8))]
    email: String,
    #[sensitive(words)]
    first: String,
    #[sensitive]
    last: String,
    #[sensitive(range(min = 0, max = 200, step = 1))]
    age: u32,
    #[sealable(nested)]
    address: Address,
    #[sealable(nested)]
    others: Vec<Plain>,
}

#[derive(Sealable, Default)]
struct Address {
    city: String,
    #[sensitive(index)]
    street: String,
}

#[derive(Sealable)]
struct Plain {
    #[sensitive]
    note: String,
}

#[derive(Sealable)]
#[sealable(collection = "orders")]
struct Order2 {
    #[sealable(id)]
    id: String,
    #[sensitive]
    note: String,
}

/// What a file says of each field of a collection: `+` ascending, `-` descending, `@` elements; doubled
/// for groups.
fn overrides(file: &str, group: &str) -> BTreeMap<String, String> {
    let file: Value = serde_json::from_str(file).unwrap();
    let fields = file["fieldOverrides"].as_array().unwrap().iter();
    let of_group = fields.filter(|field| field["collectionGroup"] == group);
    let each = of_group.map(|field| {
        let indexes = field["indexes"].as_array().unwrap().iter();
        let said: String = indexes
            .map(|index| sign(index).repeat(1 + usize::from(index["queryScope"] == "COLLECTION_GROUP")))
            .collect();
        (field["fieldPath"].as_str().unwrap().to_owned(), said)
    });
    each.collect()
}

fn sign(index: &Value) -> &'static str {
    match (index["order"].as_str(), index["arrayConfig"].as_str()) {
        (Some("ASCENDING"), None) => "+",
        (Some("DESCENDING"), None) => "-",
        (None, Some("CONTAINS")) => "@",
        other => panic!("{other:?}"),
    }
}

/// The composite indexes of a file, each as its fields in a row; those for groups begin with `group`.
fn composites(file: &str) -> Vec<String> {
    let file: Value = serde_json::from_str(file).unwrap();
    let each = file["indexes"].as_array().unwrap().iter().map(|index| {
        let fields = index["fields"].as_array().unwrap().iter();
        let fields: Vec<_> =
            fields.map(|field| format!("{}{}", sign(field), field["fieldPath"].as_str().unwrap())).collect();
        let group = if index["queryScope"] == "COLLECTION_GROUP" { "group " } else { "" };
        assert_eq!(index["collectionGroup"], "customers");
        format!("{group}{}", fields.join(" "))
    });
    each.collect()
}

#[test]
fn a_type_exempts_what_is_sealed_and_brings_its_tokens_back() {
    let file = IndexFile::of::<Customer>().to_json();
    let expected = [
        ("_seal", ""),
        ("_seal.idx.`address.street`.eq", "+"),
        ("_seal.idx.age.range", "@"),
        ("_seal.idx.email.eq", "+"),
        ("_seal.idx.email.prefix", "@"),
        ("_seal.idx.first.words", "@"),
        ("_seal.idx.full_name.eq", "+"),
        ("address.street", ""),
        ("age", ""),
        ("email", ""),
        ("first", ""),
        ("last", ""),
        ("others", ""),
        ("taxNumber", ""),
        ("`tax-no`", ""),
    ];
    let expected = expected.map(|(path, said)| (path.to_owned(), said.to_owned()));
    assert_eq!(overrides(&file, "customers"), BTreeMap::from(expected));
    assert_eq!(composites(&file), [""; 0]);

    let both = IndexFile::of::<Order2>().and(IndexFile::of::<Customer>());
    assert_eq!(both, IndexFile::of::<Customer>().and(IndexFile::of::<Order2>()));
    assert_eq!(
        overrides(&both.to_json(), "orders"),
        BTreeMap::from(["_seal", "note"].map(|path| (path.to_owned(), String::new())))
    );
    assert_eq!(overrides(&both.to_json(), "customers").len(), 15);
}

/// The overrides of the reservations name the fields that a repository writes there.
#[tokio::test]
async fn reservations_are_indexed_by_their_scope_alone() {
    let ring = KeyRing::new(DataKey::generate().unwrap()).with_index(IndexKey::generate().unwrap());
    let store = MemoryStore::new();
    let customers = Repository::<Customer>::new(store.clone(), ring);
    customers
        .create(&Customer { id: "ada".into(), email: "ada@example.com".into(), ..Customer::default() })
        .await
        .unwrap();
    let reservations = CollectionPath::parse("fireseal_unique").unwrap();
    let request = ListRequest { collection: reservations, page_size: 10, page_token: None, mask: None };
    let held = store.list(&request).await.unwrap().documents;
    let written: Vec<_> = held[0].fields.keys().cloned().collect::<BTreeSet<_>>().into_iter().collect();

    let said = overrides(&IndexFile::of::<Customer>().to_json(), "fireseal_unique");
    assert_eq!(said.keys().cloned().collect::<Vec<_>>(), written);
    assert_eq!(said.into_values().collect::<Vec<_>>(), ["", "", "", "+"]);
    assert!(overrides(&IndexFile::of::<Order2>().to_json(), "fireseal_unique").is_empty());
}

#[test]
fn for_group_queries_the_tokens_are_indexed_for_groups_too() {
    let file = IndexFile::of::<Customer>().for_group_queries().and(IndexFile::of::<Order2>()).to_json();
    let said = overrides(&file, "customers");
    assert_eq!(said["_seal.idx.email.eq"], "+++");
    assert_eq!(said["_seal.idx.age.range"], "@@@");
    assert_eq!(said["_seal"], "");
    assert_eq!(said["email"], "");
}

#[test]
fn the_text_is_that_of_the_firebase_tools_and_stays_the_same() {
    let query = Query {
        filter: Some(is("country", Op::Equal)),
        order: vec![order("note", Direction::Descending)],
        ..Query::new(From::Collection(CollectionPath::parse("orders").unwrap()))
    };
    let expected = r#"{
  "fieldOverrides": [
    {
      "collectionGroup": "orders",
      "fieldPath": "_seal",
      "indexes": []
    },
    {
      "collectionGroup": "orders",
      "fieldPath": "note",
      "indexes": []
    }
  ],
  "indexes": [
    {
      "collectionGroup": "orders",
      "fields": [
        {
          "fieldPath": "country",
          "order": "ASCENDING"
        },
        {
          "fieldPath": "note",
          "order": "DESCENDING"
        }
      ],
      "queryScope": "COLLECTION"
    }
  ]
}
"#;
    assert_eq!(IndexFile::of::<Order2>().with_query(&query).to_json(), expected);
}

fn path(field: &str) -> FieldRef {
    match field {
        "__name__" => FieldRef::Name,
        field => FieldRef::Path(field.split('/').map(str::to_owned).collect()),
    }
}

fn is(field: &str, op: Op) -> Filter {
    Filter::Field { field: path(field), op, value: Stored { value_type: Some(ValueType::IntegerValue(1)) } }
}

fn order(field: &str, direction: Direction) -> Order {
    Order { field: path(field), direction }
}

fn up(field: &str) -> Order {
    order(field, Direction::Ascending)
}

fn down(field: &str) -> Order {
    order(field, Direction::Descending)
}

fn query(filter: Filter, order: Vec<Order>) -> Query {
    let from = From::Collection(CollectionPath::parse("tenants/acme/customers").unwrap());
    Query { filter: Some(filter), order, ..Query::new(from) }
}

/// What a query adds to the indexes of its type.
fn needs(filter: Filter, order: Vec<Order>) -> Vec<String> {
    let of_type = IndexFile::of::<Customer>();
    let file = of_type.clone().with_query(&query(filter, order)).to_json();
    assert_eq!(overrides(&file, "customers"), overrides(&of_type.to_json(), "customers"));
    composites(&file)
}

const EMAIL: &str = "_seal/idx/email/eq";
const PREFIX: &str = "_seal/idx/email/prefix";
const NONE: [&str; 0] = [];

/// "Single-field indexes ... support simple queries, and compound equality queries by merging": "Index types",
/// "Queries supported by single-field indexes" and "Taking advantage of index merging".
#[test]
fn merged_single_field_indexes_serve_equalities_and_one_array() {
    assert_eq!(needs(Filter::All(vec![]), vec![]), NONE);
    assert_eq!(needs(is("country", Op::Equal), vec![]), NONE);
    assert_eq!(needs(is("country", Op::In), vec![]), NONE);
    assert_eq!(needs(is(EMAIL, Op::Equal), vec![]), NONE);
    let both = Filter::All(vec![is(EMAIL, Op::In), is("country", Op::Equal), is("tags", Op::Contains)]);
    assert_eq!(needs(both, vec![]), NONE);
    assert_eq!(needs(Filter::All(vec![is(PREFIX, Op::ContainsAny), is("country", Op::Equal)]), vec![]), NONE);
    assert_eq!(needs(Filter::Is { field: path("country"), is: Is::Null }, vec![]), NONE);
}

/// A range and an order of one field: the same table.
#[test]
fn one_field_is_compared_and_ordered_by_its_own_index() {
    for op in [Op::Less, Op::GreaterOrEqual, Op::NotEqual, Op::NotIn] {
        assert_eq!(needs(is("country", op), vec![]), NONE);
        assert_eq!(needs(is("country", op), vec![down("country")]), NONE);
    }
    let both = Filter::All(vec![is("country", Op::Greater), is("country", Op::Less)]);
    assert_eq!(needs(both, vec![up("country")]), NONE);
    assert_eq!(needs(Filter::All(vec![]), vec![down("country"), down("__name__")]), NONE);
    // An order of a field that has one value orders nothing.
    assert_eq!(needs(is("country", Op::Equal), vec![up("country")]), NONE);
    assert_eq!(needs(is("__name__", Op::GreaterOrEqual), vec![]), NONE);
    assert_eq!(needs(is("__name__", Op::In), vec![]), NONE);
}

/// "If you need to run a compound query that uses a range comparison or if you need to sort by a different
/// field, you must create a composite index": "Index types", "Queries supported by composite indexes".
#[test]
fn an_equality_with_an_order_or_a_range_takes_a_composite_index() {
    assert_eq!(needs(is("country", Op::Equal), vec![up("age2")]), ["+country +age2"]);
    assert_eq!(needs(is("country", Op::Equal), vec![down("age2")]), ["+country -age2"]);
    assert_eq!(needs(is("country", Op::In), vec![down("age2")]), ["+country -age2"]);
    let null = Filter::Is { field: path("country"), is: Is::Null };
    assert_eq!(needs(null, vec![up("name")]), ["+country +name"]);
    let ranged = Filter::All(vec![is("country", Op::Equal), is("age2", Op::Less), is(EMAIL, Op::Equal)]);
    assert_eq!(needs(ranged, vec![]), ["+_seal.idx.email.eq +country +age2"]);
    assert_eq!(needs(is(EMAIL, Op::Equal), vec![up("name")]), ["+_seal.idx.email.eq +name"]);
    let array = Filter::All(vec![is(PREFIX, Op::ContainsAny), is("country", Op::Equal)]);
    assert_eq!(needs(array, vec![up("name")]), ["+country @_seal.idx.email.prefix +name"]);
    assert_eq!(needs(is("tags", Op::Contains), vec![up("name")]), ["@tags +name"]);
    let nested = is("_seal/idx/address.street/eq", Op::Equal);
    assert_eq!(needs(nested, vec![up("name")]), ["+_seal.idx.`address.street`.eq +name"]);
    // An `in` field that is ordered by stands where it serves either way.
    let two = Filter::All(vec![is("country", Op::In), is("zone", Op::Equal)]);
    assert_eq!(needs(two, vec![down("country"), up("name")]), ["+zone -country +name"]);
}

/// "ORDER BY a ASC, b ASC requires a composite index on a ASC, b ASC": "Query with range and inequality
/// filters on multiple fields", "Indexing considerations".
#[test]
fn several_ranges_and_orders_take_a_composite_index_in_their_order() {
    assert_eq!(needs(Filter::All(vec![]), vec![up("a"), down("b")]), ["+a -b"]);
    let ranges = || Filter::All(vec![is("b", Op::Less), is("a", Op::Greater)]);
    assert_eq!(needs(ranges(), vec![]), ["+a +b"]);
    assert_eq!(needs(ranges(), vec![down("b")]), ["-b -a"]);
    let not_null = Filter::All(vec![Filter::Is { field: path("b"), is: Is::NotNull }, is("a", Op::Equal)]);
    assert_eq!(needs(not_null, vec![]), ["+a +b"]);
}

/// "By default, the `__name__` field is sorted in the same direction of the last sorted field in the index
/// definition ... to sort in a non-default direction you need to create that index": "Index types", "Default
/// ordering and the `__name__` field".
#[test]
fn another_direction_of_the_name_takes_an_index_that_says_so() {
    assert_eq!(needs(Filter::All(vec![]), vec![up("a"), down("__name__")]), ["+a -__name__"]);
    assert_eq!(needs(Filter::All(vec![]), vec![down("a"), up("b"), up("__name__")]), ["-a +b"]);
    assert_eq!(needs(is("c", Op::Equal), vec![down("a"), up("__name__")]), ["+c -a +__name__"]);
    assert_eq!(needs(Filter::All(vec![]), vec![down("__name__")]), ["-__name__"]);
    assert_eq!(needs(is("country", Op::Equal), vec![down("__name__")]), NONE);
    assert_eq!(needs(is("tags", Op::Contains), vec![down("__name__")]), ["@tags -__name__"]);
    // What stands behind the name orders nothing.
    assert_eq!(needs(Filter::All(vec![]), vec![up("a"), up("__name__"), up("b")]), NONE);

    // A token is indexed in one direction, unless a query wants the other.
    let wanted = query(is(EMAIL, Op::Equal), vec![down("__name__")]);
    let file = IndexFile::of::<Customer>().with_query(&wanted).to_json();
    assert_eq!(overrides(&file, "customers")["_seal.idx.email.eq"], "+-");
    assert_eq!(composites(&file), NONE);
}

/// "Cloud Firestore ... converts [a logical OR] into disjunctive normal form": "Perform simple and compound
/// queries", "OR queries"; each conjunction is served by an index of its own.
#[test]
fn a_disjunction_takes_what_each_of_its_conjunctions_takes() {
    let either = || Filter::Any(vec![is("a", Op::Equal), is("b", Op::Equal)]);
    assert_eq!(needs(either(), vec![]), NONE);
    assert_eq!(needs(either(), vec![up("name")]), ["+a +name", "+b +name"]);
    let both = Filter::All(vec![
        either(),
        is("c", Op::In),
        Filter::Any(vec![is("d", Op::Equal), is("a", Op::Equal)]),
    ]);
    assert_eq!(
        needs(both, vec![up("name")]),
        ["+a +b +c +name", "+a +c +d +name", "+a +c +name", "+b +c +d +name"]
    );
    // The order that an inequality brings holds for all of them.
    assert_eq!(needs(Filter::Any(vec![is("a", Op::Greater), is("b", Op::Equal)]), vec![]), ["+b +a"]);
    let cursor = Cursor { values: vec![], before: true };
    let started = Query { start: Some(cursor), ..query(either(), vec![up("name")]) };
    let file = IndexFile::default().with_query(&started).to_json();
    assert_eq!(composites(&file), ["+a +name", "+b +name"]);
}

/// "Single-field indexes with collection group scope are not maintained by default": "Index types",
/// "Automatic indexing".
#[test]
fn a_group_query_takes_indexes_for_groups() {
    let group = |filter, order| Query {
        filter: Some(filter),
        order,
        ..Query::new(From::Group { id: "customers".into(), under: None })
    };
    let needs = |filter, order| {
        let file = IndexFile::of::<Customer>().with_query(&group(filter, order)).to_json();
        let own = overrides(&IndexFile::of::<Customer>().to_json(), "customers");
        let mut said = overrides(&file, "customers");
        said.retain(|path, said| own.get(path) != Some(said));
        (said.into_iter().map(|(path, said)| format!("{path} {said}")).collect::<Vec<_>>(), composites(&file))
    };
    assert_eq!(needs(Filter::All(vec![]), vec![]), (vec![], vec![]));
    let (said, none) = needs(is(EMAIL, Op::Equal), vec![]);
    assert_eq!((said, none), (vec!["_seal.idx.email.eq +++".to_owned()], vec![]));
    // What replaces the automatic indexes names them too.
    let (said, none) = needs(is("country", Op::Equal), vec![]);
    assert_eq!((said, none), (vec!["country +++-@".to_owned()], vec![]));
    let (said, composites) = needs(is(EMAIL, Op::Equal), vec![up("country")]);
    assert_eq!(composites, ["group +_seal.idx.email.eq +country"]);
    assert!(said.is_empty());
}

/// What the plan of a query asks the database is what the file is made for: its values do not matter, so a
/// ring of any keys and an empty store do.
#[tokio::test]
async fn a_planned_query_brings_its_indexes() {
    let ring = KeyRing::new(DataKey::generate().unwrap()).with_index(IndexKey::generate().unwrap());
    let customers = Repository::<Customer>::new(MemoryStore::new(), ring);
    let by_email = customers.query().filter(|c| c.email.eq("ada@example.com"));
    let named = customers
        .query()
        .filter(|c| c.first.has_word("ada").and(c.country.eq("GB")))
        .order_by(|c| c.country.ascending())
        .order_by(|c| c.id.descending());
    let old = customers.query().filter(|c| c.age.between(65..=80)).order_by(|c| c.country.descending());
    let whole =
        customers.query().filter(|c| c.full_name.eq(("Ada", "Lovelace")).or(c.address.street.eq("A")));
    let grouped =
        customers.query_group().filter(|c| c.email.starts_with("ada")).order_by(|c| c.country.ascending());

    let mut file = IndexFile::of::<Customer>();
    for plan in [by_email.plan(), named.plan(), old.plan(), whole.plan(), grouped.plan()] {
        for query in plan.await.unwrap().queries {
            file = file.with_query(&query);
        }
    }
    assert_eq!(
        composites(&file.to_json()),
        [
            "@_seal.idx.age.range -country",
            "+country @_seal.idx.first.words -__name__",
            "group @_seal.idx.email.prefix +country",
        ]
    );
    assert_eq!(
        overrides(&file.to_json(), "customers"),
        overrides(&IndexFile::of::<Customer>().to_json(), "customers")
    );
}

/// "Firestore computes the SUM() and AVG() results directly through index scans": "Summarize data with
/// aggregation queries", and what was said of them when they came.
#[test]
fn sums_and_means_take_an_index_with_their_fields() {
    let needs = |filter, order, over: &[Aggregation]| {
        let of_type = IndexFile::of::<Customer>();
        let file = of_type.clone().with_aggregation(&query(filter, order), over).to_json();
        assert_eq!(overrides(&file, "customers"), overrides(&of_type.to_json(), "customers"));
        composites(&file)
    };
    let field = |name: &str| vec![name.to_owned()];
    let (sum, mean) = (Aggregation::Sum(field("visits")), Aggregation::Average(field("paid")));
    let both = [sum.clone(), Aggregation::Count, mean];
    assert_eq!(needs(is("country", Op::Equal), vec![], &[Aggregation::Count]), NONE);
    assert_eq!(needs(Filter::All(vec![]), vec![], std::slice::from_ref(&sum)), NONE);
    assert_eq!(needs(is("visits", Op::Less), vec![], std::slice::from_ref(&sum)), NONE);
    assert_eq!(needs(is("country", Op::Equal), vec![], std::slice::from_ref(&sum)), ["+country +visits"]);
    assert_eq!(needs(is(EMAIL, Op::In), vec![], &both), ["+_seal.idx.email.eq +paid +visits"]);
    assert_eq!(needs(Filter::All(vec![]), vec![down("name")], &[sum]), ["-name -visits"]);
}

#[test]
fn a_merge_keeps_what_is_there() {
    let ours = IndexFile::of::<Customer>()
        .with_query(&query(is("country", Op::Equal), vec![up("name")]))
        .with_query(&query(is("tags", Op::Contains), vec![up("name")]));
    let existing = json!({
        "indexes": [
            { "collectionGroup": "photos", "queryScope": "COLLECTION", "density": "SPARSE_ALL", "fields": [
                { "fieldPath": "v", "vectorConfig": { "dimension": 3, "flat": {} } }
            ] },
            { "collectionGroup": "customers", "queryScope": "COLLECTION", "density": "SPARSE_ALL", "fields": [
                { "fieldPath": "`country`", "order": "ASCENDING" },
                { "fieldPath": "name", "order": "ASCENDING" },
                { "fieldPath": "__name__", "order": "ASCENDING" }
            ] },
            { "collectionGroup": "customers", "queryScope": "COLLECTION", "apiScope": "DATASTORE_MODE_API", "fields": [
                { "fieldPath": "tags", "arrayConfig": "CONTAINS" },
                { "fieldPath": "name", "order": "ASCENDING" }
            ] },
            { "collectionGroup": "customers", "queryScope": "COLLECTION_GROUP", "fields": [
                { "fieldPath": "tags", "arrayConfig": "CONTAINS" },
                { "fieldPath": "name", "order": "ASCENDING" }
            ] }
        ],
        "fieldOverrides": [
            { "collectionGroup": "photos", "fieldPath": "taken", "ttl": true, "indexes": [] },
            { "collectionGroup": "customers", "fieldPath": "`email`", "ttl": false, "indexes": [
                { "order": "ASCENDING", "queryScope": "COLLECTION" }
            ] },
            { "collectionGroup": "customers", "fieldPath": "_seal.idx.email.eq", "indexes": [
                { "order": "ASCENDING", "queryScope": "COLLECTION_GROUP" }
            ] }
        ],
        "own": { "kept": [1, 2] }
    });
    let merged = ours.merge_into(&existing.to_string()).unwrap();
    let after: Value = serde_json::from_str(&merged).unwrap();
    for (at, index) in existing["indexes"].as_array().unwrap().iter().enumerate() {
        assert_eq!(&after["indexes"][at], index);
    }
    assert_eq!(after["indexes"].as_array().unwrap().len(), 5); // `tags`, for single collections
    assert_eq!(after["own"], existing["own"]);
    assert_eq!(after["fieldOverrides"][0], existing["fieldOverrides"][0]);
    assert_eq!(after["fieldOverrides"][1], existing["fieldOverrides"][1]);
    let said = overrides(&merged, "customers");
    assert_eq!(said["_seal.idx.email.eq"], "+++");
    let alone = overrides(&ours.to_json(), "customers");
    for (path, indexes) in &alone {
        match path.as_str() {
            "_seal.idx.email.eq" => {}
            "email" => assert_eq!(said["`email`"], "+"),
            path => assert_eq!(&said[path], indexes),
        }
    }
    assert_eq!(said.len(), alone.len());

    assert_eq!(ours.merge_into(&merged).unwrap(), merged, "a second merge changes nothing");
    assert_eq!(ours.merge_into("").unwrap(), ours.to_json());
    assert_eq!(ours.merge_into("{}").unwrap(), ours.to_json());
    assert_eq!(ours.merge_into(&ours.to_json()).unwrap(), ours.to_json());
}

#[test]
fn a_merge_refuses_what_is_no_index_file() {
    let merge = |text: &str| IndexFile::of::<Customer>().merge_into(text).unwrap_err();
    let error = merge("{\n  // mine\n  \"indexes\": []\n}");
    assert!(matches!(error, IndexFileError::Syntax { .. }));
    assert!(error.to_string().contains("comments"), "{error}");
    for (text, part) in [
        ("[]", "it"),
        (r#"{"indexes": {}}"#, "indexes"),
        (r#"{"indexes": [7]}"#, "indexes[0]"),
        (r#"{"fieldOverrides": null}"#, "fieldOverrides"),
        (r#"{"fieldOverrides": [7]}"#, "fieldOverrides[0]"),
        (
            r#"{"fieldOverrides": [{"collectionGroup": "customers", "fieldPath": "email", "indexes": 1}]}"#,
            "fieldOverrides[0].indexes",
        ),
    ] {
        match merge(text) {
            IndexFileError::Shape { part: named, .. } => assert_eq!(named, part),
            other => panic!("{text}: {other}"),
        }
    }
}

#[cfg(feature = "indexes")]
mod admin {
    use firestore::{
        FirestoreFieldOverrideTarget, FirestoreIndexFieldMode, FirestoreIndexQueryScope,
        FirestoreQueryDirection,
    };

    use super::*;

    fn file() -> IndexFile {
        IndexFile::of::<Order2>()
            .and(IndexFile::of::<Customer>().for_group_queries())
            .with_query(&query(is("tags", Op::Contains), vec![down("name")]))
    }

    #[test]
    fn the_parameters_say_what_the_file_says() {
        let params = file().params().unwrap();
        let groups: Vec<_> = params.iter().map(|params| params.collection_group.to_string()).collect();
        assert_eq!(groups, ["customers", "fireseal_unique", "orders"]);
        let customers = &params[0];
        assert!(customers.ttl_fields.is_empty());

        let index = customers.composite_indexes.first().unwrap();
        assert_eq!(customers.composite_indexes.len(), 1);
        assert_eq!(index.query_scope, FirestoreIndexQueryScope::Collection);
        let fields: Vec<_> =
            index.fields.iter().map(|field| (field.field_path.as_str(), field.mode.clone())).collect();
        let descending = FirestoreIndexFieldMode::Order(FirestoreQueryDirection::Descending);
        assert_eq!(fields, [("tags", FirestoreIndexFieldMode::ArrayContains), ("name", descending)]);

        let mut said = BTreeMap::new();
        for field in &customers.field_overrides {
            let FirestoreFieldOverrideTarget::Field(path) = &field.target else { panic!("all fields") };
            let signs: String = field
                .indexes
                .iter()
                .map(|index| {
                    let sign = match &index.mode {
                        FirestoreIndexFieldMode::Order(FirestoreQueryDirection::Ascending) => "+",
                        FirestoreIndexFieldMode::Order(FirestoreQueryDirection::Descending) => "-",
                        FirestoreIndexFieldMode::ArrayContains => "@",
                        FirestoreIndexFieldMode::Vector(_) => panic!("a vector"),
                    };
                    sign.repeat(
                        1 + usize::from(index.query_scope == FirestoreIndexQueryScope::AllDescendants),
                    )
                })
                .collect();
            said.insert(path.clone(), signs);
        }
        assert_eq!(said, overrides(&file().to_json(), "customers"));
    }
}
