//! Why a recovery, or its preparation, did not go through.

use super::super::error::VaultError;
use super::super::manifest::SlotKind;
use super::code::CodeError;
use super::share::ShareError;
use crate::bytes::Scope;
use crate::keys::WrapError;

/// Why a recovery, or its preparation, did not go through. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecoveryError {
    /// The vault did not do it.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// An age file was not made or not read.
    #[error(transparent)]
    Wrap(#[from] WrapError),
    /// What was typed is no recovery code.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// What was typed is no share, or the shares do not go together.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// The scope has no slot of this code.
    #[error("scope {scope} has no recovery code {name}: it was used or revoked, or is another scope's")]
    CodeUnknown {
        /// The scope.
        scope: Scope,
        /// The code's first group.
        name: String,
    },
    /// The code has the name of a slot, and does not open it.
    #[error("the recovery code {name} does not open its slot in scope {scope}: it is not one of this scope")]
    CodeDoesNotOpen {
        /// The scope.
        scope: Scope,
        /// The code's first group.
        name: String,
    },
    /// So many codes cannot be made.
    #[error("a set has 1 to {} recovery codes, not {count}", super::MAX_CODES)]
    CodeCount {
        /// How many were asked for.
        count: usize,
    },
    /// The text is no device's request.
    #[error("this is no line `fireseal-device-v1:…`, or not all of it; copy the device's whole request")]
    NoRequest,
    /// A name that cannot be told from others when people compare it.
    #[error("a device's name has 1 to 64 characters, no control characters, and no space at its ends")]
    DeviceName,
    /// There is a slot of this name.
    #[error(
        "there is a device of the name {name:?} already; let the new one take another, or revoke the old"
    )]
    DeviceNameTaken {
        /// The name.
        name: String,
    },
    /// The recipient is that of a slot of another kind.
    #[error("the device asks with the recipient of a {kind} slot: no device of its own made this request")]
    RecipientTaken {
        /// The slot's kind.
        kind: SlotKind,
    },
    /// The request was made for another vault's authority.
    #[error("the device trusts another authority than this vault's: give it this vault's authority key")]
    RequestForOtherAuthority,
    /// What was typed is not the request's fingerprint.
    #[error(
        "the fingerprint that was typed is not the request's: read it from the device itself, not from the \
         message that the request came in; if it differs still, the request was exchanged on its way"
    )]
    Fingerprint,
    /// The operating system gives no random numbers.
    #[error("the operating system gives no random numbers")]
    Random,
}
