//! The report as one HTML page that needs nothing beside itself: no network, no script, no fonts.

mod charts;
mod tables;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::figures::{PARTS, counted, moment, number, percent, visible};
use super::findings::Severity;
use super::report::AuditReport;
use charts::CLASSES;

const STYLE: &str = include_str!("html/style.css");

impl AuditReport {
    /// The report as one HTML page with charts, for people. It loads nothing and runs nothing: its content
    /// security policy allows its own style and forbids all else. Every name from the database is escaped.
    ///
    /// Earlier audits of the same database, in any order, give the share of sealed values over time.
    #[must_use]
    pub fn to_html(&self, earlier: &[Self]) -> String {
        let hash = STANDARD.encode(Sha256::digest(STYLE));
        let name = if self.database.is_empty() { "Cloud Firestore" } else { &self.database };
        let sections = [
            masthead(self, name),
            cards(self),
            coverage(self),
            history(self, earlier),
            keys(self),
            findings(self),
            look_alikes(self),
            notes(self),
        ];
        format!(
            r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Audit of {name}, {when}</title>
<style>{STYLE}</style>
</head>
<body>
<main>
{}</main>
</body>
</html>
"#,
            sections.concat(),
            name = escaped(name),
            when = moment(self.started_ms),
        )
    }
}

/// Text that says what it is in every place of an HTML page, quotes and directions included.
fn escaped(text: &str) -> String {
    visible(text).chars().fold(String::with_capacity(text.len()), |mut escaped, letter| {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '`' => escaped.push_str("&#96;"),
            letter => escaped.push(letter),
        }
        escaped
    })
}

/// A section with a heading and a line below it.
fn section(name: &str, title: &str, lead: &str, content: &str) -> String {
    format!(
        "<section aria-labelledby=\"{name}-heading\">\n<h2 id=\"{name}-heading\">{title}</h2>\n<p class=\"lead\">{lead}</p>\n{content}\n</section>\n"
    )
}

fn of_severity(report: &AuditReport, severity: Severity) -> u64 {
    report.findings.iter().filter(|finding| finding.severity == severity).count() as u64
}

fn masthead(report: &AuditReport, name: &str) -> String {
    let (class, verdict, says) = match report.worst() {
        None => ("good", "Clean", "nothing to look at"),
        Some(Severity::Notice) => ("good", "Clean", "nothing worse than a notice"),
        Some(Severity::Warning) => ("warning", "Needs attention", "nothing is disclosed or lost"),
        Some(Severity::Critical) => ("critical", "Critical", "secrets in the clear, or values lost"),
    };
    let keys = if report.with_keys {
        "Sealed values were opened with the keys at hand."
    } else {
        "Without keys: sealed values were not opened."
    };
    format!(
        "<header class=\"masthead\"><div><p class=\"eyebrow\">fireseal audit</p><h1>{}</h1><p class=\"soft\">{}. {keys}</p></div><div class=\"verdict {class}\" id=\"verdict\"><b>{verdict}</b><span>{says}</span></div></header>\n",
        escaped(name),
        moment(report.started_ms),
    )
}

fn cards(report: &AuditReport) -> String {
    let values = report.values();
    let (all, sealed) = (values.all(), values.sealed());
    let in_clear = values.plaintext.saturating_add(values.malformed);
    let opened = if report.with_keys {
        let failed = values.unopenable();
        let of = if failed == 0 {
            "no value failed to open".to_owned()
        } else {
            format!("{} did not open", number(failed))
        };
        ("Opened", percent(values.opened, sealed), of)
    } else {
        (
            "Opened",
            "–".to_owned(),
            format!("{} not verified: no keys", counted(values.unverified, "value", "values")),
        )
    };
    let collections = counted(report.collections.len() as u64, "collection", "collections");
    let [critical, warnings, notices] = [Severity::Critical, Severity::Warning, Severity::Notice]
        .map(|severity| of_severity(report, severity));
    let cards = [
        (
            "Sealed",
            percent(sealed, all),
            format!("{} of {} values, {} not", number(sealed), number(all), number(in_clear)),
        ),
        opened,
        ("Documents", number(report.documents()), format!("in {collections}")),
        (
            "Findings",
            number(critical.saturating_add(warnings)),
            format!(
                "{critical} critical, {}, {}",
                counted(warnings, "warning", "warnings"),
                counted(notices, "notice", "notices")
            ),
        ),
    ];
    let cards = cards.map(|(name, figure, says)| {
        format!("<div class=\"card\"><dt>{name}</dt><dd>{figure}</dd><dd>{says}</dd></div>\n")
    });
    format!("<dl class=\"cards\">\n{}</dl>\n", cards.concat())
}

fn legend<const N: usize>(entries: [(&str, &str); N]) -> String {
    let entries = entries.map(|(class, name)| {
        format!(
            "<li><svg viewBox=\"0 0 10 10\" aria-hidden=\"true\"><rect class=\"{class}\" width=\"10\" height=\"10\" rx=\"2\"/></svg>{name}</li>"
        )
    });
    format!("<ul class=\"legend\">{}</ul>\n", entries.concat())
}

fn coverage(report: &AuditReport) -> String {
    let names = std::array::from_fn::<_, { PARTS.len() }, _>(|at| (CLASSES[at], PARTS[at]));
    let more = report.collections.len().saturating_sub(charts::ROWS);
    let more = if more == 0 {
        String::new()
    } else {
        format!("<p class=\"soft\">And {}, below.</p>\n", counted(more as u64, "collection", "collections"))
    };
    let content = format!(
        "{}{}\n{more}{}",
        legend(names),
        charts::coverage(&report.collections),
        tables::collections(report)
    );
    section(
        "coverage",
        "Coverage by collection",
        "What stands in each place that the configuration calls sensitive, and whether it opens.",
        &content,
    )
}

fn history(report: &AuditReport, earlier: &[AuditReport]) -> String {
    let audits = charts::history(report, earlier);
    let content = if audits.len() < 2 {
        "<p class=\"none notice\">This is the first audit. Keep its JSON and give it to the next one to see the change.</p>".to_owned()
    } else {
        format!("{}\n{}", charts::over_time(&audits), tables::history(&audits))
    };
    section(
        "history",
        "Sealed share over time",
        "Of all values in sensitive places, those that are sealed, audit by audit.",
        &content,
    )
}

fn keys(report: &AuditReport) -> String {
    let aged = charts::aged(report);
    let chart = if aged.is_empty() {
        "<p class=\"none notice\">How old the keys are stands in the signed manifests of a vault, and this audit was given none.</p>".to_owned()
    } else {
        let states = ["primary", "active", "retired", "compromised", "destroyed"];
        format!("{}{}", legend(states.map(|state| (state, state))), charts::key_ages(&aged))
    };
    section(
        "keys",
        "Keys and their age",
        "For how many days each key has been in its state, and how much of what was found is under it.",
        &format!("{chart}\n{}", tables::keys(report)),
    )
}

fn findings(report: &AuditReport) -> String {
    section(
        "findings",
        "Findings",
        "What somebody should look at, the worst first. Places are named, values are not.",
        &tables::findings(report),
    )
}

fn look_alikes(report: &AuditReport) -> String {
    section(
        "hints",
        "Look-alikes in clear fields",
        "Texts outside of the sensitive places that have the form, and where there is one the checksum, of personal data. Hints: one in many may be chance.",
        &tables::look_alikes(report),
    )
}

fn notes(report: &AuditReport) -> String {
    let notes = [
        "An audit reads each document once while others may go on writing; it is not one moment of the database.",
        "Opened means that the value was decrypted with a key of its scope, at the place where it stands. Unverified means that it has the form of a sealed value and nothing more is known.",
        "Values under destroyed keys are gone for good; that may have been the purpose.",
        "Clear fields are searched in the first 4,096 bytes of each text. Parts of paths that look like personal data are masked.",
    ];
    let notes = notes.map(|note| format!("<li>{note}</li>"));
    format!(
        "<section aria-labelledby=\"notes-heading\">\n<h2 id=\"notes-heading\">What this page says, and what not</h2>\n<ul class=\"notes\">{}</ul>\n</section>\n<footer>Report schema {}. The audit took {:.1} seconds. This page loads and runs nothing.</footer>\n",
        notes.concat(),
        report.schema,
        report.seconds,
    )
}
