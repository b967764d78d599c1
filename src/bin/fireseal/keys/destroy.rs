//! `fireseal keys destroy`: crypto-shredding, with a signed receipt.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use fireseal::custody::Receipt;
use serde_json::{Value, json};

use super::{By, find, short};
use crate::ask;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{Told, time};
use crate::secret::NewFile;

/// Destroy a key, or all of a scope, and with it what it sealed
///
/// Every wrap is deleted: documents, copies and backups that it sealed do not open again. The receipt says
/// what is gone, what goes by itself and by when, and what is not ours to destroy. Run again, it removes what
/// is left. Exit code 3 where something could not be verified as gone.
#[derive(Debug, Args)]
pub struct Destroy {
    /// The first digits of the key's id, at least 8
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    key: Option<String>,
    /// Destroy every key of the scope, which is not created again
    #[arg(long)]
    all: bool,
    /// Write the receipt to this new file as well
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    receipt: Option<PathBuf>,
    #[command(flatten)]
    by: By,
}

impl Destroy {
    pub async fn run(self, context: &Context<'_>) -> Result<Told, Failure> {
        let (authority, scope) = (self.by.authority(context)?, self.by.scope());
        let vault = context.vault().await?;
        // The receipt is made once: no file, no destruction.
        let file = self.receipt.as_deref().map(NewFile::create).transpose()?;
        let receipt = match &self.key {
            Some(digits) => {
                let key = find(&vault, scope, digits).await?.id;
                let digits: String = short(&key).chars().take(8).collect();
                let warning =
                    format!("What key {} of scope {scope} sealed will never open again.", short(&key));
                ask::confirm(context.options, &warning, &digits)?;
                vault.destroy_key(&authority, scope, &key).await?
            }
            None => {
                vault.manifest(scope).await?;
                let warning = format!("Nothing that scope {scope} sealed will ever open again.");
                ask::confirm(context.options, &warning, scope.as_str())?;
                vault.destroy_scope(&authority, scope).await?
            }
        };
        let mut exit = if receipt.not_verified.is_empty() { Exit::Done } else { Exit::Found };
        if let Some(Err(failure)) = file.map(|file| file.write(&receipt.to_string())) {
            context.output.warn(format!("{}, so the receipt stands here only", failure.message));
            exit = failure.exit;
        }
        Ok(Told::new(receipt.to_string(), value(&receipt)).exit(exit))
    }
}

fn value(receipt: &Receipt) -> Value {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let keys =
        receipt.keys.iter().map(|(id, purpose)| json!({"id": id.to_string(), "purpose": purpose.as_str()}));
    let gone_by = receipt.gone_by.iter().map(|(what, ms)| json!({"what": what, "by": time(*ms)}));
    json!({
        "event": "destroyed",
        "vault": receipt.vault,
        "scope": receipt.scope.as_str(),
        "epoch": receipt.epoch,
        "previous": hex(&receipt.previous),
        "at_ms": receipt.at_ms,
        "keys": keys.collect::<Vec<_>>(),
        "gone": receipt.gone,
        "not_verified": receipt.not_verified,
        "gone_by": gone_by.collect::<Vec<_>>(),
        "not_ours": receipt.not_ours,
        "sha256": hex(&receipt.hash),
        "signature": hex(&receipt.signature),
    })
}
