//! Sealing and opening through a hand-written type: where a value opens and where not, and what is told of it.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde::Serialize;

use super::*;
use crate::bytes::{DocumentPath, EncodeError, FieldPath, FieldStep, Format, KeyId, Location, Scope};
use crate::keys::{DataKey, KeyLookup, KeyRing};

const INFO: &[IndexInfo] = &[IndexInfo { kind: IndexKind::Equality, normalize: &[], bits: 128 }];

/// A text that may be stored as `tax_id`, bytes, and an optional text.
#[derive(Debug, Clone, PartialEq)]
struct Person {
    id: String,
    ssn: String,
    photo: Vec<u8>,
    note: Option<String>,
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
struct SealedPerson {
    id: String,
    ssn: Sealed<String>,
    photo: Sealed<Vec<u8>>,
    note: Sealed<Option<String>>,
}

struct PartialPerson {
    id: String,
    ssn: Result<String, Closed<String>>,
    photo: Result<Vec<u8>, Closed<Vec<u8>>>,
    note: Result<Option<String>, Closed<Option<String>>>,
}

const ALIASES: &[&str] = &["tax_id", "ni_number"];

impl Sealable for Person {
    type Sealed = SealedPerson;
    type Partial = PartialPerson;

    fn draft(&self, walk: &mut Walk<Draft>) -> Result<SealedPerson, SealError> {
        Ok(SealedPerson {
            id: self.id.clone(),
            ssn: walk.key("ssn", |walk| walk.field(&self.ssn, Format::new()))?,
            photo: walk.key("photo", |walk| walk.bytes(&self.photo, Format::new().padded(32)))?,
            note: walk.key("note", |walk| walk.field(&self.note, Format::new()))?,
        })
    }

    fn visit(sealed: &mut SealedPerson, walk: &mut Walk<Visit<'_>>) -> Result<(), SealError> {
        walk.key("ssn", |walk| walk.field(&mut sealed.ssn))?;
        walk.key("photo", |walk| walk.field(&mut sealed.photo))?;
        walk.key("note", |walk| walk.field(&mut sealed.note))
    }

    fn reveal(sealed: SealedPerson, walk: &mut Walk<Reveal<'_>>) -> Option<Self> {
        let PartialPerson { id, ssn, photo, note } = Self::reveal_partial(sealed, walk);
        Some(Self { id, ssn: ssn.ok()?, photo: photo.ok()?, note: note.ok()? })
    }

    fn reveal_partial(sealed: SealedPerson, walk: &mut Walk<Reveal<'_>>) -> PartialPerson {
        let SealedPerson { id, ssn, photo, note } = sealed;
        PartialPerson {
            id,
            ssn: walk.key_read("ssn", ALIASES, |walk| walk.field(ssn, Format::new(), missing, |plain| plain)),
            photo: walk.key("photo", |walk| walk.bytes(photo, Format::new(), missing)),
            note: walk.key("note", |walk| walk.field(note, Format::new(), missing, |plain| plain)),
        }
    }

    fn draft_partial(partial: &PartialPerson, walk: &mut Walk<Draft>) -> Result<SealedPerson, SealError> {
        Ok(SealedPerson {
            id: partial.id.clone(),
            ssn: walk.key("ssn", |walk| match &partial.ssn {
                Ok(ssn) => walk.field(ssn, Format::new()),
                Err(closed) => Ok(walk.keep(closed)),
            })?,
            photo: walk.key("photo", |walk| match &partial.photo {
                Ok(photo) => walk.bytes(photo, Format::new()),
                Err(closed) => Ok(walk.keep(closed)),
            })?,
            note: walk.key("note", |walk| match &partial.note {
                Ok(note) => walk.field(note, Format::new()),
                Err(closed) => Ok(walk.keep(closed)),
            })?,
        })
    }

    fn index(&self, walk: &mut Walk<Index>) -> Result<(), SealError> {
        walk.key("ssn", |walk| walk.value(&self.ssn, INFO))
    }

    fn index_partial(partial: &PartialPerson, walk: &mut Walk<Index>) -> Result<(), SealError> {
        walk.key("ssn", |walk| match &partial.ssn {
            Ok(ssn) => walk.value(ssn, INFO),
            Err(_) => {
                walk.closed();
                Ok(())
            }
        })
    }
}

impl Companion for SealedPerson {
    type Open = Person;
}

impl Document for Person {
    const COLLECTION: &'static str = "people";
    const ID_FIELD: &'static str = "id";
    const FIELDS: &'static [FieldInfo] = &[];
    const FLATTENED: bool = false;

    fn id(&self) -> &str {
        &self.id
    }

    fn sealed_id(sealed: &SealedPerson) -> &str {
        &sealed.id
    }
}

fn ada() -> Person {
    let (id, ssn) = ("ada".to_owned(), "078-05-1120".to_owned());
    Person { id, ssn, photo: vec![1, 0, 0], note: Some("likes engines".to_owned()) }
}

fn at(path: &str) -> Location {
    Location::new(DocumentPath::parse(path).expect("valid"))
}

fn here() -> Location {
    at("people/ada")
}

fn key(byte: u8) -> DataKey {
    DataKey::from_bytes(&[byte; 32])
}

fn ring() -> KeyRing {
    KeyRing::new(key(1))
}

fn sealed() -> SealedPerson {
    ada().seal(&here(), &ring()).expect("sealable")
}

fn acme() -> Scope {
    Scope::new("acme").expect("valid")
}

/// What is told of the fields that do not open, by their paths.
fn failures<T: Debug>(opened: Result<T, OpenError>) -> Vec<(String, Cause)> {
    match opened {
        Err(OpenError::Fields { failures, .. }) => {
            failures.into_iter().map(|failure| (failure.field.to_string(), failure.cause)).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn all_fail(cause: Cause) -> Vec<(String, Cause)> {
    ["ssn", "photo", "note"].map(|field| (field.to_owned(), cause)).to_vec()
}

#[test]
fn what_is_sealed_opens_at_its_place_under_its_key_and_nowhere_else() {
    assert_eq!(Person::open(sealed(), &here(), &ring()).expect("at its place"), ada());
    let rotated = KeyRing::new(key(2)).with_active(key(1));
    assert_eq!(Person::open(sealed(), &here(), &rotated).expect("under an active key"), ada());

    let elsewhere = Person::open(sealed(), &at("people/bob"), &ring());
    let message = elsewhere.as_ref().expect_err("another place").to_string();
    assert_eq!(
        message,
        "people/bob (scope default) does not open: ssn: does not open; photo: does not open; note: does not open"
    );
    assert_eq!(failures(elsewhere), all_fail(Cause::DoesNotOpen));
    let unknown = all_fail(Cause::KeyUnknown(key(1).id()));
    assert_eq!(failures(Person::open(sealed(), &here(), &KeyRing::new(key(2)))), unknown);
    let ring_of_acme = ring().with_scope(acme());
    assert_eq!(failures(Person::open(sealed(), &here(), &ring_of_acme)), unknown);
    assert!(matches!(ada().seal(&here(), &ring_of_acme), Err(SealError::OtherScope { .. })));
    let gone = KeyRing::new(key(2)).with_destroyed(key(1).id());
    assert_eq!(failures(Person::open(sealed(), &here(), &gone)), all_fail(Cause::KeyDestroyed(key(1).id())));
}

#[test]
fn what_does_not_open_is_kept_byte_for_byte() {
    let mut broken = sealed();
    broken.photo = sealed().ssn.as_bytes().map(|bytes| Sealed::from_bytes(bytes.to_vec())).expect("stored");
    let partial = Person::open_partial(broken.clone(), &here(), &ring());
    assert_eq!(
        (partial.ssn.as_deref().ok(), partial.note.as_ref().ok()),
        (Some("078-05-1120"), Some(&ada().note))
    );
    let closed = partial.photo.as_ref().expect_err("another field's value");
    assert_eq!((closed.cause(), closed.sealed()), (Cause::DoesNotOpen, &broken.photo));
    assert_eq!((closed.clone().cause(), closed.clone().sealed()), (Cause::DoesNotOpen, &broken.photo));
    assert_eq!(format!("{closed:?}"), format!("Closed({:?}: does not open)", broken.photo));

    let rotated = KeyRing::new(key(2)).with_active(key(1));
    let mut again = Person::seal_partial(&partial, &here(), &rotated).expect("sealable");
    assert_eq!((&again.photo, again.ssn.key_id()), (&broken.photo, Some(key(2).id())));
    let mut ids = vec![key(1).id(), key(2).id()];
    ids.sort_unstable();
    assert_eq!(key_ids::<Person>(&mut again), ids, "each once");
    again.photo = sealed().photo;
    assert_eq!(Person::open(again, &here(), &rotated).expect("two keys and two writes"), ada());
}

#[test]
fn the_values_of_several_writes_open_together() {
    let mixed = SealedPerson { note: sealed().note, ..sealed() };
    assert_eq!(Person::open(mixed, &here(), &ring()).expect("one key, two draws of nonces"), ada());
}

#[test]
fn a_key_is_looked_up_once_and_only_the_one_asked_for_is_believed() {
    let asked = Cell::new(0);
    let look_up = |_: &KeyId| {
        asked.set(asked.get() + 1);
        KeyLookup::Found(key(1).into())
    };
    assert_eq!(open_with::<Person>(sealed(), &here(), &look_up, None).expect("opens"), ada());
    assert_eq!(asked.get(), 1);
    let id = key(1).id();
    for (answer, cause) in [
        (KeyLookup::Found(key(2).into()), Cause::KeyUnknown(id)),
        (KeyLookup::Unknown, Cause::KeyUnknown(id)),
        (KeyLookup::Destroyed, Cause::KeyDestroyed(id)),
        (KeyLookup::Retired, Cause::KeyRetired(id)),
        (KeyLookup::Compromised, Cause::KeyCompromised(id)),
        (KeyLookup::Refused, Cause::KeyRefused(id)),
    ] {
        assert_eq!(
            failures(open_with::<Person>(sealed(), &here(), &|_| answer.clone(), None)),
            all_fail(cause)
        );
    }
}

#[tokio::test]
async fn a_companion_opens_with_what_its_provider_finds() {
    assert_eq!(sealed().open_at(&here(), &ring()).await.expect("opens"), ada());
    let missing = sealed().open_at(&here(), &KeyRing::new(key(2))).await;
    assert_eq!(failures(missing), all_fail(Cause::KeyUnknown(key(1).id())));
    let found = resolve(&ring(), &Scope::default(), vec![key(1).id(), key(2).id()]).await.expect("at hand");
    assert_eq!(found.len(), 2);
    let partial = partial_with::<Person>(sealed(), &here(), &found);
    assert_eq!((partial.ssn.ok(), partial.photo.ok()), (Some(ada().ssn), Some(ada().photo)));
    assert!(resolve(&ring(), &Scope::default(), Vec::new()).await.expect("nothing is asked").is_empty());
    assert_eq!((Document::scope(&ada()), <Person as Document>::sealed_scope(&sealed())), (None, None));
}

#[test]
fn an_absent_value_is_its_default_or_missing() {
    let absent = SealedPerson { note: Sealed::default(), ..sealed() };
    let opened = Person::open(absent, &here(), &ring()).expect("an optional field has a default");
    assert_eq!(opened, Person { note: None, ..ada() });
    let absent = SealedPerson { ssn: Sealed::default(), photo: Sealed::default(), ..sealed() };
    let told = failures(Person::open(absent, &here(), &ring()));
    assert_eq!(told, all_fail(Cause::Missing)[..2]);
    assert_eq!((missing::<u8>(), missing::<Vec<u8>>(), missing::<Option<u8>>()), (None, None, Some(None)));
}

fn in_the_clear<T>(value: serde_json::Value) -> Sealed<T> {
    serde_json::from_value(value).expect("anything is taken")
}

fn window(fields: &[&str], seconds: u64, ahead: bool) -> PlaintextWindow {
    let (now, far) = (SystemTime::now(), Duration::from_secs(seconds));
    PlaintextWindow::new(fields.iter().copied(), if ahead { now + far } else { now - far })
}

#[test]
fn plaintext_is_accepted_in_a_window_and_counted_and_nowhere_else() {
    let look_up = |_: &KeyId| KeyLookup::Found(key(1).into());
    let clear = || SealedPerson {
        ssn: in_the_clear("078-05-1120".into()),
        // Bytes that begin as no envelope does.
        photo: Sealed::from_bytes(vec![9, 9]),
        ..sealed()
    };
    let open =
        |sealed, window: &PlaintextWindow| open_with::<Person>(sealed, &here(), &look_up, Some(window));
    let wide = window(&["ssn", "photo"], 3_600, true);
    assert_eq!(open(clear(), &wide).expect("within the window"), Person { photo: vec![9, 9], ..ada() });
    assert_eq!(wide.accepted(), 2);
    assert_eq!(open(sealed(), &wide).expect("sealed"), ada());
    assert_eq!(wide.accepted(), 2, "what is sealed is not counted");

    let (plain, malformed) = (("ssn".to_owned(), Cause::Plaintext), ("photo".to_owned(), Cause::Malformed));
    for closed in [window(&["ssn", "photo"], 3_600, false), window(&["note", "id"], 3_600, true)] {
        assert_eq!(failures(open(clear(), &closed)), [plain.clone(), malformed.clone()]);
        assert_eq!(closed.accepted(), 0);
    }
    assert_eq!(failures(Person::open(clear(), &here(), &ring())), [plain, malformed.clone()]);

    let wrong = SealedPerson { ssn: in_the_clear(7.into()), ..sealed() };
    assert_eq!(failures(open(wrong, &wide)), [("ssn".to_owned(), Cause::OtherType)]);
    let cut = SealedPerson { photo: Sealed::from_bytes(vec![1, 9]), ..sealed() };
    assert_eq!(failures(open(cut, &wide)), [malformed], "it begins as an envelope");
    let no_text = SealedPerson { ssn: Sealed::from_bytes(vec![0xff]), ..sealed() };
    assert_eq!(failures(open(no_text, &wide)), [("ssn".to_owned(), Cause::Malformed)]);
    assert_eq!(wide.accepted(), 2);
}

/// Sealed under any names, one in the other.
fn sealed_at(names: &[&str], text: &str) -> Vec<u8> {
    let path = FieldPath::new(names.iter().map(|name| FieldStep::Key((*name).to_owned())).collect());
    let draft = crate::bytes::plaintext::Plaintext::encode(text, Format::new()).expect("a text");
    let mut sealed = seal_values(vec![(path, draft)], &here(), &ring()).expect("sealable");
    sealed.pop().expect("one value").1
}

#[test]
fn a_value_opens_under_every_alias_of_its_steps_and_under_no_other_name() {
    let (here, look_up) = (here(), |_: &KeyId| KeyLookup::Found(key(1).into()));
    let read = |stored: Vec<u8>| {
        let mut walk = Walk::reveal(&here, &look_up, None);
        walk.key_read("ssn", ALIASES, |walk| {
            walk.key_read("number", &["digits"], |walk| {
                walk.field::<String, String>(Sealed::from_bytes(stored), Format::new(), missing, |plain| {
                    plain
                })
            })
        })
        .ok()
    };
    for outer in ["ssn", "tax_id", "ni_number"] {
        for inner in ["number", "digits"] {
            assert_eq!(read(sealed_at(&[outer, inner], "1")).as_deref(), Some("1"), "{outer}.{inner}");
        }
    }
    for names in [&["digits", "ssn"][..], &["tax_id"], &["ssn", "tax_id"], &["other", "number"]] {
        assert_eq!(read(sealed_at(names, "1")), None, "{names:?}");
    }
    // The aliases of a field end with it.
    let (mut walk, stored) = (Walk::reveal(&here, &look_up, None), sealed_at(&["tax_id"], "1"));
    walk.key_read("ssn", ALIASES, |_| ());
    let opened = walk.key("ssn", |walk| {
        walk.field::<String, String>(Sealed::from_bytes(stored), Format::new(), missing, |plain| plain)
    });
    assert_eq!(opened.map_err(|closed| closed.cause()), Err(Cause::DoesNotOpen));
}

#[test]
fn a_value_without_a_type_is_sealed_and_opened_at_its_path() {
    let (here, look_up) = (here(), |_: &KeyId| KeyLookup::Found(key(1).into()));
    let (path, stored) = (FieldPath::from("ssn"), sealed_at(&["ssn"], "1"));
    let open = |path: &FieldPath, stored: &[u8]| {
        Walk::reveal(&here, &look_up, None).open_at(path, stored).map(|plaintext| plaintext.to_vec())
    };
    assert_eq!(open(&path, &stored), Ok(b"\x01\xa11".to_vec()));
    assert_eq!(open(&FieldPath::from("other"), &stored), Err(Cause::DoesNotOpen));
    assert_eq!(open(&path, b"\x01"), Err(Cause::Malformed));
    assert!(matches!(
        seal_values(Vec::new(), &here.with_scope(acme()), &ring()),
        Err(SealError::OtherScope { .. })
    ));
}

/// Nested too deep to be read back.
struct Deep;

impl Serialize for Deep {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer
            .collect_seq([Deep; 0].iter())
            .and_then(|_| Err(serde::ser::Error::custom("its own reasons")))
    }
}

#[test]
fn what_has_no_form_is_told_by_its_path() {
    let mut walk = Walk::draft();
    let drafted =
        walk.key("outer", |walk| walk.index(3, |walk| walk.field::<String, _>(&Deep, Format::new())));
    let Err(SealError::Encode { field, source }) = drafted else { panic!("{drafted:?}") };
    assert_eq!((field.to_string().as_str(), source), ("outer[3]", EncodeError::Unserializable));
    let absent = walk.bytes(&None::<Vec<u8>>, Format::new()).expect("nil");
    assert_eq!(format!("{absent:?}"), "Sealed(draft)");
}

/// Overlooks that its field did not open.
#[derive(Debug)]
struct Careless;

impl Sealable for Careless {
    type Sealed = Sealed<String>;
    type Partial = ();

    fn draft(&self, walk: &mut Walk<Draft>) -> Result<Sealed<String>, SealError> {
        walk.field("secret", Format::new())
    }

    fn visit(sealed: &mut Sealed<String>, walk: &mut Walk<Visit<'_>>) -> Result<(), SealError> {
        walk.field(sealed)
    }

    fn reveal(sealed: Sealed<String>, walk: &mut Walk<Reveal<'_>>) -> Option<Self> {
        drop(walk.field::<String, String>(sealed, Format::new(), || None, |plain| plain));
        Some(Self)
    }

    fn reveal_partial(_: Sealed<String>, _: &mut Walk<Reveal<'_>>) {}

    fn draft_partial((): &(), walk: &mut Walk<Draft>) -> Result<Sealed<String>, SealError> {
        walk.field("secret", Format::new())
    }
}

#[test]
fn a_failure_that_a_type_overlooks_still_counts() {
    let sealed = Careless.seal(&here(), &ring()).expect("sealable");
    assert!(Careless::open(sealed.clone(), &here(), &ring()).is_ok());
    let root = (String::new(), Cause::DoesNotOpen);
    assert_eq!(failures(Careless::open(sealed, &at("people/bob"), &ring())), [root]);
}

/// Sealed, opened, and carried to another place without being opened on the way; `fields` is how many it has.
fn goes_round<T: Sealable + PartialEq + Debug>(value: &T, fields: usize) {
    let (there, unknown) = (at("people/bob"), KeyRing::new(key(2)));
    let sealed = value.seal(&here(), &ring()).expect("sealable");
    assert_eq!(&T::open(sealed.clone(), &here(), &ring()).expect("opens"), value);
    if fields > 0 {
        assert_eq!(failures(T::open(sealed.clone(), &there, &ring())).len(), fields, "all are told");
    }
    let kept = T::open_partial(sealed.clone(), &here(), &unknown);
    let kept = T::seal_partial(&kept, &there, &unknown).expect("nothing to be sealed");
    assert_eq!(&T::open(kept, &here(), &ring()).expect("as it was stored"), value);
    let opened = T::open_partial(sealed, &here(), &ring());
    let moved = T::seal_partial(&opened, &there, &ring()).expect("sealable");
    assert_eq!(&T::open(moved, &there, &ring()).expect("sealed anew"), value);
}

#[test]
fn containers_go_round_with_everything_in_them() {
    let bob = || Person { ssn: "219-09-9999".to_owned(), note: None, ..ada() };
    goes_round(&ada(), 3);
    goes_round(&Some(ada()), 3);
    goes_round(&None::<Person>, 0);
    goes_round(&Box::new(ada()), 3);
    goes_round(&vec![ada(), bob(), ada()], 9);
    goes_round(&Vec::<Person>::new(), 0);
    let people = || [("a.b".to_owned(), ada()), ("c".to_owned(), bob())];
    goes_round(&HashMap::from(people()), 6);
    goes_round(&BTreeMap::from(people()), 6);
    goes_round(&Some(Box::new(BTreeMap::from([("all".to_owned(), vec![ada(), bob()])]))), 6);
}

#[test]
fn elements_do_not_open_at_each_others_places() {
    let mut list = vec![ada(), ada()].seal(&here(), &ring()).expect("sealable");
    list.swap(0, 1);
    assert_eq!(failures(<Vec<Person>>::open(list, &here(), &ring()))[0].0, "[0].ssn");
    let map = BTreeMap::from([("one".to_owned(), ada())]).seal(&here(), &ring()).expect("sealable");
    let renamed: BTreeMap<_, _> = map.into_values().map(|person| ("other".to_owned(), person)).collect();
    assert_eq!(failures(<BTreeMap<String, Person>>::open(renamed, &here(), &ring()))[0].0, "other.ssn");
}

#[test]
fn options_and_boxes_are_indexed_and_lists_are_not() {
    let indexed = |index: &dyn Fn(&mut Walk<Index>) -> Result<(), SealError>| {
        let mut walk = Walk::indexing();
        index(&mut walk).expect("indexable");
        walk.into_terms().iter().map(|term| matches!(term.values, Values::Field { .. })).collect::<Vec<_>>()
    };
    let boxed = Box::new(ada());
    assert_eq!(indexed(&|walk| Some(ada()).index(walk)), [true]);
    assert!(indexed(&|walk| None::<Person>.index(walk)).is_empty());
    assert_eq!(indexed(&|walk| boxed.index(walk)), [true]);
    for (ring, open) in [(ring(), true), (KeyRing::new(key(2)), false)] {
        let some = <Option<Person>>::open_partial(Some(sealed()), &here(), &ring);
        assert_eq!(indexed(&|walk| <Option<Person>>::index_partial(&some, walk)), [open]);
        let boxed = <Box<Person>>::open_partial(Box::new(sealed()), &here(), &ring);
        assert_eq!(indexed(&|walk| <Box<Person>>::index_partial(&boxed, walk)), [open]);
    }
    const { assert!(!<Vec<Person>>::INDEXED && !<BTreeMap<String, Person>>::INDEXED) };
}
