//! A dated window in which plaintext is accepted, while a collection is being sealed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use crate::bytes::context::StepPath;

/// Accepts plaintext in named fields of one collection until a date, and counts each acceptance.
///
/// While it is open, whoever writes the database can have any value accepted in these fields: it is
/// the price of moving a production collection without a pause. Write the date into the code, and
/// keep it near. A clock that is set back while the program runs does not keep it open any longer.
#[derive(Debug)]
pub struct PlaintextWindow {
    until: SystemTime,
    made: Instant,
    /// How long it was to be open when it was made.
    left: Duration,
    fields: Vec<String>,
    accepted: AtomicU64,
}

impl PlaintextWindow {
    /// A window for these fields, by their stored names at the document's root, that closes at a
    /// date.
    #[must_use]
    pub fn new<S: Into<String>>(fields: impl IntoIterator<Item = S>, until: SystemTime) -> Self {
        let left = until.duration_since(SystemTime::now()).unwrap_or_default();
        let fields = fields.into_iter().map(Into::into).collect();
        Self { until, made: Instant::now(), left, fields, accepted: AtomicU64::new(0) }
    }

    /// How many plaintext values were accepted so far. When it stays 0 over a full read, close it.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    pub(super) fn covers(&self, path: &StepPath) -> bool {
        self.is_open(SystemTime::now(), self.made.elapsed())
            && path.root().is_some_and(|root| self.fields.contains(&root))
    }

    /// By whichever clock says that it is over: the one of the calendar may be set, the other stands still while
    /// the machine sleeps.
    fn is_open(&self, now: SystemTime, since: Duration) -> bool {
        now < self.until && since < self.left
    }

    pub(super) fn count(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_clock_keeps_it_open() {
        const HOUR: Duration = Duration::from_secs(3_600);
        let now = SystemTime::now();
        let window = PlaintextWindow::new(["ssn"], now + HOUR);
        assert!(window.is_open(now, Duration::ZERO));
        let year = HOUR * 24 * 365;
        // Set back by an hour or by years, just before the end and after it.
        for back in [HOUR, year, year * 30] {
            assert!(window.is_open(now - back, HOUR / 2));
            assert!(!window.is_open(now - back, HOUR) && !window.is_open(now - back, HOUR * 2));
        }
        // Set forward, and a machine that slept.
        for ahead in [HOUR, year, year * 30] {
            assert!(!window.is_open(now + ahead, Duration::ZERO));
        }
        // One that was over from the start.
        let over = PlaintextWindow::new(["ssn"], now - HOUR);
        assert!(!over.is_open(now, Duration::ZERO) && !over.is_open(now - year, Duration::ZERO));
    }
}
