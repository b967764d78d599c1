//! The backup key: an age identity on paper or on a stick in a safe.

use std::fmt;
use std::sync::Arc;

use secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

use super::super::authority::Authority;
use super::super::error::VaultError;
use super::super::manifest::SlotKind;
use super::super::slots::NewSlot;
use super::super::vault::KeyVault;
use crate::bytes::Scope;
use crate::keys::{AgeIdentity, AgeRecipient, WrapError};

/// An age identity that is kept offline: printed, or in a file that `age -d -i` takes as it is.
pub struct BackupKey(AgeIdentity);

impl BackupKey {
    /// A new key from the operating system's random numbers.
    #[must_use]
    pub fn generate() -> Self {
        Self(AgeIdentity::generate())
    }

    /// Reads the text that [`to_text`](Self::to_text) gave, or that `age-keygen` wrote: one line
    /// `AGE-SECRET-KEY-1…`; empty lines and lines that begin with `#` do not matter. Its own checksum
    /// tells a typo.
    ///
    /// # Errors
    /// [`WrapError::Unusable`], without the text.
    pub fn parse(text: &str) -> Result<Self, WrapError> {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let line = lines.next().unwrap_or_default();
        if lines.next().is_some() {
            let reason = "the text has more than one key; give one at a time".to_owned();
            return Err(WrapError::Unusable { root: "age".to_owned(), reason });
        }
        AgeIdentity::parse(&line.to_owned().into()).map(Self)
    }

    /// The key as a standard age identity file, to be printed or written to a stick. Whoever has it and
    /// reads the vault opens the ring.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let (recipient, secret) = (self.0.recipient().to_string(), self.0.expose_text());
        let head = "# fireseal backup key: keep it offline\n# public key: ";
        // With room for all of it from the start: growing would leave a copy behind.
        let room = head.len() + recipient.len() + secret.expose_secret().len() + 2;
        let mut text = Zeroizing::new(String::with_capacity(room));
        for part in [head, &recipient, "\n", secret.expose_secret(), "\n"] {
            text.push_str(part);
        }
        text
    }

    /// What the ring is wrapped to.
    #[must_use]
    pub fn recipient(&self) -> &AgeRecipient {
        self.0.recipient()
    }

    /// The identity: the root that opens.
    #[must_use]
    pub fn into_identity(self) -> AgeIdentity {
        self.0
    }
}

impl fmt::Debug for BackupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BackupKey").field(self.recipient()).finish()
    }
}

impl KeyVault {
    /// Adds the slot of a backup key; the key itself is not needed. It is not verified until the key is
    /// read back from where it is kept: [`drill`](Self::drill). Returns the slot's number.
    ///
    /// # Errors
    /// As [`add_slot`](Self::add_slot).
    pub async fn add_backup(
        &self,
        authority: &Authority,
        scope: &Scope,
        recipient: &AgeRecipient,
        name: impl Into<String>,
    ) -> Result<u32, VaultError> {
        let slot = NewSlot::new(SlotKind::Backup).named(name);
        self.add_slot(authority, scope, Arc::new(recipient.clone()), slot).await
    }
}
