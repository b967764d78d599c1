//! Read-modify-write: what changed is put into the document that was read; all else stays as it is.
//!
//! Two encodings of the companion are compared, of what was read and of what is to be written. Where
//! they agree, the stored value is left alone, under whatever name it stands; so are fields that
//! neither of them has, which are those that the type does not know. That needs no schema and works
//! at every depth of maps. Inside arrays, elements have no identity of their own: an element that
//! holds unknown fields may change in its sealed values only, or the write is refused.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::collection::{Collection, decode_companion, reads_twice};
use crate::bytes::FieldPath;
use crate::bytes::context::StepPath;
use crate::bytes::envelope::Header;
use crate::error::Error;
use crate::seal::{Document, Slot, for_each_slot};
use crate::store::value::{array_of, encode_unchecked, map_of};
use crate::store::{Document as RawDocument, Fields, Value, ValueType, same};

/// What stands for plaintext in a sealed place while encodings are compared: this, and a digest.
/// It is no envelope, for those begin with their version.
const PLAINTEXT_MARK: &[u8] = b"fireseal: plaintext in a sealed place ";

/// The fields to be stored in place of `read`, for a companion that was made from it.
pub(super) fn carry<T: Document>(
    collection: &Collection<T>,
    read: &RawDocument,
    mut sealed: T::Sealed,
) -> Result<Fields, Error> {
    let mut before = decode_companion::<T>(read)?;
    mark_plaintext::<T>(&mut before);
    let before = encode_unchecked(&before)
        .map_err(|source| Error::ClearValue { document: read.path.clone(), source })?;
    mark_plaintext::<T>(&mut sealed);
    let new = collection.encode(&read.path, &sealed)?;

    let mut result = read.fields.clone();
    let mut carrying = Carrying { read, reads_twice: reads_twice::<T>, names: Vec::new() };
    carrying.fields(&read.fields, &before, &new, &mut result)?;
    if result.values().any(is_marked) {
        // Plaintext that was moved to another sealed place: it was never opened, so it cannot be sealed.
        return Err(Error::PlaintextMoved { document: read.path.clone() });
    }
    // Whatever happened, a document that could not be read again is not written.
    let result = RawDocument { fields: result, ..read.clone() };
    decode_companion::<T>(&result)?;
    Ok(result.fields)
}

/// The sealed places of two companions hold the same, each at its own path.
pub(super) fn same_slots<T: Document>(one: &mut T::Sealed, another: &mut T::Sealed) -> bool {
    let slots = |sealed: &mut T::Sealed| {
        let mut slots = BTreeSet::new();
        for_each_slot::<T>(sealed, |path, slot| {
            let held = match slot {
                Slot::Absent | Slot::Draft(_) => None,
                Slot::Stored(bytes) => Some((false, bytes.clone())),
                Slot::Foreign(plain) => Some((true, plain.as_bytes().to_vec())),
            };
            if let Some(held) = held {
                slots.insert((path.decode().to_string(), held));
            }
        });
        slots
    };
    slots(one) == slots(another)
}

/// The fields at the root that hold a sealed value which the document as it was read does not have.
pub(super) fn sealed_anew<T: Document>(
    read: Option<&RawDocument>,
    sealed: &mut T::Sealed,
) -> Result<BTreeSet<String>, Error> {
    let mut before = BTreeSet::new();
    if let Some(read) = read {
        for_each_slot::<T>(&mut decode_companion::<T>(read)?, |_, slot| {
            if let Slot::Stored(bytes) = slot {
                before.insert(bytes.clone());
            }
        });
    }
    let mut roots = BTreeSet::new();
    for_each_slot::<T>(sealed, |path, slot| {
        if let Slot::Stored(bytes) = slot
            && !before.contains(bytes)
            && let Some(root) = path.root()
            && !roots.contains(root)
        {
            roots.insert(root.to_owned());
        }
    });
    Ok(roots)
}

/// Whether anything in a companion is sealed.
pub(super) fn is_sealed<T: Document>(sealed: &mut T::Sealed) -> bool {
    let mut any = false;
    for_each_slot::<T>(sealed, |_, slot| any |= matches!(slot, Slot::Stored(_)));
    any
}

fn mark_plaintext<T: Document>(sealed: &mut T::Sealed) {
    for_each_slot::<T>(sealed, |_, slot| {
        if let Slot::Foreign(plain) = slot {
            let digest = Sha256::digest(plain.as_bytes());
            *slot = Slot::Stored([PLAINTEXT_MARK, &digest].concat());
        }
    });
}

fn is_marked(value: &Value) -> bool {
    match &value.value_type {
        Some(ValueType::BytesValue(bytes)) => bytes.starts_with(PLAINTEXT_MARK),
        Some(ValueType::MapValue(map)) => map.fields.values().any(is_marked),
        Some(ValueType::ArrayValue(array)) => array.values.iter().any(is_marked),
        _ => false,
    }
}

struct Carrying<'a> {
    read: &'a RawDocument,
    /// Whether a document holds a field of the type under two of its names.
    reads_twice: fn(&RawDocument) -> bool,
    /// The names of the maps from the document's root to where the comparison is.
    names: Vec<String>,
}

impl Carrying<'_> {
    /// Puts into `result`, which begins as `stored`, what differs between `before` and `new`.
    fn fields(
        &mut self,
        stored: &Fields,
        before: &Fields,
        new: &Fields,
        result: &mut Fields,
    ) -> Result<(), Error> {
        let names: BTreeSet<&String> = before.keys().chain(new.keys()).collect();
        for name in names {
            match (before.get(name), new.get(name)) {
                (Some(old), Some(new)) if same(old, new) => {}
                (old, Some(new)) => {
                    let value = match (stored.get(name), old) {
                        (Some(stored), Some(old)) => self.value(name, stored, old, new)?,
                        (Some(_), None) => new.clone(),
                        (None, _) => {
                            self.remove_alias(stored, before, name, result);
                            new.clone()
                        }
                    };
                    result.insert(name.clone(), value);
                }
                (Some(_), None) => {
                    if result.remove(name).is_none() {
                        self.remove_alias(stored, before, name, result);
                    }
                }
                (None, None) => {}
            }
        }
        Ok(())
    }

    fn value(&mut self, name: &str, stored: &Value, before: &Value, new: &Value) -> Result<Value, Error> {
        if let (Some(stored), Some(before), Some(new)) = (map(stored), map(before), map(new)) {
            let mut result = stored.clone();
            self.names.push(name.to_owned());
            self.fields(stored, before, new, &mut result)?;
            self.names.pop();
            return Ok(map_of(result));
        }
        if let (Some(stored), Some(before), Some(new)) = (array(stored), array(before), array(new)) {
            return self.elements(name, stored, before, new);
        }
        Ok(new.clone())
    }

    /// An array is written anew, unless some of what it holds is only in the stored elements.
    fn elements(
        &self,
        name: &str,
        stored: &[Value],
        before: &[Value],
        new: &[Value],
    ) -> Result<Value, Error> {
        let only_stored = stored.iter().zip(before).any(|(stored, before)| holds_more(stored, before));
        if !only_stored && !new.iter().any(is_marked) {
            return Ok(array_of(new.to_vec()));
        }
        let refused = || Error::UnknownInArray {
            document: self.read.path.clone(),
            field: self.field_path(name).to_string(),
        };
        if stored.len() != before.len() || before.len() != new.len() {
            return Err(refused());
        }
        let elements = stored.iter().zip(before).zip(new).map(|((stored, before), new)| {
            if holds_more(stored, before) || is_marked(new) {
                resealed(stored, before, new).ok_or_else(refused)
            } else {
                Ok(new.clone())
            }
        });
        Ok(array_of(elements.collect::<Result<_, _>>()?))
    }

    /// Removes the alias under which the field `name` is stored in the map at hand, if there is one.
    ///
    /// serde refuses a field under two of its names: adding the name tells whether there is an alias,
    /// and leaving out half of the candidates at a time tells which it is.
    fn remove_alias(&self, stored: &Fields, before: &Fields, name: &str, result: &mut Fields) {
        let twice_without = |left_out: &[&String]| {
            let mut document = self.read.clone();
            let place = self
                .names
                .iter()
                .try_fold(&mut document.fields, |fields, name| map_mut(fields.get_mut(name)?));
            let Some(place) = place else { return false };
            let value = before.get(name).cloned().unwrap_or_default();
            place.insert(name.to_owned(), value);
            left_out.iter().for_each(|name| drop(place.remove(*name)));
            (self.reads_twice)(&document)
        };
        if !twice_without(&[]) {
            return;
        }
        let mut candidates: Vec<&String> = stored.keys().filter(|name| !before.contains_key(*name)).collect();
        while candidates.len() > 1 {
            let rest = candidates.split_off(candidates.len() / 2);
            if twice_without(&candidates) {
                candidates = rest;
            }
        }
        if let [alias] = candidates[..] {
            result.remove(alias);
        }
    }

    fn field_path(&self, name: &str) -> FieldPath {
        let mut path = StepPath::default();
        for name in self.names.iter().map(String::as_str).chain([name]) {
            path.push_key(name);
        }
        path.decode()
    }
}

/// Whether a stored value has fields that its rewritten form has not.
fn holds_more(stored: &Value, before: &Value) -> bool {
    if let (Some(stored), Some(before)) = (map(stored), map(before)) {
        return stored
            .iter()
            .any(|(name, value)| before.get(name).is_none_or(|before| holds_more(value, before)));
    }
    match (array(stored), array(before)) {
        (Some(stored), Some(before)) => stored.iter().zip(before).any(|(s, b)| holds_more(s, b)),
        _ => false,
    }
}

/// The stored value with its sealed values sealed anew; `None` where anything else differs.
fn resealed(stored: &Value, before: &Value, new: &Value) -> Option<Value> {
    if same(before, new) {
        return Some(stored.clone());
    }
    if let (Some(stored), Some(before), Some(new)) = (map(stored), map(before), map(new)) {
        if before.len() != new.len() {
            return None;
        }
        let mut result = stored.clone();
        for (name, new) in new {
            let value = resealed(stored.get(name)?, before.get(name)?, new)?;
            result.insert(name.clone(), value);
        }
        return Some(map_of(result));
    }
    if let (Some(stored), Some(before), Some(new)) = (array(stored), array(before), array(new)) {
        if stored.len() != before.len() || before.len() != new.len() {
            return None;
        }
        let elements = stored.iter().zip(before).zip(new).map(|((s, b), n)| resealed(s, b, n));
        return Some(array_of(elements.collect::<Option<_>>()?));
    }
    let was_sealed_place = is_envelope(before) || is_marked(before);
    (was_sealed_place && is_envelope(new)).then(|| new.clone())
}

fn is_envelope(value: &Value) -> bool {
    matches!(&value.value_type, Some(ValueType::BytesValue(bytes)) if Header::decode(bytes).is_some())
}

fn map(value: &Value) -> Option<&Fields> {
    match &value.value_type {
        Some(ValueType::MapValue(map)) => Some(&map.fields),
        _ => None,
    }
}

fn map_mut(value: &mut Value) -> Option<&mut Fields> {
    match &mut value.value_type {
        Some(ValueType::MapValue(map)) => Some(&mut map.fields),
        _ => None,
    }
}

fn array(value: &Value) -> Option<&[Value]> {
    match &value.value_type {
        Some(ValueType::ArrayValue(array)) => Some(&array.values),
        _ => None,
    }
}
