//! What the key of a token is expanded from: where the index stands, and what it is.
//!
//! ```text
//! label      u32 length, "fireseal v1 token key"
//! realm      u32 length, bytes; empty where none is set
//! scope      u32 length, bytes
//! place      u8 1, u32 length, the collection's id; or, for `unique`:
//!            u8 2, u32 count, the components of the collection's path as in the associated data
//! field      u32 count, then components of kind 3 as in the associated data
//! kind       u8: 1 equality, 2 prefix, 3 words, 4 range, 5 compound, 6 unique
//! normalise  u32 count, then a u8 each: 1 trim, 2 casefold, 3 nfc, 4 nfkc, 5 email, 6 digits
//! bounds     prefix: u16 min, u16 max
//!            range: u8 1 integer, 2 time, 3 decimal and its u32 scale; i128 min, i128 max, u128 step
//!            other kinds: nothing
//! bits       u8
//! ```
//!
//! All integers are little-endian. A decimal's bounds are in units of `10^-scale`, with the smallest scale
//! that holds all three.

use super::info::Normalizer;
use super::range::{Buckets, Unit};
use crate::bytes::context::{COLLECTION, DOCUMENT, KEY, push_bytes, push_component, push_length};
use crate::bytes::{CollectionPath, Location, Scope};
use crate::keys::labels::{RESERVATION_KEY, TOKEN_KEY};

/// Where the indexes of a collection, or of all collections with one id, stand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IndexPlace<'a> {
    pub(crate) realm: Option<&'a str>,
    pub(crate) scope: &'a Scope,
    /// The collection's id.
    pub(crate) collection: &'a str,
}

impl IndexPlace<'_> {
    pub(super) fn encode(self) -> Vec<u8> {
        let mut out = self::place(TOKEN_KEY, self.realm, self.scope);
        out.push(1);
        push_bytes(&mut out, self.collection.as_bytes());
        out
    }
}

/// The place of a unique index: one collection.
pub(super) fn unique(realm: Option<&str>, scope: &Scope, collection: &CollectionPath) -> Vec<u8> {
    let mut out = place(TOKEN_KEY, realm, scope);
    out.push(2);
    let segments = collection.as_str().split('/');
    push_length(&mut out, segments.clone().count());
    push_segments(&mut out, segments);
    out
}

/// The place of reservations: a scope. What they reserve is in their tokens.
pub(super) fn reservations(location: &Location) -> Vec<u8> {
    place(RESERVATION_KEY, location.realm(), location.scope())
}

fn place(label: &[u8], realm: Option<&str>, scope: &Scope) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    push_bytes(&mut out, label);
    push_bytes(&mut out, realm.unwrap_or_default().as_bytes());
    push_bytes(&mut out, scope.as_str().as_bytes());
    out
}

pub(super) fn push_segments<'a>(out: &mut Vec<u8>, segments: impl Iterator<Item = &'a str>) {
    for (position, segment) in segments.enumerate() {
        push_component(out, if position % 2 == 0 { COLLECTION } else { DOCUMENT }, segment.as_bytes());
    }
}

/// What one token key is of.
#[derive(Debug, Clone, Copy)]
pub(super) enum What<'a> {
    Equality,
    Prefix { min: u16, max: u16 },
    Words,
    Range(&'a Buckets),
    Compound,
    Unique,
}

/// Everything behind the place.
pub(super) fn push_what(
    out: &mut Vec<u8>,
    path: &[String],
    what: What<'_>,
    normalize: &[Normalizer],
    bits: u8,
) {
    push_length(out, path.len());
    path.iter().for_each(|name| push_component(out, KEY, name.as_bytes()));
    out.push(match what {
        What::Equality => 1,
        What::Prefix { .. } => 2,
        What::Words => 3,
        What::Range(_) => 4,
        What::Compound => 5,
        What::Unique => 6,
    });
    push_length(out, normalize.len());
    out.extend(normalize.iter().map(|step| match step {
        Normalizer::Trim => 1,
        Normalizer::CaseFold => 2,
        Normalizer::Nfc => 3,
        Normalizer::Nfkc => 4,
        Normalizer::Email => 5,
        Normalizer::Digits => 6,
    }));
    match what {
        What::Prefix { min, max } => {
            out.extend_from_slice(&min.to_le_bytes());
            out.extend_from_slice(&max.to_le_bytes());
        }
        What::Range(buckets) => push_buckets(out, buckets),
        _ => {}
    }
    out.push(bits);
}

fn push_buckets(out: &mut Vec<u8>, buckets: &Buckets) {
    match buckets.unit {
        Unit::One => out.push(1),
        Unit::Second => out.push(2),
        Unit::Decimal { scale } => {
            out.push(3);
            push_length(out, scale);
        }
    }
    out.extend_from_slice(&buckets.min.to_le_bytes());
    out.extend_from_slice(&buckets.max.to_le_bytes());
    out.extend_from_slice(&buckets.step.to_le_bytes());
}
