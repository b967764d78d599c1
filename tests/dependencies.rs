//! What a user of the library gets with it: nothing that only the program or the tests need.

#![allow(missing_docs, clippy::unwrap_used)]

use std::process::Command;

fn tree(arguments: &[&str]) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--package", "fireseal", "--edges", "normal", "--prefix", "none"])
        .args(["--format", "{p}"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut crates: Vec<String> =
        text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect();
    crates.sort();
    crates.dedup();
    crates
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
        "thiserror",
        "tokio",
        "tracing",
        "unicode-segmentation",
        "zeroize",
    ];
    assert_eq!(tree(&["--depth", "1"]), expected);
}
