//! The calls of the `firestore` crate's index management.

use std::collections::BTreeMap;

use firestore::{
    FirestoreCollectionId, FirestoreCompositeIndex, FirestoreDb, FirestoreFieldOverride,
    FirestoreFieldOverrideIndex, FirestoreFieldOverrideTarget, FirestoreIndexField, FirestoreIndexFieldMode,
    FirestoreIndexParams, FirestoreIndexPlan, FirestoreIndexQueryScope, FirestoreIndexSyncReport,
    FirestoreQueryDirection, FirestoreResult,
};

use super::file::IndexFile;
use super::model::{Mode, Scope, notation};

impl IndexFile {
    /// What `db.fluent().indexes()` takes: one for each collection id, sorted by it.
    ///
    /// # Errors
    /// A collection id that the `firestore` crate does not take.
    pub fn params(&self) -> FirestoreResult<Vec<FirestoreIndexParams>> {
        let mut groups = BTreeMap::new();
        for ((group, path), indexes) in &self.overrides {
            let single = |index: &super::model::Single| FirestoreFieldOverrideIndex {
                query_scope: scope(index.scope),
                mode: mode(index.mode),
            };
            params(&mut groups, group)?.field_overrides.push(FirestoreFieldOverride {
                target: FirestoreFieldOverrideTarget::Field(notation(path)),
                indexes: indexes.iter().map(single).collect(),
            });
        }
        for index in &self.composites {
            let field = |(path, of): &(Vec<String>, Mode)| FirestoreIndexField {
                field_path: notation(path),
                mode: mode(*of),
            };
            params(&mut groups, &index.group)?.composite_indexes.push(FirestoreCompositeIndex {
                fields: index.fields.iter().map(field).collect(),
                query_scope: scope(index.scope),
            });
        }
        Ok(groups.into_values().collect())
    }

    /// What [`sync`](Self::sync) would change, by collection id. Nothing is written.
    ///
    /// # Errors
    /// As the `firestore` crate gives them.
    pub async fn plan(&self, db: &FirestoreDb) -> FirestoreResult<Vec<(String, FirestoreIndexPlan)>> {
        let mut plans = Vec::new();
        for params in self.params()? {
            let group = params.collection_group.to_string();
            let call = db.fluent().indexes().collection_group(&group);
            let call =
                call.composite(|_| params.composite_indexes).field_overrides(|_| params.field_overrides);
            plans.push((group, call.plan().await?));
        }
        Ok(plans)
    }

    /// Brings the database to these indexes, one collection id after the other, and tells what was done.
    /// Indexes that are there and are not among these stay. It returns before new ones are built; to wait
    /// for them, or to delete what is not declared, hand [`params`](Self::params) to the fluent API.
    ///
    /// The emulator has no index management: where `FIRESTORE_EMULATOR_HOST` names it, the reports say that
    /// nothing was done.
    ///
    /// # Errors
    /// As the `firestore` crate gives them; the collections before the failing one are done. Among these
    /// errors is an index of the document's name alone, for a query that asks for all documents in
    /// descending order: the crate takes no index of one field. The file of the Firebase tools does.
    pub async fn sync(&self, db: &FirestoreDb) -> FirestoreResult<Vec<(String, FirestoreIndexSyncReport)>> {
        let mut reports = Vec::new();
        for params in self.params()? {
            let group = params.collection_group.to_string();
            let call = db.fluent().indexes().collection_group(&group);
            let call =
                call.composite(|_| params.composite_indexes).field_overrides(|_| params.field_overrides);
            reports.push((group, call.sync().await?));
        }
        Ok(reports)
    }
}

fn params<'a>(
    groups: &'a mut BTreeMap<String, FirestoreIndexParams>,
    group: &str,
) -> FirestoreResult<&'a mut FirestoreIndexParams> {
    let id = FirestoreCollectionId::new(group)?;
    Ok(groups.entry(group.to_owned()).or_insert_with(|| FirestoreIndexParams::new(id)))
}

fn scope(scope: Scope) -> FirestoreIndexQueryScope {
    match scope {
        Scope::Collection => FirestoreIndexQueryScope::Collection,
        Scope::Group => FirestoreIndexQueryScope::AllDescendants,
    }
}

fn mode(mode: Mode) -> FirestoreIndexFieldMode {
    match mode {
        Mode::Ascending => FirestoreIndexFieldMode::Order(FirestoreQueryDirection::Ascending),
        Mode::Descending => FirestoreIndexFieldMode::Order(FirestoreQueryDirection::Descending),
        Mode::Contains => FirestoreIndexFieldMode::ArrayContains,
    }
}
