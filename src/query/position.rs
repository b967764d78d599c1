//! Positions in the order of a query.

use std::fmt;
use std::marker::PhantomData;

use super::error::QueryError;
use crate::store::{FieldRef, Value};

/// A value of one field of an order, in documents of type `D`: a part of a position.
pub struct Position<D> {
    field: FieldRef,
    value: Result<Value, QueryError>,
    document: PhantomData<fn() -> D>,
}

impl<D> Position<D> {
    pub(super) fn new(field: FieldRef, value: Result<Value, QueryError>) -> Self {
        Self { field, value, document: PhantomData }
    }

    /// As a store sees it.
    ///
    /// # Errors
    /// The value has no stored form.
    pub(crate) fn into_inner(self) -> Result<(FieldRef, Value), QueryError> {
        Ok((self.field, self.value?))
    }
}

impl<D> Clone for Position<D> {
    fn clone(&self) -> Self {
        Self { field: self.field.clone(), value: self.value.clone(), document: PhantomData }
    }
}

impl<D> fmt::Debug for Position<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Position").field(&self.field).finish()
    }
}
