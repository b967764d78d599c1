//! One run of a job: what its lanes share, and how they wait.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::{Either, select};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

use super::Limits;
use super::error::CheckpointError;
use super::handle::{JobHandle, Wish};
use super::ledger::Ledger;
use super::pace::Pace;
use super::report::{End, Tally};
use crate::error::Error;
use crate::operations::step::Step;
use crate::store::{From, Store, StoreError};

/// The pause before the second try, doubled for each one after up to the longest.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(250);
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Why a lane does not go on.
#[derive(Debug)]
pub(super) enum Halt {
    /// As it should.
    End(End),
    /// Somebody else has the part: take another.
    Lost,
    Checkpoint(CheckpointError),
    Error(Error),
}

impl Halt {
    /// Of what ended two lanes, that which is to be told: an error first.
    pub(super) fn first_cause(first: Option<Self>, other: Self) -> Self {
        match (first, other) {
            (None, other) | (Some(Self::End(End::Stopped) | Self::Lost), other) => other,
            (Some(Self::End(_)), other @ (Self::Error(_) | Self::Checkpoint(_))) => other,
            (Some(first), _) => first,
        }
    }
}

impl std::convert::From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::Error(error.into())
    }
}

impl std::convert::From<CheckpointError> for Halt {
    fn from(error: CheckpointError) -> Self {
        Self::Checkpoint(error)
    }
}

impl Halt {
    /// Whether a later try may succeed; if so, what failed.
    pub(super) fn passing(&self) -> Option<String> {
        match self {
            Self::Error(error) if error.is_unavailable() => Some(error.to_string()),
            Self::Error(error @ Error::Store(StoreError::Aborted { .. })) => Some(error.to_string()),
            Self::Checkpoint(CheckpointError::Store { source, .. }) => match source {
                StoreError::Unavailable { .. } | StoreError::Deadline { .. } | StoreError::Aborted { .. } => {
                    Some(source.to_string())
                }
                _ => None,
            },
            _ => None,
        }
    }
}

/// What the lanes of a run share.
pub(super) struct Run {
    pub(super) store: Arc<dyn Store>,
    pub(super) target: From,
    pub(super) step: Arc<dyn Step>,
    pub(super) limits: Limits,
    pub(super) dry_run: bool,
    pub(super) lease: Duration,
    pub(super) checkpoint_every: Duration,
    pub(super) patience: Duration,
    pub(super) ledger: Ledger,
    pub(super) pace: Pace,
    pub(super) handle: JobHandle,
    /// Set when one lane ends the run for all.
    pub(super) over: watch::Sender<bool>,
    /// How many parts have ended that this run had in hand.
    pub(super) ended: watch::Sender<u64>,
    pub(super) now: Mutex<Now>,
}

/// How long something has failed that a later try may do.
pub(super) struct Outage {
    since: Option<Instant>,
    /// The pause before the next try.
    pause: Duration,
}

impl Default for Outage {
    fn default() -> Self {
        Self { since: None, pause: FIRST_PAUSE }
    }
}

/// How far the run is.
#[derive(Default)]
pub(super) struct Now {
    pub(super) done: Tally,
    pub(super) parts_done: u32,
    pub(super) paused: bool,
    pub(super) waiting: Option<String>,
}

impl Run {
    pub(super) fn note<T>(&self, change: impl FnOnce(&mut Now) -> T) -> T {
        change(&mut self.now.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Rests while the job is paused; says so where it is to end.
    pub(super) async fn rest(&self) -> Result<(), Halt> {
        loop {
            if *self.over.borrow() {
                return Err(Halt::End(End::Stopped));
            }
            match self.handle.wish() {
                Wish::Run => return Ok(()),
                Wish::Stop => return Err(Halt::End(End::Stopped)),
                Wish::Pause => {
                    self.note(|now| now.paused = true);
                    self.while_on(self.handle.while_it_is(Wish::Pause)).await;
                    self.note(|now| now.paused = false);
                }
            }
        }
    }

    /// Waits, and less long where the run ends meanwhile.
    pub(super) async fn wait(&self, time: Duration) {
        self.while_on(self.while_not_stopped(sleep(time))).await;
    }

    /// Waits this long, or until a part that this run had in hand has ended: then there may be no other.
    pub(super) async fn wait_for_parts(&self, time: Duration, ended: &mut watch::Receiver<u64>) {
        // The sender lives as long as this run.
        let ended = async { drop(ended.changed().await) };
        let waiting = async {
            select(std::pin::pin!(sleep(time)), std::pin::pin!(ended)).await;
        };
        self.while_on(self.while_not_stopped(waiting)).await;
    }

    async fn while_not_stopped(&self, waiting: impl Future<Output = ()>) {
        let stopped = async {
            loop {
                match self.handle.wish() {
                    Wish::Stop => return,
                    other => self.handle.while_it_is(other).await,
                }
            }
        };
        select(std::pin::pin!(waiting), std::pin::pin!(stopped)).await;
    }

    async fn while_on(&self, waiting: impl Future<Output = ()>) {
        let mut over = self.over.subscribe();
        let over = async {
            // The sender lives as long as this run.
            let _ = over.wait_for(|over| *over).await;
        };
        match select(std::pin::pin!(waiting), std::pin::pin!(over)).await {
            Either::Left(_) | Either::Right(_) => {}
        }
    }

    /// Tries until it succeeds, fails for good, or has failed for as long as the job's patience.
    pub(super) async fn patiently<T, F>(&self, work: impl Fn() -> F) -> Result<T, Halt>
    where
        F: Future<Output = Result<T, Halt>>,
    {
        let mut outage = Outage::default();
        loop {
            match work().await {
                Err(halt) => self.outlast(&mut outage, halt).await?,
                done => {
                    self.is_over(&mut outage);
                    return done;
                }
            }
        }
    }

    /// Waits before the next try. Gives back what fails where it does so for good, or has for as long as the
    /// job's patience.
    pub(super) async fn outlast(&self, outage: &mut Outage, halt: Halt) -> Result<(), Halt> {
        let Some(reason) = halt.passing() else { return Err(halt) };
        let since = *outage.since.get_or_insert_with(Instant::now);
        if since.elapsed() >= self.patience {
            warn!(%reason, "gave up waiting");
            return Err(halt);
        }
        let pause = outage.pause;
        debug!(%reason, ?pause, "waiting");
        self.note(|now| now.waiting = Some(reason));
        self.wait(pause.min(self.patience.saturating_sub(since.elapsed()))).await;
        if *self.over.borrow() || self.handle.wish() == Wish::Stop {
            self.note(|now| now.waiting = None);
            return Err(Halt::End(End::Stopped));
        }
        outage.pause = (pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }

    /// Notes that it was answered.
    pub(super) fn is_over(&self, outage: &mut Outage) {
        if outage.since.is_some() {
            self.note(|now| now.waiting = None);
        }
        *outage = Outage::default();
    }
}
