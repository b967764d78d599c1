//! What a document seal costs: the same documents with and without `#[sealable(authenticated)]`, in memory.
//!
//! `cargo bench --bench document_seal` prints the times, measured in turn; without `--bench` it only makes
//! sure that everything runs.

#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/measure.rs"]
mod measure;

use std::hint::black_box;

use fireseal::store::MemoryStore;
use fireseal::{DataKey, KeyRing, Repository, Sealable};
use measure::{compare, settle};
use tokio::runtime::Runtime;

/// Five sealed fields and five clear ones.
macro_rules! customer {
    ($name:ident $(, $authenticated:ident)?) => {
        #[derive(Sealable, Clone)]
        #[sealable(collection = "customers" $(, $authenticated)?)]
        struct $name {
            #[sealable(id)]
            id: String,
            name: String,
            country: String,
            visits: i64,
            tags: Vec<String>,
            #[sensitive]
            ssn: String,
            #[sensitive]
            email: String,
            #[sensitive]
            phone: String,
            #[sensitive]
            address: String,
            #[sensitive]
            balance: i64,
        }

        impl $name {
            fn new(bytes: usize) -> Self {
                let text = |text: &str| text.to_owned();
                Self {
                    id: text("ada"),
                    name: text("Ada Lovelace"),
                    country: text("GB"),
                    visits: 7,
                    tags: vec![text("new"), text("vip")],
                    ssn: text("078-05-1120"),
                    email: text("ada@example.com"),
                    phone: text("+44 20 7946 0958"),
                    address: "x".repeat(bytes),
                    balance: 1_234,
                }
            }
        }
    };
}

customer!(Plain);
customer!(Vouched, authenticated);

fn main() {
    settle();
    for bytes in [40, 64 << 10] {
        println!("ten fields, five of them sealed, one of these a text of {bytes} bytes");
        at(bytes);
    }
}

fn at(bytes: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let ring = || KeyRing::new(DataKey::from_bytes(&[7; 32]));
    let plain = Repository::<Plain>::new(MemoryStore::new(), ring());
    let vouched = Repository::<Vouched>::new(MemoryStore::new(), ring());
    let (one, other) = (Plain::new(bytes), Vouched::new(bytes));
    runtime.block_on(plain.set(&one)).unwrap();
    runtime.block_on(vouched.set(&other)).unwrap();
    let batch = if bytes > 1_000 { 20 } else { 200 };
    let told = |what: &str, own: &dyn Fn(&Runtime), base: &dyn Fn(&Runtime)| {
        let medians = compare(101, batch, || own(&runtime), || base(&runtime));
        let micros = |nanos: f64| nanos / 1_000.0;
        let (own, base) = (micros(medians.own), micros(medians.base));
        println!("{what:>8}  {own:6.1} µs  without {base:6.1} µs  {:5.1} µs more", own - base);
    };
    told("get", &|runtime| _ = black_box(runtime.block_on(vouched.get("ada")).unwrap()), &|runtime| {
        _ = black_box(runtime.block_on(plain.get("ada")).unwrap())
    });
    told("set", &|runtime| _ = black_box(runtime.block_on(vouched.set(&other)).unwrap()), &|runtime| {
        _ = black_box(runtime.block_on(plain.set(&one)).unwrap())
    });
    told(
        "modify",
        &|runtime| _ = black_box(runtime.block_on(vouched.modify("ada", |ada| ada.visits += 1)).unwrap()),
        &|runtime| _ = black_box(runtime.block_on(plain.modify("ada", |ada| ada.visits += 1)).unwrap()),
    );
}
