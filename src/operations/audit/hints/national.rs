//! National identity and insurance numbers that have a checksum, or rules that few other texts keep.

use super::words::{Words, is_digits, values};

/// Three, two and four digits. No area 000, 666 or 9xx, no group 00, no serial 0000 (SSA, "Social Security
/// Number Randomization"). Nine bare digits are no hint: half of them keep these rules.
pub(super) fn us_ssn(words: &Words<'_>, at: usize) -> bool {
    let Some(digits) = words.grouped(at, &[3, 2, 4], &["-", " "]) else { return false };
    let (area, group, serial) = (&digits[..3], &digits[3..5], &digits[5..]);
    words.stands_alone(at, 3)
        && !matches!(area, "000" | "666")
        && !area.starts_with('9')
        && group != "00"
        && serial != "0000"
}

/// Two letters, six digits, A to D (HMRC, National Insurance Manual, NIM39110).
pub(super) fn uk_nino(words: &Words<'_>, at: usize) -> bool {
    let spaced = || {
        let lengths = [2, 2, 2, 2, 1];
        let parts = lengths.iter().enumerate().map(|(position, length)| {
            let joined = position == 0 || words.before(at + position) == " ";
            Some(words.at(at + position)).filter(|part| joined && part.len() == *length)
        });
        parts.collect::<Option<String>>()
    };
    let is_nino = |text: &str| {
        let [first, second, digits @ .., last] = text.as_bytes() else { return false };
        let takes = |letter: &u8, not: &[u8]| letter.is_ascii_uppercase() && !not.contains(letter);
        digits.len() == 6
            && digits.iter().all(u8::is_ascii_digit)
            && takes(first, b"DFIQUV")
            && takes(second, b"DFIOQUV")
            && !matches!(&[*first, *second], b"BG" | b"GB" | b"NK" | b"KN" | b"TN" | b"NT" | b"ZZ")
            && matches!(last, b'A'..=b'D')
    };
    is_nino(words.at(at)) || words.at(at).len() == 2 && spaced().is_some_and(|text| is_nino(&text))
}

/// Eight digits, or X, Y or Z and seven, and the letter of their remainder modulo 23 (Real Decreto 1553/2005).
pub(super) fn spanish_dni(words: &Words<'_>, at: usize) -> bool {
    const LETTERS: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";
    let is_dni = |text: &str| {
        let Some((letter, number)) = text.as_bytes().split_last() else { return false };
        let Ok(number) = std::str::from_utf8(number) else { return false };
        let number = match number.as_bytes().first() {
            Some(first @ b'X'..=b'Z') => format!("{}{}", first - b'X', &number[1..]),
            _ => number.to_owned(),
        };
        let remainder = values(&number).fold(0, |sum, digit| (sum * 10 + digit) % 23);
        number.len() == 8 && is_digits(&number) && LETTERS[remainder as usize] == *letter
    };
    let (first, second) = (words.at(at), words.at(at + 1));
    let joined = || words.before(at + 1) == "-" && second.len() == 1 && is_dni(&format!("{first}{second}"));
    is_dni(first) || joined()
}

/// Sixteen letters and digits, the last the check letter of the others (Decreto ministeriale 23 dicembre
/// 1976). The digits may be letters, where two people would have the same code.
pub(super) fn italian_tax_code(words: &Words<'_>, at: usize) -> bool {
    const FORM: &[u8; 16] = b"LLLLLLDDLDDLDDDL";
    /// What a letter or digit at an odd position counts; digits count as the first ten letters.
    const ODD: [u32; 26] =
        [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    let code = words.at(at).as_bytes();
    let fits = code.len() == FORM.len()
        && code.iter().zip(FORM).all(|(letter, form)| match form {
            b'L' => letter.is_ascii_uppercase(),
            _ => letter.is_ascii_digit() || b"LMNPQRSTUV".contains(letter),
        });
    if !fits {
        return false;
    }
    let place = |letter: u8| u32::from(letter - if letter.is_ascii_digit() { b'0' } else { b'A' });
    let sum: u32 = code[..15]
        .iter()
        .enumerate()
        .map(|(position, letter)| match position % 2 {
            0 => ODD[place(*letter) as usize],
            _ => place(*letter),
        })
        .sum();
    sum % 26 == place(code[15])
}

/// Thirteen digits and their key, 97 less the remainder modulo 97 (INSEE). Born in a month, or in none that is known.
pub(super) fn french_nir(words: &Words<'_>, at: usize) -> bool {
    let whole = words.digits(at, 15).map(str::to_owned);
    let Some(digits) = whole.or_else(|| words.grouped(at, &[1, 2, 2, 2, 3, 3, 2], &[" "])) else {
        return false;
    };
    let is_sex = matches!(digits.as_bytes().first(), Some(b'1' | b'2'));
    let is_month = digits[3..5].parse().is_ok_and(|month: u32| matches!(month, 1..=12 | 20..=42 | 50..=99));
    let (number, key) = digits.split_at(13);
    let number: Option<u64> = number.parse().ok();
    let key: Option<u64> = key.parse().ok();
    is_sex && is_month && number.zip(key).is_some_and(|(number, key)| 97 - number % 97 == key)
}

/// Eleven digits with their dots and hyphen, or alone; the last two check the others (Receita Federal).
pub(super) fn brazilian_cpf(words: &Words<'_>, at: usize) -> bool {
    let dotted = || {
        let separators = [1, 2, 3].map(|position| words.before(at + position));
        let parts =
            [3, 3, 3, 2].iter().enumerate().map(|(position, length)| words.digits(at + position, *length));
        parts.collect::<Option<String>>().filter(|_| separators == [".", ".", "-"])
    };
    let whole = words.digits(at, 11).filter(|_| words.is_single()).map(str::to_owned);
    let Some(digits) = whole.or_else(dotted) else { return false };
    let check = |count: usize| {
        let weights = (2..).take(count);
        let sum: u32 =
            values(&digits[..count]).rev().zip(weights).map(|(digit, weight)| digit * weight).sum();
        Some((sum * 10) % 11 % 10) == values(&digits[count..]).next()
    };
    let all_the_same = digits.bytes().all(|digit| digit == digits.as_bytes()[0]);
    !all_the_same && check(9) && check(10)
}

/// Twelve digits in three groups, or alone, the first 2 to 9, with Verhoeff's check digit (UIDAI).
pub(super) fn indian_aadhaar(words: &Words<'_>, at: usize) -> bool {
    let whole = words.digits(at, 12).filter(|_| words.is_single()).map(str::to_owned);
    let grouped = || words.grouped(at, &[4, 4, 4], &[" ", "-"]).filter(|_| words.stands_alone(at, 3));
    let Some(digits) = whole.or_else(grouped) else { return false };
    matches!(digits.as_bytes().first(), Some(b'2'..=b'9')) && passes_verhoeff(&digits)
}

/// J. Verhoeff, "Error Detecting Decimal Codes", 1969: multiplication in the dihedral group of ten elements.
fn passes_verhoeff(digits: &str) -> bool {
    const PERMUTATION: [u32; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let times = |a: u32, b: u32| match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => (a + b) % 5 + 5,
        (false, true) => (a + 5 - b) % 5 + 5,
        (false, false) => (a + 5 - b) % 5,
    };
    let permuted =
        |digit: u32, count: usize| (0..count % 8).fold(digit, |digit, _| PERMUTATION[digit as usize]);
    values(digits).rev().enumerate().fold(0, |sum, (position, digit)| times(sum, permuted(digit, position)))
        == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verhoeff_catches_what_his_paper_says() {
        // The example of the literature: 236 has the check digit 3.
        assert!(passes_verhoeff("2363"));
        for digit in "012456789".chars() {
            assert!(!passes_verhoeff(&format!("236{digit}")), "{digit}");
        }
        // Every swap of neighbours is caught.
        for swapped in ["3263", "2633", "2336"] {
            assert!(!passes_verhoeff(swapped), "{swapped}");
        }
    }
}
