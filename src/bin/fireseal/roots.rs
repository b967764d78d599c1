//! The roots of the configuration, opened.

use std::path::PathBuf;
use std::sync::Arc;

use fireseal::{AgeIdentity, AgeRecipient, KeyWrapper, LocalRoot};
use secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

use crate::config::{Config, Root};
use crate::failure::{Exit, Failure};
use crate::secret;

/// Opens a root: reads what it needs, and connects where it has to.
pub async fn open(config: &Config, root: &Root) -> Result<Arc<dyn KeyWrapper>, Failure> {
    match root {
        Root::Local { name, key_file, key_env } => match (key_file, key_env) {
            (Some(file), None) => Ok(Arc::new(LocalRoot::from_file(config.path(file))?)),
            (None, Some(variable)) => Ok(Arc::new(LocalRoot::from_env(variable)?)),
            _ => Err(one_of(name, "key_file, key_env")),
        },
        Root::Age { name, identity_file, identity_env, recipient } => {
            if let (Some(recipient), None, None) = (recipient, identity_file, identity_env) {
                return Ok(Arc::new(recipient.parse::<AgeRecipient>()?));
            }
            let text = given(config, name, ("identity_file", identity_file), ("identity_env", identity_env))?
                .ok_or_else(|| one_of(name, "identity_file, identity_env, recipient"))?;
            Ok(Arc::new(identity(&text)?))
        }
        #[cfg(feature = "gcp-kms")]
        Root::GcpKms { key, .. } => Ok(Arc::new(fireseal::GcpKms::connect([key]).await?.root(key)?)),
        #[cfg(feature = "vault")]
        Root::Vault { name, address, key, mount, namespace, certificate_file, token_file, token_env } => {
            let mut transit = fireseal::TransitKey::new(address, key);
            if let Some(mount) = mount {
                transit = transit.with_mount(mount);
            }
            if let Some(namespace) = namespace {
                transit = transit.with_namespace(namespace);
            }
            if let Some(file) = certificate_file {
                let path = config.path(file);
                let certificate = std::fs::read(&path).map_err(|error| {
                    Failure::usage(format!("the certificate {}: {error}", path.display()))
                })?;
                transit = transit.with_certificate(&certificate);
            }
            let token = given(config, name, ("token_file", token_file), ("token_env", token_env))?;
            let token = or_asked(token, &format!("token for the root {name:?}"), "token_file or token_env")?;
            Ok(Arc::new(fireseal::VaultTransit::new(transit, token)?))
        }
        #[cfg(feature = "pkcs11")]
        Root::Pkcs11 { name, module, token, label, id, pin_file, pin_env } => {
            let id = crate::inspect::hexadecimal(id)
                .ok_or_else(|| Failure::usage(format!("the root {name:?}: id is not hexadecimal")))?;
            let key = fireseal::Pkcs11Key::new(config.path(module), token, label, &id);
            let pin = given(config, name, ("pin_file", pin_file), ("pin_env", pin_env))?;
            let pin = or_asked(pin, &format!("PIN for the root {name:?}"), "pin_file or pin_env")?;
            Ok(Arc::new(fireseal::Pkcs11Root::open(key, pin).await?))
        }
        #[allow(unreachable_patterns)]
        other => Err(Failure::usage(format!(
            "this build of the program cannot use the root {:?}: build it with the feature of its kind",
            other.name()
        ))),
    }
}

/// The identity in the text of an identity file.
pub fn identity(text: &str) -> Result<AgeIdentity, Failure> {
    Ok(fireseal::custody::BackupKey::parse(text)?.into_identity())
}

/// An identity as `age-keygen` writes it.
pub fn identity_text(identity: &AgeIdentity, what: &str) -> Zeroizing<String> {
    let text = identity.expose_text();
    Zeroizing::new(format!("# {what}\n# public key: {}\n{}\n", identity.recipient(), text.expose_secret()))
}

/// A secret from the one place that the configuration names; `None` where it names none.
fn given(
    config: &Config,
    root: &str,
    (file_key, file): (&str, &Option<PathBuf>),
    (variable_key, variable): (&str, &Option<String>),
) -> Result<Option<Zeroizing<String>>, Failure> {
    match (file, variable) {
        (None, None) => Ok(None),
        (Some(file), None) => secret::read(&config.path(file), file_key).map(Some),
        (None, Some(variable)) => match std::env::var(variable) {
            Ok(text) => Ok(Some(Zeroizing::new(text))),
            Err(_) => Err(Failure::new(
                Exit::Usage,
                format!("the environment variable {variable} is not set, or no text"),
            )),
        },
        (Some(_), Some(_)) => Err(one_of(root, &format!("{file_key}, {variable_key}"))),
    }
}

#[cfg(any(feature = "vault", feature = "pkcs11"))]
fn or_asked(
    text: Option<Zeroizing<String>>,
    what: &str,
    keys: &str,
) -> Result<fireseal::SecretString, Failure> {
    let text = match text {
        Some(text) => text,
        None => crate::ask::secret(what, &format!("name {keys} in the configuration"))?,
    };
    Ok(text.trim_end_matches(['\r', '\n']).to_owned().into())
}

fn one_of(root: &str, keys: &str) -> Failure {
    Failure::usage(format!("the root {root:?} needs exactly one of: {keys}"))
}
