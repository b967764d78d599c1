//! T11: what a stored length tells.

use std::collections::{BTreeMap, BTreeSet};

use fireseal::store::FirestoreStore;
use fireseal::{DataKey, KeyRing, Repository, Sealable};
use fireseal_emulator::Emulator;

use crate::attack::envelope;
use crate::promise::Tally;

/// Bytes around a plaintext.
const AROUND: usize = 73;

#[derive(Sealable)]
#[sealable(collection = "notes", debug)]
struct Note {
    #[sealable(id)]
    id: String,
    #[sensitive]
    exact: String,
    #[sensitive(pad = 64)]
    padded: String,
    #[sensitive(pad = 256)]
    optional: Option<String>,
    #[sensitive(bytes, pad = 32)]
    raw: Vec<u8>,
}

/// T11: all lengths from 0 to 200, with and without padding.
pub async fn all_lengths_from_0_to_200(tally: &Tally) {
    let project = Emulator::shared().await.unwrap().project().unwrap();
    let store = FirestoreStore::new(project.firestore().await.unwrap());
    let notes = Repository::<Note>::new(store, KeyRing::new(DataKey::generate().unwrap()));
    let mut sizes: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    for length in 0..=200 {
        let text = || "x".repeat(length);
        let id = format!("n{length}");
        let optional = (length > 0).then(text);
        let note = Note { id: id.clone(), exact: text(), padded: text(), optional, raw: vec![1; length] };
        notes.create(&note).await.unwrap();
        let fields = project.document(&format!("notes/{id}")).await.unwrap().unwrap()["fields"].clone();
        let size = |field: &str| envelope(&fields, &format!("/{field}")).len() - AROUND;
        // MessagePack's own header of a text, and that of nothing.
        let header = if length < 32 { 1 } else { 2 };
        let expected = |length: usize, pad: usize| (length + 2).next_multiple_of(pad);
        let cases = [
            ("exact", 1 + header + length),
            ("padded", expected(header + length, 64)),
            ("optional", expected(header + length, 256)),
            ("raw", expected(length, 32)),
        ];
        for (field, expected) in cases {
            let found = size(field);
            sizes.entry(field).or_default().insert(found);
            tally.holds(found == expected, || {
                format!("{field} of {length} bytes: {found} instead of {expected}")
            });
        }
    }
    for (field, most) in [("exact", 201), ("padded", 4), ("optional", 1), ("raw", 7)] {
        let distinct = sizes[field].len();
        tally.holds(distinct <= most, || format!("{field}: {distinct} different lengths"));
        tally.note(format!("201 different lengths of the field `{field}` are stored as {distinct}"));
    }
}
