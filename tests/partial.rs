//! One field that does not open does not lose the rest, nor itself.

#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/promise.rs"]
mod promise;

#[macro_use]
#[path = "support/stores.rs"]
mod stores;

use std::sync::Arc;

use fireseal::store::{Fields, Store, Value, ValueType, Write, WriteKind};
use fireseal::{
    Cause, DataKey, DocumentPath, Error, KeyRing, OpenError, Repository, Sealable, SealedRepository,
};

type Db = Arc<dyn Store>;

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
    phone: String,
}

fn customer() -> Customer {
    Customer {
        id: "ada".to_owned(),
        name: "Ada".to_owned(),
        ssn: "ssn".to_owned(),
        email: "email".to_owned(),
        phone: "phone".to_owned(),
    }
}

async fn raw(store: &Db) -> Fields {
    let path = DocumentPath::parse("customers/ada").unwrap();
    store.read(&[path], None).await.unwrap().remove(0).unwrap().fields
}

async fn put(store: &Db, fields: Fields) {
    let path = DocumentPath::parse("customers/ada").unwrap();
    let kind = WriteKind::Set { fields, mask: None };
    store.commit(&[Write::new(path, kind)]).await.unwrap();
}

/// Ada, with an ssn sealed under a lost key and plaintext for a phone number.
async fn damaged(store: &Db) -> (Repository<Customer>, Fields) {
    let lost = Repository::<Customer>::new(Arc::clone(store), KeyRing::new(DataKey::generate().unwrap()));
    lost.create(&customer()).await.unwrap();
    let ssn = raw(store).await.remove("ssn").unwrap();
    let customers =
        Repository::<Customer>::new(Arc::clone(store), KeyRing::new(DataKey::generate().unwrap()));
    customers.set(&customer()).await.unwrap();
    let mut fields = raw(store).await;
    fields.insert("ssn".to_owned(), ssn);
    let phone = Value { value_type: Some(ValueType::StringValue("plaintext phone".to_owned())) };
    fields.insert("phone".to_owned(), phone);
    put(store, fields.clone()).await;
    (customers, fields)
}

on_both_stores!(
    opening_is_all_or_nothing,
    what_opens_is_read,
    saving_keeps_what_did_not_open,
    a_field_that_did_not_open_can_be_replaced,
    a_companion_opens_in_part_too,
);

async fn opening_is_all_or_nothing(store: Db) {
    let (customers, _) = damaged(&store).await;
    let Err(Error::Open(OpenError::Fields { failures, location })) = customers.get("ada").await else {
        panic!("opened");
    };
    assert_eq!(location.document().as_str(), "customers/ada");
    assert!(matches!(failures[0].cause, Cause::KeyUnknown(_)));
    assert_eq!(
        (failures[0].field.to_string().as_str(), failures[1].field.to_string().as_str()),
        ("ssn", "phone")
    );
    assert_eq!(failures[1].cause, Cause::Plaintext);
    assert_eq!(failures.len(), 2);
}

async fn what_opens_is_read(store: Db) {
    let (customers, _) = damaged(&store).await;
    let ada = customers.get_partial("ada").await.unwrap().unwrap();
    assert_eq!(ada.name, "Ada");
    assert_eq!(ada.email.as_deref().unwrap(), "email");
    assert!(matches!(ada.ssn.as_ref().unwrap_err().cause(), Cause::KeyUnknown(_)));
    assert_eq!(ada.phone.as_ref().unwrap_err().cause(), Cause::Plaintext);
    assert!(customers.get_partial("bob").await.unwrap().is_none());
}

async fn saving_keeps_what_did_not_open(store: Db) {
    let (customers, before) = damaged(&store).await;
    let mut ada = customers.get_partial("ada").await.unwrap().unwrap();
    ada.name = "Countess".to_owned();
    ada.email = Ok("new".to_owned());
    customers.save_partial(&mut ada).await.unwrap();
    customers.save_partial(&mut ada).await.unwrap();
    let after = raw(&store).await;
    assert_eq!(after["ssn"], before["ssn"], "byte for byte");
    assert_eq!(after["phone"], before["phone"], "value for value");
    let read = customers.get_partial("ada").await.unwrap().unwrap();
    assert_eq!((read.name.as_str(), read.email.as_deref().unwrap()), ("Countess", "new"));

    // Without a key it is the same: plaintext in a sealed place is neither lost nor written anew.
    let sealed = SealedRepository::<Customer>::new(Arc::clone(&store));
    let mut ada = sealed.get("ada").await.unwrap().unwrap();
    assert!(ada.phone.is_plaintext());
    sealed.save(&mut ada).await.unwrap();
    assert_eq!(raw(&store).await, after);
    promise::Promise::kept("unknown_keys_kept", 2);
}

async fn a_field_that_did_not_open_can_be_replaced(store: Db) {
    let (customers, _) = damaged(&store).await;
    let mut ada = customers.get_partial("ada").await.unwrap().unwrap();
    ada.ssn = Ok("asked for again".to_owned());
    ada.phone = Ok("0123".to_owned());
    customers.save_partial(&mut ada).await.unwrap();
    let ada = customers.get("ada").await.unwrap().unwrap();
    assert_eq!((ada.ssn.as_str(), ada.phone.as_str()), ("asked for again", "0123"));
}

async fn a_companion_opens_in_part_too(store: Db) {
    let (_, _) = damaged(&store).await;
    let keys = KeyRing::new(DataKey::generate().unwrap());
    let sealed = SealedRepository::<Customer>::new(Arc::clone(&store)).get("ada").await.unwrap().unwrap();
    let ada = sealed.open_partial(&keys).await.unwrap();
    assert!(ada.ssn.is_err() && ada.email.is_err() && ada.phone.is_err());
    assert_eq!(ada.name, "Ada");
    assert!(!format!("{:?} {:?}", ada.phone, ada.email).contains("plaintext phone"));
}
