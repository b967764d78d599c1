//! A root on a PKCS#11 token: SoftHSM2, in a token directory of the test's own.

#![allow(missing_docs, clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::Command;

use fireseal::{
    Binding, KeyId, KeyWrapper, Pkcs11Key, Pkcs11Root, Purpose, Scope, SecretString, WrapError, unwrap_key,
    wrap_key,
};

const PIN: &str = "648219";
const PLACES: [&str; 3] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
];
const CONFIGURED: &str = "FIRESEAL_TEST_TOKENS";

fn module() -> &'static str {
    PLACES
        .into_iter()
        .find(|path| Path::new(path).exists())
        .unwrap_or_else(|| panic!("no SoftHSM2 in {PLACES:?}. Install the Debian package `softhsm2`."))
}

/// Variables cannot be set safely in a process with threads, and the module reads its configuration from
/// one: the test runs itself again with it, with tokens `one` and `two`.
fn with_tokens(test: &str) -> bool {
    if std::env::var_os(CONFIGURED).is_some() {
        return true;
    }
    module();
    let dir = tempfile::tempdir().unwrap();
    let (tokens, config) = (dir.path().join("tokens"), dir.path().join("softhsm2.conf"));
    fs::create_dir(&tokens).unwrap();
    fs::write(&config, format!("directories.tokendir = {}\nobjectstore.backend = file\n", tokens.display()))
        .unwrap();
    for token in ["one", "two"] {
        let output = Command::new("softhsm2-util")
            .args(["--init-token", "--free", "--label", token, "--so-pin", "12345678", "--pin", PIN])
            .env("SOFTHSM2_CONF", &config)
            .output()
            .unwrap_or_else(|error| {
                panic!("cannot run softhsm2-util: {error}. Install the Debian package `softhsm2`.")
            });
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env("SOFTHSM2_CONF", &config)
        .env(CONFIGURED, "yes")
        .output()
        .unwrap();
    let shown = [output.stdout, output.stderr].concat();
    let shown = String::from_utf8_lossy(&shown);
    assert!(output.status.success() && shown.contains("1 passed"), "{shown}");
    for line in shown.lines().filter(|line| line.starts_with("measured:")) {
        println!("{line}");
    }
    false
}

fn key(token: &str, label: &str) -> Pkcs11Key {
    Pkcs11Key::new(module(), token, label, &[1, 0xab])
}

fn pin(text: &str) -> SecretString {
    text.to_owned().into()
}

fn binding(scope: &str) -> Binding {
    Binding { scope: Scope::new(scope).unwrap(), purpose: Purpose::Data, key_id: KeyId::from_bytes([1; 32]) }
}

#[tokio::test]
async fn a_key_on_a_token_wraps_and_unwraps() {
    if !with_tokens("a_key_on_a_token_wraps_and_unwraps") {
        return;
    }
    let root = Pkcs11Root::create_key(key("one", "root key"), pin(PIN)).await.unwrap();
    assert_eq!(root.root(), "pkcs11:token=one;object=root%20key;id=%01%AB");
    let wrapped = wrap_key(&root, &[9; 32], &binding("acme")).await.unwrap();
    let again = wrap_key(&root, &[9; 32], &binding("acme")).await.unwrap();
    assert_ne!(wrapped[..12], again[..12], "a nonce came twice");
    drop(root);
    let root = Pkcs11Root::open(key("one", "root key"), pin(PIN)).await.unwrap();
    assert_eq!(*unwrap_key(&root, &wrapped, &binding("acme")).await.unwrap(), [9; 32]);

    // The token authenticates the context: no record is let out under another.
    let error = root.unwrap(&wrapped, &binding("other").encode()).await.unwrap_err();
    assert!(matches!(error, WrapError::DoesNotUnwrap { .. }), "{error:?}");
    let other = Pkcs11Root::create_key(key("two", "root key"), pin(PIN)).await.unwrap();
    let error = unwrap_key(&other, &wrapped, &binding("acme")).await.unwrap_err();
    assert!(matches!(error, WrapError::DoesNotUnwrap { .. }), "{error:?}");

    let mut hostile: Vec<Vec<u8>> = (0..wrapped.len()).map(|length| wrapped[..length].to_vec()).collect();
    for index in 0..wrapped.len() {
        let mut changed = wrapped.clone();
        changed[index] ^= 1 << (index % 8);
        hostile.push(changed);
    }
    hostile.extend([[&wrapped[..], b"x"].concat(), vec![0; 1_000_000]]);
    for bytes in &hostile {
        let error = unwrap_key(&root, bytes, &binding("acme")).await.unwrap_err();
        assert!(matches!(error, WrapError::DoesNotUnwrap { .. }), "{} bytes: {error:?}", bytes.len());
    }
    println!("measured: {} hostile wraps refused", hostile.len());
    assert_eq!(*unwrap_key(&root, &wrapped, &binding("acme")).await.unwrap(), [9; 32]);
}

#[tokio::test]
async fn many_calls_at_once() {
    if !with_tokens("many_calls_at_once") {
        return;
    }
    let root = Pkcs11Root::create_key(key("one", "k"), pin(PIN)).await.unwrap();
    let other = Pkcs11Root::create_key(key("two", "k"), pin(PIN)).await.unwrap();
    let started = std::time::Instant::now();
    let calls = (0..100_u8).map(|number| {
        let root = if number % 2 == 0 { &root } else { &other };
        async move {
            let binding = binding(&number.to_string());
            let wrapped = wrap_key(root, &[number; 32], &binding).await.unwrap();
            assert_eq!(*unwrap_key(root, &wrapped, &binding).await.unwrap(), [number; 32]);
        }
    });
    futures::future::join_all(calls).await;
    println!("measured: 100 wraps and unwraps at once in {:?}", started.elapsed());
}

#[tokio::test]
async fn keys_are_never_created_silently_or_confused() {
    if !with_tokens("keys_are_never_created_silently_or_confused") {
        return;
    }
    let opened = |key: Pkcs11Key, text: &str| Pkcs11Root::open(key, pin(text));
    let unusable = |result: Result<Pkcs11Root, WrapError>, expected: &str| match result {
        Err(error @ WrapError::Unusable { .. }) => {
            let message = error.to_string();
            assert!(message.contains(expected) && message.contains("pkcs11:token="), "{message}");
        }
        other => panic!("{other:?}"),
    };
    unusable(opened(key("one", "k"), PIN).await, "no AES key with this label and id");
    unusable(opened(key("one", "k"), PIN).await, "no AES key with this label and id");
    unusable(opened(key("three", "k"), PIN).await, "no token with this label");
    unusable(opened(Pkcs11Key::new("/nowhere.so", "one", "k", &[1]), PIN).await, "/nowhere.so");
    Pkcs11Root::create_key(key("one", "k"), pin(PIN)).await.unwrap();
    unusable(Pkcs11Root::create_key(key("one", "k"), pin(PIN)).await, "already");
    unusable(opened(Pkcs11Key::new(module(), "one", "k", &[2]), PIN).await, "no AES key");
    let root = opened(key("one", "k"), PIN).await.unwrap();
    let shown = format!("{root:?}");
    assert!(shown.contains("token=one") && !shown.contains(PIN), "{shown}");
}

#[tokio::test]
async fn a_wrong_pin_is_denied_and_not_shown() {
    if !with_tokens("a_wrong_pin_is_denied_and_not_shown") {
        return;
    }
    for wrong in ["0000000", "1", ""] {
        let error = Pkcs11Root::open(key("one", "k"), pin(wrong)).await.unwrap_err();
        assert!(matches!(error, WrapError::Denied { .. }), "{error:?}");
        assert!(wrong.len() < 5 || !format!("{error:?}").contains(wrong), "{error:?}");
    }
}
