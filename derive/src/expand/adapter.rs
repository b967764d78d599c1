//! Adapters that carry a field's `#[serde(with = ..)]` over to where a single value of it is encoded: as
//! plaintext, in an index, in a query.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{GenericParam, parse_quote};

use super::{Context, handles, index, item_name};
use crate::ast::{Field, Kind, Variant};

/// All adapters of the type.
pub fn items(context: &Context<'_>) -> TokenStream {
    let named = index::named(context).is_some();
    // Clear fields are encoded one by one only where they have handles.
    let one_by_one = move |field: &&Field<'_>| match field.kind {
        Kind::Sensitive(_) => true,
        Kind::Clear => named && handles::has_handle(field) && field.serde.flatten.is_none(),
        Kind::Id(_) | Kind::Nested(_) => false,
    };
    let fields = context
        .input
        .variants
        .iter()
        .flat_map(|variant| variant.fields.iter().filter(one_by_one).map(move |field| (variant, field)));
    fields
        .flat_map(|(variant, field)| [writer(context, variant, field), reader(context, variant, field)])
        .flatten()
        .collect()
}

/// `plain` behind its adapter, if it has one, and the type of the whole.
pub fn wrapped(
    context: &Context<'_>,
    variant: &Variant<'_>,
    field: &Field<'_>,
    plain: TokenStream,
) -> (TokenStream, TokenStream) {
    let ty = &field.ty;
    if field.serde.serialize_with.is_none() {
        return (plain, quote!(#ty));
    }
    let (name, whole) = (item_name("__Serialize", variant, field), context.input.plain_type());
    (quote!(&#name(#plain, ::core::marker::PhantomData::<fn() -> #whole>)), quote!(_))
}

/// The type that is decoded, and the closure that takes its adapter off.
pub fn unwrapped(
    context: &Context<'_>,
    variant: &Variant<'_>,
    field: &Field<'_>,
) -> (TokenStream, TokenStream) {
    let ty = &field.ty;
    let plain = super::local("__plain");
    if field.serde.deserialize_with.is_none() {
        return (quote!(#ty), quote!(|#plain| #plain));
    }
    let name = item_name("__Deserialize", variant, field);
    let (_, params, _) = context.input.generics.split_for_impl();
    (quote!(#name #params), quote!(|#plain| #plain.0))
}

fn writer(context: &Context<'_>, variant: &Variant<'_>, field: &Field<'_>) -> Option<TokenStream> {
    let function = field.serde.serialize_with.as_ref()?;
    let (input, serde, ty) = (context.input, &context.serde, &field.ty);
    let (name, whole) = (item_name("__Serialize", variant, field), input.plain_type());
    let mut generics = input.generics.clone();
    let lifetime: GenericParam = parse_quote!('__a);
    generics.params.insert(0, lifetime);
    generics.params.iter_mut().for_each(without_default);
    let (parameters, params, clause) = generics.split_for_impl();
    Some(quote! {
        struct #name #parameters (&'__a #ty, ::core::marker::PhantomData<fn() -> #whole>) #clause;

        impl #parameters #serde::Serialize for #name #params #clause {
            fn serialize<__S: #serde::Serializer>(
                &self,
                __serializer: __S,
            ) -> ::core::result::Result<__S::Ok, __S::Error> {
                #function(self.0, __serializer)
            }
        }
    })
}

fn reader(context: &Context<'_>, variant: &Variant<'_>, field: &Field<'_>) -> Option<TokenStream> {
    let function = field.serde.deserialize_with.as_ref()?;
    let (input, serde, ty) = (context.input, &context.serde, &field.ty);
    let (name, whole) = (item_name("__Deserialize", variant, field), input.plain_type());
    let (parameters, params, clause) = input.generics.split_for_impl();
    let mut generics = input.generics.clone();
    let lifetime: GenericParam = parse_quote!('de);
    generics.params.insert(0, lifetime);
    let (with_lifetime, _, _) = generics.split_for_impl();
    Some(quote! {
        struct #name #parameters (#ty, ::core::marker::PhantomData<fn() -> #whole>) #clause;

        impl #with_lifetime #serde::Deserialize<'de> for #name #params #clause {
            fn deserialize<__D: #serde::Deserializer<'de>>(
                __deserializer: __D,
            ) -> ::core::result::Result<Self, __D::Error> {
                let __plain: #ty = #function(__deserializer)?;
                ::core::result::Result::Ok(Self(__plain, ::core::marker::PhantomData))
            }
        }
    })
}

fn without_default(param: &mut GenericParam) {
    match param {
        GenericParam::Type(param) => param.default = None,
        GenericParam::Const(param) => param.default = None,
        GenericParam::Lifetime(_) => {}
    }
}
