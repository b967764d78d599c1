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

#[cfg(test)]
mod tests {
    use super::super::{Normalizer, Range};
    use super::*;
    use crate::bytes::Scope;

    fn info(kind: IndexKind) -> IndexInfo {
        IndexInfo { kind, normalize: &[Normalizer::CaseFold], bits: 128 }
    }

    fn ask(probe: &Probe, kind: IndexKind) -> Result<ProbeTokens, NotAskable> {
        let scope = Scope::default();
        let place = IndexPlace { realm: None, scope: &scope, collection: "people" };
        probe_tokens(probe, &["field".to_owned()], &info(kind), place, &IndexKey::from_bytes(&[7; 32]), 30)
    }

    fn text(text: &str) -> Scalar {
        Scalar::Text(text.to_owned())
    }

    fn starts(start: &str) -> Probe {
        Probe::StartsWith(start.to_owned().into())
    }

    fn words(words: &[&str]) -> Probe {
        Probe::Words(words.iter().map(|word| (*word).to_owned().into()).collect())
    }

    fn between(from: i128, to: i128) -> Probe {
        Probe::Range {
            from: Bound::Included(Scalar::Integer(from)),
            to: Bound::Excluded(Scalar::Integer(to)),
        }
    }

    const RANGE: IndexKind = IndexKind::Range(Range::Integer { min: 0, max: 99, step: 1 });
    const PREFIX: IndexKind = IndexKind::Prefix { min: 2, max: 3 };

    #[test]
    fn a_beginning_is_asked_for_as_far_as_the_index_tells_beginnings_apart() {
        assert_eq!(ask(&starts("a"), PREFIX), Err(NotAskable::TooShort { min: 2 }));
        for (start, widened) in [("ab", false), ("abc", false), ("abcd", true), ("éèê", false)] {
            let asked = ask(&starts(start), PREFIX).expect("long enough");
            assert_eq!((asked.tokens.len(), asked.widened), (1, widened), "{start}");
        }
        assert_eq!(
            ask(&starts("abcd"), PREFIX).map(|asked| asked.tokens),
            ask(&starts("ABC"), PREFIX).map(|asked| asked.tokens)
        );
    }

    #[test]
    fn of_several_words_the_longest_is_asked_for() {
        let one = ask(&words(&["Lovelace"]), IndexKind::Words).expect("a word");
        let two = ask(&words(&["ada lovelace", "of"]), IndexKind::Words).expect("words");
        assert_eq!((one.widened, two.widened, two.tokens), (false, true, one.tokens));
        assert_eq!(ask(&words(&["-", ""]), IndexKind::Words), Err(NotAskable::NoWord));
    }

    #[test]
    fn an_index_answers_its_own_kind_of_question_only() {
        let probes = [Probe::Eq(text("ada")), starts("ada"), words(&["ada"]), between(3, 8)];
        let kinds = [IndexKind::Equality, PREFIX, IndexKind::Words, RANGE];
        for (i, probe) in probes.iter().enumerate() {
            assert_eq!(format!("{probe:?}"), "[sensitive]");
            for (j, kind) in kinds.into_iter().enumerate() {
                assert_eq!(ask(probe, kind).err(), (i != j).then_some(NotAskable::OtherKind), "{i} {j}");
                let value = if i == 3 { Scalar::Integer(5) } else { text("Ada") };
                assert_eq!(holds(probe, &info(kind), Some(&value)), i == j, "{i} {j}");
                assert!(!holds(probe, &info(kind), None), "an absent value satisfies nothing");
            }
        }
        assert_eq!(ask(&between(3, 8), RANGE).expect("integers").tokens.len(), 2);
    }

    #[test]
    fn a_condition_holds_for_what_it_says_and_for_nothing_else() {
        let held = |probe: &Probe, kind, value: Scalar| holds(probe, &info(kind), Some(&value));
        for kind in [IndexKind::Equality, IndexKind::Unique] {
            assert!(held(&Probe::Eq(text("ADA")), kind, text("ada")));
            assert!(!held(&Probe::Eq(text("ad")), kind, text("ada")));
            assert!(!held(&Probe::Eq(Scalar::Integer(1)), kind, text("1")));
        }
        assert!(
            held(&starts("ADAM"), PREFIX, text("adamant")) && !held(&starts("adan"), PREFIX, text("adamant"))
        );
        assert!(!held(&starts("ad"), PREFIX, Scalar::Integer(1)));
        let both = words(&["ada", "Byron"]);
        assert!(
            held(&both, IndexKind::Words, text("Byron, Ada")) && !held(&both, IndexKind::Words, text("Ada"))
        );
        assert!(
            held(&between(3, 8), RANGE, Scalar::Integer(7))
                && !held(&between(3, 8), RANGE, Scalar::Integer(8))
        );
    }

    #[test]
    fn a_compound_condition_is_of_all_parts() {
        let info = CompoundInfo { name: "both", normalize: &[Normalizer::CaseFold], bits: 128 };
        let parts = [text("ADA"), Scalar::Integer(7)];
        assert!(compound_holds(&parts, &info, &[Some(text("ada")), Some(Scalar::Integer(7))]));
        for stored in [
            vec![Some(text("ada")), Some(Scalar::Integer(8))],
            vec![Some(text("ada")), None],
            vec![Some(text("ada"))],
        ] {
            assert!(!compound_holds(&parts, &info, &stored));
        }
    }
}
