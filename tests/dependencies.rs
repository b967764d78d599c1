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
    assert!(crates.iter().any(|name| name == "firestore"));
    let unwanted = [
        "clap",
        "indicatif",
        "fireseal-emulator",
        "proptest",
        "trybuild",
        "openssl",
        "openssl-sys",
        "native-tls",
        "age",
        "async-nats",
        "cryptoki",
    ];
    for unwanted in unwanted {
        assert!(!crates.iter().any(|name| name == unwanted), "{unwanted} is in the default tree");
    }
    println!("{} crates", crates.len());
}
