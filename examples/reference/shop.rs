//! What the shop speaks of: an order with two sensitive fields, and the receipt that answers it.

use fireseal::{Message, Sealable};

/// Stored in Firestore, sent over gRPC and over NATS: one annotated struct for all three.
#[derive(Sealable, Clone, PartialEq)]
#[sealable(collection = "orders", debug)]
pub struct Order {
    #[sealable(id)]
    pub id: String,
    pub country: String,
    #[sensitive]
    pub card: String,
    #[sensitive]
    pub note: Option<String>,
}

impl Message for Order {
    const TYPE: &'static str = "shop.v1.Order";
}

#[derive(Sealable, Clone, PartialEq)]
#[sealable(debug)]
pub struct Receipt {
    pub number: u64,
    #[sensitive]
    pub holder: String,
}

impl Message for Receipt {
    const TYPE: &'static str = "shop.v1.Receipt";
}
