//! `fireseal man`: man pages, in roff.

use clap::{Args, CommandFactory as _};

use crate::cli::Cli;
use crate::failure::{Exit, Failure};
use crate::output::Told;

/// Print a man page in roff: of the program, or of one command
///
/// To read it: fireseal man keys rotate | man -l -
#[derive(Debug, Args)]
pub struct Man {
    /// The command, such as `keys rotate`
    command: Vec<String>,
}

impl Man {
    pub fn run(self) -> Result<Told, Failure> {
        let mut program = Cli::command();
        program.build();
        let (mut page, mut name) = (&program, "fireseal".to_owned());
        for word in &self.command {
            page = page.find_subcommand(word).ok_or_else(|| {
                Failure::usage(format!("`{name}` has no command {word:?}; see `{name} --help`"))
            })?;
            name = format!("{name} {word}");
        }
        let title = name.replace(' ', "-");
        let mut roff = Vec::new();
        clap_mangen::Man::new(page.clone())
            .title(title.to_uppercase())
            .render(&mut roff)
            .map_err(|error| Failure::of(Exit::Error, &error))?;
        String::from_utf8(roff).map(Told::raw).map_err(|error| Failure::of(Exit::Error, &error))
    }
}
