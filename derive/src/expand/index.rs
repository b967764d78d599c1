//! The indexes: what they are, and the walk that collects the values.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Member;
use syn::spanned::Spanned;

use super::{Context, adapter};
use crate::ast::{Field, Kind, Style, Variant};
use crate::attr::index::{Compound, Index, Kind as IndexKind, Range, Tokens};
use crate::ty;

/// The one variant of a struct with named fields, which alone can have indexes.
pub fn named<'c, 'a>(context: &'c Context<'a>) -> Option<&'c Variant<'a>> {
    if context.input.is_enum() {
        return None;
    }
    context.input.variants.first().filter(|variant| variant.style == Style::Named)
}

/// The type that stands for the indexes of a field, `()` where it has none.
pub fn marker(field: &Field<'_>) -> TokenStream {
    let indexed = field.sensitive().is_some_and(|sensitive| !sensitive.indexes.is_empty());
    let name = marker_name(field);
    if indexed { quote!(#name) } else { quote!(()) }
}

fn marker_name(field: &Field<'_>) -> Ident {
    format_ident!("__Index_{}", field.label())
}

/// The types that stand for the indexes of each field that has any.
pub fn items(context: &Context<'_>) -> TokenStream {
    let Some(variant) = named(context) else { return TokenStream::new() };
    let indexed = variant.fields.iter().filter_map(|field| Some((field, &field.sensitive()?.indexes)));
    indexed
        .filter(|(_, indexes)| !indexes.is_empty())
        .map(|(field, indexes)| {
            let (krate, private, vis) = (&context.input.krate, &context.private, &context.input.original.vis);
            let name = marker_name(field);
            let infos = indexes.iter().map(|index| info(context, index));
            let kinds = indexes.iter().map(|index| {
                let (kind, constant) = match index.kind {
                    IndexKind::Equality | IndexKind::Unique => ("HasEquality", "EQUALITY"),
                    IndexKind::Prefix { .. } => ("HasPrefix", "PREFIX"),
                    IndexKind::Words => ("HasWords", "WORDS"),
                    IndexKind::Range(_) => ("HasRange", "RANGE"),
                };
                let (kind, constant, info) =
                    (format_ident!("{kind}"), format_ident!("{constant}"), info(context, index));
                quote! {
                    #[automatically_derived]
                    impl #krate::query::#kind for #name {
                        const #constant: &'static #private::IndexInfo = &#info;
                    }
                }
            });
            quote! {
                #vis enum #name {}

                #[automatically_derived]
                impl #krate::query::Indexes for #name {
                    const INFOS: &'static [#private::IndexInfo] = &[#(#infos),*];
                }

                #(#kinds)*
            }
        })
        .collect()
}

fn info(context: &Context<'_>, index: &Index) -> TokenStream {
    let private = &context.private;
    let kind = match &index.kind {
        IndexKind::Equality => quote!(Equality),
        IndexKind::Unique => quote!(Unique),
        IndexKind::Prefix { min, max } => quote!(Prefix { min: #min, max: #max }),
        IndexKind::Words => quote!(Words),
        IndexKind::Range(range) => {
            let range = match range {
                Range::Integer { min, max, step } => quote!(Integer { min: #min, max: #max, step: #step }),
                Range::Decimal { min, max, step } => quote!(Decimal { min: #min, max: #max, step: #step }),
                Range::Time { min, max, step } => quote!(Time { min: #min, max: #max, step: #step }),
            };
            quote!(Range(#private::Range::#range))
        }
    };
    let tokens = tokens(context, &index.tokens);
    quote!(#private::IndexInfo { kind: #private::IndexKind::#kind, #tokens })
}

fn tokens(context: &Context<'_>, tokens: &Tokens) -> TokenStream {
    let (private, normalize, bits) = (&context.private, &tokens.normalize, tokens.bits);
    quote!(normalize: &[#(#private::Normalizer::#normalize),*], bits: #bits)
}

/// What a compound index is.
pub fn compound_info(context: &Context<'_>, compound: &Compound) -> TokenStream {
    let (private, name, tokens) = (&context.private, &compound.name, tokens(context, &compound.tokens));
    quote!(#private::CompoundInfo { name: #name, #tokens })
}

/// The fields of a compound index.
pub fn parts<'v, 'a>(variant: &'v Variant<'a>, compound: &Compound) -> Vec<&'v Field<'a>> {
    let find = |name: &Ident| variant.fields.iter().find(|field| field.member == Member::Named(name.clone()));
    compound.fields.iter().filter_map(find).collect()
}

/// A reference to something that serializes as the field is indexed, from a reference to its value.
pub fn indexed(
    context: &Context<'_>,
    variant: &Variant<'_>,
    field: &Field<'_>,
    plain: TokenStream,
) -> TokenStream {
    let (private, ty) = (&context.private, &field.ty);
    if field.sensitive().is_some_and(|sensitive| sensitive.bytes.is_some()) {
        return quote!(&#private::one::raw::<#ty>(#plain));
    }
    adapter::wrapped(context, variant, field, plain).0
}

/// `INDEXED` and `index` of `impl Sealable`; nothing where they are the trait's own.
pub fn walk(context: &Context<'_>) -> TokenStream {
    let Some(variant) = named(context) else { return TokenStream::new() };
    let (krate, private, walk) = (&context.input.krate, &context.private, &context.walk);
    let fields: Vec<_> = variant.fields.iter().filter_map(|field| collect(context, variant, field)).collect();
    let compounds = context.input.attrs.compounds.iter().map(|compound| {
        let info = compound_info(context, compound);
        let parts = parts(variant, compound);
        let values = parts.iter().map(|part| {
            let binding = &part.binding;
            indexed(context, variant, part, quote!(#binding))
        });
        let unstored = parts.iter().filter_map(|part| unstored(part)).collect::<Vec<_>>();
        quote! {
            if !(false #(|| #unstored)*) {
                #walk.compound(&#info, &[#(#values as &dyn #private::Part),*])?;
            }
        }
    });
    let compounds: Vec<_> = compounds.collect();
    if fields.is_empty() && compounds.is_empty() {
        return TokenStream::new();
    }
    let in_compound =
        |field: &Field<'_>| {
            context.input.attrs.compounds.iter().any(|compound| {
                compound.fields.iter().any(|name| field.member == Member::Named(name.clone()))
            })
        };
    let pattern_of =
        |ident| variant.bound_where(ident, |field| collects(context, field) || in_compound(field));
    let pattern = pattern_of(context.input.ident);
    let constant = constant(context, variant);
    let partial = walk_partial(context, variant, pattern_of(&context.partial));
    quote! {
        #constant

        #partial

        fn index(
            &self,
            #walk: &mut #private::Walk<#private::Index>,
        ) -> ::core::result::Result<(), #krate::SealError> {
            match self {
                #pattern => {
                    #(#fields)*
                    #(#compounds)*
                    ::core::result::Result::Ok(())
                }
            }
        }
    }
}

/// The same of the partial type: what did not open is told.
fn walk_partial(context: &Context<'_>, variant: &Variant<'_>, pattern: TokenStream) -> TokenStream {
    let (krate, private, walk) = (&context.input.krate, &context.private, &context.walk);
    let fields = variant.fields.iter().filter_map(|field| collect_partial(context, variant, field));
    let compounds = context.input.attrs.compounds.iter().map(|compound| {
        let info = compound_info(context, compound);
        let parts = parts(variant, compound);
        let bindings: Vec<_> = parts.iter().map(|part| &part.binding).collect();
        let opened = parts.iter().map(|part| {
            let binding = &part.binding;
            match part.sensitive() {
                Some(_) => quote!(::core::result::Result::as_ref(#binding).ok()),
                None => quote!(::core::option::Option::Some(#binding)),
            }
        });
        let values = parts.iter().map(|part| {
            let binding = &part.binding;
            indexed(context, variant, part, quote!(#binding))
        });
        let unstored = parts.iter().filter_map(|part| unstored(part)).collect::<Vec<_>>();
        quote! {
            match (#(#opened,)*) {
                (#(::core::option::Option::Some(#bindings),)*) => {
                    if !(false #(|| #unstored)*) {
                        #walk.compound(&#info, &[#(#values as &dyn #private::Part),*])?;
                    }
                }
                _ => #walk.key(#info.name, |#walk| #walk.closed()),
            }
        }
    });
    quote! {
        fn index_partial(
            __partial: &Self::Partial,
            #walk: &mut #private::Walk<#private::Index>,
        ) -> ::core::result::Result<(), #krate::SealError> {
            match __partial {
                #pattern => {
                    #(#fields)*
                    #(#compounds)*
                    ::core::result::Result::Ok(())
                }
            }
        }
    }
}

fn collect_partial(context: &Context<'_>, variant: &Variant<'_>, field: &Field<'_>) -> Option<TokenStream> {
    if !collects(context, field) {
        return None;
    }
    let (krate, walk, binding, ty) = (&context.input.krate, &context.walk, &field.binding, &field.ty);
    if field.is_nested() {
        let nested = quote_spanned!(ty.span()=> <#ty as #krate::Sealable>::index_partial);
        let value = context.step(&field.step, quote!(#nested(#binding, #walk)));
        return Some(quote!(#value?;));
    }
    let opened = collect(context, variant, field)?;
    let closed = context.step(&field.step, quote!(#walk.closed()));
    Some(quote! {
        match #binding {
            ::core::result::Result::Ok(#binding) => { #opened }
            ::core::result::Result::Err(_) => #closed,
        }
    })
}

/// Whether the walk has to go to the field.
fn collects(context: &Context<'_>, field: &Field<'_>) -> bool {
    match &field.kind {
        Kind::Clear | Kind::Id(_) => false,
        // What need not be walked is proved by an assertion, which is made of types that are known.
        Kind::Nested(_) => !ty::in_many(&field.ty) || ty::is_generic(&field.ty, &context.input.generics),
        Kind::Sensitive(sensitive) => !sensitive.indexes.is_empty(),
    }
}

fn collect(context: &Context<'_>, variant: &Variant<'_>, field: &Field<'_>) -> Option<TokenStream> {
    if !collects(context, field) {
        return None;
    }
    let (krate, walk, binding, ty) = (&context.input.krate, &context.walk, &field.binding, &field.ty);
    let value = if field.is_nested() {
        let nested = quote_spanned!(ty.span()=> <#ty as #krate::Sealable>::index);
        quote!(#nested(#binding, #walk))
    } else {
        let (value, marker) = (indexed(context, variant, field, quote!(#binding)), marker(field));
        quote!(#walk.value(#value, <#marker as #krate::query::Indexes>::INFOS))
    };
    let value = context.step(&field.step, value);
    Some(match unstored(field).filter(|_| !field.is_nested()) {
        Some(unstored) => quote!(if !#unstored { #value?; }),
        None => quote!(#value?;),
    })
}

/// Whether a value is not stored, where `skip_serializing_if` says so.
fn unstored(field: &Field<'_>) -> Option<TokenStream> {
    let (_, predicate) = field.serde.skip_serializing_if.as_ref()?;
    let (predicate, binding) = (predicate.as_ref()?, &field.binding);
    Some(quote!(#predicate(#binding)))
}

fn constant(context: &Context<'_>, variant: &Variant<'_>) -> TokenStream {
    let krate = &context.input.krate;
    let own = !context.input.attrs.compounds.is_empty()
        || variant
            .fields
            .iter()
            .any(|field| field.sensitive().is_some_and(|sensitive| !sensitive.indexes.is_empty()));
    if own {
        return quote!(
            const INDEXED: bool = true;
        );
    }
    // A type that holds itself has an index if the rest of it has: to ask it would never end.
    let nested = variant.fields.iter().filter(|field| {
        let ty = &field.ty;
        field.is_nested() && !ty::in_many(ty) && !ty::mentions(quote!(#ty), context.input.ident)
    });
    let nested = nested.map(|field| {
        let ty = &field.ty;
        quote!(<#ty as #krate::Sealable>::INDEXED)
    });
    quote!(const INDEXED: bool = false #(|| #nested)*;)
}

/// Fails to compile where an index stands inside an array, a map, an enum or a tuple.
pub fn assertions(context: &Context<'_>) -> TokenStream {
    let input = context.input;
    let krate = &input.krate;
    let is_named = named(context).is_some();
    let refused = input.fields().filter(|field| {
        field.is_nested()
            && (!is_named || ty::in_many(&field.ty))
            && !ty::is_generic(&field.ty, &input.generics)
    });
    refused
        .map(|field| {
            let place = if is_named { "an array or a map" } else { "an enum or a tuple" };
            let message = format!(
                "field `{}` holds a type with an index, but nothing inside {place} can be asked for: remove the index, \
                 or keep the indexed value in a field of the document or of a nested struct",
                field.label()
            );
            let leaf = ty::leaf(&field.ty);
            quote_spanned! {field.ty.span()=>
                const _: () = ::core::assert!(!<#leaf as #krate::Sealable>::INDEXED, #message);
            }
        })
        .collect()
}
