#![doc = include_str!("../README.md")]

mod error;
#[cfg(feature = "fetch")]
mod fetch;
mod find;
mod inspect;
mod java;
mod process;
mod rest;
mod search;
mod secrets;
mod start;
mod wire;

pub use error::Error;
pub use inspect::Project;
pub use search::{Found, Hit};
pub use secrets::{Form, Searched, Shown, assert_nowhere, find_secrets};
pub use start::{Builder, Emulator};
pub use wire::Wire;
