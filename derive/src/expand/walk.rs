//! `impl Sealable`: the walks over all fields along their stored paths.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use super::{Context, absent, adapter, index, local, plain};
use crate::ast::{Field, Kind, Variant};

pub fn implementation(context: &Context<'_>) -> TokenStream {
    let (input, private, walk) = (context.input, &context.private, &context.walk);
    let krate = &input.krate;
    let (parameters, params, _) = input.generics.split_for_impl();
    let clause = context.bounds.sealable.where_clause(&input.generics);
    let (ident, sealed_ident, partial_ident) = (input.ident, &input.sealed, &context.partial);
    let (sealed, partial) = (input.sealed_type(), context.partial_type());

    let drafted = quote!(::core::result::Result<#sealed, #krate::SealError>);
    let visited = quote!(::core::result::Result<(), #krate::SealError>);
    let revealed = quote!(::core::option::Option<Self>);

    let draft = arms(context, &drafted, &|variant| {
        let fields = variant.fields.iter().map(|field| {
            let (binding, value) = (&field.binding, draft(context, variant, field));
            quote!(let #binding = #value;)
        });
        let result = variant.bound(sealed_ident);
        (variant.bound(ident), quote!(#(#fields)* ::core::result::Result::Ok(#result)))
    });
    let visit = arms(context, &visited, &|variant| {
        let fields = variant.fields.iter().filter_map(|field| visit(context, field));
        let pattern = variant.bound_where(sealed_ident, Field::is_sealed);
        (pattern, quote!(#(#fields)* ::core::result::Result::Ok(())))
    });
    let reveal = read_arms(context, &revealed, &|variant| {
        let fields = variant.fields.iter().filter_map(|field| reveal(context, variant, field));
        let path = variant.path(ident);
        let members = variant.fields.iter().map(|field| &field.member);
        let values = variant.fields.iter().map(|field| {
            let binding = &field.binding;
            if field.is_sealed() { quote!(#binding?) } else { quote!(#binding) }
        });
        let result = quote!(::core::option::Option::Some(#path { #(#members: #values),* }));
        let wiped = wiped_unless_all(context, variant);
        (variant.bound(sealed_ident), quote!(#(#fields)* #wiped #result))
    });
    let reveal_partial = read_arms(context, &partial, &|variant| {
        let fields = variant.fields.iter().filter_map(|field| reveal_partial(context, variant, field));
        let result = variant.bound(partial_ident);
        (variant.bound(sealed_ident), quote!(#(#fields)* #result))
    });
    let draft_partial = arms(context, &drafted, &|variant| {
        let fields = variant.fields.iter().map(|field| {
            let (binding, value) = (&field.binding, draft_partial(context, variant, field));
            quote!(let #binding = #value;)
        });
        let result = variant.bound(sealed_ident);
        (variant.bound(partial_ident), quote!(#(#fields)* ::core::result::Result::Ok(#result)))
    });

    let index = index::walk(context);
    let seal = seal(context);
    let sealed_argument = local("__sealed");
    let partial_argument = local("__partial");
    quote! {
        #[automatically_derived]
        impl #parameters #krate::Sealable for #ident #params #clause {
            type Sealed = #sealed;
            type Partial = #partial;

            #index

            #seal

            fn draft(&self, #walk: &mut #private::Walk<#private::Draft>) -> #drafted {
                match self { #draft }
            }

            fn visit(
                #sealed_argument: &mut #sealed,
                #walk: &mut #private::Walk<#private::Visit<'_>>,
            ) -> #visited {
                match #sealed_argument { #visit }
            }

            fn reveal(
                #sealed_argument: #sealed,
                #walk: &mut #private::Walk<#private::Reveal<'_>>,
            ) -> #revealed {
                match #sealed_argument { #reveal }
            }

            fn reveal_partial(
                #sealed_argument: #sealed,
                #walk: &mut #private::Walk<#private::Reveal<'_>>,
            ) -> #partial {
                match #sealed_argument { #reveal_partial }
            }

            fn draft_partial(
                #partial_argument: &#partial,
                #walk: &mut #private::Walk<#private::Draft>,
            ) -> #drafted {
                match #partial_argument { #draft_partial }
            }
        }
    }
}

/// What the document seal covers, where there is one.
fn seal(context: &Context<'_>) -> Option<TokenStream> {
    let (input, krate) = (context.input, &context.input.krate);
    input.attrs.authenticated.as_ref()?;
    let tag = input.serde.tag.as_ref().map(syn::LitStr::value);
    let stored = input.fields().filter(|field| field.serde.skip.is_none() && field.serde.flatten.is_none());
    let (unbound, covered): (Vec<_>, Vec<_>) = stored.partition(|field| field.unbound.is_some());
    let covered = covered.into_iter().flat_map(Field::all_names);
    let covered = tag.as_deref().into_iter().chain(covered);
    let unbound = unbound.into_iter().flat_map(Field::all_names);
    Some(quote! {
        const SEAL: ::core::option::Option<#krate::SealInfo> = ::core::option::Option::Some(#krate::SealInfo {
            covered: &[#(#covered),*],
            unbound: &[#(#unbound),*],
        });
    })
}

/// A pattern, and the block behind it.
type Arm<'a> = dyn Fn(&Variant<'_>) -> (TokenStream, TokenStream) + 'a;

/// A match arm for each variant: a pattern, and a block below the variant's own path step.
fn arms(context: &Context<'_>, output: &TokenStream, arm: &Arm<'_>) -> TokenStream {
    variant_arms(context, output, false, arm)
}

/// The same in reading, where the variant's step may be one of its aliases.
fn read_arms(context: &Context<'_>, output: &TokenStream, arm: &Arm<'_>) -> TokenStream {
    variant_arms(context, output, true, arm)
}

fn variant_arms(context: &Context<'_>, output: &TokenStream, reading: bool, arm: &Arm<'_>) -> TokenStream {
    let arms = context.input.variants.iter().map(|variant| {
        let (pattern, block) = arm(variant);
        let block = context.variant_step(variant, output, reading, block);
        quote!(#pattern => #block,)
    });
    arms.collect()
}

/// The companion's value of a field, from a reference to the plain one.
fn draft(context: &Context<'_>, variant: &Variant<'_>, field: &Field<'_>) -> TokenStream {
    let (krate, walk, binding, ty) = (&context.input.krate, &context.walk, &field.binding, &field.ty);
    match &field.kind {
        Kind::Clear | Kind::Id(_) => clone(field),
        Kind::Nested(_) => {
            let nested = quote_spanned!(ty.span()=> <#ty as #krate::Sealable>::draft);
            let value = context.step(&field.step, quote!(#nested(#binding, #walk)));
            quote!(#value?)
        }
        Kind::Sensitive(_) => {
            let value = draft_sensitive(context, variant, field, binding);
            let value = context.step(&field.step, value);
            quote!(#value?)
        }
    }
}

fn clone(field: &Field<'_>) -> TokenStream {
    let (ty, binding) = (&field.ty, &field.binding);
    let clone = quote_spanned!(ty.span()=> <#ty as ::core::clone::Clone>::clone);
    quote!(#clone(#binding))
}

/// The sealed field as a result, from a reference to its plain value.
fn draft_sensitive(
    context: &Context<'_>,
    variant: &Variant<'_>,
    field: &Field<'_>,
    plain: &Ident,
) -> TokenStream {
    let (private, walk, ty, span) = (&context.private, &context.walk, &field.ty, field.ty.span());
    let format = format(context, field);
    let bytes = field.sensitive().is_some_and(|sensitive| sensitive.bytes.is_some());
    let value = if bytes {
        let seal = quote_spanned!(span=> #private::Walk::<#private::Draft>::bytes::<#ty>);
        quote!(#seal(#walk, #plain, #format))
    } else {
        let (plain, encoded) = adapter::wrapped(context, variant, field, quote!(#plain));
        let seal = quote_spanned!(span=> #private::Walk::<#private::Draft>::field::<#ty, #encoded>);
        quote!(#seal(#walk, #plain, #format))
    };
    match &field.serde.skip_serializing_if {
        Some((_, Some(predicate))) => quote! {
            if #predicate(#plain) {
                ::core::result::Result::Ok(::core::default::Default::default())
            } else {
                #value
            }
        },
        _ => value,
    }
}

/// How the field is encoded.
fn format(context: &Context<'_>, field: &Field<'_>) -> TokenStream {
    let private = &context.private;
    match field.sensitive().and_then(|sensitive| sensitive.pad) {
        Some(pad) => quote!(const { #private::Format::new().padded(#pad) }),
        None => quote!(const { #private::Format::new() }),
    }
}

fn visit(context: &Context<'_>, field: &Field<'_>) -> Option<TokenStream> {
    let (krate, walk, binding, ty) = (&context.input.krate, &context.walk, &field.binding, &field.ty);
    let visit = match &field.kind {
        Kind::Clear | Kind::Id(_) => return None,
        Kind::Nested(_) => quote!(<#ty as #krate::Sealable>::visit(#binding, #walk)),
        Kind::Sensitive(_) => quote!(#walk.field(#binding)),
    };
    let visit = context.step(&field.step, visit);
    Some(quote!(#visit?;))
}

/// `let field = ..`, an `Option` where the field is sealed.
fn reveal(context: &Context<'_>, variant: &Variant<'_>, field: &Field<'_>) -> Option<TokenStream> {
    let (krate, walk, binding, ty) = (&context.input.krate, &context.walk, &field.binding, &field.ty);
    let value = match &field.kind {
        Kind::Clear | Kind::Id(_) => return None,
        Kind::Nested(_) => quote!(<#ty as #krate::Sealable>::reveal(#binding, #walk)),
        Kind::Sensitive(_) => {
            let opened = reveal_sensitive(context, variant, field);
            quote!(#opened.ok())
        }
    };
    let value = context.read_step(field, value);
    Some(quote!(let #binding = #value;))
}

/// Where one field does not open, the others are dropped before they are in the type that wipes them.
fn wiped_unless_all(context: &Context<'_>, variant: &Variant<'_>) -> Option<TokenStream> {
    context.input.attrs.zeroize.as_ref()?;
    let sensitive = || variant.fields.iter().filter(|field| field.sensitive().is_some());
    sensitive().next()?;
    let opened = sensitive().map(|field| &field.binding);
    let sealed = variant.fields.iter().filter(|field| field.is_sealed()).map(|field| &field.binding);
    let wiped =
        sensitive().map(|field| plain::wipe_opened(context, field, &quote!(::core::option::Option::Some)));
    Some(quote! {
        if #(#sealed.is_none())||* {
            #(let #opened = &mut { #opened };)*
            #(#wiped)*
            return ::core::option::Option::None;
        }
    })
}

fn reveal_partial(context: &Context<'_>, variant: &Variant<'_>, field: &Field<'_>) -> Option<TokenStream> {
    let (krate, walk, binding, ty) = (&context.input.krate, &context.walk, &field.binding, &field.ty);
    let value = match &field.kind {
        Kind::Clear | Kind::Id(_) => return None,
        Kind::Nested(_) => quote!(<#ty as #krate::Sealable>::reveal_partial(#binding, #walk)),
        Kind::Sensitive(_) => reveal_sensitive(context, variant, field),
    };
    let value = context.read_step(field, value);
    Some(quote!(let #binding = #value;))
}

/// The plain value as a result, from the sealed one.
pub fn reveal_sensitive(context: &Context<'_>, variant: &Variant<'_>, field: &Field<'_>) -> TokenStream {
    let (private, walk, binding, ty) = (&context.private, &context.walk, &field.binding, &field.ty);
    let (format, absent) = (format(context, field), absent::value(context, field));
    if field.sensitive().is_some_and(|sensitive| sensitive.bytes.is_some()) {
        return quote!(#walk.bytes::<#ty>(#binding, #format, #absent));
    }
    let (decoded, unwrap) = adapter::unwrapped(context, variant, field);
    let open = quote_spanned!(ty.span()=> #private::Walk::<#private::Reveal<'_>>::field::<#ty, #decoded>);
    quote!(#open(#walk, #binding, #format, #absent, #unwrap))
}

/// The companion's value of a field, from a reference to the partial one.
fn draft_partial(context: &Context<'_>, variant: &Variant<'_>, field: &Field<'_>) -> TokenStream {
    let (krate, walk, binding, ty) = (&context.input.krate, &context.walk, &field.binding, &field.ty);
    match &field.kind {
        Kind::Clear | Kind::Id(_) => clone(field),
        Kind::Nested(_) => {
            let nested = quote!(<#ty as #krate::Sealable>::draft_partial(#binding, #walk));
            let value = context.step(&field.step, nested);
            quote!(#value?)
        }
        Kind::Sensitive(_) => {
            let (plain, closed) = (local("__plain"), local("__closed"));
            let value = draft_sensitive(context, variant, field, &plain);
            let value = quote! {
                match #binding {
                    ::core::result::Result::Ok(#plain) => #value,
                    ::core::result::Result::Err(#closed) => ::core::result::Result::Ok(#walk.keep(#closed)),
                }
            };
            let value = context.step(&field.step, value);
            quote!(#value?)
        }
    }
}
