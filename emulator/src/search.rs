//! Looking for bytes in a document, in every place that can hold some.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem::Finder;
use serde_json::Value;

/// One place where the bytes stand. It never holds the bytes themselves: they are somebody's secret.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hit {
    /// The path of the document, relative to its database.
    pub document: String,
    /// The path of the field, such as `address.lines[0]`; empty for [`Found::DocumentPath`].
    pub field: String,
    /// What holds the bytes.
    pub found: Found,
}

/// What holds the bytes that were looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Found {
    /// The document's path: an id or a collection's name.
    DocumentPath,
    /// The name of a field or a map's key, the last component of [`Hit::field`].
    FieldName,
    /// A string.
    String,
    /// Bytes, compared raw.
    Bytes,
    /// A number, compared in decimal notation without exponent.
    Number,
    /// A boolean, compared as `true` or `false`.
    Boolean,
    /// A time, compared in RFC 3339 notation.
    Timestamp,
    /// Coordinates, compared as `latitude,longitude`.
    GeoPoint,
    /// The path of another document, relative to the database if that is the same.
    Reference,
}

impl fmt::Display for Hit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { document, field, found } = self;
        match found {
            Found::DocumentPath => write!(f, "{document}: in the document's path"),
            Found::FieldName => write!(f, "{document}: in the field name {field}"),
            _ => write!(f, "{document}: in {field} ({found:?})"),
        }
    }
}

/// The bytes to look for.
pub(crate) struct Needle<'a>(Finder<'a>);

impl<'a> Needle<'a> {
    /// `None` for no bytes, which would stand everywhere.
    pub(crate) fn new(bytes: &'a [u8]) -> Option<Self> {
        (!bytes.is_empty()).then(|| Self(Finder::new(bytes)))
    }

    /// Adds a hit for every place in `document`, whose name and references begin with `prefix`.
    pub(crate) fn search(&self, document: &Value, prefix: &str, hits: &mut Vec<Hit>) {
        let name = document["name"].as_str().unwrap_or_default();
        let mut search = Search { needle: self, prefix, document: relative(name, prefix), hits };
        search.text(search.document, "", Found::DocumentPath);
        search.fields(&document["fields"], "");
    }
}

fn relative<'a>(name: &'a str, prefix: &str) -> &'a str {
    name.strip_prefix(prefix).unwrap_or(name)
}

/// The search of one document.
struct Search<'a> {
    needle: &'a Needle<'a>,
    prefix: &'a str,
    document: &'a str,
    hits: &'a mut Vec<Hit>,
}

impl Search<'_> {
    fn fields(&mut self, fields: &Value, path: &str) {
        for (key, value) in fields.as_object().into_iter().flatten() {
            let path = match path {
                "" => key.clone(),
                path => format!("{path}.{key}"),
            };
            self.text(key, &path, Found::FieldName);
            self.value(value, &path);
        }
    }

    /// A value in the REST form: an object whose one key tells the type.
    fn value(&mut self, value: &Value, path: &str) {
        for (kind, value) in value.as_object().into_iter().flatten() {
            let text = value.as_str().unwrap_or_default();
            match kind.as_str() {
                "nullValue" => {}
                "mapValue" => self.fields(&value["fields"], path),
                "arrayValue" => {
                    let values = value["values"].as_array().into_iter().flatten();
                    for (index, value) in values.enumerate() {
                        self.value(value, &format!("{path}[{index}]"));
                    }
                }
                "bytesValue" => match STANDARD.decode(text) {
                    Ok(bytes) => self.bytes(&bytes, path, Found::Bytes),
                    Err(_) => self.text(text, path, Found::Bytes),
                },
                "booleanValue" => self.text(&value.to_string(), path, Found::Boolean),
                "integerValue" | "doubleValue" => self.text(&number(value), path, Found::Number),
                "timestampValue" => self.text(text, path, Found::Timestamp),
                "geoPointValue" => {
                    // The REST form leaves out zeros.
                    let [latitude, longitude] = ["latitude", "longitude"].map(|axis| match &value[axis] {
                        Value::Null => "0".to_owned(),
                        degrees => number(degrees),
                    });
                    self.text(&format!("{latitude},{longitude}"), path, Found::GeoPoint);
                }
                "referenceValue" => {
                    self.text(relative(text, self.prefix), path, Found::Reference);
                }
                // Strings, and whatever Firestore may invent: rather one hit too many.
                _ if value.is_string() => self.text(text, path, Found::String),
                _ => self.text(&value.to_string(), path, Found::String),
            }
        }
    }

    fn text(&mut self, text: &str, path: &str, found: Found) {
        self.bytes(text.as_bytes(), path, found);
    }

    fn bytes(&mut self, bytes: &[u8], path: &str, found: Found) {
        if self.needle.0.find(bytes).is_some() {
            self.hits.push(Hit { document: self.document.to_owned(), field: path.to_owned(), found });
        }
    }
}

/// A number in decimal notation. Integers and the likes of `NaN` are strings in the REST form.
fn number(value: &Value) -> String {
    match value.as_str() {
        Some(text) => text.to_owned(),
        None => value.as_f64().unwrap_or_default().to_string(),
    }
}
