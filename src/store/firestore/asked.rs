//! The documents of a reading, each once, in the order in which they are asked for.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use ::firestore::gcloud_sdk::google::firestore::v1::batch_get_documents_response::Result as Answer;

use super::DOCUMENTS_PER_REQUEST;
use super::wire::Names;
use crate::bytes::DocumentPath;
use crate::store::{Document, StoreError};

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

/// What is answered of one request: every name exactly once, and no other.
pub(super) struct Answers<'a> {
    asked: &'a Asked<'a>,
    first: usize,
    documents: Vec<Option<Document>>,
    is_answered: Vec<bool>,
}

impl<'a> Answers<'a> {
    /// Of the documents of one request, which stand from `first` on.
    pub(super) fn new(asked: &'a Asked<'a>, first: usize) -> Self {
        let count = asked.chunk(first).len();
        Self { asked, first, documents: vec![None; count], is_answered: vec![false; count] }
    }

    pub(super) fn take(&mut self, answer: Answer, names: &Names) -> Result<(), StoreError> {
        let (place, document) = match answer {
            Answer::Found(document) => {
                let document = names.document(document)?;
                (self.open_place(&document.path)?, Some(document))
            }
            Answer::Missing(name) => (self.open_place(&names.relative(&name)?)?, None),
        };
        if let Some(open) = self.documents.get_mut(place) {
            *open = document;
        }
        Ok(())
    }

    fn open_place(&mut self, path: &DocumentPath) -> Result<usize, StoreError> {
        let place = self.asked.place(path).and_then(|place| place.checked_sub(self.first));
        match place.and_then(|place| Some((place, self.is_answered.get_mut(place)?))) {
            Some((place, is_answered @ false)) => {
                *is_answered = true;
                Ok(place)
            }
            _ => {
                let reason = format!("{path} was not asked for, or is answered twice");
                Err(StoreError::UnexpectedAnswer { reason })
            }
        }
    }

    pub(super) fn complete(self) -> Result<Vec<Option<Document>>, StoreError> {
        match self.is_answered.iter().position(|is_answered| !is_answered) {
            None => Ok(self.documents),
            Some(place) => {
                let path =
                    self.asked.chunk(self.first).get(place).map(ToString::to_string).unwrap_or_default();
                Err(StoreError::UnexpectedAnswer { reason: format!("nothing is said about {path}") })
            }
        }
    }
}
