//! Sealed requests and responses of `tonic` services.
//!
//! The service's [`Guard`] admits a caller whose client certificate vouches for the customer that it
//! names, and fetches that customer's keys; the handler opens the sealed fields, and seals what it
//! answers for this very request. The caller's side is [`Caller`]. Sealed values travel in `bytes`
//! fields of the user's own protobuf messages, the rest in two metadata entries.
//!
//! A remote caller is told little, see [`status`].

mod caller;
mod guard;
mod peer;

use tonic::Status;

use crate::keys::KeyError;
use crate::message::{MessageError, ReplayError};

pub use caller::{Caller, Pending};
pub use guard::{Admitted, Answer, Guard};
pub use peer::PeerName;

/// The metadata entry that names the customer: the id of its scope, in visible ASCII.
pub const CUSTOMER_METADATA: &str = "fireseal-customer";
/// The metadata entry with the expiry of a request or response, in seconds since 1970.
pub const EXPIRY_METADATA: &str = "fireseal-expiry";

/// What a remote caller is told: `UNAVAILABLE` where a later try may succeed (the key service is down,
/// or the replay window full), `PERMISSION_DENIED` where there are no keys for it, `INTERNAL` where
/// the answer could not be sealed, and one indistinct `INVALID_ARGUMENT` for everything that does not
/// open, came late or twice. The reason is for the log of the service.
#[must_use]
pub fn status(error: &MessageError) -> Status {
    match error {
        MessageError::Keys(error) => key_status(error),
        MessageError::Replay(ReplayError::Full { .. }) => Status::unavailable("too many requests; try later"),
        MessageError::Seal(_) => Status::internal("the response could not be sealed"),
        _ => does_not_open(),
    }
}

fn does_not_open() -> Status {
    Status::invalid_argument("the message does not open")
}

fn key_status(error: &KeyError) -> Status {
    match error {
        KeyError::Unavailable { .. } => Status::unavailable("the key service is unavailable; try later"),
        KeyError::ScopeUnknown { .. } => denied(),
        _ => Status::internal("no keys"),
    }
}

fn denied() -> Status {
    Status::permission_denied("the client certificate does not allow this customer")
}

/// Tells the service's log why a caller was refused. Never a value.
fn refused(method: &str, error: &MessageError) -> Status {
    tracing::warn!(target: "fireseal::grpc", method, %error, "refused");
    status(error)
}
