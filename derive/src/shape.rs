//! Types of the same shape as the input's.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;

use crate::ast::{Field, Input, Kind, Style, Variant};
use crate::ty;

/// A struct or enum of the input's shape: `head`, `struct` or `enum`, `name`, the fields as `field`
/// gives their attributes and types.
pub fn shaped(
    input: &Input<'_>,
    head: &TokenStream,
    name: &TokenStream,
    clause: &TokenStream,
    variant_attrs: impl Fn(&Variant<'_>) -> TokenStream,
    field: impl Fn(&Variant<'_>, &Field<'_>) -> (TokenStream, TokenStream),
) -> TokenStream {
    let fields = |variant: &Variant<'_>| {
        let fields = variant.fields.iter().map(|each| {
            let (attrs, ty) = field(variant, each);
            let vis = &each.original.vis;
            match &each.original.ident {
                Some(name) => quote!(#attrs #vis #name: #ty),
                None => quote!(#attrs #vis #ty),
            }
        });
        match variant.style {
            Style::Unit => TokenStream::new(),
            Style::Named => quote!({ #(#fields),* }),
            Style::Newtype | Style::Tuple => quote!(( #(#fields),* )),
        }
    };
    if input.is_enum() {
        let variants = input.variants.iter().filter_map(|variant| {
            let (ident, attrs, fields) = (&variant.original?.ident, variant_attrs(variant), fields(variant));
            Some(quote!(#attrs #ident #fields))
        });
        return quote!(#head enum #name #clause { #(#variants),* });
    }
    let whole = input.variants.first();
    let body = whole.map(fields).unwrap_or_default();
    match whole.map(|whole| whole.style) {
        Some(Style::Named) => quote!(#head struct #name #clause #body),
        _ => quote!(#head struct #name #body #clause;),
    }
}

/// The companion's type of a field.
pub fn sealed_type(input: &Input<'_>, field: &Field<'_>) -> TokenStream {
    let (krate, ty) = (&input.krate, &field.ty);
    match &field.kind {
        Kind::Clear | Kind::Id(_) => quote!(#ty),
        Kind::Nested(_) => nested_type(input, field, &input.sealed, "Sealed"),
        Kind::Sensitive(_) => quote!(#krate::Sealed<#ty>),
    }
}

/// The type that stands for a nested field in the type called `own`, which is the input's `associated`.
///
/// A generic type that holds itself names `own` directly: as an associated type, it would ask its
/// parameters for everything that `Sealable` asks of them.
pub fn nested_type(input: &Input<'_>, field: &Field<'_>, own: &Ident, associated: &str) -> TokenStream {
    let (krate, ty, associated) = (&input.krate, &field.ty, format_ident!("{associated}"));
    if ty::is_generic(ty, &input.generics) && ty::mentions(quote!(#ty), input.ident) {
        return ty::renamed(quote!(#ty), input.ident, own);
    }
    quote_spanned!(ty.span()=> <#ty as #krate::Sealable>::#associated)
}
