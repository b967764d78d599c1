//! `fireseal inspect`: what a document or a sealed value is.

mod document;
mod envelope;
mod open;
mod rest;

use std::collections::BTreeMap;
use std::io::Read as _;

use clap::Args;
use fireseal::DocumentPath;
use fireseal::custody::Manifest;
use fireseal::operations::{FieldPattern, PatternStep};
use fireseal::store::{Fields, Value as FieldValue, ValueType};
use firestore::gcloud_sdk::google::firestore::v1::MapValue;
use serde_json::{Value, json};

use crate::cli::Options;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::keys::{Of, short};
use crate::output::{Output, Told, columns, visible};

#[cfg(feature = "pkcs11")]
pub use envelope::hexadecimal;

/// The longest input: a document in JSON, bytes in base64.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Say what a document or a sealed value on standard input is
///
/// A document is JSON, as Firestore's REST interface gives it or as `fireseal::to_json` writes it. A sealed
/// value is its bytes, or base64 or hexadecimal digits of them. No key is needed, and no value is printed,
/// unless you ask for it.
#[derive(Debug, Args)]
pub struct Inspect {
    /// Ask the vault for the states of the keys
    #[arg(long)]
    keys: bool,
    /// Open what is sealed with the keys of the vault, and say whether it opens at this document, such as
    /// customers/ada; exit code 3 if something does not, was not tried, or if nothing is sealed
    #[arg(long, value_name = "DOCUMENT")]
    open: Option<String>,
    /// The field of a sealed value by itself, such as address.street
    #[arg(long, value_name = "FIELD", requires = "open")]
    field: Option<FieldPattern>,
    /// The realm, where the configuration does not know the collection
    #[arg(long, value_name = "REALM", requires = "open")]
    realm: Option<String>,
    /// Print the values that open
    #[arg(long, requires = "open")]
    show_values: bool,
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
    /// A part of a blind index's entry.
    Entry,
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
        let (kind, fields, found) = match document::read(&input)? {
            Some(fields) => {
                let found = document::list(&fields);
                ("document", fields, found)
            }
            None => {
                let (bytes, found) = envelope::read(&input)?;
                let field = self.field.as_ref().map(ToString::to_string).unwrap_or_default();
                ("value", self.alone(bytes)?, vec![Found { field, ..found }])
            }
        };
        let ring = match self.keys {
            true => {
                let context = Context::read(options, output)?;
                Some(context.bare_vault().await?.manifest(&self.of.scope).await?)
            }
            false => None,
        };
        let mut told = told(kind, &found, ring.as_ref());
        if let Some(document) = &self.open {
            let context = Context::read(options, output)?;
            let path = DocumentPath::parse(document).map_err(|error| Failure::of(Exit::Usage, &error))?;
            let config = open::config(&context.config, &path, &found, &self.of.scope, self.realm.as_deref())?;
            let opened = open::open(&config, context.vault().await?, &path, &fields).await?;
            self.add(&opened, &open::not_tried(&config, &fields, &found), &mut told);
        }
        let (text, value, exit) = told;
        Ok(Told::new(text, value).exit(exit))
    }

    /// A document that holds a sealed value by itself, in its field.
    fn alone(&self, bytes: Vec<u8>) -> Result<Fields, Failure> {
        let mut value = FieldValue { value_type: Some(ValueType::BytesValue(bytes)) };
        let Some(field) = &self.field else {
            if self.open.is_some() {
                return Err(Failure::usage("a sealed value opens in its field only: name it with --field"));
            }
            return Ok(Fields::new());
        };
        let mut names = Vec::new();
        for step in field.steps() {
            let PatternStep::Key(name) = step else {
                return Err(Failure::usage("a value from inside an array is opened with its whole document"));
            };
            names.push(name.clone());
        }
        let root = if names.is_empty() { String::new() } else { names.remove(0) };
        for name in names.into_iter().rev() {
            let map = MapValue { fields: [(name, value)].into() };
            value = FieldValue { value_type: Some(ValueType::MapValue(map)) };
        }
        Ok([(root, value)].into())
    }

    fn add(
        &self,
        opened: &[open::Opened],
        not_tried: &[String],
        (text, value, exit): &mut (String, Value, Exit),
    ) {
        let mut values = Vec::new();
        for open::Opened { pattern, outcome } in opened {
            let mut one = json!({"field": pattern, "opens": outcome.is_ok()});
            let pattern = visible(pattern);
            match outcome {
                Ok(opened) if self.show_values => {
                    one["value"] = rest::json(opened);
                    let shown = visible(&one["value"].to_string());
                    text.push_str(&format!("{pattern} opens: {shown}\n"));
                }
                Ok(_) => text.push_str(&format!("{pattern} opens\n")),
                Err(reason) => {
                    *exit = Exit::Found;
                    one["reason"] = json!(reason);
                    text.push_str(&format!("{pattern} does not open: {}\n", visible(reason)));
                }
            }
            values.push(one);
        }
        for field in not_tried {
            let reason = "the configuration does not have it, so it was not tried";
            text.push_str(&format!("{}: {reason}\n", visible(field)));
            values.push(json!({"field": field, "opens": null, "reason": reason}));
        }
        if values.is_empty() {
            text.push_str("nothing was opened: no sealed value was found\n");
        }
        if values.is_empty() || !not_tried.is_empty() {
            *exit = Exit::Found;
        }
        value["opened"] = json!(values);
    }
}

fn told(kind: &str, found: &[Found], ring: Option<&Manifest>) -> (String, Value, Exit) {
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
            What::Entry => ("index entry".to_owned(), None, None),
        };
        if let Some(key) = key {
            *keys.entry(key.to_string()).or_default() += 1;
        }
        let state = key.and_then(state);
        rows.push(vec![
            if field.is_empty() { "-".to_owned() } else { visible(field) },
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
    (text, value, Exit::Done)
}
