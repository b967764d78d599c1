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
mod start;

pub use error::Error;
pub use inspect::Project;
pub use search::{Found, Hit};
pub use start::{Builder, Emulator};
