//! What a type stores in a document: for index files and reports.

use super::at::At;
use crate::seal::{CompoundInfo, IndexInfo};

/// Everything that a type stores in a document.
#[derive(Debug, Clone, Default)]
pub struct Schema {
    fields: Vec<SchemaField>,
    compounds: Vec<SchemaCompound>,
    open: bool,
    /// The types that are being described: one that holds itself is described once.
    within: Vec<&'static str>,
}

/// A stored field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaField {
    /// Where it is written.
    pub path: Vec<String>,
    /// The other paths under which it is read.
    pub aliases: Vec<Vec<String>>,
    /// What stands there.
    pub stored: Stored,
    /// Its indexes.
    pub indexes: &'static [IndexInfo],
}

/// What stands in a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stored {
    /// The document's id.
    Id,
    /// The value as it is.
    Clear,
    /// A sealed value.
    Sealed,
    /// An array, a map or an enum that holds sealed values.
    Holding,
}

/// A compound index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaCompound {
    /// The path of its struct, and its name.
    pub path: Vec<String>,
    /// Its fields, in its order.
    pub fields: Vec<Vec<String>>,
    /// What it is.
    pub info: &'static CompoundInfo,
}

impl Schema {
    /// The fields, in the order of the struct.
    #[must_use]
    pub fn fields(&self) -> &[SchemaField] {
        &self.fields
    }

    /// The compound indexes.
    #[must_use]
    pub fn compounds(&self) -> &[SchemaCompound] {
        &self.compounds
    }

    /// Whether there are fields that only the values tell: those of flattened maps and enums, and those of
    /// a type that holds itself.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Adds a field, for generated code and hand-written types.
    pub fn field(&mut self, at: &At, stored: Stored, indexes: &'static [IndexInfo]) {
        if at.is_root() {
            self.open = true;
            return;
        }
        let mut paths = at.paths();
        let path = paths.remove(0);
        self.fields.push(SchemaField { path, aliases: paths, stored, indexes });
    }

    /// Adds a compound index, for generated code.
    pub fn compound(&mut self, at: &At, fields: &[At], info: &'static CompoundInfo) {
        let path = at.key(info.name, &[]).path();
        self.compounds.push(SchemaCompound { path, fields: fields.iter().map(At::path).collect(), info });
    }

    /// Adds that there are fields which only the values tell, for generated code.
    pub fn open(&mut self) {
        self.open = true;
    }

    /// Describes a type, unless it holds itself and is being described, for generated code.
    pub fn within<T>(&mut self, describe: impl FnOnce(&mut Self)) {
        let name = std::any::type_name::<T>();
        if self.within.contains(&name) {
            self.open = true;
            return;
        }
        self.within.push(name);
        describe(self);
        self.within.pop();
    }
}
