//! The requests to a Vault or OpenBao server.

use std::error::Error as StdError;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::TransitKey;

/// No answer of the transit engine about one key is above this.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// Of what a server says about its errors, this much is passed on.
const MAX_REASON_CHARS: usize = 200;

/// What came instead of an answer.
pub(super) enum Refusal {
    /// No answer came.
    Failed(String, Option<Box<dyn StdError + Send + Sync>>),
    /// A status other than success, and what the server says about it.
    Status(u16, String),
    /// It cannot be sent, or the answer is none.
    Unusable(String),
}

pub(super) struct Connection {
    client: Client,
    key: TransitKey,
}

impl Connection {
    pub(super) fn new(key: TransitKey) -> Result<Self, String> {
        let plain = check_address(&key.address)?;
        check_path("mount", &key.mount)?;
        key.namespace.as_deref().map_or(Ok(()), |namespace| check_path("namespace", namespace))?;
        if key.name.contains('/') {
            return Err("the key's name has a `/`".to_owned());
        }
        check_path("key's name", &key.name)?;
        // The token would follow a redirect.
        let mut builder = Client::builder().redirect(Policy::none()).https_only(!plain);
        if plain {
            // And a proxy would see it.
            builder = builder.no_proxy();
        }
        if let Some(pem) = &key.certificate {
            let authorities = Certificate::from_pem_bundle(pem)
                .ok()
                .filter(|found| !found.is_empty())
                .ok_or("the certificate is not in PEM")?;
            builder = builder.tls_certs_only(authorities);
        }
        let client = builder.build().map_err(|error| format!("no connection can be set up: {error}"))?;
        Ok(Self { client, key })
    }

    /// `<mount>/keys/<name>`, as the command line takes it.
    pub(super) fn key_path(&self) -> String {
        format!("{}/keys/{}", self.key.mount, self.key.name)
    }

    pub(super) async fn send(
        &self,
        endpoint: &str,
        body: Option<Bytes>,
        token: &SecretString,
    ) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        let url = format!("{}/v1/{}/{endpoint}/{}", self.key.address, self.key.mount, self.key.name);
        let mut token = HeaderValue::from_str(token.expose_secret())
            .map_err(|_| Refusal::Unusable("the token has characters that no token has".to_owned()))?;
        token.set_sensitive(true);
        let mut request = match body {
            Some(body) => self.client.post(url).header(CONTENT_TYPE, "application/json").body(body),
            None => self.client.get(url),
        };
        request = request.header("X-Vault-Token", token).header("X-Vault-Request", "true");
        if let Some(namespace) = &self.key.namespace {
            request = request.header("X-Vault-Namespace", namespace);
        }
        let failed = |error: reqwest::Error| {
            let error = error.without_url();
            Refusal::Failed(causes(&error), Some(Box::new(error)))
        };
        let mut response = request.send().await.map_err(failed)?;
        let status = response.status();
        // All the room at once: growing would leave copies behind.
        let mut answer = Zeroizing::new(Vec::with_capacity(MAX_ANSWER_BYTES));
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if answer.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(Refusal::Unusable("its answer is too long".to_owned()));
            }
            answer.extend_from_slice(&chunk);
        }
        if status.is_success() { Ok(answer) } else { Err(Refusal::Status(status.as_u16(), errors(&answer))) }
    }
}

/// Whether the address is plain HTTP, which only the loopback interface may be.
fn check_address(address: &str) -> Result<bool, String> {
    let url = Url::parse(address).map_err(|error| format!("the address is none: {error}"))?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if !bare || !url.username().is_empty() || url.password().is_some() {
        return Err("the address is more than `https://host:port`".to_owned());
    }
    let loopback = url.host_str().is_some_and(|host| {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    });
    match url.scheme() {
        "https" => Ok(false),
        "http" if loopback => Ok(true),
        "http" => Err("plain `http` would show keys to the network: use `https`".to_owned()),
        _ => Err("the address is more than `https://host:port`".to_owned()),
    }
}

fn check_path(what: &str, path: &str) -> Result<(), String> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let good = |part: &str| !part.is_empty() && part != "." && part != ".." && part.bytes().all(known);
    if path.split('/').all(good) {
        return Ok(());
    }
    Err(format!("the {what} has more than letters, digits, `-`, `_` and `.`"))
}

/// The error and what caused it, as one text.
fn causes(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// What the server says in `errors`, on one line and cut short.
fn errors(answer: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Errors {
        errors: Vec<String>,
    }
    let Ok(Errors { errors }) = serde_json::from_slice(answer) else {
        return "without saying why".to_owned();
    };
    let joined = errors.join("; ");
    joined.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_REASON_CHARS).collect()
}
