//! The handles of a type's fields.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use super::at::At;
use super::schema::{Schema, Stored};
use crate::seal::Sealable;

/// A [`Sealable`] type whose fields have handles. The derive implements it; a hand-written `Sealable` that
/// is stored in a document writes `type Handles<D> = Opaque`.
#[diagnostic::on_unimplemented(
    message = "the fields of `{Self}` have no handles",
    label = "no handles",
    note = "put `#[derive(Sealable)]` on `{Self}`, or implement `Queryable` with `type Handles<D> = Opaque`"
)]
pub trait Queryable: Sealable {
    /// The handles, in documents of type `D`: a struct with the fields of this one.
    type Handles<D>: Clone;

    /// The handles of a value that is stored here.
    fn handles<D>(at: &At) -> Self::Handles<D>;

    /// Adds what is stored here.
    fn describe(at: &At, schema: &mut Schema);
}

/// The handles of a document's fields.
#[must_use]
pub fn fields<D: Queryable>() -> D::Handles<D> {
    D::handles(&At::root())
}

/// Everything that a type stores in a document.
#[must_use]
pub fn schema<D: Queryable>() -> Schema {
    let mut schema = Schema::default();
    D::describe(&At::root(), &mut schema);
    schema
}

/// The handles of a nested value of type `T`, in documents of type `D`: it dereferences to them.
pub struct Nested<D, T: Queryable> {
    at: At,
    /// Made when they are asked for: a type may hold itself.
    handles: Arc<OnceLock<T::Handles<D>>>,
}

impl<D, T: Queryable> Nested<D, T> {
    /// The handles of a value that is stored here, for generated code.
    #[doc(hidden)]
    #[must_use]
    pub fn new(at: At) -> Self {
        Self { at, handles: Arc::default() }
    }
}

impl<D, T: Queryable> Deref for Nested<D, T> {
    type Target = T::Handles<D>;

    fn deref(&self) -> &Self::Target {
        self.handles.get_or_init(|| T::handles(&self.at))
    }
}

impl<D, T: Queryable> Clone for Nested<D, T> {
    fn clone(&self) -> Self {
        Self { at: self.at.clone(), handles: Arc::clone(&self.handles) }
    }
}

/// The handle of what cannot be asked for: an array or a map of nested values, an enum, a tuple, a flattened
/// map.
#[derive(Debug, Clone, Copy, Default)]
pub struct Opaque(());

impl Opaque {
    /// The handle, for generated code and hand-written [`Queryable`] types.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl<T: Queryable> Queryable for Option<T> {
    type Handles<D> = T::Handles<D>;

    fn handles<D>(at: &At) -> T::Handles<D> {
        T::handles(at)
    }

    fn describe(at: &At, schema: &mut Schema) {
        T::describe(at, schema);
    }
}

impl<T: Queryable> Queryable for Box<T> {
    type Handles<D> = T::Handles<D>;

    fn handles<D>(at: &At) -> T::Handles<D> {
        T::handles(at)
    }

    fn describe(at: &At, schema: &mut Schema) {
        T::describe(at, schema);
    }
}

macro_rules! opaque {
    ($($type:ty $(, $hasher:ident)?;)*) => {$(
        impl<T: Sealable $(, $hasher: BuildHasher + Default)?> Queryable for $type {
            type Handles<D> = Opaque;

            fn handles<D>(_: &At) -> Opaque {
                Opaque::new()
            }

            fn describe(at: &At, schema: &mut Schema) {
                schema.field(at, Stored::Holding, &[]);
            }
        }
    )*};
}

opaque! {
    Vec<T>;
    BTreeMap<String, T>;
    HashMap<String, T, S>, S;
}
