//! Migrations of documents that have a document seal: through the type it is verified and made anew, without the
//! type nothing is written that would break it.

#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/account.rs"]
mod account;
#[path = "support/steps.rs"]
mod steps;
#[macro_use]
#[path = "support/stores.rs"]
mod stores;

use std::sync::Arc;

use account::{Account, Db, account, accounts, path, stored};
use fireseal::operations::{
    CollectionConfig, Field, Job, ReindexAs, Report, Reseal, ResealAs, Step, Unseal, UnsealAs, Verify,
    VerifyAs,
};
use fireseal::store::{FieldMask, Fields, From, Value, ValueType, Write};
use fireseal::{CollectionPath, DataKey, DocumentPath, IndexKey, KeyRing, Repository, Sealable};
use steps::Leaked;

on_both_stores!(
    resealing_through_the_type_makes_the_seal_anew,
    a_changed_document_is_not_resealed,
    without_the_type_the_seal_is_not_broken,
    through_the_type_documents_leave,
    what_was_changed_or_is_not_known_does_not_leave,
    reservations_go_with_their_values,
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
    db.commit(&[Write::merge(path("bea"), forged, mask)]).await.unwrap();
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

async fn through_the_type_documents_leave(db: Db) {
    filled(&db).await;
    let dry = Job::new(
        Arc::clone(&db),
        From::Collection(CollectionPath::parse("accounts").unwrap()),
        UnsealAs::new(&accounts(&db)),
    );
    let dry = dry.dry_run().run(|_| ()).await.unwrap();
    assert_eq!((dry.run.written, dry.run.counts.unsealed), (3, 12), "{dry:?}");
    assert!(stored(&db, "ada").await.fields.contains_key("_seal"));

    let sealed = stored(&db, "ada").await.fields;
    let report = run(&db, UnsealAs::new(&accounts(&db))).await;
    assert_eq!((report.run.written, report.run.failed, report.run.counts.unsealed), (3, 0, 12), "{report:?}");
    let text = |text: &str| Some(ValueType::StringValue(text.to_owned()));
    let plain = stored(&db, "ada").await.fields;
    assert_eq!(plain["email"].value_type, text("ada@example.com"));
    assert_eq!(plain["name"].value_type, text("ada Lovelace"));
    assert_eq!(plain["phone"].value_type, text("555"));
    let Some(ValueType::MapValue(card)) = &plain["card"].value_type else { panic!("{plain:?}") };
    assert_eq!(card.fields["number"].value_type, text("4111 ada"));
    assert!(!plain.contains_key("_seal"));
    for (name, value) in sealed {
        let is_sealed = ["email", "name", "phone", "card", "_seal"].contains(&name.as_str());
        // One of the shares is not a number, which is equal to nothing.
        assert!(is_sealed || name == "shares" || plain[&name] == value, "{name} was changed");
    }
    let again = run(&db, UnsealAs::new(&accounts(&db))).await;
    assert_eq!((again.run.unchanged, again.run.written, again.run.failed), (3, 0, 0), "{again:?}");
}

async fn what_was_changed_or_is_not_known_does_not_leave(db: Db) {
    filled(&db).await;
    let merge = async |id: &str, name: &str, value: Value| {
        let mask = FieldMask::new(vec![vec![name.to_owned()]]);
        db.commit(&[Write::merge(path(id), Fields::from([(name.to_owned(), value)]), mask)]).await
    };
    let role = Value { value_type: Some(ValueType::StringValue("admin".to_owned())) };
    merge("ada", "role", role).await.unwrap();
    let times = async || [stored(&db, "ada").await.update_time, stored(&db, "bea").await.update_time];
    // A value that is sealed for another document.
    let stranger = stored(&db, "cleo").await.fields["phone"].clone();
    merge("bea", "phone", stranger).await.unwrap();
    let before = times().await;
    let report = run(&db, UnsealAs::new(&accounts(&db))).await;
    assert_eq!((report.run.written, report.run.failed), (1, 2), "{report:?}");
    assert_eq!(before, times().await);
}

#[derive(Sealable, Clone)]
#[sealable(collection = "members")]
struct Member {
    #[sealable(id)]
    id: String,
    #[sensitive(unique)]
    email: String,
}

async fn reservations_go_with_their_values(db: Db) {
    let members = Repository::<Member>::new(Arc::clone(&db), account::keys());
    for id in ["ada", "bea"] {
        members.create(&Member { id: id.to_owned(), email: format!("{id}@example.com") }).await.unwrap();
    }
    let path = |id: &str| DocumentPath::parse(&format!("members/{id}")).unwrap();
    let from = || From::Collection(CollectionPath::parse("members").unwrap());
    let unseal = async |step: UnsealAs<Member>| {
        let report = Job::new(Arc::clone(&db), from(), step).run(|_| ()).await.unwrap();
        let kinds: Vec<_> = report.failures.iter().map(|failure| failure.kind.clone()).collect();
        (report.run.written, kinds)
    };
    // A sealed value in a field that the type does not have: a newer type made it, perhaps.
    let email = db.read(&[path("ada")], None).await.unwrap().pop().flatten().unwrap().fields["email"].clone();
    let mask = FieldMask::new(vec![vec!["phone".to_owned()]]);
    let phone = Fields::from([("phone".to_owned(), email)]);
    db.commit(&[Write::merge(path("ada"), phone, mask.clone())]).await.unwrap();
    // Others have the key.
    let leaked = |opening| {
        let ring = KeyRing::new(DataKey::from_bytes(&[3; 32])).with_index(IndexKey::from_bytes(&[2; 32]));
        let leaked = Leaked { ring, key: Arc::new(DataKey::from_bytes(&[1; 32])), opening };
        UnsealAs::new(&Repository::<Member>::new(Arc::clone(&db), leaked))
    };
    let compromised = vec!["KeyCompromised".to_owned(); 2];
    assert_eq!(unseal(leaked(false)).await, (0, compromised.clone()));
    assert_eq!(unseal(leaked(false).from_compromised()).await, (0, compromised.clone()));
    assert_eq!(unseal(leaked(true)).await, (0, compromised));
    assert_eq!(unseal(leaked(true).from_compromised()).await, (1, vec!["NeedsType".to_owned()]));
    db.commit(&[Write::merge(path("ada"), Fields::new(), mask)]).await.unwrap();
    assert_eq!(unseal(UnsealAs::new(&members)).await, (1, Vec::new()));
    for id in ["ada", "bea"] {
        db.commit(&[Write::delete(path(id))]).await.unwrap();
    }
    // Another document may have the value: nobody holds it.
    members.create(&Member { id: "eve".to_owned(), email: "ada@example.com".to_owned() }).await.unwrap();
}
