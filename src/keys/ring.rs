//! Key rings: the data keys of one scope, as an immutable snapshot.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;

use super::key::DataKey;
use super::provider::{KeyError, KeyLookup, KeyProvider};
use crate::bytes::{KeyId, Scope};

/// The data keys of one scope: the primary, which seals and opens, the active ones, which only
/// open, and the ids of those that were destroyed. Cloning is cheap: the keys are shared.
///
/// A ring is the [`KeyProvider`] of its own scope:
///
/// ```
/// use fireseal::{DataKey, KeyRing};
///
/// let older = DataKey::generate()?;
/// let ring = KeyRing::new(DataKey::generate()?).with_active(older);
/// # Ok::<(), fireseal::KeyError>(())
/// ```
#[derive(Debug, Clone)]
pub struct KeyRing(Arc<Keys>);

#[derive(Debug, Clone)]
struct Keys {
    scope: Scope,
    primary: Arc<DataKey>,
    keys: HashMap<KeyId, Arc<DataKey>>,
    destroyed: HashSet<KeyId>,
}

impl KeyRing {
    /// A ring of the default scope with this primary key.
    #[must_use]
    pub fn new(primary: DataKey) -> Self {
        let primary = Arc::new(primary);
        Self(Arc::new(Keys {
            scope: Scope::default(),
            keys: HashMap::from([(primary.id(), Arc::clone(&primary))]),
            primary,
            destroyed: HashSet::new(),
        }))
    }

    /// The same keys as the ring of another scope.
    #[must_use]
    pub fn with_scope(mut self, scope: Scope) -> Self {
        self.edit().scope = scope;
        self
    }

    /// Adds a key that opens but does not seal.
    #[must_use]
    pub fn with_active(mut self, key: DataKey) -> Self {
        self.edit().keys.entry(key.id()).or_insert_with(|| Arc::new(key));
        self
    }

    /// Remembers that a key was destroyed, so that its values are told as such. A key that the ring
    /// holds is not forgotten by this.
    #[must_use]
    pub fn with_destroyed(mut self, id: KeyId) -> Self {
        self.edit().destroyed.insert(id);
        self
    }

    /// Whose keys these are.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.0.scope
    }

    /// The key that seals.
    #[must_use]
    pub fn primary(&self) -> &DataKey {
        &self.0.primary
    }

    /// The key with this id, compared by all 32 bytes.
    #[must_use]
    pub fn key(&self, id: &KeyId) -> KeyLookup {
        match self.0.keys.get(id) {
            Some(key) => KeyLookup::Found(Arc::clone(key)),
            None if self.0.destroyed.contains(id) => KeyLookup::Destroyed,
            None => KeyLookup::Unknown,
        }
    }

    /// The keys, to be changed while the ring is built; a snapshot that others hold stays as it is.
    fn edit(&mut self) -> &mut Keys {
        Arc::make_mut(&mut self.0)
    }
}

#[async_trait]
impl KeyProvider for KeyRing {
    async fn ring(&self, scope: &Scope) -> Result<KeyRing, KeyError> {
        if scope != self.scope() {
            return Err(KeyError::ScopeUnknown { scope: scope.clone() });
        }
        Ok(self.clone())
    }

    async fn keys(&self, wanted: &[(Scope, KeyId)]) -> Result<Vec<KeyLookup>, KeyError> {
        Ok(wanted.iter().map(|(scope, id)| look_up(Some(self), scope, id)).collect())
    }
}

/// Key rings of several scopes, kept in memory.
#[derive(Debug, Clone, Default)]
pub struct KeyRings(HashMap<Scope, KeyRing>);

impl FromIterator<KeyRing> for KeyRings {
    /// Of two rings of one scope the later counts.
    fn from_iter<I: IntoIterator<Item = KeyRing>>(rings: I) -> Self {
        Self(rings.into_iter().map(|ring| (ring.scope().clone(), ring)).collect())
    }
}

#[async_trait]
impl KeyProvider for KeyRings {
    async fn ring(&self, scope: &Scope) -> Result<KeyRing, KeyError> {
        self.0.get(scope).cloned().ok_or_else(|| KeyError::ScopeUnknown { scope: scope.clone() })
    }

    async fn keys(&self, wanted: &[(Scope, KeyId)]) -> Result<Vec<KeyLookup>, KeyError> {
        Ok(wanted.iter().map(|(scope, id)| look_up(self.0.get(scope), scope, id)).collect())
    }
}

fn look_up(ring: Option<&KeyRing>, scope: &Scope, id: &KeyId) -> KeyLookup {
    match ring {
        Some(ring) if ring.scope() == scope => ring.key(id),
        _ => KeyLookup::Unknown,
    }
}
