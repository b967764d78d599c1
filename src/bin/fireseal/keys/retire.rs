//! `fireseal keys retire`: an active key ends once nothing is sealed with it any more.

use std::collections::BTreeSet;

use clap::Args;
use fireseal::custody::{Retirement, count_sealed};
use fireseal::store::{FirestoreStore, From, StoreError};
use fireseal::{CollectionPath, KeyId, Purpose};
use serde_json::json;

use super::{By, find, short};
use crate::ask;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::Told;

/// Retire an active key that seals nothing any more
///
/// Waits until no service can seal with it, and counts the documents that need it twice, two minutes apart, in
/// the configured collections and groups, and in those that are named. Streams, queues, exports and backups are not
/// counted: while any of them holds values of the key, leave it active.
///
/// Exit code 4 where it is too early or documents are left.
#[derive(Debug, Args)]
pub struct Retire {
    /// The first digits of its id, at least 8
    key: String,
    /// Count in this collection as well
    #[arg(long, value_name = "PATH")]
    collection: Vec<String>,
    #[command(flatten)]
    by: By,
}

impl Retire {
    pub async fn run(self, context: &Context<'_>) -> Result<Told, Failure> {
        let (authority, scope) = (self.by.authority(context)?, self.by.scope());
        let vault = context.vault().await?;
        let entry = find(&vault, scope, &self.key).await?;
        let (key, step) = (entry.id, if entry.purpose == Purpose::Index { "reindex" } else { "reseal" });
        let (store, collections) = collections(context, &self.collection).await?;
        let names: Vec<String> = collections.iter().map(name).collect();
        let warning = format!(
            "Key {} opens nothing once it is retired. Counted are only: {}.",
            short(&key),
            names.join(", ")
        );
        ask::confirm(context.options, &warning, "retire")?;
        let count = |key| {
            let (store, collections) = (store.clone(), collections.clone());
            async move { counted(&store, &collections, key).await }
        };
        context.output.note("Counting, twice, two minutes apart.");
        let id = key.to_string();
        Ok(match vault.retire(&authority, scope, &key, count).await? {
            Retirement::TooEarly { wait } => Told::new(
                format!("too early: some service may seal with it for {} seconds still\n", wait.as_secs()),
                json!({"event": "too-early", "key": id, "seconds": wait.as_secs()}),
            )
            .exit(Exit::Stopped),
            Retirement::InUse { documents } => Told::new(
                format!("{documents} documents need it still: `fireseal migrate {step}` first\n"),
                json!({"event": "in-use", "key": id, "documents": documents}),
            )
            .exit(Exit::Stopped),
            Retirement::Retired { not_counted } => Told::new(
                format!("key {} is retired; not counted: {}\n", short(&key), not_counted.join(", ")),
                json!({"event": "retired", "key": id, "not_counted": not_counted}),
            ),
            _ => Told::new("the key is as it was\n", json!({"event": "unchanged", "key": id}))
                .exit(Exit::Stopped),
        })
    }
}

/// The configured collections and groups, and the collections that were named.
pub async fn collections(
    context: &Context<'_>,
    named: &[String],
) -> Result<(FirestoreStore, Vec<From>), Failure> {
    let configured = context.config.file.collections.iter();
    let configured = configured.map(|collection| (collection.group, collection.path.as_str()));
    let names: BTreeSet<(bool, &str)> =
        configured.chain(named.iter().map(|name| (false, name.as_str()))).collect();
    if names.is_empty() {
        return Err(Failure::usage("no collection is known to count in")
            .advise("name them with --collection, or configure [collections]"));
    }
    let targets = names.into_iter().map(|(is_group, name)| match is_group {
        true => Ok(From::Group { id: name.to_owned(), under: None }),
        false => CollectionPath::parse(name)
            .map(From::Collection)
            .map_err(|error| Failure::of(Exit::Usage, &error)),
    });
    Ok((context.store().await?, targets.collect::<Result<_, _>>()?))
}

/// How many documents of these collections need a key.
pub async fn counted(store: &FirestoreStore, collections: &[From], key: KeyId) -> Result<u64, StoreError> {
    let mut documents = 0;
    for collection in collections {
        documents += count_sealed(store, collection.clone(), &key).await?;
    }
    Ok(documents)
}

fn name(collection: &From) -> String {
    match collection {
        From::Collection(path) => path.to_string(),
        From::Group { id, .. } => format!("{id} (group)"),
    }
}
