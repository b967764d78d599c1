//! Floor 1: data keys, key rings, and where they come from.

mod derive;
mod key;
#[cfg(test)]
mod known_answers;
pub(crate) mod labels;
mod message;
mod provider;
mod ring;
mod token;
mod wrap;

pub use key::{DataKey, IndexKey};
pub use message::{MessageKey, MessageKeyProvider, MessageRing, MessageRings};
pub use provider::{KeyError, KeyLookup, KeyProvider};
pub use ring::{KeyRing, KeyRings};
pub(crate) use token::{PlaceKeys, TokenKey};
#[cfg(feature = "age")]
pub use wrap::{AgeIdentity, AgePassphrase, AgeRecipient};
pub use wrap::{Binding, KeyWrapper, LocalRoot, Purpose, WrapError, unwrap_key, wrap_key};
#[cfg(feature = "testing")]
pub use wrap::{Calls, Fault, ScriptedRoot, ScriptedService};
#[cfg(feature = "gcp-kms")]
pub use wrap::{GcpKms, GcpKmsRoot, KmsClient};
#[cfg(feature = "pkcs11")]
pub use wrap::{Pkcs11Key, Pkcs11Root};
#[cfg(feature = "vault")]
pub use wrap::{TransitKey, VaultTransit};
