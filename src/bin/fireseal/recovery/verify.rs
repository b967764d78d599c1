//! `fireseal recovery verify`: the drill.

use std::sync::Arc;

use clap::Args;
use fireseal::KeyWrapper;
use serde_json::json;

use super::means::{From, Means};
use crate::context::Context;
use crate::failure::Failure;
use crate::keys::By;
use crate::output::Told;

/// Prove that a code, a backup key, a device, a quorum or a root opens the ring by itself
///
/// With the authority at hand, the ring records when that was. Prove each slot after it is made, after each
/// change of roots, and at least once a year.
#[derive(Debug, Args)]
pub struct Verify {
    #[command(flatten)]
    from: From,
    /// Prove this configured root instead
    #[arg(long, value_name = "NAME", conflicts_with = "from")]
    root: Option<String>,
    /// Do not record it, which needs no authority
    #[arg(long)]
    no_record: bool,
    #[command(flatten)]
    by: By,
}

impl Verify {
    pub async fn run(self, context: &Context<'_>) -> Result<Told, Failure> {
        let scope = self.by.scope();
        let authority = if self.no_record { None } else { Some(self.by.authority(context)?) };
        let vault = context.bare_vault().await?;
        let root: Arc<dyn KeyWrapper> = match &self.root {
            Some(name) => context.root(name).await?,
            None => match self.from.read()? {
                Means::Identity(identity) => Arc::new(identity),
                Means::Code(code) => {
                    let slot = match &authority {
                        Some(authority) => Some(vault.drill_code(authority, scope, &code).await?),
                        None => {
                            vault.open_with_code(scope, &code).await?.open_ring(scope).await?;
                            None
                        }
                    };
                    return Ok(self.told(slot, &format!("recovery code {}", code.name())));
                }
            },
        };
        let slot = match &authority {
            Some(authority) => vault.drill(authority, scope, &*root).await?,
            None => vault.verify(scope, &*root).await?,
        };
        Ok(self.told(Some(slot), root.root()))
    }

    fn told(&self, slot: Option<u32>, what: &str) -> Told {
        let scope = self.by.scope();
        let number = slot.map_or_else(String::new, |slot| format!(" (slot {slot})"));
        let recorded = if self.no_record { "not recorded" } else { "recorded" };
        let text = format!("scope {scope}: {what}{number} opens every key by itself; {recorded}\n");
        let value = json!({
            "event": "verified", "scope": scope.as_str(), "slot": slot, "what": what, "recorded": !self.no_record,
        });
        Told::new(text, value)
    }
}
