//! Index tokens of types with flattened fields, old names, compound indexes over clear fields, and
//! themselves inside.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::sync::Arc;

use fireseal::store::{Store, Write};
use fireseal::{Error, Repository, Sealable, SealedRepository};

#[path = "support/customer.rs"]
mod customer;
#[macro_use]
#[path = "support/stores.rs"]
mod stores;

use customer::{names, path, ring, stored};

type DynStore = Arc<dyn Store>;

on_both_stores!(
    flattened_fields_and_tokens_stand_beside_each_other,
    tokens_of_an_old_name_go,
    tokens_of_an_index_that_is_gone_go,
    a_clear_part_of_a_compound_index_is_not_written_alone,
    a_type_that_holds_itself,
);

#[derive(Sealable, Clone, PartialEq)]
#[sealable(collection = "customers", debug)]
struct Flat {
    #[sealable(id)]
    id: String,
    #[sensitive(unique)]
    email: Option<String>,
    #[serde(flatten)]
    rest: BTreeMap<String, String>,
}

async fn flattened_fields_and_tokens_stand_beside_each_other(store: DynStore) {
    let flats = Repository::<Flat>::new(Arc::clone(&store), ring());
    let rest = |names: &[&str]| names.iter().map(|&name| (name.to_owned(), "x".to_owned())).collect();
    let flat = |email: &str, names: &[&str]| Flat {
        id: "a".to_owned(),
        email: (!email.is_empty()).then(|| email.to_owned()),
        rest: rest(names),
    };
    for (email, rest, entries) in [
        ("one", &["b", "c"][..], &["email"][..]),
        ("two", &["c"], &["email"]),
        ("", &[], &[]),
        ("one", &["d"], &["email"]),
    ] {
        flats.set(&flat(email, rest)).await.unwrap();
        assert_eq!(flats.get("a").await.unwrap().unwrap(), flat(email, rest));
        assert_eq!(names(&store, "a").await, entries);
        assert_eq!(customer::reservations(&store).await.len(), entries.len());
    }
    flats.update(&flat("three", &["d"]), &["email"]).await.unwrap();
    assert_eq!(names(&store, "a").await, ["email"]);
    let mut other = flat("three", &[]);
    other.id = "b".to_owned();
    assert!(flats.set(&other).await.unwrap_err().is_taken());
}

#[derive(Sealable, Clone, PartialEq)]
#[sealable(collection = "customers", debug)]
struct Old {
    #[sealable(id)]
    id: String,
    #[sensitive(index)]
    mail: String,
    #[sensitive(index)]
    phone: String,
}

#[derive(Sealable, Clone, PartialEq)]
#[sealable(collection = "customers", debug)]
struct New {
    #[sealable(id)]
    id: String,
    #[serde(alias = "mail")]
    #[sensitive(index)]
    email: String,
}

async fn tokens_of_an_old_name_go(store: DynStore) {
    let old = Old { id: "a".to_owned(), mail: "x".to_owned(), phone: "1".to_owned() };
    let olds = Repository::<Old>::new(Arc::clone(&store), ring());
    let news = Repository::<New>::new(Arc::clone(&store), ring());
    let new = New { id: "a".to_owned(), email: "x".to_owned() };
    for number in 0..4 {
        olds.set(&old).await.unwrap();
        match number {
            0 => drop(news.set(&new).await.unwrap()),
            1 => drop(news.update(&new, &["email"]).await.unwrap()),
            2 => drop(news.modify("a", |new| new.email = "y".to_owned()).await.unwrap().unwrap()),
            _ => {
                news.delete_fields("a", &["email"]).await.unwrap();
                assert_eq!(names(&store, "a").await, ["phone"]);
                continue;
            }
        }
        // The field that the new type does not know keeps its tokens.
        assert_eq!(names(&store, "a").await, ["email", "phone"], "{number}");
        store.commit(&[Write::delete(path("customers/a"))]).await.unwrap();
    }
}

#[derive(Sealable, Clone, PartialEq)]
#[sealable(collection = "customers", debug)]
struct Plain {
    #[sealable(id)]
    id: String,
    #[sensitive]
    mail: String,
    #[sensitive]
    phone: String,
}

async fn tokens_of_an_index_that_is_gone_go(store: DynStore) {
    let old = Old { id: "a".to_owned(), mail: "x".to_owned(), phone: "1".to_owned() };
    Repository::<Old>::new(Arc::clone(&store), ring()).set(&old).await.unwrap();
    let plains = Repository::<Plain>::new(Arc::clone(&store), ring());
    let plain = Plain { id: "a".to_owned(), mail: "y".to_owned(), phone: "1".to_owned() };
    plains.update(&plain, &["mail"]).await.unwrap();
    assert_eq!(names(&store, "a").await, ["phone"]);
    plains.set(&plain).await.unwrap();
    assert!(names(&store, "a").await.is_empty());
}

#[derive(Sealable, Clone, PartialEq)]
#[sealable(collection = "customers", debug, compound(name = "by_country", fields(country, last)))]
struct Mixed {
    #[sealable(id)]
    id: String,
    country: String,
    note: String,
    #[sensitive]
    last: String,
}

async fn a_clear_part_of_a_compound_index_is_not_written_alone(store: DynStore) {
    let mixed = Repository::<Mixed>::new(Arc::clone(&store), ring());
    let text = str::to_owned;
    let mut ada = Mixed { id: text("a"), country: text("GB"), note: text("n"), last: text("L") };
    mixed.create(&ada).await.unwrap();
    let before = stored(&store, "customers/a").await;
    assert!(matches!(mixed.change("a").set(|c| c.country, "FR").run().await, Err(Error::PartOfIndex { .. })));
    ada.country = text("FR");
    assert!(matches!(mixed.update(&ada, &["country"]).await, Err(Error::PartOfIndex { .. })));
    let sealed = SealedRepository::<Mixed>::new(Arc::clone(&store));
    let mut read = sealed.get("a").await.unwrap().unwrap();
    read.country = text("FR");
    assert!(matches!(sealed.save(&mut read).await, Err(Error::PartOfIndex { .. })));
    assert_eq!(stored(&store, "customers/a").await, before);

    read.country = text("GB");
    read.note = text("m");
    sealed.save(&mut read).await.unwrap();
    mixed.update(&ada, &["country", "last"]).await.unwrap();
    assert_ne!(customer::entries(&store, "a").await["by_country"], {
        let before = before.unwrap();
        customer::map(&customer::map(&before.fields["_seal"])["idx"])["by_country"].clone()
    });
    // A part that goes takes the token with it.
    mixed.change("a").delete(|c| c.last).run().await.unwrap();
    assert!(names(&store, "a").await.is_empty());
}

#[derive(Sealable, Clone, PartialEq)]
#[sealable(collection = "customers", debug)]
struct Tree {
    #[sealable(id)]
    id: String,
    #[sealable(nested)]
    node: Option<Node>,
}

#[derive(Sealable, Clone, PartialEq)]
#[sealable(debug)]
struct Node {
    #[sensitive(index)]
    name: String,
    #[sealable(nested)]
    child: Option<Box<Node>>,
}

async fn a_type_that_holds_itself(store: DynStore) {
    let trees = Repository::<Tree>::new(Arc::clone(&store), ring());
    let node = |name: &str, child| Node { name: name.to_owned(), child };
    let deep = node("a", Some(Box::new(node("b", Some(Box::new(node("c", None)))))));
    let mut tree = Tree { id: "a".to_owned(), node: Some(deep) };
    trees.set(&tree).await.unwrap();
    assert_eq!(names(&store, "a").await, ["node.child.child.name", "node.child.name", "node.name"]);
    tree.node = Some(node("a", Some(Box::new(node("b", None)))));
    trees.update(&tree, &["node"]).await.unwrap();
    assert_eq!(names(&store, "a").await, ["node.child.name", "node.name"]);
    tree.node = Some(node("a", None));
    trees.set(&tree).await.unwrap();
    assert_eq!(names(&store, "a").await, ["node.name"]);
    trees.modify("a", |tree| tree.node = None).await.unwrap().unwrap();
    assert!(names(&store, "a").await.is_empty());
}
