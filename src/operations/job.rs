//! A job: one step over all documents of a collection, a page at a time, from checkpoint to checkpoint.

mod error;
mod estimate;
mod handle;
mod lane;
mod ledger;
mod limits;
mod pace;
mod part;
mod process;
mod report;
mod run;
mod split;
mod status;

pub use error::{CheckpointError, JobError};
pub use estimate::{Estimate, Prices};
pub use handle::JobHandle;
pub use ledger::Checkpoints;
pub use limits::Limits;
pub use pace::Budget;
pub use report::{End, Failure, Progress, Report, Tally};
pub use status::{JobStatus, PartStatus};

use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::stream::{BoxStream, StreamExt, unfold};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};
use tracing::{Instrument, info, info_span};

use super::step::Step;
use crate::bytes::check_id;
use crate::store::{From, Store};
use ledger::{Header, Ledger, Place};
use pace::Pace;
use part::holds;
use report::KEPT_FAILURES;
use run::{Halt, Now, Run};

/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(200);
/// How much progress is kept for one who does not look.
const TOLD_AHEAD: usize = 16;

/// One step over all documents of a collection or a collection group.
///
/// The documents are read in pages, in the order of their names; the step says what is to be written; that
/// is written in batches, each document on the condition that it is as it was read. One that others change
/// meanwhile is read again and planned anew, so nobody's update is lost, and one that needs nothing is not
/// written: a second run writes nothing.
///
/// The work is split into parts. With [`Checkpoints::in_store`] any number of tasks share them, and each
/// part is leased to one task at a time; the parts of one that dies are taken over when its lease has run
/// out. A process that is killed has read up to a few seconds' documents in vain, and nothing worse.
///
/// Documents that are created behind a part's position while the job runs are not looked at: let every
/// writer write what the step would make before the job begins.
///
/// Memory does not grow with the collection: see [`Limits`].
#[must_use = "nothing is done until `run` or `stream` is called"]
pub struct Job {
    store: Arc<dyn Store>,
    target: From,
    step: Arc<dyn Step>,
    name: Option<String>,
    checkpoints: Checkpoints,
    parts: Option<NonZeroU32>,
    task: (u32, u32),
    lease: Duration,
    checkpoint_every: Duration,
    patience: Duration,
    budget: Budget,
    limits: Limits,
    dry_run: bool,
    handle: JobHandle,
}

impl Job {
    /// A job with this step over these documents.
    pub fn new(store: impl Store + 'static, target: From, step: impl Step + 'static) -> Self {
        Self {
            store: Arc::new(store),
            target,
            step: Arc::new(step),
            name: None,
            checkpoints: Checkpoints::none(),
            parts: None,
            task: (0, 1),
            lease: Duration::from_secs(60),
            checkpoint_every: Duration::from_secs(2),
            patience: Duration::from_secs(300),
            budget: Budget::default(),
            limits: Limits::default(),
            dry_run: false,
            handle: JobHandle::new(),
        }
    }

    /// The job's name, under which its checkpoints are kept: of the step, the target and the step's
    /// fingerprint unless said otherwise. A job that was finished stays finished under its name.
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// Where checkpoints are kept: nowhere unless said otherwise.
    pub fn checkpoint(self, checkpoints: Checkpoints) -> Self {
        Self { checkpoints, ..self }
    }

    /// How many parts the work is split into when it begins, at most 400: unless said otherwise one for
    /// every 5,000 documents, and four for each task.
    pub fn parts(self, parts: NonZeroU32) -> Self {
        Self { parts: Some(parts), ..self }
    }

    /// Which of how many tasks this is, the first being 0. It says only where each begins to look for a
    /// part: any task takes any part, and more may join.
    pub fn task(self, index: u32, count: u32) -> Self {
        Self { task: (index, count.max(1)), ..self }
    }

    /// Which of how many tasks this is by the environment: `CLOUD_RUN_TASK_INDEX` and
    /// `CLOUD_RUN_TASK_COUNT` of Cloud Run jobs, `JOB_COMPLETION_INDEX` of Kubernetes' indexed jobs, where
    /// `JOB_COMPLETIONS`, if it is set, is their count. Else the only one.
    pub fn task_from_env(self) -> Self {
        let number = |name: &str| std::env::var(name).ok()?.trim().parse::<u32>().ok();
        let run = number("CLOUD_RUN_TASK_INDEX").map(|index| (index, number("CLOUD_RUN_TASK_COUNT")));
        let pod = || number("JOB_COMPLETION_INDEX").map(|index| (index, number("JOB_COMPLETIONS")));
        match run.or_else(pod) {
            Some((index, count)) => self.task(index, count.unwrap_or_default().max(index.saturating_add(1))),
            None => self,
        }
    }

    /// How long a task keeps a part without a sign of life before others take it over: a minute unless said
    /// otherwise. It is renewed three times in that time.
    pub fn lease(self, lease: Duration) -> Self {
        Self { lease: lease.max(Duration::from_millis(100)), ..self }
    }

    /// How often a checkpoint is written for each part in hand: every two seconds unless said otherwise.
    /// It is a write each time.
    pub fn checkpoint_every(self, every: Duration) -> Self {
        Self { checkpoint_every: every, ..self }
    }

    /// How long to go on trying while the keys or the database cannot be had: five minutes unless said
    /// otherwise. Then the job ends at a checkpoint, with an error.
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// What this run may do at most: anything unless said otherwise. It is this task's alone.
    pub fn budget(self, budget: Budget) -> Self {
        Self { budget, ..self }
    }

    /// How much is in hand at once.
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Writes nothing, not even checkpoints, and reports what would be written. The step must not write
    /// for itself.
    pub fn dry_run(self) -> Self {
        Self { dry_run: true, ..self }
    }

    /// Pauses, resumes and stops the job.
    #[must_use]
    pub fn handle(&self) -> JobHandle {
        self.handle.clone()
    }

    /// What the job will read and write at most, and what that costs. Counts the documents, which is
    /// charged as one read for each 1,000 of them.
    ///
    /// # Errors
    /// The documents cannot be counted.
    pub async fn estimate(&self, prices: Prices) -> Result<Estimate, JobError> {
        let documents = split::count(&*self.store, &self.target).await.map_err(JobError::Start)?;
        let parts = self.part_count(documents);
        let splitting =
            if split::skips_over_names(&*self.store, &self.target, parts).await { documents } else { 0 };
        let rate = self.budget.writes_per_second.map_or(0.0, |rate| 1.0 / f64::from(rate.get()));
        let counting = documents.div_ceil(1_000).max(1);
        let in_store = matches!(self.checkpoints.place, Place::Store(..));
        // Taken, and done; those in between depend on how long it takes.
        let checkpoints = if in_store { 1 + 3 * u64::from(parts) } else { 0 };
        let estimate = Estimate {
            documents,
            reads: documents + splitting + 2 * counting + checkpoints,
            writes: if self.dry_run { 0 } else { documents + checkpoints },
            seconds: if self.dry_run { 0.0 } else { documents as f64 * rate },
            cost: 0.0,
        };
        Ok(estimate.priced(prices))
    }

    fn part_count(&self, documents: u64) -> u32 {
        match self.parts {
            Some(parts) => parts.get().min(split::MAX_PARTS),
            None => split::parts_for(documents, self.task.1),
        }
    }

    /// The name that the job has where none was given.
    fn name(&self) -> String {
        let Some(name) = &self.name else {
            let print = self.step.fingerprint();
            let print: String = print.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
            return format!("{}-{}-{print}", self.step.name(), self.target_text().replace('/', "."));
        };
        name.clone()
    }

    fn target_text(&self) -> String {
        match &self.target {
            From::Collection(collection) => collection.to_string(),
            From::Group { id, under: None } => format!("**/{id}"),
            From::Group { id, under: Some(under) } => format!("{under}/**/{id}"),
        }
    }

    async fn ledger(&self) -> Result<(Header, Ledger), JobError> {
        let settings = |reason: String| Err(JobError::Settings { reason });
        let name = self.name();
        if let Err(error) = check_id(&name) {
            return settings(format!("its name must be a document id: {error}"));
        }
        let place = if self.dry_run { &Place::Nowhere } else { &self.checkpoints.place };
        let (index, count) = self.task;
        if index >= count {
            return settings(format!("there is no task {index} of {count}: the first is 0"));
        }
        if count > 1 && !matches!(place, Place::Store(..)) {
            let reason =
                "several tasks share their work through checkpoints in a store, and a dry run has none";
            return settings(format!("{reason}; run one task, or keep checkpoints in a store"));
        }
        if let Place::Store(_, collection) = place {
            let parts = collection.document(&name).and_then(|record| record.collection("parts"));
            let parts = parts.map_err(|error| JobError::Settings { reason: error.to_string() })?;
            if holds(&self.target, collection) || holds(&self.target, &parts) {
                let reason = "it would work on its own checkpoints; keep them in another collection";
                return settings(reason.to_owned());
            }
        }
        let header = Header::new(&name, self.step.name(), self.target_text(), &self.step.fingerprint());
        let first = u32::try_from(u64::from(index) * 1_000 / u64::from(count)).unwrap_or_default();
        let ledger = Ledger::open(place, &header, self.lease, first).await?;
        Ok((header, ledger))
    }

    /// The parts as they are recorded, and who holds them; `None` of a job that was never begun.
    ///
    /// # Errors
    /// [`JobError::Checkpoint`]: they cannot be read.
    pub async fn status(&self) -> Result<Option<JobStatus>, JobError> {
        let (_, ledger) = self.ledger().await?;
        match ledger.header().await? {
            Some(header) => Ok(Some(JobStatus::new(header, ledger.records().await?))),
            None => Ok(None),
        }
    }

    /// Forgets the checkpoints, so that the next run begins anew. For a job that nobody runs.
    ///
    /// # Errors
    /// [`JobError::Checkpoint`]: they cannot be read or deleted.
    pub async fn forget(&self) -> Result<(), JobError> {
        let (_, ledger) = self.ledger().await?;
        Ok(ledger.forget().await?)
    }

    /// Does the job, or what is left of it. Progress is told several times a second. Dropped before its
    /// end it is as if the process was killed.
    ///
    /// # Errors
    /// [`JobError`]: it could not start, or was interrupted; what was done stays done. A document that
    /// cannot be done is a failure in the report, and no error.
    pub async fn run(&self, on_progress: impl FnMut(&Progress) + Send) -> Result<Report, JobError> {
        let name = self.name();
        let span = info_span!("job", name, step = self.step.name(), target = self.target_text());
        self.run_all(on_progress).instrument(span).await
    }

    async fn run_all(&self, mut on_progress: impl FnMut(&Progress) + Send) -> Result<Report, JobError> {
        let started = Instant::now();
        let (header, ledger) = self.ledger().await?;
        let header = self.begin(&ledger, header).await?;
        let (mut before, mut parts_done) = (0, 0);
        for record in ledger.records().await? {
            before += record.part.tally.documents;
            parts_done += u32::from(record.part.done);
        }
        let run = Arc::new(Run {
            store: Arc::clone(&self.store),
            target: self.target.clone(),
            step: Arc::clone(&self.step),
            limits: self.limits,
            dry_run: self.dry_run,
            lease: self.lease,
            checkpoint_every: self.checkpoint_every,
            patience: self.patience,
            ledger,
            pace: Pace::new(self.budget),
            handle: self.handle.clone(),
            over: watch::Sender::new(false),
            ended: watch::Sender::new(0),
            now: Mutex::new(Now { parts_done, ..Now::default() }),
        });
        let tell = |report: Option<&Report>| {
            run.note(|now| Progress {
                done: now.done.clone(),
                total: Some(header.documents),
                before,
                parts_done: now.parts_done,
                parts: header.parts,
                elapsed: started.elapsed(),
                paused: now.paused,
                waiting: now.waiting.clone(),
                report: report.cloned().map(Box::new),
            })
        };

        let mut lanes = JoinSet::new();
        for _ in 0..self.limits.parts_at_once.clamp(1, header.parts.max(1)) {
            let span = tracing::Span::current();
            lanes.spawn(lane::lane(Arc::clone(&run)).instrument(span));
        }
        let mut ticks = interval(TELL_EVERY);
        let mut halt = None;
        loop {
            let ended = {
                let (ended, tick) = (std::pin::pin!(lanes.join_next()), std::pin::pin!(ticks.tick()));
                match futures::future::select(ended, tick).await {
                    futures::future::Either::Left((ended, _)) => ended,
                    futures::future::Either::Right(_) => {
                        on_progress(&tell(None));
                        continue;
                    }
                }
            };
            match ended {
                None => break,
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(other))) => {
                    run.over.send_replace(true);
                    halt = Some(Halt::first_cause(halt, other));
                }
                Some(Err(error)) => match error.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    // The runtime is shutting down, and whoever waits here with it.
                    Err(_) => std::future::pending().await,
                },
            }
        }
        let report = self.report(&run, &header, halt.as_ref(), started).await?;
        info!(end = ?report.end, documents = report.run.documents, written = report.run.written, "job ended");
        on_progress(&tell(Some(&report)));
        match halt {
            None if !report.finished => {
                let reason = format!(
                    "{} of its {} parts are recorded as done, and there was no other to do: somebody forgot the job, or changed its records",
                    report.parts_done, report.parts
                );
                Err(CheckpointError::Malformed { job: report.name, reason }.into())
            }
            None | Some(Halt::End(_) | Halt::Lost) => Ok(report),
            Some(Halt::Checkpoint(error)) => Err(error.into()),
            Some(Halt::Error(source)) => Err(JobError::Interrupted { report: Box::new(report), source }),
        }
    }

    /// Splits the work, unless that was done before.
    async fn begin(&self, ledger: &Ledger, mut header: Header) -> Result<Header, JobError> {
        if let Some(header) = ledger.header().await? {
            return Ok(header);
        }
        let (store, target) = (&*self.store, &self.target);
        let count = || split::count(store, target);
        let documents = split::patiently(self.patience, &self.handle, count).await?;
        let split = || split::split(store, target, documents, self.part_count(documents));
        let parts = split::patiently(self.patience, &self.handle, split).await?;
        header.documents = documents;
        header.parts = u32::try_from(parts.len()).unwrap_or(u32::MAX);
        ledger.begin(header.clone(), parts).await?;
        // Another task may have been faster.
        Ok(ledger.header().await?.unwrap_or(header))
    }

    async fn report(
        &self,
        run: &Run,
        header: &Header,
        halt: Option<&Halt>,
        started: Instant,
    ) -> Result<Report, JobError> {
        let done = run.note(|now| now.done.clone());
        let (mut total, mut failures, mut parts_done) = (Tally::default(), Vec::new(), 0);
        let records = match halt {
            None => run.patiently(|| async { Ok(run.ledger.records().await?) }).await,
            Some(_) => run.ledger.records().await.map_err(Halt::Checkpoint),
        };
        match records {
            Ok(records) => {
                for record in records {
                    total.add(&record.part.tally);
                    failures.extend(record.part.failures);
                    parts_done += u32::from(record.part.done);
                }
            }
            Err(Halt::Checkpoint(error)) if halt.is_none() => return Err(error.into()),
            // What ended the run says why.
            Err(_) => {
                total = done.clone();
                parts_done = run.note(|now| now.parts_done);
            }
        }
        failures.truncate(KEPT_FAILURES);
        let finished = parts_done == header.parts;
        let end = match halt {
            _ if finished => End::Finished,
            Some(Halt::End(end)) => *end,
            None | Some(_) => End::Interrupted,
        };
        Ok(Report {
            name: header.name.clone(),
            step: header.step.clone(),
            target: header.target.clone(),
            dry_run: self.dry_run,
            finished,
            end,
            run: done,
            total,
            failures,
            parts_done,
            parts: header.parts,
            seconds: started.elapsed().as_secs_f64(),
        })
    }

    /// Does the job as [`run`](Self::run) does, and tells its progress as a stream. The last progress has
    /// the report; an error is the stream's end. Dropped, the job is as if the process was killed.
    pub fn stream(self) -> BoxStream<'static, Result<Progress, JobError>> {
        let (told, progress) = mpsc::channel(TOLD_AHEAD);
        let mut work = JoinSet::new();
        work.spawn(async move {
            let mut last = None;
            let tell = |progress: &Progress| match progress.report {
                Some(_) => last = Some(progress.clone()),
                // Who does not look is told less often.
                None => drop(told.try_send(progress.clone())),
            };
            let ended = self.run(tell).await;
            if let Some(last) = last {
                // The task is aborted where nobody listens any more.
                drop(told.send(last).await);
            }
            ended
        });
        // The task is aborted where the stream is dropped.
        let state = (progress, work);
        unfold(Some(state), |state| async move {
            let (mut progress, mut work) = state?;
            if let Some(progress_now) = progress.recv().await {
                return Some((Ok(progress_now), Some((progress, work))));
            }
            match work.join_next().await? {
                Ok(Ok(_)) => None,
                Ok(Err(error)) => Some((Err(error), None)),
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    Err(_) => None,
                },
            }
        })
        .boxed()
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("name", &self.name())
            .field("target", &self.target)
            .field("checkpoints", &self.checkpoints)
            .field("budget", &self.budget)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
