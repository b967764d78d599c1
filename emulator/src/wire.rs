//! What passes between a client and the emulator: every byte of every connection, and every call of it decoded.

mod call;
mod tap;

use std::sync::{Arc, Mutex, PoisonError};

use firestore::FirestoreDb;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::secrets::{Searched, Shown, find_secrets};
use crate::{Error, Project};
use tap::Tap;

/// A listener on the wire: a proxy between clients and the emulator, which records what passes. Raw, as whoever taps
/// the network sees it where no TLS hides it, and decoded: the headers and the messages of each gRPC call.
///
/// ```no_run
/// # async fn example(project: fireseal_emulator::Project) -> Result<(), fireseal_emulator::Error> {
/// let wire = project.wire().await?;
/// let db = wire.firestore().await?; // for your program, instead of `project.firestore()`
/// // ... after it wrote customers, their numbers sealed:
/// let searched = wire.assert_sealed(&["078-05-1120"]);
/// println!("{searched}: nothing found");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Wire<'a> {
    project: &'a Project,
    url: String,
    record: Record,
    listening: JoinHandle<()>,
}

/// What passed, each stream by itself.
#[derive(Debug, Clone, Default)]
struct Record(Arc<Mutex<Vec<Vec<u8>>>>);

impl Record {
    /// A stream that was opened: its number, to which bytes are added.
    fn open(&self) -> usize {
        let mut streams = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        streams.push(Vec::new());
        streams.len() - 1
    }

    fn add(&self, stream: usize, bytes: &[u8]) {
        let mut streams = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stream) = streams.get_mut(stream) {
            stream.extend_from_slice(bytes);
        }
    }
}

impl Project {
    /// Puts a listener between this project's database and the clients that [`Wire::firestore`] gives.
    ///
    /// # Errors
    /// [`Error::Io`] where no port can be listened at.
    pub async fn wire(&self) -> Result<Wire<'_>, Error> {
        let unheard = "no port to listen at between client and emulator";
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(Error::io(unheard))?;
        let address = listener.local_addr().map_err(Error::io(unheard))?;
        let (record, emulator) = (Record::default(), self.host().to_owned());
        let shared = record.clone();
        let listening = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let (record, emulator) = (shared.clone(), emulator.clone());
                connections.spawn(async move {
                    if let Ok(server) = TcpStream::connect(&emulator).await {
                        call::pass(Tap::new(client, &record), server, &emulator, &record).await;
                    }
                });
            }
        });
        Ok(Wire { project: self, url: format!("http://{address}"), record, listening })
    }
}

impl Wire<'_> {
    /// A client of the project's database whose every call passes here, with the owner's rights.
    ///
    /// # Errors
    /// [`Error::Firestore`] when the emulator cannot be reached.
    pub async fn firestore(&self) -> Result<FirestoreDb, Error> {
        self.project.client(&self.url).await
    }

    /// The address of the listener, such as `http://127.0.0.1:8081`, for a client of another process.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What passed so far: for each connection both directions as they were, for each call its decoded headers and
    /// messages.
    #[must_use]
    pub fn streams(&self) -> Vec<Vec<u8>> {
        self.record.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asserts that none of the secrets passed, in any [`Form`](crate::Form). Says how much was searched.
    ///
    /// # Panics
    /// Where one passed. Where nothing did, which would prove nothing. For a secret of less than 4 bytes.
    #[allow(clippy::must_use_candidate)]
    pub fn assert_sealed(&self, secrets: &[impl AsRef<[u8]>]) -> Searched {
        let (searched, shown) = self.find_secrets(secrets);
        assert!(searched.bytes > 0, "nothing passed, which proves nothing");
        assert!(shown.is_empty(), "secrets passed on the wire {} times: {shown:?}", shown.len());
        searched
    }

    /// Every place where one of the secrets passed, in any [`Form`](crate::Form), and how much was searched.
    ///
    /// # Panics
    /// For a secret of less than 4 bytes.
    #[must_use]
    pub fn find_secrets(&self, secrets: &[impl AsRef<[u8]>]) -> (Searched, Vec<Shown>) {
        let streams: Vec<_> = self.streams().into_iter().filter(|stream| !stream.is_empty()).collect();
        let shown = streams.iter().flat_map(|stream| find_secrets(secrets, stream)).collect();
        (Searched { places: streams.len(), bytes: streams.iter().map(Vec::len).sum() }, shown)
    }
}

impl Drop for Wire<'_> {
    fn drop(&mut self) {
        self.listening.abort();
    }
}
