//! Sealed payloads over a real nats-server with TLS, client certificates and JetStream on disk.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::{self, stream};
use async_nats::{Client, Event};
use fireseal::nats::{Endpoint, FORMAT_HEADER, KEY_ID_HEADER, NatsError};
use fireseal::{
    Frame, MessageError, MessageKey, MessageRing, ReplayError, ReplayWindow, Scope, SealedMessage,
};
use futures::StreamExt;

use crate::certificates::{Authority, Identity};
use crate::nats_server::{NatsServer, files};
use crate::shop::{Order, Receipt, SECRET, order, receipt, ring, scope};

const EVERYTHING: &[&str] = &[">"];
const GLOBEX: &[&str] = &["orders.globex.>", "_INBOX.>"];

/// A server, and who connects to it: the shop, a relay without keys, and a customer of its own.
struct Bus {
    server: NatsServer,
    shop: Identity,
    relay: Identity,
    globex: Identity,
}

impl Bus {
    fn start() -> Self {
        let server = NatsServer::start(&[
            ("shop.test", EVERYTHING),
            ("relay.test", EVERYTHING),
            ("globex.test", GLOBEX),
        ])
        .unwrap();
        let issue = |name| server.authority.issue(&[name]).unwrap();
        let (shop, relay, globex) = (issue("shop.test"), issue("relay.test"), issue("globex.test"));
        Self { server, shop, relay, globex }
    }

    async fn shop(&self) -> Client {
        self.server.connect(Some(&self.shop)).await.unwrap()
    }

    /// Everything that the broker lets through, subject, headers and payload.
    async fn tap(&self) -> Tap {
        let client = self.server.connect(Some(&self.relay)).await.unwrap();
        let mut all = client.subscribe(">").await.unwrap();
        client.flush().await.unwrap();
        let seen = Tap::default();
        let into = seen.clone();
        tokio::spawn(async move {
            while let Some(message) = all.next().await {
                let headers = format!("{} {:?} ", message.subject, message.headers);
                into.0.lock().unwrap().push([headers.as_bytes(), &message.payload].concat());
            }
            drop(client);
        });
        seen
    }
}

#[derive(Clone, Default)]
struct Tap(Arc<Mutex<Vec<Vec<u8>>>>);

fn hits(bytes: &[u8]) -> usize {
    bytes.windows(SECRET.len()).filter(|window| *window == SECRET.as_bytes()).count()
}

fn endpoint() -> Endpoint {
    Endpoint::new(ring(), Scope::default()).with_sender("shop").unwrap()
}

async fn next(from: &mut async_nats::Subscriber) -> async_nats::Message {
    tokio::time::timeout(Duration::from_secs(10), from.next()).await.unwrap().unwrap()
}

fn duplicate<T>(result: Result<T, NatsError>) -> bool {
    matches!(result, Err(NatsError::Message(MessageError::Replay(ReplayError::Duplicate { .. }))))
}

fn unopened<T>(result: Result<T, NatsError>) -> bool {
    matches!(result, Err(NatsError::Message(MessageError::Fields { .. })))
}

#[tokio::test]
async fn events_are_bound_to_their_subject_and_taken_once() {
    let bus = Bus::start();
    let client = bus.shop().await;
    let mut created = client.subscribe("orders.created").await.unwrap();
    let mut cancelled = client.subscribe("orders.cancelled").await.unwrap();
    let (sender, receiver) = (endpoint(), endpoint());

    let outgoing = sender.seal("orders.created", &order("ada")).await.unwrap();
    outgoing.publish(&client).await.unwrap();
    let received = next(&mut created).await;
    let headers = received.headers.as_ref().unwrap();
    assert_eq!(headers.get("Nats-Msg-Id").unwrap().as_str(), outgoing.id().to_string());
    assert_eq!(headers.get(KEY_ID_HEADER).unwrap().as_str(), ring().primary_id().to_string());
    assert_eq!(headers.get(FORMAT_HEADER).unwrap().as_str(), "1");
    assert_eq!(receiver.open::<Order>(&received).await.unwrap(), order("ada"));

    // Published again by the sender or by the broker: the receiver has taken it.
    outgoing.publish(&client).await.unwrap();
    assert!(duplicate(receiver.open::<Order>(&next(&mut created).await).await));

    // Somebody without a key moves it to another subject.
    client.publish("orders.cancelled", received.payload.clone()).await.unwrap();
    let moved = next(&mut cancelled).await;
    assert!(unopened(endpoint().open::<Order>(&moved).await));
    // An event is no request, and another tenant's no event of ours.
    let mut asked = received.clone();
    asked.reply = Some("_INBOX.x".into());
    assert!(unopened(endpoint().open_request::<Order>(&asked).await));
    let acme = Endpoint::new(ring().with_scope(scope("acme")), scope("acme"));
    assert!(unopened(acme.open::<Order>(&received).await));
    crate::promise::Promise::kept("moved_messages", 1);
}

#[tokio::test]
async fn an_answer_opens_for_its_own_request_only() {
    let bus = Bus::start();
    let tap = bus.tap().await;
    let client = bus.shop().await;
    let mut asked = client.subscribe("orders.price").await.unwrap();
    client.flush().await.unwrap();
    let server = {
        let client = client.clone();
        tokio::spawn(async move {
            let (endpoint, mut earlier) = (endpoint(), None);
            for number in 1..=2 {
                let message = next(&mut asked).await;
                let request = endpoint.open_request::<Order>(&message).await.unwrap();
                assert_eq!(request.value, order("ada"));
                assert!(duplicate(endpoint.open_request::<Order>(&message).await));
                // The second time the broker answers with what it recorded the first time.
                if let Some(recorded) = earlier.take() {
                    client.publish(message.reply.unwrap(), recorded).await.unwrap();
                    continue;
                }
                let mut answers = client.subscribe(message.reply.clone().unwrap()).await.unwrap();
                request.respond(&client, &receipt(number)).await.unwrap();
                earlier = Some(next(&mut answers).await.payload);
            }
        })
    };
    let endpoint = endpoint();
    let answer = endpoint.request::<_, Receipt>(&client, "orders.price", &order("ada")).await;
    assert_eq!(answer.unwrap(), receipt(1));
    let replayed = endpoint.request::<_, Receipt>(&client, "orders.price", &order("ada")).await;
    assert!(matches!(replayed, Err(NatsError::Message(MessageError::OtherRequest { .. }))));
    server.await.unwrap();
    let nobody = endpoint.request::<_, Receipt>(&client, "orders.nobody", &order("ada")).await;
    assert!(matches!(nobody, Err(NatsError::Request(_))));
    let seen = tap.0.lock().unwrap().clone();
    assert!(seen.len() >= 4, "{} messages", seen.len());
    assert_eq!(seen.iter().map(|bytes| hits(bytes)).sum::<usize>(), 0);
    crate::promise::Promise::kept("moved_messages", 1);
}

async fn stream(client: &Client, subjects: &str) -> (jetstream::Context, pull::Stream) {
    let context = jetstream::new(client.clone());
    let config = stream::Config {
        name: "ORDERS".to_owned(),
        subjects: vec![subjects.to_owned()],
        duplicate_window: Duration::from_secs(60),
        storage: stream::StorageType::File,
        ..Default::default()
    };
    let stream = context.create_stream(config).await.unwrap();
    let config = pull::Config {
        durable_name: Some("billing".to_owned()),
        ack_policy: AckPolicy::Explicit,
        ack_wait: Duration::from_millis(500),
        ..Default::default()
    };
    let consumer = stream.create_consumer(config).await.unwrap();
    (context, consumer.messages().await.unwrap())
}

async fn deliver(from: &mut pull::Stream) -> jetstream::Message {
    tokio::time::timeout(Duration::from_secs(20), from.next()).await.unwrap().unwrap().unwrap()
}

#[tokio::test]
async fn a_stream_redelivers_until_it_was_opened_and_dealt_with() {
    let bus = Bus::start();
    let tap = bus.tap().await;
    let client = bus.shop().await;
    let (context, mut deliveries) = stream(&client, "orders.created").await;
    let (sender, receiver) = (endpoint(), endpoint());

    let outgoing = sender.seal("orders.created", &order("ada")).await.unwrap();
    assert!(!outgoing.publish_to_stream(&context).await.unwrap().duplicate);
    assert!(outgoing.publish_to_stream(&context).await.unwrap().duplicate, "one message, stored once");

    // Without the key nothing is acknowledged, so nothing is lost.
    let stranger = Endpoint::new(MessageRing::new(MessageKey::from_bytes(&[8; 32])), Scope::default());
    let refused = stranger.open_delivery::<Order>(deliver(&mut deliveries).await).await.err().unwrap();
    assert!(refused.is_temporary());
    refused.settle().await.unwrap();

    // Opened, then the process fails before it is done.
    let message = deliver(&mut deliveries).await;
    assert_eq!(message.info().unwrap().delivered, 2);
    let delivery = receiver.open_delivery::<Order>(message).await.unwrap();
    assert_eq!(*delivery, order("ada"));
    // Meanwhile it comes again: it is left alone, since the first may yet fail.
    let refused = receiver.open_delivery::<Order>(deliver(&mut deliveries).await).await.err().unwrap();
    assert!(refused.is_temporary());
    refused.settle().await.unwrap();
    drop(delivery);

    let message = deliver(&mut deliveries).await;
    let copy = message.payload.clone();
    let delivery = receiver.open_delivery::<Order>(message).await.unwrap();
    assert_eq!(delivery.id(), outgoing.id());
    assert_eq!(delivery.ack().await.unwrap(), order("ada"));

    // The relay stores a copy without the id in the header: the server lets it pass, the receiver not.
    context.publish("orders.created", copy).await.unwrap().await.unwrap();
    let refused = receiver.open_delivery::<Order>(deliver(&mut deliveries).await).await.err().unwrap();
    assert!(!refused.is_temporary() && duplicate(Err::<(), _>(refused.error)));
    refused.message.ack().await.unwrap();
    // What never opens is not delivered again.
    context.publish("orders.created", "rubbish".into()).await.unwrap().await.unwrap();
    let refused = receiver.open_delivery::<Order>(deliver(&mut deliveries).await).await.err().unwrap();
    assert!(matches!(refused.error, NatsError::Message(MessageError::Frame(_))));
    refused.settle().await.unwrap();
    let nothing = tokio::time::timeout(Duration::from_millis(1_500), deliveries.next()).await;
    assert!(nothing.is_err(), "everything was settled");

    search(&bus, &tap, 3);
}

/// Searches what the broker let through, its streams on disk, its log: nowhere a plaintext.
fn search(bus: &Bus, tap: &Tap, at_least: usize) {
    let seen = tap.0.lock().unwrap().clone();
    assert!(seen.len() >= at_least, "{} messages were tapped", seen.len());
    let on_disk = files(bus.server.folder()).unwrap();
    let stored = on_disk.iter().filter(|(name, _)| name.ends_with(".blk")).count();
    assert!(stored > 0, "no stream is on disk");
    // The search itself finds what is there: the clear country, sealed nowhere.
    let clear = |bytes: &[u8]| bytes.windows(10).any(|window| window == b"\xa7country\xa2G");
    assert!(on_disk.iter().any(|(name, bytes)| name.ends_with(".blk") && clear(bytes)));
    let found: usize =
        seen.iter().chain(on_disk.iter().map(|(_, bytes)| bytes)).map(|bytes| hits(bytes)).sum();
    let bytes: usize = seen.iter().chain(on_disk.iter().map(|(_, bytes)| bytes)).map(Vec::len).sum();
    println!(
        "{} messages and {} files ({stored} of streams), {bytes} bytes: {found} plaintexts",
        seen.len(),
        on_disk.len()
    );
    assert_eq!(found, 0);
}

#[tokio::test]
async fn a_relay_without_a_key_routes_stores_and_forwards() {
    let bus = Bus::start();
    let tap = bus.tap().await;
    let client = bus.shop().await;
    let (context, mut deliveries) = stream(&client, "stored.>").await;
    let mut forwarded = client.subscribe("orders.created").await.unwrap();
    client.flush().await.unwrap();

    // Stored under another subject, then brought to the one it was sealed for.
    let outgoing = endpoint().seal("orders.created", &order("ada")).await.unwrap();
    let relay = bus.server.connect(Some(&bus.relay)).await.unwrap();
    outgoing.publish(&client).await.unwrap();
    let original = next(&mut forwarded).await;
    context.publish("stored.orders", original.payload.clone()).await.unwrap().await.unwrap();
    let stored = deliver(&mut deliveries).await;
    let frame = Frame::decode(&stored.payload).unwrap();
    assert_eq!((frame.id(), frame.key_id()), (outgoing.id(), ring().primary_id()));
    assert_eq!(frame.claims().sender.as_deref(), Some("shop"));
    assert_eq!(frame.message::<Order>().unwrap().country, "GB");
    relay.publish("orders.created", stored.payload.clone()).await.unwrap();

    let arrived = next(&mut forwarded).await;
    assert_eq!(endpoint().open::<Order>(&arrived).await.unwrap(), order("ada"));
    assert!(SealedMessage::<Receipt>::from_frame(&arrived.payload).is_err());
    search(&bus, &tap, 2);
    crate::promise::Promise::kept("known_callers", 1);
}

#[tokio::test]
async fn an_expired_event_is_refused_and_a_long_one_does_not_fit_the_window() {
    let bus = Bus::start();
    let client = bus.shop().await;
    let mut created = client.subscribe("orders.created").await.unwrap();
    client.flush().await.unwrap();
    let brief = endpoint().with_life(Duration::ZERO);
    brief.seal("orders.created", &order("ada")).await.unwrap().publish(&client).await.unwrap();
    let refused = endpoint().open::<Order>(&next(&mut created).await).await;
    assert!(matches!(refused, Err(NatsError::Message(MessageError::Replay(ReplayError::Expired { .. })))));
    endpoint().seal("orders.created", &order("ada")).await.unwrap().publish(&client).await.unwrap();
    let short = endpoint().with_window(Arc::new(ReplayWindow::new(Duration::from_secs(5), 10)));
    let refused = short.open::<Order>(&next(&mut created).await).await;
    assert!(matches!(
        refused,
        Err(NatsError::Message(MessageError::Replay(ReplayError::BeyondWindow { .. })))
    ));
}

#[tokio::test]
async fn who_has_no_certificate_of_ours_is_refused() {
    let bus = Bus::start();
    let without = bus.server.connect(None).await.unwrap_err();
    println!("without a certificate: {without:?}");
    let stranger = Authority::new("somebody else").unwrap().issue(&["shop.test"]).unwrap();
    let strange = bus.server.connect(Some(&stranger)).await.unwrap_err();
    println!("of another authority: {strange:?}");
    let unmapped = bus.server.authority.issue(&["nobody.test"]).unwrap();
    let unmapped = bus.server.connect(Some(&unmapped)).await.unwrap_err();
    println!("of nobody's name: {unmapped:?}");
    for refused in [&without, &strange] {
        let told = format!("{refused:?}").to_lowercase();
        assert!(told.contains("certificate") || told.contains("unknownca"), "{told}");
    }
    let unmapped = unmapped.downcast::<async_nats::ConnectError>().unwrap();
    assert_eq!(unmapped.kind(), async_nats::ConnectErrorKind::AuthorizationViolation);

    // Another customer: known, but not on these subjects.
    let (events, mut told) = tokio::sync::mpsc::unbounded_channel();
    let tell = move |event| drop(events.send(event));
    let globex = bus.server.connect_telling(Some(&bus.globex), tell).await.unwrap();
    let mut listening = bus.shop().await.subscribe("orders.acme.created").await.unwrap();
    let outgoing = endpoint().seal("orders.acme.created", &order("ada")).await.unwrap();
    outgoing.publish(&globex).await.unwrap();
    globex.flush().await.unwrap();
    let violation = loop {
        match tokio::time::timeout(Duration::from_secs(10), told.recv()).await.unwrap().unwrap() {
            Event::ServerError(error) => break error.to_string(),
            _ => continue,
        }
    };
    println!("of another customer: {violation}");
    assert!(violation.to_lowercase().contains("permissions violation"), "{violation}");
    let arrived = tokio::time::timeout(Duration::from_millis(300), listening.next()).await;
    assert!(arrived.is_err(), "it was let through");
    crate::promise::Promise::kept("known_callers", 4);
}
