//! An emulator starts, answers, and stops.
#![allow(clippy::unwrap_used)]

use std::net::TcpStream;

use fireseal_emulator::Emulator;

#[tokio::test]
async fn starts_on_a_free_port_and_stops_on_drop() {
    let emulator = Emulator::start().await.unwrap();
    let host = emulator.host().to_owned();
    assert!(host.starts_with("127.0.0.1:"));
    TcpStream::connect(&host).unwrap();
    drop(emulator);
    TcpStream::connect(&host).unwrap_err();
}
