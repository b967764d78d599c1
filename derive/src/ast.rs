//! The type as the derive sees it: what each field is, and where it is stored.
//!
//! A struct is kept as its one variant, so that validation and expansion need no second path.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{format_ident, quote};
use syn::ext::IdentExt;
use syn::{Data, DeriveInput, Generics, Index, Member, Path, Type, parse_quote};

use crate::attr::{self, Sensitive, serde};
use crate::case::Case;
use crate::errors::Errors;
use crate::ty;

/// The type that derives.
pub struct Input<'a> {
    pub original: &'a DeriveInput,
    pub ident: &'a Ident,
    /// The companion's name.
    pub sealed: Ident,
    /// The path of the `fireseal` crate.
    pub krate: Path,
    /// The type's generics, with `Self` written out.
    pub generics: Generics,
    pub attrs: attr::Container,
    pub serde: serde::Container,
    pub variants: Vec<Variant<'a>>,
}

/// A variant, or the whole of a struct.
pub struct Variant<'a> {
    /// `None` for a struct.
    pub original: Option<&'a syn::Variant>,
    pub style: Style,
    pub fields: Vec<Field<'a>>,
    pub serde: serde::Variant,
    pub names: Names,
    pub tagging: Tagging,
}

/// How a variant's content is told from another's, and the path step that this costs.
#[derive(Clone, PartialEq, Eq)]
pub enum Tagging {
    /// Content alone: a struct, or an untagged variant.
    None,
    /// A map with the variant's name as its key.
    External,
    /// A field with the variant's name among the content's.
    Internal,
    /// The content under a key of its own.
    Adjacent(String),
}

/// The shape of a struct or variant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Unit,
    /// One unnamed field, stored as itself.
    Newtype,
    /// Unnamed fields, stored as an array.
    Tuple,
    /// Named fields, stored as a map.
    Named,
}

/// One field.
pub struct Field<'a> {
    pub original: &'a syn::Field,
    pub member: Member,
    /// The variable that holds the field in generated code.
    pub binding: Ident,
    /// The type, with `Self` written out.
    pub ty: Type,
    pub kind: Kind,
    /// Whether the document seal leaves it out.
    pub unbound: Option<Path>,
    pub serde: serde::Field,
    pub names: Names,
    pub step: Step,
}

/// What becomes of a field.
pub enum Kind {
    /// Stored as it is.
    Clear,
    /// Stored as it is, and the id of the document.
    Id(Path),
    /// A type that is itself `Sealable`.
    Nested(Path),
    /// Sealed.
    Sensitive(Sensitive),
}

/// The names of a field or a variant in the stored document.
#[derive(Default, Clone)]
pub struct Names {
    /// What is written.
    pub stored: String,
    /// What is read: the same, unless a clear field is renamed in one direction.
    pub read: String,
    /// What is read besides the stored name.
    pub aliases: Vec<String>,
}

/// The step from a struct or variant to its field in the stored path.
pub enum Step {
    /// None: a newtype or a flattened field.
    None,
    Key(String),
    Index(usize),
}

impl<'a> Input<'a> {
    /// Reads the type. What is wrong is added to `errors`; what can be read is returned for a stub.
    pub fn read(original: &'a DeriveInput, errors: &mut Errors) -> Self {
        let attrs = attr::Container::read(&original.attrs, errors);
        let serde = serde::Container::read(&original.attrs, errors);
        let ident = &original.ident;
        let whole = SelfType::new(original);
        let variants = match &original.data {
            Data::Struct(data) => {
                let case = serde.rename_all;
                vec![Variant {
                    original: None,
                    style: Style::of(&data.fields),
                    fields: fields(&data.fields, case, &whole, errors),
                    serde: serde::Variant::default(),
                    names: Names::default(),
                    tagging: Tagging::None,
                }]
            }
            Data::Enum(data) => {
                data.variants.iter().map(|variant| Variant::read(variant, &serde, &whole, errors)).collect()
            }
            Data::Union(data) => {
                errors.at(
                    data.union_token,
                    "`Sealable` cannot be derived for a union, which serde cannot store; use an enum",
                );
                Vec::new()
            }
        };
        Self {
            original,
            ident,
            sealed: attrs.sealed.clone().unwrap_or_else(|| format_ident!("Sealed{}", ident.unraw())),
            krate: attrs.krate.clone(),
            generics: whole.replaced_in_generics(&original.generics),
            attrs,
            serde,
            variants,
        }
    }

    /// Whether the type is an enum.
    pub fn is_enum(&self) -> bool {
        matches!(self.original.data, Data::Enum(_))
    }

    /// All fields of all variants.
    pub fn fields(&self) -> impl Iterator<Item = &Field<'a>> {
        self.variants.iter().flat_map(|variant| &variant.fields)
    }

    /// The field with this name.
    pub fn field(&self, name: &Ident) -> Option<&Field<'a>> {
        self.fields().find(|field| field.member == Member::Named(name.clone()))
    }

    /// The type as it is used, with its parameters.
    pub fn plain_type(&self) -> TokenStream {
        let (ident, (_, params, _)) = (self.ident, self.generics.split_for_impl());
        quote!(#ident #params)
    }

    /// The companion as it is used, with its parameters.
    pub fn sealed_type(&self) -> TokenStream {
        let (ident, (_, params, _)) = (&self.sealed, self.generics.split_for_impl());
        quote!(#ident #params)
    }
}

impl<'a> Variant<'a> {
    fn read(
        original: &'a syn::Variant,
        container: &serde::Container,
        whole: &SelfType,
        errors: &mut Errors,
    ) -> Self {
        attr::refuse_on_variant(&original.attrs, errors);
        let serde = serde::Variant::read(&original.attrs, errors);
        let case = serde.rename_all.or(container.rename_all_fields);
        let default = container.rename_all.of_variant(&original.ident.unraw().to_string());
        let tagging = match (&container.tag, &container.content) {
            _ if container.untagged.is_some() || serde.untagged.is_some() => Tagging::None,
            (Some(_), Some(content)) => Tagging::Adjacent(content.value()),
            (Some(_), None) => Tagging::Internal,
            (None, _) => Tagging::External,
        };
        Self {
            original: Some(original),
            style: Style::of(&original.fields),
            fields: fields(&original.fields, case, whole, errors),
            names: Names::read(default, &serde.rename, &serde.aliases),
            serde,
            tagging,
        }
    }

    /// Whether anything in it is sealed.
    pub fn holds_sealed(&self) -> bool {
        self.fields.iter().any(Field::is_sealed)
    }

    /// The path step that leads to the content, if there is one.
    pub fn step(&self) -> Option<&str> {
        match &self.tagging {
            Tagging::External => Some(&self.names.stored),
            Tagging::Adjacent(content) => Some(content),
            Tagging::Internal | Tagging::None => None,
        }
    }

    /// `Name` or `Name::Variant`, for patterns and constructors.
    pub fn path(&self, container: &Ident) -> TokenStream {
        match self.original {
            Some(variant) => {
                let ident = &variant.ident;
                quote!(#container::#ident)
            }
            None => quote!(#container),
        }
    }

    /// A pattern or constructor with every field bound to its variable.
    pub fn bound(&self, container: &Ident) -> TokenStream {
        let path = self.path(container);
        let members = self.fields.iter().map(|field| &field.member);
        let bindings = self.fields.iter().map(|field| &field.binding);
        quote!(#path { #(#members: #bindings),* })
    }

    /// The same pattern with the fields that `keep` does not choose left out.
    pub fn bound_where(&self, container: &Ident, keep: impl Fn(&Field<'a>) -> bool) -> TokenStream {
        let path = self.path(container);
        let kept = || self.fields.iter().filter(|field| keep(field));
        let members = kept().map(|field| &field.member);
        let bindings = kept().map(|field| &field.binding);
        quote!(#path { #(#members: #bindings,)* .. })
    }
}

impl Style {
    fn of(fields: &syn::Fields) -> Self {
        match fields {
            syn::Fields::Unit => Self::Unit,
            syn::Fields::Unnamed(fields) if fields.unnamed.len() == 1 => Self::Newtype,
            syn::Fields::Unnamed(_) => Self::Tuple,
            syn::Fields::Named(_) => Self::Named,
        }
    }
}

impl Field<'_> {
    /// Whether the field is sealed itself.
    pub fn sensitive(&self) -> Option<&Sensitive> {
        match &self.kind {
            Kind::Sensitive(sensitive) => Some(sensitive),
            _ => None,
        }
    }

    /// Whether the field is stored as it is.
    pub fn is_clear(&self) -> bool {
        matches!(self.kind, Kind::Clear | Kind::Id(_))
    }

    /// Whether the field holds `Sealable` values.
    pub fn is_nested(&self) -> bool {
        matches!(self.kind, Kind::Nested(_))
    }

    /// Whether the field is sealed or holds sealed fields.
    pub fn is_sealed(&self) -> bool {
        !self.is_clear()
    }

    /// Every name under which the field is written or read.
    pub fn all_names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.names.stored.as_str()).chain(self.names.aliases.iter().map(String::as_str))
    }

    /// Whether serde reads the plain type without this field.
    pub fn may_be_absent(&self) -> bool {
        self.serde.default.is_some()
            || self.serde.unread()
            || self.serde.flatten.is_some()
            || (ty::option(&self.ty).is_some() && self.serde.deserialize_with.is_none())
    }

    /// How messages call the field.
    pub fn label(&self) -> String {
        match &self.member {
            Member::Named(ident) => ident.unraw().to_string(),
            Member::Unnamed(index) => index.index.to_string(),
        }
    }
}

impl Names {
    fn read(default: String, rename: &serde::Rename, aliases: &[syn::LitStr]) -> Self {
        let name = |given: &Option<syn::LitStr>| given.as_ref().map_or(default.clone(), syn::LitStr::value);
        let (stored, read) = (name(&rename.write), name(&rename.read));
        let aliases = std::iter::once(read.clone()).chain(aliases.iter().map(syn::LitStr::value));
        let aliases = aliases.filter(|alias| *alias != stored).collect();
        Self { stored, read, aliases }
    }
}

fn fields<'a>(fields: &'a syn::Fields, case: Case, whole: &SelfType, errors: &mut Errors) -> Vec<Field<'a>> {
    let style = Style::of(fields);
    fields
        .iter()
        .enumerate()
        .map(|(index, field)| read_field(index, field, style, case, whole, errors))
        .collect()
}

fn read_field<'a>(
    index: usize,
    original: &'a syn::Field,
    style: Style,
    case: Case,
    whole: &SelfType,
    errors: &mut Errors,
) -> Field<'a> {
    let attrs = attr::Field::read(&original.attrs, errors);
    let serde = serde::Field::read(&original.attrs, errors);
    let (member, default) = match &original.ident {
        Some(ident) => (Member::Named(ident.clone()), case.of_field(&ident.unraw().to_string())),
        None => (Member::Unnamed(Index::from(index)), index.to_string()),
    };
    let names = Names::read(default, &serde.rename, &serde.aliases);
    let step = match style {
        Style::Tuple => Step::Index(index),
        Style::Named if serde.flatten.is_none() => Step::Key(names.stored.clone()),
        _ => Step::None,
    };
    Field {
        original,
        member,
        binding: Ident::new(&format!("__field{index}"), Span::mixed_site()),
        ty: whole.replaced_in(&original.ty),
        unbound: attrs.unbound.clone(),
        kind: kind(attrs, errors),
        serde,
        names,
        step,
    }
}

/// One meaning per field; where several are given the most guarded one is kept for the stub.
fn kind(attrs: attr::Field, errors: &mut Errors) -> Kind {
    match attrs {
        attr::Field { sensitive: Some(sensitive), id, nested, .. } => {
            if let Some(id) = id {
                errors.at(
                    id,
                    "the id stands in the document's path, so it cannot be sealed; remove `#[sensitive]`, or \
                     use another field as the id",
                );
            }
            if let Some(nested) = nested {
                errors.at(
                    nested,
                    "`nested` and `#[sensitive]` exclude each other: `nested` seals the fields inside by \
                     themselves, `#[sensitive]` seals the whole value as one; keep one",
                );
            }
            Kind::Sensitive(sensitive)
        }
        attr::Field { nested: Some(_), id: Some(id), .. } => {
            errors.at(&id, "the id is a text of its own, not a nested value; keep `id` or `nested`");
            Kind::Id(id)
        }
        attr::Field { nested: Some(nested), .. } => Kind::Nested(nested),
        attr::Field { id: Some(id), .. } => Kind::Id(id),
        attr::Field { .. } => Kind::Clear,
    }
}

/// What `Self` stands for, so that field types can be used outside of the type's own definition.
struct SelfType(TokenStream);

impl SelfType {
    fn new(input: &DeriveInput) -> Self {
        let ident = &input.ident;
        let (_, params, _) = input.generics.split_for_impl();
        let turbofish = params.as_turbofish();
        Self(quote!(#ident #turbofish))
    }

    fn replaced_in(&self, ty: &Type) -> Type {
        let tokens = self.replaced(quote!(#ty));
        parse_quote!(#tokens)
    }

    fn replaced_in_generics(&self, generics: &Generics) -> Generics {
        let mut replaced = generics.clone();
        if let Some(clause) = &generics.where_clause {
            let tokens = self.replaced(quote!(#clause));
            replaced.where_clause = Some(parse_quote!(#tokens));
        }
        replaced
    }

    fn replaced(&self, tokens: TokenStream) -> TokenStream {
        let replace = |token| match token {
            TokenTree::Ident(ident) if ident == "Self" => self.0.clone(),
            TokenTree::Group(group) => {
                let mut inner = proc_macro2::Group::new(group.delimiter(), self.replaced(group.stream()));
                inner.set_span(group.span());
                TokenTree::Group(inner).into()
            }
            other => other.into(),
        };
        tokens.into_iter().map(replace).collect::<Vec<TokenStream>>().into_iter().collect()
    }
}
