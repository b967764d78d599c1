//! `impl Companion`, and `impl Document` where the type has a collection.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{LitStr, Member};

use super::Context;
use crate::ast::Kind;

pub fn impls(context: &Context<'_>) -> TokenStream {
    let input = context.input;
    let krate = &input.krate;
    let (parameters, _, _) = input.generics.split_for_impl();
    let clause = context.bounds.sealable.where_clause(&input.generics);
    let (plain, sealed) = (input.plain_type(), input.sealed_type());
    let document = document(context, &clause);
    quote! {
        #[automatically_derived]
        impl #parameters #krate::Companion for #sealed #clause {
            type Open = #plain;
        }

        #document
    }
}

fn document(context: &Context<'_>, clause: &TokenStream) -> Option<TokenStream> {
    let input = context.input;
    let krate = &input.krate;
    let collection = input.attrs.collection.as_ref()?;
    let id = input.fields().find(|field| matches!(field.kind, Kind::Id(_)))?;
    let (member, id_field, id_ty) = (&id.member, &id.names.stored, &id.ty);
    let as_str = quote_spanned!(id_ty.span()=> <#id_ty as ::core::convert::AsRef<str>>::as_ref);
    let (parameters, _, _) = input.generics.split_for_impl();
    let plain = input.plain_type();

    let tag = input.serde.tag.as_ref().map(LitStr::value);
    let tag = tag
        .map(|tag| quote!(#krate::FieldInfo { name: #tag, aliases: &[], sensitive: false, written: true }));
    let stored = input.fields().filter(|field| field.serde.skip.is_none() && field.serde.flatten.is_none());
    let fields = stored.map(|field| {
        let (name, aliases, sensitive) = (&field.names.stored, &field.names.aliases, field.is_sealed());
        let written = !field.serde.unwritten();
        quote!(#krate::FieldInfo {
            name: #name,
            aliases: &[#(#aliases),*],
            sensitive: #sensitive,
            written: #written,
        })
    });
    let fields = tag.into_iter().chain(fields);
    let flattened = input.fields().any(|field| field.serde.flatten.is_some());
    let scope = input
        .attrs
        .scope
        .as_ref()
        .and_then(|scope| input.fields().find(|field| field.member == Member::Named(scope.clone())));
    let scope = scope.map(|field| {
        let (member, name, ty) = (&field.member, &field.names.stored, &field.ty);
        let as_str = quote_spanned!(ty.span()=> <#ty as ::core::convert::AsRef<str>>::as_ref);
        quote! {
            const SCOPE_FIELD: ::core::option::Option<&'static str> = ::core::option::Option::Some(#name);

            fn scope(&self) -> ::core::option::Option<&str> {
                ::core::option::Option::Some(#as_str(&self.#member))
            }

            fn sealed_scope(__sealed: &Self::Sealed) -> ::core::option::Option<&str> {
                ::core::option::Option::Some(#as_str(&__sealed.#member))
            }
        }
    });
    Some(quote! {
        #[automatically_derived]
        impl #parameters #krate::Document for #plain #clause {
            const COLLECTION: &'static str = #collection;
            const ID_FIELD: &'static str = #id_field;
            const FIELDS: &'static [#krate::FieldInfo] = &[#(#fields),*];
            const FLATTENED: bool = #flattened;

            fn id(&self) -> &str {
                #as_str(&self.#member)
            }

            fn sealed_id(__sealed: &Self::Sealed) -> &str {
                #as_str(&__sealed.#member)
            }

            #scope
        }
    })
}
