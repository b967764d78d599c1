//! The words of the attributes, and the names that nothing sealed may be stored under.

/// A word of an attribute.
pub struct Word {
    /// The word itself.
    pub name: &'static str,
    /// How it is written in full, for messages.
    pub usage: &'static str,
}

pub const COLLECTION: Word = Word { name: "collection", usage: "collection = \"customers\"" };
pub const SCOPE: Word = Word { name: "scope", usage: "scope = tenant_id" };
pub const SEALED: Word = Word { name: "sealed", usage: "sealed = Name" };
pub const DERIVE: Word = Word { name: "derive", usage: "derive(PartialEq)" };
pub const DEBUG: Word = Word { name: "debug", usage: "debug" };
pub const ZEROIZE: Word = Word { name: "zeroize", usage: "zeroize" };
pub const CRATE: Word = Word { name: "crate", usage: "crate = path" };

/// `#[sealable(..)]` on a struct or enum.
pub const CONTAINER: &[Word] = &[COLLECTION, SCOPE, SEALED, DERIVE, DEBUG, ZEROIZE, CRATE];

pub const ID: Word = Word { name: "id", usage: "id" };
pub const NESTED: Word = Word { name: "nested", usage: "nested" };

/// `#[sealable(..)]` on a field.
pub const FIELD: &[Word] = &[ID, NESTED];

pub const BYTES: Word = Word { name: "bytes", usage: "bytes" };
pub const PAD: Word = Word { name: "pad", usage: "pad = 64" };

/// `#[sensitive(..)]` on a field.
pub const SENSITIVE: &[Word] = &[BYTES, PAD];

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
