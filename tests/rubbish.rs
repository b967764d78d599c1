//! Rubbish: every fuzz target over its committed seeds and mutations of them, without panic and in bounded
//! memory. `fuzz/run` does the same for as long as you like.
//!
//! `FIRESEAL_BLESS=1 cargo test --test rubbish` adds the seeds that are missing.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use fireseal::custody::{Authority, BackupKey, KeyVault, split_identity};
use fireseal::store::{FieldMask, MemoryStore, Store};
use fireseal::{AgeIdentity, DocumentPath, KeyWrapper, Message as _, Repository, wrap_key};

#[path = "support/custody.rs"]
mod custody;
#[path = "support/promise.rs"]
mod promise;
#[path = "support/random.rs"]
mod random;
#[path = "../fuzz/src/lib.rs"]
mod targets;

use promise::Promise;
use random::Random;
use targets::TARGETS;

/// How many mutations each target takes.
const MUTATIONS: usize = 4_000;
/// The most memory that one input may take at once, in bytes: a hundred times the longest input.
const MEMORY: u64 = 8 << 20;
/// The longest input.
const LONGEST: usize = 64 << 10;

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target)
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(corpus(target)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// One to four changes of a kind that decoders stumble over.
fn mutate(seed: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        let until = at + random.below(bytes.len() + 1 - at);
        match random.below(8) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            1 if at < bytes.len() => bytes[at] = random.byte(),
            2 => bytes.insert(at, random.byte()),
            3 => drop(bytes.drain(at..until)),
            4 => {
                let copy = bytes[at..until].to_vec();
                bytes.splice(at..at, copy);
            }
            5 => bytes.truncate(at),
            6 => {
                let from = random.below(other.len() + 1);
                bytes.splice(at..until, other[from..].iter().copied());
            }
            _ => {
                // A length of 2^63, 2^32 or 2^16 less one, or nothing.
                let number =
                    [0x7fff_ffff_ffff_ffff_u64, 0xffff_ffff, 0xffff, 0][random.below(4)].to_be_bytes();
                let width = [8, 4, 2, 1][random.below(4)];
                let end = bytes.len().min(at + width);
                bytes.splice(at..end, number[8 - width..].iter().copied());
            }
        }
    }
    bytes.truncate(LONGEST);
    bytes
}

#[test]
fn rubbish_is_refused_without_a_panic_and_in_bounded_memory() {
    if std::env::var_os("FIRESEAL_BLESS").is_some() {
        tokio::runtime::Runtime::new().unwrap().block_on(make_seeds());
    }
    println!(
        "{:<14} {:>6} {:>5} {:>7} {:>8} {:>10} {:>8}",
        "target", "seeds", "good", "inputs", "taken", "peak bytes", "ms"
    );
    let promise = Promise::new("rubbish");
    for (name, target) in TARGETS {
        let (seeds, start) = (seeds(name), Instant::now());
        let (mut random, mut taken, mut inputs, mut peak) = (Random(1), 0, 0, 0);
        let mut try_one = |bytes: &[u8]| {
            let mut accepted = false;
            let memory = allocation_counter::measure(|| accepted = target(bytes));
            promise.holds(memory.bytes_max < MEMORY, || {
                format!("{name}: {} bytes of memory for {bytes:02x?}", memory.bytes_max)
            });
            peak = peak.max(memory.bytes_max);
            (inputs, taken) = (inputs + 1, taken + usize::from(accepted));
            accepted
        };
        let good = seeds.iter().filter(|seed| try_one(seed)).count();
        assert!(good > 0, "{name}: no seed is taken, so nothing behind the first check is tried");
        for _ in 0..MUTATIONS {
            let (seed, other) = (&seeds[random.below(seeds.len())], &seeds[random.below(seeds.len())]);
            try_one(&mutate(seed, other, &mut random));
        }
        println!(
            "{name:<14} {:>6} {good:>5} {inputs:>7} {taken:>8} {peak:>10} {:>8}",
            seeds.len(),
            start.elapsed().as_millis()
        );
    }
    promise.finish();
}

/// Every target has a program for `cargo fuzz`, and seeds.
#[test]
fn every_target_is_listed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let programs = fs::read_dir(root.join("fuzz_targets")).unwrap().count();
    assert_eq!((programs, manifest.matches("[[bin]]").count()), (TARGETS.len(), TARGETS.len()));
    for (name, _) in TARGETS {
        assert!(root.join(format!("fuzz_targets/{name}.rs")).is_file(), "{name} has no program");
        assert!(manifest.contains(&format!("name = \"{name}\"\n")), "{name} is not in Cargo.toml");
        assert!(!seeds(name).is_empty(), "{name} has no seeds");
    }
}

/// Writes a seed, unless it is there: what was sealed once is committed.
fn seed(target: &str, name: &str, make: impl FnOnce() -> Vec<u8>) {
    let file = corpus(target).join(name);
    if !file.exists() {
        fs::create_dir_all(corpus(target)).unwrap();
        fs::write(file, make()).unwrap();
    }
}

async fn make_seeds() {
    for (file, keep) in [("open", 12), ("refuse", 30)] {
        let text = fs::read_to_string(format!("tests/vectors/{file}.json")).unwrap();
        let vectors: serde_json::Value = serde_json::from_str(&text).unwrap();
        for (at, vector) in vectors.as_array().unwrap().iter().enumerate().take(keep) {
            let bytes = |name: &str| targets::unhex(vector[name].as_str().unwrap());
            if vector["envelope"].as_str().is_some_and(|text| text.len() < 4_000) {
                seed("envelope", &format!("{file}-{at:02}"), || bytes("envelope"));
            }
            if vector["plaintext"].as_str().is_some_and(|text| text.len() < 4_000) {
                seed("plaintext", &format!("{file}-{at:02}"), || bytes("plaintext"));
            }
        }
    }
    let deep = |count: usize| [&[0x01][..], &vec![0x91; count], &[0xc0]].concat();
    seed("plaintext", "deep-127", || deep(127));
    seed("plaintext", "deep-200", || deep(200));
    seed("plaintext", "map", || {
        b"\x01\x82\xa1a\xcb\x7f\xf0\0\0\0\0\0\0\xa1b\x93\xc0\xc3\xcf\xff\xff\xff\xff\xff\xff\xff\xff".to_vec()
    });
    seed("plaintext", "array-of-2-32", || b"\x01\xdd\xff\xff\xff\xff\xc0".to_vec());

    let store = MemoryStore::new();
    Repository::<targets::Customer>::new(store.clone(), targets::ring())
        .create(&targets::customer())
        .await
        .unwrap();
    let path = DocumentPath::parse("customers/ada").unwrap();
    let document = store.read(std::slice::from_ref(&path), None).await.unwrap().remove(0).unwrap();
    seed("companion", "whole", || targets::encode_fields(&document.fields));
    for name in ["_seal", "cards", "ssn", "scores", "note"] {
        let mut fields = document.fields.clone();
        fields.remove(name);
        seed("companion", &format!("without-{name}"), || targets::encode_fields(&fields));
    }
    for name in ["ssn", "cards", "_seal", "scores"] {
        let mut fields = document.fields.clone();
        fields.insert(name.to_owned(), document.fields["visits"].clone());
        seed("companion", &format!("number-in-{name}"), || targets::encode_fields(&fields));
    }
    let mask = FieldMask::new(vec![vec!["ssn".to_owned()]]);
    let one = store.read(&[path], Some(&mask)).await.unwrap().remove(0).unwrap();
    seed("companion", "one-field", || targets::encode_fields(&one.fields));

    let held = custody::Held::default();
    let (authority, scope) = (Authority::generate().unwrap(), custody::scope("acme"));
    let vault = KeyVault::over(held.clone(), "production", authority.key());
    let vault = (1..6).fold(vault, |vault, root| vault.with_root(custody::root(root)));
    vault.create_scope(&authority, &scope).await.unwrap();
    for change in 0..3 {
        let record = held.edit(&scope, |manifest, _| manifest.record.clone());
        seed("manifest", &format!("change-{change}"), || record[..record.len() - 64].to_vec());
        vault.rotate(&authority, &scope).await.unwrap();
    }

    let identity = || AgeIdentity::parse(&targets::IDENTITY.to_owned().into()).unwrap();
    let wrapped = wrap_key(identity().recipient(), &targets::SECRET, &targets::binding()).await.unwrap();
    seed("age_wrap", "genuine", || wrapped);
    let other =
        wrap_key(BackupKey::generate().recipient(), &targets::SECRET, &targets::binding()).await.unwrap();
    seed("age_wrap", "to-another", || other);
    let other = identity().recipient().wrap(b"fireseal-key-v1\ndata\n", &[]).await.unwrap();
    seed("age_wrap", "no-record", || other);

    seed("recovery_code", "printed", || b"K7Q3-0123-4567-89AB-CDEF-GHJK-MNPQ-RS2A".to_vec());
    seed("recovery_code", "typed", || b" k7q3 o123 4567 89ab cdef ghjk mnpq rs2a\n".to_vec());
    seed("recovery_code", "zeros", || vec![b'0'; 32]);
    let shares = split_identity(&identity(), 2, 3).unwrap();
    for share in shares {
        seed("share", &format!("share-{}", share.index()), || share.expose_text().as_bytes().to_vec());
    }

    seed("config", "one-field", || {
        b"[customers]\nscope = \"tenants/acme\"\n[customers.fields]\nssn = {}\n".to_vec()
    });
    seed("config", "every-attribute", || {
        br#"[customers]
scope_field = "tenant"
realm = "eu"
[customers.fields]
ssn = { index = true, normalize = ["trim", "casefold"] }
born = { range = { min = 0, max = 65535, step = 256 } }
height = { pad = 64 }
photo = { bytes = true }
friend = { kind = "reference" }
note = {}
"card.bank" = { prefix = { min = 2, max = 8 } }
"card.number" = { words = true }
"cards[].number" = {}
["people/ada/cards".fields]
"`a.b`" = {}
[groups]
group = true
fields = { cards = {} }
"#
        .to_vec()
    });

    let expiring = targets::channel().with_expiry(u64::MAX).with_sender("shop").unwrap();
    for (name, context) in [("event", targets::channel()), ("claims", expiring)] {
        let message = targets::order().seal_message(&context, &targets::message_ring()).unwrap();
        seed("frame", name, || message.to_frame().unwrap());
    }
}
