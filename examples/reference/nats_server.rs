//! A real nats-server with JetStream on disk, which takes nobody without a client certificate.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use async_nats::{Client, ConnectOptions, Event};
use tempfile::TempDir;

use crate::certificates::{Authority, Failure, Identity};

/// The server ends with its last owner, or with the process if that is killed.
pub struct NatsServer {
    guard: Child,
    folder: TempDir,
    address: String,
    pub authority: Authority,
}

/// Ends the server when our end of the pipe closes, however that happens.
const GUARD: &str = r#""$@" & server=$!; read -r _; kill "$server"; wait "$server""#;

impl NatsServer {
    /// Starts a server. Each user is a DNS name of a certificate and the subjects it may use.
    pub fn start(users: &[(&str, &[&str])]) -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let authority = Authority::new("authority of the bus")?;
        let [certificate, key] = authority.issue(&["localhost"])?.write(folder.path(), "server")?;
        let ca = folder.path().join("ca.crt");
        fs::write(&ca, &authority.certificate)?;
        let users: Vec<_> = users.iter().map(|(name, subjects)| user(name, subjects)).collect();
        let config = format!(
            "listen: \"127.0.0.1:-1\"\nports_file_dir: {folder:?}\nserver_name: test\n\
             jetstream {{ store_dir: {store:?} }}\n\
             tls {{ cert_file: {certificate:?}, key_file: {key:?}, ca_file: {ca:?}, verify_and_map: true, timeout: 10 }}\n\
             authorization {{ users: [\n{}\n] }}\n",
            users.join("\n"),
            folder = folder.path(),
            store = folder.path().join("jetstream"),
        );
        let config_file = folder.path().join("nats.conf");
        fs::write(&config_file, config)?;
        let log = folder.path().join("nats.log");
        let program = program()?;
        let guard = Command::new("sh")
            .args(["-c", GUARD, "sh", program, "-c"])
            .arg(&config_file)
            .args(["-DV", "-l"])
            .arg(&log)
            .stdin(Stdio::piped())
            .spawn()?;
        let mut server = Self { guard, folder, address: String::new(), authority };
        server.address = server.wait_for_address(&log)?;
        Ok(server)
    }

    fn wait_for_address(&self, log: &Path) -> Result<String, Failure> {
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            let mut ports = None;
            for entry in fs::read_dir(self.folder.path())? {
                let path = entry?.path();
                if path.extension().is_some_and(|end| end == "ports") {
                    ports = serde_json::from_str::<serde_json::Value>(&fs::read_to_string(path)?).ok();
                }
            }
            if let Some(port) = ports.as_ref().and_then(|ports| ports["nats"][0].as_str()?.rsplit(':').next())
            {
                return Ok(format!("tls://localhost:{port}"));
            }
            sleep(Duration::from_millis(20));
        }
        Err(format!("nats-server did not start:\n{}", fs::read_to_string(log).unwrap_or_default()).into())
    }

    /// Connects as whoever the certificate names.
    pub async fn connect(&self, identity: Option<&Identity>) -> Result<Client, Failure> {
        self.connect_telling(identity, |_| {}).await
    }

    /// The same, and tells what happens on the connection.
    pub async fn connect_telling(
        &self,
        identity: Option<&Identity>,
        tell: impl Fn(Event) + Send + Sync + Clone + 'static,
    ) -> Result<Client, Failure> {
        let mut options = ConnectOptions::new()
            .add_root_certificates(self.folder.path().join("ca.crt"))
            .require_tls(true)
            .connection_timeout(Duration::from_secs(10))
            .event_callback(move |event| {
                let tell = tell.clone();
                async move { tell(event) }
            });
        let files = tempfile::tempdir()?;
        if let Some(identity) = identity {
            let [certificate, key] = identity.write(files.path(), "client")?;
            options = options.add_client_certificate(certificate, key);
        }
        Ok(options.connect(&self.address).await?)
    }

    /// Where the server keeps its streams, its configuration and its log.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

fn user(name: &str, subjects: &[&str]) -> String {
    let allowed: Vec<_> = subjects.iter().map(|subject| format!("{subject:?}")).collect();
    let allowed = allowed.join(", ");
    format!("{{ user: {name:?}, permissions: {{ publish: [{allowed}], subscribe: [{allowed}] }} }}")
}

/// Debian puts it where a user's path may not look.
fn program() -> Result<&'static str, Failure> {
    for program in ["nats-server", "/usr/sbin/nats-server"] {
        match Command::new(program).arg("--version").stdout(Stdio::null()).status() {
            Ok(_) => return Ok(program),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(format!("{program} does not start: {error}").into()),
        }
    }
    Err("there is no nats-server; install the Debian package `nats-server` (apt-get install nats-server)"
        .into())
}

/// Every file below a folder, with its name.
pub fn files(folder: &Path) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push((path.display().to_string(), fs::read(&path)?));
        }
    }
    Ok(found)
}
