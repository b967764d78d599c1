//! Why a vault did not do what it was asked.

use std::sync::Arc;

use super::manifest::{KeyState, ManifestError};
use super::records::RecordsError;
use crate::bytes::{KeyId, Scope};
use crate::keys::{KeyError, WrapError};

/// Why a vault did not do what it was asked. Nothing was changed, except where a variant says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// There is no ring for this scope.
    #[error("there is no key ring for scope {scope}; create it with `create_scope`")]
    ScopeUnknown {
        /// The scope that was asked for.
        scope: Scope,
    },
    /// The scope was destroyed; it does not come back.
    #[error("the keys of scope {scope} were destroyed")]
    ScopeDestroyed {
        /// The scope that was asked for.
        scope: Scope,
    },
    /// The stored manifest is refused.
    #[error("the key ring of scope {scope} is refused: {source}")]
    Manifest {
        /// The scope that was asked for.
        scope: Scope,
        /// Why.
        source: ManifestError,
    },
    /// The records cannot be read or changed. After an outage a change may have been made all the same.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// No root that was supplied opens the key.
    #[error("no root opens key {key} of scope {scope}: {}", listed(failures))]
    NotOpened {
        /// The key's scope.
        scope: Scope,
        /// The key.
        key: KeyId,
        /// What each root said, in the order they were asked.
        failures: Vec<WrapError>,
    },
    /// A root did not wrap.
    #[error(transparent)]
    Wrap(#[from] WrapError),
    /// A slot's root was not supplied, so the slot would be left without the key.
    #[error("the ring lists the root {root}, which was not supplied; supply it, or remove its slot")]
    MissingRoot {
        /// The root's full name.
        root: String,
    },
    /// The private key is not that of the authority that this vault was opened with.
    #[error("this is not the authority whose public key the vault was opened with")]
    OtherAuthority,
    /// No such key in the ring.
    #[error("scope {scope} has no key {key}")]
    KeyUnknown {
        /// The scope.
        scope: Scope,
        /// The key.
        key: KeyId,
    },
    /// The key's state does not allow it.
    #[error("key {key} is {state}: {advice}")]
    State {
        /// The key.
        key: KeyId,
        /// Its state.
        state: KeyState,
        /// What to do instead.
        advice: &'static str,
    },
    /// No such slot in the ring.
    #[error("scope {scope} has no slot {slot}")]
    SlotUnknown {
        /// The scope.
        scope: Scope,
        /// The slot's number.
        slot: u32,
    },
    /// The change would leave live keys without a wrap that is known to open.
    #[error(
        "scope {scope} would be left without a slot that is proved to open every key; add or verify another one first"
    )]
    LastUsableWrap {
        /// The scope.
        scope: Scope,
    },
    /// The index key was added too recently: some readers do not query it yet.
    #[error("some readers may not know index key {key} yet; try again in {seconds} seconds")]
    TooEarly {
        /// The index key.
        key: KeyId,
        /// How long to wait.
        seconds: u64,
    },
    /// Documents under the key could not be counted.
    #[error("the documents under the key could not be counted")]
    Count(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The operating system gives no random numbers.
    #[error("the operating system gives no random numbers")]
    Random,
    /// The program is shutting down, or there is no Tokio runtime.
    #[error("the vault's task was stopped; the Tokio runtime is shutting down")]
    Stopped,
}

impl VaultError {
    /// Whether someone else changed the ring meanwhile: look at it and decide anew.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Records(RecordsError::Conflict))
    }

    /// Whether a later try may succeed.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Records(error) => error.is_unavailable(),
            Self::NotOpened { failures, .. } => {
                failures.iter().any(|failure| matches!(failure, WrapError::Unavailable { .. }))
            }
            Self::Wrap(error) => matches!(error, WrapError::Unavailable { .. }),
            Self::Stopped => true,
            _ => false,
        }
    }

    /// Whether this is what is wrong with one key or one scope, for good, and says nothing of others.
    pub(super) fn is_of_one_scope(&self) -> bool {
        let of_one = matches!(self, Self::NotOpened { .. } | Self::Manifest { .. } | Self::Wrap(_));
        of_one && !self.is_unavailable()
    }

    /// Whether the roots answered, and denied the key: it must not be used any longer.
    pub(super) fn is_denial(&self) -> bool {
        match self {
            Self::NotOpened { failures, .. } => {
                !self.is_unavailable()
                    && failures.iter().any(|failure| matches!(failure, WrapError::Denied { .. }))
            }
            _ => false,
        }
    }
}

/// The error as those who only ask for keys see it.
pub(super) fn key_error(error: &Arc<VaultError>) -> KeyError {
    match &**error {
        VaultError::ScopeUnknown { scope } => KeyError::ScopeUnknown { scope: scope.clone() },
        VaultError::ScopeDestroyed { scope } => KeyError::ScopeDestroyed { scope: scope.clone() },
        VaultError::Manifest { scope, source } => {
            KeyError::RingRefused { scope: scope.clone(), reason: source.to_string() }
        }
        refused @ VaultError::NotOpened { scope, .. } if !refused.is_unavailable() => KeyError::Refused {
            scope: scope.clone(),
            reason: refused.to_string(),
            source: Some(Box::new(Arc::clone(error))),
        },
        other => {
            KeyError::Unavailable { reason: other.to_string(), source: Some(Box::new(Arc::clone(error))) }
        }
    }
}

fn listed(failures: &[WrapError]) -> String {
    if failures.is_empty() {
        return "none of the roots that were supplied has a wrap of it".to_owned();
    }
    failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
