//! A reader that shares no code with fireseal opens every positive vector and refuses every hostile one.

#![allow(clippy::unwrap_used)]

#[path = "support/decoder.rs"]
mod support;

use std::path::Path;
use std::process::Command;

use support::python;

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
