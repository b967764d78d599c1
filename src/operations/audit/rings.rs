//! What is known of the keys that documents name: what each may do, and the keys themselves.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::report::{KeyAudit, RingAudit, Standing};
use crate::bytes::{KeyId, Scope};
use crate::custody::{KeyState, KeyVault, VaultError};
use crate::keys::{IndexKey, KeyError, KeyLookup, KeyProvider, KeyRing, Purpose};

/// How many rings are remembered; more are asked for again.
const REMEMBERED: usize = 1_024;
/// How many keys and rings a report names.
const NAMED_KEYS: usize = 1_000;
const NAMED_RINGS: usize = 100;

/// How an entry of an index names its key: the first half of the id.
pub(super) type IndexKeyName = [u8; 16];

/// The rings of the scopes that documents are of.
pub(super) struct Rings<'a> {
    vault: Option<&'a KeyVault>,
    keys: Option<&'a dyn KeyProvider>,
    rings: HashMap<Scope, Ring>,
    rows: BTreeMap<(Scope, bool, String), KeyAudit>,
    unnamed: u64,
    problems: Vec<RingAudit>,
}

/// What is known of one ring.
#[derive(Default)]
struct Ring {
    /// Whether a manifest or a ring was there, so that a key that is not in it is known to be in none.
    is_known: bool,
    /// Whether keys could not be had, so that they are not asked for again.
    is_closed: bool,
    listed: HashMap<KeyId, Standing>,
    index: HashMap<IndexKeyName, (String, Standing)>,
    /// Where no manifest was, what tells the states.
    ring: Option<KeyRing>,
}

/// The keys that some documents name, as they were found.
#[derive(Default)]
pub(super) struct Found(HashMap<(Scope, KeyId), KeyLookup>);

impl Found {
    /// What was found; `None` where keys could not be had.
    pub(super) fn get(&self, scope: &Scope, id: &KeyId) -> Option<&KeyLookup> {
        self.0.get(&(scope.clone(), *id))
    }
}

impl<'a> Rings<'a> {
    pub(super) fn new(vault: Option<&'a KeyVault>, keys: Option<&'a dyn KeyProvider>) -> Self {
        Self { vault, keys, rings: HashMap::new(), rows: BTreeMap::new(), unnamed: 0, problems: Vec::new() }
    }

    /// Learns all about these scopes and, where there are keys, about these ids.
    pub(super) async fn learn(&mut self, scopes: Vec<Scope>, mut wanted: Vec<(Scope, KeyId)>) -> Found {
        let new = scopes.iter().filter(|scope| !self.rings.contains_key(*scope)).count();
        if self.rings.len() + new > REMEMBERED {
            self.rings.clear();
        }
        for scope in scopes {
            if !self.rings.contains_key(&scope) {
                let ring = self.load(&scope).await;
                self.rings.insert(scope, ring);
            }
        }
        let Some(keys) = self.keys else { return Found::default() };
        wanted.sort_unstable();
        wanted.dedup();
        wanted.retain(|(scope, _)| self.rings.get(scope).is_some_and(|ring| !ring.is_closed));
        if wanted.is_empty() {
            return Found::default();
        }
        let mut found = HashMap::new();
        match keys.keys(&wanted).await {
            Ok(keys) => found.extend(wanted.into_iter().zip(keys)),
            // One scope's keys that cannot be had are no reason to give up the others'.
            Err(_) => {
                for of_scope in wanted.chunk_by(|one, another| one.0 == another.0) {
                    match keys.keys(of_scope).await {
                        Ok(keys) => found.extend(of_scope.iter().cloned().zip(keys)),
                        Err(error) => {
                            let Some((scope, _)) = of_scope.first() else { continue };
                            self.problem(scope, error.to_string());
                            if let Some(ring) = self.rings.get_mut(scope) {
                                ring.is_closed = true;
                            }
                        }
                    }
                }
            }
        }
        let refused = found.iter().filter(|(_, lookup)| matches!(lookup, KeyLookup::Refused));
        let refused: BTreeSet<&Scope> = refused.map(|((scope, _), _)| scope).collect();
        for scope in refused {
            self.problem(scope, "no root that is at hand opens some of its keys".to_owned());
        }
        Found(found)
    }

    async fn load(&mut self, scope: &Scope) -> Ring {
        let mut ring = Ring::default();
        if let Some(vault) = self.vault {
            match vault.manifest(scope).await {
                Ok(manifest) => {
                    ring.is_known = true;
                    for key in &manifest.keys {
                        let (state, id) = (Standing::of(key.state), key.id.to_string());
                        let is_index = key.purpose == Purpose::Index;
                        if is_index {
                            ring.index.insert(half(&key.id), (id.clone(), state));
                        } else {
                            ring.listed.insert(key.id, state);
                        }
                        self.row(scope, is_index, id, state, Some(key.since_ms), 0);
                    }
                }
                Err(VaultError::ScopeUnknown { .. }) => ring.is_known = true,
                Err(error) => self.problem(scope, error.to_string()),
            }
        }
        let Some(keys) = self.keys.filter(|_| self.vault.is_none() || !ring.is_known) else { return ring };
        match keys.ring(scope).await {
            Ok(opened) => {
                ring.is_known = true;
                self.row(scope, false, opened.primary().id().to_string(), Standing::Primary, None, 0);
                for (position, key) in opened.index_keys().enumerate() {
                    let state = if position == 0 { Standing::Primary } else { Standing::Active };
                    let id = IndexKey::id(key);
                    ring.index.insert(half(&id), (id.to_string(), state));
                    self.row(scope, true, id.to_string(), state, None, 0);
                }
                ring.ring = Some(opened);
            }
            Err(KeyError::ScopeUnknown { .. }) => ring.is_known = true,
            Err(error) => self.problem(scope, error.to_string()),
        }
        ring
    }

    /// What a data key may do.
    pub(super) fn standing(&self, scope: &Scope, id: &KeyId, found: &Found) -> Standing {
        let Some(ring) = self.rings.get(scope) else { return Standing::Unchecked };
        if let Some(state) = ring.listed.get(id) {
            return *state;
        }
        let opened = ring.ring.as_ref();
        let state = |lookup: &KeyLookup| match lookup {
            KeyLookup::Found(_) if opened.is_some_and(|ring| ring.primary().id() == *id) => Standing::Primary,
            KeyLookup::Found(_) => Standing::Active,
            KeyLookup::Retired => Standing::Retired,
            KeyLookup::Compromised => Standing::Compromised,
            KeyLookup::Destroyed => Standing::Destroyed,
            KeyLookup::Unknown => Standing::Unknown,
            KeyLookup::Refused => Standing::Unchecked,
        };
        match (found.get(scope, id), opened) {
            _ if ring.is_known && opened.is_none() => Standing::Unknown,
            // A provider finds older keys that are not in its ring.
            (Some(lookup), _) => state(lookup),
            // Keys could not be had: what the ring does not list may still be one that opens.
            (None, opened) => match opened.map(|ring| ring.key(id)) {
                None | Some(KeyLookup::Unknown) => Standing::Unchecked,
                Some(lookup) => state(&lookup),
            },
        }
    }

    /// The id of an index key as far as it is known, and what the key may do.
    pub(super) fn index_standing(&self, scope: &Scope, name: &IndexKeyName) -> (String, Standing) {
        let ring = self.rings.get(scope);
        if let Some(known) = ring.and_then(|ring| ring.index.get(name)) {
            return known.clone();
        }
        let is_known = ring.is_some_and(|ring| ring.is_known);
        let state = if is_known { Standing::Unknown } else { Standing::Unchecked };
        (name.iter().map(|byte| format!("{byte:02x}")).collect(), state)
    }

    /// Counts a value under a key, or an entry of an index.
    pub(super) fn count(&mut self, scope: &Scope, is_index: bool, id: String, state: Standing) {
        self.row(scope, is_index, id, state, None, 1);
    }

    fn row(
        &mut self,
        scope: &Scope,
        is_index: bool,
        id: String,
        state: Standing,
        since_ms: Option<u64>,
        count: u64,
    ) {
        let name = (scope.clone(), is_index, id);
        if let Some(row) = self.rows.get_mut(&name) {
            row.values += count;
        } else if self.rows.len() < NAMED_KEYS {
            let (scope, key) = (name.0.as_str().to_owned(), name.2.clone());
            let row = KeyAudit { scope, key, index: is_index, state, since_ms, values: count };
            self.rows.insert(name, row);
        } else {
            self.unnamed += count;
        }
    }

    fn problem(&mut self, scope: &Scope, reason: String) {
        let scope = scope.as_str();
        if self.problems.len() < NAMED_RINGS && self.problems.iter().all(|problem| problem.scope != scope) {
            self.problems.push(RingAudit { scope: scope.to_owned(), reason });
        }
    }

    /// The keys, how many values were under others, and the rings that could not be had.
    pub(super) fn finish(self) -> (Vec<KeyAudit>, u64, Vec<RingAudit>) {
        (self.rows.into_values().collect(), self.unnamed, self.problems)
    }
}

impl Standing {
    fn of(state: KeyState) -> Self {
        match state {
            KeyState::Primary => Self::Primary,
            KeyState::Active => Self::Active,
            KeyState::Retired => Self::Retired,
            KeyState::Compromised => Self::Compromised,
            KeyState::Destroyed => Self::Destroyed,
        }
    }
}

fn half(id: &KeyId) -> IndexKeyName {
    let (half, _) = id.as_bytes().split_first_chunk().expect("an id has 32 bytes");
    *half
}
