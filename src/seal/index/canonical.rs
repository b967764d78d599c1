//! The one encoding of what a token is made of.
//!
//! ```text
//! value      u8 tag, u32 length, content
//!            1 text: UTF-8, normalised        2 integer: i128, whatever its width in Rust
//!            3 truth: u8, 0 or 1              4 bytes
//! interval   u8 5, u32 17, u8 level, u128 index
//! compound   u8 6, u32 count, then that many values
//! ```
//!
//! All integers are little-endian.

use zeroize::Zeroizing;

use super::info::Normalizer;
use super::normal::Normal;
use super::range::Interval;
use super::scalar::{NotIndexable, Scalar};
use crate::bytes::context::{push_bytes, push_length};

const TEXT: u8 = 1;
const INTEGER: u8 = 2;
const TRUTH: u8 = 3;
const BYTES: u8 = 4;
const INTERVAL: u8 = 5;
const COMPOUND: u8 = 6;

/// An encoding, which holds plaintext. Wiped on drop.
#[derive(PartialEq)]
pub(super) struct Canonical(Zeroizing<Vec<u8>>);

impl Canonical {
    /// Room for one encoding after another.
    pub(super) fn empty() -> Self {
        Self(Zeroizing::new(Vec::with_capacity(64)))
    }

    pub(super) fn of(value: &Scalar, normalize: &[Normalizer]) -> Result<Self, NotIndexable> {
        let mut canonical = Self::empty();
        canonical.value(value, normalize)?;
        Ok(canonical)
    }

    pub(super) fn of_all(values: &[Scalar], normalize: &[Normalizer]) -> Result<Self, NotIndexable> {
        let mut canonical = Self::empty();
        canonical.compound(values, normalize)?;
        Ok(canonical)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn value(&mut self, value: &Scalar, normalize: &[Normalizer]) -> Result<&[u8], NotIndexable> {
        self.0.clear();
        self.push(value, normalize)?;
        Ok(&self.0)
    }

    /// A text that is normalised already.
    pub(super) fn text(&mut self, normal: &str) -> &[u8] {
        self.0.clear();
        self.push_tagged(TEXT, normal.as_bytes());
        &self.0
    }

    pub(super) fn compound(
        &mut self,
        values: &[Scalar],
        normalize: &[Normalizer],
    ) -> Result<&[u8], NotIndexable> {
        self.0.clear();
        self.0.push(COMPOUND);
        push_length(&mut self.0, values.len());
        values.iter().try_for_each(|value| self.push(value, normalize))?;
        Ok(&self.0)
    }

    pub(super) fn interval(&mut self, interval: Interval) -> &[u8] {
        let mut content = [0; 17];
        content[0] = interval.level;
        content[1..].copy_from_slice(&interval.index.to_le_bytes());
        self.0.clear();
        self.push_tagged(INTERVAL, &content);
        &self.0
    }

    fn push(&mut self, value: &Scalar, normalize: &[Normalizer]) -> Result<(), NotIndexable> {
        match value {
            Scalar::Text(text) => self.push_tagged(TEXT, Normal::of(text, normalize).as_bytes()),
            Scalar::Integer(integer) => self.push_tagged(INTEGER, &integer.to_le_bytes()),
            Scalar::Bool(truth) => self.push_tagged(TRUTH, &[u8::from(*truth)]),
            Scalar::Bytes(bytes) => self.push_tagged(BYTES, bytes),
            // Equal numbers have several forms, and NaN equals nothing.
            Scalar::Real(_) => return Err(NotIndexable::Real),
        }
        Ok(())
    }

    fn push_tagged(&mut self, tag: u8, content: &[u8]) {
        let needed = 5 + content.len();
        if self.0.capacity() - self.0.len() < needed {
            // Growing in place would leave the old bytes behind.
            let mut larger = Zeroizing::new(Vec::with_capacity(2 * (self.0.len() + needed)));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.push(tag);
        push_bytes(&mut self.0, content);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_is_the_documented_one() {
        let mut canonical = Canonical::empty();
        let text = Scalar::Text("Ada".to_owned());
        let folded = canonical.value(&text, &[Normalizer::CaseFold]).expect("a text");
        assert_eq!(folded, b"\x01\x03\0\0\0ada");
        assert_eq!(canonical.text("Ada"), b"\x01\x03\0\0\0Ada");
        let integer = canonical.value(&Scalar::Integer(-2), &[]).expect("an integer");
        assert_eq!(integer, [&b"\x02\x10\0\0\0\xfe"[..], &[0xff; 15]].concat());
        assert_eq!(canonical.value(&Scalar::Bool(true), &[]), Ok(&b"\x03\x01\0\0\0\x01"[..]));
        assert_eq!(canonical.value(&Scalar::Bytes(vec![9]), &[]), Ok(&b"\x04\x01\0\0\0\x09"[..]));
        assert_eq!(canonical.value(&Scalar::Real(1.0), &[]), Err(NotIndexable::Real));
        let interval = canonical.interval(Interval { level: 3, index: 258 });
        assert_eq!(interval, [&b"\x05\x11\0\0\0\x03\x02\x01"[..], &[0; 14]].concat());
        let both = canonical.compound(&[text, Scalar::Bool(false)], &[]).expect("scalars");
        assert_eq!(both, b"\x06\x02\0\0\0\x01\x03\0\0\0Ada\x03\x01\0\0\0\0");
        let long = "x".repeat(1_000);
        assert_eq!(canonical.text(&long), [b"\x01\xe8\x03\0\0", long.as_bytes()].concat());
    }

    #[test]
    fn one_encoding_after_another_takes_the_same_memory() {
        let mut canonical = Canonical::empty();
        let first = canonical.text("Ada").as_ptr();
        assert!(std::ptr::eq(canonical.text("Lovelace").as_ptr(), first));
    }
}
