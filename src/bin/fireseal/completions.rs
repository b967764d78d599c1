//! `fireseal completions`: completion scripts for shells.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::failure::{Exit, Failure};
use crate::output::Told;

/// Print a completion script for a shell
///
/// For bash: fireseal completions bash > /etc/bash_completion.d/fireseal
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub fn run(self) -> Result<Told, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "fireseal", &mut script);
        String::from_utf8(script).map(Told::raw).map_err(|error| Failure::of(Exit::Error, &error))
    }
}
