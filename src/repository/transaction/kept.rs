//! What a transaction writes at its end.

use std::collections::{HashMap, HashSet};

use crate::bytes::DocumentPath;
use crate::store::{Document, FieldMask, Precondition, StoreError, Write, WriteKind};

/// Writes in their order, each document in one.
#[derive(Default)]
pub(super) struct Kept {
    writes: Vec<Write>,
    places: HashMap<DocumentPath, usize>,
}

impl Kept {
    pub(super) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    pub(super) fn into_writes(self) -> Vec<Write> {
        self.writes
    }

    pub(super) fn of(&self, path: &DocumentPath) -> Option<&Write> {
        self.places.get(path).and_then(|place| self.writes.get(*place))
    }

    /// Puts the writes of one operation to the others: all, or none. An operation writes each document once. A
    /// document that was wholly written or deleted by an earlier one can be so again.
    pub(super) fn add(&mut self, writes: Vec<Write>) -> Result<(), StoreError> {
        let mut own = HashSet::with_capacity(writes.len());
        for write in &writes {
            self.check(write)?;
            if !own.insert(&write.path) {
                return Err(twice(&write.path));
            }
        }
        for write in writes {
            match self.places.get(&write.path).and_then(|place| self.writes.get_mut(*place)) {
                Some(kept) => kept.kind = write.kind,
                None => {
                    self.places.insert(write.path.clone(), self.writes.len());
                    self.writes.push(write);
                }
            }
        }
        Ok(())
    }

    fn check(&self, write: &Write) -> Result<(), StoreError> {
        let Some(kept) = self.of(&write.path) else { return Ok(()) };
        if !is_whole(kept) || !is_whole(write) {
            return Err(twice(&write.path));
        }
        // What must hold by then is about what is kept; what is kept must hold of the document before.
        let exists = matches!(kept.kind, WriteKind::Set { .. });
        let document = write.path.to_string();
        match write.precondition {
            Some(Precondition::Exists(true)) if !exists => Err(StoreError::NotFound { document }),
            Some(Precondition::Exists(false)) if exists => {
                let reason = "the transaction has written it already".to_owned();
                Err(StoreError::Conflict { document, reason })
            }
            Some(Precondition::UpdatedAt(_)) => {
                let reason = "the transaction has written it since".to_owned();
                Err(StoreError::Conflict { document, reason })
            }
            _ => Ok(()),
        }
    }
}

fn twice(path: &DocumentPath) -> StoreError {
    StoreError::Refused { reason: format!("the transaction writes {path} twice; make it one write") }
}

/// Whether nothing of the document before is left.
fn is_whole(write: &Write) -> bool {
    write.transforms.is_empty() && matches!(write.kind, WriteKind::Delete | WriteKind::Set { mask: None, .. })
}

/// What a kept write makes of a document.
pub(super) fn as_written(write: &Write, mask: Option<&FieldMask>) -> Result<Option<Document>, StoreError> {
    if !is_whole(write) {
        let reason = format!("the transaction has written {} already; read it first", write.path);
        return Err(StoreError::Refused { reason });
    }
    let WriteKind::Set { fields, .. } = &write.kind else { return Ok(None) };
    let fields = mask.map_or_else(|| fields.clone(), |mask| mask.project(fields));
    Ok(Some(Document { path: write.path.clone(), fields, create_time: None, update_time: None }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Fields;

    fn path(path: &str) -> DocumentPath {
        DocumentPath::parse(path).expect("valid")
    }

    fn set(at: &str) -> Write {
        Write::set(path(at), Fields::new())
    }

    fn merge(at: &str, name: &str) -> Write {
        Write::merge(path(at), Fields::new(), FieldMask::new(vec![vec![name.to_owned()]]))
    }

    #[test]
    fn an_operation_that_is_refused_leaves_nothing() {
        let mut kept = Kept::default();
        kept.add(vec![merge("c/a", "x")]).expect("the first");
        for refused in
            [vec![set("c/b"), merge("c/a", "y")], vec![set("c/b"), set("c/b")], vec![set("c/b"), set("c/a")]]
        {
            assert!(matches!(kept.add(refused), Err(StoreError::Refused { .. })));
            assert!(kept.of(&path("c/b")).is_none());
        }
        assert_eq!(kept.into_writes(), [merge("c/a", "x")]);
    }

    #[test]
    fn a_whole_document_is_written_again_in_its_place() {
        let mut kept = Kept::default();
        let exists = Precondition::Exists(true);
        kept.add(vec![set("c/a").with_precondition(exists.clone()), set("c/b")]).expect("new ones");
        kept.add(vec![Write::delete(path("c/a"))]).expect("wholly written before");
        let deleted = Write::delete(path("c/a")).with_precondition(exists.clone());
        assert_eq!(kept.of(&path("c/a")), Some(&deleted));
        let gone = kept.add(vec![set("c/a").with_precondition(exists)]);
        assert!(matches!(gone, Err(StoreError::NotFound { .. })));
        assert_eq!(kept.into_writes(), [deleted, set("c/b")]);
    }
}
