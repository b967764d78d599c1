//! What a step found and did, added up over documents.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::{Serialize, Serializer};

use crate::bytes::KeyId;

/// How many keys are told apart.
const KEYS: usize = 64;

/// What a step found in documents and did to them. Additive.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Counts {
    /// Plaintext values that were sealed. Whoever seals what was found vouches for it: what somebody put there
    /// before is now sealed like everything else.
    pub sealed: u64,
    /// Sealed values that were opened and stay as they are.
    pub opened: u64,
    /// Values that were opened and sealed anew under the primary key.
    pub resealed: u64,
    /// Values that stood under a compromised key, whatever was done with them: others may have made them, and
    /// sealing them anew vouches for them.
    pub compromised: u64,
    /// Values that were put back in the clear.
    pub unsealed: u64,
    /// Values that were sealed by hand before, and are envelopes now.
    pub imported: u64,
    /// Index entries that were set or replaced.
    pub indexed: u64,
    /// Index entries that were removed.
    pub unindexed: u64,
    /// How many sealed values stand under each key, after the step: of the first 64 keys in the order of
    /// their ids. Each scope has keys of its own, and the sum of many documents is kept small.
    #[serde(with = "by_key")]
    pub keys: BTreeMap<KeyId, u64>,
    /// How many sealed values stand under all other keys.
    pub other_keys: u64,
    /// Of the sealed values, after the step.
    pub digest: Digest,
}

impl Counts {
    /// Adds those of other documents.
    pub fn add(&mut self, other: &Self) {
        let counts = [
            (&mut self.sealed, other.sealed),
            (&mut self.opened, other.opened),
            (&mut self.resealed, other.resealed),
            (&mut self.compromised, other.compromised),
            (&mut self.unsealed, other.unsealed),
            (&mut self.imported, other.imported),
            (&mut self.indexed, other.indexed),
            (&mut self.unindexed, other.unindexed),
        ];
        counts.into_iter().for_each(|(sum, count)| *sum += count);
        for (key, count) in &other.keys {
            *self.keys.entry(*key).or_default() += count;
        }
        self.other_keys += other.other_keys;
        // The first ones whatever the order of adding: what is once among the others stays there.
        while self.keys.len() > KEYS {
            self.other_keys += self.keys.pop_last().map_or(0, |(_, count)| count);
        }
        self.digest.add(&other.digest);
    }
}

/// What the sealed values of a collection are, in 32 bytes for each key that they are under: two passes that
/// find the same values at the same places have the same digest, in whatever order they go. Of more than 64 keys
/// those after the first 64, in the order of their ids, are summed into one.
///
/// It is a sum, modulo 2^256, of one HMAC-SHA256 for each value, over its place and its Firestore value, under a
/// key that is derived from the data key of its envelope. So it tells nothing to whoever has no key,
/// and a value under another key counts apart. A pass that seals and a later one that verifies agree
/// unless somebody wrote in between; it proves no more against one who has the data key.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Digest {
    keys: BTreeMap<KeyId, [u8; 32]>,
    /// Of all other keys; zeros of none.
    others: [u8; 32],
}

/// Under which the sum of all other keys is kept.
const OTHERS: &str = "others";

impl Digest {
    /// Adds those of other documents.
    pub fn add(&mut self, other: &Self) {
        other.keys.iter().for_each(|(key, sum)| self.add_value(*key, sum));
        add_sum(&mut self.others, &other.others);
    }

    /// Adds one value's.
    pub(crate) fn add_value(&mut self, key: KeyId, code: &[u8; 32]) {
        add_sum(self.keys.entry(key).or_default(), code);
        if self.keys.len() > KEYS
            && let Some((_, last)) = self.keys.pop_last()
        {
            add_sum(&mut self.others, &last);
        }
    }

    /// The sums, by key: of the first 64 keys.
    pub fn sums(&self) -> impl Iterator<Item = (&KeyId, &[u8; 32])> {
        self.keys.iter()
    }

    fn named(&self) -> impl Iterator<Item = (String, String)> {
        let others = (self.others != [0; 32]).then(|| (OTHERS.to_owned(), hex(&self.others)));
        self.keys.iter().map(|(key, sum)| (key.to_string(), hex(sum))).chain(others)
    }
}

fn add_sum(sum: &mut [u8; 32], code: &[u8; 32]) {
    let mut carry = 0;
    for (byte, more) in sum.iter_mut().zip(code) {
        let [low, high] = (u16::from(*byte) + u16::from(*more) + carry).to_le_bytes();
        *byte = low;
        carry = high.into();
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.named()).finish()
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.named())
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut sums = BTreeMap::<String, String>::deserialize(deserializer)?;
        let others = sums.remove(OTHERS).map_or(Some([0; 32]), |sum| unhex(&sum));
        let sums = sums.iter().map(|(key, sum)| Some((KeyId::from_bytes(unhex(key)?), unhex(sum)?)));
        let digest = sums.collect::<Option<_>>().zip(others).map(|(keys, others)| Self { keys, others });
        digest.ok_or_else(|| D::Error::custom("a digest is 64 hexadecimal digits for each key id"))
    }
}

/// Counts by key ids, which are hexadecimal digits.
mod by_key {
    use super::{BTreeMap, Deserialize, Deserializer, KeyId, Serializer, unhex};
    use serde::de::Error as _;

    pub(super) fn serialize<S: Serializer>(keys: &BTreeMap<KeyId, u64>, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(keys.iter().map(|(key, count)| (key.to_string(), count)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<KeyId, u64>, D::Error> {
        let keys = BTreeMap::<String, u64>::deserialize(from)?;
        let keys = keys.iter().map(|(key, count)| Some((KeyId::from_bytes(unhex(key)?), *count)));
        keys.collect::<Option<_>>().ok_or_else(|| D::Error::custom("a key id is 64 hexadecimal digits"))
    }
}

fn hex(bytes: &[u8; 32]) -> String {
    KeyId::from_bytes(*bytes).to_string()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(key: u8, code: u8) -> Counts {
        let mut counts =
            Counts { sealed: 1, keys: [(KeyId::from_bytes([key; 32]), 1)].into(), ..Counts::default() };
        counts.digest.add_value(KeyId::from_bytes([key; 32]), &[code; 32]);
        counts
    }

    #[test]
    fn sums_carry_and_know_no_order() {
        let parts = [counts(1, 0xff), counts(1, 0x80), counts(2, 0xff), counts(1, 0x81)];
        let (mut forwards, mut backwards) = (Counts::default(), Counts::default());
        parts.iter().for_each(|part| forwards.add(part));
        parts.iter().rev().for_each(|part| backwards.add(part));
        assert_eq!(forwards, backwards);
        // 0xff + 0x80 + 0x81 = 0x200, and 2 carried from then on.
        let mut expected = [0x02; 32];
        expected[0] = 0;
        assert_eq!(forwards.digest.keys[&KeyId::from_bytes([1; 32])], expected);
        assert_ne!(forwards.digest, counts(1, 0xff).digest);
    }

    #[test]
    fn of_many_keys_the_first_are_told_apart_in_whatever_order() {
        let parts: Vec<Counts> = (0..200).chain(50..200).map(|key| counts(key, key)).collect();
        let (mut forwards, mut halves, mut rest) = (Counts::default(), Counts::default(), Counts::default());
        parts.iter().for_each(|part| forwards.add(part));
        parts.iter().rev().step_by(2).for_each(|part| halves.add(part));
        parts.iter().rev().skip(1).step_by(2).for_each(|part| rest.add(part));
        halves.add(&rest);
        assert_eq!(forwards, halves);
        assert_eq!((forwards.keys.len(), forwards.digest.sums().count()), (64, 64));
        assert_eq!(forwards.other_keys + forwards.keys.values().sum::<u64>(), 350);
        assert!(serde_json::to_string(&forwards).expect("has a form").len() < 20_000);
    }

    #[test]
    fn counts_survive_json() {
        let mut all = counts(1, 7);
        (2..100).for_each(|key| all.add(&counts(key, 8)));
        let json = serde_json::to_string(&all).expect("has a form");
        assert_eq!(serde_json::from_str::<Counts>(&json).expect("reads"), all);
    }
}
