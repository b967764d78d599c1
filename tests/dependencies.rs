//! What a user of the library gets with it: nothing that only the program or the tests need.

#![allow(missing_docs, clippy::unwrap_used)]

use std::process::Command;

/// The crates of the tree, each with its version and its features: `hmac v0.13.0|zeroize`.
fn crates(arguments: &[&str]) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--package", "fireseal", "--edges", "normal", "--prefix", "none"])
        .args(["--format", "{p}|{f}"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// Their names.
fn tree(arguments: &[&str]) -> Vec<String> {
    let crates = crates(arguments);
    let mut names: Vec<String> =
        crates.iter().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}

#[test]
fn the_default_tree_holds_the_library_only() {
    let crates = tree(&[]);
    let unwanted = [
        "age",
        "async-nats",
        "clap",
        "clap_complete",
        "clap_mangen",
        "cryptoki",
        "fireseal-emulator",
        "indicatif",
        "native-tls",
        "openssl",
        "openssl-sys",
        "proptest",
        "rcgen",
        "rpassword",
        "tempfile",
        "terminal_size",
        "trybuild",
        "vsss-rs",
    ];
    for unwanted in unwanted {
        assert!(!crates.iter().any(|name| name == unwanted), "{unwanted} is in the default tree");
    }
    println!("{} crates", crates.len());
}

/// What the compiler cannot check: these wipe what they compute with, or the identities that age keeps, and their
/// types do not say so.
#[test]
fn what_holds_keys_within_the_libraries_is_wiped() {
    let crates = crates(&["--all-features"]);
    let wiping = ["chacha20|0.10", "chacha20|0.9", "hmac|0.13", "curve25519-dalek|4", "x25519-dalek|2"];
    for wiping in wiping {
        let (name, version) = wiping.split_once('|').unwrap();
        let found: Vec<_> =
            crates.iter().filter(|line| line.starts_with(&format!("{name} v{version}"))).collect();
        assert!(
            !found.is_empty(),
            "{name} {version} is not in the tree: is there a later one to be checked?"
        );
        assert!(found.iter().all(|line| line.contains("zeroize")), "{found:?} without its feature zeroize");
    }
}

/// Whoever adds a crate to every user's tree says so here.
#[test]
fn what_the_library_names_itself_is_listed() {
    // `chacha20poly1305` is used without the feature `aws-lc`, which Cargo cannot express.
    let expected = [
        "async-trait",
        "aws-lc-rs",
        "base64",
        "chacha20",
        "chacha20poly1305",
        "ed25519-dalek",
        "fireseal",
        "fireseal-derive",
        "firestore",
        "futures",
        "getrandom",
        "hkdf",
        "hmac",
        "iban_validate",
        // Of the five for indexes, `icu_casemap` and its data alone are not in the `firestore` crate's tree.
        "icu_casemap",
        "icu_normalizer",
        "icu_properties",
        "jiff",
        "rmp",
        "rmp-serde",
        "serde",
        "serde-transcode",
        "serde_bytes",
        "serde_json",
        "serde_path_to_error",
        "sha2",
        "subtle",
        "thiserror",
        "tokio",
        "tracing",
        "unicode-segmentation",
        "zeroize",
    ];
    assert_eq!(tree(&["--depth", "1"]), expected);
}
