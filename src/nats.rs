//! Sealed payloads on NATS: subjects, requests and streams, over the user's own `async-nats` client.
//!
//! What is published is a [frame](crate::Frame), bound to its subject. Whoever has no key can route,
//! store and forward it: the headers `Fireseal-Key-Id` and `Fireseal-Format` tell with what it was
//! sealed, and `Nats-Msg-Id` is the [message id](crate::MessageId), by which JetStream drops what is
//! published twice. The headers are for the broker; a receiver believes the frame alone.

mod delivery;
mod error;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::jetstream;
use async_nats::{Client, HeaderMap};
use bytes::Bytes;

use crate::bytes::{Channel, ChannelError, KeyId, MessageContext, MessageId, Scope};
use crate::keys::MessageKeyProvider;
use crate::message::{Message, MessageError, ReplayWindow, SealedMessage, unix_now};

pub use delivery::{Delivery, Refused};
pub use error::NatsError;

/// The header with the id of the key that sealed a payload: 64 hexadecimal digits.
pub const KEY_ID_HEADER: &str = "Fireseal-Key-Id";
/// The header with the version of the envelopes in a payload.
pub const FORMAT_HEADER: &str = "Fireseal-Format";

const FORMAT: &str = "1";
const WINDOW: Duration = Duration::from_secs(3_600);
const WINDOW_MESSAGES: usize = 100_000;

/// One party on the bus: whose keys it has, who it is, and what it has taken already.
///
/// Clones share the replay window. What it publishes lives for one minute, and it takes what lives
/// for up to an hour, unless it is told otherwise.
#[derive(Clone)]
pub struct Endpoint {
    keys: Arc<dyn MessageKeyProvider>,
    scope: Scope,
    sender: Option<String>,
    life: Duration,
    window: Arc<ReplayWindow>,
    under_way: Arc<Mutex<HashSet<(KeyId, MessageId)>>>,
}

impl Endpoint {
    /// A party with the message keys of this scope.
    #[must_use]
    pub fn new(keys: impl MessageKeyProvider + 'static, scope: Scope) -> Self {
        Self {
            keys: Arc::new(keys),
            scope,
            sender: None,
            life: Duration::from_secs(60),
            window: Arc::new(ReplayWindow::new(WINDOW, WINDOW_MESSAGES)),
            under_way: Arc::default(),
        }
    }

    /// Binds this name into what is published: 1 to 1,500 bytes.
    ///
    /// # Errors
    /// [`ChannelError::Name`].
    pub fn with_sender(self, sender: impl Into<String>) -> Result<Self, ChannelError> {
        let sender = sender.into();
        // The same check as when it is used, but at once.
        Channel::subject("sender")?.event().with_sender(sender.clone())?;
        Ok(Self { sender: Some(sender), ..self })
    }

    /// How long what is published lives, in whole seconds. On a stream this is at least as long as a
    /// consumer may be away, and no receiver's window may be shorter.
    #[must_use]
    pub fn with_life(self, life: Duration) -> Self {
        Self { life, ..self }
    }

    /// Remembers what was taken in this window.
    #[must_use]
    pub fn with_window(self, window: Arc<ReplayWindow>) -> Self {
        Self { window, ..self }
    }

    /// Seals an event for a subject. It may be published again after a failure: it stays one message.
    ///
    /// # Errors
    /// A subject that cannot be published to, or as [`Message::seal_message`].
    pub async fn seal<T: Message>(&self, subject: &str, event: &T) -> Result<Outgoing, NatsError> {
        let message = self.sealed(Channel::subject(subject)?.event(), event).await?;
        Ok(Outgoing::new(subject, &message)?)
    }

    /// Asks, and opens the answer to this very request.
    ///
    /// # Errors
    /// [`NatsError::Request`] where nobody answers in time; [`NatsError::Message`] where what comes
    /// does not open.
    pub async fn request<T: Message, R: Message>(
        &self,
        client: &Client,
        subject: &str,
        request: &T,
    ) -> Result<R, NatsError> {
        let channel = Channel::subject(subject)?;
        let sealed = self.sealed(channel.request(), request).await?;
        let Outgoing { headers, payload, .. } = Outgoing::new(subject, &sealed)?;
        let answer = client.request_with_headers(subject.to_owned(), headers, payload).await?;
        let context = channel.response(sealed.id()).with_scope(self.scope.clone());
        let answer = SealedMessage::<R>::from_frame(&answer.payload)?;
        Ok(answer.open(&context, &self.keys.message_ring(&self.scope).await.map_err(MessageError::from)?)?)
    }

    /// Opens an event once, as one on the subject on which it was delivered.
    ///
    /// # Errors
    /// [`NatsError::Message`] says why not.
    pub async fn open<T: Message>(&self, received: &async_nats::Message) -> Result<T, NatsError> {
        let (_, event) = self.open_once(received, Channel::event).await?;
        Ok(event)
    }

    /// Opens a request once. What answers it is bound to it.
    ///
    /// # Errors
    /// [`NatsError::Message`] says why not; [`NatsError::NoReply`] where there is nobody to answer.
    pub async fn open_request<T: Message>(
        &self,
        received: &async_nats::Message,
    ) -> Result<Request<'_, T>, NatsError> {
        let reply_to = received.reply.clone().ok_or(NatsError::NoReply)?;
        let (sealed, value) = self.open_once::<T>(received, Channel::request).await?;
        let channel = Channel::subject(received.subject.as_str())?;
        Ok(Request { endpoint: self, channel, reply_to, id: sealed.id(), value })
    }

    /// Opens what a stream delivers, once. It is redelivered until [`Delivery::ack`].
    ///
    /// # Errors
    /// [`Refused`] has the message back, and [settles](Refused::settle) it.
    pub async fn open_delivery<T: Message>(
        &self,
        received: jetstream::Message,
    ) -> Result<Delivery<T>, Box<Refused>> {
        match self.open_once(&received.message, Channel::event).await {
            Ok((sealed, value)) => Ok(Delivery::new(self, &sealed, value, received)),
            Err(error) => Err(Box::new(Refused::new(self, error, received))),
        }
    }

    async fn open_once<T: Message>(
        &self,
        received: &async_nats::Message,
        direction: fn(&Channel) -> MessageContext,
    ) -> Result<(SealedMessage<T>, T), NatsError> {
        let sealed = SealedMessage::<T>::from_frame(&received.payload)?;
        let ring = self.keys.message_ring(&self.scope).await.map_err(MessageError::from)?;
        let context = direction(&Channel::subject(received.subject.as_str())?).with_scope(self.scope.clone());
        let value = sealed.open_once(&context, &ring, &self.window)?;
        Ok((sealed, value))
    }

    async fn sealed<T: Message>(
        &self,
        context: MessageContext,
        plain: &T,
    ) -> Result<SealedMessage<T>, NatsError> {
        let context = context
            .with_scope(self.scope.clone())
            .with_expiry(unix_now().saturating_add(self.life.as_secs()));
        let context = match &self.sender {
            Some(sender) => context.with_sender(sender.clone())?,
            None => context,
        };
        let ring = self.keys.message_ring(&self.scope).await.map_err(MessageError::from)?;
        Ok(plain.seal_message(&context, &ring)?)
    }
}

/// A sealed event on its way: its bytes are finished, so publishing it again repeats it.
#[derive(Debug, Clone)]
pub struct Outgoing {
    subject: String,
    id: MessageId,
    headers: HeaderMap,
    payload: Bytes,
}

impl Outgoing {
    fn new<T: Message>(subject: &str, message: &SealedMessage<T>) -> Result<Self, MessageError> {
        let mut headers = HeaderMap::new();
        headers.insert(async_nats::header::NATS_MESSAGE_ID, message.id().to_string());
        headers.insert(KEY_ID_HEADER, message.key_id().to_string());
        headers.insert(FORMAT_HEADER, FORMAT);
        let payload = message.to_frame()?.into();
        Ok(Self { subject: subject.to_owned(), id: message.id(), headers, payload })
    }

    /// The message's id, which is its `Nats-Msg-Id`.
    #[must_use]
    pub fn id(&self) -> MessageId {
        self.id
    }

    /// Publishes to whoever listens now.
    ///
    /// # Errors
    /// [`NatsError::Publish`].
    pub async fn publish(&self, client: &Client) -> Result<(), NatsError> {
        let Self { subject, headers, payload, .. } = self.clone();
        Ok(client.publish_with_headers(subject, headers, payload).await?)
    }

    /// Publishes to a stream and waits until the server has stored it. Within the stream's duplicate
    /// window the server stores a message once; the answer tells.
    ///
    /// # Errors
    /// [`NatsError::Stream`].
    pub async fn publish_to_stream(
        &self,
        stream: &jetstream::Context,
    ) -> Result<jetstream::publish::PublishAck, NatsError> {
        let Self { subject, headers, payload, .. } = self.clone();
        Ok(stream.publish_with_headers(subject, headers, payload).await?.await?)
    }
}

/// A request that was opened.
#[must_use = "whoever asked waits for an answer"]
pub struct Request<'a, T> {
    endpoint: &'a Endpoint,
    channel: Channel,
    reply_to: async_nats::Subject,
    id: MessageId,
    /// What was asked.
    pub value: T,
}

impl<T> Request<'_, T> {
    /// Answers this request; the answer opens as that of no other.
    ///
    /// # Errors
    /// As [`Message::seal_message`]; [`NatsError::Publish`].
    pub async fn respond<R: Message>(self, client: &Client, answer: &R) -> Result<(), NatsError> {
        let sealed = self.endpoint.sealed(self.channel.response(self.id), answer).await?;
        let outgoing = Outgoing::new(&self.reply_to, &sealed)?;
        outgoing.publish(client).await
    }
}
