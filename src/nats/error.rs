//! Why something was not sent or not taken on NATS.

use async_nats::client::{PublishError, RequestError};
use async_nats::jetstream::context::PublishError as StreamError;

use crate::bytes::ChannelError;
use crate::message::{FrameError, MessageError};

/// Why something was not sent or not taken on NATS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NatsError {
    /// A subject or a sender is refused.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// The message was not sealed, or does not open.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// The message was not published.
    #[error("the message was not published: {0}")]
    Publish(#[from] PublishError),
    /// The request was not answered.
    #[error("the request was not answered: {0}")]
    Request(#[from] RequestError),
    /// The stream did not store the message.
    #[error("the stream did not store the message: {0}")]
    Stream(#[from] StreamError),
    /// The delivery was not acknowledged, so it will come again.
    #[error("the delivery was not acknowledged: {source}")]
    Ack {
        /// What the client says.
        source: async_nats::Error,
    },
    /// A request without a subject for the answer.
    #[error("the request names no subject for its answer")]
    NoReply,
}

impl From<FrameError> for NatsError {
    fn from(error: FrameError) -> Self {
        Self::Message(error.into())
    }
}
