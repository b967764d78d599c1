//! Ids in conditions and positions, as the names of documents.

use crate::bytes::{DocumentPath, LocationError};
use crate::query::error::QueryError;
use crate::query::node::Node;
use crate::store::value::array_of;
use crate::store::{FieldRef, Filter, From, Value, ValueType};

/// The tree with references in place of ids.
///
/// # Errors
/// An id that no document has where the query looks.
pub(crate) fn named(node: Node, from: &From) -> Result<Node, QueryError> {
    let each = |nodes: Vec<Node>| nodes.into_iter().map(|node| named(node, from)).collect::<Result<_, _>>();
    Ok(match node {
        Node::All(nodes) => Node::All(each(nodes)?),
        Node::Any(nodes) => Node::Any(each(nodes)?),
        Node::Clear(Filter::Field { field: FieldRef::Name, op, value }) => {
            let value = match value.value_type {
                Some(ValueType::ArrayValue(array)) => {
                    let names = array.values.into_iter().map(|value| name(value, from));
                    array_of(names.collect::<Result<_, _>>()?)
                }
                value_type => name(Value { value_type }, from)?,
            };
            Node::Clear(Filter::Field { field: FieldRef::Name, op, value })
        }
        node => node,
    })
}

/// A reference in place of an id; of a whole path in a collection group.
///
/// # Errors
/// As [`named`].
pub(crate) fn name(value: Value, from: &From) -> Result<Value, QueryError> {
    let Some(ValueType::StringValue(id)) = value.value_type else { return Ok(value) };
    let path = match from {
        From::Collection(collection) => collection.document(&id),
        From::Group { id: collection, .. } => DocumentPath::parse(&id).and_then(|path| {
            let other = path.parent().id() != collection;
            if other { Err(LocationError::NotADocument { path: id.clone() }) } else { Ok(path) }
        }),
    };
    let path = path.map_err(|source| QueryError::Id { id, source })?;
    Ok(Value { value_type: Some(ValueType::ReferenceValue(path.as_str().to_owned())) })
}
