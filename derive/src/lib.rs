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
/// | `authenticated` | a seal over the whole document, made with each write and verified with each reading |
/// | `sealed = Name` | the companion's name |
/// | `derive(PartialEq, ..)` | what the companion derives besides `Serialize`, `Deserialize`, `Clone` and `Debug` |
/// | `debug` | writes `Debug` for the plain type, with sensitive fields as `[sensitive]` |
/// | `zeroize` | wipes the sensitive fields on drop, those of the partial type too, and what queries compare them with |
/// | `compound(name = "full_name", fields(first, last))` | an equality index over 2 to 8 fields together, of which at least one is sealed; with `normalize(..)` and `bits = N` if wished; may be repeated |
/// | `crate = path` | where `fireseal` is, if it is not `::fireseal` |
///
/// On a field:
///
/// | | |
/// |---|---|
/// | (nothing) | stored as it is |
/// | `#[sealable(id)]` | the document's id, a clear text |
/// | `#[sealable(nested)]` | the type is `Sealable` itself, or an `Option`, `Vec`, `Box` or map of one |
/// | `#[sealable(unbound)]` | stored as it is, and left out of the document seal |
/// | `#[sensitive]` | sealed |
/// | `#[sensitive(bytes)]` | sealed as the bytes they are: `Vec<u8>`, `Box<[u8]>`, `[u8; N]`, an `Option` of one |
/// | `#[sensitive(pad = N)]` | the length is hidden up to the next multiple of N bytes |
/// | `#[sensitive(index)]` | sealed, and found by equality |
/// | `#[sensitive(unique)]` | the same, and no two documents of a collection have the same value |
/// | `#[sensitive(prefix(min = 2, max = 8))]` | sealed, and found by how its text begins; lengths in characters, 64 at most |
/// | `#[sensitive(words)]` | sealed, and found by the words of its text |
/// | `#[sensitive(range(min = 0, max = 1000, step = 10))]` | sealed, and found by less, greater, between. The bounds are integers, decimal numbers (`"0.01"`), or dates and RFC 3339 times with a step such as `"1d"` (`s`, `m`, `h`, `d`) |
///
/// A field may have several indexes, and `bytes` goes with `index` and `unique`. Within the parentheses of
/// each, `bits = 32` shortens the tokens (8 to 128 bits, 128 where nothing is said), and except for `range`
/// `normalize(trim, casefold)` names what is done to a text first, in this order: `trim`, `casefold`, `nfc`,
/// `nfkc`, `email`, `digits`. Nothing inside an array, a map, an enum or a tuple has an index.
///
/// Each field of a struct has a typed handle, `fireseal::query::fields::<Customer>().email`: a clear field
/// offers every comparison of Firestore's, a sealed one what its indexes support, and anything else does not
/// compile.
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
