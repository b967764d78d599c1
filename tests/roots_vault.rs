//! A root in a transit engine: a server of the test's own on loopback, which derives keys from contexts
//! and encrypts as Vault does, and fails as told.
//!
//! T20 of docs/threat-model.md.

#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/promise.rs"]
mod promise;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use fireseal::{
    Binding, KeyId, KeyWrapper, Purpose, Scope, SecretString, TransitKey, VaultTransit, WrapError,
    unwrap_key, wrap_key,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

const TOKEN: &str = "hvs.not-to-be-seen";

#[derive(Clone)]
enum Fault {
    Status(u16, &'static str),
    Body(&'static str),
    LongBody,
    Slow(Duration),
    Reset,
    Redirect(String),
    OtherPlaintext,
}

#[derive(Debug, Clone)]
struct Seen {
    line: String,
    headers: String,
    body: Value,
}

struct Server {
    address: String,
    state: Arc<Mutex<State>>,
}

struct State {
    derived: bool,
    convergent: bool,
    exists: bool,
    faults: VecDeque<Fault>,
    seen: Vec<Seen>,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Server {
    async fn start(tls: Option<tokio_rustls::TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let address = format!("{scheme}://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State {
            derived: true,
            convergent: false,
            exists: true,
            faults: VecDeque::new(),
            seen: vec![],
        }));
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (tls, state) = (tls.clone(), Arc::clone(&shared));
                tokio::spawn(async move {
                    match tls {
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => serve(stream, &state).await,
                            Err(_) => None,
                        },
                        None => serve(stream, &state).await,
                    }
                });
            }
        });
        Self { address, state }
    }

    fn root(&self) -> VaultTransit {
        VaultTransit::new(TransitKey::new(&self.address, "app"), token()).unwrap()
    }

    fn next(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state.lock().unwrap().faults.extend(faults);
    }

    fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.state.lock().unwrap().seen)
    }
}

/// Answers one request; `None` ends the connection without an answer.
async fn serve(mut stream: impl Stream, state: &Mutex<State>) -> Option<()> {
    let mut bytes = vec![];
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break String::from_utf8(bytes.drain(..end + 4).collect()).unwrap();
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let (line, headers) = head.split_once("\r\n").unwrap();
    let headers = headers.to_ascii_lowercase();
    let length = headers
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |text| text.parse().unwrap());
    while bytes.len() < length {
        stream.read_buf(&mut bytes).await.ok()?;
    }
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    let seen = Seen { line: line.to_owned(), headers, body };
    let (mut status, mut answer) = answer(&seen, &state.lock().unwrap());
    let fault = {
        let mut state = state.lock().unwrap();
        state.seen.push(seen);
        state.faults.pop_front()
    };
    let mut more = String::new();
    match fault {
        Some(Fault::Status(code, text)) => (status, answer) = (code, json!({ "errors": [text] }).to_string()),
        Some(Fault::Body(text)) => answer = text.to_owned(),
        Some(Fault::LongBody) => answer = format!("{{\"data\":{{\"plaintext\":\"{}", "A".repeat(10_000_000)),
        Some(Fault::Slow(delay)) => tokio::time::sleep(delay).await,
        Some(Fault::Reset) => return None,
        Some(Fault::Redirect(to)) => {
            status = 307;
            more = format!("location: {to}\r\n");
        }
        Some(Fault::OtherPlaintext) => {
            answer = json!({"data": {"plaintext": STANDARD.encode("another record")}}).to_string();
        }
        None => {}
    }
    let head =
        format!("HTTP/1.1 {status} X\r\nconnection: close\r\n{more}content-length: {}\r\n\r\n", answer.len());
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(answer.as_bytes()).await.ok()?;
    stream.shutdown().await.ok()
}

fn answer(request: &Seen, state: &State) -> (u16, String) {
    let refusal = |status, text: &str| (status, json!({ "errors": [text] }).to_string());
    if !request.headers.contains(&format!("x-vault-token: {TOKEN}")) {
        return refusal(403, "permission denied");
    }
    let text = |name: &str| request.body[name].as_str().map(|text| STANDARD.decode(text).unwrap());
    // As Vault does: without derivation, the context is ignored.
    let context = if state.derived { text("context") } else { Some(vec![]) };
    let cipher = |context: &[u8]| XChaCha20Poly1305::new(&Sha256::digest([b"app", context].concat()));
    let data = match request.line.as_str() {
        "GET /v1/transit/keys/app HTTP/1.1" if state.exists => {
            json!({"name": "app", "derived": state.derived, "convergent_encryption": state.convergent})
        }
        "POST /v1/transit/encrypt/app HTTP/1.1" => {
            let Some(context) = context else {
                return refusal(400, "missing 'context' for key derivation");
            };
            let mut nonce = [0; 24];
            getrandom::fill(&mut nonce).unwrap();
            let sealed = cipher(&context)
                .encrypt(<&XNonce>::from(&nonce), text("plaintext").unwrap().as_slice())
                .unwrap();
            let sealed = STANDARD.encode([&nonce[..], &sealed].concat());
            json!({"ciphertext": format!("vault:v1:{sealed}"), "key_version": 1})
        }
        "POST /v1/transit/decrypt/app HTTP/1.1" => {
            let Some(context) = context else {
                return refusal(400, "missing 'context' for key derivation");
            };
            let ciphertext = request.body["ciphertext"].as_str().unwrap();
            let sealed = ciphertext.strip_prefix("vault:v1:").and_then(|text| STANDARD.decode(text).ok());
            let Some(sealed) = sealed.filter(|sealed| sealed.len() > 40) else {
                return refusal(400, "invalid ciphertext: could not decode");
            };
            let (nonce, sealed) = sealed.split_first_chunk::<24>().unwrap();
            match cipher(&context).decrypt(<&XNonce>::from(nonce), sealed) {
                Ok(plain) => json!({"plaintext": STANDARD.encode(plain)}),
                Err(_) => {
                    return refusal(500, "1 error occurred:\n\t* cipher: message authentication failed");
                }
            }
        }
        _ => return (404, json!({"errors": []}).to_string()),
    };
    (200, json!({"request_id": "x", "lease_id": "", "data": data, "warnings": null}).to_string())
}

fn token() -> SecretString {
    TOKEN.to_owned().into()
}

fn binding(scope: &str) -> Binding {
    Binding { scope: Scope::new(scope).unwrap(), purpose: Purpose::Data, key_id: KeyId::from_bytes([1; 32]) }
}

#[tokio::test]
async fn what_is_sent() {
    let server = Server::start(None).await;
    let root = server.root();
    assert_eq!(root.root(), format!("vault:{}/v1/transit/keys/app", server.address));
    let wrapped = wrap_key(&root, &[9; 32], &binding("acme")).await.unwrap();
    assert!(wrapped.starts_with(b"vault:v1:"));
    assert_eq!(*unwrap_key(&root, &wrapped, &binding("acme")).await.unwrap(), [9; 32]);
    let again = wrap_key(&root, &[9; 32], &binding("acme")).await.unwrap();
    assert_ne!(wrapped, again);

    let seen = server.seen();
    let lines: Vec<_> = seen.iter().map(|seen| seen.line.split(' ').nth(1).unwrap()).collect();
    // The key is looked up once only.
    assert_eq!(
        lines,
        [
            "/v1/transit/keys/app",
            "/v1/transit/encrypt/app",
            "/v1/transit/decrypt/app",
            "/v1/transit/encrypt/app"
        ]
    );
    let context = STANDARD.encode(binding("acme").encode());
    for (seen, fields) in seen[1..].iter().zip([["context", "plaintext"], ["ciphertext", "context"]]) {
        // No nonce, and nothing else that would choose one.
        assert_eq!(seen.body.as_object().unwrap().keys().collect::<Vec<_>>(), fields);
        assert_eq!(seen.body["context"], context.as_str());
    }
    assert!(seen.iter().all(|seen| seen.headers.contains("x-vault-request: true")));
}

#[tokio::test]
async fn the_context_and_every_byte_are_authenticated() {
    let server = Server::start(None).await;
    let root = server.root();
    let wrapped = wrap_key(&root, &[9; 32], &binding("acme")).await.unwrap();
    let error = root.unwrap(&wrapped, &binding("other").encode()).await.unwrap_err();
    assert!(matches!(error, WrapError::DoesNotUnwrap { .. }), "{error:?}");
    let mut hostile: Vec<Vec<u8>> = vec![vec![], b"vault:v1:".to_vec(), b"vault:v1:AAAA".to_vec()];
    hostile.extend((9..wrapped.len()).step_by(4).map(|length| wrapped[..length].to_vec()));
    for index in 9..wrapped.len() - 4 {
        let mut changed = wrapped.clone();
        changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
        hostile.push(changed);
    }
    for bytes in &hostile {
        let error = unwrap_key(&root, bytes, &binding("acme")).await.unwrap_err();
        assert!(matches!(error, WrapError::DoesNotUnwrap { .. }), "{error:?}");
    }
    server.seen();
    // What transit cannot have written is not sent.
    let inject = format!("{}\",\"context\":\"\",\"x\":\"", String::from_utf8_lossy(&wrapped));
    for bytes in [inject.into_bytes(), vec![b'A'; 100_000], b"\xff\xfe".to_vec(), b"local:v1:AAAA".to_vec()] {
        let error = unwrap_key(&root, &bytes, &binding("acme")).await.unwrap_err();
        assert!(matches!(error, WrapError::DoesNotUnwrap { .. }), "{error:?}");
    }
    assert!(server.seen().is_empty());
    promise::Promise::kept("key_services", 1);
}

#[tokio::test]
async fn only_a_derived_key_wraps() {
    let server = Server::start(None).await;
    for (exists, derived, convergent, expected) in [
        (true, false, false, "not derived"),
        (true, true, true, "convergent"),
        (false, true, false, "transit/keys/app derived=true"),
    ] {
        {
            let mut state = server.state.lock().unwrap();
            (state.exists, state.derived, state.convergent) = (exists, derived, convergent);
        }
        let error = wrap_key(&server.root(), &[9; 32], &binding("acme")).await.unwrap_err();
        assert!(matches!(error, WrapError::Unusable { .. }), "{error:?}");
        assert!(error.to_string().contains(expected), "{error}");
        // The record was not sent.
        assert!(server.seen().iter().all(|seen| seen.line.starts_with("GET ")));
    }
}

#[tokio::test]
async fn a_failure_in_passing_is_retried_once() {
    let server = Server::start(None).await;
    let root = server.root();
    let wrapped = wrap_key(&root, &[9; 32], &binding("acme")).await.unwrap();
    let in_passing = [
        Fault::Status(500, "internal error"),
        Fault::Status(502, "bad gateway"),
        Fault::Status(503, "Vault is sealed"),
        Fault::Status(429, "too many requests"),
        Fault::Status(412, "required index state not present"),
        Fault::Reset,
    ];
    for fault in in_passing {
        server.seen();
        server.next([fault.clone()]);
        assert_eq!(*unwrap_key(&root, &wrapped, &binding("acme")).await.unwrap(), [9; 32]);
        server.next([fault.clone()]);
        wrap_key(&root, &[9; 32], &binding("acme")).await.unwrap();
        assert_eq!(server.seen().len(), 4);
        server.next([fault.clone(), fault]);
        let error = unwrap_key(&root, &wrapped, &binding("acme")).await.unwrap_err();
        assert!(
            matches!(&error, WrapError::Unavailable { root: name, .. } if name == root.root()),
            "{error:?}"
        );
        assert_eq!(server.seen().len(), 2);
    }
}

#[tokio::test]
async fn other_failures_are_told_apart() {
    let server = Server::start(None).await;
    let root = server.root();
    let wrapped = wrap_key(&root, &[9; 32], &binding("acme")).await.unwrap();
    let elsewhere = Server::start(None).await;
    let unusable = [
        Fault::Body("<html>it works!</html>"),
        Fault::Body(""),
        Fault::Body("{}"),
        Fault::Body(r#"{"data":null}"#),
        Fault::Body(r#"{"data":{"plaintext":7}}"#),
        Fault::Body(r#"{"data":{"plaintext":"not base64!"}}"#),
        Fault::LongBody,
        Fault::Status(400, "encryption key not found"),
        Fault::Redirect(format!("{}/v1/transit/decrypt/app", elsewhere.address)),
    ];
    for fault in unusable {
        server.seen();
        server.next([fault]);
        let error = unwrap_key(&root, &wrapped, &binding("acme")).await.unwrap_err();
        assert!(matches!(error, WrapError::Unusable { .. }), "{error:?}");
        assert_eq!(server.seen().len(), 1, "retried in vain");
        assert!(error.to_string().contains(root.root()), "{error}");
    }
    assert!(elsewhere.seen().is_empty(), "a redirect was followed");
    server.next([Fault::OtherPlaintext]);
    let error = unwrap_key(&root, &wrapped, &binding("acme")).await.unwrap_err();
    assert!(matches!(error, WrapError::DoesNotUnwrap { .. }), "{error:?}");
    server.next([Fault::Body(r#"{"data":{"ciphertext":"plain text"}}"#)]);
    let error = wrap_key(&root, &[9; 32], &binding("acme")).await.unwrap_err();
    assert!(matches!(error, WrapError::Unusable { .. }), "{error:?}");

    // A token that ran out, and its successor.
    root.set_token("hvs.expired".to_owned().into());
    let error = unwrap_key(&root, &wrapped, &binding("acme")).await.unwrap_err();
    assert!(matches!(error, WrapError::Denied { .. }), "{error:?}");
    root.set_token(token());
    assert_eq!(*unwrap_key(&root, &wrapped, &binding("acme")).await.unwrap(), [9; 32]);
    let shown = format!("{root:?}");
    assert!(!shown.contains(TOKEN), "{shown}");
    promise::Promise::kept("key_services", 1);
}

#[tokio::test]
async fn all_stays_within_one_deadline() {
    let server = Server::start(None).await;
    let deadline = Duration::from_millis(600);
    let root = server.root().with_deadline(deadline);
    let wrapped = wrap_key(&root, &[9; 32], &binding("acme")).await.unwrap();
    let hang = || Fault::Slow(Duration::from_secs(60));
    server.next([hang()]);
    assert_eq!(*unwrap_key(&root, &wrapped, &binding("acme")).await.unwrap(), [9; 32]);
    server.next([hang(), hang()]);
    let started = Instant::now();
    let error = unwrap_key(&root, &wrapped, &binding("acme")).await.unwrap_err();
    assert!(matches!(error, WrapError::Unavailable { .. }), "{error:?}");
    println!("two hanging answers: {:?} for a deadline of {deadline:?}", started.elapsed());
    assert!(started.elapsed() < deadline + Duration::from_millis(300));
    // Nobody listens.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let root = VaultTransit::new(TransitKey::new(&address, "app"), token()).unwrap();
    let error = wrap_key(&root, &[9; 32], &binding("acme")).await.unwrap_err();
    assert!(matches!(error, WrapError::Unavailable { .. }), "{error:?}");
}

#[tokio::test]
async fn certificates_are_verified() {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
    let server = Server::start(Some(Arc::new(config).into())).await;
    let error = wrap_key(&server.root(), &[9; 32], &binding("acme")).await.unwrap_err();
    assert!(matches!(error, WrapError::Unavailable { .. }), "{error:?}");
    assert!(error.to_string().contains("certificate"), "{error}");
    let other = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let key = |pem: String| TransitKey::new(&server.address, "app").with_certificate(pem.as_bytes());
    let root = VaultTransit::new(key(other.cert.pem()), token()).unwrap();
    assert!(wrap_key(&root, &[9; 32], &binding("acme")).await.is_err());
    // Another name than the certificate's.
    let named = server.address.replace("127.0.0.1", "localhost");
    let root = TransitKey::new(&named, "app").with_certificate(made.cert.pem().as_bytes());
    let root = VaultTransit::new(root, token()).unwrap();
    assert!(wrap_key(&root, &[9; 32], &binding("acme")).await.is_err());
    assert!(server.seen().is_empty(), "a token was sent to a stranger");

    let root = VaultTransit::new(key(made.cert.pem()), token()).unwrap();
    let wrapped = wrap_key(&root, &[9; 32], &binding("acme")).await.unwrap();
    assert_eq!(*unwrap_key(&root, &wrapped, &binding("acme")).await.unwrap(), [9; 32]);
    promise::Promise::kept("key_services", 1);
}

#[test]
fn addresses_and_names_are_checked() {
    let opened = |key: TransitKey| VaultTransit::new(key, token()).map(|root| root.root().to_owned());
    for address in [
        "http://vault.example:8200",
        "http://10.0.0.1:8200",
        "http://127.0.0.1.example:8200",
        "https://user:secret@vault.example",
        "https://vault.example/?x",
        "https://vault.example/v1",
        "ftp://vault.example",
        "vault.example:8200",
        "",
    ] {
        let error = opened(TransitKey::new(address, "app")).unwrap_err();
        assert!(matches!(error, WrapError::Unusable { .. }), "{address}: {error:?}");
        assert!(!format!("{error:?}").contains("user:secret"), "{error:?}");
    }
    for name in ["", "a/b", "..", "a?b", "a b", "ä"] {
        assert!(opened(TransitKey::new("https://vault.example", name)).is_err(), "{name}");
    }
    let key = || TransitKey::new("https://vault.example/", "app");
    assert!(opened(key().with_mount("a/../b")).is_err());
    assert!(opened(key().with_namespace("a//b")).is_err());
    assert!(opened(key().with_certificate(b"no certificate")).is_err());
    let root = opened(key().with_namespace("team/a").with_mount("kms/transit")).unwrap();
    assert_eq!(root, "vault:https://vault.example/v1/team/a/kms/transit/keys/app");
    for address in ["http://127.0.0.1:8200", "http://localhost:8200", "http://[::1]:8200"] {
        opened(TransitKey::new(address, "app")).unwrap();
    }
}
