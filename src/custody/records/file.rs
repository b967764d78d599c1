//! Rings in one local file: mode 0600, replaced as a whole, refused where others could have written it.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::super::manifest::{MAX_MANIFEST_BYTES, MAX_SLOTS, record_hash};
use super::{Change, MAX_WRAP_BYTES, Records, RecordsError, StoredManifest, Wraps, key_id, slot_number};
use crate::bytes::{KeyId, Scope};

/// The longest file that is read, in bytes.
pub const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;

const FORMAT: &str = "fireseal-vault-v1";

/// Rings in a file of JSON. A change writes a new file beside it, syncs it and moves it into place, so
/// that a crash leaves the old or the new one. Changes of several processes wait for each other at a lock
/// file (`.lock`); readers wait for nobody.
#[derive(Debug, Clone)]
pub struct FileRecords {
    path: PathBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    format: String,
    rings: BTreeMap<String, StoredRing>,
}

/// Bytes in base64, key ids in hexadecimal.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredRing {
    manifest: String,
    wraps: BTreeMap<String, BTreeMap<String, String>>,
}

impl FileRecords {
    /// Rings in the file at this path, which need not be there yet; its directory must.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    fn error(&self, reason: &str, source: impl Into<Option<io::Error>>) -> RecordsError {
        RecordsError::File { path: self.path.clone(), reason: reason.to_owned(), source: source.into() }
    }

    fn beside(&self, extension: &str) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(extension);
        name.into()
    }

    fn read(&self) -> Result<Content, RecordsError> {
        let Some(file) = self.open()? else {
            return Ok(Content { format: FORMAT.to_owned(), rings: BTreeMap::new() });
        };
        let mut text = Vec::new();
        file.take(MAX_FILE_BYTES + 1)
            .read_to_end(&mut text)
            .map_err(|error| self.error("it cannot be read", error))?;
        if text.len() as u64 > MAX_FILE_BYTES {
            return Err(self.error("it has more than 64 MiB", None));
        }
        let content: Content = serde_json::from_slice(&text)
            .map_err(|error| self.error("it is damaged; restore it from a copy", io::Error::from(error)))?;
        if content.format == FORMAT {
            Ok(content)
        } else {
            Err(self.error("it is no vault of version 1", None))
        }
    }

    /// The file, if there is one and nobody else could have written or read it.
    fn open(&self) -> Result<Option<File>, RecordsError> {
        let named = match fs::symlink_metadata(&self.path) {
            Ok(named) => named,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.error("it cannot be looked at", error)),
        };
        if !named.file_type().is_file() {
            return Err(self.error("it is a symbolic link or no file; name the file itself", None));
        }
        let file = File::open(&self.path).map_err(|error| self.error("it cannot be opened", error))?;
        let opened = file.metadata().map_err(|error| self.error("it cannot be looked at", error))?;
        self.check_owner(&named, &opened)?;
        Ok(Some(file))
    }

    #[cfg(unix)]
    fn check_owner(&self, named: &fs::Metadata, opened: &fs::Metadata) -> Result<(), RecordsError> {
        use std::os::unix::fs::MetadataExt as _;
        if (named.dev(), named.ino()) != (opened.dev(), opened.ino()) {
            return Err(self.error("it was exchanged while it was opened; try again", None));
        }
        if opened.mode() & 0o077 != 0 {
            return Err(self.error("others may read or write it; run `chmod 600` on it", None));
        }
        Ok(())
    }

    #[cfg(not(unix))]
    #[allow(clippy::unused_self, clippy::unnecessary_wraps)]
    fn check_owner(&self, _named: &fs::Metadata, _opened: &fs::Metadata) -> Result<(), RecordsError> {
        Ok(())
    }

    fn write(&self, content: &Content) -> Result<(), RecordsError> {
        let text = serde_json::to_vec_pretty(content)
            .map_err(|error| self.error("it cannot be written", io::Error::from(error)))?;
        if text.len() as u64 > MAX_FILE_BYTES {
            return Err(self.error("it would have more than 64 MiB; use a database", None));
        }
        self.replace_file(&text).map_err(|error| self.error("it cannot be written", error))
    }

    /// Called under the lock, so that the name of the new file is ours alone.
    fn replace_file(&self, text: &[u8]) -> io::Result<()> {
        let new = self.beside(".new");
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        if let Err(error) = write_new(&new, text) {
            // A disk that is full must not stay so because of us.
            let _ = fs::remove_file(&new);
            return Err(error);
        }
        fs::rename(&new, &self.path)?;
        sync_directory(&self.path)
    }

    fn lock(&self) -> Result<File, RecordsError> {
        let path = self.beside(".lock");
        let lock = private(OpenOptions::new().write(true).create(true).truncate(false)).open(path);
        let lock = lock.map_err(|error| self.error("its lock file cannot be opened", error))?;
        lock.lock().map_err(|error| self.error("it cannot be locked", error))?;
        Ok(lock)
    }

    fn replace_now(
        &self,
        scope: &Scope,
        expected: Option<&[u8]>,
        change: Change,
    ) -> Result<(), RecordsError> {
        let _lock = self.lock()?;
        let mut content = self.read()?;
        let ring = content.rings.entry(scope.as_str().to_owned());
        let current = match &ring {
            std::collections::btree_map::Entry::Occupied(ring) => Some(version(&ring.get().manifest)?),
            std::collections::btree_map::Entry::Vacant(_) => None,
        };
        if current.as_deref() != expected {
            return Err(RecordsError::Conflict);
        }
        let ring = ring.or_insert_with(|| StoredRing { manifest: String::new(), wraps: BTreeMap::new() });
        ring.manifest = STANDARD.encode(&change.manifest);
        for (key, wraps) in change.wraps {
            match wraps {
                None => ring.wraps.remove(&key.to_string()),
                Some(wraps) => {
                    let wraps = wraps.iter().map(|(slot, wrap)| (slot.to_string(), STANDARD.encode(wrap)));
                    ring.wraps.insert(key.to_string(), wraps.collect())
                }
            };
        }
        self.write(&content)
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, RecordsError> + Send + 'static,
    ) -> Result<T, RecordsError> {
        let records = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&records)).await;
        done.unwrap_or_else(|_| Err(self.error("the program is shutting down", None)))
    }
}

#[async_trait]
impl Records for FileRecords {
    async fn manifest(&self, scope: &Scope) -> Result<Option<StoredManifest>, RecordsError> {
        let scope = scope.as_str().to_owned();
        self.blocking(move |records| {
            let Some(ring) = records.read()?.rings.remove(&scope) else { return Ok(None) };
            let record = decode(&ring.manifest, MAX_MANIFEST_BYTES)?;
            Ok(Some(StoredManifest { version: record_hash(&record).to_vec(), record }))
        })
        .await
    }

    async fn wraps(&self, scope: &Scope, key: &KeyId) -> Result<Option<Wraps>, RecordsError> {
        let (scope, key) = (scope.as_str().to_owned(), key.to_string());
        self.blocking(move |records| {
            let malformed = |reason| RecordsError::Malformed { reason };
            let Some(mut ring) = records.read()?.rings.remove(&scope) else { return Ok(None) };
            if ring.wraps.keys().any(|id| key_id(id).is_none()) {
                return Err(malformed("wraps stand under what is no key id"));
            }
            let Some(wraps) = ring.wraps.remove(&key) else { return Ok(None) };
            if wraps.len() > MAX_SLOTS {
                return Err(malformed("a key has more wraps than there can be slots"));
            }
            let mut decoded = Wraps::new();
            for (slot, wrap) in wraps {
                let slot = slot_number(&slot).ok_or(malformed("a wrap stands under no slot number"))?;
                decoded.insert(slot, decode(&wrap, MAX_WRAP_BYTES)?);
            }
            Ok(Some(decoded))
        })
        .await
    }

    async fn replace(
        &self,
        scope: &Scope,
        expected: Option<&[u8]>,
        change: Change,
    ) -> Result<(), RecordsError> {
        let (scope, expected) = (scope.clone(), expected.map(<[u8]>::to_vec));
        self.blocking(move |records| records.replace_now(&scope, expected.as_deref(), change)).await
    }
}

/// Created anew, which follows no symbolic link.
fn write_new(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = private(OpenOptions::new().write(true).create_new(true)).open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

fn version(manifest: &str) -> Result<Vec<u8>, RecordsError> {
    Ok(record_hash(&decode(manifest, MAX_MANIFEST_BYTES)?).to_vec())
}

fn decode(text: &str, max: usize) -> Result<Vec<u8>, RecordsError> {
    let malformed = |reason| RecordsError::Malformed { reason };
    if text.len() > max.div_ceil(3) * 4 {
        return Err(malformed("a record is too long"));
    }
    STANDARD.decode(text).map_err(|_| malformed("a record is no base64"))
}

fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// Makes the new name last through a crash of the machine.
fn sync_directory(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}
