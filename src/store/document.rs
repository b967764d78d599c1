//! Documents, writes and pages as a store sees them.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use ::firestore::gcloud_sdk::google::firestore::v1::MapValue;
use ::firestore::gcloud_sdk::prost::Message;

use super::limits::{MAX_FIELD_NAME_BYTES, check_document, reserved};
use super::transform::check_transforms;
use super::{StoreError, Transform, TransformKind};
use crate::bytes::{CollectionPath, DocumentPath};

/// A Firestore value, the generated protobuf type that the `firestore` crate uses too.
pub use ::firestore::gcloud_sdk::google::firestore::v1::{Value, value::ValueType};

/// A point in time as Firestore keeps it, to the microsecond.
pub use ::firestore::gcloud_sdk::prost_types::Timestamp as Time;

/// The named values of a document or map.
pub type Fields = HashMap<String, Value>;

/// A document as the database holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Its path, as the database answered.
    pub path: DocumentPath,
    /// Its values.
    pub fields: Fields,
    /// When it was created.
    pub create_time: Option<Time>,
    /// When it was last changed.
    pub update_time: Option<Time>,
}

/// What must hold for a write to be applied.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Precondition {
    /// The document exists, or does not.
    Exists(bool),
    /// The document was last changed at exactly this time.
    UpdatedAt(Time),
}

/// Fields by path: each path is a list of names from the document's root, unescaped.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldMask {
    // Shared: the masks of most writes are the same.
    paths: Arc<[Vec<String>]>,
}

impl FieldMask {
    /// A mask of these paths; an empty one names no field at all.
    #[must_use]
    pub fn new(paths: Vec<Vec<String>>) -> Self {
        Self { paths: paths.into() }
    }

    /// The paths, each a list of names.
    #[must_use]
    pub fn paths(&self) -> &[Vec<String>] {
        &self.paths
    }

    /// The paths in Firestore's notation: joined by `.`, names that are no identifiers in
    /// backquotes.
    #[must_use]
    pub fn encode(&self) -> Vec<String> {
        self.paths.iter().map(|path| encode_path(path)).collect()
    }

    /// The named fields of these; names that are not there are left out.
    #[must_use]
    pub fn project(&self, fields: &Fields) -> Fields {
        let mut projected = Fields::new();
        for path in self.paths.iter() {
            if let Some(value) = value_at(fields, path) {
                set_at(&mut projected, path, value.clone());
            }
        }
        projected
    }

    /// The same; nothing is copied where whole fields are named, and all of them.
    fn meant<'a>(&self, fields: &'a Fields) -> Cow<'a, Fields> {
        let whole = self.paths.iter().filter_map(|path| match path.as_slice() {
            [name] => Some(name.as_str()),
            _ => None,
        });
        let mut whole: Vec<&str> = whole.collect();
        whole.sort_unstable();
        if fields.keys().all(|name| whole.binary_search(&name.as_str()).is_ok()) {
            return Cow::Borrowed(fields);
        }
        Cow::Owned(self.project(fields))
    }

    /// Refuses names that Firestore does not take.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let bad = |path: &Vec<String>| {
            let length = path.iter().map(|name| name.len() + 1).sum::<usize>();
            // One byte less than a stored name may have: the emulator's rule.
            length == 0 || length > MAX_FIELD_NAME_BYTES || path.iter().any(|name| reserved(name))
        };
        match self.paths.iter().find(|path| bad(path)) {
            None => Ok(()),
            Some(path) => {
                let path: String = path.join(".").chars().take(80).collect();
                let reason = format!(
                    "the field mask names {path:?}; names must not be empty or match `__.*__`, nor have {MAX_FIELD_NAME_BYTES} or more bytes together"
                );
                Err(StoreError::Refused { reason })
            }
        }
    }
}

/// The value under these names, through maps only.
pub(crate) fn value_at<'a>(fields: &'a Fields, path: &[String]) -> Option<&'a Value> {
    let (last, parents) = path.split_last()?;
    let mut fields = fields;
    for name in parents {
        match &fields.get(name)?.value_type {
            Some(ValueType::MapValue(map)) => fields = &map.fields,
            _ => return None,
        }
    }
    fields.get(last)
}

/// Sets the value under these names; what is no map on the way becomes one.
pub(crate) fn set_at(fields: &mut Fields, path: &[String], value: Value) {
    match path {
        [] => {}
        [last] => {
            fields.insert(last.clone(), value);
        }
        [name, rest @ ..] => {
            let parent = fields.entry(name.clone()).or_default();
            if !matches!(parent.value_type, Some(ValueType::MapValue(_))) {
                parent.value_type = Some(ValueType::MapValue(MapValue::default()));
            }
            if let Some(ValueType::MapValue(map)) = &mut parent.value_type {
                set_at(&mut map.fields, rest, value);
            }
        }
    }
}

/// What a masked write makes of a document's fields.
pub(crate) fn merged(mut old: Fields, new: &Fields, mask: &FieldMask) -> Fields {
    for path in mask.paths() {
        match value_at(new, path) {
            Some(value) => set_at(&mut old, path, value.clone()),
            None => remove_at(&mut old, path),
        }
    }
    old
}

/// Removes the value under these names, if it is there; its parents stay.
fn remove_at(fields: &mut Fields, path: &[String]) {
    match path {
        [] => {}
        [last] => {
            fields.remove(last);
        }
        [name, rest @ ..] => {
            if let Some(Value { value_type: Some(ValueType::MapValue(map)) }) = fields.get_mut(name) {
                remove_at(&mut map.fields, rest);
            }
        }
    }
}

/// Whether two documents hold the same, doubles compared by their bits.
pub(crate) fn same_fields(left: &Fields, right: &Fields) -> bool {
    left.len() == right.len()
        && left.iter().all(|(name, value)| right.get(name).is_some_and(|other| same(value, other)))
}

/// Whether two values are the same, doubles compared by their bits.
pub(crate) fn same(left: &Value, right: &Value) -> bool {
    match (&left.value_type, &right.value_type) {
        (Some(ValueType::DoubleValue(left)), Some(ValueType::DoubleValue(right))) => {
            left.to_bits() == right.to_bits()
        }
        (Some(ValueType::ArrayValue(left)), Some(ValueType::ArrayValue(right))) => {
            left.values.len() == right.values.len()
                && left.values.iter().zip(&right.values).all(|(left, right)| same(left, right))
        }
        (Some(ValueType::MapValue(left)), Some(ValueType::MapValue(right))) => {
            same_fields(&left.fields, &right.fields)
        }
        (left, right) => left == right,
    }
}

/// A path in Firestore's notation.
pub(super) fn encode_path(path: &[String]) -> String {
    let mut encoded = String::with_capacity(path.iter().map(|name| name.len() + 1).sum());
    for (place, name) in path.iter().enumerate() {
        if place > 0 {
            encoded.push('.');
        }
        if is_identifier(name) {
            encoded.push_str(name);
        } else {
            encoded.extend(["`", &name.replace('\\', "\\\\").replace('`', "\\`"), "`"]);
        }
    }
    encoded
}

fn is_identifier(name: &str) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    name.as_bytes().first().is_some_and(|first| !first.is_ascii_digit())
        && name.as_bytes().iter().all(is_part)
}

/// What a write does to its document.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum WriteKind {
    /// Sets fields. With a mask only the named ones: a named field without a value is deleted, and
    /// all others stay. Without a mask the document is replaced. Creates it if need be.
    Set {
        /// The values.
        fields: Fields,
        /// Which fields are meant; `None` for the whole document.
        mask: Option<FieldMask>,
    },
    /// Deletes the document; deleting an absent one is no error.
    Delete,
}

/// One write of a commit.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    /// The document.
    pub path: DocumentPath,
    /// What is done to it.
    pub kind: WriteKind,
    /// What must hold first.
    pub precondition: Option<Precondition>,
    /// What the database makes of fields after setting those of the write, in this order; a
    /// deletion has none. A write that only transforms [merges](Self::merge) nothing by an empty mask.
    pub transforms: Vec<Transform>,
}

impl Write {
    /// A write without precondition and transforms.
    #[must_use]
    pub fn new(path: DocumentPath, kind: WriteKind) -> Self {
        Self { path, kind, precondition: None, transforms: Vec::new() }
    }

    /// Sets the whole document.
    #[must_use]
    pub fn set(path: DocumentPath, fields: Fields) -> Self {
        Self::new(path, WriteKind::Set { fields, mask: None })
    }

    /// Sets the fields of the mask, deletes those without a value, and leaves all others.
    #[must_use]
    pub fn merge(path: DocumentPath, fields: Fields, mask: FieldMask) -> Self {
        Self::new(path, WriteKind::Set { fields, mask: Some(mask) })
    }

    /// Deletes the document.
    #[must_use]
    pub fn delete(path: DocumentPath) -> Self {
        Self::new(path, WriteKind::Delete)
    }

    /// The same write, provided that this holds.
    #[must_use]
    pub fn with_precondition(self, precondition: Precondition) -> Self {
        Self { precondition: Some(precondition), ..self }
    }

    /// The same write, with these transforms.
    #[must_use]
    pub fn with_transforms(self, transforms: Vec<Transform>) -> Self {
        Self { transforms, ..self }
    }
}

/// A write that Firestore takes, as far as that does not depend on what it holds.
pub(super) struct Prepared<'a> {
    pub(super) write: &'a Write,
    /// The values that are set: those that the mask means.
    pub(super) fields: Cow<'a, Fields>,
}

/// Drops what masks do not mean, and refuses what Firestore would refuse of these writes
/// whatever it holds.
pub(super) fn prepare(writes: &[Write]) -> Result<Vec<Prepared<'_>>, StoreError> {
    let mut named = HashSet::with_capacity(writes.len());
    let refused = |reason: String| Err(StoreError::Refused { reason });
    let mut prepared = Vec::with_capacity(writes.len());
    for write in writes {
        if !named.insert(&write.path) {
            return refused(format!("one commit writes {} twice; make it one write", write.path));
        }
        if let Some(Precondition::UpdatedAt(time)) = &write.precondition
            && time.nanos % 1_000 != 0
        {
            return refused(format!("{}: update times have microseconds, not nanoseconds", write.path));
        }
        check_transforms(write)?;
        let fields = match &write.kind {
            WriteKind::Delete => Cow::Owned(Fields::new()),
            WriteKind::Set { fields, mask: None } => Cow::Borrowed(fields),
            WriteKind::Set { fields, mask: Some(mask) } => {
                mask.check()?;
                mask.meant(fields)
            }
        };
        if matches!(write.kind, WriteKind::Set { .. }) {
            check_document(&write.path, &fields)?;
        }
        prepared.push(Prepared { write, fields });
    }
    Ok(prepared)
}

/// About how many bytes a document takes in an answer.
pub(crate) fn document_bytes(document: &Document) -> usize {
    let fields = document.fields.iter();
    let values: usize = fields.map(|(name, value)| name.len() + value.encoded_len() + 16).sum();
    document.path.as_str().len() + 128 + values
}

/// About how many bytes a write takes in a request, and somewhat fewer than this.
pub(crate) fn write_bytes(write: &Write) -> usize {
    const FRAME: usize = 256;
    let WriteKind::Set { fields, mask } = &write.kind else { return write.path.as_str().len() + FRAME };
    let values: usize = fields.iter().map(|(name, value)| name.len() + value.encoded_len() + 16).sum();
    let paths = mask.iter().flat_map(FieldMask::paths).flatten();
    let names: usize = paths.map(|name| 2 * name.len() + 8).sum();
    let transforms: usize = write
        .transforms
        .iter()
        .map(|transform| match &transform.kind {
            TransformKind::Union(values) | TransformKind::Remove(values) => {
                values.iter().map(|value| value.encoded_len() + 8).sum()
            }
            _ => 64,
        })
        .sum();
    write.path.as_str().len() + FRAME + values + names + transforms
}

/// What a commit did.
#[derive(Debug, Clone, PartialEq)]
pub struct Commit {
    /// When it was applied.
    pub commit_time: Option<Time>,
    /// For each write in order, the document's new update time; `None` for a deletion.
    pub update_times: Vec<Option<Time>>,
}

/// Which page of a collection is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct ListRequest {
    /// The collection.
    pub collection: CollectionPath,
    /// At most this many documents, 1 or more.
    pub page_size: u32,
    /// Where the page before ended; `None` for the first.
    pub page_token: Option<String>,
    /// Which fields travel; `None` for all.
    pub mask: Option<FieldMask>,
}

impl ListRequest {
    /// Refuses what no database would answer, and gives the token as [`ListRequest::token`] took it.
    pub(super) fn check(&self) -> Result<Option<&str>, StoreError> {
        let refused = |reason: &str| Err(StoreError::Refused { reason: reason.to_owned() });
        if self.page_size == 0 {
            return refused("a page needs room for at least one document");
        }
        if let Some(mask) = &self.mask {
            mask.check()?;
        }
        let Some(token) = &self.page_token else { return Ok(None) };
        match token.split_once("//") {
            Some((collection, token)) if collection == self.collection.as_str() => Ok(Some(token)),
            _ => refused("the page token is not one of this collection"),
        }
    }

    /// Binds a page token to the collection: a server may take one of another collection and
    /// begin anywhere. No path holds `//`.
    pub(super) fn token(&self, token: &str) -> String {
        format!("{}//{token}", self.collection)
    }
}

/// One page of a collection.
#[derive(Debug, Clone, PartialEq)]
pub struct ListPage {
    /// The documents, in the order of their ids.
    pub documents: Vec<Document>,
    /// Where the next page begins; `None` at the end.
    pub next_page_token: Option<String>,
}
