//! `fireseal inspect`: what a document or a sealed value is.

mod document;
mod envelope;

use std::collections::BTreeMap;
use std::io::Read as _;

use clap::Args;
use fireseal::custody::Manifest;
use serde_json::{Value, json};

use crate::cli::Options;
use crate::context::Context;
use crate::failure::Failure;
use crate::keys::{Of, short};
use crate::output::{Output, Told, columns};

#[cfg(feature = "pkcs11")]
pub use envelope::hexadecimal;

/// The longest input: a document in JSON, bytes in base64.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Say what a document or a sealed value on standard input is
///
/// A document is JSON, as Firestore's REST interface gives it or as `fireseal::to_json` writes it. A sealed
/// value is its bytes, or base64 or hexadecimal digits of them. No key is needed, and no value is printed.
#[derive(Debug, Args)]
pub struct Inspect {
    /// Ask the vault for the states of the keys
    #[arg(long)]
    keys: bool,
    #[command(flatten)]
    of: Of,
}

/// One value of what was read.
struct Found {
    /// Its path; empty for a value by itself.
    field: String,
    what: What,
}

enum What {
    /// A sealed value: its key, and the bytes of its ciphertext.
    Sealed { key: fireseal::KeyId, bytes: usize },
    /// Bytes that begin as an envelope does, and are none.
    Malformed { bytes: usize },
    /// Anything else, by the name of its kind.
    Clear(String),
    /// A token of a blind index.
    Token,
}

impl Inspect {
    pub async fn run(self, options: &Options, output: &Output) -> Result<Told, Failure> {
        let mut input = Vec::new();
        std::io::stdin()
            .take(MAX_BYTES + 1)
            .read_to_end(&mut input)
            .map_err(|error| Failure::usage(format!("standard input cannot be read: {error}")))?;
        if input.len() as u64 > MAX_BYTES {
            return Err(Failure::usage(format!("standard input is longer than {MAX_BYTES} bytes")));
        }
        let (kind, found) = match document::read(&input)? {
            Some(found) => ("document", found),
            None => ("value", vec![envelope::read(&input)?]),
        };
        let ring = match self.keys {
            true => {
                let context = Context::read(options, output)?;
                Some(context.bare_vault().await?.manifest(&self.of.scope).await?)
            }
            false => None,
        };
        Ok(told(kind, &found, ring.as_ref()))
    }
}

fn told(kind: &str, found: &[Found], ring: Option<&Manifest>) -> Told {
    let state = |key: &fireseal::KeyId| {
        let entry = ring?.key(key);
        Some(entry.map_or_else(|| "not in the ring".to_owned(), |entry| entry.state.to_string()))
    };
    let mut rows = vec![["FIELD", "WHAT", "KEY", "STATE", "BYTES"].map(str::to_owned).to_vec()];
    let mut values = Vec::new();
    let mut keys = BTreeMap::<String, u64>::new();
    for Found { field, what } in found {
        let (word, key, bytes) = match what {
            What::Sealed { key, bytes } => ("sealed, version 1".to_owned(), Some(key), Some(bytes)),
            What::Malformed { bytes } => ("malformed: no envelope".to_owned(), None, Some(bytes)),
            What::Clear(kind) => (format!("clear {kind}"), None, None),
            What::Token => ("index token".to_owned(), None, None),
        };
        if let Some(key) = key {
            *keys.entry(key.to_string()).or_default() += 1;
        }
        let state = key.and_then(state);
        rows.push(vec![
            if field.is_empty() { "-".to_owned() } else { field.clone() },
            word.clone(),
            key.map_or_else(String::new, short),
            state.clone().unwrap_or_default(),
            bytes.map_or_else(String::new, ToString::to_string),
        ]);
        values.push(json!({
            "field": field, "what": word, "key": key.map(ToString::to_string), "state": state, "bytes": bytes,
        }));
    }
    let mut text = columns(&rows);
    for (key, count) in &keys {
        text.push_str(&format!("key {key}: {count}\n"));
    }
    let value: Value = json!({"event": "inspected", "kind": kind, "fields": values, "keys": keys});
    Told::new(text, value)
}
