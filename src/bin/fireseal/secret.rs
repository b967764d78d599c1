//! Secrets from files and standard input, and files that hold them.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::failure::{Exit, Failure};

/// The longest text that is taken.
const MAX_BYTES: u64 = 64 * 1024;

/// The text of a file that nobody but its owner can read, or of standard input where the name is `-`.
pub fn read(path: &Path, what: &str) -> Result<Zeroizing<String>, Failure> {
    if path == Path::new("-") {
        return read_all(std::io::stdin().lock(), &format!("{what} on standard input"));
    }
    let shown = format!("{what} {}", path.display());
    let unreadable =
        |error: std::io::Error| Failure::new(Exit::Usage, format!("{shown} cannot be read: {error}"));
    let named = fs::symlink_metadata(path).map_err(unreadable)?;
    if !named.is_file() {
        return Err(Failure::usage(format!("{shown} is no regular file: name the file itself")));
    }
    check_mode(&named, path, &shown)?;
    read_all(File::open(path).map_err(unreadable)?, &shown)
}

#[cfg(unix)]
fn check_mode(named: &fs::Metadata, path: &Path, shown: &str) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt as _;

    let mode = named.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "{shown} is open to others than its owner (mode {mode:03o}), so it was not read"
    ))
    .advise(format!("close it with `chmod 600 {}`; if others may have read it, replace it", path.display())))
}

#[cfg(not(unix))]
fn check_mode(_named: &fs::Metadata, _path: &Path, _shown: &str) -> Result<(), Failure> {
    Ok(())
}

fn read_all(from: impl Read, shown: &str) -> Result<Zeroizing<String>, Failure> {
    let room = usize::try_from(MAX_BYTES).unwrap_or(usize::MAX) + 1;
    // With room for all of it from the start: growing would leave a copy behind.
    let mut text = Zeroizing::new(String::with_capacity(room));
    from.take(MAX_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|error| Failure::usage(format!("{shown} cannot be read: {error}")))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(Failure::usage(format!("{shown} is longer than {MAX_BYTES} bytes")));
    }
    Ok(text)
}

/// Writes a new file of mode 0600; one that is there is never replaced.
pub fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    NewFile::create(path)?.write(text)
}

/// A new file of mode 0600, made before what it is for, so that this is not made where it cannot be written
/// down. It is removed again unless it was written.
pub struct NewFile {
    path: PathBuf,
    file: File,
    is_written: bool,
}

impl NewFile {
    /// Makes the empty file; one that is there is never replaced.
    pub fn create(path: &Path) -> Result<Self, Failure> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => Failure::usage(format!("{} is there already", path.display()))
                .advise("name another file, or move that one away"),
            _ => unwritable(path, &error),
        })?;
        Ok(Self { path: path.to_owned(), file, is_written: false })
    }

    pub fn write(mut self, text: &str) -> Result<(), Failure> {
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_all());
        self.is_written = written.is_ok();
        written.map_err(|error| unwritable(&self.path, &error))
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.is_written {
            // It is empty or cut off; whoever made it was told so.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Error, format!("{} cannot be written: {error}", path.display()))
}
