//! `fireseal recovery device`: people's devices, which ask and are approved.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use fireseal::AgeIdentity;
use fireseal::custody::{AuthorityKey, DeviceRequest, SlotKind};
use serde_json::json;

use super::list;
use crate::context::Context;
use crate::failure::Failure;
use crate::keys::{By, Of};
use crate::output::Told;
use crate::{roots, secret};

/// Ask for, approve, list and rename trusted devices
#[derive(Debug, Subcommand)]
pub enum Device {
    Request(Request),
    Approve(Approve),
    List(ListDevices),
    Rename(Rename),
}

impl Device {
    pub async fn run(self, context: &Context<'_>) -> Result<Told, Failure> {
        match self {
            Self::Request(command) => command.run(context),
            Self::Approve(command) => command.run(context).await,
            Self::List(command) => command.run(context).await,
            Self::Rename(command) => command.run(context).await,
        }
    }
}

/// On the device: make an identity and a request
///
/// The request travels by any way. The fingerprint travels by another one: read it out to whoever approves.
#[derive(Debug, Args)]
pub struct Request {
    /// What people call the device, such as `Ada's laptop`
    #[arg(long, value_name = "NAME")]
    name: String,
    /// The new file of mode 0600 that the identity is written to
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    identity: PathBuf,
    #[command(flatten)]
    of: Of,
}

impl Request {
    fn run(self, context: &Context<'_>) -> Result<Told, Failure> {
        let authority = AuthorityKey::parse(&context.config.file.vault.authority)?;
        let identity = AgeIdentity::generate();
        let request = DeviceRequest::new(identity.recipient(), &self.name, &self.of.scope, authority)?;
        secret::write_new(&self.identity, &roots::identity_text(&identity, "identity of a device"))?;
        let (line, fingerprint) = (request.to_string(), request.fingerprint());
        let text = format!("{line}\nfingerprint: {fingerprint}\n");
        Ok(Told::new(text, json!({"event": "request", "request": line, "fingerprint": fingerprint})))
    }
}

/// Where the authority is: let a device in
#[derive(Debug, Args)]
pub struct Approve {
    /// The request's line; no secret
    request: String,
    /// The fingerprint as its owner read it out
    #[arg(long, value_name = "CHARACTERS")]
    fingerprint: String,
    /// The authority's file, or `-` for standard input; else the configured one
    #[arg(long, value_name = "FILE", env = "FIRESEAL_AUTHORITY_FILE", hide_env_values = true, value_hint = ValueHint::FilePath)]
    authority: Option<PathBuf>,
}

impl Approve {
    async fn run(self, context: &Context<'_>) -> Result<Told, Failure> {
        let authority = context.authority(self.authority.as_deref())?;
        let request: DeviceRequest = self.request.trim().parse()?;
        let slot = context.vault().await?.approve_device(&authority, &request, &self.fingerprint).await?;
        let (scope, name) = (request.scope(), request.name());
        context.output.note("The device proves it with `fireseal recovery verify --from` its identity file.");
        let text = format!("scope {scope}: slot {slot} is the device {name:?}\n");
        Ok(Told::new(text, json!({"event": "approved", "scope": scope.as_str(), "slot": slot, "name": name})))
    }
}

/// List the devices
#[derive(Debug, Args)]
pub struct ListDevices {
    #[command(flatten)]
    of: Of,
}

impl ListDevices {
    async fn run(self, context: &Context<'_>) -> Result<Told, Failure> {
        let slots = context.bare_vault().await?.slots(&self.of.scope, SlotKind::Device).await?;
        let values: Vec<_> = slots.iter().map(list::value).collect();
        let value = json!({"event": "devices", "scope": self.of.scope.as_str(), "slots": values});
        Ok(Told::new(list::table(&slots), value))
    }
}

/// Give a device another name
#[derive(Debug, Args)]
pub struct Rename {
    /// The slot's number
    slot: u32,
    /// The new name
    name: String,
    #[command(flatten)]
    by: By,
}

impl Rename {
    async fn run(self, context: &Context<'_>) -> Result<Told, Failure> {
        let (authority, scope) = (self.by.authority(context)?, self.by.scope());
        context.vault().await?.rename_device(&authority, scope, self.slot, &self.name).await?;
        let text = format!("scope {scope}: slot {} is the device {:?}\n", self.slot, self.name);
        Ok(Told::new(text, json!({"event": "renamed", "slot": self.slot, "name": self.name})))
    }
}
