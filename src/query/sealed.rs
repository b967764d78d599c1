//! Handles of sealed fields: they offer what their indexes support.

use std::marker::PhantomData;
use std::ops::Bound;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::at::At;
use super::clear::named;
use super::condition::{Condition, Keyed};
use super::error::QueryError;
use super::node::{Asked, Indexed, Node, PartAt};
use super::operand::{Operand, Operands, Span};
use super::order::Order;
use crate::seal::{
    Cause, Closed, CompoundInfo, IndexInfo, NotIndexable, Probe, Reveal, Scalar, Sealed, Walk,
};
use crate::store::{Direction, FieldRef, Fields, value};

/// The indexes of one sealed field. The derive writes a type for each field that has any.
pub trait Indexes {
    /// Each of them.
    const INFOS: &'static [IndexInfo];
}

/// A field without an index.
impl Indexes for () {
    const INFOS: &'static [IndexInfo] = &[];
}

/// Indexes that are asked whether a value is equal.
#[diagnostic::on_unimplemented(
    message = "this sealed field has no equality index",
    label = "the field is sealed, and cannot be asked whether it is equal to a value",
    note = "write `#[sensitive(index)]` on the field, or `#[sensitive(unique)]` where no two documents may have the same value"
)]
pub trait HasEquality: Indexes {
    /// The index.
    const EQUALITY: &'static IndexInfo;
}

/// Indexes that are asked for beginnings.
#[diagnostic::on_unimplemented(
    message = "this sealed field has no prefix index",
    label = "the field is sealed, and cannot be asked how it begins",
    note = "write `#[sensitive(prefix(min = 2, max = 8))]` on the field"
)]
pub trait HasPrefix: Indexes {
    /// The index.
    const PREFIX: &'static IndexInfo;
}

/// Indexes that are asked for words.
#[diagnostic::on_unimplemented(
    message = "this sealed field has no index of its words",
    label = "the field is sealed, and cannot be asked for words",
    note = "write `#[sensitive(words)]` on the field"
)]
pub trait HasWords: Indexes {
    /// The index.
    const WORDS: &'static IndexInfo;
}

/// Indexes that are asked for ranges.
#[diagnostic::on_unimplemented(
    message = "this sealed field has no range index",
    label = "the field is sealed, and cannot be asked whether it is more or less than a value",
    note = "write `#[sensitive(range(min = 0, max = 1000, step = 10))]` on the field; read first what a range index tells whoever reads the database"
)]
pub trait HasRange: Indexes {
    /// The index.
    const RANGE: &'static IndexInfo;
}

/// Nothing: no index gives an order.
#[diagnostic::on_unimplemented(
    message = "a sealed field gives no order",
    label = "the database sees ciphertext here, which has no order",
    note = "order by a clear field, or sort the documents once they are opened; `#[sensitive(range(..))]` lets the field be asked for a range"
)]
pub trait HasOrder: Indexes {}

/// A sealed field of type `T` with indexes `I`, in documents of type `D`.
pub struct SealedField<D, T, I> {
    at: At,
    scalar: fn(T) -> Result<Option<Scalar>, NotIndexable>,
    reveal: RevealOne<T>,
    kind: PhantomData<fn() -> (D, I)>,
}

/// How generated code opens the value of one field.
#[doc(hidden)]
pub type RevealOne<T> = fn(Sealed<T>, &mut Walk<Reveal<'_>>) -> Result<T, Closed<T>>;

impl<D, T, I> SealedField<D, T, I> {
    /// A handle, for generated code.
    #[doc(hidden)]
    #[must_use]
    pub fn new(at: At, scalar: fn(T) -> Result<Option<Scalar>, NotIndexable>, reveal: RevealOne<T>) -> Self {
        Self { at, scalar, reveal, kind: PhantomData }
    }

    /// Where the field is stored.
    #[must_use]
    pub fn at(&self) -> &At {
        &self.at
    }

    /// Opens the field of a document that was read, on a walk of that document; where it is absent, its
    /// default.
    ///
    /// # Errors
    /// It does not open.
    pub fn open(&self, fields: &Fields, walk: &mut Walk<Reveal<'_>>) -> Result<T, Cause> {
        open(&self.at, self.reveal, fields, walk)
    }

    /// Equal, after normalising.
    pub fn eq(&self, value: impl Operand<T>) -> Condition<D, Keyed>
    where
        I: HasEquality,
        T: 'static,
    {
        self.asked(I::EQUALITY, self.value(value).map(|value| vec![Probe::Eq(value)]))
    }

    /// Equal to one of these, after normalising; with none, nothing is found.
    pub fn is_in(&self, values: impl IntoIterator<Item = impl Operand<T>>) -> Condition<D, Keyed>
    where
        I: HasEquality,
        T: 'static,
    {
        let probes = values.into_iter().map(|value| self.value(value).map(Probe::Eq)).collect();
        self.asked(I::EQUALITY, probes)
    }

    /// Begins with this text, after normalising.
    pub fn starts_with(&self, beginning: impl Into<String>) -> Condition<D, Keyed>
    where
        I: HasPrefix,
        T: 'static,
    {
        self.asked(I::PREFIX, Ok(vec![Probe::StartsWith(Zeroizing::new(beginning.into()))]))
    }

    /// Holds this word, after normalising.
    pub fn has_word(&self, word: impl Into<String>) -> Condition<D, Keyed>
    where
        I: HasWords,
        T: 'static,
    {
        self.has_words([word])
    }

    /// Holds all of these words, after normalising; a query for no word at all is an error.
    pub fn has_words(&self, words: impl IntoIterator<Item = impl Into<String>>) -> Condition<D, Keyed>
    where
        I: HasWords,
        T: 'static,
    {
        let words = words.into_iter().map(|word| Zeroizing::new(word.into())).collect();
        self.asked(I::WORDS, Ok(vec![Probe::Words(words)]))
    }

    /// Less.
    pub fn lt(&self, value: impl Operand<T>) -> Condition<D, Keyed>
    where
        I: HasRange,
        T: 'static,
    {
        self.ranged(Bound::Unbounded, Bound::Excluded(value.into_operand()))
    }

    /// Less or equal.
    pub fn le(&self, value: impl Operand<T>) -> Condition<D, Keyed>
    where
        I: HasRange,
        T: 'static,
    {
        self.ranged(Bound::Unbounded, Bound::Included(value.into_operand()))
    }

    /// Greater.
    pub fn gt(&self, value: impl Operand<T>) -> Condition<D, Keyed>
    where
        I: HasRange,
        T: 'static,
    {
        self.ranged(Bound::Excluded(value.into_operand()), Bound::Unbounded)
    }

    /// Greater or equal.
    pub fn ge(&self, value: impl Operand<T>) -> Condition<D, Keyed>
    where
        I: HasRange,
        T: 'static,
    {
        self.ranged(Bound::Included(value.into_operand()), Bound::Unbounded)
    }

    /// Within this range: `18..65` is without the upper bound, `18..=65` with it.
    pub fn between(&self, range: impl Span<T>) -> Condition<D, Keyed>
    where
        I: HasRange,
        T: 'static,
    {
        let (from, to) = range.into_bounds();
        self.ranged(from, to)
    }

    /// Never compiles: no index gives an order.
    #[doc(hidden)]
    #[must_use]
    pub fn ascending(&self) -> Order<D>
    where
        I: HasOrder,
    {
        Order::new(FieldRef::Path(self.at.path()), Direction::Ascending)
    }

    /// Never compiles: no index gives an order.
    #[doc(hidden)]
    #[must_use]
    pub fn descending(&self) -> Order<D>
    where
        I: HasOrder,
    {
        Order::new(FieldRef::Path(self.at.path()), Direction::Descending)
    }

    /// The field as a part of a compound index, for generated code.
    #[doc(hidden)]
    #[must_use]
    pub fn part(&self) -> Part
    where
        T: 'static,
    {
        let (at, reveal, scalar) = (self.at.clone(), self.reveal, self.scalar);
        let open = move |fields: &Fields, walk: &mut Walk<Reveal<'_>>| {
            let value = open(&at, reveal, fields, walk)?;
            scalar(value).map_err(|_| Cause::OtherType)
        };
        Part(PartAt::new(self.at.clone(), open))
    }

    fn value(&self, value: impl Operand<T>) -> Result<Scalar, QueryError> {
        self.scalar_of(value.into_operand())
    }

    fn scalar_of(&self, value: T) -> Result<Scalar, QueryError> {
        let scalar = (self.scalar)(value);
        let scalar = scalar.map_err(|source| QueryError::NotIndexable { field: named(&self.at), source })?;
        scalar.ok_or_else(|| QueryError::Absent { field: named(&self.at) })
    }

    fn ranged(&self, from: Bound<T>, to: Bound<T>) -> Condition<D, Keyed>
    where
        I: HasRange,
        T: 'static,
    {
        let scalar = |bound: Bound<T>| match bound {
            Bound::Included(value) => self.scalar_of(value).map(Bound::Included),
            Bound::Excluded(value) => self.scalar_of(value).map(Bound::Excluded),
            Bound::Unbounded => Ok(Bound::Unbounded),
        };
        let probe = scalar(from).and_then(|from| Ok(vec![Probe::Range { from, to: scalar(to)? }]));
        self.asked(I::RANGE, probe)
    }

    fn asked(&self, info: &'static IndexInfo, probes: Result<Vec<Probe>, QueryError>) -> Condition<D, Keyed>
    where
        T: 'static,
    {
        Condition::new(match probes {
            Err(error) => Node::Wrong(error),
            Ok(probes) if probes.is_empty() => Node::Never,
            Ok(probes) => Node::Indexed(Arc::new(Indexed {
                path: self.at.path(),
                asked: Asked::Field { info, probes },
                parts: vec![self.part().0],
            })),
        })
    }
}

impl<D, T, I> Clone for SealedField<D, T, I> {
    fn clone(&self) -> Self {
        Self::new(self.at.clone(), self.scalar, self.reveal)
    }
}

/// Opens one value of a document that was read, along its stored path.
fn open<T>(at: &At, reveal: RevealOne<T>, fields: &Fields, walk: &mut Walk<Reveal<'_>>) -> Result<T, Cause> {
    let sealed = match at.find(fields) {
        None => Sealed::default(),
        Some(stored) => value::decode_one(stored).ok_or(Cause::Malformed)?,
    };
    at.walk(walk, |walk| reveal(sealed, walk)).map_err(|closed| closed.cause())
}

/// A field of which a compound index is made, for generated code.
#[doc(hidden)]
pub struct Part(pub(super) PartAt);

/// A compound index over fields of the types `P`, a tuple, in documents of type `D`.
pub struct Compound<D, P> {
    at: At,
    info: &'static CompoundInfo,
    parts: Arc<[PartAt]>,
    scalars: fn(P) -> Result<Vec<Option<Scalar>>, NotIndexable>,
    document: PhantomData<fn() -> D>,
}

impl<D, P> Compound<D, P> {
    /// A handle, for generated code.
    #[doc(hidden)]
    #[must_use]
    pub fn new(
        at: &At,
        info: &'static CompoundInfo,
        parts: impl IntoIterator<Item = Part>,
        scalars: fn(P) -> Result<Vec<Option<Scalar>>, NotIndexable>,
    ) -> Self {
        let parts = parts.into_iter().map(|part| part.0).collect();
        Self { at: at.key(info.name, &[]), info, parts, scalars, document: PhantomData }
    }

    /// All fields are equal to these values, in the order of the index, after normalising.
    pub fn eq(&self, values: impl Operands<P>) -> Condition<D, Keyed> {
        self.asked(self.values(values).map(|values| vec![values]))
    }

    /// All fields are equal to one of these tuples of values; with none, nothing is found.
    pub fn is_in(&self, values: impl IntoIterator<Item = impl Operands<P>>) -> Condition<D, Keyed> {
        self.asked(values.into_iter().map(|values| self.values(values)).collect())
    }

    fn values(&self, values: impl Operands<P>) -> Result<Vec<Scalar>, QueryError> {
        let scalars = (self.scalars)(values.into_operands());
        let scalars =
            scalars.map_err(|source| QueryError::NotIndexable { field: named(&self.at), source })?;
        let part = |(part, scalar): (&PartAt, Option<Scalar>)| {
            scalar.ok_or_else(|| QueryError::Absent { field: named(part.at()) })
        };
        self.parts.iter().zip(scalars).map(part).collect()
    }

    fn asked(&self, probes: Result<Vec<Vec<Scalar>>, QueryError>) -> Condition<D, Keyed> {
        Condition::new(match probes {
            Err(error) => Node::Wrong(error),
            Ok(probes) if probes.is_empty() => Node::Never,
            Ok(probes) => Node::Indexed(Arc::new(Indexed {
                path: self.at.path(),
                asked: Asked::Compound { info: self.info, probes },
                parts: self.parts.to_vec(),
            })),
        })
    }
}

impl<D, P> Clone for Compound<D, P> {
    fn clone(&self) -> Self {
        let parts = Arc::clone(&self.parts);
        Self { at: self.at.clone(), info: self.info, parts, scalars: self.scalars, document: PhantomData }
    }
}
