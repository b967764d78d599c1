//! Messages: the companion on a subject or a method, bound to its place and to itself.

mod error;
mod frame;
mod rebind;
mod replay;
mod sealed;
#[cfg(test)]
mod vectors;

pub use error::MessageError;
pub use frame::{Frame, FrameError, MAX_FRAME_BYTES};
pub use rebind::rebind_to_message;
#[cfg(any(feature = "grpc", feature = "nats"))]
pub(crate) use replay::unix_now;
pub use replay::{ReplayError, ReplayWindow};
pub use sealed::{Claims, Message, SealedMessage};
