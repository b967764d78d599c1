//! Reads the `#[serde(..)]` attributes that stand on the type already.

use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, ExprPath, Lit, LitStr, Meta, Path, Token};

use super::{name, once};
use crate::case::Case;
use crate::errors::Errors;

/// `rename`, in one or both directions.
#[derive(Default)]
pub struct Rename {
    pub write: Option<LitStr>,
    pub read: Option<LitStr>,
}

/// `default` or `default = ".."`.
pub enum DefaultValue {
    /// `Default::default()`.
    Trait,
    /// A function that gives the value.
    Function(ExprPath),
}

/// The attributes of the struct or enum.
#[derive(Default)]
pub struct Container {
    pub rename_all: Case,
    pub rename_all_fields: Case,
    pub tag: Option<LitStr>,
    pub content: Option<LitStr>,
    pub untagged: Option<Path>,
    pub default: Option<DefaultValue>,
    pub has_rename: bool,
    pub deny_unknown_fields: Option<Meta>,
    /// What the companion takes over unchanged.
    pub kept: Vec<Meta>,
}

/// The attributes of a variant.
#[derive(Default)]
pub struct Variant {
    pub rename: Rename,
    pub aliases: Vec<LitStr>,
    pub rename_all: Case,
    pub untagged: Option<Path>,
    /// `skip*`, `with` and the like: possible only where the variant holds nothing sealed.
    pub plain_only: Vec<Meta>,
    pub has_deserialize_with: bool,
    /// What the companion takes over unchanged.
    pub kept: Vec<Meta>,
}

/// The attributes of a field.
#[derive(Default)]
pub struct Field {
    pub rename: Rename,
    pub aliases: Vec<LitStr>,
    pub default: Option<DefaultValue>,
    pub default_meta: Option<Meta>,
    pub skip: Option<Meta>,
    pub skip_serializing: Option<Meta>,
    pub skip_deserializing: Option<Meta>,
    pub skip_serializing_if: Option<(Meta, Option<ExprPath>)>,
    pub serialize_with: Option<ExprPath>,
    pub deserialize_with: Option<ExprPath>,
    pub with: Vec<Meta>,
    pub flatten: Option<Meta>,
    /// What the companion takes over unchanged, wherever the field is stored.
    pub kept: Vec<Meta>,
}

impl Container {
    pub fn read(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut this = Self::default();
        let mut rename_all = None;
        let mut rename_all_fields = None;
        for meta in metas(attrs, errors) {
            let path = meta.path();
            let Some(word) = path.get_ident().map(ToString::to_string) else {
                this.kept.push(meta);
                continue;
            };
            match word.as_str() {
                "rename" => {
                    this.has_rename = true;
                    this.kept.push(meta);
                }
                "rename_all" => once(&mut rename_all, case(&meta, errors), path, errors),
                "rename_all_fields" => once(&mut rename_all_fields, case(&meta, errors), path, errors),
                "tag" => {
                    if let Some(value) = text(&meta) {
                        once(&mut this.tag, value.clone(), path, errors);
                    }
                    this.kept.push(meta);
                }
                "content" => {
                    if let Some(value) = text(&meta) {
                        once(&mut this.content, value.clone(), path, errors);
                    }
                    this.kept.push(meta);
                }
                "untagged" => {
                    once(&mut this.untagged, path.clone(), path, errors);
                    this.kept.push(meta);
                }
                "default" => {
                    if let Some(value) = default(&meta, errors) {
                        once(&mut this.default, value, path, errors);
                    }
                }
                "deny_unknown_fields" => {
                    this.deny_unknown_fields = Some(meta.clone());
                    this.kept.push(meta);
                }
                "crate" => {}
                "bound" => errors.at(&meta, BOUND),
                "from" | "into" | "try_from" | "remote" => errors.at(
                    &meta,
                    format!(
                        "`#[serde({word} = ..)]` would serialize another type in place of the companion; \
                         derive `Sealable` for the type that is stored and convert in your own code"
                    ),
                ),
                "transparent" => errors.at(
                    &meta,
                    "`#[serde(transparent)]` is not supported; write the type as a newtype, `struct Name(..)`, \
                     which is stored in the same way",
                ),
                "field_identifier" | "variant_identifier" => {
                    errors.at(&meta, format!("`#[serde({word})]` is for identifiers, which hold nothing to seal"));
                }
                _ => this.kept.push(meta),
            }
        }
        this.rename_all = rename_all.unwrap_or_default();
        this.rename_all_fields = rename_all_fields.unwrap_or_default();
        this
    }
}

impl Variant {
    pub fn read(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut this = Self::default();
        let mut rename = None;
        let mut rename_all = None;
        for meta in metas(attrs, errors) {
            let path = meta.path();
            let word = path.get_ident().map(ToString::to_string).unwrap_or_default();
            match word.as_str() {
                "rename" => once(&mut rename, renamed(&meta, errors), path, errors),
                "alias" => this.aliases.extend(text(&meta).cloned()),
                "rename_all" => once(&mut rename_all, case(&meta, errors), path, errors),
                "untagged" => {
                    once(&mut this.untagged, path.clone(), path, errors);
                    this.kept.push(meta);
                }
                "skip" | "skip_serializing" | "skip_deserializing" | "with" | "serialize_with"
                | "deserialize_with" => {
                    this.has_deserialize_with |= matches!(word.as_str(), "with" | "deserialize_with");
                    this.plain_only.push(meta);
                }
                "bound" => errors.at(&meta, BOUND),
                "borrow" => errors.at(&meta, BORROW),
                _ => this.kept.push(meta),
            }
        }
        this.rename = rename.unwrap_or_default();
        this.rename_all = rename_all.unwrap_or_default();
        this
    }
}

impl Field {
    pub fn read(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut this = Self::default();
        let mut rename = None;
        for meta in metas(attrs, errors) {
            let path = meta.path();
            let word = path.get_ident().map(ToString::to_string).unwrap_or_default();
            match word.as_str() {
                "rename" => once(&mut rename, renamed(&meta, errors), path, errors),
                "alias" => this.aliases.extend(text(&meta).cloned()),
                "default" => {
                    if let Some(value) = default(&meta, errors) {
                        once(&mut this.default, value, path, errors);
                    }
                    this.default_meta = Some(meta);
                }
                "skip" => once(&mut this.skip, meta.clone(), path, errors),
                "skip_serializing" => once(&mut this.skip_serializing, meta.clone(), path, errors),
                "skip_deserializing" => once(&mut this.skip_deserializing, meta.clone(), path, errors),
                "skip_serializing_if" => {
                    let predicate = function(&meta, errors);
                    once(&mut this.skip_serializing_if, (meta.clone(), predicate), path, errors);
                }
                "with" => {
                    if let Some(module) = function(&meta, errors) {
                        once(&mut this.serialize_with, within(&module, "serialize"), path, errors);
                        once(&mut this.deserialize_with, within(&module, "deserialize"), path, errors);
                    }
                    this.with.push(meta);
                }
                "serialize_with" => {
                    if let Some(path_to) = function(&meta, errors) {
                        once(&mut this.serialize_with, path_to, path, errors);
                    }
                    this.with.push(meta);
                }
                "deserialize_with" => {
                    if let Some(path_to) = function(&meta, errors) {
                        once(&mut this.deserialize_with, path_to, path, errors);
                    }
                    this.with.push(meta);
                }
                "flatten" => once(&mut this.flatten, meta.clone(), path, errors),
                "bound" => errors.at(&meta, BOUND),
                "borrow" => errors.at(&meta, BORROW),
                "getter" => {
                    errors.at(&meta, "`#[serde(getter)]` belongs to `remote`, which is not supported")
                }
                _ => this.kept.push(meta),
            }
        }
        this.rename = rename.unwrap_or_default();
        this
    }

    /// Whether the field is never written.
    pub fn unwritten(&self) -> bool {
        self.skip.is_some() || self.skip_serializing.is_some()
    }

    /// Whether the field is never read.
    pub fn unread(&self) -> bool {
        self.skip.is_some() || self.skip_deserializing.is_some()
    }

    /// Every kind of `skip` but the conditional one.
    pub fn skips(&self) -> impl Iterator<Item = &Meta> {
        [&self.skip, &self.skip_serializing, &self.skip_deserializing].into_iter().flatten()
    }
}

const BOUND: &str = "`#[serde(bound)]` is not supported: the derive asks of each type what its fields need; \
                     remove it, and write any other bound into the type's own where clause";
const BORROW: &str = "`#[serde(borrow)]` is not supported: a sealed document owns its data; use an owned type such as `String`";

/// All words of all `#[serde(..)]` attributes.
fn metas(attrs: &[Attribute], errors: &mut Errors) -> Vec<Meta> {
    let mut all = Vec::new();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("serde")) {
        match attr.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated) {
            Ok(words) => all.extend(words),
            Err(error) => errors.add(error),
        }
    }
    all
}

/// The string of `word = ".."`.
fn text(meta: &Meta) -> Option<&LitStr> {
    match meta {
        Meta::NameValue(pair) => literal(&pair.value),
        _ => None,
    }
}

fn literal(value: &Expr) -> Option<&LitStr> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text),
        // What a macro by example passes on.
        Expr::Group(group) => literal(&group.expr),
        _ => None,
    }
}

/// The path in `word = ".."`.
fn function(meta: &Meta, errors: &mut Errors) -> Option<ExprPath> {
    let Some(text) = text(meta) else {
        errors.at(meta, format!("serde takes a path in quotes here: `{} = \"path\"`", name(meta.path())));
        return None;
    };
    text.parse().map_err(|error| errors.add(error)).ok()
}

fn within(module: &ExprPath, function: &str) -> ExprPath {
    let mut path = module.clone();
    path.path.segments.push(syn::Ident::new(function, proc_macro2::Span::call_site()).into());
    path
}

fn default(meta: &Meta, errors: &mut Errors) -> Option<DefaultValue> {
    match meta {
        Meta::Path(_) => Some(DefaultValue::Trait),
        _ => function(meta, errors).map(DefaultValue::Function),
    }
}

/// The two directions of `word = ".."` or `word(serialize = "..", deserialize = "..")`.
fn directions(meta: &Meta, errors: &mut Errors) -> (Option<LitStr>, Option<LitStr>) {
    if let Some(both) = text(meta) {
        return (Some(both.clone()), Some(both.clone()));
    }
    let (mut write, mut read) = (None, None);
    let parsed = match meta {
        Meta::List(list) => list.parse_nested_meta(|direction| {
            let value: LitStr = direction.value()?.parse()?;
            if direction.path.is_ident("serialize") {
                once(&mut write, value, &direction.path, errors);
            } else if direction.path.is_ident("deserialize") {
                once(&mut read, value, &direction.path, errors);
            } else {
                return Err(direction.error("expected `serialize` or `deserialize`"));
            }
            Ok(())
        }),
        _ => Err(syn::Error::new_spanned(meta, "serde takes a name in quotes here")),
    };
    if let Err(error) = parsed {
        errors.add(error);
    }
    (write, read)
}

fn renamed(meta: &Meta, errors: &mut Errors) -> Rename {
    let (write, read) = directions(meta, errors);
    Rename { write, read }
}

fn case(meta: &Meta, errors: &mut Errors) -> Case {
    let (write, read) = directions(meta, errors);
    let text = |name: &Option<LitStr>| name.as_ref().map(LitStr::value);
    if text(&write) != text(&read) {
        errors.at(
            meta,
            format!(
                "`{}` has two different rules, but a sealed field has one stored name; use one rule, and `rename` \
                 on each clear field that differs",
                name(meta.path())
            ),
        );
    }
    let Some(rule) = write.or(read) else { return Case::AsIs };
    Case::parse(&rule.value()).unwrap_or_else(|message| {
        errors.at(&rule, message);
        Case::AsIs
    })
}
