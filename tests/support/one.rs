//! A document with one sensitive field, `value`, written by hand: what the derive macro would make.

#![allow(dead_code, clippy::unwrap_used)]

use std::fmt;

use fireseal::__private::Format;
use fireseal::{
    Cause, Closed, DataKey, DocumentPath, Draft, KeyRing, Location, OpenError, RawBytes, Reveal, SealError,
    Sealable, Sealed, Visit, Walk,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// One sealed value in MessagePack, padded to a multiple of `PAD` unless that is 0.
#[derive(Debug, Clone, PartialEq)]
pub struct One<T, const PAD: u32 = 0>(pub T);

/// One sealed value of raw bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Raw<T, const PAD: u32 = 0>(pub T);

#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct OneSealed<T> {
    pub value: Sealed<T>,
}

impl<T> Clone for OneSealed<T> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone() }
    }
}

impl<T> fmt::Debug for OneSealed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OneSealed").field("value", &self.value).finish()
    }
}

impl<T> OneSealed<T> {
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self { value: Sealed::from_bytes(bytes.to_vec()) }
    }

    pub fn bytes(&self) -> &[u8] {
        self.value.as_bytes().unwrap()
    }

    /// The same stored bytes, to be read as another type.
    pub fn of_type<U>(&self) -> OneSealed<U> {
        OneSealed::from_bytes(self.bytes())
    }
}

const fn format(pad: u32) -> Format {
    if pad == 0 { Format::new() } else { Format::new().padded(pad) }
}

macro_rules! sealable {
    ($one:ident, $bound:path, |$draft:ident, $plain:ident| $encode:expr, |$reveal:ident, $sealed:ident| $open:expr) => {
        impl<T: $bound, const PAD: u32> Sealable for $one<T, PAD> {
            type Sealed = OneSealed<T>;
            type Partial = Result<T, Closed<T>>;

            fn draft(&self, walk: &mut Walk<Draft>) -> Result<OneSealed<T>, SealError> {
                let $plain = &self.0;
                Ok(OneSealed { value: walk.key("value", |$draft| $encode)? })
            }

            fn visit(sealed: &mut OneSealed<T>, walk: &mut Walk<Visit<'_>>) -> Result<(), SealError> {
                walk.key("value", |walk| walk.field(&mut sealed.value))
            }

            fn reveal(sealed: OneSealed<T>, walk: &mut Walk<Reveal<'_>>) -> Option<Self> {
                let $sealed = sealed.value;
                walk.key("value", |$reveal| $open).ok().map(Self)
            }

            fn reveal_partial(sealed: OneSealed<T>, walk: &mut Walk<Reveal<'_>>) -> Self::Partial {
                let $sealed = sealed.value;
                walk.key("value", |$reveal| $open)
            }

            fn draft_partial(
                partial: &Self::Partial,
                walk: &mut Walk<Draft>,
            ) -> Result<OneSealed<T>, SealError> {
                let value = match partial {
                    Ok($plain) => walk.key("value", |$draft| $encode)?,
                    Err(closed) => walk.keep(closed),
                };
                Ok(OneSealed { value })
            }
        }
    };
}

pub trait Plain: Serialize + DeserializeOwned {}

impl<T: Serialize + DeserializeOwned> Plain for T {}

sealable!(One, Plain, |walk, plain| walk.field(plain, format(PAD)), |walk, sealed| walk.field(
    sealed,
    format(PAD),
    || None,
    |value: T| value
));
sealable!(Raw, RawBytes, |walk, plain| walk.bytes(plain, format(PAD)), |walk, sealed| walk.bytes(
    sealed,
    format(PAD),
    || None
));

pub fn location() -> Location {
    Location::new(DocumentPath::parse("customers/ada").unwrap())
}

pub fn ring() -> KeyRing {
    KeyRing::new(DataKey::from_bytes(&[7; 32]))
}

/// Why the one field of a document did not open.
pub fn cause(error: &OpenError) -> Cause {
    match error {
        OpenError::Fields { failures, .. } => failures[0].cause,
        other => panic!("{other}"),
    }
}
