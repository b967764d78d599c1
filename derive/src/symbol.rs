//! The words of the attributes, and the names that nothing sealed may be stored under.

/// A word of an attribute.
#[derive(Clone, Copy)]
pub struct Word {
    /// The word itself.
    pub name: &'static str,
    /// How it is written in full, for messages.
    pub usage: &'static str,
}

pub const COLLECTION: Word = Word { name: "collection", usage: "collection = \"customers\"" };
pub const SCOPE: Word = Word { name: "scope", usage: "scope = tenant_id" };
pub const AUTHENTICATED: Word = Word { name: "authenticated", usage: "authenticated" };
pub const SEALED: Word = Word { name: "sealed", usage: "sealed = Name" };
pub const DERIVE: Word = Word { name: "derive", usage: "derive(PartialEq)" };
pub const DEBUG: Word = Word { name: "debug", usage: "debug" };
pub const ZEROIZE: Word = Word { name: "zeroize", usage: "zeroize" };
pub const CRATE: Word = Word { name: "crate", usage: "crate = path" };

pub const COMPOUND: Word =
    Word { name: "compound", usage: "compound(name = \"full_name\", fields(first, last))" };

/// `#[sealable(..)]` on a struct or enum.
pub const CONTAINER: &[Word] =
    &[COLLECTION, SCOPE, AUTHENTICATED, SEALED, DERIVE, DEBUG, ZEROIZE, CRATE, COMPOUND];

pub const ID: Word = Word { name: "id", usage: "id" };
pub const NESTED: Word = Word { name: "nested", usage: "nested" };
pub const UNBOUND: Word = Word { name: "unbound", usage: "unbound" };

/// `#[sealable(..)]` on a field.
pub const FIELD: &[Word] = &[ID, NESTED, UNBOUND];

pub const BYTES: Word = Word { name: "bytes", usage: "bytes" };
pub const PAD: Word = Word { name: "pad", usage: "pad = 64" };

pub const INDEX: Word = Word { name: "index", usage: "index" };
pub const UNIQUE: Word = Word { name: "unique", usage: "unique" };
pub const PREFIX: Word = Word { name: "prefix", usage: "prefix(min = 2, max = 8)" };
pub const WORDS: Word = Word { name: "words", usage: "words" };
pub const RANGE: Word = Word { name: "range", usage: "range(min = 0, max = 1000, step = 10)" };

/// `#[sensitive(..)]` on a field.
pub const SENSITIVE: &[Word] = &[BYTES, PAD, INDEX, UNIQUE, PREFIX, WORDS, RANGE];

/// The indexes among them.
pub const INDEXES: &[Word] = &[INDEX, UNIQUE, PREFIX, WORDS, RANGE];

// Within an index.
pub const MIN: Word = Word { name: "min", usage: "min = 0" };
pub const MAX: Word = Word { name: "max", usage: "max = 1000" };
pub const STEP: Word = Word { name: "step", usage: "step = 10" };
pub const NAME: Word = Word { name: "name", usage: "name = \"full_name\"" };
pub const FIELDS: Word = Word { name: "fields", usage: "fields(first, last)" };
pub const NORMALIZE: Word = Word { name: "normalize", usage: "normalize(trim, casefold)" };
pub const BITS: Word = Word { name: "bits", usage: "bits = 32" };

/// The map in which fireseal keeps everything that is not a field.
pub const SEAL_MAP: &str = "_seal";

/// Names that the `firestore` crate overwrites when it reads a document.
pub const INJECTED: &[&str] =
    &["_firestore_id", "_firestore_full_id", "_firestore_created", "_firestore_updated"];

/// The words of a list as a message shows them.
pub fn usages(words: &[Word]) -> String {
    let all: Vec<_> = words.iter().map(|word| format!("`{}`", word.usage)).collect();
    all.join(", ")
}

/// Whether one of the words has this name.
pub fn has(words: &[Word], name: &syn::Path) -> bool {
    words.iter().any(|word| name.is_ident(word.name))
}
