//! Positions as bytes, for page tokens.

use firestore::gcloud_sdk::google::firestore::v1::ArrayValue;
use firestore::gcloud_sdk::prost::Message;

use super::{Cursor, Value};

impl Cursor {
    /// The values as bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        ArrayValue { values: self.values.clone() }.encode_to_vec()
    }

    /// The position just after the values that [`encode`](Self::encode) gave; `None` of other bytes.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let values: Vec<Value> = ArrayValue::decode(bytes).ok()?.values;
        (!values.is_empty()).then_some(Self { values, before: false })
    }
}
