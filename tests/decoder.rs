//! A reader that shares no code with fireseal opens every positive vector and refuses every hostile one.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

/// A Python that has libsodium and MessagePack; panics, saying what to do, where there is none.
fn python() -> PathBuf {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/decoder-venv/bin/python");
    let named = std::env::var_os("FIRESEAL_PYTHON").map(PathBuf::from);
    let candidates: Vec<_> = named.into_iter().chain([ours]).collect();
    let able = |python: &&PathBuf| {
        let imports = Command::new(python).args(["-c", "import nacl.bindings, msgpack"]).output();
        imports.is_ok_and(|output| output.status.success())
    };
    candidates.iter().find(able).cloned().unwrap_or_else(|| {
        panic!(
            "none of {candidates:?} is a Python with PyNaCl and msgpack. Run `python3 -m venv target/decoder-venv \
             && target/decoder-venv/bin/pip install -r tests/decoder/requirements.txt`, or name one in FIRESEAL_PYTHON"
        )
    })
}

#[test]
fn another_implementation_agrees_on_every_vector() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let output = Command::new(python())
        .arg(tests.join("decoder/decode.py"))
        .arg(tests.join("vectors"))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("{told}");
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    let passed: usize = told.split_whitespace().next().unwrap().parse().unwrap();
    assert!(passed >= 150, "only {passed} vectors were tried");
    assert!(told.contains(", 0 failed"), "{told}");
}

#[test]
fn the_decoder_stays_short() {
    let program = include_str!("decoder/decode.py");
    assert!(program.lines().count() <= 150, "decode.py has {} lines", program.lines().count());
}
