//! What serde attributes say keeps its meaning: names and clear values are stored as serde alone would
//! store them, and documents that serde alone has written stay readable.

#![allow(clippy::unwrap_used, missing_docs, non_camel_case_types, non_snake_case)]

#[path = "support/stored.rs"]
mod stored;

use std::collections::{BTreeMap, HashMap};

use fireseal::{
    Cause, Document, DocumentPath, FieldInfo, FieldPath, FieldStep, Location, OpenError, Sealable,
};
use firestore::gcloud_sdk::google::firestore::v1::{Value, value::ValueType};
use serde::{Deserialize, Serialize};
use stored::{Place, changed, read, shape, stored, value};

/// The stored names of every rule, for every kind of name.
macro_rules! rules {
    ($($module:ident: $rule:literal,)*) => {
        $(mod $module {
            use super::*;

            #[derive(Serialize, Deserialize, Sealable, PartialEq, Debug)]
            #[serde(rename_all = $rule)]
            struct Fields {
                #[sensitive]
                user_name: u8,
                #[sensitive]
                x: u8,
                #[sensitive]
                _leading: u8,
                #[sensitive]
                two__bars: u8,
                #[sensitive]
                trailing_: u8,
                #[sensitive]
                number_2_go: u8,
                #[sensitive]
                r#type: u8,
                clear_field: u8,
                #[serde(rename = "As_It-is")]
                #[sensitive]
                named: u8,
                #[serde(rename = "As_It-is too")]
                clear_named: u8,
            }

            #[derive(Serialize, Deserialize, Sealable, PartialEq, Debug)]
            #[serde(rename_all = $rule, rename_all_fields = $rule)]
            enum Variants {
                FirstOne { #[sensitive] user_name: u8, clear_field: u8 },
                HTTPServer { #[sensitive] user_name: u8 },
                X(#[sensitive] u8),
                Snake_Case(#[sensitive] u8),
                Tuple2(u8, #[sensitive] u8),
                UnitVariant,
                #[serde(rename = "As_It-is")]
                Named(#[sensitive] u8),
                #[serde(rename_all = "SCREAMING-KEBAB-CASE")]
                OwnRule { #[sensitive] user_name: u8 },
            }

            #[test]
            fn names_are_those_of_serde() {
                assert_alike(&Fields {
                    user_name: 1, x: 2, _leading: 3, two__bars: 4, trailing_: 5, number_2_go: 6,
                    r#type: 7, clear_field: 8, named: 9, clear_named: 10,
                });
                for variant in [
                    Variants::FirstOne { user_name: 1, clear_field: 2 }, Variants::HTTPServer { user_name: 1 },
                    Variants::X(1), Variants::Snake_Case(1), Variants::Tuple2(1, 2), Variants::UnitVariant,
                    Variants::Named(1), Variants::OwnRule { user_name: 1 },
                ] {
                    assert_alike(&variant);
                }
            }
        })*
    };
}

rules! {
    lower: "lowercase",
    upper: "UPPERCASE",
    pascal: "PascalCase",
    camel: "camelCase",
    snake: "snake_case",
    screaming_snake: "SCREAMING_SNAKE_CASE",
    kebab: "kebab-case",
    screaming_kebab: "SCREAMING-KEBAB-CASE",
}

/// What serde alone stores, and what is stored sealed, has the same names and shape; what is sealed
/// comes back, and its fields are bound to the names that are stored.
fn assert_alike<T>(plain: &T)
where
    T: Serialize + Sealable<Sealed: fireseal::Companion<Open = T>> + PartialEq + std::fmt::Debug,
{
    let place = Place::new();
    let sealed = stored(&place.seal(plain));
    assert_eq!(shape(value(&sealed)), shape(value(&stored(plain))));
    assert_eq!(&place.round(plain), plain);
    for path in sealed_paths(plain) {
        let mut at = value(&sealed);
        for step in path.steps() {
            at = match (step, &at.value_type) {
                (FieldStep::Key(key), Some(ValueType::MapValue(map))) => &map.fields[key],
                (FieldStep::Index(index), Some(ValueType::ArrayValue(array))) => {
                    &array.values[usize::try_from(*index).unwrap()]
                }
                other => panic!("{path} leads nowhere: {other:?}"),
            };
        }
        assert!(matches!(at.value_type, Some(ValueType::BytesValue(_))), "{path}: {at:?}");
    }
}

/// The paths to which the sealed fields are bound.
fn sealed_paths<T: Sealable>(plain: &T) -> Vec<FieldPath> {
    let place = Place::new();
    let elsewhere = Location::new(DocumentPath::parse("things/other").unwrap());
    match T::open(place.seal(plain), &elsewhere, &place.ring) {
        Err(OpenError::Fields { failures, .. }) => {
            failures.into_iter().map(|failure| failure.field).collect()
        }
        _ => Vec::new(),
    }
}

fn integer(value: i64) -> Value {
    Value { value_type: Some(ValueType::IntegerValue(value)) }
}

/// The causes by field, of a document that does not open.
fn causes<T: Sealable + std::fmt::Debug>(opened: Result<T, OpenError>) -> BTreeMap<String, Cause> {
    match opened.unwrap_err() {
        OpenError::Fields { failures, .. } => {
            failures.into_iter().map(|failure| (failure.field.to_string(), failure.cause)).collect()
        }
        other => panic!("{other}"),
    }
}

mod tags {
    use super::*;

    macro_rules! tagged {
        ($($module:ident: ($($serde:tt)*),)*) => {
            $(mod $module {
                use super::*;

                #[derive(Serialize, Deserialize, Sealable, PartialEq, Debug)]
                #[serde(rename_all = "camelCase", $($serde)*)]
                enum Contact {
                    #[serde(alias = "Phone")]
                    PhoneNumber { #[sensitive] #[serde(alias = "n")] number: u8, country_code: u8 },
                    #[serde(rename = "mail", rename_all = "UPPERCASE")]
                    Email { #[sensitive] address: String, #[serde(default)] name: Option<String> },
                    WholeAddress(#[sealable(nested)] Address),
                }

                #[derive(Serialize, Deserialize, Sealable, PartialEq, Debug)]
                #[serde(rename_all = "camelCase")]
                struct Address { #[sensitive] street_name: String, #[sealable(nested)] others: Vec<Address> }

                #[test]
                fn content_stands_where_serde_puts_it() {
                    let name = Some("n".to_owned());
                    let leaf = Address { street_name: "l".to_owned(), others: vec![] };
                    for contact in [
                        Contact::PhoneNumber { number: 1, country_code: 2 },
                        Contact::Email { address: "a".to_owned(), name },
                        Contact::Email { address: "a".to_owned(), name: None },
                        Contact::WholeAddress(Address { street_name: "s".to_owned(), others: vec![leaf] }),
                    ] {
                        assert_alike(&contact);
                    }
                }
            })*
        };
    }

    tagged! {
        external: (rename = "Other"),
        internal: (tag = "t"),
        adjacent: (tag = "t", content = "c"),
        untagged: (untagged),
    }

    #[derive(Serialize, Deserialize, Sealable, PartialEq, Debug)]
    #[serde(tag = "type")]
    struct Tagged {
        #[sensitive]
        secret: u8,
        clear: u8,
    }

    #[test]
    fn a_tag_on_a_struct_names_the_plain_type() {
        assert_alike(&Tagged { secret: 1, clear: 2 });
        let sealed = stored(&Place::new().seal(&Tagged { secret: 1, clear: 2 }));
        let text = format!("{sealed:?}");
        assert!(text.contains("StringValue(\"Tagged\")"), "{text}");
    }
}

mod with {
    use super::*;
    use serde::{Deserializer, Serializer};

    /// Stores a number as its text.
    pub mod text {
        use super::*;

        pub fn serialize<S: Serializer>(value: &u32, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_str(&value.to_string())
        }

        pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
            String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
        }
    }

    pub fn write_any<T, S: Serializer>(_: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("any")
    }

    pub fn read_any<'de, T: Default, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        String::deserialize(deserializer).map(|_| T::default())
    }

    /// Has no serde impls of its own.
    #[derive(Default, PartialEq, Debug)]
    struct Foreign;

    #[derive(Sealable, PartialEq, Debug)]
    struct With<T: Default> {
        #[serde(with = "text")]
        clear: u32,
        #[serde(with = "text")]
        #[sensitive(pad = 16)]
        sealed: u32,
        #[serde(serialize_with = "write_any", deserialize_with = "read_any")]
        #[sensitive]
        foreign: Foreign,
        #[serde(with = "any")]
        #[sensitive]
        generic: T,
        #[serde(deserialize_with = "read_any")]
        #[sensitive]
        read_alone: String,
        #[serde(serialize_with = "write_any")]
        #[sensitive]
        written_alone: String,
        #[serde(with = "any")]
        #[sensitive]
        optional: Option<u8>,
    }

    mod any {
        pub use super::{read_any as deserialize, write_any as serialize};
    }

    fn example() -> With<Foreign> {
        With {
            clear: 1,
            sealed: 2,
            foreign: Foreign,
            generic: Foreign,
            read_alone: "x".to_owned(),
            written_alone: "y".to_owned(),
            optional: Some(3),
        }
    }

    #[test]
    fn moves_to_the_plaintext() {
        let place = Place::new();
        let sealed = place.seal(&example());
        assert!(format!("{:?}", stored(&sealed)).contains("StringValue(\"1\")"));
        let opened = place.round(&example());
        assert_eq!((opened.clear, opened.sealed), (1, 2));
        // What the functions do shows in the value, so they were called.
        assert_eq!((opened.read_alone.as_str(), opened.written_alone.as_str()), ("", "any"));
        assert_eq!(opened.optional, None);
    }

    #[test]
    fn an_absent_field_with_a_function_of_its_own_is_missing() {
        let place = Place::new();
        let document = changed(&stored(&place.seal(&example())), |map| {
            map.fields.retain(|name, _| name == "clear");
        });
        let causes = causes(place.open::<With<Foreign>>(read(&document).unwrap()));
        // Even the `Option`, as with serde: its function might make something of nothing.
        assert_eq!(causes.len(), 6);
        assert!(causes.values().all(|cause| *cause == Cause::Missing), "{causes:?}");
    }
}

mod absence {
    use super::*;

    fn five() -> u8 {
        5
    }

    #[derive(Sealable, PartialEq, Debug)]
    #[sealable(collection = "things", derive(PartialEq))]
    struct Thing {
        #[sealable(id)]
        #[serde(rename = "ID")]
        id: String,
        #[sensitive]
        #[serde(default)]
        defaulted: u8,
        #[sensitive]
        #[serde(default = "five")]
        five: u8,
        #[sensitive]
        optional: Option<u8>,
        #[sensitive(bytes)]
        bytes: Option<Vec<u8>>,
        #[sensitive]
        #[serde(alias = "old", alias = "older")]
        renamed: Option<u8>,
        #[sensitive]
        #[serde(skip_serializing_if = "Option::is_none")]
        unless_none: Option<u8>,
        #[sealable(nested)]
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        nested: Vec<Inner>,
        #[sealable(nested)]
        maybe: Option<Inner>,
        #[serde(default = "five", skip_serializing_if = "is_five")]
        clear: u8,
        #[serde(skip)]
        skipped: u8,
        #[serde(skip_serializing, default)]
        unwritten: u8,
        #[serde(skip_deserializing)]
        unread: u8,
        #[serde(rename(serialize = "w", deserialize = "r"), default)]
        directed: u8,
        #[serde(flatten)]
        #[sealable(nested)]
        flat: Flat,
        #[serde(flatten)]
        rest: HashMap<String, u8>,
    }

    #[derive(Sealable, PartialEq, Debug)]
    #[sealable(derive(PartialEq))]
    struct Inner {
        #[sensitive]
        x: u8,
    }

    #[derive(Sealable, PartialEq, Debug)]
    #[sealable(derive(PartialEq))]
    #[serde(rename_all = "UPPERCASE")]
    struct Flat {
        #[sensitive]
        flat_secret: u8,
        flat_clear: Option<u8>,
    }

    fn is_five(value: &u8) -> bool {
        *value == 5
    }

    fn thing() -> Thing {
        Thing {
            id: "one".to_owned(),
            defaulted: 1,
            five: 2,
            optional: None,
            bytes: Some(vec![1]),
            renamed: Some(4),
            unless_none: None,
            nested: vec![],
            maybe: Some(Inner { x: 1 }),
            clear: 5,
            skipped: 6,
            unwritten: 7,
            unread: 8,
            directed: 9,
            flat: Flat { flat_secret: 10, flat_clear: Some(11) },
            rest: HashMap::from([("other".to_owned(), 12)]),
        }
    }

    #[test]
    fn everything_stands_under_its_name() {
        let place = Place::new();
        let sealed = stored(&place.seal(&thing()));
        assert_eq!(
            shape(value(&sealed)),
            "{FLAT_CLEAR: _, FLAT_SECRET: _, ID: _, bytes: _, defaulted: _, five: _, maybe: {x: _}, optional: _, \
             other: _, renamed: _, unread: _, w: _}"
        );
        // What serde alone would not have read back either.
        let rest = HashMap::from([("other".to_owned(), 12), ("unread".to_owned(), 8), ("w".to_owned(), 9)]);
        let expected = Thing { skipped: 0, unwritten: 0, unread: 0, directed: 0, rest, ..thing() };
        assert_eq!(place.round(&thing()), expected);
    }

    #[test]
    fn fields_are_listed_by_their_stored_names() {
        let names: Vec<_> = Thing::FIELDS.iter().map(|field| field.name).collect();
        assert_eq!(
            names,
            [
                "ID",
                "defaulted",
                "five",
                "optional",
                "bytes",
                "renamed",
                "unless_none",
                "nested",
                "maybe",
                "clear",
                "unwritten",
                "unread",
                "w"
            ]
        );
        assert_eq!(Thing::ID_FIELD, "ID");
        assert_eq!(
            Thing::FIELDS[5],
            FieldInfo { name: "renamed", aliases: &["old", "older"], sensitive: true, written: true }
        );
        assert_eq!(Thing::FIELDS[12].aliases, ["r"]);
    }

    #[test]
    fn absent_fields_are_worth_what_serde_says() {
        let place = Place::new();
        let document = changed(&stored(&place.seal(&thing())), |map| {
            map.fields.retain(|name, _| ["ID", "FLAT_SECRET"].contains(&name.as_str()));
        });
        let opened = place.open::<Thing>(read(&document).unwrap()).unwrap();
        assert_eq!((opened.defaulted, opened.five, opened.optional, opened.bytes), (0, 5, None, None));
        assert_eq!((opened.renamed, opened.unless_none, opened.maybe, opened.clear), (None, None, None, 5));
        assert_eq!((opened.nested.len(), opened.flat.flat_clear, opened.rest.len()), (0, None, 0));

        let without_secret = changed(&document, |map| {
            map.fields.remove("FLAT_SECRET");
        });
        let causes = causes(place.open::<Thing>(read(&without_secret).unwrap()));
        assert_eq!(causes, BTreeMap::from([("FLAT_SECRET".to_owned(), Cause::Missing)]));
    }

    #[test]
    fn an_alias_opens_under_the_stored_name_and_two_names_are_refused() {
        let place = Place::new();
        let document = stored(&place.seal(&thing()));
        for alias in ["old", "older"] {
            let moved = changed(&document, |map| {
                let sealed = map.fields.remove("renamed").unwrap();
                map.fields.insert(alias.to_owned(), sealed);
            });
            assert_eq!(place.open::<Thing>(read(&moved).unwrap()).unwrap().renamed, Some(4));
        }
        let both = changed(&document, |map| {
            let sealed = map.fields["renamed"].clone();
            map.fields.insert("old".to_owned(), sealed);
        });
        assert!(read::<SealedThing>(&both).unwrap_err().to_string().contains("duplicate field"));
    }

    #[test]
    fn the_predicate_decides_what_is_sealed() {
        let place = Place::new();
        let sealed = place.seal(&thing());
        assert!(sealed.unless_none.is_absent());
        let packed = rmp_serde::to_vec_named(&sealed).unwrap();
        let written: BTreeMap<String, serde::de::IgnoredAny> = rmp_serde::from_slice(&packed).unwrap();
        assert!(written.contains_key("optional") && !written.contains_key("unless_none"), "{written:?}");
        let some = Thing { unless_none: Some(1), ..thing() };
        assert!(!place.seal(&some).unless_none.is_absent());
        assert_eq!(place.round(&some).unless_none, Some(1));
    }

    #[test]
    fn plaintext_in_a_sealed_field_fails_that_field_alone() {
        let place = Place::new();
        let document = changed(&stored(&place.seal(&thing())), |map| {
            map.fields.insert("defaulted".to_owned(), integer(77));
        });
        let sealed: SealedThing = read(&document).unwrap();
        assert!(sealed.defaulted.is_plaintext());
        let causes = causes(place.open::<Thing>(sealed));
        assert_eq!(causes, BTreeMap::from([("defaulted".to_owned(), Cause::Plaintext)]));
    }
}

mod whole_default {
    use super::*;

    #[derive(Sealable, PartialEq, Debug, Clone)]
    #[serde(default)]
    struct Settings<T: Clone> {
        clear: String,
        #[serde(default)]
        own: String,
        #[sensitive]
        secret: String,
        #[sensitive]
        #[serde(default)]
        own_secret: String,
        #[sensitive(bytes)]
        bytes: Vec<u8>,
        #[sealable(nested)]
        nested: Vec<Inner>,
        generic: T,
        #[sensitive]
        generic_secret: T,
        #[serde(skip)]
        skipped: u8,
    }

    #[derive(Sealable, PartialEq, Debug, Clone)]
    struct Inner(#[sensitive] u8);

    impl<T: Clone + From<u8>> Default for Settings<T> {
        fn default() -> Self {
            Self {
                clear: "c".to_owned(),
                own: "not this".to_owned(),
                secret: "s".to_owned(),
                own_secret: "not this".to_owned(),
                bytes: vec![1],
                nested: vec![],
                generic: T::from(3),
                generic_secret: T::from(4),
                skipped: 5,
            }
        }
    }

    fn expected() -> Settings<u32> {
        Settings { own: String::new(), own_secret: String::new(), ..Settings::default() }
    }

    #[test]
    fn gives_every_absent_field() {
        let empty = stored(&HashMap::<String, u8>::new());
        assert_eq!(Place::new().open::<Settings<u32>>(read(&empty).unwrap()).unwrap(), expected());
        let full =
            Settings::<u32> { clear: "x".to_owned(), secret: "y".to_owned(), skipped: 9, ..expected() };
        assert_eq!(Place::new().round(&full), Settings { skipped: 5, ..full.clone() });
    }

    #[derive(Sealable, Debug, PartialEq)]
    #[sealable(zeroize)]
    #[serde(default = "made")]
    struct Made {
        clear: u8,
        #[sensitive]
        secret: String,
    }

    fn made() -> Made {
        Made { clear: 1, secret: "s".to_owned() }
    }

    #[test]
    fn may_be_a_function() {
        let empty = stored(&HashMap::<String, u8>::new());
        assert_eq!(Place::new().open::<Made>(read(&empty).unwrap()).unwrap(), made());
    }

    #[derive(Sealable, Debug, PartialEq, Default)]
    #[serde(default)]
    struct Position(u8, #[sensitive] Option<u8>);

    #[test]
    fn gives_absent_elements_of_a_tuple() {
        let short = stored(&(7_u8,));
        assert_eq!(Place::new().open::<Position>(read(&short).unwrap()).unwrap(), Position(7, None));
    }
}

mod kept {
    use super::*;

    #[derive(Sealable, Debug)]
    #[serde(deny_unknown_fields)]
    struct Strict {
        #[sensitive]
        secret: u8,
    }

    #[derive(Sealable, Debug)]
    #[serde(deny_unknown_fields)]
    enum StrictEnum {
        Variant {
            #[sensitive]
            secret: u8,
        },
    }

    #[test]
    fn unknown_fields_are_denied_where_the_type_says_so() {
        let place = Place::new();
        let add = |document| {
            changed(&document, |map| {
                map.fields.insert("other".to_owned(), integer(1));
            })
        };
        let document = stored(&place.seal(&Strict { secret: 1 }));
        assert_eq!(place.open::<Strict>(read(&document).unwrap()).unwrap().secret, 1);
        assert!(read::<SealedStrict>(&add(document)).is_err());

        let document = stored(&place.seal(&StrictEnum::Variant { secret: 1 }));
        let StrictEnum::Variant { secret } = place.open(read(&document).unwrap()).unwrap();
        assert_eq!(secret, 1);
        let extended = changed(&document, |map| {
            let Some(ValueType::MapValue(content)) = &mut map.fields.get_mut("Variant").unwrap().value_type
            else {
                panic!("not a map");
            };
            content.fields.insert("other".to_owned(), integer(1));
        });
        assert!(read::<SealedStrictEnum>(&extended).is_err());
    }

    #[derive(Sealable, Debug, PartialEq)]
    enum Variants {
        Sealed {
            #[sensitive]
            secret: u8,
            #[serde(default = "three")]
            clear: u8,
            #[serde(skip)]
            skipped: u8,
            #[serde(skip_deserializing, default = "three")]
            unread: u8,
            #[serde(flatten)]
            rest: HashMap<String, u8>,
        },
        #[serde(skip)]
        Skipped,
        #[serde(with = "tuple")]
        With { one: u8, two: u8 },
        #[serde(other)]
        Other,
    }

    fn three() -> u8 {
        3
    }

    /// Stores two numbers as an array.
    mod tuple {
        use serde::{Deserialize, Deserializer, Serialize, Serializer};

        pub fn serialize<S: Serializer>(one: &u8, two: &u8, serializer: S) -> Result<S::Ok, S::Error> {
            [one, two].serialize(serializer)
        }

        pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(u8, u8), D::Error> {
            <(u8, u8)>::deserialize(deserializer)
        }
    }

    #[test]
    fn attributes_of_variants_and_their_fields_keep_their_meaning() {
        let place = Place::new();
        let rest = HashMap::from([("other".to_owned(), 1)]);
        let sealed = Variants::Sealed { secret: 1, clear: 2, skipped: 3, unread: 4, rest: rest.clone() };
        assert_eq!(
            shape(value(&stored(&place.seal(&sealed)))),
            "{Sealed: {clear: _, other: _, secret: _, unread: _}}"
        );
        let Variants::Sealed { skipped, unread, clear, .. } = place.round(&sealed) else { panic!() };
        assert_eq!((skipped, unread, clear), (0, 3, 2));
        let with = Variants::With { one: 1, two: 2 };
        assert_eq!(shape(value(&stored(&place.seal(&with)))), "{With: [_, _]}");
        assert_eq!(place.round(&with), with);
        let unknown: SealedVariants = read(&stored(&"Unheard")).unwrap();
        assert_eq!(place.open::<Variants>(unknown).unwrap(), Variants::Other);
        let _ = Variants::Skipped;
    }

    #[derive(Sealable, Debug, PartialEq)]
    #[serde(untagged)]
    enum Old {
        One {
            #[sensitive]
            one: u8,
            #[sensitive]
            #[serde(default)]
            later: u8,
        },
        Two {
            #[sensitive]
            two: u8,
        },
        Last(#[sensitive] String),
    }

    #[test]
    fn untagged_variants_are_told_apart_by_their_fields() {
        let place = Place::new();
        for old in [Old::One { one: 1, later: 2 }, Old::Two { two: 1 }, Old::Last("x".to_owned())] {
            assert_eq!(place.round(&old), old);
        }
        let document = changed(&stored(&place.seal(&Old::One { one: 1, later: 2 })), |map| {
            map.fields.remove("later");
        });
        assert_eq!(place.open::<Old>(read(&document).unwrap()).unwrap(), Old::One { one: 1, later: 0 });
    }
}
