//! The connection to Firestore or its emulator.

use fireseal::store::FirestoreStore;

use crate::failure::Failure;

/// Connects to a database of a project.
pub async fn connect(project: &str, database: &str) -> Result<FirestoreStore, Failure> {
    FirestoreStore::connect_to(project, database).await.map_err(|error| {
        let failure = Failure::from(error);
        if std::env::var_os("FIRESTORE_EMULATOR_HOST").is_some() {
            failure.advise("FIRESTORE_EMULATOR_HOST is set: does the emulator run there?")
        } else {
            failure.advise(
                "log in with `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS",
            )
        }
    })
}
