//! `fireseal migrate`: one kind of work on all documents of a collection, from checkpoint to checkpoint.

mod import;
mod progress;
mod told;
mod verify;
mod work;

use clap::{Args, Subcommand};
use fireseal::Purpose;
use fireseal::operations::{
    FieldsError, ReindexFields, Reseal as ResealStep, Seal as SealStep, Unseal as UnsealStep,
};

use crate::ask;
use crate::cli::Options;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{Output, Told};

/// Seal what is there, go to new keys and indexes, or leave: while the service runs
///
/// Writers may go on meanwhile: each write holds only if its document is as it was read. A run that is
/// stopped, killed or out of budget goes on where it was when the same command is given again, and any number
/// of tasks share the work (docs/guide/jobs-on-cloud-run-and-kubernetes.md).
#[derive(Debug, Subcommand)]
pub enum Migrate {
    Seal(Seal),
    Reseal(Reseal),
    Reindex(Reindex),
    Unseal(Unseal),
    Import(import::Import),
    Verify(verify::Verify),
}

impl Migrate {
    pub async fn run(self, options: &Options, output: &Output) -> Result<Told, Failure> {
        let context = Context::read(options, output)?;
        match self {
            Self::Seal(command) => command.run(&context).await,
            Self::Reseal(command) => command.run(&context).await,
            Self::Reindex(command) => command.run(&context).await,
            Self::Unseal(command) => command.run(&context).await,
            Self::Import(command) => command.run(&context).await,
            Self::Verify(command) => command.run(&context).await,
        }
    }
}

/// Seal the plaintext in the configured fields of a collection
///
/// What is sealed already is opened and left alone; what looks sealed and does not open is a failure. Sealing
/// what is found vouches for it. Let every writer seal before: documents that are written in the clear behind
/// the job's position stay so until it runs --again.
#[derive(Debug, Args)]
pub struct Seal {
    #[command(flatten)]
    work: work::Work,
}

impl Seal {
    async fn run(self, context: &Context<'_>) -> Result<Told, Failure> {
        let (config, vault) = (self.work.collection(context)?, self.work.vault(context).await?);
        self.work.warn_of_loss(context, &vault).await?;
        let step = SealStep::new(config, vault).map_err(wrong)?;
        self.work.run(context, step).await
    }
}

/// Seal values under older keys anew, under the primary key
#[derive(Debug, Args)]
pub struct Reseal {
    /// Open values under compromised keys too; sealing them anew vouches for them
    #[arg(long)]
    open_compromised: bool,
    #[command(flatten)]
    work: work::Work,
}

impl Reseal {
    async fn run(self, context: &Context<'_>) -> Result<Told, Failure> {
        let (config, mut vault) = (self.work.collection(context)?, self.work.vault(context).await?);
        if self.open_compromised && self.work.writes() {
            let warning = "Whoever has a compromised key may have made the values under it: sealing them anew \
                           vouches for them.";
            ask::confirm(context.options, warning, "vouch")?;
        }
        if self.open_compromised {
            vault = vault.opening_compromised();
        }
        let step = ResealStep::new(config, vault.clone()).map_err(wrong)?;
        let step = if self.open_compromised { step.from_compromised() } else { step };
        let work = self.work.towards_primary(context, &vault, Purpose::Data, &step).await?;
        work.run(context, step).await
    }
}

/// Make the blind indexes what the configuration says, under the index key of the day
#[derive(Debug, Args)]
pub struct Reindex {
    #[command(flatten)]
    work: work::Work,
}

impl Reindex {
    async fn run(self, context: &Context<'_>) -> Result<Told, Failure> {
        let (config, vault) = (self.work.collection(context)?, self.work.vault(context).await?);
        let step = ReindexFields::new(config, vault.clone()).map_err(wrong)?;
        let work = self.work.towards_primary(context, &vault, Purpose::Index, &step).await?;
        work.run(context, step).await
    }
}

/// Put everything back in the clear: leave fireseal
#[derive(Debug, Args)]
pub struct Unseal {
    #[command(flatten)]
    work: work::Work,
}

impl Unseal {
    async fn run(self, context: &Context<'_>) -> Result<Told, Failure> {
        let (config, vault) = (self.work.collection(context)?, self.work.vault(context).await?);
        if self.work.writes() {
            let warning = format!("Every sealed value of {} will stand in the clear.", config.path);
            ask::confirm(context.options, &warning, "unseal")?;
        }
        let step = UnsealStep::new(config, vault).map_err(wrong)?;
        self.work.run(context, step).await
    }
}

fn wrong(error: FieldsError) -> Failure {
    Failure::of(Exit::Usage, &error)
}
