//! Changes to single fields of a document: in one write, without reading it first.

use std::collections::BTreeSet;

use super::guarded::{Guarded, write_guarded};
use super::keyed::Repository;
use super::seal_map::{self, Indexes, Tokens, add_mark, entry_path, mark_path};
use crate::error::Error;
use crate::keys::KeyError;
use crate::query::{ArrayField, At, Clear, Operand, QueryError, Queryable, SealedField, fields};
use crate::seal::Document;
use crate::store::{
    Document as RawDocument, FieldMask, Fields, Precondition, Time, Transform, TransformKind, Value,
    ValueType, Write, set_at,
};

/// Changes to single fields of a document that exists, as one write that does not read the document first.
/// (It does where a unique field changes: to release the value that the document had.)
///
/// Clear fields are set, deleted, and transformed by the database from what they hold; a transform of a
/// sealed field does not compile. Sealed fields are written from a value of the document's type, with their
/// index tokens.
///
/// ```
/// # use fireseal::{DataKey, KeyRing, Repository, Sealable, store::MemoryStore};
/// #[derive(Sealable)]
/// #[sealable(collection = "customers")]
/// struct Customer {
///     #[sealable(id)]
///     id: String,
///     name: String,
///     visits: i64,
///     tags: Vec<String>,
///     note: Option<String>,
///     #[sensitive]
///     ssn: String,
/// }
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let customers =
/// #     Repository::<Customer>::new(MemoryStore::new(), KeyRing::new(DataKey::generate()?));
/// # let mut ada = Customer {
/// #     id: "ada".into(), name: "Ada".into(), visits: 1, tags: vec![], note: None, ssn: "078-05-1120".into(),
/// # };
/// # customers.create(&ada).await?;
/// ada.ssn = "219-09-9999".into();
/// customers
///     .change("ada")
///     .set(|c| c.name, "Ada Lovelace")
///     .increment(|c| c.visits, 1)
///     .union(|c| c.tags, ["vip"])
///     .delete(|c| c.note)
///     .write(&ada, &["ssn"])
///     .run()
///     .await?;
/// # assert_eq!(customers.get("ada").await?.ok_or("gone")?.visits, 2);
/// # Ok(())
/// # }
/// ```
#[must_use = "a change does nothing until `run` is called"]
pub struct Change<'a, T: Document> {
    repository: &'a Repository<T>,
    id: String,
    /// Clear values; `None` deletes the field.
    clear: Vec<(Vec<String>, Option<Value>)>,
    /// Fields to be deleted, by their stored names.
    deleted: Vec<String>,
    transforms: Vec<Transform>,
    value: Option<(&'a T, Vec<String>)>,
    precondition: Precondition,
    wrong: Option<QueryError>,
}

impl<'a, T: Document + Send + Sync + 'static> Change<'a, T> {
    pub(super) fn new(repository: &'a Repository<T>, id: &str) -> Self {
        Self {
            repository,
            id: id.to_owned(),
            clear: Vec::new(),
            deleted: Vec::new(),
            transforms: Vec::new(),
            value: None,
            precondition: Precondition::Exists(true),
            wrong: None,
        }
    }

    /// Writes these fields of the value, by their stored names: sealed ones are sealed, and their index
    /// tokens made. The value's id is the document's.
    pub fn write(mut self, value: &'a T, fields: &[&str]) -> Self {
        self.value = Some((value, fields.iter().map(|&name| name.to_owned()).collect()));
        self
    }

    pub(super) fn delete_named(mut self, names: &[&str]) -> Self {
        self.deleted.extend(names.iter().map(|&name| name.to_owned()));
        self
    }

    /// Only if the document is in this state; unless said otherwise, if it exists.
    pub fn only_if(self, precondition: Precondition) -> Self {
        Self { precondition, ..self }
    }

    /// Whether this field is set, deleted or transformed by itself.
    fn names(&self, field: &str) -> bool {
        let clear = self.clear.iter().map(|(path, _)| path);
        let mut paths = clear.chain(self.transforms.iter().map(|transform| &transform.path));
        self.deleted.iter().any(|name| name == field)
            || paths.any(|path| path.first().is_some_and(|name| name == field))
    }

    /// Makes the change, all of it or nothing.
    ///
    /// # Errors
    /// Not found if the document does not exist, a conflict if it is not in the state asked for;
    /// [`Error::NoSuchField`], [`Error::PartOfIndex`], [`Error::Taken`]; [`Error::Change`] for a value that
    /// has no stored form; [`Error::OutcomeUnknown`] where the answer was lost and the document does not
    /// tell. Where it does tell, others may have written since: then there is no time.
    pub async fn run(self) -> Result<Option<Time>, Error> {
        let collection = &self.repository.collection;
        let mut location = collection.location(&self.id, None)?;
        let path = location.document().clone();
        if let Some(source) = self.wrong {
            return Err(Error::Change { document: path, source });
        }
        if let Some(field) = T::SCOPE_FIELD
            && self.names(field)
        {
            return Err(Error::ScopeField { document: path, field });
        }
        let (mut ring, mut tokens, mut edit) = (None, Tokens::default(), Edit::default());
        let mut anew = false;
        if let Some((value, names)) = self.value {
            if value.id() != self.id {
                return Err(Error::OtherId { document: path, field: T::ID_FIELD });
            }
            let sealing = self.repository.seal(value).await?;
            edit.write::<T>(collection.encode(&path, &sealing.sealed)?, &names)?;
            anew = edit.written.iter().any(|name| sealing.anew.contains(name));
            (location, ring, tokens) = (sealing.location, Some(sealing.ring), sealing.tokens);
        }
        for name in self.deleted {
            edit.delete::<T>(name)?;
        }
        for (at, value) in self.clear {
            edit.set(at, value);
        }
        if !self.transforms.is_empty() || !anew {
            let mut mark = [0; 16];
            getrandom::fill(&mut mark).map_err(KeyError::Random)?;
            edit.transform(self.transforms, mark);
        }

        let indexes = collection.indexes();
        let entries = edit.entries(indexes)?;
        tokens.entries.retain(|name, _| entries.changes(indexes, name));
        tokens.unique.retain(|name, _| entries.changes(indexes, name));
        let make = |read: Option<&RawDocument>| {
            let stored = read.and_then(|read| seal_map::entries(&read.fields));
            let stored = stored.into_iter().flat_map(Fields::keys);
            let stored = stored.filter(|name| entries.changes(indexes, name)).map(String::as_str);
            let names = entries.names.iter().copied();
            let names: BTreeSet<&str> =
                names.chain(tokens.entries.keys().map(String::as_str)).chain(stored).collect();
            let mut mask = edit.mask.clone();
            mask.extend(names.into_iter().map(entry_path));
            let mut fields = edit.fields.clone();
            seal_map::add_entries(&mut fields, tokens.entries.clone());
            let write = Write::merge(path.clone(), fields, FieldMask::new(mask));
            write.with_transforms(edit.transforms.clone())
        };
        if !indexes.open && !entries.names.iter().any(|name| indexes.is_unique(name)) {
            return collection.commit(vec![make(None).with_precondition(self.precondition)]).await;
        }
        let how = Guarded {
            location: &location,
            ring: ring.as_ref(),
            asked: Some(self.precondition),
            after: &tokens.unique,
            changes: &|name| entries.changes(indexes, name),
            read: None,
        };
        write_guarded(collection, how, |read| Ok(make(read))).await
    }
}

impl<T: Document + Queryable + Send + Sync + 'static> Change<'_, T> {
    /// Sets a clear field; `None` deletes it.
    pub fn set<F: ClearField<T>>(
        mut self,
        field: impl FnOnce(T::Handles<T>) -> F,
        value: impl Operand<F::Value>,
    ) -> Self {
        let field = field(fields::<T>()).into_clear();
        match field.stored(&value.into_operand()) {
            Ok(value) => {
                let mut paths = field.at().paths().into_iter();
                self.clear.extend(paths.next().map(|path| (path, value)));
                // Under an old name it would be there twice.
                self.clear.extend(paths.map(|path| (path, None)));
            }
            Err(error) => self.wrong = Some(error),
        }
        self
    }

    /// Deletes a field, clear or sealed, with its index tokens and reservation. The document must still be
    /// one of the type without it.
    pub fn delete<F: FieldAt>(mut self, field: impl FnOnce(T::Handles<T>) -> F) -> Self {
        let field = field(fields::<T>());
        match field.field_at().path().as_slice() {
            [name] => self.deleted.push(name.clone()),
            _ => self.clear.extend(field.field_at().paths().into_iter().map(|path| (path, None))),
        }
        self
    }

    /// Sets a clear field to the time of the commit. Its type is one that is stored as a timestamp.
    pub fn server_time<F: ClearField<T>>(self, field: impl FnOnce(T::Handles<T>) -> F) -> Self {
        self.transform(field, |_| Ok(TransformKind::ServerTime))
    }

    /// Adds to a clear number; one that is absent becomes the amount. An integer stops at the ends of 64
    /// bits, which a shorter type does not read back.
    pub fn increment<F: ClearField<T, Value: Numeric>>(
        self,
        field: impl FnOnce(T::Handles<T>) -> F,
        by: <F::Value as Numeric>::Amount,
    ) -> Self {
        self.transform(field, |_| Ok(TransformKind::Increment(F::Value::stored(by))))
    }

    /// The larger of a clear number and this one.
    pub fn maximum<F: ClearField<T, Value: Numeric>>(
        self,
        field: impl FnOnce(T::Handles<T>) -> F,
        number: <F::Value as Numeric>::Amount,
    ) -> Self {
        self.transform(field, |_| Ok(TransformKind::Maximum(F::Value::stored(number))))
    }

    /// The smaller of a clear number and this one.
    pub fn minimum<F: ClearField<T, Value: Numeric>>(
        self,
        field: impl FnOnce(T::Handles<T>) -> F,
        number: <F::Value as Numeric>::Amount,
    ) -> Self {
        self.transform(field, |_| Ok(TransformKind::Minimum(F::Value::stored(number))))
    }

    /// Appends those elements to a clear array that it does not hold yet.
    pub fn union<F: ClearField<T, Value: ArrayField>>(
        self,
        field: impl FnOnce(T::Handles<T>) -> F,
        elements: impl IntoIterator<Item = impl Operand<<F::Value as ArrayField>::Element>>,
    ) -> Self {
        self.transform(field, |field| Ok(TransformKind::Union(field.elements(elements)?)))
    }

    /// Removes every one of these elements from a clear array.
    pub fn remove<F: ClearField<T, Value: ArrayField>>(
        self,
        field: impl FnOnce(T::Handles<T>) -> F,
        elements: impl IntoIterator<Item = impl Operand<<F::Value as ArrayField>::Element>>,
    ) -> Self {
        self.transform(field, |field| Ok(TransformKind::Remove(field.elements(elements)?)))
    }

    fn transform<F: ClearField<T>>(
        mut self,
        field: impl FnOnce(T::Handles<T>) -> F,
        kind: impl FnOnce(&Clear<T, F::Value>) -> Result<TransformKind, QueryError>,
    ) -> Self {
        let field = field(fields::<T>()).into_clear();
        match kind(&field) {
            Ok(kind) => self.transforms.push(Transform { path: field.at().path(), kind }),
            Err(error) => self.wrong = Some(error),
        }
        self
    }
}

/// The handle of a clear field, which a [`Change`] can set, and let the database transform.
#[diagnostic::on_unimplemented(
    message = "a sealed field is not set or transformed by itself",
    label = "not the handle of a clear field of this type",
    note = "write a sealed field from a value, which is sealed first: `.write(&value, &[\"field\"])`; the database cannot calculate with it, so read and save it with `modify`"
)]
pub trait ClearField<D> {
    /// The field's type.
    type Value;

    /// The handle itself.
    fn into_clear(self) -> Clear<D, Self::Value>;
}

impl<D, V> ClearField<D> for Clear<D, V> {
    type Value = V;

    fn into_clear(self) -> Self {
        self
    }
}

/// The handle of a field that a [`Change`] can delete: of a clear one or of a sealed one.
pub trait FieldAt {
    /// Where the field is stored.
    fn field_at(&self) -> &At;
}

impl<D, V> FieldAt for Clear<D, V> {
    fn field_at(&self) -> &At {
        self.at()
    }
}

impl<D, V, I> FieldAt for SealedField<D, V, I> {
    fn field_at(&self) -> &At {
        self.at()
    }
}

/// The type of a number that the database can calculate with: integers up to 64 bits, `f32`, `f64`, and an
/// `Option` of one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a number that the database can calculate with",
    label = "not such a number",
    note = "only clear fields of integers, `f32`, `f64`, or an `Option` of one are incremented or compared; read and save others with `modify`"
)]
pub trait Numeric {
    /// What is added or compared: `i64` or `f64`.
    type Amount;

    /// The amount as it is stored.
    fn stored(amount: Self::Amount) -> Value;
}

macro_rules! numeric {
    ($amount:ty, $variant:ident: $($number:ty),*) => {$(
        impl Numeric for $number {
            type Amount = $amount;

            fn stored(amount: $amount) -> Value {
                Value { value_type: Some(ValueType::$variant(amount)) }
            }
        }
    )*};
}

numeric!(i64, IntegerValue: i8, i16, i32, i64, isize, u8, u16, u32, u64, usize);
numeric!(f64, DoubleValue: f32, f64);

impl<N: Numeric> Numeric for Option<N> {
    type Amount = N::Amount;

    fn stored(amount: N::Amount) -> Value {
        N::stored(amount)
    }
}

/// A change as it is put together.
#[derive(Default)]
struct Edit {
    fields: Fields,
    mask: Vec<Vec<String>>,
    transforms: Vec<Transform>,
    /// Fields at the root that are written from a value, and that are deleted, under all their names.
    written: BTreeSet<String>,
    deleted: BTreeSet<String>,
    /// What is set, deleted or transformed in the clear.
    clear: Vec<Vec<String>>,
}

impl Edit {
    fn write<T: Document>(&mut self, mut sealed: Fields, names: &[String]) -> Result<(), Error> {
        for name in names {
            let all = names_of::<T>(name);
            if all.is_empty() && !sealed.contains_key(name) {
                return Err(no_such_field::<T>(name));
            }
            self.mask(name, &all);
            self.written.extend(all.into_iter().map(str::to_owned).chain([name.clone()]));
        }
        sealed.retain(|name, _| self.written.contains(name));
        self.fields = sealed;
        Ok(())
    }

    fn delete<T: Document>(&mut self, name: String) -> Result<(), Error> {
        let all = names_of::<T>(&name);
        if all.is_empty() && !T::FLATTENED {
            return Err(no_such_field::<T>(&name));
        }
        self.mask(&name, &all);
        self.deleted.extend(all.into_iter().map(str::to_owned).chain([name]));
        Ok(())
    }

    fn mask(&mut self, name: &str, all: &[&'static str]) {
        let others = all.iter().filter(|other| **other != name);
        self.mask.extend(others.copied().chain([name]).map(|name| vec![name.to_owned()]));
    }

    fn set(&mut self, path: Vec<String>, value: Option<Value>) {
        if let Some(value) = value {
            set_at(&mut self.fields, &path, value);
        }
        self.mask.push(path.clone());
        self.clear.push(path);
    }

    /// The mark tells this write from another that does the same.
    fn transform(&mut self, transforms: Vec<Transform>, mark: [u8; 16]) {
        self.clear.extend(transforms.iter().map(|transform| transform.path.clone()));
        self.transforms = transforms;
        add_mark(&mut self.fields, mark);
        self.mask.push(mark_path());
    }

    /// The entries that change with the fields.
    fn entries<'a>(&'a self, indexes: &'a Indexes) -> Result<Entries<'a>, Error> {
        let root_in =
            |names: &BTreeSet<String>, path: &[String]| path.first().is_some_and(|root| names.contains(root));
        let mut names: BTreeSet<&str> =
            indexes.written(&|path| root_in(&self.written, path))?.into_iter().collect();
        names.extend(indexes.holding(&|path| root_in(&self.deleted, path)));
        let clear = |path: &[String]| {
            self.clear.iter().any(|clear| path.starts_with(clear) || clear.starts_with(path))
        };
        // Its other fields are not known here, so its token cannot be made.
        if let Some(index) = indexes.compound(&clear) {
            return Err(Error::PartOfIndex { index: index.to_owned(), missing: Vec::new() });
        }
        names.extend(indexes.holding(&clear));
        Ok(Entries { names, roots: [&self.written, &self.deleted] })
    }
}

/// The entries that a change sets or removes.
struct Entries<'a> {
    names: BTreeSet<&'a str>,
    roots: [&'a BTreeSet<String>; 2],
}

impl Entries<'_> {
    fn changes(&self, indexes: &Indexes, name: &str) -> bool {
        let root = || seal_map::root(name);
        self.names.contains(name) || indexes.open && self.roots.iter().any(|names| names.contains(&root()))
    }
}

/// Every name of a field of the type; nothing where there is no such field.
fn names_of<T: Document>(name: &str) -> Vec<&'static str> {
    let field = T::FIELDS.iter().find(|field| field.name == name && field.written);
    let names = field.into_iter().flat_map(|field| std::iter::once(&field.name).chain(field.aliases));
    names.copied().collect()
}

fn no_such_field<T: Document>(name: &str) -> Error {
    let known = T::FIELDS.iter().map(|field| field.name).collect();
    Error::NoSuchField { field: name.to_owned(), known }
}
