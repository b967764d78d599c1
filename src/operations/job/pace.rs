//! Budgets: how much a run may do, and how fast.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// What one run may do at most. When a part of it is used up the run ends at a checkpoint with
/// [`End::Budget`](super::End::Budget), and the next run goes on there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Budget {
    pub(super) documents: Option<u64>,
    pub(super) bytes: Option<u64>,
    pub(super) writes: Option<u64>,
    pub(super) writes_per_second: Option<NonZeroU32>,
}

impl Budget {
    /// No limit at all.
    #[must_use]
    pub fn unlimited() -> Self {
        Self::default()
    }

    /// At most this many documents are looked at.
    #[must_use]
    pub fn documents(self, documents: u64) -> Self {
        Self { documents: Some(documents), ..self }
    }

    /// No page is read once documents of this many bytes have been: what is read may be a page more for
    /// each part in hand.
    #[must_use]
    pub fn bytes(self, bytes: u64) -> Self {
        Self { bytes: Some(bytes), ..self }
    }

    /// No page is read once this many documents have been written: there may be a page more for each part
    /// in hand.
    #[must_use]
    pub fn writes(self, writes: u64) -> Self {
        Self { writes: Some(writes), ..self }
    }

    /// At most this many documents are written in a second, by this task. It does not end the run but
    /// slows it down. No page is larger than a second's worth, so that a stop need not wait for long.
    #[must_use]
    pub fn writes_per_second(self, writes: NonZeroU32) -> Self {
        Self { writes_per_second: Some(writes), ..self }
    }
}

/// What is left of a budget.
pub(super) struct Pace {
    budget: Budget,
    used: Mutex<Used>,
}

struct Used {
    documents: u64,
    /// Of these, how many are being read, or turn out not to be there.
    reserved: u64,
    bytes: u64,
    writes: u64,
    /// When the writes so far are paid for.
    next: Instant,
}

impl Pace {
    pub(super) fn new(budget: Budget) -> Self {
        Self {
            budget,
            used: Mutex::new(Used { documents: 0, reserved: 0, bytes: 0, writes: 0, next: Instant::now() }),
        }
    }

    fn used<T>(&self, look: impl FnOnce(&mut Used) -> T) -> T {
        look(&mut self.used.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes up to this many documents out of the budget, and no more than a second may write; none where it is
    /// used up, `None` where others may give some back.
    pub(super) fn reserve(&self, documents: u32) -> Option<Reserved<'_>> {
        self.used(|used| {
            let over = |limit: Option<u64>, used: u64| limit.is_some_and(|limit| used >= limit);
            if over(self.budget.bytes, used.bytes) || over(self.budget.writes, used.writes) {
                return Some(Reserved { pace: self, documents: 0, read: 0 });
            }
            let left = self.budget.documents.map_or(u64::MAX, |limit| limit.saturating_sub(used.documents));
            let second = self.budget.writes_per_second.map_or(u32::MAX, NonZeroU32::get);
            let documents = u32::try_from(left).unwrap_or(u32::MAX).min(documents).min(second);
            if documents == 0 && used.reserved > 0 {
                return None;
            }
            used.documents += u64::from(documents);
            used.reserved += u64::from(documents);
            Some(Reserved { pace: self, documents, read: 0 })
        })
    }

    pub(super) fn note_bytes(&self, bytes: u64) {
        self.used(|used| used.bytes += bytes);
    }

    /// How many documents one commit may write so that a second's worth is not exceeded.
    pub(super) fn batch(&self, documents: usize) -> usize {
        let second = self
            .budget
            .writes_per_second
            .map_or(usize::MAX, |writes| usize::try_from(writes.get()).unwrap_or(usize::MAX));
        documents.min(second).max(1)
    }

    /// Waits until this many documents may be written.
    pub(super) async fn writes(&self, documents: usize) {
        let until = self.used(|used| {
            used.writes += documents as u64;
            let rate = self.budget.writes_per_second?;
            let now = Instant::now();
            let begin = used.next.max(now);
            let takes = Duration::from_secs_f64(documents as f64 / f64::from(rate.get()));
            used.next = begin + takes;
            Some(begin)
        });
        if let Some(until) = until {
            sleep_until(until).await;
        }
    }
}

/// Documents that may be read. Those that were not are given back when it is dropped.
pub(super) struct Reserved<'a> {
    pace: &'a Pace,
    pub(super) documents: u32,
    pub(super) read: u64,
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        let documents = u64::from(self.documents);
        self.pace.used(|used| {
            used.reserved = used.reserved.saturating_sub(documents);
            used.documents = used.documents.saturating_sub(documents.saturating_sub(self.read));
        });
    }
}
