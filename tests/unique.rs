//! No two documents of a collection have the same unique value, whoever writes and whenever.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "support/promise.rs"]
mod promise;

use std::sync::Arc;

use fireseal::store::{Fields, Precondition, Store, Value, ValueType, Write};
use fireseal::{Batch, Error, Repository};
use futures::future::join_all;

#[path = "support/customer.rs"]
mod customer;
#[macro_use]
#[path = "support/stores.rs"]
mod stores;

use customer::{Customer, customer, customers, reservations, stored};

type DynStore = Arc<dyn Store>;

on_both_stores!(
    of_sixteen_racers_one_wins,
    racing_changes_leave_one_holder,
    a_taken_value_is_told_and_nothing_is_written,
    a_value_is_free_again_once_it_is_given_up,
    a_document_keeps_its_own_value,
    a_forged_reservation_is_refused,
    a_copied_entry_releases_its_reservation_once,
    while_the_index_key_is_rotated_both_are_reserved,
    collections_and_scopes_do_not_share_values,
);

fn is_taken(error: &Error) -> bool {
    matches!(error, Error::Taken { field } if field == "email") && !error.to_string().contains("example.com")
}

async fn of_sixteen_racers_one_wins(store: DynStore) {
    let customers = customers(&store);
    let racers = (0..16).map(|number| {
        let customers = customers.clone();
        // Equal once they are normalised.
        let email = if number % 2 == 0 { "ada@example.com" } else { " ADA@Example.com" };
        tokio::spawn(async move { customers.create(&customer(&format!("c{number}"), email)).await })
    });
    let results: Vec<_> = join_all(racers).await.into_iter().map(Result::unwrap).collect();
    let winners = results.iter().filter(|result| result.is_ok()).count();
    let taken = results.iter().filter(|result| result.as_ref().is_err_and(is_taken)).count();
    println!("16 racers: {winners} created, {taken} told that it is taken");
    assert_eq!((winners, taken), (1, 15), "{results:?}");
    let found = customers.list().page().await.unwrap().documents;
    let held = reservations(&store).await;
    assert_eq!((found.len(), held.len()), (1, 1));
    assert_eq!(held[0].1, format!("customers/{}", found[0].id()));
    promise::Promise::kept("unique_values", 16);
}

async fn racing_changes_leave_one_holder(store: DynStore) {
    let customers = customers(&store);
    for number in 0..6 {
        let own = format!("{number}@example.com");
        customers.create(&customer(&format!("c{number}"), &own)).await.unwrap();
    }
    let racers = (0..6).map(|number| {
        let customers = customers.clone();
        tokio::spawn(async move {
            let wanted = customer(&format!("c{number}"), "one@example.com");
            match number % 3 {
                0 => customers.set(&wanted).await.map(drop),
                1 => customers.update(&wanted, &["email"]).await.map(drop),
                _ => {
                    let change = |one: &mut Customer| one.email = Some("one@example.com".to_owned());
                    customers.modify(&wanted.id, change).await.map(drop)
                }
            }
        })
    });
    let results: Vec<_> = join_all(racers).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
    assert!(results.iter().all(|result| result.as_ref().err().is_none_or(is_taken)), "{results:?}");
    let found = customers.list().page().await.unwrap().documents;
    let holders = found.iter().filter(|one| one.email.as_deref() == Some("one@example.com")).count();
    assert_eq!((holders, reservations(&store).await.len()), (1, 6));
    promise::Promise::kept("unique_values", 6);
}

async fn a_taken_value_is_told_and_nothing_is_written(store: DynStore) {
    let customers = customers(&store);
    customers.create(&customer("ada", "ada@example.com")).await.unwrap();
    customers.create(&customer("bea", "bea@example.com")).await.unwrap();
    let before = stored(&store, "customers/bea").await;
    let bea = customer("bea", "ADA@example.com");
    assert!(is_taken(&customers.set(&bea).await.unwrap_err()));
    assert!(is_taken(&customers.update(&bea, &["email"]).await.unwrap_err()));
    let taken = customers.modify("bea", |bea| bea.email = Some("ada@example.com".to_owned())).await;
    assert!(is_taken(&taken.unwrap_err()));
    assert!(is_taken(&customers.create(&customer("cleo", "ada@example.com")).await.unwrap_err()));
    assert!(customers.create(&customer("ada", "other@example.com")).await.unwrap_err().is_conflict());
    assert_eq!(stored(&store, "customers/bea").await, before);
    assert!(stored(&store, "customers/cleo").await.is_none());
    assert_eq!(reservations(&store).await.len(), 2);
    promise::Promise::kept("unique_values", 1);
}

async fn a_value_is_free_again_once_it_is_given_up(store: DynStore) {
    let customers = customers(&store);
    let email = |email: &str| Some(email.to_owned());
    customers.create(&customer("ada", "ada@example.com")).await.unwrap();
    customers.modify("ada", |ada| ada.email = email("new@example.com")).await.unwrap().unwrap();
    customers.create(&customer("bea", "ada@example.com")).await.unwrap();

    let mut bea = customer("bea", "ada@example.com");
    bea.email = None;
    customers.set(&bea).await.unwrap();
    customers.create(&customer("cleo", "ada@example.com")).await.unwrap();
    customers.delete("cleo").await.unwrap();
    customers.create(&customer("dora", "ada@example.com")).await.unwrap();
    let time = stored(&store, "customers/dora").await.unwrap().update_time.unwrap();
    assert!(customers.delete_if("dora", Precondition::Exists(false)).await.unwrap_err().is_conflict());
    customers.delete_if("dora", Precondition::UpdatedAt(time)).await.unwrap();
    let owners: Vec<_> = reservations(&store).await.into_iter().map(|(_, owner)| owner).collect();
    assert_eq!(owners, ["customers/ada"]);
    customers.delete("nobody").await.unwrap();
}

async fn a_document_keeps_its_own_value(store: DynStore) {
    let customers = customers(&store);
    let ada = customer("ada", "ada@example.com");
    customers.create(&ada).await.unwrap();
    let before = reservations(&store).await;
    customers.set(&ada).await.unwrap();
    customers.update(&ada, &["email"]).await.unwrap();
    customers.update(&ada, &["name"]).await.unwrap();
    customers.modify("ada", |ada| ada.name = "Augusta".to_owned()).await.unwrap().unwrap();
    assert_eq!(reservations(&store).await, before);

    // Deleted past the repository, its reservation stays; the same document may have it again.
    store.commit(&[Write::delete(customer::path("customers/ada"))]).await.unwrap();
    customers.create(&ada).await.unwrap();
    assert_eq!(reservations(&store).await, before);
}

async fn a_copied_entry_releases_its_reservation_once(store: DynStore) {
    let (customers, ada) = (customers(&store), customer::path("customers/ada"));
    let forged = async || {
        customers.create(&customer("ada", "ada@example.com")).await.unwrap();
        let mut fields = stored(&store, ada.as_str()).await.unwrap().fields;
        let idx = map(map(&mut fields, "_seal"), "idx");
        let email = idx["email"].clone();
        idx.insert("other".to_owned(), email);
        store.commit(&[Write::set(ada.clone(), fields)]).await.unwrap();
    };
    forged().await;
    customers.delete("ada").await.unwrap();
    assert!(reservations(&store).await.is_empty());
    forged().await;
    customers.set(&customer("ada", "augusta@example.com")).await.unwrap();
    let batch = Batch::new(&store);
    batch.on(&customers).delete("ada").await.unwrap();
    assert_eq!(batch.finish().await.unwrap().applied, 1);
    assert!(reservations(&store).await.is_empty());
}

fn map<'a>(fields: &'a mut Fields, name: &str) -> &'a mut Fields {
    match &mut fields.get_mut(name).unwrap().value_type {
        Some(ValueType::MapValue(map)) => &mut map.fields,
        other => panic!("{other:?}"),
    }
}

async fn a_forged_reservation_is_refused(store: DynStore) {
    let customers = customers(&store);
    customers.create(&customer("ada", "ada@example.com")).await.unwrap();
    let (path, _) = reservations(&store).await.remove(0);
    let held = stored(&store, path.as_str()).await.unwrap();
    let owner = |owner: &str| Value { value_type: Some(ValueType::StringValue(owner.to_owned())) };
    // Whoever writes the database makes it another's.
    let mut forged = held.fields.clone();
    forged.insert("owner".to_owned(), owner("customers/bea"));
    store.commit(&[Write::set(path.clone(), forged)]).await.unwrap();
    let error = customers.create(&customer("bea", "ada@example.com")).await.unwrap_err();
    assert!(
        matches!(&error, Error::ReservationRefused { reservation, field } if *reservation == path && field == "email"),
        "{error}"
    );
    let error = customers.set(&customer("ada", "ada@example.com")).await.unwrap_err();
    assert!(matches!(error, Error::ReservationRefused { .. }), "{error}");
    // Nobody releases what is not his: the document goes, the forged reservation stays.
    customers.delete("ada").await.unwrap();
    assert_eq!(reservations(&store).await.len(), 1);

    // A document that claims another's value does not release it.
    store.commit(&[Write::set(path.clone(), held.fields)]).await.unwrap();
    customers.create(&customer("ada", "ada@example.com")).await.unwrap();
    let mut copied = stored(&store, "customers/ada").await.unwrap().fields;
    copied.insert("id".to_owned(), owner("bea"));
    store.commit(&[Write::set(customer::path("customers/bea"), copied)]).await.unwrap();
    customers.delete("bea").await.unwrap();
    assert_eq!(reservations(&store).await.len(), 1);
    promise::Promise::kept("unique_values", 1);
}

async fn while_the_index_key_is_rotated_both_are_reserved(store: DynStore) {
    let before = customers(&store);
    let during = Repository::<Customer>::new(Arc::clone(&store), customer::rotating());
    before.create(&customer("ada", "ada@example.com")).await.unwrap();
    // Whoever has both keys sees what is reserved under the old one alone, and the other way round.
    assert!(is_taken(&during.create(&customer("bea", "ada@example.com")).await.unwrap_err()));
    during.create(&customer("cleo", "cleo@example.com")).await.unwrap();
    assert!(is_taken(&before.create(&customer("bea", "cleo@example.com")).await.unwrap_err()));
    assert_eq!(reservations(&store).await.len(), 3);

    during.modify("ada", |_| {}).await.unwrap().unwrap();
    assert_eq!(reservations(&store).await.len(), 4);
    during.modify("ada", |ada| ada.email = Some("new@example.com".to_owned())).await.unwrap().unwrap();
    assert_eq!(reservations(&store).await.len(), 4);
    during.delete("ada").await.unwrap();
    during.delete("cleo").await.unwrap();
    assert!(reservations(&store).await.is_empty());
    promise::Promise::kept("unique_values", 1);
}

async fn collections_and_scopes_do_not_share_values(store: DynStore) {
    // One index key for all, so that nothing but the place tells them apart: each differs from the first in
    // one thing alone.
    let email = "ada@example.com";
    customers(&store).create(&customer("ada", email)).await.unwrap();
    let below = customers(&store).under("tenants/one").unwrap();
    below.create(&customer("ada", email)).await.unwrap();
    let acme = customer::ring().with_scope(customer::acme());
    let acme = Repository::<Customer>::new(Arc::clone(&store), acme).with_scope(customer::acme());
    acme.create(&customer("bea", email)).await.unwrap();
    assert_eq!(reservations(&store).await.len(), 3);
    // Within each of them there is one.
    for customers in [customers(&store), below, acme] {
        assert!(is_taken(&customers.create(&customer("cleo", email)).await.unwrap_err()));
    }
}
