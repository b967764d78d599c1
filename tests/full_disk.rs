//! A disk that is full while a vault in a file is changed: the old file stays as it was, nothing is left lying about,
//! the error says what happened, and once there is room it goes on.
//!
//! The test starts itself anew under a limit on the length of files (EFBIG), and, where it may mount one, on a file
//! system of a few pages (ENOSPC).

#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/promise.rs"]
mod promise;
#[path = "support/custody.rs"]
mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use fireseal::KeyProvider as _;
use fireseal::custody::{Authority, KeyVault, VaultError};
use promise::Promise;
use support::{root, scope};

/// Set for the process whose disk is full: the directory, and how.
const DIRECTORY: &str = "FIRESEAL_FULL_DISK";

fn vault(directory: &Path, authority: &Authority) -> KeyVault {
    KeyVault::in_file(directory.join("vault.json"), "test", authority.key()).with_root(root(1))
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "filler")
        .collect();
    names.sort();
    names
}

/// Changes the vault until it does not fit; then everything must be as before that change.
async fn change_until_full(directory: &Path, code: &str) {
    let authority = Authority::parse(&fs::read_to_string(directory.join("authority")).unwrap()).unwrap();
    let (acme, path) = (scope("acme"), directory.join("vault.json"));
    let mut changes = 0;
    loop {
        let (before, names_before) = (fs::read(&path).unwrap(), names(directory));
        match vault(directory, &authority).rotate(&authority, &acme).await {
            Ok(_) => changes += 1,
            Err(error) => {
                let told = chain(&error);
                assert!(told.contains("cannot be written") && told.contains(code), "{told}");
                assert_eq!(fs::read(&path).unwrap(), before, "the old file was touched");
                assert_eq!(names(directory), names_before, "something is left lying about");
                assert!(vault(directory, &authority).ring(&acme).await.is_ok(), "the vault does not open");
                println!("full after {changes} changes of a file of {} bytes: {told}", before.len());
                return;
            }
        }
        assert!(changes < 500, "the disk is never full");
    }
}

fn chain(error: &VaultError) -> String {
    let mut told = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        told = format!("{told}: {error}");
        source = error.source();
    }
    told
}

/// This test in a process of its own, started by a shell command, which runs "$@".
fn again(program: &str, arguments: &[&str], directory: &Path, how: &str) -> String {
    let output = Command::new(program)
        .args(arguments)
        .arg("full_disk")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "a_full_disk_leaves_the_vault_as_it_was", "--nocapture"])
        .env(DIRECTORY, format!("{how}:{}", directory.display()))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text.lines().find(|line| line.contains("full after")).expect("the process was at work").to_owned()
}

#[tokio::test]
async fn a_full_disk_leaves_the_vault_as_it_was() {
    if let Ok(job) = std::env::var(DIRECTORY) {
        let (how, directory) = job.split_once(':').unwrap();
        return change_until_full(Path::new(directory), how).await;
    }
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::generate().unwrap();
    fs::write(directory.path().join("authority"), authority.to_text().as_bytes()).unwrap();
    vault(directory.path(), &authority).create_scope(&authority, &scope("acme")).await.unwrap();
    let size = || fs::metadata(directory.path().join("vault.json")).unwrap().len();

    // In blocks of 512 bytes: from none at all to somewhat more than there is, each several changes further. The
    // signal that comes with it is ignored, as it is for services.
    let promise = Promise::new("full_disk");
    for more in [0, 1, 2, 5, 9] {
        let blocks = if more == 0 { 0 } else { size() / 512 + more };
        let shell = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
        let told = again("/bin/sh", &["-c", &shell], directory.path(), "File too large");
        println!("{blocks} blocks: {told}");
        promise.held(1);
    }
    // Room again.
    vault(directory.path(), &authority).rotate(&authority, &scope("acme")).await.unwrap();

    let mounts = Command::new("unshare").args(["-rm", "true"]).status().is_ok_and(|status| status.success());
    if mounts {
        for pages in [2, 4, 7] {
            let shell = format!(
                "at=${{{DIRECTORY}#*:}}; kept=$(mktemp -d); cp \"$at\"/authority \"$at\"/vault.json \"$kept\"; \
                 mount -t tmpfs -o size={}k,mode=700 none \"$at\" && cp -p \"$kept\"/* \"$at\"; rm -r \"$kept\"; \
                 chmod 600 \"$at\"/vault.json; exec \"$@\"",
                4 * (pages + 2 + size().div_ceil(4_096))
            );
            let arguments = ["-rm", "/bin/sh", "-c", &shell];
            let told = again("unshare", &arguments, directory.path(), "No space left on device");
            println!("{pages} pages to spare: {told}");
            promise.held(1);
        }
    } else {
        println!("ENOSPC: no file system may be mounted here; the length of files was limited only");
    }
    promise.finish();
}
