//! Watches of documents, collections and queries: what is told, and what is not told twice.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "support/promise.rs"]
mod promise;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use fireseal::query::QueryError;
use fireseal::store::{
    Commit, Document, FieldMask, ListPage, ListRequest, ListenEvent, MemoryStore, ResumeToken, Store,
    StoreError, Target, Time, Value, ValueType, Write,
};
use fireseal::{
    Checkpoint, DataKey, Error, KeyError, KeyId, KeyLookup, KeyProvider, KeyRing, Repository, Scope,
    SealedRepository, WatchEvent,
};
use fireseal_emulator::Emulator;
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::sync::mpsc;

#[path = "support/customer.rs"]
mod customer;
#[path = "support/proxy.rs"]
mod proxy;
#[macro_use]
#[path = "support/stores.rs"]
mod stores;
#[path = "support/watched.rs"]
mod watched;

use customer::{Customer, customer, customers, path, ring, rotating, stored};
use proxy::Proxy;
use watched::{next, told, word};

type DynStore = Arc<dyn Store>;

on_both_stores!(
    a_document,
    a_collection,
    a_query_of_clear_fields,
    a_query_of_sealed_fields,
    a_copied_token_is_not_told,
    a_change_that_does_not_open_is_an_error_at_its_place,
    a_key_that_was_unknown_for_a_while,
    without_a_key,
    goes_on_from_a_checkpoint,
    goes_on_from_a_checkpoint_without_a_token,
    what_cannot_be_watched,
);

async fn create(store: &DynStore, ids: &[&str]) {
    for id in ids {
        customers(store).create(&customer(id, &format!("{id}@example.com"))).await.unwrap();
    }
}

async fn change(store: &DynStore, id: &str, change: impl FnOnce(&mut Customer)) {
    let mut stored = customers(store).get_stored(id).await.unwrap().unwrap();
    change(&mut stored);
    customers(store).save(&mut stored).await.unwrap();
}

/// Changes what is stored, as whoever writes the database can.
async fn tamper(store: &DynStore, id: &str, change: impl FnOnce(&mut Document)) {
    let mut document = stored(store, &format!("customers/{id}")).await.unwrap();
    change(&mut document);
    store.commit(&[Write::set(document.path, document.fields)]).await.unwrap();
}

fn flip(document: &mut Document) {
    let Some(ValueType::BytesValue(bytes)) = &mut document.fields.get_mut("ssn").unwrap().value_type else {
        panic!("not sealed");
    };
    *bytes.last_mut().unwrap() ^= 1;
}

async fn a_document(store: DynStore) {
    create(&store, &["bea"]).await;
    let mut watch = customers(&store).watch("ada").unwrap();
    assert_eq!(told(&mut watch).await, [""; 0]);
    create(&store, &["ada"]).await;
    match next(&mut watch).await.unwrap().unwrap() {
        WatchEvent::Added(ada) => assert_eq!((ada.id(), ada.ssn.as_str()), ("ada", "078-05-1120")),
        other => panic!("{other:?}"),
    }
    assert_eq!(word(&next(&mut watch).await.unwrap()), "current");
    change(&store, "bea", |bea| bea.visits += 1).await;
    change(&store, "ada", |ada| ada.ssn = "other".to_owned()).await;
    match next(&mut watch).await.unwrap().unwrap() {
        WatchEvent::Modified(ada) => assert_eq!(ada.ssn, "other"),
        other => panic!("{other:?}"),
    }
    assert_eq!(word(&next(&mut watch).await.unwrap()), "current");
    customers(&store).delete("ada").await.unwrap();
    assert_eq!(told(&mut watch).await, ["-ada"]);
    create(&store, &["ada"]).await;
    assert_eq!(told(&mut watch).await, ["+ada"]);
}

async fn a_collection(store: DynStore) {
    create(&store, &["ada", "bea"]).await;
    let mut watch = customers(&store).watch_all();
    assert_eq!(told(&mut watch).await, ["+ada", "+bea"]);
    create(&store, &["cleo"]).await;
    assert_eq!(told(&mut watch).await, ["+cleo"]);
    change(&store, "ada", |ada| ada.visits += 1).await;
    assert_eq!(told(&mut watch).await, ["~ada"]);
    customers(&store).delete("bea").await.unwrap();
    assert_eq!(told(&mut watch).await, ["-bea"]);
    // Another collection, and one of the same name below a document.
    let below = customers(&store).under("tenants/acme").unwrap();
    below.create(&customer("dora", "dora@example.com")).await.unwrap();
    customers(&store).delete("ada").await.unwrap();
    assert_eq!(told(&mut watch).await, ["-ada"]);
}

async fn a_query_of_clear_fields(store: DynStore) {
    create(&store, &["ada", "bea"]).await;
    let query = customers(&store).query().filter(|c| c.visits.ge(1)).limit(2);
    let mut watch = query.watch().await.unwrap();
    assert_eq!(told(&mut watch).await, ["+ada", "+bea"]);
    change(&store, "ada", |ada| ada.visits = 0).await;
    assert_eq!(told(&mut watch).await, ["-ada"]);
    change(&store, "ada", |ada| ada.visits = 2).await;
    assert_eq!(told(&mut watch).await, ["+ada"]);
    // Beyond the limit, then within it.
    change(&store, "bea", |bea| bea.visits = 3).await;
    assert_eq!(told(&mut watch).await, ["~bea"]);
    let mut cleo = customer("cleo", "cleo@example.com");
    cleo.visits = 4;
    customers(&store).create(&cleo).await.unwrap();
    customers(&store).delete("ada").await.unwrap();
    let mut all = told(&mut watch).await;
    while !all.iter().any(|word| word == "+cleo") {
        all.extend(told(&mut watch).await);
    }
    assert_eq!(all.into_iter().filter(|word| word != "~bea").collect::<Vec<_>>(), ["+cleo", "-ada"]);
}

async fn a_query_of_sealed_fields(store: DynStore) {
    create(&store, &["ada", "bea"]).await;
    change(&store, "bea", |bea| bea.first = "Bea".to_owned()).await;
    let query = customers(&store).query().filter(|c| c.first.eq("Ada").and(c.visits.ge(1)));
    let mut watch = query.watch().await.unwrap();
    assert_eq!(told(&mut watch).await, ["+ada"]);
    change(&store, "bea", |bea| bea.first = "Ada".to_owned()).await;
    assert_eq!(told(&mut watch).await, ["+bea"]);
    change(&store, "bea", |bea| bea.ssn = "other".to_owned()).await;
    assert_eq!(told(&mut watch).await, ["~bea"]);
    change(&store, "ada", |ada| ada.first = "Adah".to_owned()).await;
    assert_eq!(told(&mut watch).await, ["-ada"]);
    let nothing = customers(&store).query().filter(|c| c.first.is_in([""; 0]));
    let mut watch = nothing.watch().await.unwrap();
    assert_eq!(told(&mut watch).await, [""; 0]);
}

async fn a_copied_token_is_not_told(store: DynStore) {
    create(&store, &["ada", "bea", "cleo"]).await;
    change(&store, "bea", |bea| bea.first = "Bea".to_owned()).await;
    let mut watch = customers(&store).query().filter(|c| c.first.eq("Ada")).watch().await.unwrap();
    assert_eq!(told(&mut watch).await, ["+ada", "+cleo"]);
    let ada = stored(&store, "customers/ada").await.unwrap();
    tamper(&store, "bea", |bea| drop(bea.fields.insert("_seal".to_owned(), ada.fields["_seal"].clone())))
        .await;
    // The value of one that was told changes under a token that stays.
    let seal = stored(&store, "customers/cleo").await.unwrap().fields["_seal"].clone();
    change(&store, "cleo", |cleo| cleo.first = "Cleo".to_owned()).await;
    tamper(&store, "cleo", |cleo| drop(cleo.fields.insert("_seal".to_owned(), seal))).await;
    assert_eq!(told(&mut watch).await, ["-cleo"]);
    change(&store, "ada", |ada| ada.visits += 1).await;
    assert_eq!(told(&mut watch).await, ["~ada"]);
}

async fn a_change_that_does_not_open_is_an_error_at_its_place(store: DynStore) {
    create(&store, &["ada", "bea"]).await;
    let good = stored(&store, "customers/ada").await.unwrap();
    let mut watch = customers(&store).watch_all();
    assert_eq!(told(&mut watch).await, ["+ada", "+bea"]);
    tamper(&store, "ada", flip).await;
    assert_eq!(told(&mut watch).await, ["!ada"]);
    change(&store, "bea", |bea| bea.visits += 1).await;
    assert_eq!(told(&mut watch).await, ["~bea"]);
    store.commit(&[Write::set(good.path, good.fields)]).await.unwrap();
    assert_eq!(told(&mut watch).await, ["~ada"]);

    // One that never opened, and one of another shape.
    tamper(&store, "bea", flip).await;
    tamper(&store, "ada", |ada| drop(ada.fields.remove("name"))).await;
    let mut watch = customers(&store).watch_all();
    assert_eq!(told(&mut watch).await, ["!ada", "!bea"]);
    create(&store, &["cleo"]).await;
    assert_eq!(told(&mut watch).await, ["+cleo"]);
    store.commit(&[Write::delete(path("customers/bea"))]).await.unwrap();
    assert_eq!(told(&mut watch).await, ["-bea"]);
    let name = Value { value_type: Some(ValueType::StringValue("Ada".to_owned())) };
    tamper(&store, "ada", |ada| drop(ada.fields.insert("name".to_owned(), name))).await;
    assert_eq!(told(&mut watch).await, ["+ada"]);
}

async fn a_key_that_was_unknown_for_a_while(store: DynStore) {
    let keys = Keys::new();
    let watched = Repository::<Customer>::new(Arc::clone(&store), keys.clone());
    let mut watch = watched.watch_all();
    assert_eq!(told(&mut watch).await, Vec::<String>::new());
    // Others seal with a key that the ring at hand does not have yet.
    let newer =
        KeyRing::new(DataKey::generate().unwrap()).with_index(fireseal::IndexKey::generate().unwrap());
    let others = Repository::<Customer>::new(Arc::clone(&store), newer.clone());
    for id in ["bea", "cleo"] {
        others.create(&customer(id, &format!("{id}@example.com"))).await.unwrap();
    }
    let mut first = told(&mut watch).await;
    if first.len() < 2 {
        first.extend(told(&mut watch).await);
    }
    assert_eq!(first, ["!bea", "!cleo"]);
    // One of them is gone before the key comes.
    others.delete("cleo").await.unwrap();
    assert_eq!(told(&mut watch).await, ["-cleo"]);
    *keys.ring.lock().unwrap() = newer;
    assert_eq!(told(&mut watch).await, ["+bea"]);
}

async fn without_a_key(store: DynStore) {
    create(&store, &["ada", "bea"]).await;
    let sealed = SealedRepository::<Customer>::new(Arc::clone(&store));
    let mut all = sealed.watch_all();
    let mut one = sealed.watch("ada").unwrap();
    let mut query = sealed.query().filter(|c| c.visits.gt(1)).watch().await.unwrap();
    assert_eq!(told(&mut all).await, ["+ada", "+bea"]);
    assert_eq!(told(&mut one).await, ["+ada"]);
    assert_eq!(told(&mut query).await, [""; 0]);
    change(&store, "ada", |ada| ada.visits += 1).await;
    assert_eq!(told(&mut one).await, ["~ada"]);
    assert_eq!(told(&mut query).await, ["+ada"]);
    match next(&mut all).await.unwrap().unwrap() {
        WatchEvent::Modified(ada) => {
            assert_eq!(ada.visits, 2);
            assert_eq!(ada.open(&ring()).await.unwrap().ssn, "078-05-1120");
        }
        other => panic!("{other:?}"),
    }
    // What does not open is no error where nothing is opened.
    tamper(&store, "bea", flip).await;
    assert_eq!(told(&mut all).await, [""; 0]);
    assert_eq!(told(&mut all).await, ["~bea"]);
}

/// What changes while nobody watches.
async fn meanwhile(store: &DynStore) {
    change(store, "ada", |ada| ada.visits += 1).await;
    customers(store).delete("bea").await.unwrap();
    create(store, &["dora"]).await;
}

async fn goes_on_from_a_checkpoint(store: DynStore) {
    create(&store, &["ada", "bea", "cleo"]).await;
    let mut watch = customers(&store).watch_all();
    assert!(watch.checkpoint().is_none());
    assert_eq!(word(&next(&mut watch).await.unwrap()), "+ada");
    assert!(watch.checkpoint().is_none(), "in the middle");
    assert_eq!(told(&mut watch).await, ["+bea", "+cleo"]);
    let bytes = watch.checkpoint().unwrap().to_bytes();
    drop(watch);
    meanwhile(&store).await;
    let checkpoint = Checkpoint::from_bytes(&bytes).unwrap();
    let mut watch = customers(&store).watch_all().resume_from(checkpoint);
    assert_eq!(told(&mut watch).await, ["+dora", "-bea", "~ada"]);
    let checkpoint = watch.checkpoint().unwrap();
    let mut watch = customers(&store).watch_all().resume_from(checkpoint);
    assert_eq!(told(&mut watch).await, [""; 0]);
    assert!(Checkpoint::from_bytes(&bytes[1..]).is_err());
}

async fn goes_on_from_a_checkpoint_without_a_token(store: DynStore) {
    create(&store, &["ada", "bea", "cleo"]).await;
    // The checkpoint of another query, whose token is not for this one.
    let mut watch = customers(&store).query().filter(|c| c.visits.ge(0)).watch().await.unwrap();
    assert_eq!(told(&mut watch).await, ["+ada", "+bea", "+cleo"]);
    let checkpoint = watch.checkpoint().unwrap();
    drop(watch);
    meanwhile(&store).await;
    let mut watch = customers(&store).watch_all().resume_from(checkpoint);
    assert_eq!(told(&mut watch).await, ["+dora", "-bea", "~ada"]);
}

async fn what_cannot_be_watched(store: DynStore) {
    let customers = customers(&store);
    let refused = [
        customers.query().offset(1).watch().await.map(drop),
        customers.query().filter(|c| c.first.eq("Ada")).limit(1).watch().await.map(drop),
        customers.query().filter(|c| c.name.is_in((0..31).map(|n| n.to_string()))).watch().await.map(drop),
    ];
    for refused in refused {
        match refused {
            Err(Error::Query(QueryError::NotWatchable { .. })) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(customers.query().limit_to_last(1).order_by(|c| c.name.ascending()).watch().await.is_ok());
    assert!(matches!(customers.watch("a/b"), Err(Error::Location(_))));
}

/// A store whose listeners say what the test says.
#[derive(Clone, Default)]
struct Scripted {
    memory: MemoryStore,
    listeners: Arc<Mutex<Vec<Result<Said, StoreError>>>>,
    resumed: Arc<Mutex<Vec<Option<Vec<u8>>>>>,
}

type Say = mpsc::UnboundedSender<Result<ListenEvent, StoreError>>;
type Said = mpsc::UnboundedReceiver<Result<ListenEvent, StoreError>>;

impl Scripted {
    /// What the next listener will say.
    fn listener(&self) -> Say {
        let (say, said) = mpsc::unbounded_channel();
        self.listeners.lock().unwrap().insert(0, Ok(said));
        say
    }

    fn refusal(&self, error: StoreError) {
        self.listeners.lock().unwrap().insert(0, Err(error));
    }

    async fn document(&self, id: &str) -> Document {
        stored(&(Arc::new(self.memory.clone()) as DynStore), &format!("customers/{id}")).await.unwrap()
    }
}

#[async_trait]
impl Store for Scripted {
    async fn read(
        &self,
        paths: &[fireseal::DocumentPath],
        mask: Option<&FieldMask>,
    ) -> Result<Vec<Option<Document>>, StoreError> {
        self.memory.read(paths, mask).await
    }

    async fn commit(&self, writes: &[Write]) -> Result<Commit, StoreError> {
        self.memory.commit(writes).await
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage, StoreError> {
        self.memory.list(request).await
    }

    async fn listen(
        &self,
        _: &Target,
        resume: Option<ResumeToken>,
    ) -> Result<BoxStream<'static, Result<ListenEvent, StoreError>>, StoreError> {
        self.resumed.lock().unwrap().push(resume.map(|token| token.as_bytes().to_vec()));
        let mut said = self.listeners.lock().unwrap().pop().expect("another listener")?;
        Ok(futures::stream::poll_fn(move |context| said.poll_recv(context)).boxed())
    }
}

fn current(token: &[u8]) -> Result<ListenEvent, StoreError> {
    Ok(ListenEvent::Current { resume: Some(ResumeToken::new(token.to_vec())), at: None })
}

fn unavailable() -> StoreError {
    StoreError::Unavailable { reason: "gone".to_owned(), source: None }
}

/// Counts questions for keys, and fails when told to.
#[derive(Clone)]
struct Keys {
    ring: Arc<Mutex<KeyRing>>,
    asked: Arc<AtomicUsize>,
    failures: Arc<AtomicUsize>,
}

impl Keys {
    fn new() -> Self {
        Self { ring: Arc::new(Mutex::new(ring())), asked: Arc::default(), failures: Arc::default() }
    }
}

#[async_trait]
impl KeyProvider for Keys {
    async fn ring(&self, _: &Scope) -> Result<KeyRing, KeyError> {
        Ok(self.ring.lock().unwrap().clone())
    }

    async fn keys(&self, wanted: &[(Scope, KeyId)]) -> Result<Vec<KeyLookup>, KeyError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let fails =
            self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if fails.is_ok() {
            return Err(KeyError::Unavailable { reason: "down".to_owned(), source: None });
        }
        let ring = self.ring.lock().unwrap().clone();
        ring.keys(wanted).await
    }
}

/// Ada, Bea and Cleo in a scripted store.
async fn scripted() -> (Scripted, [Document; 3]) {
    let store = Scripted::default();
    create(&(Arc::new(store.memory.clone()) as DynStore), &["ada", "bea", "cleo"]).await;
    let documents = [store.document("ada").await, store.document("bea").await, store.document("cleo").await];
    (store, documents)
}

fn changed(document: &Document) -> Result<ListenEvent, StoreError> {
    Ok(ListenEvent::Changed(document.clone()))
}

fn later(document: &Document, nanos: i32) -> Document {
    let time = document.update_time.unwrap();
    Document { update_time: Some(Time { nanos: time.nanos + nanos, ..time }), ..document.clone() }
}

#[tokio::test]
async fn repetitions_and_resets_tell_only_what_changed() {
    let (store, [ada, bea, cleo]) = scripted().await;
    let say = store.listener();
    let mut watch = Repository::<Customer>::new(store.clone(), ring()).watch_all();
    let tell = |events: Vec<Result<ListenEvent, StoreError>>| {
        events.into_iter().for_each(|event| say.send(event).unwrap());
    };
    tell(vec![changed(&ada), changed(&bea), changed(&cleo), current(b"1")]);
    assert_eq!(told(&mut watch).await, ["+ada", "+bea", "+cleo"]);
    // Nothing of this is new; the last is older than what was told.
    tell(vec![changed(&ada), current(b"2"), current(b"3"), changed(&later(&bea, -1)), current(b"4")]);
    // A reset, with one that is gone, one changed, and one as it was.
    let newer = later(&ada, 1000);
    tell(vec![
        changed(&later(&ada, 10)),
        Ok(ListenEvent::Reset),
        changed(&newer),
        changed(&cleo),
        current(b"5"),
    ]);
    assert_eq!(told(&mut watch).await, ["-bea", "~ada"]);
    // Two resets, and what comes between them is not told.
    tell(vec![Ok(ListenEvent::Reset), changed(&bea), Ok(ListenEvent::Reset), changed(&newer), current(b"6")]);
    assert_eq!(told(&mut watch).await, ["-cleo"]);
    // Deleted and made again at once; removed twice; removed without ever being told.
    let removed =
        |id: &str| Ok(ListenEvent::Removed { path: path(&format!("customers/{id}")), deleted: true });
    tell(vec![removed("ada"), changed(&later(&ada, 2000)), removed("cleo"), removed("dora"), current(b"7")]);
    assert_eq!(told(&mut watch).await, ["~ada"]);
    assert_eq!(*store.resumed.lock().unwrap(), [None]);
}

#[tokio::test]
async fn a_broken_connection_is_made_again_with_the_last_token() {
    let (store, [ada, bea, cleo]) = scripted().await;
    let say = store.listener();
    let mut watch = Repository::<Customer>::new(store.clone(), ring()).watch_all();
    [changed(&ada), changed(&bea), current(b"1")].into_iter().for_each(|event| say.send(event).unwrap());
    assert_eq!(told(&mut watch).await, ["+ada", "+bea"]);
    // It breaks before the state is consistent; two tries fail; then the change comes again.
    let newer = later(&ada, 1000);
    [changed(&newer), Err(unavailable())].into_iter().for_each(|event| say.send(event).unwrap());
    store.refusal(unavailable());
    store.refusal(StoreError::Deadline { seconds: 1 });
    let say = store.listener();
    [changed(&newer), current(b"2")].into_iter().for_each(|event| say.send(event).unwrap());
    assert_eq!(told(&mut watch).await, ["~ada"]);
    // The token is refused: all is told anew to the watch, and only the difference by it.
    drop(say);
    store.refusal(StoreError::Refused { reason: "an old token".to_owned() });
    let say = store.listener();
    [changed(&newer), changed(&cleo), current(b"3")].into_iter().for_each(|event| say.send(event).unwrap());
    assert_eq!(told(&mut watch).await, ["+cleo", "-bea"]);
    let tokens = store.resumed.lock().unwrap().clone();
    let token = |token: &[u8]| Some(token.to_vec());
    assert_eq!(tokens, [None, token(b"1"), token(b"1"), token(b"1"), token(b"2"), None]);
    // It cannot go on.
    let denied = StoreError::Denied { reason: "not you".to_owned() };
    say.send(Err(denied)).unwrap();
    assert!(matches!(next(&mut watch).await, Some(Err(Error::Store(StoreError::Denied { .. })))));
    assert!(next(&mut watch).await.is_none());
}

#[tokio::test]
async fn a_token_is_used_for_its_own_query_only() {
    let (store, [ada, _, _]) = scripted().await;
    let customers = Repository::<Customer>::new(store.clone(), ring());
    let query = customers.query().filter(|c| c.visits.ge(0));
    let listener = |events: Vec<Result<ListenEvent, StoreError>>| {
        let say = store.listener();
        events.into_iter().for_each(|event| say.send(event).unwrap());
        say
    };
    let _said = listener(vec![changed(&ada), current(b"1")]);
    let mut watch = query.watch().await.unwrap();
    assert_eq!(told(&mut watch).await, ["+ada"]);
    let checkpoint = watch.checkpoint().unwrap();
    let _said = listener(vec![changed(&ada), current(b"2")]);
    assert_eq!(told(&mut customers.watch_all().resume_from(checkpoint.clone())).await, [""; 0]);
    let _said = listener(vec![current(b"3")]);
    assert_eq!(told(&mut query.watch().await.unwrap().resume_from(checkpoint)).await, [""; 0]);
    assert_eq!(*store.resumed.lock().unwrap(), [None, None, Some(b"1".to_vec())]);
}

#[tokio::test]
async fn another_document_than_asked_for_is_refused() {
    let (store, [ada, bea, _]) = scripted().await;
    let say = store.listener();
    let mut watch = Repository::<Customer>::new(store.clone(), ring()).watch("ada").unwrap();
    [changed(&bea), changed(&ada), current(b"1")].into_iter().for_each(|event| say.send(event).unwrap());
    assert_eq!(told(&mut watch).await, ["!bea", "+ada"]);
}

#[tokio::test]
async fn a_batch_is_one_question_for_keys_and_waits_for_them() {
    let (store, [ada, bea, cleo]) = scripted().await;
    let (say, keys) = (store.listener(), Keys::new());
    let mut watch = Repository::<Customer>::new(store.clone(), keys.clone()).watch_all();
    [changed(&ada), changed(&bea), current(b"1")].into_iter().for_each(|event| say.send(event).unwrap());
    assert_eq!(told(&mut watch).await, ["+ada", "+bea"]);
    assert_eq!(keys.asked.load(Ordering::SeqCst), 1);
    // No keys twice: two errors, and the change is told all the same.
    keys.failures.store(2, Ordering::SeqCst);
    [changed(&cleo), current(b"2")].into_iter().for_each(|event| say.send(event).unwrap());
    for _ in 0..2 {
        assert!(next(&mut watch).await.unwrap().unwrap_err().is_unavailable());
    }
    assert_eq!(told(&mut watch).await, ["+cleo"]);
}

#[tokio::test]
async fn what_is_polled_late_is_told_whole_and_many_at_once_in_parts() {
    let store: DynStore = Arc::new(MemoryStore::new());
    let keys = Keys::new();
    let ids: Vec<String> = (0..250).map(|n| format!("c{n}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    create(&store, &ids).await;
    let mut watch = Repository::<Customer>::new(Arc::clone(&store), keys.clone()).watch_all();
    assert_eq!(told(&mut watch).await.len(), 250);
    assert_eq!(keys.asked.load(Ordering::SeqCst), 3);
    // Nobody polls while a document changes ten times: the last one is told.
    for _ in 0..10 {
        change(&store, "c7", |c| c.visits += 1).await;
    }
    match next(&mut watch).await.unwrap().unwrap() {
        WatchEvent::Modified(c7) => assert_eq!(c7.visits, 11),
        other => panic!("{other:?}"),
    }
    assert_eq!(told(&mut watch).await, [""; 0]);
}

#[tokio::test]
async fn a_rotation_of_the_index_key_changes_what_is_asked() {
    let store: DynStore = Arc::new(MemoryStore::new());
    let keys = Keys::new();
    let reader = Repository::<Customer>::new(Arc::clone(&store), keys.clone());
    create(&store, &["ada"]).await;
    let mut watch = reader.query().filter(|c| c.first.eq("Ada")).watch().await.unwrap();
    assert_eq!(told(&mut watch).await, ["+ada"]);
    // From now on tokens are made with the new key alone.
    *keys.ring.lock().unwrap() = rotating();
    let bea = customer("bea", "bea@example.com");
    Repository::<Customer>::new(Arc::clone(&store), rotating()).create(&bea).await.unwrap();
    assert_eq!(told(&mut watch).await, ["+bea"]);
}

#[tokio::test]
async fn a_dropped_connection_costs_no_change_and_repeats_none() {
    let project = Emulator::shared().await.unwrap().project().unwrap();
    let proxy = Proxy::new(&project).await;
    let direct: DynStore = Arc::new(fireseal::store::FirestoreStore::new(project.firestore().await.unwrap()));
    let through: DynStore = Arc::new(proxy.store().await);
    create(&direct, &["ada", "bea", "cleo"]).await;
    let mut all = customers(&through).watch_all();
    let mut one = customers(&through).watch("ada").unwrap();
    let mut query = customers(&through).query().filter(|c| c.first.eq("Ada")).watch().await.unwrap();
    assert_eq!(told(&mut all).await, ["+ada", "+bea", "+cleo"]);
    assert_eq!(told(&mut one).await, ["+ada"]);
    assert_eq!(told(&mut query).await, ["+ada", "+bea", "+cleo"]);
    proxy.cut();
    meanwhile(&direct).await;
    assert_eq!(told(&mut all).await, ["+dora", "-bea", "~ada"]);
    assert_eq!(told(&mut one).await, ["~ada"]);
    assert_eq!(told(&mut query).await, ["+dora", "-bea", "~ada"]);
    proxy.cut();
    change(&direct, "cleo", |cleo| cleo.first = "Cleo".to_owned()).await;
    customers(&direct).delete("ada").await.unwrap();
    assert_eq!(told(&mut all).await, ["-ada", "~cleo"]);
    assert_eq!(told(&mut one).await, ["-ada"]);
    assert_eq!(told(&mut query).await, ["-ada", "-cleo"]);
    promise::Promise::kept("no_lost_updates", 9);
    // Nobody listens any more: the calls end.
    drop((all, one, query));
    for _ in 0..100 {
        if proxy.open("Listen") == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{} calls are open still", proxy.open("Listen"));
}
