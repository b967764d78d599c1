//! A recovery code: what is printed, and what a person types.

use std::fmt;

use subtle::ConstantTimeEq as _;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::crockford;
use crate::bytes::wiped::wiped;

/// The first characters name the set, the next one the code within it.
const SET: usize = 3;
const NAME: usize = SET + 1;
/// The secret part: five bits from the operating system each.
const RANDOM: usize = 26;
const DIGITS: usize = NAME + RANDOM + 2;

/// The largest prime whose remainders two characters hold (ISO 7064's pure systems have the same form). A
/// wrong character changes the remainder, and so does the exchange of any two neighbours: radix 32 and
/// radix less one, 31, have no factor in common with it.
const MODULUS: u16 = 1021;
/// The remainder of every code; not zero, which a row of zeros has.
const REMAINDER: u16 = 1;

/// A recovery code: 130 random bits on paper, as 32 characters of Crockford's base32 in groups of four.
///
/// The first group names the code and is no secret: three characters for its set, one for its number. The
/// last two characters are a checksum, so that a typo is told as one before any slow work. Wiped on drop;
/// `Debug` shows the first group only.
///
/// The printed text, dashes included, is the passphrase of a standard age file.
#[derive(Clone)]
pub struct RecoveryCode(Zeroizing<String>);

impl ZeroizeOnDrop for RecoveryCode {}

const _: fn(&RecoveryCode) = |RecoveryCode(text)| wiped(text);

/// Compares in constant time.
impl PartialEq for RecoveryCode {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for RecoveryCode {}

/// Why a text is no recovery code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodeError {
    /// Characters are missing, or there are too many.
    #[error("a recovery code has 32 characters besides dashes, this has {found}: compare it with the paper")]
    Length {
        /// How many there are.
        found: usize,
    },
    /// A character that no code has.
    #[error("character {place} is none that a recovery code has: compare it with the paper")]
    Character {
        /// Where it stands, counted from 1 without white space and dashes.
        place: usize,
    },
    /// The checksum does not fit.
    #[error("the recovery code has a typo: its checksum does not fit; compare it with the paper")]
    Typo,
}

impl RecoveryCode {
    /// A new code of a set. The number is 1 to 31.
    pub(super) fn generate(set: [u8; SET], number: u8) -> Result<Self, getrandom::Error> {
        let mut random = Zeroizing::new([0; RANDOM]);
        getrandom::fill(random.as_mut_slice())?;
        let mut digits = Zeroizing::new(Vec::with_capacity(DIGITS));
        digits.extend(set);
        digits.push(number);
        digits.extend(random.iter().map(|byte| byte & 31));
        digits.extend([0, 0]);
        let check = (MODULUS + REMAINDER - remainder(&digits)) % MODULUS;
        digits.truncate(DIGITS - 2);
        digits.extend([check >> 5, check & 31].map(|digit| digit.to_le_bytes()[0]));
        Ok(Self::of(&digits))
    }

    fn of(digits: &[u8]) -> Self {
        Self(crockford::print(digits))
    }

    /// Reads what a person typed: either case, `O` for 0, `I` and `L` for 1, with or without white space
    /// and dashes.
    ///
    /// # Errors
    /// [`CodeError`]: told at once, without the slow work that opening takes.
    pub fn parse(typed: &str) -> Result<Self, CodeError> {
        let digits = crockford::digits(typed).map_err(|place| CodeError::Character { place })?;
        if digits.len() != DIGITS {
            return Err(CodeError::Length { found: digits.len() });
        }
        if remainder(&digits) == REMAINDER { Ok(Self::of(&digits)) } else { Err(CodeError::Typo) }
    }

    /// The code as it is printed, and as the stock `age` program asks for it. Whoever has it and reads
    /// the vault opens the ring.
    #[must_use]
    pub fn expose_text(&self) -> &str {
        &self.0
    }

    /// The first group, which is also the name of its slot: no secret.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0[..NAME]
    }

    /// The name of its set: the first three characters.
    #[must_use]
    pub fn set(&self) -> &str {
        &self.0[..SET]
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RecoveryCode").field(&self.name()).finish()
    }
}

/// The remainder of the number that the digits write in radix 32.
fn remainder(digits: &[u8]) -> u16 {
    digits.iter().fold(0, |remainder, digit| (remainder * 32 + u16::from(*digit)) % MODULUS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrong_character_and_every_exchange_is_a_typo() {
        let mut tried = 0;
        for number in 1..20 {
            let code = RecoveryCode::generate([31, 0, 17], number).expect("random");
            let text = code.expose_text();
            assert_eq!((text.len(), code.set()), (39, "Z0H"));
            assert_eq!(RecoveryCode::parse(text), Ok(code.clone()));
            let digits = crockford::digits(text).expect("ours");
            for place in 0..DIGITS {
                for wrong in (0..32).filter(|wrong| *wrong != digits[place]) {
                    let mut typed = digits.clone();
                    typed[place] = wrong;
                    assert_eq!(RecoveryCode::parse(&crockford::print(&typed)), Err(CodeError::Typo));
                    tried += 1;
                }
                // Not only neighbours.
                for other in (place + 1..DIGITS).filter(|other| digits[*other] != digits[place]) {
                    let mut typed = digits.clone();
                    typed.swap(place, other);
                    assert_eq!(RecoveryCode::parse(&crockford::print(&typed)), Err(CodeError::Typo));
                    tried += 1;
                }
            }
            assert_eq!(RecoveryCode::parse(&text[1..]), Err(CodeError::Length { found: 31 }));
            assert_eq!(RecoveryCode::parse(&format!("U{text}")), Err(CodeError::Character { place: 1 }));
            assert_eq!(format!("{code:?}"), format!("RecoveryCode({:?})", code.name()));
        }
        println!("{tried} typos told");
        // As an independent program makes it.
        assert!(RecoveryCode::parse("K7Q3-0123-4567-89AB-CDEF-GHJK-MNPQ-RS2A").is_ok());
        assert_eq!(RecoveryCode::parse(&"0".repeat(DIGITS)), Err(CodeError::Typo));
    }
}
