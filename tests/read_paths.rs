//! Every way to read a document, against every forgery of one: it opens to what was sealed there, or it is
//! refused. What is not in this table is no read path.
//!
//! T9 of docs/threat-model.md.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "support/promise.rs"]
mod promise;

#[macro_use]
#[path = "support/stores.rs"]
mod stores;

use std::sync::Arc;

use fireseal::store::{Document, Store, Value, ValueType, Write, WriteKind};
use fireseal::{
    DataKey, DocumentPath, Error, IndexKey, KeyRing, Repository, Sealable, SealedRepository, Stored, Watch,
    WatchEvent, snapshot, transaction,
};
use futures::{StreamExt, TryStreamExt};

type Db = Arc<dyn Store>;

#[derive(Sealable, Clone, PartialEq)]
#[sealable(collection = "customers", debug)]
struct Customer {
    #[sealable(id)]
    id: String,
    name: String,
    #[sensitive(index)]
    email: String,
    #[sensitive]
    ssn: String,
}

fn keys() -> KeyRing {
    KeyRing::new(DataKey::from_bytes(&[1; 32])).with_index(IndexKey::from_bytes(&[2; 32]))
}

fn email(id: &str) -> String {
    format!("{id}@example.com")
}

fn customer(id: &str) -> Customer {
    Customer { id: id.to_owned(), name: "a name".to_owned(), email: email(id), ssn: format!("ssn of {id}") }
}

/// The ids and e-mail addresses that a reading gave, and its errors.
type Found = Vec<Result<(String, String), Error>>;

fn opened(customer: impl std::ops::Deref<Target = Customer>) -> (String, String) {
    (customer.id.clone(), customer.email.clone())
}

fn one(read: Result<Option<Customer>, Error>) -> Found {
    read.transpose().map(|read| read.map(|customer| opened(Box::new(customer)))).into_iter().collect()
}

fn many(read: Result<Vec<Stored<Customer>>, Error>) -> Found {
    match read {
        Ok(all) => all.into_iter().map(|customer| Ok(opened(customer))).collect(),
        Err(error) => vec![Err(error)],
    }
}

async fn companions(read: Vec<Stored<SealedCustomer>>) -> Found {
    let mut found = Vec::new();
    for sealed in read {
        let open = sealed.open(&keys()).await.map_err(Error::from);
        found.push(open.map(|customer| opened(Box::new(customer))));
    }
    found
}

/// What a watch tells at first.
async fn watched<V: Send + 'static>(mut watch: Watch<V>) -> Vec<Result<Stored<V>, Error>> {
    let mut told = Vec::new();
    while let Some(event) = watch.next().await {
        match event {
            Ok(WatchEvent::Added(stored)) => told.push(Ok(stored)),
            Ok(WatchEvent::Current) => break,
            Ok(_) => panic!("neither added nor current at first"),
            Err(error) => told.push(Err(error)),
        }
    }
    told
}

async fn told(watch: Watch<SealedCustomer>) -> Found {
    companions(watched(watch).await.into_iter().map(Result::unwrap).collect()).await
}

/// Every path to the documents `ada` and `bob`.
const PATHS: [&str; 29] = [
    "get",
    "get stored",
    "get many",
    "get partial",
    "list page",
    "list stream",
    "query all",
    "query stream",
    "query page",
    "query first",
    "query by an index",
    "query by an index and a clear field",
    "query to the last",
    "projection",
    "projection by an index",
    "collection group",
    "transaction get",
    "transaction query",
    "snapshot",
    "companion get",
    "companion list",
    "companion query",
    "watch",
    "watch all",
    "watch query",
    "watch by an index",
    "companion watch",
    "companion watch all",
    "companion watch query",
];

async fn read(path: &str, db: &Db, id: &str) -> Found {
    let customers = Repository::<Customer>::new(Arc::clone(db), keys());
    let sealed = SealedRepository::<Customer>::new(Arc::clone(db));
    let by_email = customers.query().filter(|c| c.email.eq(email(id)));
    match path {
        "get" => one(customers.get(id).await),
        "get stored" => many(customers.get_stored(id).await.map(Vec::from_iter)),
        "get many" => many(customers.get_many(&[id]).await.map(|all| all.into_iter().flatten().collect())),
        "get partial" => {
            let partial = customers.get_partial(id).await.unwrap().unwrap();
            match partial.into_inner().email {
                Ok(email) => vec![Ok((id.to_owned(), email))],
                Err(_) => vec![Err(customers.get(id).await.unwrap_err())],
            }
        }
        "list page" => many(customers.list().page().await.map(|page| page.documents)),
        "list stream" => many(customers.list().page_size(1).stream().try_collect().await),
        "query all" => many(customers.query().all().await),
        "query stream" => {
            let stream = customers.query().stream().await.unwrap();
            stream.map(|customer| customer.map(opened)).collect().await
        }
        "query page" => {
            let page = customers.query().page(10, None).await.unwrap();
            page.documents.into_iter().map(|customer| customer.map(opened)).collect()
        }
        "query first" => many(customers.query().filter(|c| c.id.eq(id)).first().await.map(Vec::from_iter)),
        "query by an index" => many(by_email.all().await),
        "query by an index and a clear field" => {
            let query = by_email.filter(|c| c.name.eq("a name").or(c.email.eq("nobody@example.com")));
            many(query.all().await)
        }
        "query to the last" => {
            let query = customers.query().order_by(|c| c.name.descending()).limit_to_last(10);
            let stream = query.stream().await.unwrap();
            stream.map(|customer| customer.map(opened)).collect().await
        }
        "projection" => {
            let parts = customers.query().select(|c| c.email).all().await.unwrap();
            parts.iter().map(|part| Ok((part.id().to_owned(), part.open(|c| c.email)?))).collect()
        }
        "projection by an index" => match by_email.select(|c| (c.name, c.email)).all().await {
            Ok(parts) => {
                parts.iter().map(|part| Ok((part.id().to_owned(), part.open(|c| c.email)?))).collect()
            }
            Err(error) => vec![Err(error)],
        },
        "collection group" => {
            let stream = customers.query_group().stream().await.unwrap();
            stream.map(|customer| customer.map(opened)).collect().await
        }
        "transaction get" => {
            let read = transaction(db, |within| {
                let customers = within.on(&customers);
                async move { customers.get(id).await }
            });
            one(read.await)
        }
        "transaction query" => {
            let read = transaction(db, |within| {
                let customers = within.on(&customers);
                async move { customers.query().filter(|c| c.email.eq(email(id))).all().await }
            });
            many(read.await)
        }
        "snapshot" => {
            let read = snapshot(db, None, |within| {
                let customers = within.on(&customers);
                async move { customers.query().all().await }
            });
            many(read.await)
        }
        "companion get" => companions(sealed.get(id).await.unwrap().into_iter().collect()).await,
        "companion list" => companions(sealed.list().page().await.unwrap().documents).await,
        "companion query" => {
            companions(sealed.query().filter(|c| c.name.eq("a name")).all().await.unwrap()).await
        }
        "watch" => {
            watched(customers.watch(id).unwrap()).await.into_iter().map(|read| read.map(opened)).collect()
        }
        "watch all" => {
            watched(customers.watch_all()).await.into_iter().map(|read| read.map(opened)).collect()
        }
        "watch query" => {
            let watch = customers.query().filter(|c| c.name.eq("a name")).watch().await.unwrap();
            watched(watch).await.into_iter().map(|read| read.map(opened)).collect()
        }
        "watch by an index" => {
            let watch = by_email.watch().await.unwrap();
            watched(watch).await.into_iter().map(|read| read.map(opened)).collect()
        }
        "companion watch" => told(sealed.watch(id).unwrap()).await,
        "companion watch all" => told(sealed.watch_all()).await,
        "companion watch query" => {
            told(sealed.query().filter(|c| c.name.eq("a name")).watch().await.unwrap()).await
        }
        path => panic!("no path {path}"),
    }
}

async fn stored(db: &Db, id: &str) -> Document {
    let path = DocumentPath::parse(&format!("customers/{id}")).unwrap();
    db.read(&[path], None).await.unwrap().pop().flatten().unwrap()
}

/// Writes both customers anew, then one of them as somebody changed it.
async fn forged(db: &Db, change: impl FnOnce(&mut Document, Document)) {
    let customers = Repository::<Customer>::new(Arc::clone(db), keys());
    for id in ["ada", "bob"] {
        customers.delete(id).await.unwrap();
        customers.create(&customer(id)).await.unwrap();
    }
    let mut ada = stored(db, "ada").await;
    change(&mut ada, stored(db, "bob").await);
    let kind = WriteKind::Set { fields: ada.fields, mask: None };
    db.commit(&[Write::new(ada.path, kind)]).await.unwrap();
}

/// What is true of `ada` is told by every path, or nothing is.
async fn every_path_is_true(db: &Db, forgery: &str, opens: bool) {
    for path in PATHS {
        let found = read(path, db, "ada").await;
        let refused = found.iter().filter(|found| found.is_err()).count();
        for (id, found) in found.iter().flatten() {
            assert_eq!(*found, email(id), "{forgery}, {path}: wrong data");
            assert!(opens || id != "ada", "{forgery}, {path}: opened");
        }
        if opens {
            assert_eq!(refused, 0, "{forgery}, {path}: {found:?}");
        } else {
            assert_eq!(refused, 1, "{forgery}, {path}: not told: {found:?}");
            let refused = found.iter().find_map(|found| found.as_ref().err()).unwrap();
            assert!(matches!(refused, Error::Open(_)), "{forgery}, {path}: {refused}");
        }
    }
    let customers = Repository::<Customer>::new(Arc::clone(db), keys());
    let count = customers.query().filter(|c| c.email.eq(email("ada"))).count().await;
    match opens {
        true => assert!(count.unwrap() <= 1, "{forgery}, count"),
        false => assert!(matches!(count, Err(Error::Open(_))), "{forgery}, count: {count:?}"),
    }
    let sum = customers.query().filter(|c| c.email.eq(email("ada"))).average(|c| c.name).await;
    assert_eq!(sum.is_ok(), opens, "{forgery}, average");
}

on_both_stores!(
    what_was_sealed_opens,
    a_moved_envelope_is_refused,
    an_envelope_of_another_field_is_refused,
    plaintext_is_refused,
    a_deleted_field_is_refused,
    a_changed_envelope_is_refused,
    a_copied_token_finds_nobody_else,
);

async fn what_was_sealed_opens(db: Db) {
    forged(&db, |_, _| {}).await;
    every_path_is_true(&db, "nothing", true).await;
    for path in PATHS {
        let found = read(path, &db, "ada").await;
        assert!(found.iter().flatten().any(|(id, _)| id == "ada"), "{path} does not find her");
    }
    promise::Promise::kept("read_paths", PATHS.len());
}

async fn a_moved_envelope_is_refused(db: Db) {
    forged(&db, |ada, bob| drop(ada.fields.insert("email".to_owned(), bob.fields["email"].clone()))).await;
    every_path_is_true(&db, "another document's envelope", false).await;
    promise::Promise::kept("read_paths", PATHS.len());
}

async fn an_envelope_of_another_field_is_refused(db: Db) {
    forged(&db, |ada, _| drop(ada.fields.insert("email".to_owned(), ada.fields["ssn"].clone()))).await;
    every_path_is_true(&db, "another field's envelope", false).await;
    promise::Promise::kept("read_paths", PATHS.len());
}

async fn plaintext_is_refused(db: Db) {
    let plain = Value { value_type: Some(ValueType::StringValue(email("ada"))) };
    forged(&db, |ada, _| drop(ada.fields.insert("email".to_owned(), plain))).await;
    every_path_is_true(&db, "plaintext", false).await;
    promise::Promise::kept("read_paths", PATHS.len());
}

async fn a_deleted_field_is_refused(db: Db) {
    forged(&db, |ada, _| drop(ada.fields.remove("email"))).await;
    every_path_is_true(&db, "no field", false).await;
    promise::Promise::kept("read_paths", PATHS.len());
}

async fn a_changed_envelope_is_refused(db: Db) {
    forged(&db, |ada, _| {
        if let Some(ValueType::BytesValue(bytes)) = &mut ada.fields.get_mut("email").unwrap().value_type {
            *bytes.last_mut().unwrap() ^= 1;
        }
    })
    .await;
    every_path_is_true(&db, "a changed bit", false).await;
    promise::Promise::kept("read_paths", PATHS.len());
}

/// Ada's document with Bob's tokens: asked for him, no path gives her.
async fn a_copied_token_finds_nobody_else(db: Db) {
    forged(&db, |ada, bob| drop(ada.fields.insert("_seal".to_owned(), bob.fields["_seal"].clone()))).await;
    every_path_is_true(&db, "another's tokens", true).await;
    let by_index = ["query by an index", "query by an index and a clear field", "projection by an index"];
    for path in by_index.into_iter().chain(["transaction query", "watch by an index"]) {
        let found: Vec<_> = read(path, &db, "bob").await.into_iter().map(Result::unwrap).collect();
        assert_eq!(found, [("bob".to_owned(), email("bob"))], "{path}");
    }
    let customers = Repository::<Customer>::new(db, keys());
    let bob = customers.query().filter(|c| c.email.eq(email("bob")));
    assert_eq!(bob.count().await.unwrap(), 1);
    let mut counted = bob.stream().await.unwrap();
    while counted.next().await.is_some() {}
    assert_eq!((counted.documents_read(), counted.documents_rejected()), (2, 1));
    promise::Promise::kept("read_paths", PATHS.len());
}
