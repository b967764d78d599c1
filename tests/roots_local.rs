//! A local root from a file or the environment, and every way in which those can be wrong.
//!
//! T19 of docs/threat-model.md.

#![allow(missing_docs, clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;

use fireseal::{Binding, KeyId, KeyWrapper, LocalRoot, Purpose, Scope, WrapError, unwrap_key, wrap_key};

/// 0, 1, 2, ... 31.
const TEXT: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn bytes() -> [u8; 32] {
    std::array::from_fn(|index| u8::try_from(index).unwrap())
}

fn binding() -> Binding {
    Binding { scope: Scope::new("acme").unwrap(), purpose: Purpose::Data, key_id: KeyId::from_bytes([1; 32]) }
}

struct Dir(tempfile::TempDir);

impl Dir {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, content: &[u8], mode: u32) -> PathBuf {
        let path = self.0.path().join("root.key");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }
}

fn refusal(result: Result<LocalRoot, WrapError>) -> String {
    let error = result.unwrap_err();
    assert!(matches!(error, WrapError::Unusable { .. }), "{error:?}");
    error.to_string()
}

#[tokio::test]
async fn a_file_and_its_bytes_are_the_same_root() {
    let dir = Dir::new();
    let expected = LocalRoot::from_bytes(&bytes());
    let wrapped = wrap_key(&expected, &[9; 32], &binding()).await.unwrap();
    for (ending, mode) in [("\n", 0o600), ("", 0o400), ("\r\n", 0o600)] {
        let path = dir.file(format!("{TEXT}{ending}").as_bytes(), mode);
        let root = LocalRoot::from_file(&path).unwrap();
        assert_eq!(root.root(), expected.root());
        assert_eq!(*unwrap_key(&root, &wrapped, &binding()).await.unwrap(), [9; 32]);
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn wrong_content_is_refused_and_never_shown() {
    let short = &TEXT[..40];
    let cases: [(&str, Vec<u8>, &str); 13] = [
        ("empty", vec![], "is empty"),
        ("a line break only", b"\n".to_vec(), "is too short"),
        ("truncated", short.into(), "is too short"),
        ("without padding", TEXT.trim_end_matches('=').into(), "is too short"),
        ("byte-order mark", [b"\xef\xbb\xbf", TEXT.as_bytes()].concat(), "byte-order mark"),
        ("trailing garbage", format!("{TEXT}x\n").into(), "is too long"),
        ("two lines", format!("{TEXT}\n{TEXT}\n").into(), "is too long"),
        ("two line breaks", format!("{TEXT}\n\n").into(), "is too long"),
        ("leading space", format!(" {TEXT}").into(), "is too long"),
        ("hexadecimal", "00".repeat(32).into(), "is too long"),
        ("a megabyte", TEXT.repeat(25_000).into(), "is too long"),
        ("another alphabet", TEXT.replace('A', "_").into(), "is not base64"),
        ("33 bytes", b"A".repeat(44), "is not 32 bytes"),
    ];
    let dir = Dir::new();
    for (name, content, expected) in cases {
        let message = refusal(LocalRoot::from_file(dir.file(&content, 0o600)));
        assert!(message.contains(expected) && message.contains("root.key"), "{name}: {message}");
        assert!(!message.contains(&short[1..20]), "{name}: {message}");
    }
    let zeros = format!("{}=", "A".repeat(43));
    assert!(refusal(LocalRoot::from_file(dir.file(zeros.as_bytes(), 0o600))).contains("not random"));
}

#[test]
fn a_file_that_others_can_touch_is_refused() {
    let dir = Dir::new();
    for mode in [0o640, 0o604, 0o644, 0o620, 0o602, 0o610, 0o601, 0o660, 0o666, 0o777] {
        let message = refusal(LocalRoot::from_file(dir.file(TEXT.as_bytes(), mode)));
        assert!(message.contains(&format!("mode {mode:04o}")) && message.contains("chmod 600"), "{message}");
    }
}

#[test]
fn what_is_not_a_regular_file_is_refused() {
    let dir = Dir::new();
    let path = dir.file(TEXT.as_bytes(), 0o600);
    let link = dir.0.path().join("link");
    symlink(&path, &link).unwrap();
    assert!(refusal(LocalRoot::from_file(&link)).contains("symbolic link"));
    assert!(refusal(LocalRoot::from_file(dir.0.path())).contains("not a regular file"));
    let pipe = dir.0.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert!(refusal(LocalRoot::from_file(&pipe)).contains("not a regular file"));
    assert!(refusal(LocalRoot::from_file("/dev/zero")).contains("not a regular file"));
    assert!(refusal(LocalRoot::from_file(dir.0.path().join("none"))).contains("cannot be read"));
}

/// Variables cannot be set safely in a process with threads, so the test runs itself with them.
#[test]
fn the_environment_gives_the_same_root() {
    const WHICH: &str = "FIRESEAL_TEST_ENVIRONMENT";
    const NAME: &str = "FIRESEAL_TEST_ROOT";
    if let Ok(which) = std::env::var(WHICH) {
        let root = LocalRoot::from_env(NAME);
        match which.as_str() {
            "good" => assert_eq!(root.unwrap().root(), LocalRoot::from_bytes(&bytes()).root()),
            expected => {
                let message = refusal(root);
                assert!(message.contains(NAME) && message.contains(expected), "{message}");
            }
        }
        return;
    }
    let short = &TEXT[..40];
    for (which, value) in
        [("good", Some(TEXT)), ("is not set", None), ("is too short", Some(short)), ("is empty", Some(""))]
    {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "the_environment_gives_the_same_root"]).env(WHICH, which).env_remove(NAME);
        if let Some(value) = value {
            child.env(NAME, value);
        }
        let output = child.output().unwrap();
        assert!(output.status.success(), "{which}: {}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn a_root_does_not_show_its_bytes() {
    let root = LocalRoot::from_bytes(&bytes());
    let shown = format!("{root:?} {root:#?} {}", root.root());
    for secret in [&TEXT[..16], "0, 1, 2, 3", "00010203"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
