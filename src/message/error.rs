//! Why a message is not sealed, or not taken.

use crate::bytes::{Channel, ChannelError, MessageId};
use crate::keys::KeyError;
use crate::seal::{FieldFailure, SealError};

use super::frame::FrameError;
use super::replay::ReplayError;

/// Why a message is not sealed, or not taken. For the log of whoever receives it: tell the sender
/// only that it does not open. No message holds a byte of a sensitive value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// The message was not sealed.
    #[error("the message was not sealed: {0}")]
    Seal(#[from] SealError),
    /// The keys could not be had. This says nothing about the message.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The document that was to become a message does not open.
    #[error(transparent)]
    Open(#[from] crate::seal::OpenError),
    /// Fields do not open as this message on this channel.
    #[error("the message on {channel} does not open: {}", listed(.failures))]
    Fields {
        /// Where it was received.
        channel: Channel,
        /// Every field that does not open, in the order of the struct.
        failures: Vec<FieldFailure>,
    },
    /// The message holds no sealed value, so nothing authenticates it, and it has no id.
    #[error("the message holds no sealed value, so it has no id and nothing to authenticate it by")]
    NothingSealed,
    /// The sealed values are not those of one message.
    #[error("the sealed values are not those of one message")]
    Mixed,
    /// Something else stands where a sealed value belongs.
    #[error("something else than an envelope stands where a sealed value of the message belongs")]
    NotAnEnvelope,
    /// The response answers another request, or the message is none.
    #[error("the message answers request {}, not {}", shown(.found), shown(.expected))]
    OtherRequest {
        /// The request that an answer is expected to.
        expected: Option<MessageId>,
        /// The request that it says it answers.
        found: Option<MessageId>,
    },
    /// The message names another sender or expiry than the receiver expects.
    #[error("the message's {claim} is not the one that was expected")]
    OtherClaim {
        /// `sender` or `expiry`.
        claim: &'static str,
    },
    /// A subject, a method or a name is refused.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// A scope's id cannot be metadata.
    #[error("the scope's id is no metadata; it takes visible ASCII")]
    NotMetadata,
    /// The bytes are no frame, or not of the type.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// It opens, but is too late, or was there before.
    #[error(transparent)]
    Replay(#[from] ReplayError),
}

fn listed(failures: &[FieldFailure]) -> String {
    failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn shown(id: &Option<MessageId>) -> String {
    id.map_or_else(|| "none".to_owned(), |id| id.to_string())
}
