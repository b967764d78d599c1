//! One document where a step works: opening, sealing and replacing its values, and the write that comes of it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use zeroize::Zeroizing;

use super::canonical::code;
use super::keys::{Digests, Keys};
use super::plain::{Drafted, draft, restore};
use super::was::Was;
use crate::bytes::envelope::Header;
use crate::bytes::plaintext::{Plaintext, decode};
use crate::bytes::{DocumentPath, FieldPath, FieldStep, Format, KeyId, Location};
use crate::error::Error;
use crate::keys::{KeyLookup, KeyRing};
use crate::operations::{CollectionConfig, Counts, FailureKind, Field, Outcome, Planned, StepFailure};
use crate::repository::seal_map::{self, SEAL, Tokens, WAS, entry_path};
use crate::seal::index::{Terms, Values, entry_name};
use crate::seal::{Walk, json, scalar, seal_values};
use crate::store::{Document, FieldMask, Fields, Value, ValueType, Write, check_document};

/// What stands in a place where a sealed value belongs.
pub(super) enum Stands<'a> {
    /// An envelope, and the key that it names.
    Sealed(Cow<'a, [u8]>, KeyId),
    /// The text form of bytes that are no envelope.
    Malformed,
    /// Something else: plaintext.
    Plain,
}

/// What stands there. Bytes that begin as an envelope does, and are long enough, are one.
pub(super) fn stands(value: &Value) -> Stands<'_> {
    match &value.value_type {
        Some(ValueType::BytesValue(bytes)) => match Header::decode(bytes) {
            Some(header) => Stands::Sealed(Cow::Borrowed(bytes), header.key_id),
            None => Stands::Plain,
        },
        Some(ValueType::StringValue(text)) => match json::decode(text) {
            // A text form that was cut or changed: sealing it would vouch for it.
            None if text.starts_with(json::PREFIX) => Stands::Malformed,
            None => Stands::Plain,
            Some(bytes) => match Header::decode(&bytes) {
                Some(header) => Stands::Sealed(Cow::Owned(bytes), header.key_id),
                None => Stands::Malformed,
            },
        },
        _ => Stands::Plain,
    }
}

/// A value that was opened.
pub(super) struct Opened {
    pub(super) key: KeyId,
    pub(super) plaintext: Zeroizing<Vec<u8>>,
}

/// One document where a step works. The step asks and tells; [`finish`](Self::finish) makes a write of it.
pub(super) struct Site<'a> {
    pub(super) config: &'a CollectionConfig,
    pub(super) location: Location,
    pub(super) counts: Counts,
    keys: &'a Keys,
    digests: &'a Digests<'a>,
    document: Document,
    was: Option<Was>,
    stored_was: Option<Was>,
    drafts: Vec<(FieldPath, Plaintext)>,
    written: BTreeSet<Vec<String>>,
}

impl<'a> Site<'a> {
    pub(super) fn new(
        config: &'a CollectionConfig,
        keys: &'a Keys,
        digests: &'a Digests<'a>,
        location: Location,
        document: Document,
    ) -> Result<Self, StepFailure> {
        let mut site = Self {
            config,
            location,
            counts: Counts::default(),
            keys,
            digests,
            document,
            was: None,
            stored_was: None,
            drafts: Vec::new(),
            written: BTreeSet::new(),
        };
        site.ring()?;
        site.refuse_misfits()?;
        if let Some((path, stored)) = was_envelope(&site.document.fields) {
            let opened = site.open(&path, &stored)?;
            let failed = || {
                let reason = "it opens, but is not what sealing leaves there";
                site.failure(&path, FailureKind::Malformed, reason)
            };
            let was: Was = decode(&opened.plaintext).map_err(|_| failed())?;
            site.was = Some(was.clone());
            site.stored_was = Some(was);
        }
        Ok(site)
    }

    /// What is no map or array where the configuration goes into one would be passed over in silence.
    fn refuse_misfits(&self) -> Result<(), StepFailure> {
        let Some(misfit) = self.config.misfits(&self.document.fields).next() else { return Ok(()) };
        let reason = format!(
            "the configuration's {} goes into it, and it is neither a map or array for that, nor null",
            misfit.field.pattern
        );
        Err(self.failure(&misfit.path, FailureKind::OtherShape, reason))
    }

    pub(super) fn path(&self) -> &DocumentPath {
        &self.document.path
    }

    pub(super) fn fields(&self) -> &Fields {
        &self.document.fields
    }

    pub(super) fn failure(
        &self,
        at: &FieldPath,
        kind: FailureKind,
        reason: impl Into<String>,
    ) -> StepFailure {
        StepFailure::at(self.document.path.clone(), at.clone(), kind, reason)
    }

    /// The ring whose primary key seals the document.
    pub(super) fn ring(&self) -> Result<&'a KeyRing, StepFailure> {
        let failed = |reason| StepFailure::of(self.document.path.clone(), FailureKind::Scope, reason);
        self.keys.ring(self.location.scope()).map_err(failed)
    }

    /// The values that stand in sealed places, to be looked at while the document is changed.
    pub(super) fn places(&self) -> Vec<(FieldPath, Value, &'a Field)> {
        let config = self.config;
        let of_config = |at: &FieldPath| config.fields.iter().find(|field| field.pattern.matches(at));
        let places = config.sealed_places(&self.document.fields);
        places
            .filter_map(|place| Some((of_config(&place.path)?, place)))
            .map(|(field, place)| (place.path, place.value.clone(), field))
            .collect()
    }

    pub(super) fn open(&self, at: &FieldPath, stored: &[u8]) -> Result<Opened, StepFailure> {
        let failed = |reason: String, kind| self.failure(at, kind, reason);
        let Some(header) = Header::decode(stored) else {
            return Err(failed("it is malformed".into(), FailureKind::Malformed));
        };
        let look_up = |id: &KeyId| self.keys.look_up(self.location.scope(), id);
        let plaintext = Walk::reveal(&self.location, &look_up, None).open_at(at, stored);
        let plaintext = plaintext.map_err(|cause| {
            let kind = FailureKind::from(cause);
            let hint = match kind {
                FailureKind::KeyUnknown => {
                    "; if it never was sealed, these are plaintext bytes that begin as an envelope does"
                }
                FailureKind::KeyCompromised => "; opening it has to be asked for",
                _ => "; what looks sealed and does not open is neither skipped nor sealed again",
            };
            failed(format!("{cause}{hint}"), kind)
        })?;
        Ok(Opened { key: header.key_id, plaintext })
    }

    /// The Firestore value of what was opened; `None` where it has none.
    pub(super) fn restored(&self, at: &FieldPath, field: Option<&Field>, opened: &Opened) -> Option<Value> {
        let was = self.was.as_ref().and_then(|was| was.at(at.steps()));
        restore(&opened.plaintext, was, field.and_then(|field| field.kind)).ok()
    }

    /// The value that is sealed, whatever it was in Firestore: what its indexes are of.
    pub(super) fn sealed_value(&self, at: &FieldPath, opened: &Opened) -> Result<Value, StepFailure> {
        restore(&opened.plaintext, None, None).map_err(|_| {
            let reason = "it opens, but only its Rust type tells what it is";
            self.failure(at, FailureKind::NeedsType, reason)
        })
    }

    /// Whether the document has a document seal, which only its Rust type verifies and makes.
    pub(super) fn has_document_seal(&self) -> bool {
        seal_map::document_seal_value(&self.document.fields).is_some()
    }

    /// Refuses an entry whose value is reserved by a document of its own, which this step does not release.
    pub(super) fn refuse_reserved(&self, name: &str) -> Result<(), StepFailure> {
        let entry = seal_map::entries(&self.document.fields).and_then(|entries| entries.get(name));
        if entry.is_none_or(|entry| seal_map::reserved(entry).is_empty()) {
            return Ok(());
        }
        let reason = format!(
            "the value of {name} is unique and reserved: only the Rust type releases it, with `ReindexAs` once the index is gone, or with `UnsealAs`"
        );
        Err(StepFailure::of(self.document.path.clone(), FailureKind::NeedsType, reason))
    }

    /// Counts a sealed value that stays, and adds it to the digest.
    pub(super) fn keep(&mut self, at: &FieldPath, field: &Field, opened: &Opened) {
        let value = self.restored(at, Some(field), opened);
        self.counts.opened += 1;
        self.counts.compromised += u64::from(self.is_compromised(&opened.key));
        self.digest(opened.key, at, value.as_ref().ok_or(&opened.plaintext));
    }

    /// Adds a value to what stands under a key.
    pub(super) fn digest(&mut self, key: KeyId, at: &FieldPath, value: Result<&Value, &Zeroizing<Vec<u8>>>) {
        *self.counts.keys.entry(key).or_default() += 1;
        if let Some(digest_key) = self.digests.key(self.location.scope(), &key) {
            self.counts.digest.add_value(key, &code(&digest_key, &self.location, key, at, value));
        }
    }

    /// Remembers a value to be sealed.
    pub(super) fn seal(&mut self, at: &FieldPath, field: &Field, value: &Value) -> Result<(), StepFailure> {
        let drafted = draft(value, field);
        let Drafted { plaintext, was } =
            drafted.map_err(|error| self.failure(at, FailureKind::NeedsType, error.reason()))?;
        self.was = Was::with(self.was.take(), at.steps(), was);
        let primary = self.ring()?.primary().id();
        self.digest(primary, at, Ok(value));
        self.drafts.push((at.clone(), plaintext));
        Ok(())
    }

    /// Remembers a plaintext to be sealed as it is.
    pub(super) fn seal_again(&mut self, at: &FieldPath, opened: &Opened) {
        self.drafts.push((at.clone(), Plaintext::again(&opened.plaintext)));
    }

    /// Replaces the value at a path.
    pub(super) fn replace(&mut self, at: &FieldPath, value: Value) {
        let Some((FieldStep::Key(root), rest)) = at.steps().split_first() else { return };
        let mut place = self.document.fields.get_mut(root);
        for step in rest {
            place = match (step, place.and_then(|value| value.value_type.as_mut())) {
                (FieldStep::Key(name), Some(ValueType::MapValue(map))) => map.fields.get_mut(name),
                (FieldStep::Index(at), Some(ValueType::ArrayValue(array))) => {
                    usize::try_from(*at).ok().and_then(|at| array.values.get_mut(at))
                }
                _ => None,
            };
        }
        if let Some(place) = place {
            *place = value;
        }
        // Within `_seal` entry by entry; elsewhere by root field, since names inside a map may be any.
        let names = match rest.first() {
            Some(FieldStep::Key(name)) if root == SEAL => vec![root.clone(), name.clone()],
            _ => vec![root.clone()],
        };
        self.written.insert(names);
    }

    /// Makes the index entries of fields, as their values say.
    pub(super) fn index(&mut self, values: &[(&Field, Value)]) -> Result<(), StepFailure> {
        let mut terms = Vec::new();
        let mut names = BTreeSet::new();
        for (field, value) in values {
            let (Some(index), Some(path)) = (&field.index, field.pattern.names()) else { continue };
            names.insert(entry_name(&path));
            let value = scalar(&super::plain::Plain(value)).map_err(|error| {
                let at = FieldPath::new(path.iter().cloned().map(FieldStep::Key).collect());
                self.failure(&at, FailureKind::NotIndexable, format!("it cannot be indexed: {error}"))
            })?;
            if let Some(value) = value {
                terms.push(Terms { path, values: Values::Field { infos: index.infos(), value } });
            }
        }
        let made = if terms.is_empty() {
            BTreeMap::new()
        } else {
            Tokens::of(&terms, self.ring()?, &self.location).map_err(|error| self.not_indexed(error))?.entries
        };
        for name in names {
            self.set_entry(&name, made.get(&name));
        }
        Ok(())
    }

    fn not_indexed(&self, error: Error) -> StepFailure {
        let path = self.document.path.clone();
        match error {
            Error::NoIndexKey { .. } => StepFailure::of(path, FailureKind::Scope, error.to_string()),
            Error::Seal { source, .. } => {
                StepFailure::of(path, FailureKind::NotIndexable, source.to_string())
            }
            error => StepFailure::of(path, FailureKind::Other, error.to_string()),
        }
    }

    /// Sets an index entry, or removes it.
    pub(super) fn set_entry(&mut self, name: &str, entry: Option<&Value>) {
        let stored = seal_map::entries(&self.document.fields).and_then(|entries| entries.get(name));
        match (stored, entry) {
            (Some(stored), Some(entry)) if crate::store::same(stored, entry) => return,
            (None, None) => return,
            (_, Some(entry)) => {
                self.counts.indexed += 1;
                seal_map::add_entries(&mut self.document.fields, [(name.to_owned(), entry.clone())]);
            }
            (Some(_), None) => {
                self.counts.unindexed += 1;
                seal_map::remove_entry(&mut self.document.fields, name);
            }
        }
        self.written.insert(entry_path(name));
    }

    /// Whether others may have a key, by the word of its scope's ring.
    pub(super) fn is_compromised(&self, key: &KeyId) -> bool {
        self.ring().is_ok_and(|ring| matches!(ring.key(key), KeyLookup::Compromised))
    }

    /// Whether a key of the document's scope is here.
    pub(super) fn has_key(&self, key: &KeyId) -> bool {
        !matches!(self.keys.look_up(self.location.scope(), key), KeyLookup::Unknown)
    }

    /// Removes everything that fireseal keeps in the document beside its fields.
    pub(super) fn clear(&mut self) {
        if self.document.fields.remove(SEAL).is_some() {
            self.written.retain(|names| names.first().is_none_or(|name| name != SEAL));
            self.written.insert(vec![SEAL.to_owned()]);
        }
        self.was = None;
        self.stored_was = None;
    }

    /// Seals what was remembered, and makes the write; none where nothing changed.
    pub(super) fn finish(mut self) -> Result<Outcome, StepFailure> {
        if self.was != self.stored_was {
            let at = was_path();
            match self.was.clone() {
                None => {
                    seal_map::remove(&mut self.document.fields, WAS);
                    self.written.insert(was_names());
                }
                Some(was) => {
                    let plaintext = Plaintext::encode(&was, Format::new()).map_err(|error| {
                        self.failure(&at, FailureKind::NeedsType, format!("it cannot be sealed: {error}"))
                    })?;
                    self.drafts.retain(|(path, _)| *path != at);
                    self.drafts.push((at, plaintext));
                }
            }
        }
        if !self.drafts.is_empty() {
            let ring = self.ring()?;
            let sealed = seal_values(std::mem::take(&mut self.drafts), &self.location, ring);
            let sealed = sealed.map_err(|error| {
                StepFailure::of(self.document.path.clone(), FailureKind::Other, error.to_string())
            })?;
            for (path, envelope) in sealed {
                if path == was_path() {
                    seal_map::add(&mut self.document.fields, WAS, seal_map::bytes(envelope));
                    self.written.insert(was_names());
                } else {
                    self.replace(&path, seal_map::bytes(envelope));
                }
            }
        }
        if self.written.is_empty() {
            return Ok(Outcome::Unchanged(self.counts));
        }
        if self.has_document_seal() {
            let reason = "it has a document seal, which would no longer hold, and only its Rust type makes \
                          anew: do this through the type";
            return Err(StepFailure::of(self.document.path, FailureKind::NeedsType, reason));
        }
        let Document { path, mut fields, .. } = self.document;
        let written = seal_map::narrowed(&mut fields, self.written);
        if let Err(error) = check_document(&path, &fields) {
            return Err(StepFailure::of(path, FailureKind::Limit, error.to_string()));
        }
        let mask = FieldMask::new(written.into_iter().collect());
        let fields = mask.project(&fields);
        Ok(Outcome::Write(Planned {
            write: Write::merge(path, fields, mask),
            also: Vec::new(),
            counts: self.counts,
        }))
    }
}

/// Where what sealed values were stands.
pub(super) fn was_path() -> FieldPath {
    FieldPath::new(was_names().into_iter().map(FieldStep::Key).collect())
}

fn was_names() -> Vec<String> {
    vec![SEAL.to_owned(), WAS.to_owned()]
}

/// The stored envelope of what sealed values were.
fn was_envelope(fields: &Fields) -> Option<(FieldPath, Vec<u8>)> {
    let stored = seal_map::bytes_of(fields, WAS)?;
    Some((was_path(), stored.to_vec()))
}

/// The envelope at a path, and the key that it names.
pub(super) type Envelope = (FieldPath, Vec<u8>, KeyId);

/// Every envelope of a document, wherever it stands, in the order of names; what sealed values were is the last.
pub(super) fn envelopes(fields: &Fields) -> Vec<Envelope> {
    let mut found = Vec::new();
    for (name, value) in fields.iter().filter(|(name, _)| *name != SEAL).collect::<BTreeMap<_, _>>() {
        look_into(value, &mut vec![FieldStep::Key(name.clone())], &mut found);
    }
    found.extend(was_envelope(fields).and_then(|(path, bytes)| {
        let key = Header::decode(&bytes)?.key_id;
        Some((path, bytes, key))
    }));
    found
}

/// Where the first envelope inside a value is that stands at a path.
pub(super) fn envelope_within(value: &Value, at: &FieldPath) -> Option<FieldPath> {
    let mut found = Vec::new();
    look_into(value, &mut at.steps().to_vec(), &mut found);
    found.into_iter().map(|(path, ..)| path).next()
}

fn look_into(value: &Value, path: &mut Vec<FieldStep>, found: &mut Vec<Envelope>) {
    let mut inside = |step, value: &Value| {
        path.push(step);
        look_into(value, path, found);
        path.pop();
    };
    match &value.value_type {
        Some(ValueType::MapValue(map)) => {
            let sorted: BTreeMap<_, _> = map.fields.iter().collect();
            sorted.into_iter().for_each(|(name, value)| inside(FieldStep::Key(name.clone()), value));
        }
        Some(ValueType::ArrayValue(array)) => {
            (0..).zip(&array.values).for_each(|(at, value)| inside(FieldStep::Index(at), value));
        }
        _ => {
            if let Stands::Sealed(bytes, key) = stands(value) {
                found.push((FieldPath::new(path.clone()), bytes.into_owned(), key));
            }
        }
    }
}
