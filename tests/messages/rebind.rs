//! From a message into a document and back, and what the audit events tell of it.

use fireseal::{DocumentPath, Location, Message, MessageError, Sealable, SealedMessage, rebind_to_message};

use crate::log::told;
use crate::shop::{Order, SECRET, data_ring, order, ring, subject};

#[test]
fn a_move_opens_only_in_its_new_place_and_is_told() {
    let location = Location::new(DocumentPath::parse("orders/ada").unwrap());
    let created = subject("orders.created");
    let message = order("ada").seal_message(&created, &ring()).unwrap();
    let id = message.id();
    let mut stored = None;
    let log = told(|| {
        stored = Some(message.rebind_to_document(&created, &ring(), &location, &data_ring()).unwrap());
    });
    let stored = stored.unwrap();
    let ids = [ring().primary_id().to_string(), data_ring().primary().id().to_string()];
    for part in
        ["fireseal::audit", &id.to_string(), "orders.created", "orders/ada", "card,note", &ids[0], &ids[1]]
    {
        assert!(log.contains(part), "{part} is not told:\n{log}");
    }
    assert!(!log.contains(SECRET));
    assert_eq!(Order::open(stored.clone(), &location, &data_ring()).unwrap(), order("ada"));

    let cancelled = subject("orders.cancelled");
    let mut moved: Option<SealedMessage<Order>> = None;
    let log = told(|| {
        moved = Some(rebind_to_message(stored, &location, &data_ring(), &cancelled, &ring()).unwrap());
    });
    assert!(log.contains("fireseal::audit") && log.contains("orders.cancelled") && log.contains("card,note"));
    let moved = moved.unwrap();
    assert_ne!(moved.id(), id);
    assert_eq!(moved.open(&cancelled, &ring()).unwrap(), order("ada"));
    assert!(matches!(moved.open(&created, &ring()), Err(MessageError::Fields { .. })));
}

#[test]
fn what_does_not_open_is_not_moved() {
    let location = Location::new(DocumentPath::parse("orders/ada").unwrap());
    let created = subject("orders.created");
    let log = told(|| {
        let message = order("ada").seal_message(&subject("elsewhere"), &ring()).unwrap();
        assert!(message.rebind_to_document(&created, &ring(), &location, &data_ring()).is_err());
        let stored = order("ada").seal(&location, &data_ring()).unwrap();
        let other = Location::new(DocumentPath::parse("orders/eve").unwrap());
        let moved = rebind_to_message::<Order>(stored, &other, &data_ring(), &created, &ring());
        assert!(matches!(moved, Err(MessageError::Open(_))));
    });
    assert!(!log.contains("fireseal::audit"), "{log}");
    crate::promise::Promise::kept("moved_messages", 1);
}
