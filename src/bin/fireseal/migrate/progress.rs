//! How far a job is: a bar on a terminal, a line now and then elsewhere, JSON for machines.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use fireseal::operations::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use crate::output::{Output, visible};

/// Between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// Between two lines for machines.
const JSON_EVERY: Duration = Duration::from_secs(1);

pub struct Shown {
    how: How,
    last: Option<Instant>,
}

enum How {
    Nothing,
    Json,
    Lines,
    Bar(ProgressBar),
}

impl Shown {
    pub fn new(output: &Output) -> Self {
        let how = if output.json {
            How::Json
        } else if output.quiet {
            How::Nothing
        } else if std::io::stderr().is_terminal() {
            How::Bar(bar(output))
        } else {
            How::Lines
        };
        Self { how, last: None }
    }

    pub fn show(&mut self, progress: &Progress) {
        let every = match &self.how {
            How::Nothing => return,
            How::Bar(bar) => return draw(bar, progress),
            How::Json => JSON_EVERY,
            How::Lines => LINE_EVERY,
        };
        // The report says it at the end.
        if progress.report.is_some() || self.last.is_some_and(|last| last.elapsed() < every) {
            return;
        }
        self.last = Some(Instant::now());
        // Where nobody listens any more the work goes on.
        let _ = match self.how {
            How::Json => writeln!(std::io::stdout(), "{}", value(progress)),
            _ => writeln!(std::io::stderr(), "{}", line(progress)),
        };
    }

    pub fn end(&self) {
        if let How::Bar(bar) = &self.how {
            bar.finish_and_clear();
        }
    }
}

fn bar(output: &Output) -> ProgressBar {
    let template = if output.colours_allowed() {
        "{bar:30.cyan} {pos}/{len} documents  {msg}  {elapsed}, {eta} left"
    } else {
        "{bar:30} {pos}/{len} documents  {msg}  {elapsed}, {eta} left"
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style)
}

fn draw(bar: &ProgressBar, progress: &Progress) {
    if let Some(total) = progress.total {
        bar.set_length(total);
    }
    bar.set_position(looked_at(progress));
    bar.set_message(match &progress.waiting {
        Some(reason) => format!("waiting: {}", visible(reason)),
        None => format!(
            "{:.0}/s, {} written, {} failed",
            rate(progress),
            progress.done.written,
            progress.done.failed
        ),
    });
}

fn line(progress: &Progress) -> String {
    let of = progress.total.map_or_else(String::new, |total| format!(" of {total}"));
    let left = left(progress).map_or_else(String::new, |left| format!(", {} s left", left.as_secs()));
    let waiting = |reason: &String| format!("; waiting: {}", visible(reason));
    let waiting = progress.waiting.as_ref().map_or_else(String::new, waiting);
    format!(
        "{}{of} documents, {} written, {} failed, {:.0}/s{left}{waiting}",
        looked_at(progress),
        progress.done.written,
        progress.done.failed,
        rate(progress),
    )
}

fn value(progress: &Progress) -> serde_json::Value {
    json!({
        "event": "progress",
        "documents": looked_at(progress),
        "total": progress.total,
        "parts_done": progress.parts_done,
        "parts": progress.parts,
        "per_second": rate(progress),
        "seconds": progress.elapsed.as_secs_f64(),
        "seconds_left": left(progress).map(|left| left.as_secs()),
        "waiting": progress.waiting,
        "run": progress.done,
    })
}

fn looked_at(progress: &Progress) -> u64 {
    progress.before + progress.done.documents
}

fn rate(progress: &Progress) -> f64 {
    let seconds = progress.elapsed.as_secs_f64();
    // Counts that a double cannot hold exactly take longer than anybody waits.
    if seconds > 0.0 { progress.done.documents as f64 / seconds } else { 0.0 }
}

fn left(progress: &Progress) -> Option<Duration> {
    let rest = progress.total?.saturating_sub(looked_at(progress));
    let rate = rate(progress);
    Duration::try_from_secs_f64(rest as f64 / rate).ok()
}
