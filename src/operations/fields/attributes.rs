//! What a configuration says of one field, in the words of `#[sensitive(..)]`.

use std::sync::{Mutex, PoisonError};

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use super::{Field, FieldPattern, FieldsError, ValueKind};
use crate::seal::{IndexInfo, IndexKind, Normalizer, Range};

/// The blind indexes of a field, as the attribute of the Rust type has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IndexConfig {
    infos: &'static [IndexInfo],
}

impl IndexConfig {
    /// These indexes.
    ///
    /// Index infos live as long as the program, since those of a Rust type do: each different list is kept
    /// once, however often a configuration is read.
    #[must_use]
    pub fn new(infos: &[IndexInfo]) -> Self {
        static KEPT: Mutex<Vec<&'static [IndexInfo]>> = Mutex::new(Vec::new());
        Self { infos: keep(&KEPT, infos) }
    }

    /// The indexes.
    #[must_use]
    pub fn infos(&self) -> &'static [IndexInfo] {
        self.infos
    }

    /// Whether no two documents may have the same value.
    #[must_use]
    pub fn is_unique(&self) -> bool {
        self.infos.iter().any(|info| info.kind == IndexKind::Unique)
    }
}

/// The kept copy of a list.
fn keep<T: Clone + PartialEq>(kept: &Mutex<Vec<&'static [T]>>, list: &[T]) -> &'static [T] {
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    match kept.iter().find(|other| **other == list) {
        Some(same) => same,
        None => {
            let new = Vec::leak(list.to_vec());
            kept.push(new);
            new
        }
    }
}

/// A text that lives as long as the program.
fn kept_text(text: &str) -> &'static str {
    static KEPT: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    match kept.iter().find(|other| **other == text) {
        Some(same) => same,
        None => {
            let new: &'static str = String::leak(text.to_owned());
            kept.push(new);
            new
        }
    }
}

/// What stands behind a field's pattern.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Attributes {
    bytes: bool,
    pad: Option<u32>,
    kind: Option<ValueKind>,
    index: Option<Asked>,
    unique: Option<Asked>,
    prefix: Option<Words>,
    words: Option<Asked>,
    range: Option<Words>,
    normalize: Option<Vec<NormalizerWord>>,
    bits: Option<u8>,
}

/// `true`, or the index's own words.
#[derive(Debug)]
enum Asked {
    Plain(bool),
    With(Words),
}

/// Either a truth or a table. Untagged, serde would say of a wrong word only that nothing fits.
impl<'de> Deserialize<'de> for Asked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> serde::de::Visitor<'de> for Either {
            type Value = Asked;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("`true`, or a table such as { normalize = [\"trim\"], bits = 64 }")
            }

            fn visit_bool<E: serde::de::Error>(self, asked: bool) -> Result<Asked, E> {
                Ok(Asked::Plain(asked))
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Asked, A::Error> {
                Words::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(Asked::With)
            }
        }

        deserializer.deserialize_any(Either)
    }
}

/// The words of one index.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Words {
    min: Option<Bound>,
    max: Option<Bound>,
    step: Option<Bound>,
    normalize: Option<Vec<NormalizerWord>>,
    bits: Option<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum NormalizerWord {
    Trim,
    CaseFold,
    Nfc,
    Nfkc,
    Email,
    Digits,
}

/// A bound of an index: a whole number, or a text that is a decimal number, a date, a time or a duration.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Bound {
    Integer(i64),
    Text(String),
}

impl Attributes {
    pub(super) fn field(self, pattern: FieldPattern) -> Result<Field, FieldsError> {
        let shown = pattern.to_string();
        let wrong = |reason: String| FieldsError::Attribute { field: shown.clone(), reason };
        let infos = self.indexes().map_err(wrong)?;
        if self.bytes && self.kind.is_some() {
            return Err(wrong(
                "`bytes` and `kind` are not for one field: raw bytes have no other kind".into(),
            ));
        }
        if self.pad == Some(0) {
            return Err(wrong("`pad` takes a number of bytes above zero, such as `pad = 64`".into()));
        }
        if self.bytes && !infos.is_empty() {
            return Err(wrong("raw bytes have no index; remove `bytes` or the index".into()));
        }
        if !infos.is_empty() && pattern.names().is_none() {
            let reason = "a field inside an array, or in every entry of a map, cannot have an index";
            return Err(wrong(reason.into()));
        }
        Ok(Field {
            pattern,
            bytes: self.bytes,
            pad: self.pad,
            kind: self.kind,
            index: (!infos.is_empty()).then(|| IndexConfig::new(&infos)),
        })
    }

    fn indexes(&self) -> Result<Vec<IndexInfo>, String> {
        let mut infos = Vec::new();
        for (asked, kind, word) in [
            (&self.index, IndexKind::Equality, "index"),
            (&self.unique, IndexKind::Unique, "unique"),
            (&self.words, IndexKind::Words, "words"),
        ] {
            let none = Words::default();
            let words = match asked {
                None | Some(Asked::Plain(false)) => continue,
                Some(Asked::Plain(true)) => &none,
                Some(Asked::With(words)) => words,
            };
            if words.min.is_some() || words.max.is_some() || words.step.is_some() {
                return Err(format!("`{word}` takes `normalize` and `bits`, and no `min`, `max` or `step`"));
            }
            if word == "unique" && words.bits.or(self.bits).is_some() {
                return Err(
                    "a unique value has a second token of 256 bits for its reservation, beside which \
                            fewer bits hide nothing; remove `bits`"
                        .into(),
                );
            }
            infos.push(self.info(kind, words)?);
        }
        if self.index_and_unique() {
            return Err("`unique` answers what `index` does; keep one".into());
        }
        if let Some(words) = &self.prefix {
            let length = |bound: &Option<Bound>| match bound {
                Some(Bound::Integer(length)) => u16::try_from(*length).ok(),
                _ => None,
            };
            let (Some(min), Some(max), None) = (length(&words.min), length(&words.max), &words.step) else {
                return Err("a prefix index needs its lengths in characters: { min = 2, max = 8 }".into());
            };
            if min < 1 || min > max || max > MAX_PREFIX {
                return Err(format!("the lengths of a prefix index are 1 <= min <= max <= {MAX_PREFIX}"));
            }
            infos.push(self.info(IndexKind::Prefix { min, max }, words)?);
        }
        if let Some(words) = &self.range {
            if words.normalize.is_some() {
                return Err("a range compares numbers and times, which are not normalised".into());
            }
            let range = range(words)?;
            let info = self.info(IndexKind::Range(range), words)?;
            infos.push(IndexInfo { normalize: &[], ..info });
        }
        let texts = infos.iter().any(|info| !matches!(info.kind, IndexKind::Range(_)));
        if self.normalize.is_some() && !texts {
            return Err("`normalize` is of an index; add `index = true`, or remove it".into());
        }
        if self.bits.is_some() && infos.is_empty() {
            return Err("`bits` is of an index; add `index = true`, or remove it".into());
        }
        Ok(infos)
    }

    fn index_and_unique(&self) -> bool {
        let asked = |asked: &Option<Asked>| !matches!(asked, None | Some(Asked::Plain(false)));
        asked(&self.index) && asked(&self.unique)
    }

    /// An index, with the field's words where it has none of its own.
    fn info(&self, kind: IndexKind, words: &Words) -> Result<IndexInfo, String> {
        static KEPT: Mutex<Vec<&'static [Normalizer]>> = Mutex::new(Vec::new());
        let steps = words.normalize.as_ref().or(self.normalize.as_ref());
        let steps: Vec<Normalizer> = steps.into_iter().flatten().map(|word| (*word).into()).collect();
        if steps.iter().enumerate().any(|(at, step)| steps.iter().take(at).any(|other| other == step)) {
            return Err("a normaliser is given twice; keep one".into());
        }
        let bits = words.bits.or(self.bits).unwrap_or(128);
        if !(8..=128).contains(&bits) {
            return Err("`bits` takes a number from 8 to 128, such as `bits = 32`".into());
        }
        Ok(IndexInfo { kind, normalize: keep(&KEPT, &steps), bits })
    }
}

/// The longest beginning that is indexed, in characters.
const MAX_PREFIX: u16 = 64;

fn range(words: &Words) -> Result<Range, String> {
    let (Some(min), Some(max), Some(step)) = (&words.min, &words.max, &words.step) else {
        return Err("a range index needs `min`, `max` and `step`".into());
    };
    let range = match (min, max, step) {
        (Bound::Integer(min), Bound::Integer(max), Bound::Integer(step)) => {
            let step = u128::try_from(*step).map_err(|_| "`step` is above zero".to_owned())?;
            Range::Integer { min: (*min).into(), max: (*max).into(), step }
        }
        (Bound::Text(min), Bound::Text(max), Bound::Text(step)) => match (seconds(min), seconds(max)) {
            (Some(min), Some(max)) => {
                let step = duration(step).ok_or_else(|| {
                    "the precision of times is a number of seconds, minutes, hours or days: `step = \"1d\"`"
                        .to_owned()
                })?;
                Range::Time { min, max, step }
            }
            _ => Range::Decimal { min: kept_text(min), max: kept_text(max), step: kept_text(step) },
        },
        _ => return Err(BOUNDS.into()),
    };
    range.check().map_err(|_| BOUNDS.to_owned())?;
    Ok(range)
}

const BOUNDS: &str = "the bounds of a range go together: all three integers (`0`), all three decimal numbers as text \
                      (`\"0.01\"`), or `min` and `max` as dates or RFC 3339 times and `step` as a duration (`\"1d\"`); \
                      min is below max, step above zero, and there are fewer than 2^40 steps";

/// The seconds since 1970 of a date (its midnight in UTC) or an RFC 3339 time.
fn seconds(text: &str) -> Option<i64> {
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Some(time.as_second());
    }
    if text.len() != "1970-01-01".len() {
        return None;
    }
    let date: jiff::civil::Date = text.parse().ok()?;
    let time = jiff::tz::Offset::UTC.to_timestamp(date.to_datetime(jiff::civil::Time::midnight())).ok()?;
    Some(time.as_second())
}

/// The seconds of a duration such as `1d`.
fn duration(text: &str) -> Option<u64> {
    let seconds = match text.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    let number = text.get(..text.len() - 1)?;
    number
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| number.parse::<u64>().ok()?.checked_mul(seconds))?
}

impl From<NormalizerWord> for Normalizer {
    fn from(word: NormalizerWord) -> Self {
        match word {
            NormalizerWord::Trim => Self::Trim,
            NormalizerWord::CaseFold => Self::CaseFold,
            NormalizerWord::Nfc => Self::Nfc,
            NormalizerWord::Nfkc => Self::Nfkc,
            NormalizerWord::Email => Self::Email,
            NormalizerWord::Digits => Self::Digits,
        }
    }
}

impl<'de> Deserialize<'de> for ValueKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        Self::ALL.into_iter().find(|kind| kind.word() == word).ok_or_else(|| {
            let words: Vec<_> = Self::ALL.iter().map(|kind| format!("`{}`", kind.word())).collect();
            D::Error::custom(format_args!("unknown kind `{word}`; there are {}", words.join(", ")))
        })
    }
}
