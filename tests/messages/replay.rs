//! The replay matrix: whatever is sent again elsewhere, later, twice or in parts is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fireseal::{
    Cause, Channel, Claims, DocumentPath, Location, Message, MessageContext, MessageError, MessageId,
    MessageKey, MessageRing, OpenError, ReplayError, ReplayWindow, Sealable, SealedMessage,
};

use crate::shop::{Order, Refund, SealedOrder, SealedRefund, data_ring, order, ring, scope, subject};

const NOW: u64 = 2_000_000_000;

fn sealed(context: &MessageContext) -> SealedMessage<Order> {
    order("ada").seal_message(context, &ring()).unwrap()
}

fn location() -> Location {
    Location::new(DocumentPath::parse("orders/ada").unwrap())
}

/// In one word, and nothing else than what the row expects.
fn outcome<T>(result: Result<T, MessageError>) -> String {
    match result {
        Ok(_) => "OPENS".to_owned(),
        Err(MessageError::Fields { failures, .. }) => {
            assert!(!failures.is_empty());
            let causes: Vec<_> = failures.iter().map(|failure| cause(failure.cause)).collect();
            assert!(causes.iter().all(|cause| cause == &causes[0]), "{causes:?}");
            causes[0].to_owned()
        }
        Err(MessageError::Mixed) => "mixed values".to_owned(),
        Err(MessageError::NothingSealed) => "nothing sealed".to_owned(),
        Err(MessageError::NotAnEnvelope) => "not an envelope".to_owned(),
        Err(MessageError::OtherRequest { .. }) => "other request".to_owned(),
        Err(MessageError::OtherClaim { claim }) => format!("other {claim}"),
        Err(MessageError::Replay(ReplayError::Expired { .. })) => "expired".to_owned(),
        Err(MessageError::Replay(ReplayError::Duplicate { .. })) => "duplicate".to_owned(),
        Err(MessageError::Replay(ReplayError::NoExpiry { .. })) => "no expiry".to_owned(),
        Err(MessageError::Replay(ReplayError::BeyondWindow { .. })) => "beyond window".to_owned(),
        Err(other) => format!("{other}"),
    }
}

fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::DoesNotOpen => "does not open",
        Cause::KeyUnknown(_) => "key unknown",
        other => panic!("{other}"),
    }
}

fn as_document(result: Result<Order, OpenError>) -> String {
    match result {
        Ok(_) => "OPENS".to_owned(),
        Err(OpenError::Fields { failures, .. }) => cause(failures[0].cause).to_owned(),
        Err(other) => format!("{other}"),
    }
}

/// A window by a clock of its own, which begins at [`NOW`].
fn window() -> (ReplayWindow, Arc<AtomicU64>) {
    let clock = Arc::new(AtomicU64::new(NOW));
    let hand = Arc::clone(&clock);
    let window =
        ReplayWindow::new(Duration::from_secs(60), 100).with_clock(move || hand.load(Ordering::Relaxed));
    (window, clock)
}

fn with_claims(message: &SealedMessage<Order>, claims: Claims) -> SealedMessage<Order> {
    SealedMessage::new((**message).clone(), claims).unwrap()
}

fn places() -> Vec<(&'static str, String, &'static str)> {
    let created = subject("orders.created");
    let message = sealed(&created);
    let open = |context: &MessageContext| outcome(message.open(context, &ring()));
    let mut rows = Vec::new();

    // The same 32 bytes as message key and as data key, and the same ring contents.
    let stored = order("ada").seal(&location(), &data_ring()).unwrap();
    rows.push((
        "field -> message",
        outcome(
            SealedMessage::<Order>::new(stored, Claims::default())
                .and_then(|message| message.open(&created, &ring())),
        ),
        "key unknown",
    ));
    let fields = message.clone().into_companion();
    rows.push((
        "message -> field",
        as_document(Order::open(fields, &location(), &data_ring())),
        "key unknown",
    ));
    rows.push(("subject A -> B", open(&subject("orders.cancelled")), "does not open"));
    rows.push((
        "subject -> method",
        {
            let named = Channel::method("/shop.v1.Orders/Create").unwrap();
            let same_text = Channel::subject("/shop.v1.Orders/Create").unwrap();
            outcome(sealed(&named.event()).open(&same_text.event(), &ring()))
        },
        "does not open",
    ));
    rows.push((
        "event -> request",
        open(&Channel::subject("orders.created").unwrap().request()),
        "does not open",
    ));
    let tenants = ["acme", "globex"].map(|id| created.clone().with_scope(scope(id)));
    let of_acme = order("ada").seal_message(&tenants[0], &ring().with_scope(scope("acme"))).unwrap();
    rows.push((
        "tenant A -> B, one key for both",
        outcome(of_acme.open(&tenants[1], &ring().with_scope(scope("globex")))),
        "does not open",
    ));
    rows.push((
        "tenant A, with the ring of B, one key for both",
        outcome(of_acme.open(&tenants[0], &ring().with_scope(scope("globex")))),
        "key unknown",
    ));
    let other = MessageRing::new(MessageKey::from_bytes(&[8; 32])).with_scope(scope("globex"));
    rows.push(("tenant A -> B", outcome(of_acme.open(&tenants[1], &other)), "key unknown"));
    rows.push((
        "realm A -> B",
        outcome(
            sealed(&created.clone().with_realm("staging").unwrap())
                .open(&created.clone().with_realm("production").unwrap(), &ring()),
        ),
        "does not open",
    ));
    let SealedOrder { id, country, card, note } = message.clone().into_companion();
    let as_refund = SealedRefund { id, country, card: card.as_bytes().unwrap().to_vec().into(), note };
    rows.push((
        "type A -> B",
        outcome(
            SealedMessage::<Refund>::new(as_refund, Claims::default())
                .and_then(|message| message.open(&created, &ring())),
        ),
        "does not open",
    ));
    let mut swapped = message.clone().into_companion();
    let card = swapped.card.as_bytes().unwrap().to_vec();
    swapped.card = swapped.note.as_bytes().unwrap().to_vec().into();
    swapped.note = card.into();
    rows.push((
        "field A -> B of one message",
        outcome(
            SealedMessage::<Order>::new(swapped, Claims::default())
                .and_then(|message| message.open(&created, &ring())),
        ),
        "does not open",
    ));
    rows
}

fn requests() -> Vec<(&'static str, String, &'static str)> {
    let price = Channel::subject("orders.price").unwrap();
    let request = sealed(&price.request());
    let other = sealed(&price.request());
    let answer = sealed(&price.response(request.id()));
    assert_eq!(outcome(answer.open(&price.response(request.id()), &ring())), "OPENS");
    let as_answer = with_claims(&request, Claims { answers: Some(request.id()), ..Claims::default() });
    let relabelled = with_claims(&answer, Claims { answers: Some(other.id()), ..Claims::default() });
    let stripped = with_claims(&answer, Claims::default());
    vec![
        (
            "request -> response",
            outcome(request.open(&price.response(request.id()), &ring())),
            "other request",
        ),
        (
            "request -> response, relabelled",
            outcome(as_answer.open(&price.response(request.id()), &ring())),
            "does not open",
        ),
        (
            "response to another request",
            outcome(answer.open(&price.response(other.id()), &ring())),
            "other request",
        ),
        (
            "response to another, relabelled",
            outcome(relabelled.open(&price.response(other.id()), &ring())),
            "does not open",
        ),
        ("response -> request", outcome(stripped.open(&price.request(), &ring())), "does not open"),
    ]
}

fn times() -> Vec<(&'static str, String, &'static str)> {
    let created = subject("orders.created");
    let until = |expiry| sealed(&created.clone().with_expiry(expiry));
    let (window, clock) = window();
    let once = |message: &SealedMessage<Order>| outcome(message.open_once(&created, &ring(), &window));
    let message = until(NOW + 10);
    assert_eq!(once(&message), "OPENS");
    let mut rows = vec![
        ("duplicate", once(&message), "duplicate"),
        ("duplicate, without its optional value", once(&without_note(&message)), "duplicate"),
    ];
    let longer = Claims { expiry: Some(NOW + 20), ..Claims::default() };
    rows.push(("expiry put off", once(&with_claims(&message, longer)), "does not open"));
    rows.push(("expiry taken off", once(&with_claims(&message, Claims::default())), "does not open"));
    rows.push(("no expiry, into a window", once(&sealed(&created)), "no expiry"));
    rows.push(("expiry beyond the window", once(&until(NOW + 61)), "beyond window"));
    let late = until(NOW + 30);
    clock.store(NOW + 30, Ordering::Relaxed);
    rows.push(("expired", once(&late), "expired"));
    rows.push(("expired, was taken before", once(&message), "expired"));
    rows.push(("expired, by the system's clock", outcome(until(1).open(&created, &ring())), "expired"));
    rows
}

fn without_note(message: &SealedMessage<Order>) -> SealedMessage<Order> {
    let mut companion = message.clone().into_companion();
    companion.note = Default::default();
    SealedMessage::new(companion, message.claims().clone()).unwrap()
}

fn parts() -> Vec<(&'static str, String, &'static str)> {
    let created = subject("orders.created");
    let (one, two) = (sealed(&created), sealed(&created));
    let mix = |change: &dyn Fn(&mut SealedOrder)| {
        let mut companion = one.clone().into_companion();
        change(&mut companion);
        let mixed = SealedMessage::<Order>::new(companion, Claims::default());
        outcome(mixed.and_then(|message| message.open(&created, &ring())))
    };
    // The id of the one put into the value of the other: one message to look at, two to open.
    let mut forged = two.note.as_bytes().unwrap().to_vec();
    forged[33..49].copy_from_slice(one.id().as_bytes());
    let by_billing = created.clone().with_sender("billing").unwrap();
    let claim = |sender: &str| Claims { sender: Some(sender.to_owned()), ..Claims::default() };
    let of_billing = sealed(&by_billing);
    assert_eq!(outcome(of_billing.open(&created, &ring())), "OPENS");
    vec![
        ("mixed fields of two messages", mix(&|order| order.note = two.note.clone()), "mixed values"),
        (
            "mixed fields, id forged",
            {
                let mut companion = one.clone().into_companion();
                companion.note = forged.clone().into();
                let message = SealedMessage::<Order>::new(companion, Claims::default()).unwrap();
                assert_eq!(message.id(), one.id());
                match message.open(&created, &ring()) {
                    Err(MessageError::Fields { failures, .. }) => {
                        assert_eq!(failures.len(), 1);
                        cause(failures[0].cause).to_owned()
                    }
                    other => outcome(other),
                }
            },
            "does not open",
        ),
        ("no sealed value", mix(&|order| (order.card, order.note) = Default::default()), "nothing sealed"),
        (
            "rubbish in a sealed value",
            mix(&|order| order.note = vec![1; 80][..20].to_vec().into()),
            "not an envelope",
        ),
        (
            "another sender, relabelled",
            outcome(with_claims(&of_billing, claim("shipping")).open(&created, &ring())),
            "does not open",
        ),
        (
            "another sender than expected",
            outcome(of_billing.open(&created.clone().with_sender("shipping").unwrap(), &ring())),
            "other sender",
        ),
    ]
}

#[test]
fn the_replay_matrix() {
    // The row that makes the others tell something: the message opens where it belongs.
    let created = subject("orders.created");
    assert_eq!(sealed(&created).open(&created, &ring()).unwrap(), order("ada"));

    let rows = [places(), requests(), times(), parts()].concat();
    println!("{:<46} {:<18} expected", "replayed", "outcome");
    for (what, outcome, expected) in &rows {
        println!("{what:<46} {outcome:<18} {expected}");
    }
    for (what, outcome, expected) in &rows {
        assert_eq!(outcome, expected, "{what}");
    }
    println!("{} replays, all refused", rows.len());
    assert!(rows.len() >= 31);
    crate::promise::Promise::kept("moved_messages", rows.len());
}

#[test]
fn an_id_is_in_every_value_and_in_no_other_message() {
    let created = subject("orders.created");
    let (one, two) = (sealed(&created), sealed(&created));
    assert_ne!(one.id(), two.id());
    for value in [one.card.as_bytes().unwrap(), one.note.as_bytes().unwrap()] {
        assert_eq!(&value[33..49], one.id().as_bytes());
    }
    assert_eq!(one.id().to_string().parse::<MessageId>(), Ok(one.id()));
    assert_eq!(one.key_id(), ring().primary_id());
}
