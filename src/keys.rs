//! Floor 1: data keys, key rings, and where they come from.

mod key;
mod labels;
mod provider;
mod ring;

pub use key::DataKey;
pub use provider::{KeyError, KeyLookup, KeyProvider};
pub use ring::{KeyRing, KeyRings};
