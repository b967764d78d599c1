//! What a query asks of an index, and the check of the opened value.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Bound;

use zeroize::Zeroizing;

use super::canonical::Canonical;
use super::info::{CompoundInfo, IndexInfo, IndexKind};
use super::normal::Normal;
use super::place::IndexPlace;
use super::range::Buckets;
use super::scalar::{NotIndexable, Scalar};
use super::tokens::{Maker, text};
use crate::keys::IndexKey;

/// One condition on an indexed value. What is asked for is wiped on drop.
#[derive(Clone)]
pub(crate) enum Probe {
    Eq(Scalar),
    StartsWith(Zeroizing<String>),
    /// All of these words.
    Words(Vec<Zeroizing<String>>),
    Range {
        from: Bound<Scalar>,
        to: Bound<Scalar>,
    },
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[sensitive]")
    }
}

/// The tokens to ask for: a document with any one of them may satisfy the condition, and no other does.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ProbeTokens {
    /// Sorted; none where no value satisfies the condition.
    pub(crate) tokens: Vec<Vec<u8>>,
    /// Whether they ask for more than the index could tell apart: a range whose cover did not fit the
    /// budget, a beginning longer than the index has, one of several words.
    pub(crate) widened: bool,
}

impl ProbeTokens {
    fn exactly(tokens: Vec<Vec<u8>>) -> Self {
        Self { tokens, widened: false }
    }
}

/// Why an index cannot be asked. It never tells the operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAskable {
    /// The operand has no place in the index.
    #[error("the operand cannot be looked up: {0}")]
    Operand(#[from] NotIndexable),
    /// The beginning is shorter than the index has.
    #[error(
        "the index has beginnings of at least {min} characters after normalising; ask for a longer one, or lower `min` in the attribute and index anew"
    )]
    TooShort {
        /// How many characters it takes.
        min: u16,
    },
    /// There is no word in the operand.
    #[error("the operand has no word: at least one letter or digit is needed")]
    NoWord,
    /// The index is of another kind.
    #[error("the index does not answer this kind of question")]
    OtherKind,
}

/// The tokens that a probe asks for, under one index key.
///
/// # Errors
/// An operand that the index does not take.
pub(crate) fn probe_tokens(
    probe: &Probe,
    path: &[String],
    info: &IndexInfo,
    place: IndexPlace<'_>,
    key: &IndexKey,
    budget: usize,
) -> Result<ProbeTokens, NotAskable> {
    let mut maker = Maker::new(key, place);
    match (probe, &info.kind) {
        (Probe::Eq(value), IndexKind::Equality | IndexKind::Unique) => {
            Ok(ProbeTokens::exactly(vec![maker.equality(path, value, info)?]))
        }
        (Probe::StartsWith(start), IndexKind::Prefix { min, max }) => {
            let start = Normal::of(start, info.normalize);
            let (length, max) = (start.chars().count(), usize::from(*max));
            if length < usize::from(*min) {
                return Err(NotAskable::TooShort { min: *min });
            }
            let end = start.char_indices().nth(max).map_or(start.len(), |(end, _)| end);
            let tokens = maker.prefixes(path, info, start.get(..end).into_iter())?;
            Ok(ProbeTokens { tokens, widened: length > max })
        }
        (Probe::Words(words), IndexKind::Words) => {
            let texts: Vec<_> = words.iter().map(|words| Normal::of(words, info.normalize)).collect();
            let words: BTreeSet<&str> = texts.iter().flat_map(Normal::words).collect();
            // A conjunction takes one set of tokens: the longest word is likely to be the rarest.
            let longest = words.iter().max_by_key(|word| word.len()).ok_or(NotAskable::NoWord)?;
            let tokens = maker.words(path, info, [*longest]);
            Ok(ProbeTokens { tokens, widened: words.len() > 1 })
        }
        (Probe::Range { from, to }, IndexKind::Range(range)) => {
            let buckets = Buckets::of(range)?;
            let cover = buckets.cover(from.as_ref(), to.as_ref(), budget)?;
            let tokens = maker.intervals(path, info, &buckets, cover.intervals);
            Ok(ProbeTokens { tokens, widened: cover.widened })
        }
        _ => Err(NotAskable::OtherKind),
    }
}

/// The token of a compound index, under one index key.
///
/// # Errors
/// An operand that the index does not take.
pub(crate) fn compound_tokens(
    parts: &[Scalar],
    path: &[String],
    info: &CompoundInfo,
    place: IndexPlace<'_>,
    key: &IndexKey,
) -> Result<ProbeTokens, NotAskable> {
    let token = Maker::new(key, place).compound(path, parts, info.normalize, info.bits)?;
    Ok(ProbeTokens::exactly(vec![token]))
}

/// Whether an opened value satisfies the probe, exactly: compared after the index's normalisers, without
/// any token. An absent value satisfies none.
pub(crate) fn holds(probe: &Probe, info: &IndexInfo, stored: Option<&Scalar>) -> bool {
    let Some(stored) = stored else { return false };
    match (probe, &info.kind) {
        (Probe::Eq(value), IndexKind::Equality | IndexKind::Unique) => {
            let canonical = |value| Canonical::of(value, info.normalize).ok();
            canonical(stored).is_some_and(|stored| canonical(value) == Some(stored))
        }
        (Probe::StartsWith(start), IndexKind::Prefix { .. }) => {
            text(stored, info).is_ok_and(|text| text.starts_with(&*Normal::of(start, info.normalize)))
        }
        (Probe::Words(words), IndexKind::Words) => text(stored, info).is_ok_and(|text| {
            let held: BTreeSet<&str> = text.words().collect();
            words
                .iter()
                .all(|words| Normal::of(words, info.normalize).words().all(|word| held.contains(word)))
        }),
        (Probe::Range { from, to }, IndexKind::Range(range)) => {
            Buckets::of(range).is_ok_and(|buckets| buckets.holds(stored, from.as_ref(), to.as_ref()))
        }
        _ => false,
    }
}

/// The same of a compound index. Where a part is absent it holds for nothing.
pub(crate) fn compound_holds(parts: &[Scalar], info: &CompoundInfo, stored: &[Option<Scalar>]) -> bool {
    let Some(stored) = stored.iter().cloned().collect::<Option<Vec<_>>>() else { return false };
    let canonical = |values: &[Scalar]| Canonical::of_all(values, info.normalize).ok();
    canonical(&stored).is_some_and(|stored| canonical(parts) == Some(stored))
}
