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
    /// List the slots: who opens the ring, and when that was proved
    List(list::List),
    /// Make recovery codes to print, shown once
    Codes(make::Codes),
    /// Add a backup key that is kept offline
    Backup(make::Backup),
    /// Split an identity among several people, any few of whom open
    Quorum(make::Quorum),
    /// Ask for, approve, list and rename trusted devices
    #[command(subcommand)]
    Device(device::Device),
    /// Prove that a code, a backup key, a device, a quorum or a root opens the ring by itself
    Verify(verify::Verify),
    /// Get the ring back, under a new root
    Recover(recover::Recover),
    /// Remove a slot, and make new keys that its holder never saw
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
