//! Making index tokens, against the bare HMACs with key states that are kept: the tokens of given values, and those
//! of a whole document with all that is around them.
//!
//! `cargo bench --bench tokens` prints medians and their ratio, measured in turn in one run; without
//! `--bench` it only makes sure that everything runs.

#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;
use std::time::Instant;

use fireseal::__private::{TokenMaker, make_tokens};
use fireseal::{
    DocumentPath, Draft, Index, IndexInfo, IndexKey, IndexKind, Location, Range, Reveal, SealError, Sealable,
    Visit, Walk,
};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

const EQUALITY: &[IndexInfo] = &[IndexInfo { kind: IndexKind::Equality, normalize: &[], bits: 128 }];
const WORDS: &[IndexInfo] = &[IndexInfo { kind: IndexKind::Words, normalize: &[], bits: 128 }];
const RANGE: &[IndexInfo] = &[IndexInfo {
    kind: IndexKind::Range(Range::Integer { min: 0, max: 65_535, step: 1 }),
    normalize: &[],
    bits: 128,
}];

/// Some indexed fields.
struct Document(Vec<(&'static str, &'static [IndexInfo], Value)>);

enum Value {
    Text(&'static str),
    Integer(i64),
}

impl Sealable for Document {
    type Sealed = ();
    type Partial = ();

    const INDEXED: bool = true;

    fn draft(&self, _: &mut Walk<Draft>) -> Result<(), SealError> {
        Ok(())
    }

    fn visit((): &mut (), _: &mut Walk<Visit<'_>>) -> Result<(), SealError> {
        Ok(())
    }

    fn reveal((): (), _: &mut Walk<Reveal<'_>>) -> Option<Self> {
        None
    }

    fn reveal_partial((): (), _: &mut Walk<Reveal<'_>>) {}

    fn draft_partial((): &(), _: &mut Walk<Draft>) -> Result<(), SealError> {
        Ok(())
    }

    fn index(&self, walk: &mut Walk<Index>) -> Result<(), SealError> {
        self.0.iter().try_for_each(|(name, infos, value)| {
            walk.key(name, |walk| match value {
                Value::Text(text) => walk.value(text, infos),
                Value::Integer(integer) => walk.value(integer, infos),
            })
        })
    }
}

/// What cannot be left out: one HMAC-SHA256 for each token, over its canonical value.
fn bare(states: &[Hmac<Sha256>], values: &[Vec<u8>]) -> usize {
    for (state, value) in states.iter().zip(values) {
        let mut mac = state.clone();
        mac.update(black_box(value));
        black_box(mac.finalize().into_bytes());
    }
    values.len()
}

/// Medians in nanoseconds of two closures that take turns.
fn medians(rounds: usize, mut one: impl FnMut() -> usize, mut two: impl FnMut() -> usize) -> (f64, f64) {
    const CALLS: u32 = 100;
    let mut times = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let start = Instant::now();
        (0..CALLS).for_each(|_| assert!(black_box(one()) > 0));
        times.0.push(start.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS));
        let start = Instant::now();
        (0..CALLS).for_each(|_| assert!(black_box(two()) > 0));
        times.1.push(start.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS));
    }
    let median = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    (median(&mut times.0), median(&mut times.1))
}

fn main() {
    let rounds = if std::env::args().any(|argument| argument == "--bench") { 2_000 } else { 1 };
    let location = Location::new(DocumentPath::parse("customers/ada").unwrap());
    let key = IndexKey::from_bytes(&[7; 32]);
    let mail = || Value::Text("ada@example.com");
    let names = ["email", "phone", "ssn", "passport", "account"];
    let text = "the quick brown fox jumps over thirteen lazy dogs";
    let documents = [
        ("one equality", Document(vec![("email", EQUALITY, mail())])),
        ("five equalities", Document(names.map(|name| (name, EQUALITY, mail())).into())),
        ("a range of 65,536 buckets", Document(vec![("salary", RANGE, Value::Integer(41_999))])),
        ("nine words", Document(vec![("notes", WORDS, Value::Text(text))])),
    ];
    for (name, document) in documents {
        let count = make_tokens(&document, &key, &location).unwrap();
        // Tag, length and content, as long as those of the document.
        let values = vec![vec![7; if name.contains("range") { 22 } else { 20 }]; count];
        let mut maker = TokenMaker::of(&document, &key, &location).unwrap();
        let states: Vec<_> = (0..count).map(|_| Hmac::<Sha256>::new_from_slice(&[9; 32]).unwrap()).collect();
        let (ours, least) = medians(
            rounds,
            || make_tokens(black_box(&document), &key, &location).unwrap(),
            || bare(&states, &values),
        );
        println!(
            "{name}, whole document: {count} tokens in {ours:.0} ns, bare {least:.0} ns, ratio {:.2}",
            ours / least
        );
        let (ours, least) = medians(rounds, || maker.make(), || bare(&states, &values));
        println!(
            "{name}, of given values: {count} tokens in {ours:.0} ns, bare {least:.0} ns, ratio {:.2}",
            ours / least
        );
    }
}
