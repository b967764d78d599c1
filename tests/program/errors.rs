//! Every error: what happened, and what to do.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::desk::{Desk, snapshot};

#[tokio::test(flavor = "multi_thread")]
async fn errors_say_what_happened_and_what_to_do() {
    let desk = Desk::new().await;
    let mut told = String::new();
    let mut fails = |arguments: &str, input: &str, code: i32| {
        let run = desk.feed(arguments, input);
        told.push_str(&run.transcript());
        told.push('\n');
        assert_eq!(run.code, code, "{}", run.transcript());
    };
    fails("keys list", "", 2);
    fails("nonsense", "", 2);
    fails("keys list --scope", "", 2);
    desk.ok("init --vault-file keys.json --codes 0");
    fails("init", "", 2);
    fails("keys list --scope other", "", 1);
    fails("keys show 12345", "", 2);
    fails("keys show 0123456789", "", 2);
    fails("keys destroy --all", "", 2);
    fails("keys rotate --authority nowhere.key", "", 2);
    fails("keys rotate --authority -", "not a line of an authority", 2);
    fails("keys rewrap --add unknown", "", 2);
    fails("keys retire 0123456789 --yes", "", 2);
    fails("recovery verify", "", 2);
    fails("recovery verify --from -", "K7Q3-AAAA", 1);
    fails("recovery verify --from -", "one\ntwo", 2);
    fails("recovery quorum --need 3 --of 2", "", 1);
    fails("recovery revoke 17 --yes", "", 1);
    fails("recovery device approve fireseal-device-v1:xx --fingerprint AAAA", "", 1);
    fails("migrate seal customers", "", 2);
    fails("migrate seal customers --task 4/4", "", 2);
    fails("indexes", "", 2);
    fails("inspect", "{\"half\": ", 2);
    fails("man keys turn", "", 2);

    // Another authority than the vault's.
    desk.ok("init --config other.toml --vault-file other.json --root-file other.root --authority-file other.key --codes 0");
    fails("keys rotate --authority other.key", "", 1);

    // A file that others can read.
    fs::set_permissions(desk.path("authority.key"), fs::Permissions::from_mode(0o644)).unwrap();
    fails("keys rotate", "", 2);
    fs::set_permissions(desk.path("authority.key"), fs::Permissions::from_mode(0o600)).unwrap();

    // A root that is not there.
    fs::rename(desk.path("root.key"), desk.path("away.key")).unwrap();
    fails("keys rotate", "", 1);
    let before = desk.read("fireseal.toml");
    desk.configure("[collections.customers.fields]\nssn = {}\n");
    fails("migrate seal customers", "", 1);
    fs::write(desk.path("fireseal.toml"), before).unwrap();

    // Configurations.
    let good = desk.read("fireseal.toml");
    for (name, wrong) in [
        ("syntax", "vault = [".to_owned()),
        ("key", good.replace("key_file", "key = \"c2VjcmV0\"\nkey_file")),
        ("attribute", format!("{good}\n[collections.customers.fields]\nssn = {{ indx = true }}\n")),
        ("reserved", format!("{good}\n[collections.customers.fields]\n_seal = {{}}\n")),
        ("records", good.replace("file = \"keys.json\"", "file = \"keys.json\", collection = \"keys\"")),
    ] {
        fs::write(desk.path(&format!("{name}.toml")), wrong).unwrap();
        fails(&format!("keys list --config {name}.toml"), "", 2);
    }
    assert!(!told.contains("c2VjcmV0"), "what stands where no secret belongs is not shown");
    snapshot("errors", &told);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_there_is_told_apart() {
    let desk = Desk::with_customers().await;
    let mut command = desk.fireseal(&["keys", "list", "--json"]);
    // Nothing listens on this port.
    command.env("FIRESTORE_EMULATOR_HOST", "127.0.0.1:9");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(5), "{}", String::from_utf8_lossy(&output.stdout));
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((told["event"].as_str(), told["exit"].as_u64()), (Some("error"), Some(5)));
    assert!(output.stderr.is_empty());
}
