//! Migrations of documents that have a document seal: through the type it is verified and made anew, without the
//! type nothing is written that would break it.

#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/account.rs"]
mod account;
#[macro_use]
#[path = "support/stores.rs"]
mod stores;

use std::sync::Arc;

use account::{Account, Db, account, accounts, path, stored};
use fireseal::operations::{
    CollectionConfig, Field, Job, ReindexAs, Report, Reseal, ResealAs, Step, Unseal, Verify, VerifyAs,
};
use fireseal::store::{FieldMask, Fields, From, Value, ValueType, Write};
use fireseal::{CollectionPath, DataKey, IndexKey, KeyRing, Repository};

on_both_stores!(
    resealing_through_the_type_makes_the_seal_anew,
    a_changed_document_is_not_resealed,
    without_the_type_the_seal_is_not_broken,
);

/// The keys after a rotation.
fn newer() -> KeyRing {
    KeyRing::new(DataKey::from_bytes(&[3; 32]))
        .with_active(DataKey::from_bytes(&[1; 32]))
        .with_index(IndexKey::from_bytes(&[2; 32]))
}

fn rotated(db: &Db) -> Repository<Account> {
    Repository::new(Arc::clone(db), newer())
}

async fn run(db: &Db, step: impl Step + 'static) -> Report {
    let from = From::Collection(CollectionPath::parse("accounts").unwrap());
    Job::new(Arc::clone(db), from, step).run(|_| ()).await.unwrap()
}

async fn filled(db: &Db) {
    for id in ["ada", "bea", "cleo"] {
        accounts(db).create(&account(id)).await.unwrap();
    }
}

async fn resealing_through_the_type_makes_the_seal_anew(db: Db) {
    filled(&db).await;
    let report = run(&db, ResealAs::new(&rotated(&db))).await;
    assert_eq!((report.run.written, report.run.failed), (3, 0), "{report:?}");
    // The old key is of no use any more.
    let without = KeyRing::new(DataKey::from_bytes(&[3; 32])).with_index(IndexKey::from_bytes(&[2; 32]));
    let without = Repository::<Account>::new(Arc::clone(&db), without);
    for id in ["ada", "bea", "cleo"] {
        let opened = without.get_stored(id).await.unwrap().unwrap();
        assert_eq!((opened.email.as_str(), opened.revision()), (account(id).email.as_str(), Some(2)));
    }
    assert_eq!(without.query().filter(|a| a.email.eq("bea@example.com")).all().await.unwrap().len(), 1);
    // A second pass, a check of the values and one of the indexes find nothing to write.
    assert_eq!(run(&db, ResealAs::new(&rotated(&db))).await.run.written, 0);
    assert_eq!(run(&db, ReindexAs::new(&rotated(&db))).await.run.written, 0);
    let verified = run(&db, VerifyAs::new(&rotated(&db))).await;
    assert_eq!((verified.run.written, verified.run.failed), (0, 0), "{verified:?}");
}

async fn a_changed_document_is_not_resealed(db: Db) {
    filled(&db).await;
    let role = Value { value_type: Some(ValueType::StringValue("admin".to_owned())) };
    let forged = Fields::from([("role".to_owned(), role)]);
    let mask = FieldMask::new(vec![vec!["role".to_owned()]]);
    db.commit(vec![Write::merge(path("bea"), forged, mask)]).await.unwrap();
    for report in [
        run(&db, ResealAs::new(&rotated(&db))).await,
        run(&db, VerifyAs::new(&rotated(&db))).await,
        run(&db, ReindexAs::new(&rotated(&db))).await,
    ] {
        assert_eq!(report.run.failed, 1, "{report:?}");
    }
    assert!(rotated(&db).get("bea").await.is_err());
    assert!(rotated(&db).get("ada").await.is_ok());
}

async fn without_the_type_the_seal_is_not_broken(db: Db) {
    filled(&db).await;
    let before = stored(&db, "ada").await;
    let config = CollectionConfig::new(
        "accounts",
        vec![Field::new("phone".parse().unwrap()), Field::new("email".parse().unwrap())],
    );
    for report in [
        run(&db, Reseal::new(config.clone(), newer()).unwrap()).await,
        run(&db, Unseal::new(config.clone(), newer()).unwrap()).await,
    ] {
        assert_eq!((report.run.written, report.run.failed), (0, 3), "{report:?}");
        assert!(
            report.failures.iter().all(|failure| failure.reason.contains("through the type")),
            "{report:?}"
        );
    }
    assert_eq!(stored(&db, "ada").await.update_time, before.update_time);
    // Unsealing the only sealed fields would remove the document seal with the last of them; and what is not
    // verified is not told to be right.
    let all = CollectionConfig::new(
        "accounts",
        ["email", "name", "phone", "card.number"].map(|name| Field::new(name.parse().unwrap())).into(),
    );
    for report in [
        run(&db, Unseal::new(all.clone(), newer()).unwrap()).await,
        run(&db, Verify::new(all, newer()).unwrap()).await,
    ] {
        assert_eq!((report.run.written, report.run.failed), (0, 3), "{report:?}");
        assert!(
            report.failures.iter().all(|failure| failure.reason.contains("through the type")),
            "{report:?}"
        );
    }
    assert_eq!(stored(&db, "ada").await.update_time, before.update_time);
}
