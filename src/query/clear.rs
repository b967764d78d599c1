//! Handles of what is stored in the clear.

use std::collections::{BTreeSet, HashSet, LinkedList, VecDeque};
use std::hash::{BuildHasher, Hash};
use std::marker::PhantomData;

use super::at::At;
use super::condition::{Condition, InClear};
use super::error::QueryError;
use super::node::{Node, PartAt};
use super::operand::Operand;
use super::order::Order;
use super::position::Position;
use crate::bytes::FieldPath;
use crate::seal::{Cause, NotIndexable, Reveal, Scalar, Walk};
use crate::store::value::{array_of, string_value};
use crate::store::{ClearValueError, Direction, FieldRef, Fields, Filter, Is, Op, Value, ValueType};

/// A clear field of type `T` in documents of type `D`.
///
/// It is compared as it is stored: through the field's own `#[serde(with = ..)]`, under its stored name
/// (never under an `alias`). `None` is not stored, so nothing is found by it.
pub struct Clear<D, T> {
    at: At,
    encode: fn(&T) -> Result<Option<Value>, ClearValueError>,
    decode: fn(Option<&Value>) -> Option<T>,
    document: PhantomData<fn() -> D>,
}

impl<D, T> Clear<D, T> {
    /// A handle, for generated code.
    #[doc(hidden)]
    #[must_use]
    pub fn new(
        at: At,
        encode: fn(&T) -> Result<Option<Value>, ClearValueError>,
        decode: fn(Option<&Value>) -> Option<T>,
    ) -> Self {
        Self { at, encode, decode, document: PhantomData }
    }

    /// Where the field is stored.
    #[must_use]
    pub fn at(&self) -> &At {
        &self.at
    }

    /// The field's value in a document that was read; where it is absent, its default.
    ///
    /// # Errors
    /// [`QueryError::OtherType`].
    pub fn decode(&self, fields: &Fields) -> Result<T, QueryError> {
        (self.decode)(self.at.find(fields)).ok_or_else(|| QueryError::OtherType { field: named(&self.at) })
    }

    /// Equal.
    pub fn eq(&self, value: impl Operand<T>) -> Condition<D, InClear> {
        self.compared(Op::Equal, value)
    }

    /// There, not null, and not equal.
    pub fn ne(&self, value: impl Operand<T>) -> Condition<D, InClear> {
        self.compared(Op::NotEqual, value)
    }

    /// Less, and of the same type.
    pub fn lt(&self, value: impl Operand<T>) -> Condition<D, InClear> {
        self.compared(Op::Less, value)
    }

    /// Less or equal, and of the same type.
    pub fn le(&self, value: impl Operand<T>) -> Condition<D, InClear> {
        self.compared(Op::LessOrEqual, value)
    }

    /// Greater, and of the same type.
    pub fn gt(&self, value: impl Operand<T>) -> Condition<D, InClear> {
        self.compared(Op::Greater, value)
    }

    /// Greater or equal, and of the same type.
    pub fn ge(&self, value: impl Operand<T>) -> Condition<D, InClear> {
        self.compared(Op::GreaterOrEqual, value)
    }

    /// Equal to one of these; with none, nothing is found.
    pub fn is_in(&self, values: impl IntoIterator<Item = impl Operand<T>>) -> Condition<D, InClear> {
        Condition::new(self.values(values).map_or_else(Node::Wrong, |values| one_of(&self.field(), values)))
    }

    /// There, not null, and equal to none of these; Firestore takes up to 10.
    pub fn not_in(&self, values: impl IntoIterator<Item = impl Operand<T>>) -> Condition<D, InClear> {
        Condition::new(self.values(values).map_or_else(Node::Wrong, |values| none_of(&self.field(), values)))
    }

    /// There, and null.
    pub fn is_null(&self) -> Condition<D, InClear> {
        self.is(Is::Null)
    }

    /// There, and not null.
    pub fn is_not_null(&self) -> Condition<D, InClear> {
        self.is(Is::NotNull)
    }

    /// There, and NaN.
    pub fn is_nan(&self) -> Condition<D, InClear> {
        self.is(Is::Nan)
    }

    /// There, and neither null nor NaN.
    pub fn is_not_nan(&self) -> Condition<D, InClear> {
        self.is(Is::NotNan)
    }

    /// The least first. A document without the field is not in the result.
    #[must_use]
    pub fn ascending(&self) -> Order<D> {
        Order::new(self.field(), Direction::Ascending)
    }

    /// The greatest first. A document without the field is not in the result.
    #[must_use]
    pub fn descending(&self) -> Order<D> {
        Order::new(self.field(), Direction::Descending)
    }

    /// A position in an order by this field: at this value.
    pub fn position(&self, value: impl Operand<T>) -> Position<D> {
        Position::new(self.field(), self.value(value))
    }

    /// The array holds this element.
    pub fn contains(&self, element: impl Operand<T::Element>) -> Condition<D, InClear>
    where
        T: ArrayField,
    {
        let node = self.elements([element]).map(|mut elements| match elements.pop() {
            Some(value) => self.filter(Op::Contains, value),
            None => Node::Never,
        });
        Condition::new(node.unwrap_or_else(Node::Wrong))
    }

    /// The array holds one of these elements; with none, nothing is found.
    pub fn contains_any(
        &self,
        elements: impl IntoIterator<Item = impl Operand<T::Element>>,
    ) -> Condition<D, InClear>
    where
        T: ArrayField,
    {
        let node = self.elements(elements).map(|elements| {
            if elements.is_empty() { Node::Never } else { self.filter(Op::ContainsAny, array_of(elements)) }
        });
        Condition::new(node.unwrap_or_else(Node::Wrong))
    }

    /// The field as a part of a compound index, for generated code.
    #[doc(hidden)]
    #[must_use]
    pub fn part(&self, scalar: fn(&T) -> Result<Option<Scalar>, NotIndexable>) -> super::sealed::Part
    where
        T: 'static,
    {
        let (at, decode) = (self.at.clone(), self.decode);
        let open = move |fields: &Fields, _: &mut Walk<Reveal<'_>>| {
            let value = decode(at.find(fields)).ok_or(Cause::OtherType)?;
            scalar(&value).map_err(|_| Cause::OtherType)
        };
        super::sealed::Part(PartAt::new(self.at.clone(), open))
    }

    fn field(&self) -> FieldRef {
        FieldRef::Path(self.at.path())
    }

    fn is(&self, is: Is) -> Condition<D, InClear> {
        Condition::new(Node::Clear(Filter::Is { field: self.field(), is }))
    }

    fn filter(&self, op: Op, value: Value) -> Node {
        Node::Clear(Filter::Field { field: self.field(), op, value })
    }

    fn compared(&self, op: Op, value: impl Operand<T>) -> Condition<D, InClear> {
        let node = self.value(value).and_then(|value| match (special(&value), op) {
            (None, _) => Ok(self.filter(op, value)),
            (Some((is, _)), Op::Equal) => Ok(Node::Clear(Filter::Is { field: self.field(), is })),
            (Some((_, is)), Op::NotEqual) => Ok(Node::Clear(Filter::Is { field: self.field(), is })),
            (Some(_), _) => Err(QueryError::NoOrder { field: named(&self.at) }),
        });
        Condition::new(node.unwrap_or_else(Node::Wrong))
    }

    /// The value as it is stored; `None` where the field is left out.
    pub(crate) fn stored(&self, value: &T) -> Result<Option<Value>, QueryError> {
        (self.encode)(value).map_err(|error| QueryError::value(named(&self.at), &error))
    }

    /// Whether the field's encoding makes just this of a value, or leaves the field out.
    pub(crate) fn stores(&self, value: &T, stored: &Value) -> bool {
        (self.encode)(value).is_ok_and(|value| value.is_none_or(|value| value == *stored))
    }

    /// Whether the field's type reads a stored value, and writes it back as it was.
    pub(crate) fn keeps(&self, stored: &Value) -> bool {
        (self.decode)(Some(stored))
            .is_some_and(|value| matches!((self.encode)(&value), Ok(Some(value)) if value == *stored))
    }

    fn value(&self, value: impl Operand<T>) -> Result<Value, QueryError> {
        let encoded = (self.encode)(&value.into_operand());
        match encoded.map_err(|error| QueryError::value(named(&self.at), &error))? {
            Some(value) => Ok(value),
            None => Err(QueryError::Absent { field: named(&self.at) }),
        }
    }

    fn values(&self, values: impl IntoIterator<Item = impl Operand<T>>) -> Result<Vec<Value>, QueryError> {
        values.into_iter().map(|value| self.value(value)).collect()
    }

    /// The elements as the field's own encoding has them: it may be one of the whole array.
    pub(crate) fn elements(
        &self,
        elements: impl IntoIterator<Item = impl Operand<T::Element>>,
    ) -> Result<Vec<Value>, QueryError>
    where
        T: ArrayField,
    {
        let elements: Vec<_> = elements.into_iter().map(Operand::into_operand).collect();
        if elements.is_empty() {
            return Ok(Vec::new());
        }
        match self.value(T::from_elements(elements))?.value_type {
            Some(ValueType::ArrayValue(array)) => Ok(array.values),
            _ => {
                let reason = "it is not stored as an array, so it holds no elements";
                Err(QueryError::Value { field: named(&self.at), reason })
            }
        }
    }
}

impl<D, T> Clone for Clear<D, T> {
    fn clone(&self) -> Self {
        Self::new(self.at.clone(), self.encode, self.decode)
    }
}

/// The id of documents of type `D`. It is compared as the document's name; where the document is nested
/// in another, as the field that it is there.
pub struct Id<D> {
    at: At,
    field: FieldRef,
    document: PhantomData<fn() -> D>,
}

impl<D> Id<D> {
    /// A handle, for generated code.
    #[doc(hidden)]
    #[must_use]
    pub fn new(at: &At, name: &'static str, aliases: &'static [&'static str]) -> Self {
        let field = if at.is_root() { FieldRef::Name } else { FieldRef::Path(at.key(name, aliases).path()) };
        Self { at: at.key(name, aliases), field, document: PhantomData }
    }

    /// Where the id is stored besides the document's name.
    #[must_use]
    pub fn at(&self) -> &At {
        &self.at
    }

    /// Equal.
    pub fn eq(&self, id: impl AsRef<str>) -> Condition<D, InClear> {
        self.compared(Op::Equal, &id)
    }

    /// Not equal.
    pub fn ne(&self, id: impl AsRef<str>) -> Condition<D, InClear> {
        self.compared(Op::NotEqual, &id)
    }

    /// Less, by the bytes of the ids.
    pub fn lt(&self, id: impl AsRef<str>) -> Condition<D, InClear> {
        self.compared(Op::Less, &id)
    }

    /// Less or equal, by the bytes of the ids.
    pub fn le(&self, id: impl AsRef<str>) -> Condition<D, InClear> {
        self.compared(Op::LessOrEqual, &id)
    }

    /// Greater, by the bytes of the ids.
    pub fn gt(&self, id: impl AsRef<str>) -> Condition<D, InClear> {
        self.compared(Op::Greater, &id)
    }

    /// Greater or equal, by the bytes of the ids.
    pub fn ge(&self, id: impl AsRef<str>) -> Condition<D, InClear> {
        self.compared(Op::GreaterOrEqual, &id)
    }

    /// One of these; with none, nothing is found.
    pub fn is_in(&self, ids: impl IntoIterator<Item = impl AsRef<str>>) -> Condition<D, InClear> {
        Condition::new(one_of(&self.field, strings(ids)))
    }

    /// None of these; Firestore takes up to 10.
    pub fn not_in(&self, ids: impl IntoIterator<Item = impl AsRef<str>>) -> Condition<D, InClear> {
        let ids = strings(ids);
        // Every document has a name.
        let node = if ids.is_empty() { Node::All(Vec::new()) } else { none_of(&self.field, ids) };
        Condition::new(node)
    }

    /// The least first, by the bytes of the ids.
    #[must_use]
    pub fn ascending(&self) -> Order<D> {
        Order::new(self.field.clone(), Direction::Ascending)
    }

    /// The greatest first, by the bytes of the ids.
    #[must_use]
    pub fn descending(&self) -> Order<D> {
        Order::new(self.field.clone(), Direction::Descending)
    }

    /// A position in an order by ids: at this one.
    pub fn position(&self, id: impl AsRef<str>) -> Position<D> {
        Position::new(self.field.clone(), Ok(string_value(id.as_ref())))
    }

    fn compared(&self, op: Op, id: &impl AsRef<str>) -> Condition<D, InClear> {
        let value = string_value(id.as_ref());
        Condition::new(Node::Clear(Filter::Field { field: self.field.clone(), op, value }))
    }
}

impl<D> Clone for Id<D> {
    fn clone(&self) -> Self {
        Self { at: self.at.clone(), field: self.field.clone(), document: PhantomData }
    }
}

/// A type that is stored as an array.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not stored as an array, so it holds no elements to ask for",
    label = "this field is no array",
    note = "`contains` and `contains_any` are for fields of type `Vec`, `VecDeque`, `LinkedList`, `HashSet`, `BTreeSet`, or an `Option` of one; compare others with `eq` or `is_in`"
)]
pub trait ArrayField: Sized {
    /// What the array holds.
    type Element;

    /// An array of these elements.
    fn from_elements(elements: Vec<Self::Element>) -> Self;
}

macro_rules! array_fields {
    ($([$($parameters:tt)*] $array:ty;)*) => {$(
        impl<$($parameters)*> ArrayField for $array {
            type Element = T;

            fn from_elements(elements: Vec<T>) -> Self {
                elements.into_iter().collect()
            }
        }
    )*};
}

array_fields! {
    [T] Vec<T>;
    [T] VecDeque<T>;
    [T] LinkedList<T>;
    [T: Ord] BTreeSet<T>;
    [T: Eq + Hash, S: BuildHasher + Default] HashSet<T, S>;
}

impl<A: ArrayField> ArrayField for Option<A> {
    type Element = A::Element;

    fn from_elements(elements: Vec<A::Element>) -> Self {
        Some(A::from_elements(elements))
    }
}

/// The field's path, for errors.
pub(crate) fn named(at: &At) -> FieldPath {
    FieldPath::new(at.path().into_iter().map(crate::bytes::FieldStep::Key).collect())
}

fn strings(texts: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<Value> {
    texts.into_iter().map(|text| string_value(text.as_ref())).collect()
}

/// What a value is that nothing equals, and what every other one is.
fn special(value: &Value) -> Option<(Is, Is)> {
    match &value.value_type {
        Some(ValueType::NullValue(_)) => Some((Is::Null, Is::NotNull)),
        Some(ValueType::DoubleValue(double)) if double.is_nan() => Some((Is::Nan, Is::NotNan)),
        _ => None,
    }
}

/// The values that are compared as such, and what the others are.
fn split(values: Vec<Value>) -> (Vec<Value>, Vec<(Is, Is)>) {
    let (special_ones, values): (Vec<_>, Vec<_>) =
        values.into_iter().partition(|value| special(value).is_some());
    (values, special_ones.iter().filter_map(special).collect())
}

fn one_of(field: &FieldRef, values: Vec<Value>) -> Node {
    let (values, specials) = split(values);
    let mut any: Vec<_> =
        specials.into_iter().map(|(is, _)| Node::Clear(Filter::Is { field: field.clone(), is })).collect();
    if !values.is_empty() {
        any.push(Node::Clear(Filter::Field { field: field.clone(), op: Op::In, value: array_of(values) }));
    }
    match any.len() {
        0 => Node::Never,
        1 => any.remove(0),
        _ => Node::Any(any),
    }
}

fn none_of(field: &FieldRef, values: Vec<Value>) -> Node {
    let (values, specials) = split(values);
    let mut all: Vec<_> =
        specials.into_iter().map(|(_, is)| Node::Clear(Filter::Is { field: field.clone(), is })).collect();
    if !values.is_empty() {
        let value = array_of(values);
        all.push(Node::Clear(Filter::Field { field: field.clone(), op: Op::NotIn, value }));
    }
    match all.len() {
        0 => Node::Clear(Filter::Is { field: field.clone(), is: Is::NotNull }),
        1 => all.remove(0),
        _ => Node::All(all),
    }
}
