//! The walk that opens each sealed field.

use std::marker::PhantomData;
use std::sync::Arc;

use serde::de::value::Error as PlainError;
use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor};
use serde_bytes::Bytes;
use zeroize::Zeroizing;

use super::closed::Closed;
use super::error::{Cause, FieldFailure};
use super::raw_bytes::RawBytes;
use super::sealed::{Sealed, Slot};
use super::walk::Walk;
use super::window::PlaintextWindow;
use crate::bytes::aead::Subcipher;
use crate::bytes::context::{AssociatedData, Place, StepPath};
use crate::bytes::envelope::{HEADER_BYTES, Header, VERSION};
use crate::bytes::plaintext::{self, Foreign, NotDecodable};
use crate::bytes::{FieldPath, Format, KeyId};
use crate::keys::{DataKey, KeyLookup};

/// The walk that opens each sealed field of a companion, and remembers those that do not open.
pub struct Reveal<'a> {
    place: Place<'a>,
    look_up: &'a dyn Fn(&KeyId) -> KeyLookup,
    window: Option<&'a PlaintextWindow>,
    current: Option<Current>,
    /// The last plaintext: one buffer serves all fields, and is wiped when it grows and at the end.
    plaintext: Zeroizing<Vec<u8>>,
    /// The steps of the path that may be stored under other names: which, and those names.
    aliases: Vec<(usize, &'static [&'static str])>,
    failures: Vec<FieldFailure>,
}

/// How many paths are tried for a value whose steps have aliases.
const MAX_PATHS: usize = 64;

/// What the field before was opened with: most documents have one key, and were sealed in one write.
struct Current {
    key: Arc<DataKey>,
    cipher: Subcipher,
    associated_data: AssociatedData,
}

impl<'a> Walk<Reveal<'a>> {
    pub(crate) fn reveal(
        place: impl Into<Place<'a>>,
        look_up: &'a dyn Fn(&KeyId) -> KeyLookup,
        window: Option<&'a PlaintextWindow>,
    ) -> Self {
        Self::new(Reveal {
            place: place.into(),
            look_up,
            window,
            current: None,
            plaintext: Zeroizing::default(),
            aliases: Vec::new(),
            failures: Vec::new(),
        })
    }

    pub(super) fn into_failures(self) -> Vec<FieldFailure> {
        self.act.failures
    }

    /// Opens one value. `D` is the field's type, or an adapter that `plain` takes off; `absent` says
    /// what an absent field is worth.
    ///
    /// # Errors
    /// [`Closed`], after the failure has been remembered in the walk.
    pub fn field<T, D: DeserializeOwned>(
        &mut self,
        sealed: Sealed<T>,
        _format: Format,
        absent: impl FnOnce() -> Option<T>,
        plain: impl FnOnce(D) -> T,
    ) -> Result<T, Closed<T>> {
        self.open(sealed, absent, |plaintext| plaintext::decode(plaintext).map(plain))
    }

    /// Opens one value of raw bytes.
    ///
    /// # Errors
    /// [`Closed`], after the failure has been remembered in the walk.
    pub fn bytes<T: RawBytes>(
        &mut self,
        sealed: Sealed<T>,
        _format: Format,
        absent: impl FnOnce() -> Option<T>,
    ) -> Result<T, Closed<T>> {
        // The buffer leaves with the bytes: nothing of another field may be left in it.
        self.act.plaintext = Zeroizing::default();
        self.open(sealed, absent, |plaintext| {
            T::from_raw_bytes(plaintext::take_bytes(plaintext)?).ok_or(NotDecodable)
        })
    }

    fn open<T>(
        &mut self,
        sealed: Sealed<T>,
        absent: impl FnOnce() -> Option<T>,
        decode: impl FnOnce(&mut Vec<u8>) -> Result<T, NotDecodable>,
    ) -> Result<T, Closed<T>> {
        let cause = match sealed.slot() {
            Slot::Absent => match absent() {
                Some(value) => return Ok(value),
                None => Cause::Missing,
            },
            // Left behind by a `visit` that does not reach the field: a default would be made up.
            Slot::Draft(_) => Cause::Missing,
            Slot::Foreign(plain) => match self.act.window.filter(|window| window.covers(&self.path)) {
                None => Cause::Plaintext,
                Some(window) => match decode(&mut plain.to_plaintext()) {
                    Ok(value) => {
                        window.count();
                        return Ok(value);
                    }
                    Err(NotDecodable) => Cause::OtherType,
                },
            },
            Slot::Stored(stored) => match self.decrypt(stored) {
                // Bytes that do not begin as an envelope does: plaintext of a type that is bytes.
                Err(Cause::Malformed) if stored.first() != Some(&VERSION) => {
                    match self.act.window.filter(|window| window.covers(&self.path)) {
                        None => Cause::Malformed,
                        Some(window) => {
                            let plain = Foreign::encode(Bytes::new(stored)).map_err(|_| NotDecodable);
                            match plain.and_then(|plain| decode(&mut plain.to_plaintext())) {
                                Ok(value) => {
                                    window.count();
                                    return Ok(value);
                                }
                                Err(NotDecodable) => Cause::Malformed,
                            }
                        }
                    }
                }
                Err(cause) => cause,
                Ok(()) => match decode(&mut self.act.plaintext) {
                    Ok(value) => return Ok(value),
                    Err(NotDecodable) => Cause::OtherType,
                },
            },
        };
        self.act.failures.push(FieldFailure { field: self.path.decode(), cause });
        Err(Closed::new(sealed, cause))
    }

    /// Opens the bytes that are stored at a path, and returns the plaintext, content byte and padding included.
    pub(crate) fn open_at(&mut self, path: &FieldPath, stored: &[u8]) -> Result<Zeroizing<Vec<u8>>, Cause> {
        self.path = StepPath::from(path);
        self.decrypt(stored)?;
        Ok(std::mem::take(&mut self.act.plaintext))
    }

    /// Decrypts into the walk's plaintext.
    fn decrypt(&mut self, stored: &[u8]) -> Result<(), Cause> {
        let header = Header::decode(stored).ok_or(Cause::Malformed)?;
        let sealed = stored.get(HEADER_BYTES..).ok_or(Cause::Malformed)?;
        let (ciphertext, tag) = sealed.split_last_chunk().ok_or(Cause::Malformed)?;
        self.act.renew(&header)?;
        let Reveal { current, plaintext, aliases, .. } = &mut self.act;
        let Some(current) = current else { return Err(Cause::KeyUnknown(header.key_id)) };
        if plaintext.capacity() < ciphertext.len() {
            *plaintext = Zeroizing::new(Vec::with_capacity(ciphertext.len().max(64)));
        }
        plaintext.resize(ciphertext.len(), 0);
        let mut opens = |path: &StepPath| {
            let associated_data = current.associated_data.of_field(path);
            current.cipher.open(&header.nonce, associated_data, (ciphertext, tag), plaintext).is_ok()
        };
        // A field that is read under an alias was sealed under that name.
        if opens(&self.path) || aliased_paths(&self.path, aliases).iter().any(opens) {
            return Ok(());
        }
        Err(Cause::DoesNotOpen)
    }

    /// Goes into the field with this stored name, which may be stored under one of its aliases.
    pub fn key_read<R>(
        &mut self,
        name: &str,
        aliases: &'static [&'static str],
        inner: impl FnOnce(&mut Self) -> R,
    ) -> R {
        self.act.aliases.push((self.path.len(), aliases));
        let result = self.key(name, inner);
        self.act.aliases.pop();
        result
    }
}

/// Every other path that the names of its steps allow.
fn aliased_paths(path: &StepPath, aliases: &[(usize, &'static [&'static str])]) -> Vec<StepPath> {
    if aliases.is_empty() {
        return Vec::new();
    }
    let mut paths = vec![path.clone()];
    for (step, names) in aliases {
        let renamed: Vec<_> = paths
            .iter()
            .flat_map(|path| names.iter().map(|name| path.with_key(*step, name)))
            .take(MAX_PATHS - paths.len().min(MAX_PATHS))
            .collect();
        paths.extend(renamed);
    }
    paths.split_off(1)
}

impl Reveal<'_> {
    /// Makes `current` what opens values with this header.
    fn renew(&mut self, header: &Header) -> Result<(), Cause> {
        let id = header.key_id;
        match &mut self.current {
            Some(current) if current.key.id() == id => {
                if !current.cipher.takes(&header.nonce) {
                    current.cipher = current.key.cipher().for_nonce(&header.nonce);
                }
            }
            current => match (self.look_up)(&id) {
                // A provider that answers with another key than the one asked for is not believed.
                KeyLookup::Found(key) if key.id() == id => {
                    *current = Some(Current {
                        cipher: key.cipher().for_nonce(&header.nonce),
                        associated_data: AssociatedData::new(self.place, &id),
                        key,
                    });
                }
                KeyLookup::Destroyed => return Err(Cause::KeyDestroyed(id)),
                KeyLookup::Retired => return Err(Cause::KeyRetired(id)),
                KeyLookup::Compromised => return Err(Cause::KeyCompromised(id)),
                KeyLookup::Refused => return Err(Cause::KeyRefused(id)),
                KeyLookup::Found(_) | KeyLookup::Unknown => return Err(Cause::KeyUnknown(id)),
            },
        }
        Ok(())
    }
}

/// What serde makes of a missing field without a default: `None` for an `Option`, else nothing.
#[must_use]
pub fn missing<T: DeserializeOwned>() -> Option<T> {
    T::deserialize(Missing(PhantomData)).ok()
}

struct Missing<'de>(PhantomData<&'de ()>);

impl<'de> Deserializer<'de> for Missing<'de> {
    type Error = PlainError;

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, PlainError> {
        Err(PlainError::custom("missing"))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PlainError> {
        visitor.visit_none()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_most_64_paths_are_tried_each_once() {
        const NAMES: &[&str] = &["a", "b", "c", "d", "e"];
        let mut path = StepPath::default();
        for name in ["x", "y", "z"] {
            path.push_key(name);
        }
        let others = |steps: usize| {
            let aliases: Vec<_> = (0..steps).map(|step| (step, NAMES)).collect();
            aliased_paths(&path, &aliases).iter().map(|path| path.decode().to_string()).collect::<Vec<_>>()
        };
        assert!(others(0).is_empty());
        assert_eq!(others(1), ["a.y.z", "b.y.z", "c.y.z", "d.y.z", "e.y.z"]);
        let all = others(2);
        assert_eq!((all.len(), all.contains(&"e.e.z".to_owned())), (35, true));
        let all: std::collections::BTreeSet<_> = others(3).into_iter().collect();
        assert_eq!(all.len(), MAX_PATHS - 1, "beside the path itself");
    }
}
