//! `fireseal keys list` and `keys show`.

use clap::Args;
use fireseal::custody::{KeyEntry, Manifest};
use serde_json::{Value, json};

use super::{Of, find, retire, short};
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Told, columns, count, time};

/// List the keys of a scope, with their states
#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    of: Of,
}

impl List {
    pub async fn run(self, context: &Context<'_>) -> Result<Told, Failure> {
        let manifest = context.bare_vault().await?.manifest(&self.of.scope).await?;
        Ok(Told::new(table(&manifest), value(&manifest)))
    }
}

fn table(manifest: &Manifest) -> String {
    let mut rows = vec![["KEY", "PURPOSE", "STATE", "SINCE"].map(str::to_owned).to_vec()];
    rows.extend(
        manifest.keys.iter().map(|key| {
            vec![short(&key.id), key.purpose.to_string(), key.state.to_string(), time(key.since_ms)]
        }),
    );
    let (scope, vault, epoch) = (&manifest.scope, &manifest.vault, manifest.epoch);
    format!("vault {vault:?}, scope {scope}, epoch {epoch}\n{}", columns(&rows))
}

fn value(manifest: &Manifest) -> Value {
    json!({
        "event": "keys",
        "vault": manifest.vault,
        "scope": manifest.scope.as_str(),
        "epoch": manifest.epoch,
        "signed": time(manifest.signed_ms),
        "keys": manifest.keys.iter().map(key_value).collect::<Vec<_>>(),
    })
}

fn key_value(key: &KeyEntry) -> Value {
    json!({
        "id": key.id.to_string(),
        "purpose": key.purpose.as_str(),
        "state": key.state.to_string(),
        "since": time(key.since_ms),
    })
}

/// Show one key, and how many documents need it
#[derive(Debug, Args)]
pub struct Show {
    /// The first digits of its id, at least 8
    key: String,
    /// Count the documents of the configured collections and groups that it seals, or whose index entries it
    /// made; reads all of them
    #[arg(long)]
    count: bool,
    /// Count in this collection as well
    #[arg(long, value_name = "PATH", requires = "count")]
    collection: Vec<String>,
    #[command(flatten)]
    of: Of,
}

impl Show {
    pub async fn run(self, context: &Context<'_>) -> Result<Told, Failure> {
        let vault = context.bare_vault().await?;
        let key = find(&vault, &self.of.scope, &self.key).await?;
        let mut text = format!(
            "key      {}\npurpose  {}\nstate    {}\nsince    {}\n",
            key.id,
            key.purpose,
            key.state,
            time(key.since_ms)
        );
        let mut value = key_value(&key);
        if self.count {
            let (store, collections) = retire::collections(context, &self.collection).await?;
            let documents = retire::counted(&store, &collections, key.id).await?;
            text.push_str(&format!("seals    {}\n", count(documents, "document", "documents")));
            value["documents"] = json!(documents);
        }
        value["event"] = json!("key");
        Ok(Told::new(text, value))
    }
}
