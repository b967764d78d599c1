//! Where sensitive values stand in a document, written as text.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::{Serialize, Serializer};

use super::FieldsError;
use crate::bytes::{FieldPath, FieldStep};

/// The fields that one line of a configuration means: `ssn`, `address.street`, `contacts[].email`,
/// `notes.*`.
///
/// `.` goes into a map, `.*` into each of its entries, `[]` into each element of an array. A name with other
/// characters than letters of ASCII, digits, `_` and `-` stands in backquotes, in which a backslash stands in
/// front of a backquote and of a backslash.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldPattern(Vec<PatternStep>);

/// One step of a [`FieldPattern`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PatternStep {
    /// The field or map entry with this name.
    Key(String),
    /// Every entry of a map.
    AnyKey,
    /// Every element of an array.
    AnyIndex,
}

impl FieldPattern {
    /// The steps from the document's root. The first is a name.
    #[must_use]
    pub fn steps(&self) -> &[PatternStep] {
        &self.0
    }

    /// The field at the document's root that it leads into.
    #[must_use]
    pub fn root(&self) -> &str {
        match self.0.first() {
            Some(PatternStep::Key(name)) => name,
            _ => "",
        }
    }

    /// Whether a stored path is one of those that are meant.
    #[must_use]
    pub fn matches(&self, path: &FieldPath) -> bool {
        self.0.len() == path.steps().len()
            && self.0.iter().zip(path.steps()).all(|(pattern, step)| match (pattern, step) {
                (PatternStep::Key(name), FieldStep::Key(key)) => name == key,
                (PatternStep::AnyKey, FieldStep::Key(_)) | (PatternStep::AnyIndex, FieldStep::Index(_)) => {
                    true
                }
                _ => false,
            })
    }

    /// The names that lead to the field; `None` where it stands in an array, or in every entry of a map.
    pub(crate) fn names(&self) -> Option<Vec<String>> {
        let name = |step: &PatternStep| match step {
            PatternStep::Key(name) => Some(name.clone()),
            _ => None,
        };
        self.0.iter().map(name).collect()
    }

    /// Whether a value that one of them means may stand inside one that the other means, or be it.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|pair| match pair {
            (PatternStep::Key(one), PatternStep::Key(another)) => one == another,
            (PatternStep::AnyIndex, PatternStep::AnyIndex) => true,
            (PatternStep::AnyIndex, _) | (_, PatternStep::AnyIndex) => false,
            (PatternStep::AnyKey, _) | (_, PatternStep::AnyKey) => true,
        })
    }
}

impl FromStr for FieldPattern {
    type Err = FieldsError;

    fn from_str(text: &str) -> Result<Self, FieldsError> {
        let wrong = |reason| FieldsError::Pattern { pattern: text.to_owned(), reason };
        let mut steps = Vec::new();
        let mut rest = text;
        loop {
            let (step, after) = name(rest).map_err(wrong)?;
            if steps.is_empty() && step == PatternStep::AnyKey {
                return Err(wrong("`*` stands for the entries of a map; begin with the map's name"));
            }
            steps.push(step);
            rest = after;
            while let Some(after) = rest.strip_prefix("[]") {
                steps.push(PatternStep::AnyIndex);
                rest = after;
            }
            if rest.is_empty() {
                return Ok(Self(steps));
            }
            rest = rest.strip_prefix('.').ok_or_else(|| {
                wrong("behind a name comes `.`, `[]` or the end; put a name with other characters in backquotes")
            })?;
        }
    }
}

/// Reads one name or `*`, and returns what follows.
fn name(text: &str) -> Result<(PatternStep, &str), &'static str> {
    if let Some(rest) = text.strip_prefix('*') {
        return Ok((PatternStep::AnyKey, rest));
    }
    if let Some(quoted) = text.strip_prefix('`') {
        let mut name = String::new();
        let mut letters = quoted.char_indices();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '`' if name.is_empty() => return Err("a name is empty"),
                '`' => return Ok((PatternStep::Key(name), quoted.get(at + 1..).unwrap_or_default())),
                '\\' => match letters.next() {
                    Some((_, escaped @ ('`' | '\\'))) => name.push(escaped),
                    _ => {
                        return Err(
                            "in backquotes a backslash stands in front of a backquote or a backslash",
                        );
                    }
                },
                letter => name.push(letter),
            }
        }
        return Err("a backquote is not closed");
    }
    let end = text.find(|letter| !is_plain(letter)).unwrap_or(text.len());
    match text.split_at_checked(end) {
        Some((name, rest)) if !name.is_empty() => Ok((PatternStep::Key(name.to_owned()), rest)),
        _ => Err("a name is missing, or has characters that need backquotes"),
    }
}

fn is_plain(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-')
}

impl fmt::Display for FieldPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            if position > 0 && *step != PatternStep::AnyIndex {
                f.write_str(".")?;
            }
            match step {
                PatternStep::AnyKey => f.write_str("*")?,
                PatternStep::AnyIndex => f.write_str("[]")?,
                PatternStep::Key(name) if name.chars().all(is_plain) && !name.is_empty() => {
                    f.write_str(name)?
                }
                PatternStep::Key(name) => {
                    write!(f, "`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))?;
                }
            }
        }
        Ok(())
    }
}

impl Serialize for FieldPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FieldPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> FieldPattern {
        text.parse().expect("a pattern")
    }

    #[test]
    fn a_pattern_is_written_as_it_is_read() {
        for text in
            ["ssn", "address.street", "contacts[].email", "notes.*", "a.*.b[]", "first-name", "`a.b`.c"]
        {
            assert_eq!(pattern(text).to_string(), text);
        }
        assert_eq!(pattern("`ab`").to_string(), "ab");
        assert_eq!(pattern("`a\\`b\\\\`").steps(), [PatternStep::Key("a`b\\".to_owned())]);
        assert_eq!(pattern("`a\\`b\\\\`").to_string(), "`a\\`b\\\\`");
        for text in
            ["", ".", "a.", ".a", "*", "*.a", "[]", "a[1]", "a b", "`a", "``", "`a\\b`", "a..b", "é", "a*"]
        {
            assert!(text.parse::<FieldPattern>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn patterns_that_share_a_value_overlap() {
        for (one, another) in [("a", "a"), ("a", "a.b"), ("a.*", "a.b"), ("a.*.c", "a.b"), ("a[]", "a[].b")] {
            assert!(pattern(one).overlaps(&pattern(another)), "{one} {another}");
            assert!(pattern(another).overlaps(&pattern(one)), "{one} {another}");
        }
        for (one, another) in
            [("a", "b"), ("a.b", "a.c"), ("a[].b", "a[].c"), ("a.*", "a[]"), ("a.*.b", "a.x.c")]
        {
            assert!(!pattern(one).overlaps(&pattern(another)), "{one} {another}");
        }
    }

    #[test]
    fn a_pattern_means_paths() {
        let path = FieldPath::new(vec![
            FieldStep::Key("contacts".to_owned()),
            FieldStep::Index(3),
            FieldStep::Key("email".to_owned()),
        ]);
        assert!(pattern("contacts[].email").matches(&path));
        assert!(pattern("contacts[].*").matches(&path));
        assert!(!pattern("contacts.*.email").matches(&path));
        assert!(!pattern("contacts[]").matches(&path));
    }
}
