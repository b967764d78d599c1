//! What a document or a sealed value is, without and with the ring.

use super::desk::{Desk, Run, snapshot};

/// Seals a value as the library does, and returns its bytes.
fn vector() -> Vec<u8> {
    let vectors: serde_json::Value = serde_json::from_str(include_str!("../vectors/open.json")).unwrap();
    let text = find(&vectors, "envelope").expect("a vector has an envelope");
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
}

fn find(value: &serde_json::Value, name: &str) -> Option<String> {
    match value {
        serde_json::Value::Object(map) => match map.get(name) {
            Some(serde_json::Value::String(text)) => Some(text.clone()),
            _ => map.values().find_map(|value| find(value, name)),
        },
        serde_json::Value::Array(values) => values.iter().find_map(|value| find(value, name)),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_is_told_in_each_of_its_forms() {
    use base64::Engine as _;

    let desk = Desk::new().await;
    let bytes = vector();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let base64 = base64::engine::general_purpose::STANDARD.encode(&bytes);
    let forms: Vec<Vec<u8>> = vec![bytes.clone(), base64.into_bytes(), hex.into_bytes()];
    let runs: Vec<Run> = forms.iter().map(|form| desk.feed("inspect", form)).collect();
    assert!(runs.iter().all(|run| run.code == 0 && run.stdout == runs[0].stdout), "{}", runs[1].transcript());
    let document = serde_json::json!({
        "name": "projects/p/databases/(default)/documents/customers/ada",
        "fields": {
            "name": {"stringValue": "Ada"},
            "ssn": {"bytesValue": base64::engine::general_purpose::STANDARD.encode(&bytes)},
            "half": {"bytesValue": base64::engine::general_purpose::STANDARD.encode(&bytes[..40])},
            "tags": {"arrayValue": {"values": [{"integerValue": "1"}]}},
            "_seal": {"mapValue": {"fields": {"idx": {"mapValue": {"fields": {"email": {"mapValue": {"fields":
                {"eq": {"bytesValue": "AAAA"}}}}}}}}}},
        },
    });
    let told = desk.feed("inspect", document.to_string());
    assert!(!told.stdout.contains("Ada"), "no value is printed");
    let nothing = desk.feed("inspect", "hello");
    assert_eq!(nothing.code, 2);
    let text = [&runs[0], &told, &nothing].map(Run::transcript).join("\n");
    snapshot("inspect", &text);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sealed_opens_at_its_place_and_nowhere_else() {
    let desk = Desk::with_customers().await;
    desk.customers(2).await;
    desk.configure("my-id = {}");
    let dashed = serde_json::json!({"my-id": {"stringValue": "7"}});
    desk.project.put("customers/dashed", &dashed).await.unwrap();
    desk.ok("migrate seal customers");
    let document = desk.project.document("customers/c0001").await.unwrap().unwrap();
    let told = desk.feed("inspect --keys --open customers/c0001", document.to_string());
    assert_eq!(told.code, 0, "{}", told.transcript());
    assert!(!told.stdout.contains("078-05"), "{}", told.transcript());
    let shown = desk.feed("inspect --open customers/c0001 --show-values", document.to_string());
    assert!(shown.stdout.contains(r#"ssn opens: {"stringValue":"078-05-0001"}"#), "{}", shown.transcript());
    // The place is the one that was named, whatever the document says of itself.
    let moved = desk.feed("inspect --open customers/c0000", document.to_string());
    assert_eq!(moved.code, 3, "{}", moved.transcript());
    assert!(moved.stdout.contains("ssn does not open: "), "{}", moved.transcript());

    // What the configuration does not have is not passed over, and nothing to open is no success.
    let mut further = document.clone();
    further["fields"]["note"] = document["fields"]["ssn"].clone();
    let run = desk.feed("inspect --open customers/c0001", further.to_string());
    assert_eq!(run.code, 3, "{}", run.transcript());
    assert!(run.stdout.contains("note: the configuration does not have it"), "{}", run.transcript());
    let clear = desk.feed("inspect --open customers/c0001", r#"{"name": "Ada"}"#);
    assert_eq!(clear.code, 3, "{}", clear.transcript());
    assert!(clear.stdout.contains("nothing was opened"), "{}", clear.transcript());

    let dashed = desk.project.document("customers/dashed").await.unwrap().unwrap();
    let run = desk.feed("inspect --open customers/dashed", dashed.to_string());
    assert!(run.code == 0 && run.stdout.contains("my-id opens"), "{}", run.transcript());

    // A value by itself, and a collection that the configuration does not know.
    let ssn = document["fields"]["ssn"]["bytesValue"].as_str().unwrap();
    assert_eq!(desk.feed("inspect --open customers/c0001 --field ssn", ssn).code, 0);
    assert_eq!(desk.feed("inspect --open customers/c0001 --field email", ssn).code, 3);
    assert_eq!(desk.feed("inspect --open customers/c0001", ssn).code, 2);
    let config = desk.read("fireseal.toml");
    let without = config.split("[collections.customers").next().unwrap();
    std::fs::write(desk.path("without.toml"), without).unwrap();
    let words = ["inspect", "--open", "customers/c0001", "--config", "without.toml"];
    assert_eq!(desk.feed_words(&words, document.to_string()).code, 0);
    let text = [&told, &shown, &moved].map(Run::transcript).join("\n");
    snapshot("inspect-open", &text);
}

/// Whoever writes documents must not steer the terminal of whoever looks at them.
#[tokio::test(flavor = "multi_thread")]
async fn names_from_documents_are_shown_and_not_obeyed() {
    const STEERS: &str = "a\u{1b}[2J\u{202e}b\nc";
    let steers = |text: &str| text.contains(['\u{1b}', '\u{202e}', '\u{9b}']) || text.contains("\nc");
    let desk = Desk::with_customers().await;
    let document = serde_json::json!({STEERS: "x", "ssn": "y"}).to_string();
    let run = desk.feed("inspect", &document);
    assert!(run.code == 0 && !steers(&run.transcript()), "{}", run.transcript());
    assert!(run.stdout.contains("a\\u{1b}[2J\\u{202e}b\\u{a}c"), "{}", run.transcript());

    let path = "customers/\u{9b}2J\u{202e}x";
    let plain = serde_json::json!({"ssn": {"stringValue": "078-05-1120"}});
    desk.project.put(path, &plain).await.unwrap();
    let run = desk.run("migrate verify customers");
    assert_eq!(run.code, 3, "{}", run.transcript());
    assert!(run.stdout.contains("failed      customers/\\u{9b}2J\\u{202e}x"), "{}", run.transcript());
    assert!(!steers(&run.transcript()), "{}", run.transcript());
}
