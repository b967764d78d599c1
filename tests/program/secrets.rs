//! Secrets come in by files, questions and standard input, and are shown where they were asked for only.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use super::desk::{Desk, Run};

#[tokio::test(flavor = "multi_thread")]
async fn files_with_secrets_are_closed_to_others() {
    let desk = Desk::with_file_vault().await;
    desk.ok("recovery codes --count 1 --out codes.txt");
    desk.ok("recovery backup --name safe --out backup.txt");
    desk.ok("recovery quorum --need 2 --of 2 --out .");
    desk.ok("recovery device request --name laptop --identity device.key");
    for name in
        ["authority.key", "root.key", "keys.json", "codes.txt", "backup.txt", "share-1.txt", "device.key"]
    {
        let mode = fs::metadata(desk.path(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name}");
    }
    let config = desk.read("fireseal.toml");
    assert!(
        !config.contains(desk.read("root.key").trim()) && !config.contains("fireseal-authority-secret"),
        "{config}"
    );
}

/// Another user of the machine reads the arguments of every process.
#[tokio::test(flavor = "multi_thread")]
async fn arguments_and_environment_hold_no_secret() {
    let desk = Desk::with_file_vault().await;
    let code = desk.ok("recovery codes --count 1").stdout;
    let words = ["recovery", "verify", "--from", "-"];
    let mut child = desk.spawn(&words);
    let read = |name: &str| fs::read(format!("/proc/{}/{name}", child.id())).unwrap();
    // A process that has just begun has no arguments yet.
    let seen = loop {
        let seen = [read("cmdline"), read("environ")].concat();
        let seen = String::from_utf8_lossy(&seen).into_owned();
        if seen.contains("verify") {
            break seen;
        }
    };
    child.stdin.take().unwrap().write_all(code.as_bytes()).unwrap();
    let run = Run::of(child, &words);
    assert_eq!(run.code, 0, "{}", run.transcript());
    for secret in
        [code.trim(), desk.read("root.key").trim(), desk.read("authority.key").lines().last().unwrap()]
    {
        assert!(!seen.contains(secret), "{seen}");
        assert!(!run.transcript().contains(secret), "{}", run.transcript());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_asked_for_without_echo() {
    let desk = Desk::with_file_vault().await;
    let code = desk.ok("recovery codes --count 1").stdout;
    let (seen, code_of_exit) = desk.terminal("fireseal recovery verify", &[("share: ", &code)]);
    assert_eq!(code_of_exit, 0, "{seen}");
    assert!(seen.contains("opens every key by itself; recorded"), "{seen}");
    assert!(!seen.contains(code.trim()), "{seen}");
}
