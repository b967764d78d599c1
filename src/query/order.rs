//! Orders of clear fields.

use std::fmt;
use std::marker::PhantomData;

use crate::store::{self, Direction, FieldRef};

/// One field of the order of a query over documents of type `D`.
pub struct Order<D> {
    order: store::Order,
    document: PhantomData<fn() -> D>,
}

impl<D> Order<D> {
    pub(super) fn new(field: FieldRef, direction: Direction) -> Self {
        Self { order: store::Order { field, direction }, document: PhantomData }
    }

    /// The order as a store sees it.
    #[allow(dead_code)] // For the query builder, which follows.
    pub(crate) fn into_inner(self) -> store::Order {
        self.order
    }
}

impl<D> Clone for Order<D> {
    fn clone(&self) -> Self {
        Self { order: self.order.clone(), document: PhantomData }
    }
}

impl<D> fmt::Debug for Order<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.order.fmt(f)
    }
}
