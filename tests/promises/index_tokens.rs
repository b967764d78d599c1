//! T12: what index tokens tell across fields, collections and tenants, and what guessing by frequency recovers.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fireseal::store::FirestoreStore;
use fireseal::{Batch, DataKey, IndexKey, KeyRing, Repository, Scope, Sealable};
use fireseal_emulator::{Emulator, Project};
use serde_json::Value;

use crate::promise::Tally;

macro_rules! people {
    ($name:ident, $collection:literal) => {
        #[derive(Sealable)]
        #[sealable(collection = $collection, debug, compound(name = "both", fields(first, second)))]
        struct $name {
            #[sealable(id)]
            id: String,
            #[sensitive(index(normalize(trim)), prefix(min = 1, max = 4), words)]
            first: String,
            #[sensitive(index(normalize(trim)), prefix(min = 1, max = 4), words)]
            second: String,
            #[sensitive(unique)]
            third: String,
            #[sensitive(range(min = 0, max = 1_000, step = 1), index)]
            number: u32,
            #[sensitive(range(min = 0, max = 1_000, step = 1), index)]
            other: u32,
        }

        impl $name {
            fn new(value: &str, number: u32) -> Self {
                let text = || value.to_owned();
                let id = format!("{value}-{number}");
                Self { id, first: text(), second: text(), third: text(), number, other: number }
            }
        }
    };
}

people!(Person, "people");
people!(Patient, "patients");

/// Every token under a document's `_seal.idx`, with the entry and the kind that it stands under.
fn tokens(fields: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let entries = fields["_seal"]["mapValue"]["fields"]["idx"]["mapValue"]["fields"].as_object().unwrap();
    for (entry, kinds) in entries {
        for (kind, tokens) in kinds["mapValue"]["fields"].as_object().unwrap() {
            if kind == "key" {
                continue;
            }
            let listed = tokens["arrayValue"]["values"].as_array();
            for token in listed.into_iter().flatten().chain(listed.is_none().then_some(tokens)) {
                found.push((format!("{entry}.{kind}"), token["bytesValue"].as_str().unwrap().to_owned()));
            }
        }
    }
    found
}

async fn stored_tokens(project: &Project, path: &str) -> Vec<(String, String)> {
    tokens(&project.document(path).await.unwrap().unwrap()["fields"])
}

fn ring(scope: &str, data: u8) -> KeyRing {
    KeyRing::new(DataKey::from_bytes(&[data; 32]))
        .with_index(IndexKey::from_bytes(&[9; 32]))
        .with_scope(Scope::new(scope).unwrap())
}

/// T12: equal values in other fields, kinds, collections, tenants and realms, all under one index key.
pub async fn equal_values_elsewhere_have_other_tokens(tally: &Tally) {
    let project = Emulator::shared().await.unwrap().project().unwrap();
    let store = FirestoreStore::new(project.firestore().await.unwrap());
    // By token: the places where it stands.
    let mut places: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut pairs = 0;
    for (scope, realm) in [("acme", ""), ("other", ""), ("acme", "staging")] {
        let people =
            Repository::<Person>::new(store.clone(), ring(scope, 1)).with_scope(Scope::new(scope).unwrap());
        let patients =
            Repository::<Patient>::new(store.clone(), ring(scope, 1)).with_scope(Scope::new(scope).unwrap());
        let parent = format!("tenants/{scope}{realm}");
        let (mut people, mut patients) = (people.under(&parent).unwrap(), patients.under(&parent).unwrap());
        if !realm.is_empty() {
            (people, patients) = (people.with_realm(realm).unwrap(), patients.with_realm(realm).unwrap());
        }
        for number in 0..20 {
            let value = format!("ab{number}");
            people.create(&Person::new(&value, number)).await.unwrap();
            patients.create(&Patient::new(&value, number)).await.unwrap();
            for collection in ["people", "patients"] {
                let path = format!("{parent}/{collection}/{value}-{number}");
                for (place, token) in stored_tokens(&project, &path).await {
                    let place = format!("{scope}/{realm}/{collection}/{place}");
                    places.entry(token).or_default().insert(place);
                    pairs += 1;
                }
            }
        }
    }
    let mut shared = 0_u64;
    for (token, places) in &places {
        tally.holds(places.len() == 1, || format!("{token} stands at {places:?}"));
        shared += u64::from(places.len() > 1);
    }
    tally.note(format!(
        "{pairs} stored tokens, {} different ones, {shared} at more than one place",
        places.len()
    ));
}

macro_rules! skewed {
    ($($field:ident: $bits:literal),*) => {
        #[derive(Sealable)]
        #[sealable(collection = "skewed", debug)]
        struct Skewed {
            #[sealable(id)]
            id: String,
            $(#[sensitive(index(bits = $bits))] $field: String),*
        }

        impl Skewed {
            fn new(id: String, value: &str) -> Self {
                Self { id, $($field: value.to_owned()),* }
            }
        }

        const WIDTHS: &[(&str, u32)] = &[$((stringify!($field), $bits)),*];
    };
}

skewed!(b128: 128, b16: 16, b12: 12, b10: 10, b8: 8);

/// T12: what somebody who knows how common each value is learns from tokens alone: the most frequent token is taken
/// for the most frequent value, and so on. It is measured, and told in docs/threat-model.md; what is promised is that
/// tokens have no more bits than was asked for.
pub async fn frequencies_are_guessed(tally: &Tally) {
    const VALUES: u32 = 1_000;
    const DOCUMENTS: usize = 4_000;
    let project = Emulator::shared().await.unwrap().project().unwrap();
    let store = FirestoreStore::new(project.firestore().await.unwrap());
    let skewed = Repository::<Skewed>::new(store.clone(), ring("default", 1));
    // Zipf's law, as in surnames, towns and diagnoses: the n-th value is 1/n as common as the first, and comes once.
    let times = |rank: u32| (8_000 / (15 * rank)).max(1) as usize;
    let values = (1..=VALUES).flat_map(|rank| std::iter::repeat_n(rank, times(rank)));
    let values: Vec<u32> = values.take(DOCUMENTS).collect();
    let batch = Batch::new(&store);
    let in_batch = batch.on(&skewed);
    for (number, value) in values.iter().enumerate() {
        in_batch.create(&Skewed::new(format!("{value}-{number}"), &format!("value {value}"))).await.unwrap();
    }
    batch.finish().await.unwrap();
    let documents = project.documents().await.unwrap();
    assert_eq!(documents.len(), values.len());
    for (field, bits) in WIDTHS {
        // By token: the true values of its documents.
        let mut classes: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        for document in &documents {
            let id = document["name"].as_str().unwrap().rsplit('/').next().unwrap();
            let value = id.split('-').next().unwrap().parse().unwrap();
            let (_, token) =
                tokens(&document["fields"]).into_iter().find(|(place, _)| place.starts_with(field)).unwrap();
            classes.entry(token).or_default().push(value);
        }
        for token in classes.keys() {
            let bytes = STANDARD.decode(token).unwrap();
            let spare = u32::try_from(bytes.len()).unwrap() * 8 - bits;
            let clean = spare < 8 && bytes.last().unwrap().trailing_zeros() >= spare;
            tally.holds(clean, || format!("{token} has more than {bits} bits"));
        }
        let mut ranked: Vec<&Vec<u32>> = classes.values().collect();
        ranked.sort_by_key(|class| std::cmp::Reverse(class.len()));
        // Values are numbered by their rank, so the guess for the n-th class is n.
        let right = |(guess, class): (u32, &&Vec<u32>)| class.iter().filter(|value| **value == guess).count();
        let guessed: usize = (1..).zip(&ranked).map(right).sum();
        tally.note(format!(
            "{bits:>3} bits: {:>4} of {VALUES} values told apart; frequency alone gives away {:.0} % of {} documents",
            classes.len(),
            100.0 * guessed as f64 / documents.len() as f64,
            documents.len(),
        ));
    }
}
