//! Reads `#[sealable(..)]` and `#[sensitive(..)]`; `attr/serde.rs` reads `#[serde(..)]`.

use std::fmt::Display;

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::meta::ParseNestedMeta;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Expr, Ident, LitInt, LitStr, Meta, Path, Token, parse_quote};

use crate::errors::Errors;
use crate::symbol::{self, Word};

mod bound;
pub mod index;
pub mod serde;

/// `#[sealable(..)]` on the struct or enum.
pub struct Container {
    /// Where documents of this type stand.
    pub collection: Option<LitStr>,
    /// The clear field that says whose keys seal the document.
    pub scope: Option<Ident>,
    /// Whether a seal over the whole document is made and verified.
    pub authenticated: Option<Path>,
    /// The companion's name, where it is not `Sealed` and the type's own.
    pub sealed: Option<Ident>,
    /// What the companion derives besides.
    pub derives: Vec<Path>,
    /// Whether to write `Debug` for the plain type.
    pub debug: Option<Path>,
    /// Whether to wipe the sensitive fields on drop.
    pub zeroize: Option<Path>,
    /// Indexes over several fields.
    pub compounds: Vec<index::Compound>,
    /// The path of the `fireseal` crate.
    pub krate: Path,
}

/// `#[sealable(..)]` and `#[sensitive(..)]` on a field.
#[derive(Default)]
pub struct Field {
    pub id: Option<Path>,
    pub nested: Option<Path>,
    /// Whether the document seal leaves it out.
    pub unbound: Option<Path>,
    pub sensitive: Option<Sensitive>,
}

/// `#[sensitive(..)]` on a field.
pub struct Sensitive {
    pub bytes: Option<Path>,
    /// The multiple to which the plaintext is padded, in bytes.
    pub pad: Option<u32>,
    pub indexes: Vec<index::Index>,
}

impl Container {
    pub fn read(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut collection = None;
        let mut scope = None;
        let mut authenticated = None;
        let mut sealed = None;
        let mut derives = None;
        let mut debug = None;
        let mut zeroize = None;
        let mut krate = None;
        let mut compounds = Vec::new();
        for attr in attrs {
            if attr.path().is_ident("sensitive") {
                errors.at(attr, "`#[sensitive]` belongs on a field; mark each field that is to be sealed");
            } else if attr.path().is_ident("sealable") {
                each_word(attr, symbol::CONTAINER, errors, |meta, errors| {
                    let path = &meta.path;
                    if path.is_ident(symbol::COLLECTION.name) {
                        if let Some(name) = value::<LitStr>(&meta, &symbol::COLLECTION, errors)? {
                            once(&mut collection, name, path, errors);
                        }
                    } else if path.is_ident(symbol::SCOPE.name) {
                        if let Some(name) = value::<Ident>(&meta, &symbol::SCOPE, errors)? {
                            once(&mut scope, name, path, errors);
                        }
                    } else if path.is_ident(symbol::AUTHENTICATED.name) {
                        once(&mut authenticated, path.clone(), path, errors);
                    } else if path.is_ident(symbol::SEALED.name) {
                        if let Some(name) = value::<Ident>(&meta, &symbol::SEALED, errors)? {
                            once(&mut sealed, name, path, errors);
                        }
                    } else if path.is_ident(symbol::DERIVE.name) {
                        let mut paths = Vec::new();
                        meta.parse_nested_meta(|derive| {
                            paths.push(derive.path);
                            Ok(())
                        })?;
                        once(&mut derives, paths, path, errors);
                    } else if path.is_ident(symbol::DEBUG.name) {
                        once(&mut debug, path.clone(), path, errors);
                    } else if path.is_ident(symbol::ZEROIZE.name) {
                        once(&mut zeroize, path.clone(), path, errors);
                    } else if path.is_ident(symbol::CRATE.name) {
                        if let Some(name) = value::<CratePath>(&meta, &symbol::CRATE, errors)? {
                            once(&mut krate, name.0, path, errors);
                        }
                    } else if path.is_ident(symbol::COMPOUND.name) {
                        compounds.extend(index::Compound::read(&meta, errors)?);
                    } else if symbol::has(symbol::FIELD, path) {
                        misplaced(&meta, "belongs on a field of the struct", errors)?;
                    } else {
                        unknown(&meta, "#[sealable(..)]` on a struct or enum", symbol::CONTAINER, errors)?;
                    }
                    Ok(())
                });
            }
        }
        Self {
            collection,
            scope,
            authenticated,
            sealed,
            derives: derives.unwrap_or_default(),
            debug,
            zeroize,
            compounds,
            krate: krate.unwrap_or_else(|| parse_quote!(::fireseal)),
        }
    }
}

impl Field {
    pub fn read(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut field = Self::default();
        for attr in attrs {
            if attr.path().is_ident("sensitive") {
                let sensitive = Sensitive::read(attr, errors);
                once(&mut field.sensitive, sensitive, attr.path(), errors);
            } else if attr.path().is_ident("sealable") {
                each_word(attr, symbol::FIELD, errors, |meta, errors| {
                    let path = &meta.path;
                    if path.is_ident(symbol::ID.name) {
                        once(&mut field.id, path.clone(), path, errors);
                    } else if path.is_ident(symbol::NESTED.name) {
                        once(&mut field.nested, path.clone(), path, errors);
                    } else if path.is_ident(symbol::UNBOUND.name) {
                        once(&mut field.unbound, path.clone(), path, errors);
                    } else if symbol::has(symbol::CONTAINER, path) {
                        misplaced(&meta, "belongs on the struct or enum itself", errors)?;
                    } else if symbol::has(symbol::SENSITIVE, path) {
                        misplaced(&meta, "is written `#[sensitive(..)]`", errors)?;
                    } else {
                        unknown(&meta, "#[sealable(..)]` on a field", symbol::FIELD, errors)?;
                    }
                    Ok(())
                });
            }
        }
        field
    }
}

impl Sensitive {
    fn read(attr: &Attribute, errors: &mut Errors) -> Self {
        let mut sensitive = Self { bytes: None, pad: None, indexes: Vec::new() };
        if matches!(attr.meta, Meta::Path(_)) {
            return sensitive;
        }
        each_word(attr, symbol::SENSITIVE, errors, |meta, errors| {
            let path = &meta.path;
            if path.is_ident(symbol::BYTES.name) {
                once(&mut sensitive.bytes, path.clone(), path, errors);
            } else if path.is_ident(symbol::PAD.name) {
                let Some(number) = value::<LitInt>(&meta, &symbol::PAD, errors)? else { return Ok(()) };
                match number.base10_parse::<u32>() {
                    Ok(pad @ 2..=65_536) => once(&mut sensitive.pad, pad, path, errors),
                    _ => {
                        errors.at(number, "`pad` takes a number of bytes from 2 to 65536, such as `pad = 64`")
                    }
                }
            } else if symbol::has(symbol::INDEXES, path) {
                sensitive.indexes.extend(index::Index::read(&meta, errors)?);
            } else {
                unknown(&meta, "#[sensitive(..)]`", symbol::SENSITIVE, errors)?;
            }
            Ok(())
        });
        sensitive
    }
}

/// Refuses our attributes on a variant, where none has a meaning.
pub fn refuse_on_variant(attrs: &[Attribute], errors: &mut Errors) {
    for attr in attrs {
        if attr.path().is_ident("sensitive") {
            errors.at(
                attr,
                "`#[sensitive]` belongs on a field of the variant, such as `Email(#[sensitive] String)`",
            );
        } else if attr.path().is_ident("sealable") {
            errors
                .at(attr, "`#[sealable(..)]` has no meaning on a variant; it goes on the enum or on a field");
        }
    }
}

/// Calls `word` for each word between the parentheses of an attribute.
fn each_word(
    attr: &Attribute,
    words: &[Word],
    errors: &mut Errors,
    mut word: impl FnMut(ParseNestedMeta<'_>, &mut Errors) -> syn::Result<()>,
) {
    let mut any = false;
    let Meta::List(_) = attr.meta else {
        errors.at(attr, format!("this attribute takes words in parentheses: {}", symbol::usages(words)));
        return;
    };
    let result = attr.parse_nested_meta(|meta| {
        any = true;
        word(meta, errors)
    });
    match result {
        Err(error) => errors.add(error),
        Ok(()) if !any => {
            errors.at(attr, format!("this attribute is empty; it takes {}", symbol::usages(words)));
        }
        Ok(()) => {}
    }
}

/// Fills a slot that takes one value.
pub fn once<T>(slot: &mut Option<T>, value: T, path: &Path, errors: &mut Errors) {
    if slot.is_some() {
        errors.at(path, format!("`{}` is given twice; keep one", name(path)));
    } else {
        *slot = Some(value);
    }
}

/// The path as it is written.
pub fn name(path: &Path) -> impl Display {
    path.to_token_stream().to_string().replace(' ', "")
}

/// Reads `word = value`. A wrong value is told, and stepped over.
fn value<T: Parse>(meta: &ParseNestedMeta<'_>, word: &Word, errors: &mut Errors) -> syn::Result<Option<T>> {
    let mut tokens = meta.path.to_token_stream();
    if meta.input.peek(Token![=]) {
        let input = meta.value()?;
        tokens = TokenStream::new();
        while !input.is_empty() && !input.peek(Token![,]) {
            tokens.extend([input.parse::<TokenTree>()?]);
        }
        if let Ok(value) = syn::parse2(tokens.clone()) {
            return Ok(Some(value));
        }
    }
    errors.at(tokens, format!("write `{}`", word.usage));
    Ok(None)
}

fn unknown(meta: &ParseNestedMeta<'_>, place: &str, words: &[Word], errors: &mut Errors) -> syn::Result<()> {
    let name = name(&meta.path);
    errors.at(&meta.path, format!("unknown word `{name}`; `{place} takes {}", symbol::usages(words)));
    skip_value(meta)
}

fn misplaced(meta: &ParseNestedMeta<'_>, place: &str, errors: &mut Errors) -> syn::Result<()> {
    errors.at(&meta.path, format!("`{}` {place}", name(&meta.path)));
    skip_value(meta)
}

/// Steps over the value of a word that is not used, so that the words after it are still read.
fn skip_value(meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
    if meta.input.peek(Token![=]) {
        meta.value()?.parse::<Expr>()?;
    } else if meta.input.peek(syn::token::Paren) {
        meta.input.parse::<proc_macro2::Group>()?;
    }
    Ok(())
}

/// A path that may begin with `crate`, `self` or `super`.
struct CratePath(Path);

impl Parse for CratePath {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        Path::parse_mod_style(input).map(Self)
    }
}

/// The attributes that the companion carries over: documentation, `non_exhaustive` and lint levels.
pub fn carried(attrs: &[Attribute]) -> TokenStream {
    const CARRIED: &[&str] = &["doc", "non_exhaustive", "allow", "deprecated"];
    let carried = attrs.iter().filter_map(|attr| match &attr.meta {
        // What is expected of the plain type may not come about in the companion.
        Meta::List(list) if list.path.is_ident("expect") => {
            let lints = &list.tokens;
            Some(quote!(#[allow(#lints)]))
        }
        _ => CARRIED.iter().any(|name| attr.path().is_ident(name)).then(|| attr.to_token_stream()),
    });
    carried.collect()
}
