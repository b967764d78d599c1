//! Sealing and opening one document of five sensitive fields, against the bare cipher and encoding.
//!
//! `cargo bench --bench seal` prints medians and their ratio, measured in turn in one run; without
//! `--bench` it only makes sure that everything runs.

#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use chacha20::{R20, hchacha};
use fireseal::{DataKey, DocumentPath, KeyRing, Location, Sealable};
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

/// What cannot be left out: an HChaCha20 and a ChaCha20-Poly1305 for each value, and its encoding
/// into a buffer that is there already.
struct Bare {
    key: [u8; 32],
    nonce: [u8; 24],
    associated_data: [u8; 128],
    buffers: [Vec<u8>; 5],
    tags: [[u8; 16]; 5],
}

impl Bare {
    fn cipher(&self) -> (LessSafeKey, Nonce) {
        let (prefix, rest) = self.nonce.split_first_chunk::<16>().unwrap();
        let subkey = hchacha::<R20>((&self.key).into(), prefix.into());
        let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &subkey).unwrap());
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(rest);
        (key, Nonce::assume_unique_for_key(nonce))
    }

    fn encode(&mut self, field: usize, value: &impl Serialize) {
        self.buffers[field].clear();
        let mut serializer =
            rmp_serde::Serializer::new(&mut self.buffers[field]).with_struct_map().with_human_readable();
        value.serialize(&mut serializer).unwrap();
        let (key, nonce) = self.cipher();
        let tag = key
            .seal_in_place_separate_tag(nonce, Aad::from(&self.associated_data), &mut self.buffers[field])
            .unwrap();
        self.tags[field] = tag.as_ref().try_into().unwrap();
    }

    fn seal(&mut self, customer: &Customer) {
        self.encode(0, &customer.ssn);
        self.encode(1, &customer.address);
        self.encode(2, &customer.balance);
        self.encode(3, &customer.contact);
        self.encode(4, &customer.tags);
    }

    fn decode<T: DeserializeOwned>(&self, field: usize, plaintext: &mut Vec<u8>) -> T {
        let (key, nonce) = self.cipher();
        plaintext.resize(self.buffers[field].len(), 0);
        key.open_separate_gather(
            nonce,
            Aad::from(&self.associated_data),
            &self.buffers[field],
            &self.tags[field],
            plaintext,
        )
        .unwrap();
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

fn main() {
    let rounds = if std::env::args().any(|argument| argument == "--bench") { 301 } else { 3 };
    let customer = customer();
    let ring = KeyRing::new(DataKey::generate().unwrap());
    let location = Location::new(DocumentPath::parse("customers/ada").unwrap());
    let sealed = customer.seal(&location, &ring).unwrap();
    let mut bare = Bare {
        key: [1; 32],
        nonce: [2; 24],
        associated_data: [3; 128],
        buffers: Default::default(),
        tags: [[0; 16]; 5],
    };
    bare.seal(&customer);

    let mut plaintext = Vec::new();
    compare("seal", rounds, &mut || drop(black_box(customer.seal(&location, &ring))), &mut || {
        bare.seal(black_box(&customer));
    });
    // What is opened is consumed: the copies are made beforehand.
    let mut copies = Vec::new();
    let fill = |copies: &mut Vec<SealedCustomer>| copies.resize(BATCH, sealed.clone());
    let (mut own, mut base) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        fill(&mut copies);
        own.push(time(&mut || drop(black_box(Customer::open(copies.pop().unwrap(), &location, &ring)))));
        base.push(time(&mut || drop(black_box(bare.open(&mut plaintext)))));
    }
    report("open", &mut own, &mut base);
}

const BATCH: usize = 200;

/// Nanoseconds of one call, over a batch.
fn time(work: &mut dyn FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..BATCH {
        work();
    }
    start.elapsed().as_secs_f64() * 1e9 / BATCH as f64
}

fn compare(what: &str, rounds: usize, own: &mut dyn FnMut(), base: &mut dyn FnMut()) {
    let (mut owns, mut bases) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        owns.push(time(own));
        bases.push(time(base));
    }
    report(what, &mut owns, &mut bases);
}

fn report(what: &str, own: &mut [f64], base: &mut [f64]) {
    let mut ratios: Vec<f64> = own.iter().zip(base.iter()).map(|(own, base)| own / base).collect();
    let (own, base, ratio) = (median(own), median(base), median(&mut ratios));
    println!("{what}: {own:.0} ns a document, bare cipher and encoding {base:.0} ns, ratio {ratio:.2}");
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
