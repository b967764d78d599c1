//! `fireseal audit`: what collections hold, field by field and key by key.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum, ValueHint};
use fireseal::operations::{Audit as Scan, AuditProgress, AuditReport, Severity, TextOptions};
use indicatif::ProgressBar;
use serde_json::json;

use crate::cli::Options;
use crate::context::{self, Context};
use crate::failure::{Exit, Failure};
use crate::output::{Output, Told};

/// How many characters a line has where there is no terminal.
const WIDTH: u16 = 100;

/// Say of each field how much is sealed, under which keys, what is in plaintext, and what does not open
///
/// Reads the configured collections as a whole and writes nothing to them. Clear fields whose texts look like
/// e-mail addresses, card numbers or national ids are told as hints. Exit code 3 for findings, so that a
/// build can stop at them.
#[derive(Debug, Args)]
pub struct Audit {
    /// Only these of the configured collections
    collection: Vec<String>,
    /// Open nothing: sealed values count as unverified, and no root is asked
    #[arg(long)]
    without_keys: bool,
    /// From which findings on the exit code is 3
    #[arg(long, value_enum, default_value_t = Worst::Warning)]
    fail_on: Worst,
    /// Write the report as one HTML page as well
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    html: Option<PathBuf>,
    /// Write the report as JSON as well, for --earlier of later audits
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    save: Option<PathBuf>,
    /// The report of an earlier audit, for the page's chart over time
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "html", num_args = 1..)]
    earlier: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Worst {
    /// Worth knowing: older keys in use, hints
    Notice,
    /// Something is not as configured
    Warning,
    /// A secret stands in the clear, or a value is lost
    Critical,
}

impl Audit {
    pub async fn run(self, options: &Options, output: &Output) -> Result<Told, Failure> {
        let context = Context::read(options, output)?;
        if self.html.is_some() && self.html == self.save {
            return Err(Failure::usage("the page and the report need two files"));
        }
        let is_page = |text: &str| text.starts_with("<!DOCTYPE html>") && text.contains("<title>Audit of ");
        let page = self.html.as_deref().map(|path| Place::new(path, options, is_page)).transpose()?;
        let is_report = |text: &str| AuditReport::from_json(text).is_ok();
        let saved = self.save.as_deref().map(|path| Place::new(path, options, is_report)).transpose()?;
        let earlier: Vec<AuditReport> =
            self.earlier.iter().map(|path| read(path)).collect::<Result<_, _>>()?;
        let collections = if self.collection.is_empty() {
            context.config.file.collections.iter().cloned().collect()
        } else {
            let names: BTreeSet<&String> = self.collection.iter().collect();
            let named = names.into_iter().map(|path| context.config.collection(path).cloned());
            named.collect::<Result<Vec<_>, _>>()?
        };
        if collections.is_empty() {
            return Err(Failure::usage("the configuration has no collections")
                .advise("say which fields are sensitive under [collections.NAME.fields]"));
        }
        let project = context::project(options, context.config.file.project.as_deref())?;
        let mut scan = Scan::new(context.store().await?, collections).of_database(project);
        scan = if self.without_keys {
            scan.with_vault(context.bare_vault().await?)
        } else {
            let vault = context.opening_vault().await?;
            scan.with_vault(vault.clone()).with_keys(vault)
        };
        let mut shown = Shown::new(output);
        let report = scan.run_with_progress(|progress| shown.show(progress)).await;
        shown.end();
        let report = report?;
        let mut told = self.told(&report, output)?;
        let page = page.map(|place| place.write(&report.to_html(&earlier)));
        for written in [page, saved.map(|place| place.write(&report.to_json()))].into_iter().flatten() {
            if let Err(failure) = written {
                output.warn(&failure.message);
                told = told.exit(failure.exit);
            }
        }
        Ok(told)
    }

    fn told(&self, report: &AuditReport, output: &Output) -> Result<Told, Failure> {
        let least = match self.fail_on {
            Worst::Notice => Severity::Notice,
            Worst::Warning => Severity::Warning,
            Worst::Critical => Severity::Critical,
        };
        let found = report.worst().is_some_and(|worst| worst >= least);
        let width = terminal_size::terminal_size().map_or(WIDTH, |(width, _)| width.0);
        let colour = output.colours_allowed() && std::io::stdout().is_terminal();
        let text = report.to_text(&TextOptions { width: usize::from(width), colour });
        let mut value = serde_json::to_value(report).map_err(|error| Failure::of(Exit::Error, &error))?;
        value["event"] = json!("audit");
        Ok(Told::new(text, value).exit(if found { Exit::Found } else { Exit::Done }))
    }
}

fn read(path: &Path) -> Result<AuditReport, Failure> {
    let wrong = |reason: String| Failure::usage(format!("the earlier audit {}: {reason}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    AuditReport::from_json(&text).map_err(|error| wrong(error.to_string()))
}

/// Where a page or a report goes: looked at before the audit, which may take hours, and replaced as a whole.
struct Place {
    path: PathBuf,
    part: PathBuf,
    file: File,
}

impl Place {
    /// What is there must be an earlier one of the kind, unless --yes says that anything may be replaced.
    fn new(path: &Path, options: &Options, is_earlier: impl Fn(&str) -> bool) -> Result<Self, Failure> {
        // Behind a link it is the file that is replaced, and not the link.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if path.exists() {
            if !path.is_file() {
                return Err(Failure::usage(format!("{} is no regular file", path.display())));
            }
            let is_earlier = std::fs::read_to_string(&path).is_ok_and(|text| is_earlier(&text));
            if !is_earlier && !options.yes {
                let message = format!("{} is there, and is none that an audit wrote", path.display());
                return Err(Failure::usage(message).advise("name another file; with --yes it is replaced"));
            }
        }
        let mut part = path.clone().into_os_string();
        part.push(format!(".{}.part", std::process::id()));
        let part = PathBuf::from(part);
        let file = File::create_new(&part).map_err(|error| unwritable(&path, &error))?;
        Ok(Self { path, part, file })
    }

    fn write(mut self, text: &str) -> Result<(), Failure> {
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_all());
        written
            .and_then(|()| std::fs::rename(&self.part, &self.path))
            .map_err(|error| unwritable(&self.path, &error))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Gone already where it took its place.
        let _ = std::fs::remove_file(&self.part);
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Error, format!("{} cannot be written: {error}", path.display()))
}

/// How far the audit is.
struct Shown<'a> {
    output: &'a Output,
    bar: Option<ProgressBar>,
    last: Option<Instant>,
}

impl<'a> Shown<'a> {
    fn new(output: &'a Output) -> Self {
        let is_bar = !output.json && !output.quiet && std::io::stderr().is_terminal();
        Self { output, bar: is_bar.then(ProgressBar::new_spinner), last: None }
    }

    fn show(&mut self, progress: &AuditProgress<'_>) {
        let AuditProgress { collection, position, collections, documents, .. } = progress;
        if let Some(bar) = &self.bar {
            let of = position + 1;
            bar.set_message(format!("{collection} ({of} of {collections}): {documents} documents"));
            bar.tick();
            return;
        }
        let every = Duration::from_secs(if self.output.json { 1 } else { 5 });
        if self.last.is_some_and(|last| last.elapsed() < every) {
            return;
        }
        self.last = Some(Instant::now());
        if self.output.json {
            let event = json!({"event": "progress", "collection": collection, "documents": documents});
            self.output.event(&event);
        } else if *documents > 0 {
            self.output.note(format!("{collection}: {documents} documents"));
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
