//! Every change of an authenticated document by somebody who writes the database without a key, against every
//! way to read it: refused, or not in the answer. What Firestore itself changes is no change.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

#[macro_use]
#[path = "support/stores.rs"]
mod stores;
#[path = "support/account.rs"]
mod account;
#[path = "support/promise.rs"]
mod promise;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fireseal::store::{Document, Fields, FirestoreStore, Time, ValueType};
use fireseal::{
    AdoptionWindow, Batch, Cause, DataKey, Error, IndexKey, KeyRing, Repository, SealedRepository, Stored,
    Unauthentic, Watch, WatchEvent, snapshot, transaction,
};
use fireseal_emulator::Emulator;
use futures::{StreamExt, TryStreamExt};
use std::time::{Duration, SystemTime};

use account::*;
use promise::Promise;

type Found = Vec<Result<Account, Error>>;

/// Every way to read the document `ada`.
const PATHS: [&str; 32] = [
    "get",
    "get stored",
    "get many",
    "get at least",
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
    "collection group",
    "transaction get",
    "transaction query",
    "snapshot",
    "batch",
    "companion get",
    "companion get many",
    "companion list",
    "companion query",
    "companion partial",
    "watch",
    "watch all",
    "watch query",
    "watch by an index",
    "companion watch",
    "companion watch all",
    "companion watch query",
    "modify",
];

fn one(read: Result<Option<Account>, Error>) -> Found {
    read.transpose().into_iter().collect()
}

fn many(read: Result<Vec<Stored<Account>>, Error>) -> Found {
    match read {
        Ok(all) => all.into_iter().map(|account| Ok(account.into_inner())).collect(),
        Err(error) => vec![Err(error)],
    }
}

fn inner(read: Result<Stored<Account>, Error>) -> Result<Account, Error> {
    read.map(Stored::into_inner)
}

async fn companions(read: Vec<Stored<account::SealedAccount>>) -> Found {
    let mut found = Vec::new();
    for sealed in read {
        found.push(sealed.open(&keys()).await.map_err(Error::from));
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

/// What opened in part, as a whole.
fn whole(partial: Stored<fireseal::Partial<Account>>) -> Result<Account, Error> {
    let mut account = account("ada");
    account.role.clone_from(&partial.role);
    account.email = partial.into_inner().email.unwrap();
    Ok(account)
}

async fn read(path: &str, db: &Db) -> Found {
    let (accounts, id) = (accounts(db), "ada");
    let sealed = SealedRepository::<Account>::new(Arc::clone(db));
    let by_email = accounts.query().filter(|a| a.email.eq(email(id)));
    match path {
        "get" => one(accounts.get(id).await),
        "get stored" => many(accounts.get_stored(id).await.map(Vec::from_iter)),
        "get many" => many(accounts.get_many(&[id]).await.map(|all| all.into_iter().flatten().collect())),
        "get at least" => many(accounts.get_at_least(id, 1).await.map(Vec::from_iter)),
        "get partial" => match accounts.get_partial(id).await {
            Ok(partial) => partial.into_iter().map(whole).collect(),
            Err(error) => vec![Err(error)],
        },
        "list page" => many(accounts.list().page().await.map(|page| page.documents)),
        "list stream" => many(accounts.list().page_size(1).stream().try_collect().await),
        "query all" => many(accounts.query().all().await),
        "query stream" => accounts.query().stream().await.unwrap().map(inner).collect().await,
        "query page" => {
            let page = accounts.query().page(10, None).await.unwrap();
            page.documents.into_iter().map(inner).collect()
        }
        "query first" => many(accounts.query().filter(|a| a.id.eq(id)).first().await.map(Vec::from_iter)),
        "query by an index" => many(by_email.all().await),
        "query by an index and a clear field" => {
            let query = by_email.filter(|a| a.role.eq("user").or(a.email.eq("nobody@example.com")));
            many(query.all().await)
        }
        "query to the last" => {
            let query = accounts.query().order_by(|a| a.visits.descending()).limit_to_last(10);
            query.stream().await.unwrap().map(inner).collect().await
        }
        "collection group" => accounts.query_group().stream().await.unwrap().map(inner).collect().await,
        "transaction get" => {
            let read = transaction(db, |within| {
                let accounts = within.on(&accounts);
                async move { accounts.get(id).await }
            });
            one(read.await)
        }
        "transaction query" => {
            let read = transaction(db, |within| {
                let accounts = within.on(&accounts);
                async move { accounts.query().all().await }
            });
            many(read.await)
        }
        "snapshot" => {
            let read = snapshot(db, None, |within| {
                let accounts = within.on(&accounts);
                async move { accounts.query().all().await }
            });
            many(read.await)
        }
        "batch" => one(Batch::new(db).on(&accounts).get(id).await),
        "companion get" => companions(sealed.get(id).await.unwrap().into_iter().collect()).await,
        "companion get many" => {
            companions(sealed.get_many(&[id]).await.unwrap().into_iter().flatten().collect()).await
        }
        "companion list" => companions(sealed.list().page().await.unwrap().documents).await,
        "companion query" => companions(sealed.query().all().await.unwrap()).await,
        "companion partial" => {
            let partial = sealed.get(id).await.unwrap().unwrap().open_partial(&keys()).await;
            vec![partial.map_err(Error::from).and_then(whole)]
        }
        "watch" => watched(accounts.watch(id).unwrap()).await.into_iter().map(inner).collect(),
        "watch all" => watched(accounts.watch_all()).await.into_iter().map(inner).collect(),
        "watch query" => {
            let watch = accounts.query().filter(|a| a.visits.ge(0)).watch().await.unwrap();
            watched(watch).await.into_iter().map(inner).collect()
        }
        "watch by an index" => {
            watched(by_email.watch().await.unwrap()).await.into_iter().map(inner).collect()
        }
        "companion watch" => told(sealed.watch(id).unwrap()).await,
        "companion watch all" => told(sealed.watch_all()).await,
        "companion watch query" => {
            told(sealed.query().filter(|a| a.visits.ge(0)).watch().await.unwrap()).await
        }
        "modify" => {
            // Refused, it changes nothing; else the forgery would be sealed by us.
            let modified = accounts.modify(id, |account| account.visits += 0).await;
            many(modified.map(Vec::from_iter))
        }
        path => panic!("no path {path}"),
    }
}

async fn told(watch: Watch<account::SealedAccount>) -> Found {
    companions(watched(watch).await.into_iter().map(Result::unwrap).collect()).await
}

/// The document as it is now and was before, and another one: what a forgery is made of.
struct Scene {
    now: Document,
    before: Document,
    other: Document,
}

async fn scene(db: &Db) -> Scene {
    let accounts = accounts(db);
    for id in ["ada", "bob"] {
        accounts.create(&account(id)).await.unwrap();
    }
    let before = stored(db, "ada").await;
    let written = accounts.modify("ada", |ada| {
        ada.role = "owner".to_owned();
        ada.phone = Some("556".to_owned());
        ada.name = "Augusta King".to_owned();
    });
    assert_eq!(written.await.unwrap().unwrap().revision(), Some(2));
    // Back to what queries ask for, as a third version.
    accounts.modify("ada", |ada| ada.role = "user".to_owned()).await.unwrap().unwrap();
    Scene { now: stored(db, "ada").await, before, other: stored(db, "bob").await }
}

type Forgery = (&'static str, fn(&mut Fields, &mut Scene));

/// Puts a name into a sorted list of the seal.
fn add_name(fields: &mut Fields, list: &str, name: &str) {
    let names = array(seal(fields), list);
    names.push(text(name));
    names.sort_by_key(|name| format!("{name:?}"));
}

fn remove_name(fields: &mut Fields, list: &str, name: &str) {
    array(seal(fields), list).retain(|other| *other != text(name));
}

fn copy(to: &mut Fields, from: &Fields, name: &str) {
    to.insert(name.to_owned(), from[name].clone());
}

const FORGERIES: &[Forgery] = &[
    ("a clear text", |f, _| drop(f.insert("role".into(), text("admin")))),
    ("a clear number", |f, _| drop(f.insert("limit".into(), double(1e9)))),
    ("the integer of a double", |f, _| drop(f.insert("limit".into(), int(10)))),
    ("a clear time, by a microsecond", |f, _| {
        let time = Time { seconds: 1_700_000_000, nanos: 123_457_000 };
        f.insert("since".into(), value(ValueType::TimestampValue(time)));
    }),
    ("an entry of a clear map", |f, _| drop(map(f, "shares").insert("one".into(), double(0.5)))),
    ("another entry of a clear map", |f, _| drop(map(f, "shares").insert("four".into(), double(0.5)))),
    ("no entry of a clear map", |f, _| drop(map(f, "shares").remove("one"))),
    ("the order of an array", |f, _| array(f, "tags").reverse()),
    ("an element more", |f, _| array(f, "tags").push(text("admin"))),
    ("an element less", |f, _| drop(array(f, "tags").pop())),
    ("a clear value inside a nested one", |f, _| drop(map(f, "card").insert("bank".into(), text("other")))),
    ("no optional clear field", |f, _| drop(f.remove("note"))),
    ("null for it", |f, _| drop(f.insert("note".into(), value(ValueType::NullValue(0))))),
    ("no optional sealed field", |f, _| drop(f.remove("phone"))),
    ("no optional nested value", |f, _| drop(f.remove("card"))),
    ("an unknown field", |f, _| drop(f.insert("admin".into(), text("yes")))),
    ("a field under its alias", |f, _| {
        let role = f.remove("role").unwrap();
        f.insert("part".into(), role);
    }),
    ("an older sealed value", |f, s| copy(f, &s.before.fields, "phone")),
    ("an older sealed value with its tokens", |f, s| {
        copy(f, &s.before.fields, "name");
        let name = tokens(&mut s.before.fields)["name"].clone();
        tokens(f).insert("name".into(), name);
    }),
    ("all older sealed values", |f, s| {
        for name in ["email", "name", "phone", "card"] {
            copy(f, &s.before.fields, name);
        }
    }),
    ("an envelope as text", |f, _| {
        let envelope = STANDARD.encode(bytes_in(f, "phone"));
        f.insert("phone".into(), text(&format!("fireseal:{envelope}")));
    }),
    ("another's envelope", |f, s| copy(f, &s.other.fields, "phone")),
    ("a bit of a tag", |f, _| *bytes_in(f, "phone").last_mut().unwrap() ^= 1),
    ("another's token", |f, s| {
        let email = tokens(&mut s.other.fields)["email"].clone();
        tokens(f).insert("email".into(), email);
    }),
    ("a token less", |f, _| drop(array(map(tokens(f), "name"), "words").pop())),
    ("an entry less", |f, _| drop(tokens(f).remove("name"))),
    ("no tokens", |f, _| tokens(f).clear()),
    ("no index", |f, _| drop(map(f, "_seal").remove("idx"))),
    ("an entry more", |f, _| {
        let entry = tokens(f)["email"].clone();
        tokens(f).insert("phone".into(), entry);
    }),
    ("another index epoch", |f, _| bytes_in(map(tokens(f), "name"), "key")[0] ^= 1),
    ("something else in `_seal`", |f, _| drop(map(f, "_seal").insert("new".into(), int(1)))),
    ("no seal", |f, _| drop(map(f, "_seal").remove("doc"))),
    ("no `_seal`", |f, _| drop(f.remove("_seal"))),
    ("null for `_seal`", |f, _| drop(f.insert("_seal".into(), value(ValueType::NullValue(0))))),
    ("another's seal", |f, s| {
        drop(map(f, "_seal").insert("doc".into(), map_of(seal(&mut s.other.fields).clone())))
    }),
    ("an older seal", |f, s| {
        drop(map(f, "_seal").insert("doc".into(), map_of(seal(&mut s.before.fields).clone())))
    }),
    ("a seal of another kind", |f, _| drop(map(f, "_seal").insert("doc".into(), text("sealed")))),
    ("an empty seal", |f, _| seal(f).clear()),
    ("a later revision", |f, _| drop(seal(f).insert("rev".into(), int(5)))),
    ("an earlier revision", |f, _| drop(seal(f).insert("rev".into(), int(2)))),
    ("revision 0", |f, _| drop(seal(f).insert("rev".into(), int(0)))),
    ("a negative revision", |f, _| drop(seal(f).insert("rev".into(), int(-3)))),
    ("the double of a revision", |f, _| drop(seal(f).insert("rev".into(), double(3.0)))),
    ("version 2", |f, _| drop(seal(f).insert("v".into(), int(2)))),
    ("something else in the seal", |f, _| drop(seal(f).insert("new".into(), int(1)))),
    ("no code", |f, _| drop(seal(f).remove("mac"))),
    ("an empty code", |f, _| bytes_in(seal(f), "mac").clear()),
    ("a shorter code", |f, _| bytes_in(seal(f), "mac").truncate(16)),
    ("a longer code", |f, _| bytes_in(seal(f), "mac").push(0)),
    ("a field left out", |f, _| {
        f.insert("role".into(), text("admin"));
        remove_name(f, "covered", "role");
        add_name(f, "unbound", "role");
    }),
    ("a field in both lists", |f, _| {
        f.insert("role".into(), text("admin"));
        add_name(f, "unbound", "role");
    }),
    ("a field out of both lists", |f, _| {
        f.insert("role".into(), text("admin"));
        remove_name(f, "covered", "role");
    }),
    ("a deleted field out of the list", |f, _| {
        f.remove("note");
        remove_name(f, "covered", "note");
    }),
    ("an unbound name less", |f, _| remove_name(f, "unbound", "seen")),
    ("an unbound name more", |f, _| add_name(f, "unbound", "zone")),
    ("a name twice", |f, _| add_name(f, "covered", "role")),
    ("`_seal` among the names", |f, _| add_name(f, "unbound", "_seal")),
    ("names in another order", |f, _| array(seal(f), "covered").reverse()),
    ("a name that is none", |f, _| array(seal(f), "unbound").push(int(1))),
];

on_both_stores!(
    no_forgery_is_accepted_on_any_path,
    what_is_left_out_may_change,
    every_bit_of_the_seal_counts,
    a_seal_is_of_its_place,
    keys_that_vouch_for_nothing,
    a_missing_seal_passes_in_a_window_only,
    a_field_that_was_unbound_passes_in_a_window_only,
);

async fn no_forgery_is_accepted_on_any_path(db: Db) {
    let mut scene = scene(&db).await;
    for path in PATHS {
        let found = read(path, &db).await;
        assert!(found.iter().flatten().any(|found| found.id == "ada"), "{path} does not find her: {found:?}");
    }
    // One path writes.
    scene.now = stored(&db, "ada").await;
    let promise = Promise::new("authenticated_documents");
    let (mut tries, mut accepted, mut told) = (0, 0, 0);
    let mut count = |forgery: &str, how: &str, is_accepted: bool| {
        tries += 1;
        accepted += u32::from(is_accepted);
        promise.holds(!is_accepted, || format!("{forgery}, {how}"));
    };
    for (forgery, forge) in FORGERIES {
        let mut forged = scene.now.clone();
        let mut around =
            Scene { now: scene.now.clone(), before: scene.before.clone(), other: scene.other.clone() };
        forge(&mut forged.fields, &mut around);
        assert_ne!(forged.fields, scene.now.fields, "{forgery} changes nothing");
        put(&db, forged).await;
        for path in PATHS {
            let found = read(path, &db).await;
            told += found.iter().filter(|found| found.is_err()).count();
            count(forgery, path, found.iter().flatten().any(|found| found.id == "ada"));
            for error in found.iter().filter_map(|found| found.as_ref().err()) {
                assert!(
                    matches!(error, Error::Open(_) | Error::OtherType { .. }),
                    "{forgery}, {path}: {error}"
                );
                assert!(error.to_string().contains("accounts/ada"), "{forgery}, {path}: {error}");
            }
        }
        assert!(matches!(accounts(&db).get("ada").await, Err(Error::Open(_))), "{forgery}");
        for write in ["set", "update", "change", "delete_fields", "save partially"] {
            count(forgery, write, written(&db, write).await);
        }
    }
    let (forgeries, paths) = (FORGERIES.len(), PATHS.len());
    println!("{forgeries} forgeries, {paths} paths: {tries} tries, {told} told, {accepted} accepted");
    promise.finish();
}

/// Whether a write over a forgery goes through: it would seal it.
async fn written(db: &Db, how: &str) -> bool {
    let accounts = accounts(db);
    let result = match how {
        "set" => accounts.set(&account("ada")).await.map(drop),
        "update" => accounts.update(&account("ada"), &["limit"]).await.map(drop),
        "change" => accounts.change("ada").set(|a| a.limit, 1.0).run().await.map(drop),
        "delete_fields" => accounts.delete_fields("ada", &["note"]).await.map(drop),
        _ => match accounts.get_partial_unverified("ada").await {
            Ok(Some(mut partial)) => accounts.save_partial(&mut partial).await,
            Ok(None) => panic!("she is there"),
            Err(error) => Err(error),
        },
    };
    result.is_ok()
}

async fn what_is_left_out_may_change(db: Db) {
    let accounts = accounts(&db);
    accounts.create(&account("ada")).await.unwrap();
    tamper(&db, "ada", |fields| {
        fields.insert("visits".into(), int(7));
        let time = Time { seconds: 1, nanos: 0 };
        fields.insert("seen".into(), value(ValueType::TimestampValue(time)));
        map(fields, "_seal").insert("write".into(), bytes(&[3; 16]));
        // What Firestore may make of a value.
        let shares = map(fields, "shares");
        shares.insert("one".into(), double(0.0));
        shares.insert("two".into(), double(f64::from_bits(0xfff8_0000_0000_0007)));
    })
    .await;
    for path in PATHS {
        let found = read(path, &db).await;
        assert!(found.iter().flatten().any(|found| found.id == "ada"), "{path}: {found:?}");
    }
    assert_eq!(accounts.get("ada").await.unwrap().unwrap().visits, 7);
}

async fn every_bit_of_the_seal_counts(db: Db) {
    let accounts = accounts(&db);
    accounts.create(&account("ada")).await.unwrap();
    let genuine = stored(&db, "ada").await;
    let promise = Promise::new("authenticated_documents");
    let (mut tries, mut accepted) = (0, 0);
    for name in ["mac", "key"] {
        // Over the network a sample is enough: the check is the same.
        for bit in (0..256).step_by(5) {
            let mut forged = genuine.clone();
            bytes_in(seal(&mut forged.fields), name)[bit / 8] ^= 1 << (bit % 8);
            put(&db, forged).await;
            tries += 1;
            let read = accounts.get("ada").await;
            promise.holds(read.is_err(), || format!("{name}, bit {bit}"));
            match read {
                Ok(_) => accepted += 1,
                result => match (name, cause(result)) {
                    ("mac", Unauthentic::Changed) | ("key", Unauthentic::Key(Cause::KeyUnknown(_))) => {}
                    (name, cause) => panic!("{name}: {cause}"),
                },
            }
        }
    }
    println!("{tries} bits, {accepted} accepted");
    promise.finish();
    put(&db, genuine).await;
    assert!(accounts.get("ada").await.unwrap().is_some());
}

/// Documents in which nothing but the document seal is sealed are bound to their place by it.
async fn a_seal_is_of_its_place(db: Db) {
    let bare = |id: &str| Account { phone: None, card: None, ..account(id) };
    accounts(&db).create(&bare("ada")).await.unwrap();
    let ada = stored(&db, "ada").await;
    for id in ["eve", "ada2"] {
        let mut copy = Document { path: path(id), ..ada.clone() };
        copy.fields.insert("id".into(), text(id));
        put(&db, copy).await;
        assert_eq!(cause(accounts(&db).get(id).await), Unauthentic::Changed);
    }
    let staging = accounts(&db).with_realm("staging").unwrap();
    assert_eq!(cause(staging.get("ada").await), Unauthentic::Changed);
    let below = Document { path: fireseal::DocumentPath::parse("tenants/a/accounts/ada").unwrap(), ..ada };
    put(&db, below).await;
    let below = accounts(&db).under("tenants/a").unwrap();
    assert_eq!(cause(below.get("ada").await), Unauthentic::Changed);
    assert!(accounts(&db).get("ada").await.unwrap().is_some());
}

async fn keys_that_vouch_for_nothing(db: Db) {
    let old = || DataKey::from_bytes(&[1; 32]);
    let ring = || KeyRing::new(DataKey::from_bytes(&[9; 32])).with_index(IndexKey::from_bytes(&[2; 32]));
    let read = |ring: KeyRing| {
        let accounts = Repository::<Account>::new(Arc::clone(&db), ring);
        async move { accounts.get("ada").await }
    };
    accounts(&db).create(&account("ada")).await.unwrap();
    let id = old().id();
    let key = |cause: Cause| Unauthentic::Key(cause);
    assert_eq!(cause(read(ring()).await), key(Cause::KeyUnknown(id)));
    assert_eq!(cause(read(ring().with_retired(id)).await), key(Cause::KeyRetired(id)));
    assert_eq!(cause(read(ring().with_destroyed(id)).await), key(Cause::KeyDestroyed(id)));
    assert_eq!(cause(read(ring().with_compromised(id)).await), key(Cause::KeyCompromised(id)));
    // Whoever has the old key can make any seal with it: told to open with it, the ring still does not trust it.
    let trusted = ring().with_active(old()).with_compromised(id);
    assert_eq!(cause(read(trusted).await), key(Cause::KeyCompromised(id)));
    assert!(read(ring().with_active(old())).await.unwrap().is_some());
}

fn window(collection: &str, open: bool) -> Arc<AdoptionWindow> {
    let now = SystemTime::now();
    let until = if open { now + Duration::from_secs(600) } else { now };
    Arc::new(AdoptionWindow::new(collection, until))
}

async fn a_missing_seal_passes_in_a_window_only(db: Db) {
    accounts(&db).create(&account("ada")).await.unwrap();
    tamper(&db, "ada", |fields| drop(map(fields, "_seal").remove("doc"))).await;
    assert_eq!(cause(accounts(&db).get("ada").await), Unauthentic::Unsealed);
    assert_eq!(cause(accounts(&db).set(&account("ada")).await), Unauthentic::Unsealed);
    for closed in [window("accounts", false), window("customers", true)] {
        let adopting = accounts(&db).dangerously_accept_unsealed(Arc::clone(&closed));
        assert_eq!(cause(adopting.get("ada").await), Unauthentic::Unsealed);
        assert_eq!(closed.accepted(), 0);
    }
    let open = window("accounts", true);
    let adopting = accounts(&db).dangerously_accept_unsealed(Arc::clone(&open));
    let read = adopting.get_stored("ada").await.unwrap().unwrap();
    assert_eq!((read.revision(), open.accepted()), (None, 1));
    // A floor holds in a window too.
    assert_eq!(cause(adopting.get_at_least("ada", 1).await), Unauthentic::Older { revision: 0, floor: 1 });
    let before = open.accepted();
    adopting.modify("ada", |_| {}).await.unwrap().unwrap();
    assert!(open.accepted() > before);
    let sealed = accounts(&db).get_stored("ada").await.unwrap().unwrap();
    assert_eq!(sealed.revision(), Some(1));
    // A wrong seal is none that is missing.
    tamper(&db, "ada", |fields| drop(fields.insert("role".into(), text("admin")))).await;
    assert_eq!(cause(adopting.get("ada").await), Unauthentic::Changed);
}

/// The same collection in a program for which `role` is unbound.
mod loose {
    use fireseal::Sealable;

    #[derive(Sealable)]
    #[sealable(collection = "accounts", authenticated)]
    pub struct Loose {
        #[sealable(id)]
        pub id: String,
        #[sealable(unbound)]
        pub role: String,
        #[sensitive]
        pub phone: Option<String>,
    }

    #[derive(Sealable)]
    #[sealable(collection = "accounts", authenticated)]
    pub struct Strict {
        #[sealable(id)]
        pub id: String,
        pub role: String,
        #[sensitive]
        pub phone: Option<String>,
    }
}

async fn a_field_that_was_unbound_passes_in_a_window_only(db: Db) {
    let loose = Repository::<loose::Loose>::new(Arc::clone(&db), keys());
    let strict = Repository::<loose::Strict>::new(Arc::clone(&db), keys());
    let value = loose::Loose { id: "ada".into(), role: "user".into(), phone: Some("555".into()) };
    loose.create(&value).await.unwrap();
    tamper(&db, "ada", |fields| drop(fields.insert("role".into(), text("owner")))).await;
    assert_eq!(loose.get("ada").await.unwrap().unwrap().role, "owner");
    assert_eq!(cause(strict.get("ada").await), Unauthentic::Uncovered { field: "role".into() });
    let open = window("accounts", true);
    let adopting = strict.clone().dangerously_accept_unsealed(Arc::clone(&open));
    adopting.modify("ada", |_| {}).await.unwrap().unwrap();
    assert!(open.accepted() > 0);
    assert_eq!(strict.get("ada").await.unwrap().unwrap().role, "owner");
    // The other program reads what is stricter.
    assert_eq!(loose.get("ada").await.unwrap().unwrap().phone.as_deref(), Some("555"));
    tamper(&db, "ada", |fields| drop(fields.insert("role".into(), text("admin")))).await;
    assert_eq!(cause(strict.get("ada").await), Unauthentic::Changed);
    assert_eq!(cause(loose.get("ada").await), Unauthentic::Changed);
}

/// A document that was read and put back over REST, as by an export, is the same one.
#[tokio::test]
async fn what_rest_changes_is_no_change() {
    let project = Emulator::shared().await.unwrap().project().unwrap();
    let store = FirestoreStore::new(project.firestore().await.unwrap());
    let db: Db = Arc::new(store);
    accounts(&db).create(&account("ada")).await.unwrap();
    let ada = accounts(&db).get_stored("ada").await.unwrap().unwrap();
    assert!(ada.shares["one"].is_sign_negative(), "kept over gRPC");

    let fields = project.document("accounts/ada").await.unwrap().unwrap()["fields"].clone();
    project.remove("accounts/ada").await.unwrap();
    project.put("accounts/ada", &fields).await.unwrap();
    let back = accounts(&db).get("ada").await.unwrap().unwrap();
    println!("-0.0 over REST: {:?}; 1.0: {:?}", back.shares["one"], stored(&db, "ada").await.fields["limit"]);
    assert_eq!(stored(&db, "ada").await.fields["limit"], double(10.0), "a double stays one");
    assert!(back.shares["two"].is_nan());
    assert_eq!(back.role, "user");

    // The same with a changed value.
    let mut forged = fields.clone();
    forged["role"] = serde_json::json!({ "stringValue": "admin" });
    project.put("accounts/ada", &forged).await.unwrap();
    assert_eq!(cause(accounts(&db).get("ada").await), Unauthentic::Changed);
    project.put("accounts/ada", &fields).await.unwrap();
    assert!(accounts(&db).get("ada").await.unwrap().is_some());
}
