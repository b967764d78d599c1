//! An emulator to use: one that runs already, or one of our own.

use std::path::PathBuf;

use tokio::sync::OnceCell;

use crate::java::Java;
use crate::process::Process;
use crate::{Error, find, rest};

/// The variable by which Google's tools and clients tell each other of a running emulator.
const HOST_VARIABLE: &str = "FIRESTORE_EMULATOR_HOST";

/// A running Firestore emulator.
///
/// One that we started ends when this is dropped, or when this process ends in whatever way. One that was running
/// already goes on.
#[derive(Debug)]
pub struct Emulator {
    host: String,
    _process: Option<Process>,
}

impl Emulator {
    /// Joins the emulator that `FIRESTORE_EMULATOR_HOST` names. If that is not set, starts one, which it finds in this
    /// order: the jar that `FIRESEAL_EMULATOR_JAR` names, the Google Cloud SDK's component, the Firebase CLI's cache, a
    /// pinned version that it downloads once (feature `fetch`).
    ///
    /// # Errors
    /// No Java or one too old, no emulator to be had, one that does not start: each says what to do.
    pub async fn start() -> Result<Self, Error> {
        match running() {
            Some(host) => join(host).await,
            None => Self::builder().start().await,
        }
    }

    /// An emulator of our own in any case, whatever `FIRESTORE_EMULATOR_HOST` says.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The one emulator that all tests of this process share, started by whoever asks first.
    ///
    /// # Errors
    /// As [`start`](Self::start). The next caller tries again.
    pub async fn shared() -> Result<&'static Self, Error> {
        // A static is never dropped: the process ends with ours because its supervisor sees us go.
        static SHARED: OnceCell<Emulator> = OnceCell::const_new();
        SHARED.get_or_try_init(Self::start).await
    }

    /// Where it listens, such as `127.0.0.1:34567`; the value for `FIRESTORE_EMULATOR_HOST`.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }
}

/// Choices for an emulator of our own.
#[derive(Debug, Default, Clone)]
#[must_use = "nothing happens before `start`"]
pub struct Builder {
    jar: Option<PathBuf>,
    port: Option<u16>,
}

impl Builder {
    /// Runs this emulator jar instead of looking for one.
    pub fn jar(mut self, jar: impl Into<PathBuf>) -> Self {
        self.jar = Some(jar.into());
        self
    }

    /// Listens on this port of 127.0.0.1 instead of a free one.
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Starts the emulator and waits until it answers.
    ///
    /// # Errors
    /// As [`Emulator::start`], and [`Error::PortTaken`] and [`Error::JarMissing`] for the choices made.
    pub async fn start(self) -> Result<Emulator, Error> {
        let java = Java::find()?;
        let jar = match self.jar {
            Some(jar) => find::existing(jar)?,
            None => find::jar(&java).await?,
        };
        let (process, host) = Process::start(&java, &jar, self.port).await?;
        Ok(Emulator { host, _process: Some(process) })
    }
}

/// The address of an emulator that runs already, without the scheme that some set it with.
fn running() -> Option<String> {
    let host = std::env::var(HOST_VARIABLE).ok()?;
    let host = host.strip_prefix("http://").unwrap_or(&host);
    let host = host.trim_end_matches('/');
    (!host.is_empty()).then(|| host.to_owned())
}

async fn join(host: String) -> Result<Emulator, Error> {
    if !rest::answers(&host).await {
        return Err(Error::NotAnswering { host });
    }
    Ok(Emulator { host, _process: None })
}
