//! What is shown: text for people, JSON for machines, notes beside the results.

use std::io::{IsTerminal as _, Write as _};

use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::cli::Options;
use crate::failure::{Exit, Failure};

/// What a command has to say at its end.
pub struct Told {
    text: Zeroizing<String>,
    json: Value,
    exit: Exit,
}

impl Told {
    /// A text for people, and the same for machines.
    pub fn new(text: impl Into<String>, json: Value) -> Self {
        Self { text: Zeroizing::new(text.into()), json, exit: Exit::Done }
    }

    /// A text that is the result itself, also for machines: a script, a page, a file.
    pub fn raw(text: impl Into<String>) -> Self {
        Self::new(text, Value::Null)
    }

    /// Another exit code than 0.
    pub fn exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }
}

/// Where a command's words go: results to standard output, notes to standard error.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// One JSON object a line on standard output, nothing else.
    pub json: bool,
    /// No notes and no progress.
    pub quiet: bool,
    colour: bool,
}

impl Output {
    pub fn new(options: &Options) -> Self {
        let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        Self { json: options.json, quiet: options.quiet, colour }
    }

    /// Whether the environment allows colours, where a terminal shows them.
    pub fn colours_allowed(&self) -> bool {
        self.colour
    }

    /// Something to know besides the result.
    pub fn note(&self, text: impl AsRef<str>) {
        if !self.json && !self.quiet {
            // Nobody is there to be told where standard error is closed.
            let _ = writeln!(std::io::stderr(), "{}", text.as_ref());
        }
    }

    /// What must be known, but is no error.
    pub fn warn(&self, text: impl AsRef<str>) {
        if self.json {
            self.event(&json!({"event": "warning", "message": text.as_ref()}));
        } else {
            let _ =
                writeln!(std::io::stderr(), "{}: {}", self.bold("warning", 33), visible_lines(text.as_ref()));
        }
    }

    /// One object before the result, for machines only. Where nobody listens any more the work goes on.
    pub fn event(&self, object: &Value) {
        if self.json {
            let _ = writeln!(std::io::stdout(), "{object}");
        }
    }

    /// Shows how a command ended; returns the exit code.
    pub fn end(&self, outcome: Result<Told, Failure>) -> Exit {
        match outcome {
            Ok(told) => match self.show(&told) {
                Ok(()) => told.exit,
                // A reader such as `head` that has seen enough is no failure.
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => told.exit,
                Err(_) => Exit::Error,
            },
            Err(failure) => {
                self.fail(&failure);
                failure.exit
            }
        }
    }

    fn show(&self, told: &Told) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        if self.json && !told.json.is_null() {
            writeln!(out, "{}", told.json)?;
        } else if !told.text.is_empty() {
            out.write_all(told.text.as_bytes())?;
            if !told.text.ends_with('\n') {
                out.write_all(b"\n")?;
            }
        }
        out.flush()
    }

    fn fail(&self, failure: &Failure) {
        if self.json {
            let object = json!({
                "event": "error",
                "exit": failure.exit as u8,
                "message": failure.message,
                "advice": failure.advice,
            });
            let _ = writeln!(std::io::stdout(), "{object}");
            return;
        }
        let mut err = std::io::stderr().lock();
        let _ = writeln!(err, "{}: {}", self.bold("error", 31), visible_lines(&failure.message));
        if let Some(advice) = &failure.advice {
            let _ = writeln!(err, "  {}: {}", self.bold("to do", 36), visible_lines(advice));
        }
    }

    fn bold(&self, word: &str, colour: u8) -> String {
        if self.colour && std::io::stderr().is_terminal() {
            format!("\x1b[1;{colour}m{word}\x1b[0m")
        } else {
            word.to_owned()
        }
    }
}

/// Rows as aligned columns, the first row as their head.
pub fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// A name or a reason from elsewhere, with what would steer a terminal, end a line or turn the direction of text
/// written out.
pub fn visible(text: &str) -> String {
    use icu_properties::{CodePointMapData, props::GeneralCategory as Category};

    let categories = CodePointMapData::<Category>::new();
    let hidden = |letter: char| {
        let category = categories.get(letter);
        let hidden =
            [Category::Control, Category::Format, Category::LineSeparator, Category::ParagraphSeparator];
        hidden.contains(&category)
    };
    text.chars().fold(String::with_capacity(text.len()), |mut shown, letter| {
        if hidden(letter) {
            shown.extend(letter.escape_unicode());
        } else {
            shown.push(letter);
        }
        shown
    })
}

/// The same of a text that may have several lines.
fn visible_lines(text: &str) -> String {
    text.split('\n').map(visible).collect::<Vec<_>>().join("\n")
}

/// A time of milliseconds since 1970 as people write it, UTC, to the second.
pub fn time(ms: u64) -> String {
    let seconds = i64::try_from(ms / 1_000).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds).map_or_else(|_| format!("{ms} ms"), |time| time.to_string())
}

/// A number of things, with the right word.
pub fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
