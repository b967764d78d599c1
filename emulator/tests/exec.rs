//! `fireseal-emulator exec` gives a command an emulator and passes on how it ends.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use fireseal_emulator::Emulator;

fn exec(script: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fireseal-emulator"));
    command.args(["exec", "--", "sh", "-c", script]);
    command.env_remove("FIRESTORE_EMULATOR_HOST").stdin(Stdio::null());
    command
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap().trim()
}

#[test]
fn the_command_finds_the_emulator_and_its_exit_code_is_ours() {
    let output = exec("echo $FIRESTORE_EMULATOR_HOST; exit 7").output().unwrap();
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    let host = stdout(&output);
    assert!(host.starts_with("127.0.0.1:"), "{host}");
    TcpStream::connect(host).unwrap_err();
}

#[test]
fn the_emulator_runs_as_long_as_the_command() {
    // The command ends when its input does.
    let mut child = exec("echo $FIRESTORE_EMULATOR_HOST; read -r _")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let host = lines.next().unwrap().unwrap();
    TcpStream::connect(&host).unwrap();
    drop(child.stdin.take());
    child.wait().unwrap();
    TcpStream::connect(&host).unwrap_err();
}

#[tokio::test]
async fn a_running_emulator_is_used_and_goes_on() {
    let emulator = Emulator::builder().start().await.unwrap();
    let output = exec("echo $FIRESTORE_EMULATOR_HOST")
        .env("FIRESTORE_EMULATOR_HOST", emulator.host())
        .output()
        .unwrap();
    assert_eq!(stdout(&output), emulator.host());
    TcpStream::connect(emulator.host()).unwrap();
}

#[test]
fn signals_reach_the_command_and_the_emulator_stays_until_it_ends() {
    // The last as Ctrl-C at a terminal does it: to the whole group.
    for (signal, to, code) in [("TERM", "", 41), ("HUP", "", 42), ("INT", "", 43), ("INT", "-", 44)] {
        // The command takes its time to end, and needs the emulator for it.
        let script = format!(
            "trap 'trap \"\" {signal}; echo ending; read -r _; exit {code}' {signal}; \
             echo $FIRESTORE_EMULATOR_HOST; while :; do sleep 0.05; done"
        );
        let mut child =
            exec(&script).stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let host = lines.next().unwrap().unwrap();
        let target = format!("{to}{}", child.id());
        let status =
            Command::new("/bin/sh").args(["-c", "kill -s $1 -- $2", "sh", signal, &target]).status().unwrap();
        assert!(status.success());
        assert_eq!(lines.next().unwrap().unwrap(), "ending");
        std::thread::sleep(Duration::from_millis(300));
        TcpStream::connect(&host).unwrap();
        drop(child.stdin.take());
        assert_eq!(child.wait().unwrap().code(), Some(code), "{signal}");
        TcpStream::connect(host).unwrap_err();
    }
}

#[test]
fn a_command_ended_by_a_signal_is_told_as_shells_do() {
    let output = exec("kill -KILL $$").output().unwrap();
    assert_eq!(output.status.code(), Some(128 + 9));
}

#[test]
fn a_command_that_does_not_exist_is_told_as_shells_do() {
    let output = Command::new(env!("CARGO_BIN_EXE_fireseal-emulator"))
        .args(["exec", "no-such-command"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(127));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("no-such-command could not be run"), "{message}");
}
