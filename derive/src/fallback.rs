//! What is written when the input is wrong: the errors, and a stub that keeps the rest of the program
//! from failing for want of the impls.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{GenericParam, parse_quote};

use crate::ast::Input;
use crate::shape::{sealed_type, shaped};

/// The errors, with a companion and impls that do nothing.
pub fn stub(input: &Input<'_>, errors: &syn::Error) -> TokenStream {
    let errors = errors.to_compile_error();
    let krate = &input.krate;
    let private = quote!(#krate::__private);
    let serde = quote!(#private::serde);
    let (ident, sealed, vis) = (input.ident, &input.sealed, &input.original.vis);
    let generics = &input.generics;
    let (parameters, params, clause) = generics.split_for_impl();

    let head = quote!(#[allow(dead_code, missing_docs)] #vis);
    let declared = quote!(#sealed #generics);
    let companion = shaped(
        input,
        &head,
        &declared,
        &quote!(#clause),
        |_| TokenStream::new(),
        |_, field| (TokenStream::new(), sealed_type(input, field)),
    );

    let mut with_lifetime = generics.clone();
    let lifetime: GenericParam = parse_quote!('de);
    with_lifetime.params.insert(0, lifetime);
    let (with_lifetime, _, _) = with_lifetime.split_for_impl();

    let mut bounded = generics.clone();
    if generics.type_params().next().is_some() {
        let shared = parse_quote!(#sealed #params: ::core::marker::Send + ::core::marker::Sync);
        bounded.make_where_clause().predicates.push(shared);
    }
    let (_, _, bounded) = bounded.split_for_impl();

    quote! {
        #errors

        #companion

        #[doc(hidden)]
        #[allow(deprecated, missing_docs, private_interfaces, trivial_bounds, unused_variables)]
        const _: () = {
            impl #parameters #serde::Serialize for #sealed #params #clause {
                fn serialize<__S: #serde::Serializer>(&self, _: __S) -> ::core::result::Result<__S::Ok, __S::Error> {
                    ::core::unimplemented!()
                }
            }
            impl #with_lifetime #serde::Deserialize<'de> for #sealed #params #clause {
                fn deserialize<__D: #serde::Deserializer<'de>>(_: __D) -> ::core::result::Result<Self, __D::Error> {
                    ::core::unimplemented!()
                }
            }
            impl #parameters ::core::clone::Clone for #sealed #params #clause {
                fn clone(&self) -> Self {
                    ::core::unimplemented!()
                }
            }
            impl #parameters ::core::fmt::Debug for #sealed #params #clause {
                fn fmt(&self, _: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    ::core::unimplemented!()
                }
            }
            impl #parameters #krate::Sealable for #ident #params #bounded {
                type Sealed = #sealed #params;
                type Partial = ();
                fn draft(
                    &self,
                    _: &mut #private::Walk<#private::Draft>,
                ) -> ::core::result::Result<Self::Sealed, #krate::SealError> {
                    ::core::unimplemented!()
                }
                fn visit(
                    _: &mut Self::Sealed,
                    _: &mut #private::Walk<#private::Visit<'_>>,
                ) -> ::core::result::Result<(), #krate::SealError> {
                    ::core::unimplemented!()
                }
                fn reveal(
                    _: Self::Sealed,
                    _: &mut #private::Walk<#private::Reveal<'_>>,
                ) -> ::core::option::Option<Self> {
                    ::core::unimplemented!()
                }
                fn reveal_partial(_: Self::Sealed, _: &mut #private::Walk<#private::Reveal<'_>>) -> Self::Partial {}
                fn draft_partial(
                    _: &Self::Partial,
                    _: &mut #private::Walk<#private::Draft>,
                ) -> ::core::result::Result<Self::Sealed, #krate::SealError> {
                    ::core::unimplemented!()
                }
            }
            impl #parameters #krate::query::Queryable for #ident #params #bounded {
                type Handles<__D> = #krate::query::Opaque;
                fn handles<__D>(_: &#krate::query::At) -> #krate::query::Opaque {
                    ::core::unimplemented!()
                }
                fn describe(_: &#krate::query::At, _: &mut #krate::query::Schema) {}
            }
            impl #parameters #krate::Companion for #sealed #params #bounded {
                type Open = #ident #params;
            }
            impl #parameters #krate::Document for #ident #params #bounded {
                const COLLECTION: &'static str = "";
                const ID_FIELD: &'static str = "";
                const FIELDS: &'static [#krate::FieldInfo] = &[];
                const FLATTENED: bool = false;
                fn id(&self) -> &str {
                    ::core::unimplemented!()
                }
                fn sealed_id(_: &Self::Sealed) -> &str {
                    ::core::unimplemented!()
                }
            }
        };
    }
}
