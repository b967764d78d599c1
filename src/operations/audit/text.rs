//! The report as a table with bars, for a terminal.

use super::figures::{
    PARTS, counted, cut, day, days, moment, number, parts, percent, shares, short_key, visible,
};
use super::findings::{Finding, FindingKind, Severity};
use super::report::{AuditReport, CollectionAudit, FieldAudit, KeyAudit, Standing, Values};

/// How a report is shown on a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextOptions {
    /// How many characters a line has at most, from 60 up.
    pub width: usize,
    /// Whether there are colours; without them nothing is lost.
    pub colour: bool,
}

impl Default for TextOptions {
    /// 100 characters, no colours.
    fn default() -> Self {
        Self { width: 100, colour: false }
    }
}

/// The characters of a bar's parts, and their colours (ANSI, foreground).
const GLYPHS: [char; PARTS.len()] = ['█', '▓', '▒', '×', '░'];
const COLOURS: [u8; PARTS.len()] = [32, 36, 31, 35, 33];
const BOLD: u8 = 1;
const FAINT: u8 = 2;
/// Characters of a bar.
const BAR: u64 = 24;
/// From which width on a key takes one line.
const WIDE: usize = 100;
/// How many places of a finding are shown.
const SHOWN_PLACES: usize = 3;

impl AuditReport {
    /// The report as a table with bars, its lines ended by line breaks. Names from the database are shown with
    /// their control characters written out.
    #[must_use]
    pub fn to_text(&self, options: &TextOptions) -> String {
        let mut page = Page { text: String::new(), width: options.width.max(60), colour: options.colour };
        page.head(self);
        for collection in &self.collections {
            page.collection(collection);
        }
        page.keys(self);
        page.findings(self);
        page.text
    }
}

struct Page {
    text: String,
    width: usize,
    colour: bool,
}

impl Page {
    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn paint(&self, colour: u8, text: &str) -> String {
        if self.colour { format!("\u{1b}[{colour}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn head(&mut self, report: &AuditReport) {
        let values = report.values();
        let name = visible(&report.database);
        let title = if name.is_empty() { "Audit".to_owned() } else { format!("Audit of {name}") };
        let title = cut(&title, self.width);
        self.line(&self.paint(BOLD, &title));
        self.line(&moment(report.started_ms));
        self.line("");
        self.line(&format!(
            "{}, {} in sealed places, {} sealed",
            counted(report.documents(), "document", "documents"),
            counted(values.all(), "value", "values"),
            percent(values.sealed(), values.all()),
        ));
        if !report.with_keys {
            self.line("Nothing was opened: there were no keys, so sealed values are unverified.");
        }
        let legend: Vec<_> = PARTS
            .iter()
            .zip(GLYPHS)
            .zip(COLOURS)
            .map(|((part, glyph), colour)| format!("{} {part}", self.paint(colour, &glyph.to_string())))
            .collect();
        // In two lines where one has no room.
        let (first, second) = legend.split_at(if self.width < 70 { 3 } else { legend.len() });
        self.line(&first.join("  "));
        if !second.is_empty() {
            self.line(&second.join("  "));
        }
    }

    fn collection(&mut self, collection: &CollectionAudit) {
        let what = if collection.group { " (group)" } else { "" };
        let documents = counted(collection.documents, "document", "documents");
        let name = cut(&visible(&collection.path), self.width.saturating_sub(30));
        self.line("");
        self.line(&format!("{}{what}, {documents}", self.paint(BOLD, &name)));
        let longest = collection.fields.iter().map(|field| visible(&field.field).chars().count()).max();
        let column = longest.unwrap_or_default().min(self.width.saturating_sub(56)).max(5);
        for field in &collection.fields {
            let name = cut(&visible(&field.field), column);
            let values = &field.values;
            let line = format!(
                "  {name:column$}  {}  {:>6}  {}",
                self.bar(values),
                percent(values.sealed(), values.all()),
                counted(values.all(), "value", "values"),
            );
            self.line(&line);
            for detail in details(field) {
                self.wrapped(&detail, column + 4, FAINT);
            }
        }
    }

    fn bar(&self, values: &Values) -> String {
        let shares = shares(&parts(values), BAR);
        if shares.iter().all(|share| *share == 0) {
            return self.paint(FAINT, &"·".repeat(usize::try_from(BAR).unwrap_or_default()));
        }
        let part = |((share, glyph), colour): ((u64, char), u8)| {
            let part: String = (0..share).map(|_| glyph).collect();
            if part.is_empty() { part } else { self.paint(colour, &part) }
        };
        shares.into_iter().zip(GLYPHS).zip(COLOURS).map(part).collect()
    }

    fn keys(&mut self, report: &AuditReport) {
        if report.keys.is_empty() {
            return;
        }
        self.line("");
        self.line(&self.paint(BOLD, "Keys"));
        let longest = report.keys.iter().map(|key| visible(&key.scope).chars().count()).max();
        let room = self.width.saturating_sub(if self.width < WIDE { 56 } else { 88 });
        let column = longest.unwrap_or_default().min(room).max(4);
        for key in &report.keys {
            self.key(report, key, column);
        }
        if report.values_under_other_keys > 0 {
            let values = counted(report.values_under_other_keys, "value", "values");
            self.line(&format!("  and {values} under further keys"));
        }
    }

    fn key(&mut self, report: &AuditReport, key: &KeyAudit, column: usize) {
        let (purpose, counted) = if key.index {
            ("index", counted(key.values, "entry", "entries"))
        } else {
            ("data", counted(key.values, "value", "values"))
        };
        let colour = match key.state {
            Standing::Primary => COLOURS[0],
            Standing::Active | Standing::Unchecked => COLOURS[1],
            Standing::Retired => COLOURS[4],
            Standing::Compromised | Standing::Destroyed | Standing::Unknown => COLOURS[2],
        };
        let state = self.paint(colour, &format!("{:<11}", key.state.as_str()));
        let line = format!(
            "  {:column$}  {purpose:<5}  {}  {state}  {counted}",
            cut(&visible(&key.scope), column),
            short_key(&key.key),
        );
        let since = key.since_ms.map(|since| {
            let age = super::figures::counted(days(since, report.started_ms), "day", "days");
            format!("since {} ({age})", day(since))
        });
        match since {
            None => self.line(&line),
            Some(since) if self.width >= WIDE => self.line(&format!("{line}, {since}")),
            Some(since) => {
                self.line(&line);
                self.wrapped(&since, column + 4, FAINT);
            }
        }
    }

    fn findings(&mut self, report: &AuditReport) {
        self.line("");
        if report.findings.is_empty() {
            self.line(&self.paint(COLOURS[0], "Nothing was found that somebody should look at."));
            return;
        }
        self.line(&self.paint(BOLD, "Findings"));
        for finding in &report.findings {
            self.finding(finding);
        }
        if report.is_clean() {
            self.line("");
            self.line(&self.paint(COLOURS[0], "Clean: nothing is worse than a notice."));
        }
    }

    fn finding(&mut self, finding: &Finding) {
        let colour = match finding.severity {
            Severity::Notice => COLOURS[1],
            Severity::Warning => COLOURS[4],
            Severity::Critical => COLOURS[2],
        };
        let names = [&finding.collection, &finding.field];
        let names: Vec<_> = names.iter().filter(|name| !name.is_empty()).map(|name| visible(name)).collect();
        let severity = self.paint(colour, &format!("{:<8}", finding.severity.as_str()));
        let place = cut(&names.join(" "), self.width.saturating_sub(30));
        let count = match finding.kind {
            FindingKind::RingUnavailable | FindingKind::NoDocuments => String::new(),
            _ => format!("  {}", number(finding.count)),
        };
        self.line(&format!("  {severity}  {}{count}", self.paint(BOLD, &place)));
        self.wrapped(&visible(&finding.message), 12, 0);
        for place in finding.examples.iter().take(SHOWN_PLACES) {
            let field =
                if place.field.is_empty() { String::new() } else { format!("  {}", visible(&place.field)) };
            let line = format!("{}{field}", visible(&place.document));
            let line = cut(&line, self.width.saturating_sub(14));
            self.line(&format!("{:12}{}", "", self.paint(FAINT, &format!("· {line}"))));
        }
    }

    /// Words in lines of the page's width, behind an indent.
    fn wrapped(&mut self, text: &str, indent: usize, colour: u8) {
        let room = self.width.saturating_sub(indent).max(20);
        let mut lines: Vec<String> = Vec::new();
        for word in text.split(' ') {
            match lines.last_mut() {
                Some(line) if line.chars().count() + 1 + word.chars().count() <= room => {
                    line.push(' ');
                    line.push_str(word);
                }
                _ => lines.push(cut(word, room)),
            }
        }
        for line in lines {
            let line = if colour == 0 { line } else { self.paint(colour, &line) };
            self.line(&format!("{:indent$}{line}", ""));
        }
    }
}

/// What stands below a field's bar: all that is not as it should be, and the states of the keys.
fn details(field: &FieldAudit) -> Vec<String> {
    let Values {
        unverified,
        does_not_open,
        other_type,
        key_unknown,
        key_retired,
        key_compromised,
        key_destroyed,
        malformed,
        plaintext,
        ..
    } = field.values;
    let problems = [
        (plaintext, "in plaintext"),
        (malformed, "malformed"),
        (does_not_open, "do not open"),
        (other_type, "of another type"),
        (key_unknown, "under an unknown key"),
        (key_compromised, "under a compromised key"),
        (key_retired, "under a retired key"),
        (key_destroyed, "under a destroyed key"),
        (unverified, "unverified"),
        (field.absent, "absent"),
    ];
    let listed = |list: &[(u64, &str)]| {
        let list = list.iter().filter(|(count, _)| *count > 0);
        list.map(|(count, what)| format!("{} {what}", number(*count))).collect::<Vec<_>>().join(", ")
    };
    let states: Vec<_> = field.states.iter().map(|(state, count)| (*count, state.as_str())).collect();
    let index = field.index.as_ref().map(|index| {
        listed(&[
            (index.with, "indexed"),
            (index.without, "without index"),
            (index.lost, "indexed under a key that is not queried"),
        ])
    });
    let states = listed(&states);
    let states = if states.is_empty() { states } else { format!("keys: {states}") };
    [listed(&problems), states, index.unwrap_or_default()]
        .into_iter()
        .filter(|line| !line.is_empty())
        .collect()
}
