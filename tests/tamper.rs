//! Whoever writes the database cannot make a document open to anything but what was sealed there.
//!
//! The attacker is a raw REST client of the emulator; each test prints how often it tried.

#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fireseal::store::FirestoreStore;
use fireseal::{Cause, DataKey, Error, KeyRing, KeyRings, OpenError, Repository, Scope, Sealable};
use fireseal_emulator::{Emulator, Project};
use serde_json::{Value, json};

#[derive(Sealable, Clone, PartialEq)]
#[sealable(collection = "customers", debug)]
struct Customer {
    #[sealable(id)]
    id: String,
    name: String,
    #[sensitive]
    ssn: String,
    #[sensitive]
    email: String,
    #[sensitive]
    nickname: Option<String>,
    #[sealable(nested)]
    cards: Vec<Card>,
    #[sealable(nested)]
    contacts: BTreeMap<String, Card>,
}

#[derive(Sealable, Clone, PartialEq)]
#[sealable(debug)]
struct Card {
    bank: String,
    #[sensitive]
    number: String,
}

fn customer(id: &str) -> Customer {
    // All sensitive values of all customers are equal: only their places tell them apart.
    let secret = || "the same secret".to_owned();
    let card = || Card { bank: "bank".to_owned(), number: secret() };
    Customer {
        id: id.to_owned(),
        name: "name".to_owned(),
        ssn: secret(),
        email: secret(),
        nickname: Some(secret()),
        cards: vec![card(), card()],
        contacts: BTreeMap::from([("home".to_owned(), card()), ("a.b".to_owned(), card())]),
    }
}

struct Attack {
    project: Project,
    customers: Repository<Customer>,
    store: FirestoreStore,
    keys: KeyRing,
    tries: u32,
}

impl Attack {
    async fn begin() -> Self {
        let project = Emulator::shared().await.unwrap().project().unwrap();
        let store = FirestoreStore::new(project.firestore().await.unwrap());
        let keys = KeyRing::new(DataKey::generate().unwrap());
        let customers = Repository::new(store.clone(), keys.clone());
        customers.create(&customer("ada")).await.unwrap();
        customers.create(&customer("eve")).await.unwrap();
        Self { project, customers, store, keys, tries: 0 }
    }

    async fn fields(&self, path: &str) -> Value {
        self.project.document(path).await.unwrap().unwrap()["fields"].clone()
    }

    /// Puts the fields under customers/ada and returns why they do not open.
    async fn refused(&mut self, fields: &Value, what: &str) -> Vec<(String, Cause)> {
        self.tries += 1;
        self.project.put("customers/ada", fields).await.unwrap();
        match self.customers.get("ada").await {
            Err(Error::Open(OpenError::Fields { failures, .. })) => {
                failures.into_iter().map(|failure| (failure.field.to_string(), failure.cause)).collect()
            }
            other => panic!("{what}: accepted or failed otherwise: {other:?}"),
        }
    }

    fn end(self, attack: &str) {
        println!("{attack}: {} tries, 0 accepted", self.tries);
        assert!(self.tries > 0);
    }
}

/// The sealed places of a customer: their names, and where they stand in the raw fields.
fn places() -> [(&'static str, &'static str); 7] {
    [
        ("ssn", "/ssn"),
        ("email", "/email"),
        ("nickname", "/nickname"),
        ("cards[0].number", "/cards/arrayValue/values/0/mapValue/fields/number"),
        ("cards[1].number", "/cards/arrayValue/values/1/mapValue/fields/number"),
        ("contacts.home.number", "/contacts/mapValue/fields/home/mapValue/fields/number"),
        ("contacts.`a.b`.number", "/contacts/mapValue/fields/a.b/mapValue/fields/number"),
    ]
}

fn envelope(fields: &Value, at: &str) -> Vec<u8> {
    STANDARD.decode(fields.pointer(at).unwrap()["bytesValue"].as_str().unwrap()).unwrap()
}

fn bytes(bytes: &[u8]) -> Value {
    json!({ "bytesValue": STANDARD.encode(bytes) })
}

#[tokio::test]
async fn a_sealed_value_opens_at_its_own_place_only() {
    let mut attack = Attack::begin().await;
    let ada = attack.fields("customers/ada").await;
    let eve = attack.fields("customers/eve").await;
    for (from_name, from) in places() {
        for (to_name, to) in places() {
            for (owner, source) in [("ada", &ada), ("eve", &eve)] {
                if owner == "ada" && from == to {
                    continue;
                }
                let mut moved = ada.clone();
                *moved.pointer_mut(to).unwrap() = source.pointer(from).unwrap().clone();
                let what = format!("{owner}'s {from_name} as ada's {to_name}");
                let causes = attack.refused(&moved, &what).await;
                assert_eq!(causes, [(to_name.to_owned(), Cause::DoesNotOpen)], "{what}");
            }
        }
    }
    // Elements that change places, whole.
    let mut swapped = ada.clone();
    swapped.pointer_mut("/cards/arrayValue/values").unwrap().as_array_mut().unwrap().swap(0, 1);
    assert_eq!(attack.refused(&swapped, "two cards swapped").await.len(), 2);
    let mut shorter = ada.clone();
    shorter.pointer_mut("/cards/arrayValue/values").unwrap().as_array_mut().unwrap().remove(0);
    assert_eq!(attack.refused(&shorter, "the first card removed").await.len(), 1);
    let mut renamed = ada.clone();
    let contacts = renamed.pointer_mut("/contacts/mapValue/fields").unwrap().as_object_mut().unwrap();
    let home = contacts.remove("home").unwrap();
    contacts.insert("work".to_owned(), home);
    assert_eq!(attack.refused(&renamed, "a map key renamed").await.len(), 1);
    attack.end("moved sealed values");
}

#[tokio::test]
async fn a_copied_document_does_not_open() {
    let mut attack = Attack::begin().await;
    let eve = attack.fields("customers/eve").await;
    attack.tries += 1;
    attack.project.put("customers/ada", &eve).await.unwrap();
    let error = attack.customers.get("ada").await.unwrap_err();
    assert!(matches!(error, Error::OtherId { .. }), "with Eve's stored id: {error}");

    let mut forged = eve.clone();
    forged["id"] = json!({ "stringValue": "ada" });
    assert_eq!(attack.refused(&forged, "with the stored id changed too").await.len(), places().len());
    forged.as_object_mut().unwrap().remove("id");
    assert_eq!(attack.refused(&forged, "without a stored id").await.len(), places().len());

    // Other collections, at the root and below a document, under the same id.
    let ada = attack.fields("customers/eve").await;
    for parent in ["tenants/acme", "customers/ada"] {
        attack.tries += 1;
        attack.project.put(&format!("{parent}/customers/eve"), &ada).await.unwrap();
        let there = Repository::<Customer>::new(attack.store.clone(), attack.keys.clone());
        let there = there.under(parent).unwrap();
        assert!(matches!(there.get("eve").await, Err(Error::Open(_))), "{parent}");
    }
    attack.end("copied documents");
}

#[tokio::test]
async fn another_scope_does_not_open() {
    let mut attack = Attack::begin().await;
    // Even with the very same data key.
    let [acme, other] = ["acme", "other"].map(|id| Scope::new(id).unwrap());
    let same = || DataKey::from_bytes(attack.keys.primary().expose_secret());
    let rings: KeyRings =
        [KeyRing::new(same()).with_scope(acme.clone()), KeyRing::new(same()).with_scope(other.clone())]
            .into_iter()
            .collect();
    for scope in [acme, other] {
        attack.tries += 1;
        let customers = Repository::<Customer>::new(attack.store.clone(), rings.clone()).with_scope(scope);
        let Err(Error::Open(OpenError::Fields { failures, .. })) = customers.get("ada").await else {
            panic!("another scope's value opened");
        };
        assert!(failures.iter().all(|failure| failure.cause == Cause::DoesNotOpen));
    }
    attack.end("other scopes");
}

#[tokio::test]
async fn no_changed_bit_opens() {
    let mut attack = Attack::begin().await;
    let ada = attack.fields("customers/ada").await;
    let sealed = envelope(&ada, "/ssn");
    for bit in 0..sealed.len() * 8 {
        let mut changed = sealed.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let mut fields = ada.clone();
        fields["ssn"] = bytes(&changed);
        let causes = attack.refused(&fields, &format!("bit {bit}")).await;
        let expected = match bit / 8 {
            0 => matches!(causes[0].1, Cause::Malformed),
            1..33 => matches!(causes[0].1, Cause::KeyUnknown(_)),
            _ => matches!(causes[0].1, Cause::DoesNotOpen),
        };
        assert!(expected && causes.len() == 1, "bit {bit}: {causes:?}");
    }
    attack.end("changed bits");
}

#[tokio::test]
async fn no_other_length_opens() {
    let mut attack = Attack::begin().await;
    let ada = attack.fields("customers/ada").await;
    let sealed = envelope(&ada, "/ssn");
    let mut lengths: Vec<Vec<u8>> = (0..sealed.len()).map(|length| sealed[..length].to_vec()).collect();
    for added in [&[0][..], &[0xff], &sealed] {
        lengths.push([&sealed[..], added].concat());
    }
    for changed in lengths {
        let mut fields = ada.clone();
        fields["ssn"] = bytes(&changed);
        let causes = attack.refused(&fields, &format!("{} bytes", changed.len())).await;
        assert_eq!(causes.len(), 1);
        // Header, one byte of ciphertext and the tag: below that it is no envelope.
        let malformed = changed.len() < 57 + 1 + 16;
        assert_eq!(causes[0].1 == Cause::Malformed, malformed, "{} bytes", changed.len());
    }
    attack.end("truncated and extended values");
}

#[tokio::test]
async fn another_key_id_does_not_open() {
    let mut attack = Attack::begin().await;
    let known = DataKey::generate().unwrap();
    let (known_id, destroyed_id) = (known.id(), DataKey::generate().unwrap().id());
    let ring = attack.keys.clone().with_active(known).with_destroyed(destroyed_id);
    attack.customers = Repository::new(attack.store.clone(), ring);
    let ada = attack.fields("customers/ada").await;
    let sealed = envelope(&ada, "/ssn");
    let cases = [
        (*known_id.as_bytes(), Cause::DoesNotOpen),
        (*destroyed_id.as_bytes(), Cause::KeyDestroyed(destroyed_id)),
        ([0; 32], Cause::KeyUnknown(fireseal::KeyId::from_bytes([0; 32]))),
    ];
    for (id, cause) in cases {
        let mut changed = sealed.clone();
        changed[1..33].copy_from_slice(&id);
        let mut fields = ada.clone();
        fields["ssn"] = bytes(&changed);
        assert_eq!(attack.refused(&fields, "another key id").await, [("ssn".to_owned(), cause)]);
    }
    attack.end("other key ids");
}

#[tokio::test]
async fn plaintext_in_a_sealed_place_is_refused() {
    let mut attack = Attack::begin().await;
    let ada = attack.fields("customers/ada").await;
    let plain = [
        json!({ "stringValue": "the same secret" }),
        json!({ "stringValue": "" }),
        json!({ "stringValue": "fireseal:" }),
        json!({ "nullValue": null }),
        json!({ "booleanValue": true }),
        json!({ "integerValue": "1" }),
        json!({ "doubleValue": "NaN" }),
        json!({ "timestampValue": "2026-01-01T00:00:00Z" }),
        json!({ "mapValue": {} }),
        json!({ "mapValue": { "fields": { "a": { "arrayValue": {} } } } }),
        json!({ "arrayValue": {} }),
        json!({ "geoPointValue": { "latitude": 1, "longitude": 2 } }),
        json!({ "referenceValue": format!("projects/{}/databases/(default)/documents/a/b", attack.project.id()) }),
    ];
    for (name, at) in places() {
        for value in &plain {
            let mut fields = ada.clone();
            *fields.pointer_mut(at).unwrap() = value.clone();
            let causes = attack.refused(&fields, &format!("{value} as {name}")).await;
            let empty_text = value["stringValue"] == "fireseal:";
            let cause = if empty_text { Cause::Malformed } else { Cause::Plaintext };
            assert_eq!(causes, [(name.to_owned(), cause)], "{value}");
        }
        let mut fields = ada.clone();
        *fields.pointer_mut(at).unwrap() = bytes(b"the same secret");
        assert_eq!(attack.refused(&fields, name).await, [(name.to_owned(), Cause::Malformed)]);
    }
    attack.end("plaintext in sealed places");
}

#[tokio::test]
async fn a_removed_value_is_told_unless_the_field_is_optional() {
    let mut attack = Attack::begin().await;
    let ada = attack.fields("customers/ada").await;
    for name in ["ssn", "email"] {
        let mut fields = ada.clone();
        fields.as_object_mut().unwrap().remove(name);
        assert_eq!(attack.refused(&fields, name).await, [(name.to_owned(), Cause::Missing)]);
    }
    // What SECURITY.md says is not detected: an optional field that is taken away.
    let mut fields = ada.clone();
    fields.as_object_mut().unwrap().remove("nickname");
    attack.project.put("customers/ada", &fields).await.unwrap();
    assert_eq!(attack.customers.get("ada").await.unwrap().unwrap().nickname, None);
    attack.end("removed values");
}
