//! A share of an identity: one line of text, which names its set and tells a typo.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::crockford;
use crate::bytes::wiped::wiped;

const LABEL: &str = "fireseal-share-v1";
const CHECKSUM_LABEL: &[u8] = b"fireseal-share-checksum-v1\0";
/// 40 bits of a hash of the recipient.
pub(super) const SET_DIGITS: usize = 8;
/// 30 bits.
const CHECK_DIGITS: usize = 6;

/// One of n shares of an age identity, k of which make it whole; fewer reveal nothing. Wiped on drop;
/// `Debug` shows neither the secret nor the checksum.
#[derive(Clone)]
pub struct Share {
    pub(super) set: [u8; SET_DIGITS],
    pub(super) index: u8,
    pub(super) threshold: u8,
    pub(super) secret: Zeroizing<[u8; 32]>,
}

impl ZeroizeOnDrop for Share {}

const _: fn(&Share) = |Share { set: _, index: _, threshold: _, secret }| wiped(secret);

/// Compares the secrets in constant time.
impl PartialEq for Share {
    fn eq(&self, other: &Self) -> bool {
        let Self { set, index, threshold, secret } = self;
        let clear = (set, index, threshold) == (&other.set, &other.index, &other.threshold);
        bool::from(secret.ct_eq(&*other.secret)) && clear
    }
}

impl Eq for Share {}

/// Why a text is no share, or shares do not go together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShareError {
    /// The text is something else, or cut.
    #[error("this is no line `fireseal-share-v1:…`, or not all of it: compare it with the paper")]
    NotOne,
    /// The checksum does not fit.
    #[error("the share is damaged or has a typo: its checksum does not fit; compare it with the paper")]
    Typo,
    /// Too few of them.
    #[error("{needed} shares of set {set} are needed, and {given} are here: they reveal nothing yet")]
    TooFew {
        /// The set's name.
        set: String,
        /// How many there must be.
        needed: u8,
        /// How many different ones there are.
        given: usize,
    },
    /// No share at all.
    #[error("no share was given")]
    None,
    /// Shares of two identities.
    #[error("the shares are of different sets, {first} and {second}: give those of one set only")]
    MixedSets {
        /// The first share's set.
        first: String,
        /// The other one.
        second: String,
    },
    /// One share twice.
    #[error("share {index} of set {set} was given twice")]
    Duplicate {
        /// The set's name.
        set: String,
        /// The share's number.
        index: u8,
    },
    /// The shares are well-formed, and yet make no identity of their set.
    #[error("the shares do not make the identity of set {set}: one of them was not made with the others")]
    NotWhole {
        /// The set's name.
        set: String,
    },
    /// Such a quorum is none.
    #[error("a quorum needs 2 or more of at most 64 shares, not {threshold} of {count}")]
    Quorum {
        /// How many should be needed.
        threshold: usize,
        /// How many there should be.
        count: usize,
    },
    /// The operating system gives no random numbers.
    #[error("the operating system gives no random numbers")]
    Random,
}

impl Share {
    /// Reads a share's line: either case, `O` for 0, `I` and `L` for 1, with or without white space and
    /// dashes.
    ///
    /// # Errors
    /// [`ShareError::NotOne`], [`ShareError::Typo`].
    pub fn parse(text: &str) -> Result<Self, ShareError> {
        let parts: Vec<&str> = text.split(':').map(str::trim).collect();
        let [label, set, index, threshold, secret, check] = parts[..] else {
            return Err(ShareError::NotOne);
        };
        if !label.eq_ignore_ascii_case(LABEL) {
            return Err(ShareError::NotOne);
        }
        let digits = |text: &str| crockford::digits(text).map_err(|_| ShareError::Typo);
        let number = |text: &str| text.parse::<u8>().map_err(|_| ShareError::Typo);
        let set = digits(set)?.as_slice().try_into().map_err(|_| ShareError::Typo)?;
        let decoded = crockford::decode(&digits(secret)?).ok_or(ShareError::Typo)?;
        let mut secret = Zeroizing::new([0; 32]);
        if decoded.len() != secret.len() {
            return Err(ShareError::Typo);
        }
        secret.copy_from_slice(&decoded);
        let share = Self { set, index: number(index)?, threshold: number(threshold)?, secret };
        let same = share.check_digits().ct_eq(&digits(check)?);
        if same.into() { Ok(share) } else { Err(ShareError::Typo) }
    }

    /// The share as one line: label, set, number, how many are needed, secret, checksum.
    #[must_use]
    pub fn expose_text(&self) -> Zeroizing<String> {
        let secret = crockford::print(&crockford::encode(&*self.secret));
        let (set, check) = (self.set(), crockford::print(&self.check_digits()));
        let (index, threshold) = (self.index.to_string(), self.threshold.to_string());
        // With room for all of it from the start: growing would leave a copy behind.
        let mut text = Zeroizing::new(String::with_capacity(128));
        for part in [LABEL, ":", &set, ":", &index, ":", &threshold, ":", &secret, ":", &check] {
            text.push_str(part);
        }
        text
    }

    /// The name of its set: eight characters.
    #[must_use]
    pub fn set(&self) -> String {
        self.set.iter().map(|digit| crockford::character(*digit)).collect()
    }

    /// Its number within the set, from 1.
    #[must_use]
    pub fn index(&self) -> u8 {
        self.index
    }

    /// How many shares make the identity whole.
    #[must_use]
    pub fn threshold(&self) -> u8 {
        self.threshold
    }

    fn check_digits(&self) -> Vec<u8> {
        let mut hash = Sha256::new();
        hash.update(CHECKSUM_LABEL);
        hash.update(self.set);
        hash.update([self.index, self.threshold]);
        hash.update(self.secret.as_slice());
        let mut digits = crockford::encode(&hash.finalize()).to_vec();
        digits.truncate(CHECK_DIGITS);
        digits
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Share")
            .field("set", &self.set())
            .field("index", &self.index)
            .field("threshold", &self.threshold)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrong_character_is_told() {
        let secret = Zeroizing::new([0x5a; 32]);
        let share = Share { set: [3; SET_DIGITS], index: 2, threshold: 3, secret };
        let text = share.expose_text();
        // As an independent program makes it.
        let body = format!("{}B9D0", "B9D5-MPJT-".repeat(6));
        assert_eq!(*text, format!("fireseal-share-v1:33333333:2:3:{body}:F3Q7-W5"));
        assert_eq!(Share::parse(&text), Ok(share.clone()));
        let (label, rest) = text.split_once(':').expect("a label");
        let typed = format!("{}: {}", label.to_uppercase(), rest.to_lowercase().replace('-', " "));
        assert_eq!(Share::parse(&typed), Ok(share.clone()));
        let mut tried = 0;
        for (place, right) in text.char_indices().skip(LABEL.len() + 1) {
            for wrong in ('0'..='9').chain('A'..='Z').filter(|wrong| *wrong != right) {
                let typed = format!("{}{wrong}{}", &text[..place], &text[place + 1..]);
                assert!(Share::parse(&typed).map_or(true, |read| read == share), "{typed}");
                // Only what is forgiven reads the same.
                if Share::parse(&typed).is_ok() {
                    assert!("O0IL1".contains(wrong) && "01".contains(right), "{typed}");
                }
                tried += 1;
            }
            assert!(Share::parse(&text[..place]).is_err());
        }
        println!("{tried} wrong characters told");
        assert!(!format!("{share:?}").contains(&text[40..44]));
    }
}
