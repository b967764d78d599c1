//! What of a report somebody should look at, and how much it matters.

use serde::{Deserialize, Serialize};

use super::report::{AuditReport, Class, CollectionAudit, FieldAudit, Place, Standing};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing, and no reason to stop: older keys in use, hints, what was destroyed on purpose.
    Notice,
    /// Something does not work as the configuration says, and nothing is disclosed or lost by it.
    Warning,
    /// A secret stands in the clear or under a key that others have, or a value is lost.
    Critical,
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FindingKind {
    /// A configured field holds plaintext.
    Plaintext,
    /// A configured field holds bytes that are no envelope.
    Malformed,
    /// Values do not open with their own key.
    DoesNotOpen,
    /// Values open, and are not what the configuration says.
    OtherType,
    /// Values are sealed under a key that is not in the ring.
    KeyUnknown,
    /// Values are sealed under a compromised key.
    KeyCompromised,
    /// Values are sealed under a retired key.
    KeyRetired,
    /// Values are sealed under a destroyed key.
    KeyDestroyed,
    /// Values are sealed under an older key that still opens.
    KeyActive,
    /// Values have no index where the configuration declares one.
    WithoutIndex,
    /// Values have index tokens under a key that is not queried.
    LostIndex,
    /// Envelopes stand in a field that the configuration does not name.
    Unlisted,
    /// Documents do not say whose keys seal them.
    WithoutScope,
    /// `_seal` is not of the format.
    MalformedSeal,
    /// A clear field looks like personal data.
    LookAlike,
    /// A ring, or keys of one, could not be had.
    RingUnavailable,
    /// Nothing was opened, since there were no keys.
    Unverified,
    /// A configured collection has no documents.
    NoDocuments,
    /// A configured field is in no document of its collection.
    AbsentEverywhere,
}

/// Something that somebody should look at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What it is.
    pub kind: FindingKind,
    /// The collection; empty for what is of none.
    pub collection: String,
    /// The field; empty for what is of none.
    pub field: String,
    /// How many values or documents.
    pub count: u64,
    /// What it means and what to do about it.
    pub message: String,
    /// Where, for the first ones.
    pub examples: Vec<Place>,
}

impl Severity {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl std::fmt::Display for Severity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FindingKind {
    fn severity(self) -> Severity {
        match self {
            Self::Plaintext
            | Self::Malformed
            | Self::DoesNotOpen
            | Self::KeyUnknown
            | Self::KeyCompromised
            | Self::WithoutScope => Severity::Critical,
            Self::OtherType
            | Self::KeyRetired
            | Self::WithoutIndex
            | Self::LostIndex
            | Self::Unlisted
            | Self::MalformedSeal
            | Self::RingUnavailable
            | Self::NoDocuments
            | Self::AbsentEverywhere => Severity::Warning,
            Self::KeyDestroyed | Self::KeyActive | Self::LookAlike | Self::Unverified => Severity::Notice,
        }
    }

    fn message(self) -> &'static str {
        match self {
            Self::Plaintext => {
                "in plaintext where a sealed value belongs; seal the field, and look for what wrote it"
            }
            Self::Malformed => {
                "neither an envelope nor a value in the clear: cut off or overwritten; restore from a backup"
            }
            Self::DoesNotOpen => {
                "do not open with their own key: changed, or copied from another place; restore from a backup"
            }
            Self::OtherType => {
                "open, but the configuration disagrees on whether they are raw bytes; correct it"
            }
            Self::KeyUnknown => {
                "sealed under a key that the ring does not list: of another scope or vault, or made up"
            }
            Self::KeyCompromised => {
                "sealed under a key that others may have; reseal, and treat them as disclosed"
            }
            Self::KeyRetired => "sealed under a retired key, under which none should be left; reseal from it",
            Self::KeyDestroyed => "sealed under a destroyed key, and so gone; delete them",
            Self::KeyActive => "sealed under an older key that still opens; reseal when it is to be retired",
            Self::WithoutIndex => {
                "without the index that the configuration declares: no query finds them; reindex"
            }
            Self::LostIndex => "with index tokens under a key that is no longer queried; reindex",
            Self::Unlisted => {
                "sealed in a field that the configuration does not name; add it, or it is never rotated"
            }
            Self::WithoutScope => "do not say whose keys seal them, so nothing in them can be opened",
            Self::MalformedSeal => {
                "hold a _seal that is not of the format; reindex, and look for what wrote it"
            }
            Self::LookAlike => "in a clear field look like personal data; seal it if they are",
            Self::RingUnavailable => {
                "the key ring or keys of it could not be had, so what is under them is not known"
            }
            Self::Unverified => {
                "have the form of sealed values and were not opened: this audit had no keys for them"
            }
            Self::NoDocuments => {
                "no documents are there; correct the path, or take it out of the configuration"
            }
            Self::AbsentEverywhere => {
                "in no document of the collection; correct the name, or take it out of the configuration"
            }
        }
    }
}

/// Everything in a report that somebody should look at, the worst first.
pub(super) fn of(report: &AuditReport) -> Vec<Finding> {
    let mut findings = Vec::new();
    for collection in &report.collections {
        of_collection(collection, &mut findings);
    }
    for ring in &report.rings {
        findings.push(Finding {
            message: format!(
                "scope {}: {}: {}",
                ring.scope,
                FindingKind::RingUnavailable.message(),
                ring.reason
            ),
            ..finding(FindingKind::RingUnavailable, "", "", 1, &[])
        });
    }
    let unverified = report.values().unverified;
    if unverified > 0 {
        findings.push(finding(FindingKind::Unverified, "", "", unverified, &[]));
    }
    findings.sort_by_key(|finding| (std::cmp::Reverse(finding.severity), finding.kind));
    findings
}

fn of_collection(collection: &CollectionAudit, findings: &mut Vec<Finding>) {
    let path = &collection.path;
    // What is misspelt looks like what has nothing to hide.
    if collection.documents == 0 {
        return findings.push(finding(FindingKind::NoDocuments, path, "", 0, &[]));
    }
    for field in collection.fields.iter().filter(|field| field.absent == collection.documents) {
        findings.push(finding(FindingKind::AbsentEverywhere, path, &field.field, field.absent, &[]));
    }
    collection.fields.iter().for_each(|field| of_field(path, field, findings));
    for field in &collection.unlisted {
        findings.push(finding(FindingKind::Unlisted, path, &field.field, field.values, &field.examples));
    }
    if collection.more_unlisted > 0 {
        findings.push(finding(FindingKind::Unlisted, path, "", collection.more_unlisted, &[]));
    }
    let places = [
        (FindingKind::WithoutScope, &collection.without_scope),
        (FindingKind::MalformedSeal, &collection.malformed_seal),
    ];
    for (kind, places) in places.into_iter().filter(|(_, places)| places.count > 0) {
        findings.push(finding(kind, path, "", places.count, &places.examples));
    }
    for hint in &collection.hints {
        findings.push(Finding {
            message: format!(
                "{} (of {} documents): {}",
                hint.kind,
                hint.documents,
                FindingKind::LookAlike.message()
            ),
            ..finding(FindingKind::LookAlike, path, &hint.field, hint.values, &hint.examples)
        });
    }
    if collection.more_hints > 0 {
        findings.push(finding(FindingKind::LookAlike, path, "", collection.more_hints, &[]));
    }
}

fn of_field(collection: &str, field: &FieldAudit, findings: &mut Vec<Finding>) {
    let examples = |class: Class| field.examples.get(&class).map(Vec::as_slice).unwrap_or_default();
    let of_class = [
        (FindingKind::Plaintext, Class::Plaintext),
        (FindingKind::Malformed, Class::Malformed),
        (FindingKind::DoesNotOpen, Class::DoesNotOpen),
        (FindingKind::OtherType, Class::OtherType),
    ];
    let of_class = of_class.map(|(kind, class)| (kind, field.values.of(class), class));
    // The state of the key tells as much without keys.
    let of_state = [
        (FindingKind::KeyUnknown, Standing::Unknown, Class::KeyUnknown),
        (FindingKind::KeyCompromised, Standing::Compromised, Class::KeyCompromised),
        (FindingKind::KeyRetired, Standing::Retired, Class::KeyRetired),
        (FindingKind::KeyDestroyed, Standing::Destroyed, Class::KeyDestroyed),
        (FindingKind::KeyActive, Standing::Active, Class::Opened),
    ];
    let of_state = of_state
        .map(|(kind, state, class)| (kind, field.states.get(&state).copied().unwrap_or_default(), class));
    let index = field.index.iter().flat_map(|index| {
        [
            (FindingKind::WithoutIndex, index.without, Class::WithoutIndex),
            (FindingKind::LostIndex, index.lost, Class::LostIndex),
        ]
    });
    let all = of_class.into_iter().chain(of_state).chain(index);
    for (kind, count, class) in all.filter(|(_, count, _)| *count > 0) {
        findings.push(finding(kind, collection, &field.field, count, examples(class)));
    }
}

fn finding(kind: FindingKind, collection: &str, field: &str, count: u64, examples: &[Place]) -> Finding {
    Finding {
        severity: kind.severity(),
        kind,
        collection: collection.to_owned(),
        field: field.to_owned(),
        count,
        message: kind.message().to_owned(),
        examples: examples.to_vec(),
    }
}
