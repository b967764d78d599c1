//! The vectors of sealed values in messages, through the public API.

use fireseal::{
    Cause, Channel, Claims, Message, MessageContext, MessageError, MessageKey, MessageRing, Sealable,
    SealedMessage,
};
use serde_json::Value;

use crate::shop::scope;

#[derive(Sealable)]
struct Card {
    #[sensitive]
    card: String,
}

impl Message for Card {
    const TYPE: &'static str = "shop.v1.Order";
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn open(vector: &Value) -> Result<Card, MessageError> {
    let text = |name: &str| vector["message"][name].as_str();
    let channel = match text("channel") {
        Some("subject") => Channel::subject(text("name").unwrap()).unwrap(),
        _ => Channel::method(text("name").unwrap()).unwrap(),
    };
    let answers = text("answers").map(|id| id.parse().unwrap());
    let mut context: MessageContext = match text("direction") {
        Some("event") => channel.event(),
        Some("request") => channel.request(),
        _ => channel.response(answers.unwrap()),
    };
    context = context.with_scope(scope(vector["scope"].as_str().unwrap()));
    if let Some(realm) = vector["realm"].as_str() {
        context = context.with_realm(realm).unwrap();
    }
    let sender = text("sender").map(str::to_owned);
    let claims = Claims { sender, expiry: vector["message"]["expiry"].as_u64(), answers };
    let key = unhex(vector["keys"][0].as_str().unwrap());
    let ring = MessageRing::new(MessageKey::from_bytes(key[..].try_into().unwrap()));
    let companion = SealedCard { card: unhex(vector["envelope"].as_str().unwrap()).into() };
    let message = SealedMessage::<Card>::new(companion, claims)?;
    // Whether it has expired is not what the vectors are about.
    let window = fireseal::ReplayWindow::new(std::time::Duration::MAX, 1).with_clock(|| 0);
    let ring = ring.with_scope(context.scope().clone());
    match message.claims().expiry {
        Some(_) => message.open_once(&context, &ring, &window),
        None => message.open(&context, &ring),
    }
}

#[test]
fn vectors_open_or_are_refused_as_they_say() {
    let vectors: Vec<Value> = serde_json::from_str(include_str!("../vectors/messages.json")).unwrap();
    assert!(vectors.len() >= 18);
    for vector in &vectors {
        let outcome = match open(vector) {
            Ok(opened) => {
                assert_eq!(vector["value"]["str"], opened.card);
                "opens"
            }
            Err(MessageError::Fields { failures, .. }) => match failures[0].cause {
                Cause::DoesNotOpen => "does_not_open",
                Cause::KeyUnknown(_) => "key_unknown",
                other => panic!("{other}"),
            },
            Err(other) => panic!("{other}"),
        };
        assert_eq!(vector["outcome"], outcome, "{}", vector["name"]);
    }
}
