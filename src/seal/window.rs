//! Dated windows in which plaintext, or documents without a seal, are accepted while a collection is being sealed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use crate::bytes::Location;
use crate::bytes::context::StepPath;

/// Accepts plaintext in named fields of one collection until a date, and counts each acceptance.
///
/// While it is open, whoever writes the database can have any value accepted in these fields: it is
/// the price of moving a production collection without a pause. Write the date into the code, and
/// keep it near. A clock that is set back while the program runs does not keep it open any longer.
#[derive(Debug)]
pub struct PlaintextWindow {
    until: Until,
    fields: Vec<String>,
    accepted: AtomicU64,
}

impl PlaintextWindow {
    /// A window for these fields, by their stored names at the document's root, that closes at a
    /// date.
    #[must_use]
    pub fn new<S: Into<String>>(fields: impl IntoIterator<Item = S>, until: SystemTime) -> Self {
        let fields = fields.into_iter().map(Into::into).collect();
        Self { until: Until::new(until), fields, accepted: AtomicU64::new(0) }
    }

    /// How many plaintext values were accepted so far. When it stays 0 over a full read, close it.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    pub(super) fn covers(&self, path: &StepPath) -> bool {
        self.until.is_to_come()
            && path.root().is_some_and(|root| self.fields.iter().any(|field| field == root))
    }

    pub(super) fn count(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }
}

/// Accepts documents without a document seal in one collection until a date, and counts each acceptance; also
/// those whose seal leaves out a field that the program covers by now.
///
/// While it is open, whoever writes the database can remove a seal, and change what it covered. Write the date
/// into the code, and keep it near. A clock that is set back while the program runs does not keep it open any
/// longer.
#[derive(Debug)]
pub struct AdoptionWindow {
    until: Until,
    collection: String,
    accepted: AtomicU64,
}

impl AdoptionWindow {
    /// A window for the documents of all collections with this id that closes at a date.
    #[must_use]
    pub fn new(collection: impl Into<String>, until: SystemTime) -> Self {
        Self { until: Until::new(until), collection: collection.into(), accepted: AtomicU64::new(0) }
    }

    /// How many documents were accepted so far. When it stays 0 over a full read, close it.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Accepts a document here, and counts it, if the window is open.
    pub(crate) fn accepts(&self, location: &Location) -> bool {
        let accepts = self.until.is_to_come() && location.document().parent().id() == self.collection;
        self.accepted.fetch_add(u64::from(accepts), Ordering::Relaxed);
        accepts
    }
}

/// A date, by two clocks.
#[derive(Debug)]
struct Until {
    date: SystemTime,
    made: Instant,
    /// How far off the date was then.
    left: Duration,
}

impl Until {
    fn new(date: SystemTime) -> Self {
        let left = date.duration_since(SystemTime::now()).unwrap_or_default();
        Self { date, made: Instant::now(), left }
    }

    fn is_to_come(&self) -> bool {
        self.is_after(SystemTime::now(), self.made.elapsed())
    }

    /// By whichever clock says that it is over: the one of the calendar may be set, the other stands still while
    /// the machine sleeps.
    fn is_after(&self, now: SystemTime, since: Duration) -> bool {
        now < self.date && since < self.left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_clock_keeps_it_open() {
        const HOUR: Duration = Duration::from_secs(3_600);
        let now = SystemTime::now();
        let until = Until::new(now + HOUR);
        assert!(until.is_after(now, Duration::ZERO));
        let year = HOUR * 24 * 365;
        // Set back by an hour or by years, just before the end and after it.
        for back in [HOUR, year, year * 30] {
            assert!(until.is_after(now - back, HOUR / 2));
            assert!(!until.is_after(now - back, HOUR) && !until.is_after(now - back, HOUR * 2));
        }
        // Set forward, and a machine that slept.
        for ahead in [HOUR, year, year * 30] {
            assert!(!until.is_after(now + ahead, Duration::ZERO));
        }
        // One that was over from the start.
        let over = Until::new(now - HOUR);
        assert!(!over.is_after(now, Duration::ZERO) && !over.is_after(now - year, Duration::ZERO));
    }

    #[test]
    fn it_is_over_when_either_clock_is_there() {
        const HOUR: Duration = Duration::from_secs(3_600);
        const TICK: Duration = Duration::from_nanos(1);
        let date = SystemTime::UNIX_EPOCH + HOUR * 1_000;
        let until = Until { date, made: Instant::now(), left: HOUR };
        assert!(until.is_after(date - TICK, HOUR - TICK));
        assert!(!until.is_after(date, HOUR - TICK) && !until.is_after(date - TICK, HOUR));
        assert!(Until::new(SystemTime::now() + HOUR).is_to_come());
        assert!(!Until::new(SystemTime::now() - HOUR).is_to_come());
    }

    #[test]
    fn documents_are_accepted_in_their_collection_until_the_date_and_counted() {
        const HOUR: Duration = Duration::from_secs(3_600);
        let at = |path| Location::new(crate::bytes::DocumentPath::parse(path).expect("valid"));
        let open = AdoptionWindow::new("people", SystemTime::now() + HOUR);
        assert!(open.accepts(&at("people/ada")) && open.accepts(&at("tenants/acme/people/ada")));
        assert!(!open.accepts(&at("pets/ada")) && !open.accepts(&at("people/ada/pets/rex")));
        assert_eq!(open.accepted(), 2);
        let over = AdoptionWindow::new("people", SystemTime::now() - HOUR);
        assert!(!over.accepts(&at("people/ada")) && !over.accepts(&at("pets/ada")));
        assert_eq!(over.accepted(), 0);
    }
}
