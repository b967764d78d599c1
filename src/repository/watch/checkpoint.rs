//! Where a watch is, as bytes that outlive the process.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::told::{Told, Version};
use crate::bytes::DocumentPath;
use crate::store::ResumeToken;

const FORM: u8 = 1;

/// Where a [`Watch`](super::Watch) is: what it has told, and the database's token to go on from.
///
/// It holds the paths and update times of the documents, no values. It is not protected: who can change it
/// can make a later watch keep silent about changes. Where the database no longer takes the token, or the
/// index key was rotated, everything is read again, and still only what changed is told.
#[derive(Clone, PartialEq, Eq)]
pub struct Checkpoint(Kept);

/// The bytes are not those of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("these bytes are no checkpoint of a watch; watch without one, which tells everything anew")]
pub struct NotACheckpoint;

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    form: u8,
    resume: Option<(serde_bytes::ByteBuf, [u8; 32])>,
    told: Vec<(String, i64, i32, bool)>,
}

impl Checkpoint {
    pub(super) fn of(told: &Told) -> Option<Self> {
        let resume = told.resume.as_ref();
        let resume = resume.map(|(token, target)| (serde_bytes::ByteBuf::from(token.as_bytes()), *target));
        let entry = |(path, Version(seconds, nanos), shown): (&DocumentPath, _, _)| {
            (path.to_string(), seconds, nanos, shown)
        };
        told.settled.then(|| Self(Kept { form: FORM, resume, told: told.entries().map(entry).collect() }))
    }

    /// As bytes, to be kept.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        rmp_serde::to_vec(&self.0).expect("paths and numbers have a MessagePack form")
    }

    /// From the bytes that were kept.
    ///
    /// # Errors
    /// They are not those of a checkpoint.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NotACheckpoint> {
        let kept: Kept = rmp_serde::from_slice(bytes).map_err(|_| NotACheckpoint)?;
        let paths = kept.told.iter().all(|(path, ..)| DocumentPath::parse(path).is_ok());
        if kept.form == FORM && paths { Ok(Self(kept)) } else { Err(NotACheckpoint) }
    }
}

impl From<Checkpoint> for Told {
    fn from(Checkpoint(kept): Checkpoint) -> Self {
        let mut told = Self::default();
        told.resume = kept.resume.map(|(token, target)| (ResumeToken::new(token.into_vec()), target));
        for (path, seconds, nanos, shown) in kept.told {
            if let Ok(path) = DocumentPath::parse(&path) {
                told.restore(path, Version(seconds, nanos), shown);
            }
        }
        told
    }
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpoint").field("documents", &self.0.told.len()).finish_non_exhaustive()
    }
}
