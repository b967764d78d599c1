//! A whole system in one command: `cargo run --example reference --features grpc,nats`
//!
//! ```text
//! customer --gRPC--> shop --NATS--> relay --NATS--> billing
//!                      |            (no key)
//!                  Firestore
//!                  (no key)
//! ```
//!
//! It starts the Firestore emulator, two NATS servers and a gRPC service, all but the emulator under
//! mutual TLS with certificates made on the spot; sends one order all the way; shows what each party
//! can see of it; checks that; and stops everything. Exits with 0 only if all is as it should be.

mod certificates;
mod nats_server;
mod orders;
mod shop;

use std::process::ExitCode;
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::{self, stream};
use certificates::{Authority, Failure, Identity};
use fireseal::grpc::{Caller, Guard, PeerName};
use fireseal::nats::Endpoint;
use fireseal::store::FirestoreStore;
use fireseal::{DataKey, Frame, KeyRing, MessageKey, MessageRing, MessageRings, Repository, Scope};
use fireseal_emulator::{Emulator, Project};
use futures::StreamExt;
use nats_server::{NatsServer, files};
use orders::{CREATE, CreateOrder, OrderCreated, Orders, OrdersServer};
use prost::Message as _;
use shop::{Order, Receipt};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Certificate, ClientTlsConfig, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

const SECRETS: [&str; 3] = ["4111-1111-1111-1111", "leave it with the neighbour", "Ada Lovelace"];
const CREATED: &str = "orders.acme.created";

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("reference: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Failure> {
    let acme = Scope::new("acme")?;
    // Message keys and data keys are apart: billing will get the former only.
    let message_ring = MessageRing::new(MessageKey::generate()?).with_scope(acme.clone());
    let data_ring = KeyRing::new(DataKey::generate()?).with_scope(acme.clone());

    let emulator = Emulator::start().await?;
    let project = emulator.project()?;
    let inner = NatsServer::start(&[("shop.test", &[">"]), ("relay.test", &[">"])])?;
    let outer = NatsServer::start(&[("relay.test", &[">"]), ("billing.test", &[">"])])?;
    println!("Started: the Firestore emulator, two NATS servers.");

    let shop = Shop {
        guard: Guard::new(
            [message_ring.clone()].into_iter().collect::<MessageRings>(),
            PeerName::dns(".customers.test"),
        ),
        orders: Repository::new(FirestoreStore::new(project.firestore().await?), data_ring.clone())
            .with_scope(acme.clone()),
        bus: Endpoint::new(message_ring.clone(), acme.clone()).with_sender("shop")?,
        stream: orders_stream(&inner, "shop.test").await?,
        wire: unbounded_channel().0,
    };
    let (customer, mut wire) = Service::start(shop).await?;
    let relay =
        tokio::spawn(relay(client(&inner, "relay.test").await?, orders_stream(&outer, "relay.test").await?));

    let order = Order {
        id: "order-1".to_owned(),
        country: "GB".to_owned(),
        card: SECRETS[0].to_owned(),
        note: Some(SECRETS[1].to_owned()),
    };
    let caller = Caller::new(message_ring.clone(), acme.clone());
    let (request, pending) = caller.seal::<_, CreateOrder>(CREATE, &order).await?;
    let receipt: Receipt = pending.open(customer.create(request).await?)?;
    println!(
        "\nThe customer sent an order, and opened the receipt:\n  {} for {}",
        receipt.number, receipt.holder
    );
    expect(receipt.holder == SECRETS[2], "the receipt opens")?;

    let billing = Endpoint::new(message_ring, acme);
    let billed = billing_takes(&client(&outer, "billing.test").await?, &billing).await?;
    let relayed = relay.await??;

    println!("\nWhat passes the wire of the service, inside TLS:");
    let mut seen = drain(&mut wire);
    seen.iter().for_each(|bytes| println!("  {}", printable(bytes)));
    println!("\nWhat the relay sees, which has no key:\n  {}", printable(&relayed));
    seen.push(relayed);
    println!("\nWhat Firestore holds:\n{}", indented(&project).await?);
    println!(
        "\nWhat billing opens, which has the message keys and not the data keys:\n  card {}",
        billed.card
    );
    expect(billed == order, "the order arrives as it was sent")?;

    check(&project, &[&inner, &outer], &seen).await?;
    println!("\nAll as it should be. Stopping everything.");
    Ok(())
}

/// The service: its handler is the one place where an order is in the clear.
struct Shop {
    guard: Guard,
    orders: Repository<Order>,
    bus: Endpoint,
    stream: jetstream::Context,
    /// Where requests and responses are shown to, as somebody on the way would see them.
    wire: UnboundedSender<Vec<u8>>,
}

#[tonic::async_trait]
impl Orders for Shop {
    async fn create(&self, request: Request<CreateOrder>) -> Result<Response<OrderCreated>, Status> {
        let _ = self.wire.send(request.get_ref().encode_to_vec());
        // The customer's keys are looked up, and the fields opened.
        let admitted = self.guard.admit(CREATE, &request).await?;
        let (order, answer) = admitted.open::<Order>(request.into_inner())?;
        // Sealed again for where it goes next: a document, a subject, an answer.
        self.orders.create(&order).await.map_err(|error| internal(&error))?;
        let event = self.bus.seal(CREATED, &order).await.map_err(|error| internal(&error))?;
        event.publish_to_stream(&self.stream).await.map_err(|error| internal(&error))?;
        let receipt = Receipt { number: 1, holder: SECRETS[2].to_owned() };
        let response: Response<OrderCreated> = answer.seal(&receipt)?;
        let _ = self.wire.send(response.get_ref().encode_to_vec());
        Ok(response)
    }
}

fn internal(error: &dyn std::error::Error) -> Status {
    eprintln!("shop: {error}");
    Status::internal("the order was not taken")
}

/// The customer's way to the service.
struct Service(tonic::transport::Channel);

impl Service {
    async fn start(mut shop: Shop) -> Result<(Self, UnboundedReceiver<Vec<u8>>), Failure> {
        let (wire, seen) = unbounded_channel();
        shop.wire = wire;
        let authority = Authority::new("authority of the service")?;
        let identity = |Identity { certificate, key }| tonic::transport::Identity::from_pem(certificate, key);
        let ca = Certificate::from_pem(&authority.certificate);
        let tls = ServerTlsConfig::new()
            .identity(identity(authority.issue(&["localhost"])?))
            .client_ca_root(ca.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("https://localhost:{}", listener.local_addr()?.port());
        let server = Server::builder().tls_config(tls)?.add_service(OrdersServer::new(shop));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        let customer = identity(authority.issue(&["acme.customers.test"])?);
        let tls = ClientTlsConfig::new().ca_certificate(ca).identity(customer);
        let channel = tonic::transport::Endpoint::from_shared(address)?.tls_config(tls)?.connect().await?;
        Ok((Self(channel), seen))
    }

    async fn create(&self, request: Request<CreateOrder>) -> Result<Response<OrderCreated>, Status> {
        orders::create(self.0.clone(), request).await
    }
}

async fn client(server: &NatsServer, name: &str) -> Result<Client, Failure> {
    server.connect(Some(&server.authority.issue(&[name])?)).await
}

/// The stream of created orders, on the server's disk.
async fn orders_stream(server: &NatsServer, name: &str) -> Result<jetstream::Context, Failure> {
    let context = jetstream::new(client(server, name).await?);
    let config = stream::Config {
        name: "ORDERS".to_owned(),
        subjects: vec!["orders.>".to_owned()],
        storage: stream::StorageType::File,
        ..Default::default()
    };
    context.get_or_create_stream(config).await?;
    Ok(context)
}

async fn deliveries(client: &Client, name: &str) -> Result<pull::Stream, Failure> {
    let context = jetstream::new(client.clone());
    let config = pull::Config {
        durable_name: Some(name.to_owned()),
        ack_policy: AckPolicy::Explicit,
        ..Default::default()
    };
    let consumer = context.get_stream("ORDERS").await?.create_consumer(config).await?;
    Ok(consumer.messages().await?)
}

async fn next(deliveries: &mut pull::Stream) -> Result<jetstream::Message, Failure> {
    let next = tokio::time::timeout(Duration::from_secs(30), deliveries.next()).await?;
    Ok(next.ok_or("the stream ended")??)
}

/// Takes one message from the inner stream to the outer one, and tells what it saw of it.
async fn relay(from: Client, to: jetstream::Context) -> Result<Vec<u8>, Failure> {
    let message = next(&mut deliveries(&from, "relay").await?).await?;
    let frame = Frame::decode(&message.payload)?;
    println!(
        "\nThe relay forwards message {}\n  on {}, sealed with key {}",
        frame.id(),
        message.subject,
        frame.key_id()
    );
    let headers = message.headers.clone().unwrap_or_default();
    to.publish_with_headers(message.subject.clone(), headers, message.payload.clone()).await?.await?;
    message.double_ack().await?;
    Ok([format!("{} {:?} ", message.subject, message.headers).as_bytes(), &message.payload].concat())
}

async fn billing_takes(client: &Client, billing: &Endpoint) -> Result<Order, Failure> {
    let mut deliveries = deliveries(client, "billing").await?;
    let delivery = billing.open_delivery::<Order>(next(&mut deliveries).await?).await?;
    Ok(delivery.ack().await?)
}

/// Searches everything that passed or was stored outside of shop and billing.
async fn check(project: &Project, brokers: &[&NatsServer], seen: &[Vec<u8>]) -> Result<(), Failure> {
    let mut searched: Vec<Vec<u8>> = seen.to_vec();
    for broker in brokers {
        searched.extend(files(broker.folder())?.into_iter().map(|(_, bytes)| bytes));
    }
    let bytes: usize = searched.iter().map(Vec::len).sum();
    let mut hits = 0;
    for secret in SECRETS {
        let found = |bytes: &Vec<u8>| bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        hits += searched.iter().filter(|bytes| found(bytes)).count() + project.search(secret).await?.len();
    }
    println!(
        "\nSearched {} messages and files of the brokers ({bytes} bytes), and Firestore: {hits} of {} secrets found.",
        searched.len(),
        SECRETS.len()
    );
    expect(hits == 0, "no secret is found outside")?;
    expect(!project.search("GB").await?.is_empty(), "the search finds what is in the clear")
}

fn drain(wire: &mut UnboundedReceiver<Vec<u8>>) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| wire.try_recv().ok()).collect()
}

async fn indented(project: &Project) -> Result<String, Failure> {
    let document = project.document("orders/order-1").await?.ok_or("the order is not stored")?;
    Ok(format!("{document:#}").lines().map(|line| format!("  {line}\n")).collect())
}

/// Bytes with a dot for what is not printable, cut after 200.
fn printable(bytes: &[u8]) -> String {
    let shown = |&byte: &u8| if byte.is_ascii_graphic() || byte == b' ' { char::from(byte) } else { '.' };
    let cut = if bytes.len() > 200 { "..." } else { "" };
    format!("{}{cut}", bytes.iter().take(200).map(shown).collect::<String>())
}

fn expect(holds: bool, promise: &str) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(format!("not as it should be: {promise}").into()) }
}
