//! Telephone numbers in the international form of E.164.

use super::words::{Words, is_digits};

/// The country codes of two digits that the ITU has assigned (E.164, Annex to the Operational Bulletin).
const TWO_DIGITS: &[u8] = &[
    20, 27, 30, 31, 32, 33, 34, 36, 39, 40, 41, 43, 44, 45, 46, 47, 48, 49, 51, 52, 53, 54, 55, 56, 57, 58,
    60, 61, 62, 63, 64, 65, 66, 81, 82, 84, 86, 90, 91, 92, 93, 94, 95, 98,
];
/// The first two digits of the assigned codes of three, each with the third ones.
const THREE_DIGITS: &[(u8, &str)] = &[
    (21, "12368"),
    (22, "0123456789"),
    (23, "0123456789"),
    (24, "0123456789"),
    (25, "012345678"),
    (26, "0123456789"),
    (29, "01789"),
    (35, "0123456789"),
    (37, "0123456789"),
    (38, "01235679"),
    (42, "013"),
    (50, "0123456789"),
    (59, "0123456789"),
    (67, "023456789"),
    (68, "012356789"),
    (69, "012"),
    (80, "08"),
    (85, "02356"),
    (87, "08"),
    (88, "012368"),
    (96, "012345678"),
    (97, "012345679"),
    (99, "234568"),
];

/// Whether a number begins at this word: a plus, then 8 to 15 digits, in groups or not.
pub(super) fn begins_at(words: &Words<'_>, at: usize) -> bool {
    let before = words.before(at);
    if !before.ends_with('+') || before.len() == 1 && at > 0 {
        return false;
    }
    let mut digits = String::new();
    let mut next = at;
    while is_digits(words.at(next)) && digits.len() + words.at(next).len() <= 15 {
        digits.push_str(words.at(next));
        next += 1;
        if !matches!(words.before(next), " " | "-" | "." | "/" | " (" | ") " | ")" | "(" | ")-") {
            break;
        }
    }
    digits.len() >= 8 && is_assigned(&digits)
}

fn is_assigned(digits: &str) -> bool {
    let first_two: Option<u8> = digits.get(..2).and_then(|two| two.parse().ok());
    let third = digits.chars().nth(2);
    match first_two {
        // North America has eleven digits, Russia and Kazakhstan too.
        Some(10..=19 | 70..=79) => digits.len() == 11,
        Some(two) => {
            TWO_DIGITS.contains(&two)
                || THREE_DIGITS
                    .iter()
                    .any(|(of, thirds)| *of == two && third.is_some_and(|third| thirds.contains(third)))
        }
        None => false,
    }
}
