//! Projects and databases do not see each other, and leave nothing behind.
#![allow(clippy::unwrap_used)]

use fireseal_emulator::Emulator;
use serde_json::{Value, json};

#[tokio::test]
async fn projects_do_not_see_each_other() {
    let emulator = Emulator::shared().await.unwrap();
    let (ours, theirs) = (emulator.project().unwrap(), emulator.project().unwrap());
    assert_ne!(ours.id(), theirs.id());

    ours.put("customers/ada", &json!({ "name": { "stringValue": "ours" } })).await.unwrap();
    theirs.put("customers/ada", &json!({ "name": { "stringValue": "theirs" } })).await.unwrap();
    let ada = ours.document("customers/ada").await.unwrap().unwrap();
    assert_eq!(ada["fields"]["name"]["stringValue"], "ours");
    assert_eq!(ours.search("theirs").await.unwrap(), []);

    theirs.clear().await.unwrap();
    assert_eq!(theirs.document("customers/ada").await.unwrap(), None);
    assert!(ours.document("customers/ada").await.unwrap().is_some());
}

#[tokio::test]
async fn databases_of_a_project_do_not_see_each_other() {
    let emulator = Emulator::shared().await.unwrap();
    let default = emulator.project().unwrap();
    let other = default.database("other");
    assert_eq!((other.id(), other.database_id()), (default.id(), "other"));

    other.put("customers/ada", &json!({ "name": { "stringValue": "Ada" } })).await.unwrap();
    assert_eq!(default.document("customers/ada").await.unwrap(), None);
    assert_eq!(default.search("Ada").await.unwrap(), []);
    assert_eq!(other.search("Ada").await.unwrap().len(), 1);

    let db = other.firestore().await.unwrap();
    let ada: Option<Value> = db.fluent().select().by_id_in("customers").obj().one("ada").await.unwrap();
    assert_eq!(ada.unwrap()["name"], "Ada");
}

#[tokio::test]
async fn a_dropped_project_is_cleared() {
    let emulator = Emulator::shared().await.unwrap();
    let project = emulator.project().unwrap();
    let again = project.database("(default)");
    project.put("customers/ada", &json!({ "name": { "stringValue": "Ada" } })).await.unwrap();
    drop(project);
    assert_eq!(again.document("customers/ada").await.unwrap(), None);
}
