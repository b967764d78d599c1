//! The caller's side: sealed requests, and the answers to them.

use std::sync::Arc;
use std::time::Duration;

use tonic::metadata::MetadataValue;
use tonic::{Request, Response};

use super::{CUSTOMER_METADATA, EXPIRY_METADATA};
use crate::bytes::{Channel, MessageId, Scope};
use crate::keys::{MessageKeyProvider, MessageRing};
use crate::message::{Claims, Message, MessageError, SealedMessage, unix_now};

/// A customer who calls services. Its requests live for one minute, unless it is told otherwise.
#[derive(Clone)]
pub struct Caller {
    keys: Arc<dyn MessageKeyProvider>,
    scope: Scope,
    life: Duration,
}

impl Caller {
    /// A caller with the message keys of this scope, whose id is the customer's.
    #[must_use]
    pub fn new(keys: impl MessageKeyProvider + 'static, scope: Scope) -> Self {
        Self { keys: Arc::new(keys), scope, life: Duration::from_secs(60) }
    }

    /// How long requests live, in whole seconds.
    #[must_use]
    pub fn with_life(self, life: Duration) -> Self {
        Self { life, ..self }
    }

    /// Seals a request for one method. A request that is sent again is a duplicate: seal again.
    ///
    /// # Errors
    /// [`MessageError::Channel`] for what is no method, [`MessageError::NotMetadata`] for a customer's id
    /// that is not visible ASCII; else as [`Message::seal_message`].
    pub async fn seal<T: Message, B: TryFrom<T::Sealed>>(
        &self,
        method: &str,
        plain: &T,
    ) -> Result<(Request<B>, Pending), MessageError> {
        let channel = Channel::method(method)?;
        let customer = MetadataValue::try_from(self.scope.as_str()).map_err(|_| MessageError::NotMetadata)?;
        let expiry = unix_now().saturating_add(self.life.as_secs());
        let context = channel.request().with_scope(self.scope.clone()).with_expiry(expiry);
        let ring = self.keys.message_ring(&self.scope).await?;
        let message = plain.seal_message(&context, &ring)?;
        let request = message.id();
        let body = B::try_from(message.into_companion()).map_err(|_| MessageError::NotAnEnvelope)?;
        let mut sealed = Request::new(body);
        sealed.metadata_mut().insert(CUSTOMER_METADATA, customer);
        sealed.metadata_mut().insert(EXPIRY_METADATA, expiry.into());
        Ok((sealed, Pending { channel, scope: self.scope.clone(), ring, request }))
    }
}

/// A request that waits for its answer.
#[must_use = "it opens the answer"]
pub struct Pending {
    channel: Channel,
    scope: Scope,
    ring: MessageRing,
    request: MessageId,
}

impl Pending {
    /// The id of the request.
    #[must_use]
    pub fn request(&self) -> MessageId {
        self.request
    }

    /// Opens the answer to this request, and to no other.
    ///
    /// # Errors
    /// [`MessageError`] says why not.
    pub fn open<T: Message, B: Into<T::Sealed>>(self, response: Response<B>) -> Result<T, MessageError> {
        let expiry = response.metadata().get(EXPIRY_METADATA);
        let expiry = expiry.and_then(|value| value.to_str().ok()?.parse().ok());
        let claims = Claims { expiry, answers: Some(self.request), ..Claims::default() };
        let message = SealedMessage::<T>::new(response.into_inner().into(), claims)?;
        message.open(&self.channel.response(self.request).with_scope(self.scope), &self.ring)
    }
}
