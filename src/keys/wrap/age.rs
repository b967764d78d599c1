//! Roots that are people and devices: every wrap is a standard, armoured age file that the stock `age`
//! program decrypts to the record.

mod passphrase;
mod x25519;

pub use passphrase::AgePassphrase;
pub use x25519::{AgeIdentity, AgeRecipient};

use std::io::Read;

use age::armor::ArmoredReader;
use zeroize::Zeroizing;

use super::WrapError;

/// Age files above this are refused before they are looked at: a record of 4 KiB, armoured, with a header
/// for one recipient, takes 6 KiB.
const MAX_FILE_BYTES: usize = 8 * 1024;
/// The largest record.
const MAX_RECORD_BYTES: usize = 4 * 1024;

/// Encrypts a record to one recipient.
fn encrypt(root: &str, recipient: &impl age::Recipient, record: &[u8]) -> Result<Vec<u8>, WrapError> {
    let unusable = |reason: String| WrapError::Unusable { root: root.to_owned(), reason };
    if record.len() > MAX_RECORD_BYTES {
        return Err(unusable(format!("the record is above {MAX_RECORD_BYTES} bytes")));
    }
    age::encrypt_and_armor(recipient, record)
        .map(String::into_bytes)
        .map_err(|error| unusable(format!("age does not encrypt: {error}")))
}

/// Decrypts an age file, armoured or not, within bounded time and memory. Whatever is wrong with the file,
/// it is not one that was encrypted to this identity for a record.
fn decrypt(root: &str, identity: &dyn age::Identity, file: &[u8]) -> Result<Zeroizing<Vec<u8>>, WrapError> {
    read(identity, file).ok_or_else(|| WrapError::DoesNotUnwrap { root: root.to_owned() })
}

fn read(identity: &dyn age::Identity, file: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    if file.len() > MAX_FILE_BYTES {
        return None;
    }
    let decryptor = age::Decryptor::new_buffered(ArmoredReader::new(file)).ok()?;
    let content = decryptor.decrypt(std::iter::once(identity)).ok()?;
    // All the room at once: growing would leave copies behind.
    let mut record = Zeroizing::new(Vec::with_capacity(MAX_RECORD_BYTES + 1));
    content.take(MAX_RECORD_BYTES as u64 + 1).read_to_end(&mut record).ok()?;
    (record.len() <= MAX_RECORD_BYTES).then_some(record)
}
