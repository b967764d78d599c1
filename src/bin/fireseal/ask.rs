//! Questions: confirmations, and secrets that are typed in without echo.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use zeroize::Zeroizing;

use crate::cli::Options;
use crate::failure::{Exit, Failure};

/// Whether there is somebody to ask.
pub fn is_terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks before something is done that cannot be undone: the answer must be this word. `--yes` answers it.
pub fn confirm(options: &Options, warning: &str, word: &str) -> Result<(), Failure> {
    if options.yes {
        return Ok(());
    }
    if !is_terminal() {
        return Err(Failure::usage(format!("not confirmed, so nothing was done. {warning}"))
            .advise("there is no terminal to ask on: look at what it does, then give --yes"));
    }
    if question(&format!("{warning}\nType {word} to go on: "))? == word {
        return Ok(());
    }
    Err(Failure::new(Exit::Error, "not confirmed; nothing was done"))
}

/// Asks a question that may be answered with yes or no; an empty answer is yes.
pub fn yes_unless_no(text: &str) -> Result<bool, Failure> {
    Ok(!question(&format!("{text} [Y/n] "))?.to_lowercase().starts_with('n'))
}

fn question(text: &str) -> Result<String, Failure> {
    let failed = |error: std::io::Error| Failure::new(Exit::Error, format!("no answer was read: {error}"));
    let mut err = std::io::stderr();
    err.write_all(text.as_bytes()).and_then(|()| err.flush()).map_err(failed)?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(failed)?;
    Ok(answer.trim().to_owned())
}

/// Asks for a secret on the terminal, without echo. `instead` says how else it can be given.
pub fn secret(what: &str, instead: &str) -> Result<Zeroizing<String>, Failure> {
    if !is_terminal() {
        return Err(
            Failure::usage(format!("{what} is needed, and there is no terminal to ask on")).advise(instead)
        );
    }
    rpassword::prompt_password(format!("{what}: "))
        .map(Zeroizing::new)
        .map_err(|error| Failure::new(Exit::Error, format!("{what} was not read: {error}")))
}
