//! Without fireseal: the stock `age` program recovers a data key from the vault's file, and the Python
//! decoder opens a sealed document with it.
//!
//! The Rust here only prepares: what recovers are `age`, `script` for its question on a terminal, and Python
//! with its standard library, over the vault's file and one stored value.

#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/decoder.rs"]
mod support;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use fireseal::custody::{Authority, BackupKey, KeyVault, combine_shares};
use fireseal::store::{MemoryStore, ValueType};
use fireseal::{AgeIdentity, LocalRoot, Repository, Scope, Sealable, SecretString};
use secrecy::ExposeSecret as _;
use support::python;

#[derive(Sealable)]
#[sealable(collection = "customers")]
struct Customer {
    #[sealable(id)]
    id: String,
    #[sensitive]
    ssn: String,
}

const SSN: &str = "078-05-1120";

/// Takes the wraps of one slot out of a vault's file, and the age file that a recovery code opens: what
/// `docs/guide/recovery.md` says, by hand.
const UNPACK: &str = r#"
import base64, json, pathlib, sys
vault, scope, slot, code, out = sys.argv[1:]
ring = json.loads(pathlib.Path(vault).read_text())["rings"][scope]
for key, wraps in ring["wraps"].items():
    pathlib.Path(out, key + ".age").write_bytes(base64.b64decode(wraps[slot]))
if code:
    manifest = base64.b64decode(ring["manifest"])
    begin = manifest.index(b"-----BEGIN AGE", manifest.index(b"\0\0\0\x04" + code.encode()))
    end = b"-----END AGE ENCRYPTED FILE-----"
    pathlib.Path(out, "code.identity").write_bytes(manifest[begin : manifest.index(end, begin) + len(end)] + b"\n")
"#;

/// Opens the stored value with whichever recovered record is its data key.
const OPEN: &str = r#"
import base64, json, pathlib, subprocess, sys
decoder, place, directory = sys.argv[1:]
place = json.loads(pathlib.Path(place).read_text())
for record in pathlib.Path(directory).glob("*.record"):
    label, purpose, key_id, key, scope = record.read_text().split("\n", 4)
    assert (label, scope) == ("fireseal-key-v1", place["scope"]), record
    place["keys"].append(base64.b64decode(key).hex())
print(subprocess.run([sys.executable, decoder], input=json.dumps(place), capture_output=True, text=True, check=True).stdout)
"#;

/// A directory with a vault's file, a sealed value, and nothing of the keys.
struct Disaster {
    directory: tempfile::TempDir,
    vault: KeyVault,
    authority: Authority,
    scope: Scope,
}

impl Disaster {
    async fn prepare() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::generate().unwrap();
        let scope = Scope::new("tenants/acme").unwrap();
        let vault = KeyVault::in_file(directory.path().join("vault.json"), "production", authority.key())
            .with_root(LocalRoot::from_bytes(&[1; 32]));
        vault.create_scope(&authority, &scope).await.unwrap();
        Self { directory, vault, authority, scope }
    }

    /// Rotates, so that the wrap is one that was made without the person, and seals.
    async fn seal(&self) {
        self.vault.rotate(&self.authority, &self.scope).await.unwrap();
        self.vault.wipe();
        let store = MemoryStore::new();
        let repository = Repository::<Customer>::new(store.clone(), self.vault.clone());
        let repository = repository.with_scope(self.scope.clone());
        repository.create(&Customer { id: "ada".to_owned(), ssn: SSN.to_owned() }).await.unwrap();
        let document = store.documents().remove(0);
        let Some(ValueType::BytesValue(stored)) = document.fields["ssn"].value_type.clone() else {
            panic!("not sealed: {document:?}");
        };
        let envelope: String = stored.iter().map(|byte| format!("{byte:02x}")).collect();
        let place = serde_json::json!({
            "document": "customers/ada", "field": ["ssn"], "scope": self.scope.as_str(),
            "keys": [], "envelope": envelope,
        });
        fs::write(self.path("place.json"), place.to_string()).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The wrapped keys, as files.
    async fn unpack(&self, kind: fireseal::custody::SlotKind, code: &str) -> Vec<PathBuf> {
        let slot = self.vault.slots(&self.scope, kind).await.unwrap()[0].id.to_string();
        let (vault, out) = (self.path("vault.json"), self.directory.path());
        succeed(
            Command::new(python())
                .args(["-c", UNPACK])
                .arg(vault)
                .args([self.scope.as_str(), &slot, code])
                .arg(out),
            "python3",
        );
        let files = fs::read_dir(out).unwrap().map(|entry| entry.unwrap().path());
        let wraps: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "age")).collect();
        assert_eq!(wraps.len(), 3, "two data keys and an index key");
        wraps
    }

    /// What the decoder makes of the sealed value, with the records that lie in the directory.
    fn open(&self) {
        let decoder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/decoder/decode.py");
        let output = succeed(
            Command::new(python())
                .args(["-c", OPEN])
                .arg(decoder)
                .arg(self.path("place.json"))
                .arg(self.directory.path()),
            "python3",
        );
        let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(told, serde_json::json!({ "outcome": "opens", "value": { "str": SSN } }));
    }
}

/// Runs a program that must be there and succeed.
fn succeed(command: &mut Command, package: &str) -> Output {
    let output = command.output().unwrap_or_else(|error| {
        panic!("cannot run {command:?}: {error}. Install the Debian package `{package}`.")
    });
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {told}{}", String::from_utf8_lossy(&output.stdout));
    output
}

/// `age -d` with an identity file that needs no passphrase.
fn decrypt(identity: &Path, wraps: &[PathBuf]) {
    for wrap in wraps {
        let record = wrap.with_extension("record");
        succeed(Command::new("age").arg("-d").arg("-i").arg(identity).arg("-o").arg(record).arg(wrap), "age");
    }
}

/// `age -d` with the identity that a code opens: asks for it on a terminal, which `script` is.
fn decrypt_typing(code: &str, identity: &Path, wrap: &Path) {
    succeed(Command::new("age").arg("--version"), "age");
    let record = wrap.with_extension("record");
    let command =
        format!("age -d -i '{}' -o '{}' '{}'", identity.display(), record.display(), wrap.display());
    let mut terminal = Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run script: {error}. Install the Debian package `bsdutils`."));
    // A terminal drops what is typed ahead of the prompt.
    std::thread::sleep(Duration::from_millis(1_500));
    let mut keyboard = terminal.stdin.take().unwrap();
    keyboard.write_all(format!("{code}\n").as_bytes()).unwrap();
    let output = terminal.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

fn save_identity(path: &Path, identity: &AgeIdentity) {
    let text: SecretString = identity.expose_text();
    fs::write(path, format!("{}\n", text.expose_secret())).unwrap();
}

#[tokio::test]
async fn a_backup_key_and_the_age_program() {
    let disaster = Disaster::prepare().await;
    let (vault, authority) = (&disaster.vault, &disaster.authority);
    let key = BackupKey::generate();
    vault.add_backup(authority, &disaster.scope, key.recipient(), "safe").await.unwrap();
    disaster.seal().await;
    // The sheet as it is printed is the identity file.
    fs::write(disaster.path("sheet.txt"), &**key.to_text()).unwrap();
    let wraps = disaster.unpack(fireseal::custody::SlotKind::Backup, "").await;
    decrypt(&disaster.path("sheet.txt"), &wraps);
    disaster.open();
}

#[tokio::test]
async fn a_recovery_code_and_the_age_program() {
    let disaster = Disaster::prepare().await;
    let (vault, authority) = (&disaster.vault, &disaster.authority);
    let code = vault.create_recovery_codes(authority, &disaster.scope, 1).await.unwrap().remove(0);
    disaster.seal().await;
    let wraps = disaster.unpack(fireseal::custody::SlotKind::RecoveryCode, code.name()).await;
    let identity = disaster.path("code.identity");
    for wrap in &wraps {
        decrypt_typing(code.expose_text(), &identity, wrap);
    }
    disaster.open();
}

#[tokio::test]
async fn a_quorum_and_the_age_program() {
    let disaster = Disaster::prepare().await;
    let (vault, authority) = (&disaster.vault, &disaster.authority);
    let shares = vault.create_quorum(authority, &disaster.scope, 2, 3).await.unwrap();
    disaster.seal().await;
    save_identity(&disaster.path("whole.txt"), &combine_shares(&shares[1..]).unwrap());
    let wraps = disaster.unpack(fireseal::custody::SlotKind::Quorum, "").await;
    decrypt(&disaster.path("whole.txt"), &wraps);
    disaster.open();
}

#[tokio::test]
async fn a_device_and_the_age_program() {
    let disaster = Disaster::prepare().await;
    let (vault, authority) = (&disaster.vault, &disaster.authority);
    let device = AgeIdentity::generate();
    let slot = fireseal::custody::NewSlot::new(fireseal::custody::SlotKind::Device).named("laptop");
    let recipient = Arc::new(device.recipient().clone());
    vault.add_slot(authority, &disaster.scope, recipient, slot).await.unwrap();
    disaster.seal().await;
    save_identity(&disaster.path("device.txt"), &device);
    let wraps = disaster.unpack(fireseal::custody::SlotKind::Device, "").await;
    decrypt(&disaster.path("device.txt"), &wraps);
    disaster.open();
}
