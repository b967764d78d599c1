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

/// A closure that gives an absent sensitive field's value, or `None` where it must be there.
pub fn sensitive(context: &Context<'_>, field: &Field<'_>) -> TokenStream {
    let (private, member, ty, span) = (&context.private, &field.member, &field.ty, field.ty.span());
    let default = match &field.serde.default {
        Some(DefaultValue::Trait) => {
            Some(quote_spanned!(span=> <#ty as ::core::default::Default>::default()))
        }
        Some(DefaultValue::Function(path)) => Some(quote!(#path())),
        // A type that wipes itself cannot be taken apart, so there the value is cloned.
        None if context.input.attrs.zeroize.is_some() => clear(context, field),
        None => whole(context).map(|whole| quote!(#whole.#member)),
    };
    let bytes = field.sensitive().is_some_and(|sensitive| sensitive.bytes.is_some());
    match default {
        Some(default) => quote!(|| ::core::option::Option::Some(#default)),
        None if bytes => {
            let krate = &context.input.krate;
            quote!(|| <#ty as #krate::RawBytes>::from_raw_bytes(::core::option::Option::None))
        }
        None if field.serde.deserialize_with.is_some() => quote!(|| ::core::option::Option::None),
        None => quote!(#private::missing::<#ty>),
    }
}
