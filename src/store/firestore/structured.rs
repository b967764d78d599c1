//! Queries as they travel.

use ::firestore::gcloud_sdk::google::firestore::v1::{
    Cursor as WireCursor, StructuredAggregationQuery, StructuredQuery,
    structured_aggregation_query::{
        Aggregation as WireAggregation, QueryType,
        aggregation::{Avg, Count, Operator as Computes, Sum},
    },
    structured_query::{
        CollectionSelector, CompositeFilter, Direction as WireDirection, FieldFilter, FieldReference,
        Filter as WireFilter, Order as WireOrder, Projection, UnaryFilter, composite_filter, field_filter,
        filter::FilterType, unary_filter,
    },
};

use super::wire::{Names, read_mask};
use crate::bytes::DocumentPath;
use crate::store::document::encode_path;
use crate::store::value::array_of;
use crate::store::{
    Aggregation, Cursor, Direction, FieldMask, FieldRef, Filter, From, Is, Op, Order, Query, Value, ValueType,
};

impl Names {
    /// The name of what a query is sent to: the document above its collection, or the root.
    pub(super) fn parent(&self, from: &From) -> String {
        let above = match from {
            From::Collection(collection) => collection.parent(),
            From::Group { .. } => None,
        };
        above.map_or_else(|| self.root.clone(), |document| self.full(&document))
    }

    /// A query with its whole order. Beside what the mask names, the fields of the order travel: the
    /// query goes on after the last document seen.
    pub(super) fn query(&self, query: &Query) -> StructuredQuery {
        let (id, all_descendants) = match &query.from {
            From::Collection(collection) => (collection.id(), false),
            From::Group { id, .. } => (id.as_str(), true),
        };
        let select = query.mask.as_ref().map(|mask| {
            let paths = mask.paths().iter().chain(query.order_paths()).cloned().collect();
            let mask = read_mask(&FieldMask::new(paths));
            Projection { fields: mask.field_paths.into_iter().map(reference).collect() }
        });
        let filter = match (&query.from, &query.filter) {
            (From::Group { under: Some(under), .. }, filter) => {
                let mut filters = below(under).to_vec();
                filters.extend(filter.clone());
                Some(self.filter(&Filter::All(filters)))
            }
            (_, filter) => filter.as_ref().map(|filter| self.filter(filter)),
        };
        let cursor = |cursor: &Cursor| self.cursor(cursor, &query.order);
        StructuredQuery {
            select,
            from: vec![CollectionSelector { collection_id: id.to_owned(), all_descendants }],
            r#where: filter,
            order_by: query.order.iter().map(order).collect(),
            start_at: query.start.as_ref().map(cursor),
            end_at: query.end.as_ref().map(cursor),
            offset: i32::try_from(query.offset).unwrap_or(i32::MAX),
            limit: query.limit.map(|limit| i32::try_from(limit).unwrap_or(i32::MAX)),
            find_nearest: None,
        }
    }

    /// Aggregations over a query; the answer to each stands under [`alias`].
    pub(super) fn aggregations(&self, query: &Query, over: &[Aggregation]) -> StructuredAggregationQuery {
        let field = |path: &[String]| Some(reference(encode_path(path)));
        let aggregation = |(at, aggregation): (usize, &Aggregation)| WireAggregation {
            alias: alias(at),
            operator: Some(match aggregation {
                Aggregation::Count => Computes::Count(Count { up_to: None }),
                Aggregation::Sum(path) => Computes::Sum(Sum { field: field(path) }),
                Aggregation::Average(path) => Computes::Avg(Avg { field: field(path) }),
            }),
        };
        StructuredAggregationQuery {
            aggregations: over.iter().enumerate().map(aggregation).collect(),
            query_type: Some(QueryType::StructuredQuery(self.query(query))),
        }
    }

    fn filter(&self, filter: &Filter) -> WireFilter {
        use composite_filter::Operator::{And, Or};
        use unary_filter::Operator::{IsNan, IsNotNan, IsNotNull, IsNull};
        let all = |op: composite_filter::Operator, filters: &[Filter]| {
            let filters = filters.iter().map(|filter| self.filter(filter)).collect();
            FilterType::CompositeFilter(CompositeFilter { op: op.into(), filters })
        };
        let filter_type = match filter {
            Filter::All(filters) => all(And, filters),
            Filter::Any(filters) => all(Or, filters),
            Filter::Field { field, op, value } => FilterType::FieldFilter(FieldFilter {
                field: Some(field_reference(field)),
                op: operator(*op).into(),
                value: Some(self.operand(field, value)),
            }),
            Filter::Is { field, is } => FilterType::UnaryFilter(UnaryFilter {
                op: match is {
                    Is::Null => IsNull,
                    Is::NotNull => IsNotNull,
                    Is::Nan => IsNan,
                    Is::NotNan => IsNotNan,
                }
                .into(),
                operand_type: Some(unary_filter::OperandType::Field(field_reference(field))),
            }),
        };
        WireFilter { filter_type: Some(filter_type) }
    }

    fn cursor(&self, cursor: &Cursor, order: &[Order]) -> WireCursor {
        let values = cursor.values.iter().zip(order);
        WireCursor {
            values: values.map(|(value, order)| self.operand(&order.field, value)).collect(),
            before: cursor.before,
        }
    }

    /// A value that a field is compared with: paths that a document's name is compared with become
    /// full names.
    fn operand(&self, field: &FieldRef, value: &Value) -> Value {
        match (field, &value.value_type) {
            (FieldRef::Name, Some(ValueType::ReferenceValue(path))) => {
                let name = format!("{}/{path}", self.root);
                Value { value_type: Some(ValueType::ReferenceValue(name)) }
            }
            (FieldRef::Name, Some(ValueType::ArrayValue(array))) => {
                array_of(array.values.iter().map(|value| self.operand(field, value)).collect())
            }
            _ => value.clone(),
        }
    }
}

/// What the names of all documents below a document have in common. Firestore takes group queries at
/// the root only; the first name that stands after those below has the least character more.
fn below(document: &DocumentPath) -> [Filter; 2] {
    let name = |op, path: String| Filter::Field {
        field: FieldRef::Name,
        op,
        value: Value { value_type: Some(ValueType::ReferenceValue(path)) },
    };
    [name(Op::Greater, document.to_string()), name(Op::Less, format!("{document}\u{1}"))]
}

/// The name under which the answer to an aggregation stands.
pub(super) fn alias(at: usize) -> String {
    format!("a{at}")
}

fn reference(field_path: String) -> FieldReference {
    FieldReference { field_path }
}

fn field_reference(field: &FieldRef) -> FieldReference {
    reference(match field {
        FieldRef::Path(path) => encode_path(path),
        FieldRef::Name => "__name__".to_owned(),
    })
}

fn order(order: &Order) -> WireOrder {
    let direction = match order.direction {
        Direction::Ascending => WireDirection::Ascending,
        Direction::Descending => WireDirection::Descending,
    };
    WireOrder { field: Some(field_reference(&order.field)), direction: direction.into() }
}

fn operator(op: Op) -> field_filter::Operator {
    use field_filter::Operator;
    match op {
        Op::Equal => Operator::Equal,
        Op::NotEqual => Operator::NotEqual,
        Op::Less => Operator::LessThan,
        Op::LessOrEqual => Operator::LessThanOrEqual,
        Op::Greater => Operator::GreaterThan,
        Op::GreaterOrEqual => Operator::GreaterThanOrEqual,
        Op::In => Operator::In,
        Op::NotIn => Operator::NotIn,
        Op::Contains => Operator::ArrayContains,
        Op::ContainsAny => Operator::ArrayContainsAny,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn reference_to(path: &str) -> Value {
        Value { value_type: Some(ValueType::ReferenceValue(path.to_owned())) }
    }

    fn field(names: &[&str]) -> FieldRef {
        FieldRef::Path(names.iter().map(|name| (*name).to_owned()).collect())
    }

    fn group_under(under: Option<&str>) -> Query {
        let under = under.map(|path| DocumentPath::parse(path).unwrap());
        Query::new(From::Group { id: "c".to_owned(), under })
    }

    fn names() -> Names {
        Names { root: "projects/p/databases/d/documents".to_owned() }
    }

    /// The single filters of a filter, as `field operator`, with the references they compare with.
    fn told(filter: &WireFilter) -> Vec<(String, Option<String>)> {
        match filter.filter_type.as_ref().unwrap() {
            FilterType::CompositeFilter(all) => all.filters.iter().flat_map(told).collect(),
            FilterType::FieldFilter(single) => {
                let value = match single.value.clone().unwrap().value_type {
                    Some(ValueType::ReferenceValue(path)) => Some(path),
                    _ => None,
                };
                let name = &single.field.as_ref().unwrap().field_path;
                vec![(format!("{name} {}", single.op().as_str_name()), value)]
            }
            FilterType::UnaryFilter(unary) => {
                let unary_filter::OperandType::Field(field) = unary.operand_type.as_ref().unwrap();
                vec![(format!("{} {}", field.field_path, unary.op().as_str_name()), None)]
            }
        }
    }

    #[test]
    fn names_become_full_and_other_references_stay() {
        let compare = |field, value| Filter::Field { field, op: Op::Equal, value };
        let filter = Filter::All(vec![
            compare(FieldRef::Name, reference_to("c/a")),
            compare(field(&["a.b", "c"]), reference_to("c/a")),
            Filter::Is { field: field(&["n"]), is: Is::NotNan },
        ]);
        let mut query = Query { filter: Some(filter), ..group_under(None) }.with_implicit_order();
        let start = vec![reference_to("c/n"), reference_to("c/a")];
        query.start = Some(Cursor { values: start, before: true });
        let wire = names().query(&query);
        let full = "projects/p/databases/d/documents/c/a".to_owned();
        assert_eq!(
            told(wire.r#where.as_ref().unwrap()),
            [
                ("__name__ EQUAL".to_owned(), Some(full.clone())),
                ("`a.b`.c EQUAL".to_owned(), Some("c/a".to_owned())),
                ("n IS_NOT_NAN".to_owned(), None),
            ]
        );
        let order: Vec<_> =
            wire.order_by.iter().map(|order| order.field.clone().unwrap().field_path).collect();
        assert_eq!(order, ["n", "__name__"]);
        assert_eq!(wire.start_at.unwrap().values, [reference_to("c/n"), reference_to(&full)]);
    }

    #[test]
    fn a_group_under_a_document_is_a_range_of_names_at_the_root() {
        let query = group_under(Some("t/a")).with_implicit_order();
        assert_eq!(names().parent(&query.from), names().root);
        let wire = names().query(&query);
        assert!(wire.from.iter().all(|from| from.all_descendants && from.collection_id == "c"));
        let root = names().root;
        assert_eq!(
            told(&wire.r#where.unwrap()),
            [
                ("__name__ GREATER_THAN".to_owned(), Some(format!("{root}/t/a"))),
                ("__name__ LESS_THAN".to_owned(), Some(format!("{root}/t/a\u{1}"))),
            ]
        );
    }

    #[test]
    fn the_fields_of_the_order_travel_beside_the_mask() {
        let by_n = vec![Order { field: field(&["n"]), direction: Direction::Descending }];
        let travel = |order: &[Order], mask: Option<Vec<Vec<String>>>| {
            let mask = mask.map(FieldMask::new);
            let query = Query { mask, order: order.to_vec(), ..group_under(None) }.with_implicit_order();
            let select = names().query(&query).select;
            select.map(|select| select.fields.into_iter().map(|field| field.field_path).collect::<Vec<_>>())
        };
        assert_eq!(travel(&by_n, None), None);
        assert_eq!(travel(&by_n, Some(vec![])), Some(vec!["n".to_owned()]));
        assert_eq!(
            travel(&by_n, Some(vec![vec!["m".to_owned()]])),
            Some(vec!["m".to_owned(), "n".to_owned()])
        );
        assert_eq!(travel(&[], Some(vec![])), Some(vec!["__name__".to_owned()]));
    }
}
