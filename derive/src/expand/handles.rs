//! `impl Queryable`: a handle for each field, and the description of what is stored.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{GenericParam, Generics, LitStr, parse_quote};

use super::{Context, absent, adapter, index, local, walk};
use crate::ast::{Field, Kind, Step, Variant};
use crate::attr::index::Compound;

pub fn implementation(context: &Context<'_>) -> TokenStream {
    let input = context.input;
    let krate = &input.krate;
    let (parameters, _, _) = input.generics.split_for_impl();
    let clause = context.bounds.queryable.where_clause(&input.generics);
    let plain = input.plain_type();
    let head = quote! {
        #[automatically_derived]
        impl #parameters #krate::query::Queryable for #plain #clause
    };
    let at = local("__at");
    let schema = local("__schema");
    let Some(variant) = index::named(context) else {
        return quote! {
            #head {
                type Handles<__D> = #krate::query::Opaque;

                fn handles<__D>(_: &#krate::query::At) -> #krate::query::Opaque {
                    #krate::query::Opaque::new()
                }

                fn describe(#at: &#krate::query::At, #schema: &mut #krate::query::Schema) {
                    #schema.field(#at, #krate::query::Stored::Holding, &[]);
                }
            }
        };
    };
    let item = item(context, variant, &clause);
    let handles = with_document(&input.generics);
    let (_, handles_params, _) = handles.split_for_impl();
    let name = item_name(context);
    let made = made(context, variant, &at);
    let described = described(context, variant, &at, &schema);
    quote! {
        #item

        #head {
            type Handles<__D> = #name #handles_params;

            fn handles<__D>(#at: &#krate::query::At) -> #name #handles_params {
                #made
            }

            fn describe(#at: &#krate::query::At, #schema: &mut #krate::query::Schema) {
                #schema.within::<Self>(|#schema| { #described });
            }
        }
    }
}

fn item_name(context: &Context<'_>) -> Ident {
    format_ident!("__FieldsOf{}", context.input.ident.unraw())
}

/// The generics, and one for the document.
fn with_document(generics: &Generics) -> Generics {
    let mut generics = generics.clone();
    let document: GenericParam = parse_quote!(__D);
    generics.params.insert(0, document);
    generics
}

/// Whether the field has a handle. What is not written is not there to be asked for.
pub fn has_handle(field: &Field<'_>) -> bool {
    matches!(field.kind, Kind::Id(_)) || !field.serde.unwritten()
}

/// The struct of handles, and its `Clone`.
fn item(context: &Context<'_>, variant: &Variant<'_>, clause: &TokenStream) -> TokenStream {
    let input = context.input;
    let krate = &input.krate;
    let (name, vis, plain) = (item_name(context), &input.original.vis, input.plain_type());
    let generics = with_document(&input.generics);
    let (parameters, params, _) = generics.split_for_impl();
    let fields = variant.fields.iter().filter(|field| has_handle(field)).map(|field| {
        let (vis, member, ty) = (&field.original.vis, &field.member, handle_type(context, field));
        quote!(#vis #member: #ty)
    });
    let compounds = input.attrs.compounds.iter().map(|compound| {
        let parts = index::parts(variant, compound);
        // A handle as visible as the struct: it stands for no field of its own.
        let (name, types) = (compound_ident(compound), parts.iter().map(|part| &part.ty));
        quote!(#vis #name: #krate::query::Compound<__D, (#(#types,)*)>)
    });
    let members: Vec<_> = members(context, variant).collect();
    quote! {
        #[allow(dead_code)]
        #vis struct #name #parameters #clause {
            #(#fields,)*
            #(#compounds,)*
            __document: ::core::marker::PhantomData<fn() -> (__D, #plain)>,
        }

        #[automatically_derived]
        impl #parameters ::core::clone::Clone for #name #params #clause {
            fn clone(&self) -> Self {
                Self {
                    #(#members: ::core::clone::Clone::clone(&self.#members),)*
                    __document: ::core::marker::PhantomData,
                }
            }
        }
    }
}

/// The names of all handles.
fn members(context: &Context<'_>, variant: &Variant<'_>) -> impl Iterator<Item = TokenStream> {
    let fields = variant.fields.iter().filter(|field| has_handle(field)).map(|field| {
        let member = &field.member;
        quote!(#member)
    });
    let compounds = context.input.attrs.compounds.iter().map(|compound| {
        let name = compound_ident(compound);
        quote!(#name)
    });
    fields.chain(compounds)
}

fn compound_ident(compound: &Compound) -> Ident {
    // The name's own span, so that errors about the handle point at it.
    let name = &compound.name;
    Ident::new(&name.value(), Span::call_site().located_at(name.span()))
}

fn handle_type(context: &Context<'_>, field: &Field<'_>) -> TokenStream {
    let (krate, ty) = (&context.input.krate, &field.ty);
    match &field.kind {
        Kind::Id(_) => quote!(#krate::query::Id<__D>),
        Kind::Clear if field.serde.flatten.is_some() => quote!(#krate::query::Opaque),
        Kind::Clear => quote!(#krate::query::Clear<__D, #ty>),
        Kind::Nested(_) => quote_spanned!(ty.span()=> #krate::query::Nested<__D, #ty>),
        Kind::Sensitive(_) => {
            let marker = index::marker(field);
            quote!(#krate::query::SealedField<__D, #ty, #marker>)
        }
    }
}

/// Where the field is stored.
fn place(field: &Field<'_>, at: &Ident) -> TokenStream {
    let aliases = &field.names.aliases;
    match &field.step {
        Step::Key(name) => quote!(#at.key(#name, &[#(#aliases),*])),
        Step::None | Step::Index(_) => quote!(::core::clone::Clone::clone(#at)),
    }
}

/// The struct of handles from where the struct is stored.
fn made(context: &Context<'_>, variant: &Variant<'_>, at: &Ident) -> TokenStream {
    let krate = &context.input.krate;
    let fields: Vec<_> = variant.fields.iter().filter(|field| has_handle(field)).collect();
    let bindings = fields.iter().map(|field| &field.binding);
    let types = fields.iter().map(|field| handle_type(context, field));
    let values = fields.iter().map(|field| handle(context, variant, field, at));
    let compounds = context.input.attrs.compounds.iter().map(|compound| {
        let (name, info) = (compound_ident(compound), index::compound_info(context, compound));
        let parts = index::parts(variant, compound);
        let handles = parts.iter().map(|part| {
            let binding = &part.binding;
            if part.is_clear() {
                let scalar = scalar(context, variant, part);
                quote!(#binding.part(#scalar))
            } else {
                quote!(#binding.part())
            }
        });
        let scalars = scalars(context, variant, &parts);
        quote!(#name: #krate::query::Compound::new(#at, &#info, [#(#handles),*], #scalars))
    });
    let compounds: Vec<_> = compounds.collect();
    let members = fields.iter().map(|field| &field.member);
    let named = fields.iter().map(|field| &field.binding);
    let name = item_name(context);
    quote! {
        #(let #bindings: #types = #values;)*
        #name {
            #(#compounds,)*
            #(#members: #named,)*
            __document: ::core::marker::PhantomData,
        }
    }
}

fn handle(context: &Context<'_>, variant: &Variant<'_>, field: &Field<'_>, at: &Ident) -> TokenStream {
    let (krate, walk, ty) = (&context.input.krate, &context.walk, &field.ty);
    let (private, place) = (&context.private, place(field, at));
    match &field.kind {
        Kind::Id(_) => {
            let (name, aliases) = (&field.names.stored, &field.names.aliases);
            quote!(#krate::query::Id::new(#at, #name, &[#(#aliases),*]))
        }
        Kind::Clear if field.serde.flatten.is_some() => quote!(#krate::query::Opaque::new()),
        Kind::Clear => {
            let (encode, decode) = (encode(context, variant, field), decode(context, variant, field));
            quote!(#krate::query::Clear::new(#place, #encode, #decode))
        }
        Kind::Nested(_) => quote!(#krate::query::Nested::new(#place)),
        Kind::Sensitive(_) => {
            let (scalar, binding) = (wiped_scalar(context, variant, field), &field.binding);
            let reveal = walk::reveal_sensitive(context, variant, field);
            quote! {
                #krate::query::SealedField::new(
                    #place,
                    #scalar,
                    |#binding: #krate::Sealed<#ty>, #walk: &mut #private::Walk<#private::Reveal<'_>>| #reveal,
                )
            }
        }
    }
}

/// A closure that gives a clear field's stored value.
fn encode(context: &Context<'_>, variant: &Variant<'_>, field: &Field<'_>) -> TokenStream {
    let (private, ty, plain) = (&context.private, &field.ty, local("__plain"));
    let (wrapped, _) = adapter::wrapped(context, variant, field, quote!(#plain));
    let encode = quote_spanned!(ty.span()=> #private::one::encode);
    quote!(|#plain: &#ty| #encode(#wrapped))
}

/// A closure that reads a clear field's stored value.
fn decode(context: &Context<'_>, variant: &Variant<'_>, field: &Field<'_>) -> TokenStream {
    let (private, ty) = (&context.private, &field.ty);
    let (value, plain) = (local("__value"), local("__plain"));
    if field.serde.unread() {
        let default = absent::unread(context, field);
        return quote!(|_| ::core::option::Option::Some(#default));
    }
    let absent = absent::value(context, field);
    let (decoded, unwrap) = adapter::unwrapped(context, variant, field);
    let decode = quote_spanned!(ty.span()=> #private::one::decode::<#decoded>);
    quote! {
        |#value| match #value {
            ::core::option::Option::Some(#plain) => #decode(#plain).map(#unwrap),
            ::core::option::Option::None => (#absent)(),
        }
    }
}

/// A closure that gives a sensitive field's value as it is indexed, and wipes it where the type is wiped.
fn wiped_scalar(context: &Context<'_>, variant: &Variant<'_>, field: &Field<'_>) -> TokenStream {
    let (private, ty, plain) = (&context.private, &field.ty, local("__plain"));
    let scalar = scalar(context, variant, field);
    if context.input.attrs.zeroize.is_none() {
        return quote!(|#plain: #ty| (#scalar)(&#plain));
    }
    let wipe = quote_spanned!(ty.span()=> <#ty as #private::Zeroize>::zeroize);
    quote! {
        |mut #plain: #ty| {
            let __scalar = (#scalar)(&#plain);
            #wipe(&mut #plain);
            __scalar
        }
    }
}

/// A closure that gives a clear field's value as it is indexed.
fn scalar(context: &Context<'_>, variant: &Variant<'_>, field: &Field<'_>) -> TokenStream {
    let (private, ty, plain) = (&context.private, &field.ty, local("__plain"));
    let indexed = index::indexed(context, variant, field, quote!(#plain));
    let scalar = quote_spanned!(ty.span()=> #private::scalar);
    quote!(|#plain: &#ty| #scalar(#indexed))
}

/// A closure that gives the values of a compound index as they are indexed.
fn scalars(context: &Context<'_>, variant: &Variant<'_>, parts: &[&Field<'_>]) -> TokenStream {
    let (private, values) = (&context.private, local("__values"));
    let types = parts.iter().map(|part| &part.ty);
    let scalars = parts.iter().enumerate().map(|(position, part)| {
        let position = syn::Index::from(position);
        let indexed = index::indexed(context, variant, part, quote!(&#values.#position));
        quote!(#private::scalar(#indexed)?)
    });
    let scalars =
        quote!(::core::result::Result::Ok(<[_]>::into_vec(::std::boxed::Box::new([#(#scalars),*]))));
    if context.input.attrs.zeroize.is_none() {
        return quote!(|#values: (#(#types,)*)| #scalars);
    }
    let wiped =
        parts.iter().enumerate().filter(|(_, part)| part.sensitive().is_some()).map(|(position, part)| {
            let (position, ty) = (syn::Index::from(position), &part.ty);
            let wipe = quote_spanned!(ty.span()=> <#ty as #private::Zeroize>::zeroize);
            quote!(#wipe(&mut #values.#position);)
        });
    quote! {
        |mut #values: (#(#types,)*)| {
            let __scalars = (|| #scalars)();
            #(#wiped)*
            __scalars
        }
    }
}

/// The description of every stored field.
fn described(context: &Context<'_>, variant: &Variant<'_>, at: &Ident, schema: &Ident) -> TokenStream {
    let input = context.input;
    let krate = &input.krate;
    let tag = input.serde.tag.as_ref().map(LitStr::value);
    let tag = tag.map(|tag| quote!(#schema.field(&#at.key(#tag, &[]), #krate::query::Stored::Clear, &[]);));
    let stored = variant.fields.iter().filter(|field| !field.serde.unwritten());
    let fields = stored.map(|field| {
        let (ty, place) = (&field.ty, place(field, at));
        match &field.kind {
            Kind::Clear if field.serde.flatten.is_some() => quote!(#schema.open();),
            Kind::Nested(_) => {
                let describe = quote_spanned!(ty.span()=> <#ty as #krate::query::Queryable>::describe);
                quote!(#describe(&#place, #schema);)
            }
            Kind::Clear => quote!(#schema.field(&#place, #krate::query::Stored::Clear, &[]);),
            Kind::Id(_) => quote!(#schema.field(&#place, #krate::query::Stored::Id, &[]);),
            Kind::Sensitive(_) => {
                let marker = index::marker(field);
                let infos = quote!(<#marker as #krate::query::Indexes>::INFOS);
                quote!(#schema.field(&#place, #krate::query::Stored::Sealed, #infos);)
            }
        }
    });
    let compounds = input.attrs.compounds.iter().map(|compound| {
        let info = index::compound_info(context, compound);
        let places = index::parts(variant, compound).into_iter().map(|part| place(part, at));
        quote!(#schema.compound(#at, &[#(#places),*], &#info);)
    });
    quote!(#tag #(#fields)* #(#compounds)*)
}
