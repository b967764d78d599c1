//! The charts of the page, as SVG that takes its colours from the page's style.

use std::fmt::Write as _;

use super::escaped;
use crate::operations::audit::figures::{
    PARTS, counted, cut, day, days, moment, number, parts, percent, shares, short_key, visible,
};
use crate::operations::audit::report::{AuditReport, CollectionAudit, KeyAudit, Values};

/// The style's names for [`PARTS`].
pub(super) const CLASSES: [&str; PARTS.len()] = ["opened", "unverified", "fails", "malformed", "plain"];

const WIDTH: u64 = 1_000;
const ROW: u64 = 40;
/// Where bars begin, and how long they are.
const LEFT: u64 = 230;
const BAR: u64 = 560;

/// How many rows and points a chart has at most.
pub(super) const ROWS: usize = 24;
const POINTS: usize = 120;

/// The pieces of a stacked bar.
fn pieces(values: &Values, (x, y): (u64, u64), (width, height): (u64, u64)) -> String {
    let parts = parts(values);
    let mut at = x;
    let mut bar = String::new();
    for ((share, class), (part, name)) in
        shares(&parts, width).into_iter().zip(CLASSES).zip(parts.iter().zip(PARTS))
    {
        if share == 0 {
            continue;
        }
        // A gap between pieces, so that they are told apart without their colours.
        let gap = if at + share < x + width && share > 3 { 2 } else { 0 };
        let _ = write!(
            bar,
            r#"<rect class="{class}" x="{at}" y="{y}" width="{}" height="{height}"><title>{}: {}</title></rect>"#,
            share - gap,
            name,
            number(*part),
        );
        at += share;
    }
    bar
}

/// The bar of one field, for a cell of a table that has the numbers.
pub(super) fn cell(values: &Values) -> String {
    let bar = pieces(values, (0, 0), (300, 16));
    format!(
        r#"<svg viewBox="0 0 300 16" preserveAspectRatio="none" aria-hidden="true"><rect class="track" width="300" height="16"/>{bar}</svg>"#
    )
}

fn chart(name: &str, height: u64, (title, description): (&str, &str), content: &str) -> String {
    format!(
        r#"<div class="scroll" tabindex="0"><svg class="chart" id="{name}" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="{name}-title {name}-desc"><title id="{name}-title">{title}</title><desc id="{name}-desc">{}</desc>{content}</svg></div>"#,
        escaped(description),
    )
}

/// One bar for each collection.
pub(super) fn coverage(collections: &[CollectionAudit]) -> String {
    let mut content = String::new();
    let mut told = Vec::new();
    for (row, collection) in (0..).zip(collections.iter().take(ROWS)) {
        let (values, top): (_, u64) = (collection.values(), row * ROW);
        let share = percent(values.sealed(), values.all());
        let name = visible(&collection.path);
        let _ = write!(
            content,
            r#"<text x="0" y="{}"><title>{}</title>{}</text><rect class="track" x="{LEFT}" y="{}" width="{BAR}" height="18" rx="3"/>{}<text class="strong" x="{}" y="{}">{share}</text><text class="quiet" x="{}" y="{}">{} values</text>"#,
            top + 25,
            escaped(&collection.path),
            escaped(&cut(&name, 30)),
            top + 11,
            pieces(&values, (LEFT, top + 11), (BAR, 18)),
            LEFT + BAR + 16,
            top + 25,
            LEFT + BAR + 76,
            top + 25,
            number(values.all()),
        );
        told.push(format!("{name}: {share} of {} sealed", counted(values.all(), "value", "values")));
    }
    let height = ROW * told.len() as u64 + 6;
    chart("coverage", height, ("Share of sealed values by collection", &told.join("; ")), &content)
}

/// The share of sealed values in earlier audits and in this one, in the order of time.
pub(super) fn history<'a>(report: &'a AuditReport, earlier: &'a [AuditReport]) -> Vec<&'a AuditReport> {
    let same = |other: &&AuditReport| {
        other.database == report.database && other.started_ms < report.started_ms && other.values().all() > 0
    };
    let mut audits: Vec<_> = earlier.iter().filter(same).collect();
    audits.sort_by_key(|audit| audit.started_ms);
    if report.values().all() > 0 {
        audits.push(report);
    }
    let thinned = audits.len().div_ceil(POINTS).max(1);
    // The last one stays, and from there back every so many.
    let last = audits.len().saturating_sub(1);
    let kept = audits.into_iter().enumerate().filter(|(at, _)| (last - at).is_multiple_of(thinned));
    kept.map(|(_, audit)| audit).collect()
}

pub(super) fn over_time(audits: &[&AuditReport]) -> String {
    const TOP: f64 = 18.0;
    const HEIGHT: f64 = 200.0;
    const START: f64 = 62.0;
    const SPAN: f64 = 850.0;
    let share = |audit: &AuditReport| audit.values().sealed_share().unwrap_or_default();
    let (Some(first), Some(last)) = (audits.first(), audits.last()) else { return String::new() };
    let least = audits.iter().map(|audit| share(audit)).fold(1.0, f64::min);
    // The axis begins at a round number, low enough that the line does not lie on it.
    let floors = [(0.99, 2), (0.95, 2), (0.9, 1), (0.8, 0), (0.5, 1)];
    let floor = floors.into_iter().find(|(floor, _)| least - (1.0 - floor) * 0.15 >= *floor);
    let (floor, digits) = floor.unwrap_or((0.0, 0));
    let time = |audit: &AuditReport| audit.started_ms.saturating_sub(first.started_ms) as f64;
    let whole = time(last).max(1.0);
    let x = |audit: &AuditReport| START + SPAN * time(audit) / whole;
    let y = |share: f64| TOP + HEIGHT * (1.0 - (share - floor) / (1.0 - floor));
    let mut content = String::new();
    for step in 0..=4 {
        let at = floor + (1.0 - floor) * f64::from(step) / 4.0;
        let _ = write!(
            content,
            r#"<line class="grid" x1="{START}" x2="{:.1}" y1="{height:.1}" y2="{height:.1}"/><text class="quiet" x="{:.1}" y="{:.1}" text-anchor="end">{:.digits$}%</text>"#,
            START + SPAN,
            START - 10.0,
            y(at) + 4.5,
            at * 100.0,
            height = y(at),
        );
    }
    let points: Vec<String> =
        audits.iter().map(|audit| format!("{:.1},{:.1}", x(audit), y(share(audit)))).collect();
    let _ = write!(
        content,
        r#"<polygon class="area" points="{START},{bottom} {} {:.1},{bottom}"/><polyline class="line" points="{}"/>"#,
        points.join(" "),
        x(last),
        points.join(" "),
        bottom = TOP + HEIGHT,
    );
    for (position, audit) in audits.iter().enumerate() {
        let values = audit.values();
        let class = if position + 1 == audits.len() { "last" } else { "dot" };
        let _ = write!(
            content,
            r#"<circle class="{class}" cx="{:.1}" cy="{:.1}" r="{}"><title>{}: {}</title></circle>"#,
            x(audit),
            y(share(audit)),
            if class == "last" { 6 } else { 4 },
            moment(audit.started_ms),
            percent(values.sealed(), values.all()),
        );
    }
    let values = last.values();
    let _ = write!(
        content,
        r#"<text class="strong" x="{:.1}" y="{:.1}">{}</text>"#,
        x(last) + 14.0,
        y(share(last)) + 4.5,
        percent(values.sealed(), values.all()),
    );
    let base = TOP + HEIGHT + 26.0;
    let middle = audits.iter().find(|audit| time(audit) >= whole * 0.4 && time(audit) <= whole * 0.6);
    let labels = [(Some(first), "start"), (middle, "middle"), (Some(last), "end")];
    for (audit, anchor) in labels.into_iter().filter_map(|(audit, anchor)| Some((audit?, anchor))) {
        let _ = write!(
            content,
            r#"<text class="quiet" x="{:.1}" y="{base}" text-anchor="{anchor}">{}</text>"#,
            x(audit),
            day(audit.started_ms),
        );
    }
    let of = |audit: &AuditReport| {
        let values = audit.values();
        format!("{} on {}", percent(values.sealed(), values.all()), day(audit.started_ms))
    };
    let description = format!("From {} to {}, in {} audits.", of(first), of(last), audits.len());
    chart("history", 256, ("Share of sealed values over time", &description), &content)
}

/// The keys of which the age is known, the oldest first.
pub(super) fn aged(report: &AuditReport) -> Vec<(&KeyAudit, u64)> {
    let age = |key: &KeyAudit| Some(days(key.since_ms?, report.started_ms));
    let mut keys: Vec<_> = report.keys.iter().filter_map(|key| Some((key, age(key)?))).collect();
    keys.sort_by(|one, another| another.1.cmp(&one.1).then(another.0.values.cmp(&one.0.values)));
    keys
}

/// One bar for each key: for how many days it has been in its state.
pub(super) fn key_ages(keys: &[(&KeyAudit, u64)]) -> String {
    const LONGEST: u64 = 470;
    let oldest = keys.iter().map(|(_, age)| *age).max().unwrap_or_default().max(1);
    let mut content = String::new();
    let mut told = Vec::new();
    for (row, (key, age)) in (0..).zip(keys.iter().take(ROWS)) {
        let top: u64 = row * ROW;
        let scaled = u128::from(LONGEST) * u128::from(*age) / u128::from(oldest);
        let width = u64::try_from(scaled).unwrap_or_default().max(3);
        let (purpose, sealed) = if key.index {
            ("index", counted(key.values, "entry", "entries"))
        } else {
            ("data", counted(key.values, "value", "values"))
        };
        let id = short_key(&key.key);
        let age = counted(*age, "day", "days");
        let scope = visible(&key.scope);
        let _ = write!(
            content,
            r#"<text x="0" y="{base}"><title>{}</title>{}</text><text class="quiet" x="{}" y="{base}" text-anchor="end">{purpose} {}</text><rect class="{state}" x="{LEFT}" y="{}" width="{width}" height="18" rx="3"><title>{state} since {}</title></rect><text class="strong" x="{}" y="{base}">{age} <tspan class="quiet">{state}, {sealed}</tspan></text>"#,
            escaped(&key.scope),
            escaped(&cut(&scope, 9)),
            LEFT - 14,
            escaped(&id),
            top + 11,
            day(key.since_ms.unwrap_or_default()),
            LEFT + width + 12,
            base = top + 25,
            state = key.state.as_str(),
        );
        told.push(format!("{purpose} key {id} of scope {scope}: {age}, {}", key.state));
    }
    let height = ROW * told.len() as u64 + 6;
    chart("ages", height, ("Age of the keys in their state", &told.join("; ")), &content)
}
