//! Questions about types, answered from how they are written.

use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use quote::quote;
use syn::visit::{self, Visit};
use syn::{GenericArgument, GenericParam, Generics, PathArguments, PathSegment, Type, TypePath};

/// The last segment of a path type.
fn segment(ty: &Type) -> Option<&PathSegment> {
    match ty {
        Type::Group(group) => segment(&group.elem),
        Type::Paren(paren) => segment(&paren.elem),
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    }
}

/// The type argument at this position of a path type.
fn argument(ty: &Type, position: usize) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment(ty)?.arguments else { return None };
    let mut types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    types.nth(position)
}

/// The inner type of an `Option`.
pub fn option(ty: &Type) -> Option<&Type> {
    segment(ty).filter(|segment| segment.ident == "Option").and_then(|_| argument(ty, 0))
}

/// The inner type of a container that is itself sealable: `Option`, `Box`, `Vec` or a map.
pub fn container(ty: &Type) -> Option<&Type> {
    let name = segment(ty)?.ident.to_string();
    match name.as_str() {
        "Option" | "Box" | "Vec" => argument(ty, 0),
        "HashMap" | "BTreeMap" => argument(ty, 1),
        _ => None,
    }
}

/// Whether serde gives an empty container for `default`.
pub fn has_empty_default(ty: &Type) -> bool {
    segment(ty).is_some_and(|segment| {
        ["Option", "Vec", "HashMap", "BTreeMap"].iter().any(|name| segment.ident == name)
    })
}

/// Whether the type is, or holds in an `Option` or a `Box`, an array or a map.
pub fn in_many(ty: &Type) -> bool {
    let many = segment(ty)
        .is_some_and(|segment| ["Vec", "HashMap", "BTreeMap"].iter().any(|name| segment.ident == name));
    many || container(ty).is_some_and(in_many)
}

/// Whether the type is a floating-point number, or an `Option` or a `Box` of one.
pub fn is_real(ty: &Type) -> bool {
    match container(ty) {
        Some(inner) => is_real(inner),
        None => segment(ty).is_some_and(|segment| segment.ident == "f32" || segment.ident == "f64"),
    }
}

/// The type inside all containers.
pub fn leaf(ty: &Type) -> &Type {
    container(ty).map_or(ty, leaf)
}

/// The first `Option` in a type whose content may itself be stored as nothing.
pub fn double_option(ty: &Type) -> Option<&Type> {
    struct Find<'a>(Option<&'a Type>);
    impl<'a> Visit<'a> for Find<'a> {
        fn visit_type(&mut self, ty: &'a Type) {
            let nothing =
                |inner| option(inner).is_some() || matches!(inner, Type::Tuple(t) if t.elems.is_empty());
            if option(ty).is_some_and(nothing) {
                self.0.get_or_insert(ty);
            }
            visit::visit_type(self, ty);
        }
    }
    let mut find = Find(None);
    find.visit_type(ty);
    find.0
}

/// The first reference in a type.
pub fn reference(ty: &Type) -> Option<&Type> {
    struct Find<'a>(Option<&'a Type>);
    impl<'a> Visit<'a> for Find<'a> {
        fn visit_type(&mut self, ty: &'a Type) {
            if matches!(ty, Type::Reference(_)) {
                self.0.get_or_insert(ty);
            }
            visit::visit_type(self, ty);
        }
    }
    let mut find = Find(None);
    find.visit_type(ty);
    find.0
}

/// Whether any of the tokens is this identifier.
pub fn mentions(tokens: TokenStream, name: &Ident) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == *name,
        TokenTree::Group(group) => mentions(group.stream(), name),
        _ => false,
    })
}

/// The type with one identifier replaced by another.
pub fn renamed(tokens: TokenStream, from: &Ident, to: &Ident) -> TokenStream {
    let rename = |token| match token {
        TokenTree::Ident(ident) if ident == *from => {
            TokenTree::Ident(Ident::new(&to.to_string(), ident.span()))
        }
        TokenTree::Group(group) => {
            TokenTree::Group(Group::new(group.delimiter(), renamed(group.stream(), from, to)))
        }
        other => other,
    };
    tokens.into_iter().map(rename).collect()
}

/// Whether a type is written with any of the generic parameters.
pub fn is_generic(ty: &Type, generics: &Generics) -> bool {
    generics.params.iter().any(|param| match param {
        GenericParam::Type(param) => mentions(quote!(#ty), &param.ident),
        GenericParam::Const(param) => mentions(quote!(#ty), &param.ident),
        GenericParam::Lifetime(_) => false,
    })
}

/// Containers of the standard library, and the usual ones besides, that store what they are generic over.
const CONTAINERS: &[&str] = &[
    "Arc",
    "ArrayVec",
    "BTreeMap",
    "BTreeSet",
    "BinaryHeap",
    "Box",
    "Cell",
    "Cow",
    "HashMap",
    "HashSet",
    "IndexMap",
    "IndexSet",
    "LinkedList",
    "Mutex",
    "Option",
    "Rc",
    "RefCell",
    "Result",
    "Reverse",
    "RwLock",
    "Saturating",
    "SmallVec",
    "Vec",
    "VecDeque",
    "Wrapping",
];

/// The type and each type that is stored within it, as far as that can be told from how it is written.
///
/// What a type of another name is generic over may not be stored at all: a typed id, `Id<Customer>`,
/// holds no customer.
pub fn components(ty: &Type) -> Vec<&Type> {
    let mut found = Vec::new();
    collect_components(ty, &mut found);
    found
}

fn collect_components<'a>(ty: &'a Type, found: &mut Vec<&'a Type>) {
    match ty {
        Type::Group(group) => return collect_components(&group.elem, found),
        Type::Paren(paren) => return collect_components(&paren.elem, found),
        Type::Array(array) => collect_components(&array.elem, found),
        Type::Slice(slice) => collect_components(&slice.elem, found),
        Type::Tuple(tuple) => tuple.elems.iter().for_each(|ty| collect_components(ty, found)),
        Type::Path(_) => {
            if segment(ty).is_some_and(|segment| CONTAINERS.iter().any(|name| segment.ident == name)) {
                (0..)
                    .map_while(|position| argument(ty, position))
                    .for_each(|ty| collect_components(ty, found));
            }
        }
        _ => return,
    }
    if !found.contains(&ty) {
        found.push(ty);
    }
}

/// The generic parameters, and their associated types, in a type.
#[derive(Default)]
pub struct Parameters {
    /// Values of these are stored.
    pub stored: Vec<TypePath>,
    /// These stand in `PhantomData` alone.
    pub markers: Vec<TypePath>,
}

/// Which generic parameters a type is made of, by serde's reckoning.
pub fn parameters(ty: &Type, generics: &Generics) -> Parameters {
    struct Collect<'a> {
        generics: &'a Generics,
        in_marker: bool,
        found: Parameters,
    }
    impl<'a> Visit<'a> for Collect<'_> {
        fn visit_type_path(&mut self, path: &'a TypePath) {
            let first = path.path.segments.first().map(|segment| &segment.ident);
            let is_parameter = path.qself.is_none()
                && path.path.leading_colon.is_none()
                && self.generics.type_params().any(|param| Some(&param.ident) == first);
            if is_parameter {
                let list = if self.in_marker { &mut self.found.markers } else { &mut self.found.stored };
                list.push(path.clone());
            }
            let before = self.in_marker;
            self.in_marker |= path.path.segments.last().is_some_and(|segment| segment.ident == "PhantomData");
            visit::visit_type_path(self, path);
            self.in_marker = before;
        }
    }
    let mut collect = Collect { generics, in_marker: false, found: Parameters::default() };
    collect.visit_type(ty);
    collect.found
}
