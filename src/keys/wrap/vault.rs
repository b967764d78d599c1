//! A root in the transit engine of HashiCorp Vault or OpenBao.

mod http;

use std::fmt;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer};
use tokio::sync::OnceCell;
use zeroize::Zeroizing;

use self::http::{Connection, Refusal};
use super::attempt::{DEADLINE, attempt};
use super::{KeyWrapper, WrapError};

/// More than this no record wraps to: 4 KiB in base64, with room for a header.
const MAX_WRAPPED_BYTES: usize = 8 * 1024;
const MAX_RECORD_BYTES: usize = 4 * 1024;

/// Where a transit key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransitKey {
    address: String,
    namespace: Option<String>,
    mount: String,
    name: String,
    certificate: Option<Vec<u8>>,
}

impl TransitKey {
    /// The key with this name at the mount `transit` of the server at `address`, such as
    /// `https://vault.example:8200`. Plain `http` is for an agent on the loopback interface only.
    #[must_use]
    pub fn new(address: &str, name: &str) -> Self {
        Self {
            address: address.trim_end_matches('/').to_owned(),
            namespace: None,
            mount: "transit".to_owned(),
            name: name.to_owned(),
            certificate: None,
        }
    }

    /// At another mount.
    #[must_use]
    pub fn with_mount(mut self, mount: &str) -> Self {
        mount.clone_into(&mut self.mount);
        self
    }

    /// In a namespace.
    #[must_use]
    pub fn with_namespace(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned());
        self
    }

    /// On a server whose certificate was issued by this authority (PEM), instead of one that the operating
    /// system trusts.
    #[must_use]
    pub fn with_certificate(mut self, pem: &[u8]) -> Self {
        self.certificate = Some(pem.to_owned());
        self
    }

    fn root(&self) -> String {
        let namespace = self.namespace.iter().map(|namespace| format!("{namespace}/")).collect::<String>();
        format!("vault:{}/v1/{namespace}{}/keys/{}", self.address, self.mount, self.name)
    }
}

/// A transit key as a root. The key must have been created with `derived=true`: the binding is the context
/// that the server derives the wrapping key from. This is looked up before the first wrap, as a server
/// ignores the context of any other key without a word. The server chooses the nonce.
///
/// The token needs `update` on `<mount>/decrypt/<key>`, and to wrap, `update` on `<mount>/encrypt/<key>`
/// and `read` on `<mount>/keys/<key>`; without `create` it cannot make keys by accident.
///
/// A call that fails in passing is made once more; all of it stays within one deadline of 5 s. Redirects
/// are not followed.
pub struct VaultTransit {
    name: String,
    connection: Connection,
    token: RwLock<SecretString>,
    deadline: Duration,
    /// Set once the key is known to be derived.
    derived: OnceCell<()>,
}

impl VaultTransit {
    /// The root, with a token for the server. Nothing is called yet.
    ///
    /// # Errors
    /// [`WrapError::Unusable`] for an address, name or certificate that is none, and for plain `http`
    /// beyond the loopback interface.
    pub fn new(key: TransitKey, token: SecretString) -> Result<Self, WrapError> {
        let name = key.root();
        // Without the name, which may hold what does not belong into an address.
        let connection = Connection::new(key)
            .map_err(|reason| WrapError::Unusable { root: "vault".to_owned(), reason })?;
        Ok(Self { name, connection, token: RwLock::new(token), deadline: DEADLINE, derived: OnceCell::new() })
    }

    /// The same with another deadline for each call and its retry together.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Replaces the token, before the old one expires.
    pub fn set_token(&self, token: SecretString) {
        *self.token.write().unwrap_or_else(PoisonError::into_inner) = token;
    }

    fn unusable(&self, reason: &str) -> WrapError {
        WrapError::Unusable { root: self.name.clone(), reason: reason.to_owned() }
    }

    fn does_not_unwrap(&self) -> WrapError {
        WrapError::DoesNotUnwrap { root: self.name.clone() }
    }

    /// Calls an endpoint of the key, and reads what the answer holds under `data`.
    async fn call<T: for<'de> Deserialize<'de>>(
        &self,
        endpoint: &str,
        body: Option<&Bytes>,
    ) -> Result<T, WrapError> {
        attempt(&self.name, self.deadline, || async {
            let token = self.token.read().unwrap_or_else(PoisonError::into_inner).clone();
            let answer = self.connection.send(endpoint, body.cloned(), &token).await;
            let answer = answer.map_err(|refusal| self.refused(endpoint, refusal))?;
            // The parser's message could quote the answer.
            let Data { data } = serde_json::from_slice(&answer)
                .map_err(|_| self.unusable("its answer is not what the transit engine answers"))?;
            Ok(data)
        })
        .await
    }

    fn refused(&self, endpoint: &str, refusal: Refusal) -> WrapError {
        let root = self.name.clone();
        match refusal {
            Refusal::Failed(reason, source) => WrapError::Unavailable { root, reason, source },
            Refusal::Unusable(reason) => WrapError::Unusable { root, reason },
            // A wrong context or tag is a 400 or a 500, depending on the server's version.
            Refusal::Status(_, errors)
                if endpoint == "decrypt"
                    && ["message authentication failed", "invalid ciphertext"]
                        .iter()
                        .any(|said| errors.contains(said)) =>
            {
                self.does_not_unwrap()
            }
            Refusal::Status(401 | 403, errors) => WrapError::Denied { root, reason: errors },
            Refusal::Status(404, _) => self.unusable(&format!(
                "there is no such key: create it with `vault write -f {} derived=true`",
                self.connection.key_path()
            )),
            Refusal::Status(status @ (412 | 429 | 473 | 500..), errors) => WrapError::Unavailable {
                root,
                reason: format!("it answers {status}: {errors}"),
                source: None,
            },
            Refusal::Status(status, errors) => self.unusable(&format!("it answers {status}: {errors}")),
        }
    }

    async fn check_derived(&self) -> Result<(), WrapError> {
        let key: KeyData = self.call("keys", None).await?;
        if !key.derived {
            return Err(self.unusable("its key is not derived: create one with `derived=true`"));
        }
        if key.convergent_encryption {
            return Err(self.unusable(
                "its key encrypts convergently, without random nonces: create one without \
                 `convergent_encryption`",
            ));
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Data<T> {
    data: T,
}

#[derive(Deserialize)]
struct KeyData {
    derived: bool,
    #[serde(default)]
    convergent_encryption: bool,
}

#[derive(Deserialize)]
struct Encrypted {
    ciphertext: String,
}

#[derive(Deserialize)]
struct Decrypted {
    #[serde(deserialize_with = "wiped")]
    plaintext: Zeroizing<String>,
}

fn wiped<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Zeroizing<String>, D::Error> {
    String::deserialize(deserializer).map(Zeroizing::new)
}

/// Whether this is written as transit writes ciphertext: `vault:v<version>:<base64>`.
fn is_ciphertext(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b":+/=".contains(&byte);
    text.len() <= MAX_WRAPPED_BYTES && text.starts_with("vault:v") && text.bytes().all(known)
}

impl fmt::Debug for VaultTransit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VaultTransit").field("root", &self.name).finish_non_exhaustive()
    }
}

#[async_trait]
impl KeyWrapper for VaultTransit {
    fn root(&self) -> &str {
        &self.name
    }

    async fn wrap(&self, record: &[u8], context: &[u8]) -> Result<Vec<u8>, WrapError> {
        if record.len() > MAX_RECORD_BYTES {
            return Err(self.unusable("the record is above 4 KiB"));
        }
        self.derived.get_or_try_init(|| self.check_derived()).await?;
        let record = Zeroizing::new(STANDARD.encode(record));
        let context = STANDARD.encode(context);
        // Base64 needs no escaping. The room is taken at once: growing would leave copies behind.
        let mut body = Zeroizing::new(Vec::with_capacity(record.len() + context.len() + 40));
        for part in [r#"{"plaintext":""#, &record, r#"","context":""#, &context, r#""}"#] {
            body.extend_from_slice(part.as_bytes());
        }
        let body = Bytes::from_owner(body);
        let Encrypted { ciphertext } = self.call("encrypt", Some(&body)).await?;
        if !is_ciphertext(&ciphertext) {
            return Err(self.unusable("its answer is not what the transit engine answers"));
        }
        Ok(ciphertext.into_bytes())
    }

    async fn unwrap(&self, wrapped: &[u8], context: &[u8]) -> Result<Zeroizing<Vec<u8>>, WrapError> {
        let ciphertext = std::str::from_utf8(wrapped).ok().filter(|text| is_ciphertext(text));
        let ciphertext = ciphertext.ok_or_else(|| self.does_not_unwrap())?;
        let context = STANDARD.encode(context);
        let body = format!(r#"{{"ciphertext":"{ciphertext}","context":"{context}"}}"#).into();
        let Decrypted { plaintext } = self.call("decrypt", Some(&body)).await?;
        let decoded = STANDARD.decode(plaintext.as_bytes()).map(Zeroizing::new);
        decoded.map_err(|_| self.unusable("its answer is not what the transit engine answers"))
    }
}
