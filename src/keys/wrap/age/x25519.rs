//! X25519 recipients and identities: a device, a backup key kept offline.

use std::fmt;
use std::str::FromStr;

use age::x25519::{Identity, Recipient};
use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::{decrypt, encrypt};
use crate::keys::wrap::{KeyWrapper, WrapError};

/// An age recipient (`age1…`): wraps, and cannot unwrap. A key is wrapped to whoever holds the identity,
/// who need not be online.
#[derive(Clone)]
pub struct AgeRecipient {
    name: String,
    recipient: Recipient,
}

impl AgeRecipient {
    fn new(recipient: Recipient) -> Self {
        Self { name: format!("age:{recipient}"), recipient }
    }
}

impl FromStr for AgeRecipient {
    type Err = WrapError;

    /// Reads `age1…`, an X25519 recipient. Recipients of plugins and SSH keys are refused.
    fn from_str(text: &str) -> Result<Self, WrapError> {
        text.parse().map(Self::new).map_err(|reason| WrapError::Unusable {
            root: "age".to_owned(),
            reason: format!("this is no X25519 recipient (`age1…`, 62 characters): {reason}"),
        })
    }
}

impl fmt::Display for AgeRecipient {
    /// Writes `age1…`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.recipient.fmt(f)
    }
}

impl fmt::Debug for AgeRecipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AgeRecipient").field(&self.name).finish()
    }
}

#[async_trait]
impl KeyWrapper for AgeRecipient {
    fn root(&self) -> &str {
        &self.name
    }

    fn can_unwrap(&self) -> bool {
        false
    }

    async fn wrap(&self, record: &[u8], _context: &[u8]) -> Result<Vec<u8>, WrapError> {
        encrypt(&self.name, &self.recipient, record)
    }

    /// Always [`WrapError::Unusable`]: only the [`AgeIdentity`] unwraps.
    async fn unwrap(&self, _wrapped: &[u8], _context: &[u8]) -> Result<Zeroizing<Vec<u8>>, WrapError> {
        Err(WrapError::Unusable {
            root: self.name.clone(),
            reason: "a recipient only wraps: unwrap with its identity".to_owned(),
        })
    }
}

/// An age identity (`AGE-SECRET-KEY-1…`): unwraps, and wraps to its own recipient, whose root name it
/// bears. Wiped on drop.
pub struct AgeIdentity {
    recipient: AgeRecipient,
    identity: Identity,
}

impl AgeIdentity {
    /// A new identity from the operating system's random numbers.
    #[must_use]
    pub fn generate() -> Self {
        Self::new(Identity::generate())
    }

    /// Reads `AGE-SECRET-KEY-1…`, one line as `age-keygen` writes it, without its comments.
    ///
    /// # Errors
    /// [`WrapError::Unusable`], without the text, for anything else.
    pub fn parse(text: &SecretString) -> Result<Self, WrapError> {
        text.expose_secret().trim().parse().map(Self::new).map_err(|reason| WrapError::Unusable {
            root: "age".to_owned(),
            reason: format!("this is no X25519 identity (`AGE-SECRET-KEY-1…`, 74 characters): {reason}"),
        })
    }

    fn new(identity: Identity) -> Self {
        Self { recipient: AgeRecipient::new(identity.to_public()), identity }
    }

    /// The recipient: what others wrap to.
    #[must_use]
    pub fn recipient(&self) -> &AgeRecipient {
        &self.recipient
    }

    /// The identity as `AGE-SECRET-KEY-1…`: whoever has it unwraps everything that was wrapped to it.
    #[must_use]
    pub fn expose_text(&self) -> SecretString {
        self.identity.to_string()
    }
}

impl fmt::Debug for AgeIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgeIdentity").field("root", &self.recipient.name).finish_non_exhaustive()
    }
}

#[async_trait]
impl KeyWrapper for AgeIdentity {
    fn root(&self) -> &str {
        self.recipient.root()
    }

    async fn wrap(&self, record: &[u8], context: &[u8]) -> Result<Vec<u8>, WrapError> {
        self.recipient.wrap(record, context).await
    }

    async fn unwrap(&self, wrapped: &[u8], _context: &[u8]) -> Result<Zeroizing<Vec<u8>>, WrapError> {
        decrypt(self.root(), &self.identity, wrapped)
    }
}
