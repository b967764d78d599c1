//! Jobs on the emulator: sealed, stopped and gone on with, verified, put back.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::desk::{Desk, Run, snapshot};

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_is_sealed_verified_and_put_back() {
    let desk = Desk::with_customers().await;
    desk.customers(12).await;
    let before = desk.project.document("customers/c0007").await.unwrap().unwrap()["fields"].clone();
    let mut told = String::new();
    let mut run = |arguments: &str, code: i32| {
        let run = desk.run(arguments);
        told.push_str(&run.transcript());
        told.push('\n');
        assert_eq!(run.code, code, "{}", run.transcript());
    };
    run("migrate seal customers --estimate --price-reads 0.03 --price-writes 0.09", 0);
    run("migrate seal customers --dry-run", 0);
    run("migrate seal customers --status", 0);
    run("migrate verify customers", 3);
    run("migrate seal customers", 0);
    run("migrate seal customers", 0);
    run("migrate seal customers --again", 0);
    run("migrate seal customers --status", 0);
    run("migrate verify customers", 0);
    run("keys rotate", 0);
    run("migrate reseal customers", 0);
    run("migrate reindex customers", 0);
    run("migrate unseal customers", 2);
    let sealed = desk.project.document("customers/c0007").await.unwrap().unwrap()["fields"].clone();
    assert!(sealed["ssn"]["bytesValue"].is_string() && sealed["name"] == before["name"], "{sealed}");
    run("migrate unseal customers --yes", 0);
    snapshot("migrate", &without_rates(&told));
    let after = desk.project.document("customers/c0007").await.unwrap().unwrap()["fields"].clone();
    assert_eq!(after, before);
}

/// Without the lines that tell how fast it goes.
fn without_rates(text: &str) -> String {
    text.lines()
        .filter(|line| !line.starts_with("! ") || !line.contains("/s"))
        .map(|line| format!("{line}\n"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_at_a_checkpoint_and_the_same_command_goes_on() {
    const DOCUMENTS: usize = 400;
    let desk = Desk::with_customers().await;
    desk.customers(DOCUMENTS).await;
    let words = ["migrate", "seal", "customers", "--json", "--writes-per-second", "20", "--parts", "4"];
    let mut child = desk.spawn(&words);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let value = |line: String| serde_json::from_str::<Value>(&line).unwrap();
    let written = lines
        .by_ref()
        .map(|line| value(line.unwrap()))
        .find(|line| line["run"]["written"].as_u64() > Some(0));
    assert!(written.is_some(), "it tells of its progress");
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let last = lines.map(|line| value(line.unwrap())).last().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(4), "{last}");
    assert_eq!((last["event"].as_str(), last["end"].as_str()), (Some("report"), Some("stopped")), "{last}");
    let first = last["total"]["written"].as_u64().unwrap();
    assert!(first > 0 && first < DOCUMENTS as u64, "{last}");

    let report = desk.json("migrate seal customers --parts 4");
    assert_eq!(report["end"], json!("finished"), "{report}");
    assert_eq!(report["run"]["written"].as_u64(), Some(DOCUMENTS as u64 - first), "{report}");
    assert_eq!(report["total"]["written"].as_u64(), Some(DOCUMENTS as u64), "{report}");
    assert_eq!(desk.run("migrate verify customers").code, 0);
}

/// As `fireseal .. --json | head -1`, or a log collector that went away.
#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_at_a_checkpoint_though_nobody_listens() {
    const DOCUMENTS: usize = 400;
    let desk = Desk::with_customers().await;
    desk.customers(DOCUMENTS).await;
    let words = ["migrate", "seal", "customers", "--json", "--writes-per-second", "20", "--parts", "4"];
    let mut child = desk.spawn(&words);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let value = |line: String| serde_json::from_str::<Value>(&line).unwrap();
    assert!(lines.any(|line| value(line.unwrap())["run"]["written"].as_u64() > Some(0)));
    drop(lines);
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    assert_eq!(child.wait().unwrap().code(), Some(4));
    let status = desk.json("migrate seal customers --status");
    assert!(status["total"]["written"].as_u64().unwrap() < DOCUMENTS as u64, "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_are_told_of_warnings() {
    let desk = Desk::with_customers().await;
    desk.customers(1).await;
    let run = desk.run("migrate seal customers --json");
    let lines: Vec<Value> = run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["event"], "warning", "{}", run.transcript());
    assert!(lines[0]["message"].as_str().unwrap().contains("no proved way back"), "{}", run.transcript());
    assert_eq!((run.json()["event"].as_str(), run.stderr.as_str()), (Some("report"), ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_ends_at_a_checkpoint_and_failures_are_found() {
    let desk = Desk::with_customers().await;
    desk.customers(20).await;
    let stopped = desk.run("migrate seal customers --max-documents 5 --json");
    assert_eq!(
        (stopped.code, stopped.json()["end"].as_str()),
        (4, Some("budget")),
        "{}",
        stopped.transcript()
    );
    // What looks sealed and does not open is neither skipped nor sealed again.
    let broken = json!({"ssn": {"bytesValue": base64_of_an_envelope()}, "name": {"stringValue": "x"}});
    desk.project.put("customers/z", &broken).await.unwrap();
    let found: Run = desk.run("migrate seal customers --again");
    assert_eq!(found.code, 3, "{}", found.transcript());
    assert!(found.stdout.contains("failed      customers/z, field ssn: "), "{}", found.transcript());
    assert_eq!(desk.project.document("customers/z").await.unwrap().unwrap()["fields"], broken);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verification_goes_on_where_it_stopped_and_is_done_anew_once_finished() {
    let desk = Desk::with_customers().await;
    desk.customers(20).await;
    desk.ok("migrate seal customers");
    let verify = "migrate verify customers --expect-unchanged";
    let stopped = desk.run(&format!("{verify} --max-documents 5 --parts 1"));
    assert_eq!(stopped.code, 4, "{}", stopped.transcript());
    assert!(stopped.stdout.contains("compared once all documents"), "{}", stopped.transcript());
    assert_eq!(desk.json("migrate verify customers --max-documents 5")["unchanged"], json!(null));
    let rest = desk.ok(&format!("{verify} --json")).json();
    assert_eq!(rest["run"]["documents"], json!(10), "it goes on: {rest}");
    assert_eq!((&rest["total"]["documents"], &rest["unchanged"]), (&json!(20), &json!(true)), "{rest}");

    // Finished is finished on that day.
    let plain = json!({"ssn": {"stringValue": "078-05-9999"}});
    desk.project.put("customers/c0003", &plain).await.unwrap();
    assert_eq!(desk.run("migrate verify customers").code, 3);
    let dry = desk.run("migrate verify customers --dry-run --max-documents 5");
    assert!(dry.code == 4 && dry.stdout.contains("the same command begins anew"), "{}", dry.transcript());

    // As a job runner starts it.
    let mut command = desk.fireseal(&["migrate", "verify", "customers"]);
    command.env("CLOUD_RUN_TASK_INDEX", "1").env("CLOUD_RUN_TASK_COUNT", "4");
    assert_eq!(command.output().unwrap().status.code(), Some(3));

    // A file of the job that sealed, and one of its own beside it.
    desk.ok("migrate seal customers --checkpoint-file seal.json");
    desk.ok(&format!("{verify} --checkpoint-file seal.json"));
    desk.ok(&format!("{verify} --checkpoint-file seal.json"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_program_cannot_seal_is_verified_all_the_same() {
    let desk = Desk::new().await;
    desk.ok("init --codes 0");
    desk.configure("[collections.customers.fields]\nemail = { unique = true }\n");
    desk.project.put("customers/a", &json!({"name": {"stringValue": "x"}})).await.unwrap();
    let run = desk.run("migrate verify customers");
    assert_eq!(run.code, 0, "{}", run.transcript());
    assert!(run.stdout.contains("no finished `migrate seal` to compare with"), "{}", run.transcript());
}

/// 100 bytes that begin as an envelope does.
fn base64_of_an_envelope() -> String {
    use base64::Engine as _;

    base64::engine::general_purpose::STANDARD.encode([&[1][..], &[7; 99]].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_were_sealed_by_hand_are_imported() {
    use base64::Engine as _;
    use chacha20poly1305::aead::{Aead as _, Payload};
    use chacha20poly1305::{ChaCha20Poly1305, KeyInit as _};

    let desk = Desk::with_customers().await;
    let old = ChaCha20Poly1305::new(&[5; 32].into());
    let by_hand = |text: &str, path: &str| {
        let payload = Payload { msg: text.as_bytes(), aad: path.as_bytes() };
        let sealed = old.encrypt(&[9; 12].into(), payload).unwrap();
        base64::engine::general_purpose::STANDARD.encode([&[9; 12][..], &sealed].concat())
    };
    let fields = json!({
        "ssn": {"stringValue": by_hand("078-05-1120", "customers/ada")},
        "email": {"stringValue": by_hand("ada@example.com", "customers/ada")},
    });
    desk.project.put("customers/ada", &fields).await.unwrap();
    let import = "migrate import customers --legacy-key - --encoding base64 --bound-to document-path";
    let key = base64::engine::general_purpose::STANDARD.encode([5; 32]);
    let wrong =
        desk.feed(&format!("{import} --again"), base64::engine::general_purpose::STANDARD.encode([6; 32]));
    assert_eq!(wrong.code, 3, "another key opens nothing: {}", wrong.transcript());
    let run = desk.feed(&format!("{import} --again"), &key);
    assert_eq!(run.code, 0, "{}", run.transcript());
    assert!(!run.transcript().contains(&key));
    assert_eq!(desk.run("migrate verify customers").code, 0);
    desk.ok("migrate unseal customers --yes");
    let ada = desk.project.document("customers/ada").await.unwrap().unwrap()["fields"].clone();
    assert_eq!(
        ada,
        json!({"ssn": {"stringValue": "078-05-1120"}, "email": {"stringValue": "ada@example.com"}})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_without_its_keys_does_not_begin() {
    let desk = Desk::with_customers().await;
    desk.customers(3).await;
    let root = desk.read("root.key");
    std::fs::remove_file(desk.path("root.key")).unwrap();
    for command in ["migrate seal customers", "migrate seal customers --dry-run", "migrate verify customers"]
    {
        let run = desk.run(command);
        assert_eq!(run.code, 1, "{}", run.transcript());
    }
    // A root opens that the ring does not have.
    desk.ok("init --config other.toml --vault-file unused.json --root age --root-file second.key --authority-file other.key --codes 0");
    desk.configure("[[vault.roots]]\nkind = \"age\"\nname = \"second\"\nidentity_file = \"second.key\"\n");
    for command in ["migrate seal customers", "migrate verify customers"] {
        let run = desk.run(command);
        assert_eq!(run.code, 1, "{}", run.transcript());
        assert!(run.stderr.contains("do not open here"), "{}", run.transcript());
    }
    // No part counts as done.
    std::fs::write(desk.path("root.key"), root).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(desk.path("root.key"), mode).unwrap();
    let report = desk.json("migrate seal customers");
    assert_eq!((report["run"]["written"].clone(), report["run"]["failed"].clone()), (json!(3), json!(0)));
}

/// As a job runner does: four tasks at once, of which one is killed and never comes back.
#[tokio::test(flavor = "multi_thread")]
async fn tasks_share_a_job_and_take_over_from_one_that_died() {
    const DOCUMENTS: u64 = 240;
    let desk = Desk::with_customers().await;
    desk.customers(DOCUMENTS as usize).await;
    let words = ["migrate", "seal", "customers", "--json", "--lease", "2", "--writes-per-second", "20"];
    let task = |index: u32| {
        let mut command = desk.fireseal(&words);
        command.env("CLOUD_RUN_TASK_INDEX", index.to_string()).env("CLOUD_RUN_TASK_COUNT", "4");
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let mut doomed = task(0);
    let mut lines = BufReader::new(doomed.stdout.take().unwrap()).lines();
    let value = |line: String| serde_json::from_str::<Value>(&line).unwrap();
    let begun = lines.any(|line| value(line.unwrap())["run"]["written"].as_u64() > Some(0));
    let others: Vec<Child> = (1..4).map(task).collect();
    assert!(begun);
    doomed.kill().unwrap();
    doomed.wait().unwrap();
    let runs: Vec<Run> = others.into_iter().map(|child| Run::of(child, &words)).collect();
    let mut written = 0;
    for run in &runs {
        let report = run.json();
        assert_eq!((run.code, report["end"].as_str()), (0, Some("finished")), "{}", run.transcript());
        written += report["run"]["written"].as_u64().unwrap();
    }
    assert!(written > 0 && written < DOCUMENTS, "{written} written by the three that lived");
    assert_eq!(desk.json("migrate verify customers")["run"]["counts"]["opened"], json!(2 * DOCUMENTS));
    let status = desk.json("migrate seal customers --status");
    assert_eq!((status["finished"].clone(), status["total"]["failed"].clone()), (json!(true), json!(0)));
}
