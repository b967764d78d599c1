//! A root in a hardware security module, reached through PKCS#11 (OASIS, 2.40 or later).

mod token;

use std::fmt::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use zeroize::Zeroizing;

use self::token::{Failure, Token};
use super::{KeyWrapper, WrapError};

/// How long a call may take, unless told otherwise.
const DEADLINE: Duration = Duration::from_secs(10);

/// Where an AES key is: a module, a token and an object on it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pkcs11Key {
    /// The module's shared library, such as `/usr/lib/softhsm/libsofthsm2.so`.
    pub module: PathBuf,
    /// The label of the token.
    pub token: String,
    /// The key's label (`CKA_LABEL`).
    pub label: String,
    /// The key's id (`CKA_ID`).
    pub id: Vec<u8>,
}

impl Pkcs11Key {
    /// The key with this label and id on the token with this label.
    #[must_use]
    pub fn new(module: impl Into<PathBuf>, token: &str, label: &str, id: &[u8]) -> Self {
        Self { module: module.into(), token: token.to_owned(), label: label.to_owned(), id: id.to_owned() }
    }

    /// The key as a PKCS#11 URI (RFC 7512). The module is left out: it is this machine's way to the key.
    fn uri(&self) -> String {
        let mut uri = "pkcs11:token=".to_owned();
        escape(&mut uri, self.token.as_bytes());
        uri.push_str(";object=");
        escape(&mut uri, self.label.as_bytes());
        uri.push_str(";id=");
        for byte in &self.id {
            write!(uri, "%{byte:02X}").expect("a string takes everything");
        }
        uri
    }
}

/// Percent-encodes what RFC 3986 does not leave unreserved.
fn escape(uri: &mut String, text: &[u8]) {
    for &byte in text {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            write!(uri, "%{byte:02X}").expect("a string takes everything");
        }
    }
}

/// A 256-bit AES key on a token as a root. Wraps with AES-GCM (`CKM_AES_GCM`) on the token, with the binding
/// as associated data: nonce (12), ciphertext, tag (16). The key never leaves the token.
///
/// A call opens a session of its own, on a thread that may block. What failed because a session or the
/// device was lost is tried once more; all of it stays within one deadline of 10 s.
pub struct Pkcs11Root {
    name: String,
    token: Arc<Token>,
    deadline: Duration,
}

impl Pkcs11Root {
    /// Loads the module, logs in with the user's PIN and finds the key. The key must be there, once: it is
    /// never created here.
    ///
    /// # Errors
    /// [`WrapError::Unusable`] if the module, the token or the key is not there, or several are;
    /// [`WrapError::Denied`] for a wrong or locked PIN; [`WrapError::Unavailable`] if the device fails.
    pub async fn open(key: Pkcs11Key, pin: SecretString) -> Result<Self, WrapError> {
        Self::begin(key, pin, Token::find).await
    }

    /// Creates a new 256-bit AES key on the token, sensitive and not extractable, and opens it. To be
    /// called once, when a deployment is set up.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`WrapError::Unusable`] if there is a key with this label and id already.
    pub async fn create_key(key: Pkcs11Key, pin: SecretString) -> Result<Self, WrapError> {
        Self::begin(key, pin, Token::create).await
    }

    async fn begin(
        key: Pkcs11Key,
        pin: SecretString,
        step: fn(&Token) -> Result<(), Failure>,
    ) -> Result<Self, WrapError> {
        let name = key.uri();
        let opened = blocking(&name, DEADLINE, move || {
            let token = Token::load(key, pin)?;
            step(&token)?;
            Ok(token)
        });
        let token = Arc::new(opened.await?);
        Ok(Self { name, token, deadline: DEADLINE })
    }

    /// The same with another deadline for each call. A call that is given up goes on in its thread until
    /// the module returns.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }
}

/// Runs what may block, within a deadline.
async fn blocking<T: Send + 'static>(
    root: &str,
    deadline: Duration,
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, WrapError> {
    let unavailable = |reason: String| WrapError::Unavailable { root: root.to_owned(), reason, source: None };
    match tokio::time::timeout(deadline, tokio::task::spawn_blocking(work)).await {
        Ok(Ok(result)) => result.map_err(|failure| failure.named(root)),
        Ok(Err(_)) => Err(unavailable("the work was stopped".to_owned())),
        Err(_) => Err(unavailable(format!("the module did not answer within {deadline:?}"))),
    }
}

impl fmt::Debug for Pkcs11Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pkcs11Root").field("root", &self.name).finish_non_exhaustive()
    }
}

#[async_trait]
impl KeyWrapper for Pkcs11Root {
    fn root(&self) -> &str {
        &self.name
    }

    async fn wrap(&self, record: &[u8], context: &[u8]) -> Result<Vec<u8>, WrapError> {
        let (token, record, context) =
            (Arc::clone(&self.token), Zeroizing::new(record.to_vec()), context.to_vec());
        blocking(&self.name, self.deadline, move || token.encrypt(&record, &context)).await
    }

    async fn unwrap(&self, wrapped: &[u8], context: &[u8]) -> Result<Zeroizing<Vec<u8>>, WrapError> {
        let (token, wrapped, context) = (Arc::clone(&self.token), wrapped.to_vec(), context.to_vec());
        blocking(&self.name, self.deadline, move || token.decrypt(&wrapped, &context)).await
    }
}
