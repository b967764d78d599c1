//! The program `fireseal-emulator`: runs a command with an emulator at its side.

use std::error::Error;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus};

use clap::{Parser, Subcommand};
use fireseal_emulator::{Builder, Emulator};
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The official Firestore emulator, for tests.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Run a command with an emulator, whose address it finds in FIRESTORE_EMULATOR_HOST.
    ///
    /// Exits with the command's exit code, and with 128 + N if signal N ended it. The emulator ends with the command.
    /// If FIRESTORE_EMULATOR_HOST is set already and neither option is given, that emulator is used and goes on.
    Exec {
        /// The port of 127.0.0.1 that the emulator listens on [default: a free one].
        #[arg(long)]
        port: Option<u16>,
        /// The emulator to run [default: an installed one, else a pinned one that is fetched].
        #[arg(long)]
        jar: Option<PathBuf>,
        /// The command and its arguments.
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Action::Exec { port, jar, command } = Arguments::parse().action;
    match exec(port, jar, command).await {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            eprint!("fireseal-emulator: {}", failure.error);
            let mut source = failure.error.source();
            while let Some(error) = source {
                eprint!(": {error}");
                source = error.source();
            }
            eprintln!();
            ExitCode::from(failure.code)
        }
    }
}

/// An error, and the exit code that stands for it.
struct Failure {
    error: Box<dyn Error>,
    code: u8,
}

impl<E: Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = Box::new(error);
        Self { error, code: 1 }
    }
}

async fn exec(port: Option<u16>, jar: Option<PathBuf>, command: Vec<OsString>) -> Result<u8, Failure> {
    let emulator = if port.is_none() && jar.is_none() {
        Emulator::start().await?
    } else {
        let builder = Emulator::builder();
        let builder = port.into_iter().fold(builder, Builder::port);
        jar.into_iter().fold(builder, Builder::jar).start().await?
    };
    // From here on a signal ends the command, and us after it.
    let mut signals = Signals::new()?;
    let (program, arguments) = command.split_first().expect("clap requires at least one word");
    let mut child = Command::new(program)
        .args(arguments)
        .env("FIRESTORE_EMULATOR_HOST", emulator.host())
        .spawn()
        .map_err(|error| could_not_run(program, &error))?;
    loop {
        tokio::select! {
            status = child.wait() => return Ok(code(status?)),
            name = signals.next() => pass_on(name, &child).await?,
        }
    }
}

/// The exit codes that shells use for this.
fn could_not_run(program: &OsString, error: &io::Error) -> Failure {
    let code = match error.kind() {
        io::ErrorKind::NotFound => 127,
        _ => 126,
    };
    let error = format!("{} could not be run: {error}", program.display());
    Failure { error: error.into(), code }
}

fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| Some(128 + status.signal()?)).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}

/// The signals that ask a program to end.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// The name of the next signal that is to be passed on.
    async fn next(&mut self) -> &'static str {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return "TERM",
                _ = self.hang_up.recv() => return "HUP",
                // A terminal has sent its Ctrl-C to the command too.
                _ = self.interrupt.recv() => if !io::stdin().is_terminal() { return "INT" },
            }
        }
    }
}

/// Sends the signal to the command, through a shell because doing so ourselves would take unsafe code.
async fn pass_on(name: &str, child: &Child) -> io::Result<()> {
    if let Some(id) = child.id() {
        Command::new("/bin/sh")
            .args(["-c", "kill -s \"$1\" \"$2\"", "sh", name])
            .arg(id.to_string())
            .status()
            .await?;
    }
    Ok(())
}
