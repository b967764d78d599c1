//! Roots in Google Cloud KMS: symmetric keys, by name, from a list of the caller's.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gcloud_sdk::google::cloud::kms::v1::DecryptRequest;
use gcloud_sdk::google::cloud::kms::v1::key_management_service_client::KeyManagementServiceClient;
use gcloud_sdk::proto_ext::kms::EncryptRequest;
use gcloud_sdk::tonic::{Code, Status};
use gcloud_sdk::{GoogleApi, GoogleAuthMiddleware, SecretValue};
use zeroize::Zeroizing;

use super::attempt::{DEADLINE, attempt};
use super::{KeyWrapper, WrapError};

/// A client of Cloud KMS, as `gcloud-sdk` makes them: for other credentials or another address.
pub type KmsClient = GoogleApi<KeyManagementServiceClient<GoogleAuthMiddleware>>;

const ADDRESS: &str = "https://cloudkms.googleapis.com";
/// How long connecting may take.
const CONNECT_DEADLINE: Duration = Duration::from_secs(30);
const MAX_RECORD_BYTES: usize = 4 * 1024;
/// More than this no record encrypts to, and is not sent.
const MAX_WRAPPED_BYTES: usize = 8 * 1024;

/// Google Cloud KMS, with the names of the keys that may be called there. A name that comes from stored
/// data is one of them, or no root.
#[derive(Clone)]
pub struct GcpKms {
    client: KmsClient,
    allowed: Arc<BTreeSet<String>>,
    deadline: Duration,
}

impl GcpKms {
    /// Connects with the application default credentials. Takes at most 30 s. The names are those of keys,
    /// not of versions: `projects/…/locations/…/keyRings/…/cryptoKeys/…`.
    ///
    /// # Errors
    /// [`WrapError::Unusable`] for a name that is none; [`WrapError::Unavailable`] without credentials or
    /// a connection.
    pub async fn connect(allowed: impl IntoIterator<Item = impl Into<String>>) -> Result<Self, WrapError> {
        let allowed = check_names(allowed)?;
        let unavailable = |reason: String, source| {
            Err(WrapError::Unavailable { root: "gcp-kms".to_owned(), reason, source })
        };
        let connecting = KmsClient::from_function(KeyManagementServiceClient::new, ADDRESS, None);
        match tokio::time::timeout(CONNECT_DEADLINE, connecting).await {
            Ok(Ok(client)) => Ok(Self { client, allowed: Arc::new(allowed), deadline: DEADLINE }),
            Ok(Err(error)) => unavailable(format!("no connection: {error}"), Some(error.into())),
            Err(_) => unavailable(format!("no connection within {CONNECT_DEADLINE:?}"), None),
        }
    }

    /// As [`connect`](Self::connect), over a client of the caller's.
    ///
    /// # Errors
    /// [`WrapError::Unusable`] for a name that is none.
    pub fn with_client(
        client: KmsClient,
        allowed: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Self, WrapError> {
        Ok(Self { client, allowed: Arc::new(check_names(allowed)?), deadline: DEADLINE })
    }

    /// The same with another deadline for each call and its retry together, instead of 5 s.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The key with this name, or with this root name (`gcp-kms:projects/…`). Calls nothing.
    ///
    /// # Errors
    /// [`WrapError::Denied`] for a name that is not on the list.
    pub fn root(&self, name: &str) -> Result<GcpKmsRoot, WrapError> {
        let key = name.strip_prefix("gcp-kms:").unwrap_or(name);
        if !self.allowed.contains(key) {
            return Err(WrapError::Denied {
                root: "gcp-kms".to_owned(),
                reason: "this key name is not among those that the program allows".to_owned(),
            });
        }
        Ok(GcpKmsRoot { kms: self.clone(), name: format!("gcp-kms:{key}"), key: key.to_owned() })
    }
}

impl fmt::Debug for GcpKms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GcpKms").field("allowed", &self.allowed).finish_non_exhaustive()
    }
}

fn check_names(names: impl IntoIterator<Item = impl Into<String>>) -> Result<BTreeSet<String>, WrapError> {
    let check = |name: String| {
        if is_key_name(&name) {
            return Ok(name);
        }
        Err(WrapError::Unusable {
            root: format!("gcp-kms:{}", name.escape_default()),
            reason: "a key's name is `projects/…/locations/…/keyRings/…/cryptoKeys/…`, without a version"
                .to_owned(),
        })
    };
    names.into_iter().map(Into::into).map(check).collect()
}

fn is_key_name(name: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    let good = |id: &&str| !id.is_empty() && id.len() <= 128 && id.bytes().all(known);
    let parts: Vec<&str> = name.split('/').collect();
    let ["projects", project, "locations", location, "keyRings", ring, "cryptoKeys", key] = parts.as_slice()
    else {
        return false;
    };
    [project, location, ring, key].into_iter().all(good)
}

/// A symmetric key in Cloud KMS as a root, with the binding as additional authenticated data. Checksums
/// (CRC32C) go with everything sent and are compared on everything that comes back.
///
/// A call that fails in passing is made once more; all of it stays within one deadline of 5 s.
#[derive(Clone)]
pub struct GcpKmsRoot {
    kms: GcpKms,
    name: String,
    key: String,
}

impl GcpKmsRoot {
    fn unusable(&self, reason: &str) -> WrapError {
        WrapError::Unusable { root: self.name.clone(), reason: reason.to_owned() }
    }

    fn does_not_unwrap(&self) -> WrapError {
        WrapError::DoesNotUnwrap { root: self.name.clone() }
    }

    /// Bytes that changed on the way are worth another call.
    fn changed_on_the_way(&self) -> WrapError {
        WrapError::Unavailable {
            root: self.name.clone(),
            reason: "a request or an answer does not have the checksum that came with it".to_owned(),
            source: None,
        }
    }

    fn refused(&self, status: Status) -> WrapError {
        let root = self.name.clone();
        let reason = format!("it answers {:?}: {}", status.code(), said(&status));
        match status.code() {
            Code::InvalidArgument if reason.to_ascii_lowercase().contains("crc32c") => {
                self.changed_on_the_way()
            }
            Code::PermissionDenied | Code::Unauthenticated | Code::FailedPrecondition => {
                WrapError::Denied { root, reason }
            }
            Code::NotFound | Code::InvalidArgument | Code::Unimplemented | Code::OutOfRange => {
                WrapError::Unusable { root, reason }
            }
            _ => WrapError::Unavailable { root, reason, source: Some(Box::new(status)) },
        }
    }

    async fn encrypt(&self, record: &[u8], context: &[u8]) -> Result<Vec<u8>, WrapError> {
        let request = EncryptRequest {
            name: self.key.clone(),
            plaintext: SecretValue::new(record.to_vec()),
            additional_authenticated_data: context.to_vec(),
            plaintext_crc32c: Some(checksum(record)),
            additional_authenticated_data_crc32c: Some(checksum(context)),
        };
        let answer = self.kms.client.get().encrypt(request).await;
        let answer = answer.map_err(|status| self.refused(status))?.into_inner();
        let intact = answer.verified_plaintext_crc32c
            && answer.verified_additional_authenticated_data_crc32c
            && answer.ciphertext_crc32c == Some(checksum(&answer.ciphertext));
        if !intact {
            return Err(self.changed_on_the_way());
        }
        // The version that was used, of this very key.
        let version = answer.name.strip_prefix(&self.key);
        if !version.is_some_and(|version| version.starts_with("/cryptoKeyVersions/")) {
            return Err(self.unusable("it encrypted with another key than it was asked to"));
        }
        if answer.ciphertext.len() > MAX_WRAPPED_BYTES {
            return Err(self.unusable("its ciphertext is too long"));
        }
        Ok(answer.ciphertext)
    }

    async fn decrypt(&self, wrapped: &[u8], context: &[u8]) -> Result<Zeroizing<Vec<u8>>, WrapError> {
        let request = DecryptRequest {
            name: self.key.clone(),
            ciphertext: wrapped.to_vec(),
            additional_authenticated_data: context.to_vec(),
            ciphertext_crc32c: Some(checksum(wrapped)),
            additional_authenticated_data_crc32c: Some(checksum(context)),
        };
        let answer = self.kms.client.get().decrypt(request).await;
        let answer = answer.map_err(|status| match (status.code(), self.refused(status)) {
            // What is invalid is the ciphertext, or the context.
            (Code::InvalidArgument, WrapError::Unusable { .. }) => self.does_not_unwrap(),
            (_, error) => error,
        })?;
        let answer = answer.into_inner();
        let plaintext = answer.plaintext.ref_sensitive_value();
        if answer.plaintext_crc32c != Some(checksum(plaintext)) {
            return Err(self.changed_on_the_way());
        }
        if plaintext.len() > MAX_RECORD_BYTES {
            return Err(self.does_not_unwrap());
        }
        Ok(Zeroizing::new(plaintext.clone()))
    }
}

/// CRC32C, as Cloud KMS has it in its messages.
fn checksum(bytes: &[u8]) -> i64 {
    crc32c::crc32c(bytes).into()
}

/// What the service says about a failure, on one line and cut short.
fn said(status: &Status) -> String {
    status.message().chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
}

impl fmt::Debug for GcpKmsRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GcpKmsRoot").field("root", &self.name).finish_non_exhaustive()
    }
}

#[async_trait]
impl KeyWrapper for GcpKmsRoot {
    fn root(&self) -> &str {
        &self.name
    }

    async fn wrap(&self, record: &[u8], context: &[u8]) -> Result<Vec<u8>, WrapError> {
        if record.len() > MAX_RECORD_BYTES {
            return Err(self.unusable("the record is above 4 KiB"));
        }
        attempt(&self.name, self.kms.deadline, || self.encrypt(record, context)).await
    }

    async fn unwrap(&self, wrapped: &[u8], context: &[u8]) -> Result<Zeroizing<Vec<u8>>, WrapError> {
        if wrapped.is_empty() || wrapped.len() > MAX_WRAPPED_BYTES {
            return Err(self.does_not_unwrap());
        }
        attempt(&self.name, self.kms.deadline, || self.decrypt(wrapped, context)).await
    }
}
