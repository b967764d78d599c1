//! Key rings: the data keys of one scope, as an immutable snapshot.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::key::{DataKey, IndexKey};
use super::provider::{KeyError, KeyLookup, KeyProvider};
use crate::bytes::{KeyId, Scope};

/// The keys of one scope: the primary data key, which seals and opens, the active ones, which only
/// open, the ids of those that do neither (retired, compromised, destroyed), and the live index keys.
/// Cloning is cheap: the keys are shared.
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
    /// Why ids without a key open nothing.
    closed: HashMap<KeyId, KeyLookup>,
    /// The first one makes tokens; all of them are queried.
    index: Vec<Arc<IndexKey>>,
}

impl KeyRing {
    /// A ring of the default scope with this primary key.
    #[must_use]
    pub fn new(primary: DataKey) -> Self {
        Self::of_shared(Arc::new(primary))
    }

    pub(crate) fn of_shared(primary: Arc<DataKey>) -> Self {
        Self(Arc::new(Keys {
            scope: Scope::default(),
            keys: HashMap::from([(primary.id(), Arc::clone(&primary))]),
            primary,
            closed: HashMap::new(),
            index: Vec::new(),
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
    pub fn with_active(self, key: DataKey) -> Self {
        self.with_shared_active(Arc::new(key))
    }

    pub(crate) fn with_shared_active(mut self, key: Arc<DataKey>) -> Self {
        self.edit().keys.entry(key.id()).or_insert(key);
        self
    }

    /// Remembers that a key was destroyed, so that its values are told as such. A key that the ring
    /// holds is not forgotten by this.
    #[must_use]
    pub fn with_destroyed(self, id: KeyId) -> Self {
        self.with_closed(id, KeyLookup::Destroyed)
    }

    /// Remembers that a key was retired: it neither seals nor opens. A key that the ring holds is not
    /// forgotten by this.
    #[must_use]
    pub fn with_retired(self, id: KeyId) -> Self {
        self.with_closed(id, KeyLookup::Retired)
    }

    /// Remembers that others may have a key: it neither seals nor opens. To open with it all the same,
    /// which is a decision of its own, add it with [`with_active`](Self::with_active).
    #[must_use]
    pub fn with_compromised(self, id: KeyId) -> Self {
        self.with_closed(id, KeyLookup::Compromised)
    }

    fn with_closed(mut self, id: KeyId, why: KeyLookup) -> Self {
        self.edit().closed.insert(id, why);
        self
    }

    /// Adds a live index key. The first one added makes tokens; queries ask for the tokens of all.
    #[must_use]
    pub fn with_index(self, key: IndexKey) -> Self {
        self.with_shared_index(Arc::new(key))
    }

    pub(crate) fn with_shared_index(mut self, key: Arc<IndexKey>) -> Self {
        let index = &mut self.edit().index;
        if index.iter().all(|other| other.id() != key.id()) {
            index.push(key);
        }
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
            None => self.0.closed.get(id).cloned().unwrap_or(KeyLookup::Unknown),
        }
    }

    /// The key with this id if it vouches for what it sealed: a key that is known as compromised does not, even
    /// where the ring opens with it.
    fn vouching_key(&self, id: &KeyId) -> KeyLookup {
        self.0.closed.get(id).cloned().unwrap_or_else(|| self.key(id))
    }

    /// The index key that makes tokens; `None` for a ring without one.
    #[must_use]
    pub fn index(&self) -> Option<&IndexKey> {
        self.0.index.first().map(Arc::as_ref)
    }

    /// The live index keys, whose tokens are all queried: the one that makes tokens, then the others.
    pub fn index_keys(&self) -> impl Iterator<Item = &IndexKey> {
        self.0.index.iter().map(Arc::as_ref)
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
        Ok(wanted.iter().map(|(scope, id)| look_up(Some(self), scope, id, KeyRing::key)).collect())
    }

    async fn vouching(&self, wanted: &[(Scope, KeyId)]) -> Result<Vec<KeyLookup>, KeyError> {
        Ok(wanted.iter().map(|(scope, id)| look_up(Some(self), scope, id, KeyRing::vouching_key)).collect())
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
        let find = |(scope, id): &(Scope, KeyId)| look_up(self.0.get(scope), scope, id, KeyRing::key);
        Ok(wanted.iter().map(find).collect())
    }

    async fn vouching(&self, wanted: &[(Scope, KeyId)]) -> Result<Vec<KeyLookup>, KeyError> {
        let find =
            |(scope, id): &(Scope, KeyId)| look_up(self.0.get(scope), scope, id, KeyRing::vouching_key);
        Ok(wanted.iter().map(find).collect())
    }
}

fn look_up(
    ring: Option<&KeyRing>,
    scope: &Scope,
    id: &KeyId,
    find: fn(&KeyRing, &KeyId) -> KeyLookup,
) -> KeyLookup {
    match ring {
        Some(ring) if ring.scope() == scope => find(ring, id),
        _ => KeyLookup::Unknown,
    }
}
