//! What can be indexed: fields of structs with names, and what their queries can say.

use std::collections::HashSet;

use syn::{Ident, parse_str};

use crate::ast::{Field, Input, Kind, Style, Variant};
use crate::attr::index::{Compound, Index, Kind as IndexKind, MAX_PARTS};
use crate::errors::Errors;
use crate::ty;

pub fn check(input: &Input<'_>, errors: &mut Errors) {
    for variant in &input.variants {
        for field in &variant.fields {
            check_field(variant, field, errors);
        }
    }
    for (position, compound) in input.attrs.compounds.iter().enumerate() {
        let earlier = input.attrs.compounds.get(..position).unwrap_or_default();
        check_compound(input, compound, earlier, errors);
    }
}

fn check_field(variant: &Variant<'_>, field: &Field<'_>, errors: &mut Errors) {
    let Some(sensitive) = field.sensitive() else { return };
    let indexes = &sensitive.indexes;
    if let Some(index) = indexes.first()
        && (variant.original.is_some() || variant.style != Style::Named)
    {
        let place = if variant.original.is_some() { "an enum" } else { "a tuple" };
        errors.at(
            index,
            format!(
                "nothing inside {place} can be asked for, so it has no index; put the field into a struct with \
                 named fields"
            ),
        );
    }
    for (position, index) in indexes.iter().enumerate() {
        let before = indexes.get(..position).unwrap_or_default();
        check_pair(index, before, errors);
        if sensitive.bytes.is_some() {
            check_bytes(index, errors);
        } else if field.serde.serialize_with.is_none() {
            check_type(index, field, errors);
        }
    }
}

fn check_pair(index: &Index, before: &[Index], errors: &mut Errors) {
    let name = crate::attr::name(&index.word);
    if before.iter().any(|earlier| earlier.word == index.word) {
        errors.at(index, format!("`{name}` is given twice; keep one"));
    }
    let equal = |index: &Index| matches!(index.kind, IndexKind::Equality | IndexKind::Unique);
    if equal(index) && before.iter().any(|earlier| equal(earlier) && earlier.word != index.word) {
        errors.at(index, "`unique` is an equality index too; remove `index`");
    }
}

/// What is told at compile time of types that have no place in an index; the others are told when one is
/// written.
fn check_type(index: &Index, field: &Field<'_>, errors: &mut Errors) {
    if ty::in_many(&field.ty) {
        errors.at(
            index,
            "only single values can be indexed: texts, numbers, dates, and with `bytes` a `Vec<u8>`; keep what is to be \
             found in a field of its own",
        );
    }
    if ty::is_real(&field.ty) && !matches!(index.kind, IndexKind::Range(_)) {
        errors.at(
            index,
            "floating-point numbers are not compared for equality; use `range(..)`, or a type of whole numbers such \
             as cents",
        );
    }
}

fn check_bytes(index: &Index, errors: &mut Errors) {
    match index.kind {
        IndexKind::Equality | IndexKind::Unique => {
            if let Some(normalize) = &index.tokens.normalize_word {
                errors.at(normalize, "`normalize` is for texts, and `bytes` are indexed as they are; remove it");
            }
        }
        _ => errors.at(
            index,
            "`bytes` can only be found by equality: use `index` or `unique`, or remove `bytes` if the field is a text or \
             a number",
        ),
    }
}

fn check_compound(input: &Input<'_>, compound: &Compound, earlier: &[Compound], errors: &mut Errors) {
    let name = compound.name.value();
    if input.is_enum() || input.variants.iter().any(|variant| variant.style != Style::Named) {
        errors.at(
            &compound.name,
            "only a struct with named fields has a compound index; nothing inside an enum or a tuple can be asked for",
        );
        return;
    }
    if parse_str::<Ident>(&name).is_err() {
        errors.at(
            &compound.name,
            "the name of a compound index is that of its handle, so it is an identifier such as `full_name`",
        );
    }
    if let Some(field) = input.fields().find(|field| {
        field.label() == name
            || (field.serde.flatten.is_none() && field.all_names().any(|taken| taken == name))
    }) {
        errors.at(
            &compound.name,
            format!(
                "`{name}` is the name of the field `{}` already; give the compound index another",
                field.label()
            ),
        );
    }
    if earlier.iter().any(|earlier| earlier.name.value() == name) {
        errors.at(
            &compound.name,
            format!("there are two compound indexes `{name}`; give one of them another name"),
        );
    }
    if !(2..=MAX_PARTS).contains(&compound.fields.len()) {
        errors.at(
            &compound.name,
            format!("a compound index has 2 to {MAX_PARTS} fields; for one, write `#[sensitive(index)]` on the field"),
        );
    }
    let mut seen = HashSet::new();
    let mut sealed = false;
    for part in &compound.fields {
        if !seen.insert(part) {
            errors.at(part, format!("`{part}` is given twice; keep one"));
        }
        match input.field(part) {
            None => {
                errors.at(part, format!("there is no field `{part}`; `fields` names fields of this struct"))
            }
            Some(field) => {
                sealed |= field.sensitive().is_some();
                check_part(field, part, errors);
            }
        }
    }
    if !sealed && compound.fields.iter().all(|part| input.field(part).is_some()) {
        errors.at(
            &compound.name,
            "none of these fields is sealed: Firestore finds clear fields together without an index of ours; join \
             the conditions with `and`",
        );
    }
}

fn check_part(field: &Field<'_>, part: &Ident, errors: &mut Errors) {
    match &field.kind {
        Kind::Nested(_) => errors.at(
            part,
            "a nested field is no single value; put the compound index on its type, or use a field of this struct",
        ),
        Kind::Id(_) => errors.at(
            part,
            "the id is asked for itself, as the document's name; join it with `and` in the query",
        ),
        Kind::Clear if field.serde.unwritten() || field.serde.unread() || field.serde.flatten.is_some() => {
            errors.at(part, "a skipped or flattened field is not one stored value; use another field");
        }
        Kind::Clear | Kind::Sensitive(_) => {}
    }
}
