//! However a test process ends, its emulator ends with it.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fireseal_emulator::Emulator;

/// Announces the emulator to the test that watches us.
const HOST: &str = "host: ";

/// Runs one of the ignored tests below in a process of its own. Returns it with the address of its emulator.
fn test_process(name: &str) -> (Child, String) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", name])
        .env_remove("FIRESTORE_EMULATOR_HOST")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let host = lines.find_map(|line| Some(line.unwrap().split_once(HOST)?.1.to_owned())).unwrap();
    // Its output may not fail for want of a reader.
    std::thread::spawn(move || lines.for_each(drop));
    (child, host)
}

fn assert_nothing_left(host: &str) {
    let patience = Instant::now();
    loop {
        let left = processes_of(host);
        if left.is_empty() && TcpStream::connect(host).is_err() {
            return;
        }
        assert!(patience.elapsed() < Duration::from_secs(10), "{host}: {left:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The processes, ours and their supervisors, that have the port of `host` among their arguments.
fn processes_of(host: &str) -> Vec<String> {
    let port = host.split_once(':').unwrap().1;
    let listing = Command::new("ps").args(["-A", "-o", "pid=,args="]).output().unwrap();
    String::from_utf8_lossy(&listing.stdout)
        .lines()
        .filter(|line| line.contains(&format!("--port={port}")))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_watched_processes_are_seen_while_they_run() {
    let (mut child, host) = test_process("waits");
    assert!(!processes_of(&host).is_empty());
    TcpStream::connect(&host).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_nothing_left(&host);
}

#[test]
fn a_test_that_panics_leaves_no_process() {
    for name in ["panics_with_its_own", "panics_with_the_shared_one", "aborts"] {
        let (mut child, host) = test_process(name);
        assert!(!child.wait().unwrap().success(), "{name}");
        assert_nothing_left(&host);
    }
}

#[test]
fn a_test_that_ends_well_leaves_no_process() {
    let (mut child, host) = test_process("ends_with_the_shared_one");
    assert!(child.wait().unwrap().success());
    assert_nothing_left(&host);
}

#[test]
fn a_killed_exec_leaves_no_emulator() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_fireseal-emulator"))
        .args(["exec", "--", "sh", "-c", "echo $FIRESTORE_EMULATOR_HOST; sleep 2"])
        .env_remove("FIRESTORE_EMULATOR_HOST")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut host = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut host).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_nothing_left(host.trim());
}

#[tokio::test]
#[ignore = "run by the tests above"]
async fn waits() {
    let emulator = Emulator::start().await.unwrap();
    println!("{HOST}{}", emulator.host());
    std::thread::sleep(Duration::from_secs(60));
}

#[tokio::test]
#[ignore = "run by the tests above"]
async fn panics_with_its_own() {
    let emulator = Emulator::start().await.unwrap();
    let _project = emulator.project().unwrap();
    println!("{HOST}{}", emulator.host());
    panic!("as the test wants");
}

#[tokio::test]
#[ignore = "run by the tests above"]
async fn panics_with_the_shared_one() {
    let emulator = Emulator::shared().await.unwrap();
    let _project = emulator.project().unwrap();
    println!("{HOST}{}", emulator.host());
    panic!("as the test wants");
}

#[tokio::test]
#[ignore = "run by the tests above"]
async fn aborts() {
    let emulator = Emulator::start().await.unwrap();
    println!("{HOST}{}", emulator.host());
    std::process::abort();
}

#[tokio::test]
#[ignore = "run by the tests above"]
async fn ends_with_the_shared_one() {
    println!("{HOST}{}", Emulator::shared().await.unwrap().host());
}
