//! Two pieces of work timed in turn, so that both meet the same noise.

#![allow(dead_code)]

use std::time::Instant;

/// Whether this is a real run (`cargo bench`) and not the smoke run of the tests.
pub fn real() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

/// The medians of both, in nanoseconds a call, and the median of their ratios.
#[derive(Clone, Copy)]
pub struct Medians {
    pub own: f64,
    pub base: f64,
    pub ratio: f64,
}

/// Times both in turn: `rounds` rounds of `batch` calls.
pub fn compare(rounds: usize, batch: usize, mut own: impl FnMut(), mut base: impl FnMut()) -> Medians {
    compare_batches(rounds, || time(batch, &mut own), || time(batch, &mut base))
}

/// The same for work that times its own batches.
pub fn compare_batches(
    rounds: usize,
    mut own: impl FnMut() -> f64,
    mut base: impl FnMut() -> f64,
) -> Medians {
    let (mut owns, mut bases, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..if real() { rounds } else { 2 } {
        let (own, base) = (own(), base());
        owns.push(own);
        bases.push(base);
        ratios.push(own / base);
    }
    Medians { own: median(&mut owns), base: median(&mut bases), ratio: median(&mut ratios) }
}

/// Nanoseconds of one call, over a batch.
pub fn time(batch: usize, mut work: impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..batch {
        work();
    }
    start.elapsed().as_secs_f64() * 1e9 / batch as f64
}

/// Makes this a process that has run for a while, and has memory at hand. A fresh one asks the system
/// for every page of a large buffer and gives them back, which takes longer than the cipher: glibc
/// keeps what is smaller than the largest piece that was ever given back, up to 32 MiB.
pub fn settle() {
    drop(std::hint::black_box(vec![7u8; 31 << 20]));
}

pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
