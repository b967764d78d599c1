//! The tokens of a document: what stands in `_seal.idx`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::canonical::Canonical;
use super::info::{IndexInfo, IndexKind, Normalizer};
use super::normal::Normal;
use super::place::{IndexPlace, What, push_what, unique};
use super::range::Buckets;
use super::scalar::{NotIndexable, Scalar};
use super::walk::{Terms, Values};
use crate::bytes::{FieldPath, FieldStep, Location};
use crate::keys::{IndexKey, PlaceKeys, TokenKey};
use crate::seal::error::SealError;

/// The most tokens that one document takes: each is an index entry of Firestore's, which takes 40,000.
pub(crate) const MAX_TOKENS: usize = 1_000;

/// The tokens of one field or compound index.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Entry {
    /// The first 16 bytes of the index key's id.
    pub(crate) key: [u8; 16],
    pub(crate) eq: Option<Vec<u8>>,
    pub(crate) unique: Option<[u8; 32]>,
    /// Sorted by their bytes, as the next two are.
    pub(crate) prefix: Vec<Vec<u8>>,
    pub(crate) words: Vec<Vec<u8>>,
    pub(crate) range: Vec<Vec<u8>>,
}

impl Entry {
    /// How many tokens it has.
    pub(crate) fn count(&self) -> usize {
        let single = usize::from(self.eq.is_some()) + usize::from(self.unique.is_some());
        single + self.prefix.len() + self.words.len() + self.range.len()
    }
}

/// How an index key is called in `_seal.idx`.
pub(crate) fn epoch(key: &IndexKey) -> [u8; 16] {
    let mut epoch = [0; 16];
    epoch.copy_from_slice(&key.id().as_bytes()[..16]);
    epoch
}

/// The name of a field or compound index under `_seal.idx`: names joined by dots; a dot or a backslash in
/// a name has a backslash in front.
pub(crate) fn entry_name(path: &[String]) -> String {
    let mut entry = String::with_capacity(path.iter().map(|name| name.len() + 1).sum());
    for (position, name) in path.iter().enumerate() {
        if position > 0 {
            entry.push('.');
        }
        for letter in name.chars() {
            if matches!(letter, '.' | '\\') {
                entry.push('\\');
            }
            entry.push(letter);
        }
    }
    entry
}

/// The tokens of a document under one index key, by the names of [`entry_name`].
///
/// # Errors
/// A value that its index does not take, or more than [`MAX_TOKENS`].
pub(crate) fn tokens(
    terms: &[Terms],
    key: &IndexKey,
    location: &Location,
) -> Result<BTreeMap<String, Entry>, SealError> {
    let mut maker = Maker::of(key, location);
    let mut entries = BTreeMap::new();
    for term in terms {
        let failed = |source| {
            let steps = term.path.iter().cloned().map(FieldStep::Key).collect();
            SealError::NotIndexable { field: FieldPath::new(steps), source }
        };
        let mut entry = Entry { key: epoch(key), ..Entry::default() };
        match &term.values {
            Values::Closed => continue,
            Values::Compound { info, parts } => {
                entry.eq =
                    Some(maker.compound(&term.path, parts, info.normalize, info.bits).map_err(failed)?);
            }
            Values::Field { infos, value } => {
                for info in *infos {
                    fill(&mut entry, &mut maker, &term.path, value, info).map_err(failed)?;
                    if info.kind == IndexKind::Unique {
                        let place = unique(location.realm(), location.scope(), &location.document().parent());
                        let mut maker = Maker::at(key, &place);
                        entry.unique = Some(maker.unique(&term.path, value, info.normalize).map_err(failed)?);
                    }
                }
            }
        }
        if entries.insert(entry_name(&term.path), entry).is_some() {
            return Err(failed(NotIndexable::NameTaken));
        }
    }
    let count = entries.values().map(Entry::count).sum();
    if count > MAX_TOKENS {
        return Err(SealError::TooManyTokens { count });
    }
    Ok(entries)
}

/// The tokens of one field, but those of a unique index, which stand at a place of their own.
pub(crate) fn fill_field(maker: &mut Maker<'_>, term: &Terms) -> Result<Entry, NotIndexable> {
    let mut entry = Entry::default();
    if let Values::Field { infos, value } = &term.values {
        infos.iter().try_for_each(|info| fill(&mut entry, maker, &term.path, value, info))?;
    }
    Ok(entry)
}

/// Makes the tokens of one index of a field.
pub(super) fn fill(
    entry: &mut Entry,
    maker: &mut Maker<'_>,
    path: &[String],
    value: &Scalar,
    info: &IndexInfo,
) -> Result<(), NotIndexable> {
    match &info.kind {
        IndexKind::Equality | IndexKind::Unique => entry.eq = Some(maker.equality(path, value, info)?),
        IndexKind::Prefix { min, max } => {
            let text = text(value, info)?;
            entry.prefix = maker.prefixes(path, info, beginnings(&text, *min, *max))?;
        }
        IndexKind::Words => {
            let text = text(value, info)?;
            let words: BTreeSet<&str> = text.words().collect();
            entry.words = maker.words(path, info, words);
        }
        IndexKind::Range(range) => {
            let buckets = Buckets::of(range)?;
            let intervals = buckets.intervals(&buckets.point(value)?);
            entry.range = maker.intervals(path, info, &buckets, intervals);
        }
    }
    Ok(())
}

/// The text that a prefix or words index is of, normalised.
pub(super) fn text<'a>(value: &'a Scalar, info: &IndexInfo) -> Result<Normal<'a>, NotIndexable> {
    match value {
        Scalar::Text(text) => Ok(Normal::of(text, info.normalize)),
        _ => Err(NotIndexable::NotText),
    }
}

/// The beginnings of a text that have `min` to `max` characters.
fn beginnings(text: &str, min: u16, max: u16) -> impl Iterator<Item = &str> {
    let ends = text.char_indices().map(|(start, letter)| start + letter.len_utf8());
    let (min, max) = (usize::from(min.max(1)), usize::from(max));
    ends.take(max).skip(min - 1).filter_map(|end| text.get(..end))
}

/// Makes tokens under one index key at one place.
pub(crate) struct Maker<'a> {
    key: &'a IndexKey,
    keys: Arc<PlaceKeys>,
    next: usize,
    what: Vec<u8>,
    value: Canonical,
}

impl<'a> Maker<'a> {
    pub(super) fn new(key: &'a IndexKey, place: IndexPlace<'_>) -> Self {
        Self::at(key, &place.encode())
    }

    /// At the place of a document's collection.
    pub(crate) fn of(key: &'a IndexKey, location: &Location) -> Self {
        // A document's path has at least two names.
        let collection = location.document().as_str().rsplit('/').nth(1).unwrap_or_default();
        Self::new(key, IndexPlace { realm: location.realm(), scope: location.scope(), collection })
    }

    pub(super) fn at(key: &'a IndexKey, place: &[u8]) -> Self {
        Self { key, keys: key.place(place), next: 0, what: Vec::with_capacity(96), value: Canonical::empty() }
    }

    fn token_key(
        &mut self,
        path: &[String],
        what: What<'_>,
        normalize: &[Normalizer],
        bits: u8,
    ) -> Arc<TokenKey> {
        self.what.clear();
        push_what(&mut self.what, path, what, normalize, bits);
        self.keys.key(self.key, &self.what, &mut self.next)
    }

    /// A unique index has the equality tokens of an equality index.
    pub(super) fn equality(
        &mut self,
        path: &[String],
        value: &Scalar,
        info: &IndexInfo,
    ) -> Result<Vec<u8>, NotIndexable> {
        let key = self.token_key(path, What::Equality, info.normalize, info.bits);
        Ok(cut(&key.token(self.value.value(value, info.normalize)?), info.bits))
    }

    pub(super) fn unique(
        &mut self,
        path: &[String],
        value: &Scalar,
        normalize: &[Normalizer],
    ) -> Result<[u8; 32], NotIndexable> {
        let key = self.token_key(path, What::Unique, normalize, 0);
        Ok(key.token(self.value.value(value, normalize)?))
    }

    pub(super) fn compound(
        &mut self,
        path: &[String],
        parts: &[Scalar],
        normalize: &[Normalizer],
        bits: u8,
    ) -> Result<Vec<u8>, NotIndexable> {
        let key = self.token_key(path, What::Compound, normalize, bits);
        Ok(cut(&key.token(self.value.compound(parts, normalize)?), bits))
    }

    pub(super) fn prefixes<'t>(
        &mut self,
        path: &[String],
        info: &IndexInfo,
        beginnings: impl Iterator<Item = &'t str>,
    ) -> Result<Vec<Vec<u8>>, NotIndexable> {
        let IndexKind::Prefix { min, max } = info.kind else { return Err(NotIndexable::Bounds) };
        if min == 0 || max < min {
            return Err(NotIndexable::Bounds);
        }
        let key = self.token_key(path, What::Prefix { min, max }, info.normalize, info.bits);
        Ok(sorted(beginnings.map(|text| key.token(self.value.text(text))), info.bits))
    }

    pub(super) fn words<'t>(
        &mut self,
        path: &[String],
        info: &IndexInfo,
        words: impl IntoIterator<Item = &'t str>,
    ) -> Vec<Vec<u8>> {
        let key = self.token_key(path, What::Words, info.normalize, info.bits);
        sorted(words.into_iter().map(|word| key.token(self.value.text(word))), info.bits)
    }

    pub(super) fn intervals(
        &mut self,
        path: &[String],
        info: &IndexInfo,
        buckets: &Buckets,
        intervals: impl IntoIterator<Item = super::range::Interval>,
    ) -> Vec<Vec<u8>> {
        let key = self.token_key(path, What::Range(buckets), &[], info.bits);
        sorted(intervals.into_iter().map(|one| key.token(self.value.interval(one))), info.bits)
    }
}

/// The first bits of a token. What is left of the last byte is zero.
fn cut(token: &[u8; 32], bits: u8) -> Vec<u8> {
    short(first(token, bits), bits)
}

/// The first bits of a token, as a number that sorts as its bytes do.
fn first(token: &[u8; 32], bits: u8) -> u128 {
    let (first, _) = token.split_first_chunk().expect("32 bytes have 16 in front");
    u128::from_be_bytes(*first) & (u128::MAX << (128 - bits.clamp(8, 128)))
}

/// As many bytes as hold the bits.
fn short(first: u128, bits: u8) -> Vec<u8> {
    let bytes = first.to_be_bytes();
    bytes.get(..usize::from(bits.clamp(8, 128)).div_ceil(8)).unwrap_or(&bytes).to_vec()
}

/// Cut, and sorted by their bytes, each once: their order tells nothing.
fn sorted(tokens: impl Iterator<Item = [u8; 32]>, bits: u8) -> Vec<Vec<u8>> {
    let mut firsts: Vec<_> = tokens.map(|token| first(&token, bits)).collect();
    firsts.sort_unstable();
    firsts.dedup();
    firsts.into_iter().map(|first| short(first, bits)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Range;
    use super::*;
    use crate::bytes::DocumentPath;

    fn key() -> IndexKey {
        IndexKey::from_bytes(&[7; 32])
    }

    const fn index(kind: IndexKind) -> IndexInfo {
        IndexInfo { kind, normalize: &[], bits: 128 }
    }

    const TEXTS: &[IndexInfo] =
        &[index(IndexKind::Unique), index(IndexKind::Prefix { min: 2, max: 4 }), index(IndexKind::Words)];
    const NUMBERS: &[IndexInfo] = &[index(IndexKind::Range(Range::Integer { min: 0, max: 7, step: 1 }))];

    fn term(infos: &'static [IndexInfo], value: Scalar) -> Terms {
        Terms { path: vec!["field".to_owned()], values: Values::Field { infos, value } }
    }

    fn location() -> Location {
        Location::new(DocumentPath::parse("people/ada").expect("valid"))
    }

    fn entry(infos: &'static [IndexInfo], value: Scalar) -> Entry {
        let mut entries = tokens(&[term(infos, value)], &key(), &location()).expect("indexable");
        entries.remove("field").expect("one entry")
    }

    #[test]
    fn an_entry_counts_all_its_tokens_and_names_its_key() {
        let text = entry(TEXTS, Scalar::Text("Ada B C".to_owned()));
        assert!(text.eq.is_some() && text.unique.is_some());
        assert_eq!((text.prefix.len(), text.words.len(), text.count()), (3, 3, 8));
        assert_eq!(text.key, key().id().as_bytes()[..16]);
        let number = entry(NUMBERS, Scalar::Integer(5));
        assert_eq!((number.range.len(), number.count()), (4, 4));
        let both = Entry { range: number.range, ..text };
        assert_eq!(both.count(), 12);
    }

    #[test]
    fn a_field_alone_has_the_tokens_that_it_has_in_its_document() {
        let text = || Scalar::Text("Ada B C".to_owned());
        let alone = fill_field(&mut Maker::of(&key(), &location()), &term(TEXTS, text())).expect("indexable");
        let whole = entry(TEXTS, text());
        assert_eq!(alone, Entry { key: [0; 16], unique: None, ..whole });
        let closed = Terms { path: vec!["field".to_owned()], values: Values::Closed };
        assert_eq!(fill_field(&mut Maker::of(&key(), &location()), &closed), Ok(Entry::default()));
        assert!(tokens(&[closed], &key(), &location()).expect("nothing to be made").is_empty());
    }

    #[test]
    fn beginnings_have_as_many_characters_as_the_index_says() {
        let of = |text, min, max| beginnings(text, min, max).collect::<Vec<_>>();
        assert_eq!(of("Zoë!", 2, 3), ["Zo", "Zoë"]);
        assert_eq!(of("Zoë!", 3, 3), ["Zoë"]);
        assert_eq!(of("Zoë!", 1, 9), ["Z", "Zo", "Zoë", "Zoë!"]);
        assert!(of("Zoë!", 5, 9).is_empty());
        const THREE: &[IndexInfo] = &[index(IndexKind::Prefix { min: 3, max: 3 })];
        assert_eq!(entry(THREE, Scalar::Text("Zoë!".to_owned())).prefix.len(), 1);
    }

    #[test]
    fn a_token_is_cut_to_its_bits() {
        let token = [0xff; 32];
        assert_eq!(cut(&token, 8), [0xff]);
        assert_eq!(cut(&token, 13), [0xff, 0xf8]);
        assert_eq!(cut(&token, 16), [0xff, 0xff]);
        assert_eq!(cut(&token, 127)[15], 0xfe);
        assert_eq!(cut(&token, 128), [0xff; 16]);
        assert_eq!((cut(&token, 0), cut(&token, 255)), (vec![0xff], vec![0xff; 16]));
        let tokens = [[3; 32], [1; 32], [3; 32], [2; 32]];
        assert_eq!(sorted(tokens.into_iter(), 8), [[1], [2], [3]]);
    }
}
