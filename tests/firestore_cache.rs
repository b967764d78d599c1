//! Companions in the `firestore` crate's cache: it serves them, and it holds ciphertext only.

#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Duration;

use fireseal::store::FirestoreStore;
use fireseal::{Companion as _, DataKey, DocumentPath, IndexKey, KeyRing, Location, Repository, Sealable};
use fireseal_emulator::{Emulator, Project};
use firestore::{
    FirestoreCache, FirestoreCacheDocsByPathSupport as _, FirestoreCachedValue, FirestoreDb,
    FirestoreDocument, FirestoreMemoryCache,
};
use futures::TryStreamExt;

#[derive(Sealable, Clone, PartialEq)]
#[sealable(collection = "customers", debug)]
struct Customer {
    #[sealable(id)]
    id: String,
    name: String,
    level: i64,
    #[sensitive]
    ssn: String,
    #[sensitive(index)]
    email: String,
    #[sealable(nested)]
    cards: Vec<Card>,
}

#[derive(Sealable, Clone, PartialEq)]
#[sealable(debug)]
struct Card {
    #[sensitive(bytes)]
    scan: Vec<u8>,
}

const IDS: [&str; 3] = ["ada", "bob", "cyd"];
const CANARIES: [&str; 3] = ["canary-ssn", "canary-email", "canary-scan"];

fn customer(id: &str) -> Customer {
    Customer {
        id: id.to_owned(),
        name: format!("name of {id}"),
        level: 3,
        ssn: format!("canary-ssn of {id}"),
        email: format!("canary-email-{id}@example.com"),
        cards: vec![Card { scan: format!("canary-scan of {id}").into_bytes() }],
    }
}

fn location(id: &str) -> Location {
    Location::new(DocumentPath::parse(&format!("customers/{id}")).unwrap())
}

struct Setting {
    project: Project,
    db: FirestoreDb,
    keys: KeyRing,
    customers: Repository<Customer>,
    cache: FirestoreMemoryCache,
}

/// Documents that a repository has written, and a cache that has loaded them.
async fn setting() -> Setting {
    let project = Emulator::shared().await.unwrap().project().unwrap();
    let db = project.firestore().await.unwrap();
    let keys = KeyRing::new(DataKey::generate().unwrap()).with_index(IndexKey::generate().unwrap());
    let customers = Repository::<Customer>::new(FirestoreStore::new(db.clone()), keys.clone());
    for id in IDS {
        customers.create(&customer(id)).await.unwrap();
    }
    let cache = FirestoreCache::memory(&db).preloaded_collection("customers").build().await.unwrap();
    Setting { project, db, keys, customers, cache }
}

impl Setting {
    fn cached_only(&self) -> FirestoreDb {
        self.db.read_cached_only(&self.cache)
    }

    /// Every document that the cache holds.
    async fn held(&self) -> Vec<FirestoreDocument> {
        let collection = format!("{}/customers", self.db.get_documents_path());
        match self.cache.backend().list_all_docs(&collection).await.unwrap() {
            FirestoreCachedValue::UseCached(documents) => documents.try_collect().await.unwrap(),
            FirestoreCachedValue::SkipCache => panic!("the cache has not loaded the collection"),
        }
    }
}

/// Whether the bytes of a document, names and values alike, have this text in them.
fn holds(document: &FirestoreDocument, text: &str) -> bool {
    use firestore::gcloud_sdk::prost::Message as _;
    document.encode_to_vec().windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn companions_come_from_the_cache_and_open() {
    let setting = setting().await;
    let cached = setting.cached_only();
    let one: Option<SealedCustomer> =
        cached.fluent().select().by_id_in("customers").obj().one("ada").await.unwrap();
    let ada = one.unwrap().open_at(&location("ada"), &setting.keys).await.unwrap();
    assert_eq!(ada, customer("ada"));

    let mut all: Vec<SealedCustomer> = cached
        .fluent()
        .list()
        .from("customers")
        .obj()
        .stream_all_with_errors()
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    all.sort_by(|left, right| left.id.cmp(&right.id));
    assert_eq!(all.len(), IDS.len());
    for (sealed, id) in all.into_iter().zip(IDS) {
        assert_eq!(sealed.open_at(&location(id), &setting.keys).await.unwrap(), customer(id));
    }

    // Clear fields are compared in the cache.
    let named: Vec<SealedCustomer> = cached
        .fluent()
        .select()
        .from("customers")
        .filter(|query| query.for_all([query.field("name").eq("name of bob")]))
        .obj()
        .query()
        .await
        .unwrap();
    let [bob] = <[_; 1]>::try_from(named).unwrap();
    assert_eq!(bob.open_at(&location("bob"), &setting.keys).await.unwrap(), customer("bob"));

    // Another's place opens nothing, cached or not.
    let one: Option<SealedCustomer> =
        cached.fluent().select().by_id_in("customers").obj().one("ada").await.unwrap();
    assert!(one.unwrap().open_at(&location("bob"), &setting.keys).await.is_err());
    setting.cache.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_cache_holds_ciphertext_only() {
    let setting = setting().await;
    let held = setting.held().await;
    assert_eq!(held.len(), IDS.len());
    for document in &held {
        assert!(holds(document, "name of "), "the search finds what is in the clear");
        assert!(holds(document, "_seal"), "the tokens are cached too");
        assert!(CANARIES.iter().all(|canary| !holds(document, canary)), "{}", document.name);
    }
    // Opening what was read leaves the cache as it is.
    let read = setting.db.read_through_cache(&setting.cache);
    for id in IDS {
        let one: Option<SealedCustomer> =
            read.fluent().select().by_id_in("customers").obj().one(id).await.unwrap();
        one.unwrap().open_at(&location(id), &setting.keys).await.unwrap();
    }
    let after = setting.held().await;
    assert!(after.iter().all(|document| CANARIES.iter().all(|canary| !holds(document, canary))));
    for canary in CANARIES {
        assert!(setting.project.search(canary).await.unwrap().is_empty());
    }
    setting.cache.shutdown().await.unwrap();
}

#[tokio::test]
async fn what_a_repository_writes_reaches_the_cache() {
    let setting = setting().await;
    let changed = Customer { level: 4, ssn: "canary-ssn anew".to_owned(), ..customer("ada") };
    setting.customers.set(&changed).await.unwrap();
    let cached = setting.cached_only();
    for _ in 0..200 {
        let one: Option<SealedCustomer> =
            cached.fluent().select().by_id_in("customers").obj().one("ada").await.unwrap();
        // Whatever the cache makes of it in between, the change is to arrive.
        let ada = match one {
            Some(one) => Some(one.open_at(&location("ada"), &setting.keys).await.unwrap()),
            None => None,
        };
        if ada.as_ref() == Some(&changed) {
            assert!(setting.held().await.iter().all(|document| !holds(document, "canary")));
            setting.cache.shutdown().await.unwrap();
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the change did not reach the cache");
}
