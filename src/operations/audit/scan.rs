//! Counts what the documents of one collection hold.

use std::collections::{BTreeMap, HashMap};

use serde::de::IgnoredAny;

use super::hints::LookAlike;
use super::look::{Form, Look, Seen, pattern};
use super::report::{
    Class, CollectionAudit, FieldAudit, Hint, IndexAudit, KeyUse, Place, Places, Standing, UnlistedField,
};
use super::rings::{Found, Rings};
use super::seal_form;
use crate::bytes::{DocumentPath, FieldPath, FieldStep, Format, KeyId, Location, Scope};
use crate::keys::KeyLookup;
use crate::operations::fields::{CollectionConfig, Field};
use crate::seal::{Cause, IndexKind, Reveal, Sealed, Walk, entry_name};
use crate::store::{Document, Fields};

/// How many examples of one kind, keys of one field, and fields outside of the configuration are named.
const EXAMPLES: usize = 10;
const KEYS: usize = 100;
const FIELDS: usize = 200;

/// What was counted in a collection so far.
pub(super) struct Scan<'a> {
    config: &'a CollectionConfig,
    audit: CollectionAudit,
    /// By the fields of the configuration: the keys of values, and those of index entries.
    uses: Vec<(Uses, Uses)>,
    unlisted: BTreeMap<String, UnlistedField>,
    hints: BTreeMap<(String, LookAlike), Hint>,
}

#[derive(Default)]
struct Uses(HashMap<(Scope, String), (Standing, u64)>);

impl<'a> Scan<'a> {
    pub(super) fn new(config: &'a CollectionConfig) -> Self {
        let fields = config.fields.iter().map(|field| FieldAudit {
            field: field.pattern.to_string(),
            index: field.index.map(|_| IndexAudit::default()),
            ..FieldAudit::default()
        });
        let audit = CollectionAudit {
            path: config.path.clone(),
            group: config.group,
            fields: fields.collect(),
            ..CollectionAudit::default()
        };
        let uses = config.fields.iter().map(|_| Default::default()).collect();
        Self { config, audit, uses, unlisted: BTreeMap::new(), hints: BTreeMap::new() }
    }

    pub(super) fn documents(&self) -> u64 {
        self.audit.documents
    }

    /// Counts some documents; the keys that they name are asked for at once.
    pub(super) async fn take(&mut self, documents: &[Document], rings: &mut Rings<'_>) {
        let looks: Vec<_> = documents
            .iter()
            .map(|document| (document, self.config.location(document).ok(), Look::at(self.config, document)))
            .collect();
        let mut wanted = Vec::new();
        let mut scopes = Vec::new();
        for (_, location, look) in &looks {
            let Some(location) = location else { continue };
            let ids = look.seen.iter().filter_map(|seen| match &seen.form {
                Form::Envelope(header, _) => Some(header.key_id),
                _ => None,
            });
            let ids = ids.chain(look.unlisted.iter().map(|unlisted| unlisted.header.key_id));
            wanted.extend(ids.map(|id| (location.scope().clone(), id)));
            scopes.push(location.scope().clone());
        }
        scopes.sort_unstable();
        scopes.dedup();
        let found = rings.learn(scopes, wanted).await;
        for (document, location, look) in looks {
            self.document(document, location.as_ref(), look, rings, &found);
        }
    }

    fn document(
        &mut self,
        document: &Document,
        location: Option<&Location>,
        look: Look<'_>,
        rings: &mut Rings<'_>,
        found: &Found,
    ) {
        self.audit.documents += 1;
        let whole = || Place::new(&document.path, &FieldPath::default());
        if location.is_none() {
            self.audit.without_scope.count(whole);
        }
        if !seal_form::is_well_formed(&document.fields) {
            self.audit.malformed_seal.count(whole);
        }
        let mut is_there = vec![false; self.config.fields.len()];
        look.seen.iter().for_each(|seen| is_there[seen.field] = true);
        for (field, _) in self.audit.fields.iter_mut().zip(is_there).filter(|(_, is_there)| !is_there) {
            field.absent += 1;
        }
        match location {
            None => look.seen.iter().for_each(|seen| self.unplaced(document, seen)),
            Some(location) => {
                let look_up =
                    |id: &KeyId| found.get(location.scope(), id).cloned().unwrap_or(KeyLookup::Unknown);
                let mut walk = Walk::reveal(location, &look_up, None);
                for seen in &look.seen {
                    self.value(document, location, seen, &mut walk, rings, found);
                }
            }
        }
        for unlisted in look.unlisted {
            // Bytes in the clear may begin like an envelope; a key that the ring lists tells them apart.
            let state =
                location.map(|location| rings.standing(location.scope(), &unlisted.header.key_id, found));
            if state != Some(Standing::Unknown) {
                self.unlisted(&document.path, &unlisted.path);
            }
        }
        for hinted in look.hinted {
            self.hint(&document.path, &hinted.path, hinted.kind);
        }
    }

    /// A value of a document that does not say whose keys seal it.
    fn unplaced(&mut self, document: &Document, seen: &Seen<'_>) {
        let class = match &seen.form {
            Form::Envelope(..) => Class::Unverified,
            Form::Malformed => Class::Malformed,
            Form::Plain => Class::Plaintext,
        };
        if class == Class::Unverified {
            *self.audit.fields[seen.field].states.entry(Standing::Unchecked).or_default() += 1;
        }
        self.class(document, seen, class);
    }

    fn value(
        &mut self,
        document: &Document,
        location: &Location,
        seen: &Seen<'_>,
        walk: &mut Walk<Reveal<'_>>,
        rings: &mut Rings<'_>,
        found: &Found,
    ) {
        let Form::Envelope(header, bytes) = &seen.form else { return self.unplaced(document, seen) };
        let scope = location.scope();
        let state = rings.standing(scope, &header.key_id, found);
        let id = header.key_id.to_string();
        *self.audit.fields[seen.field].states.entry(state).or_default() += 1;
        self.uses[seen.field].0.count(scope, &id, state);
        rings.count(scope, false, id, state);
        let config = &self.config.fields[seen.field];
        let opened = match found.get(scope, &header.key_id) {
            None => Err(Class::Unverified),
            Some(_) => open(walk, seen.path.steps(), bytes, config.bytes),
        };
        self.class(document, seen, opened.map_or_else(|class| class, |_| Class::Opened));
        // A value that is none has no place in an index, and one that does not open is found by none.
        if matches!(opened, Ok(Content::Value) | Err(Class::Unverified)) {
            self.index(document, location, seen, config, rings);
        }
    }

    fn index(
        &mut self,
        document: &Document,
        location: &Location,
        seen: &Seen<'_>,
        config: &Field,
        rings: &mut Rings<'_>,
    ) {
        let (Some(declared), Some(names)) = (config.index, config.pattern.names()) else { return };
        let entry = seal_form::entry(&document.fields, &entry_name(&names));
        let entry = entry.filter(|entry| declared.infos().iter().all(|info| answers(entry, &info.kind)));
        let Some(key) = entry.and_then(seal_form::entry_key) else {
            self.audit.fields[seen.field].index.get_or_insert_default().without += 1;
            return self.example(document, seen, Class::WithoutIndex);
        };
        let (id, state) = rings.index_standing(location.scope(), &key);
        self.uses[seen.field].1.count(location.scope(), &id, state);
        rings.count(location.scope(), true, id, state);
        let index = self.audit.fields[seen.field].index.get_or_insert_default();
        if matches!(state, Standing::Primary | Standing::Active | Standing::Unchecked) {
            index.with += 1;
        } else {
            index.lost += 1;
            self.example(document, seen, Class::LostIndex);
        }
    }

    fn class(&mut self, document: &Document, seen: &Seen<'_>, class: Class) {
        self.audit.fields[seen.field].values.count(class);
        if !matches!(class, Class::Opened | Class::Unverified) {
            self.example(document, seen, class);
        }
    }

    fn example(&mut self, document: &Document, seen: &Seen<'_>, class: Class) {
        let examples = self.audit.fields[seen.field].examples.entry(class).or_default();
        if examples.len() < EXAMPLES {
            examples.push(Place::new(&document.path, &seen.path));
        }
    }

    fn unlisted(&mut self, document: &DocumentPath, path: &FieldPath) {
        let field = pattern(path);
        if self.unlisted.len() >= FIELDS && !self.unlisted.contains_key(&field) {
            self.audit.more_unlisted += 1;
            return;
        }
        let new = || UnlistedField { field: field.clone(), values: 0, examples: Vec::new() };
        let found = self.unlisted.entry(field.clone()).or_insert_with(new);
        found.values += 1;
        if found.examples.len() < EXAMPLES {
            found.examples.push(Place::new(document, path));
        }
    }

    fn hint(&mut self, document: &DocumentPath, path: &FieldPath, kind: LookAlike) {
        let field = if path.steps().is_empty() { "__name__".to_owned() } else { pattern(path) };
        let name = (field.clone(), kind);
        if self.hints.len() >= FIELDS && !self.hints.contains_key(&name) {
            self.audit.more_hints += 1;
            return;
        }
        let new = || Hint { field, kind, values: 0, documents: 0, examples: Vec::new() };
        let hint = self.hints.entry(name).or_insert_with(new);
        hint.values += 1;
        if hint.examples.len() < EXAMPLES {
            hint.examples.push(Place::new(document, path));
        }
    }

    pub(super) fn finish(mut self) -> CollectionAudit {
        for (field, (values, entries)) in self.audit.fields.iter_mut().zip(self.uses) {
            field.keys = values.finish();
            if let Some(index) = &mut field.index {
                index.keys = entries.finish();
            }
        }
        self.audit.unlisted = self.unlisted.into_values().collect();
        let documents = self.audit.documents;
        self.audit.hints = self.hints.into_values().map(|hint| Hint { documents, ..hint }).collect();
        self.audit
    }
}

impl Uses {
    fn count(&mut self, scope: &Scope, id: &str, state: Standing) {
        let name = (scope.clone(), id.to_owned());
        if let Some((_, count)) = self.0.get_mut(&name) {
            *count += 1;
        } else if self.0.len() < KEYS {
            self.0.insert(name, (state, 1));
        }
    }

    fn finish(self) -> Vec<KeyUse> {
        let uses = self.0.into_iter().map(|((scope, key), (state, values))| KeyUse {
            scope: scope.as_str().to_owned(),
            key,
            state,
            values,
        });
        let mut uses: Vec<_> = uses.collect();
        uses.sort_by(|one, another| {
            another
                .values
                .cmp(&one.values)
                .then_with(|| (&one.scope, &one.key).cmp(&(&another.scope, &another.key)))
        });
        uses
    }
}

impl Places {
    fn count(&mut self, place: impl FnOnce() -> Place) {
        self.count += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(place());
        }
    }
}

/// What was sealed, as far as its index needs to know.
#[derive(Clone, Copy)]
enum Content {
    Value,
    None,
}

/// Opens a value, and forgets it.
fn open(
    walk: &mut Walk<Reveal<'_>>,
    path: &[FieldStep],
    envelope: &[u8],
    raw: bool,
) -> Result<Content, Class> {
    let opened = match path.split_first() {
        Some((FieldStep::Key(name), rest)) => return walk.key(name, |walk| open(walk, rest, envelope, raw)),
        Some((FieldStep::Index(index), rest)) => {
            let Ok(index) = usize::try_from(*index) else { return Err(Class::DoesNotOpen) };
            return walk.index(index, |walk| open(walk, rest, envelope, raw));
        }
        None if raw => {
            let sealed = Sealed::<Option<Vec<u8>>>::from_bytes(envelope.to_vec());
            let opened = walk.bytes(sealed, Format::new(), || None);
            opened.map(|bytes| bytes.is_some()).map_err(|closed| closed.cause())
        }
        None => {
            let sealed = Sealed::<Option<IgnoredAny>>::from_bytes(envelope.to_vec());
            let opened = walk.field(sealed, Format::new(), || None, |value: Option<IgnoredAny>| value);
            opened.map(|value| value.is_some()).map_err(|closed| closed.cause())
        }
    };
    match opened {
        Ok(true) => Ok(Content::Value),
        Ok(false) => Ok(Content::None),
        Err(Cause::KeyUnknown(_)) => Err(Class::KeyUnknown),
        Err(Cause::KeyRetired(_)) => Err(Class::KeyRetired),
        Err(Cause::KeyCompromised(_)) => Err(Class::KeyCompromised),
        Err(Cause::KeyDestroyed(_)) => Err(Class::KeyDestroyed),
        Err(Cause::OtherType) => Err(Class::OtherType),
        Err(Cause::Malformed | Cause::Plaintext | Cause::Missing) => Err(Class::Malformed),
        Err(Cause::DoesNotOpen) => Err(Class::DoesNotOpen),
    }
}

/// Whether an entry has the tokens that an index asks for. Short texts have no prefixes, and some no words.
fn answers(entry: &Fields, kind: &IndexKind) -> bool {
    match kind {
        IndexKind::Equality => entry.contains_key("eq"),
        IndexKind::Unique => entry.contains_key("eq") && entry.contains_key("unique"),
        IndexKind::Prefix { .. } | IndexKind::Words => true,
        IndexKind::Range(_) => entry.contains_key("range"),
    }
}
