//! Carries the fields that a type does not know through a read-modify-write.
//!
//! A field is unknown if reading it into the type and writing the type again does not bring it back.
//! That needs no schema and works at every depth. Two kinds of fields look unknown and are not:
//! those read under an alias and written under their name, and (for a companion) plaintext in a
//! sealed place; the first must go, the second must stay.

use super::collection::decode_companion;
use crate::bytes::FieldPath;
use crate::bytes::context::StepPath;
use crate::error::Error;
use crate::seal::{Document, Slot, for_each_slot};
use crate::store::value::encode_unchecked;
use crate::store::{Document as RawDocument, Fields, Value, ValueType};

/// Adds to `new` what `read` holds and the type does not know.
pub(super) fn carry_unknown<T: Document>(read: &RawDocument, new: &mut Fields) -> Result<(), Error> {
    let Some(before) = rewritten::<T>(read) else {
        // What was read is no `T`: nothing of it is known, so nothing could be carried rightly.
        return Ok(());
    };
    let mut source = read.fields.clone();
    remove_aliases::<T>(read, &mut source, &before);
    let mut path = StepPath::default();
    carry_fields(&source, &before, new, &mut path)
        .map_err(|field| Error::UnknownInArray { document: read.path.clone(), field: field.to_string() })
}

/// What writing the document again, unchanged, would store.
fn rewritten<T: Document>(read: &RawDocument) -> Option<Fields> {
    let mut sealed = decode_companion::<T>(read).ok()?;
    take_plaintext::<T>(&mut sealed);
    encode_unchecked(&sealed).ok()
}

/// Takes plaintext out of sealed places, so that the companion can be written: it stays in the
/// document as an unknown field does.
pub(super) fn take_plaintext<T: Document>(sealed: &mut T::Sealed) {
    for_each_slot::<T>(sealed, |slot| {
        if matches!(slot, Slot::Foreign(_)) {
            *slot = Slot::Absent;
        }
    });
}

/// Removes from `source` what is read under an alias: without it the type reads differently, and its
/// own name is written where it was not stored.
fn remove_aliases<T: Document>(read: &RawDocument, source: &mut Fields, before: &Fields) {
    let mut unknown = Vec::new();
    collect_unknown(source, before, &mut Vec::new(), &mut unknown);
    if unknown.is_empty() {
        return;
    }
    let without = |paths: &[Vec<String>]| {
        let mut document = read.clone();
        paths.iter().for_each(|path| remove(&mut document.fields, path));
        rewritten::<T>(&document)
    };
    if without(&unknown).as_ref() == Some(before) {
        return;
    }
    for candidate in unknown.iter().filter(|candidate| has_unstored_name(candidate, &read.fields, before)) {
        if without(std::slice::from_ref(candidate)).as_ref() != Some(before) {
            remove(source, candidate);
        }
    }
}

/// The paths through maps of what `source` holds and `before` does not.
fn collect_unknown(source: &Fields, before: &Fields, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    for (name, value) in source {
        path.push(name.clone());
        match before.get(name) {
            None => found.push(path.clone()),
            Some(known) => {
                if let (Some(inner), Some(known)) = (map(value), map(known)) {
                    collect_unknown(inner, known, path, found);
                }
            }
        }
        path.pop();
    }
}

/// Whether the map that holds the field at `path` is written with a name that is not stored in it.
fn has_unstored_name(path: &[String], stored: &Fields, before: &Fields) -> bool {
    let Some((_, parents)) = path.split_last() else { return false };
    let (mut stored, mut before) = (stored, before);
    for name in parents {
        match (stored.get(name).and_then(map), before.get(name).and_then(map)) {
            (Some(inner), Some(known)) => (stored, before) = (inner, known),
            _ => return false,
        }
    }
    before.keys().any(|name| !stored.contains_key(name))
}

fn remove(fields: &mut Fields, path: &[String]) {
    match path {
        [] => {}
        [name] => {
            fields.remove(name);
        }
        [name, rest @ ..] => {
            if let Some(ValueType::MapValue(inner)) = fields.get_mut(name).and_then(|v| v.value_type.as_mut())
            {
                remove(&mut inner.fields, rest);
            }
        }
    }
}

fn carry_fields(
    source: &Fields,
    before: &Fields,
    new: &mut Fields,
    path: &mut StepPath,
) -> Result<(), FieldPath> {
    for (name, value) in source {
        match (before.get(name), new.get_mut(name)) {
            (None, None) => {
                new.insert(name.clone(), value.clone());
            }
            (Some(known), Some(written)) => {
                let mark = path.push_key(name);
                carry_value(value, known, written, path)?;
                path.back_to(mark);
            }
            // Known before and written no more, or unknown before and written now.
            (Some(_), None) | (None, Some(_)) => {}
        }
    }
    Ok(())
}

fn carry_value(
    source: &Value,
    before: &Value,
    new: &mut Value,
    path: &mut StepPath,
) -> Result<(), FieldPath> {
    use ValueType::{ArrayValue, MapValue};
    match (&source.value_type, &before.value_type, &mut new.value_type) {
        (Some(MapValue(source)), Some(MapValue(before)), Some(MapValue(new))) => {
            carry_fields(&source.fields, &before.fields, &mut new.fields, path)
        }
        (Some(ArrayValue(source)), Some(ArrayValue(before)), Some(ArrayValue(new))) => {
            let same_length =
                source.values.len() == before.values.len() && before.values.len() == new.values.len();
            if !same_length {
                let lost = source.values.iter().zip(&before.values).any(|(s, b)| has_unknown(s, b));
                return if lost { Err(path.decode()) } else { Ok(()) };
            }
            let elements = source.values.iter().zip(&before.values).zip(&mut new.values);
            for (index, ((source, before), new)) in elements.enumerate() {
                let mark = path.push_index(index);
                carry_value(source, before, new, path)?;
                path.back_to(mark);
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn has_unknown(source: &Value, before: &Value) -> bool {
    use ValueType::{ArrayValue, MapValue};
    match (&source.value_type, &before.value_type) {
        (Some(MapValue(source)), Some(MapValue(before))) => source
            .fields
            .iter()
            .any(|(name, value)| before.fields.get(name).is_none_or(|known| has_unknown(value, known))),
        (Some(ArrayValue(source)), Some(ArrayValue(before))) => {
            source.values.iter().zip(&before.values).any(|(s, b)| has_unknown(s, b))
        }
        _ => false,
    }
}

fn map(value: &Value) -> Option<&Fields> {
    match &value.value_type {
        Some(ValueType::MapValue(map)) => Some(&map.fields),
        _ => None,
    }
}
