//! A root in memory: 32 bytes from a file or the environment.

mod source;

use std::fmt;
use std::path::Path;

use async_trait::async_trait;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::{KeyWrapper, WrapError};
use crate::bytes::aead::Cipher;
use crate::bytes::envelope::{NONCE_BYTES, TAG_BYTES};
use crate::bytes::wiped::wiped;
use crate::keys::derive::derive;
use crate::keys::labels;

/// A root key of 32 bytes that the program holds itself. Wraps with XChaCha20-Poly1305 under a key
/// derived from it; the binding is associated data. Wiped on drop.
pub struct LocalRoot {
    name: String,
    cipher: Cipher,
}

impl ZeroizeOnDrop for LocalRoot {}

const _: fn(&LocalRoot) = |LocalRoot { name: _, cipher }| wiped(cipher);

impl LocalRoot {
    /// The root with these 32 bytes, which must be uniformly random.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        let (id, wrapping_key) = derive(bytes, &labels::LOCAL_ROOT);
        Self { name: format!("local:{id}"), cipher: Cipher::new(&wrapping_key) }
    }

    /// The root whose 32 bytes stand in the file at `path`: base64 on one line, as `openssl rand -base64 32`
    /// writes it. The file must be a regular file, no symbolic link, and closed to group and others (on
    /// Unix; elsewhere permissions are not checked).
    ///
    /// # Errors
    /// [`WrapError::Unusable`] with what is wrong with the file, never with its content.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, WrapError> {
        source::read_file(path.as_ref()).map(|bytes| Self::from_bytes(&bytes)).map_err(unnamed)
    }

    /// The root whose 32 bytes stand in the environment variable `name`, in the form of
    /// [`from_file`](Self::from_file). The environment of a process is readable to whoever may read
    /// `/proc/<pid>/environ` and is inherited by its children: prefer a file.
    ///
    /// # Errors
    /// [`WrapError::Unusable`] with what is wrong with the variable, never with its content.
    pub fn from_env(name: &str) -> Result<Self, WrapError> {
        source::read_env(name).map(|bytes| Self::from_bytes(&bytes)).map_err(unnamed)
    }

    fn does_not_unwrap(&self) -> WrapError {
        WrapError::DoesNotUnwrap { root: self.name.clone() }
    }
}

/// What is wrong with a root whose key, and so whose name, is not known.
fn unnamed(reason: String) -> WrapError {
    WrapError::Unusable { root: "local".to_owned(), reason }
}

impl fmt::Debug for LocalRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalRoot").field("root", &self.name).finish_non_exhaustive()
    }
}

#[async_trait]
impl KeyWrapper for LocalRoot {
    fn root(&self) -> &str {
        &self.name
    }

    async fn wrap(&self, record: &[u8], context: &[u8]) -> Result<Vec<u8>, WrapError> {
        let unusable =
            |reason: &str| WrapError::Unusable { root: self.name.clone(), reason: reason.to_owned() };
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|_| unusable("the operating system gives no random numbers"))?;
        let mut sealed = Zeroizing::new(record.to_vec());
        let tag =
            self.cipher.seal(&nonce, context, &mut sealed).map_err(|_| unusable("the record is too long"))?;
        Ok([&nonce[..], &sealed, &tag].concat())
    }

    async fn unwrap(&self, wrapped: &[u8], context: &[u8]) -> Result<Zeroizing<Vec<u8>>, WrapError> {
        let parts = wrapped.split_first_chunk::<NONCE_BYTES>();
        let (nonce, (sealed, tag)) = parts
            .and_then(|(nonce, rest)| Some((nonce, rest.split_last_chunk::<TAG_BYTES>()?)))
            .ok_or_else(|| self.does_not_unwrap())?;
        let mut record = Zeroizing::new(vec![0; sealed.len()]);
        self.cipher.open(nonce, context, (sealed, tag), &mut record).map_err(|_| self.does_not_unwrap())?;
        Ok(record)
    }
}
