//! Message keys and their rings: apart from data keys, so that who reads the bus reads no database.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use zeroize::ZeroizeOnDrop;

use super::key::DataKey;
use super::labels;
use super::provider::{KeyError, KeyLookup};
use super::ring::KeyRing;
use crate::bytes::wiped::wiped;
use crate::bytes::{KeyId, Scope};

/// A key that seals messages and nothing else: 32 secret bytes, wiped on drop.
///
/// Its id and its sealing key are derived under other labels than a data key's, so even the same 32
/// bytes open nothing that the other kind sealed.
#[derive(Debug)]
pub struct MessageKey(DataKey);

impl ZeroizeOnDrop for MessageKey {}

const _: fn(&MessageKey) = |MessageKey(key)| wiped(key);

impl MessageKey {
    /// A new key from the operating system's random numbers.
    ///
    /// # Errors
    /// [`KeyError::Random`]: the operating system gives none.
    pub fn generate() -> Result<Self, KeyError> {
        Ok(Self::from_bytes(DataKey::generate()?.expose_secret()))
    }

    /// The key with these 32 bytes, which must be uniformly random: no password, no text.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(DataKey::labelled(bytes, &labels::MESSAGE_KEY))
    }

    /// The id that certifies the key.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.0.id()
    }

    /// The 32 secret bytes. Whoever has them opens every message that the key sealed.
    #[must_use]
    pub fn expose_secret(&self) -> &[u8; 32] {
        self.0.expose_secret()
    }
}

/// The message keys of one scope: the primary, which seals and opens, and those that only open.
/// Cloning is cheap: the keys are shared.
///
/// A data ring is not taken for it, nor the other way round:
///
/// ```compile_fail,E0308
/// use fireseal::{DataKey, MessageRing};
///
/// let ring = MessageRing::new(DataKey::generate()?);
/// # Ok::<(), fireseal::KeyError>(())
/// ```
#[derive(Debug, Clone)]
pub struct MessageRing(KeyRing);

impl MessageRing {
    /// A ring of the default scope with this primary key.
    #[must_use]
    pub fn new(primary: MessageKey) -> Self {
        Self(KeyRing::new(primary.0))
    }

    /// The same keys as the ring of another scope.
    #[must_use]
    pub fn with_scope(self, scope: Scope) -> Self {
        Self(self.0.with_scope(scope))
    }

    /// Adds a key that opens but does not seal.
    #[must_use]
    pub fn with_active(self, key: MessageKey) -> Self {
        Self(self.0.with_active(key.0))
    }

    /// Remembers that a key was destroyed.
    #[must_use]
    pub fn with_destroyed(self, id: KeyId) -> Self {
        Self(self.0.with_destroyed(id))
    }

    /// Whose keys these are.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        self.0.scope()
    }

    /// The id of the key that seals.
    #[must_use]
    pub fn primary_id(&self) -> KeyId {
        self.0.primary().id()
    }

    pub(crate) fn keys(&self) -> &KeyRing {
        &self.0
    }

    pub(crate) fn look_up(&self, id: &KeyId) -> KeyLookup {
        self.0.key(id)
    }
}

/// The source of message rings, asked by scope. A [`MessageRing`] is that of its own scope.
#[async_trait]
pub trait MessageKeyProvider: Send + Sync {
    /// The current ring of a scope.
    ///
    /// # Errors
    /// [`KeyError::ScopeUnknown`], or [`KeyError::Unavailable`] where the key service is down.
    async fn message_ring(&self, scope: &Scope) -> Result<MessageRing, KeyError>;
}

#[async_trait]
impl MessageKeyProvider for MessageRing {
    async fn message_ring(&self, scope: &Scope) -> Result<MessageRing, KeyError> {
        if scope != self.scope() {
            return Err(KeyError::ScopeUnknown { scope: scope.clone() });
        }
        Ok(self.clone())
    }
}

#[async_trait]
impl<P: MessageKeyProvider + ?Sized> MessageKeyProvider for Arc<P> {
    async fn message_ring(&self, scope: &Scope) -> Result<MessageRing, KeyError> {
        (**self).message_ring(scope).await
    }
}

/// Message rings of several scopes, kept in memory.
#[derive(Debug, Clone, Default)]
pub struct MessageRings(HashMap<Scope, MessageRing>);

impl FromIterator<MessageRing> for MessageRings {
    /// Of two rings of one scope the later counts.
    fn from_iter<I: IntoIterator<Item = MessageRing>>(rings: I) -> Self {
        Self(rings.into_iter().map(|ring| (ring.scope().clone(), ring)).collect())
    }
}

#[async_trait]
impl MessageKeyProvider for MessageRings {
    async fn message_ring(&self, scope: &Scope) -> Result<MessageRing, KeyError> {
        self.0.get(scope).cloned().ok_or_else(|| KeyError::ScopeUnknown { scope: scope.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_key_shares_nothing_with_the_data_key_of_the_same_bytes() {
        let (message, data) = (MessageKey::from_bytes(&[9; 32]), DataKey::from_bytes(&[9; 32]));
        assert_ne!(message.id(), data.id());
        let mut sealed = *b"text";
        let tag = message.0.cipher().seal(&[1; 24], b"", &mut sealed).expect("short");
        let mut opened = [0; 4];
        assert!(data.cipher().open(&[1; 24], b"", (&sealed, &tag), &mut opened).is_err());
    }

    #[test]
    fn a_message_key_is_its_32_bytes() {
        let key = MessageKey::from_bytes(&[9; 32]);
        assert_eq!(key.expose_secret(), &[9; 32]);
        let (one, other) = (MessageKey::generate(), MessageKey::generate());
        let (one, other) = (one.expect("random numbers"), other.expect("random numbers"));
        assert_ne!(one.id(), other.id());
        assert_eq!(MessageKey::from_bytes(one.expose_secret()).id(), one.id());
    }

    #[tokio::test]
    async fn a_ring_answers_for_its_own_scope_only() {
        let key = |byte| MessageKey::from_bytes(&[byte; 32]);
        let acme = Scope::new("acme").expect("valid");
        let ring = MessageRing::new(key(1)).with_active(key(2)).with_destroyed(key(3).id());
        assert_eq!((ring.scope(), ring.primary_id()), (&Scope::default(), key(1).id()));
        assert!(matches!(ring.look_up(&key(2).id()), KeyLookup::Found(found) if found.id() == key(2).id()));
        assert!(matches!(ring.look_up(&key(3).id()), KeyLookup::Destroyed));
        assert!(matches!(ring.look_up(&key(4).id()), KeyLookup::Unknown));

        let other = MessageRing::new(key(5)).with_scope(acme.clone());
        assert_eq!(other.scope(), &acme);
        assert_eq!(other.message_ring(&acme).await.expect("its own").primary_id(), key(5).id());
        for provider in
            [Arc::new(other.clone()) as Arc<dyn MessageKeyProvider>, Arc::new(Arc::new(other.clone()))]
        {
            assert_eq!(provider.message_ring(&acme).await.expect("its own").primary_id(), key(5).id());
            let refused = provider.message_ring(&Scope::default()).await;
            assert!(matches!(refused, Err(KeyError::ScopeUnknown { .. })));
        }
        let later = MessageRing::new(key(6)).with_scope(acme.clone());
        let rings: MessageRings = [ring, other, later].into_iter().collect();
        assert_eq!(rings.message_ring(&acme).await.expect("there").primary_id(), key(6).id());
        assert_eq!(rings.message_ring(&Scope::default()).await.expect("there").primary_id(), key(1).id());
        assert!(rings.message_ring(&Scope::new("nobody").expect("valid")).await.is_err());
    }
}
