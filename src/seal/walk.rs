//! Walking a document's fields along their stored paths, to draft or to visit them.

use serde::Serialize;

use super::closed::Closed;
use super::error::SealError;
use super::raw_bytes::RawBytes;
use super::sealed::{Sealed, Slot};
use crate::bytes::Format;
use crate::bytes::context::StepPath;
use crate::bytes::plaintext::Plaintext;

/// A walk over the sensitive fields of a document, with the stored path of where it is.
///
/// Generated code drives it; a hand-written [`Sealable`](super::Sealable) does the same: one
/// [`key`](Self::key) or [`index`](Self::index) for each step of the stored path, and one call of
/// `field` for each sensitive value, always in the same order.
pub struct Walk<A> {
    pub(super) path: StepPath,
    pub(super) act: A,
}

impl<A> Walk<A> {
    pub(super) fn new(act: A) -> Self {
        Self { path: StepPath::default(), act }
    }

    /// Goes into the field or map entry with this stored name.
    pub fn key<R>(&mut self, name: &str, inner: impl FnOnce(&mut Self) -> R) -> R {
        let mark = self.path.push_key(name);
        let result = inner(self);
        self.path.back_to(mark);
        result
    }

    /// Goes into the array element at this position.
    pub fn index<R>(&mut self, index: usize, inner: impl FnOnce(&mut Self) -> R) -> R {
        let mark = self.path.push_index(index);
        let result = inner(self);
        self.path.back_to(mark);
        result
    }
}

/// The walk that encodes each sensitive value, before anything is sealed.
pub struct Draft(());

impl Walk<Draft> {
    pub(crate) fn draft() -> Self {
        Self::new(Draft(()))
    }

    /// The walk that visits what this one has drafted, in the same memory.
    pub(super) fn then_visit<'a>(mut self, act: &'a mut VisitSlot<'a>) -> Walk<Visit<'a>> {
        self.path.clear();
        Walk { path: self.path, act: Visit(act) }
    }

    /// Encodes one value. `E` is the field's type, or an adapter around it.
    ///
    /// # Errors
    /// [`SealError::Encode`].
    pub fn field<T, E: Serialize + ?Sized>(
        &mut self,
        plain: &E,
        format: Format,
    ) -> Result<Sealed<T>, SealError> {
        let draft = Plaintext::encode(plain, format)
            .map_err(|source| SealError::Encode { field: self.path.decode(), source })?;
        Ok(Sealed::new(Slot::Draft(draft)))
    }

    /// Takes raw bytes as they are; an absent optional value is encoded as MessagePack's nil.
    ///
    /// # Errors
    /// None today; the signature is that of [`field`](Self::field).
    pub fn bytes<T: RawBytes>(&mut self, plain: &T, format: Format) -> Result<Sealed<T>, SealError> {
        match plain.as_raw_bytes() {
            Some(bytes) => Ok(Sealed::new(Slot::Draft(Plaintext::encode_bytes(bytes, format)))),
            None => self.field(&(), format),
        }
    }

    /// Keeps a field that did not open, byte for byte.
    #[must_use]
    pub fn keep<T>(&mut self, closed: &Closed<T>) -> Sealed<T> {
        closed.sealed().clone()
    }
}

/// What [`Walk<Visit>`] does at each sealed field.
type VisitSlot<'a> = dyn FnMut(&StepPath, &mut Slot) -> Result<(), SealError> + 'a;

/// The walk that visits each sealed field of a companion.
pub struct Visit<'a>(&'a mut VisitSlot<'a>);

impl<'a> Walk<Visit<'a>> {
    pub(crate) fn visit(act: &'a mut VisitSlot<'a>) -> Self {
        Self::new(Visit(act))
    }

    /// Visits one sealed field.
    ///
    /// # Errors
    /// Whatever the visit says.
    pub fn field<T>(&mut self, sealed: &mut Sealed<T>) -> Result<(), SealError> {
        (self.act.0)(&self.path, sealed.slot_mut())
    }
}
