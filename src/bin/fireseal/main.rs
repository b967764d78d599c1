//! The program `fireseal`: keys, recovery, migrations and audits from a shell.

#![allow(clippy::print_stdout, clippy::print_stderr)]

mod ask;
mod audit;
mod cli;
mod completions;
mod config;
mod context;
mod database;
mod failure;
mod indexes;
mod init;
mod inspect;
mod keys;
mod man;
mod migrate;
mod output;
mod recovery;
mod roots;
mod secret;
mod vectors;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::Cli;
use crate::failure::{Exit, Failure};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = output::Output::new(&cli.options);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(cli.command.run(&cli.options, &output)),
        Err(error) => Err(Failure::new(Exit::Error, format!("the program cannot start: {error}"))),
    };
    output.end(outcome).into()
}
