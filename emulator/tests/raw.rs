//! The raw document is what the server holds, and raw writes reach every client.
#![allow(clippy::unwrap_used)]

use fireseal_emulator::{Emulator, Error};
use serde_json::{Value, json};

#[tokio::test]
async fn a_document_written_by_the_client_is_shown_raw() {
    let project = Emulator::shared().await.unwrap().project().unwrap();
    let db = project.firestore().await.unwrap();
    let ada = json!({ "name": "Ada", "born": 1815, "works": ["Note G"] });
    db.fluent().insert().into("customers").document_id("ada").object(&ada).execute::<()>().await.unwrap();

    let raw = project.document("customers/ada").await.unwrap().unwrap();
    assert_eq!(raw["name"], format!("projects/{}/databases/(default)/documents/customers/ada", project.id()));
    assert_eq!(
        raw["fields"],
        json!({
            "name": { "stringValue": "Ada" },
            "born": { "integerValue": "1815" },
            "works": { "arrayValue": { "values": [{ "stringValue": "Note G" }] } },
        })
    );
    assert!(raw["updateTime"].is_string());
    assert_eq!(project.document("customers/bob").await.unwrap(), None);
}

#[tokio::test]
async fn a_raw_write_replaces_all_fields_and_a_raw_delete_removes() {
    let project = Emulator::shared().await.unwrap().project().unwrap();
    let db = project.firestore().await.unwrap();
    let path = "customers/ada/orders/1";
    project.put(path, &json!({ "a": { "integerValue": "1" }, "b": { "bytesValue": "AAEC" } })).await.unwrap();
    project.put(path, &json!({ "a": { "integerValue": "2" } })).await.unwrap();

    let order: Option<Value> = db
        .fluent()
        .select()
        .by_id_in("orders")
        .parent(db.parent_path("customers", "ada").unwrap())
        .obj()
        .one("1")
        .await
        .unwrap();
    let order = order.unwrap();
    assert_eq!(order["a"], 2);
    assert_eq!(order.get("b"), None);

    project.remove(path).await.unwrap();
    project.remove(path).await.unwrap();
    assert_eq!(project.document(path).await.unwrap(), None);
}

#[tokio::test]
async fn document_ids_may_hold_any_character() {
    let project = Emulator::shared().await.unwrap().project().unwrap();
    for id in [
        "a b",
        "50%",
        "what?",
        "#1",
        "a%2Fb",
        "é\u{1F980}",
        "a:runQuery",
        "(x)",
        "[1]",
        "a+b&c=d",
        "\\",
        "\"'",
    ] {
        let path = format!("odd names/{id}");
        project.put(&path, &json!({ "id": { "stringValue": id } })).await.unwrap();
        let raw = project.document(&path).await.unwrap().unwrap();
        assert_eq!(raw["fields"]["id"]["stringValue"], id);
        let name = raw["name"].as_str().unwrap();
        assert!(name.ends_with(&format!("/odd names/{id}")), "{name}");
    }
}

#[tokio::test]
async fn what_firestore_does_not_accept_is_refused_with_its_reason() {
    let project = Emulator::shared().await.unwrap().project().unwrap();
    for (path, fields) in
        [("customers/ada", json!({ "a": { "noSuchValue": 1 } })), ("customers/__ada__", json!({}))]
    {
        match project.put(path, &fields).await {
            Err(Error::Refused { status: 400, message }) => assert!(!message.is_empty()),
            other => panic!("{path}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_path_that_names_no_document_is_refused() {
    let project = Emulator::shared().await.unwrap().project().unwrap();
    for path in ["", "customers", "customers/", "/customers/ada", "customers/..", "a/./b/c"] {
        let error = project.remove(path).await.unwrap_err();
        assert!(matches!(error, Error::NotADocument { .. }), "{path}: {error}");
    }
}

#[tokio::test]
async fn earlier_states_and_all_documents_are_shown() {
    let project = Emulator::shared().await.unwrap().project().unwrap();
    let path = "odd names/50%?#";
    project.put(path, &json!({ "n": { "integerValue": "1" } })).await.unwrap();
    let first = project.document(path).await.unwrap().unwrap();
    project.put(path, &json!({ "n": { "integerValue": "2" } })).await.unwrap();
    let time = first["updateTime"].as_str().unwrap();
    let before = project.document_at(path, time).await.unwrap().unwrap();
    assert_eq!(before["fields"], first["fields"]);
    assert_eq!(project.document(path).await.unwrap().unwrap()["fields"]["n"]["integerValue"], "2");
    assert_eq!(project.document_at("odd names/none", time).await.unwrap(), None);
    assert!(matches!(project.document_at(path, "yesterday").await, Err(Error::Refused { .. })));

    // More than one page of them.
    for number in 0..105 {
        project.put(&format!("many/{number:03}"), &json!({})).await.unwrap();
    }
    let documents = project.documents().await.unwrap();
    assert_eq!(documents.len(), 106);
    assert!(documents[104]["name"].as_str().unwrap().ends_with("/many/104"));
    assert!(project.database("other").documents().await.unwrap().is_empty());
}
