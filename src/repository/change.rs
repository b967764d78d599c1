//! Changes to single fields of a document, in one write. It is read first only where the write depends on
//! what is stored.

mod edit;

use std::collections::BTreeSet;

use self::edit::{Edit, names_of};
use super::carry::sealed_anew;
use super::collection::decode_companion;
use super::guarded::{Guarded, write_guarded};
use super::keyed::Repository;
use super::opener::COVERED;
use super::seal_map::{self, Tokens, entry_path};
use crate::error::Error;
use crate::keys::KeyError;
use crate::query::{ArrayField, At, Clear, Operand, QueryError, Queryable, SealedField, field_path, fields};
use crate::seal::Document;
use crate::store::{
    Document as RawDocument, FieldMask, Fields, Precondition, Time, Transform, TransformKind, Value,
    ValueType, Write,
};

/// Changes to single fields of a document that exists, as one write. The document is read first in three
/// cases only: a unique field changes, whose old value is to be released; sealed fields are written, and a
/// field of the type says whose keys seal them, which must be the document's own; the type holds itself and
/// has indexes, so that only the document tells which tokens go.
///
/// Clear fields are set, deleted, and transformed by the database from what they hold; a transform of a
/// sealed field does not compile. Sealed fields are written from a value of the document's type, with their
/// index tokens.
///
/// Of two changes of one field the later one counts, and one by its handle before [`write`](Self::write);
/// several transforms of a field are done one after the other.
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

    /// Whether this field is set, deleted or transformed by itself, under any of its names.
    fn names(&self, field: &'static str) -> bool {
        let mut all = names_of::<T>(field);
        all.push(field);
        let clear = self.clear.iter().map(|(path, _)| path);
        let paths = clear.chain(self.transforms.iter().map(|transform| &transform.path));
        let mut names = self.deleted.iter().chain(paths.filter_map(|path| path.first()));
        names.any(|name| all.contains(&name.as_str()))
    }

    /// Makes the change, all of it or nothing.
    ///
    /// # Errors
    /// Not found if the document does not exist, a conflict if it is not in the state asked for;
    /// [`Error::NoSuchField`], [`Error::PartOfIndex`], [`Error::Taken`]; [`Error::ScopeField`] if the field
    /// that says whose keys seal the document would change; [`Error::Change`] for a value that has no stored
    /// form and a transform that the field does not take; [`Error::OutcomeUnknown`] where the answer was
    /// lost and the document does not tell. Where it does tell, others may have written since: then there
    /// is no time.
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
        // What is sealed under another scope than the rest of the document would leave it unreadable.
        let mut scope = None;
        let mut anew = BTreeSet::new();
        if let Some((value, names)) = self.value {
            if value.id() != self.id {
                return Err(Error::OtherId { document: path, field: T::ID_FIELD });
            }
            let mut sealing = self.repository.seal(value).await?;
            edit.write::<T>(collection.encode(&path, &sealing.sealed)?, &names)?;
            anew = sealed_anew::<T>(None, &mut sealing.sealed)?;
            (location, ring, tokens) = (sealing.location, Some(sealing.ring), sealing.tokens);
            scope = T::SCOPE_FIELD.filter(|field| edit.is_of_scope::<T>(field)).zip(value.scope());
        }
        for name in self.deleted {
            edit.delete::<T>(name)?;
        }
        for (at, value) in self.clear {
            edit.set(at, value);
        }
        if !self.transforms.is_empty() || !edit.writes_one_of(&anew) {
            let mut mark = [0; 16];
            getrandom::fill(&mut mark).map_err(KeyError::Random)?;
            edit.transform(self.transforms, mark);
        }

        let indexes = collection.indexes();
        let entries = edit.entries(indexes)?;
        tokens.entries.retain(|name, _| entries.sets(indexes, name));
        tokens.unique.retain(|name, _| entries.sets(indexes, name));
        let make = |read: Option<&RawDocument>| {
            if let (Some(read), Some((field, scope))) = (read, scope)
                && T::sealed_scope(&decode_companion::<T>(read)?) != Some(scope)
            {
                return Err(Error::ScopeField { document: path.clone(), field });
            }
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
            Ok(write.with_transforms(edit.transforms.clone()))
        };
        if T::SEAL.is_none()
            && !indexes.open
            && scope.is_none()
            && !entries.names.iter().any(|name| indexes.is_unique(name))
        {
            return collection.commit(vec![make(None)?.with_precondition(self.precondition)]).await;
        }
        let opener = self.repository.opener();
        let how = Guarded {
            location: &location,
            ring: ring.as_ref(),
            opener: Some(&opener),
            asked: Some(self.precondition),
            after: &tokens.unique,
            changes: &|name| entries.changes(indexes, name),
            read: None,
        };
        write_guarded(collection, how, make).await
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
        let paths = field.at().paths();
        let parent = |path: &Vec<String>| path.split_last().map(|(_, parent)| parent.to_vec());
        let value = field.stored(&value.into_operand());
        match value {
            // It would stand in one map, and the other fields in that under the old name.
            Ok(Some(_)) if paths.iter().any(|path| parent(path) != paths.first().and_then(parent)) => {
                let reason = "a struct that it stands in is read under an old name too; read and save it with \
                              `modify`, which moves nothing";
                self.wrong = Some(QueryError::NotChanged { field: field_path(field.at()), reason });
            }
            Ok(value) => {
                self.forget(|path| paths.iter().any(|other| path == other));
                self.deleted
                    .retain(|name| !matches!(paths.as_slice(), [path, ..] if path.as_slice() == std::slice::from_ref(name)));
                let mut paths = paths.into_iter();
                self.clear.extend(paths.next().map(|path| (path, value)));
                // Under an old name it would be there twice.
                self.clear.extend(paths.map(|path| (path, None)));
            }
            Err(error) => self.wrong = Some(error),
        }
        self
    }

    /// Drops what was said of fields before.
    fn forget(&mut self, is_of: impl Fn(&Vec<String>) -> bool) {
        self.clear.retain(|(path, _)| !is_of(path));
        self.transforms.retain(|transform| !is_of(&transform.path));
    }

    /// Deletes a field, clear or sealed, with its index tokens and reservation. The document must still be
    /// one of the type without it.
    pub fn delete<F: FieldAt>(mut self, field: impl FnOnce(T::Handles<T>) -> F) -> Self {
        let field = field(fields::<T>());
        let paths = field.field_at().paths();
        self.forget(|path| paths.iter().any(|other| path == other));
        match field.field_at().path().as_slice() {
            [name] => self.deleted.push(name.clone()),
            _ => self.clear.extend(paths.into_iter().map(|path| (path, None))),
        }
        self
    }

    /// Sets a clear field to the time of the commit. Its type is one that is stored as a timestamp; another
    /// is refused when the change is run, as a text would be.
    ///
    /// No transform takes a field that is read under an old name too (`#[serde(alias = ..)]`): the database
    /// would calculate with the new name, and leave the value under the old one. Use
    /// [`modify`](Repository::modify) there.
    pub fn server_time<F: ClearField<T>>(self, field: impl FnOnce(T::Handles<T>) -> F) -> Self {
        self.transform(field, |field| {
            let time = Value { value_type: Some(ValueType::TimestampValue(Time { seconds: 1, nanos: 0 })) };
            let reason = "its type is not stored as a timestamp; set it to a time of your own";
            taken(field, field.keeps(&time), reason)?;
            Ok(TransformKind::ServerTime)
        })
    }

    /// Adds to a clear number; one that is absent becomes the amount. An integer stops at the ends of 64
    /// bits, which a shorter type does not read back. A field that its `#[serde(with = ..)]` stores as
    /// anything but the number itself is refused when the change is run.
    pub fn increment<F: ClearField<T, Value: Numeric>>(
        self,
        field: impl FnOnce(T::Handles<T>) -> F,
        by: <F::Value as Numeric>::Amount,
    ) -> Self {
        self.transform(field, |field| Ok(TransformKind::Increment(as_itself(field, by)?)))
    }

    /// The larger of a clear number and this one.
    pub fn maximum<F: ClearField<T, Value: Numeric>>(
        self,
        field: impl FnOnce(T::Handles<T>) -> F,
        number: <F::Value as Numeric>::Amount,
    ) -> Self {
        self.transform(field, |field| Ok(TransformKind::Maximum(as_itself(field, number)?)))
    }

    /// The smaller of a clear number and this one.
    pub fn minimum<F: ClearField<T, Value: Numeric>>(
        self,
        field: impl FnOnce(T::Handles<T>) -> F,
        number: <F::Value as Numeric>::Amount,
    ) -> Self {
        self.transform(field, |field| Ok(TransformKind::Minimum(as_itself(field, number)?)))
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
        if let Some(seal) = T::SEAL
            && !field.at().path().first().is_some_and(|name| seal.unbound.contains(&name.as_str()))
        {
            self.wrong = Some(QueryError::NotChanged { field: field_path(field.at()), reason: COVERED });
            return self;
        }
        let reason = "it is read under an old name too, which the database would leave as it is; read and \
                      save it with `modify`";
        let kind = taken(&field, field.at().paths().len() == 1, reason).and_then(|()| kind(&field));
        match kind {
            Ok(kind) => self.transforms.push(Transform { path: field.at().path(), kind }),
            Err(error) => self.wrong = Some(error),
        }
        self
    }
}

fn taken<D, V>(field: &Clear<D, V>, is_taken: bool, reason: &'static str) -> Result<(), QueryError> {
    if is_taken { Ok(()) } else { Err(QueryError::NotChanged { field: field_path(field.at()), reason }) }
}

/// The number as the field stores it: as itself, for the database knows no other encoding.
fn as_itself<D, V: Numeric>(field: &Clear<D, V>, number: V::Amount) -> Result<Value, QueryError> {
    let samples = V::samples();
    let is_itself = samples.into_iter().all(|(value, amount)| field.stores(&value, &V::stored(amount)));
    taken(field, is_itself, "it is not stored as the number that it is; read and save it with `modify`")?;
    Ok(V::stored(number))
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
pub trait Numeric: Sized {
    /// What is added or compared: `i64` or `f64`.
    type Amount;

    /// The amount as it is stored.
    fn stored(amount: Self::Amount) -> Value;

    /// Some numbers, which tell whether a field stores them as they are.
    #[doc(hidden)]
    fn samples() -> [(Self, Self::Amount); 3];
}

macro_rules! numeric {
    ($amount:ty, $variant:ident, $nothing:literal, $one:literal, $many:literal: $($number:ty),*) => {$(
        impl Numeric for $number {
            type Amount = $amount;

            fn stored(amount: $amount) -> Value {
                Value { value_type: Some(ValueType::$variant(amount)) }
            }

            fn samples() -> [(Self, $amount); 3] {
                [($nothing, $nothing), ($one, $one), ($many, $many)]
            }
        }
    )*};
}

numeric!(i64, IntegerValue, 0, 1, 100: i8, i16, i32, i64, isize, u8, u16, u32, u64, usize);
numeric!(f64, DoubleValue, 0.0, 1.0, 100.0: f32, f64);

impl<N: Numeric> Numeric for Option<N> {
    type Amount = N::Amount;

    fn stored(amount: N::Amount) -> Value {
        N::stored(amount)
    }

    fn samples() -> [(Self, N::Amount); 3] {
        N::samples().map(|(number, amount)| (Some(number), amount))
    }
}
