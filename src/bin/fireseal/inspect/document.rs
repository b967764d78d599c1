//! A document in JSON: as Firestore's REST interface gives it, or plain, with base64 for sealed values.

use std::collections::BTreeMap;

use fireseal::store::{Fields, Value, ValueType};
use firestore::gcloud_sdk::google::firestore::v1::{ArrayValue, MapValue};
use serde_json::{Map, Value as Json};

use super::{Found, What, envelope, rest};
use crate::failure::Failure;

/// The fields of a document; `None` where the input is no JSON object.
pub fn read(input: &[u8]) -> Result<Option<Fields>, Failure> {
    let begins = input.iter().find(|byte| !byte.is_ascii_whitespace());
    if begins != Some(&b'{') {
        return Ok(None);
    }
    let object: Map<String, Json> = serde_json::from_slice(input).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Failure::usage(format!("standard input begins as JSON and is none: line {line}, column {column}"))
    })?;
    let known = ["name", "fields", "createTime", "updateTime"];
    let is_rest = object.keys().all(|key| known.contains(&key.as_str()));
    let rest = object.get("fields").and_then(Json::as_object).filter(|_| is_rest).and_then(rest::fields);
    Ok(Some(rest.unwrap_or_else(|| plain_map(&object))))
}

fn plain_map(map: &Map<String, Json>) -> Fields {
    map.iter().map(|(name, value)| (name.clone(), plain(value))).collect()
}

fn plain(json: &Json) -> Value {
    let value = match json {
        Json::Null => ValueType::NullValue(0),
        Json::Bool(value) => ValueType::BooleanValue(*value),
        Json::Number(number) => match number.as_i64() {
            Some(number) => ValueType::IntegerValue(number),
            None => ValueType::DoubleValue(number.as_f64().unwrap_or(f64::NAN)),
        },
        // A text of one's own may well be base64 by chance: only what is an envelope counts.
        Json::String(text) => match envelope::base64(text) {
            Some(bytes) if matches!(envelope::of(&bytes), Some(What::Sealed { .. })) => {
                ValueType::BytesValue(bytes)
            }
            _ => ValueType::StringValue(text.clone()),
        },
        Json::Array(values) => {
            ValueType::ArrayValue(ArrayValue { values: values.iter().map(plain).collect() })
        }
        Json::Object(map) => ValueType::MapValue(MapValue { fields: plain_map(map) }),
    };
    Value { value_type: Some(value) }
}

/// Every value of a document, in the order of names.
pub fn list(fields: &Fields) -> Vec<Found> {
    let mut found = Vec::new();
    map(fields, "", &mut found);
    found
}

fn map(fields: &Fields, path: &str, found: &mut Vec<Found>) {
    for (name, value) in fields.iter().collect::<BTreeMap<_, _>>() {
        one(value, &join(path, name), found);
    }
}

fn one(value: &Value, path: &str, found: &mut Vec<Found>) {
    let clear = |kind: &str| What::Clear(kind.to_owned());
    let what = match value.value_type.as_ref() {
        Some(ValueType::MapValue(inner)) if !inner.fields.is_empty() => {
            return map(&inner.fields, path, found);
        }
        Some(ValueType::ArrayValue(array)) if !array.values.is_empty() => {
            for (index, value) in array.values.iter().enumerate() {
                one(value, &format!("{path}[{index}]"), found);
            }
            return;
        }
        _ if path.starts_with("_seal.idx.") => What::Entry,
        Some(ValueType::BytesValue(bytes)) => envelope::of(bytes).unwrap_or_else(|| clear("bytes")),
        None | Some(ValueType::NullValue(_)) => clear("null"),
        Some(ValueType::BooleanValue(_)) => clear("boolean"),
        Some(ValueType::IntegerValue(_)) => clear("integer"),
        Some(ValueType::DoubleValue(_)) => clear("double"),
        Some(ValueType::TimestampValue(_)) => clear("timestamp"),
        Some(ValueType::StringValue(_)) => clear("string"),
        Some(ValueType::ReferenceValue(_)) => clear("reference"),
        Some(ValueType::GeoPointValue(_)) => clear("geoPoint"),
        Some(ValueType::ArrayValue(_)) => clear("array"),
        Some(ValueType::MapValue(_)) => clear("map"),
        Some(_) => clear("value"),
    };
    found.push(Found { field: path.to_owned(), what });
}

/// The path of a map's entry.
pub fn join(path: &str, name: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter);
    let name = if !name.is_empty() && name.chars().all(plain) {
        name.to_owned()
    } else {
        format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
    };
    if path.is_empty() { name } else { format!("{path}.{name}") }
}
