//! An emulator starts, answers, and stops; several run side by side.
#![allow(clippy::unwrap_used)]

use std::net::{TcpListener, TcpStream};

use fireseal_emulator::Emulator;
use serde_json::json;

#[tokio::test]
async fn it_answers_after_the_start_and_is_gone_after_the_drop() {
    let emulator = Emulator::builder().start().await.unwrap();
    let host = emulator.host().to_owned();
    assert!(host.starts_with("127.0.0.1:"));
    let project = emulator.project().unwrap();
    assert!(project.firestore().await.unwrap().ping().await.is_ok());
    drop(emulator);
    TcpStream::connect(&host).unwrap_err();
    drop(project); // clears in vain, without a fuss
}

#[tokio::test]
async fn it_listens_on_the_port_that_was_asked_for() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let emulator = Emulator::builder().port(free.port()).start().await.unwrap();
    assert_eq!(emulator.host(), free.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn several_run_side_by_side() {
    let starts = (0..3).map(|_| tokio::spawn(Emulator::builder().start()));
    let mut hosts = Vec::new();
    let mut running = Vec::new();
    for start in Vec::from_iter(starts) {
        let emulator = start.await.unwrap().unwrap();
        hosts.push(emulator.host().to_owned());
        running.push(emulator);
    }
    hosts.sort();
    hosts.dedup();
    assert_eq!(hosts.len(), 3);
}

#[test]
fn the_shared_one_serves_tests_with_runtimes_of_their_own() {
    let test = |number: u8| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let project = runtime.block_on(async move {
            let emulator = Emulator::shared().await.unwrap();
            let project = emulator.project().unwrap();
            let fields = json!({ "number": { "integerValue": number.to_string() } });
            project.put("tests/this", &fields).await.unwrap();
            project.document("tests/this").await.unwrap().unwrap();
            project
        });
        let host = runtime.block_on(async { Emulator::shared().await.unwrap().host() });
        (project, runtime, host)
    };
    // After one whose runtime is gone, after one whose runtime stands idle, and side by side.
    let (_, gone, host) = test(0);
    drop(gone);
    let _idle = test(1);
    let others: Vec<_> = (2..6).map(|number| std::thread::spawn(move || test(number).2)).collect();
    for other in others {
        assert_eq!(other.join().unwrap(), host);
    }
}
