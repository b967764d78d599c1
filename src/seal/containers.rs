//! Containers of sealable values are sealable: each element on its own, at its own stored path.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;

use super::error::SealError;
use super::index::Index;
use super::reveal::Reveal;
use super::sealable::Sealable;
use super::walk::{Draft, Visit, Walk};

impl<T: Sealable> Sealable for Option<T> {
    type Sealed = Option<T::Sealed>;
    type Partial = Option<T::Partial>;

    const INDEXED: bool = T::INDEXED;

    fn draft(&self, walk: &mut Walk<Draft>) -> Result<Self::Sealed, SealError> {
        self.as_ref().map(|value| value.draft(walk)).transpose()
    }

    fn visit(sealed: &mut Self::Sealed, walk: &mut Walk<Visit<'_>>) -> Result<(), SealError> {
        sealed.as_mut().map_or(Ok(()), |value| T::visit(value, walk))
    }

    fn reveal(sealed: Self::Sealed, walk: &mut Walk<Reveal<'_>>) -> Option<Self> {
        match sealed {
            None => Some(None),
            Some(value) => T::reveal(value, walk).map(Some),
        }
    }

    fn reveal_partial(sealed: Self::Sealed, walk: &mut Walk<Reveal<'_>>) -> Self::Partial {
        sealed.map(|value| T::reveal_partial(value, walk))
    }

    fn draft_partial(partial: &Self::Partial, walk: &mut Walk<Draft>) -> Result<Self::Sealed, SealError> {
        partial.as_ref().map(|value| T::draft_partial(value, walk)).transpose()
    }

    fn index(&self, walk: &mut Walk<Index>) -> Result<(), SealError> {
        self.as_ref().map_or(Ok(()), |value| value.index(walk))
    }

    fn index_partial(partial: &Self::Partial, walk: &mut Walk<Index>) -> Result<(), SealError> {
        partial.as_ref().map_or(Ok(()), |value| T::index_partial(value, walk))
    }
}

impl<T: Sealable> Sealable for Box<T> {
    type Sealed = Box<T::Sealed>;
    type Partial = Box<T::Partial>;

    const INDEXED: bool = T::INDEXED;

    fn draft(&self, walk: &mut Walk<Draft>) -> Result<Self::Sealed, SealError> {
        T::draft(self, walk).map(Box::new)
    }

    fn visit(sealed: &mut Self::Sealed, walk: &mut Walk<Visit<'_>>) -> Result<(), SealError> {
        T::visit(sealed, walk)
    }

    fn reveal(sealed: Self::Sealed, walk: &mut Walk<Reveal<'_>>) -> Option<Self> {
        T::reveal(*sealed, walk).map(Box::new)
    }

    fn reveal_partial(sealed: Self::Sealed, walk: &mut Walk<Reveal<'_>>) -> Self::Partial {
        Box::new(T::reveal_partial(*sealed, walk))
    }

    fn draft_partial(partial: &Self::Partial, walk: &mut Walk<Draft>) -> Result<Self::Sealed, SealError> {
        T::draft_partial(partial, walk).map(Box::new)
    }

    fn index(&self, walk: &mut Walk<Index>) -> Result<(), SealError> {
        T::index(self, walk)
    }

    fn index_partial(partial: &Self::Partial, walk: &mut Walk<Index>) -> Result<(), SealError> {
        T::index_partial(partial, walk)
    }
}

/// A token says nothing of where in an array or map its value stands, so it could not be checked.
const fn not_indexed(indexed: bool) -> bool {
    assert!(
        !indexed,
        "a field inside an array or a map cannot have an index: index a field of the document or of a nested struct"
    );
    false
}

impl<T: Sealable> Sealable for Vec<T> {
    type Sealed = Vec<T::Sealed>;
    type Partial = Vec<T::Partial>;

    const INDEXED: bool = not_indexed(T::INDEXED);

    fn draft(&self, walk: &mut Walk<Draft>) -> Result<Self::Sealed, SealError> {
        self.iter().enumerate().map(|(i, value)| walk.index(i, |walk| value.draft(walk))).collect()
    }

    fn visit(sealed: &mut Self::Sealed, walk: &mut Walk<Visit<'_>>) -> Result<(), SealError> {
        sealed.iter_mut().enumerate().try_for_each(|(i, value)| walk.index(i, |walk| T::visit(value, walk)))
    }

    fn reveal(sealed: Self::Sealed, walk: &mut Walk<Reveal<'_>>) -> Option<Self> {
        // All elements are tried, so that all failures are told.
        let opened: Vec<_> = sealed
            .into_iter()
            .enumerate()
            .map(|(i, value)| walk.index(i, |walk| T::reveal(value, walk)))
            .collect();
        opened.into_iter().collect()
    }

    fn reveal_partial(sealed: Self::Sealed, walk: &mut Walk<Reveal<'_>>) -> Self::Partial {
        sealed
            .into_iter()
            .enumerate()
            .map(|(i, value)| walk.index(i, |walk| T::reveal_partial(value, walk)))
            .collect()
    }

    fn draft_partial(partial: &Self::Partial, walk: &mut Walk<Draft>) -> Result<Self::Sealed, SealError> {
        partial
            .iter()
            .enumerate()
            .map(|(i, value)| walk.index(i, |walk| T::draft_partial(value, walk)))
            .collect()
    }

    fn index(&self, _walk: &mut Walk<Index>) -> Result<(), SealError> {
        const { assert!(!Self::INDEXED) };
        Ok(())
    }
}

macro_rules! sealable_map {
    ($map:ident $(, $hasher:ident: $bound:path)?) => {
        impl<T: Sealable $(, $hasher: $bound + Default)?> Sealable for $map<String, T $(, $hasher)?> {
            type Sealed = $map<String, T::Sealed>;
            type Partial = $map<String, T::Partial>;

            const INDEXED: bool = not_indexed(T::INDEXED);

            fn draft(&self, walk: &mut Walk<Draft>) -> Result<Self::Sealed, SealError> {
                self.iter()
                    .map(|(key, value)| Ok((key.clone(), walk.key(key, |walk| value.draft(walk))?)))
                    .collect()
            }

            fn visit(sealed: &mut Self::Sealed, walk: &mut Walk<Visit<'_>>) -> Result<(), SealError> {
                sealed.iter_mut().try_for_each(|(key, value)| walk.key(key, |walk| T::visit(value, walk)))
            }

            fn reveal(sealed: Self::Sealed, walk: &mut Walk<Reveal<'_>>) -> Option<Self> {
                let opened: Vec<_> = sealed
                    .into_iter()
                    .map(|(key, value)| {
                        let value = walk.key(&key, |walk| T::reveal(value, walk));
                        value.map(|value| (key, value))
                    })
                    .collect();
                opened.into_iter().collect()
            }

            fn reveal_partial(sealed: Self::Sealed, walk: &mut Walk<Reveal<'_>>) -> Self::Partial {
                sealed
                    .into_iter()
                    .map(|(key, value)| {
                        let value = walk.key(&key, |walk| T::reveal_partial(value, walk));
                        (key, value)
                    })
                    .collect()
            }

            fn draft_partial(
                partial: &Self::Partial,
                walk: &mut Walk<Draft>,
            ) -> Result<Self::Sealed, SealError> {
                partial
                    .iter()
                    .map(|(key, value)| {
                        Ok((key.clone(), walk.key(key, |walk| T::draft_partial(value, walk))?))
                    })
                    .collect()
            }

            fn index(&self, _walk: &mut Walk<Index>) -> Result<(), SealError> {
                const { assert!(!Self::INDEXED) };
                Ok(())
            }
        }
    };
}

sealable_map!(HashMap, S: BuildHasher);
sealable_map!(BTreeMap);
