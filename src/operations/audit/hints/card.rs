//! Numbers of payment cards and bank accounts.

use iban::Iban;

use super::words::{Words, is_digits, values};

/// How issuers group the digits, besides not at all.
const GROUPS: [&[usize]; 6] =
    [&[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4], &[4, 4, 4, 4, 1], &[4, 4, 4, 4, 2], &[4, 4, 4, 4, 3]];

pub(super) fn begins_at(words: &Words<'_>, at: usize) -> bool {
    let whole = words.stands_alone(at, 1) && is_card(words.at(at));
    whole
        || GROUPS.iter().any(|groups| {
            words.stands_alone(at, groups.len())
                && words.grouped(at, groups, &[" ", "-"]).is_some_and(|digits| is_card(&digits))
        })
}

/// Whether these are 13 to 19 digits of a known issuer that pass Luhn's check (ISO/IEC 7812-1).
pub(super) fn is_card(digits: &str) -> bool {
    (13..=19).contains(&digits.len()) && is_digits(digits) && is_issued(digits) && passes_luhn(digits)
}

/// Whether an issuer has numbers of this beginning and this length.
fn is_issued(digits: &str) -> bool {
    let Some(six) = digits.get(..6).and_then(|six| six.parse::<u32>().ok()) else { return false };
    let (four, three, two) = (six / 100, six / 1_000, six / 10_000);
    match digits.len() {
        // Diners Club.
        14 => matches!(three, 300..=305) || matches!(two, 36 | 38 | 39),
        // American Express.
        15 => matches!(two, 34 | 37),
        length => {
            // Visa; Mastercard; Mir; JCB; Discover; UnionPay; Maestro.
            let visa = two / 10 == 4 && matches!(length, 13 | 16 | 19);
            let of_sixteen = matches!(two, 51..=55) || matches!(four, 2221..=2720);
            let of_more = matches!(four, 2200..=2204 | 3528..=3589 | 6011)
                || matches!(three, 644..=649)
                || matches!(two, 62 | 65 | 81)
                || matches!(four, 5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763);
            visa || of_sixteen && length == 16 || of_more && length >= 16
        }
    }
}

fn passes_luhn(digits: &str) -> bool {
    let sum: u32 = values(digits)
        .rev()
        .enumerate()
        .map(|(position, digit)| match (position % 2, digit) {
            (0, digit) => digit,
            (_, digit) if digit < 5 => digit * 2,
            (_, digit) => digit * 2 - 9,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Whether an IBAN begins at this word: in one piece, or as on paper in groups of four.
pub(super) fn iban_begins_at(words: &Words<'_>, at: usize) -> bool {
    let is_start = |word: &str| matches!(word.as_bytes(), [a, b, c, d, ..] if a.is_ascii_uppercase() && b.is_ascii_uppercase() && c.is_ascii_digit() && d.is_ascii_digit());
    let first = words.at(at);
    if !is_start(first) {
        return false;
    }
    let is_iban = |text: &str| text.is_ascii() && text.parse::<Iban>().is_ok();
    let mut text = first.to_owned();
    if is_iban(&text) {
        return true;
    }
    let (mut next, mut last) = (at + 1, first);
    while last.len() == 4
        && words.before(next) == " "
        && (1..=4).contains(&words.at(next).len())
        && next < at + 9
    {
        last = words.at(next);
        text.push_str(last);
        next += 1;
        if is_iban(&text) {
            return true;
        }
    }
    false
}
