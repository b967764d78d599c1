//! Paths, writes and documents as they travel.

use ::firestore::gcloud_sdk::google::firestore::v1::{
    ArrayValue, Document as WireDocument, DocumentMask, Precondition as WirePrecondition, Write as WireWrite,
    document_transform::{
        FieldTransform,
        field_transform::{ServerValue, TransformType},
    },
    precondition::ConditionType,
    write::Operation,
};

use crate::bytes::DocumentPath;
use crate::store::document::Prepared;
use crate::store::{Document, FieldMask, Precondition, StoreError, Transform, TransformKind, WriteKind};

/// A database's documents by their full names.
#[derive(Debug, Clone)]
pub(super) struct Names {
    /// `projects/../databases/../documents`
    pub(super) root: String,
}

impl Names {
    pub(super) fn full(&self, path: &DocumentPath) -> String {
        format!("{}/{path}", self.root)
    }

    /// The path of a document that the server names.
    pub(super) fn relative(&self, name: &str) -> Result<DocumentPath, StoreError> {
        name.strip_prefix(&self.root)
            .and_then(|rest| rest.strip_prefix('/'))
            .and_then(|path| DocumentPath::parse(path).ok())
            .ok_or_else(|| {
                let name: String = name.chars().take(300).collect();
                let reason = format!("{name:?} is no document name of {}", self.root);
                StoreError::UnexpectedAnswer { reason }
            })
    }

    pub(super) fn document(&self, document: WireDocument) -> Result<Document, StoreError> {
        Ok(Document {
            path: self.relative(&document.name)?,
            fields: document.fields,
            create_time: document.create_time,
            update_time: document.update_time,
        })
    }

    pub(super) fn write(&self, Prepared { write, fields }: Prepared<'_>) -> WireWrite {
        let name = self.full(&write.path);
        let (operation, update_mask) = match &write.kind {
            WriteKind::Set { mask, .. } => {
                let fields = fields.into_owned();
                let document = WireDocument { name, fields, create_time: None, update_time: None };
                let mask = mask.as_ref().map(|mask| DocumentMask { field_paths: mask.encode() });
                (Operation::Update(document), mask)
            }
            WriteKind::Delete => (Operation::Delete(name), None),
        };
        let current_document = write.precondition.as_ref().map(|precondition| WirePrecondition {
            condition_type: Some(match precondition {
                Precondition::Exists(exists) => ConditionType::Exists(*exists),
                Precondition::UpdatedAt(time) => ConditionType::UpdateTime(*time),
            }),
        });
        let update_transforms = write.transforms.iter().cloned().map(transform).collect();
        WireWrite { update_mask, update_transforms, current_document, operation: Some(operation) }
    }
}

fn transform(transform: Transform) -> FieldTransform {
    let field_path = FieldMask::new(vec![transform.path]).encode().remove(0);
    let kind = match transform.kind {
        TransformKind::ServerTime => TransformType::SetToServerValue(ServerValue::RequestTime.into()),
        TransformKind::Increment(number) => TransformType::Increment(number),
        TransformKind::Maximum(number) => TransformType::Maximum(number),
        TransformKind::Minimum(number) => TransformType::Minimum(number),
        TransformKind::Union(values) => TransformType::AppendMissingElements(ArrayValue { values }),
        TransformKind::Remove(values) => TransformType::RemoveAllFromArray(ArrayValue { values }),
    };
    FieldTransform { field_path, transform_type: Some(kind) }
}

/// What a read travels with. No field at all is asked for by the document's own name, so that a
/// server that takes an empty mask for none still sends nothing.
pub(super) fn read_mask(mask: &FieldMask) -> DocumentMask {
    let mut field_paths = mask.encode();
    if field_paths.is_empty() {
        field_paths.push("__name__".to_owned());
    }
    DocumentMask { field_paths }
}
