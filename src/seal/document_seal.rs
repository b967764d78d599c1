//! The seal over a whole document: what it is made of, and the code that vouches for it.
//!
//! What is stored, and the message that the code is made over, stand in `docs/format.md`.

use super::error::{Cause, Unauthentic};
use crate::bytes::context::{push_bytes, push_document, push_length};
use crate::bytes::{KeyId, Location};
use crate::keys::{DataKey, KeyLookup};

const LABEL: &[u8] = b"fireseal v1 document seal";

/// What the document seal of a type covers, by every name under which a field of the type is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealInfo {
    /// The fields that it covers; flattened ones, and those that the type does not know, are covered too.
    pub covered: &'static [&'static str],
    /// The fields that it leaves out.
    pub unbound: &'static [&'static str],
}

/// A document seal as it is stored. The names are sorted by their bytes, and each stands here once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DocumentSeal {
    pub(crate) key: KeyId,
    pub(crate) revision: u64,
    pub(crate) covered: Vec<String>,
    pub(crate) unbound: Vec<String>,
    pub(crate) mac: [u8; 32],
}

/// What the code is made over, as it is put together: the canonical forms of the covered values go in between.
pub(crate) struct Message(Vec<u8>);

impl Message {
    /// The beginning, up to the covered values, of which there will be this many.
    pub(crate) fn new(location: &Location, key: &KeyId, revision: u64, covered: usize) -> Self {
        let mut message = Vec::with_capacity(1_024);
        push_bytes(&mut message, LABEL);
        push_bytes(&mut message, location.realm().unwrap_or_default().as_bytes());
        push_bytes(&mut message, location.scope().as_str().as_bytes());
        message.extend_from_slice(key.as_bytes());
        push_document(&mut message, location);
        message.extend_from_slice(&revision.to_le_bytes());
        push_length(&mut message, covered);
        Self(message)
    }

    /// The name of a field, behind which its canonical value is put.
    pub(crate) fn field(&mut self, name: &str) -> &mut Vec<u8> {
        push_bytes(&mut self.0, name.as_bytes());
        &mut self.0
    }

    /// The names that are left out, behind which the canonical upkeep is put.
    pub(crate) fn unbound(&mut self, names: &[String]) -> &mut Vec<u8> {
        push_length(&mut self.0, names.len());
        for name in names {
            push_bytes(&mut self.0, name.as_bytes());
        }
        &mut self.0
    }

    #[cfg(test)]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn mac(&self, key: &DataKey) -> [u8; 32] {
        key.document_seal().token(&self.0)
    }

    /// Whether a code is that of this message, compared in constant time.
    pub(crate) fn verifies(&self, key: &DataKey, mac: &[u8; 32]) -> bool {
        key.document_seal().verifies(&self.0, mac)
    }
}

impl DocumentSeal {
    /// The key that vouches, of what was looked up by its id.
    pub(crate) fn vouching<'a>(&self, found: &'a KeyLookup) -> Result<&'a DataKey, Unauthentic> {
        let id = self.key;
        match found {
            // A provider that answers with another key than the one asked for is not believed.
            KeyLookup::Found(key) if key.id() == id => Ok(key),
            KeyLookup::Destroyed => Err(Unauthentic::Key(Cause::KeyDestroyed(id))),
            KeyLookup::Retired => Err(Unauthentic::Key(Cause::KeyRetired(id))),
            KeyLookup::Compromised => Err(Unauthentic::Key(Cause::KeyCompromised(id))),
            KeyLookup::Refused => Err(Unauthentic::Key(Cause::KeyRefused(id))),
            KeyLookup::Found(_) | KeyLookup::Unknown => Err(Unauthentic::Key(Cause::KeyUnknown(id))),
        }
    }

    /// Whether both lists are sorted, hold nothing twice, and have no name in common.
    pub(crate) fn has_sorted_names(&self) -> bool {
        let rises = |names: &[String]| names.windows(2).all(|pair| matches!(pair, [a, b] if a < b));
        let apart = |name| self.covered.binary_search(name).is_err();
        rises(&self.covered) && rises(&self.unbound) && self.unbound.iter().all(apart)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::{DocumentPath, Scope};

    fn key() -> DataKey {
        DataKey::from_bytes(&[7; 32])
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn seal(covered: &[&str], unbound: &[&str]) -> DocumentSeal {
        let (covered, unbound) = (names(covered), names(unbound));
        DocumentSeal { key: key().id(), revision: 3, covered, unbound, mac: [0; 32] }
    }

    fn message() -> Message {
        let location = Location::new(DocumentPath::parse("people/ada").expect("valid"))
            .with_scope(Scope::new("acme").expect("valid"))
            .with_realm("test")
            .expect("valid");
        let mut message = Message::new(&location, &KeyId::from_bytes([7; 32]), 258, 1);
        message.field("age").push(0xaa);
        message.unbound(&names(&["b", "c"])).push(0xbb);
        message
    }

    #[test]
    fn the_message_is_the_documented_one() {
        let mut expected = b"\x19\0\0\0fireseal v1 document seal\x04\0\0\0test\x04\0\0\0acme".to_vec();
        expected.extend_from_slice(&[7; 32]);
        expected.extend_from_slice(b"\x02\0\0\0\x01\x06\0\0\0people\x02\x03\0\0\0ada");
        expected.extend_from_slice(b"\x02\x01\0\0\0\0\0\0\x01\0\0\0\x03\0\0\0age\xaa");
        expected.extend_from_slice(b"\x02\0\0\0\x01\0\0\0b\x01\0\0\0c\xbb");
        assert_eq!(message().as_bytes(), expected);
    }

    #[test]
    fn only_the_code_of_the_same_message_under_the_same_key_verifies() {
        let mac = message().mac(&key());
        assert_eq!(mac, key().document_seal().token(message().as_bytes()));
        assert!(message().verifies(&key(), &mac));
        assert!(!message().verifies(&DataKey::from_bytes(&[8; 32]), &mac));
        let mut other = message();
        other.field("more");
        assert!(!other.verifies(&key(), &mac) && !message().verifies(&key(), &[0; 32]));
    }

    #[test]
    fn only_the_key_that_was_asked_for_vouches() {
        let (seal, id) = (seal(&[], &[]), key().id());
        let vouched = |found: &KeyLookup| seal.vouching(found).map(DataKey::id);
        assert_eq!(vouched(&KeyLookup::Found(key().into())), Ok(id));
        for (found, cause) in [
            (KeyLookup::Found(DataKey::from_bytes(&[8; 32]).into()), Cause::KeyUnknown(id)),
            (KeyLookup::Unknown, Cause::KeyUnknown(id)),
            (KeyLookup::Destroyed, Cause::KeyDestroyed(id)),
            (KeyLookup::Retired, Cause::KeyRetired(id)),
            (KeyLookup::Compromised, Cause::KeyCompromised(id)),
            (KeyLookup::Refused, Cause::KeyRefused(id)),
        ] {
            assert_eq!(vouched(&found), Err(Unauthentic::Key(cause)));
        }
    }

    #[test]
    fn names_are_sorted_and_each_stands_once() {
        for (covered, unbound) in [(&[][..], &[][..]), (&["a"], &["b"]), (&["a", "c"], &["B", "b", "d"])] {
            assert!(seal(covered, unbound).has_sorted_names(), "{covered:?} {unbound:?}");
        }
        for (covered, unbound) in [
            (&["b", "a"][..], &[][..]),
            (&[], &["b", "a"]),
            (&["a", "a"], &["b"]),
            (&["a"], &["b", "b"]),
            (&["a"], &["a"]),
            (&["a", "b"], &["b", "c"]),
            (&["a", "b", "a"], &["c"]),
        ] {
            assert!(!seal(covered, unbound).has_sorted_names(), "{covered:?} {unbound:?}");
        }
    }
}
