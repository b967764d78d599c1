//! Opening with keys from a provider that may lie, and a hand-written walk that forgets a field.

#![allow(clippy::unwrap_used)]

#[path = "support/promise.rs"]
mod promise;

#[path = "support/one.rs"]
mod one;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use fireseal::__private::Format;
use fireseal::{
    Cause, Closed, Companion, DataKey, Draft, KeyError, KeyId, KeyLookup, KeyProvider, KeyRing, Reveal,
    Scope, SealError, Sealable, Visit, Walk, to_json,
};
use one::{One, OneSealed, Plain, cause, location, ring};

impl<T: Plain> Companion for OneSealed<T> {
    type Open = One<T>;
}

/// Answers every question with these, and remembers what it was asked.
struct Answers {
    answers: Vec<KeyLookup>,
    asked: Mutex<Vec<(Scope, KeyId)>>,
}

#[async_trait]
impl KeyProvider for Answers {
    async fn ring(&self, scope: &Scope) -> Result<KeyRing, KeyError> {
        Err(KeyError::ScopeUnknown { scope: scope.clone() })
    }

    async fn keys(&self, wanted: &[(Scope, KeyId)]) -> Result<Vec<KeyLookup>, KeyError> {
        self.asked.lock().unwrap().extend_from_slice(wanted);
        Ok(self.answers.clone())
    }
}

fn answering(answers: Vec<KeyLookup>) -> Answers {
    Answers { answers, asked: Mutex::default() }
}

#[tokio::test]
async fn a_provider_is_believed_only_about_the_key_that_was_asked_for() {
    let sealed = One::<_>("text".to_owned()).seal(&location(), &ring()).unwrap();
    let id = sealed.value.key_id().unwrap();
    let right = KeyLookup::Found(Arc::new(DataKey::from_bytes(&[7; 32])));
    let wrong = KeyLookup::Found(Arc::new(DataKey::from_bytes(&[8; 32])));

    let honest = answering(vec![right.clone()]);
    assert_eq!(sealed.clone().open_at(&location(), &honest).await.unwrap().0, "text");
    assert_eq!(*honest.asked.lock().unwrap(), [(Scope::default(), id)]);

    for answers in [vec![], vec![wrong.clone()], vec![wrong, right], vec![KeyLookup::Unknown]] {
        let error = sealed.clone().open_at(&location(), &answering(answers)).await.unwrap_err();
        assert_eq!(cause(&error), Cause::KeyUnknown(id));
    }
    let error = sealed.open_at(&location(), &answering(vec![KeyLookup::Destroyed])).await.unwrap_err();
    assert_eq!(cause(&error), Cause::KeyDestroyed(id));
    promise::Promise::kept("provider_answers", 1);
}

#[tokio::test]
async fn a_provider_is_not_asked_about_what_is_no_envelope() {
    let nobody = answering(Vec::new());
    let malformed = OneSealed::<String>::from_bytes(&[2; 100]);
    let error = malformed.open_at(&location(), &nobody).await.unwrap_err();
    assert_eq!(cause(&error), Cause::Malformed);
    assert!(nobody.asked.lock().unwrap().is_empty());
}

/// Its `visit` does not reach the field that its `draft` makes.
#[derive(Debug)]
struct Forgetful(String);

impl Sealable for Forgetful {
    type Sealed = OneSealed<String>;
    type Partial = Result<String, Closed<String>>;

    fn draft(&self, walk: &mut Walk<Draft>) -> Result<OneSealed<String>, SealError> {
        One::<_>(self.0.clone()).draft(walk)
    }

    fn visit(_: &mut OneSealed<String>, _: &mut Walk<Visit<'_>>) -> Result<(), SealError> {
        Ok(())
    }

    fn reveal(sealed: OneSealed<String>, walk: &mut Walk<Reveal<'_>>) -> Option<Self> {
        let default = || Some("default".to_owned());
        walk.key("value", |walk| walk.field(sealed.value, Format::new(), default, |value| value))
            .ok()
            .map(Self)
    }

    fn reveal_partial(sealed: OneSealed<String>, walk: &mut Walk<Reveal<'_>>) -> Self::Partial {
        One::<String>::reveal_partial(sealed, walk)
    }

    fn draft_partial(partial: &Self::Partial, walk: &mut Walk<Draft>) -> Result<Self::Sealed, SealError> {
        One::<String>::draft_partial(partial, walk)
    }
}

#[test]
fn a_draft_that_was_not_sealed_goes_nowhere() {
    let forgotten = Forgetful("canary".to_owned()).seal(&location(), &ring()).unwrap();
    assert!(forgotten.value.as_bytes().is_none());
    assert!(!format!("{forgotten:?}").contains("canary"));
    assert!(to_json(&forgotten).is_err());
    let error = Forgetful::open(forgotten, &location(), &ring()).unwrap_err();
    assert_eq!(cause(&error), Cause::Missing, "and no default is made up");
}
