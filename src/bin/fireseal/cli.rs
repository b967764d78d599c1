//! The command line: every command, and the options that all share.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueHint};

use crate::failure::Failure;
use crate::output::{Output, Told};
use crate::{audit, completions, indexes, init, inspect, keys, man, migrate, recovery, vectors};

/// Seals fields of Firestore documents, and looks after the keys.
///
/// Reads fireseal.toml, and FIRESTORE_EMULATOR_HOST, GOOGLE_CLOUD_PROJECT and the application default
/// credentials as usual. No secret is ever taken as an argument: secrets come from files of mode 0600, from
/// questions without echo, from standard input, or from the environment.
///
/// Exit codes: 0 done; 1 error; 2 wrong use or configuration; 3 something was found (plaintext, values that
/// do not open); 4 stopped at a checkpoint, the same command goes on; 5 keys or database unavailable, try
/// again later.
#[derive(Debug, Parser)]
#[command(
    name = "fireseal",
    version,
    propagate_version = true,
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub struct Cli {
    #[command(flatten)]
    pub options: Options,
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Options {
    /// The configuration [default: fireseal.toml]
    #[arg(long, global = true, value_name = "FILE", env = "FIRESEAL_CONFIG", hide_env_values = true, value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// The Google Cloud project, instead of the configured one
    #[arg(long, global = true, value_name = "ID")]
    pub project: Option<String>,
    /// Write JSON to standard output: one object a line, the last one is the result
    #[arg(long, global = true)]
    pub json: bool,
    /// Write results and errors only
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Do what would be asked about
    #[arg(long, short, global = true)]
    pub yes: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Init(init::Init),
    #[command(subcommand)]
    Keys(keys::Keys),
    #[command(subcommand)]
    Recovery(recovery::Recovery),
    #[command(subcommand)]
    Migrate(migrate::Migrate),
    Audit(audit::Audit),
    Inspect(inspect::Inspect),
    Indexes(indexes::Indexes),
    Vectors(vectors::Vectors),
    Completions(completions::Completions),
    Man(man::Man),
}

impl Command {
    pub async fn run(self, options: &Options, output: &Output) -> Result<Told, Failure> {
        match self {
            Self::Init(command) => command.run(options, output).await,
            Self::Keys(command) => command.run(options, output).await,
            Self::Recovery(command) => command.run(options, output).await,
            Self::Migrate(command) => command.run(options, output).await,
            Self::Audit(command) => command.run(options, output).await,
            Self::Inspect(command) => command.run(options, output).await,
            Self::Indexes(command) => command.run(options, output),
            Self::Vectors(command) => command.run(),
            Self::Completions(command) => command.run(),
            Self::Man(command) => command.run(),
        }
    }
}
