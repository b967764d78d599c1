//! Random queries give the same through fireseal as over the same documents in plaintext, which the
//! emulator holds and asks one condition at a time; also while data keys and index keys are rotated.
//!
//! T29 of docs/threat-model.md.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::too_many_lines)]

#[path = "support/promise.rs"]
mod promise;

#[path = "query_equivalence/draw.rs"]
mod draw;
#[path = "query_equivalence/people.rs"]
mod people;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use fireseal::store::{
    Cursor, FieldMask, FieldRef, Filter, FirestoreStore, From, MemoryStore, Order, Query, Store, Write,
    WriteKind,
};
use fireseal::{
    CollectionPath, DataKey, DocumentPath, IndexKey, KeyRing, Number, Overfetch, Repository, Stored,
};
use fireseal_emulator::Emulator;
use futures::{StreamExt, TryStreamExt};

use draw::{Draw, Tree};
use people::{Person, person, plain};

/// How many documents the collection has that most queries are over.
const DOCUMENTS: usize = 120;
/// How many there are in each of two others, for the queries over all three.
const OTHERS: usize = 40;
/// How many queries each of the five phases runs, each of them in two ways.
const QUERIES: usize = 110;

#[tokio::test]
async fn memory_answers_as_plaintext_does() {
    equivalence(Arc::new(MemoryStore::new()), 1).await;
}

#[tokio::test]
async fn firestore_answers_as_plaintext_does() {
    let project = Emulator::shared().await.unwrap().project().unwrap();
    equivalence(Arc::new(FirestoreStore::new(project.firestore().await.unwrap())), 2).await;
}

async fn equivalence(store: Arc<dyn Store>, seed: u64) {
    let project = Emulator::shared().await.unwrap().project().unwrap();
    let oracle = Arc::new(FirestoreStore::new(project.firestore().await.unwrap()));
    let mut world = World::new(store, oracle, seed);
    let (data, index) = ([[1; 32], [2; 32]], [[3; 32], [4; 32]]);
    let [first, second] = data.map(|bytes| move || DataKey::from_bytes(&bytes));
    let [old, new] = index.map(|bytes| move || IndexKey::from_bytes(&bytes));

    let ring = KeyRing::new(first()).with_index(old());
    world.write(&ring, |_| true).await;
    world.ask("at first", &ring).await;
    let ring = KeyRing::new(second()).with_active(first()).with_index(old());
    world.write(&ring, |number| number % 3 == 0).await;
    world.ask("another data key", &ring).await;
    let ring = KeyRing::new(second()).with_active(first()).with_index(old()).with_index(new());
    world.ask("two index keys asked", &ring).await;
    let ring = KeyRing::new(second()).with_active(first()).with_index(new()).with_index(old());
    world.write(&ring, |number| number % 2 == 0).await;
    world.ask("half of the tokens new", &ring).await;
    world.write(&ring, |_| true).await;
    let ring = KeyRing::new(second()).with_active(first()).with_index(new());
    world.ask("the new index key alone", &ring).await;
    world.tell();
}

#[derive(Default)]
struct Tally {
    queries: usize,
    results: usize,
    read: u64,
    rejected: u64,
    scans: usize,
    split: usize,
    moved: usize,
    widened: usize,
    kinds: BTreeMap<&'static str, usize>,
}

struct World {
    store: Arc<dyn Store>,
    oracle: Arc<FirestoreStore>,
    /// By their paths.
    people: BTreeMap<String, Person>,
    draw: Draw,
    /// What each single condition found.
    found: HashMap<String, BTreeSet<String>>,
    tally: Tally,
}

/// The parents of the collections.
const PARENTS: [(&str, usize); 3] = [("", DOCUMENTS), ("tenants/a/", OTHERS), ("tenants/b/", OTHERS)];

impl World {
    fn new(store: Arc<dyn Store>, oracle: Arc<FirestoreStore>, seed: u64) -> Self {
        let mut draw = Draw(seed);
        let mut people = BTreeMap::new();
        for (parent, count) in PARENTS {
            for number in 0..count {
                let person = person(&mut draw, number);
                people.insert(format!("{parent}people/{}", person.id), person);
            }
        }
        Self { store, oracle, people, draw, found: HashMap::new(), tally: Tally::default() }
    }

    fn repository(&self, parent: &str, ring: &KeyRing) -> Repository<Person> {
        let people = Repository::new(Arc::clone(&self.store), ring.clone());
        if parent.is_empty() { people } else { people.under(parent.trim_end_matches('/')).unwrap() }
    }

    /// Writes the chosen ones under the ring's first keys.
    async fn write(&mut self, ring: &KeyRing, chosen: impl Fn(usize) -> bool) {
        for (parent, _) in PARENTS {
            let repository = self.repository(parent, ring);
            let own = self.people.iter().filter(|(path, _)| {
                path.strip_prefix(parent).is_some_and(|rest| rest.starts_with("people/"))
            });
            for (_, (path, person)) in own.enumerate().filter(|(number, _)| chosen(*number)) {
                repository.set(person).await.unwrap();
                let path = DocumentPath::parse(path).unwrap();
                let kind = WriteKind::Set { fields: plain(person), mask: None };
                self.oracle.commit(&[Write::new(path, kind)]).await.unwrap();
            }
        }
    }

    /// Runs as many queries as a phase has.
    async fn ask(&mut self, phase: &str, ring: &KeyRing) {
        let people = self.repository("", ring);
        for number in 0..QUERIES {
            self.one(&format!("{phase}, query {number}"), &people).await;
        }
    }

    async fn one(&mut self, what: &str, people: &Repository<Person>) {
        let group = self.draw.one_in(6);
        let below = group && self.draw.one_in(2);
        let mut query = if group { people.query_group() } else { people.query() };
        let mut from = From::Collection(CollectionPath::parse("people").unwrap());
        if group {
            let under = below.then(|| DocumentPath::parse("tenants/a").unwrap());
            from = From::Group { id: "people".to_owned(), under };
            if below {
                query = query.below("tenants/a").unwrap();
            }
        }
        let tree = (!self.draw.one_in(12)).then(|| draw::tree(&mut self.draw, 2, group));
        if let Some(tree) = &tree {
            let condition = tree.condition();
            query = query.filter(|_| condition).allow_scan();
        }
        let (orders, plain): (Vec<_>, Vec<_>) = draw::orders(&mut self.draw).into_iter().unzip();
        for order in orders {
            query = query.order_by(|_| order);
        }
        let order = whole_order(tree.as_ref(), plain);
        let (mut start, mut end) = (None, None);
        if !group
            && self.draw.one_in(3)
            && let Some((positions, values)) = draw::position(&mut self.draw, &order)
        {
            let before = self.draw.one_in(2);
            query = if before { query.start_at(|_| positions) } else { query.start_after(|_| positions) };
            start = Some(Cursor { values, before });
        }
        if !group
            && self.draw.one_in(3)
            && let Some((positions, values)) = draw::position(&mut self.draw, &order)
        {
            let before = self.draw.one_in(2);
            query = if before { query.end_before(|_| positions) } else { query.end_at(|_| positions) };
            end = Some(Cursor { values, before });
        }

        let mut expected = self.expected(&from, tree.as_ref(), &order, start, end).await;
        let limited = self.draw.below(6);
        let count = 1 + self.draw.below(9);
        let number = u32::try_from(count).unwrap();
        match limited {
            // Firestore has no descending order of ids alone.
            0 if order[0].field != FieldRef::Name => {
                query = query.limit_to_last(number);
                expected.drain(..expected.len().saturating_sub(count));
            }
            1 | 2 => {
                let offset = self.draw.below(4);
                query = query.limit(number).offset(u32::try_from(offset).unwrap());
                expected.drain(..offset.min(expected.len()));
                expected.truncate(count);
            }
            3 => {
                query = query.offset(number);
                expected.drain(..count.min(expected.len()));
            }
            _ => {}
        }
        let plan = query.plan().await.unwrap();
        let wrong = |part: &str| {
            format!("{what}: {part} of {:?} by {order:?}; {plan}", tree.as_ref().map(Tree::condition))
        };

        let mut stream = query.stream().await.unwrap();
        let mut found: Vec<Stored<Person>> = Vec::new();
        while let Some(person) = stream.next().await {
            found.push(person.unwrap());
        }
        let paths = |found: &[Stored<Person>]| -> Vec<String> {
            found.iter().map(|person| person.location().document().to_string()).collect()
        };
        assert_eq!(paths(&found), expected, "{}", wrong("result"));
        for person in &found {
            assert!(**person == self.people[&person.location().document().to_string()], "{}", wrong("value"));
        }
        self.tally.read += stream.documents_read();
        self.tally.rejected += stream.documents_rejected();
        if plan.overfetch == Overfetch::None {
            assert_eq!(stream.documents_rejected(), 0, "{}", wrong("overfetch"));
        }
        self.tally.results += found.len();
        self.tally.scans += usize::from(plan.is_scan());
        self.tally.split += usize::from(plan.queries.len() > 1);
        self.tally.moved += usize::from(!plan.moved.is_empty());
        self.tally.widened += usize::from(!plan.widened.is_empty());
        for (kind, _) in tree.iter().flat_map(Tree::leaves) {
            *self.tally.kinds.entry(kind).or_default() += 1;
        }
        self.tally.queries += 1;

        match self.draw.below(6) {
            0 => assert_eq!(query.count().await.unwrap(), expected.len() as u64, "{}", wrong("count")),
            1 => {
                let sum: i64 = expected.iter().map(|path| self.people[path].level).sum();
                let found = query.sum(|c| c.level).await.unwrap();
                assert_eq!(found, Number::Integer(sum), "{}", wrong("sum"));
            }
            2 => {
                let sum: f64 = expected.iter().map(|path| self.people[path].score).sum();
                let average = query.average(|c| c.score).await.unwrap();
                let expected = (!expected.is_empty()).then(|| sum / expected.len() as f64);
                assert_eq!(average, expected, "{}", wrong("average"));
            }
            3 => {
                let parts = query.select(|c| (c.level, c.email)).all().await.unwrap();
                assert_eq!(parts.len(), expected.len(), "{}", wrong("projection"));
                for (part, path) in parts.iter().zip(&expected) {
                    assert_eq!(part.location().document().as_str(), path, "{}", wrong("projection"));
                    assert_eq!(part.value(|c| c.level).unwrap(), self.people[path].level);
                    assert_eq!(part.open(|c| c.email).unwrap(), self.people[path].email);
                }
            }
            4 if limited != 0 => {
                let (mut token, mut pages) = (None, Vec::new());
                loop {
                    let page = query.page(4, token.as_deref()).await.unwrap();
                    assert!(page.documents.len() <= 4);
                    pages.extend(page.documents.into_iter().map(Result::unwrap));
                    token = page.next_page_token;
                    if token.is_none() {
                        break;
                    }
                }
                assert_eq!(paths(&pages), expected, "{}", wrong("pages"));
            }
            _ => {
                let first = query.first().await.unwrap();
                let first = first.map(|person| person.location().document().to_string());
                assert_eq!(first.as_ref(), expected.first(), "{}", wrong("first"));
                if let (Some(last), 4..) = (found.last(), limited) {
                    let rest = query.start_at(|_| last).all().await.unwrap();
                    assert_eq!(paths(&rest), expected[expected.len() - 1..], "{}", wrong("from a document"));
                }
            }
        }
        self.tally.queries += 1;
    }

    /// The paths of the result, before offset and limit.
    async fn expected(
        &mut self,
        from: &From,
        tree: Option<&Tree>,
        order: &[Order],
        start: Option<Cursor>,
        end: Option<Cursor>,
    ) -> Vec<String> {
        let query = Query { order: order.to_vec(), start, end, ..Query::new(from.clone()) };
        let mut paths = self.paths(query).await;
        if let Some(tree) = tree {
            let taken = self.taken(from, tree).await;
            paths.retain(|path| taken.contains(path));
        }
        paths
    }

    async fn paths(&self, query: Query) -> Vec<String> {
        let query = Query { mask: Some(FieldMask::default()), ..query };
        let documents: Vec<_> = self.oracle.query(&query, None).await.unwrap().try_collect().await.unwrap();
        documents.iter().map(|document| document.path.to_string()).collect()
    }

    async fn taken(&mut self, from: &From, tree: &Tree) -> BTreeSet<String> {
        match tree {
            Tree::Leaf(_, filter, _) => self.filtered(from, filter).await,
            Tree::All(trees) => {
                let mut all = Box::pin(self.taken(from, &trees[0])).await;
                for tree in &trees[1..] {
                    let other = Box::pin(self.taken(from, tree)).await;
                    all.retain(|path| other.contains(path));
                }
                all
            }
            Tree::Any(trees) => {
                let mut any = BTreeSet::new();
                for tree in trees {
                    any.extend(Box::pin(self.taken(from, tree)).await);
                }
                any
            }
        }
    }

    /// What the oracle finds by a filter, asked one condition at a time.
    async fn filtered(&mut self, from: &From, filter: &Filter) -> BTreeSet<String> {
        match filter {
            Filter::All(filters) => {
                let mut all = Box::pin(self.filtered(from, &filters[0])).await;
                for filter in &filters[1..] {
                    let other = Box::pin(self.filtered(from, filter)).await;
                    all.retain(|path| other.contains(path));
                }
                all
            }
            Filter::Any(filters) => {
                let mut any = BTreeSet::new();
                for filter in filters {
                    any.extend(Box::pin(self.filtered(from, filter)).await);
                }
                any
            }
            filter => {
                let key = format!("{from:?} {filter:?}");
                if let Some(found) = self.found.get(&key) {
                    return found.clone();
                }
                let query = Query { filter: Some(filter.clone()), ..Query::new(from.clone()) };
                let found: BTreeSet<_> = self.paths(query.with_implicit_order()).await.into_iter().collect();
                self.found.insert(key, found.clone());
                found
            }
        }
    }

    fn tell(&self) {
        let tally = &self.tally;
        println!(
            "{} queries, 0 mismatches; {} results, {} documents read, {} of them in vain; {} scans, {} split, {} with \
             conditions moved here, {} widened",
            tally.queries,
            tally.results,
            tally.read,
            tally.rejected,
            tally.scans,
            tally.split,
            tally.moved,
            tally.widened
        );
        println!("drawn: {:?}", tally.kinds);
        promise::Promise::kept("query_equivalence", tally.queries);
        assert!(tally.queries >= 1_000);
        assert_eq!(tally.kinds.len(), KINDS, "a kind was never drawn");
        assert!(tally.split > 0 && tally.moved > 0 && tally.widened > 0 && tally.rejected > 0);
    }
}

/// How many kinds of conditions there are.
const KINDS: usize = 21;

/// The order as Firestore completes it: conditions on sealed fields give none.
fn whole_order(tree: Option<&Tree>, order: Vec<Order>) -> Vec<Order> {
    let leaves = tree.iter().flat_map(|tree| tree.leaves()).collect::<Vec<_>>();
    let clear = leaves.iter().filter(|(kind, _)| kind.starts_with("clear") || kind.starts_with("id"));
    let filter = Some(Filter::All(clear.map(|(_, filter)| (*filter).clone()).collect()));
    let query = Query { filter, order, ..Query::new(From::Group { id: "any".to_owned(), under: None }) };
    query.with_implicit_order().order
}
