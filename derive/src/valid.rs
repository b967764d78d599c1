//! The rules that need more than one attribute to tell.

use std::collections::HashMap;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::LitStr;

use crate::ast::{Field, Input, Kind, Style, Tagging, Variant};
use crate::attr::serde::DefaultValue;
use crate::errors::Errors;
use crate::{symbol, ty};

mod document;
mod index;
mod untagged;

/// Checks the whole type.
pub fn check(input: &Input<'_>, errors: &mut Errors) {
    check_generics(input, errors);
    check_container(input, errors);
    document::check(input, errors);
    for variant in &input.variants {
        check_variant(variant, errors);
        for field in &variant.fields {
            check_field(input, variant, field, errors);
        }
        check_field_names(input, variant, errors);
    }
    check_variant_names(input, errors);
    untagged::check(input, errors);
    index::check(input, errors);
}

fn check_generics(input: &Input<'_>, errors: &mut Errors) {
    for lifetime in input.generics.lifetimes() {
        errors.at(
            lifetime,
            "a sealed document owns its data, so the type cannot have lifetimes; use owned types such as `String`",
        );
    }
    for field in input.fields() {
        if let Some(reference) = ty::reference(&field.original.ty) {
            errors.at(
                reference,
                "a sealed document owns its data; use an owned type such as `String` or `Vec<u8>`",
            );
        }
    }
}

fn check_container(input: &Input<'_>, errors: &mut Errors) {
    let is_union = matches!(input.original.data, syn::Data::Union(_));
    if !is_union && !input.fields().any(Field::is_sealed) {
        errors.at(
            input.ident,
            format!(
                "nothing in `{}` is sealed: mark each sensitive field `#[sensitive]`, and each field whose type \
                 has sensitive fields `#[sealable(nested)]`",
                input.ident
            ),
        );
    }
    for path in &input.attrs.derives {
        if let Some(name) = path.segments.last().map(|segment| segment.ident.to_string())
            && ["Clone", "Debug", "Serialize", "Deserialize"].contains(&name.as_str())
        {
            errors.at(path, format!("the companion has `{name}` already; remove it here"));
        }
    }
    if let Some(zeroize) = &input.attrs.zeroize
        && !input.fields().any(|field| field.sensitive().is_some())
    {
        errors.at(
            zeroize,
            "there is no `#[sensitive]` field here to wipe; put `zeroize` on the nested types that have them",
        );
    }
    if input.serde.default.is_some() && input.is_enum() {
        errors.at(input.ident, "serde takes `default` on a struct, not on an enum; remove it");
    }
    for name in [&input.serde.tag, &input.serde.content].into_iter().flatten() {
        if name.value() == symbol::SEAL_MAP {
            errors.at(name, reserved_map());
        }
    }
}

fn check_variant(variant: &Variant<'_>, errors: &mut Errors) {
    if !variant.holds_sealed() {
        return;
    }
    for meta in &variant.serde.plain_only {
        errors.at(
            meta,
            format!(
                "`#[serde({})]` cannot stand on a variant that holds a sealed field; put it on the fields, or \
                 remove it",
                crate::attr::name(meta.path())
            ),
        );
    }
    if variant.style == Style::Tuple {
        for field in &variant.fields {
            let conditional = field.serde.skip_serializing_if.as_ref().map(|(meta, _)| meta);
            for meta in field.serde.skips().chain(conditional) {
                errors.at(
                    meta,
                    "a skipped element moves those after it, and a sealed value is bound to its position; give the \
                     fields names, or remove this",
                );
            }
        }
    }
    if variant.tagging == Tagging::Internal && variant.style == Style::Newtype {
        for field in variant.fields.iter().filter(|field| field.sensitive().is_some()) {
            errors.at(
                &field.original.ty,
                "serde cannot put a tag beside a value that is not a map; name the field, as in \
                 `Email { address: String }`, or give the enum `content = \"..\"` besides its tag",
            );
        }
    }
}

fn check_field(input: &Input<'_>, variant: &Variant<'_>, field: &Field<'_>, errors: &mut Errors) {
    let serde = &field.serde;
    match &field.kind {
        Kind::Clear | Kind::Id(_) => {}
        Kind::Nested(nested) => {
            if variant.style == Style::Newtype {
                for meta in serde.skips() {
                    errors.at(meta, "a newtype stores its one field; remove this, or write a unit struct");
                }
            }
            if let (Some(DefaultValue::Function(path)), false) = (&serde.default, serde.unread()) {
                errors.at(
                    path,
                    "the function gives the plain type, but nothing can seal it while a document is read; use \
                     `default` alone, which gives an empty `Option`, `Vec` or map",
                );
            }
            if let (Some(flatten), Some(_)) = (&serde.flatten, ty::option(&field.ty)) {
                errors.at(
                    flatten,
                    "a flattened `Option` of a type with sealed fields cannot be told from an absent one; remove \
                     the `Option`, or remove `flatten`",
                );
            }
            if input.serde.default.is_some()
                && serde.default.is_none()
                && serde.flatten.is_none()
                && !ty::has_empty_default(&field.ty)
            {
                errors.at(
                    nested,
                    format!(
                        "`#[serde(default)]` on the struct cannot supply `{}`, because nothing can seal its \
                         default while a document is read; make it an `Option`, or put `#[serde(default)]` on the \
                         field and `#[sealable(derive(Default))]` on its type",
                        field.label()
                    ),
                );
            }
            check_one_name(field, errors);
        }
        Kind::Sensitive(sensitive) => {
            for meta in serde.skips() {
                errors.at(
                    meta,
                    "a skipped field is not stored, so there is nothing to seal; remove this or `#[sensitive]`",
                );
            }
            if let Some(flatten) = &serde.flatten {
                errors.at(
                    flatten,
                    "a sealed value is one field, so it cannot be flattened; use `#[sealable(nested)]` on a type \
                     that derives `Sealable`, or remove `flatten`",
                );
            }
            if let (Some((meta, _)), Style::Newtype) = (&serde.skip_serializing_if, variant.style) {
                errors.at(meta, "a newtype stores its one field always; remove this");
            }
            if let (Some(bytes), Some(with)) = (&sensitive.bytes, serde.with.first()) {
                errors.at(
                    bytes,
                    format!(
                        "`bytes` seals the bytes as they are, so `{}` would not be used; keep one",
                        crate::attr::name(with.path())
                    ),
                );
            }
            let own_encoding = serde.serialize_with.is_some() && serde.deserialize_with.is_some();
            if let (Some(double), false) = (ty::double_option(&field.original.ty), own_encoding) {
                errors.at(
                    double,
                    "`Some(None)` would come back as `None`; use one `Option`, or an enum that names the three cases",
                );
            }
            check_one_name(field, errors);
        }
    }
}

/// A sealed value is bound to its stored name, so there can be but one that is written and read.
fn check_one_name(field: &Field<'_>, errors: &mut Errors) {
    let text = |name: &Option<LitStr>| name.as_ref().map(LitStr::value);
    let rename = &field.serde.rename;
    if text(&rename.write) != text(&rename.read)
        && let Some(name) = rename.read.as_ref().or(rename.write.as_ref())
    {
        errors.at(
            name,
            "a sealed value is bound to its stored name, so it is written and read under one; use \
             `rename = \"..\"`, and `alias` for an older name",
        );
    }
}

fn check_field_names(input: &Input<'_>, variant: &Variant<'_>, errors: &mut Errors) {
    if variant.style != Style::Named {
        return;
    }
    let mut taken: HashMap<&str, String> = HashMap::new();
    let tag = input.serde.tag.as_ref().map(LitStr::value);
    if let (Some(tag), true) = (&tag, variant.tagging == Tagging::Internal || !input.is_enum()) {
        taken.insert(tag, "the tag".to_owned());
    }
    for field in &variant.fields {
        if field.serde.flatten.is_some() || field.serde.skip.is_some() {
            continue;
        }
        for name in field.all_names() {
            if let Some(other) = taken.get(name) {
                errors.at(
                    name_tokens(field, name),
                    format!("`{name}` is the stored name of {other} already; give one of them another with `rename`"),
                );
            }
            if name == symbol::SEAL_MAP {
                errors.at(name_tokens(field, name), reserved_map());
            }
            if symbol::INJECTED.contains(&name) && field.is_sealed() {
                errors.at(
                    name_tokens(field, name),
                    format!(
                        "the `firestore` crate writes over `{name}` when it reads a document, so a sealed field \
                         cannot stand there; store it under another name"
                    ),
                );
            }
        }
        for name in field.all_names() {
            taken.entry(name).or_insert_with(|| format!("`{}`", field.label()));
        }
    }
}

fn check_variant_names(input: &Input<'_>, errors: &mut Errors) {
    let mut taken: HashMap<&str, String> = HashMap::new();
    for variant in &input.variants {
        let Some(original) = variant.original else { continue };
        if variant.tagging == Tagging::None {
            continue;
        }
        let names =
            || std::iter::once(&variant.names.stored).chain(&variant.names.aliases).map(String::as_str);
        for name in names() {
            if let Some(other) = taken.get(name) {
                errors.at(
                    &original.ident,
                    format!("`{name}` is the stored name of {other} already; give one of them another with `rename`"),
                );
            }
            if name == symbol::SEAL_MAP {
                errors.at(&original.ident, reserved_map());
            }
        }
        for name in names() {
            taken.entry(name).or_insert_with(|| format!("`{}`", original.ident));
        }
    }
}

fn reserved_map() -> String {
    format!("`{}` is where fireseal keeps its own; store this under another name", symbol::SEAL_MAP)
}

/// Where the name was written: in an attribute, or as the field's own.
fn name_tokens(field: &Field<'_>, name: &str) -> TokenStream {
    let written = [&field.serde.rename.write, &field.serde.rename.read].into_iter().flatten();
    let written = written.chain(&field.serde.aliases).find(|written| written.value() == name);
    match written {
        Some(written) => written.to_token_stream(),
        None => {
            let member = &field.member;
            quote!(#member)
        }
    }
}
