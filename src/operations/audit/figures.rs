//! Numbers, times and names as the table and the page show them.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Unit};

use super::report::Values;

/// The classes that a bar tells apart, from what is wanted to what is not.
pub(super) const PARTS: [&str; 5] = ["opened", "unverified", "does not open", "malformed", "plaintext"];

/// How many values are of each of [`PARTS`].
pub(super) fn parts(values: &Values) -> [u64; PARTS.len()] {
    [values.opened, values.unverified, values.unopenable(), values.malformed, values.plaintext]
}

/// How many units of a bar each part takes: all of them together, and none of those that are there has less
/// than one.
pub(super) fn shares(parts: &[u64], units: u64) -> Vec<u64> {
    let all: u128 = parts.iter().map(|part| u128::from(*part)).sum();
    let there = parts.iter().filter(|part| **part > 0).count() as u64;
    if all == 0 || units < there {
        return vec![0; parts.len()];
    }
    // Each part gets its unit first, so no rounding takes it away again.
    let free = u128::from(units - there);
    let share = |part: u64| {
        if part == 0 { 0 } else { 1 + u64::try_from(u128::from(part) * free / all).unwrap_or_default() }
    };
    let mut shares: Vec<u64> = parts.iter().map(|part| share(*part)).collect();
    let left = units - shares.iter().sum::<u64>();
    if let Some((largest, _)) = parts.iter().enumerate().max_by_key(|(_, part)| **part) {
        shares[largest] += left;
    }
    shares
}

/// A number with a comma for each thousand.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A count with its noun.
pub(super) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { many })
}

/// A share in percent. Only all is 100%, and only none is 0%.
pub(super) fn percent(part: u64, all: u64) -> String {
    if all == 0 {
        return "–".to_owned();
    }
    if part == all {
        return "100%".to_owned();
    }
    let tenths = u128::from(part) * 1_000 / u128::from(all);
    match (part, tenths) {
        (0, _) => "0%".to_owned(),
        (_, 0) => "<0.1%".to_owned(),
        (_, tenths) => format!("{}.{}%", tenths / 10, tenths % 10),
    }
}

/// A moment in UTC, to the minute.
pub(super) fn moment(ms: u64) -> String {
    shown_time(ms, "%Y-%m-%d %H:%M UTC")
}

/// A day in UTC.
pub(super) fn day(ms: u64) -> String {
    shown_time(ms, "%Y-%m-%d")
}

fn shown_time(ms: u64, format: &str) -> String {
    let time = i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let time = time.and_then(|time| time.to_zoned(TimeZone::UTC).round(Unit::Second).ok());
    time.map_or_else(|| "an unknown time".to_owned(), |time| time.strftime(format).to_string())
}

/// Whole days between two moments.
pub(super) fn days(from_ms: u64, to_ms: u64) -> u64 {
    to_ms.saturating_sub(from_ms) / (24 * 60 * 60 * 1_000)
}

/// The beginning and the end of a key's id.
pub(super) fn short_key(key: &str) -> String {
    let key: Vec<char> = key.chars().collect();
    match (key.get(..8), key.len().checked_sub(4).and_then(|at| key.get(at..))) {
        (Some(start), Some(end)) if key.len() > 12 => {
            visible(&start.iter().chain(&['…']).chain(end).collect::<String>())
        }
        _ => visible(&key.iter().collect::<String>()),
    }
}

/// A name with what a terminal or a browser would not show as itself written out: control characters,
/// characters that turn the direction of text, and those without a width.
pub(super) fn visible(name: &str) -> String {
    let hidden = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
            || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
            || matches!(letter, '\u{e0000}'..='\u{e0fff}')
    };
    name.chars().fold(String::with_capacity(name.len()), |mut shown, letter| {
        if hidden(letter) {
            shown.extend(letter.escape_unicode())
        } else {
            shown.push(letter)
        }
        shown
    })
}

/// A name of at most so many characters, with dots where some are left out.
pub(super) fn cut(name: &str, length: usize) -> String {
    if name.chars().count() <= length {
        return name.to_owned();
    }
    name.chars().take(length.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_all_is_all_and_only_none_is_none() {
        assert_eq!(percent(0, 0), "–");
        assert_eq!(percent(0, 9), "0%");
        assert_eq!(percent(1, 10_000), "<0.1%");
        assert_eq!(percent(999_999, 1_000_000), "99.9%");
        assert_eq!(percent(1, 8), "12.5%");
        assert_eq!(percent(u64::MAX, u64::MAX), "100%");
    }

    #[test]
    fn a_bar_is_full_and_hides_no_part() {
        assert_eq!(shares(&[1, 0, 0, 0, 1_000_000], 20), [1, 0, 0, 0, 19]);
        assert_eq!(shares(&[1, 1, 1, 1, 1], 5), [1, 1, 1, 1, 1]);
        assert_eq!(shares(&[0, 0, 0, 0, 0], 20), [0; 5]);
        assert_eq!(shares(&[u64::MAX, u64::MAX, 1, 1, 1], 20).iter().sum::<u64>(), 20);
        for seed in 0..500_u64 {
            let parts: Vec<u64> = (0..5).map(|at| (seed * 7_919 + at * 104_729) % 97).collect();
            let shares = shares(&parts, 24);
            assert_eq!(shares.iter().sum::<u64>(), if parts.iter().sum::<u64>() > 0 { 24 } else { 0 });
            assert!(shares.iter().zip(&parts).all(|(share, part)| (*share > 0) == (*part > 0)), "{parts:?}");
        }
    }

    #[test]
    fn numbers_times_and_names() {
        assert_eq!(number(0), "0");
        assert_eq!(number(1_234_567), "1,234,567");
        assert_eq!(moment(1_700_000_000_000), "2023-11-14 22:13 UTC");
        assert_eq!(moment(u64::MAX), "an unknown time");
        assert_eq!(days(0, 86_400_000 * 3 - 1), 2);
        assert_eq!(days(5, 0), 0);
        assert_eq!(short_key(&"0123456789abcdef".repeat(4)), "01234567…cdef");
        assert_eq!(short_key("short"), "short");
        assert_eq!(visible("a\u{1b}[31m\u{202e}b\u{200b}é"), r"a\u{1b}[31m\u{202e}b\u{200b}é");
        assert_eq!(cut("address", 4), "add…");
    }
}
