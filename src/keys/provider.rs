//! Where keys come from: the trait behind every ring, vault and cache.

use std::sync::Arc;

use async_trait::async_trait;

use super::key::DataKey;
use super::ring::KeyRing;
use crate::bytes::{KeyId, Scope};

/// What is known of a key id in a scope.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum KeyLookup {
    /// The key is here.
    Found(Arc<DataKey>),
    /// There was such a key; it was destroyed, and what it sealed with it.
    Destroyed,
    /// There is such a key, but it was retired: nothing sealed with it was left.
    Retired,
    /// There is such a key, but others may have it. It opens only where that was asked for.
    Compromised,
    /// There is such a key, or a record of its scope, but what is at hand does not open it: the roots deny
    /// it, none of them holds a wrap of it, or the scope's record is not the authority's. Asking again does
    /// not help; the provider's log says why.
    Refused,
    /// No such key in this scope.
    Unknown,
}

/// The source of keys, asked by scope.
#[async_trait]
pub trait KeyProvider: Send + Sync {
    /// The current ring of a scope, whose primary key seals.
    ///
    /// # Errors
    /// [`KeyError::ScopeUnknown`], or [`KeyError::Unavailable`] where the key service is down.
    async fn ring(&self, scope: &Scope) -> Result<KeyRing, KeyError>;

    /// The keys with these ids, in order, each looked for in its own scope only. Many at once, so
    /// that a page of documents costs one call.
    ///
    /// An answer about one key is no error, whatever it is: documents name keys, and whoever writes the
    /// database can name any.
    ///
    /// # Errors
    /// [`KeyError::Unavailable`] where the key service is down.
    async fn keys(&self, wanted: &[(Scope, KeyId)]) -> Result<Vec<KeyLookup>, KeyError>;

    /// The same of the keys of document seals. Only a key that is primary or active vouches for what it
    /// sealed: a provider that was told to open with compromised keys does not find one here.
    ///
    /// # Errors
    /// As [`keys`](Self::keys).
    async fn vouching(&self, wanted: &[(Scope, KeyId)]) -> Result<Vec<KeyLookup>, KeyError> {
        self.keys(wanted).await
    }
}

#[async_trait]
impl<P: KeyProvider + ?Sized> KeyProvider for Arc<P> {
    async fn ring(&self, scope: &Scope) -> Result<KeyRing, KeyError> {
        (**self).ring(scope).await
    }

    async fn keys(&self, wanted: &[(Scope, KeyId)]) -> Result<Vec<KeyLookup>, KeyError> {
        (**self).keys(wanted).await
    }

    async fn vouching(&self, wanted: &[(Scope, KeyId)]) -> Result<Vec<KeyLookup>, KeyError> {
        (**self).vouching(wanted).await
    }
}

/// Why keys cannot be had. Says nothing about documents.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// There is no ring for this scope.
    #[error("there is no key ring for scope {scope}; create one before sealing")]
    ScopeUnknown {
        /// The scope that was asked for.
        scope: Scope,
    },
    /// The scope was destroyed, and all its keys with it.
    #[error("the keys of scope {scope} were destroyed, and everything sealed with them")]
    ScopeDestroyed {
        /// The scope that was asked for.
        scope: Scope,
    },
    /// The stored ring is not one that the vault's authority made, or an older one than was seen.
    #[error("the stored key ring of scope {scope} is refused: {reason}; nothing was sealed or opened")]
    RingRefused {
        /// The scope that was asked for.
        scope: Scope,
        /// What is wrong with it.
        reason: String,
    },
    /// The keys of the scope are there, and what is at hand does not open them: the roots deny them, or none
    /// of them holds a wrap. Asking again does not help.
    #[error("the keys of scope {scope} do not open here: {reason}")]
    Refused {
        /// The scope that was asked for.
        scope: Scope,
        /// What the roots said.
        reason: String,
        /// The underlying error.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// Nothing is sealed in the scope before it can be recovered.
    #[error("nothing is sealed in scope {scope} before it can be recovered: {missing}")]
    NotRecoverable {
        /// The scope that was asked for.
        scope: Scope,
        /// What is missing, and what to do.
        missing: String,
    },
    /// The key service does not answer, or refuses.
    #[error("the key service is unavailable: {reason}")]
    Unavailable {
        /// What went wrong, without secrets.
        reason: String,
        /// The underlying error.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The operating system gives no random numbers.
    #[error("the operating system gives no random numbers")]
    Random(#[source] getrandom::Error),
}
