//! One plain value, as serde gives it.

use std::fmt;

use serde::Serialize;
use serde::ser::{self, Impossible};
use zeroize::Zeroize;

/// One plain value, in the form in which it is indexed. Wiped on drop; `Debug` shows nothing of it.
#[derive(Clone, PartialEq)]
pub enum Scalar {
    /// A text, a character, or the name of a variant without fields.
    Text(String),
    /// An integer of any width.
    Integer(i128),
    /// A floating-point number.
    Real(f64),
    /// True or false.
    Bool(bool),
    /// Bytes that went through `serde_bytes` or the like.
    Bytes(Vec<u8>),
}

impl fmt::Debug for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[sensitive]")
    }
}

impl Drop for Scalar {
    fn drop(&mut self) {
        match self {
            Self::Text(text) => text.zeroize(),
            Self::Integer(integer) => integer.zeroize(),
            Self::Real(real) => real.zeroize(),
            Self::Bool(bool) => bool.zeroize(),
            Self::Bytes(bytes) => bytes.zeroize(),
        }
    }
}

/// Why a value has no place in an index. It never tells the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotIndexable {
    /// A list, a map, a struct, or a variant with fields.
    #[error("only single values can be indexed: texts, integers, true and false, bytes, dates")]
    NotOneValue,
    /// An integer outside `i128`.
    #[error("the integer is above what an index takes (2^127 - 1)")]
    TooLarge,
    /// The value's `Serialize` implementation failed.
    #[error("its Serialize implementation failed")]
    Unserializable,
    /// A floating-point number, or NaN in a range.
    #[error(
        "floating-point numbers have no place in this index; only a decimal range takes them, without NaN"
    )]
    Real,
    /// The index is of texts, and the value is none.
    #[error("prefixes and words are of texts only")]
    NotText,
    /// The value is not of the kind that the range index is of.
    #[error(
        "the value is not of the range's kind: an integer, a plain decimal number, or an RFC 3339 time or date"
    )]
    NotInRange,
    /// Two indexes have one name.
    #[error("another index has this name: give the compound index a name that no field has")]
    NameTaken,
    /// The attributes of the index contradict themselves.
    #[error(
        "the index has bounds that contradict each other: the lower one must be below the upper one, and the step above zero"
    )]
    Bounds,
}

/// Something that gives a [`Scalar`]: every value that serializes.
pub trait Part {
    /// The value; `None` for an absent one.
    ///
    /// # Errors
    /// It is no scalar.
    fn scalar(&self) -> Result<Option<Scalar>, NotIndexable>;
}

impl<E: Serialize + ?Sized> Part for E {
    fn scalar(&self) -> Result<Option<Scalar>, NotIndexable> {
        scalar(self)
    }
}

/// The value in the form in which it is indexed, as its human-readable serde form has it; `None` for none
/// and unit. Newtypes are seen through.
///
/// # Errors
/// It is no scalar.
pub fn scalar<E: Serialize + ?Sized>(value: &E) -> Result<Option<Scalar>, NotIndexable> {
    value.serialize(Scalars)
}

impl ser::Error for NotIndexable {
    // What a `Serialize` implementation says may quote the value.
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Unserializable
    }
}

struct Scalars;

type Never = Impossible<Option<Scalar>, NotIndexable>;

macro_rules! integers {
    ($($name:ident: $integer:ty),*) => {$(
        fn $name(self, value: $integer) -> Result<Option<Scalar>, NotIndexable> {
            Ok(Some(Scalar::Integer(value.into())))
        }
    )*};
}

impl ser::Serializer for Scalars {
    type Ok = Option<Scalar>;
    type Error = NotIndexable;
    type SerializeSeq = Never;
    type SerializeTuple = Never;
    type SerializeTupleStruct = Never;
    type SerializeTupleVariant = Never;
    type SerializeMap = Never;
    type SerializeStruct = Never;
    type SerializeStructVariant = Never;

    integers!(serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128);
    integers!(serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64);

    fn serialize_u128(self, value: u128) -> Result<Self::Ok, Self::Error> {
        i128::try_from(value).map(|value| Some(Scalar::Integer(value))).map_err(|_| NotIndexable::TooLarge)
    }

    fn serialize_bool(self, value: bool) -> Result<Self::Ok, Self::Error> {
        Ok(Some(Scalar::Bool(value)))
    }

    fn serialize_f32(self, value: f32) -> Result<Self::Ok, Self::Error> {
        Ok(Some(Scalar::Real(value.into())))
    }

    fn serialize_f64(self, value: f64) -> Result<Self::Ok, Self::Error> {
        Ok(Some(Scalar::Real(value)))
    }

    fn serialize_char(self, value: char) -> Result<Self::Ok, Self::Error> {
        Ok(Some(Scalar::Text(value.to_string())))
    }

    fn serialize_str(self, value: &str) -> Result<Self::Ok, Self::Error> {
        Ok(Some(Scalar::Text(value.to_owned())))
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<Self::Ok, Self::Error> {
        Ok(Some(Scalar::Bytes(value.to_vec())))
    }

    fn serialize_none(self) -> Result<Self::Ok, Self::Error> {
        Ok(None)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Self::Ok, Self::Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Self::Ok, Self::Error> {
        Ok(None)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Self::Ok, Self::Error> {
        Ok(None)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Self::Ok, Self::Error> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Self::Ok, Self::Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Self::Ok, Self::Error> {
        Err(NotIndexable::NotOneValue)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Never, NotIndexable> {
        Err(NotIndexable::NotOneValue)
    }

    fn serialize_tuple(self, _: usize) -> Result<Never, NotIndexable> {
        Err(NotIndexable::NotOneValue)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Never, NotIndexable> {
        Err(NotIndexable::NotOneValue)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Never, NotIndexable> {
        Err(NotIndexable::NotOneValue)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Never, NotIndexable> {
        Err(NotIndexable::NotOneValue)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Never, NotIndexable> {
        Err(NotIndexable::NotOneValue)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Never, NotIndexable> {
        Err(NotIndexable::NotOneValue)
    }
}
