//! What commands work with: the configuration, and the database, vault, scope and authority that it names.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fireseal::Scope;
use fireseal::custody::{Authority, AuthorityKey, KeyVault};
use fireseal::store::FirestoreStore;

use crate::cli::Options;
use crate::config::{self, Config};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::{database, roots, secret};

pub struct Context<'a> {
    pub config: Config,
    pub options: &'a Options,
    pub output: &'a Output,
}

impl<'a> Context<'a> {
    /// Reads the configuration.
    pub fn read(options: &'a Options, output: &'a Output) -> Result<Self, Failure> {
        Ok(Self { config: Config::read(&config_path(options))?, options, output })
    }

    /// The documents' database.
    pub async fn store(&self) -> Result<FirestoreStore, Failure> {
        let file = &self.config.file;
        let project = project(self.options, file.project.as_deref())?;
        database::connect(&project, file.database.as_deref().unwrap_or("(default)")).await
    }

    /// The vault with those of its roots that can be opened; what no root is needed for works without any.
    pub async fn vault(&self) -> Result<KeyVault, Failure> {
        Ok(self.vault_with_roots().await?.0)
    }

    /// The vault with at least one of its roots, for what opens or seals values.
    pub async fn opening_vault(&self) -> Result<KeyVault, Failure> {
        let (vault, opened, left_out) = self.vault_with_roots().await?;
        match left_out {
            _ if opened > 0 => Ok(vault),
            Some(failure) => {
                let message = format!("no root can be opened: {}", failure.message);
                Err(Failure { message, ..failure })
            }
            None => Err(Failure::usage("the configuration has no root, so nothing can be opened")
                .advise("name one under [[vault.roots]]")),
        }
    }

    /// The vault, how many of its roots were opened, and why the last of the others was not.
    async fn vault_with_roots(&self) -> Result<(KeyVault, usize, Option<Failure>), Failure> {
        let (mut vault, mut opened, mut left_out) = (self.bare_vault().await?, 0, None);
        for root in &self.config.file.vault.roots {
            match roots::open(&self.config, root).await {
                Ok(root) => {
                    vault = vault.with_shared_root(root);
                    opened += 1;
                }
                Err(failure) => {
                    self.output.warn(format!("the root {:?} is left out: {}", root.name(), failure.message));
                    left_out = Some(failure);
                }
            }
        }
        Ok((vault, opened, left_out))
    }

    /// The vault without any root.
    pub async fn bare_vault(&self) -> Result<KeyVault, Failure> {
        let vault = &self.config.file.vault;
        let authority = AuthorityKey::parse(&vault.authority)?;
        let opened = match (&vault.records.collection, &vault.records.file) {
            (_, Some(file)) => KeyVault::in_file(self.config.path(file), &vault.name, authority),
            (collection, None) => {
                let store = self.vault_store().await?;
                let collection = collection.as_deref().unwrap_or("fireseal-keys");
                KeyVault::in_collection(store, collection, &vault.name, authority)
                    .map_err(|error| Failure::of(Exit::Usage, &error))?
            }
        };
        Ok(match vault.hard_minutes {
            None => opened,
            Some(minutes) => opened
                .with_lifetimes(|lifetimes| lifetimes.hard = Duration::from_secs(u64::from(minutes) * 60)),
        })
    }

    async fn vault_store(&self) -> Result<FirestoreStore, Failure> {
        let (file, records) = (&self.config.file, &self.config.file.vault.records);
        let project = match &records.project {
            Some(project) => project.clone(),
            None => project(self.options, file.project.as_deref())?,
        };
        let database = records.database.as_deref().or(file.database.as_deref());
        database::connect(&project, database.unwrap_or("(default)")).await
    }

    /// The authority: from the file that was named, or the configuration's.
    pub fn authority(&self, named: Option<&Path>) -> Result<Authority, Failure> {
        let configured = self.config.file.vault.authority_file.as_deref().map(|path| self.config.path(path));
        let path = named.map(Path::to_owned).or(configured).ok_or_else(|| {
            Failure::usage("this needs the authority's private line, and no file of it is known")
                .advise("name it with --authority FILE, or give it on standard input with --authority -")
        })?;
        let text = secret::read(&path, "the authority's file")?;
        Authority::parse(&text)
            .map_err(|error| Failure::usage(format!("the authority's file {}: {error}", path.display())))
    }

    /// The configured root of this name.
    pub async fn root(&self, name: &str) -> Result<std::sync::Arc<dyn fireseal::KeyWrapper>, Failure> {
        let roots = &self.config.file.vault.roots;
        let Some(root) = roots.iter().find(|root| root.name() == name) else {
            let names: Vec<&str> = roots.iter().map(config::Root::name).collect();
            return Err(Failure::usage(format!(
                "no root {name:?} stands in the configuration; there are: {}",
                if names.is_empty() { "none".to_owned() } else { names.join(", ") }
            )));
        };
        let root = roots::open(&self.config, root).await?;
        self.output.note(format!("root {name}: {}", root.root()));
        Ok(root)
    }
}

/// Where the configuration is.
pub fn config_path(options: &Options) -> PathBuf {
    options.config.clone().unwrap_or_else(|| PathBuf::from(config::NAME))
}

/// The project: as it was named, as it is configured, or as the environment has it.
pub fn project(options: &Options, configured: Option<&str>) -> Result<String, Failure> {
    let environment = || std::env::var("GOOGLE_CLOUD_PROJECT").ok().filter(|project| !project.is_empty());
    options.project.clone().or_else(|| configured.map(str::to_owned)).or_else(environment).ok_or_else(|| {
        Failure::usage("no project is known")
            .advise("name it with --project, as `project` in the configuration, or in GOOGLE_CLOUD_PROJECT")
    })
}

/// A scope as it was typed.
pub fn scope(text: &str) -> Result<Scope, String> {
    Scope::new(text).map_err(|error| error.to_string())
}
