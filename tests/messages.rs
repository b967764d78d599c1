//! The same sealed values as messages: bound to where they belong, taken once, and sealed to
//! everything between sender and receiver. With the features `nats` and `grpc` over a real server,
//! with client certificates.

#![allow(missing_docs, clippy::unwrap_used)]

#[cfg(any(feature = "grpc", feature = "nats"))]
#[path = "../examples/reference/certificates.rs"]
mod certificates;
#[path = "messages/forms.rs"]
mod forms;
#[cfg(feature = "grpc")]
#[path = "messages/grpc.rs"]
mod grpc;
#[path = "messages/log.rs"]
mod log;
#[cfg(feature = "nats")]
#[path = "messages/nats.rs"]
mod nats;
#[cfg(feature = "nats")]
#[path = "../examples/reference/nats_server.rs"]
mod nats_server;
#[path = "../examples/reference/orders.rs"]
mod orders;
#[path = "support/promise.rs"]
mod promise;
#[path = "messages/rebind.rs"]
mod rebind;
#[path = "messages/replay.rs"]
mod replay;
#[path = "messages/shop.rs"]
mod shop;
#[path = "messages/vectors.rs"]
mod vectors;
