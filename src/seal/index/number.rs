//! Plain decimal numbers of any length, compared exactly.

use std::cmp::Ordering;

use zeroize::Zeroizing;

/// A decimal number, or one of the infinities of a floating-point number.
pub(super) enum Number {
    Lowest,
    Finite { negative: bool, whole: Zeroizing<String>, fraction: Zeroizing<String> },
    Highest,
}

impl Number {
    /// Reads `-12.50`: an optional sign, digits, and optionally a point and digits.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let plain = |digits: &str| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
        if !plain(whole) || !plain(fraction) {
            return None;
        }
        let whole = Zeroizing::new(whole.trim_start_matches('0').to_owned());
        let fraction = Zeroizing::new(fraction.trim_end_matches('0').to_owned());
        let zero = whole.is_empty() && fraction.is_empty();
        Some(Self::Finite { negative: negative && !zero, whole, fraction })
    }

    /// The shortest decimal that means this floating-point number, which keeps their order. NaN is none.
    pub(super) fn of_real(real: f64) -> Option<Self> {
        if real == f64::INFINITY {
            return Some(Self::Highest);
        }
        if real == f64::NEG_INFINITY {
            return Some(Self::Lowest);
        }
        // Rust writes it without an exponent.
        Self::parse(&Zeroizing::new(real.to_string()))
    }

    /// How many digits stand behind the point.
    pub(super) fn scale(&self) -> usize {
        match self {
            Self::Finite { fraction, .. } => fraction.len(),
            _ => 0,
        }
    }

    /// The greatest multiple of `10^-scale` that is not above the number, in such units; the ends of `i128`
    /// where it is beyond them.
    pub(super) fn floor(&self, scale: usize) -> i128 {
        let (negative, whole, fraction) = match self {
            Self::Lowest => return i128::MIN,
            Self::Highest => return i128::MAX,
            Self::Finite { negative, whole, fraction } => (*negative, whole, fraction),
        };
        let digits = whole.bytes().chain(fraction.bytes().chain(std::iter::repeat(b'0')).take(scale));
        let units = digits
            .into_iter()
            .try_fold(0_i128, |units, digit| units.checked_mul(10)?.checked_add(i128::from(digit - b'0')));
        let cut = fraction.len() > scale;
        match units {
            Some(units) if negative => -units - i128::from(cut),
            Some(units) => units,
            None if negative => i128::MIN,
            None => i128::MAX,
        }
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        let rank = |number: &Self| match number {
            Self::Lowest => 0,
            Self::Finite { negative: true, .. } => 1,
            Self::Finite { .. } => 2,
            Self::Highest => 3,
        };
        rank(self).cmp(&rank(other)).then_with(|| match (self, other) {
            (
                Self::Finite { negative, whole: a, fraction: c },
                Self::Finite { whole: b, fraction: d, .. },
            ) => {
                let size = a.len().cmp(&b.len()).then_with(|| a.cmp(b)).then_with(|| c.cmp(d));
                if *negative { size.reverse() } else { size }
            }
            _ => Ordering::Equal,
        })
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Number {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> Number {
        Number::parse(text).expect("plain")
    }

    #[test]
    fn only_plain_decimals_are_read() {
        for text in
            ["", "-", "+", ".", "1.", ".5", "1e5", "0x1", "--1", "1_000", "١", "1,5", " 1", "NaN", "inf"]
        {
            assert!(Number::parse(text).is_none(), "{text}");
        }
        assert!(number("-0.00") == number("0"));
        assert!(number("007.50") == number("+7.5"));
        assert!(Number::of_real(f64::NAN).is_none());
    }

    #[test]
    fn floors_go_down() {
        assert_eq!(number("12.349").floor(2), 1_234);
        assert_eq!(number("-12.341").floor(2), -1_235);
        assert_eq!(number("-12.34").floor(2), -1_234);
        assert_eq!(number("0.001").floor(0), 0);
        assert_eq!(number("-0.001").floor(0), -1);
        assert_eq!(number(&"9".repeat(50)).floor(0), i128::MAX);
        assert_eq!(number(&format!("-{}", "9".repeat(50))).floor(0), i128::MIN);
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_the_numbers(a in -1_000_000_i64..1_000_000, b in -1_000_000_i64..1_000_000) {
            let text = |n: i64| format!("{}{}.{:03}", if n < 0 { "-" } else { "" }, n.abs() / 1_000, n.abs() % 1_000);
            prop_assert_eq!(number(&text(a)).cmp(&number(&text(b))), a.cmp(&b));
            prop_assert_eq!(number(&text(a)).floor(1), i128::from(a.div_euclid(100)));
        }

        #[test]
        fn the_order_is_that_of_floating_point(a: f64, b: f64) {
            if let (Some(x), Some(y)) = (Number::of_real(a), Number::of_real(b)) {
                prop_assert_eq!(Some(x.cmp(&y)), a.partial_cmp(&b));
            }
        }
    }

    #[test]
    fn the_infinities_are_beyond_every_number() {
        let lowest = Number::of_real(f64::NEG_INFINITY).expect("a number");
        let highest = Number::of_real(f64::INFINITY).expect("a number");
        let most = "9".repeat(50);
        let rising =
            [lowest, number(&format!("-{most}")), number("-5"), number("-0.5"), number("0"), number("0.25")];
        let rising: Vec<_> = rising.into_iter().chain([number("0.5"), number(&most), highest]).collect();
        for (i, one) in rising.iter().enumerate() {
            for (j, other) in rising.iter().enumerate() {
                assert_eq!((one.cmp(other), one.partial_cmp(other)), (i.cmp(&j), Some(i.cmp(&j))), "{i} {j}");
                assert_eq!(one == other, i == j);
            }
        }
        assert_eq!((rising[0].floor(2), rising[8].floor(2)), (i128::MIN, i128::MAX));
        assert_eq!((rising[0].scale(), rising[4].scale(), number("-7.250").scale()), (0, 0, 2));
    }
}
