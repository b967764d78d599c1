//! Sealing and opening, against the bare cipher and encoding.
//!
//! `cargo bench --bench seal` prints medians and their ratios, measured in turn in one run, with the
//! fast cipher; `cargo bench --bench seal --no-default-features` with the portable one. Without
//! `--bench` it only makes sure that everything runs.

#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/measure.rs"]
mod measure;
#[cfg_attr(feature = "aws-lc", path = "support/raw_aws_lc.rs")]
#[cfg_attr(not(feature = "aws-lc"), path = "support/raw_portable.rs")]
mod raw;

use std::collections::BTreeMap;
use std::hint::black_box;

use fireseal::{DataKey, DocumentPath, KeyRing, Location, Sealable};
use measure::{Medians, compare, compare_batches, settle, time};
use serde::Serialize;
use serde::de::DeserializeOwned;

#[derive(Sealable, Clone)]
#[sealable(collection = "customers")]
struct Customer {
    #[sealable(id)]
    id: String,
    #[sensitive]
    ssn: String,
    #[sensitive]
    address: String,
    #[sensitive]
    balance: i64,
    #[sensitive]
    contact: BTreeMap<String, String>,
    #[sensitive]
    tags: Vec<String>,
}

fn customer() -> Customer {
    let text = |text: &str| text.to_owned();
    Customer {
        id: text("ada"),
        ssn: text("078-05-1120"),
        address: text("12 Ockham Park, Ockham, Surrey, GU23 6NG"),
        balance: 1_234_567,
        contact: ["mail", "phone", "post"].into_iter().map(|kind| (text(kind), text("somewhere"))).collect(),
        tags: ["one", "two", "three", "four", "five"].into_iter().map(text).collect(),
    }
}

#[derive(Sealable, Clone)]
#[sealable(collection = "photos")]
struct Photo {
    #[sealable(id)]
    id: String,
    #[sensitive(bytes)]
    image: Vec<u8>,
}

const KEY: [u8; 32] = [1; 32];
const NONCE: [u8; 24] = [2; 24];
/// As long as the associated data of these documents' fields.
const ASSOCIATED_DATA: [u8; 105] = [3; 105];

/// What cannot be left out: for each value its encoding into a buffer that is there already, and
/// one whole XChaCha20-Poly1305.
#[derive(Default)]
struct Bare {
    buffers: [Vec<u8>; 5],
    tags: [[u8; 16]; 5],
}

impl Bare {
    fn encode(&mut self, field: usize, value: &impl Serialize) {
        let buffer = &mut self.buffers[field];
        buffer.clear();
        let mut serializer = rmp_serde::Serializer::new(&mut *buffer).with_struct_map().with_human_readable();
        value.serialize(&mut serializer).unwrap();
        self.tags[field] = raw::seal(&KEY, &NONCE, &ASSOCIATED_DATA, buffer);
    }

    fn seal(&mut self, customer: &Customer) {
        self.encode(0, &customer.ssn);
        self.encode(1, &customer.address);
        self.encode(2, &customer.balance);
        self.encode(3, &customer.contact);
        self.encode(4, &customer.tags);
    }

    fn decode<T: DeserializeOwned>(&self, field: usize, plaintext: &mut Vec<u8>) -> T {
        plaintext.resize(self.buffers[field].len(), 0);
        raw::open(&KEY, &NONCE, &ASSOCIATED_DATA, &self.buffers[field], &self.tags[field], plaintext);
        T::deserialize(
            &mut rmp_serde::Deserializer::from_read_ref(plaintext.as_slice()).with_human_readable(),
        )
        .unwrap()
    }

    fn open(&self, plaintext: &mut Vec<u8>) -> Customer {
        Customer {
            id: String::new(),
            ssn: self.decode(0, plaintext),
            address: self.decode(1, plaintext),
            balance: self.decode(2, plaintext),
            contact: self.decode(3, plaintext),
            tags: self.decode(4, plaintext),
        }
    }
}

fn location(path: &str) -> Location {
    Location::new(DocumentPath::parse(path).unwrap())
}

/// Opening consumes what it opens: the copies are made before the clock starts.
fn opened<T: Sealable>(sealed: &T::Sealed, batch: usize, location: &Location, ring: &KeyRing) -> f64 {
    let mut copies = vec![sealed.clone(); batch];
    time(batch, || drop(black_box(T::open(copies.pop().unwrap(), location, ring))))
}

fn document(ring: &KeyRing) {
    const ROUNDS: usize = 501;
    const BATCH: usize = 200;
    let (customer, here, mut bare) = (customer(), location("customers/ada"), Bare::default());
    let sealed = customer.seal(&here, ring).unwrap();
    let seal = || drop(black_box(black_box(&customer).seal(&here, ring)));
    report("seal, 5 fields", compare(ROUNDS, BATCH, seal, || bare.seal(black_box(&customer))));

    let mut plaintext = Vec::new();
    let own = || opened::<Customer>(&sealed, BATCH, &here, ring);
    let base = || time(BATCH, || drop(black_box(bare.open(&mut plaintext))));
    report("open, 5 fields", compare_batches(ROUNDS, own, base));
    let draw = || {
        let mut draw = [0; 24];
        getrandom::fill(black_box(&mut draw)).unwrap();
    };
    let Medians { own, .. } = compare(ROUNDS, BATCH, draw, || ());
    println!("of sealing, the draw of 24 random bytes: {own:.0} ns");
}

fn large(ring: &KeyRing) {
    const ROUNDS: usize = 301;
    settle();
    let here = location("photos/one");
    let photo = Photo { id: "one".to_owned(), image: vec![7; 1 << 20] };
    let sealed = photo.seal(&here, ring).unwrap();
    let mut buffer = photo.image.clone();
    let seal = || drop(black_box(black_box(&photo).seal(&here, ring)));
    let base = || {
        black_box(raw::seal(&KEY, &NONCE, &ASSOCIATED_DATA, &mut buffer));
    };
    throughput("seal, 1 MiB of bytes", compare(ROUNDS, 1, seal, base));

    let mut ciphertext = photo.image.clone();
    let tag = raw::seal(&KEY, &NONCE, &ASSOCIATED_DATA, &mut ciphertext);
    let own = || opened::<Photo>(&sealed, 1, &here, ring);
    let base = || time(1, || raw::open(&KEY, &NONCE, &ASSOCIATED_DATA, &ciphertext, &tag, &mut buffer));
    throughput("open, 1 MiB of bytes", compare_batches(ROUNDS, own, base));
}

fn report(what: &str, Medians { own, base, ratio }: Medians) {
    println!("{what}: {own:.0} ns, bare cipher and encoding {base:.0} ns, ratio {ratio:.2}");
}

fn throughput(what: &str, Medians { own, base, ratio }: Medians) {
    let rate = |time: f64| f64::from(1 << 20) / time * 1e3;
    println!(
        "{what}: {:.0} MB/s, bare cipher {:.0} MB/s: {:.0} % of it",
        rate(own),
        rate(base),
        100.0 / ratio
    );
}

fn main() {
    println!("cipher: {}", raw::NAME);
    let ring = KeyRing::new(DataKey::generate().unwrap());
    document(&ring);
    large(&ring);
}
