//! Which fields of documents travel.

use super::clear::{Clear, Id};
use super::sealed::{Indexes, SealedField};

/// Fields of documents of type `D`: a handle, a reference to one, or a tuple of these.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a selection of fields",
    label = "not a field of these documents",
    note = "give a handle, or a tuple of up to 12: `|c| (c.name, c.email)`; of a nested field, a reference: `&c.address.city`"
)]
pub trait Selected<D> {
    /// Every path under which the fields are read.
    fn paths(&self) -> Vec<Vec<String>>;
}

impl<D, S: Selected<D> + ?Sized> Selected<D> for &S {
    fn paths(&self) -> Vec<Vec<String>> {
        (**self).paths()
    }
}

impl<D, T> Selected<D> for Clear<D, T> {
    fn paths(&self) -> Vec<Vec<String>> {
        self.at().paths()
    }
}

impl<D, T, I: Indexes> Selected<D> for SealedField<D, T, I> {
    fn paths(&self) -> Vec<Vec<String>> {
        self.at().paths()
    }
}

impl<D> Selected<D> for Id<D> {
    fn paths(&self) -> Vec<Vec<String>> {
        self.at().paths()
    }
}

macro_rules! selected {
    ($($field:ident $at:tt),*) => {
        impl<Doc, $($field: Selected<Doc>),*> Selected<Doc> for ($($field,)*) {
            fn paths(&self) -> Vec<Vec<String>> {
                [$(self.$at.paths()),*].concat()
            }
        }
    };
}

selected!(A 0);
selected!(A 0, B 1);
selected!(A 0, B 1, C 2);
selected!(A 0, B 1, C 2, D 3);
selected!(A 0, B 1, C 2, D 3, E 4);
selected!(A 0, B 1, C 2, D 3, E 4, F 5);
selected!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
selected!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
selected!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8);
selected!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9);
selected!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10);
selected!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11);
