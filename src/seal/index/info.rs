//! What an attribute says about an index.

use super::range::Buckets;
use super::scalar::NotIndexable;

/// One step that makes values equal before they are compared. Each is frozen by its name in the format:
/// what it does to a text never changes, and neither does the Unicode version behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Normalizer {
    /// Takes white space (Unicode's `White_Space`) from both ends.
    Trim,
    /// Unicode's full case folding: `Straße` and `STRASSE` become equal.
    CaseFold,
    /// Unicode's normalisation form C: the same letter in the same code points.
    Nfc,
    /// Unicode's normalisation form KC: also what only looks different, such as full-width letters.
    Nfkc,
    /// An e-mail address: trimmed and in form KC; before the last `@` case folded, behind it each letter
    /// in lower case, since folding would make two domains one (`straße.example`, `strasse.example`). Dots
    /// and plus tags stay, since whether they matter is the mail server's to say.
    Email,
    /// Keeps the decimal digits of every script, as `0` to `9`, and drops everything else: for telephone
    /// and account numbers.
    Digits,
}

/// What can be asked of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IndexKind {
    /// Equality: one token.
    Equality,
    /// Equality, and no two documents of the collection with equal values.
    Unique,
    /// The beginning of a text: one token for each length.
    Prefix {
        /// The shortest beginning that can be asked for, in characters after normalising; at least 1.
        min: u16,
        /// The longest beginning that the index tells apart, in characters after normalising.
        max: u16,
    },
    /// Single words of a text (Unicode's word boundaries): one token for each different word.
    Words,
    /// Less, greater, between.
    Range(Range),
}

/// The domain and the precision of a range index. Values outside the domain count as its ends; values
/// within one step are not told apart by the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Range {
    /// Integers of any width.
    Integer {
        /// The lowest value.
        min: i128,
        /// The highest value, above `min`.
        max: i128,
        /// The width of a bucket, at least 1.
        step: u128,
    },
    /// Decimal numbers, as plain text (`-12.50`); values are such text, or floating-point numbers.
    Decimal {
        /// The lowest value.
        min: &'static str,
        /// The highest value, above `min`.
        max: &'static str,
        /// The width of a bucket, above zero.
        step: &'static str,
    },
    /// Times (RFC 3339) and dates (`YYYY-MM-DD`, which count as their midnight in UTC).
    Time {
        /// The lowest value, in seconds since 1970.
        min: i64,
        /// The highest value, above `min`, in seconds since 1970.
        max: i64,
        /// The width of a bucket in seconds, at least 1.
        step: u64,
    },
}

impl Range {
    /// Refuses bounds that contradict each other, and more than 2^40 steps.
    ///
    /// # Errors
    /// [`NotIndexable::Bounds`].
    pub(crate) fn check(&self) -> Result<(), NotIndexable> {
        let Buckets { min, max, step, .. } = Buckets::of(self)?;
        if max.abs_diff(min) / step >= 1 << 40 { Err(NotIndexable::Bounds) } else { Ok(()) }
    }
}

/// One index of one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IndexInfo {
    /// What can be asked.
    pub kind: IndexKind,
    /// What is done to a text first, in this order. Other values are taken as they are.
    pub normalize: &'static [Normalizer],
    /// The length of a token, 8 to 128 bits. Fewer bits let different values share a token: they hide
    /// more, and queries read more documents in vain. They hide nothing beside a unique index, whose
    /// second token, for the reservation, is 256 bits long; so the attribute takes none there.
    pub bits: u8,
}

/// An equality index over several fields together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CompoundInfo {
    /// Its name, which no field of the struct has.
    pub name: &'static str,
    /// What is done to each text first, in this order.
    pub normalize: &'static [Normalizer],
    /// The length of a token, 8 to 128 bits.
    pub bits: u8,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_at_most_2_to_the_40_steps() {
        const STEPS: i128 = 1 << 40;
        let integers = |max, step| Range::Integer { min: 0, max, step }.check();
        assert_eq!((integers(STEPS - 1, 1), integers(3 * STEPS - 1, 3)), (Ok(()), Ok(())));
        assert_eq!((integers(7, 2), integers(i128::MAX, u128::MAX)), (Ok(()), Ok(())));
        for (max, step) in [(STEPS, 1), (3 * STEPS, 3), (i128::MAX, 1), (0, 1), (7, 0)] {
            assert_eq!(integers(max, step), Err(NotIndexable::Bounds), "{max} {step}");
        }
        assert_eq!(Range::Time { min: 0, max: i64::MAX, step: 1 }.check(), Err(NotIndexable::Bounds));
        assert_eq!(Range::Decimal { min: "0", max: "1", step: "0.25" }.check(), Ok(()));
    }
}
