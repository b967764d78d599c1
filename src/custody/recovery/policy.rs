//! The policy that nothing is sealed in a scope before it can be recovered.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::super::error::key_error;
use super::super::manifest::{Manifest, SlotKind};
use super::super::vault::KeyVault;
use crate::bytes::{KeyId, Scope};
use crate::keys::{KeyError, KeyLookup, KeyProvider, KeyRing};

/// Which slots a scope needs, each proved by a drill, before anything is sealed in it.
///
/// Codes are used up: make more than are required, ten where two are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecoveryPolicy {
    required: Vec<(SlotKind, usize)>,
}

/// What a scope lacks of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Missing {
    /// The kind of slot.
    pub kind: SlotKind,
    /// How many verified ones are required.
    pub required: usize,
    /// How many there are, verified or not.
    pub present: usize,
    /// How many of them were proved to open the ring.
    pub verified: usize,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, required, present, verified } = self;
        write!(f, "{required} verified {kind} required, {present} there, {verified} verified")?;
        let (make, prove) = (required.saturating_sub(*present), required - verified);
        if make > 0 {
            write!(f, ": make {make} more, and prove {prove} with a drill")
        } else {
            write!(f, ": prove {prove} more with a drill")
        }
    }
}

impl RecoveryPolicy {
    /// A policy that requires nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Requires this many verified slots of a kind.
    #[must_use]
    pub fn require(mut self, kind: SlotKind, count: usize) -> Self {
        self.required.retain(|(known, _)| *known != kind);
        self.required.push((kind, count));
        self
    }

    /// What the ring lacks; empty where the policy is met.
    #[must_use]
    pub fn missing(&self, manifest: &Manifest) -> Vec<Missing> {
        let count = |&(kind, required): &(SlotKind, usize)| {
            let slots = || manifest.slots.iter().filter(move |slot| slot.kind == kind);
            let verified = slots().filter(|slot| slot.verified_ms.is_some()).count();
            Missing { kind, required, present: slots().count(), verified }
        };
        self.required.iter().map(count).filter(|missing| missing.verified < missing.required).collect()
    }
}

/// A vault that gives out no key to seal with before a scope meets the policy. What is sealed already
/// opens in any case.
///
/// A scope that met the policy is not asked again by this vault, so that a code that is used up does not
/// stop a service that runs; one that starts anew asks.
#[derive(Debug)]
pub struct GuardedVault {
    vault: KeyVault,
    policy: RecoveryPolicy,
    met: Mutex<HashSet<Scope>>,
}

impl KeyVault {
    /// This vault under a policy, to be given to repositories in its place.
    #[must_use]
    pub fn guarded_by(self, policy: RecoveryPolicy) -> GuardedVault {
        GuardedVault { vault: self, policy, met: Mutex::default() }
    }
}

impl GuardedVault {
    /// The vault itself.
    #[must_use]
    pub fn vault(&self) -> &KeyVault {
        &self.vault
    }

    async fn check(&self, scope: &Scope) -> Result<(), KeyError> {
        if self.met.lock().unwrap_or_else(PoisonError::into_inner).contains(scope) {
            return Ok(());
        }
        let manifest = self.vault.manifest(scope).await.map_err(|error| key_error(&Arc::new(error)))?;
        let missing = self.policy.missing(&manifest);
        if !missing.is_empty() && !manifest.is_destroyed() {
            let missing: Vec<_> = missing.iter().map(ToString::to_string).collect();
            return Err(KeyError::NotRecoverable { scope: scope.clone(), missing: missing.join("; ") });
        }
        self.met.lock().unwrap_or_else(PoisonError::into_inner).insert(scope.clone());
        Ok(())
    }
}

#[async_trait]
impl KeyProvider for GuardedVault {
    async fn ring(&self, scope: &Scope) -> Result<KeyRing, KeyError> {
        self.check(scope).await?;
        self.vault.ring(scope).await
    }

    async fn keys(&self, wanted: &[(Scope, KeyId)]) -> Result<Vec<KeyLookup>, KeyError> {
        self.vault.keys(wanted).await
    }

    async fn vouching(&self, wanted: &[(Scope, KeyId)]) -> Result<Vec<KeyLookup>, KeyError> {
        self.vault.vouching(wanted).await
    }
}
