//! What a type had before: tokens of indexes that it has no more, and of fields under their old names, go
//! with what is written.

#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::Arc;

use fireseal::Repository;
use fireseal::store::{MemoryStore, Store};

#[path = "support/customer.rs"]
mod customer;

use customer::{names, ring};

type DynStore = Arc<dyn Store>;

/// The same collection as two versions of a program have it.
mod earlier {
    #[derive(fireseal::Sealable, Clone)]
    #[sealable(collection = "customers")]
    pub struct Person {
        #[sealable(id)]
        pub id: String,
        #[sensitive(index)]
        pub nick: String,
        #[sensitive(unique)]
        pub mail: String,
        #[sensitive(index)]
        pub phone: String,
        #[sealable(nested)]
        pub home: Home,
    }

    #[derive(fireseal::Sealable, Clone)]
    pub struct Home {
        pub city: String,
        #[sensitive(index)]
        pub street: String,
        #[sensitive(index)]
        pub code: String,
    }

    pub fn person() -> Person {
        let home = Home { city: "Ockham".into(), street: "1 Main Street".into(), code: "GU23".into() };
        Person { id: "ada".into(), nick: "ada".into(), mail: "a@b".into(), phone: "1".into(), home }
    }
}

mod later {
    #[derive(fireseal::Sealable, Clone, PartialEq)]
    #[sealable(collection = "customers", debug)]
    pub struct Person {
        #[sealable(id)]
        pub id: String,
        #[sensitive]
        pub nick: String,
        #[sensitive(unique)]
        #[serde(alias = "mail")]
        pub email: Option<String>,
        #[sensitive(index)]
        pub phone: String,
        #[sealable(nested)]
        pub home: Home,
    }

    #[derive(fireseal::Sealable, Clone, PartialEq)]
    #[sealable(debug)]
    pub struct Home {
        pub city: String,
        #[sensitive]
        pub street: String,
        #[sensitive(index)]
        #[serde(alias = "code")]
        pub zip: String,
    }

    pub fn person() -> Person {
        let home = Home { city: "Ockham".into(), street: "2 Main Street".into(), zip: "GU24".into() };
        Person { id: "ada".into(), nick: "a".into(), email: Some("a@b".into()), phone: "1".into(), home }
    }
}

/// A document of the earlier version, and a repository of the later one.
async fn upgraded() -> (DynStore, Repository<later::Person>) {
    let store: DynStore = Arc::new(MemoryStore::new());
    let people = Repository::<earlier::Person>::new(Arc::clone(&store), ring());
    people.create(&earlier::person()).await.unwrap();
    assert_eq!(names(&store, "ada").await, ["home.code", "home.street", "mail", "nick", "phone"]);
    (Arc::clone(&store), Repository::new(store, ring()))
}

#[tokio::test]
async fn tokens_of_former_indexes_and_old_names_go_with_a_write() {
    let (store, people) = upgraded().await;
    people.set(&later::person()).await.unwrap();
    assert_eq!(names(&store, "ada").await, ["email", "home.zip", "phone"]);
    assert_eq!(people.get("ada").await.unwrap().unwrap(), later::person());
    assert_eq!(customer::reservations(&store).await.len(), 1);

    let (store, people) = upgraded().await;
    people.modify("ada", |ada| ada.phone = "2".into()).await.unwrap().unwrap();
    assert_eq!(names(&store, "ada").await, ["email", "home.zip", "phone"]);

    let (store, people) = upgraded().await;
    people.update(&later::person(), &["nick"]).await.unwrap();
    assert_eq!(names(&store, "ada").await, ["home.code", "home.street", "mail", "phone"]);
    people.update(&later::person(), &["email"]).await.unwrap();
    assert_eq!(names(&store, "ada").await, ["email", "home.code", "home.street", "phone"]);
    people.update(&later::person(), &["home"]).await.unwrap();
    assert_eq!(names(&store, "ada").await, ["email", "home.zip", "phone"]);
    assert_eq!(people.get("ada").await.unwrap().unwrap(), later::person());

    let (store, people) = upgraded().await;
    people.delete_fields("ada", &["email"]).await.unwrap();
    assert_eq!(names(&store, "ada").await, ["home.code", "home.street", "nick", "phone"]);
    assert!(customer::reservations(&store).await.is_empty());
}

#[tokio::test]
async fn a_clear_field_beside_an_old_name_leaves_its_tokens() {
    let (store, people) = upgraded().await;
    people.change("ada").set(|c| c.home.city.clone(), "London").run().await.unwrap();
    assert_eq!(names(&store, "ada").await, ["home.code", "home.street", "mail", "nick", "phone"]);
}

mod no_longer_indexed {
    #[derive(fireseal::Sealable)]
    #[sealable(collection = "customers")]
    pub struct Person {
        #[sealable(id)]
        pub id: String,
        #[sensitive]
        pub nick: String,
        #[sealable(nested)]
        pub home: Home,
    }

    #[derive(fireseal::Sealable)]
    pub struct Home {
        #[sensitive]
        pub street: String,
    }
}

#[tokio::test]
async fn a_write_that_reads_nothing_removes_former_tokens_too() {
    let (store, _) = upgraded().await;
    let people = Repository::<no_longer_indexed::Person>::new(Arc::clone(&store), ring());
    let home = no_longer_indexed::Home { street: "s".into() };
    people.set(&no_longer_indexed::Person { id: "ada".into(), nick: "n".into(), home }).await.unwrap();
    let left = names(&store, "ada").await;
    assert!(!left.iter().any(|name| name == "nick" || name == "home.street"), "{left:?}");
}

mod no_longer_unique {
    #[derive(fireseal::Sealable)]
    #[sealable(collection = "customers")]
    pub struct Person {
        #[sealable(id)]
        pub id: String,
        #[sensitive(index)]
        pub mail: String,
    }
}

#[tokio::test]
async fn a_save_releases_what_was_unique_before() {
    let (store, _) = upgraded().await;
    let people = Repository::<no_longer_unique::Person>::new(Arc::clone(&store), ring());
    people.modify("ada", |ada| ada.mail = "c@d".into()).await.unwrap().unwrap();
    assert!(customer::reservations(&store).await.is_empty());
}
