//! What an absent field is worth: exactly what serde would have given.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use super::Context;
use crate::ast::Field;
use crate::attr::serde::DefaultValue;

/// The whole struct's default, where `#[serde(default)]` stands on it.
fn whole(context: &Context<'_>) -> Option<TokenStream> {
    let plain = context.input.plain_type();
    context.input.serde.default.as_ref().map(|default| match default {
        DefaultValue::Trait => quote!(<#plain as ::core::default::Default>::default()),
        DefaultValue::Function(path) => quote!(#path()),
    })
}

/// A clear field's value from the whole struct's default, which it is cloned from.
pub fn clear(context: &Context<'_>, field: &Field<'_>) -> Option<TokenStream> {
    let (whole, member, ty) = (whole(context)?, &field.member, &field.ty);
    Some(quote!(<#ty as ::core::clone::Clone>::clone(&#whole.#member)))
}

/// A closure that gives an absent field's value, or `None` where it must be there.
pub fn value(context: &Context<'_>, field: &Field<'_>) -> TokenStream {
    let (private, ty) = (&context.private, &field.ty);
    let bytes = field.sensitive().is_some_and(|sensitive| sensitive.bytes.is_some());
    match default(context, field) {
        Some(default) => quote!(|| ::core::option::Option::Some(#default)),
        None if bytes => {
            let krate = &context.input.krate;
            quote!(|| <#ty as #krate::RawBytes>::from_raw_bytes(::core::option::Option::None))
        }
        None if field.serde.deserialize_with.is_some() => quote!(|| ::core::option::Option::None),
        None => quote!(#private::missing::<#ty>),
    }
}

/// The value that a field has which serde never reads.
pub fn unread(context: &Context<'_>, field: &Field<'_>) -> TokenStream {
    default(context, field).unwrap_or_else(|| trait_default(field))
}

/// The default that serde gives an absent field.
fn default(context: &Context<'_>, field: &Field<'_>) -> Option<TokenStream> {
    let member = &field.member;
    match &field.serde.default {
        Some(DefaultValue::Trait) => Some(trait_default(field)),
        Some(DefaultValue::Function(path)) => Some(quote!(#path())),
        // A type that wipes itself cannot be taken apart, so there the value is cloned.
        None if context.input.attrs.zeroize.is_some() => clear(context, field),
        None => whole(context).map(|whole| quote!(#whole.#member)),
    }
}

fn trait_default(field: &Field<'_>) -> TokenStream {
    let ty = &field.ty;
    quote_spanned!(ty.span()=> <#ty as ::core::default::Default>::default())
}
