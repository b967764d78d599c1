//! What the derive adds to the plain type: `Debug`, wiping on drop, and the proof that no clear field
//! hides sensitive ones.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;

use super::Context;
use crate::ast::{Field, Style, Variant};
use crate::ty;

pub fn impls(context: &Context<'_>) -> TokenStream {
    let attrs = &context.input.attrs;
    let debug = attrs.debug.as_ref().map(|_| debug(context));
    let zeroize = attrs.zeroize.as_ref().map(|_| zeroize(context));
    quote!(#debug #zeroize)
}

fn debug(context: &Context<'_>) -> TokenStream {
    let input = context.input;
    let (parameters, _, _) = input.generics.split_for_impl();
    let clause = context.bounds.plain_debug.where_clause(&input.generics);
    let (plain, ident) = (input.plain_type(), input.ident);
    let redacted = |field: &Field<'_>| field.sensitive().is_some();
    let arms = input.variants.iter().map(|variant| debug_arm(variant, ident, redacted));
    quote! {
        #[automatically_derived]
        impl #parameters ::core::fmt::Debug for #plain #clause {
            fn fmt(&self, __f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                match self { #(#arms)* }
            }
        }
    }
}

/// The arm of a `Debug` impl for one variant of `container`, with some fields redacted.
pub fn debug_arm(
    variant: &Variant<'_>,
    container: &Ident,
    redacted: impl Fn(&Field<'_>) -> bool,
) -> TokenStream {
    let name = variant.original.map_or(container, |variant| &variant.ident).unraw().to_string();
    let pattern = variant.bound_where(container, |field| !redacted(field));
    let values = variant.fields.iter().map(|field| {
        if redacted(field) {
            return quote!(&::core::format_args!("[sensitive]"));
        }
        let binding = &field.binding;
        quote_spanned!(field.ty.span()=> &*#binding)
    });
    match variant.style {
        Style::Unit => quote!(#pattern => ::core::fmt::Formatter::write_str(__f, #name),),
        Style::Named => {
            let labels = variant.fields.iter().map(Field::label);
            quote!(#pattern => __f.debug_struct(#name)#(.field(#labels, #values))*.finish(),)
        }
        Style::Newtype | Style::Tuple => {
            quote!(#pattern => __f.debug_tuple(#name)#(.field(#values))*.finish(),)
        }
    }
}

fn zeroize(context: &Context<'_>) -> TokenStream {
    let (input, private) = (context.input, &context.private);
    let (parameters, _, clause) = input.generics.split_for_impl();
    let plain = input.plain_type();
    let arms = input.variants.iter().map(|variant| {
        let pattern = variant.bound_where(input.ident, |field| field.sensitive().is_some());
        let fields = variant.fields.iter().filter(|field| field.sensitive().is_some()).map(|field| {
            let (ty, binding) = (&field.ty, &field.binding);
            let wipe = quote_spanned!(ty.span()=> <#ty as #private::Zeroize>::zeroize);
            quote!(#wipe(#binding);)
        });
        quote!(#pattern => { #(#fields)* })
    });
    let (partial, companion) =
        (context.partial_type(), context.bounds.companion.where_clause(&input.generics));
    let partial_arms = input.variants.iter().map(|variant| {
        let pattern = variant.bound_where(&context.partial, |field| field.sensitive().is_some());
        let fields = variant.fields.iter().filter(|field| field.sensitive().is_some());
        let fields = fields.map(|field| wipe_opened(context, field, &quote!(::core::result::Result::Ok)));
        quote!(#pattern => { #(#fields)* })
    });
    quote! {
        #[automatically_derived]
        impl #parameters ::core::ops::Drop for #plain #clause {
            fn drop(&mut self) {
                match self { #(#arms)* }
            }
        }

        #[automatically_derived]
        impl #parameters #private::ZeroizeOnDrop for #plain #clause {}

        #[automatically_derived]
        impl #parameters ::core::ops::Drop for #partial #companion {
            fn drop(&mut self) {
                match self { #(#partial_arms)* }
            }
        }
    }
}

/// Wipes a field's value if it did open: `opened` is the pattern around it, its binding a reference.
pub fn wipe_opened(context: &Context<'_>, field: &Field<'_>, opened: &TokenStream) -> TokenStream {
    let (private, ty, binding) = (&context.private, &field.ty, &field.binding);
    let wipe = quote_spanned!(ty.span()=> <#ty as #private::Zeroize>::zeroize);
    quote!(if let #opened(#binding) = #binding { #wipe(#binding); })
}

/// Fails to compile where a clear field holds a sealable type, whose sensitive fields it would store
/// in the clear.
pub fn assertions(context: &Context<'_>) -> TokenStream {
    let (input, private) = (context.input, &context.private);
    let assertions = input.fields().filter(|field| field.is_clear()).map(|field| {
        let label = field.label();
        let itself = format!("field `{label}` has sensitive fields of its own: mark it `#[sealable(nested)]`");
        let within = format!(
            "field `{label}` holds a type that has sensitive fields of its own, and would store them in the clear: \
             use `#[sealable(nested)]` with the type itself or an Option, Vec, Box, HashMap or BTreeMap of it, or \
             seal the whole with `#[sensitive]`"
        );
        let known = ty::components(&field.ty).into_iter().filter(|ty| !ty::is_generic(ty, &input.generics));
        let assertions = known.rev().map(|ty| {
            let message = if *ty == field.ty { &itself } else { &within };
            quote_spanned!(field.ty.span()=> ::core::assert!(!<#private::Probe<#ty>>::SEALABLE, #message);)
        });
        quote_spanned!(field.ty.span()=> const _: () = { #(#assertions)* };)
    });
    quote! {
        #[allow(unused_imports)]
        use #private::NotSealable as _;
        #(#assertions)*
    }
}
