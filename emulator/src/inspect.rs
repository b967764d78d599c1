//! An isolated project: a client for it, and what the server holds of it.

use std::time::Duration;

use firestore::gcloud_sdk::google_cloud_auth::credentials::{
    CacheableResource, Credentials, CredentialsProvider, EntityTag,
};
use firestore::gcloud_sdk::google_cloud_auth::errors::CredentialsError;
use firestore::{FIREBASE_DEFAULT_DATABASE_ID, FirestoreDb, FirestoreDbOptions};
use http::header::AUTHORIZATION;
use http::{Extensions, HeaderMap, HeaderValue};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, Url};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::rest::{self, OWNER};
use crate::search::{Hit, Needle};
use crate::{Emulator, Error};

/// Documents fetched at once while searching: at most 100 MiB of fields, since a document has at most 1 MiB.
const PAGE: usize = 100;

/// How long a project that is dropped waits for its database to be cleared.
const LONGEST_CLEAR: Duration = Duration::from_secs(5);

/// A project of its own in an emulator, or rather one database of it. Nothing else reads or writes it, so tests with a
/// project each run in parallel. Dropping it clears the database.
///
/// The raw methods speak the [REST form of Firestore's values](https://firebase.google.com/docs/firestore/reference/rest/v1/Value),
/// such as `{"name": {"stringValue": "Ada"}}`. Document paths are relative to the database: `customers/ada`.
#[derive(Debug)]
pub struct Project {
    host: String,
    id: String,
    database: String,
}

impl Emulator {
    /// A fresh, empty project with an id that no other test has.
    ///
    /// # Errors
    /// [`Error::Io`] where the operating system gives no random numbers.
    pub fn project(&self) -> Result<Project, Error> {
        let random = getrandom::u64()
            .map_err(|error| Error::io("no random numbers for a project id")(error.into()))?;
        Ok(Project {
            host: self.host().to_owned(),
            // Google's tools promise never to take an id that begins with `demo-` for a real project.
            id: format!("demo-{random:016x}"),
            database: FIREBASE_DEFAULT_DATABASE_ID.to_owned(),
        })
    }
}

impl Project {
    /// The project id: `demo-` and 16 hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The database id: `(default)` unless [`database`](Self::database) made this.
    #[must_use]
    pub fn database_id(&self) -> &str {
        &self.database
    }

    /// Another database of the same project.
    #[must_use]
    pub fn database(&self, id: &str) -> Self {
        Self { host: self.host.clone(), id: self.id.clone(), database: id.to_owned() }
    }

    /// A client of this database, with the owner's rights. It needs no environment variable and no credentials.
    ///
    /// # Errors
    /// [`Error::Firestore`] when the emulator cannot be reached.
    pub async fn firestore(&self) -> Result<FirestoreDb, Error> {
        let options = FirestoreDbOptions::new(self.id.clone())
            .with_database_id(self.database.clone())
            .with_firebase_api_url(format!("http://{}", self.host));
        let owner = Credentials::from(Owner(EntityTag::new()));
        Ok(FirestoreDb::with_options_auth(options, owner).await?)
    }

    /// The document at `path` as the server holds it (`name`, `fields`, `createTime`, `updateTime`), `None` if there is
    /// none.
    ///
    /// # Errors
    /// [`Error::NotADocument`], [`Error::Http`] and [`Error::Refused`].
    pub async fn document(&self, path: &str) -> Result<Option<Value>, Error> {
        rest::call(Method::GET, self.url(path)?, None).await
    }

    /// The document at `path` as it was at `time`, in RFC 3339 notation such as its `updateTime` of then: what an
    /// attacker with access to point-in-time recovery reads, and could put back.
    ///
    /// # Errors
    /// As [`document`](Self::document), and [`Error::Refused`] for what is no time.
    pub async fn document_at(&self, path: &str, time: &str) -> Result<Option<Value>, Error> {
        // For its form only. The emulator takes a time in a batch, and not in the address.
        self.url(path)?;
        let name = format!("projects/{}/databases/{}/documents/{path}", self.id, self.database);
        let batch = json!({ "documents": [name], "readTime": time });
        let answer = rest::call(Method::POST, self.address("v1", ":batchGet")?, Some(&batch)).await?;
        Ok(answer
            .and_then(|answers| answers.as_array()?.iter().find_map(|answer| answer.get("found").cloned())))
    }

    /// Writes the document at `path` behind the back of every client, as whoever breaks into the database would:
    /// `fields` replaces all that it held.
    ///
    /// # Errors
    /// [`Error::NotADocument`], [`Error::Http`], and [`Error::Refused`] for what Firestore does not accept.
    pub async fn put(&self, path: &str, fields: &Value) -> Result<(), Error> {
        let document = json!({ "fields": fields });
        rest::call(Method::PATCH, self.url(path)?, Some(&document)).await?;
        Ok(())
    }

    /// Deletes the document at `path` behind the back of every client. An absent one is no error.
    ///
    /// # Errors
    /// [`Error::NotADocument`], [`Error::Http`] and [`Error::Refused`].
    pub async fn remove(&self, path: &str) -> Result<(), Error> {
        rest::call(Method::DELETE, self.url(path)?, None).await?;
        Ok(())
    }

    /// Deletes everything in this database.
    ///
    /// # Errors
    /// [`Error::Http`] and [`Error::Refused`].
    pub async fn clear(&self) -> Result<(), Error> {
        let url = self.address("emulator/v1", "")?;
        rest::call(Method::DELETE, url, None).await?;
        Ok(())
    }

    /// Every place of the whole database where `needle` stands: in document paths, in field names and map keys at any
    /// depth, in strings, in bytes, and in the text of numbers, times, coordinates, booleans and references.
    ///
    /// For leak tests: write secrets, search for them, expect no hit. Search for something stored in the clear too, to
    /// know that the search would have found them.
    ///
    /// # Errors
    /// [`Error::EmptyNeedle`], [`Error::Http`] and [`Error::Refused`].
    pub async fn search(&self, needle: impl AsRef<[u8]>) -> Result<Vec<Hit>, Error> {
        let needle = Needle::new(needle.as_ref()).ok_or(Error::EmptyNeedle)?;
        let prefix = format!("projects/{}/databases/{}/documents/", self.id, self.database);
        let mut hits = Vec::new();
        let mut page = self.page_after(None).await?;
        while let Some(last) = page.last() {
            for document in &page {
                needle.search(document, &prefix, &mut hits);
            }
            page = self.page_after(Some(&last["name"])).await?;
        }
        Ok(hits)
    }

    /// Every document of the whole database as the server holds it, in the order of their names: what somebody who
    /// copies the database has.
    ///
    /// # Errors
    /// [`Error::Http`] and [`Error::Refused`].
    pub async fn documents(&self) -> Result<Vec<Value>, Error> {
        let mut documents = self.page_after(None).await?;
        let mut read = documents.len();
        while read > 0 {
            let page = self.page_after(documents.last().map(|last| &last["name"])).await?;
            read = page.len();
            documents.extend(page);
        }
        Ok(documents)
    }

    async fn page_after(&self, last: Option<&Value>) -> Result<Vec<Value>, Error> {
        let query = whole_database_after(last);
        let answer = rest::call(Method::POST, self.address("v1", ":runQuery")?, Some(&query)).await?;
        let Some(Value::Array(answers)) = answer else { return Ok(Vec::new()) };
        Ok(answers.into_iter().filter_map(|mut answer| Some(answer.get_mut("document")?.take())).collect())
    }

    fn url(&self, path: &str) -> Result<Url, Error> {
        let components: Vec<&str> = path.split('/').collect();
        // Dots would be resolved as in a file system and name something else.
        let odd = |component: &&str| matches!(*component, "" | "." | "..");
        if components.len() % 2 == 1 || components.iter().any(odd) {
            return Err(Error::NotADocument { path: path.to_owned() });
        }
        let encoded = components
            .iter()
            .map(|component| format!("/{}", utf8_percent_encode(component, NON_ALPHANUMERIC)));
        self.address("v1", &String::from_iter(encoded))
    }

    fn address(&self, interface: &str, rest: &str) -> Result<Url, Error> {
        let address = format!(
            "http://{}/{interface}/projects/{}/databases/{}/documents{rest}",
            self.host, self.id, self.database
        );
        Url::parse(&address).map_err(|error| Error::Refused {
            status: 400,
            message: format!("{address} is no address: {error}"),
        })
    }
}

/// A query over all collections at every depth, in the order of document names.
fn whole_database_after(last: Option<&Value>) -> Value {
    let mut query = json!({
        "from": [{ "allDescendants": true }],
        "orderBy": [{ "field": { "fieldPath": "__name__" } }],
        "limit": PAGE,
    });
    if let Some(last) = last {
        query["startAt"] = json!({ "values": [{ "referenceValue": last }], "before": false });
    }
    json!({ "structuredQuery": query })
}

impl Drop for Project {
    fn drop(&mut self) {
        // Best effort: an emulator that is gone holds nothing any more.
        let clear = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            if let Ok(runtime) = runtime {
                let _ = runtime.block_on(async { timeout(LONGEST_CLEAR, self.clear()).await });
            }
        };
        // On a thread and a runtime of its own, since a runtime's thread may not block on it.
        std::thread::scope(|scope| {
            if let Ok(thread) = std::thread::Builder::new().spawn_scoped(scope, clear) {
                let _ = thread.join();
            }
        });
    }
}

/// Credentials that are accepted by emulators only.
#[derive(Debug)]
struct Owner(EntityTag);

impl CredentialsProvider for Owner {
    async fn headers(
        &self,
        extensions: Extensions,
    ) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
        if extensions.get::<EntityTag>() == Some(&self.0) {
            return Ok(CacheableResource::NotModified);
        }
        Ok(CacheableResource::New {
            entity_tag: self.0.clone(),
            data: HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(OWNER))]),
        })
    }

    async fn universe_domain(&self) -> Option<String> {
        None
    }
}
