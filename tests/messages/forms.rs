//! The forms in which a message travels: frame, JSON and protobuf.

use fireseal::{
    Channel, Claims, Frame, FrameError, Message, MessageError, NotSealed, Sealed, SealedMessage, to_json,
};
use proptest::prelude::*;
use prost::Message as _;

use crate::orders::CreateOrder;
use crate::shop::{Order, Receipt, SECRET, SealedOrder, order, receipt, ring, subject};

fn everything() -> SealedMessage<Order> {
    let request = order("eve").seal_message(&subject("orders.price"), &ring()).unwrap().id();
    let context = Channel::subject("orders.price").unwrap().response(request);
    let context = context.with_sender("billing").unwrap().with_expiry(4_000_000_000);
    order("ada").seal_message(&context, &ring()).unwrap()
}

#[test]
fn a_frame_is_routed_without_a_key_and_opened_with_one() {
    let message = everything();
    let bytes = message.to_frame().unwrap();
    assert!(!String::from_utf8_lossy(&bytes).contains(SECRET));

    let frame = Frame::decode(&bytes).unwrap();
    assert_eq!((frame.id(), frame.key_id()), (message.id(), ring().primary_id()));
    assert_eq!(frame.claims().sender.as_deref(), Some("billing"));
    assert_eq!(frame.claims().expiry, Some(4_000_000_000));
    assert_eq!(frame.claims(), message.claims());

    let back = frame.message::<Order>().unwrap();
    assert_eq!(back.country, "GB");
    let expected = Channel::subject("orders.price").unwrap().response(message.claims().answers.unwrap());
    assert_eq!(back.open(&expected, &ring()).unwrap(), order("ada"));
}

#[test]
fn frames_are_read_strictly() {
    let message = everything();
    let good = message.to_frame().unwrap();
    let refused = |bytes: &[u8]| match SealedMessage::<Order>::from_frame(bytes) {
        Err(MessageError::Frame(error)) => error,
        other => panic!("{other:?}"),
    };
    let changed = |at: usize, to: u8| {
        let mut bytes = good.clone();
        bytes[at] = to;
        bytes
    };
    assert_eq!(refused(&changed(0, 2)), FrameError::Version);
    assert_eq!(refused(&changed(1, 2)), FrameError::Version);
    assert_eq!(refused(&changed(2, 8)), FrameError::Header);
    assert_eq!(refused(&changed(3, good[3] ^ 1)), FrameError::OtherMessage);
    assert_eq!(refused(&changed(35, good[35] ^ 1)), FrameError::OtherMessage);
    assert_eq!(refused(&[good.clone(), vec![0xc0]].concat()), FrameError::Body);
    let too_large = vec![1; fireseal::MAX_FRAME_BYTES + 1];
    assert_eq!(refused(&too_large), FrameError::TooLarge { bytes: too_large.len() });
    for length in 0..good.len() {
        assert!(SealedMessage::<Order>::from_frame(&good[..length]).is_err(), "{length} bytes");
    }
    // Another type, and a sealed value in the clear, whose text no error may quote.
    let other = receipt(1).seal_message(&subject("a"), &ring()).unwrap().to_frame().unwrap();
    assert_eq!(refused(&other), FrameError::Body);
    let plain = serde_json::json!({ "number": 1, "holder": "PLAINTEXT" });
    let mut forged = good[..51].to_vec();
    forged[2] = 0;
    forged.extend(rmp_serde::to_vec(&plain).unwrap());
    let error = SealedMessage::<Receipt>::from_frame(&forged).unwrap_err();
    assert!(matches!(error, MessageError::NotAnEnvelope) && !error.to_string().contains("PLAINTEXT"));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_upset_the_frame(bytes in proptest::collection::vec(any::<u8>(), 0..400), lead in 0u8..8) {
        let framed = [&[1, 1, lead], bytes.as_slice()].concat();
        for bytes in [bytes, framed] {
            prop_assert!(SealedMessage::<Order>::from_frame(&bytes).is_err());
        }
    }
}

#[test]
fn json_brings_a_message_back() {
    let created = subject("orders.created");
    let message = order("ada").seal_message(&created, &ring()).unwrap();
    let json = to_json(&*message).unwrap();
    assert!(json["card"].as_str().unwrap().starts_with("fireseal:") && json["country"] == "GB");
    let companion: SealedOrder = serde_json::from_value(json).unwrap();
    let back = SealedMessage::<Order>::new(companion, Claims::default()).unwrap();
    assert_eq!(back.open(&created, &ring()).unwrap(), order("ada"));
}

#[test]
fn protobuf_brings_a_message_back_field_by_field_and_whole() {
    let created = subject("orders.created");
    for note in [Some("PLAINTEXT-note".to_owned()), None] {
        let plain = fireseal_order(note);
        let message = plain.seal_message(&created, &ring()).unwrap();
        let proto = CreateOrder::try_from(message.clone().into_companion()).unwrap();
        let bytes = proto.encode_to_vec();
        assert!(!String::from_utf8_lossy(&bytes).contains(SECRET));
        let companion = SealedOrder::from(CreateOrder::decode(bytes.as_slice()).unwrap());
        let back = SealedMessage::<Order>::new(companion, Claims::default()).unwrap();
        assert_eq!(back.open(&created, &ring()).unwrap(), plain);

        let whole = CreateOrder { card: message.to_frame().unwrap(), ..CreateOrder::default() };
        let whole = CreateOrder::decode(whole.encode_to_vec().as_slice()).unwrap();
        let back = SealedMessage::<Order>::from_frame(&whole.card).unwrap();
        assert_eq!(back.open(&created, &ring()).unwrap(), plain);
    }
}

fn fireseal_order(note: Option<String>) -> Order {
    Order { note, ..order("ada") }
}

#[test]
fn an_empty_bytes_field_is_absent_and_plaintext_is_not_sent() {
    assert!(Sealed::<String>::from(Vec::new()).is_absent());
    assert_eq!(Vec::try_from(Sealed::<String>::default()), Ok(Vec::new()));
    let plain: Sealed<String> = serde_json::from_str("\"PLAINTEXT\"").unwrap();
    assert_eq!(Vec::try_from(plain), Err(NotSealed));
}
