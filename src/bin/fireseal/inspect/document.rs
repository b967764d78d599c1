//! A document in JSON: as Firestore's REST interface gives it, or plain, with base64 for sealed values.

use serde_json::{Map, Value};

use super::{Found, What, envelope};
use crate::failure::Failure;

/// The values of a document; `None` where the input is no JSON object.
pub fn read(input: &[u8]) -> Result<Option<Vec<Found>>, Failure> {
    let begins = input.iter().find(|byte| !byte.is_ascii_whitespace());
    if begins != Some(&b'{') {
        return Ok(None);
    }
    let value: Value = serde_json::from_slice(input).map_err(|error| {
        Failure::usage(format!(
            "standard input begins as JSON and is none: line {}, column {}",
            error.line(),
            error.column()
        ))
    })?;
    let Value::Object(object) = value else { return Ok(None) };
    let mut found = Vec::new();
    match object.get("fields") {
        Some(Value::Object(fields)) if is_rest(&object, fields) => rest_map(fields, "", &mut found),
        _ => plain_map(&object, "", &mut found),
    }
    Ok(Some(found))
}

/// Whether it is a document of the REST interface, and not one of one's own with a field `fields`.
fn is_rest(object: &Map<String, Value>, fields: &Map<String, Value>) -> bool {
    let known = ["name", "fields", "createTime", "updateTime"];
    object.keys().all(|key| known.contains(&key.as_str()))
        && fields.values().all(|value| value.as_object().is_some_and(|value| value.len() == 1))
}

fn rest_map(fields: &Map<String, Value>, path: &str, found: &mut Vec<Found>) {
    for (name, value) in fields {
        if let Some((kind, value)) = value.as_object().and_then(|value| value.iter().next()) {
            rest_value(kind, value, &join(path, name), found);
        }
    }
}

fn rest_value(kind: &str, value: &Value, path: &str, found: &mut Vec<Found>) {
    match (kind, value) {
        ("mapValue", Value::Object(map)) => {
            if let Some(Value::Object(fields)) = map.get("fields") {
                rest_map(fields, path, found);
            }
        }
        ("arrayValue", Value::Object(array)) => {
            for (index, value) in
                array.get("values").and_then(Value::as_array).into_iter().flatten().enumerate()
            {
                if let Some((kind, value)) = value.as_object().and_then(|value| value.iter().next()) {
                    rest_value(kind, value, &format!("{path}[{index}]"), found);
                }
            }
        }
        ("bytesValue", Value::String(text)) => push(path, envelope::base64(text), "bytes", found),
        (kind, _) => push(path, None, kind.strip_suffix("Value").unwrap_or(kind), found),
    }
}

fn plain_map(fields: &Map<String, Value>, path: &str, found: &mut Vec<Found>) {
    for (name, value) in fields {
        plain_value(value, &join(path, name), found);
    }
}

fn plain_value(value: &Value, path: &str, found: &mut Vec<Found>) {
    match value {
        Value::Object(map) => plain_map(map, path, found),
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                plain_value(value, &format!("{path}[{index}]"), found);
            }
        }
        Value::String(text) => {
            // A text of one's own may well be base64 by chance: only what is an envelope counts.
            let bytes = envelope::base64(text)
                .filter(|bytes| matches!(envelope::of(bytes), Some(What::Sealed { .. })));
            push(path, bytes, "string", found);
        }
        Value::Null => push(path, None, "null", found),
        Value::Bool(_) => push(path, None, "boolean", found),
        Value::Number(_) => push(path, None, "number", found),
    }
}

fn push(path: &str, bytes: Option<Vec<u8>>, kind: &str, found: &mut Vec<Found>) {
    let what = if path.starts_with("_seal.") {
        What::Token
    } else {
        bytes.as_deref().and_then(envelope::of).unwrap_or_else(|| What::Clear(kind.to_owned()))
    };
    found.push(Found { field: path.to_owned(), what });
}

fn join(path: &str, name: &str) -> String {
    let name = if name.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-".contains(letter)) {
        name.to_owned()
    } else {
        format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
    };
    if path.is_empty() { name } else { format!("{path}.{name}") }
}
