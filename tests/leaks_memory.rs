//! What is left in a process's memory once everything was dropped: the victim is this test binary, run again. It
//! does everything, says so while it still holds its keys, drops all, says so again; and each time its whole
//! memory is searched. Keys, keys derived from them and the library's own buffers are gone. What serde, the
//! standard library and the program copied is counted and printed.
//!
//! Linux only; it fails where the victim's memory cannot be read.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]
#![cfg(target_os = "linux")]

#[path = "support/everything.rs"]
mod everything;
#[path = "support/promise.rs"]
mod promise;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};

use everything::Given;
use fireseal::store::MemoryStore;
use hkdf::Hkdf;
use memchr::memmem;
use promise::Promise;
use sha2::Sha256;
use zeroize::{Zeroize as _, Zeroizing};

/// What is written down for the other process is masked, so that a copy of it is no hit.
const MASK: u8 = 0x5c;

/// So many bytes of a secret are a hit.
const PART: usize = 8;

/// The victim, which waits after each step.
struct Victim {
    child: Child,
    orders: ChildStdin,
    said: BufReader<std::process::ChildStdout>,
}

/// The bytes of the victim's writable memory, by the kind of mapping.
type Memory = BTreeMap<&'static str, Vec<Vec<u8>>>;

impl Victim {
    fn start(masked: &[u8]) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_victim", "--ignored", "--nocapture", "--test-threads=1"])
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut orders = child.stdin.take().unwrap();
        orders.write_all(masked).unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        Self { child, orders, said }
    }

    /// What it says of a step, once it stands still.
    fn wait(&mut self, step: &str) -> Vec<u8> {
        let mut line = String::new();
        while !line.starts_with(step) {
            line.clear();
            assert!(self.said.read_line(&mut line).unwrap() > 0, "the victim ended before {step}");
        }
        let masked = line.split_whitespace().nth(1).unwrap_or_default();
        let bytes = masked.as_bytes().chunks(2);
        bytes.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap() ^ MASK).collect()
    }

    fn go_on(&mut self) {
        self.orders.write_all(b"\n").unwrap();
    }

    /// Everything that it could have written to.
    fn memory(&self) -> Memory {
        let folder = format!("/proc/{}", self.child.id());
        let maps = fs::read_to_string(format!("{folder}/maps")).expect("the victim's memory map");
        let mut file = fs::File::open(format!("{folder}/mem")).expect("may the victim's memory be read?");
        let mut memory = Memory::new();
        for line in maps.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (from, to) = words[0].split_once('-').unwrap();
            let [from, to] = [from, to].map(|address| u64::from_str_radix(address, 16).unwrap());
            let kind = match words.get(5) {
                Some(&"[heap]") => "heap",
                Some(&"[stack]") => "stack of the main thread",
                Some(_) => "variables of libraries",
                None => "anonymous: heaps and stacks of threads",
            };
            if !words[1].starts_with("rw") {
                continue;
            }
            let mut bytes = vec![0; usize::try_from(to - from).unwrap()];
            file.seek(SeekFrom::Start(from)).unwrap();
            file.read_exact(&mut bytes).unwrap_or_else(|error| panic!("{line} cannot be read: {error}"));
            memory.entry(kind).or_default().push(bytes);
        }
        assert!(memory.contains_key("heap"), "a process without a heap: {maps}");
        memory
    }
}

/// In how many places of each kind something of a secret stands. Any eight bytes of it are a hit: whoever frees memory
/// writes over the first sixteen.
fn hits(memory: &Memory, secret: &[u8]) -> BTreeMap<&'static str, usize> {
    let mut hits = BTreeMap::new();
    for (kind, contents) in memory {
        let mut places = 0;
        for content in contents {
            let mut starts = BTreeSet::new();
            for (offset, part) in secret.windows(PART).enumerate().step_by(PART) {
                starts.extend(memmem::find_iter(content, part).map(|at| at.wrapping_sub(offset)));
            }
            places += starts.len();
        }
        if places > 0 {
            hits.insert(*kind, places);
        }
    }
    hits
}

/// Secrets by what they are.
type Named = Vec<(String, Vec<u8>)>;

/// The secrets that must be gone, with the keys that are derived from them; and the plaintexts.
fn secrets(given: &Given, made: &[u8]) -> (Named, Named) {
    let mut keys = Vec::new();
    let mut texts = Vec::new();
    for (what, secret) in given.bytes() {
        if what.contains("plaintext") { &mut texts } else { &mut keys }
            .push((what.to_owned(), secret.to_vec()));
    }
    for (secret, salt, label, what) in [
        (&given.data, "fireseal v1 data key", "fireseal v1 sealing key", "the sealing key"),
        (
            &given.message,
            "fireseal v1 message key",
            "fireseal v1 message sealing key",
            "the message sealing key",
        ),
        (&given.root, "fireseal v1 local root", "fireseal v1 wrapping key", "the wrapping key"),
    ] {
        let (extracted, hkdf) = Hkdf::<Sha256>::extract(Some(salt.as_bytes()), secret.as_slice());
        let mut derived = vec![0; 32];
        hkdf.expand(label.as_bytes(), &mut derived).unwrap();
        keys.push((what.to_owned(), derived));
        keys.push((format!("what {what} is expanded from"), extracted.to_vec()));
    }
    let (extracted, _) = Hkdf::<Sha256>::extract(Some(b"fireseal v1 index key"), given.index.as_slice());
    keys.push(("what token keys are expanded from".to_owned(), extracted.to_vec()));
    for line in made.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
        let (what, secret) = line.split_at(line.iter().position(|byte| *byte == b'=').unwrap());
        let secret = &secret[1..];
        let secret = if what.ends_with(b"key") || what.ends_with(b"vault") {
            // In hexadecimal, since it may hold zeros.
            secret
                .chunks(2)
                .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
                .collect()
        } else {
            secret.to_vec()
        };
        keys.push((String::from_utf8(what.to_vec()).unwrap(), secret));
    }
    (keys, texts)
}

#[test]
fn no_key_is_left_in_memory() {
    let mut random = vec![0; Given::BYTES];
    getrandom::fill(&mut random).unwrap();
    let masked: Vec<u8> = random.iter().map(|byte| byte ^ MASK).collect();
    let mut victim = Victim::start(&masked);
    let made = victim.wait("holding");
    let (keys, texts) = secrets(&Given::from_bytes(&random), &made);
    let holding = victim.memory();
    victim.go_on();
    victim.wait("dropped");
    let dropped = victim.memory();
    victim.go_on();
    assert!(victim.child.wait().unwrap().success());

    let bytes = |memory: &Memory| memory.values().flatten().map(Vec::len).sum::<usize>();
    println!(
        "searched {} bytes while the keys were held, {} after the drop",
        bytes(&holding),
        bytes(&dropped)
    );
    let (mut left, mut found, mut unwiped) = (Vec::new(), 0, 0);
    for (what, secret) in keys.iter().chain(&texts) {
        let (before, after) = (hits(&holding, secret), hits(&dropped, secret));
        println!("{what:<50} held: {before:?} dropped: {after:?}");
        found += usize::from(!before.is_empty());
        if what.contains("not wiped") {
            unwiped += after.values().sum::<usize>();
        } else if !after.is_empty() {
            left.push(format!("{what}: {after:?}"));
        }
    }
    // The search finds what is there.
    for what in
        ["the data key", "the index key", "the message key", "the root", "a plaintext", "the sealing key"]
    {
        let (_, secret) = keys.iter().chain(&texts).find(|(name, _)| name == what).unwrap();
        assert!(!hits(&holding, secret).is_empty(), "{what} is held, and not found");
    }
    println!("{} secrets, {found} of them found while held, {} left", keys.len() + texts.len(), left.len());
    assert!(unwiped > 0, "what nobody wipes is found, or the search would find nothing");
    let promise = Promise::new("nothing_stays");
    promise.held((keys.len() + texts.len() - left.len()) as u64);
    left.into_iter().for_each(|left| promise.violated(left));
    promise.note(format!(
        "{unwiped} copies of a plaintext that nobody wipes were left in {} bytes",
        bytes(&dropped)
    ));
    promise.finish();
}

/// The child: run by the test above.
#[test]
#[ignore = "run by no_key_is_left_in_memory"]
fn the_victim() {
    let mut bytes = Zeroizing::new(vec![0; Given::BYTES]);
    std::io::stdin().read_exact(&mut bytes).unwrap();
    // The standard input's buffer holds them masked.
    bytes.iter_mut().for_each(|byte| *byte ^= MASK);
    let given = Given::from_bytes(&bytes);
    bytes.zeroize();

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = MemoryStore::new();
    let told = runtime.block_on(everything::run(store, &given));
    let mut line = Vec::new();
    for (what, secret) in &told.made {
        let hex = what.ends_with("key") || what.ends_with("vault");
        let masked = |bytes: &[u8], line: &mut Vec<u8>| line.extend(bytes.iter().map(|byte| byte ^ MASK));
        masked(what.as_bytes(), &mut line);
        masked(b"=", &mut line);
        for byte in &**secret {
            if hex {
                for digit in [byte >> 4, byte & 15] {
                    line.push(b"0123456789abcdef"[usize::from(digit)] ^ MASK);
                }
            } else {
                line.push(byte ^ MASK);
            }
        }
        masked(b"\0", &mut line);
    }
    let line: String = line.iter().map(|byte| format!("{byte:02x}")).collect();
    // The last that it does, so that nothing is written over what this leaves.
    let held = everything::hold(&given);
    say(&format!("holding {line}"));
    drop((told, held, given, runtime));
    say("dropped");
}

fn say(line: &str) {
    println!("\n{line}");
    std::io::stdin().read_line(&mut String::new()).unwrap();
}
