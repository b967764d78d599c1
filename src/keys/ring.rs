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

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> DataKey {
        DataKey::from_bytes(&[byte; 32])
    }

    fn acme() -> Scope {
        Scope::new("acme").expect("valid")
    }

    fn told(found: &KeyLookup) -> String {
        match found {
            KeyLookup::Found(key) => key.id().to_string(),
            other => format!("{other:?}"),
        }
    }

    fn all_told(found: Result<Vec<KeyLookup>, KeyError>) -> Vec<String> {
        found.expect("keys are at hand").iter().map(told).collect()
    }

    /// With a key of each state; the active key 3 is known as compromised.
    fn ring() -> KeyRing {
        KeyRing::new(key(1))
            .with_active(key(2))
            .with_active(key(3))
            .with_compromised(key(3).id())
            .with_destroyed(key(4).id())
            .with_retired(key(5).id())
            .with_compromised(key(6).id())
    }

    #[test]
    fn a_ring_seals_with_its_primary_key_and_opens_with_what_it_holds() {
        let (ring, id) = (ring(), |byte| key(byte).id());
        assert_eq!((ring.primary().id(), ring.scope()), (id(1), &Scope::default()));
        for byte in [1, 2, 3] {
            assert_eq!(told(&ring.key(&id(byte))), id(byte).to_string());
        }
        for (byte, state) in [(4, "Destroyed"), (5, "Retired"), (6, "Compromised"), (7, "Unknown")] {
            assert_eq!(told(&ring.key(&id(byte))), state);
        }
        assert_eq!(told(&ring.vouching_key(&id(2))), id(2).to_string());
        assert_eq!(told(&ring.vouching_key(&id(3))), "Compromised", "it opens, and vouches for nothing");
        assert_eq!(ring.with_scope(acme()).scope(), &acme());
    }

    #[test]
    fn a_snapshot_stays_as_it_is() {
        let before = ring();
        let after = before.clone().with_active(key(7)).with_scope(acme());
        assert_eq!(told(&before.key(&key(7).id())), "Unknown");
        assert_eq!(told(&after.key(&key(7).id())), key(7).id().to_string());
        assert_eq!(before.scope(), &Scope::default());
    }

    #[test]
    fn the_first_index_key_makes_tokens_and_each_is_held_once() {
        let index = |byte| IndexKey::from_bytes(&[byte; 32]);
        assert!(ring().index().is_none());
        let ring = ring().with_index(index(1)).with_index(index(2)).with_index(index(1));
        assert_eq!(ring.index().map(IndexKey::id), Some(index(1).id()));
        assert_eq!(ring.index_keys().map(IndexKey::id).collect::<Vec<_>>(), [index(1).id(), index(2).id()]);
    }

    #[tokio::test]
    async fn a_ring_answers_for_its_own_scope_only() {
        let ring = ring().with_scope(acme());
        let id = |byte| key(byte).id();
        assert_eq!(ring.ring(&acme()).await.expect("its own").primary().id(), id(1));
        let other = ring.ring(&Scope::default()).await;
        assert!(matches!(other, Err(KeyError::ScopeUnknown { scope }) if scope == Scope::default()));
        let wanted = [(acme(), id(3)), (Scope::default(), id(1)), (acme(), id(4))];
        assert_eq!(all_told(ring.keys(&wanted).await), [&id(3).to_string(), "Unknown", "Destroyed"]);
        assert_eq!(all_told(ring.vouching(&wanted).await), ["Compromised", "Unknown", "Destroyed"]);
    }

    #[tokio::test]
    async fn of_several_rings_that_of_the_scope_answers() {
        let id = |byte| key(byte).id();
        let rings =
            [ring(), KeyRing::new(key(8)).with_scope(acme()), KeyRing::new(key(9)).with_scope(acme())];
        let rings: KeyRings = rings.into_iter().collect();
        assert_eq!(rings.ring(&acme()).await.expect("there").primary().id(), id(9), "the later one counts");
        assert_eq!(rings.ring(&Scope::default()).await.expect("there").primary().id(), id(1));
        let nobody = Scope::new("nobody").expect("valid");
        assert!(matches!(rings.ring(&nobody).await, Err(KeyError::ScopeUnknown { .. })));
        let wanted = [(acme(), id(9)), (acme(), id(1)), (Scope::default(), id(3)), (nobody, id(1))];
        let (nine, three) = (id(9).to_string(), id(3).to_string());
        assert_eq!(all_told(rings.keys(&wanted).await), [&nine, "Unknown", &three, "Unknown"]);
        assert_eq!(all_told(rings.vouching(&wanted).await), [&nine, "Unknown", "Compromised", "Unknown"]);
    }

    /// Says nothing of its own about document seals.
    struct Plain(KeyRing);

    #[async_trait]
    impl KeyProvider for Plain {
        async fn ring(&self, scope: &Scope) -> Result<KeyRing, KeyError> {
            self.0.ring(scope).await
        }

        async fn keys(&self, wanted: &[(Scope, KeyId)]) -> Result<Vec<KeyLookup>, KeyError> {
            self.0.keys(wanted).await
        }
    }

    #[tokio::test]
    async fn a_shared_provider_answers_as_the_one_that_is_shared() {
        let (id, scope) = (|byte| key(byte).id(), Scope::default());
        let wanted = [(scope.clone(), id(3)), (scope.clone(), id(4))];
        let (three, shared) = (id(3).to_string(), Arc::new(ring()));
        assert_eq!(KeyProvider::ring(&shared, &scope).await.expect("there").primary().id(), id(1));
        assert!(KeyProvider::ring(&shared, &acme()).await.is_err());
        assert_eq!(all_told(KeyProvider::keys(&shared, &wanted).await), [&three, "Destroyed"]);
        assert_eq!(all_told(KeyProvider::vouching(&shared, &wanted).await), ["Compromised", "Destroyed"]);
        // A provider that tells no difference vouches with what it opens with.
        assert_eq!(all_told(Plain(ring()).vouching(&wanted).await), [&three, "Destroyed"]);
    }
}
