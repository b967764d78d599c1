//! What generated code names. Not part of the public API: it changes without notice.

pub use serde;
pub use zeroize::{Zeroize, ZeroizeOnDrop};

pub use crate::bytes::Format;
pub use crate::seal::{
    CompoundInfo, Draft, Index, IndexInfo, IndexKind, Normalizer, Part, Range, Reveal, Scalar, Visit, Walk,
    missing, scalar,
};

/// Single values of a field.
pub mod one {
    pub use crate::query::one::{decode, encode, raw};
}

use std::marker::PhantomData;

use crate::seal::Sealable;

/// Tells whether a type is [`Sealable`]: `Probe::<T>::SEALABLE`, with [`NotSealable`] in scope.
pub struct Probe<T: ?Sized>(PhantomData<T>);

impl<T: Sealable> Probe<T> {
    /// The type is sealable. An inherent constant comes before a trait's.
    pub const SEALABLE: bool = true;
}

/// The answer for every other type.
pub trait NotSealable {
    /// The type is not sealable.
    const SEALABLE: bool = false;
}

impl<T: ?Sized> NotSealable for Probe<T> {}
