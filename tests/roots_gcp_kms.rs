//! Roots in Cloud KMS: a gRPC server of the test's own, which encrypts with associated data, computes and
//! checks checksums as Cloud KMS does, and fails and lies as told.
//!
//! T20 of docs/threat-model.md.

#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/promise.rs"]
mod promise;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use fireseal::{
    Binding, GcpKms, GcpKmsRoot, KeyId, KeyWrapper, KmsClient, Purpose, Scope, WrapError, unwrap_key,
    wrap_key,
};
use gcloud_sdk::SecretValue;
use gcloud_sdk::google::cloud::kms::v1::key_management_service_client::KeyManagementServiceClient;
use gcloud_sdk::google::cloud::kms::v1::{DecryptRequest, EncryptResponse};
use gcloud_sdk::google_cloud_auth::credentials::anonymous;
use gcloud_sdk::proto_ext::kms::{DecryptResponse, EncryptRequest};
use sha2::{Digest, Sha256};
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Response, Status};
use tonic_prost::ProstCodec;

const KEY: &str = "projects/p/locations/global/keyRings/r/cryptoKeys/app";
const OTHER: &str = "projects/p/locations/global/keyRings/r/cryptoKeys/other";

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    Status(Code, &'static str),
    Slow(Duration),
    /// The answer's checksum is another's, or missing.
    WrongSum,
    NoSum,
    /// The answer's bytes change on the way.
    FlippedAnswer,
    /// The request's bytes change on the way.
    FlippedRequest,
    /// The service did not see the checksums sent.
    Unverified,
    /// The request was encrypted with another key.
    OtherKey,
    /// Another well-formed ciphertext or plaintext, with its own right checksum.
    Swapped,
    LongPlaintext,
}

#[derive(Clone, Default)]
struct Fake(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    faults: VecDeque<Fault>,
    /// The names that were called.
    called: Vec<String>,
}

fn sum(bytes: &[u8]) -> Option<i64> {
    Some(crc32c::crc32c(bytes).into())
}

fn cipher(name: &str) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&Sha256::digest(name.as_bytes()))
}

fn encrypt(name: &str, plaintext: &[u8], aad: &[u8]) -> Vec<u8> {
    let mut nonce = [0; 24];
    getrandom::fill(&mut nonce).unwrap();
    let sealed = cipher(name).encrypt(<&XNonce>::from(&nonce), Payload { msg: plaintext, aad }).unwrap();
    [&nonce[..], &sealed].concat()
}

impl Fake {
    async fn begin(&self, name: &str) -> Result<Option<Fault>, Status> {
        let fault = {
            let mut state = self.0.lock().unwrap();
            state.called.push(name.to_owned());
            state.faults.pop_front()
        };
        match fault {
            Some(Fault::Status(code, text)) => Err(Status::new(code, text)),
            Some(Fault::Slow(delay)) => {
                tokio::time::sleep(delay).await;
                Ok(None)
            }
            fault => Ok(fault),
        }
    }

    async fn encrypt(self, mut request: EncryptRequest) -> Result<Response<EncryptResponse>, Status> {
        let fault = self.begin(&request.name).await?;
        if fault == Some(Fault::FlippedRequest) {
            request.additional_authenticated_data[0] ^= 1;
        }
        let (plain, aad) = (request.plaintext.ref_sensitive_value(), &request.additional_authenticated_data);
        if request.plaintext_crc32c != sum(plain) || request.additional_authenticated_data_crc32c != sum(aad)
        {
            return Err(Status::invalid_argument("The checksum in field plaintext_crc32c did not match."));
        }
        let name = if fault == Some(Fault::OtherKey) { OTHER } else { &request.name };
        let plain = if fault == Some(Fault::Swapped) { b"another record" } else { &plain[..] };
        let mut ciphertext = encrypt(name, plain, aad);
        let verified = fault != Some(Fault::Unverified);
        let ciphertext_crc32c = match fault {
            Some(Fault::WrongSum) => sum(b"x"),
            Some(Fault::NoSum) => None,
            _ => sum(&ciphertext),
        };
        if fault == Some(Fault::FlippedAnswer) {
            ciphertext[30] ^= 1;
        }
        Ok(Response::new(EncryptResponse {
            name: format!("{name}/cryptoKeyVersions/1"),
            ciphertext,
            ciphertext_crc32c,
            verified_plaintext_crc32c: verified,
            verified_additional_authenticated_data_crc32c: verified,
            ..EncryptResponse::default()
        }))
    }

    async fn decrypt(self, mut request: DecryptRequest) -> Result<Response<DecryptResponse>, Status> {
        let fault = self.begin(&request.name).await?;
        if fault == Some(Fault::FlippedRequest) {
            request.ciphertext[0] ^= 1;
        }
        let aad = &request.additional_authenticated_data;
        if request.ciphertext_crc32c != sum(&request.ciphertext)
            || request.additional_authenticated_data_crc32c != sum(aad)
        {
            return Err(Status::invalid_argument("The checksum in field ciphertext_crc32c did not match."));
        }
        let failed = || {
            Status::invalid_argument("Decryption failed: verify that 'name' refers to the correct CryptoKey.")
        };
        let (nonce, sealed) = request.ciphertext.split_first_chunk::<24>().ok_or_else(failed)?;
        let mut plain = cipher(&request.name)
            .decrypt(<&XNonce>::from(nonce), Payload { msg: sealed, aad })
            .map_err(|_| failed())?;
        match fault {
            Some(Fault::Swapped) => plain = b"another record".to_vec(),
            Some(Fault::LongPlaintext) => plain = vec![b'x'; 60_000],
            _ => {}
        }
        let plaintext_crc32c = match fault {
            Some(Fault::WrongSum) => sum(b"x"),
            Some(Fault::NoSum) => None,
            _ => sum(&plain),
        };
        if fault == Some(Fault::FlippedAnswer) {
            plain[30] ^= 1;
        }
        Ok(Response::new(DecryptResponse {
            plaintext: SecretValue::new(plain),
            plaintext_crc32c,
            ..DecryptResponse::default()
        }))
    }
}

type Answer<T> = Pin<Box<dyn Future<Output = Result<Response<T>, Status>> + Send>>;

struct Encrypt(Fake);

impl UnaryService<EncryptRequest> for Encrypt {
    type Response = EncryptResponse;
    type Future = Answer<EncryptResponse>;

    fn call(&mut self, request: Request<EncryptRequest>) -> Self::Future {
        Box::pin(self.0.clone().encrypt(request.into_inner()))
    }
}

struct Decrypt(Fake);

impl UnaryService<DecryptRequest> for Decrypt {
    type Response = DecryptResponse;
    type Future = Answer<DecryptResponse>;

    fn call(&mut self, request: Request<DecryptRequest>) -> Self::Future {
        Box::pin(self.0.clone().decrypt(request.into_inner()))
    }
}

impl NamedService for Fake {
    const NAME: &'static str = "google.cloud.kms.v1.KeyManagementService";
}

impl Service<http::Request<Body>> for Fake {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let fake = self.clone();
        Box::pin(async move {
            Ok(match request.uri().path().rsplit('/').next() {
                Some("Encrypt") => Grpc::new(ProstCodec::default()).unary(Encrypt(fake), request).await,
                Some("Decrypt") => Grpc::new(ProstCodec::default()).unary(Decrypt(fake), request).await,
                other => panic!("called {other:?}"),
            })
        })
    }
}

impl Fake {
    async fn start() -> (Self, KmsClient) {
        let fake = Self::default();
        let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = format!("http://{}", incoming.local_addr().unwrap());
        tokio::spawn(Server::builder().add_service(fake.clone()).serve_with_incoming(incoming));
        let client = KmsClient::from_function_with_credentials(
            KeyManagementServiceClient::new,
            address,
            None,
            anonymous::Builder::new().build(),
        );
        (fake, client.await.unwrap())
    }

    fn next(&self, faults: impl IntoIterator<Item = Fault>) {
        self.0.lock().unwrap().faults.extend(faults);
    }

    fn called(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().called)
    }
}

fn binding(scope: &str) -> Binding {
    Binding { scope: Scope::new(scope).unwrap(), purpose: Purpose::Data, key_id: KeyId::from_bytes([1; 32]) }
}

async fn wrap(root: &GcpKmsRoot) -> Result<Vec<u8>, WrapError> {
    wrap_key(root, &[9; 32], &binding("acme")).await
}

async fn unwrap(root: &GcpKmsRoot, wrapped: &[u8]) -> Result<[u8; 32], WrapError> {
    unwrap_key(root, wrapped, &binding("acme")).await.map(|secret| *secret)
}

#[tokio::test]
async fn a_key_wraps_and_unwraps_for_its_context_only() {
    let (fake, client) = Fake::start().await;
    let kms = GcpKms::with_client(client, [KEY]).unwrap();
    let root = kms.root(KEY).unwrap();
    assert_eq!(root.root(), format!("gcp-kms:{KEY}"));
    let wrapped = wrap(&root).await.unwrap();
    assert_eq!(unwrap(&root, &wrapped).await.unwrap(), [9; 32]);
    let stored = kms.root(root.root()).unwrap();
    assert_eq!(unwrap(&stored, &wrapped).await.unwrap(), [9; 32]);
    fake.called();
    let error = root.unwrap(&wrapped, &binding("other").encode()).await.unwrap_err();
    assert!(matches!(error, WrapError::DoesNotUnwrap { .. }), "{error:?}");
    // A ciphertext of another of the key's records.
    let other = wrap_key(&root, &[8; 32], &binding("other")).await.unwrap();
    let error = unwrap(&root, &other).await.unwrap_err();
    assert!(matches!(error, WrapError::DoesNotUnwrap { .. }), "{error:?}");
    for index in 0..wrapped.len() {
        let mut changed = wrapped.clone();
        changed[index] ^= 1 << (index % 8);
        for bytes in [&changed[..], &wrapped[..index]] {
            let error = unwrap(&root, bytes).await.unwrap_err();
            assert!(matches!(error, WrapError::DoesNotUnwrap { .. }), "{error:?}");
        }
    }
    fake.called();
    // What KMS cannot have written is not sent.
    for bytes in [vec![], vec![0; 100_000]] {
        let error = unwrap(&root, &bytes).await.unwrap_err();
        assert!(matches!(error, WrapError::DoesNotUnwrap { .. }), "{error:?}");
    }
    assert!(fake.called().is_empty());
}

#[tokio::test]
async fn only_names_on_the_list_are_called() {
    let (fake, client) = Fake::start().await;
    let kms = GcpKms::with_client(client.clone(), [KEY]).unwrap();
    let version = format!("{KEY}/cryptoKeyVersions/1");
    for name in [OTHER, "", "gcp-kms:", &version, &KEY[1..], &format!("{KEY} "), &KEY.to_uppercase()] {
        let error = kms.root(name).unwrap_err();
        assert!(matches!(error, WrapError::Denied { .. }), "{name}: {error:?}");
    }
    let root = kms.root(KEY).unwrap();
    let wrapped = wrap(&root).await.unwrap();
    unwrap(&root, &wrapped).await.unwrap();
    assert_eq!(fake.called(), [KEY, KEY]);
    for name in [version.as_str(), "app", "projects/p", "projects//locations/l/keyRings/r/cryptoKeys/k"] {
        let error = GcpKms::with_client(client.clone(), [name]).unwrap_err();
        assert!(matches!(error, WrapError::Unusable { .. }), "{name}: {error:?}");
    }
    promise::Promise::kept("key_services", 1);
}

#[tokio::test]
async fn a_failure_in_passing_is_retried_once() {
    let (fake, client) = Fake::start().await;
    let kms = GcpKms::with_client(client, [KEY]).unwrap();
    let root = kms.root(KEY).unwrap();
    let wrapped = wrap(&root).await.unwrap();
    let both = [
        Fault::Status(Code::Unavailable, "try again"),
        Fault::Status(Code::Internal, "oops"),
        Fault::Status(Code::ResourceExhausted, "quota"),
        Fault::WrongSum,
        Fault::NoSum,
        Fault::FlippedAnswer,
    ];
    for fault in both.into_iter().chain([Fault::FlippedRequest]) {
        fake.called();
        fake.next([fault]);
        assert_eq!(unwrap(&root, &wrapped).await.unwrap(), [9; 32], "{fault:?}");
        assert_eq!(fake.called().len(), 2, "{fault:?}");
        fake.next([fault, fault]);
        let error = unwrap(&root, &wrapped).await.unwrap_err();
        assert!(matches!(&error, WrapError::Unavailable { root, .. } if root.contains(KEY)), "{error:?}");
        assert_eq!(fake.called().len(), 2, "{fault:?}");
    }
    for fault in both.into_iter().chain([Fault::Unverified, Fault::FlippedRequest]) {
        fake.called();
        fake.next([fault]);
        let wrapped = wrap(&root).await.unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        assert_eq!(unwrap(&root, &wrapped).await.unwrap(), [9; 32]);
        fake.next([fault; 2]);
        let error = wrap(&root).await.unwrap_err();
        assert!(matches!(&error, WrapError::Unavailable { root, .. } if root.contains(KEY)), "{error:?}");
        assert_eq!(fake.called().len(), 5, "{fault:?}");
    }
    // Four times: two calls fail, the third finds it well again.
    fake.next([Fault::Status(Code::Unavailable, "try again"); 4]);
    assert!(unwrap(&root, &wrapped).await.is_err());
    assert!(unwrap(&root, &wrapped).await.is_err());
    assert_eq!(unwrap(&root, &wrapped).await.unwrap(), [9; 32]);
    promise::Promise::kept("key_services", 1);
}

#[tokio::test]
async fn other_failures_and_lies_are_told_apart() {
    let (fake, client) = Fake::start().await;
    let kms = GcpKms::with_client(client, [KEY]).unwrap();
    let root = kms.root(KEY).unwrap();
    let wrapped = wrap(&root).await.unwrap();
    fake.called();
    for code in [Code::PermissionDenied, Code::Unauthenticated, Code::FailedPrecondition] {
        fake.next([Fault::Status(code, "no")]);
        let error = unwrap(&root, &wrapped).await.unwrap_err();
        assert!(matches!(error, WrapError::Denied { .. }), "{error:?}");
        assert_eq!(fake.called().len(), 1, "retried in vain");
    }
    fake.next([Fault::Status(Code::NotFound, "no such key")]);
    let error = unwrap(&root, &wrapped).await.unwrap_err();
    assert!(matches!(error, WrapError::Unusable { .. }), "{error:?}");
    fake.next([Fault::OtherKey]);
    let error = wrap(&root).await.unwrap_err();
    assert!(matches!(error, WrapError::Unusable { .. }), "{error:?}");
    for fault in [Fault::Swapped, Fault::LongPlaintext] {
        fake.next([fault]);
        let error = unwrap(&root, &wrapped).await.unwrap_err();
        assert!(matches!(error, WrapError::DoesNotUnwrap { .. }), "{fault:?}: {error:?}");
    }
    fake.next([Fault::Swapped]);
    let swapped = wrap(&root).await.unwrap();
    assert!(matches!(unwrap(&root, &swapped).await, Err(WrapError::DoesNotUnwrap { .. })));
    promise::Promise::kept("key_services", 1);
}

#[tokio::test]
async fn all_stays_within_one_deadline() {
    let (fake, client) = Fake::start().await;
    let kms = GcpKms::with_client(client, [KEY]).unwrap();
    let deadline = Duration::from_millis(600);
    let root = kms.with_deadline(deadline).root(KEY).unwrap();
    let wrapped = wrap(&root).await.unwrap();
    let hang = Fault::Slow(Duration::from_secs(60));
    fake.next([hang]);
    assert_eq!(unwrap(&root, &wrapped).await.unwrap(), [9; 32]);
    fake.next([hang, hang]);
    let started = Instant::now();
    let error = unwrap(&root, &wrapped).await.unwrap_err();
    println!("two hanging answers: {:?} for a deadline of {deadline:?}", started.elapsed());
    assert!(matches!(&error, WrapError::Unavailable { root, .. } if root.contains(KEY)), "{error:?}");
    assert!(started.elapsed() < deadline + Duration::from_millis(300));
    promise::Promise::kept("key_services", 1);
}
