//! What an audit found, as it is kept in JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::findings::{Finding, Severity};
use super::hints::LookAlike;

/// The version of the JSON form of [`AuditReport`].
pub const AUDIT_SCHEMA: u32 = 1;

/// What an audit found. Holds no value of any document; parts of paths that look like personal data
/// themselves are masked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AuditReport {
    /// [`AUDIT_SCHEMA`].
    pub schema: u32,
    /// What was audited, as the caller calls it: a project and a database, say. May be empty.
    pub database: String,
    /// When it began: milliseconds since 1970.
    pub started_ms: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Whether there were keys, so that each sealed value was opened. Without them a value counts as
    /// unverified: it has the form of an envelope, and nothing more is known.
    pub with_keys: bool,
    /// The collections, in the order of the configuration.
    pub collections: Vec<CollectionAudit>,
    /// The keys of the rings that were seen and of the values found, at most 1,000.
    pub keys: Vec<KeyAudit>,
    /// Sealed values under keys that found no room in `keys`.
    pub values_under_other_keys: u64,
    /// Rings that could not be had, or whose keys do not open here; at most 100.
    pub rings: Vec<RingAudit>,
    /// What somebody should look at, the worst first.
    pub findings: Vec<Finding>,
}

/// One collection, or every collection with one id.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CollectionAudit {
    /// Its path; of a group, the collections' id.
    pub path: String,
    /// Whether it is a collection group.
    pub group: bool,
    /// How many documents were read.
    pub documents: u64,
    /// The fields of the configuration.
    pub fields: Vec<FieldAudit>,
    /// Envelopes in places that the configuration does not name.
    pub unlisted: Vec<UnlistedField>,
    /// Envelopes in further places that the configuration does not name.
    pub more_unlisted: u64,
    /// Documents that do not say whose keys seal them.
    pub without_scope: Places,
    /// Documents whose `_seal` is not of the format.
    pub malformed_seal: Places,
    /// Texts in clear fields that look like personal data.
    pub hints: Vec<Hint>,
    /// Such texts in further fields.
    pub more_hints: u64,
}

/// One field of the configuration.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FieldAudit {
    /// Its pattern.
    pub field: String,
    /// How many values there are of each kind.
    pub values: Values,
    /// Documents without the field.
    pub absent: u64,
    /// The sealed values by the state of their keys.
    pub states: BTreeMap<Standing, u64>,
    /// The sealed values by their keys, at most 100.
    pub keys: Vec<KeyUse>,
    /// Its blind indexes; `None` where the configuration has none.
    pub index: Option<IndexAudit>,
    /// Where the values stand that somebody should look at: at most 10 of each kind.
    pub examples: BTreeMap<Class, Vec<Place>>,
}

/// How many values stand in the places of a field, by what they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Values {
    /// Sealed, and opened by this audit.
    pub opened: u64,
    /// Envelopes by their form, and not opened: there were no keys, or the document does not say whose.
    pub unverified: u64,
    /// The key is there and does not open it: changed, or sealed in another place.
    pub does_not_open: u64,
    /// It opens, but is not what the configuration says: raw bytes or not.
    pub other_type: u64,
    /// No key with its id is in the scope's ring.
    pub key_unknown: u64,
    /// Its key was retired.
    pub key_retired: u64,
    /// Others may have its key, so it was not opened.
    pub key_compromised: u64,
    /// Its key was destroyed.
    pub key_destroyed: u64,
    /// No envelope, though it begins like one or is bytes.
    pub malformed: u64,
    /// Anything else: a value in the clear, null among them.
    pub plaintext: u64,
}

/// What one value in a place of the configuration is: the fields of [`Values`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Class {
    /// [`Values::opened`].
    Opened,
    /// [`Values::unverified`].
    Unverified,
    /// [`Values::does_not_open`].
    DoesNotOpen,
    /// [`Values::other_type`].
    OtherType,
    /// [`Values::key_unknown`].
    KeyUnknown,
    /// [`Values::key_retired`].
    KeyRetired,
    /// [`Values::key_compromised`].
    KeyCompromised,
    /// [`Values::key_destroyed`].
    KeyDestroyed,
    /// [`Values::malformed`].
    Malformed,
    /// [`Values::plaintext`].
    Plaintext,
    /// Sealed, but without the index that the configuration declares: [`IndexAudit::without`].
    WithoutIndex,
    /// Sealed, and indexed under a key that is not queried.
    LostIndex,
}

/// What a key may do, as far as the audit could learn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Standing {
    /// It seals.
    Primary,
    /// It opens.
    Active,
    /// It neither seals nor opens.
    Retired,
    /// Others may have it.
    Compromised,
    /// It is gone.
    Destroyed,
    /// It is not in the scope's ring.
    Unknown,
    /// There was no ring to look into.
    Unchecked,
}

/// One key of a ring.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct KeyAudit {
    /// Its scope.
    pub scope: String,
    /// Its id in hexadecimal digits: 64, or the first 32 of an index key that no manifest lists.
    pub key: String,
    /// Whether it makes index tokens; otherwise it seals values.
    pub index: bool,
    /// What it may do.
    pub state: Standing,
    /// Since when, in milliseconds since 1970; only a vault's manifest tells.
    pub since_ms: Option<u64>,
    /// How many values it sealed, or how many entries of indexes it made, of those found.
    pub values: u64,
}

/// How many values of a field are under one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct KeyUse {
    /// The key's scope.
    pub scope: String,
    /// The key's id in hexadecimal digits.
    pub key: String,
    /// What it may do.
    pub state: Standing,
    /// How many.
    pub values: u64,
}

/// The blind indexes of a field.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct IndexAudit {
    /// Values with an entry under an index key that is queried, or that was not looked up. Of all three counts
    /// only values that were opened, or not tried, are looked at.
    pub with: u64,
    /// Values without one. Without keys these may be values that are none, which need no entry.
    pub without: u64,
    /// Values with an entry under a key that is not queried, so that no query finds them.
    pub lost: u64,
    /// The entries by their index keys, at most 100.
    pub keys: Vec<KeyUse>,
}

/// Envelopes in a place that the configuration does not name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UnlistedField {
    /// The place, with `[]` for positions in arrays.
    pub field: String,
    /// How many.
    pub values: u64,
    /// Where, for the first ones.
    pub examples: Vec<Place>,
}

/// Texts in one clear field that look alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Hint {
    /// The field, with `[]` for positions in arrays; `__name__` for the documents' ids.
    pub field: String,
    /// What they look like.
    pub kind: LookAlike,
    /// How many.
    pub values: u64,
    /// How many documents the collection has: one in a thousand may be chance, all of them are not.
    pub documents: u64,
    /// Where, for the first ones.
    pub examples: Vec<Place>,
}

/// Documents: how many, and the first of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Places {
    /// How many.
    pub count: u64,
    /// At most 10.
    pub examples: Vec<Place>,
}

/// A place in the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Place {
    /// The document's path.
    pub document: String,
    /// The field's stored path; empty for the document itself.
    pub field: String,
}

/// A ring that could not be had, or whose keys do not open here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RingAudit {
    /// Its scope.
    pub scope: String,
    /// Why not.
    pub reason: String,
}

impl Values {
    /// Everything that stands there.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.sealed().saturating_add(self.malformed).saturating_add(self.plaintext)
    }

    /// Everything that has the form of an envelope.
    #[must_use]
    pub fn sealed(&self) -> u64 {
        self.opened.saturating_add(self.unverified).saturating_add(self.unopenable())
    }

    /// Envelopes that could not be opened with the keys at hand.
    #[must_use]
    pub fn unopenable(&self) -> u64 {
        let counts = [
            self.does_not_open,
            self.other_type,
            self.key_unknown,
            self.key_retired,
            self.key_compromised,
            self.key_destroyed,
        ];
        counts.into_iter().fold(0, u64::saturating_add)
    }

    /// The share of the values that are sealed, 0 to 1; `None` where there are no values.
    #[must_use]
    pub fn sealed_share(&self) -> Option<f64> {
        let all = self.all();
        // Counts of documents are far below 2^53.
        (all > 0).then(|| self.sealed() as f64 / all as f64)
    }

    /// How many are of one class; 0 for those of indexes.
    #[must_use]
    pub fn of(&self, class: Class) -> u64 {
        match class {
            Class::Opened => self.opened,
            Class::Unverified => self.unverified,
            Class::DoesNotOpen => self.does_not_open,
            Class::OtherType => self.other_type,
            Class::KeyUnknown => self.key_unknown,
            Class::KeyRetired => self.key_retired,
            Class::KeyCompromised => self.key_compromised,
            Class::KeyDestroyed => self.key_destroyed,
            Class::Malformed => self.malformed,
            Class::Plaintext => self.plaintext,
            Class::WithoutIndex | Class::LostIndex => 0,
        }
    }

    pub(super) fn count(&mut self, class: Class) {
        let count = match class {
            Class::Opened => &mut self.opened,
            Class::Unverified => &mut self.unverified,
            Class::DoesNotOpen => &mut self.does_not_open,
            Class::OtherType => &mut self.other_type,
            Class::KeyUnknown => &mut self.key_unknown,
            Class::KeyRetired => &mut self.key_retired,
            Class::KeyCompromised => &mut self.key_compromised,
            Class::KeyDestroyed => &mut self.key_destroyed,
            Class::Malformed => &mut self.malformed,
            Class::Plaintext => &mut self.plaintext,
            Class::WithoutIndex | Class::LostIndex => return,
        };
        *count += 1;
    }

    fn add(&mut self, other: &Self) {
        // A report may come from a file, with any numbers.
        let pairs = [
            (&mut self.opened, other.opened),
            (&mut self.unverified, other.unverified),
            (&mut self.does_not_open, other.does_not_open),
            (&mut self.other_type, other.other_type),
            (&mut self.key_unknown, other.key_unknown),
            (&mut self.key_retired, other.key_retired),
            (&mut self.key_compromised, other.key_compromised),
            (&mut self.key_destroyed, other.key_destroyed),
            (&mut self.malformed, other.malformed),
            (&mut self.plaintext, other.plaintext),
        ];
        for (count, more) in pairs {
            *count = count.saturating_add(more);
        }
    }
}

impl Standing {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Active => "active",
            Self::Retired => "retired",
            Self::Compromised => "compromised",
            Self::Destroyed => "destroyed",
            Self::Unknown => "unknown",
            Self::Unchecked => "unchecked",
        }
    }
}

impl std::fmt::Display for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl CollectionAudit {
    /// The values of all its fields.
    #[must_use]
    pub fn values(&self) -> Values {
        let mut values = Values::default();
        self.fields.iter().for_each(|field| values.add(&field.values));
        values
    }
}

/// Why a text is no report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// Not the JSON of a report.
    #[error("not the report of an audit: {0}")]
    Malformed(#[source] serde_json::Error),
    /// A report of another version.
    #[error("the report has schema {found}; this program reads schema {AUDIT_SCHEMA}")]
    OtherSchema {
        /// Its version.
        found: u32,
    },
}

impl AuditReport {
    /// Reads a report from its JSON form, such as that of an earlier audit.
    ///
    /// # Errors
    /// [`ReportError`]: another text, or another schema.
    pub fn from_json(json: &str) -> Result<Self, ReportError> {
        #[derive(Deserialize)]
        struct Versioned {
            schema: u32,
        }
        let found = serde_json::from_str::<Versioned>(json).map_err(ReportError::Malformed)?.schema;
        if found != AUDIT_SCHEMA {
            return Err(ReportError::OtherSchema { found });
        }
        serde_json::from_str(json).map_err(ReportError::Malformed)
    }

    /// The report as indented JSON, with a line break at its end.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = serde_json::to_string_pretty(self).expect("names and numbers have a JSON form");
        json.push('\n');
        json
    }

    /// What somebody should look at, the worst first.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Whether nothing is worse than a notice: what a continuous check should ask.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.worst().is_none_or(|worst| worst < Severity::Warning)
    }

    /// The worst of the findings.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }

    /// How many documents were read.
    #[must_use]
    pub fn documents(&self) -> u64 {
        self.collections.iter().fold(0, |sum, collection| sum.saturating_add(collection.documents))
    }

    /// The values of all fields of all collections.
    #[must_use]
    pub fn values(&self) -> Values {
        let mut values = Values::default();
        self.collections.iter().for_each(|collection| values.add(&collection.values()));
        values
    }
}
