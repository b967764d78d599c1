//! Every shape of a type seals, is stored by the `firestore` crate, read back and opened.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "support/stored.rs"]
mod stored;

use std::collections::{BTreeMap, HashMap};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};

use fireseal::{Closed, Companion, Document, FieldInfo, Partial, Sealable, Sealed};
use serde::{Deserialize, Serialize};
use stored::{Place, read, shape, stored, value};

/// A customer.
#[derive(Sealable, PartialEq, Clone)]
#[sealable(collection = "customers", derive(PartialEq), debug)]
pub struct Customer {
    /// The id.
    #[sealable(id)]
    pub id: String,
    name: String,
    #[sensitive]
    ssn: String,
    #[sensitive(pad = 64)]
    pub(crate) notes: Option<String>,
    #[sensitive(bytes)]
    photo: Vec<u8>,
    #[sensitive(bytes, pad = 32)]
    thumbnail: Option<Box<[u8]>>,
    #[sensitive(bytes)]
    code: [u8; 40],
    #[sealable(nested)]
    address: Address,
    #[sealable(nested)]
    more: Vec<Address>,
    #[sealable(nested)]
    spare: Option<Box<Address>>,
    #[sealable(nested)]
    by_name: HashMap<String, Address>,
    #[sealable(nested)]
    sorted: BTreeMap<String, Vec<Address>>,
}

#[derive(Sealable, PartialEq, Clone)]
#[sealable(derive(PartialEq), debug)]
pub struct Address {
    city: String,
    #[sensitive]
    street: String,
}

fn address(city: &str) -> Address {
    Address { city: city.to_owned(), street: format!("{city} street") }
}

fn ada() -> Customer {
    Customer {
        id: "ada".to_owned(),
        name: "Ada".to_owned(),
        ssn: "078-05-1120".to_owned(),
        notes: None,
        photo: vec![1, 2, 3],
        thumbnail: Some(vec![4, 5].into_boxed_slice()),
        code: [9; 40],
        address: address("London"),
        more: vec![address("Paris"), address("Rome")],
        spare: Some(Box::new(address("Oslo"))),
        by_name: HashMap::from([("work".to_owned(), address("Bonn"))]),
        sorted: BTreeMap::from([("a".to_owned(), vec![address("Bern"), address("Brno")])]),
    }
}

#[test]
fn a_struct_with_everything_comes_back() {
    let place = Place::new();
    assert_eq!(place.round(&ada()), ada());
}

#[test]
fn the_companion_shows_clear_fields_and_no_sensitive_one() {
    let sealed = Place::new().seal(&ada());
    assert_eq!((sealed.id.as_str(), sealed.name.as_str()), ("ada", "Ada"));
    let _: &Sealed<String> = &sealed.ssn;
    let _: &Option<Box<SealedAddress>> = &sealed.spare;
    let text = format!("{sealed:?}");
    assert!(text.contains("London") && text.contains("Sealed(key"), "{text}");
    assert!(!text.contains("078-05-1120") && !text.contains("street\""), "{text}");
    assert!(sealed == sealed.clone());
}

#[test]
fn what_a_document_is_stands_in_constants() {
    assert_eq!(Customer::COLLECTION, "customers");
    assert_eq!(Customer::ID_FIELD, "id");
    assert_eq!(ada().id(), "ada");
    assert_eq!(Customer::sealed_id(&Place::new().seal(&ada())), "ada");
    let info = |name, sensitive| FieldInfo { name, aliases: &[], sensitive, written: true };
    assert_eq!(
        Customer::FIELDS[..4],
        [info("id", false), info("name", false), info("ssn", true), info("notes", true)]
    );
    assert_eq!(Customer::FIELDS[7], info("address", true));
}

#[test]
fn debug_of_the_plain_type_is_redacted() {
    let text = format!("{:?}", ada());
    assert!(
        text.starts_with("Customer { id: \"ada\", name: \"Ada\", ssn: [sensitive], notes: [sensitive]"),
        "{text}"
    );
    assert!(text.contains("address: Address { city: \"London\", street: [sensitive] }"), "{text}");
}

#[test]
fn padding_hides_the_length() {
    let place = Place::new();
    let length = |notes: Option<&str>| {
        let customer = Customer { notes: notes.map(str::to_owned), ..ada() };
        place.seal(&customer).notes.as_bytes().unwrap().len()
    };
    assert_eq!(length(None), length(Some("a few words")));
    assert_ne!(length(None), length(Some("a".repeat(80).as_str())));
}

#[test]
fn a_field_that_does_not_open_is_kept_and_everything_else_opens() {
    let place = Place::new();
    let mut sealed = place.seal(&ada());
    sealed.ssn = Sealed::from_bytes(vec![1; 80]);
    sealed.more[1].street = Sealed::from_bytes(vec![2; 80]);
    let error = place.open::<Customer>(sealed.clone()).err().unwrap().to_string();
    assert!(error.contains("ssn") && error.contains("more[1].street"), "{error}");

    let mut partial: Partial<Customer> = Customer::open_partial(sealed.clone(), &place.location, &place.ring);
    let _: &Closed<String> = partial.ssn.as_ref().unwrap_err();
    assert_eq!(partial.photo.as_ref().unwrap(), &[1, 2, 3]);
    assert_eq!(partial.more[0].street.as_ref().unwrap(), "Paris street");
    assert!(partial.more[1].street.is_err());
    partial.name = "Ada L.".to_owned();
    partial.notes = Ok(Some("new".to_owned()));

    let again = Customer::seal_partial(&partial, &place.location, &place.ring).unwrap();
    assert_eq!(again.name, "Ada L.");
    assert_eq!(again.ssn, sealed.ssn);
    assert_eq!(again.more[1].street, sealed.more[1].street);
    assert_ne!(again.photo, sealed.photo);
    let partial = Customer::open_partial(again, &place.location, &place.ring);
    assert_eq!(partial.notes.unwrap(), Some("new".to_owned()));
}

#[derive(Sealable, PartialEq, Debug)]
#[sealable(sealed = ClosedSecret)]
pub struct Secret(#[sensitive] String);

#[derive(Sealable, PartialEq, Debug)]
pub struct Pair(#[sensitive] String, u32, #[sealable(nested)] Secret);

#[derive(Sealable, PartialEq, Debug)]
pub struct Holder {
    #[sealable(nested)]
    secret: Secret,
    #[sealable(nested)]
    pair: Pair,
}

#[test]
fn newtypes_and_tuples_come_back() {
    let place = Place::new();
    let holder = || Holder {
        secret: Secret("one".to_owned()),
        pair: Pair("two".to_owned(), 2, Secret("three".to_owned())),
    };
    let sealed: SealedHolder = place.seal(&holder());
    let ClosedSecret(_) = &sealed.secret;
    assert_eq!(shape(value(&stored(&sealed))), "{pair: [_, _, _], secret: _}");
    assert_eq!(place.round(&holder()), holder());

    // A position is part of the place: swapped elements do not open.
    let mut swapped = sealed.clone();
    std::mem::swap(&mut swapped.pair.0, &mut swapped.pair.2.0);
    let error = place.open::<Holder>(swapped).unwrap_err().to_string();
    assert!(error.contains("pair[0]") && error.contains("pair[2]"), "{error}");
}

macro_rules! contact {
    ($(#[$serde:meta])* $name:ident $sealed:ident) => {
        #[derive(Sealable, PartialEq, Debug)]
        $(#[$serde])*
        pub enum $name {
            Nobody,
            Struct {
                kind: String,
                #[sensitive]
                number: u64,
                #[serde(rename = "inner", default)]
                #[sealable(nested)]
                nested: Option<Secret>,
            },
            Single { #[sensitive] only: String },
            Nested(#[sealable(nested)] Holder),
        }

        impl $name {
            pub fn all() -> Vec<Self> {
                let holder = Holder {
                    secret: Secret("one".to_owned()),
                    pair: Pair("two".to_owned(), 2, Secret("three".to_owned())),
                };
                vec![
                    Self::Nobody,
                    Self::Struct { kind: "home".to_owned(), number: 7, nested: None },
                    Self::Struct { kind: "home".to_owned(), number: 8, nested: Some(Secret("x".to_owned())) },
                    Self::Single { only: "one".to_owned() },
                    Self::Nested(holder),
                ]
            }
        }
    };
}

mod external {
    use super::*;
    contact!(Contact SealedContact);

    #[derive(Sealable, PartialEq, Debug)]
    enum More {
        Newtype(#[sensitive] String),
        Tuple(u8, #[sensitive] String),
        #[serde(untagged)]
        Rest {
            #[sensitive]
            rest: String,
        },
    }

    #[test]
    fn comes_back() {
        let place = Place::new();
        for contact in Contact::all() {
            assert_eq!(place.round(&contact), contact);
            // Formats of their own for struct variants read it, too.
            let bytes = rmp_serde::to_vec_named(&place.seal(&contact)).unwrap();
            let sealed: SealedContact = rmp_serde::from_slice(&bytes).unwrap();
            assert_eq!(place.open::<Contact>(sealed).unwrap(), contact);
        }
        let more = [
            More::Newtype("a".to_owned()),
            More::Tuple(1, "b".to_owned()),
            More::Rest { rest: "c".to_owned() },
        ];
        let shapes = ["{Newtype: _}", "{Tuple: [_, _]}", "{rest: _}"];
        for (more, expected) in more.iter().zip(shapes) {
            assert_eq!(shape(value(&stored(&place.seal(more)))), expected);
            assert_eq!(&place.round(more), more);
        }
        let paths = Contact::all().iter().map(failing_paths).collect::<Vec<_>>();
        assert_eq!(paths[1], ["Struct.number"]);
        assert_eq!(paths[2], ["Struct.number", "Struct.inner"]);
        assert_eq!(paths[4], ["Nested.secret", "Nested.pair[0]", "Nested.pair[2]"]);
    }
}

mod internal {
    use super::*;
    contact!(#[serde(tag = "type")] Contact SealedContact);

    #[test]
    fn comes_back() {
        let place = Place::new();
        for contact in Contact::all() {
            assert_eq!(place.round(&contact), contact);
        }
        let paths = Contact::all().iter().map(failing_paths).collect::<Vec<_>>();
        assert_eq!(paths[2], ["number", "inner"]);
        assert_eq!(paths[4], ["secret", "pair[0]", "pair[2]"]);
        let sealed = place.seal(&Contact::all()[1]);
        assert_eq!(shape(value(&stored(&sealed))), "{kind: _, number: _, type: _}");
    }
}

mod adjacent {
    use super::*;
    contact!(#[serde(tag = "type", content = "value")] Contact SealedContact);

    #[test]
    fn comes_back() {
        let place = Place::new();
        for contact in Contact::all() {
            assert_eq!(place.round(&contact), contact);
        }
        let paths = Contact::all().iter().map(failing_paths).collect::<Vec<_>>();
        assert_eq!(paths[2], ["value.number", "value.inner"]);
        assert_eq!(paths[4], ["value.secret", "value.pair[0]", "value.pair[2]"]);
    }
}

mod untagged {
    use super::*;
    contact!(#[serde(untagged)] Contact SealedContact);

    #[test]
    fn comes_back() {
        let place = Place::new();
        // A unit is stored as nothing by the `firestore` crate, so it stands in no field.
        for contact in &Contact::all()[1..] {
            assert_eq!(&place.round(contact), contact);
        }
        assert_eq!(failing_paths(&Contact::all()[2]), ["number", "inner"]);
    }
}

/// The paths of all sealed fields, in order: opened elsewhere, each of them fails.
fn failing_paths<T: Sealable>(plain: &T) -> Vec<String> {
    let place = Place::new();
    let elsewhere = fireseal::Location::new(fireseal::DocumentPath::parse("things/other").unwrap());
    match T::open(place.seal(plain), &elsewhere, &place.ring) {
        Err(fireseal::OpenError::Fields { failures, .. }) => {
            failures.iter().map(|failure| failure.field.to_string()).collect()
        }
        _ => Vec::new(),
    }
}

/// A type parameter of each kind: clear, sealed, nested, and a mark alone.
#[derive(Sealable, PartialEq, Debug)]
struct Generic<C, S: PartialEq, N, M = u8, const LEN: usize = 3>
where
    N: PartialEq,
{
    clear: Vec<C>,
    #[sensitive]
    sealed: Option<S>,
    #[sealable(nested)]
    nested: Vec<N>,
    #[serde(skip)]
    mark: PhantomData<M>,
    #[sensitive(bytes)]
    bytes: [u8; LEN],
}

/// Neither `Clone` nor `Debug`, as a sensitive type may be.
#[derive(Serialize, Deserialize, PartialEq)]
struct Plain(String);

#[test]
fn generic_types_come_back() {
    let place = Place::new();
    let generic = Generic::<u8, Plain, Secret> {
        clear: vec![1],
        sealed: Some(Plain("x".to_owned())),
        nested: vec![Secret("y".to_owned())],
        mark: PhantomData,
        bytes: [1, 2, 3],
    };
    let sealed: SealedGeneric<u8, Plain, Secret> = place.seal(&generic);
    assert!(!format!("{:?}", sealed.clone()).contains('x'));
    assert!(place.round(&generic) == generic);
}

#[derive(Sealable, PartialEq, Debug)]
struct Tree {
    #[sensitive]
    label: String,
    #[sealable(nested)]
    children: Vec<Self>,
    #[sealable(nested)]
    next: Option<Box<Tree>>,
}

#[derive(Sealable, PartialEq, Debug)]
enum List<T> {
    End,
    Cell(#[sensitive] T, #[sealable(nested)] Box<List<T>>),
}

/// A generic enum, whose struct variants are read through types of their own.
#[derive(Sealable, PartialEq, Debug)]
enum Either<L, R: PartialEq, N>
where
    N: PartialEq,
{
    Left {
        #[serde(default)]
        clear: L,
    },
    Right {
        #[sensitive]
        #[serde(default)]
        sealed: R,
        other: L,
    },
    Nested {
        #[sealable(nested)]
        nested: Vec<N>,
        again: Option<L>,
    },
}

/// An id that names a sealable type, and holds none.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Id<T> {
    id: String,
    #[serde(skip)]
    of: PhantomData<T>,
}

impl<T> Id<T> {
    fn new(id: &str) -> Self {
        Self { id: id.to_owned(), of: PhantomData }
    }
}

impl<T> Clone for Id<T> {
    fn clone(&self) -> Self {
        Self::new(&self.id)
    }
}

impl<T> std::fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.id.fmt(f)
    }
}

impl<T> AsRef<str> for Id<T> {
    fn as_ref(&self) -> &str {
        &self.id
    }
}

#[derive(Sealable)]
#[sealable(collection = "orders")]
#[expect(non_snake_case, reason = "on the plain type alone")]
struct Order {
    #[sealable(id)]
    id: Id<Self>,
    #[sensitive]
    total: u64,
    Note: String,
}

#[test]
fn generic_enums_and_typed_ids_come_back() {
    let place = Place::new();
    for either in [
        Either::Left { clear: 1_u8 },
        Either::Right { sealed: 2_u8, other: 3 },
        Either::Nested { nested: vec![Secret("x".to_owned())], again: None },
    ] {
        assert_eq!(place.round(&either), either);
    }
    let order = Order { id: Id::new("one"), total: 3, Note: String::new() };
    let sealed = place.seal(&order);
    assert_eq!((order.id(), Order::sealed_id(&sealed)), ("one", "one"));
    let opened = place.open::<Order>(sealed).unwrap();
    assert_eq!((opened.id(), opened.total), ("one", 3));
}

#[test]
fn recursive_types_come_back() {
    let place = Place::new();
    let leaf = |label: &str| Tree { label: label.to_owned(), children: vec![], next: None };
    let tree = Tree { children: vec![leaf("a"), leaf("b")], next: Some(Box::new(leaf("c"))), ..leaf("root") };
    assert_eq!(place.round(&tree), tree);
    let list = List::Cell(1, Box::new(List::Cell(2, Box::new(List::End))));
    assert_eq!(place.round(&list), list);
}

#[test]
fn a_partial_enum_is_matched_by_its_variants() {
    let place = Place::new();
    let contact = &external::Contact::all()[1];
    let partial = external::Contact::open_partial(place.seal(contact), &place.location, &place.ring);
    match &partial {
        Partial::<external::Contact>::Struct { kind, number, nested: None } => {
            assert_eq!((kind.as_str(), number.as_ref().unwrap()), ("home", &7));
        }
        _ => panic!("another variant"),
    }
    let again = external::Contact::seal_partial(&partial, &place.location, &place.ring).unwrap();
    assert_eq!(&place.open::<external::Contact>(again).unwrap(), contact);
}

#[derive(Sealable, PartialEq)]
#[sealable(zeroize, debug)]
enum Wiped {
    Named {
        user: String,
        #[sensitive]
        password: String,
    },
    Token(#[sensitive] Vec<u8>),
    Nothing,
}

#[test]
fn sensitive_fields_are_wiped_on_drop() {
    fn wiped_on_drop<T: fireseal::__private::ZeroizeOnDrop>() {}
    wiped_on_drop::<Wiped>();

    let place = Place::new();
    let named = || Wiped::Named { user: "ada".to_owned(), password: "secret".to_owned() };
    assert!(place.round(&named()) == named());
    assert!(place.round(&Wiped::Token(vec![1])) == Wiped::Token(vec![1]));
    assert_eq!(format!("{:?}", named()), "Named { user: \"ada\", password: [sensitive] }");
    assert_eq!(format!("{:?}", Wiped::Nothing), "Nothing");

    let before = WIPED.load(Ordering::Relaxed);
    drop(Counted { clear: Seen, sensitive: Seen });
    assert_eq!(WIPED.load(Ordering::Relaxed), before + 1);
}

static WIPED: AtomicUsize = AtomicUsize::new(0);

/// Counts how often it is wiped.
#[derive(Serialize, Deserialize, Clone, Debug)]
struct Seen;

impl fireseal::__private::Zeroize for Seen {
    fn zeroize(&mut self) {
        WIPED.fetch_add(1, Ordering::Relaxed);
    }
}

#[derive(Sealable)]
#[sealable(zeroize)]
struct Counted {
    clear: Seen,
    #[sensitive]
    sensitive: Seen,
}

#[test]
fn a_local_type_works() {
    #[derive(Sealable, PartialEq, Debug)]
    #[serde(default)]
    struct Local {
        name: String,
        #[sensitive]
        secret: u8,
        #[sealable(nested)]
        kind: Option<Kind>,
    }
    impl Default for Local {
        fn default() -> Self {
            Self { name: "none".to_owned(), secret: 3, kind: None }
        }
    }
    #[derive(Sealable, PartialEq, Debug)]
    enum Kind {
        Some {
            #[sensitive]
            thing: Thing,
        },
    }
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Thing(u8);
    let local = Local { kind: Some(Kind::Some { thing: Thing(1) }), ..Local::default() };
    assert_eq!(Place::new().round(&local), local);
    let empty: SealedLocal = read(&stored(&HashMap::<String, u8>::new())).unwrap();
    assert_eq!(Place::new().open::<Local>(empty).unwrap(), Local::default());
}

#[test]
fn a_companion_leads_back_to_its_type() {
    fn opens_to<C: Companion<Open = T>, T: Sealable<Sealed = C>>() {}
    opens_to::<SealedCustomer, Customer>();
    opens_to::<SealedGeneric<u8, Plain, Secret>, Generic<u8, Plain, Secret>>();
}
