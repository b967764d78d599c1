//! A change as it is put together: fields, mask and transforms, and the entries of the indexes that change.

use std::collections::BTreeSet;

use crate::error::Error;
use crate::repository::seal_map::{self, Indexes, SEAL, add_mark, mark_path};
use crate::seal::{Document, FieldInfo};
use crate::store::{Fields, Transform, Value, ValueType, set_at};

/// A change as it is put together.
#[derive(Default)]
pub(super) struct Edit {
    pub(super) fields: Fields,
    pub(super) mask: Vec<Vec<String>>,
    pub(super) transforms: Vec<Transform>,
    /// Fields at the root that are written from a value, and that are deleted, under all their names.
    written: BTreeSet<String>,
    deleted: BTreeSet<String>,
    /// What is set, deleted or transformed in the clear.
    clear: Vec<Vec<String>>,
}

impl Edit {
    pub(super) fn write<T: Document>(&mut self, mut sealed: Fields, names: &[String]) -> Result<(), Error> {
        for name in names {
            let all = names_of::<T>(name);
            if all.is_empty() && !sealed.contains_key(name) {
                return Err(no_such_field::<T>(name));
            }
            self.cover_names(name, &all);
            self.written.extend(all.into_iter().map(str::to_owned).chain([name.clone()]));
        }
        sealed.retain(|name, _| self.written.contains(name));
        self.fields = sealed;
        Ok(())
    }

    pub(super) fn delete<T: Document>(&mut self, name: String) -> Result<(), Error> {
        let all = names_of::<T>(&name);
        if name == SEAL || all.is_empty() && !T::FLATTENED {
            return Err(no_such_field::<T>(&name));
        }
        self.cover_names(&name, &all);
        for name in all.into_iter().map(str::to_owned).chain([name]) {
            self.fields.remove(&name);
            self.written.remove(&name);
            self.deleted.insert(name);
        }
        Ok(())
    }

    fn cover_names(&mut self, name: &str, all: &[&'static str]) {
        for name in all.iter().copied().chain([name]) {
            self.cover(vec![name.to_owned()]);
        }
    }

    /// Adds to the mask, in which no path is inside another.
    fn cover(&mut self, path: Vec<String>) {
        if !self.mask.iter().any(|covered| path.starts_with(covered)) {
            self.mask.retain(|covered| !covered.starts_with(&path));
            self.mask.push(path);
        }
    }

    pub(super) fn set(&mut self, path: Vec<String>, value: Option<Value>) {
        match value {
            Some(value) => set_at(&mut self.fields, &path, value),
            None => remove_at(&mut self.fields, &path),
        }
        self.cover(path.clone());
        self.clear.push(path);
    }

    /// Whether a sealed field is written, or the one that says whose keys seal.
    pub(super) fn is_of_scope<T: Document>(&self, scope: &str) -> bool {
        let clear = T::FIELDS.iter().filter(|field| !field.sensitive && field.name != scope);
        !self.written.iter().all(|name| clear.clone().any(|field| is_name(field, name)))
    }

    /// Whether one of these fields is written from a value.
    pub(super) fn writes_one_of(&self, names: &BTreeSet<String>) -> bool {
        !self.written.is_disjoint(names)
    }

    /// The mark tells this write from another that does the same.
    pub(super) fn transform(&mut self, transforms: Vec<Transform>, mark: [u8; 16]) {
        self.clear.extend(transforms.iter().map(|transform| transform.path.clone()));
        self.transforms = transforms;
        add_mark(&mut self.fields, mark);
        self.mask.push(mark_path());
    }

    /// The entries that change with the fields.
    pub(super) fn entries<'a>(&'a self, indexes: &'a Indexes) -> Result<Entries<'a>, Error> {
        let root_in =
            |names: &BTreeSet<String>, path: &[String]| path.first().is_some_and(|root| names.contains(root));
        let written = |path: &[String]| root_in(&self.written, path);
        let deleted = |path: &[String]| root_in(&self.deleted, path);
        let mut names: BTreeSet<&str> = indexes.written(&written, &deleted)?.into_iter().collect();
        let gone: BTreeSet<&str> = indexes.holding(&deleted).collect();
        names.extend(&gone);
        let clear = |path: &[String]| {
            self.clear.iter().any(|clear| path.starts_with(clear) || clear.starts_with(path))
        };
        // Its other fields are not known here, so its token cannot be made.
        if let Some(index) = indexes.compound(&clear) {
            return Err(Error::PartOfIndex { index: index.to_owned(), missing: Vec::new() });
        }
        names.extend(indexes.holding(&clear));
        Ok(Entries { names, gone, roots: [&self.written, &self.deleted] })
    }
}

/// The entries that a change sets or removes.
pub(super) struct Entries<'a> {
    pub(super) names: BTreeSet<&'a str>,
    /// Those of fields that are deleted, which have no tokens afterwards.
    gone: BTreeSet<&'a str>,
    roots: [&'a BTreeSet<String>; 2],
}

impl Entries<'_> {
    /// Whether the tokens of the value that is written go into this entry.
    pub(super) fn sets(&self, indexes: &Indexes, name: &str) -> bool {
        let [_, deleted] = self.roots;
        self.changes(indexes, name) && !self.gone.contains(name) && !deleted.contains(&seal_map::root(name))
    }

    pub(super) fn changes(&self, indexes: &Indexes, name: &str) -> bool {
        let root = || seal_map::root(name);
        self.names.contains(name) || indexes.open && self.roots.iter().any(|names| names.contains(&root()))
    }
}

fn is_name(field: &FieldInfo, name: &str) -> bool {
    field.name == name || field.aliases.contains(&name)
}

/// Removes what stands at a path, if anything does.
fn remove_at(fields: &mut Fields, path: &[String]) {
    match path {
        [] => {}
        [name] => drop(fields.remove(name)),
        [name, rest @ ..] => {
            if let Some(ValueType::MapValue(map)) =
                fields.get_mut(name).and_then(|map| map.value_type.as_mut())
            {
                remove_at(&mut map.fields, rest);
            }
        }
    }
}

/// Every name of a field of the type, by any of them; nothing where there is no such field.
pub(super) fn names_of<T: Document>(name: &str) -> Vec<&'static str> {
    let field = T::FIELDS.iter().find(|field| field.written && is_name(field, name));
    let names = field.into_iter().flat_map(|field| std::iter::once(&field.name).chain(field.aliases));
    names.copied().collect()
}

fn no_such_field<T: Document>(name: &str) -> Error {
    let known = T::FIELDS.iter().map(|field| field.name).collect();
    Error::NoSuchField { field: name.to_owned(), known }
}
