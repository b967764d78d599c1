//! What the tests send: the orders and receipts of the reference system, and keys for them.

#![allow(dead_code)]

#[path = "../../examples/reference/shop.rs"]
mod types;

use fireseal::{
    Channel, DataKey, KeyRing, Message, MessageContext, MessageKey, MessageRing, Scope, Sealable,
};

pub use types::{Order, Receipt, SealedOrder, SealedReceipt};

/// Every sensitive plaintext of these tests begins with it, so that one search finds any.
pub const SECRET: &str = "PLAINTEXT-";

/// The same fields under another name.
#[derive(Sealable, Clone, PartialEq)]
#[sealable(collection = "orders", debug)]
pub struct Refund {
    #[sealable(id)]
    pub id: String,
    pub country: String,
    #[sensitive]
    pub card: String,
    #[sensitive]
    pub note: Option<String>,
}

impl Message for Refund {
    const TYPE: &'static str = "shop.v1.Refund";
}

pub fn order(id: &str) -> Order {
    Order {
        id: id.to_owned(),
        country: "GB".to_owned(),
        card: format!("{SECRET}card-of-{id}"),
        note: Some(format!("{SECRET}note-of-{id}")),
    }
}

pub fn receipt(number: u64) -> Receipt {
    Receipt { number, holder: format!("{SECRET}holder-of-{number}") }
}

pub fn scope(id: &str) -> Scope {
    Scope::new(id).unwrap()
}

pub fn ring() -> MessageRing {
    MessageRing::new(MessageKey::from_bytes(&[7; 32]))
}

/// The data ring of the very same 32 bytes.
pub fn data_ring() -> KeyRing {
    KeyRing::new(DataKey::from_bytes(&[7; 32]))
}

pub fn subject(name: &str) -> MessageContext {
    Channel::subject(name).unwrap().event()
}
