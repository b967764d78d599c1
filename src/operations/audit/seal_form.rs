//! Whether a document's `_seal` is of the format.

use crate::store::{Fields, Value, ValueType};

/// The field that fireseal keeps for itself, and where the entries of its indexes stand in it.
pub(super) const SEAL: &str = "_seal";
const INDEXES: &str = "idx";
const MARK: &str = "write";

/// Bytes of an index key's name, of a mark, and of the token of a unique value.
const NAME_BYTES: usize = 16;
const UNIQUE_BYTES: usize = 32;

/// The entry of an index; `None` where there is none.
pub(super) fn entry<'a>(fields: &'a Fields, name: &str) -> Option<&'a Fields> {
    map(map(map(fields.get(SEAL)?)?.get(INDEXES)?)?.get(name)?)
}

/// The name of the key that made an entry.
pub(super) fn entry_key(entry: &Fields) -> Option<[u8; NAME_BYTES]> {
    bytes(entry.get("key")?)?.try_into().ok()
}

/// Whether what stands under `_seal` is what a writer of the format leaves there. Names that are not of this
/// version are let be: a later one may have put them there.
pub(super) fn is_well_formed(fields: &Fields) -> bool {
    let Some(seal) = fields.get(SEAL) else { return true };
    let Some(seal) = map(seal) else { return false };
    let mark = seal.get(MARK).is_none_or(|mark| has_length(mark, NAME_BYTES..=NAME_BYTES));
    let entries = seal.get(INDEXES).is_none_or(|entries| {
        map(entries).is_some_and(|entries| entries.values().all(|entry| map(entry).is_some_and(is_entry)))
    });
    mark && entries
}

fn is_entry(entry: &Fields) -> bool {
    entry.contains_key("key")
        && entry.iter().all(|(name, value)| match name.as_str() {
            "key" => has_length(value, NAME_BYTES..=NAME_BYTES),
            "eq" => has_length(value, 1..=NAME_BYTES),
            "unique" => has_length(value, UNIQUE_BYTES..=UNIQUE_BYTES),
            "also" => is_list(value, UNIQUE_BYTES..=UNIQUE_BYTES, false),
            "prefix" | "words" | "range" => is_list(value, 1..=NAME_BYTES, true),
            _ => false,
        })
}

fn is_list(value: &Value, lengths: std::ops::RangeInclusive<usize>, is_sorted: bool) -> bool {
    let Some(ValueType::ArrayValue(array)) = &value.value_type else { return false };
    let tokens: Option<Vec<&[u8]>> = array.values.iter().map(bytes).collect();
    tokens.is_some_and(|tokens| {
        tokens.iter().all(|token| lengths.contains(&token.len()))
            && (!is_sorted || tokens.is_sorted_by(|one, next| one < next))
    })
}

fn has_length(value: &Value, lengths: std::ops::RangeInclusive<usize>) -> bool {
    bytes(value).is_some_and(|bytes| lengths.contains(&bytes.len()))
}

fn bytes(value: &Value) -> Option<&[u8]> {
    match &value.value_type {
        Some(ValueType::BytesValue(bytes)) => Some(bytes),
        _ => None,
    }
}

pub(super) fn map(value: &Value) -> Option<&Fields> {
    match &value.value_type {
        Some(ValueType::MapValue(map)) => Some(&map.fields),
        _ => None,
    }
}
