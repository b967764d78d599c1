//! An audit counts each kind of value exactly, with and without keys, and tells nobody what the values are.

#![allow(missing_docs, clippy::unwrap_used)]

#[macro_use]
#[path = "support/stores.rs"]
mod stores;
#[path = "support/audited.rs"]
mod audited;
#[path = "support/custody.rs"]
mod custody;

use std::sync::Arc;

use audited::{Audited, Db, acme, array, audited, bytes, field, map, put, text};
use fireseal::operations::{
    Audit, AuditReport, Class, CollectionConfig, FieldAudit, FindingKind, Severity, Standing, TextOptions,
};
use fireseal::store::{Fields, MemoryStore, Write};
use fireseal::{DocumentPath, KeyProvider, Scope};
use serde_json::{Value as Json, json};

on_both_stores!(
    with_keys_and_a_vault_everything_is_counted,
    with_keys_alone_the_counts_are_the_same,
    with_a_vault_alone_nothing_is_opened,
    without_anything_the_forms_are_counted,
    a_large_collection_is_read_page_by_page,
    hostile_documents_are_counted_and_end_nothing,
);

fn audit(store: &Db, audited: &Audited) -> Audit {
    Audit::new(Arc::clone(store), audited.collections.clone())
}

fn of<'a>(report: &'a AuditReport, collection: &str, field: &str) -> &'a FieldAudit {
    let collection = report.collections.iter().find(|audit| audit.path == collection).unwrap();
    collection.fields.iter().find(|audit| audit.field == field).unwrap()
}

/// The counts that are not zero.
fn counts(field: &FieldAudit) -> Json {
    let Json::Object(mut counts) = serde_json::to_value(field.values).unwrap() else { panic!() };
    counts.retain(|_, count| count != 0);
    counts.into()
}

fn states(field: &FieldAudit) -> Json {
    serde_json::to_value(&field.states).unwrap()
}

async fn with_keys_and_a_vault_everything_is_counted(store: Db) {
    let audited = audited(&store).await;
    let mut told = Vec::new();
    let audit = audit(&store, &audited).with_keys(audited.vault.clone()).with_vault(audited.vault.clone());
    let audit = audit.of_database("project/database");
    let report = audit.run_with_progress(|progress| told.push((progress.position, progress.documents))).await;
    let report = report.unwrap();
    assert_eq!(told, [(0, 0), (0, 45), (1, 0), (1, 3)]);
    everything(&report, &audited);

    // The states and ages of the keys are the manifests'.
    assert_eq!(report.keys.len(), 10, "{:?}", report.keys);
    let states = ["compromised", "retired", "destroyed", "active", "primary"];
    for ((key, state), values) in audited.keys.iter().zip(states).zip([6, 9, 12, 15, 76]) {
        let row = report.keys.iter().find(|row| row.key == key.to_string()).unwrap();
        assert_eq!((row.state.as_str(), row.values), (state, values));
        assert!(row.since_ms.is_some_and(|since| since >= 1_700_000_000_000));
    }
    let manifest = audited.vault.manifest(&Scope::default()).await.unwrap();
    let index = manifest.primary(fireseal::Purpose::Index).unwrap().id.to_string();
    let index = report.keys.iter().find(|row| row.key == index).unwrap();
    assert_eq!((index.index, index.state, index.values), (true, Standing::Primary, 29));
}

async fn with_keys_alone_the_counts_are_the_same(store: Db) {
    let audited = audited(&store).await;
    let report = audit(&store, &audited).with_keys(audited.vault.clone()).run().await.unwrap();
    everything(&report, &audited);
    assert!(report.keys.iter().all(|key| key.since_ms.is_none()));
}

fn everything(report: &AuditReport, audited: &Audited) {
    assert!(report.with_keys);
    assert_eq!(report.documents(), 48);
    let ssn = of(report, "customers", "ssn");
    let expected = json!({
        "opened": 22, "does_not_open": 2, "key_unknown": 1, "key_compromised": 2, "key_retired": 3,
        "key_destroyed": 4, "malformed": 3, "plaintext": 4,
    });
    assert_eq!(counts(ssn), expected);
    assert_eq!(ssn.absent, 4);
    let expected =
        json!({ "primary": 19, "active": 5, "compromised": 2, "retired": 3, "destroyed": 4, "unknown": 1 });
    assert_eq!(states(ssn), expected);
    let primary = ssn.keys.iter().find(|key| key.key == audited.keys[4].to_string()).unwrap();
    assert_eq!((primary.values, primary.state), (19, Standing::Primary));
    let places = |class| ssn.examples[&class].iter().map(|place| place.document.as_str()).collect::<Vec<_>>();
    assert_eq!(places(Class::Plaintext), ["null", "plain-0", "plain-1", "plain-2"].map(in_customers));
    assert_eq!(places(Class::DoesNotOpen), ["flipped", "moved"].map(in_customers));
    assert_eq!(places(Class::Malformed), ["cut", "short", "version"].map(in_customers));
    assert_eq!(places(Class::KeyUnknown), [in_customers("foreign")]);

    let email = of(report, "customers", "email");
    let expected = json!({ "opened": 33, "key_compromised": 2, "key_retired": 3, "key_destroyed": 4 });
    assert_eq!(counts(email), expected);
    let index = email.index.as_ref().unwrap();
    assert_eq!((index.with, index.without, index.lost), (29, 2, 1));
    let states: Vec<_> = index.keys.iter().map(|key| (key.state, key.values)).collect();
    assert_eq!(states, [(Standing::Primary, 29), (Standing::Unknown, 1)]);

    let photo = of(report, "customers", "photo");
    let expected = json!({
        "opened": 33, "other_type": 1, "key_compromised": 2, "key_retired": 3, "key_destroyed": 4, "plaintext": 1,
    });
    assert_eq!(counts(photo), expected);
    assert_eq!(photo.absent, 1);

    let phone = of(report, "customers", "contacts[].phone");
    assert_eq!(counts(phone), json!({ "plaintext": 4 }));
    assert_eq!(phone.absent, 43);

    let card = of(report, "orders", "card");
    assert_eq!(counts(card), json!({ "opened": 2, "unverified": 1 }));
    let orders = &report.collections[1];
    assert_eq!((orders.group, orders.documents, orders.without_scope.count), (true, 3, 1));

    let customers = &report.collections[0];
    assert_eq!(customers.malformed_seal.count, 2);
    let unlisted: Vec<_> =
        customers.unlisted.iter().map(|field| (field.field.as_str(), field.values)).collect();
    assert_eq!(unlisted, [("backups[]", 1), ("backups[].ssn", 1)]);
    hints(report);
    worst_first(report);
}

fn in_customers(id: &str) -> &'static str {
    format!("customers/{id}").leak()
}

fn hints(report: &AuditReport) {
    let hints = report.collections[0].hints.iter();
    let hints: Vec<_> = hints.map(|hint| (hint.field.as_str(), hint.kind.to_string(), hint.values)).collect();
    let expected = [
        ("__name__", "e-mail address", 1),
        ("note", "e-mail address", 1),
        ("paid_with", "payment card number", 1),
        ("visits.`<e-mail address>`", "e-mail address", 1),
    ];
    assert_eq!(hints, expected.map(|(field, kind, values)| (field, kind.to_owned(), values)));
    // Neither form of the report has any of the values, wherever they stand.
    let page = report.to_html(&[]);
    let table = report.to_text(&TextOptions::default());
    for secret in ["example.com", "4111 1111", "4111-1111", "41111111", "078-05", "202 555"] {
        for form in [&report.to_json(), &page, &table] {
            assert!(!form.contains(secret), "{secret} is told");
        }
    }
}

fn worst_first(report: &AuditReport) {
    let findings = report.findings();
    assert!(findings.is_sorted_by_key(|finding| std::cmp::Reverse(finding.severity)));
    assert_eq!(report.worst(), Some(Severity::Critical));
    assert!(!report.is_clean());
    let of = |kind| {
        findings.iter().filter(move |finding| finding.kind == kind).map(|finding| finding.count).sum::<u64>()
    };
    let expected: [(FindingKind, u64); 15] = [
        (FindingKind::Plaintext, 9),
        (FindingKind::Malformed, 3),
        (FindingKind::DoesNotOpen, 2),
        (FindingKind::OtherType, 1),
        (FindingKind::KeyUnknown, 1),
        (FindingKind::KeyCompromised, 6),
        (FindingKind::KeyRetired, 9),
        (FindingKind::KeyDestroyed, 12),
        (FindingKind::KeyActive, 15),
        (FindingKind::WithoutIndex, 2),
        (FindingKind::LostIndex, 1),
        (FindingKind::Unlisted, 2),
        (FindingKind::WithoutScope, 1),
        (FindingKind::MalformedSeal, 2),
        (FindingKind::LookAlike, 4),
    ];
    for (kind, count) in expected {
        assert_eq!(of(kind), count, "{kind:?}");
    }
}

async fn with_a_vault_alone_nothing_is_opened(store: Db) {
    let audited = audited(&store).await;
    let report = audit(&store, &audited).with_vault(audited.vault.clone()).run().await.unwrap();
    assert!(!report.with_keys);
    let ssn = of(&report, "customers", "ssn");
    assert_eq!(counts(ssn), json!({ "unverified": 34, "malformed": 3, "plaintext": 4 }));
    let expected =
        json!({ "primary": 19, "active": 5, "compromised": 2, "retired": 3, "destroyed": 4, "unknown": 1 });
    assert_eq!(states(ssn), expected);
    // What is none cannot be told from what lost its index.
    let index = of(&report, "customers", "email").index.as_ref().unwrap();
    assert_eq!((index.with, index.without, index.lost), (38, 3, 1));
    assert_eq!(report.collections[0].unlisted.len(), 2);
    let unverified =
        report.findings().iter().find(|finding| finding.kind == FindingKind::Unverified).unwrap();
    assert_eq!((unverified.count, unverified.severity), (34 + 42 + 43 + 3, Severity::Notice));
}

async fn without_anything_the_forms_are_counted(store: Db) {
    let audited = audited(&store).await;
    let report = audit(&store, &audited).run().await.unwrap();
    let ssn = of(&report, "customers", "ssn");
    assert_eq!(counts(ssn), json!({ "unverified": 34, "malformed": 3, "plaintext": 4 }));
    assert_eq!(states(ssn), json!({ "unchecked": 34 }));
    let index = of(&report, "customers", "email").index.as_ref().unwrap();
    assert_eq!((index.with, index.without, index.lost), (39, 3, 0));
    // Without a ring, bytes that begin like an envelope may be one.
    assert_eq!(report.collections[0].unlisted.len(), 3);
}

async fn a_large_collection_is_read_page_by_page(store: Db) {
    let path = |number: usize| DocumentPath::parse(&format!("people/{number:05}")).unwrap();
    let write = |number| Write::set(path(number), Fields::from([("ssn".to_owned(), text("plain"))]));
    for batch in (0..2_000).collect::<Vec<usize>>().chunks(500) {
        store.commit(&batch.iter().map(|number| write(*number)).collect::<Vec<_>>()).await.unwrap();
    }
    let people = CollectionConfig::new("people", vec![field("ssn")]);
    let mut together = Vec::new();
    let audit = Audit::new(Arc::clone(&store), [people]);
    let report = audit.run_with_progress(|progress| together.push(progress.documents)).await.unwrap();
    assert_eq!(of(&report, "people", "ssn").values.plaintext, 2_000);
    assert_eq!(report.documents(), 2_000);
    assert!(together.windows(2).all(|two| two[1] > two[0] && two[1] - two[0] <= 200), "{together:?}");
    assert_eq!(of(&report, "people", "ssn").examples[&Class::Plaintext].len(), 10);
}

async fn hostile_documents_are_counted_and_end_nothing(store: Db) {
    let ring = fireseal::KeyRing::new(fireseal::DataKey::from_bytes(&[7; 32]));
    let mut envelope = vec![1; 74];
    envelope[1..33].copy_from_slice(ring.primary().id().as_bytes());
    let deep = (0..18).fold(bytes(envelope.clone()), |inner, level| match level % 2 {
        0 => map([("inner", inner)]),
        _ => array(vec![text("4111111111111111"), inner]),
    });
    let name: &'static str = "n".repeat(700).leak();
    let odd = [
        // One byte short of an envelope, and the shortest one.
        ("short", "ssn", bytes(envelope[..73].to_vec())),
        ("shortest", "ssn", bytes(envelope.clone())),
        ("empty", "ssn", bytes(Vec::new())),
        ("prefix", "ssn", text("fireseal:")),
        ("map", "ssn", map([("ssn", bytes(envelope.clone()))])),
        ("array", "ssn", array(Vec::new())),
        ("deep", "clear", deep),
        ("long", name, map([(name, bytes(envelope.clone()))])),
        ("large", "clear", text(&"+1 202 555 0143 ".repeat(50_000))),
        ("many", "clear", array(vec![text("078-05-1120"); 10_000])),
        ("emoji", "\u{1f600}`.[]*", bytes(envelope)),
    ];
    for (id, field, value) in odd {
        put(&store, id, &[field], Some(value)).await;
    }
    let mut customers = CollectionConfig::new("customers", vec![field("ssn"), field("address.street")]);
    let audit = |customers: &CollectionConfig| Audit::new(Arc::clone(&store), [customers.clone()]);
    let report = audit(&customers).with_keys(ring.clone()).run().await.unwrap();
    let expected = json!({ "does_not_open": 1, "malformed": 3, "plaintext": 2 });
    assert_eq!(counts(of(&report, "customers", "ssn")), expected);
    let hints: Vec<_> = report.collections[0].hints.iter().map(|hint| hint.values).collect();
    assert_eq!(hints, [1, 1, 10_000, 1, 1, 1, 1, 1, 1, 1, 1], "{:?}", report.collections[0].hints);
    assert_eq!(report.collections[0].unlisted.len(), 3);
    for form in [report.to_html(&[]), report.to_text(&TextOptions::default())] {
        assert!(form.len() < 100_000 && !form.contains("41111111"));
    }
    // Scopes that are none: every document is counted, and none is opened.
    customers.scope = fireseal::operations::ScopeRule::Field("clear".to_owned());
    let report = audit(&customers).with_keys(ring).run().await.unwrap();
    assert_eq!(report.collections[0].without_scope.count, 11);
    assert_eq!(of(&report, "customers", "ssn").values.unverified, 1);
}

#[tokio::test]
async fn a_clean_collection_is_clean_and_what_is_not_there_is_told() {
    let store: Db = Arc::new(MemoryStore::new());
    let audited = audited(&store).await;
    let empty = Audit::new(MemoryStore::new(), audited.collections.clone());
    let report = empty.with_keys(audited.vault.clone()).run().await.unwrap();
    assert!(!report.is_clean());
    assert_eq!(report.values().sealed_share(), None);
    let told: Vec<_> = report.findings().iter().map(|finding| (finding.kind, finding.severity)).collect();
    assert_eq!(told, [(FindingKind::NoDocuments, Severity::Warning); 2]);
    assert!(report.to_text(&TextOptions::default()).contains("no documents are there"));

    let fields = Fields::from([("clear".to_owned(), text("text"))]);
    let path = DocumentPath::parse("customers/one").unwrap();
    let one: Db = Arc::new(MemoryStore::new());
    one.commit(&[Write::set(path, fields)]).await.unwrap();
    let audit = |fields| Audit::new(Arc::clone(&one), [CollectionConfig::new("customers", fields)]);
    let report = audit(vec![]).run().await.unwrap();
    assert!(report.is_clean() && report.findings().is_empty());
    assert!(report.to_text(&TextOptions::default()).contains("Nothing was found"));
    let report = audit(vec![field("snn")]).run().await.unwrap();
    let told: Vec<_> = report.findings().iter().map(|finding| (finding.kind, &*finding.field)).collect();
    assert_eq!(told, [(FindingKind::AbsentEverywhere, "snn")]);
    assert!(!report.is_clean());
}

#[tokio::test]
async fn keys_of_one_scope_that_cannot_be_had_do_not_end_the_audit() {
    let store: Db = Arc::new(MemoryStore::new());
    let audited = audited(&store).await;
    let ring = audited.vault.ring(&Scope::default()).await.unwrap();
    let report = audit(&store, &audited).with_keys(OneScope(ring)).run().await.unwrap();
    // Its ring has the primary key alone.
    assert_eq!(of(&report, "customers", "ssn").values.opened, 17);
    assert_eq!(of(&report, "orders", "card").values.unverified, 3);
    assert_eq!(report.rings.len(), 1);
    assert_eq!(report.rings[0].scope, acme().as_str());
    let finding =
        report.findings().iter().find(|finding| finding.kind == FindingKind::RingUnavailable).unwrap();
    assert_eq!(finding.severity, Severity::Warning);
}

/// Keys that fail as soon as another scope is asked for.
struct OneScope(fireseal::KeyRing);

#[async_trait::async_trait]
impl KeyProvider for OneScope {
    async fn ring(&self, scope: &Scope) -> Result<fireseal::KeyRing, fireseal::KeyError> {
        if scope == self.0.scope() { Ok(self.0.clone()) } else { Err(refused(scope)) }
    }

    async fn keys(
        &self,
        wanted: &[(Scope, fireseal::KeyId)],
    ) -> Result<Vec<fireseal::KeyLookup>, fireseal::KeyError> {
        match wanted.iter().find(|(scope, _)| scope != self.0.scope()) {
            Some((scope, _)) => Err(refused(scope)),
            None => self.0.keys(wanted).await,
        }
    }
}

fn refused(scope: &Scope) -> fireseal::KeyError {
    fireseal::KeyError::RingRefused { scope: scope.clone(), reason: "rolled back".to_owned() }
}

#[tokio::test]
async fn a_report_comes_back_from_its_json_and_another_schema_is_refused() {
    let store: Db = Arc::new(MemoryStore::new());
    let audited = audited(&store).await;
    let report = audit(&store, &audited).with_vault(audited.vault.clone()).run().await.unwrap();
    let json = report.to_json();
    assert_eq!(AuditReport::from_json(&json).unwrap(), report);
    let later = json.replacen("\"schema\": 1", "\"schema\": 2", 1);
    let error = AuditReport::from_json(&later).unwrap_err().to_string();
    assert_eq!(error, "the report has schema 2; this program reads schema 1");
    assert!(AuditReport::from_json("{}").is_err() && AuditReport::from_json("[1").is_err());
    // Numbers that no audit counts overflow nothing.
    let large = json.replace(": 34,", ": 18446744073709551615,");
    let large = AuditReport::from_json(&large).unwrap();
    assert_eq!(large.values().all(), u64::MAX);
    assert!(large.to_html(std::slice::from_ref(&large)).contains("18,446,744,073,709,551,615"));
    assert!(!large.to_text(&TextOptions::default()).is_empty());
}

#[tokio::test]
async fn the_table_has_bars_fits_its_width_and_writes_out_control_characters() {
    let store: Db = Arc::new(MemoryStore::new());
    let audited = audited(&store).await;
    let evil = "\u{1b}[31m\u{202e}";
    put(&store, evil, &["ssn"], Some(text("plain"))).await;
    let report =
        audit(&store, &audited).with_keys(audited.vault.clone()).of_database(evil).run().await.unwrap();
    for width in [60, 80, 132] {
        let table = report.to_text(&TextOptions { width, colour: false });
        let longest = table.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(longest <= width, "{longest} of {width}:\n{table}");
        assert!(!table.contains('\u{1b}') && !table.contains('\u{202e}'));
        assert!(table.contains('█') && table.contains('░') && table.contains("critical"));
    }
    let coloured = report.to_text(&TextOptions { width: 100, colour: true });
    assert!(coloured.contains("\u{1b}[32m█") && !coloured.contains("\u{1b}[31m\u{202e}"));
    println!("{}", report.to_text(&TextOptions::default()));
}
