//! Every write of an authenticated document leaves one that verifies, with the next revision, and loses
//! nothing; types without the attribute are written as they always were.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

#[macro_use]
#[path = "support/stores.rs"]
mod stores;
#[path = "support/account.rs"]
mod account;
#[path = "support/promise.rs"]
mod promise;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use fireseal::store::{
    Commit, Document, FieldMask, Fields, ListPage, ListRequest, MemoryStore, Precondition, Store, StoreError,
    Transform, TransformKind, ValueType, Write,
};
use fireseal::{
    Batch, Cause, DataKey, DocumentPath, Error, IndexKey, KeyRing, KeyRings, Repository, RevisionFloor,
    Scope, Sealable, SealedRepository, Unauthentic, transaction,
};

use account::*;
use promise::Promise;

on_both_stores!(
    every_write_seals_anew,
    nested_fields_change_and_go,
    batches_and_transactions_seal_anew,
    what_a_newer_program_wrote_stays_and_stays_covered,
    transforms_are_for_what_is_left_out,
    without_keys_only_what_is_left_out_is_written,
    data_keys_and_index_keys_rotate,
    unique_values_move_with_their_documents,
    documents_of_many_tenants,
    a_field_whose_key_is_gone_opens_in_part,
    a_floor_refuses_what_is_older,
    writers_at_once_lose_nothing,
);

/// Reads what verifies, and its revision.
async fn now(db: &Db) -> (Account, u64) {
    let ada = accounts(db).get_stored("ada").await.unwrap().unwrap();
    let revision = ada.revision().unwrap();
    (ada.into_inner(), revision)
}

async fn every_write_seals_anew(db: Db) {
    let accounts = accounts(&db);
    let mut ada = account("ada");
    accounts.set(&ada).await.unwrap();
    assert_eq!(now(&db).await.1, 1, "set of what is not there");
    assert!(accounts.create(&ada).await.unwrap_err().is_conflict());

    ada.role = "one".into();
    accounts.set(&ada).await.unwrap();
    ada.note = None;
    let time = accounts.get_stored("ada").await.unwrap().unwrap().update_time().unwrap();
    accounts.set_if(&ada, Precondition::UpdatedAt(time)).await.unwrap();
    assert!(accounts.set_if(&ada, Precondition::UpdatedAt(time)).await.unwrap_err().is_conflict());
    let (read, revision) = now(&db).await;
    assert_eq!((read.role.as_str(), read.note, revision), ("one", None, 3));

    (ada.phone, ada.limit, ada.role) = (Some("557".into()), 5.0, "not this".into());
    accounts.update(&ada, &["phone", "limit"]).await.unwrap();
    ada.email = "lady@example.com".into();
    accounts.update_if(&ada, &["email"], Precondition::Exists(true)).await.unwrap();
    let (read, revision) = now(&db).await;
    assert_eq!(
        (read.phone.as_deref(), read.limit, read.role.as_str(), revision),
        (Some("557"), 5.0, "one", 5)
    );
    let found = accounts.query().filter(|a| a.email.eq("lady@example.com")).all().await.unwrap();
    assert_eq!(found.len(), 1);

    let change =
        accounts.change("ada").set(|a| a.role, "two").set(|a| a.visits, 5).increment(|a| a.visits, 1);
    change.server_time(|a| a.seen).write(&ada, &["name"]).run().await.unwrap();
    accounts.change("ada").increment(|a| a.visits, 1).run().await.unwrap();
    let (read, revision) = now(&db).await;
    assert_eq!((read.role.as_str(), read.visits, read.seen.is_some(), revision), ("two", 7, true, 7));

    accounts.delete_fields("ada", &["phone", "seen"]).await.unwrap();
    accounts.change("ada").delete(|a| a.note).delete(|a| a.phone).run().await.unwrap();
    let (read, revision) = now(&db).await;
    assert_eq!((read.phone, read.seen, revision), (None, None, 9));

    let mut stored = accounts.get_stored("ada").await.unwrap().unwrap();
    let mut stale = stored.clone();
    stored.role = "three".into();
    accounts.save(&mut stored).await.unwrap();
    assert_eq!(stored.revision(), Some(10));
    stored.phone = Some("558".into());
    accounts.save(&mut stored).await.unwrap();
    assert_eq!((stored.revision(), now(&db).await.1), (Some(11), 11));
    assert!(accounts.save(&mut stale).await.unwrap_err().is_conflict());

    let mut partial = accounts.get_partial("ada").await.unwrap().unwrap();
    partial.role = "four".into();
    accounts.save_partial(&mut partial).await.unwrap();
    let modified = accounts.modify("ada", |ada| ada.tags.push("c".into())).await.unwrap().unwrap();
    assert_eq!(modified.revision(), Some(13));
    let (read, revision) = now(&db).await;
    assert_eq!(
        (read.role.as_str(), read.tags.len(), read.phone.as_deref(), revision),
        ("four", 3, Some("558"), 13)
    );

    // Nothing is to be done, and nothing is written.
    assert_eq!(accounts.reindex().run().await.unwrap().rewritten, 0);
    assert_eq!(now(&db).await.1, 13);
    accounts.delete("ada").await.unwrap();
    accounts.create(&ada).await.unwrap();
    assert_eq!(now(&db).await.1, 1, "it begins anew");
    let missing = accounts.update(&account("bob"), &["limit"]).await.unwrap_err();
    assert!(missing.is_not_found(), "{missing}");
}

#[derive(Sealable, Clone, PartialEq)]
#[sealable(collection = "profiles", authenticated, debug)]
struct Profile {
    #[sealable(id)]
    id: String,
    #[sealable(nested)]
    home: Option<Home>,
    #[serde(flatten)]
    more: BTreeMap<String, String>,
}

#[derive(Sealable, Clone, PartialEq)]
#[sealable(debug)]
struct Home {
    city: Option<String>,
    zip: Option<String>,
    #[sensitive(index)]
    street: Option<String>,
}

async fn nested_fields_change_and_go(db: Db) {
    let profiles = Repository::<Profile>::new(Arc::clone(&db), keys());
    let home = Home { city: Some("Paris".into()), zip: None, street: Some("Rue".into()) };
    let more = BTreeMap::from([("motto".to_owned(), "more".to_owned())]);
    let mut ada = Profile { id: "ada".into(), home: Some(home), more };
    profiles.create(&ada).await.unwrap();
    let verified = async |revision| {
        let read = profiles.get_stored("ada").await.unwrap().unwrap();
        assert_eq!(read.revision(), Some(revision));
        read.into_inner()
    };
    profiles.change("ada").set(|p| p.home.city.clone(), "London".to_owned()).run().await.unwrap();
    assert_eq!(verified(2).await.home.unwrap().city.as_deref(), Some("London"));
    // What is deleted leaves an empty map, or none, wherever the database says.
    profiles.change("ada").delete(|p| p.home.city.clone()).run().await.unwrap();
    profiles.change("ada").delete(|p| p.home.street.clone()).run().await.unwrap();
    assert_eq!(verified(4).await.home, Some(Home { city: None, zip: None, street: None }));
    profiles.delete_fields("ada", &["home"]).await.unwrap();
    assert_eq!(verified(5).await.home, None);
    profiles.change("ada").delete(|p| p.home.zip.clone()).run().await.unwrap();
    profiles.change("ada").delete(|p| p.home.street.clone()).run().await.unwrap();
    verified(7).await;
    // Flattened names come and go with the value.
    ada.more = BTreeMap::from([("word".to_owned(), "more".to_owned())]);
    profiles.set(&ada).await.unwrap();
    assert_eq!(verified(8).await, ada);
    let path = DocumentPath::parse("profiles/ada").unwrap();
    let mut stored = db.read(&[path], None).await.unwrap().pop().flatten().unwrap();
    stored.fields.insert("role".into(), text("admin"));
    put(&db, stored).await;
    assert_eq!(cause(profiles.get("ada").await), Unauthentic::Changed);
}

async fn batches_and_transactions_seal_anew(db: Db) {
    let accounts = accounts(&db);
    let batch = Batch::new(&db);
    let on = batch.on(&accounts);
    on.create(&account("ada")).await.unwrap();
    on.set(&Account { role: "batch".into(), ..account("ada") }).await.unwrap();
    on.change("ada").set(|a| a.limit, 1.0).run().await.unwrap();
    on.create(&account("bob")).await.unwrap();
    let report = batch.finish().await.unwrap();
    assert_eq!((report.applied, report.failures.len()), (4, 0), "{:?}", report.failures);
    let (read, revision) = now(&db).await;
    assert_eq!((read.role.as_str(), read.limit, revision), ("batch", 1.0, 3));

    // What others wrote since is told as a failure of that operation.
    let batch = Batch::new(&db);
    batch.on(&accounts).update(&account("ada"), &["limit"]).await.unwrap();
    batch.on(&accounts).update(&account("bob"), &["limit"]).await.unwrap();
    accounts.modify("ada", |ada| ada.role = "between".into()).await.unwrap();
    let report = batch.finish().await.unwrap();
    assert_eq!(report.applied, 1);
    assert!(report.failures.iter().all(|failure| failure.error.is_conflict()), "{:?}", report.failures);
    let batch = Batch::atomic(&db);
    batch.on(&accounts).set(&account("ada")).await.unwrap();
    batch.on(&accounts).delete("bob").await.unwrap();
    batch.finish().await.unwrap();
    assert_eq!(now(&db).await.1, 5);

    transaction(&db, |within| {
        let accounts = within.on(&accounts);
        async move {
            let mut ada = accounts.get_stored("ada").await?.unwrap();
            ada.role = "inside".into();
            accounts.save(&mut ada).await?;
            // It is read as it was kept, and verified.
            assert_eq!(accounts.get_stored("ada").await?.unwrap().revision(), Some(6));
            ada.limit = 2.0;
            accounts.save(&mut ada).await?;
            accounts.create(&account("bob")).await?;
            accounts.modify("bob", |bob| bob.role = "new".into()).await?;
            Ok::<_, Error>(())
        }
    })
    .await
    .unwrap();
    let (read, revision) = now(&db).await;
    assert_eq!((read.role.as_str(), read.limit, revision), ("inside", 2.0, 7));
    assert_eq!(accounts.get("bob").await.unwrap().unwrap().role, "new");
    transaction(&db, |within| {
        let accounts = within.on(&accounts);
        async move { accounts.change("ada").increment(|a| a.visits, 1).run().await }
    })
    .await
    .unwrap();
    assert_eq!(now(&db).await.1, 8);
}

/// The accounts of a later version of the program: one field more of each kind.
#[derive(Sealable, Clone, PartialEq)]
#[sealable(collection = "accounts", authenticated, debug)]
struct Newer {
    #[sealable(id)]
    id: String,
    role: String,
    nickname: Option<String>,
    #[sensitive(index)]
    pin: Option<String>,
    #[sensitive(index)]
    email: String,
    #[sealable(unbound)]
    visits: i64,
    #[sealable(unbound)]
    #[serde(alias = "shown")]
    opened: Option<i64>,
}

async fn what_a_newer_program_wrote_stays_and_stays_covered(db: Db) {
    let older = accounts(&db);
    let newer = Repository::<Newer>::new(Arc::clone(&db), keys());
    older.create(&account("ada")).await.unwrap();
    let with = |ada: &mut Newer| {
        (ada.nickname, ada.pin, ada.opened) = (Some("Countess".into()), Some("1234".into()), Some(1));
    };
    newer.modify("ada", with).await.unwrap().unwrap();
    let mut revision = 2;
    for write in ["set", "update", "change", "delete", "save", "partial", "modify"] {
        match write {
            "set" => drop(older.set(&account("ada")).await.unwrap()),
            "update" => drop(older.update(&account("ada"), &["role", "email"]).await.unwrap()),
            "change" => drop(older.change("ada").set(|a| a.role, "owner").run().await.unwrap()),
            "delete" => drop(older.delete_fields("ada", &["note"]).await.unwrap()),
            "save" => {
                let mut ada = older.get_stored("ada").await.unwrap().unwrap();
                ada.role = "saved".into();
                older.save(&mut ada).await.unwrap();
            }
            "partial" => {
                let mut ada = older.get_partial("ada").await.unwrap().unwrap();
                older.save_partial(&mut ada).await.unwrap();
            }
            _ => drop(older.modify("ada", |_| {}).await.unwrap()),
        }
        revision += 1;
        let ada = newer.get_stored("ada").await.unwrap().unwrap();
        assert_eq!(
            (ada.nickname.as_deref(), ada.pin.as_deref()),
            (Some("Countess"), Some("1234")),
            "{write}"
        );
        assert_eq!(ada.revision(), Some(revision), "{write}");
        let by_pin = newer.query().filter(|a| a.pin.eq("1234".to_owned())).all().await.unwrap();
        assert_eq!(by_pin.len(), 1, "{write}");
        // What the newer program leaves out stays out, under each of its names.
        let genuine = stored(&db, "ada").await;
        tamper(&db, "ada", |fields| drop(fields.insert("opened".into(), int(2)))).await;
        assert_eq!(newer.get("ada").await.unwrap().unwrap().opened, Some(2), "{write}");
        older.get("ada").await.unwrap().unwrap();
        tamper(&db, "ada", |fields| drop(fields.insert("nickname".into(), text("Duchess")))).await;
        assert_eq!(cause(older.get("ada").await), Unauthentic::Changed, "{write}");
        assert_eq!(cause(newer.get("ada").await), Unauthentic::Changed, "{write}");
        put(&db, genuine).await;
    }
    tamper(&db, "ada", |fields| {
        let opened = fields.remove("opened").unwrap();
        fields.insert("shown".into(), opened);
    })
    .await;
    assert_eq!(newer.get("ada").await.unwrap().unwrap().opened, Some(1));
    tamper(&db, "ada", |fields| drop(fields.remove("pin"))).await;
    assert_eq!(cause(older.get("ada").await), Unauthentic::Changed);
}

async fn transforms_are_for_what_is_left_out(db: Db) {
    let accounts = accounts(&db);
    accounts.create(&account("ada")).await.unwrap();
    let refused = [
        accounts.change("ada").increment(|a| a.limit, 1.0).run().await,
        accounts.change("ada").maximum(|a| a.limit, 1.0).run().await,
        accounts.change("ada").minimum(|a| a.limit, 1.0).run().await,
        accounts.change("ada").server_time(|a| a.since).run().await,
        accounts.change("ada").union(|a| a.tags, ["c"]).run().await,
        accounts.change("ada").remove(|a| a.tags, ["a"]).run().await,
    ];
    for refused in refused {
        let refused = refused.unwrap_err();
        assert!(matches!(refused, Error::Change { .. }), "{refused}");
        assert!(refused.to_string().contains("unbound"), "{refused}");
    }
    assert_eq!(now(&db).await.1, 1);
    let change = accounts.change("ada").increment(|a| a.visits, 2).server_time(|a| a.seen);
    change.maximum(|a| a.visits, 1).run().await.unwrap();
    // And so may anybody else, without a key and without reading.
    let write = Write::merge(path("ada"), Fields::new(), FieldMask::default());
    let kind = TransformKind::Increment(int(40));
    let transform = Transform { path: vec!["visits".into()], kind };
    db.commit(&[write.with_transforms(vec![transform])]).await.unwrap();
    let (ada, revision) = now(&db).await;
    assert_eq!((ada.visits, ada.seen.is_some(), revision), (42, true, 2));
}

async fn without_keys_only_what_is_left_out_is_written(db: Db) {
    let sealed = SealedRepository::<Account>::new(Arc::clone(&db));
    accounts(&db).create(&account("ada")).await.unwrap();
    let mut ada = sealed.get("ada").await.unwrap().unwrap();
    assert_eq!(ada.revision(), Some(1));
    ada.visits = 9;
    sealed.save(&mut ada).await.unwrap();
    assert_eq!((now(&db).await.0.visits, now(&db).await.1), (9, 1));
    type Edit = fn(&mut SealedAccount);
    let edits: [(&str, Edit); 4] = [
        ("role", |ada| ada.role = "admin".into()),
        ("note", |ada| ada.note = None),
        ("tags", |ada| ada.tags.clear()),
        ("card", |ada| ada.card.as_mut().unwrap().bank = "other".into()),
    ];
    for (name, edit) in edits {
        let mut changed = sealed.get("ada").await.unwrap().unwrap();
        edit(&mut changed);
        changed.visits = 10;
        let refused = sealed.save(&mut changed).await.unwrap_err();
        assert!(matches!(&refused, Error::Covered { field, .. } if field == name), "{refused}");
    }
    assert_eq!(now(&db).await.0.visits, 9);
    // What is verified is what was read, not what the program made of it.
    let mut read = sealed.get("ada").await.unwrap().unwrap();
    read.role = "mine".into();
    assert_eq!(read.open(&keys()).await.unwrap().role, "mine");

    // Of a scope whose keys are gone the tokens go all the same.
    assert_eq!(sealed.forget_scope(&Scope::default()).await.unwrap().documents, 1);
    let entries = |mut document: Document| map(&mut document.fields, "_seal").get("idx").is_some();
    assert!(!entries(stored(&db, "ada").await));
    sealed.delete("ada").await.unwrap();
    assert!(!sealed.exists("ada").await.unwrap());
}

async fn data_keys_and_index_keys_rotate(db: Db) {
    let (one, two) = (|| DataKey::from_bytes(&[1; 32]), || DataKey::from_bytes(&[21; 32]));
    let (first, second) = (|| IndexKey::from_bytes(&[2; 32]), || IndexKey::from_bytes(&[22; 32]));
    let over = |ring: KeyRing| Repository::<Account>::new(Arc::clone(&db), ring);
    accounts(&db).create(&account("ada")).await.unwrap();
    accounts(&db).create(&account("bob")).await.unwrap();

    let rotated = over(KeyRing::new(two()).with_active(one()).with_index(first()));
    rotated.update(&Account { phone: Some("559".into()), ..account("ada") }, &["phone"]).await.unwrap();
    assert_eq!(rotated.get("ada").await.unwrap().unwrap().phone.as_deref(), Some("559"));
    let named = seal(&mut stored(&db, "ada").await.fields)["key"].clone();
    assert_eq!(named, bytes(two().id().as_bytes()), "sealed anew under the primary key");
    // A reader that has the older ring still: the seal is under a key that it does not know.
    let unknown = Unauthentic::Key(Cause::KeyUnknown(two().id()));
    assert_eq!(cause(accounts(&db).get("ada").await), unknown);
    for id in ["ada", "bob"] {
        rotated.modify(id, |_| {}).await.unwrap().unwrap();
    }
    let retired = over(KeyRing::new(two()).with_retired(one().id()).with_index(first()));
    assert_eq!(retired.list().page().await.unwrap().documents.len(), 2);

    let both = over(KeyRing::new(two()).with_index(second()).with_index(first()));
    let before = [revision(&db, "ada").await, revision(&db, "bob").await];
    assert_eq!(both.reindex().run().await.unwrap().rewritten, 2);
    assert_eq!([revision(&db, "ada").await, revision(&db, "bob").await], before.map(|revision| revision + 1));
    assert_eq!(both.reindex().run().await.unwrap().rewritten, 0);
    let done = over(KeyRing::new(two()).with_index(second()));
    assert!(done.index_state().await.unwrap().is_complete());
    let found = done.query().filter(|a| a.email.eq(email("bob"))).all().await.unwrap();
    assert_eq!((found.len(), found[0].id()), (1, "bob"));

    // A pass seals no forgery.
    tamper(&db, "ada", |fields| {
        fields.insert("role".into(), text("admin"));
        tokens(fields).clear();
    })
    .await;
    let report = done.reindex().run().await.unwrap();
    assert_eq!((report.rewritten, report.failures.len()), (0, 1));
    assert_eq!(cause(done.get("ada").await), Unauthentic::Changed);
}

#[derive(Sealable, Clone, PartialEq)]
#[sealable(collection = "members", authenticated, scope = tenant, debug)]
struct Member {
    #[sealable(id)]
    id: String,
    tenant: String,
    rank: i64,
    #[sensitive(unique)]
    name: String,
    #[sensitive]
    secret: String,
}

fn member(id: &str, tenant: &str, name: &str) -> Member {
    let (id, tenant, name) = (id.to_owned(), tenant.to_owned(), name.to_owned());
    Member { id, tenant, rank: 1, name, secret: "secret".into() }
}

fn tenants() -> KeyRings {
    let ring = |name: &str, byte| {
        KeyRing::new(DataKey::from_bytes(&[byte; 32]))
            .with_index(IndexKey::from_bytes(&[byte + 100; 32]))
            .with_scope(Scope::new(name).unwrap())
    };
    [ring("red", 1), ring("blue", 2)].into_iter().collect()
}

async fn unique_values_move_with_their_documents(db: Db) {
    let members = Repository::<Member>::new(Arc::clone(&db), tenants());
    members.create(&member("ada", "red", "Ada")).await.unwrap();
    members.create(&member("bob", "red", "Bob")).await.unwrap();
    assert!(members.set(&member("bob", "red", "Ada")).await.unwrap_err().is_taken());
    assert!(members.update(&member("bob", "red", "Ada"), &["name"]).await.unwrap_err().is_taken());
    members.update(&member("ada", "red", "Countess"), &["name"]).await.unwrap();
    members.set(&member("bob", "red", "Ada")).await.unwrap();
    let mut bob = members.get_stored("bob").await.unwrap().unwrap();
    assert_eq!(bob.revision(), Some(2));
    bob.name = "Bob".into();
    members.save(&mut bob).await.unwrap();
    assert_eq!((bob.revision(), members.get_at_least("bob", 3).await.unwrap().is_some()), (Some(3), true));
    members.set(&member("ada", "red", "Ada")).await.unwrap();
    assert_eq!(members.get_stored("ada").await.unwrap().unwrap().revision(), Some(3));
    members.delete("bob").await.unwrap();
    assert_eq!(members.index_state().await.unwrap().unreserved, 0);
}

async fn documents_of_many_tenants(db: Db) {
    let members = Repository::<Member>::new(Arc::clone(&db), tenants());
    members.create(&member("ada", "red", "Ada")).await.unwrap();
    members.change("ada").set(|m| m.rank, 2).run().await.unwrap();
    let refused = members.update(&member("ada", "blue", "Ada"), &["secret"]).await.unwrap_err();
    assert!(matches!(refused, Error::ScopeField { .. }), "{refused}");
    // Written whole under another tenant's keys, it goes on.
    members.set(&member("ada", "blue", "Ada")).await.unwrap();
    let ada = members.get_stored("ada").await.unwrap().unwrap();
    assert_eq!((ada.revision(), ada.location().scope().as_str()), (Some(3), "blue"));
    let path = DocumentPath::parse("members/ada").unwrap();
    let mut stored = db.read(&[path], None).await.unwrap().pop().flatten().unwrap();
    stored.fields.insert("tenant".into(), text("red"));
    put(&db, stored).await;
    assert!(matches!(cause(members.get("ada").await), Unauthentic::Key(Cause::KeyUnknown(_))));
}

async fn a_field_whose_key_is_gone_opens_in_part(db: Db) {
    let (one, two) = (|| DataKey::from_bytes(&[1; 32]), || DataKey::from_bytes(&[21; 32]));
    let index = || IndexKey::from_bytes(&[2; 32]);
    accounts(&db).create(&account("ada")).await.unwrap();
    let rotated = Repository::<Account>::new(
        Arc::clone(&db),
        KeyRing::new(two()).with_active(one()).with_index(index()),
    );
    rotated.update(&account("ada"), &["phone"]).await.unwrap();
    let gone = KeyRing::new(two()).with_destroyed(one().id()).with_index(index());
    let left = Repository::<Account>::new(Arc::clone(&db), gone.clone());
    assert!(matches!(left.get("ada").await, Err(Error::Open(_))));
    let mut partial = left.get_partial("ada").await.unwrap().unwrap();
    assert!(partial.email.is_err() && partial.phone.as_ref().unwrap().as_deref() == Some("555"));
    partial.role = "owner".into();
    left.save_partial(&mut partial).await.unwrap();
    assert_eq!(partial.revision(), Some(3));
    let sealed = SealedRepository::<Account>::new(Arc::clone(&db));
    sealed.get("ada").await.unwrap().unwrap().open_partial(&gone).await.unwrap();

    tamper(&db, "ada", |fields| drop(fields.insert("role".into(), text("admin")))).await;
    assert_eq!(cause(left.get_partial("ada").await), Unauthentic::Changed);
    let unverified = left.get_partial_unverified("ada").await.unwrap().unwrap();
    assert_eq!((unverified.role.as_str(), unverified.email.is_err()), ("admin", true));
    let companion = sealed.get("ada").await.unwrap().unwrap();
    assert!(companion.clone().open_partial(&gone).await.is_err());
    assert_eq!(companion.open_partial_unverified(&gone).await.unwrap().role, "admin");
    let mut unverified = unverified;
    assert_eq!(cause(left.save_partial(&mut unverified).await), Unauthentic::Changed, "it is not made ours");
}

async fn a_floor_refuses_what_is_older(db: Db) {
    let accounts = accounts(&db);
    accounts.create(&account("ada")).await.unwrap();
    let old = stored(&db, "ada").await;
    accounts.modify("ada", |ada| ada.role = "former".into()).await.unwrap().unwrap();
    assert_eq!(accounts.get_at_least("ada", 2).await.unwrap().unwrap().role, "former");
    let floor = Arc::new(RevisionFloor::new());
    let held = accounts.clone().with_floor(Arc::clone(&floor));
    floor.raise(&path("ada"), 2);
    floor.raise(&path("ada"), 1);
    assert_eq!((floor.of(&path("ada")), floor.of(&path("bob"))), (Some(2), None));
    assert!(held.get("ada").await.unwrap().is_some());
    put(&db, old).await;
    // An older state verifies: it was ours.
    assert_eq!(accounts.get("ada").await.unwrap().unwrap().role, "user");
    let older = Unauthentic::Older { revision: 1, floor: 2 };
    assert_eq!(cause(accounts.get_at_least("ada", 2).await), older);
    assert_eq!(cause(held.get("ada").await), older);
    assert_eq!(cause(held.list().page().await), older);
    assert_eq!(cause(held.query().all().await), older);
    assert_eq!(cause(held.get_partial("ada").await), older);
    assert_eq!(cause(held.set(&account("ada")).await), older, "nor is it written over");
    accounts.delete("ada").await.unwrap();
    assert!(accounts.get_at_least("ada", 2).await.unwrap().is_none());
    held.create(&account("ada")).await.unwrap();
    assert_eq!(cause(held.get("ada").await), older);
    floor.forget(&path("ada"));
    assert!(held.get("ada").await.unwrap().is_some());
}

async fn writers_at_once_lose_nothing(db: Db) {
    const WRITERS: usize = 8;
    const WRITES: usize = 12;
    let accounts = accounts(&db);
    accounts.create(&Account { tags: Vec::new(), ..account("ada") }).await.unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let over = Arc::new(AtomicBool::new(false));
    let watcher = {
        let (accounts, over) = (accounts.clone(), Arc::clone(&over));
        tokio::spawn(async move {
            let (mut last, mut reads) = (0, 0);
            while !over.load(Ordering::Relaxed) {
                let revision = accounts.get_stored("ada").await.unwrap().unwrap().revision().unwrap();
                assert!(revision >= last, "{revision} after {last}");
                (last, reads) = (revision, reads + 1);
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            reads
        })
    };
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (accounts, seen) = (accounts.clone(), Arc::clone(&seen));
            tokio::spawn(async move {
                let mut conflicts = 0;
                for number in 0..WRITES {
                    let tag = format!("{writer}/{number}");
                    loop {
                        // Half of them add to what is covered, the others count.
                        let revision = if writer % 2 == 0 {
                            let tag = tag.clone();
                            let modified = accounts.modify("ada", |ada| ada.tags.push(tag.clone())).await;
                            modified.map(|ada| ada.unwrap().revision())
                        } else {
                            let counted = accounts.change("ada").increment(|a| a.visits, 1).run().await;
                            counted.map(|_| None)
                        };
                        match revision {
                            Ok(revision) => break seen.lock().unwrap().extend(revision),
                            Err(Error::Store(StoreError::Aborted { .. })) => conflicts += 1,
                            Err(error) if error.is_conflict() => conflicts += 1,
                            Err(error) => panic!("{error}"),
                        }
                    }
                }
                conflicts
            })
        })
        .collect();
    let mut conflicts = 0;
    for writer in writers {
        conflicts += writer.await.unwrap();
    }
    over.store(true, Ordering::Relaxed);
    let reads = watcher.await.unwrap();
    let (ada, revision) = now(&db).await;
    let mut seen = seen.lock().unwrap().clone();
    let all = seen.len();
    seen.sort_unstable();
    seen.dedup();
    let writes = WRITERS * WRITES;
    println!(
        "{writes} writes, revision {revision}, {reads} reads, given up and begun again {conflicts} times"
    );
    let promise = Promise::new("authenticated_writes");
    for number in 0..writes {
        let (writer, number) = (number / WRITES, number % WRITES);
        let kept = writer % 2 == 1 || ada.tags.contains(&format!("{writer}/{number}"));
        promise.holds(kept, || format!("write {number} of writer {writer} is lost"));
    }
    promise.holds(ada.tags.len() == writes / 2, || format!("{} of {} tags", ada.tags.len(), writes / 2));
    let counted = ada.visits == i64::try_from(writes / 2).unwrap();
    promise.holds(counted, || format!("counted to {}, not {}", ada.visits, writes / 2));
    let one_each = revision == u64::try_from(writes).unwrap() + 1;
    promise.holds(one_each, || format!("revision {revision} after {writes} writes"));
    promise.holds((seen.len(), all) == (writes / 2, writes / 2), || "a revision twice".to_owned());
    promise.finish();
}

/// Counts what is asked of memory, and loses the answer of a commit where told to.
#[derive(Clone, Default)]
struct Counting {
    memory: MemoryStore,
    reads: Arc<AtomicUsize>,
    commits: Arc<Mutex<Vec<Vec<Write>>>>,
    loses: Arc<AtomicBool>,
}

#[async_trait]
impl Store for Counting {
    async fn read(
        &self,
        paths: &[DocumentPath],
        mask: Option<&FieldMask>,
    ) -> Result<Vec<Option<Document>>, StoreError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.memory.read(paths, mask).await
    }

    async fn commit(&self, writes: &[Write]) -> Result<Commit, StoreError> {
        self.commits.lock().unwrap().push(writes.to_vec());
        let commit = self.memory.commit(writes).await?;
        if self.loses.swap(false, Ordering::Relaxed) {
            return Err(StoreError::Unavailable { reason: "lost".into(), source: None });
        }
        Ok(commit)
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage, StoreError> {
        self.memory.list(request).await
    }
}

impl Counting {
    fn counts(&self) -> (usize, Vec<Write>) {
        let commits = std::mem::take(&mut *self.commits.lock().unwrap());
        (self.reads.swap(0, Ordering::Relaxed), commits.into_iter().flatten().collect())
    }
}

/// The same fields with and without the attribute.
#[derive(Sealable, Clone)]
#[sealable(collection = "plain")]
struct Plain {
    #[sealable(id)]
    id: String,
    state: String,
    #[sensitive(index)]
    name: String,
}

#[derive(Sealable, Clone)]
#[sealable(collection = "plain", authenticated)]
struct Vouched {
    #[sealable(id)]
    id: String,
    state: String,
    #[sensitive(index)]
    name: String,
}

#[tokio::test]
async fn types_without_the_attribute_are_written_as_before() {
    let store = Counting::default();
    let plain = Repository::<Plain>::new(store.clone(), keys());
    let value = Plain { id: "a".into(), state: "free".into(), name: "Ada".into() };
    let names = |write: &Write| match &write.kind {
        fireseal::store::WriteKind::Set { fields, mask } => {
            let seal = fields.get("_seal").map(|seal| match &seal.value_type {
                Some(ValueType::MapValue(map)) => map.fields.keys().cloned().collect::<Vec<_>>(),
                _ => panic!("no map"),
            });
            let mut mask: Vec<_> =
                mask.iter().flat_map(FieldMask::paths).map(|path| path.join(".")).collect();
            mask.sort();
            (seal.unwrap_or_default(), mask)
        }
        _ => (Vec::new(), Vec::new()),
    };
    let idx = vec!["idx".to_owned()];
    let all = |mask: &[&str]| mask.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    plain.create(&value).await.unwrap();
    let (reads, writes) = store.counts();
    assert_eq!((reads, writes.len(), names(&writes[0])), (0, 1, (idx.clone(), all(&[]))));
    assert_eq!(writes[0].precondition, Some(Precondition::Exists(false)));
    plain.set(&value).await.unwrap();
    let (reads, writes) = store.counts();
    let mask = all(&["_seal.idx.name", "id", "name", "state"]);
    assert_eq!((reads, writes.len(), names(&writes[0])), (0, 1, (idx.clone(), mask)));
    assert_eq!(writes[0].precondition, None);
    plain.update(&value, &["name"]).await.unwrap();
    let (reads, writes) = store.counts();
    assert_eq!((reads, writes.len(), names(&writes[0])), (0, 1, (idx, all(&["_seal.idx.name", "name"]))));
    plain.change("a").set(|p| p.state, "taken").run().await.unwrap();
    let (reads, writes) = store.counts();
    let mark = (vec!["write".to_owned()], all(&["_seal.write", "state"]));
    assert_eq!((reads, writes.len(), names(&writes[0])), (0, 1, mark));
    plain.modify("a", |_| {}).await.unwrap();
    let (reads, writes) = store.counts();
    assert_eq!((reads, writes.len()), (1, 1));
    assert!(!names(&writes[0]).0.contains(&"doc".to_owned()));

    // With it, one read more where there was none.
    let vouched = Repository::<Vouched>::new(store.clone(), keys());
    let value = Vouched { id: "b".into(), state: "free".into(), name: "Bob".into() };
    vouched.create(&value).await.unwrap();
    assert_eq!(store.counts().0, 0);
    vouched.set(&value).await.unwrap();
    assert_eq!(store.counts().0, 1);
    vouched.update(&value, &["name"]).await.unwrap();
    vouched.change("b").set(|p| p.state, "taken").run().await.unwrap();
    let (reads, writes) = store.counts();
    assert_eq!((reads, writes.len()), (2, 2));
    assert!(writes.iter().all(|write| matches!(write.precondition, Some(Precondition::UpdatedAt(_)))));
    vouched.modify("b", |_| {}).await.unwrap();
    assert_eq!(store.counts().0, 1);
}

/// The answers of commits are lost: each is applied once, and known to be.
#[tokio::test]
async fn a_lost_answer_is_found_out() {
    let store = Counting::default();
    let vouched = Repository::<Vouched>::new(store.clone(), keys());
    let value = Vouched { id: "b".into(), state: "free".into(), name: "Bob".into() };
    let lose = || store.loses.store(true, Ordering::Relaxed);
    lose();
    vouched.create(&value).await.unwrap();
    lose();
    vouched.set(&value).await.unwrap();
    lose();
    vouched.change("b").set(|p| p.state, "taken").run().await.unwrap();
    lose();
    vouched.modify("b", |b| b.name = "Rob".into()).await.unwrap();
    assert_eq!(store.counts().1.len(), 4, "none was sent twice");
    let read = vouched.get_stored("b").await.unwrap().unwrap();
    assert_eq!((read.revision(), read.name.as_str(), read.state.as_str()), (Some(4), "Rob", "taken"));
    let rotated = KeyRing::new(DataKey::from_bytes(&[1; 32])).with_index(IndexKey::from_bytes(&[3; 32]));
    let vouched = Repository::<Vouched>::new(store.clone(), rotated);
    lose();
    assert_eq!(vouched.reindex().run().await.unwrap().rewritten, 1);
    assert_eq!(vouched.get_stored("b").await.unwrap().unwrap().revision(), Some(5));
}
