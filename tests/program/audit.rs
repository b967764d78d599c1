//! Audits: for people, for builds, as a page.

use serde_json::{Value, json};

use super::desk::{Desk, snapshot};

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_finds_what_is_in_plaintext_and_nothing_once_it_is_sealed() {
    let desk = Desk::with_customers().await;
    desk.customers(6).await;
    let mut told = String::new();
    let mut run = |arguments: &str, code: i32| {
        let run = desk.run(arguments);
        told.push_str(&run.transcript());
        told.push('\n');
        assert_eq!(run.code, code, "{}", run.transcript());
    };
    run("audit --save before.json", 3);
    desk.ok("migrate seal customers");
    run("audit --html audit.html --earlier before.json", 0);
    run("audit --without-keys", 0);
    run("audit nowhere", 2);
    run("audit --html audit.html --earlier fireseal.toml", 2);
    let told = told.replace(desk.project.id(), "<project>");
    snapshot("audit", &without_days(&told));
    let page = desk.read("audit.html");
    assert!(page.starts_with("<!") && page.contains("customers") && !page.contains("078-05"), "{page}");

    let report = desk.json("audit");
    assert_eq!(
        (report["event"].as_str(), report["findings"].clone()),
        (Some("audit"), json!([])),
        "{report}"
    );
    let sealed: u64 = report["collections"][0]["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| field["values"]["opened"].as_u64().unwrap())
        .sum();
    assert_eq!(sealed, 12);

    // One value in the clear again, among the sealed ones.
    let plain = json!({"ssn": {"stringValue": "078-05-9999"}, "name": {"stringValue": "x"}});
    desk.project.put("customers/plain", &plain).await.unwrap();
    let found = desk.run("audit --json");
    assert_eq!(found.code, 3, "{}", found.transcript());
    let lines: Vec<Value> = found.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.len() > 1 && lines[0]["event"] == "progress", "{}", found.transcript());
    assert!(!found.transcript().contains("078-05-9999"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_misspelt_is_found_and_what_is_named_twice_is_read_once() {
    let desk = Desk::with_customers().await;
    desk.customers(2).await;
    desk.ok("migrate seal customers");
    assert_eq!(desk.json("audit customers customers")["collections"].as_array().unwrap().len(), 1);
    desk.configure("[collections.costumers.fields]\nssn = {}\n");
    let run = desk.run("audit costumers");
    assert_eq!(run.code, 3, "{}", run.transcript());
    assert!(run.stdout.contains("no documents are there"), "{}", run.transcript());
    let config = desk.read("fireseal.toml").replace("email = {", "e_mail = {");
    std::fs::write(desk.path("fireseal.toml"), config).unwrap();
    let findings = desk.json("audit customers")["findings"].clone();
    let finding = findings.as_array().unwrap().iter().find(|finding| finding["kind"] == "absent_everywhere");
    assert_eq!(
        finding.map(|finding| (&finding["field"], &finding["count"])),
        Some((&json!("e_mail"), &json!(2)))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_that_can_open_nothing_is_not_clean() {
    let desk = Desk::with_customers().await;
    desk.customers(2).await;
    desk.ok("migrate seal customers");
    assert_eq!(desk.run("audit").code, 0);
    std::fs::remove_file(desk.path("root.key")).unwrap();
    let run = desk.run("audit");
    assert_eq!(run.code, 1, "{}", run.transcript());
    assert_eq!(desk.run("audit --without-keys").code, 0);
    // A root opens that the ring does not have.
    desk.ok("init --config other.toml --vault-file unused.json --root age --root-file second.key --authority-file other.key --codes 0");
    desk.configure("[[vault.roots]]\nkind = \"age\"\nname = \"second\"\nidentity_file = \"second.key\"\n");
    let run = desk.run("audit");
    assert_eq!(run.code, 3, "{}", run.transcript());
    assert!(!run.stdout.contains("Clean"), "{}", run.transcript());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_replaces_what_an_audit_wrote_and_nothing_else() {
    let desk = Desk::with_customers().await;
    desk.customers(1).await;
    desk.ok("migrate seal customers");
    let files = || std::fs::read_dir(desk.folder.path()).unwrap().count();
    let (config, before) = (desk.read("fireseal.toml"), files());
    for refused in [
        "audit --html fireseal.toml",
        "audit --save fireseal.toml",
        "audit --save .",
        "audit --save both --html both",
    ] {
        let run = desk.run(refused);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{}", run.transcript());
    }
    assert_eq!(desk.run("audit --html no/page.html").code, 1);
    assert_eq!((desk.read("fireseal.toml"), files()), (config, before), "nothing was touched");

    for _ in 0..2 {
        desk.ok("audit --html page.html --save report.json");
    }
    assert_eq!(files(), before + 2, "a page and a report, and nothing beside them");
    assert_eq!(desk.run("audit --html report.json").code, 2, "a page is no report");
    desk.ok("audit --html report.json --yes");
    assert!(desk.read("report.json").starts_with("<!DOCTYPE html>"));

    // A disk that is full when the audit is over: the report is shown all the same.
    let mut full = desk.command("sh");
    full.args(["-c", "trap '' XFSZ; ulimit -f 0; exec fireseal audit --save full.json"]);
    let output = full.output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.code() == Some(1) && told.contains("customers"), "{told}");
    assert_eq!(files(), before + 2);
}

/// Days, times of the day, and the short form of key ids.
fn without_days(text: &str) -> String {
    let digits = |word: &str, form: &str| {
        word.len() == form.len()
            && word
                .chars()
                .zip(form.chars())
                .all(|(letter, like)| letter == like || (like == '0' && letter.is_ascii_digit()))
    };
    let word = |word: &str| match word {
        _ if digits(word, "0000-00-00") => "<day>".to_owned(),
        _ if digits(word, "00:00") => "<time>".to_owned(),
        _ if word.contains('…') && word.len() > 10 => "<id>".to_owned(),
        _ => word.to_owned(),
    };
    let line = |line: &str| line.split(' ').map(word).collect::<Vec<_>>().join(" ") + "\n";
    text.lines().map(line).collect()
}
