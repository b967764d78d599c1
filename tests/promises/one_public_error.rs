//! T30: a remote caller cannot tell why something does not open: changed, of another key, or of another place.

use std::collections::BTreeSet;

use fireseal::{
    Channel, Claims, DataKey, Error, KeyRing, Message, MessageContext, MessageError, MessageKey, MessageRing,
    ReplayWindow, Repository, Scope, Sealable, Sealed, SealedMessage,
};
use serde_json::{Value, json};

use crate::attack::{Attack, Customer, PLACES, bytes, envelope, with};
use crate::promise::Tally;

/// T30: documents, in every way that this folder attacks them. The text is compared byte for byte.
pub async fn documents_that_do_not_open(tally: &Tally) {
    let attack = Attack::begin().await;
    let (ada, eve) = (attack.fields("customers/ada").await, attack.fields("customers/eve").await);
    let destroyed = DataKey::generate().unwrap();
    let ring = attack.keys.clone().with_destroyed(destroyed.id());
    let own = Repository::<Customer>::new(attack.store.clone(), ring);
    let other_keys =
        Repository::<Customer>::new(attack.store.clone(), KeyRing::new(DataKey::generate().unwrap()));
    let scope = Scope::new("other").unwrap();
    let same = DataKey::from_bytes(attack.keys.primary().expose_secret());
    let other_scope =
        Repository::<Customer>::new(attack.store.clone(), KeyRing::new(same).with_scope(scope.clone()))
            .with_scope(scope);
    let other_realm = own.clone().with_realm("staging").unwrap();
    let sealed = envelope(&ada, "/ssn");
    let named = |id: &[u8; 32]| bytes(&[&sealed[..1], id, &sealed[33..]].concat());
    let without = |name: &str| {
        let mut fields = ada.clone();
        fields.as_object_mut().unwrap().remove(name);
        fields
    };
    let mut forged: Vec<(String, Value, &Repository<Customer>)> = vec![
        ("truncated".to_owned(), with(&ada, "/ssn", bytes(&sealed[..sealed.len() - 1])), &own),
        ("no envelope".to_owned(), with(&ada, "/ssn", bytes(&sealed[..40])), &own),
        ("plaintext".to_owned(), with(&ada, "/ssn", json!({ "stringValue": "536-22-1234" })), &own),
        ("null".to_owned(), with(&ada, "/ssn", json!({ "nullValue": null })), &own),
        ("an unknown key".to_owned(), with(&ada, "/ssn", named(&[0; 32])), &own),
        ("a destroyed key".to_owned(), with(&ada, "/ssn", named(destroyed.id().as_bytes())), &own),
        ("missing".to_owned(), without("ssn"), &own),
        ("of another field".to_owned(), with(&ada, "/ssn", ada["email"].clone()), &own),
        ("of another document".to_owned(), with(&ada, "/ssn", eve["ssn"].clone()), &own),
        ("another document".to_owned(), eve.clone(), &own),
        ("another tenant's key".to_owned(), ada.clone(), &other_keys),
        ("another tenant".to_owned(), ada.clone(), &other_scope),
        ("another realm".to_owned(), ada.clone(), &other_realm),
    ];
    for (name, at) in PLACES {
        // One changed bit in each part: version, key id, nonce, ciphertext, tag.
        let sealed = envelope(&ada, at);
        for position in [0, 20, 40, 57, sealed.len() - 1] {
            let mut changed = sealed.clone();
            changed[position] ^= 1;
            forged.push((format!("byte {position} of {name}"), with(&ada, at, bytes(&changed)), &own));
        }
    }
    let mut texts = BTreeSet::new();
    let mut reasons = BTreeSet::new();
    for (what, fields, reader) in forged {
        attack.project.put("customers/ada", &fields).await.unwrap();
        let Err(error) = reader.get("ada").await else {
            tally.violated(format!("{what}: it opened"));
            continue;
        };
        let known = error.public_message();
        tally.holds(known == "internal error", || format!("{what}: {known:?}"));
        texts.insert(known);
        reasons.insert(without_place(&error));
    }
    tally.holds(texts.len() == 1, || format!("{texts:?}"));
    tally.note(format!(
        "{} different reasons of documents in the log, {} public text",
        reasons.len(),
        texts.len()
    ));
}

/// The reason alone.
fn without_place(error: &Error) -> String {
    let text = error.to_string();
    text.rsplit(": ").next().unwrap_or_default().split(" (").next().unwrap_or_default().to_owned()
}

#[derive(Sealable)]
#[sealable(collection = "orders", debug)]
struct Order {
    #[sealable(id)]
    id: String,
    #[sensitive]
    card: String,
    #[sensitive]
    note: String,
}

impl Message for Order {
    const TYPE: &'static str = "test.v1.Order";
}

/// The same fields as another message.
#[derive(Sealable)]
#[sealable(collection = "orders", debug)]
struct Refund {
    #[sealable(id)]
    id: String,
    #[sensitive]
    card: String,
    #[sensitive]
    note: String,
}

impl Message for Refund {
    const TYPE: &'static str = "test.v1.Refund";
}

fn seal(context: &MessageContext, ring: &MessageRing) -> SealedOrder {
    let order = Order { id: "1".to_owned(), card: "4111".to_owned(), note: "n".to_owned() };
    order.seal_message(context, ring).unwrap().into_companion()
}

/// T30: messages, for a caller of a service. What it is sent is compared: code, text, details and metadata.
pub async fn messages_that_do_not_open(tally: &Tally) {
    let key = || MessageKey::from_bytes(&[7; 32]);
    let acme = || Scope::new("acme").unwrap();
    let ring = MessageRing::new(key()).with_scope(acme());
    let method =
        |name: &str| Channel::method(name).unwrap().request().with_scope(acme()).with_expiry(4_000_000_000);
    let context = method("/shop.v1.Orders/Create");
    let window = ReplayWindow::new(std::time::Duration::from_secs(3_000_000_000), 1_000);
    let open = |companion: SealedOrder, expiry: Option<u64>, ring: &MessageRing| {
        let message = SealedMessage::<Order>::new(companion, Claims { expiry, ..Claims::default() })?;
        message.open_once(&context, ring, &window).map(drop)
    };
    let expiry = Some(4_000_000_000);
    let good = || seal(&context, &ring);
    let changed = |at: usize| {
        let mut companion = good();
        let mut card = companion.card.as_bytes().unwrap().to_vec();
        let at = at.min(card.len() - 1);
        card[at] ^= 1;
        companion.card = Sealed::from_bytes(card);
        companion
    };
    let other_ring = |key: [u8; 32]| MessageRing::new(MessageKey::from_bytes(&key)).with_scope(acme());
    let elsewhere = |context: MessageContext| seal(&context, &ring);
    let default_ring = MessageRing::new(key());
    let mut mixed = good();
    mixed.note = good().note;
    let refund = Refund { id: "1".to_owned(), card: "4111".to_owned(), note: "n".to_owned() };
    let refund = refund.seal_message(&context, &ring).unwrap().into_companion();
    let copy = |from: &Sealed<String>| Sealed::from_bytes(from.as_bytes().unwrap().to_vec());
    let mut other_type = good();
    (other_type.card, other_type.note) = (copy(&refund.card), copy(&refund.note));
    let mut nothing = good();
    (nothing.card, nothing.note) = (Sealed::default(), Sealed::default());
    let twice = good();
    open(twice.clone(), expiry, &ring).unwrap();
    let tries: Vec<(&str, Result<(), MessageError>)> = vec![
        ("a changed version", open(changed(0), expiry, &ring)),
        ("a changed key id", open(changed(20), expiry, &ring)),
        ("a changed id", open(changed(34), expiry, &ring)),
        ("a changed nonce", open(changed(56), expiry, &ring)),
        ("a changed ciphertext", open(changed(57), expiry, &ring)),
        ("a changed tag", open(changed(usize::MAX), expiry, &ring)),
        ("another key of the receiver", open(good(), expiry, &other_ring([8; 32]))),
        ("another key of the sender", open(seal(&context, &other_ring([8; 32])), expiry, &ring)),
        (
            "another customer",
            open(seal(&context.clone().with_scope(Scope::default()), &default_ring), expiry, &ring),
        ),
        ("another method", open(elsewhere(method("/shop.v1.Orders/Delete")), expiry, &ring)),
        (
            "an event",
            open(elsewhere(Channel::subject("orders").unwrap().event().with_scope(acme())), expiry, &ring),
        ),
        ("another message type", open(other_type, expiry, &ring)),
        ("another expiry", open(good(), Some(4_000_000_001), &ring)),
        ("no expiry", open(good(), None, &ring)),
        ("expired", open(elsewhere(context.clone().with_expiry(1)), Some(1), &ring)),
        ("mixed", open(mixed, expiry, &ring)),
        ("nothing sealed", open(nothing, expiry, &ring)),
        ("twice", open(twice, expiry, &ring)),
    ];
    let mut told = BTreeSet::new();
    let mut reasons = BTreeSet::new();
    let all = tries.len();
    for (what, tried) in tries {
        let Err(error) = tried else {
            tally.violated(format!("{what}: it opened"));
            continue;
        };
        tally.held(1);
        reasons.insert(error.to_string());
        told.insert(remote(&error));
    }
    tally.holds(told.len() == 1, || format!("{told:?}"));
    tally.note(format!(
        "{all} refused messages, {} different reasons in the log, {} to the caller",
        reasons.len(),
        told.len()
    ));
}

/// Everything that a service sends for an error.
#[cfg(feature = "grpc")]
fn remote(error: &MessageError) -> String {
    let status = fireseal::grpc::status(error);
    format!("{:?} {:?} {:?} {:?}", status.code(), status.message(), status.details(), status.metadata())
}

/// Without a service nothing is sent.
#[cfg(not(feature = "grpc"))]
fn remote(_: &MessageError) -> String {
    String::new()
}
