//! Whether comparisons take the same time wherever the difference lies, measured as `dudect` does: two classes of
//! input by turns, and Welch's t-test of their times. Only in tests.

use std::cell::RefCell;
use std::hint::black_box;
use std::time::Instant;

use subtle::ConstantTimeEq;

use crate::bytes::KeyId;
use crate::bytes::aead::Cipher;
use crate::keys::IndexKey;
use crate::promise::Promise;

/// Times of each class in one round.
const SAMPLES: usize = 8_000;
/// Runs in one time, so that it is well above what the clock tells apart.
const RUNS: usize = 8;
/// A constant time stays below this in some round, however noisy the machine; what leaks is above it in all.
const LIMIT: f64 = 10.0;
const ROUNDS: usize = 10;

/// |t| of one round: of two inputs that differ in where the difference lies.
fn round(classes: [&[u8]; 2], run: &dyn Fn(&[u8])) -> f64 {
    // One buffer for both, so that no address, cache line or alignment tells them apart.
    let mut input = classes[0].to_vec();
    let mut times = [Vec::with_capacity(SAMPLES), Vec::with_capacity(SAMPLES)];
    let mut order = vec![0_u8; 2 * SAMPLES / 8];
    getrandom::fill(&mut order).expect("random numbers");
    for at in 0..2 * SAMPLES {
        let class = usize::from(order[at / 8] >> (at % 8) & 1);
        input.copy_from_slice(classes[class]);
        let input = black_box(input.as_slice());
        let start = Instant::now();
        for _ in 0..RUNS {
            run(input);
        }
        let time = start.elapsed();
        times[class].push(f64::from(u32::try_from(time.as_nanos()).unwrap_or(u32::MAX)));
    }
    // What an interrupt made long says nothing.
    let mut all: Vec<f64> = times.concat();
    all.sort_by(f64::total_cmp);
    let longest = all[all.len() * 8 / 10];
    welch(times.map(|times| times.into_iter().filter(|time| *time <= longest).collect()))
}

fn welch(classes: [Vec<f64>; 2]) -> f64 {
    let [(mean_a, error_a), (mean_b, error_b)] = classes.map(|times| {
        let count = f64::from(u32::try_from(times.len()).expect("few"));
        let mean = times.iter().sum::<f64>() / count;
        let variance = times.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (mean, variance / count)
    });
    let difference = (mean_a - mean_b).abs();
    if difference == 0.0 { 0.0 } else { difference / (error_a + error_b).sqrt() }
}

/// The smallest |t| of some rounds: of inputs that are wrong in the first and in the last byte.
fn smallest_t(right: &[u8], run: &dyn Fn(&[u8])) -> f64 {
    let mut classes = [right.to_vec(), right.to_vec()];
    classes[0][0] ^= 0x80;
    *classes[1].last_mut().expect("not empty") ^= 0x80;
    let mut smallest = f64::INFINITY;
    for _ in 0..ROUNDS {
        smallest = smallest.min(round([&classes[0], &classes[1]], run));
        if smallest < LIMIT / 2.0 {
            break;
        }
    }
    smallest
}

/// As nobody should compare: it stops at the first difference.
fn leaky(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.iter().zip(right).all(|(left, right)| left == right)
}

#[test]
fn comparisons_take_the_same_time_wherever_the_difference_lies() {
    let token_key = IndexKey::from_bytes(&[1; 32]).token_key(&[b"place", b"index"]);
    let token = token_key.token(b"ada");
    let cipher = Cipher::new(&[2; 32]).for_nonce(&[3; 24]);
    let mut sealed = *b"078-05-1120";
    let mut tag = [0; 16];
    cipher.seal(&[3; 24], b"here", &mut sealed, &mut tag).expect("short");
    let opened = RefCell::new([0; 11]);
    let id = KeyId::from_bytes([4; 32]);
    let code = *b"0123-4567-89AB-CDEF-GHJK-MNPQ-RS";

    let open = |tag: &[u8]| {
        let tag = tag.try_into().expect("16 bytes");
        let opened = cipher.open(&[3; 24], b"here", (&sealed, tag), &mut *opened.borrow_mut());
        black_box(opened).expect_err("no tag of this");
    };
    let other = |bytes: &[u8]| KeyId::from_bytes(bytes.try_into().expect("32 bytes"));
    type Compare<'a> = (&'a str, &'a [u8], &'a dyn Fn(&[u8]));
    let compared: [Compare<'_>; 4] = [
        ("tag", &tag, &open),
        ("token", &token, &|token| assert!(!black_box(token_key.verifies(b"ada", token)))),
        ("key id", id.as_bytes(), &|bytes| assert!(!black_box(other(bytes) == id))),
        ("code, share, fingerprint", &code, &|typed| assert!(!bool::from(black_box(typed.ct_eq(&code))))),
    ];
    let promise = Promise::new("constant_time");
    for (what, right, run) in compared {
        let t = smallest_t(right, run);
        println!("{what}: |t| {t:.1}");
        promise.holds(t < LIMIT, || format!("{what}: |t| {t:.1}"));
        promise.note(format!("{what}: |t| {t:.1}"));
    }
    let t = smallest_t(&code, &|typed| assert!(!black_box(leaky(typed, &code))));
    println!("one that stops at the first difference: |t| {t:.1}, and the limit is {LIMIT}");
    assert!(t > LIMIT, "a comparison that leaks is not noticed: |t| {t:.1}");
    promise.finish();
}
