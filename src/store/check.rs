//! Refuses clear values that would be stored as something else.
//!
//! The `firestore` crate's serializer changes some values without a word: a `u64` above `i64::MAX`
//! becomes negative, `None` vanishes from arrays and maps, unit values vanish altogether, integer
//! map keys and struct variants cannot be read back. This serializer writes nothing; it walks the
//! value and names the first place that would not come back as it was.

use std::collections::BTreeSet;
use std::fmt;

use serde::ser::{self, Serialize, Serializer};

use crate::bytes::{FieldPath, FieldStep};

/// A value in the clear that Firestore, or the `firestore` crate, does not keep as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("field {field} cannot be stored: {reason}")]
pub struct ClearValueError {
    /// The field's stored path.
    pub field: FieldPath,
    /// What is wrong with it, and what to do.
    pub reason: &'static str,
}

impl ser::Error for ClearValueError {
    // The text of a `Serialize` implementation may quote the value.
    fn custom<T: fmt::Display>(_text: T) -> Self {
        Self { field: FieldPath::default(), reason: "its Serialize implementation failed" }
    }
}

const NONE: &str = "`None` vanishes from arrays and maps; use #[serde(with = \"firestore::serialize_as_null\")] or leave the element out";
const SOME_NONE: &str = "`Some(None)` reads back as `None`; use one Option";
const UNIT: &str = "unit values vanish; skip the field with #[serde(skip)]";
const U64: &str =
    "Firestore's integers end at 9223372036854775807 (i64::MAX); store it as a string or seal it";
const WIDE: &str = "Firestore has no integers of 128 bits; store it as a string or seal it";
const KEY: &str = "map keys must be strings; other keys cannot be read back";
const TWICE: &str = "a flattened field has the same name as another field";
const STRUCT_VARIANT: &str =
    "struct variants of externally tagged enums cannot be read back; use #[serde(tag = \"..\")] or seal it";
/// The name that the derive gives to enums whose struct variants it makes readable.
const READABLE: &str = "fireseal::readable";
const SERIALIZE: &str = "its Serialize implementation failed";

/// Checks a whole value.
pub(super) fn check<T: Serialize + ?Sized>(value: &T) -> Result<(), ClearValueError> {
    value.serialize(Check { path: &Path::Root, place: Place::Field, none_is_null: false })
}

/// The path to where the walk is, as a list on the stack: nothing is allocated until it is told.
enum Path<'a> {
    Root,
    Inside(&'a Path<'a>, Step<'a>),
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Name(&'a str),
    Index(usize),
}

impl Path<'_> {
    fn to_field_path(&self) -> FieldPath {
        let mut steps = Vec::new();
        let mut here = self;
        while let Path::Inside(parent, step) = here {
            steps.push(match step {
                Step::Name(name) => FieldStep::Key((*name).to_owned()),
                Step::Index(index) => FieldStep::Index(*index as u64),
            });
            here = parent;
        }
        steps.reverse();
        FieldPath::new(steps)
    }
}

/// What holds the value, which decides what becomes of `None`.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// A struct's field: left out, and read back as `None`.
    Field,
    /// An array's element or a map's entry: vanishes.
    Element,
    /// Inside `Some`.
    Some,
}

struct Check<'a> {
    path: &'a Path<'a>,
    place: Place,
    none_is_null: bool,
}

impl<'a> Check<'a> {
    fn refuse<T>(&self, reason: &'static str) -> Result<T, ClearValueError> {
        Err(ClearValueError { field: self.path.to_field_path(), reason })
    }

    fn inside(
        &self,
        value: &(impl Serialize + ?Sized),
        path: &Path<'_>,
        place: Place,
    ) -> Result<(), ClearValueError> {
        let checked = value.serialize(Check { path, place, none_is_null: self.none_is_null });
        checked.map_err(|error| match error.reason {
            // A custom error does not know where it happened.
            SERIALIZE if error.field.steps().is_empty() => {
                ClearValueError { field: path.to_field_path(), ..error }
            }
            _ => error,
        })
    }

    fn walk_variant(self, variant: &'static str, place: Place) -> Elements<'a> {
        Elements { variant: Some(variant), ..self.walk(place) }
    }

    fn walk(self, place: Place) -> Elements<'a> {
        Elements { check: self, variant: None, place, index: 0, key: None, seen: None }
    }
}

macro_rules! accept {
    ($($method:ident: $type:ty,)*) => {
        $(fn $method(self, _value: $type) -> Result<(), ClearValueError> {
            Ok(())
        })*
    };
}

impl<'a> Serializer for Check<'a> {
    type Ok = ();
    type Error = ClearValueError;
    type SerializeSeq = Elements<'a>;
    type SerializeTuple = Elements<'a>;
    type SerializeTupleStruct = Elements<'a>;
    type SerializeTupleVariant = Elements<'a>;
    type SerializeMap = Elements<'a>;
    type SerializeStruct = Elements<'a>;
    type SerializeStructVariant = Elements<'a>;

    accept! {
        serialize_bool: bool,
        serialize_i8: i8,
        serialize_i16: i16,
        serialize_i32: i32,
        serialize_i64: i64,
        serialize_u8: u8,
        serialize_u16: u16,
        serialize_u32: u32,
        serialize_f32: f32,
        serialize_f64: f64,
        serialize_char: char,
        serialize_str: &str,
        serialize_bytes: &[u8],
    }

    fn serialize_u64(self, value: u64) -> Result<(), ClearValueError> {
        if i64::try_from(value).is_ok() { Ok(()) } else { self.refuse(U64) }
    }

    fn serialize_i128(self, _value: i128) -> Result<(), ClearValueError> {
        self.refuse(WIDE)
    }

    fn serialize_u128(self, _value: u128) -> Result<(), ClearValueError> {
        self.refuse(WIDE)
    }

    fn serialize_none(self) -> Result<(), ClearValueError> {
        match self.place {
            Place::Some => self.refuse(SOME_NONE),
            Place::Element if !self.none_is_null => self.refuse(NONE),
            _ => Ok(()),
        }
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), ClearValueError> {
        self.inside(value, self.path, Place::Some)
    }

    fn serialize_unit(self) -> Result<(), ClearValueError> {
        self.refuse(UNIT)
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), ClearValueError> {
        self.refuse(UNIT)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Result<(), ClearValueError> {
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), ClearValueError> {
        // The markers with which the `firestore` crate's adapters ask for a null instead.
        let null = matches!(name, "FirestoreNull" | "FirestoreTimestampAsNull");
        let none_is_null = self.none_is_null || null;
        Check { none_is_null, ..self }.inside(value, self.path, self.place)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), ClearValueError> {
        self.inside(value, &Path::Inside(self.path, Step::Name(variant)), Place::Element)
    }

    fn serialize_seq(self, _len: Option<usize>) -> Result<Elements<'a>, ClearValueError> {
        Ok(self.walk(Place::Element))
    }

    fn serialize_tuple(self, _len: usize) -> Result<Elements<'a>, ClearValueError> {
        Ok(self.walk(Place::Element))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Elements<'a>, ClearValueError> {
        Ok(self.walk(Place::Element))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Elements<'a>, ClearValueError> {
        Ok(self.walk_variant(variant, Place::Element))
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Elements<'a>, ClearValueError> {
        // Derived code gives no length where a struct has a flattened field.
        let seen = if len.is_none() { Some(BTreeSet::new()) } else { None };
        Ok(Elements { seen, ..self.walk(Place::Element) })
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Elements<'a>, ClearValueError> {
        Ok(self.walk(Place::Field))
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Elements<'a>, ClearValueError> {
        if name == READABLE {
            Ok(self.walk_variant(variant, Place::Field))
        } else {
            self.refuse(STRUCT_VARIANT)
        }
    }
}

/// The elements, fields or entries of a value.
struct Elements<'a> {
    check: Check<'a>,
    variant: Option<&'static str>,
    place: Place,
    index: usize,
    key: Option<String>,
    /// The names so far, where a flattened field may repeat one.
    seen: Option<BTreeSet<String>>,
}

impl Elements<'_> {
    fn next(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), ClearValueError> {
        let index = self.index;
        self.index += 1;
        self.inside(Step::Index(index), value)
    }

    fn named(&self, name: &str, value: &(impl Serialize + ?Sized)) -> Result<(), ClearValueError> {
        self.inside(Step::Name(name), value)
    }

    fn inside(&self, step: Step<'_>, value: &(impl Serialize + ?Sized)) -> Result<(), ClearValueError> {
        let path = self.check.path;
        match self.variant {
            None => self.check.inside(value, &Path::Inside(path, step), self.place),
            Some(variant) => {
                let variant = Path::Inside(path, Step::Name(variant));
                self.check.inside(value, &Path::Inside(&variant, step), self.place)
            }
        }
    }
}

macro_rules! elements {
    ($($trait:ident::$method:ident,)*) => {
        $(impl ser::$trait for Elements<'_> {
            type Ok = ();
            type Error = ClearValueError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ClearValueError> {
                self.next(value)
            }

            fn end(self) -> Result<(), ClearValueError> {
                Ok(())
            }
        })*
    };
}

elements! {
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field,
}

impl ser::SerializeMap for Elements<'_> {
    type Ok = ();
    type Error = ClearValueError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), ClearValueError> {
        // serde_json's own key rules are wider than Firestore's: only text is a key here.
        let Ok(serde_json::Value::String(key)) = serde_json::to_value(key) else {
            return self.check.refuse(KEY);
        };
        if let Some(seen) = &mut self.seen {
            // Where a struct has a flattened field, derived code gives the struct's own names as `str`;
            // their `None`s are left out and read back as `None`. A flattened map's keys are `String`s.
            let named = std::any::type_name::<T>() == "str";
            self.place = if named { Place::Field } else { Place::Element };
            if !seen.insert(key.clone()) {
                let path = Path::Inside(self.check.path, Step::Name(&key));
                return Err(ClearValueError { field: path.to_field_path(), reason: TWICE });
            }
        }
        self.key = Some(key);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ClearValueError> {
        let name = self.key.take().unwrap_or_default();
        self.named(&name, value)
    }

    fn end(self) -> Result<(), ClearValueError> {
        Ok(())
    }
}

macro_rules! fields {
    ($($trait:ident,)*) => {
        $(impl ser::$trait for Elements<'_> {
            type Ok = ();
            type Error = ClearValueError;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), ClearValueError> {
                self.named(name, value)
            }

            fn end(self) -> Result<(), ClearValueError> {
                Ok(())
            }
        })*
    };
}

fields! {
    SerializeStruct,
    SerializeStructVariant,
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use serde::Serialize;

    use super::*;

    fn refused(value: impl Serialize) -> String {
        check(&value).expect_err("must be refused").to_string()
    }

    #[derive(Serialize)]
    struct Root<T> {
        field: T,
    }

    #[derive(Serialize)]
    struct Unit;

    #[derive(Serialize)]
    enum External {
        Struct { x: u8 },
        Newtype(Option<u8>),
        Tuple(u8, Option<u8>),
    }

    #[test]
    fn values_that_would_change_are_refused_by_name() {
        let cases = [
            (refused(Root { field: u64::MAX }), "field", U64),
            (refused(Root { field: 1_i128 }), "field", WIDE),
            (refused(Root { field: 1_u128 }), "field", WIDE),
            (refused(Root { field: vec![Some(1), None] }), "field[1]", NONE),
            (refused(Root { field: (1, None::<u8>) }), "field[1]", NONE),
            (refused(Root { field: vec![()] }), "field[0]", UNIT),
            (refused(Root { field: ((), 1) }), "field[0]", UNIT),
            (refused(Root { field: () }), "field", UNIT),
            (refused(Root { field: Unit }), "field", UNIT),
            (refused(Root { field: Some(None::<u8>) }), "field", SOME_NONE),
            (refused(Root { field: Some(()) }), "field", UNIT),
            (refused(Root { field: HashMap::from([("a b", None::<u8>)]) }), "field.`a b`", NONE),
            (refused(Root { field: BTreeMap::from([(1, 2)]) }), "field", KEY),
            (refused(Root { field: External::Struct { x: 1 } }), "field", STRUCT_VARIANT),
            (refused(Root { field: External::Newtype(None) }), "field.Newtype", NONE),
            (refused(Root { field: External::Tuple(1, None) }), "field.Tuple[1]", NONE),
            (
                refused(Root { field: Root { field: vec![Root { field: u64::MAX }] } }),
                "field.field[0].field",
                U64,
            ),
        ];
        for (message, field, reason) in cases {
            assert_eq!(message, format!("field {field} cannot be stored: {reason}"));
        }
    }

    #[test]
    fn what_comes_back_is_accepted() {
        #[derive(Serialize)]
        struct Flat {
            none: Option<u8>,
            #[serde(flatten)]
            more: Root<Option<u8>>,
            #[serde(with = "firestore::serialize_as_null")]
            null: Option<u8>,
        }
        let value = Root { field: vec![Flat { none: None, more: Root { field: None }, null: None }] };
        assert_eq!(check(&value), Ok(()));
        assert_eq!(check(&Root { field: (i64::MAX as u64, f64::NAN, 'c', "text", Some(1)) }), Ok(()));
        assert_eq!(check(&Root { field: External::Newtype(Some(1)) }), Ok(()));
    }
}
