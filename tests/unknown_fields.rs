//! Fields that a program does not know survive every read-modify-write, with and without a key.

#![allow(missing_docs, clippy::unwrap_used)]

#[macro_use]
#[path = "support/stores.rs"]
mod stores;

use std::sync::Arc;

use fireseal::store::{Fields, Store, Value, ValueType, Write, WriteKind};
use fireseal::{DataKey, DocumentPath, Error, KeyRing, Repository, Sealable, SealedRepository};
use firestore::gcloud_sdk::google::firestore::v1::{ArrayValue, MapValue};
use serde::{Deserialize, Serialize};

type Db = Arc<dyn Store>;

#[derive(Sealable, Clone, PartialEq)]
#[sealable(collection = "people", debug)]
struct Person {
    #[sealable(id)]
    id: String,
    #[serde(alias = "oldName")]
    name: String,
    address: Address,
    #[sealable(nested)]
    cards: Vec<Card>,
    #[sensitive]
    #[serde(alias = "oldSecret")]
    secret: String,
}

#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
struct Address {
    #[serde(alias = "town")]
    city: String,
}

#[derive(Sealable, Clone, PartialEq)]
#[sealable(debug)]
struct Card {
    bank: String,
    #[sensitive]
    number: String,
}

fn person() -> Person {
    let card = |bank: &str| Card { bank: bank.to_owned(), number: format!("number at {bank}") };
    Person {
        id: "ada".to_owned(),
        name: "Ada".to_owned(),
        address: Address { city: "London".to_owned() },
        cards: vec![card("one"), card("two")],
        secret: "secret".to_owned(),
    }
}

fn value(value: ValueType) -> Value {
    Value { value_type: Some(value) }
}

fn text(text: &str) -> Value {
    value(ValueType::StringValue(text.to_owned()))
}

fn map(value: &mut Value) -> &mut Fields {
    match &mut value.value_type {
        Some(ValueType::MapValue(MapValue { fields })) => fields,
        other => panic!("no map: {other:?}"),
    }
}

fn array(value: &mut Value) -> &mut Vec<Value> {
    match &mut value.value_type {
        Some(ValueType::ArrayValue(ArrayValue { values })) => values,
        other => panic!("no array: {other:?}"),
    }
}

async fn raw(store: &Db) -> Fields {
    let path = DocumentPath::parse("people/ada").unwrap();
    store.read(&[path], None).await.unwrap().remove(0).unwrap().fields
}

async fn put(store: &Db, fields: Fields) {
    let path = DocumentPath::parse("people/ada").unwrap();
    let kind = WriteKind::Set { fields, mask: None };
    store.commit(&[Write::new(path, kind)]).await.unwrap();
}

/// A person with fields of a newer program at every depth, one of each kind of value.
async fn with_unknown(store: &Db) -> (Repository<Person>, Fields) {
    let people = Repository::<Person>::new(Arc::clone(store), KeyRing::new(DataKey::generate().unwrap()));
    people.create(&person()).await.unwrap();
    let mut fields = raw(store).await;
    let time = fireseal::store::Time { seconds: 1, nanos: 2_000 };
    fields.insert("a.b `c`".to_owned(), value(ValueType::TimestampValue(time)));
    fields.insert("null".to_owned(), value(ValueType::NullValue(0)));
    map(fields.get_mut("address").unwrap()).insert("zip".to_owned(), value(ValueType::DoubleValue(-0.0)));
    for card in array(fields.get_mut("cards").unwrap()) {
        map(card).insert("limit".to_owned(), value(ValueType::IntegerValue(i64::MIN)));
    }
    put(store, fields.clone()).await;
    let stored = raw(store).await;
    (people, stored)
}

on_both_stores!(
    modify_keeps_unknown_fields_at_every_depth,
    saving_without_a_key_changes_nothing,
    an_unchanged_save_keeps_clear_values_identical,
    a_field_that_the_type_drops_is_removed,
    an_array_of_another_length_is_refused,
    an_array_without_unknown_fields_may_change_its_length,
    a_changed_field_moves_from_its_alias_to_its_name,
);

async fn modify_keeps_unknown_fields_at_every_depth(store: Db) {
    let (people, mut before) = with_unknown(&store).await;
    people
        .modify("ada", |person| {
            person.address.city = "Paris".to_owned();
            person.cards[1].number = "changed".to_owned();
        })
        .await
        .unwrap();
    let mut after = raw(&store).await;
    for name in ["a.b `c`", "null", "name", "id"] {
        assert_eq!(after[name], before[name], "{name}");
    }
    assert_eq!(map(after.get_mut("address").unwrap())["city"], text("Paris"));
    assert_eq!(map(after.get_mut("address").unwrap())["zip"], map(before.get_mut("address").unwrap())["zip"]);
    for card in array(after.get_mut("cards").unwrap()) {
        assert_eq!(map(card)["limit"], value(ValueType::IntegerValue(i64::MIN)));
    }
    assert_eq!(people.get("ada").await.unwrap().unwrap().cards[1].number, "changed");
}

async fn saving_without_a_key_changes_nothing(store: Db) {
    let (_, before) = with_unknown(&store).await;
    let sealed = SealedRepository::<Person>::new(Arc::clone(&store));
    let mut ada = sealed.get("ada").await.unwrap().unwrap();
    sealed.save(&mut ada).await.unwrap();
    assert_eq!(raw(&store).await, before);
}

async fn an_unchanged_save_keeps_clear_values_identical(store: Db) {
    let (people, mut before) = with_unknown(&store).await;
    let mut ada = people.get_stored("ada").await.unwrap().unwrap();
    people.save(&mut ada).await.unwrap();
    people.save(&mut ada).await.unwrap();
    let mut after = raw(&store).await;
    assert_ne!(after.remove("secret"), before.remove("secret"), "sealed anew");
    for fields in [&mut before, &mut after] {
        for card in array(fields.get_mut("cards").unwrap()) {
            map(card).remove("number");
        }
    }
    assert_eq!(after, before);
    assert_eq!(people.get("ada").await.unwrap(), Some(person()));
}

async fn a_field_that_the_type_drops_is_removed(store: Db) {
    #[derive(Sealable)]
    #[sealable(collection = "people")]
    struct Short {
        #[sealable(id)]
        id: String,
        name: Option<String>,
        #[sensitive]
        secret: String,
    }
    let keys = KeyRing::new(DataKey::generate().unwrap());
    let people = Repository::<Short>::new(Arc::clone(&store), keys);
    let short = Short { id: "ada".to_owned(), name: Some("Ada".to_owned()), secret: "s".to_owned() };
    people.create(&short).await.unwrap();
    people.modify("ada", |short| short.name = None).await.unwrap();
    assert!(!raw(&store).await.contains_key("name"));
    assert_eq!(people.get("ada").await.unwrap().unwrap().name, None);
}

async fn an_array_of_another_length_is_refused(store: Db) {
    let (people, before) = with_unknown(&store).await;
    let error = people.modify("ada", |person| drop(person.cards.pop())).await.unwrap_err();
    assert!(matches!(&error, Error::UnknownInArray { field, .. } if field == "cards"), "{error}");
    assert_eq!(raw(&store).await, before);
}

async fn an_array_without_unknown_fields_may_change_its_length(store: Db) {
    let people = Repository::<Person>::new(Arc::clone(&store), KeyRing::new(DataKey::generate().unwrap()));
    people.create(&person()).await.unwrap();
    people.modify("ada", |person| drop(person.cards.remove(0))).await.unwrap();
    let cards = people.get("ada").await.unwrap().unwrap().cards;
    assert_eq!(cards, [person().cards[1].clone()]);
}

async fn a_changed_field_moves_from_its_alias_to_its_name(store: Db) {
    let (people, mut fields) = with_unknown(&store).await;
    let name = fields.remove("name").unwrap();
    fields.insert("oldName".to_owned(), name);
    let city = map(fields.get_mut("address").unwrap()).remove("city").unwrap();
    map(fields.get_mut("address").unwrap()).insert("town".to_owned(), city);
    put(&store, fields.clone()).await;
    // `set` knows the type's own aliases, `modify` those of every type inside it.
    let mut ada = people.get_stored("ada").await.unwrap().unwrap();
    ada.name = "Countess".to_owned();
    people.save(&mut ada).await.unwrap();
    let mut after = raw(&store).await;
    assert_eq!(after["name"], text("Countess"));
    assert!(!after.contains_key("oldName"));
    // What did not change stays as it is stored, under its alias too.
    let address = map(after.get_mut("address").unwrap());
    assert_eq!(address["town"], text("London"));
    assert!(address.contains_key("zip") && !address.contains_key("city"));
    assert_eq!(people.get("ada").await.unwrap().unwrap().name, "Countess");

    put(&store, fields).await;
    people.set(&person()).await.unwrap();
    assert!(!raw(&store).await.contains_key("oldName"));
    assert_eq!(people.get("ada").await.unwrap(), Some(person()));
}
