//! Where no emulator can be had, the message says what to install or do.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use fireseal_emulator::{Emulator, Error};

const NEEDS_JAVA_99: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/for-java-99.jar");

/// What `exec` says when it cannot start an emulator under these circumstances.
fn message(arrange: impl FnOnce(&mut Command)) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fireseal-emulator"));
    command.env_remove("FIRESTORE_EMULATOR_HOST").env_remove("JAVA_HOME");
    arrange(&mut command);
    let output = command.args(["exec", "--", "/bin/echo", "ran"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty(), "the command ran");
    String::from_utf8(output.stderr).unwrap()
}

/// A `java` that says it is of this version, and does nothing else.
fn fake_java(directory: &Path, version: &str) {
    let java = directory.join("java");
    fs::write(&java, format!("#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")).unwrap();
    fs::set_permissions(&java, fs::Permissions::from_mode(0o755)).unwrap();
}

fn assert_says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{part:?} is missing in: {message}");
    }
}

#[test]
fn no_java() {
    let empty = tempfile::tempdir().unwrap();
    let message = message(|command| {
        command.env("PATH", empty.path());
    });
    assert_says(&message, &["no Java runtime", "install Java 21", "default-jre-headless"]);
}

#[test]
fn a_java_that_is_too_old_for_any_emulator() {
    let path = tempfile::tempdir().unwrap();
    fake_java(path.path(), "1.8.0_412");
    let message = message(|command| {
        command.env("PATH", path.path());
    });
    assert_says(&message, &["needs Java 11", "is version 8", "install a newer one"]);
}

#[test]
fn java_home_goes_before_the_path() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("bin")).unwrap();
    fake_java(&home.path().join("bin"), "1.8.0_412");
    let message = message(|command| {
        command.env("JAVA_HOME", home.path());
    });
    assert_says(&message, &["is version 8"]);
}

#[tokio::test]
async fn a_java_that_is_too_old_for_this_emulator() {
    let error = Emulator::builder().jar(NEEDS_JAVA_99).start().await.unwrap_err();
    assert!(matches!(error, Error::JavaTooOld { needed: 99, found } if found > 8), "{error}");
    assert_says(&error.to_string(), &["needs Java 99", "install a newer one"]);
}

#[tokio::test]
async fn a_jar_that_is_missing() {
    let error = Emulator::builder().jar("/no/such.jar").start().await.unwrap_err();
    assert!(matches!(error, Error::JarMissing { .. }), "{error}");
    let message = message(|command| {
        command.env("FIRESEAL_EMULATOR_JAR", "/no/such.jar");
    });
    assert_says(&message, &["no emulator jar at /no/such.jar", "FIRESEAL_EMULATOR_JAR"]);
}

#[tokio::test]
async fn a_jar_that_is_no_emulator() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = Emulator::builder().jar(file.path()).start().await.unwrap_err();
    assert!(matches!(error, Error::Exited { .. }), "{error}");
    assert_says(&error.to_string(), &["ended during its start", "Could not find or load main class"]);
}

#[tokio::test]
async fn a_port_that_is_taken() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().port();
    let error = Emulator::builder().port(taken).start().await.unwrap_err();
    assert!(matches!(error, Error::PortTaken { port } if port == taken), "{error}");
    assert_says(&error.to_string(), &[&taken.to_string(), "leave the port out"]);
}

#[test]
fn a_host_where_nobody_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    drop(listener);
    let message = message(|command| {
        command.env("FIRESTORE_EMULATOR_HOST", &host);
    });
    assert_says(&message, &[&host, "no emulator answers", "unset the variable"]);
}
