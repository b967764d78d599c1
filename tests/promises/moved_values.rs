//! T3: a sealed value that is copied to another place does not open there.

use fireseal::store::FirestoreStore;
use fireseal::{
    Cause, Channel, DataKey, Error, KeyRing, KeyRings, Message, MessageKey, MessageRing, OpenError,
    Repository, Scope, Sealable,
};
use fireseal_emulator::Emulator;
use serde_json::json;

use crate::attack::{Attack, Customer, PLACES, bytes, customer, with};
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

/// T3: documents are copied to another project and another database. These are not bound, so that an export can be
/// restored elsewhere; a realm is.
pub async fn realms_are_exchanged(tally: &Tally) {
    let attack = Attack::begin().await;
    let project = Emulator::shared().await.unwrap().project().unwrap();
    let places = [("project", project.database("(default)")), ("database", attack.project.database("other"))];
    let mut opened = Vec::new();
    for (what, there) in &places {
        let store = FirestoreStore::new(there.firestore().await.unwrap());
        let unbound = Repository::<Customer>::new(store.clone(), attack.keys.clone());
        let staging = unbound.clone().with_realm("staging").unwrap();
        let production = unbound.clone().with_realm("production").unwrap();
        there.put("customers/ada", &attack.fields("customers/ada").await).await.unwrap();
        let read = unbound.get("ada").await;
        tally.holds(read.as_ref().is_ok_and(|read| *read == Some(customer("ada"))), || {
            format!("{what}: {read:?}")
        });
        opened.push(*what);
        for (sealing, opening) in [(&unbound, &staging), (&staging, &production), (&staging, &unbound)] {
            sealing.set(&customer("ada")).await.unwrap();
            let read = opening.get("ada").await;
            tally.holds(matches!(read, Err(Error::Open(_))), || format!("another realm's value: {read:?}"));
        }
    }
    tally.note(format!("copied to another {} it opens: only a realm is bound", opened.join(" and ")));
}

#[derive(Sealable)]
#[sealable(collection = "customers", debug)]
struct Numbered {
    #[sealable(id)]
    id: String,
    #[sensitive]
    ssn: u64,
}

impl Message for Numbered {
    const TYPE: &'static str = "test.v1.Numbered";
}

/// T3: a value at its own place that is of another type, and values of messages in documents. The Rust type is not
/// bound, so that code can change; what does not fit it is refused.
pub async fn types_are_exchanged(tally: &Tally) {
    let attack = Attack::begin().await;
    let numbered = Repository::<Numbered>::new(attack.store.clone(), attack.keys.clone());
    let read = numbered.get("ada").await;
    let refused = |read: &Result<Option<Numbered>, Error>, expected: &dyn Fn(Cause) -> bool| match read {
        Err(Error::Open(OpenError::Fields { failures, .. })) => {
            matches!(failures.as_slice(), [failure] if expected(failure.cause))
        }
        _ => false,
    };
    tally.holds(refused(&read, &|cause| cause == Cause::OtherType), || format!("text as a number: {read:?}"));
    numbered.set(&Numbered { id: "ada".to_owned(), ssn: 1 }).await.unwrap();
    let stored = attack.fields("customers/ada").await;
    // The same 32 bytes as a message key, and a channel that is called as the document is.
    let ring = MessageRing::new(MessageKey::from_bytes(attack.keys.primary().expose_secret()));
    let subject = Channel::subject("customers/ada").unwrap().event();
    let message = Numbered { id: "ada".to_owned(), ssn: 1 }.seal_message(&subject, &ring).unwrap();
    let sent = message.into_companion().ssn.as_bytes().unwrap().to_vec();
    let mut named = sent.clone();
    named[1..33].copy_from_slice(attack.keys.primary().id().as_bytes());
    for (sent, what) in [(sent, "as it was sent"), (named, "under the data key's id")] {
        attack.project.put("customers/ada", &with(&stored, "/ssn", bytes(&sent))).await.unwrap();
        let read = numbered.get("ada").await;
        let expected = |cause| matches!(cause, Cause::KeyUnknown(_) | Cause::DoesNotOpen);
        tally.holds(refused(&read, &expected), || format!("a message's value, {what}: {read:?}"));
    }
}
