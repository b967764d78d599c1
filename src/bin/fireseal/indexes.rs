//! `fireseal indexes`: firestore.indexes.json, from the configuration's fields.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use fireseal::indexes::IndexFile;
use fireseal::operations::{CollectionConfig, PatternStep};
use serde_json::json;

use crate::cli::Options;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{Output, Told};

/// Write the indexes that Firestore needs, as firestore.indexes.json
///
/// From the collections and fields of the configuration: sealed fields are exempted from indexing, and the
/// tokens of blind indexes are indexed. Which composite indexes your queries need is known to their Rust code
/// only: `fireseal::indexes::IndexFile::with_query` adds those.
#[derive(Debug, Args)]
pub struct Indexes {
    /// Add them to the content of this file; everything in it stays
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "check")]
    merge: Option<PathBuf>,
    /// Write nothing; exit code 3 if this file lacks any of them
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    check: Option<PathBuf>,
}

impl Indexes {
    pub fn run(self, options: &Options, output: &Output) -> Result<Told, Failure> {
        let context = Context::read(options, output)?;
        let collections = &context.config.file.collections;
        let Some(file) = collections.iter().map(of).reduce(IndexFile::and) else {
            return Err(Failure::usage("the configuration has no collections")
                .advise("say which fields are sensitive under [collections.NAME.fields]"));
        };
        let Some(path) = self.merge.or_else(|| self.check.clone()) else {
            return Ok(Told::raw(file.to_json()));
        };
        let read = std::fs::read_to_string(&path)
            .map_err(|error| Failure::usage(format!("{} cannot be read: {error}", path.display())))?;
        let failed = |error| Failure::of(Exit::Usage, &error);
        let merged = file.merge_into(&read).map_err(failed)?;
        if self.check.is_none() {
            return Ok(Told::raw(merged));
        }
        // What is there already, written the same way.
        let complete = IndexFile::default().merge_into(&read).map_err(failed)? == merged;
        let said = if complete { "has all indexes" } else { "lacks indexes: add them with --merge" };
        let value = json!({"event": "indexes", "file": path.display().to_string(), "complete": complete});
        let exit = if complete { Exit::Done } else { Exit::Found };
        Ok(Told::new(format!("{} {said}\n", path.display()), value).exit(exit))
    }
}

/// The indexes of one configured collection.
fn of(collection: &CollectionConfig) -> IndexFile {
    let id = collection.path.rsplit('/').next().unwrap_or(&collection.path);
    let fields = collection.fields.iter().map(|field| {
        let names = field.pattern.steps().iter().map_while(|step| match step {
            PatternStep::Key(name) => Some(name.clone()),
            _ => None,
        });
        (names.collect(), field.index.as_ref().map_or(&[][..], |index| index.infos()))
    });
    let file = IndexFile::of_fields(id, fields);
    if collection.group { file.for_group_queries() } else { file }
}
