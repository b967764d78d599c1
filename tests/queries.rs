//! What queries read, ask, give and refuse.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

#[macro_use]
#[path = "support/stores.rs"]
mod stores;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use fireseal::query::QueryError;
use fireseal::store::{
    Aggregation, Commit, Document, FieldMask, Filter, ListPage, ListRequest, MemoryStore, Query, Store,
    StoreError, Transaction, Value, ValueType, Write, WriteKind,
};
use fireseal::{
    DataKey, DocumentPath, Error, IndexKey, KeyError, KeyId, KeyLookup, KeyProvider, KeyRing, KeyRings,
    Number, Overfetch, Repository, Scope, Sealable, SealedRepository,
};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};

type Db = Arc<dyn Store>;

#[derive(Sealable, Clone, PartialEq)]
#[sealable(collection = "people", debug)]
struct Person {
    #[sealable(id)]
    id: String,
    level: i64,
    tags: Vec<String>,
    #[sensitive(index(bits = 8))]
    city: String,
    #[sensitive(words)]
    note: String,
}

fn person(number: usize) -> Person {
    Person {
        id: format!("p{number:03}"),
        level: i64::try_from(number % 10).unwrap(),
        tags: vec!["a".to_owned()],
        city: if number.is_multiple_of(2) { "London" } else { "Paris" }.to_owned(),
        note: format!("number {number}"),
    }
}

fn ring() -> KeyRing {
    KeyRing::new(DataKey::from_bytes(&[1; 32])).with_index(IndexKey::from_bytes(&[2; 32]))
}

async fn people(store: &Db, count: usize) -> Repository<Person> {
    let people = Repository::new(Arc::clone(store), ring());
    for number in 0..count {
        people.create(&person(number)).await.unwrap();
    }
    people
}

/// Gives one document the tokens of another.
async fn copy_tokens(store: &Db, from: &str, to: &str) {
    let path = |id: &str| DocumentPath::parse(&format!("people/{id}")).unwrap();
    let read = store.read(&[path(from), path(to)], None).await.unwrap();
    let [Some(from), Some(mut to)] = <[_; 2]>::try_from(read).unwrap() else { panic!("not there") };
    to.fields.insert("_seal".to_owned(), from.fields["_seal"].clone());
    set(store, to).await;
}

async fn set(store: &Db, document: Document) {
    let kind = WriteKind::Set { fields: document.fields, mask: None };
    store.commit(&[Write::new(document.path, kind)]).await.unwrap();
}

/// Puts plaintext where a sealed value belongs.
async fn spoil(store: &Db, path: &str, field: &str) {
    let path = DocumentPath::parse(path).unwrap();
    let mut document = store.read(&[path], None).await.unwrap().pop().flatten().unwrap();
    let plain = Value { value_type: Some(ValueType::StringValue("London".to_owned())) };
    document.fields.insert(field.to_owned(), plain);
    set(store, document).await;
}

fn refusal<T>(result: Result<T, Error>) -> QueryError {
    match result {
        Err(Error::Query(error)) => error,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("not refused"),
    }
}

on_both_stores!(
    a_limit_reads_what_it_needs,
    a_limit_counts_what_fulfils_the_condition,
    a_limit_of_nothing_gives_nothing,
    a_document_that_does_not_open_is_an_error_at_its_place,
    pages_go_on_and_tokens_are_checked,
    a_split_query_is_one,
    a_group_opens_each_document_at_its_path,
    the_scope_of_each_document_is_asked_for,
    companions_are_queried_without_a_key,
);

async fn a_limit_reads_what_it_needs(store: Db) {
    let people = people(&store, 40).await;
    let query = people.query().filter(|c| c.city.eq("London")).limit(5).offset(2);
    let mut stream = query.stream().await.unwrap();
    let found: Vec<_> = stream.by_ref().map(|person| person.unwrap().id.clone()).collect().await;
    assert_eq!(found, ["p004", "p006", "p008", "p010", "p012"]);
    assert_eq!((stream.documents_read(), stream.documents_rejected()), (7, 0));
}

async fn a_limit_of_nothing_gives_nothing(store: Db) {
    let people = people(&store, 4).await;
    // By a sealed field, by a clear one, and by none.
    let queries = [
        people.query().filter(|c| c.city.eq("London")),
        people.query().filter(|c| c.level.ge(0)),
        people.query().order_by(|c| c.level.ascending()),
    ];
    for query in queries {
        assert!(query.clone().count().await.unwrap() > 0);
        let none = query.limit(0);
        assert!(none.clone().all().await.unwrap().is_empty());
        assert_eq!(none.clone().count().await.unwrap(), 0);
        assert_eq!(none.clone().sum(|c| c.level).await.unwrap(), Number::Integer(0));
        assert_eq!(none.clone().average(|c| c.level).await.unwrap(), None);
        assert!(none.limit_to_last(0).all().await.unwrap().is_empty());
    }
}

async fn a_limit_counts_what_fulfils_the_condition(store: Db) {
    let people = people(&store, 40).await;
    for to in ["p001", "p003", "p005", "p007", "p009", "p011"] {
        copy_tokens(&store, "p000", to).await;
    }
    let query = people.query().filter(|c| c.city.eq("London"));
    let mut stream = query.clone().limit(4).stream().await.unwrap();
    let found: Vec<_> = stream.by_ref().map(|person| person.unwrap().id.clone()).collect().await;
    assert_eq!(found, ["p000", "p002", "p004", "p006"]);
    assert_eq!(stream.documents_rejected(), 3);
    assert_eq!(query.count().await.unwrap(), 20);
    assert_eq!(query.sum(|c| c.level).await.unwrap(), Number::Integer(80));
    assert_eq!(query.clone().offset(18).count().await.unwrap(), 2);
    let last = query.order_by(|c| c.level.ascending()).limit_to_last(3).all().await.unwrap();
    assert_eq!(last.iter().map(|person| &*person.id).collect::<Vec<_>>(), ["p018", "p028", "p038"]);
}

async fn a_document_that_does_not_open_is_an_error_at_its_place(store: Db) {
    let people = people(&store, 250).await;
    spoil(&store, "people/p003", "note").await;
    spoil(&store, "people/p005", "city").await;
    let stream = people.query().stream().await.unwrap();
    let all: Vec<_> = stream.collect().await;
    assert_eq!(all.len(), 250);
    for (number, found) in all.iter().enumerate() {
        match found {
            Ok(found) => assert_eq!(found.id, format!("p{number:03}")),
            Err(error) => {
                assert!([3, 5].contains(&number) && matches!(error, Error::Open(_)), "{number}: {error}");
            }
        }
    }
    assert!(matches!(people.query().all().await, Err(Error::Open(_))));
    // What does not decide need not open, and what is decided without it is no error.
    let parts = people.query().select(|c| (c.level, c.note)).all().await.unwrap();
    assert!(parts[3].open(|c| c.note).is_err() && parts[3].value(|c| c.level).is_ok());
    let paris = people.query().filter(|c| c.city.eq("Paris").and(c.level.eq(3)));
    assert_eq!(paris.count().await.unwrap(), 25);
    let unknown = people.query().filter(|c| c.city.eq("Paris").and(c.level.eq(5)));
    assert!(unknown.count().await.is_err());
    assert!(matches!(unknown.offset(1).all().await, Err(Error::Open(_))), "skipped without a word");
}

async fn pages_go_on_and_tokens_are_checked(store: Db) {
    let people = people(&store, 25).await;
    spoil(&store, "people/p002", "note").await;
    let query = people.query().order_by(|c| c.level.descending()).offset(3).limit(17);
    let all: Vec<_> =
        query.stream().await.unwrap().map(|person| person.map(|p| p.id.clone()).ok()).collect().await;
    let (mut token, mut pages, mut count) = (None, Vec::new(), 0);
    loop {
        let page = query.page(5, token.as_deref()).await.unwrap();
        pages.extend(page.documents.into_iter().map(|person| person.map(|p| p.id.clone()).ok()));
        count += 1;
        token = page.next_page_token;
        if token.is_none() {
            break;
        }
        let other = people.query().order_by(|c| c.level.ascending());
        assert_eq!(refusal(other.page(5, token.as_deref()).await), QueryError::PageToken);
    }
    assert_eq!((pages, count), (all, 4));
    assert_eq!(refusal(query.page(5, Some("nonsense")).await), QueryError::PageToken);
    assert_eq!(refusal(query.limit_to_last(3).page(5, None).await), QueryError::FromTheEnd);
}

async fn a_split_query_is_one(store: Db) {
    let people = people(&store, 80).await;
    let ids: Vec<_> = (0..75).map(|number| format!("p{number:03}")).collect();
    let query = people.query().filter(|c| c.id.is_in(&ids)).order_by(|c| c.level.descending());
    assert_eq!(query.plan().await.unwrap().queries.len(), 3);
    let all = query.all().await.unwrap();
    assert_eq!(all.len(), 75);
    let levels: Vec<_> = all.iter().map(|person| person.level).collect();
    assert!(levels.is_sorted_by(|a, b| a >= b));
    assert_eq!(query.count().await.unwrap(), 75);
    let some = query.offset(10).limit(30).all().await.unwrap();
    let ids = |people: &[fireseal::Stored<Person>]| -> Vec<String> {
        people.iter().map(|person| person.id.clone()).collect()
    };
    assert_eq!(ids(&some), ids(&all)[10..40]);
    // One document in several of the queries comes once.
    let words: Vec<_> = (0..40).map(|number| format!("number {number}")).collect();
    let several = people.query().filter(|c| {
        fireseal::query::any(words.iter().map(|words| c.note.has_words([words.as_str(), "number"])))
    });
    assert_eq!(several.all().await.unwrap().len(), 40);
}

async fn a_group_opens_each_document_at_its_path(store: Db) {
    let root = people(&store, 2).await;
    let below = root.clone().under("tenants/a").unwrap();
    below.create(&person(7)).await.unwrap();
    let other_scope = Scope::new("other").unwrap();
    let keys = ring().with_scope(other_scope.clone());
    let others = Repository::<Person>::new(Arc::clone(&store), keys).with_scope(other_scope);
    others.under("tenants/b").unwrap().create(&person(9)).await.unwrap();

    let all: Vec<_> = root.query_group().stream().await.unwrap().collect().await;
    let paths: Vec<_> = all.iter().flatten().map(|person| person.location().document().to_string()).collect();
    assert_eq!(paths, ["people/p000", "people/p001", "tenants/a/people/p007"]);
    assert_eq!(all.len(), 4, "one of another scope is told, and does not open");
    let one = below.query_group().below("tenants/a").unwrap().filter(|c| c.city.eq("Paris")).all().await;
    assert_eq!(one.unwrap()[0].id, "p007");
    let by_path = root.query_group().filter(|c| c.id.eq("tenants/a/people/p007")).all().await.unwrap();
    assert_eq!(by_path.len(), 1);
    let refused = refusal(root.query_group().filter(|c| c.id.eq("p007")).all().await);
    assert!(matches!(refused, QueryError::Id { .. }));
}

#[derive(Sealable, PartialEq)]
#[sealable(collection = "orders", scope = tenant_id, debug)]
struct Order {
    #[sealable(id)]
    id: String,
    #[serde(rename = "tenant")]
    tenant_id: String,
    #[sensitive(index)]
    number: i64,
}

async fn the_scope_of_each_document_is_asked_for(store: Db) {
    let ring = |id: &str, key: u8| {
        let ring = KeyRing::new(DataKey::from_bytes(&[key; 32])).with_index(IndexKey::from_bytes(&[key; 32]));
        ring.with_scope(Scope::new(id).unwrap())
    };
    let rings: KeyRings = [ring("acme", 1), ring("other", 2)].into_iter().collect();
    let orders = Repository::<Order>::new(Arc::clone(&store), rings);
    for (id, tenant) in [("1", "acme"), ("2", "other"), ("3", "acme")] {
        let order = Order { id: id.to_owned(), tenant_id: tenant.to_owned(), number: 7 };
        orders.create(&order).await.unwrap();
    }
    let seven = orders.query().filter(|c| c.number.eq(7));
    assert_eq!(refusal(seven.all().await), QueryError::ScopeOpen { field: "tenant" });
    let acme = seven.clone().filter(|c| c.tenant_id.eq("acme"));
    assert_eq!(acme.all().await.unwrap().len(), 2);
    assert_eq!(acme.count().await.unwrap(), 2);
    let both = seven.filter(|c| c.tenant_id.is_in(["acme", "other"]));
    assert_eq!(both.all().await.unwrap().len(), 3);
    for part in both.select(|c| c.number).all().await.unwrap() {
        assert_eq!(part.open(|c| c.number).unwrap(), 7);
    }
    // No index is asked: no scope needs to be known.
    assert_eq!(orders.query().all().await.unwrap().len(), 3);
}

async fn companions_are_queried_without_a_key(store: Db) {
    people(&store, 30).await;
    let sealed = SealedRepository::<Person>::new(Arc::clone(&store));
    let query = sealed.query().filter(|c| c.level.eq(3)).order_by(|c| c.id.ascending());
    let found = query.all().await.unwrap();
    assert_eq!(found.iter().map(|person| &*person.id).collect::<Vec<_>>(), ["p003", "p013", "p023"]);
    assert_eq!(found[0].clone().open(&ring()).await.unwrap(), person(3));
    assert_eq!(
        (query.count().await.unwrap(), query.sum(|c| c.level).await.unwrap()),
        (3, Number::Integer(9))
    );
    // What Firestore does not take together is checked here, without a key too.
    let both = sealed.query().filter(|c| c.tags.contains("a").and(c.tags.contains("b")));
    assert_eq!(both.plan().await.unwrap().moved, ["tags"]);
    assert_eq!(both.count().await.unwrap(), 0);
}

/// Counts the questions for keys, and remembers the queries.
#[derive(Clone)]
struct Watched {
    store: MemoryStore,
    asked: Arc<AtomicUsize>,
    down: Arc<AtomicUsize>,
    queries: Arc<Mutex<Vec<Query>>>,
}

impl Watched {
    fn new() -> Self {
        let (asked, down) = (Arc::default(), Arc::default());
        Self { store: MemoryStore::new(), asked, down, queries: Arc::default() }
    }
}

#[async_trait]
impl KeyProvider for Watched {
    async fn ring(&self, scope: &Scope) -> Result<KeyRing, KeyError> {
        ring().ring(scope).await
    }

    async fn keys(&self, wanted: &[(Scope, KeyId)]) -> Result<Vec<KeyLookup>, KeyError> {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        match self.down.load(Ordering::SeqCst) {
            down if down > 0 && asked + 1 >= down => {
                Err(KeyError::Unavailable { reason: "down".to_owned(), source: None })
            }
            _ => ring().keys(wanted).await,
        }
    }
}

#[async_trait]
impl Store for Watched {
    async fn read(
        &self,
        paths: &[DocumentPath],
        mask: Option<&FieldMask>,
    ) -> Result<Vec<Option<Document>>, StoreError> {
        self.store.read(paths, mask).await
    }

    async fn commit(&self, writes: &[Write]) -> Result<Commit, StoreError> {
        self.store.commit(writes).await
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage, StoreError> {
        self.store.list(request).await
    }

    async fn query(
        &self,
        query: &Query,
        within: Option<&Transaction>,
    ) -> Result<BoxStream<'static, Result<Document, StoreError>>, StoreError> {
        self.queries.lock().unwrap().push(query.clone());
        self.store.query(query, within).await
    }

    async fn aggregate(
        &self,
        query: &Query,
        over: &[Aggregation],
        within: Option<&Transaction>,
    ) -> Result<Vec<Value>, StoreError> {
        self.store.aggregate(query, over, within).await
    }
}

async fn watched(count: usize) -> (Watched, Repository<Person>) {
    let watched = Watched::new();
    people(&(Arc::new(watched.clone()) as Db), count).await;
    let people = Repository::new(watched.clone(), watched.clone());
    (watched, people)
}

#[tokio::test]
async fn one_question_for_keys_serves_a_chunk() {
    let (watched, people) = watched(250).await;
    let all: Vec<_> = people.query().stream().await.unwrap().try_collect().await.unwrap();
    assert_eq!((all.len(), watched.asked.load(Ordering::SeqCst)), (250, 3));
}

#[tokio::test]
async fn keys_that_cannot_be_had_end_the_stream() {
    let (watched, people) = watched(250).await;
    watched.down.store(2, Ordering::SeqCst);
    let all: Vec<_> = people.query().stream().await.unwrap().collect().await;
    assert_eq!(all.len(), 101);
    assert!(all[..100].iter().all(Result::is_ok));
    assert!(matches!(all[100], Err(Error::Keys(KeyError::Unavailable { .. }))));
}

#[tokio::test]
async fn a_selection_lets_only_its_fields_travel() {
    let (watched, people) = watched(3).await;
    let query = people.query().filter(|c| c.city.eq("Paris"));
    let parts = query.clone().select(|c| (c.level, c.note)).all().await.unwrap();
    assert_eq!((parts.len(), parts[0].value(|c| c.level).unwrap()), (1, 1));
    let refused = parts[0].value(|c| c.tags);
    assert!(matches!(refusal(refused), QueryError::NotSelected { .. }));
    assert!(matches!(refusal(parts[0].open(|c| c.city)), QueryError::NotSelected { .. }));
    assert_eq!(query.count().await.unwrap(), 1);
    let queries = watched.queries.lock().unwrap();
    let travelled = |query: &Query| query.mask.as_ref().unwrap().paths().concat();
    assert_eq!(travelled(&queries[0]), ["city", "level", "note"]);
    assert_eq!(travelled(&queries[1]), ["city"], "a count needs what it checks");
}

#[tokio::test]
async fn no_value_of_a_sealed_field_is_sent() {
    let (watched, people) = watched(3).await;
    people.query().filter(|c| c.city.eq("Paris").or(c.note.has_word("Paris"))).all().await.unwrap();
    let sent = format!("{:?}", watched.queries.lock().unwrap());
    assert!(sent.contains("_seal") && !sent.to_lowercase().contains("paris"), "{sent}");
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused() {
    let store: Db = Arc::new(MemoryStore::new());
    let people = people(&store, 3).await;
    let without = Repository::<Person>::new(Arc::clone(&store), KeyRing::new(DataKey::from_bytes(&[1; 32])));
    let refused = refusal(without.query().filter(|c| c.city.eq("x")).all().await);
    assert_eq!(refused, QueryError::NoIndexKey { scope: Scope::default() });
    assert_eq!(without.query().all().await.unwrap().len(), 3);

    let scan = people.query().filter(|c| c.level.not_in([1]).or(c.level.not_in([2])));
    assert_eq!(refusal(scan.all().await), QueryError::Scan);
    let plan = scan.clone().allow_scan().plan().await.unwrap();
    assert!(plan.is_scan() && plan.overfetch == Overfetch::Wider && plan.to_string().ends_with("a scan"));
    assert_eq!(scan.allow_scan().all().await.unwrap().len(), 3);

    let place = people.query().order_by(|c| c.level.ascending()).start_at(|c| c.id.position("p001"));
    assert_eq!(refusal(place.all().await), QueryError::Position { order: "level, id".to_owned() });
    let end = people.query().offset(1).limit_to_last(1);
    assert_eq!(refusal(end.all().await), QueryError::FromTheEnd);
    let word = people.query().filter(|c| c.note.has_word("!"));
    assert!(matches!(refusal(word.all().await), QueryError::NotAskable { .. }));
    let never = people.query().filter(|c| c.id.is_in(Vec::<String>::new()));
    assert_eq!((never.count().await.unwrap(), never.average(|c| c.level).await.unwrap()), (0, None));
    assert!(matches!(people.query().explain().await, Err(Error::Store(StoreError::Unsupported { .. }))));
}

/// Answers every query with the documents of another collection.
#[derive(Clone)]
struct Liar(MemoryStore);

#[async_trait]
impl Store for Liar {
    async fn read(
        &self,
        _: &[DocumentPath],
        _: Option<&FieldMask>,
    ) -> Result<Vec<Option<Document>>, StoreError> {
        Err(StoreError::Unsupported { what: "reads" })
    }

    async fn commit(&self, _: &[Write]) -> Result<Commit, StoreError> {
        Err(StoreError::Unsupported { what: "writes" })
    }

    async fn list(&self, _: &ListRequest) -> Result<ListPage, StoreError> {
        Err(StoreError::Unsupported { what: "lists" })
    }

    async fn query(
        &self,
        query: &Query,
        _: Option<&Transaction>,
    ) -> Result<BoxStream<'static, Result<Document, StoreError>>, StoreError> {
        let everywhere = fireseal::store::From::Group { id: "people".to_owned(), under: None };
        let filter = None::<Filter>;
        self.0.query(&Query { from: everywhere, filter, ..query.clone() }, None).await
    }
}

#[tokio::test]
async fn documents_from_elsewhere_are_not_believed() {
    let memory = MemoryStore::new();
    let people = people(&(Arc::new(memory.clone()) as Db), 2).await;
    people.clone().under("tenants/a").unwrap().create(&person(5)).await.unwrap();
    let lied_to = Repository::<Person>::new(Liar(memory), ring());
    let all: Vec<_> = lied_to.query().stream().await.unwrap().collect().await;
    assert_eq!(all.iter().flatten().count(), 2);
    assert!(matches!(all[2], Err(Error::Store(StoreError::UnexpectedAnswer { .. }))));
    // Nor that they fulfil the condition.
    let london = lied_to.query().filter(|c| c.city.eq("London"));
    let found: Vec<_> =
        london.stream().await.unwrap().filter_map(|person| async { person.ok() }).collect().await;
    assert_eq!(found.iter().map(|person| &*person.id).collect::<Vec<_>>(), ["p000"]);
}
