//! Where a local root's 32 bytes come from: a file or an environment variable, as base64 on one line.

use std::fs::{self, File, Metadata};
use std::io::Read;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// 32 bytes in base64.
const TEXT_BYTES: usize = 44;
/// More than this is not read: the text, a line break, and enough to tell that there is more.
const READ_BYTES: usize = 64;
const EXPECTED: &str = "expected the 44 characters of 32 random bytes in base64, on one line, as \
                        `openssl rand -base64 32` writes them";

/// The bytes in the file at `path`, or what is wrong with it, without its content.
pub(super) fn read_file(path: &Path) -> Result<Zeroizing<[u8; 32]>, String> {
    let shown = path.display();
    let text = read_guarded(path).map_err(|reason| format!("the key file {shown} {reason}"))?;
    parse(&text).map_err(|reason| format!("the key file {shown} {reason}; {EXPECTED}"))
}

/// The bytes in the environment variable `name`, or what is wrong with it, without its content.
pub(super) fn read_env(name: &str) -> Result<Zeroizing<[u8; 32]>, String> {
    let value =
        std::env::var_os(name).ok_or_else(|| format!("the environment variable {name} is not set"))?;
    let text = Zeroizing::new(value.into_encoded_bytes());
    parse(&text).map_err(|reason| format!("the environment variable {name} {reason}; {EXPECTED}"))
}

/// The start of a file that nobody but its owner can read.
fn read_guarded(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let named = fs::symlink_metadata(path).map_err(|error| format!("cannot be read: {error}"))?;
    if named.file_type().is_symlink() {
        return Err("is a symbolic link: name the file itself".to_owned());
    }
    // Before opening, which would wait on a pipe.
    if !named.is_file() {
        return Err("is not a regular file".to_owned());
    }
    let file = File::open(path).map_err(|error| format!("cannot be opened: {error}"))?;
    let opened = file.metadata().map_err(|error| format!("cannot be read: {error}"))?;
    check_guarded(&named, &opened)?;
    let mut text = Zeroizing::new(Vec::with_capacity(READ_BYTES));
    file.take(READ_BYTES as u64)
        .read_to_end(&mut text)
        .map_err(|error| format!("cannot be read: {error}"))?;
    Ok(text)
}

/// The file that was opened is the one that was looked at, and it is its owner's alone. Such a file opens
/// for its owner and for root only, so its owner needs no comparing.
#[cfg(unix)]
fn check_guarded(named: &Metadata, opened: &Metadata) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt;
    if (named.dev(), named.ino()) != (opened.dev(), opened.ino()) {
        return Err("was replaced while it was opened".to_owned());
    }
    let mode = opened.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(format!("is open to others (mode {mode:04o}): make it yours alone with `chmod 600`"));
    }
    Ok(())
}

/// Elsewhere permissions are not modes, and are not checked.
#[cfg(not(unix))]
fn check_guarded(_named: &Metadata, _opened: &Metadata) -> Result<(), String> {
    Ok(())
}

fn parse(text: &[u8]) -> Result<Zeroizing<[u8; 32]>, &'static str> {
    if text.is_empty() {
        return Err("is empty");
    }
    if text.starts_with(b"\xef\xbb\xbf") {
        return Err("starts with a byte-order mark: save it as plain ASCII text");
    }
    let line = text.strip_suffix(b"\n").unwrap_or(text);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() < TEXT_BYTES {
        return Err("is too short");
    }
    if line.len() > TEXT_BYTES {
        return Err("is too long");
    }
    // The decoder asks for room in whole groups of three bytes.
    let mut decoded = Zeroizing::new([0; 33]);
    let length = STANDARD.decode_slice(line, decoded.as_mut_slice()).map_err(|_| "is not base64")?;
    let mut bytes = Zeroizing::new([0; 32]);
    bytes.copy_from_slice(decoded.get(..length).filter(|bytes| bytes.len() == 32).ok_or("is not 32 bytes")?);
    if bytes.iter().all(|byte| *byte == bytes[0]) {
        return Err("repeats one byte, which is not random");
    }
    Ok(bytes)
}
