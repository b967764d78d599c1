//! How a run ends: exit codes, and errors that say what happened and what to do.

use std::error::Error;
use std::process::ExitCode;

use fireseal::custody::{AuthorityError, RecoveryError, VaultError};
use fireseal::operations::{CheckpointError, JobError};
use fireseal::store::StoreError;
use fireseal::{KeyError, WrapError};

/// The exit codes, as `docs/guide/program.md` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything was done.
    Done = 0,
    /// An error; nothing was done, or as much as was said.
    Error = 1,
    /// Wrong use: arguments, configuration, or a confirmation that is missing.
    Usage = 2,
    /// It ran to the end and found something: plaintext, values that do not open, a difference.
    Found = 3,
    /// It stopped at a checkpoint; the same command goes on.
    Stopped = 4,
    /// Keys or the database cannot be had at present; try again later.
    Unavailable = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command was not carried out.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What happened. No secrets, no plaintext.
    pub message: String,
    /// What to do, where the message does not say it.
    pub advice: Option<String>,
}

impl Failure {
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), advice: None }
    }

    /// Wrong use, or a wrong configuration.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// An error with those underneath that say more.
    pub fn of(exit: Exit, error: &dyn Error) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            let text = error.to_string();
            if !message.contains(&text) {
                message = format!("{message}: {text}");
            }
            source = error.source();
        }
        Self::new(exit, message)
    }
}

impl From<VaultError> for Failure {
    fn from(error: VaultError) -> Self {
        let failure = Self::of(exit(error.is_unavailable()), &error);
        match error {
            VaultError::ScopeUnknown { .. } => failure
                .advise("make the ring with `fireseal keys create`, or name another scope with --scope"),
            VaultError::OtherAuthority => {
                failure.advise("give the file of the authority whose public line stands in the configuration")
            }
            VaultError::NotOpened { .. } | VaultError::MissingRoot { .. } => failure
                .advise("look at `fireseal recovery list`, and at [[vault.roots]] in the configuration"),
            error if error.is_conflict() => failure.advise("give the command again"),
            _ => failure,
        }
    }
}

impl From<RecoveryError> for Failure {
    fn from(error: RecoveryError) -> Self {
        match error {
            RecoveryError::Vault(error) => error.into(),
            RecoveryError::Wrap(error) => error.into(),
            error => Self::of(Exit::Error, &error),
        }
    }
}

impl From<WrapError> for Failure {
    fn from(error: WrapError) -> Self {
        Self::of(exit(matches!(error, WrapError::Unavailable { .. })), &error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::of(exit(is_unavailable(&error)), &error)
    }
}

fn is_unavailable(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable { .. } | StoreError::Deadline { .. })
}

impl From<fireseal::Error> for Failure {
    fn from(error: fireseal::Error) -> Self {
        Self::of(exit(error.is_unavailable()), &error)
    }
}

impl From<JobError> for Failure {
    fn from(error: JobError) -> Self {
        match &error {
            JobError::Settings { .. } => Self::of(Exit::Usage, &error),
            JobError::Interrupted { .. } => Self::of(Exit::Unavailable, &error),
            JobError::Start(source) | JobError::Checkpoint(CheckpointError::Store { source, .. }) => {
                Self::of(exit(is_unavailable(source)), &error)
            }
            _ => Self::of(Exit::Error, &error),
        }
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        let failure = Self::of(exit(matches!(error, KeyError::Unavailable { .. })), &error);
        match error {
            KeyError::ScopeUnknown { .. } => failure.advise("make the ring with `fireseal keys create`"),
            KeyError::Refused { .. } => failure
                .advise("look at `fireseal recovery list`, and at [[vault.roots]] in the configuration"),
            _ => failure,
        }
    }
}

impl From<AuthorityError> for Failure {
    fn from(error: AuthorityError) -> Self {
        Self::of(Exit::Usage, &error)
    }
}

fn exit(unavailable: bool) -> Exit {
    if unavailable { Exit::Unavailable } else { Exit::Error }
}
