//! The walk that collects the values of indexed fields.

use serde::Serialize;

use super::info::{CompoundInfo, IndexInfo};
use super::scalar::{NotIndexable, Part, Scalar, scalar};
use crate::seal::error::SealError;
use crate::seal::walk::Walk;

/// The walk that collects the values of indexed fields, before their tokens are made.
#[derive(Debug, Default)]
pub struct Index(Vec<Terms>);

/// The values of one index or of all the indexes of one field.
#[derive(Debug)]
pub(crate) struct Terms {
    /// The names that lead to the field from the document's root; for a compound index, to its struct,
    /// and then the index's name.
    pub(crate) path: Vec<String>,
    pub(crate) values: Values,
}

/// What a [`Terms`] is of.
#[derive(Debug)]
pub(crate) enum Values {
    /// A field with a value.
    Field { infos: &'static [IndexInfo], value: Scalar },
    /// A compound index whose fields all have values.
    Compound { info: &'static CompoundInfo, parts: Vec<Scalar> },
    /// A field that did not open, or a compound index with such a field: its tokens stay as they are.
    Closed,
}

impl Walk<Index> {
    pub(crate) fn indexing() -> Self {
        Self::new(Index::default())
    }

    pub(crate) fn into_terms(self) -> Vec<Terms> {
        self.act.0
    }

    /// Takes the value of the indexed field where the walk stands. An absent value has no tokens.
    ///
    /// # Errors
    /// [`SealError::NotIndexable`]: the value is no scalar.
    pub fn value<E: Serialize + ?Sized>(
        &mut self,
        value: &E,
        infos: &'static [IndexInfo],
    ) -> Result<(), SealError> {
        if let Some(value) = scalar(value).map_err(|source| self.not_indexable(source))? {
            // Arrays and maps of indexed types do not compile.
            let path = self.path.names();
            self.act.0.push(Terms { path, values: Values::Field { infos, value } });
        }
        Ok(())
    }

    /// Takes the values of a compound index; the walk stands at the struct. Where one of them is absent
    /// there is no token.
    ///
    /// # Errors
    /// [`SealError::NotIndexable`]: a value is no scalar.
    pub fn compound(&mut self, info: &'static CompoundInfo, parts: &[&dyn Part]) -> Result<(), SealError> {
        let parts: Option<Vec<_>> = parts
            .iter()
            .map(|part| part.scalar())
            .collect::<Result<_, _>>()
            .map_err(|source| self.key(info.name, |walk| walk.not_indexable(source)))?;
        if let Some(parts) = parts {
            let mut path = self.path.names();
            path.push(info.name.to_owned());
            self.act.0.push(Terms { path, values: Values::Compound { info, parts } });
        }
        Ok(())
    }

    /// Notes that the indexed field where the walk stands did not open.
    pub fn closed(&mut self) {
        let path = self.path.names();
        self.act.0.push(Terms { path, values: Values::Closed });
    }

    fn not_indexable(&self, source: NotIndexable) -> SealError {
        SealError::NotIndexable { field: self.path.decode(), source }
    }
}
