//! Which bounds each impl needs, by serde's reckoning: on the type parameters that a field is made of.

use std::collections::BTreeMap;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::Generics;

use crate::ast::{Field, Input, Kind};
use crate::attr::serde::DefaultValue;
use crate::ty;

/// Predicates, each once and in a fixed order.
#[derive(Default, Clone)]
pub struct Predicates(BTreeMap<String, TokenStream>);

impl Predicates {
    fn add(&mut self, ty: impl ToTokens, bound: &TokenStream) {
        let predicate = quote!(#ty: #bound);
        self.0.insert(predicate.to_string(), predicate);
    }

    fn extend(&mut self, other: &Self) {
        self.0.extend(other.0.iter().map(|(key, value)| (key.clone(), value.clone())));
    }

    /// The predicates as they stand in serde's `bound`.
    pub fn text(&self) -> String {
        self.0.keys().cloned().collect::<Vec<_>>().join(", ")
    }

    /// The type's own where clause, and these.
    pub fn where_clause(&self, generics: &Generics) -> TokenStream {
        let own = generics.where_clause.iter().flat_map(|clause| &clause.predicates);
        let own = own.map(ToTokens::to_token_stream);
        let all: Vec<_> = own.chain(self.0.values().cloned()).collect();
        if all.is_empty() { TokenStream::new() } else { quote!(where #(#all),*) }
    }
}

/// The bounds of all impls; each holds those of the companion.
pub struct Bounds {
    /// Of the companion itself, and of the partial type: nested types must be sealable.
    pub companion: Predicates,
    pub serialize: Predicates,
    pub deserialize: Predicates,
    pub clone: Predicates,
    pub debug: Predicates,
    /// Of `Sealable`: all of these, and those of the sensitive fields.
    pub sealable: Predicates,
    /// Of `Queryable`: those of `Sealable`, and that nested types are queryable too.
    pub queryable: Predicates,
    /// Of `Debug` for the plain type.
    pub plain_debug: Predicates,
}

impl Bounds {
    pub fn new(input: &Input<'_>) -> Self {
        let mut companion = Predicates::default();
        let krate = &input.krate;
        for field in input.fields().filter(|field| field.is_nested()) {
            let leaf = ty::leaf(&field.ty);
            // A type that holds itself is sealable if it is sealable: that needs no saying.
            if ty::is_generic(leaf, &input.generics) && !ty::mentions(quote!(#leaf), input.ident) {
                companion.add(leaf, &quote!(#krate::Sealable));
            }
        }
        let mut bounds = Self {
            serialize: companion.clone(),
            deserialize: companion.clone(),
            clone: companion.clone(),
            debug: companion.clone(),
            sealable: companion.clone(),
            queryable: Predicates::default(),
            plain_debug: Predicates::default(),
            companion,
        };
        for field in input.fields() {
            bounds.add_field(input, field);
        }
        bounds.add_default(input);
        let parts = [&bounds.serialize, &bounds.deserialize, &bounds.clone, &bounds.debug];
        for part in parts {
            bounds.sealable.extend(part);
        }
        bounds.queryable = bounds.sealable.clone();
        bounds.add_queryable(input);
        bounds
    }

    fn add_queryable(&mut self, input: &Input<'_>) {
        let krate = &input.krate;
        for field in input.fields().filter(|field| field.is_nested() && !ty::in_many(&field.ty)) {
            let leaf = ty::leaf(&field.ty);
            if ty::is_generic(leaf, &input.generics) && !ty::mentions(quote!(#leaf), input.ident) {
                self.queryable.add(leaf, &quote!(#krate::query::Queryable));
            }
        }
        // The parts of a compound index are kept to be opened later.
        let parts = input.attrs.compounds.iter().flat_map(|compound| &compound.fields);
        for field in parts.filter_map(|part| input.field(part)) {
            for parameter in ty::parameters(&field.ty, &input.generics).stored {
                self.queryable.add(parameter, &quote!('static));
            }
        }
    }

    fn add_field(&mut self, input: &Input<'_>, field: &Field<'_>) {
        let krate = &input.krate;
        let serialize = quote!(#krate::__private::serde::Serialize);
        let deserialize = quote!(#krate::__private::serde::de::DeserializeOwned);
        let (clone, debug) = (quote!(::core::clone::Clone), quote!(::core::fmt::Debug));
        let (send, sync) = (quote!(::core::marker::Send), quote!(::core::marker::Sync));
        let default = quote!(::core::default::Default);
        let parameters = ty::parameters(&field.ty, &input.generics);
        let serde = &field.serde;
        let defaults = matches!(serde.default, Some(DefaultValue::Trait))
            || (serde.unread() && serde.default.is_none() && input.serde.default.is_none());
        for parameter in &parameters.stored {
            match field.kind {
                Kind::Clear | Kind::Id(_) => {
                    if !serde.unwritten() && serde.serialize_with.is_none() {
                        self.serialize.add(parameter, &serialize);
                    }
                    if !serde.unread() && serde.deserialize_with.is_none() {
                        self.deserialize.add(parameter, &deserialize);
                    }
                    if defaults {
                        self.deserialize.add(parameter, &default);
                    }
                    self.clone.add(parameter, &clone);
                    self.debug.add(parameter, &debug);
                    self.plain_debug.add(parameter, &debug);
                    self.sealable.add(parameter, &send);
                    self.sealable.add(parameter, &sync);
                }
                Kind::Sensitive(_) => {
                    if serde.serialize_with.is_none() {
                        self.sealable.add(parameter, &serialize);
                    }
                    if serde.deserialize_with.is_none() {
                        self.sealable.add(parameter, &deserialize);
                    }
                    if defaults {
                        self.sealable.add(parameter, &default);
                    }
                }
                Kind::Nested(_) => {}
            }
        }
        for parameter in parameters.markers.iter().filter(|_| field.is_clear()) {
            self.sealable.add(parameter, &send);
            self.sealable.add(parameter, &sync);
        }
        let ty = &field.ty;
        if field.is_nested() && ty::is_generic(ty, &input.generics) {
            self.plain_debug.add(ty, &debug);
            if defaults {
                self.deserialize.add(quote!(<#ty as #krate::Sealable>::Sealed), &default);
            }
        }
    }

    /// A default of the whole struct is asked for each clear field, and cloned.
    fn add_default(&mut self, input: &Input<'_>) {
        let Some(default) = &input.serde.default else { return };
        if input.generics.params.is_empty() {
            return;
        }
        if let DefaultValue::Trait = default {
            self.deserialize.add(input.plain_type(), &quote!(::core::default::Default));
        }
        let clone = self.clone.clone();
        self.deserialize.extend(&clone);
    }
}
