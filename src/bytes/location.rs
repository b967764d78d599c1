//! Where a sealed value stands: scope, document path and field path, as typed components.
//!
//! Nothing here is ever joined, escaped or normalised on its way into the associated data: each
//! component is its kind, its length and its exact bytes, so two different places never share an
//! encoding.

use std::fmt;

/// The longest collection or document id that Firestore takes, in bytes of UTF-8.
pub const MAX_ID_BYTES: usize = 1_500;

/// Why a path or an id is not one that Firestore takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LocationError {
    /// An id is empty.
    #[error("an id is empty; every segment of a path needs at least one character")]
    EmptyId,
    /// An id is longer than [`MAX_ID_BYTES`].
    #[error("an id has {len} bytes; Firestore takes at most {MAX_ID_BYTES}")]
    IdTooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// An id is `.` or `..`, looks like `__name__`, or holds `/` or U+0000.
    #[error("{id:?} is not an id: it must not be `.` or `..`, match `__.*__`, or hold `/` or U+0000")]
    ReservedId {
        /// The id as it was given.
        id: String,
    },
    /// A document path needs an even number of segments.
    #[error(
        "{path:?} is not a document path; it needs pairs of collection and document ids, such as `customers/ada`"
    )]
    NotADocument {
        /// The path as it was given.
        path: String,
    },
    /// A collection path needs an odd number of segments.
    #[error(
        "{path:?} is not a collection path; it needs an odd number of segments, such as `customers` or `tenants/acme/customers`"
    )]
    NotACollection {
        /// The path as it was given.
        path: String,
    },
    /// A scope or a realm is empty or longer than [`MAX_ID_BYTES`].
    #[error("a scope or realm has {len} bytes; it takes 1 to {MAX_ID_BYTES}")]
    Name {
        /// Its length in bytes.
        len: usize,
    },
}

/// Checks one collection or document id against Firestore's rules.
///
/// # Errors
/// Says which rule the id breaks.
pub fn check_id(id: &str) -> Result<(), LocationError> {
    if id.is_empty() {
        return Err(LocationError::EmptyId);
    }
    if id.len() > MAX_ID_BYTES {
        return Err(LocationError::IdTooLong { len: id.len() });
    }
    let reserved = id.len() >= 5 && id.starts_with("__") && id.ends_with("__");
    if reserved || id == "." || id == ".." || id.contains(['/', '\0']) {
        return Err(LocationError::ReservedId { id: id.to_owned() });
    }
    Ok(())
}

/// The path of a collection relative to its database: `customers`, `tenants/acme/customers`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CollectionPath {
    /// An odd number of checked ids, joined by `/`: no id holds one, so this is unambiguous.
    path: String,
}

impl CollectionPath {
    /// Reads a path relative to the database.
    ///
    /// # Errors
    /// An even number of segments, or an id that Firestore does not take.
    pub fn parse(path: &str) -> Result<Self, LocationError> {
        if path.split('/').count().is_multiple_of(2) {
            return Err(LocationError::NotACollection { path: path.to_owned() });
        }
        path.split('/').try_for_each(check_id)?;
        Ok(Self { path: path.to_owned() })
    }

    /// The document with this id in the collection.
    ///
    /// # Errors
    /// An id that Firestore does not take.
    pub fn document(&self, id: &str) -> Result<DocumentPath, LocationError> {
        check_id(id)?;
        Ok(DocumentPath { path: format!("{}/{id}", self.path) })
    }

    /// The collection's own id, its last segment.
    #[must_use]
    pub fn id(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// The document that holds the collection; `None` for one at the root.
    #[must_use]
    pub fn parent(&self) -> Option<DocumentPath> {
        let (parent, _) = self.path.rsplit_once('/')?;
        Some(DocumentPath { path: parent.to_owned() })
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for CollectionPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

impl fmt::Debug for CollectionPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.path, f)
    }
}

/// The path of a document relative to its database: `customers/ada`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DocumentPath {
    /// An even number of checked ids, joined by `/`.
    path: String,
}

impl DocumentPath {
    /// Reads a path relative to the database.
    ///
    /// # Errors
    /// An odd number of segments, or an id that Firestore does not take.
    pub fn parse(path: &str) -> Result<Self, LocationError> {
        if !path.split('/').count().is_multiple_of(2) {
            return Err(LocationError::NotADocument { path: path.to_owned() });
        }
        path.split('/').try_for_each(check_id)?;
        Ok(Self { path: path.to_owned() })
    }

    /// A collection below the document.
    ///
    /// # Errors
    /// An id that Firestore does not take.
    pub fn collection(&self, id: &str) -> Result<CollectionPath, LocationError> {
        check_id(id)?;
        Ok(CollectionPath { path: format!("{}/{id}", self.path) })
    }

    /// The document's own id, the last segment.
    #[must_use]
    pub fn id(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// The collection that holds the document.
    #[must_use]
    pub fn parent(&self) -> CollectionPath {
        let parent = self.path.rsplit_once('/').map_or("", |(parent, _)| parent);
        CollectionPath { path: parent.to_owned() }
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.path
    }

    /// The ids from the root down: collection, document, collection, document, …
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.path.split('/')
    }
}

impl fmt::Display for DocumentPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

impl fmt::Debug for DocumentPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.path, f)
    }
}

/// Whose keys seal a document: the immutable id of a tenant.
///
/// A program with a single tenant uses [`Scope::default`], whose id is `default`. The scope is
/// bound into every ciphertext, so a value of one tenant never opens as another's.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope(String);

impl Scope {
    /// A scope with this id, 1 to [`MAX_ID_BYTES`] bytes.
    ///
    /// # Errors
    /// An empty or too long id.
    pub fn new(id: impl Into<String>) -> Result<Self, LocationError> {
        Ok(Self(checked_name(id.into())?))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Scope {
    fn default() -> Self {
        Self("default".to_owned())
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

fn checked_name(name: String) -> Result<String, LocationError> {
    if name.is_empty() || name.len() > MAX_ID_BYTES {
        return Err(LocationError::Name { len: name.len() });
    }
    Ok(name)
}

/// Where a document stands: its path in the database, whose keys seal it, and an optional realm.
///
/// The location is always given by whoever asks for the document, never taken from what is
/// stored. The project and the database are not part of it, so that an export can be restored
/// elsewhere; a realm keeps two deployments with the same keys apart.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Location {
    document: DocumentPath,
    scope: Scope,
    realm: Option<String>,
}

impl Location {
    /// The location of a document in the default scope, without a realm.
    #[must_use]
    pub fn new(document: DocumentPath) -> Self {
        Self { document, scope: Scope::default(), realm: None }
    }

    /// The same place under another scope.
    #[must_use]
    pub fn with_scope(self, scope: Scope) -> Self {
        Self { scope, ..self }
    }

    /// The same place in a realm, such as `staging`: 1 to [`MAX_ID_BYTES`] bytes.
    ///
    /// # Errors
    /// An empty or too long realm.
    pub fn with_realm(self, realm: impl Into<String>) -> Result<Self, LocationError> {
        Ok(Self { realm: Some(checked_name(realm.into())?), ..self })
    }

    /// The document's path.
    #[must_use]
    pub fn document(&self) -> &DocumentPath {
        &self.document
    }

    /// Whose keys seal the document.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The realm, if one is set.
    #[must_use]
    pub fn realm(&self) -> Option<&str> {
        self.realm.as_deref()
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (scope {})", self.document, self.scope)
    }
}

/// One step into a document: a field or map key, or a position in an array.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum FieldStep {
    /// A field's stored name or a map's key.
    Key(String),
    /// A position in an array, from 0.
    Index(u64),
}

/// The stored path of a field within its document, such as `addresses[2].street`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct FieldPath(Vec<FieldStep>);

impl FieldPath {
    /// The path with these steps.
    #[must_use]
    pub fn new(steps: Vec<FieldStep>) -> Self {
        Self(steps)
    }

    /// The steps from the document's root.
    #[must_use]
    pub fn steps(&self) -> &[FieldStep] {
        &self.0
    }
}

impl From<&str> for FieldPath {
    /// One field at the document's root: the name is taken whole, dots and all.
    fn from(name: &str) -> Self {
        Self(vec![FieldStep::Key(name.to_owned())])
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                FieldStep::Index(index) => write!(f, "[{index}]")?,
                FieldStep::Key(key) => {
                    if position > 0 {
                        f.write_str(".")?;
                    }
                    let plain = key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
                    if plain { f.write_str(key)? } else { write!(f, "`{}`", key.escape_debug())? }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(path: &str) -> DocumentPath {
        DocumentPath::parse(path).expect("valid")
    }

    #[test]
    fn only_ids_that_firestore_takes_are_taken() {
        for id in ["a", "...", "a.b", "__", "____", "__a", "a__", "_a_", "é", &"a".repeat(MAX_ID_BYTES)] {
            assert_eq!(check_id(id), Ok(()), "{id}");
        }
        for id in [".", "..", "_____", "__a__", "a/b", "/", "a\0"] {
            assert_eq!(check_id(id), Err(LocationError::ReservedId { id: id.to_owned() }));
        }
        assert_eq!(check_id(""), Err(LocationError::EmptyId));
        for len in [MAX_ID_BYTES + 1, MAX_ID_BYTES + 2] {
            assert_eq!(check_id(&"a".repeat(len)), Err(LocationError::IdTooLong { len }));
        }
    }

    #[test]
    fn collections_and_documents_take_turns_along_a_path() {
        let inner = CollectionPath::parse("tenants/acme/customers").expect("valid");
        assert_eq!(inner.id(), "customers");
        assert_eq!(inner.parent(), Some(document("tenants/acme")));
        assert_eq!(inner.document("ada"), Ok(document("tenants/acme/customers/ada")));
        let outer = CollectionPath::parse("tenants").expect("valid");
        assert_eq!((outer.id(), outer.parent()), ("tenants", None));
        let ada = document("tenants/acme/customers/ada");
        assert_eq!((ada.id(), ada.parent()), ("ada", inner));
        assert_eq!(ada.segments().collect::<Vec<_>>(), ["tenants", "acme", "customers", "ada"]);
        assert_eq!(document("tenants/acme").collection("customers"), Ok(ada.parent()));

        assert!(matches!(CollectionPath::parse("a/b"), Err(LocationError::NotACollection { .. })));
        assert!(matches!(DocumentPath::parse("a"), Err(LocationError::NotADocument { .. })));
        for wrong in ["a//b", "", "a/../b"] {
            assert!(CollectionPath::parse(wrong).is_err(), "{wrong}");
        }
        for wrong in ["a/", "a/__b__", "a/b/c/."] {
            assert!(DocumentPath::parse(wrong).is_err(), "{wrong}");
        }
        assert!(outer.document("a/b").is_err() && ada.collection("").is_err());
    }

    #[test]
    fn a_scope_and_a_realm_have_1_to_1500_bytes() {
        let long = "a".repeat(MAX_ID_BYTES);
        let here = || Location::new(document("a/b"));
        assert_eq!(Scope::new(&long).map(|scope| scope.as_str().len()), Ok(MAX_ID_BYTES));
        assert_eq!(here().with_realm(&long).expect("short enough").realm(), Some(long.as_str()));
        for len in [0, MAX_ID_BYTES + 1, MAX_ID_BYTES + 2] {
            assert_eq!(Scope::new("a".repeat(len)), Err(LocationError::Name { len }));
            assert_eq!(here().with_realm("a".repeat(len)), Err(LocationError::Name { len }));
        }
    }

    #[test]
    fn a_location_is_what_it_was_made_of() {
        let scope = Scope::new("acme").expect("valid");
        let location = Location::new(document("customers/ada"));
        assert_eq!((location.scope().as_str(), location.realm()), ("default", None));
        let location = location.with_scope(scope.clone()).with_realm("staging").expect("valid");
        assert_eq!(location.document(), &document("customers/ada"));
        assert_eq!((location.scope(), location.realm()), (&scope, Some("staging")));
        assert_eq!(location.to_string(), "customers/ada (scope acme)");
    }

    #[test]
    fn paths_and_scopes_show_themselves() {
        let (path, scope) = (document("customers/ada"), Scope::default());
        let collection = path.parent();
        assert_eq!(format!("{collection} {path} {scope}"), "customers customers/ada default");
        assert_eq!(format!("{collection:?} {path:?} {scope:?}"), r#""customers" "customers/ada" "default""#);
        assert_eq!((collection.as_str(), path.as_str()), ("customers", "customers/ada"));
    }

    #[test]
    fn a_field_path_shows_names_that_are_not_plain_in_quotes() {
        let key = |name: &str| FieldStep::Key(name.to_owned());
        let path = FieldPath::new(vec![key("a_1"), FieldStep::Index(2), key("b.c"), key("`"), key("d")]);
        assert_eq!(path.to_string(), "a_1[2].`b.c`.```.d");
        assert_eq!(FieldPath::from("a.b").steps(), [key("a.b")]);
    }
}
