//! T5: what is told of a deleted field, and what is not.

use fireseal::Cause;

use crate::attack::{Attack, PLACES};
use crate::promise::Tally;

/// T5: each sealed field is deleted, alone and together with others.
pub async fn fields_are_deleted(tally: &Tally) {
    let attack = Attack::begin().await;
    let ada = attack.fields("customers/ada").await;
    let required: Vec<_> = PLACES.into_iter().filter(|(name, _)| *name != "nickname").collect();
    let remove = |fields: &mut serde_json::Value, at: &str| {
        let (parent, name) = at.rsplit_once('/').unwrap();
        let parent = fields.pointer_mut(parent).unwrap();
        parent.as_object_mut().unwrap().remove(name).unwrap();
    };
    for (position, (name, at)) in required.iter().enumerate() {
        let mut fields = ada.clone();
        remove(&mut fields, at);
        attack.refused(tally, &fields, &[(name, Cause::Missing)], name).await;
        for (other_name, other_at) in &required[position + 1..] {
            let mut fields = fields.clone();
            remove(&mut fields, other_at);
            let mut causes = attack.causes(&fields).await;
            causes.sort_by(|one, other| one.0.cmp(&other.0));
            let mut expected = [name, other_name].map(|name| ((*name).to_owned(), Cause::Missing));
            expected.sort_by(|one, other| one.0.cmp(&other.0));
            tally.holds(causes == expected, || format!("{name} and {other_name}: {causes:?}"));
        }
    }
    // What is not promised without the document seal: an optional field that is taken away.
    let mut fields = ada.clone();
    remove(&mut fields, "/nickname");
    attack.project.put("customers/ada", &fields).await.unwrap();
    assert_eq!(attack.customers.get("ada").await.unwrap().unwrap().nickname, None);
    tally.note("an optional field that is deleted reads as None: not told without `authenticated`");
}
