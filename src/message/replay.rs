//! The receiver's window: too late, or there before.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::bytes::{KeyId, MessageId};

/// Why an authentic message is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// It has expired.
    #[error("message {id} expired at {expiry}, {late} s ago")]
    Expired {
        /// The message.
        id: MessageId,
        /// When, in seconds since 1970.
        expiry: u64,
        /// How many seconds ago.
        late: u64,
    },
    /// It was taken before.
    #[error("message {id} was taken before")]
    Duplicate {
        /// The message.
        id: MessageId,
    },
    /// It never expires, so the window cannot remember it long enough.
    #[error("message {id} has no expiry; a receiver that refuses duplicates needs one")]
    NoExpiry {
        /// The message.
        id: MessageId,
    },
    /// It lives longer than the window remembers.
    #[error(
        "message {id} expires {beyond} s beyond the replay window; lengthen the window, or shorten its life"
    )]
    BeyondWindow {
        /// The message.
        id: MessageId,
        /// By how many seconds.
        beyond: u64,
    },
    /// The window remembers as many messages as it may, and none of them has expired.
    #[error("the replay window is full ({capacity} messages); try later, or make it larger")]
    Full {
        /// How many it may remember.
        capacity: usize,
    },
}

/// Remembers the messages that were taken until they expire, so that none is taken twice.
///
/// It holds at most `capacity` ids (about 150 bytes each) and forgets none before its time: when it is
/// full it refuses. A message without an expiry, or with one further ahead than the window is long,
/// is refused as well. The clock never goes back in it. It lives in memory: a process that starts
/// anew remembers nothing, so what must not happen twice even then needs the message id beside its
/// effect, in the same transaction.
pub struct ReplayWindow {
    length: u64,
    capacity: usize,
    clock: Box<dyn Fn() -> u64 + Send + Sync>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    now: u64,
    ids: HashSet<(KeyId, MessageId)>,
    by_expiry: BTreeSet<(u64, KeyId, MessageId)>,
}

impl ReplayWindow {
    /// A window of this length, in whole seconds, for at most so many messages at once.
    #[must_use]
    pub fn new(length: Duration, capacity: usize) -> Self {
        let clock = Box::new(unix_now);
        Self { length: length.as_secs(), capacity, clock, seen: Mutex::default() }
    }

    /// The same window by another clock, in seconds since 1970.
    #[must_use]
    pub fn with_clock(self, clock: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self { clock: Box::new(clock), ..self }
    }

    /// How many messages it remembers now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.now().ids.len()
    }

    /// Whether it remembers none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets a message that was taken but not dealt with, so that it may be delivered again.
    pub fn forget(&self, key_id: KeyId, id: MessageId) {
        let mut seen = self.now();
        if seen.ids.remove(&(key_id, id)) {
            seen.by_expiry.retain(|&(_, key, message)| (key, message) != (key_id, id));
        }
    }

    /// Takes a message that has been authenticated, once. Under the key's id, so that a tenant who
    /// sees another's message id cannot use it up.
    pub(crate) fn take(&self, key_id: KeyId, id: MessageId, expiry: Option<u64>) -> Result<(), ReplayError> {
        let mut seen = self.now();
        let expiry = expiry.ok_or(ReplayError::NoExpiry { id })?;
        check_expiry(id, expiry, seen.now)?;
        let end = seen.now.saturating_add(self.length);
        if expiry > end {
            return Err(ReplayError::BeyondWindow { id, beyond: expiry - end });
        }
        if seen.ids.contains(&(key_id, id)) {
            return Err(ReplayError::Duplicate { id });
        }
        if seen.ids.len() >= self.capacity {
            return Err(ReplayError::Full { capacity: self.capacity });
        }
        seen.ids.insert((key_id, id));
        seen.by_expiry.insert((expiry, key_id, id));
        Ok(())
    }

    /// The window by now: what has expired is forgotten.
    fn now(&self) -> std::sync::MutexGuard<'_, Seen> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that goes back would let in what was forgotten.
        seen.now = seen.now.max((self.clock)());
        while let Some(&(expiry, key_id, id)) = seen.by_expiry.first().filter(|first| first.0 <= seen.now) {
            seen.by_expiry.remove(&(expiry, key_id, id));
            seen.ids.remove(&(key_id, id));
        }
        seen
    }
}

impl fmt::Debug for ReplayWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { length, capacity, .. } = self;
        f.debug_struct("ReplayWindow")
            .field("length", length)
            .field("capacity", capacity)
            .finish_non_exhaustive()
    }
}

/// From its expiry on, a message is refused.
pub(super) fn check_expiry(id: MessageId, expiry: u64, now: u64) -> Result<(), ReplayError> {
    if now >= expiry {
        return Err(ReplayError::Expired { id, expiry, late: now - expiry });
    }
    Ok(())
}

/// Seconds since 1970 by the system's clock.
pub(crate) fn unix_now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    const KEY: KeyId = KeyId::from_bytes([1; 32]);

    fn id(number: u8) -> MessageId {
        MessageId::from_bytes([number; 16])
    }

    fn window(capacity: usize) -> (ReplayWindow, Arc<AtomicU64>) {
        let clock = Arc::new(AtomicU64::new(1_000));
        let hand = Arc::clone(&clock);
        let window = ReplayWindow::new(Duration::from_secs(60), capacity)
            .with_clock(move || hand.load(Ordering::Relaxed));
        (window, clock)
    }

    #[test]
    fn each_message_is_taken_once() {
        let (window, _) = window(10);
        assert_eq!(window.take(KEY, id(1), Some(1_060)), Ok(()));
        assert_eq!(window.take(KEY, id(1), Some(1_060)), Err(ReplayError::Duplicate { id: id(1) }));
        assert_eq!(window.take(KeyId::from_bytes([2; 32]), id(1), Some(1_060)), Ok(()));
        window.forget(KEY, id(1));
        assert_eq!(window.take(KEY, id(1), Some(1_060)), Ok(()));
    }

    #[test]
    fn no_expiry_lies_beyond_the_window() {
        let (window, _) = window(10);
        assert_eq!(window.take(KEY, id(1), None), Err(ReplayError::NoExpiry { id: id(1) }));
        let beyond = ReplayError::BeyondWindow { id: id(1), beyond: 1 };
        assert_eq!(window.take(KEY, id(1), Some(1_061)), Err(beyond));
        let expired = ReplayError::Expired { id: id(1), expiry: 1_000, late: 0 };
        assert_eq!(window.take(KEY, id(1), Some(1_000)), Err(expired));
        assert!(window.is_empty());
    }

    #[test]
    fn memory_is_bounded_and_nothing_is_forgotten_early() {
        let (window, clock) = window(2);
        assert_eq!(window.take(KEY, id(1), Some(1_010)), Ok(()));
        assert_eq!(window.take(KEY, id(2), Some(1_020)), Ok(()));
        assert_eq!(window.take(KEY, id(3), Some(1_030)), Err(ReplayError::Full { capacity: 2 }));
        clock.store(1_010, Ordering::Relaxed);
        assert_eq!(window.take(KEY, id(3), Some(1_030)), Ok(()));
        assert_eq!(window.take(KEY, id(2), Some(1_020)), Err(ReplayError::Duplicate { id: id(2) }));
        // The clock goes back: what was forgotten stays expired.
        clock.store(900, Ordering::Relaxed);
        assert!(matches!(window.take(KEY, id(1), Some(1_010)), Err(ReplayError::Expired { .. })));
        assert_eq!(window.len(), 2);
    }
}
