//! Time as the vault sees it, so that tests can move it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;

/// A point in time by two clocks: one that is never set, and the one of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Since some fixed point; never goes back, but may stand still while a machine sleeps.
    pub monotonic: Duration,
    /// Since 1970, UTC; may be set, forward and back.
    pub unix: Duration,
}

impl Moment {
    /// How long ago it was, by whichever clock says longer: a key outlives its time neither on a
    /// machine that slept nor on one whose clock was set back.
    #[must_use]
    pub fn age(&self, now: Moment) -> Duration {
        now.monotonic.saturating_sub(self.monotonic).max(now.unix.saturating_sub(self.unix))
    }

    /// Milliseconds since 1970, UTC.
    #[must_use]
    pub fn unix_ms(&self) -> u64 {
        u64::try_from(self.unix.as_millis()).unwrap_or(u64::MAX)
    }
}

/// Where the vault takes the time from.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Moment;

    /// Waits.
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// The operating system's clocks.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    start: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { start: Instant::now() }
    }
}

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Moment {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Moment { monotonic: self.start.elapsed(), unix }
    }
}
