//! Downloads from a server on the loopback, which is told how to misbehave.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::{Digest, Error, PINS, Sha256, fetch};

const NAME: &str = "emulator.jar";

/// Answers every request with `response`, slowly enough for others to come in between. Returns the address and the
/// number of requests so far.
fn serve(response: Vec<u8>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/emulator", listener.local_addr().unwrap());
    let requests = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&requests);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let request: Vec<String> = BufReader::new(&stream)
                .lines()
                .map_while(Result::ok)
                .take_while(|line| !line.is_empty())
                .collect();
            assert_eq!(request[0], "GET /emulator/emulator.jar HTTP/1.1");
            count.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(100));
            // A client may be gone already.
            let _ = stream.write_all(&response);
        }
    });
    (address, requests)
}

fn ok(length: usize, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn sha256(body: &[u8]) -> String {
    Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn body() -> Vec<u8> {
    (0..3_000_000_u32).map(|i| i.to_le_bytes()[i as usize % 3]).collect()
}

/// Fetches into a new directory, which must fail and leave nothing but the lock there.
async fn failure(storage: &str, expected: &str) -> Error {
    let cache = tempfile::tempdir().unwrap();
    let error = fetch(storage, NAME, expected, cache.path()).await.unwrap_err();
    let left: Vec<_> = cache.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["emulator.jar.lock"]);
    error
}

#[tokio::test]
async fn a_download_is_verified_and_kept() {
    let body = body();
    let (storage, requests) = serve(ok(body.len(), &body));
    let cache = tempfile::tempdir().unwrap();
    let directory = cache.path().join("not/yet/there");
    for _ in 0..2 {
        let jar = fetch(&storage, NAME, &sha256(&body), &directory).await.unwrap();
        assert_eq!(jar, directory.join(NAME));
        assert!(std::fs::read(jar).unwrap() == body);
    }
    assert_eq!(requests.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_has_another_checksum_is_thrown_away() {
    let (storage, _) = serve(ok(4, b"evil"));
    let error = failure(&storage, &sha256(b"good")).await;
    assert!(matches!(&error, Error::Checksum { found, .. } if *found == sha256(b"evil")), "{error}");
    assert!(error.to_string().contains("proxy"));
}

#[tokio::test]
async fn a_body_cut_short_is_thrown_away() {
    let body = body();
    // With the length announced, and, up to HTTP/1.0, without.
    let (storage, _) = serve(ok(body.len(), &body[..1_000_000]));
    assert!(matches!(failure(&storage, &sha256(&body)).await, Error::Fetch { .. }));
    let cut = [b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n", &body[..1_000_000]].concat();
    let (storage, _) = serve(cut);
    assert!(matches!(failure(&storage, &sha256(&body)).await, Error::Checksum { .. }));
}

#[tokio::test]
async fn no_network_and_a_missing_file_say_what_to_install() {
    let (storage, _) =
        serve(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_vec());
    // Nobody listens on a port that was free a moment ago.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for storage in [storage, format!("http://{free}")] {
        let error = failure(&storage, "").await;
        assert!(matches!(error, Error::Fetch { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("check the network") && text.contains("gcloud components install"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_at_once_one_downloads() {
    let body = body();
    let (storage, requests) = serve(ok(body.len(), &body));
    let cache = tempfile::tempdir().unwrap();
    let fetches = (0..8).map(|_| {
        let (storage, sha256) = (storage.clone(), sha256(&body));
        let directory = cache.path().to_owned();
        tokio::spawn(async move { fetch(&storage, NAME, &sha256, &directory).await })
    });
    for fetch in Vec::from_iter(fetches) {
        assert!(std::fs::read(fetch.await.unwrap().unwrap()).unwrap() == body);
    }
    assert_eq!(requests.load(Ordering::SeqCst), 1);
}

#[test]
fn the_pins_are_in_order_and_well_formed() {
    assert!(PINS.is_sorted_by(|newer, older| newer.java > older.java));
    for pin in PINS {
        assert!(pin.sha256.len() == 64 && pin.sha256.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
}
