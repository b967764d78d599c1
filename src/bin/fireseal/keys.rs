//! `fireseal keys`: the keys of a ring, and what becomes of them.

mod change;
mod destroy;
mod list;
mod retire;
mod rewrap;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use fireseal::custody::{Authority, KeyEntry, KeyVault};
use fireseal::{KeyId, Scope};

use crate::cli::Options;
use crate::context::{self, Context};
use crate::failure::Failure;
use crate::output::{Output, Told};

/// List, rotate, retire and destroy keys
#[derive(Debug, Subcommand)]
pub enum Keys {
    List(list::List),
    Show(list::Show),
    Create(change::Create),
    Rotate(change::Rotate),
    RotateIndex(change::RotateIndex),
    PromoteIndex(change::PromoteIndex),
    Rewrap(rewrap::Rewrap),
    Retire(retire::Retire),
    Compromised(change::Compromised),
    Destroy(destroy::Destroy),
}

impl Keys {
    pub async fn run(self, options: &Options, output: &Output) -> Result<Told, Failure> {
        let context = Context::read(options, output)?;
        match self {
            Self::List(command) => command.run(&context).await,
            Self::Show(command) => command.run(&context).await,
            Self::Create(command) => command.run(&context).await,
            Self::Rotate(command) => command.run(&context).await,
            Self::RotateIndex(command) => command.run(&context).await,
            Self::PromoteIndex(command) => command.run(&context).await,
            Self::Rewrap(command) => command.run(&context).await,
            Self::Retire(command) => command.run(&context).await,
            Self::Compromised(command) => command.run(&context).await,
            Self::Destroy(command) => command.run(&context).await,
        }
    }
}

/// Whose ring.
#[derive(Debug, Args)]
pub struct Of {
    /// The scope (tenant) whose ring it is
    #[arg(long, value_name = "SCOPE", default_value = "default", value_parser = context::scope)]
    pub scope: Scope,
}

/// Whose ring, and by whose authority it is changed.
#[derive(Debug, Args)]
pub struct By {
    #[command(flatten)]
    pub of: Of,
    /// The authority's file, or `-` for standard input; else the configured one
    #[arg(long, value_name = "FILE", env = "FIRESEAL_AUTHORITY_FILE", hide_env_values = true, value_hint = ValueHint::FilePath)]
    pub authority: Option<PathBuf>,
}

impl By {
    pub fn authority(&self, context: &Context<'_>) -> Result<Authority, Failure> {
        context.authority(self.authority.as_deref())
    }

    pub fn scope(&self) -> &Scope {
        &self.of.scope
    }
}

/// The first digits of a key id, which people compare.
pub fn short(id: &KeyId) -> String {
    id.to_string().chars().take(16).collect()
}

/// The key of a ring whose id begins so.
pub async fn find(vault: &KeyVault, scope: &Scope, digits: &str) -> Result<KeyEntry, Failure> {
    let digits = digits.to_lowercase();
    if digits.len() < 8 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(Failure::usage(format!(
            "{digits:?} is no key: give at least its first 8 hexadecimal digits"
        )));
    }
    let manifest = vault.manifest(scope).await?;
    let mut found = manifest.keys.iter().filter(|key| key.id.to_string().starts_with(&digits));
    match (found.next(), found.next()) {
        (Some(key), None) => Ok(key.clone()),
        (None, _) => Err(Failure::usage(format!("scope {scope} has no key {digits}"))
            .advise("`fireseal keys list` lists them")),
        _ => Err(Failure::usage(format!("several keys begin with {digits}: give more digits"))),
    }
}
