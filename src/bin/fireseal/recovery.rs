//! `fireseal recovery`: the ways back to the keys.

mod device;
mod list;
mod make;
mod means;
mod recover;
mod verify;

use clap::Subcommand;

use crate::cli::Options;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Output, Told};

pub use make::codes_text;

/// Make, prove and use the ways back to the keys
#[derive(Debug, Subcommand)]
pub enum Recovery {
    List(list::List),
    Codes(make::Codes),
    Backup(make::Backup),
    Quorum(make::Quorum),
    #[command(subcommand)]
    Device(device::Device),
    Verify(verify::Verify),
    Recover(recover::Recover),
    Revoke(list::Revoke),
}

impl Recovery {
    pub async fn run(self, options: &Options, output: &Output) -> Result<Told, Failure> {
        let context = Context::read(options, output)?;
        match self {
            Self::List(command) => command.run(&context).await,
            Self::Codes(command) => command.run(&context).await,
            Self::Backup(command) => command.run(&context).await,
            Self::Quorum(command) => command.run(&context).await,
            Self::Device(command) => command.run(&context).await,
            Self::Verify(command) => command.run(&context).await,
            Self::Recover(command) => command.run(&context).await,
            Self::Revoke(command) => command.run(&context).await,
        }
    }
}
