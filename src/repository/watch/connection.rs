//! The connection to the database, made again where it breaks.

use std::time::Duration;

use futures::stream::{BoxStream, StreamExt, once, pending};
use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::{Plan, Shared, Source};
use crate::error::Error;
use crate::query::Node;
use crate::store::{ListenEvent, StoreError, Target};

/// The pause before connecting anew, doubled for each failure after, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How long the database has for its first word.
const CONNECT_LIMIT: Duration = Duration::from_secs(60);

/// How often the key ring is asked whether other tokens are to be asked for: one who rotates the index key
/// waits for the caches of all processes, and this is one.
const PLAN_AGAIN: Duration = Duration::from_secs(10);

/// The connection as it is now.
#[derive(Default)]
pub(super) struct Connection {
    open: Option<Open>,
    /// How often it broke since it last held for [`LONGEST_PAUSE`].
    failures: u32,
}

struct Open {
    events: BoxStream<'static, Result<ListenEvent, StoreError>>,
    target: Option<Target>,
    digest: [u8; 32],
    check: Option<Node>,
    plan_again: Instant,
    since: Instant,
}

/// What comes next.
pub(super) enum Heard {
    Event(ListenEvent),
    /// What came since the last consistent state will come again.
    Broken,
}

impl Connection {
    /// What documents have to be checked for.
    pub(super) fn check(&self) -> Option<&Node> {
        self.open.as_ref()?.check.as_ref()
    }

    /// What a resume token of now is for.
    pub(super) fn digest(&self) -> [u8; 32] {
        self.open.as_ref().map(|open| open.digest).unwrap_or_default()
    }

    /// # Errors
    /// What connecting anew does not help against.
    pub(super) async fn next<V: Send + 'static>(
        &mut self,
        source: &dyn Source<Value = V>,
        told: &Shared,
    ) -> Result<Heard, Error> {
        loop {
            let Some(open) = &mut self.open else {
                self.connect(source, told).await?;
                continue;
            };
            let heard = if !source.depends_on_keys() {
                open.events.next().await
            } else if open.plan_again <= Instant::now() {
                if self.plan_again(source, told).await? {
                    return Ok(Heard::Broken);
                }
                continue;
            } else {
                match timeout_at(open.plan_again, open.events.next()).await {
                    Ok(heard) => heard,
                    Err(_) => continue,
                }
            };
            match heard {
                Some(Ok(event)) => return Ok(Heard::Event(event)),
                Some(Err(error)) => self.broke(error, told)?,
                None => {
                    let reason = "the listener has ended".to_owned();
                    self.broke(StoreError::Unavailable { reason, source: None }, told)?;
                }
            }
            return Ok(Heard::Broken);
        }
    }

    /// Connects, or counts a failure.
    async fn connect<V: Send + 'static>(
        &mut self,
        source: &dyn Source<Value = V>,
        told: &Shared,
    ) -> Result<(), Error> {
        if self.failures > 0 {
            sleep(pause(self.failures)).await;
        }
        let Plan { target, check } = match source.plan().await {
            Err(error) if error.is_unavailable() => {
                tracing::warn!(%error, "a watch has no keys to ask with, and asks again");
                self.failures += 1;
                return Ok(());
            }
            plan => plan?,
        };
        let digest = digest(target.as_ref());
        let resume = {
            let mut told = told.lock();
            if told.resume.as_ref().is_none_or(|(_, of)| *of != digest) {
                told.reset();
            }
            told.resume.as_ref().map(|(token, _)| token.clone())
        };
        let events = match &target {
            None => Ok(nothing()),
            Some(target) => match timeout(CONNECT_LIMIT, source.store().listen(target, resume)).await {
                Ok(events) => events,
                Err(_) => Err(StoreError::Deadline { seconds: CONNECT_LIMIT.as_secs() }),
            },
        };
        match events {
            Ok(events) => {
                let since = Instant::now();
                let plan_again = since + PLAN_AGAIN;
                self.open = Some(Open { events, target, digest, check, plan_again, since });
                Ok(())
            }
            Err(error) => self.broke(error, told),
        }
    }

    /// Whether the connection was given up because something else is to be asked.
    async fn plan_again<V: Send + 'static>(
        &mut self,
        source: &dyn Source<Value = V>,
        told: &Shared,
    ) -> Result<bool, Error> {
        let Some(open) = &mut self.open else { return Ok(false) };
        open.plan_again = Instant::now() + PLAN_AGAIN;
        let plan = match source.plan().await {
            // What is asked now is as good as it was.
            Err(error) if error.is_unavailable() => return Ok(false),
            plan => plan?,
        };
        open.check = plan.check;
        if plan.target == open.target {
            return Ok(false);
        }
        self.open = None;
        told.lock().reset();
        Ok(true)
    }

    fn broke(&mut self, error: StoreError, told: &Shared) -> Result<(), Error> {
        // One that breaks again and again soon after its first words is not connected to ever faster.
        if self.open.take().is_some_and(|open| open.since.elapsed() >= LONGEST_PAUSE) {
            self.failures = 0;
        }
        let mut told = told.lock();
        match &error {
            StoreError::Unavailable { .. } | StoreError::Deadline { .. } | StoreError::Aborted { .. } => {}
            // Tokens do not last for ever.
            StoreError::Refused { .. } if told.resume.is_some() => told.reset(),
            _ => return Err(error.into()),
        }
        self.failures += 1;
        tracing::debug!(%error, failures = self.failures, "a watch lost its connection, and connects again");
        Ok(())
    }
}

/// The result of a query that nothing can fulfil.
fn nothing() -> BoxStream<'static, Result<ListenEvent, StoreError>> {
    let current = ListenEvent::Current { resume: None, at: None };
    once(async { Ok(current) }).chain(pending()).boxed()
}

/// What tells one target from another: equal digests mean equal targets.
fn digest(target: Option<&Target>) -> [u8; 32] {
    Sha256::digest(format!("{target:?}")).into()
}

/// Between half and all of the pause, so that many who lost the database do not come back as one.
pub(super) fn pause(failures: u32) -> Duration {
    let longest = (FIRST_PAUSE * 2_u32.pow(failures.saturating_sub(1).min(16))).min(LONGEST_PAUSE);
    let random = getrandom::u32().unwrap_or(u32::MAX);
    let half = longest / 2;
    half + half.mul_f64(f64::from(random) / f64::from(u32::MAX))
}
