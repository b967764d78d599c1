//! What a job did, in words and numbers.

use fireseal::operations::{End, Estimate, JobStatus, Report, Tally};
use serde_json::{Value, json};

use crate::failure::{Exit, Failure};
use crate::output::{Told, columns, count, visible};

/// The exit code of a report.
pub fn exit(report: &Report) -> Exit {
    match report.end {
        End::Finished if report.total.failed > 0 => Exit::Found,
        End::Finished => Exit::Done,
        End::Interrupted => Exit::Unavailable,
        _ => Exit::Stopped,
    }
}

/// A report for machines.
pub fn value(report: &Report) -> Result<Value, Failure> {
    let mut value = serde_json::to_value(report).map_err(|error| Failure::of(Exit::Error, &error))?;
    value["event"] = json!("report");
    Ok(value)
}

/// A report for people.
pub fn report(report: &Report) -> String {
    let how = match report.end {
        End::Finished => "finished",
        End::Budget if report.dry_run => "stopped: the budget is used up; the same command begins anew",
        _ if report.dry_run => "stopped; the same command begins anew",
        End::Budget => "stopped: the budget is used up; the same command goes on",
        End::Stopped => "stopped at a checkpoint; the same command goes on",
        _ => "interrupted; the same command goes on",
    };
    let dry = if report.dry_run { ", dry run: nothing was written" } else { "" };
    let mut text = format!("{} of {}: {how}{dry}\n", report.step, report.target);
    text.push_str(&format!("this run    {}\n", tally(&report.run, report.dry_run)));
    text.push_str(&format!(
        "in all      {}, {} of {} parts\n",
        tally(&report.total, report.dry_run),
        report.parts_done,
        report.parts
    ));
    text.push_str(&values(&report.total));
    for (key, count) in &report.total.counts.keys {
        text.push_str(&format!("key         {key}: {count}\n"));
    }
    if report.total.counts.other_keys > 0 {
        text.push_str(&format!("other keys  {}\n", report.total.counts.other_keys));
    }
    for failure in &report.failures {
        let field = failure.field.as_ref().map_or_else(String::new, |field| format!(", field {field}"));
        let failed = visible(&format!("{}{field}: {}", failure.document, failure.reason));
        text.push_str(&format!("failed      {failed}\n"));
    }
    let untold = report.total.failed.saturating_sub(report.failures.len() as u64);
    if untold > 0 {
        text.push_str(&format!("failed      {untold} more\n"));
    }
    let vouched = report.total.counts.sealed + report.total.counts.imported > 0;
    if vouched && report.finished && !report.dry_run {
        text.push_str(
            "Sealing what was found vouches for it. Older plaintext may still stand in backups, exports and\n\
             point-in-time recovery. Next: `fireseal migrate verify`.\n",
        );
    }
    if report.total.counts.compromised > 0 {
        text.push_str("Values under a compromised key were taken over: others may have made them.\n");
    }
    text
}

fn tally(tally: &Tally, dry: bool) -> String {
    let written = if dry { "would be written" } else { "written" };
    let mut text = format!(
        "{}: {} {written}, {} unchanged, {} failed",
        count(tally.documents, "document", "documents"),
        tally.written,
        tally.unchanged,
        tally.failed
    );
    for (number, what) in [(tally.conflicts, "read again"), (tally.vanished, "deleted meanwhile")] {
        if number > 0 {
            text.push_str(&format!(", {number} {what}"));
        }
    }
    text
}

fn values(tally: &Tally) -> String {
    let counts = &tally.counts;
    let did = [
        (counts.sealed, "sealed"),
        (counts.opened, "sealed before"),
        (counts.resealed, "resealed"),
        (counts.compromised, "from a compromised key"),
        (counts.unsealed, "unsealed"),
        (counts.imported, "imported"),
        (counts.indexed, "index entries set"),
        (counts.unindexed, "index entries removed"),
    ];
    let did: Vec<String> = did
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("{number} {what}"))
        .collect();
    let did = if did.is_empty() { "none touched".to_owned() } else { did.join(", ") };
    format!("values      {did}\n")
}

/// An estimate.
pub fn estimate(estimate: &Estimate) -> Result<Told, Failure> {
    let mut text = format!(
        "{} documents: at most {} reads and {} writes\n",
        estimate.documents, estimate.reads, estimate.writes
    );
    if estimate.seconds > 0.0 {
        text.push_str(&format!("at least {:.0} seconds at this rate\n", estimate.seconds));
    }
    if estimate.cost > 0.0 {
        text.push_str(&format!("at most {:.2} by these prices\n", estimate.cost));
    }
    let mut value = serde_json::to_value(estimate).map_err(|error| Failure::of(Exit::Error, &error))?;
    value["event"] = json!("estimate");
    Ok(Told::new(text, value))
}

/// How far a job is.
pub fn status(status: Option<&JobStatus>) -> Result<Told, Failure> {
    let Some(status) = status else {
        return Ok(Told::new("it was never begun\n", json!({"event": "status", "begun": false})));
    };
    let done = status.parts.iter().filter(|part| part.done).count();
    let mut text = format!(
        "{}: {} of {} parts done\n{}, of {} when it began\n{}",
        status.name,
        done,
        status.parts.len(),
        tally(&status.total, false),
        status.documents,
        values(&status.total),
    );
    let mut rows = vec![["PART", "STATE", "TAKEN", "DOCUMENTS", "AFTER"].map(str::to_owned).to_vec()];
    for (number, part) in status.parts.iter().enumerate().filter(|(_, part)| !part.done) {
        rows.push(vec![
            number.to_string(),
            if part.held { "held" } else { "free" }.to_owned(),
            part.taken.to_string(),
            part.tally.documents.to_string(),
            visible(part.after.as_deref().unwrap_or_default()),
        ]);
    }
    if rows.len() > 1 {
        text.push_str(&columns(&rows));
    }
    let mut value = serde_json::to_value(status).map_err(|error| Failure::of(Exit::Error, &error))?;
    value["event"] = json!("status");
    value["begun"] = json!(true);
    value["finished"] = json!(status.is_finished());
    Ok(Told::new(text, value))
}
