//! How often sealing and opening ask for memory. The allocator of this test counts each time.

#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;

use allocation_counter::measure;
use fireseal::{DataKey, DocumentPath, KeyRing, Location, Sealable};

/// A document of as many fields as there are names.
macro_rules! document {
    ($name:ident: $ty:ty, $plain:expr, $($field:ident)*) => {
        #[derive(Sealable, Clone)]
        struct $name {
            $(#[sensitive]
            $field: $ty,)*
        }

        impl Plain for $name {
            fn plain() -> Self {
                Self { $($field: $plain,)* }
            }
        }
    };
}

trait Plain: Sealable {
    fn plain() -> Self;
}

document!(OneNumber: i64, 1, a);
document!(NineNumbers: i64, 1, a b c d e f g h i);
document!(OneText: String, "of forty bytes, like a name or an address".to_owned(), a);
document!(NineTexts: String, "of forty bytes, like a name or an address".to_owned(), a b c d e f g h i);

/// The allocations of sealing and of opening one document.
fn counts<T: Plain>() -> (u64, u64) {
    let location = Location::new(DocumentPath::parse("customers/ada").unwrap());
    let ring = KeyRing::new(DataKey::generate().unwrap());
    let plain = T::plain();
    let sealed = plain.seal(&location, &ring).unwrap();
    let seal = measure(|| drop(black_box(black_box(&plain).seal(&location, &ring))));
    let open = measure(|| drop(black_box(T::open(sealed, &location, &ring))));
    (seal.count_total, open.count_total)
}

/// What each of eight more fields adds.
fn per_field((one, nine): (u64, u64)) -> u64 {
    (nine - one).div_ceil(8)
}

#[test]
fn sealing_allocates_once_for_each_field() {
    let ((one, _), (nine, _)) = (counts::<OneNumber>(), counts::<NineNumbers>());
    println!("sealing: {one} for a document of one field, {nine} for one of nine");
    assert_eq!(per_field((one, nine)), 1);
    assert_eq!(per_field((counts::<OneText>().0, counts::<NineTexts>().0)), 1);
    assert!(one <= 3, "{one} for a document of one field");
}

#[test]
fn opening_allocates_nothing_for_a_field_but_the_value_s_own() {
    let ((_, one), (_, nine)) = (counts::<OneNumber>(), counts::<NineNumbers>());
    println!("opening: {one} for a document of one field, {nine} for one of nine");
    assert_eq!(per_field((one, nine)), 0);
    assert_eq!(per_field((counts::<OneText>().1, counts::<NineTexts>().1)), 1);
    assert!(one <= 3, "{one} for a document of one field");
}
