//! `fireseal keys rewrap`: roots come and go, and no document is touched.

use clap::Args;
use fireseal::custody::{NewSlot, SlotKind};
use serde_json::json;

use super::By;
use crate::ask;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::Told;

/// Wrap every key anew: under a new root, without a lost one
///
/// All of it is one commit. Documents are not touched. Whoever held a removed root may have kept what it
/// opened: rotate afterwards.
#[derive(Debug, Args)]
pub struct Rewrap {
    /// Add the slot of this configured root
    #[arg(long, value_name = "NAME")]
    add: Vec<String>,
    /// Remove the slot with this number (`fireseal recovery list` lists them)
    #[arg(long, value_name = "SLOT")]
    remove: Vec<u32>,
    #[command(flatten)]
    by: By,
}

impl Rewrap {
    pub async fn run(self, context: &Context<'_>) -> Result<Told, Failure> {
        let (authority, scope) = (self.by.authority(context)?, self.by.scope());
        let vault = context.vault().await?;
        let mut add = Vec::new();
        for name in &self.add {
            add.push((context.root(name).await?, NewSlot::new(SlotKind::Root).named(name)));
        }
        if !self.remove.is_empty() {
            let slots: Vec<String> = self.remove.iter().map(u32::to_string).collect();
            let warning = format!("Slot {} of scope {scope} will open nothing any more.", slots.join(", "));
            ask::confirm(context.options, &warning, "remove")?;
        }
        let added = vault.rewrap(&authority, scope, add, &self.remove).await?;
        let slots = vault.manifest(scope).await?.slots.len();
        let text = format!(
            "scope {scope}: every key is wrapped anew for {slots} slots; added {added:?}, removed {:?}\n",
            self.remove
        );
        let value = json!({
            "event": "rewrapped", "scope": scope.as_str(), "slots": slots, "added": added, "removed": self.remove,
        });
        Ok(Told::new(text, value))
    }
}
