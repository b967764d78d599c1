//! Retiring a key: only once nobody can seal with it any more, and nothing is left under it.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use super::authority::Authority;
use super::draft::state_error;
use super::error::VaultError;
use super::manifest::KeyState;
use super::vault::KeyVault;
use crate::bytes::{KeyId, Scope};

/// How long lies between the two counts: longer than a write that was sealed before may still be under
/// way. 2 minutes.
pub const RETIRE_SETTLE: Duration = Duration::from_secs(120);

/// How far the retirement of a key has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retirement {
    /// Some process may still seal with it, or make tokens: not before this long from now.
    TooEarly {
        /// How long to wait.
        wait: Duration,
    },
    /// Documents are left under it: seal them anew first.
    InUse {
        /// How many were counted.
        documents: u64,
    },
    /// It is retired: it neither seals nor opens.
    Retired {
        /// Where values of the key may be left all the same, because nobody counts there: look at each
        /// before the key is destroyed.
        not_counted: &'static [&'static str],
    },
}

/// What no count sees.
const NOT_COUNTED: &[&str] = &[
    "messages that wait in streams and queues",
    "exports and backups of the database",
    "the database's point-in-time recovery",
    "copies in other databases that the count was not told of",
];

impl KeyVault {
    /// Retires a key that is active, which [`rotate`](Self::rotate) made it: waits until the hard time to
    /// live has passed since, counts the documents under it twice, [`RETIRE_SETTLE`] apart, and retires it
    /// if both counts are zero. Returns early with what is in the way; call it again then.
    ///
    /// `count` counts what you know of: collections ([`count_sealed`](super::count_sealed)), their
    /// subcollections, other databases. **It does not see streams, queues, exports and backups**: while any
    /// of them holds values of the key, keep it active. A retired key's wraps are kept until it is
    /// destroyed.
    ///
    /// # Errors
    /// [`VaultError::State`] for a key that is not active; [`VaultError::Count`].
    pub async fn retire<F, E>(
        &self,
        authority: &Authority,
        scope: &Scope,
        key: &KeyId,
        count: impl Fn(KeyId) -> F,
    ) -> Result<Retirement, VaultError>
    where
        F: Future<Output = Result<u64, E>>,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let draft = self.change(authority, scope).await?;
        let entry = draft.live_key(key)?;
        match entry.state {
            KeyState::Retired => return Ok(Retirement::Retired { not_counted: NOT_COUNTED }),
            KeyState::Active => {}
            _ => return Err(state_error(entry, "only an active key is retired; rotate first")),
        }
        let ready = entry.since_ms.saturating_add(self.longest_cached_ms());
        let now = self.now_ms();
        if now < ready {
            return Ok(Retirement::TooEarly { wait: Duration::from_millis(ready - now) });
        }
        for pause in [Duration::ZERO, RETIRE_SETTLE] {
            if !pause.is_zero() {
                self.shared.clock.sleep(pause).await;
            }
            match count(*key).await.map_err(|error| VaultError::Count(error.into()))? {
                0 => {}
                documents => return Ok(Retirement::InUse { documents }),
            }
        }
        // The ring as it was before the counts: a change in between is a conflict.
        let mut draft = draft;
        draft.set_state(key, KeyState::Retired, self.now_ms());
        self.commit(authority, draft).await?;
        Ok(Retirement::Retired { not_counted: NOT_COUNTED })
    }
}
