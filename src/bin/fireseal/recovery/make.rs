//! `fireseal recovery codes`, `backup` and `quorum`: ways back are made, and shown once.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, ValueHint};
use fireseal::AgeRecipient;
use fireseal::custody::{BackupKey, RecoveryCode};
use serde_json::json;
use zeroize::Zeroizing;

use crate::context::Context;
use crate::failure::Failure;
use crate::keys::By;
use crate::output::Told;
use crate::secret::{self, NewFile};

/// Make recovery codes to print, shown once
///
/// Each is good for one recovery. Making one takes about a second.
#[derive(Debug, Args)]
pub struct Codes {
    /// How many
    #[arg(long, value_name = "N", default_value_t = 10)]
    count: usize,
    /// Write them to this new file of mode 0600, instead of standard output
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    out: Option<PathBuf>,
    #[command(flatten)]
    by: By,
}

impl Codes {
    pub async fn run(self, context: &Context<'_>) -> Result<Told, Failure> {
        let (authority, scope) = (self.by.authority(context)?, self.by.scope());
        let file = self.out.as_deref().map(NewFile::create).transpose()?;
        let vault = context.vault().await?;
        let codes = vault.create_recovery_codes(&authority, scope, self.count).await?;
        context
            .output
            .note("Shown once: print them, keep them apart, and prove each with `fireseal recovery verify`.");
        let text = codes_text(&codes);
        let written = file.map(|file| file.write(&text));
        if let (Some(Ok(())), Some(path)) = (&written, &self.out) {
            let text = format!("scope {scope}: {} recovery codes in {}\n", codes.len(), path.display());
            let names: Vec<&str> = codes.iter().map(RecoveryCode::name).collect();
            return Ok(Told::new(text, json!({"event": "codes", "scope": scope.as_str(), "names": names})));
        }
        let listed: Vec<&str> = codes.iter().map(RecoveryCode::expose_text).collect();
        let told =
            Told::new(text.as_str(), json!({"event": "codes", "scope": scope.as_str(), "codes": listed}));
        Ok(or_shown(context, told, written.and_then(Result::err)))
    }
}

/// Codes as they are printed, a line each.
pub fn codes_text(codes: &[RecoveryCode]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(codes.len() * 64));
    for code in codes {
        text.push_str(code.expose_text());
        text.push('\n');
    }
    text
}

/// Add a backup key that is kept offline
///
/// Without --recipient a key is made here; better, make it where it is kept, with age-keygen, and give its
/// recipient.
#[derive(Debug, Args)]
pub struct Backup {
    /// What people call it, such as `safe in Lyon`
    #[arg(long, value_name = "NAME")]
    name: String,
    /// The recipient (age1…) of a key that was made elsewhere
    #[arg(long, value_name = "AGE1", conflicts_with = "out")]
    recipient: Option<AgeRecipient>,
    /// Write the key to this new file of mode 0600, instead of standard output
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    out: Option<PathBuf>,
    #[command(flatten)]
    by: By,
}

impl Backup {
    pub async fn run(self, context: &Context<'_>) -> Result<Told, Failure> {
        let (authority, scope) = (self.by.authority(context)?, self.by.scope());
        let vault = context.vault().await?;
        let made = self.recipient.is_none().then(BackupKey::generate);
        let recipient = match (&self.recipient, &made) {
            (Some(recipient), _) => recipient,
            (None, Some(made)) => made.recipient(),
            (None, None) => return Err(Failure::usage("there is no recipient")),
        };
        // Kept before the ring knows it: a slot that nobody can use would only look like a way back.
        if let (Some(made), Some(file)) = (&made, &self.out) {
            secret::write_new(file, &made.to_text())?;
        }
        let slot = vault.add_backup(&authority, scope, recipient, &self.name).await?;
        let said = format!("scope {scope}: slot {slot} is the backup key {:?}, {recipient}\n", self.name);
        let mut value = json!({
            "event": "backup", "scope": scope.as_str(), "slot": slot, "recipient": recipient.to_string(),
        });
        context.output.note("Prove it with `fireseal recovery verify`.");
        match (&made, &self.out) {
            (Some(made), None) => {
                context.output.note(said.trim_end());
                let text = made.to_text();
                value["identity"] = json!(text.lines().last());
                Ok(Told::new(text.as_str(), value))
            }
            _ => Ok(Told::new(said, value)),
        }
    }
}

/// Split an identity among several people, any few of whom open
#[derive(Debug, Args)]
pub struct Quorum {
    /// How many shares open together
    #[arg(long, value_name = "K")]
    need: usize,
    /// How many shares there are
    #[arg(long, value_name = "N")]
    of: usize,
    /// Write each share to a new file `share-1.txt`, … of mode 0600 in this folder
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    out: Option<PathBuf>,
    #[command(flatten)]
    by: By,
}

impl Quorum {
    pub async fn run(self, context: &Context<'_>) -> Result<Told, Failure> {
        let (authority, scope) = (self.by.authority(context)?, self.by.scope());
        let file = |index: u8| self.out.as_ref().map(|folder| folder.join(format!("share-{index}.txt")));
        let mut files = BTreeMap::new();
        for index in (1..=u8::MAX).take(self.of) {
            if let Some(path) = file(index) {
                files.insert(index, NewFile::create(&path)?);
            }
        }
        let shares = context.vault().await?.create_quorum(&authority, scope, self.need, self.of).await?;
        context
            .output
            .note("Shown once: one share to each person. Prove it with `fireseal recovery verify`.");
        let mut failed = None;
        for share in &shares {
            if let Some(file) = files.remove(&share.index()) {
                failed = file.write(&format!("{}\n", *share.expose_text())).err().or(failed);
            }
        }
        if self.out.is_some() && failed.is_none() {
            let text = format!("scope {scope}: {} shares, any {} of which open\n", self.of, self.need);
            let value = json!({"event": "quorum", "scope": scope.as_str(), "need": self.need, "of": self.of});
            return Ok(Told::new(text, value));
        }
        let mut text = Zeroizing::new(String::with_capacity(shares.len() * 160));
        for share in &shares {
            text.push_str(&share.expose_text());
            text.push('\n');
        }
        let listed: Vec<&str> = text.lines().collect();
        let value = json!({"event": "quorum", "scope": scope.as_str(), "shares": listed});
        Ok(or_shown(context, Told::new(text.as_str(), value), failed))
    }
}

/// What could not be written down is shown: it exists, and is not made twice.
fn or_shown(context: &Context<'_>, told: Told, failed: Option<Failure>) -> Told {
    let Some(failure) = failed else { return told };
    context.output.warn(format!("{}, so all of it stands here", failure.message));
    told.exit(failure.exit)
}
