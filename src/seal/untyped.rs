//! Sealing single values by their stored paths, where no Rust type walks them.

use super::error::SealError;
use super::sealed::Slot;
use super::session::SealSession;
use crate::bytes::context::StepPath;
use crate::bytes::plaintext::Plaintext;
use crate::bytes::{FieldPath, Location};
use crate::keys::KeyRing;

/// Seals values of one document that are all encoded, in one write's nonces: an envelope for each, in order.
///
/// # Errors
/// A ring of another scope, a value that is too long, or no random numbers.
pub(crate) fn seal_values(
    values: Vec<(FieldPath, Plaintext)>,
    location: &Location,
    ring: &KeyRing,
) -> Result<Vec<(FieldPath, Vec<u8>)>, SealError> {
    let mut session = SealSession::new(location, ring)?;
    let seal = |(path, draft): (FieldPath, Plaintext)| {
        let mut slot = Slot::Draft(draft);
        session.seal(&StepPath::from(&path), &mut slot)?;
        match slot {
            Slot::Stored(envelope) => Ok((path, envelope)),
            _ => unreachable!("sealing a draft gives an envelope"),
        }
    };
    values.into_iter().map(seal).collect()
}
