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

/// Implements `Sealable` for a struct or enum, and generates its companion: the same type with each
/// sensitive field as `Sealed<_>`, named `SealedCustomer` for a `Customer`.
///
/// On the struct or enum:
///
/// | `#[sealable(..)]` | |
/// |---|---|
/// | `collection = "customers"` | makes the type a document; it needs an id |
/// | `sealed = Name` | the companion's name |
/// | `derive(PartialEq, ..)` | what the companion derives besides `Serialize`, `Deserialize`, `Clone` and `Debug` |
/// | `debug` | writes `Debug` for the plain type, with sensitive fields as `[sensitive]` |
/// | `zeroize` | wipes the sensitive fields on drop |
/// | `crate = path` | where `fireseal` is, if it is not `::fireseal` |
///
/// On a field:
///
/// | | |
/// |---|---|
/// | (nothing) | stored as it is |
/// | `#[sealable(id)]` | the document's id, a clear text |
/// | `#[sealable(nested)]` | the type is `Sealable` itself, or an `Option`, `Vec`, `Box` or map of one |
/// | `#[sensitive]` | sealed |
/// | `#[sensitive(bytes)]` | sealed as the bytes they are: `Vec<u8>`, `Box<[u8]>`, `[u8; N]`, an `Option` of one |
/// | `#[sensitive(pad = N)]` | the length is hidden up to the next multiple of N bytes |
///
/// `#[serde(..)]` attributes that stand on the type keep their meaning for what is stored, or are
/// refused with an error that says what to write instead. The guide's chapter on attributes has the
/// whole table.
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
