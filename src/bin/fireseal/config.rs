//! `fireseal.toml`: which project, which vault, which collections. It never holds a secret.

use std::path::{Path, PathBuf};

use fireseal::operations::{CollectionConfig, Collections};
use serde::Deserialize;

use crate::failure::Failure;

/// The file's name where none is given.
pub const NAME: &str = "fireseal.toml";

/// The configuration, and where it stands.
#[derive(Debug, Clone)]
pub struct Config {
    pub file: File,
    /// The folder that relative paths in it start from.
    folder: PathBuf,
}

/// The content of the file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    pub project: Option<String>,
    pub database: Option<String>,
    pub vault: Vault,
    #[serde(default)]
    pub collections: Collections,
}

/// Where the rings are, and whose they are.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vault {
    pub name: String,
    pub records: Records,
    /// The public line of the authority.
    pub authority: String,
    /// Where the authority's private line is; better given with each command.
    pub authority_file: Option<PathBuf>,
    /// The longest time that any service keeps what it loaded.
    pub hard_minutes: Option<u32>,
    #[serde(default)]
    pub roots: Vec<Root>,
}

/// A collection, or a file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Records {
    pub collection: Option<String>,
    pub file: Option<PathBuf>,
    /// Where the collection is, if not where the documents are.
    pub project: Option<String>,
    pub database: Option<String>,
}

/// A root, and where what opens it is. Every build reads every kind; what it cannot use it says by name.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[cfg_attr(not(all(feature = "gcp-kms", feature = "vault", feature = "pkcs11")), allow(dead_code))]
pub enum Root {
    Local {
        name: String,
        key_file: Option<PathBuf>,
        key_env: Option<String>,
    },
    Age {
        name: String,
        identity_file: Option<PathBuf>,
        identity_env: Option<String>,
        /// Without an identity: wraps only.
        recipient: Option<String>,
    },
    GcpKms {
        name: String,
        key: String,
    },
    Vault {
        name: String,
        address: String,
        key: String,
        mount: Option<String>,
        namespace: Option<String>,
        certificate_file: Option<PathBuf>,
        token_file: Option<PathBuf>,
        token_env: Option<String>,
    },
    Pkcs11 {
        name: String,
        module: PathBuf,
        token: String,
        label: String,
        /// In hexadecimal.
        id: String,
        pin_file: Option<PathBuf>,
        pin_env: Option<String>,
    },
}

impl Root {
    pub fn name(&self) -> &str {
        match self {
            Self::Local { name, .. }
            | Self::Age { name, .. }
            | Self::GcpKms { name, .. }
            | Self::Vault { name, .. }
            | Self::Pkcs11 { name, .. } => name,
        }
    }
}

impl Config {
    /// Reads the file.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::usage(format!("the configuration {shown} cannot be read: {error}"))
                .advise("make one with `fireseal init`, or name yours with --config")
        })?;
        let file: File = toml::from_str(&text).map_err(|error| {
            // Without the line itself, which may hold what does not belong there.
            let place = error.span().map_or_else(String::new, |span| {
                let before = text.get(..span.start).unwrap_or(&text);
                format!(", line {}", before.matches('\n').count() + 1)
            });
            Failure::usage(format!("the configuration {shown}{place}: {}", error.message()))
        })?;
        if file.vault.records.collection.is_some() == file.vault.records.file.is_some() {
            return Err(Failure::usage(format!(
                "the configuration {shown}: [vault] records is either {{ collection = \"…\" }} or {{ file = \"…\" }}"
            )));
        }
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        Ok(Self { file, folder })
    }

    /// The collection with this path, or the group with this id.
    pub fn collection(&self, path: &str) -> Result<&CollectionConfig, Failure> {
        self.file.collections.get(path).ok_or_else(|| {
            let paths: Vec<&str> = self.file.collections.iter().map(|known| known.path.as_str()).collect();
            let paths = if paths.is_empty() { "none".to_owned() } else { paths.join(", ") };
            Failure::usage(format!("no collection {path:?} stands in the configuration; there are: {paths}"))
                .advise(format!("say which of its fields are sensitive, under [collections.{path}.fields]"))
        })
    }

    /// A path of the configuration, which starts from its folder.
    pub fn path(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }
}
