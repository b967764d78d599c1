//! What a type needs to be a document: named fields, one collection, one id.

use syn::{LitStr, Member, Path};

use crate::ast::{Field, Input, Kind, Style};
use crate::errors::Errors;

/// Firestore's limit for one id, in bytes.
const MAX_ID_BYTES: usize = 1_500;

pub fn check(input: &Input<'_>, errors: &mut Errors) {
    let ids: Vec<(&Field<'_>, &Path)> = input
        .fields()
        .filter_map(|field| match &field.kind {
            Kind::Id(id) => Some((field, id)),
            _ => None,
        })
        .collect();
    match &input.attrs.collection {
        Some(collection) => check_collection(input, collection, ids.is_empty(), errors),
        None => {
            for (_, id) in &ids {
                errors.at(
                    id,
                    "only a document has an id; name its collection on the struct: \
                     `#[sealable(collection = \"customers\")]`",
                );
            }
        }
    }
    check_scope(input, errors);
    check_seal(input, errors);
    for (_, second) in ids.iter().skip(1) {
        errors.at(second, "a document has one id; keep one `#[sealable(id)]`");
    }
    for (field, id) in &ids {
        if field.serde.unread() || field.serde.flatten.is_some() {
            errors.at(
                id,
                "the id is read back with the document, so serde must not skip or flatten it; to store it nowhere \
                 but in the document's path, use `#[serde(rename = \"_firestore_id\", skip_serializing)]`",
            );
        }
    }
}

fn check_scope(input: &Input<'_>, errors: &mut Errors) {
    let Some(scope) = &input.attrs.scope else { return };
    if input.attrs.collection.is_none() {
        errors.at(
            scope,
            "only a document has a scope; name its collection on the struct: \
             `#[sealable(collection = \"customers\")]`",
        );
        return;
    }
    match input.fields().find(|field| field.member == Member::Named(scope.clone())) {
        None => errors.at(scope, "`scope` names a field of the struct, such as `scope = tenant_id`"),
        Some(field) if field.is_sealed() => errors.at(
            scope,
            "the scope must be readable without a key: name a clear text field, neither sensitive nor nested",
        ),
        Some(field) if field.serde.unread() || field.serde.unwritten() => {
            errors.at(scope, "the scope is stored with the document, so serde must not skip its field");
        }
        Some(_) => {}
    }
}

/// What the document seal covers, and what it may leave out.
fn check_seal(input: &Input<'_>, errors: &mut Errors) {
    if let Some(authenticated) = &input.attrs.authenticated
        && input.attrs.collection.is_none()
    {
        errors.at(
            authenticated,
            "only a document has a document seal; name its collection on the struct: \
             `#[sealable(collection = \"customers\")]`",
        );
    }
    for field in input.fields() {
        let Some(unbound) = &field.unbound else { continue };
        let names_scope =
            input.attrs.scope.as_ref().is_some_and(|scope| field.member == Member::Named(scope.clone()));
        let wrong = if input.attrs.authenticated.is_none() {
            "`unbound` leaves a field out of the document seal, which this type does not have; write \
             `#[sealable(authenticated)]` on the document's struct, or remove `unbound`"
        } else if field.sensitive().is_some() || field.is_nested() {
            "what is sealed is always covered by the document seal; remove `unbound`"
        } else if matches!(field.kind, Kind::Id(_)) {
            "the id is always covered by the document seal; remove `unbound`"
        } else if names_scope {
            "the field that names the scope is always covered by the document seal; remove `unbound`"
        } else if field.serde.flatten.is_some() {
            "the names of a flattened field's values are not known, so it is always covered by the document \
             seal; remove `unbound`"
        } else if field.serde.skip.is_some() {
            "serde skips the field, so it is not stored and nothing covers it; remove `unbound`"
        } else {
            continue;
        };
        errors.at(unbound, wrong);
    }
}

fn check_collection(input: &Input<'_>, collection: &LitStr, lacks_id: bool, errors: &mut Errors) {
    if input.is_enum() {
        errors.at(
            collection,
            "an enum is not a document; put it into a field of a struct that has the collection and the id",
        );
    } else if input.variants.iter().any(|variant| variant.style != Style::Named) {
        errors.at(collection, "a document has named fields; write the struct as `struct Name { .. }`");
    } else if lacks_id {
        errors.at(
            collection,
            "a document needs its id: mark one clear text field `#[sealable(id)]`, such as `id: String`",
        );
    }
    let path = collection.value();
    if path.split('/').count().is_multiple_of(2) {
        errors.at(
            collection,
            format!(
                "{path:?} is a document's path; a collection has an odd number of segments, such as \"customers\" \
                 or \"tenants/acme/customers\""
            ),
        );
    }
    for id in path.split('/') {
        if let Some(rule) = broken_rule(id) {
            errors.at(collection, format!("{id:?} is not a collection or document id: {rule}"));
        }
    }
}

/// Which of Firestore's rules for ids this one breaks.
fn broken_rule(id: &str) -> Option<&'static str> {
    if id.is_empty() {
        Some("it is empty")
    } else if id.len() > MAX_ID_BYTES {
        Some("it is longer than 1500 bytes")
    } else if id == "." || id == ".." {
        Some("it must not be `.` or `..`")
    } else if id.len() >= 5 && id.starts_with("__") && id.ends_with("__") {
        Some("names like `__this__` are reserved")
    } else if id.contains('\0') {
        Some("it must not hold U+0000")
    } else {
        None
    }
}
