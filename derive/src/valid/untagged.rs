//! Untagged variants are told apart by their shape alone, and a sealed field fits any shape.

use std::collections::HashMap;

use quote::ToTokens;

use crate::ast::{Field, Input, Kind, Style, Tagging, Variant};
use crate::errors::Errors;

/// Refuses what would be read back as another variant.
pub fn check(input: &Input<'_>, errors: &mut Errors) {
    if !input.is_enum() {
        return;
    }
    let strict = input.serde.deny_unknown_fields.is_some();
    let untagged = |variant: &&Variant<'_>| variant.tagging == Tagging::None;
    let variants: Vec<_> = input.variants.iter().filter(untagged).collect();
    for (position, earlier) in variants.iter().enumerate() {
        let later = variants.get(position + 1..).unwrap_or_default();
        let Some(original) = earlier.original.filter(|_| earlier.holds_sealed()) else { continue };
        match earlier.style {
            Style::Unit => {}
            Style::Newtype if !later.is_empty() => errors.at(
                original,
                format!(
                    "untagged, `{}` takes what belongs to the variants after it, because what it holds may be sealed; \
                     name its field, give the enum a `tag`, or put the variant last",
                    original.ident
                ),
            ),
            Style::Newtype => {}
            Style::Tuple | Style::Named => {
                if let Some(later) = later.iter().find(|later| takes(earlier, later, strict))
                    && let Some(taken) = later.original
                {
                    errors.at(
                        taken,
                        format!(
                            "untagged, `{}` cannot be told from `{}`, because their fields differ in what is sealed \
                             alone; give the enum a `tag`, or the fields other names",
                            taken.ident, original.ident
                        ),
                    );
                }
            }
        }
    }
}

/// Whether `earlier` would be read from what `later` wrote.
fn takes(earlier: &Variant<'_>, later: &Variant<'_>, strict: bool) -> bool {
    match (earlier.style, later.style) {
        (Style::Tuple, Style::Tuple) => {
            earlier.fields.len() == later.fields.len()
                && earlier.fields.iter().zip(&later.fields).all(|(one, other)| fits(one, other))
        }
        (Style::Named, Style::Named) => {
            let written: HashMap<_, _> =
                later.fields.iter().map(|field| (field.names.stored.as_str(), field)).collect();
            let known =
                |name: &str| earlier.fields.iter().any(|field| field.all_names().any(|known| known == name));
            let foreign = |field: &&Field<'_>| !field.may_be_absent() && !known(&field.names.stored);
            if strict && later.fields.iter().any(|field| foreign(&field)) {
                return false;
            }
            earlier.fields.iter().all(|field| {
                let found = field.all_names().find_map(|name| written.get(name));
                found.map_or(field.may_be_absent(), |other| fits(field, other))
            })
        }
        (Style::Named, Style::Newtype) => {
            // What a nested type stores is not known here; a field of its own is never sealed whole.
            later.fields.iter().any(Field::is_nested) && earlier.fields.iter().all(Field::may_be_absent)
        }
        _ => false,
    }
}

/// Whether a field can be read from what another one wrote. Clear fields of two types are trusted to
/// tell their variants apart, as they do with serde alone.
fn fits(field: &Field<'_>, written: &Field<'_>) -> bool {
    let same_type = field.ty.to_token_stream().to_string() == written.ty.to_token_stream().to_string();
    match (&field.kind, &written.kind) {
        (Kind::Sensitive(_), _) | (Kind::Nested(_), Kind::Nested(_)) => true,
        _ => same_type && field.is_clear() == written.is_clear(),
    }
}
