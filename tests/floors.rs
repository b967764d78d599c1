//! The floors: a file imports from its own floor or a lower one, and no file is long.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "support/promise.rs"]
mod promise;

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Which rooms of `src` a room may import from. It stands on the highest floor among them.
///
/// The store stands on floor 3 and still sees floor 0 only: it never gets at keys or plaintext.
const ROOMS: &[(&str, &[&str])] = &[
    ("bytes", &["bytes"]),
    ("keys", &["bytes", "keys"]),
    ("seal", &["bytes", "keys", "seal"]),
    ("store", &["bytes", "store"]),
    ("query", &["bytes", "keys", "seal", "store", "query"]),
    ("indexes", &["bytes", "seal", "store", "query", "indexes"]),
    ("message", &["bytes", "keys", "seal", "message"]),
    ("repository", &["bytes", "keys", "seal", "store", "query", "repository", "error"]),
    ("custody", &["bytes", "keys", "store", "custody"]),
    ("grpc", &["bytes", "keys", "seal", "message", "grpc"]),
    ("nats", &["bytes", "keys", "seal", "message", "nats"]),
    ("error", &["bytes", "keys", "seal", "store", "query", "error"]),
];

/// Files without a floor: the contents page, what generated code names, and the documentation's code.
const ANYWHERE: &[&str] = &["lib", "private", "doctests"];

/// What the tests in `src` count with. It is built for tests only, and stands beside the floors.
const FOR_TESTS: &str = "promise";

const MAX_LINES: usize = 500;

/// Test code that may be longer: it needs fixed nonces, so it cannot stand in `tests/`.
const LONG_TESTS: &[&str] = &["src/seal/vectors.rs"];

#[test]
fn imports_go_down_and_files_are_short() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut lines, mut imports, mut wrong) = (0, 0, Vec::new());
    let files = rust_files(&src);
    for file in &files {
        let text = fs::read_to_string(file).unwrap();
        let file = file.strip_prefix(&src).unwrap().with_extension("");
        let modules: Vec<&str> = file.iter().map(|name| name.to_str().unwrap()).collect();
        lines += text.lines().count();
        imports += imported_rooms(&modules, &text).len();
        wrong.extend(violations(&modules, &text));
    }
    println!("{} files, {lines} lines, {imports} imports between rooms and within them", files.len());
    assert!(files.len() > 30 && imports > 50, "the scan does not see the source");
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
    promise::Promise::kept("floors", imports);
}

#[test]
fn every_room_is_listed_and_listed_rooms_exist() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for file in rust_files(&src).iter().filter(|file| file.parent() == Some(&src)) {
        let room = file.file_stem().unwrap().to_str().unwrap();
        let listed = ROOMS.iter().any(|(name, _)| *name == room) || ANYWHERE.contains(&room);
        assert!(listed, "src/{room}.rs stands on no floor: give it one in tests/floors.rs");
    }
    for (room, _) in ROOMS {
        assert!(src.join(room).with_extension("rs").is_file(), "there is no room {room}");
    }
}

#[test]
fn a_wrong_import_is_found_however_it_is_written() {
    let found = |modules: &[&str], text: &str| violations(modules, text).len();
    let aead = ["bytes", "aead"];
    assert_eq!(found(&aead, "use crate::keys::DataKey;"), 1);
    assert_eq!(found(&aead, "use crate::{bytes::KeyId, keys::DataKey, seal};"), 2);
    assert_eq!(found(&aead, "use crate::{self as root};"), 1);
    assert_eq!(found(&aead, "use crate::*;"), 1);
    assert_eq!(found(&aead, "fn f(key: &crate::keys::DataKey) {}"), 1);
    assert_eq!(found(&aead, "use super::super::keys::DataKey;"), 1);
    assert_eq!(found(&aead, "use super::{envelope, super::keys};"), 1);
    assert_eq!(found(&aead, "mod tests { use super::super::super::keys; }"), 1);
    assert_eq!(found(&aead, "macro_rules! m { () => { $crate::store::Value } }"), 1);
    assert_eq!(found(&["bytes"], "use super::keys::DataKey;"), 1);
    assert_eq!(found(&["store", "firestore", "wire"], "use crate::keys::DataKey;"), 1);
    assert_eq!(found(&["store"], "use crate::seal::Sealed;"), 1);
    assert_eq!(found(&["seal", "sealed"], "use crate::store::Value;"), 1);
    assert_eq!(found(&["repository", "keyed"], "use crate::doctests::Readme;"), 1);
    assert_eq!(found(&["seal", "sealed"], "use crate::Repository;"), 1);
    assert_eq!(found(&["attic"], ""), 1);
    assert_eq!(found(&["bytes", "mod"], ""), 1);
    assert_eq!(found(&aead, &"\n".repeat(MAX_LINES + 1)), 1);
}

#[test]
fn a_right_import_is_let_through() {
    let found = |modules: &[&str], text: &str| violations(modules, text);
    let nothing: Vec<String> = Vec::new();
    assert_eq!(found(&["bytes", "aead"], "use super::envelope; use crate::bytes::KeyId;"), nothing);
    assert_eq!(found(&["bytes", "aead"], "mod tests { use super::super::envelope; }"), nothing);
    assert_eq!(found(&["bytes", "aead"], "pub(crate) fn f() {} // crate::keys"), nothing);
    assert_eq!(
        found(&["bytes", "aead"], "/// See [`crate::keys`].\nfn f() -> &str { \"crate::keys\" }"),
        nothing
    );
    assert_eq!(found(&["seal"], "use crate::{bytes::{KeyId, Scope}, keys::DataKey};"), nothing);
    assert_eq!(found(&["store", "memory"], "use crate::bytes::DocumentPath; use other::keys;"), nothing);
    assert_eq!(found(&["repository"], "use crate::{bytes, error, keys, seal, store};"), nothing);
    assert_eq!(found(&["repository", "list"], "use crate::Sealable;"), nothing);
    assert_eq!(found(&["private"], "pub use crate::seal::Walk;"), nothing);
    assert_eq!(found(&["lib"], "pub use repository::Repository;"), nothing);
}

/// What is wrong with a file, given as its modules from the root of the crate and its text.
fn violations(modules: &[&str], text: &str) -> Vec<String> {
    let file = format!("src/{}.rs", modules.join("/"));
    let mut wrong = Vec::new();
    if modules.last() == Some(&"mod") {
        wrong.push(format!("{file}: name it after its module, beside the folder"));
    }
    let lines = text.lines().count();
    if lines > MAX_LINES && !LONG_TESTS.contains(&file.as_str()) {
        wrong.push(format!("{file}: {lines} lines; split it, {MAX_LINES} are the most"));
    }
    if ANYWHERE.contains(&modules[0]) {
        return wrong;
    }
    let Some((_, allowed)) = ROOMS.iter().find(|(room, _)| *room == modules[0]) else {
        wrong.push(format!("{file}: `{}` stands on no floor", modules[0]));
        return wrong;
    };
    let imports = imported_rooms(modules, text);
    // What the contents page re-exports may come from any floor, so only the highest may name it.
    let sees_all = |name: &str| modules[0] == "repository" && name.starts_with(char::is_uppercase);
    let may_see = |room: &str| room == FOR_TESTS || allowed.contains(&room) || sees_all(room);
    let upward = imports.iter().filter(|room| !may_see(room));
    wrong.extend(upward.map(|room| format!("{file}: imports `{room}`; it may see {}", allowed.join(", "))));
    wrong
}

/// The first name after the crate's root of every path in a file, `*` and `self` included.
fn imported_rooms(modules: &[&str], text: &str) -> Vec<String> {
    let depth = if modules == ["lib"] { 0 } else { modules.len() };
    let mut rooms = Vec::new();
    scan(TokenStream::from_str(text).unwrap(), depth, &mut rooms);
    rooms
}

/// Looks for paths in all tokens, macros included. `depth` counts the modules around them.
fn scan(tokens: TokenStream, depth: usize, rooms: &mut Vec<String>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        let begins = at < 2 || !is_path_separator(&tokens[at - 2..]);
        match &tokens[at] {
            TokenTree::Ident(root) if begins && root == "crate" => follow(&tokens[at..], 0, rooms),
            TokenTree::Ident(root) if begins && root == "self" => follow(&tokens[at..], depth, rooms),
            TokenTree::Ident(root) if begins && root == "super" => {
                follow(&tokens[at..], depth.saturating_sub(1), rooms);
            }
            TokenTree::Group(group) => {
                let module = at >= 2
                    && group.delimiter() == Delimiter::Brace
                    && matches!(&tokens[at - 2], TokenTree::Ident(word) if word == "mod");
                scan(group.stream(), depth + usize::from(module), rooms);
            }
            _ => {}
        }
        at += 1;
    }
}

/// Follows a path from its first name, which stands `level` modules below the crate's root.
fn follow(path: &[TokenTree], level: usize, rooms: &mut Vec<String>) {
    let Some(rest) = path.get(1..).filter(|rest| is_path_separator(rest)).map(|rest| &rest[2..]) else {
        return;
    };
    match rest.first() {
        Some(TokenTree::Ident(word)) if word == "super" => follow(rest, level.saturating_sub(1), rooms),
        Some(TokenTree::Group(group)) => {
            let list: Vec<TokenTree> = group.stream().into_iter().collect();
            for entry in list.split(|token| is_punct(token, ',')).filter(|entry| !entry.is_empty()) {
                match &entry[0] {
                    TokenTree::Ident(word) if word == "super" => {
                        follow(entry, level.saturating_sub(1), rooms)
                    }
                    name if level == 0 => rooms.push(name.to_string()),
                    _ => {}
                }
            }
        }
        Some(name) if level == 0 => rooms.push(name.to_string()),
        _ => {}
    }
}

fn is_path_separator(tokens: &[TokenTree]) -> bool {
    matches!(tokens, [first, second, ..] if is_punct(first, ':') && is_punct(second, ':'))
}

fn is_punct(token: &TokenTree, character: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == character)
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}
