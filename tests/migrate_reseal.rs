//! Values under older keys are sealed anew under the primary one, and nothing else changes.

#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/steps.rs"]
mod steps;
#[macro_use]
#[path = "support/stores.rs"]
mod stores;

use std::sync::Arc;

use fireseal::operations::{FailureKind, Reseal, Seal, Unseal, Verify};
use fireseal::store::{Time, ValueType};
use fireseal::{DataKey, KeyRing, Repository, Sealable};
use steps::*;

#[derive(Sealable, PartialEq)]
#[sealable(collection = "customers", debug)]
struct Customer {
    #[sealable(id)]
    id: String,
    #[sensitive(pad = 128, index)]
    ssn: String,
    #[sensitive]
    tags: Vec<String>,
    #[sensitive(bytes)]
    photo: Vec<u8>,
    #[sealable(nested)]
    phones: Vec<Phone>,
}

#[derive(Sealable, PartialEq)]
#[sealable(debug)]
struct Phone {
    #[sensitive]
    number: String,
}

fn customer(id: &str) -> Customer {
    let phones = ["1", "2"].map(|number| Phone { number: number.to_owned() });
    let (ssn, tags) = ("078-05-1120".to_owned(), vec!["a".to_owned()]);
    Customer { id: id.to_owned(), ssn, tags, photo: vec![1, 2], phones: phones.into() }
}

fn new_key() -> DataKey {
    DataKey::from_bytes(&[9; 32])
}

fn old_key() -> DataKey {
    DataKey::from_bytes(&[7; 32])
}

fn rotated() -> KeyRing {
    KeyRing::new(new_key()).with_active(old_key()).with_index(fireseal::IndexKey::from_bytes(&[8; 32]))
}

/// Without the old key, which is about to be destroyed.
fn only_new() -> KeyRing {
    KeyRing::new(new_key()).with_index(fireseal::IndexKey::from_bytes(&[8; 32]))
}

fn leaked(opening: bool) -> Leaked {
    Leaked { ring: only_new(), key: Arc::new(old_key()), opening }
}

const ALL: [&str; 4] = ["ssn", "tags", "photo", "phones[].number"];

async fn everything_goes_to_the_primary_key(store: Db) {
    let old = Repository::<Customer>::new(Arc::clone(&store), ring());
    let new = Repository::<Customer>::new(Arc::clone(&store), rotated());
    old.create(&customer("ada")).await.unwrap();
    new.create(&customer("new")).await.unwrap();
    let before = by_path(&store, "customers").await;

    // The configuration names one field; the others are sealed under keys of the scope all the same.
    let reseal = Reseal::new(sealing("customers", &["ssn"]), rotated()).unwrap();
    let pass = run(&store, "customers", &reseal).await.clean();
    assert_eq!((pass.documents, pass.written, pass.counts.resealed, pass.counts.opened), (2, 1, 5, 1));
    assert_eq!(pass.counts.keys, [(new_key().id(), 2)].into());
    run(&store, "customers", &reseal).await.idle();

    let only_new = Repository::<Customer>::new(Arc::clone(&store), only_new());
    assert_eq!(only_new.get("ada").await.unwrap().unwrap(), customer("ada"));
    let found = only_new.query().filter(|c| c.ssn.eq("078-05-1120")).all().await.unwrap();
    assert_eq!(found.len(), 2, "search is not touched");
    let after = by_path(&store, "customers").await;
    assert_eq!(before["customers/new"], after["customers/new"]);
    assert_eq!(before["customers/ada"]["_seal"], after["customers/ada"]["_seal"]);
    let length = |value: &fireseal::store::Value| match &value.value_type {
        Some(ValueType::BytesValue(bytes)) => bytes.len(),
        _ => panic!("not sealed"),
    };
    let ssn = |all: &std::collections::BTreeMap<String, fireseal::store::Fields>| {
        length(&all["customers/ada"]["ssn"])
    };
    assert_eq!((ssn(&before), ssn(&after)), (73 + 128, 73 + 128), "the padding stays");
    let verify = Verify::new(sealing("customers", &ALL), steps::ring()).unwrap();
    assert_eq!(run(&store, "customers", &verify).await.failed.len(), 2, "the old key opens nothing any more");
}

async fn the_digest_after_resealing_is_that_of_a_verification(store: Db) {
    let time = val(ValueType::TimestampValue(Time { seconds: 1, nanos: 0 }));
    put(&store, "things/one", fields([("a", time.clone()), ("b", text("x")), ("c", array([integer(1)]))]))
        .await;
    let config = || sealing("things", &["a", "b", "c"]);
    run(&store, "things", &Seal::new(config(), ring()).unwrap()).await.clean();
    let resealed = run(&store, "things", &Reseal::new(config(), rotated()).unwrap()).await.clean().counts;
    let verified = run(&store, "things", &Verify::new(config(), only_new()).unwrap()).await.clean().counts;
    assert_eq!((resealed.digest, resealed.keys), (verified.digest, verified.keys));
    // What the values were in Firestore is sealed under the new key too.
    run(&store, "things", &Unseal::new(config(), only_new()).unwrap()).await.clean();
    assert_eq!(read(&store, "things/one").await.unwrap().fields["a"], time);
}

async fn clear_values_stay_and_strange_bytes_are_left(store: Db) {
    Repository::<Customer>::new(Arc::clone(&store), ring()).create(&customer("ada")).await.unwrap();
    // Bytes that begin as an envelope does, under no key of ours, in a field that nobody said is sealed.
    let strange = bytes(&[1; 100]);
    change(&store, "customers/ada", "hash", strange.clone()).await;
    change(&store, "customers/ada", "tags", text("in the clear")).await;
    let reseal = |patterns: &[&str]| Reseal::new(sealing("customers", patterns), rotated()).unwrap();
    let pass = run(&store, "customers", &reseal(&["ssn", "tags"])).await.clean();
    assert_eq!(pass.counts.resealed, 4);
    let stored = read(&store, "customers/ada").await.unwrap().fields;
    assert_eq!((&stored["hash"], &stored["tags"]), (&strange, &text("in the clear")));
    let pass = run(&store, "customers", &reseal(&["hash"])).await;
    assert_eq!(pass.failed[0].kind, FailureKind::KeyUnknown);
    // Under a key of ours, it has to open.
    let mut ours = vec![1; 100];
    ours[1..33].copy_from_slice(new_key().id().as_bytes());
    change(&store, "customers/ada", "hash", bytes(&ours)).await;
    assert_eq!(run(&store, "customers", &reseal(&["ssn"])).await.failed[0].kind, FailureKind::DoesNotOpen);
}

async fn a_compromised_key_has_to_be_asked_for(store: Db) {
    Repository::<Customer>::new(Arc::clone(&store), ring()).create(&customer("ada")).await.unwrap();
    let before = by_path(&store, "customers").await;
    let reseal = |opening| Reseal::new(sealing("customers", &ALL), leaked(opening)).unwrap();
    for step in [reseal(false), reseal(true), reseal(false).from_compromised()] {
        let pass = run(&store, "customers", &step).await;
        assert_eq!((pass.written, pass.failed[0].kind), (0, FailureKind::KeyCompromised));
    }
    let unseal = Unseal::new(sealing("customers", &ALL), leaked(true)).unwrap();
    assert_eq!(run(&store, "customers", &unseal).await.failed[0].kind, FailureKind::KeyCompromised);
    assert_eq!(by_path(&store, "customers").await, before);

    let asked = reseal(true).from_compromised();
    let pass = run(&store, "customers", &asked).await.clean();
    assert_eq!((pass.counts.resealed, pass.counts.compromised), (5, 5));
    run(&store, "customers", &asked).await.idle();
    let new = Repository::<Customer>::new(Arc::clone(&store), only_new());
    assert_eq!(new.get("ada").await.unwrap().unwrap(), customer("ada"));
}

on_both_stores!(
    everything_goes_to_the_primary_key,
    the_digest_after_resealing_is_that_of_a_verification,
    clear_values_stay_and_strange_bytes_are_left,
    a_compromised_key_has_to_be_asked_for,
);
