//! What can go wrong, and what to do about it.

use std::path::PathBuf;

/// How to get an emulator, for the messages that end in having none.
const HOW_TO_INSTALL: &str = "install one with `gcloud components install cloud-firestore-emulator`, the package \
     google-cloud-cli-firestore-emulator, or `firebase setup:emulators:firestore`, or let FIRESEAL_EMULATOR_JAR name its jar";

/// Why the emulator could not be started, joined or asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No Java runtime runs here.
    #[error(
        "no Java runtime found: the Firestore emulator is a Java program; install Java 21 or newer \
         (Debian, Ubuntu: `apt install default-jre-headless`) and have `java` on the PATH or JAVA_HOME set"
    )]
    NoJava,

    /// The Java runtime is older than the emulator wants.
    #[error(
        "this emulator needs Java {needed} or newer, but the `java` found is version {found}: \
         install a newer one and have it first on the PATH, or let JAVA_HOME name it"
    )]
    JavaTooOld {
        /// The oldest major version that will do.
        needed: u32,
        /// The major version of the runtime that was found.
        found: u32,
    },

    /// Nothing is installed, and this build may not download.
    #[error("no Firestore emulator found: {HOW_TO_INSTALL}")]
    NoEmulator,

    /// The jar that was asked for is not there.
    #[error("there is no emulator jar at {}: correct the path (or FIRESEAL_EMULATOR_JAR)", jar.display())]
    JarMissing {
        /// The path that was asked for.
        jar: PathBuf,
    },

    /// The pinned emulator could not be downloaded.
    #[error(
        "no Firestore emulator is installed and {url} could not be fetched: check the network, or {HOW_TO_INSTALL}"
    )]
    Fetch {
        /// The address that was tried.
        url: String,
        /// What happened.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// What was downloaded is not the pinned emulator; it was thrown away.
    #[error(
        "what came from {url} is not the expected emulator (SHA-256 {found}, expected {expected}) and was deleted: \
         try again, and if it repeats look for a proxy that alters downloads, or {HOW_TO_INSTALL}"
    )]
    Checksum {
        /// The address that was fetched.
        url: String,
        /// The pinned SHA-256, in hexadecimal.
        expected: String,
        /// The SHA-256 of what came, in hexadecimal.
        found: String,
    },

    /// Another program listens on the port.
    #[error(
        "port {port} of 127.0.0.1 is taken: stop what listens there, or leave the port out and let a free one be picked"
    )]
    PortTaken {
        /// The port that was asked for.
        port: u16,
    },

    /// The emulator stopped before it answered.
    #[error("the emulator ended during its start ({status}); its last words:\n{tail}")]
    Exited {
        /// How it ended.
        status: std::process::ExitStatus,
        /// The end of its output.
        tail: String,
    },

    /// The emulator runs but does not answer.
    #[error("the emulator did not answer within {seconds} seconds; its last words:\n{tail}")]
    NotReady {
        /// How long was waited.
        seconds: u64,
        /// The end of its output.
        tail: String,
    },

    /// `FIRESTORE_EMULATOR_HOST` names an emulator that does not answer.
    #[error(
        "FIRESTORE_EMULATOR_HOST is {host}, but no emulator answers there: \
         start it, or unset the variable and let one be started"
    )]
    NotAnswering {
        /// The value of the variable.
        host: String,
    },

    /// The path is not one of a document.
    #[error(
        "{path:?} is no document's path: it takes collection and id by turns, as in customers/ada/orders/1"
    )]
    NotADocument {
        /// The path that was given.
        path: String,
    },

    /// The emulator refused a request.
    #[error("the emulator refused the request with status {status}: {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What the emulator said.
        message: String,
    },

    /// A request did not get through to the emulator or back.
    #[error("the emulator could not be asked: is it still running?")]
    Http(#[from] reqwest::Error),

    /// The `firestore` crate could not connect.
    #[error("no Firestore client could be made for the emulator")]
    Firestore(#[from] firestore::errors::FirestoreError),

    /// A search for no bytes would find nothing and prove nothing.
    #[error("a search needs at least one byte to look for")]
    EmptyNeedle,

    /// The operating system refused something.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Error {
    /// Turns an error of the operating system into ours.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
