//! What generated code, benches and fuzz targets name. Not part of the public API: it changes without notice.

pub use serde;
pub use zeroize::{Zeroize, ZeroizeOnDrop};

pub use crate::bytes::Format;
use crate::seal::index::{Entry, Maker, Terms, fill_field, tokens};
pub use crate::seal::{
    CompoundInfo, Draft, Index, IndexInfo, IndexKind, Normalizer, Part, Range, Reveal, Scalar, Visit, Walk,
    missing, scalar,
};

/// Single values of a field.
pub mod one {
    pub use crate::query::one::{decode, encode, raw};
}

use std::marker::PhantomData;

use crate::bytes::Location;
use crate::keys::IndexKey;
use crate::seal::{SealError, Sealable};

/// Makes a document's index tokens and says how many there are, which is what the benches measure.
///
/// # Errors
/// A value that its index does not take.
pub fn make_tokens<T: Sealable>(value: &T, key: &IndexKey, location: &Location) -> Result<usize, SealError> {
    let mut walk = Walk::indexing();
    value.index(&mut walk)?;
    Ok(tokens(&walk.into_terms(), key, location)?.values().map(Entry::count).sum())
}

/// The values of a document's indexed fields, and what makes tokens of them where it stands: the benches
/// measure this apart from the document around it.
pub struct TokenMaker<'a> {
    terms: Vec<Terms>,
    maker: Maker<'a>,
}

impl<'a> TokenMaker<'a> {
    /// Collects the values.
    ///
    /// # Errors
    /// A value that its index does not take.
    pub fn of<T: Sealable>(value: &T, key: &'a IndexKey, location: &Location) -> Result<Self, SealError> {
        let mut walk = Walk::indexing();
        value.index(&mut walk)?;
        Ok(Self { terms: walk.into_terms(), maker: Maker::of(key, location) })
    }

    /// Makes the tokens, and says how many there are; 0 where a value has no place in its index.
    pub fn make(&mut self) -> usize {
        self.terms.iter().map(|term| fill_field(&mut self.maker, term).map_or(0, |entry| entry.count())).sum()
    }
}

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

/// What reads bytes that others wrote, for `fuzz/`.
pub mod decoders {
    use serde::Serialize;
    use serde::de::DeserializeOwned;

    use crate::bytes::Format;
    use crate::bytes::envelope::{HEADER_BYTES, Header};
    use crate::bytes::plaintext::{self, Plaintext};
    pub use crate::custody::rewritten_manifest as manifest;

    /// The header of an envelope, read and written again.
    #[must_use]
    pub fn envelope(stored: &[u8]) -> Option<Vec<u8>> {
        let mut header = [0; HEADER_BYTES];
        Header::decode(stored)?.encode(&mut header);
        Some(header.to_vec())
    }

    /// The value that the plaintext of an envelope holds.
    #[must_use]
    pub fn plaintext<T: DeserializeOwned>(plaintext: &[u8]) -> Option<T> {
        plaintext::decode(plaintext).ok()
    }

    /// The plaintext of an envelope of this value; `None` where the value has none.
    #[must_use]
    pub fn to_plaintext<T: Serialize>(value: &T, format: Format) -> Option<Vec<u8>> {
        let mut plaintext = Plaintext::encode(value, format).ok()?;
        Some(plaintext.parts_mut().1.to_vec())
    }
}
