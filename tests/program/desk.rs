//! A folder, a project of the emulator, and the program in them.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use fireseal_emulator::{Emulator, Project};
use serde_json::Value;
use tempfile::TempDir;

/// Where someone works with the program.
pub struct Desk {
    pub folder: TempDir,
    pub project: Project,
    host: String,
}

/// What a run of the program left.
pub struct Run {
    pub command: String,
    pub stdout: String,
    pub stderr: String,
    pub code: i32,
}

impl Desk {
    pub async fn new() -> Self {
        let emulator = Emulator::shared().await.unwrap();
        let project = emulator.project().unwrap();
        Self { folder: tempfile::tempdir().unwrap(), project, host: emulator.host().to_owned() }
    }

    /// A desk whose vault is a file, with one ring.
    pub async fn with_file_vault() -> Self {
        let desk = Self::new().await;
        desk.ok("init --vault-file keys.json --codes 0");
        desk
    }

    /// A desk whose vault is in the emulator, with one ring, and customers in the configuration.
    pub async fn with_customers() -> Self {
        let desk = Self::new().await;
        desk.ok("init --codes 0");
        desk.configure("[collections.customers.fields]\nssn = {}\nemail = { index = true }\n");
        desk
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Adds to the configuration.
    pub fn configure(&self, text: &str) {
        let before = self.read("fireseal.toml");
        fs::write(self.path("fireseal.toml"), format!("{before}\n{text}")).unwrap();
    }

    /// Makes a PKCS#11 token of SoftHSM2 with an AES key, and configures it as the root `token`.
    pub fn with_token(&self) {
        const PIN: &str = "648219";
        let module = [
            "/usr/lib/softhsm/libsofthsm2.so",
            "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
            "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
        ];
        let module = module.into_iter().find(|path| Path::new(path).exists());
        let module = module.expect("the Debian package `softhsm2` is installed");
        let tokens = self.path("tokens");
        fs::create_dir(&tokens).unwrap();
        let settings = format!("directories.tokendir = {}\nobjectstore.backend = file\n", tokens.display());
        fs::write(self.path("softhsm2.conf"), settings).unwrap();
        fs::write(self.path("aes"), [7; 32]).unwrap();
        let util = |arguments: &[&str]| {
            let output = self.command("softhsm2-util").args(arguments).args(["--pin", PIN]).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        };
        util(&["--init-token", "--free", "--label", "office", "--so-pin", "12345678"]);
        util(&["--import", "aes", "--aes", "--token", "office", "--label", "root key", "--id", "01ab"]);
        let pin = self.path("pin");
        fs::write(&pin, PIN).unwrap();
        fs::set_permissions(&pin, fs::Permissions::from_mode(0o600)).unwrap();
        self.configure(&format!(
            "[[vault.roots]]\nkind = \"pkcs11\"\nname = \"token\"\nmodule = \"{module}\"\ntoken = \"office\"\n\
             label = \"root key\"\nid = \"01ab\"\npin_file = \"pin\"\n"
        ));
    }

    /// A program with the desk's surroundings and nothing else of the tests' own environment.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let binary = Path::new(env!("CARGO_BIN_EXE_fireseal")).parent().unwrap();
        let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
        command.env_clear().env("PATH", path).env("HOME", self.folder.path());
        command.env("FIRESTORE_EMULATOR_HOST", &self.host).env("GOOGLE_CLOUD_PROJECT", self.project.id());
        command.env("SOFTHSM2_CONF", self.path("softhsm2.conf")).current_dir(self.folder.path());
        command
    }

    pub fn fireseal(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_fireseal"));
        command.args(arguments);
        command
    }

    /// Runs it with arguments that spaces part.
    pub fn run(&self, arguments: &str) -> Run {
        self.feed(arguments, "")
    }

    /// Runs it with this on standard input.
    pub fn feed(&self, arguments: &str, input: impl AsRef<[u8]>) -> Run {
        let words: Vec<&str> = arguments.split_whitespace().collect();
        self.feed_words(&words, input)
    }

    pub fn feed_words(&self, words: &[&str], input: impl AsRef<[u8]>) -> Run {
        let mut child = self.spawn(words);
        // A command that does not read its input may have ended before.
        let _ = child.stdin.take().unwrap().write_all(input.as_ref());
        Run::of(child, words)
    }

    pub fn spawn(&self, words: &[&str]) -> Child {
        let mut command = self.fireseal(words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Runs a command on a terminal of its own, and answers each question once it is asked. Returns what stood
    /// on the terminal, and the exit code.
    pub fn terminal(&self, command: &str, answers: &[(&str, &str)]) -> (String, i32) {
        let mut script = self.command("script");
        script.args(["-qec", command, "/dev/null"]).env("TERM", "xterm");
        let script = script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = script.spawn().unwrap();
        let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (mut seen, mut byte, mut from) = (Vec::new(), [0], 0);
        for (question, answer) in answers {
            while !String::from_utf8_lossy(&seen[from..]).contains(question) {
                assert_eq!(stdout.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&seen));
                seen.push(byte[0]);
            }
            from = seen.len();
            // The question stands there a moment before the echo is turned off; people type slower than that.
            std::thread::sleep(std::time::Duration::from_millis(500));
            stdin.write_all(format!("{}\n", answer.trim_end()).as_bytes()).unwrap();
            stdin.flush().unwrap();
        }
        stdout.read_to_end(&mut seen).unwrap();
        drop(stdin);
        (String::from_utf8_lossy(&seen).into_owned(), child.wait().unwrap().code().unwrap_or(-1))
    }

    /// Runs it, and makes sure that it says that all was done.
    pub fn ok(&self, arguments: &str) -> Run {
        let run = self.run(arguments);
        assert_eq!(run.code, 0, "{}", run.transcript());
        run
    }

    /// The result of a run with `--json`.
    pub fn json(&self, arguments: &str) -> Value {
        self.run(&format!("{arguments} --json")).json()
    }

    /// Puts plaintext customers into the emulator.
    pub async fn customers(&self, count: usize) {
        for number in 0..count {
            let fields = serde_json::json!({
                "name": {"stringValue": format!("Customer {number}")},
                "ssn": {"stringValue": format!("078-05-{number:04}")},
                "email": {"stringValue": format!("c{number}@example.com")},
            });
            self.project.put(&format!("customers/c{number:04}"), &fields).await.unwrap();
        }
    }
}

impl Run {
    pub fn of(child: Child, words: &[&str]) -> Self {
        let output = child.wait_with_output().unwrap();
        Self {
            command: words.join(" "),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            code: output.status.code().unwrap_or(-1),
        }
    }

    /// All of it, as a person would see it.
    pub fn transcript(&self) -> String {
        let mut text = format!("$ fireseal {}\n{}", self.command, self.stdout);
        for line in self.stderr.lines() {
            writeln!(text, "! {line}").unwrap();
        }
        writeln!(text, "exit code {}", self.code).unwrap();
        text
    }

    /// The last object on standard output.
    pub fn json(&self) -> Value {
        let line = self.stdout.lines().last().unwrap_or_default();
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {}", self.transcript()))
    }
}

/// Compares a text, made independent of the day and of chance, with a committed file.
pub fn snapshot(name: &str, text: &str) {
    let text = steady(text);
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/program/snapshots").join(format!("{name}.txt"));
    if std::env::var_os("FIRESEAL_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        return;
    }
    let expected = fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; FIRESEAL_BLESS=1 writes it", path.display()));
    assert_eq!(text, expected, "{name}: FIRESEAL_BLESS=1 writes it anew");
}

/// The text with ids, keys, times and versions replaced.
pub fn steady(text: &str) -> String {
    let mut seen: Vec<String> = Vec::new();
    let mut out = String::new();
    let mut word = String::new();
    for letter in text.chars().chain([' ']) {
        if letter.is_ascii_alphanumeric() || "-:._".contains(letter) {
            word.push(letter);
            continue;
        }
        out.push_str(&steady_word(&word, &mut seen));
        word.clear();
        out.push(letter);
    }
    out.pop();
    out
}

fn steady_word(word: &str, seen: &mut Vec<String>) -> String {
    let end = word.trim_end_matches(['.', ':']);
    let tail = &word[end.len()..];
    let hex = |text: &str| text.len() >= 16 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    let is_time = end.len() >= 20 && end.as_bytes()[10] == b'T' && end.ends_with('Z');
    let groups: Vec<&str> = end.split('-').collect();
    let steady = if is_time {
        "<time>".to_owned()
    } else if hex(end) {
        // The short form of an id is the same id.
        let short: String = end.chars().take(16).collect();
        let number = seen.iter().position(|known| *known == short).unwrap_or_else(|| {
            seen.push(short);
            seen.len() - 1
        });
        if end.len() == 16 { format!("<id {number}>") } else { format!("<id {number} in full>") }
    } else if end.starts_with("local:") {
        "<local root>".to_owned()
    } else if end.starts_with("age:age1") || end.starts_with("age1") && end.len() > 50 {
        "<recipient>".to_owned()
    } else if end.starts_with("AGE-SECRET-KEY-1") && end.len() > 50 {
        "<identity>".to_owned()
    } else if end.starts_with("fireseal-") && end.contains("-v1:") && end.len() > 40 {
        format!("<{}>", end.split(':').next().unwrap())
    } else if groups.len() >= 5 && groups.iter().all(|group| group.len() == 4) {
        "<code>".to_owned()
    } else {
        end.to_owned()
    };
    steady + tail
}
