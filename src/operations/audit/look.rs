//! One document, looked at without a key: what stands in each sealed place, and what in all others.

use std::borrow::Cow;
use std::collections::HashMap;

use super::hints::{self, LookAlike};
use super::report::Place;
use super::seal_form::SEAL;
use crate::bytes::envelope::{Header, VERSION};
use crate::bytes::{DocumentPath, FieldPath, FieldStep};
use crate::operations::fields::CollectionConfig;
use crate::seal::json;
use crate::store::{Document, Fields, Value, ValueType};

/// What one value is by its form.
pub(super) enum Form<'a> {
    Envelope(Header, Cow<'a, [u8]>),
    Malformed,
    Plain,
}

/// A value in a place of the configuration.
pub(super) struct Seen<'a> {
    /// The position of the field in the configuration.
    pub(super) field: usize,
    pub(super) path: FieldPath,
    pub(super) form: Form<'a>,
}

/// An envelope in another place.
pub(super) struct Unlisted {
    pub(super) path: FieldPath,
    pub(super) header: Header,
}

/// Something that looks like personal data.
pub(super) struct Hinted {
    /// Empty for the document's id.
    pub(super) path: FieldPath,
    pub(super) kind: LookAlike,
}

/// What was seen in a document.
pub(super) struct Look<'a> {
    pub(super) seen: Vec<Seen<'a>>,
    pub(super) unlisted: Vec<Unlisted>,
    pub(super) hinted: Vec<Hinted>,
}

impl<'a> Look<'a> {
    pub(super) fn at(config: &'a CollectionConfig, document: &'a Document) -> Self {
        let position = |field| config.fields.iter().position(|other| std::ptr::eq(other, field));
        let mut look = Self { seen: Vec::new(), unlisted: Vec::new(), hinted: Vec::new() };
        for place in config.sealed_places(&document.fields) {
            let Some(field) = position(place.field) else { continue };
            look.seen.push(Seen { field, path: place.path, form: Form::of(place.value, place.field.bytes) });
        }
        // Whatever stands there instead of a map or an array is in the clear.
        for misfit in config.misfits(&document.fields) {
            let Some(field) = position(misfit.field) else { continue };
            look.seen.push(Seen { field, path: misfit.path, form: Form::of(misfit.value, true) });
        }
        look.hinted.extend(
            hints::in_text(document.path.id()).map(|kind| Hinted { path: FieldPath::default(), kind }),
        );
        let sealed: Places = look.seen.iter().fold(Places::default(), |mut places, seen| {
            places.insert(seen.path.steps());
            places
        });
        look.others(&document.fields, &sealed, &mut Vec::new());
        look
    }

    fn others(&mut self, fields: &Fields, sealed: &Places, path: &mut Vec<FieldStep>) {
        for (name, value) in fields {
            if path.is_empty() && name == SEAL {
                continue;
            }
            path.push(FieldStep::Key(name.clone()));
            if let Some(kind) = hints::in_text(name) {
                self.hinted.push(Hinted { path: FieldPath::new(path.clone()), kind });
            }
            self.other(value, sealed, path);
            path.pop();
        }
    }

    fn other(&mut self, value: &Value, sealed: &Places, path: &mut Vec<FieldStep>) {
        let nothing = Places::default();
        let inside = match path.last().and_then(|step| sealed.0.get(step)) {
            Some(inside) if inside.is_end() => return,
            Some(inside) => inside,
            None => &nothing,
        };
        let kind = match &value.value_type {
            Some(ValueType::MapValue(map)) => return self.others(&map.fields, inside, path),
            Some(ValueType::ArrayValue(array)) => {
                for (index, value) in array.values.iter().enumerate() {
                    path.push(FieldStep::Index(index as u64));
                    self.other(value, inside, path);
                    path.pop();
                }
                return;
            }
            Some(ValueType::BytesValue(_)) => None,
            Some(ValueType::StringValue(text)) => hints::in_text(text),
            Some(ValueType::IntegerValue(number)) => hints::in_integer(*number),
            _ => return,
        };
        if let Form::Envelope(header, _) = Form::of(value, true) {
            self.unlisted.push(Unlisted { path: FieldPath::new(path.clone()), header });
        } else if let Some(kind) = kind {
            self.hinted.push(Hinted { path: FieldPath::new(path.clone()), kind });
        }
    }
}

/// The sealed places of one document, as a tree.
#[derive(Default)]
struct Places(HashMap<FieldStep, Places>);

impl Places {
    fn insert(&mut self, path: &[FieldStep]) {
        path.iter().fold(self, |places, step| places.0.entry(step.clone()).or_default());
    }

    fn is_end(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> Form<'a> {
    /// The form of a value where `raw` bytes may stand in the clear.
    pub(super) fn of(value: &'a Value, raw: bool) -> Self {
        let envelope = |bytes: Cow<'a, [u8]>| match Header::decode(&bytes) {
            Some(header) => Self::Envelope(header, bytes),
            None => Self::Malformed,
        };
        match &value.value_type {
            Some(ValueType::BytesValue(bytes)) if raw && bytes.first() != Some(&VERSION) => Self::Plain,
            Some(ValueType::BytesValue(bytes)) => envelope(Cow::Borrowed(bytes)),
            Some(ValueType::StringValue(text)) => match json::decode(text) {
                Some(bytes) => envelope(Cow::Owned(bytes)),
                None if text.starts_with(json::PREFIX) => Self::Malformed,
                None => Self::Plain,
            },
            _ => Self::Plain,
        }
    }
}

/// About how many bytes a document takes.
pub(super) fn weight(fields: &Fields) -> usize {
    fields.iter().map(|(name, value)| name.len() + weight_of(value)).sum()
}

fn weight_of(value: &Value) -> usize {
    match &value.value_type {
        Some(ValueType::StringValue(text) | ValueType::ReferenceValue(text)) => 32 + text.len(),
        Some(ValueType::BytesValue(bytes)) => 32 + bytes.len(),
        Some(ValueType::MapValue(map)) => 32 + weight(&map.fields),
        Some(ValueType::ArrayValue(array)) => 32 + array.values.iter().map(weight_of).sum::<usize>(),
        _ => 40,
    }
}

impl Place {
    /// A place whose names do not show what looks like personal data.
    pub(super) fn new(document: &DocumentPath, field: &FieldPath) -> Self {
        let segments: Vec<_> = document.segments().map(shown).collect();
        Self { document: segments.join("/"), field: masked(field).to_string() }
    }
}

/// A field's path with `[]` for each position in an array, as a configuration names fields.
pub(super) fn pattern(path: &FieldPath) -> String {
    let mut pattern = String::new();
    for step in masked(path).steps() {
        match step {
            FieldStep::Index(_) => pattern.push_str("[]"),
            FieldStep::Key(_) => {
                if !pattern.is_empty() {
                    pattern.push('.');
                }
                pattern.push_str(&FieldPath::new(vec![step.clone()]).to_string());
            }
        }
    }
    pattern
}

fn masked(path: &FieldPath) -> FieldPath {
    let step = |step: &FieldStep| match step {
        FieldStep::Key(name) => FieldStep::Key(shown(name).into_owned()),
        FieldStep::Index(index) => FieldStep::Index(*index),
    };
    FieldPath::new(path.steps().iter().map(step).collect())
}

/// A name, or what it looks like.
fn shown(name: &str) -> Cow<'_, str> {
    match hints::in_text(name) {
        Some(kind) => Cow::Owned(format!("<{kind}>")),
        None => Cow::Borrowed(name),
    }
}
