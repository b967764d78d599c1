//! Opening what was read, with the keys of the vault, at a place that is named and not taken from what was read.

use std::collections::{BTreeMap, BTreeSet};

use fireseal::operations::{
    CollectionConfig, FailureKind, Field, FieldPattern, Outcome, PatternStep, ScopeRule, SealedPlace,
    Step as _, Unseal,
};
use fireseal::store::{Document, Fields, Value, WriteKind};
use fireseal::{DocumentPath, FieldStep, KeyProvider, Scope};

use super::{Found, What, document};
use crate::config::Config;
use crate::failure::{Exit, Failure};

/// Whether the sealed values of one pattern open, and to what.
pub struct Opened {
    pub pattern: String,
    /// The field at the document's root that holds them, in the clear; or why they do not open.
    pub outcome: Result<Value, String>,
}

/// What a document of a collection is sealed as: by the configuration, or by what was found in it.
pub fn config(
    config: &Config,
    document: &DocumentPath,
    found: &[Found],
    scope: &Scope,
    realm: Option<&str>,
) -> Result<CollectionConfig, Failure> {
    let parent = document.parent();
    let known =
        config.file.collections.iter().find(|known| {
            if known.group { known.path == parent.id() } else { known.path == parent.as_str() }
        });
    if let Some(known) = known {
        return Ok(known.clone());
    }
    let sealed = found.iter().filter(|found| matches!(found.what, What::Sealed { .. }));
    let patterns: BTreeSet<String> = sealed
        .filter(|found| !found.field.starts_with("_seal"))
        .map(|found| any_index(&found.field))
        .collect();
    let mut fields = Vec::new();
    for pattern in patterns {
        let pattern: FieldPattern = pattern.parse().map_err(|error| Failure::of(Exit::Usage, &error))?;
        fields.push(Field::new(pattern));
    }
    let mut config = CollectionConfig::new(parent.as_str(), fields);
    config.scope = ScopeRule::Fixed(scope.clone());
    config.realm = realm.map(str::to_owned);
    Ok(config)
}

/// `a[3].b` as `a[].b`.
fn any_index(path: &str) -> String {
    let mut pattern = String::new();
    let mut inside = false;
    for letter in path.chars() {
        match letter {
            '[' => {
                pattern.push(letter);
                inside = true;
            }
            ']' => {
                pattern.push(letter);
                inside = false;
            }
            letter if !inside => pattern.push(letter),
            _ => {}
        }
    }
    pattern
}

/// Opens each field of a document by itself, so that each is told apart.
pub async fn open(
    config: &CollectionConfig,
    keys: impl KeyProvider + Clone + 'static,
    document: &DocumentPath,
    fields: &Fields,
) -> Result<Vec<Opened>, Failure> {
    let mut opened = Vec::new();
    for field in &config.fields {
        let one = CollectionConfig { fields: vec![field.clone()], ..config.clone() };
        if one.sealed_places(fields).next().is_none() {
            continue;
        }
        let step = Unseal::new(one, keys.clone()).map_err(|error| Failure::of(Exit::Usage, &error))?;
        let read =
            Document { path: document.clone(), fields: fields.clone(), create_time: None, update_time: None };
        let outcomes = step.plan(vec![read]).await?;
        let outcome = match outcomes.into_iter().next() {
            Some(Outcome::Write(planned)) => match planned.write.kind {
                WriteKind::Set { fields, .. } => {
                    root(field, fields).ok_or_else(|| "it holds nothing".to_owned())
                }
                _ => Err("it holds nothing".to_owned()),
            },
            Some(Outcome::Failed(failure)) => Err(match failure.kind {
                // The step's own words are about what it did not do.
                FailureKind::DoesNotOpen => "it was sealed for another place, or changed since".to_owned(),
                _ => failure.reason,
            }),
            _ => Err("it holds nothing that is sealed".to_owned()),
        };
        opened.push(Opened { pattern: field.pattern.to_string(), outcome });
    }
    Ok(opened)
}

/// The sealed values that the configuration does not have.
pub fn not_tried(config: &CollectionConfig, fields: &Fields, found: &[Found]) -> Vec<String> {
    let path = |place: SealedPlace<'_>| {
        place.path.steps().iter().fold(String::new(), |path, step| match step {
            FieldStep::Key(name) => document::join(&path, name),
            FieldStep::Index(index) => format!("{path}[{index}]"),
        })
    };
    let places: BTreeSet<String> = config.sealed_places(fields).map(path).collect();
    let sealed = found.iter().filter(|found| matches!(found.what, What::Sealed { .. }));
    let names = sealed.map(|found| found.field.clone());
    names.filter(|name| !name.starts_with("_seal") && !places.contains(name)).collect()
}

fn root(field: &Field, fields: Fields) -> Option<Value> {
    let Some(PatternStep::Key(name)) = field.pattern.steps().first() else { return None };
    let fields: BTreeMap<String, Value> = fields.into_iter().collect();
    fields.get(name).cloned()
}
