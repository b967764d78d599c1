//! The tables of the page: every number of the charts, and what has no chart.

use super::charts;
use super::escaped;
use crate::operations::audit::figures::{counted, day, days, moment, number, parts, percent, short_key};
use crate::operations::audit::findings::{Finding, FindingKind};
use crate::operations::audit::report::{AuditReport, CollectionAudit, FieldAudit, KeyUse, Place};

fn table(caption: &str, head: &[(&str, bool)], rows: &str) -> String {
    let head: String = head
        .iter()
        .map(|(name, is_number)| {
            let class = if *is_number { " class=\"n\"" } else { "" };
            format!("<th scope=\"col\"{class}>{name}</th>")
        })
        .collect();
    format!(
        "<div class=\"scroll\" tabindex=\"0\"><table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>\n"
    )
}

/// A cell with a count, in a colour where it is not zero.
fn count(count: u64, class: &str) -> String {
    let class = if count == 0 { "zero" } else { class };
    format!("<td class=\"n {class}\">{}</td>", number(count))
}

pub(super) fn collections(report: &AuditReport) -> String {
    report.collections.iter().map(collection).collect()
}

fn collection(collection: &CollectionAudit) -> String {
    let head = [
        ("Field", false),
        ("Share", false),
        ("Sealed", true),
        ("Opened", true),
        ("Unverified", true),
        ("Does not open", true),
        ("Malformed", true),
        ("Plaintext", true),
        ("Absent", true),
        ("Without index", true),
    ];
    let rows: String = collection.fields.iter().map(field).collect();
    let what = if collection.group { "collection group, " } else { "" };
    let documents = counted(collection.documents, "document", "documents");
    let path = escaped(&collection.path);
    format!(
        "<h3>{path}<small>{what}{documents}</small></h3>\n{}",
        table(&format!("Fields of {path}"), &head, &rows)
    )
}

fn field(field: &FieldAudit) -> String {
    let values = &field.values;
    let [opened, unverified, fails, malformed, plaintext] = parts(values);
    let index = match &field.index {
        None => "<td class=\"n zero\">no index</td>".to_owned(),
        Some(index) => count(index.without.saturating_add(index.lost), "care"),
    };
    let cells = [
        count(opened, ""),
        count(unverified, "care"),
        count(fails, "alarm"),
        count(malformed, "alarm"),
        count(plaintext, "alarm"),
        count(field.absent, ""),
        index,
    ];
    let row = format!(
        "<tr><th scope=\"row\">{}</th><td class=\"bar\">{}</td><td class=\"n\"><b>{}</b></td>{}</tr>",
        escaped(&field.field),
        charts::cell(values),
        percent(values.sealed(), values.all()),
        cells.concat(),
    );
    let index_keys = field.index.as_ref().map(|index| uses("Index keys", &index.keys)).unwrap_or_default();
    let keys = format!("{}{index_keys}", uses("Keys", &field.keys));
    if keys.is_empty() {
        return row;
    }
    let row = row.replacen("<tr>", "<tr class=\"over\">", 1);
    format!("{row}<tr class=\"keys\"><td colspan=\"10\">{keys}</td></tr>")
}

/// The keys of a field, the most used first.
fn uses(what: &str, keys: &[KeyUse]) -> String {
    const SHOWN: usize = 6;
    if keys.is_empty() {
        return String::new();
    }
    let shown = keys.iter().take(SHOWN).map(|key| {
        let (values, id) = (number(key.values), escaped(&short_key(&key.key)));
        format!("<span class=\"key\">{values} {} <code>{id}</code></span>", key.state)
    });
    let more = keys.len().saturating_sub(SHOWN);
    let more = if more == 0 { String::new() } else { format!("<span class=\"key\">{more} more</span>") };
    format!("<div><span class=\"what\">{what}</span>{}{more}</div>", shown.collect::<String>())
}

pub(super) fn history(audits: &[&AuditReport]) -> String {
    let head = [("Audit", false), ("Values", true), ("Sealed", true), ("Share", true), ("Plaintext", true)];
    let row = |audit: &&AuditReport| {
        let values = audit.values();
        format!(
            "<tr><th scope=\"row\">{}</th>{}{}<td class=\"n\">{}</td>{}</tr>",
            moment(audit.started_ms),
            count(values.all(), ""),
            count(values.sealed(), ""),
            percent(values.sealed(), values.all()),
            count(values.plaintext, "alarm"),
        )
    };
    let rows: String = audits.iter().rev().map(row).collect();
    format!("<details><summary>Figures</summary>{}</details>", table("Sealed share over time", &head, &rows))
}

pub(super) fn keys(report: &AuditReport) -> String {
    if report.keys.is_empty() {
        return "<p class=\"soft\">No key was named by any value.</p>".to_owned();
    }
    let head = [
        ("Scope", false),
        ("Key", false),
        ("Purpose", false),
        ("State", false),
        ("Since", false),
        ("Days", true),
        ("Found", true),
    ];
    let rows: String = report
        .keys
        .iter()
        .map(|key| {
            let since = key.since_ms.map_or_else(|| "–".to_owned(), day);
            let age = key.since_ms.map_or_else(|| "–".to_owned(), |since| number(days(since, report.started_ms)));
            format!(
                "<tr><th scope=\"row\">{}</th><td><code>{}</code></td><td>{}</td><td>{}</td><td>{since}</td><td class=\"n\">{age}</td>{}</tr>",
                escaped(&key.scope),
                escaped(&key.key),
                if key.index { "index" } else { "data" },
                key.state,
                count(key.values, ""),
            )
        })
        .collect();
    let other = report.values_under_other_keys;
    let other = if other == 0 {
        String::new()
    } else {
        format!("<p class=\"soft\">And {} under further keys.</p>", counted(other, "value", "values"))
    };
    format!("<details><summary>Figures</summary>{}{other}</details>", table("Keys", &head, &rows))
}

pub(super) fn findings(report: &AuditReport) -> String {
    let shown: Vec<_> =
        report.findings.iter().filter(|finding| finding.kind != FindingKind::LookAlike).collect();
    if shown.is_empty() {
        return "<p class=\"none good\">Nothing was found in the sensitive places that somebody should look at.</p>".to_owned();
    }
    let head = [("Severity", false), ("What, and what to do", false), ("Count", true), ("Where", false)];
    // The worst come first, and those of one kind together: each kind is one row.
    let alike =
        |one: &&Finding, another: &&Finding| one.kind == another.kind && one.message == another.message;
    let rows: String = shown.chunk_by(alike).map(findings_of_a_kind).collect();
    table("Findings", &head, &rows)
}

fn findings_of_a_kind(findings: &[&Finding]) -> String {
    let Some(first) = findings.first() else { return String::new() };
    let severity = first.severity.as_str();
    let mut letters = first.message.chars();
    let message: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
    let count_all = findings.iter().fold(0_u64, |sum, finding| sum.saturating_add(finding.count));
    let places: String = findings
        .iter()
        .filter(|finding| !finding.collection.is_empty())
        .map(|finding| {
            let (collection, field) = (escaped(&finding.collection), escaped(&finding.field));
            format!(
                "<li><b>{collection}</b> {field} <span class=\"soft\">{}</span></li>",
                number(finding.count)
            )
        })
        .collect();
    let of_all: Vec<Place> = findings.iter().flat_map(|finding| finding.examples.iter().cloned()).collect();
    format!(
        "<tr><td><span class=\"chip {severity}\">{severity}</span></td><td>{}</td><td class=\"n\"><b>{}</b></td><td class=\"where\"><ul>{places}</ul>{}</td></tr>",
        escaped(&message),
        number(count_all),
        examples(&of_all),
    )
}

fn examples(places: &[Place]) -> String {
    if places.is_empty() {
        return String::new();
    }
    let places: String = places
        .iter()
        .map(|place| {
            let field =
                if place.field.is_empty() { String::new() } else { format!(" · {}", escaped(&place.field)) };
            format!("<li><code>{}{field}</code></li>", escaped(&place.document))
        })
        .collect();
    format!("<details><summary>The first places</summary><ul>{places}</ul></details>")
}

pub(super) fn look_alikes(report: &AuditReport) -> String {
    let head = [
        ("Collection", false),
        ("Field", false),
        ("Looks like", false),
        ("Values", true),
        ("Of documents", true),
        ("Where", false),
    ];
    let hints = report
        .collections
        .iter()
        .flat_map(|collection| collection.hints.iter().map(move |hint| (collection, hint)));
    let rows: String = hints
        .map(|(collection, hint)| {
            format!(
                "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td></tr>",
                escaped(&collection.path),
                escaped(&hint.field),
                hint.kind,
                number(hint.values),
                number(hint.documents),
                examples(&hint.examples),
            )
        })
        .collect();
    if rows.is_empty() {
        return "<p class=\"none good\">No clear field looks like personal data.</p>".to_owned();
    }
    table("Look-alikes in clear fields", &head, &rows)
}
