//! The documents of a reading, each once, in the order in which they are asked for.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::bytes::DocumentPath;

use super::DOCUMENTS_PER_REQUEST;

/// The documents that are asked for, each once.
pub(super) struct Asked<'a> {
    pub(super) paths: Vec<&'a DocumentPath>,
    places: HashMap<&'a DocumentPath, usize>,
}

impl<'a> Asked<'a> {
    pub(super) fn new(paths: &'a [DocumentPath]) -> Self {
        let mut asked =
            Self { paths: Vec::with_capacity(paths.len()), places: HashMap::with_capacity(paths.len()) };
        for path in paths {
            if let Entry::Vacant(place) = asked.places.entry(path) {
                place.insert(asked.paths.len());
                asked.paths.push(path);
            }
        }
        asked
    }

    /// As many as one request takes.
    pub(super) fn chunk(&self, first: usize) -> &[&'a DocumentPath] {
        let rest = self.paths.get(first..).unwrap_or_default();
        rest.get(..DOCUMENTS_PER_REQUEST).unwrap_or(rest)
    }

    pub(super) fn place(&self, path: &DocumentPath) -> Option<usize> {
        self.places.get(path).copied()
    }
}
