//! What sealing adds to what is stored: nothing beside the envelopes, and 74 bytes for each of them.

#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;

use fireseal::store::{MemoryStore, Store};
use fireseal::{DataKey, DocumentPath, KeyRing, Location, Repository, Sealable};
use serde::Serialize;

/// The most that a sealed field may take beyond its value in MessagePack.
const OVERHEAD: usize = 75;

#[derive(Sealable, Clone)]
#[sealable(collection = "customers")]
struct Customer {
    #[sealable(id)]
    id: String,
    name: String,
    #[sensitive]
    ssn: String,
    #[sensitive]
    balance: i64,
    #[sensitive]
    nickname: Option<String>,
    #[sensitive]
    contact: BTreeMap<String, String>,
    #[sensitive]
    history: Vec<u64>,
}

fn customer() -> Customer {
    Customer {
        id: "ada".to_owned(),
        name: "Ada".to_owned(),
        ssn: "078-05-1120".to_owned(),
        balance: -7,
        nickname: None,
        contact: BTreeMap::from([("mail".to_owned(), "ada@example.com".to_owned())]),
        history: (0..1_000).map(|i| i * 1_000_003).collect(),
    }
}

fn message_pack(value: &impl Serialize) -> usize {
    let mut bytes = Vec::new();
    value
        .serialize(&mut rmp_serde::Serializer::new(&mut bytes).with_struct_map().with_human_readable())
        .unwrap();
    bytes.len()
}

#[test]
fn a_sealed_field_is_at_most_75_bytes_longer_than_its_value() {
    let plain = customer();
    let location = Location::new(DocumentPath::parse("customers/ada").unwrap());
    let sealed = plain.seal(&location, &KeyRing::new(DataKey::generate().unwrap())).unwrap();
    let overheads = [
        sealed.ssn.as_bytes().unwrap().len() - message_pack(&plain.ssn),
        sealed.balance.as_bytes().unwrap().len() - message_pack(&plain.balance),
        sealed.nickname.as_bytes().unwrap().len() - message_pack(&plain.nickname),
        sealed.contact.as_bytes().unwrap().len() - message_pack(&plain.contact),
        sealed.history.as_bytes().unwrap().len() - message_pack(&plain.history),
    ];
    assert!(overheads.iter().all(|bytes| *bytes <= OVERHEAD), "{overheads:?}");
}

#[tokio::test]
async fn a_document_holds_its_own_fields_and_nothing_else() {
    let store = Arc::new(MemoryStore::new());
    let customers = Repository::new(Arc::clone(&store), KeyRing::new(DataKey::generate().unwrap()));
    customers.create(&customer()).await.unwrap();
    let path = DocumentPath::parse("customers/ada").unwrap();
    let stored = store.read(&[path], None).await.unwrap().remove(0).unwrap();
    let mut names: Vec<_> = stored.fields.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["balance", "contact", "history", "id", "name", "nickname", "ssn"]);
}
