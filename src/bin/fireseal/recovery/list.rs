//! `fireseal recovery list` and `recovery revoke`: the slots of a ring.

use clap::Args;
use fireseal::custody::{Slot, SlotKind};
use serde_json::{Value, json};

use crate::ask;
use crate::context::Context;
use crate::failure::Failure;
use crate::keys::{By, Of, short};
use crate::output::{Told, columns, time, visible};

/// List the slots: who opens the ring, and when that was proved
#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    of: Of,
}

impl List {
    pub async fn run(self, context: &Context<'_>) -> Result<Told, Failure> {
        let manifest = context.bare_vault().await?.manifest(&self.of.scope).await?;
        let text = format!("scope {}\n{}", manifest.scope, table(&manifest.slots));
        if manifest.slots.iter().all(|slot| slot.kind == SlotKind::Root) {
            context.output.warn("no way back besides the roots: make some with `fireseal recovery codes`");
        }
        let slots: Vec<Value> = manifest.slots.iter().map(value).collect();
        Ok(Told::new(text, json!({"event": "slots", "scope": manifest.scope.as_str(), "slots": slots})))
    }
}

/// Slots as a table.
pub fn table(slots: &[Slot]) -> String {
    let mut rows = vec![["SLOT", "KIND", "NAME", "PROVED", "ROOT"].map(str::to_owned).to_vec()];
    rows.extend(slots.iter().map(|slot| {
        let proved = slot.verified_ms.map_or_else(|| "never".to_owned(), time);
        vec![slot.id.to_string(), slot.kind.to_string(), visible(&slot.name), proved, visible(&slot.root)]
    }));
    columns(&rows)
}

/// A slot for machines.
pub fn value(slot: &Slot) -> Value {
    json!({
        "slot": slot.id,
        "kind": slot.kind.as_str(),
        "name": slot.name,
        "root": slot.root,
        "proved": slot.verified_ms.map(time),
    })
}

/// Remove a slot, and make new keys that its holder never saw
///
/// What the holder saw stays readable to them: keys that they opened, and documents sealed with those. Take
/// their access to the database away as well, and reseal what matters.
#[derive(Debug, Args)]
pub struct Revoke {
    /// The slot's number
    slot: u32,
    #[command(flatten)]
    by: By,
}

impl Revoke {
    pub async fn run(self, context: &Context<'_>) -> Result<Told, Failure> {
        let (authority, scope) = (self.by.authority(context)?, self.by.scope());
        let vault = context.vault().await?;
        let warning = format!("Slot {} of scope {scope} will open nothing any more.", self.slot);
        ask::confirm(context.options, &warning, "revoke")?;
        let made = vault.revoke_slot(&authority, scope, self.slot).await?;
        let mut text = format!("scope {scope}: slot {} is revoked\n", self.slot);
        if let Some(key) = &made.data_key {
            text.push_str(&format!("new primary key {}\n", short(key)));
        }
        if let Some(key) = &made.index_key {
            text.push_str(&format!("new index key {}: next is `fireseal keys promote-index`\n", short(key)));
        }
        let value = json!({
            "event": "revoked", "scope": scope.as_str(), "slot": self.slot,
            "primary": made.data_key.map(|id| id.to_string()),
            "index": made.index_key.map(|id| id.to_string()),
        });
        Ok(Told::new(text, value))
    }
}
