//! The search finds a canary in every place that can hold one, and nowhere else.
#![allow(clippy::unwrap_used)]

use fireseal_emulator::{Emulator, Error, Found, Hit, Project};
use serde_json::{Value, json};

const CANARY: &str = "canary-7f3a";

async fn project() -> Project {
    Emulator::shared().await.unwrap().project().unwrap()
}

/// Searches a database that holds one document of these fields, among others without the needle.
async fn hits(fields: Value, needle: impl AsRef<[u8]>) -> Vec<(String, Found)> {
    let project = project().await;
    project.put("customers/ada", &fields).await.unwrap();
    project.put("customers/bob", &json!({ "name": { "stringValue": "Bob" } })).await.unwrap();
    let hits = project.search(needle).await.unwrap();
    assert!(hits.iter().all(|hit| hit.document == "customers/ada"), "{hits:?}");
    hits.into_iter().map(|hit| (hit.field, hit.found)).collect()
}

fn one(field: &str, found: Found) -> Vec<(String, Found)> {
    vec![(field.to_owned(), found)]
}

#[tokio::test]
async fn in_strings_at_any_depth() {
    let text = json!({ "stringValue": format!("before {CANARY} after") });
    assert_eq!(hits(json!({ "a": text }), CANARY).await, one("a", Found::String));
    let nested = json!({ "m": { "mapValue": { "fields": { "list": { "arrayValue": { "values": [
        { "nullValue": null },
        { "mapValue": { "fields": { "deep": text } } },
    ] } } } } } });
    assert_eq!(hits(nested, CANARY).await, one("m.list[1].deep", Found::String));
    // Escapes of JSON are undone before comparing.
    let odd = "line\nbreak \"quoted\" \u{1F980} é";
    assert_eq!(hits(json!({ "a": { "stringValue": odd } }), odd).await, one("a", Found::String));
}

#[tokio::test]
async fn in_bytes_at_every_alignment_of_base64() {
    for before in 0..3 {
        let mut bytes = vec![0xff; before];
        bytes.extend_from_slice(CANARY.as_bytes());
        bytes.push(0);
        let value = json!({ "a": { "bytesValue": base64(&bytes) } });
        assert_eq!(hits(value.clone(), CANARY).await, one("a", Found::Bytes));
        assert_eq!(hits(value, [b'a', 0]).await, one("a", Found::Bytes));
    }
}

#[tokio::test]
async fn in_field_names_and_map_keys() {
    let value = json!({ "integerValue": "1" });
    let name = format!("x{CANARY}");
    assert_eq!(hits(json!({ &name: value }), CANARY).await, one(&name, Found::FieldName));
    let map = json!({ "m": { "mapValue": { "fields": { &name: value } } } });
    assert_eq!(hits(map, CANARY).await, one(&format!("m.{name}"), Found::FieldName));
}

#[tokio::test]
async fn in_document_ids_and_collection_names() {
    let project = project().await;
    let fields = json!({ "a": { "integerValue": "1" } });
    // The document customers/CANARY itself does not exist: only what stands below it.
    let paths =
        [format!("customers/{CANARY}/orders/1"), format!("customers/{CANARY}b"), format!("x{CANARY}/1")];
    for path in &paths {
        project.put(path, &fields).await.unwrap();
    }
    project.put("customers/ada", &fields).await.unwrap();
    let hits = project.search(CANARY).await.unwrap();
    assert!(hits.iter().all(|hit| hit.found == Found::DocumentPath && hit.field.is_empty()));
    let documents: Vec<&str> = hits.iter().map(|hit| hit.document.as_str()).collect();
    assert_eq!(documents, paths);
    // The project's own id, which is in every full name, is no finding.
    assert_eq!(project.search(project.id()).await.unwrap(), []);
}

#[tokio::test]
async fn in_the_text_of_numbers_times_coordinates_booleans_and_references() {
    let project_id = "elsewhere";
    let cases = [
        (json!({ "integerValue": "-90717832" }), "90717832", Found::Number),
        (json!({ "doubleValue": 90717.832 }), "90717.832", Found::Number),
        (json!({ "doubleValue": 9.0717832e15 }), "90717832", Found::Number),
        (json!({ "doubleValue": "NaN" }), "NaN", Found::Number),
        (
            json!({ "timestampValue": "1915-12-10T01:02:03.000004Z" }),
            "1915-12-10T01:02:03.000004",
            Found::Timestamp,
        ),
        (
            json!({ "geoPointValue": { "latitude": 51.5072, "longitude": -0.1276 } }),
            "51.5072,-0.1276",
            Found::GeoPoint,
        ),
        (json!({ "geoPointValue": { "longitude": 12.25 } }), "0,12.25", Found::GeoPoint),
        (json!({ "booleanValue": true }), "true", Found::Boolean),
        (
            json!({ "referenceValue": format!("projects/{project_id}/databases/(default)/documents/c/{CANARY}") }),
            CANARY,
            Found::Reference,
        ),
    ];
    for (value, needle, found) in cases {
        assert_eq!(hits(json!({ "a": value }), needle).await, one("a", found), "{value}");
    }
}

#[tokio::test]
async fn and_nowhere_else() {
    let fields = json!({
        "canary": { "stringValue": "7f3a canary- CANARY-7F3A canary-7f3" },
        "base64": { "bytesValue": base64(b"canary-7f3b") },
        "none": { "nullValue": null },
        "empty": { "mapValue": {} },
        "list": { "arrayValue": {} },
    });
    assert_eq!(hits(fields, CANARY).await, []);
}

#[tokio::test]
async fn over_more_documents_than_one_answer_holds() {
    let project = project().await;
    for number in 0..250 {
        let fields = json!({ "a": { "stringValue": CANARY } });
        project.put(&format!("c{}/{number}", number % 7), &fields).await.unwrap();
    }
    let mut found: Vec<String> =
        project.search(CANARY).await.unwrap().into_iter().map(|hit| hit.document).collect();
    assert_eq!(found.len(), 250, "each of them once");
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 250);
}

#[tokio::test]
async fn a_search_for_nothing_is_an_error() {
    assert!(matches!(project().await.search("").await, Err(Error::EmptyNeedle)));
}

#[tokio::test]
async fn a_hit_tells_the_place_without_the_secret() {
    let project = project().await;
    project.put("customers/ada", &json!({ "ssn": { "stringValue": CANARY } })).await.unwrap();
    let hits: Vec<Hit> = project.search(CANARY).await.unwrap();
    assert_eq!(hits[0].to_string(), "customers/ada: in ssn (String)");
    assert!(!format!("{hits:?}").contains(CANARY));
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
