//! The binary frame: a message as bytes, with a header that a router reads without a key.
//!
//! ```text
//! version   u8 = 1
//! format    u8 = 1: the version of the envelopes inside
//! claims    u8: 1 = sender, 2 = expiry, 4 = request, added up
//! key id    32 bytes
//! id        16 bytes, the first of every nonce inside
//! sender    u16 length, bytes      } each only
//! expiry    u64 seconds since 1970 } if claims
//! request   16 bytes               } says so
//! body      the companion as one MessagePack value, to the end
//! ```

use super::error::MessageError;
use super::sealed::{Claims, Message, SealedMessage};
use crate::bytes::envelope::VERSION as FORMAT;
use crate::bytes::plaintext::{read_message_pack, to_message_pack};
use crate::bytes::{KeyId, MAX_ID_BYTES, MessageId};

/// The largest frame that is read or written: 16 MiB.
pub const MAX_FRAME_BYTES: usize = 16 << 20;

const VERSION: u8 = 1;
const SENDER: u8 = 1;
const EXPIRY: u8 = 2;
const REQUEST: u8 = 4;

/// Why bytes are no frame. Never quotes what stands in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Another version of the frame, or of the envelopes inside.
    #[error("the frame is of another version; a newer fireseal may read it")]
    Version,
    /// The header is cut short, or holds what no header holds.
    #[error("the frame's header is malformed")]
    Header,
    /// The body is no companion of the expected type, or bytes follow it.
    #[error("the frame's body is not a message of the expected type")]
    Body,
    /// The header names another message or key than the values inside.
    #[error("the frame's header does not belong to its body")]
    OtherMessage,
    /// More than [`MAX_FRAME_BYTES`].
    #[error("the frame has {bytes} bytes; at most {MAX_FRAME_BYTES} are taken")]
    TooLarge {
        /// How many.
        bytes: usize,
    },
    /// A companion that cannot be written: a clear field without a MessagePack form, or plaintext in a
    /// sealed place.
    #[error("a clear field has no MessagePack form, or a sensitive field is not sealed")]
    Unserializable,
}

/// A frame whose header has been read: enough to route, store and forward it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame<'a> {
    key_id: KeyId,
    id: MessageId,
    claims: Claims,
    body: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`FrameError`] says what is wrong.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, FrameError> {
        check_length(bytes.len())?;
        let mut rest = bytes;
        if u8::from_le_bytes(take(&mut rest)?) != VERSION || u8::from_le_bytes(take(&mut rest)?) != FORMAT {
            return Err(FrameError::Version);
        }
        let [claimed] = take(&mut rest)?;
        if claimed & !(SENDER | EXPIRY | REQUEST) != 0 {
            return Err(FrameError::Header);
        }
        let key_id = KeyId::from_bytes(take(&mut rest)?);
        let id = MessageId::from_bytes(take(&mut rest)?);
        let mut claims = Claims::default();
        if claimed & SENDER != 0 {
            let length = usize::from(u16::from_le_bytes(take(&mut rest)?));
            let (sender, after) = rest.split_at_checked(length).ok_or(FrameError::Header)?;
            if sender.is_empty() || length > MAX_ID_BYTES {
                return Err(FrameError::Header);
            }
            claims.sender = Some(str::from_utf8(sender).map_err(|_| FrameError::Header)?.to_owned());
            rest = after;
        }
        if claimed & EXPIRY != 0 {
            claims.expiry = Some(u64::from_le_bytes(take(&mut rest)?));
        }
        if claimed & REQUEST != 0 {
            claims.answers = Some(MessageId::from_bytes(take(&mut rest)?));
        }
        Ok(Self { key_id, id, claims, body: rest })
    }

    /// Which key sealed the message, by its own account.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// The message's id, by its own account.
    #[must_use]
    pub fn id(&self) -> MessageId {
        self.id
    }

    /// What the message claims of itself.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The message, still sealed.
    ///
    /// # Errors
    /// [`MessageError::Frame`], or as [`SealedMessage::new`].
    pub fn message<T: Message>(&self) -> Result<SealedMessage<T>, MessageError> {
        let companion = read_message_pack(self.body).map_err(|_| FrameError::Body)?;
        let message = SealedMessage::<T>::new(companion, self.claims.clone())?;
        if message.id() != self.id || message.key_id() != self.key_id {
            return Err(FrameError::OtherMessage.into());
        }
        Ok(message)
    }
}

impl<T: Message> SealedMessage<T> {
    /// The message as one frame: for a payload, a file, or a protobuf `bytes` field.
    ///
    /// # Errors
    /// [`FrameError`] says what cannot be written.
    pub fn to_frame(&self) -> Result<Vec<u8>, FrameError> {
        let Claims { sender, expiry, answers } = self.claims();
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let claimed = flag(sender.is_some(), SENDER)
            | flag(expiry.is_some(), EXPIRY)
            | flag(answers.is_some(), REQUEST);
        let mut frame = vec![VERSION, FORMAT, claimed];
        frame.extend_from_slice(self.key_id().as_bytes());
        frame.extend_from_slice(self.id().as_bytes());
        if let Some(sender) = sender {
            let length = u16::try_from(sender.len()).map_err(|_| FrameError::Header)?;
            frame.extend_from_slice(&length.to_le_bytes());
            frame.extend_from_slice(sender.as_bytes());
        }
        if let Some(expiry) = expiry {
            frame.extend_from_slice(&expiry.to_le_bytes());
        }
        if let Some(request) = answers {
            frame.extend_from_slice(request.as_bytes());
        }
        frame.extend(to_message_pack(&**self).map_err(|_| FrameError::Unserializable)?);
        check_length(frame.len())?;
        Ok(frame)
    }

    /// Reads a frame whose type is known; [`Frame::decode`] reads any.
    ///
    /// # Errors
    /// As [`Frame::decode`] and [`Frame::message`].
    pub fn from_frame(bytes: &[u8]) -> Result<Self, MessageError> {
        Frame::decode(bytes)?.message()
    }
}

fn check_length(bytes: usize) -> Result<(), FrameError> {
    if bytes > MAX_FRAME_BYTES { Err(FrameError::TooLarge { bytes }) } else { Ok(()) }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], FrameError> {
    let (taken, after) = rest.split_first_chunk().ok_or(FrameError::Header)?;
    *rest = after;
    Ok(*taken)
}
