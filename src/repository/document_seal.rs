//! The seal over a whole document: as it stands in `_seal.doc`, verified, and made for what is about to be written.

#[cfg(test)]
mod vectors;

use std::sync::Arc;

use super::floor::RevisionFloor;
use super::seal_map::{self, SEAL, as_bytes, bytes};
use crate::bytes::{KeyId, Location};
use crate::keys::{DataKey, KeyLookup};
use crate::seal::{AdoptionWindow, DocumentSeal, Message, SealInfo, Unauthentic};
use crate::store::canonical::{NotStored, push_canonical, push_canonical_map};
use crate::store::value::{array_of, map_of, string_value};
use crate::store::{Fields, Value, ValueType};

const VERSION: i64 = 1;

const V: &str = "v";
const KEY: &str = "key";
const REVISION: &str = "rev";
const COVERED: &str = "covered";
const UNBOUND: &str = "unbound";
const MAC: &str = "mac";

/// What is let through besides documents that verify, and what is not.
#[derive(Clone, Default)]
pub(super) struct Demands {
    pub(super) adoption: Option<Arc<AdoptionWindow>>,
    pub(super) floor: Option<Arc<RevisionFloor>>,
}

/// The revision that a document's seal names, whoever wrote it.
pub(super) fn revision(fields: &Fields) -> Option<u64> {
    stored(fields).ok().flatten().map(|seal| seal.revision)
}

/// The id of the key that a document's seal names.
pub(super) fn key_id(fields: &Fields) -> Option<KeyId> {
    let id = as_bytes(seal_map::document_seal(fields)?.get(KEY)?)?;
    id.try_into().ok().map(KeyId::from_bytes)
}

/// The names that a document's seal leaves out, whoever wrote it; `None` of a document without one.
pub(super) fn unbound(fields: &Fields) -> Option<Vec<String>> {
    stored(fields).unwrap_or_default().map(|seal| seal.unbound)
}

/// A document's seal; `None` of a document without one.
///
/// # Errors
/// [`Unauthentic::Malformed`].
fn stored(fields: &Fields) -> Result<Option<DocumentSeal>, Unauthentic> {
    let Some(value) = seal_map::document_seal_value(fields) else { return Ok(None) };
    let decoded = match &value.value_type {
        Some(ValueType::MapValue(map)) => decode(&map.fields),
        _ => None,
    };
    decoded.map(Some).ok_or(Unauthentic::Malformed)
}

fn decode(map: &Fields) -> Option<DocumentSeal> {
    let integer = |name| match map.get(name)?.value_type {
        Some(ValueType::IntegerValue(number)) => Some(number),
        _ => None,
    };
    if map.len() != 6 || integer(V)? != VERSION {
        return None;
    }
    let seal = DocumentSeal {
        key: KeyId::from_bytes(as_bytes(map.get(KEY)?)?.try_into().ok()?),
        revision: u64::try_from(integer(REVISION)?).ok().filter(|revision| *revision > 0)?,
        covered: names(map.get(COVERED)?)?,
        unbound: names(map.get(UNBOUND)?)?,
        mac: as_bytes(map.get(MAC)?)?.try_into().ok()?,
    };
    seal.has_sorted_names().then_some(seal)
}

fn names(value: &Value) -> Option<Vec<String>> {
    let Some(ValueType::ArrayValue(array)) = &value.value_type else { return None };
    let name = |value: &Value| match &value.value_type {
        Some(ValueType::StringValue(name)) if name != SEAL => Some(name.clone()),
        _ => None,
    };
    array.values.iter().map(name).collect()
}

fn encode(seal: DocumentSeal) -> Option<Value> {
    let integer = |number| Value { value_type: Some(ValueType::IntegerValue(number)) };
    let names = |names: Vec<String>| array_of(names.into_iter().map(string_value).collect());
    let fields = [
        (V, integer(VERSION)),
        (KEY, bytes(seal.key.as_bytes().to_vec())),
        (REVISION, integer(i64::try_from(seal.revision).ok()?)),
        (COVERED, names(seal.covered)),
        (UNBOUND, names(seal.unbound)),
        (MAC, bytes(seal.mac.to_vec())),
    ];
    Some(map_of(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()))
}

/// Whether a document is as it was sealed here. What it has no seal for is accepted where an adoption window
/// is open: then there is none.
pub(super) fn verify(
    info: &SealInfo,
    fields: &Fields,
    location: &Location,
    look_up: impl FnOnce(&KeyId) -> KeyLookup,
    demands: &Demands,
) -> Result<Option<DocumentSeal>, Unauthentic> {
    let adopts = || demands.adoption.as_ref().is_some_and(|window| window.accepts(location));
    let seal = match stored(fields)? {
        Some(seal) => {
            let found = look_up(&seal.key);
            let key = seal.vouching(&found)?;
            if covered(fields, &seal.unbound) != seal.covered {
                return Err(Unauthentic::Changed);
            }
            let message = message(&seal, fields, location).map_err(|NotStored| Unauthentic::Changed)?;
            if !message.verifies(key, &seal.mac) {
                return Err(Unauthentic::Changed);
            }
            let uncovered = info.covered.iter().find(|name| contains(&seal.unbound, name));
            match uncovered {
                Some(field) if !adopts() => {
                    return Err(Unauthentic::Uncovered { field: (*field).to_owned() });
                }
                _ => Some(seal),
            }
        }
        None if adopts() => None,
        None => return Err(Unauthentic::Unsealed),
    };
    let revision = seal.as_ref().map_or(0, |seal| seal.revision);
    match demands.floor.as_ref().and_then(|floor| floor.of(location.document())) {
        Some(floor) if revision < floor => Err(Unauthentic::Older { revision, floor }),
        _ => Ok(seal),
    }
}

/// The names that the seal of a type leaves out: its own, and those of a seal before that it does not know.
pub(super) fn left_out(info: &SealInfo, before: Option<&DocumentSeal>) -> Vec<String> {
    let before = before.into_iter().flat_map(|seal| &seal.unbound);
    let unknown = before.filter(|name| !info.covered.contains(&name.as_str())).cloned();
    let mut names: Vec<String> = info.unbound.iter().map(|&name| name.to_owned()).chain(unknown).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The seal of a document as it will be stored. `None` where it has no form: of a value that no document
/// holds, or beyond the last revision.
pub(super) fn make(
    fields: &Fields,
    before: Option<&DocumentSeal>,
    unbound: Vec<String>,
    location: &Location,
    key: &DataKey,
) -> Option<Value> {
    let revision = before.map_or(0, |seal| seal.revision).checked_add(1)?;
    let covered = covered(fields, &unbound);
    let mut seal = DocumentSeal { key: key.id(), revision, covered, unbound, mac: [0; 32] };
    seal.mac = message(&seal, fields, location).ok()?.mac(key);
    encode(seal)
}

/// The names of a document's fields, sorted, without those that are left out.
fn covered(fields: &Fields, unbound: &[String]) -> Vec<String> {
    let covered = fields.keys().filter(|name| *name != SEAL && !contains(unbound, name));
    let mut covered: Vec<String> = covered.cloned().collect();
    covered.sort_unstable();
    covered
}

/// Whether a sorted list has a name.
pub(super) fn contains(names: &[String], name: &str) -> bool {
    names.binary_search_by(|other| other.as_str().cmp(name)).is_ok()
}

fn message(seal: &DocumentSeal, fields: &Fields, location: &Location) -> Result<Message, NotStored> {
    let mut message = Message::new(location, &seal.key, seal.revision, seal.covered.len());
    for name in &seal.covered {
        push_canonical(message.field(name), fields.get(name).ok_or(NotStored)?)?;
    }
    let (none, upkeep) = (Fields::new(), message.unbound(&seal.unbound));
    let map = seal_map::whole(fields).unwrap_or(&none);
    push_canonical_map(upkeep, map, |name| seal_map::is_upkeep(map, name))?;
    Ok(message)
}
