//! What an index tells whoever reads the database, measured on given values.

use std::collections::{HashMap, HashSet};
use std::fmt;

use super::canonical::Canonical;
use super::info::{IndexInfo, IndexKind};
use super::place::{IndexPlace, unique};
use super::scalar::{NotIndexable, Scalar};
use super::tokens::{Entry, Maker, fill};
use crate::bytes::{CollectionPath, Scope};
use crate::keys::{IndexKey, KeyError};

/// What an index tells an observer who reads the whole database and has no key, for given values. The
/// tokens are really made, under a key that is thrown away.
///
/// ```
/// use fireseal::{IndexInfo, IndexKind, Leakage, Normalizer, Scalar};
///
/// let info = IndexInfo { kind: IndexKind::Equality, normalize: &[Normalizer::CaseFold], bits: 128 };
/// let values = ["red", "Red", "blue"].map(|value| Scalar::Text(value.to_owned()));
/// let leakage = Leakage::of(info, &values)?;
/// assert_eq!((leakage.distinct, leakage.classes), (2, 2));
/// println!("{leakage}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Leakage {
    /// How many values there are.
    pub values: usize,
    /// How many of them differ after normalising.
    pub distinct: usize,
    /// How many sets of tokens differ: values with the same set are equal to an observer.
    pub classes: usize,
    /// How many values the largest class has: the most frequent value, in most cases.
    pub largest: usize,
    /// How many classes have one value only.
    pub alone: usize,
    /// The entropy of the classes, in bits: what an observer learns of a value on average. The entropy of
    /// the values is its upper limit.
    pub entropy: f64,
    /// How many of the different values are expected to share a token with another one at the index's
    /// bits; for kinds of one token only. None of a unique index, whose token for the reservation is of 256
    /// bits, whatever the index's.
    pub collisions: f64,
    /// The tokens of one value: the fewest, the mean, the most. A unique index has two: one to be found by,
    /// and one for the reservation.
    pub tokens: (usize, f64, usize),
    /// How many tokens differ.
    pub distinct_tokens: usize,
    /// In how many values the token occurs that is in the most of them, and is not in all.
    pub commonest: usize,
    kind: IndexKind,
    bits: u8,
}

/// Why a leakage cannot be told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LeakageError {
    /// A value has no place in the index.
    #[error("value {position} cannot be indexed: {source}")]
    NotIndexable {
        /// Its position among the values, from 1.
        position: usize,
        /// Why not.
        source: NotIndexable,
    },
    /// There is no random key.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl Leakage {
    /// Measures what an index tells of these values, one for each document.
    ///
    /// # Errors
    /// A value that the index does not take, or no random numbers.
    pub fn of(info: IndexInfo, values: &[Scalar]) -> Result<Self, LeakageError> {
        let key = IndexKey::generate()?;
        let mut classes: HashMap<Vec<Vec<u8>>, usize> = HashMap::new();
        let mut occurrences: HashMap<Vec<u8>, usize> = HashMap::new();
        let mut distinct = HashSet::new();
        let mut counts = Vec::with_capacity(values.len());
        for (position, value) in values.iter().enumerate() {
            let all = tokens_of(&key, info, value)
                .map_err(|source| LeakageError::NotIndexable { position: position + 1, source })?;
            counts.push(all.len());
            all.iter().for_each(|token| *occurrences.entry(token.clone()).or_default() += 1);
            *classes.entry(all).or_default() += 1;
            distinct.insert(match value {
                Scalar::Real(real) => real.to_bits().to_le_bytes().to_vec(),
                _ => canonical(value, info)
                    .map_err(|source| LeakageError::NotIndexable { position: position + 1, source })?,
            });
        }
        Ok(Self {
            values: values.len(),
            distinct: distinct.len(),
            classes: classes.len(),
            largest: classes.values().copied().max().unwrap_or(0),
            alone: classes.values().filter(|count| **count == 1).count(),
            entropy: entropy(classes.values().copied(), values.len()),
            collisions: collisions(distinct.len(), longest(info)),
            tokens: spread(&counts),
            distinct_tokens: occurrences.len(),
            commonest: occurrences.values().copied().filter(|count| *count < values.len()).max().unwrap_or(0),
            kind: info.kind,
            bits: info.bits,
        })
    }
}

/// All tokens of one value.
fn tokens_of(key: &IndexKey, info: IndexInfo, value: &Scalar) -> Result<Vec<Vec<u8>>, NotIndexable> {
    let (scope, path) = (Scope::default(), ["field".to_owned()]);
    let place = IndexPlace { realm: None, scope: &scope, collection: "measured" };
    let mut entry = Entry::default();
    fill(&mut entry, &mut Maker::new(key, place), &path, value, &info)?;
    let mut reserved = None;
    if info.kind == IndexKind::Unique {
        let collection = CollectionPath::parse("measured").expect("it is the id of a collection");
        let mut maker = Maker::at(key, &unique(None, &scope, &collection));
        reserved = Some(maker.unique(&path, value, info.normalize)?.to_vec());
    }
    let single = entry.eq.into_iter().chain(reserved);
    Ok(single.into_iter().chain(entry.prefix).chain(entry.words).chain(entry.range).collect())
}

/// The bits of the longest token of a value, which tells it from others.
fn longest(info: IndexInfo) -> u16 {
    if info.kind == IndexKind::Unique { 256 } else { info.bits.into() }
}

fn canonical(value: &Scalar, info: IndexInfo) -> Result<Vec<u8>, NotIndexable> {
    Canonical::of(value, info.normalize).map(|canonical| canonical.as_bytes().to_vec())
}

#[expect(clippy::cast_precision_loss, reason = "counts of values are far below 2^52")]
fn real(count: usize) -> f64 {
    count as f64
}

fn entropy(classes: impl Iterator<Item = usize>, all: usize) -> f64 {
    let shares = classes.map(|count| real(count) / real(all));
    shares.map(|share| -share * share.log2()).sum::<f64>().max(0.0)
}

/// Of `distinct` values, how many share a token of so many random bits with another one.
fn collisions(distinct: usize, bits: u16) -> f64 {
    let others = real(distinct.saturating_sub(1));
    // 1 - (1 - 2^-bits)^others, without losing what is small.
    real(distinct) * -(others * (-(0.5_f64.powi(bits.into()))).ln_1p()).exp_m1()
}

fn spread(counts: &[usize]) -> (usize, f64, usize) {
    let least = counts.iter().copied().min().unwrap_or(0);
    let most = counts.iter().copied().max().unwrap_or(0);
    (least, real(counts.iter().sum()) / real(counts.len().max(1)), most)
}

impl fmt::Display for Leakage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { values, distinct, classes, largest, alone, .. } = self;
        writeln!(f, "values                 {values}, {distinct} different after normalising")?;
        let (least, mean, most) = self.tokens;
        writeln!(
            f,
            "tokens of a value      {mean:.1} on average, {least} to {most}; {} bits each{}",
            self.bits,
            if self.kind == IndexKind::Unique { ", 256 for the reservation" } else { "" }
        )?;
        writeln!(f, "different tokens       {}", self.distinct_tokens)?;
        writeln!(f, "expected collisions    {:.1} values share a token with another one", self.collisions)?;
        writeln!(
            f,
            "an observer learns     {:.2} bits of a value, of {:.2} at most",
            self.entropy,
            real(*values).log2().max(0.0)
        )?;
        writeln!(
            f,
            "  which are equal      {classes} classes, the largest of {largest}, {alone} of one value"
        )?;
        match self.kind {
            IndexKind::Equality | IndexKind::Unique => {
                writeln!(
                    f,
                    "  how often each is    whoever knows the frequencies of the values names the common ones"
                )
            }
            IndexKind::Prefix { .. } => writeln!(
                f,
                "  common beginnings    which values begin alike, how long they are; one beginning is in {} values",
                self.commonest
            ),
            IndexKind::Words => writeln!(
                f,
                "  common words         which words stand together, how many there are; one word is in {} values",
                self.commonest
            ),
            IndexKind::Range(_) => writeln!(
                f,
                "  which are near       shared intervals, from which the order comes out; one interval is in {} values",
                self.commonest
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::index::{Normalizer, Range};

    fn texts(values: &[&str]) -> Vec<Scalar> {
        values.iter().map(|value| Scalar::Text((*value).to_owned())).collect()
    }

    #[test]
    fn what_is_equal_is_seen_and_nothing_else() {
        let info = IndexInfo { kind: IndexKind::Equality, normalize: &[Normalizer::CaseFold], bits: 128 };
        let leakage = Leakage::of(info, &texts(&["a", "A", "b", "c"])).expect("indexable");
        assert_eq!((leakage.values, leakage.distinct, leakage.classes), (4, 3, 3));
        assert_eq!((leakage.largest, leakage.alone, leakage.tokens), (2, 2, (1, 1.0, 1)));
        assert!((leakage.entropy - 1.5).abs() < 1e-9 && leakage.collisions < 1e-30);
    }

    #[test]
    fn few_bits_collide_as_often_as_is_told() {
        let info = IndexInfo { kind: IndexKind::Equality, normalize: &[], bits: 8 };
        let values: Vec<_> = (0..300).map(Scalar::Integer).collect();
        let leakage = Leakage::of(info, &values).expect("indexable");
        let shared = leakage.values - leakage.alone;
        assert!((real(shared) - leakage.collisions).abs() < 60.0, "{shared} and {}", leakage.collisions);
    }

    #[test]
    fn few_bits_hide_nothing_beside_a_reservation() {
        let info = IndexInfo { kind: IndexKind::Unique, normalize: &[], bits: 8 };
        let values: Vec<_> = (0..1_000).map(Scalar::Integer).collect();
        let leakage = Leakage::of(info, &values).expect("indexable");
        assert_eq!((leakage.classes, leakage.alone, leakage.tokens), (1_000, 1_000, (2, 2.0, 2)));
        assert!(leakage.collisions < 1e-30 && leakage.to_string().contains("256 for the reservation"));
    }

    #[test]
    fn ranges_show_what_is_near() {
        let kind = IndexKind::Range(Range::Integer { min: 0, max: 255, step: 1 });
        let info = IndexInfo { kind, normalize: &[], bits: 128 };
        let leakage = Leakage::of(info, &[0, 1, 128].map(Scalar::Integer)).expect("indexable");
        assert_eq!((leakage.tokens, leakage.commonest), ((9, 9.0, 9), 2));
        assert!(leakage.to_string().contains("which are near"));
    }

    #[test]
    fn a_value_that_does_not_fit_is_told_by_its_position() {
        let info = IndexInfo { kind: IndexKind::Words, normalize: &[], bits: 128 };
        let error = Leakage::of(info, &[Scalar::Integer(4_711)]).expect_err("no text").to_string();
        assert!(error.starts_with("value 1 ") && !error.contains("4711"), "{error}");
    }

    #[test]
    fn the_figures_are_those_of_the_formulas() {
        let close = |figure: f64, expected: f64| assert!((figure - expected).abs() < 1e-9, "{figure}");
        // Half, and two quarters.
        close(entropy([2, 1, 1].into_iter(), 4), 1.5);
        close(entropy([3].into_iter(), 3), 0.0);
        close(entropy([1; 8].into_iter(), 8), 3.0);
        // 1 - 255/256 for each of two, and 1 - (255/256)^2 for each of three.
        close(collisions(2, 8), 2.0 / 256.0);
        close(collisions(3, 8), 3.0 * (511.0 / 65_536.0));
        close(collisions(1, 8), 0.0);
        close(collisions(0, 8), 0.0);
        assert_eq!(spread(&[2, 6, 1]), (1, 3.0, 6));
        assert_eq!(spread(&[]), (0, 0.0, 0));
    }

    #[test]
    fn what_is_told_is_told_in_words() {
        let info = IndexInfo { kind: IndexKind::Equality, normalize: &[Normalizer::CaseFold], bits: 128 };
        let leakage = Leakage::of(info, &texts(&["a", "A", "b", "c"])).expect("indexable");
        let lines: Vec<_> = leakage.to_string().lines().map(str::to_owned).collect();
        assert_eq!(
            lines[..6],
            [
                "values                 4, 3 different after normalising",
                "tokens of a value      1.0 on average, 1 to 1; 128 bits each",
                "different tokens       3",
                "expected collisions    0.0 values share a token with another one",
                "an observer learns     1.50 bits of a value, of 2.00 at most",
                "  which are equal      3 classes, the largest of 2, 2 of one value",
            ]
        );
        assert!(lines.len() == 7 && lines[6].starts_with("  how often each is "));
    }

    #[test]
    fn beginnings_and_words_show_what_values_have_in_common() {
        let kind = IndexKind::Prefix { min: 1, max: 3 };
        let info = IndexInfo { kind, normalize: &[], bits: 128 };
        let leakage = Leakage::of(info, &texts(&["ab", "abc", "x"])).expect("indexable");
        assert_eq!((leakage.tokens, leakage.distinct_tokens, leakage.commonest), ((1, 2.0, 3), 4, 2));
        let info = IndexInfo { kind: IndexKind::Words, ..info };
        let leakage = Leakage::of(info, &texts(&["red car", "red bus", "red"])).expect("indexable");
        assert_eq!((leakage.distinct_tokens, leakage.commonest), (3, 1), "what all have tells nothing");
        let error = Leakage::of(info, &[Scalar::Text("red".to_owned()), Scalar::Bool(true)]);
        assert!(matches!(error, Err(LeakageError::NotIndexable { position: 2, .. })));
    }

    #[test]
    fn floating_point_numbers_are_measured_in_a_decimal_range() {
        let kind = IndexKind::Range(Range::Decimal { min: "0", max: "8", step: "1" });
        let info = IndexInfo { kind, normalize: &[], bits: 128 };
        let leakage = Leakage::of(info, &[0.25, 0.25, 0.5, 7.5].map(Scalar::Real)).expect("indexable");
        assert_eq!((leakage.values, leakage.distinct, leakage.classes), (4, 3, 2));
    }
}
