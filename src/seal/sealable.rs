//! The types that have sensitive fields, and the one way across.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Debug;
use std::future::Future;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::document_seal::SealInfo;
use super::error::{FieldFailure, OpenError, SealError};
use super::index::Index;
use super::reveal::Reveal;
use super::sealed::Slot;
use super::session::SealSession;
use super::walk::{Draft, Visit, Walk};
use super::window::PlaintextWindow;
use crate::bytes::context::{Place, StepPath};
use crate::bytes::envelope::Header;
use crate::bytes::{KeyId, Location, Scope};
use crate::keys::{KeyError, KeyLookup, KeyProvider, KeyRing};

/// What a partial opening of `T` gives: `T` with each sensitive field as `Result<_, Closed<_>>`.
pub type Partial<T> = <T as Sealable>::Partial;

/// A type with sensitive fields. `#[derive(Sealable)]` implements it, and generates the companion.
///
/// The required methods are walks over the fields in one fixed order and are driven by
/// [`seal`](Self::seal) and [`open`](Self::open), which are what one calls.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not `Sealable`",
    label = "not sealable",
    note = "put `#[derive(Sealable)]` on `{Self}`, or remove `#[sealable(nested)]` where nothing inside is sensitive"
)]
pub trait Sealable: Sized {
    /// The companion: the same shape, with each sensitive field as [`Sealed`](super::Sealed).
    type Sealed: Serialize + DeserializeOwned + Clone + Debug + Send + Sync;

    /// The same shape, with each sensitive field as `Result<_, Closed<_>>`.
    type Partial;

    /// Whether a field, or something in it, has a blind index.
    const INDEXED: bool = false;

    /// What a document seal covers; `None` unless the type asks for one (`#[sealable(authenticated)]`).
    const SEAL: Option<SealInfo> = None;

    /// Encodes each sensitive field; nothing is sealed yet.
    ///
    /// # Errors
    /// A field that has no plaintext encoding.
    fn draft(&self, walk: &mut Walk<Draft>) -> Result<Self::Sealed, SealError>;

    /// Visits each sealed field.
    ///
    /// # Errors
    /// Whatever the visit says.
    fn visit(sealed: &mut Self::Sealed, walk: &mut Walk<Visit<'_>>) -> Result<(), SealError>;

    /// Opens each sealed field; `None` if one did not, after all have been tried.
    fn reveal(sealed: Self::Sealed, walk: &mut Walk<Reveal<'_>>) -> Option<Self>;

    /// Opens what opens.
    fn reveal_partial(sealed: Self::Sealed, walk: &mut Walk<Reveal<'_>>) -> Self::Partial;

    /// Encodes the open fields, and keeps the closed ones byte for byte.
    ///
    /// # Errors
    /// A field that has no plaintext encoding.
    fn draft_partial(partial: &Self::Partial, walk: &mut Walk<Draft>) -> Result<Self::Sealed, SealError>;

    /// Collects the values of the indexed fields.
    ///
    /// # Errors
    /// A value that has no place in an index.
    fn index(&self, _walk: &mut Walk<Index>) -> Result<(), SealError> {
        Ok(())
    }

    /// Collects the values of the indexed fields that opened, and which did not.
    ///
    /// # Errors
    /// A value that has no place in an index.
    fn index_partial(_partial: &Self::Partial, _walk: &mut Walk<Index>) -> Result<(), SealError> {
        Ok(())
    }

    /// Seals every sensitive field for a location, with the ring's primary key.
    ///
    /// # Errors
    /// A field that cannot be encoded, a ring of another scope, or no random numbers.
    fn seal(&self, location: &Location, ring: &KeyRing) -> Result<Self::Sealed, SealError> {
        let mut walk = Walk::draft();
        let draft = self.draft(&mut walk)?;
        seal_draft::<Self>(draft, walk, location, ring)
    }

    /// Opens every sensitive field, or none.
    ///
    /// # Errors
    /// [`OpenError::Fields`] names each field that does not open, and why.
    fn open(sealed: Self::Sealed, location: &Location, ring: &KeyRing) -> Result<Self, OpenError> {
        open_with(sealed, location, &ring_lookup(location, ring), None)
    }

    /// Opens what opens. A field that does not is kept byte for byte, so that
    /// [`seal_partial`](Self::seal_partial) destroys nothing.
    fn open_partial(sealed: Self::Sealed, location: &Location, ring: &KeyRing) -> Self::Partial {
        Self::reveal_partial(sealed, &mut Walk::reveal(location, &ring_lookup(location, ring), None))
    }

    /// Seals the open fields of a partially opened value anew, and puts the closed ones back as they
    /// were stored.
    ///
    /// # Errors
    /// As [`seal`](Self::seal).
    fn seal_partial(
        partial: &Self::Partial,
        location: &Location,
        ring: &KeyRing,
    ) -> Result<Self::Sealed, SealError> {
        let mut walk = Walk::draft();
        let draft = Self::draft_partial(partial, &mut walk)?;
        seal_draft::<Self>(draft, walk, location, ring)
    }
}

/// The companion of a [`Sealable`] type: what is stored and sent.
pub trait Companion: Sized + Send {
    /// The type that it opens to.
    type Open: Sealable<Sealed = Self>;

    /// Opens every sensitive field, or none. The location is the one that was asked for, never one
    /// that the document names itself.
    ///
    /// # Errors
    /// [`OpenError::Fields`] names each field that does not open; [`OpenError::Keys`] if the keys
    /// cannot be had.
    fn open_at<K: KeyProvider + ?Sized>(
        mut self,
        location: &Location,
        keys: &K,
    ) -> impl Future<Output = Result<Self::Open, OpenError>> + Send {
        async move {
            let ids = key_ids::<Self::Open>(&mut self);
            let found = resolve(keys, location.scope(), ids).await?;
            open_with(self, location, &|id| found.get(id).cloned().unwrap_or(KeyLookup::Unknown), None)
        }
    }
}

/// A [`Sealable`] type that is stored as a document: it has a collection and an id.
pub trait Document: Sealable<Sealed: Companion<Open = Self>> {
    /// The collection's id, or its path where it stands below a fixed document.
    const COLLECTION: &'static str;

    /// The stored name of the id field.
    const ID_FIELD: &'static str;

    /// The fields at the document's root, in order; flattened ones are left out.
    const FIELDS: &'static [FieldInfo];

    /// Whether there are flattened fields, whose names only the values tell.
    const FLATTENED: bool;

    /// The stored name of the clear field that says whose keys seal the document; `None` where the
    /// repository says it.
    const SCOPE_FIELD: Option<&'static str> = None;

    /// The document's id.
    fn id(&self) -> &str;

    /// The document's id, as its companion has it.
    fn sealed_id(sealed: &Self::Sealed) -> &str;

    /// Whose keys seal the document, where one of its clear fields says so. It says who sealed, not who
    /// may read: that is the path's and the rules' matter.
    fn scope(&self) -> Option<&str> {
        None
    }

    /// The same, as the companion has it.
    fn sealed_scope(_sealed: &Self::Sealed) -> Option<&str> {
        None
    }
}

/// What is known of a field at the root of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldInfo {
    /// Its stored name.
    pub name: &'static str,
    /// The other names under which it is read.
    pub aliases: &'static [&'static str],
    /// Whether it is sealed, or has sealed fields inside.
    pub sensitive: bool,
    /// Whether it is written too, and not only read.
    pub written: bool,
}

/// Seals what a walk has drafted.
pub(crate) fn seal_draft<'a, T: Sealable>(
    mut sealed: T::Sealed,
    drafted: Walk<Draft>,
    place: impl Into<Place<'a>>,
    ring: &KeyRing,
) -> Result<T::Sealed, SealError> {
    let mut session = SealSession::new(place, ring)?;
    T::visit(&mut sealed, &mut drafted.then_visit(&mut |path, slot| session.seal(path, slot)))?;
    Ok(sealed)
}

pub(crate) fn open_with<T: Sealable>(
    sealed: T::Sealed,
    location: &Location,
    look_up: &dyn Fn(&KeyId) -> KeyLookup,
    window: Option<&PlaintextWindow>,
) -> Result<T, OpenError> {
    reveal(sealed, location, look_up, window)
        .map_err(|failures| OpenError::Fields { location: location.clone(), failures })
}

/// Opens every sensitive field, or tells of each that does not open.
pub(crate) fn reveal<'a, T: Sealable>(
    sealed: T::Sealed,
    place: impl Into<Place<'a>>,
    look_up: &'a dyn Fn(&KeyId) -> KeyLookup,
    window: Option<&'a PlaintextWindow>,
) -> Result<T, Vec<FieldFailure>> {
    let mut walk = Walk::reveal(place, look_up, window);
    let opened = T::reveal(sealed, &mut walk);
    let failures = walk.into_failures();
    match opened {
        Some(value) if failures.is_empty() => Ok(value),
        _ => Err(failures),
    }
}

fn ring_lookup<'a>(location: &Location, ring: &'a KeyRing) -> impl Fn(&KeyId) -> KeyLookup + use<'a> {
    let same_scope = ring.scope() == location.scope();
    move |id| if same_scope { ring.key(id) } else { KeyLookup::Unknown }
}

/// The key ids that a companion's fields name, each once. A hostile document can name thousands.
pub(crate) fn key_ids<T: Sealable>(sealed: &mut T::Sealed) -> Vec<KeyId> {
    let mut ids = BTreeSet::new();
    for_each_slot::<T>(sealed, |_, slot| {
        if let Slot::Stored(stored) = slot {
            ids.extend(Header::decode(stored).map(|header| header.key_id));
        }
    });
    ids.into_iter().collect()
}

/// Looks at each sealed place of a companion, without failing.
pub(crate) fn for_each_slot<T: Sealable>(sealed: &mut T::Sealed, mut look: impl FnMut(&StepPath, &mut Slot)) {
    let visited = T::visit(
        sealed,
        &mut Walk::visit(&mut |path, slot| {
            look(path, slot);
            Ok(())
        }),
    );
    debug_assert!(visited.is_ok(), "a visit fails only where it is told to");
}

/// Opens what opens.
pub(crate) fn partial_with<T: Sealable>(
    sealed: T::Sealed,
    location: &Location,
    found: &HashMap<KeyId, KeyLookup>,
) -> T::Partial {
    let look_up = |id: &KeyId| found.get(id).cloned().unwrap_or(KeyLookup::Unknown);
    T::reveal_partial(sealed, &mut Walk::reveal(location, &look_up, None))
}

/// Asks for keys in one call.
pub(crate) async fn resolve<K: KeyProvider + ?Sized>(
    keys: &K,
    scope: &Scope,
    ids: Vec<KeyId>,
) -> Result<HashMap<KeyId, KeyLookup>, KeyError> {
    let wanted = ids.into_iter().map(|id| (scope.clone(), id)).collect();
    let found = resolve_all(keys, wanted).await?;
    Ok(found.into_iter().map(|((_, id), key)| (id, key)).collect())
}

/// Asks for keys of several scopes in one call.
pub(crate) async fn resolve_all<K: KeyProvider + ?Sized>(
    keys: &K,
    wanted: Vec<(Scope, KeyId)>,
) -> Result<HashMap<(Scope, KeyId), KeyLookup>, KeyError> {
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let found = keys.keys(&wanted).await?;
    Ok(wanted.into_iter().zip(found).collect())
}
