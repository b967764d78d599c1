//! The program `fireseal`, run as people and machines run it.
//!
//! What it prints is compared with the files in `tests/program/snapshots`; with `FIRESEAL_BLESS=1` they are
//! written anew.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]

#[path = "program/audit.rs"]
mod audit;
#[path = "program/desk.rs"]
mod desk;
#[path = "program/errors.rs"]
mod errors;
#[path = "program/first_run.rs"]
mod first_run;
#[path = "program/help.rs"]
mod help;
#[path = "program/inspect.rs"]
mod inspect;
#[path = "program/keys.rs"]
mod keys;
#[path = "program/migrate.rs"]
mod migrate;
#[path = "program/recovery.rs"]
mod recovery;
#[path = "program/secrets.rs"]
mod secrets;
#[path = "program/terminal.rs"]
mod terminal;
