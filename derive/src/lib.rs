//! The derive macro of fireseal. Use it through the `fireseal` crate, which re-exports it.

mod ast;
mod attr;
mod case;
mod errors;
mod expand;
mod fallback;
mod shape;
mod symbol;
mod ty;
mod valid;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

use crate::ast::Input;
use crate::errors::Errors;

/// Implements `Sealable` for a struct or enum, and generates its companion.
#[proc_macro_derive(Sealable, attributes(sealable, sensitive, serde))]
pub fn sealable(input: TokenStream) -> TokenStream {
    let original = parse_macro_input!(input as DeriveInput);
    let mut errors = Errors::default();
    let input = Input::read(&original, &mut errors);
    valid::check(&input, &mut errors);
    match errors.into_inner() {
        None => expand::expand(&input).into(),
        Some(errors) => fallback::stub(&input, &errors).into(),
    }
}
