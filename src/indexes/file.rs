//! The indexes of types and queries.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{Composite, Mode, Path, Scope, Single};
use super::required::{Required, required};
use crate::bytes::CollectionPath;
use crate::query::{Queryable, Schema, Stored, schema};
use crate::seal::index::entry_name;
use crate::seal::{Document, IndexInfo, IndexKind};
use crate::store::{Aggregation, Query};

/// The collection of the documents that reserve unique values.
const RESERVATIONS: &str = "fireseal_unique";

/// The indexes of types and queries: the content of a `firestore.indexes.json`, or of the calls of the
/// `firestore` crate's index management (feature `indexes`).
///
/// Firestore takes at most 200 single-field configurations for a database. A type needs one for each sealed
/// field and alias, one for `_seal`, and one for each index; all unique indexes together need four for their
/// reservations.
///
/// What a type does not tell is not here: fields of a flattened map, and those of a type that holds itself
/// ([`Schema::is_open`](crate::query::Schema::is_open)).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IndexFile {
    /// The indexes of single fields, by collection id and path, in place of the automatic ones. They hold
    /// for all that is inside the field as well, but where it has its own.
    pub(super) overrides: BTreeMap<(String, Path), BTreeSet<Single>>,
    pub(super) composites: BTreeSet<Composite>,
    /// The fields among those that hold tokens.
    tokens: BTreeSet<(String, Path)>,
}

impl IndexFile {
    /// The indexes of a type: none for sealed fields and for arrays and maps that hold some, and the
    /// tokens of its blind indexes.
    ///
    /// # Panics
    /// If a hand-written `T::COLLECTION` is not the path of a collection.
    #[must_use]
    pub fn of<T: Document + Queryable>() -> Self {
        let collection =
            CollectionPath::parse(T::COLLECTION).expect("the derive checks the collection's path");
        let mut file = Self::default();
        file.add(collection.id(), &schema::<T>());
        file
    }

    /// The indexes of sealed fields where no Rust type says which they are: of all collections with this id,
    /// the names that lead to each field, and its blind indexes. Of a field inside an array, or in every entry
    /// of a map, the path is that of the array or map.
    #[must_use]
    pub fn of_fields<'a>(
        collection_id: &str,
        fields: impl IntoIterator<Item = (Vec<String>, &'a [IndexInfo])>,
    ) -> Self {
        let mut file = Self::default();
        file.overrides.entry((collection_id.to_owned(), vec!["_seal".to_owned()])).or_default();
        for (path, indexes) in fields {
            file.sealed(collection_id, &path, indexes);
        }
        file
    }

    /// The indexes of both.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        for (field, indexes) in other.overrides {
            self.overrides.entry(field).or_default().extend(indexes);
        }
        self.composites.extend(other.composites);
        self.tokens.extend(other.tokens);
        self
    }

    /// The same, with the tokens indexed for collection-group queries as well.
    #[must_use]
    pub fn for_group_queries(mut self) -> Self {
        for field in &self.tokens {
            let indexes = self.overrides.entry(field.clone()).or_default();
            let groups: Vec<_> =
                indexes.iter().map(|index| Single { scope: Scope::Group, ..*index }).collect();
            indexes.extend(groups);
        }
        self
    }

    /// The same, with what Firestore requires for a query besides the automatic indexes: composite ones, and
    /// those of single fields where it asks a collection group. Add it after the types that it is about.
    ///
    /// A query that Firestore refuses has no meaningful indexes.
    #[must_use]
    pub fn with_query(self, query: &Query) -> Self {
        self.with_aggregation(query, &[])
    }

    /// The same, with an index from which sums and means over the documents of a query can be computed. A
    /// count takes what its query takes.
    #[must_use]
    pub fn with_aggregation(mut self, query: &Query, over: &[Aggregation]) -> Self {
        let (group, required) = required(query, over);
        for required in required {
            match required {
                Required::Composite(composite) => {
                    self.composites.insert(composite);
                }
                Required::Single(path, index) => self.require(&group, path, index),
            }
        }
        self
    }

    /// Adds an index of one field, unless it has it. The others that it has stay.
    fn require(&mut self, group: &str, path: Path, index: Single) {
        let inherited = (1..=path.len())
            .rev()
            .find_map(|length| self.overrides.get(&(group.to_owned(), path.get(..length)?.to_vec())));
        let mut indexes = inherited.cloned().unwrap_or_else(|| BTreeSet::from(Single::AUTOMATIC));
        if indexes.insert(index) {
            self.overrides.insert((group.to_owned(), path), indexes);
        }
    }

    fn add(&mut self, group: &str, schema: &Schema) {
        // It may hold the mark of a write too, where no field has an index.
        self.overrides.entry((group.to_owned(), vec!["_seal".to_owned()])).or_default();
        for field in schema.fields() {
            match field.stored {
                Stored::Id | Stored::Clear => continue,
                Stored::Sealed | Stored::Holding => {}
            }
            self.sealed(group, &field.path, field.indexes);
            for alias in &field.aliases {
                self.overrides.entry((group.to_owned(), alias.clone())).or_default();
            }
        }
        for compound in schema.compounds() {
            self.token(group, &compound.path, "eq", Mode::Ascending);
        }
    }

    fn sealed(&mut self, group: &str, path: &[String], indexes: &[IndexInfo]) {
        self.overrides.entry((group.to_owned(), path.to_vec())).or_default();
        for info in indexes {
            let (name, mode) = tokens_of(info);
            self.token(group, path, name, mode);
            if info.kind == IndexKind::Unique {
                self.reservations();
            }
        }
    }

    /// The documents that reserve unique values are found by their ids, and by their scope when it is
    /// forgotten.
    fn reservations(&mut self) {
        for name in ["key", "mac", "owner", "scope"] {
            let field = (RESERVATIONS.to_owned(), vec![name.to_owned()]);
            let indexes = self.overrides.entry(field).or_default();
            if name == "scope" {
                indexes.insert(Single { mode: Mode::Ascending, scope: Scope::Collection });
            }
        }
    }

    fn token(&mut self, group: &str, indexed: &[String], name: &str, mode: Mode) {
        let path = ["_seal", "idx", &entry_name(indexed), name].map(str::to_owned).to_vec();
        let field = (group.to_owned(), path);
        let index = Single { mode, scope: Scope::Collection };
        self.overrides.entry(field.clone()).or_default().insert(index);
        self.tokens.insert(field);
    }
}

/// Where the tokens of an index stand in its entry, and how they are asked for.
fn tokens_of(info: &IndexInfo) -> (&'static str, Mode) {
    match info.kind {
        IndexKind::Equality | IndexKind::Unique => ("eq", Mode::Ascending),
        IndexKind::Prefix { .. } => ("prefix", Mode::Contains),
        IndexKind::Words => ("words", Mode::Contains),
        IndexKind::Range(_) => ("range", Mode::Contains),
    }
}
