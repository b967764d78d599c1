//! `fireseal recovery recover`: the ring comes back under a new root.

use std::sync::Arc;

use clap::Args;
use fireseal::custody::{NewSlot, SlotKind, VaultError};
use fireseal::{KeyProvider as _, KeyWrapper};
use serde_json::json;

use super::means::{From, Means};
use crate::ask;
use crate::context::Context;
use crate::failure::Failure;
use crate::keys::{By, short};
use crate::output::Told;

/// Get the ring back, under a new root
///
/// Opens the ring with a recovery code, a backup key, a device or shares alone, wraps it for the new root,
/// drops the slots that are lost, and makes a new primary key. A code is used up by it. No document is
/// touched.
#[derive(Debug, Args)]
pub struct Recover {
    #[command(flatten)]
    from: From,
    /// The configured root that takes over
    #[arg(long, value_name = "NAME")]
    root: String,
    /// The number of a slot that is lost (`fireseal recovery list` lists them)
    #[arg(long, value_name = "SLOT")]
    lost: Vec<u32>,
    #[command(flatten)]
    by: By,
}

impl Recover {
    pub async fn run(self, context: &Context<'_>) -> Result<Told, Failure> {
        let (authority, scope) = (self.by.authority(context)?, self.by.scope());
        let vault = context.vault().await?;
        let new: Arc<dyn KeyWrapper> = context.root(&self.root).await?;
        let add = vec![(Arc::clone(&new), NewSlot::new(SlotKind::Root).named(&self.root))];
        let warning = format!(
            "The ring of scope {scope} is wrapped for the root {:?}, and the slots {:?} open nothing any more.",
            self.root, self.lost
        );
        ask::confirm(context.options, &warning, "recover")?;
        let recovered = match self.from.read()? {
            Means::Code(code) => {
                vault.recover_with_code(&authority, scope, &code, add, &self.lost).await.map_err(hint)?
            }
            Means::Identity(identity) => {
                let vault = vault.with_root(identity).with_shared_root(new);
                vault.rewrap(&authority, scope, add, &self.lost).await.map_err(|error| hint(error.into()))?;
                vault.rotate(&authority, scope).await?;
                vault
            }
        };
        let primary = recovered.ring(scope).await?.primary().id();
        let text = format!(
            "scope {scope} is back under the root {:?}; new primary key {}\n",
            self.root,
            short(&primary)
        );
        context
            .output
            .note("Make new ways back in place of those that were used or lost: `fireseal recovery list`.");
        let value = json!({
            "event": "recovered", "scope": scope.as_str(), "root": self.root, "primary": primary.to_string(),
        });
        Ok(Told::new(text, value))
    }
}

fn hint(error: fireseal::custody::RecoveryError) -> Failure {
    let missing = matches!(
        error,
        fireseal::custody::RecoveryError::Vault(
            VaultError::MissingRoot { .. } | VaultError::LastUsableWrap { .. }
        )
    );
    let failure = Failure::from(error);
    if missing {
        failure.advise("name the slots whose roots are gone with --lost; `fireseal recovery list` lists them")
    } else {
        failure
    }
}
