//! What every migration shares: which documents, how much of them, where checkpoints are, and who stops it.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};
use fireseal::custody::{KeyVault, SlotKind};
use fireseal::operations::{
    Budget, Checkpoints, CollectionConfig, Job, JobHandle, JobStatus, Prices, Report, ScopeRule, Step,
};
use fireseal::store::From;
use fireseal::{CollectionPath, KeyProvider as _, Purpose};
use serde_json::json;

use super::progress::Shown;
use super::told;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{Output, Told};

#[derive(Debug, Args)]
pub struct Work {
    /// The collection, or the group's id, as the configuration has it
    collection: String,
    /// Write nothing, not even checkpoints; say what would be done
    #[arg(long, group = "instead")]
    dry_run: bool,
    /// Only say how much there is to do, and what it costs by --price-reads and --price-writes
    #[arg(long, group = "instead")]
    estimate: bool,
    /// Only say how far it is
    #[arg(long, group = "instead")]
    status: bool,
    /// Begin anew, forgetting the checkpoints
    #[arg(long, conflicts_with = "instead")]
    again: bool,
    /// End at a checkpoint once this many documents were looked at
    #[arg(long, value_name = "N")]
    max_documents: Option<u64>,
    /// End at a checkpoint once documents of this many bytes were read
    #[arg(long, value_name = "N")]
    max_bytes: Option<u64>,
    /// End at a checkpoint once this many documents were written
    #[arg(long, value_name = "N")]
    max_writes: Option<u64>,
    /// Write no faster than this
    #[arg(long, value_name = "N")]
    writes_per_second: Option<NonZeroU32>,
    /// What 100,000 document reads cost, for --estimate
    #[arg(long, value_name = "PRICE", default_value_t = 0.0)]
    price_reads: f64,
    /// What 100,000 document writes cost, for --estimate
    #[arg(long, value_name = "PRICE", default_value_t = 0.0)]
    price_writes: f64,
    /// Keep checkpoints in this collection, which is what several tasks need
    #[arg(long, value_name = "NAME", default_value = "fireseal-jobs", conflicts_with = "checkpoint_file")]
    checkpoints: String,
    /// Keep checkpoints in this file instead, for one task; to `verify`, the file of the `seal` to compare with, beside which it keeps FILE.verify
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    checkpoint_file: Option<PathBuf>,
    /// The job's name, under which checkpoints are kept [default: of the step, the collection and the fields]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Which of how many tasks this is, such as 0/4 [default: by CLOUD_RUN_TASK_INDEX or JOB_COMPLETION_INDEX]
    #[arg(long, value_name = "INDEX/COUNT", value_parser = task)]
    task: Option<(u32, u32)>,
    /// How many parts the work is split into
    #[arg(long, value_name = "N")]
    parts: Option<NonZeroU32>,
    /// How many seconds after its last sign of life a task's part is another's
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    lease: u64,
    /// Whether the step writes nothing by its nature.
    #[arg(skip)]
    only_reads: bool,
    /// The job's name where it is about the keys of the day.
    #[arg(skip)]
    key_name: Option<String>,
}

impl Work {
    /// For a step that writes nothing, and whose answer is only as good as its day: once finished it is done
    /// anew.
    pub fn only_reading(mut self) -> Self {
        self.only_reads = true;
        self
    }

    /// Warns before anything is sealed that only a root opens.
    pub async fn warn_of_loss(&self, context: &Context<'_>, vault: &KeyVault) -> Result<(), Failure> {
        let config = self.collection(context)?;
        let ScopeRule::Fixed(scope) = &config.scope else { return Ok(()) };
        let slots = vault.manifest(scope).await?.slots;
        if slots.iter().all(|slot| slot.kind == SlotKind::Root || slot.verified_ms.is_none()) {
            context.output.warn(format!(
                "scope {scope} has no proved way back: if its roots are lost, what is sealed is lost; \
                 see `fireseal recovery codes` and `fireseal recovery verify`"
            ));
        }
        Ok(())
    }

    /// For a step that goes to the key of the day: another key makes another job.
    pub async fn towards_primary(
        mut self,
        context: &Context<'_>,
        vault: &KeyVault,
        purpose: Purpose,
        step: &dyn Step,
    ) -> Result<Self, Failure> {
        let config = self.collection(context)?;
        // Where each document names its scope there is no one key.
        let ScopeRule::Fixed(scope) = &config.scope else { return Ok(self) };
        if let Some(primary) = vault.manifest(scope).await?.primary(purpose) {
            let print: String = step.fingerprint().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
            let key: String = primary.id.to_string().chars().take(12).collect();
            self.key_name = Some(format!("{}-{}-{print}-{key}", step.name(), config.path.replace('/', ".")));
        }
        Ok(self)
    }

    /// Whether it will do the work, and not only say something about it.
    pub fn writes(&self) -> bool {
        !(self.dry_run || self.only_says())
    }

    /// Whether it looks at no document.
    pub fn only_says(&self) -> bool {
        self.estimate || self.status
    }

    /// The configured collection.
    pub fn collection(&self, context: &Context<'_>) -> Result<CollectionConfig, Failure> {
        context.config.collection(&self.collection).cloned()
    }

    /// The keys. Where documents are worked on, those of the day are opened once before: without them each
    /// document would fail, and the job count as finished.
    pub async fn vault(&self, context: &Context<'_>) -> Result<KeyVault, Failure> {
        if self.estimate || self.status {
            return context.bare_vault().await;
        }
        let vault = context.opening_vault().await?;
        if let ScopeRule::Fixed(scope) = &self.collection(context)?.scope {
            vault.ring(scope).await?;
        }
        Ok(vault)
    }

    /// Does what was asked for, and says it.
    pub async fn run(&self, context: &Context<'_>, step: impl Step + 'static) -> Result<Told, Failure> {
        if self.estimate {
            let prices = Prices { per_100k_reads: self.price_reads, per_100k_writes: self.price_writes };
            let estimate = self.job(context, step).await?.estimate(prices).await?;
            return told::estimate(&estimate);
        }
        if self.status {
            let status = self.job(context, step).await?.status().await?;
            return told::status(status.as_ref());
        }
        let report = self.report(context, step).await?;
        Ok(Told::new(told::report(&report), told::value(&report)?).exit(told::exit(&report)))
    }

    /// Runs the job, and shows how far it is.
    pub async fn report(&self, context: &Context<'_>, step: impl Step + 'static) -> Result<Report, Failure> {
        let job = self.job(context, step).await?;
        let is_finished = !self.dry_run && job.status().await?.is_some_and(|status| status.is_finished());
        // A task that comes late must not do anew what the others have just done.
        if self.again || self.only_reads && is_finished && !self.has_other_tasks() {
            job.forget().await?;
        } else if is_finished {
            context.output.warn("this job was finished before: give --again to look at all documents anew");
        }
        stop_on_signals(job.handle(), *context.output);
        let mut shown = Shown::new(context.output);
        let report = job.run(|progress| shown.show(progress)).await;
        shown.end();
        Ok(report?)
    }

    /// How far another step's job on the same documents is.
    pub async fn status_of(
        &self,
        context: &Context<'_>,
        step: impl Step + 'static,
    ) -> Result<Option<JobStatus>, Failure> {
        let store = context.store().await?;
        let checkpoints = self.checkpoints(store.clone())?;
        let job = Job::new(store, self.target(context)?, step).checkpoint(checkpoints);
        Ok(job.status().await?)
    }

    async fn job(&self, context: &Context<'_>, step: impl Step + 'static) -> Result<Job, Failure> {
        let store = context.store().await?;
        let checkpoints = match &self.checkpoint_file {
            Some(file) if self.only_reads => {
                let mut own = file.clone().into_os_string();
                own.push(".verify");
                Checkpoints::in_file(own)
            }
            _ => self.checkpoints(store.clone())?,
        };
        let mut job = Job::new(store, self.target(context)?, step)
            .checkpoint(checkpoints)
            .lease(Duration::from_secs(self.lease))
            .budget(self.budget());
        job = match self.task {
            Some((index, count)) => job.task(index, count),
            None => job.task_from_env(),
        };
        if let Some(name) = self.name.as_ref().or(self.key_name.as_ref()) {
            job = job.named(name);
        }
        if let Some(parts) = self.parts {
            job = job.parts(parts);
        }
        Ok(if self.dry_run { job.dry_run() } else { job })
    }

    fn has_other_tasks(&self) -> bool {
        let of_environment = || {
            let counts = ["CLOUD_RUN_TASK_COUNT", "JOB_COMPLETIONS"].map(std::env::var);
            counts.into_iter().flatten().find_map(|count| count.parse().ok()).unwrap_or(1)
        };
        self.task.map_or_else(of_environment, |(_, count)| count) > 1
    }

    fn target(&self, context: &Context<'_>) -> Result<From, Failure> {
        let config = self.collection(context)?;
        if config.group {
            return Ok(From::Group { id: config.path, under: None });
        }
        let path = CollectionPath::parse(&config.path).map_err(|error| Failure::of(Exit::Usage, &error))?;
        Ok(From::Collection(path))
    }

    fn checkpoints(&self, store: fireseal::store::FirestoreStore) -> Result<Checkpoints, Failure> {
        if let Some(file) = &self.checkpoint_file {
            return Ok(Checkpoints::in_file(file));
        }
        let path =
            CollectionPath::parse(&self.checkpoints).map_err(|error| Failure::of(Exit::Usage, &error))?;
        Ok(Checkpoints::in_store(store, path))
    }

    fn budget(&self) -> Budget {
        let mut budget = Budget::unlimited();
        if let Some(documents) = self.max_documents {
            budget = budget.documents(documents);
        }
        if let Some(bytes) = self.max_bytes {
            budget = budget.bytes(bytes);
        }
        if let Some(writes) = self.max_writes {
            budget = budget.writes(writes);
        }
        if let Some(rate) = self.writes_per_second {
            budget = budget.writes_per_second(rate);
        }
        budget
    }
}

/// `0/4`: the first of four.
fn task(text: &str) -> Result<(u32, u32), String> {
    let numbers =
        text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
    match numbers {
        Some((index, count)) if index < count => Ok((index, count)),
        _ => Err("give an index from 0 and a count, such as 0/4".to_owned()),
    }
}

/// The first signal ends the job at a checkpoint, the second one ends it at once.
fn stop_on_signals(handle: JobHandle, output: Output) {
    tokio::spawn(async move {
        signal().await;
        // Before anything is said: whoever would be told may be gone.
        handle.stop();
        output.note("Ending at a checkpoint; once more ends at once.");
        output.event(&json!({"event": "stopping"}));
        signal().await;
        std::process::exit(130);
    });
}

/// Ctrl-C, or what job runners send before they kill.
async fn signal() {
    #[cfg(unix)]
    {
        let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
        if let Ok(mut terminate) = terminate {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
