//! What a stream delivers: acknowledged only after it was opened and dealt with.

use std::collections::HashSet;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use async_nats::jetstream;
use async_nats::jetstream::AckKind;

use super::{Endpoint, NatsError};
use crate::bytes::{KeyId, MessageId};
use crate::keys::KeyError;
use crate::message::{Frame, Message, MessageError, ReplayError, ReplayWindow, SealedMessage};
use crate::seal::Cause;

type UnderWay = Arc<Mutex<HashSet<(KeyId, MessageId)>>>;

/// A value that a stream delivered. It dereferences to the value. Dropped without an
/// [`ack`](Self::ack), it is forgotten, and opens when the stream delivers it again.
#[must_use = "what is not acknowledged is delivered again"]
pub struct Delivery<T> {
    value: T,
    message: jetstream::Message,
    taken: Taken,
}

/// Gives the id back unless it was dealt with.
struct Taken {
    id: (KeyId, MessageId),
    window: Arc<ReplayWindow>,
    under_way: UnderWay,
    dealt_with: bool,
}

impl<T> Delivery<T> {
    pub(super) fn new(
        endpoint: &Endpoint,
        sealed: &SealedMessage<T>,
        value: T,
        message: jetstream::Message,
    ) -> Self
    where
        T: Message,
    {
        let id = (sealed.key_id(), sealed.id());
        let (window, under_way) = (Arc::clone(&endpoint.window), Arc::clone(&endpoint.under_way));
        under_way.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        Self { value, message, taken: Taken { id, window, under_way, dealt_with: false } }
    }

    /// The message's id.
    #[must_use]
    pub fn id(&self) -> MessageId {
        self.taken.id.1
    }

    /// The message as the stream delivered it.
    #[must_use]
    pub fn message(&self) -> &jetstream::Message {
        &self.message
    }

    /// Tells the stream that the message has been dealt with, and waits until it knows.
    ///
    /// # Errors
    /// [`NatsError::Ack`]. The message has been dealt with all the same: when it comes again it is a
    /// duplicate.
    pub async fn ack(mut self) -> Result<T, NatsError> {
        self.taken.dealt_with = true;
        self.message.double_ack().await.map_err(|source| NatsError::Ack { source })?;
        Ok(self.value)
    }
}

impl<T> Deref for Delivery<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let (key_id, id) = self.id;
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
        if !self.dealt_with {
            self.window.forget(key_id, id);
        }
    }
}

/// A delivery that was not opened, and why.
#[derive(Debug, thiserror::Error)]
#[error("the delivery was refused: {error}")]
pub struct Refused {
    /// Why.
    #[source]
    pub error: NatsError,
    /// The message as the stream delivered it.
    pub message: jetstream::Message,
    fate: Fate,
}

/// What a refused delivery is to become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It was dealt with: acknowledged.
    Done,
    /// It may open later: delivered again.
    Later,
    /// It never opens: not delivered again.
    Never,
}

impl Refused {
    pub(super) fn new(endpoint: &Endpoint, error: NatsError, message: jetstream::Message) -> Self {
        let under_way = endpoint.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let busy = Frame::decode(&message.payload)
            .is_ok_and(|frame| under_way.contains(&(frame.key_id(), frame.id())));
        let fate = match &error {
            // The ring may be older than the key.
            NatsError::Message(MessageError::Fields { failures, .. })
                if failures.iter().any(|failure| matches!(failure.cause, Cause::KeyUnknown(_))) =>
            {
                Fate::Later
            }
            // Another delivery of it is being dealt with, and may yet fail.
            NatsError::Message(MessageError::Replay(ReplayError::Duplicate { .. })) if busy => Fate::Later,
            NatsError::Message(MessageError::Replay(ReplayError::Duplicate { .. })) => Fate::Done,
            NatsError::Message(
                MessageError::Keys(KeyError::Unavailable { .. } | KeyError::Random(_))
                | MessageError::Replay(ReplayError::Full { .. }),
            ) => Fate::Later,
            _ => Fate::Never,
        };
        drop(under_way);
        Self { error, message, fate }
    }

    /// Whether the message may open when it is delivered again.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        self.fate == Fate::Later
    }

    /// Does what suits the reason: a duplicate of what was dealt with is acknowledged, what may open
    /// later is left to be delivered again, and what never opens is not delivered again.
    ///
    /// # Errors
    /// [`NatsError::Ack`].
    pub async fn settle(&self) -> Result<(), NatsError> {
        let kind = match self.fate {
            Fate::Done => AckKind::Ack,
            Fate::Later => return Ok(()),
            Fate::Never => AckKind::Term,
        };
        self.message.ack_with(kind).await.map_err(|source| NatsError::Ack { source })
    }
}
