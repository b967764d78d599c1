//! Properties of every index: nothing that a condition holds for is missed, and no cover is too large.

use std::collections::BTreeSet;
use std::ops::Bound;

use proptest::prelude::*;
use proptest::sample::select;

use super::range::{Buckets, Interval};
use super::*;
use crate::bytes::{DocumentPath, FieldStep, Location, Scope};
use crate::keys::IndexKey;
use crate::seal::{SealError, Walk};

fn key() -> IndexKey {
    IndexKey::from_bytes(&[7; 32])
}

fn location() -> Location {
    Location::new(DocumentPath::parse("customers/ada").expect("valid"))
}

fn path() -> Vec<String> {
    vec!["field".to_owned()]
}

fn place(scope: &Scope) -> IndexPlace<'_> {
    IndexPlace { realm: None, scope, collection: "customers" }
}

fn kept<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

fn entry(value: &Scalar, info: IndexInfo) -> Result<Entry, SealError> {
    let infos = kept([info]);
    let terms = [Terms { path: path(), values: Values::Field { infos, value: value.clone() } }];
    tokens(&terms, &key(), &location()).map(|mut entries| entries.remove("field").expect("one entry"))
}

fn stored(value: &Scalar, info: IndexInfo) -> BTreeSet<Vec<u8>> {
    let entry = entry(value, info).expect("indexable");
    entry.eq.into_iter().chain(entry.prefix).chain(entry.words).chain(entry.range).collect()
}

fn asked(probe: &Probe, info: IndexInfo, budget: usize) -> Result<ProbeTokens, NotAskable> {
    probe_tokens(probe, &path(), &info, place(&Scope::default()), &key(), budget)
}

/// Whether a document with this value is found, and whether it should be.
fn found(value: &Scalar, probe: &Probe, info: IndexInfo, budget: usize) -> Result<(bool, bool), NotAskable> {
    let asked = asked(probe, info, budget)?;
    assert!(asked.tokens.len() <= budget);
    let stored = stored(value, info);
    Ok((asked.tokens.iter().any(|token| stored.contains(token)), holds(probe, &info, Some(value))))
}

fn normalizers() -> impl Strategy<Value = &'static [Normalizer]> {
    use Normalizer::{CaseFold, Digits, Email, Nfc, Nfkc, Trim};
    let step = select(vec![Trim, CaseFold, Nfc, Nfkc, Email, Digits]);
    proptest::collection::vec(step, 0..3).prop_map(|steps| kept(steps).as_slice())
}

fn info(kind: IndexKind) -> impl Strategy<Value = IndexInfo> {
    (normalizers(), 8..=128_u8).prop_map(move |(normalize, bits)| IndexInfo { kind, normalize, bits })
}

/// Texts that are often alike.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        "[aAbBßéſ1 .@\u{301}ﬁＡ٣-]{0,8}",
        select(vec!["Ada Lovelace", "ada", " ADA ", "Straße", "STRASSE", "ada@x.org", "Ada+1@X.ORG"])
            .prop_map(str::to_owned),
        ".{0,12}",
    ]
}

fn scalars() -> impl Strategy<Value = Scalar> {
    prop_oneof![
        4 => texts().prop_map(Scalar::Text),
        1 => (-3..3_i128).prop_map(Scalar::Integer),
        1 => any::<bool>().prop_map(Scalar::Bool),
        1 => proptest::collection::vec(0..3_u8, 0..3).prop_map(Scalar::Bytes),
    ]
}

fn bound(value: impl Strategy<Value = Scalar> + Clone) -> impl Strategy<Value = Bound<Scalar>> {
    prop_oneof![
        Just(Bound::Unbounded),
        value.clone().prop_map(Bound::Included),
        value.prop_map(Bound::Excluded),
    ]
}

fn decimal() -> impl Strategy<Value = Scalar> + Clone {
    prop_oneof![
        (-3_000_000..3_000_000_i64, 0..4_usize).prop_map(|(units, scale)| {
            let text = format!("{:0>8}", units.abs());
            let (whole, fraction) = text.split_at(8 - scale);
            let sign = if units < 0 { "-" } else { "" };
            Scalar::Text(if scale == 0 {
                format!("{sign}{whole}")
            } else {
                format!("{sign}{whole}.{fraction}")
            })
        }),
        (-3_000.0..3_000.0_f64).prop_map(Scalar::Real),
        (-3_000..3_000_i128).prop_map(Scalar::Integer),
        select(vec![f64::INFINITY, f64::NEG_INFINITY, 0.1, -0.0, 1e300, 5e-324]).prop_map(Scalar::Real),
    ]
}

fn times() -> impl Strategy<Value = Scalar> + Clone {
    prop_oneof![
        (-4_000_000_000..9_000_000_000_i64, 0..3_i32).prop_map(|(seconds, nanos)| {
            Scalar::Text(jiff::Timestamp::new(seconds, nanos * 333).expect("in range").to_string())
        }),
        (1900..2100_i16, 1..=12_i8, 1..=28_i8)
            .prop_map(|(year, month, day)| Scalar::Text(jiff::civil::date(year, month, day).to_string())),
    ]
}

const DECIMALS: Range = Range::Decimal { min: "-1000.00", max: "2000", step: "0.25" };
const TIMES: Range = Range::Time { min: -2_208_988_800, max: 4_102_444_800, step: 86_400 };

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn equality_misses_nothing(
        value in scalars(),
        other in scalars(),
        info in info(IndexKind::Equality),
        same: bool,
    ) {
        let probe = Probe::Eq(if same { value.clone() } else { other });
        let (found, holds) = found(&value, &probe, info, 1).expect("askable");
        prop_assert!(found || !holds);
        prop_assert!(holds || !same);
        prop_assert!(holds || !found || info.bits < 64, "a collision of long tokens");
    }

    #[test]
    fn prefixes_miss_nothing(
        value in texts(),
        other in texts(),
        cut in 0..6_usize,
        info in info(IndexKind::Prefix { min: 1, max: 4 }),
        same: bool,
    ) {
        let start: String = if same { value.chars().take(cut).collect() } else { other };
        match found(&Scalar::Text(value), &Probe::StartsWith(start.into()), info, 1) {
            Ok((found, holds)) => prop_assert!(found || !holds),
            Err(error) => prop_assert_eq!(error, NotAskable::TooShort { min: 1 }),
        }
    }

    #[test]
    fn words_miss_nothing(
        value in texts(),
        other in texts(),
        one in 0..3_usize,
        info in info(IndexKind::Words),
        same: bool,
    ) {
        let word = if same { value.split(' ').nth(one).unwrap_or_default().to_owned() } else { other };
        match found(&Scalar::Text(value), &Probe::Words(vec![word.into()]), info, 1) {
            Ok((found, holds)) => prop_assert!(found || !holds),
            Err(error) => prop_assert_eq!(error, NotAskable::NoWord),
        }
    }

    #[test]
    fn integer_ranges_miss_nothing(
        min in -500..0_i128, width in 1..100_000_i128, step in 1..40_u128,
        value in prop_oneof![(-1_000..100_000_i128), any::<i128>()].prop_map(Scalar::Integer),
        from in bound((-1_000..100_000_i128).prop_map(Scalar::Integer)),
        to in bound(prop_oneof![(-1_000..100_000_i128), any::<i128>()].prop_map(Scalar::Integer)),
        budget in 1..31_usize, bits in 8..=128_u8,
    ) {
        let kind = IndexKind::Range(Range::Integer { min, max: min + width, step });
        let (found, holds) =
            found(&value, &Probe::Range { from, to }, IndexInfo { kind, normalize: &[], bits }, budget).expect("askable");
        prop_assert!(found || !holds);
    }

    #[test]
    fn decimal_ranges_miss_nothing(
        value in decimal(), from in bound(decimal()), to in bound(decimal()), budget in 1..31_usize,
    ) {
        let info = IndexInfo { kind: IndexKind::Range(DECIMALS), normalize: &[], bits: 128 };
        let (found, holds) = found(&value, &Probe::Range { from, to }, info, budget).expect("askable");
        prop_assert!(found || !holds);
    }

    #[test]
    fn time_ranges_miss_nothing(
        value in times(), from in bound(times()), to in bound(times()), budget in 1..31_usize,
    ) {
        let info = IndexInfo { kind: IndexKind::Range(TIMES), normalize: &[], bits: 128 };
        let (found, holds) = found(&value, &Probe::Range { from, to }, info, budget).expect("askable");
        prop_assert!(found || !holds);
    }

    #[test]
    fn compounds_miss_nothing(
        parts in proptest::collection::vec(scalars(), 1..4),
        others in proptest::collection::vec(scalars(), 1..4),
        normalize in normalizers(), same: bool,
    ) {
        let info = kept(CompoundInfo { name: "both", normalize, bits: 128 });
        let asked_for = if same { parts.clone() } else { others };
        let path = vec!["both".to_owned()];
        let terms = [Terms { path: path.clone(), values: Values::Compound { info, parts: parts.clone() } }];
        let entry = tokens(&terms, &key(), &location()).expect("indexable").remove("both").expect("one");
        let asked = compound_tokens(&asked_for, &path, info, place(&Scope::default()), &key()).expect("askable");
        let stored: Vec<_> = parts.into_iter().map(Some).collect();
        prop_assert_eq!(asked.tokens.first() == entry.eq.as_ref(), compound_holds(&asked_for, info, &stored));
        prop_assert!(!same || compound_holds(&asked_for, info, &stored));
    }

    #[test]
    fn a_cover_is_exact_or_says_that_it_is_not(
        count in 2..5_000_i128, a in 0..5_000_i128, b in 0..5_000_i128, budget in 1..31_usize,
    ) {
        let (first, last) = (a.min(b).min(count - 1), a.max(b).min(count - 1));
        let buckets = Buckets::of(&Range::Integer { min: 0, max: count - 1, step: 1 }).expect("valid");
        let cover = cover(&buckets, first, last, budget);
        let covered: Vec<i128> = (0..count).filter(|value| {
            let point = buckets.point(&Scalar::Integer(*value)).expect("an integer");
            buckets.intervals(&point).any(|interval| cover.0.contains(&interval))
        }).collect();
        let wanted: Vec<i128> = (first..=last).collect();
        prop_assert!(wanted.iter().all(|value| covered.contains(value)));
        prop_assert!(cover.1 || covered == wanted);
        prop_assert!(cover.0.len() <= budget);
    }
}

fn cover(buckets: &Buckets, first: i128, last: i128, budget: usize) -> (Vec<Interval>, bool) {
    let (first, last) = (Scalar::Integer(first), Scalar::Integer(last));
    let cover = buckets.cover(Bound::Included(&first), Bound::Included(&last), budget).expect("integers");
    (cover.intervals, cover.widened)
}

#[test]
fn thirty_tokens_cover_65_536_buckets_and_fifteen_256() {
    for (count, budget) in [(65_536_i128, 30), (256, 15)] {
        let buckets = Buckets::of(&Range::Integer { min: 0, max: count - 1, step: 1 }).expect("valid");
        let mut most = 0;
        let ends: Vec<i128> = (0..count.min(400))
            .chain(count / 2 - 50..count / 2 + 50)
            .chain(count - 400.min(count)..count)
            .collect();
        for first in &ends {
            for last in ends.iter().filter(|last| *last >= first) {
                let (intervals, widened) = cover(&buckets, *first, *last, budget);
                assert!(!widened, "{first} to {last} of {count}");
                most = most.max(intervals.len());
            }
        }
        println!("{count} buckets: at most {most} tokens");
        assert!(most > 10);
    }
    // The worst of all covers.
    let buckets = Buckets::of(&Range::Integer { min: 0, max: 65_535, step: 1 }).expect("valid");
    assert_eq!(cover(&buckets, 1, 65_534, 30).0.len(), 30);
    let (intervals, widened) = cover(&buckets, 1, 65_534, 29);
    assert!(widened && intervals.len() <= 29);
}

#[test]
fn the_widest_domain_works() {
    let range = Range::Integer { min: i128::MIN, max: i128::MAX, step: 1 };
    let buckets = Buckets::of(&range).expect("valid");
    assert_eq!(cover(&buckets, i128::MIN, i128::MAX, 1).0, [Interval { level: 128, index: 0 }]);
    let info = IndexInfo { kind: IndexKind::Range(range), normalize: &[], bits: 128 };
    assert_eq!(entry(&Scalar::Integer(-1), info).expect("indexable").range.len(), 129);
}

#[test]
fn nothing_is_asked_for_an_empty_range() {
    let info = IndexInfo {
        kind: IndexKind::Range(Range::Integer { min: 0, max: 99, step: 10 }),
        normalize: &[],
        bits: 128,
    };
    let ask = |from, to| asked(&Probe::Range { from, to }, info, 30).expect("askable").tokens.len();
    let at = Scalar::Integer;
    assert_eq!(ask(Bound::Included(at(7)), Bound::Included(at(6))), 0);
    assert_eq!(ask(Bound::Excluded(at(6)), Bound::Excluded(at(7))), 0);
    assert_eq!(ask(Bound::Included(at(6)), Bound::Included(at(6))), 1);
    assert_eq!(ask(Bound::Included(at(1_000)), Bound::Unbounded), 1);
}

#[test]
fn what_cannot_be_indexed_is_refused_by_name() {
    let range = |range| IndexInfo { kind: IndexKind::Range(range), normalize: &[], bits: 128 };
    let integers = range(Range::Integer { min: 0, max: 9, step: 1 });
    let text = |text: &str| Scalar::Text(text.to_owned());
    let plain = |kind| IndexInfo { kind, normalize: &[], bits: 128 };
    for (value, info, wanted) in [
        (Scalar::Real(1.0), plain(IndexKind::Equality), NotIndexable::Real),
        (Scalar::Integer(1), plain(IndexKind::Words), NotIndexable::NotText),
        (Scalar::Integer(1), plain(IndexKind::Prefix { min: 1, max: 2 }), NotIndexable::NotText),
        (text("a"), plain(IndexKind::Prefix { min: 0, max: 2 }), NotIndexable::Bounds),
        (text("a"), plain(IndexKind::Prefix { min: 3, max: 2 }), NotIndexable::Bounds),
        (text("1"), integers, NotIndexable::NotInRange),
        (Scalar::Real(f64::NAN), range(DECIMALS), NotIndexable::Real),
        (text("1e5"), range(DECIMALS), NotIndexable::NotInRange),
        (text("yesterday"), range(TIMES), NotIndexable::NotInRange),
        (Scalar::Integer(1), range(Range::Integer { min: 5, max: 5, step: 1 }), NotIndexable::Bounds),
        (Scalar::Integer(1), range(Range::Integer { min: 5, max: 6, step: 0 }), NotIndexable::Bounds),
        (text("1"), range(Range::Decimal { min: "0", max: "1", step: "-1" }), NotIndexable::Bounds),
        (text("1"), range(Range::Decimal { min: "0", max: "x", step: "1" }), NotIndexable::Bounds),
    ] {
        match entry(&value, info) {
            Err(SealError::NotIndexable { field, source }) => {
                assert_eq!((field.to_string().as_str(), source), ("field", wanted));
            }
            other => panic!("{info:?} gave {other:?}"),
        }
    }
}

#[test]
fn a_document_has_at_most_a_thousand_tokens() {
    let words = |count: usize| Scalar::Text((0..count).map(|word| format!("w{word} ")).collect());
    let info = IndexInfo { kind: IndexKind::Words, normalize: &[], bits: 128 };
    assert_eq!(entry(&words(1_000), info).expect("few enough").words.len(), 1_000);
    assert!(matches!(entry(&words(1_001), info), Err(SealError::TooManyTokens { count: 1_001 })));
}

#[test]
fn tokens_differ_wherever_anything_differs() {
    let ada = Scalar::Text("ada".to_owned());
    let usual = IndexInfo { kind: IndexKind::Unique, normalize: &[], bits: 128 };
    let of = |info: IndexInfo, path: &[&str], document: &str, scope: &str, realm: Option<&str>, key: u8| {
        let document = DocumentPath::parse(document).expect("valid");
        let mut location = Location::new(document).with_scope(Scope::new(scope).expect("valid"));
        if let Some(realm) = realm {
            location = location.with_realm(realm).expect("valid");
        }
        let path = path.iter().map(|name| (*name).to_owned()).collect();
        let terms = [Terms { path, values: Values::Field { infos: kept([info]), value: ada.clone() } }];
        let entries = tokens(&terms, &IndexKey::from_bytes(&[key; 32]), &location).expect("indexable");
        let entry = entries.into_values().next().expect("one");
        (entry.eq.expect("equality"), entry.unique.map(|token| token.to_vec()))
    };
    let folded = IndexInfo { normalize: &[Normalizer::CaseFold], ..usual };
    let all = [
        of(usual, &["a"], "c/1", "s", None, 1),
        of(folded, &["a"], "c/1", "s", None, 1),
        of(usual, &["b"], "c/1", "s", None, 1),
        of(usual, &["a", "a"], "c/1", "s", None, 1),
        of(usual, &["a"], "d/1", "s", None, 1),
        of(usual, &["a"], "c/1", "t", None, 1),
        of(usual, &["a"], "c/1", "s", Some("r"), 1),
        of(usual, &["a"], "c/1", "s", None, 2),
    ];
    assert_eq!(
        all.iter().flat_map(|(eq, unique)| [Some(eq), unique.as_ref()]).collect::<BTreeSet<_>>().len(),
        16
    );
    assert_eq!(all[0], of(usual, &["a"], "c/2", "s", None, 1), "the document is not part of it");
    let other = of(usual, &["a"], "x/y/c/1", "s", None, 1);
    assert_eq!(all[0].0, other.0, "equality is of the collection's id, for group queries");
    assert_ne!(all[0].1, other.1, "unique is of one collection");
    let equality = of(IndexInfo { kind: IndexKind::Equality, ..usual }, &["a"], "c/1", "s", None, 1);
    assert_eq!(all[0].0, equality.0, "a unique index is an equality index too");
    let short = of(IndexInfo { bits: 13, ..usual }, &["a"], "c/1", "s", None, 1).0;
    assert!(short.len() == 2 && short[1] & 0b111 == 0);
}

#[test]
fn names_of_nested_fields_stay_apart() {
    let name = |path: &[&str]| entry_name(&path.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    assert_eq!(name(&["address", "city"]), "address.city");
    assert_eq!(name(&["address.city"]), "address\\.city");
    assert_eq!(name(&["address\\", "city"]), "address\\\\.city");
}

#[test]
fn a_reservation_vouches_for_its_owner_only() {
    let at = |path: &str| Location::new(DocumentPath::parse(path).expect("valid"));
    let code = vouch(&key(), &[1; 32], &at("customers/ada"));
    assert!(is_vouched(&key(), &[1; 32], &at("customers/ada"), &code));
    assert!(!is_vouched(&key(), &[1; 32], &at("customers/bob"), &code));
    assert!(!is_vouched(&key(), &[2; 32], &at("customers/ada"), &code));
    assert!(!is_vouched(&IndexKey::from_bytes(&[8; 32]), &[1; 32], &at("customers/ada"), &code));
    let elsewhere = at("customers/ada").with_scope(Scope::new("acme").expect("valid"));
    assert!(!is_vouched(&key(), &[1; 32], &elsewhere, &code));
    assert!(!is_vouched(&key(), &[1; 32], &at("customers/ada"), &code[..31]));
}

#[test]
fn the_walk_collects_what_has_a_value() {
    const INFO: &[IndexInfo] = &[IndexInfo { kind: IndexKind::Equality, normalize: &[], bits: 128 }];
    const BOTH: &CompoundInfo = &CompoundInfo { name: "both", normalize: &[], bits: 128 };
    let mut walk = Walk::indexing();
    let collected: Result<(), SealError> = walk.key("outer", |walk| {
        walk.key("a", |walk| walk.value("ada", INFO))?;
        walk.key("b", |walk| walk.value(&None::<u8>, INFO))?;
        walk.compound(BOTH, &[&"ada", &Some(7_u16)])?;
        walk.compound(BOTH, &[&"ada", &None::<u16>])
    });
    collected.expect("indexable");
    let wrong = walk.key("list", |walk| walk.value(&["a"][..], INFO));
    let Err(SealError::NotIndexable { field, source }) = wrong else { panic!("a list was indexed") };
    assert_eq!(
        (field.steps(), source),
        (&[FieldStep::Key("list".to_owned())][..], NotIndexable::NotOneValue)
    );
    let terms = walk.into_terms();
    let paths: Vec<_> = terms.iter().map(|term| term.path.join("/")).collect();
    assert_eq!(paths, ["outer/a", "outer/both"]);
    assert!(!format!("{terms:?}").contains("ada"));
    let twice = || Terms { path: path(), values: Values::Field { infos: INFO, value: Scalar::Integer(1) } };
    let taken = tokens(&[twice(), twice()], &key(), &location());
    assert!(matches!(taken, Err(SealError::NotIndexable { source: NotIndexable::NameTaken, .. })));
}

#[test]
fn a_scalar_is_what_serde_makes_of_a_value() {
    #[derive(serde::Serialize)]
    struct Newtype(u8);
    #[derive(serde::Serialize)]
    enum Kind {
        #[serde(rename = "plain")]
        Unit,
        Full(u8),
    }
    assert_eq!(scalar(&Newtype(3)), Ok(Some(Scalar::Integer(3))));
    assert_eq!(scalar(&-3_i64), Ok(Some(Scalar::Integer(-3))));
    assert_eq!(scalar(&u64::MAX), Ok(Some(Scalar::Integer(u64::MAX.into()))));
    assert_eq!(scalar(&u128::MAX), Err(NotIndexable::TooLarge));
    assert_eq!(scalar(&Kind::Unit), Ok(Some(Scalar::Text("plain".to_owned()))));
    assert_eq!(scalar(&Kind::Full(1)), Err(NotIndexable::NotOneValue));
    assert_eq!(scalar(&'x'), Ok(Some(Scalar::Text("x".to_owned()))));
    assert_eq!(scalar(&Some(Some(true))), Ok(Some(Scalar::Bool(true))));
    assert_eq!(scalar(&()), Ok(None));
    assert_eq!(
        (scalar(&0.5_f32), scalar(&0.5_f64)),
        (Ok(Some(Scalar::Real(0.5))), Ok(Some(Scalar::Real(0.5))))
    );
    assert_eq!(format!("{:?}", Scalar::Integer(7)), "[sensitive]");
    assert_eq!(scalar(serde_bytes::Bytes::new(b"x")), Ok(Some(Scalar::Bytes(b"x".to_vec()))));
    assert_eq!(scalar(&chrono::NaiveDate::MIN), Ok(Some(Scalar::Text("-262143-01-01".to_owned()))));
    assert_eq!(scalar(&vec![1]), Err(NotIndexable::NotOneValue));
}
