//! The companion: the type that is stored, with serde's impls; `Clone` and `Debug`, which ask nothing
//! of the types that are sealed.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::ext::IdentExt;
use syn::{GenericParam, LitStr, Meta, parse_quote};

use super::{Context, absent};
use crate::ast::{Field, Kind, Names, Style, Tagging, Variant};
use crate::attr;
use crate::shape::{sealed_type, shaped};
use crate::ty;

/// The companion itself.
pub fn item(context: &Context<'_>) -> TokenStream {
    let (input, serde) = (context.input, &context.serde);
    let (sealed, vis, derives) = (&input.sealed, &input.original.vis, &input.attrs.derives);
    let parameters = &input.generics;
    let parameters = quote!(#parameters);
    let clause = context.bounds.companion.where_clause(&input.generics);
    let doc = format!(
        "[`{}`] as it is stored, with each sensitive field sealed. Its clear fields are unverified until it is \
         opened: whoever writes the database can have changed them.",
        input.ident
    );
    let carried = attr::carried(&input.original.attrs);
    let container = container_attrs(context);
    let derives = if derives.is_empty() { TokenStream::new() } else { quote!(#[derive(#(#derives),*)]) };
    let head = quote! {
        #[doc = #doc]
        #[doc = ""]
        #carried
        #[derive(#serde::Serialize, #serde::Deserialize)]
        #derives
        #[serde(#container)]
        #vis
    };
    let variant_attrs = |variant: &Variant<'_>| variant_attrs(context, variant);
    shaped(input, &head, &quote!(#sealed #parameters), &clause, variant_attrs, |variant, field| {
        let carried = attr::carried(&field.original.attrs);
        let mut serde = field_attrs(context, variant, field);
        if reads_by_itself(variant) {
            serde.retain(|meta| !meta.path().is_ident("skip_deserializing"));
            for meta in serde.iter_mut().filter(|meta| meta.path().is_ident("skip")) {
                *meta = parse_quote!(skip_serializing);
            }
        }
        let serde = if serde.is_empty() { TokenStream::new() } else { quote!(#[serde(#(#serde),*)]) };
        (quote!(#carried #serde), sealed_type(input, field))
    })
}

/// `Clone`, `Debug`, and the functions that the serde attributes name.
pub fn impls(context: &Context<'_>) -> TokenStream {
    let mut all = clone(context);
    all.extend(debug(context));
    all.extend(functions(context));
    all
}

fn container_attrs(context: &Context<'_>) -> TokenStream {
    let input = context.input;
    let path = text(&context.serde);
    let readable = input.variants.iter().any(reads_by_itself);
    let kept = input.serde.kept.iter().filter(|meta| !(readable && meta.path().is_ident("rename")));
    let mut attrs = quote!(crate = #path);
    if readable {
        // The name of an externally tagged enum is not stored. This one tells the check of clear
        // values that the struct variants can be read back.
        attrs.extend(quote!(, rename = "fireseal::readable"));
    } else if !input.serde.has_rename {
        let name = input.ident.unraw().to_string();
        attrs.extend(quote!(, rename = #name));
    }
    if input.generics.type_params().next().is_some() {
        let (write, read) = (context.bounds.serialize.text(), context.bounds.deserialize.text());
        attrs.extend(quote!(, bound(serialize = #write, deserialize = #read)));
    }
    quote!(#attrs #(, #kept)*)
}

fn variant_attrs(context: &Context<'_>, variant: &Variant<'_>) -> TokenStream {
    let Some(original) = variant.original else { return TokenStream::new() };
    let mut metas = renames(&original.ident, &variant.names, &variant.serde.aliases);
    metas.extend(variant.serde.kept.iter().chain(&variant.serde.plain_only).cloned());
    if reads_by_itself(variant) {
        let function = assoc_function(context, &read_function(original));
        metas.push(parse_quote!(deserialize_with = #function));
    }
    let carried = attr::carried(&original.attrs);
    let default = original.attrs.iter().filter(|attr| attr.path().is_ident("default"));
    let default = default.filter(|_| context.input.attrs.derives.iter().any(|path| path.is_ident("Default")));
    let serde = if metas.is_empty() { TokenStream::new() } else { quote!(#[serde(#(#metas),*)]) };
    quote!(#carried #(#default)* #serde)
}

/// The words of `#[serde(..)]` on a field of the companion.
fn field_attrs(context: &Context<'_>, variant: &Variant<'_>, field: &Field<'_>) -> Vec<Meta> {
    let serde = &field.serde;
    let mut metas = Vec::new();
    if let Some(ident) = field.original.ident.as_ref().filter(|_| serde.flatten.is_none()) {
        metas.extend(renames(ident, &field.names, &serde.aliases));
    }
    metas.extend(serde.kept.iter().cloned());
    let own_default = serde.default_meta.iter().cloned();
    let whole_default = context.input.serde.default.is_some() && serde.flatten.is_none();
    match &field.kind {
        Kind::Sensitive(_) => {
            let defaults = match variant.style {
                Style::Named => {
                    variant.original.is_none_or(|_| variant.tagging != Tagging::None) || field.may_be_absent()
                }
                Style::Tuple => serde.default.is_some() || whole_default,
                Style::Newtype | Style::Unit => false,
            };
            if defaults {
                metas.push(parse_quote!(default));
            }
            if variant.style == Style::Named {
                let krate = &context.input.krate;
                let ty = &field.ty;
                let absent = text(&quote!(#krate::Sealed::<#ty>::is_absent));
                metas.push(parse_quote!(skip_serializing_if = #absent));
            }
        }
        Kind::Nested(_) => {
            metas.extend(kept_on_stored(field));
            let empty = whole_default && serde.default.is_none() && ty::has_empty_default(&field.ty);
            metas.extend(own_default);
            metas.extend(empty.then(|| -> Meta { parse_quote!(default) }));
        }
        Kind::Clear | Kind::Id(_) => {
            metas.extend(kept_on_stored(field));
            if whole_default && serde.default.is_none() && variant.style != Style::Newtype {
                let function = assoc_function(context, &default_function(field));
                metas.push(parse_quote!(default = #function));
            }
            metas.extend(own_default);
        }
    }
    metas
}

/// What serde keeps doing where a field is stored as it is.
fn kept_on_stored(field: &Field<'_>) -> impl Iterator<Item = Meta> {
    let serde = &field.serde;
    let conditional = serde.skip_serializing_if.as_ref().map(|(meta, _)| meta);
    serde.skips().chain(conditional).chain(&serde.with).chain(&serde.flatten).cloned()
}

/// `rename` and `alias`, where the stored name is not the Rust one.
fn renames(ident: &Ident, names: &Names, aliases: &[LitStr]) -> Vec<Meta> {
    let (write, read) = (&names.stored, &names.read);
    let mut metas: Vec<Meta> = Vec::new();
    if write != read {
        metas.push(parse_quote!(rename(serialize = #write, deserialize = #read)));
    } else if ident.unraw() != write {
        metas.push(parse_quote!(rename = #write));
    }
    metas.extend(aliases.iter().map(|alias| -> Meta { parse_quote!(alias = #alias) }));
    metas
}

/// Whether the variant is read through a struct of its own: the `firestore` crate writes a struct
/// variant of an externally tagged enum, but cannot read one back.
fn reads_by_itself(variant: &Variant<'_>) -> bool {
    variant.tagging == Tagging::External
        && variant.style == Style::Named
        && !variant.serde.plain_only.iter().any(|meta| {
            ["skip", "skip_deserializing", "with", "deserialize_with"]
                .iter()
                .any(|word| meta.path().is_ident(word))
        })
}

fn read_function(variant: &syn::Variant) -> Ident {
    format_ident!("__read_{}", variant.ident.unraw())
}

fn default_function(field: &Field<'_>) -> Ident {
    format_ident!("__default_{}", field.label())
}

/// A function of the companion, as a serde attribute names it.
fn assoc_function(context: &Context<'_>, function: &Ident) -> String {
    let sealed = context.input.sealed_type();
    text(&quote!(<#sealed>::#function))
}

/// Tokens as text, without the blanks that would be read as part of a path.
fn text(tokens: &impl ToTokens) -> String {
    tokens.to_token_stream().to_string()
}

fn functions(context: &Context<'_>) -> TokenStream {
    let input = context.input;
    let mut functions = Vec::new();
    for variant in &input.variants {
        if let Some(original) = variant.original.filter(|_| reads_by_itself(variant)) {
            functions.push(read_variant(context, variant, original));
        }
        let clear = variant.fields.iter().filter(|field| field.is_clear() && field.serde.default.is_none());
        for field in clear.filter(|field| field.serde.flatten.is_none() && variant.style != Style::Newtype) {
            if let Some(value) = absent::clear(context, field) {
                let (name, ty) = (default_function(field), &field.ty);
                functions.push(quote!(fn #name() -> #ty { #value }));
            }
        }
    }
    if functions.is_empty() {
        return TokenStream::new();
    }
    let (parameters, _, _) = input.generics.split_for_impl();
    let sealed = input.sealed_type();
    let clause = context.bounds.deserialize.where_clause(&input.generics);
    quote! {
        impl #parameters #sealed #clause {
            #(#functions)*
        }
    }
}

/// Reads a struct variant's content through a struct of the same fields.
fn read_variant(context: &Context<'_>, variant: &Variant<'_>, original: &syn::Variant) -> TokenStream {
    let (input, serde) = (context.input, &context.serde);
    let (path, read) = (text(serde), context.bounds.deserialize.text());
    let mut generics = input.generics.clone();
    for param in &mut generics.params {
        match param {
            GenericParam::Type(param) => param.default = None,
            GenericParam::Const(param) => param.default = None,
            GenericParam::Lifetime(_) => {}
        }
    }
    let (parameters, params, _) = generics.split_for_impl();
    let clause = context.bounds.companion.where_clause(&input.generics);
    let mut container = quote!(crate = #path, bound(deserialize = #read));
    let name = variant.names.stored.as_str();
    container.extend(quote!(, rename = #name));
    container.extend(input.serde.deny_unknown_fields.iter().map(|deny| quote!(, #deny)));
    let fields = variant.fields.iter().map(|field| {
        let (attrs, ty) = (field_attrs(context, variant, field), sealed_type(input, field));
        let ident = &field.original.ident;
        let attrs = if attrs.is_empty() { TokenStream::new() } else { quote!(#[serde(#(#attrs),*)]) };
        quote!(#attrs #ident: #ty)
    });
    let types = variant.fields.iter().map(|field| sealed_type(input, field));
    let members = variant.fields.iter().map(|field| &field.member);
    let (function, sealed) = (read_function(original), input.sealed_type());
    // All parameters are used here, whichever of them the variant uses.
    let marker = quote!(::core::marker::PhantomData<fn() -> #sealed>);
    quote! {
        fn #function<'de, __D: #serde::Deserializer<'de>>(
            __deserializer: __D,
        ) -> ::core::result::Result<(#(#types),*), __D::Error> {
            #[derive(#serde::Deserialize)]
            #[serde(#container)]
            struct __Content #parameters #clause {
                #(#fields,)*
                #[serde(skip)]
                __marker: #marker,
            }
            let __content = <__Content #params as #serde::Deserialize<'de>>::deserialize(__deserializer)?;
            ::core::result::Result::Ok((#(__content.#members),*))
        }
    }
}

fn clone(context: &Context<'_>) -> TokenStream {
    let input = context.input;
    let (parameters, _, _) = input.generics.split_for_impl();
    let clause = context.bounds.clone.where_clause(&input.generics);
    let (sealed, name) = (input.sealed_type(), &input.sealed);
    let arms = input.variants.iter().map(|variant| {
        let (pattern, path) = (variant.bound(name), variant.path(name));
        let fields = variant.fields.iter().map(|field| {
            let (member, binding) = (&field.member, &field.binding);
            quote!(#member: ::core::clone::Clone::clone(#binding))
        });
        quote!(#pattern => #path { #(#fields),* },)
    });
    quote! {
        #[automatically_derived]
        impl #parameters ::core::clone::Clone for #sealed #clause {
            fn clone(&self) -> Self {
                match self { #(#arms)* }
            }
        }
    }
}

fn debug(context: &Context<'_>) -> TokenStream {
    let input = context.input;
    let (parameters, _, _) = input.generics.split_for_impl();
    let clause = context.bounds.debug.where_clause(&input.generics);
    let (sealed, name) = (input.sealed_type(), &input.sealed);
    let arms = input.variants.iter().map(|variant| super::plain::debug_arm(variant, name, |_| false));
    quote! {
        #[automatically_derived]
        impl #parameters ::core::fmt::Debug for #sealed #clause {
            fn fmt(&self, __f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                match self { #(#arms)* }
            }
        }
    }
}
