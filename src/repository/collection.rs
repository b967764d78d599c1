//! What both repositories share: which documents, and between documents and companions.

use std::any::type_name;
use std::collections::BTreeSet;
use std::marker::PhantomData;
use std::sync::Arc;

use async_trait::async_trait;

use super::outcome;
use super::seal_map::{Indexes, SEAL, entry_path};
use super::stored::Stored;
use crate::bytes::{CollectionPath, DocumentPath, Location, LocationError, Scope};
use crate::error::Error;
use crate::query::Queryable;
use crate::seal::{Document, FieldInfo};
use crate::store::value::{self, decode, encode, string_value};
use crate::store::{
    ClearValueError, Commit, Document as RawDocument, FieldMask, Fields, Store, StoreError, Time, Value,
    ValueType, Write,
};

/// The names that the `firestore` crate adds on reading.
const ID: &str = "_firestore_id";
const FULL_ID: &str = "_firestore_full_id";
const CREATED: &str = "_firestore_created";
const UPDATED: &str = "_firestore_updated";
const SYNTHETIC: [&str; 4] = [ID, FULL_ID, CREATED, UPDATED];

/// A store that keeps writes and sends them later: a batch, or a transaction.
// `pub` because a sealed trait names it; this module is private.
#[async_trait]
pub trait Later: Store {
    /// Takes the writes of one operation: all, or none.
    async fn keep(&self, writes: Vec<Write>) -> Result<(), StoreError>;

    /// Whether what it keeps is read as such.
    fn shows_kept(&self) -> bool;
}

/// What a commit of kept writes answers.
pub(super) fn kept(count: usize) -> Commit {
    Commit { commit_time: None, update_times: vec![None; count] }
}

/// The documents of type `T` in one collection, under one scope.
pub(super) struct Collection<T> {
    store: Arc<dyn Store>,
    path: CollectionPath,
    scope: Scope,
    realm: Option<String>,
    indexes: Arc<Indexes>,
    /// The mask of a write of all fields of the type, with the entries that may be theirs.
    known: FieldMask,
    /// The store, if it keeps writes for later.
    later: Option<Arc<dyn Later>>,
    document: PhantomData<fn() -> T>,
}

impl<T> Clone for Collection<T> {
    fn clone(&self) -> Self {
        Self {
            store: Arc::clone(&self.store),
            path: self.path.clone(),
            scope: self.scope.clone(),
            realm: self.realm.clone(),
            indexes: Arc::clone(&self.indexes),
            known: self.known.clone(),
            later: self.later.clone(),
            document: PhantomData,
        }
    }
}

impl<T: Document> Collection<T> {
    pub(super) fn new(store: Arc<dyn Store>) -> Self
    where
        T: Queryable,
    {
        let path = CollectionPath::parse(T::COLLECTION).expect("the derive checks the collection's path");
        let indexes = Arc::new(Indexes::of::<T>());
        let names = known_names::<T>().map(|name| vec![name.to_owned()]);
        let entries: BTreeSet<_> = indexes.all().collect();
        let known = FieldMask::new(names.chain(entries.into_iter().map(|name| entry_path(name))).collect());
        let scope = Scope::default();
        Self { store, path, scope, realm: None, indexes, known, later: None, document: PhantomData }
    }

    /// The same documents in a store that keeps writes.
    pub(super) fn over(&self, later: Arc<dyn Later>) -> Self {
        Self { store: Arc::clone(&later) as Arc<dyn Store>, later: Some(later), ..self.clone() }
    }

    /// Whether the store is a transaction: what it has written, it reads as such.
    pub(super) fn in_transaction(&self) -> bool {
        self.later.as_ref().is_some_and(|later| later.shows_kept())
    }

    pub(super) fn under(mut self, parent: &str) -> Result<Self, LocationError> {
        let parent = DocumentPath::parse(parent)?;
        self.path = CollectionPath::parse(&format!("{parent}/{}", T::COLLECTION))?;
        Ok(self)
    }

    pub(super) fn with_scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    pub(super) fn with_realm(mut self, realm: String) -> Result<Self, LocationError> {
        // Checked here once, so that `location` cannot fail later.
        Location::new(self.path.document("any")?).with_realm(realm.clone())?;
        self.realm = Some(realm);
        Ok(self)
    }

    pub(super) fn path(&self) -> &CollectionPath {
        &self.path
    }

    pub(super) fn store(&self) -> &dyn Store {
        &*self.store
    }

    pub(super) fn shared_store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    pub(super) fn scope(&self) -> &Scope {
        &self.scope
    }

    pub(super) fn realm(&self) -> Option<&str> {
        self.realm.as_deref()
    }

    pub(super) fn indexes(&self) -> &Indexes {
        &self.indexes
    }

    /// The mask of a write of all fields of the type, and of these paths.
    pub(super) fn known(&self, more: Vec<Vec<String>>) -> FieldMask {
        if more.is_empty() {
            return self.known.clone();
        }
        FieldMask::new(self.known.paths().iter().cloned().chain(more).collect())
    }

    /// Where the document with this id stands: under the scope that the document names, or else the
    /// repository's.
    pub(super) fn location(&self, id: &str, scope: Option<&str>) -> Result<Location, LocationError> {
        self.location_at(self.path.document(id)?, scope)
    }

    /// The same of a document by its path.
    pub(super) fn location_at(
        &self,
        path: DocumentPath,
        scope: Option<&str>,
    ) -> Result<Location, LocationError> {
        let scope = scope.map_or_else(|| Ok(self.scope.clone()), Scope::new)?;
        let location = Location::new(path).with_scope(scope);
        match &self.realm {
            Some(realm) => location.with_realm(realm.clone()),
            None => Ok(location),
        }
    }

    /// Reads documents in the order of their ids' appearance; absent ones are told.
    pub(super) async fn read(&self, ids: &[&str]) -> Result<Vec<Option<Stored<T::Sealed>>>, Error> {
        let paths = ids.iter().map(|id| self.path.document(id)).collect::<Result<Vec<_>, _>>()?;
        let documents = self.read_raw(&paths, None).await?;
        paths
            .into_iter()
            .zip(documents)
            .map(|(asked, document)| match document {
                Some(answered) if answered.path != asked => {
                    Err(Error::OtherDocument { asked, answered: answered.path })
                }
                document => document.map(|document| self.companion(document)).transpose(),
            })
            .collect()
    }

    pub(super) async fn exists(&self, id: &str) -> Result<bool, Error> {
        let nothing = FieldMask::default();
        let found = self.read_raw(&[self.path.document(id)?], Some(&nothing)).await?;
        Ok(found.into_iter().any(|document| document.is_some()))
    }

    pub(super) async fn read_raw(
        &self,
        paths: &[DocumentPath],
        mask: Option<&FieldMask>,
    ) -> Result<Vec<Option<RawDocument>>, StoreError> {
        let documents = self.store.read(paths, mask).await?;
        if documents.len() == paths.len() {
            return Ok(documents);
        }
        let reason = format!("{} answers for {} documents", documents.len(), paths.len());
        Err(StoreError::UnexpectedAnswer { reason })
    }

    /// Where a document stands of which a part was read, the field that names its scope among it.
    pub(super) fn location_of_part(&self, document: &RawDocument) -> Result<Location, Error> {
        let Some(field) = T::SCOPE_FIELD else { return Ok(self.location_at(document.path.clone(), None)?) };
        match document.fields.get(field).and_then(|value| value.value_type.as_ref()) {
            Some(ValueType::StringValue(scope)) => Ok(self.location_at(document.path.clone(), Some(scope))?),
            _ => Err(Error::OtherType {
                document: document.path.clone(),
                type_name: type_name::<T>(),
                at: field.to_owned(),
                missing: Vec::new(),
            }),
        }
    }

    /// Where a whole document stands: under the scope that it names, or else the repository's.
    pub(super) fn location_of(&self, document: &RawDocument) -> Result<Location, Error> {
        if T::SCOPE_FIELD.is_none() {
            return Ok(self.location_at(document.path.clone(), None)?);
        }
        let companion = decode_companion::<T>(document)?;
        Ok(self.location_at(document.path.clone(), T::sealed_scope(&companion))?)
    }

    /// The companion of a document that was read, with the location that was asked for.
    pub(super) fn companion(&self, document: RawDocument) -> Result<Stored<T::Sealed>, Error> {
        let sealed = decode_companion::<T>(&document)?;
        let location = self.location_at(document.path.clone(), T::sealed_scope(&sealed))?;
        if T::sealed_id(&sealed) != document.path.id() {
            return Err(Error::OtherId { document: document.path, field: T::ID_FIELD });
        }
        Ok(Stored::new(sealed, location, document))
    }

    /// The fields to be stored for a companion.
    pub(super) fn encode(&self, document: &DocumentPath, sealed: &T::Sealed) -> Result<Fields, Error> {
        let mut fields =
            encode(sealed).map_err(|source| Error::ClearValue { document: document.clone(), source })?;
        SYNTHETIC.iter().for_each(|name| {
            fields.remove(*name);
        });
        if fields.contains_key(SEAL) {
            let source =
                ClearValueError { field: SEAL.into(), reason: "fireseal keeps this name for itself" };
            return Err(Error::ClearValue { document: document.clone(), source });
        }
        Ok(fields)
    }

    /// Applies writes of which the first is a document's, and tells when.
    pub(super) async fn commit(&self, writes: Vec<Write>) -> Result<Option<Time>, Error> {
        // Of what is kept for later, no answer can be lost.
        if let Some(later) = &self.later {
            later.keep(writes).await?;
            return Ok(None);
        }
        let commit = outcome::commit(&*self.store, &writes).await?;
        Ok(commit.update_times.into_iter().next().flatten().or(commit.commit_time))
    }
}

/// Every name under which the fields that the type writes may be stored at the document's root.
pub(super) fn known_names<T: Document>() -> impl Iterator<Item = &'static str> {
    T::FIELDS
        .iter()
        .filter(|field| field.written)
        .flat_map(|field| std::iter::once(field.name).chain(field.aliases.iter().copied()))
        .filter(|name| !SYNTHETIC.contains(name))
}

pub(super) fn decode_companion<T: Document>(document: &RawDocument) -> Result<T::Sealed, Error> {
    let readable = Readable::of::<T>(document);
    decode(readable.fields()).map_err(|shape| Error::OtherType {
        document: document.path.clone(),
        type_name: type_name::<T>(),
        at: place::<T>(&readable, shape.path),
        missing: T::FIELDS
            .iter()
            .filter(|field| !field.sensitive && !names(field).any(|name| readable.has(name)))
            .map(|field| field.name)
            .collect(),
    })
}

/// Whether the document holds a field of the type under two of its names, so that it cannot be read.
pub(super) fn reads_twice<T: Document>(document: &RawDocument) -> bool {
    let readable = Readable::of::<T>(document);
    let fields = readable.fields().map(|(name, value)| (name.to_owned(), value.clone()));
    value::reads_twice::<T::Sealed>(fields.collect())
}

/// A document's fields as the companion is to read them.
struct Readable<'a> {
    stored: &'a Fields,
    /// Which of the synthetic names the type asks for. A stored field of such a name is somebody's forgery.
    asked: [bool; SYNTHETIC.len()],
    added: Vec<(&'static str, Value)>,
}

impl<'a> Readable<'a> {
    fn of<T: Document>(document: &'a RawDocument) -> Self {
        let mut readable =
            Self { stored: &document.fields, asked: [false; SYNTHETIC.len()], added: Vec::new() };
        for field in T::FIELDS {
            readable.add_synthetic(field, document);
        }
        let id = T::FIELDS.iter().find(|field| field.name == T::ID_FIELD);
        if !id.is_some_and(|field| names(field).any(|name| readable.has(name))) {
            readable.added.push((T::ID_FIELD, string_value(document.path.id())));
        }
        readable
    }

    /// Adds what the `firestore` crate adds on reading, but only where the type asks for it and nothing
    /// is stored under another of the field's names.
    fn add_synthetic(&mut self, field: &'static FieldInfo, document: &RawDocument) {
        let asked = || names(field).copied().filter(|name| SYNTHETIC.contains(name));
        if asked().next().is_none() {
            return;
        }
        for (synthetic, is_asked) in SYNTHETIC.iter().zip(&mut self.asked) {
            *is_asked |= asked().any(|name| name == *synthetic);
        }
        if names(field).any(|name| self.has(name)) {
            return;
        }
        let time = |time: Option<Time>| Some(Value { value_type: Some(ValueType::TimestampValue(time?)) });
        let added = asked().find_map(|name| {
            let value = match name {
                ID => Some(string_value(document.path.id())),
                FULL_ID => Some(string_value(document.path.as_str())),
                CREATED => time(document.create_time),
                _ => time(document.update_time),
            };
            Some((name, value?))
        });
        self.added.extend(added);
    }

    fn is_hidden(&self, name: &str) -> bool {
        name == SEAL || SYNTHETIC.iter().zip(self.asked).any(|(synthetic, asked)| asked && *synthetic == name)
    }

    fn has(&self, name: &str) -> bool {
        self.stored.contains_key(name) && !self.is_hidden(name)
            || self.added.iter().any(|(added, _)| *added == name)
    }

    fn fields(&self) -> impl Iterator<Item = (&str, &Value)> + Clone {
        let stored = self.stored.iter().map(|(name, value)| (name.as_str(), value));
        let added = self.added.iter().map(|(name, value)| (*name, value));
        stored.filter(|(name, _)| !self.is_hidden(name)).chain(added)
    }
}

/// Where a document does not fit its type. Inside a sensitive field the path may hold map keys that
/// are secret, so it ends there.
fn place<T: Document>(readable: &Readable<'_>, path: String) -> String {
    let twice = T::FIELDS.iter().find(|field| names(field).filter(|name| readable.has(name)).count() > 1);
    if let Some(field) = twice {
        return format!("{} (stored under two of its names)", field.name);
    }
    let sensitive = T::FIELDS.iter().filter(|field| field.sensitive).flat_map(names);
    match sensitive.copied().find(|name| path.strip_prefix(*name).is_some_and(|rest| !rest.is_empty())) {
        Some(name) => name.to_owned(),
        None => path,
    }
}

fn names(field: &'static FieldInfo) -> impl Iterator<Item = &'static &'static str> {
    std::iter::once(&field.name).chain(field.aliases)
}
