//! Which fields are sensitive where no Rust type says it: a configuration's collections.

mod attributes;
mod pattern;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use attributes::Attributes;
pub use attributes::IndexConfig;
pub use pattern::{FieldPattern, PatternStep};

use crate::bytes::{
    CollectionPath, DocumentPath, FieldPath, FieldStep, Format, Location, LocationError, Scope, check_id,
};
use crate::store::{Document, Fields, Value, ValueType};

/// Field names that fireseal or the `firestore` crate keep for themselves.
const RESERVED: [&str; 5] =
    ["_seal", "_firestore_id", "_firestore_full_id", "_firestore_created", "_firestore_updated"];

/// One sensitive field of a configuration: one pattern, which may mean many values of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Where it stands.
    pub pattern: FieldPattern,
    /// Whether it is sealed as raw bytes, as `#[sensitive(bytes)]` does.
    pub bytes: bool,
    /// Whether its length is hidden: the plaintext is padded to a multiple of this many bytes.
    pub pad: Option<u32>,
    /// What it is in Firestore, where its plaintext does not tell.
    pub kind: Option<ValueKind>,
    /// Its blind indexes.
    pub index: Option<IndexConfig>,
}

impl Field {
    /// A field that is sealed, and nothing more.
    #[must_use]
    pub fn new(pattern: FieldPattern) -> Self {
        Self { pattern, bytes: false, pad: None, kind: None, index: None }
    }

    pub(crate) fn format(&self) -> Format {
        self.pad.map_or(Format::new(), |multiple| Format::new().padded(multiple))
    }
}

/// What a value is in Firestore, where the text or map that is sealed does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ValueKind {
    /// A time; sealed it is RFC 3339 text.
    Timestamp,
    /// The name of a document; sealed it is text.
    Reference,
    /// A place on earth; sealed it is a map of `latitude` and `longitude`.
    GeoPoint,
}

impl ValueKind {
    pub(crate) const ALL: [Self; 3] = [Self::Timestamp, Self::Reference, Self::GeoPoint];

    /// The word that stands for it in a configuration.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Timestamp => "timestamp",
            Self::Reference => "reference",
            Self::GeoPoint => "geopoint",
        }
    }
}

/// Whose keys seal the documents of a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScopeRule {
    /// One scope's.
    Fixed(Scope),
    /// Those of the scope that a clear text field of each document names.
    Field(String),
}

/// One collection of a configuration, or every collection with one id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectionConfig {
    /// Its path relative to the database; of a group, the collections' id.
    pub path: String,
    /// Whether every collection with this id is meant, wherever it stands.
    pub group: bool,
    /// Whose keys seal its documents.
    pub scope: ScopeRule,
    /// The realm that its values are bound to.
    pub realm: Option<String>,
    /// Its sensitive fields, in the order of their patterns.
    pub fields: Vec<Field>,
}

/// The collections of a configuration file, by their paths: what stands under `[collections]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Collections(Vec<CollectionConfig>);

impl Collections {
    /// The collections, in the order of their paths.
    pub fn iter(&self) -> impl Iterator<Item = &CollectionConfig> {
        self.0.iter()
    }

    /// The collection with this path, or the group with this id.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&CollectionConfig> {
        self.0.iter().find(|collection| collection.path == path)
    }
}

/// What stands behind a collection's path.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    group: bool,
    scope: Option<String>,
    scope_field: Option<String>,
    realm: Option<String>,
    fields: BTreeMap<FieldPattern, Attributes>,
}

impl<'de> Deserialize<'de> for Collections {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = BTreeMap::<String, Written>::deserialize(deserializer)?;
        let collections = written.into_iter().map(|(path, written)| {
            let scope = match (written.scope, written.scope_field) {
                (Some(_), Some(_)) => {
                    return Err(D::Error::custom(format_args!(
                        "collection {path}: `scope` and `scope_field` both say whose keys seal it; keep one"
                    )));
                }
                (_, Some(field)) => ScopeRule::Field(field),
                (Some(scope), None) => ScopeRule::Fixed(Scope::new(scope).map_err(D::Error::custom)?),
                (None, None) => ScopeRule::Fixed(Scope::default()),
            };
            let fields = written.fields.into_iter().map(|(pattern, attributes)| attributes.field(pattern));
            let fields = fields.collect::<Result<_, _>>();
            let fields =
                fields.map_err(|error| D::Error::custom(format_args!("collection {path}: {error}")))?;
            let collection =
                CollectionConfig { path, group: written.group, scope, realm: written.realm, fields };
            collection.check().map_err(D::Error::custom)?;
            Ok(collection)
        });
        collections.collect::<Result<_, _>>().map(Self)
    }
}

/// A value that stands where a configuration says that a sealed one belongs.
#[derive(Debug, Clone)]
pub struct SealedPlace<'a> {
    /// Its stored path.
    pub path: FieldPath,
    /// What is stored there.
    pub value: &'a Value,
    /// What the configuration says of it.
    pub field: &'a Field,
}

impl CollectionConfig {
    /// A collection under the default scope, with these fields.
    #[must_use]
    pub fn new(path: impl Into<String>, fields: Vec<Field>) -> Self {
        Self {
            path: path.into(),
            group: false,
            scope: ScopeRule::Fixed(Scope::default()),
            realm: None,
            fields,
        }
    }

    /// Refuses what contradicts itself.
    ///
    /// # Errors
    /// [`FieldsError`] says what.
    pub fn check(&self) -> Result<(), FieldsError> {
        let collection = &self.path;
        if self.group {
            check_id(collection)?
        } else {
            CollectionPath::parse(collection).map(drop)?
        };
        if self.fields.is_empty() {
            return Err(FieldsError::NothingSealed { collection: collection.clone() });
        }
        for (position, field) in self.fields.iter().enumerate() {
            let name = field.pattern.root();
            let wrong = |reason: String| {
                Err(FieldsError::Attribute { field: format!("{} of {collection}", field.pattern), reason })
            };
            if RESERVED.contains(&name) {
                return wrong(format!("`{name}` is a name that is kept for other uses"));
            }
            if self.scope == ScopeRule::Field(name.to_owned()) {
                return wrong("it says whose keys seal the document, so it stays in the clear".to_owned());
            }
            let before = self.fields.iter().take(position);
            if let Some(other) = before.into_iter().find(|other| other.pattern.overlaps(&field.pattern)) {
                return wrong(format!(
                    "it and {} mean the same values, or one inside the other",
                    other.pattern
                ));
            }
        }
        Ok(())
    }

    /// Where a document's sealed values are bound to.
    ///
    /// # Errors
    /// The document is of another collection, or does not say whose keys seal it.
    pub fn location(&self, document: &Document) -> Result<Location, FieldsError> {
        let (path, parent) = (&document.path, document.path.parent());
        if if self.group { parent.id() != self.path } else { parent.as_str() != self.path } {
            let collection = self.path.clone();
            return Err(FieldsError::OtherCollection { document: path.clone(), collection });
        }
        let scope = match &self.scope {
            ScopeRule::Fixed(scope) => scope.clone(),
            ScopeRule::Field(name) => {
                let missing = || FieldsError::NoScope { document: path.clone(), field: name.clone() };
                match document.fields.get(name).and_then(|value| value.value_type.as_ref()) {
                    Some(ValueType::StringValue(scope)) => {
                        Scope::new(scope.as_str()).map_err(|_| missing())?
                    }
                    _ => return Err(missing()),
                }
            }
        };
        let location = Location::new(path.clone()).with_scope(scope);
        match &self.realm {
            None => Ok(location),
            Some(realm) => Ok(location.with_realm(realm.as_str())?),
        }
    }

    /// The values that stand in sealed places: by field, entries of maps in the order of their names.
    pub fn sealed_places<'a>(&'a self, fields: &'a Fields) -> impl Iterator<Item = SealedPlace<'a>> {
        self.fields.iter().flat_map(|field| {
            let mut found = Found { places: Vec::new(), misfits: Vec::new(), field };
            found.descend(fields);
            found.places
        })
    }

    /// Values that are no map or array where the configuration goes into one, and are not null: nothing in
    /// them is known to be sealed.
    pub fn misfits<'a>(&'a self, fields: &'a Fields) -> impl Iterator<Item = SealedPlace<'a>> {
        // Several patterns may go through one value.
        let mut told = BTreeSet::new();
        let misfits = self.fields.iter().flat_map(|field| {
            let mut found = Found { places: Vec::new(), misfits: Vec::new(), field };
            found.descend(fields);
            found.misfits
        });
        misfits.filter(move |misfit| told.insert(misfit.path.to_string()))
    }

    /// What the configuration says, in one text: equal for equal meanings.
    pub(crate) fn described(&self) -> String {
        let Self { path, group, scope, realm, fields } = self;
        format!("{path:?} {group} {scope:?} {realm:?} {fields:?}")
    }
}

/// The places of one field in a document.
struct Found<'a> {
    places: Vec<SealedPlace<'a>>,
    misfits: Vec<SealedPlace<'a>>,
    field: &'a Field,
}

impl<'a> Found<'a> {
    fn descend(&mut self, fields: &'a Fields) {
        if let Some((PatternStep::Key(name), rest)) = self.field.pattern.steps().split_first()
            && let Some(value) = fields.get(name)
        {
            self.value(value, rest, &mut vec![FieldStep::Key(name.clone())]);
        }
    }

    fn value(&mut self, value: &'a Value, pattern: &'a [PatternStep], path: &mut Vec<FieldStep>) {
        let place =
            |path: &[FieldStep], field| SealedPlace { path: FieldPath::new(path.to_vec()), value, field };
        let Some((step, rest)) = pattern.split_first() else {
            self.places.push(place(path, self.field));
            return;
        };
        match (step, &value.value_type) {
            (PatternStep::Key(name), Some(ValueType::MapValue(map))) => {
                if let Some(value) = map.fields.get(name) {
                    self.inner(value, rest, path, FieldStep::Key(name.clone()));
                }
            }
            (PatternStep::AnyKey, Some(ValueType::MapValue(map))) => {
                for (name, value) in map.fields.iter().collect::<BTreeMap<_, _>>() {
                    self.inner(value, rest, path, FieldStep::Key(name.clone()));
                }
            }
            (PatternStep::AnyIndex, Some(ValueType::ArrayValue(array))) => {
                for (index, value) in array.values.iter().enumerate() {
                    self.inner(value, rest, path, FieldStep::Index(index as u64));
                }
            }
            (_, None | Some(ValueType::NullValue(_))) => {}
            _ => self.misfits.push(place(path, self.field)),
        }
    }

    fn inner(
        &mut self,
        value: &'a Value,
        rest: &'a [PatternStep],
        path: &mut Vec<FieldStep>,
        step: FieldStep,
    ) {
        path.push(step);
        self.value(value, rest, path);
        path.pop();
    }
}

/// What is wrong with a configuration, or with a document by its account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldsError {
    /// A text that is no pattern.
    #[error(
        "{pattern:?} names no field: {reason}; write it like `ssn`, `address.street`, `contacts[].email` or `notes.*`"
    )]
    Pattern {
        /// The text.
        pattern: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// What is said of a field contradicts itself.
    #[error("field {field}: {reason}")]
    Attribute {
        /// The field.
        field: String,
        /// What is wrong.
        reason: String,
    },
    /// A collection without a sensitive field.
    #[error("collection {collection} has no sensitive field; name one under `fields`")]
    NothingSealed {
        /// The collection.
        collection: String,
    },
    /// A document of another collection.
    #[error("{document} is not in {collection}")]
    OtherCollection {
        /// The document.
        document: DocumentPath,
        /// The configuration's path or id.
        collection: String,
    },
    /// A document that does not say whose keys seal it.
    #[error("{document} does not say whose keys seal it: {field} is absent, empty or no text")]
    NoScope {
        /// The document.
        document: DocumentPath,
        /// The field that should.
        field: String,
    },
    /// A path, scope or realm that does not exist.
    #[error(transparent)]
    Location(#[from] LocationError),
}
