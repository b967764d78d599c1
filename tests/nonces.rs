//! No two sealed values share a nonce: within a document, across sealings, across threads.

#![allow(clippy::unwrap_used)]

#[path = "support/one.rs"]
mod one;
#[path = "support/promise.rs"]
mod promise;

use std::collections::{BTreeMap, HashMap, HashSet};

use fireseal::{Draft, Reveal, SealError, Sealable, Visit, Walk};
use one::{One, OneSealed, location, ring};
use promise::Promise;
use serde::{Deserialize, Serialize};

type Nonce = [u8; 24];

fn nonce(sealed: &OneSealed<u32>) -> Nonce {
    sealed.bytes()[33..57].try_into().unwrap()
}

/// Sealed values in every container that there is.
#[derive(Clone, PartialEq, Debug)]
struct Nested {
    boxed: Box<One<u32>>,
    option: Option<One<u32>>,
    list: Vec<One<u32>>,
    map: HashMap<String, Vec<One<u32>>>,
    tree: BTreeMap<String, Vec<Option<One<u32>>>>,
}

#[derive(Serialize, Deserialize, Clone, Debug)]
struct NestedSealed {
    boxed: Box<OneSealed<u32>>,
    option: Option<OneSealed<u32>>,
    list: Vec<OneSealed<u32>>,
    map: HashMap<String, Vec<OneSealed<u32>>>,
    tree: BTreeMap<String, Vec<Option<OneSealed<u32>>>>,
}

impl Sealable for Nested {
    type Sealed = NestedSealed;
    type Partial = ();

    fn draft(&self, walk: &mut Walk<Draft>) -> Result<NestedSealed, SealError> {
        Ok(NestedSealed {
            boxed: walk.key("boxed", |walk| self.boxed.draft(walk))?,
            option: walk.key("option", |walk| self.option.draft(walk))?,
            list: walk.key("list", |walk| self.list.draft(walk))?,
            map: walk.key("map", |walk| self.map.draft(walk))?,
            tree: walk.key("tree", |walk| self.tree.draft(walk))?,
        })
    }

    fn visit(sealed: &mut NestedSealed, walk: &mut Walk<Visit<'_>>) -> Result<(), SealError> {
        walk.key("boxed", |walk| Box::<One<u32>>::visit(&mut sealed.boxed, walk))?;
        walk.key("option", |walk| Option::<One<u32>>::visit(&mut sealed.option, walk))?;
        walk.key("list", |walk| Vec::<One<u32>>::visit(&mut sealed.list, walk))?;
        walk.key("map", |walk| HashMap::<String, Vec<One<u32>>>::visit(&mut sealed.map, walk))?;
        walk.key("tree", |walk| BTreeMap::<String, Vec<Option<One<u32>>>>::visit(&mut sealed.tree, walk))
    }

    fn reveal(sealed: NestedSealed, walk: &mut Walk<Reveal<'_>>) -> Option<Self> {
        Some(Self {
            boxed: walk.key("boxed", |walk| Sealable::reveal(sealed.boxed, walk))?,
            option: walk.key("option", |walk| Sealable::reveal(sealed.option, walk))?,
            list: walk.key("list", |walk| Sealable::reveal(sealed.list, walk))?,
            map: walk.key("map", |walk| Sealable::reveal(sealed.map, walk))?,
            tree: walk.key("tree", |walk| Sealable::reveal(sealed.tree, walk))?,
        })
    }

    fn reveal_partial(_: NestedSealed, _: &mut Walk<Reveal<'_>>) {}

    fn draft_partial(_: &(), _: &mut Walk<Draft>) -> Result<NestedSealed, SealError> {
        unreachable!("not opened in part here")
    }
}

fn nested() -> Nested {
    let list = |from: u32| (from..from + 20).map(One).collect::<Vec<_>>();
    let options = list(0).into_iter().map(|one| (one.0 % 3 > 0).then_some(one)).collect::<Vec<_>>();
    Nested {
        boxed: Box::new(One(1)),
        option: Some(One(2)),
        list: list(100),
        map: ["a", "b", "c"].map(|key| (key.to_owned(), list(200))).into(),
        tree: ["a", "b", "c"].map(|key| (key.to_owned(), options.clone())).into(),
    }
}

fn nonces(sealed: &NestedSealed) -> Vec<Nonce> {
    let NestedSealed { boxed, option, list, map, tree } = sealed;
    let one = std::iter::once(&**boxed).chain(option).chain(list).chain(map.values().flatten());
    one.chain(tree.values().flatten().flatten()).map(nonce).collect()
}

#[test]
fn the_values_of_a_document_share_a_draw_and_never_a_nonce() {
    let sealed = nested().seal(&location(), &ring()).unwrap();
    let all = nonces(&sealed);
    assert!(all.len() > 100);
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
    assert!(all.iter().all(|nonce| nonce[..16] == all[0][..16]), "one draw");
    assert_eq!(Nested::open(sealed, &location(), &ring()).unwrap(), nested());
}

#[test]
fn sealing_again_draws_again() {
    let value = nested();
    let mut draws = HashSet::new();
    let mut all = HashSet::new();
    let mut count = 0;
    for _ in 0..200 {
        let nonces = nonces(&value.seal(&location(), &ring()).unwrap());
        assert!(draws.insert(nonces[0][..16].to_vec()), "two sealings share a draw");
        count += nonces.len();
        all.extend(nonces);
    }
    assert_eq!(all.len(), count);
}

#[test]
fn sixteen_threads_seal_at_once() {
    const THREADS: usize = 16;
    const VALUES: usize = 1_000_000;
    const PER_DOCUMENT: u32 = 25;
    let ring = ring();
    let documents: Vec<_> = std::thread::scope(|scope| {
        let work = || {
            let value: Vec<One<u32>> = (0..PER_DOCUMENT).map(One).collect();
            let seal = |_| value.seal(&location(), &ring).unwrap().iter().map(nonce).collect::<Vec<_>>();
            (0..VALUES / THREADS / PER_DOCUMENT as usize).map(seal).collect::<Vec<_>>()
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let draws: HashSet<&[u8]> = documents.iter().map(|nonces| &nonces[0][..16]).collect();
    assert_eq!(draws.len(), documents.len(), "two documents share a draw");
    let all: HashSet<Nonce> = documents.iter().flatten().copied().collect();
    println!("{} values sealed in {} documents, {} nonces", VALUES, documents.len(), all.len());
    let promise = Promise::new("nonces");
    promise.held(all.len() as u64);
    (all.len()..VALUES).for_each(|_| promise.violated("a nonce of another thread"));
    promise.finish();
}

#[test]
fn elements_do_not_trade_places() {
    let sealed = nested().seal(&location(), &ring()).unwrap();
    let refused = |change: &dyn Fn(&mut NestedSealed)| {
        let mut sealed = sealed.clone();
        change(&mut sealed);
        Nested::open(sealed, &location(), &ring()).unwrap_err();
    };
    refused(&|sealed| sealed.list.swap(0, 1));
    refused(&|sealed| sealed.list.rotate_left(1));
    refused(&|sealed| drop(sealed.list.remove(0)));
    refused(&|sealed| std::mem::swap(&mut *sealed.boxed, &mut sealed.list[0]));
    refused(&|sealed| {
        let moved = sealed.map.remove("a").unwrap();
        sealed.map.insert("d".to_owned(), moved);
    });
    refused(&|sealed| {
        let copied = sealed.tree["a"].clone();
        sealed.tree.insert("b".to_owned(), copied);
    });
}
