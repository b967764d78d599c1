//! Writes the companion and the impls.
//!
//! All paths are absolute, all variables hygienic; what need not have a name outside stands in an
//! anonymous constant.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};
use syn::ext::IdentExt;

use crate::ast::{Field, Input, Step, Variant};
use bounds::Bounds;

mod absent;
mod adapter;
mod bounds;
mod companion;
mod document;
mod handles;
mod index;
mod partial;
mod plain;
mod walk;

/// Everything that the derive adds to the program.
pub fn expand(input: &Input<'_>) -> TokenStream {
    let context = Context::new(input);
    let companion = companion::item(&context);
    let hidden = [
        companion::impls(&context),
        adapter::items(&context),
        partial::item(&context),
        index::items(&context),
        walk::implementation(&context),
        handles::implementation(&context),
        document::impls(&context),
        plain::impls(&context),
        plain::assertions(&context),
        index::assertions(&context),
    ];
    quote! {
        #companion

        #[doc(hidden)]
        #[allow(
            deprecated, missing_docs, non_camel_case_types, non_snake_case, private_bounds, private_interfaces,
            unreachable_pub, unused_qualifications
        )]
        const _: () = {
            #(#hidden)*
        };
    }
}

/// What every part of the expansion needs.
pub struct Context<'a> {
    pub input: &'a Input<'a>,
    pub bounds: Bounds,
    /// `__private` of the `fireseal` crate.
    pub private: TokenStream,
    /// `serde`, as `fireseal` re-exports it.
    pub serde: TokenStream,
    /// The name of the partial type.
    pub partial: Ident,
    /// The variable that holds the walk.
    pub walk: Ident,
}

impl<'a> Context<'a> {
    fn new(input: &'a Input<'a>) -> Self {
        let krate = &input.krate;
        Self {
            input,
            bounds: Bounds::new(input),
            private: quote!(#krate::__private),
            serde: quote!(#krate::__private::serde),
            partial: format_ident!("__Partial{}", input.ident.unraw()),
            walk: local("__walk"),
        }
    }

    /// The partial type as it is used, with its parameters.
    pub fn partial_type(&self) -> TokenStream {
        let (ident, (_, params, _)) = (&self.partial, self.input.generics.split_for_impl());
        quote!(#ident #params)
    }

    /// `expr`, one step deeper in the stored path.
    pub fn step(&self, step: &Step, expr: TokenStream) -> TokenStream {
        let walk = &self.walk;
        match step {
            Step::None => expr,
            Step::Key(name) => quote!(#walk.key(#name, |#walk| #expr)),
            Step::Index(index) => quote!(#walk.index(#index, |#walk| #expr)),
        }
    }

    /// `expr` below the field's step in the stored path, which may be one of its aliases.
    pub fn read_step(&self, field: &Field<'_>, expr: TokenStream) -> TokenStream {
        let (walk, aliases) = (&self.walk, &field.names.aliases);
        match &field.step {
            Step::Key(name) if !aliases.is_empty() => {
                quote!(#walk.key_read(#name, &[#(#aliases),*], |#walk| #expr))
            }
            step => self.step(step, expr),
        }
    }

    /// `block`, which returns `output`, below the variant's own step in the stored path; in reading,
    /// that may be one of its aliases.
    pub fn variant_step(
        &self,
        variant: &Variant<'_>,
        output: &TokenStream,
        reading: bool,
        block: TokenStream,
    ) -> TokenStream {
        let (walk, aliases) = (&self.walk, &variant.names.aliases);
        match variant.step().filter(|_| variant.holds_sealed()) {
            Some(name) if reading && !aliases.is_empty() => {
                quote!(#walk.key_read(#name, &[#(#aliases),*], |#walk| -> #output { #block }))
            }
            Some(name) => quote!(#walk.key(#name, |#walk| -> #output { #block })),
            None => quote!({ #block }),
        }
    }
}

/// A variable that no name of the user's can meet.
pub fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// A name for an item that belongs to one field, unique within the type.
pub fn item_name(prefix: &str, variant: &Variant<'_>, field: &Field<'_>) -> Ident {
    let variant = variant.original.map(|variant| variant.ident.unraw().to_string()).unwrap_or_default();
    format_ident!("{prefix}{variant}_{}", field.label())
}
