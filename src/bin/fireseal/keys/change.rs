//! `fireseal keys create`, `rotate`, `rotate-index`, `promote-index` and `compromised`: one commit each.

use clap::Args;
use fireseal::Purpose;
use serde_json::json;

use super::{By, find, short};
use crate::ask;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::Told;

/// Make the first ring of a scope
///
/// A scope that has a ring keeps it.
#[derive(Debug, Args)]
pub struct Create {
    #[command(flatten)]
    by: By,
}

impl Create {
    pub async fn run(self, context: &Context<'_>) -> Result<Told, Failure> {
        let authority = self.by.authority(context)?;
        let manifest = context.vault().await?.create_scope(&authority, self.by.scope()).await?;
        let primary = manifest.primary(Purpose::Data).map(|key| key.id);
        let shown = primary.as_ref().map_or_else(|| "none".to_owned(), short);
        context.output.note("Make its ways back next: `fireseal recovery codes`.");
        let value = json!({
            "event": "created", "scope": manifest.scope.as_str(), "epoch": manifest.epoch,
            "primary": primary.map(|id| id.to_string()),
        });
        Ok(Told::new(
            format!("scope {}: primary key {shown}, epoch {}\n", manifest.scope, manifest.epoch),
            value,
        ))
    }
}

/// Make a new primary data key; the old one goes on opening
///
/// Routine: no document has to be written. Services seal with the new key once they load the ring anew.
#[derive(Debug, Args)]
pub struct Rotate {
    #[command(flatten)]
    by: By,
}

impl Rotate {
    pub async fn run(self, context: &Context<'_>) -> Result<Told, Failure> {
        let (authority, scope) = (self.by.authority(context)?, self.by.scope());
        let new = context.vault().await?.rotate(&authority, scope).await?;
        context.output.note("To seal older documents with it: `fireseal migrate reseal`.");
        let text = format!("scope {scope}: new primary key {}\n", short(&new));
        Ok(Told::new(text, json!({"event": "rotated", "scope": scope.as_str(), "primary": new.to_string()})))
    }
}

/// Begin the rotation of the index key: add one that everyone queries
///
/// Search finds old and new tokens all the while. Next, once every service knows the key: promote-index.
#[derive(Debug, Args)]
pub struct RotateIndex {
    #[command(flatten)]
    by: By,
}

impl RotateIndex {
    pub async fn run(self, context: &Context<'_>) -> Result<Told, Failure> {
        let (authority, scope) = (self.by.authority(context)?, self.by.scope());
        let new = context.vault().await?.rotate_index(&authority, scope).await?;
        context.output.note(format!("Next: `fireseal keys promote-index {}`.", short(&new)));
        let text =
            format!("scope {scope}: new index key {}, queried and not yet used for writes\n", short(&new));
        Ok(Told::new(
            text,
            json!({"event": "index-added", "scope": scope.as_str(), "index": new.to_string()}),
        ))
    }
}

/// Go on with it: make tokens with the new index key
///
/// Refused until every service may have loaded the ring that has it. Next: migrate reindex, retire, destroy.
#[derive(Debug, Args)]
pub struct PromoteIndex {
    /// The first digits of its id, at least 8
    key: String,
    #[command(flatten)]
    by: By,
}

impl PromoteIndex {
    pub async fn run(self, context: &Context<'_>) -> Result<Told, Failure> {
        let (authority, scope) = (self.by.authority(context)?, self.by.scope());
        let vault = context.vault().await?;
        let key = find(&vault, scope, &self.key).await?.id;
        vault.promote_index(&authority, scope, &key).await?;
        context.output.note("Next: `fireseal migrate reindex`, then `fireseal keys retire` for the old one.");
        let text = format!("scope {scope}: index key {} makes the tokens from now on\n", short(&key));
        Ok(Told::new(
            text,
            json!({"event": "index-promoted", "scope": scope.as_str(), "index": key.to_string()}),
        ))
    }
}

/// Mark a key that others may have; a new one takes its place
///
/// It seals nothing any more, and opens only where that is asked for by name.
#[derive(Debug, Args)]
pub struct Compromised {
    /// The first digits of its id, at least 8
    key: String,
    #[command(flatten)]
    by: By,
}

impl Compromised {
    pub async fn run(self, context: &Context<'_>) -> Result<Told, Failure> {
        let (authority, scope) = (self.by.authority(context)?, self.by.scope());
        let vault = context.vault().await?;
        let key = find(&vault, scope, &self.key).await?.id;
        let warning = format!(
            "Once key {} of scope {scope} is marked as compromised, services no longer open what it sealed.",
            short(&key)
        );
        ask::confirm(context.options, &warning, "compromised")?;
        let new = vault.mark_compromised(&authority, scope, &key).await?;
        let mut text = format!("scope {scope}: key {} is compromised\n", short(&key));
        if let Some(new) = &new {
            text.push_str(&format!("new primary key {}\n", short(new)));
        }
        context.output.note("What it sealed is saved with `fireseal migrate reseal --open-compromised`.");
        let value = json!({
            "event": "compromised", "scope": scope.as_str(), "key": key.to_string(),
            "primary": new.map(|id| id.to_string()),
        });
        Ok(Told::new(text, value))
    }
}
