//! From how many documents on it pays to open them on two threads rather than where they were read.
//!
//! `cargo bench --bench bulk` prints both times for growing numbers, measured in turn; without
//! `--bench` it only makes sure that everything runs. The cut-over stands in
//! `src/repository/parallel.rs`.

#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/measure.rs"]
mod measure;

use std::hint::black_box;

use fireseal::{DataKey, DocumentPath, KeyRing, Location, Sealable};
use measure::{compare_batches, settle, time};

#[derive(Sealable, Clone)]
struct Customer {
    #[sensitive]
    ssn: String,
    #[sensitive]
    address: String,
    #[sensitive]
    balance: i64,
}

fn open(sealed: Vec<SealedCustomer>, location: &Location, ring: &KeyRing) -> Vec<Customer> {
    sealed.into_iter().map(|sealed| Customer::open(sealed, location, ring).unwrap()).collect()
}

fn main() {
    settle();
    for (text_bytes, numbers) in [(40, [16, 64, 256, 1_024, 4_096]), (16 << 10, [2, 4, 8, 32, 128])] {
        println!("documents of three fields, one of them a text of {text_bytes} bytes");
        numbers.into_iter().for_each(|documents| at(text_bytes, documents));
    }
}

fn at(text_bytes: usize, documents: usize) {
    let location = Location::new(DocumentPath::parse("customers/ada").unwrap());
    let ring = KeyRing::new(DataKey::generate().unwrap());
    let customer = Customer { ssn: "078-05-1120".to_owned(), address: "x".repeat(text_bytes), balance: 7 };
    let sealed = customer.seal(&location, &ring).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    let alone = || {
        let mut copies = Some(vec![sealed.clone(); documents]);
        time(1, || drop(black_box(open(copies.take().unwrap(), &location, &ring))))
    };
    let shared = || {
        let mut own = vec![sealed.clone(); documents];
        let (there, keys) = (location.clone(), ring.clone());
        runtime.block_on(time_async(async {
            let part = own.split_off(documents / 2);
            let part = tokio::task::spawn_blocking(move || open(part, &there, &keys));
            let mut opened = open(own, &location, &ring);
            opened.extend(part.await.unwrap());
            black_box(opened);
        }))
    };
    let medians = compare_batches(301, shared, alone);
    println!(
        "  {documents} documents: {:.0} µs on two threads, {:.0} µs on one, ratio {:.2}",
        medians.own / 1e3,
        medians.base / 1e3,
        medians.ratio
    );
}

/// Nanoseconds until it is done.
async fn time_async(work: impl Future<Output = ()>) -> f64 {
    let start = std::time::Instant::now();
    work.await;
    start.elapsed().as_secs_f64() * 1e9
}
