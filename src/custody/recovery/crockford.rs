//! Crockford's base32, as people print and type it.

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// How many characters stand together.
const GROUP: usize = 4;

/// The five-bit digits of what a person typed: either case, `O` for 0, `I` and `L` for 1; white space and
/// dashes do not matter. Otherwise the place of the first character that is none, counted from 1 without
/// white space and dashes.
pub(super) fn digits(text: &str) -> Result<Zeroizing<Vec<u8>>, usize> {
    let mut digits = Zeroizing::new(Vec::with_capacity(text.len()));
    let dash = |c: char| matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}');
    for typed in text.chars().filter(|c| !c.is_whitespace() && !dash(*c)) {
        let upper = match typed.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        };
        let digit = (0..32).find(|digit| character(*digit) == upper).ok_or(digits.len() + 1)?;
        digits.push(digit);
    }
    Ok(digits)
}

/// The character of five bits.
pub(super) fn character(digit: u8) -> char {
    char::from(ALPHABET[usize::from(digit & 31)])
}

/// The one printed form of digits: upper case, in groups of four with dashes between them.
pub(super) fn print(digits: &[u8]) -> Zeroizing<String> {
    // With room for all of it from the start: growing would leave a copy behind.
    let mut text = Zeroizing::new(String::with_capacity(digits.len() + digits.len() / GROUP));
    for (place, digit) in digits.iter().enumerate() {
        if place > 0 && place % GROUP == 0 {
            text.push('-');
        }
        text.push(character(*digit));
    }
    text
}

/// Bytes as digits, five bits each from the front; the last one is filled up with zeros.
pub(super) fn encode(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let count = (bytes.len() * 8).div_ceil(5);
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1);
    let digit = |place: usize| (0..5).fold(0, |digit, at| digit << 1 | bit(place * 5 + at));
    let mut digits = Zeroizing::new(Vec::with_capacity(count));
    digits.extend((0..count).map(digit));
    digits
}

/// The bytes of digits; `None` where the last digit is not filled up with zeros.
pub(super) fn decode(digits: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let count = digits.len() * 5 / 8;
    let bit = |at: usize| digits.get(at / 5).map_or(0, |digit| digit >> (4 - at % 5) & 1);
    let byte = |place: usize| (0..8).fold(0, |byte, at| byte << 1 | bit(place * 8 + at));
    let mut bytes = Zeroizing::new(Vec::with_capacity(count));
    bytes.extend((0..count).map(byte));
    bool::from(encode(&bytes).ct_eq(digits)).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_and_typing_is_forgiven() {
        for length in 0..40_u8 {
            let bytes: Vec<u8> = (0..length).map(|byte| byte.wrapping_mul(89) ^ 0xa5).collect();
            let printed = print(&encode(&bytes));
            let typed = printed.to_lowercase().replace('0', "o").replace('1', " L").replace('-', "\u{2013}");
            assert_eq!(*decode(&digits(&typed).expect("ours")).expect("ours"), bytes);
        }
        assert_eq!(*print(&encode(b"\xff\xff\xff")), "ZZZZ-Y");
        assert!(decode(&digits("ZZZZZ").expect("digits")).is_none());
        assert_eq!(digits("00-0U"), Err(4));
    }
}
