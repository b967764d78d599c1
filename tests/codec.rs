//! Whatever serde can describe is sealed and opened again unchanged; whatever was not sealed here
//! never opens and never panics.

#![allow(clippy::unwrap_used)]

#[path = "support/promise.rs"]
mod promise;

#[path = "support/one.rs"]
mod one;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Debug;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, NaiveDate, Utc};
use fireseal::{Cause, Sealable, to_json};
use firestore::{
    FirestoreGeoPoint, FirestoreInstant, FirestoreLatLng, FirestoreReference, FirestoreTimestamp,
    FirestoreVector,
};
use one::{One, OneSealed, Plain, Raw, cause, location, ring};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// Version, key id, nonce and tag.
const OVERHEAD: usize = 73;

/// Seals, carries the envelope as bytes and as JSON, opens, and tells what came back.
fn there_and_back<T: Plain, const PAD: u32>(value: T) -> T {
    let plain = One::<T, PAD>(value);
    let sealed = plain.seal(&location(), &ring()).unwrap();
    let One(opened) = One::<T, PAD>::open(sealed.of_type(), &location(), &ring()).unwrap();
    let json: OneSealed<T> = serde_json::from_value(to_json(&sealed).unwrap()).unwrap();
    assert_eq!(json.bytes(), sealed.bytes());
    opened
}

fn comes_back<T: Plain + Clone + PartialEq + Debug>(value: T) {
    assert_eq!(there_and_back::<T, 0>(value.clone()), value);
    assert_eq!(there_and_back::<T, 64>(value.clone()), value);
    CAME_BACK.set(CAME_BACK.get() + 2);
    // A test has hundreds of values: its record is written now and then.
    if CAME_BACK.get().is_multiple_of(64) {
        promise::Promise::kept("values_return", CAME_BACK.get());
    }
}

thread_local! {
    /// How many values came back in the test of this thread.
    static CAME_BACK: Cell<usize> = const { Cell::new(0) };
}

fn fails_to_open<T: Plain + Debug>(value: T) -> Cause {
    let sealed = One::<T>(value).seal(&location(), &ring()).unwrap();
    cause(&One::<T>::open(sealed, &location(), &ring()).unwrap_err())
}

/// A float that is equal where its bits are: NaN to itself, -0.0 not to 0.0.
#[derive(Serialize, Deserialize, Clone, Copy, Debug)]
struct Bits(f64);

impl PartialEq for Bits {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug)]
struct Bits32(f32);

impl PartialEq for Bits32 {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct Unit;

#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
struct Newtype(Vec<u8>);

#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
struct Pair(u8, String);

#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(rename_all = "camelCase")]
struct Named {
    some_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    maybe: Option<i32>,
    bytes: Vec<u8>,
    packed: ByteBuf,
    three: (u8, u8, u8),
    four: [u8; 4],
    float: Bits,
    list: Vec<Pair>,
}

#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
struct Flat {
    id: u64,
    #[serde(flatten)]
    named: Named,
    #[serde(flatten)]
    rest: BTreeMap<String, Vec<u8>>,
}

macro_rules! tagged {
    ($name:ident $(, $attribute:meta)*) => {
        #[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
        $(#[serde($attribute)])*
        enum $name {
            Named(Named),
            Struct { bytes: Vec<u8>, three: (u8, u8, u8), map: BTreeMap<String, i64>, float: Bits },
            Wrapped(BTreeMap<String, String>),
            Unit,
        }

        impl From<Shape> for $name {
            fn from(shape: Shape) -> Self {
                let Shape { variant, named, map, text } = shape;
                match variant {
                    0 => Self::Named(named),
                    1 => {
                        Self::Struct { bytes: named.bytes, three: named.three, map, float: named.float }
                    }
                    2 => Self::Wrapped(text),
                    _ => Self::Unit,
                }
            }
        }
    };
}

tagged!(External);
tagged!(Internal, tag = "type");
tagged!(Adjacent, tag = "type", content = "content");
tagged!(Untagged, untagged);

/// The variants that internal tagging has no form for.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
enum ExternalTuples {
    Newtype(Vec<u8>),
    Tuple(u8, u8, u8),
    Text(String),
    Optional(Option<u64>),
}

#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(tag = "t", content = "c")]
enum AdjacentTuples {
    Newtype(Vec<u8>),
    Tuple(u8, u8, u8),
    Text(String),
}

#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(untagged)]
enum UntaggedTuples {
    Number(u8),
    Tuple(u8, u8, u8),
    Newtype(Vec<u8>),
    Text(String),
}

/// What the variants of an enum are made of.
#[derive(Clone, Debug)]
struct Shape {
    variant: u8,
    named: Named,
    map: BTreeMap<String, i64>,
    text: BTreeMap<String, String>,
}

fn bits() -> impl Strategy<Value = Bits> {
    prop_oneof![any::<u64>().prop_map(f64::from_bits), proptest::num::f64::ANY].prop_map(Bits)
}

fn named() -> impl Strategy<Value = Named> {
    let pair = (any::<u8>(), ".{0,4}").prop_map(|(number, text)| Pair(number, text));
    let bytes = prop::collection::vec(any::<u8>(), 0..40);
    let packed = prop::collection::vec(any::<u8>(), 0..40).prop_map(ByteBuf::from);
    (".*", any::<Option<i32>>(), bytes, packed, any::<(u8, u8, u8)>(), any::<[u8; 4]>(), bits(), {
        prop::collection::vec(pair, 0..4)
    })
        .prop_map(|(some_name, maybe, bytes, packed, three, four, float, list)| Named {
            some_name,
            maybe,
            bytes,
            packed,
            three,
            four,
            float,
            list,
        })
}

fn shape() -> impl Strategy<Value = Shape> {
    let map = prop::collection::btree_map(".{0,4}", any::<i64>(), 0..4);
    let text = prop::collection::btree_map("[a-m]{1,4}", ".{0,8}", 0..4);
    (0..4u8, named(), map, text).prop_map(|(variant, named, map, text)| Shape { variant, named, map, text })
}

proptest! {
    #[test]
    fn integers(a: (i8, i16, i32, i64, i128), b: (u8, u16, u32, u64, u128), c: (isize, usize, bool, char)) {
        comes_back((a, b, c));
        comes_back(a.4);
        comes_back(b.4);
    }

    #[test]
    fn floats(a in bits(), b in any::<u32>()) {
        comes_back(a);
        comes_back(Bits32(f32::from_bits(b)));
    }

    #[test]
    fn text_and_bytes(text: String, bytes: Vec<u8>, array: [u8; 32], letter: char) {
        comes_back(text.clone());
        comes_back(letter);
        comes_back(bytes.clone());
        comes_back(array);
        comes_back(ByteBuf::from(bytes.clone()));
        comes_back(serde_bytes::ByteArray::new(array));
        comes_back(Some(bytes.clone()));
        comes_back(bytes.iter().copied().collect::<BTreeSet<_>>());
        comes_back(bytes.iter().copied().collect::<VecDeque<_>>());
        comes_back(bytes.into_iter().map(|byte| (byte, text.clone())).collect::<BTreeMap<_, _>>());
    }

    #[test]
    fn raw_bytes(bytes: Vec<u8>, array: [u8; 16]) {
        fn comes_back<T: fireseal::RawBytes + Clone + PartialEq + Debug>(value: T) -> usize {
            let sealed = Raw::<T>(value.clone()).seal(&location(), &ring()).unwrap();
            let padded = Raw::<T, 32>(value.clone()).seal(&location(), &ring()).unwrap();
            assert_eq!((padded.bytes().len() - OVERHEAD) % 32, 0);
            let length = sealed.bytes().len();
            for sealed in [sealed, padded] {
                assert_eq!(Raw::<T>::open(sealed, &location(), &ring()).unwrap().0, value);
            }
            length
        }
        prop_assert_eq!(comes_back(bytes.clone()), OVERHEAD + 1 + bytes.len());
        comes_back(array);
        comes_back(Some(bytes.clone()));
        comes_back(None::<Vec<u8>>);
        comes_back(bytes.into_boxed_slice());
    }

    #[test]
    fn options_and_nesting(
        option: Option<i64>,
        text: Option<String>,
        nested in prop::collection::vec(prop::collection::vec(any::<Option<u16>>(), 0..5), 0..5),
        maps in prop::collection::btree_map(".{0,3}", prop::collection::btree_map(any::<i64>(), {
            prop::collection::vec(".{0,3}", 0..3)
        }, 0..3), 0..3),
        unsigned in prop::collection::hash_map(any::<u64>(), any::<bool>(), 0..9),
        set in prop::collection::btree_set(".{0,9}", 0..9),
        letters in prop::collection::btree_map(any::<char>(), {
            prop::collection::hash_set(any::<i8>(), 0..5)
        }, 0..5),
    ) {
        comes_back(option);
        comes_back(text);
        comes_back(nested);
        comes_back(maps);
        comes_back(unsigned);
        comes_back(set);
        comes_back(letters);
    }

    #[test]
    fn structs_and_flattening(
        named in named(),
        id: u64,
        rest in prop::collection::btree_map("[n-z]{8}", any::<Vec<u8>>(), 0..3),
    ) {
        comes_back(Newtype(named.bytes.clone()));
        comes_back(named.clone());
        comes_back(Some(Box::new(named.clone())));
        comes_back(Flat { id, named, rest });
    }

    #[test]
    fn enums_of_every_tagging(shape in shape()) {
        comes_back(External::from(shape.clone()));
        comes_back(Internal::from(shape.clone()));
        comes_back(Adjacent::from(shape.clone()));
        comes_back(Untagged::from(shape.clone()));
        comes_back(vec![Some(External::from(shape.clone())), None]);
        comes_back(BTreeMap::from([(1, Internal::from(shape))]));
    }

    #[test]
    fn tuple_variants(bytes: Vec<u8>, three: (u8, u8, u8), text: String, number: Option<u64>) {
        comes_back(ExternalTuples::Newtype(bytes.clone()));
        comes_back(ExternalTuples::Tuple(three.0, three.1, three.2));
        comes_back(ExternalTuples::Text(text.clone()));
        comes_back(ExternalTuples::Optional(number));
        comes_back(AdjacentTuples::Newtype(bytes.clone()));
        comes_back(AdjacentTuples::Tuple(three.0, three.1, three.2));
        comes_back(AdjacentTuples::Text(text.clone()));
        comes_back(UntaggedTuples::Tuple(three.0, three.1, three.2));
        comes_back(vec![UntaggedTuples::Number(three.0), UntaggedTuples::Text(text)]);
        if bytes.len() != 3 {
            comes_back(UntaggedTuples::Newtype(bytes));
        }
    }

    #[test]
    fn times_and_addresses(
        duration: Duration,
        seconds in 0..4_000_000_000u64,
        nanos in 0..1_000_000_000u32,
        v4: [u8; 4],
        v6: [u8; 16],
        port: u16,
    ) {
        comes_back(duration);
        comes_back(SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos));
        comes_back(IpAddr::V4(Ipv4Addr::from(v4)));
        comes_back(SocketAddr::new(IpAddr::V6(Ipv6Addr::from(v6)), port));
        let time = DateTime::<Utc>::from_timestamp(seconds.try_into().unwrap(), nanos).unwrap();
        comes_back(time);
        comes_back(time.date_naive());
        let instant = FirestoreInstant::new(seconds.try_into().unwrap(), nanos.try_into().unwrap()).unwrap();
        comes_back(instant);
        comes_back(FirestoreTimestamp(instant));
        comes_back(Some(FirestoreTimestamp(instant)));
    }

    #[test]
    fn firestore_types(latitude in -90.0..90.0f64, longitude in -180.0..180.0f64, id in "[a-z]{1,20}") {
        comes_back(FirestoreVector::new(vec![latitude, longitude]));
        comes_back(FirestoreGeoPoint { latitude, longitude });
        comes_back(FirestoreLatLng(FirestoreGeoPoint { latitude, longitude }));
        comes_back(FirestoreReference(format!("projects/p/databases/(default)/documents/c/{id}")));
    }

    #[test]
    fn json_values(text: String, number: i64, float in -1e300..1e300f64) {
        comes_back(serde_json::json!({ "a": [text, number, float, null, true], "": {} }));
    }

    #[test]
    fn bytes_that_were_never_sealed_do_not_open(bytes: Vec<u8>, prefix in 0..3usize) {
        // Random bytes, random bytes behind a version, and behind a version and a known key id.
        let key_id = ring().primary().id();
        let front: &[&[u8]] = &[&[], &[1], &[&[1], key_id.as_bytes().as_slice()].concat()];
        let bytes = [front[prefix], &bytes].concat();
        let error = One::<Vec<u8>>::open(OneSealed::from_bytes(&bytes), &location(), &ring()).unwrap_err();
        prop_assert!(matches!(cause(&error), Cause::Malformed | Cause::KeyUnknown(_) | Cause::DoesNotOpen));
    }

    #[test]
    fn changed_envelopes_do_not_open(
        text: String,
        edits in prop::collection::vec((any::<prop::sample::Index>(), 1..=255u8), 1..8),
        cut in any::<Option<prop::sample::Index>>(),
        tail: Vec<u8>,
    ) {
        let sealed = One::<_>(text).seal(&location(), &ring()).unwrap();
        let mut bytes = sealed.bytes().to_vec();
        for (position, flip) in edits {
            let position = position.index(bytes.len());
            bytes[position] ^= flip;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        bytes.extend(tail);
        if bytes != sealed.bytes() {
            let stored = OneSealed::<String>::from_bytes(&bytes);
            prop_assert!(One::<String>::open(stored, &location(), &ring()).is_err());
        }
    }
}

#[test]
fn every_bit_counts() {
    let sealed = One::<_>("secret").seal_text();
    for position in 0..sealed.len() {
        for bit in 0..8 {
            let mut bytes = sealed.clone();
            bytes[position] ^= 1 << bit;
            assert!(!opens(&bytes), "bit {bit} of byte {position} may change");
        }
        assert!(!opens(&sealed[..position]), "cut to {position} bytes");
    }
    assert!(opens(&sealed));
}

impl One<&str> {
    fn seal_text(&self) -> Vec<u8> {
        One::<_>(self.0.to_owned()).seal(&location(), &ring()).unwrap().bytes().to_vec()
    }
}

fn opens(bytes: &[u8]) -> bool {
    One::<String>::open(OneSealed::from_bytes(bytes), &location(), &ring()).is_ok()
}

#[test]
fn extremes() {
    for value in [u64::MIN, 1 << 53, i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX] {
        comes_back(value);
    }
    for value in [i64::MIN, -1, i64::MAX] {
        comes_back(value);
    }
    for value in [i128::MIN, -1, 0, 1, i128::MAX] {
        comes_back(value);
    }
    for value in [0, u128::MAX] {
        comes_back(value);
    }
    for value in [f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.0, f64::MIN_POSITIVE, 5e-324]
    {
        comes_back(Bits(value));
    }
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0, f32::MAX] {
        comes_back(Bits32(value));
    }
    for value in ['\0', 'é', '\u{10ffff}'] {
        comes_back(value);
    }
    comes_back(());
    comes_back(Unit);
    comes_back(Some(Unit));
    comes_back(None::<Unit>);
    comes_back(NaiveDate::MIN);
    comes_back(Duration::MAX);
    comes_back([0u8; 0]);
    comes_back("x".repeat(1_048_000));
    comes_back(vec![0xffu8; 700_000]);
}

/// What MessagePack does not bring back: an option whose inner value is itself nil, and 128 bits where
/// serde buffers. `docs/format.md` says so, and the derive refuses `Option<Option<_>>` where it sees it.
#[test]
fn what_does_not_come_back() {
    assert_eq!(there_and_back::<Option<Option<u8>>, 0>(Some(None)), None);
    assert_eq!(there_and_back::<Option<()>, 0>(Some(())), None);
    assert_eq!(there_and_back::<Option<serde_json::Value>, 0>(Some(serde_json::Value::Null)), None);

    #[derive(Serialize, Deserialize, Debug)]
    #[serde(tag = "type")]
    enum Wide {
        Number { value: i128 },
    }
    assert_eq!(fails_to_open(Wide::Number { value: 1 }), Cause::OtherType);
}

#[test]
fn overhead_is_73_bytes_and_a_content_byte() {
    for length in [0, 1, 31] {
        let sealed = One::<_>("x".repeat(length)).seal(&location(), &ring()).unwrap();
        assert_eq!(sealed.bytes().len(), OVERHEAD + 1 + 1 + length);
    }
    let sealed = One::<_>(None::<String>).seal(&location(), &ring()).unwrap();
    assert_eq!(sealed.bytes().len(), OVERHEAD + 1 + 1);
}

#[test]
fn padding_hides_the_length_within_a_bucket() {
    fn check<const PAD: u32>() {
        for length in 0..=200 {
            let plain = One::<_>("x".repeat(length)).seal(&location(), &ring()).unwrap();
            let padded = One::<_, PAD>("x".repeat(length)).seal(&location(), &ring()).unwrap();
            // The mark that padding begins with is always there.
            let bucket = (plain.bytes().len() - OVERHEAD + 1).next_multiple_of(PAD as usize);
            assert_eq!(padded.bytes().len(), OVERHEAD + bucket, "{length} bytes to {PAD}");
            let One(opened) = One::<String, 0>::open(padded, &location(), &ring()).unwrap();
            assert_eq!(opened.len(), length);
        }
    }
    check::<1>();
    check::<16>();
    check::<100>();
    check::<256>();
    let none = One::<_, 64>(None::<String>).seal(&location(), &ring()).unwrap();
    let some = One::<_, 64>(Some("536-22-1234".to_owned())).seal(&location(), &ring()).unwrap();
    assert_eq!(none.bytes().len(), some.bytes().len());
}

#[test]
fn a_value_of_another_type_does_not_open() {
    let sealed = One::<_>("text".to_owned()).seal(&location(), &ring()).unwrap();
    fn refused<T: Plain + Debug>(sealed: &OneSealed<String>) {
        let error = One::<T>::open(sealed.of_type(), &location(), &ring()).unwrap_err();
        assert_eq!(cause(&error), Cause::OtherType, "{}", std::any::type_name::<T>());
    }
    refused::<u64>(&sealed);
    refused::<bool>(&sealed);
    refused::<char>(&sealed);
    refused::<Vec<String>>(&sealed);
    refused::<BTreeMap<String, String>>(&sealed);
    refused::<Named>(&sealed);
    refused::<External>(&sealed);
    refused::<DateTime<Utc>>(&sealed);

    let raw = Raw::<_>(vec![0xa1, b'x']).seal(&location(), &ring()).unwrap();
    let error = One::<String>::open(raw.of_type(), &location(), &ring()).unwrap_err();
    assert_eq!(cause(&error), Cause::OtherType, "raw bytes are not read as MessagePack");
}
