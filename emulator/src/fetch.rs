//! Downloading a pinned emulator where none is installed.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use reqwest::{Certificate, Client};
use sha2::{Digest, Sha256};

use crate::Error;
use crate::find::env_path;
use crate::java::Java;

/// Where Google keeps the emulators for the Firebase CLI.
const STORAGE: &str = "https://storage.googleapis.com/firebase-preview-drop/emulator";

/// An emulator that we know by its content.
struct Pin {
    jar: &'static str,
    sha256: &'static str,
    /// The oldest Java that it runs on.
    java: u32,
}

/// The newest first.
const PINS: [Pin; 2] = [
    Pin {
        jar: "cloud-firestore-emulator-v1.22.0.jar",
        sha256: "9b6498b7f62714d67f48f59b3818883cd682dbcd46b9f59511de81c97bb5166c",
        java: 21,
    },
    Pin {
        jar: "cloud-firestore-emulator-v1.19.8.jar",
        sha256: "9d43599ed6151199e8d604dc87fac51218e49e5f3a48519b1ae560bbe5e3382d",
        java: 11,
    },
];

/// The newest pinned emulator that `java` runs, from the user's cache or downloaded into it.
pub(crate) async fn pinned(java: &Java) -> Result<PathBuf, Error> {
    let pin = PINS.iter().find(|pin| pin.java <= java.version);
    match (pin, cache()) {
        (Some(pin), Some(cache)) => fetch(STORAGE, pin.jar, pin.sha256, &cache).await,
        _ => Err(Error::NoEmulator),
    }
}

/// `fireseal` in the user's cache directory.
fn cache() -> Option<PathBuf> {
    let caches = env_path("XDG_CACHE_HOME").or_else(|| {
        let place = if cfg!(target_os = "macos") { "Library/Caches" } else { ".cache" };
        Some(std::env::home_dir()?.join(place))
    })?;
    Some(caches.join("fireseal"))
}

/// The jar of that name in `directory`, downloaded from `storage` if it is not there. What stands there under its full
/// name is complete and verified.
async fn fetch(storage: &str, name: &str, sha256: &str, directory: &Path) -> Result<PathBuf, Error> {
    let jar = directory.join(name);
    if jar.is_file() {
        return Ok(jar);
    }
    fs::create_dir_all(directory).map_err(cannot_write(directory))?;
    // Of several test programs that start at once, one downloads and the others wait for it.
    let _lock = lock(directory.join(format!("{name}.lock"))).await?;
    if jar.is_file() {
        return Ok(jar);
    }

    let part = tempfile::Builder::new()
        .prefix(name)
        .suffix(".part")
        .tempfile_in(directory)
        .map_err(cannot_write(directory))?;
    let url = format!("{storage}/{name}");
    let found =
        download(&url, part.as_file()).await.map_err(|source| Error::Fetch { url: url.clone(), source })?;
    if found != sha256 {
        return Err(Error::Checksum { url, expected: sha256.to_owned(), found });
    }
    part.persist(&jar).map_err(|error| cannot_write(&jar)(error.error))?;
    Ok(jar)
}

/// An exclusive lock, which the system takes back when the file is closed or its owner dies.
async fn lock(path: PathBuf) -> Result<File, Error> {
    let locked = {
        let path = path.clone();
        tokio::task::spawn_blocking(move || {
            let file = File::create(path)?;
            file.lock()?;
            Ok(file)
        })
    };
    locked.await.unwrap_or_else(|error| Err(error.into())).map_err(cannot_write(&path))
}

fn cannot_write(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    Error::io(format!("{} cannot be written", path.display()))
}

/// Writes what stands at `url` into `file`. Returns its SHA-256 in hexadecimal.
async fn download(url: &str, mut file: &File) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    // Our own roots beside the system's: a fresh container has none.
    let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS
        .iter()
        .map(|root| Certificate::from_der(root))
        .collect::<Result<Vec<_>, _>>()?;
    let client = Client::builder()
        .tls_certs_merge(roots)
        .connect_timeout(Duration::from_secs(20))
        .read_timeout(Duration::from_secs(60))
        .no_gzip()
        .build()?;
    let mut response = client.get(url).send().await?.error_for_status()?;
    let progress = progress(response.content_length());
    let mut hash = Sha256::new();
    while let Some(chunk) = response.chunk().await? {
        file.write_all(&chunk)?;
        hash.update(&chunk);
        progress.inc(chunk.len() as u64);
    }
    file.sync_all()?;
    progress.finish_and_clear();
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A bar on standard error. Where that is no terminal it shows nothing.
fn progress(size: Option<u64>) -> ProgressBar {
    let bar = size.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    let style = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
    bar.with_style(style.expect("the template is valid")).with_message("Fetching the Firestore emulator")
}

#[cfg(test)]
mod tests;
