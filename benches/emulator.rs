//! End to end on the emulator: documents sealed through `Repository`, against the same ones in the clear through the
//! `firestore` crate.
//!
//! `cargo bench --bench emulator` prints, for both, the wall time and this process's own CPU time, measured in turn;
//! without `--bench` it only makes sure that everything runs.

#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/measure.rs"]
mod measure;

use std::collections::BTreeMap;
use std::time::Instant;

use fireseal::store::FirestoreStore;
use fireseal::{Batch, DataKey, KeyRing, Repository, Sealable};
use fireseal_emulator::Emulator;
use firestore::{FirestoreDb, FirestoreResult};
use futures::{StreamExt, TryStreamExt};
use measure::{median, real};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

#[derive(Sealable, Clone, Serialize, Deserialize)]
#[sealable(collection = "sealed")]
struct Customer {
    #[sealable(id)]
    id: String,
    name: String,
    country: String,
    visits: i64,
    active: bool,
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

fn customer(id: String) -> Customer {
    let text = |text: &str| text.to_owned();
    Customer {
        id,
        name: text("Ada Lovelace"),
        country: text("GB"),
        visits: 36,
        active: true,
        ssn: text("078-05-1120"),
        address: text("12 Ockham Park, Ockham, Surrey, GU23 6NG"),
        balance: 1_234_567,
        contact: ["mail", "phone", "post"].into_iter().map(|kind| (text(kind), text("somewhere"))).collect(),
        tags: ["one", "two", "three", "four", "five"].into_iter().map(text).collect(),
    }
}

/// The same with other values in the sensitive fields, as each is sealed to other bytes anyway: the emulator
/// leaves out what changes nothing.
fn changed(customer: &Customer, round: usize) -> Customer {
    Customer {
        ssn: format!("{round:011}"),
        address: format!("{round:040}"),
        balance: customer.balance + round as i64 + 1,
        contact: customer.contact.keys().map(|kind| (kind.clone(), format!("{round:09}"))).collect(),
        tags: customer.tags.iter().map(|tag| format!("{tag}{round}")).collect(),
        ..customer.clone()
    }
}

/// The stored names of the fields.
const NAMES: [&str; 10] =
    ["id", "name", "country", "visits", "active", "ssn", "address", "balance", "contact", "tags"];

/// How many requests are under way at once.
const AT_ONCE: usize = 8;

struct Both {
    store: FirestoreStore,
    sealed: Repository<Customer>,
    plain: FirestoreDb,
}

impl Both {
    /// A database of its own.
    async fn new(emulator: &Emulator) -> Self {
        let plain = emulator.project().unwrap().firestore().await.unwrap();
        let store = FirestoreStore::new(plain.clone());
        let ring = KeyRing::new(DataKey::generate().unwrap());
        Self { sealed: Repository::new(store.clone(), ring), store, plain }
    }

    async fn create_sealed(&self, customers: &[Customer]) {
        let requests = customers.iter().map(|customer| self.sealed.create(customer));
        futures::stream::iter(requests).buffer_unordered(AT_ONCE).try_collect::<Vec<_>>().await.unwrap();
    }

    async fn create_plain(&self, customers: &[Customer]) {
        let requests = customers.iter().map(|customer| async move {
            let insert = self.plain.fluent().insert().into("plain").document_id(&customer.id);
            insert.object(customer).execute::<Customer>().await
        });
        futures::stream::iter(requests).buffer_unordered(AT_ONCE).try_collect::<Vec<_>>().await.unwrap();
    }

    async fn get_sealed(&self, ids: &[String]) {
        let requests = ids.iter().map(|id| self.sealed.get(id));
        let found: Vec<Option<Customer>> =
            futures::stream::iter(requests).buffer_unordered(AT_ONCE).try_collect().await.unwrap();
        assert!(found.iter().all(Option::is_some));
    }

    async fn get_plain(&self, ids: &[String]) {
        let requests =
            ids.iter().map(|id| self.plain.fluent().select().by_id_in("plain").obj::<Customer>().one(id));
        let found: Vec<Option<Customer>> =
            futures::stream::iter(requests).buffer_unordered(AT_ONCE).try_collect().await.unwrap();
        assert!(found.iter().all(Option::is_some));
    }

    async fn get_many_sealed(&self, ids: &[String]) {
        let found = self.sealed.get_many(ids).await.unwrap();
        assert!(found.iter().all(Option::is_some));
    }

    async fn get_many_plain(&self, ids: &[String]) {
        let stream = self.plain.fluent().select().by_id_in("plain").obj::<Customer>();
        let stream = stream.batch_with_errors(ids).await.unwrap();
        let found: FirestoreResult<Vec<(String, Option<Customer>)>> = stream.try_collect().await;
        assert!(found.unwrap().iter().all(|(_, customer)| customer.is_some()));
    }

    async fn query_sealed(&self, customers: usize) {
        let found = self
            .sealed
            .query()
            .filter(|c| c.country.eq("GB"))
            .limit(customers.try_into().unwrap())
            .all()
            .await
            .unwrap();
        assert_eq!(found.len(), customers);
    }

    async fn query_plain(&self, customers: usize) {
        let query = self.plain.fluent().select().from("plain").filter(|c| c.field("country").eq("GB"));
        let found: Vec<Customer> = query.limit(customers.try_into().unwrap()).obj().query().await.unwrap();
        assert_eq!(found.len(), customers);
    }

    async fn batch_sealed(&self, customers: &[Customer]) {
        let batch = Batch::new(&self.store);
        let sealed = batch.on(&self.sealed);
        for customer in customers {
            sealed.create(customer).await.unwrap();
        }
        assert_eq!(batch.finish().await.unwrap().applied, customers.len() as u64);
    }

    /// One by one, although in one call.
    async fn batch_plain(&self, customers: &[Customer]) {
        let writer = self.plain.create_simple_batch_writer().await.unwrap();
        let mut batch = writer.new_batch();
        for customer in customers {
            batch.update_object("plain", &customer.id, customer, None, None, vec![]).unwrap();
        }
        let written = batch.write().await.unwrap();
        assert!(written.statuses.iter().all(|status| status.code == 0));
    }

    /// All or nothing, by the call of the server that `Batch` makes.
    async fn commit_plain(&self, customers: &[Customer]) {
        let mut transaction = self.plain.begin_transaction().await.unwrap();
        for customer in customers {
            let update = self.plain.fluent().update().in_col("plain").document_id(&customer.id);
            update.object(customer).add_to_transaction(&mut transaction).unwrap();
        }
        transaction.commit().await.unwrap();
    }

    async fn batch_set_sealed(&self, customers: &[Customer]) {
        let batch = Batch::new(&self.store);
        let sealed = batch.on(&self.sealed);
        for customer in customers {
            sealed.set(customer).await.unwrap();
        }
        assert_eq!(batch.finish().await.unwrap().applied, customers.len() as u64);
    }

    /// Fields that the type does not have stay, as they do with `set`.
    async fn commit_fields_plain(&self, customers: &[Customer]) {
        let mut transaction = self.plain.begin_transaction().await.unwrap();
        for customer in customers {
            let update = self.plain.fluent().update().fields(NAMES).in_col("plain");
            let update = update.document_id(&customer.id).object(customer);
            update.add_to_transaction(&mut transaction).unwrap();
        }
        transaction.commit().await.unwrap();
    }
}

/// Seconds that this process has computed, on all its threads.
fn computed() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Wall and CPU seconds.
async fn timed(work: impl Future<Output = ()>) -> [f64; 2] {
    let (wall, cpu) = (Instant::now(), computed());
    work.await;
    [wall.elapsed().as_secs_f64(), computed() - cpu]
}

#[derive(Default)]
struct Row {
    sealed: [Vec<f64>; 2],
    plain: [Vec<f64>; 2],
}

impl Row {
    fn add(&mut self, sealed: [f64; 2], plain: [f64; 2]) {
        for clock in 0..2 {
            self.sealed[clock].push(sealed[clock]);
            self.plain[clock].push(plain[clock]);
        }
    }

    fn report(mut self, what: &str, documents: usize) {
        for (clock, name) in ["wall", "CPU"].into_iter().enumerate() {
            let pairs = self.sealed[clock].iter().zip(&self.plain[clock]);
            let ratio = median(&mut pairs.map(|(sealed, plain)| sealed / plain).collect::<Vec<_>>());
            let micros = |times: &mut Vec<f64>| median(times) * 1e6 / documents as f64;
            println!(
                "{what}, {name}: {:.0} µs a document sealed, {:.0} µs in the clear, ratio {ratio:.2}",
                micros(&mut self.sealed[clock]),
                micros(&mut self.plain[clock]),
            );
        }
    }
}

/// Both in turn; who goes first changes with each round.
macro_rules! in_turn {
    ($row:ident, $round:ident, $sealed:expr, $plain:expr) => {
        if $round % 2 == 0 {
            let sealed = timed($sealed).await;
            $row.add(sealed, timed($plain).await);
        } else {
            let plain = timed($plain).await;
            $row.add(timed($sealed).await, plain);
        }
    };
}

#[tokio::main]
async fn main() {
    let (warm_up, rounds, documents) = if real() { (15, 60, 500) } else { (1, 2, 4) };
    let emulator = Emulator::start().await.unwrap();
    // The emulator's queries look at every document of a collection, so what is written stands elsewhere.
    let (read, written, batched) =
        (Both::new(&emulator).await, Both::new(&emulator).await, Both::new(&emulator).await);

    let warm: Vec<_> = (0..documents).map(|i| customer(format!("warm-{i}"))).collect();
    read.create_plain(&warm).await;
    read.create_sealed(&warm).await;

    let (mut create, mut get, mut get_many) = (Row::default(), Row::default(), Row::default());
    let (mut query, mut batch) = (Row::default(), Row::default());
    let (mut atomic, mut again) = (Row::default(), Row::default());
    for round in 0..warm_up + rounds {
        if round == warm_up {
            // The emulator's first answers are slow: Java compiles as it goes.
            (create, get, get_many, query) = <_>::default();
            (batch, atomic, again) = <_>::default();
        }
        let some: Vec<_> = (0..documents / 4).map(|i| customer(format!("{round}-{i}"))).collect();
        in_turn!(create, round, written.create_sealed(&some), written.create_plain(&some));
        let ids: Vec<_> = some.iter().map(|customer| customer.id.clone()).collect();
        in_turn!(get, round, written.get_sealed(&ids), written.get_plain(&ids));
        let ids: Vec<_> = warm.iter().map(|customer| customer.id.clone()).collect();
        in_turn!(get_many, round, read.get_many_sealed(&ids), read.get_many_plain(&ids));
        in_turn!(query, round, read.query_sealed(documents), read.query_plain(documents));
        let new =
            |what: &str| (0..documents).map(|i| customer(format!("{what}-{round}-{i}"))).collect::<Vec<_>>();
        let new = [new("one"), new("two")];
        in_turn!(batch, round, batched.batch_sealed(&new[0]), batched.batch_plain(&new[0]));
        in_turn!(atomic, round, batched.batch_sealed(&new[1]), batched.commit_plain(&new[1]));
        let changed: Vec<_> = new[0].iter().map(|customer| changed(customer, round)).collect();
        in_turn!(again, round, batched.batch_set_sealed(&changed), batched.commit_fields_plain(&changed));
    }
    create.report("create", documents / 4);
    get.report("get", documents / 4);
    get_many.report(&format!("get_many of {documents}"), documents);
    query.report(&format!("query of {documents}"), documents);
    batch.report(&format!("batch of {documents} new ones, against `BatchWrite`"), documents);
    atomic.report(&format!("batch of {documents} new ones, against a transaction"), documents);
    again.report(&format!("batch of {documents} changed ones, against a transaction"), documents);
}
