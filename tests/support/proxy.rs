//! A proxy between a [`FirestoreStore`] and the emulator that loses, delays and cuts.
//!
//! ```ignore
//! #[path = "support/proxy.rs"]
//! mod proxy;
//!
//! let project = Emulator::shared().await.unwrap().project().unwrap();
//! let proxy = Proxy::new(&project).await;
//! let store = proxy.store().await; // a FirestoreStore whose every call passes through the proxy
//! proxy.next("Commit", Fault::Lost); // the next commit is applied, and its answer is lost
//! assert!(matches!(store.commit(&writes).await, Err(StoreError::Unavailable { .. })));
//! assert_eq!(proxy.calls("Commit"), 1); // nothing was sent again
//! ```
//!
//! * Calls are named by their method: `Commit`, `BatchGetDocuments`, `RunQuery`, `BeginTransaction`, `Listen`, ..
//! * [`Proxy::nth`] sets a fault for the n-th call of a method from now on, [`Proxy::next`] for the next one;
//!   each fault happens once. A call without a fault passes unchanged in both directions as it comes,
//!   streams included.
//! * [`Proxy::cut`] closes every connection at once, as a broken network does; new ones are taken.
//! * [`Proxy::calls`] counts the calls of a method so far, [`Proxy::open`] those that are not over.

#![allow(dead_code, clippy::unwrap_used)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use fireseal::store::FirestoreStore;
use fireseal_emulator::{Emulator, Project};
use firestore::gcloud_sdk::google_cloud_auth::credentials::anonymous;
use firestore::{FirestoreDb, FirestoreDbOptions};
use h2::client::SendRequest;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::Request;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What becomes of one call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// The server does it; then the call breaks off without an answer.
    Lost,
    /// The server does it; then the whole connection closes without an answer.
    Hangup,
    /// The server does it; no answer ever comes.
    Silent,
    /// The server does it; the answer comes this much later.
    Slow(Duration),
    /// The server gets it this much later.
    Late(Duration),
    /// The server never gets it; the call breaks off.
    Dropped,
}

#[derive(Default)]
struct State {
    calls: HashMap<String, usize>,
    open: HashMap<String, usize>,
    faults: Vec<(String, usize, Fault)>,
}

pub struct Proxy {
    url: String,
    project: String,
    state: Arc<Mutex<State>>,
    cuts: watch::Sender<u64>,
}

impl Proxy {
    /// A proxy in front of the shared emulator, for this project.
    pub async fn new(project: &Project) -> Self {
        let emulator = Emulator::shared().await.unwrap().host().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (state, cuts) = (Arc::<Mutex<State>>::default(), watch::Sender::new(0));
        let (shared, sender) = (state.clone(), cuts.clone());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(connection(socket, emulator.clone(), shared.clone(), sender.clone()));
            }
        });
        Self { url, project: project.id().to_owned(), state, cuts }
    }

    /// A store of the project, through the proxy.
    pub async fn store(&self) -> FirestoreStore {
        let options = FirestoreDbOptions::new(self.project.clone()).with_firebase_api_url(self.url.clone());
        let anyone = anonymous::Builder::new().build();
        FirestoreStore::new(FirestoreDb::with_options_auth(options, anyone).await.unwrap())
    }

    /// The next call of this method fails so.
    pub fn next(&self, method: &str, fault: Fault) {
        self.nth(method, 1, fault);
    }

    /// The n-th call of this method from now on fails so, counted from 1.
    pub fn nth(&self, method: &str, n: usize, fault: Fault) {
        let mut state = self.state.lock().unwrap();
        let number = state.calls.get(method).copied().unwrap_or(0) + n;
        state.faults.push((method.to_owned(), number, fault));
    }

    /// Closes every connection.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// How many calls of this method came so far.
    pub fn calls(&self, method: &str) -> usize {
        self.state.lock().unwrap().calls.get(method).copied().unwrap_or(0)
    }

    /// How many calls of this method are not over.
    pub fn open(&self, method: &str) -> usize {
        self.state.lock().unwrap().open.get(method).copied().unwrap_or(0)
    }
}

async fn connection(socket: TcpStream, emulator: String, state: Arc<Mutex<State>>, cuts: watch::Sender<u64>) {
    let mut cut = cuts.subscribe();
    let serve = async {
        let upstream = TcpStream::connect(&emulator).await.unwrap();
        let (upstream, driver) = h2::client::handshake(upstream).await.unwrap();
        let mut calls = JoinSet::new();
        calls.spawn(async move {
            let _ = driver.await;
        });
        let Ok(mut server) = h2::server::handshake(socket).await else { return };
        let (hangup, mut hung_up) = tokio::sync::mpsc::channel(1);
        loop {
            let accepted = tokio::select! {
                accepted = server.accept() => accepted,
                _ = hung_up.recv() => return,
            };
            let Some(Ok((request, respond))) = accepted else { return };
            let call =
                Call { upstream: upstream.clone(), hangup: hangup.clone(), emulator: emulator.clone() };
            calls.spawn(call.run(request, respond, state.clone()));
        }
    };
    tokio::select! {
        () = serve => {}
        _ = cut.changed() => {}
    }
}

/// Counts a call as open for as long as it lives.
struct Open(String, Arc<Mutex<State>>);

impl Drop for Open {
    fn drop(&mut self) {
        *self.1.lock().unwrap().open.get_mut(&self.0).unwrap() -= 1;
    }
}

struct Call {
    upstream: SendRequest<Bytes>,
    hangup: tokio::sync::mpsc::Sender<()>,
    emulator: String,
}

impl Call {
    async fn run(
        self,
        request: Request<RecvStream>,
        mut respond: SendResponse<Bytes>,
        state: Arc<Mutex<State>>,
    ) {
        let method = request.uri().path().rsplit('/').next().unwrap().to_owned();
        let fault = {
            let mut state = state.lock().unwrap();
            *state.open.entry(method.clone()).or_default() += 1;
            let calls = state.calls.entry(method.clone()).or_default();
            *calls += 1;
            let number = *calls;
            let set = state.faults.iter().position(|(name, n, _)| *name == method && *n == number);
            set.map(|set| state.faults.remove(set).2)
        };
        let _open = Open(method, state);
        match fault {
            Some(Fault::Dropped) => respond.send_reset(Reason::INTERNAL_ERROR),
            Some(Fault::Late(pause)) => {
                tokio::time::sleep(pause).await;
                self.pass(request, respond, None).await;
            }
            fault => self.pass(request, respond, fault).await,
        }
    }

    async fn pass(
        self,
        request: Request<RecvStream>,
        mut respond: SendResponse<Bytes>,
        fault: Option<Fault>,
    ) {
        let (mut head, mut body) = request.into_parts();
        let path = head.uri.path_and_query().unwrap().as_str();
        head.uri = format!("http://{}{path}", self.emulator).parse().unwrap();
        let mut upstream = self.upstream.ready().await.unwrap();
        let (answer, mut sink) = upstream.send_request(Request::from_parts(head, ()), false).unwrap();
        let ask = async move {
            loop {
                match body.data().await {
                    Some(Ok(chunk)) => {
                        let _ = body.flow_control().release_capacity(chunk.len());
                        if sink.send_data(chunk, false).is_err() {
                            return;
                        }
                    }
                    // The client has given the call up.
                    Some(Err(_)) => return sink.send_reset(Reason::CANCEL),
                    None => {
                        let _ = sink.send_data(Bytes::new(), true);
                        // Kept, or the call would be taken for given up.
                        return std::future::pending().await;
                    }
                }
            }
        };
        let reply = async {
            let Ok(answer) = answer.await else { return respond.send_reset(Reason::INTERNAL_ERROR) };
            let (head, mut body) = answer.into_parts();
            let mut chunks = Vec::new();
            if let Some(fault) = fault {
                // Only once the server has said all does anything go wrong.
                while let Some(Ok(chunk)) = body.data().await {
                    let _ = body.flow_control().release_capacity(chunk.len());
                    chunks.push(chunk);
                }
                match fault {
                    Fault::Lost => return respond.send_reset(Reason::INTERNAL_ERROR),
                    Fault::Hangup => return self.hangup.send(()).await.unwrap(),
                    Fault::Silent => return std::future::pending().await,
                    Fault::Slow(pause) => tokio::time::sleep(pause).await,
                    Fault::Late(_) | Fault::Dropped => {}
                }
            }
            let ends = body.is_end_stream() && chunks.is_empty();
            let Ok(mut stream) = respond.send_response(http::Response::from_parts(head, ()), ends) else {
                return;
            };
            if ends {
                return;
            }
            for chunk in chunks {
                let _ = stream.send_data(chunk, false);
            }
            while let Some(chunk) = body.data().await {
                let Ok(chunk) = chunk else { return stream.send_reset(Reason::INTERNAL_ERROR) };
                let _ = body.flow_control().release_capacity(chunk.len());
                if stream.send_data(chunk, false).is_err() {
                    return;
                }
            }
            match body.trailers().await {
                Ok(Some(trailers)) => {
                    let _ = stream.send_trailers(trailers);
                }
                _ => {
                    let _ = stream.send_data(Bytes::new(), true);
                }
            }
        };
        tokio::select! {
            () = ask => {}
            () = reply => {}
        }
    }
}
