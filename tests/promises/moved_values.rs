//! T3: a sealed value that is copied to another place does not open there.

use fireseal::{Cause, DataKey, Error, KeyRing, KeyRings, OpenError, Repository, Scope};
use serde_json::json;

use crate::attack::{Attack, Customer, PLACES, with};
use crate::promise::Tally;

/// T3: every sealed place of two documents against every other.
pub async fn values_are_swapped(tally: &Tally) {
    let attack = Attack::begin().await;
    let ada = attack.fields("customers/ada").await;
    let eve = attack.fields("customers/eve").await;
    for (from_name, from) in PLACES {
        for (to_name, to) in PLACES {
            for (owner, source) in [("ada", &ada), ("eve", &eve)] {
                if owner == "ada" && from == to {
                    continue;
                }
                let moved = with(&ada, to, source.pointer(from).unwrap().clone());
                let what = format!("{owner}'s {from_name} as ada's {to_name}");
                attack.refused(tally, &moved, &[(to_name, Cause::DoesNotOpen)], &what).await;
            }
        }
    }
}

/// T3: whole elements of an array change places, or one is removed; a map's key is renamed.
pub async fn elements_and_keys_are_moved(tally: &Tally) {
    let attack = Attack::begin().await;
    let ada = attack.fields("customers/ada").await;
    let (first, second) = (("cards[0].number", Cause::DoesNotOpen), ("cards[1].number", Cause::DoesNotOpen));
    let mut swapped = ada.clone();
    swapped.pointer_mut("/cards/arrayValue/values").unwrap().as_array_mut().unwrap().swap(0, 1);
    attack.refused(tally, &swapped, &[first, second], "two cards swapped").await;
    let mut shorter = ada.clone();
    shorter.pointer_mut("/cards/arrayValue/values").unwrap().as_array_mut().unwrap().remove(0);
    attack.refused(tally, &shorter, &[first], "the first card removed").await;
    let mut renamed = ada.clone();
    let contacts = renamed.pointer_mut("/contacts/mapValue/fields").unwrap().as_object_mut().unwrap();
    let home = contacts.remove("home").unwrap();
    contacts.insert("work".to_owned(), home);
    let work = ("contacts.work.number", Cause::DoesNotOpen);
    attack.refused(tally, &renamed, &[work], "a map key renamed").await;
}

/// T3: whole documents under another id, in another collection, and below another document.
pub async fn documents_are_copied(tally: &Tally) {
    let attack = Attack::begin().await;
    let eve = attack.fields("customers/eve").await;
    attack.project.put("customers/ada", &eve).await.unwrap();
    let error = attack.customers.get("ada").await.err();
    tally.holds(matches!(error, Some(Error::OtherId { .. })), || format!("with Eve's stored id: {error:?}"));
    let mut forged = eve.clone();
    forged["id"] = json!({ "stringValue": "ada" });
    let all = PLACES.map(|(name, _)| (name, Cause::DoesNotOpen));
    // Map keys come in their own order.
    let in_order = [all[0], all[1], all[2], all[3], all[4], all[6], all[5]];
    attack.refused(tally, &forged, &in_order, "with the stored id changed too").await;
    forged.as_object_mut().unwrap().remove("id");
    attack.refused(tally, &forged, &in_order, "without a stored id").await;
    for parent in ["tenants/acme", "customers/ada"] {
        attack.project.put(&format!("{parent}/customers/eve"), &eve).await.unwrap();
        let there = Repository::<Customer>::new(attack.store.clone(), attack.keys.clone());
        let read = there.under(parent).unwrap().get("eve").await;
        tally.holds(matches!(read, Err(Error::Open(_))), || format!("below {parent}: {read:?}"));
    }
}

/// T3: another tenant's repository, even with the very same data key.
pub async fn scopes_are_exchanged(tally: &Tally) {
    let attack = Attack::begin().await;
    let [acme, other] = ["acme", "other"].map(|id| Scope::new(id).unwrap());
    let same = || DataKey::from_bytes(attack.keys.primary().expose_secret());
    let rings: KeyRings =
        [KeyRing::new(same()).with_scope(acme.clone()), KeyRing::new(same()).with_scope(other.clone())]
            .into_iter()
            .collect();
    for scope in [acme, other] {
        let customers = Repository::<Customer>::new(attack.store.clone(), rings.clone()).with_scope(scope);
        let read = customers.get("ada").await;
        let refused = match &read {
            Err(Error::Open(OpenError::Fields { failures, .. })) => {
                failures.iter().all(|failure| failure.cause == Cause::DoesNotOpen)
            }
            _ => false,
        };
        tally.holds(refused, || format!("another scope's value: {read:?}"));
    }
}
