//! A database with one of everything that an audit tells apart, made with raw writes, and its keys.

#![allow(dead_code)]

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fireseal::custody::{Authority, KeyVault};
use fireseal::operations::{CollectionConfig, Field, IndexConfig, ScopeRule};
use fireseal::store::{FieldMask, Fields, MemoryStore, Store, Value, ValueType, Write};
use fireseal::{
    DataKey, DocumentPath, IndexInfo, IndexKey, IndexKind, KeyId, KeyProvider, KeyRing, Repository, Scope,
    Sealable,
};
use firestore::gcloud_sdk::google::firestore::v1::{ArrayValue, MapValue};

use super::custody::{MovedClock, root};

pub type Db = Arc<dyn Store>;

#[derive(Sealable, Clone)]
#[sealable(collection = "customers")]
pub struct Customer {
    #[sealable(id)]
    pub id: String,
    pub name: String,
    #[sensitive]
    pub ssn: String,
    #[sensitive(index)]
    pub email: Option<String>,
    #[sensitive(bytes)]
    pub photo: Vec<u8>,
}

/// The same collection by a program that seals the photo in another form.
#[derive(Sealable)]
#[sealable(collection = "customers")]
struct OtherCustomer {
    #[sealable(id)]
    id: String,
    #[sensitive]
    photo: u32,
}

/// Documents that say whose keys seal them, in collections below others.
#[derive(Sealable)]
#[sealable(collection = "orders", scope = tenant)]
struct Order {
    #[sealable(id)]
    id: String,
    tenant: String,
    #[sensitive]
    card: String,
}

pub struct Audited {
    pub vault: KeyVault,
    /// The data keys in the order of their making, which are compromised, retired, destroyed, active, primary.
    pub keys: [KeyId; 5],
    pub collections: Vec<CollectionConfig>,
}

pub fn field(pattern: &str) -> Field {
    Field::new(pattern.parse().unwrap())
}

pub fn acme() -> Scope {
    Scope::new("acme").unwrap()
}

fn collections() -> Vec<CollectionConfig> {
    let email = IndexInfo { kind: IndexKind::Equality, normalize: &[], bits: 128 };
    let email = Field { index: Some(IndexConfig::new(&[email])), ..field("email") };
    let photo = Field { bytes: true, ..field("photo") };
    let customers = vec![field("contacts[].phone"), email, photo, field("ssn")];
    let mut orders = CollectionConfig::new("orders", vec![field("card")]);
    orders.group = true;
    orders.scope = ScopeRule::Field("tenant".to_owned());
    vec![CollectionConfig::new("customers", customers), orders]
}

fn customer(id: &str) -> Customer {
    Customer {
        id: id.to_owned(),
        name: "Ada".to_owned(),
        ssn: "078-05-1120".to_owned(),
        email: Some(format!("{id}@example.com")),
        photo: vec![7; 40],
    }
}

pub fn text(text: &str) -> Value {
    value(ValueType::StringValue(text.to_owned()))
}

pub fn bytes(bytes: Vec<u8>) -> Value {
    value(ValueType::BytesValue(bytes))
}

pub fn value(value: ValueType) -> Value {
    Value { value_type: Some(value) }
}

pub fn map(fields: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    value(ValueType::MapValue(MapValue { fields }))
}

pub fn array(values: Vec<Value>) -> Value {
    value(ValueType::ArrayValue(ArrayValue { values }))
}

fn path(id: &str) -> DocumentPath {
    DocumentPath::parse(&format!("customers/{id}")).unwrap()
}

/// Writes one value, past everything that fireseal checks; `None` deletes it.
pub async fn put(store: &Db, id: &str, field: &[&str], new: Option<Value>) {
    let names: Vec<String> = field.iter().map(|name| (*name).to_owned()).collect();
    let mut fields = Fields::new();
    if let Some(new) = new {
        let inner = names.iter().skip(1).rev().fold(new, |inner, name| {
            value(ValueType::MapValue(MapValue { fields: HashMap::from([(name.clone(), inner)]) }))
        });
        fields.insert(names[0].clone(), inner);
    }
    let write = Write::merge(path(id), fields, FieldMask::new(vec![names]));
    store.commit(&[write]).await.unwrap();
}

async fn stored(store: &Db, id: &str, field: &str) -> Value {
    let document = store.read(&[path(id)], None).await.unwrap().pop().flatten().unwrap();
    document.fields[field].clone()
}

fn envelope(value: &Value) -> Vec<u8> {
    match &value.value_type {
        Some(ValueType::BytesValue(bytes)) => bytes.clone(),
        other => panic!("{other:?} is no envelope"),
    }
}

/// Fills the database.
pub async fn audited(store: &Db) -> Audited {
    let authority = Authority::generate().unwrap();
    let clock = MovedClock::default();
    let vault = KeyVault::in_store(MemoryStore::new(), "test", authority.key())
        .with_root(root(1))
        .with_clock(clock.clone());
    let default = Scope::default();
    vault.create_scope(&authority, &default).await.unwrap();
    vault.create_scope(&authority, &acme()).await.unwrap();

    // 2, 3, 4, 5 and 10 customers under the five keys.
    let mut keys = Vec::new();
    let mut ring = vault.ring(&default).await.unwrap();
    for (position, count) in [2, 3, 4, 5, 10].into_iter().enumerate() {
        if position > 0 {
            clock.move_by(Duration::from_secs(100 * 24 * 60 * 60));
            vault.rotate(&authority, &default).await.unwrap();
            ring = vault.ring(&default).await.unwrap();
        }
        keys.push(ring.primary().id());
        let customers = Repository::<Customer>::new(Arc::clone(store), ring.clone());
        for number in 0..count {
            customers.create(&customer(&format!("k{position}-{number}"))).await.unwrap();
        }
    }
    let keys: [KeyId; 5] = keys.try_into().unwrap();
    vault.mark_compromised(&authority, &default, &keys[0]).await.unwrap();
    vault.retire(&authority, &default, &keys[1], |_| async { Ok::<_, Infallible>(0) }).await.unwrap();
    vault.destroy_key(&authority, &default, &keys[2]).await.unwrap();

    // 17 more under the primary key, each with something of its own.
    let customers = Repository::<Customer>::new(Arc::clone(store), ring.clone());
    let odd = [
        "plain-0",
        "plain-1",
        "plain-2",
        "null",
        "short",
        "cut",
        "version",
        "moved",
        "flipped",
        "foreign",
        "text",
        "absent",
        "unindexed",
        "lost",
        "seal-text",
        "seal-token",
        "unlisted",
    ];
    for id in odd {
        customers.create(&customer(id)).await.unwrap();
    }
    for id in ["plain-0", "plain-1", "plain-2"] {
        put(store, id, &["ssn"], Some(text("078-05-1120"))).await;
    }
    put(store, "null", &["ssn"], Some(value(ValueType::NullValue(0)))).await;
    put(store, "short", &["ssn"], Some(bytes(vec![1, 2, 3]))).await;
    put(store, "cut", &["ssn"], Some(text("fireseal:no base64"))).await;
    put(store, "version", &["ssn"], Some(bytes(vec![2; 100]))).await;
    let other = stored(store, "k4-0", "ssn").await;
    put(store, "moved", &["ssn"], Some(other.clone())).await;
    let mut flipped = envelope(&stored(store, "flipped", "ssn").await);
    *flipped.last_mut().unwrap() ^= 1;
    put(store, "flipped", &["ssn"], Some(bytes(flipped))).await;
    let foreign = KeyRing::new(DataKey::generate().unwrap()).with_index(IndexKey::generate().unwrap());
    let foreigners = Repository::<Customer>::new(Arc::clone(store), foreign);
    foreigners.create(&customer("foreigner")).await.unwrap();
    let unknown = stored(store, "foreigner", "ssn").await;
    store.commit(&[Write::delete(path("foreigner"))]).await.unwrap();
    put(store, "foreign", &["ssn"], Some(unknown)).await;
    let written = STANDARD.encode(envelope(&stored(store, "text", "ssn").await));
    put(store, "text", &["ssn"], Some(text(&format!("fireseal:{written}")))).await;
    put(store, "absent", &["ssn"], None).await;
    put(store, "unindexed", &["_seal"], None).await;
    put(store, "lost", &["_seal", "idx", "email", "key"], Some(bytes(vec![9; 16]))).await;
    put(store, "seal-text", &["_seal"], Some(text("sealed"))).await;
    put(store, "seal-token", &["_seal", "idx", "email", "eq"], Some(text("token"))).await;
    put(store, "unlisted", &["backups"], Some(array(vec![map([("ssn", other.clone())]), other]))).await;
    // Bytes in the clear that begin like an envelope: no key of the ring has this id.
    put(store, "unlisted", &["thumbnail"], Some(bytes(vec![1; 200]))).await;
    customers.create(&Customer { email: None, ..customer("no-email") }).await.unwrap();
    let others = Repository::<OtherCustomer>::new(Arc::clone(store), ring);
    others.create(&OtherCustomer { id: "other-photo".into(), photo: 7 }).await.unwrap();

    // Nothing sealed: hints, raw bytes, values in arrays, and a string where an array belongs.
    let phone = |phone: &str| map([("phone", text(phone)), ("name", text("Bob"))]);
    let clear = [
        ("note", text("call me: ada@example.com, or bob@example.com")),
        ("paid_with", value(ValueType::IntegerValue(4_111_111_111_111_111))),
        ("photo", bytes(vec![9; 30])),
        ("contacts", array(vec![phone("+1 202 555 0143"), phone("+1 202 555 0144"), text("odd")])),
    ];
    let clear: Fields = clear.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    store.commit(&[Write::set(path("clear"), clear)]).await.unwrap();
    let by_name = Fields::from([
        ("visits".to_owned(), map([("eve@example.com", value(ValueType::BooleanValue(true)))])),
        ("contacts".to_owned(), text("none")),
    ]);
    store.commit(&[Write::set(path("eve@example.com"), by_name)]).await.unwrap();

    orders(store, &vault).await;
    Audited { vault, keys, collections: collections() }
}

async fn orders(store: &Db, vault: &KeyVault) {
    for customer in ["k4-0", "k4-1"] {
        let orders = Repository::<Order>::new(Arc::clone(store), vault.clone());
        let orders = orders.under(&format!("customers/{customer}")).unwrap();
        let order = Order { id: "one".into(), tenant: "acme".into(), card: "4111 1111 1111 1111".into() };
        orders.create(&order).await.unwrap();
    }
    let at = DocumentPath::parse("customers/k4-1/orders/one").unwrap();
    let sealed = store.read(&[at], None).await.unwrap().pop().flatten().unwrap().fields;
    let orphan = Fields::from([("card".to_owned(), sealed["card"].clone())]);
    let orphan_at = DocumentPath::parse("customers/k4-1/orders/orphan").unwrap();
    store.commit(&[Write::set(orphan_at, orphan)]).await.unwrap();
}
