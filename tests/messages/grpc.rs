//! Sealed requests and responses over a real tonic server that takes nobody without a client
//! certificate.

use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fireseal::grpc::{Caller, EXPIRY_METADATA, Guard, PeerName};
use fireseal::{KeyError, MessageKey, MessageKeyProvider, MessageRing, MessageRings, ReplayWindow, Scope};
use prost::Message as _;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Server, ServerTlsConfig};
use tonic::{Code, Request, Response, Status};

use crate::certificates::{Authority, Identity};
use crate::log;
use crate::orders::{CREATE, CreateOrder, OrderCreated, Orders, OrdersServer, create};
use crate::shop::{Order, Receipt, SECRET, order, receipt, scope};

/// The service: opens in its handler, and nowhere before.
struct Shop {
    guard: Guard,
    tap: Tap,
}

#[tonic::async_trait]
impl Orders for Shop {
    async fn create(&self, request: Request<CreateOrder>) -> Result<Response<OrderCreated>, Status> {
        self.tap.push(format!("{:?}", request.metadata()).into_bytes());
        self.tap.push(request.get_ref().encode_to_vec());
        let admitted = self.guard.admit(CREATE, &request).await?;
        let (order, answer) = admitted.open::<Order>(request.into_inner())?;
        assert!(order.card.starts_with(SECRET));
        let response: Response<OrderCreated> = answer.seal(&receipt(7))?;
        self.tap.push(format!("{:?}", response.metadata()).into_bytes());
        self.tap.push(response.get_ref().encode_to_vec());
        Ok(response)
    }
}

/// Everything that somebody between client and handler sees.
#[derive(Clone, Default)]
struct Tap(Arc<Mutex<Vec<u8>>>);

impl Tap {
    fn push(&self, bytes: Vec<u8>) {
        self.0.lock().unwrap().extend(bytes);
    }
}

fn hits(bytes: &[u8]) -> usize {
    bytes.windows(SECRET.len()).filter(|window| *window == SECRET.as_bytes()).count()
}

fn ring_of(customer: &str, byte: u8) -> MessageRing {
    MessageRing::new(MessageKey::from_bytes(&[byte; 32])).with_scope(scope(customer))
}

fn rings() -> MessageRings {
    [ring_of("acme", 1), ring_of("globex", 2)].into_iter().collect()
}

/// A running service, and who may call it.
struct Running {
    address: String,
    authority: Authority,
    tap: Tap,
}

impl Running {
    async fn start(keys: impl MessageKeyProvider + 'static) -> Self {
        Self::guarded(|peers| Guard::new(keys, peers)).await
    }

    async fn guarded(guard: impl FnOnce(PeerName) -> Guard) -> Self {
        let authority = Authority::new("fireseal test authority").unwrap();
        let server = authority.issue(&["localhost"]).unwrap();
        let tls = ServerTlsConfig::new()
            .identity(tonic::transport::Identity::from_pem(server.certificate, server.key))
            .client_ca_root(Certificate::from_pem(&authority.certificate));
        let tap = Tap::default();
        let shop = Shop { guard: guard(PeerName::dns(".customers.test")), tap: tap.clone() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let serve = Server::builder()
            .tls_config(tls)
            .unwrap()
            .add_service(OrdersServer::new(shop))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(serve);
        Self { address, authority, tap }
    }

    async fn channel(&self, identity: Option<&Identity>) -> Result<Channel, tonic::transport::Error> {
        let mut tls =
            ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&self.authority.certificate));
        if let Some(Identity { certificate, key }) = identity {
            tls = tls.identity(tonic::transport::Identity::from_pem(certificate, key));
        }
        Endpoint::from_shared(self.address.clone()).unwrap().tls_config(tls).unwrap().connect().await
    }

    /// Connected with the certificate of this customer.
    async fn of(&self, customer: &str) -> Channel {
        let identity = self.authority.issue(&[&format!("{customer}.customers.test")]).unwrap();
        self.channel(Some(&identity)).await.unwrap()
    }
}

async fn sealed(caller: &Caller) -> Request<CreateOrder> {
    caller.seal(CREATE, &order("ada")).await.unwrap().0
}

/// A second request of the same bytes.
fn again(request: &Request<CreateOrder>) -> Request<CreateOrder> {
    let mut copy = Request::new(request.get_ref().clone());
    *copy.metadata_mut() = request.metadata().clone();
    copy
}

#[tokio::test]
async fn a_request_is_opened_in_the_handler_and_answered_sealed() {
    let log = log::everything();
    let running = Running::start(rings()).await;
    let channel = running.of("acme").await;
    let caller = Caller::new(rings(), scope("acme"));
    let (request, pending) = caller.seal::<_, CreateOrder>(CREATE, &order("ada")).await.unwrap();
    let recorded = again(&request);
    let response = create(channel.clone(), request).await.unwrap();
    let old = response.get_ref().clone();
    assert_eq!(response.get_ref().number, 7);
    assert_eq!(pending.open::<Receipt, _>(response).unwrap(), receipt(7));

    // Sent again, it is refused; the answer to the one does not open as that to another.
    let refused = create(channel.clone(), recorded).await.unwrap_err();
    assert_eq!((refused.code(), refused.message()), (Code::InvalidArgument, "the message does not open"));
    let (request, pending) = caller.seal::<_, CreateOrder>(CREATE, &order("ada")).await.unwrap();
    let fresh = create(channel, request).await.unwrap();
    let mut replayed = Response::new(old);
    *replayed.metadata_mut() = fresh.metadata().clone();
    assert!(pending.open::<Receipt, _>(replayed).is_err());

    let logged = log.bytes();
    let bytes = [running.tap.0.lock().unwrap().len(), logged.len()];
    println!("{} bytes of requests and responses, {} bytes of spans and events:", bytes[0], bytes[1]);
    let hits = hits(&running.tap.0.lock().unwrap()) + hits(&logged);
    println!("{hits} plaintexts");
    assert!(bytes[0] > 1_000 && bytes[1] > 10_000);
    assert_eq!(hits, 0);
    crate::promise::Promise::kept("known_callers", 1);
}

#[tokio::test]
async fn what_does_not_open_is_one_indistinct_status() {
    let running = Running::start(rings()).await;
    let channel = running.of("acme").await;
    let caller = Caller::new(rings(), scope("acme"));
    let good = sealed(&caller).await;
    let other = sealed(&caller).await;
    let stranger = Caller::new(ring_of("acme", 9), scope("acme"));
    let elsewhere = caller.seal("/shop.v1.Orders/Cancel", &order("ada")).await.unwrap().0;
    let changed = |change: &dyn Fn(&mut CreateOrder)| {
        let mut request = again(&good);
        change(request.get_mut());
        request
    };
    let mut put_off = again(&good);
    put_off.metadata_mut().insert(EXPIRY_METADATA, 9_999_999_999u64.into());
    let mut no_number = again(&good);
    no_number.metadata_mut().insert(EXPIRY_METADATA, "soon".parse().unwrap());
    let rows = [
        ("a flipped bit", changed(&|order| order.card[80] ^= 1)),
        ("malformed", changed(&|order| order.card = b"PLAINTEXT-card".to_vec())),
        ("missing", changed(&|order| order.card.clear())),
        ("nothing sealed", changed(&|order| *order = CreateOrder::default())),
        ("mixed fields", changed(&|order| order.note = other.get_ref().note.clone())),
        ("swapped fields", changed(&|order| std::mem::swap(&mut order.card, &mut order.note))),
        ("an unknown key", sealed(&stranger).await),
        ("another method", elsewhere),
        ("expired", sealed(&caller.clone().with_life(Duration::ZERO)).await),
        ("expiry put off", put_off),
        ("expiry is no number", no_number),
        ("beyond the window", sealed(&caller.clone().with_life(Duration::from_secs(3_600))).await),
    ];
    for (what, request) in rows {
        let status = create(channel.clone(), request).await.unwrap_err();
        println!("{what:<20} {:?}: {}", status.code(), status.message());
        let told = (status.code(), status.message(), status.details());
        assert_eq!(told, (Code::InvalidArgument, "the message does not open", &b""[..]), "{what}");
    }
    assert!(create(channel, good).await.is_ok(), "the original still opens");
}

#[tokio::test]
async fn a_caller_is_who_its_certificate_says() {
    let running = Running::start(rings()).await;
    let caller = Caller::new(rings(), scope("acme"));

    // In TLS 1.3 a client learns of its refusal with the first answer.
    let call = async |identity: Option<&Identity>| match running.channel(identity).await {
        Err(error) => chain(&error),
        Ok(channel) => {
            let status = create(channel, sealed(&caller).await).await.unwrap_err();
            chain(&status)
        }
    };
    let without = call(None).await;
    println!("without a certificate: {without}");
    assert!(without.contains("CertificateRequired"), "{without}");
    let stranger = Authority::new("somebody else").unwrap().issue(&["acme.customers.test"]).unwrap();
    let strange = call(Some(&stranger)).await;
    println!("of another authority: {strange}");
    assert!(
        ["UnknownCA", "BadCertificate", "DecryptError"].iter().any(|alert| strange.contains(alert)),
        "{strange}"
    );

    let other = create(running.of("globex").await, sealed(&caller).await).await.unwrap_err();
    println!("of another customer: {:?}: {}", other.code(), other.message());
    assert_eq!(other.code(), Code::PermissionDenied);
    for name in ["acme.customers.test.evil.test", "x.acme.customers.test", "customers.test", "acme"] {
        let identity = running.authority.issue(&[name]).unwrap();
        let channel = running.channel(Some(&identity)).await.unwrap();
        let refused = create(channel, sealed(&caller).await).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{name}");
    }
    let mut nameless = sealed(&caller).await;
    nameless.metadata_mut().remove("fireseal-customer");
    let nameless = create(running.of("acme").await, nameless).await.unwrap_err();
    assert_eq!(nameless.code(), Code::PermissionDenied);
    // Known to the authority, but without keys.
    let initech = Caller::new(ring_of("initech", 3), scope("initech"));
    let refused = create(running.of("initech").await, sealed(&initech).await).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    // And what globex seals under its own certificate, with its own keys, is no order of acme.
    let globex = Caller::new(rings(), scope("globex"));
    let (mut request, pending) = globex.seal::<_, CreateOrder>(CREATE, &order("eve")).await.unwrap();
    let response = create(running.of("globex").await, again(&request)).await.unwrap();
    assert_eq!(pending.open::<Receipt, _>(response).unwrap(), receipt(7));
    request.metadata_mut().insert("fireseal-customer", "acme".parse().unwrap());
    let refused = create(running.of("acme").await, request).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    crate::promise::Promise::kept("known_callers", 3);
}

fn chain(error: &dyn Error) -> String {
    match error.source() {
        Some(source) => format!("{error:?} < {}", chain(source)),
        None => format!("{error:?}"),
    }
}

struct Down;

#[async_trait::async_trait]
impl MessageKeyProvider for Down {
    async fn message_ring(&self, _: &Scope) -> Result<MessageRing, KeyError> {
        Err(KeyError::Unavailable { reason: "the operator's reason".to_owned(), source: None })
    }
}

#[tokio::test]
async fn what_may_succeed_later_is_unavailable() {
    let caller = Caller::new(rings(), scope("acme"));
    let running = Running::start(Down).await;
    let refused = create(running.of("acme").await, sealed(&caller).await).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(!refused.message().contains("operator"), "{}", refused.message());

    let window = Arc::new(ReplayWindow::new(Duration::from_secs(600), 1));
    let running = Running::guarded(|peers| Guard::new(rings(), peers).with_window(window)).await;
    let channel = running.of("acme").await;
    assert!(create(channel.clone(), sealed(&caller).await).await.is_ok());
    let refused = create(channel, sealed(&caller).await).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
}
