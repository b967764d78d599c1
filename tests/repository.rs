//! What a repository promises, over both stores: documents go in sealed, come out opened, and
//! nothing else changes.

#![allow(missing_docs, clippy::unwrap_used)]

#[macro_use]
#[path = "support/stores.rs"]
mod stores;

use std::collections::BTreeMap;
use std::sync::Arc;

use fireseal::store::{Fields, Precondition, Store, Time, Value, ValueType, Write, WriteKind};
use fireseal::{DataKey, DocumentPath, Error, KeyRing, Repository, Scope, Sealable, SealedRepository};
use futures::TryStreamExt;

type Db = Arc<dyn Store>;

#[derive(Sealable, Clone, PartialEq)]
#[sealable(collection = "customers", debug)]
struct Customer {
    #[sealable(id)]
    id: String,
    name: String,
    visits: i64,
    nickname: Option<String>,
    #[sensitive]
    ssn: String,
    #[sensitive]
    notes: BTreeMap<String, i64>,
}

fn customer(id: &str) -> Customer {
    Customer {
        id: id.to_owned(),
        name: format!("name of {id}"),
        visits: 1,
        nickname: None,
        ssn: format!("ssn of {id}"),
        notes: BTreeMap::from([("a".to_owned(), 1)]),
    }
}

fn ring() -> KeyRing {
    KeyRing::new(DataKey::generate().unwrap())
}

fn repository(store: Db) -> Repository<Customer> {
    Repository::new(store, ring())
}

async fn raw(store: &Db, path: &str) -> Fields {
    store.read(&[DocumentPath::parse(path).unwrap()], None).await.unwrap().remove(0).unwrap().fields
}

async fn put(store: &Db, path: &str, fields: Fields) {
    let kind = WriteKind::Set { fields, mask: None };
    let path = DocumentPath::parse(path).unwrap();
    store.commit(&[Write::new(path, kind)]).await.unwrap();
}

fn text(text: &str) -> Value {
    Value { value_type: Some(ValueType::StringValue(text.to_owned())) }
}

on_both_stores!(
    what_is_created_is_read,
    only_sensitive_fields_are_sealed,
    create_refuses_an_existing_document,
    set_creates_and_replaces,
    set_keeps_fields_that_the_type_does_not_have,
    update_writes_only_the_named_fields,
    update_refuses_a_name_that_is_no_field,
    update_needs_the_document,
    preconditions_are_kept,
    many_are_read_in_order,
    a_collection_is_listed_in_pages,
    a_collection_is_streamed,
    a_stream_ends_at_its_first_error,
    subcollections_are_apart,
    existence_and_deletion,
    a_repository_without_keys_reads_moves_and_deletes,
    scopes_are_apart,
    realms_are_apart,
    two_writes_of_one_value_differ,
    ids_that_firestore_refuses_are_refused,
    a_field_over_the_limit_is_refused_by_name,
    times_are_told,
    modifying_under_contention_loses_nothing,
);

async fn what_is_created_is_read(store: Db) {
    let customers = repository(store);
    let ada = customer("ada");
    customers.create(&ada).await.unwrap();
    assert_eq!(customers.get("ada").await.unwrap(), Some(ada));
    assert_eq!(customers.get("bob").await.unwrap(), None);
}

async fn only_sensitive_fields_are_sealed(store: Db) {
    repository(Arc::clone(&store)).create(&customer("ada")).await.unwrap();
    let fields = raw(&store, "customers/ada").await;
    assert_eq!(fields["name"], text("name of ada"));
    assert_eq!(fields["id"], text("ada"));
    assert!(!fields.contains_key("nickname"), "the crate leaves `None` out");
    for sealed in ["ssn", "notes"] {
        assert!(matches!(fields[sealed].value_type, Some(ValueType::BytesValue(_))), "{sealed}");
    }
    assert_eq!(fields.len(), 5);
}

async fn create_refuses_an_existing_document(store: Db) {
    let customers = repository(store);
    customers.create(&customer("ada")).await.unwrap();
    let again = customers.create(&Customer { visits: 2, ..customer("ada") }).await.unwrap_err();
    assert!(again.is_conflict(), "{again}");
    assert_eq!(customers.get("ada").await.unwrap().unwrap().visits, 1);
}

async fn set_creates_and_replaces(store: Db) {
    let customers = repository(store);
    customers.set(&Customer { nickname: Some("Countess".to_owned()), ..customer("ada") }).await.unwrap();
    let changed = Customer { visits: 2, ssn: "another".to_owned(), ..customer("ada") };
    customers.set(&changed).await.unwrap();
    assert_eq!(customers.get("ada").await.unwrap(), Some(changed), "the nickname is gone too");
}

async fn set_keeps_fields_that_the_type_does_not_have(store: Db) {
    let customers = repository(Arc::clone(&store));
    customers.create(&customer("ada")).await.unwrap();
    let mut fields = raw(&store, "customers/ada").await;
    fields.insert("from a newer program".to_owned(), text("kept"));
    put(&store, "customers/ada", fields).await;
    customers.set(&Customer { visits: 2, ..customer("ada") }).await.unwrap();
    assert_eq!(raw(&store, "customers/ada").await["from a newer program"], text("kept"));
}

async fn update_writes_only_the_named_fields(store: Db) {
    let customers = repository(Arc::clone(&store));
    customers.create(&customer("ada")).await.unwrap();
    let before = raw(&store, "customers/ada").await;
    let other = Customer {
        name: "not written".to_owned(),
        visits: 7,
        ssn: "new".to_owned(),
        notes: BTreeMap::new(),
        ..customer("ada")
    };
    customers.update(&other, &["visits", "ssn"]).await.unwrap();
    let after = raw(&store, "customers/ada").await;
    assert_eq!(after["name"], before["name"]);
    assert_eq!(after["notes"], before["notes"], "not even sealed anew");
    assert_ne!(after["ssn"], before["ssn"]);
    let read = customers.get("ada").await.unwrap().unwrap();
    assert_eq!((read.visits, read.ssn.as_str(), read.notes), (7, "new", customer("ada").notes));

    let none = Customer { nickname: Some("x".to_owned()), ..customer("ada") };
    customers.update(&none, &["nickname"]).await.unwrap();
    customers.update(&customer("ada"), &["nickname"]).await.unwrap();
    assert_eq!(customers.get("ada").await.unwrap().unwrap().nickname, None, "a named `None` is removed");
}

async fn update_refuses_a_name_that_is_no_field(store: Db) {
    let customers = repository(store);
    customers.create(&customer("ada")).await.unwrap();
    let error = customers.update(&customer("ada"), &["vists"]).await.unwrap_err();
    assert!(matches!(&error, Error::NoSuchField { field, .. } if field == "vists"), "{error}");
    assert!(error.to_string().contains("visits"), "{error}");
}

async fn update_needs_the_document(store: Db) {
    let error = repository(store).update(&customer("ada"), &["visits"]).await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
}

async fn preconditions_are_kept(store: Db) {
    let customers = repository(store);
    customers.create(&customer("ada")).await.unwrap();
    let read = customers.get_stored("ada").await.unwrap().unwrap();
    let unchanged = Precondition::UpdatedAt(read.update_time().unwrap());
    customers.set_if(&Customer { visits: 2, ..customer("ada") }, unchanged.clone()).await.unwrap();
    let refused = [
        customers.set_if(&customer("ada"), unchanged.clone()).await.map(drop),
        customers.update_if(&customer("ada"), &["visits"], unchanged.clone()).await.map(drop),
        customers.delete_if("ada", unchanged).await,
        customers.save(&mut read.clone()).await,
    ];
    for refused in refused {
        assert!(refused.unwrap_err().is_conflict());
    }
    assert_eq!(customers.get("ada").await.unwrap().unwrap().visits, 2);
}

async fn many_are_read_in_order(store: Db) {
    let customers = repository(store);
    for id in ["a", "b", "c"] {
        customers.create(&customer(id)).await.unwrap();
    }
    let read = customers.get_many(&["c", "none", "a", "c"]).await.unwrap();
    let ids: Vec<_> = read.iter().map(|stored| stored.as_ref().map(|stored| stored.id.as_str())).collect();
    assert_eq!(ids, [Some("c"), None, Some("a"), Some("c")]);
    assert!(customers.get_many::<&str>(&[]).await.unwrap().is_empty());
}

async fn a_collection_is_listed_in_pages(store: Db) {
    let customers = repository(store);
    for number in 0..7 {
        customers.create(&customer(&format!("c{number}"))).await.unwrap();
    }
    let mut ids = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let list = customers.list().page_size(3);
        let page = match token {
            Some(token) => list.page_token(token).page().await.unwrap(),
            None => list.page().await.unwrap(),
        };
        assert!(page.documents.len() <= 3);
        ids.extend(page.documents.iter().map(|stored| stored.id().to_owned()));
        token = page.next_page_token;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(ids, ["c0", "c1", "c2", "c3", "c4", "c5", "c6"]);
}

async fn a_collection_is_streamed(store: Db) {
    let customers = repository(store);
    for number in 0..7 {
        customers.create(&customer(&format!("c{number}"))).await.unwrap();
    }
    let all: Vec<_> = customers.list().page_size(2).stream().try_collect().await.unwrap();
    let all: Vec<Customer> = all.into_iter().map(|stored| stored.into_inner()).collect();
    let expected: Vec<_> = (0..7).map(|number| customer(&format!("c{number}"))).collect();
    assert_eq!(all, expected);
}

async fn a_stream_ends_at_its_first_error(store: Db) {
    let customers = repository(Arc::clone(&store));
    for id in ["a", "b", "c"] {
        customers.create(&customer(id)).await.unwrap();
    }
    let mut fields = raw(&store, "customers/b").await;
    fields.insert("ssn".to_owned(), text("plaintext"));
    put(&store, "customers/b", fields).await;
    let mut stream = customers.list().page_size(1).stream();
    assert_eq!(stream.try_next().await.unwrap().unwrap().id(), "a");
    assert!(matches!(stream.try_next().await, Err(Error::Open(_))));
    assert!(stream.try_next().await.unwrap().is_none());
}

async fn subcollections_are_apart(store: Db) {
    let keys = ring();
    let at =
        |parent: &str| Repository::<Customer>::new(Arc::clone(&store), keys.clone()).under(parent).unwrap();
    at("tenants/acme").create(&customer("ada")).await.unwrap();
    assert!(at("tenants/acme").get("ada").await.unwrap().is_some());
    assert!(at("tenants/other").get("ada").await.unwrap().is_none());
    raw(&store, "tenants/acme/customers/ada").await;
    assert!(Repository::<Customer>::new(Arc::clone(&store), keys.clone()).under("tenants").is_err());
}

async fn existence_and_deletion(store: Db) {
    let customers = repository(store);
    assert!(!customers.exists("ada").await.unwrap());
    customers.create(&customer("ada")).await.unwrap();
    assert!(customers.exists("ada").await.unwrap());
    customers.delete("ada").await.unwrap();
    assert!(!customers.exists("ada").await.unwrap());
    customers.delete("ada").await.unwrap();
    assert!(customers.delete_if("ada", Precondition::Exists(true)).await.unwrap_err().is_not_found());
}

async fn a_repository_without_keys_reads_moves_and_deletes(store: Db) {
    let keys = ring();
    let customers = Repository::<Customer>::new(Arc::clone(&store), keys.clone());
    customers.create(&customer("ada")).await.unwrap();
    let before = raw(&store, "customers/ada").await;

    let sealed = SealedRepository::<Customer>::new(Arc::clone(&store));
    let mut ada = sealed.get("ada").await.unwrap().unwrap();
    assert_eq!(ada.name, "name of ada");
    assert_eq!(ada.ssn.key_id(), Some(keys.primary().id()));
    ada.visits = 9;
    sealed.save(&mut ada).await.unwrap();
    sealed.save(&mut ada).await.unwrap();
    let after = raw(&store, "customers/ada").await;
    assert_eq!(after["ssn"], before["ssn"], "byte for byte");
    assert_eq!(customers.get("ada").await.unwrap(), Some(Customer { visits: 9, ..customer("ada") }));

    let listed: Vec<_> = sealed.list().stream().try_collect().await.unwrap();
    assert_eq!(listed.len(), 1);
    let opened: Customer = listed.into_iter().next().unwrap().open(&keys).await.unwrap();
    assert_eq!(opened.ssn, "ssn of ada");
    assert!(sealed.get_many(&["ada", "bob"]).await.unwrap()[1].is_none());
    assert!(sealed.exists("ada").await.unwrap());
    sealed.delete("ada").await.unwrap();
    assert!(sealed.get("ada").await.unwrap().is_none());
}

async fn scopes_are_apart(store: Db) {
    let [acme, other] = ["acme", "other"].map(|id| Scope::new(id).unwrap());
    let rings: fireseal::KeyRings =
        [ring().with_scope(acme.clone()), ring().with_scope(other.clone())].into_iter().collect();
    let customers = |scope| Repository::<Customer>::new(Arc::clone(&store), rings.clone()).with_scope(scope);
    customers(acme.clone()).create(&customer("ada")).await.unwrap();
    assert!(customers(acme).get("ada").await.unwrap().is_some());
    assert!(matches!(customers(other).get("ada").await, Err(Error::Open(_))));
    let unknown = customers(Scope::new("nobody").unwrap()).create(&customer("bob")).await;
    assert!(matches!(unknown, Err(Error::Keys(_))));

    // The same key in both scopes: the scope is bound into the ciphertext.
    let [acme, other] = ["acme", "other"].map(|id| Scope::new(id).unwrap());
    let same = DataKey::generate().unwrap();
    let copy = DataKey::from_bytes(same.expose_secret());
    let rings: fireseal::KeyRings =
        [KeyRing::new(same).with_scope(acme.clone()), KeyRing::new(copy).with_scope(other.clone())]
            .into_iter()
            .collect();
    let customers = |scope| Repository::<Customer>::new(Arc::clone(&store), rings.clone()).with_scope(scope);
    customers(acme).create(&customer("cy")).await.unwrap();
    let error = customers(other).get("cy").await.unwrap_err();
    assert!(error.to_string().contains("ssn: does not open"), "{error}");
}

async fn realms_are_apart(store: Db) {
    let keys = ring();
    let customers = |realm: &str| {
        Repository::<Customer>::new(Arc::clone(&store), keys.clone()).with_realm(realm).unwrap()
    };
    customers("production").create(&customer("ada")).await.unwrap();
    assert!(customers("production").get("ada").await.is_ok());
    assert!(matches!(customers("staging").get("ada").await, Err(Error::Open(_))));
}

async fn two_writes_of_one_value_differ(store: Db) {
    let customers = repository(Arc::clone(&store));
    customers.set(&customer("ada")).await.unwrap();
    let first = raw(&store, "customers/ada").await;
    customers.set(&customer("ada")).await.unwrap();
    let second = raw(&store, "customers/ada").await;
    assert_ne!(first["ssn"], second["ssn"]);
}

async fn ids_that_firestore_refuses_are_refused(store: Db) {
    let customers = repository(store);
    for id in ["", ".", "..", "__id__", "a/b", "a\0b", &"x".repeat(1_501)] {
        let error = customers.create(&customer(id)).await.unwrap_err();
        assert!(matches!(error, Error::Location(_)), "{id:?}: {error}");
        assert!(matches!(customers.get(id).await, Err(Error::Location(_))), "{id:?}");
    }
    customers.create(&customer(&"ü".repeat(750))).await.unwrap();
}

async fn a_field_over_the_limit_is_refused_by_name(store: Db) {
    let customers = repository(store);
    let huge = Customer { ssn: "x".repeat(1_048_487), ..customer("ada") };
    let error = customers.create(&huge).await.unwrap_err();
    assert!(error.to_string().contains("ssn"), "{error}");
    assert!(!error.to_string().contains("xxx"), "{error}");
}

async fn times_are_told(store: Db) {
    let customers = repository(store);
    let created: Option<Time> = customers.create(&customer("ada")).await.unwrap();
    let read = customers.get_stored("ada").await.unwrap().unwrap();
    assert_eq!(read.create_time(), created);
    assert_eq!(read.update_time(), created);
    let updated = customers.set(&Customer { visits: 2, ..customer("ada") }).await.unwrap();
    let read = customers.get_stored("ada").await.unwrap().unwrap();
    assert_eq!((read.create_time(), read.update_time()), (created, updated));
    assert_ne!(created, updated);
}

async fn modifying_under_contention_loses_nothing(store: Db) {
    let customers = repository(store);
    customers.create(&customer("ada")).await.unwrap();
    let bump = || async {
        loop {
            let bumped = customers
                .modify("ada", |ada| {
                    ada.visits += 1;
                    *ada.notes.get_mut("a").unwrap() += 1;
                })
                .await;
            match bumped {
                Ok(Some(_)) => return,
                Err(error) if error.is_conflict() => {}
                other => panic!("{other:?}"),
            }
        }
    };
    futures::future::join_all((0..8).map(|_| bump())).await;
    let ada = customers.get("ada").await.unwrap().unwrap();
    assert_eq!((ada.visits, ada.notes["a"]), (9, 9));
    assert!(customers.modify("bob", |_| {}).await.unwrap().is_none());
}
