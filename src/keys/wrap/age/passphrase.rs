//! Passphrases, stretched with scrypt.

use std::fmt;

use age::scrypt::{Identity, Recipient};
use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::{decrypt, encrypt};
use crate::bytes::wiped::wiped;
use crate::keys::wrap::{KeyWrapper, WrapError};

/// scrypt's work factor, as the stock `age` program writes it: N = 2^18, 256 MiB. The `age` crate would
/// measure the machine instead, so that what a fast one wraps a slow one refuses.
const LOG_N: u8 = 18;

/// One passphrase is stretched at a time: each takes 256 MiB.
static STRETCHING: Semaphore = Semaphore::const_new(1);

/// A passphrase as a root: a recovery code. Wrapping and unwrapping take about a second and 256 MiB each,
/// away from the runtime's workers and one at a time; a file that asks for more work is refused before
/// any.
///
/// The passphrase must be strong by itself, as whoever reads the vault may guess at leisure.
pub struct AgePassphrase {
    name: String,
    passphrase: SecretString,
    log_n: u8,
}

impl ZeroizeOnDrop for AgePassphrase {}

const _: fn(&AgePassphrase) = |AgePassphrase { name: _, passphrase, log_n: _ }| wiped(passphrase);

impl AgePassphrase {
    /// The passphrase of the slot with this id, which tells it from other passphrases and is no secret:
    /// 1 to 64 letters, digits, `-` and `_`.
    ///
    /// # Errors
    /// [`WrapError::Unusable`] for an empty passphrase or another id.
    pub fn new(slot: &str, passphrase: SecretString) -> Result<Self, WrapError> {
        let unusable = |reason: &str| {
            Err(WrapError::Unusable { root: "age-passphrase".to_owned(), reason: reason.to_owned() })
        };
        let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if slot.is_empty() || slot.len() > 64 || !slot.bytes().all(known) {
            return unusable("a slot id is 1 to 64 letters, digits, `-` and `_`");
        }
        if passphrase.expose_secret().is_empty() {
            return unusable("the passphrase is empty");
        }
        Ok(Self { name: format!("age-passphrase:{slot}"), passphrase, log_n: LOG_N })
    }

    /// The same with a work factor of 2^`log_n` (1 to 18) on wrapping, which makes guessing cheap.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn with_weak_work_factor_for_tests(mut self, log_n: u8) -> Self {
        self.log_n = log_n.clamp(1, LOG_N);
        self
    }

    /// Runs what stretches the passphrase on a thread that may block.
    async fn stretch<T: Send + 'static>(
        &self,
        work: impl FnOnce(String, SecretString, u8) -> Result<T, WrapError> + Send + 'static,
    ) -> Result<T, WrapError> {
        let permit = STRETCHING.acquire().await.expect("never closed");
        let (name, passphrase, log_n) = (self.name.clone(), self.passphrase.clone(), self.log_n);
        let stretched = tokio::task::spawn_blocking(move || {
            // Held until the work ends, even where nobody waits for it any more.
            let _permit = permit;
            work(name, passphrase, log_n)
        })
        .await;
        stretched.map_err(|error| WrapError::Unavailable {
            root: self.name.clone(),
            reason: "the work was stopped".to_owned(),
            source: Some(Box::new(error)),
        })?
    }
}

impl fmt::Debug for AgePassphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgePassphrase").field("root", &self.name).finish_non_exhaustive()
    }
}

#[async_trait]
impl KeyWrapper for AgePassphrase {
    fn root(&self) -> &str {
        &self.name
    }

    async fn wrap(&self, record: &[u8], _context: &[u8]) -> Result<Vec<u8>, WrapError> {
        let record = Zeroizing::new(record.to_vec());
        self.stretch(move |name, passphrase, log_n| {
            let mut recipient = Recipient::new(passphrase);
            recipient.set_work_factor(log_n);
            encrypt(&name, &recipient, &record)
        })
        .await
    }

    async fn unwrap(&self, wrapped: &[u8], _context: &[u8]) -> Result<Zeroizing<Vec<u8>>, WrapError> {
        if wrapped.len() > super::MAX_FILE_BYTES {
            return Err(WrapError::DoesNotUnwrap { root: self.name.clone() });
        }
        let wrapped = wrapped.to_vec();
        self.stretch(move |name, passphrase, _| {
            let mut identity = Identity::new(passphrase);
            identity.set_max_work_factor(LOG_N);
            decrypt(&name, &identity, &wrapped)
        })
        .await
    }
}
