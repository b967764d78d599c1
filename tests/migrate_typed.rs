//! The steps through the Rust type: unique and compound indexes, flattened fields, and the window's date.

#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/steps.rs"]
mod steps;
#[macro_use]
#[path = "support/stores.rs"]
mod stores;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fireseal::operations::{
    FailureKind, ReindexAs, ReindexFields, ResealAs, Seal, SealAs, Step, Unseal, Verify, VerifyAs,
};
use fireseal::store::{Time, ValueType};
use fireseal::{DataKey, IndexKey, KeyRing, Repository, Sealable};
use steps::*;

#[derive(Sealable, PartialEq)]
#[sealable(collection = "customers", debug, compound(name = "full_name", fields(first, last)))]
struct Customer {
    #[sealable(id)]
    id: String,
    #[sensitive(index)]
    first: String,
    #[sensitive(index)]
    last: String,
    #[sensitive(unique(normalize(email)))]
    email: Option<String>,
    #[sensitive]
    seen: firestore::FirestoreTimestamp,
    #[sealable(nested)]
    #[serde(flatten)]
    more: More,
}

#[derive(Sealable, PartialEq)]
#[sealable(debug)]
struct More {
    city: String,
    #[sensitive]
    codes: BTreeMap<i64, String>,
}

const FIELDS: [&str; 5] = ["first", "last", "email", "seen", "codes"];

fn in_clear(email: &str) -> fireseal::store::Fields {
    fields([
        ("first", text("Ada")),
        ("last", text("Lovelace")),
        ("email", text(email)),
        ("seen", val(ValueType::TimestampValue(Time { seconds: 0, nanos: 0 }))),
        ("city", text("London")),
        ("codes", map([])),
        ("unknown", integer(7)),
    ])
}

fn tomorrow() -> SystemTime {
    SystemTime::now() + Duration::from_secs(86_400)
}

fn customers(store: &Db, ring: KeyRing) -> Repository<Customer> {
    Repository::new(Arc::clone(store), ring)
}

fn rotated() -> KeyRing {
    only_new().with_active(DataKey::from_bytes(&[7; 32]))
}

fn only_new() -> KeyRing {
    KeyRing::new(DataKey::from_bytes(&[9; 32])).with_index(IndexKey::from_bytes(&[8; 32]))
}

async fn a_collection_is_sealed_through_its_type(store: Db) {
    put(&store, "customers/ada", in_clear("ada@example.org")).await;
    put(&store, "customers/bob", in_clear("bob@example.org")).await;
    let typed = customers(&store, ring());
    let seal = SealAs::new(&typed, FIELDS, tomorrow());
    let pass = run(&store, "customers", &seal).await.clean();
    assert_eq!((pass.documents, pass.written, pass.counts.sealed), (2, 2, 10));
    let again = run(&store, "customers", &seal).await.idle();
    assert_eq!((again.counts.opened, &again.counts.digest), (10, &pass.counts.digest));
    let verified = run(&store, "customers", &VerifyAs::new(&typed)).await.idle();
    assert_eq!((&verified.counts.keys, &verified.counts.digest), (&pass.counts.keys, &pass.counts.digest));

    let ada = typed.get("ada").await.unwrap().unwrap();
    assert_eq!((ada.first.as_str(), ada.email.as_deref()), ("Ada", Some("ada@example.org")));
    let found = typed.query().filter(|c| c.full_name.eq(("Ada", "Lovelace"))).all().await.unwrap();
    assert_eq!(found.len(), 2);
    assert!(typed.index_state().await.unwrap().is_complete(), "unique values are reserved");
    assert_eq!(read(&store, "customers/ada").await.unwrap().fields["unknown"], integer(7));

    // Another document has the value: nothing of it is written.
    put(&store, "customers/eve", in_clear(" ADA@example.org")).await;
    let pass = run(&store, "customers", &seal).await;
    assert_eq!((pass.written, pass.failed[0].kind), (0, FailureKind::Taken));
    assert_eq!(read(&store, "customers/eve").await.unwrap().fields, in_clear(" ADA@example.org"));
}

async fn plaintext_is_accepted_in_the_window_only(store: Db) {
    put(&store, "customers/ada", in_clear("ada@example.org")).await;
    let typed = customers(&store, ring());
    let past = SystemTime::now() - Duration::from_secs(1);
    for step in
        [SealAs::new(&typed, FIELDS, past), SealAs::new(&typed, ["first", "last", "email"], tomorrow())]
    {
        let pass = run(&store, "customers", &step).await;
        assert_eq!((pass.written, pass.failed[0].kind), (0, FailureKind::Plaintext));
    }
    // What looks sealed and does not open is a failure within the window too.
    run(&store, "customers", &SealAs::new(&typed, FIELDS, tomorrow())).await.clean();
    let sealed = read(&store, "customers/ada").await.unwrap().fields["first"].clone();
    put(
        &store,
        "customers/bob",
        fireseal::store::Fields::from_iter(
            in_clear("bob@example.org").into_iter().chain([("first".to_owned(), sealed)]),
        ),
    )
    .await;
    let pass = run(&store, "customers", &SealAs::new(&typed, FIELDS, tomorrow())).await;
    assert_eq!((pass.written, pass.failed[0].kind), (0, FailureKind::DoesNotOpen));
    assert_eq!(pass.failed[0].field.as_ref().unwrap().to_string(), "first");
}

async fn resealing_takes_everything_along(store: Db) {
    let mut clear = in_clear("ada@example.org");
    clear.remove("email");
    put(&store, "customers/ada", clear.clone()).await;
    let config = || sealing("customers", &["first", "last", "seen", "codes"]);
    // Without the type, which leaves a note of what `seen` was.
    run(&store, "customers", &Seal::new(config(), ring()).unwrap()).await.clean();
    let old = customers(&store, ring());
    run(&store, "customers", &ReindexAs::new(&old)).await.clean();
    assert!(old.index_state().await.unwrap().is_complete());

    let reseal = ResealAs::new(&customers(&store, rotated()));
    let pass = run(&store, "customers", &reseal).await.clean();
    assert_eq!((pass.written, pass.counts.resealed), (1, 4));
    assert_eq!(pass.counts.keys, [(only_new().primary().id(), 4)].into());
    run(&store, "customers", &reseal).await.idle();
    let new = customers(&store, only_new());
    let verified = run(&store, "customers", &VerifyAs::new(&new)).await.idle();
    assert_eq!(verified.counts.digest, pass.counts.digest);
    assert!(new.index_state().await.unwrap().is_complete());
    // The note is under the new key too: everything comes back as it was.
    run(&store, "customers", &Verify::new(config(), only_new()).unwrap()).await.clean();
    let compounds_too = Unseal::new(config(), only_new()).unwrap();
    run(&store, "customers", &compounds_too).await.clean();
    assert_eq!(read(&store, "customers/ada").await.unwrap().fields, clear);
}

async fn a_key_that_others_may_have_has_to_be_asked_for(store: Db) {
    put(&store, "customers/ada", in_clear("ada@example.org")).await;
    run(&store, "customers", &SealAs::new(&customers(&store, ring()), FIELDS, tomorrow())).await.clean();
    let key = Arc::new(DataKey::from_bytes(&[7; 32]));
    let reseal = |opening| {
        let keys = Leaked { ring: only_new(), key: Arc::clone(&key), opening };
        ResealAs::new(&Repository::<Customer>::new(Arc::clone(&store), keys))
    };
    for step in [reseal(false), reseal(true), reseal(false).from_compromised()] {
        let pass = run(&store, "customers", &step).await;
        assert_eq!((pass.written, pass.failed[0].kind), (0, FailureKind::KeyCompromised));
    }
    // Sealing the one field that is in the clear would write the others anew.
    let seal = || {
        let keys = Leaked { ring: only_new(), key: Arc::clone(&key), opening: true };
        SealAs::new(&Repository::<Customer>::new(Arc::clone(&store), keys), FIELDS, tomorrow())
    };
    let sealed = read(&store, "customers/ada").await.unwrap().fields["first"].clone();
    run(&store, "customers", &seal()).await.idle();
    change(&store, "customers/ada", "first", text("Ada")).await;
    let pass = run(&store, "customers", &seal()).await;
    assert_eq!((pass.written, pass.failed[0].kind), (0, FailureKind::KeyCompromised));
    assert_ne!(seal().fingerprint(), seal().from_compromised().fingerprint());
    change(&store, "customers/ada", "first", sealed).await;
    let pass = run(&store, "customers", &reseal(true).from_compromised()).await.clean();
    assert_eq!((pass.counts.resealed, pass.counts.compromised), (5, 5));
    assert_eq!(customers(&store, only_new()).get("ada").await.unwrap().unwrap().first, "Ada");
}

async fn index_entries_are_made_right_with_the_type_and_without(store: Db) {
    put(&store, "customers/ada", in_clear("ada@example.org")).await;
    let typed = customers(&store, ring());
    run(&store, "customers", &SealAs::new(&typed, FIELDS, tomorrow())).await.clean();
    let before = read(&store, "customers/ada").await.unwrap().fields["_seal"].clone();

    // Under another index key, and with entries missing and too many.
    change(&store, "customers/ada", "_seal", map([("idx", map([("seen", map([]))]))])).await;
    let pass = run(&store, "customers", &ReindexAs::new(&typed)).await.clean();
    assert_eq!((pass.written, pass.counts.indexed, pass.counts.unindexed), (1, 4, 1));
    assert!(same(&read(&store, "customers/ada").await.unwrap().fields["_seal"], &before));
    run(&store, "customers", &ReindexAs::new(&typed)).await.idle();

    // By a configuration, which does not know of the compound index and leaves it.
    let config = |last: &str| {
        config(&format!(
            r#"{{"customers": {{"fields": {{"first": {{"index": true}}, "last": {last}, "seen": {{}}, "codes": {{}}}}}}}}"#
        ))
    };
    let plain = ReindexFields::new(config("{}"), ring()).unwrap();
    let pass = run(&store, "customers", &plain).await.clean();
    assert_eq!((pass.counts.indexed, pass.counts.unindexed), (0, 1));
    run(&store, "customers", &plain).await.idle();
    assert!(!typed.index_state().await.unwrap().is_complete());
    let indexed = ReindexFields::new(config(r#"{"index": true}"#), ring()).unwrap();
    let pass = run(&store, "customers", &indexed).await.clean();
    assert_eq!((pass.counts.indexed, pass.counts.unindexed), (1, 0));
    assert!(same(&read(&store, "customers/ada").await.unwrap().fields["_seal"], &before));
    assert!(typed.index_state().await.unwrap().is_complete());

    // A rotated index key.
    let other = KeyRing::new(DataKey::from_bytes(&[7; 32])).with_index(IndexKey::from_bytes(&[1; 32]));
    let pass = run(&store, "customers", &ReindexFields::new(config(r#"{"index": true}"#), other).unwrap())
        .await
        .clean();
    assert_eq!(pass.counts.indexed, 2);
    let none = KeyRing::new(DataKey::from_bytes(&[7; 32]));
    let pass =
        run(&store, "customers", &ReindexFields::new(config(r#"{"index": true}"#), none).unwrap()).await;
    assert_eq!((pass.written, pass.failed[0].kind), (0, FailureKind::Scope));
}

on_both_stores!(
    a_collection_is_sealed_through_its_type,
    plaintext_is_accepted_in_the_window_only,
    resealing_takes_everything_along,
    a_key_that_others_may_have_has_to_be_asked_for,
    index_entries_are_made_right_with_the_type_and_without,
);
