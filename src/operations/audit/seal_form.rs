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

#[cfg(test)]
mod tests {
    use firestore::gcloud_sdk::google::firestore::v1::{ArrayValue, MapValue};

    use super::*;

    fn value(value: ValueType) -> Value {
        Value { value_type: Some(value) }
    }

    fn bytes_of(length: usize) -> Value {
        value(ValueType::BytesValue(vec![7; length]))
    }

    fn map_of(fields: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
        let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        value(ValueType::MapValue(MapValue { fields }))
    }

    fn list(values: Vec<Value>) -> Value {
        value(ValueType::ArrayValue(ArrayValue { values }))
    }

    fn is_fine(seal: Value) -> bool {
        is_well_formed(&Fields::from([(SEAL.to_owned(), seal)]))
    }

    fn entry_is_fine(name: &'static str, token: Value) -> bool {
        let entry = map_of([("key", bytes_of(16)), (name, token)]);
        is_fine(map_of([("idx", map_of([("email", entry)]))]))
    }

    #[test]
    fn what_a_writer_leaves_is_fine() {
        assert!(is_well_formed(&Fields::new()));
        assert!(is_fine(map_of([])));
        assert!(is_fine(map_of([("write", bytes_of(16)), ("later", bytes_of(1))])));
        let sorted = list([1, 2].map(|byte| value(ValueType::BytesValue(vec![byte; 16]))).to_vec());
        let tokens = [
            ("eq", bytes_of(1)),
            ("eq", bytes_of(16)),
            ("unique", bytes_of(32)),
            ("also", list(vec![bytes_of(32), bytes_of(32)])),
            ("prefix", sorted.clone()),
            ("words", sorted.clone()),
            ("range", sorted),
            ("words", list(vec![])),
        ];
        for (name, token) in tokens {
            assert!(entry_is_fine(name, token), "{name}");
        }
    }

    #[test]
    fn anything_else_is_not() {
        let text = || value(ValueType::StringValue("text".to_owned()));
        let seals = [
            text(),
            list(vec![]),
            map_of([("write", bytes_of(15))]),
            map_of([("write", text())]),
            map_of([("idx", text())]),
            map_of([("idx", map_of([("email", text())]))]),
            map_of([("idx", map_of([("email", map_of([]))]))]),
            map_of([("idx", map_of([("email", map_of([("key", bytes_of(32))]))]))]),
        ];
        for seal in seals {
            assert!(!is_fine(seal.clone()), "{seal:?}");
        }
        let unsorted = list(vec![bytes_of(16), value(ValueType::BytesValue(vec![1; 16]))]);
        let tokens = [
            ("eq", bytes_of(0)),
            ("eq", bytes_of(17)),
            ("eq", text()),
            ("unique", bytes_of(16)),
            ("also", bytes_of(32)),
            ("also", list(vec![bytes_of(31)])),
            ("prefix", unsorted),
            ("words", list(vec![bytes_of(4), bytes_of(4)])),
            ("range", list(vec![text()])),
            ("other", bytes_of(16)),
        ];
        for (name, token) in tokens {
            assert!(!entry_is_fine(name, token.clone()), "{name}: {token:?}");
        }
    }
}
