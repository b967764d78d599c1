//! Wraps to people and devices are standard age files: the stock `age` program reads ours and writes what
//! we read; and files that mean harm cost neither time nor memory.
//!
//! T18 of docs/threat-model.md.

#![allow(missing_docs, clippy::unwrap_used)]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use fireseal::{
    AgeIdentity, AgePassphrase, AgeRecipient, Binding, KeyId, KeyWrapper, Purpose, Scope, SecretString,
    WrapError, unwrap_key, wrap_key,
};
use secrecy::ExposeSecret;

const SECRET: [u8; 32] = [9; 32];

/// The record of [`SECRET`] under [`binding`], written out by hand.
fn record() -> String {
    format!("fireseal-key-v1\ndata\n{}\nCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=\nacme", "01".repeat(32))
}

fn binding() -> Binding {
    Binding { scope: Scope::new("acme").unwrap(), purpose: Purpose::Data, key_id: KeyId::from_bytes([1; 32]) }
}

fn passphrase(text: &str) -> AgePassphrase {
    AgePassphrase::new("code-1", text.to_owned().into()).unwrap().with_weak_work_factor_for_tests(2)
}

fn run(program: &str, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run {program}: {error}. Install the Debian package `age`."));
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

fn stdout(output: Output) -> Vec<u8> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// An identity file as `age-keygen` writes it, and the identity in it.
fn stock_identity(path: &Path) -> AgeIdentity {
    let text = String::from_utf8(stdout(run("age-keygen", &[], b""))).unwrap();
    std::fs::write(path, &text).unwrap();
    let line = text.lines().find(|line| line.starts_with("AGE-SECRET-KEY-1")).unwrap();
    let identity = AgeIdentity::parse(&SecretString::from(line.to_owned())).unwrap();
    assert!(text.contains(&identity.recipient().to_string()), "age-keygen names another recipient");
    identity
}

async fn refused(root: &dyn KeyWrapper, wrapped: &[u8]) {
    match unwrap_key(root, wrapped, &binding()).await {
        Err(WrapError::DoesNotUnwrap { root: name }) => assert_eq!(name, root.root()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_recipient_wraps_and_its_identity_unwraps() {
    let identity = AgeIdentity::generate();
    let recipient: AgeRecipient = identity.recipient().to_string().parse().unwrap();
    assert_eq!(recipient.root(), format!("age:{recipient}"));
    assert_eq!(recipient.root(), identity.root());
    for root in [&recipient as &dyn KeyWrapper, &identity] {
        let wrapped = wrap_key(root, &SECRET, &binding()).await.unwrap();
        assert_eq!(*unwrap_key(&identity, &wrapped, &binding()).await.unwrap(), SECRET);
        refused(&AgeIdentity::generate(), &wrapped).await;
        let again = AgeIdentity::parse(&identity.expose_text()).unwrap();
        assert_eq!(*unwrap_key(&again, &wrapped, &binding()).await.unwrap(), SECRET);
        let other = Binding { scope: Scope::new("other").unwrap(), ..binding() };
        assert!(unwrap_key(&identity, &wrapped, &other).await.is_err());
    }
    let wrapped = wrap_key(&recipient, &SECRET, &binding()).await.unwrap();
    let error = unwrap_key(&recipient, &wrapped, &binding()).await.unwrap_err();
    assert!(matches!(error, WrapError::Unusable { .. }), "{error}");
}

#[tokio::test]
async fn the_stock_program_decrypts_a_wrap_to_the_record() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key.txt");
    let identity = stock_identity(&key);
    let wrapped = wrap_key(identity.recipient(), &SECRET, &binding()).await.unwrap();
    let file = dir.path().join("wrap.age");
    std::fs::write(&file, wrapped).unwrap();
    let arguments = ["-d", "-i", key.to_str().unwrap(), file.to_str().unwrap()];
    assert_eq!(String::from_utf8(stdout(run("age", &arguments, b""))).unwrap(), record());
    // And an identity that we made, in a file of its own.
    let ours = AgeIdentity::generate();
    std::fs::write(&key, ours.expose_text().expose_secret()).unwrap();
    std::fs::write(&file, wrap_key(&ours, &SECRET, &binding()).await.unwrap()).unwrap();
    assert_eq!(String::from_utf8(stdout(run("age", &arguments, b""))).unwrap(), record());
}

#[tokio::test]
async fn what_the_stock_program_encrypts_unwraps() {
    let dir = tempfile::tempdir().unwrap();
    let identity = stock_identity(&dir.path().join("key.txt"));
    let recipient = identity.recipient().to_string();
    for armour in [&["-a"][..], &[]] {
        let arguments = [&["-r", &recipient], armour].concat();
        let wrapped = stdout(run("age", &arguments, record().as_bytes()));
        assert_eq!(*unwrap_key(&identity, &wrapped, &binding()).await.unwrap(), SECRET);
    }
    // To two recipients, of whom we are the second.
    let other = AgeIdentity::generate().recipient().to_string();
    let wrapped = stdout(run("age", &["-r", &other, "-r", &recipient], record().as_bytes()));
    assert_eq!(*unwrap_key(&identity, &wrapped, &binding()).await.unwrap(), SECRET);
}

/// The stock program asks for passphrases on a terminal only; `script` is one.
fn on_a_terminal(command: &str, answers: &str) -> Output {
    Command::new("script")
        .args(["--quiet", "--return", "--command", command, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .and_then(|mut child| {
            let mut input = child.stdin.take().unwrap();
            // A terminal drops what is typed ahead of the prompt.
            for answer in answers.split_inclusive('\n') {
                std::thread::sleep(Duration::from_millis(1500));
                input.write_all(answer.as_bytes())?;
            }
            let output = child.wait_with_output();
            drop(input);
            output
        })
        .unwrap_or_else(|error| panic!("cannot run script: {error}. Install the Debian package `bsdutils`."))
}

#[tokio::test]
async fn the_stock_program_and_passphrases() {
    stdout(run("age", &["--version"], b""));
    let dir = tempfile::tempdir().unwrap();
    let (wrap, plain) = (dir.path().join("wrap.age"), dir.path().join("record"));
    let code = "ABCD-EFGH-JKMN-PQRS";
    // At the factor that is pinned.
    let root = AgePassphrase::new("code-1", code.to_owned().into()).unwrap();
    std::fs::write(&wrap, wrap_key(&root, &SECRET, &binding()).await.unwrap()).unwrap();
    let command = format!("age -d -o {} {}", plain.display(), wrap.display());
    stdout(on_a_terminal(&command, &format!("{code}\n")));
    assert_eq!(std::fs::read_to_string(&plain).unwrap(), record());

    let command = format!("age -p -o {} {}", wrap.display(), plain.display());
    stdout(on_a_terminal(&command, &format!("{code}\n{code}\n")));
    let wrapped = std::fs::read(&wrap).unwrap();
    assert_eq!(*unwrap_key(&root, &wrapped, &binding()).await.unwrap(), SECRET);
}

#[tokio::test]
async fn a_passphrase_unwraps_what_it_wrapped() {
    let root = passphrase("one");
    assert_eq!(root.root(), "age-passphrase:code-1");
    let wrapped = wrap_key(&root, &SECRET, &binding()).await.unwrap();
    assert_eq!(*unwrap_key(&passphrase("one"), &wrapped, &binding()).await.unwrap(), SECRET);
    refused(&passphrase("two"), &wrapped).await;
    refused(&AgeIdentity::generate(), &wrapped).await;
    let to_identity = wrap_key(&AgeIdentity::generate(), &SECRET, &binding()).await.unwrap();
    refused(&root, &to_identity).await;
}

#[tokio::test]
async fn the_work_factor_is_pinned() {
    let root = AgePassphrase::new("code-1", "one".to_owned().into()).unwrap();
    let wrapped = dearmour(&wrap_key(&root, &SECRET, &binding()).await.unwrap());
    let stanza = String::from_utf8_lossy(&wrapped).lines().nth(1).unwrap().to_owned();
    assert!(stanza.starts_with("-> scrypt ") && stanza.ends_with(" 18"), "{stanza}");
}

/// The binary age file in an armoured one.
fn dearmour(armoured: &[u8]) -> Vec<u8> {
    use base64::Engine;
    let text = std::str::from_utf8(armoured).unwrap();
    let body: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
    base64::engine::general_purpose::STANDARD.decode(body).unwrap()
}

/// Replaces text in a binary age file.
fn edited(file: &[u8], from: &str, to: &str) -> Vec<u8> {
    let at = file.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
    [&file[..at], to.as_bytes(), &file[at + from.len()..]].concat()
}

#[tokio::test]
async fn hostile_files_are_refused_before_any_work() {
    let identity = AgeIdentity::generate();
    let code = passphrase("one");
    let to_identity = dearmour(&wrap_key(&identity, &SECRET, &binding()).await.unwrap());
    let to_code = dearmour(&wrap_key(&code, &SECRET, &binding()).await.unwrap());
    let stanzas = |file: &[u8]| {
        let text = String::from_utf8_lossy(file).into_owned();
        text["age-encryption.org/v1\n".len()..text.find("---").unwrap()].to_owned()
    };
    let (ours, scrypt) = (stanzas(&to_identity), stanzas(&to_code));
    let factor = |factor: &str| edited(&to_code, " 2\n", &format!(" {factor}\n"));
    let first = "age-encryption.org/v1\n";
    let with = |file: &[u8], more: &str| edited(file, first, &format!("{first}{more}"));
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty", vec![]),
        ("no age file", b"hello".to_vec()),
        ("another version", edited(&to_identity, "org/v1", "org/v2")),
        ("log_n 63", factor("63")),
        ("log_n 64", factor("64")),
        ("log_n 255", factor("255")),
        ("log_n 19", factor("19")),
        ("log_n 0", factor("0")),
        ("log_n 018", factor("018")),
        ("log_n -1", factor("-1")),
        ("log_n with 40 digits", factor(&"9".repeat(40))),
        ("two scrypt stanzas", with(&to_code, &scrypt)),
        ("100 scrypt stanzas", with(&to_code, &scrypt.repeat(20))),
        ("scrypt beside a recipient", with(&to_code, &ours)),
        ("a recipient beside scrypt", with(&to_identity, &scrypt)),
        ("a stanza copied", with(&to_identity, &ours)),
        ("100,000 stanzas", with(&to_identity, &ours.repeat(100_000))),
        ("an unknown stanza only", edited(&to_identity, "-> X25519", "-> X25518")),
        ("a plugin's stanza", edited(&to_identity, "-> X25519", "-> yubikey")),
        ("a long argument", edited(&to_identity, "-> X25519", &format!("-> X25519{}", " a".repeat(4000)))),
        ("an endless line", [first.as_bytes(), &b"-> ".repeat(1_000_000)].concat()),
        ("trailing bytes", [&to_identity[..], b"x"].concat()),
        ("armour without an end", b"-----BEGIN AGE ENCRYPTED FILE-----\n".to_vec()),
        ("armour in armour", {
            let mut file = b"-----BEGIN AGE ENCRYPTED FILE-----\n".repeat(100);
            file.extend(b"-----END AGE ENCRYPTED FILE-----\n");
            file
        }),
    ];
    let started = Instant::now();
    for (name, file) in &cases {
        for root in [&identity as &dyn KeyWrapper, &code] {
            let started = Instant::now();
            refused(root, file).await;
            assert!(started.elapsed() < Duration::from_secs(1), "{name}: {:?}", started.elapsed());
        }
    }
    println!("{} hostile files, twice each, refused in {:?}", cases.len(), started.elapsed());
    // A record of the largest length, and longer ones, encrypted as they should be.
    let recipient = identity.recipient().to_string();
    for length in [4096, 4097, 5000, 40_000] {
        let file = stdout(run("age", &["-r", &recipient], &vec![b'x'; length]));
        match identity.unwrap(&file, b"").await {
            Ok(record) => assert!(length == 4096 && record.len() == length),
            Err(error) => {
                assert!(length > 4096 && matches!(error, WrapError::DoesNotUnwrap { .. }), "{error:?}");
            }
        }
    }
}

#[tokio::test]
async fn no_bit_and_no_length_may_change() {
    let identity = AgeIdentity::generate();
    let wrapped = dearmour(&wrap_key(&identity, &SECRET, &binding()).await.unwrap());
    assert_eq!(*unwrap_key(&identity, &wrapped, &binding()).await.unwrap(), SECRET);
    for length in 0..wrapped.len() {
        refused(&identity, &wrapped[..length]).await;
    }
    for bit in 0..wrapped.len() * 8 {
        let mut changed = wrapped.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        refused(&identity, &changed).await;
    }
    println!("{} truncations and {} flipped bits refused", wrapped.len(), wrapped.len() * 8);
    let code = passphrase("one");
    let wrapped = dearmour(&wrap_key(&code, &SECRET, &binding()).await.unwrap());
    for length in 0..wrapped.len() {
        refused(&code, &wrapped[..length]).await;
    }
}

#[test]
fn what_is_no_recipient_or_identity_is_refused_without_being_shown() {
    let identity = AgeIdentity::generate();
    let (recipient, secret) = (identity.recipient().to_string(), identity.expose_text());
    let secret = secret.expose_secret();
    let typo = format!("{}q", &recipient[..recipient.len() - 1]);
    let plugin = "age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t";
    let ssh = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsKLqeplhpW+uObz5dvMgjz1OxfM/XXUB+VHtZ6isGN";
    for text in ["", "age1", &recipient[1..], &typo, plugin, ssh, secret] {
        let error = text.parse::<AgeRecipient>().unwrap_err().to_string();
        assert!(text.len() < 10 || !error.contains(text), "{error}");
    }
    for text in ["", &recipient, &secret[1..], &secret[..70]] {
        let error = AgeIdentity::parse(&SecretString::from(text.to_owned())).unwrap_err().to_string();
        assert!(text.is_empty() || !error.contains(text), "{error}");
    }
    for slot in ["", "a b", "a\n", "ä", &"a".repeat(65)] {
        assert!(AgePassphrase::new(slot, "one".to_owned().into()).is_err(), "{slot}");
    }
    assert!(AgePassphrase::new("code-1", SecretString::default()).is_err());
    let code = passphrase("not-to-be-seen");
    let shown = format!("{identity:?} {:?} {code:?}", identity.recipient());
    assert!(!shown.contains("SECRET") && !shown.contains("not-to-be-seen"), "{shown}");
}

/// Passphrases are stretched one at a time, and the runtime goes on meanwhile.
#[tokio::test]
async fn stretching_does_not_block_the_runtime() {
    let root = AgePassphrase::new("code-1", "one".to_owned().into()).unwrap();
    let binding = binding();
    let started = Instant::now();
    let mut ticks = 0;
    let work = wrap_key(&root, &SECRET, &binding);
    tokio::pin!(work);
    loop {
        tokio::select! {
            wrapped = &mut work => break drop(wrapped.unwrap()),
            () = tokio::time::sleep(Duration::from_millis(5)) => ticks += 1,
        }
    }
    println!("a wrap with a passphrase took {:?}, with {ticks} ticks of 5 ms beside it", started.elapsed());
    assert!(ticks > 3);
}
