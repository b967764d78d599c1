//! Wrapping keys under a root that the customer manages.
//!
//! What is wrapped is a text record of the key and everything it is bound to. The root authenticates
//! the same binding where it can (associated data, derivation context); the record is compared after
//! unwrapping in any case, because not every root can.

#[cfg(feature = "age")]
mod age;
#[cfg(any(feature = "gcp-kms", feature = "vault"))]
mod attempt;
#[cfg(feature = "gcp-kms")]
mod gcp_kms;
mod local;
#[cfg(feature = "pkcs11")]
mod pkcs11;
#[cfg(feature = "testing")]
mod scripted;
#[cfg(feature = "vault")]
mod vault;

#[cfg(feature = "age")]
pub use age::{AgeIdentity, AgePassphrase, AgeRecipient};
#[cfg(feature = "gcp-kms")]
pub use gcp_kms::{GcpKms, GcpKmsRoot, KmsClient};
pub use local::LocalRoot;
#[cfg(feature = "pkcs11")]
pub use pkcs11::{Pkcs11Key, Pkcs11Root};
#[cfg(feature = "testing")]
pub use scripted::{Calls, Fault, ScriptedRoot, ScriptedService};
#[cfg(feature = "vault")]
pub use vault::{TransitKey, VaultTransit};

use std::fmt;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::bytes::{KeyId, Scope};

/// The first line of every record.
const RECORD_LABEL: &str = "fireseal-key-v1";

/// What a key is used for. A key of one purpose is never taken for another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Purpose {
    /// Sealing and opening values.
    Data,
    /// Making blind index tokens.
    Index,
}

impl Purpose {
    /// The purpose's name in records and manifests: `data` or `index`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Index => "index",
        }
    }

    /// The purpose with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Data, Self::Index].into_iter().find(|purpose| purpose.as_str() == name)
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a wrapped key is bound to: whose it is, what for, and which.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Binding {
    /// Whose key it is.
    pub scope: Scope,
    /// What it is used for.
    pub purpose: Purpose,
    /// Which key it is.
    pub key_id: KeyId,
}

impl Binding {
    /// The binding as bytes, for a root that authenticates more than the wrapped bytes:
    /// `fireseal-key-v1`, purpose, key id in hexadecimal and scope, a line each. The scope is last and
    /// is the only part that may hold a line break.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        format!("{RECORD_LABEL}\n{}\n{}\n{}", self.purpose, self.key_id, self.scope).into_bytes()
    }

    /// The record to be wrapped, a line each: `fireseal-key-v1`, purpose, key id in hexadecimal, the 32
    /// secret bytes in base64 (RFC 4648), and the scope.
    fn record(&self, secret: &[u8; 32]) -> Zeroizing<Vec<u8>> {
        let (before, after) = self.around_secret();
        let mut record = Zeroizing::new(Vec::with_capacity(before.len() + SECRET_BYTES + after.len()));
        record.extend_from_slice(before.as_bytes());
        let start = record.len();
        record.resize(start + SECRET_BYTES, 0);
        STANDARD.encode_slice(secret, &mut record[start..]).expect("44 bytes of base64 for 32 bytes");
        record.extend_from_slice(after.as_bytes());
        record
    }

    /// What stands before and behind the secret in the record.
    fn around_secret(&self) -> (String, String) {
        (format!("{RECORD_LABEL}\n{}\n{}\n", self.purpose, self.key_id), format!("\n{}", self.scope))
    }
}

/// 32 bytes in base64.
const SECRET_BYTES: usize = 44;

/// Wraps keys under one root key, in the customer's hands: an HSM, a key service, an age identity.
///
/// An implementation moves bytes only. It passes `context` to whatever its root authenticates besides
/// the wrapped bytes, and ignores it where there is no such thing: the binding is inside the wrapped
/// record too, and is compared.
#[async_trait]
pub trait KeyWrapper: Send + Sync {
    /// The full name of the root key, such as `local:b5d4…` or `gcp-kms:projects/…`, as the ring's
    /// manifest lists it. It tells two root keys apart, and is no secret.
    fn root(&self) -> &str;

    /// Whether it can unwrap at all. One that only wraps, such as the public half of an age identity,
    /// says `false`; then nobody asks it to, and what it wrapped is proved in a drill.
    fn can_unwrap(&self) -> bool {
        true
    }

    /// Wraps a record of at most 4 KiB.
    ///
    /// # Errors
    /// [`WrapError`]: the root cannot be reached, or refuses.
    async fn wrap(&self, record: &[u8], context: &[u8]) -> Result<Vec<u8>, WrapError>;

    /// Unwraps what [`wrap`](Self::wrap) returned for the same context.
    ///
    /// # Errors
    /// [`WrapError::DoesNotUnwrap`] for anything else; [`WrapError::Unavailable`] if the root cannot be
    /// reached.
    async fn unwrap(&self, wrapped: &[u8], context: &[u8]) -> Result<Zeroizing<Vec<u8>>, WrapError>;
}

/// Why a key was not wrapped or unwrapped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WrapError {
    /// The root cannot be reached, or failed; a later try may succeed.
    #[error("the root {root} is unavailable: {reason}")]
    Unavailable {
        /// The root key's name.
        root: String,
        /// What went wrong, without secrets.
        reason: String,
        /// The underlying error.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The root denies the use of the key.
    #[error("the root {root} denies the use of its key: {reason}")]
    Denied {
        /// The root key's name.
        root: String,
        /// What the root said.
        reason: String,
    },
    /// What was stored was not wrapped by this root for this key.
    #[error("the wrapped key was not wrapped by the root {root} for this scope, purpose and key")]
    DoesNotUnwrap {
        /// The root key's name.
        root: String,
    },
    /// The root is set up wrongly, or answered against its own protocol.
    #[error("the root {root} cannot be used: {reason}")]
    Unusable {
        /// The root key's name.
        root: String,
        /// What is wrong, and what to do.
        reason: String,
    },
}

/// Wraps the 32 secret bytes of a key.
///
/// # Errors
/// As [`KeyWrapper::wrap`].
pub async fn wrap_key(
    root: &dyn KeyWrapper,
    secret: &[u8; 32],
    binding: &Binding,
) -> Result<Vec<u8>, WrapError> {
    root.wrap(&binding.record(secret), &binding.encode()).await
}

/// Unwraps the 32 secret bytes of a key, and makes sure that they were wrapped for this binding. The
/// key id is compared with the key's own by the caller, who knows how it is derived.
///
/// # Errors
/// As [`KeyWrapper::unwrap`]; [`WrapError::DoesNotUnwrap`] for a record of another binding.
pub async fn unwrap_key(
    root: &dyn KeyWrapper,
    wrapped: &[u8],
    binding: &Binding,
) -> Result<Zeroizing<[u8; 32]>, WrapError> {
    let record = root.unwrap(wrapped, &binding.encode()).await?;
    read_record(&record, binding).ok_or_else(|| WrapError::DoesNotUnwrap { root: root.root().to_owned() })
}

fn read_record(record: &[u8], binding: &Binding) -> Option<Zeroizing<[u8; 32]>> {
    // Nothing of the binding is secret, so its comparison need not be constant in time.
    let (before, after) = binding.around_secret();
    let encoded = record.strip_prefix(before.as_bytes())?.strip_suffix(after.as_bytes())?;
    // The decoder asks for room in whole groups of three bytes.
    let mut decoded = Zeroizing::new([0; 33]);
    let length = STANDARD.decode_slice(encoded, decoded.as_mut_slice()).ok()?;
    let mut secret = Zeroizing::new([0; 32]);
    secret.copy_from_slice(decoded.get(..length).filter(|bytes| bytes.len() == 32)?);
    Some(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding() -> Binding {
        Binding {
            scope: Scope::new("acme\ndata").expect("valid"),
            purpose: Purpose::Data,
            key_id: KeyId::from_bytes([1; 32]),
        }
    }

    #[tokio::test]
    async fn a_key_comes_back_for_its_own_binding_only() {
        let root = LocalRoot::from_bytes(&[7; 32]);
        let wrapped = wrap_key(&root, &[9; 32], &binding()).await.expect("wraps");
        assert_eq!(*unwrap_key(&root, &wrapped, &binding()).await.expect("unwraps"), [9; 32]);
        let others = [
            Binding { scope: Scope::default(), ..binding() },
            Binding { purpose: Purpose::Index, ..binding() },
            Binding { key_id: KeyId::from_bytes([2; 32]), ..binding() },
        ];
        for other in others {
            assert!(unwrap_key(&root, &wrapped, &other).await.is_err());
            // A root that authenticates nothing but its own bytes: the record is compared.
            assert!(read_record(&binding().record(&[9; 32]), &other).is_none());
        }
        assert!(unwrap_key(&LocalRoot::from_bytes(&[8; 32]), &wrapped, &binding()).await.is_err());
    }

    #[test]
    fn the_record_is_the_documented_one() {
        let id = "01".repeat(32);
        let expected = format!("fireseal-key-v1\ndata\n{id}\nacme\ndata");
        assert_eq!(binding().encode(), expected.as_bytes());
        let secret = "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=";
        let record = format!("fireseal-key-v1\ndata\n{id}\n{secret}\nacme\ndata");
        assert_eq!(*binding().record(&[9; 32]), record.as_bytes());
        assert_eq!(read_record(record.as_bytes(), &binding()).as_deref(), Some(&[9; 32]));
        for wrong in ["", "CQk=", &"CQkJ".repeat(11), &secret.replace('C', "_"), &secret[1..]] {
            let record = record.replace(secret, wrong);
            assert!(read_record(record.as_bytes(), &binding()).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_purpose_has_one_name() {
        for (purpose, name) in [(Purpose::Data, "data"), (Purpose::Index, "index")] {
            assert_eq!((purpose.as_str(), purpose.to_string().as_str()), (name, name));
            assert_eq!(Purpose::from_name(name), Some(purpose));
        }
        assert_eq!((Purpose::from_name("Data"), Purpose::from_name("")), (None, None));
    }

    #[test]
    fn a_local_root_unwraps_and_shows_its_name() {
        let root = LocalRoot::from_bytes(&[7; 32]);
        let id = root.root().strip_prefix("local:").expect("its kind, then its id");
        assert!(id.len() == 64 && id.bytes().all(|digit| digit.is_ascii_hexdigit()), "{id}");
        assert_ne!(root.root(), LocalRoot::from_bytes(&[8; 32]).root());
        assert!(root.can_unwrap());
        assert_eq!(format!("{root:?}"), format!("LocalRoot {{ root: {:?}, .. }}", root.root()));
    }
}
