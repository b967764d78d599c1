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
        ("", false),
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
    let index_keys = field.index.as_ref().map(|index| uses("index keys", &index.keys)).unwrap_or_default();
    let cells = [
        count(opened, ""),
        count(unverified, "care"),
        count(fails, "alarm"),
        count(malformed, "alarm"),
        count(plaintext, "alarm"),
        count(field.absent, ""),
        index,
    ];
    format!(
        "<tr><th scope=\"row\">{}{}{index_keys}</th><td class=\"bar\">{}</td><td class=\"n\"><b>{}</b></td>{}</tr>",
        escaped(&field.field),
        uses("keys", &field.keys),
        charts::cell(values),
        percent(values.sealed(), values.all()),
        cells.concat(),
    )
}

/// The keys of a field, the most used first.
fn uses(what: &str, keys: &[KeyUse]) -> String {
    const SHOWN: usize = 4;
    if keys.is_empty() {
        return String::new();
    }
    let shown = keys
        .iter()
        .take(SHOWN)
        .map(|key| format!("{} {} {}", number(key.values), key.state, escaped(&short_key(&key.key))));
    let more = keys.len().saturating_sub(SHOWN);
    let more = if more == 0 { String::new() } else { format!(", {more} more") };
    format!("<span class=\"sub\">{what}: {}{more}</span>", shown.collect::<Vec<_>>().join(", "))
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
    let head = [("Severity", false), ("Where", false), ("Count", true), ("What, and what to do", false)];
    let rows: String = shown.into_iter().map(finding).collect();
    table("Findings", &head, &rows)
}

fn finding(finding: &Finding) -> String {
    let severity = finding.severity.as_str();
    let field = if finding.field.is_empty() {
        String::new()
    } else {
        format!("<span class=\"sub\">{}</span>", escaped(&finding.field))
    };
    let place = if finding.collection.is_empty() { "all".to_owned() } else { escaped(&finding.collection) };
    format!(
        "<tr><td><span class=\"chip {severity}\">{severity}</span></td><th scope=\"row\">{place}{field}</th><td class=\"n\">{}</td><td>{}{}</td></tr>",
        number(finding.count),
        escaped(&finding.message),
        examples(&finding.examples),
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
        ("", false),
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
