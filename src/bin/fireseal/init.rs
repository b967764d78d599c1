//! `fireseal init`: a configuration, an authority, a root, the first ring and its ways back.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, ValueEnum, ValueHint};
use fireseal::custody::{Authority, KeyVault, RecoveryCode, VaultError};
use fireseal::{AgeIdentity, KeyWrapper, LocalRoot, Purpose, Scope};
use serde_json::json;
use zeroize::Zeroizing;

use crate::cli::Options;
use crate::failure::{Exit, Failure};
use crate::output::{Output, Told};
use crate::{ask, context, database, keys, recovery, roots, secret};

/// Make a configuration, an authority, a root, the first key ring and its recovery codes
///
/// Nothing that is there is replaced. Files with secrets get mode 0600. A root in a key service or an HSM is
/// written into the configuration afterwards, and takes over with `fireseal keys rewrap`.
#[derive(Debug, Args)]
pub struct Init {
    /// The vault's name
    #[arg(long, default_value = "production")]
    name: String,
    /// The scope (tenant) of the first ring
    #[arg(long, value_name = "SCOPE", default_value = "default", value_parser = context::scope)]
    scope: Scope,
    /// Keep the wrapped keys in this Firestore collection
    #[arg(long, value_name = "NAME", default_value = "fireseal-keys", conflicts_with = "vault_file")]
    vault_collection: String,
    /// Keep the wrapped keys in this file instead
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    vault_file: Option<PathBuf>,
    /// What kind of root is made
    #[arg(long, value_enum, default_value_t = Kind::Local)]
    root: Kind,
    /// The new file that the root's secret is written to, from the configuration's folder
    #[arg(long, value_name = "FILE", default_value = "root.key", value_hint = ValueHint::FilePath)]
    root_file: PathBuf,
    /// The new file that the authority's private line is written to, from the configuration's folder
    #[arg(long, value_name = "FILE", default_value = "authority.key", value_hint = ValueHint::FilePath)]
    authority_file: PathBuf,
    /// How many recovery codes to make, shown once; asked for on a terminal
    #[arg(long, value_name = "N")]
    codes: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// 32 random bytes in a file
    Local,
    /// An age identity in a file
    Age,
}

impl Init {
    pub async fn run(self, options: &Options, output: &Output) -> Result<Told, Failure> {
        let path = context::config_path(options);
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        let (root_file, authority_file) = (folder.join(&self.root_file), folder.join(&self.authority_file));
        for file in [&path, &root_file, &authority_file] {
            if file.exists() {
                return Err(Failure::usage(format!("{} is there already; nothing was done", file.display()))
                    .advise(
                        "use it as it is, or name another file (--config, --root-file, --authority-file)",
                    ));
            }
        }
        let authority = Authority::generate()?;
        let vault = self.vault(options, &folder, &authority).await?;
        self.check_free(&vault).await?;

        let (root, secret) = self.new_root()?;
        secret::write_new(
            &authority_file,
            &format!(
                "# fireseal authority of the vault {:?}: keep it offline\n{}\n",
                self.name,
                *authority.to_text()
            ),
        )?;
        secret::write_new(&root_file, &secret)?;
        secret::write_new(&path, &self.config(options, &authority))?;

        let vault = vault.with_shared_root(root);
        let made = vault.create_scope(&authority, &self.scope).await;
        let manifest = made.map_err(|error| {
            Failure::from(error)
                .advise("the files were made: try again with `fireseal keys create`, or delete them")
        })?;
        let codes = match self.codes(output)? {
            0 => Vec::new(),
            count => vault.create_recovery_codes(&authority, &self.scope, count).await?,
        };
        let primary = manifest.primary(Purpose::Data).map(|key| key.id);
        let text = self.told(&path, primary.as_ref().map(keys::short), &codes);
        let value = json!({
            "event": "initialised", "config": path.display().to_string(), "vault": self.name,
            "scope": self.scope.as_str(), "authority": authority.key().to_string(),
            "primary": primary.map(|id| id.to_string()),
            "codes": codes.iter().map(RecoveryCode::expose_text).collect::<Vec<_>>(),
        });
        Ok(Told::new(text.as_str(), value))
    }

    async fn vault(
        &self,
        options: &Options,
        folder: &Path,
        authority: &Authority,
    ) -> Result<KeyVault, Failure> {
        if let Some(file) = &self.vault_file {
            return Ok(KeyVault::in_file(folder.join(file), &self.name, authority.key()));
        }
        let store = database::connect(&context::project(options, None)?, "(default)").await?;
        KeyVault::in_collection(store, &self.vault_collection, &self.name, authority.key())
            .map_err(|error| Failure::of(Exit::Usage, &error))
    }

    /// Refuses a place where the scope has a ring, before any file is made.
    async fn check_free(&self, vault: &KeyVault) -> Result<(), Failure> {
        match vault.manifest(&self.scope).await {
            Err(VaultError::ScopeUnknown { .. }) => Ok(()),
            Ok(_) | Err(VaultError::Manifest { .. } | VaultError::ScopeDestroyed { .. }) => {
                Err(Failure::usage(format!(
                    "scope {} has a key ring there already, of another authority; nothing was done",
                    self.scope
                ))
                .advise("use the configuration that it was made with, or another collection or scope"))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn new_root(&self) -> Result<(Arc<dyn KeyWrapper>, Zeroizing<String>), Failure> {
        if self.root == Kind::Age {
            let identity = AgeIdentity::generate();
            let text = roots::identity_text(&identity, "root of a fireseal vault");
            return Ok((Arc::new(identity), text));
        }
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut_slice())
            .map_err(|error| Failure::new(Exit::Error, format!("no random numbers: {error}")))?;
        let mut text = Zeroizing::new(String::with_capacity(64));
        STANDARD.encode_string(*bytes, &mut text);
        text.push('\n');
        Ok((Arc::new(LocalRoot::from_bytes(&bytes)), text))
    }

    /// The configuration's text.
    fn config(&self, options: &Options, authority: &Authority) -> String {
        let project = match &options.project {
            Some(project) => format!("project = {}\n\n", quoted(project)),
            None => "# project = \"my-project\"    # else GOOGLE_CLOUD_PROJECT\n\n".to_owned(),
        };
        let records = match &self.vault_file {
            Some(file) => format!("{{ file = {} }}", quoted(&file.display().to_string())),
            None => format!("{{ collection = {} }}", quoted(&self.vault_collection)),
        };
        let (kind, key) = match self.root {
            Kind::Local => ("local", "key_file"),
            Kind::Age => ("age", "identity_file"),
        };
        format!(
            "# The configuration of the program `fireseal`. It holds no secrets.\n{project}\
             [vault]\nname = {}\nrecords = {records}\nauthority = {}\nauthority_file = {}\n\n\
             [[vault.roots]]\nkind = \"{kind}\"\nname = \"first\"\n{key} = {}\n\n\
             # Which fields are sensitive:\n# [collections.customers.fields]\n# ssn = {{}}\n# email = {{ index = true }}\n",
            quoted(&self.name),
            quoted(&authority.key().to_string()),
            quoted(&self.authority_file.display().to_string()),
            quoted(&self.root_file.display().to_string()),
        )
    }

    fn codes(&self, output: &Output) -> Result<usize, Failure> {
        const USUAL: usize = 10;
        if let Some(count) = self.codes {
            return Ok(count);
        }
        if !output.json
            && ask::is_terminal()
            && ask::yes_unless_no("Make 10 recovery codes now? They are shown once.")?
        {
            return Ok(USUAL);
        }
        output.warn("no recovery codes were made: make some with `fireseal recovery codes`");
        Ok(0)
    }

    fn told(&self, path: &Path, primary: Option<String>, codes: &[RecoveryCode]) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(4 * 1024));
        text.push_str(&format!(
            "{}: vault {:?}, scope {}, primary key {}\n{}: the authority changes rings: keep it offline, and print it\n{}: the root opens everything: what services get\n",
            path.display(),
            self.name,
            self.scope,
            primary.unwrap_or_default(),
            self.authority_file.display(),
            self.root_file.display(),
        ));
        if !codes.is_empty() {
            text.push_str("recovery codes, shown once:\n");
            text.push_str(&recovery::codes_text(codes));
        }
        text
    }
}

/// A text as TOML has it.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
