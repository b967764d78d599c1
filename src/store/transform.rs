//! Changes to a field that the database makes from what the field holds.

use super::document::set_at;
use super::limits::check_document;
use super::value::array_of;
use super::{FieldMask, Fields, StoreError, Value, ValueType, Write, WriteKind};

/// A change to one field, made by the database after the write's own fields.
#[derive(Debug, Clone, PartialEq)]
pub struct Transform {
    /// The field: names from the document's root, unescaped.
    pub path: Vec<String>,
    /// What becomes of it.
    pub kind: TransformKind,
}

/// What a transform makes of its field.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum TransformKind {
    /// The time at which the database does the commit, the same in all of it, to the millisecond.
    ServerTime,
    /// Adds a number. Integers stop at the ends of their range; with a double among the two the
    /// sum is a double; a field that is no number becomes the number given.
    Increment(Value),
    /// The larger of the field and this number, NaN if either is; where they are equal (3 and 3.0)
    /// the field stays. A field that is no number becomes the number given.
    Maximum(Value),
    /// The smaller of the field and this number, else as for [`Maximum`](Self::Maximum).
    Minimum(Value),
    /// Appends those of these values that the array does not hold yet, in Firestore's equality
    /// (3 and 3.0 are equal). A field that is no array counts as an empty one.
    Union(Vec<Value>),
    /// Removes every one of these values from the array. A field that is no array becomes an empty one.
    Remove(Vec<Value>),
}

/// Refuses transforms that no document could take.
pub(super) fn check_transforms(write: &Write) -> Result<(), StoreError> {
    if write.transforms.is_empty() {
        return Ok(());
    }
    let refused = |reason: String| Err(StoreError::Refused { reason });
    if write.kind == WriteKind::Delete {
        return refused(format!("{} is deleted: no field of it can be transformed", write.path));
    }
    FieldMask::new(write.transforms.iter().map(|transform| transform.path.clone()).collect()).check()?;
    for Transform { path, kind } in &write.transforms {
        let inside = |other: &Transform| other.path.len() > path.len() && other.path.starts_with(path);
        if write.transforms.iter().any(inside) {
            let field = path.join(".");
            return refused(format!(
                "{}: {field} and a field inside it cannot both be transformed",
                write.path
            ));
        }
        match kind {
            TransformKind::ServerTime => {}
            TransformKind::Increment(number)
            | TransformKind::Maximum(number)
            | TransformKind::Minimum(number) => match number.value_type {
                Some(ValueType::IntegerValue(_) | ValueType::DoubleValue(_)) => {}
                _ => {
                    let field = path.join(".");
                    return refused(format!("{}: {field} can be transformed with a number only", write.path));
                }
            },
            TransformKind::Union(values) | TransformKind::Remove(values) => {
                let mut fields = Fields::new();
                set_at(&mut fields, path, array_of(values.clone()));
                check_document(&write.path, &fields)?;
            }
        }
    }
    Ok(())
}
