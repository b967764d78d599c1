//! T3: places whose names become the same text once they are joined, folded or normalised are told apart.

use std::collections::BTreeMap;

use fireseal::store::FirestoreStore;
use fireseal::{Cause, DataKey, Error, KeyRing, OpenError, Repository, Scope, Sealable};
use fireseal_emulator::{Emulator, Project};
use serde_json::Value;

use crate::attack::with;
use crate::promise::Tally;

#[derive(Sealable)]
#[sealable(collection = "c", debug)]
struct Names {
    #[sealable(id)]
    id: String,
    #[sealable(nested)]
    m: BTreeMap<String, BTreeMap<String, Leaf>>,
    #[sealable(nested)]
    list: Vec<Leaf>,
    #[sensitive]
    n: String,
    #[sensitive]
    #[serde(rename = "x.n")]
    joined_to_the_id: String,
    #[sensitive]
    #[serde(rename = "m.a.b.n")]
    joined: String,
    #[sensitive]
    #[serde(rename = "m/a/b/n")]
    joined_by_slashes: String,
    #[sensitive]
    #[serde(rename = "list[0].n")]
    joined_with_an_index: String,
}

/// The same stored names, with a map in place of the list.
#[derive(Sealable)]
#[sealable(collection = "c", debug)]
struct Keyed {
    #[sealable(id)]
    id: String,
    #[sealable(nested)]
    list: BTreeMap<String, Leaf>,
}

#[derive(Sealable, Clone)]
#[sealable(debug)]
struct Leaf {
    #[sensitive]
    n: String,
}

/// Pairs that are the same when joined by dots or slashes, case-folded, or normalised; and numbers beside texts.
const KEYS: [(&str, &str); 14] = [
    ("a", "b"),
    ("a.b", "c"),
    ("a", "b.c"),
    ("a/b", "c"),
    ("a", "b/c"),
    ("ab", "c"),
    ("a", "bc"),
    ("A", "b"),
    ("\u{e9}", "k"),
    ("e\u{301}", "k"),
    ("1", "0"),
    ("10", ""),
    ("`a.b`", "c"),
    ("a\\", ".b"),
];

fn leaf() -> Leaf {
    Leaf { n: "the same secret".to_owned() }
}

fn names(id: &str) -> Names {
    let mut m: BTreeMap<String, BTreeMap<String, Leaf>> = BTreeMap::new();
    for (outer, inner) in KEYS.into_iter().filter(|(_, inner)| !inner.is_empty()) {
        m.entry(outer.to_owned()).or_default().insert(inner.to_owned(), leaf());
    }
    let secret = || leaf().n;
    Names {
        id: id.to_owned(),
        m,
        list: vec![leaf(), leaf()],
        n: secret(),
        joined_to_the_id: secret(),
        joined: secret(),
        joined_by_slashes: secret(),
        joined_with_an_index: secret(),
    }
}

/// Where the sealed values of a document stand in its raw fields.
fn places() -> Vec<String> {
    let escape = |key: &str| key.replace('~', "~0").replace('/', "~1");
    let entry = |(outer, inner): (&str, &str)| {
        let (outer, inner) = (escape(outer), escape(inner));
        format!("/m/mapValue/fields/{outer}/mapValue/fields/{inner}/mapValue/fields/n")
    };
    let mut places: Vec<String> =
        KEYS.into_iter().filter(|(_, inner)| !inner.is_empty()).map(entry).collect();
    places.extend((0..2).map(|index| format!("/list/arrayValue/values/{index}/mapValue/fields/n")));
    places.extend(["n", "x.n", "m.a.b.n", "m/a/b/n", "list[0].n"].map(|name| format!("/{}", escape(name))));
    places
}

async fn begin() -> (Project, FirestoreStore) {
    let project = Emulator::shared().await.unwrap().project().unwrap();
    let store = FirestoreStore::new(project.firestore().await.unwrap());
    (project, store)
}

fn key() -> DataKey {
    DataKey::from_bytes(&[7; 32])
}

async fn fields(project: &Project, path: &str) -> Value {
    project.document(path).await.unwrap().unwrap()["fields"].clone()
}

/// Whether exactly so many fields do not open because they were sealed elsewhere.
fn refused<T>(read: &Result<Option<T>, Error>, expected: usize) -> bool {
    match read {
        Err(Error::Open(OpenError::Fields { failures, .. })) => {
            failures.len() == expected && failures.iter().all(|failure| failure.cause == Cause::DoesNotOpen)
        }
        _ => false,
    }
}

/// T3: every place of two documents against every other; the ids are chosen so that id and field join, too.
pub async fn joined_names_are_swapped(tally: &Tally) {
    let (project, store) = begin().await;
    let all = Repository::<Names>::new(store, KeyRing::new(key()));
    for id in ["z", "z.x"] {
        all.create(&names(id)).await.unwrap();
    }
    let (own, other) = (fields(&project, "c/z").await, fields(&project, "c/z.x").await);
    let places = places();
    for from in &places {
        for to in &places {
            for (source, owner) in [(&own, "its own"), (&other, "the other's")] {
                if from == to && std::ptr::eq(source, &own) {
                    continue;
                }
                project.put("c/z", &with(&own, to, source.pointer(from).unwrap().clone())).await.unwrap();
                let read = all.get("z").await;
                tally.holds(refused(&read, 1), || format!("{owner} {from} at {to}: {read:?}"));
            }
        }
    }
}

/// T3: the first element of an array and the entry "0" of a map are two places.
pub async fn a_position_is_no_key(tally: &Tally) {
    let (project, store) = begin().await;
    let lists = Repository::<Names>::new(store.clone(), KeyRing::new(key()));
    let maps = Repository::<Keyed>::new(store, KeyRing::new(key()));
    let keyed = Keyed { id: "z".to_owned(), list: BTreeMap::from([("0".to_owned(), leaf())]) };
    lists.create(&names("z")).await.unwrap();
    let listed = fields(&project, "c/z").await;
    maps.set(&keyed).await.unwrap();
    let mapped = fields(&project, "c/z").await;
    let (position, entry) =
        ("/list/arrayValue/values/0/mapValue/fields/n", "/list/mapValue/fields/0/mapValue/fields/n");
    project.put("c/z", &with(&mapped, entry, listed.pointer(position).unwrap().clone())).await.unwrap();
    let read = maps.get("z").await;
    tally.holds(refused(&read, 1), || format!("a position as a key: {read:?}"));
    project.put("c/z", &with(&listed, position, mapped.pointer(entry).unwrap().clone())).await.unwrap();
    let read = lists.get("z").await;
    tally.holds(refused(&read, 1), || format!("a key as a position: {read:?}"));
}

/// T3: document paths, realms and scopes that join to the same text, under one data key.
pub async fn joined_paths_are_swapped(tally: &Tally) {
    let (project, store) = begin().await;
    let all = places().len();
    let at = |realm: &str, scope: &str, parent: &str| {
        let ring = KeyRing::new(key()).with_scope(Scope::new(scope).unwrap());
        let here = Repository::<Names>::new(store.clone(), ring).with_scope(Scope::new(scope).unwrap());
        let here = if realm.is_empty() { here } else { here.with_realm(realm).unwrap() };
        if parent.is_empty() { here } else { here.under(parent).unwrap() }
    };
    let groups: [&[(&str, &str, &str, &str)]; 4] = [
        // Parents and ids.
        &[
            ("", "s", "t/a", "c.z"),
            ("", "s", "t/a.c", "z"),
            ("", "s", "t.a/c", "z"),
            ("", "s", "", "t.a.c.c.z"),
        ],
        // Parents that look like a path with another number of segments.
        &[("", "s", "t/a", "z"), ("", "s", "t/a/c/a", "z"), ("", "s", "", "z")],
        // Realms and scopes.
        &[("ab", "c", "", "z"), ("a", "bc", "", "z"), ("", "abc", "", "z"), ("abc", "default", "", "z")],
        // Case and Unicode.
        &[
            ("", "\u{e9}", "", "z"),
            ("", "e\u{301}", "", "z"),
            ("", "E\u{301}", "", "z"),
            ("", "\u{e9}", "", "Z"),
        ],
    ];
    for group in groups {
        for &(realm, scope, parent, id) in group {
            let sealing = at(realm, scope, parent);
            sealing.set(&names(id)).await.unwrap();
            let path = |parent: &str, id: &str| format!("{parent}/c/{id}").trim_start_matches('/').to_owned();
            let mut copied = fields(&project, &path(parent, id)).await;
            // The clear id is stored too, and compared first: the attacker leaves it out.
            copied.as_object_mut().unwrap().remove("id");
            for &(to_realm, to_scope, to_parent, to_id) in group {
                if (realm, scope, parent, id) == (to_realm, to_scope, to_parent, to_id) {
                    continue;
                }
                project.put(&path(to_parent, to_id), &copied).await.unwrap();
                let read = at(to_realm, to_scope, to_parent).get(to_id).await;
                let what = || {
                    format!(
                        "{realm}/{scope}/{parent}/{id} as {to_realm}/{to_scope}/{to_parent}/{to_id}: {read:?}"
                    )
                };
                tally.holds(refused(&read, all), what);
            }
        }
    }
}
