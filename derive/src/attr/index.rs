//! Reads the indexes in `#[sensitive(..)]` and `#[sealable(compound(..))]`.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::meta::ParseNestedMeta;
use syn::parse::Parse;
use syn::punctuated::Punctuated;
use syn::{Ident, LitInt, LitStr, Path, Token};

use super::bound::Bound;
use super::{once, unknown, value};
use crate::errors::Errors;
use crate::symbol;

/// One index of a field.
pub struct Index {
    /// The word as it is written.
    pub word: Path,
    pub kind: Kind,
    pub tokens: Tokens,
}

/// What can be asked of an index.
pub enum Kind {
    Equality,
    Unique,
    Prefix { min: u16, max: u16 },
    Words,
    Range(Range),
}

/// The domain and precision of a range index, all in one unit.
#[derive(Debug, PartialEq, Eq)]
pub enum Range {
    Integer { min: i128, max: i128, step: u128 },
    Decimal { min: String, max: String, step: String },
    Time { min: i64, max: i64, step: u64 },
}

/// What is said of tokens of any kind.
pub struct Tokens {
    /// The normalisers' variants, in the order written.
    pub normalize: Vec<Ident>,
    /// `normalize` as it is written.
    pub normalize_word: Option<Path>,
    pub bits: u8,
}

/// An equality index over several fields.
pub struct Compound {
    pub name: LitStr,
    pub fields: Vec<Ident>,
    pub tokens: Tokens,
}

/// A normaliser's word and its variant.
const NORMALIZERS: &[(&str, &str)] = &[
    ("trim", "Trim"),
    ("casefold", "CaseFold"),
    ("nfc", "Nfc"),
    ("nfkc", "Nfkc"),
    ("email", "Email"),
    ("digits", "Digits"),
];

/// How short a token may be, and how long it is where nothing is said, in bits.
const BITS: std::ops::RangeInclusive<u8> = 8..=128;

/// How long a beginning may be that is indexed, in characters.
const MAX_PREFIX: u16 = 64;

/// How many fields a compound index may have.
pub const MAX_PARTS: usize = 8;

impl Index {
    /// Reads the index that begins with this word; `None` where the word is another, or what follows
    /// is wrong and has been told.
    pub fn read(meta: &ParseNestedMeta<'_>, errors: &mut Errors) -> syn::Result<Option<Self>> {
        let word = meta.path.clone();
        let mut words = Words::default();
        let kind = if word.is_ident(symbol::INDEX.name) {
            words.read(meta, &[], errors)?;
            Some(Kind::Equality)
        } else if word.is_ident(symbol::UNIQUE.name) {
            words.read(meta, &[], errors)?;
            Some(Kind::Unique)
        } else if word.is_ident(symbol::WORDS.name) {
            words.read(meta, &[], errors)?;
            Some(Kind::Words)
        } else if word.is_ident(symbol::PREFIX.name) {
            words.read(meta, &[symbol::MIN, symbol::MAX], errors)?;
            words.prefix(&word, errors)
        } else {
            words.read(meta, &[symbol::MIN, symbol::MAX, symbol::STEP], errors)?;
            words.range(&word, errors)
        };
        Ok(kind.map(|kind| Self { word, kind, tokens: words.tokens() }))
    }
}

impl Compound {
    /// Reads what stands behind `compound`; `None` where it is wrong and has been told.
    pub fn read(meta: &ParseNestedMeta<'_>, errors: &mut Errors) -> syn::Result<Option<Self>> {
        let mut words = Words::default();
        words.read(meta, &[symbol::NAME, symbol::FIELDS], errors)?;
        let (Some(name), Some(fields)) = (words.name.take(), words.fields.take()) else {
            errors.at(&meta.path, format!("write `{}`", symbol::COMPOUND.usage));
            return Ok(None);
        };
        Ok(Some(Self { name, fields, tokens: words.tokens() }))
    }
}

/// The words between the parentheses of an index.
#[derive(Default)]
struct Words {
    min: Option<Bound>,
    max: Option<Bound>,
    step: Option<Bound>,
    name: Option<LitStr>,
    fields: Option<Vec<Ident>>,
    normalize: Option<Vec<Ident>>,
    normalize_word: Option<Path>,
    bits: Option<u8>,
}

impl Words {
    /// Reads the words that an index of any kind takes, and these.
    fn read(
        &mut self,
        meta: &ParseNestedMeta<'_>,
        own: &[symbol::Word],
        errors: &mut Errors,
    ) -> syn::Result<()> {
        if !meta.input.peek(syn::token::Paren) {
            return Ok(());
        }
        let is_unique = meta.path.is_ident(symbol::UNIQUE.name);
        let is_range = own.iter().any(|word| word.name == symbol::STEP.name);
        let mut words: Vec<_> = own.to_vec();
        words.extend((!is_range).then_some(symbol::NORMALIZE));
        words.extend((!is_unique).then_some(symbol::BITS));
        meta.parse_nested_meta(|inner| {
            let path = &inner.path;
            if is_range && path.is_ident(symbol::NORMALIZE.name) {
                errors.at(
                    path,
                    "a range compares numbers and times, which are not normalised; remove `normalize`",
                );
                return super::skip_value(&inner);
            }
            if is_unique && path.is_ident(symbol::BITS.name) {
                errors.at(
                    path,
                    "a unique value has a second token of 256 bits for its reservation, beside which fewer bits hide \
                     nothing; remove `bits`, or use `index` if the value need not be unique",
                );
                return super::skip_value(&inner);
            }
            let Some(word) = words.iter().find(|word| path.is_ident(word.name)) else {
                let place = format!("{}(..)`", super::name(&meta.path));
                return unknown(&inner, &place, &words, errors);
            };
            match word.name {
                "min" => fill(&mut self.min, &inner, word, errors)?,
                "max" => fill(&mut self.max, &inner, word, errors)?,
                "step" => fill(&mut self.step, &inner, word, errors)?,
                "name" => fill(&mut self.name, &inner, word, errors)?,
                "fields" => once(&mut self.fields, idents(&inner)?, path, errors),
                "bits" => {
                    if let Some(number) = value::<LitInt>(&inner, word, errors)? {
                        match number.base10_parse::<u8>() {
                            Ok(bits) if BITS.contains(&bits) => once(&mut self.bits, bits, path, errors),
                            _ => {
                                errors.at(number, "`bits` takes a number from 8 to 128, such as `bits = 32`")
                            }
                        }
                    }
                }
                _ => {
                    let normalizers = normalizers(idents(&inner)?, path, errors);
                    once(&mut self.normalize, normalizers, path, errors);
                    self.normalize_word = Some(path.clone());
                }
            }
            Ok(())
        })
    }

    fn tokens(self) -> Tokens {
        Tokens {
            normalize: self.normalize.unwrap_or_default(),
            normalize_word: self.normalize_word,
            bits: self.bits.unwrap_or(*BITS.end()),
        }
    }

    fn prefix(&self, word: &Path, errors: &mut Errors) -> Option<Kind> {
        let (Some(min), Some(max)) = (&self.min, &self.max) else {
            errors.at(
                word,
                "a prefix index needs its lengths in characters: `prefix(min = 2, max = 8)`; each length costs a token",
            );
            return None;
        };
        let lengths = [min, max].map(|bound| bound.integer().and_then(|length| u16::try_from(length).ok()));
        match lengths {
            [Some(min), Some(max)] if min >= 1 && min <= max && max <= MAX_PREFIX => {
                Some(Kind::Prefix { min, max })
            }
            _ => {
                errors.at(
                    max,
                    format!(
                        "the lengths of a prefix index are whole numbers of characters, 1 <= min <= max <= \
                         {MAX_PREFIX}, such as `prefix(min = 2, max = 8)`"
                    ),
                );
                None
            }
        }
    }

    fn range(&self, word: &Path, errors: &mut Errors) -> Option<Kind> {
        let (Some(min), Some(max), Some(step)) = (&self.min, &self.max, &self.step) else {
            errors.at(
                word,
                format!(
                    "a range index needs its bounds and its precision: `{}`, \
                     `range(min = \"0.00\", max = \"1000.00\", step = \"0.01\")` or \
                     `range(min = \"1900-01-01\", max = \"2100-01-01\", step = \"1d\")`",
                    symbol::RANGE.usage
                ),
            );
            return None;
        };
        match super::bound::range(min, max, step) {
            Ok(range) => Some(Kind::Range(range)),
            Err((at, message)) => {
                errors.at(at, message);
                None
            }
        }
    }
}

/// Reads `word = value` into its slot.
fn fill<T: Parse>(
    slot: &mut Option<T>,
    meta: &ParseNestedMeta<'_>,
    word: &symbol::Word,
    errors: &mut Errors,
) -> syn::Result<()> {
    if let Some(value) = value::<T>(meta, word, errors)? {
        once(slot, value, &meta.path, errors);
    }
    Ok(())
}

/// The names between the parentheses of a word.
fn idents(meta: &ParseNestedMeta<'_>) -> syn::Result<Vec<Ident>> {
    let content;
    syn::parenthesized!(content in meta.input);
    Ok(Punctuated::<Ident, Token![,]>::parse_terminated_with(&content, Ident::parse_any)?
        .into_iter()
        .collect())
}

fn normalizers(words: Vec<Ident>, path: &Path, errors: &mut Errors) -> Vec<Ident> {
    let mut variants: Vec<Ident> = Vec::new();
    let known = || {
        let words: Vec<_> = NORMALIZERS.iter().map(|(word, _)| format!("`{word}`")).collect();
        words.join(", ")
    };
    if words.is_empty() {
        errors.at(
            path,
            format!("`normalize` is empty; it takes {}, in the order in which they are done", known()),
        );
    }
    for word in words {
        match NORMALIZERS.iter().find(|(name, _)| word == name) {
            None => errors.at(&word, format!("unknown normaliser `{word}`; there are {}", known())),
            Some((_, variant)) if variants.iter().any(|earlier| earlier == variant) => {
                errors.at(&word, format!("`{word}` is given twice; keep one"));
            }
            Some((_, variant)) => variants.push(Ident::new(variant, word.span())),
        }
    }
    variants
}

impl ToTokens for Index {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.word.to_tokens(tokens);
    }
}
