//! The partial type: the plain one, with a result for each sensitive field.

use proc_macro2::TokenStream;
use quote::quote;

use super::Context;
use crate::ast::Kind;
use crate::attr;
use crate::shape::{nested_type, shaped};

pub fn item(context: &Context<'_>) -> TokenStream {
    let input = context.input;
    let (name, vis, (parameters, _, _)) =
        (&context.partial, &input.original.vis, input.generics.split_for_impl());
    let clause = context.bounds.companion.where_clause(&input.generics);
    let doc = format!("[`{}`] as far as it opens: a result for each sensitive field.", input.ident);
    let head = quote!(#[doc = #doc] #vis);
    shaped(
        input,
        &head,
        &quote!(#name #parameters),
        &clause,
        |_| TokenStream::new(),
        |_, field| {
            let (krate, ty, carried) = (&input.krate, &field.ty, attr::carried(&field.original.attrs));
            let ty = match &field.kind {
                Kind::Clear | Kind::Id(_) => quote!(#ty),
                Kind::Nested(_) => nested_type(input, field, name, "Partial"),
                Kind::Sensitive(_) => quote!(::core::result::Result<#ty, #krate::Closed<#ty>>),
            };
            (carried, ty)
        },
    )
}
