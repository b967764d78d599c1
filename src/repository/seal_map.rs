//! What stands in a document's `_seal`: the tokens of its indexes, the mark of its last transform, and its
//! document seal.

use std::collections::{BTreeMap, BTreeSet};

use crate::bytes::{FieldPath, FieldStep, Location};
use crate::error::Error;
use crate::keys::KeyRing;
use crate::query::{Queryable, Schema, Stored, schema};
use crate::seal::IndexKind;
use crate::seal::index::{Entry, Terms, Values, entry_name, tokens};
use crate::store::value::{array_of, map_of};
use crate::store::{Fields, Value, ValueType};

/// The field that fireseal keeps for itself, and what stands in it.
pub(crate) const SEAL: &str = "_seal";
const INDEXES: &str = "idx";
/// What sealed values were in Firestore: the only entry that is sealed itself.
pub(crate) const WAS: &str = "was";
const MARK: &str = "write";
const DOCUMENT: &str = "doc";

const KEY: &str = "key";
const EQUALITY: &str = "eq";
const UNIQUE: &str = "unique";
const ALSO: &str = "also";
const PREFIX: &str = "prefix";
const WORDS: &str = "words";
const RANGE: &str = "range";

/// How many reservations one entry may speak of: one for each live index key. More were put there by somebody
/// who writes the database, to have them all read.
const MAX_RESERVED: usize = 8;

/// The indexes that a type has, by the names of their entries.
#[derive(Debug, Default)]
pub(super) struct Indexes {
    /// What they were taken from.
    pub(super) schema: Schema,
    entries: BTreeMap<String, Kind>,
    /// Entries of sealed fields without an index, which may have had one before, and of fields under their
    /// older names, with the paths of those.
    former: BTreeMap<String, Vec<String>>,
    /// Whether there may be entries of which only the values tell.
    pub(super) open: bool,
    /// Whether any of them is unique.
    pub(super) unique: bool,
}

#[derive(Debug)]
struct Kind {
    /// The stored paths of the fields that the tokens are made of.
    fields: Vec<Vec<String>>,
    compound: bool,
    unique: bool,
}

impl Indexes {
    pub(super) fn of<T: Queryable>() -> Self {
        let schema = schema::<T>();
        let mut indexes = Self { open: T::INDEXED && schema.is_open(), ..Self::default() };
        for field in schema.fields() {
            let former = |path: &Vec<String>| (entry_name(path), path.clone());
            if field.indexes.is_empty() {
                let paths = std::iter::once(&field.path).chain(&field.aliases);
                indexes.former.extend(paths.filter(|_| field.stored == Stored::Sealed).map(former));
                continue;
            }
            let unique = field.indexes.iter().any(|info| info.kind == IndexKind::Unique);
            indexes.unique |= unique;
            let kind = Kind { fields: vec![field.path.clone()], compound: false, unique };
            indexes.entries.insert(entry_name(&field.path), kind);
            indexes.former.extend(field.aliases.iter().map(former));
        }
        for compound in schema.compounds() {
            let kind = Kind { fields: compound.fields.clone(), compound: true, unique: false };
            indexes.entries.insert(entry_name(&compound.path), kind);
        }
        Self { schema, ..indexes }
    }

    /// The entries that a write of all fields sets or removes.
    pub(super) fn all(&self) -> impl Iterator<Item = &String> {
        self.entries.keys().chain(self.former.keys())
    }

    /// Whether an entry is one of those.
    pub(super) fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name) || self.former.contains_key(name)
    }

    /// The entries that change when these fields are written. A compound index takes all of its fields, or
    /// loses its tokens with one that is deleted.
    ///
    /// # Errors
    /// [`Error::PartOfIndex`].
    pub(super) fn written(
        &self,
        is_written: &dyn Fn(&[String]) -> bool,
        is_deleted: &dyn Fn(&[String]) -> bool,
    ) -> Result<Vec<&str>, Error> {
        for (name, kind) in &self.entries {
            let missing: Vec<_> = kind.fields.iter().filter(|path| !is_written(path)).collect();
            let is_deleted = kind.fields.iter().any(|path| is_deleted(path));
            if !is_deleted && !missing.is_empty() && missing.len() < kind.fields.len() {
                let missing = missing.into_iter().map(|path| shown(path)).collect();
                return Err(Error::PartOfIndex { index: name.clone(), missing });
            }
        }
        Ok(self.holding(is_written).collect())
    }

    /// The entries that are made of one of these fields, or were.
    pub(super) fn holding(&self, holds: &dyn Fn(&[String]) -> bool) -> impl Iterator<Item = &str> {
        let entries = self.entries.iter().filter(move |(_, kind)| kind.fields.iter().any(|path| holds(path)));
        let former = self.former.iter().filter(move |(_, path)| holds(path));
        entries.map(|(name, _)| name).chain(former.map(|(name, _)| name)).map(String::as_str)
    }

    /// Whether the entry is of a unique field.
    pub(super) fn is_unique(&self, name: &str) -> bool {
        self.entries.get(name).is_some_and(|kind| kind.unique)
    }

    /// A compound index that holds one of these fields.
    pub(super) fn compound(&self, holds: &dyn Fn(&[String]) -> bool) -> Option<&str> {
        let mut compounds = self.entries.iter().filter(|(_, kind)| kind.compound);
        compounds.find(|(_, kind)| kind.fields.iter().any(|path| holds(path))).map(|(name, _)| name.as_str())
    }
}

fn shown(path: &[String]) -> FieldPath {
    FieldPath::new(path.iter().cloned().map(FieldStep::Key).collect())
}

/// The tokens of a value that is about to be written.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    /// By the entries' names.
    pub(crate) entries: BTreeMap<String, Value>,
    /// For each unique field, its tokens under every live index key.
    pub(super) unique: BTreeMap<String, Vec<[u8; 32]>>,
    /// Entries of fields that did not open: they stay as they are stored.
    pub(super) closed: BTreeSet<String>,
}

impl Tokens {
    /// # Errors
    /// [`Error::NoIndexKey`]; a value that has no place in its index.
    pub(crate) fn of(terms: &[Terms], ring: &KeyRing, location: &Location) -> Result<Self, Error> {
        let Some(key) = ring.index() else {
            return Err(Error::NoIndexKey { scope: ring.scope().clone() });
        };
        let failed = |source| Error::Seal { document: location.document().clone(), source };
        let closed = terms.iter().filter(|term| matches!(term.values, Values::Closed));
        let closed = closed.map(|term| entry_name(&term.path)).collect();
        let made = tokens(terms, key, location).map_err(failed)?;
        let mut unique: BTreeMap<String, Vec<[u8; 32]>> = BTreeMap::new();
        for (name, entry) in &made {
            if let Some(token) = entry.unique {
                unique.insert(name.clone(), vec![token]);
            }
        }
        if !unique.is_empty() {
            for other in ring.index_keys().skip(1) {
                for (name, entry) in tokens(terms, other, location).map_err(failed)? {
                    if let (Some(token), Some(held)) = (entry.unique, unique.get_mut(&name)) {
                        held.push(token);
                    }
                }
            }
        }
        let entries = made.into_iter().map(|(name, entry)| {
            let also = unique.get(&name).and_then(|held| held.get(1..)).unwrap_or_default();
            let value = encode(entry, also);
            (name, value)
        });
        let entries = entries.collect();
        Ok(Self { entries, unique, closed })
    }
}

fn encode(entry: Entry, also: &[[u8; 32]]) -> Value {
    let mut fields = Fields::from([(KEY.to_owned(), bytes(entry.key.to_vec()))]);
    let single = [(EQUALITY, entry.eq), (UNIQUE, entry.unique.map(|token| token.to_vec()))];
    for (name, token) in single {
        fields.extend(token.map(|token| (name.to_owned(), bytes(token))));
    }
    let also = also.iter().map(|token| token.to_vec()).collect();
    for (name, many) in [(ALSO, also), (PREFIX, entry.prefix), (WORDS, entry.words), (RANGE, entry.range)] {
        if !many.is_empty() {
            fields.insert(name.to_owned(), array_of(many.into_iter().map(bytes).collect()));
        }
    }
    map_of(fields)
}

pub(crate) fn bytes(bytes: Vec<u8>) -> Value {
    Value { value_type: Some(ValueType::BytesValue(bytes)) }
}

/// The path of an entry, for a mask.
pub(crate) fn entry_path(name: &str) -> Vec<String> {
    vec![SEAL.to_owned(), INDEXES.to_owned(), name.to_owned()]
}

/// The path of all entries.
pub(super) fn entries_path() -> Vec<String> {
    vec![SEAL.to_owned(), INDEXES.to_owned()]
}

/// The path of the mark.
pub(super) fn mark_path() -> Vec<String> {
    vec![SEAL.to_owned(), MARK.to_owned()]
}

/// The path of the document seal.
pub(super) fn document_seal_path() -> Vec<String> {
    vec![SEAL.to_owned(), DOCUMENT.to_owned()]
}

/// All that stands in `_seal`.
pub(super) fn whole(fields: &Fields) -> Option<&Fields> {
    map(fields.get(SEAL)?)
}

/// The document seal, whatever it is.
pub(crate) fn document_seal_value(fields: &Fields) -> Option<&Value> {
    whole(fields)?.get(DOCUMENT)
}

/// The document seal, if it is a map.
pub(super) fn document_seal(fields: &Fields) -> Option<&Fields> {
    map(document_seal_value(fields)?)
}

/// Whether the document seal covers what stands under a name in `_seal`: not itself, not the mark, and no
/// empty map that deleted entries have left.
pub(super) fn is_upkeep(seal: &Fields, name: &str) -> bool {
    let is_empty = || seal.get(INDEXES).and_then(map).is_some_and(Fields::is_empty);
    name != DOCUMENT && name != MARK && !(name == INDEXES && is_empty())
}

/// Adds a mark by which a write is known again.
pub(super) fn add_mark(fields: &mut Fields, mark: [u8; 16]) {
    inner(fields, SEAL).insert(MARK.to_owned(), bytes(mark.to_vec()));
}

/// The mark of the last write that had one.
pub(super) fn mark(fields: &Fields) -> Option<&[u8]> {
    as_bytes(map(fields.get(SEAL)?)?.get(MARK)?)
}

/// Adds entries to fields that are about to be written.
pub(crate) fn add_entries(fields: &mut Fields, entries: impl IntoIterator<Item = (String, Value)>) {
    let mut entries = entries.into_iter().peekable();
    if entries.peek().is_some() {
        inner(inner(fields, SEAL), INDEXES).extend(entries);
    }
}

/// The entries of a document that was read.
pub(crate) fn entries(fields: &Fields) -> Option<&Fields> {
    map(map(fields.get(SEAL)?)?.get(INDEXES)?)
}

/// The first name of an entry's field; for a compound index at the root, the index's own.
pub(super) fn root(name: &str) -> String {
    let mut root = String::new();
    let mut letters = name.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '.' => break,
            '\\' => root.extend(letters.next()),
            letter => root.push(letter),
        }
    }
    root
}

/// Replaces entries in a whole document: those that go are removed, and the new ones added.
pub(super) fn replace(fields: &mut Fields, goes: impl Fn(&str) -> bool, new: BTreeMap<String, Value>) {
    if let Some(seal) = fields.get_mut(SEAL).and_then(map_mut) {
        if let Some(entries) = seal.get_mut(INDEXES).and_then(map_mut) {
            entries.retain(|name, _| !goes(name));
            if entries.is_empty() {
                seal.remove(INDEXES);
            }
        }
        if seal.is_empty() {
            fields.remove(SEAL);
        }
    }
    add_entries(fields, new);
}

/// Removes one entry, and the map of all where it was the last.
pub(crate) fn remove_entry(fields: &mut Fields, name: &str) {
    if let Some(seal) = fields.get_mut(SEAL).and_then(map_mut)
        && let Some(entries) = seal.get_mut(INDEXES).and_then(map_mut)
    {
        entries.remove(name);
        if entries.is_empty() {
            seal.remove(INDEXES);
        }
    }
}

/// What stands in `_seal` under a name, where it is bytes.
pub(crate) fn bytes_of<'a>(fields: &'a Fields, name: &str) -> Option<&'a [u8]> {
    as_bytes(map(fields.get(SEAL)?)?.get(name)?)
}

/// Puts something into `_seal`.
pub(crate) fn add(fields: &mut Fields, name: &str, value: Value) {
    inner(fields, SEAL).insert(name.to_owned(), value);
}

/// Takes something out of `_seal`.
pub(crate) fn remove(fields: &mut Fields, name: &str) {
    if let Some(seal) = fields.get_mut(SEAL).and_then(map_mut) {
        seal.remove(name);
    }
}

/// The paths of a write of these, after it: where nothing is left in a map of `_seal`, the map itself goes.
pub(crate) fn narrowed(
    fields: &mut Fields,
    written: impl IntoIterator<Item = Vec<String>>,
) -> BTreeSet<Vec<String>> {
    if fields.get(SEAL).and_then(map).is_some_and(Fields::is_empty) {
        fields.remove(SEAL);
    }
    let (no_seal, no_entries) = (!fields.contains_key(SEAL), entries(fields).is_none());
    let narrow = |names: Vec<String>| match names.first() {
        Some(root) if root == SEAL && no_seal => vec![SEAL.to_owned()],
        Some(root) if root == SEAL && no_entries && names.get(1).is_some_and(|name| name == INDEXES) => {
            entries_path()
        }
        _ => names,
    };
    written.into_iter().map(narrow).collect()
}

/// The tokens that a document's entry says are reserved for it, of however many the first 8.
pub(crate) fn reserved(entry: &Value) -> Vec<[u8; 32]> {
    let Some(entry) = map(entry) else { return Vec::new() };
    let also = match entry.get(ALSO).and_then(|value| value.value_type.as_ref()) {
        Some(ValueType::ArrayValue(array)) => array.values.as_slice(),
        _ => &[],
    };
    let tokens = entry.get(UNIQUE).into_iter().chain(also).take(MAX_RESERVED);
    tokens.filter_map(|value| as_bytes(value)?.try_into().ok()).collect()
}

/// Which index key made an entry.
pub(crate) fn entry_epoch(entry: &Value) -> Option<[u8; 16]> {
    as_bytes(map(entry)?.get(KEY)?)?.try_into().ok()
}

pub(super) fn as_bytes(value: &Value) -> Option<&[u8]> {
    match &value.value_type {
        Some(ValueType::BytesValue(bytes)) => Some(bytes),
        _ => None,
    }
}

fn map(value: &Value) -> Option<&Fields> {
    match &value.value_type {
        Some(ValueType::MapValue(map)) => Some(&map.fields),
        _ => None,
    }
}

fn map_mut(value: &mut Value) -> Option<&mut Fields> {
    match &mut value.value_type {
        Some(ValueType::MapValue(map)) => Some(&mut map.fields),
        _ => None,
    }
}

/// The map under a name; what is no map there becomes one.
fn inner<'a>(fields: &'a mut Fields, name: &str) -> &'a mut Fields {
    let value = fields.entry(name.to_owned()).or_default();
    if map(value).is_none() {
        *value = map_of(Fields::new());
    }
    map_mut(value).expect("it was made a map")
}
