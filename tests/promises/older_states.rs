//! T5, T6: what an attacker gets by mixing the states of a document, and by putting an older one back.
//!
//! Neither is detected without the document seal, and SECURITY.md says so; the notes tell when that changes.

use serde_json::Value;

use crate::attack::{Attack, Customer, PLACES, customer, envelope, with};
use crate::promise::Tally;

/// A second state of Ada, in which every sensitive value is another one.
fn second() -> Customer {
    let mut second = customer("ada");
    let other = || "another secret".to_owned();
    (second.ssn, second.email, second.nickname) = (other(), other(), Some(other()));
    second.cards.iter_mut().chain(second.contacts.values_mut()).for_each(|card| card.number = other());
    second
}

/// The first state as it is stored, when it was written, and the second state as it is stored.
async fn states(attack: &Attack) -> (Value, String, Value) {
    let first = attack.project.document("customers/ada").await.unwrap().unwrap();
    attack.customers.set(&second()).await.unwrap();
    let fields = attack.fields("customers/ada").await;
    assert_ne!(envelope(&first["fields"], "/ssn"), envelope(&fields, "/ssn"));
    (first["fields"].clone(), first["updateTime"].as_str().unwrap().to_owned(), fields)
}

fn secrets(customer: &Customer) -> Vec<&str> {
    let cards = customer.cards.iter().chain(customer.contacts.values());
    let fields = [&*customer.ssn, &*customer.email, customer.nickname.as_deref().unwrap()];
    fields.into_iter().chain(cards.map(|card| &*card.number)).collect()
}

/// T5: every mixture of the sealed fields of two states.
pub async fn states_are_mixed(tally: &Tally) {
    let attack = Attack::begin().await;
    let (old, _, new) = states(&attack).await;
    let (mut opened, all) = (0, 1_u32 << PLACES.len());
    for mixture in 0..all {
        let mut mixed = new.clone();
        for (_, at) in
            PLACES.iter().enumerate().filter(|(place, _)| mixture >> place & 1 == 1).map(|(_, at)| at)
        {
            mixed = with(&mixed, at, old.pointer(at).unwrap().clone());
        }
        attack.project.put("customers/ada", &mixed).await.unwrap();
        match attack.customers.get("ada").await {
            Err(_) => tally.held(1),
            Ok(None) => tally.violated("the document is gone"),
            Ok(Some(read)) => {
                opened += 1;
                let (first, second) = (customer("ada"), second());
                let own = secrets(&read).into_iter().zip(secrets(&first).into_iter().zip(secrets(&second)));
                let sealed = own.clone().all(|(read, (first, second))| read == first || read == second);
                let from_first = own.filter(|(read, (first, _))| read == first).count();
                tally.holds(sealed && from_first == mixture.count_ones() as usize, || format!("{read:?}"));
            }
        }
    }
    tally.note(format!("{opened} of {all} mixtures of two states opened: not told without `authenticated`"));
}

/// T6: the older state as the server itself still has it, at an attacker's hands.
pub async fn an_older_state_is_put_back(tally: &Tally) {
    let attack = Attack::begin().await;
    let (_, written, _) = states(&attack).await;
    let before = attack.project.document_at("customers/ada", &written).await.unwrap().unwrap();
    attack.project.put("customers/ada", &before["fields"]).await.unwrap();
    let read = attack.customers.get("ada").await;
    let genuine = read.as_ref().map_or(true, |read| *read == Some(customer("ada")));
    tally.holds(genuine, || format!("{read:?}"));
    if read.is_ok() {
        tally.note("an older state, put back, opened: not told without `authenticated` and a known revision");
    }
}
