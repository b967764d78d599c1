//! What Firestore takes in one document, checked before anything is sent.

use ::firestore::gcloud_sdk::google::firestore::v1::{ArrayValue, MapValue};

use super::document::{Fields, Time, Value, ValueType};
use crate::bytes::{DocumentPath, FieldPath, FieldStep};

/// The largest document, in bytes by Firestore's own count: its name, the names and values of its
/// fields, and 32 bytes more.
pub const MAX_DOCUMENT_BYTES: usize = 1_048_576;

/// The largest single string or bytes value, in bytes.
pub const MAX_VALUE_BYTES: usize = 1_048_487;

/// The longest field name, and the longest path of nested names joined by dots, in bytes.
pub const MAX_FIELD_NAME_BYTES: usize = 1_500;

/// How deep maps and arrays nest, a field of the document itself being depth 0.
pub const MAX_DEPTH: usize = 20;

/// The longest document name relative to its database, in bytes.
pub const MAX_NAME_BYTES: usize = 6_144;

/// How many collections deep a document stands at most.
pub const MAX_COLLECTIONS: usize = 100;

/// The largest request that Firestore takes, in bytes. The emulator takes 4 MiB.
pub(crate) const MAX_REQUEST_BYTES: usize = 10 * 1_048_576;

const MAX_VECTOR_DIMENSIONS: usize = 2_048;
const FIRST_SECOND: i64 = -62_135_596_800; // 0001-01-01T00:00:00Z
const LAST_SECOND: i64 = 253_402_300_799; // 9999-12-31T23:59:59Z

/// Why Firestore would not take a document. Names the field, never its value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LimitError {
    /// The document's name is too long.
    #[error("the name of {document} has {size} bytes; Firestore takes at most {MAX_NAME_BYTES}")]
    Name {
        /// The document's path.
        document: DocumentPath,
        /// The length of its path in bytes.
        size: usize,
    },
    /// The document stands too many collections deep.
    #[error("{document} stands {count} collections deep; Firestore takes at most {MAX_COLLECTIONS}")]
    Collections {
        /// The document's path.
        document: DocumentPath,
        /// How many collections its path has.
        count: usize,
    },
    /// The document is too large.
    #[error(
        "{document} takes {size} bytes; Firestore takes at most {MAX_DOCUMENT_BYTES}. Its largest field is {field} with {field_size}: split it, or keep it elsewhere"
    )]
    Document {
        /// The document's path.
        document: DocumentPath,
        /// Its size in bytes, as Firestore counts.
        size: usize,
        /// Its largest field.
        field: FieldPath,
        /// That field's size in bytes, its name included.
        field_size: usize,
    },
    /// A single value is too large.
    #[error(
        "{field} of {document} has {size} bytes; Firestore takes at most {MAX_VALUE_BYTES} in one value: split it, or keep it elsewhere"
    )]
    Value {
        /// The document's path.
        document: DocumentPath,
        /// The value's field.
        field: FieldPath,
        /// Its size in bytes.
        size: usize,
    },
    /// Maps and arrays nest too deeply.
    #[error("{field} of {document} nests deeper than {MAX_DEPTH} maps and arrays, Firestore's limit")]
    Depth {
        /// The document's path.
        document: DocumentPath,
        /// The first map or array that stands too deep.
        field: FieldPath,
    },
    /// A field name is too long, or the path of nested names that leads to it.
    #[error(
        "{field} of {document}: the names down to this field have {size} bytes; Firestore takes at most {MAX_FIELD_NAME_BYTES}"
    )]
    FieldName {
        /// The document's path.
        document: DocumentPath,
        /// The field.
        field: FieldPath,
        /// The length of its path in bytes, names joined by dots.
        size: usize,
    },
    /// A field name is empty, or reserved.
    #[error(
        "{field} of {document} has a name that Firestore does not take: it must not be empty or match `__.*__`"
    )]
    ReservedName {
        /// The document's path.
        document: DocumentPath,
        /// The field.
        field: FieldPath,
    },
    /// An array stands directly in an array.
    #[error(
        "{field} of {document} is an array or a vector directly in an array, which Firestore does not take: put a map between them"
    )]
    NestedArray {
        /// The document's path.
        document: DocumentPath,
        /// The inner array.
        field: FieldPath,
    },
    /// A value of a kind or range that cannot be stored.
    #[error("{field} of {document} cannot be stored: {reason}")]
    Unstorable {
        /// The document's path.
        document: DocumentPath,
        /// The field.
        field: FieldPath,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// Checks a document against Firestore's documented limits.
///
/// # Errors
/// One limit that it breaks, with the field's path.
pub fn check_document(document: &DocumentPath, fields: &Fields) -> Result<(), LimitError> {
    let size = document.as_str().len();
    if size > MAX_NAME_BYTES {
        return Err(LimitError::Name { document: document.clone(), size });
    }
    let count = document.segments().count() / 2;
    if count > MAX_COLLECTIONS {
        return Err(LimitError::Collections { document: document.clone(), count });
    }
    let check = Check { document };
    let mut total = name_size(document.segments()) + 32;
    let mut largest: (usize, &str) = (0, "");
    for (name, value) in fields {
        let place = Place { parent: None, step: Step::Key(name), name_bytes: name.len(), depth: 0 };
        let size = check.named(&place, name, value)?;
        total += size;
        largest = largest.max((size, name));
    }
    if total > MAX_DOCUMENT_BYTES {
        let (field_size, field) = largest;
        let document = document.clone();
        return Err(LimitError::Document { document, size: total, field: field.into(), field_size });
    }
    Ok(())
}

/// A document name's size as Firestore counts it: each id with one byte more, and 16.
fn name_size<'a>(ids: impl Iterator<Item = &'a str>) -> usize {
    ids.map(|id| id.len() + 1).sum::<usize>() + 16
}

pub(super) fn reserved(name: &str) -> bool {
    name.is_empty() || (name.len() > 4 && name.starts_with("__") && name.ends_with("__"))
}

/// A step into the document that borrows its name, so that checking allocates nothing.
enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// Where the check stands, chained up to the document's root.
struct Place<'a> {
    parent: Option<&'a Place<'a>>,
    step: Step<'a>,
    /// Length of the names from the root down, joined by dots.
    name_bytes: usize,
    /// How many maps and arrays enclose this value.
    depth: usize,
}

impl Place<'_> {
    fn path(&self) -> FieldPath {
        let mut steps = Vec::new();
        let mut place = Some(self);
        while let Some(Place { parent, step, .. }) = place {
            steps.push(match step {
                Step::Key(key) => FieldStep::Key((*key).to_owned()),
                Step::Index(index) => FieldStep::Index(*index as u64),
            });
            place = *parent;
        }
        steps.reverse();
        FieldPath::new(steps)
    }
}

struct Check<'a> {
    document: &'a DocumentPath,
}

impl Check<'_> {
    /// The size of a field with its name.
    fn named(&self, place: &Place<'_>, name: &str, value: &Value) -> Result<usize, LimitError> {
        if reserved(name) {
            return Err(LimitError::ReservedName { document: self.document.clone(), field: place.path() });
        }
        if place.name_bytes > MAX_FIELD_NAME_BYTES {
            let size = place.name_bytes;
            return Err(LimitError::FieldName { document: self.document.clone(), field: place.path(), size });
        }
        Ok(name.len() + 1 + self.value(place, value)?)
    }

    fn value(&self, place: &Place<'_>, value: &Value) -> Result<usize, LimitError> {
        let unstorable = |reason| {
            Err(LimitError::Unstorable { document: self.document.clone(), field: place.path(), reason })
        };
        match &value.value_type {
            Some(ValueType::NullValue(_) | ValueType::BooleanValue(_)) => Ok(1),
            Some(ValueType::IntegerValue(_) | ValueType::DoubleValue(_)) => Ok(8),
            Some(ValueType::TimestampValue(time)) if storable_time(time) => Ok(8),
            Some(ValueType::TimestampValue(_)) => {
                unstorable("a time must lie in the years 1 to 9999, with 0 to 999,999,999 nanoseconds")
            }
            Some(ValueType::StringValue(text)) => Ok(self.leaf(place, text.len())? + 1),
            Some(ValueType::BytesValue(bytes)) => self.leaf(place, bytes.len()),
            Some(ValueType::ReferenceValue(name)) => match name.split_once("/documents/") {
                Some((database, path)) if database.starts_with("projects/") => Ok(name_size(path.split('/'))),
                _ => unstorable("a reference must name a document: projects/../databases/../documents/.."),
            },
            Some(ValueType::GeoPointValue(at)) => {
                let within =
                    (-90.0..=90.0).contains(&at.latitude) && (-180.0..=180.0).contains(&at.longitude);
                if within {
                    return Ok(16);
                }
                unstorable("a latitude must lie in -90 to 90, a longitude in -180 to 180")
            }
            Some(ValueType::ArrayValue(array)) => self.array(place, array),
            Some(ValueType::MapValue(map)) => match vector(map) {
                Some(Ok(size)) => Ok(size),
                Some(Err(reason)) => unstorable(reason),
                None => self.map(place, map),
            },
            Some(_) => unstorable("this kind of value belongs into queries only"),
            None => unstorable("the value has no type"),
        }
    }

    fn leaf(&self, place: &Place<'_>, size: usize) -> Result<usize, LimitError> {
        if size > MAX_VALUE_BYTES {
            return Err(LimitError::Value { document: self.document.clone(), field: place.path(), size });
        }
        Ok(size)
    }

    fn inner_depth(&self, place: &Place<'_>) -> Result<usize, LimitError> {
        if place.depth >= MAX_DEPTH {
            return Err(LimitError::Depth { document: self.document.clone(), field: place.path() });
        }
        Ok(place.depth + 1)
    }

    fn array(&self, place: &Place<'_>, array: &ArrayValue) -> Result<usize, LimitError> {
        let depth = self.inner_depth(place)?;
        let mut size = 0;
        for (index, value) in array.values.iter().enumerate() {
            let place =
                Place { parent: Some(place), step: Step::Index(index), name_bytes: place.name_bytes, depth };
            let nested = match &value.value_type {
                Some(ValueType::ArrayValue(_)) => true,
                Some(ValueType::MapValue(map)) => vector(map).is_some(),
                _ => false,
            };
            if nested {
                let document = self.document.clone();
                return Err(LimitError::NestedArray { document, field: place.path() });
            }
            size += self.value(&place, value)?;
        }
        Ok(size.max(1)) // an empty one counts as a null
    }

    fn map(&self, place: &Place<'_>, map: &MapValue) -> Result<usize, LimitError> {
        let depth = self.inner_depth(place)?;
        let mut size = 0;
        for (name, value) in &map.fields {
            let name_bytes = place.name_bytes + 1 + name.len();
            let place = Place { parent: Some(place), step: Step::Key(name), name_bytes, depth };
            size += self.named(&place, name, value)?;
        }
        Ok(size.max(1)) // an empty one counts as a null
    }
}

fn storable_time(time: &Time) -> bool {
    (FIRST_SECOND..=LAST_SECOND).contains(&time.seconds) && (0..1_000_000_000).contains(&time.nanos)
}

/// The size of a vector embedding, which travels as a map with a reserved name; `None` for any
/// other map.
fn vector(map: &MapValue) -> Option<Result<usize, &'static str>> {
    let kind = map.fields.get("__type__")?.value_type.as_ref()?;
    if !matches!(kind, ValueType::StringValue(kind) if kind == "__vector__") {
        return None;
    }
    let values = match map.fields.get("value").and_then(|value| value.value_type.as_ref()) {
        Some(ValueType::ArrayValue(array)) if map.fields.len() == 2 => &array.values,
        _ => return Some(Err("a vector holds `__type__` and an array `value`, nothing else")),
    };
    if values.is_empty() || values.len() > MAX_VECTOR_DIMENSIONS {
        return Some(Err("a vector has 1 to 2,048 dimensions"));
    }
    let numbers = values
        .iter()
        .all(|value| matches!(value.value_type, Some(ValueType::DoubleValue(number)) if !number.is_nan()));
    if !numbers {
        return Some(Err("a vector holds doubles, and no NaN"));
    }
    Some(Ok(values.len() * 8))
}
