//! What a field is compared with.

use std::ops::{Bound, Range, RangeFrom, RangeInclusive, RangeTo, RangeToInclusive};

/// Something that is compared with a field of type `T`: a `T`, a reference to one, a `&str` for a
/// `String`; for an `Option<T>`, each of these too.
#[diagnostic::on_unimplemented(
    message = "a field of type `{T}` is not compared with `{Self}`",
    label = "not a `{T}`",
    note = "give the field's own type, a reference to it, or `&str` for a `String`; the field's `Option` may be left out"
)]
pub trait Operand<T> {
    /// The value of the field's type.
    fn into_operand(self) -> T;
}

impl<T> Operand<T> for T {
    fn into_operand(self) -> T {
        self
    }
}

impl<T: Clone> Operand<T> for &T {
    fn into_operand(self) -> T {
        self.clone()
    }
}

impl Operand<String> for &str {
    fn into_operand(self) -> String {
        self.to_owned()
    }
}

impl<T> Operand<Option<T>> for T {
    fn into_operand(self) -> Option<T> {
        Some(self)
    }
}

impl<T: Clone> Operand<Option<T>> for &T {
    fn into_operand(self) -> Option<T> {
        Some(self.clone())
    }
}

impl Operand<Option<String>> for &str {
    fn into_operand(self) -> Option<String> {
        Some(self.to_owned())
    }
}

/// Something that a compound index is compared with: a tuple with an [`Operand`] for each of its fields.
#[diagnostic::on_unimplemented(
    message = "a compound index over `{T}` is not compared with `{Self}`",
    label = "not a value for each of its fields",
    note = "give a tuple with one value for each field of the index, in its order"
)]
pub trait Operands<T> {
    /// The values of the fields' types.
    fn into_operands(self) -> T;
}

macro_rules! operands {
    ($($field:ident $operand:ident $at:tt),*) => {
        impl<$($field, $operand: Operand<$field>),*> Operands<($($field,)*)> for ($($operand,)*) {
            fn into_operands(self) -> ($($field,)*) {
                ($(self.$at.into_operand(),)*)
            }
        }
    };
}

operands!(A OfA 0, B OfB 1);
operands!(A OfA 0, B OfB 1, C OfC 2);
operands!(A OfA 0, B OfB 1, C OfC 2, D OfD 3);
operands!(A OfA 0, B OfB 1, C OfC 2, D OfD 3, E OfE 4);
operands!(A OfA 0, B OfB 1, C OfC 2, D OfD 3, E OfE 4, F OfF 5);
operands!(A OfA 0, B OfB 1, C OfC 2, D OfD 3, E OfE 4, F OfF 5, G OfG 6);
operands!(A OfA 0, B OfB 1, C OfC 2, D OfD 3, E OfE 4, F OfF 5, G OfG 6, H OfH 7);

/// A range of values of type `T`: `18..65`, `18..=65`, `18..`, `..65`, `..=65`, or a pair of bounds.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a range of `{T}`",
    label = "not a range of `{T}`",
    note = "write `from..to` without the upper bound, `from..=to` with it, or leave one of them out"
)]
pub trait Span<T> {
    /// The lower and the upper bound.
    fn into_bounds(self) -> (Bound<T>, Bound<T>);
}

impl<T, O: Operand<T>> Span<T> for Range<O> {
    fn into_bounds(self) -> (Bound<T>, Bound<T>) {
        (Bound::Included(self.start.into_operand()), Bound::Excluded(self.end.into_operand()))
    }
}

impl<T, O: Operand<T>> Span<T> for RangeInclusive<O> {
    fn into_bounds(self) -> (Bound<T>, Bound<T>) {
        let (from, to) = self.into_inner();
        (Bound::Included(from.into_operand()), Bound::Included(to.into_operand()))
    }
}

impl<T, O: Operand<T>> Span<T> for RangeFrom<O> {
    fn into_bounds(self) -> (Bound<T>, Bound<T>) {
        (Bound::Included(self.start.into_operand()), Bound::Unbounded)
    }
}

impl<T, O: Operand<T>> Span<T> for RangeTo<O> {
    fn into_bounds(self) -> (Bound<T>, Bound<T>) {
        (Bound::Unbounded, Bound::Excluded(self.end.into_operand()))
    }
}

impl<T, O: Operand<T>> Span<T> for RangeToInclusive<O> {
    fn into_bounds(self) -> (Bound<T>, Bound<T>) {
        (Bound::Unbounded, Bound::Included(self.end.into_operand()))
    }
}

impl<T, O: Operand<T>> Span<T> for (Bound<O>, Bound<O>) {
    fn into_bounds(self) -> (Bound<T>, Bound<T>) {
        (self.0.map(Operand::into_operand), self.1.map(Operand::into_operand))
    }
}
