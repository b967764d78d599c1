//! Floor 0: the bytes of a sealed field. No keys are kept here, and nothing is sent anywhere.

pub(crate) mod aead;
pub(crate) mod context;
pub(crate) mod envelope;
pub(crate) mod location;
pub(crate) mod message;
pub(crate) mod plaintext;
pub(crate) mod wiped;

pub use envelope::KeyId;
pub use location::{
    CollectionPath, DocumentPath, FieldPath, FieldStep, Location, LocationError, MAX_ID_BYTES, Scope,
    check_id,
};
pub use message::{Channel, ChannelError, Direction, MessageContext, MessageId, NotAMessageId};
pub use plaintext::{EncodeError, Format, MAX_DEPTH};
