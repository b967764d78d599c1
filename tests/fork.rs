//! Nonces after `fork`: parent and children go on with copies of one process, and no nonce is drawn twice.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "support/one.rs"]
mod one;
#[path = "support/promise.rs"]
mod promise;

use std::cell::Cell;
use std::collections::HashSet;
use std::fs;
use std::path::Path;

use fireseal::Sealable as _;
use fork::{Fork, fork, waitpid};
use one::{One, location, ring};
use promise::Promise;

const CHILDREN: usize = 16;
const DOCUMENTS: usize = 250;
const VALUES: u32 = 8;

type Nonce = [u8; 24];

#[test]
fn nonces_differ_after_fork() {
    let ring = ring();
    let values: Vec<One<u32>> = (0..VALUES).map(One).collect();
    let seal = || {
        let sealed = values.seal(&location(), &ring).unwrap();
        sealed.iter().map(|sealed| sealed.bytes()[33..57].try_into().unwrap()).collect()
    };
    let (drawn, different) = forked(&seal);
    println!("{drawn} values sealed by a process and {CHILDREN} forks of it, {different} nonces");
    let promise = Promise::new("nonces");
    promise.held(different as u64);
    (different..drawn).for_each(|_| promise.violated("a nonce after fork"));
    promise.finish();
}

/// What would happen if nonces came from a generator in memory.
#[test]
fn a_state_that_is_forked_repeats() {
    let state = Cell::new(0_u64);
    let next = || {
        state.set(state.get() + 1);
        let mut nonce = Nonce::default();
        nonce[..8].copy_from_slice(&state.get().to_le_bytes());
        vec![nonce]
    };
    let (drawn, different) = forked(&next);
    assert_eq!((drawn, different), ((CHILDREN + 1) * DOCUMENTS + 1, DOCUMENTS + 1));
}

/// Draws once, forks, and draws on in all processes: how many nonces there are, and how many different ones.
fn forked(draw: &dyn Fn() -> Vec<Nonce>) -> (usize, usize) {
    let folder = tempfile::tempdir().unwrap();
    let mut nonces = draw();
    let mut children = Vec::new();
    for child in 0..CHILDREN {
        match fork().unwrap() {
            Fork::Parent(pid) => children.push(pid),
            Fork::Child => {
                // The thread that forked is the only one here: it prints nothing, and waits for nobody.
                write(folder.path(), child, &(0..DOCUMENTS).flat_map(|_| draw()).collect::<Vec<_>>());
                // Without the parent's destructors.
                std::process::exit(0);
            }
        }
    }
    nonces.extend((0..DOCUMENTS).flat_map(|_| draw()));
    for (child, pid) in children.into_iter().enumerate() {
        assert_eq!(waitpid(pid).unwrap(), 0, "a child failed");
        let bytes = fs::read(folder.path().join(child.to_string())).unwrap();
        nonces.extend(bytes.chunks(24).map(|nonce| Nonce::try_from(nonce).unwrap()));
    }
    let different: HashSet<&Nonce> = nonces.iter().collect();
    (nonces.len(), different.len())
}

fn write(folder: &Path, child: usize, nonces: &[Nonce]) {
    fs::write(folder.join(child.to_string()), nonces.concat()).unwrap();
}
