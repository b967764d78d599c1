//! The bounds of a range index: integers, decimal numbers, dates and times.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::parse::{Parse, ParseStream};
use syn::{Lit, Token};

use super::index::Range;

/// How many steps a range may have.
const MAX_BUCKETS: u128 = 1 << 40;

/// A number or a text, as it is written.
pub struct Bound {
    tokens: TokenStream,
    text: String,
    kind: Written,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    Integer,
    Real,
    Text,
}

impl Parse for Bound {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let minus: Option<Token![-]> = input.parse()?;
        let literal: Lit = input.parse()?;
        let sign = if minus.is_some() { "-" } else { "" };
        let (text, kind) = match &literal {
            Lit::Int(number) => (number.base10_digits().to_owned(), Written::Integer),
            Lit::Float(number) => (number.base10_digits().to_owned(), Written::Real),
            Lit::Str(text) if minus.is_none() => (text.value(), Written::Text),
            other => return Err(syn::Error::new_spanned(other, "a number or a text")),
        };
        let tokens = [minus.to_token_stream(), literal.to_token_stream()].into_iter().collect();
        Ok(Self { tokens, text: format!("{sign}{text}"), kind })
    }
}

impl ToTokens for Bound {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.tokens.to_tokens(tokens);
    }
}

impl Bound {
    /// The whole number that it is.
    pub fn integer(&self) -> Option<i128> {
        if self.kind == Written::Integer { self.text.parse().ok() } else { None }
    }

    /// The decimal number that it is: its digits without the point, and how many stand behind it.
    fn decimal(&self) -> Option<(i128, u32)> {
        let (whole, fraction) = self.text.split_once('.').unwrap_or((&self.text, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let unsigned = whole.strip_prefix('-').unwrap_or(whole);
        if unsigned.is_empty() || !digits(unsigned) || !digits(fraction) || self.text.ends_with('.') {
            return None;
        }
        Some((format!("{whole}{fraction}").parse().ok()?, u32::try_from(fraction.len()).ok()?))
    }

    /// The seconds since 1970, of a date or a time.
    fn time(&self) -> Option<i64> {
        if self.kind == Written::Text { seconds(&self.text) } else { None }
    }

    /// The seconds of a duration such as `1d`.
    fn duration(&self) -> Option<u64> {
        let unit = self.text.chars().last()?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return None,
        };
        let number = self.text.strip_suffix(unit)?;
        let plain = self.kind == Written::Text && number.bytes().all(|byte| byte.is_ascii_digit());
        number.parse::<u64>().ok().filter(|_| plain)?.checked_mul(seconds)
    }
}

/// The domain and precision that the bounds give, or where they are wrong and why.
pub fn range<'a>(min: &'a Bound, max: &'a Bound, step: &'a Bound) -> Result<Range, (&'a Bound, String)> {
    if let (Some(low), Some(high)) = (min.time(), max.time()) {
        let Some(seconds) = step.duration() else {
            return Err((
                step,
                "the precision of times is a number of seconds, minutes, hours or days: `step = \"1d\"`"
                    .to_owned(),
            ));
        };
        checked((low.into(), min), (high.into(), max), (i128::from(seconds), step))?;
        return Ok(Range::Time { min: low, max: high, step: seconds });
    }
    if let (Some(low), Some(high), Some(wide)) = (min.integer(), max.integer(), step.integer()) {
        let step = checked((low, min), (high, max), (wide, step))?;
        return Ok(Range::Integer { min: low, max: high, step });
    }
    let decimal = |bound: &'a Bound| {
        bound.decimal().ok_or_else(|| {
            let what = "write all three as integers (`0`), as plain decimal numbers (`\"0.01\"`), or `min` and `max` \
                        as dates (`\"1900-01-01\"`, or RFC 3339) and `step` as a duration (`\"1d\"`)";
            (bound, format!("the bounds of a range go together: {what}"))
        })
    };
    let (low, high, wide) = (decimal(min)?, decimal(max)?, decimal(step)?);
    let scale = low.1.max(high.1).max(wide.1);
    let scaled = |(digits, own): (i128, u32), bound: &'a Bound| {
        let units = 10_i128.checked_pow(scale - own).and_then(|factor| digits.checked_mul(factor));
        units.map(|units| (units, bound)).ok_or_else(|| (bound, "the number has too many digits".to_owned()))
    };
    checked(scaled(low, min)?, scaled(high, max)?, scaled(wide, step)?)?;
    let text = |bound: &Bound| bound.text.clone();
    Ok(Range::Decimal { min: text(min), max: text(max), step: text(step) })
}

/// Checks the bounds in one unit, and gives the step.
fn checked<'a>(
    (min, _): (i128, &'a Bound),
    (max, at_max): (i128, &'a Bound),
    (step, at_step): (i128, &'a Bound),
) -> Result<u128, (&'a Bound, String)> {
    if min >= max {
        return Err((at_max, "`max` must be above `min`".to_owned()));
    }
    let step = match u128::try_from(step) {
        Ok(step) if step > 0 => step,
        _ => {
            return Err((
                at_step,
                "`step` is the width of what is told apart, so it must be above zero".to_owned(),
            ));
        }
    };
    let width = max.abs_diff(min);
    if step > width {
        return Err((
            at_step,
            "`step` is wider than the whole range, so nothing would be told apart".to_owned(),
        ));
    }
    if width / step >= MAX_BUCKETS {
        return Err((
            at_step,
            "the range has more than 2^40 steps; make `step` larger or the bounds narrower: each doubling costs a \
             token"
                .to_owned(),
        ));
    }
    Ok(step)
}

/// The seconds since 1970 of `YYYY-MM-DD` (its midnight in UTC) or of an RFC 3339 time without fractions.
fn seconds(text: &str) -> Option<i64> {
    let (date, time) = match text.split_at_checked(10)? {
        (date, "") => (date, None),
        (date, rest) => (date, Some(rest.strip_prefix(['T', 't', ' '])?)),
    };
    let days = days(date)?;
    let seconds = time.map_or(Some(0), seconds_of_day)?;
    days.checked_mul(86_400)?.checked_add(seconds)
}

/// `HH:MM:SS` and `Z` or `+HH:MM`.
fn seconds_of_day(text: &str) -> Option<i64> {
    let (time, zone) = text.split_at_checked(8)?;
    let hours = |text: &str| {
        let (hour, minute) = (two(text, 0)?, two(text, 3)?);
        (text.get(2..3)? == ":" && hour < 24 && minute < 60).then_some(hour * 3_600 + minute * 60)
    };
    let second = two(time, 6)?;
    let local = hours(time)? + second;
    if time.get(5..6)? != ":" || second > 59 {
        return None;
    }
    let offset = match zone.split_at_checked(1)? {
        ("Z" | "z", "") => 0,
        ("+", zone) if zone.len() == 5 => hours(zone)?,
        ("-", zone) if zone.len() == 5 => -hours(zone)?,
        _ => return None,
    };
    Some(local - offset)
}

/// The days since 1970 of `YYYY-MM-DD`.
fn days(text: &str) -> Option<i64> {
    let separators = text.get(4..5)? == "-" && text.get(7..8)? == "-" && text.len() == 10;
    let (year, month, day) = (two(text, 0)? * 100 + two(text, 2)?, two(text, 5)?, two(text, 8)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if !separators || day < 1 || day > length {
        return None;
    }
    // Days from a March that begins a year of the calendar's 400-year cycle.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let of_years = year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    Some(of_years + (153 * month + 2) / 5 + day - 1 - 719_468)
}

/// Two digits at a place of a text.
fn two(text: &str, at: usize) -> Option<i64> {
    let digits = text.get(at..at + 2)?;
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(text: &str) -> Bound {
        syn::parse_str(text).expect("a literal")
    }

    fn read(min: &str, max: &str, step: &str) -> Result<Range, String> {
        let (min, max, step) = (bound(min), bound(max), bound(step));
        range(&min, &max, &step).map_err(|(_, message)| message)
    }

    #[test]
    fn dates_and_times_are_seconds_since_1970() {
        for (text, expected) in [
            ("1970-01-01", 0),
            ("1970-01-02", 86_400),
            ("1969-12-31", -86_400),
            ("1900-01-01", -2_208_988_800),
            ("2000-02-29", 951_782_400),
            ("2100-01-01", 4_102_444_800),
            ("0001-01-01", -62_135_596_800),
            ("9999-12-31", 253_402_214_400),
            ("2020-01-01T00:00:00Z", 1_577_836_800),
            ("2020-01-01T01:30:15+01:00", 1_577_838_615),
            ("2019-12-31T23:00:00-01:30", 1_577_838_600),
        ] {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
        for text in [
            "",
            "2020",
            "2020-13-01",
            "2019-02-29",
            "1900-02-29",
            "2020-00-01",
            "2020-01-00",
            "2020-04-31",
            "2020/01/01",
            "2020-01-01T",
            "2020-01-01T24:00:00Z",
            "2020-01-01T00:00:60Z",
            "2020-01-01T00:00:00",
            "2020-01-01T00:00:00+0100",
            "2020-01-01T00-00-00Z",
            "+200-01-01",
            "2020-01-0é",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    #[test]
    fn bounds_of_one_kind_make_a_range() {
        assert_eq!(read("-5", "5", "2"), Ok(Range::Integer { min: -5, max: 5, step: 2 }));
        let text = |text: &str| text.to_owned();
        let decimal =
            |min, max, step| Ok(Range::Decimal { min: text(min), max: text(max), step: text(step) });
        assert_eq!(read("\"-1.50\"", "\"10\"", "\"0.01\""), decimal("-1.50", "10", "0.01"));
        assert_eq!(read("0", "1.5", "0.5"), decimal("0", "1.5", "0.5"));
        assert_eq!(
            read("\"1970-01-01\"", "\"1970-01-03\"", "\"12h\""),
            Ok(Range::Time { min: 0, max: 172_800, step: 43_200 })
        );
        assert_eq!(read("0", "1099511627776", "1").err().map(|m| m.contains("2^40")), Some(true));
        assert!(read("0", "1099511627775", "1").is_ok());
    }

    #[test]
    fn bounds_that_contradict_each_other_are_refused() {
        for (min, max, step, message) in [
            ("5", "5", "1", "above `min`"),
            ("\"2.5\"", "\"2.50\"", "\"0.1\"", "above `min`"),
            ("0", "5", "0", "above zero"),
            ("0", "5", "-1", "above zero"),
            ("0", "5", "6", "wider"),
            ("\"0\"", "\"1\"", "\"1e-3\"", "go together"),
            ("\"x\"", "5", "1", "go together"),
            ("\"2020-01-01\"", "5", "1", "go together"),
            ("\"2020-01-01\"", "\"2021-01-01\"", "1", "`step = \"1d\"`"),
            ("\"2020-01-01\"", "\"2021-01-01\"", "\"d\"", "`step = \"1d\"`"),
            ("\"0\"", "\"99999999999999999999999999999999999999\"", "\"0.1\"", "too many digits"),
        ] {
            let error = read(min, max, step).expect_err("must be refused");
            assert!(error.contains(message), "{min} {max} {step}: {error}");
        }
    }
}
